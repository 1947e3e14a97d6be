#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The timers of all jobs as a state machine that gets the time: no clock is read here and nothing waits, so that a
 * test simulates years in a second. trigger/timer.c runs it on the event loop.
 *
 * Every trigger has a stamp: the time up to which all of its occurrences are dealt with. The plan follows from the
 * stamp alone, so a daemon that was down, a machine that was asleep, a job that was paused and a clock that was set
 * are one case: everything between the stamp and now is due, or was missed, and CatchUp= decides. See vaktd.job(5). */

#include "job/job-table.h"

#define SCHEDULE_LATE_USEC (60 * USEC_PER_SEC) /* an occurrence that is later than this was missed */
#define SCHEDULE_FUTURE_USEC \
        (25 * USEC_PER_HOUR) /* a stamp further in the future than this comes from a clock that was wrong */

typedef enum ScheduleClock {
        SCHEDULE_REALTIME,
        SCHEDULE_BOOTTIME,
        SCHEDULE_REALTIME_ALARM, /* WakeSystem= */
        SCHEDULE_BOOTTIME_ALARM,
        _SCHEDULE_CLOCK_MAX,
} ScheduleClock;

typedef enum OccurrenceKind {
        OCCURRENCE_DUE,      /* to be run, in time */
        OCCURRENCE_CATCH_UP, /* to be run, late */
        OCCURRENCE_MISSED,   /* to be recorded: n of them, the last at scheduled */
} OccurrenceKind;

/* Times are µs of CLOCK_REALTIME. */
typedef struct Occurrence {
        OccurrenceKind kind;
        uint32_t trigger;
        usec_t scheduled;
        usec_t since;    /* missed: the first one that is known */
        uint64_t n;      /* missed: how many; else 1 */
        bool n_is_exact; /* missed: not more than n */
} Occurrence;

#define SCHEDULE_RAMP_KEY                                                                         \
        "catch-up" /* of the moment of the ramp that a job was given; keys of triggers hold a "=" \
                    */

typedef struct ScheduleOps {
        /* This call deals with an occurrence; its stamp is set right after it. Jobs must not be added, changed or
         * removed meanwhile. */
        void (*occurred)(void *userdata, Job *job, const Occurrence *o);
        /* What is remembered of a trigger; USEC_INFINITY = nothing. */
        usec_t (*get_stamp)(void *userdata, const Job *job, const char *key);
        void (*set_stamp)(void *userdata, const Job *job, const char *key,
                          usec_t realtime); /* USEC_INFINITY: forgets it */
        void *userdata;
} ScheduleOps;

typedef struct Schedule Schedule;

/* For OnBootSec= and @reboot. */
typedef struct ScheduleBoot {
        const char *id;     /* a word that changes with each boot */
        const char *former; /* its name in an earlier version, or NULL */
        usec_t began;       /* boottime */
} ScheduleBoot;

/* seed: of the machine, for random delays. */
int schedule_new(Schedule **ret, const ScheduleOps *ops, uint64_t seed, const ScheduleBoot *boot);
Schedule *schedule_free(Schedule *s); /* all jobs must be out of it */
DEFINE_CLEANUP(Schedule, schedule_free)

/* Catch-up runs after a start, a resume or a clock step are spread over this many µs. */
void schedule_set_ramp(Schedule *s, usec_t ramp);

/* OnStartupSec= counts from now. Jobs that are set before schedule_started() are those that existed before: what they
 * missed counts, unless the job has just come back (Job.came_back). One that is set for the first time later starts
 * anew, except for an interval that is known: that continues. */
void schedule_start(Schedule *s, Instant now);
void schedule_started(Schedule *s);

/* Plans a job by its definition and state, which may have changed: a trigger that it had before keeps its stamp, a new
 * one starts at now, and the change by itself causes no occurrence. Sets job->timers and job->next. -ENOMEM. */
int schedule_set_job(Schedule *s, Job *job, Instant now);
void schedule_remove_job(Schedule *s, Job *job);

/* A pause of the job has ended: what it missed meanwhile was missed. */
void schedule_resume_job(Schedule *s, Job *job, Instant now);

/* A run was started that no trigger of the job requested; a run has ended. For IntervalFrom=. True: that has changed
 * when something elapses. */
bool schedule_job_started(Schedule *s, Job *job, Instant now);
bool schedule_job_ended(Schedule *s, Job *job, bool success, Instant now);

/* True for the key of the stamp of a trigger that the job has, and that can elapse. */
bool schedule_has_stamp(const JobDef *def, const char *key);

/* There is a run of the job that an earlier daemon created for this occurrence: everything up to it was dealt with, as
 * if that had been recorded. Returns the trigger that it is of, RUN_TRIGGER_NONE if the job has no such trigger. */
uint32_t schedule_note_occurred(Schedule *s, Job *job, usec_t scheduled, Instant now);

/* A clock was set or the rules of a zone have changed: reschedules a job from its stamps. */
void schedule_replan_job(Schedule *s, Job *job, Instant now);

/* When to call schedule_elapse() next for a clock: not before *ret_at, not after *ret_latest, µs of that clock. False:
 * not at all. */
bool schedule_next(const Schedule *s, ScheduleClock clock, usec_t *ret_at, usec_t *ret_latest);

/* Deals with at most max triggers that are due. Returns their number. */
unsigned schedule_elapse(Schedule *s, Instant now, unsigned max);

/* The next n elapses of a job as planned, realtime µs in order, including random delays. Returns their number. */
size_t schedule_preview(const Schedule *s, const Job *job, Instant now, usec_t *ret, size_t n);
