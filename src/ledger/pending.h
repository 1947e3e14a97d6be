#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What was said to the ledger and does not stand in the database yet: for the rest of the turn, or for as long as the
 * database cannot be written. What is here is newer than what stands there. */

#include "ledger/ledger.h"
#include "ledger/sorted-set.h"

typedef struct PendingMark {
        char *job, *key;
        usec_t usec;
        bool forget; /* to be removed from the database */
} PendingMark;

typedef struct PendingState {
        char *job;
        LedgerJobState state; /* all zero: to be removed from the database */
} PendingState;

typedef struct Pending {
        SortedSet runs;   /* RunRecord, by id */
        SortedSet marks;  /* PendingMark, by job and key */
        SortedSet states; /* PendingState, by job */
        size_t n_dropped; /* runs given up for newer ones */
} Pending;

void pending_init(Pending *p);
void pending_clear(Pending *p); /* frees what it holds */
bool pending_is_empty(const Pending *p) _pure_;
bool pending_is_full(const Pending *p) _pure_; /* the next thing put in may push another one out, or be refused */

/* Copy what is said over what was said before. -ENOMEM; -ENOBUFS when there are too many marks or states. */
int pending_put_run(Pending *p, const RunRecord *record, bool is_new);
int pending_put_mark(Pending *p, const char *job, const char *key, usec_t usec, bool forget);
int pending_put_state(Pending *p, const char *job, const LedgerJobState *state);

const RunRecord *pending_get_run(const Pending *p, uint64_t id);
const RunRecord *pending_get_run_below(const Pending *p, uint64_t id); /* the one with the highest id below */
const RunRecord *pending_get_run_above(const Pending *p, uint64_t id); /* the one with the lowest id above */
const PendingMark *pending_get_mark(const Pending *p, const char *job, const char *key);
const PendingState *pending_get_state(const Pending *p, const char *job);
