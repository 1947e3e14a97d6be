#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Whose rights the kernel checks when we open, make, move and remove files: our own, or those of a user, who must not
 * get anything through us that he could not get himself. Only the file-system identity changes (setfsuid(2), and for
 * root that takes away the capabilities that override permissions, too: see capabilities(7)), so the user cannot send
 * us signals meanwhile, and what is not about files goes on as ourselves. */

#include <stdbool.h>
#include <sys/types.h>

#include "util/macro.h"

#define UID_NOBODY          ((uid_t)65534) /* who owns nothing, and belongs to no group but his own */
#define UID_UNKNOWN         ((uid_t)-1)
#define IDENTITY_GROUPS_MAX 65536

typedef struct Identity {
        uid_t uid;
        gid_t gid;
        gid_t *groups; /* beside gid */
        size_t n_groups;
} Identity;

/* A user or group by its number; false when it is none. */
bool identity_parse_id(const char *name, uid_t *ret);

void identity_done(Identity *i); /* frees what it holds */

/* Who was before, to go back to, in the manner of a cleanup: "_cleanup_(identity_restore) IdentityScope …". */
typedef struct IdentityScope {
        const Identity *previous; /* may be NULL */
        bool is_entered;
} IdentityScope;

/* From now on files are worked on as next; NULL = as ourselves. The caller keeps next alive until the scope ends.
 * -EPERM: we may not (CAP_SETUID, CAP_SETGID); then nothing has changed. Going back to ourselves always succeeds. */
int identity_enter(IdentityScope *scope, const Identity *next);
void identity_restore(IdentityScope *scope);

/* A user by name or number, with the groups that /etc/group gives to it. Only the files are asked, since a name
 * service may block for seconds; who is not in them has the number's user and group, or is -ENOENT. -ENOMEM, errno of
 * fopen(3). */
int identity_of_user(const char *name, Identity *ret);

/* Has the user this group, by name or number, according to /etc/group? */
bool identity_has_group(const Identity *i, const char *name);

/* The user's name, or "uid 1000". The caller frees it; NULL without memory. */
char *user_name(uid_t uid);
