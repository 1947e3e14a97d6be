/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* One step after the other, each of which can be the last one: see transaction.h. Errors before the log itself is
 * touched are taken back; later ones are left to the next run, which has to know how anyway. */

#include "upkeep/transaction.h"

#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdarg.h>
#include <sys/xattr.h>

#include "fs/beneath.h"
#include "upkeep/compress.h"
#include "upkeep/record.h"
#include "util/file.h"
#include "util/strv.h"

#define NAMES_MAX  65536 /* bytes of the names of extended attributes, which is the kernel's maximum */
#define COPY_CHUNK ((size_t)256 * 1024)
#define TAIL_LOOKS 4 /* how often what was written meanwhile is copied and synced, before the log is cut */

static int fail(char **reterr, int error, const char *format, ...) _printf_(3, 4);
static int fail(char **reterr, int error, const char *format, ...) {
        _cleanup_free_ char *what = NULL;
        va_list ap;
        int n;

        va_start(ap, format);
        n = vasprintf(&what, format, ap);
        va_end(ap);
        if (n < 0)
                what = NULL;
        if (n < 0 || asprintf(reterr, "%s: %s", what, strerror(-error)) < 0)
                *reterr = NULL;
        return error;
}

static int dir_of(const Log *l) {
        return l->directory->place->directory.fd;
}

static int old_of(const Log *l) {
        return l->directory->old->directory.fd;
}

/* The directory of a leftover, and its name. */
static int leftover_at(const Log *l, Leftover which, char name[static NAME_MAX + 1]) {
        assert(which != LEFTOVER_ZIP);
        (void)leftover_name(l->name, which, name); /* the length was checked by logfile_judge() */
        return which == LEFTOVER_NEW || which == LEFTOVER_TELL ? dir_of(l) : old_of(l);
}

int rename_new(int from_fd, const char *from, int to_fd, const char *to) {
        struct stat st;

        if (renameat2(from_fd, from, to_fd, to, RENAME_NOREPLACE) >= 0)
                return 0;
        if (errno != EINVAL && errno != ENOSYS)
                return -errno;
        if (fstatat(to_fd, to, &st, AT_SYMLINK_NOFOLLOW) >= 0)
                return -EEXIST;
        return renameat(from_fd, from, to_fd, to) < 0 ? -errno : 0;
}

/* --- attributes --- */

/* What belongs to the bytes of a file (signatures, capabilities) or is the file system's own business stays. */
static bool is_kept(const char *name) {
        return startswith(name, "user.") || streq(name, "system.posix_acl_access") ||
               streq(name, "security.selinux") || startswith(name, "security.SMACK64");
}

static int copy_attribute(int from, int to, const char *name) {
        _cleanup_free_ char *value = NULL;
        ssize_t n = fgetxattr(from, name, NULL, 0);

        if (n < 0)
                return 0; /* it has gone */
        value = malloc((size_t)n + 1);
        if (!value)
                return -ENOMEM;
        n = fgetxattr(from, name, value, (size_t)n);
        if (n >= 0 && fsetxattr(to, name, value, (size_t)n, 0) < 0 && errno != EPERM && errno != EACCES &&
            errno != EOPNOTSUPP)
                return -errno;
        return 0;
}

int copy_attributes(int from, const struct stat *st, int to) {
        _cleanup_free_ char *names = NULL;
        struct stat now;
        ssize_t n;
        int r = 0;

        if (fstat(to, &now) < 0 ||
            ((now.st_uid != st->st_uid || now.st_gid != st->st_gid) && fchown(to, st->st_uid, st->st_gid) < 0))
                return -errno;
        n = flistxattr(from, NULL, 0);
        if (n > 0) {
                names = malloc(NAMES_MAX);
                if (!names)
                        return -ENOMEM;
                n = flistxattr(from, names, NAMES_MAX);
        }
        for (const char *name = names; r >= 0 && n > 0 && name < names + n; name += strlen(name) + 1)
                if (is_kept(name))
                        r = copy_attribute(from, to, name);
        if (r < 0)
                return r;
        return fchmod(to, st->st_mode & 0777) < 0 ? -errno : 0;
}

/* As Create= asks, which leaves out what is to be as before. By the name services: this is no daemon. */
static int apply_create(const RotateDef *def, struct stat *st, char **reterr) {
        uid_t id;

        if (def->create_mode != (mode_t)-1)
                st->st_mode = def->create_mode;
        if (def->create_user && !identity_parse_id(def->create_user, &st->st_uid)) {
                const struct passwd *pw = getpwnam(def->create_user);

                if (!pw)
                        return fail(reterr, -ESRCH, "Create= names the user %s, who is not there", def->create_user);
                st->st_uid = pw->pw_uid;
        }
        if (def->create_group && identity_parse_id(def->create_group, &id))
                st->st_gid = id;
        else if (def->create_group) {
                const struct group *gr = getgrnam(def->create_group);

                if (!gr)
                        return fail(reterr, -ESRCH, "Create= names the group %s, which is not there",
                                    def->create_group);
                st->st_gid = gr->gr_gid;
        }
        return 0;
}

/* An empty file like the log, which nobody can open before it is ready. Returns it open for writing. */
static int create_like(const Log *l, int fd, const struct stat *st, Leftover which, char **reterr) {
        _cleanup_close_ int new = -EBADF;
        char name[NAME_MAX + 1];
        int dir = leftover_at(l, which, name), r;

        new = openat(dir, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (new < 0)
                return fail(reterr, -errno, "A new file could not be created");
        r = copy_attributes(fd, st, new);
        if (r < 0) {
                (void)unlinkat(dir, name, 0);
                return fail(reterr, r, "A new file could not get the owner, mode and attributes of the log");
        }
        return TAKE_FD(new);
}

/* One that is there is not opened: it may be a FIFO, or a file with a lease, and would be waited for. */
static int create_note(const Log *l, char **reterr) {
        char name[NAME_MAX + 1];
        int dir = leftover_at(l, LEFTOVER_TELL, name);
        int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

        if (fd < 0 && errno == EEXIST)
                return 0;
        if (fd < 0)
                return fail(reterr, -errno, "The note that the writer has to be told could not be created");
        (void)close(fd);
        return 0;
}

static int remove_leftover(const Log *l, Leftover which) {
        char name[NAME_MAX + 1];
        int dir = leftover_at(l, which, name);

        return unlinkat(dir, name, 0) < 0 && errno != ENOENT ? -errno : 0;
}

int logfile_told(Log *l) {
        l->must_tell = false;
        l->leftover &= ~(1U << LEFTOVER_TELL);
        return remove_leftover(l, LEFTOVER_TELL);
}

static bool has_to_tell(const RotateDef *def) {
        return def->reload_unit || def->signal > 0 || def->post_rotate;
}

/* --- names of copies --- */

/* The numbers are 1, 2, 3 … up to a gap; a number can be there twice, plain and compressed. */
static size_t count_without_gap(const Log *l) {
        uint64_t last = 0;
        size_t i = 0;

        while (i < l->n_copies &&
               (l->copies[i].parts.number == last + 1 || (i > 0 && l->copies[i].parts.number == last)))
                last = l->copies[i++].parts.number;
        return i;
}

/* Makes room for the newest copy. Of Suffix=date, nothing moves. */
static int shift(const RotateDef *def, Log *l, char **reterr) {
        if (def->suffix != ROTATE_SUFFIX_NUMBER)
                return 0;
        for (size_t i = count_without_gap(l); i-- > 0;) {
                Copy *c = &l->copies[i];
                CopyName parts = c->parts;
                char name[NAME_MAX + 1];
                char *copy;
                int r;

                parts.number++;
                r = copy_name_format(def, l->name, &parts, name);
                if (r >= 0)
                        r = rename_new(old_of(l), c->name, old_of(l), name);
                if (r < 0)
                        return fail(reterr, r, "%s could not be renamed to %s", c->name, name);
                copy = strdup(name);
                if (!copy)
                        return -ENOMEM;
                free(c->name);
                c->name = copy;
                c->parts = parts;
        }
        return 0;
}

/* The name of the newest copy, to which shift() has made room. After the date of an older copy, even when a clock was
 * set back. */
static int first_name(const RotateDef *def, const Log *l, usec_t realtime, CopyName *ret,
                      char name[static NAME_MAX + 1]) {
        CopyName c = { .compressed = "", .number = def->suffix == ROTATE_SUFFIX_NUMBER };

        copy_name_set_date(def, realtime, &c);
        if (def->suffix == ROTATE_SUFFIX_DATE && l->n_copies > 0 && copy_name_compare(&c, &l->copies[0].parts) >= 0) {
                c = l->copies[0].parts;
                c.number++;
                c.compressed = "";
        }
        *ret = c;
        return copy_name_format(def, l->name, &c, name);
}

static int add_newest(Log *l, const char *name, const CopyName *parts) {
        struct stat st;

        if (fstatat(old_of(l), name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return -errno;
        return logfile_add_copy(l, name, parts, &st);
}

/* Gives a file of ours its name as the newest copy. */
static int name_copy(const RotateDef *def, Log *l, int from_fd, const char *from, usec_t realtime, char **reterr) {
        char name[NAME_MAX + 1];
        CopyName parts;
        int r;

        r = shift(def, l, reterr);
        if (r < 0)
                return r;
        r = first_name(def, l, realtime, &parts, name);
        if (r >= 0)
                r = rename_new(from_fd, from, old_of(l), name);
        return r < 0 ? fail(reterr, r, "The log could not be renamed to %s", name) : add_newest(l, name, &parts);
}

/* --- the log --- */

/* A file system without locks has no locked file. */
static int lock(int fd, usec_t *lock_wait) {
        usec_t no_wait = 0;
        int r = lock_wait_for(fd, lock_wait ?: &no_wait);

        if (r == -EWOULDBLOCK && !lock_wait)
                return 0;
        return r == -EBADF || r == -EOPNOTSUPP || r == -ENOLCK ? 0 : r;
}

int logfile_open(const RotateDef *def, const Log *l, usec_t *lock_wait) {
        int access = def->mode == ROTATE_COPYTRUNCATE ? O_RDWR : O_RDONLY, r;
        _cleanup_close_ int fd = openat(dir_of(l), l->name, access | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        struct stat st;

        if (fd < 0 || fstat(fd, &st) < 0)
                return -errno;
        if (st.st_ino != l->st.st_ino || st.st_dev != l->st.st_dev || !S_ISREG(st.st_mode) || st.st_nlink != 1)
                return -ESTALE;
        r = lock(fd, lock_wait);
        return r < 0 ? r : TAKE_FD(fd);
}

/* --- Mode=rename --- */

static bool has_no_links(int error) {
        return error == -EPERM || error == -EOPNOTSUPP || error == -ENOSYS || error == -EMLINK || error == -EINVAL;
}

/* Where a file can have one name only. */
static int swap_without_links(const RotateDef *def, Log *l, const char *new, usec_t realtime, char **reterr) {
        int r;

        if (renameat2(dir_of(l), new, dir_of(l), l->name, RENAME_EXCHANGE) >= 0)
                return name_copy(def, l, dir_of(l), new, realtime, reterr);
        if (errno != EINVAL && errno != ENOSYS)
                return fail(reterr, -errno, "The log could not be exchanged with a new one");
        r = name_copy(def, l, dir_of(l), l->name, realtime, reterr);
        if (r >= 0 && renameat(dir_of(l), new, dir_of(l), l->name) < 0)
                r = fail(reterr, -errno, "The new log could not get its name");
        return r;
}

/* There is no moment at which the log has no file. */
static int swap(const RotateDef *def, Log *l, usec_t realtime, char **reterr) {
        char new[NAME_MAX + 1], name[NAME_MAX + 1];
        CopyName parts;
        int r;

        (void)leftover_at(l, LEFTOVER_NEW, new);
        r = first_name(def, l, realtime, &parts, name);
        if (r >= 0 && linkat(dir_of(l), l->name, old_of(l), name, 0) < 0)
                r = -errno;
        if (has_no_links(r))
                return swap_without_links(def, l, new, realtime, reterr);
        if (r < 0)
                return fail(reterr, r, "The log could not be linked to %s", name);
        if (renameat(dir_of(l), new, dir_of(l), l->name) < 0) {
                r = fail(reterr, -errno, "The new log could not get its name");
                (void)unlinkat(old_of(l), name, 0);
                return r;
        }
        return add_newest(l, name, &parts);
}

static int rotate_by_rename(const RotateDef *def, Log *l, int fd, usec_t realtime, char **reterr) {
        _cleanup_close_ int new = -EBADF;
        struct stat st;
        int r;

        if (!def->create)
                return name_copy(def, l, dir_of(l), l->name, realtime, reterr);
        if (fstat(fd, &st) < 0)
                return -errno;
        r = apply_create(def, &st, reterr);
        if (r < 0)
                return r;
        new = create_like(l, fd, &st, LEFTOVER_NEW, reterr);
        if (new < 0)
                return new;
        r = shift(def, l, reterr);
        if (r >= 0)
                r = swap(def, l, realtime, reterr);
        return r;
}

/* --- Mode=copytruncate --- */

static int copy_hole(int from, int to, off_t *at) {
        struct stat st;

        if (fstat(from, &st) < 0 || (st.st_size > *at && ftruncate(to, st.st_size) < 0))
                return -errno;
        *at = MAX(*at, st.st_size);
        return 0;
}

/* Copies what is behind *at, and moves that on. Holes stay holes. */
static int copy_from(int from, int to, off_t *at, char *buffer) {
        for (;;) {
                off_t data = lseek(from, *at, SEEK_DATA);
                ssize_t n;

                if (data < 0 && errno == ENXIO) /* there is no more, or it is all a hole */
                        return copy_hole(from, to, at);
                if (data > *at)
                        *at = data;
                n = pread(from, buffer, COPY_CHUNK, *at);
                if (n < 0 && errno != EINTR)
                        return -errno;
                for (ssize_t done = 0; done < n;) {
                        ssize_t k = pwrite(to, buffer + done, (size_t)(n - done), *at + done);

                        if (k < 0 && errno != EINTR)
                                return -errno;
                        done += MAX(k, (ssize_t)0);
                }
                if (n == 0)
                        return 0;
                *at += MAX(n, (ssize_t)0);
        }
}

/* Cuts the first n bytes off, so that what was written behind them stays. Only whole blocks can be cut, and only by
 * some file systems. */
static bool collapse(int fd, off_t n) {
        return fallocate(fd, FALLOC_FL_COLLAPSE_RANGE, 0, n) >= 0;
}

/* The last lines are copied as often as it takes to come close to the writer; what it writes between the last look and
 * the cut, some microseconds, is lost. A file system cannot do better. */
static int copy_rest_and_cut(int fd, int copy, off_t at, char *buffer) {
        int r = 0;

        for (unsigned i = 0; r >= 0 && i < TAIL_LOOKS; i++) {
                off_t before = at;

                r = copy_from(fd, copy, &at, buffer);
                if (r >= 0 && at > before && fdatasync(copy) < 0)
                        r = -errno;
        }
        if (r >= 0)
                r = copy_from(fd, copy, &at, buffer);
        if (r >= 0 && ftruncate(fd, 0) < 0)
                r = -errno;
        return r;
}

static int cut_into(const RotateDef *def, Log *l, int fd, int copy, const struct stat *st, usec_t realtime,
                    char **reterr) {
        _cleanup_free_ char *buffer = malloc(COPY_CHUNK);
        char from[NAME_MAX + 1], cut[NAME_MAX + 1];
        int old = leftover_at(l, LEFTOVER_COPY, from), r;
        off_t at = 0, whole;

        if (!buffer)
                return -ENOMEM;
        (void)leftover_at(l, LEFTOVER_CUT, cut);
        r = copy_from(fd, copy, &at, buffer);
        whole = at > 0 && st->st_blksize > 0 ? (at - 1) / st->st_blksize * st->st_blksize : 0;
        if (r >= 0 && (ftruncate(copy, whole > 0 ? whole : at) < 0 || fsync(copy) < 0))
                r = -errno;
        if (r < 0)
                return fail(reterr, r, "The log could not be copied");
        if (renameat(old, from, old, cut) < 0)
                return fail(reterr, -errno, "The copy could not be renamed");
        r = workplace_sync(l->directory->old, copy);
        if (r >= 0 && (whole == 0 || !collapse(fd, whole)))
                r = copy_rest_and_cut(fd, copy, whole > 0 ? whole : at, buffer);
        if (r < 0) {
                (void)unlinkat(old, cut, 0); /* the log is whole */
                return fail(reterr, r, "The log could not be emptied");
        }
        (void)futimens(copy, (const struct timespec[]){ st->st_atim, st->st_mtim });
        (void)fdatasync(copy);
        (void)fdatasync(fd); /* or the log could be whole beside the copy, after a power failure */
        return name_copy(def, l, old, cut, realtime, reterr);
}

static int rotate_by_copy(const RotateDef *def, Log *l, int fd, usec_t realtime, char **reterr) {
        _cleanup_close_ int copy = -EBADF;
        struct stat st;

        if (fstat(fd, &st) < 0)
                return -errno;
        copy = create_like(l, fd, &st, LEFTOVER_COPY, reterr);
        return copy < 0 ? copy : cut_into(def, l, fd, copy, &st, realtime, reterr);
}

/* If the log is still what it was, nothing has happened; else the next run goes on from there. */
static void take_back(Log *l) {
        struct stat st;

        if (fstatat(dir_of(l), l->name, &st, AT_SYMLINK_NOFOLLOW) < 0 || st.st_ino != l->st.st_ino)
                return;
        (void)remove_leftover(l, LEFTOVER_NEW);
        (void)remove_leftover(l, LEFTOVER_COPY);
        if (!(l->leftover & 1U << LEFTOVER_TELL))
                (void)remove_leftover(l, LEFTOVER_TELL);
}

int logfile_rotate(const RotateDef *def, Log *l, int fd, usec_t realtime, char **reterr) {
        int r = has_to_tell(def) ? create_note(l, reterr) : 0;

        if (r >= 0)
                r = def->mode == ROTATE_RENAME ? rotate_by_rename(def, l, fd, realtime, reterr)
                                               : rotate_by_copy(def, l, fd, realtime, reterr);
        if (r < 0) {
                take_back(l);
                return r;
        }
        l->is_rotated = true;
        l->must_tell = l->must_tell || has_to_tell(def);
        return 0;
}

/* --- after an interruption --- */

static int open_regular(int dir, const char *name, struct stat *ret) {
        _cleanup_close_ int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

        if (fd < 0 || fstat(fd, ret) < 0)
                return -errno;
        return S_ISREG(ret->st_mode) ? TAKE_FD(fd) : -EINVAL;
}

/* The copy that is the log itself: it was linked, and not yet replaced. n_copies: none. */
static size_t find_linked(const Log *l) {
        size_t i = 0;

        while (i < l->n_copies &&
               (!l->exists || l->copies[i].st.st_ino != l->st.st_ino || l->copies[i].st.st_dev != l->st.st_dev))
                i++;
        return i;
}

static int unlink_linked(Log *l, size_t i) {
        if (l->st.st_nlink != 2)
                return 0;
        if (unlinkat(old_of(l), l->copies[i].name, 0) < 0)
                return -errno;
        logfile_remove_copy(l, i);
        return logfile_look(l);
}

static int recover_new(const RotateDef *def, Log *l, usec_t realtime, char **reterr) {
        char name[NAME_MAX + 1];
        int dir = leftover_at(l, LEFTOVER_NEW, name);
        size_t linked = find_linked(l);
        struct stat st;
        int r;

        if (!(l->leftover & 1U << LEFTOVER_NEW))
                return linked < l->n_copies ? unlink_linked(l, linked) : 0;
        if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return errno == ENOENT ? 0 : -errno;
        l->is_finished = true;
        if (linked < l->n_copies || (l->is_half_rotated && l->exists && l->st.st_nlink == 2))
                r = renameat(dir, name, dir, l->name) < 0 ? -errno : 0;
        else if (S_ISREG(st.st_mode) && (st.st_size > 0 || file_has_writer(dir, name) == 1))
                r = name_copy(def, l, dir, name, realtime, reterr);
        else if (!l->exists && S_ISREG(st.st_mode))
                r = rename_new(dir, name, dir, l->name);
        else {
                r = unlinkat(dir, name, 0) < 0 ? -errno : 0;
                l->is_finished = false;
        }
        return r < 0 ? r : logfile_look(l);
}

/* A hole in both has no end in sight and nothing to compare. */
static bool skip_hole(int fd, int with) {
        off_t at = lseek(with, 0, SEEK_CUR), data = lseek(with, at, SEEK_DATA), other = lseek(fd, at, SEEK_DATA);
        off_t size = lseek(with, 0, SEEK_END), other_size = lseek(fd, 0, SEEK_END);

        data = data < 0 ? size : data;
        other = other < 0 ? other_size : other;
        data = MIN(data, other);
        at = MAX(at, data);
        return lseek(with, at, SEEK_SET) >= 0 && lseek(fd, at, SEEK_SET) >= 0;
}

static bool begins_with(int fd, int with) {
        _cleanup_free_ char *a = malloc(COPY_CHUNK), *b = malloc(COPY_CHUNK);
        ssize_t n = a && b ? (ssize_t)COPY_CHUNK : -1;

        while (n == (ssize_t)COPY_CHUNK && skip_hole(fd, with)) {
                n = fd_read_up_to(with, a, COPY_CHUNK);
                if (n > 0 && (fd_read_up_to(fd, b, (size_t)n) != n || memcmp(a, b, (size_t)n) != 0))
                        return false;
        }
        return n >= 0;
}

/* A log that begins with the copy was not cut: nobody has begun it a second time with the very same bytes. */
static int recover_cut(const RotateDef *def, Log *l, int dir, usec_t realtime, char **reterr) {
        _cleanup_close_ int cut = -EBADF, log = -EBADF;
        char name[NAME_MAX + 1];
        struct stat st;

        (void)leftover_name(l->name, LEFTOVER_CUT, name);
        cut = open_regular(dir, name, &st);
        if (cut < 0)
                return cut == -ENOENT ? 0 : cut;
        log = open_regular(dir_of(l), l->name, &l->st);
        if (log < 0 && log != -ENOENT)
                return log;
        if (st.st_size == 0 || (log >= 0 && begins_with(log, cut)))
                return unlinkat(dir, name, 0) < 0 ? -errno : 0;
        l->is_finished = true;
        return name_copy(def, l, dir, name, realtime, reterr);
}

/* A plain copy and a compressed one of the same number or date. */
static int recover_twins(Log *l, size_t i) {
        size_t plain = isempty(l->copies[i].parts.compressed) ? i : i + 1, packed = plain == i ? i + 1 : i;
        _cleanup_close_ int a = -EBADF, b = -EBADF;
        struct stat st;
        int r;

        if (copy_name_compare(&l->copies[i].parts, &l->copies[i + 1].parts) != 0 ||
            !isempty(l->copies[plain].parts.compressed) || isempty(l->copies[packed].parts.compressed))
                return 0;
        a = open_regular(old_of(l), l->copies[packed].name, &st);
        b = open_regular(old_of(l), l->copies[plain].name, &st);
        if (a < 0 || b < 0 || !compressed_file_equals(a, l->copies[packed].parts.compressed, b))
                return 0; /* each may be all there is of something */
        r = workplace_sync(l->directory->old, a);
        if (r < 0)
                return r;
        if (unlinkat(old_of(l), l->copies[plain].name, 0) < 0)
                return -errno;
        logfile_remove_copy(l, plain);
        return 1;
}

/* Copies that were not finished: they are in the directory of copies, or, from the time before OldDir=, beside the
 * log.
 */
static int recover_in(const RotateDef *def, Log *l, int dir, usec_t realtime, char **reterr) {
        char name[NAME_MAX + 1];

        STRV_FOREACH(zip, l->zips)
                if (unlinkat(dir, *zip, 0) < 0 && errno != ENOENT)
                        return -errno;
        (void)leftover_name(l->name, LEFTOVER_COPY, name);
        if (l->leftover & 1U << LEFTOVER_COPY && unlinkat(dir, name, 0) < 0 && errno != ENOENT)
                return -errno;
        return l->leftover & 1U << LEFTOVER_CUT ? recover_cut(def, l, dir, realtime, reterr) : 0;
}

int logfile_recover(const RotateDef *def, Log *l, usec_t realtime, char **reterr) {
        bool is_clean = !(l->leftover & ~(1U << LEFTOVER_TELL)) && find_linked(l) == l->n_copies;
        int r, twins = 0;

        l->must_tell = l->leftover & 1U << LEFTOVER_TELL;
        r = recover_new(def, l, realtime, reterr);
        if (r >= 0)
                r = recover_in(def, l, old_of(l), realtime, reterr);
        if (r >= 0 && l->directory->old != l->directory->place)
                r = recover_in(def, l, dir_of(l), realtime, reterr);
        for (size_t i = 0; r >= 0 && i + 1 < l->n_copies; i++) {
                r = recover_twins(l, i);
                twins += r > 0;
        }
        l->must_tell = l->must_tell || (l->is_finished && has_to_tell(def));
        if (r < 0 && !*reterr)
                return fail(reterr, r, "What an interrupted rotation has left could not be put in order");
        return r < 0 ? r : !is_clean || twins > 0;
}
