#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Changes that are not in the database yet: for the rest of the turn, or for as long as the database cannot be
 * written. They are newer than the database. */

#include "ledger/records.h"

/* A set of owned pointers in order, in one array: found by bisection, walked by index. */
typedef struct SortedSet {
        void **items;
        size_t n;
        int (*compare)(const void *a, const void *b);
        void (*free_item)(void *item);
} SortedSet;

typedef struct PendingRun {
        OwnedRun run;
        bool is_stored;        /* the database has an older version */
        bool is_of_other_boot; /* the machine was rebooted since the run was last seen active */
        bool is_late;          /* nothing is lost if only the older version is written for a while */
} PendingRun;

typedef struct PendingStamp {
        const char *job, *key;
        usec_t usec;
        bool forget; /* to be removed from the database */
} PendingStamp;

typedef struct PendingState {
        const char *job;
        LedgerJobState state; /* all zero: to be removed from the database */
} PendingState;

typedef struct PendingBlob {
        uint64_t id;
        unsigned n_refs; /* a visit holds one, too, while it may replace this */
        bool forget;     /* to be removed from the database; no bytes then */
        size_t n;
        char bytes[];
} PendingBlob;

/* The rows under one key of a job. They stay until everything is cleared, so that walks may hold them. */
typedef struct BlobSet {
        const char *job;
        const char *key; /* NULL: has no rows of its own, stands for all keys of the job that have no set here */
        bool forget;     /* all that the database has of it is to be removed, before the rows are written */
        SortedSet rows;  /* PendingBlob, by id */
} BlobSet;

typedef struct Pending {
        SortedSet runs;    /* PendingRun, by id */
        SortedSet stamps;  /* PendingStamp, by job and key */
        SortedSet states;  /* PendingState, by job */
        SortedSet alarms;  /* LedgerAlarm, by job and key; not since anything: to be removed from the database */
        SortedSet blobs;   /* BlobSet, by job and key, NULL first */
        bool is_bounded;   /* nothing is written for now, so the maximums of ledger.h hold */
        bool is_full;      /* since it was cleared, one of these maximums was reached */
        size_t n_late;     /* of the runs */
        size_t n_dropped;  /* runs given up for newer ones */
        size_t blob_bytes; /* of memory */
        size_t n_void;     /* rows and sets of blobs to be removed from the database */
} Pending;

void pending_init(Pending *p);
void pending_clear(Pending *p); /* frees what it holds, but not runs that are late */
void pending_hurry(Pending *p); /* none is late any more */
bool pending_is_empty(const Pending *p) _pure_;
bool pending_has_only_late(const Pending *p) _pure_; /* or nothing */

/* Replace an earlier change with a copy. -ENOMEM; -ENAMETOOLONG; -ENOBUFS when bounded and a maximum would be passed.
 * A run above the maximum displaces another one. */
int pending_put_run(Pending *p, const RunRecord *record, bool is_new);
/* The same for what is late; beside an earlier change that is not, it is as little. */
int pending_put_late_run(Pending *p, const RunRecord *record);
/* The same for a run that was read from a damaged database. */
int pending_rescue_run(Pending *p, const RunRecord *record, bool this_boot);
int pending_put_stamp(Pending *p, const char *job, const char *key, usec_t usec, bool forget);
int pending_put_state(Pending *p, const char *job, const LedgerJobState *state);
int pending_put_alarm(Pending *p, const LedgerAlarm *alarm);
/* As ledger_put() and ledger_forget(). */
int pending_put_blob(Pending *p, const char *job, const char *key, uint64_t id, const void *bytes, size_t n);
int pending_forget_blobs(Pending *p, const char *job, const char *key);

/* A copy, for free(); NULL if there is not enough memory. */
LedgerAlarm *pending_alarm_copy(const LedgerAlarm *alarm);

const RunRecord *pending_get_run(const Pending *p, uint64_t id);
const RunRecord *pending_get_run_below(const Pending *p, uint64_t id); /* the one with the highest id below */
const RunRecord *pending_get_run_above(const Pending *p, uint64_t id); /* the one with the lowest id above */
bool pending_run_is_of_this_boot(const Pending *p, uint64_t id) _pure_;
const PendingStamp *pending_get_stamp(const Pending *p, const char *job, const char *key);
const PendingState *pending_get_state(const Pending *p, const char *job);
const LedgerAlarm *pending_get_alarm(const Pending *p, const char *job, const char *key);

/* The first one of job (NULL: of all jobs), or the next one after that. */
const PendingStamp *pending_next_stamp(const Pending *p, const char *job, const PendingStamp *after);
const LedgerAlarm *pending_next_alarm(const Pending *p, const char *job, const LedgerAlarm *after);

/* What the database has under this is void: there is a newer version here, or it is deleted. */
bool pending_has_blob(const Pending *p, const char *job, const char *key, uint64_t id);

/* The order of ids, and that of SQLite, whose integers have a sign. */
int blob_id_compare(uint64_t a, uint64_t b) _const_;

/* --- walks through blobs, in the order of the database --- */

typedef struct BlobCursor {
        const char *job, *key; /* to be walked through, NULL = all */
        const BlobSet *set;    /* of the row that comes next, or came last; NULL = none yet */
        uint64_t id;           /* of that row */
        bool passed;           /* it was visited */
} BlobCursor;

/* Moves the cursor to the next row with bytes, which is the current one unless that was passed. NULL: there is none.
 * The set and its strings live until pending_clear(), the row until it is replaced. */
PendingBlob *pending_next_blob(const Pending *p, BlobCursor *c);

/* The row here counts as passed. */
void pending_pass_blob(const Pending *p, BlobCursor *c, const char *job, const char *key, uint64_t id);

PendingBlob *pending_blob_ref(PendingBlob *b);
void pending_blob_unref(PendingBlob *b);
