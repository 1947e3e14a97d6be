/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The watches of jobs with a section [Path]: made, kept over reloads that do not concern them, and the changes that
 * they report put into the job's batch. From there on see path-runs.c. */

#include <assert.h>
#include <stdio.h>

#include "fs/guarded.h"
#include "systemd/unit-name.h"
#include "trigger/path-runs.h"
#include "trigger/path-spool.h"
#include "trigger/path-store.h"
#include "trigger/path-user.h"
#include "trigger/path-view.h"
#include "util/log-messages.h"
#include "util/log.h"
#include "util/strv.h"
#include "util/turn.h"

#define BEGIN_MAX (20 * USEC_PER_MSEC) /* of a turn, for the first look of new watches */

/* --- who is to be looked at --- */

static void look_at_ready(PathTrigger *t, JobPaths *p) {
        assert(p->is_ready);
        TAILQ_REMOVE(&t->ready, p, ready);
        p->is_ready = false;
        path_runs_pump(p);
        (void)sd_event_source_set_enabled(t->ready_source, TAILQ_EMPTY(&t->ready) ? SD_EVENT_OFF : SD_EVENT_ONESHOT);
}

/* One job a turn: others are to be heard in between. */
static int on_ready(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        PathTrigger *t = userdata;

        if (!TAILQ_EMPTY(&t->ready))
                look_at_ready(t, TAILQ_FIRST(&t->ready));
        return 0;
}

/* For the items whose runs have ended there is room for others, which are claimed while their spool is open. */
static void paths_written(Trigger *base) {
        PathTrigger *t = (PathTrigger *)base;
        JobPaths *p = spools_settle(t);

        if (p && p->is_ready)
                look_at_ready(t, p);
        spools_keep_open(p, false);
}

/* The first one is looked at in the turn in which its files changed, unless more of them are on their way. */
static void on_worked(void *userdata, bool is_busy) {
        PathTrigger *t = userdata;

        if (is_busy && !TAILQ_EMPTY(&t->ready))
                (void)sd_event_source_set_enabled(t->ready_source, SD_EVENT_ONESHOT);
        else
                (void)on_ready(t->ready_source, /* fd= */ -EBADF, /* revents= */ 0, t);
}

static void on_due(Manager *m, Deadline *d) {
        paths_mark_ready((JobPaths *)d);
}

static void on_save(Manager *m, Deadline *d) {
        path_store_save((JobPaths *)(void *)((char *)d - offsetof(JobPaths, saving)), /* all= */ false);
}

/* --- changes --- */

static void report_lost_change(JobPaths *p, const char *path, int error) {
        LogContext c = { .job = p->job->name, .error = -error };

        if (p->has_lost)
                return;
        p->has_lost = true;
        log_message(LOG_ERR, &c,
                    "%s changed, but this cannot be recorded: %s. Restart vaktd when there is more memory, so that "
                    "everything "
                    "is compared with what was known before.",
                    path, strerror(-error));
}

/* The unit that a control group belongs to: what follows the slices, or "". Who manages units of his own has them
 * below one of ours, under whatever name. (No directory has a name that is too long.) */
static void unit_of_cgroup(const char *cgroup, char ret[static UNIT_NAME_MAX + 1]) {
        size_t n;

        do {
                cgroup += *cgroup == '/';
                n = strcspn(cgroup, "/");
                (void)snprintf(ret, UNIT_NAME_MAX + 1, "%.*s", (int)n, cgroup);
                cgroup += n;
        } while (streq_ptr(strrchr(ret, '.'), ".slice"));
}

/* Who wrote it is known with fanotify only, and then the service manager's word is: vakt-JOB-RUN.service. */
static bool is_own_change(const JobPaths *p, const Change *change) {
        char unit[UNIT_NAME_MAX + 1], job[JOB_NAME_MAX + 1];
        uint64_t id;

        if (!change->cgroup)
                return false;
        unit_of_cgroup(change->cgroup, unit);
        return (unit_name_parse(unit, job, &id) || unit_name_parse_runner(unit, job, &id)) && streq(job, p->job->name);
}

static void on_changed(void *userdata, Watch *w, const Change *change) {
        PathWatch *pw = userdata;
        JobPaths *p = pw->paths;
        usec_t now = paths_now(p);
        _cleanup_free_ char *path = NULL, *from = NULL;
        size_t n, n_from;
        int r = -ENOMEM;

        path = path_absolute(pw->source, change->path, change->length, &n);
        if (change->from)
                from = path_absolute(pw->source, change->from, strlen(change->from), &n_from);
        if (path && (from || !change->from))
                r = is_own_change(p, change) ? batch_add_own(p->batch, path, n, from, now)
                                             : batch_add(p->batch, path, n, from, change->events, now);
        if (r < 0)
                report_lost_change(p, change->path, r);
        paths_hold(p);
        paths_mark_dirty(p, now);
        paths_mark_ready(p);
}

/* What the job did itself may have been to move it: then it waits on until it is heard of under its new name. */
static void on_gone(void *userdata, Watch *w, const Change *change) {
        PathWatch *pw = userdata;
        JobPaths *p = pw->paths;
        _cleanup_free_ char *path = NULL;
        size_t n;

        if (is_own_change(p, change))
                return;
        path = path_absolute(pw->source, change->path, change->length, &n);
        if (path && batch_remove(p->batch, path, n))
                paths_mark_dirty(p, paths_now(p));
}

/* A spool can be worked on while it is there. When the first look is over, people rely on being told what changes, so
 * there must be something to compare with whenever we die. (With fanotify the state comes before the look does: then
 * it is written a little later.) */
static void on_state_changed(void *userdata, Watch *w) {
        PathWatch *pw = userdata;
        WatchState state = watch_state(w);
        usec_t now = paths_now(pw->paths);

        if (pw->source->kind == PATH_SPOOL && (state == WATCH_ACTIVE || state == WATCH_DEGRADED))
                spools_open(pw);
        else if (pw->source->kind == PATH_SPOOL && state == WATCH_WAITING)
                spools_close(pw);
        paths_mark_dirty(pw->paths, now);
        if (!pw->has_started && state != WATCH_STARTING) {
                pw->has_started = true;
                path_store_save(pw->paths, /* all= */ false);
        }
        paths_mark_dirty(pw->paths, now);
        paths_mark_ready(pw->paths);
        manager_job_changed(pw->paths->trigger->base.manager, pw->paths->job);
}

/* --- the watch of a line --- */

/* A directory is seen as a tree where it is to be searched or sifted, else as systemd.path(5) sees it. */
static bool wants_tree(const PathDef *d, const PathSource *s) {
        return s->kind == PATH_SPOOL || ((s->kind == PATH_CHANGED || s->kind == PATH_MODIFIED) &&
                                         (d->recursive || d->filter || d->events != 0));
}

static unsigned events_of(const PathDef *d, const PathSource *s) {
        if (s->kind == PATH_SPOOL)
                return WATCH_COMPLETE;
        if (d->events != 0)
                return d->events;
        return WATCH_COMPLETE | WATCH_DELETE | WATCH_ATTRIB | (s->kind == PATH_MODIFIED ? WATCH_WRITE : 0);
}

static WatchDef watch_def(const PathDef *d, const PathSource *s) {
        static const WatchKind kinds[_PATH_KIND_MAX] = {
                [PATH_EXISTS] = WATCH_PATH_EXISTS,
                [PATH_EXISTS_GLOB] = WATCH_PATH_EXISTS_GLOB,
                [PATH_CHANGED] = WATCH_PATH_CHANGED,
                [PATH_MODIFIED] = WATCH_PATH_MODIFIED,
                [PATH_DIRECTORY_NOT_EMPTY] = WATCH_DIRECTORY_NOT_EMPTY,
                [PATH_SPOOL] = WATCH_TREE,
        };

        return (WatchDef){
                .kind = wants_tree(d, s) ? WATCH_TREE : kinds[s->kind],
                .path = s->path,
                .filter = d->filter,
                .events = events_of(d, s),
                .recursive = d->recursive && s->kind != PATH_SPOOL,
                .cross_mounts = d->cross_mounts,
                .report_existing = s->kind == PATH_SPOOL,
                .backend = d->backend,
                .poll_min = path_kind_is_condition(s->kind) ? d->poll : MIN(d->poll, WATCH_POLL_MIN),
                .poll_max = d->poll,
        };
}

/* Says how the watch sees things, too: seen otherwise, there is nothing to compare with. */
static int set_key(PathWatch *pw, const WatchDef *def) {
        if (pw->source->kind != PATH_CHANGED && pw->source->kind != PATH_MODIFIED)
                return 0; /* conditions have nothing to remember; what lies in a spool is new */
        return string_format(&pw->key, "%s=%s%s%s%s", path_kind_to_string(pw->source->kind), pw->source->path,
                             def->kind == WATCH_TREE ? " tree" : "", def->recursive ? " recursive" : "",
                             def->cross_mounts ? " mounts" : "");
}

/* As systemd.path(5): of what may be there or not, nothing is made. */
static void make_directory(const PathDef *d, const PathWatch *pw) {
        LogContext c = { .job = pw->paths->job->name };
        _cleanup_free_ char *problem = NULL;

        if (!d->make_directory || pw->source->kind == PATH_EXISTS || pw->source->kind == PATH_EXISTS_GLOB)
                return;
        if (guarded_make(pw->source->path, d->directory_mode, &problem) < 0)
                log_message(LOG_WARNING, &c, "Cannot create %s (MakeDirectory=): %s; waiting until it exists.",
                            pw->source->path, strempty(problem));
}

static int open_watch(PathWatch *pw) {
        static const WatchOps ops = { .changed = on_changed, .gone = on_gone, .state_changed = on_state_changed };
        PathTrigger *t = pw->paths->trigger;
        const PathDef *d = pw->paths->def->rare->path_trigger;
        WatchDef def = watch_def(d, pw->source);
        int r;

        r = path_user_identity(pw->paths->def, pw->source, &pw->identity);
        def.identity = r > 0 ? &pw->identity : NULL;
        if (r >= 0 && !t->watcher)
                r = watcher_new(&t->watcher, t->base.event, on_worked, t);
        if (r >= 0)
                r = set_key(pw, &def);
        if (r < 0)
                return r;
        make_directory(d, pw);
        r = watch_new(&pw->watch, t->watcher, &def, &ops, pw);
        if (r < 0)
                return r;
        watch_hold(pw->watch, pw->paths->is_held);
        path_store_load(pw);
        return 0;
}

/* One that cannot be watched does not keep the others from it; the state of the job says so. */
static void add_watches(JobPaths *p) {
        const PathDef *d = p->def->rare->path_trigger;
        LogContext c = { .job = p->job->name };

        assert(!p->watches && p->n_watches == 0);
        p->watches = calloc(d->n_sources, sizeof(PathWatch));
        for (size_t i = 0; p->watches && i < d->n_sources; i++) {
                PathWatch *pw = &p->watches[p->n_watches++];

                *pw = (PathWatch){ .paths = p, .source = &d->sources[i] };
                pw->error = open_watch(pw);
                if (pw->error < 0)
                        log_message(LOG_ERR, &c, "Cannot watch %s: %s. Fix this and reload vaktd.", pw->source->path,
                                    strerror(-pw->error));
        }
        if (!p->watches)
                log_message(LOG_ERR, &c, "Not enough memory to watch its paths. Reload vaktd when there is more.");
}

/* A watch of some directories is there before the daemon is ready, or a reload is over; a large tree is when it is. */
static void begin_watches(JobPaths *p) {
        PathTrigger *t = p->trigger;
        usec_t turn = turn_now(t->base.event).monotonic;

        if (t->begin_turn != turn) {
                t->begin_turn = turn;
                t->begin_until = usec_add(usec_add(turn, turn_spent(t->base.event)), BEGIN_MAX);
        }
        for (size_t i = 0; i < p->n_watches; i++)
                if (p->watches[i].watch)
                        watch_begin(p->watches[i].watch, t->begin_until);
}

static void drop_watches(JobPaths *p) {
        for (size_t i = 0; i < p->n_watches; i++) {
                PathWatch *pw = &p->watches[i];

                spools_close(pw);
                watch_free(pw->watch);
                identity_done(&pw->identity);
                free(pw->spool_problem);
                free(pw->key);
        }
        p->watches = mfree(p->watches);
        p->n_watches = 0;
}

/* --- the path triggers of a job --- */

static BatchConfig batch_config(const JobDef *def) {
        const PathDef *d = def->rare->path_trigger;

        return (BatchConfig){
                .settle = d->settle,
                .settle_max = d->settle_max,
                .each = d->each,
                .files_max = path_def_gives_one(d) ? 1 : 0,
                .parallel = UINT32_MAX, /* how many runs go on is for the job's other settings to say */
                .limit_interval = d->limit_interval,
                .limit_burst = d->limit_burst,
        };
}

static void paths_free(JobPaths *p) {
        PathTrigger *t = p->trigger;

        for (LiveRun *run = runs_next(p->job, NULL); run; run = runs_next(p->job, run))
                if (run_paths(t, run))
                        run_paths(t, run)->batch = NULL;
        drop_watches(p);
        if (p->is_ready)
                TAILQ_REMOVE(&t->ready, p, ready);
        deadline_set(t->base.manager, &p->deadline, USEC_INFINITY);
        deadline_set(t->base.manager, &p->saving, USEC_INFINITY);
        trigger_unset(&t->base, p->job);
        batch_free(p->batch);
        for (size_t i = 0; i < p->n_dealt_with; i++)
                free(p->dealt_with[i].path);
        free(p->dealt_with);
        job_def_unref(p->def);
        free(p);
}

static JobPaths *paths_new(PathTrigger *t, Job *job) {
        BatchConfig config = batch_config(job->def);
        JobPaths *p = calloc(1, sizeof(*p));

        assert(!trigger_get(&t->base, job));
        if (!p || batch_new(&p->batch, &config) < 0) {
                free(p);
                return NULL;
        }
        p->trigger = t;
        p->job = job;
        p->def = job_def_ref(job->def);
        p->deadline = (Deadline){ .due = on_due, .position = HEAP_NONE };
        p->saving = (Deadline){ .due = on_save, .position = HEAP_NONE };
        trigger_set(&t->base, job, &p->kept, p);
        return p;
}

static void start_job(PathTrigger *t, Job *job) {
        LogContext c = { .job = job->name };
        JobPaths *p = paths_new(t, job);

        if (!p) {
                log_message(LOG_ERR, &c, "Not enough memory to watch its paths. Reload vaktd when there is more.");
                return;
        }
        path_store_load_waiting(p);
        for (LiveRun *run = runs_next(job, NULL); run; run = runs_next(job, run))
                path_runs_adopt(p, run);
        add_watches(p);
        paths_mark_dirty(p, paths_now(p));
        paths_mark_ready(p);
        begin_watches(p);
}

static bool has_key(const JobPaths *p, const char *key) {
        for (size_t i = 0; i < p->n_watches; i++)
                if (streq_ptr(p->watches[i].key, key))
                        return true;
        return false;
}

/* What was seen until now is written, and is what the new watches compare with. */
static void watch_anew(JobPaths *p) {
        _cleanup_(strv_freep) char **old = NULL;

        path_store_save(p, /* all= */ true);
        for (size_t i = 0; i < p->n_watches; i++)
                if (p->watches[i].key)
                        (void)strv_extend(&old, p->watches[i].key);
        drop_watches(p);
        job_def_unref(p->def);
        p->def = job_def_ref(p->job->def);
        add_watches(p);
        STRV_FOREACH(key, old) {
                if (!has_key(p, *key))
                        (void)ledger_forget(p->trigger->base.ledger, p->job->name, *key);
        }
        paths_mark_dirty(p, paths_now(p));
        begin_watches(p);
}

static bool has_failed_watch(const JobPaths *p) {
        for (size_t i = 0; i < p->n_watches; i++)
                if (p->watches[i].error < 0 || p->watches[i].spool_error < 0)
                        return true;
        return !p->watches;
}

static void renew_job(JobPaths *p) {
        BatchConfig config = batch_config(p->job->def);
        LogContext c = { .job = p->job->name };

        if (batch_set_config(p->batch, &config) < 0)
                log_message(LOG_ERR, &c,
                            "Not enough memory for its new path settings; the previous ones stay in use.");
        if (!path_def_watches_the_same(p->def->rare->path_trigger, p->job->def->rare->path_trigger) ||
            !path_user_is_same(p->def, p->job->def) || has_failed_watch(p))
                watch_anew(p);
        paths_mark_ready(p);
}

/* Its file is gone, has no [Path] any more, or disables it: further changes do not matter. */
static void paths_remove_job(Trigger *t, Job *job) {
        JobPaths *p = trigger_get(t, job);

        if (!p)
                return;
        for (size_t i = 0; i < p->n_watches; i++)
                spools_release(&p->watches[i]);
        path_store_forget(p);
        paths_free(p);
}

static int paths_set_job(Trigger *t, Job *job) {
        bool wanted = !job->gone && job->def && job->def->enabled && job->def->rare->path_trigger;

        if (!wanted)
                paths_remove_job(t, job);
        else if (trigger_get(t, job))
                renew_job(trigger_get(t, job));
        else
                start_job((PathTrigger *)t, job);
        return 0;
}

static void paths_pause_changed(Trigger *t, Job *job) {
        JobPaths *p = trigger_get(t, job);

        if (p && !job->paused)
                paths_mark_ready(p);
}

/* --- all of them --- */

#define FOREACH_JOB_PATHS(t, p)                                                    \
        for (size_t _j = 0; _j < job_table_size(manager_jobs((t)->manager)); _j++) \
                for (JobPaths *p = trigger_get(t, job_table_at(manager_jobs((t)->manager), _j)); p; p = NULL)

static void on_settle_again(Manager *m, Deadline *d) {
        manager_notify_written(m);
}

static int paths_init(Trigger *base) {
        PathTrigger *t = (PathTrigger *)base;

        TAILQ_INIT(&t->ready);
        TAILQ_INIT(&t->spool_ends);
        t->settling = (Deadline){ .due = on_settle_again, .position = HEAP_NONE };
        return event_add_turn(base->event, &t->ready_source, "paths-ready", on_ready, t);
}

static int paths_start(Trigger *t) {
        JobTable *jobs = manager_jobs(t->manager);

        ((PathTrigger *)t)->is_started = true;
        for (size_t i = 0; i < job_table_size(jobs); i++)
                (void)paths_set_job(t, job_table_at(jobs, i));
        return 0;
}

static void paths_reload(Trigger *t) {
        FOREACH_JOB_PATHS(t, p)
                if (has_failed_watch(p))
                        (void)paths_set_job(t, p->job);
}

static void paths_hold_all(Trigger *t, bool hold) {
        if (hold)
                return;
        FOREACH_JOB_PATHS(t, p) {
                for (size_t i = 0; i < p->n_watches; i++)
                        if (p->watches[i].watch)
                                on_state_changed(&p->watches[i], p->watches[i].watch);
                paths_mark_ready(p);
        }
}

static void paths_flush(Trigger *t) {
        FOREACH_JOB_PATHS(t, p)
                path_store_save(p, /* all= */ true);
}

/* The ledger is closed by now. */
static void paths_done(Trigger *base) {
        PathTrigger *t = (PathTrigger *)base;
        SpoolEnd *end;

        FOREACH_JOB_PATHS(base, p)
                paths_free(p);
        while ((end = TAILQ_FIRST(&t->spool_ends)))
                spools_free_end(t, end);
        deadline_set(base->manager, &t->settling, USEC_INFINITY);
        t->watcher = watcher_free(t->watcher);
        t->ready_source = sd_event_source_disable_unref(t->ready_source);
}

static void describe(const RunPayload *payload, ExecutionRequest *request) {
        const RunPaths *rp = (const RunPaths *)payload;

        request->paths = rp->list;
        request->paths_size = rp->size;
        request->one_path = rp->one;
}

static RunPayload *free_payload(RunPayload *payload) {
        run_paths_free((RunPaths *)payload);
        return NULL;
}

/* Of a run that is over, its item waits to be put away still. One that was never begun says nothing of its item, which
 * is found where it is claimed. */
static bool restore(Trigger *base, LiveRun *run, const RunRecord *r, RunPayload *payload) {
        RunPaths *rp = (RunPaths *)payload;

        if (run) {
                JobPaths *p = trigger_get(base, run_job(run));

                spools_find_item(run, rp);
                if (p)
                        path_runs_adopt(p, run);
                return true;
        }
        if (!rp->spool || !r || r->result == RUN_RESULT_SKIPPED)
                return false;
        spools_add_end((PathTrigger *)base, r, NULL, rp);
        return true;
}

const TriggerOps path_trigger_ops = {
        .size = sizeof(PathTrigger),
        .init = paths_init,
        .done = paths_done,
        .start = paths_start,
        .hold = paths_hold_all,
        .reload = paths_reload,
        .written = paths_written,
        .flush = paths_flush,
        .set_job = paths_set_job,
        .remove_job = paths_remove_job,
        .pause_changed = paths_pause_changed,
        .request = path_runs_by_hand,
        .run_ended = path_runs_ended,
        .run_retried = spools_retry,
        .describe = describe,
        .pack = path_store_pack,
        .unpack = path_store_unpack,
        .recognize = path_store_recognize,
        .free_payload = free_payload,
        .restore = restore,
        .explain = path_view_explain,
        .list = path_view_list,
        .count = path_view_count,
        .plan = path_view_plan,
};
