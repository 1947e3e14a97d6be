/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Times as people read them, near and far, past and to come; and sizes. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "ctl/relative-time.h"
#include "util/macro.h"
#include "util/size.h"

#define NOW (1700000000 * USEC_PER_SEC) /* Tue 2023-11-14 22:13:20 UTC */

static void test_relative(void **state) {
        static const struct {
                int line;
                usec_t t;
                const char *text;
        } table[] = {
                { __LINE__, 0, "-" },
                { __LINE__, USEC_INFINITY, "-" },
                { __LINE__, NOW, "now" },
                { __LINE__, NOW - 999, "now" },
                { __LINE__, NOW + 999, "now" },
                { __LINE__, NOW - 350 * USEC_PER_MSEC, "350ms ago" },
                { __LINE__, NOW + 1500 * USEC_PER_MSEC, "in 1s" },
                { __LINE__, NOW - 192 * USEC_PER_SEC, "3min 12s ago" },
                { __LINE__, NOW - 5 * USEC_PER_MINUTE - 7 * USEC_PER_SEC, "5min ago" },
                { __LINE__, NOW + 2 * USEC_PER_HOUR + 5 * USEC_PER_MINUTE + 1, "in 2h 5min" },
                { __LINE__, NOW - USEC_PER_DAY - 3 * USEC_PER_HOUR - USEC_PER_MINUTE, "1d 3h ago" },
                { __LINE__, NOW + USEC_PER_WEEK + USEC_PER_DAY + USEC_PER_HOUR, "in 1w 1d" },
                { __LINE__, NOW - 2 * USEC_PER_MONTH - USEC_PER_DAY, "2month 1d ago" },
                { __LINE__, NOW + USEC_PER_YEAR + 2 * USEC_PER_MONTH + USEC_PER_DAY, "in 1y 2month" },
                { __LINE__, 1, "53y 10month ago" },
        };
        char buf[RELATIVE_TIME_MAX];

        for (size_t i = 0; i < ELEMENTSOF(table); i++)
                if (!streq(relative_time_format(buf, table[i].t, NOW), table[i].text))
                        fail_msg("line %d: got '%s'", table[i].line, buf);
        assert_non_null(relative_time_format(buf, USEC_INFINITY - 1, 1)); /* fits */
}

static void test_duration(void **state) {
        static const struct {
                int line;
                usec_t span;
                const char *text;
        } table[] = {
                { __LINE__, 0, "0" },
                { __LINE__, 7, "7us" },
                { __LINE__, 12345, "12ms" },
                { __LINE__, 1203456, "1.203s" },
                { __LINE__, 61 * USEC_PER_SEC + 5, "1min 1s" },
                { __LINE__, 2 * USEC_PER_HOUR + 5 * USEC_PER_MINUTE + 1, "2h 5min" },
                { __LINE__, USEC_PER_DAY + USEC_PER_SEC, "1d" },
        };
        char buf[SPAN_TEXT_MAX];

        for (size_t i = 0; i < ELEMENTSOF(table); i++)
                if (!streq(duration_format(buf, table[i].span), table[i].text))
                        fail_msg("line %d: got '%s'", table[i].line, buf);
}

static void test_local_time(void **state) {
        char buf[LOCAL_TIME_TEXT_MAX];

        assert_string_equal(local_time_format(buf, 0), "-");
        assert_string_equal(local_time_format(buf, USEC_INFINITY), "-");
        assert_string_equal(local_time_format(buf, NOW), "Tue 2023-11-14 23:13:20 CET");
        assert_string_equal(local_time_format_short(buf, NOW), "2023-11-14 23:13:20");
        assert_string_equal(local_time_format(buf, USEC_INFINITY - 1), "Wed 586524-01-19 09:01:49 CET");
}

static void test_size(void **state) {
        static const struct {
                int line;
                uint64_t n;
                const char *text;
        } table[] = {
                { __LINE__, 0, "0B" },
                { __LINE__, 1023, "1023B" },
                { __LINE__, 1024, "1K" },
                { __LINE__, 1536, "1.5K" },
                { __LINE__, 1024 * 1024 - 1, "1023.9K" }, /* cut, not rounded */
                { __LINE__, UINT64_C(100) << 20, "100M" },
                { __LINE__, UINT64_C(5) << 39, "2.5T" },
                { __LINE__, UINT64_MAX, "15.9E" },
        };

        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
                char buf[SIZE_TEXT_MAX];

                if (!streq(size_format(buf, table[i].n), table[i].text))
                        fail_msg("line %d: got '%s'", table[i].line, buf);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_relative),
                cmocka_unit_test(test_duration),
                cmocka_unit_test(test_local_time),
                cmocka_unit_test(test_size),
        };

        setenv("TZ", "CET-1", 1); /* no zone file needed */
        return cmocka_run_group_tests(tests, NULL, NULL);
}
