/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The textbook heap in one array. It is used instead of one sd-event source for each trigger, because a source takes
 * 351 bytes and an entry 24, and because a clock step requires a single place that reschedules everything. */

#include "util/heap.h"

#include "util/steps.h"

void heap_done(Heap *h) {
        free(h->entries);
        *h = (Heap){};
}

static void heap_place(Heap *h, uint32_t i, HeapEntry e) {
        steps_taken++;
        assert(i < h->n_allocated);
        h->entries[i] = e;
        *e.position = i;
}

static void heap_sift_up(Heap *h, uint32_t i, HeapEntry e) {
        while (i > 0) {
                uint32_t parent = (i - 1) / 2;

                if (h->entries[parent].latest <= e.latest)
                        break;
                heap_place(h, i, h->entries[parent]);
                i = parent;
        }
        heap_place(h, i, e);
}

static void heap_sift_down(Heap *h, uint32_t i, HeapEntry e) {
        for (;;) {
                uint32_t child = 2 * i + 1;

                if (child >= h->n_entries)
                        break;
                if (child + 1 < h->n_entries && h->entries[child + 1].latest < h->entries[child].latest)
                        child++;
                if (h->entries[child].latest >= e.latest)
                        break;
                heap_place(h, i, h->entries[child]);
                i = child;
        }
        heap_place(h, i, e);
}

static void heap_put(Heap *h, uint32_t i, HeapEntry e) {
        if (i > 0 && h->entries[(i - 1) / 2].latest > e.latest)
                heap_sift_up(h, i, e);
        else
                heap_sift_down(h, i, e);
}

static void heap_remove(Heap *h, uint32_t *position) {
        uint32_t i = *position;
        HeapEntry last = h->entries[--h->n_entries];

        assert(i <= h->n_entries && (i == h->n_entries || h->entries[i].position == position));
        *position = HEAP_NONE;
        if (i < h->n_entries)
                heap_put(h, i, last);
}

int heap_reserve(Heap *h, uint32_t n) {
        HeapEntry *bigger;

        if (n <= h->n_allocated)
                return 0;
        n = MAX(n, h->n_allocated * 2 + 16U);
        bigger = reallocarray(h->entries, n, sizeof(HeapEntry));
        if (!bigger)
                return -ENOMEM;
        h->entries = bigger;
        h->n_allocated = n;
        return 0;
}

int heap_set(Heap *h, usec_t at, usec_t latest, uint32_t *position) {
        HeapEntry e = { .at = at, .latest = latest, .position = position };
        int r;

        if (at == USEC_INFINITY) {
                if (*position != HEAP_NONE)
                        heap_remove(h, position);
                return 0;
        }
        assert(at <= latest);
        if (*position != HEAP_NONE) {
                assert(h->entries[*position].position == position);
                heap_put(h, *position, e);
                return 0;
        }
        r = heap_reserve(h, h->n_entries + 1);
        if (r < 0)
                return r;
        heap_sift_up(h, h->n_entries++, e);
        return 0;
}

const HeapEntry *heap_first(const Heap *h) {
        return h->n_entries > 0 ? h->entries : NULL;
}
