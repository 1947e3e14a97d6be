/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the parsers of all sections share, and so below them. */

#include "config/job-builder.h"

#include "job/job-text.h"
#include "util/array.h"
#include "util/strv.h"

void place_set(Place *p, const KeyLine *k) {
        *p = (Place){
                .row = k->row,
                .problems = k->reading->problems,
                .line = k->line,
                .order = ++builder_of(k)->order,
                .validated = k->problems == k->reading->problems,
        };
}

/* Those beyond the limit are only counted, for upkeep_finish(). */
static int keep_upkeep_line(Builder *b, const KeyLine *k) {
        b->upkeep_bytes += strlen(k->row->key) + strlen(k->value) + 2;
        if (b->upkeep_bytes > UPKEEP_ARGUMENTS_MAX)
                return 0;
        return strv_extendf(&b->upkeep, "%s=%s", k->row->key, k->value);
}

/* As it was written: specifiers are expanded again when the text is read again. */
static void keep_text(Builder *b, const KeyLine *k) {
        uint16_t row = (uint16_t)key_row_index(k->reading->tables, k->row);

        assert(row < 1U << JOB_TEXT_KEY_BITS);

        if (!b->text) /* of a program that only reads arguments */
                return;
        bytes_add(b->text, &row, sizeof(row));
        bytes_add(b->text, k->written, strlen(k->written) + 1);
}

int builder_note(const KeyLine *k) {
        Builder *b = builder_of(k);
        Place *p = NULL;

        assert(k->row && k->reading->problems); /* which the place keeps */
        keep_text(b, k);
        if (streq(k->row->section, "Rotate") || streq(k->row->section, "Clean")) {
                int r = keep_upkeep_line(b, k);

                if (r < 0)
                        return r;
        }
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

const Place *builder_place(const Builder *b, const char *section, const char *key) {
        static const Place none = {};

        for (size_t i = 0; i < b->n_places; i++)
                if (streq(b->places[i].row->key, key) && streq(b->places[i].row->section, section))
                        return &b->places[i];
        return &none;
}

const Place *builder_section_place(const Builder *b, const char *section) {
        const Place *first = NULL;

        for (size_t i = 0; i < b->n_places; i++) {
                const Place *p = &b->places[i];

                if (p->order > 0 && streq(p->row->section, section) && (!first || p->order < first->order))
                        first = p;
        }
        return first;
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
