#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Starting, following and stopping runs, whatever they are made of: one small table of functions an executor, and
 * callbacks that report up. An execution is one run in the hands of an executor. DESIGN section 8. */

#include <systemd/sd-event.h>

#include "job/job-def.h"
#include "job/run.h"

#define EXECUTOR_STOP_USEC (10 * USEC_PER_SEC) /* from SIGTERM to SIGKILL */

typedef struct Executor Executor;
typedef struct Execution Execution;

/* How a run ended: success, exit, signal, timeout, cancelled or start-failed, never none. */
typedef struct ExecOutcome {
        RunResult result;
        int code;           /* as RunRecord.code */
        const char *reason; /* a sentence, or NULL; valid during the call */
} ExecOutcome;

/* Called from the loop; started() also from within start(), the others never. cookie is what start() was given. */
typedef struct ExecutorCallbacks {
        void (*started)(void *cookie, pid_t pid); /* also for each further command of the run */
        void (*output)(void *cookie, const char *line, size_t n, bool is_stderr); /* a line without its newline */
        void (*ended)(void *cookie, const ExecOutcome *outcome);                  /* frees the execution */
} ExecutorCallbacks;

typedef struct ExecutionRequest {
        const JobDef *def;    /* referenced by the executor as long as it needs it */
        const RunRecord *run; /* read during start() only */
        usec_t timeout;       /* µs for the whole run, USEC_INFINITY = none */
        bool follow;          /* lines of output are wanted by output(), wherever else they go */
} ExecutionRequest;

typedef struct ExecutorOps {
        const char *name;
        /* Takes a run on. What fails later, or at once, comes by ended(). Negative errno: nothing was begun. */
        int (*start)(Executor *e, const ExecutionRequest *request, void *cookie, Execution **ret);
        /* Ends it: SIGTERM, and SIGKILL after EXECUTOR_STOP_USEC. ended() reports result. A second call changes
         * nothing. */
        void (*stop)(Execution *x, RunResult result);
        /* Lets go of it: what still runs is killed, nothing is reported. */
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

/* Runs jobs as own children: a session and process group a run, followed by pidfd. Output goes line by
 * line to where the daemon's own log goes (log_output()). user_instance: the environment and folder of the user's
 * service manager instead of the system's. SIGCHLD must be blocked. */
int child_executor_new(Executor **ret, sd_event *event, const ExecutorCallbacks *callbacks, bool user_instance);
