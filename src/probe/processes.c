/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* One walk through /proc answers all probes of the kind, and takes many turns if there are many processes: anybody can
 * start some. As for pgrep -x, the name is the one that the kernel knows (comm), of which it keeps 15 bytes only; of a
 * longer name that is asked for, these count. The command line would have all of it, but it is in the memory of the
 * process: reading it waits for one that hangs in a page fault on a file server. A process that has ended and was not
 * waited for does not count.
 *
 * Where /proc hides the processes of others (hidepid=), there is no telling how many there are: PID 1 shows. */

#include "probe/processes.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>

#include "util/ascii.h"
#include "util/file.h"
#include "util/turn.h"

#define PROCESSES_MAX 64 /* a turn */
#define COMM_MAX      15 /* bytes of a name that the kernel keeps */
#define LINE_SIZE     4096

typedef struct Counter {
        Probe *probe;
        int64_t n;
        bool is_asked, counts; /* since this walk began */
        TAILQ_ENTRY(Counter) counters;
} Counter;

typedef struct Processes {
        Probes *probes;
        TAILQ_HEAD(, Counter) counters;
        DIR *walk; /* NULL: there is none now */
        int error; /* of it, so far */
        sd_event_source *turn;
} Processes;

static int read_of(const Processes *ps, const char *pid, const char *name, char *buf, size_t size) {
        char path[NAME_MAX + 1];

        (void)snprintf(path, sizeof(path), "%.32s/%s", pid, name);
        return (int)file_read(dirfd(ps->walk), path, buf, size);
}

/* A process may end meanwhile. All else that is not readable may be one that counts. */
static bool is_readable(Processes *ps, int r) {
        if (r < 0 && r != -ENOENT && r != -ESRCH)
                ps->error = r;
        return r >= 0;
}

/* The letter after the name, which is in parentheses and may contain some. */
static bool is_alive(Processes *ps, const char *pid) {
        char buf[LINE_SIZE];
        const char *end;

        if (!is_readable(ps, read_of(ps, pid, "stat", buf, sizeof(buf))))
                return false;
        end = strrchr(buf, ')');
        return end && end[1] == ' ' && end[2] != 'Z' && end[2] != 'X';
}

static bool process_is(Processes *ps, const char *pid, const char *comm, const char *name) {
        return strncmp(comm, name, COMM_MAX) == 0 && is_alive(ps, pid);
}

static void count_process(Processes *ps, const char *pid) {
        char comm[LINE_SIZE];
        Counter *c;

        if (!is_readable(ps, read_of(ps, pid, "comm", comm, sizeof(comm))))
                return;
        TAILQ_FOREACH(c, &ps->counters, counters)
                if (c->counts && process_is(ps, pid, comm, strempty(c->probe->question.subject)))
                        c->n++;
}

static int begin_walk(Processes *ps) {
        int fd = openat(ps->probes->root_fd, "proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        Counter *c;

        TAILQ_FOREACH(c, &ps->counters, counters) {
                c->counts = true;
                c->n = 0;
                c->is_asked = false;
        }
        ps->error = 0;
        if (fd < 0)
                return -errno;
        ps->walk = fdopendir(fd);
        if (!ps->walk) {
                int r = -errno;

                safe_close(fd);
                return r;
        }
        return sd_event_source_set_enabled(ps->turn, SD_EVENT_ON);
}

static void report_all(Processes *ps, const char *reason) {
        Counter *c;

        TAILQ_FOREACH(c, &ps->counters, counters)
                if (TAKE_GENERIC(c->counts, false)) {
                        Reading r = { .reason = reason };

                        if (!reason)
                                (void)probe_known(&r, c->n);
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
        bool sees_all = read_of(ps, "1", "comm", buf, sizeof(buf)) >= 0;

        (void)closedir(TAKE_PTR(ps->walk));
        (void)sd_event_source_set_enabled(ps->turn, SD_EVENT_OFF);
        if (!sees_all)
                report_all(ps, "The processes of other users are hidden from vaktd.");
        else
                report_all(ps, ps->error < 0 ? "The name of a process cannot be read." : NULL);
        if (somebody_asks(ps) && begin_walk(ps) < 0) /* he came while the walk was under way */
                report_all(ps, "The processes cannot be counted.");
}

static int on_turn(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        Processes *ps = userdata;

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
                        count_process(ps, entry->d_name);
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
                c->is_asked = true;
        if (c && !ps->walk)
                r = begin_walk(ps);
        return r < 0 ? probe_unknown_errno(p, ret, r, "The processes cannot be counted: %m.") : PROBE_LATER;
}

static void stop(Probe *p) {
        Processes *ps = p->probes->shared[PROBE_SHARED_PROCESSES];
        Counter *c = p->state;

        if (!c)
                return;
        TAILQ_REMOVE(&ps->counters, c, counters);
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
