/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* WaitFor= of real jobs on a clock of their own, with probes that say what the test wants: what waits, where, and what
 * it holds up; and that restarts, reloads and edits change nothing about how long. And jobs that wait for their time:
 * what the timers (trigger/timer.c) make of a schedule, whatever happens to the clock. */

#include "condition-fixture.h"

#include <sys/inotify.h>
#include <sys/stat.h>
#include <systemd/sd-id128.h>

#include "core/manager-body.h"
#include "util/turn.h"

#define WAITS "[Run]\nShell=x\nWaitFor=load1 < 2\n"

static void test_waits_until_true(void **state) {
        uint64_t id;

        write_job("j", WAITS);
        start();
        set("load1", 3200);
        assert_int_equal(fake_probe_n(), 0); /* nobody waits */
        id = request("j", RUN_TRIGGER_NONE);
        assert_int_equal(run(id).state, RUN_WAITING);
        assert_int_equal(fake_probe_n(), 1);
        assert_non_null(strstr(why("j"), "waits until its condition is true: load1 is 3.2 and not < 2 (WaitFor=)."));
        advance(100 * HOURS);
        assert_int_equal(f.n_begun, 0);
        set("load1", 1900);
        assert_int_equal(f.n_begun, 1);
        assert_int_equal(fake_probe_n(), 0);
        advance(2 * MINUTES);
        assert_int_equal(run(id).result, RUN_RESULT_SUCCESS);

        /* Where it is true already, it takes a reading. */
        id = request("j", RUN_TRIGGER_NONE);
        assert_int_equal(run(id).state, RUN_RUNNING);
}

/* What waits for the machine holds no slot, and is not in the way of what waits for one. */
static void test_holds_no_slot(void **state) {
        write_job("a", WAITS "Pool=p\nPriority=10\n");
        write_job("b", "[Run]\nShell=x\nPool=p\n");
        write_config("[Manager]\nMaxRunning=1\n");
        start();
        set("load1", 3000);
        (void)request("a", RUN_TRIGGER_NONE);
        (void)request("b", RUN_TRIGGER_NONE);
        assert_int_equal(f.n_begun, 1);
        assert_string_equal(variable("VAKT_JOB"), "b");
        set("load1", 1000);
        assert_int_equal(run(newest("a").id).state, RUN_QUEUED); /* for the slot, from now on */
        advance(2 * MINUTES);
        assert_string_equal(variable("VAKT_JOB"), "a");
}

/* It was true, but is not any more when there is a slot. */
static void test_ceases_to_be_true(void **state) {
        uint64_t id;

        write_job("a", WAITS "Pool=p\n");
        write_job("b", "[Run]\nShell=x\nPool=p\n");
        start();
        set("load1", 1000);
        (void)request("b", RUN_TRIGGER_NONE);
        id = request("a", RUN_TRIGGER_NONE);
        assert_int_equal(run(id).state, RUN_QUEUED);
        set("load1", 5000);
        assert_int_equal(run(id).state, RUN_WAITING);
        advance(2 * MINUTES);
        assert_int_equal(f.n_begun, 1);
        set("load1", 1000);
        assert_int_equal(f.n_begun, 2);
        /* What has begun goes on. */
        set("load1", 5000);
        advance(2 * MINUTES);
        assert_int_equal(run(id).result, RUN_RESULT_SUCCESS);
}

static void test_gives_up(void **state) {
        uint64_t first, second;

        write_job("j", WAITS "WaitMaxSec=6h\nQueueMax=5\n");
        start();
        set("load1", 3200);
        first = request("j", RUN_TRIGGER_NONE);
        advance(HOURS);
        second = request("j", RUN_TRIGGER_NONE);
        advance(5 * HOURS - USEC_PER_SEC);
        assert_int_equal(run(first).state, RUN_WAITING);
        advance(2 * USEC_PER_SEC);
        assert_int_equal(run(first).result, RUN_RESULT_SKIPPED);
        assert_string_equal(run(first).reason,
                            "It waited longer than 6h (WaitMaxSec=): load1 is 3.2 and not < 2 (WaitFor=).");
        assert_int_equal(run(second).state, RUN_WAITING);
        advance(HOURS);
        assert_int_equal(run(second).result, RUN_RESULT_SKIPPED);
        assert_int_equal(fake_probe_n(), 0);
        assert_int_equal(f.n_begun, 0);
        assert_non_null(strstr(why("j"), "load1 is 3.2 and not < 2"));
}

/* Without memory for a probe it is tried again, until the time for a first reading is over. */
static void test_cannot_look(void **state) {
        uint64_t id;

        write_job("j", WAITS);
        write_job("k", WAITS "WaitMaxSec=0\n");
        start();
        fake_probe_refuse(true);
        set("load1", 1000);
        id = request("j", RUN_TRIGGER_NONE);
        advance(10 * MINUTES);
        assert_int_equal(run(id).state, RUN_WAITING);
        assert_non_null(strstr(why("j"), "nothing is known of it (WaitFor=)."));
        fake_probe_refuse(false);
        advance(2 * USEC_PER_SEC);
        assert_int_equal(run(id).state, RUN_RUNNING);
        fake_probe_refuse(true);
        id = request("k", RUN_TRIGGER_NONE);
        advance(9 * USEC_PER_SEC);
        assert_int_equal(run(id).state, RUN_WAITING);
        advance(2 * USEC_PER_SEC);
        assert_int_equal(run(id).result, RUN_RESULT_SKIPPED);
}

/* With no time to wait, there is still time for a first reading, which comes from the loop. */
static void test_waits_not_at_all(void **state) {
        uint64_t id;

        write_job("j", WAITS "WaitMaxSec=0\n");
        start();
        set("load1", 1000);
        id = request("j", RUN_TRIGGER_NONE);
        assert_int_equal(run(id).state, RUN_RUNNING);
        advance(2 * MINUTES);
        set("load1", 3200);
        id = request("j", RUN_TRIGGER_NONE);
        assert_int_equal(run(id).result, RUN_RESULT_SKIPPED);
        assert_non_null(strstr(run(id).reason, "load1 is 3.2 and not < 2 (WaitFor=)."));
        set_unknown("load1", "It cannot be read.");
        id = request("j", RUN_TRIGGER_NONE);
        advance(9 * USEC_PER_SEC);
        assert_int_equal(run(id).state, RUN_WAITING);
        advance(2 * USEC_PER_SEC);
        assert_int_equal(run(id).result, RUN_RESULT_SKIPPED);
        assert_non_null(strstr(run(id).reason, "It cannot be read"));
        assert_int_equal(f.n_begun, 1);
}

/* MaxWaitSec= of the pool does not count what it waits for the machine, before or in between. */
static void test_pool_counts_for_itself(void **state) {
        uint64_t id;

        write_job("a", WAITS "Pool=p\n");
        write_job("b", "[Run]\nShell=x\nPool=p\n");
        write_config("[Pool p]\nSlots=1\nMaxWaitSec=10min\n");
        start();
        set("load1", 1000);
        (void)request("b", RUN_TRIGGER_NONE);
        id = request("a", RUN_TRIGGER_NONE); /* waits for a slot first */
        set("load1", 5000);
        advance(HOURS);
        (void)request("b", RUN_TRIGGER_NONE);
        set("load1", 1000);
        assert_int_equal(run(id).state, RUN_QUEUED);
        advance(2 * MINUTES);
        assert_int_equal(run(id).result, RUN_RESULT_SUCCESS);

        /* Also where it is edited to wait for the machine only then. */
        write_job("c", "[Run]\nShell=x\nPool=p\n");
        reload();
        (void)request("b", RUN_TRIGGER_NONE);
        id = request("c", RUN_TRIGGER_NONE);
        set("load1", 5000);
        write_job("c", WAITS "Pool=p\n");
        reload();
        assert_int_equal(run(id).state, RUN_WAITING);
        advance(HOURS);
        (void)request("b", RUN_TRIGGER_NONE);
        set("load1", 1000);
        assert_int_equal(run(id).state, RUN_QUEUED);
        advance(2 * MINUTES);
        assert_int_equal(run(id).result, RUN_RESULT_SUCCESS);
}

static void test_unknown_waits(void **state) {
        uint64_t id;

        write_job("j", WAITS "WaitMaxSec=1h\n");
        start();
        id = request("j", RUN_TRIGGER_NONE);
        assert_int_equal(run(id).state, RUN_WAITING);
        assert_non_null(strstr(why("j"), "load1 is unknown: It was not asked yet (WaitFor=)."));
        set_unknown("load1", "It cannot be read.");
        advance(HOURS / 2);
        assert_non_null(strstr(why("j"), "load1 is unknown: It cannot be read (WaitFor=)."));
        advance(HOURS);
        assert_int_equal(run(id).result, RUN_RESULT_SKIPPED);
        assert_non_null(strstr(run(id).reason, "load1 is unknown: It cannot be read (WaitFor=)."));
}

/* It counts from the request, whatever happens to the daemon. */
static void test_restarts(void **state) {
        uint64_t id;

        write_job("j", WAITS "WaitMaxSec=6h\n");
        start();
        set("load1", 3200);
        id = request("j", RUN_TRIGGER_NONE);
        advance(3 * HOURS);
        restart();
        assert_int_equal(run(id).state, RUN_WAITING);
        reload();
        write_job("j", "[Job]\nDescription=another\n" WAITS "WaitMaxSec=6h\n");
        reload();
        assert_int_equal(run(id).state, RUN_WAITING);
        assert_int_equal(fake_probe_n(), 1);
        assert_int_equal(fake_probe_n_uses("load1"), 1);
        advance(3 * HOURS - USEC_PER_SEC);
        assert_int_equal(run(id).state, RUN_WAITING);
        advance(2 * USEC_PER_SEC);
        assert_int_equal(run(id).result, RUN_RESULT_SKIPPED);
        assert_int_equal(f.n_begun, 0);

        id = request("j", RUN_TRIGGER_NONE);
        advance(HOURS);
        stop();
        fake_probe_set("load1", 1000, 0);
        start();
        assert_int_equal(f.n_begun, 1);
        restart();
        advance(2 * MINUTES);
        assert_int_equal(run(id).result, RUN_RESULT_SUCCESS);
        assert_int_equal(count_runs("j"), 2);
}

/* The time was over while nobody looked: what is true by then was waited for, what is not was not. */
static void test_over_while_down(void **state) {
        uint64_t id;

        write_job("j", WAITS "WaitMaxSec=6h\n");
        start();
        set("load1", 3200);
        id = request("j", RUN_TRIGGER_NONE);
        stop();
        fake_clock_advance(10 * HOURS);
        start();
        advance(MINUTES);
        assert_int_equal(run(id).result, RUN_RESULT_SKIPPED);
        assert_non_null(strstr(run(id).reason, "load1 is 3.2 and not < 2"));

        id = request("j", RUN_TRIGGER_NONE);
        stop();
        fake_clock_advance(10 * HOURS);
        fake_probe_set("load1", 1000, 0);
        start();
        advance(MINUTES + USEC_PER_SEC);
        assert_int_equal(run(id).result, RUN_RESULT_SUCCESS);
}

/* The time was over while the machine slept: what is known is from before that, and there is time for a reading. */
static void test_over_while_asleep(void **state) {
        uint64_t id;

        write_job("j", WAITS "WaitMaxSec=6h\n");
        start();
        set("load1", 3200);
        id = request("j", RUN_TRIGGER_NONE);
        fake_clock_advance(10 * HOURS);
        settle();
        assert_int_equal(run(id).state, RUN_WAITING);
        advance(5 * USEC_PER_SEC);
        set("load1", 1000);
        assert_int_equal(run(id).state, RUN_RUNNING);
        advance(2 * MINUTES);

        /* Somebody else looks first, and there is no other reading. */
        set("load1", 3200);
        id = request("j", RUN_TRIGGER_NONE);
        fake_clock_advance(10 * HOURS);
        reload();
        assert_int_equal(run(id).state, RUN_WAITING);
        advance(11 * USEC_PER_SEC);
        assert_int_equal(run(id).result, RUN_RESULT_SKIPPED);

        /* One that comes to wait for the machine only when its time is over has no more of it. */
        set("load1", 1000);
        (void)request("j", RUN_TRIGGER_NONE);
        write_job("j", WAITS "WaitMaxSec=10s\n");
        reload();
        id = request("j", RUN_TRIGGER_NONE);
        set("load1", 3200);
        advance(MINUTES);
        settle();
        assert_int_equal(run(id).result, RUN_RESULT_SKIPPED);
        assert_int_equal(f.n_begun, 2);
}

static void test_edited(void **state) {
        uint64_t id;

        write_job("j", WAITS);
        start();
        set("load1", 3200);
        set("load5", 9000);
        id = request("j", RUN_TRIGGER_NONE);
        write_job("j", "[Run]\nShell=x\nWaitFor=load5 < 2\n");
        reload();
        assert_int_equal(fake_probe_n_uses("load1"), 0);
        assert_int_equal(fake_probe_n_uses("load5"), 1);
        set("load1", 1000);
        assert_int_equal(run(id).state, RUN_WAITING);
        /* One that it does not have to wait any more for lets it go. */
        write_job("j", "[Run]\nShell=x\n");
        reload();
        assert_int_equal(run(id).state, RUN_RUNNING);
        assert_int_equal(fake_probe_n(), 0);
}

static void test_now(void **state) {
        uint64_t waiting, now;

        write_job("j", WAITS "QueueMax=5\n");
        start();
        set("load1", 3200);
        waiting = request("j", RUN_TRIGGER_NONE);
        now = request("j", RUN_TRIGGER_NOW);
        assert_int_equal(run(now).state, RUN_RUNNING);
        assert_int_equal(run(waiting).state, RUN_QUEUED); /* for that one */
        /* In the order in which they came; over a restart. */
        (void)request("j", RUN_TRIGGER_NOW);
        (void)request("j", RUN_TRIGGER_NOW);
        restart();
        advance(MINUTES + USEC_PER_SEC);
        assert_int_equal(f.n_begun, 2);
        assert_int_equal(run(now + 1).state, RUN_RUNNING);
        advance(5 * MINUTES);
        assert_int_equal(f.n_begun, 3);
        assert_int_equal(run(waiting).state, RUN_WAITING);
        set("load1", 1000);
        assert_int_equal(run(waiting).state, RUN_RUNNING);
}

/* Where runs that wait leave a place, it is not refused for their sake. */
static void test_now_passes_by(void **state) {
        uint64_t waiting, now;

        write_job("s", WAITS "Overlap=skip\n");
        write_job("q", WAITS "QueueMax=1\n");
        start();
        set("load1", 5000);
        waiting = request("s", RUN_TRIGGER_NONE);
        now = request("s", RUN_TRIGGER_NOW);
        assert_int_equal(run(now).state, RUN_RUNNING);
        assert_int_equal(run(request("s", RUN_TRIGGER_NOW)).result, RUN_RESULT_SKIPPED);
        assert_int_equal(run(request("s", RUN_TRIGGER_NONE)).result, RUN_RESULT_SKIPPED);
        (void)request("q", RUN_TRIGGER_NONE);
        (void)request("q", RUN_TRIGGER_NONE);
        assert_int_equal(run(request("q", RUN_TRIGGER_NONE)).result, RUN_RESULT_SKIPPED);
        assert_int_equal(run(request("q", RUN_TRIGGER_NOW)).state, RUN_RUNNING);
        assert_int_equal(run(request("q", RUN_TRIGGER_NOW)).result, RUN_RESULT_SKIPPED);
        advance(2 * MINUTES);
        assert_int_equal(run(now).result, RUN_RESULT_SUCCESS);
        assert_int_equal(run(waiting).state, RUN_WAITING);
}

/* One that is given back does not hold up one that need not wait. */
static void test_now_behind_a_place(void **state) {
        uint64_t id, now;

        write_job("j", WAITS "Pool=p\nQueueMax=5\n");
        write_job("b", "[Run]\nShell=x\nPool=p\n");
        start();
        set("load1", 1000);
        (void)request("b", RUN_TRIGGER_NONE);
        id = request("j", RUN_TRIGGER_NONE);
        now = request("j", RUN_TRIGGER_NOW);
        set("load1", 5000);
        advance(MINUTES + USEC_PER_SEC);
        assert_int_equal(run(now).state, RUN_RUNNING);
        assert_int_equal(run(id).state, RUN_QUEUED); /* for that */
        advance(2 * MINUTES);
        assert_int_equal(run(id).state, RUN_WAITING);
}

static void test_retries_wait(void **state) {
        write_job("j", WAITS "Retry=1\nRetryDelaySec=50min\nWaitMaxSec=20min\n");
        start();
        set("load1", 1000);
        f.runs_fail = true;
        (void)request("j", RUN_TRIGGER_NONE);
        set("load1", 5000);
        advance(HOURS);
        assert_int_equal(newest("j").cause, RUN_CAUSE_RETRY);
        assert_int_equal(newest("j").state, RUN_WAITING);
        assert_int_equal(f.n_begun, 1);
        restart();
        f.runs_fail = false;
        advance(10 * MINUTES);
        set("load1", 1000); /* within 20 minutes of when it was due */
        advance(2 * MINUTES);
        assert_int_equal(newest("j").result, RUN_RESULT_SUCCESS);
}

/* Whoever waits to hear of a failure hears of it when its last try is given up. */
static void test_retry_is_given_up(void **state) {
        write_job("j", "[Job]\nOnFailure=c\n" WAITS "Retry=1\nRetryDelaySec=1min\nWaitMaxSec=1h\n");
        write_job("c", "[Run]\nShell=x\n");
        start();
        set("load1", 1000);
        f.runs_fail = true;
        (void)request("j", RUN_TRIGGER_NONE);
        set("load1", 5000);
        advance(3 * HOURS);
        assert_int_equal(newest("j").result, RUN_RESULT_SKIPPED);
        assert_int_equal(count_runs("c"), 1);
        assert_int_equal(f.n_begun, 2);
}

/* A retry that waits for the machine is not needed any more where one by hand succeeds, or the failure is reset. */
static void test_retry_is_not_needed(void **state) {
        uint64_t retry, now;

        write_job("j", WAITS "Retry=1\nRetryDelaySec=1min\nQueueMax=5\n");
        start();
        set("load1", 1000);
        f.runs_fail = true;
        (void)request("j", RUN_TRIGGER_NONE);
        set("load1", 5000);
        advance(HOURS);
        retry = newest("j").id;
        assert_int_equal(run(retry).state, RUN_WAITING);
        (void)request("j", RUN_TRIGGER_NONE); /* waits behind it, and is no retry */
        f.runs_fail = false;
        now = request("j", RUN_TRIGGER_NOW);
        advance(2 * MINUTES);
        assert_int_equal(run(now).result, RUN_RESULT_SUCCESS);
        assert_int_equal(run(retry).result, RUN_RESULT_SKIPPED);
        assert_non_null(strstr(run(retry).reason, "has succeeded meanwhile"));
        assert_int_equal(run(retry + 1).state, RUN_WAITING);
        set("load1", 1000);
        advance(2 * MINUTES);
        assert_int_equal(run(retry + 1).result, RUN_RESULT_SUCCESS);

        f.runs_fail = true;
        (void)request("j", RUN_TRIGGER_NONE);
        set("load1", 5000);
        advance(HOURS);
        retry = newest("j").id;
        assert_int_equal(run(retry).state, RUN_WAITING);
        job("j")->last_result = RUN_RESULT_NONE; /* it is the retry alone that is reset */
        assert_int_equal(manager_reset_failed(f.m, "j"), 0);
        settle();
        assert_int_equal(run(retry).result, RUN_RESULT_CANCELLED);
        assert_int_equal(fake_probe_n(), 0);
}

static void test_cancel_and_gone(void **state) {
        uint64_t id;

        write_job("j", WAITS);
        start();
        set("load1", 5000);
        id = request("j", RUN_TRIGGER_NONE);
        assert_int_equal(manager_cancel(f.m, id), 0);
        settle();
        assert_int_equal(run(id).result, RUN_RESULT_CANCELLED);
        assert_int_equal(fake_probe_n(), 0);
        id = request("j", RUN_TRIGGER_NONE);
        remove_job("j");
        reload();
        assert_int_equal(run(id).state, RUN_WAITING); /* it was accepted */
        set("load1", 1000);
        advance(2 * MINUTES);
        assert_int_equal(run(id).result, RUN_RESULT_SUCCESS);
        assert_null(job("j"));
}

static void test_parallel(void **state) {
        write_job("j", WAITS "Overlap=parallel\nMaxParallel=3\nQueueMax=10\n");
        start();
        set("load1", 5000);
        for (unsigned i = 0; i < 5; i++)
                (void)request("j", RUN_TRIGGER_NONE);
        assert_int_equal(fake_probe_n_uses("load1"), 1);
        set("load1", 1000);
        assert_int_equal(f.n_begun, 3);
        set("load1", 5000);
        advance(2 * MINUTES);
        assert_int_equal(f.n_begun, 3);
        set("load1", 1000);
        assert_int_equal(f.n_begun, 5);
}

/* A monitor's run waits as any other, and says what was measured when it was raised. */
static void test_of_a_monitor(void **state) {
        write_job("j", "[Monitor]\nWhen=load5 > 8\n" WAITS);
        start();
        set("load1", 5000);
        set("load5", 9000);
        assert_int_equal(newest("j").state, RUN_WAITING);
        restart();
        set("load5", 1000);
        set("load1", 1000);
        assert_int_equal(f.n_begun, 1);
        assert_string_equal(variable("VAKT_VALUE"), "9");
}

/* Another job that runs, say. */
static void test_for_a_job(void **state) {
        uint64_t id;

        write_job("j", "[Run]\nShell=x\nWaitFor=not job other is running\n");
        write_job("other", "[Run]\nShell=x\n");
        start();
        (void)request("other", RUN_TRIGGER_NONE);
        id = request("j", RUN_TRIGGER_NONE);
        assert_int_equal(run(id).state, RUN_WAITING);
        assert_non_null(strstr(why("j"), "job other is running: yes"));
        advance(MINUTES + USEC_PER_SEC);
        assert_int_equal(run(id).state, RUN_RUNNING);
}

/* Those that could begin in one turn, but for each other. */
static void test_for_each_other(void **state) {
        write_job("a", "[Run]\nShell=x\nWaitFor=load1 < 2\nWaitFor=not job b is running\n");
        write_job("b", "[Run]\nShell=x\nWaitFor=load1 < 2\nWaitFor=not job a is running\n");
        write_job("c", WAITS);
        start();
        set("load1", 5000);
        (void)request("a", RUN_TRIGGER_NONE);
        (void)request("b", RUN_TRIGGER_NONE);
        (void)request("c", RUN_TRIGGER_NONE);
        set("load1", 1000);
        assert_int_equal(newest("a").state, RUN_RUNNING);
        assert_int_equal(newest("b").state, RUN_WAITING);
        assert_int_equal(newest("c").state, RUN_RUNNING);
        advance(MINUTES + USEC_PER_SEC);
        assert_int_equal(newest("b").state, RUN_RUNNING);
}

/* What an earlier daemon knows of a job is unknown while the ledger cannot be read. */
static void test_ledger_is_unread(void **state) {
        char ledger[128], aside[128];
        uint64_t id;

        (void)snprintf(ledger, sizeof(ledger), "%s/" LEDGER_FILE, f.directory);
        (void)snprintf(aside, sizeof(aside), "%s/aside", f.directory);
        write_job("j", "[Run]\nShell=x\nWaitFor=not job other is failed\n");
        write_job("k", "[Run]\nShell=x\nWaitFor=not job third is failed\n");
        write_job("l", "[Run]\nShell=x\nWaitFor=not job third is running\n");
        write_job("other", "[Run]\nShell=x\n");
        write_job("third", "[Run]\nShell=x\n");
        write_job("m", "[Run]\nShell=x\nWaitFor=not job fourth is failed\n");
        write_job("fourth", "[Run]\nShell=x\n");
        start();
        f.runs_fail = true;
        (void)request("other", RUN_TRIGGER_NONE);
        advance(2 * MINUTES);
        f.runs_fail = false;
        stop();
        assert_int_equal(rename(ledger, aside), 0);
        assert_int_equal(mkdir(ledger, 0700), 0);
        start();
        id = request("j", RUN_TRIGGER_NONE);
        assert_int_equal(run(id).state, RUN_WAITING);
        assert_non_null(
                strstr(why("j"), "job other is failed is unknown: The ledger could not be read yet (WaitFor=)."));
        (void)request("l", RUN_TRIGGER_NONE);
        assert_int_equal(newest("l").state, RUN_WAITING);
        (void)request("m", RUN_TRIGGER_NONE);
        assert_int_equal(newest("m").state, RUN_WAITING);
        /* What this daemon has seen itself is known. */
        (void)request("third", RUN_TRIGGER_NONE);
        assert_non_null(strstr(why("l"), "job third is running: yes"));
        advance(2 * MINUTES);
        (void)request("k", RUN_TRIGGER_NONE);
        assert_int_equal(newest("k").state, RUN_RUNNING);

        assert_int_equal(rmdir(ledger), 0);
        assert_int_equal(rename(aside, ledger), 0);
        advance(HOURS);
        assert_int_equal(newest("l").result, RUN_RESULT_SUCCESS);
        assert_int_equal(run(id).state, RUN_WAITING);
        assert_non_null(strstr(why("j"), "job other is failed: yes"));
        assert_int_equal(newest("m").result, RUN_RESULT_SUCCESS);
}

/* --- for their time --- */

static void write_timer_job(const char *name, const char *settings) {
        char text[512];

        (void)snprintf(text, sizeof(text), "[Timer]\nAccuracySec=1us\n%s\n[Run]\nShell=x\n", settings);
        write_job(name, text);
}

static bool says(const char *name, const char *words) {
        return strstr(why(name), words);
}

static void test_timer(void **state) {
        write_timer_job("j", "OnCalendar=hourly");
        write_timer_job("over", "OnCalendar=2029-01-01");
        write_timer_job("paused", "OnCalendar=hourly\nCatchUp=once");
        write_timer_job("disabled", "OnCalendar=hourly\n[Job]\nEnabled=no");
        start();
        assert_int_equal(manager_pause(f.m, "paused"), 0);
        assert_true(says("j", "timer: Its next timer elapses at Tue 2030-01-01 01:00:00 UTC, in 1h.\n"));
        assert_true(says("over", "timer: None of its timers will elapse again.\n"));
        assert_true(
                says("paused", "timer: Its timers do not elapse while it is paused; missed occurrences are caught"));
        assert_false(says("j", "It has no trigger") || says("disabled", "It has no trigger"));
        advance(HOURS - USEC_PER_SEC);
        assert_int_equal(count_runs("j"), 0);
        advance(2 * USEC_PER_SEC);
        assert_int_equal(count_cause("j", RUN_CAUSE_TIMER), 1);
        assert_int_equal(newest("j").trigger, 0);
        advance(3 * HOURS);
        assert_int_equal(count_runs("j"), 4);
        assert_int_equal(count_runs("over") + count_runs("paused") + count_runs("disabled"), 0);
}

/* What was missed in a pause is made up for when it is over, or not; in both cases it goes on. */
static void test_timer_of_a_pause(void **state) {
        write_timer_job("j", "OnCalendar=hourly\nCatchUp=once");
        write_timer_job("k", "OnCalendar=hourly\nCatchUp=none");
        start();
        assert_int_equal(manager_pause_all(f.m), 0);
        advance(3 * HOURS + MINUTES);
        assert_int_equal(count_runs("j"), 0);
        assert_int_equal(manager_resume_all(f.m), 0);
        advance(2 * MINUTES);
        assert_int_equal(count_cause("j", RUN_CAUSE_CATCH_UP), 1);
        assert_int_equal(count_result("j", RUN_RESULT_MISSED), 1);
        advance(HOURS);
        assert_int_equal(count_cause("j", RUN_CAUSE_TIMER), 2); /* what was missed, and the next one */
        assert_int_equal(count_cause("k", RUN_CAUSE_TIMER) - count_result("k", RUN_RESULT_SKIPPED), 1);
}

/* An interval counts from a start, an end or a success, and nothing wakes up for what it was before. */
static void test_timer_of_runs(void **state) {
        write_timer_job("start", "OnInterval=1h\nIntervalFrom=start");
        start();
        advance(MINUTES / 2);
        (void)request("start", RUN_TRIGGER_NONE);
        advance(2 * MINUTES);
        assert_true(fake_clock_next() >= 58 * MINUTES);
        advance(fake_clock_next());
        assert_int_equal(count_cause("start", RUN_CAUSE_TIMER), 1);
        remove_job("start");
        reload();
        advance(2 * HOURS);

        write_timer_job("end", "OnInterval=1h\nIntervalFrom=end");
        reload();
        advance(4 * HOURS);
        assert_int_equal(count_cause("end", RUN_CAUSE_TIMER), 3);
        remove_job("end");
        reload();
        advance(2 * HOURS);

        write_timer_job("success", "OnInterval=1h\nIntervalFrom=success");
        reload();
        advance(HOURS / 2);
        f.runs_fail = true;
        (void)request("success", RUN_TRIGGER_NONE);
        f.runs_fail = false;
        advance(HOURS / 2 + MINUTES);
        assert_int_equal(count_cause("success", RUN_CAUSE_TIMER), 1);
        advance(HOURS / 2);
        (void)request("success", RUN_TRIGGER_NONE);
        advance(HOURS);
        assert_int_equal(count_cause("success", RUN_CAUSE_TIMER), 1);
        advance(2 * MINUTES);
        assert_int_equal(count_cause("success", RUN_CAUSE_TIMER), 2);
}

/* Somebody sets the clock, again and again: what goes by it does so at once, and what does not goes on. */
static void test_timer_of_a_clock_that_is_set(void **state) {
        write_timer_job("wall", "OnCalendar=hourly");
        write_timer_job("span", "OnInterval=1h");
        start();
        advance(HOURS / 2);
        for (unsigned i = 0; i < 3; i++) {
                fake_clock_step(-(int64_t)(10 * HOURS));
                settle();
                assert_true(says("span", i == 0   ? "elapses at Mon 2029-12-31 15:00:00 UTC, in 30min"
                                         : i == 1 ? "elapses at Mon 2029-12-31 05:00:00 UTC, in 30min"
                                                  : "elapses at Sun 2029-12-30 19:00:00 UTC, in 30min"));
        }
        fake_clock_step((int64_t)(20 * HOURS));
        fake_clock_step(-(int64_t)(20 * HOURS) - (int64_t)(15 * MINUTES));
        advance(MINUTES / 2);
        assert_int_equal(count_runs("wall"), 0);
        advance(45 * MINUTES);
        assert_int_equal(count_cause("wall", RUN_CAUSE_TIMER), 1);
        assert_int_equal(count_cause("span", RUN_CAUSE_TIMER), 1);
}

typedef struct Directory {
        const char *path;
        sd_event_source **source;
        sd_event_inotify_handler_t handler;
        void *userdata;
} Directory;

static Directory directories[8];
static unsigned n_directories;

int __real_sd_event_add_inotify(sd_event *event, sd_event_source **ret, const char *path, uint32_t mask,
                                sd_event_inotify_handler_t handler, void *userdata);
int __wrap_sd_event_add_inotify(sd_event *event, sd_event_source **ret, const char *path, uint32_t mask,
                                sd_event_inotify_handler_t handler, void *userdata);

int __wrap_sd_event_add_inotify(sd_event *event, sd_event_source **ret, const char *path, uint32_t mask,
                                sd_event_inotify_handler_t handler, void *userdata) {
        if (n_directories < ELEMENTSOF(directories))
                directories[n_directories++] = (Directory){ path, ret, handler, userdata };
        return __real_sd_event_add_inotify(event, ret, path, mask, handler, userdata);
}

int __real_zone_cache_refresh(ZoneCache *cache);
int __wrap_zone_cache_refresh(ZoneCache *cache);

static unsigned n_refreshed;
static bool zones_change;

int __wrap_zone_cache_refresh(ZoneCache *cache) {
        n_refreshed++;
        return zones_change;
}

/* Something of this name has changed there; true when all jobs were rescheduled for that. */
static bool reschedules(const char *path, const char *name, uint32_t mask) {
        struct inotify_event *e = calloc(1, sizeof(*e) + 64);
        bool is_other;

        assert_non_null(e);
        e->mask = mask;
        e->len = (uint32_t)strlen(name);
        (void)snprintf(e->name, 64, "%s", name);
        job("j")->next = 1;
        for (unsigned i = 0; i < n_directories; i++)
                if (streq(directories[i].path, path))
                        assert_int_equal(directories[i].handler(*directories[i].source, e, directories[i].userdata),
                                         0);
        free(e);
        is_other = job("j")->next != 1;
        return is_other;
}

/* The rules of a zone change: all is rescheduled, before anything elapses. */
static void test_timer_of_a_zone(void **state) {
        static const char *const paths[] = { "/etc", "/usr/share/zoneinfo" };

        n_directories = 0;
        write_timer_job("j", "OnCalendar=hourly");
        start();
        for (size_t i = 0; i < ELEMENTSOF(paths); i++) {
                int64_t priority = 0;
                unsigned found = 0;

                while (found < n_directories && !streq(directories[found].path, paths[i]))
                        found++;
                assert_true(found < n_directories);
                assert_int_equal(sd_event_source_get_priority(*directories[found].source, &priority), 0);
                assert_true(priority < SD_EVENT_PRIORITY_IMPORTANT);
        }
        zones_change = true;
        assert_true(reschedules("/etc", "localtime", IN_MOVED_TO));
        assert_false(reschedules("/etc", "passwd", IN_MOVED_TO));
        assert_true(reschedules("/etc", "", IN_Q_OVERFLOW));
        assert_true(reschedules("/usr/share/zoneinfo", "Europe", IN_CREATE));
        n_refreshed = 0;
        reload();
        assert_true(n_refreshed > 0);
        zones_change = false;
        assert_false(reschedules("/etc", "localtime", IN_MOVED_TO));
}

int __real_event_add_timer(sd_event *event, sd_event_source **ret, const char *description, clockid_t clock,
                           usec_t accuracy, sd_event_time_handler_t handler, void *userdata);
int __wrap_event_add_timer(sd_event *event, sd_event_source **ret, const char *description, clockid_t clock,
                           usec_t accuracy, sd_event_time_handler_t handler, void *userdata);

static bool may_not_wake;
static unsigned n_alarms;

int __wrap_event_add_timer(sd_event *event, sd_event_source **ret, const char *description, clockid_t clock,
                           usec_t accuracy, sd_event_time_handler_t handler, void *userdata) {
        bool is_alarm = clock == CLOCK_REALTIME_ALARM || clock == CLOCK_BOOTTIME_ALARM;

        n_alarms += is_alarm;
        return is_alarm && may_not_wake
                       ? -EPERM
                       : __real_event_add_timer(event, ret, description, clock, accuracy, handler, userdata);
}

/* Where nobody may wake the machine, it elapses while that is awake. */
static void test_timer_that_wakes(void **state) {
        for (unsigned i = 0; i < 2; i++) {
                may_not_wake = i > 0;
                n_alarms = 0;
                write_timer_job("j", "OnCalendar=hourly\nWakeSystem=yes");
                write_timer_job("k", "OnInterval=1h\nWakeSystem=yes");
                start();
                assert_int_equal(n_alarms, 2);
                advance(HOURS + MINUTES);
                assert_int_equal(count_cause("j", RUN_CAUSE_TIMER), i + 1);
                assert_int_equal(count_cause("k", RUN_CAUSE_TIMER), i + 1);
                stop();
                fake_clock_advance(50 * MINUTES);
        }
        may_not_wake = false;
        start();
}

static int count_stamp(const char *name, const char *key, usec_t usec, void *userdata) {
        *(unsigned *)userdata += strchr(key, '=') != NULL;
        return 0;
}

static unsigned n_stamps(const char *name) {
        unsigned n = 0;

        assert_int_equal(ledger_list_stamps(f.m->ledger, name, count_stamp, &n), 0);
        return n;
}

/* The stamp of a trigger goes with it, whether a daemon runs or not; that of a file that is gone stays. */
static void test_timer_stamps(void **state) {
        write_timer_job("j", "OnCalendar=hourly\nOnCalendar=daily");
        write_timer_job("k", "OnCalendar=hourly\nOnCalendar=daily");
        write_timer_job("gone", "OnCalendar=hourly\nOnCalendar=daily");
        start();
        assert_int_equal(n_stamps("j") + n_stamps("k") + n_stamps("gone"), 6);
        write_timer_job("j", "OnCalendar=hourly");
        reload();
        assert_int_equal(n_stamps("j"), 1);
        stop();
        write_timer_job("j", "OnCalendar=weekly");
        write_timer_job("k", "OnCalendar=hourly");
        remove_job("gone");
        start();
        assert_int_equal(n_stamps("j"), 1);
        assert_int_equal(n_stamps("k"), 1);
        assert_int_equal(n_stamps("gone"), 2);
}

static uint32_t found_by(RunCause cause, usec_t scheduled) {
        RunRecord r = { .job = "j", .cause = cause, .scheduled = scheduled, .trigger = RUN_TRIGGER_NONE };

        TELL_TRIGGERS(f.m, run_found, job("j"), &r);
        return r.trigger;
}

/* A run that the ledger forgot was of the trigger that has its time, and has not to be made up for. */
static void test_timer_of_a_forgotten_run(void **state) {
        write_timer_job("j", "OnCalendar=daily\nOnCalendar=*:30\nCatchUp=all");
        start();
        advance(HOURS + MINUTES);
        assert_int_equal(found_by(RUN_CAUSE_MANUAL, fake_clock.realtime - 31 * MINUTES), RUN_TRIGGER_NONE);
        assert_int_equal(found_by(RUN_CAUSE_TIMER, fake_clock.realtime - 31 * MINUTES), 1);
        assert_int_equal(found_by(RUN_CAUSE_CATCH_UP, fake_clock.realtime - 31 * MINUTES), 1);
        assert_int_equal(found_by(RUN_CAUSE_RETRY, fake_clock.realtime - 31 * MINUTES), 1);
        assert_int_equal(found_by(RUN_CAUSE_TIMER, fake_clock.realtime), RUN_TRIGGER_NONE);
}

int __real_sd_id128_get_machine_app_specific(sd_id128_t app, sd_id128_t *ret);
int __wrap_sd_id128_get_machine_app_specific(sd_id128_t app, sd_id128_t *ret);

static uint8_t machine;

int __wrap_sd_id128_get_machine_app_specific(sd_id128_t app, sd_id128_t *ret) {
        memset(ret, machine, sizeof(*ret));
        return 0;
}

/* Random delays are those of the machine, and the same after each start. */
static void test_timer_of_a_machine(void **state) {
        usec_t at[3];

        write_timer_job("j", "OnCalendar=hourly\nRandomizedDelaySec=30min");
        for (size_t i = 0; i < ELEMENTSOF(at); i++) {
                machine = i == 1 ? 7 : 4;
                start();
                at[i] = job("j")->next;
                stop();
        }
        assert_true(at[0] == at[2] && at[0] != at[1]);
        start();
}

/* How long jobs that were missed are spread over is as the settings say by now. */
static void test_timer_ramp(void **state) {
        for (unsigned i = 0; i < 2; i++) {
                write_config(i == 0 ? "[Manager]\nResumeRampSec=10h\n" : "[Manager]\nResumeRampSec=0\n");
                write_timer_job(i == 0 ? "j" : "k", "OnCalendar=daily\nCatchUp=once");
                if (i == 0)
                        start();
                else
                        reload();
                assert_int_equal(manager_pause(f.m, i == 0 ? "j" : "k"), 0);
                advance(24 * HOURS + MINUTES);
                assert_int_equal(manager_resume(f.m, i == 0 ? "j" : "k"), 0);
                advance(2 * MINUTES);
                assert_int_equal(count_cause(i == 0 ? "j" : "k", RUN_CAUSE_CATCH_UP), i);
        }
        advance(10 * HOURS);
        assert_int_equal(count_cause("j", RUN_CAUSE_CATCH_UP), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, condition_setup, condition_teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_waits_until_true),
                TEST(test_holds_no_slot),
                TEST(test_ceases_to_be_true),
                TEST(test_gives_up),
                TEST(test_waits_not_at_all),
                TEST(test_cannot_look),
                TEST(test_pool_counts_for_itself),
                TEST(test_unknown_waits),
                TEST(test_restarts),
                TEST(test_over_while_down),
                TEST(test_over_while_asleep),
                TEST(test_edited),
                TEST(test_now),
                TEST(test_now_passes_by),
                TEST(test_retries_wait),
                TEST(test_now_behind_a_place),
                TEST(test_retry_is_given_up),
                TEST(test_retry_is_not_needed),
                TEST(test_cancel_and_gone),
                TEST(test_parallel),
                TEST(test_of_a_monitor),
                TEST(test_for_a_job),
                TEST(test_for_each_other),
                TEST(test_ledger_is_unread),
                TEST(test_timer),
                TEST(test_timer_of_a_pause),
                TEST(test_timer_of_runs),
                TEST(test_timer_of_a_clock_that_is_set),
                TEST(test_timer_of_a_zone),
                TEST(test_timer_that_wakes),
                TEST(test_timer_stamps),
                TEST(test_timer_of_a_forgotten_run),
                TEST(test_timer_of_a_machine),
                TEST(test_timer_ramp),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
