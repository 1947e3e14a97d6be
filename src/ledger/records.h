#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the ledger keeps, and how much of it; the part of ledger.h that Pending and the store share. */

#include "job/run.h"

#define LEDGER_RUNS_MAX    10000  /* runs kept while the database cannot be written; finished ones are dropped first */
#define LEDGER_STAMPS_MAX  100000 /* stamps, job states and alarms kept in this way, each */
#define LEDGER_KEY_MAX     4096   /* bytes in the key of a stamp or an alarm */
#define LEDGER_TEXT_MAX    4096   /* bytes kept of a reason or status text; the rest is cut off */
#define LEDGER_PAYLOAD_MAX 8192   /* the same of a payload */
#define LEDGER_CLOCK_SKEW  1000   /* runs that may be in the wrong order of time after a clock was set */
#define LEDGER_BLOB_MAX    (256U << 20) /* bytes in one */
#define LEDGER_BLOBS_BYTES (64U << 20)  /* of all together, kept in memory while the database cannot be written */

/* What to show; all zero except limit means everything. */
typedef struct LedgerFilter {
        const char *job;  /* NULL = all */
        uint32_t results; /* bits 1 << RunResult, 0 = all */
        uint32_t causes;  /* bits 1 << RunCause, 0 = all */
        usec_t since;     /* requested at or after; 0 = from the first */
        usec_t until;     /* requested at or before; 0 = to the last */
        uint64_t before;  /* ids below this one, 0 = all */
        unsigned limit;   /* at most so many */
} LedgerFilter;

/* What people said about a job. */
typedef struct LedgerJobState {
        bool paused;
        usec_t pause_until; /* 0 = none, USEC_INFINITY = for good */
        unsigned skip;      /* occurrences still to be skipped */
} LedgerJobState;

/* An alarm, or a condition that holds. */
typedef struct LedgerAlarm {
        const char *job;
        const char *key;  /* "slow", "expect", "unknown" */
        usec_t since;     /* since when the condition holds; 0 = it does not: the alarm is deleted */
        usec_t raised;    /* when the alarm was raised; 0 = not yet */
        uint64_t run;     /* that it is about, or 0 */
        const char *text; /* a message, or NULL */
} LedgerAlarm;

/* --- retention --- */

#define LEDGER_KEEP_DEFAULT      1000U
#define LEDGER_KEEP_USEC_DEFAULT (90 * USEC_PER_DAY)
#define LEDGER_KEEP_ALL          UINT32_MAX

/* Changes *keep and *keep_usec for a job with its own values. */
typedef void (*LedgerRetentionFunc)(const char *job, unsigned *keep, usec_t *keep_usec, void *userdata);
