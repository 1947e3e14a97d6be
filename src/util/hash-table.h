#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A hash table that grows and shrinks by one chain at a time (Litwin, "Linear hashing: a new tool for file and table
 * addressing", 1980), so that no change takes longer because of how many entries there are: a table that is doubled
 * at once stops the event loop for as long as it takes to move them all.
 *
 * Nodes are part of the entries, which belong to the caller. He hashes, compares, and says how to hash an entry
 * anew when its chain is split. Names that others choose are to be hashed with a secret seed. */

#include "util/macro.h"

typedef struct HashNode HashNode;
struct HashNode {
        HashNode *next; /* in its chain */
};

typedef struct HashTable {
        HashNode **slots;
        uint32_t n_slots, n_nodes;
} HashTable;

typedef uint32_t (*HashFunc)(const HashNode *node, const void *userdata);

void hash_table_done(HashTable *t); /* its entries stay the caller's */

/* After this, hash_table_put() cannot fail. -ENOMEM. */
int hash_table_reserve(HashTable *t);

/* An entry that is not there. */
void hash_table_put(HashTable *t, HashNode *node, uint32_t hash, HashFunc rehash, const void *userdata);

/* An entry that is there. */
void hash_table_take(HashTable *t, const HashNode *node, uint32_t hash);

/* Releases some of the memory of a burst. Not while the slots are being iterated over. */
void hash_table_shrink(HashTable *t);

static inline uint32_t hash_table_slot(const HashTable *t, uint32_t hash) {
        uint32_t half = UINT32_C(1) << (31 - __builtin_clz(t->n_slots)), i = hash & (2 * half - 1);

        return i < t->n_slots ? i : i - half;
}

/* The chain that contains the entries with this hash, among others; NULL: there are none. */
static inline HashNode *hash_table_chain(const HashTable *t, uint32_t hash) {
        return t->n_slots > 0 ? t->slots[hash_table_slot(t, hash)] : NULL;
}
