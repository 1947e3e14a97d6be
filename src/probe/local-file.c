/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Most questions about paths are about file systems of this machine, and what they ask is in the kernel's memory. To
 * ask another process for that costs two switches and a dozen system calls for each round, which is more than all
 * else that sampling takes.
 *
 * With RESOLVE_CACHED, openat2(2) fails rather than to wait for a disk or a server, or to mount something. No symbolic
 * link is followed: whether one may be is for vakt-probe to find out. Then only the type of the file system has to be
 * known before anything is asked of it, and that is in the mount table, by the id of the mount. An id may be given to
 * another mount; so the table must not have changed when the file is open, which keeps its mount alive. */

#include "probe/local-file.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <poll.h>
#include <sys/syscall.h>

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

static int open_cached(const char *path) {
        const struct open_how how = {
                .flags = O_PATH | O_CLOEXEC,
                .resolve = RESOLVE_CACHED | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
        };

        return (int)syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof(how));
}

/* Its id tells the kernel at once, of any file system. */
static bool is_on_local_mount(const MountTable *t, int fd) {
        struct file_handle handle = {};
        int id = -1;

        (void)name_to_handle_at(fd, "", &handle, &id, AT_EMPTY_PATH);
        return id >= 0 && mount_table_id_is_local(t, id);
}

bool local_file_answer(Probes *probes, const OutsideQuestion *q, OutsideAnswer *a) {
        _cleanup_close_ int fd = -EBADF;
        const MountTable *t = get_table(probes);

        *a = (OutsideAnswer){};
        if (!t || q->subject[0] != '/' || !mount_table_path_is_local(t, q->subject))
                return false;
        fd = open_cached(q->subject);
        if (fd < 0 || !is_on_local_mount(t, fd) || !is_current(t))
                return false;
        path_answer(q, fd, a);
        return a->is_known;
}

void local_file_done(Probes *probes) {
        probes->shared[PROBE_SHARED_LOCAL_FILES] = mount_table_free(probes->shared[PROBE_SHARED_LOCAL_FILES]);
}
