#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Opens and examines files in trees that other users write to: no symbolic link is followed, no mount is crossed
 * unless requested, regardless of what is replaced meanwhile. */

#include <sys/stat.h>

#include "util/macro.h"

/* Opens the directory at path (n bytes, relative, "" = dir_fd itself) for reading. A path may be longer than PATH_MAX.
 * -ELOOP, -ENOTDIR: not a directory any more; -EXDEV: another mount begins there and cross_mounts is false; -EREMOTE:
 * a FUSE of another user's does, see file_is_answered(); -ENOENT, -EACCES and what else openat2(2) says. */
int open_directory_beneath(int dir_fd, const char *path, size_t n, bool cross_mounts);

/* An O_PATH descriptor of what is at path, from dir_fd on or absolute, if neither a symbolic link nor the root of a
 * mount is on the way or at its end: so nothing is asked that dir_fd, or "/", is not on. Only at the end, a link is
 * opened itself unless follow_last. -ELOOP, -EXDEV: it is not such a path; -EPERM, -ENOSYS: openat2(2) is not
 * available; and what else it says. */
int open_within_mount(int dir_fd, const char *path, bool follow_last);

/* What is at a name in an open directory, without following a link. What is mounted there may never answer: it is not
 * asked, and ret has what the kernel knows, which is its type and the numbers of its device and inode. is_remote: the
 * directory is on a file system on which others change files without our kernel. Negative errno of statx(2). */
int stat_entry(int dir_fd, const char *name, bool is_remote, struct statx *ret);

/* The same as stat(2) has it, without blocks and the time of access. */
void stat_from_statx(const struct statx *s, struct stat *ret);

/* Is this regular file open for writing? 1, 0; -EACCES: it is not ours and we may not ask (CAP_LEASE, or CAP_SETUID);
 * -EOPNOTSUPP: its file system does not report it; -ENOENT, … */
int file_has_writer(int dir_fd, const char *name);

/* What stat_entry() and file_has_writer() say, at the same moment, of what was a regular file just now; not on a file
 * system that is remote. is_ours: directory_is_ours_alone(). Negative errno: it cannot be opened. */
int file_examine(int dir_fd, const char *name, bool is_ours, struct statx *ret, int *ret_has_writer);
bool directory_is_ours_alone(int fd);

typedef struct FileSystemTraits {
        bool is_remote; /* other hosts may write there without the knowledge of our kernel: must be polled */
} FileSystemTraits;

/* The properties of the file system that fd is on. */
int file_system_traits(int fd, FileSystemTraits *ret);
