#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A binary heap of moments, earliest first, 24 bytes an entry and no allocation a change. Who puts an entry in keeps a
 * place for its position, which the heap updates, so that any entry can be moved or taken out in O(log n). */

#include "util/clock.h"
#include "util/macro.h"

#define TIMER_HEAP_NONE UINT32_MAX /* position of what is not in the heap */

typedef struct TimerHeapEntry {
        usec_t at;
        void *owner;
        uint32_t *position; /* of the owner */
} TimerHeapEntry;

typedef struct TimerHeap {
        TimerHeapEntry *entries;
        uint32_t n_entries, n_allocated;
} TimerHeap;

void timer_heap_done(TimerHeap *h);

/* Puts in, moves, or (at == USEC_INFINITY) takes out the entry whose position this is. -ENOMEM only when put in. */
int timer_heap_set(TimerHeap *h, usec_t at, void *owner, uint32_t *position);

/* The earliest, or NULL. */
const TimerHeapEntry *timer_heap_first(const TimerHeap *h) _pure_;
