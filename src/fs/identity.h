#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The identity whose rights the kernel checks when we open, create, move and remove files: our own, or that of a user,
 * who must not gain anything through us that they could not get themselves. Only the file-system identity changes
 * (setfsuid(2), which for root also removes the capabilities that override permissions: see capabilities(7)), so that
 * the user cannot send us signals meanwhile, and everything that is not about files continues as ourselves. */

#include <sys/types.h>

#include "util/macro.h"

#define UID_NOBODY          ((uid_t)65534) /* owns nothing, and is only in its own group */
#define UID_UNKNOWN         ((uid_t)-1)
#define IDENTITY_GROUPS_MAX 65536

typedef struct Identity {
        uid_t uid;
        gid_t gid;
        gid_t *groups; /* beside gid */
        size_t n_groups;
} Identity;

/* A user or group by its number; false if it is not a number. */
bool identity_parse_id(const char *name, uid_t *ret);

void identity_done(Identity *i); /* frees what it holds */

/* The previous identity, to return to, in the manner of a cleanup: "_cleanup_(identity_restore) IdentityScope …". */
typedef struct IdentityScope {
        const Identity *previous; /* may be NULL */
        bool is_entered;
} IdentityScope;

/* From now on, files are accessed as next; NULL = as ourselves. The caller keeps next alive until the scope ends.
 * -EPERM: we may not (CAP_SETUID, CAP_SETGID); then nothing has changed. The return to ourselves always succeeds. */
int identity_enter(IdentityScope *scope, const Identity *next);
void identity_restore(IdentityScope *scope);
bool identity_is_entered(void); /* anybody's but our own */

/* A user by name or number, with the groups that /etc/group lists for it. Only the files are read, because a name
 * service may block for seconds; a user that is not in them has the user and group of the number, or is -ENOENT.
 * -ENOMEM, errno of fopen(3). */
int identity_of_user(const char *name, Identity *ret);

/* Is the user in this group, by name or number, according to /etc/group? */
bool identity_has_group(const Identity *i, const char *name);

/* The user's name, or "uid 1000". The caller frees it; NULL without memory. */
char *user_name(uid_t uid);
