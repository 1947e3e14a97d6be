/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Section [Timer]: every key with its default, what its bad values are told and where, and what waits for the end of
 * the texts because TimeZone= may stand anywhere. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#include "config/job-file.h"
#include "time/timestamp.h"

#define NOW (UINT64_C(1781524800) * USEC_PER_SEC) /* Mon 2026-06-15 12:00:00 UTC */
#define RUN "[Run]\nExec=/bin/true\n"

static ZoneCache *zones;
static const Zone *oslo, *tokyo;

static int setup(void **state) {
        if (zone_cache_new(NULL, &zones) < 0 || zone_cache_set_local(zones, "Europe/Oslo") < 0)
                return -1;
        oslo = zone_cache_local(zones);
        return zone_cache_get(zones, "Asia/Tokyo", &tokyo);
}

static int teardown(void **state) {
        zones = zone_cache_free(zones);
        return 0;
}

static JobFileContext context(void) {
        return (JobFileContext){ .host = "host", .zones = zones, .now = NOW };
}

/* Builds a job whose file is [Run] and then this [Timer], from line 4 on, with a drop-in that is all [Timer]. */
static int build(const char *name, const char *timer, const char *dropin, Diagnostics *d, JobDef **ret) {
        JobFileContext c = context();
        JobText texts[2] = { { .path = (char *)"/j/a.job" }, { .path = (char *)"/j/b.conf" } };
        int r;

        assert_true(asprintf(&texts[0].bytes, RUN "[Timer]\n%s", timer) > 0);
        assert_true(asprintf(&texts[1].bytes, "[Timer]\n%s", dropin ?: "") > 0);
        for (size_t i = 0; i < ELEMENTSOF(texts); i++)
                texts[i].n = strlen(texts[i].bytes);
        if (name[strlen(name) - 1] == '@')
                r = job_file_check_template(name, &c, texts, dropin ? 2 : 1, d);
        else
                r = job_file_build(name, &c, texts, dropin ? 2 : 1, d, ret);
        for (size_t i = 0; i < ELEMENTSOF(texts); i++)
                free(texts[i].bytes);
        return r;
}

static JobDef *build_good(const char *timer, const char *dropin) {
        Diagnostics d = {};
        JobDef *def = NULL;

        if (build("a", timer, dropin, &d, &def) < 0)
                fail_msg("%s:%u: %s", d.items[0].file, d.items[0].line, d.items[0].message);
        assert_int_equal(d.n_items, 0);
        return def;
}

static void test_defaults(void **state) {
        JobDef *d = build_good("", NULL);
        const TimerDef *t = &d->rare->timer;

        assert_int_equal(d->n_triggers, 0);
        assert_ptr_equal(d->zone, oslo);
        assert_null(t->time_zone);
        assert_int_equal(t->interval_from, INTERVAL_FROM_START);
        assert_true(t->anchor == USEC_INFINITY);
        assert_true(t->random_delay == 0);
        assert_false(t->fixed_random_delay);
        assert_true(t->accuracy == USEC_PER_SEC);
        assert_int_equal(t->catch_up, CATCH_UP_NONE);
        assert_int_equal(t->catch_up_max, 100);
        assert_true(t->catch_up_within == USEC_INFINITY);
        assert_int_equal(t->dst.gap, DST_GAP_DEFAULT);
        assert_int_equal(t->dst.overlap, DST_OVERLAP_DEFAULT);
        assert_int_equal(t->n_except, 0);
        assert_false(t->wake_system);
        job_def_unref(d);
}

static void test_every_key(void **state) {
        JobDef *d = build_good("OnCalendar=Mon *-*-* 02:30\n"
                               "OnCron=*/5 * * * *\n"
                               "OnInterval=2w\n"
                               "OnCalendar=daily Europe/Oslo\n"
                               "OnCron=@reboot\n"
                               "Anchor=2026-01-05 03:00\n"
                               "IntervalFrom=start\n"
                               "RandomizedDelaySec=10min\n"
                               "FixedRandomDelay=yes\n"
                               "AccuracySec=1us\n"
                               "CatchUp=all\n"
                               "CatchUpMax=10000\n"
                               "CatchUpWithinSec=1d\n"
                               "DstGap=after\n"
                               "DstOverlap=both\n"
                               "Except=Sat,Sun\n"
                               "Except=*-12-24..26 Europe/Oslo\n"
                               "WakeSystem=true\n"
                               "TimeZone=Asia/Tokyo\n",
                               NULL);
        const TimerDef *t = &d->rare->timer;

        assert_int_equal(d->n_triggers, 5);
        assert_int_equal(d->triggers[0].type, TRIGGER_CALENDAR);
        assert_string_equal(d->triggers[0].expression, "Mon *-*-* 02:30");
        assert_ptr_equal(calendar_zone(d->triggers[0].calendar), tokyo);
        assert_int_equal(d->triggers[1].type, TRIGGER_CRON);
        assert_non_null(d->triggers[1].cron);
        assert_int_equal(d->triggers[2].type, TRIGGER_INTERVAL);
        assert_true(d->triggers[2].span == 2 * USEC_PER_WEEK);
        assert_string_equal(zone_name(calendar_zone(d->triggers[3].calendar)), "Europe/Oslo");
        assert_true(cron_is_reboot(d->triggers[4].cron));
        assert_ptr_equal(d->zone, tokyo);
        assert_string_equal(t->time_zone, "Asia/Tokyo");
        assert_true(t->anchor == UINT64_C(1767549600) * USEC_PER_SEC); /* 2026-01-04 18:00 UTC */
        assert_int_equal(t->interval_from, INTERVAL_FROM_START);
        assert_true(t->random_delay == 10 * USEC_PER_MINUTE);
        assert_true(t->fixed_random_delay);
        assert_true(t->accuracy == 1);
        assert_int_equal(t->catch_up, CATCH_UP_ALL);
        assert_int_equal(t->catch_up_max, JOB_CATCH_UP_MAX);
        assert_true(t->catch_up_within == USEC_PER_DAY);
        assert_int_equal(t->dst.gap, DST_GAP_AFTER);
        assert_int_equal(t->dst.overlap, DST_OVERLAP_BOTH);
        assert_int_equal(t->n_except, 2);
        assert_ptr_equal(calendar_zone(t->except[0]), tokyo);
        assert_true(t->wake_system);
        job_def_unref(d);
}

/* An empty value clears or restores the default, in the file and in a drop-in. */
static void test_clear(void **state) {
        JobDef *d = build_good("OnCalendar=daily\nOnCron=@daily\nOnInterval=1h\nOnCron=@hourly\nTimeZone=Asia/Tokyo\n"
                               "IntervalFrom=end\nRandomizedDelaySec=1\nFixedRandomDelay=yes\nAccuracySec=1min\n"
                               "CatchUp=all\nCatchUpMax=3\nCatchUpWithinSec=1d\nPersistent=yes\nDstGap=skip\n"
                               "DstOverlap=second\nExcept=Sat\nExcept=Sun\nWakeSystem=yes\n",
                               "OnCron=\nTimeZone=\nIntervalFrom=\nAnchor=2026-01-05\nAnchor=\nRandomizedDelaySec=\n"
                               "FixedRandomDelay=\nAccuracySec=\nCatchUp=\nCatchUpMax=\nCatchUpWithinSec=\n"
                               "Persistent=\nDstGap=\nDstOverlap=\nExcept=\nExcept=Fri\nWakeSystem=\n");
        const TimerDef *t = &d->rare->timer;

        assert_int_equal(d->n_triggers, 2);
        assert_int_equal(d->triggers[0].type, TRIGGER_CALENDAR);
        assert_ptr_equal(calendar_zone(d->triggers[0].calendar), oslo);
        assert_int_equal(d->triggers[1].type, TRIGGER_INTERVAL);
        assert_null(t->time_zone);
        assert_int_equal(t->interval_from, INTERVAL_FROM_START);
        assert_true(t->anchor == USEC_INFINITY);
        assert_true(t->random_delay == 0 && !t->fixed_random_delay && t->accuracy == USEC_PER_SEC);
        assert_int_equal(t->catch_up, CATCH_UP_NONE);
        assert_true(t->catch_up_max == 100 && t->catch_up_within == USEC_INFINITY);
        assert_true(t->dst.gap == DST_GAP_DEFAULT && t->dst.overlap == DST_OVERLAP_DEFAULT);
        assert_int_equal(t->n_except, 1);
        assert_false(t->wake_system);
        job_def_unref(d);
}

static const struct {
        int line;
        const char *timer, *dropin;
        CatchUp catch_up;
} persistent_rows[] = {
        { __LINE__, "Persistent=yes\n", NULL, CATCH_UP_ONCE },
        { __LINE__, "Persistent=no\n", NULL, CATCH_UP_NONE },
        { __LINE__, "Persistent=yes\nCatchUp=all\n", NULL, CATCH_UP_ALL },
        { __LINE__, "CatchUp=none\nPersistent=yes\n", NULL, CATCH_UP_NONE },
        { __LINE__, "CatchUp=once\nPersistent=no\n", NULL, CATCH_UP_ONCE },
        { __LINE__, "CatchUp=all\nPersistent=yes\n", "CatchUp=\n", CATCH_UP_ONCE },
        { __LINE__, "Persistent=yes\n", "Persistent=\n", CATCH_UP_NONE },
};

static void test_persistent(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(persistent_rows); i++) {
                JobDef *d = build_good(persistent_rows[i].timer, persistent_rows[i].dropin);

                if (d->rare->timer.catch_up != persistent_rows[i].catch_up)
                        fail_msg("row of line %d: %d", persistent_rows[i].line, (int)d->rare->timer.catch_up);
                job_def_unref(d);
        }
}

/* What is no problem. */
static const struct {
        int line;
        const char *timer, *dropin;
} good_rows[] = {
        { __LINE__, "OnCalendar=2011-11-11\n", NULL },     /* never again */
        { __LINE__, "OnCalendar=*-02-30\n", NULL },        /* never */
        { __LINE__, "OnCron=0 0 30 2 *\n", NULL },         /* never */
        { __LINE__, "OnCalendar=Mon 02:30 CEST\n", NULL }, /* an abbreviation of the local zone */
        { __LINE__, "OnCalendar=02:30 JST\n", "TimeZone=Asia/Tokyo\n" },
        { __LINE__, "OnCalendar=02:30 UTC\nTimeZone=UTC\n", NULL },
        { __LINE__, "OnInterval=1h\nAnchor=2026-01-05 03:00 Europe/Oslo\n", NULL },
        { __LINE__, "OnInterval=1h\nAnchor=Mon 2026-01-05\n", NULL },
        { __LINE__, "OnInterval=1h\nAnchor=@1767578400\n", NULL },
        { __LINE__, "OnInterval=1h\nAnchor=2199-01-01\n", NULL },
        { __LINE__, "Anchor=2026-01-05\n", "OnInterval=1h\n" },
        { __LINE__, "OnInterval=1h\nIntervalFrom=end\nAnchor=2026-01-05\n", "IntervalFrom=\n" },
        { __LINE__, "OnInterval=1h\nIntervalFrom=success\n", "Anchor=\n" },
        { __LINE__, "TimeZone=No/Such\n", "TimeZone=Asia/Tokyo\n" }, /* what was replaced is not validated */
        { __LINE__, "OnCalendar=nonsense\nOnCron=nonsense\nExcept=nonsense\n", "OnCalendar=\nOnCron=\nExcept=\n" },
        { __LINE__, "CatchUpWithinSec=0\nCatchUpMax=1\n", NULL },
};

static void test_good(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(good_rows); i++) {
                Diagnostics d = {};
                JobDef *def = NULL;

                if (build("a", good_rows[i].timer, good_rows[i].dropin, &d, &def) < 0 || d.n_items > 0)
                        fail_msg("row of line %d: %s", good_rows[i].line, d.items[0].message);
                job_def_unref(def);
        }
}

#define A "/j/a.job"
#define B "/j/b.conf"

/* What is one, and only that one. */
static const struct {
        int line;
        const char *timer, *dropin;
        const char *file;
        unsigned problem_line;
        const char *message;
} bad_rows[] = {
        { __LINE__, "OnCalendar=Mon 25:00\n", NULL, A, 4,
          "OnCalendar=Mon 25:00 is not a valid calendar expression: column 5: " },
        { __LINE__, "OnCalendar=*-13-01\n", NULL, A, 4,
          "OnCalendar=*-13-01 is not a valid calendar expression: column 3: " },
        { __LINE__, "OnCalendar=daily\n\nOnCalendar=Mon,, 03:00\n", NULL, A, 6, ": column 5: " },
        { __LINE__, "OnCalendar=03:00 Europe/Olso\n", NULL, A, 4, "column 7: there is no time zone with that name." },
        { __LINE__, "OnCalendar=02:30 JST\n", NULL, A, 4, "column 7: there is no time zone with that name." },
        { __LINE__, "OnCalendar=Mon \\\n 25:00\n", NULL, A, 4, ": column 6: " },
        { __LINE__, "", "\nOnCalendar=*-*-* 03:61\n", B, 3, ": column 10: " },
        { __LINE__, "OnCron=0 24 * * *\n", NULL, A, 4,
          "OnCron=0 24 * * * is not a valid cron expression: column 3: " },
        { __LINE__, "OnCron=0 0 * *\n", NULL, A, 4, "is not a valid cron expression: column " },
        { __LINE__, "OnCron=@often\n", NULL, A, 4, "is not a valid cron expression: column 1: " },
        { __LINE__, "Except=Sat\nExcept=Caturday\n", NULL, A, 5,
          "Except=Caturday is not a valid calendar expression: column 1: " },
        { __LINE__, "OnInterval=often\n", NULL, A, 4, "OnInterval=often is not a time span" },

        { __LINE__, "TimeZone=Europe/Olso\n", NULL, A, 4, "TimeZone=Europe/Olso is not a time zone of this system" },
        { __LINE__, "TimeZone=../../etc/passwd\n", NULL, A, 4, "is not a valid time zone name" },
        { __LINE__, "TimeZone=Europe/Oslo Asia/Tokyo\n", NULL, A, 4, "is not a valid time zone name" },
        { __LINE__, "TimeZone=Europe\n", NULL, A, 4, "TimeZone=Europe is not a valid time zone file" },
        { __LINE__, "TimeZone=Asia/Tokyo\n", "TimeZone=x/y\n", B, 2, "TimeZone=x/y is not a time zone" },
        /* only what is known to be wrong: the zone may be what CEST needs */
        { __LINE__, "OnCalendar=02:30 JST\nTimeZone=Asia/Tokio\n", NULL, A, 5,
          "TimeZone=Asia/Tokio is not a time zone" },

        { __LINE__, "OnInterval=1h\nAnchor=now\n", NULL, A, 5, "Anchor=now depends on when it is read. Write a date" },
        { __LINE__, "OnInterval=1h\nAnchor=+3h\n", NULL, A, 5, "Anchor=+3h depends on when it is read" },
        { __LINE__, "OnInterval=1h\nAnchor=3h ago\n", NULL, A, 5, "depends on when" },
        { __LINE__, "OnInterval=1h\nAnchor=tomorrow\n", NULL, A, 5, "depends on when" },
        { __LINE__, "OnInterval=1h\nAnchor=12:00\n", NULL, A, 5, "depends on when" },
        { __LINE__, "OnInterval=1h\nAnchor=Mon 12:00\n", NULL, A, 5, "depends on when" },
        { __LINE__, "OnInterval=1h\nAnchor=2026-13-05\n", NULL, A, 5, "Anchor=2026-13-05 is not a point in time" },
        { __LINE__, "OnInterval=1h\nAnchor=Tue 2026-01-05\n", NULL, A, 5, "is not a point in time" },
        { __LINE__, "OnInterval=1h\nAnchor=daily\n", NULL, A, 5, "is not a point in time" },
        { __LINE__, "OnInterval=1h\n", "Anchor=soon\n", B, 2, "Anchor=soon is not a point in time" },
        { __LINE__, "OnCalendar=daily\nAnchor=2026-01-05\n", NULL, A, 5,
          "Anchor= requires OnInterval=, which the job does not have" },
        { __LINE__, "OnCalendar=daily\nIntervalFrom=start\n", NULL, A, 5, "IntervalFrom= requires OnInterval=" },
        { __LINE__, "OnInterval=1h\nIntervalFrom=end\n", "OnInterval=\n", A, 5, "IntervalFrom= requires OnInterval=" },
        { __LINE__, "OnInterval=often\nIntervalFrom=end\n", NULL, A, 4, "OnInterval=often is not a time span" },
        { __LINE__, "OnInterval=1h\nAnchor=2026-01-05\nIntervalFrom=end\n", NULL, A, 6,
          "both Anchor= and IntervalFrom=end." },
        { __LINE__, "OnInterval=1h\nIntervalFrom=success\n", "Anchor=2026-01-05\n", B, 2,
          "both Anchor= and IntervalFrom=success." },
        { __LINE__, "IntervalFrom=now\n", NULL, A, 4, "IntervalFrom=now is unknown. Write start, end or success." },

        { __LINE__, "RandomizedDelaySec=some\n", NULL, A, 4, "RandomizedDelaySec=some is not a time span" },
        { __LINE__, "RandomizedDelaySec=infinity\n", NULL, A, 4, "is not finite" },
        { __LINE__, "FixedRandomDelay=perhaps\n", NULL, A, 4, "neither yes nor no" },
        { __LINE__, "AccuracySec=0\n", NULL, A, 4, "AccuracySec=0 is shorter than 1us" },
        { __LINE__, "AccuracySec=infinity\n", NULL, A, 4, "AccuracySec=infinity is not finite" },
        { __LINE__, "AccuracySec=exact\n", NULL, A, 4, "is not a time span" },
        { __LINE__, "CatchUp=yes\n", NULL, A, 4, "CatchUp=yes is unknown. Write none, once or all." },
        { __LINE__, "CatchUpMax=0\n", NULL, A, 4, "Write a number from 1 to 10000." },
        { __LINE__, "CatchUpMax=10001\n", NULL, A, 4, "Write a number from 1 to 10000." },
        { __LINE__, "CatchUpWithinSec=long\n", NULL, A, 4, "CatchUpWithinSec=long is not a time span" },
        { __LINE__, "Persistent=once\n", NULL, A, 4, "Persistent=once is neither yes nor no" },
        { __LINE__, "DstGap=first\n", NULL, A, 4, "DstGap=first is unknown. Write skip or after." },
        { __LINE__, "DstOverlap=skip\n", NULL, A, 4, "DstOverlap=skip is unknown. Write first, second or both." },
        { __LINE__, "WakeSystem=at night\n", NULL, A, 4, "neither yes nor no" },
        { __LINE__, "OnCalender=daily\n", NULL, A, 4, "Did you mean OnCalendar=?" },
        { __LINE__, "RandomDelaySec=1\n", NULL, A, 4, "Unknown key RandomDelaySec=" },
};

static void test_bad(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(bad_rows); i++) {
                Diagnostics d = {};
                JobDef *def = NULL;
                int r = build("a", bad_rows[i].timer, bad_rows[i].dropin, &d, &def);

                if (r != -EINVAL || d.n_items != 1 || def || !streq(d.items[0].file, bad_rows[i].file) ||
                    d.items[0].line != bad_rows[i].problem_line || !strstr(d.items[0].message, bad_rows[i].message))
                        fail_msg("row of line %d: %d, %zu problems, %s:%u: %s", bad_rows[i].line, r, d.n_items,
                                 d.n_items > 0 ? d.items[0].file : "", d.n_items > 0 ? d.items[0].line : 0,
                                 d.n_items > 0 ? d.items[0].message : "");
                diagnostics_done(&d);
        }
}

/* %i is replaced before anything is validated; in a template, what it is part of is not. */
static const struct {
        int line;
        const char *timer;
        const char *problem; /* NULL: a good template */
} template_rows[] = {
        { __LINE__, "OnCalendar=%i\nOnCron=%i\nExcept=%i\nOnInterval=%i\nAnchor=%i\n", NULL },
        { __LINE__, "OnInterval=%i\nIntervalFrom=end\n", NULL },
        { __LINE__, "OnInterval=%i\nIntervalFrom=%i\nAnchor=2026-01-05\n", NULL },
        { __LINE__, "TimeZone=%i\nOnCalendar=02:30 JST\n", NULL },
        { __LINE__, "CatchUp=%i\nDstGap=%i\nDstOverlap=%i\nAccuracySec=%i\nCatchUpMax=%i\nPersistent=%i\n", NULL },
        { __LINE__, "OnCalendar=%i 03:00\nOnCalendar=25:00\n", "column 1" },
        { __LINE__, "Anchor=%i\n", "Anchor= requires OnInterval=" },
        { __LINE__, "OnInterval=%i\nAnchor=%i\nIntervalFrom=end\n", "both Anchor= and" },
};

static void test_templates(void **state) {
        Diagnostics d = {};
        JobDef *def = NULL;

        for (size_t i = 0; i < ELEMENTSOF(template_rows); i++) {
                int r = build("a@", template_rows[i].timer, NULL, &d, &def);

                if (template_rows[i].problem ? r != -EINVAL || !strstr(d.items[0].message, template_rows[i].problem)
                                             : r != 0)
                        fail_msg("row of line %d: %d %s", template_rows[i].line, r,
                                 d.n_items > 0 ? d.items[0].message : "");
                diagnostics_done(&d);
        }
        assert_int_equal(build("a@Tokyo", "TimeZone=Asia/%i\nOnCalendar=daily\n", NULL, &d, &def), 0);
        assert_ptr_equal(def->zone, tokyo);
        job_def_unref(def);
        assert_int_equal(build("a@25", "OnCalendar=%i:00\n", NULL, &d, NULL), -EINVAL);
        assert_non_null(strstr(d.items[0].message, "OnCalendar=25:00 is not a valid calendar expression: column 1"));
        diagnostics_done(&d);
}

/* Late problems count with the others: twenty are told, the rest is a number, of each file for itself. */
static void test_many_problems(void **state) {
        char text[4096] = "", *p = text;
        Diagnostics d = {};
        JobDef *def = NULL;

        for (unsigned i = 0; i < 15; i++)
                p = stpcpy(p, "Wrong=1\nOnCalendar=x\n");
        assert_int_equal(build("a", text, "OnCron=x\n", &d, &def), -EINVAL);
        assert_int_equal(d.n_items, DIAGNOSTICS_PER_FILE_MAX + 2);
        assert_int_equal(d.items[14].line, 32);
        assert_int_equal(d.items[15].line, 5);
        assert_string_equal(d.items[20].file, B);
        assert_non_null(strstr(d.items[21].message, "10 further problems"));
        diagnostics_done(&d);
}

static void test_limits(void **state) {
        static char text[64 * 1024];
        char *p = text;
        Diagnostics d = {};
        JobDef *def = NULL;

        for (unsigned i = 0; i < JOB_EXCEPT_MAX; i++)
                p = stpcpy(p, "Except=Sat\n");
        def = build_good(text, NULL);
        assert_int_equal(def->rare->timer.n_except, JOB_EXCEPT_MAX);
        job_def_unref(def);
        assert_int_equal(build("a", text, "Except=Sun\n", &d, &def), -EINVAL);
        assert_non_null(strstr(d.items[0].message, "more than 256 lines of Except="));
        diagnostics_done(&d);

        p = text;
        for (unsigned i = 0; i < JOB_TRIGGERS_MAX; i++)
                p = stpcpy(p, i % 2 ? "OnCron=@daily\n" : "OnCalendar=daily\n");
        def = build_good(text, NULL);
        assert_int_equal(def->n_triggers, JOB_TRIGGERS_MAX);
        job_def_unref(def);
        assert_int_equal(build("a", text, "OnCron=@daily\n", &d, &def), -EINVAL);
        assert_string_equal(d.items[0].file, B);
        assert_non_null(strstr(d.items[0].message, "more than 256 triggers"));
        diagnostics_done(&d);

        memset(text, ' ', CALENDAR_TEXT_MAX + 64);
        memcpy(text, "OnInterval=1s", strlen("OnInterval=1s"));
        strcpy(text + CALENDAR_TEXT_MAX + 32, "1s\n");
        assert_int_equal(build("a", text, NULL, &d, &def), -EINVAL);
        assert_non_null(strstr(d.items[0].message, "is longer than 4096 bytes"));
        diagnostics_done(&d);
}

/* Whoever has no zones knows UTC. */
static void test_without_zones(void **state) {
        static const struct {
                int line;
                const char *timer;
                bool good;
        } rows[] = {
                { __LINE__, "OnCalendar=daily\n", true },      { __LINE__, "OnCalendar=daily UTC\n", true },
                { __LINE__, "TimeZone=UTC\n", true },          { __LINE__, "TimeZone=Europe/Oslo\n", false },
                { __LINE__, "OnCalendar=daily CET\n", false }, { __LINE__, "OnCron=@daily\nExcept=Sun\n", true },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                JobFileContext c = { .host = "host", .now = NOW };
                JobText text = { .path = (char *)A };
                Diagnostics d = {};
                JobDef *def = NULL;
                int r;

                assert_true(asprintf(&text.bytes, RUN "[Timer]\n%s", rows[i].timer) > 0);
                text.n = strlen(text.bytes);
                r = job_file_build("a", &c, &text, 1, &d, &def);
                if (r != (rows[i].good ? 0 : -EINVAL) || c.zones_at_problem == rows[i].good ||
                    (def && def->zone != zone_utc()))
                        fail_msg("row of line %d: %d", rows[i].line, r);
                free(text.bytes);
                diagnostics_done(&d);
                job_def_unref(def);
        }
}

static uint64_t digest(const char *timer, const char *dropin) {
        JobDef *d = build_good(timer, dropin);
        uint64_t digest = d->digest;

        job_def_unref(d);
        return digest;
}

static void test_digest(void **state) {
        uint64_t base = digest("OnCalendar=daily\nTimeZone=Asia/Tokyo\n", NULL);

        assert_true(base == digest("OnCalendar=daily\n", "TimeZone=Asia/Tokyo\n"));
        assert_true(base != digest("OnCalendar=daily\nTimeZone=Europe/Oslo\n", NULL));
        assert_true(base != digest("OnCalendar=daily\n", NULL));
        assert_true(base != digest("OnCalendar=*-*-*\nTimeZone=Asia/Tokyo\n", NULL));
        assert_true(base != digest("OnCalendar=daily\nTimeZone=Asia/Tokyo\nCatchUp=none\n", NULL));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_defaults),  cmocka_unit_test(test_every_key),
                cmocka_unit_test(test_clear),     cmocka_unit_test(test_persistent),
                cmocka_unit_test(test_good),      cmocka_unit_test(test_bad),
                cmocka_unit_test(test_templates), cmocka_unit_test(test_many_problems),
                cmocka_unit_test(test_limits),    cmocka_unit_test(test_without_zones),
                cmocka_unit_test(test_digest),
        };

        return cmocka_run_group_tests(tests, setup, teardown);
}
