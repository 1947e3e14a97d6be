/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Everything is done with folders opened for the moment, so that a spool can be unmounted, and by rename within one
 * file system, so that each step happens or does not. There is no fsync: after a power cut a rename may not have
 * happened, which is the state before, and that is one from which work goes on as well.
 *
 * An item's own folder, and not a longer name, keeps the name that it came with, which may have 255 bytes already. */

#include "watch/spool.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>

#include "fs/beneath.h"
#include "watch/watcher.h"

#define ID_DIGITS   16
#define FOLDER_MAX  48 /* "0123456789abcdef.1000000" and the end */
#define FAILED_TEXT "failed"
#define REST_TEXT   "rest" /* what a run left beside its item */

struct Spool {
        char *path, *claims, *done, *failed; /* claims: the name of the folder in path */
        uint64_t last_id;
};

void spool_item_done(SpoolItem *i) {
        free(i->name);
        *i = (SpoolItem){};
}

/* --- folders --- */

static int open_folder(int dir_fd, const char *path, int flags) {
        int fd = openat(dir_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | flags);

        return fd < 0 ? -errno : fd;
}

static int open_spool(const Spool *s) {
        return open_folder(AT_FDCWD, s->path, 0);
}

static int open_claims(const Spool *s, int spool_fd) {
        _cleanup_close_ int fd = open_folder(spool_fd, s->claims, O_NOFOLLOW);
        struct stat of_spool, st;

        if (fd < 0)
                return fd;
        if (fstat(fd, &st) < 0 || fstat(spool_fd, &of_spool) < 0)
                return -errno;
        if (st.st_uid != geteuid() || (st.st_mode & 022))
                return -EPERM;
        return st.st_dev == of_spool.st_dev ? TAKE_FD(fd) : -EXDEV;
}

typedef struct Folders {
        int spool, claims;
} Folders;

static void folders_close(Folders *f) {
        f->spool = safe_close(f->spool);
        f->claims = safe_close(f->claims);
}

static int folders_open(const Spool *s, Folders *ret) {
        int r;

        *ret = (Folders){ .spool = open_spool(s), .claims = -EBADF };
        if (ret->spool < 0)
                return ret->spool;
        r = open_claims(s, ret->spool);
        if (r < 0)
                return r;
        ret->claims = r;
        return 0;
}

static const char *folder_name(char buf[static FOLDER_MAX], uint64_t id, unsigned attempt) {
        (void)snprintf(buf, FOLDER_MAX, "%016llx.%u", (unsigned long long)id, attempt);
        return buf;
}

static const char *folder_name_of(char buf[static FOLDER_MAX], uint64_t id, const char *what) {
        (void)snprintf(buf, FOLDER_MAX, "%016llx.%s", (unsigned long long)id, what);
        return buf;
}

/* 1: an item; 0: one of ours that is none; -EINVAL: not ours. */
static int folder_name_parse(const char *name, uint64_t *ret_id, unsigned *ret_attempt) {
        static const char digits[] = "0123456789abcdef";
        unsigned long attempt;
        char *end;

        if (strspn(name, digits) != ID_DIGITS || name[ID_DIGITS] != '.')
                return -EINVAL;
        *ret_id = strtoull(name, NULL, 16);
        name += ID_DIGITS + 1;
        if (streq(name, FAILED_TEXT) || streq(name, REST_TEXT))
                return 0;
        if (name[0] < '1' || name[0] > '9')
                return -EINVAL;
        attempt = strtoul(name, &end, 10);
        if (*end != '\0' || attempt > SPOOL_ATTEMPTS_MAX)
                return -EINVAL;
        *ret_attempt = (unsigned)attempt;
        return 1;
}

/* Without replacing what is there, also where the file system does not know how: then there is a moment in which
 * somebody could lose a file that he makes with this very name. */
static int rename_into(int from_fd, const char *from, int to_fd, const char *to) {
        struct stat st;

        if (renameat2(from_fd, from, to_fd, to, RENAME_NOREPLACE) >= 0)
                return 0;
        if (errno != EINVAL)
                return -errno;
        if (fstatat(to_fd, to, &st, AT_SYMLINK_NOFOLLOW) >= 0)
                return -EEXIST;
        return renameat(from_fd, from, to_fd, to) < 0 ? -errno : 0;
}

/* Calls visit with each name of a folder. */
static int each_name(int dir_fd, int (*visit)(void *userdata, int dir_fd, const char *name), void *userdata) {
        int fd = open_folder(dir_fd, ".", 0), r = 0;
        const struct dirent *d;
        DIR *dir;

        if (fd < 0)
                return fd;
        dir = fdopendir(fd);
        if (!dir) {
                r = -errno;
                safe_close(fd);
                return r;
        }
        while (r == 0 && (d = readdir(dir)))
                if (!streq(d->d_name, ".") && !streq(d->d_name, ".."))
                        r = visit(userdata, fd, d->d_name);
        (void)closedir(dir);
        return r;
}

/* --- claiming --- */

static int check_file(int dir_fd, const char *name) {
        struct stat st;

        if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode))
                return -EINVAL;
        return file_has_writer(dir_fd, name) == 1 ? -EBUSY : 0;
}

static bool name_is_claimable(const char *name) {
        return !isempty(name) && !strchr(name, '/') && !streq(name, ".") && !streq(name, "..") &&
               !startswith(name, WATCH_PRIVATE_PREFIX);
}

/* Who opened it just before it was renamed is seen only now. Should its name be taken again, it stays claimed, and the
 * next start or spool_recover() finds it. */
static int claim_check(const Folders *f, const char *name, int item_fd) {
        int r = check_file(item_fd, name);

        if (r >= 0 || r == -ENOENT)
                return r;
        return rename_into(item_fd, name, f->spool, name) < 0 ? 0 : r;
}

int spool_claim(Spool *s, const char *name, usec_t now_realtime, SpoolItem *ret) {
        uint64_t id = now_realtime > s->last_id ? now_realtime : s->last_id + 1;
        _cleanup_(folders_close) Folders f = { -EBADF, -EBADF };
        _cleanup_free_ char *copy = strdup(name);
        _cleanup_close_ int item_fd = -EBADF;
        char folder[FOLDER_MAX];
        int r;

        if (!copy)
                return -ENOMEM;
        if (!name_is_claimable(name))
                return -EINVAL;
        r = folders_open(s, &f);
        if (r >= 0)
                r = check_file(f.spool, name);
        if (r < 0)
                return r;
        if (mkdirat(f.claims, folder_name(folder, id, 1), 0711) < 0)
                return -errno;
        s->last_id = id;
        r = item_fd = open_folder(f.claims, folder, O_NOFOLLOW);
        if (r >= 0 && fchmod(item_fd, 0711) < 0) /* whatever the umask is */
                r = -errno;
        if (r >= 0)
                r = rename_into(f.spool, name, item_fd, name);
        if (r >= 0)
                r = claim_check(&f, name, item_fd);
        if (r < 0) {
                (void)unlinkat(f.claims, folder, AT_REMOVEDIR);
                return r;
        }
        *ret = (SpoolItem){ .id = id, .attempt = 1, .name = TAKE_PTR(copy) };
        return 0;
}

char *spool_item_path(const Spool *s, const SpoolItem *i) {
        char folder[FOLDER_MAX], *path;

        return asprintf(&path, "%s/%s/%s/%s", s->path, s->claims, folder_name(folder, i->id, i->attempt), i->name) < 0
                       ? NULL
                       : path;
}

/* --- leaving --- */

static int open_item(const SpoolItem *i, const Folders *f, char folder[static FOLDER_MAX]) {
        return open_folder(f->claims, folder_name(folder, i->id, i->attempt), O_NOFOLLOW);
}

/* A run may have left other files there. They are kept, and in nobody's way. */
static int remove_item_folder(const Folders *f, const SpoolItem *i, const char *folder) {
        char rest[FOLDER_MAX];

        if (unlinkat(f->claims, folder, AT_REMOVEDIR) >= 0)
                return 0;
        if (errno != ENOTEMPTY && errno != EEXIST)
                return -errno;
        return rename_into(f->claims, folder, f->claims, folder_name_of(rest, i->id, REST_TEXT));
}

/* Under its name, or one that nobody else gives. */
static int move_to(int item_fd, const SpoolItem *i, const char *target) {
        _cleanup_close_ int fd = open_folder(AT_FDCWD, target, 0);
        char name[NAME_MAX + 1];
        size_t keep;
        int r;

        if (fd < 0)
                return fd;
        r = rename_into(item_fd, i->name, fd, i->name);
        if (r != -EEXIST)
                return r;
        keep = strnlen(i->name, NAME_MAX - 1 - ID_DIGITS);
        (void)snprintf(name, sizeof(name), "%.*s~%016llx", (int)keep, i->name, (unsigned long long)i->id);
        return rename_into(item_fd, i->name, fd, name);
}

/* target: NULL = delete. */
static int spool_leave(Spool *s, const SpoolItem *i, const char *target) {
        _cleanup_(folders_close) Folders f = { -EBADF, -EBADF };
        _cleanup_close_ int item_fd = -EBADF;
        char folder[FOLDER_MAX];
        bool gone = false;
        int r;

        r = folders_open(s, &f);
        if (r < 0)
                return r;
        r = item_fd = open_item(i, &f, folder);
        if (r == -ENOENT)
                return 1;
        if (r < 0)
                return r;
        r = target ? move_to(item_fd, i, target) : unlinkat(item_fd, i->name, 0) < 0 ? -errno : 0;
        if (r == -ENOENT && faccessat(item_fd, i->name, F_OK, AT_SYMLINK_NOFOLLOW) < 0) {
                gone = true;
                r = 0;
        }
        if (r < 0)
                return r;
        r = remove_item_folder(&f, i, folder);
        return r < 0 ? r : gone;
}

int spool_done(Spool *s, const SpoolItem *i) {
        return spool_leave(s, i, s->done);
}

static int spool_rename_item(Spool *s, const SpoolItem *i, const char *to) {
        _cleanup_(folders_close) Folders f = { -EBADF, -EBADF };
        char folder[FOLDER_MAX];
        int r;

        r = folders_open(s, &f);
        return r < 0 ? r : rename_into(f.claims, folder_name(folder, i->id, i->attempt), f.claims, to);
}

int spool_fail(Spool *s, const SpoolItem *i) {
        char folder[FOLDER_MAX];
        int r;

        if (s->failed)
                return spool_leave(s, i, s->failed);
        r = spool_rename_item(s, i, folder_name_of(folder, i->id, FAILED_TEXT));
        return r == -ENOENT ? 1 : r;
}

int spool_retry(Spool *s, SpoolItem *i) {
        char folder[FOLDER_MAX];
        int r;

        if (i->attempt >= SPOOL_ATTEMPTS_MAX)
                return -ERANGE;
        r = spool_rename_item(s, i, folder_name(folder, i->id, i->attempt + 1));
        if (r < 0)
                return r;
        i->attempt++;
        return 0;
}

int spool_release(Spool *s, const SpoolItem *i) {
        _cleanup_(folders_close) Folders f = { -EBADF, -EBADF };
        _cleanup_close_ int item_fd = -EBADF;
        char folder[FOLDER_MAX];
        int r;

        r = folders_open(s, &f);
        if (r < 0)
                return r;
        r = item_fd = open_item(i, &f, folder);
        if (r < 0)
                return r;
        r = rename_into(item_fd, i->name, f.spool, i->name);
        return r < 0 ? r : remove_item_folder(&f, i, folder);
}

/* --- what is there --- */

typedef struct List {
        struct {
                SpoolItem item;
                struct timespec arrived;
        } * entries;
        size_t n, n_allocated;
        Spool *spool;
        int n_failed;
} List;

static void list_done(List *l) {
        for (size_t i = 0; i < l->n; i++)
                spool_item_done(&l->entries[i].item);
        free(l->entries);
}

static int list_add(List *l, SpoolItem item, struct timespec arrived) {
        if (l->n == l->n_allocated) {
                size_t n = 2 * l->n_allocated + 32;
                __typeof__(l->entries) bigger = reallocarray(l->entries, n, sizeof(*bigger));

                if (!bigger) {
                        spool_item_done(&item);
                        return -ENOMEM;
                }
                l->entries = bigger;
                l->n_allocated = n;
        }
        l->entries[l->n].item = item;
        l->entries[l->n++].arrived = arrived;
        return 0;
}

static int take_name(void *userdata, int dir_fd, const char *name) {
        char **ret = userdata;
        struct stat st;

        /* Of several, the first by name: which one is the item cannot be told any more. */
        if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode) ||
            (*ret && strcmp(name, *ret) >= 0))
                return 0;
        free(*ret);
        *ret = strdup(name);
        return *ret ? 0 : -ENOMEM;
}

static int list_claim(void *userdata, int dir_fd, const char *name) {
        _cleanup_close_ int fd = -EBADF;
        List *l = userdata;
        SpoolItem item = {};
        int r;

        r = folder_name_parse(name, &item.id, &item.attempt);
        if (r < 0)
                return 0;
        l->spool->last_id = MAX(l->spool->last_id, item.id);
        if (r == 0) {
                l->n_failed += streq(name + ID_DIGITS + 1, FAILED_TEXT);
                return 0;
        }
        fd = open_folder(dir_fd, name, O_NOFOLLOW);
        if (fd < 0)
                return fd == -ENOENT ? 0 : fd;
        r = each_name(fd, take_name, &item.name);
        if (r < 0) {
                spool_item_done(&item);
                return r;
        }
        if (item.name)
                return list_add(l, item, (struct timespec){});
        (void)unlinkat(dir_fd, name, AT_REMOVEDIR); /* made and not filled, or emptied and not removed */
        return 0;
}

static int list_claims(Spool *s, List *l) {
        _cleanup_(folders_close) Folders f = { -EBADF, -EBADF };
        int r;

        l->spool = s;
        r = folders_open(s, &f);
        return r < 0 ? r : each_name(f.claims, list_claim, l);
}

static int id_compare(const void *a, const void *b) {
        const SpoolItem *i = a, *k = b; /* the first member of an entry */

        return (i->id > k->id) - (i->id < k->id);
}

int spool_recover(Spool *s, int (*visit)(void *userdata, const SpoolItem *i), void *userdata) {
        _cleanup_(list_done) List l = {};
        int r;

        r = list_claims(s, &l);
        if (r < 0)
                return r;
        if (l.n > 0)
                qsort(l.entries, l.n, sizeof(*l.entries), id_compare);
        for (size_t i = 0; i < l.n && r == 0; i++)
                r = visit(userdata, &l.entries[i].item);
        return r;
}

int spool_count_failed(Spool *s) {
        _cleanup_(list_done) List l = {};
        int r = list_claims(s, &l);

        return r < 0 ? r : l.n_failed;
}

static int list_unclaimed(void *userdata, int dir_fd, const char *name) {
        SpoolItem item = {};
        struct stat st;

        if (!name_is_claimable(name) || fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
                return 0;
        item.name = strdup(name);
        return item.name ? list_add(userdata, item, st.st_ctim) : -ENOMEM;
}

static int arrival_compare(const void *a, const void *b) {
        const __typeof__(*((List *)NULL)->entries) *i = a, *k = b;

        if (i->arrived.tv_sec != k->arrived.tv_sec)
                return i->arrived.tv_sec < k->arrived.tv_sec ? -1 : 1;
        if (i->arrived.tv_nsec != k->arrived.tv_nsec)
                return i->arrived.tv_nsec < k->arrived.tv_nsec ? -1 : 1;
        return strcmp(i->item.name, k->item.name);
}

int spool_visit(Spool *s, int (*visit)(void *userdata, const char *name), void *userdata) {
        _cleanup_close_ int fd = open_spool(s);
        _cleanup_(list_done) List l = {};
        int r;

        if (fd < 0)
                return fd;
        r = each_name(fd, list_unclaimed, &l);
        if (r < 0)
                return r;
        if (l.n > 0)
                qsort(l.entries, l.n, sizeof(*l.entries), arrival_compare);
        for (size_t i = 0; i < l.n && r == 0; i++)
                r = visit(userdata, l.entries[i].item.name);
        return r;
}

/* --- life --- */

/* A rename will have to get there. */
static int check_target(int spool_fd, const char *target) {
        struct stat of_spool, st;

        if (!target)
                return 0;
        if (fstat(spool_fd, &of_spool) < 0 || stat(target, &st) < 0)
                return -errno;
        return !S_ISDIR(st.st_mode) ? -ENOTDIR : st.st_dev == of_spool.st_dev ? 0 : -EXDEV;
}

static int spool_prepare(Spool *s) {
        _cleanup_close_ int fd = open_spool(s), claims = -EBADF;
        int r;

        if (fd < 0)
                return fd;
        if (mkdirat(fd, s->claims, 0711) >= 0) {
                if (fchmodat(fd, s->claims, 0711, 0) < 0)
                        return -errno;
        } else if (errno != EEXIST)
                return -errno;
        claims = open_claims(s, fd);
        if (claims < 0)
                return claims;
        r = check_target(fd, s->done);
        return r < 0 ? r : check_target(fd, s->failed);
}

int spool_open(Spool **ret, const char *path, const char *job, const char *done, const char *failed, uint64_t min_id) {
        _cleanup_(spool_freep) Spool *s = NULL;
        int r;

        s = calloc(1, sizeof(*s));
        if (!s)
                return -ENOMEM;
        s->last_id = min_id;
        s->path = strdup(path);
        s->done = done ? strdup(done) : NULL;
        s->failed = failed ? strdup(failed) : NULL;
        if (asprintf(&s->claims, WATCH_PRIVATE_PREFIX "%s", job) < 0)
                s->claims = NULL;
        if (!s->path || !s->claims || !s->done != !done || !s->failed != !failed)
                return -ENOMEM;
        r = spool_prepare(s);
        if (r < 0)
                return r;
        r = spool_count_failed(s); /* learns the highest id, too */
        if (r < 0)
                return r;
        *ret = TAKE_PTR(s);
        return 0;
}

Spool *spool_free(Spool *s) {
        if (!s)
                return NULL;
        free(s->path);
        free(s->claims);
        free(s->done);
        free(s->failed);
        return mfree(s);
}
