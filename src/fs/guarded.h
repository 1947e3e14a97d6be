#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Opening the directories that a job file names, in places that other people may change. What a path means is decided
 * by those who can rename, replace or link something on the way; so a guarded path is one that only root (or
 * ourselves), and from some directory on one other user alone, can turn elsewhere:
 *
 * - each directory on the way is opened from the one above it; no name is looked up twice;
 * - a symbolic link is followed only if it and the directory that it is in belong to root or to us, and nobody else
 *   can write that directory;
 * - below a directory of root's or ours, the next one may belong to anybody; below one of another user's, everything
 *   has to belong to that user. (systemd calls the contrary an unsafe path transition.) So the owner of the last
 *   directory could have made each turn of the way himself, and what is done there with his rights, and with no
 *   others, gives him nothing that he has not got;
 * - a FUSE file system of another user's is not entered, see file_is_answered();
 * - a directory of root's or ours that others can write needs the sticky bit, or they could replace what is in it. A
 *   user's own directories are that user's business. */

#include <sys/stat.h>

#include "util/macro.h"

/* The message for -EROFS of a directory, which takes its path twice. */
#define GUARDED_READ_ONLY_TEXT                                                                               \
        "%s is read-only, at least for vaktd; if only for vaktd, set ReadWritePaths=%s in a drop-in of its " \
        "service, or restart vaktd after a remount"

/* The message for -EREMOTE, which takes a directory and a name in it. */
#define GUARDED_FUSE_TEXT                                                                                    \
        "%s/%s is a FUSE file system that another user than root has mounted, which may not answer, and is " \
        "not entered: let root mount it"

typedef struct GuardedDirectory {
        int fd; /* O_PATH: for openat(), renameat() and their like */
        dev_t device;
        ino_t inode;
        uid_t uid;
        gid_t gid;
        bool is_trusted; /* it belongs to root or us; otherwise to the user that everything below belongs to */
        bool is_shared;  /* other users than its owner can write to it */
        bool is_writable_by_all;
        bool is_sticky;       /* only its owner and that of an entry can remove or replace the entry */
        bool is_below_shared; /* another user's, who may have created it where everybody may */
} GuardedDirectory;

void guarded_close(GuardedDirectory *d);

/* Opens a directory by an absolute path. -ELOOP: a link that other users could have created; -EREMOTE: a FUSE of
 * another user's; -EPERM: another rule above is broken; -ENOENT, -ENOTDIR and other errno of openat(2). *reterr, if
 * requested, is then a message without the final dot, with the place, the reason and what to do; the caller frees it;
 * NULL without memory. */
int guarded_open(const char *path, GuardedDirectory *ret, char **reterr);

/* The same for the loop of a daemon, which may not wait: -EREMOTE instead of a look at a file system that may not
 * answer, see file_is_local(). follow_all: all links are followed, and the rules above do not hold. */
int guarded_open_local(const char *path, bool follow_all, GuardedDirectory *ret);

typedef enum GuardedFind {
        GUARDED_FIND_ALL,    /* all links are followed, and of the rules above only the one for FUSE holds */
        GUARDED_FIND_LINK,   /* the same, but the last one is opened itself */
        GUARDED_FIND_OWN,    /* by the rules above */
        GUARDED_FIND_PUBLIC, /* also, -EPERM for what not every user could find: for a path that somebody else chose */
} GuardedFind;

/* An O_PATH descriptor of what there is at an absolute path, of any type, with the errors of guarded_open(); and the
 * same for the loop of a daemon, with those of guarded_open_local(). */
int guarded_find(const char *path, GuardedFind find);
int guarded_find_local(const char *path, GuardedFind find);

/* Opens an entry of an open directory, whose path is for messages, by the same rules; but no link is followed, and no
 * mount is crossed. -ELOOP: a link; -EXDEV: another mount begins there; and the errors above. */
int guarded_open_entry(const GuardedDirectory *parent, const char *path, const char *name, GuardedDirectory *ret,
                       char **reterr);

/* Creates what is missing of the path, each directory with the rights of the owner of its parent, and with mode,
 * regardless of the umask. An existing directory is fine, and so is anything else that is not a directory: opening it
 * will fail. Errors as above, and those of mkdirat(2). */
int guarded_make(const char *path, mode_t mode, char **reterr);

/* Can other users than its owner write to this directory, by its mode, its group or an access control list? */
bool guarded_is_shared(int fd, const struct stat *st);

/* Does the directory of a link allow the link to be followed? For callers that walk a path themselves; both by fd. */
bool guarded_may_follow(int dir_fd, int link_fd);
