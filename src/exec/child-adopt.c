/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Children of an earlier daemon of this boot. They are not ours to wait for: a process is known again by its pid
 * together with the time it started, and its end is told by a pidfd, which does not say how it ended. A run of which
 * the pid was not written down any more carries its number in its environment; a process that is looked for in this
 * way is found by one walk through /proc for all of them. Nothing is ever started here: a run that is not found may
 * have been.
 *
 * Output that an adopted run writes goes nowhere, as its pipe ended with the daemon that held it. */

#include "exec/child-internal.h"

#include <signal.h>
#include <sys/pidfd.h>

#include "exec/child-process.h"
#include "util/log.h"

/* --- the list of those that must be looked for --- */

static void push(ChildExecution **list, ChildExecution *x) {
        assert(!x->in_list);
        x->next_adopted = *list;
        x->in_list = true;
        *list = x;
}

static ChildExecution *pop(ChildExecution **list) {
        ChildExecution *x = *list;

        if (x) {
                *list = x->next_adopted;
                x->in_list = false;
        }
        return x;
}

static bool take_out(ChildExecution **list, const ChildExecution *x) {
        while (*list && *list != x)
                list = &(*list)->next_adopted;
        if (!*list)
                return false;
        *list = x->next_adopted;
        return true;
}

void child_adopt_forget(ChildExecution *x) {
        if (x->in_list && !take_out(&x->executor->adopted, x))
                (void)take_out(&x->executor->resolving, x);
}

/* --- following --- */

static void report_gone(ChildExecution *x, const char *reason) {
        ExecOutcome outcome = EXEC_OUTCOME_INIT;

        outcome.result = x->stop_result != RUN_RESULT_NONE ? x->stop_result : RUN_RESULT_LOST;
        if (outcome.result == RUN_RESULT_LOST)
                outcome.reason = reason;
        child_execution_report(x, &outcome);
}

static const char *const reason_ran = "vaktd was restarted while it ran; its result is not known.";
static const char *const reason_never_seen =
        "vaktd was restarted when it had just been started, and no process of it was found.";

static int on_ended(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        ChildExecution *x = userdata;

        child_execution_kill_rest(x);
        x->pidfd_source = sd_event_source_disable_unref(x->pidfd_source);
        report_gone(x, reason_ran);
        return 0;
}

/* Watches the process that started then; -ESRCH when it is gone. */
static int follow(ChildExecution *x, pid_t pid, uint64_t start) {
        _cleanup_close_ int fd = process_open(pid, start);
        int r;

        assert(!x->pidfd_source && !x->child_source);
        if (fd < 0)
                return fd;
        r = sd_event_add_io(x->executor->event, &x->pidfd_source, fd, EPOLLIN, on_ended, x);
        if (r < 0)
                return r;
        (void)sd_event_source_set_io_fd_own(x->pidfd_source, true);
        (void)TAKE_FD(fd);
        (void)sd_event_source_set_description(x->pidfd_source, "run-adopted");
        (void)sd_event_source_set_priority(x->pidfd_source, SD_EVENT_PRIORITY_IMPORTANT);
        child_execution_set_process(x, pid, start);
        return 0;
}

/* --- looking --- */

/* The run whose number a process carries. */
static ChildExecution *run_of(const ChildExecutor *e, pid_t pid) {
        _cleanup_free_ char *environment = NULL;
        const char *run, *job;
        uint64_t id;
        size_t size;

        if (process_read_environment(pid, &environment, &size) < 0)
                return NULL;
        run = process_environment_get(environment, size, "VAKT_RUN");
        job = process_environment_get(environment, size, "VAKT_JOB");
        if (!run || !job)
                return NULL;
        id = strtoull(run, NULL, 10);
        for (ChildExecution *x = e->resolving; x; x = x->next_adopted)
                if (x->run == id && streq(x->job, job))
                        return x;
        return NULL;
}

static bool is_session_of_run(const ChildExecutor *e, pid_t session) {
        for (const ChildExecution *x = e->resolving; x; x = x->next_adopted)
                if (x->recorded_pid == session)
                        return true;
        return false;
}

/* What a main process has left behind in its session is ended, as the daemon that died would have done. */
static void end_remnant(const ChildExecution *x, pid_t pid, const ProcessInfo *info) {
        _cleanup_close_ int fd = -EBADF;

        if (x->kill.mode == CHILD_KILL_PROCESS || x->has_group || info->session != x->recorded_pid)
                return;
        fd = process_open(pid, info->start);
        if (fd >= 0)
                (void)pidfd_send_signal(fd, x->kill.send_sigkill ? SIGKILL : x->kill.signal, NULL, 0);
}

/* The leader of a session is a main process; when a run has made further sessions, it is the oldest. */
static void look_at(pid_t pid, const ProcessInfo *info, void *userdata) {
        const ChildExecutor *e = userdata;
        ChildExecution *x;

        if (info->session != pid && !is_session_of_run(e, info->session))
                return;
        x = run_of(e, pid);
        if (!x || x->pidfd_source)
                return;
        if (info->session != pid)
                end_remnant(x, pid, info);
        else if (x->is_wanted && (x->found_pid == 0 || info->start < x->found_start)) {
                x->found_pid = pid;
                x->found_start = info->start;
        }
}

/* By what was written down. True: the process is there. */
static bool find_recorded(ChildExecution *x) {
        if (x->recorded_pid > 0 && follow(x, x->recorded_pid, x->recorded_start) >= 0)
                return true;
        /* A run of several commands may have gone on to the next one. */
        x->is_wanted = x->recorded_pid <= 0 || (x->def && x->def->n_commands > 1);
        return false;
}

static void look_for_all(ChildExecutor *e) {
        bool all_found = true;
        int r;

        for (ChildExecution *x = e->resolving; x; x = x->next_adopted)
                all_found = find_recorded(x) && all_found;
        if (all_found)
                return;
        r = process_visit_all(look_at, e);
        if (r < 0)
                log_warning_errno(r, "Cannot look for runs in /proc: %m");
}

/* --- what came of it --- */

static void go_on(ChildExecution *x) {
        usec_t limit = usec_add(x->adopted_started, x->timeout);

        assert(x->pid > 0 && !x->in_list);
        if (child_execution_arm_timeout(x, usec_sub(limit, now_realtime())) < 0)
                log_warning("Run %" PRIu64 " continues without its time limit: out of memory.", x->run);
        if (x->stop_result != RUN_RESULT_NONE)
                child_execution_terminate(x);
        if (x->pid != x->recorded_pid || x->was_starting) {
                ExecIdentity identity = { .pid = x->pid, .pid_start = x->pid_start };

                x->executor->callbacks.started(x->cookie, &identity);
        }
}

static int on_adopt(sd_event_source *s, void *userdata) {
        ChildExecutor *e = userdata;
        ChildExecution *x;

        assert(!e->resolving);
        while ((x = pop(&e->adopted)))
                push(&e->resolving, x);
        look_for_all(e);
        while ((x = pop(&e->resolving))) { /* what is called may free any of them */
                if (!x->pidfd_source && x->found_pid > 0)
                        (void)follow(x, x->found_pid, x->found_start);
                if (x->pidfd_source) {
                        go_on(x);
                        continue;
                }
                child_execution_kill_rest(x);
                report_gone(x, x->recorded_pid > 0 || x->found_pid > 0 ? reason_ran : reason_never_seen);
        }
        return 0;
}

static int wake(ChildExecutor *e) {
        int r;

        if (e->adopt_source)
                return sd_event_source_set_enabled(e->adopt_source, SD_EVENT_ONESHOT);
        r = sd_event_add_defer(e->event, &e->adopt_source, on_adopt, e);
        if (r >= 0)
                (void)sd_event_source_set_description(e->adopt_source, "adopt-runs");
        return r;
}

int child_adopt(Executor *base, const ExecutionRequest *request, void *cookie, Execution **ret) {
        _cleanup_(child_execution_freep) ChildExecution *x = NULL;
        ChildExecutor *e = (ChildExecutor *)base;
        const RunRecord *run = request->run;
        int r;

        r = child_execution_new(&x, e, request, cookie);
        if (r < 0)
                return r;
        if (run->pid > 0 && run->pid_start > 0) {
                x->recorded_pid = run->pid;
                x->recorded_start = run->pid_start;
        }
        x->was_starting = run->state == RUN_STARTING;
        x->timeout = request->timeout;
        x->adopted_started = run->started;
        x->has_list = files_directory_claim(e->lists, x->run);
        x->has_group = e->cgroup && child_cgroup_exists(e->cgroup, x->run);
        if (run->state == RUN_STOPPING) /* which it was told by a daemon that can send SIGKILL no more */
                x->stop_result = run->result != RUN_RESULT_NONE ? run->result : RUN_RESULT_CANCELLED;
        r = wake(e);
        if (r < 0)
                return r;
        child_executor_open_notify(e);
        push(&e->adopted, x);
        *ret = &TAKE_PTR(x)->base;
        return 0;
}
