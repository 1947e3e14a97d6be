/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Requests are kept with file and line: a cycle shows when all jobs are loaded, after their texts are gone. */

#include "config/job-context.h"

void chains_done(Chains *c) {
        for (size_t i = 0; i < c->n_items; i++) {
                free(c->items[i].target);
                free(c->items[i].file);
        }
        free(c->items);
        *c = (Chains){};
}

int chains_copy(const Chains *from, Chains *ret) {
        if (from->n_items == 0)
                return 0;
        ret->items = calloc(from->n_items, sizeof(Chain));
        if (!ret->items)
                return -ENOMEM;
        for (size_t i = 0; i < from->n_items; i++) {
                Chain *c = &ret->items[ret->n_items++];

                *c = from->items[i];
                c->target = strdup(c->target);
                c->file = strdup(c->file);
                if (!c->target || !c->file)
                        return -ENOMEM;
        }
        return 0;
}
