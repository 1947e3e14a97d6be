/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The executor that needs nothing but a kernel: a run is a chain of children, one a command, each leader of a session
 * and process group of its own, and all in a control group of the run's own where one was delegated to us. A run is
 * over when its main process is; whatever that left behind is killed then, unless KillMode= says otherwise: by the
 * control group, else in its process group, while the zombie still holds the group's number. Settings of [Service]
 * that ask for a sandbox are the unit executor's.
 *
 * Output comes to us through a pipe and goes on line by line, with the job and the run as fields of the journal. A
 * stream of the child's own to the journal could carry neither, and journald does not know the unit of a process that
 * is gone before its line is read. */

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "config.h"
#include "exec/child-environment.h"
#include "exec/child-internal.h"
#include "exec/child-process.h"
#include "exec/environment.h"
#include "exec/start-diagnosis.h"
#include "util/log.h"
#include "util/spawn-process.h"
#include "util/strv.h"

/* --- main processes, by pid --- */

static ChildExecution **bucket_of(const ChildExecutor *e, pid_t pid) {
        return (ChildExecution **)&e->buckets[(unsigned)pid % CHILD_BUCKETS];
}

ChildExecution *child_execution_by_pid(const ChildExecutor *e, pid_t pid) {
        ChildExecution *x = *bucket_of(e, pid);

        while (x && x->pid != pid)
                x = x->next_in_bucket;
        return x;
}

static void forget_process(ChildExecution *x) {
        if (x->pid <= 0)
                return;
        for (ChildExecution **p = bucket_of(x->executor, x->pid); *p; p = &(*p)->next_in_bucket)
                if (*p == x) {
                        *p = x->next_in_bucket;
                        break;
                }
        x->pid = 0;
        x->pid_start = 0;
}

void child_execution_set_process(ChildExecution *x, pid_t pid, uint64_t start) {
        ChildExecution **bucket = bucket_of(x->executor, pid);

        assert(pid > 0);
        forget_process(x);
        x->pid = pid;
        x->pid_start = start;
        x->next_in_bucket = *bucket;
        *bucket = x;
}

/* --- ending --- */

void child_execution_report(ChildExecution *x, ExecOutcome *outcome) {
        assert(outcome->result != RUN_RESULT_NONE);
        if (x->output)
                output_finish(x->output);
        if (x->error)
                output_finish(x->error);
        outcome->cpu = x->cpu;
        outcome->memory_peak = x->memory_peak;
        if (x->has_group) {
                ChildUsage usage = child_cgroup_usage(x->executor->cgroup, x->run);

                outcome->cpu = usage.cpu;
                outcome->memory_peak = usage.memory_peak;
                if (outcome->result == RUN_RESULT_SIGNAL && outcome->code == SIGKILL &&
                    child_cgroup_was_oom(x->executor->cgroup, x->run))
                        outcome->result = RUN_RESULT_OOM;
        }
        x->executor->callbacks.ended(x->cookie, outcome); /* frees x */
}

static void report_failure(ChildExecution *x) {
        ExecOutcome outcome = { .result = RUN_RESULT_START_FAILED, .code = x->failure, .reason = x->failure_reason };
        char reason[512], diagnosis[DIAGNOSIS_MAX];

        assert(x->failure > 0 && x->command < x->def->n_commands);
        if (!outcome.reason) {
                describe_exec_failure(x->def->commands[x->command].path, x->failure, diagnosis);
                (void)snprintf(reason, sizeof(reason), "Cannot execute %s.", diagnosis);
                outcome.reason = reason;
        }
        child_execution_report(x, &outcome);
}

static int on_failed(sd_event_source *s, void *userdata) {
        report_failure(userdata);
        return 0;
}

/* True while the number of the main process is surely still its own. */
static bool holds_number(const ChildExecution *x) {
        ProcessInfo info;

        if (x->child_source) /* only we can reap it */
                return true;
        return x->pid > 0 && process_read(x->pid, &info) >= 0 && info.start == x->pid_start;
}

static void send_signal(pid_t pid, int sig) {
        assert(pid > 1 || pid < -1); /* else it is for everybody */
        if (kill(pid, sig) < 0 && errno != ESRCH)
                log_warning_errno(errno, "Cannot send signal %d to %s %d, ignoring: %m", sig,
                                  pid < 0 ? "process group" : "process", abs(pid));
}

/* One that has not executed its program yet is not waited for: its signals are blocked, and one that comes meanwhile
 * ends it before the program begins. */
static void signal_main(const ChildExecution *x, int sig) {
        if (holds_number(x))
                send_signal(x->pid, sig);
}

/* Until it has a session, no process group has its number. */
static void signal_session(pid_t pid, int sig) {
        assert(pid > 1);
        if (kill(-pid, sig) < 0)
                send_signal(pid, sig);
}

static void signal_all(const ChildExecution *x, int sig) {
        int r;

        if (!x->has_group) {
                if (holds_number(x))
                        signal_session(x->pid, sig);
                return;
        }
        if (x->child_source && spawn_enters_cgroup(&x->spawn)) /* asked first, or it enters in between */
                send_signal(x->pid, sig);
        r = child_cgroup_signal(x->executor->cgroup, x->run, sig);
        if (r < 0)
                log_warning_errno(r, "Cannot send signal %d to the control group of run %" PRIu64 ", ignoring: %m",
                                  sig, x->run);
}

static void kill_run(const ChildExecution *x) {
        if (x->kill.mode == CHILD_KILL_PROCESS)
                signal_main(x, SIGKILL);
        else
                signal_all(x, SIGKILL);
}

void child_execution_kill_rest(const ChildExecution *x) {
        ProcessInfo info;

        if (x->kill.mode == CHILD_KILL_PROCESS)
                return;
        if (x->has_group || holds_number(x))
                signal_all(x, x->kill.send_sigkill ? SIGKILL : x->kill.signal);
        else if (x->pid > 0 && process_read(x->pid, &info) == -ESRCH)
                /* While a group has members, no process gets its number as a pid. */
                send_signal(-x->pid, x->kill.send_sigkill ? SIGKILL : x->kill.signal);
}

static int arm_timer(ChildExecution *x, sd_event_source **source, usec_t from_now, sd_event_time_handler_t handler,
                     const char *description) {
        int r = sd_event_add_time_relative(x->executor->event, source, CLOCK_MONOTONIC, from_now,
                                           CHILD_TIMER_ACCURACY_USEC, handler, x);

        if (r >= 0)
                (void)sd_event_source_set_description(*source, description);
        return r;
}

static int on_kill_time(sd_event_source *s, uint64_t usec, void *userdata) {
        kill_run(userdata);
        return 0;
}

void child_execution_terminate(ChildExecution *x) {
        void (*send)(const ChildExecution *, int) =
                x->kill.mode == CHILD_KILL_CONTROL_GROUP ? signal_all : signal_main;

        assert(!x->kill_source); /* it is told once */
        send(x, x->kill.signal);
        send(x, SIGCONT);
        if (!x->kill.send_sigkill || x->kill.timeout == USEC_INFINITY)
                return;
        if (arm_timer(x, &x->kill_source, x->kill.timeout, on_kill_time, "run-kill") < 0)
                kill_run(x);
}

/* Nothing of it is still to come, and what its last command did is about to be reported. */
static bool is_over(const ChildExecution *x) {
        siginfo_t si = {};

        if (!x->child_source || x->command + 1 < x->def->n_commands)
                return false;
        return waitid(P_PID, (id_t)x->pid, &si, WEXITED | WNOHANG | WNOWAIT) >= 0 && si.si_pid == x->pid;
}

static void child_stop(Execution *base, RunResult result) {
        ChildExecution *x = (ChildExecution *)base;

        assert(result != RUN_RESULT_NONE); /* that is not to be told */
        if (x->stop_result != RUN_RESULT_NONE || x->failed_source || is_over(x))
                return;
        x->stop_result = result;
        if (x->pid > 0) /* else it is an adopted one that is still looked for */
                child_execution_terminate(x);
}

static int on_timeout(sd_event_source *s, uint64_t usec, void *userdata) {
        ChildExecution *x = userdata;

        child_stop(&x->base, RUN_RESULT_TIMEOUT);
        return 0;
}

int child_execution_arm_timeout(ChildExecution *x, usec_t timeout) {
        assert(!x->timeout_source);
        return timeout == USEC_INFINITY ? 0 : arm_timer(x, &x->timeout_source, timeout, on_timeout, "run-timeout");
}

/* --- one command --- */

static int on_child(sd_event_source *s, const siginfo_t *si, void *userdata);
static int on_pidfd(sd_event_source *s, int fd, uint32_t revents, void *userdata);

static void kill_and_reap(pid_t pid) {
        send_signal(pid, SIGKILL);
        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
                ;
}

/* The event loop only says that it has ended: it would wait for it twice. Without a pidfd it must. */
static int follow_child(ChildExecution *x, const ChildProcess *p) {
        sd_event *event = x->executor->event;
        int r;

        if (p->pidfd >= 0)
                r = sd_event_add_io(event, &x->child_source, p->pidfd, EPOLLIN, on_pidfd, x);
        else
                r = sd_event_add_child(event, &x->child_source, p->pid, WEXITED, on_child, x);
        if (r < 0) {
                signal_session(p->pid, SIGKILL);
                kill_and_reap(p->pid);
                safe_close(p->pidfd);
                return r;
        }
        if (p->pidfd >= 0)
                (void)sd_event_source_set_io_fd_own(x->child_source, true);
        (void)sd_event_source_set_description(x->child_source, "run-child");
        /* Its end takes what is left in the pipes along, so that they need not be looked at once more. */
        (void)sd_event_source_set_priority(x->child_source, SD_EVENT_PRIORITY_IMPORTANT);
        return 0;
}

/* Now, as the kernel writes down when a process started. */
static uint64_t now_ticks(void) {
        return now_boottime() / (USEC_PER_SEC / (uint64_t)sysconf(_SC_CLK_TCK));
}

/* When a process started that was made between the two: the same tick, mostly, or else what /proc says. That costs as
 * much as all else we do for a short run together, so it is asked only until the two were once seen to agree. */
static uint64_t start_of(ChildExecutor *e, pid_t pid, uint64_t before, uint64_t after) {
        ProcessInfo info;

        if (before == after && e->knows_ticks)
                return before;
        if (process_read(pid, &info) < 0)
                return 0;
        if (before == after)
                e->knows_ticks = info.start == before;
        return info.start;
}

static int execution_spawn(ChildExecution *x) {
        uint64_t before = now_ticks();
        ExecIdentity identity = {};
        ChildProcess process;
        int r;

        assert(!x->child_source && !x->pidfd_source && x->command < x->def->n_commands); /* one after the other */
        r = child_spawn(x, &process);
        if (r < 0)
                return r;
        identity.pid = process.pid;
        identity.pid_start = start_of(x->executor, identity.pid, before, now_ticks());
        r = follow_child(x, &process);
        if (r < 0)
                return r;
        child_execution_set_process(x, identity.pid, identity.pid_start);
        x->executor->callbacks.started(x->cookie, &identity);
        return 0;
}

static usec_t timeval_usec(const struct timeval *tv) {
        return (usec_t)tv->tv_sec * USEC_PER_SEC + (usec_t)tv->tv_usec;
}

/* The kernel counts from fork on: what looks smaller than we are may be just what we are. */
static void add_usage(ChildExecution *x, const struct rusage *theirs) {
        struct rusage ours;

        x->cpu = usec_add(x->cpu == USEC_INFINITY ? 0 : x->cpu,
                          timeval_usec(&theirs->ru_utime) + timeval_usec(&theirs->ru_stime));
        if (theirs->ru_maxrss <= x->executor->own_maxrss || getrusage(RUSAGE_SELF, &ours) < 0)
                return;
        x->executor->own_maxrss = ours.ru_maxrss;
        if (theirs->ru_maxrss <= ours.ru_maxrss)
                return;
        if (x->memory_peak == UINT64_MAX || x->memory_peak < (uint64_t)theirs->ru_maxrss * 1024)
                x->memory_peak = (uint64_t)theirs->ru_maxrss * 1024;
}

static bool is_success(const ChildExecution *x, const siginfo_t *si) {
        assert(x->stop_result == RUN_RESULT_NONE); /* then it is not asked */
        if (x->def->commands[x->command].flags & COMMAND_IGNORE_FAILURE)
                return true;
        return si->si_code == CLD_EXITED ? success_def_has_status(&x->def->rare->success, si->si_status)
                                         : success_def_has_signal(&x->def->rare->success, si->si_status);
}

static ExecOutcome outcome_of(const ChildExecution *x, const siginfo_t *si) {
        bool exited = si->si_code == CLD_EXITED;
        ExecOutcome o = EXEC_OUTCOME_INIT;

        if (x->stop_result != RUN_RESULT_NONE) {
                o.result = x->stop_result;
                o.code = exited ? 0 : si->si_status;
        } else if (is_success(x, si))
                o.result = RUN_RESULT_SUCCESS;
        else {
                o.result = exited ? RUN_RESULT_EXIT : RUN_RESULT_SIGNAL;
                o.code = si->si_status;
        }
        return o;
}

/* waitid(3) has no room for what it used, the system call has. False: a debugger has not let go of it yet. */
static bool reap(ChildExecution *x, siginfo_t *ret) {
        struct rusage usage;

        if (syscall(SYS_waitid, P_PID, x->pid, ret, WEXITED | WNOHANG, &usage) < 0 || ret->si_pid != x->pid)
                return false;
        x->child_source = sd_event_source_disable_unref(x->child_source);
        add_usage(x, &usage);
        return true;
}

static void command_ended(ChildExecution *x) {
        siginfo_t si = {};
        ExecOutcome outcome;
        int r;

        assert(x->child_source && !x->failed_source);
        if (x->executor->notify) /* while the zombie still tells whose process the sender is */
                child_notify_drain(x->executor->notify);
        child_execution_kill_rest(x);
        if (!reap(x, &si))
                return;
        r = child_spawn_answer(x);
        outcome = outcome_of(x, &si);
        if (r >= 0 && outcome.result == RUN_RESULT_SUCCESS && x->stop_result == RUN_RESULT_NONE &&
            x->command + 1 < x->def->n_commands) {
                x->command++;
                r = execution_spawn(x);
                if (r >= 0)
                        return;
        }
        if (r < 0 && x->stop_result == RUN_RESULT_NONE) {
                x->failure = -r;
                report_failure(x);
        } else
                child_execution_report(x, &outcome);
}

static int on_pidfd(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        ChildExecution *x = userdata;
        ChildExecutor *e = x->executor;

        command_ended(x); /* frees x, perhaps */
        child_executor_reap(e);
        return 0;
}

static int on_child(sd_event_source *s, const siginfo_t *si, void *userdata) {
        return on_pidfd(s, -EBADF, 0, userdata);
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
        if (!x->follow) /* one pipe for both keeps their lines in order, and is cheaper */
                return 0;
        return output_new(&x->error, &x->error_fd, x->executor->event, /* is_stderr= */ true, on_line, x);
}

/* What the helper would do of it, where nothing else calls for the helper. */
static int execution_apply_environment(ChildExecution *x) {
        _cleanup_(child_settings_done) ChildSettings settings = {};
        _cleanup_(strv_freep) char **ours = strv_copy(x->environment);
        int r;

        if (!ours)
                return -ENOMEM;
        r = child_settings_read(&settings, x->def->rare->properties, x->def->rare->n_properties);
        if (r >= 0)
                r = environment_pass(&x->environment, settings.pass_environment);
        if (r >= 0)
                r = environment_put_all(&x->environment, settings.environment);
        if (r < 0)
                return r;
        environment_unset(x->environment, settings.unset_environment);
        return environment_keep_ours(&x->environment, ours);
}

/* The list of paths that it is given. */
static int execution_make_list(ChildExecution *x, const ExecutionRequest *request) {
        FilesDirectory *f = x->executor->lists;
        int r;

        if (!request->paths || request->one_path)
                return 0;
        r = files_directory_name(f, x->run, &x->list);
        if (r >= 0)
                r = files_directory_write(f, x->run, request->def, request->paths, request->paths_size);
        x->has_list = r >= 0;
        return r;
}

/* Without a group a run is as it would be where none is delegated. */
static void execution_make_group(ChildExecution *x) {
        const ChildExecutor *e = x->executor;
        int r;

        if (!e->cgroup)
                return;
        r = child_cgroup_make(e->cgroup, x->run);
        if (r < 0)
                log_warning_errno(r, "Cannot create a control group for run %" PRIu64 ", continuing without: %m",
                                  x->run);
        else
                x->has_group = true;
}

static int execution_prepare(ChildExecution *x, const ExecutionRequest *request) {
        int r;

        child_executor_open_notify(x->executor);
        r = execution_make_list(x, request);
        if (r >= 0)
                r = environment_for_run(&x->environment, x->executor->environment, request, x->list);
        if (r >= 0 && x->executor->notify)
                r = strv_extendf(&x->environment, "NOTIFY_SOCKET=%s", child_notify_address(x->executor->notify));
        if (r < 0)
                return r;
        execution_make_group(x);
        if (!x->with_helper && x->def->rare->n_properties > 0)
                r = execution_apply_environment(x);
        if (r >= 0)
                r = execution_open_output(x);
        return r < 0 ? r : child_execution_arm_timeout(x, request->timeout);
}

int child_execution_new(ChildExecution **ret, ChildExecutor *e, const ExecutionRequest *request, void *cookie) {
        _cleanup_(child_settings_done) ChildSettings settings = {};
        _cleanup_(child_execution_freep) ChildExecution *x = NULL;
        int r;

        x = malloc(sizeof(*x));
        if (!x)
                return -ENOMEM;
        *x = (ChildExecution){
                .base.ops = e->base.ops,
                .executor = e,
                .cookie = cookie,
                .def = request->def ? job_def_ref((JobDef *)request->def) : NULL,
                .run = request->run->id,
                .output_fd = -EBADF,
                .error_fd = -EBADF,
                .answer_fd = -EBADF,
                .follow = request->follow,
                .cpu = USEC_INFINITY,
                .memory_peak = UINT64_MAX,
        };
        x->job = strdup(request->run->job);
        if (!x->job)
                return -ENOMEM;
        r = child_settings_read(&settings, x->def ? x->def->rare->properties : NULL,
                                x->def ? x->def->rare->n_properties : 0);
        if (r < 0)
                return r;
        x->kill = settings.kill;
        x->with_helper = settings.needs_helper;
        *ret = TAKE_PTR(x);
        return 0;
}

static int child_start(Executor *base, const ExecutionRequest *request, void *cookie, Execution **ret) {
        _cleanup_(child_execution_freep) ChildExecution *x = NULL;
        int r;

        if (request->def->rare->unit)
                return -EOPNOTSUPP;
        r = child_execution_new(&x, (ChildExecutor *)base, request, cookie);
        if (r >= 0)
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

static Execution *child_free_execution(Execution *base) {
        ChildExecution *x = (ChildExecution *)base;

        if (x->child_source || x->pidfd_source)
                kill_run(x);
        if (x->child_source)
                kill_and_reap(x->pid);
        child_adopt_forget(x);
        forget_process(x);
        sd_event_source_disable_unref(x->child_source);
        sd_event_source_disable_unref(x->pidfd_source);
        sd_event_source_disable_unref(x->timeout_source);
        sd_event_source_disable_unref(x->kill_source);
        sd_event_source_disable_unref(x->failed_source);
        if (x->has_group)
                child_leaving_add(&x->executor->leaving, x->executor->event, x->executor->cgroup, x->run);
        if (x->has_list)
                files_directory_remove(x->executor->lists, x->run);
        output_free(x->output);
        output_free(x->error);
        safe_close(x->output_fd);
        safe_close(x->error_fd);
        safe_close(x->answer_fd);
        strv_free(x->environment);
        strv_free(x->arguments);
        free(x->program);
        job_def_unref(x->def);
        free(x->failure_reason);
        free(x->list);
        free(x->job);
        return mfree(x);
}

void child_execution_freep(ChildExecution **x) {
        if (*x)
                (void)child_free_execution(&(*x)->base);
}

/* --- what runs say about themselves --- */

/* The first process of a session is the main process of a run; who left that session is still in the group. */
static void on_status(void *userdata, pid_t sender, const char *status) {
        const ChildExecutor *e = userdata;
        pid_t session = getsid(sender);
        ChildExecution *x = child_execution_by_pid(e, session > 0 ? session : sender);
        uint64_t run = !x && e->cgroup ? child_cgroup_run_of(e->cgroup, sender) : 0;

        for (size_t i = 0; i < CHILD_BUCKETS && run > 0 && !x; i++) {
                x = e->buckets[i];
                while (x && x->run != run)
                        x = x->next_in_bucket;
        }
        if (x && e->callbacks.status)
                e->callbacks.status(x->cookie, status);
}

void child_executor_open_notify(ChildExecutor *e) {
        int r;

        if (e->notify || e->notify_failed)
                return;
        r = child_notify_new(&e->notify, e->event, e->runtime_dir, on_status, e);
        if (r < 0) {
                e->notify_failed = true;
                log_warning_errno(r, "Cannot open a socket for the status of runs, continuing without: %m");
        }
}

/* --- the executor --- */

static Executor *child_free(Executor *base) {
        ChildExecutor *e = (ChildExecutor *)base;

        assert(!e->adopted && !e->resolving); /* no run outlives it */
        sd_event_source_disable_unref(e->adopt_source);
        sd_event_source_disable_unref(e->sweep_source);
        sd_event_source_disable_unref(e->reaper_source);
        files_directory_free(e->lists);
        child_notify_free(e->notify);
        child_leaving_forget(&e->leaving);
        child_cgroup_free(e->cgroup);
        safe_close(e->null_fd);
        safe_close(e->helper_fd);
        strv_free(e->environment);
        free(e->directory);
        free(e->runtime_dir);
        sd_event_unref(e->event);
        return mfree(e);
}

static void child_freep(ChildExecutor **e) {
        if (*e)
                (void)child_free(&(*e)->base);
}

/* Nothing is kept of a child once it was waited for. */
static void child_acknowledge(Executor *base) {
}

static void executor_open_helper(ChildExecutor *e) {
        _cleanup_free_ char *path = NULL;

        if (string_format(&path, "%s/vakt-exec", getenv("VAKTD_PROGRAM_DIR") ?: VAKT_PKGLIBDIR) < 0)
                return;
        e->helper_fd = open(path, O_PATH | O_CLOEXEC);
        if (e->helper_fd < 0)
                e->helper_fd = -errno;
        else
                (void)snprintf(e->helper_path, sizeof(e->helper_path), "/proc/self/fd/%d", e->helper_fd);
}

/* All runs of an earlier daemon are adopted before the loop comes to this. */
static int on_sweep(sd_event_source *s, void *userdata) {
        ChildExecutor *e = userdata;

        files_directory_sweep(e->lists);
        return 0;
}

static int executor_open_lists(ChildExecutor *e, const ExecutorOptions *options) {
        int r;

        r = files_directory_new(&e->lists, options->runtime_dir, "child");
        if (r >= 0)
                r = sd_event_add_defer(e->event, &e->sweep_source, on_sweep, e);
        if (r < 0)
                return r;
        (void)sd_event_source_set_description(e->sweep_source, "runs-sweep-lists");
        return sd_event_source_set_priority(e->sweep_source, SD_EVENT_PRIORITY_IDLE);
}

static const ExecutorOps child_ops = {
        .name = "child",
        .outlives_daemon = false,
        .start = child_start,
        .adopt = child_adopt,
        .stop = child_stop,
        .acknowledge = child_acknowledge,
        .free_execution = child_free_execution,
        .free = child_free,
};

int child_executor_new(Executor **ret, sd_event *event, const ExecutorOptions *options) {
        _cleanup_(child_freep) ChildExecutor *e = NULL;
        const char *home = NULL;
        int r;

        e = malloc(sizeof(*e));
        if (!e)
                return -ENOMEM;
        *e = (ChildExecutor){
                .base.ops = &child_ops,
                .event = sd_event_ref(event),
                .callbacks = options->callbacks,
                .null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC | O_NOCTTY),
                .helper_fd = -ENOMEM,
        };
        if (e->null_fd < 0)
                return -errno;
        r = environment_base(&e->environment, options->user_instance);
        if (r < 0)
                return r;
        if (options->user_instance)
                home = strv_env_get(e->environment, "HOME", strlen("HOME"));
        e->directory = strdup(home ?: "/");
        e->runtime_dir = options->runtime_dir ? strdup(options->runtime_dir) : NULL;
        if (!e->directory || (options->runtime_dir && !e->runtime_dir))
                return -ENOMEM;
        r = executor_open_lists(e, options);
        if (r >= 0)
                r = child_executor_add_reaper(e);
        if (r < 0)
                return r;
        spawn_find_ignored(&e->ignored);
        executor_open_helper(e);
        r = child_cgroup_new(&e->cgroup, "daemon");
        if (r < 0 && r != -ENOENT)
                log_debug_errno(r, "Runs get no control groups of their own: %m");
        *ret = &TAKE_PTR(e)->base;
        return 0;
}
