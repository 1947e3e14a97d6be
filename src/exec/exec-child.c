/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The executor that needs nothing but a kernel: a run is a chain of children, one a command, each leader of a session
 * and process group of its own. A run is over when its main process is; whatever that left in its group is killed
 * then, while the zombie still holds the group's number. There is no sandbox here: [Service] settings are the unit
 * executor's.
 *
 * Output comes to us through a pipe and goes on line by line, with the job and the run as fields of the journal. A
 * stream of the child's own to the journal could carry neither, and journald does not know the unit of a process that
 * is gone before its line is read. */

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/wait.h>

#include "exec/environment.h"
#include "exec/executor.h"
#include "exec/output.h"
#include "util/log.h"
#include "util/nofile.h"
#include "util/strv.h"

#define CHILD_TIMER_ACCURACY_USEC (10 * USEC_PER_MSEC)

typedef struct ChildExecutor {
        Executor base;
        sd_event *event;
        ExecutorCallbacks callbacks;
        char **environment;
        char *folder; /* where runs start */
        int null_fd;
        posix_spawnattr_t attributes;
        bool has_attributes;
} ChildExecutor;

typedef struct ChildExecution {
        Execution base;
        ChildExecutor *executor;
        void *cookie;
        JobDef *def;
        char *job;
        uint64_t run;
        char **environment;
        size_t command; /* the one that runs */
        pid_t pid;
        sd_event_source *child_source, *timeout_source, *kill_source, *failed_source;
        Output *output, *error;
        int output_fd, error_fd; /* what the next command gets as its streams */
        bool follow;
        RunResult stop_result; /* none = not told to stop */
        int failure;           /* errno of a start that failed */
} ChildExecution;

/* --- ending --- */

static void execution_report(ChildExecution *x, const ExecOutcome *outcome) {
        if (x->output)
                output_finish(x->output);
        if (x->error)
                output_finish(x->error);
        x->executor->callbacks.ended(x->cookie, outcome); /* frees x */
}

static void execution_report_failure(ChildExecution *x) {
        const char *path = x->def->commands[x->command].path;
        ExecOutcome outcome = { .result = RUN_RESULT_START_FAILED, .code = x->failure };
        char reason[512];

        (void)snprintf(reason, sizeof(reason), "Cannot execute %s: %s.", path, strerror(x->failure));
        outcome.reason = reason;
        execution_report(x, &outcome);
}

static int on_failed(sd_event_source *s, void *userdata) {
        execution_report_failure(userdata);
        return 0;
}

static void kill_group(const ChildExecution *x, int sig) {
        if (x->pid > 0 && kill(-x->pid, sig) < 0 && errno != ESRCH)
                log_warning_errno(errno, "Cannot send signal %d to process group %d: %m, ignoring", sig, x->pid);
}

static int on_kill_time(sd_event_source *s, uint64_t usec, void *userdata) {
        kill_group(userdata, SIGKILL);
        return 0;
}

static void child_stop(Execution *base, RunResult result) {
        ChildExecution *x = (ChildExecution *)base;
        int r;

        if (x->stop_result != RUN_RESULT_NONE || x->pid <= 0)
                return;
        x->stop_result = result;
        kill_group(x, SIGTERM);
        kill_group(x, SIGCONT);
        r = sd_event_add_time_relative(x->executor->event, &x->kill_source, CLOCK_MONOTONIC, EXECUTOR_STOP_USEC,
                                       CHILD_TIMER_ACCURACY_USEC, on_kill_time, x);
        if (r < 0)
                kill_group(x, SIGKILL);
        else
                (void)sd_event_source_set_description(x->kill_source, "run-kill");
}

static int on_timeout(sd_event_source *s, uint64_t usec, void *userdata) {
        ChildExecution *x = userdata;

        child_stop(&x->base, RUN_RESULT_TIMEOUT);
        return 0;
}

static Execution *child_free_execution(Execution *base) {
        ChildExecution *x = (ChildExecution *)base;

        if (x->child_source)
                kill_group(x, SIGKILL);
        sd_event_source_disable_unref(x->child_source); /* reaps what it still owns */
        sd_event_source_disable_unref(x->timeout_source);
        sd_event_source_disable_unref(x->kill_source);
        sd_event_source_disable_unref(x->failed_source);
        output_free(x->output);
        output_free(x->error);
        safe_close(x->output_fd);
        safe_close(x->error_fd);
        strv_free(x->environment);
        job_def_unref(x->def);
        free(x->job);
        return mfree(x);
}

static void child_free_executionp(ChildExecution **x) {
        if (*x)
                (void)child_free_execution(&(*x)->base);
}

/* --- one command --- */

/* The program as execve() wants it: a plain name is looked up in the PATH of the run. */
static int find_program(const ChildExecution *x, const char *name, char **ret) {
        const char *path = strempty(strv_env_get(x->environment, "PATH", strlen("PATH")));

        if (strchr(name, '/')) {
                *ret = strdup(name);
                return *ret ? 0 : -ENOMEM;
        }
        while (*path) {
                size_t n = strcspn(path, ":");
                _cleanup_free_ char *candidate = NULL;

                if (asprintf(&candidate, "%.*s/%s", (int)n, path, name) < 0) {
                        candidate = NULL;
                        return -ENOMEM;
                }
                if (n > 0 && access(candidate, X_OK) == 0) {
                        *ret = TAKE_PTR(candidate);
                        return 0;
                }
                path += n;
                path += *path == ':';
        }
        return -ENOENT;
}

static int spawn_program(ChildExecution *x, const char *program, char *const *argv) {
        const ChildExecutor *e = x->executor;
        posix_spawn_file_actions_t actions;
        int r;

        r = posix_spawn_file_actions_init(&actions);
        if (r != 0)
                return -r;
        r = posix_spawn_file_actions_adddup2(&actions, e->null_fd, STDIN_FILENO);
        if (r == 0)
                r = posix_spawn_file_actions_adddup2(&actions, x->output_fd, STDOUT_FILENO);
        if (r == 0)
                r = posix_spawn_file_actions_adddup2(&actions, x->error_fd, STDERR_FILENO);
        if (r == 0)
                r = posix_spawn_file_actions_addchdir_np(&actions, e->folder);
        if (r == 0) {
                nofile_limit_restore();
                r = posix_spawn(&x->pid, program, &actions, &e->attributes, argv, x->environment);
                nofile_limit_raise();
        }
        posix_spawn_file_actions_destroy(&actions);
        return -r;
}

static int on_child(sd_event_source *s, const siginfo_t *si, void *userdata);

static int execution_spawn(ChildExecution *x) {
        const CommandDef *command = &x->def->commands[x->command];
        _cleanup_(strv_freep) char **expanded = NULL;
        _cleanup_free_ char *program = NULL;
        int r;

        r = find_program(x, command->path, &program);
        if (r >= 0 && !(command->flags & COMMAND_NO_EXPAND))
                r = arguments_expand(&expanded, command->argv, x->environment);
        if (r < 0)
                return r;
        x->pid = 0;
        r = spawn_program(x, program, expanded ?: command->argv);
        if (r < 0)
                return r;
        r = sd_event_add_child(x->executor->event, &x->child_source, x->pid, WEXITED, on_child, x);
        if (r < 0) {
                kill_group(x, SIGKILL);
                (void)waitpid(x->pid, NULL, 0);
                x->pid = 0;
                return r;
        }
        (void)sd_event_source_set_child_process_own(x->child_source, true);
        (void)sd_event_source_set_description(x->child_source, "run-child");
        /* Its end takes what is left in the pipes along, so that they need not be looked at once more. */
        (void)sd_event_source_set_priority(x->child_source, SD_EVENT_PRIORITY_IMPORTANT);
        x->executor->callbacks.started(x->cookie, x->pid);
        return 0;
}

static ExecOutcome outcome_of(const ChildExecution *x, const siginfo_t *si) {
        bool exited = si->si_code == CLD_EXITED;
        ExecOutcome o = { .code = si->si_status };

        if (x->stop_result != RUN_RESULT_NONE) {
                o.result = x->stop_result;
                o.code = exited ? 0 : si->si_status;
        } else if (!exited)
                o.result = RUN_RESULT_SIGNAL;
        else
                o.result = si->si_status == 0 ? RUN_RESULT_SUCCESS : RUN_RESULT_EXIT;
        return o;
}

static int on_child(sd_event_source *s, const siginfo_t *si, void *userdata) {
        ChildExecution *x = userdata;
        ExecOutcome outcome = outcome_of(x, si);
        int r;

        kill_group(x, SIGKILL);
        x->child_source = sd_event_source_disable_unref(x->child_source);
        if (x->stop_result == RUN_RESULT_NONE) {
                if (outcome.result != RUN_RESULT_SUCCESS &&
                    (x->def->commands[x->command].flags & COMMAND_IGNORE_FAILURE))
                        outcome = (ExecOutcome){ .result = RUN_RESULT_SUCCESS };
                if (outcome.result == RUN_RESULT_SUCCESS && x->command + 1 < x->def->n_commands) {
                        x->command++;
                        r = execution_spawn(x);
                        if (r >= 0)
                                return 0;
                        x->failure = -r;
                        execution_report_failure(x);
                        return 0;
                }
        }
        execution_report(x, &outcome);
        return 0;
}

/* --- starting --- */

static void on_line(void *userdata, const char *line, size_t n, bool is_stderr) {
        ChildExecution *x = userdata;

        log_output(x->job, x->run, line, n, is_stderr);
        if (x->follow)
                x->executor->callbacks.output(x->cookie, line, n, is_stderr);
}

static int execution_open_output(ChildExecution *x) {
        int r;

        r = output_new(&x->output, &x->output_fd, x->executor->event, /* is_stderr= */ false, on_line, x);
        if (r < 0)
                return r;
        if (!x->follow) { /* one pipe for both keeps their lines in order, and is cheaper */
                x->error_fd = fcntl(x->output_fd, F_DUPFD_CLOEXEC, 3);
                return x->error_fd < 0 ? -errno : 0;
        }
        return output_new(&x->error, &x->error_fd, x->executor->event, /* is_stderr= */ true, on_line, x);
}

static int execution_arm_timeout(ChildExecution *x, usec_t timeout) {
        int r;

        if (timeout == USEC_INFINITY)
                return 0;
        r = sd_event_add_time_relative(x->executor->event, &x->timeout_source, CLOCK_MONOTONIC, timeout,
                                       CHILD_TIMER_ACCURACY_USEC, on_timeout, x);
        if (r < 0)
                return r;
        (void)sd_event_source_set_description(x->timeout_source, "run-timeout");
        return 0;
}

static int execution_prepare(ChildExecution *x, const ExecutionRequest *request) {
        int r;

        x->job = strdup(request->run->job);
        if (!x->job)
                return -ENOMEM;
        r = environment_for_run(&x->environment, x->executor->environment, request->run);
        if (r >= 0)
                r = execution_open_output(x);
        if (r >= 0)
                r = execution_arm_timeout(x, request->timeout);
        return r;
}

static int child_start(Executor *base, const ExecutionRequest *request, void *cookie, Execution **ret) {
        _cleanup_(child_free_executionp) ChildExecution *x = NULL;
        int r;

        x = malloc(sizeof(*x));
        if (!x)
                return -ENOMEM;
        *x = (ChildExecution){
                .base.ops = base->ops,
                .executor = (ChildExecutor *)base,
                .cookie = cookie,
                .def = job_def_ref((JobDef *)request->def),
                .run = request->run->id,
                .output_fd = -EBADF,
                .error_fd = -EBADF,
                .follow = request->follow,
        };
        r = execution_prepare(x, request);
        if (r < 0)
                return r;

        r = execution_spawn(x);
        if (r < 0) {
                x->failure = -r;
                r = sd_event_add_defer(x->executor->event, &x->failed_source, on_failed, x);
                if (r < 0)
                        return r;
                (void)sd_event_source_set_description(x->failed_source, "run-failed");
        } else if (x->def->n_commands == 1) {
                x->output_fd = safe_close(x->output_fd);
                x->error_fd = safe_close(x->error_fd);
        }
        *ret = &TAKE_PTR(x)->base;
        return 0;
}

/* --- the executor --- */

static Executor *child_free(Executor *base) {
        ChildExecutor *e = (ChildExecutor *)base;

        if (e->has_attributes)
                posix_spawnattr_destroy(&e->attributes);
        safe_close(e->null_fd);
        strv_free(e->environment);
        free(e->folder);
        sd_event_unref(e->event);
        return mfree(e);
}

static void child_freep(ChildExecutor **e) {
        if (*e)
                (void)child_free(&(*e)->base);
}

/* A run begins with every signal at its default and none blocked, whatever the daemon does with its own. */
static int executor_set_attributes(ChildExecutor *e) {
        sigset_t all, none;
        int r;

        (void)sigfillset(&all);
        (void)sigemptyset(&none);
        r = posix_spawnattr_init(&e->attributes);
        if (r != 0)
                return -r;
        e->has_attributes = true;
        r = posix_spawnattr_setflags(&e->attributes,
                                     POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
        if (r == 0)
                r = posix_spawnattr_setsigmask(&e->attributes, &none);
        if (r == 0)
                r = posix_spawnattr_setsigdefault(&e->attributes, &all);
        return -r;
}

static const ExecutorOps child_ops = {
        .name = "child",
        .start = child_start,
        .stop = child_stop,
        .free_execution = child_free_execution,
        .free = child_free,
};

int child_executor_new(Executor **ret, sd_event *event, const ExecutorCallbacks *callbacks, bool user_instance) {
        _cleanup_(child_freep) ChildExecutor *e = NULL;
        const char *home;
        int r;

        e = malloc(sizeof(*e));
        if (!e)
                return -ENOMEM;
        *e = (ChildExecutor){
                .base.ops = &child_ops,
                .event = sd_event_ref(event),
                .callbacks = *callbacks,
                .null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC | O_NOCTTY),
        };
        if (e->null_fd < 0)
                return -errno;
        r = environment_base(&e->environment, user_instance);
        if (r < 0)
                return r;
        home = user_instance ? strv_env_get(e->environment, "HOME", strlen("HOME")) : NULL;
        e->folder = strdup(home ?: "/");
        if (!e->folder)
                return -ENOMEM;
        r = executor_set_attributes(e);
        if (r < 0)
                return r;
        *ret = &TAKE_PTR(e)->base;
        return 0;
}
