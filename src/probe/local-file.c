/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Most questions about paths are about file systems of this machine, which answer them as fast as any program is read.
 * To ask another process for that wakes up two of them for each round, which is more than all else that sampling
 * takes.
 *
 * Where nothing hangs, the mount table tells, by the types of file systems; but somebody may mount one of another type
 * meanwhile. So the path is walked name by name, and nothing is looked up in a directory, or asked of a file, before
 * the id of its mount is known to be one of those. An id may be given to another mount; so the table must not have
 * changed when the file is open, which keeps its mount alive. Only the root directory is taken as it is: with its file
 * system, the machine hangs. No symbolic link is followed: whether one may be is for vakt-probe to find out.
 * (RESOLVE_CACHED of openat2(2) is made for this, but RestrictSUIDSGID= of our service does not allow that call.) */

#include "probe/local-file.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>

#include "fs/mount-table.h"

/* Returns whether the table is as it was. Waiting for a change takes note of it. */
static bool is_current(const MountTable *t) {
        struct pollfd fd = { .fd = mount_table_fd(t), .events = POLLPRI };

        return poll(&fd, 1, 0) == 0;
}

static MountTable *get_table(Probes *probes) {
        MountTable *t = probes->shared[PROBE_SHARED_LOCAL_FILES];

        if (!t) {
                if (mount_table_new(&t) < 0)
                        return NULL;
                probes->shared[PROBE_SHARED_LOCAL_FILES] = t;
        }
        if (!is_current(t) && mount_table_update(t, NULL, NULL) < 0) { /* next time, there is another one */
                local_file_done(probes);
                return NULL;
        }
        return t;
}

/* Its id tells the kernel at once, of any file system. */
static bool is_on_local_mount(const MountTable *t, int fd) {
        struct file_handle handle = {};
        int id = -1;

        (void)name_to_handle_at(fd, "", &handle, &id, AT_EMPTY_PATH);
        return id >= 0 && mount_table_id_is_local(t, id);
}

/* With O_PATH; the last name may be that of a link. -EREMOTE: something on the way, or at its end, may hang. */
static int walk(const MountTable *t, const char *path) {
        _cleanup_close_ int fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

        for (size_t n; fd >= 0 && (n = strcspn(path += strspn(path, "/"), "/")) > 0; path += n) {
                char name[NAME_MAX + 1];
                int next;

                if (n > NAME_MAX)
                        return -ENAMETOOLONG;
                memcpy(name, path, n);
                name[n] = '\0';
                next = openat(fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC | (path[n] != '\0' ? O_DIRECTORY : 0));
                if (next < 0)
                        return -errno;
                safe_close(fd);
                fd = next;
                if (!is_on_local_mount(t, fd))
                        return -EREMOTE;
        }
        return fd < 0 ? -errno : TAKE_FD(fd);
}

bool local_file_answer(Probes *probes, const OutsideQuestion *q, OutsideAnswer *a) {
        _cleanup_close_ int fd = -EBADF;
        const MountTable *t = get_table(probes);

        *a = (OutsideAnswer){};
        if (!t || q->subject[0] != '/' || !mount_table_path_is_local(t, q->subject))
                return false;
        fd = walk(t, q->subject);
        if (!is_current(t))
                return false;
        if (fd >= 0)
                path_answer(q, fd, a);
        else if (fd == -ENOENT && q->kind == CONDITION_FILE_EXISTS)
                answer_known(a, false, 0);
        return a->is_known;
}

void local_file_done(Probes *probes) {
        probes->shared[PROBE_SHARED_LOCAL_FILES] = mount_table_free(probes->shared[PROBE_SHARED_LOCAL_FILES]);
}
