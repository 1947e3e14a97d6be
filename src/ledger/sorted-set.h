#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A set of owned pointers in order, in one array: found by bisection, walked by index. */

#include <stdbool.h>
#include <stddef.h>

typedef struct SortedSet {
        void **items;
        size_t n;
        int (*compare)(const void *a, const void *b);
        void (*free_item)(void *item);
} SortedSet;

/* Index of the first item that is not less than key. */
size_t sorted_set_position(const SortedSet *s, const void *key);

/* The item that compares equal to key, or NULL. */
void *sorted_set_get(const SortedSet *s, const void *key);

/* Takes over item, unless -ENOMEM. There must be no equal item. */
int sorted_set_insert(SortedSet *s, void *item);

void sorted_set_remove_at(SortedSet *s, size_t i); /* frees the item */
void sorted_set_clear(SortedSet *s);               /* frees all items and the array */
