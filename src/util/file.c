/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Files that are small enough to be read and written in one piece. */

#include "util/file.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>

ssize_t fd_read_up_to(int fd, char *buf, size_t size) {
        size_t used = 0;

        while (used < size) {
                ssize_t n = read(fd, buf + used, size - used);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                if (n == 0)
                        break;
                used += (size_t)n;
        }
        return (ssize_t)used;
}

ssize_t file_read(int dir_fd, const char *name, char *buf, size_t size) {
        _cleanup_close_ int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        ssize_t n = fd < 0 ? -errno : fd_read_up_to(fd, buf, size);

        if (n < 0)
                return n;
        if ((size_t)n == size)
                return -EFBIG;
        if (n > 0 && buf[n - 1] == '\n')
                n--;
        buf[n] = '\0';
        return n;
}

DIR *fd_list(int dir_fd) {
        int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        DIR *dir = fd < 0 ? NULL : fdopendir(fd);

        if (!dir)
                (void)safe_close(fd);
        return dir;
}

int fd_write_all(int fd, const char *p, size_t n) {
        while (n > 0) {
                ssize_t k = write(fd, p, n);

                if (k < 0 && errno == EINTR)
                        continue;
                if (k < 0)
                        return -errno;
                p += k;
                n -= (size_t)k;
        }
        return 0;
}

int file_write_atomically(int dir_fd, const char *name, mode_t mode, const void *data, size_t n) {
        _cleanup_close_ int fd = -EBADF;
        char temporary[NAME_MAX + 1];
        int r;

        if ((size_t)snprintf(temporary, sizeof(temporary), ".%s.new", name) >= sizeof(temporary))
                return -ENAMETOOLONG;
        fd = openat(dir_fd, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd < 0)
                return -errno;
        r = fd_write_all(fd, data, n);
        if (r >= 0 && (fchmod(fd, mode) < 0 || fdatasync(fd) < 0))
                r = -errno;
        if (r >= 0 && renameat(dir_fd, temporary, dir_fd, name) < 0)
                r = -errno;
        if (r < 0)
                (void)unlinkat(dir_fd, temporary, 0);
        return r;
}

int file_create(int dir_fd, const char *name, mode_t mode, const void *data, size_t n) {
        _cleanup_close_ int fd = -EBADF;
        char temporary[NAME_MAX + 1];
        int r;

        if ((size_t)snprintf(temporary, sizeof(temporary), ".%s.%d", name, (int)getpid()) >= sizeof(temporary))
                return -ENAMETOOLONG;
        fd = openat(dir_fd, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd < 0)
                return -errno;
        r = fd_write_all(fd, data, n);
        if (r >= 0 && (fchmod(fd, mode) < 0 || fsync(fd) < 0 || linkat(dir_fd, temporary, dir_fd, name, 0) < 0))
                r = -errno;
        (void)unlinkat(dir_fd, temporary, 0);
        if (r >= 0 && fsync(dir_fd) < 0) {
                r = -errno;
                (void)unlinkat(dir_fd, name, 0);
        }
        return r;
}

int make_directories(const char *path, mode_t mode) {
        _cleanup_free_ char *copy = strdup(path);

        if (!copy)
                return -ENOMEM;
        for (char *slash = strchr(copy + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
                *slash = '\0';
                if (mkdir(copy, mode) < 0 && errno != EEXIST)
                        return -errno;
                *slash = '/';
        }
        return mkdir(copy, mode) < 0 && errno != EEXIST ? -errno : 0;
}

int socket_bind_for_all(int fd, const struct sockaddr_un *address) {
        mode_t mask = umask(0);
        int r = fchmod(fd, 0666) < 0 || bind(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 ? -errno : 0;

        (void)umask(mask);
        return r;
}
