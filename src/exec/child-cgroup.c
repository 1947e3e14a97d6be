/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A control group is the one thing that a process cannot leave behind: with a group of its own a run is ended whole,
 * and what it used is counted whole. We touch a group only where one was given to us, which the service manager marks
 * by an attribute on it: the group of somebody else may be writable, too.
 *
 * The kernel wants processes in the leaves of the tree only as soon as controllers are handed on, so the daemon moves
 * into a leaf of its own. The memory controller is handed on where there is one; time is counted without any. */

#include "exec/child-cgroup.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <signal.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/xattr.h>

#include "util/file.h"
#include "util/log.h"
#include "util/strv.h"

#define OWN_GROUP     "daemon"
#define RUN_PREFIX    "run-"
#define FILE_PATH_MAX (sizeof(RUN_PREFIX "18446744073709551615/cgroup.subtree_control"))
#define TEXT_MAX      4096 /* bytes of a file of the kernel that is no list */

/* A group that still has a process in it; it is removed when the last one is gone. */
typedef struct Leaving {
        struct Leaving *next;
        struct ChildCgroup *cgroup;
        uint64_t run;
        sd_event_source *source;
} Leaving;

struct ChildCgroup {
        sd_event *event;
        char *path;
        const char *below_root; /* the part of path that /proc/PID/cgroup shows */
        int fd;
        Leaving *leaving;
};

/* --- files of a group --- */

static int write_file(int dir_fd, const char *name, const char *text) {
        _cleanup_close_ int fd = openat(dir_fd, name, O_WRONLY | O_CLOEXEC | O_NOCTTY);

        if (fd < 0)
                return -errno;
        return write(fd, text, strlen(text)) < 0 ? -errno : 0;
}

static const char *run_file(char buf[FILE_PATH_MAX], uint64_t run, const char *name) {
        (void)snprintf(buf, FILE_PATH_MAX, RUN_PREFIX "%" PRIu64 "%s%s", run, name[0] ? "/" : "", name);
        return buf;
}

/* The number behind a word at the beginning of a line; -ENOENT. */
static int read_keyed(const ChildCgroup *c, uint64_t run, const char *name, const char *key, uint64_t *ret) {
        char path[FILE_PATH_MAX], text[TEXT_MAX];
        ssize_t n = file_read(c->fd, run_file(path, run, name), text, sizeof(text));

        if (n < 0)
                return (int)n;
        for (const char *line = text; line; line = strchr(line, '\n')) {
                const char *rest;

                line += *line == '\n';
                rest = startswith(line, key);
                if (rest && *rest == ' ') {
                        *ret = strtoull(rest + 1, NULL, 10);
                        return 0;
                }
        }
        return -ENOENT;
}

/* --- where we are --- */

static bool is_delegated(const char *path) {
        static const char *const attributes[] = { "trusted.delegate", "user.delegate" };
        char value[2];

        for (size_t i = 0; i < ELEMENTSOF(attributes); i++)
                if (getxattr(path, attributes[i], value, sizeof(value)) == 1 && value[0] == '1')
                        return true;
        return false;
}

/* Where cgroup v2 is mounted: alone, or beside the old hierarchies. */
static const char *find_root(void) {
        static const char *const places[] = { "/sys/fs/cgroup", "/sys/fs/cgroup/unified" };
        struct statfs s;

        for (size_t i = 0; i < ELEMENTSOF(places); i++)
                if (statfs(places[i], &s) == 0 && s.f_type == CGROUP2_SUPER_MAGIC)
                        return places[i];
        return NULL;
}

/* The group of a process without the newline, as /proc shows it; the caller frees it. */
static int read_group(pid_t pid, char **ret) {
        char path[sizeof("/proc/2147483647/cgroup")], text[TEXT_MAX];
        const char *group;
        ssize_t n;

        (void)snprintf(path, sizeof(path), "/proc/%d/cgroup", pid);
        n = file_read(AT_FDCWD, path, text, sizeof(text));
        if (n < 0)
                return (int)n;
        group = startswith(text, "0::");
        if (!group) {
                group = strstr(text, "\n0::");
                if (!group)
                        return -ENOENT;
                group += strlen("\n0::");
        }
        *ret = strndup(group, strcspn(group, "\n"));
        return *ret ? 0 : -ENOMEM;
}

/* Ours, or the one above it when somebody (DelegateSubgroup=, an earlier start of ours) has put us into a leaf. */
static int find_delegated(ChildCgroup *c) {
        _cleanup_free_ char *group = NULL;
        const char *root = find_root();
        char *slash;
        int r;

        if (!root)
                return -ENOENT;
        r = read_group(getpid(), &group);
        if (r < 0)
                return r;
        if (string_format(&c->path, "%s%s", root, group) < 0)
                return -ENOMEM;
        c->below_root = c->path + strlen(root);
        if (is_delegated(c->path))
                return 0;
        slash = strrchr(c->path, '/');
        if (slash <= c->below_root)
                return -ENOENT;
        *slash = '\0';
        return is_delegated(c->path) ? 0 : -ENOENT;
}

/* A group that has a process in it refuses. */
static void remove_empty_groups(const ChildCgroup *c) {
        _cleanup_(closedirp) DIR *directory = fd_list(c->fd);
        struct dirent *entry;

        while (directory && (entry = readdir(directory)))
                if (startswith(entry->d_name, RUN_PREFIX))
                        (void)unlinkat(c->fd, entry->d_name, AT_REMOVEDIR);
}

int child_cgroup_new(ChildCgroup **ret, sd_event *event) {
        _cleanup_(child_cgroup_freep) ChildCgroup *c = NULL;
        int r;

        c = malloc(sizeof(*c));
        if (!c)
                return -ENOMEM;
        *c = (ChildCgroup){ .event = sd_event_ref(event), .fd = -EBADF };
        r = find_delegated(c);
        if (r < 0)
                return r;
        c->fd = open(c->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (c->fd < 0)
                return -errno;
        if (mkdirat(c->fd, OWN_GROUP, 0755) < 0 && errno != EEXIST)
                return -errno;
        r = write_file(c->fd, OWN_GROUP "/cgroup.procs", "0");
        if (r < 0)
                return r;
        r = write_file(c->fd, "cgroup.subtree_control", "+memory");
        if (r < 0)
                log_debug_errno(r, "No memory controller for the control groups of runs, ignoring: %m");
        remove_empty_groups(c);
        log_debug("Each run gets a control group below %s.", c->path);
        *ret = TAKE_PTR(c);
        return 0;
}

/* --- leaving --- */

static void leaving_free(Leaving *l) {
        for (Leaving **p = &l->cgroup->leaving; *p; p = &(*p)->next)
                if (*p == l) {
                        *p = l->next;
                        break;
                }
        sd_event_source_disable_unref(l->source);
        free(l);
}

/* True when it is gone, or can never be. */
static bool try_remove(const ChildCgroup *c, uint64_t run) {
        char path[FILE_PATH_MAX];

        return unlinkat(c->fd, run_file(path, run, ""), AT_REMOVEDIR) >= 0 || errno != EBUSY;
}

static int on_events_changed(sd_event_source *s, const struct inotify_event *event, void *userdata) {
        Leaving *l = userdata;

        if (try_remove(l->cgroup, l->run) || (event->mask & IN_IGNORED))
                leaving_free(l);
        return 0;
}

static int leaving_new(ChildCgroup *c, uint64_t run) {
        _cleanup_free_ char *path = NULL;
        char name[FILE_PATH_MAX];
        Leaving *l;
        int r;

        l = malloc(sizeof(*l));
        if (!l)
                return -ENOMEM;
        *l = (Leaving){ .next = c->leaving, .cgroup = c, .run = run };
        c->leaving = l;
        r = string_format(&path, "%s/%s", c->path, run_file(name, run, "cgroup.events"));
        if (r >= 0)
                r = sd_event_add_inotify(c->event, &l->source, path, IN_MODIFY, on_events_changed, l);
        if (r < 0) {
                leaving_free(l);
                return r;
        }
        (void)sd_event_source_set_description(l->source, "run-cgroup");
        if (try_remove(c, run)) /* it became empty before we began to watch */
                leaving_free(l);
        return 0;
}

void child_cgroup_remove(ChildCgroup *c, uint64_t run) {
        int r;

        if (try_remove(c, run))
                return;
        r = leaving_new(c, run);
        if (r < 0)
                log_debug_errno(r, "Cannot wait for control group " RUN_PREFIX "%" PRIu64 ", leaving it: %m", run);
}

ChildCgroup *child_cgroup_free(ChildCgroup *c) {
        if (!c)
                return NULL;
        while (c->leaving)
                leaving_free(c->leaving);
        safe_close(c->fd);
        sd_event_unref(c->event);
        free(c->path);
        return mfree(c);
}

/* --- the group of a run --- */

int child_cgroup_make(ChildCgroup *c, uint64_t run) {
        char path[FILE_PATH_MAX];

        return mkdirat(c->fd, run_file(path, run, ""), 0755) < 0 && errno != EEXIST ? -errno : 0;
}

bool child_cgroup_exists(const ChildCgroup *c, uint64_t run) {
        char path[FILE_PATH_MAX];

        return faccessat(c->fd, run_file(path, run, ""), F_OK, 0) >= 0;
}

int child_cgroup_open(const ChildCgroup *c, uint64_t run) {
        char path[FILE_PATH_MAX];
        int fd = openat(c->fd, run_file(path, run, ""), O_PATH | O_DIRECTORY | O_CLOEXEC);

        return fd < 0 ? -errno : fd;
}

/* One pass over its members. A process that is made meanwhile may be missed: a signal that can be answered leaves that
 * to the process that creates it. */
static int signal_members(const ChildCgroup *c, uint64_t run, int sig) {
        char path[FILE_PATH_MAX];
        int fd = openat(c->fd, run_file(path, run, "cgroup.procs"), O_RDONLY | O_CLOEXEC), pid, r = 0;
        FILE *f = fd >= 0 ? fdopen(fd, "r") : NULL;

        if (!f) {
                r = -errno;
                safe_close(fd);
                return r;
        }
        while (fscanf(f, "%d", &pid) == 1)
                if (pid > 0 && kill(pid, sig) < 0 && errno != ESRCH)
                        r = -errno;
        (void)fclose(f);
        return r;
}

void child_cgroup_signal(const ChildCgroup *c, uint64_t run, int sig) {
        char path[FILE_PATH_MAX];
        int r = -ENOENT;

        if (sig == SIGKILL)
                r = write_file(c->fd, run_file(path, run, "cgroup.kill"), "1");
        if (r == -ENOENT) /* another signal, or a kernel before 5.14 */
                r = signal_members(c, run, sig);
        if (r < 0 && r != -ENOENT)
                log_warning_errno(r,
                                  "Cannot send signal %d to control group %s/" RUN_PREFIX "%" PRIu64 ", ignoring: %m",
                                  sig, c->path, run);
}

ChildUsage child_cgroup_usage(const ChildCgroup *c, uint64_t run) {
        ChildUsage usage = { .cpu = USEC_INFINITY, .memory_peak = UINT64_MAX };
        char path[FILE_PATH_MAX], text[TEXT_MAX];
        uint64_t n_killed;

        (void)read_keyed(c, run, "cpu.stat", "usage_usec", &usage.cpu);
        if (file_read(c->fd, run_file(path, run, "memory.peak"), text, sizeof(text)) > 0)
                usage.memory_peak = strtoull(text, NULL, 10);
        usage.oom = read_keyed(c, run, "memory.events", "oom_kill", &n_killed) >= 0 && n_killed > 0;
        return usage;
}

uint64_t child_cgroup_run_of(const ChildCgroup *c, pid_t pid) {
        _cleanup_free_ char *group = NULL;
        const char *name;

        if (read_group(pid, &group) < 0)
                return 0;
        name = startswith(group, c->below_root);
        if (!name || !startswith(name, "/" RUN_PREFIX))
                return 0;
        return strtoull(name + strlen("/" RUN_PREFIX), NULL, 10);
}
