#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What processes use, as of the moment of asking: the files and directories that they have open, mapped or locked, and
 * the sockets in the file system that they listen on. */

#include <sys/types.h>

#include "util/macro.h"

extern size_t open_files_max; /* of which at most three fourths are different ones; a variable for tests only */

typedef struct OpenFiles OpenFiles;

/* Looks at all processes. ret_unseen: how many may not be looked at. -E2BIG: more than open_files_max; -ENOMEM; errno
 * of opening /proc. */
int open_files_read(OpenFiles **ret, uint64_t *ret_unseen);
OpenFiles *open_files_free(OpenFiles *f);
DEFINE_CLEANUP(OpenFiles, open_files_free)

bool open_files_have(const OpenFiles *f, dev_t device, ino_t inode) _pure_;

/* Has a process of one of these users a lock (flock(2)) on a file? As far as we may look at its descriptors: to be
 * called as ourselves. */
bool flock_is_held_by(dev_t device, ino_t inode, const uid_t *users, size_t n_users);

typedef struct LiveSockets LiveSockets;

/* Negative errno: not known. */
int live_sockets_read(LiveSockets **ret);
LiveSockets *live_sockets_free(LiveSockets *s);
DEFINE_CLEANUP(LiveSockets, live_sockets_free)

/* By the last component: the path that a socket was bound by may be relative, or of another mount. */
bool live_sockets_have(const LiveSockets *s, const char *name) _pure_;
