/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Monitors of real jobs on a clock of their own, with probes that say what the test wants: what is asked for, what a
 * run is told, and what a restart, a reload and a pause at any moment change about that: nothing. */

#include "condition-fixture.h"

#include <sys/stat.h>

#include "core/manager-body.h"
#include "ledger/ledger-internal.h"
#include "trigger/monitor-state.h"

/* What is over is cleared at once. */
#define MONITOR "[Monitor]\nClearForSec=0\n"

/* --- set, held, cleared --- */

static void disk_free(int64_t percent) {
        fake_probe_set("disk-free /var", percent * 10000, 1000000);
        settle();
}

static void test_set_held_cleared(void **state) {
        write_job("disk", MONITOR "When=disk-free /var < 10%\nForSec=1min\nClear=disk-free /var > 15%\n"
                                  "OnClear=fine\n[Run]\nShell=clean\n");
        write_job("fine", "[Run]\nShell=tell\n");
        start();
        assert_string_equal(monitor_state("disk"), "unknown");
        disk_free(30);
        assert_string_equal(monitor_state("disk"), "ok");
        disk_free(9);
        assert_string_equal(monitor_state("disk"), "pending");
        assert_non_null(strstr(why("disk"), "monitor: Its monitor is pending: disk-free /var is 9% "));
        assert_non_null(strstr(why("disk"), "; true since Tue 2030-01-01 00:00:00 UTC.\n"));
        assert_non_null(strstr(why("disk"), "monitor: It is raised once that has been true for 1min (ForSec=).\n"));
        advance(MINUTES - 1);
        assert_int_equal(count_runs("disk"), 0);
        advance(10 * USEC_PER_MSEC);
        assert_string_equal(monitor_state("disk"), "raised");
        assert_int_equal(job_state(job("disk")), JOB_RUNNING);
        assert_int_equal(count_cause("disk", RUN_CAUSE_MONITOR), 1);
        assert_string_equal(variable("VAKT_CAUSE"), "monitor");
        assert_string_equal(variable("VAKT_SUBJECT"), "/var");
        assert_string_equal(variable("VAKT_LIMIT"), "10%");
        assert_non_null(strstr(variable("VAKT_VALUE"), "9%"));
        assert_string_equal(variable("VAKT_CONDITION"), "disk-free /var < 10%");
        assert_string_equal(variable("VAKT_SINCE"), "2030-01-01T00:00:00Z");
        assert_string_equal(variable("VAKT_COUNT"), "1");

        advance(HOURS);
        disk_free(12); /* between the marks */
        assert_string_equal(monitor_state("disk"), "clearing");
        assert_string_equal(job_state_to_string(job_state(job("disk"))), "raised"); /* as "vaktctl list" shows it */
        restart();
        assert_int_equal(job_state(job("disk")), JOB_RAISED);
        disk_free(8);
        advance(HOURS);
        assert_int_equal(count_runs("disk"), 1);
        assert_int_equal(count_runs("fine"), 0);
        disk_free(16);
        assert_string_equal(monitor_state("disk"), "ok");
        assert_int_equal(job_state(job("disk")), JOB_WAITING);
        assert_int_equal(count_cause("fine", RUN_CAUSE_CHAIN), 1);
        assert_string_equal(newest("fine").parent_job, "disk");
        advance(HOURS);
        assert_int_equal(count_runs("disk") + count_runs("fine"), 2);
}

/* Of a pattern, a run is told which one it was. */
static void test_pattern(void **state) {
        write_job("j", MONITOR "When=unit *.service is failed\n[Run]\nShell=x\n");
        start();
        fake_probe_set_of("unit *.service is failed", "one.service");
        settle();
        assert_string_equal(variable("VAKT_SUBJECT"), "one.service");
        assert_non_null(strstr(monitor_message("j"), "unit *.service is failed: yes (one.service); raised since"));
}

/* An hour, a change each ten seconds: once with two marks, and never where it does not hold long enough. */
static void test_dancing(void **state) {
        write_job("marks", MONITOR "When=load1 > 8\nClear=load1 < 4\n[Run]\nShell=x\n");
        write_job("held", MONITOR "When=load1 > 8\nForSec=1min\n[Run]\nShell=x\n");
        write_job("each", MONITOR "When=load1 > 8\n[Run]\nShell=x\nOverlap=parallel\nMaxParallel=1000\n");
        start();
        for (unsigned i = 0; i < 360; i++) {
                set("load1", i % 2 ? 7900 : 8100);
                advance(10 * USEC_PER_SEC);
        }
        assert_int_equal(count_runs("marks"), 1);
        assert_int_equal(count_runs("held"), 0);
        assert_int_equal(count_runs("each"), 180);
        assert_string_equal(monitor_state("marks"), "clearing");
        set("load1", 3000);
        assert_string_equal(monitor_state("marks"), "ok");
}

/* How often it became true meanwhile is told to the next run. */
static void test_count(void **state) {
        write_job("j", MONITOR "When=load1 > 8\nClear=load1 < 4\nEverySec=1h\n[Run]\nShell=x\n");
        start();
        for (unsigned i = 0; i < 20; i++) {
                set("load1", 9000);
                set("load1", 5000);
        }
        restart();
        advance(HOURS + USEC_PER_SEC);
        assert_int_equal(count_runs("j"), 2);
        assert_string_equal(variable("VAKT_COUNT"), "20");
}

/* Without any other key, a service that fails twenty times in a minute is one alarm, that is over once, and what comes
 * back within a minute belongs to it; also over restarts, which neither begin that minute anew nor end it. */
static void test_comes_back(void **state) {
        static const char flaps[] = "unit flaps.service is failed";

        write_job("j", "[Monitor]\nWhen=unit flaps.service is failed\nOnClear=c\n[Run]\nShell=x\n");
        write_job("c", "[Run]\nShell=x\n");
        start();
        for (unsigned i = 0; i < 20; i++) {
                set(flaps, 1);
                assert_int_equal(count_runs("j"), 1); /* at once */
                set(flaps, 0);
                advance(3 * USEC_PER_SEC);
        }
        assert_non_null(
                strstr(monitor_message("j"), ", true 20 times, until it has been over for 1min (ClearForSec=)"));
        restart();
        advance(50 * USEC_PER_SEC);
        assert_string_equal(monitor_state("j"), "clearing");
        set(flaps, 1);
        advance(HOURS);
        assert_non_null(strstr(monitor_message("j"), ", true 21 times"));
        set(flaps, 0);
        restart();
        advance(30 * USEC_PER_SEC);
        restart();
        advance(29 * USEC_PER_SEC);
        assert_int_equal(count_runs("j") + count_runs("c"), 1);
        advance(2 * USEC_PER_SEC);
        assert_string_equal(monitor_state("j"), "ok");
        assert_int_equal(count_runs("c"), 1);
        advance(HOURS);
        set(flaps, 1);
        assert_int_equal(count_runs("j"), 2);
        assert_string_equal(variable("VAKT_COUNT"), "1");
        assert_int_equal(count_runs("c"), 1);
}

static void test_again(void **state) {
        write_job("j", MONITOR "When=load1 > 8\nEverySec=1h\n[Run]\nShell=x\n");
        start();
        set("load1", 9000);
        advance(5 * HOURS + USEC_PER_SEC);
        assert_int_equal(count_runs("j"), 6);
        assert_string_equal(variable("VAKT_SINCE"), "2030-01-01T00:00:00Z");
        advance(HOURS / 2);
        restart();
        advance(HOURS / 2 - 2 * USEC_PER_SEC);
        assert_int_equal(count_runs("j"), 6);
        advance(2 * USEC_PER_SEC);
        assert_int_equal(count_runs("j"), 7);
        set("load1", 1000);
        advance(5 * HOURS);
        assert_int_equal(count_runs("j"), 7);
}

/* --- restarts --- */

/* Nothing twice, nothing lost, whatever it is at and whatever holds afterwards. */
static void test_restart_at_each_state(void **state) {
        write_job("j", MONITOR "When=load1 > 8\nClear=load1 < 4\nForSec=10min\nOnClear=c\n[Run]\nShell=x\n");
        write_job("c", "[Run]\nShell=x\n");
        start();
        set("load1", 1000);
        restart();
        assert_string_equal(monitor_state("j"), "ok");

        set("load1", 9000);
        advance(5 * MINUTES);
        restart(); /* what was held until now counts */
        assert_string_equal(monitor_state("j"), "pending");
        advance(5 * MINUTES - USEC_PER_SEC);
        assert_int_equal(count_runs("j"), 0);
        advance(USEC_PER_SEC + 10 * USEC_PER_MSEC);
        assert_int_equal(count_runs("j"), 1);

        restart();
        assert_string_equal(monitor_state("j"), "raised");
        set("load1", 5000);
        restart();
        assert_string_equal(monitor_state("j"), "clearing");
        advance(HOURS);
        assert_int_equal(count_runs("j") + count_runs("c"), 1);

        stop();
        fake_probe_set("load1", 1000, 0); /* while nobody looked */
        start();
        assert_int_equal(count_runs("c"), 1);
        restart();
        advance(HOURS);
        assert_int_equal(count_runs("j") + count_runs("c"), 2);
}

/* What held before and does not hold any more starts anew. */
static void test_pending_that_is_over(void **state) {
        write_job("j", MONITOR "When=load1 > 8\nForSec=10min\n[Run]\nShell=x\n");
        start();
        set("load1", 9000);
        advance(9 * MINUTES);
        stop();
        fake_probe_set("load1", 1000, 0);
        start();
        set("load1", 9000);
        advance(9 * MINUTES);
        assert_int_equal(count_runs("j"), 0);
        /* The daemon was down when the time was over. */
        stop();
        fake_clock_advance(HOURS);
        start();
        assert_int_equal(count_runs("j"), 1);
        assert_string_equal(monitor_state("j"), "raised");
}

/* Until the first reading it is as it was. */
static void test_restart_without_a_reading(void **state) {
        write_job("j", MONITOR "When=load1 > 8\nOnClear=c\n[Run]\nShell=x\n");
        write_job("c", "[Run]\nShell=x\n");
        start();
        set("load1", 9000);
        stop();
        fake_probe_forget();
        start();
        advance(30 * USEC_PER_SEC);
        assert_string_equal(monitor_state("j"), "raised");
        assert_int_equal(count_runs("j"), 1);
        assert_int_equal(count_runs("c"), 0);
        set("load1", 9000);
        assert_int_equal(count_runs("j") + count_runs("c"), 1);
}

/* How often it became true goes on where it was, also with what it becomes after the restart. */
static void test_restart_goes_on_counting(void **state) {
        write_job("j", MONITOR "When=load1 > 8\nClear=load1 < 4\n[Run]\nShell=x\n");
        write_job("over", MONITOR "When=load1 > 8\nClear=load1 < 6\nClearForSec=1h\n[Run]\nShell=x\n");
        start();
        set("load1", 9000);
        set("load1", 5000);
        set("load1", 9000);
        stop();
        fake_probe_forget();
        start();
        assert_non_null(strstr(monitor_message("j"), ", true 2 times"));
        set("load1", 5000);
        stop();
        fake_probe_forget();
        start();
        set("load1", 9000);
        assert_non_null(strstr(monitor_message("over"), ", true 3 times"));
}

/* A time in which it was unknown, and which nobody was told of, does not outlive a restart. */
static void test_restart_while_unknown(void **state) {
        write_job("j", MONITOR "When=load1 > 8\nForSec=1min\n[Run]\nShell=x\n");
        start();
        set("load1", 1000);
        set_unknown("load1", "It cannot be read.");
        advance(MONITOR_UNKNOWN_MIN_USEC / 2);
        restart();
        advance(MONITOR_UNKNOWN_MIN_USEC - USEC_PER_SEC);
        assert_int_equal(f.n_raised, 0);
        advance(2 * USEC_PER_SEC);
        assert_int_equal(f.n_raised, 1);
        restart();
        set("load1", 9000);
        assert_string_equal(monitor_state("j"), "pending");
        assert_int_equal(f.n_cleared, 1);
        /* And of one that comes by a reload, and of which nothing was ever known. */
        write_job("k", MONITOR "When=load15 > 8\n[Run]\nShell=x\n");
        reload();
        advance(MONITOR_UNKNOWN_MIN_USEC + USEC_PER_SEC);
        assert_int_equal(f.n_raised, 2);
}

/* One of several readings takes its time after each start: what is cleared by another one alone would be raised again
 * once it is there. */
static void test_restart_with_half_a_reading(void **state) {
        write_job("j", MONITOR "When=load1 > 8 or load15 > 8\nClear=load1 < 4\nOnClear=c\n[Run]\nShell=x\n");
        write_job("c", "[Run]\nShell=x\n");
        start();
        set("load1", 1000);
        set("load15", 9000);
        assert_int_equal(count_runs("j"), 1);
        stop();
        fake_probe_forget();
        start();
        set("load1", 1000);
        assert_string_equal(monitor_state("j"), "raised");
        set("load15", 9000);
        assert_int_equal(count_runs("j"), 1);
        assert_int_equal(count_runs("c"), 0);
        set("load15", 1000);
        assert_string_equal(monitor_state("j"), "ok");
        assert_int_equal(count_runs("c"), 1);
}

/* A damaged one is replaced, without the stamps that lie in the future. */
static void test_ledger_is_replaced(void **state) {
        write_job("j", MONITOR "When=load1 > 8\n[Run]\nShell=x\n");
        start();
        set("load1", 9000);
        advance(HOURS);
        ledger_error(f.m->ledger, -EBADMSG); /* the second time it is believed */
        ledger_error(f.m->ledger, -EBADMSG);
        assert_int_equal(f.m->ledger->n_replaced, 1);
        restart();
        assert_string_equal(monitor_state("j"), "raised");
        assert_int_equal(count_cause("j", RUN_CAUSE_MONITOR), 0); /* what was over is not saved */
}

/* A directory stands in the place of the database. */
static void take_ledger_away(bool away) {
        char path[128], aside[128];

        (void)snprintf(path, sizeof(path), "%s/" LEDGER_FILE, f.directory);
        (void)snprintf(aside, sizeof(aside), "%s/aside", f.directory);
        if (away) {
                assert_int_equal(rename(path, aside), 0);
                assert_int_equal(mkdir(path, 0700), 0);
        } else {
                assert_int_equal(rmdir(path), 0);
                assert_int_equal(rename(aside, path), 0);
        }
}

static void start_without_ledger(void) {
        take_ledger_away(true);
        start();
        take_ledger_away(false);
}

static void read_ledger(void) {
        assert_int_equal(ledger_retry(f.m->ledger), 0);
        settle();
}

/* What stands in it counts once it can be read. */
static void test_ledger_is_unreadable(void **state) {
        write_job("j", MONITOR "When=load1 > 8\nForSec=10min\nOnClear=c\n[Run]\nShell=x\n");
        write_job("c", "[Run]\nShell=x\n");
        start();
        set("load1", 9000);
        advance(5 * MINUTES);
        for (unsigned i = 0; i < 2; i++) {
                stop();
                if (i == 0)
                        fake_probe_forget(); /* else it is seen before the ledger can be read */
                start_without_ledger();
                advance(USEC_PER_SEC);
                read_ledger();
                set("load1", 9000);
                assert_string_equal(monitor_state("j"), "pending");
        }
        advance(7 * MINUTES);
        assert_int_equal(count_runs("j"), 1);
        for (unsigned i = 0; i < 2; i++) {
                stop();
                if (i == 0)
                        fake_probe_forget();
                start_without_ledger();
                advance(USEC_PER_SEC);
                read_ledger();
                set("load1", 9000);
                advance(20 * MINUTES);
                assert_string_equal(monitor_state("j"), "raised");
                assert_int_equal(count_runs("j"), 1);
        }
        restart();
        assert_string_equal(monitor_state("j"), "raised");
        stop();
        fake_probe_set("load1", 1000, 0);
        start_without_ledger();
        assert_int_equal(count_runs("c"), 0);
        read_ledger();
        assert_string_equal(monitor_state("j"), "ok");
        assert_int_equal(count_runs("c"), 1);
}

/* It is of another condition, or of none: what was seen since counts. */
static void test_ledger_is_unreadable_for_another(void **state) {
        write_job("j", MONITOR "When=load1 > 8\nOnClear=c\n[Run]\nShell=x\n");
        write_job("c", "[Run]\nShell=x\n");
        write_job("k", MONITOR "When=load1 > 7\nForSec=10min\n[Run]\nShell=x\n");
        start();
        set("load1", 9000);
        set("load1", 1000);
        set("load1", 9000);
        advance(5 * MINUTES);
        assert_int_equal(count_runs("j"), 2);
        stop();
        write_job("j", MONITOR "When=load1 > 6\nForSec=10min\nOnClear=c\n[Run]\nShell=x\n");
        take_ledger_away(true);
        start();
        advance(9 * MINUTES);
        take_ledger_away(false);
        read_ledger();
        assert_int_equal(count_runs("k"), 1);
        assert_string_equal(monitor_state("j"), "pending");
        advance(MINUTES + USEC_PER_SEC);
        assert_int_equal(count_runs("j"), 3);
        restart();
        assert_string_equal(monitor_state("j"), "raised");
        assert_int_equal(count_runs("j"), 3);
        assert_int_equal(count_runs("c"), 1);
}

/* It is waited for, but not for ever. */
static void test_ledger_is_waited_for(void **state) {
        write_job("j", MONITOR "When=load1 > 8\n[Run]\nShell=x\n");
        start();
        set("load1", 9000);
        advance(HOURS);
        stop();
        take_ledger_away(true);
        start();
        advance(MINUTES - USEC_PER_SEC);
        assert_int_equal(count_runs("j"), 0); /* those before cannot be read */
        assert_non_null(
                strstr(why("j"), "No run has been requested for that yet, because the ledger cannot be read."));
        take_ledger_away(false);
        read_ledger();
        advance(HOURS);
        assert_int_equal(count_runs("j"), 1);

        stop();
        take_ledger_away(true);
        start();
        advance(MINUTES + USEC_PER_SEC);
        assert_int_equal(count_runs("j"), 1);
        take_ledger_away(false);
        read_ledger();
        advance(HOURS);
        assert_int_equal(count_runs("j"), 2);
        restart();
        assert_string_equal(monitor_state("j"), "raised");
        assert_int_equal(count_runs("j"), 2);
}

/* What it has and what was seen meanwhile become one state. */
static void test_ledger_is_merged(void **state) {
        write_job("pending", MONITOR "When=load1 > 8\nForSec=10min\nOnClear=c\n[Run]\nShell=x\n");
        write_job("raised", MONITOR "When=load1 > 7\nClear=load1 < 4\n[Run]\nShell=x\n");
        write_job("c", "[Run]\nShell=x\n");
        start();
        set("load1", 9000);
        advance(5 * MINUTES);
        stop();
        take_ledger_away(true);
        start();
        advance(11 * MINUTES);
        take_ledger_away(false);
        read_ledger();
        set("load1", 9100);
        assert_string_equal(monitor_state("pending"), "raised"); /* and a run was asked for */
        assert_non_null(strstr(monitor_message("raised"), "; raised since Tue 2030-01-01 00:00:00 UTC"));
        advance(HOURS);
        assert_int_equal(count_runs("pending"), 1);
        assert_int_equal(count_runs("c"), 0);
}

/* So does since when it is unknown, and whether somebody was told. */
static void test_ledger_is_merged_with_unknown(void **state) {
        write_job("told", MONITOR "When=load1 > 8\n[Run]\nShell=x\n");
        write_job("raised", MONITOR "When=load5 > 8\n[Run]\nShell=x\n");
        start();
        set("load5", 9000);
        advance(2 * MINUTES);
        assert_int_equal(f.n_raised, 1);
        stop();
        fake_probe_forget();
        start_without_ledger();
        advance(USEC_PER_SEC);
        read_ledger();
        set("load1", 1000);
        assert_int_equal(f.n_cleared, 1);
        advance(MONITOR_UNKNOWN_MIN_USEC - 2 * USEC_PER_SEC);
        assert_int_equal(f.n_raised, 1);
        advance(3 * USEC_PER_SEC);
        assert_int_equal(f.n_raised, 2);
        set("load5", 9000);
        assert_int_equal(f.n_cleared, 2);
}

static bool has_no_room;

int __real_ledger_set_stamp(Ledger *l, const char *job, const char *key, usec_t usec);
int __wrap_ledger_set_stamp(Ledger *l, const char *job, const char *key, usec_t usec);
int __wrap_ledger_set_stamp(Ledger *l, const char *job, const char *key, usec_t usec) {
        return has_no_room ? -ENOBUFS : __real_ledger_set_stamp(l, job, key, usec);
}

/* What could not be saved is saved with the next change. */
static void test_ledger_has_no_room(void **state) {
        write_job("j", MONITOR "When=load1 > 8\nClear=load1 < 4\nForSec=5min\n[Run]\nShell=x\n");
        start();
        set("load1", 9000);
        has_no_room = true;
        advance(HOURS);
        has_no_room = false;
        set("load1", 5000);
        restart();
        assert_string_equal(monitor_state("j"), "clearing");
        set("load1", 9000);
        advance(HOURS);
        assert_int_equal(count_runs("j"), 1);
        set("load1", 1000);

        has_no_room = true;
        set("load1", 9000);
        advance(HOURS);
        assert_int_equal(count_runs("j"), 2);
        has_no_room = false;
        set("load1", 5000);
        restart();
        assert_string_equal(monitor_state("j"), "clearing");
}

static void test_ledger_has_no_room_for_the_count(void **state) {
        write_job("j", MONITOR "When=load1 > 8\nClear=load1 < 4\nEverySec=1h\n[Run]\nShell=x\n");
        start();
        set("load1", 9000);
        set("load1", 5000);
        has_no_room = true;
        set("load1", 9000);
        has_no_room = false;
        set("load1", 5000);
        restart();
        advance(HOURS + USEC_PER_SEC);
        assert_int_equal(count_runs("j"), 2);
        assert_string_equal(variable("VAKT_COUNT"), "2");
}

int __real_runs_request(Manager *m, Job *j, const RunRequest *request, RunPayload **payload, uint64_t *ret_id);
int __wrap_runs_request(Manager *m, Job *j, const RunRequest *request, RunPayload **payload, uint64_t *ret_id);

static bool is_refused;

int __wrap_runs_request(Manager *m, Job *j, const RunRequest *request, RunPayload **payload, uint64_t *ret_id) {
        return is_refused ? -ENOMEM : __real_runs_request(m, j, request, payload, ret_id);
}

/* It is tried again until it can be asked for, the first time and each later one. */
static void test_request_fails(void **state) {
        write_job("j", MONITOR "When=load1 > 8\n[Run]\nShell=x\n");
        write_job("k", MONITOR "When=load5 > 8\nEverySec=1h\n[Run]\nShell=x\n");
        start();
        is_refused = true;
        set("load1", 9000);
        assert_non_null(strstr(why("j"), "No run has been requested for that yet."));
        advance(10 * USEC_PER_SEC);
        assert_int_equal(count_runs("j"), 0);
        is_refused = false;
        advance(1100 * USEC_PER_MSEC);
        assert_int_equal(count_runs("j"), 1);
        set("load5", 9000);
        advance(HOURS - USEC_PER_SEC);
        is_refused = true;
        advance(2 * USEC_PER_SEC);
        assert_null(strstr(why("k"), "No run has been requested"));
        assert_int_equal(count_runs("k"), 1);
        is_refused = false;
        advance(1100 * USEC_PER_MSEC);
        assert_int_equal(count_runs("k"), 2);
}

/* A clock that is set is no reason, neither forward nor back. */
static void test_clock_is_set(void **state) {
        write_job("j", MONITOR "When=load1 > 8\nForSec=10min\n[Run]\nShell=x\n");
        start();
        set("load1", 9000);
        fake_clock_step((int64_t)(24 * HOURS));
        advance(5 * MINUTES);
        assert_int_equal(count_runs("j"), 0);
        fake_clock_step(-(int64_t)(48 * HOURS));
        advance(5 * MINUTES + USEC_PER_SEC);
        assert_int_equal(count_runs("j"), 1);
}

/* The machine sleeps, and what held before is over when it wakes up; that is known a moment later. */
static void test_sleep(void **state) {
        write_job("j", MONITOR "When=load1 > 8\nForSec=10min\n[Run]\nShell=x\n");
        start();
        set("load1", 9000);
        advance(MINUTES);
        fake_clock_suspend(HOURS);
        settle();
        set("load1", 1000);
        advance(HOURS);
        assert_int_equal(count_runs("j"), 0);
        set("load1", 9000);
        advance(MINUTES);
        fake_clock_suspend(HOURS);
        advance(10 * USEC_PER_SEC); /* and goes on */
        assert_int_equal(count_runs("j"), 1);
}

/* --- reloads --- */

static void test_reload(void **state) {
        write_job("j", MONITOR "When=load1 > 8\nForSec=10min\n[Run]\nShell=x\n");
        start();
        set("load1", 9000);
        advance(5 * MINUTES);
        reload();
        write_job("j", "[Job]\nDescription=another\n" MONITOR "When=load1 > 8\nForSec=8min\n[Run]\nShell=y\n");
        reload();
        assert_string_equal(monitor_state("j"), "pending");
        advance(3 * MINUTES + USEC_PER_SEC);
        assert_int_equal(count_runs("j"), 1);
        write_job("j", MONITOR "When=load1 > 8\nClear=load1 < 2\n[Run]\nShell=x\n");
        reload();
        reload();
        assert_string_equal(monitor_state("j"), "raised");
        assert_int_equal(count_runs("j"), 1);
        set("load1", 3000);
        assert_string_equal(monitor_state("j"), "clearing");

        /* Another condition is another monitor. */
        write_job("j", MONITOR "When=load1 > 2\nForSec=1min\n[Run]\nShell=x\n");
        reload();
        assert_string_equal(monitor_state("j"), "pending");
        advance(MINUTES + USEC_PER_SEC);
        assert_int_equal(count_runs("j"), 2);
        stop();
        write_job("j", MONITOR "When=load1 > 1\nForSec=1min\n[Run]\nShell=x\n");
        start();
        assert_string_equal(monitor_state("j"), "pending");
        advance(MINUTES + USEC_PER_SEC);
        assert_int_equal(count_runs("j"), 3);
}

static void test_disabled_and_gone(void **state) {
        static const char text[] = MONITOR "When=load1 > 8\nOnClear=c\n[Run]\nShell=x\n";

        write_job("j", text);
        write_job("c", "[Run]\nShell=x\n");
        start();
        set("load1", 9000);
        advance(2 * MINUTES);
        assert_int_equal(count_runs("j"), 1);
        remove_job("j");
        reload();
        assert_int_equal(fake_probe_n(), 0);
        write_job("j", text); /* as a package does that is upgraded */
        reload();
        assert_string_equal(monitor_state("j"), "raised");
        assert_int_equal(count_runs("j"), 1);

        write_job("j", "[Job]\nEnabled=no\n" MONITOR "When=load1 > 8\n[Run]\nShell=x\n");
        reload();
        assert_int_equal(fake_probe_n(), 0);
        write_job("j", text);
        reload();
        assert_int_equal(count_runs("j"), 2);
        advance(2 * MINUTES);

        stop();
        write_job("j", "[Run]\nShell=x\n");
        start();
        write_job("j", text);
        reload();
        assert_int_equal(count_runs("j"), 3);
        assert_int_equal(count_runs("c"), 0);
}

/* Without memory for a condition it is unknown, and says why; a reload tries again. */
static void test_no_memory_for_a_condition(void **state) {
        write_job("j", MONITOR "When=load1 > 8\nClear=load5 < 4\n[Run]\nShell=x\n");
        fake_probe_refuse(true);
        start();
        set("load1", 9000);
        assert_string_equal(monitor_state("j"), "unknown");
        assert_non_null(strstr(why("j"), "Its condition cannot be watched: Cannot allocate memory"));
        fake_probe_refuse(false);
        reload();
        assert_string_equal(monitor_state("j"), "raised");
        assert_null(strstr(why("j"), "cannot be watched"));
        set("load1", 1000);
        set("load5", 1000);
        assert_string_equal(monitor_state("j"), "ok");
}

static int count_stamp(const char *name, const char *key, usec_t usec, void *userdata) {
        *(unsigned *)userdata += startswith(key, "monitor-") != NULL;
        return 0;
}

static unsigned n_stamps(const char *name) {
        unsigned n = 0;

        assert_int_equal(ledger_list_stamps(f.m->ledger, name, count_stamp, &n), 0);
        return n;
}

/* While no daemon ran. Of what is not there any more the ledger keeps nothing, and of what may come back all. */
static void test_disabled_while_down(void **state) {
        static const char *const names[] = { "disabled", "changed", "gone", "kept" };

        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                write_job(names[i], MONITOR "When=load1 > 8\nClear=load1 < 4\n[Run]\nShell=x\n");
        start();
        set("load1", 9000);
        set("load1", 5000);
        set("load1", 9000);
        set_unknown("load1", "It cannot be read.");
        advance(HOURS);
        assert_int_equal(f.n_raised, 4);
        stop();
        write_job("disabled", "[Job]\nEnabled=no\n" MONITOR "When=load1 > 8\n[Run]\nShell=x\n");
        write_job("changed", "[Run]\nShell=x\n");
        remove_job("gone");
        fake_probe_forget();
        start();
        assert_int_equal(n_stamps("disabled") + n_stamps("changed"), 0);
        assert_int_equal(f.n_cleared, 2);
        assert_int_equal(n_stamps("gone"), n_stamps("kept"));
        assert_int_equal(n_stamps("kept"), 6);
        assert_null(strstr(why("disabled"), "It has no trigger"));
        assert_non_null(strstr(why("changed"), "It has no trigger"));
}

/* Nor is it raised any more for those who list jobs; one that is cleared is as if it had never been raised. */
static void test_disabled_is_not_raised(void **state) {
        write_job("j", MONITOR "When=load1 > 8\n[Run]\nShell=x\n");
        start();
        set("load1", 9000);
        advance(HOURS);
        assert_int_equal(job_state(job("j")), JOB_RAISED);
        set("load1", 1000);
        assert_int_equal(job_state(job("j")), JOB_WAITING);
        assert_int_equal(n_stamps("j"), 0);
        set("load1", 9000);
        advance(HOURS);
        write_job("j", "[Run]\nShell=x\n");
        reload();
        assert_int_equal(job_state(job("j")), JOB_WAITING);
        assert_int_equal(n_stamps("j"), 0);
}

/* --- the ledger lost it --- */

static void find_run(const char *name, RunCause cause, usec_t requested) {
        RunRecord r = { .job = name, .cause = cause, .requested = requested, .trigger = RUN_TRIGGER_NONE };

        TELL_TRIGGERS(f.m, run_found, job(name), &r);
}

/* A run of which only the service manager knows says that the monitor was raised, and when. */
static void test_run_is_found(void **state) {
        write_job("j", MONITOR "When=load1 > 8\nClear=load1 < 4\nEverySec=1h\n[Run]\nShell=x\n");
        write_job("k", MONITOR "When=load1 > 8\nForSec=20min\nEverySec=1h\n[Run]\nShell=x\n");
        write_job("plain", "[Run]\nShell=x\n");
        start();
        advance(30 * MINUTES);
        find_run("j", RUN_CAUSE_MANUAL, fake_clock.realtime);
        find_run("plain", RUN_CAUSE_MONITOR, fake_clock.realtime);
        assert_string_equal(monitor_state("j"), "unknown");
        find_run("j", RUN_CAUSE_MONITOR, fake_clock.realtime - 10 * MINUTES);
        assert_int_equal(job_state(job("j")), JOB_RAISED);
        assert_non_null(strstr(monitor_message("j"), "; raised since Tue 2030-01-01 00:20:00 UTC"));
        find_run("j", RUN_CAUSE_MONITOR, fake_clock.realtime - 20 * MINUTES); /* an older one */
        set("load1", 9000);
        set("load1", 5000);
        set("load1", 9000);
        assert_non_null(strstr(monitor_message("j"), "; raised since Tue 2030-01-01 00:20:00 UTC, true 2 times"));
        advance(49 * MINUTES);
        assert_int_equal(count_runs("j"), 0);

        /* One that was pending goes on; of one that is raised only the time of its run counts. */
        assert_int_equal(count_runs("k"), 1);
        find_run("k", RUN_CAUSE_MONITOR, fake_clock.realtime);
        find_run("k", RUN_CAUSE_MONITOR, fake_clock.realtime - HOURS);
        assert_non_null(strstr(monitor_message("k"), "; raised since Tue 2030-01-01 00:50:00 UTC"));
        advance(2 * MINUTES);
        assert_int_equal(count_runs("j"), 1);
        assert_string_equal(variable("VAKT_SINCE"), "2030-01-01T00:20:00Z");
        advance(57 * MINUTES);
        assert_int_equal(count_runs("k"), 1);
        advance(2 * MINUTES);
        assert_int_equal(count_runs("k"), 2);
        set("load1", 1000);
        set("load1", 9000);
        advance(5 * MINUTES);
        find_run("k", RUN_CAUSE_MONITOR, fake_clock.realtime);
        assert_string_equal(monitor_state("k"), "raised");
        advance(HOURS + USEC_PER_SEC);
        assert_int_equal(count_runs("k"), 3);
        assert_string_equal(variable("VAKT_SINCE"), "2030-01-01T02:20:00Z");
}

/* --- people --- */

static void test_pause(void **state) {
        write_job("j", MONITOR "When=load1 > 8\nOnClear=c\n[Run]\nShell=x\n");
        write_job("c", "[Run]\nShell=x\n");
        start();
        set("load1", 1000);
        assert_int_equal(manager_pause(f.m, "j"), 0);
        set("load1", 9000);
        advance(HOURS);
        assert_string_equal(monitor_state("j"), "raised");
        assert_non_null(strstr(why("j"), "No run has been requested for that yet, because the job is paused."));
        assert_int_equal(count_runs("j"), 0);
        restart();
        assert_int_equal(manager_resume(f.m, "j"), 0);
        settle();
        assert_int_equal(count_runs("j"), 1);
        assert_string_equal(variable("VAKT_SINCE"), "2030-01-01T00:00:00Z");

        /* What it clears is told of after the pause, and what both begins and ends in one is not. */
        assert_int_equal(manager_pause_all(f.m), 0);
        set("load1", 1000);
        restart();
        assert_int_equal(count_runs("c"), 0);
        assert_int_equal(manager_resume_all(f.m), 0);
        settle();
        assert_int_equal(count_runs("c"), 1);
        assert_int_equal(manager_pause(f.m, "j"), 0);
        set("load1", 9000);
        set("load1", 1000);
        assert_int_equal(manager_resume(f.m, "j"), 0);
        advance(HOURS);
        assert_int_equal(count_runs("j") + count_runs("c"), 2);
}

static void test_skip(void **state) {
        write_job("j", MONITOR "When=load1 > 8\n[Run]\nShell=x\n");
        start();
        set("load1", 1000);
        assert_int_equal(manager_skip(f.m, "j", 1), 0);
        set("load1", 9000);
        advance(HOURS);
        assert_int_equal(count_result("j", RUN_RESULT_SKIPPED), 1);
        assert_int_equal(count_runs("j"), 1);
        assert_int_equal(job("j")->skip, 0);
        set("load1", 1000);
        set("load1", 9000);
        assert_int_equal(count_runs("j"), 2);
}

/* By hand it runs as any job, and is told nothing. */
static void test_by_hand(void **state) {
        write_job("j", MONITOR "When=load1 > 8\n[Run]\nShell=x\n");
        start();
        set("load1", 9000);
        advance(HOURS);
        (void)request("j", RUN_TRIGGER_NONE);
        assert_int_equal(f.n_begun, 2);
        assert_string_equal(variable("VAKT_CAUSE"), "manual");
        assert_string_equal(variable("VAKT_VALUE"), "");
}

/* --- unknown --- */

static void test_unknown(void **state) {
        write_job("j", "[Job]\nOnAlarm=a\n" MONITOR "When=load1 > 8\nForSec=10min\nOnClear=c\n[Run]\nShell=x\n");
        write_job("a", "[Run]\nShell=x\n");
        write_job("c", "[Run]\nShell=x\n");
        start();
        set("load1", 1000);
        set_unknown("load1", "It cannot be read.");
        assert_string_equal(monitor_state("j"), "unknown");
        assert_string_equal(monitor_message("j"), "load1 is unknown: It cannot be read");
        advance(10 * MINUTES - USEC_PER_SEC);
        assert_int_equal(f.n_raised, 0);
        advance(2 * USEC_PER_SEC);
        assert_int_equal(f.n_raised, 1);
        assert_int_equal(count_runs("a"), 1);
        assert_string_equal(newest("a").alarm, "unknown");
        assert_non_null(strstr(why("j"), "load1 is unknown: It cannot be read"));
        restart();
        advance(HOURS);
        reload();
        assert_int_equal(f.n_raised, 1);
        /* A success says nothing about that. */
        (void)request("j", RUN_TRIGGER_NONE);
        advance(2 * MINUTES);
        assert_int_equal(f.n_cleared, 0);
        restart();
        set("load1", 1000);
        assert_int_equal(f.n_cleared, 1);
        set_unknown("load1", "It cannot be read.");
        advance(HOURS);
        assert_int_equal(f.n_raised, 2);
        assert_int_equal(count_runs("j"), 1);
        assert_int_equal(count_runs("c"), 0);

        /* It is another question. */
        write_job("j", MONITOR "When=load5 > 8\n[Run]\nShell=x\n");
        reload();
        assert_int_equal(f.n_cleared, 2);
        advance(MONITOR_UNKNOWN_MIN_USEC + USEC_PER_SEC); /* there is no ForSec= */
        assert_int_equal(f.n_raised, 3);
}

/* --- who watches --- */

static bool is_announced(int64_t load) {
        unsigned before = f.n_changed;

        set("load1", load);
        assert_in_range(f.n_changed - before, 0, 1);
        return f.n_changed > before;
}

/* Each change of what is shown, and nothing else. */
static void test_is_announced(void **state) {
        write_job("j", MONITOR "When=load1 > 8\nClear=load1 < 4\nForSec=5min\n[Run]\nShell=x\n");
        start();
        assert_true(is_announced(1000));
        assert_false(is_announced(2000));
        assert_true(is_announced(9000));
        assert_false(is_announced(9500));
        advance(HOURS);
        assert_string_equal(monitor_state("j"), "raised");
        assert_false(is_announced(9000));
        assert_true(is_announced(7000));
        assert_string_equal(monitor_state("j"), "clearing");
        assert_false(is_announced(6000));
        assert_true(is_announced(9000));
        assert_string_equal(monitor_state("j"), "raised");
        assert_true(is_announced(5000));
        assert_true(is_announced(1000));
        assert_string_equal(monitor_state("j"), "ok");
}

/* --- what a run is told --- */

static void test_retry_and_restart(void **state) {
        write_job("j", MONITOR "When=load1 > 8\n[Run]\nShell=x\nRetry=2\nRetryDelaySec=10min\n");
        start();
        f.runs_fail = true;
        set("load1", 9500);
        advance(2 * MINUTES);
        set("load1", 9100);
        restart();
        advance(15 * MINUTES);
        assert_int_equal(f.n_begun, 2);
        assert_int_equal(count_cause("j", RUN_CAUSE_RETRY), 2);
        assert_string_equal(variable("VAKT_CAUSE"), "retry");
        assert_string_equal(variable("VAKT_VALUE"), "9.5");
        assert_string_equal(variable("VAKT_LIMIT"), "8");
        f.runs_fail = false;
        advance(HOURS);
        assert_int_equal(f.n_begun, 3);
        assert_string_equal(variable("VAKT_VALUE"), "9.5");
        assert_int_equal(count_runs("j"), 3);
}

/* One that waits for a slot while the daemon ends, too. */
static void test_payload_of_what_waits(void **state) {
        write_job("j", MONITOR "When=load1 > 8\n[Run]\nShell=x\nPool=p\n");
        write_job("other", "[Run]\nShell=x\nPool=p\n");
        start();
        (void)request("other", RUN_TRIGGER_NONE);
        set("load1", 9500);
        restart();
        set("load1", 1000);
        assert_int_equal(f.n_begun, 1);
        advance(2 * MINUTES);
        assert_int_equal(f.n_begun, 2);
        assert_string_equal(variable("VAKT_VALUE"), "9.5");
}

static int count_blob(const char *name, const char *key, uint64_t id, const void *bytes, size_t n, void *userdata) {
        ++*(unsigned *)userdata;
        return 0;
}

/* What was measured is no file, and nothing that another run would have to deal with. */
static void test_payload_is_no_work(void **state) {
        write_job("j", MONITOR "When=load1 > 8\n[Run]\nShell=x\nRetry=1\nRetryDelaySec=30min\n");
        write_job("each", "[Path]\nPathChanged=/nowhere\nBatch=each\n" MONITOR "When=load1 > 8\n[Run]\nShell=x\n");
        start();
        f.runs_fail = true;
        set("load1", 9500);
        assert_int_equal(count_result("each", RUN_RESULT_SKIPPED), 1);
        advance(2 * MINUTES);
        f.runs_fail = false;
        assert_int_equal(newest("j").cause, RUN_CAUSE_RETRY);
        (void)request("j", RUN_TRIGGER_NONE);
        advance(2 * MINUTES);
        assert_int_equal(count_result("j", RUN_RESULT_SKIPPED), 1); /* the retry: it has succeeded meanwhile */
}

/* Nothing is left of it when the run is over, whatever else the job is triggered by. */
static void test_payload_is_forgotten(void **state) {
        unsigned n = 0;

        write_job("j",
                  MONITOR "When=load1 > 8\n[Timer]\nOnCalendar=hourly\n[Rotate]\nPath=/nowhere/*.log\nMaxSize=1M\n");
        start();
        set("load1", 9500);
        assert_int_equal(ledger_list_blobs(f.m->ledger, "j", NULL, count_blob, &n), 0);
        assert_int_equal(n, 1);
        advance(2 * MINUTES);
        assert_int_equal(count_result("j", RUN_RESULT_SUCCESS), 1);
        assert_int_equal(ledger_list_blobs(f.m->ledger, "j", NULL, count_blob, &n), 0);
        assert_int_equal(n, 1);
}

/* --- questions about jobs --- */

static void test_jobs(void **state) {
        write_job("failed", MONITOR "When=job other is failed\n[Run]\nShell=x\n");
        write_job("running", MONITOR "When=job other is running\n[Run]\nShell=x\n");
        write_job("overdue", MONITOR "When=job other is overdue\n[Run]\nShell=x\n");
        write_job("other", "[Job]\nExpectSec=1h\n[Run]\nShell=x\n");
        start();
        assert_string_equal(monitor_state("failed"), "ok");
        f.runs_fail = true;
        (void)request("other", RUN_TRIGGER_NONE);
        assert_string_equal(monitor_state("running"), "raised");
        assert_string_equal(monitor_state("failed"), "ok");
        f.runs_fail = false;
        advance(2 * MINUTES);
        assert_string_equal(monitor_state("running"), "ok");
        assert_string_equal(monitor_state("failed"), "raised");
        assert_int_equal(count_runs("failed"), 1);
        assert_string_equal(monitor_state("overdue"), "ok");
        advance(HOURS);
        assert_string_equal(monitor_state("overdue"), "raised");
        restart();
        assert_string_equal(monitor_state("overdue"), "raised");
        (void)request("other", RUN_TRIGGER_NONE);
        advance(2 * MINUTES);
        assert_string_equal(monitor_state("failed"), "ok");
        assert_string_equal(monitor_state("overdue"), "ok");
        assert_int_equal(count_runs("failed") + count_runs("overdue"), 2);
        remove_job("other");
        reload();
        assert_string_equal(monitor_state("failed"), "unknown");
        assert_string_equal(monitor_message("failed"),
                            "job other is failed is unknown: There is no job with this name");
        write_job("other", "[Run]\nShell=x\n");
        reload();
        assert_string_equal(monitor_state("failed"), "ok");
}

/* --- many --- */

static unsigned n_requests;

static int count_all(const RunRecord *r, void *userdata) {
        n_requests++;
        return 0;
}

static void test_many(void **state) {
        static const char *const questions[] = { "load1", "load5", "load15" };
        char name[32], text[256];

        for (unsigned i = 0; i < 300; i++) {
                (void)snprintf(name, sizeof(name), "m%u", i);
                (void)snprintf(text, sizeof(text), MONITOR "When=%s > 8 and load1 > 7\n[Run]\nShell=x\n",
                               questions[i % 3]);
                write_job(name, text);
        }
        start();
        assert_int_equal(fake_probe_n(), 3);
        for (unsigned i = 0; i < 3; i++)
                fake_probe_set(questions[i], 9000, 0);
        settle();
        assert_int_equal(manager_list_runs(f.m, NULL, 0, 5000, count_all, NULL), 0);
        assert_int_equal(n_requests, 300);
}

/* Two readings that change in one turn are seen together. */
static void test_no_state_in_between(void **state) {
        write_job("j", MONITOR "When=load1 > 8 and load5 < 8\n[Run]\nShell=x\n");
        start();
        fake_probe_set("load1", 1000, 0);
        fake_probe_set("load5", 1000, 0);
        settle();
        fake_probe_set("load1", 9000, 0);
        fake_probe_set("load5", 9000, 0);
        settle();
        fake_probe_set("load5", 9500, 0);
        fake_probe_set("load1", 1000, 0);
        settle();
        assert_int_equal(count_runs("j"), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, condition_setup, condition_teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_set_held_cleared),
                TEST(test_pattern),
                TEST(test_dancing),
                TEST(test_count),
                TEST(test_comes_back),
                TEST(test_again),
                TEST(test_restart_at_each_state),
                TEST(test_pending_that_is_over),
                TEST(test_restart_without_a_reading),
                TEST(test_restart_goes_on_counting),
                TEST(test_restart_while_unknown),
                TEST(test_restart_with_half_a_reading),
                TEST(test_ledger_is_replaced),
                TEST(test_ledger_is_unreadable),
                TEST(test_ledger_is_unreadable_for_another),
                TEST(test_ledger_is_waited_for),
                TEST(test_ledger_is_merged),
                TEST(test_ledger_is_merged_with_unknown),
                TEST(test_ledger_has_no_room),
                TEST(test_ledger_has_no_room_for_the_count),
                TEST(test_request_fails),
                TEST(test_clock_is_set),
                TEST(test_sleep),
                TEST(test_reload),
                TEST(test_no_memory_for_a_condition),
                TEST(test_disabled_while_down),
                TEST(test_disabled_is_not_raised),
                TEST(test_run_is_found),
                TEST(test_disabled_and_gone),
                TEST(test_pause),
                TEST(test_skip),
                TEST(test_by_hand),
                TEST(test_unknown),
                TEST(test_is_announced),
                TEST(test_retry_and_restart),
                TEST(test_payload_of_what_waits),
                TEST(test_payload_is_no_work),
                TEST(test_payload_is_forgotten),
                TEST(test_jobs),
                TEST(test_many),
                TEST(test_no_state_in_between),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
