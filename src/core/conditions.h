#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Conditions in use; core/trigger.h has the functions for one. */

#include "core/trigger.h"

int conditions_init(Manager *m);
/* None is in use any more. */
void conditions_done(Manager *m);
/* The ledger is closed next: what is in memory of the history of values is written. */
void conditions_close_values(Manager *m);
/* A run of the job begins, which is told to nobody else yet; true: there are conditions that ask about the job. What
 * has become of them is known in the next turn, and before anything is started then. */
bool conditions_job_changed(Manager *m, const Job *job);
/* What the ledger has of all jobs was read, or could not be. */
void conditions_jobs_loaded(Manager *m);

/* What runs of a job wait for: made when the first of them waits, and shared by all. */
struct JobWait {
        ConditionWatch watch;
        Job *job;
        JobDef *def;          /* that the condition is of */
        usec_t reading_until; /* realtime; how long a first reading is waited for; 0: it was known once */
};

/* What is known of what runs of the job with this definition wait for; NULL: nothing yet. */
const Reading *job_wait_readings(const Job *job, const JobDef *def);
