/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The start and the end of the daemon, step by step: what an earlier one left, units that are forgotten, a ledger that
 * is read late, and what is let go. */

#include "steps-fixture.h"

#include <sys/stat.h>

#include "core/outbox.h"
#include "core/runs.h"
#include "fake-executor.h"
#include "time/timestamp.h"

static void test_taken_over(void **state) {
        write_job("a", "[Job]\nSlowSec=30s\n[Run]\nExec=/bin/true\nOverlap=parallel\nMaxParallel=2\n");
        write_job("b", "[Run]\nExec=/bin/true\n");
        begin_steps();
        (void)request("a", RUN_TRIGGER_NONE);
        (void)request("a", RUN_TRIGGER_NONE);
        (void)request("a", RUN_TRIGGER_NONE); /* waits */
        (void)request("b", RUN_TRIGGER_NONE);
        (void)request("b", RUN_TRIGGER_NONE); /* waits */
        assert_int_equal(manager_cancel(f.m, 2), 0);
        advance(5 * USEC_PER_SEC);
        stop();
        remove_job("b");
        steps[0] = '\0';
        start_new();
        EXPECT("adopt 1 running; adopt 2 stopping; adopt 4 running without definition; = 5 skipped");
        observe_steps();
        start_begun();
        EXPECT("[commit]; stamp b gone 5; = 1 running; run 1 running; = 2 stopping; run 2 stopping; "
               "= 4 running; run 4 running");
        assert_true(job("b")->gone && job("b")->n_running == 1);
        assert_true(job("a")->n_running == 2 && job("a")->n_queued == 1 && job("a")->last_start == begin);
        assert_string_equal(reason(5), "Its job is gone or disabled; it was never started.");
        assert_true(run(5).ended == fake_clock.realtime);
        steps[0] = '\0';
        advance(25 * USEC_PER_SEC);
        EXPECT("ended 2; = 2 cancelled; finished 2 cancelled; job a; summary; "
               "= 3 starting; stamp a runs no. 3; [commit]; begin 3; = 3 running; started 3; job a; "
               "summary; [commit]; release 2; = alarm a slow since 0 raised 30 run 1; "
               "alarm a slow: Run 1 takes longer than 30s (SlowSec=).; job a");
        steps[0] = '\0';
        advance(30 * USEC_PER_SEC);
        EXPECT("ended 1; = 1 success; finished 1 success; = alarm a slow since - raised - run 0; "
               "cleared a slow; job a; summary; ended 4; = 4 success; finished 4 success; job b; "
               "summary; job removed b; [commit]; release 1; release 4");
        assert_null(job("b"));
}

/* The machine was booted since. */
static void test_taken_over_after_a_boot(void **state) {
        write_job("a", "[Run]\nExec=/bin/true\nOverlap=parallel\nMaxParallel=2\nRetry=1\nRetryDelaySec=10min\n");
        begin_steps();
        (void)request("a", RUN_TRIGGER_NONE);
        (void)request("a", RUN_TRIGGER_NONE);
        assert_int_equal(ledger_commit(f.m->ledger), 0);
        stop();
        fake_world_forget(1);
        boot++;
        steps[0] = '\0';
        start_new();
        EXPECT("adopt 1 running of another boot; adopt 2 running of another boot");
        observe_steps();
        assert_int_equal(job("a")->live->n_sought, 2);
        start_begun();
        EXPECT("[commit]; ended 1; = 1 lost; finished 1 lost; + 3 a retry waiting; new 3 waiting; "
               "job a; summary; job a; summary; = 2 running; run 2 running; [commit]");
        assert_int_equal(job("a")->live->n_sought, 0); /* the other one is there all the same */
        assert_string_equal(reason(1), "The machine went down while it was active.");
        end_run(2, RUN_RESULT_SUCCESS);
}

/* Units that the ledger has forgotten are followed from when they are found, in the order of their numbers. */
static void test_forgotten(void **state) {
        const ExecutorCallbacks *c;
        RunRecord found = RUN_RECORD_INIT, r;
        ExecutionRequest request_of_it = { .run = &found };

        write_job("a", "[Job]\nOnFailure=b b2\n[Run]\nExec=/bin/true\nOverlap=parallel\nMaxParallel=9\nRetry=1\n");
        write_job("b", "[Run]\nExec=/bin/true\n");
        write_job("b2", "[Run]\nExec=/bin/true\n");
        begin_steps();
        c = &f.m->executor_options.callbacks;
        (void)request("a", RUN_TRIGGER_NONE);
        (void)request("a", RUN_TRIGGER_NONE);
        advance(USEC_PER_SEC);
        assert_int_equal(c->found(f.m, "a", 1), EXEC_FOUND_FOREIGN);
        assert_int_equal(c->found(f.m, "a/b", 500), EXEC_FOUND_FOREIGN);
        assert_int_equal(c->found(f.m, "a", 500), EXEC_FOUND_FORGOTTEN);

        found.id = 502;
        found.job = "a";
        found.unit = "vakt-a-502.service";
        found.cause = RUN_CAUSE_TIMER;
        found.requested = begin - 5 * USEC_PER_SEC;
        found.scheduled = begin - 9 * USEC_PER_SEC;
        fake_world_add("a", 502);
        c->forgotten(f.m, &request_of_it, false);
        assert_int_equal(c->found(f.m, "a", 502), EXEC_FOUND_FOREIGN);
        c->forgotten(f.m, &request_of_it, false); /* once is enough */
        found.id = 501;
        found.unit = "vakt-a-501.service";
        found.cause = RUN_CAUSE_RETRY;
        found.attempt = 2;
        found.parent = 1;
        found.requested = found.scheduled = 0;
        fake_world_add("a", 501);
        c->forgotten(f.m, &request_of_it, false);
        found.id = 503;
        found.job = "b";
        found.unit = "vakt-b-503.service";
        found.cause = RUN_CAUSE_CHAIN;
        found.parent = 2;
        found.parent_job = "a";
        found.attempt = 1;
        found.requested = begin + HOURS; /* a clock that was set back since */
        fake_world_add("b", 503);
        c->forgotten(f.m, &request_of_it, true);
        steps[0] = '\0';
        c->surveyed(f.m);
        EXPECT("= 501 running; adopt 501 running; = 502 running; adopt 502 running; = 503 running; "
               "adopt 503 running");
        c->surveyed(f.m);
        EXPECT("");
        assert_int_equal(job("a")->n_running, 4);
        r = run(502);
        assert_true(r.started == begin + USEC_PER_SEC && r.requested == begin - 5 * USEC_PER_SEC &&
                    r.scheduled == begin - 9 * USEC_PER_SEC && r.cause == RUN_CAUSE_TIMER);
        assert_string_equal(run(502).host, f.m->host);
        r = run(501);
        assert_true(r.requested == begin + USEC_PER_SEC && r.scheduled == r.requested && r.attempt == 2);
        r = run(503);
        assert_true(r.requested == begin + USEC_PER_SEC && r.scheduled == r.requested);

        /* What is known to have followed is not asked for again. */
        steps[0] = '\0';
        end_run(1, RUN_RESULT_EXIT);
        EXPECT("= 1 exit; finished 1 exit; job a; summary; = 501 running; run 501 running; "
               "= 502 running; run 502 running; = 503 running; run 503 running; [commit]");
        f.m->found.runs[1].run.record.parent = 0; /* another try than that of run 2 */
        job("a")->def->rare->retry.max = 0;
        end_run(2, RUN_RESULT_EXIT);
        EXPECT("= 2 exit; finished 2 exit; + 504 b2 chain queued; new 504 queued; job b2; summary; "
               "job a; summary; = 504 starting; stamp b2 runs no. 1; [commit]; begin 504; "
               "= 504 running; started 504; job b2; summary; [commit]");
        end_run(503, RUN_RESULT_SUCCESS);
        /* What no run led to is no other than that. */
        f.m->found.runs[2].run.record.parent = 0;
        owned_run_set_text(&f.m->found.runs[2].run.record.job, strdup("b2"));
        runs_request_others(f.m, job("a"), (char *[]){ (char *)"b2", NULL }, "OnSuccess");
        EXPECT("= 503 success; finished 503 success; job b; summary; [commit]; + 505 b2 chain queued; "
               "new 505 queued; job b2; summary");
        assert_int_equal(c->found(f.m, "b", 503), EXEC_FOUND_WRITTEN);
        assert_int_equal(c->found(f.m, "a", 503), EXEC_FOUND_FOREIGN);
        f.m->stopping = true;
        assert_int_equal(c->found(f.m, "a", 600), EXEC_FOUND_FOREIGN);
        found.id = 600;
        c->forgotten(f.m, &request_of_it, false);
        assert_int_equal(f.m->found.n, 3);
        f.m->stopping = false;
}

/* They may be found before the daemon has begun. */
static void test_forgotten_before_the_start(void **state) {
        RunRecord found = RUN_RECORD_INIT;

        write_job("a", "[Run]\nExec=/bin/true\n");
        start_new();
        found.id = 501;
        found.job = "a";
        found.unit = "vakt-a-501.service";
        fake_world_add("a", 501);
        f.m->executor_options.callbacks.forgotten(f.m, &(ExecutionRequest){ .run = &found }, false);
        observe_steps();
        f.m->executor_options.callbacks.surveyed(f.m);
        EXPECT("");
        assert_false(manager_knows_what_was(f.m));
        start_begun();
        EXPECT("[commit]; = 501 running; adopt 501 running; = 501 running; run 501 running");
        assert_true(manager_knows_what_was(f.m));
        end_run(501, RUN_RESULT_SUCCESS);
}

/* The loop may turn before the daemon begins: then what waits begins all the same. */
static void test_turns_before_the_start(void **state) {
        write_job("a", "[Run]\nExec=/bin/true\n");
        write_job("b", "[Run]\nExec=/bin/true\n");
        begin_steps();
        (void)request("a", RUN_TRIGGER_NONE);
        (void)request("a", RUN_TRIGGER_NONE);
        end_run(1, RUN_RESULT_SUCCESS);
        runs_callbacks()->held(f.m, true);
        runs_callbacks()->put_back(live(2));
        fake_world_forget(2);
        (void)request("b", RUN_TRIGGER_NONE);
        (void)request("b", RUN_TRIGGER_NONE);
        stop();
        write_job("b", "[Job]\nEnabled=no\n[Run]\nExec=/bin/true\n");
        steps[0] = '\0';
        start_new();
        EXPECT("= 3 skipped; = 4 skipped");
        settle();
        assert_int_equal(f.m->n_running, 0);
        start_begun();
        assert_int_equal(run(2).state, RUN_RUNNING);
}

/* A retry has a lower number than what was started while it waited: it gets no place before that is known. */
static void test_retry_and_what_was_started_meanwhile(void **state) {
        write_job("a", "[Run]\nExec=/bin/true\nRetry=1\nRetryDelaySec=10min\nTimeoutSec=infinity\n");
        begin_steps();
        runs_are_long = true;
        (void)request("a", RUN_TRIGGER_NONE);
        end_run(1, RUN_RESULT_EXIT);
        (void)request("a", RUN_TRIGGER_NONE);
        stop();
        fake_clock_advance(11 * MINUTES);
        start();
        assert_true(run(2).state == RUN_QUEUED && run(3).state == RUN_RUNNING);
        assert_int_equal(job("a")->n_running, 1);
}

static void on_done(void *userdata) {
        ++*(unsigned *)userdata;
        step("done");
}

static void test_stopped(void **state) {
        unsigned n_done = 0;

        write_job("a", "[Run]\nExec=/bin/true\n");
        begin_steps();
        (void)request("a", RUN_TRIGGER_NONE);
        (void)request("a", RUN_TRIGGER_NONE);
        steps[0] = '\0';
        manager_stop(f.m, on_done, &n_done);
        settle();
        EXPECT("[commit]; done");
        assert_true(f.m->live.by_id.n_nodes == 0);
        stop();
        start();
        assert_true(run(1).state == RUN_RUNNING && run(2).state == RUN_QUEUED);
        observe_steps();
        drain_is_long = true;
        manager_stop(f.m, on_done, &n_done);
        advance(2 * USEC_PER_SEC - 1);
        assert_int_equal(n_done, 1);
        EXPECT("");
        advance(1);
        assert_int_equal(n_done, 2);
        EXPECT("[commit]; done");
        drain_is_long = false;
}

static void test_bad_file_at_the_start(void **state) {
        write_job("a", "[Run]\nExec=/bin/true\n");
        begin_steps();
        (void)request("a", RUN_TRIGGER_NONE);
        (void)request("a", RUN_TRIGGER_NONE);
        stop();
        f.files_are_bad = true;
        write_job("a", "[Run]\nNonsense=1\n");
        steps[0] = '\0';
        start_new();
        EXPECT("adopt 1 running");
        start_begun();
        observe_steps();
        assert_true(!job("a")->gone && !job("a")->def && job("a")->n_running == 1);
        assert_non_null(strstr(why("a"), "The job cannot run until this is fixed.\n"));
        assert_int_equal(run(2).state, RUN_QUEUED);
        end_run(1, RUN_RESULT_EXIT);
        EXPECT("= 1 exit; finished 1 exit; job a; summary; [commit]");
        write_job("a", "[Run]\nExec=/bin/true\n");
        assert_int_equal(manager_reload(f.m), 0);
        settle();
        EXPECT("job a; [commit]; new 2 queued; job a; summary; reloaded; summary; = 2 starting; "
               "stamp a runs no. 2; [commit]; begin 2; = 2 running; started 2; job a; summary");
}

/* Put back, it is as if it had not been the last one. */
static void test_put_back_after_a_restart(void **state) {
        write_job("a", "[Run]\nExec=/bin/true\n");
        begin_steps();
        (void)request("a", RUN_TRIGGER_NONE);
        advance(2 * MINUTES);
        (void)request("a", RUN_TRIGGER_NONE);
        restart();
        assert_true(job("a")->last_start == begin + 2 * MINUTES);
        runs_callbacks()->held(f.m, true);
        runs_callbacks()->put_back(live(2));
        fake_world_forget(2);
        assert_true(job("a")->last_start == begin);
}

/* The service manager does not say what it has: that is waited for, not for ever. */
static void test_mute_executor(void **state) {
        write_job("a", "[Run]\nExec=/bin/true\n");
        fake_world.is_mute = true;
        begin_steps();
        advance(20 * USEC_PER_SEC - 1);
        assert_false(manager_knows_what_was(f.m));
        advance(1);
        assert_true(manager_knows_what_was(f.m));
}

/* What the command line says goes before what the file says, and "auto" is something to say. */
static void test_choice_of_executor(void **state) {
        ManagerOptions o = {
                .job_dirs = f.dirs,
                .state_dir = f.directory,
                .config_path = f.config,
                .owner = getuid(),
                .log_level = -1,
                .runtime_dir = f.directory,
        };
        static const struct {
                int option;
                const char *config, *name;
        } table[] = {
                { -1, "[Manager]\nExecutor=unit\n", "unit" },
                { EXECUTOR_AUTO, "[Manager]\nExecutor=unit\n", "child" },
                { EXECUTOR_CHILD, "[Manager]\nExecutor=unit\n", "child" },
                { EXECUTOR_UNIT, "[Manager]\nExecutor=child\n", "unit" },
                { -1, "[Manager]\nExecutor=child\n", "child" },
        };

        assert_int_equal(unsetenv("INVOCATION_ID"), 0);
        assert_int_equal(sd_event_new(&f.event), 0);
        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
                write_config(table[i].config);
                o.executor = table[i].option;
                assert_int_equal(manager_new(&f.m, f.event, &o), 0);
                assert_string_equal(manager_executor(f.m), table[i].name);
                f.m = manager_free(f.m);
        }
}

/* What is put back while the daemon ends stays where it is, for the next one. */
static void test_put_back_at_the_end(void **state) {
        unsigned n_done = 0;

        write_job("a", "[Run]\nExec=/bin/true\n");
        begin_steps();
        (void)request("a", RUN_TRIGGER_NONE);
        drain_is_long = true;
        manager_stop(f.m, on_done, &n_done);
        steps[0] = '\0';
        runs_callbacks()->put_back(live(1));
        fake_world_forget(1);
        settle();
        EXPECT("= 1 queued; stamp a runs no. 0; done");
        assert_int_equal(run(1).state, RUN_QUEUED);
        drain_is_long = false;
        restart();
        assert_int_equal(run(1).state, RUN_RUNNING);
}

/* What has ended and was not dealt with is dealt with before the daemon ends. */
static void test_stopped_with_an_end(void **state) {
        unsigned n_done = 0;

        write_job("a", "[Job]\nOnFailure=b\n[Run]\nExec=/bin/true\n");
        write_job("b", "[Run]\nExec=/bin/true\n");
        begin_steps();
        (void)request("a", RUN_TRIGGER_NONE);
        steps[0] = '\0';
        runs_drop(f.m, live(1), RUN_RESULT_EXIT);
        fake_world_forget(1);
        manager_stop(f.m, on_done, &n_done);
        settle();
        EXPECT("= 1 exit; finished 1 exit; + 2 b chain queued; new 2 queued; job b; summary; job a; "
               "summary; [commit]; [commit]; done");
}

/* The end of the daemon, of which an executor hears late, or for which there is nothing to do. */
static void test_stopped_without_runs(void **state) {
        unsigned n_done = 0;

        write_job("a", "[Run]\nExec=/bin/true\n");
        begin_steps();
        manager_stop(f.m, on_done, &n_done);
        settle();
        assert_int_equal(n_done, 1);
        stop();
        start();
        drain_is_long = true;
        manager_stop(f.m, on_done, &n_done);
        advance(5 * USEC_PER_SEC);
        assert_int_equal(n_done, 2);
        f.m->executor_options.callbacks.drained(f.m);
        settle();
        assert_int_equal(n_done, 2);
        drain_is_long = false;
}

/* A run that the ledger has as going on in a child. */
static uint64_t add_child(Ledger *l, const char *name) {
        RunRecord r = RUN_RECORD_INIT;

        r.job = name;
        r.state = RUN_QUEUED;
        r.requested = r.scheduled = fake_clock.realtime;
        assert_int_equal(ledger_add(l, &r), 0);
        r.state = RUN_RUNNING;
        r.started = fake_clock.realtime;
        r.pid = 100;
        r.pid_start = 5;
        assert_int_equal(ledger_update(l, &r), 0);
        return r.id;
}

static void test_former_executor(void **state) {
        unsigned n_done = 0;
        Ledger *l;

        write_job("a", "[Run]\nExec=/bin/true\n");
        write_job("b", "[Run]\nExec=/bin/true\n");
        write_job("c", "[Run]\nExec=/bin/true\n");
        assert_int_equal(ledger_open(&l, NULL, f.directory, NULL), 0);
        assert_int_equal(add_child(l, "a"), 1);
        assert_int_equal(add_child(l, "b"), 2);
        assert_int_equal(add_child(l, "c"), 3);
        ledger_close(l);
        children_are_told = true;
        steps[0] = '\0';
        start_new();
        EXPECT("child adopts 1; child adopts 2; child adopts 3");
        start_begun();
        observe_steps();
        assert_int_equal(n_former, 1);
        end_run(2, RUN_RESULT_EXIT);
        EXPECT("= 2 exit; child lets go; finished 2 exit; job b; summary; [commit]; child acknowledges");
        assert_int_equal(manager_cancel(f.m, 3), 0);
        EXPECT("= 3 stopping; run 3 stopping; child stops; [commit]");
        manager_stop(f.m, on_done, &n_done);
        EXPECT("run 1 stopping; child stops; child drains; [commit]; child acknowledges");
        end_run(1, RUN_RESULT_CANCELLED);
        EXPECT("= 1 cancelled; child lets go; finished 1 cancelled; + 4 a retry waiting; job a; "
               "summary; [commit]; child acknowledges");
        assert_int_equal(n_done, 0);
        end_run(3, RUN_RESULT_CANCELLED);
        EXPECT("= 3 cancelled; child lets go; finished 3 cancelled; job c; summary; [commit]; "
               "child acknowledges; done");
        assert_int_equal(n_done, 1);
        assert_string_equal(reason(1), "vaktd was stopped; it is run again when vaktd is started.");
        assert_string_equal(reason(3), "It was cancelled on request.");
        stop();
        assert_int_equal(n_former, 0);
        children_are_told = false;
        start();
}

/* After a boot, no child is looked for. */
static void test_children_after_a_boot(void **state) {
        Ledger *l;

        write_job("a", "[Run]\nExec=/bin/true\n");
        assert_int_equal(ledger_open(&l, NULL, f.directory, NULL), 0);
        assert_int_equal(add_child(l, "a"), 1);
        ledger_close(l);
        boot++;
        children_are_told = true;
        steps[0] = '\0';
        start();
        EXPECT("= 1 lost; [commit]; [commit]; child acknowledges");
        assert_string_equal(reason(1), "The machine went down while it was active.");
        children_are_told = false;
}

static void test_ledger_is_read_late(void **state) {
        RunRequest by_timer = { .cause = RUN_CAUSE_TIMER, .trigger = RUN_TRIGGER_NONE };

        write_job("a", "[Run]\nExec=/bin/true\nTimeoutSec=infinity\n");
        write_job("b", "[Run]\nExec=/bin/true\n");
        write_job("c", "[Job]\nExpectSec=20s\n[Run]\nExec=/bin/true\n");
        write_job("d", "[Run]\nExec=/bin/true\nWaitFor=job e is failed\n");
        write_job("e", "[Run]\nExec=/bin/true\n");
        begin_steps();
        runs_are_long = true;
        (void)request("e", RUN_TRIGGER_NONE);
        end_run(1, RUN_RESULT_EXIT);
        (void)request("b", RUN_TRIGGER_NONE);
        end_run(2, RUN_RESULT_EXIT);
        (void)request("a", RUN_TRIGGER_NONE);
        (void)request("a", RUN_TRIGGER_NONE);
        advance(20 * USEC_PER_SEC);
        assert_int_equal(manager_pause(f.m, "b"), 0);
        assert_int_equal(manager_skip(f.m, "c", 5), 0);
        assert_int_equal(manager_pause_until(f.m, "e", begin + 3 * HOURS), 0);
        stop();
        is_locked = fake_world.is_mute = true;
        steps[0] = '\0';
        start_new();
        EXPECT("stamp c expected 20");
        start_begun();
        observe_steps();
        assert_false(manager_knows_what_was(f.m) || job("b")->paused || job("c")->is_overdue);
        assert_true(job("a")->n_running == 0 && job("a")->n_runs == 0 && job("b")->last_result == RUN_RESULT_NONE);
        EXPECT_WHY("d", "state: It is waiting.\n"
                        "timer: It has no trigger: it runs on request.\n");
        assert_non_null(manager_ledger_error(f.m));
        (void)request("d", RUN_TRIGGER_NONE);
        EXPECT("+ 5 d manual queued; new 5 queued; job d; summary; = 5 waiting; run 5 waiting; [commit]");
        EXPECT_WHY("d", "state: It is queued.\n"
                        "timer: It has no trigger: it runs on request.\n"
                        "queue: Run 5 waits until its condition is true: job e is failed is unknown: The ledger could "
                        "not be read yet (WaitFor=).\n");
        (void)request("a", RUN_TRIGGER_NONE);
        EXPECT("+ 6 a manual queued; new 6 queued; job a; summary; = 6 starting; [commit]; "
               "begin 6; = 6 running; started 6; job a; summary");
        is_locked = false;
        advance(HOURS);
        EXPECT("job b; job e; adopt 3 running; new 4 queued; job a; summary; job d; = 3 running; "
               "run 3 running; = 5 starting; stamp d runs no. 1; [commit]; begin 5; = 5 running; "
               "started 5; job d; summary");
        assert_true(manager_knows_what_was(f.m) && job("b")->paused && job("c")->is_overdue);
        assert_null(manager_ledger_error(f.m));
        assert_int_equal(job("c")->skip, 5);
        assert_int_equal(job("b")->last_result, RUN_RESULT_EXIT);
        assert_int_equal(request_as("b", &by_timer).result, RUN_RESULT_SKIPPED);
        assert_true(job("a")->n_running == 2 && job("a")->n_runs == 2);
        assert_true(job("e")->paused);
        advance(2 * HOURS);
        assert_false(job("e")->paused);
}

/* What cannot be set up is taken down as far as it came. */
static void test_no_state(void **state) {
        ManagerOptions o = {
                .job_dirs = f.dirs,
                .state_dir = "/nonexistent/directory",
                .config_path = f.config,
                .owner = getuid(),
                .executor = EXECUTOR_UNIT,
                .log_level = -1,
                .runtime_dir = f.directory,
        };

        assert_int_equal(sd_event_new(&f.event), 0);
        assert_int_equal(manager_new(&f.m, f.event, &o), -ENOENT);
        assert_null(f.m);
}

static int note_blob(const char *name, const char *key, uint64_t id, const void *bytes, size_t n, void *userdata) {
        *(uint64_t *)userdata |= UINT64_C(1) << id;
        return 0;
}

/* What was kept for a run that is over, or that there is not, goes. */
static void test_payloads_that_are_left(void **state) {
        static const char payload[] = "MA=1"; /* of a monitor */
        uint64_t left = 0;

        write_job("a", "[Run]\nExec=/bin/true\n");
        begin_steps();
        (void)request("a", RUN_TRIGGER_NONE);
        end_run(1, RUN_RESULT_SUCCESS);
        runs_callbacks()->held(f.m, true);
        (void)request("a", RUN_TRIGGER_NONE);
        for (uint64_t id = 1; id <= 3; id++)
                assert_int_equal(ledger_put(f.m->ledger, "a", "run", id, payload, sizeof(payload)), 0);
        restart();
        assert_int_equal(ledger_list_blobs(f.m->ledger, "a", "run", note_blob, &left), 0);
        assert_int_equal(left, 1 << 2);
        end_run(2, RUN_RESULT_SUCCESS);
        left = 0;
        assert_int_equal(ledger_list_blobs(f.m->ledger, "a", "run", note_blob, &left), 0);
        assert_int_equal(left, 0);
}

/* --- jobs that run once --- */

#define NOTHING "[Run]\nExec=/bin/true\nTimeoutSec=infinity\n"

static char *problem; /* why the last one was refused */

/* errno is that of anything else, which tells nothing of this. */
static int add_once(const char *name, usec_t at, const char *text) {
        const Job *added = NULL;
        int r;

        free(problem);
        problem = NULL;
        errno = EIO;
        r = manager_add_once(f.m, name, at, text, &problem, &added);
        assert_true((r == 0) == (added != NULL) && (r == -EINVAL) == (problem != NULL));
        return r;
}

static int remove_once(const char *name) {
        errno = EIO;
        return manager_remove_once(f.m, name);
}

static const char *once_path(const char *name) {
        static char path[128];

        (void)snprintf(path, sizeof(path), "%s/once.d/%s", f.directory, name);
        return path;
}

static bool is_there(const char *name) {
        return access(once_path(name), F_OK) >= 0;
}

/* The time of the request is that of the file, and a second is the least there is. */
static void test_once_added(void **state) {
        usec_t odd = 123456;
        struct stat st;

        begin_steps();
        fake_clock_advance(odd);
        settle();
        steps[0] = '\0';
        assert_int_equal(add_once(NULL, 0, NOTHING), 0);
        assert_int_equal(add_once("", 0, NOTHING), 0);
        assert_int_equal(add_once(NULL, 0, NOTHING), 0);
        EXPECT("job new once-20300101-000002; summary; job new once-20300101-000002.2; summary; "
               "job new once-20300101-000002.3; summary");
        assert_true(job("once-20300101-000002")->next == begin + 2 * USEC_PER_SEC);
        assert_int_equal(stat(once_path("once-20300101-000002.job"), &st), 0);
        assert_true(st.st_mtim.tv_sec == (time_t)(begin / USEC_PER_SEC) && st.st_mtim.tv_nsec == (long)odd * 1000);
        assert_int_equal(add_once("a", begin + USEC_PER_MINUTE + 1, NOTHING), 0);
        assert_true(job("a")->next == begin + 61 * USEC_PER_SEC);
        assert_int_equal(add_once("b", begin + USEC_PER_MINUTE, NOTHING), 0);
        assert_true(job("b")->next == begin + USEC_PER_MINUTE);
        assert_int_equal(add_once("x", begin + odd, NOTHING), -ERANGE);
        assert_int_equal(add_once("x", TIMESTAMP_MAX - USEC_PER_SEC + 1, NOTHING), -ERANGE);
        assert_int_equal(add_once("x", TIMESTAMP_MAX - USEC_PER_SEC, NOTHING), -EINVAL); /* no time of the calendar */
        assert_int_equal(add_once("../x", 0, NOTHING), -ENOENT);
        assert_int_equal(add_once("x@1", 0, NOTHING), -ENOENT);
        f.m->stopping = true;
        assert_int_equal(add_once("x", 0, NOTHING), -ESHUTDOWN);
        f.m->stopping = false;
}

/* A problem has the line of the text that it is in, and no line of what the daemon writes. */
static void test_once_problems(void **state) {
        static const char other[] = "A job that runs once has no other triggers, ";
        static const struct {
                const char *text, *problem;
        } table[] = {
                { "", "The job has nothing to run." },
                { "No=1\n" NOTHING, "Line 1: Unknown key No= in section [Timer]." },
                { "OnCalendar=\n" NOTHING, other },
                { "OnCalendar=\nOnBootSec=1h\n" NOTHING, other },
                { "OnCalendar=\nOnCalendar=daily\n" NOTHING, other },
                { "OnCalendar=daily\n" NOTHING, other },
                { "CatchUp=none\n" NOTHING, other },
                { "CatchUpWithinSec=1h\n" NOTHING, other },
                { "[Rotate]\nPath=/var/log/x\nMaxSize=1M\n", other },
        };

        begin_steps();
        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
                if (add_once("x", 0, table[i].text) != -EINVAL || !startswith(problem, table[i].problem))
                        fail_msg("text %zu: %s", i, strempty(problem));
        }
        assert_false(is_there("x.job"));
}

/* What stands in the way of the file. */
static void test_once_without_a_file(void **state) {
        begin_steps();
        write_file(once_path("taken.job"), NOTHING);
        assert_int_equal(add_once("taken", 0, NOTHING), -EEXIST);
        times_are_denied = true;
        assert_int_equal(add_once("a", 0, NOTHING), -EIO);
        times_are_denied = false;
        assert_false(is_there("a.job"));
        assert_int_equal(chmod(once_path(""), 0777), 0);
        steps[0] = '\0';
        assert_int_equal(add_once("a", 0, NOTHING), -EACCES);
        assert_false(is_there("a.job"));
        assert_int_equal(chmod(once_path(""), 0700), 0);
        assert_int_equal(unlink(once_path("taken.job")), 0);
        assert_int_equal(rmdir(once_path("")), 0);
        assert_int_equal(add_once("a", 0, NOTHING), -EIO);
        EXPECT("");
}

static void test_once_removed(void **state) {
        write_job("other", NOTHING);
        begin_steps();
        assert_int_equal(add_once("a", begin + HOURS, NOTHING), 0);
        steps[0] = '\0';
        commits_fail = true;
        assert_int_equal(remove_once("a"), -EIO);
        commits_fail = false;
        assert_true(is_there("a.job") && job("a"));
        steps[0] = '\0';
        /* Its file is gone already, or cannot be removed. */
        assert_int_equal(unlink(once_path("a.job")), 0);
        assert_int_equal(mkdir(once_path("a.job"), 0700), 0);
        assert_int_equal(remove_once("a"), -EISDIR);
        assert_non_null(job("a"));
        assert_int_equal(rmdir(once_path("a.job")), 0);
        steps[0] = '\0';
        assert_int_equal(remove_once("a"), 0);
        EXPECT("+ 3 a manual cancelled; new 3 cancelled; finished 3 cancelled; [commit]; forget a; job removed a; "
               "summary");
        assert_int_equal(remove_once("a"), -ENOENT);
        assert_int_equal(remove_once("other"), -EADDRINUSE);
        /* The name is free again. */
        assert_int_equal(add_once("a", begin + HOURS, NOTHING), 0);
        assert_int_equal(remove_once("a"), 0);
        assert_int_equal(add_once("a", 0, NOTHING), 0);
        runs_are_long = true;
        advance(2 * USEC_PER_SEC);
        assert_int_equal(job("a")->n_running, 1);
        assert_int_equal(remove_once("a"), -EBUSY);
        assert_int_equal(unlink(once_path("a.job")), 0);
        reload();
        assert_true(job("a")->gone);
        assert_int_equal(remove_once("a"), -ENOENT);
}

/* One that is over goes, and no other: not those that wait for their time, run, or are paused, nor any other job. */
static void test_once_over(void **state) {
        char kept[128];

        (void)snprintf(kept, sizeof(kept), "%s/b.job", f.directory);
        write_job("other", NOTHING);
        begin_steps();
        assert_int_equal(add_once("late", begin + HOURS, NOTHING), 0);
        assert_int_equal(add_once("paused", 0, NOTHING), 0);
        assert_int_equal(manager_pause(f.m, "paused"), 0);
        assert_int_equal(add_once("a", 0, NOTHING), 0);
        assert_int_equal(add_once("b", 0, NOTHING), 0);
        runs_are_long = true;
        advance(2 * USEC_PER_SEC);
        assert_true(job("a")->n_running == 1 && job("b")->n_running == 1);
        steps[0] = '\0';
        end_run(1, RUN_RESULT_SUCCESS);
        EXPECT("= 1 success; finished 1 success; job a; summary; [commit]; [commit]; forget a; job removed a; "
               "summary");
        assert_true(job("other") && job("late") && job("paused") && job("b") && !job("a"));
        assert_true(is_there("late.job") && is_there("paused.job") && is_there("b.job") && !is_there("a.job"));
        /* The file cannot be removed now. */
        assert_int_equal(rename(once_path("b.job"), kept), 0);
        assert_int_equal(mkdir(once_path("b.job"), 0700), 0);
        end_run(2, RUN_RESULT_SUCCESS);
        assert_non_null(job("b"));
        assert_int_equal(rmdir(once_path("b.job")), 0);
        assert_int_equal(rename(kept, once_path("b.job")), 0);
        assert_int_equal(manager_resume(f.m, "paused"), 0);
        settle();
        advance(USEC_PER_MINUTE);
        assert_int_equal(job("paused")->n_running, 1);
        reload();
        settle();
        assert_false(is_there("b.job"));
        assert_null(job("b"));
}

/* What is over while the daemon ends, or while the ledger is not read, is seen later. What another daemon had not
 * finished to write goes first. */
static void test_once_over_later(void **state) {
        unsigned n_done = 0;

        begin_steps();
        assert_int_equal(add_once("a", 0, NOTHING), 0);
        assert_int_equal(add_once("missed", begin + USEC_PER_MINUTE, NOTHING), 0);
        assert_int_equal(add_once("late", begin + 2 * HOURS, NOTHING), 0);
        runs_are_long = true;
        advance(2 * USEC_PER_SEC);
        drain_is_long = true;
        manager_stop(f.m, on_done, &n_done);
        end_run(1, RUN_RESULT_SUCCESS);
        assert_true(job("a") && is_there("a.job"));
        drain_is_long = false;
        stop();
        fake_world.is_mute = true; /* there may be a run of it that the ledger has forgotten */
        start();
        assert_true(job("a") && is_there("a.job"));
        fake_world.is_mute = false;
        write_file(once_path(".a.job.new"), "");
        stop();
        fake_clock_advance(USEC_PER_MINUTE);
        is_locked = true;
        start();
        advance(10 * USEC_PER_SEC);
        assert_true(job("a") && is_there("a.job") && !is_there(".a.job.new"));
        assert_true(job("a")->n_running == 0 && job("missed")->n_running == 0);
        assert_true(job("late")->next == begin + 2 * HOURS);
        is_locked = false;
        advance(HOURS);
        assert_true(!job("a") && !is_there("a.job"));
        assert_int_equal(count_runs("a"), 1);
        assert_true(newest("missed").cause == RUN_CAUSE_CATCH_UP && count_runs("missed") == 1);
        assert_true(job("late")->next == begin + 2 * HOURS && count_runs("late") == 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, steps_setup, condition_teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_taken_over),
                TEST(test_taken_over_after_a_boot),
                TEST(test_forgotten),
                TEST(test_forgotten_before_the_start),
                TEST(test_turns_before_the_start),
                TEST(test_retry_and_what_was_started_meanwhile),
                TEST(test_stopped),
                TEST(test_bad_file_at_the_start),
                TEST(test_put_back_after_a_restart),
                TEST(test_mute_executor),
                TEST(test_choice_of_executor),
                TEST(test_put_back_at_the_end),
                TEST(test_stopped_with_an_end),
                TEST(test_stopped_without_runs),
                TEST(test_former_executor),
                TEST(test_children_after_a_boot),
                TEST(test_ledger_is_read_late),
                TEST(test_no_state),
                TEST(test_payloads_that_are_left),
                TEST(test_once_added),
                TEST(test_once_problems),
                TEST(test_once_without_a_file),
                TEST(test_once_removed),
                TEST(test_once_over),
                TEST(test_once_over_later),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
