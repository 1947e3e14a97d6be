/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Spans, held against what `systemd-analyze timespan` of systemd 252 answered: each row is one recorded answer. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#include "time/span.h"
#include "util/macro.h"

static const struct {
        int line;
        const char *text;
        bool good;
        usec_t usec;
        const char *human;
} rows[] = {
        { __LINE__, "1.5s", true, 1500000ULL, "1.500000s" },
        { __LINE__, "1500us", true, 1500ULL, "1.500ms" },
        { __LINE__, "1.5ms", true, 1500ULL, "1.500ms" },
        { __LINE__, "infinity", true, 18446744073709551615ULL, "infinity" },
        { __LINE__, " infinity ", true, 18446744073709551615ULL, "infinity" },
        { __LINE__, "infinityx", false, 0, NULL },
        { __LINE__, "Infinity", false, 0, NULL },
        { __LINE__, "0", true, 0ULL, "0" },
        { __LINE__, "", false, 0, NULL },
        { __LINE__, " ", false, 0, NULL },
        { __LINE__, "5", true, 5000000ULL, "5s" },
        { __LINE__, "+5", true, 5000000ULL, "5s" },
        { __LINE__, "-5", false, 0, NULL },
        { __LINE__, "1 -5", false, 0, NULL },
        { __LINE__, "1.5", true, 1500000ULL, "1.500000s" },
        { __LINE__, ".5", true, 500000ULL, "500ms" },
        { __LINE__, "5.", false, 0, NULL },
        { __LINE__, "5.s", false, 0, NULL },
        { __LINE__, "1y 2month 3w 4d 5h 6m 7s 8ms 9us", true, 38995567008009ULL, "1y 2month 3w 4d 5h 6min 7.008009s" },
        { __LINE__, "12.34.56", false, 0, NULL },
        { __LINE__, "12.34 .56", true, 12900000ULL, "12.900000s" },
        { __LINE__, "12.34s.56", true, 12900000ULL, "12.900000s" },
        { __LINE__, "3M", true, 7889400000000ULL, "3month" },
        { __LINE__, "3m", true, 180000000ULL, "3min" },
        { __LINE__, "1minutes2seconds", true, 62000000ULL, "1min 2s" },
        { __LINE__, "1\302\265s", true, 1ULL, "1us" },
        { __LINE__, "1\316\274s", true, 1ULL, "1us" },
        { __LINE__, "1.23456789s", true, 1234567ULL, "1.234567s" },
        { __LINE__, "0.0000001y", true, 3155760ULL, "3.155760s" },
        { __LINE__, "18446744073709551615us", false, 0, NULL },
        { __LINE__, "9223372036854775807us", true, 9223372036854775807ULL, "292271y 1w 1d 10h 54.775807s" },
        { __LINE__, "9223372036854775807", false, 0, NULL },
        { __LINE__, "584541y", true, 18446711061600000000ULL, "584541y" },
        { __LINE__, "584542y", false, 0, NULL },
        { __LINE__, "9223372036854775808us", false, 0, NULL },
        { __LINE__, "1hours", true, 3600000000ULL, "1h" },
        { __LINE__, "1hr", true, 3600000000ULL, "1h" },
        { __LINE__, "1h", true, 3600000000ULL, "1h" },
        { __LINE__, "1hour", true, 3600000000ULL, "1h" },
        { __LINE__, "1hrs", false, 0, NULL },
        { __LINE__, "5 5", true, 10000000ULL, "10s" },
        { __LINE__, "5  s", true, 5000000ULL, "5s" },
        { __LINE__, "0x10", false, 0, NULL },
        { __LINE__, "1e3", false, 0, NULL },
        { __LINE__, "1.5.5", false, 0, NULL },
        { __LINE__, "1\t2", true, 3000000ULL, "3s" },
        { __LINE__, "1\v2", false, 0, NULL },
        { __LINE__, "\v2", true, 2000000ULL, "2s" },
        { __LINE__, "1 +2", true, 3000000ULL, "3s" },
        { __LINE__, "1 infinity", false, 0, NULL },
        { __LINE__, "s", false, 0, NULL },
        { __LINE__, "1.s", false, 0, NULL },
        { __LINE__, "1.+5", false, 0, NULL },
        { __LINE__, "1.-0", false, 0, NULL },
        { __LINE__, "1. 1", false, 0, NULL },
        { __LINE__, "59.5s", true, 59500000ULL, "59.500000s" },
        { __LINE__, "61.5s", true, 61500000ULL, "1min 1.500000s" },
        { __LINE__, "60s", true, 60000000ULL, "1min" },
        { __LINE__, "1month", true, 2629800000000ULL, "1month" },
        { __LINE__, "30.4375d", true, 2629800000000ULL, "1month" },
        { __LINE__, "2mins", false, 0, NULL },
        { __LINE__, "1sec1", true, 2000000ULL, "2s" },
        { __LINE__, "0.5us", true, 0ULL, "0" },
        { __LINE__, "0.9999999s", true, 999999ULL, "999.999ms" },
        { __LINE__, "0s 0us", true, 0ULL, "0" },
        { __LINE__, "1.1M", true, 2892780000000ULL, "1month 3d 1h 3min" },
        { __LINE__, "1yearyear", false, 0, NULL },
        { __LINE__, "1 s s", false, 0, NULL },
        { __LINE__, "3.5w", true, 2116800000000ULL, "3w 3d 12h" },
        { __LINE__, "1.0d", true, 86400000000ULL, "1d" },
        { __LINE__, "100weeks", true, 60480000000000ULL, "1y 10month 4w 2d 9h" },
        { __LINE__, "1msec", true, 1000ULL, "1ms" },
        { __LINE__, "1usec", true, 1ULL, "1us" },
        { __LINE__, "1us", true, 1ULL, "1us" },
        { __LINE__, "1second", true, 1000000ULL, "1s" },
        { __LINE__, "1seconds", true, 1000000ULL, "1s" },
        { __LINE__, "1sec", true, 1000000ULL, "1s" },
        { __LINE__, "1minute", true, 60000000ULL, "1min" },
        { __LINE__, "1min", true, 60000000ULL, "1min" },
        { __LINE__, "1days", true, 86400000000ULL, "1d" },
        { __LINE__, "1day", true, 86400000000ULL, "1d" },
        { __LINE__, "1week", true, 604800000000ULL, "1w" },
        { __LINE__, "1weeks", true, 604800000000ULL, "1w" },
        { __LINE__, "1w", true, 604800000000ULL, "1w" },
        { __LINE__, "1months", true, 2629800000000ULL, "1month" },
        { __LINE__, "1years", true, 31557600000000ULL, "1y" },
        { __LINE__, "1year", true, 31557600000000ULL, "1y" },
        { __LINE__, "1y", true, 31557600000000ULL, "1y" },
        { __LINE__, "1d", true, 86400000000ULL, "1d" },
        { __LINE__, "2h30min", true, 9000000000ULL, "2h 30min" },
        { __LINE__, "23h 59min 59.999999s", true, 86399999999ULL, "23h 59min 59.999999s" },
        { __LINE__, "1h,2m", false, 0, NULL },
        { __LINE__, "1;", false, 0, NULL },
        { __LINE__, "584541y 1y", true, 18446742619200000000ULL, "584542y" },
        { __LINE__, "1S", false, 0, NULL },
        { __LINE__, "1Min", false, 0, NULL },
        { __LINE__, "0.1y", true, 3155760000000ULL, "1month 6d 2h 6min" },
        { __LINE__, "2w 1d", true, 1296000000000ULL, "2w 1d" },
        { __LINE__, "48hr", true, 172800000000ULL, "2d" },
        { __LINE__, "1year 12month", true, 63115200000000ULL, "2y" },
        { __LINE__, "0.000001s", true, 1ULL, "1us" },
        { __LINE__, "5s ", true, 5000000ULL, "5s" },
        { __LINE__, "\n5s\n", true, 5000000ULL, "5s" },
        { __LINE__, "999ms", true, 999000ULL, "999ms" },
        { __LINE__, "1000ms", true, 1000000ULL, "1s" },
        { __LINE__, "1001ms", true, 1001000ULL, "1.001000s" },
        { __LINE__, "59999999us", true, 59999999ULL, "59.999999s" },
        { __LINE__, "60000001us", true, 60000001ULL, "1min 1us" },
};

static void test_recorded_answers(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                const usec_t untouched = 4711;
                char buf[SPAN_TEXT_MAX];
                usec_t usec = untouched;
                int r = span_parse(rows[i].text, &usec);

                if (rows[i].good ? r != 0 || usec != rows[i].usec : r >= 0 || usec != untouched)
                        fail_msg("line %d: \"%s\" gives %d, %" PRI_USEC, rows[i].line, rows[i].text, r, usec);
                if (rows[i].good && !streq(span_format(buf, usec, 1), rows[i].human))
                        fail_msg("line %d: %" PRI_USEC " prints as \"%s\"", rows[i].line, usec, buf);
        }
}

static void test_refusals_tell_apart(void **state) {
        usec_t usec;

        assert_int_equal(span_parse("", &usec), -EINVAL);
        assert_int_equal(span_parse("-1s", &usec), -EINVAL);
        assert_int_equal(span_parse("5ns", &usec), -EINVAL);
        assert_int_equal(span_parse("1fortnight", &usec), -EINVAL);
        assert_int_equal(span_parse("584542y", &usec), -ERANGE);
        assert_int_equal(span_parse("584541y 2y", &usec), -ERANGE);
        assert_int_equal(span_parse("99999999999999999999s", &usec), -ERANGE);
}

static void test_default_unit(void **state) {
        usec_t usec;

        assert_int_equal(span_parse_full("5", USEC_PER_MINUTE, &usec), 0);
        assert_int_equal(usec, 5 * USEC_PER_MINUTE);
        assert_int_equal(span_parse_full("0.5 5s", USEC_PER_MINUTE, &usec), 0);
        assert_int_equal(usec, 35 * USEC_PER_SEC);
}

static void test_format_accuracy(void **state) {
        static const struct {
                int line;
                usec_t span, accuracy;
                const char *want;
        } cases[] = {
                { __LINE__, USEC_INFINITY, USEC_PER_SEC, "infinity" },
                { __LINE__, 0, USEC_PER_SEC, "0" },
                { __LINE__, 1500 * USEC_PER_MSEC, USEC_PER_MSEC, "1.500s" },
                { __LINE__, 1500 * USEC_PER_MSEC, USEC_PER_SEC, "1s" },
                { __LINE__, USEC_PER_HOUR + 500 * USEC_PER_MSEC, USEC_PER_SEC, "1h" },
                { __LINE__, USEC_PER_DAY + 61 * USEC_PER_SEC, USEC_PER_MINUTE, "1d 1min" },
                { __LINE__, 500, USEC_PER_SEC, "500us" },
                { __LINE__, USEC_INFINITY - 1, 0, "584542y 2w 2d 20h 1min 49.551614s" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                char buf[SPAN_TEXT_MAX];

                if (!streq(span_format(buf, cases[i].span, cases[i].accuracy), cases[i].want))
                        fail_msg("line %d: got \"%s\"", cases[i].line, buf);
        }
}

/* What is printed exactly is read again as the same. */
static void test_print_and_parse(void **state) {
        uint64_t seed = 1;

        for (size_t i = 0; i < 100000; i++) {
                char buf[SPAN_TEXT_MAX];
                usec_t span, again;

                seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
                span = (seed >> 1) >> (seed % 60); /* "1us" more than half the range is more than a year can hold */
                span_format(buf, span, 1);
                if (span_parse(buf, &again) < 0 || again != span)
                        fail_msg("%" PRI_USEC " prints as \"%s\"", span, buf);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_recorded_answers), cmocka_unit_test(test_refusals_tell_apart),
                cmocka_unit_test(test_default_unit),     cmocka_unit_test(test_format_accuracy),
                cmocka_unit_test(test_print_and_parse),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
