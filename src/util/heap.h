#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A binary heap of windows of time, ordered by their ends, 24 bytes an entry and no allocation a change. The owner of
 * an entry keeps a place for its position, which the heap updates, so that any entry can be moved or taken out in
 * O(log n). Where there is no window, both ends are the same number, of whatever orders the entries.
 *
 * The end is what has to be kept: waking up in the first entry's window and dealing with all from the top whose
 * windows have begun gives every entry its due within its window, with as few wake-ups as there can be. */

#include "util/clock.h"
#include "util/macro.h"

#define HEAP_NONE UINT32_MAX /* position of an entry that is not in the heap */

typedef struct HeapEntry {
        usec_t at;          /* begin of the window */
        usec_t latest;      /* its end */
        uint32_t *position; /* of the owner */
} HeapEntry;

/* The owner of an entry, which has its position in a member. */
#define HEAP_OWNER(entry, type, member) ((type *)(void *)((char *)(entry)->position - offsetof(type, member)))

typedef struct Heap {
        HeapEntry *entries;
        uint32_t n_entries, n_allocated;
} Heap;

void heap_done(Heap *h);

/* Adds, moves, or (at == USEC_INFINITY) removes the entry with this position. -ENOMEM only when adding. */
int heap_set(Heap *h, usec_t at, usec_t latest, uint32_t *position);

/* Makes room for n entries, so that adding them cannot fail. -ENOMEM. */
int heap_reserve(Heap *h, uint32_t n);

/* The entry whose window ends first, or NULL. */
const HeapEntry *heap_first(const Heap *h) _pure_;
