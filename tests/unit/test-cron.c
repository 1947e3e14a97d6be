/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Cron expressions: tables for what is settled in cron.h, and random expressions against a model that knows nothing of
 * masks: it steps through the minutes of a zone as cronie's daemon does, with a virtual clock that is moved after the
 * real one, and asks each field for itself. The environment variable CRON_MODEL_COUNT says how many (500), and
 * CRON_MODEL_SEED with which seed. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#include "time/civil.h"
#include "time/cron.h"
#include "time/timestamp.h"
#include "util/macro.h"

static int setup(void **state) {
        return zone_cache_new(NULL, (ZoneCache **)state);
}

static int teardown(void **state) {
        zone_cache_free(*state);
        return 0;
}

static usec_t utc(const char *text) {
        usec_t t;

        assert_int_equal(timestamp_parse(text, NULL, NULL, 0, &t), 0);
        return t;
}

/* Runs after 2026-01-15 10:00:00 UTC (a Thursday). */
static const struct {
        int line;
        const char *text, *runs[3];
} rows[] = {
        { __LINE__, "* * * * *", { "2026-01-15 10:01:00", "2026-01-15 10:02:00", "2026-01-15 10:03:00" } },
        { __LINE__, "*/15 * * * *", { "2026-01-15 10:15:00", "2026-01-15 10:30:00", "2026-01-15 10:45:00" } },
        { __LINE__, "*/7 * * * *", { "2026-01-15 10:07:00", "2026-01-15 10:14:00", "2026-01-15 10:21:00" } },
        { __LINE__, "50/7 * * * *", { "2026-01-15 10:50:00", "2026-01-15 10:57:00", "2026-01-15 11:50:00" } },
        { __LINE__, "10-20/5,55 12 * * *", { "2026-01-15 12:10:00", "2026-01-15 12:15:00", "2026-01-15 12:20:00" } },
        { __LINE__, "*/70 * * * *", { "2026-01-15 11:00:00", "2026-01-15 12:00:00", "2026-01-15 13:00:00" } },
        { __LINE__, "30 * * * * *", { "2026-01-15 10:00:30", "2026-01-15 10:01:30", "2026-01-15 10:02:30" } },
        { __LINE__, "*/20 59 23 * * *", { "2026-01-15 23:59:00", "2026-01-15 23:59:20", "2026-01-15 23:59:40" } },
        { __LINE__, "  0  9\t* * 1-5  ", { "2026-01-16 09:00:00", "2026-01-19 09:00:00", "2026-01-20 09:00:00" } },
        { __LINE__, "0 9 * jan,MAR Mon", { "2026-01-19 09:00:00", "2026-01-26 09:00:00", "2026-03-02 09:00:00" } },
        { __LINE__, "0 0 13 * 5", { "2026-01-16 00:00:00", "2026-01-23 00:00:00", "2026-01-30 00:00:00" } },
        { __LINE__, "0 0 20,22 * 5", { "2026-01-16 00:00:00", "2026-01-20 00:00:00", "2026-01-22 00:00:00" } },
        { __LINE__, "0 0 */2 * 1", { "2026-01-19 00:00:00", "2026-02-09 00:00:00", "2026-02-23 00:00:00" } },
        { __LINE__, "0 0 1-7 * *", { "2026-02-01 00:00:00", "2026-02-02 00:00:00", "2026-02-03 00:00:00" } },
        { __LINE__, "0 0 * * 7", { "2026-01-18 00:00:00", "2026-01-25 00:00:00", "2026-02-01 00:00:00" } },
        { __LINE__, "0 0 * * 0", { "2026-01-18 00:00:00", "2026-01-25 00:00:00", "2026-02-01 00:00:00" } },
        { __LINE__, "0 0 * * fri-sun", { "2026-01-16 00:00:00", "2026-01-17 00:00:00", "2026-01-18 00:00:00" } },
        { __LINE__, "0 0 * * 5-7", { "2026-01-16 00:00:00", "2026-01-17 00:00:00", "2026-01-18 00:00:00" } },
        { __LINE__, "0 0 * * sun-tue", { "2026-01-18 00:00:00", "2026-01-19 00:00:00", "2026-01-20 00:00:00" } },
        { __LINE__, "0 0 * * 4/2", { "2026-01-17 00:00:00", "2026-01-22 00:00:00", "2026-01-24 00:00:00" } },
        { __LINE__, "0 0 L * *", { "2026-01-31 00:00:00", "2026-02-28 00:00:00", "2026-03-31 00:00:00" } },
        { __LINE__, "0 0 L-3 * ?", { "2026-01-28 00:00:00", "2026-02-25 00:00:00", "2026-03-28 00:00:00" } },
        { __LINE__, "0 0 LW * *", { "2026-01-30 00:00:00", "2026-02-27 00:00:00", "2026-03-31 00:00:00" } },
        { __LINE__, "0 0 15W 2-8 *", { "2026-02-16 00:00:00", "2026-03-16 00:00:00", "2026-04-15 00:00:00" } },
        { __LINE__, "0 0 1W 2,3,8 *", { "2026-02-02 00:00:00", "2026-03-02 00:00:00", "2026-08-03 00:00:00" } },
        { __LINE__, "0 0 31w * *", { "2026-01-30 00:00:00", "2026-03-31 00:00:00", "2026-05-29 00:00:00" } },
        { __LINE__, "0 0 l,1 * *", { "2026-01-31 00:00:00", "2026-02-01 00:00:00", "2026-02-28 00:00:00" } },
        { __LINE__, "0 0 * * 5L", { "2026-01-30 00:00:00", "2026-02-27 00:00:00", "2026-03-27 00:00:00" } },
        { __LINE__, "0 0 * * friL,1L", { "2026-01-26 00:00:00", "2026-01-30 00:00:00", "2026-02-23 00:00:00" } },
        { __LINE__, "0 0 ? * fri#3", { "2026-01-16 00:00:00", "2026-02-20 00:00:00", "2026-03-20 00:00:00" } },
        { __LINE__, "0 0 * * 7#5", { "2026-03-29 00:00:00", "2026-05-31 00:00:00", "2026-08-30 00:00:00" } },
        { __LINE__, "0 0 10 * 1#1", { "2026-02-02 00:00:00", "2026-02-10 00:00:00", "2026-03-02 00:00:00" } },
        { __LINE__, "0 0 29 2 *", { "2028-02-29 00:00:00", "2032-02-29 00:00:00", "2036-02-29 00:00:00" } },
        { __LINE__, "0 0 30 2 *", { NULL } },
        { __LINE__, "0 0 30W 2 *", { NULL } },
        { __LINE__, "@hourly", { "2026-01-15 11:00:00", "2026-01-15 12:00:00", "2026-01-15 13:00:00" } },
        { __LINE__, " @daily\t ", { "2026-01-16 00:00:00", "2026-01-17 00:00:00", "2026-01-18 00:00:00" } },
        { __LINE__, "@reboot ", { NULL } },
        { __LINE__, "@daily", { "2026-01-16 00:00:00", "2026-01-17 00:00:00", "2026-01-18 00:00:00" } },
        { __LINE__, "@midnight", { "2026-01-16 00:00:00", "2026-01-17 00:00:00", "2026-01-18 00:00:00" } },
        { __LINE__, "@weekly", { "2026-01-18 00:00:00", "2026-01-25 00:00:00", "2026-02-01 00:00:00" } },
        { __LINE__, "@monthly", { "2026-02-01 00:00:00", "2026-03-01 00:00:00", "2026-04-01 00:00:00" } },
        { __LINE__, "@yearly", { "2027-01-01 00:00:00", "2028-01-01 00:00:00", "2029-01-01 00:00:00" } },
        { __LINE__, "@Annually", { "2027-01-01 00:00:00", "2028-01-01 00:00:00", "2029-01-01 00:00:00" } },
        { __LINE__, "@reboot", { NULL } },
};

static void check_runs(const Cron *c, int line, const char *text, const char *const *runs) {
        usec_t t = utc("2026-01-15 10:00:00");

        for (size_t i = 0; i < 3; i++) {
                char buf[TIMESTAMP_TEXT_MAX];
                usec_t next = 0;
                int r = cron_next(c, NULL, t, &next);

                if (!runs[i]) {
                        if (r != -ENOENT)
                                fail_msg("line %d: \"%s\" runs", line, text);
                        return;
                }
                if (r < 0 || next != utc(runs[i]))
                        fail_msg("line %d: \"%s\", run %zu: %d, %s", line, text, i + 1, r,
                                 timestamp_format(buf, next, NULL, TIMESTAMP_USEC));
                t = next;
        }
}

static void test_table(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                _cleanup_(cron_freep) Cron *c = NULL, *again = NULL;
                _cleanup_free_ char *text = NULL, *text_again = NULL;

                if (cron_parse(rows[i].text, NULL, &c, NULL) < 0)
                        fail_msg("line %d: \"%s\" is refused", rows[i].line, rows[i].text);
                assert_int_equal(cron_is_reboot(c), startswith(rows[i].text, "@reboot") != NULL);
                check_runs(c, rows[i].line, rows[i].text, rows[i].runs);

                assert_int_equal(cron_format(c, &text), 0);
                if (cron_parse(text, NULL, &again, NULL) < 0)
                        fail_msg("line %d: its form \"%s\" is refused", rows[i].line, text);
                check_runs(again, rows[i].line, text, rows[i].runs);
                assert_int_equal(cron_format(again, &text_again), 0);
                assert_string_equal(text, text_again);
        }
}

/* What begins with a star is written as one, since that decides about days and clock changes. */
static void test_form(void **state) {
        static const struct {
                int line;
                const char *text, *form;
        } forms[] = {
                { __LINE__, "* * * * *", "0 * * * * *" },
                { __LINE__, "*/5 * * * *", "0 */5 * * * *" },
                { __LINE__, "0 */24 */2 */6 */2", "0 0 */24 */2 */6 */2" },
                { __LINE__, "*/7 0 * * *", "0 */7 0 * * *" },
                { __LINE__, "*/59 0 * * *", "0 */59 0 * * *" },
                { __LINE__, "*/100 0 * * *", "0 */60 0 * * *" },
                { __LINE__, "0 0 */31 * 1", "0 0 0 */31 * 1" },
                { __LINE__, "*/30,7 0 * * *", "0 */100,7,30 0 * * *" },
                { __LINE__, "0-59/5 0-20/10 * * *", "0 0,5,10,15,20,25,30,35,40,45,50,55 0,10,20 * * *" },
                { __LINE__, "0 0 * * 5-7", "0 0 0 * * 0,5-6" },
        };

        for (size_t i = 0; i < ELEMENTSOF(forms); i++) {
                _cleanup_(cron_freep) Cron *c = NULL, *again = NULL;
                _cleanup_free_ char *text = NULL;

                assert_int_equal(cron_parse(forms[i].text, NULL, &c, NULL), 0);
                assert_int_equal(cron_format(c, &text), 0);
                if (!streq(text, forms[i].form))
                        fail_msg("line %d: \"%s\" is \"%s\"", forms[i].line, forms[i].text, text);
                assert_int_equal(cron_parse(text, NULL, &again, NULL), 0);
        }
}

static void test_refusals(void **state) {
        static const struct {
                int line;
                const char *text;
                size_t column;
        } bad[] = {
                { __LINE__, "", 1 },
                { __LINE__, "* * * *", 1 },
                { __LINE__, "* * * * * * *", 13 },
                { __LINE__, "0 0 12 * * ? 2026", 14 },
                { __LINE__, "60 * * * *", 1 },
                { __LINE__, "0 24 * * *", 3 },
                { __LINE__, "0 0 0 * *", 5 },
                { __LINE__, "0 0 32 * *", 5 },
                { __LINE__, "0 0 1 13 *", 7 },
                { __LINE__, "0 0 1 * 8", 9 },
                { __LINE__, "0 0 1 foo *", 7 },
                { __LINE__, "5-1 * * * *", 3 },
                { __LINE__, "*/0 * * * *", 3 },
                { __LINE__, "*/ * * * *", 3 },
                { __LINE__, "1, * * * *", 3 },
                { __LINE__, ",1 * * * *", 1 },
                { __LINE__, "1--2 * * * *", 3 },
                { __LINE__, "1-2-3 * * * *", 4 },
                { __LINE__, "*1 * * * *", 2 },
                { __LINE__, "? * * * *", 1 },
                { __LINE__, "0 0 L-31 * *", 7 },
                { __LINE__, "0 0 L- * *", 7 },
                { __LINE__, "0 0 0W * *", 5 },
                { __LINE__, "0 0 32W * *", 5 },
                { __LINE__, "0 0 W * *", 5 },
                { __LINE__, "0 0 * * L", 9 },
                { __LINE__, "0 0 * * 5#0", 11 },
                { __LINE__, "0 0 * * 5#6", 11 },
                { __LINE__, "0 0 * * 5LL", 11 },
                { __LINE__, "0 0 * * sat-mon", 13 },
                { __LINE__, "0 0 * * monday", 12 },
                { __LINE__, "@never", 1 },
                { __LINE__, "@daily 5", 1 },
                { __LINE__, "-1 * * * *", 1 },
                { __LINE__, "99999999999999999999 * * * *", 1 },
        };
        char too_long[CRON_TEXT_MAX + 2];
        TimeError problem;
        Cron *c = NULL;

        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                if (cron_parse(bad[i].text, NULL, &c, &problem) != -EINVAL || isempty(problem.message))
                        fail_msg("line %d: \"%s\" is accepted", bad[i].line, bad[i].text);
                if (problem.column != bad[i].column)
                        fail_msg("line %d: \"%s\" is faulted in column %zu: %s", bad[i].line, bad[i].text,
                                 problem.column, problem.message);
        }
        memset(too_long, ' ', sizeof(too_long) - 1);
        too_long[sizeof(too_long) - 1] = '\0';
        assert_int_equal(cron_parse(too_long, NULL, &c, &problem), -ENOBUFS);
}

/* Runs in Europe/Oslo on the days of the clock changes; the other settings than the default, too. */
static const struct {
        int line;
        const char *zone, *text, *start, *runs[3];
        DstPolicy policy;
} changes[] = {
        /* fixed, in the gap: right after it, once */
        { __LINE__,
          "Europe/Oslo",
          "30 2 * * *",
          "2025-03-29 12:00:00",
          { "2025-03-30 01:00:00", "2025-03-31 00:30:00" },
          {} },
        { __LINE__,
          "Europe/Oslo",
          "0,30 2 * * *",
          "2025-03-29 12:00:00",
          { "2025-03-30 01:00:00", "2025-03-31 00:00:00" },
          {} },
        { __LINE__,
          "Europe/Oslo",
          "30 2 * * *",
          "2025-03-29 12:00:00",
          { "2025-03-31 00:30:00" },
          { .gap = DST_GAP_SKIP } },
        /* from the last moment before it */
        { __LINE__,
          "Europe/Berlin",
          "30 2 * * *",
          "2025-03-30 00:59:59.999999",
          { "2025-03-30 01:00:00", "2025-03-31 00:30:00" },
          {} },
        { __LINE__, "Europe/Berlin", "30 2 * * *", "2025-03-30 01:00:00", { "2025-03-31 00:30:00" }, {} },
        { __LINE__,
          "Europe/Berlin",
          "0 2,3 * * *",
          "2025-03-30 00:59:59.999999",
          { "2025-03-30 01:00:00", "2025-03-31 00:00:00" },
          {} },
        { __LINE__,
          "Europe/Berlin",
          "30 2 * * *",
          "2025-03-30 00:59:59.999999",
          { "2025-03-31 00:30:00" },
          { .gap = DST_GAP_SKIP } },
        /* wild, in the gap: not at all */
        { __LINE__,
          "Europe/Oslo",
          "*/30 2 * * *",
          "2025-03-29 12:00:00",
          { "2025-03-31 00:00:00", "2025-03-31 00:30:00" },
          {} },
        { __LINE__,
          "Europe/Oslo",
          "30 * * * *",
          "2025-03-30 00:00:00",
          { "2025-03-30 00:30:00", "2025-03-30 01:30:00" },
          {} },
        { __LINE__,
          "Europe/Oslo",
          "30 * * * *",
          "2025-03-30 00:40:00",
          { "2025-03-30 01:00:00", "2025-03-30 01:30:00" },
          { .gap = DST_GAP_AFTER } },
        /* fixed, in the overlap: the first pass */
        { __LINE__,
          "Europe/Oslo",
          "30 2 * * *",
          "2025-10-25 12:00:00",
          { "2025-10-26 00:30:00", "2025-10-27 01:30:00" },
          {} },
        { __LINE__,
          "Europe/Oslo",
          "30 2 * * *",
          "2025-10-25 12:00:00",
          { "2025-10-26 01:30:00", "2025-10-27 01:30:00" },
          { .overlap = DST_OVERLAP_SECOND } },
        { __LINE__,
          "Europe/Oslo",
          "30 2 * * *",
          "2025-10-25 12:00:00",
          { "2025-10-26 00:30:00", "2025-10-26 01:30:00" },
          { .overlap = DST_OVERLAP_BOTH } },
        /* wild: both */
        { __LINE__,
          "Europe/Oslo",
          "30 * * * *",
          "2025-10-26 00:00:00",
          { "2025-10-26 00:30:00", "2025-10-26 01:30:00", "2025-10-26 02:30:00" },
          {} },
        { __LINE__,
          "Europe/Oslo",
          "30 * * * *",
          "2025-10-26 00:00:00",
          { "2025-10-26 00:30:00", "2025-10-26 02:30:00" },
          { .overlap = DST_OVERLAP_FIRST } },
        /* changes of three hours and more are a clock that was set */
        { __LINE__, "Pacific/Apia", "0 12 * * *", "2011-12-29 23:00:00", { "2011-12-30 22:00:00" }, {} },
        { __LINE__,
          "Pacific/Apia",
          "0 12 * * *",
          "2011-12-29 23:00:00",
          { "2011-12-30 10:00:00", "2011-12-30 22:00:00" },
          { .gap = DST_GAP_AFTER } },
        { __LINE__, "Antarctica/Casey", "30 3 * * *", "2009-10-17 12:00:00", { "2009-10-18 16:30:00" }, {} },
        { __LINE__,
          "Antarctica/Casey",
          "30 0 * * *",
          "2010-03-04 12:00:00",
          { "2010-03-04 13:30:00", "2010-03-05 16:30:00" },
          {} },
};

static void test_clock_changes(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(changes); i++) {
                _cleanup_(cron_freep) Cron *c = NULL;
                usec_t t = utc(changes[i].start);
                const Zone *zone;

                assert_int_equal(zone_cache_get(*state, changes[i].zone, &zone), 0);
                assert_int_equal(cron_parse(changes[i].text, zone, &c, NULL), 0);
                for (size_t k = 0; k < 3 && changes[i].runs[k]; k++) {
                        char buf[TIMESTAMP_TEXT_MAX];

                        if (cron_next(c, &changes[i].policy, t, &t) < 0 || t != utc(changes[i].runs[k]))
                                fail_msg("line %d: run %zu is at %s", changes[i].line, k + 1,
                                         timestamp_format(buf, t, NULL, TIMESTAMP_USEC));
                }
        }
}

/* ---- the model ---- */

static uint64_t random_state;

static unsigned random_below(unsigned n) {
        random_state = random_state * 6364136223846793005ULL + 1442695040888963407ULL;
        return (unsigned)((random_state >> 33) % n);
}

/* One item of a field, as numbers. */
struct model_item {
        int first, last, step;
        char word; /* 0, 'L' (first days before the last, or the last weekday "first"), 'W', 'w' for LW, '#' (last-th)
                    */
};

struct model_field {
        int min, max;
        size_t n;
        bool star;
        struct model_item items[4];
};

enum { MINUTE, HOUR, DAY, MONTH, WEEKDAY, FIELDS };

struct model {
        struct model_field fields[FIELDS];
};

static bool model_workday_hits(int wanted, int day, int length, int first_weekday) {
        int weekday = (first_weekday + wanted - 1) % 7;

        if (wanted > length)
                return false;
        if (weekday == 6)
                wanted += wanted == 1 ? 2 : -1;
        else if (weekday == 0)
                wanted += wanted == length ? -2 : 1;
        return wanted == day;
}

static bool model_item_hits(const struct model_item *i, int value, int day, int length, int first_weekday) {
        switch (i->word) {
        case 'L':
                return value == day ? day == length - i->first
                                    : value == i->first % 7 && day + 7 > length; /* day is never a weekday there */
        case 'W':
                return model_workday_hits(i->first, day, length, first_weekday);
        case 'w':
                return model_workday_hits(length, day, length, first_weekday);
        case '#':
                return value == i->first % 7 && (day - 1) / 7 + 1 == i->last;
        default:
                for (int v = i->first; v <= i->last; v += i->step)
                        if (v == value || (length < 0 && v == 7 && value == 0))
                                return true;
                return false;
        }
}

static bool model_field_hits(const struct model_field *f, int value) {
        for (size_t i = 0; i < f->n; i++)
                if (model_item_hits(f->items + i, value, -1, 0, 0))
                        return true;
        return false;
}

static bool model_day_hits(const struct model *m, const struct civil *c) {
        int length = civil_month_length(c->year, c->month);
        int first = (civil_weekday(civil_days(c->year, c->month, 1)) + 1) % 7, weekday = (first + c->day - 1) % 7;
        bool by_date = false, by_weekday = false;

        for (size_t i = 0; i < m->fields[DAY].n; i++)
                by_date = by_date || model_item_hits(m->fields[DAY].items + i, c->day, c->day, length, first);
        for (size_t i = 0; i < m->fields[WEEKDAY].n; i++) {
                const struct model_item *item = m->fields[WEEKDAY].items + i;

                if (item->word == 'L')
                        by_weekday = by_weekday || (weekday == item->first % 7 && c->day + 7 > length);
                else if (item->word == '#')
                        by_weekday = by_weekday || model_item_hits(item, weekday, c->day, length, first);
                else
                        by_weekday = by_weekday || model_item_hits(item, weekday, c->day, -1, first);
        }
        return m->fields[DAY].star || m->fields[WEEKDAY].star ? by_date && by_weekday : by_date || by_weekday;
}

static bool model_hits(const struct model *m, int64_t local_minute) {
        struct civil c;

        civil_from_seconds(local_minute * 60, &c);
        return model_field_hits(&m->fields[MINUTE], c.minute) && model_field_hits(&m->fields[HOUR], c.hour) &&
               model_field_hits(&m->fields[MONTH], c.month) && model_day_hits(m, &c);
}

static size_t write_item(char *p, int field, struct model_item *item, const struct model_field *f, bool *star) {
        unsigned kind = random_below(field == DAY || field == WEEKDAY ? 8 : 5);

        item->word = 0;
        item->step = 1;
        item->first = f->min + (int)random_below((unsigned)(f->max - f->min + 1));
        item->last = item->first;
        switch (kind) {
        case 0:
                item->last = f->max;
                item->step = 1 + (int)random_below((unsigned)f->max);
                item->first = f->min;
                *star = true;
                return (size_t)sprintf(p, "*/%d", item->step);
        case 1:
                item->last = item->first + (int)random_below((unsigned)(f->max - item->first + 1));
                item->step = 1 + (int)random_below(7);
                return (size_t)sprintf(p, "%d-%d/%d", item->first, item->last, item->step);
        case 2:
                item->step = 1 + (int)random_below(20);
                item->last = MAX(item->first, field == WEEKDAY ? 6 : f->max);
                return (size_t)sprintf(p, "%d/%d", item->first, item->step);
        case 5:
                item->word = 'L';
                if (field == WEEKDAY)
                        return (size_t)sprintf(p, "%dL", item->first);
                item->first = (int)random_below(31);
                return (size_t)sprintf(p, item->first > 0 ? "L-%d" : "L", item->first);
        case 6:
                item->word = field == DAY ? 'W' : '#';
                item->last = 1 + (int)random_below(5);
                return field == DAY ? (size_t)sprintf(p, "%dW", item->first)
                                    : (size_t)sprintf(p, "%d#%d", item->first, item->last);
        case 7:
                if (field == DAY) {
                        item->word = 'w';
                        return (size_t)sprintf(p, "LW");
                }
                return (size_t)sprintf(p, "%d", item->first);
        default:
                return (size_t)sprintf(p, "%d", item->first);
        }
}

/* A random expression, as text and as the model's own numbers. */
static void model_random(struct model *m, char *text) {
        static const int ranges[FIELDS][2] = { { 0, 59 }, { 0, 23 }, { 1, 31 }, { 1, 12 }, { 0, 7 } };
        size_t n = 0;

        for (int f = 0; f < FIELDS; f++) {
                struct model_field *field = m->fields + f;

                *field = (struct model_field){ .min = ranges[f][0], .max = ranges[f][1] };
                n += (size_t)sprintf(text + n, "%s", f > 0 ? " " : "");
                if (random_below(3) == 0 || (f == MONTH && random_below(3) > 0)) {
                        field->items[field->n++] =
                                (struct model_item){ .first = field->min, .last = field->max, .step = 1 };
                        field->star = true;
                        n += (size_t)sprintf(text + n, "*");
                        continue;
                }
                for (unsigned items = 1 + random_below(3); items > 0; items--) {
                        bool star = false;

                        n += (size_t)sprintf(text + n, "%s", field->n > 0 ? "," : "");
                        n += write_item(text + n, f, field->items + field->n, field, &star);
                        field->star = field->star || (star && field->n == 0);
                        field->n++;
                }
        }
}

struct model_clock {
        const Zone *zone;
        const struct model *m;
        int64_t virtual_minute;
        bool wild;
};

/* What the daemon would start when it wakes up in a minute: the virtual clock follows the real one. A real clock that
 * is up to three hours ahead has jumped: entries for fixed times are made up for, minute by minute. One that is behind
 * is waited for. */
static bool model_wakes(struct model_clock *k, int64_t minute) {
        ZonePeriod p;
        int64_t now, ahead;
        bool runs = false;

        zone_at(k->zone, minute * 60, &p);
        now = minute + p.offset / 60;
        ahead = now - k->virtual_minute;
        if (k->wild || ahead > 180 || ahead <= -180) {
                k->virtual_minute = now;
                return model_hits(k->m, now);
        }
        if (ahead <= 0)
                return false;
        while (k->virtual_minute < now)
                runs = model_hits(k->m, ++k->virtual_minute) || runs;
        return runs;
}

static void check_model(ZoneCache *cache, const char *zone_name, int64_t around, int minutes) {
        _cleanup_(cron_freep) Cron *c = NULL;
        struct model_clock k = {};
        struct model m;
        char text[512];
        int64_t minute = around / 60;
        ZonePeriod p;
        usec_t next;
        int r;

        model_random(&m, text);
        assert_int_equal(zone_cache_get(cache, zone_name, &k.zone), 0);
        if (cron_parse(text, k.zone, &c, NULL) < 0)
                fail_msg("\"%s\" is refused", text);
        zone_at(k.zone, minute * 60, &p);
        k.m = &m;
        k.virtual_minute = minute + p.offset / 60;
        k.wild = m.fields[MINUTE].star || m.fields[HOUR].star;
        r = cron_next(c, NULL, (usec_t)minute * USEC_PER_MINUTE, &next);
        while (minutes-- > 0) {
                minute++;
                if (!model_wakes(&k, minute)) {
                        if (r >= 0 && next <= (usec_t)minute * USEC_PER_MINUTE)
                                fail_msg("\"%s\" in %s runs at %" PRI_USEC ", the model does not", text, zone_name,
                                         next / USEC_PER_SEC);
                        continue;
                }
                if (r < 0 || next != (usec_t)minute * USEC_PER_MINUTE)
                        fail_msg("\"%s\" in %s: the model runs at %lld, we at %" PRI_USEC, text, zone_name,
                                 (long long)minute * 60, next / USEC_PER_SEC);
                r = cron_next(c, NULL, next, &next);
        }
}

static void test_model(void **state) {
        static const char *const zones[] = {
                "UTC",          "Europe/Oslo",      "America/New_York",  "Australia/Lord_Howe",
                "Pacific/Apia", "Antarctica/Troll", "America/Sao_Paulo", "Antarctica/Casey",
                "Europe/Dublin"
        };
        const char *count_text = getenv("CRON_MODEL_COUNT"), *seed_text = getenv("CRON_MODEL_SEED");
        unsigned long count = count_text ? strtoul(count_text, NULL, 10) : 500;

        random_state = seed_text ? strtoull(seed_text, NULL, 10) : 20260115;
        print_message("# %lu expressions, seed %llu\n", count, (unsigned long long)random_state);
        for (unsigned long i = 0; i < count; i++) {
                const char *zone_name = zones[random_below(ELEMENTSOF(zones))];
                int64_t around = 1000000000 + (int64_t)random_below(1000000000);
                ZoneTransition change;
                const Zone *zone;

                assert_int_equal(zone_cache_get(*state, zone_name, &zone), 0);
                if (random_below(2) == 0) { /* any 15 days */
                        check_model(*state, zone_name, around, 15 * 24 * 60);
                        continue;
                }
                if (zone_next_transition(zone, around, &change) == 0)
                        around = change.at - 86400;
                check_model(*state, zone_name, around, 4 * 24 * 60);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_table),         cmocka_unit_test(test_form),  cmocka_unit_test(test_refusals),
                cmocka_unit_test(test_clock_changes), cmocka_unit_test(test_model),
        };

        return cmocka_run_group_tests(tests, setup, teardown);
}
