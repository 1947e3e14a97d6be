#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The schedule (schedule.h) on the event loop: one source a clock, and what tells that a clock was set or that the
 * rules of a zone have changed. */

#include <systemd/sd-event.h>

#include "sched/schedule.h"

typedef struct Timers Timers;

/* jobs and zones are borrowed. The callbacks of ops come from the loop, or from within timers_set_job() and
 * timers_start() (marks only). Errors as sd_event_add_time(3), timerfd_create(2). */
int timers_new(Timers **ret, sd_event *event, JobTable *jobs, ZoneCache *zones, const ScheduleOps *ops);
Timers *timers_free(Timers *t); /* all jobs must be out of it */
DEFINE_CLEANUP(Timers, timers_free)

/* Plans all jobs of the table. From here on OnStartupSec= counts and things elapse; before, timers_set_job() does
 * nothing. -ENOMEM. */
int timers_start(Timers *t);

/* Nothing elapses until it is let go on. */
void timers_hold(Timers *t, bool hold);

/* Nothing elapses any more. */
void timers_stop(Timers *t);

/* ResumeRampSec=, µs. */
void timers_set_ramp(Timers *t, usec_t ramp);

/* As the functions of schedule.h, with the clocks of this turn of the loop. */
int timers_set_job(Timers *t, Job *job);
void timers_remove_job(Timers *t, Job *job);
void timers_resume_job(Timers *t, Job *job);
void timers_job_started(Timers *t, Job *job);
void timers_job_ended(Timers *t, Job *job, bool success);
uint32_t timers_note_occurred(Timers *t, Job *job, usec_t scheduled);
size_t timers_preview(const Timers *t, const Job *job, usec_t *ret, size_t n);

/* Looks at the zone files again and plans anew when one has changed. */
void timers_refresh_zones(Timers *t);

/* The job that elapses next of all, NULL when none. */
const Job *timers_next_job(const Timers *t);
