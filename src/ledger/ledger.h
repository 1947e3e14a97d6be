#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What happened and what must be remembered: runs, the last occurrence of every trigger that was dealt with, paused
 * jobs, alarms. It is stored in the SQLite database STATE_DIR/ledger.db, which only this directory knows.
 *
 * Every reader sees a change at once. It is written to the database in one transaction at the end of the turn of the
 * event loop, or in ledger_commit(). So the changes of one callback without a ledger_commit() in between are written
 * together or not at all, regardless of their amount: the end of a run, its stamp, its alarm, the runs that follow it.
 * A database that cannot be written never stops the daemon: the ledger reports that, continues in memory, and writes
 * everything as soon as it can. All functions except ledger_open() may therefore be called in any state.
 *
 * Times are µs of CLOCK_REALTIME. Strings that are passed in are copied. */

#include <systemd/sd-event.h>

#include "ledger/records.h"

#define LEDGER_FILE      "ledger.db"
#define LEDGER_LATE_USEC (100 * USEC_PER_MSEC)
#define LEDGER_SCAN_MAX  5000 /* rows that one ledger_query() passes over */

typedef struct Ledger Ledger;

/* Opens or creates the database in state_dir, which must exist, and locks out other daemons until it is closed. event:
 * the loop whose turns end transactions; NULL: only ledger_commit() writes, and nothing is pruned. A database that
 * cannot be used is not an error, see ledger_state(). -EBUSY: another vaktd uses this directory, with a message in
 * reterr_message (may be NULL; the caller frees it). -ENOMEM, -ENOENT and other errors of opening a directory. */
int ledger_open(Ledger **ret, sd_event *event, const char *state_dir, char **reterr_message);

/* Writes pending changes, then closes. */
Ledger *ledger_close(Ledger *l);
DEFINE_CLEANUP(Ledger, ledger_close)

/* Ends the transaction of this turn now: what was written before survives a crash of the daemon, in this order. (A
 * power failure may discard the last seconds as a whole: the newest transactions are missing, none is incomplete; ids
 * are not used again even then.) 0, even if nothing was pending; negative errno: it is only kept in memory, and is
 * written later. The caller does not need to do anything about that. */
int ledger_commit(Ledger *l);

typedef enum LedgerState {
        LEDGER_OK,
        LEDGER_DEGRADED, /* in memory only, for now */
        _LEDGER_STATE_MAX,
} LedgerState;

/* ret_message: why and what to do, for status and diagnostics; NULL if everything works. It belongs to the ledger and
 * is valid until the next call. */
LedgerState ledger_state(Ledger *l, const char **ret_message);

/* Called at the end of a turn, before its changes are written: what func adds is written with them. It returns whether
 * it has called ledger_commit() itself. */
void ledger_on_turn_end(Ledger *l, bool (*func)(void *userdata), void *userdata);

/* Called, from the function that writes, when the database can be written again; once with is_readable, when one that
 * ledger_open() could not read can be read. */
void ledger_on_recovery(Ledger *l, void (*func)(bool is_readable, void *userdata), void *userdata);
/* It could not be read when it was opened, and was not since then. */
bool ledger_is_unread(const Ledger *l) _pure_;

/* --- runs --- */

/* Assigns an id to record and remembers it. -ENOMEM: nothing was remembered. */
int ledger_add(Ledger *l, RunRecord *record);

/* Replaces what is remembered about a run; its identity (job, cause, trigger, parent and its job, alarm, attempt,
 * times of the request) stays as it was added. 0 or -ENOMEM. If the memory is full and there is no database, only the
 * end of a run finds room, at the expense of another one. */
int ledger_update(Ledger *l, const RunRecord *record);

/* The same for a change that may get lost in a crash: it is written within LEDGER_LATE_USEC, unless another update
 * comes first. Readers see it at once. */
int ledger_update_late(Ledger *l, const RunRecord *record);

/* Belongs to the ledger, valid until the next ledger_get(); NULL if not remembered. */
const RunRecord *ledger_get(Ledger *l, uint64_t id);

/* Visits runs, highest id first. A visit that returns nonzero ends the walk; its value is returned. At most
 * LEDGER_SCAN_MAX rows are examined, to bound the time: ret_next (may be NULL) is then the value of "before" to
 * continue with, and 0 when the limit or the end was reached. A record is valid during its visit, which may write to
 * the ledger but not query it. Unreadable rows are left out. */
int ledger_query(Ledger *l, const LedgerFilter *filter, int (*visit)(const RunRecord *r, void *userdata),
                 void *userdata, uint64_t *ret_next);

/* The same by job (NULL = all), before (0 = all) and limit only; every row matches then. */
int ledger_list(Ledger *l, const char *job, uint64_t before, unsigned limit,
                int (*visit)(const RunRecord *r, void *userdata), void *userdata);

/* Visits runs that are not done, lowest id first, for adoption after a restart. this_boot: false if the machine was
 * rebooted since the run was last written. The visit may write to and query the ledger; nonzero ends the walk and is
 * returned. A negative errno may also mean that the database could not be read. */
int ledger_unfinished(Ledger *l, int (*visit)(const RunRecord *r, bool this_boot, void *userdata), void *userdata);

/* --- stamps: per trigger of a job, the last occurrence that was dealt with --- */

/* Sets the stamp in the transaction of this turn: the stamp and the run it led to are written together or not at all.
 * key: the trigger, in words that survive an edit of the file around it. -ENOMEM, -ENAMETOOLONG, -ENOBUFS. */
int ledger_set_stamp(Ledger *l, const char *job, const char *key, usec_t usec);

/* -ENOENT: there is none; -EIO and others: it could not be read. */
int ledger_get_stamp(Ledger *l, const char *job, const char *key, usec_t *ret);

/* Errors as of ledger_set_stamp(). */
int ledger_forget_stamp(Ledger *l, const char *job, const char *key);

/* Visits every stamp of job (NULL = of all jobs), in no particular order. The visit may write; nonzero ends the walk
 * and is returned. */
int ledger_list_stamps(Ledger *l, const char *job,
                       int (*visit)(const char *job, const char *key, usec_t usec, void *userdata), void *userdata);

/* --- what people said about a job --- */

/* In the transaction of this turn. A state of zeros is deleted. The name "" is available for what concerns all jobs.
 * -ENOMEM, -ENAMETOOLONG, -ENOBUFS. */
int ledger_set_job_state(Ledger *l, const char *job, const LedgerJobState *state);

/* Zeros if nothing is remembered. Negative errno: it could not be read. */
int ledger_get_job_state(Ledger *l, const char *job, LedgerJobState *ret);

/* --- alarms, and conditions that hold --- */

/* In the transaction of this turn; replaces an alarm with the same job and key. text is truncated like a reason.
 * -ENOMEM, -ENAMETOOLONG, -ENOBUFS. */
int ledger_set_alarm(Ledger *l, const LedgerAlarm *alarm);

/* Visits every alarm of job (NULL = of all jobs), in no particular order; it belongs to the ledger and is valid during
 * the visit, which may write. Nonzero ends the walk and is returned. */
int ledger_list_alarms(Ledger *l, const char *job, int (*visit)(const LedgerAlarm *alarm, void *userdata),
                       void *userdata);

/* --- bytes that are kept for a job: what a run was given, what a watch has seen --- */

/* In the transaction of this turn; replaces the bytes with the same job, key and id. bytes NULL: they are deleted.
 * -ENOMEM, -ENAMETOOLONG, -E2BIG. While the database cannot be written -ENOBUFS: above LEDGER_BLOBS_BYTES nothing more
 * is kept, and the old bytes stay; deleting is still possible then, LEDGER_STAMPS_MAX times. Everything of a turn is
 * written at once, and blocks the loop for about 2 µs a row and 2 ms a MiB, and again when the log is moved: some
 * 8,000 small rows or 6 MiB take 20 ms. */
int ledger_put(Ledger *l, const char *job, const char *key, uint64_t id, const void *bytes, size_t n);

/* Deletes all bytes of a job, or (key) all under one key of it; this counts as one thing to keep, regardless of the
 * amount. Errors as of ledger_put(). */
int ledger_forget(Ledger *l, const char *job, const char *key);

/* Visits all bytes of a job under key (NULL = all of the job; job NULL = of all jobs), in the order of job, key and
 * id, lowest first; ids count as signed numbers. bytes belong to the ledger (never NULL) and are valid during the
 * visit, which may write; what it adds is visited if it comes later in that order, or not. Nonzero ends the walk and
 * is returned; negative errno: the database could not be read, or not completely. After -EBADMSG, what was saved is
 * returned by the next call. */
int ledger_list_blobs(Ledger *l, const char *job, const char *key,
                      int (*visit)(const char *job, const char *key, uint64_t id, const void *bytes, size_t n,
                                   void *userdata),
                      void *userdata);

/* --- all that is kept of a job, but its runs --- */

/* Stamps, state, alarms and blobs. Errors as of the functions that forget each. */
int ledger_forget_job(Ledger *l, const char *job);

/* The next job name in order that follows after ("": the first) for which the database has any of these, for free().
 * Changes that are not committed yet are not seen. -ENOENT: there is none. */
int ledger_next_kept_job(Ledger *l, const char *after, char **ret);

/* Much is going to be asked about all jobs: stamps, states, names of kept jobs are read at once. Until that has an
 * end, or something is written, they are in memory; at the end all is given back that the database has in memory. */
void ledger_read_ahead(Ledger *l);
void ledger_end_read_ahead(Ledger *l);

/* --- retention --- */

/* How much history is kept: the newest keep finished runs of a job (LEDGER_KEEP_ALL = no limit), and none that ended
 * more than keep_usec ago (USEC_INFINITY = no limit). of_job may be NULL; it is called from the loop. Pruning takes
 * small steps while the loop is idle; up to a sixteenth more than keep stays for a while (and one more for each run of
 * the job that is not done), and age is checked once an hour while there are runs. Runs that are not done are never
 * pruned. Call it again when the result of of_job may have changed, at every reload: it marks all jobs to be checked,
 * which is then done in such steps (about 10 µs for a job that has nothing to prune). */
void ledger_set_retention(Ledger *l, unsigned keep, usec_t keep_usec, LedgerRetentionFunc of_job, void *userdata);
