/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Everything is done with directories opened for the moment, so that a spool can be unmounted, and by rename within
 * one file system, so that each step happens or does not. There is no fsync: after a power cut a rename may not have
 * happened, which is the state before, and that is one from which work goes on as well.
 *
 * An item's own directory, and not a longer name, keeps the name that it came with, which may have 255 bytes already.
 */

#include "watch/spool.h"

#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <sys/stat.h>

#include "fs/acl.h"
#include "fs/beneath.h"
#include "fs/guarded.h"
#include "fs/identity.h"
#include "util/array.h"
#include "util/file.h"
#include "util/strv.h"
#include "watch/watcher.h"

#define ID_DIGITS     16
#define DIRECTORY_MAX 48 /* "0123456789abcdef.1000000" and the end */
#define FAILED_TEXT   "failed"
#define REST_TEXT     "rest" /* what a run left beside its item, or what was claimed and is none */

#define OUR_MODE 0711 /* of .vakt-JOB and what is in it: a run gets at its own item, but cannot see the others */
#define LENT_MODE                                                                                         \
        01733 /* of an item's directory while its owner moves it, where there are no access control lists \
               */

#define LINKED_USEC USEC_PER_MINUTE /* so long it is expected that the other name of a file goes */
#define CLAIMS_MAX  65536U          /* items that are claimed at once; so many directories are looked into */
#define NAMES_MAX                                                                                         \
        (4 * CLAIMS_MAX) /* and so many names in all of them: who owns the spool may put in what he likes \
                          */

/* Which directory something was when the spool was opened. */
typedef struct Pin {
        dev_t device;
        ino_t inode;
        bool is_set;
} Pin;

struct Spool {
        char *path, *claims, *done, *failed; /* claims: the name of the directory in path */
        Pin pin, done_pin, failed_pin;
        uid_t run_uid;
        uint64_t last_id;
        int n_failed;
        char *problem;
        GuardedDirectory at; /* the spool and its claims, while they are open: see spool_keep_open() */
        int claims_fd;
        bool is_remote;
        bool is_kept_open;
};

void spool_item_done(SpoolItem *i) {
        free(i->name);
        *i = (SpoolItem){};
}

const char *spool_problem(const Spool *s) {
        return strempty(s->problem);
}

_printf_(3, 4) static int refuse(Spool *s, int error, const char *format, ...) {
        va_list ap;

        free(s->problem);
        va_start(ap, format);
        if (vasprintf(&s->problem, format, ap) < 0)
                s->problem = NULL;
        va_end(ap);
        return error;
}

/* An error of a system call: plain words. */
static int refuse_errno(Spool *s, int error, const char *path) {
        return refuse(s, error, "%s: %s", path, strerror(-error));
}

/* --- directories --- */

/* The owner of the spool can mount in it what never answers. */
static int open_directory(int dir_fd, const char *name) {
        return open_directory_beneath(dir_fd, name, strlen(name), /* cross_mounts= */ false);
}

/* The same for files: -EBUSY, as rename(2) says it of what has something mounted on it. */
static int look_at(const Spool *s, int dir_fd, const char *name, struct stat *ret) {
        struct statx now;
        int r;

        r = stat_entry(dir_fd, name, s->is_remote, &now);
        if (r < 0)
                return r;
        if (now.stx_attributes & STATX_ATTR_MOUNT_ROOT)
                return -EBUSY;
        stat_from_statx(&now, ret);
        return 0;
}

static int open_pinned(Spool *s, const char *path, Pin *pin, GuardedDirectory *ret) {
        _cleanup_(guarded_close) GuardedDirectory d = { .fd = -EBADF };
        _cleanup_free_ char *reason = NULL;
        int r;

        r = guarded_open(path, &d, &reason);
        if (r < 0)
                return refuse(s, r, "%s", strempty(reason));
        if (pin->is_set && (pin->device != d.device || pin->inode != d.inode))
                return refuse(s, -ESTALE, "%s is no longer the same directory", path);
        *pin = (Pin){ .device = d.device, .inode = d.inode, .is_set = true };
        *ret = d;
        d.fd = -EBADF;
        return 0;
}

static void close_all(Spool *s) {
        guarded_close(&s->at);
        s->claims_fd = safe_close(s->claims_fd);
}

void spool_keep_open(Spool *s, bool on) {
        s->is_kept_open = on;
        if (!on)
                close_all(s);
}

/* One step of work in a spool: what is open for it, and as who it is done. */
typedef struct Step {
        Spool *spool;
        GuardedDirectory at; /* the spool's, as is claims */
        int claims;
        Identity owner; /* of the spool, when it is another user's */
        IdentityScope scope;
} Step;

#define STEP_INIT \
        { .at.fd = -EBADF, .claims = -EBADF }

static void step_end(Step *step) {
        identity_restore(&step->scope);
        if (step->spool && !step->spool->is_kept_open)
                close_all(step->spool);
}

static int check_claims(Spool *s, const Step *step, int fd) {
        uid_t wanted = step->at.is_trusted ? geteuid() : step->at.uid;
        _cleanup_free_ char *is = NULL, *should = NULL;
        struct stat st;

        if (fstat(fd, &st) < 0)
                return -errno;
        if (st.st_uid == wanted && !(st.st_mode & 022) && st.st_dev == step->at.device)
                return 0;
        is = user_name(st.st_uid); /* the table of users is read for a message only */
        should = user_name(wanted);
        if (st.st_uid != wanted)
                return refuse(s, -EPERM,
                              "%s/%s belongs to %s but must belong to %s: move it away, and vaktd creates another one",
                              s->path, s->claims, strempty(is), strempty(should));
        if (st.st_mode & 022)
                return refuse(s, -EPERM, "%s/%s is writable by other users than %s: run chmod 0711 on it", s->path,
                              s->claims, strempty(should));
        return refuse(s, -EXDEV, "%s/%s is on another file system than the spool", s->path, s->claims);
}

/* Made anew where it is gone. In a directory of ours that others can write, too, we make it ourselves: in one call, by
 * descriptor, it is ours or it is not made. */
static int open_claims(Spool *s, Step *step) {
        _cleanup_close_ int fd = open_directory(step->at.fd, s->claims);
        bool made = false;
        int r;

        if (fd == -ENOENT) {
                made = mkdirat(step->at.fd, s->claims, 0700) >= 0;
                fd = made || errno == EEXIST ? open_directory(step->at.fd, s->claims) : -errno;
        }
        if (fd == -ENOTDIR || fd == -ELOOP)
                return refuse(s, fd, "%s/%s is not a directory: move it away, and vaktd creates one", s->path,
                              s->claims);
        if (fd == -EROFS)
                return refuse(s, fd, GUARDED_READ_ONLY_TEXT, s->path, s->path);
        if (fd < 0)
                return refuse(s, fd, "%s/%s: %s", s->path, s->claims, strerror(-fd));
        r = check_claims(s, step, fd);
        if (r >= 0 && made && fchmod(fd, OUR_MODE) < 0)
                r = -errno;
        if (r < 0)
                return r;
        s->claims_fd = TAKE_FD(fd);
        return 0;
}

static int enter_owner(Spool *s, Step *step) {
        _cleanup_free_ char *owner = NULL, *runs = NULL;
        int r;

        if (step->at.is_trusted)
                return 0;
        if (s->run_uid == UID_UNKNOWN || s->run_uid != step->at.uid) {
                owner = user_name(step->at.uid);
                runs = s->run_uid == UID_UNKNOWN ? strdup("another user, or with more privileges,")
                                                 : user_name(s->run_uid);
                return refuse(
                        s, -EPERM,
                        "%s belongs to %s, who could redirect runs as %s to other files: set User=%s, or give the "
                        "directory to root and set the sticky bit (chmod 1777)",
                        s->path, strempty(owner), strempty(runs), strempty(owner));
        }
        step->owner = (Identity){ .uid = step->at.uid, .gid = step->at.gid };
        r = identity_enter(&step->scope, &step->owner);
        if (r != -EPERM)
                return r;
        owner = user_name(step->at.uid);
        return refuse(s, r, "%s belongs to %s, and vaktd may not act as that user (CAP_SETUID, CAP_SETGID)", s->path,
                      strempty(owner));
}

static int step_begin(Spool *s, Step *step) {
        FileSystemTraits traits = {};
        int r = 0;

        assert(!step->scope.is_entered && !step->spool); /* each step is begun once, as ourselves */
        s->problem = mfree(s->problem);
        step->spool = s;
        if (s->at.fd < 0) {
                r = open_pinned(s, s->path, &s->pin, &s->at);
                if (r >= 0)
                        r = file_system_traits(s->at.fd, &traits);
                s->is_remote = traits.is_remote;
        }
        step->at = s->at;
        if (r >= 0)
                r = enter_owner(s, step);
        if (r >= 0 && s->claims_fd < 0)
                r = open_claims(s, step);
        step->claims = s->claims_fd;
        return r < 0 ? r : 0;
}

static const char *directory_name(char buf[static DIRECTORY_MAX], uint64_t id, unsigned attempt) {
        assert(attempt > 0 && attempt <= SPOOL_ATTEMPTS_MAX); /* or directory_name_parse() refuses it */
        (void)snprintf(buf, DIRECTORY_MAX, "%016llx.%u", (unsigned long long)id, attempt);
        return buf;
}

static const char *directory_name_of(char buf[static DIRECTORY_MAX], uint64_t id, const char *what) {
        (void)snprintf(buf, DIRECTORY_MAX, "%016llx.%s", (unsigned long long)id, what);
        return buf;
}

/* 1: an item; 0: one of ours that is none; -EINVAL: not ours. */
static int directory_name_parse(const char *name, uint64_t *ret_id, unsigned *ret_attempt) {
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
static int rename_into(const Spool *s, int from_fd, const char *from, int to_fd, const char *to) {
        struct stat st;
        int r;

        if (renameat2(from_fd, from, to_fd, to, RENAME_NOREPLACE) >= 0)
                return 0;
        if (errno != EINVAL)
                return -errno;
        r = look_at(s, to_fd, to, &st);
        if (r != -ENOENT)
                return r < 0 ? r : -EEXIST;
        return renameat(from_fd, from, to_fd, to) < 0 ? -errno : 0;
}

/* Calls visit with each name of a directory. */
static int each_name(int dir_fd, int (*visit)(void *userdata, int dir_fd, const char *name), void *userdata) {
        _cleanup_(closedirp) DIR *dir = fd_list(dir_fd);
        const struct dirent *d;
        int r = 0;

        if (!dir)
                return -errno;
        while (r == 0 && (d = readdir(dir)))
                if (!streq(d->d_name, ".") && !streq(d->d_name, ".."))
                        r = visit(userdata, dirfd(dir), d->d_name);
        return r;
}

/* --- moving, as who may --- */

/* Who takes a file out of a directory, or puts one in: its owner; and where others can write it, too, the owner of the
 * file. True: somebody else than we. */
static bool mover_of(const GuardedDirectory *d, const struct stat *file, Identity *ret) {
        *ret = (Identity){ .uid = d->is_trusted ? file->st_uid : d->uid, .gid = d->gid };
        return ret->uid != 0;
}

static bool may_be_moved_by_others(const GuardedDirectory *d) {
        return geteuid() == 0 && (!d->is_trusted || d->is_shared);
}

/* Lends an item's directory, which is ours, to who moves the item in or out. Without access control lists it is open
 * to all for that moment, and the sticky bit keeps others from the item. What they put beside it is removed
 * afterwards. */
static int lend(int item_fd, const Identity *mover, const struct stat *file) {
        int r = acl_give(item_fd, mover->uid, 07);

        if (r == -EOPNOTSUPP && mover->uid == file->st_uid)
                r = fchmod(item_fd, LENT_MODE) < 0 ? -errno : 0;
        return r;
}

static int take_back(int item_fd) {
        int r = acl_remove(item_fd);

        return fchmod(item_fd, OUR_MODE) < 0 ? -errno : r;
}

/* Moves between an item's directory and the spool, or where it goes to. In a spool of another user's, all is his, and
 * we are him already. 1: the item's directory was lent for that. */
static int move_as(Spool *s, const Step *step, const GuardedDirectory *other, int item_fd, bool out_of_item,
                   const char *from, const char *to) {
        int from_fd = out_of_item ? item_fd : other->fd, to_fd = out_of_item ? other->fd : item_fd, r, q;
        _cleanup_(identity_restore) IdentityScope scope = {};
        struct stat st;
        Identity mover;

        if (step->scope.is_entered || !may_be_moved_by_others(other))
                return rename_into(s, from_fd, from, to_fd, to);
        r = look_at(s, from_fd, from, &st);
        if (r < 0)
                return r;
        if (!mover_of(other, &st, &mover))
                return rename_into(s, from_fd, from, to_fd, to);
        r = lend(item_fd, &mover, &st);
        if (r < 0)
                return r;
        r = identity_enter(&scope, &mover);
        if (r >= 0)
                r = rename_into(s, from_fd, from, to_fd, to);
        identity_restore(&scope);
        q = take_back(item_fd);
        return r < 0 ? r : q < 0 ? q : 1;
}

/* --- claiming --- */

static bool name_is_claimable(const char *name) {
        return !isempty(name) && !strchr(name, '/') && !streq(name, ".") && !streq(name, "..") &&
               !startswith(name, WATCH_PRIVATE_PREFIX);
}

/* Who can put a second name of a file into a spool may be somebody who cannot read it (fs.protected_hardlinks=0). */
static bool may_be_linked(const GuardedDirectory *at, const struct stat *st) {
        return st->st_nlink == 1 || !at->is_trusted || !at->is_shared;
}

static int check_file(const Step *step, int dir_fd, const char *name, usec_t now_realtime) {
        struct stat st;
        int r;

        r = look_at(step->spool, dir_fd, name, &st);
        if (r < 0)
                return r;
        if (!S_ISREG(st.st_mode))
                return -EINVAL;
        if (!may_be_linked(&step->at, &st))
                return usec_sub(now_realtime, (usec_t)st.st_ctim.tv_sec * USEC_PER_SEC) < LINKED_USEC ? -EAGAIN
                                                                                                      : -EMLINK;
        return file_has_writer(dir_fd, name) == 1 ? -EBUSY : 0;
}

/* What came in beside the item while its directory was lent. */
static int remove_other(void *userdata, int dir_fd, const char *name) {
        if (!streq(name, userdata) && unlinkat(dir_fd, name, 0) < 0)
                (void)unlinkat(dir_fd, name, AT_REMOVEDIR);
        return 0;
}

/* Who opened it just before it was renamed is seen only now, and so is what was put in its place just then: that goes
 * back. Should its name be taken again, a file that is only being written stays claimed, and the next opening of the
 * spool finds it; anything else is put aside for good. */
static int claim_check(Spool *s, const Step *step, const char *name, int item_fd, bool was_lent, const char *directory,
                       usec_t now) {
        char rest[DIRECTORY_MAX];
        int r = check_file(step, item_fd, name, now);

        if (r >= 0)
                return was_lent ? each_name(item_fd, remove_other, (char *)name) : 0;
        if (r == -ENOENT || move_as(s, step, &step->at, item_fd, /* out_of_item= */ true, name, name) >= 0)
                return r;
        if (r != -EBUSY)
                (void)rename_into(s, step->claims, directory, step->claims,
                                  directory_name_of(rest, s->last_id, REST_TEXT));
        return r;
}

static int make_item_directory(const Step *step, const char *directory) {
        _cleanup_close_ int fd = -EBADF;

        if (mkdirat(step->claims, directory, OUR_MODE) < 0)
                return -errno;
        fd = open_directory(step->claims, directory);
        if (fd >= 0 && fchmod(fd, OUR_MODE) < 0) /* whatever the umask is */
                return -errno;
        return TAKE_FD(fd);
}

int spool_claim(Spool *s, const char *name, usec_t now_realtime, SpoolItem *ret) {
        uint64_t id = now_realtime > s->last_id ? now_realtime : s->last_id + 1;
        _cleanup_(step_end) Step step = STEP_INIT;
        _cleanup_free_ char *copy = strdup(name);
        _cleanup_close_ int item_fd = -EBADF;
        char directory[DIRECTORY_MAX];
        int r;

        if (!copy)
                return -ENOMEM;
        if (!name_is_claimable(name))
                return -EINVAL;
        r = step_begin(s, &step);
        if (r >= 0)
                r = check_file(&step, step.at.fd, name, now_realtime);
        if (r < 0)
                return r;
        r = item_fd = make_item_directory(&step, directory_name(directory, id, 1));
        if (r < 0)
                return refuse_errno(s, r, s->path);
        s->last_id = id;
        r = move_as(s, &step, &step.at, item_fd, /* out_of_item= */ false, name, name);
        if (r >= 0)
                r = claim_check(s, &step, name, item_fd, /* was_lent= */ r > 0, directory, now_realtime);
        else if (r != -ENOENT)
                (void)refuse(s, r, "%s: a file in it cannot be moved: %s", s->path,
                             strerror(-r)); /* all may read this */
        if (r < 0) {
                (void)unlinkat(step.claims, directory, AT_REMOVEDIR);
                return r;
        }
        *ret = (SpoolItem){ .id = id, .attempt = 1, .name = TAKE_PTR(copy) };
        return 0;
}

char *spool_item_path(const Spool *s, const SpoolItem *i) {
        char directory[DIRECTORY_MAX], *path;

        (void)string_format(&path, "%s/%s/%s/%s", s->path, s->claims, directory_name(directory, i->id, i->attempt),
                            i->name);
        return path;
}

/* The last component of the first n bytes, and what is before it: n is then the length of that. */
static char *take_component(const char *path, size_t *n) {
        size_t end = *n;

        while (*n > 0 && path[*n - 1] != '/')
                (*n)--;
        if (*n == 0)
                return NULL;
        (*n)--;
        return strndup(path + *n + 1, end - *n - 1);
}

int spool_item_from_path(const char *path, const char *job, char **ret_spool, SpoolItem *ret) {
        size_t n = strlen(path);
        _cleanup_free_ char *name = take_component(path, &n), *directory = take_component(path, &n),
                            *claims = take_component(path, &n), *spool = NULL;
        const char *of = claims ? startswith(claims, WATCH_PRIVATE_PREFIX) : NULL;
        SpoolItem item = {};

        if (isempty(name) || !of || !streq(of, job) || directory_name_parse(directory, &item.id, &item.attempt) <= 0)
                return -EINVAL;
        spool = n > 0 ? strndup(path, n) : strdup("/");
        if (!spool)
                return -ENOMEM;
        *ret = item;
        ret->name = TAKE_PTR(name);
        *ret_spool = TAKE_PTR(spool);
        return 0;
}

/* --- leaving --- */

static int open_item(const SpoolItem *i, const Step *step, char directory[static DIRECTORY_MAX]) {
        return open_directory(step->claims, directory_name(directory, i->id, i->attempt));
}

/* A run may have left other files there. They are kept, and do no harm. */
static int remove_item_directory(const Step *step, const SpoolItem *i, const char *directory) {
        char rest[DIRECTORY_MAX];

        if (unlinkat(step->claims, directory, AT_REMOVEDIR) >= 0)
                return 0;
        if (errno != ENOTEMPTY && errno != EEXIST)
                return -errno;
        return rename_into(step->spool, step->claims, directory, step->claims,
                           directory_name_of(rest, i->id, REST_TEXT));
}

typedef struct Target {
        const char *path; /* NULL: it is deleted */
        Pin *pin;
        const char *key;
} Target;

static Target target_done(Spool *s) {
        return (Target){ s->done, &s->done_pin, "SpoolDone" };
}

static Target target_failed(Spool *s) {
        return (Target){ s->failed, &s->failed_pin, "SpoolFailed" };
}

/* A rename will have to get there. */
static int open_target(Spool *s, const Step *step, const Target *t, GuardedDirectory *ret) {
        _cleanup_(guarded_close) GuardedDirectory d = { .fd = -EBADF };
        _cleanup_free_ char *owner = NULL, *reason = NULL;
        int r;

        r = open_pinned(s, t->path, t->pin, &d);
        if (r < 0) {
                reason = TAKE_PTR(s->problem);
                return refuse(s, r, "%s=: %s%s", t->key, strempty(reason),
                              r == -ENOENT ? ": create it on the file system of the spool" : "");
        }
        if (d.device != step->at.device)
                return refuse(s, -EXDEV, "%s=%s is on another file system than the spool", t->key, t->path);
        if (!step->at.is_trusted && d.uid != step->at.uid && !d.is_writable_by_all) {
                owner = user_name(step->at.uid);
                return refuse(s, -EPERM, "%s=%s does not belong to %s like the spool: run chown %s %s", t->key,
                              t->path, strempty(owner), strempty(owner), t->path);
        }
        if (step->at.is_trusted && d.is_below_shared) {
                owner = user_name(d.uid);
                return refuse(
                        s, -EPERM,
                        "%s=%s belongs to %s, who may have created it before you, because other users can create "
                        "directories there: use another one, or create it as root",
                        t->key, t->path, strempty(owner));
        }
        *ret = d;
        d.fd = -EBADF;
        return 0;
}

/* Under its name, or one that is not used otherwise. */
static int move_to(Spool *s, const Step *step, int item_fd, const SpoolItem *i, const Target *target) {
        _cleanup_(guarded_close) GuardedDirectory d = { .fd = -EBADF };
        char name[NAME_MAX + 1];
        size_t keep;
        int r;

        r = open_target(s, step, target, &d);
        if (r < 0)
                return r;
        r = move_as(s, step, &d, item_fd, /* out_of_item= */ true, i->name, i->name);
        if (r != -EEXIST)
                return r;
        keep = strnlen(i->name, NAME_MAX - 1 - ID_DIGITS);
        (void)snprintf(name, sizeof(name), "%.*s~%016llx", (int)keep, i->name, (unsigned long long)i->id);
        return move_as(s, step, &d, item_fd, /* out_of_item= */ true, i->name, name);
}

static int spool_leave(Spool *s, const SpoolItem *i, Target target) {
        _cleanup_(step_end) Step step = STEP_INIT;
        _cleanup_close_ int item_fd = -EBADF;
        char directory[DIRECTORY_MAX];
        bool gone = false;
        struct stat st;
        int r;

        r = step_begin(s, &step);
        if (r < 0)
                return r;
        r = item_fd = open_item(i, &step, directory);
        if (r == -ENOENT)
                return 1;
        if (r < 0)
                return refuse_errno(s, r, s->path);
        r = target.path ? move_to(s, &step, item_fd, i, &target) : unlinkat(item_fd, i->name, 0) < 0 ? -errno : 0;
        if (r == -ENOENT && look_at(s, item_fd, i->name, &st) == -ENOENT) {
                gone = true;
                r = 0;
        }
        if (r >= 0)
                r = remove_item_directory(&step, i, directory);
        return r < 0 ? r : gone;
}

int spool_done(Spool *s, const SpoolItem *i) {
        return spool_leave(s, i, target_done(s));
}

static int spool_rename_item(Spool *s, const SpoolItem *i, const char *to) {
        _cleanup_(step_end) Step step = STEP_INIT;
        char directory[DIRECTORY_MAX];
        int r;

        r = step_begin(s, &step);
        return r < 0 ? r : rename_into(s, step.claims, directory_name(directory, i->id, i->attempt), step.claims, to);
}

int spool_fail(Spool *s, const SpoolItem *i) {
        char directory[DIRECTORY_MAX];
        int r;

        if (s->failed)
                return spool_leave(s, i, target_failed(s));
        r = spool_rename_item(s, i, directory_name_of(directory, i->id, FAILED_TEXT));
        return r == -ENOENT ? 1 : r;
}

int spool_retry(Spool *s, SpoolItem *i) {
        char directory[DIRECTORY_MAX];
        int r;

        if (i->attempt >= SPOOL_ATTEMPTS_MAX)
                return -ERANGE;
        r = spool_rename_item(s, i, directory_name(directory, i->id, i->attempt + 1));
        if (r < 0)
                return r;
        i->attempt++;
        return 0;
}

int spool_release(Spool *s, const SpoolItem *i) {
        _cleanup_(step_end) Step step = STEP_INIT;
        _cleanup_close_ int item_fd = -EBADF;
        char directory[DIRECTORY_MAX];
        int r;

        r = step_begin(s, &step);
        if (r >= 0)
                r = item_fd = open_item(i, &step, directory);
        if (r < 0)
                return r;
        r = move_as(s, &step, &step.at, item_fd, /* out_of_item= */ true, i->name, i->name);
        return r < 0 ? r : remove_item_directory(&step, i, directory);
}

/* --- what is there --- */

typedef struct List {
        SpoolItem *items;
        size_t n_items, n_directories, n_names;
        Spool *spool;
        const Step *step;
        int n_failed;
} List;

static void list_done(List *l) {
        for (size_t i = 0; i < l->n_items; i++)
                spool_item_done(&l->items[i]);
        free(l->items);
}

typedef struct Find {
        List *list;
        char *name;
} Find;

static int take_name(void *userdata, int dir_fd, const char *name) {
        Find *find = userdata;
        struct stat st;

        if (find->list->n_names++ >= NAMES_MAX)
                return -E2BIG;
        /* Of several, the first by name: which one is the item cannot be told any more. */
        if (look_at(find->list->spool, dir_fd, name, &st) < 0 || !S_ISREG(st.st_mode) ||
            !may_be_linked(&find->list->step->at, &st) || (find->name && strcmp(name, find->name) >= 0))
                return 0;
        free(find->name);
        find->name = strdup(name);
        return find->name ? 0 : -ENOMEM;
}

/* A crash may have left it lent. */
static int end_loan(const Step *step, int fd) {
        struct stat st;

        if (step->scope.is_entered || fstat(fd, &st) < 0 || !(st.st_mode & 022))
                return 0;
        return take_back(fd);
}

static int refuse_many(const List *l) {
        return refuse(l->spool, -E2BIG, "%s/%s contains more than %u items: move some of them away", l->spool->path,
                      l->spool->claims, CLAIMS_MAX);
}

static int list_claim(void *userdata, int dir_fd, const char *name) {
        _cleanup_close_ int fd = -EBADF;
        List *l = userdata;
        Find find = { .list = l };
        SpoolItem item = {}, *place;
        char rest[DIRECTORY_MAX];
        int r;

        r = directory_name_parse(name, &item.id, &item.attempt);
        if (r < 0)
                return 0;
        l->spool->last_id = MAX(l->spool->last_id, item.id);
        if (r == 0) {
                l->n_failed += streq(name + ID_DIGITS + 1, FAILED_TEXT);
                return 0;
        }
        if (l->n_directories++ >= CLAIMS_MAX)
                return refuse_many(l);
        fd = open_directory(dir_fd, name);
        if (fd < 0)
                return fd == -ENOENT ? 0 : fd;
        r = end_loan(l->step, fd);
        if (r >= 0)
                r = each_name(fd, take_name, &find);
        item.name = find.name;
        if (r < 0) {
                spool_item_done(&item);
                return r == -E2BIG ? refuse_many(l) : r;
        }
        if (item.name) {
                place = ARRAY_NEXT(l->items, l->n_items);
                if (place)
                        l->items[l->n_items++] = item;
                else
                        spool_item_done(&item);
                return place ? 0 : -ENOMEM;
        }
        /* Made and not filled, or emptied and not removed; or what is in it is no item. */
        if (unlinkat(dir_fd, name, AT_REMOVEDIR) < 0 && (errno == ENOTEMPTY || errno == EEXIST))
                (void)rename_into(l->spool, dir_fd, name, dir_fd, directory_name_of(rest, item.id, REST_TEXT));
        return 0;
}

static int list_claims(Spool *s, List *l) {
        _cleanup_(step_end) Step step = STEP_INIT;
        int r;

        l->spool = s;
        l->step = &step;
        r = step_begin(s, &step);
        if (r >= 0)
                r = each_name(step.claims, list_claim, l);
        l->step = NULL;
        if (r >= 0)
                s->n_failed = l->n_failed;
        return r;
}

static int id_compare(const void *a, const void *b) {
        const SpoolItem *i = a, *k = b;

        return (i->id > k->id) - (i->id < k->id);
}

int spool_recover(Spool *s, int (*visit)(void *userdata, const SpoolItem *i), void *userdata) {
        _cleanup_(list_done) List l = {};
        int r;

        r = list_claims(s, &l);
        if (r < 0)
                return r;
        if (l.n_items > 0)
                qsort(l.items, l.n_items, sizeof(SpoolItem), id_compare);
        for (size_t i = 0; i < l.n_items && r == 0; i++)
                r = visit(userdata, &l.items[i]);
        return r;
}

int spool_count_failed(const Spool *s) {
        return s->n_failed;
}

/* --- life --- */

static int check_target(Spool *s, const Step *step, Target t) {
        _cleanup_(guarded_close) GuardedDirectory d = { .fd = -EBADF };

        return t.path ? open_target(s, step, &t, &d) : 0;
}

static int spool_prepare(Spool *s) {
        _cleanup_(step_end) Step step = STEP_INIT;
        int r;

        r = step_begin(s, &step);
        if (r >= 0)
                r = check_target(s, &step, target_done(s));
        return r < 0 ? r : check_target(s, &step, target_failed(s));
}

static int spool_new(Spool **ret, const SpoolConfig *config) {
        _cleanup_(spool_freep) Spool *s = calloc(1, sizeof(*s));

        if (!s)
                return -ENOMEM;
        s->at.fd = s->claims_fd = -EBADF;
        s->last_id = config->min_id;
        s->run_uid = config->run_uid;
        s->path = strdup(config->path);
        s->done = config->done ? strdup(config->done) : NULL;
        s->failed = config->failed ? strdup(config->failed) : NULL;
        (void)string_format(&s->claims, WATCH_PRIVATE_PREFIX "%s", config->job);
        if (!s->path || !s->claims || !s->done != !config->done || !s->failed != !config->failed)
                return -ENOMEM;
        *ret = TAKE_PTR(s);
        return 0;
}

int spool_open(Spool **ret, const SpoolConfig *config, char **reterr) {
        _cleanup_(spool_freep) Spool *s = NULL;
        _cleanup_(list_done) List unused = {};
        int r;

        r = spool_new(&s, config);
        if (r >= 0)
                r = spool_prepare(s);
        if (r >= 0)
                r = list_claims(s, &unused); /* learns the highest id, too, and how many have failed */
        if (r < 0) {
                if (reterr)
                        *reterr = s && s->problem ? TAKE_PTR(s->problem) : strdup(strerror(-r));
                return r;
        }
        *ret = TAKE_PTR(s);
        return 0;
}

Spool *spool_free(Spool *s) {
        if (!s)
                return NULL;
        close_all(s);
        free(s->path);
        free(s->claims);
        free(s->done);
        free(s->failed);
        free(s->problem);
        return mfree(s);
}
