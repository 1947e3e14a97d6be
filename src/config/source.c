/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a job file says is done with the rights of the daemon, so a file is read only if no one except its
 * trusted owner could have written it. That is checked by fstat() on what was opened, not on the name. Links are
 * followed: who may make one in a trusted directory is trusted too. Directories above the one that is read are not
 * looked at. */

#include "config/source.h"
#include "util/complain.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/sysmacros.h>

#include "util/file.h"
#include "util/hash.h"

#define DROPIN_SUFFIX ".conf"

static int64_t nsec(const struct timespec *ts) {
        return (int64_t)ts->tv_sec * 1000000000 + ts->tv_nsec;
}

static FileStamp stamp_of(const struct stat *st) {
        return (FileStamp){
                .dev = st->st_dev,
                .ino = st->st_ino,
                .size = st->st_size,
                .mtime = nsec(&st->st_mtim),
                .ctime = nsec(&st->st_ctim),
                .mode = st->st_mode,
                .linked = st->st_nlink > 1,
        };
}

static bool file_stamp_equal(const FileStamp *a, const FileStamp *b) {
        return a->ino == b->ino && a->ctime == b->ctime && a->mtime == b->mtime && a->size == b->size &&
               a->dev == b->dev;
}

uint64_t file_stamp_digest(const FileStamp *s) {
        const uint64_t numbers[] = { s->dev, s->ino, (uint64_t)s->size, (uint64_t)s->mtime, (uint64_t)s->ctime };

        return hash_bytes(0, numbers, sizeof(numbers));
}

bool sources_equal(const Sources *a, const Sources *b) {
        if (a->n_items != b->n_items)
                return false;
        for (size_t i = 0; i < a->n_items; i++)
                if (a->items[i].directory != b->items[i].directory || !streq(a->items[i].name, b->items[i].name) ||
                    !file_stamp_equal(&a->items[i].stamp, &b->items[i].stamp))
                        return false;
        return true;
}

void sources_done(Sources *s) {
        for (size_t i = 0; i < s->n_items; i++)
                free(s->items[i].name);
        free(s->items);
        *s = (Sources){};
}

void job_text_done(JobText *t) {
        free(t->path);
        free(t->bytes);
        *t = (JobText){};
}

char *directory_join(const Directory *directory, const char *name) {
        size_t n = strlen(directory->path);
        char *path = malloc(n + 1 + strlen(name) + 1);

        if (path)
                strcpy(stpcpy(stpcpy(path, directory->path), n > 0 && directory->path[n - 1] != '/' ? "/" : ""), name);
        return path;
}

void directory_done(Directory *f) {
        free(f->path);
        f->fd = safe_close(f->fd);
        f->path = NULL;
}

int directory_of_file(const char *path, Directory *ret, const char **ret_name) {
        _cleanup_(directory_done) Directory directory = DIRECTORY_NONE;
        const char *slash = strrchr(path, '/');

        directory.path = slash ? strndup(path, MAX((size_t)(slash - path), (size_t)1)) : strdup("");
        if (!directory.path)
                return -ENOMEM;
        directory.fd = open(slash ? directory.path : ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (directory.fd < 0)
                return -errno;
        *ret = TAKE_GENERIC(directory, DIRECTORY_NONE);
        *ret_name = slash ? slash + 1 : path;
        return 0;
}

/* The name is taken over, also on failure. */
static int sources_append(Sources *s, char *name, unsigned directory) {
        Source *bigger = name ? reallocarray(s->items, s->n_items + 1, sizeof(Source)) : NULL;

        if (!bigger) {
                free(name);
                return -ENOMEM;
        }
        s->items = bigger;
        s->items[s->n_items++] = (Source){ .name = name, .directory = directory };
        return 0;
}

static int check_trust(const struct stat *st, const char *what, uid_t owner, char **reterr) {
        unsigned mode = st->st_mode & 07777;

        if (st->st_uid != 0 && st->st_uid != owner) {
                if (owner == 0)
                        return complain(reterr,
                                        "The %s belongs to user %u (mode %04o) but must belong to root. Check its "
                                        "content, then run \"chown root\" on it.",
                                        what, st->st_uid, mode);
                return complain(reterr,
                                "The %s belongs to user %u (mode %04o) but must belong to root or user %u. Check "
                                "its content, then run \"chown %u\" on it.",
                                what, st->st_uid, mode, owner, owner);
        }
        if ((mode & 0022) != 0)
                return complain(reterr,
                                "The %s (owner %u, mode %04o) is writable by other users than its owner. Check its "
                                "content, then run \"chmod go-w\" on it.",
                                what, st->st_uid, mode);
        return 0;
}

int directory_open(int at_fd, const char *name, uid_t owner, char **reterr) {
        _cleanup_close_ int fd = openat(at_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NONBLOCK);
        struct stat st;
        int r;

        if (fd < 0 && errno == ENOENT)
                return -ENOENT;
        if (fd < 0 && errno == ENOTDIR)
                return complain(reterr, "This is not a directory. Replace it with a directory, or remove it.");
        if (fd < 0 || fstat(fd, &st) < 0)
                return complain(reterr, "Cannot open the directory: %s.", strerror(errno));
        r = check_trust(&st, "directory", owner, reterr);
        return r < 0 ? r : TAKE_FD(fd);
}

static bool is_mask(const struct stat *st) {
        return S_ISREG(st->st_mode) ? st->st_size == 0 : S_ISCHR(st->st_mode) && st->st_rdev == makedev(1, 3);
}

int source_stat(const Directory *directory, const char *name, FileStamp *ret, char **reterr) {
        struct stat st;

        if (fstatat(directory->fd, name, &st, 0) < 0) {
                if (errno != ENOENT)
                        return complain(reterr, "Cannot access the file: %s.", strerror(errno));
                if (fstatat(directory->fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                        return -ENOENT;
                return complain(reterr, "This is a link to a file that does not exist. Fix or remove the link; one "
                                        "to /dev/null masks.");
        }
        *ret = stamp_of(&st);
        return is_mask(&st) ? SOURCE_MASK : SOURCE_FILE;
}

static int check_regular(mode_t mode, char **reterr) {
        if (S_ISREG(mode))
                return 0;
        return complain(reterr, "This is a %s and must be a regular file. Remove it or give it another name.",
                        S_ISDIR(mode)    ? "directory"
                        : S_ISFIFO(mode) ? "FIFO"
                        : S_ISSOCK(mode) ? "socket"
                                         : "device");
}

/* Opens a file that may be read, and tells what it is. The name is looked at first, unless somebody just did, because
 * the opening of a device can have effects. */
static int open_trusted(const Directory *directory, const char *name, uid_t owner, mode_t mode, struct stat *ret,
                        char **reterr) {
        _cleanup_close_ int fd = -EBADF;
        int r;

        if (mode == 0 && fstatat(directory->fd, name, ret, 0) < 0)
                return complain(reterr, "Cannot access the file: %s.", strerror(errno));
        r = check_regular(mode != 0 ? mode : ret->st_mode, reterr);
        if (r < 0)
                return r;
        fd = openat(directory->fd, name, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        if (fd < 0 || fstat(fd, ret) < 0)
                return complain(reterr, "Cannot open the file: %s.", strerror(errno));
        r = check_regular(ret->st_mode, reterr);
        if (r >= 0)
                r = check_trust(ret, "file", owner, reterr);
        if (r >= 0 && ret->st_size > SOURCE_SIZE_MAX)
                r = complain(reterr, "The file is larger than %d bytes. Shorten it.", SOURCE_SIZE_MAX);
        return r < 0 ? r : TAKE_FD(fd);
}

int source_read(const Directory *directory, const char *name, uid_t owner, JobText *ret, FileStamp *stamp,
                char **reterr) {
        _cleanup_(job_text_done) JobText text = {};
        _cleanup_close_ int fd = -EBADF;
        struct stat before, after;
        FileStamp now, later;
        ssize_t n;

        fd = open_trusted(directory, name, owner, stamp->mode, &before, reterr);
        if (fd < 0)
                return fd;
        text.path = directory_join(directory, name);
        text.bytes = malloc((size_t)before.st_size + 1);
        if (!text.path || !text.bytes)
                return -ENOMEM;
        n = fd_read_up_to(fd, text.bytes, (size_t)before.st_size); /* were there more, the stamp would tell */
        if (n < 0)
                return complain(reterr, "Cannot read the file: %s.", strerror((int)-n));
        if (fstat(fd, &after) < 0)
                return complain(reterr, "Cannot access the file: %s.", strerror(errno));
        now = stamp_of(&before);
        later = stamp_of(&after);
        if (n != before.st_size || !file_stamp_equal(&now, &later))
                return complain(reterr, "The file changed while it was read. Reload when it is complete.");
        text.n = (size_t)n;
        *ret = TAKE_GENERIC(text, (JobText){});
        *stamp = now;
        return 0;
}

static bool is_dropin(const char *name) {
        size_t n = strlen(name), n_suffix = strlen(DROPIN_SUFFIX);

        return name[0] != '.' && n > n_suffix && streq(name + n - n_suffix, DROPIN_SUFFIX);
}

/* Adds all that is called *.conf in the directory NAME of directories[index]. */
static int list_dropins(Sources *s, const Directory *directories, unsigned index, const char *name, uid_t owner,
                        char **reterr) {
        _cleanup_(closedirp) DIR *dir = NULL;
        int fd, r = 0;

        fd = directory_open(directories[index].fd, name, owner, reterr);
        if (fd < 0)
                return fd == -ENOENT ? 0 : fd;
        dir = fdopendir(fd);
        if (!dir) {
                (void)safe_close(fd);
                return -ENOMEM;
        }
        for (struct dirent *e; r >= 0 && (errno = 0, e = readdir(dir));) {
                char *relative = NULL;

                if (!is_dropin(e->d_name))
                        continue;
                if (s->n_items >= SOURCE_DROPINS_MAX)
                        return complain(reterr, "There are more than %d drop-ins. Combine them.", SOURCE_DROPINS_MAX);
                if (asprintf(&relative, "%s/%s", name, e->d_name) < 0)
                        return -ENOMEM;
                r = sources_append(s, relative, index);
        }
        if (r >= 0 && errno != 0)
                return complain(reterr, "Cannot read the directory: %s.", strerror(errno));
        return r;
}

static int compare_sources(const void *a, const void *b) {
        const Source *x = a, *y = b;
        int r = strcmp(x->name, y->name);

        return r != 0 ? r : (x->directory > y->directory) - (x->directory < y->directory);
}

/* Writes a problem of a file in a directory down. Takes the message over; r is what came with it. Returns 1 or
 * -ENOMEM. */
static int note_problem(Diagnostics *d, const Directory *directory, const char *name, int r, char *message) {
        _cleanup_free_ char *path = NULL, *text = message;

        if (r != -EINVAL)
                return r;
        path = directory_join(directory, name);
        if (!path)
                return -ENOMEM;
        r = diagnostics_add(d, path, 0, "%s", text);
        return r < 0 ? r : 1;
}

/* Moves those that count from found, which is sorted, to the end of s. Returns the number of problems. */
static int keep_effective(Sources *s, Sources *found, const Directory *directories, Diagnostics *d) {
        const char *settled = NULL;
        int problems = 0;

        for (size_t i = 0; i < found->n_items; i++) {
                Source *item = &found->items[i];
                char *message = NULL;
                int r;

                if (settled && streq(settled, item->name))
                        continue;
                r = source_stat(&directories[item->directory], item->name, &item->stamp, &message);
                if (r == -ENOENT)
                        continue;
                settled = item->name;
                if (r == SOURCE_MASK)
                        continue;
                if (r == SOURCE_FILE) {
                        char *name = strdup(item->name);

                        r = sources_append(s, name, item->directory);
                        if (r >= 0)
                                s->items[s->n_items - 1].stamp = item->stamp;
                } else
                        r = note_problem(d, &directories[item->directory], item->name, r, message);
                if (r < 0)
                        return r;
                problems += r;
        }
        return problems;
}

int sources_add_dropins(Sources *s, const Directory *directories, const unsigned *which, size_t n_which,
                        const char *name, uid_t owner, Diagnostics *d) {
        _cleanup_(sources_done) Sources found = {};
        int problems = 0, r;

        for (size_t i = 0; i < n_which; i++) {
                char *message = NULL;

                r = list_dropins(&found, directories, which[i], name, owner, &message);
                if (r < 0)
                        r = note_problem(d, &directories[which[i]], name, r, message);
                if (r < 0)
                        return r;
                problems += r;
        }
        if (found.n_items > 1)
                qsort(found.items, found.n_items, sizeof(Source), compare_sources);
        r = keep_effective(s, &found, directories, d);
        return r < 0 ? r : problems + r;
}
