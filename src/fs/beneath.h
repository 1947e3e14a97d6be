#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Opens and examines files in trees that other users write to: no symbolic link is followed, no mount is crossed
 * unless requested, regardless of what is replaced meanwhile. */

#include <sys/stat.h>

#include "util/macro.h"

/* Opens the directory at path (n bytes, relative, "" = dir_fd itself) for reading. A path may be longer than PATH_MAX.
 * -ELOOP, -ENOTDIR: not a directory any more; -EXDEV: another mount begins there and cross_mounts is false; -ENOENT,
 * -EACCES and what else openat2(2) says. */
int open_directory_beneath(int dir_fd, const char *path, size_t n, bool cross_mounts);

/* Is this regular file open for writing? 1, 0; -EACCES: it is not ours and we may not ask (CAP_LEASE, or CAP_SETUID);
 * -EOPNOTSUPP: its file system does not report it; -ENOENT, … */
int file_has_writer(int dir_fd, const char *name);

typedef struct FileSystemTraits {
        bool is_remote; /* other hosts may write there without the knowledge of our kernel: must be polled */
} FileSystemTraits;

/* The properties of the file system that fd is on. */
int file_system_traits(int fd, FileSystemTraits *ret);
