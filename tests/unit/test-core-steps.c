/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Each step of core, in order: what is written to the ledger, what the executor is told, what observers hear, in words
 * that a test reads as what happens:
 *
 *   + 1 a timer queued   run 1 of a is added to the ledger   = 1 running     it is written in that state
 *   [commit]             all that was written is safe        begin 1         the executor starts it
 *   new 1, run 1         observers hear of run 1             job a           … and that job a is another one now
 *
 * Times are seconds since the test began. */

#include <inttypes.h>

#include "condition-fixture.h"
#include "core/manager-body.h"
#include "core/runs.h"
#include "core/take-over.h"
#include "fake-executor.h"
#include "util/log.h"

static char steps[32768];
static usec_t begin;

_printf_(1, 2) static void step(const char *format, ...) {
        size_t n = strlen(steps);
        va_list ap;

        assert_true(n < sizeof(steps) - 256);
        n += n > 0 ? (size_t)snprintf(steps + n, 3, "; ") : 0;
        va_start(ap, format);
        (void)vsnprintf(steps + n, sizeof(steps) - n, format, ap);
        va_end(ap);
}

/* Valid until the third call from now. */
static const char *at(usec_t realtime) {
        static char texts[3][32];
        static unsigned next;
        char *text = texts[next++ % ELEMENTSOF(texts)];

        if (realtime == 0 || realtime == USEC_INFINITY)
                return realtime == 0 ? "-" : "ever";
        (void)snprintf(text, sizeof(texts[0]), "%" PRId64,
                       ((int64_t)realtime - (int64_t)begin) / (int64_t)USEC_PER_SEC);
        return text;
}

/* What has happened since this was asked last. */
#define EXPECT(text)                                \
        do {                                        \
                assert_string_equal(steps, (text)); \
                steps[0] = '\0';                    \
        } while (false)

#define EXPECT_WHY(name, text) assert_string_equal(why(name), (text))

/* --- the ledger --- */

int __real_ledger_add(Ledger *l, RunRecord *record);
int __wrap_ledger_add(Ledger *l, RunRecord *record);
int __real_ledger_update(Ledger *l, const RunRecord *record);
int __wrap_ledger_update(Ledger *l, const RunRecord *record);
int __real_ledger_commit(Ledger *l);
int __wrap_ledger_commit(Ledger *l);
int __real_ledger_set_stamp(Ledger *l, const char *job, const char *key, usec_t usec);
int __wrap_ledger_set_stamp(Ledger *l, const char *job, const char *key, usec_t usec);
int __real_ledger_forget_stamp(Ledger *l, const char *job, const char *key);
int __wrap_ledger_forget_stamp(Ledger *l, const char *job, const char *key);
int __real_ledger_forget_job(Ledger *l, const char *job);
int __wrap_ledger_forget_job(Ledger *l, const char *job);
int __real_ledger_set_job_state(Ledger *l, const char *job, const LedgerJobState *state);
int __wrap_ledger_set_job_state(Ledger *l, const char *job, const LedgerJobState *state);
int __real_ledger_set_alarm(Ledger *l, const LedgerAlarm *alarm);
int __wrap_ledger_set_alarm(Ledger *l, const LedgerAlarm *alarm);

static const char *state_of(const RunRecord *r) {
        return r->state == RUN_DONE ? run_result_to_string(r->result) : run_state_to_string(r->state);
}

int __wrap_ledger_add(Ledger *l, RunRecord *record) {
        int r = __real_ledger_add(l, record);

        step("+ %" PRIu64 " %s %s %s", record->id, record->job, run_cause_to_string(record->cause), state_of(record));
        return r;
}

int __wrap_ledger_update(Ledger *l, const RunRecord *record) {
        step("= %" PRIu64 " %s", record->id, state_of(record));
        return __real_ledger_update(l, record);
}

int __wrap_ledger_commit(Ledger *l) {
        step("[commit]");
        return __real_ledger_commit(l);
}

int __wrap_ledger_set_stamp(Ledger *l, const char *job, const char *key, usec_t usec) {
        if (usec < begin / 2)
                step("stamp %s %s no. %" PRIu64, job, key, usec);
        else
                step("stamp %s %s %s", job, key, at(usec));
        return __real_ledger_set_stamp(l, job, key, usec);
}

int __wrap_ledger_forget_stamp(Ledger *l, const char *job, const char *key) {
        step("no stamp %s %s", job, key);
        return __real_ledger_forget_stamp(l, job, key);
}

int __wrap_ledger_forget_job(Ledger *l, const char *job) {
        step("forget %s", job);
        return __real_ledger_forget_job(l, job);
}

int __wrap_ledger_set_job_state(Ledger *l, const char *job, const LedgerJobState *s) {
        step("state '%s' %s until %s, skip %u", job, s->paused ? "paused" : "resumed", at(s->pause_until), s->skip);
        return __real_ledger_set_job_state(l, job, s);
}

int __wrap_ledger_set_alarm(Ledger *l, const LedgerAlarm *a) {
        step("= alarm %s %s since %s raised %s run %" PRIu64, a->job, a->key, at(a->since), at(a->raised), a->run);
        return __real_ledger_set_alarm(l, a);
}

/* --- observers --- */

static void on_job_new(void *userdata, const Job *j) {
        step("job new %s", j->name);
}

static void on_job_removed(void *userdata, const Job *j) {
        step("job removed %s", j->name);
}

static void on_job_changed(void *userdata, const Job *j) {
        step("job %s", j->name);
}

static void on_run_new(void *userdata, const RunRecord *r) {
        step("new %" PRIu64 " %s", r->id, state_of(r));
}

static void on_run_changed(void *userdata, const RunRecord *r) {
        step("run %" PRIu64 " %s", r->id, state_of(r));
}

static void on_run_started(void *userdata, const RunRecord *r) {
        step("started %" PRIu64, r->id);
}

static void on_run_finished(void *userdata, const RunRecord *r) {
        step("finished %" PRIu64 " %s", r->id, state_of(r));
}

static void on_run_output(void *userdata, const RunRecord *r, const char *line, size_t n, bool is_stderr) {
        step("output %" PRIu64 " %.*s%s", r->id, (int)n, line, is_stderr ? " (error)" : "");
}

static void on_alarm_raised(void *userdata, const Job *j, const LedgerAlarm *alarm) {
        step("alarm %s %s: %s", j->name, alarm->key, alarm->text);
}

static void on_alarm_cleared(void *userdata, const Job *j, const char *key) {
        step("cleared %s %s", j->name, key);
}

static void on_reloaded(void *userdata, const Diagnostics *d) {
        step("reloaded");
}

static void on_summary_changed(void *userdata) {
        step("summary");
}

static void on_values_changed(void *userdata) {
        step("values");
}

/* --- the executor --- */

static void on_began(uint64_t id, const ExecutionRequest *r) {
        step("begin %" PRIu64, id);
}

static void on_put_back(uint64_t id) {
        step("put back %" PRIu64, id);
}

static void on_reported(uint64_t id, RunResult result) {
        step("ended %" PRIu64, id);
}

static void on_released(uint64_t id) {
        step("release %" PRIu64, id);
}

static void on_adopted(const ExecutionRequest *r) {
        step("adopt %" PRIu64 " %s%s%s", r->run->id, state_of(r->run), r->def ? "" : " without definition",
             r->other_boot ? " of another boot" : "");
}

static void on_stopped(uint64_t id, RunResult result) {
        step("stop %" PRIu64 " %s", id, run_result_to_string(result));
}

/* --- the daemon --- */

/* From now on, of the daemon that there is. */
static void observe_steps(void) {
        static const ManagerObserver observer = {
                .job_new = on_job_new,
                .job_removed = on_job_removed,
                .job_changed = on_job_changed,
                .run_new = on_run_new,
                .run_changed = on_run_changed,
                .run_started = on_run_started,
                .run_finished = on_run_finished,
                .run_output = on_run_output,
                .alarm_raised = on_alarm_raised,
                .alarm_cleared = on_alarm_cleared,
                .reloaded = on_reloaded,
                .summary_changed = on_summary_changed,
                .values_changed = on_values_changed,
        };

        assert_int_equal(manager_observe(f.m, &observer), 0);
        steps[0] = '\0';
}

static void begin_steps(void) {
        begin = fake_clock.realtime;
        start();
        observe_steps();
}

static int steps_setup(void **state) {
        (void)condition_setup(state);
        fake_world.began = on_began;
        fake_world.put_back = on_put_back;
        fake_world.reported = on_reported;
        fake_world.released = on_released;
        fake_world.adopted = on_adopted;
        fake_world.stopped = on_stopped;
        steps[0] = '\0';
        return 0;
}

static LiveRun *live(uint64_t id) {
        LiveRun *run = live_find(&f.m->live, id);

        assert_non_null(run);
        return run;
}

static void end_run(uint64_t id, RunResult result) {
        ExecOutcome outcome = EXEC_OUTCOME_INIT;

        outcome.result = result;
        runs_callbacks()->ended(live(id), &outcome);
        fake_world_forget(id);
        settle();
}

static RunRecord request_as(const char *name, const RunRequest *r) {
        const RunRecord *record = NULL;
        RunRecord copy;

        assert_int_equal(manager_request(f.m, name, r, &record), 0);
        copy = *record;
        settle();
        return copy;
}

static const char *reason(uint64_t id) {
        return strempty(run(id).reason);
}

/* --- a run --- */

static void test_run(void **state) {
        RunRecord r;

        write_job("a", "[Run]\nExec=/bin/true\n");
        begin_steps();
        (void)request("a", RUN_TRIGGER_NONE);
        EXPECT("+ 1 a manual queued; new 1 queued; job a; summary; [commit]; = 1 starting; "
               "stamp a runs no. 1; [commit]; begin 1; = 1 running; started 1; job a; summary");
        r = run(1);
        assert_string_equal(r.unit, "vakt-a-1.service");
        assert_int_equal(r.pid, 1001);
        assert_true(r.started == begin && r.requested == begin && r.scheduled == begin);
        assert_true(job("a")->last_start == begin);

        runs_callbacks()->output(live(1), "hello, world", 5, true);
        runs_callbacks()->status(live(1), "half of it");
        assert_string_equal(run(1).status_text, "half of it");
        runs_callbacks()->started(live(1), &(ExecIdentity){ .pid = 7, .pid_start = 8, .unit = "other.service" });
        EXPECT("output 1 hello (error); run 1 running; = 1 running; run 1 running");
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

/* --- what follows from a run --- */

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
               "summary; [commit]; = 3 starting; stamp c runs no. 1; [commit]; begin 3; = 3 running; "
               "started 3; job c; summary");
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
               "summary; [commit]; release 1; = 2 starting; stamp ok runs no. 1; [commit]; begin 2; "
               "= 2 running; started 2; job ok; summary");
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

/* --- alarms --- */

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
        EXPECT("+ 4 a manual queued; new 4 queued; job a; summary; [commit]; = 4 starting; "
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
        advance(HOURS - USEC_PER_SEC);
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
}

/* --- what people say --- */

static void test_pause(void **state) {
        RunRequest by_timer = { .cause = RUN_CAUSE_TIMER, .trigger = RUN_TRIGGER_NONE };

        write_job("a", "[Run]\nExec=/bin/true\n");
        write_job("b", "[Run]\nExec=/bin/true\n");
        begin_steps();
        assert_int_equal(manager_pause(f.m, "a"), 0);
        assert_int_equal(manager_pause(f.m, "a"), 0);
        EXPECT("state 'a' paused until ever, skip 0; job a; [commit]; [commit]");
        (void)request_as("a", &by_timer);
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

/* --- files --- */

static void test_reload(void **state) {
        write_job("a", "[Run]\nExec=/bin/true\n");
        write_job("b", "[Run]\nExec=/bin/true\n");
        write_job("t@", "[Run]\nExec=/bin/true\n");
        begin_steps();
        (void)request("t@x", RUN_TRIGGER_NONE);
        EXPECT("job new t@x; summary; + 1 t@x manual queued; new 1 queued; job t@x; summary; [commit]; "
               "= 1 starting; stamp t@x runs no. 1; [commit]; begin 1; = 1 running; started 1; job t@x; "
               "summary");
        advance(MINUTES);
        (void)request("b", RUN_TRIGGER_NONE);
        steps[0] = '\0';
        reload();
        EXPECT("[commit]; reloaded; summary");
        write_job("a", "[Run]\nExec=/bin/false\n");
        write_job("c", "[Run]\nExec=/bin/true\n");
        write_job("t@", "[Run]\nExec=/bin/false\n");
        remove_job("b");
        reload();
        EXPECT("job a; job new c; job t@x; job b; [commit]; stamp b gone 60; reloaded; summary");
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
                TEST(test_reset),
                TEST(test_last_is_what_was_started),
                TEST(test_chains),
                TEST(test_cycles),
                TEST(test_slow),
                TEST(test_expect),
                TEST(test_expect_and_pause),
                TEST(test_expect_and_clock),
                TEST(test_expect_after_a_success_to_come),
                TEST(test_expect_from_history),
                TEST(test_unknown),
                TEST(test_pause),
                TEST(test_pauses_end),
                TEST(test_retry_and_pause),
                TEST(test_reload),
                TEST(test_absent),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
