/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Three ordered sets. Writing behind has three gains over writing at once: a run that is added and updated within one
 * turn is one row and not three, a transaction that fails has lost nothing, and a ledger without a database is the
 * same code as one with it. */

#include "ledger/pending.h"

static int compare_runs(const void *a, const void *b) {
        uint64_t x = ((const RunRecord *)a)->id, y = ((const RunRecord *)b)->id;

        return x < y ? -1 : x > y;
}

static void free_run(void *item) {
        run_record_done(item);
        free(item);
}

static int compare_marks(const void *a, const void *b) {
        const PendingMark *x = a, *y = b;
        int c = strcmp(x->job, y->job);

        return c != 0 ? c : strcmp(x->key, y->key);
}

static void free_mark(void *item) {
        PendingMark *m = item;

        free(m->job);
        free(m->key);
        free(m);
}

static int compare_states(const void *a, const void *b) {
        return strcmp(((const PendingState *)a)->job, ((const PendingState *)b)->job);
}

static void free_state(void *item) {
        free(((PendingState *)item)->job);
        free(item);
}

void pending_init(Pending *p) {
        *p = (Pending){
                .runs = { .compare = compare_runs, .free_item = free_run },
                .marks = { .compare = compare_marks, .free_item = free_mark },
                .states = { .compare = compare_states, .free_item = free_state },
        };
}

void pending_clear(Pending *p) {
        sorted_set_clear(&p->runs);
        sorted_set_clear(&p->marks);
        sorted_set_clear(&p->states);
        p->n_dropped = 0;
}

bool pending_is_empty(const Pending *p) {
        return p->runs.n == 0 && p->marks.n == 0 && p->states.n == 0;
}

bool pending_is_full(const Pending *p) {
        return p->runs.n >= LEDGER_RUNS_MAX || p->marks.n >= LEDGER_MARKS_MAX || p->states.n >= LEDGER_MARKS_MAX;
}

/* --- runs --- */

/* The oldest run that is over goes first; what still goes on only when there is nothing else. */
static void drop_a_run(Pending *p) {
        size_t i = 0;

        while (i < p->runs.n && ((const RunRecord *)p->runs.items[i])->state != RUN_DONE)
                i++;
        sorted_set_remove_at(&p->runs, i < p->runs.n ? i : 0);
        p->n_dropped++;
}

static int insert_run(Pending *p, const RunRecord *record) {
        RunRecord *copy = malloc(sizeof(*copy));
        int r;

        if (!copy)
                return -ENOMEM;
        r = run_record_copy(copy, record);
        if (r < 0) {
                free(copy);
                return r;
        }
        r = sorted_set_insert(&p->runs, copy);
        if (r < 0)
                free_run(copy);
        return r;
}

int pending_put_run(Pending *p, const RunRecord *record, bool is_new) {
        RunRecord *known = is_new ? NULL : sorted_set_get(&p->runs, record);
        RunRecord copy;
        int r;

        if (!known && p->runs.n >= LEDGER_RUNS_MAX) {
                if (!is_new && record->state != RUN_DONE)
                        return 0; /* that a run goes on is not worth another one's outcome */
                drop_a_run(p);
        }
        if (!known)
                return insert_run(p, record);
        r = run_record_copy(&copy, record);
        if (r < 0)
                return r;
        run_record_done(known);
        *known = copy;
        return 0;
}

const RunRecord *pending_get_run(const Pending *p, uint64_t id) {
        return p->runs.n > 0 ? sorted_set_get(&p->runs, &(RunRecord){ .id = id }) : NULL;
}

const RunRecord *pending_get_run_below(const Pending *p, uint64_t id) {
        size_t i = sorted_set_position(&p->runs, &(RunRecord){ .id = id });

        return i > 0 ? p->runs.items[i - 1] : NULL;
}

const RunRecord *pending_get_run_above(const Pending *p, uint64_t id) {
        size_t i = sorted_set_position(&p->runs, &(RunRecord){ .id = id + 1 });

        return i < p->runs.n ? p->runs.items[i] : NULL;
}

/* --- marks and states --- */

static PendingMark *insert_mark(Pending *p, const char *job, const char *key) {
        PendingMark *m;

        if (p->marks.n >= LEDGER_MARKS_MAX) {
                errno = ENOBUFS;
                return NULL;
        }
        m = calloc(1, sizeof(*m));
        if (!m)
                return NULL;
        m->job = strdup(job);
        m->key = strdup(key);
        if (m->job && m->key && sorted_set_insert(&p->marks, m) >= 0)
                return m;
        free_mark(m);
        errno = ENOMEM;
        return NULL;
}

int pending_put_mark(Pending *p, const char *job, const char *key, usec_t usec, bool forget) {
        PendingMark *m = sorted_set_get(&p->marks, &(PendingMark){ .job = (char *)job, .key = (char *)key });

        if (!m)
                m = insert_mark(p, job, key);
        if (!m)
                return -errno;
        m->usec = usec;
        m->forget = forget;
        return 0;
}

const PendingMark *pending_get_mark(const Pending *p, const char *job, const char *key) {
        return sorted_set_get(&p->marks, &(PendingMark){ .job = (char *)job, .key = (char *)key });
}

static PendingState *insert_state(Pending *p, const char *job) {
        PendingState *s;

        if (p->states.n >= LEDGER_MARKS_MAX) {
                errno = ENOBUFS;
                return NULL;
        }
        s = calloc(1, sizeof(*s));
        if (!s)
                return NULL;
        s->job = strdup(job);
        if (s->job && sorted_set_insert(&p->states, s) >= 0)
                return s;
        free_state(s);
        errno = ENOMEM;
        return NULL;
}

int pending_put_state(Pending *p, const char *job, const LedgerJobState *state) {
        PendingState *s = sorted_set_get(&p->states, &(PendingState){ .job = (char *)job });

        if (!s)
                s = insert_state(p, job);
        if (!s)
                return -errno;
        s->state = *state;
        return 0;
}

const PendingState *pending_get_state(const Pending *p, const char *job) {
        return sorted_set_get(&p->states, &(PendingState){ .job = (char *)job });
}
