#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Small whole files, relative to a directory's fd. */

#include <dirent.h>
#include <limits.h>
#include <sys/types.h>
#include <sys/un.h>

#include "util/macro.h"

/* Reads up to size bytes, fewer only at the end. Returns how many, or a negative errno. */
ssize_t fd_read_up_to(int fd, char *buf, size_t size);

/* Reads a file that fits, without a trailing newline, NUL-terminated. Does not wait for the writer of a FIFO. Returns
 * its length, -EFBIG if it is larger, or another negative errno. */
ssize_t file_read(int dir_fd, const char *name, char *buf, size_t size);

/* Replaces a file: either the new or the old content is there as a whole, even after a power failure. It has this
 * mode, whatever the umask. */
int file_write_atomically(int dir_fd, const char *name, mode_t mode, const void *data, size_t n);

/* Makes a file that is not there yet (-EEXIST): as a whole, even after a power failure, and with this mode, whatever
 * the umask; or, with an error, none. dir_fd is open for reading. */
int file_create(int dir_fd, const char *name, mode_t mode, const void *data, size_t n);

/* The entries of an open directory, from the first one. NULL, with errno. */
DIR *fd_list(int dir_fd);

static inline void closedirp(DIR **dir) {
        if (*dir)
                (void)closedir(*dir);
}

/* Writes all n bytes, in as many calls of write(2) as needed. 0 or negative errno. */
int fd_write_all(int fd, const char *p, size_t n);

/* Creates a directory and its parents with mode; an existing one is fine. */
int make_directories(const char *path, mode_t mode);

/* Like bind(2), but all users may connect, regardless of the umask. Uses the mode of the socket and not its path,
 * which may be another file by then. Negative errno. */
int socket_bind_for_all(int fd, const struct sockaddr_un *address);
