#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A table like those of systemctl: columns as wide as their widest cell, one blank between, no lines. */

#include "ctl/text.h"

typedef struct Table Table;

/* When a column shrinks if the terminal is too narrow. */
typedef enum TableShrink {
        SHRINK_LAST,
        SHRINK_LATE,
        SHRINK_FIRST,
} TableShrink;

typedef struct TableColumn {
        const char *title; /* N_(): it is translated when it is printed */
        bool right;        /* numbers: aligned at the right */
        TableShrink shrink;
        bool optional; /* left out if no row has a value */
} TableColumn;

typedef struct TableCell {
        const char *text; /* NULL: empty */
        Color color;
} TableCell;

typedef struct TableStyle {
        size_t width;         /* columns of the terminal; 0: no limit, nothing is truncated */
        const char *ellipsis; /* where something is cut */
        bool titles;
        bool color;
} TableStyle;

/* columns: n of them, which belong to the caller and must outlive the table. */
Table *table_new(const TableColumn *columns, size_t n);
Table *table_free(Table *t);
DEFINE_CLEANUP(Table, table_free)

/* One row, one cell per column; texts are copied and escaped. */
void table_add(Table *t, const TableCell *cells);
size_t table_size(const Table *t) _pure_;

void table_print(const Table *t, FILE *f, const TableStyle *style);
