/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What an earlier daemon left, by its death or its end. A run that was never handed to an executor is queued again
 * under its number. One that was is given to the executor, which follows it, reports its end, or starts it if it
 * surely never was; a run of an earlier boot of the machine is lost, and tried again where Retry= says so, unless its
 * unit is there all the same.
 *
 * A run goes back to the kind of executor that had it: vaktd.conf may have been changed meanwhile. */

#include <assert.h>
#include <inttypes.h>

#include "core/alarms.h"
#include "core/manager-body.h"
#include "core/once.h"
#include "core/outbox.h"
#include "core/triggers.h"
#include "core/pools.h"
#include "core/queues.h"
#include "core/reload.h"
#include "core/requests.h"
#include "core/runs.h"
#include "core/take-over.h"
#include "util/array.h"
#include "util/log.h"

/* --- runs that were under way --- */

/* The executor that has the run: ours, or the other one, which is opened when it is needed first. The name of a unit
 * is in the ledger before the unit is started. */
static Executor *executor_of(Manager *m, const RunRecord *r) {
        bool units = m->executor->ops->outlives_daemon;
        const ExecutorOptions *o = &m->executor_options;
        int r2 = 0;

        if (units == (r->unit != NULL))
                return m->executor;
        if (!m->former_executor)
                r2 = units ? child_executor_new(&m->former_executor, m->event, o)
                           : unit_executor_new(&m->former_executor, m->event, o);
        if (r2 < 0)
                log_warning_errno(r2, "Cannot look for runs that were started as %s, ignoring: %m",
                                  units ? "children" : "units");
        return m->former_executor;
}

/* A live run of what the ledger has. */
static int run_of_record(LiveRun **ret, Manager *m, Job *job, const RunRecord *r) {
        RunRequest request = { .cause = r->cause, .trigger = r->trigger, .scheduled = r->scheduled };
        _cleanup_(live_run_freep) LiveRun *run = NULL;
        int e;

        e = live_run_new(&run, m, job, &request);
        if (e >= 0)
                e = owned_run_assign(&run->owned, r);
        if (e >= 0)
                e = pools_admit(m, run);
        if (e < 0)
                return e;
        payload_give_back(m, run);
        *ret = TAKE_PTR(run);
        return 0;
}

static void finish_as_lost(Manager *m, LiveRun *run, const char *reason) {
        run_set_reason(run, "%s", reason);
        runs_drop(m, run, RUN_RESULT_LOST);
}

/* Which boot it was is a guess where the kernel's word for it is hidden from us (in containers): a unit by the name of
 * the run is the run. */
static void adopt(Manager *m, LiveRun *run, bool job_is_known, bool this_boot) {
        ExecutionRequest request = runs_execution_request(m, run);
        Executor *executor = executor_of(m, &run->record);
        int r = -EOPNOTSUPP;

        assert(run_goes_on(run));
        if (!this_boot && (!executor || !executor->ops->outlives_daemon)) {
                finish_as_lost(m, run, "The machine went down while it was active.");
                return;
        }
        if (!job_is_known)
                request.def = NULL;
        request.other_boot = !this_boot;
        run_set_sought(run, !this_boot);
        if (executor)
                r = executor->ops->adopt(executor, &request, run, &run->execution);
        if (r < 0) {
                finish_as_lost(m, run, "vaktd ended while it was active, and its process cannot be searched for.");
                return;
        }
        alarms_run_started(m, run);
}

/* payload: what it was given, taken from there, or NULL. */
static int take_over_started(Manager *m, const RunRecord *r, RunPayload **payload, bool this_boot) {
        LiveRun *run;
        Job *job;
        int e;

        e = reload_get_job_or_placeholder(m, r->job, &job);
        if (e >= 0)
                e = run_of_record(&run, m, job, r);
        if (e < 0)
                return e;
        if (payload && *payload)
                payload_give(m, run, TAKE_PTR(*payload));
        /* It holds its slots, whether there are any or not. */
        live_add(&m->live, run);
        run_set_stage(run, r->state == RUN_STOPPING  ? RUN_STAGE_STOPPING
                           : r->state == RUN_RUNNING ? RUN_STAGE_RUNNING
                                                     : RUN_STAGE_STARTING);
        run->previous_start = job->last_start;
        job->last_start = MAX(job->last_start, r->started);
        adopt(m, run, !job->gone, this_boot);
        return 0;
}

/* --- runs that waited --- */

static int drop_waiting(Manager *m, const RunRecord *r) {
        RunRecord dropped = *r;

        dropped.state = RUN_DONE;
        dropped.result = RUN_RESULT_SKIPPED;
        dropped.ended = turn_now(m->event).realtime;
        dropped.reason = "Its job is gone or disabled; it was never started.";
        return ledger_update(m->ledger, &dropped);
}

static int take_over_waiting(Manager *m, const RunRecord *r) {
        LiveRun *run;
        Job *job;
        int e;

        e = reload_get_job(m, r->job, &job);
        if (e == -ENOENT || (e >= 0 && !job->def->enabled))
                return drop_waiting(m, r);
        if (e >= 0)
                e = run_of_record(&run, m, job, r);
        if (e < 0) { /* a bad file, no memory: it stays where it is, until the next reload */
                m->take_over.has_left_runs = true;
                return e == -ENOEXEC ? 0 : e;
        }
        runs_accept(m, run);
        return 0;
}

static int on_unfinished(const RunRecord *r, bool this_boot, void *userdata) {
        Manager *m = userdata;
        LogContext c = { .job = r->job, .run = r->id };
        int e;

        if (live_find(&m->live, r->id)) /* asked for by a client who was quick */
                return 0;
        e = r->started == 0 ? take_over_waiting(m, r) : take_over_started(m, r, NULL, this_boot);
        if (e < 0)
                log_message(LOG_ERR, &c, "Cannot take over run %" PRIu64 " from an earlier daemon: %s.", r->id,
                            strerror(-e));
        return 0;
}

/* No run gets a place before all are known that have one: a retry is older by its number than what was started while
 * it waited. */
int take_over_runs(Manager *m) {
        int r;

        m->take_over.has_left_runs = false;
        m->take_over.is_under_way = true;
        payloads_load(m);
        r = ledger_unfinished(m->ledger, on_unfinished, m);
        payloads_forget_loaded(m);
        m->take_over.is_under_way = false;
        for (size_t i = 0; i < job_table_size(m->jobs); i++)
                queues_pump_job(m, job_table_at(m->jobs, i));
        runs_empty_outbox(m); /* lost runs are not reported before all are known */
        return r;
}

/* --- unknown units --- */

/* The ledger was in memory only when they were started, and the daemon died. Their numbers are their own: ids are
 * never given out twice. What led to a run and what followed from it is not in the ledger either: the stamps of the
 * triggers are behind, and what changed is taken for news, so nothing elapses, and no file is given to a run, before
 * all of these are known; and what is found to have followed from a run is not asked for again when the end of that
 * run is heard of. */

#define SURVEY_USEC (20 * USEC_PER_SEC) /* an occurrence that waits so long is still in time */

/* A number that the ledger has for another job is not ours: another daemon uses the same service manager. */
ExecFound take_over_found(void *userdata, const char *job, uint64_t id) {
        Manager *m = userdata;
        const RunRecord *known = ledger_get(m->ledger, id);

        if (live_find(&m->live, id) || m->stopping || !job_name_is_valid(job))
                return EXEC_FOUND_FOREIGN;
        for (size_t i = m->found.n_known; i < m->found.n; i++) /* by an earlier look, before we were ready */
                if (m->found.runs[i].run.record.id == id)
                        return EXEC_FOUND_FOREIGN;
        if (known)
                return known->state == RUN_DONE && streq(known->job, job) ? EXEC_FOUND_WRITTEN : EXEC_FOUND_FOREIGN;
        return EXEC_FOUND_FORGOTTEN;
}

void take_over_forgotten(void *userdata, const ExecutionRequest *request, bool is_over) {
        const RunRecord *run = request->run;
        Manager *m = userdata;
        LogContext c = { .job = run->job, .run = run->id };
        RunRecord found = *run;
        FoundRun *place;
        int r;

        if (m->stopping || take_over_found(m, run->job, run->id) != EXEC_FOUND_FORGOTTEN)
                return;
        log_message(LOG_WARNING, &c, "Found %s, which the ledger does not know; %s.", run->unit,
                    is_over ? "recording its end" : "following it");
        found.state = RUN_RUNNING;
        found.started = turn_now(m->event).realtime;
        found.requested = found.requested > 0 ? MIN(found.requested, found.started) : found.started;
        if (found.scheduled == 0)
                found.scheduled = found.requested;
        found.host = m->host;
        place = ARRAY_NEXT(m->found.runs, m->found.n);
        if (place)
                *place = (FoundRun){};
        r = place ? owned_run_assign(&place->run, &found) : -ENOMEM;
        if (r >= 0) {
                place->payload = payload_recognize(m, request, &place->run);
                m->found.n++;
        } else
                log_message(LOG_ERR, &c, "Cannot take over run %" PRIu64 " from an earlier daemon: %s.", run->id,
                            strerror(-r));
}

static int compare_ids(const void *a, const void *b) {
        uint64_t x = ((const FoundRun *)a)->run.record.id, y = ((const FoundRun *)b)->run.record.id;

        return x < y ? -1 : x > y;
}

static void survey_done(Manager *m) {
        assert(m->is_started);
        m->is_surveyed = true;
        deadline_set(m, &m->take_over.deadline, USEC_INFINITY);
        TELL_TRIGGERS(m, hold, /* hold= */ m->stopping);
        once_look_at_all(m);
}

static void on_survey_time(Manager *m, Deadline *d) {
        assert(!m->is_surveyed);
        log_notice("The service manager does not report which runs are active; continuing without.");
        survey_done(m);
}

void take_over_start(Manager *m) {
        assert(m->is_started);
        m->take_over.deadline.due = on_survey_time;
        if (m->take_over.was_surveyed)
                take_over_surveyed(m);
        else if (m->executor->ops->outlives_daemon) {
                m->is_surveyed = false;
                TELL_TRIGGERS(m, hold, /* hold= */ true);
                deadline_set(m, &m->take_over.deadline, usec_add(turn_now(m->event).boottime, SURVEY_USEC));
        } else
                survey_done(m);
}

void take_over_surveyed(void *userdata) {
        Manager *m = userdata;

        m->take_over.was_surveyed = true;
        if (!m->is_started || m->stopping)
                return;
        assert(m->found.n_known <= m->found.n);
        /* Stays as it was found, beside what is taken over: what came of a run is looked for here. */
        if (m->found.n > m->found.n_known)
                qsort(m->found.runs + m->found.n_known, m->found.n - m->found.n_known, sizeof(FoundRun), compare_ids);
        for (size_t i = m->found.n_known; i < m->found.n; i++) {
                FoundRun *found = &m->found.runs[i];
                Job *job;

                if (reload_get_job(m, found->run.record.job, &job) >= 0)
                        TELL_TRIGGERS(m, run_found, job, &found->run.record);
                if (ledger_update(m->ledger, &found->run.record) >= 0)
                        (void)take_over_started(m, &found->run.record, &found->payload, /* this_boot= */ true);
        }
        m->found.n_known = m->found.n;
        if (!m->is_surveyed)
                survey_done(m);
}

void take_over_done(Manager *m) {
        for (size_t i = 0; i < m->found.n; i++) {
                owned_run_done(&m->found.runs[i].run);
                run_payload_free(m->found.runs[i].payload);
        }
        m->found.runs = mfree(m->found.runs);
        m->found.n = 0;
}
