/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the parsers of all sections share, and so below them. */

#include "config/job-builder.h"

#include "util/array.h"

void place_set(Place *p, const KeyLine *k) {
        *p = (Place){
                .row = k->row,
                .problems = k->reading->problems,
                .line = k->line,
                .order = ++builder_of(k)->order,
                .validated = k->problems == k->reading->problems,
        };
}

int builder_note(const KeyLine *k) {
        Builder *b = builder_of(k);
        Place *p = NULL;

        assert(k->row && k->reading->problems); /* which the place keeps */
        for (size_t i = 0; i < b->n_places && !p; i++)
                p = b->places[i].row == k->row ? &b->places[i] : NULL;
        if (!p) {
                p = ARRAY_NEXT(b->places, b->n_places);
                if (!p)
                        return -ENOMEM;
                *p = (Place){ .row = k->row };
                b->n_places++;
        }
        if (*k->value == '\0')
                *p = (Place){ .row = k->row };
        else if (!k->row->repeatable || p->order == 0)
                place_set(p, k);
        return 0;
}

const Place *builder_place(const Builder *b, const char *key) {
        static const Place none = {};

        for (size_t i = 0; i < b->n_places; i++)
                if (streq(b->places[i].row->key, key))
                        return &b->places[i];
        return &none;
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
