#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What happened and what must be remembered: runs, the last occurrence that was dealt with of every trigger, who is
 * paused, what is wrong. It stands in the SQLite database STATE_DIR/ledger.db, which this directory alone knows.
 *
 * What is written is seen by every reader at once and goes to the database in one transaction at the end of the turn
 * of the event loop, or in ledger_commit(). So what one callback says without a ledger_commit() in between is written
 * together or not at all, however much it is: the end of a run, its stamp, its alarm, the runs that follow it. A
 * database that cannot be written never stops anybody: the ledger says so, goes on in memory, and writes what it held
 * as soon as it can. All functions but ledger_open() may therefore be called whatever state it is in.
 *
 * Times are µs of CLOCK_REALTIME. Strings that are handed in are copied. */

#include <stdbool.h>
#include <systemd/sd-event.h>

#include "job/run.h"

#define LEDGER_FILE        "ledger.db"
#define LEDGER_RUNS_MAX    10000 /* runs held in memory while the database cannot be written; finished ones go first */
#define LEDGER_STAMPS_MAX  100000 /* stamps, job states and alarms held so, each */
#define LEDGER_KEY_MAX     4096   /* bytes in the key of a stamp or an alarm */
#define LEDGER_TEXT_MAX    4096   /* bytes kept of a reason or status text; the rest is cut off */
#define LEDGER_PAYLOAD_MAX 8192   /* the same of a payload */
#define LEDGER_SCAN_MAX    5000   /* rows that one ledger_query() passes over */
#define LEDGER_CLOCK_SKEW  1000   /* runs that may stand in the wrong order of time, after a clock was set */

typedef struct Ledger Ledger;

/* Opens or makes the database in state_dir, which must exist, and keeps other daemons from it until it is closed.
 * event: whose turns end transactions; NULL: only ledger_commit() writes, and nothing is pruned. A database that
 * cannot be used is no error, see ledger_state(). -EBUSY: another vaktd works on this directory, with a message in
 * reterr_message (may be NULL; the caller frees it). -ENOMEM, -ENOENT and what else opening a directory gives. */
int ledger_open(Ledger **ret, sd_event *event, const char *state_dir, char **reterr_message);

/* Writes what is open, then closes. */
Ledger *ledger_close(Ledger *l);
DEFINE_CLEANUP(Ledger, ledger_close)

/* Ends the transaction of this turn now: what was written before survives the death of the daemon, in this order.
 * (A power cut may take the last seconds, as a whole: the newest transactions are missing, none is half there; ids are
 * not given out again even then.) 0, also when nothing was open; negative errno: it is held in memory only, and is
 * written later. There is nothing for the caller to do about that. */
int ledger_commit(Ledger *l);

typedef enum LedgerState {
        LEDGER_OK,
        LEDGER_DEGRADED, /* in memory only, for now */
        _LEDGER_STATE_MAX,
} LedgerState;

/* ret_message: why and what to do, for status and diagnostics; NULL when all is well. The ledger's, valid until the
 * next call. */
LedgerState ledger_state(Ledger *l, const char **ret_message);

/* Called once, from whatever writes then, when a database that could not be read by ledger_open() can be. */
void ledger_on_readable(Ledger *l, void (*func)(void *userdata), void *userdata);

/* --- runs --- */

/* Gives record its id and remembers it. -ENOMEM: nothing was remembered. */
int ledger_add(Ledger *l, RunRecord *record);

/* Writes what is known of a run now over what was remembered; what it is (job, cause, trigger, parent and its job,
 * alarm, attempt, times of the request) stays as it was added. 0 or -ENOMEM. With a full memory and no database, only
 * the end of a run finds a place that was given up before. */
int ledger_update(Ledger *l, const RunRecord *record);

/* The ledger's, valid until the next ledger_get(); NULL when not remembered. */
const RunRecord *ledger_get(Ledger *l, uint64_t id);

/* What to show; all zero but limit means: everything. */
typedef struct LedgerFilter {
        const char *job;  /* NULL = all */
        uint32_t results; /* bits 1 << RunResult, 0 = all */
        uint32_t causes;  /* bits 1 << RunCause, 0 = all */
        usec_t since;     /* requested at or after; 0 = from the first */
        usec_t until;     /* requested at or before; 0 = to the last */
        uint64_t before;  /* ids below this one, 0 = all */
        unsigned limit;   /* at most so many */
} LedgerFilter;

/* Highest id first. A visit that returns nonzero ends the walk; its value is returned. No more than LEDGER_SCAN_MAX
 * rows are looked at, so that nobody waits long: ret_next (may be NULL) is then what to give as "before" to go on, and
 * 0 when the limit or the end was reached. A record is valid during its visit, which may write but not query the
 * ledger. What cannot be read is left out. */
int ledger_query(Ledger *l, const LedgerFilter *filter, int (*visit)(const RunRecord *r, void *userdata),
                 void *userdata, uint64_t *ret_next);

/* The same by job (NULL = all), before (0 = all) and limit only; every row matches then. */
int ledger_list(Ledger *l, const char *job, uint64_t before, unsigned limit,
                int (*visit)(const RunRecord *r, void *userdata), void *userdata);

/* Runs that are not done, lowest id first, for adoption after a restart. this_boot: false when the machine was booted
 * since the run was last written. The visit may write to and query the ledger; nonzero ends the walk and is returned.
 * A negative errno may also mean that the database could not be read. */
int ledger_unfinished(Ledger *l, int (*visit)(const RunRecord *r, bool this_boot, void *userdata), void *userdata);

/* --- stamps: per trigger of a job, the last occurrence that was dealt with --- */

/* Sets the stamp in the transaction of this turn: the stamp and the run it led to are written together or not at all.
 * key: the trigger, in words that survive an edit of the file around it. -ENOMEM, -ENAMETOOLONG, -ENOBUFS. */
int ledger_set_stamp(Ledger *l, const char *job, const char *key, usec_t usec);

/* -ENOENT: there is none; -EIO and others: it could not be read. */
int ledger_get_stamp(Ledger *l, const char *job, const char *key, usec_t *ret);

/* Errors as of ledger_set_stamp(). */
int ledger_forget_stamp(Ledger *l, const char *job, const char *key);

/* Every stamp of job (NULL = of all jobs), in no order. The visit may write; nonzero ends the walk and is returned. */
int ledger_list_stamps(Ledger *l, const char *job,
                       int (*visit)(const char *job, const char *key, usec_t usec, void *userdata), void *userdata);

/* --- what people said about a job --- */

typedef struct LedgerJobState {
        bool paused;
        usec_t pause_until; /* 0 = none, USEC_INFINITY = for good */
        unsigned skip;      /* occurrences still to be left out */
} LedgerJobState;

/* In the transaction of this turn. A state of zeros is forgotten. The name "" is free for what concerns all jobs.
 * -ENOMEM, -ENAMETOOLONG, -ENOBUFS. */
int ledger_set_job_state(Ledger *l, const char *job, const LedgerJobState *state);

/* Zeros when nothing is remembered. Negative errno: it could not be read. */
int ledger_get_job_state(Ledger *l, const char *job, LedgerJobState *ret);

/* --- alarms, and conditions that hold --- */

typedef struct LedgerAlarm {
        char *job;
        char *key;     /* "slow", "expect", or the condition of a monitor */
        usec_t since;  /* the condition holds since; 0 = it does not: the alarm is forgotten */
        usec_t raised; /* the alarm was raised then; 0 = not yet */
        uint64_t run;  /* that it is about, or 0 */
        char *text;    /* a message, or NULL */
} LedgerAlarm;

/* In the transaction of this turn; replaces what stood under job and key. text is cut like a reason. -ENOMEM,
 * -ENAMETOOLONG, -ENOBUFS. */
int ledger_set_alarm(Ledger *l, const LedgerAlarm *alarm);

/* Every alarm of job (NULL = of all jobs), in no order; it is the ledger's, valid during the visit, which may write.
 * Nonzero ends the walk and is returned. */
int ledger_list_alarms(Ledger *l, const char *job, int (*visit)(const LedgerAlarm *alarm, void *userdata),
                       void *userdata);

/* --- bytes that are kept for a job: what a run was given, what a watch has seen --- */

#define LEDGER_BLOB_MAX    (256U << 20) /* bytes in one */
#define LEDGER_BLOBS_BYTES (64U << 20)  /* of all, held in memory while the database cannot be written */

/* In the transaction of this turn; replaces what stood under job, key and id. bytes NULL: that is forgotten. -ENOMEM,
 * -ENAMETOOLONG, -E2BIG. While the database cannot be written -ENOBUFS: past LEDGER_BLOBS_BYTES nothing more is held,
 * what stood there stays; to forget is possible then, too, LEDGER_STAMPS_MAX times. All of a turn is written at once,
 * and holds the loop for about 2 µs a row and 2 ms a MiB; so much again when the log is moved: some 8,000 small rows
 * or 6 MiB are 20 ms. */
int ledger_put(Ledger *l, const char *job, const char *key, uint64_t id, const void *bytes, size_t n);

/* Forgets all of a job, or (key) all under one key of it; one thing to hold, however much that is. Errors as of
 * ledger_put(). */
int ledger_forget(Ledger *l, const char *job, const char *key);

/* All of a job under key (NULL = all of the job; job NULL = of all jobs), in the order of job, key and id, lowest
 * first; ids count as numbers with a sign. bytes are the ledger's (never NULL), valid during the visit, which may
 * write; what it puts in is visited where it comes later in that order, or not. Nonzero ends the walk and is returned;
 * negative errno: what stands in the database could not be read, or not all. After -EBADMSG, what was saved is there
 * when it is asked for again. */
int ledger_list_blobs(Ledger *l, const char *job, const char *key,
                      int (*visit)(const char *job, const char *key, uint64_t id, const void *bytes, size_t n,
                                   void *userdata),
                      void *userdata);

/* --- all that is kept of a job, but its runs --- */

/* Stamps, state, alarms and blobs. Errors as of the functions that forget each. */
int ledger_forget_job(Ledger *l, const char *job);

/* The next name in order behind after ("": the first) of which any of these stands in the database, for free(). What
 * is not committed yet is not seen. -ENOENT: there is none. */
int ledger_next_kept_job(Ledger *l, const char *after, char **ret);

/* --- retention --- */

#define LEDGER_KEEP_DEFAULT      1000U
#define LEDGER_KEEP_USEC_DEFAULT (90 * USEC_PER_DAY)
#define LEDGER_KEEP_ALL          UINT32_MAX

/* Changes *keep and *keep_usec for job where it has its own. */
typedef void (*LedgerRetentionFunc)(const char *job, unsigned *keep, usec_t *keep_usec, void *userdata);

/* How much history is kept: the newest keep finished runs of a job (LEDGER_KEEP_ALL = no limit), none that ended more
 * than keep_usec ago (USEC_INFINITY = no limit). of_job may be NULL; it is called from the loop. Pruning goes on in
 * small steps when the loop has nothing else to do; up to a sixteenth more than keep stands for a while (and one more
 * for each run of the job that is not done), and age is looked at once an hour while there are runs. Runs that are not
 * done are never pruned. To be called again when what of_job says may have changed, at every reload: it notes that all
 * jobs are to be looked at, which is then done in such steps (about 10 µs a job that has nothing to prune). */
void ledger_set_retention(Ledger *l, unsigned keep, usec_t keep_usec, LedgerRetentionFunc of_job, void *userdata);
