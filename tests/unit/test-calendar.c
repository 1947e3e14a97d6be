/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Calendar expressions: text, normal form, elapses, refusals. The rows are answers of systemd 252 with the local zone
 * Europe/Oslo; the differential test in tests/time/ asks it for many more. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#include "time/calendar.h"
#include "util/macro.h"

#define BASE (UINT64_C(1768471200) * USEC_PER_SEC) /* 2026-01-15 10:00:00 UTC */

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
        const char *text, *normal;
        usec_t elapses[3];
} good[] = {
        { __LINE__, "minutely", "*-*-* *:*:00", { 1768471260000000ULL, 1768471320000000ULL, 1768471380000000ULL } },
        { __LINE__, "hourly", "*-*-* *:00:00", { 1768474800000000ULL, 1768478400000000ULL, 1768482000000000ULL } },
        { __LINE__, "daily", "*-*-* 00:00:00", { 1768518000000000ULL, 1768604400000000ULL, 1768690800000000ULL } },
        { __LINE__,
          "weekly",
          "Mon *-*-* 00:00:00",
          { 1768777200000000ULL, 1769382000000000ULL, 1769986800000000ULL } },
        { __LINE__, "monthly", "*-*-01 00:00:00", { 1769900400000000ULL, 1772319600000000ULL, 1774994400000000ULL } },
        { __LINE__,
          "quarterly",
          "*-01,04,07,10-01 00:00:00",
          { 1774994400000000ULL, 1782856800000000ULL, 1790805600000000ULL } },
        { __LINE__,
          "semiannually",
          "*-01,07-01 00:00:00",
          { 1782856800000000ULL, 1798758000000000ULL, 1814392800000000ULL } },
        { __LINE__,
          "biannually",
          "*-01,07-01 00:00:00",
          { 1782856800000000ULL, 1798758000000000ULL, 1814392800000000ULL } },
        { __LINE__,
          "bi-annually",
          "*-01,07-01 00:00:00",
          { 1782856800000000ULL, 1798758000000000ULL, 1814392800000000ULL } },
        { __LINE__,
          "semi-annually",
          "*-01,07-01 00:00:00",
          { 1782856800000000ULL, 1798758000000000ULL, 1814392800000000ULL } },
        { __LINE__, "yearly", "*-01-01 00:00:00", { 1798758000000000ULL, 1830294000000000ULL, 1861916400000000ULL } },
        { __LINE__,
          "annually",
          "*-01-01 00:00:00",
          { 1798758000000000ULL, 1830294000000000ULL, 1861916400000000ULL } },
        { __LINE__, "anually", "*-01-01 00:00:00", { 1798758000000000ULL, 1830294000000000ULL, 1861916400000000ULL } },
        { __LINE__, "Daily", "*-*-* 00:00:00", { 1768518000000000ULL, 1768604400000000ULL, 1768690800000000ULL } },
        { __LINE__,
          "WEEKLY",
          "Mon *-*-* 00:00:00",
          { 1768777200000000ULL, 1769382000000000ULL, 1769986800000000ULL } },
        { __LINE__,
          "Sat,Thu,Mon..Wed,Sat..Sun",
          "Mon..Thu,Sat,Sun *-*-* 00:00:00",
          { 1768604400000000ULL, 1768690800000000ULL, 1768777200000000ULL } },
        { __LINE__, "Mon,Sun 12-*-* 2,1:23", "Mon,Sun 2012-*-* 01,02:23:00", { 0 } },
        { __LINE__,
          "Wed *-1",
          "Wed *-*-01 00:00:00",
          { 1774994400000000ULL, 1782856800000000ULL, 1819749600000000ULL } },
        { __LINE__,
          "Wed..Wed,Wed *-1",
          "Wed *-*-01 00:00:00",
          { 1774994400000000ULL, 1782856800000000ULL, 1819749600000000ULL } },
        { __LINE__,
          "Wed, 17:48",
          "Wed *-*-* 17:48:00",
          { 1769014080000000ULL, 1769618880000000ULL, 1770223680000000ULL } },
        { __LINE__, "Wed..Sat,Tue 12-10-15 1:2:3", "Tue..Sat 2012-10-15 01:02:03", { 0 } },
        { __LINE__,
          "*-*-7 0:0:0",
          "*-*-07 00:00:00",
          { 1770418800000000ULL, 1772838000000000ULL, 1775512800000000ULL } },
        { __LINE__, "10-15", "*-10-15 00:00:00", { 1792015200000000ULL, 1823551200000000ULL, 1855173600000000ULL } },
        { __LINE__,
          "monday *-12-* 17:00",
          "Mon *-12-* 17:00:00",
          { 1796659200000000ULL, 1797264000000000ULL, 1797868800000000ULL } },
        { __LINE__,
          "Mon,Fri *-*-3,1,2 *:30:45",
          "Mon,Fri *-*-01,02,03 *:30:45",
          { 1769988645000000ULL, 1769992245000000ULL, 1769995845000000ULL } },
        { __LINE__,
          "12,14,13,12:20,10,30",
          "*-*-* 12,13,14:10,20,30:00",
          { 1768475400000000ULL, 1768476000000000ULL, 1768476600000000ULL } },
        { __LINE__,
          "12..14:10,20,30",
          "*-*-* 12..14:10,20,30:00",
          { 1768475400000000ULL, 1768476000000000ULL, 1768476600000000ULL } },
        { __LINE__,
          "mon,fri *-1/2-1,3 *:30:45",
          "Mon,Fri *-01/2-01,03 *:30:45",
          { 1777588245000000ULL, 1777591845000000ULL, 1777595445000000ULL } },
        { __LINE__,
          "03-05 08:05:40",
          "*-03-05 08:05:40",
          { 1772694340000000ULL, 1804230340000000ULL, 1835852740000000ULL } },
        { __LINE__, "08:05:40", "*-*-* 08:05:40", { 1768547140000000ULL, 1768633540000000ULL, 1768719940000000ULL } },
        { __LINE__, "05:40", "*-*-* 05:40:00", { 1768538400000000ULL, 1768624800000000ULL, 1768711200000000ULL } },
        { __LINE__,
          "Sat,Sun 12-05 08:05:40",
          "Sat,Sun *-12-05 08:05:40",
          { 1796454340000000ULL, 1827990340000000ULL, 1985843140000000ULL } },
        { __LINE__,
          "Sat,Sun 08:05:40",
          "Sat,Sun *-*-* 08:05:40",
          { 1768633540000000ULL, 1768719940000000ULL, 1769238340000000ULL } },
        { __LINE__, "2003-03-05 05:40", "2003-03-05 05:40:00", { 0 } },
        { __LINE__,
          "05:40:23.4200004/3.1700005",
          "*-*-* 05:40:23.420000/3.170001",
          { 1768538423420000ULL, 1768538426590001ULL, 1768538429760002ULL } },
        { __LINE__, "2003-02..04-05", "2003-02..04-05 00:00:00", { 0 } },
        { __LINE__, "2003-03-05 05:40 UTC", "2003-03-05 05:40:00 UTC", { 0 } },
        { __LINE__, "2003-03-05", "2003-03-05 00:00:00", { 0 } },
        { __LINE__, "03-05", "*-03-05 00:00:00", { 1772665200000000ULL, 1804201200000000ULL, 1835823600000000ULL } },
        { __LINE__, "Mon", "Mon *-*-* 00:00:00", { 1768777200000000ULL, 1769382000000000ULL, 1769986800000000ULL } },
        { __LINE__,
          "mon-fri",
          "Mon..Fri *-*-* 00:00:00",
          { 1768518000000000ULL, 1768777200000000ULL, 1768863600000000ULL } },
        { __LINE__,
          "Mon..Fri 09:00",
          "Mon..Fri *-*-* 09:00:00",
          { 1768550400000000ULL, 1768809600000000ULL, 1768896000000000ULL } },
        { __LINE__, "Mon,", "Mon *-*-* 00:00:00", { 1768777200000000ULL, 1769382000000000ULL, 1769986800000000ULL } },
        { __LINE__, "*:*:*", "*-*-* *:*:*", { 1768471201000000ULL, 1768471202000000ULL, 1768471203000000ULL } },
        { __LINE__, "*:0/7", "*-*-* *:00/7:00", { 1768471620000000ULL, 1768472040000000ULL, 1768472460000000ULL } },
        { __LINE__, "*:0/15", "*-*-* *:00/15:00", { 1768472100000000ULL, 1768473000000000ULL, 1768473900000000ULL } },
        { __LINE__, "0/4:00", "*-*-* 00/4:00:00", { 1768474800000000ULL, 1768489200000000ULL, 1768503600000000ULL } },
        { __LINE__,
          "*-*-* 0/11:07/20",
          "*-*-* 00/11:07/20:00",
          { 1768471620000000ULL, 1768472820000000ULL, 1768474020000000ULL } },
        { __LINE__, "*-02-29", "*-02-29 00:00:00", { 1835391600000000ULL, 1961622000000000ULL, 2087852400000000ULL } },
        { __LINE__, "*-02~01", "*-02~01 00:00:00", { 1772233200000000ULL, 1803769200000000ULL, 1835391600000000ULL } },
        { __LINE__,
          "*-*~07/1",
          "*-*~07/1 00:00:00",
          { 1769295600000000ULL, 1769382000000000ULL, 1769468400000000ULL } },
        { __LINE__,
          "Mon *-*~07/1",
          "Mon *-*~07/1 00:00:00",
          { 1769382000000000ULL, 1771801200000000ULL, 1774821600000000ULL } },
        { __LINE__,
          "*-05~07/1 12:00",
          "*-05~07/1 12:00:00",
          { 1779703200000000ULL, 1779789600000000ULL, 1779876000000000ULL } },
        { __LINE__, "*~1", "*-*~01 00:00:00", { 1769814000000000ULL, 1772233200000000ULL, 1774908000000000ULL } },
        { __LINE__, "02~03", "*-02~03 00:00:00", { 1772060400000000ULL, 1803596400000000ULL, 1835218800000000ULL } },
        { __LINE__,
          "Fri *-*-13",
          "Fri *-*-13 00:00:00",
          { 1770937200000000ULL, 1773356400000000ULL, 1794524400000000ULL } },
        { __LINE__, "Tue 2026-03-31", "Tue 2026-03-31 00:00:00", { 1774908000000000ULL } },
        { __LINE__,
          "2026-*-31 23:59:59.999999",
          "2026-*-31 23:59:59.999999",
          { 1769900399999999ULL, 1774994399999999ULL, 1780264799999999ULL } },
        { __LINE__,
          "*:*:0/0.25",
          "*-*-* *:*:00/0.250000",
          { 1768471200250000ULL, 1768471200500000ULL, 1768471200750000ULL } },
        { __LINE__,
          "*:*:00,30",
          "*-*-* *:*:00,30",
          { 1768471230000000ULL, 1768471260000000ULL, 1768471290000000ULL } },
        { __LINE__,
          "*:*:10.5..20.5/2.5",
          "*-*-* *:*:10.500000..20.500000/2.500000",
          { 1768471210500000ULL, 1768471213000000ULL, 1768471215500000ULL } },
        { __LINE__, "99-01-01", "1999-01-01 00:00:00", { 0 } },
        { __LINE__, "00-01-01", "2000-01-01 00:00:00", { 0 } },
        { __LINE__, "1970-01-01", "1970-01-01 00:00:00", { 0 } },
        { __LINE__, "2199-12-31 23:59:59", "2199-12-31 23:59:59", { 7258114799000000ULL } },
        { __LINE__,
          "2199-*-*",
          "2199-*-* 00:00:00",
          { 7226578800000000ULL, 7226665200000000ULL, 7226751600000000ULL } },
        { __LINE__, "@1395716396", "2014-03-25 02:59:56 UTC", { 0 } },
        { __LINE__, "@0", "1970-01-01 00:00:00 UTC", { 0 } },
        { __LINE__,
          "1..5-1,15 3:00",
          "*-01..05-01,15 03:00:00",
          { 1769911200000000ULL, 1771120800000000ULL, 1772330400000000ULL } },
        { __LINE__,
          "*-1..3/2-1 0:0",
          "*-01..03/2-01 00:00:00",
          { 1772319600000000ULL, 1798758000000000ULL, 1803855600000000ULL } },
        { __LINE__,
          "*-*-1/10",
          "*-*-01/10 00:00:00",
          { 1768950000000000ULL, 1769814000000000ULL, 1769900400000000ULL } },
        { __LINE__, "*-*-31", "*-*-31 00:00:00", { 1769814000000000ULL, 1774908000000000ULL, 1780178400000000ULL } },
        { __LINE__,
          "12:00 Europe/Oslo",
          "*-*-* 12:00:00 Europe/Oslo",
          { 1768474800000000ULL, 1768561200000000ULL, 1768647600000000ULL } },
        { __LINE__,
          "12:00 America/New_York",
          "*-*-* 12:00:00 America/New_York",
          { 1768496400000000ULL, 1768582800000000ULL, 1768669200000000ULL } },
        { __LINE__,
          "daily UTC",
          "*-*-* 00:00:00 UTC",
          { 1768521600000000ULL, 1768608000000000ULL, 1768694400000000ULL } },
        { __LINE__,
          "daily utc",
          "*-*-* 00:00:00 UTC",
          { 1768521600000000ULL, 1768608000000000ULL, 1768694400000000ULL } },
        { __LINE__,
          "hourly Asia/Kathmandu",
          "*-*-* *:00:00 Asia/Kathmandu",
          { 1768472100000000ULL, 1768475700000000ULL, 1768479300000000ULL } },
        { __LINE__,
          "*-*-* 02:30:00 Europe/Oslo",
          "*-*-* 02:30:00 Europe/Oslo",
          { 1768527000000000ULL, 1768613400000000ULL, 1768699800000000ULL } },
        { __LINE__,
          "Sat *-*-1..7 18:00:00",
          "Sat *-*-01..07 18:00:00",
          { 1770483600000000ULL, 1772902800000000ULL, 1775318400000000ULL } },
        { __LINE__,
          "*-*-01 4:00 Pacific/Apia",
          "*-*-01 04:00:00 Pacific/Apia",
          { 1769871600000000ULL, 1772290800000000ULL, 1774969200000000ULL } },
        { __LINE__,
          "*:7..59/13",
          "*-*-* *:07..59/13:00",
          { 1768471620000000ULL, 1768472400000000ULL, 1768473180000000ULL } },
        { __LINE__, "23:59:59", "*-*-* 23:59:59", { 1768517999000000ULL, 1768604399000000ULL, 1768690799000000ULL } },
        { __LINE__, "0:0", "*-*-* 00:00:00", { 1768518000000000ULL, 1768604400000000ULL, 1768690800000000ULL } },
        { __LINE__,
          "00:00:00.5",
          "*-*-* 00:00:00.500000",
          { 1768518000500000ULL, 1768604400500000ULL, 1768690800500000ULL } },
        { __LINE__,
          "Mon..Sun 1:00",
          "*-*-* 01:00:00",
          { 1768521600000000ULL, 1768608000000000ULL, 1768694400000000ULL } },
        { __LINE__, "Sun 2026-11-29", "Sun 2026-11-29 00:00:00", { 1795906800000000ULL } },
        { __LINE__,
          "2026..2028-06-15 7:00",
          "2026..2028-06-15 07:00:00",
          { 1781499600000000ULL, 1813035600000000ULL, 1844658000000000ULL } },
        { __LINE__,
          "2025/3-1-1",
          "2025/3-01-01 00:00:00",
          { 1830294000000000ULL, 1924988400000000ULL, 2019682800000000ULL } },
        { __LINE__,
          "6..20/7:*",
          "*-*-* 06..20/7:*:00",
          { 1768478400000000ULL, 1768478460000000ULL, 1768478520000000ULL } },
        { __LINE__, "2026-01-01   ", "2026-01-01 00:00:00", { 0 } },
        { __LINE__,
          "Mon   12:00",
          "Mon *-*-* 12:00:00",
          { 1768820400000000ULL, 1769425200000000ULL, 1770030000000000ULL } },
        { __LINE__,
          "12:00 CET",
          "*-*-* 12:00:00 CET",
          { 1768474800000000ULL, 1768561200000000ULL, 1768647600000000ULL } },
        { __LINE__, "12:00 CEST", "*-*-* 12:00:00 CEST", { 0 } },
        { __LINE__,
          "12:00 cet",
          "*-*-* 12:00:00 CET",
          { 1768474800000000ULL, 1768561200000000ULL, 1768647600000000ULL } },
        { __LINE__, "*-*-* *:*:*", "*-*-* *:*:*", { 1768471201000000ULL, 1768471202000000ULL, 1768471203000000ULL } },
        { __LINE__,
          "1,1,1,2:3",
          "*-*-* 01,02:03:00",
          { 1768521780000000ULL, 1768525380000000ULL, 1768608180000000ULL } },
        { __LINE__, "5..5:10", "*-*-* 05:10:00", { 1768536600000000ULL, 1768623000000000ULL, 1768709400000000ULL } },
        { __LINE__,
          "*:0..58/2",
          "*-*-* *:00..58/2:00",
          { 1768471320000000ULL, 1768471440000000ULL, 1768471560000000ULL } },
};

/* A row's first three elapses after BASE; 0 stands for never again. */
static void check_elapses(const Calendar *c, int line, const char *text, const usec_t *elapses) {
        usec_t t = BASE;

        for (size_t i = 0; i < 3; i++) {
                usec_t next = 0;
                int r = calendar_next(c, NULL, t, &next);

                if (elapses[i] == 0) {
                        if (r != -ENOENT)
                                fail_msg("line %d: \"%s\" elapses again at %" PRI_USEC, line, text, next);
                        return;
                }
                if (r < 0 || next != elapses[i])
                        fail_msg("line %d: \"%s\", elapse %zu: %d, %" PRI_USEC, line, text, i + 1, r, next);
                t = next;
        }
}

static void test_recorded_answers(void **state) {
        const struct fixture *f = *state;

        for (size_t i = 0; i < ELEMENTSOF(good); i++) {
                _cleanup_(calendar_freep) Calendar *c = NULL, *again = NULL;
                _cleanup_free_ char *normal = NULL, *normal_again = NULL;

                if (calendar_parse(good[i].text, f->cache, f->oslo, BASE, &c, NULL) < 0)
                        fail_msg("line %d: \"%s\" is refused", good[i].line, good[i].text);
                assert_int_equal(calendar_format(c, &normal), 0);
                if (!streq(normal, good[i].normal))
                        fail_msg("line %d: \"%s\" becomes \"%s\"", good[i].line, good[i].text, normal);
                check_elapses(c, good[i].line, good[i].text, good[i].elapses);

                assert_int_equal(calendar_parse(normal, f->cache, f->oslo, BASE, &again, NULL), 0);
                assert_int_equal(calendar_format(again, &normal_again), 0);
                assert_string_equal(normal, normal_again);
                check_elapses(again, good[i].line, normal, good[i].elapses);
        }
}

static const struct {
        int line;
        const char *text;
} bad[] = {
        { __LINE__, "" },
        { __LINE__, "foo" },
        { __LINE__, "foo UTC" },
        { __LINE__, "*-*-*~1" },
        { __LINE__, "*~0" },
        { __LINE__, "*~29" },
        { __LINE__, "Mon.." },
        { __LINE__, "Mond" },
        { __LINE__, "Mon..Tue..Wed" },
        { __LINE__, "Tue..Mon" },
        { __LINE__, "Mon,,Tue" },
        { __LINE__, "mon;" },
        { __LINE__, "25:00" },
        { __LINE__, "12:60" },
        { __LINE__, "12:00:60" },
        { __LINE__, "12" },
        { __LINE__, "12:" },
        { __LINE__, "*/5" },
        { __LINE__, "*:*/5" },
        { __LINE__, "*-13-01" },
        { __LINE__, "*-0-1" },
        { __LINE__, "*-1-0" },
        { __LINE__, "*-1-32" },
        { __LINE__, "1969-01-01" },
        { __LINE__, "2200-01-01" },
        { __LINE__, "@-5" },
        { __LINE__, "@x" },
        { __LINE__, "@1 2" },
        { __LINE__, "10..5:00" },
        { __LINE__, "*:5/0" },
        { __LINE__, "*:0/60" },
        { __LINE__, "1:2:3:4" },
        { __LINE__, "*:*:0..0.5" },
        { __LINE__, "*:*:1." },
        { __LINE__, "*:*:1.x" },
        { __LINE__, "daily Foo/Bar" },
        { __LINE__, "12:00 Europe/Oslp" },
        { __LINE__, "00:00:00/61" },
        { __LINE__, "2026-01-01T12:00" },
        { __LINE__, "Mon Tue" },
        { __LINE__, "99999999999-1-1" },
        { __LINE__, "*-*-* *" },
        { __LINE__, "7-" },
        { __LINE__, "~1" },
        { __LINE__, "1~2-3" },
        { __LINE__, "*-*-*-*" },
        { __LINE__, ": :" },
        { __LINE__, " daily" },
        { __LINE__, "daily " },
        { __LINE__, "12:00 " },
        { __LINE__, "12:00  UTC" },
        { __LINE__, "*:*:*..5" },
        { __LINE__, "*-*~3..1" },
        { __LINE__, "*:*:59.9999999" },
        { __LINE__, "69..70-01-01" },
        { __LINE__, "1/30-1" },
};

static void test_refusals(void **state) {
        const struct fixture *f = *state;

        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                TimeError problem = {};
                Calendar *c = NULL;
                int r = calendar_parse(bad[i].text, f->cache, f->oslo, BASE, &c, &problem);

                if (r >= 0 || c)
                        fail_msg("line %d: \"%s\" is accepted", bad[i].line, bad[i].text);
                if (problem.column < 1 || problem.column > strlen(bad[i].text) + 1 || isempty(problem.message))
                        fail_msg("line %d: \"%s\": column %zu, %s", bad[i].line, bad[i].text, problem.column,
                                 strempty(problem.message));
        }
}

static void test_problem_columns(void **state) {
        static const struct {
                int line;
                const char *text;
                size_t column;
        } rows[] = {
                { __LINE__, "foo", 1 },
                { __LINE__, "25:00", 1 },
                { __LINE__, "12:60", 4 },
                { __LINE__, "12:00:61", 7 },
                { __LINE__, "12:", 4 },
                { __LINE__, "*:*/5", 4 },
                { __LINE__, "Mon..", 6 },
                { __LINE__, "Tue..Mon", 6 },
                { __LINE__, "Mon, *-13-01 12:00", 8 },
                { __LINE__, "1,2,32-1", 5 },
                { __LINE__, "*-*-1,40 12:00", 7 },
                { __LINE__, "12:00 Europe/Oslp", 7 },
                { __LINE__, "daily Mars/Olympus", 7 },
                { __LINE__, "12:00:00.x", 10 },
                { __LINE__, "2026-01-01T12:00", 11 },
                { __LINE__, "*:*:0..0.5", 5 },
        };
        const struct fixture *f = *state;

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                TimeError problem = {};
                Calendar *c;

                assert_true(calendar_parse(rows[i].text, f->cache, f->oslo, BASE, &c, &problem) < 0);
                if (problem.column != rows[i].column)
                        fail_msg("line %d: \"%s\" is faulted in column %zu: %s", rows[i].line, rows[i].text,
                                 problem.column, problem.message);
        }
}

/* What somebody could make grow has a bound. */
static void test_limits(void **state) {
        const struct fixture *f = *state;
        char text[CALENDAR_TEXT_MAX + 2];
        _cleanup_free_ char *shown = NULL;
        TimeError problem = {};
        Calendar *c = NULL;
        size_t n = 0;

        memset(text, ' ', sizeof(text) - 1);
        text[sizeof(text) - 1] = '\0';
        assert_int_equal(calendar_parse(text, f->cache, f->oslo, BASE, &c, &problem), -ENOBUFS);

        for (size_t i = 0; i < CALENDAR_COMPONENTS_MAX; i++)
                n += (size_t)sprintf(text + n, "%s%zu", i > 0 ? "," : "", i % 24);
        strcpy(text + n, ":00");
        assert_int_equal(calendar_parse(text, f->cache, f->oslo, BASE, &c, &problem), 0);
        assert_int_equal(calendar_format(c, &shown), 0);
        assert_true(strlen(shown) < 128); /* what stands twice is dropped */
        c = calendar_free(c);
        strcpy(text + n, ",1:00");
        assert_int_equal(calendar_parse(text, f->cache, f->oslo, BASE, &c, &problem), -ENOBUFS);

        assert_int_equal(calendar_parse("99999999999999999999:00", f->cache, f->oslo, BASE, &c, &problem), -ERANGE);
        assert_int_equal(calendar_parse("0/0:00", f->cache, f->oslo, BASE, &c, &problem), -ERANGE);
}

/* Where systemd gives up ("Infinite loop in calendar calculation"), there is an answer here. */
static void test_beyond_systemd(void **state) {
        _cleanup_(calendar_freep) Calendar *never = NULL, *leap = NULL, *gap = NULL;
        const struct fixture *f = *state;
        const Zone *st_johns;
        usec_t next;

        assert_int_equal(calendar_parse("*-02,04,06,09,11-31", NULL, NULL, 0, &never, NULL), 0);
        assert_int_equal(calendar_next(never, NULL, 0, &next), -ENOENT);
        assert_int_equal(calendar_next(never, NULL, UINT64_MAX, &next), -ENOENT);

        assert_int_equal(calendar_parse("Sun *-02-29", NULL, f->oslo, 0, &leap, NULL), 0);
        assert_int_equal(calendar_next(leap, NULL, BASE, &next), 0);
        assert_int_equal(next, UINT64_C(1961622000) * USEC_PER_SEC); /* 2032-02-29 */

        assert_int_equal(zone_cache_get(f->cache, "America/St_Johns", &st_johns), 0);
        assert_int_equal(calendar_parse("00:31", NULL, st_johns, 0, &gap, NULL), 0);
        assert_int_equal(calendar_next(gap, NULL, UINT64_C(1268528460) * USEC_PER_SEC, &next), 0);
        assert_int_equal(next, UINT64_C(1268622060) * USEC_PER_SEC); /* the day after the gap */
}

static void test_matches_day(void **state) {
        _cleanup_(calendar_freep) Calendar *c = NULL;
        const struct fixture *f = *state;

        assert_int_equal(calendar_parse("Sat,Sun *-12-*", NULL, f->oslo, 0, &c, NULL), 0);
        assert_true(calendar_matches_day(c, UINT64_C(1796425200) * USEC_PER_SEC));  /* Sat 2026-12-05 00:00:00 */
        assert_false(calendar_matches_day(c, UINT64_C(1796425199) * USEC_PER_SEC)); /* the second before */
        assert_true(calendar_matches_day(c, UINT64_C(1796597999) * USEC_PER_SEC));  /* Sun 23:59:59 */
        assert_false(calendar_matches_day(c, UINT64_C(1796598000) * USEC_PER_SEC));
        assert_false(calendar_matches_day(c, UINT64_C(1793833200) * USEC_PER_SEC)); /* a Thursday in November */
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_recorded_answers), cmocka_unit_test(test_refusals),
                cmocka_unit_test(test_problem_columns),  cmocka_unit_test(test_limits),
                cmocka_unit_test(test_beyond_systemd),   cmocka_unit_test(test_matches_day),
        };

        return cmocka_run_group_tests(tests, setup, teardown);
}
