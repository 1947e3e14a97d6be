#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* One more user on a directory's or file's access control list (acl(5)), which takes no capability but to own it. */

#include <stdbool.h>
#include <sys/types.h>

/* Gives rights (the bits 4, 2 and 1 of a mode) on fd to its owner and to one user, and none to anybody else.
 * -EOPNOTSUPP: its file system has no such lists. */
int acl_give(int fd, uid_t uid, unsigned rights);

/* Takes the list away; the mode is then to be set by the caller. */
int acl_remove(int fd);

/* Is there a list on it? Then the group's bits of its mode are not the group's: they say what may be given to anybody.
 * fd may be opened with O_PATH. True also when that cannot be told. */
bool acl_is_there(int fd);
