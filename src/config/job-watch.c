/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Who lists jobs wants to know which files were changed after they were read, and would have to look at each. The
 * kernel tells instead, once: a watch with IN_ONESHOT ends with its first event, which stays in the queue until
 * somebody asks. So nothing wakes the daemon, the queue holds two events a directory at most, and an editor that saves
 * a file all the time costs nothing.
 *
 * A change that no event tells of must not be overlooked, hence the list of file systems: on others (network, FUSE,
 * overlay), files can change beneath the kernel's notice. */

#include "config/job-watch.h"

#include <linux/magic.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/statfs.h>

#define WATCH_EVENTS \
        (IN_MODIFY | IN_ATTRIB | IN_CLOSE_WRITE | IN_CREATE | IN_DELETE | IN_MOVE | IN_DELETE_SELF | IN_MOVE_SELF)

int job_watch_init(JobWatch *w, size_t n) {
        WatchedDirectory *directories = calloc(MAX(n, (size_t)1), sizeof(*directories));

        if (!directories)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++)
                directories[i].watch = -1;
        *w = (JobWatch){ .fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK), .directories = directories, .n = n };
        return 0;
}

void job_watch_done(JobWatch *w) {
        (void)safe_close(w->fd);
        free(w->directories);
        *w = JOB_WATCH_NONE;
}

void job_watch_add(JobWatch *w, size_t i, const char *path) {
        if (w->fd >= 0)
                w->directories[i].watch = inotify_add_watch(w->fd, path, WATCH_EVENTS | IN_ONESHOT | IN_ONLYDIR);
}

static bool tells_all(int fd) {
        static const unsigned types[] = { EXT4_SUPER_MAGIC, BTRFS_SUPER_MAGIC, XFS_SUPER_MAGIC, F2FS_SUPER_MAGIC,
                                          TMPFS_MAGIC };
        struct statfs s;
        bool found = false;

        if (fstatfs(fd, &s) < 0)
                return false;
        for (size_t i = 0; i < ELEMENTSOF(types); i++)
                found = found || types[i] == (unsigned)s.f_type;
        return found;
}

/* One that took the place of the watched one in between is given up by the event of that. */
void job_watch_confirm(JobWatch *w, size_t i, int fd) {
        struct stat st;

        if (!tells_all(fd) || fstat(fd, &st) < 0) {
                job_watch_give_up(w, i);
                return;
        }
        w->directories[i].device = st.st_dev;
        w->directories[i].inode = st.st_ino;
}

static void take_event(JobWatch *w, const struct inotify_event *e) {
        for (size_t i = 0; i < w->n; i++)
                if (e->wd == w->directories[i].watch || (e->mask & IN_Q_OVERFLOW))
                        job_watch_give_up(w, i);
}

void job_watch_update(JobWatch *w) {
        _Alignas(struct inotify_event) char events[4096];
        ssize_t n;

        while ((n = read(w->fd, events, sizeof(events))) > 0)
                for (const char *p = events; p < events + n;) {
                        const struct inotify_event *e = (const struct inotify_event *)(const void *)p;

                        take_event(w, e);
                        p += sizeof(*e) + e->len;
                }
}
