/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Nearly all items are added in order, at the end; for the rest, moving some pointers is cheaper than a tree. */

#include "ledger/sorted-set.h"

#include "util/array.h"

size_t sorted_set_position(const SortedSet *s, const void *key) {
        return BISECT(s->n, i, s->compare(s->items[i], key) < 0);
}

void *sorted_set_get(const SortedSet *s, const void *key) {
        size_t i = sorted_set_position(s, key);

        return i < s->n && s->compare(s->items[i], key) == 0 ? s->items[i] : NULL;
}

int sorted_set_insert(SortedSet *s, void *item) {
        void **place = ARRAY_INSERT(s->items, s->n, sorted_set_position(s, item));

        if (!place)
                return -ENOMEM;
        *place = item;
        return 0;
}

void sorted_set_remove_at(SortedSet *s, size_t i) {
        assert(i < s->n);
        s->free_item(s->items[i]);
        ARRAY_REMOVE(s->items, s->n, i);
}

void sorted_set_clear(SortedSet *s) {
        for (size_t i = 0; i < s->n; i++)
                s->free_item(s->items[i]);
        s->items = mfree(s->items);
        s->n = 0;
}
