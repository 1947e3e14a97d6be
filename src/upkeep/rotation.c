/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The order of a run. All logs are judged, then rotated one by one; the writers are told once, after all of them, as a
 * unit reopens all its logs at once; then the copies are compressed and removed, of all logs, also of those that were
 * not rotated or are not there any more. What happens to one log does not hold up the others. Each step on files is
 * done with the rights for their directory; scripts and the service manager are always called as ourselves. */

#include "upkeep/rotation.h"

#include <fcntl.h>
#include <stdarg.h>

#include "upkeep/open-files.h"
#include "upkeep/plan.h"
#include "upkeep/record.h"
#include "upkeep/shrink.h"
#include "upkeep/transaction.h"
#include "util/size.h"
#include "util/string-table.h"
#include "util/strv.h"

#define LOCK_WAIT_LOGS (5 * USEC_PER_SEC)  /* µs in all, for logs that are locked for a moment */
#define LOCK_WAIT_RUNS (60 * USEC_PER_SEC) /* for other runs in the same directories */

typedef struct Run {
        const RotateDef *def;
        const RotationHost *host;
        usec_t realtime;
        bool is_plan;
        bool has_room; /* for records of what is in directories of other users */
        Logs logs;
        Shrinker *shrinker;
        usec_t log_wait, run_wait;
        RotationResult result;
} Run;

static const char *const rotation_deed_table[] = {
        [DEED_ROTATE] = "rotate", [DEED_FINISH] = "finish", [DEED_COMPRESS] = "compress",
        [DEED_REMOVE] = "remove", [DEED_TELL] = "tell",     [DEED_KEEP] = "keep",
        [DEED_SKIP] = "skip",     [DEED_REFUSE] = "refuse", [DEED_FAIL] = "fail",
};
DEFINE_TO_STRING(rotation_deed, RotationDeed)

const char *rotation_deed_done(RotationDeed deed) {
        static const char *const done[] = {
                [DEED_ROTATE] = "rotated", [DEED_FINISH] = "finished", [DEED_COMPRESS] = "compressed",
                [DEED_REMOVE] = "removed", [DEED_TELL] = "told",       [DEED_KEEP] = "kept",
                [DEED_SKIP] = "skipped",   [DEED_REFUSE] = "refused",  [DEED_FAIL] = "failed",
        };

        return done[deed];
}

/* --- reports --- */

static void report(Run *run, RotationDeed deed, const char *path, const char *reason) {
        run->result.n_failed += deed == DEED_FAIL || deed == DEED_REFUSE;
        run->result.n_rotated += deed == DEED_ROTATE;
        run->result.n_finished += deed == DEED_FINISH;
        run->result.n_compressed += deed == DEED_COMPRESS;
        run->result.n_removed += deed == DEED_REMOVE;
        run->host->report(run->host->userdata, deed, path, reason);
}

/* name: of a file in a place. */
static void report_file(Run *run, RotationDeed deed, const Workplace *place, const char *name, const char *reason) {
        _cleanup_free_ char *path = NULL;

        report(run, deed, string_format(&path, "%s/%s", place->path, name) < 0 ? name : path, reason);
}

static void report_log(Run *run, RotationDeed deed, const Log *l, const char *reason) {
        report_file(run, deed, l->directory->place, l->name, reason);
}

/* --- what is remembered --- */

static char *path_of(const Log *l) {
        char *path;

        return string_format(&path, "%s/%s", l->directory->place->path, l->name) < 0 ? NULL : path;
}

static void remember(Run *run, Log *l, RotationDeed deed, const char *reason) {
        _cleanup_free_ char *path = path_of(l), *result = NULL;

        if (l->is_rotated)
                l->rotated = run->realtime;
        if (path && string_format(&result, "%s: %s", rotation_deed_done(deed), strempty(reason)) >= 0)
                (void)record_write(run->host->state_fd, path, l->rotated, result,
                                   run->has_room || !l->directory->place->acts_as_owner);
}

static void fail(Run *run, Log *l, const char *reason) {
        l->is_due = false;
        report_log(run, DEED_FAIL, l, reason);
        remember(run, l, DEED_FAIL, reason);
}

/* --- judging --- */

static int recover(Run *run, Log *l) {
        _cleanup_(identity_restore) IdentityScope scope = {};
        _cleanup_free_ char *reason = NULL;
        int r;

        r = workplace_enter(l->directory->place, &scope);
        if (r >= 0)
                r = logfile_recover(run->def, l, run->realtime, &reason);
        identity_restore(&scope);
        if (r < 0) {
                l->is_refused = true;
                fail(run, l, reason ?: strerror(-r));
        } else if (r > 0) {
                l->directory->is_changed = true;
                report_log(run, DEED_FINISH, l, "what an interrupted run had left is in order");
                l->is_rotated = l->is_finished; /* the time of its rotation */
                remember(run, l, DEED_FINISH, NULL);
                l->is_rotated = false;
        }
        return r == -ENOMEM ? r : r > 0;
}

static int judge(Run *run, Log *l) {
        _cleanup_free_ char *path = path_of(l), *reason = NULL;
        const char *taken_by;
        int verdict, r;

        if (!path)
                return -ENOMEM;
        taken_by = run->def->take_over ? NULL : run->host->taken_by(run->host->userdata, path);
        l->taken_by = taken_by ? strdup(taken_by) : NULL;
        l->rotated = record_read(run->host->state_fd, path);
        verdict = logfile_judge(run->def, l, run->realtime, &reason);
        if (verdict != VERDICT_REFUSE && verdict >= 0 && !run->is_plan) {
                r = recover(run, l);
                if (r < 0 || l->is_refused)
                        return MIN(r, 0);
                if (r > 0) {
                        free(reason);
                        reason = NULL;
                        verdict = logfile_judge(run->def, l, run->realtime, &reason);
                }
        } else if (l->leftover && verdict != VERDICT_REFUSE)
                report(run, DEED_FINISH, path, "an interrupted run has left something");
        if (verdict < 0)
                return verdict;
        l->is_due = verdict == VERDICT_ROTATE;
        l->is_refused = verdict == VERDICT_REFUSE;
        if (verdict == VERDICT_REFUSE) {
                report(run, DEED_REFUSE, path, reason);
                remember(run, l, DEED_REFUSE, reason);
        } else if (verdict == VERDICT_ROTATE && run->is_plan)
                report(run, DEED_ROTATE, path, reason);
        else if (verdict != VERDICT_ROTATE)
                report(run, verdict == VERDICT_SKIP ? DEED_SKIP : DEED_KEEP, path, reason);
        if (verdict == VERDICT_ROTATE)
                l->reason = TAKE_PTR(reason);
        return 0;
}

/* A directory without a lock is one in which nothing is done. */
static int judge_directory(Run *run, LogDirectory *d) {
        int r = 0;

        if (!run->is_plan && run->host->state_fd >= 0 && !d->problem) {
                d->lock_fd = record_lock(run->host->state_fd, &d->place->directory, &run->run_wait);
                if (d->lock_fd < 0)
                        r = string_format(&d->problem,
                                          d->lock_fd == -EWOULDBLOCK ? "Another run works in this directory"
                                                                     : "The directory could not be locked: %s",
                                          strerror(-d->lock_fd));
        }
        if (r >= 0)
                r = log_directory_scan(&run->logs, d);
        for (size_t i = 0; r >= 0 && i < d->n_logs; i++)
                r = judge(run, &d->logs[i]);
        return r;
}

/* --- scripts --- */

/* The script for all logs with a mark, or for one of them. */
static int run_script(Run *run, const char *script, char *const *logs, char **reterr) {
        return script && logs ? run->host->run_script(run->host->userdata, script, logs, reterr) : 0;
}

static int script_of_log(Run *run, Log *l, const char *script, char **reterr) {
        _cleanup_free_ char *path = path_of(l);
        char *const logs[] = { path, NULL };

        return path ? run_script(run, script, logs, reterr) : -ENOMEM;
}

/* The paths of the logs that are due, or whose writers have still to be told. NULL: there are none. */
static int list_logs(const Run *run, bool due, char ***ret) {
        _cleanup_(strv_freep) char **paths = NULL;
        size_t n = 0;
        Log *l;

        LOGS_FOREACH(l, &run->logs)
                n += due ? l->is_due : l->must_tell;
        if (n == 0)
                return 0;
        paths = calloc(n + 1, sizeof(char *));
        if (!paths)
                return -ENOMEM;
        n = 0;
        LOGS_FOREACH(l, &run->logs)
                if ((due ? l->is_due : l->must_tell) && !(paths[n++] = path_of(l)))
                        return -ENOMEM;
        *ret = TAKE_PTR(paths);
        return 0;
}

/* Before anything is changed: logs whose script fails stay as they are. */
static int prepare(Run *run) {
        _cleanup_(strv_freep) char **due = NULL;
        _cleanup_free_ char *reason = NULL;
        Log *l;
        int r;

        if (!run->def->pre_rotate || run->def->script_each)
                return 0;
        if (list_logs(run, /* due= */ true, &due) < 0)
                return -ENOMEM;
        r = run_script(run, run->def->pre_rotate, due, &reason);
        LOGS_FOREACH(l, &run->logs)
                if (r < 0 && l->is_due)
                        fail(run, l, reason ?: strerror(-r));
        return r == -ENOMEM ? r : 0;
}

/* --- rotating --- */

/* Everybody who can read a log can lock it, which must not keep it from being rotated for ever. Where rights are those
 * of another user, they are left meanwhile. */
static int open_log(Run *run, const Log *l, IdentityScope *scope) {
        const GuardedDirectory *d = &l->directory->place->directory;
        const uid_t users[] = { 0, geteuid(), l->st.st_uid, d->uid };
        usec_t no_wait = 0;
        bool counts;
        int r;

        r = logfile_open(run->def, l, &no_wait);
        if (r != -EWOULDBLOCK)
                return r;
        identity_restore(scope);
        counts = flock_is_held_by(l->st.st_dev, l->st.st_ino, users, ELEMENTSOF(users));
        r = workplace_enter(l->directory->place, scope);
        return r < 0 ? r : logfile_open(run->def, l, counts ? &run->log_wait : NULL);
}

static int rotate_files(Run *run, Log *l, char **reterr) {
        _cleanup_(identity_restore) IdentityScope scope = {};
        _cleanup_close_ int fd = -EBADF;
        int r;

        r = workplace_enter(l->directory->place, &scope);
        if (r < 0)
                return r;
        fd = open_log(run, l, &scope);
        if (fd == -EWOULDBLOCK)
                *reterr = strdup("A process has locked it (flock(2)); the next run tries again");
        else if (fd == -ESTALE)
                *reterr = strdup("It was replaced meanwhile; the next run tries again");
        return fd < 0 ? fd : logfile_rotate(run->def, l, fd, run->realtime, reterr);
}

static int rotate(Run *run, Log *l) {
        _cleanup_free_ char *reason = NULL;
        off_t size = l->st.st_size;
        int r = 0;

        if (!l->is_due)
                return 0;
        if (run->def->script_each)
                r = script_of_log(run, l, run->def->pre_rotate, &reason);
        if (r >= 0)
                r = rotate_files(run, l, &reason);
        if (r == -ENOMEM)
                return r;
        if (r < 0) {
                fail(run, l, reason ?: strerror(-r));
                return 0;
        }
        l->st.st_size = size;
        l->directory->is_changed = true;
        report_log(run, DEED_ROTATE, l, l->reason);
        remember(run, l, DEED_ROTATE, l->reason);
        return 0;
}

/* So that what has happened so far stays so, even after a power failure. */
static void sync_directories(Run *run) {
        for (size_t i = 0; i < run->logs.n_directories; i++) {
                LogDirectory *d = &run->logs.directories[i];

                if (d->is_changed && d->old != d->place)
                        (void)workplace_sync(d->old, -EBADF);
                if (d->is_changed)
                        (void)workplace_sync(d->place, -EBADF);
        }
}

/* --- telling the writers --- */

static void forget_note(Run *run, Log *l) {
        _cleanup_(identity_restore) IdentityScope scope = {};
        int r = workplace_enter(l->directory->place, &scope);

        if (r >= 0)
                r = logfile_told(l);
        identity_restore(&scope);
        if (r < 0)
                fail(run, l, "The note that its writer has to be told could not be removed");
}

/* Whom it did not reach stays noted: the next run tells again. */
static int tell(Run *run) {
        _cleanup_(strv_freep) char **logs = NULL;
        _cleanup_free_ char *reason = NULL;
        const char *whom = run->def->reload_unit ?: run->def->signal_unit;
        Log *l;
        int r = 0;

        if (list_logs(run, /* due= */ false, &logs) < 0)
                return -ENOMEM;
        if (!logs)
                return 0;
        if (whom)
                r = run->host->tell_writer(run->host->userdata, run->def, &reason);
        if (r >= 0 && !run->def->script_each) {
                whom = "PostRotate=";
                r = run_script(run, run->def->post_rotate, logs, &reason);
        }
        if (r < 0) {
                report(run, DEED_FAIL, whom, reason ?: strerror(-r));
                return r == -ENOMEM ? r : 0;
        }
        LOGS_FOREACH(l, &run->logs) {
                _cleanup_free_ char *why = NULL;

                if (!l->must_tell)
                        continue;
                r = run->def->script_each ? script_of_log(run, l, run->def->post_rotate, &why) : 0;
                if (r < 0)
                        fail(run, l, why ?: strerror(-r));
                else
                        forget_note(run, l);
        }
        return 0;
}

/* --- copies --- */

static void on_shrunk(void *userdata, Log *l, size_t copy, off_t freed, int error, const char *reason) {
        Run *run = userdata;

        run->result.bytes_freed += freed;
        report_file(run,
                    error < 0 ? DEED_FAIL
                    : reason  ? DEED_KEEP
                              : DEED_COMPRESS,
                    l->directory->old, l->copies[copy].name, reason);
}

static void compress_copies(Run *run, LogDirectory *d) {
        for (size_t i = 0; i < d->n_logs; i++) {
                Log *l = &d->logs[i];

                for (size_t k = 0; !l->is_refused && k < l->n_copies; k++) {
                        if (!copy_wants_compression(run->def, l, k, run->is_plan && l->is_due))
                                continue;
                        if (run->is_plan)
                                report_file(run, DEED_COMPRESS, d->old, l->copies[k].name, NULL);
                        else
                                shrinker_add(run->shrinker, l, k);
                }
        }
        if (run->shrinker)
                shrinker_finish(run->shrinker);
}

/* The copy that a run would make, and remove at once; unless it fits when it is compressed, which no plan can tell. */
static void plan_loss(Run *run, const Log *l, const char *reason) {
        _cleanup_free_ char *text = NULL;

        if (run->def->keep > 0 && run->def->compress != ROTATE_COMPRESS_NONE && run->def->compress_delay == 0)
                return;
        (void)string_format(&text, "its new copy, too: %s", reason);
        report_log(run, DEED_REMOVE, l, text);
}

static int remove_surplus(Run *run, LogDirectory *d, Log *l) {
        for (;;) {
                _cleanup_free_ char *reason = NULL;
                const Copy *c;
                int r = copies_have_surplus(run->def, l, run->is_plan && l->is_due, run->realtime, &reason);

                if (r > 0 && l->n_copies == 0)
                        plan_loss(run, l, reason);
                if (r <= 0 || l->n_copies == 0)
                        return MIN(r, 0);
                c = &l->copies[l->n_copies - 1];
                if (!run->is_plan && unlinkat(d->old->directory.fd, c->name, 0) < 0 && errno != ENOENT) {
                        report_file(run, DEED_FAIL, d->old, c->name, strerror(errno));
                        return 0;
                }
                run->result.bytes_freed += c->st.st_blocks * 512;
                report_file(run, DEED_REMOVE, d->old, c->name, reason);
                logfile_remove_copy(l, l->n_copies - 1);
        }
}

static int tidy_directory(Run *run, LogDirectory *d) {
        _cleanup_(identity_restore) IdentityScope scope = {};
        int r = run->is_plan ? 0 : workplace_enter(d->old, &scope);

        if (r < 0)
                return 0; /* every log of it has failed already */
        if (run->def->compress != ROTATE_COMPRESS_NONE)
                compress_copies(run, d);
        for (size_t i = 0; r >= 0 && i < d->n_logs; i++)
                if (!d->logs[i].is_refused)
                        r = remove_surplus(run, d, &d->logs[i]);
        return r;
}

/* --- the run --- */

static void on_refused(void *userdata, const char *path, int error, const char *reason) {
        report(userdata, error == -ENOENT ? DEED_SKIP : DEED_REFUSE, path, reason);
}

static int run_all(Run *run) {
        const ShrinkHandler handler = { on_shrunk, run };
        Log *l;
        int r;

        if (run->def->suffix == ROTATE_SUFFIX_DATE && !copy_date_fits(run->def))
                return -EINVAL;
        r = run->def->compress == ROTATE_COMPRESS_NONE || run->is_plan
                    ? 0
                    : shrinker_new(&run->shrinker, run->def, &handler);
        if (r >= 0)
                r = logs_find(&run->logs);
        for (size_t i = 0; r >= 0 && i < run->logs.n_directories; i++)
                r = judge_directory(run, &run->logs.directories[i]);
        if (r >= 0 && !run->is_plan)
                r = prepare(run);
        LOGS_FOREACH(l, &run->logs)
                if (r >= 0 && !run->is_plan)
                        r = rotate(run, l);
        if (!run->is_plan)
                sync_directories(run);
        if (r >= 0 && !run->is_plan)
                r = tell(run);
        for (size_t i = 0; r >= 0 && i < run->logs.n_directories; i++)
                r = tidy_directory(run, &run->logs.directories[i]);
        return r;
}

int rotation_run(const RotateDef *def, const RotationHost *host, usec_t realtime, bool plan, RotationResult *ret) {
        Run run = {
                .def = def,
                .host = host,
                .realtime = realtime,
                .is_plan = plan,
                .has_room = !plan && host->state_fd >= 0 && records_have_room(host->state_fd),
                .log_wait = LOCK_WAIT_LOGS,
                .run_wait = LOCK_WAIT_RUNS,
                .logs = { .def = def, .refused = on_refused },
        };
        int r;

        if (!plan)
                records_prune(host->state_fd, realtime);
        run.logs.userdata = &run;
        r = run_all(&run);
        shrinker_free(run.shrinker);
        for (size_t i = 0; i < run.logs.n_directories; i++) {
                LogDirectory *d = &run.logs.directories[i];

                run.result.n_logs += d->n_logs;
                d->lock_fd = record_unlock(host->state_fd, &d->place->directory, d->lock_fd);
        }
        logs_done(&run.logs);
        *ret = run.result;
        return r;
}
