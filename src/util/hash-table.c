/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* With n slots, and half being the largest power of two that is not above n, a hash belongs to slot (hash mod 2 half)
 * or, while that slot does not exist yet, to the slot that is half lower. When the next slot is added, it takes its
 * entries out of the chain of that one. Memory is allocated for the next power of two of slots. */

#include "util/hash-table.h"

#include "util/steps.h"

#define SLOTS_MIN   4U
#define SLOTS_MAX   (UINT32_C(1) << 30)
#define SHRINK_STEP 8U /* slots removed for one entry; four are needed to keep up */

static bool is_power_of_two(uint32_t n) {
        return (n & (n - 1)) == 0;
}

/* The slot with which a new last slot shares its entries. */
static uint32_t slot_before(uint32_t i) {
        assert(i >= SLOTS_MIN);
        return i - (UINT32_C(1) << (31 - __builtin_clz(i)));
}

static int resize(HashTable *t, uint32_t n) {
        HashNode **slots = reallocarray(t->slots, n, sizeof(HashNode *));

        if (!slots)
                return -ENOMEM;
        t->slots = slots;
        return 0;
}

void hash_table_done(HashTable *t) {
        free(t->slots);
        *t = (HashTable){};
}

int hash_table_reserve(HashTable *t) {
        if (t->n_slots > 0)
                return 0;
        if (resize(t, SLOTS_MIN) < 0)
                return -ENOMEM;
        for (t->n_slots = 0; t->n_slots < SLOTS_MIN; t->n_slots++)
                t->slots[t->n_slots] = NULL;
        return 0;
}

static void split(HashTable *t, HashFunc rehash, const void *userdata) {
        uint32_t i = t->n_slots;
        HashNode **from;

        /* Without memory, the chains get longer. */
        if (i >= SLOTS_MAX || (is_power_of_two(i) && resize(t, 2 * i) < 0))
                return;
        t->slots[i] = NULL;
        t->n_slots++;
        from = &t->slots[slot_before(i)];
        while (*from) {
                HashNode *node = *from;

                steps_taken++;
                if (hash_table_slot(t, rehash(node, userdata)) != i) {
                        from = &node->next;
                        continue;
                }
                *from = node->next;
                node->next = t->slots[i];
                t->slots[i] = node;
        }
}

void hash_table_put(HashTable *t, HashNode *node, uint32_t hash, HashFunc rehash, const void *userdata) {
        HashNode **slot = &t->slots[hash_table_slot(t, hash)];

        assert(t->n_slots > 0);
        node->next = *slot;
        *slot = node;
        if (++t->n_nodes > t->n_slots)
                split(t, rehash, userdata);
}

void hash_table_take(HashTable *t, const HashNode *node, uint32_t hash) {
        HashNode **p = &t->slots[hash_table_slot(t, hash)];

        while (*p != node)
                p = &(*p)->next;
        assert(t->n_nodes > 0);
        *p = node->next;
        t->n_nodes--;
}

void hash_table_shrink(HashTable *t) {
        for (unsigned n = 0; n < SHRINK_STEP && t->n_slots > SLOTS_MIN && t->n_nodes < t->n_slots / 4; n++) {
                uint32_t i = t->n_slots - 1;
                HashNode **end = &t->slots[slot_before(i)];

                while (*end)
                        end = &(*end)->next;
                *end = t->slots[i];
                t->n_slots = i;
                if (is_power_of_two(i))
                        (void)resize(t, i);
        }
}
