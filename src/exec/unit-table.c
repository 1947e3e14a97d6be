/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Chained hashing that doubles when there is a node a bucket. The hash is FNV-1a: the names are those of our own job
 * files, so nobody gains by making them collide. */

#include "exec/unit-table.h"

#include <assert.h>

#define BUCKETS_MIN 64

static size_t name_hash(const char *name) {
        uint64_t h = 14695981039346656037ULL;

        for (; *name; name++)
                h = (h ^ (unsigned char)*name) * 1099511628211ULL;
        return (size_t)(h ^ (h >> 32));
}

static UnitNode **bucket_of(const UnitTable *t, const char *name) {
        return &t->buckets[name_hash(name) & (t->n_buckets - 1)];
}

static int table_grow(UnitTable *t) {
        UnitTable bigger = { .n_buckets = MAX(t->n_buckets * 2, (size_t)BUCKETS_MIN), .n = t->n };

        bigger.buckets = calloc(bigger.n_buckets, sizeof(UnitNode *));
        if (!bigger.buckets)
                return -ENOMEM;
        for (size_t i = 0; i < t->n_buckets; i++)
                while (t->buckets[i]) {
                        UnitNode *node = t->buckets[i], **bucket = bucket_of(&bigger, node->name);

                        t->buckets[i] = node->hash_next;
                        node->hash_next = *bucket;
                        *bucket = node;
                }
        free(t->buckets);
        *t = bigger;
        return 0;
}

int unit_table_add(UnitTable *t, UnitNode *node) {
        UnitNode **bucket;

        if (t->n >= t->n_buckets && table_grow(t) < 0 && t->n_buckets == 0)
                return -ENOMEM; /* else it is only slower than it could be */
        bucket = bucket_of(t, node->name);
        node->hash_next = *bucket;
        *bucket = node;
        t->n++;
        return 0;
}

void unit_table_remove(UnitTable *t, UnitNode *node) {
        UnitNode **p = bucket_of(t, node->name);

        while (*p != node) {
                assert(*p);
                p = &(*p)->hash_next;
        }
        *p = TAKE_PTR(node->hash_next);
        t->n--;
}

static UnitNode *first_of(UnitNode *node, const char *name) {
        while (node && !streq(node->name, name))
                node = node->hash_next;
        return node;
}

UnitNode *unit_table_find(const UnitTable *t, const char *name) {
        return t->n > 0 ? first_of(*bucket_of(t, name), name) : NULL;
}

UnitNode *unit_table_find_next(const UnitNode *node) {
        return first_of(node->hash_next, node->name);
}

UnitNode *unit_table_any(const UnitTable *t) {
        UNIT_TABLE_FOREACH(node, t) {
                return node;
        }
        return NULL;
}

void unit_table_done(UnitTable *t) {
        assert(t->n == 0);
        t->buckets = mfree(t->buckets);
        t->n_buckets = 0;
}
