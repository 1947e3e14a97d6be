#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the files of the child executor share: exec-child.c (the executor, a run's life and end), child-spawn.c (how
 * one command of it is started), child-adopt.c (runs of an earlier daemon), child-reaper.c (other people's children).
 */

#include "exec/child-cgroup.h"
#include "exec/child-leaving.h"
#include "exec/child-notify.h"
#include "exec/child-settings.h"
#include "exec/executor.h"
#include "exec/output.h"
#include "exec/files-directory.h"
#include "util/spawn-process.h"

#include <signal.h>

#define CHILD_TIMER_ACCURACY_USEC (10 * USEC_PER_MSEC)
#define CHILD_BUCKETS             1024

typedef struct ChildExecution ChildExecution;

typedef struct ChildExecutor {
        Executor base;
        sd_event *event;
        ExecutorCallbacks callbacks;
        char **environment;
        char *directory; /* where runs start */
        char *runtime_dir;
        FilesDirectory *lists;
        sd_event_source *sweep_source;
        sd_event_source *reaper_source; /* where we are the parent of orphans */
        int null_fd;
        sigset_t ignored; /* signals, by us */
        int helper_fd;    /* vakt-exec, kept open so that it stays the one of our own build; negative errno: it is not
                             there */
        char helper_path[sizeof("/proc/self/fd/2147483647")];
        ChildCgroup *cgroup; /* NULL = none was delegated */
        ChildLeaving *leaving;
        ChildNotify *notify; /* from the first run on */
        bool notify_failed;
        long own_maxrss;                        /* KiB, of us at least */
        bool knows_ticks;                       /* our clock and the start of processes in /proc go together */
        ChildExecution *buckets[CHILD_BUCKETS]; /* that have a process, by its pid */
        ChildExecution *adopted, *resolving;    /* that must still be looked for, that are looked for just now */
        sd_event_source *adopt_source;
} ChildExecutor;

struct ChildExecution {
        Execution base;
        ChildExecutor *executor;
        void *cookie;
        JobDef *def; /* NULL: adopted, and not known any more */
        char *job;
        uint64_t run;
        char **environment;
        char *list;    /* file with its paths, or NULL */
        bool has_list; /* that is there, and to be removed */
        ChildKill kill;
        size_t command; /* the one that runs */

        SpawnProcess spawn; /* of the command that runs, with … */
        char *program;      /* … what it is given, if that is not of the definition: in which $VAR was expanded */
        char **arguments;

        pid_t pid; /* of its main process, 0 = none yet */
        uint64_t pid_start;
        ChildExecution *next_in_bucket;
        sd_event_source *child_source; /* our own child */
        sd_event_source *pidfd_source; /* an adopted one */
        sd_event_source *timeout_source, *kill_source, *failed_source;

        Output *output, *error;
        int output_fd, error_fd; /* what the next command gets as its streams; the second only if it is another one */
        int answer_fd;           /* where vakt-exec says why it could not */
        bool with_helper, has_group, follow;

        RunResult stop_result; /* none = not told to stop */
        int failure;           /* errno of a start that failed */
        char *failure_reason;
        usec_t cpu; /* of the commands that have ended; of all by the group where there is one */
        uint64_t memory_peak;

        /* of an adopted one */
        ChildExecution *next_adopted;
        bool in_list, was_starting;
        bool is_wanted; /* its main process may be another than the recorded one */
        pid_t recorded_pid, found_pid;
        uint64_t recorded_start, found_start;
        usec_t adopted_started; /* realtime µs */
        usec_t timeout;
};

/* --- exec-child.c --- */

ChildExecution *child_execution_by_pid(const ChildExecutor *e, pid_t pid);

/* Its main process is this one now. Tells core unless it knew. */
void child_execution_set_process(ChildExecution *x, pid_t pid, uint64_t start);

/* Allocates an execution, everything that both a start and an adoption want. */
int child_execution_new(ChildExecution **ret, ChildExecutor *e, const ExecutionRequest *request, void *cookie);
void child_execution_freep(ChildExecution **x);

/* Sends KillSignal=, and SIGKILL later. */
void child_execution_terminate(ChildExecution *x);

/* Sends SIGKILL to what is left of a run whose main process is gone, as far as KillMode= lets us. */
void child_execution_kill_rest(const ChildExecution *x);

/* From now on it may last so long, µs. */
int child_execution_arm_timeout(ChildExecution *x, usec_t timeout);

/* Fills in what the run used, and reports. Frees x. */
void child_execution_report(ChildExecution *x, ExecOutcome *outcome);

/* Opens the socket for STATUS=. Failure is logged, once. */
void child_executor_open_notify(ChildExecutor *e);

/* --- child-reaper.c --- */

int child_executor_add_reaper(ChildExecutor *e);

/* Waits for what has ended and is not ours. */
void child_executor_reap(ChildExecutor *e);

/* --- child-spawn.c --- */

typedef struct ChildProcess {
        pid_t pid;
        int pidfd; /* -EBADF where the kernel gives none; the caller's to close */
} ChildProcess;

/* Starts the command whose turn it is, without waiting until it is executed. Negative errno: nothing runs;
 * failure_reason may say why. */
int child_spawn(ChildExecution *x, ChildProcess *ret);

/* Why the command that was waited for was not executed: a negative errno, perhaps with a message in failure_reason. 0:
 * it was. */
int child_spawn_answer(ChildExecution *x);

/* --- child-adopt.c --- */

int child_adopt(Executor *base, const ExecutionRequest *request, void *cookie, Execution **ret);

/* Takes it off the list of those that must be looked for. */
void child_adopt_forget(ChildExecution *x);
