/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What path triggers keep in the ledger, under the job's name:
 *
 *     "PathChanged=/srv tree …"   what a watch knows, a row a folder (watch/watcher.h)
 *     "waiting"                   the files that changed and have no run; by a run's number those it was not
 *                                 through with
 *     "run", by its number        what a run was given, until it is over
 *
 * Rows of one turn are one transaction, so a change is in the snapshot and in a run or among the waiting, or in none
 * of them and will be found by comparison. Writing the snapshot is as dear as the folders that changed are large: as
 * long as it is cheap it goes with every run, else as often as it takes two hundredths of the time. */

#include <inttypes.h>

#include "core/paths.h"
#include "util/array.h"
#include "util/log.h"

#define KEY_WAITING "waiting"
#define KEY_RUN     "run"

#define ROWS_PER_TURN     2000
#define SAVE_SHARE        50   /* the part of the time that goes into writing is one of so many */
#define WAITING_MAX       4096 /* more files that wait are not written down now: they will be found by comparison */
#define WAITING_BYTES_MAX (16 << 20)
#define BROKEN_SAVE_USEC  (5 * USEC_PER_SEC)
#define CHEAP_SAVE_USEC   USEC_PER_MSEC

/* --- what runs were given --- */

#define KIND_LIST 'L'
#define KIND_ONE  'E'
#define KIND_ITEM 'S'

typedef struct Blob {
        char *bytes;
        size_t n;
} Blob;

static bool blob_append(Blob *b, const void *bytes, size_t n) {
        char *bigger = realloc(b->bytes, b->n + n);

        if (!bigger)
                return false;
        memcpy(bigger + b->n, bytes, n);
        b->bytes = bigger;
        b->n += n;
        return true;
}

static bool pack(Blob *b, const RunPaths *rp) {
        char kind = rp->spool ? KIND_ITEM : rp->one ? KIND_ONE : KIND_LIST;

        if (!blob_append(b, &kind, 1))
                return false;
        if (!rp->spool)
                return blob_append(b, rp->list, rp->size);
        return blob_append(b, &rp->item.id, sizeof(rp->item.id)) &&
               blob_append(b, &rp->item.attempt, sizeof(rp->item.attempt)) &&
               blob_append(b, rp->spool, strlen(rp->spool) + 1) &&
               blob_append(b, rp->item.name, strlen(rp->item.name) + 1) && blob_append(b, rp->list, rp->size);
}

/* A string that ends within the bytes. */
static char *unpack_text(const char **p, size_t *n) {
        size_t length = strnlen(*p, *n);
        char *copy;

        if (length == *n)
                return NULL;
        copy = strdup(*p);
        *p += length + 1;
        *n -= length + 1;
        return copy;
}

static bool unpack_number(const char **p, size_t *n, void *ret, size_t size) {
        if (*n < size)
                return false;
        memcpy(ret, *p, size);
        *p += size;
        *n -= size;
        return true;
}

static bool unpack(RunPaths *rp, const char *p, size_t n) {
        char kind = 0;

        if (!unpack_number(&p, &n, &kind, 1))
                return false;
        if (kind == KIND_ITEM) {
                if (!unpack_number(&p, &n, &rp->item.id, sizeof(rp->item.id)) ||
                    !unpack_number(&p, &n, &rp->item.attempt, sizeof(rp->item.attempt)))
                        return false;
                rp->spool = unpack_text(&p, &n);
                rp->item.name = rp->spool ? unpack_text(&p, &n) : NULL;
                if (!rp->item.name)
                        return false;
        }
        if (n == 0 || p[n - 1] != '\0')
                return false;
        rp->one = kind != KIND_LIST;
        rp->list = malloc(n);
        if (!rp->list)
                return false;
        memcpy(rp->list, p, n);
        rp->size = n;
        for (size_t i = 0; i < n; i++)
                rp->n += p[i] == '\0';
        return true;
}

void path_store_put_run(Manager *m, const RunRecord *r, const RunPaths *rp) {
        LogContext c = { .job = r->job, .run = r->id };
        Blob b = {};
        int e = -ENOMEM;

        if (!rp)
                e = ledger_put(m->ledger, r->job, KEY_RUN, r->id, NULL, 0);
        else if (pack(&b, rp))
                e = ledger_put(m->ledger, r->job, KEY_RUN, r->id, b.bytes, b.n);
        free(b.bytes);
        if (e < 0)
                log_message(LOG_WARNING, &c, "Cannot remember over a restart which files the run is about: %s.",
                            strerror(-e));
}

/* --- runs of an earlier daemon --- */

struct LoadedPaths {
        uint64_t run;
        char *job;
        RunPaths *paths; /* NULL: taken */
};

static int on_loaded(const char *job, const char *key, uint64_t id, const void *bytes, size_t n, void *userdata) {
        _cleanup_(run_paths_freep) RunPaths *rp = calloc(1, sizeof(*rp));
        Manager *m = userdata;
        struct LoadedPaths *loaded;
        LogContext c = { .job = job, .run = id };

        if (!rp)
                return -ENOMEM;
        if (!unpack(rp, bytes, n)) {
                log_message(LOG_WARNING, &c,
                            "What stands in the ledger about the files of run %" PRIu64 " is damaged.", id);
                return 0;
        }
        loaded = ARRAY_NEXT(m->loaded_paths, m->n_loaded_paths);
        if (!loaded)
                return -ENOMEM;
        *loaded = (struct LoadedPaths){ .run = id, .job = strdup(job) };
        if (!loaded->job)
                return -ENOMEM;
        loaded->paths = TAKE_PTR(rp);
        m->n_loaded_paths++;
        return 0;
}

static int loaded_compare(const void *a, const void *b) {
        const struct LoadedPaths *l = a, *o = b;

        return (l->run > o->run) - (l->run < o->run);
}

void paths_load_runs(Manager *m) {
        int r;

        r = ledger_list_blobs(m->ledger, NULL, KEY_RUN, on_loaded, m);
        if (r < 0)
                log_warning_errno(r, "Cannot read from the ledger which files runs were given: %m");
        if (m->n_loaded_paths > 0)
                qsort(m->loaded_paths, m->n_loaded_paths, sizeof(*m->loaded_paths), loaded_compare);
}

void paths_give_back(Manager *m, LiveRun *run) {
        struct LoadedPaths *found =
                m->loaded_paths + BISECT(m->n_loaded_paths, i, m->loaded_paths[i].run < run->record.id);

        if (found == m->loaded_paths + m->n_loaded_paths || found->run != run->record.id || !found->paths)
                return;
        run->paths = TAKE_PTR(found->paths);
        spools_find_item(run, run->paths);
        if (run->job->paths)
                path_runs_adopt(run->job->paths, run);
}

RunPaths *paths_found(const ExecutionRequest *request) {
        _cleanup_(run_paths_freep) RunPaths *rp = calloc(1, sizeof(*rp));

        if (!rp || request->paths_size == 0)
                return NULL;
        rp->list = malloc(request->paths_size);
        if (!rp->list)
                return NULL;
        memcpy(rp->list, request->paths, request->paths_size);
        rp->size = request->paths_size;
        for (const char *path = rp->list; path < rp->list + rp->size; path += strlen(path) + 1, rp->n++)
                if (path[0] != '/')
                        return NULL; /* the run's user may have written it */
        rp->one = request->one_path;
        rp->is_found = true;
        if (rp->one && spool_item_from_path(rp->list, request->run->job, &rp->spool, &rp->item) == -ENOMEM)
                return NULL;
        return TAKE_PTR(rp);
}

void paths_give_found(Manager *m, LiveRun *run, RunPaths *rp) {
        run->paths = rp;
        spools_find_item(run, rp);
        path_store_put_run(m, &run->record, rp);
        if (run->job->paths)
                path_runs_adopt(run->job->paths, run);
}

/* Of a run that is over: its item waits to be put away still. One that was never begun says nothing of its item, which
 * is found where it is claimed. */
static void settle_loaded(Manager *m, const struct LoadedPaths *l) {
        const RunRecord *r = ledger_get(m->ledger, l->run);
        RunRecord forgotten = { .id = l->run, .job = l->job };
        LiveRun *run = runs_find(m, l->run);

        if (run && !run->paths) /* it was there before the ledger could be read */
                paths_give_back(m, run);
        if (run || (r && r->state != RUN_DONE))
                return; /* or is taken over later */
        if (l->paths->spool && r && r->result != RUN_RESULT_SKIPPED)
                spools_add_end(m, r, NULL, l->paths);
        else
                path_store_put_run(m, &forgotten, NULL);
}

void paths_forget_loaded(Manager *m) {
        for (size_t i = 0; i < m->n_loaded_paths; i++) {
                struct LoadedPaths *l = &m->loaded_paths[i];

                if (l->paths && m->ledger)
                        settle_loaded(m, l);
                run_paths_free(l->paths);
                free(l->job);
        }
        m->loaded_paths = mfree(m->loaded_paths);
        m->n_loaded_paths = 0;
}

/* --- files that wait --- */

typedef struct Packing {
        Blob blob;
        bool failed;
} Packing;

static int pack_waiting(const BatchView *v, void *userdata) {
        Packing *packing = userdata;

        if (v->state == BATCH_FILE_RUNNING)
                return 0; /* stands with its run */
        packing->failed = !blob_append(&packing->blob, v->file.path, v->file.length + 1);
        return packing->failed;
}

static int save_waiting(JobPaths *p) {
        Packing packing = {};
        int r;

        r = batch_visit(p->batch, turn_now(p->manager->event).boottime, pack_waiting, &packing);
        if (r == 0 && packing.blob.n > LEDGER_BLOB_MAX)
                r = -E2BIG;
        if (r == 0 && p->has_waiting)
                r = ledger_forget(p->manager->ledger, p->job->name, KEY_WAITING);
        if (r == 0 && packing.blob.n > 0)
                r = ledger_put(p->manager->ledger, p->job->name, KEY_WAITING, 0, packing.blob.bytes, packing.blob.n);
        if (r == 0)
                p->has_waiting = packing.blob.n > 0;
        free(packing.blob.bytes);
        return packing.failed ? -ENOMEM : r;
}

void path_store_put_waiting(Manager *m, const LiveRun *run) {
        LogContext c = { .job = run->record.job, .run = run->record.id };
        int r;

        r = ledger_put(m->ledger, run->record.job, KEY_WAITING, run->record.id, run->paths->list, run->paths->size);
        if (r < 0)
                log_message(LOG_WARNING, &c, "Cannot remember the files that the run was not through with: %s.",
                            strerror(-r));
}

/* Those of single runs go into the row of all once that is written. */
static int on_waiting(const char *job, const char *key, uint64_t id, const void *bytes, size_t n, void *userdata) {
        const char *path = bytes, *end = path + n;
        JobPaths *p = userdata;

        p->has_waiting = true;
        while (path < end) {
                size_t length = strnlen(path, (size_t)(end - path));

                if (batch_add(p->batch, path, length, NULL, WATCH_CLOSE, turn_now(p->manager->event).boottime) < 0)
                        return -ENOMEM;
                path += length + 1;
        }
        return 0;
}

void path_store_load_waiting(JobPaths *p) {
        LogContext c = { .job = p->job->name };
        int r;

        r = ledger_list_blobs(p->manager->ledger, p->job->name, KEY_WAITING, on_waiting, p);
        p->is_unread = r < 0;
        if (r >= 0 && p->has_waiting)
                r = save_waiting(p);
        if (r < 0)
                log_message(LOG_WARNING, &c, "Cannot read from the ledger which files wait for a run: %s.",
                            strerror(-r));
}

/* --- snapshots --- */

typedef struct Saving {
        JobPaths *paths;
        const char *key;
} Saving;

static int save_row(void *userdata, uint32_t id, const void *bytes, size_t n) {
        const Saving *s = userdata;

        return ledger_put(s->paths->manager->ledger, s->paths->job->name, s->key, id, bytes, n);
}

/* 1: there is more. */
static int save_watches(JobPaths *p, size_t max) {
        int r = 0;

        for (size_t i = 0; i < p->n_watches && r >= 0; i++) {
                Saving s = { .paths = p, .key = p->watches[i].key };

                if (!p->watches[i].watch || !s.key)
                        continue;
                if (p->watches[i].is_unread) /* its rows and those of the watch as it is now do not go together */
                        r = ledger_forget(p->manager->ledger, p->job->name, s.key);
                if (r < 0)
                        break;
                p->watches[i].is_unread = false;
                r = watch_save(p->watches[i].watch, max, save_row, &s);
                if (r > 0 && max > 0 && (size_t)r >= max)
                        return 1;
        }
        return r < 0 ? r : 0;
}

/* In memory there would be two of everything, and the next start finds what is missing by comparison. */
static bool can_save(const JobPaths *p, bool all) {
        const char *sentence;

        return ledger_state(p->manager->ledger, &sentence) == LEDGER_OK &&
               (all || (batch_n_waiting(p->batch) <= WAITING_MAX && batch_size(p->batch) <= WAITING_BYTES_MAX));
}

/* First the files that wait: without them, what the watches know would make them old news. So would it those that
 * could not be kept in mind, and a later start has to find them. */
static int save(JobPaths *p, bool all) {
        int r;

        if (p->is_unread) {
                path_store_load_waiting(p);
                paths_mark_ready(p);
        }
        r = p->is_unread ? -EAGAIN : save_waiting(p);
        if (r < 0 || p->has_lost)
                return r;
        return save_watches(p, all ? 0 : ROWS_PER_TURN);
}

void path_store_save(JobPaths *p, bool all) {
        sd_event *event = p->manager->event;
        usec_t began = turn_spent(event), now = turn_now(event).boottime, took;
        int r = -EAGAIN;

        if (!p->is_dirty && !all)
                return;
        p->is_dirty = false;
        if (can_save(p, all))
                r = save(p, all);
        took = turn_spent(event) - began;
        p->save_not_before = r < 0 ? now + BROKEN_SAVE_USEC : took <= CHEAP_SAVE_USEC ? now : now + SAVE_SHARE * took;
        deadline_set(p->manager, &p->saving, USEC_INFINITY);
        if (r != 0) { /* go on, soon or later */
                p->is_dirty = true;
                deadline_set(p->manager, &p->saving, r > 0 ? now : p->save_not_before);
        }
}

typedef struct Loading {
        Watch *watch;
        unsigned n_bad;
} Loading;

static int load_row(const char *job, const char *key, uint64_t id, const void *bytes, size_t n, void *userdata) {
        Loading *l = userdata;
        int r;

        if (id > UINT32_MAX)
                return 0;
        r = watch_load(l->watch, (uint32_t)id, bytes, n);
        if (r == -ENOMEM)
                return r;
        l->n_bad += r < 0;
        return 0;
}

void path_store_load(PathWatch *pw) {
        const JobPaths *p = pw->paths;
        Loading l = { .watch = pw->watch };
        LogContext c = { .job = p->job->name };
        int r;

        if (!pw->key)
                return;
        r = ledger_list_blobs(p->manager->ledger, p->job->name, pw->key, load_row, &l);
        pw->is_unread = r < 0;
        if (r < 0)
                log_message(LOG_WARNING, &c,
                            "Cannot read from the ledger what was known of %s: %s. What changed while vaktd was away "
                            "may go unseen.",
                            pw->source->path, strerror(-r));
        else if (l.n_bad > 0)
                log_message(LOG_NOTICE, &c,
                            "What was known of %u folders of %s cannot be used; all files in them are taken for "
                            "changed.",
                            l.n_bad, pw->source->path);
}

/* What runs were given stays until they are over. */
void path_store_forget(const JobPaths *p) {
        Ledger *ledger = p->manager->ledger;

        for (size_t i = 0; i < p->n_watches; i++)
                if (p->watches[i].key)
                        (void)ledger_forget(ledger, p->job->name, p->watches[i].key);
        (void)ledger_forget(ledger, p->job->name, KEY_WAITING);
}
