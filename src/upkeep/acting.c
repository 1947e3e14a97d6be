/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The group is that of the directory: where it gives a right at all, in a sticky directory that is writable by a
 * group, only members can have put entries there. No other groups are kept. */

#include "upkeep/acting.h"

static const Acting self = { .kind = ACTING_SELF };

uid_t own_uid(void) {
        static uid_t uid = UID_UNKNOWN;

        if (uid == UID_UNKNOWN)
                uid = geteuid();
        return uid;
}

Acting acting_in_guarded(const GuardedDirectory *d) {
        ActingKind kind = ACTING_SELF;

        if (own_uid() == 0 && !d->is_trusted)
                kind = ACTING_OWNER;
        else if (d->is_trusted && d->is_shared && d->uid != own_uid())
                kind = ACTING_EACH;
        else if (own_uid() == 0 && d->is_shared)
                kind = ACTING_EACH;
        return (Acting){ .kind = kind, .uid = d->uid, .gid = d->gid };
}

int acting_below(const Acting *above, int fd, const struct stat *st, Acting *ret) {
        bool is_ours = st->st_uid == own_uid(), is_trusted = st->st_uid == 0 || is_ours, is_shared;

        if (above->kind == ACTING_OWNER && st->st_uid != above->uid)
                return -EPERM;
        *ret = (Acting){ .kind = ACTING_SELF, .uid = st->st_uid, .gid = st->st_gid };
        if (!is_trusted) {
                ret->kind = own_uid() == 0 ? ACTING_OWNER : ACTING_SELF;
                return 0;
        }
        is_shared = guarded_is_shared(fd, st);
        if (is_shared && own_uid() == 0 && !(st->st_mode & S_ISVTX))
                return -EACCES;
        if (is_shared && (own_uid() == 0 || !is_ours))
                ret->kind = ACTING_EACH;
        return 0;
}

int actor_become(Actor *a, const Acting *acting, uid_t uid) {
        const Acting *wanted = acting;
        Identity next;

        if (acting->kind == ACTING_EACH && uid == own_uid())
                wanted = &self;
        if (acting->kind == ACTING_EACH && wanted != &self && own_uid() != 0)
                return -EPERM;
        if (wanted->kind == ACTING_SELF) {
                actor_done(a);
                return 0;
        }
        next = (Identity){ .uid = acting->kind == ACTING_EACH ? uid : acting->uid, .gid = acting->gid };
        if (a->scope.is_entered && a->identity.uid == next.uid && a->identity.gid == next.gid)
                return 0;
        actor_done(a);
        a->identity = next;
        return identity_enter(&a->scope, &a->identity);
}

void actor_done(Actor *a) {
        identity_restore(&a->scope);
}
