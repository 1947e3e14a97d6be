#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* One additional user on the access control list of a file or directory (acl(5)), which only requires to own it. */

#include <stdbool.h>
#include <sys/types.h>

/* Grants rights (the bits 4, 2 and 1 of a mode) on fd to its owner and to one user, and to nobody else. -EOPNOTSUPP:
 * its file system has no such lists. */
int acl_give(int fd, uid_t uid, unsigned rights);

/* Removes the list; the caller then sets the mode. */
int acl_remove(int fd);

/* Is there a list on it? Then the group bits of its mode are not those of the group, but the mask of all entries. fd
 * may be opened with O_PATH. Also true if it is not known. */
bool acl_is_there(int fd);
