/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The one place where a run goes on to its next stage. With the stage change, in one step, the state in its record,
 * the list or heap that it waits in, and every number that tells of runs: so code that looks, at any point in between,
 * finds them right. What is to follow from a stage is for those who bring it about. */

#include <assert.h>
#include <inttypes.h>

#include "core/manager-body.h"
#include "core/pools.h"
#include "util/log.h"

typedef struct Stage {
        const char *name;
        RunState state; /* of the record; _RUN_STATE_MAX: as it is */
        bool waits, has_place, goes_on;
} Stage;

static const Stage stages[_RUN_STAGE_MAX] = {
        [RUN_STAGE_NONE] = { .name = "none", .state = _RUN_STATE_MAX },
        [RUN_STAGE_DELAYED] = { .name = "delayed", .state = RUN_WAITING, .waits = true },
        [RUN_STAGE_QUEUED] = { .name = "queued", .state = RUN_QUEUED, .waits = true },
        [RUN_STAGE_READY] = { .name = "ready", .state = RUN_QUEUED, .waits = true, .has_place = true },
        [RUN_STAGE_STARTING] = { .name = "starting", .state = RUN_STARTING, .has_place = true, .goes_on = true },
        [RUN_STAGE_RUNNING] = { .name = "running", .state = RUN_RUNNING, .has_place = true, .goes_on = true },
        [RUN_STAGE_STOPPING] = { .name = "stopping", .state = RUN_STOPPING, .has_place = true, .goes_on = true },
        [RUN_STAGE_DONE] = { .name = "done", .state = RUN_DONE },
};

static const char *const transitions[_RUN_STAGE_MAX][_RUN_STAGE_MAX] = {
        [RUN_STAGE_NONE] = {
                [RUN_STAGE_DELAYED] = "accept to try again",
                [RUN_STAGE_QUEUED] = "accept",
                [RUN_STAGE_STARTING] = "adopt",
                [RUN_STAGE_RUNNING] = "adopt",
                [RUN_STAGE_STOPPING] = "adopt",
                [RUN_STAGE_DONE] = "refuse",
        },
        [RUN_STAGE_DELAYED] = {
                [RUN_STAGE_NONE] = "leave",
                [RUN_STAGE_QUEUED] = "fall due",
                [RUN_STAGE_DONE] = "drop",
        },
        [RUN_STAGE_QUEUED] = {
                [RUN_STAGE_NONE] = "leave",
                [RUN_STAGE_READY] = "get a place",
                [RUN_STAGE_DONE] = "drop",
        },
        [RUN_STAGE_READY] = {
                [RUN_STAGE_NONE] = "leave",
                [RUN_STAGE_QUEUED] = "give its place back",
                [RUN_STAGE_STARTING] = "begin",
                [RUN_STAGE_DONE] = "drop",
        },
        [RUN_STAGE_STARTING] = {
                [RUN_STAGE_NONE] = "leave",
                [RUN_STAGE_READY] = "put back",
                [RUN_STAGE_RUNNING] = "start",
                [RUN_STAGE_STOPPING] = "stop",
                [RUN_STAGE_DONE] = "end",
        },
        [RUN_STAGE_RUNNING] = {
                [RUN_STAGE_NONE] = "leave",
                [RUN_STAGE_READY] = "put back",
                [RUN_STAGE_STOPPING] = "stop",
                [RUN_STAGE_DONE] = "end",
        },
        [RUN_STAGE_STOPPING] = {
                [RUN_STAGE_NONE] = "leave",
                [RUN_STAGE_DONE] = "end",
        },
};

const char *run_stage_to_string(RunStage stage) {
        return stages[stage].name;
}

const char *run_transition_to_string(RunStage from, RunStage to) {
        return transitions[from][to];
}

bool run_goes_on(const LiveRun *run) {
        return stages[run->stage].goes_on;
}

void run_set_sought(LiveRun *run, bool sought) {
        assert(!sought || run_goes_on(run));
        run->job->live->n_sought += (unsigned)sought - run->is_sought;
        run->is_sought = sought;
}

/* What a run that goes from the one stage to the other adds to each number; -1 is what it takes away. */
static void count(LiveRun *run, const Stage *from, const Stage *to) {
        unsigned waits = to->waits - from->waits, goes_on = to->goes_on - from->goes_on;
        unsigned delayed = (to == &stages[RUN_STAGE_DELAYED]) - (from == &stages[RUN_STAGE_DELAYED]);
        Manager *m = run->manager;
        Job *job = run->job;
        JobLive *live = job->live;

        m->n_queued += waits;
        job->n_queued += waits;
        live->n_delayed += delayed;
        /* By QueueMax=. What is made up for comes all at once: CatchUpMax= bounds it. */
        if (run->record.cause != RUN_CAUSE_CATCH_UP)
                live->n_bounded += waits - delayed + goes_on;
        live->n_slots += to->has_place - from->has_place;
        m->n_running += goes_on;
        job->n_running += goes_on;
        if (run->pool)
                run->pool->n_running += goes_on;
        /* None goes below zero. */
        assert(job->n_running <= m->n_running && job->n_queued <= m->n_queued && live->n_delayed <= job->n_queued);
        assert(live->n_bounded <= job->n_running + job->n_queued && live->n_slots >= job->n_running);
        assert(!run->pool || run->pool->n_running <= m->n_running);
}

void run_set_stage(LiveRun *run, RunStage stage) {
        LogContext c = { .job = run->record.job, .run = run->record.id };
        const Stage *from = &stages[run->stage], *to = &stages[stage];
        RunStage before = run->stage;
        Job *job = run->job;

        assert(transitions[before][stage] && (run->pool || !to->has_place));
        if (before == RUN_STAGE_DELAYED)
                TAILQ_REMOVE(&job->live->delayed, run, waiting);
        else if (before == RUN_STAGE_QUEUED)
                TAILQ_REMOVE(&job->live->queue, run, waiting);
        else if (before == RUN_STAGE_READY)
                (void)heap_set(&run->pool->waiting, USEC_INFINITY, 0, &run->position);
        if (!from->goes_on || !to->goes_on) {
                deadline_set(run->manager, &run->deadline, USEC_INFINITY);
                run_set_sought(run, false);
        }
        count(run, from, to);
        run->stage = stage;
        if (to->state != _RUN_STATE_MAX)
                run->record.state = to->state;
        if (before == RUN_STAGE_READY)
                job->n_runs += stage == RUN_STAGE_STARTING;
        else if (stage == RUN_STAGE_READY && before != RUN_STAGE_QUEUED)
                job->n_runs -= job->n_runs > 0; /* what a daemon began that did not count was not counted */
        if (stage == RUN_STAGE_DELAYED)
                TAILQ_INSERT_TAIL(&job->live->delayed, run, waiting);
        else if (stage == RUN_STAGE_QUEUED && before == RUN_STAGE_READY) /* it was the first already */
                TAILQ_INSERT_HEAD(&job->live->queue, run, waiting);
        else if (stage == RUN_STAGE_QUEUED)
                TAILQ_INSERT_TAIL(&job->live->queue, run, waiting);
        if (before == RUN_STAGE_READY || from->goes_on != to->goes_on)
                pool_changed(run->manager, run->pool);
        log_message(LOG_DEBUG, &c, "Run %" PRIu64 " is now %s (%s).", run->record.id, to->name,
                    transitions[before][stage]);
}
