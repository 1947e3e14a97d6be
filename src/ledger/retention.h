#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Finds history that is too old, and deletes it in small steps. */

#include "ledger/store.h"

typedef struct NotedJob NotedJob;

typedef struct Retention {
        unsigned keep;
        usec_t keep_usec;
        LedgerRetentionFunc of_job;
        void *userdata;

        NotedJob *jobs; /* with runs that ended since they were last looked at, by name */
        size_t n_jobs;
        size_t n_due; /* of them, those worth a look */

        bool sweeping; /* through all jobs */
        char *swept;   /* the last job that was looked at */
        usec_t next_sweep_boottime;
} Retention;

void retention_init(Retention *r); /* with the defaults of ledger.h */
void retention_done(Retention *r);
void retention_set(Retention *r, unsigned keep, usec_t keep_usec, LedgerRetentionFunc of_job, void *userdata);

/* A finished run of job is in the database. */
void retention_note(Retention *r, const char *job);

/* Makes one step, in a transaction. Positive: there is more to do, 0: nothing for now, negative: as in store.h. */
int retention_step(Retention *r, Store *s, usec_t now_realtime, usec_t now_boottime);
