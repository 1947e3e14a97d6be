/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Control groups of runs. To make one and to remove it again takes the kernel a third of what else a run costs us, so
 * one that is as it was made is used for a further run. It keeps its name, which is that of its first run.
 *
 * That it is as it was made is told by inotify(7): runs may belong to root or to the owner of the group, and there are
 * dozens of files in which one could leave a limit, a freezer, or a group below. Who opens one of them, makes, writes
 * or changes anything is heard of before he is dead, and that group is used for no other run. So is one whose
 * processes were killed: the kernel would kill whoever is made in it. We open what we need beforehand.
 *
 * Where memory is counted a group has one run: its peak is one of all of its time. */

#include <fcntl.h>
#include <sys/inotify.h>

#include "runner/runner.h"
#include "util/strv.h"

#define IDLE_MAX    64 /* groups that wait for a run */
#define EVENTS_SIZE 16384
#define CHANGES     (IN_OPEN | IN_MODIFY | IN_ATTRIB | IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_MOVE_SELF)

int groups_open(Runner *r) {
        int k = child_cgroup_new(&r->cgroup, "runner");

        r->inotify_fd =
                k >= 0 && !child_cgroup_counts_memory(r->cgroup) ? inotify_init1(IN_CLOEXEC | IN_NONBLOCK) : -EBADF;
        return k;
}

static void spoil(Runner *r, int watch, bool all) {
        for (Group *g = r->idle_groups; g; g = g->next)
                g->is_reusable = g->is_reusable && g->watch != watch && !all;
        for (size_t i = 0; i < RUNNER_ENTRIES; i++) {
                Group *g = r->runs[i].group;

                if (g)
                        g->is_reusable = g->is_reusable && g->watch != watch && !all;
        }
}

/* One look is enough: who has so much to tell that more may follow is about all of them. */
static void read_changes(Runner *r) {
        static _Alignas(struct inotify_event) char events[EVENTS_SIZE];
        ssize_t n = r->inotify_fd >= 0 ? read(r->inotify_fd, events, sizeof(events)) : 0;
        const struct inotify_event *e;

        for (const char *p = events; n > 0 && p < events + n; p += sizeof(*e) + e->len) {
                e = (const void *)p;
                spoil(r, e->wd, /* all= */ (e->mask & IN_Q_OVERFLOW) || n > EVENTS_SIZE / 2);
        }
}

/* Positive: that many bytes. It is read from its beginning. */
static ssize_t read_file(int fd, char *text, size_t size) {
        ssize_t n = fd >= 0 ? pread(fd, text, size - 1, 0) : -1;

        text[n > 0 ? n : 0] = '\0';
        return n;
}

bool group_is_clean(Runner *r, const Group *g) {
        char text[16];

        if (!g->is_reusable || read_file(g->members_fd, text, sizeof(text)) != 0)
                return false;
        read_changes(r); /* after its last process has gone */
        return g->is_reusable;
}

static usec_t read_cpu(const Group *g) {
        char text[128];
        const char *number = read_file(g->usage_fd, text, sizeof(text)) > 0 ? startswith(text, "usage_usec ") : NULL;

        return number ? strtoull(number, NULL, 10) : USEC_INFINITY;
}

ChildUsage group_usage(const Runner *r, Group *g) {
        usec_t cpu = read_cpu(g), before = g->cpu_before;

        if (cpu == USEC_INFINITY)
                return child_cgroup_usage(r->cgroup, g->number);
        g->cpu_before = cpu;
        return (ChildUsage){ .cpu = usec_sub(cpu, before), .memory_peak = UINT64_MAX };
}

void group_free(const Runner *r, Group *g) {
        if (g->watch >= 0)
                (void)inotify_rm_watch(r->inotify_fd, g->watch);
        safe_close(g->fd);
        safe_close(g->members_fd);
        safe_close(g->usage_fd);
        free(g);
}

/* It has to be made and open before anybody else can know of it. */
static void prepare_reuse(const Runner *r, Group *g) {
        char path[sizeof("/proc/self/fd/2147483647")];

        g->members_fd = openat(g->fd, "cgroup.procs", O_RDONLY | O_CLOEXEC);
        g->usage_fd = openat(g->fd, "cpu.stat", O_RDONLY | O_CLOEXEC);
        (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", g->fd);
        g->watch = inotify_add_watch(r->inotify_fd, path, CHANGES | IN_ONLYDIR);
        g->is_reusable = g->members_fd >= 0 && g->watch >= 0 && read_cpu(g) != USEC_INFINITY;
}

static Group *group_new(const Runner *r, uint64_t run) {
        Group *g = malloc(sizeof(*g));

        if (!g || child_cgroup_make(r->cgroup, run) < 0) {
                free(g);
                return NULL;
        }
        *g = (Group){ .number = run, .members_fd = -EBADF, .usage_fd = -EBADF, .watch = -1 };
        g->fd = child_cgroup_open(r->cgroup, run);
        if (g->fd >= 0 && r->inotify_fd >= 0)
                prepare_reuse(r, g);
        return g;
}

/* False: there is a process in it. */
static bool group_remove(const Runner *r, Group *g) {
        if (!child_cgroup_remove(r->cgroup, g->number))
                return false;
        group_free(r, g);
        return true;
}

Group *group_take(Runner *r, uint64_t run) {
        Group *g;

        if (!r->cgroup)
                return NULL;
        read_changes(r);
        while ((g = r->idle_groups)) {
                r->idle_groups = g->next;
                r->n_idle_groups--;
                if (g->is_reusable)
                        return g;
                if (!group_remove(r, g)) /* somebody has gone there: it is removed with the unit */
                        group_free(r, g);
        }
        return group_new(r, run);
}

bool group_give_back(Runner *r, Group *g) {
        if (r->n_idle_groups >= IDLE_MAX || !group_is_clean(r, g))
                return group_remove(r, g);
        g->next = r->idle_groups;
        r->idle_groups = g;
        r->n_idle_groups++;
        return true;
}
