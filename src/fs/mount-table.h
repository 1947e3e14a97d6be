#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What is mounted where, and what has changed: a mount over a watched directory causes no inotify event. */

#include <sys/types.h>

#include "util/macro.h"

/* Is a file, opened with O_PATH, on this machine? 0; -EREMOTE: on a file system that somebody else answers for (a
 * server, a FUSE program, an automounter), who may be gone: then even fstat(2) may wait for ever, and this does not.
 * Or it has been unmounted meanwhile, so that there is no telling. *device is the last one that was asked for, so that
 * the table is read only where another file system begins; at first it is 0, or that of a directory whose file system
 * is fine anyway; also set with -EREMOTE, and not to be given again then. Other errors of statx(2). */
int file_is_local(int fd, dev_t *device);

/* The same, but -EREMOTE only for a FUSE that another user than root and we has mounted: this user can make who asks
 * wait for ever. Who answers for the others is up to root. */
int file_is_answered(int fd, dev_t *device);

typedef struct MountTable MountTable;

/* Negative errno of opening /proc/self/mountinfo, -ENOMEM. */
int mount_table_new(MountTable **ret);
MountTable *mount_table_free(MountTable *t);
DEFINE_CLEANUP(MountTable, mount_table_free)

/* Is something mounted there, as of the last reading? The path has no symbolic links. */
bool mount_table_has(const MountTable *t, const char *path);

/* Is the mount with this id (name_to_handle_at(2)), as of the last reading, of a type that is known to wait for nobody
 * else? Of one that is not known this is false, and file_is_local() 0. */
bool mount_table_id_is_known_local(const MountTable *t, int id);

/* Ready with EPOLLPRI when something has changed. */
int mount_table_fd(const MountTable *t) _pure_;

/* Reads the table again and reports each path on which a mount appeared or disappeared. Returns their number, or a
 * negative errno: then nothing was reported, and the next call compares with the same table as this one. changed may
 * be NULL. */
int mount_table_update(MountTable *t, void (*changed)(void *userdata, const char *path), void *userdata);
