/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The heap of windows, against a plain search. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "util/heap.h"

#define N 500

/* Over random changes, the first entry is always the one whose window ends first. */
static void test_heap(void **state) {
        static uint32_t positions[N];
        static usec_t at[N];
        Heap h = {};
        unsigned seed = 7;

        for (size_t i = 0; i < N; i++) {
                positions[i] = HEAP_NONE;
                at[i] = USEC_INFINITY;
        }
        for (unsigned round = 0; round < 50000; round++) {
                size_t i = (size_t)rand_r(&seed) % N;
                usec_t smallest = USEC_INFINITY;
                const HeapEntry *first;

                at[i] = rand_r(&seed) % 4 == 0 ? USEC_INFINITY : (usec_t)rand_r(&seed) % 1000;
                assert_int_equal(heap_set(&h, at[i], usec_add(at[i], (usec_t)i % 7), &positions[i]), 0);
                for (size_t k = 0; k < N; k++)
                        smallest = MIN(smallest, usec_add(at[k], (usec_t)k % 7));
                first = heap_first(&h);
                if (smallest == USEC_INFINITY)
                        assert_null(first);
                else {
                        assert_true(first->latest == smallest);
                        assert_true(at[first->position - positions] == first->at);
                }
        }
        heap_done(&h);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_heap),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
