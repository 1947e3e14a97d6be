/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the parsers of all sections share, and so below them. */

#include "config/job-builder.h"

void place_set(Place *p, const KeyLine *k) {
        Builder *b = k->reading->userdata;

        *p = (Place){
                .row = k->row,
                .problems = k->reading->problems,
                .line = k->line,
                .order = ++b->order,
                .validated = k->problems == k->reading->problems,
        };
}

KeyLine place_line(const Place *p, const char *value) {
        return (KeyLine){ .row = p->row, .value = value, .line = p->line, .problems = p->problems };
}

unsigned builder_n_problems(const Builder *b) {
        unsigned n = 0;

        for (size_t i = 0; i < b->n_problems; i++)
                n += b->problems[i].n;
        return n;
}
