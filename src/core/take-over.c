/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What an earlier daemon left, by its death or its end. A run that was never handed to an executor is queued again
 * under its number. One that was is given to the executor, which follows it, reports its end, or starts it if it
 * surely never was; a run of an earlier boot of the machine is lost, and tried again where Retry= says so, unless its
 * unit is there all the same.
 *
 * A run goes back to the kind of executor that had it: vaktd.conf may have been changed meanwhile. */

#include <inttypes.h>

#include "core/manager-internal.h"
#include "util/log.h"

/* --- runs that were under way --- */

static bool is_of_children(const RunRecord *r) {
        return !r->unit && r->pid_start > 0;
}

static bool is_of_units(const RunRecord *r) {
        return r->unit;
}

/* The executor that has the run: ours, or the other one, which is opened when it is needed first. */
static Executor *executor_of(Manager *m, const RunRecord *r) {
        bool units = m->executor->ops->outlives_daemon;
        ExecutorOptions options = {
                .callbacks = *runs_callbacks(),
                .userdata = m,
                .user_instance = m->options.user_instance,
                .runtime_dir = m->options.runtime_dir,
        };
        int r2 = 0;

        if (units ? !is_of_children(r) : !is_of_units(r))
                return m->executor;
        if (!m->former_executor)
                r2 = units ? child_executor_new(&m->former_executor, m->event, &options)
                           : unit_executor_new(&m->former_executor, m->event, &options);
        if (r2 < 0)
                log_warning_errno(r2, "Cannot look for runs that were started as %s: %m, ignoring",
                                  units ? "children" : "units");
        return m->former_executor;
}

/* A live run of what the ledger has. */
static int run_of_record(LiveRun **ret, Manager *m, Job *job, const RunRecord *r) {
        RunRequest request = { .cause = r->cause, .trigger = r->trigger, .scheduled = r->scheduled };
        _cleanup_(live_run_freep) LiveRun *run = NULL;
        RunRecord copy;
        int e;

        e = live_reserve(m);
        if (e >= 0)
                e = live_run_new(&run, m, job, &request);
        if (e >= 0)
                e = run_record_copy(&copy, r);
        if (e < 0)
                return e;
        run_record_done(&run->record);
        run->record = copy;
        e = queues_admit(m, run);
        if (e < 0)
                return e;
        paths_give_back(m, run);
        *ret = TAKE_PTR(run);
        return 0;
}

static void count_as_running(Manager *m, LiveRun *run) {
        live_add(m, run);
        run->job->n_running++;
        m->n_running++;
        run->previous_start = run->job->last_start;
        run->job->last_start = MAX(run->job->last_start, run->record.started);
        queues_adopt(m, run);
}

static void finish_as_lost(Manager *m, LiveRun *run, const char *reason) {
        ExecOutcome outcome = EXEC_OUTCOME_INIT;

        run_set_reason(run, "%s", reason);
        outcome.result = RUN_RESULT_LOST;
        runs_finish(m, run, &outcome);
}

/* Which boot it was is a guess where the kernel's word for it is hidden from us (in containers): a unit by the name of
 * the run is the run. */
static void adopt(Manager *m, LiveRun *run, bool job_is_known, bool this_boot) {
        ExecutionRequest request = runs_execution_request(m, run);
        Executor *executor = executor_of(m, &run->record);
        int r = -EOPNOTSUPP;

        if (!this_boot && (!executor || !executor->ops->outlives_daemon)) {
                finish_as_lost(m, run, "The machine went down while it was under way.");
                return;
        }
        if (!job_is_known)
                request.def = NULL;
        request.other_boot = run->is_sought = !this_boot;
        m->n_sought += run->is_sought;
        if (executor)
                r = executor->ops->adopt(executor, &request, run, &run->execution);
        if (r < 0) {
                finish_as_lost(m, run, "vaktd ended while it was under way, and it cannot be looked for.");
                return;
        }
        alarms_run_started(m, run);
}

static int take_over_started(Manager *m, const RunRecord *r, bool this_boot) {
        LiveRun *run;
        Job *job;
        int e;

        e = reload_get_job_or_ghost(m, r->job, &job);
        if (e >= 0)
                e = run_of_record(&run, m, job, r);
        if (e < 0)
                return e;
        count_as_running(m, run);
        adopt(m, run, !job->gone, this_boot);
        return 0;
}

/* --- runs that waited --- */

static void drop_waiting(Manager *m, const RunRecord *r) {
        RunRecord dropped = *r;
        static char reason[] = "Its job is gone or disabled; it was never started.";

        dropped.state = RUN_DONE;
        dropped.result = RUN_RESULT_SKIPPED;
        dropped.ended = now_realtime();
        dropped.reason = reason;
        (void)ledger_update(m->ledger, &dropped);
}

static int take_over_waiting(Manager *m, const RunRecord *r) {
        LiveRun *run;
        Job *job;
        int e;

        e = reload_get_job(m, r->job, &job);
        if (e == -ENOENT || (e >= 0 && !job->def->enabled)) {
                drop_waiting(m, r);
                return 0;
        }
        if (e >= 0)
                e = run_of_record(&run, m, job, r);
        if (e < 0) { /* a bad file, no memory: it stays where it is, until the next reload */
                m->has_left_runs = true;
                return e == -ENOEXEC ? 0 : e;
        }
        runs_accept(m, run);
        return 0;
}

static int on_unfinished(const RunRecord *r, bool this_boot, void *userdata) {
        Manager *m = userdata;
        LogContext c = { .job = r->job, .run = r->id };
        int e;

        if (runs_find(m, r->id)) /* asked for by a client who was quick */
                return 0;
        e = r->started == 0 ? take_over_waiting(m, r) : take_over_started(m, r, this_boot);
        if (e < 0)
                log_message(LOG_ERR, &c, "Cannot take run %" PRIu64 " over from an earlier daemon: %s.", r->id,
                            strerror(-e));
        return 0;
}

int take_over(Manager *m) {
        int r;

        m->has_left_runs = false;
        paths_load_runs(m);
        r = ledger_unfinished(m->ledger, on_unfinished, m);
        paths_forget_loaded(m);
        return r;
}

/* --- units that nobody knows --- */

/* The ledger was in memory only when it was started, and the daemon died. Its number is its own: ids are never given
 * out twice. */
static int remember_found(Manager *m, const char *unit, const char *name, uint64_t id, bool is_over) {
        RunRecord found = RUN_RECORD_INIT;
        LogContext c = { .job = name, .run = id };
        LiveRun *run;
        int r;

        found.id = id;
        found.job = (char *)name;
        found.unit = (char *)unit;
        found.state = RUN_RUNNING;
        found.cause = RUN_CAUSE_MANUAL;
        found.requested = found.scheduled = found.started = now_realtime();
        found.host = m->host;
        log_message(LOG_WARNING, &c, "Found %s, of which the ledger knows nothing; %s.", unit,
                    is_over ? "writing its end down" : "following it");
        r = ledger_update(m->ledger, &found);
        if (r >= 0)
                r = take_over_started(m, &found, /* this_boot= */ true);
        run = r >= 0 ? runs_find(m, id) : NULL;
        if (run)
                run->is_forgotten =
                        is_over; /* its follow-ups may be under way, or over: they have numbers of their own */
        return r;
}

/* A number that the ledger has for another job is none of ours: another daemon works with the same service manager. */
bool take_over_found(void *userdata, const char *unit, const char *job, uint64_t id, bool is_over) {
        Manager *m = userdata;
        const RunRecord *known = ledger_get(m->ledger, id);

        if (runs_find(m, id) || m->stopping || !job_name_is_valid(job))
                return false;
        if (known)
                return known->state == RUN_DONE && streq(known->job, job);
        (void)remember_found(m, unit, job, id, is_over);
        return false;
}
