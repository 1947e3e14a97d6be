/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What path triggers know, for people: what is watched and how well, what would be matched now, and where a single
 * file stands. */

#include "trigger/path-view.h"

#include <assert.h>
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>

#include "time/span.h"

/* --- watches --- */

static const char *state_of(const PathWatch *pw) {
        if (!pw->watch || pw->spool_error < 0)
                return watch_state_to_string(WATCH_DEGRADED);
        return watch_state_to_string(watch_state(pw->watch));
}

static bool is_well(const PathWatch *pw) {
        return pw->watch && pw->spool_error >= 0 && watch_state(pw->watch) == WATCH_ACTIVE;
}

/* What is wrong with the line, or how it is watched. The caller frees it. */
static char *message_of(const PathWatch *pw) {
        _cleanup_free_ char *words = NULL;
        char *text = NULL;
        size_t n;

        if (!pw->watch) {
                if (asprintf(&text, "It is not watched: %s. Fix this and reload vaktd.", strerror(-pw->error)) < 0)
                        return NULL;
                return text;
        }
        if (pw->spool_error < 0) {
                if (asprintf(&text, "Its items cannot be claimed: %s. vaktd checks again every few seconds.",
                             pw->spool_problem ?: strerror(-pw->spool_error)) < 0)
                        return NULL;
                return text;
        }
        if (watch_explain(pw->watch, &words) < 0)
                return NULL;
        words[0] = (char)toupper((unsigned char)words[0]);
        n = strlen(words);
        return asprintf(&text, "%s%s", words, n > 0 && words[n - 1] != '.' ? "." : "") < 0 ? NULL : text;
}

int path_view_list(Trigger *base, const Job *job, TriggerVisit visit, void *userdata) {
        const JobPaths *p = trigger_get(base, job);
        const PathDef *d = !p && job->def ? job->def->rare->path_trigger : NULL;
        int r = 0;

        for (size_t i = 0; d && i < d->n_sources && r >= 0; i++)
                r = visit(path_kind_to_string(d->sources[i].kind), d->sources[i].path, "", "", userdata);
        for (size_t i = 0; p && i < p->n_watches && r >= 0; i++) {
                const PathWatch *pw = &p->watches[i];
                _cleanup_free_ char *message = is_well(pw) ? NULL : message_of(pw);

                r = visit(path_kind_to_string(pw->source->kind), pw->source->path, state_of(pw), strempty(message),
                          userdata);
        }
        return r;
}

/* --- numbers --- */

static void add_counters(WatchCounters *sum, const WatchCounters *c) {
        sum->rescans += c->rescans;
        sum->synthetic += c->synthetic;
        sum->duplicates += c->duplicates;
        sum->reported += c->reported;
        sum->waiting += c->waiting;
        sum->directories += c->directories;
        sum->files += c->files;
        sum->polled_directories += c->polled_directories;
        sum->model_bytes += c->model_bytes;
        /* Of the one queue of the kernel, which all share. */
        sum->events = c->events;
        sum->merged = c->merged;
        sum->overflows = c->overflows;
        sum->watches = c->watches;
        sum->marks = c->marks;
        sum->others = c->others;
}

static size_t count_failed(const JobPaths *p) {
        size_t n = 0;

        for (size_t i = 0; i < p->n_watches; i++)
                n += p->watches[i].n_failed;
        return n;
}

int path_view_count(Trigger *base, const Job *job, CounterVisit visit, void *userdata) {
        const JobPaths *p = trigger_get(base, job);
        WatchCounters sum = {};
        int r = 0;

        if (!p)
                return 0;
        for (size_t i = 0; i < p->n_watches; i++)
                if (p->watches[i].watch) {
                        WatchCounters c = watch_counters(p->watches[i].watch);

                        add_counters(&sum, &c);
                }
        const struct {
                const char *name;
                uint64_t value;
        } numbers[] = {
                { "events", sum.events },
                { "merged", sum.merged },
                { "overflows", sum.overflows },
                { "rescans", sum.rescans },
                { "synthetic", sum.synthetic },
                { "duplicates", sum.duplicates },
                { "reported", sum.reported },
                { "watches", sum.watches },
                { "marks", sum.marks },
                { "others", sum.others },
                { "looking", sum.waiting },
                { "directories", sum.directories },
                { "files", sum.files },
                { "polled-directories", sum.polled_directories },
                { "model-bytes", sum.model_bytes },
                { "waiting", batch_n_waiting(p->batch) },
                { "running", batch_n_running(p->batch) },
                { "failed-items", count_failed(p) },
        };

        for (size_t i = 0; i < ELEMENTSOF(numbers) && r >= 0; i++)
                r = visit(numbers[i].name, numbers[i].value, userdata);
        return r;
}

/* --- what would be matched --- */

typedef struct Plan {
        const PathSource *source;
        PlanVisit visit;
        void *userdata;
} Plan;

static int plan_one(const char *path, size_t n, WatchFile kind, void *userdata) {
        const Plan *plan = userdata;
        _cleanup_free_ char *whole = NULL;
        size_t length;

        if (plan->source->kind == PATH_SPOOL && kind != WATCH_FILE_REGULAR)
                return 0;
        whole = path_absolute(plan->source, path, n, &length);
        return whole ? plan->visit(whole, length, plan->userdata) : -ENOMEM;
}

int path_view_plan(Trigger *base, const Job *job, PlanVisit visit, void *userdata, uint64_t *ret_most) {
        const JobPaths *p = trigger_get(base, job);
        int r = 0;

        *ret_most = 0;
        for (size_t i = 0; p && i < p->n_watches; i++) {
                Plan plan = { .source = p->watches[i].source, .visit = visit, .userdata = userdata };
                const Watch *w = p->watches[i].watch;

                *ret_most += w ? watch_n_files(w) : 0;
                if (w && r == 0)
                        r = watch_visit(p->watches[i].watch, plan_one, &plan);
        }
        return r;
}

/* --- one file --- */

typedef struct Telling {
        const JobPaths *paths;
        const Job *job;
        const char *path; /* absolute */
        size_t n;
        ExplainVisit visit;
        void *userdata;
} Telling;

#define tell(t, ...) explain_tell((t)->visit, (t)->userdata, __VA_ARGS__)

/* Which line of [Path] covers it, or why one that could does not. */
static int tell_cover(const Telling *t, const PathWatch *pw, bool *covered) {
        const PathDef *d = pw->paths->def->rare->path_trigger;
        const char *rest = path_below(pw->source->path, t->path), *key = path_kind_to_string(pw->source->kind);
        size_t n = rest ? strlen(rest) : 0;
        bool deep = rest && strchr(rest, '/');

        if (!rest)
                return 0;
        if (deep && (!d->recursive || pw->source->kind == PATH_SPOOL))
                return tell(t, "filter", "%s=%s does not include subdirectories%s.", key, pw->source->path,
                            pw->source->kind == PATH_SPOOL ? "" : "; use Recursive=yes");
        if (n > 0 && path_filter_has_excluded_directory(d->filter, rest, n))
                return tell(t, "filter", "It is in a directory that Exclude= excludes from %s=%s.", key,
                            pw->source->path);
        if (n > 0 && !path_filter_matches(d->filter, rest, n, /* is_directory= */ false))
                return tell(t, "filter", "Include= and Exclude= exclude it from %s=%s.", key, pw->source->path);
        *covered = true;
        return tell(t, "watch", "%s=%s covers it and is %s.", key, pw->source->path, state_of(pw));
}

/* The spool in which it lies for good, since it is nothing to be worked on. */
static const PathWatch *find_spool_that_leaves(const Telling *t) {
        const JobPaths *p = t->paths;

        for (size_t i = 0; i < p->n_watches; i++) {
                const PathWatch *pw = &p->watches[i];
                const char *rest = path_below(pw->source->path, t->path);
                WatchFile kind = rest && pw->watch ? watch_find(pw->watch, rest) : WATCH_FILE_NONE;

                if (pw->source->kind == PATH_SPOOL && (kind == WATCH_FILE_DIRECTORY || kind == WATCH_FILE_OTHER))
                        return pw;
        }
        return NULL;
}

/* " (close, attrib)"; of a condition nothing. */
static void format_events(unsigned events, char *buf, size_t size) {
        size_t used = 0;

        for (unsigned bit = 1; bit < WATCH_ALL && used < size; bit <<= 1)
                if (events & bit)
                        used += (size_t)snprintf(buf + used, size - used, "%s%s", used > 0 ? ", " : " (",
                                                 watch_event_to_string(bit));
        (void)snprintf(buf + used, size - used, "%s", used > 0 ? ")" : "");
}

static bool batch_run_has(const BatchRun *files, const char *path, size_t n) {
        for (size_t i = 0; i < batch_run_size(files); i++) {
                BatchFile f = batch_run_file(files, i);

                if (f.length == n && memcmp(f.path, path, n) == 0)
                        return true;
        }
        return false;
}

/* The run that has the file: in its batch, or as the item that it was before it was claimed. */
static const LiveRun *run_with(const Telling *t) {
        for (const LiveRun *run = runs_next(t->job, NULL); run; run = runs_next(t->job, run)) {
                const RunPaths *rp = run_paths(t->paths->trigger, run);
                const char *rest = rp && rp->spool ? path_below(rp->spool, t->path) : NULL;

                if (rp && rp->batch && batch_run_has(rp->batch, t->path, t->n))
                        return run;
                if ((rest && streq(rest, rp->item.name)) || (rp && rp->spool && streq(rp->list, t->path)))
                        return run;
        }
        return NULL;
}

static int tell_run(const Telling *t, const RunRecord *run, bool changed_since) {
        int r;

        r = tell(t, "run", "It is in run %" PRIu64 ", which is %s%s.", run->id, run_state_to_string(run->state),
                 run->attempt > 1 ? " (a retry)" : "");
        if (r >= 0 && changed_since)
                r = tell(t, "run", "It has changed since then, and will be in a later run, too.");
        return r;
}

static int tell_waiting(const Telling *t, const BatchView *v, usec_t now) {
        char events[128], ago[SPAN_TEXT_MAX], wait[SPAN_TEXT_MAX];
        usec_t until;
        int r;

        format_events(v->file.events, events, sizeof(events));
        r = tell(t, "seen", "Last change noticed %s ago%s.",
                 span_format(ago, usec_sub(now, v->file.last), USEC_PER_MSEC), events);
        if (r < 0)
                return r;
        if (v->state == BATCH_FILE_SETTLING)
                return tell(t, "settle", "%s change for another %s (SettleSec=).",
                            t->job->def->rare->path_trigger->each ? "It must not" : "No watched file may",
                            span_format(wait, usec_sub(v->until, now), USEC_PER_MSEC));
        if (batch_is_limited(t->paths->batch, now, &until, NULL))
                return tell(t, "limit",
                            "Runs were requested faster than TriggerLimitBurst= allows; the next one starts in %s.",
                            span_format(wait, usec_sub(until, now), USEC_PER_MSEC));
        if (t->job->paused)
                return tell(t, "paused", "It waits until the job is resumed.");
        return tell(t, "queue", "It waits for the job's next run.");
}

static int tell_place(const Telling *t) {
        usec_t now = paths_now(t->paths);
        const LiveRun *run = run_with(t);
        BatchView v = {};
        bool known = batch_find(t->paths->batch, t->path, t->n, now, &v);

        assert(t->path);
        if (run)
                return tell_run(t, run_record(run), known && v.state == BATCH_FILE_RUNNING_AGAIN);
        if (known)
                return tell_waiting(t, &v, now);
        return tell(t, "seen", "No change of it is waiting for a run.");
}

/* --- the job --- */

static int tell_batch(const Telling *t) {
        const Batch *b = t->paths->batch;
        size_t n_waiting = batch_n_waiting(b), n_running = batch_n_running(b);
        usec_t now = paths_now(t->paths), until, next = batch_next(b, now);
        char wait[SPAN_TEXT_MAX];
        int r = 0;

        if (n_running > 0)
                r = tell(t, "files", "%zu file%s in runs.", n_running, n_running == 1 ? " is" : "s are");
        if (r < 0 || n_waiting == 0)
                return r;
        if (batch_is_limited(b, now, &until, NULL))
                return tell(t, "limit",
                            "%zu file%s for a run, but runs were requested faster than TriggerLimitBurst= allows: the "
                            "next one starts in %s. Perhaps the job changes what it watches.",
                            n_waiting, n_waiting == 1 ? " waits" : "s wait",
                            span_format(wait, usec_sub(until, now), USEC_PER_MSEC));
        if (next > 0 && next < USEC_INFINITY)
                return tell(t, "files", "%zu file%s; %s for another %s (SettleSec=).", n_waiting,
                            n_waiting == 1 ? " waits" : "s wait",
                            t->job->def->rare->path_trigger->each ? "the first one must not change"
                                                                  : "no watched file may change",
                            span_format(wait, next - now, USEC_PER_MSEC));
        return tell(t, "files", "%zu file%s for the job's next run.", n_waiting, n_waiting == 1 ? " waits" : "s wait");
}

static int tell_job(const Telling *t) {
        int r = 0;

        if (t->job->def->n_triggers == 0)
                r = tell(t, "path", "It runs when files change, or on request.");
        for (size_t i = 0; t->paths && i < t->paths->n_watches && r >= 0; i++) {
                const PathWatch *pw = &t->paths->watches[i];
                _cleanup_free_ char *message = is_well(pw) ? NULL : message_of(pw);

                if (!is_well(pw)) /* there may be a thousand that are */
                        r = tell(t, "watch", "%s=%s is %s. %s", path_kind_to_string(pw->source->kind),
                                 pw->source->path, state_of(pw), strempty(message));
        }
        return r < 0 || !t->paths ? r : tell_batch(t);
}

static int tell_file(const Telling *t) {
        const PathWatch *leaves = find_spool_that_leaves(t);
        const JobPaths *p = t->paths;
        bool covered = false;
        int r = 0;

        if (leaves)
                return tell(t, "filter", "It is not a regular file, so Spool=%s leaves it alone.",
                            leaves->source->path);
        for (size_t i = 0; i < p->n_watches && r >= 0; i++)
                r = tell_cover(t, &p->watches[i], &covered);
        if (r >= 0 && !covered)
                r = tell(t, "watch", "No line of the [Path] section covers this path.");
        return r < 0 ? r : tell_place(t);
}

int path_view_explain(Trigger *base, const Job *job, const char *file, size_t n, ExplainVisit visit, void *userdata) {
        Telling t = {
                .paths = trigger_get(base, job),
                .job = job,
                .path = file,
                .n = n,
                .visit = visit,
                .userdata = userdata,
        };
        int r;

        if (!job->def || !job->def->rare->path_trigger || (file && !t.paths))
                return 0;
        r = file ? tell_file(&t) : tell_job(&t);
        return r < 0 ? r : 1;
}
