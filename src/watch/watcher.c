/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The turns in which everything about files is done. Reading the kernel's queue takes microseconds, and what was read
 * is worked on in the same turn, so that one change is reported in the turn that hears of it. What is left then is
 * worked off in slices of WORK_SLICE, and in between the loop reads again and has a turn for everybody else. So a tree
 * of any size, or a storm of changes, delays neither other clients nor the reading.
 *
 * The mount table is watched for all: when it changes, every path is looked up again. */

#include "watch/watcher.h"

#include <sys/epoll.h>

#include "util/log.h"
#include "util/steps.h"
#include "util/string-table.h"
#include "util/turn.h"
#include "watch/path-condition.h"
#include "watch/tree.h"
#include "watch/watch-internal.h"

#define WORK_SLICE  (4 * USEC_PER_MSEC)
#define WORK_STEPS  20000U /* in one turn, whatever the clock says */
#define EVENTS_STEP 64U    /* names looked at between two looks at the clock */
#define REFUSED_TEXT                                                                                            \
        "%s contains a symbolic link that other users can change, which is not followed: use the path that it " \
        "leads "                                                                                                \
        "to, or set User= in [Service]"
#define REMOTE_TEXT                                                                                           \
        "a FUSE file system that another user than root has mounted is on the way to %s, and is not entered " \
        "because it may not answer: let root mount it"
#define CUT_TEXT                                                                                       \
        "there are so many names to search for %s that each scan gives up before the end: move files " \
        "away, or use a narrower pattern"

static const char *const kind_table[_WATCH_KIND_MAX] = {
        [WATCH_PATH_EXISTS] = "PathExists",
        [WATCH_PATH_EXISTS_GLOB] = "PathExistsGlob",
        [WATCH_DIRECTORY_NOT_EMPTY] = "DirectoryNotEmpty",
        [WATCH_PATH_CHANGED] = "PathChanged",
        [WATCH_PATH_MODIFIED] = "PathModified",
        [WATCH_TREE] = "Tree",
};

static const char *const state_table[_WATCH_STATE_MAX] = {
        [WATCH_STARTING] = "starting", [WATCH_WAITING] = "waiting", [WATCH_ACTIVE] = "active",
        [WATCH_DEGRADED] = "degraded", [WATCH_FAILED] = "failed",
};

const char *watch_state_to_string(WatchState s) {
        return (size_t)s < ELEMENTSOF(state_table) ? state_table[s] : NULL;
}

/* --- turns --- */

static void watch_rest(Watch *w) {
        if (w->tree)
                tree_rest(w->tree);
}

static void watch_unqueue(Watch *w) {
        if (!w->queued)
                return;
        w->queued = false;
        TAILQ_REMOVE(&w->watcher->work, w, work);
}

static void watcher_read_clocks(Watcher *w) {
        w->now_realtime = now_realtime();
        w->now_monotonic = now_clock(CLOCK_MONOTONIC);
}

/* What fanotify has lost concerns only those who use it. */
static void watcher_repair(Watcher *w) {
        Watch *watch;

        TAILQ_FOREACH(watch, &w->watches, watches) {
                if (watch->tree && (w->overflowed || watch->tree->fan))
                        tree_rescan(watch->tree);
                else if (watch->condition && w->overflowed)
                        path_condition_look_later(watch->condition);
        }
        w->overflowed = w->fan_overflowed = false;
}

/* One piece of work of the watch that waits longest; the others have their turn before it has it again. */
static bool watcher_work_watch(Watcher *w) {
        _cleanup_(identity_restore) IdentityScope scope = {};
        Watch *watch = TAILQ_FIRST(&w->work);

        if (!watch)
                return false;
        watch_unqueue(watch);
        watch_enter(watch, &scope);
        if (watch->tree ? tree_work(watch->tree) : path_condition_work(watch->condition))
                watch_wake(watch);
        else
                watch_rest(watch);
        return true;
}

/* A piece of what is left of a watch that is gone. */
static bool watcher_work_retired(Watcher *w) {
        Tree *t = TAILQ_FIRST(&w->retired);

        if (!t)
                return false;
        if (!tree_work_retired(t)) {
                TAILQ_REMOVE(&w->retired, t, retired);
                (void)tree_free(t);
        }
        return true;
}

static bool watcher_work_some(Watcher *w, uint64_t steps_until) {
        bool worked = false;

        for (unsigned i = 0; i < EVENTS_STEP && steps_taken < steps_until && event_queue_work(w->queue); i++) {
                steps_taken++;
                worked = true;
        }
        steps_taken++;
        worked = watcher_work_watch(w) || worked;
        return watcher_work_retired(w) || worked;
}

static void watcher_take_turn(Watcher *w) {
        uint64_t steps_until = steps_taken + WORK_STEPS;
        usec_t until;
        Watch *watch;
        bool more;

        assert(!w->is_at_work);
        w->is_at_work = true;
        watcher_read_clocks(w);
        until = usec_add(w->now_monotonic, WORK_SLICE);
        if (w->overflowed || w->fan_overflowed)
                watcher_repair(w);
        do
                more = watcher_work_some(w, steps_until) || watcher_read_on(w);
        while (more && steps_taken < steps_until && now_clock(CLOCK_MONOTONIC) < until);
        TAILQ_FOREACH(watch, &w->work, work)
                watch_rest(watch);
        w->is_at_work = false;
        more = more || !watcher_is_idle(w);
        (void)sd_event_source_set_enabled(w->work_source, more ? SD_EVENT_ON : SD_EVENT_OFF);
        if (w->worked)
                w->worked(w->userdata, !watcher_is_idle(w));
}

static int on_work(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        watcher_take_turn(userdata);
        return 0;
}

static void on_overflow(void *userdata) {
        Watcher *w = userdata;

        if (!w->overflowed)
                log_notice("Files changed faster than events could be read; scanning all watched files.");
        w->overflowed = true;
        watcher_wake(w);
}

bool watcher_is_at_work(const Watcher *w) {
        return w->is_at_work;
}

bool watcher_is_idle(const Watcher *w) {
        return !w->overflowed && !w->fan_overflowed && TAILQ_EMPTY(&w->work) && TAILQ_EMPTY(&w->retired) &&
               event_queue_counters(w->queue).waiting == 0;
}

/* --- fanotify --- */

static void on_unknown(void *userdata, int64_t id, const void *handle) {
        Watcher *w = userdata;
        Watch *watch;

        if (!w->fan || !handle)
                return;
        TAILQ_FOREACH(watch, &w->watches, watches)
                if (watch->tree && !event_queue_has_id(w->queue, id)) {
                        _cleanup_(identity_restore) IdentityScope scope = {};

                        watch_enter(watch, &scope);
                        tree_introduce(watch->tree, handle);
                }
        if (!event_queue_has_id(w->queue, id))
                fan_queue_ignore(w->fan, id);
}

/* A file system that was unmounted has lost its mark. If it is back already, nothing was heard of it since. */
static void watcher_find_lost_marks(Watcher *w) {
        Watch *watch;
        dev_t device;

        while (w->fan && fan_queue_take_lost(w->fan, &device))
                TAILQ_FOREACH(watch, &w->watches, watches)
                        if (watch->tree && watch->tree->fan &&
                            (watch->tree->root.device == device || watch->def.cross_mounts))
                                tree_rescan(watch->tree);
}

/* --- mounts --- */

static void on_mount(void *userdata, const char *path) {
        Watcher *w = userdata;
        Watch *watch;

        TAILQ_FOREACH(watch, &w->watches, watches)
                if (watch->tree)
                        tree_mount_changed(watch->tree, path);
}

static int on_mounts(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        Watcher *w = userdata;
        Watch *watch;
        int r;

        watcher_read_clocks(w);
        watcher_find_lost_marks(w);
        r = mount_table_update(w->mounts, on_mount, w);
        if (r < 0)
                log_warning_errno(r, "Cannot read the mount table, ignoring: %m");
        if (r == 0)
                return 0;
        TAILQ_FOREACH(watch, &w->watches, watches) {
                if (watch->tree)
                        tree_resolve_later(watch->tree);
                else
                        path_condition_look_later(watch->condition);
        }
        return 0;
}

static int watcher_watch_mounts(Watcher *w) {
        int r = mount_table_new(&w->mounts);

        if (r >= 0)
                r = sd_event_add_io(w->event, &w->mounts_source, mount_table_fd(w->mounts), EPOLLPRI, on_mounts, w);
        if (r < 0)
                return r;
        (void)sd_event_source_set_description(w->mounts_source, "watch-mounts");
        return 0;
}

/* --- the watcher --- */

int watcher_new(Watcher **ret, sd_event *event, void (*worked)(void *userdata, bool is_busy), void *userdata) {
        static const EventQueueOps ops = { .overflowed = on_overflow, .unknown = on_unknown };
        _cleanup_(watcher_freep) Watcher *w = NULL;
        int r;

        w = calloc(1, sizeof(*w));
        if (!w)
                return -ENOMEM;
        TAILQ_INIT(&w->watches);
        TAILQ_INIT(&w->work);
        TAILQ_INIT(&w->retired);
        w->event = sd_event_ref(event);
        w->take_turn = watcher_take_turn;
        w->worked = worked;
        w->userdata = userdata;
        r = event_queue_new(&w->queue, &ops, w);
        if (r >= 0)
                r = watcher_start_queue(w);
        if (r >= 0)
                r = event_add_turn(event, &w->work_source, "watch-work", on_work, w);
        if (r < 0)
                return r;
        r = watcher_watch_mounts(w);
        if (r < 0)
                log_warning_errno(r, "Cannot watch the mount table, ignoring: %m; a mount over a watched directory is "
                                     "noticed late");
        *ret = TAKE_PTR(w);
        return 0;
}

Watcher *watcher_free(Watcher *w) {
        if (!w)
                return NULL;
        assert(TAILQ_EMPTY(&w->watches));
        while (watcher_work_retired(w))
                ;
        assert(!w->fan && TAILQ_EMPTY(&w->work));
        (void)sd_event_source_disable_unref(w->queue_source);
        (void)sd_event_source_disable_unref(w->work_source);
        (void)sd_event_source_disable_unref(w->mounts_source);
        (void)mount_table_free(w->mounts);
        (void)event_queue_free(w->queue);
        (void)sd_event_unref(w->event);
        return mfree(w);
}

static WatchCounters tree_counters(const Tree *t) {
        WatchCounters c = t->counters;

        c.directories = model_n_directories(t->model);
        c.files = model_n_entries(t->model);
        c.polled_directories = t->n_polled;
        c.model_bytes = model_size(t->model);
        return c;
}

static void counters_add_queues(WatchCounters *c, const Watcher *w) {
        EventQueueCounters of_queue = event_queue_counters(w->queue);
        FanQueueCounters of_fan = w->fan ? fan_queue_counters(w->fan) : (FanQueueCounters){};

        c->events = of_queue.events + of_fan.events;
        c->merged = of_queue.merged;
        c->others = of_fan.others;
        c->overflows = of_queue.overflows + of_fan.overflows;
        c->watches = of_queue.watches;
        c->marks = of_fan.marks;
        c->waiting = of_queue.waiting;
}

WatchCounters watcher_counters(const Watcher *w) {
        WatchCounters c = {};

        counters_add_queues(&c, w);
        return c;
}

/* --- a watch --- */

static int watch_try_identity(const WatchDef *def) {
        _cleanup_(identity_restore) IdentityScope scope = {};

        return identity_enter(&scope, def->identity);
}

static int watch_set_def(Watch *w, const WatchDef *def) {
        w->def = *def;
        w->def.path = w->path = strdup(def->path);
        if (!w->path)
                return -ENOMEM;
        w->def.model_max = def->model_max > 0 ? def->model_max : WATCH_MODEL_MAX;
        w->def.poll_min = def->poll_min > 0 ? def->poll_min : WATCH_POLL_MIN;
        w->def.poll_max = def->poll_max > 0 ? def->poll_max : WATCH_POLL_MAX;
        if (def->events & WATCH_COMPLETE) /* one thing: whether it was closed or moved there, no comparison can tell */
                w->def.events |= WATCH_COMPLETE;
        if (def->kind != WATCH_PATH_CHANGED && def->kind != WATCH_PATH_MODIFIED)
                return 0;
        w->def.events = WATCH_ALL & ~(unsigned)(def->kind == WATCH_PATH_CHANGED ? WATCH_WRITE : 0);
        w->def.directories = true;
        w->def.recursive = false;
        return 0;
}

int watch_new(Watch **ret, Watcher *watcher, const WatchDef *def, const WatchOps *ops, void *userdata) {
        _cleanup_(watch_freep) Watch *w = NULL;
        int r;

        if (def->path[0] != '/')
                return -EINVAL;
        r = watch_try_identity(def);
        if (r < 0)
                return r;
        w = calloc(1, sizeof(*w));
        if (!w)
                return -ENOMEM;
        w->watcher = watcher;
        w->ops = ops;
        w->userdata = userdata;
        TAILQ_INSERT_TAIL(&watcher->watches, w, watches);
        r = watch_set_def(w, def);
        if (r >= 0 && watch_is_condition(w))
                r = path_condition_new(&w->condition, w);
        else if (r >= 0)
                r = tree_new(&w->tree, w, watcher->queue, watcher->event);
        if (r < 0)
                return r;
        watch_wake(w);
        *ret = TAKE_PTR(w);
        return 0;
}

void watch_begin(Watch *w, usec_t until) {
        _cleanup_(identity_restore) IdentityScope scope = {};
        Watcher *watcher = w->watcher;
        bool more;

        if (!w->tree || watcher->is_at_work)
                return;
        watcher->is_at_work = true;
        watcher_read_clocks(watcher);
        watch_unqueue(w);
        watch_enter(w, &scope);
        do
                more = tree_work(w->tree);
        while (more && now_clock(CLOCK_MONOTONIC) < until);
        watch_rest(w);
        watcher->is_at_work = false;
        if (more)
                watch_wake(w);
        else
                watcher_wake(watcher); /* its turn tells that there was work */
}

Watch *watch_free(Watch *w) {
        if (!w)
                return NULL;
        if (w->tree) {
                tree_retire(w->tree);
                TAILQ_INSERT_TAIL(&w->watcher->retired, w->tree, retired);
                watcher_wake(w->watcher);
        }
        (void)path_condition_free(w->condition);
        watch_unqueue(w);
        TAILQ_REMOVE(&w->watcher->watches, w, watches);
        free(w->path);
        return mfree(w);
}

WatchState watch_state(const Watch *w) {
        return w->state;
}

/* Why directories are read again from time to time, and what to do about it. */
static int tree_explain_polling(const Tree *t, const char *polled, char **ret) {
        if (t->fan_error_below < 0)
                return asprintf(ret, "a part of %s cannot be watched with fanotify, %s: %s", t->watch->def.path,
                                fan_queue_explain(t->fan_error_below), polled);
        return asprintf(ret, "the limit of inotify watches is reached: %s; raise fs.inotify.max_user_watches", polled);
}

static int tree_explain_beginning(const Tree *t, char **ret) {
        const char *path = t->watch->def.path;

        if (t->has_root && t->fan_error < 0)
                return asprintf(ret, "%s cannot be watched with fanotify: %s; or use Backend=auto", path,
                                fan_queue_explain(t->fan_error));
        if (t->has_root && t->fan)
                return asprintf(ret, "watching %s with fanotify; %zu directories have been read so far", path,
                                model_n_directories(t->model));
        return asprintf(ret, "reading %s: %zu directories so far", path, model_n_directories(t->model));
}

static int tree_explain(const Tree *t, char **ret) {
        const char *path = t->watch->def.path;
        char polled[128] = "";

        if (t->n_polled > 0)
                (void)snprintf(polled, sizeof(polled), "%zu director%s polled every %" PRI_USEC " s", t->n_polled,
                               t->n_polled == 1 ? "y" : "ies", MAX(t->poll_interval / USEC_PER_SEC, (usec_t)1));
        if (t->stage != TREE_STARTED || t->fan_error < 0)
                return tree_explain_beginning(t, ret);
        if (!t->has_root && path_chain_is_cut(t->chain))
                return asprintf(ret, CUT_TEXT, path);
        if (!t->has_root && path_chain_is_remote(t->chain))
                return asprintf(ret, REMOTE_TEXT, path);
        if (!t->has_root && path_chain_is_refused(t->chain))
                return asprintf(ret, REFUSED_TEXT, path);
        if (!t->has_root)
                return asprintf(ret, "%s does not exist; its parents are watched", path);
        if (t->n_unreadable > 0)
                return asprintf(
                        ret,
                        "%zu director%s below %s cannot be read, or is a FUSE file system that another user than "
                        "root has mounted; vaktd tries again from time to time",
                        t->n_unreadable, t->n_unreadable == 1 ? "y" : "ies", path);
        if (t->hold != TREE_FREE)
                return asprintf(
                        ret,
                        "so many changed files of %s wait for runs that no more are listed; everything is compared "
                        "with what was known when half of them have been dealt with",
                        path);
        if (t->too_deep)
                return asprintf(
                        ret,
                        "directories below %s that are more than %u levels deep, or have paths longer than %u bytes, "
                        "are not watched",
                        path, WATCH_DEPTH_MAX, WATCH_PATH_MAX);
        if (t->too_many)
                return asprintf(
                        ret,
                        "%s has more files than vaktd keeps in memory (%zu MiB); changes of the others are noticed "
                        "only while vaktd is running, and each comparison reports all of them",
                        path, t->watch->def.model_max >> 20);
        if (t->n_polled > t->n_remote && t->watch->def.backend != WATCH_BACKEND_POLL)
                return tree_explain_polling(t, polled, ret);
        return asprintf(ret, "watching %s%s: %zu directories, %zu files%s%s", path, t->fan ? " with fanotify" : "",
                        model_n_directories(t->model), model_n_entries(t->model), polled[0] ? "; " : "", polled);
}

int watch_explain(const Watch *w, char **ret) {
        char *text;
        int r;

        if (w->tree)
                r = tree_explain(w->tree, &text);
        else if (path_condition_is_cut(w->condition))
                r = asprintf(&text, CUT_TEXT, w->def.path);
        else if (path_condition_is_remote(w->condition))
                r = asprintf(&text, REMOTE_TEXT, w->def.path);
        else if (path_condition_is_refused(w->condition))
                r = asprintf(&text, REFUSED_TEXT, w->def.path);
        else
                r = asprintf(&text, "%s=%s%s", kind_table[w->def.kind], w->def.path,
                             path_condition_is_blind(w->condition) ? ", polled from time to time" : "");
        if (r < 0)
                return -ENOMEM;
        *ret = text;
        return 0;
}

void watch_hold(Watch *w, bool on) {
        if (w->tree)
                tree_hold(w->tree, on);
}

WatchCounters watch_counters(const Watch *w) {
        WatchCounters c = {};

        if (w->tree)
                c = tree_counters(w->tree);
        counters_add_queues(&c, w->watcher);
        return c;
}

void watch_recheck(Watch *w) {
        if (w->condition)
                path_condition_recheck(w->condition);
}

static WatchFile file_of(const Entry *e) {
        if (!e)
                return WATCH_FILE_NONE;
        if (e->flags & ENTRY_DIRECTORY)
                return WATCH_FILE_DIRECTORY;
        return e->flags & ENTRY_REGULAR ? WATCH_FILE_REGULAR : WATCH_FILE_OTHER;
}

WatchFile watch_find(const Watch *w, const char *path) {
        return w->tree && w->tree->has_root ? file_of(model_find(w->tree->model, path)) : WATCH_FILE_NONE;
}

static int visit_directory(Watch *w, Directory *f, PathText *path, size_t *left,
                           int (*visit)(const char *path, size_t n, WatchFile kind, void *userdata), void *userdata) {
        int r = 0;

        DIRECTORY_FOREACH(e, f) {
                WatchFile kind = file_of(e);

                if ((*left)-- == 0)
                        return 1;
                if (w->tree->root.is_file)
                        return visit("", 0, kind, userdata);
                if (kind == WATCH_FILE_DIRECTORY && !w->def.directories)
                        continue;
                r = directory_path_of(f, e->name, e->length, path);
                if (r >= 0 && path_filter_matches(w->def.filter, path_text_string(path), path->length,
                                                  kind == WATCH_FILE_DIRECTORY))
                        r = visit(path_text_string(path), path->length, kind, userdata);
                if (r != 0)
                        return r;
        }
        return 0;
}

int watch_visit(Watch *w, int (*visit)(const char *path, size_t n, WatchFile kind, void *userdata), void *userdata) {
        Directory *root = w->tree && w->tree->has_root ? model_root(w->tree->model) : NULL;
        size_t left = WATCH_VISIT_MAX;
        PathText path = {};
        int r = 0;

        for (Directory *f = root ? directory_walk(root, NULL) : NULL; f && r == 0; f = directory_walk(root, f))
                r = visit_directory(w, f, &path, &left, visit, userdata);
        path_text_done(&path);
        return r;
}

size_t watch_n_files(const Watch *w) {
        const Tree *t = w->tree;

        if (!t || !t->has_root)
                return 0;
        return model_n_entries(t->model) + (w->def.directories ? model_n_directories(t->model) - 1 : 0);
}

int watch_save(Watch *w, size_t max, int (*write)(void *userdata, uint32_t id, const void *bytes, size_t n),
               void *userdata) {
        return w->tree ? tree_save(w->tree, max, write, userdata) : 0;
}

int watch_load(Watch *w, uint32_t id, const void *bytes, size_t n) {
        return w->tree ? tree_load(w->tree, id, bytes, n) : 0;
}
