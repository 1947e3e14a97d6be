/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* From files to runs, and back. What other triggers have admission for is done here by patience: a batch is only taken
 * when a run of it would be accepted, and what does not get one waits and grows. So nothing that changed is refused -
 * but by somebody who asked to skip it.
 *
 * The files of a run belong to it through all its tries. When the last one is over they are dealt with, whatever its
 * result: those that changed meanwhile wait for the next run. */

#include "trigger/path-runs.h"

#include <assert.h>
#include <stdio.h>
#include <sys/stat.h>

#include "fs/guarded.h"
#include "time/span.h"
#include "trigger/path-spool.h"
#include "trigger/path-store.h"
#include "trigger/path-view.h"
#include "util/log-messages.h"
#include "util/log.h"

#define RUNS_PER_TURN 16
#define AGAIN_USEC    USEC_PER_SEC       /* after a request that could not be taken */
#define SHORT_USEC    (5 * USEC_PER_SEC) /* after a run that the machine was short of something for */

/* It has no other lines then. */
static bool is_spool(const JobDef *def) {
        return def->rare->path_trigger->sources[0].kind == PATH_SPOOL;
}

/* --- a run --- */

/* 1: a run was accepted, which has the paths now; 0: it was refused, on somebody's wish; negative errno: it cannot be
 * for now. */
static int request_run(JobPaths *p, RunPaths **paths) {
        Manager *m = p->trigger->base.manager;
        RunPayload *payload = &(*paths)->base;
        _cleanup_free_ char *text = run_paths_text(*paths);
        RunRequest request = { .cause = RUN_CAUSE_PATH, .trigger = RUN_TRIGGER_NONE, .payload = text };
        LogContext c = { .job = p->job->name };
        uint64_t id;
        int r;

        r = runs_request(m, p->job, &request, &payload, &id);
        assert((r > 0) == !payload); /* else it is ours still */
        if (r > 0) {
                *paths = NULL;
                return r;
        }
        if (r == 0 && p->job->skip > 0) {
                runs_use_up_skip(m, p->job);
                return 0;
        }
        log_message(LOG_ERR, &c, "Files changed, but no run could be requested (%s); trying again.",
                    r < 0 ? strerror(-r) : "it was refused");
        return r < 0 ? r : -EAGAIN;
}

/* --- what forgotten runs have dealt with --- */

/* That they were given it was never written, nor was what the watches knew by then: they take it for news. What has
 * not changed since such a run was given it is none, and is left out, once. Anything else is given to a run, perhaps
 * again, rather than never. */

static int compare_dealt_with(const void *a, const void *b) {
        return strcmp(((const DealtWith *)a)->path, ((const DealtWith *)b)->path);
}

static void note_dealt_with(JobPaths *p, const RunPaths *rp, usec_t given) {
        DealtWith *more = reallocarray(p->dealt_with, p->n_dealt_with + rp->n, sizeof(DealtWith));
        const char *path = rp->list;

        assert(rp->is_found);
        if (!more)
                return;
        p->dealt_with = more;
        p->is_sorted = false;
        for (size_t i = 0; i < rp->n; i++, path += strlen(path) + 1) {
                DealtWith *d = &more[p->n_dealt_with];

                *d = (DealtWith){ .path = strdup(path), .before = given };
                p->n_dealt_with += d->path != NULL;
        }
}

/* Where only (even) seconds are kept, it may have changed until their end. */
static usec_t changed_until(const struct stat *st) {
        usec_t at = timespec_load(&st->st_ctim);

        return st->st_ctim.tv_nsec == 0 ? usec_add(at, 2 * USEC_PER_SEC) : at;
}

static int look_at(const char *path, GuardedFind find, struct stat *ret) {
        _cleanup_close_ int fd = guarded_find(path, find);

        return fd < 0 ? fd : fstat(fd, ret) < 0 ? -errno : 0;
}

/* When it changed last, or what a link leads to; of what is gone, when something in its directory did. */
static usec_t changed_at(const char *path) {
        const char *slash = strrchr(path, '/');
        _cleanup_free_ char *directory = NULL;
        struct stat st;
        usec_t at;
        int r;

        r = look_at(path, GUARDED_FIND_LINK, &st);
        if (r >= 0) {
                at = changed_until(&st);
                if (!S_ISLNK(st.st_mode))
                        return at;
                return look_at(path, GUARDED_FIND_ALL, &st) >= 0 ? MAX(at, changed_until(&st)) : USEC_INFINITY;
        }
        if (r != -ENOENT || !slash)
                return USEC_INFINITY;
        directory = slash > path ? strndup(path, (size_t)(slash - path)) : strdup("/");
        return directory && look_at(directory, GUARDED_FIND_LINK, &st) >= 0 ? changed_until(&st) : USEC_INFINITY;
}

static bool is_known_to_be_dealt_with(JobPaths *p, const char *path) {
        const DealtWith wanted = { .path = (char *)path };
        usec_t before = 0;
        DealtWith *d;

        if (p->n_dealt_with == 0)
                return false;
        if (!p->is_sorted)
                qsort(p->dealt_with, p->n_dealt_with, sizeof(DealtWith), compare_dealt_with);
        p->is_sorted = true;
        d = bsearch(&wanted, p->dealt_with, p->n_dealt_with, sizeof(DealtWith), compare_dealt_with);
        while (d && d > p->dealt_with && streq(d[-1].path, path))
                d--;
        for (; d && d < p->dealt_with + p->n_dealt_with && streq(d->path, path); d++) {
                before = MAX(before, d->before);
                d->before = 0;
        }
        return before > 0 && changed_at(path) <= before;
}

static int paths_of_batch(RunPaths **ret, JobPaths *p, BatchRun *files, bool one) {
        size_t n = batch_run_size(files);
        _cleanup_(run_paths_freep) RunPaths *rp = run_paths_new(&p->trigger->base);
        char *end;

        assert(n > 0);
        if (!rp)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++)
                rp->size += batch_run_file(files, i).length + 1;
        rp->list = end = malloc(rp->size);
        if (!rp->list)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++) {
                BatchFile f = batch_run_file(files, i);

                if (is_known_to_be_dealt_with(p, f.path))
                        continue;
                memcpy(end, f.path, f.length + 1);
                end += f.length + 1;
                rp->n++;
        }
        assert((size_t)(end - rp->list) <= rp->size);
        rp->size = (size_t)(end - rp->list);
        rp->one = one;
        rp->batch = files;
        *ret = TAKE_PTR(rp);
        return 0;
}

static void recheck_conditions(const JobPaths *p) {
        for (size_t i = 0; i < p->n_watches; i++)
                if (p->watches[i].watch)
                        watch_recheck(p->watches[i].watch);
}

static int run_batch(JobPaths *p, BatchRun *files, usec_t now) {
        _cleanup_(run_paths_freep) RunPaths *rp = NULL;
        int r;

        r = paths_of_batch(&rp, p, files, path_def_gives_one(p->job->def->rare->path_trigger));
        if (r >= 0 && rp->n > 0)
                r = request_run(p, &rp);
        if (r <= 0)
                batch_done(p->batch, files, r == 0 ? BATCH_FORGET : BATCH_AGAIN, now);
        if (r == 0)
                recheck_conditions(p); /* one that holds on has nothing to report by itself */
        return r < 0 ? r : 1;
}

/* 1: something was taken, and perhaps more can be; 0: there is nothing to take. */
static int take(JobPaths *p, usec_t now) {
        _cleanup_(run_paths_freep) RunPaths *item = NULL;
        BatchRun *files;
        int r;

        if (!is_spool(p->job->def)) {
                r = batch_take(p->batch, now, &files);
                return r <= 0 ? r : run_batch(p, files, now);
        }
        r = spools_take(p, now, &item);
        if (r <= 0 || !item)
                return r;
        assert(item->spool && item->n == 1);
        r = request_run(p, &item);
        if (r == 0) /* somebody has asked to skip it: it is not deleted for that */
                spools_give_up(p, item);
        if (r < 0)
                spools_take_again(p, item);
        return r < 0 ? r : 1;
}

/* --- by hand --- */

static int list_new(RunPaths **ret, const JobPaths *p, const char *files, size_t size) {
        _cleanup_(run_paths_freep) RunPaths *rp = run_paths_new(&p->trigger->base);

        if (!rp || run_paths_set_list(rp, files, size) < 0)
                return -ENOMEM;
        rp->base.is_empty = size == 0;
        *ret = TAKE_PTR(rp);
        return 0;
}

typedef struct FileList {
        FILE *stream;
        size_t n;
} FileList;

static int add_file(const char *path, size_t n, void *userdata) {
        FileList *l = userdata;

        if (l->n++ >= RUN_FILES_MAX)
                return -EFBIG;
        return fwrite(path, 1, n + 1, l->stream) == n + 1 ? 0 : -ENOMEM;
}

/* All that the job watches, as `vaktctl plan` lists it. */
static int list_watched(const JobPaths *p, RunPaths **ret) {
        _cleanup_free_ char *bytes = NULL;
        FileList l = {};
        uint64_t most;
        size_t size;
        int r;

        l.stream = open_memstream(&bytes, &size);
        if (!l.stream)
                return -ENOMEM;
        r = path_view_plan(&p->trigger->base, p->job, add_file, &l, &most);
        if (fclose(l.stream) != 0)
                r = -ENOMEM;
        return r < 0 ? r : list_new(ret, p, bytes, size);
}

/* Never an empty $VAKT_PATH, which a command line would take for something else. */
static int paths_by_hand(JobPaths *p, const RunRequest *request, RunPaths **ret) {
        const Job *job = p->job;
        int r;

        if (!path_def_gives_one(job->def->rare->path_trigger))
                return request->n_files > 0 ? list_new(ret, p, request->files, request->files_size)
                                            : list_watched(p, ret);
        if (request->n_files != 1)
                return request->n_files == 0 ? -EDESTADDRREQ : -E2BIG;
        if (is_spool(job->def))
                return spools_take_file(p, request->files, ret);
        r = list_new(ret, p, request->files, request->files_size);
        if (r >= 0)
                (*ret)->one = true;
        return r;
}

int path_runs_by_hand(Trigger *base, Job *job, const RunRequest *request, uint64_t *ret_id) {
        _cleanup_(run_paths_freep) RunPaths *rp = NULL;
        JobPaths *p = trigger_get(base, job);
        RunPayload *payload;
        int r;

        if (!job->def->rare->path_trigger || job->def->rare->unit)
                return 0;
        if (!p)
                return -EAGAIN;
        r = paths_by_hand(p, request, &rp);
        if (r < 0)
                return r;
        payload = &rp->base;
        r = runs_request(base->manager, job, request, &payload, ret_id);
        if (r > 0)
                rp = NULL;
        else if (rp->spool)
                spools_put_back(p, rp);
        return r < 0 ? r : 1;
}

/* --- the limit --- */

static void report_limit(JobPaths *p, usec_t now) {
        LogContext c = { .job = p->job->name, .message_id = MESSAGE_PATH_LIMITED };
        usec_t until, delay;
        bool limited = batch_is_limited(p->batch, now, &until, &delay);
        char wait[SPAN_TEXT_MAX];

        if (limited && !p->was_limited) {
                log_message(LOG_WARNING, &c,
                            "Files change faster than TriggerLimitBurst= allows, perhaps because the job changes what "
                            "it watches; nothing is lost, the next run starts in %s.",
                            span_format(wait, usec_sub(until, now), USEC_PER_MSEC));
                manager_job_changed(p->trigger->base.manager, p->job);
        }
        if (limited != p->was_limited && (limited || batch_n_waiting(p->batch) == 0))
                p->was_limited = limited;
}

/* --- the turn of a job --- */

void path_runs_pump(JobPaths *p) {
        Manager *m = p->trigger->base.manager;
        Instant clocks = turn_now(p->trigger->base.event);
        usec_t now = clocks.boottime, due, allowed = 0, next;
        const JobDef *def = p->job->def;
        unsigned n = 0;
        int r = 0;

        assert(job_may_run(p->job) && def->rare->path_trigger);
        if (def->overlap == OVERLAP_REPLACE && !def->rare->path_trigger->each && batch_next(p->batch, now) == 0)
                runs_preempt(&p->trigger->base, p->job,
                             "It was replaced by a run for files that changed meanwhile (Overlap=replace).");
        spools_keep_open(p, true);
        while ((due = is_spool(def) && spools_have_ready(p) ? 0 : batch_next(p->batch, now)) == 0 &&
               (allowed = MAX(p->not_before, runs_allowed(m, p->job, RUN_CAUSE_PATH, clocks))) <= now &&
               n < RUNS_PER_TURN && (r = take(p, now)) > 0)
                n++;
        spools_keep_open(p, false);
        if (r < 0)
                allowed = p->not_before = MAX(p->not_before, usec_add(now, AGAIN_USEC));
        paths_hold(p);
        report_limit(p, now);
        next = MAX(due, allowed > now ? allowed : 0);
        if (next == 0)
                paths_mark_ready(p);
        if (is_spool(def))
                next = MIN(next, spools_reopen(p, now));
        deadline_set(m, &p->deadline, next > 0 ? next : USEC_INFINITY);
        if (n == 0)
                return;
        /* In the transaction of the runs, so that a crash makes none of these files news again: they wait no longer,
         * even where nothing else has changed. */
        paths_mark_dirty(p, now);
        if (p->save_not_before <= now)
                path_store_save(p, /* all= */ false);
}

/* --- what comes after --- */

void path_runs_adopt(JobPaths *p, const LiveRun *run) {
        RunPaths *rp = run_paths(p->trigger, run);
        LogContext c = { .job = p->job->name, .run = run_record(run)->id };
        int r;

        if (!rp || rp->spool || rp->batch)
                return;
        r = batch_adopt(p->batch, rp->list, rp->size, paths_now(p), &rp->batch);
        if (r < 0)
                log_message(LOG_WARNING, &c, "Cannot reserve the files of the run while it is active: %s.",
                            strerror(-r));
}

/* What was never begun, was ended so that newer files are dealt with, too, or was cut off with the machine, is not
 * dealt with. */
static void end_batch(const PathTrigger *t, JobPaths *p, LiveRun *run, RunPaths *rp, usec_t now) {
        const RunRecord *record = run_record(run);
        RunResult result = record->result;
        bool dealt_with = !run_returns_payload(run) && result != RUN_RESULT_SKIPPED && result != RUN_RESULT_LOST &&
                          !(result == RUN_RESULT_CANCELLED && manager_is_stopping(t->base.manager));
        const char *end = rp->list + rp->size;

        assert(!rp->spool);
        if (p && rp->batch)
                batch_done(p->batch, rp->batch, dealt_with ? BATCH_FORGET : BATCH_AGAIN, now);
        else if (p && !dealt_with) /* they were not in the batch */
                for (const char *path = rp->list; path < end; path += strlen(path) + 1)
                        (void)batch_add(p->batch, path, strlen(path), NULL, WATCH_CLOSE, now);
        if (!dealt_with) {
                /* The run is forgotten in this turn, and the batch is written some time later: in between they stand
                 * by themselves. */
                path_store_put_waiting(t, run);
                if (p)
                        p->has_waiting = true;
        }
        if (p && dealt_with && rp->is_found && record->cause != RUN_CAUSE_MANUAL)
                note_dealt_with(p, rp, record->requested);
        rp->batch = NULL;
}

bool path_runs_ended(Trigger *base, LiveRun *run) {
        PathTrigger *t = (PathTrigger *)base;
        JobPaths *p = trigger_get(base, run_job(run));
        usec_t now = turn_now(base->event).boottime;
        RunPaths *rp = run_paths(t, run);
        bool is_kept = false;

        if (rp && rp->spool)
                is_kept = spools_run_ended(t, run);
        else if (rp)
                end_batch(t, p, run, rp, now);
        if (!p || manager_is_stopping(base->manager))
                return is_kept;
        if (run_returns_payload(run) && run_record(run)->result == RUN_RESULT_START_FAILED)
                p->not_before = usec_add(now, SHORT_USEC);
        recheck_conditions(p);
        if (batch_n_waiting(p->batch) > 0 || p->is_held || is_spool(p->def)) /* else there is nothing to ask for */
                paths_mark_ready(p);
        return is_kept;
}
