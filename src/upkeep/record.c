/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Written in place and not synced: 10,000 logs would wait for the disk 10,000 times, for a record that nothing needs
 * to recover. The name is a hash of the path, which may be longer than a name; the path inside tells whose it is. */

#include "upkeep/record.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "util/escape.h"
#include "util/file.h"
#include "util/hash.h"
#include "util/strv.h"

#define RECORD_SEED    0x76616b74 /* never changes: it names files */
#define RECORD_MAX     16384      /* bytes */
#define PRUNED         "pruned"   /* whose time is that of the last time */
#define PRUNE_INTERVAL ((time_t)(USEC_PER_DAY / USEC_PER_SEC))
#define RECORD_AGE_MAX ((time_t)(400 * USEC_PER_DAY / USEC_PER_SEC))
#define LOOK_USEC      (20 * USEC_PER_MSEC)

static void record_name(const char *path, char name[static 32]) {
        (void)snprintf(name, 32, "log-%016" PRIx64, hash_bytes(RECORD_SEED, path, strlen(path)));
}

usec_t record_read(int state_fd, const char *path) {
        _cleanup_free_ char *escaped = escape_text(path, strlen(path), /* keep_lines= */ false);
        char name[32], text[RECORD_MAX], *at, *end;
        unsigned long long rotated;

        record_name(path, name);
        if (state_fd < 0 || !escaped || file_read(state_fd, name, text, sizeof(text)) < 0)
                return 0;
        if (!startswith(text, "path=") || !(at = strchr(text, '\n')))
                return 0;
        *at++ = '\0';
        if (!streq(text + strlen("path="), escaped) || !startswith(at, "rotated="))
                return 0;
        errno = 0;
        rotated = strtoull(at + strlen("rotated="), &end, 10);
        return errno == 0 && *end == '\n' ? rotated : 0;
}

int record_write(int state_fd, const char *path, usec_t rotated, const char *result, bool may_be_new) {
        _cleanup_free_ char *escaped = escape_text(path, strlen(path), /* keep_lines= */ false), *text = NULL;
        _cleanup_free_ char *told = escape_text(result, strlen(result), /* keep_lines= */ false);
        _cleanup_close_ int fd = -EBADF;
        char name[32];
        size_t n;

        if (state_fd < 0)
                return 0;
        if (!escaped || !told ||
            string_format(&text, "path=%s\nrotated=%" PRI_USEC "\nresult=%s\n", escaped, rotated, told) < 0)
                return -ENOMEM;
        n = strlen(text);
        record_name(path, name);
        fd = openat(state_fd, name, O_WRONLY | (may_be_new ? O_CREAT : 0) | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd < 0 && errno == ENOENT && !may_be_new)
                return 0;
        if (fd < 0 || pwrite(fd, text, n, 0) != (ssize_t)n || ftruncate(fd, (off_t)n) < 0)
                return errno > 0 ? -errno : -EIO;
        return 0;
}

bool records_have_room(int state_fd) {
        _cleanup_(closedirp) DIR *dir = fd_list(state_fd);
        size_t n = 0;

        while (dir && n < RECORDS_OF_USERS_MAX && readdir(dir))
                n++;
        return n < RECORDS_OF_USERS_MAX;
}

/* With the lock on it, so that nobody works by it meanwhile: see record_lock(). */
static void prune_lock(int state_fd, const char *name) {
        _cleanup_close_ int fd = openat(state_fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

        if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) >= 0)
                (void)unlinkat(state_fd, name, 0);
}

/* Logs with a date in their names come and go, and would leave a record each. */
static void prune(int state_fd, time_t now) {
        _cleanup_(closedirp) DIR *dir = fd_list(state_fd);
        const struct dirent *e;
        struct stat st;

        while (dir && (e = readdir(dir)))
                if (startswith(e->d_name, "lock-"))
                        prune_lock(state_fd, e->d_name);
                else if (startswith(e->d_name, "log-") &&
                         fstatat(state_fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) >= 0 &&
                         st.st_mtim.tv_sec < now - RECORD_AGE_MAX)
                        (void)unlinkat(state_fd, e->d_name, 0);
}

void records_prune(int state_fd, usec_t realtime) {
        time_t now = (time_t)(realtime / USEC_PER_SEC);
        _cleanup_close_ int fd = -EBADF;
        struct stat st;

        if (state_fd < 0 || (fstatat(state_fd, PRUNED, &st, AT_SYMLINK_NOFOLLOW) >= 0 &&
                             st.st_mtim.tv_sec < now + PRUNE_INTERVAL && st.st_mtim.tv_sec > now - PRUNE_INTERVAL))
                return;
        fd = openat(state_fd, PRUNED, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd >= 0 && futimens(fd, NULL) >= 0)
                prune(state_fd, now);
}

int lock_wait_for(int fd, usec_t *lock_wait) {
        while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
                if (errno != EWOULDBLOCK)
                        return -errno;
                if (*lock_wait < LOOK_USEC)
                        return -EWOULDBLOCK;
                *lock_wait -= LOOK_USEC;
                (void)usleep(LOOK_USEC);
        }
        return 0;
}

static void lock_name(const GuardedDirectory *d, char name[static 64]) {
        (void)snprintf(name, 64, "lock-%" PRIx64 "-%" PRIx64, (uint64_t)d->device, (uint64_t)d->inode);
}

int record_lock(int state_fd, const GuardedDirectory *d, usec_t *lock_wait) {
        char name[64];

        lock_name(d, name);
        for (;;) {
                /* For reading, which is enough for a lock, and goes on when the file system has become read-only. */
                _cleanup_close_ int fd = openat(state_fd, name, O_RDONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
                struct stat st, named;
                int r;

                if (fd < 0)
                        return -errno;
                r = lock_wait_for(fd, lock_wait);
                if (r < 0)
                        return r;
                /* The run that had it before us may have removed it. */
                if (fstat(fd, &st) >= 0 && fstatat(state_fd, name, &named, AT_SYMLINK_NOFOLLOW) >= 0 &&
                    st.st_ino == named.st_ino)
                        return TAKE_FD(fd);
        }
}

int record_unlock(int state_fd, const GuardedDirectory *d, int fd) {
        char name[64];

        if (fd < 0)
                return -EBADF;
        lock_name(d, name);
        (void)unlinkat(state_fd, name, 0);
        return safe_close(fd);
}
