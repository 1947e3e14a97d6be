/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Most questions about paths are about file systems of this machine, which answer them as fast as any program is read.
 * To ask another process for that wakes up two of them for each round, which is more than all else that sampling
 * takes.
 *
 * Where nothing hangs, the mount table tells, by the types of file systems; but somebody may mount one of another type
 * meanwhile. So the path is walked name by name, and nothing is looked up in a directory, or asked of a file, before
 * the id of its mount is known to be one of those. An id may be given to another mount; so the table must not have
 * changed when the file is open, which keeps its mount alive. Only in the root directory names are looked up in any
 * case: with its file system, the machine hangs. No symbolic link is followed: whether one may be is for vakt-probe to
 * find out. (RESOLVE_CACHED of openat2(2) is made for this, but RestrictSUIDSGID= of our service does not allow that
 * call.) */

#include "probe/local-file.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>

#include "fs/mount-table.h"

typedef struct LocalFiles {
        MountTable *table;
        int dir_fd; /* the directory of the last path, with O_PATH, for as long as the looks of this turn last */
        char *dir_path;
} LocalFiles;

static LocalFiles *local_files_free(LocalFiles *l) {
        if (!l)
                return NULL;
        (void)mount_table_free(l->table);
        safe_close(l->dir_fd);
        free(l->dir_path);
        return mfree(l);
}
DEFINE_CLEANUP(LocalFiles, local_files_free)

static void forget_directory(Probes *probes) {
        LocalFiles *l = probes->shared[PROBE_SHARED_LOCAL_FILES];

        l->dir_fd = safe_close(l->dir_fd);
        l->dir_path = mfree(l->dir_path);
}

/* Returns whether the table is as it was. Waiting for a change takes note of it. */
static bool is_current(const LocalFiles *l) {
        struct pollfd fd = { .fd = mount_table_fd(l->table), .events = POLLPRI };

        return poll(&fd, 1, 0) == 0;
}

static LocalFiles *local_files_get(Probes *probes) {
        _cleanup_(local_files_freep) LocalFiles *l = TAKE_PTR(probes->shared[PROBE_SHARED_LOCAL_FILES]);

        if (!l) {
                l = malloc(sizeof(*l));
                if (!l)
                        return NULL;
                *l = (LocalFiles){ .dir_fd = -EBADF };
                if (mount_table_new(&l->table) < 0)
                        return NULL;
        }
        if (l->dir_fd < 0 && !is_current(l) && mount_table_update(l->table, NULL, NULL) < 0)
                return NULL; /* next time, there is another one */
        return probes->shared[PROBE_SHARED_LOCAL_FILES] = TAKE_PTR(l);
}

/* Its id tells the kernel at once, of any file system. */
static bool is_on_local_mount(const MountTable *t, int fd) {
        struct file_handle handle = {};
        int id = -1;

        (void)name_to_handle_at(fd, "", &handle, &id, AT_EMPTY_PATH);
        return id >= 0 && mount_table_id_is_known_local(t, id);
}

/* With O_PATH; the last name may be that of a link. -EREMOTE: something on the way, or at its end, may hang. */
static int step(const MountTable *t, int dir_fd, const char *name, int flags) {
        _cleanup_close_ int fd = openat(dir_fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC | flags);

        if (fd < 0)
                return -errno;
        return is_on_local_mount(t, fd) ? TAKE_FD(fd) : -EREMOTE;
}

/* n: bytes of the path. */
static int walk(const MountTable *t, const char *path, size_t n) {
        _cleanup_close_ int fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
        const char *end = path + n;

        for (; fd >= 0 && (path += strspn(path, "/")) < end; path += strcspn(path, "/")) {
                char name[NAME_MAX + 1];
                int next;

                if (snprintf(name, sizeof(name), "%.*s", (int)strcspn(path, "/"), path) >= (int)sizeof(name))
                        return -ENAMETOOLONG;
                next = step(t, fd, name, O_DIRECTORY);
                if (next < 0)
                        return next;
                safe_close(fd);
                fd = next;
        }
        if (fd < 0)
                return -errno;
        return is_on_local_mount(t, fd) ? TAKE_FD(fd) : -EREMOTE;
}

/* Many paths are in one directory, so that is kept open for a moment. */
static int open_path(Probes *probes, LocalFiles *l, const char *path) {
        const char *name = strrchr(path, '/') + 1;
        size_t n = (size_t)(name - path);

        if (*name == '\0')
                return walk(l->table, path, n);
        if (l->dir_fd < 0 || strncmp(l->dir_path, path, n) != 0 || l->dir_path[n] != '\0') {
                forget_directory(probes);
                l->dir_path = strndup(path, n);
                l->dir_fd = l->dir_path ? walk(l->table, path, n) : -ENOMEM;
                probes->looked = forget_directory;
        }
        return l->dir_fd < 0 ? l->dir_fd : step(l->table, l->dir_fd, name, 0);
}

bool local_file_answer(Probes *probes, const OutsideQuestion *q, OutsideAnswer *a) {
        _cleanup_close_ int fd = -EBADF;
        LocalFiles *l = local_files_get(probes);

        *a = (OutsideAnswer){};
        if (!l || q->subject[0] != '/')
                return false;
        fd = open_path(probes, l, q->subject);
        if (!is_current(l)) { /* and the next one finds out what has changed */
                local_file_done(probes);
                return false;
        }
        if (fd >= 0)
                path_answer(q, fd, a);
        else if (fd == -ENOENT && q->kind == CONDITION_FILE_EXISTS)
                answer_known(a, false, 0);
        return a->is_known;
}

void local_file_done(Probes *probes) {
        probes->looked = NULL;
        probes->shared[PROBE_SHARED_LOCAL_FILES] = local_files_free(probes->shared[PROBE_SHARED_LOCAL_FILES]);
}
