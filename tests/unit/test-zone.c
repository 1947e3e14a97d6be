/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Time zones, held against libc's localtime(3) for every zone that a scheduler may meet; TZif files that are not what
 * they should be; and the cache, on a directory of its own. */

#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <cmocka.h>

#include "time/civil.h"
#include "time/posix-tz.h"
#include "time/tzif.h"
#include "time/zone.h"
#include "util/macro.h"

static const char *const zones[] = {
        "UTC",
        "Europe/Oslo",
        "Europe/London",
        "Europe/Dublin",
        "Europe/Moscow",
        "Europe/Istanbul",
        "Africa/Cairo",
        "Africa/Casablanca",
        "Africa/El_Aaiun",
        "Africa/Windhoek",
        "America/New_York",
        "America/St_Johns",
        "America/Havana",
        "America/Caracas",
        "America/Asuncion",
        "America/Santiago",
        "America/Sao_Paulo",
        "America/Nuuk",
        "America/Scoresbysund",
        "Antarctica/Casey",
        "Antarctica/Troll",
        "Asia/Amman",
        "Asia/Beirut",
        "Asia/Gaza",
        "Asia/Kathmandu",
        "Asia/Pyongyang",
        "Asia/Tehran",
        "Australia/Lord_Howe",
        "Australia/Adelaide",
        "Pacific/Apia",
        "Pacific/Chatham",
        "Pacific/Easter",
        "Pacific/Kwajalein",
        "Pacific/Norfolk",
        "Etc/GMT+12",
        "EST5EDT",
};

static uint64_t random_state = 42;

static uint64_t random_below(uint64_t n) {
        random_state = random_state * 6364136223846793005ULL + 1442695040888963407ULL;
        return (random_state >> 20) % n;
}

static int setup(void **state) {
        return zone_cache_new(NULL, (ZoneCache **)state);
}

static int teardown(void **state) {
        zone_cache_free(*state);
        return 0;
}

static const Zone *get_zone(ZoneCache *cache, const char *name) {
        const Zone *zone;

        if (zone_cache_get(cache, name, &zone) < 0)
                fail_msg("no zone %s", name);
        return zone;
}

static void check_against_libc(const Zone *zone, int64_t instant) {
        time_t t = instant;
        ZonePeriod p;
        struct tm tm;

        localtime_r(&t, &tm);
        zone_at(zone, instant, &p);
        if (p.offset != tm.tm_gmtoff || p.dst != (tm.tm_isdst > 0) || !streq(p.abbreviation, tm.tm_zone))
                fail_msg("%s at %lld: %d %d %s, libc says %ld %d %s", zone_name(zone), (long long)instant, p.offset,
                         p.dst, p.abbreviation, tm.tm_gmtoff, tm.tm_isdst, tm.tm_zone);
        assert_true(p.from <= instant && instant < p.until);
}

static void test_offsets_as_libc(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(zones); i++) {
                const Zone *zone = get_zone(*state, zones[i]);
                ZoneTransition change = {};

                setenv("TZ", zones[i], 1);
                tzset();
                for (size_t k = 0; k < 2000; k++)
                        check_against_libc(zone, (int64_t)random_below(UINT64_C(7258118400))); /* to 2200 */
                while (zone_next_transition(zone, change.at, &change) == 0 && change.at < INT64_C(7258118400)) {
                        check_against_libc(zone, change.at - 1);
                        check_against_libc(zone, change.at);
                }
        }
        unsetenv("TZ");
        tzset();
}

/* Every local time around every change is shown at the instants that resolve() says, and at no other. */
static void test_resolve(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(zones); i++) {
                const Zone *zone = get_zone(*state, zones[i]);
                ZoneTransition change = {};

                while (zone_next_transition(zone, change.at, &change) == 0) {
                        int64_t gap_from = change.at + MIN(change.before, change.after);
                        int64_t gap_to = change.at + MAX(change.before, change.after);
                        bool gap = change.after > change.before;
                        ZoneLocal local;

                        zone_resolve(zone, gap_from, &local);
                        assert_int_equal(local.kind, gap ? ZONE_LOCAL_GAP : ZONE_LOCAL_OVERLAP);
                        assert_int_equal(local.transition, change.at);
                        assert_int_equal(local.length, gap_to - gap_from);
                        assert_int_equal(local.first, gap_from - change.before);
                        assert_int_equal(local.second, gap_from - (gap ? change.before : change.after));
                        zone_resolve(zone, gap_to - 1, &local);
                        assert_int_equal(local.kind, gap ? ZONE_LOCAL_GAP : ZONE_LOCAL_OVERLAP);
                        zone_resolve(zone, gap_from - 1, &local);
                        assert_int_equal(local.kind, ZONE_LOCAL_UNIQUE);
                        assert_int_equal(local.first, gap_from - 1 - change.before);
                        zone_resolve(zone, gap_to, &local);
                        assert_int_equal(local.kind, ZONE_LOCAL_UNIQUE);
                        assert_int_equal(local.second, gap_to - change.after);
                }
        }
}

static void test_abbreviations(void **state) {
        const Zone *oslo = get_zone(*state, "Europe/Oslo"), *casey = get_zone(*state, "Antarctica/Casey");

        assert_string_equal(zone_abbreviation(oslo, false, 1764000000), "CET");
        assert_string_equal(zone_abbreviation(oslo, true, 1764000000), "CEST");
        assert_string_equal(zone_abbreviation(casey, false, 1764000000), "+08");
        assert_null(zone_abbreviation(casey, true, 1764000000));
        assert_string_equal(zone_abbreviation(zone_utc(), false, 0), "UTC");
}

static void test_names(void **state) {
        static const char *const bad[] = {
                "",      "/",          "/etc/passwd", "..",  "../../etc/passwd", "Europe//Oslo",
                "Oslo/", "Europe/../", "a.b",         "a b", "Europe/Oslo\n",    "\xc3\xb8"
        };
        char too_long[ZONE_NAME_MAX + 2];
        const Zone *zone;

        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                assert_false(zone_name_is_valid(bad[i]));
                assert_int_equal(zone_cache_get(*state, bad[i], &zone), -EINVAL);
        }
        memset(too_long, 'a', sizeof(too_long) - 1);
        too_long[sizeof(too_long) - 1] = '\0';
        assert_int_equal(zone_cache_get(*state, too_long, &zone), -EINVAL);
        assert_int_equal(zone_cache_get(*state, "Mars/Olympus", &zone), -ENOENT);
        assert_int_equal(zone_cache_get(*state, "zone.tab/x", &zone), -EINVAL);
        assert_int_equal(zone_cache_get(*state, "Europe", &zone), -EBADMSG);
        assert_int_equal(zone_cache_get(*state, "leapseconds", &zone), -EBADMSG);
        if (access("/usr/share/zoneinfo/right/Europe/Oslo", F_OK) == 0)
                assert_int_equal(zone_cache_get(*state, "right/Europe/Oslo", &zone), -EOPNOTSUPP);
}

static void test_posix_rules(void **state) {
        static const struct {
                int line;
                const char *text;
                int year;
                int64_t start, end;
        } rows[] = {
                { __LINE__, "CET-1CEST,M3.5.0,M10.5.0/3", 2025, 1743296400, 1761440400 },
                { __LINE__, "IST-1GMT0,M10.5.0,M3.5.0/1", 2025, 1761440400, 1743296400 },
                { __LINE__, "<-02>2<-01>,M3.5.0/-1,M10.5.0/0", 2025, 1743296400, 1761440400 },
                { __LINE__, "EET-2EEST,M3.4.4/50,M10.4.4/50", 2090, 3794083200, 3812828400 },
                { __LINE__, "AAA3BBB,J60/0,J365/167", 2024, 1709262000, 1736211600 },
                { __LINE__, "AAA3BBB,59/0,364/-167", 2024, 1709175600, 1734922800 },
                { __LINE__, "EST5EDT,0/0,J365/25", 2025, 1735707600, 1767243600 },
                { __LINE__, "EST5EDT", 2025, 1741503600, 1762063200 },
        };
        static const char *const bad[] = {
                "",
                "C-1",
                "CET",
                "CET-1CEST,M3.5.0",
                "CET-1CEST,M13.5.0,M10.5.0",
                "CET-25",
                "<CET-1",
                "CET-1CEST,J0,J5",
                "CET-1CEST,366,5",
                "CET-1CEST,M3.5.7,M1.1.1",
                "CET-1CEST,M3.5.0,M10.5.0/168",
                "CET-1CEST,M3.5.0,M10.5.0x",
                ":Europe/Oslo",
                "CET-1CEST,M3.0.0,M10.5.0",
                "ABCDEFGHIJKLMNOPQ-1",
                "CET-1:60",
        };
        struct posix_tz rule;

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                int64_t start, end;

                if (posix_tz_parse(rows[i].text, &rule) < 0)
                        fail_msg("line %d: refused", rows[i].line);
                posix_tz_changes(&rule, rows[i].year, &start, &end);
                if (start != rows[i].start || end != rows[i].end)
                        fail_msg("line %d: %lld, %lld", rows[i].line, (long long)start, (long long)end);
        }
        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                if (posix_tz_parse(bad[i], &rule) >= 0)
                        fail_msg("\"%s\" is accepted", bad[i]);
}

static size_t read_zone_file(const char *name, uint8_t *buf, size_t size) {
        char path[PATH_MAX];
        size_t n;
        FILE *f;

        (void)snprintf(path, sizeof(path), "/usr/share/zoneinfo/%s", name);
        f = fopen(path, "re");
        assert_non_null(f);
        n = fread(buf, 1, size, f);
        fclose(f);
        return n;
}

/* Cut off anywhere, or with any byte another one, a file is refused or read, but never read beyond its end. */
static void test_broken_files(void **state) {
        uint8_t file[8192];
        size_t size = read_zone_file("Europe/Oslo", file, sizeof(file));
        struct tzif *tzif;

        for (size_t n = 0; n < size; n++) {
                _cleanup_free_ uint8_t *cut = malloc(n + 1);

                memcpy(cut, file, n);
                assert_int_equal(tzif_parse(cut, n, &tzif), -EBADMSG);
        }
        for (size_t i = 0; i < size; i++)
                for (unsigned bit = 0; bit < 8; bit += 7) {
                        file[i] ^= (uint8_t)(1U << bit);
                        if (tzif_parse(file, size, &tzif) >= 0)
                                free(tzif);
                        file[i] ^= (uint8_t)(1U << bit);
                }
        assert_int_equal(tzif_parse(file, size, &tzif), 0);
        free(tzif);
}

/* A file of version 1 has the first block only, and no rule for the future. */
static void test_version_1(void **state) {
        uint8_t file[8192];
        size_t size = read_zone_file("America/New_York", file, sizeof(file));
        struct tzif *tzif;

        assert_true(size > 44);
        if (file[35] == 0 && file[34] == 0)
                skip(); /* "slim" data: nothing in the first block */
        file[4] = 0;
        assert_int_equal(tzif_parse(file, size, &tzif), 0);
        assert_true(tzif->n > 100);
        assert_true(tzif->at[tzif->n - 1] <= INT32_MAX);
        free(tzif);
}

/* Twice the rule's start and end at one instant: daylight saving all year. */
static void test_all_year_dst(void **state) {
        static const char file[] =
                "TZif2\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1\0\0\0\4"
                "\0\0\0\0\0\0ABC\0"
                "TZif2\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1\0\0\0\4"
                "\0\0\0\0\0\0ABC\0\nEST5EDT,0/0,J365/25\n";
        struct tzif *tzif;

        assert_int_equal(tzif_parse(file, sizeof(file) - 1, &tzif), 0);
        for (size_t i = 0; i < tzif->n; i++) {
                assert_int_equal(tzif->types[tzif->type[i]].offset, i + 1 < tzif->n ? -4 * 3600 : -5 * 3600);
                assert_true(i == 0 || tzif->at[i] > tzif->at[i - 1]);
        }
        free(tzif);
}

static void make_directories(const char *root) {
        static const char *const directories[] = { "", "/usr", "/usr/share", "/usr/share/zoneinfo", "/etc" };
        char path[PATH_MAX];

        for (size_t i = 0; i < ELEMENTSOF(directories); i++) {
                (void)snprintf(path, sizeof(path), "%s%s", root, directories[i]);
                assert_true(mkdir(path, 0755) == 0 || errno == EEXIST);
        }
}

/* Writes a file of one fixed offset, as a new file under the name. */
static void write_zone(const char *root, const char *name, const char *rule) {
        static const char blocks[] =
                "TZif2\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1\0\0\0\4"
                "\0\0\0\0\0\0ABC\0"
                "TZif2\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1\0\0\0\4"
                "\0\0\0\0\0\0ABC\0\n";
        char path[PATH_MAX], temporary[PATH_MAX];
        FILE *f;

        (void)snprintf(path, sizeof(path), "%s%s", root, name);
        (void)snprintf(temporary, sizeof(temporary), "%s/new", root);
        f = fopen(temporary, "we");
        assert_non_null(f);
        assert_int_equal(fwrite(blocks, 1, sizeof(blocks) - 1, f), sizeof(blocks) - 1);
        fprintf(f, "%s\n", rule);
        fclose(f);
        assert_int_equal(rename(temporary, path), 0);
}

static int32_t offset_of(const Zone *zone) {
        ZonePeriod p;

        zone_at(zone, 1764000000, &p);
        return p.offset;
}

static void remove_tree(const char *root) {
        char command[PATH_MAX + 16];

        (void)snprintf(command, sizeof(command), "rm -rf '%s'", root);
        assert_int_equal(system(command), 0);
}

static void test_cache_refresh(void **state) {
        _cleanup_(zone_cache_freep) ZoneCache *cache = NULL;
        char root[] = "/tmp/test-zone-XXXXXX", path[PATH_MAX];
        const Zone *a, *again, *local;

        assert_non_null(mkdtemp(root));
        make_directories(root);
        write_zone(root, "/usr/share/zoneinfo/A", "AAA-1");
        assert_int_equal(zone_cache_new(root, &cache), 0);
        assert_int_equal(zone_cache_get(cache, "A", &a), 0);
        assert_int_equal(zone_cache_get(cache, "A", &again), 0);
        assert_ptr_equal(a, again);
        assert_int_equal(offset_of(a), 3600);
        assert_int_equal(zone_cache_refresh(cache), 0);

        write_zone(root, "/usr/share/zoneinfo/A", "AAA-2");
        assert_int_equal(offset_of(a), 3600); /* nothing happens by itself */
        assert_int_equal(zone_cache_refresh(cache), 1);
        assert_int_equal(offset_of(a), 7200);

        write_zone(root, "/usr/share/zoneinfo/A", "not a rule"); /* the last good one stays */
        assert_int_equal(zone_cache_refresh(cache), 0);
        assert_int_equal(offset_of(a), 7200);
        (void)snprintf(path, sizeof(path), "%s/usr/share/zoneinfo/A", root);
        assert_int_equal(unlink(path), 0);
        assert_int_equal(zone_cache_refresh(cache), 0);
        assert_int_equal(offset_of(a), 7200);

        local = zone_cache_local(cache); /* there is no /etc/localtime yet */
        assert_int_equal(offset_of(local), 0);
        assert_int_equal(zone_cache_refresh(cache), 0);
        write_zone(root, "/usr/share/zoneinfo/B", "BBB-3");
        (void)snprintf(path, sizeof(path), "%s/etc/localtime", root);
        assert_int_equal(symlink("../usr/share/zoneinfo/B", path), 0);
        assert_int_equal(zone_cache_refresh(cache), 1);
        assert_int_equal(offset_of(local), 3 * 3600);
        assert_string_equal(zone_name(local), "B");
        assert_ptr_equal(zone_cache_local(cache), local);
        assert_int_equal(unlink(path), 0);
        assert_int_equal(zone_cache_refresh(cache), 1);
        assert_int_equal(offset_of(local), 0);
        remove_tree(root);
}

static void test_cache_refuses(void **state) {
        _cleanup_(zone_cache_freep) ZoneCache *cache = NULL;
        char root[] = "/tmp/test-zone-XXXXXX", path[PATH_MAX];
        const Zone *zone;
        int fd;

        assert_non_null(mkdtemp(root));
        make_directories(root);
        assert_int_equal(zone_cache_new(root, &cache), 0);

        (void)snprintf(path, sizeof(path), "%s/usr/share/zoneinfo/Fifo", root);
        assert_int_equal(mkfifo(path, 0644), 0);
        assert_int_equal(zone_cache_get(cache, "Fifo", &zone), -EBADMSG);

        (void)snprintf(path, sizeof(path), "%s/usr/share/zoneinfo/Large", root);
        fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
        assert_true(fd >= 0);
        assert_int_equal(ftruncate(fd, ZONE_FILE_MAX + 1), 0);
        close(fd);
        assert_int_equal(zone_cache_get(cache, "Large", &zone), -EFBIG);

        write_zone(root, "/usr/share/zoneinfo/N", "NNN0");
        for (unsigned i = 0; i < ZONES_MAX; i++) {
                char name[16], link_path[PATH_MAX];

                (void)snprintf(name, sizeof(name), "N%u", i);
                (void)snprintf(link_path, sizeof(link_path), "%s/usr/share/zoneinfo/%s", root, name);
                assert_int_equal(symlink("N", link_path), 0);
                assert_int_equal(zone_cache_get(cache, name, &zone), 0);
        }
        assert_int_equal(zone_cache_get(cache, "N", &zone), -ENOBUFS);
        remove_tree(root);
}

static void test_civil(void **state) {
        int64_t days = civil_days(1900, 1, 1);

        for (int year = 1900; year <= 2210; year++)
                for (int month = 1; month <= 12; month++)
                        for (int day = 1; day <= civil_month_length(year, month); day++, days++) {
                                struct civil c;

                                assert_int_equal(civil_days(year, month, day), days);
                                civil_from_seconds(days * SECONDS_PER_DAY + 86399, &c);
                                if (c.year != year || c.month != month || c.day != day || c.hour != 23 ||
                                    c.second != 59)
                                        fail_msg("%d-%d-%d", year, month, day);
                                assert_int_equal(civil_seconds(&c), days * SECONDS_PER_DAY + 86399);
                        }
        assert_int_equal(civil_weekday(civil_days(2026, 11, 22)), 6);
        assert_int_equal(civil_seconds(&(struct civil){ .year = 2025, .month = 14, .day = 0, .hour = 25 }),
                         civil_seconds(&(struct civil){ .year = 2026, .month = 2, .day = 1, .hour = 1 }));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_offsets_as_libc), cmocka_unit_test(test_resolve),
                cmocka_unit_test(test_abbreviations),   cmocka_unit_test(test_names),
                cmocka_unit_test(test_posix_rules),     cmocka_unit_test(test_broken_files),
                cmocka_unit_test(test_version_1),       cmocka_unit_test(test_all_year_dst),
                cmocka_unit_test(test_cache_refresh),   cmocka_unit_test(test_cache_refuses),
                cmocka_unit_test(test_civil),
        };

        return cmocka_run_group_tests(tests, setup, teardown);
}
