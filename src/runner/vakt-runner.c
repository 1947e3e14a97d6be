/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* vakt-runner: the main process of a unit in which vaktd starts runs of one job, see exec/runner-protocol.h. It
 * listens on its standard input.
 *
 * Everything is done in one loop, which never waits for vaktd, for the journal or for a run: what cannot be told now
 * stays in the table, and what is not taken stays in the pipe of its run. Ends of processes are heard by SIGCHLD and
 * not by a pidfd a run: nobody else reaps our children, so that their numbers are good until we do. */

#include <fcntl.h>
#include <stdarg.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sysexits.h>

#include "exec/runner-setup.h"
#include "runner/runner.h"
#include "util/nofile.h"
#include "util/strv.h"

#define EVENTS_MAX     64                 /* of one turn */
#define IDLE_DEFAULT   USEC_PER_MINUTE    /* until vaktd says how long */
#define COMPLAINTS_MAX 100                /* lines that fit into any pipe: nobody may read them */
#define PAUSE_USEC     (USEC_PER_SEC / 4) /* for descriptors or memory to be there again */

void complain(const char *format, ...) {
        static unsigned n;
        va_list ap;

        if (++n > COMPLAINTS_MAX)
                return;
        va_start(ap, format);
        (void)fputs("<4>vakt-runner: ", stderr);
        (void)vfprintf(stderr, format, ap);
        (void)fputc('\n', stderr);
        va_end(ap);
}

/* --- epoll --- */

int runner_watch(const Runner *r, int fd, uint32_t events, RunnerSource source, size_t index) {
        struct epoll_event e = { .events = events, .data.u64 = (uint64_t)source << 32 | index };

        if (epoll_ctl(r->epoll_fd, EPOLL_CTL_ADD, fd, &e) >= 0)
                return 0;
        return errno == EEXIST && epoll_ctl(r->epoll_fd, EPOLL_CTL_MOD, fd, &e) >= 0 ? 0 : -errno;
}

void runner_unwatch(const Runner *r, int fd) {
        (void)epoll_ctl(r->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
}

void runner_pause(Runner *r, int fd, RunnerSource source) {
        (void)runner_watch(r, fd, 0, source, 0);
        r->resume = r->now + PAUSE_USEC;
}

static void resume(Runner *r) {
        r->resume = USEC_INFINITY;
        if (r->link_fd < 0)
                (void)runner_watch(r, RUNNER_SOCKET_FD, EPOLLIN, SOURCE_LISTENER, 0);
        if (r->status_fd >= 0)
                (void)runner_watch(r, r->status_fd, EPOLLIN, SOURCE_STATUS, 0);
}

/* --- signals --- */

/* Any of them, and KillSignal= of the job, is how the service manager stops the unit. */
static void on_signals(Runner *r) {
        struct signalfd_siginfo signals[8];
        ssize_t n;

        do {
                n = read(r->signal_fd, signals, sizeof(signals));
                for (size_t i = 0; n > 0 && i < (size_t)n / sizeof(signals[0]); i++) {
                        if (signals[i].ssi_signo == SIGCHLD || r->is_stopping)
                                continue;
                        r->is_stopping = true;
                        for (size_t k = 0; k < RUNNER_ENTRIES; k++)
                                if (r->pids[k] > 0)
                                        run_stop(r, &r->runs[k], RUN_RESULT_CANCELLED);
                }
        } while (n == sizeof(signals));
        runs_reap(r);
}

int runner_hear_signals(Runner *r, int kill_signal) {
        sigset_t set;

        (void)sigemptyset(&set);
        (void)sigaddset(&set, SIGCHLD);
        (void)sigaddset(&set, SIGTERM);
        (void)sigaddset(&set, SIGINT);
        (void)sigaddset(&set, SIGHUP);
        (void)sigaddset(&set, kill_signal);
        r->signal_fd = signalfd(r->signal_fd, &set, SFD_CLOEXEC | SFD_NONBLOCK);
        (void)sigaddset(&set, SIGPIPE); /* not to be ignored: runs would inherit that */
        return r->signal_fd < 0 || sigprocmask(SIG_BLOCK, &set, NULL) < 0 ? -errno : 0;
}

/* --- the loop --- */

static void dispatch(Runner *r, const struct epoll_event *e) {
        uint32_t index = (uint32_t)e->data.u64;

        switch ((RunnerSource)(e->data.u64 >> 32)) {
        case SOURCE_LISTENER:
                link_accept(r);
                break;
        case SOURCE_LINK:
                r->link_is_full = r->link_is_full && !(e->events & EPOLLOUT);
                if (e->events & ~(uint32_t)EPOLLOUT)
                        link_receive(r);
                break;
        case SOURCE_SIGNALS:
                on_signals(r);
                break;
        case SOURCE_STATUS:
                status_receive(r);
                break;
        case SOURCE_JOURNAL:
                lines_on_journal(r);
                break;
        case SOURCE_STREAM:
                lines_on_readable(r, &r->runs[index / RUNNER_STREAMS], index % RUNNER_STREAMS);
                break;
        case SOURCE_LEAVING:
                run_on_leaving(r, index);
                break;
        }
}

static void run_timers(Runner *r) {
        const HeapEntry *first;

        while ((first = heap_first(&r->timers)) && first->at <= r->now)
                run_on_timer(r, HEAP_OWNER(first, Run, timer));
        if (r->resume <= r->now)
                resume(r);
        if (r->tell <= r->now)
                runs_tell(r);
}

static usec_t next_wakeup(const Runner *r) {
        const HeapEntry *first = heap_first(&r->timers);
        usec_t at = MIN(r->resume, r->tell);

        at = first ? MIN(at, first->at) : at;
        return r->link_fd < 0 && r->n_active == 0 ? MIN(at, usec_add(r->quiet, r->idle)) : at;
}

static bool is_done(const Runner *r) {
        if (r->is_stopping)
                return r->n_active == 0;
        if (r->no_more_runs && r->n_used == 0)
                return true;
        return r->link_fd < 0 && r->n_active == 0 && usec_add(r->quiet, r->idle) <= r->now;
}

static int wait_for_events(const Runner *r, struct epoll_event *events) {
        usec_t at = next_wakeup(r);
        int timeout = -1;

        if (at != USEC_INFINITY)
                timeout = (int)MIN(usec_sub(at, now_clock(CLOCK_MONOTONIC)) / USEC_PER_MSEC + 1, (usec_t)INT32_MAX);
        return epoll_wait(r->epoll_fd, events, EVENTS_MAX, timeout);
}

static void loop(Runner *r) {
        struct epoll_event events[EVENTS_MAX];

        while (!is_done(r)) {
                int n = wait_for_events(r, events);

                r->now = now_clock(CLOCK_MONOTONIC);
                for (int i = 0; i < n; i++)
                        dispatch(r, &events[i]);
                run_timers(r);
                if (r->link_fd >= 0 || r->n_active > 0)
                        r->quiet = r->now;
                link_flush(r);
        }
}

/* --- set-up --- */

/* Variables that are the main process's alone. */
static bool is_ours(const char *variable) {
        static const char *const prefixes[] = {
                "NOTIFY_SOCKET=", "LISTEN_PID=",    "LISTEN_FDS=", "LISTEN_FDNAMES=",   "LISTEN_PIDFDID=",
                "WATCHDOG_PID=",  "WATCHDOG_USEC=", "MAINPID=",    "SYSTEMD_EXEC_PID=",
        };

        for (size_t i = 0; i < ELEMENTSOF(prefixes); i++)
                if (startswith(variable, prefixes[i]))
                        return true;
        return false;
}

static int make_environment(Runner *r) {
        _cleanup_free_ char *address = NULL;
        int k = 0;

        STRV_FOREACH(s, environ)
                if (!is_ours(*s))
                        k = k < 0 ? k : strv_extend(&r->environment, *s);
        if (k >= 0 && status_open(r, &address) >= 0)
                k = strv_extendf(&r->environment, "NOTIFY_SOCKET=%s", address);
        r->n_environment = strv_length(r->environment);
        return k;
}

static void forget_all(Runner *r) {
        for (size_t i = 0; i < RUNNER_ENTRIES; i++) {
                Run *run = &r->runs[i];

                run->list_fd = run->write_fds[0] = run->write_fds[1] = r->leaving[i].fd = -EBADF;
                run->timer = HEAP_NONE;
                for (size_t k = 0; k < RUNNER_STREAMS; k++)
                        run->streams[k].fd = -EBADF;
        }
}

static int set_up(Runner *r) {
        int k;

        r->now = r->quiet = now_clock(CLOCK_MONOTONIC);
        forget_all(r);
        nofile_limit_raise();
        r->nofile = nofile_limit_original();
        r->null_fd = open("/dev/null", O_RDWR | O_CLOEXEC | O_NOCTTY);
        r->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
        if (r->null_fd < 0 || r->epoll_fd < 0)
                return -errno;
        k = groups_open(r);
        if (k < 0 && k != -ENOENT)
                complain("Runs get no control groups of their own: %s", strerror(-k));
        k = heap_reserve(&r->timers, RUNNER_ENTRIES);
        if (k >= 0)
                k = make_environment(r);
        if (k >= 0)
                k = runner_hear_signals(r, SIGTERM);
        if (k >= 0)
                k = runner_watch(r, r->signal_fd, EPOLLIN, SOURCE_SIGNALS, 0);
        if (k >= 0)
                k = runner_watch(r, RUNNER_SOCKET_FD, EPOLLIN, SOURCE_LISTENER, 0);
        return k;
}

static bool is_listener(int fd) {
        int type = 0, listens = 0;
        socklen_t n = sizeof(int);

        return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &n) >= 0 && type == SOCK_SEQPACKET &&
               getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &n) >= 0 && listens &&
               fcntl(fd, F_SETFL, O_NONBLOCK) >= 0;
}

int main(void) {
        static Runner runner = {
                .link_fd = -EBADF,
                .signal_fd = -1,
                .status_fd = -EBADF,
                .journal_fd = -EBADF,
                .idle = IDLE_DEFAULT,
                .resume = USEC_INFINITY,
                .tell = USEC_INFINITY,
        };
        int r;

        (void)setvbuf(stderr, NULL, _IOLBF, 0); /* whole lines */
        /* Runs are of the same user: they shall neither trace us nor take our descriptors. */
        if (prctl(PR_SET_DUMPABLE, 0) < 0 || !is_listener(RUNNER_SOCKET_FD)) {
                (void)fputs("vakt-runner is started by vaktd, for jobs with Runner=warm.\n", stderr);
                return EX_USAGE;
        }
        r = set_up(&runner);
        if (r < 0) {
                complain("Cannot begin: %s", strerror(-r));
                return EX_OSERR;
        }
        loop(&runner);
#ifdef VAKT_SANITIZED
        _exit(EXIT_SUCCESS); /* the leak sanitizer would wait for ever to trace what hides itself */
#endif
        return EXIT_SUCCESS;
}
