/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Five ordered sets. Writing later has three advantages over writing at once: a run that is added and updated within
 * one turn is one row and not three, a transaction that fails has lost nothing, and a ledger without a database uses
 * the same code as one with it. */

#include "ledger/pending.h"

#include "util/array.h"
#include "util/text-copy.h"

/* --- sets --- */

/* Nearly all items are added in order, at the end; for the rest, moving some pointers is cheaper than a tree. */

/* Index of the first item that is not less than key. */
static size_t sorted_set_position(const SortedSet *s, const void *key) {
        return BISECT(s->n, i, s->compare(s->items[i], key) < 0);
}

static void *sorted_set_get(const SortedSet *s, const void *key) {
        size_t i = sorted_set_position(s, key);

        return i < s->n && s->compare(s->items[i], key) == 0 ? s->items[i] : NULL;
}

/* Takes over item, unless -ENOMEM. There must be no equal item. */
static int sorted_set_insert(SortedSet *s, void *item) {
        void **place = ARRAY_INSERT(s->items, s->n, sorted_set_position(s, item));

        if (!place)
                return -ENOMEM;
        *place = item;
        return 0;
}

static void sorted_set_remove_at(SortedSet *s, size_t i) {
        assert(i < s->n);
        s->free_item(s->items[i]);
        ARRAY_REMOVE(s->items, s->n, i);
}

/* Frees all but those that keep wants, whose memory is not changed. */
static void sorted_set_sieve(SortedSet *s, bool (*keep)(const void *item)) {
        size_t n = 0;

        for (size_t i = 0; i < s->n; i++)
                if (keep(s->items[i]))
                        s->items[n++] = s->items[i];
                else
                        s->free_item(s->items[i]);
        s->n = n;
}

static void sorted_set_clear(SortedSet *s) {
        for (size_t i = 0; i < s->n; i++)
                s->free_item(s->items[i]);
        s->items = mfree(s->items);
        s->n = 0;
}

/* --- how much --- */

static bool has_room(const Pending *p, const SortedSet *s, size_t max) {
        return !p->is_bounded || s->n < max;
}

static void note_growth(Pending *p) {
        p->is_full = p->is_full || p->runs.n >= LEDGER_RUNS_MAX || p->stamps.n >= LEDGER_STAMPS_MAX ||
                     p->states.n >= LEDGER_STAMPS_MAX || p->alarms.n >= LEDGER_STAMPS_MAX ||
                     p->blob_bytes >= LEDGER_BLOBS_BYTES || p->n_void >= LEDGER_STAMPS_MAX;
}

/* SQLite would refuse a value that is too long in the middle of a transaction, and everything else with it. */
static bool is_short(const char *name) {
        return strnlen(name, LEDGER_KEY_MAX + 1) <= LEDGER_KEY_MAX;
}

/* --- runs --- */

static int compare_runs(const void *a, const void *b) {
        uint64_t x = ((const PendingRun *)a)->run.record.id, y = ((const PendingRun *)b)->run.record.id;

        return x < y ? -1 : x > y;
}

static void free_run(void *item) {
        owned_run_done(&((PendingRun *)item)->run);
        free(item);
}

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
        p->n_late -= ((const PendingRun *)p->runs.items[chosen])->is_late;
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
        note_growth(p);
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
        if (r < 0)
                return r;
        known->is_of_other_boot = known->is_of_other_boot && record->state == RUN_DONE;
        p->n_late -= known->is_late;
        known->is_late = false;
        return 0;
}

int pending_put_late_run(Pending *p, const RunRecord *record) {
        bool was_urgent = find_run(p, record->id) && !find_run(p, record->id)->is_late;
        PendingRun *run;
        int r;

        r = pending_put_run(p, record, /* is_new= */ false);
        run = find_run(p, record->id);
        if (r >= 0 && run && !was_urgent) {
                run->is_late = true;
                p->n_late++;
        }
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

/* Of a set of theirs. item: its memory is the set's from now on, or freed; NULL: there was none for it. */
static int insert_bounded(Pending *p, SortedSet *s, void *item) {
        int r = !item ? -ENOMEM : has_room(p, s, LEDGER_STAMPS_MAX) ? sorted_set_insert(s, item) : -ENOBUFS;

        if (r < 0)
                free(item);
        note_growth(p);
        return r;
}

int pending_put_stamp(Pending *p, const char *job, const char *key, usec_t usec, bool forget) {
        static const size_t texts[] = { offsetof(PendingStamp, job), offsetof(PendingStamp, key) };
        const PendingStamp put = { .job = job, .key = key, .usec = usec, .forget = forget };
        PendingStamp *m;

        if (!is_short(job) || !is_short(key))
                return -ENAMETOOLONG;
        m = sorted_set_get(&p->stamps, &put);
        if (!m)
                return insert_bounded(p, &p->stamps, COPY_WITH_TEXTS(&put, texts));
        m->usec = usec;
        m->forget = forget;
        return 0;
}

const PendingStamp *pending_get_stamp(const Pending *p, const char *job, const char *key) {
        return sorted_set_get(&p->stamps, &(PendingStamp){ .job = job, .key = key });
}

const PendingStamp *pending_next_stamp(const Pending *p, const char *job, const PendingStamp *after) {
        const PendingStamp first = { .job = strempty(job), .key = "" };
        size_t i = sorted_set_position(&p->stamps, after ?: &first) + (after != NULL);
        const PendingStamp *m = i < p->stamps.n ? p->stamps.items[i] : NULL;

        return m && (!job || streq(job, m->job)) ? m : NULL;
}

int pending_put_state(Pending *p, const char *job, const LedgerJobState *state) {
        static const size_t texts[] = { offsetof(PendingState, job) };
        const PendingState put = { .job = job, .state = *state };
        PendingState *s;

        if (!is_short(job))
                return -ENAMETOOLONG;
        s = sorted_set_get(&p->states, &put);
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
        LedgerAlarm *copy;

        if (!is_short(alarm->job) || !is_short(alarm->key))
                return -ENAMETOOLONG;
        copy = pending_alarm_copy(alarm); /* which may be the known one */
        if (!is_known || !copy)
                return insert_bounded(p, &p->alarms, copy);
        free(p->alarms.items[i]);
        p->alarms.items[i] = copy;
        return 0;
}

const LedgerAlarm *pending_get_alarm(const Pending *p, const char *job, const char *key) {
        return sorted_set_get(&p->alarms, &(LedgerAlarm){ .job = job, .key = key });
}

const LedgerAlarm *pending_next_alarm(const Pending *p, const char *job, const LedgerAlarm *after) {
        const LedgerAlarm first = { .job = strempty(job), .key = "" };
        size_t i = sorted_set_position(&p->alarms, after ?: &first) + (after != NULL);
        const LedgerAlarm *a = i < p->alarms.n ? p->alarms.items[i] : NULL;

        return a && (!job || streq(job, a->job)) ? a : NULL;
}

/* --- blobs --- */

/* One set of rows for each key of a job: a hundred thousand rows under one key share its strings, and deleting them
 * all is one flag. A row is one allocation together with its bytes, so they are copied once on their way to the
 * database.
 *
 * A deletion has to be remembered until the database has done it as well; a set or a row with a flag takes the place
 * of what it removes. These are limited by number, not by bytes: when memory is short, it must be possible to release
 * something. */

int blob_id_compare(uint64_t a, uint64_t b) {
        int64_t x = (int64_t)a, y = (int64_t)b;

        return x < y ? -1 : x > y;
}

static int compare_rows(const void *a, const void *b) {
        return blob_id_compare(((const PendingBlob *)a)->id, ((const PendingBlob *)b)->id);
}

PendingBlob *pending_blob_ref(PendingBlob *b) {
        b->n_refs++;
        return b;
}

void pending_blob_unref(PendingBlob *b) {
        assert(b->n_refs > 0);
        if (--b->n_refs == 0)
                free(b);
}

static void free_row(void *item) {
        pending_blob_unref(item);
}

static PendingBlob *new_row(uint64_t id, const void *bytes, size_t n) {
        PendingBlob *b = malloc(sizeof(*b) + n);

        if (!b)
                return NULL;
        *b = (PendingBlob){ .id = id, .n_refs = 1, .forget = !bytes, .n = n };
        if (n > 0)
                memcpy(b->bytes, bytes, n);
        return b;
}

static size_t row_size(const PendingBlob *b) {
        return b ? sizeof(*b) + b->n : 0;
}

static int compare_sets(const void *a, const void *b) {
        const BlobSet *x = a, *y = b;
        int c = strcmp(x->job, y->job);

        if (c != 0)
                return c;
        return x->key && y->key ? strcmp(x->key, y->key) : (x->key != NULL) - (y->key != NULL);
}

static void free_set(void *item) {
        BlobSet *s = item;

        sorted_set_clear(&s->rows);
        free(s);
}

static BlobSet *find_set(const Pending *p, const char *job, const char *key) {
        return sorted_set_get(&p->blobs, &(BlobSet){ .job = job, .key = key });
}

static size_t set_size(const char *job, const char *key) {
        return sizeof(BlobSet) + strlen(job) + strlen(strempty(key)) + 2;
}

/* whole_job: the set of all keys of the job, or NULL: what is forgotten of it is forgotten of this one. */
static BlobSet *insert_set(Pending *p, const char *job, const char *key, const BlobSet *whole_job) {
        static const size_t texts[] = { offsetof(BlobSet, job), offsetof(BlobSet, key) };
        const BlobSet empty = {
                .job = job,
                .key = key,
                .forget = whole_job && whole_job->forget,
                .rows = { .compare = compare_rows, .free_item = free_row },
        };
        BlobSet *s = COPY_WITH_TEXTS(&empty, texts);

        if (!s || sorted_set_insert(&p->blobs, s) < 0)
                return mfree(s);
        p->blob_bytes += set_size(job, key);
        return s;
}

/* Replaces the known row, if there is one. */
static int put_row(Pending *p, BlobSet *s, size_t i, const PendingBlob *known, PendingBlob *row) {
        int r;

        if (!known) {
                r = sorted_set_insert(&s->rows, row);
                if (r < 0)
                        return r;
        }
        assert(!known || s->rows.items[i] == known);
        p->blob_bytes += row_size(row) - row_size(known);
        p->n_void += (size_t)row->forget - (size_t)(known && known->forget);
        if (known) {
                s->rows.free_item(s->rows.items[i]);
                s->rows.items[i] = row;
        }
        return 0;
}

/* A row that is not in the database needs no flag in its place. */
static void drop_row(Pending *p, BlobSet *s, size_t i, const PendingBlob *known) {
        if (!known)
                return;
        assert(p->blob_bytes >= row_size(known) && !known->forget);
        p->blob_bytes -= row_size(known);
        sorted_set_remove_at(&s->rows, i);
}

int pending_put_blob(Pending *p, const char *job, const char *key, uint64_t id, const void *bytes, size_t n) {
        BlobSet *s = find_set(p, job, key);
        size_t i = s ? sorted_set_position(&s->rows, &(PendingBlob){ .id = id }) : 0;
        const PendingBlob *known = s && i < s->rows.n ? s->rows.items[i] : NULL;
        const BlobSet *covering = s ?: find_set(p, job, NULL);
        PendingBlob *row;
        size_t n_bytes;
        int r;

        if (!is_short(job) || !is_short(key))
                return -ENAMETOOLONG;
        known = known && known->id == id ? known : NULL;
        if (!bytes && covering && covering->forget) {
                drop_row(p, s, i, known);
                return 0;
        }
        n_bytes = p->blob_bytes - row_size(known) + sizeof(*row) + n + (s ? 0 : set_size(job, key));
        if (p->is_bounded && (bytes ? n_bytes > LEDGER_BLOBS_BYTES : !known && p->n_void >= LEDGER_STAMPS_MAX))
                return -ENOBUFS;
        s = s ?: insert_set(p, job, key, covering);
        if (!s)
                return -ENOMEM;
        row = new_row(id, bytes, n);
        if (!row)
                return -ENOMEM;
        r = put_row(p, s, i, known, row);
        if (r < 0)
                pending_blob_unref(row);
        note_growth(p);
        return r;
}

/* The set stays: a walk may use it. */
static void forget_rows(Pending *p, BlobSet *s) {
        for (size_t i = 0; i < s->rows.n; i++) {
                const PendingBlob *b = s->rows.items[i];

                p->blob_bytes -= row_size(b);
                p->n_void -= b->forget;
        }
        sorted_set_clear(&s->rows);
        p->n_void += !s->forget;
        s->forget = true;
}

int pending_forget_blobs(Pending *p, const char *job, const char *key) {
        BlobSet *s = find_set(p, job, key);

        if (!is_short(job) || !is_short(strempty(key)))
                return -ENAMETOOLONG;
        if (!s && p->is_bounded && p->n_void >= LEDGER_STAMPS_MAX)
                return -ENOBUFS;
        s = s ?: insert_set(p, job, key, find_set(p, job, NULL));
        if (!s)
                return -ENOMEM;
        forget_rows(p, s);
        for (size_t i = sorted_set_position(&p->blobs, s); !key && i < p->blobs.n; i++) {
                BlobSet *other = p->blobs.items[i];

                if (!streq(other->job, job))
                        break;
                forget_rows(p, other);
        }
        note_growth(p);
        return 0;
}

bool pending_has_blob(const Pending *p, const char *job, const char *key, uint64_t id) {
        const BlobSet *s = find_set(p, job, key) ?: find_set(p, job, NULL);

        return s && (s->forget || sorted_set_get(&s->rows, &(PendingBlob){ .id = id }));
}

/* From the cursor on, in its set or in a later one. */
static PendingBlob *next_in_set(const BlobSet *s, BlobCursor *c) {
        size_t i = 0;

        if (s == c->set) {
                i = sorted_set_position(&s->rows, &(PendingBlob){ .id = c->id });
                if (c->passed && i < s->rows.n && ((const PendingBlob *)s->rows.items[i])->id == c->id)
                        i++;
        }
        for (; i < s->rows.n; i++) {
                PendingBlob *b = s->rows.items[i];

                if (b->forget)
                        continue;
                c->set = s;
                c->id = b->id;
                c->passed = false;
                return b;
        }
        return NULL;
}

void pending_pass_blob(const Pending *p, BlobCursor *c, const char *job, const char *key, uint64_t id) {
        const BlobSet *s = find_set(p, job, key);

        if (!s)
                return;
        c->set = s;
        c->id = id;
        c->passed = true;
}

PendingBlob *pending_next_blob(const Pending *p, BlobCursor *c) {
        const BlobSet first = { .job = strempty(c->job) };

        for (size_t i = sorted_set_position(&p->blobs, c->set ?: &first); i < p->blobs.n; i++) {
                const BlobSet *s = p->blobs.items[i];
                PendingBlob *b;

                if (c->job && !streq(c->job, s->job))
                        break;
                if (!s->key || (c->key && !streq(c->key, s->key)))
                        continue;
                b = next_in_set(s, c);
                if (b)
                        return b;
        }
        return NULL;
}

/* --- all of them --- */

void pending_init(Pending *p) {
        *p = (Pending){
                .runs = { .compare = compare_runs, .free_item = free_run },
                .stamps = { .compare = compare_stamps, .free_item = free },
                .states = { .compare = compare_states, .free_item = free },
                .alarms = { .compare = compare_alarms, .free_item = free },
                .blobs = { .compare = compare_sets, .free_item = free_set },
        };
}

static bool run_is_late(const void *item) {
        return ((const PendingRun *)item)->is_late;
}

void pending_hurry(Pending *p) {
        for (size_t i = 0; p->n_late > 0 && i < p->runs.n; i++)
                ((PendingRun *)p->runs.items[i])->is_late = false;
        p->n_late = 0;
}

void pending_clear(Pending *p) {
        if (p->n_late > 0)
                sorted_set_sieve(&p->runs, run_is_late);
        else
                sorted_set_clear(&p->runs);
        assert(p->runs.n == p->n_late);
        sorted_set_clear(&p->stamps);
        sorted_set_clear(&p->states);
        sorted_set_clear(&p->alarms);
        sorted_set_clear(&p->blobs);
        p->blob_bytes = p->n_void = p->n_dropped = 0;
        p->is_full = false;
}

bool pending_has_only_late(const Pending *p) {
        return p->runs.n == p->n_late && p->stamps.n == 0 && p->states.n == 0 && p->alarms.n == 0 && p->blobs.n == 0;
}

bool pending_is_empty(const Pending *p) {
        return p->n_late == 0 && pending_has_only_late(p);
}
