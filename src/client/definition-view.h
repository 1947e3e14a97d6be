#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The definitions in force. Functions with a reterr fail like connection_call(). */

#include "client/properties.h"

typedef struct DefinitionRow {
        const char *job;
        uint64_t digest;
} DefinitionRow;

typedef struct DefinitionView {
        sd_bus_message *message; /* that the strings belong to */
        const char *file;
        const char *text; /* a job file */
} DefinitionView;

/* Rows of all valid definitions, by name. */
int definition_rows_get(Connection *c, sd_bus_error *reterr, Rows *ret);

int definition_view_get(Connection *c, const char *job, sd_bus_error *reterr, DefinitionView *ret);
void definition_view_done(DefinitionView *v);
