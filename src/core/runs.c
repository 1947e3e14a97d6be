/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* How a request becomes a run and a run becomes history: admission, queues, start, end.
 *
 * A run that was admitted waits in the queue of its job until the job has a place for it (Overlap=), then in the ready
 * list until the daemon has (MaxRunning=); both are in order of arrival. Starting is left to a deferred event source,
 * a few a turn, so that a second in which a thousand jobs are due does not keep clients waiting. Every request has its
 * record in the ledger before anything is done about it, the refused ones too. */

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

#define STARTS_PER_TURN 8
#define REASON_MAX      512

/* --- the set of live runs --- */

static size_t live_position(const Manager *m, uint64_t id) {
        size_t low = 0, high = m->n_live;

        while (low < high) {
                size_t middle = low + (high - low) / 2;

                if (m->live[middle]->record.id < id)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low;
}

LiveRun *runs_find(const Manager *m, uint64_t id) {
        size_t i = live_position(m, id);

        return i < m->n_live && m->live[i]->record.id == id ? m->live[i] : NULL;
}

static int live_reserve(Manager *m) {
        size_t n = MAX(m->n_live_allocated * 2, 64U);
        LiveRun **bigger;

        if (m->n_live < m->n_live_allocated)
                return 0;
        bigger = reallocarray(m->live, n, sizeof(LiveRun *));
        if (!bigger)
                return -ENOMEM;
        m->live = bigger;
        m->n_live_allocated = n;
        return 0;
}

static void live_remove(Manager *m, const LiveRun *run) {
        size_t i = live_position(m, run->record.id);

        assert(i < m->n_live && m->live[i] == run);
        memmove(m->live + i, m->live + i + 1, (m->n_live - i - 1) * sizeof(LiveRun *));
        m->n_live--;
}

static LiveRun *live_run_free(LiveRun *run) {
        if (!run)
                return NULL;
        execution_free(run->execution);
        job_def_unref(run->def);
        run_record_done(&run->record);
        return mfree(run);
}
DEFINE_CLEANUP(LiveRun, live_run_free)

static int live_run_new(LiveRun **ret, Manager *m, Job *job, const RunRequest *request) {
        _cleanup_(live_run_freep) LiveRun *run = NULL;
        usec_t now = now_realtime();

        run = calloc(1, sizeof(*run));
        if (!run)
                return -ENOMEM;
        run->manager = m;
        run->job = job;
        run->def = job_def_ref(job->def);
        run->follow = request->follow;
        run->record = (RunRecord){
                .job = strdup(job->name),
                .cause = request->cause,
                .state = RUN_QUEUED,
                .attempt = 1,
                .trigger = request->trigger,
                .scheduled = request->scheduled > 0 ? request->scheduled : now,
                .requested = now,
        };
        if (!run->record.job)
                return -ENOMEM;
        *ret = TAKE_PTR(run);
        return 0;
}

_printf_(2, 3) static void run_set_reason(LiveRun *run, const char *format, ...) {
        char *reason = NULL;
        va_list ap;
        int r;

        va_start(ap, format);
        r = vasprintf(&reason, format, ap);
        va_end(ap);
        if (r < 0)
                return;
        free(run->record.reason);
        run->record.reason = reason;
}

/* --- queues --- */

static void queue_append(LiveRun **head, LiveRun **tail, LiveRun *run) {
        run->next = NULL;
        if (*tail)
                (*tail)->next = run;
        else
                *head = run;
        *tail = run;
}

static LiveRun *queue_take(LiveRun **head, LiveRun **tail) {
        LiveRun *run = *head;

        *head = run->next;
        if (!*head)
                *tail = NULL;
        run->next = NULL;
        return run;
}

static void queue_remove(LiveRun **head, LiveRun **tail, LiveRun *run) {
        LiveRun *before = NULL;

        for (LiveRun *i = *head; i != run; i = i->next) {
                assert(i);
                before = i;
        }
        if (before)
                before->next = run->next;
        else
                *head = run->next;
        if (*tail == run)
                *tail = before;
        run->next = NULL;
}

static unsigned job_places(const LiveRun *run) {
        return run->def->overlap == OVERLAP_PARALLEL ? run->def->max_parallel : 1;
}

static void job_pump(Manager *m, Job *job) {
        while (job->queue && job->n_slots < job_places(job->queue)) {
                LiveRun *run = queue_take(&job->queue, &job->queue_tail);

                job->n_waiting--;
                run->is_ready = true;
                job->n_slots++;
                queue_append(&m->ready, &m->ready_tail, run);
        }
        runs_pump(m);
}

static bool may_start(const Manager *m) {
        return m->ready && !m->stopping && (m->settings.max_running == 0 || m->n_running < m->settings.max_running);
}

void runs_pump(Manager *m) {
        if (may_start(m))
                (void)sd_event_source_set_enabled(m->start_source, SD_EVENT_ONESHOT);
}

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

static void job_count_end(Manager *m, const LiveRun *run) {
        Job *job = run->job;

        if (run->is_ready)
                job->n_slots--;
        if (run->record.started > 0) {
                job->n_running--;
                m->n_running--;
                job->last_end = run->record.ended;
                job->last_result = run->record.result;
                timers_job_ended(m->timers, job, run->record.result == RUN_RESULT_SUCCESS);
        } else {
                job->n_queued--;
                m->n_queued--;
                /* An interval that counts from the end stood still while the run waited. */
                timers_job_ended(m->timers, job, /* success= */ false);
        }
}

static void maybe_stopped(Manager *m) {
        if (m->stopping && m->n_live == 0 && m->stopped_source)
                (void)sd_event_source_set_enabled(m->stopped_source, SD_EVENT_ONESHOT);
}

/* The one way out for a run that was accepted. It must be in no queue any more. Frees it. */
static void run_finish(Manager *m, LiveRun *run, RunResult result, int code) {
        Job *job = run->job;

        run->record.state = RUN_DONE;
        run->record.result = result;
        run->record.code = code;
        run->record.ended = now_realtime();
        run->record.pid = 0;
        job_count_end(m, run);
        live_remove(m, run);
        (void)ledger_update(m->ledger, &run->record);

        log_outcome(&run->record);
        NOTIFY_OBSERVERS(m, run_finished, &run->record);
        NOTIFY_OBSERVERS(m, job_changed, job);
        NOTIFY_OBSERVERS(m, summary_changed);
        live_run_free(run);

        job_pump(m, job);
        reload_drop_job_if_over(m, job);
        maybe_stopped(m);
}

/* --- start --- */

static void on_run_started(void *cookie, pid_t pid) {
        LiveRun *run = cookie;
        Manager *m = run->manager;
        LogContext c = { .message_id = MESSAGE_RUN_STARTED, .job = run->record.job, .run = run->record.id };

        run->record.pid = pid;
        if (run->record.state != RUN_STARTING) { /* a further command of the run */
                NOTIFY_OBSERVERS(m, run_changed, &run->record);
                return;
        }
        run->record.state = RUN_RUNNING;
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

static void on_run_ended(void *cookie, const ExecOutcome *outcome) {
        LiveRun *run = cookie;

        if (outcome->reason)
                run_set_reason(run, "%s", outcome->reason);
        run_finish(run->manager, run, outcome->result, outcome->code);
}

static int run_execute(Manager *m, LiveRun *run) {
        ExecutionRequest request = {
                .def = run->def,
                .run = &run->record,
                .timeout = run->def->timeout > 0 ? run->def->timeout : m->settings.default_timeout,
                .follow = run->follow,
        };

        return m->executor->ops->start(m->executor, &request, run, &run->execution);
}

/* A run is started with what the job's file says now, not with what it said when the run was asked for. */
static void run_use_current_definition(LiveRun *run) {
        if (run->job->gone || !run->job->def || run->job->def == run->def)
                return;
        job_def_unref(run->def);
        run->def = job_def_ref(run->job->def);
}

/* Writes down that the run is started, before it is. */
static void run_begin(Manager *m, LiveRun *run) {
        Job *job = run->job;

        run_use_current_definition(run);
        run->record.state = RUN_STARTING;
        run->record.started = now_realtime();
        job->n_queued--;
        m->n_queued--;
        job->n_running++;
        m->n_running++;
        job->n_runs++;
        job->last_start = run->record.started;
        if (run->record.cause != RUN_CAUSE_TIMER && run->record.cause != RUN_CAUSE_CATCH_UP)
                timers_job_started(m->timers, job);
        (void)ledger_update(m->ledger, &run->record);
}

static void run_start(Manager *m, LiveRun *run) {
        int r;

        r = run_execute(m, run);
        if (r < 0) {
                run_set_reason(run, "It could not be started: %s.", strerror(-r));
                run_finish(m, run, RUN_RESULT_START_FAILED, -r);
        }
}

/* A process is never older than its record: should we die in between, the run is lost, but not run twice. */
static int on_start(sd_event_source *s, void *userdata) {
        Manager *m = userdata;
        LiveRun *batch[STARTS_PER_TURN];
        size_t n = 0;

        while (n < STARTS_PER_TURN && may_start(m)) {
                batch[n] = queue_take(&m->ready, &m->ready_tail);
                run_begin(m, batch[n++]);
        }
        if (n > 0)
                (void)ledger_commit(m->ledger);
        for (size_t i = 0; i < n; i++)
                run_start(m, batch[i]);
        runs_pump(m);
        return 0;
}

/* --- stopping --- */

static void run_stop(Manager *m, LiveRun *run, RunResult result) {
        if (run->record.state == RUN_STOPPING)
                return;
        run->record.state = RUN_STOPPING;
        (void)ledger_update(m->ledger, &run->record);
        NOTIFY_OBSERVERS(m, run_changed, &run->record);
        run->execution->ops->stop(run->execution, result);
}

static void run_unqueue(Manager *m, LiveRun *run) {
        if (run->is_ready)
                queue_remove(&m->ready, &m->ready_tail, run);
        else {
                queue_remove(&run->job->queue, &run->job->queue_tail, run);
                run->job->n_waiting--;
        }
}

static void run_drop(Manager *m, LiveRun *run, RunResult result) {
        run_unqueue(m, run);
        run_finish(m, run, result, 0);
}

static void run_end(Manager *m, LiveRun *run) {
        if (run->execution)
                run_stop(m, run, RUN_RESULT_CANCELLED);
        else
                run_drop(m, run, RUN_RESULT_CANCELLED);
}

int manager_cancel(Manager *m, uint64_t id) {
        LiveRun *run = runs_find(m, id);

        if (!run)
                return ledger_get(m->ledger, id) ? -EALREADY : -ENOENT;
        if (run->record.state == RUN_STOPPING)
                return 0;
        run_set_reason(run, "Somebody asked for it.");
        run_end(m, run);
        return 0;
}

/* What waits was accepted: it stays in the ledger as it is, for the next daemon. */
static void run_leave(Manager *m, LiveRun *run) {
        run_unqueue(m, run);
        if (run->is_ready)
                run->job->n_slots--;
        run->job->n_queued--;
        m->n_queued--;
        live_run_free(run);
}

void runs_stop_all(Manager *m) {
        size_t n = 0;

        /* Oldest first, as they stand in the queues. */
        for (size_t i = 0; i < m->n_live; i++)
                if (m->live[i]->execution)
                        m->live[n++] = m->live[i];
                else
                        run_leave(m, m->live[i]);
        m->n_live = n;
        for (size_t i = m->n_live; i > 0; i--) {
                LiveRun *run = m->live[i - 1];

                if (run->record.state != RUN_STOPPING)
                        run_set_reason(run, "The daemon was told to stop.");
                run_stop(m, run, RUN_RESULT_CANCELLED);
        }
        maybe_stopped(m);
}

/* --- admission --- */

/* Ends what else the job does or waits for, for Overlap=replace. */
static void replace_other_runs(Manager *m, const LiveRun *by) {
        for (size_t i = m->n_live; i > 0; i--) {
                LiveRun *run = m->live[i - 1];

                if (run->job != by->job || run == by || run->record.state == RUN_STOPPING)
                        continue;
                run_set_reason(run, "Run %" PRIu64 " took its place (Overlap=replace).", by->record.id);
                run_end(m, run);
        }
}

/* Sets the reason and returns false for a run that the job does not want now. */
static bool admit(const Manager *m, LiveRun *run) {
        const Job *job = run->job;
        const JobDef *def = run->def;

        if (run->record.cause != RUN_CAUSE_MANUAL && job->paused) {
                run_set_reason(run, "The job is paused; resume it with 'vaktctl resume %s'.", job->name);
                return false;
        }
        if (run->record.cause != RUN_CAUSE_MANUAL && job->skip > 0) {
                run_set_reason(run, "Somebody asked to skip it (vaktctl skip).");
                return false;
        }
        switch (def->overlap) {
        case OVERLAP_SKIP:
                if (job->n_running + job->n_queued == 0)
                        return true;
                run_set_reason(run, "Another run of the job is not over yet (Overlap=skip).");
                return false;
        case OVERLAP_REPLACE:
                return true;
        case OVERLAP_QUEUE:
        case OVERLAP_PARALLEL:
                /* What is made up for comes all at once; CatchUpMax= bounds it. */
                if (job->n_slots < job_places(run) || job->n_waiting < def->queue_max ||
                    run->record.cause == RUN_CAUSE_CATCH_UP)
                        return true;
                run_set_reason(run, "%u of the job's runs wait already (QueueMax=%u).", job->n_waiting,
                               def->queue_max);
                return false;
        case _OVERLAP_MAX:
                break;
        }
        return false;
}

/* Says of a run that was never accepted that it was recorded. */
static void run_announce_refusal(Manager *m, const LiveRun *run) {
        log_outcome(&run->record);
        NOTIFY_OBSERVERS(m, run_new, &run->record);
        NOTIFY_OBSERVERS(m, run_finished, &run->record);
}

static void run_mark_refused(LiveRun *run, RunResult result) {
        run->record.state = RUN_DONE;
        run->record.result = result;
        run->record.ended = run->record.requested;
}

/* Runs come in the order of their ids, but what an earlier daemon left may come after a first request. */
static void live_add(Manager *m, LiveRun *run) {
        size_t i = live_position(m, run->record.id);

        memmove(m->live + i + 1, m->live + i, (m->n_live - i) * sizeof(LiveRun *));
        m->live[i] = run;
        m->n_live++;
}

static void run_accept(Manager *m, LiveRun *run) {
        Job *job = run->job;

        live_add(m, run);
        job->n_queued++;
        m->n_queued++;
        NOTIFY_OBSERVERS(m, run_new, &run->record);
        if (run->def->overlap == OVERLAP_REPLACE)
                replace_other_runs(m, run);
        queue_append(&job->queue, &job->queue_tail, run);
        job->n_waiting++;
        NOTIFY_OBSERVERS(m, job_changed, job);
        NOTIFY_OBSERVERS(m, summary_changed);
        job_pump(m, job);
}

static int request_job(Manager *m, Job *job, const RunRequest *request, uint64_t *ret_id) {
        _cleanup_(live_run_freep) LiveRun *run = NULL;
        bool admitted;
        int r;

        if (m->n_live >= LIVE_RUNS_MAX)
                return -ENOBUFS;
        r = live_reserve(m);
        if (r >= 0)
                r = live_run_new(&run, m, job, request);
        if (r < 0)
                return r;
        admitted = admit(m, run);
        if (!admitted)
                run_mark_refused(run, RUN_RESULT_SKIPPED);
        r = ledger_add(m->ledger, &run->record);
        if (r < 0)
                return r;
        *ret_id = run->record.id;
        if (admitted)
                run_accept(m, TAKE_PTR(run));
        else
                run_announce_refusal(m, run);
        return 0;
}

int manager_request(Manager *m, const char *name, const RunRequest *request, const RunRecord **ret) {
        uint64_t id;
        Job *job;
        int r;

        if (m->stopping)
                return -ESHUTDOWN;
        r = reload_get_job(m, name, &job);
        if (r < 0)
                return r;
        if (!job->def->enabled)
                return -EBADF;
        r = request_job(m, job, request, &id);
        if (r < 0)
                return r;
        /* Who asked is told only of what is written. */
        (void)ledger_commit(m->ledger);
        *ret = manager_get_run(m, id);
        return *ret ? 0 : -EIO;
}

/* One record for all occurrences that were missed in a row. */
static int record_missed(Manager *m, Job *job, const RunRequest *request, const Occurrence *o) {
        _cleanup_(live_run_freep) LiveRun *run = NULL;
        char since[TIMESTAMP_TEXT_MAX];
        int r;

        r = live_run_new(&run, m, job, request);
        if (r < 0)
                return r;
        run_mark_refused(run, RUN_RESULT_MISSED);
        if (o->n == 1 && o->n_is_exact)
                run_set_reason(run, "Its time passed while vaktd or the machine was away or too busy.");
        else
                run_set_reason(run,
                               "%s%" PRIu64 " times since %s passed while vaktd or the machine was away or too busy.",
                               o->n_is_exact ? "" : "More than ", o->n,
                               timestamp_format(since, o->since, job->def->timer.zone, TIMESTAMP_PRETTY));
        r = ledger_add(m->ledger, &run->record);
        if (r < 0)
                return r;
        run_announce_refusal(m, run);
        return 0;
}

static void job_use_up_skip(Manager *m, Job *job) {
        if (job->skip == 0 || job->paused)
                return;
        job->skip--;
        pauses_save(m, job);
        NOTIFY_OBSERVERS(m, job_changed, job);
}

void runs_occurred(void *userdata, Job *job, const Occurrence *o) {
        Manager *m = userdata;
        RunRequest request = {
                .cause = o->kind == OCCURRENCE_CATCH_UP ? RUN_CAUSE_CATCH_UP : RUN_CAUSE_TIMER,
                .trigger = o->trigger,
                .scheduled = o->scheduled,
        };
        LogContext c = { .job = job->name };
        uint64_t id;
        int r;

        if (o->kind == OCCURRENCE_MISSED)
                r = record_missed(m, job, &request, o);
        else {
                r = request_job(m, job, &request, &id);
                job_use_up_skip(m, job);
        }
        if (r < 0)
                log_message(LOG_ERR, &c, "Timer elapsed, but no run could be asked for: %s.", strerror(-r));
}

/* --- what an earlier daemon left --- */

static void take_over_lost(Manager *m, const RunRecord *r, const char *reason) {
        RunRecord lost = *r;

        lost.state = RUN_DONE;
        lost.result = RUN_RESULT_LOST;
        lost.code = 0;
        lost.pid = 0;
        lost.ended = now_realtime();
        lost.reason = (char *)reason;
        (void)ledger_update(m->ledger, &lost);
        log_outcome(&lost);
}

static int take_over_waiting(Manager *m, const RunRecord *r) {
        _cleanup_(live_run_freep) LiveRun *run = NULL;
        RunRequest request = { .cause = r->cause, .trigger = r->trigger, .scheduled = r->scheduled };
        Job *job;
        int e;

        if (reload_get_job(m, r->job, &job) < 0 || !job->def->enabled) {
                take_over_lost(m, r, "Its job is gone, disabled or bad; it was never started.");
                return 0;
        }
        e = live_reserve(m);
        if (e >= 0)
                e = live_run_new(&run, m, job, &request);
        if (e < 0)
                return e;
        run->record.id = r->id;
        run->record.attempt = r->attempt;
        run->record.parent = r->parent;
        run->record.requested = r->requested;
        run_accept(m, TAKE_PTR(run));
        return 0;
}

static int take_over(const RunRecord *r, bool this_boot, void *userdata) {
        Manager *m = userdata;

        if (runs_find(m, r->id)) /* asked for by a client who was quick */
                return 0;
        if (r->started == 0)
                return take_over_waiting(m, r);
        take_over_lost(m, r,
                       this_boot ? "vaktd ended while it was under way."
                                 : "The machine went down while it was under way.");
        return 0;
}

int runs_take_over(Manager *m) {
        return ledger_unfinished(m->ledger, take_over, m);
}

/* --- set-up --- */

const ExecutorCallbacks *runs_callbacks(void) {
        static const ExecutorCallbacks callbacks = {
                .started = on_run_started,
                .output = on_run_output,
                .ended = on_run_ended,
        };

        return &callbacks;
}

static int on_stopped(sd_event_source *s, void *userdata) {
        Manager *m = userdata;

        if (m->n_live == 0)
                m->stopped(m->stopped_userdata);
        return 0;
}

static int add_idle_source(Manager *m, sd_event_source **ret, sd_event_handler_t handler, const char *description) {
        int r;

        r = sd_event_add_defer(m->event, ret, handler, m);
        if (r < 0)
                return r;
        (void)sd_event_source_set_description(*ret, description);
        (void)sd_event_source_set_enabled(*ret, SD_EVENT_OFF);
        return sd_event_source_set_exit_on_failure(*ret, true);
}

int runs_init(Manager *m) {
        int r;

        r = add_idle_source(m, &m->start_source, on_start, "run-starter");
        if (r < 0)
                return r;
        return add_idle_source(m, &m->stopped_source, on_stopped, "runs-stopped");
}

void runs_free_all(Manager *m) {
        for (size_t i = 0; i < m->n_live; i++)
                live_run_free(m->live[i]);
        m->live = mfree(m->live);
        m->n_live = 0;
        m->ready = m->ready_tail = NULL;
        m->start_source = sd_event_source_disable_unref(m->start_source);
        m->stopped_source = sd_event_source_disable_unref(m->stopped_source);
}
