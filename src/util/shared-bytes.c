/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* One table for the process, found by content. It is gone with the last of its entries. */

#include "util/shared-bytes.h"

#include <stdalign.h>

#include "util/hash-table.h"
#include "util/hash.h"

typedef struct SharedBytes {
        HashNode node;
        uint32_t n_ref;
        uint32_t n;
        alignas(max_align_t) char bytes[];
} SharedBytes;

static HashTable table;

static uint32_t hash_of(const void *bytes, size_t n) {
        return (uint32_t)hash_bytes(hash_seed(), bytes, n);
}

static uint32_t rehash(const HashNode *node, const void *userdata) {
        const SharedBytes *s = (const SharedBytes *)(const void *)node;

        return hash_of(s->bytes, s->n);
}

static SharedBytes *find(const void *bytes, size_t n, uint32_t hash) {
        for (HashNode *node = hash_table_chain(&table, hash); node; node = node->next) {
                SharedBytes *s = (SharedBytes *)(void *)node;

                if (s->n == n && memcmp(s->bytes, bytes, n) == 0)
                        return s;
        }
        return NULL;
}

void *shared_bytes_get(const void *bytes, size_t n) {
        uint32_t hash = hash_of(bytes, n);
        SharedBytes *s = find(bytes, n, hash);

        if (!s) {
                if (hash_table_reserve(&table) < 0 || !(s = malloc(sizeof(*s) + n)))
                        return NULL;
                *s = (SharedBytes){ .n = (uint32_t)n };
                memcpy(s->bytes, bytes, n);
                hash_table_put(&table, &s->node, hash, rehash, NULL);
        }
        s->n_ref++;
        return s->bytes;
}

void shared_bytes_put(void *bytes) {
        SharedBytes *s = (void *)((char *)bytes - offsetof(SharedBytes, bytes));

        assert(s->n_ref > 0);
        if (--s->n_ref > 0)
                return;
        hash_table_take(&table, &s->node, hash_of(s->bytes, s->n));
        hash_table_shrink(&table);
        free(s);
        if (table.n_nodes == 0)
                hash_table_done(&table);
}
