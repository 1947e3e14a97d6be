#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What is mounted where, and what has changed: a mount laid over a watched directory gives no event of inotify. */

#include <stdbool.h>
#include <stddef.h>

#include "util/macro.h"

typedef struct MountTable MountTable;

/* Negative errno of opening /proc/self/mountinfo, -ENOMEM. */
int mount_table_new(MountTable **ret);
MountTable *mount_table_free(MountTable *t);
DEFINE_CLEANUP(MountTable, mount_table_free)

/* Is ready with EPOLLPRI when something changed. */
int mount_table_fd(const MountTable *t) _pure_;

/* Reads the table again and tells of each path on which a mount came or went. The number of them, or negative errno:
 * then nothing was told, and the next call compares with the same table as this one. */
int mount_table_update(MountTable *t, void (*changed)(void *userdata, const char *path), void *userdata);
