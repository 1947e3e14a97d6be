/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Where runs wait, in this order: for their time (a retry), for the other runs of their job (Overlap=), for the
 * machine (WaitFor=), for a slot of their pool (Pool=), for one of the daemon's (MaxRunning=).
 *
 * What waits for the machine does so at the head of its job's queue, where it holds nothing that others could use. If
 * its condition ceases to be true before the run has begun, it goes back there.
 *
 * Within a job it is first come, first served. Among those that wait for a slot it is so too, but each step of
 * Priority= counts as one minute that the run has waited already. A run with a high priority goes first, and one with
 * a low priority is overtaken only by what came within so many minutes after it: no run starves, and a rank never
 * changes, so that a heap is all it takes. */

#include <assert.h>

#include "core/conditions.h"
#include "core/deadlines.h"
#include "core/manager-body.h"
#include "core/outbox.h"
#include "core/pools.h"
#include "core/queues.h"
#include "probe/probe.h"
#include "time/span.h"
#include "util/log.h"

#define PRIORITY_STEP_USEC USEC_PER_MINUTE
#define FIRST_READING_USEC (10 * USEC_PER_SEC) /* until what a run waits for is known, as a rule */
#define LOOK_AGAIN_USEC    USEC_PER_SEC
#define LATE_USEC          (5 * USEC_PER_SEC) /* a wait that ends later than this after its time: the machine slept */

/* --- the gates --- */

GateInput gate_input(const Manager *m, GateAsker asker, const Job *job, const JobDef *def) {
        return (GateInput){
                .asker = asker,
                .job = job,
                .def = def,
                .all_paused = m->paused,
                .max_running = m->settings.max_running,
                .n_running = m->n_running,
                .is_starting = !m->is_started || (asker == GATE_FILES && !m->is_surveyed),
                .is_stopping = m->stopping,
                .is_held = m->is_held,
        };
}

GateInput run_gate_input(const LiveRun *run, GateAsker asker) {
        GateInput in = gate_input(run->manager, asker, run->job, run->def);

        in.cause = run->record.cause;
        in.is_now = run->record.trigger == RUN_TRIGGER_NOW;
        if (asker == GATE_QUEUED)
                in.readings = job_wait_readings(run->job, run->def);
        if (run->pool) {
                in.pool = run->pool->name;
                in.pool_slots = run->pool->slots;
                in.pool_running = run->pool->n_running;
        }
        return in;
}

/* All gates that it has to pass there. */
static bool admits(const LiveRun *run, GateAsker asker) {
        GateInput in = run_gate_input(run, asker);

        return gates_ask(&in, turn_now(run->manager->event).realtime).verdict == GATE_ADMIT;
}

usec_t runs_allowed(const Manager *m, const Job *job, RunCause cause, Instant now) {
        GateInput in = gate_input(m, GATE_FILES, job, job->def);
        GateAnswer a;

        in.cause = cause;
        a = gates_ask(&in, now.realtime);
        return a.verdict == GATE_WAIT ? usec_add(now.boottime, usec_sub(a.until, now.realtime)) : 0;
}

/* --- waiting for a slot --- */

/* Ranks are never equal, not even where the clock did not move. */
static void set_rank(Manager *m, LiveRun *run) {
        m->last_rank = MAX(turn_now(m->event).boottime, m->last_rank + 1);
        run->rank = m->last_rank + (usec_t)(JOB_PRIORITY_MAX - run->def->rare->priority) * PRIORITY_STEP_USEC;
}

static void arm_max_wait(Manager *m, LiveRun *run);

/* What holds it up may also be MaxRunning=, which MaxWaitSec= does not speak of. */
static void on_waited_too_long(Manager *m, Deadline *d) {
        LiveRun *run = (LiveRun *)d;
        char span[SPAN_TEXT_MAX];

        assert(run->stage == RUN_STAGE_READY);
        if (pool_admits(run)) {
                run->waits_since = turn_now(m->event).boottime;
                arm_max_wait(m, run);
                return;
        }
        run_set_reason(run, "It waited longer than %s for a slot of pool '%s' (MaxWaitSec=).",
                       span_format(span, run->pool->max_wait, USEC_PER_MSEC), run->pool->name);
        run->is_given_up = run->record.attempt > 1;
        runs_drop(m, run, RUN_RESULT_SKIPPED);
}

static void arm_max_wait(Manager *m, LiveRun *run) {
        if (run->pool->max_wait == USEC_INFINITY)
                return;
        run->deadline.due = on_waited_too_long;
        deadline_set(m, &run->deadline, usec_add(run->waits_since, MAX(run->pool->max_wait, (usec_t)1)));
}

void queues_wait_for_slot(Manager *m, LiveRun *run) {
        assert(run->stage == RUN_STAGE_READY);
        if (run->rank == 0) /* an earlier daemon had started it */
                set_rank(m, run);
        if (heap_set(&run->pool->waiting, run->rank, run->rank, &run->position) < 0) {
                run_set_reason(run, "There was not enough memory to queue it.");
                runs_drop(m, run, RUN_RESULT_START_FAILED);
                return;
        }
        if (run->waits_since == 0)
                run->waits_since = turn_now(m->event).boottime;
        arm_max_wait(m, run);
        pool_changed(m, run->pool);
}

/* --- waiting for the machine --- */

static bool waits_for_machine(const LiveRun *run) {
        return run->def->rare->wait_for && run->record.trigger != RUN_TRIGGER_NOW;
}

static void wait_free(Job *job) {
        JobWait *wait = job->live->wait;

        if (!wait)
                return;
        job->live->wait = NULL;
        condition_watch_stop(&wait->watch);
        job_def_unref(wait->def);
        free(wait);
        job_let_rest(job);
}

void queues_settle(Job *job) {
        if (job->n_queued == job->live->n_delayed)
                wait_free(job);
}

/* What does not wait for the machine goes before what does: behind it, it would. */
static void let_pass(Job *job) {
        LiveRun *run, *next, *last = NULL;

        for (run = TAILQ_FIRST(&job->live->queue); run; run = next) {
                next = TAILQ_NEXT(run, waiting);
                if (run->record.trigger != RUN_TRIGGER_NOW)
                        continue;
                TAILQ_REMOVE(&job->live->queue, run, waiting);
                if (last)
                        TAILQ_INSERT_AFTER(&job->live->queue, last, run, waiting);
                else
                        TAILQ_INSERT_HEAD(&job->live->queue, run, waiting);
                last = run;
        }
}

/* What has become true may have ceased to be so for what has a place and has not begun. Backwards, so that the order
 * stays. */
static void on_condition(ConditionWatch *w) {
        JobWait *wait = (JobWait *)w;
        Job *job = wait->job;
        Manager *m = w->manager;
        LiveRun *run;

        if (w->truth != TRUTH_UNKNOWN)
                wait->reading_until = 0;
        if (w->truth != TRUTH_TRUE && job->live->n_slots > job->n_running) {
                TAILQ_FOREACH_REVERSE(run, &job->live->runs, LiveRunList, of_job) {
                        if (run->stage != RUN_STAGE_READY || !waits_for_machine(run))
                                continue;
                        run_set_stage(run, RUN_STAGE_QUEUED);
                        run->waits_since = 0;
                }
                let_pass(job);
        }
        queues_pump_job(m, job);
        NOTIFY_OBSERVERS(m, job_changed, job);
}

static bool is_watched(const LiveRun *run) {
        const JobWait *wait = run->job->live->wait;

        return wait && wait->def == run->def && wait->watch.manager;
}

static JobWait *wait_new(const LiveRun *run, usec_t now) {
        JobWait *wait = calloc(1, sizeof(*wait));

        if (!wait)
                return NULL;
        *wait = (JobWait){
                .watch.changed = on_condition,
                .job = run->job,
                .def = job_def_ref(run->def),
                .reading_until = usec_add(now, FIRST_READING_USEC),
        };
        return wait;
}

/* That of a former definition is let go only after the new one has asked what both ask. Without memory it is unknown
 * whether the condition is true, until this is called again. */
static void wait_begin(Manager *m, const LiveRun *run) {
        LogContext c = { .job = run->job->name, .run = run->record.id };
        Job *job = run->job;
        bool is_new = !job->live->wait || job->live->wait->def != run->def;
        JobWait *wait = is_new ? wait_new(run, turn_now(m->event).realtime) : job->live->wait;
        int r;

        if (!wait || wait->watch.manager)
                return;
        r = condition_watch_start(&wait->watch, m, run->def->rare->wait_for, PROBE_SAMPLE_DEFAULT_USEC);
        if (!is_new)
                return;
        if (r < 0)
                log_message(LOG_WARNING, &c,
                            "Cannot look whether the condition is true that it waits for: %s; trying again.",
                            strerror(-r));
        wait_free(job);
        job->live->wait = wait;
}

/* Counted from when it could have begun, but for others; so a restart needs nothing else. What has just begun to look
 * is given the time for a first reading, however short a run waits. */
static usec_t waits_until(const LiveRun *run) {
        const RunRecord *r = &run->record;
        const JobWait *wait = run->job->live->wait;
        usec_t until = r->requested;

        if (r->cause == RUN_CAUSE_RETRY)
                until = usec_add(until, retry_def_delay(&run->def->rare->retry, r->attempt - 1));
        until = usec_add(until, run->def->rare->wait_max);
        return wait ? MAX(until, wait->reading_until) : until;
}

static void on_waited_for_machine(Manager *m, Deadline *d) {
        queues_pump_job(m, ((LiveRun *)d)->job);
}

static void give_up_waiting(Manager *m, LiveRun *run, const GateInput *in) {
        char text[CONDITION_TELL_MAX], span[SPAN_TEXT_MAX];

        run_set_reason(run, "It waited longer than %s (WaitMaxSec=): %s (WaitFor=).",
                       span_format(span, run->def->rare->wait_max, USEC_PER_MSEC),
                       condition_tell(text, run->def->rare->wait_for, in->readings));
        run->is_given_up = run->record.attempt > 1;
        runs_drop(m, run, RUN_RESULT_SKIPPED);
}

static void show_state(Manager *m, LiveRun *run, RunState state) {
        if (run->record.state == state)
                return;
        run->record.state = state;
        (void)ledger_update(m->ledger, &run->record);
        NOTIFY_OBSERVERS(m, run_changed, &run->record);
}

/* Who cannot look tries again, or nobody would. */
static void wait_for_machine(Manager *m, LiveRun *run) {
        usec_t at = deadline_of_realtime(m, waits_until(run));

        show_state(m, run, RUN_WAITING);
        run->waits_since = 0; /* it waits for no slot meanwhile, which MaxWaitSec= speaks of */
        run->deadline.due = on_waited_for_machine;
        if (!is_watched(run))
                at = MIN(at, usec_add(turn_now(m->event).boottime, LOOK_AGAIN_USEC));
        deadline_set(m, &run->deadline, at);
}

/* It waited for the machine until long ago, and nobody looked in between: all that is known is from before that. */
static void look_again_after_sleep(const LiveRun *run, usec_t now) {
        JobWait *wait = run->job->live->wait;

        if (wait && run->record.state == RUN_WAITING && usec_sub(now, waits_until(run)) > LATE_USEC)
                wait->reading_until = usec_add(now, FIRST_READING_USEC);
}

/* The first in the queue of its job; true: it has left that. */
static bool pump_first(Manager *m, LiveRun *run) {
        usec_t now = turn_now(m->event).realtime;
        GateInput in;
        GateAnswer a;

        if (waits_for_machine(run))
                wait_begin(m, run);
        in = run_gate_input(run, GATE_QUEUED);
        a = gates_ask(&in, now);
        if (a.verdict == GATE_ADMIT) {
                run_set_stage(run, RUN_STAGE_READY);
                queues_wait_for_slot(m, run);
                return true;
        }
        if (a.row != GATE_CONDITION) {
                show_state(m, run, RUN_QUEUED);
                return false;
        }
        look_again_after_sleep(run, now);
        if (waits_until(run) <= now) {
                give_up_waiting(m, run, &in);
                return true;
        }
        wait_for_machine(m, run);
        return false;
}

/* --- going on --- */

/* What waits when the daemon ends stays where it is. A run that found no memory gives its place back, which may let
 * the next one go; so look again each time. */
void queues_pump_job(Manager *m, Job *job) {
        LiveRun *run;

        if (m->take_over.is_under_way)
                return;
        while (!m->stopping && (run = TAILQ_FIRST(&job->live->queue)))
                if (!pump_first(m, run))
                        break;
        queues_settle(job);
        queues_pump(m);
}

/* What holds up the first of all holds up the others. */
LiveRun *queues_next(const Manager *m) {
        LiveRun *run = pools_first(m);

        assert(!run || run->stage == RUN_STAGE_READY);
        return run && admits(run, GATE_READY) ? run : NULL;
}

void queues_pump(Manager *m) {
        if (m->start_source && pools_first(m))
                (void)sd_event_source_set_enabled(m->start_source, SD_EVENT_ONESHOT);
}

/* --- in and out --- */

void queues_add(Manager *m, LiveRun *run) {
        set_rank(m, run);
        run_set_stage(run, RUN_STAGE_QUEUED);
        if (run->def->rare->wait_for && run->record.trigger == RUN_TRIGGER_NOW)
                let_pass(run->job);
}

/* What has a place gives it back first: there may be fewer of them now. Backwards, so that the order stays. How long
 * it has waited for a slot counts on, unless it is to wait for another pool's. */
void queues_redefine(Manager *m, Job *job) {
        LiveRun *run;

        TAILQ_FOREACH_REVERSE(run, &job->live->runs, LiveRunList, of_job) {
                if (run_goes_on(run) || run->stage == RUN_STAGE_DONE)
                        continue;
                if (run->stage == RUN_STAGE_READY)
                        run_set_stage(run, RUN_STAGE_QUEUED);
                run_use_current_definition(run);
                (void)pools_admit(m, run); /* or it waits for the pool that it has */
        }
        let_pass(job);
        queues_pump_job(m, job);
}

/* Who ends a pause sets the deadlines anew. */
static void on_time_has_come(Manager *m, Deadline *d) {
        LiveRun *run = (LiveRun *)d;
        GateInput in = run_gate_input(run, GATE_RETRY);
        GateAnswer a = gates_ask(&in, turn_now(m->event).realtime);
        char why[GATE_WHY_MAX];
        Job *job = run->job;

        assert(run->stage == RUN_STAGE_DELAYED);
        if (a.verdict == GATE_WAIT) {
                deadline_set(m, d, deadline_of_realtime(m, a.until));
                return;
        }
        if (a.verdict == GATE_REFUSE) {
                run_set_reason(run, "%s", gates_why(why, &in, &a));
                runs_drop(m, run, RUN_RESULT_SKIPPED);
                return;
        }
        queues_add(m, run);
        queues_pump_job(m, job);
        NOTIFY_OBSERVERS(m, run_changed, &run->record);
        NOTIFY_OBSERVERS(m, job_changed, job);
}

usec_t retry_not_before(const LiveRun *run) {
        const Manager *m = run->manager;
        usec_t delay = retry_def_delay(&run->def->rare->retry, run->record.attempt - 1),
               now = turn_now(m->event).boottime;
        const RunRecord *failed;

        failed = ledger_get(m->ledger, run->record.parent);
        if (failed && failed->result == RUN_RESULT_CANCELLED)
                return now; /* that try was interrupted by us */
        /* Not later than a delay from now: a clock that was set back asks for no patience. */
        return MIN(deadline_of_realtime(m, usec_add(run->record.requested, delay)), usec_add(now, delay));
}

usec_t manager_next_retry(const Manager *m, const Job *job) {
        const LiveRun *run = TAILQ_FIRST(&job->live->delayed);
        Instant now = turn_now(m->event);

        if (!run)
                return 0;
        return usec_add(now.realtime, usec_sub(retry_not_before(run), now.boottime));
}

/* A retry without a delay does not go through the timer, which is allowed to be late: what is newer would overtake.
 * But only what was started: the rest might fail in the same turn, for ever. */
void queues_add_retry(Manager *m, LiveRun *run) {
        usec_t not_before = retry_not_before(run);
        const RunRecord *failed = ledger_get(m->ledger, run->record.parent);

        assert(run->record.cause == RUN_CAUSE_RETRY);
        if (not_before <= turn_now(m->event).boottime && failed && failed->started > 0 && admits(run, GATE_RETRY)) {
                queues_add(m, run);
                return;
        }
        run_set_stage(run, RUN_STAGE_DELAYED);
        run->deadline.due = on_time_has_come;
        deadline_set(m, &run->deadline, not_before);
}

/* Where nothing waits for the machine, what is in the queue is about to start. */
LiveRun *queues_next_retry(const Job *job, const LiveRun *after) {
        LiveRun *run = after ? TAILQ_NEXT(after, waiting) : TAILQ_FIRST(&job->live->delayed);

        if (!run && (!after || after->stage == RUN_STAGE_DELAYED) && job->live->wait)
                run = TAILQ_FIRST(&job->live->queue);
        while (run && run->record.cause != RUN_CAUSE_RETRY)
                run = TAILQ_NEXT(run, waiting);
        return run;
}

void queues_resume(Manager *m, const Job *job) {
        LiveRun *run;

        assert(!job->paused);
        TAILQ_FOREACH(run, &job->live->delayed, waiting) {
                assert(run->stage == RUN_STAGE_DELAYED && run->deadline.due == on_time_has_come);
                deadline_set(m, &run->deadline, retry_not_before(run));
        }
}
