/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Four ordered sets, and pending-blobs.c. Writing later has three advantages over writing at once: a run that is added
 * and updated within one turn is one row and not three, a transaction that fails has lost nothing, and a ledger
 * without a database uses the same code as one with it. */

#include "ledger/pending.h"

#include "util/text-copy.h"

static int compare_runs(const void *a, const void *b) {
        uint64_t x = ((const PendingRun *)a)->run.record.id, y = ((const PendingRun *)b)->run.record.id;

        return x < y ? -1 : x > y;
}

static void free_run(void *item) {
        owned_run_done(&((PendingRun *)item)->run);
        free(item);
}

static int compare_stamps(const void *a, const void *b) {
        const PendingStamp *x = a, *y = b;
        int c = strcmp(x->job, y->job);

        return c != 0 ? c : strcmp(x->key, y->key);
}

static int compare_states(const void *a, const void *b) {
        return strcmp(((const PendingState *)a)->job, ((const PendingState *)b)->job);
}

static int compare_alarms(const void *a, const void *b) {
        const LedgerAlarm *x = a, *y = b;
        int c = strcmp(x->job, y->job);

        return c != 0 ? c : strcmp(x->key, y->key);
}

LedgerAlarm *pending_alarm_copy(const LedgerAlarm *a) {
        static const size_t texts[] = { offsetof(LedgerAlarm, job), offsetof(LedgerAlarm, key),
                                        offsetof(LedgerAlarm, text) };

        return COPY_WITH_TEXTS(a, texts);
}

void pending_init(Pending *p) {
        *p = (Pending){
                .runs = { .compare = compare_runs, .free_item = free_run },
                .stamps = { .compare = compare_stamps, .free_item = free },
                .states = { .compare = compare_states, .free_item = free },
                .alarms = { .compare = compare_alarms, .free_item = free },
        };
        pending_blobs_init(&p->blobs);
}

void pending_clear(Pending *p) {
        sorted_set_clear(&p->runs);
        sorted_set_clear(&p->stamps);
        sorted_set_clear(&p->states);
        sorted_set_clear(&p->alarms);
        pending_blobs_clear(&p->blobs);
        p->n_dropped = 0;
}

bool pending_is_empty(const Pending *p) {
        return p->runs.n == 0 && p->stamps.n == 0 && p->states.n == 0 && p->alarms.n == 0 && p->blobs.sets.n == 0;
}

bool pending_is_full(const Pending *p) {
        return p->runs.n >= LEDGER_RUNS_MAX || p->stamps.n >= LEDGER_STAMPS_MAX || p->states.n >= LEDGER_STAMPS_MAX ||
               p->alarms.n >= LEDGER_STAMPS_MAX || pending_blobs_is_full(&p->blobs);
}

static bool has_room(const Pending *p, const SortedSet *s, size_t max) {
        return !p->is_bounded || s->n < max;
}

/* --- runs --- */

/* How dispensable a run is: 0 not at all, 2 most. If the database has it as unfinished, it would be started or
 * followed again if the change here got lost. */
static int spare_rank(const PendingRun *run) {
        if (run->is_stored)
                return 0;
        return run->run.record.state == RUN_DONE ? 2 : 1;
}

/* The oldest of the most dispensable ones. */
static void drop_a_run(Pending *p) {
        size_t chosen = 0;
        int best = -1;

        for (size_t i = 0; best < 2 && i < p->runs.n; i++)
                if (spare_rank(p->runs.items[i]) > best) {
                        best = spare_rank(p->runs.items[i]);
                        chosen = i;
                }
        assert(best >= 0);
        sorted_set_remove_at(&p->runs, chosen);
        p->n_dropped++;
}

static int insert_run(Pending *p, const RunRecord *record, bool is_new) {
        PendingRun *run = malloc(sizeof(*run));
        int r;

        if (!run)
                return -ENOMEM;
        *run = (PendingRun){ .is_stored = !is_new };
        r = owned_run_assign(&run->run, record);
        if (r >= 0)
                r = sorted_set_insert(&p->runs, run);
        if (r < 0)
                free_run(run);
        return r;
}

static PendingRun *find_run(const Pending *p, uint64_t id) {
        return p->runs.n > 0 ? sorted_set_get(&p->runs, &(PendingRun){ .run.record.id = id }) : NULL;
}

int pending_put_run(Pending *p, const RunRecord *record, bool is_new) {
        PendingRun *known = is_new ? NULL : find_run(p, record->id);
        int r;

        assert(record->id > 0);
        if (!known && !has_room(p, &p->runs, LEDGER_RUNS_MAX)) {
                if (!is_new && record->state != RUN_DONE)
                        return 0; /* that a run is active matters less than the result of another one */
                drop_a_run(p);
        }
        if (!known)
                return insert_run(p, record, is_new);
        r = owned_run_assign(&known->run, record);
        if (r >= 0)
                known->is_of_other_boot = known->is_of_other_boot && record->state == RUN_DONE;
        return r;
}

int pending_rescue_run(Pending *p, const RunRecord *record, bool this_boot) {
        int r;

        r = pending_put_run(p, record, /* is_new= */ true);
        if (r >= 0)
                find_run(p, record->id)->is_of_other_boot = !this_boot;
        return r;
}

const RunRecord *pending_get_run(const Pending *p, uint64_t id) {
        const PendingRun *run = find_run(p, id);

        return run ? &run->run.record : NULL;
}

const RunRecord *pending_get_run_below(const Pending *p, uint64_t id) {
        size_t i = sorted_set_position(&p->runs, &(PendingRun){ .run.record.id = id });

        return i > 0 ? &((const PendingRun *)p->runs.items[i - 1])->run.record : NULL;
}

const RunRecord *pending_get_run_above(const Pending *p, uint64_t id) {
        size_t i = sorted_set_position(&p->runs, &(PendingRun){ .run.record.id = id + 1 });

        return i < p->runs.n ? &((const PendingRun *)p->runs.items[i])->run.record : NULL;
}

bool pending_run_is_of_this_boot(const Pending *p, uint64_t id) {
        const PendingRun *run = find_run(p, id);

        return run && !run->is_of_other_boot;
}

/* --- stamps, states and alarms --- */

/* Of a set of theirs. item: its memory is the set's from now on, or freed; NULL: there was none for it. */
static int insert_bounded(const Pending *p, SortedSet *s, void *item) {
        int r = !item ? -ENOMEM : has_room(p, s, LEDGER_STAMPS_MAX) ? sorted_set_insert(s, item) : -ENOBUFS;

        if (r < 0)
                free(item);
        return r;
}

int pending_put_stamp(Pending *p, const char *job, const char *key, usec_t usec, bool forget) {
        static const size_t texts[] = { offsetof(PendingStamp, job), offsetof(PendingStamp, key) };
        const PendingStamp put = { .job = job, .key = key, .usec = usec, .forget = forget };
        PendingStamp *m = sorted_set_get(&p->stamps, &put);

        if (!m)
                return insert_bounded(p, &p->stamps, COPY_WITH_TEXTS(&put, texts));
        m->usec = usec;
        m->forget = forget;
        return 0;
}

const PendingStamp *pending_get_stamp(const Pending *p, const char *job, const char *key) {
        return sorted_set_get(&p->stamps, &(PendingStamp){ .job = job, .key = key });
}

int pending_put_state(Pending *p, const char *job, const LedgerJobState *state) {
        static const size_t texts[] = { offsetof(PendingState, job) };
        const PendingState put = { .job = job, .state = *state };
        PendingState *s = sorted_set_get(&p->states, &put);

        if (!s)
                return insert_bounded(p, &p->states, COPY_WITH_TEXTS(&put, texts));
        s->state = *state;
        return 0;
}

const PendingState *pending_get_state(const Pending *p, const char *job) {
        return sorted_set_get(&p->states, &(PendingState){ .job = job });
}

int pending_put_alarm(Pending *p, const LedgerAlarm *alarm) {
        size_t i = sorted_set_position(&p->alarms, alarm);
        bool is_known = i < p->alarms.n && compare_alarms(p->alarms.items[i], alarm) == 0;
        LedgerAlarm *copy = pending_alarm_copy(alarm); /* which may be the known one */

        if (!is_known || !copy)
                return insert_bounded(p, &p->alarms, copy);
        free(p->alarms.items[i]);
        p->alarms.items[i] = copy;
        return 0;
}

const LedgerAlarm *pending_get_alarm(const Pending *p, const char *job, const char *key) {
        return sorted_set_get(&p->alarms, &(LedgerAlarm){ .job = job, .key = key });
}
