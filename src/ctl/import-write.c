/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A job that is written is not in use until vaktd reads it. So the order is: write all, turn off the old, reload; what
 * fails on the way leaves the old as it was. A table is replaced as a whole, with its owner and mode, by a file that
 * its program passes over until then, because the name begins with a dot. */

#include "ctl/import-write.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ctl/alloc.h"
#include "ctl/ctl.h"
#include "ctl/unit-import.h"
#include "util/file.h"
#include "util/strv.h"

static int open_directory(const char *path) {
        int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        if (fd < 0 && errno == ENOENT && mkdir(path, 0755) >= 0)
                fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
}

static void remove_job(int directory_fd, const ImportJob *job) {
        _cleanup_free_ char *name = alloc_format("%s.job", job->name);

        (void)unlinkat(directory_fd, name, 0);
}

/* What not everybody may read, as the table of a user, is no more readable as a job. */
static mode_t job_mode(const ImportJob *job) {
        struct stat st;

        return stat(job->file, &st) >= 0 && !(st.st_mode & S_IROTH) ? 0600 : 0644;
}

/* An existing file is never overwritten: it may be a job that was written by hand. */
static int write_job(int directory_fd, const char *directory, const ImportJob *job) {
        _cleanup_free_ char *name = alloc_format("%s.job", job->name);
        int r = file_create(directory_fd, name, job_mode(job), job->text, strlen(job->text));

        if (r == -EEXIST)
                ctl_complain(_("%s/%s exists already and was not changed; nothing was written. Remove it, or write to "
                               "another directory with --output=DIRECTORY."),
                             directory, name);
        else if (r < 0)
                ctl_complain(_("Cannot write %s/%s: %s."), directory, name, strerror(-r));
        return r;
}

int import_write(const Import *i, const char *directory) {
        _cleanup_close_ int fd = open_directory(directory);
        int r = MIN(fd, 0);
        size_t n = 0;

        if (r < 0)
                ctl_complain(_("Cannot open or make the directory %s: %s."), directory, strerror(-r));
        while (n < i->n_jobs && r >= 0) {
                r = write_job(fd, directory, &i->jobs[n]);
                n += r >= 0;
        }
        if (r >= 0)
                return 0;
        while (n > 0)
                remove_job(fd, &i->jobs[--n]);
        return r;
}

/* --- tables --- */

static bool is_made_of(const Import *i, const char *file, unsigned line) {
        for (const ImportJob *job = i->jobs; job < i->jobs + i->n_jobs; job++)
                if (job->line == line && streq(job->file, file))
                        return true;
        for (const ImportLine *dead = i->dead; dead < i->dead + i->n_dead; dead++)
                if (dead->line == line && streq(dead->file, file))
                        return true;
        return false;
}

/* The text with a mark in front of the lines that jobs were made of. */
static char *mark_lines(const Import *i, const char *file, const char *text) {
        char *marked = NULL;
        size_t n;
        FILE *f = alloc_stream_open(&marked, &n);
        unsigned line = 1;

        for (const char *p = text; *p; line++) {
                size_t length = strcspn(p, "\n") + (strchr(p, '\n') ? 1 : 0);

                fprintf(f, "%s%.*s", is_made_of(i, file, line) ? IMPORT_MARK : "", (int)length, p);
                p += length;
        }
        alloc_stream_close(f);
        return marked;
}

static int write_like(int fd, const struct stat *st, const char *text) {
        int r;

        if (fchown(fd, st->st_uid, st->st_gid) < 0 || fchmod(fd, st->st_mode & 07777) < 0)
                return -errno;
        r = fd_write_all(fd, text, strlen(text));
        return r < 0 ? r : fsync(fd) < 0 ? -errno : 0;
}

static int replace_file(int directory_fd, const char *name, const struct stat *st, const char *text) {
        _cleanup_free_ char *other = alloc_format(".%s.vaktd", name);
        _cleanup_close_ int fd = -EBADF;
        int r;

        (void)unlinkat(directory_fd, other, 0); /* of one that was killed */
        fd = openat(directory_fd, other, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd < 0)
                return -errno;
        r = write_like(fd, st, text);
        if (r >= 0 && renameat(directory_fd, other, directory_fd, name) < 0)
                r = -errno;
        if (r >= 0)
                (void)fsync(directory_fd); /* it is off in any case, and its jobs have to stay */
        if (r < 0)
                (void)unlinkat(directory_fd, other, 0);
        return r;
}

static int turn_off_lines(const Import *i, const char *path) {
        const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
        _cleanup_free_ char *directory = alloc_format("%.*s/", slash ? (int)(slash - path) : 1, slash ? path : "."),
                            *text = alloc_array(NULL, IMPORT_FILE_MAX + 1, 1), *marked = NULL;
        _cleanup_close_ int directory_fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC), fd = -EBADF;
        struct stat st;
        ssize_t n;

        if (is_made_of(i, path, 0)) { /* a script, which the job executes */
                ctl_complain(_("%s is run by run-parts(8). Take the line of its directory from /etc/crontab instead."),
                             path);
                return -EOPNOTSUPP;
        }
        if (directory_fd < 0)
                return -errno;
        fd = openat(directory_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        if (fd < 0 || fstat(fd, &st) < 0)
                return -errno;
        n = fd_read_up_to(fd, text, IMPORT_FILE_MAX);
        if (n < 0)
                return (int)n;
        text[n] = '\0';
        if (!S_ISREG(st.st_mode) || (off_t)strlen(text) != st.st_size) /* or its end would be lost */
                return -EBADMSG;
        marked = mark_lines(i, path, text);
        return replace_file(directory_fd, name, &st, marked);
}

/* --- units --- */

static int call_systemctl(const char *verb, const char *unit, bool user) {
        const char *args[] = { "systemctl", "--quiet", "--now", user ? "--user" : "--system", verb, unit, NULL };
        int status;
        pid_t pid;
        int r = posix_spawnp(&pid, args[0], NULL, NULL, (char **)args, environ);

        if (r != 0)
                return -r;
        while (waitpid(pid, &status, 0) < 0)
                if (errno != EINTR)
                        return -errno;
        return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EIO;
}

/* What a package has enabled is so still after that, and comes back at the next boot, unless it is masked. */
static int turn_off_unit(const char *path, bool user) {
        const char *unit = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
        UnitKind kind = unit_import_kind(unit);
        _cleanup_(strv_freep) char **enabled = NULL;
        int r = call_systemctl("disable", unit, user);

        enabled = unit_import_list(kind, user);
        STRV_FOREACH(s, enabled)
                if (r >= 0 && streq(*s, unit))
                        r = call_systemctl("mask", unit, user);
        return r;
}

/* --- all --- */

static void say_undo(ImportSource source, const char *file, bool user) {
        const char *unit = strrchr(file, '/') ? strrchr(file, '/') + 1 : file;

        if (source == IMPORT_SOURCE_LINES)
                fprintf(stderr, "%s: The lines are comments now. To undo: sed -i 's/^" IMPORT_MARK "//' %s\n", file,
                        file);
        else
                fprintf(stderr,
                        "%s is stopped and disabled. To undo: systemctl%s unmask %s && systemctl%s enable --now %s\n",
                        unit, user ? " --user" : "", unit, user ? " --user" : "", unit);
}

static bool contains(char *const *list, const char *text) {
        STRV_FOREACH(s, list)
                if (streq(*s, text))
                        return true;
        return false;
}

int import_turn_off(const Import *i, ImportSource source, const char *directory, bool user, bool quiet) {
        _cleanup_close_ int fd = open_directory(directory);
        _cleanup_(strv_freep) char **done = NULL;
        int r = MIN(fd, 0);

        for (size_t k = 0; k < i->n_jobs && fd >= 0; k++) {
                const char *file = i->jobs[k].file;
                int q;

                if (contains(done, file))
                        continue;
                q = source == IMPORT_SOURCE_LINES ? turn_off_lines(i, file) : turn_off_unit(file, user);
                alloc_extend(&done, file);
                if (q >= 0 && !quiet)
                        say_undo(source, file, user);
                if (q >= 0)
                        continue;
                r = q;
                ctl_complain(_("Cannot turn off %s: %s. Its jobs are not written."), file, strerror(-q));
                for (const ImportJob *job = i->jobs; job < i->jobs + i->n_jobs; job++)
                        if (streq(job->file, file))
                                remove_job(fd, job);
        }
        return r;
}
