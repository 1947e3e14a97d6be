/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A control group is the one thing that a process cannot leave behind: with a group of its own a run is ended whole,
 * and what it used is counted whole. We touch a group only where one was given to us, which the service manager marks
 * by an attribute on it: the group of somebody else may be writable, too.
 *
 * The kernel wants processes in the leaves of the tree only as soon as controllers are handed on, so the daemon moves
 * into a leaf of its own, and a runner, too. The memory controller is handed on where there is one; time is counted
 * without any. */

#include "exec/child-cgroup.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/xattr.h>

#include "job/job-def.h"
#include "util/file.h"
#include "util/strv.h"

#define RUN_PREFIX    "run-"
#define FILE_PATH_MAX (sizeof(RUN_PREFIX "18446744073709551615/cgroup.subtree_control"))
#define TEXT_MAX      4096 /* bytes of a file of the kernel that is no list */

struct ChildCgroup {
        char *path;
        const char *below_root; /* the part of path that /proc/PID/cgroup shows */
        int fd;
        bool has_memory; /* the controller was handed on */
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

/* A user's service manager leaves no mark (252 does not). The unit of a runner is always delegated, by vaktd. */
static bool is_of_runner(const char *path) {
        const char *name = strrchr(path, '/') + 1, *number = strrchr(name, '-');
        size_t n = strlen(JOB_RUNNER_SUFFIX);

        return startswith(name, "vakt-") && (size_t)(number - name) > n &&
               memcmp(number - n, JOB_RUNNER_SUFFIX, n) == 0;
}

static bool is_delegated(const char *path) {
        static const char *const attributes[] = { "trusted.delegate", "user.delegate" };
        char value[2];

        for (size_t i = 0; i < ELEMENTSOF(attributes); i++)
                if (getxattr(path, attributes[i], value, sizeof(value)) == 1 && value[0] == '1')
                        return true;
        return is_of_runner(path);
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

static int enter_own_group(const ChildCgroup *c, const char *own_group) {
        _cleanup_free_ char *entrance = NULL;

        if (mkdirat(c->fd, own_group, 0755) < 0 && errno != EEXIST)
                return -errno;
        if (string_format(&entrance, "%s/cgroup.procs", own_group) < 0)
                return -ENOMEM;
        return write_file(c->fd, entrance, "0");
}

int child_cgroup_new(ChildCgroup **ret, const char *own_group) {
        _cleanup_(child_cgroup_freep) ChildCgroup *c = NULL;
        int r;

        c = malloc(sizeof(*c));
        if (!c)
                return -ENOMEM;
        *c = (ChildCgroup){ .fd = -EBADF };
        r = find_delegated(c);
        if (r < 0)
                return r;
        c->fd = open(c->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (c->fd < 0)
                return -errno;
        r = enter_own_group(c, own_group);
        if (r < 0)
                return r;
        c->has_memory = write_file(c->fd, "cgroup.subtree_control", "+memory") >= 0;
        remove_empty_groups(c);
        *ret = TAKE_PTR(c);
        return 0;
}

ChildCgroup *child_cgroup_free(ChildCgroup *c) {
        if (!c)
                return NULL;
        safe_close(c->fd);
        free(c->path);
        return mfree(c);
}

/* --- the group of a run --- */

int child_cgroup_make(const ChildCgroup *c, uint64_t run) {
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

int child_cgroup_signal(const ChildCgroup *c, uint64_t run, int sig) {
        char path[FILE_PATH_MAX];
        int r = -ENOENT;

        if (sig == SIGKILL)
                r = write_file(c->fd, run_file(path, run, "cgroup.kill"), "1");
        if (r == -ENOENT) /* another signal, or a kernel before 5.14 */
                r = signal_members(c, run, sig);
        return r == -ENOENT ? 0 : r;
}

ChildUsage child_cgroup_usage(const ChildCgroup *c, uint64_t run) {
        ChildUsage usage = { .cpu = USEC_INFINITY, .memory_peak = UINT64_MAX };
        char path[FILE_PATH_MAX], text[TEXT_MAX];

        (void)read_keyed(c, run, "cpu.stat", "usage_usec", &usage.cpu);
        if (c->has_memory && file_read(c->fd, run_file(path, run, "memory.peak"), text, sizeof(text)) > 0)
                usage.memory_peak = strtoull(text, NULL, 10);
        return usage;
}

bool child_cgroup_counts_memory(const ChildCgroup *c) {
        return c->has_memory;
}

bool child_cgroup_was_oom(const ChildCgroup *c, uint64_t run) {
        uint64_t n_killed;

        return c->has_memory && read_keyed(c, run, "memory.events", "oom_kill", &n_killed) >= 0 && n_killed > 0;
}

bool child_cgroup_remove(const ChildCgroup *c, uint64_t run) {
        char path[FILE_PATH_MAX];

        return unlinkat(c->fd, run_file(path, run, ""), AT_REMOVEDIR) >= 0 || errno != EBUSY;
}

int child_cgroup_open_events(const ChildCgroup *c, uint64_t run) {
        char path[FILE_PATH_MAX];
        int fd = openat(c->fd, run_file(path, run, "cgroup.events"), O_RDONLY | O_CLOEXEC);

        return fd < 0 ? -errno : fd;
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
