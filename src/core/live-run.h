#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A run that is not over, its stages, and the set of all such runs. */

#include <sys/queue.h>
#include "core/trigger.h"
#include "exec/executor.h"
#include "util/hash-table.h"

#define LIVE_RUNS_MAX 200000 /* runs that wait or go on, of all jobs together */

typedef struct Pool Pool; /* of pools.h */

/* How far a run has come; run_set_stage() alone changes it. The state in its record follows from it. */
typedef enum RunStage {
        RUN_STAGE_NONE,     /* counted nowhere: not accepted yet, or left to the next daemon */
        RUN_STAGE_DELAYED,  /* in JobLive.delayed: a retry whose time has not come */
        RUN_STAGE_QUEUED,   /* in JobLive.queue: waits for the job's other runs */
        RUN_STAGE_READY,    /* in Pool.waiting: holds a place of its job */
        RUN_STAGE_STARTING, /* goes on: holds one of its pool and of all, too */
        RUN_STAGE_RUNNING,  /* goes on */
        RUN_STAGE_STOPPING, /* goes on */
        RUN_STAGE_DONE,
        _RUN_STAGE_MAX,
} RunStage;

/* A run that is not over. */
struct LiveRun {
        Deadline deadline; /* its time has come; it waited too long; it takes too long: by its stage */
        Manager *manager;
        union {
                RunRecord record; /* to be read and changed, but for its strings */
                OwnedRun owned;   /* the same */
        };
        Job *job;
        JobDef *def;
        Pool *pool;
        Execution *execution; /* NULL until it is started */
        TAILQ_ENTRY(LiveRun) all, of_job;
        HashNode by_id;
        TAILQ_ENTRY(LiveRun) waiting; /* in JobLive.queue, JobLive.delayed or the outbox */
        RunPayload *payload;          /* what a trigger gave it, or NULL */
        usec_t rank;                  /* among those that wait for the same: the smallest goes first */
        usec_t waits_since;           /* for a slot of its pool, boottime; 0: it did not yet */
        uint32_t position;            /* in Pool.waiting */
        RunStage stage;
        bool follow;
        bool returns_payload;  /* what it was given was not dealt with, and is for another run */
        bool was_retried;      /* by an earlier daemon */
        bool is_given_up;      /* a try that is not made after all: who waits to hear of the failure hears of it */
        bool is_interrupted;   /* was told to end because we do */
        bool is_sought;        /* was under way when the machine went down, and is looked for all the same */
        usec_t previous_start; /* of the job, before this one */
};

/* All that are not over. */
typedef struct LiveRuns {
        LiveRunList all;                 /* in the order of ids */
        HashTable by_id;                 /* the same */
        sd_event_source *emptied_source; /* of drain.c: enabled when the last of them leaves; NULL before the end */
} LiveRuns;

/* --- run-stage.c --- */
/* Takes the run on to that stage: its record's state, the list that it waits in, and all numbers with it. There must
 * be such a transition. Into Pool.waiting, and what else the stage needs, is for the caller. */
void run_set_stage(LiveRun *run, RunStage stage);
/* Whether it is looked for: see LiveRun.is_sought. */
void run_set_sought(LiveRun *run, bool sought);
bool run_goes_on(const LiveRun *run) _pure_;
/* It was given something that is for another run, should this one not deal with it. */
static inline bool run_has_work(const LiveRun *run) {
        return run->payload && !run->payload->is_empty;
}
const char *run_stage_to_string(RunStage stage) _const_;
/* What makes a run go from one stage to another: "accept", "begin"; NULL when nothing does. */
const char *run_transition_to_string(RunStage from, RunStage to) _const_;

/* --- live-runs.c --- */
LiveRun *live_find(const LiveRuns *live, uint64_t id) _pure_;
void live_add(LiveRuns *live, LiveRun *run);
void live_remove(LiveRuns *live, LiveRun *run);
/* What was asked for, now; its strings are borrowed. */
RunRecord record_of_request(const Manager *m, const char *job, const RunRequest *request);
/* There is room for it in the set. -ENOMEM; -ENOBUFS: LIVE_RUNS_MAX. */
int live_run_new(LiveRun **ret, Manager *m, Job *job, const RunRequest *request);
LiveRun *live_run_free(LiveRun *run); /* must wait for nothing and not go on; leaves its pool */
DEFINE_CLEANUP(LiveRun, live_run_free)
/* Lets a run go. What waits was accepted: it stays in the ledger as it is, for the next daemon, and so does what goes
 * on without us. */
void run_leave(LiveRun *run);
/* A run is started with what the job's file says now, not with what it said when the run was asked for. */
void run_use_current_definition(LiveRun *run);
void run_set_reason(LiveRun *run, const char *format, ...) _printf_(2, 3);

/* What a trigger gave it. */
RunPayload *run_payload_free(RunPayload *p);
DEFINE_CLEANUP(RunPayload, run_payload_free)
