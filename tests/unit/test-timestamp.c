/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Points in time. The rows are answers of parse_timestamp() of systemd 252, with the local zone Europe/Oslo. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#include "time/timestamp.h"
#include "util/macro.h"

#define NOW (UINT64_C(1768473000500000)) /* Thu 2026-01-15 11:30:00.5 CET */

#define REFUSED (USEC_INFINITY - 1)

struct fixture {
        ZoneCache *cache;
        const Zone *oslo;
};

static int setup(void **state) {
        static struct fixture f;

        if (zone_cache_new(NULL, &f.cache) < 0 || zone_cache_get(f.cache, "Europe/Oslo", &f.oslo) < 0)
                return -1;
        *state = &f;
        return 0;
}

static int teardown(void **state) {
        struct fixture *f = *state;

        f->cache = zone_cache_free(f->cache);
        return 0;
}

static const struct {
        int line;
        const char *text;
        usec_t want;
} rows[] = {
        { __LINE__, "2026-01-01 12:00:00.5 Europe/Oslo", 1767265200500000ULL },
        { __LINE__, "now", 1768473000500000ULL },
        { __LINE__, "today", 1768431600000000ULL },
        { __LINE__, "tomorrow", 1768518000000000ULL },
        { __LINE__, "yesterday", 1768345200000000ULL },
        { __LINE__, "tomorrow 02:00", 1768525200000000ULL },
        { __LINE__, "today 00:00:01.5", 1768431601500000ULL },
        { __LINE__, "yesterday 23:59", 1768431540000000ULL },
        { __LINE__, "tomorrow 02:00 UTC", 1768528800000000ULL },
        { __LINE__, "tomorrow ", REFUSED },
        { __LINE__, "tomorrow 25:00", REFUSED },
        { __LINE__, "tomorrow 2026-01-01", REFUSED },
        { __LINE__, "tomorrow Thu 02:00", REFUSED },
        { __LINE__, "tomorrow02:00", REFUSED },
        { __LINE__, "+3h", 1768483800500000ULL },
        { __LINE__, "-3h", 1768462200500000ULL },
        { __LINE__, "3h ago", 1768462200500000ULL },
        { __LINE__, "3h left", 1768483800500000ULL },
        { __LINE__, "@1395716396", 1395716396000000ULL },
        { __LINE__, "@1395716396.5", 1395716396500000ULL },
        { __LINE__, "@5min", 300000000ULL },
        { __LINE__, "Thu 2026-01-01", 1767222000000000ULL },
        { __LINE__, "Fri 2026-01-01", REFUSED },
        { __LINE__, "Thursday 2026-01-01 12:00", 1767265200000000ULL },
        { __LINE__, "12:00", 1768474800000000ULL },
        { __LINE__, "12:00:30", 1768474830000000ULL },
        { __LINE__, "12:00:30.25", 1768474830250000ULL },
        { __LINE__, "26-01-01", 1767222000000000ULL },
        { __LINE__, "2026-01-01 12:00", 1767265200000000ULL },
        { __LINE__, "2026-01-01 12:00 UTC", 1767268800000000ULL },
        { __LINE__, "2026-01-01 12:00 utc", 1767268800000000ULL },
        { __LINE__, "2026-01-01 12:00 CET", 1767265200000000ULL },
        { __LINE__, "2026-07-01 12:00 CET", 1782903600000000ULL },
        { __LINE__, "2026-07-01 12:00 CEST", 1782900000000000ULL },
        { __LINE__, "2026-01-01 12:00 CEST", 1767261600000000ULL },
        { __LINE__, "2026-01-01 12:00 EST", 1767286800000000ULL },
        { __LINE__, "2026-07-01 12:00 America/New_York", 1782921600000000ULL },
        { __LINE__, "2026-07-01 12:00 Foo/Bar", REFUSED },
        { __LINE__, "now Europe/Oslo", REFUSED },
        { __LINE__, "today Europe/Oslo", 1768431600000000ULL },
        { __LINE__, "today UTC", 1768435200000000ULL },
        { __LINE__, "tomorrow America/New_York", 1768539600000000ULL },
        { __LINE__, "Jan 05 12:00:00", 1767610800000000ULL },
        { __LINE__, "January 5 12:00:00.5", 1767610800500000ULL },
        { __LINE__, "2026-02-31", 1772492400000000ULL },
        { __LINE__, "2026-13-01", REFUSED },
        { __LINE__, "2026-1-1 1:2:3", 1767225723000000ULL },
        { __LINE__, "2026-01-0112:00", 1767265200000000ULL },
        { __LINE__, " 2026-01-01", 1767222000000000ULL },
        { __LINE__, "2026-01-01 ", REFUSED },
        { __LINE__, "2026-01-01 24:00", REFUSED },
        { __LINE__, "2026-01-01 23:59:60", 1767308400000000ULL },
        { __LINE__, "2026-01-01 23:59:61", 1767308401000000ULL },
        { __LINE__, "2026-01-01 23:59:62", REFUSED },
        { __LINE__, "70-01-01", REFUSED },
        { __LINE__, "69-01-01", REFUSED },
        { __LINE__, "1969-12-31", REFUSED },
        { __LINE__, "1970-01-01", REFUSED },
        { __LINE__, "1970-01-01 UTC", 0ULL },
        { __LINE__, "9999-12-29", 253402038000000000ULL },
        { __LINE__, "9999-12-31", 253402210800000000ULL },
        { __LINE__, "10000-01-01", REFUSED },
        { __LINE__, "", REFUSED },
        { __LINE__, "@", REFUSED },
        { __LINE__, "+", REFUSED },
        { __LINE__, "-", REFUSED },
        { __LINE__, "ago", REFUSED },
        { __LINE__, " ago", REFUSED },
        { __LINE__, "+-3h", REFUSED },
        { __LINE__, "2026-01-01T12:00", REFUSED },
        { __LINE__, "2026-01-01 12:00:00.", REFUSED },
        { __LINE__, "2026-01-01 12:00:00.1234567", 1767265200123457ULL },
        { __LINE__, "2026-01-01 12:00:00.12x", REFUSED },
        { __LINE__, "2025-03-30 02:30", 1743298200000000ULL },
        { __LINE__, "2025-10-26 02:30", 1761442200000000ULL },
        { __LINE__, "2025-10-26 02:30 CET", 1761442200000000ULL },
        { __LINE__, "2025-10-26 02:30 CEST", 1761438600000000ULL },
        { __LINE__, "2025-03-09 02:30 America/New_York", 1741505400000000ULL },
        { __LINE__, "2025-11-02 01:30 America/New_York", 1762061400000000ULL },
        { __LINE__, "Sun 12:00", REFUSED },
        { __LINE__, "Mon 12:00", REFUSED },
        { __LINE__, "2025-03-30 01:30 Europe/Dublin", 1743294600000000ULL },
        { __LINE__, "2025-10-26 01:30 Europe/Dublin", 1761442200000000ULL },
        { __LINE__, "2011-12-30 12:00 Pacific/Apia", 1325196000000000ULL },
        { __LINE__, "infinity", REFUSED },
        { __LINE__, "+infinity", REFUSED },
        { __LINE__, "@infinity", 18446744073709551615ULL },
        { __LINE__, "2026-01-01 1200", REFUSED },
        { __LINE__, "1:2", 1768435320000000ULL },
        { __LINE__, "1:2:3 UTC", 1768438923000000ULL },
        { __LINE__, "00:00:00 Asia/Kathmandu", 1768414500000000ULL },
        { __LINE__, "today CET", 1768431600000000ULL },
        { __LINE__, "2026-01-01 12:00 GMT", 1767268800000000ULL },
        { __LINE__, "2026-01-01   12:00", 1767265200000000ULL },
        { __LINE__, "sat 2026-01-03", 1767394800000000ULL },
        { __LINE__, "SAT 2026-01-03 UTC", 1767398400000000ULL },
        { __LINE__, "2026-01-01\t12:00", 1767265200000000ULL },
        { __LINE__, "@-5", REFUSED },
        { __LINE__, "3 h ago", 1768462200500000ULL },
        { __LINE__, "5 left", 1768473005500000ULL },
        { __LINE__, "1y ago", 1736915400500000ULL },
        { __LINE__, "100y ago", REFUSED },
        { __LINE__, "  now", REFUSED },
        { __LINE__, "now ", REFUSED },
        { __LINE__, "Now", REFUSED },
        { __LINE__, "2026-07-01 12:00:00.000001", 1782900000000001ULL },
        { __LINE__, "31s ago", 1768472969500000ULL },
        { __LINE__, "1h 30min left", 1768478400500000ULL },
        { __LINE__, "+1.5s", 1768473002000000ULL },
        { __LINE__, "Sunday 2025-10-26 02:30 CET", 1761442200000000ULL },
};

static void test_recorded_answers(void **state) {
        const struct fixture *f = *state;

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                usec_t t = 4711;
                int r = timestamp_parse(rows[i].text, f->cache, f->oslo, NOW, &t);

                if (rows[i].want == REFUSED ? r >= 0 || t != 4711 : r < 0 || t != rows[i].want)
                        fail_msg("line %d: \"%s\" gives %d, %" PRI_USEC, rows[i].line, rows[i].text, r, t);
        }
}

static void test_format(void **state) {
        const struct fixture *f = *state;
        const usec_t t = UINT64_C(1764587096123456);
        char buf[TIMESTAMP_TEXT_MAX];

        assert_string_equal(timestamp_format(buf, t, f->oslo, TIMESTAMP_PRETTY), "Mon 2025-12-01 12:04:56 CET");
        assert_string_equal(timestamp_format(buf, t, f->oslo, TIMESTAMP_USEC), "Mon 2025-12-01 12:04:56.123456 CET");
        assert_string_equal(timestamp_format(buf, t, f->oslo, TIMESTAMP_DATE), "Mon 2025-12-01");
        assert_string_equal(timestamp_format(buf, t, f->oslo, TIMESTAMP_RFC3339), "2025-12-01T12:04:56.123456+01:00");
        assert_string_equal(timestamp_format(buf, t, NULL, TIMESTAMP_PRETTY), "Mon 2025-12-01 11:04:56 UTC");
        assert_string_equal(timestamp_format(buf, 0, NULL, TIMESTAMP_PRETTY), "n/a");
        assert_string_equal(timestamp_format(buf, USEC_INFINITY, NULL, TIMESTAMP_PRETTY), "n/a");
        assert_string_equal(timestamp_format(buf, TIMESTAMP_MAX, NULL, TIMESTAMP_PRETTY),
                            "Thu 9999-12-30 23:59:59 UTC");
}

/* What is printed with µs is read again as the same, in both passes of a repeated hour, too. */
static void test_print_and_parse(void **state) {
        const struct fixture *f = *state;
        uint64_t seed = 1;

        for (size_t i = 0; i < 20000; i++) {
                char buf[TIMESTAMP_TEXT_MAX];
                usec_t t, again;

                seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
                t = 1 + (seed >> 12) % (UINT64_C(7226582400) * USEC_PER_SEC);
                if (i % 4 == 0)
                        t = UINT64_C(1761433200) * USEC_PER_SEC + t % (4 * USEC_PER_HOUR); /* 2025-10-26 */
                timestamp_format(buf, t, f->oslo, TIMESTAMP_USEC);
                if (timestamp_parse(buf, f->cache, f->oslo, NOW, &again) < 0 || again != t)
                        fail_msg("%" PRI_USEC " prints as \"%s\"", t, buf);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_recorded_answers),
                cmocka_unit_test(test_format),
                cmocka_unit_test(test_print_and_parse),
        };

        return cmocka_run_group_tests(tests, setup, teardown);
}
