#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A binary heap of windows of time, ordered by their ends, 32 bytes an entry and no allocation a change. Who puts an
 * entry in keeps a place for its position, which the heap updates, so that any entry can be moved or taken out in
 * O(log n).
 *
 * The end is what has to be kept: waking up in the first entry's window and dealing with all from the top whose
 * windows have begun gives every entry its due within its window, with as few wake-ups as there can be. */

#include "util/clock.h"
#include "util/macro.h"

#define TIMER_HEAP_NONE UINT32_MAX /* position of what is not in the heap */

typedef struct TimerHeapEntry {
        usec_t at;     /* begin of the window */
        usec_t latest; /* its end */
        void *owner;
        uint32_t *position; /* of the owner */
} TimerHeapEntry;

typedef struct TimerHeap {
        TimerHeapEntry *entries;
        uint32_t n_entries, n_allocated;
} TimerHeap;

void timer_heap_done(TimerHeap *h);

/* Puts in, moves, or (at == USEC_INFINITY) takes out the entry whose position this is. -ENOMEM only when put in. */
int timer_heap_set(TimerHeap *h, usec_t at, usec_t latest, void *owner, uint32_t *position);

/* The one whose window ends first, or NULL. */
const TimerHeapEntry *timer_heap_first(const TimerHeap *h) _pure_;
