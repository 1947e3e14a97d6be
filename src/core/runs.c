/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A run between the queues and the outbox: its start, what the executor reports of it, and what is done about its end.
 * How it became one is in requests.c, where it waited in queues.c, what its end leads to in follow-ups.c.
 *
 * What can be started is begun in the transaction of the turn that made it so: mostly that of its request, which is
 * one row and one commit then. A turn starts a few; the rest is left to a source that takes turns with all others, so
 * that a second in which a thousand jobs are due does not keep clients waiting. A run is "starting" in the ledger
 * before the executor hears of it, and what the executor reports is there before it is told that it may forget it. */

#include <assert.h>
#include <inttypes.h>

#include "core/alarms.h"
#include "core/conditions.h"
#include "core/follow-ups.h"
#include "core/manager-body.h"
#include "core/outbox.h"
#include "core/queues.h"
#include "core/reload.h"
#include "core/runs.h"
#include "core/triggers.h"
#include "util/log-messages.h"
#include "util/log.h"
#include "util/turn.h"

#define STARTS_PER_TURN        4
#define ACKNOWLEDGE_AGAIN_USEC (5 * USEC_PER_SEC)

/* --- the end --- */

/* Until now it was among the runs of its job, which is not taken out of the table before the last of them has left. */
void runs_deal_with_end(Manager *m, LiveRun *run) {
        Job *job = run->job;

        assert(run->stage == RUN_STAGE_DONE && !run->execution);
        live_remove(&m->live, run);
        run_log_outcome(&run->record);
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

/* What the executor reported may be forgotten by it once it is written. A ledger that is in memory only is looked at
 * again: until it is written, the service manager is the better memory. */
void runs_acknowledge(Manager *m) {
        if (runs_commit(m) < 0) {
                deadline_set(m, &m->acknowledge_again, usec_add(turn_now(m->event).boottime, ACKNOWLEDGE_AGAIN_USEC));
                return;
        }
        assert(outbox_is_empty(m));
        m->executor->ops->acknowledge(m->executor);
        if (m->former_executor)
                m->former_executor->ops->acknowledge(m->former_executor);
        TELL_TRIGGERS(m, written);
}

static int on_acknowledge(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        runs_acknowledge(userdata);
        return 0;
}

static void on_acknowledge_again(Manager *m, Deadline *d) {
        runs_acknowledge(m);
}

/* --- what the executor reports --- */

static void on_run_started(void *cookie, const ExecIdentity *identity) {
        LiveRun *run = cookie;
        Manager *m = run->manager;
        RunRecord *r = &run->record;
        LogContext c = { .message_id = MESSAGE_RUN_STARTED, .job = r->job, .run = r->id };
        bool is_first = run->stage == RUN_STAGE_STARTING; /* not a further command of it, and it is not adopted */

        run_set_sought(run, false);
        r->pid = identity->pid;
        r->pid_start = identity->pid_start;
        r->invocation = identity->invocation;
        /* Without it a later daemon finds the run by its number. */
        if (identity->unit && !streq_ptr(r->unit, identity->unit))
                owned_run_set_text(&r->unit, strdup(identity->unit));
        if (is_first)
                run_set_stage(run, RUN_STAGE_RUNNING);
        /* A child is found by its environment or its control group before that is written, and mostly ends before. */
        (void)(r->unit ? ledger_update(m->ledger, r) : ledger_update_late(m->ledger, r));
        if (!is_first) {
                NOTIFY_OBSERVERS(m, run_changed, r);
                return;
        }
        log_message(LOG_INFO, &c, "Run %" PRIu64 " started (%s).", r->id, run_cause_to_string(r->cause));
        NOTIFY_OBSERVERS(m, run_started, r);
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
        char *copy;

        if (run->def && (run->def->rare->rotate || run->def->rare->clean))
                (void)upkeep_summary_parse(text, &run->record.files, &run->record.bytes_freed, &text);
        copy = strdup(text);
        if (!copy)
                return;
        owned_run_set_text(&run->record.status_text, copy);
        NOTIFY_OBSERVERS(run->manager, run_changed, &run->record);
}

/* What was told to end by an earlier daemon and is gone now did as it was told. What was over before it was told to,
 * or at its time limit, has another reason than that. */
static void on_run_ended(void *cookie, const ExecOutcome *reported) {
        LiveRun *run = cookie;
        Manager *m = run->manager;
        ExecOutcome outcome = *reported;

        assert(run_goes_on(run));
        if (outcome.result == RUN_RESULT_LOST && run->stage == RUN_STAGE_STOPPING)
                outcome.result = RUN_RESULT_CANCELLED;
        run->is_interrupted = run->is_interrupted && outcome.result == RUN_RESULT_CANCELLED;
        if (outcome.result == RUN_RESULT_LOST && run->is_sought)
                outcome.reason = "The machine went down while it was active.";
        if (outcome.result != RUN_RESULT_CANCELLED && run->stage == RUN_STAGE_STOPPING)
                owned_run_set_text(&run->record.reason, NULL);
        if (outcome.reason && (outcome.result != RUN_RESULT_CANCELLED || !run->record.reason))
                run_set_reason(run, "%s", outcome.reason);
        runs_finish(m, run, &outcome);
        runs_empty_outbox(m);
}

/* --- start --- */

ExecutionRequest runs_execution_request(Manager *m, const LiveRun *run) {
        const RunRecord *parent =
                run->record.cause == RUN_CAUSE_CHAIN ? ledger_get(m->ledger, run->record.parent) : NULL;

        ExecutionRequest request = {
                .def = run->def,
                .run = &run->record,
                .timeout = run->def->timeout > 0 ? run->def->timeout : m->settings.default_timeout,
                .follow = run->follow,
                .parent = parent,
        };

        if (run->payload)
                run->payload->ops->describe(run->payload, &request);
        return request;
}

/* Where it will be looked for, should we die before anybody can tell. */
static void name_unit(const Manager *m, LiveRun *run) {
        const ExecutorOps *ops = m->executor->ops;
        char *unit;

        if (!ops->name_unit || ops->name_unit(m->executor, run->def, &run->record, &unit) < 0)
                return;
        owned_run_set_text(&run->record.unit, unit);
}

/* Runs are counted for good, beyond what HistoryKeep= leaves of them. */
static void save_n_runs(Manager *m, const Job *job) {
        if (!m->is_unread_of_jobs) /* the count of earlier daemons is added first */
                (void)ledger_set_stamp(m->ledger, job->name, RUNS_STAMP, job->n_runs);
}

/* Writes down that the run is started, before it is. True: what waits for a place may have to wait for that now. */
static bool run_begin(Manager *m, LiveRun *run) {
        Job *job = run->job;
        bool is_asked_about;

        assert(!run->execution && run->record.started == 0);
        run_use_current_definition(run);
        run_set_stage(run, RUN_STAGE_STARTING);
        queues_settle(job);
        is_asked_about = conditions_job_changed(m, job);
        run->waits_since = 0;
        run->record.started = turn_now(m->event).realtime;
        run->previous_start = job->last_start;
        job->last_start = run->record.started;
        name_unit(m, run);
        TELL_TRIGGERS(m, run_started, run);
        alarms_run_started(m, run);
        (void)ledger_update(m->ledger, &run->record);
        save_n_runs(m, job);
        return is_asked_about;
}

/* What it was given is not given up because the machine is short of something for now. */
static void run_start(Manager *m, LiveRun *run) {
        static const int passing[] = { -ENOSPC, -EDQUOT, -EMFILE, -ENFILE, -ENOMEM, -EAGAIN, -EROFS };
        ExecutionRequest request = runs_execution_request(m, run);
        ExecOutcome outcome = EXEC_OUTCOME_INIT;
        int r;

        assert(run->stage == RUN_STAGE_STARTING && !run->execution);
        r = m->executor->ops->start(m->executor, &request, run, &run->execution);
        if (r >= 0)
                return;
        run_set_reason(run, "It could not be started: %s.", strerror(-r));
        for (size_t i = 0; i < ELEMENTSOF(passing); i++)
                run->returns_payload = run->returns_payload || (run_has_work(run) && r == passing[i]);
        outcome.result = RUN_RESULT_START_FAILED;
        outcome.code = -r;
        runs_finish(m, run, &outcome);
}

/* A process is never older than its record: should we die in between, the next daemon looks for it. Nobody may end
 * what is begun and not started yet, so nothing waits in the outbox when that is written. After one that conditions
 * ask about, these are found first, so that no two begin that are to wait for each other. */
static void start_some(Manager *m) {
        LiveRun *batch[STARTS_PER_TURN];
        bool is_asked_about = false;
        size_t n = 0;

        runs_empty_outbox(m);
        while (n < STARTS_PER_TURN && !is_asked_about && (batch[n] = queues_next(m)))
                is_asked_about = run_begin(m, batch[n++]);
        assert(outbox_is_empty(m));
        /* Else nothing can be started before something changes. */
        m->has_backlog = n == STARTS_PER_TURN || is_asked_about;
        (void)sd_event_source_set_enabled(m->start_source, m->has_backlog ? SD_EVENT_ONESHOT : SD_EVENT_OFF);
        if (n > 0)
                (void)ledger_commit(m->ledger);
        for (size_t i = 0; i < n; i++)
                run_start(m, batch[i]);
}

static int on_start(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        start_some(userdata);
        return 0;
}

/* Where more waits than one turn starts, it is left to the source that takes turns with all others. */
bool runs_start_at_once(void *userdata) {
        Manager *m = userdata;

        if (m->has_backlog || !queues_next(m))
                return false;
        start_some(m);
        return true;
}

/* --- going back --- */

static void on_run_put_back(void *cookie) {
        LiveRun *run = cookie;
        Manager *m = run->manager;
        RunRecord *r = &run->record;
        Job *job = run->job;

        assert(run_goes_on(run));
        if (run->stage == RUN_STAGE_STOPPING) {
                runs_drop(m, run, RUN_RESULT_CANCELLED);
                return;
        }
        run->execution = execution_free(run->execution);
        /* Takes back what run_begin() did. */
        if (job->last_start == r->started)
                job->last_start = run->previous_start;
        run_set_stage(run, RUN_STAGE_READY);
        r->started = 0;
        r->pid = 0;
        r->pid_start = 0;
        owned_run_set_text(&r->unit, NULL);
        r->invocation = SD_ID128_NULL;
        (void)ledger_update(m->ledger, r);
        save_n_runs(m, job);
        if (m->stopping) {
                run_leave(run);
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

int runs_init(Manager *m) {
        int r;

        m->acknowledge_again = (Deadline){ .due = on_acknowledge_again, .position = HEAP_NONE };
        r = event_add_turn(m->event, &m->start_source, "run-starter", on_start, m);
        return r < 0 ? r : event_add_turn(m->event, &m->acknowledge_source, "runs-acknowledge", on_acknowledge, m);
}

void runs_free_all(Manager *m) {
        LiveRun *run;

        m->stopping = true; /* nothing is started any more */
        while ((run = TAILQ_FIRST(&m->live.all)))
                run_leave(run);
        assert(m->n_running == 0 && m->n_queued == 0);
        hash_table_done(&m->live.by_id);
        m->start_source = sd_event_source_disable_unref(m->start_source);
        m->acknowledge_source = sd_event_source_disable_unref(m->acknowledge_source);
}
