/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The table that grows by one chain at a time, against an array of flags. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "util/hash-table.h"
#include "util/steps.h"

#define N 20000U

typedef struct Thing {
        HashNode node; /* first */
        uint32_t hash;
        bool is_in;
} Thing;

static Thing things[N];

static uint32_t thing_hash(const HashNode *node, const void *userdata) {
        return ((const Thing *)(const void *)node)->hash;
}

static bool is_found(const HashTable *t, const Thing *thing) {
        const HashNode *n = hash_table_chain(t, thing->hash);

        while (n && n != &thing->node)
                n = n->next;
        return n;
}

static void check_all(const HashTable *t) {
        uint32_t n = 0;

        for (uint32_t i = 0; i < N; i++) {
                assert_int_equal(is_found(t, &things[i]), things[i].is_in);
                n += things[i].is_in;
        }
        assert_int_equal(t->n_nodes, n);
}

/* Full, nearly empty and full again; no change moves more than a few entries. */
static void test_table(void **state) {
        unsigned seed = 3;
        HashTable t = {};

        for (uint32_t i = 0; i < N; i++)
                things[i].hash = (uint32_t)rand_r(&seed) * 2654435769U;
        assert_int_equal(hash_table_reserve(&t), 0);
        for (unsigned round = 0; round < 6; round++) {
                for (unsigned i = 0; i < 60000; i++) {
                        Thing *thing = &things[(uint32_t)rand_r(&seed) % N];
                        uint64_t before = steps_taken;
                        bool wanted = (rand_r(&seed) % 50 == 0) == (round % 2);

                        if (wanted && !thing->is_in)
                                hash_table_put(&t, &thing->node, thing->hash, thing_hash, NULL);
                        else if (!wanted && thing->is_in) {
                                hash_table_take(&t, &thing->node, thing->hash);
                                hash_table_shrink(&t);
                        }
                        thing->is_in = wanted;
                        assert_true(steps_taken - before < 100);
                }
                check_all(&t);
                assert_true(t.n_slots <= t.n_nodes * 4 + 4);
        }
        hash_table_done(&t);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_table),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
