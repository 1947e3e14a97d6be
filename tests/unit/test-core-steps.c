/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Each step of core, in order: what is written to the ledger, what the executor is told, what observers hear, in words
 * that a test reads as what happens:
 *
 *   + 1 a timer queued   run 1 of a is added to the ledger   = 1 running     it is written in that state
 *   [commit]             all that was written is safe        begin 1         the executor starts it
 *   new 1, run 1         observers hear of run 1             job a           … and that job a is another one now
 *
 * Times are seconds since the test began. */

#include <fcntl.h>
#include <inttypes.h>

#include "condition-fixture.h"
#include "core/manager-body.h"
#include "core/runs.h"
#include "core/take-over.h"
#include "fake-executor.h"
#include "ledger/store.h"
#include "core/alarms.h"
#include "core/outbox.h"
#include "util/boot-id.h"
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

static bool commits_fail;

int __wrap_ledger_commit(Ledger *l) {
        step(commits_fail ? "[no commit]" : "[commit]");
        return commits_fail ? -EIO : __real_ledger_commit(l);
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

static void (*note_environment)(uint64_t id, const ExecutionRequest *r);
static uint64_t (*usual_random)(uint64_t below);
static bool starts_fail, runs_are_long, drain_is_long;

static uint64_t choose(uint64_t below) {
        return starts_fail && below == 200   ? 0
               : runs_are_long && below == 6 ? 4 /* two hours */
               : drain_is_long && below == 4 ? 1
                                             : usual_random(below);
}

static void on_began(uint64_t id, const ExecutionRequest *r) {
        step("begin %" PRIu64, id);
        assert_non_null(r->run->unit); /* where a later daemon looks for it */
        note_environment(id, r);
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
        usual_random = fake_world.random;
        note_environment = fake_world.began;
        starts_fail = runs_are_long = drain_is_long = commits_fail = false;
        fake_world.random = choose;
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

/* --- what people say --- */

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

/* --- the start of a run --- */

static void test_not_started(void **state) {
        RunRecord r;

        write_job("a", "[Job]\nOnFailure=b\n[Run]\nExec=/bin/true\n");
        write_job("b", "[Run]\nExec=/bin/true\n");
        begin_steps();
        starts_fail = true;
        (void)request("a", RUN_TRIGGER_NONE);
        EXPECT("+ 1 a manual queued; new 1 queued; job a; summary; [commit]; = 1 starting; "
               "stamp a runs no. 1; [commit]; = 1 start-failed; finished 1 start-failed; "
               "+ 2 b chain queued; new 2 queued; job b; summary; job a; summary; [commit]; "
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

/* Eight a turn; not one more than there is a place for. */
static void test_many_starts(void **state) {
        write_job("a", "[Run]\nExec=/bin/true\nOverlap=parallel\nMaxParallel=100\nQueueMax=100\n");
        begin_steps();
        for (unsigned i = 0; i < 20; i++) {
                RunRequest r = { .cause = RUN_CAUSE_MANUAL, .trigger = RUN_TRIGGER_NONE };
                const RunRecord *record;

                assert_int_equal(manager_request(f.m, "a", &r, &record), 0);
        }
        for (unsigned i = 0; i < 20 && f.n_begun == 0; i++)
                assert_true(fake_clock_run(f.event) >= 0);
        assert_int_equal(f.n_begun, 8);
        settle();
        assert_int_equal(f.n_begun, 20);
        runs_callbacks()->held(f.m, true);
        steps[0] = '\0';
        (void)request("a", RUN_TRIGGER_NONE);
        EXPECT("+ 21 a manual queued; new 21 queued; job a; summary; [commit]");
}

/* --- waiting for a slot --- */

static void test_waited_too_long(void **state) {
        write_config("[Pool p]\nSlots=1\nMaxWaitSec=5min\n");
        write_job("a", "[Job]\nOnFailure=c\n[Run]\nExec=/bin/true\nPool=p\nRetry=1\nRetryDelaySec=10min\n");
        write_job("b", "[Run]\nExec=/bin/true\nPool=p\nTimeoutSec=infinity\n");
        write_job("c", "[Run]\nExec=/bin/true\n");
        begin_steps();
        runs_are_long = true;
        (void)request("b", RUN_TRIGGER_NONE);
        steps[0] = '\0';
        (void)request("a", RUN_TRIGGER_NONE);
        EXPECT("+ 2 a manual queued; new 2 queued; job a; summary; [commit]");
        EXPECT_WHY("a", "state: It is queued.\n"
                        "timer: It has no trigger: it runs on request.\n"
                        "queue: Run 2 waits for pool 'p': 1 of its 1 slot is in use (Pool=).\n");
        end_run(1, RUN_RESULT_SUCCESS);
        end_run(2, RUN_RESULT_EXIT);
        steps[0] = '\0';
        /* The first try is skipped, and nobody hears of a failure. */
        (void)request("b", RUN_TRIGGER_NONE);
        (void)request("a", RUN_TRIGGER_NONE);
        advance(5 * MINUTES);
        assert_int_equal(run(5).result, RUN_RESULT_SKIPPED);
        assert_string_equal(reason(5), "It waited longer than 5min for a slot of pool 'p' (MaxWaitSec=).");
        assert_int_equal(count_runs("c"), 0);
        /* But of the second one they do. */
        advance(5 * MINUTES);
        steps[0] = '\0';
        advance(5 * MINUTES);
        EXPECT("= 3 skipped; finished 3 skipped; + 6 c chain queued; new 6 queued; job c; summary; "
               "job a; summary; = 6 starting; stamp c runs no. 1; [commit]; begin 6; = 6 running; "
               "started 6; job c; summary");
        assert_int_equal(run(3).result, RUN_RESULT_SKIPPED);
        assert_int_equal(count_runs("c"), 1);
        end_run(4, RUN_RESULT_SUCCESS);
}

/* The time that it waits for its pool is not that in which all are held up. */
static void test_wait_is_not_for_the_pool(void **state) {
        write_config("[Manager]\nMaxRunning=2\n[Pool p]\nSlots=1\nMaxWaitSec=5min\n");
        write_job("a", "[Run]\nExec=/bin/true\nPool=p\n");
        write_job("b", "[Run]\nExec=/bin/true\nTimeoutSec=infinity\nOverlap=parallel\nMaxParallel=2\n");
        write_job("c", "[Run]\nExec=/bin/true\nPool=p\nPriority=10\nTimeoutSec=infinity\n");
        begin_steps();
        runs_are_long = true;
        (void)request("b", RUN_TRIGGER_NONE);
        (void)request("b", RUN_TRIGGER_NONE);
        (void)request("a", RUN_TRIGGER_NONE);
        EXPECT_WHY("a", "state: It is queued.\n"
                        "timer: It has no trigger: it runs on request.\n"
                        "queue: Run 3 waits for one of the 2 slots of all jobs (MaxRunning=).\n");
        advance(9 * MINUTES);
        assert_int_equal(run(3).state, RUN_QUEUED);
        /* One that may go first takes the slot. */
        (void)request("c", RUN_TRIGGER_NONE);
        end_run(1, RUN_RESULT_SUCCESS);
        assert_true(run(3).state == RUN_QUEUED && run(4).state == RUN_RUNNING);
        advance(MINUTES);
        assert_string_equal(reason(3), "It waited longer than 5min for a slot of pool 'p' (MaxWaitSec=).");
}

/* A first try that did not come to the machine is no failure. */
static void test_waited_too_long_for_the_machine(void **state) {
        write_job("a", "[Job]\nOnFailure=c\n[Run]\nExec=/bin/true\nWaitFor=load1 < 2\nWaitMaxSec=5min\n");
        write_job("c", "[Run]\nExec=/bin/true\n");
        begin_steps();
        set("load1", 3000);
        (void)request("a", RUN_TRIGGER_NONE);
        (void)request("a", RUN_TRIGGER_NONE);
        steps[0] = '\0';
        advance(5 * MINUTES);
        EXPECT("= 1 skipped; = 2 skipped; finished 1 skipped; job a; summary; finished 2 skipped; "
               "job a; summary");
        assert_string_equal(reason(1), "It waited longer than 5min (WaitMaxSec=): load1 is 3 and not < 2 (WaitFor=).");
}

/* What vaktd.conf says counts at once; one with errors changes nothing. */
static void test_settings(void **state) {
        write_config("[Manager]\nMaxRunning=1\n[Pool p]\nSlots=1\n");
        write_job("a", "[Run]\nExec=/bin/true\nOverlap=parallel\nMaxParallel=9\nQueueMax=9\nPool=p\n");
        begin_steps();
        (void)request("a", RUN_TRIGGER_NONE);
        (void)request("a", RUN_TRIGGER_NONE);
        (void)request("a", RUN_TRIGGER_NONE);
        write_config("[Manager]\nMaxRunning=9\nNonsense=1\n[Pool p]\nSlots=9\n");
        assert_int_equal(manager_reload(f.m), 0);
        settle();
        assert_int_equal(manager_n_running(f.m), 1);
        write_config("[Manager]\nMaxRunning=1\n[Pool p]\nSlots=9\n");
        reload();
        assert_int_equal(manager_get_pool(f.m, 0).slots, 9);
        assert_int_equal(manager_n_running(f.m), 1);
        write_config("[Manager]\nMaxRunning=2\n[Pool p]\nSlots=9\n");
        reload();
        assert_int_equal(manager_n_running(f.m), 2);
        write_config("[Pool q]\nSlots=1\n");
        reload();
        assert_int_equal(manager_n_pools(f.m), 2); /* it is one without a description by now */
        assert_int_equal(manager_get_pool(f.m, 0).slots, 1);
        assert_int_equal(manager_cancel(f.m, 3), 0);
        advance(MINUTES);
        assert_int_equal(manager_n_pools(f.m), 1);
        assert_string_equal(manager_get_pool(f.m, 0).name, "q");
}

static int on_other(sd_event_source *s, void *userdata) {
        step("other");
        return 0;
}

/* What follows from an end, and from a reading, is found before anything else is done. */
static void test_before_all_others(void **state) {
        sd_event_source *s = NULL;

        write_job("a", "[Run]\nExec=/bin/true\nWaitFor=job b is failed\n");
        write_job("b", "[Run]\nExec=/bin/true\n");
        begin_steps();
        (void)request("b", RUN_TRIGGER_NONE);
        (void)request("a", RUN_TRIGGER_NONE);
        steps[0] = '\0';
        assert_int_equal(sd_event_add_defer(f.event, &s, on_other, NULL), 0);
        assert_true(sd_event_source_set_priority(s, SD_EVENT_PRIORITY_IMPORTANT) >= 0);
        runs_drop(f.m, live(1), RUN_RESULT_EXIT);
        fake_world_forget(1);
        settle();
        EXPECT("= 1 exit; finished 1 exit; job b; summary; other; job a; [commit]; = 2 starting; "
               "stamp a runs no. 1; [commit]; begin 2; = 2 running; started 2; job a; summary");
        sd_event_source_unref(s);
}

/* --- conditions --- */

/* Who cancels what has just begun to wait for the machine is not called any more. */
static void test_condition_is_left_at_once(void **state) {
        RunRequest r = { .cause = RUN_CAUSE_MANUAL, .trigger = RUN_TRIGGER_NONE };
        const RunRecord *record;

        write_job("a", "[Run]\nExec=/bin/true\nWaitFor=load1 < 2\n");
        begin_steps();
        assert_int_equal(manager_request(f.m, "a", &r, &record), 0);
        assert_int_equal(manager_cancel(f.m, record->id), 0);
        settle();
        assert_null(job("a")->wait);
        assert_int_equal(fake_probe_n_uses("load1"), 0);
        fake_probe_set("load1", 1000, 0);
        (void)request("a", RUN_TRIGGER_NONE);
        assert_int_equal(run(2).state, RUN_RUNNING);
}

/* --- a retry whose job is another one by now --- */

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

/* When files may be given to a run. */
static void test_allowed(void **state) {
        Instant now;

        write_job("a", "[Run]\nExec=/bin/true\nMinIntervalSec=1h\n");
        begin_steps();
        (void)request("a", RUN_TRIGGER_NONE);
        advance(10 * MINUTES);
        now = (Instant){ fake_clock.realtime, fake_clock.boottime, fake_clock.monotonic };
        assert_true(runs_allowed(f.m, job("a"), RUN_CAUSE_PATH, now) == now.boottime + 50 * MINUTES);
        assert_int_equal(manager_pause(f.m, "a"), 0);
        assert_true(runs_allowed(f.m, job("a"), RUN_CAUSE_PATH, now) == USEC_INFINITY);
        assert_true(runs_allowed(f.m, job("a"), RUN_CAUSE_MANUAL, now) == now.boottime + 50 * MINUTES);
        advance(HOURS);
        now = (Instant){ fake_clock.realtime, fake_clock.boottime, fake_clock.monotonic };
        assert_int_equal(runs_allowed(f.m, job("a"), RUN_CAUSE_MANUAL, now), 0);
        assert_int_equal(manager_resume(f.m, "a"), 0);
        assert_int_equal(runs_allowed(f.m, job("a"), RUN_CAUSE_PATH, now), 0);
        /* Until it is known what goes on, no files are; people need not wait for that. */
        f.m->is_surveyed = false;
        assert_true(runs_allowed(f.m, job("a"), RUN_CAUSE_PATH, now) == USEC_INFINITY);
        (void)request("a", RUN_TRIGGER_NONE);
        assert_int_equal(run(2).state, RUN_RUNNING);
        f.m->is_surveyed = true;
}

/* --- what an earlier daemon left --- */

static unsigned boot;

BootId __wrap_boot_id_get(void);
usec_t __wrap_boot_begin_boottime(void);

BootId __wrap_boot_id_get(void) {
        sd_id128_t id = SD_ID128_MAKE(76, 61, 6b, 74, 2d, 73, 74, 65, 70, 73, 00, 00, 00, 00, 00, 00);

        id.bytes[15] = (uint8_t)boot;
        return boot_id_make(id, 0);
}

usec_t __wrap_boot_begin_boottime(void) {
        return 0;
}

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
        EXPECT("ended 2; = 2 cancelled; finished 2 cancelled; job a; summary; [commit]; release 2; "
               "= 3 starting; stamp a runs no. 3; [commit]; begin 3; = 3 running; started 3; job a; "
               "summary; = alarm a slow since 0 raised 30 run 1; "
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
        assert_int_equal(job("a")->n_sought, 2);
        start_begun();
        EXPECT("[commit]; ended 1; = 1 lost; finished 1 lost; + 3 a retry waiting; new 3 waiting; "
               "job a; summary; job a; summary; = 2 running; run 2 running; [commit]");
        assert_int_equal(job("a")->n_sought, 0); /* the other one is there all the same */
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
        job("a")->def->retry.max = 0;
        end_run(2, RUN_RESULT_EXIT);
        EXPECT("= 2 exit; finished 2 exit; + 504 b2 chain queued; new 504 queued; job b2; summary; "
               "job a; summary; [commit]; = 504 starting; stamp b2 runs no. 1; [commit]; begin 504; "
               "= 504 running; started 504; job b2; summary");
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

/* --- the end of the daemon --- */

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

/* --- for people --- */

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

/* --- what was missing --- */

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
               "summary; [commit]; = 2 starting; stamp a runs no. 2; [commit]; begin 2; = 2 running; "
               "started 2; job a; summary");
        end_run(2, RUN_RESULT_SUCCESS);
}

/* One waits for its time, the other one, which was due already, for the machine. */
static void test_two_retries(void **state) {
        write_job("a", "[Run]\nExec=/bin/"
                       "true\nOverlap=parallel\nMaxParallel=2\nRetry=1\nRetryDelaySec=10min\nTimeoutSec=infinity\n"
                       "WaitFor=load1 < 2\nWaitMaxSec=1day\n");
        begin_steps();
        runs_are_long = true;
        set("load1", 1000);
        (void)request("a", RUN_TRIGGER_NONE);
        (void)request("a", RUN_TRIGGER_NONE);
        end_run(1, RUN_RESULT_EXIT);
        set("load1", 3000);
        advance(10 * MINUTES - USEC_PER_SEC);
        end_run(2, RUN_RESULT_EXIT);
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
        EXPECT("ended 1; = 1 cancelled; finished 1 cancelled; job a; summary; [commit]; release 1; "
               "= 3 starting; stamp a runs no. 2; [commit]; begin 3; = 3 running; started 3; job a; "
               "summary");
        assert_string_equal(reason(1), "It was replaced by run 2 (Overlap=replace).");
        assert_string_equal(reason(2), "It was replaced by run 3 (Overlap=replace).");
}

/* --- waiting --- */

/* First come, first served, across jobs. */
static void test_order_of_acceptance(void **state) {
        write_job("a", "[Run]\nExec=/bin/true\nPool=p\n");
        write_job("b", "[Run]\nExec=/bin/true\nPool=p\n");
        begin_steps();
        (void)request("a", RUN_TRIGGER_NONE);
        (void)request("a", RUN_TRIGGER_NONE); /* waits for the one before it, then for the pool */
        advance(USEC_PER_SEC);
        (void)request("b", RUN_TRIGGER_NONE);
        end_run(1, RUN_RESULT_SUCCESS);
        assert_true(run(2).state == RUN_RUNNING && run(3).state == RUN_QUEUED);
        end_run(2, RUN_RESULT_SUCCESS);
        assert_int_equal(run(3).state, RUN_RUNNING);
}

/* How long it has waited for a slot counts on when its file changes, unless it is another pool's. */
static void test_wait_and_an_edit(void **state) {
        for (int other = 0; other < 2; other++) {
                write_config("[Pool p]\nSlots=1\nMaxWaitSec=5min\n[Pool q]\nSlots=1\nMaxWaitSec=5min\n");
                write_job("a", "[Run]\nExec=/bin/true\nPool=p\n");
                write_job("b", "[Run]\nExec=/bin/true\nPool=p\nTimeoutSec=infinity\n");
                write_job("c", "[Run]\nExec=/bin/true\nPool=q\nTimeoutSec=infinity\n");
                begin_steps();
                runs_are_long = true;
                (void)request("b", RUN_TRIGGER_NONE);
                (void)request("c", RUN_TRIGGER_NONE);
                uint64_t id = request("a", RUN_TRIGGER_NONE);
                advance(3 * MINUTES);
                write_job("a", other ? "[Run]\nExec=/bin/false\nPool=q\n" : "[Run]\nExec=/bin/false\nPool=p\n");
                reload();
                advance(2 * MINUTES);
                assert_int_equal(run(id).state, other ? RUN_QUEUED : RUN_DONE);
                advance(3 * MINUTES);
                assert_int_equal(run(id).result, RUN_RESULT_SKIPPED);
                advance(2 * HOURS);
                stop();
        }
        start();
}

/* What has waited for a slot and has to wait for the machine again waits for the slot anew. */
static void test_wait_for_the_machine_again(void **state) {
        write_config("[Pool p]\nSlots=1\nMaxWaitSec=5min\n");
        write_job("a", "[Run]\nExec=/bin/true\nPool=p\nOverlap=parallel\nMaxParallel=2\nWaitFor=load1 < 2\n"
                       "WaitMaxSec=1day\n");
        write_job("b", "[Run]\nExec=/bin/true\nPool=p\nTimeoutSec=infinity\n");
        begin_steps();
        runs_are_long = true;
        set("load1", 1000);
        (void)request("b", RUN_TRIGGER_NONE);
        (void)request("a", RUN_TRIGGER_NONE);
        (void)request("a", RUN_TRIGGER_NONE);
        advance(4 * MINUTES);
        steps[0] = '\0';
        set("load1", 3000);
        EXPECT("= 2 waiting; run 2 waiting; job a");
        advance(30 * USEC_PER_SEC);
        set("load1", 1000);
        EXPECT("job a");
        advance(4 * MINUTES);
        assert_true(run(2).state == RUN_QUEUED && run(3).state == RUN_QUEUED);
        steps[0] = '\0';
        advance(MINUTES);
        EXPECT("= 2 skipped; = 3 skipped; finished 2 skipped; job a; summary; finished 3 skipped; "
               "job a; summary");
}

/* A file that makes what waits wait for the machine lets those pass that a person does not want to wait for it. */
static void test_now_and_an_edit(void **state) {
        write_job("a", "[Run]\nExec=/bin/true\nQueueMax=5\n");
        begin_steps();
        (void)request("a", RUN_TRIGGER_NONE);
        (void)request("a", RUN_TRIGGER_NONE);
        (void)request("a", RUN_TRIGGER_NOW);
        write_job("a", "[Run]\nExec=/bin/true\nQueueMax=5\nWaitFor=load1 < 2\n");
        reload();
        end_run(1, RUN_RESULT_SUCCESS);
        assert_true(run(2).state != RUN_RUNNING && run(3).state == RUN_RUNNING);
}

static unsigned n_due;

static void on_due(Manager *m, Deadline *d) {
        n_due++;
}

/* No turn is long, however much is due. */
static void test_deadlines_in_turns(void **state) {
        Deadline deadlines[200];

        begin_steps();
        n_due = 0;
        for (size_t i = 0; i < ELEMENTSOF(deadlines); i++) {
                deadlines[i] = (Deadline){ .due = on_due, .position = HEAP_NONE };
                deadline_set(f.m, &deadlines[i], fake_clock.boottime + USEC_PER_SEC);
        }
        fake_clock_advance(USEC_PER_SEC);
        for (unsigned i = 0; i < 20 && n_due == 0; i++)
                assert_true(fake_clock_run(f.event) >= 0);
        assert_int_equal(n_due, 64);
        settle();
        assert_int_equal(n_due, 200);
}

#define WATCHES 300
static ConditionWatch watches[WATCHES];
static unsigned n_news;

static void on_news(ConditionWatch *w) {
        n_news++;
        if (w == &watches[1]) /* who is told may do without others that are to be told */
                condition_watch_stop(&watches[WATCHES - 1]);
}

static void test_conditions_in_turns(void **state) {
        Condition *c;

        begin_steps();
        assert_int_equal(condition_parse("load1 < 2", &c, NULL), 0);
        n_news = 0;
        memset(watches, 0, sizeof(watches));
        for (size_t i = 0; i < WATCHES; i++) {
                watches[i].changed = on_news;
                assert_int_equal(condition_watch_start(&watches[i], f.m, c, MINUTES), 0);
        }
        fake_probe_set("load1", 1000, 0);
        for (unsigned i = 0; i < 20 && n_news == 0; i++)
                assert_true(fake_clock_run(f.event) >= 0);
        assert_int_equal(n_news, 256);
        settle();
        assert_int_equal(n_news, WATCHES - 1);
        assert_int_equal(watches[0].truth, TRUTH_TRUE);
        for (size_t i = 0; i < WATCHES; i++)
                condition_watch_stop(&watches[i]);
        condition_free(c);
}

static void test_told_conditions(void **state) {
        write_job("a", "[Run]\nExec=/bin/true\nWaitFor=load1 < 2\nWaitMaxSec=1day\n");
        begin_steps();
        (void)request("a", RUN_TRIGGER_NONE);
        EXPECT("+ 1 a manual queued; new 1 queued; job a; summary; = 1 waiting; run 1 waiting; [commit]");
        set_unknown("load1", "It cannot be read.");
        EXPECT_WHY(
                "a",
                "state: It is queued.\n"
                "timer: It has no trigger: it runs on request.\n"
                "queue: Run 1 waits until its condition is true: load1 is unknown: It cannot be read (WaitFor=).\n");
        set_unknown("load1", "no dot");
        EXPECT_WHY("a", "state: It is queued.\n"
                        "timer: It has no trigger: it runs on request.\n"
                        "queue: Run 1 waits until its condition is true: load1 is unknown: no dot (WaitFor=).\n");
        set_unknown("load1", "");
        EXPECT_WHY("a", "state: It is queued.\n"
                        "timer: It has no trigger: it runs on request.\n"
                        "queue: Run 1 waits until its condition is true: load1 is unknown:  (WaitFor=).\n");
        set("load1", 2500);
        EXPECT_WHY("a", "state: It is queued.\n"
                        "timer: It has no trigger: it runs on request.\n"
                        "queue: Run 1 waits until its condition is true: load1 is 2.5 and not < 2 (WaitFor=).\n");
        steps[0] = '\0';
        set("load1", 1500);
        EXPECT("job a; = 1 starting; stamp a runs no. 1; [commit]; begin 1; = 1 running; started 1; "
               "job a; summary");
}

static int count_known(usec_t start, const Bucket *b, void *userdata) {
        *(usec_t *)userdata += b->known;
        return 0;
}

/* What was known until the daemon ended is there in the next one. */
static ProbesOptions probes_options;

int __real_probes_new(Probes **ret, sd_event *event, const ProbesOptions *options);
int __wrap_probes_new(Probes **ret, sd_event *event, const ProbesOptions *options);

int __wrap_probes_new(Probes **ret, sd_event *event, const ProbesOptions *options) {
        probes_options = *options;
        return __real_probes_new(ret, event, options);
}

static void answer(Question *q, int64_t value, void **observed) {
        probes_options.answered(probes_options.userdata, q, &(Reading){ .is_known = true, .value = value }, observed);
}

static int count_value(const char *question, ConditionKind kind, const Reading *last, bool is_used, void *userdata) {
        step("%s %" PRId64 "%s", question, last->value, is_used ? "" : " unused");
        return 0;
}

static void test_values_are_kept(void **state) {
        usec_t grain = 0, known = 0;
        void *observed = NULL;
        ConditionUnit unit;
        Question q;

        write_job("a", "[Run]\nExec=/bin/true\nWaitFor=load1 < 2\nWaitMaxSec=1day\n");
        begin_steps();
        (void)request("a", RUN_TRIGGER_NONE);
        assert_int_equal(question_parse("load1", &q, NULL), 0);
        steps[0] = '\0';
        answer(&q, 3000, &observed);
        EXPECT("values");
        answer(&q, 3000, &observed);
        EXPECT("");
        answer(&q, 2500, &observed);
        EXPECT("values");
        assert_int_equal(manager_list_values(f.m, count_value, NULL), 0);
        EXPECT("load1 2500");
        advance(150 * USEC_PER_SEC);
        answer(&q, 2500, &observed);
        restart();
        assert_int_equal(manager_get_values_unit(f.m, "load1", &unit, NULL), 0);
        assert_int_equal(unit, CONDITION_MILLI);
        assert_int_equal(manager_get_values_unit(f.m, "load5", &unit, NULL), -ENOENT);
        assert_int_equal(
                manager_query_values(f.m, "load1", begin, begin + 150 * USEC_PER_SEC, &grain, count_known, &known), 0);
        assert_true(grain == MINUTES && known >= 149 * USEC_PER_SEC && known <= 151 * USEC_PER_SEC);
        question_done(&q);
}

/* --- a start whose circumstances are another --- */

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

/* --- the executor that was another one --- */

static bool children_are_told;
static unsigned n_former;

static int adopt_child(Executor *e, const ExecutionRequest *request, void *cookie, Execution **ret) {
        static Execution execution;

        step("child adopts %" PRIu64, request->run->id);
        execution.ops = e->ops;
        *ret = &execution;
        return 0;
}

static bool drain_children(Executor *e) {
        step("child drains");
        return true;
}

static void acknowledge_child(Executor *e) {
        step("child acknowledges");
}

static void stop_child(Execution *x, RunResult result) {
        step("child stops");
}

static Execution *free_child(Execution *x) {
        step("child lets go");
        return NULL;
}

static Executor *free_children(Executor *e) {
        n_former--;
        return NULL;
}

int __real_child_executor_new(Executor **ret, sd_event *event, const ExecutorOptions *options);
int __wrap_child_executor_new(Executor **ret, sd_event *event, const ExecutorOptions *options);

int __wrap_child_executor_new(Executor **ret, sd_event *event, const ExecutorOptions *options) {
        static const ExecutorOps ops = {
                .name = "child",
                .adopt = adopt_child,
                .stop = stop_child,
                .drain = drain_children,
                .acknowledge = acknowledge_child,
                .free_execution = free_child,
                .free = free_children,
        };
        static Executor executor = { .ops = &ops };

        if (!children_are_told)
                return __real_child_executor_new(ret, event, options);
        n_former++;
        *ret = &executor;
        return 0;
}

/* A run that the ledger has as going on in a child. */
static uint64_t add_child(Ledger *l, const char *name) {
        RunRecord r = RUN_RECORD_INIT;

        r.job = name;
        r.state = RUN_QUEUED;
        r.requested = r.scheduled = fake_clock.realtime;
        assert_int_equal(__real_ledger_add(l, &r), 0);
        r.state = RUN_RUNNING;
        r.started = fake_clock.realtime;
        r.pid = 100;
        r.pid_start = 5;
        assert_int_equal(__real_ledger_update(l, &r), 0);
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

/* --- a ledger that can be read late --- */

static bool is_locked;

int __real_store_open(Store **ret, const char *path, const BootId *boot_id);
int __wrap_store_open(Store **ret, const char *path, const BootId *boot_id);

int __wrap_store_open(Store **ret, const char *path, const BootId *boot_id) {
        return is_locked ? -EBUSY : __real_store_open(ret, path, boot_id);
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
        EXPECT("+ 6 a manual queued; new 6 queued; job a; summary; [commit]; = 6 starting; [commit]; "
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

/* A success drops them both, the one that waits for its time and the one that waits for the machine. */
static void test_two_retries_are_dropped(void **state) {
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
        advance(USEC_PER_SEC);
        (void)request("a", RUN_TRIGGER_NONE); /* is no retry */
        (void)request("a", RUN_TRIGGER_NOW);
        assert_int_equal(run(6).state, RUN_RUNNING);
        end_run(6, RUN_RESULT_SUCCESS);
        assert_true(run(3).result == RUN_RESULT_SKIPPED && run(4).result == RUN_RESULT_SKIPPED);
        assert_int_equal(run(5).state, RUN_WAITING);
}

/* What comes in one moment goes in the order in which it came. */
static void test_order_in_one_moment(void **state) {
        char name[16];

        for (unsigned i = 1; i <= 8; i++) {
                (void)snprintf(name, sizeof(name), "j%u", i);
                write_job(name, "[Run]\nExec=/bin/true\nPool=p\n");
        }
        begin_steps();
        for (unsigned i = 1; i <= 8; i++) {
                (void)snprintf(name, sizeof(name), "j%u", i);
                (void)request(name, RUN_TRIGGER_NONE);
        }
        for (unsigned i = 1; i <= 8; i++) {
                assert_int_equal(run(i).state, RUN_RUNNING);
                end_run(i, RUN_RESULT_SUCCESS);
        }
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
                TEST(test_expect_and_pause_over_a_restart),
                TEST(test_expect_and_clock),
                TEST(test_expect_after_a_success_to_come),
                TEST(test_expect_from_history),
                TEST(test_unknown),
                TEST(test_pause),
                TEST(test_pauses_end),
                TEST(test_retry_and_pause),
                TEST(test_reload),
                TEST(test_absent),
                TEST(test_not_started),
                TEST(test_result_of_the_parent),
                TEST(test_acknowledged_later),
                TEST(test_many_starts),
                TEST(test_waited_too_long),
                TEST(test_wait_is_not_for_the_pool),
                TEST(test_waited_too_long_for_the_machine),
                TEST(test_settings),
                TEST(test_before_all_others),
                TEST(test_condition_is_left_at_once),
                TEST(test_retry_of_a_job_that_is_gone),
                TEST(test_allowed),
                TEST(test_taken_over),
                TEST(test_taken_over_after_a_boot),
                TEST(test_forgotten),
                TEST(test_forgotten_before_the_start),
                TEST(test_turns_before_the_start),
                TEST(test_retry_and_what_was_started_meanwhile),
                TEST(test_stopped),
                TEST(test_explained),
                TEST(test_listed),
                TEST(test_reload_of_an_instance_with_a_file),
                TEST(test_history_is_kept),
                TEST(test_no_retry),
                TEST(test_retry_at_once),
                TEST(test_two_retries),
                TEST(test_replaced),
                TEST(test_order_of_acceptance),
                TEST(test_wait_and_an_edit),
                TEST(test_wait_for_the_machine_again),
                TEST(test_now_and_an_edit),
                TEST(test_deadlines_in_turns),
                TEST(test_conditions_in_turns),
                TEST(test_told_conditions),
                TEST(test_values_are_kept),
                TEST(test_bad_file_at_the_start),
                TEST(test_put_back_after_a_restart),
                TEST(test_mute_executor),
                TEST(test_local_zone),
                TEST(test_choice_of_executor),
                TEST(test_status),
                TEST(test_dump),
                TEST(test_told_of_a_run),
                TEST(test_put_back_at_the_end),
                TEST(test_stopped_with_an_end),
                TEST(test_stopped_without_runs),
                TEST(test_alarms_after_a_restart),
                TEST(test_retry_and_rate),
                TEST(test_former_executor),
                TEST(test_children_after_a_boot),
                TEST(test_ledger_is_read_late),
                TEST(test_two_retries_are_dropped),
                TEST(test_order_in_one_moment),
                TEST(test_forecast_for_files),
                TEST(test_no_state),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
