/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Nearly all that is put in comes in order, at the end; for the rest, moving some pointers is cheaper than a tree. */

#include "ledger/sorted-set.h"

#include "util/macro.h"

size_t sorted_set_position(const SortedSet *s, const void *key) {
        size_t low = 0, high = s->n;

        while (low < high) {
                size_t middle = low + (high - low) / 2;

                if (s->compare(s->items[middle], key) < 0)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low;
}

void *sorted_set_get(const SortedSet *s, const void *key) {
        size_t i = sorted_set_position(s, key);

        return i < s->n && s->compare(s->items[i], key) == 0 ? s->items[i] : NULL;
}

static int sorted_set_reserve(SortedSet *s) {
        size_t n = MAX(s->n_allocated * 2, (size_t)16);
        void **bigger;

        if (s->n < s->n_allocated)
                return 0;
        bigger = reallocarray(s->items, n, sizeof(void *));
        if (!bigger)
                return -ENOMEM;
        s->items = bigger;
        s->n_allocated = n;
        return 0;
}

int sorted_set_insert(SortedSet *s, void *item) {
        size_t i = sorted_set_position(s, item);
        int r;

        r = sorted_set_reserve(s);
        if (r < 0)
                return r;
        memmove(s->items + i + 1, s->items + i, (s->n - i) * sizeof(void *));
        s->items[i] = item;
        s->n++;
        return 0;
}

void sorted_set_remove_at(SortedSet *s, size_t i) {
        s->free_item(s->items[i]);
        s->n--;
        memmove(s->items + i, s->items + i + 1, (s->n - i) * sizeof(void *));
}

void sorted_set_clear(SortedSet *s) {
        for (size_t i = 0; i < s->n; i++)
                s->free_item(s->items[i]);
        s->items = mfree(s->items);
        s->n = s->n_allocated = 0;
}
