/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* One walk through /proc answers all probes of the kind, and takes many turns if there are many processes: anybody can
 * start some. As for pgrep -x, the name is the one that the kernel knows (comm), of which it keeps 15 bytes only; of a
 * longer name that is asked for, these count. The command line would have all of it, but it is in the memory of the
 * process: reading it waits for one that hangs in a page fault on a file server. A process that has ended and was not
 * waited for does not count.
 *
 * A walk is most of what sampling costs, so there is one only now and then. Those that were found are held: a pidfd
 * tells when one ends, and at each look its name is read again. New ones can only be among the ids that were given out
 * since (the last one is in loadavg), and which are looked at until they are some seconds old, because a new process
 * takes its name a little later. What this misses is one that takes a name when it is older: the next walk finds it.
 *
 * Where /proc hides the processes of others (hidepid=), there is no telling how many there are: PID 1 shows. */

#include "probe/processes.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>
#include <sys/vfs.h>

#include "util/ascii.h"
#include "util/file.h"
#include "util/turn.h"

#define PROCESSES_MAX 64  /* a turn */
#define NEW_MAX       128 /* ids that are looked at one by one; with more, there is a walk */
#define HELD_MAX      16  /* of a name; with more, there is a walk each time */
#define WALK_USEC     (2 * USEC_PER_MINUTE)
#define YOUNG_USEC    (20 * USEC_PER_SEC)
#define RESTART_USEC  USEC_PER_SEC
#define COMM_MAX      15 /* bytes of a name that the kernel keeps */
#define LINE_SIZE     4096

typedef struct Counter Counter;

/* A process with the name. */
typedef struct Held {
        Counter *counter; /* NULL: there is none here */
        int64_t pid;
        int comm_fd;
        sd_event_source *end; /* owns its pidfd */
        bool is_seen;         /* by this walk */
} Held;

struct Counter {
        Probe *probe;
        int64_t n;
        bool is_asked, counts; /* since this walk began */
        bool is_complete;      /* all of them are held */
        bool has_ended;        /* one of them, since the last look */
        Held held[HELD_MAX];
        TAILQ_ENTRY(Counter) counters;
};

typedef struct Processes {
        Probes *probes;
        TAILQ_HEAD(, Counter) counters;
        DIR *walk; /* NULL: there is none now */
        int error; /* of it, so far */
        usec_t walked_boottime;
        /* The last ids that were given out: then, and at least YOUNG_USEC before, up to which none is looked at. */
        int64_t marked, settled;
        usec_t marked_boottime, looked_boottime;
        bool can_hold;
        sd_event_source *turn;
} Processes;

static usec_t now_boottime_of(const Processes *ps) {
        return turn_now(ps->probes->event).boottime;
}

static int read_of(const Processes *ps, int64_t pid, const char *name, char *buf, size_t size) {
        char path[NAME_MAX + 1];

        (void)snprintf(path, sizeof(path), "proc/%" PRIi64 "/%s", pid, name);
        return (int)file_read(ps->probes->root_fd, path, buf, size);
}

/* A process may end meanwhile. All else that is not readable may be one that counts. */
static bool is_readable(Processes *ps, int r) {
        if (r < 0 && r != -ENOENT && r != -ESRCH)
                ps->error = r;
        return r >= 0;
}

/* The letter after the name, which is in parentheses and may contain some. */
static bool is_alive(Processes *ps, int64_t pid) {
        char buf[LINE_SIZE];
        const char *end;

        if (!is_readable(ps, read_of(ps, pid, "stat", buf, sizeof(buf))))
                return false;
        end = strrchr(buf, ')');
        return end && end[1] == ' ' && end[2] != 'Z' && end[2] != 'X';
}

static bool counter_wants(const Counter *c, const char *comm) {
        return strncmp(comm, strempty(c->probe->question.subject), COMM_MAX) == 0;
}

/* --- those that are there --- */

static void held_release(Held *h) {
        if (!h->counter)
                return;
        sd_event_source_disable_unref(h->end);
        safe_close(h->comm_fd);
        *h = (Held){};
}

/* Another one may be about to take its place: what is restarted is not gone. */
static int on_end(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        Held *h = userdata;
        Counter *c = h->counter;

        held_release(h);
        if (!TAKE_GENERIC(c->has_ended, true))
                probe_look_after(c->probe, RESTART_USEC);
        return 0;
}

/* The pidfd is of the process whose name was read if that can be read once more: until then, its id is not another's.
 * -EINVAL, -ENOENT: it is a thread. */
static int held_fill(Held *h, Counter *c, const Processes *ps, int64_t pid) {
        _cleanup_close_ int comm_fd = -EBADF, pid_fd = -EBADF;
        char path[64], comm[COMM_MAX + 1] = "";
        int r;

        (void)snprintf(path, sizeof(path), "proc/%" PRIi64 "/comm", pid);
        comm_fd = openat(ps->probes->root_fd, path, O_RDONLY | O_CLOEXEC);
        pid_fd = comm_fd < 0 ? comm_fd : pidfd_open((pid_t)pid, 0);
        if (pid_fd < 0 || pread(comm_fd, comm, COMM_MAX, 0) < 0)
                return -errno;
        r = sd_event_add_io(ps->probes->event, &h->end, pid_fd, EPOLLIN, on_end, h);
        if (r < 0)
                return r;
        (void)sd_event_source_set_io_fd_own(h->end, true);
        (void)TAKE_FD(pid_fd);
        (void)sd_event_source_set_description(h->end, "probe-process-end");
        h->counter = c;
        h->pid = pid;
        h->comm_fd = TAKE_FD(comm_fd);
        h->is_seen = true;
        return 0;
}

static Held *counter_find(Counter *c, int64_t pid) {
        for (size_t i = 0; i < HELD_MAX; i++)
                if (c->held[i].counter && c->held[i].pid == pid)
                        return &c->held[i];
        return NULL;
}

/* pid is that of a process with the name, or of a thread if may_be_thread. */
static void counter_hold(Counter *c, const Processes *ps, int64_t pid, bool may_be_thread) {
        Held *h = counter_find(c, pid);
        int r = -ENOSPC;

        if (h) {
                h->is_seen = true;
                return;
        }
        for (size_t i = 0; i < HELD_MAX && r == -ENOSPC && c->is_complete; i++)
                if (!c->held[i].counter)
                        r = held_fill(&c->held[i], c, ps, pid);
        if (r < 0 && r != -ESRCH && !(may_be_thread && (r == -EINVAL || r == -ENOENT)))
                c->is_complete = false;
}

/* How many there are still; those that have another name now are not any more. */
static int64_t counter_recount(Counter *c) {
        int64_t n = 0;

        for (size_t i = 0; i < HELD_MAX; i++) {
                char comm[LINE_SIZE];
                Held *h = &c->held[i];
                ssize_t size;

                if (!h->counter)
                        continue;
                size = pread(h->comm_fd, comm, sizeof(comm) - 1, 0);
                comm[MAX(size, (ssize_t)0)] = '\0';
                comm[strcspn(comm, "\n")] = '\0';
                if (size > 0 && counter_wants(c, comm))
                        n++;
                else
                        held_release(h);
        }
        return n;
}

/* --- new ones --- */

/* The last id that was given out, or -1. */
static int64_t read_last_pid(const Processes *ps) {
        char buf[LINE_SIZE];
        const char *space;
        int64_t pid;

        if (file_read(ps->probes->root_fd, "proc/loadavg", buf, sizeof(buf)) < 0)
                return -1;
        space = strrchr(buf, ' ');
        return space && sscanf(space, " %" SCNi64, &pid) == 1 ? pid : -1;
}

static void mark(Processes *ps, int64_t last, usec_t now) {
        if (usec_add(ps->marked_boottime, YOUNG_USEC) > now)
                return;
        ps->settled = ps->marked;
        ps->marked = last;
        ps->marked_boottime = now;
}

/* False: only a walk tells. */
static bool look_at_new(Processes *ps) {
        usec_t now = now_boottime_of(ps);
        char comm[LINE_SIZE];
        int64_t last;
        Counter *c;

        if (ps->looked_boottime == now)
                return true; /* in this turn */
        last = read_last_pid(ps);
        if (last < ps->marked || last - ps->settled > NEW_MAX)
                return false;
        for (int64_t pid = ps->settled + 1; pid <= last; pid++)
                if (is_readable(ps, read_of(ps, pid, "comm", comm, sizeof(comm))))
                        TAILQ_FOREACH(c, &ps->counters, counters)
                                if (c->is_complete && counter_wants(c, comm) && is_alive(ps, pid))
                                        counter_hold(c, ps, pid, /* may_be_thread= */ true);
        mark(ps, last, now);
        ps->looked_boottime = now;
        return ps->error >= 0;
}

/* Without a walk. Returns whether that was possible. */
static bool count_held(Processes *ps, Counter *c, Reading *ret) {
        if (ps->walk || !c->is_complete || ps->error < 0 ||
            usec_add(ps->walked_boottime, WALK_USEC) <= now_boottime_of(ps) || !look_at_new(ps) || !c->is_complete)
                return false;
        (void)probe_known(ret, counter_recount(c));
        return true;
}

/* --- all of them --- */

static void count_process(Processes *ps, int64_t pid) {
        char comm[LINE_SIZE];
        Counter *c;

        if (!is_readable(ps, read_of(ps, pid, "comm", comm, sizeof(comm))))
                return;
        TAILQ_FOREACH(c, &ps->counters, counters)
                if (c->counts && counter_wants(c, comm) && is_alive(ps, pid)) {
                        c->n++;
                        counter_hold(c, ps, pid, /* may_be_thread= */ false);
                }
}

/* Those that a test has put into a directory cannot be held. */
static bool is_procfs(int fd) {
        struct statfs s;

        return fstatfs(fd, &s) >= 0 && s.f_type == PROC_SUPER_MAGIC;
}

static int begin_walk(Processes *ps) {
        int fd = openat(ps->probes->root_fd, "proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        int64_t last = read_last_pid(ps);
        Counter *c;

        ps->can_hold = fd >= 0 && last >= 0 && is_procfs(fd);
        TAILQ_FOREACH(c, &ps->counters, counters) {
                c->counts = true;
                c->is_complete = ps->can_hold && c->n <= HELD_MAX;
                c->n = 0;
                c->is_asked = false;
                for (size_t i = 0; i < HELD_MAX; i++)
                        c->held[i].is_seen = false;
        }
        ps->error = 0;
        ps->walked_boottime = now_boottime_of(ps);
        if (ps->marked_boottime == 0 || last < ps->marked)
                ps->marked = ps->settled = MAX(last - NEW_MAX / 2, (int64_t)0); /* there may be young ones */
        mark(ps, last, ps->walked_boottime);
        if (fd < 0)
                return -errno;
        ps->walk = fdopendir(fd);
        if (!ps->walk) {
                int r = -errno;

                safe_close(fd);
                return r;
        }
        return 0;
}

static void report_all(Processes *ps, const char *reason) {
        Counter *c;

        TAILQ_FOREACH(c, &ps->counters, counters)
                if (TAKE_GENERIC(c->counts, false)) {
                        Reading r = { .reason = reason };

                        c->is_complete = c->is_complete && !reason;
                        for (size_t i = 0; i < HELD_MAX; i++)
                                if (!c->held[i].is_seen || !c->is_complete)
                                        held_release(&c->held[i]);
                        if (!reason)
                                (void)probe_known(&r, c->is_complete ? counter_recount(c) : c->n);
                        probe_report(c->probe, &r);
                }
}

static bool somebody_asks(const Processes *ps) {
        const Counter *c;

        TAILQ_FOREACH(c, &ps->counters, counters)
                if (c->is_asked)
                        return true;
        return false;
}

static void end_walk(Processes *ps) {
        char buf[LINE_SIZE];
        bool sees_all = read_of(ps, 1, "comm", buf, sizeof(buf)) >= 0;

        (void)closedir(TAKE_PTR(ps->walk));
        if (!sees_all)
                report_all(ps, "The processes of other users are hidden from vaktd.");
        else
                report_all(ps, ps->error < 0 ? "The name of a process cannot be read." : NULL);
        if (!somebody_asks(ps)) /* or some came while the walk was under way */
                (void)sd_event_source_set_enabled(ps->turn, SD_EVENT_OFF);
}

/* It begins with the next turn, so that all who ask in one turn share it. */
static int on_turn(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        Processes *ps = userdata;

        if (!ps->walk && begin_walk(ps) < 0) {
                (void)sd_event_source_set_enabled(s, SD_EVENT_OFF);
                report_all(ps, "The processes cannot be counted.");
                return 0;
        }
        for (unsigned i = 0; i < PROCESSES_MAX; i++) {
                const struct dirent *entry;

                errno = 0;
                entry = readdir(ps->walk);
                if (!entry) {
                        (void)is_readable(ps, -errno);
                        end_walk(ps);
                        return 0;
                }
                if (is_digit(entry->d_name[0]))
                        count_process(ps, strtoll(entry->d_name, NULL, 10));
        }
        return 0;
}

/* --- life --- */

static Processes *processes_get(Probes *probes) {
        Processes *ps = probes->shared[PROBE_SHARED_PROCESSES];

        if (ps)
                return ps;
        ps = calloc(1, sizeof(*ps));
        if (!ps)
                return NULL;
        ps->probes = probes;
        TAILQ_INIT(&ps->counters);
        if (event_add_turn(probes->event, &ps->turn, "probe-processes", on_turn, ps) < 0)
                return mfree(ps);
        return probes->shared[PROBE_SHARED_PROCESSES] = ps;
}

static Counter *counter_get(Probe *p, Processes *ps) {
        Counter *c = p->state;

        if (c || !ps)
                return c;
        c = calloc(1, sizeof(*c));
        if (!c)
                return NULL;
        c->probe = p;
        TAILQ_INSERT_TAIL(&ps->counters, c, counters);
        return p->state = c;
}

static int look(Probe *p, Reading *ret) {
        Processes *ps = processes_get(p->probes);
        Counter *c = counter_get(p, ps);
        int r = c ? 0 : -ENOMEM;

        if (c)
                c->has_ended = false;
        if (c && count_held(ps, c, ret))
                return PROBE_ANSWERED;
        if (c) {
                c->is_asked = true;
                r = sd_event_source_set_enabled(ps->turn, SD_EVENT_ON);
        }
        return r < 0 ? probe_unknown_errno(p, ret, r, "The processes cannot be counted: %m.") : PROBE_LATER;
}

static void stop(Probe *p) {
        Processes *ps = p->probes->shared[PROBE_SHARED_PROCESSES];
        Counter *c = p->state;

        if (!c)
                return;
        TAILQ_REMOVE(&ps->counters, c, counters);
        for (size_t i = 0; i < HELD_MAX; i++)
                held_release(&c->held[i]);
        p->state = mfree(c);
}

static void done(Probes *probes) {
        Processes *ps = TAKE_PTR(probes->shared[PROBE_SHARED_PROCESSES]);

        if (!ps)
                return;
        sd_event_source_disable_unref(ps->turn);
        if (ps->walk)
                (void)closedir(ps->walk);
        free(ps);
}

const ProbeKind process_kind = { .look = look, .stop = stop, .done = done };
