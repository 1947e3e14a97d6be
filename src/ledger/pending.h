#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Changes that are not in the database yet: for the rest of the turn, or for as long as the database cannot be
 * written. They are newer than the database. */

#include "ledger/ledger.h"
#include "ledger/pending-blobs.h"
#include "ledger/sorted-set.h"

typedef struct PendingRun {
        OwnedRun run;
        bool is_stored;        /* the database has an older version */
        bool is_of_other_boot; /* the machine was rebooted since the run was last seen active */
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

typedef struct Pending {
        SortedSet runs;   /* PendingRun, by id */
        SortedSet stamps; /* PendingStamp, by job and key */
        SortedSet states; /* PendingState, by job */
        SortedSet alarms; /* LedgerAlarm, by job and key; not since anything: to be removed from the database */
        PendingBlobs blobs;
        bool is_bounded;  /* nothing is written for now, so the maximums of ledger.h hold */
        size_t n_dropped; /* runs given up for newer ones */
} Pending;

void pending_init(Pending *p);
void pending_clear(Pending *p); /* frees what it holds */
bool pending_is_empty(const Pending *p) _pure_;
bool pending_is_full(const Pending *p) _pure_; /* one of the maximums is reached */

/* Replace an earlier change with a copy. -ENOMEM; -ENOBUFS when bounded and there are too many stamps, states or
 * alarms. A run above the maximum displaces another one. */
int pending_put_run(Pending *p, const RunRecord *record, bool is_new);
/* The same for a run that was read from a damaged database. */
int pending_rescue_run(Pending *p, const RunRecord *record, bool this_boot);
int pending_put_stamp(Pending *p, const char *job, const char *key, usec_t usec, bool forget);
int pending_put_state(Pending *p, const char *job, const LedgerJobState *state);
int pending_put_alarm(Pending *p, const LedgerAlarm *alarm);

/* A copy, for free(); NULL if there is not enough memory. */
LedgerAlarm *pending_alarm_copy(const LedgerAlarm *alarm);

const RunRecord *pending_get_run(const Pending *p, uint64_t id);
const RunRecord *pending_get_run_below(const Pending *p, uint64_t id); /* the one with the highest id below */
const RunRecord *pending_get_run_above(const Pending *p, uint64_t id); /* the one with the lowest id above */
bool pending_run_is_of_this_boot(const Pending *p, uint64_t id) _pure_;
const PendingStamp *pending_get_stamp(const Pending *p, const char *job, const char *key);
const PendingState *pending_get_state(const Pending *p, const char *job);
const LedgerAlarm *pending_get_alarm(const Pending *p, const char *job, const char *key);
