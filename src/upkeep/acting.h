#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* With whose rights something is done in a directory. Root is borrowed: where somebody else can change what a name
 * means, the kernel has to check the rights of that somebody, and not ours.
 *
 * - A directory that only root or we can write: as ourselves.
 * - A directory of another user: as that user; and below it only directories of the same user, because he can put any
 *   other one in their place.
 * - A directory of root's where others can write too, with the sticky bit (/tmp): each entry as the owner of the
 * entry.
 * - The same without the sticky bit: not at all.
 *
 * As an ordinary user we only ever have our own rights, and the kernel checks them. */

#include <sys/stat.h>

#include "fs/guarded.h"
#include "fs/identity.h"

typedef enum ActingKind {
        ACTING_SELF,
        ACTING_OWNER, /* of the directory */
        ACTING_EACH,  /* the owner of each entry */
} ActingKind;

typedef struct Acting {
        ActingKind kind;
        uid_t uid; /* of the directory */
        gid_t gid;
} Acting;

/* geteuid(2), asked once: it does not change when we act as somebody else. */
uid_t own_uid(void);

/* The directory at the end of a guarded path. */
Acting acting_in_guarded(const GuardedDirectory *d);

/* A directory that was opened from one above it, in which we act as above says. -EPERM: it has another owner than the
 * one above, who could have put it there; -EACCES: others can write to it and it has no sticky bit. */
int acting_below(const Acting *above, int fd, const struct stat *st, Acting *ret);

/* Who acts now. Begins as {}; ends with actor_done(). */
typedef struct Actor {
        Identity identity;
        IdentityScope scope;
} Actor;

/* From now on with the rights for an entry of a directory, whose owner is uid. Does nothing if that is so already.
 * -EPERM: we may not become that user. */
int actor_become(Actor *a, const Acting *acting, uid_t uid);

/* As ourselves. */
void actor_done(Actor *a);
