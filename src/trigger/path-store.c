/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What path triggers keep in the ledger, under the job's name:
 *
 *     "PathChanged=/srv tree …"   what a watch knows, a row for a directory (watch/watcher.h)
 *     "waiting"                   the files that changed and have no run; by a run's number those it was not
 *                                 through with
 *
 * beside what the core keeps of what a run was given.
 *
 * Rows of one turn are one transaction, so a change is in the snapshot and in a run or among the waiting, or in none
 * of them and will be found by comparison. Writing the snapshot is as dear as the directories that changed are large:
 * as long as it is cheap it goes with every run, else as often as it takes two hundredths of the time. */

#include "trigger/path-store.h"

#include <assert.h>
#include <inttypes.h>

#include "util/bytes.h"
#include "util/log.h"

#define KEY_WAITING "waiting"

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
        static const char kinds[] = { KIND_LIST, KIND_ONE, KIND_ITEM };
        char kind = 0;

        if (!unpack_number(&p, &n, &kind, 1) || !memchr(kinds, kind, sizeof(kinds)))
                return false;
        if (kind == KIND_ITEM) {
                if (!unpack_number(&p, &n, &rp->item.id, sizeof(rp->item.id)) ||
                    !unpack_number(&p, &n, &rp->item.attempt, sizeof(rp->item.attempt)))
                        return false;
                rp->spool = unpack_text(&p, &n);
                rp->item.name = rp->spool ? unpack_text(&p, &n) : NULL;
                if (!rp->item.name || rp->item.attempt == 0 || rp->item.attempt > SPOOL_ATTEMPTS_MAX)
                        return false;
        }
        if (n == 0 || p[n - 1] != '\0')
                return false;
        rp->one = kind != KIND_LIST;
        return run_paths_set_list(rp, p, n) >= 0;
}

int path_store_pack(const RunPayload *payload, char **ret, size_t *ret_n) {
        const RunPaths *rp = (const RunPaths *)payload;
        char kind = rp->spool ? KIND_ITEM : rp->one ? KIND_ONE : KIND_LIST;
        _cleanup_(bytes_done) Bytes b = {};

        bytes_add(&b, &kind, 1);
        if (rp->spool) {
                bytes_add(&b, &rp->item.id, sizeof(rp->item.id));
                bytes_add(&b, &rp->item.attempt, sizeof(rp->item.attempt));
                bytes_add(&b, rp->spool, strlen(rp->spool) + 1);
                bytes_add(&b, rp->item.name, strlen(rp->item.name) + 1);
        }
        bytes_add(&b, rp->list, rp->size);
        if (b.failed)
                return -ENOMEM;
        *ret = TAKE_PTR(b.bytes);
        *ret_n = b.n;
        return 0;
}

int path_store_unpack(Trigger *base, const void *bytes, size_t n, RunPayload **ret) {
        _cleanup_(run_paths_freep) RunPaths *rp = run_paths_new(base);

        if (!rp)
                return -ENOMEM;
        if (!unpack(rp, bytes, n))
                return -EBADMSG;
        *ret = &TAKE_PTR(rp)->base;
        return 0;
}

RunPayload *path_store_recognize(Trigger *base, const ExecutionRequest *request, OwnedRun *run) {
        _cleanup_(run_paths_freep) RunPaths *rp = request->paths_size > 0 ? run_paths_new(base) : NULL;

        if (!rp || run_paths_set_list(rp, request->paths, request->paths_size) < 0)
                return NULL;
        for (const char *path = rp->list; path < rp->list + rp->size; path += strlen(path) + 1)
                if (path[0] != '/')
                        return NULL; /* the run's user may have written it */
        rp->one = request->one_path;
        rp->is_found = true;
        if (rp->one && spool_item_from_path(rp->list, run->record.job, &rp->spool, &rp->item) == -ENOMEM)
                return NULL;
        owned_run_set_text(&run->record.payload, run_paths_text(rp));
        return &TAKE_PTR(rp)->base;
}

/* --- files that wait --- */

static int pack_waiting(const BatchView *v, void *userdata) {
        Bytes *waiting = userdata;

        if (v->state != BATCH_FILE_RUNNING) /* else it stands with its run */
                bytes_add(waiting, v->file.path, v->file.length + 1);
        return waiting->failed ? -ENOMEM : 0;
}

static int save_waiting(JobPaths *p, usec_t now) {
        _cleanup_(bytes_done) Bytes waiting = {};
        int r;

        r = batch_visit(p->batch, now, pack_waiting, &waiting);
        if (r == 0 && waiting.n > LEDGER_BLOB_MAX)
                r = -E2BIG;
        if (r == 0 && p->has_waiting)
                r = ledger_forget(p->trigger->base.ledger, p->job->name, KEY_WAITING);
        if (r == 0) /* nothing is no row */
                r = ledger_put(p->trigger->base.ledger, p->job->name, KEY_WAITING, 0, waiting.bytes, waiting.n);
        if (r == 0)
                p->has_waiting = waiting.n > 0;
        return r;
}

void path_store_put_waiting(const PathTrigger *t, const LiveRun *run) {
        const RunRecord *record = run_record(run);
        LogContext c = { .job = record->job, .run = record->id };
        int r;

        assert(!run_paths(t, run)->spool); /* an item is found where it is claimed */
        r = ledger_put(t->base.ledger, record->job, KEY_WAITING, record->id, run_paths(t, run)->list,
                       run_paths(t, run)->size);
        if (r < 0)
                log_message(LOG_WARNING, &c, "Cannot record the files that the run had not finished: %s.",
                            strerror(-r));
}

/* Those of single runs go into the row of all once that is written. */
static int on_waiting(const char *job, const char *key, uint64_t id, const void *bytes, size_t n, void *userdata) {
        const char *path = bytes, *end = path + n;
        JobPaths *p = userdata;

        p->has_waiting = true;
        while (path < end) {
                size_t length = strnlen(path, (size_t)(end - path));

                if (batch_add(p->batch, path, length, NULL, WATCH_CLOSE, paths_now(p)) < 0)
                        return -ENOMEM;
                path += length + 1;
        }
        return 0;
}

void path_store_load_waiting(JobPaths *p) {
        LogContext c = { .job = p->job->name };
        int r;

        r = ledger_list_blobs(p->trigger->base.ledger, p->job->name, KEY_WAITING, on_waiting, p);
        p->is_unread = r < 0;
        if (r >= 0 && p->has_waiting)
                r = save_waiting(p, paths_now(p));
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

        return ledger_put(s->paths->trigger->base.ledger, s->paths->job->name, s->key, id, bytes, n);
}

/* 1: there is more. */
static int save_watches(JobPaths *p, size_t max) {
        int r = 0;

        for (size_t i = 0; i < p->n_watches && r >= 0; i++) {
                Saving s = { .paths = p, .key = p->watches[i].key };

                if (!p->watches[i].watch || !s.key)
                        continue;
                if (p->watches[i].is_unread) /* its rows and those of the watch as it is now do not go together */
                        r = ledger_forget(p->trigger->base.ledger, p->job->name, s.key);
                if (r < 0)
                        break;
                p->watches[i].is_unread = false;
                r = watch_save(p->watches[i].watch, max, save_row, &s);
                if (r > 0 && max > 0 && (size_t)r >= max)
                        return 1;
        }
        return MIN(r, 0);
}

/* In memory there would be two of everything, and the next start finds what is missing by comparison. */
static bool can_save(const JobPaths *p, bool all) {
        const char *message;

        return ledger_state(p->trigger->base.ledger, &message) == LEDGER_OK &&
               (all || (batch_n_waiting(p->batch) <= WAITING_MAX && batch_size(p->batch) <= WAITING_BYTES_MAX));
}

/* First the files that wait: without them, what the watches know would make them old news. So would it those that
 * could not be kept in mind, and a later start has to find them. */
static int save(JobPaths *p, bool all, usec_t now) {
        int r;

        if (p->is_unread) {
                path_store_load_waiting(p);
                paths_mark_ready(p);
        }
        r = p->is_unread ? -EAGAIN : save_waiting(p, now);
        if (r < 0 || p->has_lost)
                return r;
        return save_watches(p, all ? 0 : ROWS_PER_TURN);
}

void path_store_save(JobPaths *p, bool all) {
        sd_event *event = p->trigger->base.event;
        usec_t began = turn_spent(event), now = turn_now(event).boottime, took;
        int r = -EAGAIN;

        if (!p->is_dirty && !all)
                return;
        if (can_save(p, all))
                r = save(p, all, now);
        took = turn_spent(event) - began;
        p->save_not_before = r < 0 ? now + BROKEN_SAVE_USEC : took <= CHEAP_SAVE_USEC ? now : now + SAVE_SHARE * took;
        p->is_dirty = r != 0; /* go on, soon or later */
        /* Not in this turn: the caller from there takes everything that is due by its time. */
        deadline_set(p->trigger->base.manager, &p->saving,
                     r == 0  ? USEC_INFINITY
                     : r > 0 ? now + 1
                             : p->save_not_before);
}

typedef struct Loading {
        Watch *watch;
        unsigned n_bad;
} Loading;

static int load_row(const char *job, const char *key, uint64_t id, const void *bytes, size_t n, void *userdata) {
        Loading *l = userdata;
        int r;

        /* Such a large one we give to none. */
        r = watch_load(l->watch, (uint32_t)MIN(id, (uint64_t)UINT32_MAX), bytes, n);
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
        assert(pw->watch);
        r = ledger_list_blobs(p->trigger->base.ledger, p->job->name, pw->key, load_row, &l);
        pw->is_unread = r < 0;
        if (r < 0)
                log_message(
                        LOG_WARNING, &c,
                        "Cannot read from the ledger what was known about %s: %s. Changes while vaktd was not running "
                        "may be missed.",
                        pw->source->path, strerror(-r));
        else if (l.n_bad > 0)
                log_message(LOG_NOTICE, &c,
                            "What was known about %u directories of %s cannot be used; all files in them count as "
                            "changed.",
                            l.n_bad, pw->source->path);
}

/* What runs were given stays until they are over. */
void path_store_forget(const JobPaths *p) {
        Ledger *ledger = p->trigger->base.ledger;

        for (size_t i = 0; i < p->n_watches; i++)
                if (p->watches[i].key)
                        (void)ledger_forget(ledger, p->job->name, p->watches[i].key);
        (void)ledger_forget(ledger, p->job->name, KEY_WAITING);
}
