/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A list is a file and not a pipe: it is there again for a run that is started again, each command of a run gets it
 * from its beginning, and it goes on without us. It is read by PID 1, or by us, to become standard input; the run
 * itself opens it by name.
 *
 * So it belongs to us with mode 0400, which is all that a run as root or in a user's own instance needs. The user of
 * User= is given it; or, where a daemon in a tight sandbox may not do that, may read it by an access control list. A
 * user that does not exist before the run does (DynamicUser=), or whom only a name service knows, which must not be
 * asked while the loop runs, cannot be named: then who makes that user of the run hands the list over, the service
 * manager as a credential, or vakt-exec. */

#include "exec/files-directory.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "fs/acl.h"
#include "fs/guarded.h"
#include "fs/identity.h"
#include "util/array.h"
#include "util/file.h"
#include "util/log.h"
#include "util/strv.h"

#define NOTE_MAX       (16 << 20) /* bytes that are read of one */
#define DIRECTORY_MODE 0711       /* a run finds its own file there, but cannot see which others are there */

struct FilesDirectory {
        char *path; /* or NULL */
        const char *kind;
        uint64_t *claims; /* in their order, until it was swept */
        size_t n_claims;
        bool swept;
};

FilesDirectory *files_directory_free(FilesDirectory *f) {
        if (!f)
                return NULL;
        free(f->path);
        free(f->claims);
        return mfree(f);
}

int files_directory_new(FilesDirectory **ret, const char *runtime_dir, const char *kind) {
        _cleanup_free_ char *real = NULL;
        _cleanup_(files_directory_freep) FilesDirectory *f = calloc(1, sizeof(FilesDirectory));

        if (!f)
                return -ENOMEM;
        f->kind = kind;
        if (runtime_dir) {
                /* Without links and dots: the service manager takes no other paths. */
                real = realpath(runtime_dir, NULL);
                if (string_format(&f->path, "%s/batches", real ?: runtime_dir) < 0)
                        return -ENOMEM;
        }
        *ret = TAKE_PTR(f);
        return 0;
}

int files_directory_name(const FilesDirectory *f, uint64_t run, char **ret) {
        return f->path ? string_format(ret, "%s/%s-%" PRIu64, f->path, f->kind, run) : -ENOENT;
}

/* --- who may read --- */

/* 1: the run has another user than us, who is *ret; 0: it has not; -ENOENT: it has one who cannot be named now. */
static int reader_of(const JobDef *def, uid_t *ret) {
        const UnitValue *user = job_def_setting(def, "User"), *dynamic = job_def_setting(def, "DynamicUser");
        bool is_named = user && !isempty(user->text);
        _cleanup_(identity_done) Identity who = {};

        if (!is_named && !(dynamic && dynamic->number > 0))
                return 0;
        if (!is_named || identity_of_user(user->text, &who) < 0)
                return -ENOENT;
        *ret = who.uid;
        return who.uid != geteuid();
}

bool paths_reader_is_known(const JobDef *def) {
        uid_t uid;

        return reader_of(def, &uid) >= 0;
}

/* --- claims --- */

static size_t claim_position(const FilesDirectory *f, uint64_t run) {
        return BISECT(f->n_claims, i, f->claims[i] < run);
}

/* The run's file is not to be swept. */
static void note_claim(FilesDirectory *f, uint64_t run) {
        uint64_t *claim;

        if (f->swept)
                return;
        claim = ARRAY_INSERT(f->claims, f->n_claims, claim_position(f, run));
        if (claim)
                *claim = run;
        else
                f->swept = true; /* rather leave some files behind than take one away */
}

/* --- writing --- */

/* Opens the directory, which has to be ours alone: its content is trusted, and the socket's directory
 * may be one that others can write. make: it is made when it is missing. An fd; *reterr, a text for people without the
 * final dot, is the caller's to free. */
static int open_directory(const FilesDirectory *f, bool make, char **reterr) {
        _cleanup_(guarded_close) GuardedDirectory d = { .fd = -EBADF };
        bool made;
        int fd, r;

        if (!f->path)
                return -ENOENT;
        made = make && mkdir(f->path, DIRECTORY_MODE) == 0;
        if (make && !made && errno != EEXIST)
                return -errno;
        r = guarded_open(f->path, &d, reterr);
        if (r < 0)
                return r;
        if (d.uid != geteuid() || d.is_shared) {
                (void)string_format(
                        reterr,
                        "%s must belong to the user that vaktd runs as, and must not be writable by anyone else; "
                        "remove it",
                        f->path);
                return -EPERM;
        }
        fd = openat(d.fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        if (made && fchmod(fd, DIRECTORY_MODE) < 0) { /* whatever our umask is */
                r = -errno;
                close(fd);
                return r;
        }
        return fd;
}

/* What is in the runtime directory is in memory, and other services want some of it. */
static int check_room(int fd, size_t size) {
        struct statvfs st;

        if (fstatvfs(fd, &st) < 0)
                return -errno;
        return size > (uint64_t)st.f_bavail * st.f_frsize / 2 ? -ENOSPC : 0;
}

/* The name of a run's file in the directory. */
typedef struct FileName {
        char text[64];
} FileName;

static FileName file_name(const FilesDirectory *f, uint64_t run) {
        FileName name;

        (void)snprintf(name.text, sizeof(name.text), "%s-%" PRIu64, f->kind, run);
        return name;
}

static int write_file(int directory, const FileName *name, const JobDef *def, const char *paths, size_t size) {
        _cleanup_close_ int fd = -EBADF;
        char temporary[sizeof(name->text) + 1];
        uid_t uid;
        int r;

        (void)snprintf(temporary, sizeof(temporary), ".%s", name->text);
        (void)unlinkat(directory, temporary, 0); /* of a daemon that died right here */
        fd = openat(directory, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0400);
        if (fd < 0)
                return -errno;
        r = check_room(fd, size);
        if (r >= 0)
                r = fd_write_all(fd, paths, size);
        if (r >= 0 && def && reader_of(def, &uid) > 0 && fchown(fd, uid, (gid_t)-1) < 0)
                r = acl_give(fd, uid, 04);
        if (r >= 0 && renameat(directory, temporary, directory, name->text) < 0)
                r = -errno;
        if (r < 0)
                (void)unlinkat(directory, temporary, 0);
        return r;
}

int files_directory_write(FilesDirectory *f, uint64_t run, const JobDef *def, const char *paths, size_t size) {
        _cleanup_free_ char *message = NULL;
        _cleanup_close_ int directory = open_directory(f, /* make= */ true, &message);
        FileName name = file_name(f, run);
        int r;

        if (directory < 0) {
                if (message)
                        log_error("Cannot pass the files of run %" PRIu64 ": %s.", run, message);
                return directory;
        }
        r = write_file(directory, &name, def, paths, size);
        if (r >= 0)
                note_claim(f, run);
        return r;
}

void files_directory_remove(const FilesDirectory *f, uint64_t run) {
        _cleanup_free_ char *message = NULL;
        _cleanup_close_ int directory = open_directory(f, /* make= */ false, &message);
        FileName name = file_name(f, run);

        if (directory >= 0 && unlinkat(directory, name.text, 0) < 0 && errno != ENOENT)
                log_warning_errno(errno, "Cannot remove %s/%s, ignoring: %m", f->path, name.text);
}

/* A list may belong to the user of the run, who can do with it what he likes. */
int files_directory_read(const FilesDirectory *f, uint64_t run, PathsNote *ret) {
        _cleanup_free_ char *message = NULL, *bytes = NULL;
        _cleanup_close_ int directory = open_directory(f, /* make= */ false, &message), fd = -EBADF;
        FileName name = file_name(f, run);
        size_t n = 0;
        ssize_t k = 0;
        struct stat st;

        if (directory < 0)
                return directory;
        fd = openat(directory, name.text, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        if (fd < 0 || fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode) || st.st_size > NOTE_MAX)
                return -EINVAL;
        bytes = malloc((size_t)st.st_size + 1);
        if (!bytes)
                return -ENOMEM;
        while (n < (size_t)st.st_size && (k = read(fd, bytes + n, (size_t)st.st_size - n)) > 0)
                n += (size_t)k;
        if (k < 0)
                return -errno;
        bytes[n] = '\0';
        *ret = (PathsNote){
                .bytes = TAKE_PTR(bytes),
                .size = n,
                .written = timespec_load(&st.st_mtim),
                .is_ours = st.st_uid == geteuid(),
        };
        return 0;
}

/* --- what was left behind --- */

bool files_directory_claim(FilesDirectory *f, uint64_t run) {
        _cleanup_free_ char *message = NULL;
        _cleanup_close_ int directory = open_directory(f, /* make= */ false, &message);
        FileName name = file_name(f, run);

        if (directory < 0 || faccessat(directory, name.text, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
                return false;
        note_claim(f, run);
        return true;
}

/* True for a file of ours that no run has claimed; "." is before one that was not finished. */
static bool is_left(const FilesDirectory *f, const char *name) {
        const char *number = startswith(name + (name[0] == '.'), f->kind);
        uint64_t run;
        size_t at;
        char *end;

        if (!number || number[0] != '-')
                return false;
        run = strtoull(number + 1, &end, 10);
        if (number[1] == '\0' || *end != '\0')
                return false;
        at = claim_position(f, run);
        return name[0] == '.' || at == f->n_claims || f->claims[at] != run;
}

void files_directory_sweep(FilesDirectory *f) {
        _cleanup_free_ char *message = NULL;
        int fd = f->swept ? -EBADF : open_directory(f, /* make= */ false, &message);
        DIR *directory = fd < 0 ? NULL : fdopendir(fd);
        const struct dirent *entry;

        f->swept = true;
        while (directory && (entry = readdir(directory)))
                if (is_left(f, entry->d_name))
                        (void)unlinkat(dirfd(directory), entry->d_name, 0);
        if (directory)
                (void)closedir(directory);
        else
                safe_close(fd);
        f->claims = mfree(f->claims);
        f->n_claims = 0;
}

/* --- standard input --- */

bool paths_are_input(const JobDef *def) {
        for (size_t i = 0; i < def->rare->n_properties; i++)
                if (startswith(def->rare->properties[i].name, "StandardInput"))
                        return false;
        return true;
}
