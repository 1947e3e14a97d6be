/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The life of a run, as in exec/exec-child.c: a chain of children, one a command, each leader of a session, all in a
 * control group of the run's own where the unit's was delegated to us. It is over when its main process is, and what
 * that left behind is killed then, unless KillMode= says otherwise.
 *
 * The table is written such that it is true at any moment at which we may be killed: before a process is made, and
 * after all that its end says. */

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "exec/child-settings.h"
#include "exec/command-line.h"
#include "exec/runner-setup.h"
#include "exec/serialize.h"
#include "job/job-def.h"
#include "job/run.h"
#include "runner/runner.h"
#include "util/strv.h"

#define TELL_USEC (20 * USEC_PER_MSEC) /* from the start of a run to runs_tell() */

#define LIST_FD     3 /* of a run */
#define LIST_PREFIX "VAKT_PATHS=/proc/"
#define LIST_SUFFIX "/fd/3"

/* --- the table --- */

static void set_state(Runner *r, const Run *run, RunnerRunState state) {
        uint32_t i = (uint32_t)(run - r->runs);
        uint64_t bit = UINT64_C(1) << i % 64;

        __atomic_store_n(&run->entry->state, (uint8_t)state, __ATOMIC_RELEASE); /* after all else */
        if (state == RUNNER_RUN_ENDED) {
                r->dirty[i / 64] |= bit;
                r->begun[i / 64] &= ~bit;
        } else if (state != RUNNER_RUN_FREE) {
                r->begun[i / 64] |= bit;
                r->tell = MIN(r->tell, r->now + TELL_USEC);
        }
}

void runs_tell(Runner *r) {
        r->tell = USEC_INFINITY;
        for (size_t i = 0; i < RUNNER_ENTRIES; i++) {
                uint64_t bit = UINT64_C(1) << i % 64;

                if (!(r->begun[i / 64] & bit))
                        continue;
                r->dirty[i / 64] |= bit;
                if (lines_watch(r, &r->runs[i]) >= 0)
                        r->begun[i / 64] &= ~bit;
                else
                        r->tell = r->now + TELL_USEC; /* once more */
        }
}

static void forget_status(Runner *r, Run *run) {
        r->n_status -= run->owes_status;
        run->owes_status = false;
        run->status = mfree(run->status);
}

void run_acknowledge(Runner *r, Run *run) {
        uint32_t i = (uint32_t)(run - r->runs);

        if (run->entry->state != RUNNER_RUN_ENDED)
                return;
        set_state(r, run, RUNNER_RUN_FREE);
        r->dirty[i / 64] &= ~(UINT64_C(1) << i % 64);
        forget_status(r, run);
        r->n_used--;
}

/* --- signals --- */

static void set_timer(Runner *r, Run *run, usec_t from_now) {
        usec_t at = usec_add(r->now, from_now);

        (void)heap_set(&r->timers, at, at, &run->timer); /* there is room for all of them */
}

/* Its main process is not reaped: the number is still its own, and that of its process group, which it has not got yet
 * just after its start. It may not be in its control group then either. */
static void signal_run(const Runner *r, const Run *run, int sig, bool all) {
        bool misses = run->group ? spawn_enters_cgroup(&run->spawn) : all && kill(-run->pid, sig) < 0;

        if (!all || misses)
                (void)kill(run->pid, sig);
        if (all && run->group)
                (void)child_cgroup_signal(r->cgroup, run->group->number, sig);
}

static void kill_run(const Runner *r, const Run *run) {
        signal_run(r, run, SIGKILL, r->setup->kill_mode != CHILD_KILL_PROCESS);
}

/* What its last command left behind. */
static void kill_rest(const Runner *r, Run *run) {
        if (r->setup->kill_mode == CHILD_KILL_PROCESS)
                return;
        signal_run(r, run, r->setup->send_sigkill ? SIGKILL : r->setup->kill_signal, /* all= */ true);
        run->was_killed = true;
}

void run_stop(Runner *r, Run *run, RunResult result) {
        bool all = r->setup->kill_mode == CHILD_KILL_CONTROL_GROUP;
        siginfo_t si = {};

        if (run->pid <= 0 || run->stop_result != RUN_RESULT_NONE)
                return;
        /* Its end is known, and just not seen yet. */
        if (run->entry->command + 1U >= r->setup->n_commands &&
            waitid(P_PID, (id_t)run->pid, &si, WEXITED | WNOHANG | WNOWAIT) >= 0 && si.si_pid == run->pid)
                return;
        run->stop_result = result;
        signal_run(r, run, r->setup->kill_signal, all);
        signal_run(r, run, SIGCONT, all);
        if (r->setup->send_sighup)
                signal_run(r, run, SIGHUP, all);
        set_timer(r, run, r->setup->send_sigkill ? r->setup->stop_timeout : USEC_INFINITY);
}

/* --- its end --- */

static void forget_memory(Run *run) {
        run->environment = mfree(run->environment);
        run->program = mfree(run->program);
        run->arguments = strv_free(run->arguments);
        run->list_digits = NULL;
        run->list_fd = safe_close(run->list_fd);
}

void run_end(Runner *r, Run *run) {
        set_timer(r, run, USEC_INFINITY);
        forget_memory(run);
        run->is_over = false;
        r->n_active--;
        run->entry->ended = now_realtime();
        set_state(r, run, RUNNER_RUN_ENDED);
}

/* Kills what is in its group, and removes it later. */
static void leave_group(Runner *r, Run *run) {
        uint64_t number = run->group->number;
        size_t i = 0;
        int fd;

        kill_rest(r, run);
        group_free(r, run->group);
        while (i < RUNNER_ENTRIES && r->leaving[i].fd >= 0)
                i++;
        fd = i < RUNNER_ENTRIES ? child_cgroup_open_events(r->cgroup, number) : -EBADF;
        if (fd >= 0 && runner_watch(r, fd, EPOLLPRI, SOURCE_LEAVING, i) < 0)
                fd = safe_close(fd);
        if (fd < 0) /* it is removed with the unit */
                return;
        r->leaving[i].fd = fd;
        r->leaving[i].group = number;
}

void run_on_leaving(Runner *r, size_t i) {
        char text[64];

        if (r->leaving[i].fd < 0)
                return;
        (void)!pread(r->leaving[i].fd, text, sizeof(text), 0); /* seen */
        if (!child_cgroup_remove(r->cgroup, r->leaving[i].group))
                return;
        runner_unwatch(r, r->leaving[i].fd); /* a child may have it, too */
        r->leaving[i].fd = safe_close(r->leaving[i].fd);
}

static void take_usage(Runner *r, Run *run) {
        RunnerEntry *e = run->entry;

        e->cpu = run->cpu;
        e->memory_peak = run->memory_peak;
        if (run->group) {
                ChildUsage usage = group_usage(r, run->group);

                if (usage.cpu != USEC_INFINITY)
                        e->cpu = usage.cpu;
                if (usage.memory_peak != UINT64_MAX)
                        e->memory_peak = usage.memory_peak;
                if (e->result == RUN_RESULT_SIGNAL && e->code == SIGKILL &&
                    child_cgroup_was_oom(r->cgroup, run->group->number))
                        e->result = RUN_RESULT_OOM;
                if (!group_give_back(r, run->group))
                        leave_group(r, run);
                run->group = NULL;
        }
}

/* The result is known. */
static void finish(Runner *r, Run *run, RunResult result, int code) {
        run->entry->result = (uint8_t)result;
        run->entry->code = code;
        take_usage(r, run);
        run->pid = r->pids[run - r->runs] = 0;
        run->is_over = true;
        if (lines_finish(r, run))
                run_end(r, run);
        else
                set_timer(r, run, RUNNER_LINES_USEC);
}

void run_on_timer(Runner *r, Run *run) {
        set_timer(r, run, USEC_INFINITY);
        if (run->is_over) {
                complain("The journal takes no lines, some of run %" PRIu64 " are lost.", run->entry->run);
                lines_drop(r, run);
                run_end(r, run);
        } else if (run->stop_result != RUN_RESULT_NONE)
                kill_run(r, run);
        else
                run_stop(r, run, RUN_RESULT_TIMEOUT);
}

/* --- a command --- */

/* The child writes its own number into its environment. */
static void before_exec(void *userdata) {
        const Run *run = userdata;
        char digits[sizeof("2147483647")], *to = run->list_digits;
        size_t n = 0;

        for (unsigned pid = (unsigned)getpid(); pid > 0; pid /= 10)
                digits[n++] = (char)('0' + pid % 10);
        while (n > 0)
                *to++ = digits[--n];
        for (const char *suffix = LIST_SUFFIX; (*to++ = *suffix++);)
                ;
}

/* One that writes into its environment is waited for until it has. Why another one could not execute its program is
 * known at its end. */
static int spawn(const Runner *r, Run *run, const char *program, char *const *argv, pid_t *ret) {
        static const sigset_t none; /* a run ignores what the unit does */
        bool has_list = run->list_fd >= 0;
        int output_fd = run->write_fds[0] >= 0 ? run->write_fds[0] : STDOUT_FILENO;
        int error_fd = run->write_fds[1] >= 0   ? run->write_fds[1]
                       : run->write_fds[0] >= 0 ? run->write_fds[0]
                                                : STDERR_FILENO;
        int fds[] = { r->null_fd, output_fd, error_fd, [LIST_FD] = run->list_fd };
        SpawnRequest request;

        if (has_list && run->flags & RUNNER_LIST_INPUT) {
                fds[0] = run->list_fd;
                if (lseek(run->list_fd, 0, SEEK_SET) < 0)
                        return -errno;
        }
        request = (SpawnRequest){
                .program = program,
                .argv = argv,
                .envp = run->environment,
                .fds = fds,
                .n_fds = has_list ? LIST_FD + 1 : LIST_FD,
                .cgroup_fd = run->group ? run->group->fd : -EBADF,
                .cgroup_was_killed = run->was_killed,
                .ignored = &none,
                .nofile = r->nofile,
                .before_exec = has_list ? before_exec : NULL,
                .userdata = run,
        };
        run->spawn = (SpawnProcess){};
        return has_list ? spawn_process(&request, ret, NULL) : spawn_begin(&run->spawn, &request, ret, NULL);
}

static bool has_variables(char *const *argv) {
        STRV_FOREACH(word, argv)
                if (strchr(*word, '$'))
                        return true;
        return false;
}

static int start_command(Runner *r, Run *run) {
        const struct RunnerCommand *command = &r->setup->commands[run->entry->command];
        pid_t pid;
        int k = 0;

        run->arguments = strv_free(run->arguments);
        run->program = mfree(run->program);
        if (!strchr(command->path, '/'))
                k = program_find(&run->program, command->path, run->environment);
        if (k >= 0 && !(command->flags & COMMAND_NO_EXPAND) && has_variables(command->argv))
                k = arguments_expand(&run->arguments, command->argv, run->environment);
        if (k >= 0 && run->group)
                k = run->group->fd;
        if (k < 0)
                return k;
        k = spawn(r, run, run->program ?: command->path, run->arguments ?: command->argv, &pid);
        if (k < 0)
                return k;
        run->pid = r->pids[run - r->runs] = pid;
        run->entry->pid = (uint32_t)pid;
        if (run->entry->command + 1U >= r->setup->n_commands)
                for (size_t i = 0; i < RUNNER_STREAMS; i++)
                        run->write_fds[i] = safe_close(run->write_fds[i]);
        return 0;
}

static bool is_success(const Runner *r, const Run *run, const siginfo_t *si) {
        const RunnerSetup *s = r->setup;

        if (s->commands[run->entry->command].flags & COMMAND_IGNORE_FAILURE)
                return true;
        if (si->si_code == CLD_EXITED)
                return si->si_status == 0 || s->success_statuses[si->si_status / 8 % 32] & 1U << si->si_status % 8;
        return si->si_status < 64 && s->success_signals & UINT64_C(1) << si->si_status;
}

static void command_ended(Runner *r, Run *run, const siginfo_t *si) {
        bool exited = si->si_code == CLD_EXITED;

        if (spawn_error(&run->spawn) > 0)
                finish(r, run, RUN_RESULT_START_FAILED, spawn_error(&run->spawn));
        else if (run->stop_result != RUN_RESULT_NONE)
                finish(r, run, run->stop_result, exited ? 0 : si->si_status);
        else if (!is_success(r, run, si))
                finish(r, run, exited ? RUN_RESULT_EXIT : RUN_RESULT_SIGNAL, si->si_status);
        else if (run->entry->command + 1U >= r->setup->n_commands)
                finish(r, run, RUN_RESULT_SUCCESS, 0);
        else {
                int k;

                if (run->group && !group_is_clean(r, run->group))
                        kill_rest(r, run);
                run->entry->command++;
                k = start_command(r, run);
                if (k < 0)
                        finish(r, run, RUN_RESULT_START_FAILED, -k);
                else
                        set_state(r, run, RUNNER_RUN_RUNNING);
        }
}

static usec_t timeval_usec(const struct timeval *tv) {
        return (usec_t)tv->tv_sec * USEC_PER_SEC + (usec_t)tv->tv_usec;
}

/* The kernel counts from fork on: what looks smaller than we are may be just what we are. */
static void add_usage(Run *run, const struct rusage *theirs) {
        struct rusage ours;
        uint64_t peak = (uint64_t)theirs->ru_maxrss * 1024;

        run->cpu = usec_add(run->cpu == USEC_INFINITY ? 0 : run->cpu,
                            timeval_usec(&theirs->ru_utime) + timeval_usec(&theirs->ru_stime));
        if (run->group || getrusage(RUSAGE_SELF, &ours) < 0 || theirs->ru_maxrss <= ours.ru_maxrss)
                return;
        if (run->memory_peak == UINT64_MAX || run->memory_peak < peak)
                run->memory_peak = peak;
}

static Run *find_by_pid(Runner *r, pid_t pid) {
        for (size_t i = 0; i < RUNNER_ENTRIES; i++)
                if (r->pids[i] == pid)
                        return &r->runs[i];
        return NULL;
}

void runs_reap(Runner *r) {
        siginfo_t si = {};

        /* The zombie keeps the number, for its process group and for who has sent a status. */
        while (waitid(P_ALL, 0, &si, WEXITED | WNOHANG | WNOWAIT) >= 0 && si.si_pid > 0) {
                Run *run = find_by_pid(r, si.si_pid);
                struct rusage usage = {};

                if (r->status_fd >= 0)
                        status_receive(r);
                if (run && !run->group)
                        kill_rest(r, run);
                (void)wait4(si.si_pid, NULL, 0, &usage);
                if (run) {
                        add_usage(run, &usage);
                        command_ended(r, run, &si);
                }
                si.si_pid = 0;
        }
}

/* --- its start --- */

/* A copy of all that comes with the message, with a NUL behind. *ret_size without it. */
static int read_variables(const char *variables, size_t size, int fd, char **ret, size_t *ret_size) {
        struct stat st = {};
        char *p;

        if (fd >= 0 && fstat(fd, &st) < 0)
                return -errno;
        if (st.st_size < 0 || (size_t)st.st_size > SERIALIZED_MAX)
                return -E2BIG;
        p = malloc(size + (size_t)st.st_size + 1);
        if (!p)
                return -ENOMEM;
        memcpy(p, variables, size);
        if (st.st_size > 0 && pread(fd, p + size, (size_t)st.st_size, 0) != st.st_size) {
                free(p);
                return -EBADMSG;
        }
        *ret_size = size + (size_t)st.st_size;
        p[*ret_size] = '\0';
        *ret = p;
        return 0;
}

static bool is_same_name(const char *a, const char *b) {
        while (*a == *b && *a != '=' && *a != '\0')
                a++, b++;
        return *a == '=' && *b == '=';
}

static bool is_replaced(const char *variable, char *const *by, size_t n) {
        for (size_t i = 0; i < n; i++)
                if (is_same_name(variable, by[i]))
                        return true;
        return false;
}

static size_t count_variables(const char *text, size_t size) {
        size_t n = 0;

        for (const char *s = text; s < text + size; s += strlen(s) + 1)
                n++;
        return n;
}

/* One piece of memory: the pointers, then the texts of the run. */
static int make_environment(const Runner *r, Run *run, const char *variables, size_t size, int fd) {
        static const char list[] =
                LIST_PREFIX "self" LIST_SUFFIX "\0three more digits"; /* self: for the command line */
        _cleanup_free_ char *text = NULL;
        size_t text_size = 0, n_max, n = 0;
        char **e, *to;
        int k;

        k = read_variables(variables, size, fd, &text, &text_size);
        if (k < 0)
                return k;
        n_max = count_variables(text, text_size) + r->n_environment + 2;
        e = malloc(n_max * sizeof(char *) + text_size + 1 + sizeof(list));
        if (!e)
                return -ENOMEM;
        to = memcpy((char *)(e + n_max), text, text_size + 1);
        for (const char *end = to + text_size; to < end; to += strlen(to) + 1)
                e[n++] = to;
        if (run->list_fd >= 0) {
                e[n] = memcpy(to + 1, list, sizeof(list));
                run->list_digits = e[n++] + strlen(LIST_PREFIX);
        }
        for (size_t i = 0, n_own = n; i < r->n_environment; i++)
                if (!is_replaced(r->environment[i], e, n_own))
                        e[n++] = r->environment[i];
        e[n] = NULL;
        assert(n < n_max);
        run->environment = e;
        return 0;
}

static void make_fields(Run *run) {
        int n = snprintf(run->fields, sizeof(run->fields), "VAKT_RUN=%" PRIu64 "\nSYSLOG_PID=%d\n", run->entry->run,
                         run->pid);

        assert(n > 0 && (size_t)n < sizeof(run->fields));
        run->n_fields = (size_t)n;
}

static int begin(Runner *r, Run *run, const char *variables, size_t size, int variables_fd) {
        int k;

        if ((run->flags & RUNNER_HAS_LIST && run->list_fd < 0) ||
            (run->flags & RUNNER_HAS_VARIABLES && variables_fd < 0))
                return -EBADMSG; /* a descriptor got lost */
        k = make_environment(r, run, variables, size, variables_fd);
        if (k >= 0 && r->setup->own_output)
                k = lines_open(run);
        if (k < 0)
                return k;
        run->group = group_take(r, run->entry->run);
        return start_command(r, run);
}

void run_start(Runner *r, const RunnerRun *message, const char *variables, int list_fd, int variables_fd) {
        Run *run = &r->runs[message->entry];
        int k;

        assert(run->entry->state == RUNNER_RUN_FREE && !run->environment);
        *run->entry = (RunnerEntry){
                .run = message->run,
                .entry = message->entry,
                .cpu = USEC_INFINITY,
                .memory_peak = UINT64_MAX,
                .started = now_realtime(),
        };
        set_state(r, run, RUNNER_RUN_STARTING);
        r->n_used++;
        r->n_active++;
        r->n_started++;
        run->flags = message->flags;
        run->was_killed = run->is_over = false;
        run->stop_result = RUN_RESULT_NONE;
        run->list_fd = list_fd;
        run->cpu = USEC_INFINITY;
        run->memory_peak = UINT64_MAX;
        k = begin(r, run, variables, message->variables_size, variables_fd);
        if (k < 0) {
                finish(r, run, RUN_RESULT_START_FAILED, -k);
                return;
        }
        make_fields(run);
        set_state(r, run, RUNNER_RUN_RUNNING);
        set_timer(r, run, message->timeout);
}
