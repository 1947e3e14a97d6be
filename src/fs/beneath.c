/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* openat2(2) does in the kernel, in one call and without races, what a walk with O_NOFOLLOW does step by step. All
 * kernels since 5.6 have it, and it does not require support by glibc. But system call filters cannot inspect its
 * arguments, so RestrictSUIDSGID= of a service and many containers forbid it completely; and it cannot tell mounts of
 * root from those of others. Then the path is walked step by step, and what is mounted on the way is asked for nothing
 * before it is known what it is: it may never answer. */

#include "fs/beneath.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <signal.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

#include "fs/identity.h"
#include "fs/mount-table.h"

#define PIECE_MAX 2048 /* bytes of a path resolved at once; a name has at most 255 */

#define DIRECTORY_FLAGS (O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK)

static bool openat2_is_forbidden;

static int open_at_once(int dir_fd, const char *path) {
        struct open_how how = {
                .flags = O_RDONLY | DIRECTORY_FLAGS | O_NOATIME,
                .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV,
        };
        long fd = syscall(SYS_openat2, dir_fd, path, &how, sizeof(how));

        /* O_NOATIME is only for the owner and CAP_FOWNER. */
        if (fd < 0 && errno == EPERM) {
                how.flags &= ~(uint64_t)O_NOATIME;
                fd = syscall(SYS_openat2, dir_fd, path, &how, sizeof(how));
        }
        return fd < 0 ? -errno : (int)fd;
}

int open_within_mount(int dir_fd, const char *path, bool follow_last) {
        struct open_how how = {
                .flags = O_PATH | O_CLOEXEC | (follow_last ? 0 : O_NOFOLLOW),
                .resolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV,
        };
        long fd = openat2_is_forbidden ? -1 : syscall(SYS_openat2, dir_fd, path, &how, sizeof(how));

        if (openat2_is_forbidden)
                return -ENOSYS;
        return fd < 0 ? -errno : (int)fd;
}

/* The mount it is on; if the kernel does not report that (before 5.8), the file system. */
static int mount_of(int fd, uint64_t *ret) {
        struct statx s;

        if (statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT, STATX_MNT_ID, &s) < 0)
                return -errno;
        *ret = s.stx_mask & STATX_MNT_ID ? s.stx_mnt_id : (uint64_t)s.stx_dev_major << 32 | s.stx_dev_minor;
        return 0;
}

/* For reading, what is open with O_PATH. */
static int open_again(int path_fd) {
        char link[sizeof("/proc/self/fd/") + 11];
        int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NONBLOCK, fd;

        (void)snprintf(link, sizeof(link), "/proc/self/fd/%d", path_fd);
        fd = open(link, flags | O_NOATIME);
        if (fd < 0 && errno == EPERM)
                fd = open(link, flags);
        return fd < 0 ? -errno : fd;
}

static int open_by_steps(int dir_fd, const char *path, bool cross_mounts) {
        _cleanup_close_ int fd = -EBADF;
        uint64_t first = 0, here = 0;
        dev_t device = 0;
        int r;

        r = cross_mounts ? file_is_answered(dir_fd, &device) : mount_of(dir_fd, &first);
        if (r < 0)
                return r;
        while (*(path += strspn(path, "/"))) {
                size_t n = strcspn(path, "/");
                char name[NAME_MAX + 1];
                int next;

                if (n > NAME_MAX)
                        return -ENAMETOOLONG;
                memcpy(name, path, n);
                name[n] = '\0';
                path += n;
                if (streq(name, ".."))
                        return -EXDEV;
                next = openat(fd >= 0 ? fd : dir_fd, name, DIRECTORY_FLAGS | O_PATH);
                if (next < 0)
                        return -errno;
                safe_close(fd);
                fd = next;
                r = cross_mounts ? file_is_answered(fd, &device) : mount_of(fd, &here);
                if (r < 0)
                        return r;
                if (!cross_mounts && here != first)
                        return -EXDEV;
        }
        return open_again(fd);
}

static int open_piece(int dir_fd, const char *path, bool cross_mounts) {
        int fd = openat2_is_forbidden || cross_mounts ? -ENOSYS : open_at_once(dir_fd, path);

        if (fd != -EPERM && fd != -ENOSYS)
                return fd;
        fd = open_by_steps(dir_fd, path, cross_mounts);
        openat2_is_forbidden =
                openat2_is_forbidden || (fd >= 0 && !cross_mounts); /* it was not the directory that was refused */
        return fd;
}

/* The longest prefix of whole names within PIECE_MAX bytes. */
static size_t piece_length(const char *path, size_t n) {
        const char *slash;

        if (n < PIECE_MAX)
                return n;
        slash = memrchr(path, '/', PIECE_MAX);
        return slash ? (size_t)(slash - path) : n;
}

int open_directory_beneath(int dir_fd, const char *path, size_t n, bool cross_mounts) {
        _cleanup_close_ int fd = -EBADF;
        char piece[PIECE_MAX + NAME_MAX + 1];

        if (n == 0)
                return open_piece(dir_fd, ".", cross_mounts);
        while (n > 0) {
                size_t length = piece_length(path, n), skip;
                int next;

                if (length >= sizeof(piece))
                        return -ENAMETOOLONG;
                memcpy(piece, path, length);
                piece[length] = '\0';
                next = open_piece(fd >= 0 ? fd : dir_fd, piece, cross_mounts);
                if (next < 0)
                        return next;
                safe_close(fd);
                fd = next;
                skip = length + (length < n);
                assert(skip > 0 && skip <= n);
                path += skip;
                n -= skip;
        }
        return TAKE_FD(fd);
}

#define STAT_FLAGS (AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT)

int stat_entry(int dir_fd, const char *name, bool is_remote, struct statx *ret) {
        const unsigned mask = STATX_BASIC_STATS | STATX_BTIME;
        _cleanup_close_ int fd = -EBADF;

        if (!is_remote)
                return statx(dir_fd, name, STAT_FLAGS | AT_STATX_DONT_SYNC, mask, ret) < 0 ? -errno : 0;
        fd = openat(dir_fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0 || statx(fd, "", STAT_FLAGS | AT_EMPTY_PATH | AT_STATX_DONT_SYNC, mask, ret) < 0)
                return -errno;
        if (ret->stx_attributes & STATX_ATTR_MOUNT_ROOT)
                return 0;
        return statx(fd, "", STAT_FLAGS | AT_EMPTY_PATH, mask, ret) < 0 ? -errno : 0;
}

void stat_from_statx(const struct statx *s, struct stat *ret) {
        *ret = (struct stat){
                .st_dev = makedev(s->stx_dev_major, s->stx_dev_minor),
                .st_ino = s->stx_ino,
                .st_mode = s->stx_mode,
                .st_nlink = s->stx_nlink,
                .st_uid = s->stx_uid,
                .st_gid = s->stx_gid,
                .st_rdev = makedev(s->stx_rdev_major, s->stx_rdev_minor),
                .st_size = (off_t)s->stx_size,
                .st_mtim = { .tv_sec = s->stx_mtime.tv_sec, .tv_nsec = s->stx_mtime.tv_nsec },
                .st_ctim = { .tv_sec = s->stx_ctime.tv_sec, .tv_nsec = s->stx_ctime.tv_nsec },
        };
}

/* Only root and we can put something else under a name in it. */
bool directory_is_ours_alone(int fd) {
        struct stat st;

        return fstat(fd, &st) >= 0 && (st.st_uid == 0 || st.st_uid == geteuid()) && !(st.st_mode & 022);
}

#define FILE_FLAGS (O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)

/* A regular file, and nothing whose opening has side effects, such as a device, a FIFO or what is mounted there. Where
 * others may replace it, it is held by a descriptor that opens nothing before it is looked at. */
static int open_regular(int dir_fd, const char *name, bool is_ours) {
        char link[sizeof("/proc/self/fd/") + 11];
        _cleanup_close_ int path_fd = -EBADF;
        dev_t device = 0;
        struct statx s;
        int fd;

        if (!is_ours) {
                path_fd = openat(dir_fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
                if (path_fd < 0)
                        return -errno;
        }
        if (statx(is_ours ? dir_fd : path_fd, is_ours ? name : "", STAT_FLAGS | AT_EMPTY_PATH | AT_STATX_DONT_SYNC,
                  STATX_TYPE, &s) < 0)
                return -errno;
        if ((s.stx_attributes & STATX_ATTR_MOUNT_ROOT) && (is_ours || file_is_answered(path_fd, &device) < 0))
                return -EOPNOTSUPP;
        if (!S_ISREG(s.stx_mode))
                return -EOPNOTSUPP;
        (void)snprintf(link, sizeof(link), "/proc/self/fd/%d", path_fd);
        fd = is_ours ? openat(dir_fd, name, FILE_FLAGS | O_NOFOLLOW) : open(link, FILE_FLAGS);
        return fd < 0 ? -errno : fd;
}

/* Nobody else can have replaced what was a regular file just now, and openat2(2) opens nothing that is mounted there.
 */
static int open_regular_of_ours(int dir_fd, const char *name) {
        const struct open_how how = { .flags = FILE_FLAGS | O_NOFOLLOW,
                                      .resolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV };
        long fd = openat2_is_forbidden ? -1 : syscall(SYS_openat2, dir_fd, name, &how, sizeof(how));

        if (fd < 0 && (openat2_is_forbidden || errno == EPERM || errno == ENOSYS))
                return open_regular(dir_fd, name, /* is_ours= */ true);
        return fd < 0 ? -errno : (int)fd;
}

/* A read lease is granted if the file is not open for writing (fcntl(2)). It ends with fd, a moment later; a program
 * that opens the file for writing just then waits that long, and we get a signal that is ignored by default instead of
 * SIGIO. */
static int ask_for_lease(int fd) {
        if (fcntl(fd, F_SETSIG, SIGURG) < 0)
                return -errno;
        if (fcntl(fd, F_SETLEASE, F_RDLCK) < 0)
                return errno == EAGAIN ? 1 : errno == EINVAL ? -EOPNOTSUPP : -errno;
        return 0;
}

/* Without CAP_LEASE it is granted only to the owner. */
static int ask_for_any_lease(int fd) {
        _cleanup_(identity_restore) IdentityScope scope = {};
        int r = ask_for_lease(fd);
        Identity owner = {};
        struct stat st;

        if (r != -EACCES || geteuid() != 0 || fstat(fd, &st) < 0)
                return r;
        owner.uid = st.st_uid;
        owner.gid = st.st_gid;
        return identity_enter(&scope, &owner) < 0 ? r : ask_for_lease(fd);
}

int file_has_writer(int dir_fd, const char *name) {
        _cleanup_close_ int fd = open_regular(dir_fd, name, directory_is_ours_alone(dir_fd));

        return fd < 0 ? fd : ask_for_any_lease(fd);
}

int file_examine(int dir_fd, const char *name, bool is_ours, struct statx *ret, int *ret_has_writer) {
        _cleanup_close_ int fd = is_ours ? open_regular_of_ours(dir_fd, name) : open_regular(dir_fd, name, false);
        int r;

        if (fd < 0)
                return fd;
        r = ask_for_any_lease(fd);
        if (statx(fd, "", STAT_FLAGS | AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_BASIC_STATS | STATX_BTIME, ret) < 0)
                return -errno;
        *ret_has_writer = r;
        return 0;
}

/* --- file systems --- */

static const unsigned remote_types[] = {
        0x01021997, /* 9p */
        0x00c36400, /* ceph */
        0x5346414f, /* afs */
        0x6b414653, /* kafs */
        0x73757245, /* coda */
        0x65735546, /* fuse: mostly used for files elsewhere */
        0x6969,     /* nfs */
        0x517b,     /* smb */
        0xff534d42, /* cifs */
        0xfe534d42, /* smb2 */
        0x564c,     /* ncp */
        0x786f4256, /* vboxsf */
        0x01161970, /* gfs2 */
        0x7461636f, /* ocfs2 */
        0x0bd00bd0, /* lustre */
        0x47504653, /* gpfs */
};

static bool is_among(const unsigned *types, size_t n, unsigned type) {
        for (size_t i = 0; i < n; i++)
                if (types[i] == type)
                        return true;
        return false;
}

int file_system_traits(int fd, FileSystemTraits *ret) {
        struct statfs s;
        unsigned type;

        if (fstatfs(fd, &s) < 0)
                return -errno;
        type = (unsigned)s.f_type;
        *ret = (FileSystemTraits){ .is_remote = is_among(remote_types, ELEMENTSOF(remote_types), type) };
        return 0;
}
