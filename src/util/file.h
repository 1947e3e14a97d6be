#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Small whole files, relative to a directory's fd. */

#include <limits.h>
#include <sys/types.h>
#include <sys/un.h>

#include "util/macro.h"

/* Reads a file that fits, without a trailing newline, NUL-terminated. Its length, -EFBIG when it is larger, or another
 * negative errno. */
ssize_t file_read(int dir_fd, const char *name, char *buf, size_t size);

/* Replaces a file: all of the new content or all of the old one is there, also after a power cut. Mode 0600. */
int file_write_atomically(int dir_fd, const char *name, const void *data, size_t n);

/* All n bytes, however many write(2) takes at once. 0 or negative errno. */
int fd_write_all(int fd, const char *p, size_t n);

/* Makes a directory and its parents with mode; one that is there is fine. */
int make_directories(const char *path, mode_t mode);

/* As bind(2), and everybody may connect, whatever the umask is. By the mode of the socket, not by its path: that may
 * be somebody else's file by then. Negative errno. */
int socket_bind_for_all(int fd, const struct sockaddr_un *address);
