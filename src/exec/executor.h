#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Starting, following and stopping runs, whatever they are made of: one small table of functions an executor, and
 * callbacks that report up. An execution is one run in the hands of an executor.
 *
 * Exactly once is a game of three: core writes a run down as "starting" before it calls start(); the executor reports
 * its end by ended(), and keeps what it must to report it again (a unit in the service manager) until core has called
 * acknowledge(), after that end stands in the ledger. A daemon that starts hands every run that was under way to
 * adopt().
 */

#include <systemd/sd-event.h>

#include "job/job-def.h"
#include "job/run.h"

#define EXECUTOR_STOP_USEC (10 * USEC_PER_SEC) /* from SIGTERM to SIGKILL, where TimeoutStopSec= says nothing */

typedef struct Executor Executor;
typedef struct Execution Execution;

/* How a run ended: success, exit, signal, timeout, oom, cancelled, start-failed, skipped (the unit's own conditions
 * did not hold) or lost, never none. */
typedef struct ExecOutcome {
        RunResult result;
        int code;             /* as RunRecord.code */
        const char *reason;   /* a message, or NULL; valid during the call */
        usec_t started;       /* realtime µs, 0 = not known or as it was reported before */
        usec_t ended;         /* realtime µs, 0 = just now */
        usec_t cpu;           /* µs, USEC_INFINITY = not known */
        uint64_t memory_peak; /* bytes, UINT64_MAX = not known */
} ExecOutcome;

#define EXEC_OUTCOME_INIT \
        { .cpu = USEC_INFINITY, .memory_peak = UINT64_MAX }

/* What a run can be found again by. */
typedef struct ExecIdentity {
        pid_t pid;             /* main process, 0 = not known */
        uint64_t pid_start;    /* field 22 of /proc/PID/stat, 0 = not known */
        const char *unit;      /* or NULL; valid during the call */
        sd_id128_t invocation; /* or null */
} ExecIdentity;

typedef enum ExecFound {
        EXEC_FOUND_FOREIGN,   /* not ours: leave it alone */
        EXEC_FOUND_WRITTEN,   /* its end is in the ledger, its release was cut off: release it when it is over */
        EXEC_FOUND_FORGOTTEN, /* nothing is known of it: the ledger was in memory only */
} ExecFound;

typedef struct ExecutionRequest ExecutionRequest;

/* Called from the loop; started() also from within start(), the others never. cookie is what start() or adopt() was
 * given. */
typedef struct ExecutorCallbacks {
        void (*started)(void *cookie, const ExecIdentity *identity); /* also when that changes: a further command */
        void (*output)(void *cookie, const char *line, size_t n, bool is_stderr); /* a line without its newline */
        void (*status)(void *cookie, const char *text);          /* what the run says about itself by sd_notify(3) */
        void (*ended)(void *cookie, const ExecOutcome *outcome); /* frees the execution */
        /* It was surely not started, and cannot be for now: it goes back to where it waited. Frees the execution. */
        void (*put_back)(void *cookie);
        /* The machine goes down: whatever is started now is put back. False: it stays up after all. userdata is what
         * the executor was made with, as below. */
        void (*held)(void *userdata, bool held);
        void (*drained)(void *userdata); /* what drain() has to wait for is over */
        /* There is a unit that looks like a run of ours and that was not asked for. */
        ExecFound (*found)(void *userdata, const char *job, uint64_t run);
        /* What is known of a forgotten one, valid during the call: of run the id, job and unit; from its environment
         * the cause, attempt, scheduled, parent, parent_job and alarm; and if it was given files, these, and when:
         * run->requested. Comes before the end of any run that was adopted. */
        void (*forgotten)(void *userdata, const ExecutionRequest *request, bool is_over);
        /* All units that were there when we began were told of. Comes again after every later look at all units. May
         * be NULL. */
        void (*surveyed)(void *userdata);
} ExecutorCallbacks;

struct ExecutionRequest {
        const JobDef *def;    /* referenced by the executor as long as it needs it; NULL only for adopt(): unknown */
        const RunRecord *run; /* read during the call only */
        usec_t timeout;       /* µs for the whole run, USEC_INFINITY = none */
        bool follow;          /* lines of output are wanted by output(), wherever else they go */
        bool other_boot;      /* adopt(): the machine was booted since. Followed if it is there after all */
        const RunRecord *parent; /* of a chain: the run that asked for this one, read during the call only; or NULL */
        const char *paths;       /* what a path trigger gave it, read during the call only: paths, any bytes, each
                                  * with a NUL behind it; or NULL */
        size_t paths_size;       /* bytes, with the NULs */
        bool one_path;           /* it is one path: $VAKT_PATH; else a list: standard input and the file $VAKT_PATHS */
        char *const
                *variables; /* "VAKT_NAME=value", what else a trigger gave it, read during the call only; or NULL */
};

typedef struct ExecutorOps {
        const char *name;
        bool outlives_daemon; /* runs go on when the daemon stops, and are adopted by the next one */
        /* The unit that a run will be in, for its record, before it is started: start() comes soon. NULL: there are
         * none. */
        int (*name_unit)(Executor *e, const JobDef *def, const RunRecord *run, char **ret);
        /* Takes a run on. What fails later, or at once, comes by ended(). Negative errno: nothing was begun. */
        int (*start)(Executor *e, const ExecutionRequest *request, void *cookie, Execution **ret);
        /* Takes on a run that an earlier daemon of this boot wrote down as starting, running or stopping. It is
         * followed where it still runs, its end is reported where that is known, it is started when it surely never
         * was (with request->def, in the same boot), and is reported lost otherwise. Nothing is reported from
         * within. */
        int (*adopt)(Executor *e, const ExecutionRequest *request, void *cookie, Execution **ret);
        /* Ends it: by the unit's or job's own rules, SIGTERM and later SIGKILL. ended() reports result. A second call
         * changes nothing. */
        void (*stop)(Execution *x, RunResult result);
        /* The daemon is about to end: what was not begun is put back, and what is about to be known (that a run has
         * started, or how one ended) is waited for. True: there is nothing of it; else drained() is called once there
         * is not, if the service manager answers. NULL: always true. */
        bool (*drain)(Executor *e);
        /* All that was reported by ended() so far is in the ledger: what was kept for a second report may go. */
        void (*acknowledge)(Executor *e);
        /* Lets go of it, nothing is reported: what still runs is killed, unless the executor outlives the daemon. */
        Execution *(*free_execution)(Execution *x);
        Executor *(*free)(Executor *e);
} ExecutorOps;

/* Every executor and every execution begins with its ops. */
struct Executor {
        const ExecutorOps *ops;
};
struct Execution {
        const ExecutorOps *ops;
};

static inline Executor *executor_free(Executor *e) {
        return e ? e->ops->free(e) : NULL;
}
static inline Execution *execution_free(Execution *x) {
        return x ? x->ops->free_execution(x) : NULL;
}
DEFINE_CLEANUP(Executor, executor_free)

typedef struct ExecutorOptions {
        ExecutorCallbacks callbacks;
        void *userdata;          /* of held(), drained(), found(), forgotten(), surveyed() */
        bool user_instance;      /* the user's environment, home and service manager instead of the system's */
        const char *runtime_dir; /* /run/vaktd or the like, for sockets; may be NULL */
} ExecutorOptions;

/* Runs jobs as own children: a session and process group a run, followed by pidfd; a cgroup a run where one is
 * delegated. Output goes line by line to where the daemon's own log goes (log_output()). SIGCHLD must be blocked. */
int child_executor_new(Executor **ret, sd_event *event, const ExecutorOptions *options);

/* Runs jobs as transient units of the service manager. -EHOSTDOWN: there is none here (not booted by systemd, or no
 * user manager). A manager that is there and does not answer is waited for. */
int unit_executor_new(Executor **ret, sd_event *event, const ExecutorOptions *options);

/* What unit_executor_new() looks at first: true when a service manager can be talked to. Cheap. */
bool unit_executor_is_available(bool user_instance);
