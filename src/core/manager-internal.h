#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The manager's body, shared by the files of core/ and by nobody else. */

#include <sys/queue.h>

#include "core/gates.h"
#include "core/manager.h"
#include "core/trigger.h"
#include "exec/executor.h"
#include "ledger/ledger.h"
#include "util/hash-table.h"
#include "util/heap.h"
#include "util/turn.h"

#define OBSERVERS_MAX 4
#define LIVE_RUNS_MAX 200000 /* runs that wait or go on, of all jobs together */

/* Runs that may go on at once, and those that wait for that. */
typedef struct Pool {
        char *name;
        unsigned slots;
        usec_t max_wait;    /* µs, USEC_INFINITY = for ever */
        bool is_configured; /* stands in vaktd.conf */
        unsigned n_runs;    /* that wait or go on */
        unsigned n_running;
        Heap waiting;      /* LiveRun, by rank */
        uint32_t position; /* in Pools.candidates */
} Pool;

typedef struct Pools {
        Pool *unlimited; /* of runs that name none */
        Pool **named;    /* sorted by name */
        size_t n_named;
        Heap candidates; /* Pool with a slot that somebody waits for, by the rank of the first */
} Pools;

typedef struct FoundRun {
        RunRecord record;
        RunPayload *payload; /* until it is taken over */
} FoundRun;

/* Runs that the executor has found and the ledger has forgotten, as they were found. */
typedef struct FoundRuns {
        FoundRun *runs;
        size_t n, n_known; /* the first of them are taken over */
} FoundRuns;

/* What an earlier daemon left. */
typedef struct TakeOver {
        Deadline deadline;              /* until then forgotten runs are waited for */
        bool was_surveyed;              /* all of them are found */
        bool has_left_runs;             /* in the ledger, that could not be taken over yet */
        struct LoadedPayload *payloads; /* what runs were given, while those in the ledger are taken over */
        size_t n_payloads;
} TakeOver;

/* How far a run has come; run_set_stage() alone changes it. The state in its record follows from it. */
typedef enum RunStage {
        RUN_STAGE_NONE,     /* counted nowhere: not accepted yet, or left to the next daemon */
        RUN_STAGE_DELAYED,  /* in Job.delayed: a retry whose time has not come */
        RUN_STAGE_QUEUED,   /* in Job.queue: waits for the job's other runs */
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
        RunRecord record;
        Job *job;
        JobDef *def;
        Pool *pool;
        Execution *execution; /* NULL until it is started */
        TAILQ_ENTRY(LiveRun) all, of_job;
        HashNode by_id;
        TAILQ_ENTRY(LiveRun) waiting; /* in Job.queue, Job.delayed or Manager.outbox */
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

typedef struct Deadlines {
        Heap heap; /* Deadline */
        sd_event_source *source;
} Deadlines;

/* Where control goes upwards: who deals with what a file further down has noticed. manager.c puts them together. */
typedef struct Listeners {
        void (*run_ended)(Manager *m, LiveRun *run); /* it is taken from the outbox, and is the listener's to free */
        void (*alarm_raised)(Manager *m, const Job *job, const LedgerAlarm *alarm);
} Listeners;

typedef struct Drain Drain;
typedef struct Outbox Outbox;

struct Manager {
        const Listeners *listeners;
        sd_event *event;
        ManagerOptions options;
        Settings settings;
        Diagnostics diagnostics;
        size_t n_setting_problems; /* of them, the first ones */
        JobLoader *loader;
        JobTable *jobs;
        unsigned generation;
        Ledger *ledger;
        ZoneCache *zones;
        sd_event_source *resume_source;   /* the next end of a pause */
        sd_event_source *readable_source; /* a deferred source: the ledger can be read at last */
        bool paused;                      /* all jobs are */
        ExecutorOptions executor_options;
        Executor *executor;
        Executor *former_executor; /* the other one, for runs that it began before it was changed; or NULL */
        usec_t started_at;         /* realtime */
        char *host;

        LiveRuns live;
        Pools *pools;
        usec_t last_rank; /* that a run was given */
        unsigned n_running, n_queued;
        Outbox *outbox;
        sd_event_source *start_source;       /* a deferred source that starts what is ready */
        sd_event_source *acknowledge_source; /* a deferred source that tells the executor what is in the ledger */
        Deadline acknowledge_again;

        Trigger *triggers[TRIGGER_KINDS_MAX]; /* kinds of them */
        size_t n_triggers;
        Deadlines *deadlines;

        TakeOver take_over;
        FoundRuns found;

        bool is_started;  /* manager_start() was called: runs may be */
        bool is_unread;   /* the ledger could not be read yet: who knows what goes on */
        bool is_surveyed; /* forgotten runs are taken over, or were waited for long enough */
        bool is_held;     /* the machine goes down: nothing is started */
        bool stopping;
        Drain *drain;

        ManagerObserver observers[OBSERVERS_MAX];
        size_t n_observers;
};

#define NOTIFY_OBSERVERS(m, member, ...)                                                                           \
        do {                                                                                                       \
                for (size_t _i = 0; _i < (m)->n_observers; _i++)                                                   \
                        if ((m)->observers[_i].member)                                                             \
                                (m)->observers[_i].member((m)->observers[_i].userdata __VA_OPT__(, ) __VA_ARGS__); \
        } while (false)

/* --- run-stage.c --- */
/* Takes the run on to that stage: its record's state, the list that it waits in, and all numbers with it. There must
 * be such a transition. Into Pool.waiting, and what else the stage needs, is for the caller. */
void run_set_stage(LiveRun *run, RunStage stage);
/* Whether it is looked for: see LiveRun.is_sought. */
void run_set_sought(LiveRun *run, bool sought);
bool run_goes_on(const LiveRun *run) _pure_;
const char *run_stage_to_string(RunStage stage) _const_;
/* What makes a run go from one stage to another: "accept", "begin"; NULL when nothing does. */
const char *run_transition_to_string(RunStage from, RunStage to) _const_;

/* --- live-runs.c: the set of live runs --- */
LiveRun *live_find(const LiveRuns *live, uint64_t id) _pure_;
/* Room for one more. -ENOMEM; -ENOBUFS: LIVE_RUNS_MAX. */
int live_reserve(LiveRuns *live);
void live_add(LiveRuns *live, LiveRun *run); /* there must be room */
void live_remove(LiveRuns *live, LiveRun *run);
int live_run_new(LiveRun **ret, Manager *m, Job *job, const RunRequest *request);
LiveRun *live_run_free(LiveRun *run); /* must wait for nothing and not go on; leaves its pool */
DEFINE_CLEANUP(LiveRun, live_run_free)
/* Lets a run go. What waits was accepted: it stays in the ledger as it is, for the next daemon, and so does what goes
 * on without us. */
void run_leave(LiveRun *run);
/* A run is started with what the job's file says now, not with what it said when the run was asked for. */
void run_use_current_definition(LiveRun *run);
void run_set_reason(LiveRun *run, const char *format, ...) _printf_(2, 3);

/* --- deadlines.c --- */
int deadlines_init(Manager *m);
void deadlines_done(Manager *m);
/* The point in time of CLOCK_BOOTTIME that is this one of CLOCK_REALTIME, as the clocks are in this turn. */
usec_t deadline_of_realtime(const Manager *m, usec_t realtime);

/* --- pools.c: what runs of different jobs share --- */
int pools_init(Manager *m);
void pools_done(Manager *m);
/* Puts the pools of the settings into force; who calls it pumps the queues. */
int pools_configure(Manager *m);
/* What the gates are to know of a run of the job with this definition; of a run that is there. */
GateInput gate_input(const Manager *m, GateAsker asker, const Job *job, const JobDef *def);
GateInput run_gate_input(const LiveRun *run, GateAsker asker);
/* There is a slot in its pool for the run. */
bool pool_admits(const LiveRun *run);
/* Gives the run the pool of its definition, instead of the one that it has. How long it has waited for a slot counts
 * on, unless that is another one. -ENOMEM: nothing has changed. */
int pools_admit(Manager *m, LiveRun *run);
void pools_leave(LiveRun *run);
/* Who waits for a slot of the pool, or holds one, has changed. */
void pool_changed(Manager *m, Pool *pool);
/* Of those that wait where there is a slot, the one with the lowest rank; or NULL. */
LiveRun *pools_first(const Manager *m);

/* --- queues.c: where runs wait --- */
/* Into the queue of its job; from there it goes on when that is pumped. */
void queues_add(Manager *m, LiveRun *run);
/* The job has another definition: what waits waits by that, for its places and in its pool. */
void queues_redefine(Manager *m, Job *job);
/* The point in time, of CLOCK_BOOTTIME, before which a retry is not started. */
usec_t retry_not_before(const LiveRun *run);
/* The same, once that has come and the job is not paused. */
void queues_delay(Manager *m, LiveRun *run);
/* The job is not paused any more: what came due meanwhile is due now. */
void queues_resume(Manager *m, const Job *job);
/* The run is ready: it waits for a slot of its pool, where it stood, should it have done so before. */
void queues_wait_for_slot(Manager *m, LiveRun *run);
/* The next run that may be started; NULL when there is none. */
LiveRun *queues_next(const Manager *m);
/* Something may have become free: for runs of this job; for any. */
void queues_pump_job(Manager *m, Job *job);
void queues_pump(Manager *m);

/* --- outbox.c: how a run ends --- */
int outbox_init(Manager *m);
void outbox_done(Manager *m);
bool outbox_is_empty(const Manager *m);
/* The one way out for a run that was accepted: its outcome is given to the ledger, and the run to the outbox. What
 * follows from it comes later in the same turn of the event loop, and so does its memory's end. */
void runs_finish(Manager *m, LiveRun *run, const ExecOutcome *outcome);
/* Ends what waits. */
void runs_drop(Manager *m, LiveRun *run, RunResult result);
/* Deals with what has ended. Not while somebody is in the middle of something that an ending run could change. */
void runs_empty_outbox(Manager *m);
/* The same, then ledger_commit(): an outcome and what follows from it are written together or not at all. */
int runs_commit(Manager *m);
/* Tells one that was started to end. */
void run_stop(Manager *m, LiveRun *run, RunResult result);
/* Cancels a run, whether it was started or waits. */
void run_end(Manager *m, LiveRun *run);
void run_log_outcome(const RunRecord *r);

/* --- requests.c --- */
/* Takes an accepted run, with its id, up among the live ones; there must be room. */
void runs_accept(Manager *m, LiveRun *run);

/* --- runs.c --- */
const ExecutorCallbacks *runs_callbacks(void) _const_; /* for what is reported of a run */
int runs_init(Manager *m);
void runs_free_all(Manager *m);
/* The listener of the outbox. */
void runs_deal_with_end(Manager *m, LiveRun *run);
/* What the executor is to know of a run. */
ExecutionRequest runs_execution_request(Manager *m, const LiveRun *run);
/* What the executor reported may be forgotten by it once it is written. */
void runs_acknowledge(Manager *m);

/* --- drain.c --- */
int drain_init(Manager *m);
void drain_done(Manager *m);
void drain_begin(Manager *m, void (*done)(void *userdata), void *userdata); /* as manager_stop() */
void drain_executor_done(void *userdata);

/* --- follow-ups.c: what a run leads to when it has ended --- */
void follow_up(Manager *m, LiveRun *run);
/* It would be tried again, should it fail. */
bool wants_another_try(const LiveRun *run) _pure_;
void follow_up_alarm(Manager *m, const Job *job, const LedgerAlarm *alarm); /* OnAlarm= */

/* --- take-over.c --- */
/* Takes over what the ledger holds of an earlier daemon: what waited is queued, what was under way is adopted. */
int take_over_runs(Manager *m);
/* Nothing elapses before it is known what goes on without the ledger knowing of it. */
void take_over_start(Manager *m);
ExecFound take_over_found(void *userdata, const char *job, uint64_t id);
void take_over_forgotten(void *userdata, const ExecutionRequest *request, bool is_over);
void take_over_surveyed(void *userdata);
void take_over_done(Manager *m);

/* --- triggers.c: the kinds of triggers --- */
/* Tells each of them that has the function. */
#define TELL_TRIGGERS(m, function, ...)                                                                         \
        do {                                                                                                    \
                for (size_t _i = 0; _i < (m)->n_triggers; _i++)                                                 \
                        if ((m)->triggers[_i]->ops->function)                                                   \
                                (m)->triggers[_i]->ops->function((m)->triggers[_i] __VA_OPT__(, ) __VA_ARGS__); \
        } while (false)
/* For each that has the function. */
#define FOREACH_TRIGGER(m, t, function)                 \
        for (size_t _i = 0; _i < (m)->n_triggers; _i++) \
                for (Trigger *t = (m)->triggers[_i]; t && t->ops->function; t = NULL)
int triggers_init(Manager *m);
void triggers_done(Manager *m);
int triggers_start(Manager *m);
int triggers_set_job(Manager *m, Job *job);
int triggers_request(Manager *m, Job *job, const RunRequest *request, uint64_t *ret_id);
void triggers_run_ended(Manager *m, LiveRun *run);
void triggers_run_retried(Manager *m, LiveRun *failed, LiveRun *next);
Trigger *trigger_of(const Manager *m, const TriggerOps *ops) _pure_;

/* --- payloads.c: what triggers gave runs, in the ledger --- */
RunPayload *run_payload_free(RunPayload *p);
DEFINE_CLEANUP(RunPayload, run_payload_free)
void payload_put(Manager *m, const RunRecord *r, const RunPayload *p);
/* Around take_over_runs(): what runs of an earlier daemon were given. */
void payloads_load(Manager *m);
void payload_give_back(Manager *m, LiveRun *run);
/* The same of a run that is not in the ledger: from what the executor knows; NULL when that is nothing. */
RunPayload *payload_recognize(Manager *m, const ExecutionRequest *request, RunRecord *record);
void payload_give(Manager *m, LiveRun *run, RunPayload *p);
void payloads_forget_loaded(Manager *m);

/* --- absences.c --- */
/* Forgets what is kept of jobs and triggers that are gone. */
void absences_look(Manager *m);

/* --- alarms.c --- */
void alarms_load(Manager *m);
/* The definition of the job is new, or it may run again. */
void alarms_set_job(Manager *m, Job *job);
void alarms_remove_job(Manager *m, Job *job);
void alarms_run_started(Manager *m, LiveRun *run);
void alarms_run_ended(Manager *m, const LiveRun *run);
/* Of the run that a job made last: somebody said so (vaktctl reset-failed). */
bool alarms_failure_is_forgotten(Manager *m, const RunRecord *r);
/* The job is not paused any more: what is expected of it is expected from now on. */
void alarms_resume(Manager *m, Job *job);

/* --- pauses.c --- */
int pauses_init(Manager *m);
void pauses_start(Manager *m); /* jobs were loaded: waits for the end of the pauses that came with them */
/* Gives a job what was said about it before: paused, how long, what to skip. */
void pauses_load(Manager *m, Job *job);
void pauses_load_all(Manager *m);
/* The ledger can be read again: takes what stands there for all jobs. */
void pauses_reload(Manager *m);

/* --- reload.c --- */
/* Reads all job files and makes the table what they say. */
int reload_jobs(Manager *m);
/* What the job did last, as the ledger has it. */
void reload_load_last(Manager *m, Job *job);
/* The job of this name; an instance of a template is made when it is not there. -ENOENT, -ENOEXEC, -ENOMEM. */
int reload_get_job(Manager *m, const char *name, Job **ret);
/* The same, for a run that is not over: also one whose file is bad (its def may be NULL), and one that is gone where
 * there is none any more. -ENOMEM. */
int reload_get_job_or_placeholder(Manager *m, const char *name, Job **ret);
/* Takes a job out of the table when its file is gone and nothing of it goes on. */
void reload_drop_job_if_over(Manager *m, Job *job);
