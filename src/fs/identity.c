/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* setfsuid(2) does not report failure; a call with a user that does not exist returns the current one. setgroups(2) is
 * called directly: the C library would apply it to all threads, and there is only this one. */

#include "fs/identity.h"

#include <grp.h>
#include <pwd.h>
#include <sys/fsuid.h>
#include <sys/syscall.h>

static const Identity *current; /* NULL = ourselves */
static gid_t *own_groups;
static size_t n_own_groups;
static bool knows_own_groups;

void identity_done(Identity *i) {
        free(i->groups);
        *i = (Identity){};
}

/* --- taking one --- */

static int learn_own_groups(void) {
        int n;

        if (knows_own_groups)
                return 0;
        n = getgroups(0, NULL);
        if (n < 0)
                return -errno;
        own_groups = calloc((size_t)n + 1, sizeof(gid_t));
        if (!own_groups)
                return -ENOMEM;
        n = getgroups(n, own_groups);
        if (n < 0) {
                own_groups = mfree(own_groups);
                return -errno;
        }
        n_own_groups = (size_t)n;
        knows_own_groups = true;
        return 0;
}

static int set_groups(const gid_t *groups, size_t n) {
        return syscall(SYS_setgroups, n, groups) < 0 ? -errno : 0;
}

static bool set_fsids(uid_t uid, gid_t gid) {
        (void)setfsgid(gid);
        (void)setfsuid(uid);
        return (uid_t)setfsuid((uid_t)-1) == uid && (gid_t)setfsgid((gid_t)-1) == gid;
}

static void become_ourselves(void) {
        assert(knows_own_groups);  /* no other identity is taken without that */
        (void)setfsuid(geteuid()); /* first: it restores the capabilities */
        if (!set_fsids(geteuid(), getegid()) || set_groups(own_groups, n_own_groups) < 0)
                abort(); /* to continue would be to act with the wrong rights */
        current = NULL;
}

static int become(const Identity *i) {
        int r;

        assert(!current); /* by way of ourselves: the capabilities are needed */
        r = learn_own_groups();
        if (r >= 0)
                r = set_groups(i->groups, i->n_groups);
        if (r < 0)
                return r;
        if (!set_fsids(i->uid, i->gid)) {
                become_ourselves();
                return -EPERM;
        }
        current = i;
        return 0;
}

static int identity_swap(const Identity *next, const Identity **ret_previous) {
        const Identity *previous = current;
        int r = 0;

        if (next == current) {
                *ret_previous = previous;
                return 0;
        }
        if (current)
                become_ourselves();
        if (next)
                r = become(next);
        if (r < 0 && previous && become(previous) < 0)
                abort();
        if (r >= 0)
                *ret_previous = previous;
        return r;
}

int identity_enter(IdentityScope *scope, const Identity *next) {
        int r;

        assert(!scope->is_entered);
        r = identity_swap(next, &scope->previous);
        scope->is_entered = r >= 0;
        return r;
}

void identity_restore(IdentityScope *scope) {
        const Identity *left;

        if (scope->is_entered && identity_swap(scope->previous, &left) < 0)
                abort();
        scope->is_entered = false;
}

bool identity_is_entered(void) {
        return current;
}

/* --- users --- */

bool identity_parse_id(const char *name, uid_t *ret) {
        unsigned long id;
        char *end;

        if (name[0] < '0' || name[0] > '9')
                return false;
        errno = 0;
        id = strtoul(name, &end, 10);
        if (*end != '\0' || errno != 0 || id >= UINT32_MAX)
                return false;
        *ret = (uid_t)id;
        return true;
}

/* name NULL: by uid. The entry is valid until the next call. */
static int find_passwd(const char *name, uid_t uid, FILE **ret_file, const struct passwd **ret) {
        FILE *f = fopen("/etc/passwd", "re");
        const struct passwd *pw;

        if (!f)
                return -errno;
        while ((pw = fgetpwent(f)))
                if (name ? streq(pw->pw_name, name) : pw->pw_uid == uid) {
                        *ret_file = f;
                        *ret = pw;
                        return 0;
                }
        (void)fclose(f);
        return -ENOENT;
}

static int add_group(Identity *i, gid_t gid) {
        gid_t *bigger;

        if (i->n_groups >= IDENTITY_GROUPS_MAX)
                return -E2BIG;
        bigger = reallocarray(i->groups, i->n_groups + 1, sizeof(gid_t));
        if (!bigger)
                return -ENOMEM;
        i->groups = bigger;
        i->groups[i->n_groups++] = gid;
        return 0;
}

static int find_groups(Identity *i, const char *user) {
        FILE *f = fopen("/etc/group", "re");
        const struct group *gr;
        int r = 0;

        if (!f)
                return errno == ENOENT ? 0 : -errno;
        while (r >= 0 && (gr = fgetgrent(f)))
                for (char **member = gr->gr_mem; *member; member++)
                        if (streq(*member, user)) {
                                r = add_group(i, gr->gr_gid);
                                break;
                        }
        (void)fclose(f);
        return r;
}

int identity_of_user(const char *name, Identity *ret) {
        uid_t uid = UID_UNKNOWN;
        bool is_number = identity_parse_id(name, &uid);
        const struct passwd *pw = NULL;
        Identity i = {};
        FILE *f = NULL;
        int r;

        r = find_passwd(is_number ? NULL : name, uid, &f, &pw);
        if (r == -ENOENT && is_number) {
                *ret = (Identity){ .uid = uid, .gid = uid };
                return 0;
        }
        if (r < 0)
                return r;
        i.uid = pw->pw_uid;
        i.gid = pw->pw_gid;
        r = find_groups(&i, pw->pw_name);
        (void)fclose(f);
        if (r < 0) {
                identity_done(&i);
                return r;
        }
        *ret = i;
        return 0;
}

static bool has_gid(const Identity *i, gid_t gid) {
        bool has = i->gid == gid;

        for (size_t k = 0; !has && k < i->n_groups; k++)
                has = i->groups[k] == gid;
        return has;
}

bool identity_has_group(const Identity *i, const char *name) {
        const struct group *gr;
        bool has = false;
        uid_t gid;
        FILE *f;

        if (identity_parse_id(name, &gid))
                return has_gid(i, gid);
        f = fopen("/etc/group", "re");
        while (f && !has && (gr = fgetgrent(f)))
                has = streq(gr->gr_name, name) && has_gid(i, gr->gr_gid);
        if (f)
                (void)fclose(f);
        return has;
}

char *user_name(uid_t uid) {
        const struct passwd *pw = NULL;
        char *text;
        FILE *f = NULL;

        if (find_passwd(NULL, uid, &f, &pw) < 0)
                return asprintf(&text, "uid %u", (unsigned)uid) < 0 ? NULL : text;
        text = strdup(pw->pw_name);
        (void)fclose(f);
        return text;
}
