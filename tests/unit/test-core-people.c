/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What people are told, and what they say, step by step: alarms, pauses, edits of files, explanations, lists. */

#include <fcntl.h>

#include "steps-fixture.h"

#include "core/alarms.h"
#include "core/outbox.h"
#include "core/runs.h"
#include "fake-executor.h"
#include "util/log.h"

/* A retry that waits is gone with the failure, or when somebody cancels it. */
static void test_reset(void **state) {
        write_job("a", "[Job]\nSlowSec=10s\nExpectSec=1h\n[Run]\nExec=/bin/true\nRetry=1\nRetryDelaySec=10min\n");
        begin_steps();
        assert_int_equal(manager_reset_failed(f.m, "none"), -ENOENT);
        assert_int_equal(manager_reset_failed(f.m, "a"), 0);
        EXPECT("");
        (void)request("a", RUN_TRIGGER_NONE);
        end_run(1, RUN_RESULT_EXIT);
        steps[0] = '\0';
        assert_int_equal(manager_reset_failed(f.m, "a"), 0);
        EXPECT("stamp a reset no. 2; stamp a expected 0; = 2 cancelled; job a; finished 2 cancelled; "
               "job a; summary; [commit]");
        assert_string_equal(reason(2), "The failure of the job was reset on request (vaktctl reset-failed).");
        assert_int_equal(job("a")->last_result, RUN_RESULT_NONE);
        steps[0] = '\0';
        assert_int_equal(manager_reset_failed(f.m, "a"), 0);
        EXPECT("");
        restart();
        assert_int_equal(job("a")->last_result, RUN_RESULT_NONE);
}

static void test_slow(void **state) {
        write_job("a", "[Job]\nSlowSec=10s\nOnAlarm=b\n[Run]\nExec=/bin/true\n");
        write_job("b", "[Run]\nExec=/bin/true\n");
        begin_steps();
        (void)request("a", RUN_TRIGGER_NONE);
        advance(9 * USEC_PER_SEC);
        steps[0] = '\0';
        advance(USEC_PER_SEC);
        EXPECT("= alarm a slow since 0 raised 10 run 1; "
               "alarm a slow: Run 1 takes longer than 10s (SlowSec=).; + 2 b chain queued; "
               "new 2 queued; job b; summary; job a; = 2 starting; stamp b runs no. 1; [commit]; "
               "begin 2; = 2 running; started 2; job b; summary");
        assert_string_equal(run(2).alarm, "slow");
        assert_true(run(2).parent == 1 && run(2).cause == RUN_CAUSE_CHAIN);
        assert_string_equal(run(2).parent_job, "a");
        EXPECT_WHY("a", "state: It is running.\n"
                        "timer: It has no trigger: it runs on request.\n"
                        "run: Run 1 is running since Tue 2030-01-01 00:00:00 UTC, as vakt-a-1.service.\n"
                        "alarm: Raised at Tue 2030-01-01 00:00:10 UTC: Run 1 takes longer than 10s (SlowSec=).\n");
        end_run(2, RUN_RESULT_SUCCESS);
        end_run(1, RUN_RESULT_EXIT);
        (void)request("a", RUN_TRIGGER_NONE);
        steps[0] = '\0';
        advance(30 * USEC_PER_SEC); /* it was raised already, and is so after a restart */
        EXPECT("");
        restart();
        observe_steps();
        advance(30 * USEC_PER_SEC);
        EXPECT("ended 3; = 3 success; finished 3 success; = alarm a slow since - raised - run 0; "
               "cleared a slow; job a; summary; [commit]; release 3");
        (void)request("a", RUN_TRIGGER_NONE);
        advance(30 * USEC_PER_SEC);
        EXPECT("+ 4 a manual queued; new 4 queued; job a; summary; = 4 starting; "
               "stamp a runs no. 3; [commit]; begin 4; = 4 running; started 4; job a; summary; "
               "= alarm a slow since 70 raised 80 run 4; "
               "alarm a slow: Run 4 takes longer than 10s (SlowSec=).; + 5 b chain queued; "
               "new 5 queued; job b; summary; job a; = 5 starting; stamp b runs no. 2; [commit]; "
               "begin 5; = 5 running; started 5; job b; summary");
        /* Somebody says that it is known. */
        assert_int_equal(manager_reset_failed(f.m, "a"), 0);
        EXPECT("stamp a reset no. 4; = alarm a slow since - raised - run 0; cleared a slow; job a; "
               "[commit]");
}

static void test_expect(void **state) {
        write_job("a", "[Job]\nExpectSec=1h\n[Run]\nExec=/bin/true\n");
        begin_steps();
        advance(HOURS - USEC_PER_SEC);
        assert_int_equal(f.n_raised, 0);
        EXPECT("");
        advance(USEC_PER_SEC);
        EXPECT("= alarm a expect since 0 raised 3600 run 0; "
               "alarm a expect: It has not succeeded for 1h (ExpectSec=).; job a");
        assert_true(job("a")->is_overdue);
        advance(10 * HOURS);
        assert_int_equal(f.n_raised, 1);
        (void)request("a", RUN_TRIGGER_NONE);
        steps[0] = '\0';
        advance(MINUTES);
        EXPECT("ended 1; = 1 success; finished 1 success; = alarm a expect since - raised - run 0; "
               "cleared a expect; stamp a success 39659; job a; summary; [commit]; release 1");
        assert_false(job("a")->is_overdue);
        advance(HOURS);
        assert_int_equal(f.n_raised, 2);
        (void)request("a", RUN_TRIGGER_NONE);
        advance(MINUTES);
        f.n_raised = 1;
        advance(HOURS - 2 * USEC_PER_SEC);
        assert_int_equal(f.n_raised, 1);
        restart();
        assert_int_equal(f.n_raised, 1);
        advance(USEC_PER_SEC);
        assert_int_equal(f.n_raised, 1);
        advance(2 * USEC_PER_SEC);
        assert_int_equal(f.n_raised, 2);
}

/* A pause says that somebody knows. */
static void test_expect_and_pause(void **state) {
        write_job("a", "[Job]\nExpectSec=1h\n[Run]\nExec=/bin/true\n");
        begin_steps();
        advance(HOURS / 2);
        assert_int_equal(manager_pause(f.m, "a"), 0);
        EXPECT("state 'a' paused until ever, skip 0; job a; [commit]");
        advance(10 * HOURS);
        assert_int_equal(f.n_raised, 0);
        steps[0] = '\0';
        assert_int_equal(manager_resume(f.m, "a"), 0);
        EXPECT("state 'a' resumed until -, skip 0; stamp a expected 37800; job a; [commit]");
        advance(HOURS / 2);
        restart();
        observe_steps();
        advance(HOURS / 2 - USEC_PER_SEC);
        assert_int_equal(f.n_raised, 0);
        advance(USEC_PER_SEC);
        assert_int_equal(f.n_raised, 1);
        /* Reset, it counts anew. */
        steps[0] = '\0';
        assert_int_equal(manager_reset_failed(f.m, "a"), 0);
        EXPECT("stamp a reset no. 0; = alarm a expect since - raised - run 0; cleared a expect; "
               "stamp a expected 41400; job a; [commit]");
        advance(HOURS - USEC_PER_SEC);
        assert_int_equal(f.n_raised, 1);
        advance(USEC_PER_SEC);
        assert_int_equal(f.n_raised, 2);
        /* Nothing is expected any more. */
        write_job("a", "[Run]\nExec=/bin/true\n");
        reload();
        (void)request("a", RUN_TRIGGER_NONE);
        steps[0] = '\0';
        advance(MINUTES);
        EXPECT("ended 1; = 1 success; finished 1 success; = alarm a expect since - raised - run 0; "
               "cleared a expect; stamp a success 45059; job a; summary; [commit]; release 1");
}

/* So it does when it is said to a daemon that ends during the pause. */
static void test_expect_and_pause_over_a_restart(void **state) {
        write_job("a", "[Job]\nExpectSec=1h\n[Run]\nExec=/bin/true\n");
        write_job("b", "[Job]\nSlowSec=1h\n[Run]\nExec=/bin/true\n");
        begin_steps();
        assert_int_equal(manager_pause(f.m, "a"), 0);
        assert_int_equal(manager_pause(f.m, "b"), 0);
        advance(10 * HOURS);
        restart();
        observe_steps();
        assert_int_equal(manager_resume(f.m, "a"), 0);
        assert_int_equal(manager_resume(f.m, "b"), 0);
        EXPECT("state 'a' resumed until -, skip 0; stamp a expected 36000; job a; [commit]; "
               "state 'b' resumed until -, skip 0; job b; [commit]");
        advance(HOURS - USEC_PER_SEC);
        assert_int_equal(f.n_raised, 0);
        advance(USEC_PER_SEC);
        assert_int_equal(f.n_raised, 1);
}

/* The clock is set: what is expected is so by the clock. */
static void test_expect_and_clock(void **state) {
        write_job("a", "[Job]\nExpectSec=1h\n[Run]\nExec=/bin/true\n");
        begin_steps();
        fake_clock_step(-(int64_t)(HOURS / 2));
        advance(HOURS);
        assert_int_equal(f.n_raised, 0);
        advance(HOURS / 2);
        assert_int_equal(f.n_raised, 1);
}

/* A success that the clock says is still to come does not count. */
static void test_expect_after_a_success_to_come(void **state) {
        write_job("a", "[Job]\nExpectSec=1h\n[Run]\nExec=/bin/true\n");
        begin_steps();
        (void)request("a", RUN_TRIGGER_NONE);
        advance(MINUTES);
        stop();
        fake_clock_step(-(int64_t)(24 * HOURS));
        start();
        advance(HOURS - USEC_PER_SEC);
        assert_int_equal(f.n_raised, 0);
        advance(USEC_PER_SEC);
        assert_int_equal(f.n_raised, 1);
}

/* One that is found in the history counts: nothing was expected then. */
static void test_expect_from_history(void **state) {
        write_job("a", "[Run]\nExec=/bin/true\n");
        begin_steps();
        (void)request("a", RUN_TRIGGER_NONE);
        advance(MINUTES);
        advance(HOURS / 2);
        write_job("a", "[Job]\nExpectSec=1h\n[Run]\nExec=/bin/true\n");
        reload();
        advance(HOURS / 2 - USEC_PER_SEC);
        assert_int_equal(f.n_raised, 0);
        advance(USEC_PER_SEC);
        assert_int_equal(f.n_raised, 1);
}

/* One that the history has no longer counts as well. */
static void test_expect_from_stamp(void **state) {
        write_job("a", "[Job]\nExpectSec=1h\n[Run]\nExec=/bin/true\n");
        begin_steps();
        assert_int_equal(ledger_forget_stamp(f.m->ledger, "a", "expected"), 0);
        assert_int_equal(ledger_set_stamp(f.m->ledger, "a", "success", begin - HOURS / 2), 0);
        restart();
        advance(HOURS / 2 - USEC_PER_SEC);
        assert_int_equal(f.n_raised, 0);
        advance(USEC_PER_SEC);
        assert_int_equal(f.n_raised, 1);
}

static void test_unknown(void **state) {
        write_job("a", "[Job]\nOnAlarm=b\n[Run]\nExec=/bin/true\n");
        write_job("b", "[Run]\nExec=/bin/true\n");
        begin_steps();
        job_set_unknown(f.m, job("a"), 0, NULL);
        EXPECT("");
        job_set_unknown(f.m, job("a"), begin, "Nobody knows.");
        EXPECT("= alarm a unknown since 0 raised 0 run 0; alarm a unknown: Nobody knows.; "
               "+ 1 b chain queued; new 1 queued; job b; summary; job a");
        job_set_unknown(f.m, job("a"), begin, "Nobody knows.");
        EXPECT("");
        restart();
        observe_steps();
        job_set_unknown(f.m, job("a"), begin, "Nobody knows.");
        EXPECT("");
        job_set_unknown(f.m, job("a"), 0, NULL);
        EXPECT("= alarm a unknown since - raised - run 0; cleared a unknown");
        restart();
        observe_steps();
        job_set_unknown(f.m, job("a"), 0, NULL);
        EXPECT("");
        EXPECT_WHY("a", "state: It is waiting.\n"
                        "timer: It has no trigger: it runs on request.\n");
}

static void test_pause(void **state) {
        RunRequest by_timer = { .cause = RUN_CAUSE_TIMER, .trigger = RUN_TRIGGER_NONE };
        RunRecord r;

        write_job("a", "[Run]\nExec=/bin/true\n");
        write_job("b", "[Run]\nExec=/bin/true\n");
        begin_steps();
        assert_int_equal(manager_pause(f.m, "a"), 0);
        assert_int_equal(manager_pause(f.m, "a"), 0);
        EXPECT("state 'a' paused until ever, skip 0; job a; [commit]; [commit]");
        r = request_as("a", &by_timer);
        assert_true(r.ended == r.requested && r.ended > 0 && r.started == 0);
        EXPECT("+ 1 a timer skipped; new 1 skipped; finished 1 skipped; [commit]");
        assert_int_equal(manager_pause_all(f.m), 0);
        assert_int_equal(manager_pause_all(f.m), 0);
        EXPECT("state '' paused until -, skip 0; job a; job b; summary; [commit]");
        assert_int_equal(manager_resume(f.m, "a"), 0);
        EXPECT("state 'a' resumed until -, skip 0; job a; [commit]");
        assert_true(job("a")->paused && !job("a")->paused_alone && manager_is_paused(f.m));
        restart();
        assert_true(job("a")->paused && job("b")->paused && manager_is_paused(f.m));
        observe_steps();
        assert_int_equal(manager_resume_all(f.m), 0);
        EXPECT("state '' resumed until -, skip 0; job a; job b; summary; [commit]");
        assert_false(job("a")->paused || job("b")->paused || manager_is_paused(f.m));
        assert_int_equal(manager_skip(f.m, "a", 2), 0);
        assert_int_equal(manager_skip(f.m, "a", 2), 0);
        EXPECT("state 'a' resumed until -, skip 2; job a; [commit]");
        (void)request_as("a", &by_timer);
        EXPECT("+ 2 a timer skipped; new 2 skipped; finished 2 skipped; [commit]");
        runs_use_up_skip(f.m, job("a"));
        EXPECT("state 'a' resumed until -, skip 1; job a");
        assert_int_equal(job("a")->skip, 1);
        assert_int_equal(manager_pause(f.m, "a"), 0);
        steps[0] = '\0';
        runs_use_up_skip(f.m, job("a"));
        EXPECT("");
        assert_int_equal(job("a")->skip, 1);
        assert_int_equal(manager_skip(f.m, "a", 0), 0);
        EXPECT("state 'a' paused until ever, skip 0; job a; [commit]");
        runs_use_up_skip(f.m, job("b"));
        EXPECT("");
}

/* Each pause ends in its own time; what has no end, and what is paused with all, goes on. */
static void test_pauses_end(void **state) {
        static const char *const names[] = { "a", "b", "c", "d" };

        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                write_job(names[i], "[Run]\nExec=/bin/true\n");
        begin_steps();
        assert_int_equal(manager_pause_until(f.m, "a", begin), -EINVAL);
        assert_int_equal(manager_pause_until(f.m, "none", begin + 1), -ENOENT);
        assert_int_equal(manager_pause_until(f.m, "a", begin + HOURS), 0);
        assert_int_equal(manager_pause_until(f.m, "a", begin + 2 * HOURS), 0);
        assert_int_equal(manager_pause_until(f.m, "b", begin + HOURS), 0);
        assert_int_equal(manager_pause(f.m, "c"), 0);
        steps[0] = '\0';
        advance(HOURS - 1);
        EXPECT("");
        advance(1);
        EXPECT("state 'b' resumed until -, skip 0; job b");
        assert_true(job("a")->paused && !job("b")->paused && job("c")->paused);
        restart();
        observe_steps();
        advance(HOURS);
        EXPECT("state 'a' resumed until -, skip 0; job a");
        assert_true(!job("a")->paused && job("c")->paused);
        assert_true(fake_clock_next() > 24 * HOURS); /* nobody is woken up for nothing */

        /* Its end passes while all are paused: then it is one of them. */
        assert_int_equal(manager_pause_until(f.m, "d", fake_clock.realtime + HOURS), 0);
        assert_int_equal(manager_pause_all(f.m), 0);
        steps[0] = '\0';
        advance(HOURS);
        EXPECT("state 'd' resumed until -, skip 0; job d");
        assert_true(job("d")->paused && !job("d")->paused_alone);
        assert_int_equal(manager_resume_all(f.m), 0);
        assert_false(job("d")->paused);
        /* Resumed by hand before its end. */
        assert_int_equal(manager_pause_until(f.m, "a", fake_clock.realtime + HOURS), 0);
        assert_int_equal(manager_resume(f.m, "a"), 0);
        assert_int_equal(job("a")->pause_until, 0);
        assert_true(fake_clock_next() > 24 * HOURS);
        /* One after the other. */
        assert_int_equal(manager_pause_until(f.m, "a", fake_clock.realtime + HOURS), 0);
        assert_int_equal(manager_pause_until(f.m, "b", fake_clock.realtime + 2 * HOURS), 0);
        advance(2 * HOURS);
        assert_false(job("a")->paused || job("b")->paused);
}

static void test_reload(void **state) {
        write_job("a", "[Run]\nExec=/bin/true\n");
        write_job("b", "[Run]\nExec=/bin/true\n");
        write_job("t@", "[Run]\nExec=/bin/true\n");
        begin_steps();
        (void)request("t@x", RUN_TRIGGER_NONE);
        EXPECT("job new t@x; summary; + 1 t@x manual queued; new 1 queued; job t@x; summary; "
               "= 1 starting; stamp t@x runs no. 1; [commit]; begin 1; = 1 running; started 1; job t@x; "
               "summary");
        advance(MINUTES);
        (void)request("b", RUN_TRIGGER_NONE);
        steps[0] = '\0';
        reload();
        EXPECT("[commit]; reloaded; summary");
        write_job("a", "[Run]\nExec=/bin/false\n");
        write_job("c", "[Run]\nExec=/bin/true\n");
        write_job("t@", "[Nonsense]\n");
        assert_int_equal(manager_reload(f.m), 0);
        EXPECT("job a; job new c; [commit]; reloaded; summary");
        assert_non_null(job("t@x"));
        write_job("t@", "[Run]\nExec=/bin/false\n");
        remove_job("b");
        reload();
        EXPECT("job t@x; job b; [commit]; stamp b gone 60; reloaded; summary");
        assert_true(job("b")->gone);
        EXPECT_WHY("b", "state: Its file is gone; accepted runs are still executed.\n"
                        "timer: It has no trigger: it runs on request.\n"
                        "run: Run 2 is running since Tue 2030-01-01 00:01:00 UTC, as vakt-b-2.service.\n");
        remove_job("t@");
        remove_job("a");
        write_job("b", "[Run]\nExec=/bin/true\n");
        reload();
        EXPECT("job b; job removed t@x; job removed a; [commit]; no stamp b gone; stamp t@x gone 60; "
               "reloaded; summary");
        assert_false(job("b")->gone);
        advance(MINUTES);
        assert_non_null(job("b"));
        remove_job("b");
        (void)request("b", RUN_TRIGGER_NONE);
        reload();
        steps[0] = '\0';
        advance(MINUTES);
        EXPECT("ended 3; = 3 success; finished 3 success; job b; summary; job removed b; [commit]; "
               "release 3");
        assert_null(job("b"));
}

/* What is gone for a day is forgotten, but for its history. */
static void test_absent(void **state) {
        write_job("a", "[Run]\nExec=/bin/true\n");
        begin_steps();
        (void)request("a", RUN_TRIGGER_NONE);
        advance(MINUTES);
        assert_int_equal(manager_pause(f.m, "a"), 0);
        remove_job("a");
        steps[0] = '\0';
        reload();
        EXPECT("job removed a; [commit]; stamp a gone 60; reloaded; summary");
        advance(24 * HOURS - 1);
        reload();
        EXPECT("[commit]; reloaded; summary");
        write_job("a", "[Run]\nExec=/bin/true\n");
        reload();
        EXPECT("job new a; [commit]; no stamp a gone; reloaded; summary");
        assert_true(job("a")->paused && job("a")->came_back);
        assert_int_equal(job("a")->n_runs, 1);
        assert_int_equal(job("a")->last_result, RUN_RESULT_SUCCESS);
        remove_job("a");
        reload();
        fake_clock_step(-(int64_t)HOURS); /* since a time that is to come: since now */
        steps[0] = '\0';
        reload();
        EXPECT("[commit]; stamp a gone 82859; reloaded; summary");
        advance(24 * HOURS);
        reload();
        EXPECT("[commit]; forget a; reloaded; summary");
        write_job("a", "[Run]\nExec=/bin/true\n");
        reload();
        assert_false(job("a")->paused || job("a")->came_back);
        assert_int_equal(job("a")->n_runs, 0);
        assert_int_equal(count_runs("a"), 1);
}

static int visit_job(const char *topic, const char *message, void *userdata) {
        step("%s", topic);
        return (int)*(const int *)userdata;
}

/* A visit that returns negative is the last one; others do not matter. */
static void test_explained(void **state) {
        RunRequest by_timer = { .cause = RUN_CAUSE_TIMER, .trigger = RUN_TRIGGER_NONE };
        int answer = 1;

        write_job("a", "[Job]\nSlowSec=10s\nExpectSec=20s\n[Run]\nExec=/bin/true\nOverlap=skip\n");
        begin_steps();
        (void)request("a", RUN_TRIGGER_NONE);
        (void)request_as("a", &by_timer);
        advance(30 * USEC_PER_SEC);
        EXPECT_WHY("a", "state: It is running.\n"
                        "timer: It has no trigger: it runs on request.\n"
                        "overlap: A trigger that elapses now is refused. Another run of the job is still active "
                        "(Overlap=skip).\n"
                        "run: Run 1 is running since Tue 2030-01-01 00:00:00 UTC, as vakt-a-1.service.\n"
                        "alarm: Raised at Tue 2030-01-01 00:00:20 UTC: It has not succeeded for 20s (ExpectSec=).\n"
                        "alarm: Raised at Tue 2030-01-01 00:00:10 UTC: Run 1 takes longer than 10s (SlowSec=).\n"
                        "last: Run 2 of Tue 2030-01-01 00:00:00 UTC was skipped: Another run of the job is still "
                        "active (Overlap=skip).\n");
        write_job("a", "[Run]\nExec=/bin/true\nNonsense=1\n");
        assert_int_equal(manager_reload(f.m), 0);
        steps[0] = '\0';
        assert_int_equal(manager_explain(f.m, job("a"), visit_job, &answer), 0);
        EXPECT("state; file; timer; overlap; run; alarm; alarm; last");
        assert_non_null(strstr(why("a"), "if it is to be ignored. The previous version is in use.\n"));
        answer = -EIO;
        steps[0] = '\0';
        assert_int_equal(manager_explain(f.m, job("a"), visit_job, &answer), -EIO);
        EXPECT("state");
        /* Between its end and what follows from that it is neither. */
        runs_drop(f.m, live(1), RUN_RESULT_SUCCESS);
        assert_null(strstr(why("a"), "more runs"));
        settle();
}

static int visit_run(const RunRecord *r, void *userdata) {
        step("%" PRIu64 " %s", r->id, state_of(r));
        return *(const uint64_t *)userdata == r->id ? 5 : 0;
}

static void test_listed(void **state) {
        ConditionUnit unit;
        uint64_t last = 0;
        usec_t grain = 0;

        write_job("a", "[Run]\nExec=/bin/true\n");
        write_job("b", "[Run]\nExec=/bin/true\n");
        begin_steps();
        advance(MINUTES);
        assert_true(manager_started_at(f.m) == begin && manager_loaded_at(f.m) == begin);
        (void)request("a", RUN_TRIGGER_NONE);
        (void)request("a", RUN_TRIGGER_NONE);
        (void)request("b", RUN_TRIGGER_NONE);
        (void)request("b", RUN_TRIGGER_NONE);
        steps[0] = '\0';
        assert_int_equal(manager_list_live_runs(f.m, 10, visit_run, &last), 0);
        EXPECT("1 running; 3 running; 2 queued; 4 queued");
        assert_int_equal(manager_list_live_runs(f.m, 3, visit_run, &last), 0);
        EXPECT("1 running; 3 running; 2 queued");
        last = 3;
        assert_int_equal(manager_list_live_runs(f.m, 10, visit_run, &last), 5);
        EXPECT("1 running; 3 running");
        last = 0;
        assert_int_equal(manager_query_runs(f.m, &(LedgerFilter){ .job = "b", .limit = 9 }, visit_run, &last, NULL),
                         0);
        EXPECT("4 queued; 3 running");
        assert_int_equal(manager_get_values_unit(f.m, "nonsense here", &unit, NULL), -EINVAL);
        assert_int_equal(manager_query_values(f.m, "load1", 0, 1, &grain, NULL, NULL), -ENOENT);
        assert_int_equal(manager_query_values(f.m, "nonsense here", 0, 1, &grain, NULL, NULL), -EINVAL);
        reload();
        assert_true(manager_loaded_at(f.m) == begin + MINUTES);
        assert_int_equal(manager_executor(f.m)[0], 'u');
}

/* What has a file of its own is gone with that, though its template is still there. */
static void test_reload_of_an_instance_with_a_file(void **state) {
        write_job("t@", "[Run]\nExec=/bin/true\n");
        begin_steps();
        (void)request("t@x", RUN_TRIGGER_NONE);
        advance(MINUTES);
        write_job("t@x", "[Run]\nExec=/bin/false\n");
        steps[0] = '\0';
        reload();
        EXPECT("job t@x; [commit]; reloaded; summary");
        remove_job("t@x");
        reload();
        EXPECT("job removed t@x; [commit]; reloaded; summary");
        assert_null(job("t@x"));
        (void)request("t@x", RUN_TRIGGER_NONE);
        assert_true(job("t@x")->on_demand);
}

/* By HistoryKeep= of the settings, and of a job. */
static void test_history_is_kept(void **state) {
        RunRequest by_timer = { .cause = RUN_CAUSE_TIMER, .trigger = RUN_TRIGGER_NONE };

        write_config("[Manager]\nHistoryKeep=3\n");
        write_job("a", "[Run]\nExec=/bin/true\n");
        write_job("b", "[Run]\nExec=/bin/true\nHistoryKeep=1\n");
        begin_steps();
        assert_int_equal(manager_pause_all(f.m), 0);
        for (unsigned i = 0; i < 10; i++) {
                (void)request_as("a", &by_timer);
                (void)request_as("b", &by_timer);
        }
        advance(2 * HOURS);
        assert_int_equal(count_runs("a"), 3);
        assert_int_equal(count_runs("b"), 1);
        write_config("[Manager]\nHistoryKeep=2\n");
        reload();
        advance(2 * HOURS);
        assert_int_equal(count_runs("a"), 2);
        write_job("a", "[Run]\nExec=/bin/true\nHistoryKeepSec=1day\n");
        reload();
        advance(30 * HOURS);
        (void)request_as("b", &by_timer); /* it is looked at while there are runs */
        advance(MINUTES);
        assert_int_equal(count_runs("a"), 0);
        assert_int_equal(count_runs("b"), 1);
}

/* TZ= is the local zone, with a colon and without. */
static void test_local_zone(void **state) {
        static const char *const zones[] = { "Asia/Tokyo", ":Asia/Tokyo", "Nowhere/None", "" };

        write_job("a", "[Timer]\nOnCalendar=2031-06-01 12:00\n[Run]\nExec=/bin/true\n");
        for (size_t i = 0; i < ELEMENTSOF(zones); i++) {
                assert_int_equal(setenv("TZ", zones[i], 1), 0);
                begin_steps();
                assert_int_equal(manager_pause_until(f.m, "a", begin + 48 * HOURS), 0);
                assert_non_null(strstr(why("a"), i < 2 ? "paused until Thu 2030-01-03 09:00:00 JST"
                                                       : "paused until Thu 2030-01-03 00:00:00 UTC"));
                assert_int_equal(manager_resume(f.m, "a"), 0);
                assert_non_null(
                        strstr(why("a"), i < 2 ? "Sun 2031-06-01 12:00:00 JST" : "Sun 2031-06-01 12:00:00 UTC"));
                stop();
        }
        assert_int_equal(unsetenv("TZ"), 0);
        start();
}

static void test_status(void **state) {
        RunRequest by_timer = { .cause = RUN_CAUSE_TIMER, .trigger = RUN_TRIGGER_NONE };
        char status[MANAGER_STATUS_MAX];

        write_job("a", "[Run]\nExec=/bin/true\n");
        begin_steps();
        assert_string_equal(manager_status(f.m, status, begin), "1 job, 0 running");
        (void)request("a", RUN_TRIGGER_NONE);
        assert_string_equal(manager_status(f.m, status, begin), "1 job, 1 running");
        end_run(1, RUN_RESULT_EXIT);
        write_job("b", "[Timer]\nOnCalendar=2031-06-01 12:00\n[Run]\nExec=/bin/true\n");
        write_job("c", "[Timer]\nOnCalendar=2031-06-01 11:00\n[Run]\nExec=/bin/true\n");
        write_job("d", "[Timer]\nOnCalendar=2031-06-01 13:00\n[Run]\nExec=/bin/true\n");
        reload();
        assert_string_equal(manager_status(f.m, status, begin),
                            "4 jobs, 0 running, next c at Sun 2031-06-01 11:00:00 UTC; 1 failed");
        assert_int_equal(manager_skip(f.m, "c", 1), 0);
        assert_non_null(
                strstr(manager_status(f.m, status, begin), "next c at Sun 2031-06-01 11:00:00 UTC (skipped); "));
        assert_int_equal(manager_pause(f.m, "c"), 0);
        assert_non_null(strstr(manager_status(f.m, status, begin), "next b at Sun 2031-06-01 12:00:00 UTC; "));
        assert_int_equal(manager_resume(f.m, "c"), 0);
        assert_int_equal(manager_skip(f.m, "c", 0), 0);
        /* One that is late is told as of now. */
        assert_non_null(strstr(manager_status(f.m, status, begin + 1000 * 24 * HOURS), "2032-09-27"));
        assert_int_equal(manager_reset_failed(f.m, "a"), 0);
        assert_int_equal(manager_pause_all(f.m), 0);
        (void)request_as("a", &by_timer);
        f.files_are_bad = true;
        write_job("d", "[Nonsense]\n");
        write_config("[Nonsense]\n");
        assert_int_equal(manager_reload(f.m), 0);
        assert_string_equal(manager_status(f.m, status, begin),
                            "4 jobs, 0 running, next c at Sun 2031-06-01 11:00:00 UTC; vaktd.conf has errors; "
                            "2 problems in files; all paused");
}

/* All that goes on stands in the log. */
static void test_dump(void **state) {
        char path[128], text[4096] = "";
        int saved = dup(STDERR_FILENO), fd;

        (void)snprintf(path, sizeof(path), "%s/log", f.directory);
        fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        assert_true(saved >= 0 && fd >= 0);
        write_job("a", "[Run]\nExec=/bin/true\n");
        begin_steps();
        (void)request("a", RUN_TRIGGER_NONE);
        (void)request("a", RUN_TRIGGER_NONE);
        assert_int_equal(dup2(fd, STDERR_FILENO), STDERR_FILENO);
        log_open(LOG_TARGET_STDERR);
        manager_dump(f.m);
        log_open(LOG_TARGET_NULL);
        assert_int_equal(dup2(saved, STDERR_FILENO), STDERR_FILENO);
        assert_true(pread(fd, text, sizeof(text) - 1, 0) > 0);
        assert_non_null(strstr(text, "run 1 is running (manual), pid 1001."));
        assert_non_null(strstr(text, "run 2 is queued (manual), pid 0."));
        assert_null(strstr(text, "more runs"));
        assert_null(strstr(text, "in memory"));
        close(fd);
        close(saved);
}

static void test_told_of_a_run(void **state) {
        write_job("a", "[Run]\nExec=/bin/true\n");
        begin_steps();
        (void)request("a", RUN_TRIGGER_NONE);
        owned_run_set_text(&live(1)->record.unit, NULL);
        assert_non_null(strstr(why("a"), "00:00:00 UTC, as process 1001.\n"));
        live(1)->record.pid = 0;
        assert_non_null(strstr(why("a"), "00:00:00 UTC.\n"));
        run_set_reason(live(1), "%s", "something");
        run_set_reason(live(1), "%s", "");
        assert_string_equal(live(1)->record.reason, "");
        write_job("b", "[Run]\nExec=/bin/true\n");
        reload();
        assert_int_equal(manager_pause_until(f.m, "b", begin + MINUTES), 0);
        /* That the pause of it has no end is not written anywhere: it is one without. */
        assert_int_equal(ledger_set_job_state(f.m->ledger, "a", &(LedgerJobState){ .paused = true }), 0);
        restart();
        assert_true(job("a")->paused);
        assert_true(fake_clock_next() > USEC_PER_SEC);
        advance(2 * MINUTES);
        assert_true(job("a")->paused && !job("b")->paused);
}

/* Of two alarms that the ledger has, both are cleared by the next success, though nothing is watched any more. */
static void test_alarms_after_a_restart(void **state) {
        static const char watched[] = "[Job]\nSlowSec=10s\nExpectSec=20s\n[Run]\nExec=/bin/true\n";

        write_job("a", watched);
        write_job("b", watched);
        begin_steps();
        (void)request("a", RUN_TRIGGER_NONE);
        (void)request("b", RUN_TRIGGER_NONE);
        advance(30 * USEC_PER_SEC);
        stop();
        write_job("a", "[Run]\nExec=/bin/true\n");
        write_job("b", "[Run]\nExec=/bin/true\n");
        start();
        observe_steps();
        assert_true(job("a")->is_overdue && job("b")->is_overdue);
        advance(MINUTES);
        EXPECT("ended 1; = 1 success; finished 1 success; = alarm a slow since - raised - run 0; "
               "cleared a slow; = alarm a expect since - raised - run 0; cleared a expect; job a; "
               "summary; ended 2; = 2 success; finished 2 success; "
               "= alarm b slow since - raised - run 0; cleared b slow; "
               "= alarm b expect since - raised - run 0; cleared b expect; job b; summary; [commit]; "
               "release 1; release 2");
        /* What comes back has its alarms. */
        write_job("a", "[Job]\nSlowSec=10s\n[Run]\nExec=/bin/true\n");
        reload();
        (void)request("a", RUN_TRIGGER_NONE);
        advance(20 * USEC_PER_SEC);
        end_run(3, RUN_RESULT_EXIT);
        remove_job("a");
        reload();
        write_job("a", "[Job]\nSlowSec=10s\n[Run]\nExec=/bin/true\n");
        reload();
        (void)request("a", RUN_TRIGGER_NONE);
        steps[0] = '\0';
        end_run(4, RUN_RESULT_SUCCESS);
        EXPECT("= 4 success; finished 4 success; = alarm a slow since - raised - run 0; cleared a slow; "
               "job a; summary; [commit]");
}

/* Whether a trigger would be refused for want of a file: not where only files ask for runs. */
static void test_forecast_for_files(void **state) {
        char text[256];

        (void)snprintf(text, sizeof(text), "[Path]\nPathChanged=%s\nBatch=each\n[Run]\nExec=/bin/true\n", f.jobs);
        write_job("a", text);
        (void)snprintf(text, sizeof(text),
                       "[Path]\nPathChanged=%s\nBatch=each\n[Timer]\nOnCalendar=2031-01-01\n[Run]\nExec=/bin/true\n",
                       f.jobs);
        write_job("b", text);
        begin_steps();
        assert_null(strstr(why("a"), "requires one file"));
        assert_non_null(strstr(why("b"), "requires one file"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, steps_setup, condition_teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_reset),
                TEST(test_slow),
                TEST(test_expect),
                TEST(test_expect_and_pause),
                TEST(test_expect_and_pause_over_a_restart),
                TEST(test_expect_and_clock),
                TEST(test_expect_after_a_success_to_come),
                TEST(test_expect_from_history),
                TEST(test_expect_from_stamp),
                TEST(test_unknown),
                TEST(test_pause),
                TEST(test_pauses_end),
                TEST(test_reload),
                TEST(test_absent),
                TEST(test_explained),
                TEST(test_listed),
                TEST(test_reload_of_an_instance_with_a_file),
                TEST(test_history_is_kept),
                TEST(test_local_zone),
                TEST(test_status),
                TEST(test_dump),
                TEST(test_told_of_a_run),
                TEST(test_alarms_after_a_restart),
                TEST(test_forecast_for_files),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
