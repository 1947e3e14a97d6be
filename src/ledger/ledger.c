/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The interface for core/. All changes go to Pending first and from there to the database, in one transaction at the
 * end of the turn of the event loop (or when core requests it); every query is answered from both, of which Pending is
 * newer. recovery.c handles a database that cannot be used; nothing here depends on it. An idle daemon is not woken:
 * all event sources are off unless there is something to do. */

#include "ledger/ledger.h"

#include <fcntl.h>
#include <malloc.h>
#include <sys/file.h>

#include "ledger/ledger-internal.h"
#include "util/file.h"
#include "util/log.h"
#include "util/strv.h"
#include "util/turn.h"

#define LOCK_FILE       "ledger.lock"
#define LOCK_TRIES      300 /* three seconds, at start only */
#define LOCK_PAUSE_NSEC (10 * 1000 * 1000)

/* Pages of the write-ahead log, of 4 KiB: how many are moved to the database when the daemon is idle, and how many
 * more even when it is busy. */
#define CHECKPOINT_PAGES      1000
#define CHECKPOINT_LATE_PAGES 500

#define RETENTION_LATE_JOBS 32 /* with enough old runs to be pruned */

/* --- what is open, and the end of the turn --- */

/* The changes of one callback belong together (the end of a run and the one that follows it), so nothing is written
 * before it returns, regardless of the amount. After a callback with very many changes, they are written before other
 * sources of its turn. */
static void arm_commit(Ledger *l) {
        if (!l->commit_source || l->error < 0)
                return;
        (void)sd_event_source_set_priority(l->commit_source, l->pending.is_full ? SD_EVENT_PRIORITY_IMPORTANT
                                                                                : SD_EVENT_PRIORITY_NORMAL);
        (void)sd_event_source_set_enabled(l->commit_source, SD_EVENT_ONESHOT);
}

int ledger_change_result(Ledger *l, int r) {
        if (r >= 0)
                arm_commit(l);
        return r;
}

/* When the daemon is idle; or like any other source, if a busy loop lets too much accumulate. */
void ledger_arm_upkeep(Ledger *l) {
        bool late;

        if (!l->upkeep_source || l->error < 0)
                return;
        late = store_n_wal_pages(l->store) >= l->checkpoint_pages + CHECKPOINT_LATE_PAGES ||
               l->retention.n_due >= RETENTION_LATE_JOBS;
        (void)sd_event_source_set_priority(l->upkeep_source, late ? SD_EVENT_PRIORITY_NORMAL : SD_EVENT_PRIORITY_IDLE);
        (void)sd_event_source_set_enabled(l->upkeep_source, SD_EVENT_ONESHOT);
}

/* Each writes a part of the pending changes. */
typedef int (*Writer)(Ledger *l);

static int write_runs(Ledger *l) {
        int r = 0;

        for (size_t i = 0; r >= 0 && i < l->pending.runs.n; i++) {
                const PendingRun *run = l->pending.runs.items[i];

                if (!run->is_late)
                        r = store_put_run(l->store, &run->run.record, !run->is_of_other_boot);
        }
        return r;
}

static int write_stamps(Ledger *l) {
        int r = 0;

        for (size_t i = 0; r >= 0 && i < l->pending.stamps.n; i++) {
                const PendingStamp *m = l->pending.stamps.items[i];

                r = m->forget ? store_forget_stamp(l->store, m->job, m->key)
                              : store_set_stamp(l->store, m->job, m->key, m->usec);
        }
        return r;
}

static int write_states(Ledger *l) {
        int r = 0;

        for (size_t i = 0; r >= 0 && i < l->pending.states.n; i++) {
                const PendingState *s = l->pending.states.items[i];

                r = store_set_job_state(l->store, s->job, &s->state);
        }
        return r;
}

static int write_alarms(Ledger *l) {
        int r = 0;

        for (size_t i = 0; r >= 0 && i < l->pending.alarms.n; i++)
                r = store_set_alarm(l->store, l->pending.alarms.items[i]);
        return r;
}

static int write_blobs(Ledger *l) {
        const SortedSet *sets = &l->pending.blobs;
        int r = 0;

        for (size_t i = 0; r >= 0 && i < sets->n; i++) {
                const BlobSet *s = sets->items[i];

                if (s->forget)
                        r = store_forget_blobs(l->store, s->job, s->key);
                for (size_t k = 0; r >= 0 && k < s->rows.n; k++) {
                        const PendingBlob *b = s->rows.items[k];

                        r = b->forget ? store_forget_blob(l->store, s->job, s->key, b->id)
                                      : store_put_blob(l->store, s->job, s->key, b->id, b->bytes, b->n);
                }
        }
        return r;
}

static int write_meta(Ledger *l) {
        char text[32];

        if (!l->meta_changed)
                return 0;
        (void)snprintf(text, sizeof(text), "%" PRIu64, l->ids.reserved);
        return store_set_meta(l->store, STORE_META_NEXT_RUN, text);
}

static int flush_but_late(Ledger *l) {
        static const Writer writers[] = {
                write_runs, write_stamps, write_states, write_alarms, write_blobs, write_meta
        };
        int r;

        assert(l->store);
        r = store_begin(l->store);
        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(writers); i++)
                r = writers[i](l);
        if (r >= 0)
                r = store_commit(l->store);
        if (r < 0) {
                store_rollback(l->store);
                return r;
        }
        for (size_t i = 0; i < l->pending.runs.n; i++) {
                const RunRecord *ended = &((const PendingRun *)l->pending.runs.items[i])->run.record;

                if (ended->state == RUN_DONE) /* which is never late */
                        retention_note(&l->retention, ended->job);
        }
        l->meta_changed = false;
        pending_clear(&l->pending);
        ledger_arm_upkeep(l);
        return 0;
}

int ledger_flush(Ledger *l) {
        pending_hurry(&l->pending);
        return flush_but_late(l);
}

int ledger_commit(Ledger *l) {
        int r;

        if (l->error < 0)
                return l->event ? l->error : ledger_retry(l);
        if (pending_has_only_late(&l->pending) && !l->meta_changed)
                return 0;
        r = flush_but_late(l);
        if (r < 0)
                ledger_error(l, r);
        return l->error;
}

void ledger_on_turn_end(Ledger *l, bool (*func)(void *userdata), void *userdata) {
        l->turn_end = func;
        l->turn_end_userdata = userdata;
}

static int on_commit(sd_event_source *s, void *userdata) {
        Ledger *l = userdata;

        if (!l->turn_end || !l->turn_end(l->turn_end_userdata))
                (void)ledger_commit(l);
        return 0;
}

static int on_late(sd_event_source *s, uint64_t usec, void *userdata) {
        Ledger *l = userdata;

        pending_hurry(&l->pending);
        (void)ledger_commit(l);
        return 0;
}

/* --- upkeep --- */

/* A sweep has read something of all jobs, which nobody reads again for an hour. */
static void give_memory_back(Ledger *l) {
        store_release_memory(l->store);
        (void)malloc_trim(0);
}

bool ledger_upkeep(Ledger *l, usec_t now_realtime, usec_t now_boottime) {
        int r;

        if (l->error < 0)
                return false;
        if (store_n_wal_pages(l->store) >= l->checkpoint_pages) {
                r = store_checkpoint(l->store);
                l->checkpoint_pages = (r < 0 ? store_n_wal_pages(l->store) : 0) + CHECKPOINT_PAGES;
                r = r < 0 ? r : 1;
        } else {
                r = retention_step(&l->retention, l->store, now_realtime, now_boottime);
                l->may_shrink = l->may_shrink || r > 0;
        }
        if (r == 0 && l->may_shrink) {
                r = store_shrink(l->store);
                l->may_shrink = r > 0;
                if (r == 0)
                        give_memory_back(l);
        }
        if (r == -EBADMSG)
                ledger_error(l, r);
        else if (r < 0) /* does not matter for now: the next commit reports a full disk */
                log_debug_errno(r, "Cannot clean up the ledger, ignoring: %m");
        return r > 0;
}

static int on_upkeep(sd_event_source *s, void *userdata) {
        Ledger *l = userdata;

        if (ledger_upkeep(l, now_realtime(), now_boottime()))
                ledger_arm_upkeep(l);
        return 0;
}

/* --- opening and closing --- */

/* If the file cannot be written, the database has the same information, which only a power failure can undo. */
static void reserve_ids(Ledger *l) {
        int r;

        r = run_ids_reserve(&l->ids, l->state_fd);
        if (r < 0)
                log_debug_errno(r, "Cannot record which ids are used, ignoring: %m");
        l->meta_changed = true;
}

static int add_sources(Ledger *l) {
        int r;

        if (!l->event)
                return 0;
        r = event_add_deferred(l->event, &l->commit_source, "ledger-commit", on_commit, l);
        if (r >= 0)
                r = event_add_timer(l->event, &l->late_source, "ledger-late", CLOCK_MONOTONIC, LEDGER_LATE_USEC / 2,
                                    on_late, l);
        if (r >= 0)
                r = event_add_deferred(l->event, &l->upkeep_source, "ledger-upkeep", on_upkeep, l);
        return r < 0 ? r : sd_event_source_set_priority(l->upkeep_source, SD_EVENT_PRIORITY_IDLE);
}

/* The lock is on a file that only we can open, or any user could prevent us from starting. It is not SQLite's own
 * lock, which does not distinguish another daemon from a program that reads the database. If the file cannot be
 * created, nothing else can be written either, and no harm is done. */
static int lock_directory(Ledger *l, const char *state_dir, char **reterr_message) {
        l->lock_fd = openat(l->state_fd, LOCK_FILE, O_RDONLY | O_CREAT | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC, 0600);
        if (l->lock_fd < 0)
                return 0;
        /* The lock of a daemon that was killed is held until the children it just made have called exec. */
        for (unsigned i = 0; i < LOCK_TRIES; i++) {
                const struct timespec pause = { .tv_nsec = LOCK_PAUSE_NSEC };

                if (flock(l->lock_fd, LOCK_EX | LOCK_NB) >= 0 || errno != EWOULDBLOCK)
                        return 0;
                (void)nanosleep(&pause, NULL);
        }
        if (reterr_message)
                (void)string_format(reterr_message,
                                    "Another vaktd uses %s already; two daemons cannot share one ledger.", state_dir);
        return -EBUSY;
}

int ledger_open(Ledger **ret, sd_event *event, const char *state_dir, char **reterr_message) {
        _cleanup_(ledger_closep) Ledger *l = calloc(1, sizeof(*l));
        int r;

        if (!l)
                return -ENOMEM;
        l->state_fd = l->lock_fd = -EBADF;
        l->event = sd_event_ref(event);
        l->checkpoint_pages = CHECKPOINT_PAGES;
        l->scan_max = LEDGER_SCAN_MAX;
        l->may_shrink = true; /* or an earlier daemon did so */
        pending_init(&l->pending);
        retention_init(&l->retention);
        l->state_fd = open(state_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (l->state_fd < 0)
                return -errno;
        if (string_format(&l->path, "%s/" LEDGER_FILE, state_dir) < 0)
                return -ENOMEM;
        r = lock_directory(l, state_dir, reterr_message);
        if (r >= 0)
                r = add_sources(l);
        if (r < 0)
                return r;
        run_ids_load(&l->ids, l->state_fd);
        l->boot = boot_id_get();
        r = ledger_connect(l);
        reserve_ids(l);
        if (r < 0)
                ledger_error(l, r);
        l->was_unreadable = !l->store;
        arm_commit(l);
        *ret = TAKE_PTR(l);
        return 0;
}

/* A failure gets a second chance, because there is no later one. Nothing is logged for a ledger that was never
 * opened. */
static void write_last_words(Ledger *l) {
        if (!l->store && l->error == 0)
                return;
        if (l->error == 0 && run_ids_release(&l->ids, l->state_fd) >= 0)
                l->meta_changed = true;
        pending_hurry(&l->pending);
        if (ledger_commit(l) < 0)
                (void)ledger_retry(l);
}

Ledger *ledger_close(Ledger *l) {
        if (!l)
                return NULL;
        write_last_words(l);
        sd_event_source_disable_unref(l->commit_source);
        sd_event_source_disable_unref(l->late_source);
        sd_event_source_disable_unref(l->upkeep_source);
        sd_event_source_disable_unref(l->retry_source);
        sd_event_unref(l->event);
        store_close(l->store, /* is_damaged= */ l->error == -EBADMSG);
        pending_clear(&l->pending);
        retention_done(&l->retention);
        owned_run_done(&l->found);
        safe_close(l->lock_fd);
        safe_close(l->state_fd);
        free(l->path);
        return mfree(l);
}

void ledger_on_recovery(Ledger *l, void (*func)(bool is_readable, void *userdata), void *userdata) {
        l->recovered = func;
        l->recovered_userdata = userdata;
}

bool ledger_is_unread(const Ledger *l) {
        return l->was_unreadable;
}

void ledger_set_retention(Ledger *l, unsigned keep, usec_t keep_usec, LedgerRetentionFunc of_job, void *userdata) {
        retention_set(&l->retention, keep, keep_usec, of_job, userdata);
        ledger_arm_upkeep(l);
}

/* --- runs: writing --- */

int ledger_add(Ledger *l, RunRecord *record) {
        int r;

        assert(record->job && record->state < _RUN_STATE_MAX && record->cause < _RUN_CAUSE_MAX &&
               record->result < _RUN_RESULT_MAX);
        if (run_ids_are_low(&l->ids))
                reserve_ids(l);
        assert(l->ids.next > 0);
        record->id = l->ids.next;
        r = ledger_change_result(l, pending_put_run(&l->pending, record, /* is_new= */ true));
        if (r >= 0)
                l->ids.next++;
        return r;
}

int ledger_update(Ledger *l, const RunRecord *record) {
        assert(record->job && record->state < _RUN_STATE_MAX && record->result < _RUN_RESULT_MAX);
        if (record->id >= l->ids.next) /* it comes from elsewhere */
                run_ids_at_least(&l->ids, record->id + 1);
        return ledger_change_result(l, pending_put_run(&l->pending, record, /* is_new= */ false));
}

/* The timer is not touched again before it has elapsed: it costs a busy daemon ten wake-ups a second. */
int ledger_update_late(Ledger *l, const RunRecord *record) {
        int enabled = SD_EVENT_OFF, r;

        assert(record->id < l->ids.next && record->state != RUN_DONE);
        if (!l->event || l->error < 0)
                return ledger_update(l, record);
        r = pending_put_late_run(&l->pending, record);
        if (r < 0 || (sd_event_source_get_enabled(l->late_source, &enabled) >= 0 && enabled != SD_EVENT_OFF))
                return r;
        r = sd_event_source_set_time_relative(l->late_source, LEDGER_LATE_USEC);
        return r < 0 ? r : sd_event_source_set_enabled(l->late_source, SD_EVENT_ONESHOT);
}

/* --- runs: reading --- */

const RunRecord *ledger_get(Ledger *l, uint64_t id) {
        const RunRecord *pending = pending_get_run(&l->pending, id);
        int r = -ENOENT;

        if (pending)
                r = owned_run_assign(&l->found, pending);
        else if (l->store && id > 0)
                r = store_get_run(l->store, id, &l->found);
        if (r == -EBADMSG)
                ledger_error(l, r);
        return r < 0 ? NULL : &l->found.record;
}

/* One walk through both, highest id first. */
typedef struct Query {
        const Pending *pending;
        const LedgerFilter *filter;
        uint64_t cursor; /* all from here on was visited */
        unsigned n_left;
        int result; /* of the last visit */
        int (*visit)(const RunRecord *r, void *userdata);
        void *userdata;
} Query;

/* False when the walk is over. */
static bool query_visit(Query *q, const RunRecord *r) {
        q->result = q->visit(r, q->userdata);
        q->n_left--;
        return q->result == 0 && q->n_left > 0;
}

/* Visits pending runs, from the cursor down to floor, which is excluded. */
static bool query_pending(Query *q, uint64_t floor) {
        const RunRecord *r;

        while ((r = pending_get_run_below(q->pending, q->cursor)) && r->id > floor) {
                q->cursor = r->id;
                if (store_filter_matches(q->filter, r) && !query_visit(q, r))
                        return false;
        }
        return true;
}

static int on_row(const RunRecord *r, bool this_boot, void *userdata) {
        Query *q = userdata;

        /* The pending version is newer, and may match where the row does not; it was visited, or is now. */
        if (!query_pending(q, r->id - 1))
                return 1;
        if (r->id >= q->cursor)
                return 0;
        q->cursor = r->id;
        return query_visit(q, r) ? 0 : 1;
}

int ledger_query(Ledger *l, const LedgerFilter *filter, int (*visit)(const RunRecord *r, void *userdata),
                 void *userdata, uint64_t *ret_next) {
        Query q = {
                .pending = &l->pending,
                .filter = filter,
                .cursor = filter->before > 0 ? filter->before : UINT64_MAX,
                .n_left = filter->limit,
                .visit = visit,
                .userdata = userdata,
        };
        uint64_t next = 0;
        int r = 0;

        if (filter->limit > 0 && l->store)
                r = store_query_runs(l->store, filter, l->scan_max, on_row, &q, &next);
        if (r < 0)
                next = 0;
        if (q.n_left > 0 && q.result == 0)
                (void)query_pending(&q, next > 0 ? next - 1 : 0);
        if (r == -EBADMSG)
                ledger_error(l, r);
        if (ret_next)
                *ret_next = q.n_left > 0 && q.result == 0 ? next : 0;
        return q.result;
}

int ledger_list(Ledger *l, const char *job, uint64_t before, unsigned limit,
                int (*visit)(const RunRecord *r, void *userdata), void *userdata) {
        LedgerFilter filter = { .job = job, .before = before, .limit = limit };

        return ledger_query(l, &filter, visit, userdata, NULL);
}

/* The walk of ledger_unfinished(): its visit may change everything, so each step starts again. */
typedef struct Unfinished {
        const Pending *pending;
        OwnedRun run; /* the next one */
        bool this_boot;
        int error;
} Unfinished;

static int on_unfinished(const RunRecord *r, bool this_boot, void *userdata) {
        Unfinished *u = userdata;

        u->this_boot = this_boot;
        u->error = owned_run_assign(&u->run, r);
        return 0;
}

/* The run with the lowest id above after that is in the database and not pending. */
static int next_stored_unfinished(Ledger *l, uint64_t after, Unfinished *u) {
        int r = -ENOENT;

        while (l->store) {
                r = store_next_unfinished(l->store, after, on_unfinished, u);
                if (r < 0 || u->error < 0 || !pending_get_run(&l->pending, u->run.record.id))
                        break;
                after = u->run.record.id;
        }
        if (r == -EBADMSG) {
                ledger_error(l, r); /* what was saved is pending, or in a new database */
                return next_stored_unfinished(l, after, u);
        }
        return u->error < 0 ? u->error : r;
}

/* The unfinished run with the lowest id above after: 0 or -ENOENT, -ENOMEM, or why it could not be read. */
static int next_unfinished(Ledger *l, uint64_t after, Unfinished *u) {
        int r = next_stored_unfinished(l, after, u);
        const RunRecord *pending = pending_get_run_above(&l->pending, after);

        while (pending && pending->state == RUN_DONE)
                pending = pending_get_run_above(&l->pending, pending->id);
        if (!pending || (r >= 0 && u->run.record.id < pending->id) || r == -ENOMEM)
                return r;
        u->this_boot = pending_run_is_of_this_boot(&l->pending, pending->id);
        return owned_run_assign(&u->run, pending);
}

int ledger_unfinished(Ledger *l, int (*visit)(const RunRecord *r, bool this_boot, void *userdata), void *userdata) {
        Unfinished u = {};
        uint64_t last = 0;
        int r, result = 0;

        while (result == 0 && (r = next_unfinished(l, last, &u)) >= 0) {
                last = u.run.record.id;
                result = visit(&u.run.record, u.this_boot, userdata);
        }
        owned_run_done(&u.run);
        return result != 0 || r == -ENOENT ? result : r;
}
