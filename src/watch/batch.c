/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Files in a hash table by path, and those that wait in a list in the order in which they were first heard of.
 *
 * With Batch=all the files wait together: all are due when nothing was heard of any of them for long enough, so two
 * moments are all that there is to know. With Batch=each every file waits by itself: those that settle are in a heap
 * by the moment at which they are due, and from then on in another by their arrival. So the cost of a change does not
 * depend on how many wait, in whatever order they come to rest.
 *
 * The trigger limit: at most limit_burst batches within limit_interval, counted with a ring of the moments at which
 * the last ones were taken. A job with Batch=all that runs into it goes in cycles most likely, changing what it
 * watches: while files fall due as soon as a batch is taken, the delay doubles each time, and it shrinks when they
 * come later. With Batch=each many files may have arrived for good reasons, and the limit is all. */

#include "watch/batch.h"

#include <sys/queue.h>

#include "util/hash-table.h"
#include "util/hash.h"
#include "util/heap.h"
#include "util/steps.h"

#define COLLECT_STEP 4096U /* files found to be due in one turn: more than are heard of in one */

typedef struct File File;
struct File {
        HashNode node;           /* first */
        TAILQ_ENTRY(File) order; /* of arrival, while it waits */
        uint64_t hash, number;   /* number: of arrival */
        usec_t first, last;
        usec_t again_first, again_last; /* of changes while it is in a run; 0 = none */
        BatchRun *run;
        uint32_t position; /* in one of the heaps, of Batch=each */
        bool is_due;       /* in which */
        unsigned events, again_events;
        size_t length;
        char path[];
};

TAILQ_HEAD(FileList, File);

struct BatchRun {
        File **files;
        size_t n_files;
        TAILQ_ENTRY(BatchRun) runs;
};

struct Batch {
        BatchConfig config;
        HashTable files;
        size_t n_bytes; /* of them */
        uint64_t seed, last_number;

        struct FileList waiting;
        usec_t first, last; /* of all that wait, for Batch=all */
        Heap settling, due; /* Batch=each: by the moment, and by number */
        size_t n_running, n_runs;
        TAILQ_HEAD(, BatchRun) runs;

        usec_t *taken; /* ring of limit_burst moments */
        uint64_t n_taken;
        unsigned slowness; /* how often the delay was doubled */
        usec_t not_before; /* the next batch */
};

/* --- the table --- */

static File *table_find(const Batch *b, uint64_t hash, const char *path, size_t n) {
        File *f = (void *)hash_table_chain(&b->files, (uint32_t)hash);

        while (f && !(f->hash == hash && f->length == n && memcmp(f->path, path, n) == 0))
                f = (void *)f->node.next;
        return f;
}

/* With its places in the table and the heaps. */
static size_t file_size(const File *f) {
        return sizeof(*f) + f->length + 1 + 2 * sizeof(HeapEntry) + 2 * sizeof(void *);
}

static uint32_t file_hash(const HashNode *node, const void *userdata) {
        return (uint32_t)((const File *)(const void *)node)->hash;
}

/* --- waiting --- */

static usec_t settled_at(const Batch *b, usec_t first, usec_t last) {
        return MIN(usec_add(last, b->config.settle), usec_add(first, b->config.settle_max));
}

/* When the file, or all of them, will have come to rest. */
static usec_t due_of(const Batch *b, const File *f) {
        return b->config.each ? settled_at(b, f->first, f->last) : settled_at(b, b->first, b->last);
}

static void file_leave_heap(Batch *b, File *f) {
        (void)heap_set(f->is_due ? &b->due : &b->settling, USEC_INFINITY, 0, &f->position);
        f->is_due = false;
}

/* Room was made for it when the file was. */
static void file_enter_heap(Batch *b, File *f, bool is_due) {
        uint64_t key = is_due ? f->number : due_of(b, f);
        int r;

        assert(b->config.each && f->position == HEAP_NONE);
        f->is_due = is_due;
        r = heap_set(is_due ? &b->due : &b->settling, key, key, &f->position);
        assert(r >= 0);
}

/* It is in the list, and has changed. */
static void file_settle(Batch *b, File *f, usec_t now) {
        assert(!f->run);
        if (!b->config.each) {
                b->first = MIN(b->first, f->first);
                b->last = MAX(b->last, f->last);
                return;
        }
        file_leave_heap(b, f);
        file_enter_heap(b, f, due_of(b, f) <= now);
}

/* Into the list: before another file, or NULL: behind all. */
static void file_wait(Batch *b, File *f, File *before) {
        if (TAILQ_EMPTY(&b->waiting)) {
                b->first = USEC_INFINITY;
                b->last = 0;
        }
        if (before)
                TAILQ_INSERT_BEFORE(before, f, order);
        else
                TAILQ_INSERT_TAIL(&b->waiting, f, order);
}

static void file_unwait(Batch *b, File *f) {
        assert(!f->run);
        file_leave_heap(b, f);
        TAILQ_REMOVE(&b->waiting, f, order);
}

static void file_forget(Batch *b, File *f) {
        assert(!f->run && f->position == HEAP_NONE && b->n_bytes >= file_size(f));
        hash_table_take(&b->files, &f->node, (uint32_t)f->hash);
        hash_table_shrink(&b->files);
        b->n_bytes -= file_size(f);
        free(f);
}

/* False: there are more, for the next turn. */
static bool batch_collect_due(Batch *b, usec_t now) {
        const HeapEntry *first;

        for (unsigned n = 0; (first = heap_first(&b->settling)) && first->at <= now; n++) {
                File *f = HEAP_OWNER(first, File, position);

                if (n >= COLLECT_STEP)
                        return false;
                file_leave_heap(b, f);
                file_enter_heap(b, f, /* is_due= */ true);
        }
        return true;
}

/* When the first of those that wait is due. */
static usec_t batch_due(const Batch *b) {
        const HeapEntry *first = heap_first(&b->settling);

        if (TAILQ_EMPTY(&b->waiting))
                return USEC_INFINITY;
        if (!b->config.each)
                return settled_at(b, b->first, b->last);
        return heap_first(&b->due) ? 0 : first ? first->at : USEC_INFINITY;
}

/* --- changes --- */

/* Room for all files there are, so that none fails to go back in. */
static int heaps_reserve(Batch *b, bool each) {
        uint32_t n = each ? b->files.n_nodes + 1 : 0;
        int r = heap_reserve(&b->settling, n);

        return r < 0 ? r : heap_reserve(&b->due, n);
}

static File *file_new(Batch *b, uint64_t hash, const char *path, size_t n, usec_t now) {
        File *f;

        if (hash_table_reserve(&b->files) < 0 || heaps_reserve(b, b->config.each) < 0)
                return NULL;
        f = malloc(sizeof(*f) + n + 1);
        if (!f)
                return NULL;
        *f = (File){ .hash = hash, .position = HEAP_NONE, .length = n, .number = ++b->last_number, .first = now };
        memcpy(f->path, path, n);
        f->path[n] = '\0';
        hash_table_put(&b->files, &f->node, (uint32_t)hash, file_hash, NULL);
        b->n_bytes += file_size(f);
        return f;
}

/* A move within the watch: the old name waits no longer, and the new one has its place. */
static void batch_add_from(Batch *b, const char *from, File *f) {
        size_t n = strlen(from);
        File *old = table_find(b, hash_bytes(b->seed, from, n), from, n);

        if (!old || old == f || old->run)
                return;
        f->first = MIN(f->first, old->first);
        if (old->number < f->number) {
                file_unwait(b, f);
                file_wait(b, f, old);
                f->number = old->number;
        }
        file_unwait(b, old);
        file_forget(b, old);
}

int batch_add(Batch *b, const char *path, size_t n, const char *from, unsigned events, usec_t now) {
        uint64_t hash = hash_bytes(b->seed, path, n);
        File *f = table_find(b, hash, path, n);
        bool is_new = !f;

        if (f && f->run) {
                assert(f->position == HEAP_NONE);
                if (f->again_events == 0)
                        f->again_first = now;
                f->again_last = now;
                f->again_events |= events | 1U << 31; /* also when it is about nothing in particular */
                return 0;
        }
        if (!f) {
                f = file_new(b, hash, path, n, now);
                if (!f)
                        return -ENOMEM;
                file_wait(b, f, NULL);
        }
        f->events |= events;
        f->last = now;
        if (from)
                batch_add_from(b, from, f);
        file_settle(b, f, now);
        return is_new;
}

int batch_add_own(Batch *b, const char *path, size_t n, const char *from, usec_t now) {
        size_t n_from = from ? strlen(from) : 0;
        const File *old = from ? table_find(b, hash_bytes(b->seed, from, n_from), from, n_from) : NULL;
        int r;

        if (!old || old->run)
                return 0;
        r = batch_add(b, path, n, from, old->events, now);
        return r < 0 ? r : 1;
}

bool batch_remove(Batch *b, const char *path, size_t n) {
        File *f = table_find(b, hash_bytes(b->seed, path, n), path, n);

        if (!f || f->run)
                return false;
        file_unwait(b, f);
        file_forget(b, f);
        return true;
}

/* --- the limit --- */

static bool has_limit(const Batch *b) {
        return b->config.limit_interval > 0 && b->config.limit_burst > 0;
}

static usec_t limit_delay(const Batch *b) {
        return b->slowness > 0 ? b->config.limit_interval << (b->slowness - 1) : 0;
}

/* When the next batch may be taken. */
static usec_t limit_next(const Batch *b) {
        return has_limit(b) ? b->not_before : 0;
}

/* due: when the first file of the batch was. That soon after the last batch, again and again, it is the job's own
 * doing; otherwise it is not, and the delay goes as it came. */
static void limit_slow_down(Batch *b, usec_t now, usec_t due) {
        usec_t last = b->taken[(b->n_taken - 1) % b->config.limit_burst], gap = usec_sub(due, last);

        assert(b->slowness <= BATCH_SLOWEST);
        if (gap <= 2 * b->config.limit_interval / b->config.limit_burst)
                b->slowness = MIN(b->slowness + 1, BATCH_SLOWEST);
        else if (b->slowness > 0)
                b->slowness = gap > 2 * limit_delay(b) ? 0 : b->slowness - 1;
}

static void limit_count(Batch *b, usec_t now, usec_t due) {
        usec_t oldest;

        if (!has_limit(b))
                return;
        if (!b->config.each && b->n_taken > 0 && (due < b->not_before || b->slowness > 0))
                limit_slow_down(b, now, due);
        b->taken[b->n_taken++ % b->config.limit_burst] = now;
        oldest = b->n_taken < b->config.limit_burst ? 0 : b->taken[b->n_taken % b->config.limit_burst];
        b->not_before = oldest > 0 ? usec_add(oldest, b->config.limit_interval) : 0;
        b->not_before = MAX(b->not_before, b->slowness > 0 ? usec_add(now, limit_delay(b)) : 0);
}

bool batch_is_limited(const Batch *b, usec_t now, usec_t *ret_until, usec_t *ret_delay) {
        if (limit_next(b) <= now || batch_due(b) > now)
                return false;
        if (ret_until)
                *ret_until = limit_next(b);
        if (ret_delay)
                *ret_delay = limit_delay(b);
        return true;
}

/* --- runs --- */

usec_t batch_next(const Batch *b, usec_t now) {
        usec_t due = batch_due(b);

        if (due == USEC_INFINITY || b->n_runs >= MAX(b->config.parallel, 1U))
                return USEC_INFINITY;
        due = MAX(due, limit_next(b));
        return due <= now ? 0 : due;
}

static File *batch_first(const Batch *b) {
        return b->config.each ? HEAP_OWNER(heap_first(&b->due), File, position) : TAILQ_FIRST(&b->waiting);
}

static void run_fill(Batch *b, BatchRun *r, size_t max) {
        size_t bytes = 0;

        assert(max > 0 && max <= batch_n_waiting(b));
        while (r->n_files < max) {
                File *f = batch_first(b);

                bytes += f->length + 1;
                if (r->n_files > 0 && bytes > BATCH_RUN_BYTES_MAX)
                        break;
                file_unwait(b, f);
                f->run = r;
                r->files[r->n_files++] = f;
        }
        steps_taken += r->n_files;
        b->n_running += r->n_files;
        b->n_runs++;
        TAILQ_INSERT_TAIL(&b->runs, r, runs);
}

int batch_take(Batch *b, usec_t now, BatchRun **ret) {
        size_t max = b->config.each ? 1 : MIN(batch_n_waiting(b), BATCH_RUN_FILES_MAX);
        BatchRun *r;

        if (batch_next(b, now) > 0 || !batch_collect_due(b, now))
                return 0;
        if (b->config.files_max > 0)
                max = MIN(max, b->config.files_max);
        r = calloc(1, sizeof(*r));
        if (!r)
                return -ENOMEM;
        r->files = reallocarray(NULL, max, sizeof(File *));
        if (!r->files) {
                free(r);
                return -ENOMEM;
        }
        /* When the first of them was due, had it been alone. */
        limit_count(b, now, b->config.each ? due_of(b, batch_first(b)) : usec_add(b->first, b->config.settle));
        run_fill(b, r, max);
        *ret = r;
        return 1;
}

static bool is_in_a_run(const Batch *b, const char *path) {
        size_t n = strlen(path);
        const File *f = table_find(b, hash_bytes(b->seed, path, n), path, n);

        return f && f->run;
}

/* One that waits has changed since the run got it. */
static int run_adopt_file(Batch *b, BatchRun *r, const char *path, usec_t now) {
        size_t n = strlen(path);
        uint64_t hash = hash_bytes(b->seed, path, n);
        File *f = table_find(b, hash, path, n);

        if (f && f->run == r)
                return 0;
        if (f) {
                file_unwait(b, f);
                f->again_first = f->first;
                f->again_last = f->last;
                f->again_events = f->events | 1U << 31;
        } else
                f = file_new(b, hash, path, n, now);
        if (!f)
                return -ENOMEM;
        f->last = MAX(f->last, f->first);
        f->run = r;
        r->files[r->n_files++] = f;
        return 0;
}

int batch_adopt(Batch *b, const char *list, size_t n, usec_t now, BatchRun **ret) {
        const char *end = list + n;
        size_t n_paths = 0;
        BatchRun *r;
        int e = 0;

        if (n == 0 || list[n - 1] != '\0' || list[0] == '\0' || memmem(list, n, "\0", 2))
                return -EINVAL;
        for (const char *path = list; path < end; path += strlen(path) + 1, n_paths++)
                if (is_in_a_run(b, path))
                        return -EBUSY;
        r = calloc(1, sizeof(*r));
        if (!r)
                return -ENOMEM;
        TAILQ_INSERT_TAIL(&b->runs, r, runs);
        b->n_runs++;
        r->files = reallocarray(NULL, n_paths, sizeof(File *));
        for (const char *path = list; r->files && e >= 0 && path < end; path += strlen(path) + 1)
                e = run_adopt_file(b, r, path, now);
        b->n_running += r->n_files;
        if (!r->files || e < 0) {
                batch_done(b, r, BATCH_AGAIN, now);
                return -ENOMEM;
        }
        *ret = r;
        return 0;
}

size_t batch_run_size(const BatchRun *r) {
        return r->n_files;
}

static BatchFile file_view(const File *f) {
        return (BatchFile){
                .path = f->path, .length = f->length, .events = f->events, .first = f->first, .last = f->last
        };
}

BatchFile batch_run_file(const BatchRun *r, size_t i) {
        assert(i < r->n_files);
        return file_view(r->files[i]);
}

/* What changed while it was in the run makes it a new arrival; what was not dealt with is an old one, before all
 * others. */
static void file_leave_run(Batch *b, File *f, BatchOutcome outcome, usec_t now) {
        unsigned again = f->again_events & ~(1U << 31);
        bool changed = f->again_events != 0;

        assert(f->run);
        f->run = NULL;
        if (outcome == BATCH_FORGET && !changed) {
                file_forget(b, f);
                return;
        }
        if (outcome == BATCH_FORGET) {
                f->number = ++b->last_number;
                f->events = 0;
                f->first = f->again_first;
        }
        f->last = changed ? f->again_last : f->last;
        f->events |= again;
        f->again_events = 0;
        file_wait(b, f, outcome == BATCH_AGAIN ? TAILQ_FIRST(&b->waiting) : NULL);
        file_settle(b, f, now);
}

/* Its files are elsewhere by now. */
static void run_remove(Batch *b, BatchRun *r) {
        assert(b->n_runs > 0 && b->n_running >= r->n_files);
        TAILQ_REMOVE(&b->runs, r, runs);
        b->n_runs--;
        b->n_running -= r->n_files;
        steps_taken += r->n_files;
        free(r->files);
        free(r);
}

void batch_done(Batch *b, BatchRun *r, BatchOutcome outcome, usec_t now) {
        for (size_t i = 0; i < r->n_files; i++)
                file_leave_run(b, r->files[outcome == BATCH_AGAIN ? r->n_files - 1 - i : i], outcome, now);
        run_remove(b, r);
}

void batch_postpone(Batch *b, BatchRun *r, usec_t until, usec_t now) {
        for (size_t i = 0; i < r->n_files; i++) {
                File *f = r->files[i];

                f->run = NULL;
                f->number = ++b->last_number;
                f->events |= f->again_events & ~(1U << 31);
                f->again_events = 0;
                f->first = f->last = until;
                file_wait(b, f, NULL);
                file_settle(b, f, now);
        }
        if (has_limit(b)) { /* it was allowed then, so nothing else was in its way */
                b->n_taken--;
                b->not_before = 0;
        }
        run_remove(b, r);
}

/* --- for people --- */

static BatchView file_describe(const Batch *b, const File *f, usec_t now) {
        BatchView v = { .file = file_view(f) };

        if (f->run)
                v.state = f->again_events ? BATCH_FILE_RUNNING_AGAIN : BATCH_FILE_RUNNING;
        else if (due_of(b, f) > now) {
                v.state = BATCH_FILE_SETTLING;
                v.until = due_of(b, f);
        } else
                v.state = BATCH_FILE_DUE;
        return v;
}

bool batch_find(const Batch *b, const char *path, size_t n, usec_t now, BatchView *ret) {
        const File *f = table_find(b, hash_bytes(b->seed, path, n), path, n);

        if (f)
                *ret = file_describe(b, f, now);
        return f;
}

int batch_visit(const Batch *b, usec_t now, int (*visit)(const BatchView *v, void *userdata), void *userdata) {
        const BatchRun *run;
        const File *f;
        BatchView v;
        int r = 0;

        TAILQ_FOREACH(run, &b->runs, runs)
                for (size_t i = 0; i < run->n_files && r == 0; i++) {
                        v = file_describe(b, run->files[i], now);
                        r = visit(&v, userdata);
                }
        for (f = TAILQ_FIRST(&b->waiting); f && r == 0; f = TAILQ_NEXT(f, order)) {
                v = file_describe(b, f, now);
                r = visit(&v, userdata);
        }
        return r;
}

size_t batch_n_waiting(const Batch *b) {
        assert(b->n_running <= b->files.n_nodes);
        return b->files.n_nodes - b->n_running;
}

size_t batch_size(const Batch *b) {
        return b->n_bytes;
}

bool batch_is_full(const Batch *b, bool until_now) {
        size_t max = b->config.bytes_max > 0 ? b->config.bytes_max : BATCH_BYTES_MAX;

        return b->n_bytes >= (until_now ? max / 2 : max);
}

size_t batch_n_running(const Batch *b) {
        return b->n_running;
}

/* --- life --- */

int batch_set_config(Batch *b, const BatchConfig *config) {
        usec_t *taken = NULL;
        File *f;

        if (config->limit_burst > PATH_LIMIT_BURST_MAX)
                return -EINVAL;
        if (heaps_reserve(b, config->each) < 0)
                return -ENOMEM;
        if (config->limit_burst > 0 && config->limit_interval > 0) {
                taken = calloc(config->limit_burst, sizeof(usec_t));
                if (!taken)
                        return -ENOMEM;
        }
        free(b->taken);
        b->taken = taken;
        b->n_taken = b->slowness = 0;
        b->not_before = 0;
        b->config = *config;
        if (config->settle_max == 0)
                b->config.settle_max = USEC_INFINITY;
        /* By other rules, or in other structures. */
        b->first = USEC_INFINITY;
        b->last = 0;
        TAILQ_FOREACH(f, &b->waiting, order) {
                file_leave_heap(b, f);
                file_settle(b, f, /* now= */ 0);
        }
        return 0;
}

int batch_new(Batch **ret, const BatchConfig *config) {
        _cleanup_(batch_freep) Batch *b = NULL;
        int r;

        b = calloc(1, sizeof(*b));
        if (!b)
                return -ENOMEM;
        TAILQ_INIT(&b->waiting);
        TAILQ_INIT(&b->runs);
        b->seed = hash_seed();
        r = batch_set_config(b, config);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(b);
        return 0;
}

Batch *batch_free(Batch *b) {
        BatchRun *r;

        if (!b)
                return NULL;
        while ((r = TAILQ_FIRST(&b->runs))) {
                TAILQ_REMOVE(&b->runs, r, runs);
                free(r->files);
                free(r);
        }
        for (uint32_t i = 0; i < b->files.n_slots; i++)
                for (HashNode *f = b->files.slots[i], *next; f; f = next) {
                        next = f->next;
                        free(f);
                }
        hash_table_done(&b->files);
        heap_done(&b->settling);
        heap_done(&b->due);
        free(b->taken);
        return mfree(b);
}
