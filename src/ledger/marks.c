/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The part of the ledger that is no history: marks of triggers and states of jobs. Both are asked for when jobs are
 * loaded and written now and then, so nothing is cached: Pending first, then the database. */

#include <string.h>

#include "ledger/ledger-internal.h"

/* SQLite would refuse what is too long in the middle of a transaction, and everything else with it. */
static bool is_short(const char *s) {
        return strnlen(s, LEDGER_KEY_MAX + 1) <= LEDGER_KEY_MAX;
}

/* What was read; damage is dealt with. */
static int read_result(Ledger *l, int r) {
        if (r == -EBADMSG)
                ledger_fault(l, r);
        return r;
}

/* --- marks --- */

static int put_mark(Ledger *l, const char *job, const char *key, usec_t usec, bool forget) {
        int r;

        ledger_make_room(l);
        r = pending_put_mark(&l->pending, job, key, usec, forget);
        if (r >= 0)
                ledger_arm_commit(l);
        return r;
}

int ledger_set_mark(Ledger *l, const char *job, const char *key, usec_t usec) {
        if (!is_short(job) || !is_short(key))
                return -ENAMETOOLONG;
        return put_mark(l, job, key, usec, /* forget= */ false);
}

int ledger_get_mark(Ledger *l, const char *job, const char *key, usec_t *ret) {
        const PendingMark *m = pending_get_mark(&l->pending, job, key);

        if (m && m->forget)
                return -ENOENT;
        if (m) {
                *ret = m->usec;
                return 0;
        }
        return l->store ? read_result(l, store_get_mark(l->store, job, key, ret)) : -ENOENT;
}

typedef struct MarkWalk {
        const Pending *pending;
        int result; /* of the last visit */
        int (*visit)(const char *job, const char *key, usec_t usec, void *userdata);
        void *userdata;
} MarkWalk;

static int on_stored_mark(const char *job, const char *key, usec_t usec, void *userdata) {
        MarkWalk *w = userdata;

        if (pending_get_mark(w->pending, job, key))
                return 0;
        w->result = w->visit(job, key, usec, w->userdata);
        return w->result != 0;
}

/* By name and not by index: the visit may put marks in. */
static void walk_pending_marks(MarkWalk *w, const char *job) {
        const SortedSet *marks = &w->pending->marks;
        size_t i = 0;

        while (w->result == 0 && i < marks->n) {
                const PendingMark *m = marks->items[i];

                if (!m->forget && (!job || streq(job, m->job)))
                        w->result = w->visit(m->job, m->key, m->usec, w->userdata);
                i = sorted_set_position(marks, m) + 1;
        }
}

/* The database first: marks that the visit writes are pending, and left out there. */
int ledger_list_marks(Ledger *l, const char *job,
                      int (*visit)(const char *job, const char *key, usec_t usec, void *userdata), void *userdata) {
        MarkWalk w = { .pending = &l->pending, .visit = visit, .userdata = userdata };
        int r = 0;

        walk_pending_marks(&w, job);
        if (w.result == 0 && l->store)
                r = store_list_marks(l->store, job, on_stored_mark, &w);
        if (r < 0)
                (void)read_result(l, r);
        return w.result;
}

typedef struct Forgetting {
        Ledger *ledger;
        char *const *keep;
        usec_t before;
} Forgetting;

static int forget_mark(const char *job, const char *key, usec_t usec, void *userdata) {
        const Forgetting *f = userdata;

        if (usec >= f->before)
                return 0;
        for (char *const *k = f->keep; k && *k; k++)
                if (streq(*k, key))
                        return 0;
        return put_mark(f->ledger, job, key, usec, /* forget= */ true);
}

int ledger_forget_marks(Ledger *l, const char *job, char *const *keep, usec_t before) {
        Forgetting f = { .ledger = l, .keep = keep, .before = before };

        return ledger_list_marks(l, job, forget_mark, &f);
}

/* --- job states --- */

int ledger_set_job_state(Ledger *l, const char *job, const LedgerJobState *state) {
        int r;

        if (!is_short(job))
                return -ENAMETOOLONG;
        ledger_make_room(l);
        r = pending_put_state(&l->pending, job, state);
        if (r >= 0)
                ledger_arm_commit(l);
        return r;
}

int ledger_get_job_state(Ledger *l, const char *job, LedgerJobState *ret) {
        const PendingState *s = pending_get_state(&l->pending, job);
        LedgerJobState state = {};
        int r = 0;

        if (s)
                state = s->state;
        else if (l->store)
                r = read_result(l, store_get_job_state(l->store, job, &state));
        if (r < 0 && r != -ENOENT)
                return r;
        *ret = state;
        return 0;
}

static bool state_is_empty(const LedgerJobState *s) {
        return !s->paused && s->pause_until == 0 && s->skip == 0;
}

typedef struct StateWalk {
        const Pending *pending;
        int result; /* of the last visit */
        int (*visit)(const char *job, const LedgerJobState *state, void *userdata);
        void *userdata;
} StateWalk;

static int on_stored_state(const char *job, const LedgerJobState *state, void *userdata) {
        StateWalk *w = userdata;

        if (pending_get_state(w->pending, job))
                return 0;
        w->result = w->visit(job, state, w->userdata);
        return w->result != 0;
}

int ledger_list_job_states(Ledger *l, int (*visit)(const char *job, const LedgerJobState *state, void *userdata),
                           void *userdata) {
        StateWalk w = { .pending = &l->pending, .visit = visit, .userdata = userdata };
        const SortedSet *states = &l->pending.states;
        int r = 0;

        for (size_t i = 0; w.result == 0 && i < states->n;) {
                const PendingState *s = states->items[i];
                LedgerJobState state = s->state;

                if (!state_is_empty(&state))
                        w.result = visit(s->job, &state, userdata);
                i = sorted_set_position(states, s) + 1;
        }
        if (w.result == 0 && l->store)
                r = store_list_job_states(l->store, on_stored_state, &w);
        if (r < 0)
                (void)read_result(l, r);
        return w.result;
}
