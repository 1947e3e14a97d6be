#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The body of Manager: what the files of core/ share, and no other directory sees. A part with a file of its own has
 * its body there, or in the header of that file. */

#include "core/live-run.h"
#include "core/manager.h"
#include "core/trigger.h"
#include "util/turn.h"

#define RUNS_STAMP    "runs" /* not a time: how many runs of the job were started; beside the stamps of the triggers */
#define OBSERVERS_MAX 6      /* two of them are conditions.c and once.c */

typedef struct Conditions Conditions;
typedef struct Deadlines Deadlines;
typedef struct Drain Drain;
typedef struct Once Once;
typedef struct Outbox Outbox;
typedef struct Pools Pools;

typedef struct FoundRun {
        OwnedRun run;
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
        bool is_under_way;              /* of some jobs it is not known yet what goes on */
        struct LoadedPayload *payloads; /* what runs were given, while those in the ledger are taken over */
        size_t n_payloads;
} TakeOver;

/* Where control goes upwards: who deals with what a file further down has noticed. assembly.c puts them together. */
typedef struct Listeners {
        void (*run_ended)(Manager *m, LiveRun *run); /* it is taken from the outbox, and is the listener's to free */
        void (*alarm_raised)(Manager *m, const Job *job, const LedgerAlarm *alarm);
} Listeners;

struct Manager {
        const Listeners *listeners;
        sd_event *event;
        ManagerOptions options;
        Settings settings;
        Diagnostics diagnostics;
        size_t n_setting_problems; /* of them, the first ones */
        JobLoader *loader;
        JobTable *jobs;
        uint8_t generation; /* of the job files: one that was not seen by a load is gone since then */
        Ledger *ledger;
        ZoneCache *zones;
        sd_event_source *resume_source;   /* the next end of a pause */
        sd_event_source *readable_source; /* a deferred source: the ledger can be read at last */
        bool paused;                      /* all jobs are */
        ExecutorOptions executor_options;
        Executor *executor;
        Executor *former_executor; /* the other one, for runs that it began before it was changed; or NULL */
        usec_t started_at;         /* realtime */
        usec_t loaded_at;          /* realtime, from before the job files were looked at */
        char *host;

        LiveRuns live;
        Pools *pools;
        usec_t last_rank; /* that a run was given */
        unsigned n_running, n_queued;
        Outbox *outbox;
        sd_event_source *start_source;       /* a deferred source that starts what the turn did not */
        bool has_backlog;                    /* more can be started than one turn starts */
        sd_event_source *acknowledge_source; /* a deferred source that tells the executor what is in the ledger */
        Deadline acknowledge_again;

        Once *once;
        Conditions *conditions;
        Values *values;
        Trigger *triggers[TRIGGER_KINDS_MAX]; /* kinds of them */
        size_t n_triggers;
        Deadlines *deadlines;

        TakeOver take_over;
        FoundRuns found;

        bool is_started;        /* manager_start() was called: runs may be */
        bool is_unread;         /* the ledger could not be read yet: unfinished runs are not known */
        bool is_unread_of_jobs; /* nor could it be opened: what jobs did last is not known */
        bool is_surveyed;       /* forgotten runs are taken over, or were waited for long enough */
        bool is_held;           /* the machine goes down: nothing is started */
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

/* For each kind of trigger that has the function. */
#define FOREACH_TRIGGER(m, t, function)                 \
        for (size_t _i = 0; _i < (m)->n_triggers; _i++) \
                for (Trigger *t = (m)->triggers[_i]; t && t->ops->function; t = NULL)

#define TELL_TRIGGERS(m, function, ...)                                   \
        do {                                                              \
                FOREACH_TRIGGER(m, _t, function)                          \
                        _t->ops->function(_t __VA_OPT__(, ) __VA_ARGS__); \
        } while (false)
/* The first answer that is not 0 or NULL of those that have the function; 0 or NULL when there is none. */
#define ASK_TRIGGERS(m, function, ...)                                                                           \
        ({                                                                                                       \
                __typeof__((m)->triggers[0]->ops->function((m)->triggers[0] __VA_OPT__(, ) __VA_ARGS__)) _r = 0; \
                                                                                                                 \
                FOREACH_TRIGGER(m, _t, function)                                                                 \
                        _r = _r ?: _t->ops->function(_t __VA_OPT__(, ) __VA_ARGS__);                             \
                _r;                                                                                              \
        })
