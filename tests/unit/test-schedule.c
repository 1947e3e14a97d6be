/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The timers of a year in a second, on a clock that the test turns: every occurrence is run, or missed and said so,
 * exactly once, whatever happens to the daemon, the machine and its clock meanwhile.
 *
 * VAKT_SEED=N repeats a run. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "failing-memory.h"
#include "sched/plan.h"
#include "sched/schedule.h"

#define JANUARY_2026 (UINT64_C(1767225600) * USEC_PER_SEC)
#ifdef ADDRESS_SANITIZER
#define JOBS_MAX 100 /* of a year; each costs ten times as much then */
#else
#define JOBS_MAX 1000
#endif

typedef struct World World;

/* What was said about one trigger; each job of these tests has one. */
typedef struct Account {
        usec_t stamp, first_stamp, ramp;
        char key[256];
        uint64_t n_due, n_catch_up, n_missed;
        usec_t last;  /* the last occurrence that was spoken of */
        usec_t since; /* of what was missed */
        bool is_exact;
} Account;

struct World {
        Instant now;
        Schedule *schedule;
        Job *jobs[JOBS_MAX];
        Account accounts[JOBS_MAX];
        size_t n_jobs;
        ZoneCache *zones;
        usec_t ramp;
        unsigned n_boots;
        usec_t boot_began;
        const char *former_boot;
};

static World w;

static Account *account_of(const Job *job) {
        return &w.accounts[strtoul(job->name + 3, NULL, 10)];
}

static void occurred(void *userdata, Job *job, const Occurrence *o) {
        Account *a = account_of(job);

        assert_true(o->scheduled <= w.now.realtime);
        /* A span after something goes by a clock that nobody sets; on the wall clock it may seem to go back. */
        if (o->scheduled <= a->last && a->last > 0 && plan_is_wall(job->def, job->def->triggers))
                fail_msg("%s: %" PRIu64 " after %" PRIu64, job->name, o->scheduled, a->last);
        a->last = o->scheduled;
        assert_true(o->kind == OCCURRENCE_MISSED || (o->n == 1 && o->n_is_exact && o->since <= o->scheduled));
        if (o->kind == OCCURRENCE_MISSED) {
                a->n_missed += o->n;
                a->since = o->since;
                assert_true(o->since > a->stamp || !plan_is_wall(job->def, job->def->triggers));
                a->is_exact = a->is_exact && o->n_is_exact;
        } else if (o->kind == OCCURRENCE_DUE)
                a->n_due++;
        else
                a->n_catch_up++;
}

static usec_t read_stamp(void *userdata, const Job *job, const char *key) {
        const Account *a = account_of(job);

        if (streq(key, SCHEDULE_RAMP_KEY))
                return a->ramp > 0 ? a->ramp : USEC_INFINITY;
        return streq(a->key, key) ? a->stamp : USEC_INFINITY;
}

static void write_stamp(void *userdata, const Job *job, const char *key, usec_t stamp) {
        Account *a = account_of(job);

        if (streq(key, SCHEDULE_RAMP_KEY)) {
                a->ramp = stamp == USEC_INFINITY ? 0 : stamp;
                return;
        }
        (void)snprintf(a->key, sizeof(a->key), "%s", key);
        if (a->first_stamp == 0)
                a->first_stamp = stamp;
        a->stamp = stamp;
}

/* --- the world --- */

static void start_daemon(void) {
        static const ScheduleOps ops = { .occurred = occurred, .get_stamp = read_stamp, .set_stamp = write_stamp };
        char id[16];
        const ScheduleBoot boot = { .id = id, .former = w.former_boot, .began = w.boot_began };

        (void)snprintf(id, sizeof(id), "%u", w.n_boots);
        assert_int_equal(schedule_new(&w.schedule, &ops, 4711, &boot), 0);
        schedule_set_ramp(w.schedule, w.ramp);
        schedule_start(w.schedule, w.now);
        for (size_t i = 0; i < w.n_jobs; i++)
                assert_int_equal(schedule_set_job(w.schedule, w.jobs[i], w.now), 0);
        schedule_started(w.schedule);
}

static void stop_daemon(void) {
        for (size_t i = 0; i < w.n_jobs; i++)
                schedule_remove_job(w.schedule, w.jobs[i]);
        w.schedule = schedule_free(w.schedule);
}

static void pass(usec_t span) {
        w.now.realtime += span;
        w.now.boottime += span;
}

/* How long until the daemon is to be woken; the random part of a window is spent, too. */
static usec_t until_next(unsigned *seed) {
        usec_t best = USEC_INFINITY;

        for (ScheduleClock c = 0; c < _SCHEDULE_CLOCK_MAX; c++) {
                usec_t at, latest, now = c == SCHEDULE_REALTIME ? w.now.realtime : w.now.boottime;

                if (!schedule_next(w.schedule, c, &at, &latest))
                        continue;
                assert_true(latest >= at);
                at += (usec_t)rand_r(seed) % (latest - at + 1);
                best = MIN(best, usec_sub(at, now));
        }
        return best;
}

static void live_until(usec_t realtime, unsigned *seed) {
        while (w.now.realtime < realtime) {
                usec_t left = realtime - w.now.realtime, wait = until_next(seed);
                unsigned idle = 0;

                pass(MIN(wait, left));
                while (schedule_elapse(w.schedule, w.now, 64) > 0)
                        assert_true(++idle < 10000);
                if (wait == 0 && idle == 0)
                        fail_msg("woken for nothing");
        }
}

static Job *add_job(JobDef *def) {
        char name[16];
        Job *job;

        (void)snprintf(name, sizeof(name), "job%zu", w.n_jobs);
        assert_int_equal(job_new(&job, name), 0);
        job->def = def;
        w.accounts[w.n_jobs] = (Account){ .is_exact = true };
        w.jobs[w.n_jobs++] = job;
        return job;
}

static JobDef *new_def(TriggerType type, const char *expression, const char *zone) {
        usec_t now = w.now.realtime;
        TriggerDef *t;
        JobDef *def;

        assert_int_equal(job_def_new(&def, "x"), 0);
        if (zone) {
                assert_int_equal(zone_cache_get(w.zones, zone, &def->zone), 0);
                def->rare->timer.time_zone = strdup(zone);
        }
        t = calloc(1, sizeof(*t));
        def->triggers = t;
        def->n_triggers = 1;
        t->type = type;
        t->expression = strdup(expression);
        if (type == TRIGGER_CALENDAR)
                assert_int_equal(calendar_parse(expression, w.zones, def->zone, now, &t->calendar, NULL), 0);
        else if (type == TRIGGER_CRON)
                assert_int_equal(cron_parse(expression, def->zone, &t->cron, NULL), 0);
        else
                t->span = strtoull(expression, NULL, 10) * USEC_PER_SEC;
        return def;
}

static int setup(void **state) {
        w = (World){ .now = { .realtime = JANUARY_2026, .boottime = 1000 * USEC_PER_SEC } };
        return zone_cache_new(NULL, &w.zones);
}

static int teardown(void **state) {
        if (w.schedule)
                stop_daemon();
        for (size_t i = 0; i < w.n_jobs; i++)
                job_free(w.jobs[i]);
        zone_cache_free(w.zones);
        return 0;
}

/* How many occurrences there are in (from, to], by the language itself. */
static uint64_t count_occurrences(const JobDef *def, usec_t from, usec_t to) {
        uint64_t n = 0;
        usec_t next;

        while (plan_next(def, def->triggers, from, &next) >= 0 && next <= to) {
                from = next;
                n++;
        }
        return n;
}

static void check_accounts(void) {
        for (size_t i = 0; i < w.n_jobs; i++) {
                const JobDef *def = w.jobs[i]->def;
                const Account *a = &w.accounts[i];
                uint64_t n = a->n_due + a->n_catch_up + a->n_missed, expected;

                if (!plan_is_wall(def, def->triggers) || !a->is_exact)
                        continue;
                expected = count_occurrences(def, a->first_stamp, a->stamp);
                if (n != expected)
                        fail_msg("%s (%s): %" PRIu64 " due, %" PRIu64 " caught up, %" PRIu64 " missed, but %" PRIu64
                                 " occurrences",
                                 w.jobs[i]->name, def->triggers[0].expression, a->n_due, a->n_catch_up, a->n_missed,
                                 expected);
        }
}

/* --- small stories --- */

static Account *one_calendar(const char *expression, CatchUp catch_up) {
        JobDef *def = new_def(TRIGGER_CALENDAR, expression, NULL);

        def->rare->timer.catch_up = catch_up;
        (void)add_job(def);
        return &w.accounts[w.n_jobs - 1];
}

static void test_first_start_fires_nothing(void **state) {
        unsigned seed = 1;
        Account *a = one_calendar("hourly", CATCH_UP_ALL);

        pass(USEC_PER_MINUTE);
        start_daemon();
        live_until(JANUARY_2026 + 59 * USEC_PER_MINUTE, &seed);
        assert_int_equal(a->n_due + a->n_catch_up + a->n_missed, 0);
        live_until(JANUARY_2026 + 61 * USEC_PER_MINUTE, &seed);
        assert_int_equal(a->n_due, 1);
}

static void test_down(void **state) {
        static const struct {
                int line;
                CatchUp catch_up;
                unsigned catch_up_max;
                usec_t within;
                uint64_t n_catch_up, n_missed;
        } table[] = {
                { __LINE__, CATCH_UP_NONE, 100, USEC_INFINITY, 0, 3 },
                { __LINE__, CATCH_UP_ONCE, 100, USEC_INFINITY, 1, 2 },
                { __LINE__, CATCH_UP_ALL, 100, USEC_INFINITY, 3, 0 },
                { __LINE__, CATCH_UP_ALL, 2, USEC_INFINITY, 2, 1 },
                { __LINE__, CATCH_UP_ALL, 100, 100 * USEC_PER_MINUTE, 2, 1 },
                { __LINE__, CATCH_UP_ONCE, 100, 10 * USEC_PER_MINUTE, 0, 3 },
        };

        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
                unsigned seed = 1;
                Account *a;

                teardown(NULL);
                setup(NULL);
                w.ramp = 30 * USEC_PER_SEC;
                a = one_calendar("hourly", table[i].catch_up);
                w.jobs[0]->def->rare->timer.catch_up_max = table[i].catch_up_max;
                w.jobs[0]->def->rare->timer.catch_up_within = table[i].within;
                start_daemon();
                live_until(JANUARY_2026 + USEC_PER_MINUTE, &seed);
                stop_daemon();
                pass(3 * USEC_PER_HOUR + 20 * USEC_PER_MINUTE);
                start_daemon();
                assert_int_equal(a->n_catch_up + a->n_missed + a->n_due, 0); /* at its moment of the ramp */
                live_until(w.now.realtime + USEC_PER_MINUTE, &seed);
                if (a->n_catch_up != table[i].n_catch_up || a->n_missed != table[i].n_missed || a->n_due != 0)
                        fail_msg("line %d: %" PRIu64 " %" PRIu64 " %" PRIu64, table[i].line, a->n_catch_up,
                                 a->n_missed, a->n_due);
                check_accounts();
        }
}

/* What is missed and not made up for is no next run, even where it has yet to be written down. */
static void test_next_of_what_is_not_made_up_for(void **state) {
        static const CatchUp catch_up[] = { CATCH_UP_NONE, CATCH_UP_ONCE };
        unsigned seed = 1;

        for (size_t i = 0; i < ELEMENTSOF(catch_up); i++) {
                bool runs = catch_up[i] != CATCH_UP_NONE;

                teardown(NULL);
                setup(NULL);
                w.ramp = 30 * USEC_PER_SEC;
                (void)one_calendar("hourly", catch_up[i]);
                (void)add_job(new_def(TRIGGER_INTERVAL, "3600", NULL));
                w.jobs[1]->def->rare->timer.catch_up = catch_up[i];
                start_daemon();
                live_until(JANUARY_2026 + USEC_PER_MINUTE, &seed);
                w.now.realtime += 190 * USEC_PER_MINUTE; /* the machine has slept */
                w.now.boottime += 190 * USEC_PER_MINUTE;
                for (size_t k = 0; k < w.n_jobs; k++)
                        schedule_replan_job(w.schedule, w.jobs[k], w.now);
                (void)schedule_elapse(w.schedule, w.now, 64);
                for (size_t k = 0; k < w.n_jobs; k++)
                        assert_int_equal(w.jobs[k]->next > w.now.realtime + USEC_PER_MINUTE, !runs);
                if (!runs) {
                        assert_true(w.jobs[0]->next == JANUARY_2026 + 4 * USEC_PER_HOUR);
                        assert_true(w.jobs[1]->next == JANUARY_2026 + 4 * USEC_PER_HOUR);
                }
                live_until(w.now.realtime + USEC_PER_MINUTE, &seed);
                assert_true(w.jobs[0]->next == JANUARY_2026 + 4 * USEC_PER_HOUR);
        }
}

/* What is said of many that were missed names the first of them, however many there were. */
static void test_first_missed(void **state) {
        unsigned seed = 1;
        Account *a = one_calendar("minutely", CATCH_UP_NONE);

        start_daemon();
        live_until(JANUARY_2026 + 150 * USEC_PER_SEC, &seed);
        assert_int_equal(a->n_due, 2);
        stop_daemon();
        pass(30 * USEC_PER_DAY);
        start_daemon();
        live_until(w.now.realtime + USEC_PER_MINUTE, &seed);
        assert_true(a->n_missed > 1000);
        assert_true(a->since == JANUARY_2026 + 180 * USEC_PER_SEC);
}

/* A daemon that dies every half second has dealt with everything when the ramp is over, and no sooner. */
static void test_ramp_over_restarts(void **state) {
        unsigned seed = 1, n_early = 0;

        w.ramp = 30 * USEC_PER_SEC;
        for (unsigned i = 0; i < 100; i++)
                (void)one_calendar("hourly", CATCH_UP_ONCE);
        start_daemon();
        stop_daemon();
        pass(3 * USEC_PER_HOUR + 20 * USEC_PER_MINUTE);
        for (unsigned round = 0; round < 31; round++) {
                start_daemon();
                live_until(w.now.realtime + USEC_PER_SEC / 2, &seed);
                stop_daemon();
                pass(USEC_PER_SEC / 2);
                if (round == 9)
                        for (size_t i = 0; i < w.n_jobs; i++)
                                n_early += w.accounts[i].n_catch_up > 0;
        }
        assert_in_range(n_early, 15, 60);
        for (size_t i = 0; i < w.n_jobs; i++) {
                assert_int_equal(w.accounts[i].n_catch_up, 1);
                assert_int_equal(w.accounts[i].n_missed, 2);
                assert_int_equal(w.accounts[i].ramp, 0);
        }
        start_daemon();
        live_until(w.now.realtime + USEC_PER_MINUTE, &seed);
        check_accounts();
}

/* A run is there of whose request nothing was written: its occurrence and those before it are not dealt with again. */
static void test_found(void **state) {
        unsigned seed = 1;
        Account *a = one_calendar("hourly", CATCH_UP_ALL), *b;

        (void)add_job(new_def(TRIGGER_INTERVAL, "3600", NULL));
        b = &w.accounts[1];
        w.jobs[1]->def->rare->timer.catch_up = CATCH_UP_ALL;
        start_daemon();
        live_until(JANUARY_2026 + USEC_PER_MINUTE, &seed);
        stop_daemon();
        pass(5 * USEC_PER_HOUR + 20 * USEC_PER_MINUTE);
        start_daemon();
        assert_int_equal(schedule_note_occurred(w.schedule, w.jobs[0], JANUARY_2026 + 3 * USEC_PER_HOUR, w.now), 0);
        assert_int_equal(schedule_note_occurred(w.schedule, w.jobs[1], JANUARY_2026 + 4 * USEC_PER_HOUR, w.now), 0);
        /* no time of its own, and one that was known by then */
        assert_int_equal(schedule_note_occurred(w.schedule, w.jobs[0], JANUARY_2026 + 4 * USEC_PER_HOUR + 1, w.now),
                         RUN_TRIGGER_NONE);
        assert_int_equal(schedule_note_occurred(w.schedule, w.jobs[0], JANUARY_2026 + 2 * USEC_PER_HOUR, w.now), 0);
        live_until(w.now.realtime + USEC_PER_MINUTE, &seed);
        assert_int_equal(a->n_catch_up, 2);
        assert_int_equal(b->n_catch_up, 1);
        assert_int_equal(a->n_missed + a->n_due + b->n_missed + b->n_due, 0);
}

/* The same for a moment after the boot. */
static void test_found_moment(void **state) {
        unsigned seed = 1;
        Account *a;

        (void)add_job(new_def(TRIGGER_BOOT, "1200", NULL));
        a = &w.accounts[0];
        start_daemon();
        stop_daemon();
        pass(USEC_PER_HOUR);
        start_daemon();
        assert_int_equal(schedule_note_occurred(w.schedule, w.jobs[0], JANUARY_2026 + 200 * USEC_PER_SEC, w.now), 0);
        live_until(w.now.realtime + USEC_PER_MINUTE, &seed);
        assert_int_equal(a->n_due, 0);
        /* After this start it was not. */
        (void)add_job(new_def(TRIGGER_STARTUP, "60", NULL));
        assert_int_equal(schedule_set_job(w.schedule, w.jobs[1], w.now), 0);
        assert_int_equal(schedule_note_occurred(w.schedule, w.jobs[1], w.now.realtime, w.now), RUN_TRIGGER_NONE);
}

/* An edit fires nothing and does not move the clock of what stayed as it was. */
static void test_edit(void **state) {
        unsigned seed = 1;
        Account *a = one_calendar("*-*-* 12:00", CATCH_UP_ALL);
        JobDef *other;

        start_daemon();
        live_until(JANUARY_2026 + 13 * USEC_PER_HOUR, &seed);
        assert_int_equal(a->n_due, 1);
        other = new_def(TRIGGER_CALENDAR, "*-*-* 06:00", NULL);
        other->rare->timer.catch_up = CATCH_UP_ALL;
        job_def_unref(w.jobs[0]->def);
        w.jobs[0]->def = other;
        assert_int_equal(schedule_set_job(w.schedule, w.jobs[0], w.now), 0);
        live_until(JANUARY_2026 + 29 * USEC_PER_HOUR, &seed);
        assert_int_equal(a->n_due, 1);
        live_until(JANUARY_2026 + 31 * USEC_PER_HOUR, &seed);
        assert_int_equal(a->n_due, 2);
        assert_int_equal(a->n_catch_up + a->n_missed, 0);
}

static void test_edit_interval(void **state) {
        unsigned seed = 1;
        JobDef *def = new_def(TRIGGER_INTERVAL, "86400", NULL), *other;
        Account *a;

        (void)add_job(def);
        a = &w.accounts[0];
        start_daemon();
        live_until(JANUARY_2026 + 5 * USEC_PER_HOUR, &seed);
        assert_int_equal(a->n_due, 0);
        /* Five hours late by its new length, and not a second of it counts. */
        other = new_def(TRIGGER_INTERVAL, "7200", NULL);
        job_def_unref(w.jobs[0]->def);
        w.jobs[0]->def = other;
        assert_int_equal(schedule_set_job(w.schedule, w.jobs[0], w.now), 0);
        live_until(JANUARY_2026 + 5 * USEC_PER_HOUR + 30 * USEC_PER_MINUTE, &seed);
        assert_int_equal(a->n_due, 0);
        live_until(JANUARY_2026 + 6 * USEC_PER_HOUR + 5 * USEC_PER_MINUTE, &seed);
        assert_int_equal(a->n_due, 1);
        assert_int_equal(a->n_missed, 0);
}

/* An interval survives a restart and a reboot: it counts from its last occurrence. */
static void test_interval_over_restart(void **state) {
        unsigned seed = 1;
        Account *a;

        (void)add_job(new_def(TRIGGER_INTERVAL, "86400", NULL));
        a = &w.accounts[0];
        start_daemon();
        live_until(JANUARY_2026 + 20 * USEC_PER_HOUR, &seed);
        stop_daemon();
        pass(USEC_PER_HOUR);
        w.now.boottime = 10 * USEC_PER_SEC; /* rebooted */
        w.n_boots++;
        start_daemon();
        live_until(JANUARY_2026 + 23 * USEC_PER_HOUR, &seed);
        assert_int_equal(a->n_due, 0);
        live_until(JANUARY_2026 + 25 * USEC_PER_HOUR, &seed);
        assert_int_equal(a->n_due, 1);
}

static void test_interval_from_end(void **state) {
        unsigned seed = 1;
        JobDef *def = new_def(TRIGGER_INTERVAL, "3600", NULL);
        Account *a;
        Job *job;

        def->rare->timer.interval_from = INTERVAL_FROM_END;
        job = add_job(def);
        a = &w.accounts[0];
        start_daemon();
        live_until(JANUARY_2026 + 61 * USEC_PER_MINUTE, &seed);
        assert_int_equal(a->n_due, 1);
        job->n_running = 1;
        /* It runs for five hours; the hour begins at its end. */
        live_until(JANUARY_2026 + 6 * USEC_PER_HOUR, &seed);
        assert_int_equal(a->n_due, 1);
        job->n_running = 0;
        schedule_job_ended(w.schedule, job, true, w.now);
        live_until(JANUARY_2026 + 6 * USEC_PER_HOUR + 59 * USEC_PER_MINUTE, &seed);
        assert_int_equal(a->n_due, 1);
        live_until(JANUARY_2026 + 7 * USEC_PER_HOUR + 10 * USEC_PER_MINUTE, &seed);
        assert_int_equal(a->n_due, 2);
        assert_int_equal(a->n_missed + a->n_catch_up, 0);
}

/* After a run that failed it is counted from when that one came due, not from when AccuracySec= let it start. */
static void test_interval_from_success(void **state) {
        JobDef *def = new_def(TRIGGER_INTERVAL, "3600", NULL);
        unsigned seed = 5;
        Job *job;

        def->rare->timer.interval_from = INTERVAL_FROM_SUCCESS;
        def->rare->timer.accuracy = 5 * USEC_PER_MINUTE;
        job = add_job(def);
        start_daemon();
        for (unsigned i = 1; i <= 10; i++) {
                live_until(JANUARY_2026 + i * USEC_PER_HOUR + 6 * USEC_PER_MINUTE, &seed);
                assert_int_equal(w.accounts[0].n_due, i);
                assert_true(w.accounts[0].last == JANUARY_2026 + i * USEC_PER_HOUR);
                job->n_running = 1;
                pass(USEC_PER_MINUTE);
                job->n_running = 0;
                schedule_job_ended(w.schedule, job, /* success= */ false, w.now);
        }
}

/* What became due while such a run went on is due when that ends: nobody was late. */
static void test_interval_that_was_kept_waiting(void **state) {
        JobDef *def = new_def(TRIGGER_INTERVAL, "3600", NULL);
        Account *a;
        Job *job;

        def->rare->timer.interval_from = INTERVAL_FROM_SUCCESS;
        job = add_job(def);
        a = &w.accounts[0];
        start_daemon();
        job->n_running = 1;
        pass(4 * USEC_PER_HOUR);
        (void)schedule_elapse(w.schedule, w.now, 64);
        assert_int_equal(a->n_due + a->n_missed, 0);
        job->n_running = 0;
        schedule_job_ended(w.schedule, job, /* success= */ false, w.now);
        (void)schedule_elapse(w.schedule, w.now, 64);
        assert_int_equal(a->n_missed, 0);
        assert_int_equal(a->n_due, 1);
        assert_true(a->last == w.now.realtime);
}

/* Every second Monday, from a date. */
static void test_anchor(void **state) {
        unsigned seed = 1;
        JobDef *def = new_def(TRIGGER_INTERVAL, "1209600", "Europe/Oslo");
        usec_t next;

        /* Monday 2026-01-05 03:00 in Oslo */
        def->rare->timer.anchor = JANUARY_2026 + 4 * USEC_PER_DAY + 2 * USEC_PER_HOUR;
        (void)add_job(def);
        start_daemon();
        live_until(JANUARY_2026 + 5 * USEC_PER_DAY, &seed);
        assert_int_equal(w.accounts[0].n_due, 1);
        /* It stays at 03:00 on the wall clock in summer: 01:00 UTC. Nine fortnights later it is 2026-05-11. */
        assert_int_equal(plan_next(def, def->triggers, def->rare->timer.anchor + (9 * 14 - 1) * USEC_PER_DAY, &next),
                         0);
        assert_true(next == def->rare->timer.anchor + 9 * 14 * USEC_PER_DAY - USEC_PER_HOUR);
}

/* In the night in which 02:00 to 03:00 is shown twice, begin in the first of these hours: what the clock shows is
 * later than what it will show at the next occurrence. */
static void test_anchor_in_the_hour_that_comes_twice(void **state) {
        static const usec_t first = UINT64_C(1792886400) * USEC_PER_SEC; /* 2026-10-25 00:00 UTC, 02:00 in Oslo */
        JobDef *def = new_def(TRIGGER_INTERVAL, "900", "Europe/Oslo");
        usec_t next;

        def->rare->timer.anchor = JANUARY_2026;
        def->rare->timer.dst.overlap = DST_OVERLAP_SECOND;
        assert_int_equal(plan_next(def, def->triggers, first + 50 * USEC_PER_MINUTE, &next), 0);
        assert_true(next == first + 60 * USEC_PER_MINUTE);
        def->rare->timer.dst.overlap = DST_OVERLAP_FIRST;
        assert_int_equal(plan_next(def, def->triggers, first + 65 * USEC_PER_MINUTE, &next), 0);
        assert_true(next == first + 120 * USEC_PER_MINUTE);
        def->rare->timer.dst.overlap = DST_OVERLAP_BOTH;
        assert_int_equal(plan_next(def, def->triggers, first + 50 * USEC_PER_MINUTE, &next), 0);
        assert_true(next == first + 60 * USEC_PER_MINUTE);
        job_def_unref(def);
}

/* The same by looking at every occurrence around that instant, whatever the clock shows. */
static usec_t next_anchored_by_hand(const JobDef *def, int64_t span, usec_t after) {
        DstOverlap overlap = def->rare->timer.dst.overlap;
        usec_t best = USEC_INFINITY;
        ZonePeriod p, at_anchor;
        int64_t anchor, local;

        zone_at(def->zone, (int64_t)(def->rare->timer.anchor / USEC_PER_SEC), &at_anchor);
        zone_at(def->zone, (int64_t)(after / USEC_PER_SEC), &p);
        anchor = (int64_t)(def->rare->timer.anchor / USEC_PER_SEC) + at_anchor.offset;
        local = (int64_t)(after / USEC_PER_SEC) + p.offset;
        for (int64_t k = MAX((local - anchor - 7200) / span - 1, INT64_C(0));; k++) {
                usec_t first, second;
                ZoneLocal z;

                zone_resolve(def->zone, anchor + k * span, &z);
                first = (usec_t)(z.kind == ZONE_LOCAL_GAP ? z.transition : z.first) * USEC_PER_SEC;
                second = (usec_t)(z.kind == ZONE_LOCAL_GAP ? z.transition : z.second) * USEC_PER_SEC;
                if (z.kind == ZONE_LOCAL_GAP && def->rare->timer.dst.gap == DST_GAP_SKIP)
                        continue;
                if (first > after && overlap != DST_OVERLAP_SECOND)
                        best = MIN(best, first);
                if (second > after && overlap >= DST_OVERLAP_SECOND)
                        best = MIN(best, second);
                if (first > usec_add(after, 3 * USEC_PER_HOUR))
                        return best;
        }
}

static void test_anchor_around_changes_of_the_clock(void **state) {
        static const int64_t spans[] = { 900, 2400, 3600, 5400, 7 * 3600, 86400, 3 * 86400 };
        static const usec_t around[] = {
                UINT64_C(1774746000) * USEC_PER_SEC, /* 2026-03-29 01:00 UTC: 02:00 in Oslo is 03:00 */
                UINT64_C(1792890000) * USEC_PER_SEC, /* 2026-10-25 01:00 UTC: 03:00 is 02:00 */
                UINT64_C(1781000000) * USEC_PER_SEC,
        };
        JobDef *def = new_def(TRIGGER_INTERVAL, "900", "Europe/Oslo");

        def->rare->timer.anchor = JANUARY_2026 + 30 * USEC_PER_MINUTE;
        for (size_t i = 0; i < ELEMENTSOF(spans) * ELEMENTSOF(around); i++)
                for (DstOverlap overlap = DST_OVERLAP_FIRST; overlap <= DST_OVERLAP_BOTH; overlap++)
                        for (DstGap gap = DST_GAP_SKIP; gap < _DST_GAP_MAX; gap++) {
                                int64_t span = spans[i % ELEMENTSOF(spans)];
                                usec_t middle = around[i / ELEMENTSOF(spans)], next;

                                def->triggers->span = (usec_t)span * USEC_PER_SEC;
                                def->rare->timer.dst = (DstPolicy){ .gap = gap, .overlap = overlap };
                                for (usec_t at = middle - 27 * USEC_PER_HOUR; at < middle + 27 * USEC_PER_HOUR;
                                     at += 10 * USEC_PER_MINUTE) {
                                        assert_int_equal(plan_next(def, def->triggers, at, &next), 0);
                                        if (next != next_anchored_by_hand(def, span, at))
                                                fail_msg("every %" PRIi64 " s after %" PRIu64 ": %" PRIu64, span,
                                                         at / USEC_PER_SEC, next / USEC_PER_SEC);
                                }
                        }
        job_def_unref(def);
}

static void test_clock_set_back(void **state) {
        unsigned seed = 1;
        Account *a = one_calendar("hourly", CATCH_UP_ALL);

        start_daemon();
        live_until(JANUARY_2026 + 5 * USEC_PER_HOUR + USEC_PER_MINUTE, &seed);
        assert_int_equal(a->n_due, 5);
        w.now.realtime -= 3 * USEC_PER_HOUR;
        schedule_replan_job(w.schedule, w.jobs[0], w.now);
        live_until(JANUARY_2026 + 5 * USEC_PER_HOUR + USEC_PER_MINUTE, &seed);
        assert_int_equal(a->n_due, 5); /* none is repeated */
        live_until(JANUARY_2026 + 6 * USEC_PER_HOUR + USEC_PER_MINUTE, &seed);
        assert_int_equal(a->n_due, 6);

        /* The clock was wrong by seventy years: no job waits for them. */
        w.now.realtime += 70 * USEC_PER_YEAR;
        schedule_replan_job(w.schedule, w.jobs[0], w.now);
        w.jobs[0]->def->rare->timer.catch_up = CATCH_UP_NONE;
        live_until(w.now.realtime + 2 * USEC_PER_HOUR, &seed);
        w.now.realtime = JANUARY_2026 + 8 * USEC_PER_HOUR + USEC_PER_MINUTE;
        schedule_replan_job(w.schedule, w.jobs[0], w.now);
        a->last = 0;
        a->n_due = 0;
        live_until(JANUARY_2026 + 10 * USEC_PER_HOUR + USEC_PER_MINUTE, &seed);
        assert_int_equal(a->n_due, 2);
}

/* What was ahead of the clock counts until the clock comes to it, and not for what has occurred since then. */
static void test_clock_that_catches_up(void **state) {
        unsigned seed = 1;
        Account *a = one_calendar("hourly", CATCH_UP_ALL);

        start_daemon();
        live_until(JANUARY_2026 + 31 * USEC_PER_HOUR + USEC_PER_MINUTE, &seed);
        w.now.realtime -= 30 * USEC_PER_HOUR;
        schedule_replan_job(w.schedule, w.jobs[0], w.now);
        a->last = 0;
        a->n_due = 0;
        live_until(JANUARY_2026 + 35 * USEC_PER_HOUR + USEC_PER_MINUTE, &seed);
        assert_int_equal(a->n_due, 34);
        w.now.realtime += USEC_PER_SEC;
        schedule_replan_job(w.schedule, w.jobs[0], w.now);
        live_until(JANUARY_2026 + 36 * USEC_PER_HOUR + USEC_PER_MINUTE, &seed);
        assert_int_equal(a->n_due, 35);
        assert_int_equal(a->n_catch_up + a->n_missed, 0);
}

/* It is put right at once, and all that lay between is known already. */
static void test_clock_that_is_put_right(void **state) {
        unsigned seed = 1;
        Account *a = one_calendar("hourly", CATCH_UP_ALL);

        start_daemon();
        live_until(JANUARY_2026 + 31 * USEC_PER_HOUR + USEC_PER_MINUTE, &seed);
        w.now.realtime -= 30 * USEC_PER_HOUR;
        schedule_replan_job(w.schedule, w.jobs[0], w.now);
        w.now.realtime += 30 * USEC_PER_HOUR;
        schedule_replan_job(w.schedule, w.jobs[0], w.now);
        a->n_due = 0;
        live_until(JANUARY_2026 + 32 * USEC_PER_HOUR + USEC_PER_MINUTE, &seed);
        assert_int_equal(a->n_due, 1);
        assert_int_equal(a->n_catch_up + a->n_missed, 0);
}

/* What falls into one window of AccuracySec= is one occurrence, the last; what comes after the window is another. */
static void test_occurrences_of_one_window(void **state) {
        Account *a = one_calendar("*:*:0/10", CATCH_UP_NONE);

        w.jobs[0]->def->rare->timer.accuracy = 30 * USEC_PER_SEC;
        start_daemon();
        pass(40 * USEC_PER_SEC);
        assert_int_equal(schedule_elapse(w.schedule, w.now, 64), 1);
        assert_int_equal(a->n_due, 1);
        assert_int_equal(a->n_missed, 0);
        assert_true(a->last == JANUARY_2026 + 40 * USEC_PER_SEC);
        pass(50 * USEC_PER_SEC);
        assert_int_equal(schedule_elapse(w.schedule, w.now, 64), 1);
        assert_int_equal(a->n_due, 2);
        assert_int_equal(a->n_missed, 4);
        assert_true(a->last == JANUARY_2026 + 90 * USEC_PER_SEC);
}

/* It was the only one, and is caught up with all the same. */
static void test_the_last_one_is_late(void **state) {
        unsigned seed = 1;
        Account *a = one_calendar("2026-01-01 12:00", CATCH_UP_ALL);

        start_daemon();
        stop_daemon();
        pass(USEC_PER_DAY);
        start_daemon();
        live_until(w.now.realtime + USEC_PER_HOUR, &seed);
        assert_int_equal(a->n_catch_up, 1);
        assert_int_equal(a->n_due + a->n_missed, 0);
        assert_true(w.jobs[0]->next == USEC_INFINITY);
}

static void test_pause(void **state) {
        unsigned seed = 1;
        Account *once = one_calendar("hourly", CATCH_UP_ONCE), *none = one_calendar("hourly", CATCH_UP_NONE);

        start_daemon();
        for (size_t i = 0; i < 2; i++) {
                w.jobs[i]->paused = true;
                assert_int_equal(schedule_set_job(w.schedule, w.jobs[i], w.now), 0);
        }
        live_until(JANUARY_2026 + 5 * USEC_PER_HOUR + USEC_PER_MINUTE, &seed);
        assert_int_equal(once->n_due + once->n_missed + once->n_catch_up, 0);
        assert_int_equal(none->n_due, 5); /* for core to refuse */
        for (size_t i = 0; i < 2; i++) {
                w.jobs[i]->paused = false;
                schedule_resume_job(w.schedule, w.jobs[i], w.now);
        }
        live_until(w.now.realtime + USEC_PER_MINUTE, &seed);
        assert_int_equal(once->n_catch_up, 1);
        assert_int_equal(once->n_missed, 4);
        assert_int_equal(none->n_due, 5);
        check_accounts();
}

static void test_moments(void **state) {
        unsigned seed = 1;

        (void)add_job(new_def(TRIGGER_BOOT, "2000", NULL));
        (void)add_job(new_def(TRIGGER_STARTUP, "10", NULL));
        (void)add_job(new_def(TRIGGER_CRON, "@reboot", NULL));
        start_daemon();
        live_until(JANUARY_2026 + 20 * USEC_PER_SEC, &seed);
        assert_int_equal(w.accounts[0].n_due, 0);
        assert_int_equal(w.accounts[1].n_due, 1);
        assert_int_equal(w.accounts[2].n_due, 1);
        /* Down when its moment after boot passes: made up for at the next start, once a boot. */
        stop_daemon();
        pass(2000 * USEC_PER_SEC);
        for (unsigned i = 0; i < 3; i++) {
                start_daemon();
                live_until(w.now.realtime + 20 * USEC_PER_SEC, &seed);
                assert_int_equal(w.accounts[0].n_due, 1);
                assert_int_equal(w.accounts[1].n_due, 2 + i);
                assert_int_equal(w.accounts[2].n_due, 1);
                for (size_t k = 0; k < 3; k++) /* the machine has slept, or the clock was set: that is no boot */
                        schedule_replan_job(w.schedule, w.jobs[k], w.now);
                stop_daemon();
        }
        w.n_boots++;
        w.now.boottime = 5 * USEC_PER_SEC;
        start_daemon();
        live_until(w.now.realtime + 3000 * USEC_PER_SEC, &seed);
        assert_int_equal(w.accounts[0].n_due, 2);
        assert_int_equal(w.accounts[2].n_due, 2);
        /* A container: the clock goes on, and there is a boot all the same. */
        stop_daemon();
        w.n_boots++;
        w.boot_began = w.now.boottime;
        for (unsigned i = 0; i < 2; i++) {
                start_daemon();
                live_until(w.now.realtime + 900 * USEC_PER_SEC, &seed);
                assert_int_equal(w.accounts[0].n_due, 2);
                assert_int_equal(w.accounts[2].n_due, 3);
                stop_daemon();
        }
        start_daemon();
        live_until(w.now.realtime + 1000 * USEC_PER_SEC, &seed);
        assert_int_equal(w.accounts[0].n_due, 3);
        /* Another version had called this boot "2", and another one that comes now may be called so again. */
        stop_daemon();
        w.n_boots = 7;
        w.former_boot = "2";
        start_daemon();
        live_until(w.now.realtime + 3000 * USEC_PER_SEC, &seed);
        assert_int_equal(w.accounts[2].n_due, 3);
        stop_daemon();
        w.n_boots++;
        start_daemon();
        live_until(w.now.realtime + 3000 * USEC_PER_SEC, &seed);
        assert_int_equal(w.accounts[2].n_due, 4);
}

static void test_except(void **state) {
        unsigned seed = 1;
        JobDef *def = new_def(TRIGGER_CALENDAR, "daily", NULL);

        def->rare->timer.except = calloc(1, sizeof(Calendar *));
        def->rare->timer.n_except = 1;
        assert_int_equal(calendar_parse("Sat,Sun", NULL, NULL, JANUARY_2026, &def->rare->timer.except[0], NULL), 0);
        (void)add_job(def);
        start_daemon();
        live_until(JANUARY_2026 + 14 * USEC_PER_DAY + USEC_PER_HOUR, &seed);
        assert_int_equal(w.accounts[0].n_due, 10);
}

/* However many there are in a day that is left out, the next one is found, at the first instant after that. */
static void test_except_of_many(void **state) {
        static const usec_t saturday = JANUARY_2026 + 2 * USEC_PER_DAY;
        JobDef *def = new_def(TRIGGER_CALENDAR, "*:*:*", NULL);
        usec_t next;

        def->rare->timer.except = calloc(1, sizeof(Calendar *));
        def->rare->timer.n_except = 1;
        assert_int_equal(calendar_parse("Sat,Sun", NULL, NULL, JANUARY_2026, &def->rare->timer.except[0], NULL), 0);
        assert_int_equal(plan_next(def, def->triggers, saturday - 2 * USEC_PER_SEC, &next), 0);
        assert_true(next == saturday - USEC_PER_SEC);
        assert_int_equal(plan_next(def, def->triggers, next, &next), 0);
        assert_true(next == saturday + 2 * USEC_PER_DAY);
        job_def_unref(def);
}

static void test_random_delay(void **state) {
        JobDef *def = new_def(TRIGGER_CALENDAR, "daily", NULL);
        usec_t a, b, least = USEC_INFINITY, most = 0;

        def->rare->timer.random_delay = USEC_PER_HOUR;
        (void)add_job(def);
        a = plan_delay(def, def->triggers, "x", 1, JANUARY_2026);
        assert_true(a == plan_delay(def, def->triggers, "x", 1, JANUARY_2026));
        for (unsigned i = 0; i < 1000; i++) {
                b = plan_delay(def, def->triggers, "x", 1, JANUARY_2026 + i * USEC_PER_DAY);
                least = MIN(least, b);
                most = MAX(most, b);
        }
        assert_true(most <= USEC_PER_HOUR);
        assert_true(least < USEC_PER_MINUTE && most > 59 * USEC_PER_MINUTE);
        def->rare->timer.fixed_random_delay = true;
        a = plan_delay(def, def->triggers, "x", 1, JANUARY_2026);
        assert_true(a == plan_delay(def, def->triggers, "x", 1, JANUARY_2026 + USEC_PER_DAY));
        assert_true(a != plan_delay(def, def->triggers, "y", 1, JANUARY_2026));
}

/* What is delayed is not late for that. */
static void test_random_delay_of_an_interval(void **state) {
        unsigned seed = 1;
        JobDef *def = new_def(TRIGGER_INTERVAL, "3600", NULL);

        def->rare->timer.random_delay = 30 * USEC_PER_MINUTE;
        (void)add_job(def);
        start_daemon();
        live_until(w.now.realtime + USEC_PER_DAY, &seed);
        assert_int_equal(w.accounts[0].n_missed + w.accounts[0].n_catch_up, 0);
        assert_true(w.accounts[0].n_due >= 23);
}

/* More than are looked at one by one are held back by a delay: the last ones are in time, all are accounted for. */
static void test_many_behind_a_delay(void **state) {
        Account *a = one_calendar("*:*:*", CATCH_UP_NONE);
        TimerDef *timer = &w.jobs[0]->def->rare->timer;

        timer->random_delay = USEC_PER_HOUR;
        timer->fixed_random_delay = true;
        timer->accuracy = 1;
        start_daemon();
        pass(3 * USEC_PER_HOUR);
        assert_int_equal(schedule_elapse(w.schedule, w.now, 1), 1);
        assert_true(a->n_due >= SCHEDULE_LATE_USEC / USEC_PER_SEC);
        assert_true(a->n_missed > USEC_PER_HOUR / USEC_PER_SEC);
        check_accounts();
}

/* However long ago the last occurrence was, the look back ends soon. */
static void test_look_back(void **state) {
        JobDef *def = new_def(TRIGGER_CALENDAR, "*:*:*", NULL);
        usec_t list[8];
        uint64_t total;
        bool exact;
        size_t n;

        (void)add_job(def);
        plan_last(def, def->triggers, 0, JANUARY_2026, list, ELEMENTSOF(list), &n, &total, &exact);
        assert_int_equal(n, ELEMENTSOF(list));
        assert_false(exact);
        for (size_t i = 0; i < n; i++)
                assert_true(list[i] == JANUARY_2026 - (n - 1 - i) * USEC_PER_SEC);
        plan_last(def, def->triggers, JANUARY_2026 - 5 * USEC_PER_SEC, JANUARY_2026, list, ELEMENTSOF(list), &n,
                  &total, &exact);
        assert_int_equal(n, 5);
        assert_int_equal(total, 5);
        assert_true(exact);
}

static void test_preview(void **state) {
        usec_t list[4];

        (void)one_calendar("hourly", CATCH_UP_NONE);
        (void)add_job(new_def(TRIGGER_INTERVAL, "600", NULL));
        start_daemon();
        assert_int_equal(schedule_preview(w.schedule, w.jobs[0], w.now, list, 4), 4);
        for (size_t i = 0; i < 4; i++)
                assert_true(list[i] == JANUARY_2026 + (i + 1) * USEC_PER_HOUR);
        assert_int_equal(schedule_preview(w.schedule, w.jobs[1], w.now, list, 4), 4);
        for (size_t i = 0; i < 4; i++)
                assert_true(list[i] == JANUARY_2026 + (i + 1) * 600 * USEC_PER_SEC);
        /* A moment comes once. */
        (void)add_job(new_def(TRIGGER_STARTUP, "10", NULL));
        assert_int_equal(schedule_set_job(w.schedule, w.jobs[2], w.now), 0);
        assert_int_equal(schedule_preview(w.schedule, w.jobs[2], w.now, list, 4), 1);
        assert_true(list[0] == JANUARY_2026 + 10 * USEC_PER_SEC);
        pass(11 * USEC_PER_SEC);
        (void)schedule_elapse(w.schedule, w.now, 64);
        assert_int_equal(schedule_preview(w.schedule, w.jobs[2], w.now, list, 4), 0);
}

/* Longer than anything that a sum of two still fits into. */
static void test_spans_without_end(void **state) {
        JobDef *anchored = new_def(TRIGGER_INTERVAL, "600", NULL), *plain = new_def(TRIGGER_INTERVAL, "600", NULL);
        usec_t next;

        anchored->rare->timer.anchor = JANUARY_2026;
        assert_int_equal(plan_next(anchored, anchored->triggers, JANUARY_2026, &next), 0);
        assert_int_equal(plan_next(anchored, anchored->triggers, INT64_MAX / 2, &next), -ENOENT);
        anchored->triggers->span = INT64_MAX / 2;
        assert_int_equal(plan_next(anchored, anchored->triggers, JANUARY_2026, &next), -ENOENT);
        anchored->triggers->span = USEC_INFINITY;
        assert_int_equal(plan_next(anchored, anchored->triggers, JANUARY_2026, &next), -ENOENT);
        job_def_unref(anchored);
        plain->triggers->span = INT64_MAX / 2;
        (void)add_job(plain);
        start_daemon();
        assert_true(w.jobs[0]->next == USEC_INFINITY);
}

/* Nothing is shown, and what is due stays so. */
static void test_without_memory(void **state) {
        Account *a = one_calendar("hourly", CATCH_UP_NONE);
        usec_t list[4];

        start_daemon();
        for (long i = 0; i < 2; i++) {
                countdown = i;
                assert_int_equal(schedule_preview(w.schedule, w.jobs[0], w.now, list, 4), 0);
        }
        assert_int_equal(schedule_preview(w.schedule, w.jobs[0], w.now, list, 4), 4);
        pass(USEC_PER_HOUR + USEC_PER_SEC);
        countdown = 0;
        assert_int_equal(schedule_elapse(w.schedule, w.now, 1), 1);
        assert_int_equal(a->n_due, 0);
        assert_int_equal(schedule_elapse(w.schedule, w.now, 1), 1);
        assert_int_equal(a->n_due, 1);
}

/* --- what is easily mistaken --- */

static void elapse(unsigned n) {
        assert_int_equal(schedule_elapse(w.schedule, w.now, 64), n);
}

static void set_job(size_t i) {
        assert_int_equal(schedule_set_job(w.schedule, w.jobs[i], w.now), 0);
}

/* One job with the triggers of both. */
static Job *add_job_of_two(JobDef *a, JobDef *b) {
        a->triggers = reallocarray(a->triggers, 2, sizeof(TriggerDef));
        assert_non_null(a->triggers);
        a->triggers[a->n_triggers++] = b->triggers[0];
        b->n_triggers = 0;
        job_def_unref(b);
        return add_job(a);
}

static void test_preview_of_several(void **state) {
        static const usec_t minutes[] = { 60, 90, 120, 180, 180 };
        JobDef *delayed = new_def(TRIGGER_CALENDAR, "hourly", NULL);
        usec_t list[5];

        (void)add_job_of_two(new_def(TRIGGER_CALENDAR, "hourly", NULL), new_def(TRIGGER_INTERVAL, "5400", NULL));
        (void)one_calendar("2026-01-02", CATCH_UP_NONE);
        delayed->rare->timer.random_delay = USEC_PER_HOUR / 2;
        (void)add_job(delayed);
        start_daemon();
        assert_int_equal(schedule_preview(w.schedule, w.jobs[0], w.now, list, ELEMENTSOF(list)), ELEMENTSOF(list));
        for (size_t i = 0; i < ELEMENTSOF(list); i++)
                assert_true(list[i] == JANUARY_2026 + minutes[i] * USEC_PER_MINUTE);
        assert_int_equal(schedule_preview(w.schedule, w.jobs[1], w.now, list, ELEMENTSOF(list)), 1);
        assert_true(list[0] == JANUARY_2026 + USEC_PER_DAY);
        assert_int_equal(schedule_preview(w.schedule, w.jobs[2], w.now, list, 2), 2);
        for (size_t i = 0; i < 2; i++) {
                usec_t at = JANUARY_2026 + (i + 1) * USEC_PER_HOUR;

                at += plan_delay(delayed, delayed->triggers, "job2", 4711, at);
                assert_true(list[i] == at);
                assert_true(i > 0 || w.jobs[2]->next == at);
        }
        w.jobs[0]->gone = true;
        set_job(0);
        assert_int_equal(schedule_preview(w.schedule, w.jobs[0], w.now, list, 1), 0);
}

/* A job that is gone or disabled, or has no trigger, has no time any more. */
static void test_removed(void **state) {
        for (unsigned i = 0; i < 3; i++) {
                usec_t at, latest;

                teardown(NULL);
                setup(NULL);
                (void)one_calendar("hourly", CATCH_UP_ALL);
                start_daemon();
                assert_true(w.jobs[0]->next == JANUARY_2026 + USEC_PER_HOUR);
                if (i == 0)
                        w.jobs[0]->gone = true;
                else if (i == 1)
                        w.jobs[0]->def->enabled = false;
                else
                        schedule_remove_job(w.schedule, w.jobs[0]);
                if (i < 2)
                        set_job(0);
                assert_null(w.jobs[0]->timers);
                assert_true(w.jobs[0]->next == USEC_INFINITY);
                assert_false(schedule_next(w.schedule, SCHEDULE_REALTIME, &at, &latest));
                assert_false(schedule_job_started(w.schedule, w.jobs[0], w.now));
                assert_false(schedule_job_ended(w.schedule, w.jobs[0], true, w.now));
        }
}

/* Those that wake the machine have clocks of their own. */
static void test_wake_system(void **state) {
        JobDef *wall = new_def(TRIGGER_CALENDAR, "hourly", NULL), *span = new_def(TRIGGER_INTERVAL, "600", NULL);
        usec_t at, latest;

        wall->rare->timer.wake_system = span->rare->timer.wake_system = true;
        (void)add_job(wall);
        (void)add_job(span);
        start_daemon();
        assert_false(schedule_next(w.schedule, SCHEDULE_REALTIME, &at, &latest));
        assert_false(schedule_next(w.schedule, SCHEDULE_BOOTTIME, &at, &latest));
        assert_true(schedule_next(w.schedule, SCHEDULE_REALTIME_ALARM, &at, &latest));
        assert_true(at == JANUARY_2026 + USEC_PER_HOUR);
        assert_true(schedule_next(w.schedule, SCHEDULE_BOOTTIME_ALARM, &at, &latest));
        assert_true(at == w.now.boottime + 600 * USEC_PER_SEC);
        pass(USEC_PER_HOUR);
        elapse(2);
        assert_int_equal(w.accounts[0].n_due, 1);
}

/* The clock is set back while something waits for its moment of the ramp: nothing is due, and it is asked once. */
static void test_set_back_in_the_ramp(void **state) {
        Account *a = one_calendar("hourly", CATCH_UP_ONCE);

        w.ramp = 30 * USEC_PER_SEC;
        start_daemon();
        stop_daemon();
        pass(USEC_PER_HOUR + 20 * USEC_PER_MINUTE);
        start_daemon();
        pass(w.ramp);
        w.now.realtime -= USEC_PER_HOUR;
        elapse(1);
        assert_int_equal(a->n_due + a->n_catch_up + a->n_missed, 0);
}

/* An edit of something else, while the job waits for its moment of the ramp, loses nothing. */
static void test_edit_in_the_ramp(void **state) {
        unsigned seed = 1;
        Account *a;

        w.ramp = 30 * USEC_PER_SEC;
        (void)add_job(new_def(TRIGGER_CALENDAR, "hourly", "Europe/Oslo"));
        w.jobs[0]->def->rare->timer.catch_up = CATCH_UP_ALL;
        a = &w.accounts[0];
        start_daemon();
        stop_daemon();
        pass(2 * USEC_PER_HOUR + 20 * USEC_PER_MINUTE);
        start_daemon();
        job_def_unref(w.jobs[0]->def);
        w.jobs[0]->def = new_def(TRIGGER_CALENDAR, "hourly", "Europe/Oslo");
        w.jobs[0]->def->rare->timer.catch_up = CATCH_UP_ALL;
        set_job(0);
        live_until(w.now.realtime + USEC_PER_MINUTE, &seed);
        assert_int_equal(a->n_catch_up, 2);
}

/* Late while the daemon runs: the moment of the ramp is kept until it has passed. */
static void test_ramp_while_running(void **state) {
        Account *a = one_calendar("hourly", CATCH_UP_ONCE);

        w.ramp = USEC_PER_HOUR / 2;
        start_daemon();
        pass(3 * USEC_PER_HOUR + 20 * USEC_PER_MINUTE);
        elapse(1);
        assert_int_equal(a->n_catch_up, 0);
        assert_true(a->ramp > w.now.realtime);
        pass(w.ramp);
        elapse(1);
        assert_int_equal(a->n_catch_up, 1);
        assert_true(a->ramp == 0);
}

/* However long the ramp is, what is caught up with is so before the next regular occurrence. */
static void test_ramp_ends_with_the_next(void **state) {
        unsigned seed = 1;

        w.ramp = 10 * USEC_PER_HOUR;
        for (unsigned i = 0; i < 20; i++)
                (void)one_calendar("hourly", CATCH_UP_ONCE);
        start_daemon();
        stop_daemon();
        pass(3 * USEC_PER_HOUR + 20 * USEC_PER_MINUTE);
        start_daemon();
        live_until(JANUARY_2026 + 4 * USEC_PER_HOUR + USEC_PER_MINUTE, &seed);
        for (unsigned i = 0; i < 20; i++)
                assert_int_equal(w.accounts[i].n_catch_up + w.accounts[i].n_due, 2);
}

/* The daemon starts within AccuracySec= of a time, or a moment after it. */
static void test_start_near_a_time(void **state) {
        for (unsigned i = 0; i < 2; i++) {
                Account *a;

                teardown(NULL);
                setup(NULL);
                w.ramp = 30 * USEC_PER_SEC;
                a = one_calendar("hourly", CATCH_UP_NONE);
                w.jobs[0]->def->rare->timer.accuracy = i == 0 ? USEC_PER_MINUTE : 1;
                start_daemon();
                stop_daemon();
                pass(USEC_PER_HOUR + 2 * USEC_PER_SEC);
                start_daemon();
                if (i == 1)
                        pass(w.ramp);
                elapse(1);
                assert_int_equal(a->n_due, i == 0);
                assert_int_equal(a->n_missed, i == 1);
        }
}

/* With a delay, all of them are run, one by one, also within AccuracySec=. */
static void test_delays_are_not_folded(void **state) {
        Account *a = one_calendar("minutely", CATCH_UP_NONE);

        w.jobs[0]->def->rare->timer.accuracy = 10 * USEC_PER_MINUTE;
        w.jobs[0]->def->rare->timer.random_delay = USEC_PER_SEC;
        start_daemon();
        pass(5 * USEC_PER_MINUTE + 2 * USEC_PER_SEC);
        elapse(1);
        assert_int_equal(a->n_due, 5);
}

/* A time that lies in the future, because the clock was wrong then, keeps nothing waiting. */
static void test_stamp_of_the_future(void **state) {
        unsigned seed = 1;
        Account *a = one_calendar("hourly", CATCH_UP_ALL);

        (void)snprintf(a->key, sizeof(a->key), "OnCalendar=hourly");
        a->stamp = JANUARY_2026 + 100 * USEC_PER_DAY;
        start_daemon();
        live_until(JANUARY_2026 + USEC_PER_HOUR + USEC_PER_MINUTE, &seed);
        assert_int_equal(a->n_due, 1);
}

/* How many times an interval has passed is counted from a start, and not from an end, after which there is one. */
static void test_missed_intervals(void **state) {
        for (unsigned i = 0; i < 2; i++) {
                JobDef *def = new_def(TRIGGER_INTERVAL, "3600", NULL);
                Account *a;

                teardown(NULL);
                setup(NULL);
                def->rare->timer.interval_from = i == 0 ? INTERVAL_FROM_START : INTERVAL_FROM_END;
                def->rare->timer.catch_up = CATCH_UP_NONE;
                (void)add_job(def);
                a = &w.accounts[0];
                start_daemon();
                pass(3 * USEC_PER_HOUR + 20 * USEC_PER_MINUTE);
                elapse(1);
                assert_int_equal(a->n_missed, i == 0 ? 3 : 1);
                assert_true(a->since == JANUARY_2026 + USEC_PER_HOUR);
                elapse(0);
                /* It counts from there after a restart, too. */
                stop_daemon();
                pass(USEC_PER_MINUTE);
                start_daemon();
                assert_true(w.jobs[0]->next ==
                            JANUARY_2026 + (i == 0 ? 4 * USEC_PER_HOUR : 4 * USEC_PER_HOUR + 20 * USEC_PER_MINUTE));
        }
}

/* By a run that somebody asked for: from its start or its end on, over a restart. What is counted from a date stays.
 */
static void test_restarted_intervals(void **state) {
        for (unsigned i = 0; i < 3; i++) {
                JobDef *def = new_def(TRIGGER_INTERVAL, "3600", NULL);
                usec_t stamp;

                teardown(NULL);
                setup(NULL);
                def->rare->timer.interval_from = i == 1 ? INTERVAL_FROM_END : INTERVAL_FROM_START;
                if (i == 2)
                        def->rare->timer.anchor = JANUARY_2026;
                (void)add_job(def);
                start_daemon();
                stamp = w.accounts[0].stamp;
                pass(USEC_PER_HOUR / 2);
                assert_int_equal(schedule_job_started(w.schedule, w.jobs[0], w.now), i != 1);
                assert_int_equal(schedule_job_ended(w.schedule, w.jobs[0], true, w.now), i == 1);
                assert_int_equal(w.accounts[0].stamp == stamp, i == 2);
                stop_daemon();
                pass(USEC_PER_MINUTE);
                start_daemon();
                assert_true(w.jobs[0]->next == JANUARY_2026 + (i == 2 ? 60 : 90) * USEC_PER_MINUTE);
        }
}

/* The new length counts after a restart, too; and when the job is back after it was gone. */
static void test_edit_interval_over_restart(void **state) {
        unsigned seed = 1;
        Account *a;

        (void)add_job(new_def(TRIGGER_INTERVAL, "86400", NULL));
        a = &w.accounts[0];
        start_daemon();
        live_until(JANUARY_2026 + 5 * USEC_PER_HOUR, &seed);
        job_def_unref(w.jobs[0]->def);
        w.jobs[0]->def = new_def(TRIGGER_INTERVAL, "7200", NULL);
        set_job(0);
        stop_daemon();
        pass(USEC_PER_HOUR / 2);
        start_daemon();
        assert_true(w.jobs[0]->next == JANUARY_2026 + 6 * USEC_PER_HOUR);
        schedule_remove_job(w.schedule, w.jobs[0]);
        pass(6 * USEC_PER_HOUR);
        set_job(0);
        elapse(0);
        assert_int_equal(a->n_due + a->n_missed + a->n_catch_up, 0);
        assert_true(w.jobs[0]->next == JANUARY_2026 + 12 * USEC_PER_HOUR);
}

/* A moment that was dealt with late is said to have been when it was; that of a forgotten run is not dealt with again.
 */
static void test_moment_that_is_late(void **state) {
        unsigned seed = 1;

        (void)add_job(new_def(TRIGGER_BOOT, "1200", NULL));
        start_daemon();
        pass(USEC_PER_HOUR);
        elapse(1);
        assert_true(w.accounts[0].last == JANUARY_2026 + 200 * USEC_PER_SEC);
        teardown(NULL);
        setup(NULL);
        (void)add_job(new_def(TRIGGER_BOOT, "1200", NULL));
        start_daemon();
        stop_daemon();
        pass(USEC_PER_HOUR);
        start_daemon();
        assert_int_equal(schedule_note_occurred(w.schedule, w.jobs[0], JANUARY_2026 + 210 * USEC_PER_SEC, w.now),
                         RUN_TRIGGER_NONE);
        assert_int_equal(schedule_note_occurred(w.schedule, w.jobs[0], JANUARY_2026 + 200 * USEC_PER_SEC, w.now), 0);
        stop_daemon();
        start_daemon();
        live_until(w.now.realtime + USEC_PER_MINUTE, &seed);
        assert_int_equal(w.accounts[0].n_due, 0);
}

/* So many in a short time that a window which contains any contains too many. */
static void test_look_back_at_bursts(void **state) {
        JobDef *def = new_def(TRIGGER_CALENDAR, "*-*-* 00:*:*", NULL);
        usec_t list[2];
        uint64_t total;
        bool exact;
        size_t n;

        (void)add_job(def);
        plan_last(def, def->triggers, 0, JANUARY_2026 + 12 * USEC_PER_HOUR, list, ELEMENTSOF(list), &n, &total,
                  &exact);
        assert_int_equal(n, 2);
        assert_true(list[1] == JANUARY_2026 + 3599 * USEC_PER_SEC);
        assert_true(list[0] == list[1] - USEC_PER_SEC);
        assert_true(total >= PLAN_COUNT_MAX && total < UINT64_C(8) * PLAN_COUNT_MAX);
        assert_false(exact);
        plan_last(def, def->triggers, JANUARY_2026, JANUARY_2026 + 9 * USEC_PER_SEC, NULL, 0, &n, &total, &exact);
        assert_int_equal(n, 0);
        assert_int_equal(total, 9);
        assert_true(exact);
}

/* An update of the daemon moves no delay and no moment of a ramp. */
static void test_chance_stays(void **state) {
        assert_true(plan_spread(4711, "job", UINT64_C(1) << 32) == UINT64_C(584706471));
        assert_true(plan_spread(0, "", UINT64_C(1) << 32) == 0);
        assert_true(plan_spread(1, "a", UINT64_MAX) == UINT64_C(7625569042625062138));
}

/* --- a year --- */

static const char *const zones[] = { NULL,           "Europe/Oslo",      "America/New_York", "Australia/Lord_Howe",
                                     "Asia/Kolkata", "Africa/Casablanca" };

/* A random job with some occurrences a day. */
static void add_random_job(unsigned *seed) {
        const char *zone = zones[(unsigned)rand_r(seed) % ELEMENTSOF(zones)];
        unsigned kind = (unsigned)rand_r(seed) % 8, hour = (unsigned)rand_r(seed) % 24,
                 minute = (unsigned)rand_r(seed) % 60, n = 1 + (unsigned)rand_r(seed) % 9;
        TriggerType type = kind < 4 ? TRIGGER_CALENDAR : kind < 6 ? TRIGGER_CRON : TRIGGER_INTERVAL;
        char text[64];
        JobDef *def;

        switch (kind) {
        case 0:
                (void)snprintf(text, sizeof(text), "*-*-* %02u:%02u", hour, minute);
                break;
        case 1:
                (void)snprintf(text, sizeof(text), "*-*-* 0/%u:%02u:30", n, minute);
                break;
        case 2:
                (void)snprintf(text, sizeof(text), "Mon..Fri *-*-* %02u,02:%02u", hour, minute);
                break;
        case 3:
                (void)snprintf(text, sizeof(text), "*-*~%02u..%02u %02u:%02u", n, n, hour, minute);
                break;
        case 4:
                (void)snprintf(text, sizeof(text), "%u */%u * * *", minute, n);
                break;
        case 5:
                (void)snprintf(text, sizeof(text), "%u %u 1,15 * 1", minute, hour);
                break;
        default:
                (void)snprintf(text, sizeof(text), "%u", 3600 * n + 17 * minute);
                break;
        }
        def = new_def(type, text, zone);
        if (kind == 7)
                def->rare->timer.anchor = JANUARY_2026 - USEC_PER_DAY * n;
        def->rare->timer.catch_up = (CatchUp)((unsigned)rand_r(seed) % _CATCH_UP_MAX);
        def->rare->timer.dst = (DstPolicy){
                .gap = (DstGap)((unsigned)rand_r(seed) % _DST_GAP_MAX),
                .overlap = (DstOverlap)((unsigned)rand_r(seed) % _DST_OVERLAP_MAX),
        };
        if (rand_r(seed) % 4 == 0)
                def->rare->timer.random_delay = (usec_t)minute * USEC_PER_MINUTE / 2;
        (void)add_job(def);
}

static unsigned the_seed(void) {
        const char *e = getenv("VAKT_SEED");
        unsigned seed = e ? (unsigned)strtoul(e, NULL, 10) : (unsigned)(now_realtime() % 1000000);

        printf("# VAKT_SEED=%u\n", seed);
        return seed;
}

static void test_quiet_year(void **state) {
        unsigned seed = the_seed();
        uint64_t n = 0;

        for (unsigned i = 0; i < JOBS_MAX; i++)
                add_random_job(&seed);
        start_daemon();
        live_until(JANUARY_2026 + 365 * USEC_PER_DAY, &seed);
        check_accounts();
        for (size_t i = 0; i < w.n_jobs; i++) {
                /* Nothing happened: nothing was missed, unless a delay let one overtake another. */
                if (w.jobs[i]->def->rare->timer.random_delay == 0)
                        assert_int_equal(w.accounts[i].n_missed + w.accounts[i].n_catch_up, 0);
                n += w.accounts[i].n_due;
        }
        printf("# %" PRIu64 " runs\n", n);
        assert_true(n > 100 * JOBS_MAX);
}

static void disturb(unsigned *seed) {
        usec_t span = (usec_t)rand_r(seed) % (5 * USEC_PER_HOUR) + 1;
        Job *job = w.jobs[(unsigned)rand_r(seed) % w.n_jobs];

        switch (rand_r(seed) % 6) {
        case 0: /* down */
                stop_daemon();
                pass(span);
                start_daemon();
                break;
        case 1: /* rebooted */
                stop_daemon();
                pass(span);
                w.now.boottime = USEC_PER_SEC;
                w.n_boots++;
                start_daemon();
                break;
        case 2: /* asleep */
                pass(span);
                break;
        case 3: /* set forward, */
        case 4: /* or back */
                w.now.realtime += rand_r(seed) % 2 ? span : -span;
                for (size_t i = 0; i < w.n_jobs; i++)
                        schedule_replan_job(w.schedule, w.jobs[i], w.now);
                break;
        case 5:
                job->paused = !job->paused;
                if (job->paused)
                        assert_int_equal(schedule_set_job(w.schedule, job, w.now), 0);
                else
                        schedule_resume_job(w.schedule, job, w.now);
                break;
        }
}

static void test_wild_year(void **state) {
        unsigned seed = the_seed();

        w.ramp = 30 * USEC_PER_SEC;
        for (unsigned i = 0; i < JOBS_MAX / 4; i++)
                add_random_job(&seed);
        start_daemon();
        while (w.now.realtime < JANUARY_2026 + 365 * USEC_PER_DAY) {
                live_until(w.now.realtime + (usec_t)rand_r(&seed) % (8 * USEC_PER_HOUR), &seed);
                disturb(&seed);
        }
        /* Whatever was held back comes out. */
        for (size_t i = 0; i < w.n_jobs; i++) {
                w.jobs[i]->paused = false;
                schedule_resume_job(w.schedule, w.jobs[i], w.now);
        }
        live_until(w.now.realtime + USEC_PER_DAY, &seed);
        check_accounts();
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_first_start_fires_nothing),
                TEST(test_down),
                TEST(test_first_missed),
                TEST(test_next_of_what_is_not_made_up_for),
                TEST(test_ramp_over_restarts),
                TEST(test_found),
                TEST(test_found_moment),
                TEST(test_edit),
                TEST(test_edit_interval),
                TEST(test_interval_over_restart),
                TEST(test_interval_from_end),
                TEST(test_interval_from_success),
                TEST(test_interval_that_was_kept_waiting),
                TEST(test_anchor),
                TEST(test_anchor_in_the_hour_that_comes_twice),
                TEST(test_anchor_around_changes_of_the_clock),
                TEST(test_clock_set_back),
                TEST(test_clock_that_catches_up),
                TEST(test_clock_that_is_put_right),
                TEST(test_pause),
                TEST(test_occurrences_of_one_window),
                TEST(test_moments),
                TEST(test_except),
                TEST(test_except_of_many),
                TEST(test_random_delay),
                TEST(test_random_delay_of_an_interval),
                TEST(test_many_behind_a_delay),
                TEST(test_look_back),
                TEST(test_the_last_one_is_late),
                TEST(test_preview),
                TEST(test_spans_without_end),
                TEST(test_without_memory),
                TEST(test_preview_of_several),
                TEST(test_removed),
                TEST(test_wake_system),
                TEST(test_set_back_in_the_ramp),
                TEST(test_edit_in_the_ramp),
                TEST(test_ramp_while_running),
                TEST(test_ramp_ends_with_the_next),
                TEST(test_start_near_a_time),
                TEST(test_delays_are_not_folded),
                TEST(test_stamp_of_the_future),
                TEST(test_missed_intervals),
                TEST(test_restarted_intervals),
                TEST(test_edit_interval_over_restart),
                TEST(test_moment_that_is_late),
                TEST(test_look_back_at_bursts),
                TEST(test_chance_stays),
                TEST(test_quiet_year),
                TEST(test_wild_year),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
