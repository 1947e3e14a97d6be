/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Files in a hash table by path, and those that wait in two structures more: a heap by the moment at which they are
 * due, and, once they are, a list in the order in which they were first heard of. So the cost of a change does not
 * depend on how many wait.
 *
 * The trigger limit: at most limit_burst batches within limit_interval, counted with a ring of the moments at which
 * the last ones were taken. A job with Batch=all that runs into it goes in circles most likely, changing what it
 * watches: while files fall due as soon as a batch is taken, the delay doubles each time, and it shrinks when they
 * come later. With Batch=each many files may have arrived for good reasons, and the limit is all. */

#include "watch/batch.h"

#include <assert.h>
#include <sys/queue.h>

#include "watch/hash.h"

#define SLOTS_MIN 16U
#define NOWHERE   UINT32_MAX

typedef struct File File;
struct File {
        File *chain;             /* of its slot */
        TAILQ_ENTRY(File) order; /* among the due ones, or in its run */
        uint64_t hash, number;   /* number: of arrival */
        usec_t first, last, due;
        usec_t again_first, again_last; /* of changes while it is in a run; 0 = none */
        BatchRun *run;
        uint32_t heap; /* place while it settles, NOWHERE = it does not */
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
        File **slots;
        size_t n_files, n_slots;
        uint64_t seed, last_number;

        File **heap; /* by due, then number */
        uint32_t n_heap, n_heap_allocated;
        struct FileList due;
        size_t n_due, n_running, n_runs;
        TAILQ_HEAD(, BatchRun) runs;

        usec_t *taken; /* ring of limit_burst moments */
        uint64_t n_taken;
        unsigned slowness; /* how often the delay was doubled */
        usec_t not_before; /* the next batch */
};

/* --- the table --- */

static File *table_find(const Batch *b, uint64_t hash, const char *path, size_t n) {
        if (b->n_slots == 0)
                return NULL;
        for (File *f = b->slots[hash & (b->n_slots - 1)]; f; f = f->chain)
                if (f->hash == hash && f->length == n && memcmp(f->path, path, n) == 0)
                        return f;
        return NULL;
}

static int table_grow(Batch *b) {
        size_t n = b->n_slots * 2 > SLOTS_MIN ? b->n_slots * 2 : SLOTS_MIN;
        File **slots;

        if (b->n_files < b->n_slots)
                return 0;
        slots = calloc(n, sizeof(File *));
        if (!slots)
                return -ENOMEM;
        for (size_t i = 0; i < b->n_slots; i++)
                for (File *f = b->slots[i], *next; f; f = next) {
                        File **slot = &slots[f->hash & (n - 1)];

                        next = f->chain;
                        f->chain = *slot;
                        *slot = f;
                }
        free(b->slots);
        b->slots = slots;
        b->n_slots = n;
        return 0;
}

static void table_remove(Batch *b, const File *f) {
        File **p = &b->slots[f->hash & (b->n_slots - 1)];

        while (*p != f)
                p = &(*p)->chain;
        *p = f->chain;
        b->n_files--;
}

/* --- the heap --- */

static bool is_before(const File *a, const File *b) {
        return a->due != b->due ? a->due < b->due : a->number < b->number;
}

static void heap_place(Batch *b, uint32_t i, File *f) {
        b->heap[i] = f;
        f->heap = i;
}

static void heap_sift_down(Batch *b, uint32_t i, File *f) {
        for (;;) {
                uint32_t child = 2 * i + 1;

                if (child + 1 < b->n_heap && is_before(b->heap[child + 1], b->heap[child]))
                        child++;
                if (child >= b->n_heap || !is_before(b->heap[child], f))
                        break;
                heap_place(b, i, b->heap[child]);
                i = child;
        }
        heap_place(b, i, f);
}

static void heap_put(Batch *b, uint32_t i, File *f) {
        while (i > 0 && is_before(f, b->heap[(i - 1) / 2])) {
                heap_place(b, i, b->heap[(i - 1) / 2]);
                i = (i - 1) / 2;
        }
        heap_sift_down(b, i, f);
}

static void heap_remove(Batch *b, File *f) {
        uint32_t i = f->heap;
        File *last = b->heap[--b->n_heap];

        f->heap = NOWHERE;
        if (last != f)
                heap_put(b, i, last);
}

/* Room for all files there are, so that none fails to go back in. */
static int heap_reserve(Batch *b) {
        uint32_t n = (uint32_t)(b->n_files + 1);
        File **bigger;

        if (n <= b->n_heap_allocated)
                return 0;
        n = n * 2 + SLOTS_MIN;
        bigger = reallocarray(b->heap, n, sizeof(File *));
        if (!bigger)
                return -ENOMEM;
        b->heap = bigger;
        b->n_heap_allocated = n;
        return 0;
}

/* --- waiting --- */

static usec_t due_of(const Batch *b, const File *f) {
        usec_t quiet = usec_add(f->last, b->config.settle), longest = usec_add(f->first, b->config.settle_max);

        return MIN(quiet, longest);
}

static void file_settle(Batch *b, File *f) {
        assert(!f->run);
        f->due = due_of(b, f);
        if (f->heap != NOWHERE)
                heap_put(b, f->heap, f);
        else {
                b->n_heap++;
                heap_put(b, b->n_heap - 1, f);
        }
}

static void file_unwait(Batch *b, File *f) {
        if (f->heap != NOWHERE)
                heap_remove(b, f);
        else {
                TAILQ_REMOVE(&b->due, f, order);
                b->n_due--;
        }
}

static void file_forget(Batch *b, File *f) {
        table_remove(b, f);
        free(f);
}

/* Into the list of those that are due, by arrival. Most arrive in the order in which they fall due. */
static void file_set_due(Batch *b, File *f) {
        File *before = TAILQ_LAST(&b->due, FileList);

        while (before && before->number > f->number)
                before = TAILQ_PREV(before, FileList, order);
        if (before)
                TAILQ_INSERT_AFTER(&b->due, before, f, order);
        else
                TAILQ_INSERT_HEAD(&b->due, f, order);
        b->n_due++;
}

static void batch_collect_due(Batch *b, usec_t now) {
        while (b->n_heap > 0 && b->heap[0]->due <= now) {
                File *f = b->heap[0];

                heap_remove(b, f);
                file_set_due(b, f);
        }
}

/* --- changes --- */

static File *file_new(Batch *b, uint64_t hash, const char *path, size_t n, usec_t now) {
        File *f, **slot;

        if (table_grow(b) < 0 || heap_reserve(b) < 0)
                return NULL;
        f = malloc(sizeof(*f) + n + 1);
        if (!f)
                return NULL;
        *f = (File){ .hash = hash, .heap = NOWHERE, .length = n, .number = ++b->last_number, .first = now };
        memcpy(f->path, path, n);
        f->path[n] = '\0';
        slot = &b->slots[hash & (b->n_slots - 1)];
        f->chain = *slot;
        *slot = f;
        b->n_files++;
        return f;
}

/* A move within the watch: the old name waits no longer. */
static void batch_add_from(Batch *b, const char *from, File *f) {
        size_t n = strlen(from);
        File *old = table_find(b, hash_bytes(b->seed, from, n), from, n);

        if (!old || old == f || old->run)
                return;
        f->first = MIN(f->first, old->first);
        f->number = MIN(f->number, old->number);
        file_unwait(b, old);
        file_forget(b, old);
}

static void file_change_in_run(File *f, unsigned events, usec_t now) {
        if (f->again_events == 0)
                f->again_first = now;
        f->again_last = now;
        f->again_events |= events | 1U << 31; /* also when it is about nothing in particular */
}

int batch_add(Batch *b, const char *path, size_t n, const char *from, unsigned events, usec_t now) {
        uint64_t hash = hash_bytes(b->seed, path, n);
        File *f = table_find(b, hash, path, n);
        bool is_new = !f;

        if (f && f->run) {
                file_change_in_run(f, events, now);
                return 0;
        }
        if (!f) {
                if (b->n_files >= BATCH_FILES_MAX)
                        return -ENOBUFS;
                f = file_new(b, hash, path, n, now);
                if (!f)
                        return -ENOMEM;
        } else if (f->heap == NOWHERE)
                file_unwait(b, f); /* it was due, and settles anew */
        f->events |= events;
        f->last = now;
        if (from)
                batch_add_from(b, from, f);
        file_settle(b, f);
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
        bool waits = b->n_due > 0 || (b->n_heap > 0 && b->heap[0]->due <= now);

        if (limit_next(b) <= now || !waits)
                return false;
        if (ret_until)
                *ret_until = limit_next(b);
        if (ret_delay)
                *ret_delay = limit_delay(b);
        return true;
}

/* --- runs --- */

usec_t batch_next(const Batch *b, usec_t now) {
        usec_t due = b->n_due > 0 ? 0 : b->n_heap > 0 ? b->heap[0]->due : USEC_INFINITY;

        if (due == USEC_INFINITY || b->n_runs >= MAX(b->config.parallel, 1U))
                return USEC_INFINITY;
        due = MAX(due, limit_next(b));
        return due <= now ? 0 : due;
}

/* When the first of them was due. */
static usec_t run_fill(Batch *b, BatchRun *r, size_t n) {
        usec_t due = USEC_INFINITY;

        while (r->n_files < n) {
                File *f = TAILQ_FIRST(&b->due);

                TAILQ_REMOVE(&b->due, f, order);
                b->n_due--;
                f->run = r;
                due = MIN(due, f->due);
                r->files[r->n_files++] = f;
        }
        b->n_running += n;
        b->n_runs++;
        TAILQ_INSERT_TAIL(&b->runs, r, runs);
        return due;
}

int batch_take(Batch *b, usec_t now, BatchRun **ret) {
        BatchRun *r;
        size_t n;

        if (batch_next(b, now) > 0)
                return 0;
        batch_collect_due(b, now);
        n = b->config.each ? 1 : b->n_due;
        if (b->config.files_max > 0 && n > b->config.files_max)
                n = b->config.files_max;
        r = calloc(1, sizeof(*r));
        if (!r)
                return -ENOMEM;
        r->files = reallocarray(NULL, n, sizeof(File *));
        if (!r->files) {
                free(r);
                return -ENOMEM;
        }
        limit_count(b, now, run_fill(b, r, n));
        *ret = r;
        return 1;
}

static bool is_list(const char *list, size_t n) {
        if (n == 0 || list[n - 1] != '\0' || list[0] == '\0')
                return false;
        return !memmem(list, n, "\0", 2);
}

static size_t count_paths(const char *list, size_t n) {
        size_t count = 0;

        for (size_t i = 0; i < n; i++)
                count += list[i] == '\0';
        return count;
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
        BatchRun *r;
        int e = 0;

        if (!is_list(list, n))
                return -EINVAL;
        for (const char *path = list; path < end; path += strlen(path) + 1)
                if (is_in_a_run(b, path))
                        return -EBUSY;
        r = calloc(1, sizeof(*r));
        if (!r)
                return -ENOMEM;
        TAILQ_INSERT_TAIL(&b->runs, r, runs);
        b->n_runs++;
        r->files = reallocarray(NULL, count_paths(list, n), sizeof(File *));
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

/* What changed while it was in the run makes it a new arrival; what was not dealt with is an old one. */
static void file_leave_run(Batch *b, File *f, BatchOutcome outcome) {
        unsigned again = f->again_events & ~(1U << 31);
        bool changed = f->again_events != 0;

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
        file_settle(b, f);
}

void batch_done(Batch *b, BatchRun *r, BatchOutcome outcome, usec_t now) {
        TAILQ_REMOVE(&b->runs, r, runs);
        b->n_runs--;
        b->n_running -= r->n_files;
        for (size_t i = 0; i < r->n_files; i++)
                file_leave_run(b, r->files[i], outcome);
        free(r->files);
        free(r);
        batch_collect_due(b, now);
}

/* --- for people --- */

static BatchView file_describe(const File *f, usec_t now) {
        BatchView v = { .file = file_view(f) };

        if (f->run)
                v.state = f->again_events ? BATCH_FILE_RUNNING_AGAIN : BATCH_FILE_RUNNING;
        else if (f->heap != NOWHERE && f->due > now) {
                v.state = BATCH_FILE_SETTLING;
                v.until = f->due;
        } else
                v.state = BATCH_FILE_DUE;
        return v;
}

bool batch_find(const Batch *b, const char *path, size_t n, usec_t now, BatchView *ret) {
        const File *f = table_find(b, hash_bytes(b->seed, path, n), path, n);

        if (f)
                *ret = file_describe(f, now);
        return f;
}

static int number_compare(const void *a, const void *b) {
        const File *const *f = a, *const *g = b;

        if (!(*f)->run != !(*g)->run)
                return (*f)->run ? -1 : 1;
        return ((*f)->number > (*g)->number) - ((*f)->number < (*g)->number);
}

int batch_visit(const Batch *b, usec_t now, int (*visit)(const BatchView *v, void *userdata), void *userdata) {
        _cleanup_free_ const File **all = reallocarray(NULL, b->n_files + 1, sizeof(File *));
        size_t n = 0;
        int r = 0;

        if (!all)
                return -ENOMEM;
        for (size_t i = 0; i < b->n_slots; i++)
                for (const File *f = b->slots[i]; f; f = f->chain)
                        all[n++] = f;
        qsort(all, n, sizeof(*all), number_compare);
        for (size_t i = 0; i < n && r == 0; i++) {
                BatchView v = file_describe(all[i], now);

                r = visit(&v, userdata);
        }
        return r;
}

size_t batch_n_waiting(const Batch *b) {
        return b->n_files - b->n_running;
}

size_t batch_n_running(const Batch *b) {
        return b->n_running;
}

/* --- life --- */

int batch_set_config(Batch *b, const BatchConfig *config) {
        usec_t *taken = NULL;

        if (config->limit_burst > PATH_LIMIT_BURST_MAX)
                return -EINVAL;
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
        for (uint32_t i = 0; i < b->n_heap; i++)
                b->heap[i]->due = due_of(b, b->heap[i]);
        for (uint32_t i = b->n_heap / 2; i-- > 0;)
                heap_sift_down(b, i, b->heap[i]);
        return 0;
}

int batch_new(Batch **ret, const BatchConfig *config) {
        _cleanup_(batch_freep) Batch *b = NULL;
        int r;

        b = calloc(1, sizeof(*b));
        if (!b)
                return -ENOMEM;
        TAILQ_INIT(&b->due);
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
        for (size_t i = 0; i < b->n_slots; i++)
                for (File *f = b->slots[i], *next; f; f = next) {
                        next = f->chain;
                        free(f);
                }
        free(b->slots);
        free(b->heap);
        free(b->taken);
        return mfree(b);
}
