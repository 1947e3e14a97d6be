/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* WaitFor= of real jobs on a clock of their own, with probes that say what the test wants: what waits, where, and what
 * it holds up; and that restarts, reloads and edits change nothing about how long. */

#include "condition-fixture.h"

#include <sys/stat.h>

#include "core/manager-body.h"

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
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
