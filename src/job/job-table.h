#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A loaded job (definition, counters, state), and the table of all of them, sorted by name. Pure: the code that
 * changes a job notifies the others (core/). */

#include <sys/queue.h>

#include "job/job-def.h"
#include "job/run.h"

typedef enum JobState {
        JOB_WAITING,  /* no run is active; a trigger or a user may request one */
        JOB_RAISED,   /* the same, and its monitor is raised */
        JOB_QUEUED,   /* a run waits */
        JOB_RETRYING, /* a run failed, and the next try waits for its time */
        JOB_RUNNING,
        JOB_PAUSED,   /* triggers are refused, users are not */
        JOB_DISABLED, /* Enabled=no */
        JOB_INVALID,  /* the file was never good */
        JOB_GONE,     /* the file is gone, a run is still active */
        _JOB_STATE_MAX,
} JobState;

typedef struct JobTimers JobTimers;     /* of sched/ */
typedef struct TriggerKept TriggerKept; /* of core/ */
typedef struct LiveRun LiveRun;         /* of core/ */
typedef TAILQ_HEAD(LiveRunList, LiveRun) LiveRunList;
typedef struct JobAlarms JobAlarms; /* of core/ */
typedef struct JobWait JobWait;     /* of core/ */

/* Of core/: what a job has while it has runs that are not over. */
typedef struct JobLive {
        unsigned n_ref;      /* runs that were made for the job and are in memory */
        LiveRunList runs;    /* all unfinished runs, in the order of ids */
        LiveRunList queue;   /* runs that wait for the job's other runs */
        LiveRunList delayed; /* runs whose time has not come yet: retries */
        JobWait *wait;       /* what its runs wait for (WaitFor=), or NULL: no run waits */
        unsigned n_bounded;  /* runs in the queue or with a place that QueueMax= counts */
        unsigned n_delayed;  /* runs among the delayed; in n_queued, too */
        unsigned n_sought;   /* runs whose process or unit is searched for, see LiveRun.is_sought */
        unsigned n_slots;    /* runs that hold one of the job's places, started or about to be */
} JobLive;

/* Ten thousand of them wait for tomorrow: what few have is behind a pointer, and there are no holes. */
typedef struct Job {
        JobDef *def;        /* NULL: invalid */
        char *problem;      /* "file:line: message" while the file on disk is invalid, otherwise NULL; with a
                               def, the older version is in use */
        JobTimers *timers;  /* owned by sched/ */
        JobLive *live;      /* never NULL; without runs that of all others, not to be written to */
        JobAlarms *alarms;  /* of core/: what is watched for alarms, or NULL */
        TriggerKept *kept;  /* what kinds of triggers keep for the job, see core/trigger.h */
        usec_t pause_until; /* of the job itself; realtime; USEC_INFINITY = until it is resumed */
        uint64_t n_runs;    /* that were started, ever */
        usec_t last_start;  /* realtime µs, 0 = never */
        usec_t last_end;
        usec_t next;        /* realtime µs of the next elapse, USEC_INFINITY = none */
        unsigned skip;      /* occurrences that are still to be skipped */
        unsigned n_running; /* starting, running, stopping */
        unsigned n_queued;  /* waiting, queued */
        int last_code;      /* as in RunRecord */
        RunResult last_result : 8;
        uint8_t generation;          /* of core/: the load that saw the job last */
        bool paused;                 /* by itself, or because all jobs are */
        bool is_overdue;             /* of core/: the alarm of ExpectSec= is raised */
        bool paused_alone : 1;       /* by itself */
        bool problem_is_private : 1; /* it may quote a file that is not readable for everybody */
        bool gone : 1;
        bool came_back : 1; /* its file did not exist while the previous daemon ran */
        bool is_raised : 1; /* of trigger/: its monitor is */
        bool on_demand : 1; /* an instance that was requested by name; has no file of its own */
        char name[];
} Job;

typedef struct JobTable JobTable;

int job_new(Job **ret, const char *name);
Job *job_free(Job *j);
DEFINE_CLEANUP(Job, job_free)

/* There is one more run of the job in memory, and one less. Between the two it has a JobLive of its own, after the
 * last one until it has no JobLive.wait. -ENOMEM. */
int job_ref_live(Job *j);
void job_unref_live(Job *j);
void job_let_rest(Job *j);

/* Its file exists and is valid, and does not say Enabled=no. */
static inline bool job_may_run(const Job *j) {
        return !j->gone && j->def && j->def->enabled;
}

/* Runs that wait for others or are active; those that wait for their time do not count. */
static inline unsigned job_n_active(const Job *j) {
        return j->n_running + j->n_queued - j->live->n_delayed;
}

JobState job_state(const Job *j) _pure_;
const char *job_state_to_string(JobState s) _const_;

int job_table_new(JobTable **ret);
JobTable *job_table_free(JobTable *t); /* frees the jobs too */
DEFINE_CLEANUP(JobTable, job_table_free)

/* The table owns the job from then on. -EEXIST when the name is taken. */
int job_table_add(JobTable *t, Job *j);
/* Takes it out and frees it. */
void job_table_remove(JobTable *t, Job *j);

Job *job_table_get(const JobTable *t, const char *name) _pure_;
size_t job_table_size(const JobTable *t) _pure_;
Job *job_table_at(const JobTable *t, size_t i) _pure_; /* in order of names */
