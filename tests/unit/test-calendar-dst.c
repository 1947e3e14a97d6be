/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Clock changes: in each zone one time that the clock skips and one that it repeats, in every setting of DstGap= and
 * DstOverlap=. The instants come from Python's zoneinfo, what happens without a setting from systemd 252. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#include "time/calendar.h"
#include "time/timestamp.h"
#include "util/macro.h"

static usec_t utc(const char *text) {
        usec_t t;

        assert_int_equal(timestamp_parse(text, NULL, NULL, 0, &t), 0);
        return t;
}

static int setup(void **state) {
        return zone_cache_new(NULL, (ZoneCache **)state);
}

static int teardown(void **state) {
        zone_cache_free(*state);
        return 0;
}

/* The first elapse of a row after a time has to be want; NULL: any later one. Returns it. */
static usec_t check_next(ZoneCache *cache, int line, const char *zone_name, const char *text, DstPolicy policy,
                         usec_t after, const char *want) {
        _cleanup_(calendar_freep) Calendar *c = NULL;
        char buf[TIMESTAMP_TEXT_MAX];
        const Zone *zone;
        usec_t next = 0;
        int r;

        assert_int_equal(zone_cache_get(cache, zone_name, &zone), 0);
        assert_int_equal(calendar_parse(text, cache, zone, after, &c, NULL), 0);
        r = calendar_next(c, &policy, after, &next);
        if (want ? r < 0 || next != utc(want) : r >= 0 && next <= after)
                fail_msg("line %d: %s in %s, gap %d, overlap %d: %d, %s", line, text, zone_name, policy.gap,
                         policy.overlap, r, timestamp_format(buf, next, NULL, TIMESTAMP_PRETTY));
        return next;
}

static void test_gaps(void **state) {
        static const struct {
                int line;
                const char *zone, *text, *start, *after, *skip, *by_default;
        } rows[] = {
                { __LINE__, "Europe/Oslo", "02:30:00", "2025-03-29 22:30:00", "2025-03-30 01:00:00",
                  "2025-03-31 00:30:00", "2025-03-31 00:30:00" },
                { __LINE__, "America/New_York", "02:30:00", "2025-03-09 04:30:00", "2025-03-09 07:00:00",
                  "2025-03-10 06:30:00", "2025-03-10 06:30:00" },
                { __LINE__, "Australia/Lord_Howe", "02:15:00", "2025-10-04 13:00:00", "2025-10-04 15:30:00",
                  "2025-10-05 15:15:00", "2025-10-05 15:15:00" },
                { __LINE__, "Europe/Dublin", "01:30:00", "2025-03-29 22:30:00", "2025-03-30 01:00:00",
                  "2025-03-31 00:30:00", "2025-03-31 00:30:00" },
                { __LINE__, "Africa/Casablanca", "02:30:00", "2026-03-21 23:30:00", "2026-03-22 02:00:00",
                  "2026-03-23 01:30:00", "2026-03-23 01:30:00" },
                { __LINE__, "Antarctica/Troll", "02:00:00", "2025-03-29 22:30:00", "2025-03-30 01:00:00",
                  "2025-03-31 00:00:00", "2025-03-31 00:00:00" },
                { __LINE__, "Pacific/Apia", "03:30:00", "2011-09-24 11:30:00", "2011-09-24 14:00:00",
                  "2011-09-25 13:30:00", "2011-09-25 13:30:00" },
                { __LINE__, "Asia/Beirut", "00:30:00", "2024-03-30 19:30:00", "2024-03-30 22:00:00",
                  "2024-03-31 21:30:00", "2024-03-31 21:30:00" },
                { __LINE__, "Africa/Cairo", "00:30:00", "2025-04-24 19:30:00", "2025-04-24 22:00:00",
                  "2025-04-25 21:30:00", "2025-04-25 21:30:00" },
                { __LINE__, "America/Havana", "00:30:00", "2025-03-09 02:30:00", "2025-03-09 05:00:00",
                  "2025-03-10 04:30:00", "2025-03-10 04:30:00" },
                { __LINE__, "America/Santiago", "00:30:00", "2025-09-07 01:30:00", "2025-09-07 04:00:00",
                  "2025-09-08 03:30:00", "2025-09-08 03:30:00" },
                { __LINE__, "America/Sao_Paulo", "00:30:00", "2018-11-04 00:30:00", "2018-11-04 03:00:00",
                  "2018-11-05 02:30:00", "2018-11-05 02:30:00" },
                { __LINE__, "Asia/Tehran", "00:30:00", "2021-03-21 18:00:00", "2021-03-21 20:30:00",
                  "2021-03-22 20:00:00", "2021-03-22 20:00:00" },
                { __LINE__, "America/Nuuk", "23:30:00", "2025-03-29 22:30:00", "2025-03-30 01:00:00",
                  "2025-03-31 00:30:00", "2025-03-31 00:30:00" },
                { __LINE__, "Asia/Gaza", "02:30:00", "2025-04-11 21:30:00", "2025-04-12 00:00:00",
                  "2025-04-12 23:30:00", "2025-04-12 23:30:00" },
                { __LINE__, "America/Asuncion", "00:30:00", "2023-10-01 01:30:00", "2023-10-01 04:00:00",
                  "2023-10-02 03:30:00", "2023-10-02 03:30:00" },
                { __LINE__, "Pacific/Chatham", "03:15:00", "2025-09-27 11:30:00", "2025-09-27 14:00:00",
                  "2025-09-28 13:30:00", "2025-09-28 13:30:00" },
                { __LINE__, "America/St_Johns", "00:31:00", "2010-03-14 01:01:00", "2010-03-14 03:31:00",
                  "2010-03-15 03:01:00", NULL },
                { __LINE__, "Asia/Amman", "00:30:00", "2021-03-25 19:30:00", "2021-03-25 22:00:00",
                  "2021-03-26 21:30:00", "2021-03-26 21:30:00" },
                { __LINE__, "Pacific/Norfolk", "02:30:00", "2025-10-04 12:30:00", "2025-10-04 15:00:00",
                  "2025-10-05 14:30:00", "2025-10-05 14:30:00" },
                { __LINE__, "Europe/London", "01:30:00", "2060-03-27 22:30:00", "2060-03-28 01:00:00",
                  "2060-03-29 00:30:00", "2060-03-29 00:30:00" },
                { __LINE__, "Pacific/Kwajalein", "12:00:00", "1993-08-21 09:30:00", "1993-08-21 12:00:00",
                  "1993-08-22 00:00:00", "1993-08-22 00:00:00" },
                { __LINE__, "Asia/Pyongyang", "23:45:00", "2018-05-04 12:30:00", "2018-05-04 15:00:00",
                  "2018-05-05 14:45:00", "2018-05-05 14:45:00" },
                { __LINE__, "Pacific/Apia", "12:00:00", "2011-12-29 23:00:00", "2011-12-30 10:00:00",
                  "2011-12-30 22:00:00", "2011-12-30 22:00:00" },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                const usec_t start = utc(rows[i].start);
                usec_t t;

                check_next(*state, rows[i].line, rows[i].zone, rows[i].text, (DstPolicy){}, start, rows[i].by_default);
                for (DstOverlap o = 0; o < _DST_OVERLAP_MAX; o++) {
                        check_next(*state, rows[i].line, rows[i].zone, rows[i].text,
                                   (DstPolicy){ .gap = DST_GAP_SKIP, .overlap = o }, start, rows[i].skip);
                        t = check_next(*state, rows[i].line, rows[i].zone, rows[i].text,
                                       (DstPolicy){ .gap = DST_GAP_AFTER, .overlap = o }, start, rows[i].after);
                        check_next(*state, rows[i].line, rows[i].zone, rows[i].text,
                                   (DstPolicy){ .gap = DST_GAP_AFTER, .overlap = o }, t - 1, rows[i].after);
                        check_next(*state, rows[i].line, rows[i].zone, rows[i].text,
                                   (DstPolicy){ .gap = DST_GAP_AFTER, .overlap = o }, t, rows[i].skip);
                }
        }
}

static void test_overlaps(void **state) {
        static const struct {
                int line;
                const char *zone, *text, *start, *first, *second, *by_default;
        } rows[] = {
                { __LINE__, "Europe/Oslo", "2025-10-26 02:30:00", "2025-10-25 22:00:00", "2025-10-26 00:30:00",
                  "2025-10-26 01:30:00", "2025-10-26 00:30:00" },
                { __LINE__, "America/New_York", "2025-11-02 01:30:00", "2025-11-02 03:00:00", "2025-11-02 05:30:00",
                  "2025-11-02 06:30:00", "2025-11-02 05:30:00" },
                { __LINE__, "Australia/Lord_Howe", "2025-04-06 01:45:00", "2025-04-05 12:30:00", "2025-04-05 14:45:00",
                  "2025-04-05 15:15:00", "2025-04-05 14:45:00" },
                { __LINE__, "Europe/Dublin", "2025-10-26 01:30:00", "2025-10-25 22:00:00", "2025-10-26 00:30:00",
                  "2025-10-26 01:30:00", "2025-10-26 00:30:00" },
                { __LINE__, "Africa/Casablanca", "2026-02-15 02:30:00", "2026-02-14 23:00:00", "2026-02-15 01:30:00",
                  "2026-02-15 02:30:00", "2026-02-15 01:30:00" },
                { __LINE__, "Antarctica/Troll", "2025-10-26 02:00:00", "2025-10-25 21:00:00", "2025-10-26 00:00:00",
                  "2025-10-26 02:00:00", "2025-10-26 00:00:00" },
                { __LINE__, "Pacific/Apia", "2011-04-02 03:30:00", "2011-04-02 11:00:00", "2011-04-02 13:30:00",
                  "2011-04-02 14:30:00", "2011-04-02 13:30:00" },
                { __LINE__, "Asia/Beirut", "2024-10-26 23:30:00", "2024-10-26 18:00:00", "2024-10-26 20:30:00",
                  "2024-10-26 21:30:00", "2024-10-26 20:30:00" },
                { __LINE__, "Africa/Cairo", "2025-10-30 23:30:00", "2025-10-30 18:00:00", "2025-10-30 20:30:00",
                  "2025-10-30 21:30:00", "2025-10-30 20:30:00" },
                { __LINE__, "America/Havana", "2025-11-02 00:30:00", "2025-11-02 02:00:00", "2025-11-02 04:30:00",
                  "2025-11-02 05:30:00", "2025-11-02 04:30:00" },
                { __LINE__, "America/Santiago", "2025-04-05 23:30:00", "2025-04-06 00:00:00", "2025-04-06 02:30:00",
                  "2025-04-06 03:30:00", "2025-04-06 02:30:00" },
                { __LINE__, "America/Sao_Paulo", "2018-02-17 23:30:00", "2018-02-17 23:00:00", "2018-02-18 01:30:00",
                  "2018-02-18 02:30:00", "2018-02-18 01:30:00" },
                { __LINE__, "Asia/Tehran", "2021-09-21 23:30:00", "2021-09-21 16:30:00", "2021-09-21 19:00:00",
                  "2021-09-21 20:00:00", "2021-09-21 19:00:00" },
                { __LINE__, "America/Nuuk", "2025-10-25 23:30:00", "2025-10-25 22:00:00", "2025-10-26 00:30:00",
                  "2025-10-26 01:30:00", "2025-10-26 00:30:00" },
                { __LINE__, "Asia/Gaza", "2025-10-25 01:30:00", "2025-10-24 20:00:00", "2025-10-24 22:30:00",
                  "2025-10-24 23:30:00", "2025-10-24 22:30:00" },
                { __LINE__, "America/Asuncion", "2023-03-25 23:30:00", "2023-03-26 00:00:00", "2023-03-26 02:30:00",
                  "2023-03-26 03:30:00", "2023-03-26 02:30:00" },
                { __LINE__, "Pacific/Chatham", "2025-04-06 03:15:00", "2025-04-05 11:00:00", "2025-04-05 13:30:00",
                  "2025-04-05 14:30:00", "2025-04-05 13:30:00" },
                { __LINE__, "America/St_Johns", "2010-11-06 23:31:00", "2010-11-06 23:31:00", "2010-11-07 02:01:00",
                  "2010-11-07 03:01:00", "2010-11-07 02:01:00" },
                { __LINE__, "Asia/Amman", "2021-10-29 00:30:00", "2021-10-28 19:00:00", "2021-10-28 21:30:00",
                  "2021-10-28 22:30:00", "2021-10-28 21:30:00" },
                { __LINE__, "Pacific/Norfolk", "2025-04-06 02:30:00", "2025-04-05 12:00:00", "2025-04-05 14:30:00",
                  "2025-04-05 15:30:00", "2025-04-05 14:30:00" },
                { __LINE__, "Europe/London", "2060-10-31 01:30:00", "2060-10-30 22:00:00", "2060-10-31 00:30:00",
                  "2060-10-31 01:30:00", "2060-10-31 00:30:00" },
                { __LINE__, "Antarctica/Casey", "2010-03-05 00:30:00", "2010-03-04 10:00:00", "2010-03-04 13:30:00",
                  "2010-03-04 16:30:00", "2010-03-04 13:30:00" },
                { __LINE__, "Asia/Pyongyang", "2015-08-14 23:45:00", "2015-08-14 12:30:00", "2015-08-14 14:45:00",
                  "2015-08-14 15:15:00", "2015-08-14 14:45:00" },
        };
        const DstPolicy first = { .overlap = DST_OVERLAP_FIRST }, second = { .overlap = DST_OVERLAP_SECOND },
                        both = { .overlap = DST_OVERLAP_BOTH };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                const char *zone = rows[i].zone, *text = rows[i].text;
                const int line = rows[i].line;
                const usec_t start = utc(rows[i].start);
                usec_t t, none = 0;

                check_next(*state, line, zone, text, (DstPolicy){}, start, rows[i].by_default);
                t = check_next(*state, line, zone, text, both, start, rows[i].first);
                t = check_next(*state, line, zone, text, both, t, rows[i].second);
                t = check_next(*state, line, zone, text, both, t, NULL);
                assert_int_equal(t, none);
                t = check_next(*state, line, zone, text, first, start, rows[i].first);
                t = check_next(*state, line, zone, text, first, t, NULL);
                assert_int_equal(t, none);
                t = check_next(*state, line, zone, text, second, start, rows[i].second);
                t = check_next(*state, line, zone, text, second, t, NULL);
                assert_int_equal(t, none);
        }
}

/* Every minute of a day, in real time with both passes, and with the holes that the other settings make. */
static void test_minutely(void **state) {
        static const struct {
                int line;
                const char *zone, *from, *until;
                DstPolicy policy;
                unsigned want;
        } rows[] = {
                { __LINE__,
                  "Europe/Oslo",
                  "2025-03-29 23:00:00",
                  "2025-03-30 22:00:00",
                  { DST_GAP_SKIP, 0 },
                  23 * 60 },
                { __LINE__,
                  "Europe/Oslo",
                  "2025-03-29 23:00:00",
                  "2025-03-30 22:00:00",
                  { DST_GAP_AFTER, 0 },
                  23 * 60 },
                { __LINE__,
                  "Europe/Oslo",
                  "2025-10-25 22:00:00",
                  "2025-10-26 23:00:00",
                  { 0, DST_OVERLAP_BOTH },
                  25 * 60 },
                { __LINE__,
                  "Europe/Oslo",
                  "2025-10-25 22:00:00",
                  "2025-10-26 23:00:00",
                  { 0, DST_OVERLAP_FIRST },
                  24 * 60 },
                { __LINE__,
                  "Europe/Oslo",
                  "2025-10-25 22:00:00",
                  "2025-10-26 23:00:00",
                  { 0, DST_OVERLAP_SECOND },
                  24 * 60 },
                { __LINE__, "Europe/Oslo", "2025-10-25 22:00:00", "2025-10-26 23:00:00", { 0, 0 }, 24 * 60 },
                { __LINE__,
                  "Australia/Lord_Howe",
                  "2025-04-05 13:00:00",
                  "2025-04-06 13:30:00",
                  { 0, DST_OVERLAP_BOTH },
                  24 * 60 + 30 },
                { __LINE__,
                  "Antarctica/Troll",
                  "2025-10-25 22:00:00",
                  "2025-10-27 00:00:00",
                  { 0, DST_OVERLAP_BOTH },
                  26 * 60 },
                { __LINE__,
                  "Antarctica/Troll",
                  "2025-03-30 00:00:00",
                  "2025-03-30 22:00:00",
                  { DST_GAP_SKIP, 0 },
                  22 * 60 },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                _cleanup_(calendar_freep) Calendar *c = NULL;
                usec_t t = utc(rows[i].from) - 1;
                const Zone *zone;
                unsigned n = 0;

                assert_int_equal(zone_cache_get(*state, rows[i].zone, &zone), 0);
                assert_int_equal(calendar_parse("minutely", NULL, zone, 0, &c, NULL), 0);
                while (calendar_next(c, &rows[i].policy, t, &t) == 0 && t < utc(rows[i].until))
                        n++;
                if (n != rows[i].want)
                        fail_msg("line %d: %u times", rows[i].line, n);
        }
}

/* However often it is asked from within and around a change, the answer is later than the question. */
static void test_always_later(void **state) {
        static const char *const zones[] = { "Europe/Dublin", "America/Caracas",  "Antarctica/Casey",
                                             "Pacific/Apia",  "America/St_Johns", "Asia/Gaza",
                                             "Europe/Moscow", "Asia/Pyongyang" };
        static const char *const texts[] = {
                "*:*", "*:0/7", "00:30", "02:30", "*-*~1 23:59:59", "*:*:0/0.7", "12:00"
        };

        for (size_t i = 0; i < ELEMENTSOF(zones) * ELEMENTSOF(texts); i++) {
                _cleanup_(calendar_freep) Calendar *c = NULL;
                ZoneTransition change = {};
                const Zone *zone;

                assert_int_equal(zone_cache_get(*state, zones[i % ELEMENTSOF(zones)], &zone), 0);
                assert_int_equal(calendar_parse(texts[i / ELEMENTSOF(zones)], NULL, zone, 0, &c, NULL), 0);
                while (zone_next_transition(zone, change.at, &change) == 0 &&
                       change.at < INT64_C(7226582400)) /* 2199 */
                        for (int64_t t = change.at - 7200; t < change.at + 7200; t += 613) {
                                usec_t after = (usec_t)t * USEC_PER_SEC, next;

                                int r = calendar_next(c, NULL, after, &next);

                                if (r < 0 || next <= after)
                                        fail_msg("%s, %s: %d after %" PRI_USEC, zone_name(zone),
                                                 texts[i / ELEMENTSOF(zones)], r, after);
                        }
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_gaps),
                cmocka_unit_test(test_overlaps),
                cmocka_unit_test(test_minutely),
                cmocka_unit_test(test_always_later),
        };

        return cmocka_run_group_tests(tests, setup, teardown);
}
