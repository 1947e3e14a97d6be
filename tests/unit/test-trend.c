/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Lines through samples: straight ones, noisy ones, and what is no line yet. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "probe/trend.h"

#define GIB   (INT64_C(1) << 30)
#define START USEC_PER_DAY

static int64_t time_left(const Trend *t) {
        int64_t left;

        assert_int_equal(trend_time_left(t, &left), 0);
        return left;
}

/* Within a thousandth. */
static void is_about(int64_t value, usec_t expected) {
        if ((double)llabs(value - (int64_t)expected) > (double)expected / 1000)
                fail_msg("%" PRIi64 " is not about %" PRI_USEC, value, expected);
}

static void test_too_few(void **state) {
        int64_t left = 42;
        Trend t = {};

        for (unsigned i = 0; i < TREND_SAMPLES_MIN - 1; i++)
                trend_add(&t, START + i * USEC_PER_MINUTE, GIB - i);
        assert_int_equal(trend_time_left(&t, &left), -EAGAIN);
        assert_int_equal(left, 42);
        trend_add(&t, START + TREND_SAMPLES_MIN * USEC_PER_MINUTE, GIB);
        assert_int_equal(trend_time_left(&t, &left), 0);

        /* Many, but in a short time. */
        t = (Trend){};
        for (unsigned i = 0; i < 110; i++) {
                trend_add(&t, START + i * USEC_PER_SEC, GIB - i);
                assert_int_equal(trend_time_left(&t, &left), -EAGAIN);
        }
}

/* 1 MiB a second, whatever the time between samples: from 10 GiB, 10,240 s are left. */
static void test_straight(void **state) {
        static const usec_t intervals[] = { USEC_PER_SEC, 7 * USEC_PER_SEC, 30 * USEC_PER_SEC, 10 * USEC_PER_MINUTE };

        for (size_t i = 0; i < ELEMENTSOF(intervals); i++) {
                usec_t at = 0;
                Trend t = {};

                for (; at < 2 * USEC_PER_HOUR; at += intervals[i])
                        trend_add(&t, START + at, 20 * GIB - (int64_t)at * GIB / 1024 / (int64_t)USEC_PER_SEC);
                at -= intervals[i];
                is_about(time_left(&t), 20480 * USEC_PER_SEC - at);
                assert_true(t.n_samples <= TREND_SAMPLES_MAX);
                assert_true(t.samples[0].at + TREND_WINDOW_USEC >= START + at);
        }
}

static void test_noise(void **state) {
        uint32_t seed = 12345;
        Trend t = {};

        for (int64_t at = 0; at <= 3600; at += 30) {
                seed = seed * 1103515245 + 12345;
                trend_add(&t, START + (usec_t)at * USEC_PER_SEC,
                          10 * GIB - at * 1048576 + (int64_t)(seed >> 8) % 8388608 - 4194304);
        }
        assert_true(time_left(&t) > 6500 * (int64_t)USEC_PER_SEC && time_left(&t) < 6780 * (int64_t)USEC_PER_SEC);
}

static void test_never(void **state) {
        Trend t = {};

        for (unsigned i = 0; i < 20; i++)
                trend_add(&t, START + i * USEC_PER_MINUTE, GIB);
        assert_int_equal(time_left(&t), TREND_NEVER);
        for (unsigned i = 20; i < 40; i++)
                trend_add(&t, START + i * USEC_PER_MINUTE, GIB + i);
        assert_int_equal(time_left(&t), TREND_NEVER);
        /* By one byte an hour it takes longer than can be told. */
        t = (Trend){};
        for (unsigned i = 0; i < 60; i++)
                trend_add(&t, START + i * USEC_PER_MINUTE, INT64_MAX / 2 - (i == 59));
        assert_int_equal(time_left(&t), TREND_NEVER);
}

static void test_empty(void **state) {
        Trend t = {};

        for (unsigned i = 0; i < 20; i++)
                trend_add(&t, START + i * USEC_PER_MINUTE, 0);
        assert_int_equal(time_left(&t), 0);
        /* It was emptied and fills up again: the line counts, and does not go below 0. */
        t = (Trend){};
        for (unsigned i = 0; i < 20; i++)
                trend_add(&t, START + i * USEC_PER_MINUTE, i == 19 ? 1 : (19 - i) * GIB);
        assert_true(time_left(&t) < (int64_t)USEC_PER_MINUTE);
        assert_true(time_left(&t) >= 0);
}

/* What is older than the window does not count: it filled up then, and is steady now. */
static void test_window(void **state) {
        Trend t = {};

        for (unsigned i = 0; i < 60; i++)
                trend_add(&t, START + i * USEC_PER_MINUTE, (100 - i) * GIB);
        is_about(time_left(&t), 41 * USEC_PER_MINUTE);
        for (unsigned i = 60; i < 121; i++)
                trend_add(&t, START + i * USEC_PER_MINUTE, 41 * GIB);
        assert_int_equal(time_left(&t), TREND_NEVER);
        /* After a long sleep it begins anew. */
        trend_add(&t, START + USEC_PER_DAY, GIB);
        assert_int_equal(t.n_samples, 1);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_too_few), cmocka_unit_test(test_straight), cmocka_unit_test(test_noise),
                cmocka_unit_test(test_never),   cmocka_unit_test(test_empty),    cmocka_unit_test(test_window),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
