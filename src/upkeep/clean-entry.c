/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* One entry: whether it may go, and its removal. The order matters: what costs least is asked first, the lock is taken
 * last and held until the name is gone. */

#include <fcntl.h>
#include <sys/sysmacros.h>

#include "upkeep/clean-internal.h"

/* --- times --- */

static usec_t stamp(const struct statx_timestamp *t) {
        return t->tv_sec < 0 ? 0 : (usec_t)t->tv_sec * USEC_PER_SEC + t->tv_nsec / NSEC_PER_USEC;
}

static usec_t newest(const struct statx *s, unsigned by) {
        usec_t t = 0;

        if (by & CLEAN_AGE_ACCESS)
                t = MAX(t, stamp(&s->stx_atime));
        if ((by & CLEAN_AGE_BIRTH) && (s->stx_mask & STATX_BTIME))
                t = MAX(t, stamp(&s->stx_btime));
        if (by & CLEAN_AGE_CHANGE)
                t = MAX(t, stamp(&s->stx_ctime));
        if (by & CLEAN_AGE_MODIFY)
                t = MAX(t, stamp(&s->stx_mtime));
        return t;
}

usec_t entry_time(const Clean *c, const struct statx *s) {
        return newest(s, c->def->age_by);
}

/* Everybody who lists a directory accesses it. */
usec_t directory_time(const struct statx *s) {
        return newest(s, CLEAN_AGE_BIRTH | CLEAN_AGE_CHANGE | CLEAN_AGE_MODIFY);
}

bool is_older(const Clean *c, usec_t when) {
        return c->def->max_age != USEC_INFINITY && usec_add(when, c->def->max_age) <= c->now;
}

/* --- what speaks against it --- */

/* Only for its name, which is never waited for, nor kept open longer than until the file is gone. -EAGAIN: somebody
 * else has a lock, or a lease that would be broken. A file that cannot be opened is not locked. */
static int lock_file(Clean *c, const Place *p, const char *name, int *ret_fd) {
        int fd = openat(p->fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

        *ret_fd = fd;
        if (fd < 0)
                return errno == EWOULDBLOCK ? -EAGAIN : 0;
        return take_lock(c, fd, p->acting.uid);
}

static bool is_open(const Clean *c, dev_t device, ino_t inode) {
        return c->open_files && open_files_have(c->open_files, device, inode);
}

static bool is_live_socket(Clean *c, const char *name) {
        if (!c->live_sockets && live_sockets_read(&c->live_sockets) < 0)
                return true; /* it may be */
        return live_sockets_have(c->live_sockets, name);
}

/* Why an entry that there is a reason to remove stays; NULL: it goes. */
static const char *protection(Clean *c, const char *name, const struct statx *s) {
        if (s->stx_attributes & STATX_ATTR_MOUNT_ROOT)
                return "is a mount point";
        if (s->stx_mode & S_ISVTX)
                return "has the sticky bit";
        if (is_open(c, makedev(s->stx_dev_major, s->stx_dev_minor), s->stx_ino))
                return "is open";
        if (S_ISSOCK(s->stx_mode) && is_live_socket(c, name))
                return "is a socket in use";
        return NULL;
}

/* --- removal --- */

/* Has a process it open? Then its room comes free later. A lease is granted to the only one who has a file open; it
 * ends with the descriptor. */
static bool is_held(const Clean *c, int fd) {
        return c->makes_room && !c->is_plan && fd >= 0 && fcntl(fd, F_SETLEASE, F_WRLCK) < 0 && errno == EAGAIN;
}

static int count_removed(Clean *c, const struct statx *s, int fd) {
        int64_t gone = c->is_plan && s->stx_nlink > 1 ? links_count(c, NOTHING, s, 1) : 0;

        c->totals.n_files++;
        if (gone < 0)
                return (int)gone;
        if (s->stx_nlink > (uint64_t)gone + 1)
                return 0;
        if (is_held(c, fd)) {
                c->totals.n_held++;
                c->totals.held_bytes += s->stx_blocks * 512;
        } else {
                c->totals.n_inodes++;
                c->totals.bytes += s->stx_blocks * 512;
        }
        return 0;
}

int entry_remove(Clean *c, const Place *p, const char *name, const struct statx *s, const char *reason) {
        const char *why = protection(c, name, s);
        usec_t when = entry_time(c, s);
        _cleanup_close_ int fd = -EBADF;
        int r;

        if (why) {
                clean_report_file(c, CLEAN_KEPT, s, when, why);
                return 0;
        }
        r = actor_become(&c->actor, &p->acting, s->stx_uid);
        if (r < 0) {
                if (own_uid() == 0)
                        clean_report_file(c, CLEAN_REFUSED, s, when, "belongs to a user that we may not act as");
                else
                        clean_report_file(c, CLEAN_KEPT, s, when, "belongs to another user");
                return 0;
        }
        if (S_ISREG(s->stx_mode) && lock_file(c, p, name, &fd) < 0) {
                clean_report_file(c, CLEAN_KEPT, s, when, "is locked (flock(2))");
                return 0;
        }
        if (!c->is_plan && unlinkat(p->fd, name, 0) < 0) {
                if (errno == ENOENT)
                        return 1;
                if (errno == EISDIR)
                        clean_report_file(c, CLEAN_KEPT, s, when, "has changed meanwhile");
                else
                        clean_report_file(c, CLEAN_FAILED, s, when, strerror(errno));
                return 0;
        }
        r = count_removed(c, s, fd);
        clean_report_file(c, CLEAN_REMOVED, s, when, reason);
        return r < 0 ? r : 1;
}

int entry_decide(Clean *c, const Place *p, const char *name, const struct statx *s) {
        usec_t when = entry_time(c, s);

        if (is_older(c, when))
                return entry_remove(c, p, name, s, "is older than MaxAge=");
        if (c->is_plan)
                clean_report_file(c, CLEAN_KEPT, s, when,
                                  c->def->max_age != USEC_INFINITY ? "is not as old as MaxAge="
                                                                   : "is not a file, and only goes for its age");
        return 0;
}

int entry_remove_directory(Clean *c, const Place *p, const char *name, const Place *child, const char *reason) {
        struct stat st;
        int r;

        if (fstat(child->fd, &st) < 0)
                return -errno;
        if ((st.st_mode & S_ISVTX) || is_open(c, child->device, child->inode)) {
                clean_report(c, CLEAN_KEPT, true, st.st_mode & S_ISVTX ? "has the sticky bit" : "is open");
                return 0;
        }
        r = actor_become(&c->actor, &p->acting, child->acting.uid);
        if (r >= 0 && !c->is_plan && unlinkat(p->fd, name, AT_REMOVEDIR) < 0)
                r = -errno;
        if (r < 0) {
                /* Something has been put there, or somebody else has removed it. */
                if (r != -ENOTEMPTY && r != -EEXIST && r != -ENOENT && r != -ENOTDIR)
                        clean_report(c, CLEAN_FAILED, true, strerror(-r));
                return r == -ENOENT;
        }
        c->totals.n_directories++;
        clean_report(c, CLEAN_REMOVED, true, reason);
        return 1;
}
