/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Tables. Widths are counted in columns of the terminal, not in bytes. If a table is too wide, the columns that may
 * shrink first do so, down to COLUMN_MIN, then the others in their turn, always the widest one first. What does not
 * fit after that is left to the terminal to wrap, because hiding it would not help. */

#include "ctl/alloc.h"
#include "ctl/table.h"
#include "util/bytes.h"
#include "util/i18n.h"

#define COLUMN_MIN 4 /* columns; the first letters of a title, or three letters and an ellipsis */

typedef struct Cell {
        size_t text; /* offset in the texts */
        uint32_t width;
        Color color;
} Cell;

struct Table {
        const TableColumn *columns;
        size_t n_columns;
        Cell *cells; /* row by row */
        size_t n_rows;
        size_t n_allocated; /* rows */
        Bytes texts;        /* escaped, each with its NUL: one piece of memory for ten thousands of them */
};

Table *table_new(const TableColumn *columns, size_t n) {
        Table *t = alloc_array(NULL, 1, sizeof(Table));

        *t = (Table){ .columns = columns, .n_columns = n };
        return t;
}

Table *table_free(Table *t) {
        if (!t)
                return NULL;
        bytes_done(&t->texts);
        free(t->cells);
        return mfree(t);
}

static Cell add_cell(Table *t, const TableCell *cell) {
        const char *text = strempty(cell->text);
        Cell c = { .text = t->texts.n, .color = cell->color };
        size_t n = text_plain_length(text);
        _cleanup_free_ char *escaped = NULL;

        c.width = (uint32_t)n;
        if (text[n] != '\0') {
                text = escaped = text_escape(text);
                n = strlen(text);
                c.width = (uint32_t)text_width(text);
        }
        bytes_add(&t->texts, text, n + 1);
        if (t->texts.failed)
                alloc_failed();
        return c;
}

void table_add(Table *t, const TableCell *cells) {
        if (t->n_rows == t->n_allocated) {
                t->n_allocated = MAX(t->n_allocated * 2, (size_t)16);
                t->cells = alloc_array(t->cells, t->n_allocated, t->n_columns * sizeof(Cell));
        }
        assert(t->n_rows < t->n_allocated);
        for (size_t i = 0; i < t->n_columns; i++)
                t->cells[t->n_rows * t->n_columns + i] = add_cell(t, &cells[i]);
        t->n_rows++;
}

size_t table_size(const Table *t) {
        return t->n_rows;
}

static size_t natural_width(const Table *t, size_t column, bool titles) {
        size_t width = 0;

        for (size_t row = 0; row < t->n_rows; row++) {
                size_t w = t->cells[row * t->n_columns + column].width;

                width = MAX(width, w);
        }
        if (titles && (width > 0 || !t->columns[column].optional))
                width = MAX(width, text_width(translated(t->columns[column].title)));
        return width;
}

/* The widest column that can still shrink at this stage, or n_columns. */
static size_t widest_column(const Table *t, const size_t *widths, TableShrink stage) {
        size_t widest = t->n_columns;

        for (size_t i = 0; i < t->n_columns; i++)
                if (widths[i] > COLUMN_MIN && t->columns[i].shrink >= stage &&
                    (widest == t->n_columns || widths[i] > widths[widest]))
                        widest = i;
        return widest;
}

static void fit(const Table *t, size_t *widths, size_t limit) {
        size_t total = 0;

        for (size_t i = 0; i < t->n_columns; i++)
                if (widths[i] > 0)
                        total += widths[i] + (total > 0 ? 1 : 0);
        for (int stage = SHRINK_FIRST; total > limit && stage >= SHRINK_LAST;) {
                size_t i = widest_column(t, widths, (TableShrink)stage);

                if (i < t->n_columns) {
                        widths[i]--;
                        total--;
                } else
                        stage--;
        }
}

static void print_blanks(FILE *f, size_t n) {
        for (; n > 0; n--)
                putc_unlocked(' ', f);
}

/* A row. Blanks are printed only before further text, so that no line ends in one. */
static void print_row(const Table *t, FILE *f, const size_t *widths, const Cell *cells, const TableStyle *style) {
        size_t blanks = 0;

        for (size_t i = 0; i < t->n_columns; i++) {
                bool color = style->color && cells[i].color != COLOR_NONE;
                _cleanup_free_ char *shorter = NULL;
                const char *text = t->texts.bytes + cells[i].text;
                size_t w = cells[i].width, rest;

                if (w > widths[i]) {
                        text = shorter = text_ellipsize(text, widths[i], style->ellipsis);
                        w = text_width(text);
                }
                rest = w < widths[i] ? widths[i] - w : 0;

                if (t->columns[i].right)
                        blanks += TAKE_GENERIC(rest, 0);
                if (w > 0) {
                        print_blanks(f, TAKE_GENERIC(blanks, 0));
                        fputs_unlocked(color ? color_start(cells[i].color) : "", f);
                        fputs_unlocked(text, f);
                        fputs_unlocked(color ? COLOR_END : "", f);
                }
                if (widths[i] > 0)
                        blanks += rest + 1;
        }
        fputc('\n', f);
}

static void print_titles(const Table *t, FILE *f, const size_t *widths, const TableStyle *style) {
        _cleanup_(table_freep) Table *titles = table_new(t->columns, t->n_columns);
        _cleanup_free_ TableCell *cells = alloc_array(NULL, t->n_columns, sizeof(TableCell));

        for (size_t i = 0; i < t->n_columns; i++)
                cells[i] = (TableCell){ translated(t->columns[i].title), COLOR_TITLE };
        table_add(titles, cells);
        print_row(titles, f, widths, titles->cells, style);
}

void table_print(const Table *t, FILE *f, const TableStyle *style) {
        _cleanup_free_ size_t *widths = alloc_array(NULL, t->n_columns, sizeof(size_t));

        for (size_t i = 0; i < t->n_columns; i++)
                widths[i] = natural_width(t, i, style->titles);
        if (style->width > 0)
                fit(t, widths, style->width);

        if (style->titles)
                print_titles(t, f, widths, style);
        for (size_t row = 0; row < t->n_rows; row++)
                print_row(t, f, widths, t->cells + row * t->n_columns, style);
}
