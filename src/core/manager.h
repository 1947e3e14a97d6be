#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The one place where triggers, admission, queue, executor and ledger meet. A request becomes a run
 * with an id, whatever comes of it; observers (the bus) are told of every step. Nothing here knows D-Bus. */

#include <systemd/sd-event.h>

#include "config/job-loader.h"
#include "config/settings.h"
#include "job/job-table.h"
#include "job/run.h"
#include "core/values.h"
#include "ledger/ledger.h"

typedef struct Manager Manager;
typedef struct TriggerOps TriggerOps; /* of core/trigger.h */

/* What the daemon was started with; strings stay the caller's. */
typedef struct ManagerOptions {
        char *const *job_dirs; /* NULL-terminated, first wins */
        const char *state_dir; /* where the ledger lives */
        const char *config_path;
        uid_t owner;                       /* whose files are trusted beside root's */
        int executor;                      /* ExecutorChoice from the command line, or -1 */
        int log_level;                     /* from the command line, or -1 */
        bool user_instance;                /* runs get the user's environment and home instead of the system's */
        const char *runtime_dir;           /* /run/vaktd or the like */
        const TriggerOps *const *triggers; /* NULL-terminated: the kinds that jobs may have */
} ManagerOptions;

#define RUN_FILES_MAX 100000 /* that a run by hand is given when none is named */

/* What a client may ask of a run. */
typedef struct RunRequest {
        RunCause cause;
        uint32_t trigger;               /* RUN_TRIGGER_NONE, RUN_TRIGGER_NOW */
        usec_t scheduled;               /* realtime µs, 0 = now */
        bool follow;                    /* output lines go to run_output() of the observers as well */
        uint64_t parent;                /* run that asks, or 0 */
        const char *parent_job, *alarm; /* as in RunRecord */
        const char *payload;            /* as in RunRecord */
        const char *files;              /* of RUN_CAUSE_MANUAL: absolute paths, each with a NUL behind it, or NULL */
        size_t files_size, n_files;
} RunRequest;

/* Each member may be NULL. Called from the loop, after the thing has happened; a Job or RunRecord pointer is valid
 * during the call only. */
typedef struct ManagerObserver {
        void (*job_new)(void *userdata, const Job *j);
        void (*job_removed)(void *userdata, const Job *j);
        void (*job_changed)(void *userdata, const Job *j);
        void (*run_new)(void *userdata, const RunRecord *r);     /* accepted or refused */
        void (*run_changed)(void *userdata, const RunRecord *r); /* state, pid or status text */
        void (*run_started)(void *userdata, const RunRecord *r);
        void (*run_finished)(void *userdata, const RunRecord *r); /* state is done: result is set */
        void (*run_output)(void *userdata, const RunRecord *r, const char *line, size_t n, bool is_stderr);
        /* key: "slow", "expect", "unknown"; run: that it is about, or 0; message: what is wrong */
        void (*alarm_raised)(void *userdata, const Job *j, const LedgerAlarm *alarm);
        void (*alarm_cleared)(void *userdata, const Job *j, const char *key);
        void (*reloaded)(void *userdata, const Diagnostics *d);
        void (*summary_changed)(void *userdata); /* numbers of jobs, running, queued */
        void (*values_changed)(void *userdata);  /* what manager_list_values() lists, other than times */
        void *userdata;
} ManagerObserver;

/* Reads settings and jobs, opens the ledger. Errors in the files are none of it: they are in manager_diagnostics().
 * Nothing is triggered before manager_start(). */
int manager_new(Manager **ret, sd_event *event, const ManagerOptions *options);
Manager *manager_free(Manager *m);
DEFINE_CLEANUP(Manager, manager_free)

/* Arms the timers. OnStartupSec= counts from here. */
int manager_start(Manager *m);

/* No new run is started; own children are told to end and, past their time, killed. done() is called once nothing of
 * ours runs, perhaps at once. */
void manager_stop(Manager *m, void (*done)(void *userdata), void *userdata);

/* One observer at a time may be added; it stays until the manager is freed. -ENOSPC past four. */
int manager_observe(Manager *m, const ManagerObserver *o);

/* --- what bus/ and vaktd.c call --- */

/* Asks for a run. The record stays the manager's: valid until the loop turns. Also refused requests give a record
 * (state done, result skipped, reason). Errors: -ENOENT no such job, -ENOEXEC the job's file was never good
 * (Job.problem says why), -EBADF the job is disabled, -ESHUTDOWN the daemon is ending, -ENOBUFS too many runs wait on
 * the whole. And about files: -ENOTSUP the job takes none, -EDESTADDRREQ its runs get one each and none is named,
 * -E2BIG its runs get one each and several are named, -EXDEV it does not lie in the job's spool, -ETXTBSY it is no
 * file that can be taken out of there now, -EFBIG none is named and there are more than RUN_FILES_MAX. */
int manager_request(Manager *m, const char *job, const RunRequest *request, const RunRecord **ret);

/* Ends a run: a queued one is dropped, a running one told to stop. -ENOENT no such run, -EALREADY it is over. */
int manager_cancel(Manager *m, uint64_t id);

/* Triggers of the job are refused from now on, or no longer. -ENOENT; 0 also when it was so already. */
int manager_pause(Manager *m, const char *job);
int manager_resume(Manager *m, const char *job);

/* The same for all jobs, those to come included; beside what was said about each. 0 also when it was so already. */
int manager_pause_all(Manager *m);
int manager_resume_all(Manager *m);
bool manager_is_paused(const Manager *m);

/* Creates a job that runs once, at a time (µs of CLOCK_REALTIME; 0: as soon as its other conditions allow), and is
 * then removed. text: its file without that time. name: NULL or "": one is made. It is on disk when this returns.
 * -ERANGE: the time has passed; -EEXIST: there is a job with that name, or a file of one; -ENOTEMPTY: there are
 * drop-ins for one; -ENOENT: it is no name; -EINVAL: *reterr says what is wrong with the text, and is the caller's;
 * -ENOBUFS: there are too many; -EIO: it cannot be written; -ESHUTDOWN, -ENOMEM. */
#define ONCE_JOBS_MAX 10000
int manager_add_once(Manager *m, const char *name, usec_t at, const char *text, char **reterr, const Job **ret);

/* Removes such a job before its time, which is recorded. -ENOENT; -EADDRINUSE: its file belongs to somebody else;
 * -EBUSY: it has a run, which can be cancelled; or the errno of a disk. */
int manager_remove_once(Manager *m, const char *name);

/* Forgets that the job failed: its alarms, a retry that waits, that result, also over a restart; when it last ran and
 * succeeded stays. Does nothing to a job that did not fail. -ENOENT. */
int manager_reset_failed(Manager *m, const char *job);

/* The same until a point in time, µs of CLOCK_REALTIME. -ENOENT; -EINVAL when it has passed. */
int manager_pause_until(Manager *m, const char *job, usec_t until);

/* The next count occurrences of the job's triggers are recorded as skipped; 0 takes that back. -ENOENT; -ERANGE above
 * MANAGER_SKIP_MAX. */
#define MANAGER_SKIP_MAX 10000
int manager_skip(Manager *m, const char *job, unsigned count);

/* Reads all files again and puts the difference into force. What is wrong is in manager_diagnostics() afterwards.
 * An invalid vaktd.conf keeps the current settings and is a diagnostic. Negative errno only when nothing could be
 * done. */
int manager_reload(Manager *m);

JobTable *manager_jobs(Manager *m);
const Diagnostics *manager_diagnostics(Manager *m);
/* Why the ledger is in memory only for now, a message that is valid until the loop turns; NULL when all is well. */
const char *manager_ledger_error(Manager *m);
unsigned manager_n_running(const Manager *m);
unsigned manager_n_queued(const Manager *m);
usec_t manager_started_at(const Manager *m); /* realtime µs of manager_start() */
usec_t manager_loaded_at(const Manager *m);  /* realtime µs from before the files were last read */
int manager_unchanged_directories(Manager *m,
                                  int (*visit)(const char *path, dev_t device, ino_t inode, bool has_dropins,
                                               void *userdata),
                                  void *userdata); /* as job_loader_unchanged() */
const ManagerOptions *manager_options(const Manager *m);

/* A live or remembered run; valid until the loop turns. NULL when unknown. */
const RunRecord *manager_get_run(Manager *m, uint64_t id);

/* Live and remembered runs, newest (highest id) first. job may be NULL (all); before: ids below this one only, 0 =
 * all; limit: at most so many. visit() returning nonzero ends the walk and is returned. */
int manager_list_runs(Manager *m, const char *job, uint64_t before, unsigned limit,
                      int (*visit)(const RunRecord *r, void *userdata), void *userdata);

/* As ledger_query(), live runs as they are now. */
int manager_query_runs(Manager *m, const LedgerFilter *filter, int (*visit)(const RunRecord *r, void *userdata),
                       void *userdata, uint64_t *ret_next);

/* Runs that are not done, at most so many: those that have begun, then those that wait, lowest id first. */
int manager_list_live_runs(const Manager *m, unsigned limit, int (*visit)(const RunRecord *r, void *userdata),
                           void *userdata);

/* As ledger_list_alarms(): those that were raised and not cleared. */
int manager_list_alarms(Manager *m, const char *job, int (*visit)(const LedgerAlarm *alarm, void *userdata),
                        void *userdata);

/* The values that conditions of jobs have asked for, and their history: as values_list() and values_query(). A probe
 * is written as in a condition; -EINVAL: it is not (reterr), -ENOENT: there is no such value. */
int manager_list_values(const Manager *m, ValuesVisit visit, void *userdata);
int manager_get_values_unit(const Manager *m, const char *probe, ConditionUnit *ret, ConditionError *reterr);
int manager_query_values(Manager *m, const char *probe, usec_t since, usec_t until, usec_t *grain, BucketVisit visit,
                         void *userdata);

/* What a pool is doing. Pools that jobs name or vaktd.conf describes, in order of names. */
typedef struct PoolState {
        const char *name;
        unsigned slots, n_running, n_waiting;
} PoolState;
size_t manager_n_pools(const Manager *m);
PoolState manager_get_pool(const Manager *m, size_t i);

/* Name of the executor: "unit" or "child". */
const char *manager_executor(const Manager *m);

/* The next n elapses of a job's timers as planned, realtime µs in order. Returns how many there are. */
size_t manager_next_elapses(Manager *m, const Job *job, usec_t *ret, size_t n);

/* When the job's next retry is due, realtime µs; 0: none waits for its time. */
usec_t manager_next_retry(const Manager *m, const Job *job);

typedef int (*ExplainVisit)(const char *topic, const char *message, void *userdata);
typedef int (*CounterVisit)(const char *name, uint64_t value, void *userdata);
typedef int (*PlanVisit)(const char *path, size_t n, void *userdata);
typedef int (*TriggerVisit)(const char *key, const char *value, const char *state, const char *message,
                            void *userdata);

/* What the job waits for and why, in a few messages, each under a word ("state", "timer", "queue", "last"). A visit
 * that returns negative ends it and is returned. */
int manager_explain(Manager *m, const Job *job, ExplainVisit visit, void *userdata);

/* What may ask for runs of the job, of all kinds. key, value: as written; state: of what is watched "starting",
 * "waiting", "active", "degraded", else ""; message: what is the matter and what to do, or "". A visit that returns
 * negative ends it and is returned. */
int manager_list_triggers(Manager *m, const Job *job, TriggerVisit visit, void *userdata);

/* Numbers of all watches of the job together, each under a word: "events", "overflows", "rescans", "synthetic",
 * "duplicates", "reported", "waiting", "directories", "files" and so on. */
int manager_list_watch_counters(Manager *m, const Job *job, CounterVisit visit, void *userdata);

/* What the job's [Path] matches at this moment: absolute paths, n bytes, in no order. A visit that returns nonzero
 * ends it and is returned; 1 also when there is more than can be looked at in one turn. *ret_most: how many that would
 * give at the most, when it is not 0 that is returned. */
int manager_plan(Manager *m, const Job *job, PlanVisit visit, void *userdata, uint64_t *ret_most);

/* What is known of one file (n bytes, absolute), in messages as of manager_explain(): which watch covers it or which
 * filter leaves it out, when it was seen, what it waits for, which run has it. */
int manager_explain_path(Manager *m, const Job *job, const char *path, size_t n, ExplainVisit visit, void *userdata);

/* Writes what the daemon knows about itself to the log (SIGUSR1). */
void manager_dump(Manager *m);

/* One line for STATUS=: "12 jobs, 2 running, next backup in 3 h". Fills buf, returns it. */
#define MANAGER_STATUS_MAX 256
char *manager_status(Manager *m, char buf[static MANAGER_STATUS_MAX], usec_t now_realtime);
