/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Where runs wait, in this order: for their time (a retry), for the other runs of their job (Overlap=), for a slot of
 * their pool (Pool=), for one of the daemon's (MaxRunning=).
 *
 * Within a job it is first come, first served. Among those that wait for a slot it is so too, but each step of
 * Priority= counts as one minute that the run has waited already. A run with a high priority goes first, and one with
 * a low priority is overtaken only by what came within so many minutes after it: nobody starves, and a rank never
 * changes, so that a heap is all it takes. Runs without a pool wait in one of their own without a limit. What may be
 * started next is then the lowest rank among the pools that have a slot, which is a heap of pools.
 *
 * A pool that vaktd.conf does not describe has one slot, and lives as long as somebody is in it: a named lock. */

#include <assert.h>

#include "core/manager-internal.h"
#include "time/span.h"
#include "util/array.h"
#include "util/log.h"

#define PRIORITY_STEP_USEC USEC_PER_MINUTE

/* --- the gates --- */

GateInput gate_input(const Manager *m, GateAsker asker, const Job *job, const JobDef *def) {
        return (GateInput){
                .asker = asker,
                .job = job,
                .def = def,
                .all_paused = m->paused,
                .max_running = m->settings.max_running,
                .n_running = m->n_running,
                .is_starting = !m->is_started || (asker == GATE_FILES && !m->take_over.is_surveyed),
                .is_stopping = m->stopping,
                .is_held = m->is_held,
                .zone = zone_cache_local(m->zones),
        };
}

usec_t runs_allowed(const Manager *m, const Job *job, RunCause cause) {
        GateInput in = gate_input(m, GATE_FILES, job, job->def);
        Instant now = turn_now(m->event);
        GateAnswer a;

        in.cause = cause;
        in.has_file = true;
        a = gates_ask(&in, now.realtime);
        return a.verdict == GATE_WAIT ? usec_add(now.boottime, usec_sub(a.until, now.realtime)) : 0;
}

GateInput run_gate_input(const LiveRun *run, GateAsker asker) {
        GateInput in = gate_input(run->manager, asker, run->job, run->def);

        in.cause = run->record.cause;
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

static bool pool_admits(const LiveRun *run) {
        GateInput in = run_gate_input(run, GATE_READY);

        return gates_ask_row(GATE_POOL, &in, turn_now(run->manager->event).realtime).verdict == GATE_ADMIT;
}

/* --- pools --- */

static Pool *pool_free(Pool *p) {
        if (!p)
                return NULL;
        heap_done(&p->waiting);
        free(p->name);
        return mfree(p);
}
DEFINE_CLEANUP(Pool, pool_free)

static int pool_new(Pool **ret, const char *name, unsigned slots) {
        _cleanup_(pool_freep) Pool *p = calloc(1, sizeof(*p));

        if (!p)
                return -ENOMEM;
        p->name = strdup(name);
        if (!p->name)
                return -ENOMEM;
        p->slots = slots;
        p->max_wait = USEC_INFINITY;
        p->position = HEAP_NONE;
        *ret = TAKE_PTR(p);
        return 0;
}

static size_t pool_position(const Manager *m, const char *name) {
        return BISECT(m->queue.n_pools, i, strcmp(m->queue.pools[i]->name, name) < 0);
}

/* The pool of this name, which is made when it is not there. */
static int pool_get(Manager *m, const char *name, Pool **ret) {
        size_t i = pool_position(m, name);
        _cleanup_(pool_freep) Pool *p = NULL;
        Pool **place;
        int r;

        if (i < m->queue.n_pools && streq(m->queue.pools[i]->name, name)) {
                *ret = m->queue.pools[i];
                return 0;
        }
        r = pool_new(&p, name, /* slots= */ 1);
        if (r < 0)
                return r;
        place = ARRAY_INSERT(m->queue.pools, m->queue.n_pools, i);
        if (!place)
                return -ENOMEM;
        *ret = *place = TAKE_PTR(p);
        return 0;
}

/* Puts the pool where it belongs among those that somebody could be started from. */
void queues_pool_changed(Manager *m, Pool *p) {
        const HeapEntry *first = heap_first(&p->waiting);
        usec_t rank = first && pool_admits(first->owner) ? first->at : USEC_INFINITY;

        if (heap_set(&m->queue.candidates, rank, rank, p, &p->position) < 0)
                log_error("Not enough memory to start what waits for pool '%s'; the next run that ends tries again.",
                          p->name);
}

static void pool_drop_if_unused(Manager *m, Pool *p) {
        size_t i;

        if (p == m->queue.no_pool || p->is_configured || p->n_runs > 0)
                return;
        i = pool_position(m, p->name);
        assert(i < m->queue.n_pools && m->queue.pools[i] == p);
        ARRAY_REMOVE(m->queue.pools, m->queue.n_pools, i);
        queues_pool_changed(m, p); /* nobody waits: takes it out */
        pool_free(p);
}

static void pool_configure(Manager *m, Pool *p) {
        const PoolDef *def = settings_pool(&m->settings, p->name);

        p->is_configured = def;
        p->slots = def ? def->slots : 1;
        p->max_wait = def ? def->max_wait : USEC_INFINITY;
        queues_pool_changed(m, p);
}

int queues_set_pools(Manager *m) {
        Pool *p;
        int r;

        for (size_t i = 0; i < m->settings.n_pools; i++) {
                r = pool_get(m, m->settings.pools[i].name, &p);
                if (r < 0)
                        return r;
        }
        for (size_t i = m->queue.n_pools; i > 0; i--) {
                pool_configure(m, m->queue.pools[i - 1]);
                pool_drop_if_unused(m, m->queue.pools[i - 1]);
        }
        queues_pump(m);
        return 0;
}

int queues_init(Manager *m) {
        int r = pool_new(&m->queue.no_pool, "", /* slots= */ UINT32_MAX);

        return r < 0 ? r : queues_set_pools(m);
}

void queues_done(Manager *m) {
        for (size_t i = 0; i < m->queue.n_pools; i++)
                pool_free(m->queue.pools[i]);
        m->queue.pools = mfree(m->queue.pools);
        m->queue.n_pools = 0;
        m->queue.no_pool = pool_free(m->queue.no_pool);
        heap_done(&m->queue.candidates);
}

size_t manager_n_pools(const Manager *m) {
        return m->queue.n_pools;
}

PoolState manager_get_pool(const Manager *m, size_t i) {
        const Pool *p = m->queue.pools[i];

        return (PoolState){
                .name = p->name,
                .slots = p->slots,
                .n_running = p->n_running,
                .n_waiting = p->waiting.n_entries,
        };
}

/* --- waiting for a slot --- */

/* Ranks are never equal, not even where the clock did not move. */
static void set_rank(Manager *m, LiveRun *run) {
        m->queue.last_rank = MAX(turn_now(m->event).boottime, m->queue.last_rank + 1);
        run->rank = m->queue.last_rank + (usec_t)(JOB_PRIORITY_MAX - run->def->priority) * PRIORITY_STEP_USEC;
}

static void arm_max_wait(Manager *m, LiveRun *run);

/* What holds it up may also be MaxRunning=, which MaxWaitSec= does not speak of. */
static void on_waited_too_long(Manager *m, Deadline *d) {
        LiveRun *run = (LiveRun *)d;
        char span[SPAN_TEXT_MAX];

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
        if (run->rank == 0) /* an earlier daemon had started it */
                set_rank(m, run);
        if (heap_set(&run->pool->waiting, run->rank, run->rank, run, &run->position) < 0) {
                run_set_reason(run, "There was not enough memory to queue it.");
                runs_drop(m, run, RUN_RESULT_START_FAILED);
                return;
        }
        if (run->waits_since == 0)
                run->waits_since = turn_now(m->event).boottime;
        arm_max_wait(m, run);
        queues_pool_changed(m, run->pool);
}

/* What waits when the daemon ends stays where it is. A run that found no memory gives its place back, which may let
 * the next one go; so look again each time. */
void queues_pump_job(Manager *m, Job *job) {
        LiveRun *run;

        while (!m->stopping && (run = TAILQ_FIRST(&job->queue)) && admits(run, GATE_QUEUED)) {
                run_set_stage(run, RUN_STAGE_READY);
                queues_wait_for_slot(m, run);
        }
        queues_pump(m);
}

/* What holds up the first of all holds up the others. */
LiveRun *queues_next(const Manager *m) {
        const HeapEntry *first = heap_first(&m->queue.candidates);
        const Pool *p = first ? first->owner : NULL;
        LiveRun *run = p ? heap_first(&p->waiting)->owner : NULL;

        return run && admits(run, GATE_READY) ? run : NULL;
}

void queues_pump(Manager *m) {
        if (m->start_source && queues_next(m))
                (void)sd_event_source_set_enabled(m->start_source, SD_EVENT_ONESHOT);
}

/* --- in and out --- */

int queues_admit(Manager *m, LiveRun *run) {
        Pool *pool = m->queue.no_pool;
        int r;

        if (run->def->pool) {
                r = pool_get(m, run->def->pool, &pool);
                if (r < 0)
                        return r;
        }
        run->pool = pool;
        pool->n_runs++;
        return 0;
}

void queues_add(Manager *m, LiveRun *run) {
        set_rank(m, run);
        run_set_stage(run, RUN_STAGE_QUEUED);
}

/* What has a place gives it back first: there may be fewer of them now. Backwards, so that the order stays. How long
 * it has waited for a slot counts on, unless it is to wait for another pool's. */
void queues_redefine(Manager *m, Job *job) {
        LiveRun *run;

        TAILQ_FOREACH_REVERSE(run, &job->runs, LiveRunList, of_job) {
                Pool *pool = run->pool;

                if (run_goes_on(run) || run->stage == RUN_STAGE_DONE)
                        continue;
                if (run->stage == RUN_STAGE_READY)
                        run_set_stage(run, RUN_STAGE_QUEUED);
                run_use_current_definition(run);
                if (queues_admit(m, run) < 0)
                        continue; /* it waits for the pool that it has */
                if (run->pool != pool)
                        run->waits_since = 0;
                pool->n_runs--;
                pool_drop_if_unused(m, pool);
        }
        queues_pump_job(m, job);
}

/* Who ends a pause sets the deadlines anew. */
static void on_time_has_come(Manager *m, Deadline *d) {
        LiveRun *run = (LiveRun *)d;
        GateInput in = run_gate_input(run, GATE_RETRY);
        GateAnswer a = gates_ask(&in, turn_now(m->event).realtime);
        char why[GATE_WHY_MAX];
        Job *job = run->job;

        switch (a.verdict) {
        case GATE_ADMIT:
                break;
        case GATE_WAIT:
                deadline_set(m, d, deadline_of_realtime(m, a.until));
                return;
        case GATE_REFUSE:
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
        usec_t delay = retry_def_delay(&run->def->retry, run->record.attempt - 1), now = turn_now(m->event).boottime;
        const RunRecord *failed;

        if (run->record.parent > 0 && (failed = ledger_get(m->ledger, run->record.parent)) &&
            failed->result == RUN_RESULT_CANCELLED)
                return now; /* that try was interrupted by us */
        /* Not later than a delay from now: a clock that was set back asks for no patience. */
        return MIN(deadline_of_realtime(m, usec_add(run->record.requested, delay)), usec_add(now, delay));
}

void queues_delay(Manager *m, LiveRun *run) {
        run_set_stage(run, RUN_STAGE_DELAYED);
        run->deadline.due = on_time_has_come;
        deadline_set(m, &run->deadline, retry_not_before(run));
}

void queues_resume(Manager *m, const Job *job) {
        LiveRun *run;

        TAILQ_FOREACH(run, &job->delayed, waiting)
                deadline_set(m, &run->deadline, retry_not_before(run));
}

void queues_leave_pool(LiveRun *run) {
        Pool *p = run->pool;

        if (!p)
                return;
        run->pool = NULL;
        p->n_runs--;
        pool_drop_if_unused(run->manager, p);
}
