/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* How a request becomes a run and a run becomes history: admission, start, end. Where runs wait in between is in
 * queues.c, what their end leads to in follow-ups.c.
 *
 * Starting is left to a deferred event source, a few a turn, so that a second in which a thousand jobs are due does
 * not keep clients waiting. Every request has its record in the ledger before anything is done about it, the refused
 * ones too; a run is "starting" there before the executor hears of it; and what the executor reports is in the ledger
 * before it is told that it may forget it. */

#include <assert.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>

#include "core/manager-internal.h"
#include "time/span.h"
#include "time/timestamp.h"
#include "util/log-messages.h"
#include "util/log.h"
#include "util/turn.h"

#define STARTS_PER_TURN            8
#define ACKNOWLEDGE_AGAIN_USEC     (5 * USEC_PER_SEC)
#define ACKNOWLEDGE_AGAIN_ACCURACY USEC_PER_SEC
#define OUTBOX_PRIORITY            (SD_EVENT_PRIORITY_IMPORTANT - 100)

/* --- the end of a run --- */

static void log_outcome(const RunRecord *r) {
        LogContext c = { .job = r->job, .run = r->id, .message_id = MESSAGE_RUN_FAILED };
        usec_t took = r->started > 0 ? usec_sub(r->ended, r->started) : 0;
        char span[SPAN_TEXT_MAX];

        (void)span_format(span, took, took < USEC_PER_SEC ? USEC_PER_MSEC : 10 * USEC_PER_MSEC);
        switch (r->result) {
        case RUN_RESULT_SUCCESS:
                c.message_id = MESSAGE_RUN_SUCCEEDED;
                log_message(LOG_INFO, &c, "Run %" PRIu64 " succeeded after %s.", r->id, span);
                break;
        case RUN_RESULT_SKIPPED:
        case RUN_RESULT_MISSED:
                c.message_id = MESSAGE_RUN_REFUSED;
                log_message(LOG_INFO, &c, "Run %" PRIu64 " was not started: %s", r->id, strempty(r->reason));
                break;
        case RUN_RESULT_CANCELLED:
                c.message_id = MESSAGE_RUN_CANCELLED;
                log_message(LOG_NOTICE, &c, "Run %" PRIu64 " was cancelled: %s", r->id, strempty(r->reason));
                break;
        case RUN_RESULT_EXIT:
                log_message(LOG_WARNING, &c, "Run %" PRIu64 " failed with exit status %d after %s.", r->id, r->code,
                            span);
                break;
        case RUN_RESULT_SIGNAL:
                log_message(LOG_WARNING, &c, "Run %" PRIu64 " was killed by signal %s after %s.", r->id,
                            strempty(sigabbrev_np(r->code)), span);
                break;
        case RUN_RESULT_TIMEOUT:
                log_message(LOG_WARNING, &c, "Run %" PRIu64 " was stopped at its time limit, after %s.", r->id, span);
                break;
        case RUN_RESULT_NONE:
        case RUN_RESULT_OOM:
        case RUN_RESULT_START_FAILED:
        case RUN_RESULT_LOST:
        case _RUN_RESULT_MAX:
                log_message(LOG_WARNING, &c, "Run %" PRIu64 " failed (%s): %s", r->id, run_result_to_string(r->result),
                            strempty(r->reason));
                break;
        }
}

static void job_note_end(const LiveRun *run) {
        Job *job = run->job;

        if (run->record.started == 0)
                return;
        job->last_end = run->record.ended;
        if (run->record.result != RUN_RESULT_SKIPPED)
                job->last_result = run->record.result;
}

static void record_outcome(RunRecord *r, const ExecOutcome *o, usec_t now) {
        r->result = o->result;
        r->code = o->code;
        if (o->started > 0 && r->started > 0)
                r->started = o->started;
        r->ended = o->ended > 0 ? o->ended : now;
        r->pid = 0;
        r->cpu = o->cpu;
        r->memory_peak = o->memory_peak;
}

void runs_finish(Manager *m, LiveRun *run, const ExecOutcome *outcome) {
        if (run_goes_on(run))
                (void)sd_event_source_set_enabled(m->acknowledge_source, SD_EVENT_ONESHOT);
        record_outcome(&run->record, outcome, turn_now(m->event).realtime);
        run_set_stage(run, RUN_STAGE_DONE);
        job_note_end(run);
        (void)ledger_update(m->ledger, &run->record);
        run->execution = execution_free(run->execution);
        TAILQ_INSERT_TAIL(&m->outbox, run, waiting);
        (void)sd_event_source_set_enabled(m->outbox_source, SD_EVENT_ONESHOT);
}

void runs_drop(Manager *m, LiveRun *run, RunResult result) {
        ExecOutcome outcome = EXEC_OUTCOME_INIT;

        outcome.result = result;
        runs_finish(m, run, &outcome);
}

/* --- the outbox --- */

/* A run that has ended lies here until those who ended it are done with what they are doing: what it leads to may be
 * the end of others, which come behind it. Until then it stays among the runs of its job, which is not taken out of
 * the table before the last of them has left. */
static void deal_with_end(Manager *m, LiveRun *run) {
        Job *job = run->job;

        live_remove(m, run);
        log_outcome(&run->record);
        NOTIFY_OBSERVERS(m, run_finished, &run->record);
        alarms_run_ended(m, run);
        follow_up(m, run);
        triggers_run_ended(m, run);
        NOTIFY_OBSERVERS(m, job_changed, job);
        NOTIFY_OBSERVERS(m, summary_changed);
        queues_pump_job(m, job);
        live_run_free(run);
        reload_drop_job_if_over(m, job);
}

void runs_empty_outbox(Manager *m) {
        LiveRun *run;

        while ((run = TAILQ_FIRST(&m->outbox))) {
                TAILQ_REMOVE(&m->outbox, run, waiting);
                deal_with_end(m, run);
        }
}

static int on_outbox(sd_event_source *s, void *userdata) {
        runs_empty_outbox(userdata);
        return 0;
}

int runs_commit(Manager *m) {
        runs_empty_outbox(m);
        return ledger_commit(m->ledger);
}

/* What the executor reported may be forgotten by it once it is written. A ledger that is in memory only is looked at
 * again: until it is written, the service manager is the better memory. */
int runs_acknowledge(Manager *m) {
        if (runs_commit(m) < 0) {
                (void)sd_event_source_set_time_relative(m->acknowledge_again_source, ACKNOWLEDGE_AGAIN_USEC);
                return sd_event_source_set_enabled(m->acknowledge_again_source, SD_EVENT_ONESHOT);
        }
        m->executor->ops->acknowledge(m->executor);
        if (m->former_executor)
                m->former_executor->ops->acknowledge(m->former_executor);
        TELL_TRIGGERS(m, written);
        return 0;
}

static int on_acknowledge(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        (void)runs_acknowledge(userdata);
        return 0;
}

static int on_acknowledge_again(sd_event_source *s, uint64_t usec, void *userdata) {
        (void)runs_acknowledge(userdata);
        return 0;
}

/* --- what the executor reports --- */

static void record_identity(RunRecord *r, const ExecIdentity *identity) {
        r->pid = identity->pid;
        r->pid_start = identity->pid_start;
        r->invocation = identity->invocation;
        if (!identity->unit || streq_ptr(r->unit, identity->unit))
                return;
        free(r->unit);
        r->unit = strdup(identity->unit); /* without it a later daemon finds the run by its number */
}

static void on_run_started(void *cookie, const ExecIdentity *identity) {
        LiveRun *run = cookie;
        Manager *m = run->manager;
        LogContext c = { .message_id = MESSAGE_RUN_STARTED, .job = run->record.job, .run = run->record.id };

        run_set_sought(run, false);
        record_identity(&run->record, identity);
        (void)ledger_update(m->ledger, &run->record);
        if (run->stage != RUN_STAGE_STARTING) { /* a further command of the run, or one that was adopted */
                NOTIFY_OBSERVERS(m, run_changed, &run->record);
                return;
        }
        run_set_stage(run, RUN_STAGE_RUNNING);
        (void)ledger_update(m->ledger, &run->record);
        log_message(LOG_INFO, &c, "Run %" PRIu64 " started (%s).", run->record.id,
                    run_cause_to_string(run->record.cause));
        NOTIFY_OBSERVERS(m, run_started, &run->record);
        NOTIFY_OBSERVERS(m, job_changed, run->job);
        NOTIFY_OBSERVERS(m, summary_changed);
}

static void on_run_output(void *cookie, const char *line, size_t n, bool is_stderr) {
        LiveRun *run = cookie;

        NOTIFY_OBSERVERS(run->manager, run_output, &run->record, line, n, is_stderr);
}

/* Written at the end of the run only: it may come often, and the next one is as good. */
static void on_run_status(void *cookie, const char *text) {
        LiveRun *run = cookie;
        char *copy = strdup(text);

        if (!copy)
                return;
        free(run->record.status_text);
        run->record.status_text = copy;
        NOTIFY_OBSERVERS(run->manager, run_changed, &run->record);
}

/* What was told to end by an earlier daemon and is gone now did as it was told. What was over before it was told to,
 * or at its time limit, has another reason than that. */
static void on_run_ended(void *cookie, const ExecOutcome *reported) {
        LiveRun *run = cookie;
        Manager *m = run->manager;
        ExecOutcome outcome = *reported;

        if (outcome.result == RUN_RESULT_LOST && run->stage == RUN_STAGE_STOPPING)
                outcome.result = RUN_RESULT_CANCELLED;
        run->is_interrupted = run->is_interrupted && outcome.result == RUN_RESULT_CANCELLED;
        if (outcome.result == RUN_RESULT_LOST && run->is_sought)
                outcome.reason = "The machine went down while it was under way.";
        if (outcome.result != RUN_RESULT_CANCELLED && run->stage == RUN_STAGE_STOPPING)
                run->record.reason = mfree(run->record.reason);
        if (outcome.reason && (outcome.result != RUN_RESULT_CANCELLED || !run->record.reason))
                run_set_reason(run, "%s", outcome.reason);
        runs_finish(m, run, &outcome);
        runs_empty_outbox(m);
}

/* --- start --- */

ExecutionRequest runs_execution_request(Manager *m, const LiveRun *run) {
        const RunRecord *parent = run->record.cause == RUN_CAUSE_CHAIN && run->record.parent > 0
                                          ? ledger_get(m->ledger, run->record.parent)
                                          : NULL;

        ExecutionRequest request = {
                .def = run->def,
                .run = &run->record,
                .timeout = run->def->timeout > 0 ? run->def->timeout : m->settings.default_timeout,
                .follow = run->follow,
                .parent_result = parent ? run_result_to_string(parent->result) : NULL,
        };

        if (run->payload)
                run->payload->ops->describe(run->payload, &request);
        return request;
}

/* Where it will be looked for, should we die before anybody can tell. */
static void name_unit(const Manager *m, LiveRun *run) {
        const ExecutorOps *ops = m->executor->ops;
        char *unit;

        if (!ops->name_unit || ops->name_unit(run->def, &run->record, &unit) < 0)
                return;
        free(run->record.unit);
        run->record.unit = unit;
}

/* Writes down that the run is started, before it is. */
static void run_begin(Manager *m, LiveRun *run) {
        Job *job = run->job;

        run_use_current_definition(run);
        run_set_stage(run, RUN_STAGE_STARTING);
        run->waits_since = 0;
        run->record.started = turn_now(m->event).realtime;
        run->previous_start = job->last_start;
        job->last_start = run->record.started;
        name_unit(m, run);
        TELL_TRIGGERS(m, run_started, run);
        alarms_run_started(m, run);
        (void)ledger_update(m->ledger, &run->record);
}

/* Takes back what run_begin() did. What an earlier daemon began was not counted. */
static void run_unbegin(Manager *m, LiveRun *run) {
        RunRecord *r = &run->record;
        Job *job = run->job;

        if (job->last_start == r->started)
                job->last_start = run->previous_start;
        run_set_stage(run, RUN_STAGE_READY);
        r->started = 0;
        r->pid = 0;
        r->pid_start = 0;
        r->unit = mfree(r->unit);
        r->invocation = SD_ID128_NULL;
        (void)ledger_update(m->ledger, r);
}

/* What it was given is not given up because the machine is short of something for now. */
static void run_start(Manager *m, LiveRun *run) {
        static const int passing[] = { -ENOSPC, -EDQUOT, -EMFILE, -ENFILE, -ENOMEM, -EAGAIN, -EROFS };
        ExecutionRequest request = runs_execution_request(m, run);
        ExecOutcome outcome = EXEC_OUTCOME_INIT;
        int r;

        r = m->executor->ops->start(m->executor, &request, run, &run->execution);
        if (r >= 0)
                return;
        run_set_reason(run, "It could not be started: %s.", strerror(-r));
        for (size_t i = 0; i < ELEMENTSOF(passing); i++)
                run->returns_payload = run->returns_payload || (run->record.payload && r == passing[i]);
        outcome.result = RUN_RESULT_START_FAILED;
        outcome.code = -r;
        runs_finish(m, run, &outcome);
}

/* A process is never older than its record: should we die in between, the next daemon looks for it. Nobody may end
 * what is begun and not started yet, so nothing waits in the outbox when that is written. */
static int on_start(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        Manager *m = userdata;
        LiveRun *batch[STARTS_PER_TURN];
        size_t n = 0;

        runs_empty_outbox(m);
        while (n < STARTS_PER_TURN && (batch[n] = queues_next(m)))
                run_begin(m, batch[n++]);
        assert(TAILQ_EMPTY(&m->outbox));
        if (n > 0)
                (void)ledger_commit(m->ledger);
        for (size_t i = 0; i < n; i++)
                run_start(m, batch[i]);
        queues_pump(m);
        return 0;
}

/* --- stopping --- */

/* Should we be killed before an interrupted one has ended, it is no less lost than if we had never told it to. */
void run_stop(Manager *m, LiveRun *run, RunResult result) {
        if (run->stage == RUN_STAGE_STOPPING)
                return;
        run_set_stage(run, RUN_STAGE_STOPPING);
        if (!run->is_interrupted)
                (void)ledger_update(m->ledger, &run->record);
        NOTIFY_OBSERVERS(m, run_changed, &run->record);
        run->execution->ops->stop(run->execution, result);
}

static void run_end(Manager *m, LiveRun *run) {
        if (run->execution)
                run_stop(m, run, RUN_RESULT_CANCELLED);
        else
                runs_drop(m, run, RUN_RESULT_CANCELLED);
}

int manager_cancel(Manager *m, uint64_t id) {
        LiveRun *run = runs_find(m, id);

        if (!run || run->stage == RUN_STAGE_DONE)
                return ledger_get(m->ledger, id) ? -EALREADY : -ENOENT;
        if (run->stage == RUN_STAGE_STOPPING)
                return 0;
        run_set_reason(run, "Somebody asked for it.");
        run_end(m, run);
        (void)runs_commit(m);
        return 0;
}

/* --- going back --- */

static void on_run_put_back(void *cookie) {
        LiveRun *run = cookie;
        Manager *m = run->manager;
        Job *job = run->job;
        ExecOutcome outcome = EXEC_OUTCOME_INIT;

        if (run->stage == RUN_STAGE_STOPPING) {
                outcome.result = RUN_RESULT_CANCELLED;
                runs_finish(m, run, &outcome);
                return;
        }
        run->execution = execution_free(run->execution);
        run_unbegin(m, run);
        if (m->stopping) {
                run_leave(m, run);
                return;
        }
        queues_wait_for_slot(m, run);
        NOTIFY_OBSERVERS(m, run_changed, &run->record);
        NOTIFY_OBSERVERS(m, job_changed, job);
        NOTIFY_OBSERVERS(m, summary_changed);
}

static void on_held(void *userdata, bool held) {
        Manager *m = userdata;

        m->is_held = held;
        queues_pump(m);
}

/* --- admission --- */

/* Ends what else the job does or waits for, for Overlap=replace. */
static void replace_other_runs(Manager *m, const LiveRun *by) {
        LiveRun *previous;

        for (LiveRun *run = TAILQ_LAST(&by->job->runs, LiveRunList); run; run = previous) {
                previous = TAILQ_PREV(run, LiveRunList, of_job);
                if (run == by || run->stage == RUN_STAGE_STOPPING || run->stage == RUN_STAGE_DONE)
                        continue;
                run_set_reason(run, "Run %" PRIu64 " took its place (Overlap=replace).", by->record.id);
                run->returns_payload = run->record.payload != NULL; /* the other one knows nothing of it */
                run_end(m, run);
        }
}

void runs_preempt(const Trigger *t, const Job *job, const char *reason) {
        LiveRun *previous;

        for (LiveRun *run = TAILQ_LAST(&job->runs, LiveRunList); run; run = previous) {
                previous = TAILQ_PREV(run, LiveRunList, of_job);
                if (run->stage == RUN_STAGE_STOPPING || !run_goes_on(run) || !run_payload(run, t->ops) ||
                    run->record.cause == RUN_CAUSE_MANUAL)
                        continue;
                run->returns_payload = true;
                run_set_reason(run, "%s", reason);
                run_end(t->manager, run);
        }
}

/* Sets the reason and returns false for a run that the job does not want now; what only makes it wait does so once it
 * is accepted. */
static bool admit(LiveRun *run, bool has_payload) {
        GateInput in = run_gate_input(run, GATE_REQUEST);
        char why[GATE_WHY_MAX];
        GateAnswer a;

        in.has_file = has_payload;
        a = gates_ask(&in, run->record.requested);
        if (a.verdict == GATE_REFUSE)
                run_set_reason(run, "%s", gates_why(why, &in, &a));
        return a.verdict != GATE_REFUSE;
}

/* Says of a run that was never accepted that it was recorded. */
static void announce_refusal(Manager *m, const RunRecord *r) {
        log_outcome(r);
        NOTIFY_OBSERVERS(m, run_new, r);
        NOTIFY_OBSERVERS(m, run_finished, r);
}

static void mark_refused(RunRecord *r, RunResult result) {
        r->result = result;
        r->ended = r->requested;
}

void runs_accept(Manager *m, LiveRun *run) {
        Job *job = run->job;

        if (m->stopping) { /* it stands in the ledger, for the next daemon */
                live_run_free(run);
                return;
        }
        live_add(m, run);
        if (run->record.cause == RUN_CAUSE_RETRY)
                queues_delay(m, run);
        else
                queues_add(m, run);
        NOTIFY_OBSERVERS(m, run_new, &run->record);
        if (run->stage == RUN_STAGE_QUEUED && run->def->overlap == OVERLAP_REPLACE)
                replace_other_runs(m, run);
        NOTIFY_OBSERVERS(m, job_changed, job);
        NOTIFY_OBSERVERS(m, summary_changed);
        queues_pump_job(m, job);
}

int runs_request(Manager *m, Job *job, const RunRequest *request, RunPayload **payload, uint64_t *ret_id) {
        _cleanup_(live_run_freep) LiveRun *run = NULL;
        bool admitted;
        int r;

        r = live_reserve(m);
        if (r >= 0)
                r = live_run_new(&run, m, job, request);
        if (r < 0)
                return r;
        admitted = admit(run, payload != NULL);
        if (admitted)
                r = pools_admit(m, run);
        else {
                run_set_stage(run, RUN_STAGE_DONE);
                mark_refused(&run->record, RUN_RESULT_SKIPPED);
        }
        if (r < 0)
                return r;
        r = ledger_add(m->ledger, &run->record);
        if (r < 0)
                return r;
        *ret_id = run->record.id;
        if (!admitted) {
                announce_refusal(m, &run->record);
                return 0;
        }
        if (payload) {
                run->payload = TAKE_PTR(*payload);
                payload_put(m, &run->record, run->payload);
        }
        runs_accept(m, TAKE_PTR(run));
        return 1;
}

/* --- what is recorded only --- */

void runs_refuse(Manager *m, const char *job, const RunRequest *request, RunResult result, const char *format, ...) {
        usec_t now = turn_now(m->event).realtime;
        LogContext c = { .job = job };
        char reason[LEDGER_TEXT_MAX];
        RunRecord record = RUN_RECORD_INIT;
        va_list ap;
        int r;

        va_start(ap, format);
        (void)vsnprintf(reason, sizeof(reason), format, ap);
        va_end(ap);
        record.job = (char *)job;
        record.state = RUN_DONE;
        record.cause = request->cause;
        record.trigger = request->trigger;
        record.parent = request->parent;
        record.parent_job = (char *)request->parent_job;
        record.alarm = (char *)request->alarm;
        record.requested = now;
        record.scheduled = request->scheduled > 0 ? request->scheduled : now;
        record.host = m->host;
        record.reason = reason;
        mark_refused(&record, result);
        r = ledger_add(m->ledger, &record);
        if (r < 0)
                log_message(LOG_ERR, &c, "Cannot write down a run that was not started (%s): %s", strerror(-r),
                            reason);
        else
                announce_refusal(m, &record);
}

/* --- set-up --- */

const ExecutorCallbacks *runs_callbacks(void) {
        static const ExecutorCallbacks callbacks = {
                .started = on_run_started,
                .output = on_run_output,
                .status = on_run_status,
                .ended = on_run_ended,
                .put_back = on_run_put_back,
                .held = on_held,
        };

        return &callbacks;
}

static int add_turn(Manager *m, sd_event_source **ret, sd_event_io_handler_t handler, const char *description) {
        int r = event_add_turn(m->event, ret, description, handler, m);

        return r < 0 ? r : sd_event_source_set_exit_on_failure(*ret, true);
}

/* For what is ended by those who do not empty it: before all other sources, so that it is still one turn. */
static int add_outbox(Manager *m) {
        int r;

        r = sd_event_add_defer(m->event, &m->outbox_source, on_outbox, m);
        if (r < 0)
                return r;
        (void)sd_event_source_set_description(m->outbox_source, "runs-ended");
        (void)sd_event_source_set_enabled(m->outbox_source, SD_EVENT_OFF);
        r = sd_event_source_set_priority(m->outbox_source, OUTBOX_PRIORITY);
        return r < 0 ? r : sd_event_source_set_exit_on_failure(m->outbox_source, true);
}

int runs_init(Manager *m) {
        int r;

        r = add_turn(m, &m->start_source, on_start, "run-starter");
        if (r >= 0)
                r = add_turn(m, &m->acknowledge_source, on_acknowledge, "runs-acknowledge");
        if (r >= 0)
                r = add_outbox(m);
        if (r < 0)
                return r;
        r = sd_event_add_time_relative(m->event, &m->acknowledge_again_source, CLOCK_MONOTONIC, 0,
                                       ACKNOWLEDGE_AGAIN_ACCURACY, on_acknowledge_again, m);
        if (r < 0)
                return r;
        (void)sd_event_source_set_description(m->acknowledge_again_source, "runs-acknowledge-again");
        return sd_event_source_set_enabled(m->acknowledge_again_source, SD_EVENT_OFF);
}

void runs_free_all(Manager *m) {
        LiveRun *run;

        m->stopping = true; /* nothing is started any more */
        while ((run = TAILQ_FIRST(&m->live)))
                run_leave(m, run);
        hash_table_done(&m->live_by_id);
        m->outbox_source = sd_event_source_disable_unref(m->outbox_source);
        m->start_source = sd_event_source_disable_unref(m->start_source);
        m->acknowledge_source = sd_event_source_disable_unref(m->acknowledge_source);
        m->acknowledge_again_source = sd_event_source_disable_unref(m->acknowledge_again_source);
}
