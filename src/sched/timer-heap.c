/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The textbook heap in one array. It stands here, and not one sd-event source a trigger, because a source costs 351
 * bytes and an entry 32, and because one place to plan anew is what a clock step needs (DESIGN section 5). */

#include "sched/timer-heap.h"

#include <assert.h>

void timer_heap_done(TimerHeap *h) {
        free(h->entries);
        *h = (TimerHeap){};
}

static void heap_place(TimerHeap *h, uint32_t i, TimerHeapEntry e) {
        h->entries[i] = e;
        *e.position = i;
}

static void heap_sift_up(TimerHeap *h, uint32_t i, TimerHeapEntry e) {
        while (i > 0) {
                uint32_t parent = (i - 1) / 2;

                if (h->entries[parent].latest <= e.latest)
                        break;
                heap_place(h, i, h->entries[parent]);
                i = parent;
        }
        heap_place(h, i, e);
}

static void heap_sift_down(TimerHeap *h, uint32_t i, TimerHeapEntry e) {
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

static void heap_put(TimerHeap *h, uint32_t i, TimerHeapEntry e) {
        if (i > 0 && h->entries[(i - 1) / 2].latest > e.latest)
                heap_sift_up(h, i, e);
        else
                heap_sift_down(h, i, e);
}

static void heap_remove(TimerHeap *h, uint32_t *position) {
        uint32_t i = *position;
        TimerHeapEntry last = h->entries[--h->n_entries];

        *position = TIMER_HEAP_NONE;
        if (i < h->n_entries)
                heap_put(h, i, last);
}

static int heap_grow(TimerHeap *h) {
        uint32_t n = MAX(h->n_allocated * 2, 16U);
        TimerHeapEntry *bigger;

        if (h->n_entries < h->n_allocated)
                return 0;
        bigger = reallocarray(h->entries, n, sizeof(TimerHeapEntry));
        if (!bigger)
                return -ENOMEM;
        h->entries = bigger;
        h->n_allocated = n;
        return 0;
}

int timer_heap_set(TimerHeap *h, usec_t at, usec_t latest, void *owner, uint32_t *position) {
        TimerHeapEntry e = { .at = at, .latest = latest, .owner = owner, .position = position };
        int r;

        if (at == USEC_INFINITY) {
                if (*position != TIMER_HEAP_NONE)
                        heap_remove(h, position);
                return 0;
        }
        if (*position != TIMER_HEAP_NONE) {
                assert(h->entries[*position].position == position);
                heap_put(h, *position, e);
                return 0;
        }
        r = heap_grow(h);
        if (r < 0)
                return r;
        heap_sift_up(h, h->n_entries++, e);
        return 0;
}

const TimerHeapEntry *timer_heap_first(const TimerHeap *h) {
        return h->n_entries > 0 ? h->entries : NULL;
}
