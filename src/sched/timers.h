#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The timers of all jobs on the event loop: one heap under one sd-event source. */

#include <systemd/sd-event.h>

#include "job/job-table.h"

typedef struct Timers Timers;

/* An occurrence is due. scheduled: µs of CLOCK_REALTIME. The callback may add, change and remove jobs, this one too.
 */
typedef void (*timers_elapsed_t)(void *userdata, Job *job, uint32_t trigger, usec_t scheduled_realtime);

int timers_new(Timers **ret, sd_event *event, timers_elapsed_t elapsed, void *userdata);
Timers *timers_free(Timers *t); /* all jobs must be gone from it */
DEFINE_CLEANUP(Timers, timers_free)

/* Plans all jobs of the table. From here on OnStartupSec= counts and things elapse. first_of_boot: a moment after boot
 * that has passed is due now. */
int timers_start(Timers *t, JobTable *jobs, bool first_of_boot);

/* Nothing elapses any more. */
void timers_stop(Timers *t);

/* Plans a job by its definition, which may be NULL or have changed since: a trigger that it had before keeps its
 * clock, a new one starts afresh, nothing elapses by the change itself. Sets job->timers and job->next. Before
 * timers_start() it does nothing. */
int timers_set_job(Timers *t, Job *job);
void timers_remove_job(Timers *t, Job *job);

/* A run was started, not by a trigger: intervals count from now. */
void timers_job_started(Timers *t, Job *job);

/* The job that elapses next of all, NULL when none. */
const Job *timers_next_job(const Timers *t) _pure_;
