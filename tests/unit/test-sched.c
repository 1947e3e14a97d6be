/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Planning and the heap: all times are given, no clock is read. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "sched/plan.h"
#include "sched/timer-heap.h"

#define S USEC_PER_SEC

static void test_first(void **state) {
        static const struct {
                int line;
                TriggerType type;
                usec_t span, now, startup;
                bool missed_counts;
                usec_t expected;
        } table[] = {
                { __LINE__, TRIGGER_INTERVAL, 10 * S, 100 * S, 90 * S, true, 110 * S },
                { __LINE__, TRIGGER_INTERVAL, 10 * S, 100 * S, 90 * S, false, 110 * S },
                { __LINE__, TRIGGER_STARTUP, 0, 100 * S, 100 * S, true, 100 * S },
                { __LINE__, TRIGGER_STARTUP, 30 * S, 100 * S, 90 * S, false, 120 * S },
                /* A job that comes with a reload when its moment has passed is not run for it. */
                { __LINE__, TRIGGER_STARTUP, 5 * S, 100 * S, 90 * S, false, USEC_INFINITY },
                { __LINE__, TRIGGER_BOOT, 60 * S, 100 * S, 90 * S, true, 60 * S },
                { __LINE__, TRIGGER_BOOT, 60 * S, 100 * S, 90 * S, false, USEC_INFINITY },
                { __LINE__, TRIGGER_BOOT, 600 * S, 100 * S, 90 * S, false, 600 * S },
                { __LINE__, TRIGGER_INTERVAL, USEC_INFINITY, 100 * S, 90 * S, false, USEC_INFINITY },
        };

        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
                TriggerDef t = { .type = table[i].type, .span = table[i].span };
                PlanContext c = { table[i].now, table[i].startup, table[i].missed_counts };

                if (plan_first(&t, &c) != table[i].expected)
                        fail_msg("line %d: %" PRIu64, table[i].line, plan_first(&t, &c));
        }
}

static void test_next(void **state) {
        static const struct {
                int line;
                TriggerType type;
                usec_t span, base, now, expected;
        } table[] = {
                { __LINE__, TRIGGER_INTERVAL, 10 * S, 100 * S, 100 * S, 110 * S },
                { __LINE__, TRIGGER_INTERVAL, 10 * S, 100 * S, 109 * S, 110 * S },
                /* Always later than now, and in phase. */
                { __LINE__, TRIGGER_INTERVAL, 10 * S, 100 * S, 110 * S, 120 * S },
                { __LINE__, TRIGGER_INTERVAL, 10 * S, 100 * S, 1000 * S + 1, 1010 * S },
                { __LINE__, TRIGGER_INTERVAL, 1000, 0, 365 * USEC_PER_DAY, 365 * USEC_PER_DAY + 1000 },
                { __LINE__, TRIGGER_INTERVAL, 0, 100 * S, 100 * S, USEC_INFINITY },
                { __LINE__, TRIGGER_INTERVAL, USEC_INFINITY - 1, 100 * S, 100 * S, USEC_INFINITY },
                { __LINE__, TRIGGER_BOOT, 10 * S, 100 * S, 100 * S, USEC_INFINITY },
                { __LINE__, TRIGGER_STARTUP, 10 * S, 100 * S, 100 * S, USEC_INFINITY },
        };

        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
                TriggerDef t = { .type = table[i].type, .span = table[i].span };
                PlanContext c = { .now_boottime = table[i].now };

                if (plan_next(&t, table[i].base, &c) != table[i].expected)
                        fail_msg("line %d: %" PRIu64, table[i].line, plan_next(&t, table[i].base, &c));
        }
}

#define N 500

/* The heap against a plain search for the smallest, over random changes. */
static void test_heap(void **state) {
        static uint32_t positions[N];
        static usec_t at[N];
        TimerHeap h = {};
        unsigned seed = 7;

        for (size_t i = 0; i < N; i++) {
                positions[i] = TIMER_HEAP_NONE;
                at[i] = USEC_INFINITY;
        }
        for (unsigned round = 0; round < 50000; round++) {
                size_t i = (size_t)rand_r(&seed) % N;
                usec_t smallest = USEC_INFINITY;
                const TimerHeapEntry *first;

                at[i] = rand_r(&seed) % 4 == 0 ? USEC_INFINITY : (usec_t)rand_r(&seed) % 1000;
                assert_int_equal(timer_heap_set(&h, at[i], &at[i], &positions[i]), 0);
                for (size_t k = 0; k < N; k++)
                        smallest = MIN(smallest, at[k]);
                first = timer_heap_first(&h);
                if (smallest == USEC_INFINITY)
                        assert_null(first);
                else {
                        assert_int_equal(first->at, smallest);
                        assert_int_equal(*(usec_t *)first->owner, smallest);
                }
        }
        timer_heap_done(&h);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_first),
                cmocka_unit_test(test_next),
                cmocka_unit_test(test_heap),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
