/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Spool=: each file that comes to rest is an item, claimed when a run of it may begin, and acknowledged when that has
 * succeeded. The order makes it sure: claim; write the run with the item's number; run; write the result; only then
 * acknowledge. Whatever dies in between, the next start finds the item claimed, and the ledger says what became of it
 * (watch/spool.h). */

#include "trigger/path-spool.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>

#include "fs/guarded.h"
#include "trigger/path-user.h"
#include "util/array.h"
#include "util/log.h"
#include "util/strv.h"

#define CLAIM_AGAIN_USEC  (5 * USEC_PER_SEC) /* after one that failed */
#define SETTLE_AGAIN_USEC (5 * USEC_PER_SEC) /* the same of putting away */
#define REPORTS_MAX       4                  /* in a minute */
#define REOPEN_USEC       (5 * USEC_PER_SEC) /* and of opening the spool */

#define LOST_MAX 16 /* how often an item is run again because the machine went down under it */

/* --- what a run gets --- */

static RunPaths *paths_of_item(const PathWatch *pw, SpoolItem *item) {
        _cleanup_(run_paths_freep) RunPaths *rp = run_paths_new(&pw->paths->trigger->base);

        if (!rp)
                return NULL;
        rp->spool = strdup(pw->source->path);
        rp->list = spool_item_path(pw->spool, item);
        if (!rp->spool || !rp->list)
                return NULL;
        rp->size = strlen(rp->list) + 1;
        rp->n = 1;
        rp->one = true;
        rp->item = *item;
        *item = (SpoolItem){};
        return TAKE_PTR(rp);
}

/* --- items without a run --- */

static bool ready_push(PathWatch *pw, SpoolItem *item, bool first) {
        SpoolItem *place = ARRAY_INSERT(pw->ready, pw->n_ready, first ? 0 : pw->n_ready);

        if (place)
                *place = TAKE_GENERIC(*item, (SpoolItem){});
        return place;
}

static int give_up(PathWatch *pw, const SpoolItem *item) {
        int r = spool_fail(pw->spool, item);

        if (r == 0 && !pw->paths->def->rare->path_trigger->spool_failed)
                pw->n_failed++;
        return r;
}

void spools_take_again(JobPaths *p, RunPaths *rp) {
        assert(rp->spool && paths_find_spool(p, rp->spool));
        (void)ready_push(paths_find_spool(p, rp->spool), &rp->item, /* first= */ true);
}

void spools_give_up(JobPaths *p, RunPaths *rp) {
        assert(rp->spool && paths_find_spool(p, rp->spool));
        (void)give_up(paths_find_spool(p, rp->spool), &rp->item);
}

void spools_keep_open(const JobPaths *p, bool on) {
        for (size_t i = 0; p && i < p->n_watches; i++)
                if (p->watches[i].spool)
                        spool_keep_open(p->watches[i].spool, on);
}

bool spools_have_ready(const JobPaths *p) {
        for (size_t i = 0; i < p->n_watches; i++)
                if (p->watches[i].spool && p->watches[i].n_ready > 0)
                        return true;
        return false;
}

/* --- what comes to rest --- */

static PathWatch *spool_of(const JobPaths *p, const char *path, const char **ret_name) {
        const char *slash = strrchr(path, '/');
        _cleanup_free_ char *directory = slash > path ? strndup(path, (size_t)(slash - path)) : strdup("/");

        *ret_name = slash + 1;
        return directory ? paths_find_spool(p, directory) : NULL;
}

/* What is wrong with the spool, or with an item, when that is news. But who can write to a spool can make problems
 * come and go as fast as he likes. */
static void set_problem(PathWatch *pw, int error, const char *what, const char *problem) {
        LogContext c = { .job = pw->paths->job->name, .error = -error };
        usec_t now = paths_now(pw->paths);

        if (now >= usec_add(pw->reports_since, USEC_PER_MINUTE)) {
                pw->reports_since = now;
                pw->n_reports = 0;
        }
        if (!streq_ptr(pw->spool_problem, problem) && pw->n_reports++ < REPORTS_MAX)
                log_message(LOG_ERR, &c, "Cannot %s: %s. It is left unchanged and tried again.", what, problem);
        free(pw->spool_problem);
        pw->spool_problem = strdup(problem);
        pw->spool_error = error;
}

static const char *problem_of(const Spool *s, int error) {
        return isempty(spool_problem(s)) ? strerror(-error) : spool_problem(s);
}

static void clear_problem(PathWatch *pw) {
        pw->spool_problem = mfree(pw->spool_problem);
        pw->spool_error = 0;
}

/* Another directory has its name now: the items of this one are out of reach. */
static void spool_is_stale(PathWatch *pw) {
        spools_close(pw);
        spools_open(pw);
        paths_mark_ready(pw->paths);
}

/* 1: it is ours; 0: it is not to be; negative errno: it cannot be for now; -EBUSY: for a reason of its own (somebody
 * seems to write to it, or it has just got another name). What has other names for long stays; `why` says so. */
static int claim(const JobPaths *p, const char *path, PathWatch **ret, SpoolItem *ret_item) {
        const char *name;
        PathWatch *pw = spool_of(p, path, &name);
        int r;

        if (!pw || !pw->watch || watch_state(pw->watch) == WATCH_WAITING)
                return 0; /* all that lies there is reported again when it is back */
        spools_open(pw);
        if (!pw->spool)
                return pw->spool_error < 0 ? pw->spool_error : -EAGAIN;
        r = spool_claim(pw->spool, name, turn_now(p->trigger->base.event).realtime, ret_item);
        if (r == -ENOENT || r == -EINVAL || r == -EMLINK)
                return 0;
        if (r == -EAGAIN)
                r = -EBUSY;
        if (r == -ESTALE)
                spool_is_stale(pw);
        else if (r >= 0)
                clear_problem(pw);
        else if (r != -EBUSY)
                set_problem(pw, r, "claim an item", problem_of(pw->spool, r));
        *ret = pw;
        return r < 0 ? r : 1;
}

int spools_take_file(JobPaths *p, const char *path, RunPaths **ret) {
        SpoolItem item = {};
        PathWatch *pw = NULL;
        const char *name;
        int r;

        if (!spool_of(p, path, &name))
                return -EXDEV;
        r = claim(p, path, &pw, &item);
        if (r == 0 || r == -EBUSY)
                return -ETXTBSY;
        if (r < 0)
                return r;
        (void)batch_remove(p->batch, path, strlen(path));
        *ret = paths_of_item(pw, &item);
        if (!*ret) {
                (void)spool_release(pw->spool, &item);
                spool_item_done(&item);
                return -ENOMEM;
        }
        return 0;
}

void spools_put_back(JobPaths *p, RunPaths *rp) {
        PathWatch *pw = paths_find_spool(p, rp->spool);

        assert(rp->spool);
        if (pw && pw->spool && spool_release(pw->spool, &rp->item) < 0)
                (void)ready_push(pw, &rp->item, /* first= */ false);
}

/* Without memory it stays claimed, and is found at the next start. */
int spools_take(JobPaths *p, usec_t now, RunPaths **ret) {
        PathWatch *pw = NULL;
        SpoolItem item = {};
        BatchRun *files;
        int r;

        for (size_t i = 0; i < p->n_watches && !pw; i++)
                if (p->watches[i].spool && p->watches[i].n_ready > 0)
                        pw = &p->watches[i];
        if (pw) {
                item = pw->ready[0];
                ARRAY_REMOVE(pw->ready, pw->n_ready, 0);
        } else {
                r = batch_take(p->batch, now, &files);
                if (r <= 0)
                        return r;
                r = claim(p, batch_run_file(files, 0).path, &pw, &item);
                if (r < 0)
                        batch_postpone(p->batch, files, usec_add(now, CLAIM_AGAIN_USEC), now);
                else
                        batch_done(p->batch, files, BATCH_FORGET, now);
                /* The others do not wait for what one file is to blame for: its writer may be closing it, say. */
                if (r <= 0)
                        return r == 0 || r == -EBUSY ? 1 : r;
        }
        assert(pw->spool);
        *ret = paths_of_item(pw, &item);
        spool_item_done(&item);
        return *ret ? 1 : -ENOMEM;
}

/* --- the end of a run --- */

/* The spool is no longer used: its job is gone, disabled, or has another one. */
static int open_left(Spool **ret, const char *path, const char *job, const JobDef *def) {
        const PathDef *d = def->rare->path_trigger;
        SpoolConfig config = {
                .path = path,
                .job = job,
                .done = d ? d->spool_done : NULL,
                .failed = d ? d->spool_failed : NULL,
                .run_uid = path_user_spool_uid(def),
        };

        return spool_open(ret, &config, NULL);
}

static int end_last_item(const SpoolEnd *end) {
        _cleanup_(spool_freep) Spool *s = NULL;
        int r;

        assert(end->def);
        r = open_left(&s, end->spool, end->job, end->def);
        if (r < 0)
                return r;
        return end->success ? spool_done(s, &end->item) : spool_fail(s, &end->item);
}

void spools_free_end(PathTrigger *t, SpoolEnd *end) {
        TAILQ_REMOVE(&t->spool_ends, end, ends);
        spool_item_done(&end->item);
        job_def_unref(end->def);
        free(end->job);
        free(end->spool);
        free(end);
}

/* Some time later, the others first: what is wrong may be wrong with this one only. */
static void end_later(PathTrigger *t, SpoolEnd *end, const char *problem) {
        LogContext c = { .job = end->job, .run = end->run };

        if (!end->reported)
                log_message(LOG_ERR, &c, "Cannot put %s away after its run: %s. It stays claimed until vaktd can.",
                            end->item.name, problem);
        end->reported = true;
        TAILQ_REMOVE(&t->spool_ends, end, ends);
        TAILQ_INSERT_TAIL(&t->spool_ends, end, ends);
        deadline_set(t->base.manager, &t->settling, usec_add(turn_now(t->base.event).boottime, SETTLE_AGAIN_USEC));
}

/* kept: the job whose spools are open. */
static void settle_end(PathTrigger *t, SpoolEnd *end, JobPaths **kept) {
        const Job *job = job_table_get(manager_jobs(t->base.manager), end->job);
        JobPaths *p = job ? trigger_get(&t->base, job) : NULL;
        PathWatch *pw = paths_find_spool(p, end->spool);
        usec_t now = turn_now(t->base.event).boottime;
        int r;

        if (pw ? !pw->spool || now < pw->settle_not_before : !end->def || !t->is_started)
                return; /* until the spool is there */
        if (p != *kept) {
                spools_keep_open(*kept, false);
                spools_keep_open(p, true);
                *kept = p;
        }
        r = !pw ? end_last_item(end) : end->success ? spool_done(pw->spool, &end->item) : give_up(pw, &end->item);
        if (r == 0 || (r > 0 && pw)) {
                payload_forget(t->base.manager, end->job, end->run);
                spools_free_end(t, end);
        } else if (!pw) /* the directory may be another one now: until there is such a job again */
                end->def = job_def_unref(end->def);
        else {
                pw->settle_not_before = usec_add(now, SETTLE_AGAIN_USEC);
                end_later(t, end, problem_of(pw->spool, r));
                if (r == -ESTALE)
                        spool_is_stale(pw);
        }
}

JobPaths *spools_settle(PathTrigger *t) {
        JobPaths *kept = NULL;
        SpoolEnd *next;

        for (SpoolEnd *end = TAILQ_FIRST(&t->spool_ends); end; end = next) {
                next = TAILQ_NEXT(end, ends);
                settle_end(t, end, &kept);
        }
        return kept;
}

/* Without memory it is found at the next start. */
void spools_add_end(PathTrigger *t, const RunRecord *r, JobDef *def, RunPaths *rp) {
        SpoolEnd *end = calloc(1, sizeof(*end));

        assert(rp->spool);
        if (!end)
                return;
        end->job = strdup(r->job);
        if (!end->job) {
                free(end);
                return;
        }
        end->run = r->id;
        end->success = r->result == RUN_RESULT_SUCCESS;
        end->def = def ? job_def_ref(def) : NULL;
        end->spool = TAKE_PTR(rp->spool);
        end->item = rp->item;
        rp->item = (SpoolItem){};
        TAILQ_INSERT_TAIL(&t->spool_ends, end, ends);
}

/* It was not run, or not to an end that says anything about it. */
static bool wants_another_run(const PathTrigger *t, const LiveRun *run) {
        RunResult result = run_record(run)->result;

        return run_returns_payload(run) || result == RUN_RESULT_SKIPPED ||
               (result == RUN_RESULT_CANCELLED && manager_is_stopping(t->base.manager)) ||
               (result == RUN_RESULT_LOST && run_paths(t, run)->item.attempt <= LOST_MAX);
}

/* For the next job that uses the spool, which may be the same job by another name. */
static void give_back(const PathTrigger *t, const LiveRun *run) {
        const RunRecord *record = run_record(run);
        const RunPaths *rp = run_paths(t, run);
        LogContext c = { .job = record->job, .run = record->id };
        _cleanup_(spool_freep) Spool *s = NULL;
        int r = -ENOENT;

        if (run_def(run))
                r = open_left(&s, rp->spool, record->job, run_def(run));
        if (r >= 0)
                r = spool_release(s, &rp->item);
        if (r >= 0)
                log_message(LOG_NOTICE, &c, "Put %s back into %s, because the job no longer uses this spool.",
                            rp->item.name, rp->spool);
        else
                log_message(LOG_WARNING, &c,
                            "Cannot put %s back into %s: %s. It stays there in " WATCH_PRIVATE_PREFIX "%s until a "
                            "job with this name uses the spool again.",
                            rp->item.name, rp->spool, strerror(-r), record->job);
}

/* Not the same path again: what is left of the last run might still work on it. */
static void run_again(const PathTrigger *t, LiveRun *run) {
        RunPaths *rp = run_paths(t, run);
        PathWatch *pw = paths_find_spool(trigger_get(&t->base, run_job(run)), rp->spool);
        bool stopping = manager_is_stopping(t->base.manager);

        if (!pw && !stopping)
                give_back(t, run);
        if (!pw || !pw->spool || stopping)
                return; /* it is claimed: found when the spool is opened */
        if (run_record(run)->result == RUN_RESULT_LOST && spool_retry(pw->spool, &rp->item) == -ENOENT)
                return; /* it was put away, and the power cut took the note of that */
        (void)ready_push(pw, &rp->item, /* first= */ false);
}

bool spools_run_ended(PathTrigger *t, LiveRun *run) {
        bool again = wants_another_run(t, run);

        if (run_was_retried(run))
                return false; /* its item is the other one's */
        if (again)
                run_again(t, run);
        else
                spools_add_end(t, run_record(run), run_def(run), run_paths(t, run));
        manager_notify_written(t->base.manager);
        return !again;
}

/* Its path says which try it is in. */
static int set_attempt(const Spool *s, RunPaths *rp, unsigned attempt) {
        SpoolItem item = rp->item;
        char *path;

        item.attempt = attempt;
        path = spool_item_path(s, &item);
        if (!path)
                return -ENOMEM;
        free(rp->list);
        rp->list = path;
        rp->size = strlen(path) + 1;
        rp->item.attempt = attempt;
        return 0;
}

void spools_retry(Trigger *base, const LiveRun *failed, RunPayload *payload) {
        RunPaths *rp = (RunPaths *)payload;
        PathWatch *pw = rp->spool ? paths_find_spool(trigger_get(base, run_job(failed)), rp->spool) : NULL;
        LogContext c = { .job = run_record(failed)->job, .run = run_record(failed)->id };
        SpoolItem next = rp->item;
        int r;

        if (!pw || !pw->spool)
                return;
        r = spool_retry(pw->spool, &next);
        if (r >= 0)
                r = set_attempt(pw->spool, rp, next.attempt);
        if (r < 0)
                log_message(LOG_WARNING, &c, "Cannot prepare %s for a retry (%s); it is retried with its old path.",
                            rp->item.name, strerror(-r));
}

static bool is_gone(const char *path) {
        _cleanup_close_ int fd = guarded_find(path, GUARDED_FIND_ALL);

        return fd == -ENOENT;
}

void spools_find_item(const LiveRun *run, RunPaths *rp) {
        const JobDef *def = run_def(run) ?: run_job(run)->def;
        SpoolConfig config = { .path = rp->spool, .job = run_record(run)->job, .run_uid = UID_UNKNOWN };
        _cleanup_(spool_freep) Spool *s = NULL;
        unsigned attempt = rp->item.attempt;

        if (!rp->spool || attempt >= SPOOL_ATTEMPTS_MAX || !is_gone(rp->list))
                return;
        if (def)
                config.run_uid = path_user_spool_uid(def);
        if (spool_open(&s, &config, NULL) < 0)
                return;
        if (set_attempt(s, rp, attempt + 1) >= 0 && is_gone(rp->list))
                (void)set_attempt(s, rp, attempt);
}

/* --- the spool --- */

/* Also where it was renamed by a daemon that died before it had that written. */
static bool has_run(const PathWatch *pw, const SpoolItem *item) {
        const Job *job = pw->paths->job;
        SpoolEnd *end;

        for (const LiveRun *run = runs_next(job, NULL); run; run = runs_next(job, run)) {
                RunPaths *rp = run_paths(pw->paths->trigger, run);

                if (!rp || !rp->spool || rp->item.id != item->id || !streq(rp->spool, pw->source->path))
                        continue;
                if (rp->item.attempt != item->attempt)
                        (void)set_attempt(pw->spool, rp, item->attempt);
                return true;
        }
        TAILQ_FOREACH(end, &pw->paths->trigger->spool_ends, ends)
                if (end->item.id == item->id && streq(end->job, job->name) && streq(end->spool, pw->source->path)) {
                        end->item.attempt = item->attempt;
                        return true;
                }
        return false;
}

static int on_recovered(void *userdata, const SpoolItem *i) {
        PathWatch *pw = userdata;
        SpoolItem copy = *i;

        if (has_run(pw, i))
                return 0;
        copy.name = strdup(i->name);
        if (!copy.name || !ready_push(pw, &copy, /* first= */ false)) {
                spool_item_done(&copy);
                return -ENOMEM;
        }
        return 0;
}

/* There everything that is a file would be an item, the ledger first. */
static bool is_own_directory(const ManagerOptions *o, const char *path) {
        const char *own[] = { o->state_dir, o->runtime_dir };
        _cleanup_close_ int fd = guarded_find(path, GUARDED_FIND_ALL);
        struct stat here, st;

        for (size_t i = 0; i < ELEMENTSOF(own); i++)
                if (own[i] && fd >= 0 && fstat(fd, &here) >= 0 && stat(own[i], &st) >= 0 && here.st_dev == st.st_dev &&
                    here.st_ino == st.st_ino)
                        return true;
        return false;
}

void spools_open(PathWatch *pw) {
        const Job *job = pw->paths->job;
        const PathDef *d = pw->paths->def->rare->path_trigger;
        _cleanup_free_ char *what = NULL, *problem = NULL;
        SpoolConfig config = {
                .path = pw->source->path,
                .job = job->name,
                .done = d->spool_done,
                .failed = d->spool_failed,
                .run_uid = path_user_spool_uid(pw->paths->def),
        };
        const Trigger *t = &pw->paths->trigger->base;
        usec_t now = paths_now(pw->paths);
        int r;

        if (pw->spool || !manager_knows_what_was(t->manager)) /* an item may be in a run of which we will hear */
                return;
        if (now < pw->reopen_at) /* it is read whole, and its owner can make it come and go */
                return;
        pw->reopen_at = usec_add(now, REOPEN_USEC);
        r = is_own_directory(t->options, pw->source->path) ? -EINVAL : 0;
        if (r < 0)
                problem = strdup("vaktd keeps its own files there: use another directory");
        else
                r = spool_open(&pw->spool, &config, &problem);
        if (r >= 0) {
                assert(pw->n_ready == 0);
                r = spool_recover(pw->spool, on_recovered, pw);
                problem = r < 0 ? strdup(problem_of(pw->spool, r)) : NULL;
        }
        if (r < 0) {
                spools_close(pw);
                (void)string_format(&what, "use Spool=%s", pw->source->path);
                set_problem(pw, r, what ?: "use its spool", problem ?: strerror(-r));
                return;
        }
        pw->n_failed = (size_t)spool_count_failed(pw->spool);
        clear_problem(pw);
        /* Those that are to be put away are so once that is written; others are to be run. */
        manager_notify_written(t->manager);
        paths_mark_ready(pw->paths);
}

static bool is_there(const PathWatch *pw) {
        WatchState state = pw->watch ? watch_state(pw->watch) : WATCH_WAITING;

        return pw->source->kind == PATH_SPOOL && (state == WATCH_ACTIVE || state == WATCH_DEGRADED);
}

usec_t spools_reopen(JobPaths *p, usec_t now) {
        usec_t next = USEC_INFINITY;

        for (size_t i = 0; i < p->n_watches; i++) {
                PathWatch *pw = &p->watches[i];

                if (pw->spool || !is_there(pw) || !manager_knows_what_was(p->trigger->base.manager))
                        continue;
                if (pw->reopen_at <= now)
                        spools_open(pw);
                if (!pw->spool)
                        next = MIN(next, pw->reopen_at);
        }
        return next;
}

void spools_release(PathWatch *pw) {
        LogContext c = { .job = pw->paths->job->name };

        assert(pw->spool || pw->n_ready == 0);
        for (size_t i = 0; i < pw->n_ready; i++) {
                int r = spool_release(pw->spool, &pw->ready[i]);

                if (r < 0)
                        log_message(LOG_WARNING, &c, "Cannot put %s back into %s: %s. It stays claimed by the job.",
                                    pw->ready[i].name, pw->source->path, strerror(-r));
        }
}

void spools_close(PathWatch *pw) {
        for (size_t i = 0; i < pw->n_ready; i++)
                spool_item_done(&pw->ready[i]);
        pw->ready = mfree(pw->ready);
        pw->n_ready = 0;
        pw->spool = spool_free(pw->spool);
        pw->spool_error = 0; /* the words stay, so that the same is not said again */
}
