#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The manager's body, shared by the files of core/ and by nobody else. */

#include "core/manager.h"
#include "exec/executor.h"
#include "ledger/ledger.h"
#include "sched/timers.h"

#define OBSERVERS_MAX 4
#define LIVE_RUNS_MAX 200000 /* runs that wait or go on, of all jobs together */

/* A run that is not over. */
struct LiveRun {
        Manager *manager;
        RunRecord record;
        Job *job;
        JobDef *def;
        Execution *execution; /* NULL until it is started */
        LiveRun *next;        /* in the queue of its job, or in the ready list */
        bool is_ready;        /* holds a place of its job */
        bool follow;
};

struct Manager {
        sd_event *event;
        ManagerOptions options;
        Settings settings;
        Diagnostics diagnostics;
        JobLoader *loader;
        JobTable *jobs;
        unsigned generation;
        Ledger *ledger;
        Timers *timers;
        ZoneCache *zones;
        sd_event_source *resume_source; /* the next end of a pause */
        Executor *executor;
        usec_t started_at; /* realtime */

        LiveRun **live; /* sorted by id */
        size_t n_live, n_live_allocated;
        LiveRun *ready, *ready_tail; /* admitted by their jobs, wait for one of MaxRunning= */
        unsigned n_running, n_queued;
        sd_event_source *start_source; /* a deferred source that starts what is ready */

        bool stopping;
        void (*stopped)(void *userdata);
        void *stopped_userdata;
        sd_event_source *stopped_source;

        ManagerObserver observers[OBSERVERS_MAX];
        size_t n_observers;
};

#define NOTIFY_OBSERVERS(m, member, ...)                                                                           \
        do {                                                                                                       \
                for (size_t _i = 0; _i < (m)->n_observers; _i++)                                                   \
                        if ((m)->observers[_i].member)                                                             \
                                (m)->observers[_i].member((m)->observers[_i].userdata __VA_OPT__(, ) __VA_ARGS__); \
        } while (false)

/* --- runs.c --- */
void runs_occurred(void *userdata, Job *job, const Occurrence *o);
/* Takes over what the ledger holds of an earlier daemon: what waited is started, what was under way is lost. */
int runs_take_over(Manager *m);
const ExecutorCallbacks *runs_callbacks(void) _const_;
int runs_init(Manager *m);
void runs_stop_all(Manager *m);
void runs_free_all(Manager *m);
/* Looks whether anything that waits can be started now. */
void runs_pump(Manager *m);
LiveRun *runs_find(const Manager *m, uint64_t id) _pure_;

/* --- pauses.c --- */
int pauses_init(Manager *m);
void pauses_start(Manager *m); /* jobs were loaded: waits for the end of the pauses that came with them */
/* Gives a job what was said about it before: paused, how long, what to skip. */
void pauses_load(Manager *m, Job *job);
/* Writes that down. */
void pauses_save(Manager *m, const Job *job);

/* --- reload.c --- */
/* Reads all job files and makes the table what they say. */
int reload_jobs(Manager *m);
/* The job of this name; an instance of a template is made when it is not there. -ENOENT, -ENOEXEC, -ENOMEM. */
int reload_get_job(Manager *m, const char *name, Job **ret);
/* Takes a job out of the table when its file is gone and nothing of it goes on. */
void reload_drop_job_if_over(Manager *m, Job *job);
