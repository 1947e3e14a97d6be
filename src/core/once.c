/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Jobs that run once are job files like all others, with one time of the wall clock, in a directory of their own in
 * the state directory. That makes them survive whatever the daemon survives: a job is accepted when its file is on
 * disk, the time that passed since then counts as missed, and it is made up for. It is over when its time has come,
 * what came of that is written, and no run or retry is left; then the file goes, and everything but the history.
 *
 * A file that is written again and again would be a way to fill the disk, so their number has a limit. */

#include "core/once.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>

#include "config/job-entry.h"
#include "core/manager-body.h"
#include "core/outbox.h"
#include "core/reload.h"
#include "core/triggers.h"
#include "time/timestamp.h"
#include "util/file.h"
#include "util/log.h"
#include "util/places.h"
#include "util/strv.h"

#define FORGET_MAX 256 /* jobs a turn */

struct Once {
        int directory; /* fd; negative: it could not be opened */
        char **job_dirs;
        sd_event_source *look_source; /* jobs are to be looked at */
};

/* --- files --- */

static int open_directory(const ManagerOptions *o, char **ret_path) {
        _cleanup_free_ char *path = NULL;
        int fd;

        if (asprintf(&path, "%s/" PLACES_ONCE, o->state_dir) < 0)
                return -ENOMEM;
        if (mkdir(path, 0700) < 0 && errno != EEXIST)
                log_warning_errno(errno, "Cannot create %s: %m; no job that runs once can be created", path);
        fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        *ret_path = TAKE_PTR(path);
        return fd;
}

/* Removes what a daemon that was killed had not finished. */
static void remove_remains(int fd) {
        _cleanup_(closedirp) DIR *dir = fd < 0 ? NULL : fd_list(fd);

        for (const struct dirent *e; dir && (e = readdir(dir));)
                if (e->d_name[0] == '.' && !streq(e->d_name, ".") && !streq(e->d_name, ".."))
                        (void)unlinkat(fd, e->d_name, 0);
}

/* Until sync_removals() it may be there again after a power failure. */
static int unlink_file(const Once *o, const char *job) {
        char file[JOB_FILE_NAME_MAX];

        (void)snprintf(file, sizeof(file), "%s" JOB_SUFFIX, job);
        return unlinkat(o->directory, file, 0) < 0 && errno != ENOENT ? -errno : 0;
}

static int sync_removals(const Once *o) {
        return fsync(o->directory) < 0 ? -errno : 0;
}

static int remove_file(const Once *o, const char *job) {
        int r = unlink_file(o, job);

        return r < 0 ? r : sync_removals(o);
}

/* The time of the file is that of the request, however long the disk takes: what passes from then on counts. */
static int write_file(const Once *o, const char *job, const char *text, usec_t now) {
        const struct timespec created = { .tv_sec = (time_t)(now / USEC_PER_SEC),
                                          .tv_nsec = (long)(now % USEC_PER_SEC * NSEC_PER_USEC) };
        char file[JOB_FILE_NAME_MAX];
        int r;

        (void)snprintf(file, sizeof(file), "%s" JOB_SUFFIX, job);
        r = file_create(o->directory, file, 0600, text, strlen(text));
        if (r >= 0 && utimensat(o->directory, file, (const struct timespec[]){ created, created }, 0) < 0) {
                r = -errno;
                (void)remove_file(o, job);
        }
        return r;
}

/* --- the end --- */

static bool is_once(const Job *job) {
        return job->def && job->def->rare->once_since > 0;
}

/* The file is gone before the job is, and what came of it is written before both: who is killed in between has done
 * it all, and who is killed before does it again. */
static void forget_job(Manager *m, Job *job) {
        job_loader_remove(m->loader, job->name);
        (void)ledger_forget_job(m->ledger, job->name);
        job->gone = true;
        TELL_TRIGGERS(m, remove_job, job);
        reload_drop_job_if_over(m, job);
}

/* One that is paused keeps its time, and one that could not be planned has it still. */
static bool job_is_over(const Job *job) {
        return is_once(job) && job->timers && !job->paused && job->next == USEC_INFINITY &&
               TAILQ_EMPTY(&job->live->runs);
}

static size_t list_over(const Manager *m, Job *ret[static FORGET_MAX]) {
        size_t n = 0;

        for (size_t i = 0; i < job_table_size(m->jobs) && n < FORGET_MAX; i++)
                if (job_is_over(job_table_at(m->jobs, i)))
                        ret[n++] = job_table_at(m->jobs, i);
        return n;
}

/* Those whose files are gone come first; returns how many they are. */
static size_t unlink_files(const Once *o, Job **jobs, size_t n) {
        size_t n_removed = 0;

        for (size_t i = 0; i < n; i++) {
                LogContext c = { .job = jobs[i]->name };
                int r = unlink_file(o, jobs[i]->name);

                if (r < 0)
                        log_message(LOG_WARNING, &c,
                                    "Cannot remove the job, which has run once: %s; trying again at the next reload.",
                                    strerror(-r));
                else
                        jobs[n_removed++] = jobs[i];
        }
        return n_removed;
}

/* Many may be over in one second, and the disk is waited for once for all of them. */
static int on_look(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        Job *over[FORGET_MAX];
        Manager *m = userdata;
        size_t n_over, n;
        int r = 0;

        (void)sd_event_source_set_enabled(s, SD_EVENT_OFF);
        if (m->is_unread || !m->is_surveyed || m->stopping)
                return 0; /* it is not known yet what goes on, or what was interrupted */
        if (list_over(m, over) == 0)
                return 0;
        if (runs_commit(m) < 0)
                return 0;            /* the ledger says why, and they are looked at when it can be written */
        n_over = list_over(m, over); /* one may have been requested meanwhile */
        n = unlink_files(m->once, over, n_over);
        if (n > 0)
                r = sync_removals(m->once);
        if (r < 0) {
                log_warning_errno(r, "Cannot remove jobs that have run once: %m; trying again at the next reload");
                return 0;
        }
        for (size_t i = 0; i < n; i++)
                forget_job(m, over[i]);
        if (n > 0)
                NOTIFY_OBSERVERS(m, summary_changed);
        if (n > 0 && n_over == FORGET_MAX)
                (void)sd_event_source_set_enabled(s, SD_EVENT_ON);
        return 0;
}

static void look(Manager *m, const Job *job) {
        if (is_once(job))
                (void)sd_event_source_set_enabled(m->once->look_source, SD_EVENT_ON);
}

void once_look_at_all(Manager *m) {
        for (size_t i = 0; i < job_table_size(m->jobs); i++)
                look(m, job_table_at(m->jobs, i));
}

void once_plan_anew(Manager *m) {
        for (size_t i = 0; i < job_table_size(m->jobs); i++) {
                Job *job = job_table_at(m->jobs, i);

                if (!is_once(job) || job->gone)
                        continue;
                TELL_TRIGGERS(m, remove_job, job);
                (void)triggers_set_job(m, job);
        }
        once_look_at_all(m);
}

/* Of refused runs, too. */
static void on_run_finished(void *userdata, const RunRecord *r) {
        Manager *m = userdata;
        const Job *job = job_table_get(m->jobs, r->job);

        if (job)
                look(m, job);
}

/* --- set-up --- */

int once_init(Manager *m) {
        _cleanup_free_ char *path = NULL;
        Once *o = m->once = calloc(1, sizeof(Once));
        int r = 0;

        if (!o)
                return -ENOMEM;
        o->directory = open_directory(&m->options, &path);
        if (!path)
                return -ENOMEM;
        remove_remains(o->directory);
        STRV_FOREACH(dir, m->options.job_dirs)
                r = r < 0 ? r : strv_extend(&o->job_dirs, *dir);
        if (r >= 0)
                r = strv_consume(&o->job_dirs, TAKE_PTR(path));
        if (r >= 0)
                r = event_add_turn(m->event, &o->look_source, "once", on_look, m);
        if (r >= 0)
                m->observers[m->n_observers++] = (ManagerObserver){ .run_finished = on_run_finished, .userdata = m };
        return r;
}

void once_done(Manager *m) {
        if (!m->once)
                return;
        m->once->look_source = sd_event_source_disable_unref(m->once->look_source);
        (void)safe_close(m->once->directory);
        strv_free(m->once->job_dirs);
        m->once = mfree(m->once);
}

char *const *once_job_dirs(const Manager *m) {
        return m->once->job_dirs;
}

/* --- for clients --- */

/* Whether drop-ins are there that would be read with a job of that name: of an earlier one, say. */
static bool has_dropins(const Manager *m, const char *name) {
        char path[PATH_MAX];

        STRV_FOREACH(dir, m->once->job_dirs)
                if (snprintf(path, sizeof(path), "%s/%s" JOB_DROPINS_SUFFIX, *dir, name) < (int)sizeof(path) &&
                    faccessat(AT_FDCWD, path, F_OK, AT_SYMLINK_NOFOLLOW) >= 0)
                        return true;
        return false;
}

/* "once-20261201-020000", for a job whose creator has no name for it. */
static void find_name(Manager *m, usec_t at, char name[static JOB_NAME_MAX + 1]) {
        time_t seconds = (time_t)(at / USEC_PER_SEC);
        struct tm tm;
        size_t n;

        (void)gmtime_r(&seconds, &tm);
        n = strftime(name, JOB_NAME_MAX + 1, "once-%Y%m%d-%H%M%S", &tm);
        for (unsigned i = 2; job_table_get(m->jobs, name) || has_dropins(m, name); i++)
                (void)snprintf(name + n, JOB_NAME_MAX + 1 - n, ".%u", i);
}

static unsigned count_jobs(const Manager *m) {
        unsigned n = 0;

        for (size_t i = 0; i < job_table_size(m->jobs); i++)
                n += is_once(job_table_at(m->jobs, i));
        return n;
}

/* The time stands first, so that the lines of the problems are those of the caller's text and this number more. */
#define LINES_OF_TIME 3

/* What runs once has no other reason to run, neither one that takes the place of the time (an empty OnCalendar= resets
 * that). */
static int check_text(Manager *m, const char *name, const char *text, const char *when, char **reterr) {
        _cleanup_(diagnostics_done) Diagnostics d = {};
        _cleanup_(job_def_unrefp) JobDef *def = NULL;
        int r = job_loader_try(m->loader, name, text, &d, &def);

        if (r == -EINVAL && d.items[0].line > LINES_OF_TIME)
                r = string_format(reterr, "Line %u: %s", d.items[0].line - LINES_OF_TIME, d.items[0].message) ?: r;
        else if (r == -EINVAL)
                r = string_format(reterr, "%s", d.items[0].message) ?: r;
        if (r < 0)
                return r;
        if (def->n_triggers != 1 || !streq(def->triggers[0].expression, when) || def->rare->path_trigger ||
            def->rare->monitor.when || !def->enabled || def->rare->timer.catch_up != CATCH_UP_ONCE ||
            def->rare->timer.catch_up_within != USEC_INFINITY || def->rare->rotate || def->rare->timer.n_except > 0)
                r = string_format(reterr, "A job that runs once has no other triggers, no settings of section "
                                          "[Timer], no section [Rotate], and is enabled.")
                            ?: -EINVAL;
        return r;
}

int manager_add_once(Manager *m, const char *name, usec_t at, const char *text, char **reterr, const Job **ret) {
        char found[JOB_NAME_MAX + 1], when[TIMESTAMP_TEXT_MAX];
        _cleanup_free_ char *whole = NULL;
        usec_t now = turn_now(m->event).realtime;
        int r;

        if (m->stopping)
                return -ESHUTDOWN;
        if ((at > 0 && at <= now) || at > TIMESTAMP_MAX - USEC_PER_SEC)
                return -ERANGE;
        at = (MAX(at, now + USEC_PER_SEC) + USEC_PER_SEC - 1) / USEC_PER_SEC * USEC_PER_SEC;
        if (count_jobs(m) >= ONCE_JOBS_MAX || job_table_size(m->jobs) >= LOADER_JOBS_MAX)
                return -ENOBUFS;
        if (isempty(name)) {
                find_name(m, at, found);
                name = found;
        }
        if (!job_name_is_valid(name) || strchr(name, '@'))
                return -ENOENT;
        if (job_table_get(m->jobs, name))
                return -EEXIST;
        if (has_dropins(m, name))
                return -ENOTEMPTY;
        (void)timestamp_format(when, at, /* zone= */ NULL, TIMESTAMP_PRETTY);
        r = string_format(&whole, "[Timer]\nOnCalendar=%s\nCatchUp=once\n%s", when, text);
        if (r >= 0)
                r = check_text(m, name, whole, when, reterr);
        if (r < 0)
                return r;
        r = write_file(m->once, name, whole, now);
        if (r < 0)
                return r == -EEXIST ? r : -EIO;
        r = reload_add_once(m, name, ret);
        if (r < 0) /* the caller is told that there is no such job */
                (void)remove_file(m->once, name);
        return r;
}

int manager_remove_once(Manager *m, const char *name) {
        const RunRequest request = { .cause = RUN_CAUSE_MANUAL, .trigger = RUN_TRIGGER_NONE };
        Job *job = job_table_get(m->jobs, name);
        int r;

        if (!job || job->gone)
                return -ENOENT;
        if (!is_once(job))
                return -EADDRINUSE;
        if (!TAILQ_EMPTY(&job->live->runs))
                return -EBUSY;
        runs_refuse(m, name, &request, RUN_RESULT_CANCELLED, "The job, which was to run once, was cancelled.");
        r = runs_commit(m);
        if (r >= 0)
                r = remove_file(m->once, name);
        if (r < 0)
                return r;
        forget_job(m, job);
        NOTIFY_OBSERVERS(m, summary_changed);
        return 0;
}
