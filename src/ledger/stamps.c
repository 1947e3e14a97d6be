/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The small part of the ledger that is not history: stamps of triggers, states of jobs, alarms. They are read when
 * jobs are loaded and written now and then, so nothing is cached: Pending is queried first, then the database.
 *
 * A walk goes through pending items by the order of their keys and not by index, because the visit may add items;
 * these are pending, and left out when the walk reaches the database. A walk for one job only covers items of that
 * job: a reload may ask for each of ten thousand jobs. */

#include "ledger/ledger-internal.h"

/* Returns the result of a read; damage is handled. */
static int read_result(Ledger *l, int r) {
        if (r == -EBADMSG)
                ledger_error(l, r);
        return r;
}

/* --- stamps --- */

int ledger_set_stamp(Ledger *l, const char *job, const char *key, usec_t usec) {
        return ledger_change_result(l, pending_put_stamp(&l->pending, job, key, usec, /* forget= */ false));
}

int ledger_forget_stamp(Ledger *l, const char *job, const char *key) {
        return ledger_change_result(l, pending_put_stamp(&l->pending, job, key, 0, /* forget= */ true));
}

int ledger_get_stamp(Ledger *l, const char *job, const char *key, usec_t *ret) {
        const PendingStamp *m = pending_get_stamp(&l->pending, job, key);

        if (m && m->forget)
                return -ENOENT;
        if (m) {
                *ret = m->usec;
                return 0;
        }
        if (!l->store)
                return l->error < 0 ? l->error : -ENOENT;
        return read_result(l, store_get_stamp(l->store, job, key, ret));
}

typedef struct StampWalk {
        const Pending *pending;
        int result; /* of the last visit */
        int (*visit)(const char *job, const char *key, usec_t usec, void *userdata);
        void *userdata;
} StampWalk;

static int on_stored_stamp(const char *job, const char *key, usec_t usec, void *userdata) {
        StampWalk *w = userdata;

        if (pending_get_stamp(w->pending, job, key))
                return 0;
        w->result = w->visit(job, key, usec, w->userdata);
        return w->result != 0;
}

static void walk_pending_stamps(StampWalk *w, const char *job) {
        const PendingStamp *m = NULL;

        while (w->result == 0 && (m = pending_next_stamp(w->pending, job, m)))
                if (!m->forget)
                        w->result = w->visit(m->job, m->key, m->usec, w->userdata);
}

int ledger_list_stamps(Ledger *l, const char *job,
                       int (*visit)(const char *job, const char *key, usec_t usec, void *userdata), void *userdata) {
        StampWalk w = { .pending = &l->pending, .visit = visit, .userdata = userdata };

        walk_pending_stamps(&w, job);
        if (w.result == 0 && l->store)
                (void)read_result(l, store_list_stamps(l->store, job, on_stored_stamp, &w));
        return w.result;
}

/* --- job states --- */

int ledger_set_job_state(Ledger *l, const char *job, const LedgerJobState *state) {
        return ledger_change_result(l, pending_put_state(&l->pending, job, state));
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

/* --- alarms --- */

int ledger_set_alarm(Ledger *l, const LedgerAlarm *alarm) {
        return ledger_change_result(l, pending_put_alarm(&l->pending, alarm));
}

typedef struct AlarmWalk {
        const Pending *pending;
        int result; /* of the last visit */
        int (*visit)(const LedgerAlarm *alarm, void *userdata);
        void *userdata;
} AlarmWalk;

static int on_stored_alarm(const LedgerAlarm *alarm, void *userdata) {
        AlarmWalk *w = userdata;

        if (pending_get_alarm(w->pending, alarm->job, alarm->key))
                return 0;
        w->result = w->visit(alarm, w->userdata);
        return w->result != 0;
}

/* Visits copies: if the visit replaces an alarm, the pending one is freed. */
static void walk_pending_alarms(AlarmWalk *w, const char *job) {
        _cleanup_free_ LedgerAlarm *a = NULL;
        const LedgerAlarm *next;

        while (w->result == 0 && (next = pending_next_alarm(w->pending, job, a))) {
                free(a);
                a = pending_alarm_copy(next);
                if (!a)
                        w->result = -ENOMEM;
                else if (a->since > 0)
                        w->result = w->visit(a, w->userdata);
        }
}

int ledger_list_alarms(Ledger *l, const char *job, int (*visit)(const LedgerAlarm *alarm, void *userdata),
                       void *userdata) {
        AlarmWalk w = { .pending = &l->pending, .visit = visit, .userdata = userdata };

        walk_pending_alarms(&w, job);
        if (w.result == 0 && l->store)
                (void)read_result(l, store_list_alarms(l->store, job, on_stored_alarm, &w));
        return w.result;
}

/* --- all of a job --- */

static int forget_stamp(const char *job, const char *key, usec_t usec, void *userdata) {
        return ledger_forget_stamp(userdata, job, key);
}

static int forget_alarm(const LedgerAlarm *alarm, void *userdata) {
        const LedgerAlarm forgotten = { .job = alarm->job, .key = alarm->key };

        return ledger_set_alarm(userdata, &forgotten);
}

int ledger_forget_job(Ledger *l, const char *job) {
        int r;

        r = ledger_list_stamps(l, job, forget_stamp, l);
        if (r >= 0)
                r = ledger_set_job_state(l, job, &(LedgerJobState){});
        if (r >= 0)
                r = ledger_list_alarms(l, job, forget_alarm, l);
        return r < 0 ? r : ledger_forget(l, job, NULL);
}

void ledger_read_ahead(Ledger *l) {
        if (l->store)
                (void)store_read_ahead(l->store); /* without it, each look-up takes longer */
}

void ledger_end_read_ahead(Ledger *l) {
        if (!l->store)
                return;
        store_end_read_ahead(l->store);
        store_release_memory(l->store);
}

int ledger_next_kept_job(Ledger *l, const char *after, char **ret) {
        return l->store ? read_result(l, store_next_kept_job(l->store, after, ret)) : -ENOENT;
}
