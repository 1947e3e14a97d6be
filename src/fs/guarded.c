/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The kernel can refuse links altogether (openat2(2), RESOLVE_NO_SYMLINKS), but not by their owner; and what makes a
 * path safe here is the owner of each component. So the path is walked component by component, each with O_PATH from
 * the one before. */

#include "fs/guarded.h"

#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <sys/stat.h>

#include "fs/acl.h"
#include "fs/beneath.h"
#include "fs/identity.h"
#include "fs/mount-table.h"

#define LINKS_MAX 40 /* as the kernel has it */

typedef struct Walk {
        int fd; /* O_PATH; of */
        struct stat st;
        bool is_trusted, is_shared;
        char *done; /* the path of that directory, as far as it has been walked */
        char *rest; /* still to be walked */
        unsigned n_links;
        bool is_below_shared;
        bool follows_nothing; /* no link, and no mount */
        bool follows_all;     /* links, and all rules are off */
        bool takes_any;       /* at the end, and not only a directory */
        bool takes_link;      /* also a link */
        bool is_public;       /* only through directories that everybody may search */
        bool stays_local;     /* see file_is_local(); else file_is_answered() */
        dev_t device;         /* that was asked for last */
        bool tries_rest;      /* what is left may be found in one call */
        bool makes;           /* what is missing, with */
        mode_t make_mode;
        char *error; /* for people */
} Walk;

static void walk_done(Walk *w) {
        w->fd = safe_close(w->fd);
        free(w->done);
        free(w->rest);
        free(w->error);
}

_printf_(3, 4) static int refuse(Walk *w, int error, const char *format, ...) {
        va_list ap;

        free(w->error);
        va_start(ap, format);
        if (vasprintf(&w->error, format, ap) < 0)
                w->error = NULL;
        va_end(ap);
        return error;
}

static bool is_trusted(const struct stat *st) {
        return st->st_uid == 0 || st->st_uid == geteuid();
}

/* A group of root or our own has no members that could harm us. But with an access control list, the group bits are
 * the mask of what it grants to other users. */
bool guarded_is_shared(int fd, const struct stat *st) {
        if (st->st_mode & S_IWOTH)
                return true;
        return (st->st_mode & S_IWGRP) && ((st->st_gid != 0 && st->st_gid != getegid()) || acl_is_there(fd));
}

bool guarded_may_follow(int dir_fd, int link_fd) {
        struct stat dir, link;

        return fstat(dir_fd, &dir) >= 0 && fstat(link_fd, &link) >= 0 && is_trusted(&dir) &&
               !guarded_is_shared(dir_fd, &dir) && is_trusted(&link);
}

/* Takes fd and done over. */
static void walk_to(Walk *w, int fd, const struct stat *st, char *done) {
        safe_close(w->fd);
        w->fd = fd;
        w->st = *st;
        w->is_trusted = is_trusted(st);
        w->is_shared = guarded_is_shared(fd, st);
        free(w->done);
        w->done = done;
}

static int walk_root(Walk *w) {
        _cleanup_close_ int fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
        struct stat st;
        char *done;

        if (fd < 0 || fstat(fd, &st) < 0)
                return -errno;
        done = strdup("");
        if (!done)
                return -ENOMEM;
        walk_to(w, TAKE_FD(fd), &st, done);
        w->device = st.st_dev;
        w->is_below_shared = false;
        return 0;
}

/* --- links --- */

static int refuse_link(Walk *w, const char *name, const struct stat *link) {
        _cleanup_free_ char *owner = user_name(is_trusted(link) ? w->st.st_uid : link->st_uid);

        if (is_trusted(link) && w->is_trusted)
                return refuse(
                        w, -ELOOP,
                        "%s/%s is a symbolic link in a directory that other users can write to, and is not followed: "
                        "use the directory that it leads to",
                        w->done, name);
        return refuse(w, -ELOOP,
                      "%s/%s is a symbolic link that %s can change, and is not followed: use the directory that it "
                      "leads to",
                      w->done, name, strempty(owner));
}

static int walk_link(Walk *w, const char *name, int link_fd, const struct stat *link) {
        char target[PATH_MAX], *rest;
        ssize_t n;

        if (!w->follows_all && (!w->is_trusted || w->is_shared || !is_trusted(link)))
                return refuse_link(w, name, link);
        if (++w->n_links > LINKS_MAX)
                return refuse(w, -ELOOP, "%s has too many symbolic links", w->done);
        n = readlinkat(link_fd, "", target, sizeof(target) - 1);
        if (n < 0)
                return -errno;
        target[n] = '\0';
        if (asprintf(&rest, "%s/%s", target, w->rest) < 0)
                return -ENOMEM;
        free(w->rest);
        w->rest = rest;
        w->tries_rest = true;
        return target[0] == '/' ? walk_root(w) : 0;
}

/* --- steps --- */

static int refuse_step(Walk *w, const char *name, const struct stat *st) {
        _cleanup_free_ char *above = user_name(w->st.st_uid), *below = user_name(st->st_uid);

        return refuse(w, -EPERM,
                      "%s/%s belongs to %s, but %s can put another directory in its place: give it to %s, or give %s "
                      "to root",
                      w->done, name, strempty(below), strempty(above), strempty(above), w->done);
}

/* A directory of ours in which other users may replace entries. */
static int check_shared(Walk *w) {
        if (w->follows_all || !w->is_trusted || !w->is_shared || (w->st.st_mode & S_ISVTX))
                return 0;
        return refuse(
                w, -EPERM,
                "%s is writable by other users and has no sticky bit, so they can replace what it contains: run chmod "
                "+t %s, or let only its owner write to it",
                isempty(w->done) ? "/" : w->done, isempty(w->done) ? "/" : w->done);
}

/* With the owner of the parent directory. The new directory also gets its group. */
static int make_step(const Walk *w, const char *name) {
        const Identity owner = { .uid = w->st.st_uid, .gid = w->st.st_gid };
        _cleanup_(identity_restore) IdentityScope scope = {};
        _cleanup_close_ int fd = -EBADF;
        struct stat st;
        int r = 0;

        assert(w->makes && !strchr(name, '/'));
        if (!w->is_trusted)
                r = identity_enter(&scope, &owner);
        if (r < 0)
                return r;
        if (mkdirat(w->fd, name, 0700) < 0)
                return errno == EEXIST ? 0 : -errno;
        fd = openat(w->fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0 || fstat(fd, &st) < 0)
                return -errno;
        if (st.st_uid != (w->is_trusted ? geteuid() : owner.uid))
                return 0; /* it was replaced at once; the next step checks the owner */
        return fchmod(fd, w->make_mode) < 0 ? -errno : 0;
}

/* Old kernels (before 5.8) do not know. */
static bool is_mount(int fd) {
        struct statx s;

        return statx(fd, "", AT_EMPTY_PATH | AT_NO_AUTOMOUNT, 0, &s) >= 0 &&
               (s.stx_attributes & STATX_ATTR_MOUNT_ROOT);
}

static int walk_step(Walk *w, const char *name) {
        _cleanup_close_ int fd = -EBADF;
        bool was_trusted, was_shared, is_last;
        dev_t before = w->device;
        struct stat st;
        char *done;
        int r;

        r = check_shared(w);
        if (r < 0)
                return r;
        if (w->is_public && !(w->st.st_mode & S_IXOTH))
                return -EPERM;
        fd = openat(w->fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0 && errno == ENOENT && w->makes) {
                r = make_step(w, name);
                if (r < 0)
                        return r;
                fd = openat(w->fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
        }
        if (fd < 0)
                return -errno;
        r = w->stays_local ? file_is_local(fd, &w->device) : file_is_answered(fd, &w->device);
        if (r == -EREMOTE)
                return refuse(w, r, GUARDED_FUSE_TEXT, w->done, name);
        if (r < 0)
                return r;
        w->tries_rest = w->tries_rest || w->device != before;
        if (fstat(fd, &st) < 0)
                return -errno;
        is_last = w->rest[strspn(w->rest, "/")] == '\0';
        if (S_ISLNK(st.st_mode) && !(w->takes_link && is_last))
                return w->follows_nothing ? refuse(w, -ELOOP, "%s/%s is a symbolic link", w->done, name)
                                          : walk_link(w, name, fd, &st);
        if (!S_ISDIR(st.st_mode) && !(w->takes_any && is_last))
                return -ENOTDIR;
        if (w->follows_nothing && is_mount(fd))
                return refuse(w, -EXDEV, "%s/%s is where something else is mounted", w->done, name);
        if (!w->follows_all && !w->is_trusted && st.st_uid != w->st.st_uid)
                return refuse_step(w, name, &st);
        if (asprintf(&done, "%s/%s", w->done, name) < 0)
                return -ENOMEM;
        was_trusted = w->is_trusted;
        was_shared = w->is_shared;
        walk_to(w, TAKE_FD(fd), &st, done);
        if (was_trusted && !w->is_trusted)
                w->is_below_shared = was_shared;
        return 0;
}

/* What is left of the way at once. Only of a path that no rule is about but that for FUSE, which is not met within one
 * mount; of most, that is all of it. */
static int walk_rest(Walk *w, int dir_fd, const char *rest) {
        int fd;

        w->tries_rest = false;
        if (!w->follows_all || !w->takes_any)
                return -EOPNOTSUPP;
        fd = open_within_mount(dir_fd, rest, /* follow_last= */ !w->takes_link);
        if (fd < 0)
                return fd;
        safe_close(w->fd);
        w->fd = fd;
        return 0;
}

static int walk(Walk *w, const char *path) {
        char name[NAME_MAX + 1];
        int r;

        if (path[0] != '/')
                return -EINVAL;
        if (walk_rest(w, AT_FDCWD, path) >= 0)
                return 0;
        w->rest = strdup(path);
        if (!w->rest)
                return -ENOMEM;
        r = walk_root(w);
        while (r >= 0) {
                char *at = w->rest + strspn(w->rest, "/"), *end = at + strcspn(at, "/");

                if (at == end || (w->tries_rest && walk_rest(w, w->fd, at) >= 0))
                        return 0;
                if ((size_t)(end - at) > NAME_MAX)
                        return -ENAMETOOLONG;
                memcpy(name, at, (size_t)(end - at));
                name[end - at] = '\0';
                memmove(w->rest, end, strlen(end) + 1);
                if (!streq(name, "."))
                        r = walk_step(w, name);
        }
        return r;
}

/* The reason that the walk found, or the plain one. */
static void explain(Walk *w, int error, const char *path, char **reterr) {
        if (!reterr)
                return;
        if (!w->error && error == -ENOENT)
                (void)refuse(w, error, "%s does not exist", path);
        else if (!w->error && error == -EROFS)
                (void)refuse(w, error, GUARDED_READ_ONLY_TEXT, path, path);
        else if (!w->error)
                (void)refuse(w, error, "%s: %s", path, strerror(-error));
        *reterr = TAKE_PTR(w->error);
}

static int find_path(const char *path, GuardedFind find, bool stays_local) {
        _cleanup_(walk_done) Walk w = {
                .fd = -EBADF,
                .stays_local = stays_local,
                .takes_any = true,
                .takes_link = find == GUARDED_FIND_LINK,
                .follows_all = find == GUARDED_FIND_ALL || find == GUARDED_FIND_LINK,
                .is_public = find == GUARDED_FIND_PUBLIC,
        };
        int r = walk(&w, path);

        return r < 0 ? r : TAKE_FD(w.fd);
}

int guarded_find(const char *path, GuardedFind find) {
        return find_path(path, find, /* stays_local= */ false);
}

int guarded_find_local(const char *path, GuardedFind find) {
        return find_path(path, find, /* stays_local= */ true);
}

/* r: what the walk came to. */
static int hand_over(Walk *w, int r, const char *path, GuardedDirectory *ret, char **reterr) {
        if (r >= 0)
                r = check_shared(w);
        if (r < 0) {
                explain(w, r, path, reterr);
                return r;
        }
        *ret = (GuardedDirectory){
                .fd = TAKE_FD(w->fd),
                .device = w->st.st_dev,
                .inode = w->st.st_ino,
                .uid = w->st.st_uid,
                .gid = w->st.st_gid,
                .is_trusted = w->is_trusted,
                .is_shared = w->is_shared,
                .is_writable_by_all = w->st.st_mode & S_IWOTH,
                .is_sticky = w->st.st_mode & S_ISVTX,
                .is_below_shared = w->is_below_shared,
        };
        return 0;
}

int guarded_open(const char *path, GuardedDirectory *ret, char **reterr) {
        _cleanup_(walk_done) Walk w = { .fd = -EBADF };
        int r = walk(&w, path);

        return hand_over(&w, r, path, ret, reterr);
}

int guarded_open_local(const char *path, bool follow_all, GuardedDirectory *ret) {
        _cleanup_(walk_done) Walk w = { .fd = -EBADF, .stays_local = true, .follows_all = follow_all };
        int r = walk(&w, path);

        return hand_over(&w, r, path, ret, NULL);
}

static int walk_entry(Walk *w, const GuardedDirectory *parent, const char *path, const char *name) {
        w->fd = fcntl(parent->fd, F_DUPFD_CLOEXEC, 3);
        if (w->fd < 0 || fstat(w->fd, &w->st) < 0)
                return -errno;
        w->done = strdup(path);
        if (!w->done)
                return -ENOMEM;
        w->rest = strdup("");
        if (!w->rest)
                return -ENOMEM;
        w->device = parent->device;
        w->is_trusted = parent->is_trusted;
        w->is_shared = parent->is_shared;
        w->is_below_shared = parent->is_below_shared;
        return walk_step(w, name);
}

int guarded_open_entry(const GuardedDirectory *parent, const char *path, const char *name, GuardedDirectory *ret,
                       char **reterr) {
        _cleanup_(walk_done) Walk w = { .fd = -EBADF, .follows_nothing = true };
        _cleanup_free_ char *whole = NULL;
        int r;

        assert(!strchr(name, '/') && !streq(name, "."));
        if (asprintf(&whole, "%s/%s", path, name) < 0) {
                whole = NULL;
                return -ENOMEM;
        }
        r = walk_entry(&w, parent, path, name);
        return hand_over(&w, r, whole, ret, reterr);
}

int guarded_make(const char *path, mode_t mode, char **reterr) {
        _cleanup_(walk_done) Walk w = { .fd = -EBADF, .makes = true, .make_mode = mode };
        int r;

        r = walk(&w, path);
        if (r == -ENOTDIR)
                r = 0;
        if (r < 0)
                explain(&w, r, path, reterr);
        return r;
}

void guarded_close(GuardedDirectory *d) {
        d->fd = safe_close(d->fd);
}
