/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The steps of a run from its request to its end, and to what follows from that: retries, chains, what is put back. */

#include "steps-fixture.h"

#include "core/runs.h"
#include "fake-executor.h"

static void test_run(void **state) {
        RunRecord r;

        write_job("a", "[Run]\nExec=/bin/true\n");
        begin_steps();
        (void)request("a", RUN_TRIGGER_NONE);
        EXPECT("+ 1 a manual queued; new 1 queued; job a; summary; = 1 starting; "
               "stamp a runs no. 1; [commit]; begin 1; = 1 running; started 1; job a; summary");
        r = run(1);
        assert_string_equal(r.unit, "vakt-a-1.service");
        assert_string_equal(r.host, f.m->host);
        assert_true(r.host[0] != '\0');
        assert_int_equal(r.pid, 1001);
        assert_true(r.started == begin && r.requested == begin && r.scheduled == begin);
        assert_true(job("a")->last_start == begin);

        runs_callbacks()->output(live(1), "hello, world", 5, true);
        runs_callbacks()->status(live(1), "half of it");
        assert_string_equal(run(1).status_text, "half of it");
        runs_callbacks()->started(live(1), &(ExecIdentity){ .pid = 7, .pid_start = 8, .unit = "other.service" });
        EXPECT("output 1 hello (error); run 1 running; = 1 running; run 1 running");
        runs_callbacks()->started(live(1), &(ExecIdentity){ .pid = 7, .pid_start = 8 });
        steps[0] = '\0';
        r = run(1);
        assert_string_equal(r.unit, "other.service");
        assert_true(r.pid == 7 && r.pid_start == 8);

        advance(MINUTES);
        EXPECT("ended 1; = 1 success; finished 1 success; job a; summary; [commit]; release 1");
        r = run(1);
        assert_true(r.pid == 0 && r.ended == begin + MINUTES - 1);
        assert_int_equal(job("a")->n_runs, 1);
        assert_int_equal(job("a")->last_result, RUN_RESULT_SUCCESS);
        assert_true(job("a")->last_end == r.ended);
}

static void test_cancelled(void **state) {
        write_job("a", "[Run]\nExec=/bin/true\n");
        begin_steps();
        (void)request("a", RUN_TRIGGER_NONE);
        (void)request("a", RUN_TRIGGER_NONE);
        steps[0] = '\0';
        assert_int_equal(manager_cancel(f.m, 2), 0);
        EXPECT("= 2 cancelled; finished 2 cancelled; job a; summary; [commit]");
        assert_int_equal(manager_cancel(f.m, 2), -EALREADY);
        assert_int_equal(manager_cancel(f.m, 1), 0);
        EXPECT("= 1 stopping; run 1 stopping; stop 1 cancelled; [commit]");
        assert_int_equal(manager_cancel(f.m, 1), 0);
        EXPECT("");
        advance(MINUTES);
        EXPECT("ended 1; = 1 cancelled; finished 1 cancelled; job a; summary; [commit]; release 1");
        assert_string_equal(reason(1), "It was cancelled on request.");
        assert_int_equal(job("a")->last_result, RUN_RESULT_CANCELLED);
        assert_int_equal(job("a")->n_runs, 1);
}

/* What the executor reports, and what becomes of it. */
static void test_reports(void **state) {
        static const struct {
                unsigned line;
                bool is_stopping, is_sought;
                RunResult reported;
                const char *said;
                RunResult result;
                const char *reason;
        } table[] = {
                { __LINE__, false, false, RUN_RESULT_EXIT, NULL, RUN_RESULT_EXIT, "" },
                { __LINE__, false, false, RUN_RESULT_EXIT, "It failed.", RUN_RESULT_EXIT, "It failed." },
                { __LINE__, false, false, RUN_RESULT_CANCELLED, "Stopped.", RUN_RESULT_CANCELLED, "Stopped." },
                { __LINE__, false, false, RUN_RESULT_LOST, "Lost.", RUN_RESULT_LOST, "Lost." },
                { __LINE__, false, true, RUN_RESULT_LOST, "Lost.", RUN_RESULT_LOST,
                  "The machine went down while it was active." },
                { __LINE__, false, true, RUN_RESULT_EXIT, "It failed.", RUN_RESULT_EXIT, "It failed." },
                { __LINE__, true, false, RUN_RESULT_CANCELLED, "Stopped.", RUN_RESULT_CANCELLED,
                  "It was cancelled on request." },
                { __LINE__, true, false, RUN_RESULT_LOST, "Lost.", RUN_RESULT_CANCELLED,
                  "It was cancelled on request." },
                { __LINE__, true, false, RUN_RESULT_EXIT, NULL, RUN_RESULT_EXIT, "" },
                { __LINE__, true, false, RUN_RESULT_TIMEOUT, "Too long.", RUN_RESULT_TIMEOUT, "Too long." },
        };

        write_job("a", "[Run]\nExec=/bin/true\n");
        begin_steps();
        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
                uint64_t id = request("a", RUN_TRIGGER_NONE);
                ExecOutcome o = {
                        .result = table[i].reported, .code = 3, .reason = table[i].said, .cpu = 4, .memory_peak = 5
                };
                RunRecord r;

                if (table[i].is_stopping)
                        assert_int_equal(manager_cancel(f.m, id), 0);
                if (table[i].is_sought)
                        run_set_sought(live(id), true);
                o.started = begin + 1 + i;
                o.ended = begin + 10 + i;
                runs_callbacks()->ended(live(id), &o);
                r = run(id);
                if (r.result != table[i].result || !streq(strempty(r.reason), table[i].reason))
                        fail_msg("line %u: %s: %s", table[i].line, run_result_to_string(r.result), r.reason);
                assert_true(r.code == 3 && r.cpu == 4 && r.memory_peak == 5);
                assert_true(r.started == begin + 1 + i && r.ended == begin + 10 + i);
                assert_int_equal(job("a")->last_code, 3);
                assert_true(job("a")->last_end == r.ended);
                fake_world_forget(id);
        }
        restart();
        assert_int_equal(job("a")->last_code, 3);
        assert_int_equal(job("a")->last_result, RUN_RESULT_TIMEOUT);
        assert_true(job("a")->last_end == begin + 19);
}

/* What is put back is as if it had never been started. */
static void test_put_back(void **state) {
        usec_t first;
        RunRecord r;

        write_job("a", "[Run]\nExec=/bin/true\nOverlap=parallel\nMaxParallel=2\n");
        begin_steps();
        (void)request("a", RUN_TRIGGER_NONE);
        first = begin;
        advance(2 * MINUTES);
        (void)request("a", RUN_TRIGGER_NONE);
        runs_callbacks()->held(f.m, true);
        steps[0] = '\0';
        runs_callbacks()->started(live(2), &(ExecIdentity){ .pid = 7,
                                                            .pid_start = 8,
                                                            .unit = "x.service",
                                                            .invocation = SD_ID128_MAKE(1, 2, 3, 4, 5, 6, 7, 8, 9, 10,
                                                                                        11, 12, 13, 14, 15, 16) });
        assert_false(sd_id128_is_null(run(2).invocation));
        runs_callbacks()->put_back(live(2));
        fake_world_forget(2);
        settle();
        EXPECT("= 2 running; run 2 running; = 2 queued; stamp a runs no. 1; run 2 queued; job a; summary");
        r = run(2);
        assert_true(r.started == 0 && r.pid == 0 && r.pid_start == 0 && !r.unit && sd_id128_is_null(r.invocation));
        assert_true(job("a")->last_start == first);
        assert_non_null(strstr(why("a"), "queue: Run 2 waits for the next boot: the machine is shutting down.\n"));
        assert_int_equal(job("a")->n_runs, 1);
        runs_callbacks()->held(f.m, false);
        settle();
        EXPECT("= 2 starting; stamp a runs no. 2; [commit]; begin 2; = 2 running; started 2; job a; "
               "summary");

        /* What was put back begins with what the file says by then. */
        runs_callbacks()->held(f.m, true);
        write_job("a", "[Run]\nExec=/bin/false\nOverlap=parallel\nMaxParallel=2\n");
        reload();
        assert_ptr_not_equal(live(2)->def, job("a")->def);
        runs_callbacks()->put_back(live(2));
        fake_world_forget(2);
        runs_callbacks()->held(f.m, false);
        settle();
        assert_ptr_equal(live(2)->def, job("a")->def);

        /* Another one was started since: that was the last one. */
        advance(USEC_PER_SEC);
        (void)request("a", RUN_TRIGGER_NONE);
        runs_callbacks()->held(f.m, true);
        runs_callbacks()->put_back(live(2));
        assert_true(job("a")->last_start == run(3).started);
        assert_int_equal(manager_cancel(f.m, 3), 0);
        steps[0] = '\0';
        runs_callbacks()->put_back(live(3));
        EXPECT("= 3 cancelled");
}

static void test_retry(void **state) {
        RunRecord r;
        usec_t next;

        write_job("a", "[Job]\nOnFailure=c\n[Run]\nExec=/bin/true\nRetry=2\nRetryDelaySec=10min\n");
        write_job("b", "[Job]\nOnSuccess=a\n[Run]\nExec=/bin/true\n");
        write_job("c", "[Run]\nExec=/bin/true\n");
        begin_steps();
        (void)request("b", RUN_TRIGGER_NONE);
        advance(MINUTES);
        steps[0] = '\0';
        end_run(2, RUN_RESULT_EXIT);
        EXPECT("= 2 exit; finished 2 exit; + 3 a retry waiting; new 3 waiting; job a; summary; job a; "
               "summary; [commit]");
        r = run(3);
        assert_true(r.parent == 2 && r.attempt == 2 && r.scheduled == run(2).scheduled);
        assert_string_equal(run(3).parent_job, "b");
        next = run(3).requested + 10 * MINUTES;
        assert_true(manager_next_retry(f.m, job("a")) == next);
        assert_true(manager_next_retry(f.m, job("b")) == 0);
        EXPECT_WHY("a", "state: It is retrying.\n"
                        "timer: It has no trigger: it runs on request.\n"
                        "retry: Run 3, try 2, is due at Tue 2030-01-01 00:11:00 UTC, in 10min (RetryDelaySec=), after "
                        "run 2.\n");
        advance(10 * MINUTES);
        EXPECT("run 3 queued; job a; = 3 starting; stamp a runs no. 2; [commit]; begin 3; = 3 running; "
               "started 3; job a; summary");
        end_run(3, RUN_RESULT_EXIT);
        steps[0] = '\0';
        assert_true(manager_next_retry(f.m, job("a")) == run(4).requested + 20 * MINUTES);
        advance(20 * MINUTES);
        end_run(4, RUN_RESULT_SUCCESS);
        EXPECT("run 4 queued; job a; = 4 starting; stamp a runs no. 3; [commit]; begin 4; = 4 running; "
               "started 4; job a; summary; = 4 success; finished 4 success; job a; summary; [commit]");
        assert_int_equal(run(4).attempt, 3);
}

/* The last try fails: others hear of that. */
static void test_last_try(void **state) {
        write_job("a", "[Job]\nOnFailure=c\n[Run]\nExec=/bin/true\nRetry=1\nRetryDelaySec=10min\n");
        write_job("c", "[Run]\nExec=/bin/true\n");
        begin_steps();
        (void)request("a", RUN_TRIGGER_NONE);
        end_run(1, RUN_RESULT_EXIT);
        assert_int_equal(count_runs("c"), 0);
        advance(10 * MINUTES);
        steps[0] = '\0';
        end_run(2, RUN_RESULT_EXIT);
        EXPECT("= 2 exit; finished 2 exit; + 3 c chain queued; new 3 queued; job c; summary; job a; "
               "summary; = 3 starting; stamp c runs no. 1; [commit]; begin 3; = 3 running; "
               "started 3; job c; summary; [commit]");
        assert_true(run(3).parent == 2 && run(3).trigger == RUN_TRIGGER_NONE);
        assert_string_equal(run(3).parent_job, "a");
}

static void test_retry_is_dropped(void **state) {
        write_job("a", "[Run]\nExec=/bin/true\nRetry=1\nRetryDelaySec=10min\n");
        begin_steps();
        (void)request("a", RUN_TRIGGER_NONE);
        end_run(1, RUN_RESULT_EXIT);
        (void)request("a", RUN_TRIGGER_NONE);
        steps[0] = '\0';
        advance(MINUTES);
        EXPECT("ended 3; = 3 success; finished 3 success; = 2 skipped; job a; summary; "
               "finished 2 skipped; job a; summary; [commit]; release 3");
        assert_string_equal(reason(2), "Run 3 of the job has succeeded meanwhile.");
}

/* What was never started is nothing that the job did, neither now nor for the next daemon. */
static void test_last_is_what_was_started(void **state) {
        RunRequest by_chain = { .cause = RUN_CAUSE_CHAIN, .trigger = RUN_TRIGGER_NONE };
        usec_t end;

        write_job("a", "[Run]\nExec=/bin/true\n");
        begin_steps();
        (void)request("a", RUN_TRIGGER_NONE);
        advance(MINUTES);
        end = job("a")->last_end;
        (void)request("a", RUN_TRIGGER_NONE);
        (void)request("a", RUN_TRIGGER_NONE);
        assert_int_equal(manager_cancel(f.m, 3), 0);
        end_run(2, RUN_RESULT_SUCCESS);
        end = job("a")->last_end;
        runs_refuse(f.m, "a", &by_chain, RUN_RESULT_START_FAILED, "It could not be requested.");
        for (unsigned i = 0; i < 2; i++) {
                assert_int_equal(job("a")->last_result, RUN_RESULT_SUCCESS);
                assert_true(job("a")->last_start == run(2).started && job("a")->last_end == end);
                advance(MINUTES);
                restart();
        }
}

static void test_chains(void **state) {
        write_job("a", "[Job]\nOnSuccess=ok off none bad\nOnFailure=ok\n[Run]\nExec=/bin/true\n");
        write_job("ok", "[Run]\nExec=/bin/true\n");
        write_job("off", "[Job]\nEnabled=no\n[Run]\nExec=/bin/true\n");
        begin_steps();
        write_job("bad", "[Nonsense]\n");
        assert_int_equal(manager_reload(f.m), 0);
        (void)request("a", RUN_TRIGGER_NONE);
        steps[0] = '\0';
        advance(MINUTES);
        EXPECT("ended 1; = 1 success; finished 1 success; + 2 ok chain queued; new 2 queued; job ok; "
               "summary; + 3 off chain skipped; new 3 skipped; finished 3 skipped; "
               "+ 4 none chain start-failed; new 4 start-failed; finished 4 start-failed; "
               "+ 5 bad chain start-failed; new 5 start-failed; finished 5 start-failed; job a; "
               "summary; = 2 starting; stamp ok runs no. 1; [commit]; begin 2; "
               "= 2 running; started 2; job ok; summary; [commit]; release 1");
        assert_string_equal(reason(3), "Its file sets Enabled=no (requested by OnSuccess= of job a).");
        assert_string_equal(reason(4), "There is no job with this name; fix OnSuccess= of job a.");
        assert_string_equal(reason(5), "Its file is invalid; see 'vaktctl check' (requested by OnSuccess= of job a).");
        assert_true(run(2).parent == 1 && run(2).cause == RUN_CAUSE_CHAIN && run(5).parent == 1);
        assert_string_equal(run(2).parent_job, "a");
}

/* What led to a run is looked through, not for ever. */
static void test_cycles(void **state) {
        RunRequest filler = { .cause = RUN_CAUSE_TIMER, .trigger = RUN_TRIGGER_NONE };
        RunRequest by_hand = { .cause = RUN_CAUSE_MANUAL, .trigger = RUN_TRIGGER_NONE };
        uint64_t ids[70];

        write_job("a", "[Run]\nExec=/bin/true\nOverlap=parallel\n");
        write_job("b", "[Job]\nOnSuccess=a\n[Run]\nExec=/bin/true\n");
        write_job("filler", "[Run]\nExec=/bin/true\n");
        begin_steps();
        assert_int_equal(manager_pause(f.m, "filler"), 0);
        for (size_t i = 0; i < ELEMENTSOF(ids); i++) {
                ids[i] = request_as("filler", &filler).id;
                filler.parent = ids[i];
        }
        for (size_t i = 0; i < 5; i++) {
                /* Nothing; itself one step ago; a run that is forgotten; as long as may be, and longer. */
                const uint64_t parents[] = { 0, newest("a").id, 100000, ids[62], ids[63] };
                const char *const reasons[] = { "", "The job is one of", "", "", "The job is one of" };

                by_hand.parent = parents[i];
                (void)request_as("b", &by_hand);
                advance(MINUTES);
                if (strncmp(strempty(newest("a").reason), reasons[i], strlen(reasons[i])) != 0 ||
                    (newest("a").result == RUN_RESULT_SKIPPED) != (reasons[i][0] != '\0'))
                        fail_msg("%zu: %s", i, newest("a").reason);
                assert_int_equal(count_runs("a"), i + 1);
                advance(MINUTES);
        }
}

/* A retry is held by a pause, and made when that ends. */
static void test_retry_and_pause(void **state) {
        write_job("a", "[Run]\nExec=/bin/true\nRetry=1\nRetryDelaySec=10min\n");
        begin_steps();
        (void)request("a", RUN_TRIGGER_NONE);
        end_run(1, RUN_RESULT_EXIT);
        assert_int_equal(manager_pause(f.m, "a"), 0);
        EXPECT_WHY("a", "state: It is retrying.\n"
                        "timer: It has no trigger: it runs on request.\n"
                        "paused: It is paused; use 'vaktctl resume a' to resume it.\n"
                        "retry: Run 2, try 2, waits until the job is resumed.\n");
        advance(HOURS);
        steps[0] = '\0';
        assert_int_equal(manager_resume(f.m, "a"), 0);
        settle();
        EXPECT("state 'a' resumed until -, skip 0; job a; [commit]; run 2 queued; job a; = 2 starting; "
               "stamp a runs no. 2; [commit]; begin 2; = 2 running; started 2; job a; summary");
        advance(MINUTES);
        assert_int_equal(run(2).result, RUN_RESULT_SUCCESS);
}

static void test_not_started(void **state) {
        RunRecord r;

        write_job("a", "[Job]\nOnFailure=b\n[Run]\nExec=/bin/true\n");
        write_job("b", "[Run]\nExec=/bin/true\n");
        begin_steps();
        starts_fail = true;
        (void)request("a", RUN_TRIGGER_NONE);
        EXPECT("+ 1 a manual queued; new 1 queued; job a; summary; = 1 starting; "
               "stamp a runs no. 1; [commit]; = 1 start-failed; finished 1 start-failed; "
               "+ 2 b chain queued; new 2 queued; job b; summary; job a; summary; "
               "= 2 starting; stamp b runs no. 1; [commit]; = 2 start-failed; finished 2 start-failed; "
               "job b; summary; [commit]");
        r = run(1);
        assert_true(r.result == RUN_RESULT_START_FAILED && r.code == E2BIG && r.started > 0);
        assert_string_equal(r.reason, "It could not be started: Argument list too long.");
}

/* What asked for it is told by the environment: a chain only. */
static void test_result_of_the_parent(void **state) {
        write_job("a", "[Job]\nOnFailure=b\n[Run]\nExec=/bin/true\n");
        write_job("b", "[Run]\nExec=/bin/true\nRetry=1\nRetryDelaySec=10min\n");
        begin_steps();
        (void)request("a", RUN_TRIGGER_NONE);
        assert_string_equal(variable("VAKT_PARENT_RESULT"), "");
        end_run(1, RUN_RESULT_EXIT);
        assert_string_equal(variable("VAKT_PARENT_RESULT"), "exit");
        assert_string_equal(variable("VAKT_PARENT_JOB"), "a");
        end_run(2, RUN_RESULT_EXIT);
        advance(10 * MINUTES);
        assert_string_equal(variable("VAKT_ATTEMPT"), "2");
        assert_string_equal(variable("VAKT_PARENT_RESULT"), "");
        end_run(3, RUN_RESULT_SUCCESS);
}

/* What the ledger cannot write, the executor is not told to forget; it is tried again. */
static void test_acknowledged_later(void **state) {
        write_job("a", "[Run]\nExec=/bin/true\n");
        begin_steps();
        (void)request("a", RUN_TRIGGER_NONE);
        commits_fail = true;
        steps[0] = '\0';
        advance(MINUTES);
        EXPECT("ended 1; = 1 success; finished 1 success; job a; summary; [no commit]");
        advance(4 * USEC_PER_SEC);
        EXPECT("");
        commits_fail = false;
        advance(USEC_PER_SEC);
        EXPECT("[commit]; release 1");
}

/* Four a turn; not one more than there is a place for. */
static void test_many_starts(void **state) {
        write_job("a", "[Run]\nExec=/bin/true\nOverlap=parallel\nMaxParallel=100\nQueueMax=100\n");
        begin_steps();
        runs_callbacks()->held(f.m, true);
        for (unsigned i = 0; i < 20; i++) {
                RunRequest r = { .cause = RUN_CAUSE_MANUAL, .trigger = RUN_TRIGGER_NONE };
                const RunRecord *record;

                assert_int_equal(manager_request(f.m, "a", &r, &record), 0);
        }
        settle();
        assert_int_equal(f.n_begun, 0);
        runs_callbacks()->held(f.m, false);
        for (unsigned i = 0; i < 20 && f.n_begun == 0; i++)
                assert_true(fake_clock_run(f.event) >= 0);
        assert_int_equal(f.n_begun, 4);
        settle();
        assert_int_equal(f.n_begun, 20);
        runs_callbacks()->held(f.m, true);
        steps[0] = '\0';
        (void)request("a", RUN_TRIGGER_NONE);
        EXPECT("+ 21 a manual queued; new 21 queued; job a; summary; [commit]");
}

/* Of many that are due in one moment the first ones are started before the others are requested. */
static void test_many_due(void **state) {
        char name[16];

        for (unsigned i = 0; i < 20; i++) {
                (void)snprintf(name, sizeof(name), "j%u", i);
                write_job(name, "[Timer]\nOnCalendar=hourly\nAccuracySec=1us\n[Run]\nExec=/bin/true\n");
        }
        begin_steps();
        fake_clock_advance(HOURS);
        for (unsigned i = 0; i < 20 && f.n_begun == 0; i++)
                assert_true(fake_clock_run(f.event) >= 0);
        assert_int_equal(f.n_begun, 4);
        assert_int_equal(f.m->live.by_id.n_nodes, 4);
        settle();
        assert_int_equal(f.n_begun, 20);
        /* Each of them was written once before it was started. */
        assert_null(strstr(steps, "[commit]; ="));
}

static void test_retry_of_a_job_that_is_gone(void **state) {
        write_job("a", "[Run]\nExec=/bin/true\nRetry=1\nRetryDelaySec=10min\n");
        begin_steps();
        (void)request("a", RUN_TRIGGER_NONE);
        end_run(1, RUN_RESULT_EXIT);
        remove_job("a");
        reload();
        steps[0] = '\0';
        advance(10 * MINUTES);
        EXPECT("= 2 skipped; finished 2 skipped; job a; summary; job removed a");
        assert_null(job("a"));
        assert_string_equal(reason(2),
                            "The job was removed, disabled or became invalid after the retry was scheduled.");
}

static void test_no_retry(void **state) {
        RunRequest of_file = { .cause = RUN_CAUSE_MANUAL, .trigger = RUN_TRIGGER_NONE, .payload = "/f" };

        write_job("a", "[Job]\nOnFailure=c\n[Run]\nExec=/bin/true\nRetry=1\nRetryDelaySec=10min\n");
        write_job("c", "[Run]\nExec=/bin/true\n");
        begin_steps();
        /* It had a file, and who gave it that is not known any more: it is found again by itself. */
        (void)request_as("a", &of_file);
        end_run(1, RUN_RESULT_EXIT);
        assert_int_equal(count_runs("a"), 1);
        assert_int_equal(count_runs("c"), 1);
        /* Its job is gone. */
        (void)request("a", RUN_TRIGGER_NONE);
        remove_job("a");
        reload();
        steps[0] = '\0';
        end_run(3, RUN_RESULT_EXIT);
        EXPECT("= 3 exit; finished 3 exit; + 4 c chain queued; new 4 queued; job c; summary; job a; "
               "summary; job removed a; [commit]");
}

/* Without a delay it goes through no timer. */
static void test_retry_at_once(void **state) {
        write_job("a", "[Run]\nExec=/bin/true\nRetry=1\nRetryDelaySec=0\n");
        begin_steps();
        (void)request("a", RUN_TRIGGER_NONE);
        steps[0] = '\0';
        end_run(1, RUN_RESULT_EXIT);
        EXPECT("= 1 exit; finished 1 exit; + 2 a retry waiting; new 2 queued; job a; summary; job a; "
               "summary; = 2 starting; stamp a runs no. 2; [commit]; begin 2; = 2 running; "
               "started 2; job a; summary; [commit]");
        end_run(2, RUN_RESULT_SUCCESS);
}

/* A second from now, one waits for its time, the other one, which is due then, for the machine. */
static void begin_two_retries(void) {
        write_job("a", "[Run]\nExec=/bin/true\nOverlap=parallel\nMaxParallel=2\nRetry=1\nRetryDelaySec=10min\n"
                       "TimeoutSec=infinity\nWaitFor=load1 < 2\nWaitMaxSec=1day\nQueueMax=9\n");
        begin_steps();
        runs_are_long = true;
        set("load1", 1000);
        (void)request("a", RUN_TRIGGER_NONE);
        (void)request("a", RUN_TRIGGER_NONE);
        end_run(1, RUN_RESULT_EXIT);
        set("load1", 3000);
        advance(10 * MINUTES - USEC_PER_SEC);
        end_run(2, RUN_RESULT_EXIT);
}

static void test_two_retries(void **state) {
        begin_two_retries();
        steps[0] = '\0';
        advance(USEC_PER_SEC);
        EXPECT("= 3 waiting; run 3 waiting; run 3 waiting; job a; job a");
        EXPECT_WHY("a", "state: It is queued.\n"
                        "timer: It has no trigger: it runs on request.\n"
                        "queue: Run 3 waits until its condition is true: load1 is 3 and not < 2 (WaitFor=).\n"
                        "retry: Run 4, try 2, is due at Tue 2030-01-01 00:19:59 UTC, in 9min 59s (RetryDelaySec=), "
                        "after run 2.\n");
        assert_true(fake_clock_next() > USEC_PER_SEC); /* nobody looks in vain */
        assert_true(manager_next_retry(f.m, job("a")) == run(4).requested + 10 * MINUTES);
        assert_int_equal(manager_reset_failed(f.m, "a"), 0);
        settle();
        EXPECT("stamp a reset no. 4; = 4 cancelled; = 3 cancelled; job a; finished 4 cancelled; job a; "
               "summary; finished 3 cancelled; job a; summary; [commit]");
        assert_true(run(3).result == RUN_RESULT_CANCELLED && run(4).result == RUN_RESULT_CANCELLED);
}

static void test_replaced(void **state) {
        write_job("a", "[Run]\nExec=/bin/true\nOverlap=replace\n");
        begin_steps();
        (void)request("a", RUN_TRIGGER_NONE);
        steps[0] = '\0';
        (void)request("a", RUN_TRIGGER_NONE);
        EXPECT("+ 2 a manual queued; new 2 queued; = 1 stopping; run 1 stopping; stop 1 cancelled; "
               "job a; summary; [commit]");
        (void)request("a", RUN_TRIGGER_NONE);
        EXPECT("+ 3 a manual queued; new 3 queued; = 2 cancelled; job a; summary; finished 2 cancelled; "
               "job a; summary; [commit]");
        advance(10 * USEC_PER_SEC);
        EXPECT("ended 1; = 1 cancelled; finished 1 cancelled; job a; summary; "
               "= 3 starting; stamp a runs no. 2; [commit]; begin 3; = 3 running; started 3; job a; "
               "summary; [commit]; release 1");
        assert_string_equal(reason(1), "It was replaced by run 2 (Overlap=replace).");
        assert_string_equal(reason(2), "It was replaced by run 3 (Overlap=replace).");
}

/* A retry whose time has come and that something else holds up. */
static void test_retry_and_rate(void **state) {
        write_job("a", "[Run]\nExec=/bin/true\nRetry=1\nRetryDelaySec=10min\nMinIntervalSec=1h\n");
        assert_int_equal(setenv("TZ", "Asia/Tokyo", 1), 0);
        begin_steps();
        (void)request("a", RUN_TRIGGER_NONE);
        end_run(1, RUN_RESULT_EXIT);
        EXPECT_WHY("a", "state: It is retrying.\n"
                        "timer: It has no trigger: it runs on request.\n"
                        "rate: No run is started before Tue 2030-01-01 10:00:00 JST (MinIntervalSec=).\n"
                        "retry: Run 2, try 2, is due at Tue 2030-01-01 09:10:00 JST, in 10min (RetryDelaySec=), after "
                        "run 1.\n");
        advance(20 * MINUTES);
        EXPECT_WHY("a", "state: It is retrying.\n"
                        "timer: It has no trigger: it runs on request.\n"
                        "rate: No run is started before Tue 2030-01-01 10:00:00 JST (MinIntervalSec=).\n"
                        "retry: Run 2, try 2, waits until Tue 2030-01-01 10:00:00 JST (MinIntervalSec=).\n");
        assert_int_equal(run(2).state, RUN_WAITING);
        advance(40 * MINUTES);
        assert_int_equal(run(2).state, RUN_RUNNING);
        assert_int_equal(unsetenv("TZ"), 0);
}

/* A success drops them both. */
static void test_two_retries_are_dropped(void **state) {
        begin_two_retries();
        advance(USEC_PER_SEC);
        (void)request("a", RUN_TRIGGER_NONE); /* is no retry */
        (void)request("a", RUN_TRIGGER_NOW);
        assert_int_equal(run(6).state, RUN_RUNNING);
        end_run(6, RUN_RESULT_SUCCESS);
        assert_true(run(3).result == RUN_RESULT_SKIPPED && run(4).result == RUN_RESULT_SKIPPED);
        assert_int_equal(run(5).state, RUN_WAITING);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, steps_setup, condition_teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_run),
                TEST(test_cancelled),
                TEST(test_reports),
                TEST(test_put_back),
                TEST(test_retry),
                TEST(test_last_try),
                TEST(test_retry_is_dropped),
                TEST(test_last_is_what_was_started),
                TEST(test_chains),
                TEST(test_cycles),
                TEST(test_retry_and_pause),
                TEST(test_not_started),
                TEST(test_result_of_the_parent),
                TEST(test_acknowledged_later),
                TEST(test_many_starts),
                TEST(test_many_due),
                TEST(test_retry_of_a_job_that_is_gone),
                TEST(test_no_retry),
                TEST(test_retry_at_once),
                TEST(test_two_retries),
                TEST(test_replaced),
                TEST(test_retry_and_rate),
                TEST(test_two_retries_are_dropped),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
