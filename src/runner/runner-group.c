/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Control groups of runs. To make one and to remove it again takes the kernel a third of what else a run costs us, so
 * one that is as it was made is used for a further run. It keeps its name, which is that of its first run.
 *
 * That it is as it was made is told by inotify(7): runs may belong to root or to the owner of the group, and there are
 * dozens of files in which one could leave a limit, a freezer, or a group below. Who opens one of them, makes, writes
 * or changes anything is heard of before he is dead, and that group is used for no other run. So is one whose
 * processes were killed: the kernel would kill whoever is made in it. We open what we need beforehand.
 *
 * What a run has used is the difference. Linux tells a peak since a moment from 6.12 on: before, where memory is
 * counted, a group has one run. */

#include <fcntl.h>
#include <sys/inotify.h>

#include "runner/runner.h"
#include "util/strv.h"

#define IDLE_MAX    64 /* groups that wait for a run */
#define EVENTS_SIZE 16384
#define PEAK_FILE   "memory.peak"
#define CHANGES     (IN_OPEN | IN_MODIFY | IN_ATTRIB | IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_MOVE_SELF)

int groups_open(Runner *r) {
        int k = child_cgroup_new(&r->cgroup, "runner");

        r->inotify_fd = k >= 0 ? inotify_init1(IN_CLOEXEC | IN_NONBLOCK) : -EBADF;
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
                if (e->mask == IN_MODIFY && e->len > 0 &&
                    streq(e->name, PEAK_FILE)) /* that is for one descriptor only */
                        continue;
                spoil(r, e->wd, /* all= */ (e->mask & IN_Q_OVERFLOW) || n > EVENTS_SIZE / 2);
        }
}

/* Positive: that many bytes. It is read from its beginning. */
static ssize_t read_file(int fd, char *text, size_t size) {
        ssize_t n = fd >= 0 ? pread(fd, text, size - 1, 0) : -1;

        text[n > 0 ? n : 0] = '\0';
        return n;
}

/* And it is still there. */
static bool has_no_process(const Group *g) {
        char text[16];

        return read_file(g->members_fd, text, sizeof(text)) == 0;
}

bool group_is_clean(Runner *r, const Group *g) {
        if (!g->is_reusable || !has_no_process(g))
                return false;
        read_changes(r); /* after its last process has gone */
        return g->is_reusable;
}

/* UINT64_MAX: it cannot be read. */
static uint64_t read_number(int fd, const char *key) {
        char text[128];
        const char *number = read_file(fd, text, sizeof(text)) > 0 ? startswith(text, key) : NULL;

        return number ? strtoull(number, NULL, 10) : UINT64_MAX;
}

static usec_t read_cpu(const Group *g) {
        return read_number(g->usage_fd, "usage_usec ");
}

ChildUsage group_usage(const Runner *r, Group *g) {
        uint64_t cpu = read_cpu(g), peak = read_number(g->peak_fd, "");
        ChildUsage usage = { .memory_peak = peak == UINT64_MAX ? peak : usec_sub(peak, g->memory_before) };

        if (!g->is_prepared)
                return child_cgroup_usage(r->cgroup, g->number);
        usage.cpu = usec_sub(cpu, g->cpu_before);
        g->cpu_before = cpu;
        return usage;
}

void group_free(const Runner *r, Group *g) {
        if (g->watch >= 0)
                (void)inotify_rm_watch(r->inotify_fd, g->watch);
        safe_close(g->fd);
        safe_close(g->members_fd);
        safe_close(g->usage_fd);
        safe_close(g->peak_fd);
        safe_close(g->events_fd);
        free(g);
}

/* From now on its memory is the next run's. False: that cannot be. */
static bool begin_peak(const Runner *r, Group *g) {
        char text[256];

        if (!child_cgroup_counts_memory(r->cgroup))
                return true;
        if (read_file(g->events_fd, text, sizeof(text)) <= 0 || !strstr(text, "\noom_kill 0\n") ||
            write(g->peak_fd, "0", 1) < 0)
                return false;
        g->memory_before = read_number(g->peak_fd, "");
        return true;
}

/* What is opened later would be taken for a change. */
static void prepare_reuse(const Runner *r, Group *g) {
        char path[sizeof("/proc/self/fd/2147483647")];

        g->members_fd = openat(g->fd, "cgroup.procs", O_RDONLY | O_CLOEXEC);
        g->usage_fd = openat(g->fd, "cpu.stat", O_RDONLY | O_CLOEXEC);
        if (child_cgroup_counts_memory(r->cgroup)) {
                g->peak_fd = openat(g->fd, PEAK_FILE, O_RDWR | O_CLOEXEC);
                g->events_fd = openat(g->fd, "memory.events", O_RDONLY | O_CLOEXEC);
        }
        (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", g->fd);
        g->watch = inotify_add_watch(r->inotify_fd, path, CHANGES | IN_ONLYDIR);
        g->is_prepared = g->is_reusable =
                g->members_fd >= 0 && g->watch >= 0 && read_cpu(g) != USEC_INFINITY && begin_peak(r, g);
}

static Group *group_new(const Runner *r, uint64_t run) {
        Group *g = malloc(sizeof(*g));

        if (!g || child_cgroup_make(r->cgroup, run) < 0) {
                free(g);
                return NULL;
        }
        *g = (Group){
                .number = run,
                .members_fd = -EBADF,
                .usage_fd = -EBADF,
                .peak_fd = -EBADF,
                .events_fd = -EBADF,
                .watch = -1,
        };
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
                /* No event tells that it was removed, or joined by a child (clone3(2) with O_PATH). */
                if (g->is_reusable && has_no_process(g) && begin_peak(r, g))
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
