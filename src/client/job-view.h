#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Jobs: all of them in rows, one as seen through its object, what one waits for, and the files that it matches.
 * Strings belong to the message that each view holds; times are µs of CLOCK_REALTIME, 0 = never, USEC_INFINITY = none.
 * Functions with a reterr fail like connection_call(). */

#include "client/properties.h"

/* Rows of all jobs. Tags are separated by blanks; retry: when the next try is due, 0 = none waits; skip: occurrences
 * to be skipped; degraded: watches and conditions that are degraded, have failed or are unknown. */
#define JOB_ROWS_TYPE "a(ssssssutttttuuuubbo)"
int job_rows_get(Connection *c, sd_bus_error *reterr, Rows *ret);

typedef struct JobView {
        sd_bus_message *message;
        const char *name, *description, *state, *fragment, *problem, *last_result;
        char **documentation, **tags;
        PropertyPair *triggers; /* ended by an empty one */
        PropertyAlarm *alarms;  /* ended by an empty one */
        PropertyWatch *watches; /* the same, or NULL: it has neither files to watch nor a monitor */
        PropertyNumber *watch_counters;
        const char *pool;   /* or "" */
        const char *upkeep; /* "rotate", "clean", or "" */
        int32_t priority;
        uint32_t retry; /* UINT32_MAX: for ever */
        usec_t last_start, last_end, next;
        usec_t pause_until; /* 0: not paused, USEC_INFINITY: until it is resumed */
        uint64_t runs;
        uint32_t running, queued, skip;
        int32_t last_code; /* as of a run */
        int enabled, paused;
} JobView;

extern const PropertyMap job_properties[];
extern const size_t n_job_properties;

/* Reads a job by its name, or by its object. */
int job_view_get(Connection *c, const char *job, sd_bus_error *reterr, JobView *ret);
int job_view_get_object(Connection *c, const char *object, sd_bus_error *reterr, JobView *ret);
void job_view_done(JobView *v);

/* At most so many of its next elapses; none if there is no next one, or from a daemon that does not support this yet.
 * The caller frees them. */
int job_view_next_elapses(Connection *c, const JobView *v, uint32_t n, sd_bus_error *reterr, usec_t **ret,
                          size_t *ret_n);

/* What a job waits for and why, in pairs of a topic and a message; or, if file is not NULL but an absolute path, what
 * is known about that file. */
int job_explanation_get(Connection *c, const char *job, const char *file, sd_bus_error *reterr, Rows *ret);

/* The bytes belong to the message and are not NUL-terminated. */
typedef struct PlannedFile {
        const char *path;
        size_t n;
} PlannedFile;

typedef struct JobPlan {
        sd_bus_message *message;
        PlannedFile *files; /* in byte order, a directory right before its content */
        size_t n_files;
        uint64_t total; /* number that match; more than files if they were limited, or did not fit into a message */
} JobPlan;

/* The files that the job's [Path] matches now, at most so many. */
int job_plan_get(Connection *c, const char *job, uint32_t limit, sd_bus_error *reterr, JobPlan *ret);
void job_plan_done(JobPlan *p);
