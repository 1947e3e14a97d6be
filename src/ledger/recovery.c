/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* How the ledger handles failures of its database.
 *
 * A database that cannot be opened or written (disk full, read-only, I/O error, locked, of a newer version) is left
 * alone: changes stay in Pending, within its limits, and a timer tries again with growing delays. Everything is then
 * written in one transaction of any size, because runs and the stamps that led to them belong together. One line is
 * logged at the beginning and one at the end.
 *
 * A damaged database is moved aside and a new one is created at once. Stamps, job states, alarms, blobs and unfinished
 * runs are copied as far as they can be read: without these, triggers would elapse again, running units would be
 * forgotten, and the files of runs would be lost. */

#include "ledger/ledger-internal.h"
#include "ledger/move-aside.h"
#include "util/log-messages.h"
#include "util/log.h"

#define RETRY_USEC_MIN USEC_PER_SEC
#define RETRY_USEC_MAX (5 * USEC_PER_MINUTE)
#define CHECK_USEC     (200 * USEC_PER_MSEC) /* to look for damage at start */
#define REPLACED_MAX   3             /* damaged databases during one life of the daemon; above this, it is the disk */
#define SUSPECT_USEC   USEC_PER_HOUR /* a second suspicion within this time is not a coincidence */
#define RESCUED_MAX    200000        /* unfinished runs that are carried over: as many as there can be */

/* --- in words --- */

static const struct {
        int error;
        const char *reason, *advice;
} explanations[] = {
        { -ENOSPC, "the disk is full", "Free space on it." },
        { -EDQUOT, "the quota is exceeded", "Free space on the disk." },
        { -EROFS, "it is read-only", "Make it writable." },
        { -EACCES, "access is denied", "Check the owner and mode of the file and its directory." },
        { -EPERM, "access is denied", "Check the owner and attributes of the file and its directory." },
        { -EBUSY, "another program has it open", "Stop that program; 'fuser -v' with the name of the file shows it." },
        { -EPROTONOSUPPORT, "it was created by a newer version of vaktd", "Run that version, or move the file away." },
        { -EMEDIUMTYPE, "it is the database of another program", "Move the file away." },
        { -EBADMSG, "it is damaged repeatedly", "Check the disk and the memory of this machine." },
};

static void describe(Ledger *l, const char *what_follows) {
        const char *reason = strerrordesc_np(-l->error), *advice = "";

        for (size_t i = 0; i < ELEMENTSOF(explanations); i++)
                if (explanations[i].error == l->error) {
                        reason = explanations[i].reason;
                        advice = explanations[i].advice;
                }
        (void)snprintf(l->message, sizeof(l->message), "The ledger %s cannot be written: %s. %s%s%s", l->path,
                       strempty(reason), what_follows, advice[0] != '\0' ? " " : "", advice);
}

LedgerState ledger_state(Ledger *l, const char **ret_message) {
        char held[160], dropped[64] = "";

        *ret_message = NULL;
        if (l->error == 0)
                return LEDGER_OK;
        if (l->pending.n_dropped > 0)
                (void)snprintf(dropped, sizeof(dropped), "; %zu older ones were dropped", l->pending.n_dropped);
        (void)snprintf(held, sizeof(held), "%zu runs are kept in memory until it can be written%s.", l->pending.runs.n,
                       dropped);
        describe(l, held);
        *ret_message = l->message;
        return LEDGER_DEGRADED;
}

/* --- opening --- */

static uint64_t next_id_in_meta(const Ledger *l) {
        _cleanup_free_ char *text = NULL;

        return store_get_meta(l->store, STORE_META_NEXT_RUN, &text) >= 0 ? strtoull(text, NULL, 10) : 0;
}

static int take_over(Ledger *l) {
        uint64_t next;
        int r;

        r = store_get_next_id(l->store, &next);
        if (r < 0)
                return r;
        run_ids_at_least(&l->ids, MAX(next, next_id_in_meta(l)));
        l->meta_changed = true;
        return 0;
}

int ledger_connect(Ledger *l) {
        int r;

        r = store_open(&l->store, l->path, &l->boot);
        if (r >= 0)
                r = store_check(l->store, CHECK_USEC);
        if (r >= 0)
                r = take_over(l);
        if (r < 0 && r != -EBADMSG) /* of a damaged one something may be saved */
                l->store = store_close(l->store, /* is_damaged= */ false);
        return r;
}

/* --- a damaged database --- */

typedef struct Rescue {
        Pending *pending;
        usec_t now;
        uint64_t last;
        bool is_history; /* blobs of no job, and no others */
} Rescue;

static int rescue_run(const RunRecord *r, bool this_boot, void *userdata) {
        Rescue *rescue = userdata;

        rescue->last = r->id;
        if (!pending_get_run(rescue->pending, r->id))
                (void)pending_rescue_run(rescue->pending, r, this_boot);
        return 0;
}

/* A stamp in the future would keep its trigger silent until then: that is damage, too. */
static int rescue_stamp(const char *job, const char *key, usec_t usec, void *userdata) {
        Rescue *rescue = userdata;

        if (job && key && usec <= rescue->now && !pending_get_stamp(rescue->pending, job, key))
                (void)pending_put_stamp(rescue->pending, job, key, usec, /* forget= */ false);
        return 0;
}

static int rescue_state(const char *job, const LedgerJobState *state, void *userdata) {
        Rescue *rescue = userdata;

        if (job && !pending_get_state(rescue->pending, job))
                (void)pending_put_state(rescue->pending, job, state);
        return 0;
}

static int rescue_alarm(const LedgerAlarm *alarm, void *userdata) {
        Rescue *rescue = userdata;

        if (alarm->job && alarm->key && alarm->since <= rescue->now &&
            !pending_get_alarm(rescue->pending, alarm->job, alarm->key))
                (void)pending_put_alarm(rescue->pending, alarm);
        return 0;
}

static int rescue_blob(const char *job, const char *key, uint64_t id, const void *bytes, size_t n, void *userdata) {
        Rescue *rescue = userdata;

        if (job && key && isempty(job) == rescue->is_history && !pending_has_blob(rescue->pending, job, key, id))
                (void)pending_put_blob(rescue->pending, job, key, id, bytes, n);
        return 0;
}

static void rescue_blobs(Ledger *l, Rescue *rescue) {
        if (store_list_blobs(l->store, NULL, NULL, rescue_blob, rescue) < 0)
                (void)store_list_blobs_backwards(l->store, rescue_blob, rescue);
}

/* As far as each goes. */
static void rescue_what_can_be_read(Ledger *l, usec_t now) {
        Rescue rescue = { .pending = &l->pending, .now = now };
        bool was_bounded = l->pending.is_bounded;

        if (!l->store)
                return;
        for (unsigned i = 0; i < RESCUED_MAX; i++)
                if (store_next_unfinished(l->store, rescue.last, rescue_run, &rescue) < 0)
                        break;
        (void)store_list_stamps(l->store, NULL, rescue_stamp, &rescue);
        (void)store_list_job_states(l->store, rescue_state, &rescue);
        (void)store_list_alarms(l->store, NULL, rescue_alarm, &rescue);
        l->pending.is_bounded = true; /* most blobs are written again if they are missing */
        rescue_blobs(l, &rescue);
        rescue.is_history = true; /* it has the room that is left */
        rescue_blobs(l, &rescue);
        l->pending.is_bounded = was_bounded;
}

static void say_replaced(const Ledger *l, const char *name) {
        LogContext c = { .message_id = MESSAGE_LEDGER_REPLACED };

        log_message(
                LOG_ERR, &c,
                "The ledger %s is damaged: it was renamed to %s in the same directory, and a new one was created. "
                "%zu unfinished runs, %zu stamps of triggers, %zu states of jobs, %zu alarms and %zu KiB of data of "
                "jobs were saved.",
                l->path, name, l->pending.runs.n, l->pending.stamps.n, l->pending.states.n, l->pending.alarms.n,
                l->pending.blob_bytes >> 10);
}

/* 0: there is a new database with everything that was saved. */
static int replace_database(Ledger *l) {
        usec_t now = now_realtime(); /* for the file's name */
        char name[NAME_MAX + 1];
        int r;

        l->n_replaced++;
        rescue_what_can_be_read(l, now);
        l->store = store_close(l->store, /* is_damaged= */ true);
        r = move_aside(l->state_fd, LEDGER_FILE, now, name);
        if (r < 0)
                return r;
        say_replaced(l, name);
        r = ledger_connect(l);
        return r < 0 ? r : ledger_flush(l);
}

static bool is_suspected_again(Ledger *l) {
        usec_t now_monotonic = now_clock(CLOCK_MONOTONIC);
        bool again = l->suspected_monotonic > 0 && now_monotonic <= usec_add(l->suspected_monotonic, SUSPECT_USEC);

        l->suspected_monotonic = now_monotonic;
        return again;
}

/* 0: there is a valid database with everything that was kept. */
static int mend(Ledger *l) {
        int r = -EBADMSG;

        if (!is_suspected_again(l)) {
                l->store = store_close(l->store, /* is_damaged= */ true);
                r = ledger_connect(l);
                if (r >= 0)
                        r = ledger_flush(l);
        }
        return r == -EBADMSG && l->n_replaced < REPLACED_MAX ? replace_database(l) : r;
}

/* --- continuing in memory --- */

static int on_retry_time(sd_event_source *s, uint64_t usec, void *userdata) {
        (void)ledger_retry(userdata);
        return 0;
}

static void arm_retry(Ledger *l) {
        int r;

        if (!l->event || sd_event_get_state(l->event) == SD_EVENT_FINISHED)
                return;
        if (l->retry_source) {
                r = sd_event_source_set_time_relative(l->retry_source, l->retry_delay);
                if (r >= 0)
                        r = sd_event_source_set_enabled(l->retry_source, SD_EVENT_ONESHOT);
        } else
                r = sd_event_add_time_relative(l->event, &l->retry_source, CLOCK_MONOTONIC, l->retry_delay,
                                               RETRY_USEC_MIN / 4, on_retry_time, l);
        if (r < 0)
                log_error_errno(r, "Cannot schedule the next attempt to write the ledger: %m");
        else
                (void)sd_event_source_set_description(l->retry_source, "ledger-retry");
}

/* A disk that is alternately full and not full is tried less often, too, and reported less often. */
static void back_off(Ledger *l) {
        usec_t now_monotonic = now_clock(CLOCK_MONOTONIC);
        bool is_new = l->retry_delay == 0 || now_monotonic > usec_add(l->retried_monotonic, 2 * RETRY_USEC_MAX);

        l->retry_delay = is_new ? RETRY_USEC_MIN : MIN(l->retry_delay * 2, RETRY_USEC_MAX);
        l->retried_monotonic = now_monotonic;
        arm_retry(l);
}

static void degrade(Ledger *l, int error) {
        LogContext c = { .message_id = MESSAGE_LEDGER_DEGRADED, .error = -error };
        bool is_known = l->error < 0;

        assert(error < 0);
        l->error = error;
        l->pending.is_bounded = true;
        if (error == -EBADMSG)
                l->store = store_close(l->store, /* is_damaged= */ true);
        if (!is_known) {
                describe(l, "Continuing in memory, and trying again.");
                log_message(LOG_ERR, &c, "%s", l->message);
        }
        back_off(l);
}

void ledger_error(Ledger *l, int error) {
        if (error == -EBADMSG)
                error = mend(l);
        if (error < 0)
                degrade(l, error);
}

static void recovered(Ledger *l, size_t n_held, size_t n_dropped) {
        LogContext c = { .message_id = MESSAGE_LEDGER_RECOVERED };

        assert(l->store && pending_is_empty(&l->pending));
        l->error = 0;
        l->pending.is_bounded = false;
        log_message(LOG_NOTICE, &c,
                    "The ledger %s can be written again: %zu runs that were kept in memory were saved, %zu are lost.",
                    l->path, n_held, n_dropped);
        if (l->retry_source)
                (void)sd_event_source_set_enabled(l->retry_source, SD_EVENT_OFF);
        ledger_arm_upkeep(l);
        if (l->recovered)
                l->recovered(l->was_unreadable, l->recovered_userdata);
        l->was_unreadable = false;
}

int ledger_retry(Ledger *l) {
        size_t n_held = l->pending.runs.n, n_dropped = l->pending.n_dropped;
        int r = 0;

        /* After any error except a full disk, the file that SQLite has open may not be the one on disk. */
        if (!l->store || l->error != -ENOSPC) {
                l->store = store_close(l->store, /* is_damaged= */ false);
                r = ledger_connect(l);
        }
        l->meta_changed = true; /* so that there is something to write, which shows whether it works */
        if (r >= 0)
                r = ledger_flush(l);
        if (r == -EBADMSG)
                r = mend(l);
        if (r < 0)
                degrade(l, r);
        else
                recovered(l, n_held, n_dropped);
        return r;
}
