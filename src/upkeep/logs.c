/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A directory is listed once, however many patterns lead to it. A name in it is that of a log if a pattern matches it,
 * and it is neither one of our own files nor a copy of such a log: so a pattern like "*" does not rotate what it has
 * made. A log whose file is gone is found by its copies. */

#include "upkeep/logs.h"

#include <fcntl.h>

#include "util/array.h"
#include "util/file.h"
#include "util/strv.h"

/* Of a directory. */
#define ENTRIES_MAX         4000000
#define ENTRIES_OF_USER_MAX 1000000

/* --- logs and copies --- */

static void log_done(Log *l) {
        free(l->name);
        free(l->taken_by);
        free(l->reason);
        strv_free(l->zips);
        while (l->n_copies > 0)
                logfile_remove_copy(l, l->n_copies - 1);
        free(l->copies);
}

int logfile_add_copy(Log *l, const char *name, const CopyName *parts, const struct stat *st) {
        size_t i = BISECT(l->n_copies, k, copy_name_compare(&l->copies[k].parts, parts) < 0);
        char *copy = strdup(name);
        Copy *c = copy ? ARRAY_INSERT(l->copies, l->n_copies, i) : NULL;

        if (!c) {
                free(copy);
                return -ENOMEM;
        }
        *c = (Copy){ .name = copy, .parts = *parts, .st = *st };
        return 0;
}

void logfile_remove_copy(Log *l, size_t i) {
        free(l->copies[i].name);
        ARRAY_REMOVE(l->copies, l->n_copies, i);
}

static Log *find_log(LogDirectory *d, const char *name) {
        size_t i = BISECT(d->n_logs, k, strcmp(d->logs[k].name, name) < 0);
        char *copy;
        Log *log;

        if (i < d->n_logs && streq(d->logs[i].name, name))
                return &d->logs[i];
        copy = strdup(name);
        log = copy ? ARRAY_INSERT(d->logs, d->n_logs, i) : NULL;
        if (!log) {
                free(copy);
                return NULL;
        }
        *log = (Log){ .directory = d, .name = copy };
        for (size_t k = 0; k < d->n_patterns; k++)
                log->is_expected = log->is_expected || streq_ptr(pattern_literal(d->patterns[k]), name);
        d->owner->n_logs++;
        return log;
}

static bool is_log(const Logs *l, const LogDirectory *d, const char *name) {
        _cleanup_free_ char *path = NULL;
        char other[NAME_MAX + 1];
        bool matches = false;
        Leftover leftover;
        CopyName copy;

        for (size_t i = 0; !matches && i < d->n_patterns; i++)
                matches = pattern_matches(d->patterns[i], name);
        if (!matches || leftover_parse(name, other, &leftover) ||
            (copy_name_parse(l->def, name, other, &copy) && is_log(l, d, other)))
                return false;
        return string_format(&path, "%s/%s", d->place->path, name) >= 0 &&
               path_filter_matches(l->exclude, path + 1, strlen(path + 1), /* is_directory= */ false);
}

/* --- one directory --- */

static void log_directory_clear(LogDirectory *d) {
        for (size_t i = 0; i < d->n_logs; i++) {
                d->owner->n_copies -= d->logs[i].n_copies;
                log_done(&d->logs[i]);
        }
        d->owner->n_logs -= d->n_logs;
        d->logs = mfree(d->logs);
        d->n_logs = 0;
}

int logfile_look(Log *l) {
        int dir = l->directory->place->directory.fd;
        struct statx s;

        l->exists = statx(dir, l->name, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, STATX_BTIME, &s) >= 0 &&
                    fstatat(dir, l->name, &l->st, AT_SYMLINK_NOFOLLOW) >= 0;
        if (!l->exists)
                return errno == ENOENT ? 0 : -errno;
        l->is_mount = s.stx_attributes & STATX_ATTR_MOUNT_ROOT;
        l->born = s.stx_mask & STATX_BTIME
                          ? (usec_t)s.stx_btime.tv_sec * USEC_PER_SEC + s.stx_btime.tv_nsec / NSEC_PER_USEC
                          : 0;
        return 0;
}

/* A directory is never meant. */
static int add_log(Logs *l, LogDirectory *d, const char *name) {
        struct stat st;
        Log *log;

        if (fstatat(d->place->directory.fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || S_ISDIR(st.st_mode))
                return 0;
        log = find_log(d, name);
        return log ? logfile_look(log) : -ENOMEM;
}

static bool is_log_that_exists(const Logs *l, const LogDirectory *d, const char *name) {
        return is_log(l, d, name) && faccessat(d->place->directory.fd, name, F_OK, AT_SYMLINK_NOFOLLOW) >= 0;
}

/* The log that a copy is of. When the job file named copies otherwise, it is the longest one that the name begins
 * with: good enough for what is only to be removed. */
static bool log_of_copy(const Logs *l, const LogDirectory *d, const char *copy, char ret[static NAME_MAX + 1]) {
        const char *extension = strempty(l->def->extension);
        CopyName parts;

        if (copy_name_parse(l->def, copy, ret, &parts) && is_log(l, d, ret))
                return true;
        for (size_t n = strlen(copy); --n > 0;) {
                memcpy(ret, copy, n);
                ret[n] = '\0';
                if (is_log_that_exists(l, d, ret))
                        return true;
                if (isempty(extension) || n + strlen(extension) > NAME_MAX)
                        continue;
                (void)strcpy(ret + n, extension);
                if (is_log_that_exists(l, d, ret))
                        return true;
        }
        return false;
}

static int add_leftover(Logs *l, LogDirectory *d, const char *file, const char *name, Leftover which,
                        const Workplace *in) {
        char of[NAME_MAX + 1];
        struct stat st;
        Log *log;

        if (which == LEFTOVER_ZIP && !log_of_copy(l, d, name, of))
                return 0;
        if (which == LEFTOVER_ZIP)
                name = of;
        if (!is_log(l, d, name))
                return 0;
        log = find_log(d, name);
        if (!log)
                return -ENOMEM;
        log->leftover |= 1U << which;
        if (fstatat(in->directory.fd, file, &st, AT_SYMLINK_NOFOLLOW) < 0 || st.st_uid != d->place->directory.uid)
                log->has_foreign_leftover = true;
        return which == LEFTOVER_ZIP ? strv_extend(&log->zips, file) : 0;
}

static int add_copy(Logs *l, LogDirectory *d, const char *file) {
        char name[NAME_MAX + 1];
        struct stat st;
        CopyName copy;
        Log *log;
        int r;

        if (!copy_name_parse(l->def, file, name, &copy) || !is_log(l, d, name))
                return 0;
        if (fstatat(d->old->directory.fd, file, &st, AT_SYMLINK_NOFOLLOW) < 0 || S_ISDIR(st.st_mode))
                return 0;
        log = find_log(d, name);
        if (!log)
                return -ENOMEM;
        r = logfile_add_copy(log, file, &copy, &st);
        d->owner->n_copies += r >= 0;
        return r;
}

static bool has_too_many(const LogDirectory *d) {
        bool is_other = d->place->acts_as_owner;

        return d->owner->n_logs > (is_other ? LOGS_OF_USER_MAX : LOGS_MAX) ||
               d->owner->n_copies > (is_other ? COPIES_OF_USER_MAX : COPIES_MAX);
}

static int add_entry(Logs *l, LogDirectory *d, const char *file, bool is_old) {
        char name[NAME_MAX + 1];
        Leftover which;
        int r;

        if (has_too_many(d))
                return -E2BIG;
        if (leftover_parse(file, name, &which)) {
                /* What belongs to copies may be beside the log as well, from the time before OldDir=. */
                if (is_old && d->old != d->place && (which == LEFTOVER_NEW || which == LEFTOVER_TELL))
                        return 0;
                return add_leftover(l, d, file, name, which, is_old ? d->old : d->place);
        }
        if (is_old) {
                r = add_copy(l, d, file);
                if (r < 0 || d->old != d->place)
                        return r;
        }
        return is_log(l, d, file) ? add_log(l, d, file) : 0;
}

/* In the order of names, so that most are added at the end. */
static int scan_place(Logs *l, LogDirectory *d, Workplace *place, bool is_old) {
        _cleanup_(identity_restore) IdentityScope scope = {};
        _cleanup_(closedirp) DIR *dir = workplace_list(place);
        size_t n = 0, max = place->acts_as_owner ? ENTRIES_OF_USER_MAX : ENTRIES_MAX;
        const struct dirent *e;
        char **names = NULL;
        int r = dir ? workplace_enter(place, &scope) : -errno;

        while (r >= 0 && (e = readdir(dir))) {
                char **name = n < max ? ARRAY_NEXT(names, n) : NULL;

                if (name)
                        *name = strdup(e->d_name);
                if (!name || !*name)
                        r = n < max ? -ENOMEM : -E2BIG;
                else
                        n++;
        }
        strings_sort(names, n);
        for (size_t i = 0; i < n; i++) {
                if (r >= 0)
                        r = add_entry(l, d, names[i], is_old);
                free(names[i]);
        }
        free(names);
        return r;
}

/* Who names a log, or its directory instead of it, asks why nothing happens. */
static int report_misnamed(Logs *l, LogDirectory *d) {
        _cleanup_(identity_restore) IdentityScope scope = {};
        int r = workplace_enter(d->place, &scope);

        for (char **path = l->def->paths; r >= 0 && *path; path++) {
                const char *name = strrchr(*path, '/') + 1;
                size_t n = (size_t)(name - 1 - *path);
                struct stat st;

                if (glob_is_pattern(*path) || strlen(d->place->path) != n || memcmp(*path, d->place->path, n) != 0)
                        continue;
                if (fstatat(d->place->directory.fd, name, &st, AT_SYMLINK_NOFOLLOW) >= 0) {
                        if (S_ISDIR(st.st_mode))
                                l->refused(l->userdata, *path, -EISDIR,
                                           "It is a directory. Write a pattern for the logs in it, such as *.log");
                } else if (errno == ENOENT) {
                        size_t i = BISECT(d->n_logs, k, strcmp(d->logs[k].name, name) < 0);

                        if (i == d->n_logs || !streq(d->logs[i].name, name)) /* else it has copies, and is judged */
                                l->refused(l->userdata, *path, -ENOENT, "it does not exist");
                }
        }
        return r;
}

/* The log has another name in the place, whatever that is. */
static bool has_other_name(const Log *l, Workplace *place) {
        _cleanup_(closedirp) DIR *dir = workplace_list(place);
        const struct dirent *e;
        struct stat st;

        while (dir && (e = readdir(dir)))
                if (e->d_ino == l->st.st_ino && (place != l->directory->place || !streq(e->d_name, l->name)) &&
                    fstatat(place->directory.fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) >= 0 &&
                    st.st_ino == l->st.st_ino && st.st_dev == l->st.st_dev)
                        return true;
        return false;
}

static void find_half_rotated(LogDirectory *d) {
        for (size_t i = 0; i < d->n_logs; i++) {
                Log *l = &d->logs[i];

                if (l->leftover & 1U << LEFTOVER_NEW && l->exists && l->st.st_nlink == 2)
                        l->is_half_rotated =
                                has_other_name(l, d->place) || (d->old != d->place && has_other_name(l, d->old));
        }
}

int log_directory_scan(Logs *l, LogDirectory *d) {
        int r;

        log_directory_clear(d);
        r = scan_place(l, d, d->old, /* is_old= */ true);
        if (r >= 0 && d->old != d->place)
                r = scan_place(l, d, d->place, /* is_old= */ false);
        if (r >= 0)
                r = report_misnamed(l, d);
        if (r >= 0)
                find_half_rotated(d);
        if (r == -ENOMEM || r >= 0)
                return r;
        if (r == -E2BIG)
                log_directory_clear(d);
        l->refused(l->userdata, d->place->path, r,
                   r == -E2BIG
                           ? "It has more logs, copies or other entries than one user's directories may have in a run"
                           : strerror(-r));
        return 0;
}

/* --- finding directories --- */

/* A user who can write to OldDir= decides what becomes of the copies: it has to be as safe as the directory of the
 * log.
 */
static int open_old(const RotateDef *def, const Workplace *place, Workplace **ret, char **reterr) {
        _cleanup_(workplace_unrefp) Workplace *old = NULL;
        _cleanup_free_ char *path = NULL;
        int r;

        if (def->old_dir[0] == '/')
                r = workplace_open(&old, def->old_dir, reterr);
        else if (!strchr(def->old_dir, '/') && !streq(def->old_dir, ".."))
                r = workplace_open_entry(&old, place, def->old_dir, reterr);
        else {
                r = string_format(&path, "%s/%s", place->path, def->old_dir);
                if (r >= 0)
                        r = workplace_open(&old, path, reterr);
        }
        if (r < 0)
                return r;
        if (old->directory.device != place->directory.device)
                r = string_format(reterr, "OldDir=%s is on another file system", def->old_dir);
        else if (old->acts_as_owner != place->acts_as_owner ||
                 (place->acts_as_owner && old->directory.uid != place->directory.uid))
                r = string_format(reterr, "OldDir=%s belongs to somebody else than the directory of the log",
                                  def->old_dir);
        else
                *ret = TAKE_PTR(old);
        return old && r >= 0 ? -EPERM : r;
}

static LogsOwner *owner_of(Logs *l, const Workplace *place) {
        uid_t uid = place->acts_as_owner ? place->directory.uid : 0;
        LogsOwner *o = l->owners;

        while (o && o->uid != uid)
                o = o->next;
        if (!o && (o = calloc(1, sizeof(*o)))) {
                *o = (LogsOwner){ .uid = uid, .next = l->owners };
                l->owners = o;
        }
        return o;
}

static int log_directory_init(Logs *l, LogDirectory *d, Workplace *place) {
        LogsOwner *owner = owner_of(l, place);
        int r = 0;

        if (!owner)
                return -ENOMEM;
        *d = (LogDirectory){
                .owner = owner, .place = workplace_ref(place), .old = workplace_ref(place), .lock_fd = -EBADF
        };
        if (l->def->old_dir) {
                Workplace *old = NULL;

                r = open_old(l->def, place, &old, &d->problem);
                if (r >= 0) {
                        workplace_unref(d->old);
                        d->old = old;
                } else if (!d->problem && r != -ENOMEM)
                        d->problem = strdup(strerror(-r));
        }
        return r == -ENOMEM || (r < 0 && !d->problem) ? -ENOMEM : 0;
}

static int log_directory_compare(const LogDirectory *d, const GuardedDirectory *g) {
        if (d->place->directory.device != g->device)
                return d->place->directory.device < g->device ? -1 : 1;
        return d->place->directory.inode == g->inode ? 0 : d->place->directory.inode < g->inode ? -1 : 1;
}

static int on_place(void *userdata, Workplace *place, const Pattern *p) {
        Logs *l = userdata;
        size_t i = BISECT(l->n_directories, k, log_directory_compare(&l->directories[k], &place->directory) < 0);
        const Pattern **slot;
        LogDirectory *d;
        int r;

        if (i == l->n_directories || log_directory_compare(&l->directories[i], &place->directory) != 0) {
                LogDirectory new;

                r = log_directory_init(l, &new, place);
                if (r < 0)
                        return r;
                d = ARRAY_INSERT(l->directories, l->n_directories, i);
                if (!d)
                        return -ENOMEM;
                *d = new;
        }
        d = &l->directories[i];
        slot = ARRAY_NEXT(d->patterns, d->n_patterns);
        if (!slot)
                return -ENOMEM;
        *slot = p;
        d->n_patterns++;
        return 0;
}

static void on_refused(void *userdata, const char *path, int error, const char *reason) {
        Logs *l = userdata;

        l->refused(l->userdata, path, error, reason);
}

int logs_find(Logs *l) {
        PatternVisitor visitor = { .visit = on_place, .refused = on_refused, .userdata = l };
        int r = path_filter_new(&l->exclude, NULL, l->def->exclude, NULL);

        visitor.filter = l->exclude;
        STRV_FOREACH(path, l->def->paths) {
                Pattern **p = r < 0 ? NULL : ARRAY_NEXT(l->patterns, l->n_patterns);

                if (!p)
                        return r < 0 ? r : -ENOMEM;
                r = pattern_new(p, *path);
                if (r < 0)
                        return r;
                l->n_patterns++;
                r = pattern_walk(*p, &visitor);
        }
        return r;
}

void logs_done(Logs *l) {
        for (size_t i = 0; i < l->n_directories; i++) {
                LogDirectory *d = &l->directories[i];

                log_directory_clear(d);
                safe_close(d->lock_fd);
                workplace_unref(d->place);
                workplace_unref(d->old);
                free(d->patterns);
                free(d->problem);
        }
        free(l->directories);
        for (LogsOwner *o = l->owners, *next; o; o = next) {
                next = o->next;
                free(o);
        }
        for (size_t i = 0; i < l->n_patterns; i++)
                pattern_free(l->patterns[i]);
        free(l->patterns);
        path_filter_free(l->exclude);
}
