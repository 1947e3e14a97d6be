/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What becomes of accepted runs when the machine or the daemon goes down: the executor is a stand-in that says what a
 * test wants it to say. What a real one says, and when, is in test-unit-shutdown.c. */

#include "core-fixture.h"

#include <sys/stat.h>

#include "core/deadlines.h"
#include "core/drain.h"
#include "core/deadlines.h"
#include "core/manager-body.h"
#include "core/runs.h"
#include "core/take-over.h"
#include "core/triggers.h"
#include "trigger/path-job.h"

extern const TriggerOps path_trigger_ops;

#define RUNS_MAX 16

typedef struct StandInRun {
        Execution base;
        void *cookie;
        uint64_t id;
        char paths[256]; /* what it was given, a space behind each */
} StandInRun;

static struct {
        Executor base;
        Manager *manager;
        StandInRun *runs[RUNS_MAX]; /* in the order in which they were started; NULL = freed */
        unsigned n_starts, n_settled;
        bool has_something_to_say; /* when the daemon ends */
} stand_in;

static int stand_in_name_unit(Executor *e, const JobDef *def, const RunRecord *run, char **ret) {
        *ret = strdup("stand-in.service");
        return *ret ? 0 : -ENOMEM;
}

static int stand_in_start(Executor *e, const ExecutionRequest *request, void *cookie, Execution **ret) {
        StandInRun *run = calloc(1, sizeof(*run));

        assert_non_null(run);
        assert_true(stand_in.n_starts < RUNS_MAX);
        *run = (StandInRun){ .base.ops = e->ops, .cookie = cookie, .id = request->run->id };
        assert_true(request->paths_size < sizeof(run->paths));
        for (size_t i = 0; i < request->paths_size; i++)
                run->paths[i] = request->paths[i] ?: ' ';
        stand_in.runs[stand_in.n_starts++] = run;
        *ret = &run->base;
        return 0;
}

static int stand_in_adopt(Executor *e, const ExecutionRequest *request, void *cookie, Execution **ret) {
        return stand_in_start(e, request, cookie, ret);
}

static void stand_in_stop(Execution *x, RunResult result) {
}

static bool stand_in_drain(Executor *e) {
        return !stand_in.has_something_to_say;
}

static void stand_in_acknowledge(Executor *e) {
        stand_in.n_settled++;
}

static Execution *stand_in_free_execution(Execution *x) {
        for (size_t i = 0; i < RUNS_MAX; i++)
                if (stand_in.runs[i] == (StandInRun *)x)
                        stand_in.runs[i] = NULL;
        free(x);
        return NULL;
}

static Executor *stand_in_free(Executor *e) {
        return NULL;
}

static const ExecutorOps ops = {
        .name = "stand-in",
        .outlives_daemon = true,
        .name_unit = stand_in_name_unit,
        .start = stand_in_start,
        .adopt = stand_in_adopt,
        .stop = stand_in_stop,
        .drain = stand_in_drain,
        .acknowledge = stand_in_acknowledge,
        .free_execution = stand_in_free_execution,
        .free = stand_in_free,
};

/* The runs of this daemon go to the stand-in, those of a next one are children. */
static void start_with_stand_in(Fixture *f) {
        start(f);
        f->m->executor = executor_free(f->m->executor);
        memset(&stand_in, 0, sizeof(stand_in));
        stand_in.base.ops = &ops;
        stand_in.manager = f->m;
        f->m->executor = &stand_in.base;
}

static void say_held(bool held) {
        runs_callbacks()->held(stand_in.manager, held);
}

static void say_put_back(unsigned i) {
        assert_non_null(stand_in.runs[i]);
        runs_callbacks()->put_back(stand_in.runs[i]->cookie);
        assert_null(stand_in.runs[i]);
}

static void say_ended(unsigned i, RunResult result) {
        ExecOutcome o = EXEC_OUTCOME_INIT;

        o.result = result;
        assert_non_null(stand_in.runs[i]);
        runs_callbacks()->ended(stand_in.runs[i]->cookie, &o);
}

/* All that can happen without waiting has happened then. */
static void settle_down(Fixture *f) {
        for (unsigned i = 0; i < 20; i++)
                assert_true(sd_event_run(f->event, 0) >= 0);
}

static void check_unstarted(Fixture *f, uint64_t id) {
        const RunRecord *r = manager_get_run(f->m, id);

        assert_int_equal(r->state, RUN_QUEUED);
        assert_int_equal(r->result, RUN_RESULT_NONE);
        assert_int_equal(r->started, 0);
        assert_true(r->pid == 0 && r->pid_start == 0);
        assert_null(r->unit);
        assert_true(sd_id128_is_null(r->invocation));
}

/* --- the machine goes down --- */

/* The run before it was stopped by the shutdown, which is why it is its turn. */
static void test_accepted_run_waits_for_the_next_boot(void **state) {
        static const ExecIdentity identity = { .pid = INT32_MAX, /* nobody */
                                               .pid_start = 1,
                                               .invocation = SD_ID128_MAKE(01, 02, 03, 04, 05, 06, 07, 08, 09, 0a, 0b,
                                                                           0c, 0d, 0e, 0f, 10) };
        Fixture *f = *state;
        uint64_t first, second;

        write_job(f, "job", "[Run]\nExec=/bin/true\n");
        start_with_stand_in(f);
        first = request(f, "job")->id;
        second = request(f, "job")->id;
        WAIT_FOR(f, stand_in.n_starts == 1);
        say_ended(0, RUN_RESULT_LOST);
        WAIT_FOR(f, stand_in.n_starts == 2);
        assert_int_equal(manager_n_running(f->m), 1);
        runs_callbacks()->started(stand_in.runs[1]->cookie, &identity);
        assert_false(sd_id128_is_null(manager_get_run(f->m, second)->invocation));
        assert_int_equal(manager_get_run(f->m, second)->pid, identity.pid);
        say_held(true);
        say_put_back(1);
        settle_down(f);
        assert_int_equal(stand_in.n_starts, 2);
        check_unstarted(f, second);
        assert_int_equal(manager_n_running(f->m), 0);
        assert_int_equal(manager_n_queued(f->m), 1);
        assert_int_equal(job(f, "job")->n_runs, 1);
        assert_int_equal(job(f, "job")->last_start, manager_get_run(f->m, first)->started);

        stop(f); /* cut off: what was said is written by then */
        start(f);
        WAIT_FOR(f, manager_get_run(f->m, second)->state == RUN_DONE);
        assert_int_equal(manager_get_run(f->m, second)->result, RUN_RESULT_SUCCESS);
        assert_int_equal(manager_get_run(f->m, first)->result, RUN_RESULT_LOST);
}

/* What is asked for meanwhile is accepted as ever; nothing has lost its place when it goes on. */
static void test_shutdown_that_is_cancelled(void **state) {
        Fixture *f = *state;
        uint64_t ids[4];

        write_file(f->directory, "vaktd.conf", "[Pool disk]\nSlots=2\n");
        write_job(f, "job", "[Run]\nExec=/bin/true\nPool=disk\nOverlap=parallel\nMaxParallel=8\nQueueMax=8\n");
        start_with_stand_in(f);
        for (size_t i = 0; i < 3; i++)
                ids[i] = request(f, "job")->id;
        WAIT_FOR(f, stand_in.n_starts == 2);
        say_held(true);
        say_put_back(1);
        say_put_back(0);
        ids[3] = request(f, "job")->id;
        settle_down(f);
        assert_int_equal(stand_in.n_starts, 2);
        assert_int_equal(manager_n_queued(f->m), 4);
        say_held(false);
        WAIT_FOR(f, stand_in.n_starts == 4);
        settle_down(f);
        assert_int_equal(stand_in.n_starts, 4); /* of its two slots none was lost, and none was won */
        assert_int_equal(stand_in.runs[2]->id, ids[0]);
        assert_int_equal(stand_in.runs[3]->id, ids[1]);
        assert_string_equal(manager_get_run(f->m, ids[0])->unit, "stand-in.service");
        say_ended(2, RUN_RESULT_SUCCESS);
        say_ended(3, RUN_RESULT_SUCCESS);
        WAIT_FOR(f, stand_in.n_starts == 6);
        assert_int_equal(stand_in.runs[4]->id, ids[2]);
        assert_int_equal(stand_in.runs[5]->id, ids[3]);
}

static void test_retry_keeps_its_attempt(void **state) {
        Fixture *f = *state;
        uint64_t retry;

        write_job(f, "job", "[Run]\nExec=/bin/true\nRetry=1\nRetryDelaySec=1ms\n");
        start_with_stand_in(f);
        (void)request(f, "job");
        WAIT_FOR(f, stand_in.n_starts == 1);
        say_ended(0, RUN_RESULT_LOST);
        WAIT_FOR(f, stand_in.n_starts == 2);
        retry = stand_in.runs[1]->id;
        say_held(true);
        say_put_back(1);
        settle_down(f);
        check_unstarted(f, retry);
        stop(f);
        start(f);
        WAIT_FOR(f, manager_get_run(f->m, retry)->state == RUN_DONE);
        assert_int_equal(manager_get_run(f->m, retry)->result, RUN_RESULT_SUCCESS);
        assert_int_equal(manager_get_run(f->m, retry)->attempt, 2);
        assert_int_equal(count_cause(f, "job", RUN_CAUSE_RETRY), 1);
}

/* Who cancels a run does not want it after the boot either. */
static void test_cancelled_meanwhile(void **state) {
        Fixture *f = *state;
        uint64_t id;

        write_job(f, "job", "[Run]\nExec=/bin/true\n");
        start_with_stand_in(f);
        id = request(f, "job")->id;
        WAIT_FOR(f, stand_in.n_starts == 1);
        assert_int_equal(manager_cancel(f->m, id), 0);
        say_put_back(0);
        assert_int_equal(manager_get_run(f->m, id)->result, RUN_RESULT_CANCELLED);
        assert_int_equal(manager_n_running(f->m) + manager_n_queued(f->m), 0);
}

/* It did what it did, and not because somebody asked for that. */
static void test_over_before_it_was_cancelled(void **state) {
        Fixture *f = *state;
        uint64_t id;

        write_job(f, "job", "[Run]\nExec=/bin/true\n");
        start_with_stand_in(f);
        id = request(f, "job")->id;
        WAIT_FOR(f, stand_in.n_starts == 1);
        assert_int_equal(manager_cancel(f->m, id), 0);
        say_ended(0, RUN_RESULT_SUCCESS);
        assert_int_equal(manager_get_run(f->m, id)->result, RUN_RESULT_SUCCESS);
        assert_null(manager_get_run(f->m, id)->reason);
}

static void test_what_is_said_of_an_end(void **state) {
        ExecOutcome o = { .result = RUN_RESULT_EXIT, .code = 3, .cpu = 7 * USEC_PER_SEC, .memory_peak = 4096 };
        Fixture *f = *state;
        const RunRecord *r;
        uint64_t id;

        write_job(f, "job", "[Run]\nExec=/bin/true\n");
        start_with_stand_in(f);
        id = request(f, "job")->id;
        WAIT_FOR(f, stand_in.n_starts == 1);
        r = manager_get_run(f->m, id);
        o.started = r->started - USEC_PER_SEC;
        o.ended = r->started + USEC_PER_HOUR;
        runs_callbacks()->ended(stand_in.runs[0]->cookie, &o);
        r = manager_get_run(f->m, id);
        assert_int_equal(r->result, RUN_RESULT_EXIT);
        assert_int_equal(r->code, 3);
        assert_int_equal(r->pid, 0);
        assert_true(r->started == o.started && r->ended == o.ended);
        assert_true(r->cpu == o.cpu && r->memory_peak == o.memory_peak);
}

/* Until then the service manager has to remember it; whether it is written is looked at again. */
static void test_an_end_is_acknowledged_when_it_is_written(void **state) {
        Fixture *f = *state;
        void *lock;

        write_job(f, "job", "[Run]\nExec=/bin/true\n");
        start(f);
        stop(f);
        lock = lock_ledger(f);
        start_with_stand_in(f);
        (void)request(f, "job");
        WAIT_FOR(f, stand_in.n_starts == 1);
        say_ended(0, RUN_RESULT_SUCCESS);
        settle_down(f);
        assert_int_equal(stand_in.n_settled, 0);
        unlock_ledger(lock);
        assert_true(f->m->acknowledge_again.position != HEAP_NONE);
        deadline_set(f->m, &f->m->acknowledge_again, 1);
        WAIT_FOR(f, stand_in.n_settled == 1);
        assert_true(f->m->acknowledge_again.position == HEAP_NONE);
}

/* It went where nobody could see, and it had been told to; another failure is its own. */
static void test_lost_after_it_was_cancelled(void **state) {
        static const struct {
                RunResult said, result;
                const char *reason; /* NULL: none */
        } ends[] = {
                { RUN_RESULT_LOST, RUN_RESULT_CANCELLED, "It was cancelled on request." },
                { RUN_RESULT_TIMEOUT, RUN_RESULT_TIMEOUT, NULL },
        };
        Fixture *f = *state;

        write_job(f, "job", "[Run]\nExec=/bin/true\n");
        start_with_stand_in(f);
        for (unsigned i = 0; i < ELEMENTSOF(ends); i++) {
                uint64_t id = request(f, "job")->id;
                const RunRecord *r;

                WAIT_FOR(f, stand_in.n_starts == i + 1);
                assert_int_equal(manager_cancel(f->m, id), 0);
                say_ended(i, ends[i].said);
                r = manager_get_run(f->m, id);
                assert_int_equal(r->result, ends[i].result);
                if (ends[i].reason)
                        assert_string_equal(r->reason, ends[i].reason);
                else
                        assert_null(r->reason);
        }
}

/* What a run says of itself stays with it. */
static void test_status_text(void **state) {
        Fixture *f = *state;
        uint64_t id;

        write_job(f, "job", "[Run]\nExec=/bin/true\n");
        start_with_stand_in(f);
        id = request(f, "job")->id;
        WAIT_FOR(f, stand_in.n_starts == 1);
        runs_callbacks()->status(stand_in.runs[0]->cookie, "half");
        runs_callbacks()->status(stand_in.runs[0]->cookie, "done");
        assert_string_equal(manager_get_run(f->m, id)->status_text, "done");
        say_ended(0, RUN_RESULT_SUCCESS);
        assert_string_equal(manager_get_run(f->m, id)->status_text, "done");
}

/* What vakt-rotate and vakt-clean say of their work is taken for numbers; other programs may say what they like. */
static void test_status_of_upkeep(void **state) {
        static const char said[] = "files=3 freed=4096: Rotated 3 logs.";
        Fixture *f = *state;
        const RunRecord *r;

        write_job(f, "job", "[Run]\nExec=/bin/true\n");
        write_job(f, "rotate", "[Rotate]\nPath=/nowhere/*.log\n");
        start_with_stand_in(f);
        (void)request(f, "job");
        (void)request(f, "rotate");
        WAIT_FOR(f, stand_in.n_starts == 2);
        for (unsigned i = 0; i < 2; i++) {
                const LiveRun *run = stand_in.runs[i]->cookie;
                bool is_upkeep = streq(run_record(run)->job, "rotate");

                r = run_record(run);
                runs_callbacks()->status(stand_in.runs[i]->cookie, said);
                assert_true(r->files == (is_upkeep ? 3 : UINT64_MAX));
                assert_true(r->bytes_freed == (is_upkeep ? 4096 : UINT64_MAX));
                assert_string_equal(r->status_text, is_upkeep ? "Rotated 3 logs." : said);
                runs_callbacks()->status(stand_in.runs[i]->cookie, "half");
                assert_string_equal(r->status_text, "half");
        }
        say_ended(0, RUN_RESULT_SUCCESS);
        say_ended(1, RUN_RESULT_SUCCESS);
}

static int count_held(const char *topic, const char *message, void *userdata) {
        *(unsigned *)userdata += strstr(message, "shutting down") != NULL;
        return 0;
}

static void test_explained(void **state) {
        Fixture *f = *state;
        unsigned n = 0;

        write_job(f, "job", "[Run]\nExec=/bin/true\n");
        start_with_stand_in(f);
        say_held(true);
        (void)request(f, "job");
        settle_down(f);
        assert_int_equal(stand_in.n_starts, 0);
        assert_int_equal(manager_explain(f->m, job(f, "job"), count_held, &n), 0);
        assert_int_equal(n, 1);
}

/* --- the next boot --- */

/* A run that is still looked for keeps nobody from being accepted. */
static void test_nobody_is_refused_for_what_is_lost(void **state) {
        Fixture *f = *state;
        const RunRecord *r;
        uint64_t lost;

        write_job(f, "job", "[Run]\nExec=/bin/true\nOverlap=skip\n");
        start_with_stand_in(f);
        lost = request(f, "job")->id;
        WAIT_FOR(f, stand_in.n_starts == 1);
        assert_int_equal(request(f, "job")->result, RUN_RESULT_SKIPPED);
        TAILQ_FIRST(&f->m->live.all)->is_sought = true;
        job(f, "job")->live->n_sought = 1;
        assert_int_equal(request(f, "job")->state, RUN_QUEUED);
        settle_down(f);
        assert_int_equal(stand_in.n_starts, 1);
        say_ended(0, RUN_RESULT_LOST);
        WAIT_FOR(f, stand_in.n_starts == 2);
        assert_int_equal(job(f, "job")->live->n_sought, 0);
        r = manager_get_run(f->m, lost);
        assert_int_equal(r->result, RUN_RESULT_LOST);
        assert_non_null(strstr(r->reason, "went down"));
}

static uint64_t leave_run(Fixture *f, RunRecord r) {
        r.job = "job";
        r.attempt = MAX(r.attempt, 1U);
        r.requested = r.scheduled = 1;
        assert_int_equal(ledger_add(f->m->ledger, &r), 0);
        assert_int_equal(ledger_update(f->m->ledger, &r), 0);
        return r.id;
}

/* A retry has an older number than the run that was started while it waited. */
static void test_no_run_is_started_beside_one_that_goes_on(void **state) {
        Fixture *f = *state;
        uint64_t failed, retry;

        write_job(f, "job", "[Run]\nExec=/bin/true\nRetry=1\n");
        start_with_stand_in(f);
        failed = leave_run(f, (RunRecord){ .state = RUN_DONE, .result = RUN_RESULT_EXIT, .started = 2, .ended = 3 });
        retry = leave_run(f, (RunRecord){ .cause = RUN_CAUSE_RETRY, .parent = failed, .attempt = 2 });
        (void)leave_run(f, (RunRecord){ .state = RUN_RUNNING, .started = 4, .unit = "stand-in.service" });
        assert_int_equal(take_over_runs(f->m), 0);
        settle_down(f);
        assert_int_equal(stand_in.n_starts, 1);
        say_ended(0, RUN_RESULT_SUCCESS);
        WAIT_FOR(f, stand_in.n_starts == 2);
        assert_int_equal(stand_in.runs[1]->id, retry);
}

/* --- what a daemon with a full disk left --- */

static void say_forgotten(uint64_t id, const char *job, RunCause cause, usec_t scheduled, uint64_t parent) {
        RunRecord r = RUN_RECORD_INIT;
        char unit[64];

        (void)snprintf(unit, sizeof(unit), "vakt-%s-%" PRIu64 ".service", job, id);
        r.id = id;
        r.job = job;
        r.unit = unit;
        r.cause = cause;
        r.scheduled = scheduled;
        r.parent = parent;
        r.payload = cause == RUN_CAUSE_PATH ? "/in/a" : NULL;
        assert_int_equal(take_over_found(stand_in.manager, job, id), EXEC_FOUND_FORGOTTEN);
        take_over_forgotten(stand_in.manager, &(ExecutionRequest){ .run = &r }, /* is_over= */ true);
}

/* Its units say what they were for: no occurrence comes again, and nothing that followed from one is asked for twice.
 */
static void test_forgotten_runs(void **state) {
        usec_t begin = now_realtime(), hour = begin / USEC_PER_HOUR * USEC_PER_HOUR;
        Fixture *f = *state;
        RunRecord after;
        Ledger *l;

        assert_int_equal(ledger_open(&l, NULL, f->directory, NULL), 0);
        assert_int_equal(ledger_set_stamp(l, "tick", "OnCalendar=hourly", hour - 4 * USEC_PER_HOUR - 1), 0);
        ledger_close(l);
        write_job(f, "tick",
                  "[Job]\nOnSuccess=after\nOnFailure=after\n[Timer]\nOnCalendar=hourly\nCatchUp=all\n"
                  "[Run]\nExec=/bin/true\nOverlap=parallel\nMaxParallel=100\nRetry=1\nRetryDelaySec=0\n");
        write_job(f, "after", "[Run]\nExec=/bin/true\nOverlap=parallel\nMaxParallel=100\nRetry=9\nRetryDelaySec=0\n");
        start_with_stand_in(f);
        say_forgotten(5003, "tick", RUN_CAUSE_CATCH_UP, hour, 0);
        say_forgotten(5000, "tick", RUN_CAUSE_TIMER, hour - 2 * USEC_PER_HOUR, 0);
        say_forgotten(5004, "tick", RUN_CAUSE_RETRY, hour - 2 * USEC_PER_HOUR, 5000);
        say_forgotten(5001, "tick", RUN_CAUSE_TIMER, hour - USEC_PER_HOUR, 0);
        say_forgotten(5002, "after", RUN_CAUSE_CHAIN, hour, 5001);
        assert_int_equal(take_over_found(f->m, "tick", 5004), EXEC_FOUND_FOREIGN); /* known by now */
        take_over_surveyed(stand_in.manager);
        assert_int_equal(stand_in.n_starts, 5);
        assert_true(job(f, "tick")->next > hour);
        say_ended(0, RUN_RESULT_EXIT);    /* 5000: was tried again as 5004 */
        say_ended(1, RUN_RESULT_SUCCESS); /* 5001: led to 5002 */
        say_ended(2, RUN_RESULT_SUCCESS);
        settle_down(f);
        assert_int_equal(stand_in.n_starts, 5);
        say_ended(3, RUN_RESULT_SUCCESS); /* 5003: what was to follow had not */
        settle_down(f);
        assert_int_equal(stand_in.n_starts, 6);
        after = newest(f, "after");
        assert_true(after.parent == 5003 && after.id > 5004);
        assert_int_equal(count_cause(f, "tick", RUN_CAUSE_MANUAL), 0);
        assert_int_equal(count_result(f, "tick", RUN_RESULT_MISSED), 0);
        assert_int_equal(manager_get_run(f->m, 5001)->trigger, 0);
        assert_true(manager_get_run(f->m, 5001)->requested >= begin); /* it is not known when that was */
        assert_true(manager_get_run(f->m, 5001)->requested <= now_realtime());
        assert_true(manager_get_run(f->m, 5001)->scheduled == hour - USEC_PER_HOUR);
        /* Without its files a run is not made again: they are found by themselves. */
        say_forgotten(6001, "after", RUN_CAUSE_PATH, hour, 0);
        take_over_surveyed(stand_in.manager);
        say_ended(6, RUN_RESULT_EXIT);
        settle_down(f);
        assert_int_equal(stand_in.n_starts, 7);
        /* Once they are known, they are not found again. */
        assert_int_equal(take_over_found(f->m, "tick", 5001), EXEC_FOUND_WRITTEN);
        assert_int_equal(take_over_found(f->m, "other", 5001), EXEC_FOUND_FOREIGN);
        assert_int_equal(take_over_found(f->m, "tick", 5004), EXEC_FOUND_FOREIGN); /* goes on */
}

/* Their job has no file any more: it is there as long as they are. */
static void test_forgotten_runs_of_a_job_that_is_gone(void **state) {
        usec_t now = now_realtime();
        Fixture *f = *state;

        start_with_stand_in(f);
        say_forgotten(5000, "nobody", RUN_CAUSE_MANUAL, now, 0);
        say_forgotten(5001, "nobody", RUN_CAUSE_MANUAL, now, 0);
        take_over_surveyed(f->m);
        assert_int_equal(stand_in.n_starts, 2);
        assert_int_equal(job_state(job(f, "nobody")), JOB_GONE);
        say_ended(0, RUN_RESULT_SUCCESS);
        settle_down(f);
        assert_int_equal(job(f, "nobody")->n_running, 1);
        say_ended(1, RUN_RESULT_EXIT);
        settle_down(f);
        assert_null(job(f, "nobody"));
        assert_int_equal(manager_get_run(f->m, 5000)->result, RUN_RESULT_SUCCESS);
        assert_int_equal(manager_get_run(f->m, 5001)->result, RUN_RESULT_EXIT);
}

/* Its time is counted from when it was found, as that of any run. */
static void test_a_forgotten_run_is_slow(void **state) {
        Fixture *f = *state;

        write_job(f, "job", "[Job]\nSlowSec=10ms\n[Run]\nExec=/bin/true\n");
        start_with_stand_in(f);
        say_forgotten(5000, "job", RUN_CAUSE_MANUAL, 0, 0);
        take_over_surveyed(stand_in.manager);
        assert_int_equal(stand_in.n_starts, 1);
        WAIT_FOR(f, f->n_raised == 1);
        assert_string_equal(f->alarm, "slow");
}

static void say_forgotten_path(uint64_t id, const char *job, usec_t requested, uint64_t parent, const char *paths,
                               size_t n, bool one) {
        RunRecord r = RUN_RECORD_INIT;

        r.id = id;
        r.job = job;
        r.unit = "a-unit.service";
        r.cause = parent > 0 ? RUN_CAUSE_RETRY : RUN_CAUSE_PATH;
        r.parent = parent;
        r.requested = requested;
        take_over_forgotten(stand_in.manager,
                            &(ExecutionRequest){ .run = &r, .paths = paths, .paths_size = n, .one_path = one },
                            /* is_over= */ true);
}

/* A directory, or a file "a" or "b". */
static void make_in(const Fixture *f, const char *name) {
        char path[256];

        (void)snprintf(path, sizeof(path), "%s/%s", f->directory, name);
        if (strrchr(name, '/') && strchr("ab", *(strrchr(name, '/') + 1)))
                write_file(f->directory, name, "x");
        else
                assert_int_equal(mkdir(path, 0711), 0);
}

static bool is_in(const Fixture *f, const char *name) {
        char path[256];

        (void)snprintf(path, sizeof(path), "%s/%s", f->directory, name);
        return access(path, F_OK) >= 0;
}

static const JobPaths *watched(Fixture *f, const char *name) {
        return trigger_get(trigger_of(f->m, &path_trigger_ops), job(f, name));
}

static usec_t changed_in(const Fixture *f, const char *name) {
        char path[256];
        struct stat st;

        (void)snprintf(path, sizeof(path), "%s/%s", f->directory, name);
        assert_int_equal(lstat(path, &st), 0);
        return timespec_load(&st.st_ctim);
}

/* What runs of its items came to is known before any of them is run: they are put away by that. */
static void test_forgotten_items(void **state) {
        static const char *const made[] = {
                "in",
                "in/.vakt-item",
                "in/.vakt-item/0000000000000001.1",
                "in/.vakt-item/0000000000000001.1/a",
                "in/.vakt-item/0000000000000002.2",
                "in/.vakt-item/0000000000000002.2/a",
                "in/.vakt-item/0000000000000003.1",
                "in/.vakt-item/0000000000000003.1/a",
        };
        char text[256], path[256];
        Fixture *f = *state;

        (void)snprintf(text, sizeof(text),
                       "[Path]\nSpool=%s/in\n[Run]\nExec=/bin/true\nOverlap=parallel\nMaxParallel=9\nRetry=1\n"
                       "RetryDelaySec=0\n",
                       f->directory);
        write_job(f, "item", text);
        start_with_stand_in(f);
        take_over_start(f->m);
        for (size_t i = 0; i < ELEMENTSOF(made); i++)
                make_in(f, made[i]);
        WAIT_FOR(f, watch_state(watched(f, "item")->watches[0].watch) != WATCH_WAITING);
        settle_down(f);
        assert_int_equal(stand_in.n_starts, 0);
        /* The first one was done; the second one was done by its second try. */
        (void)snprintf(path, sizeof(path), "%s/in/.vakt-item/0000000000000001.1/a", f->directory);
        say_forgotten_path(5000, "item", 1, 0, path, strlen(path) + 1, /* one= */ true);
        (void)snprintf(path, sizeof(path), "%s/in/.vakt-item/0000000000000002.1/a", f->directory);
        say_forgotten_path(5001, "item", 1, 0, path, strlen(path) + 1, /* one= */ true);
        (void)snprintf(path, sizeof(path), "%s/in/.vakt-item/0000000000000002.2/a", f->directory);
        say_forgotten_path(5002, "item", 1, 5001, path, strlen(path) + 1, /* one= */ true);
        take_over_surveyed(f->m);
        WAIT_FOR(f, stand_in.n_starts == 4);
        assert_non_null(strstr(stand_in.runs[3]->paths, "0000000000000003.1/a "));
        say_ended(2, RUN_RESULT_SUCCESS);
        say_ended(1, RUN_RESULT_EXIT);
        say_ended(0, RUN_RESULT_SUCCESS);
        WAIT_FOR(f, !is_in(f, made[2]) && !is_in(f, made[4]));
        settle_down(f);
        assert_false(is_in(f, "in/.vakt-item/0000000000000002.failed"));
        assert_true(is_in(f, made[7]));
        assert_int_equal(stand_in.n_starts, 4);
}

/* What has not changed since such a run was given it is not given to another one; what that was not through with is.
 */
static void test_forgotten_files(void **state) {
        static const RunResult results[] = { RUN_RESULT_SUCCESS, RUN_RESULT_LOST };

        for (size_t i = 0; i < ELEMENTSOF(results); i++) {
                char text[256], list[256], seen[256];
                Fixture *f = *state;
                usec_t given;
                size_t n;

                (void)snprintf(text, sizeof(text),
                               "[Path]\nPathChanged=%s/in\nRecursive=yes\nBatch=all\n[Run]\nExec=/bin/true\n",
                               f->directory);
                write_job(f, "files", text);
                start_with_stand_in(f);
                take_over_start(f->m);
                if (i == 0)
                        make_in(f, "in");
                WAIT_FOR(f, watch_state(watched(f, "files")->watches[0].watch) == WATCH_ACTIVE);
                settle_down(f);
                make_in(f, "in/a");
                make_in(f, "in/b");
                WAIT_FOR(f, batch_n_waiting(watched(f, "files")->batch) >= 2);
                settle_down(f);
                assert_int_equal(stand_in.n_starts, 0);
                n = (size_t)snprintf(list, sizeof(list), "%s/in/a", f->directory) + 1;
                n += (size_t)snprintf(list + n, sizeof(list) - n, "%s/in/b", f->directory) + 1;
                /* The one it was given has changed since. */
                given = changed_in(f, "in/b");
                say_forgotten_path(5000 + 100 * i, "files", given, 0, list, n, /* one= */ false);
                do
                        write_file(f->directory, "in/b", "y");
                while (changed_in(f, "in/b") <= given);
                settle_down(f);
                take_over_surveyed(f->m);
                settle_down(f);
                assert_int_equal(stand_in.n_starts, 1);
                assert_int_equal(stand_in.runs[0]->id, 5000 + 100 * i);
                say_ended(0, results[i]);
                WAIT_FOR(f, stand_in.n_starts == 2);
                (void)snprintf(seen, sizeof(seen), "%s/in/a ", f->directory);
                assert_true(!strstr(stand_in.runs[1]->paths, seen) == (results[i] == RUN_RESULT_SUCCESS));
                (void)snprintf(seen, sizeof(seen), "%s/in/b ", f->directory);
                assert_non_null(strstr(stand_in.runs[1]->paths, seen));
                if (results[i] == RUN_RESULT_SUCCESS) /* and nothing else */
                        assert_string_equal(stand_in.runs[1]->paths, seen);
                say_ended(1, RUN_RESULT_SUCCESS);
                settle_down(f);
                assert_int_equal(stand_in.n_starts, 2);
                stop(f);
        }
}

/* Several of them may have been given the same file. */
static void test_forgotten_runs_of_one_file(void **state) {
        char text[256];
        Fixture *f = *state;

        (void)snprintf(
                text, sizeof(text),
                "[Path]\nPathChanged=%s/in\nEvents=close\n[Run]\nExec=/bin/true\nOverlap=parallel\nMaxParallel=9\n",
                f->directory);
        write_job(f, "files", text);
        make_in(f, "in");
        start_with_stand_in(f);
        take_over_start(f->m);
        WAIT_FOR(f, watch_state(watched(f, "files")->watches[0].watch) == WATCH_ACTIVE);
        make_in(f, "in/a");
        WAIT_FOR(f, batch_n_waiting(watched(f, "files")->batch) == 1);
        (void)snprintf(text, sizeof(text), "%s/in/a", f->directory);
        for (unsigned i = 0; i < 5; i++) /* the last one was given it as it is now */
                say_forgotten_path(5000 + i, "files", changed_in(f, "in/a") - (4 - i) * USEC_PER_SEC, 0, text,
                                   strlen(text) + 1, /* one= */ false);
        take_over_surveyed(f->m);
        settle_down(f);
        assert_int_equal(stand_in.n_starts, 5);
        for (unsigned i = 0; i < 5; i++)
                say_ended(i, RUN_RESULT_SUCCESS);
        WAIT_FOR(f, batch_n_waiting(watched(f, "files")->batch) == 0);
        settle_down(f);
        assert_int_equal(stand_in.n_starts, 5);
        assert_int_equal(batch_n_running(watched(f, "files")->batch), 0);
}

/* A run that goes on is reported before the ledger can be read, which says what it was given. */
static void test_files_of_a_run_that_is_read_late(void **state) {
        Fixture *f = *state;
        char text[256];
        uint64_t id;
        void *lock;

        (void)snprintf(text, sizeof(text), "[Path]\nPathChanged=%s/in\nEvents=close\n[Run]\nExec=/bin/true\n",
                       f->directory);
        write_job(f, "files", text);
        write_job(f, "other", "[Run]\nExec=/bin/true\n");
        make_in(f, "in");
        start_with_stand_in(f);
        WAIT_FOR(f, watch_state(watched(f, "files")->watches[0].watch) == WATCH_ACTIVE);
        make_in(f, "in/a");
        WAIT_FOR(f, stand_in.n_starts == 1);
        id = stand_in.runs[0]->id;
        (void)request(f, "other");
        WAIT_FOR(f, stand_in.n_starts == 2);
        stop(f);
        lock = lock_ledger(f);
        start_with_stand_in(f);
        say_forgotten_path(id, "files", 1, 0, NULL, 0, /* one= */ false);
        take_over_surveyed(f->m);
        assert_int_equal(stand_in.n_starts, 1);
        assert_int_equal(batch_n_running(watched(f, "files")->batch), 0);
        unlock_ledger(lock);
        (void)request(f, "other");           /* it is written then */
        WAIT_FOR(f, stand_in.n_starts >= 3); /* this one, and that of the earlier daemon */
        assert_int_equal(batch_n_running(watched(f, "files")->batch), 1);
}

/* What is put back then has the rank that it would have had, not the first one of all. */
static void test_a_run_of_an_earlier_daemon_is_put_back(void **state) {
        Fixture *f = *state;
        uint64_t high;
        void *lock;

        write_file(f->directory, "vaktd.conf", "[Pool disk]\nSlots=1\n");
        write_job(f, "low", "[Run]\nExec=/bin/true\nPool=disk\nPriority=-5\n");
        write_job(f, "high", "[Run]\nExec=/bin/true\nPool=disk\nPriority=5\n");
        start_with_stand_in(f);
        (void)request(f, "low");
        WAIT_FOR(f, stand_in.n_starts == 1);
        stop(f);
        lock = lock_ledger(f);
        start_with_stand_in(f);
        unlock_ledger(lock);
        high = request(f, "high")->id; /* it is written, and what was is read, then */
        WAIT_FOR(f, stand_in.n_starts == 2);
        say_held(true);
        say_put_back(0);
        say_put_back(1);
        say_held(false);
        WAIT_FOR(f, stand_in.n_starts == 3);
        assert_int_equal(stand_in.runs[2]->id, high);
}

/* Nothing elapses before these are known, or have been waited for long enough. */
static void test_timers_wait_for_what_is_found(void **state) {
        Fixture *f = *state;

        for (unsigned i = 0; i < 2; i++) {
                usec_t due;

                write_job(f, "tick", "[Timer]\nOnInterval=10ms\n[Run]\nExec=/bin/true\nOverlap=skip\n");
                start_with_stand_in(f);
                take_over_start(f->m);
                due = now_boottime() + 50 * USEC_PER_MSEC;
                WAIT_FOR(f, now_boottime() > due);
                settle_down(f);
                assert_int_equal(stand_in.n_starts, 0);
                if (i == 0)
                        take_over_surveyed(f->m);
                else
                        deadline_set(f->m, &f->m->take_over.deadline, now_boottime());
                WAIT_FOR(f, stand_in.n_starts == 1);
                stop(f);
                remove_job(f, "tick");
        }
}

/* --- the daemon goes down --- */

static void on_stopped(void *userdata) {
        ((Fixture *)userdata)->stopped = true;
}

static void test_stop_waits_for_what_is_on_its_way(void **state) {
        Fixture *f = *state;
        uint64_t ending, unstarted, running;

        write_job(f, "job", "[Run]\nExec=/bin/true\nOverlap=parallel\nMaxParallel=8\n");
        start_with_stand_in(f);
        ending = request(f, "job")->id;
        unstarted = request(f, "job")->id;
        running = request(f, "job")->id;
        WAIT_FOR(f, stand_in.n_starts == 3);
        stand_in.has_something_to_say = true;
        manager_stop(f->m, on_stopped, f);
        settle_down(f);
        assert_false(f->stopped);
        say_ended(0, RUN_RESULT_EXIT);
        say_put_back(1);
        settle_down(f);
        assert_false(f->stopped);
        drain_executor_done(f->m);
        WAIT_FOR(f, f->stopped);
        assert_null(stand_in.runs[2]);
        assert_int_equal(manager_get_run(f->m, ending)->result, RUN_RESULT_EXIT);
        check_unstarted(f, unstarted);
        assert_int_equal(manager_get_run(f->m, running)->state, RUN_STARTING);
        assert_int_equal(stand_in.n_starts, 3);
}

static void test_stop_does_not_wait_for_ever(void **state) {
        Fixture *f = *state;

        write_job(f, "job", "[Run]\nExec=/bin/true\n");
        start_with_stand_in(f);
        (void)request(f, "job");
        WAIT_FOR(f, stand_in.n_starts == 1);
        stand_in.has_something_to_say = true;
        manager_stop(f->m, on_stopped, f);
        settle_down(f);
        assert_false(f->stopped);
        /* Two seconds pass. */
        deadline_set(f->m, HEAP_OWNER(heap_first(&f->m->deadlines->heap), Deadline, position), now_boottime());
        WAIT_FOR(f, f->stopped);
        drain_executor_done(f->m); /* too late */
        settle_down(f);
}

/* Nothing holds up a daemon of which all is known. */
static void test_stop_at_once(void **state) {
        Fixture *f = *state;

        write_job(f, "job", "[Run]\nExec=/bin/true\n");
        start_with_stand_in(f);
        (void)request(f, "job");
        WAIT_FOR(f, stand_in.n_starts == 1);
        manager_stop(f->m, on_stopped, f);
        assert_null(stand_in.runs[0]);
        WAIT_FOR(f, f->stopped);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_accepted_run_waits_for_the_next_boot),
                TEST(test_shutdown_that_is_cancelled),
                TEST(test_retry_keeps_its_attempt),
                TEST(test_cancelled_meanwhile),
                TEST(test_over_before_it_was_cancelled),
                TEST(test_what_is_said_of_an_end),
                TEST(test_an_end_is_acknowledged_when_it_is_written),
                TEST(test_lost_after_it_was_cancelled),
                TEST(test_status_text),
                TEST(test_status_of_upkeep),
                TEST(test_explained),
                TEST(test_nobody_is_refused_for_what_is_lost),
                TEST(test_no_run_is_started_beside_one_that_goes_on),
                TEST(test_forgotten_runs),
                TEST(test_forgotten_runs_of_a_job_that_is_gone),
                TEST(test_a_forgotten_run_is_slow),
                TEST(test_forgotten_items),
                TEST(test_forgotten_files),
                TEST(test_forgotten_runs_of_one_file),
                TEST(test_files_of_a_run_that_is_read_late),
                TEST(test_a_run_of_an_earlier_daemon_is_put_back),
                TEST(test_timers_wait_for_what_is_found),
                TEST(test_stop_waits_for_what_is_on_its_way),
                TEST(test_stop_does_not_wait_for_ever),
                TEST(test_stop_at_once),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
