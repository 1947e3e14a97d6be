#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A job as its object shows it. */

#include "client/properties.h"
#include "ctl/ctl.h"

/* Strings are the message's. Times are µs of CLOCK_REALTIME, 0 = never, USEC_INFINITY = none. */
typedef struct JobView {
        sd_bus_message *message;
        const char *name, *description, *state, *fragment, *fault, *last_result;
        char **documentation, **tags;
        PropertyPair *triggers; /* ended by an empty one */
        PropertyAlarm *alarms;  /* ended by an empty one */
        PropertyWatch *watches; /* the same, or NULL: it watches no files */
        PropertyNumber *watch_counters;
        const char *pool; /* or "" */
        int32_t priority;
        uint32_t retry; /* UINT32_MAX: for ever */
        usec_t last_start, last_end, next;
        usec_t pause_until; /* 0: not paused, USEC_INFINITY: until it is resumed */
        uint64_t runs;
        uint32_t running, queued, skip;
        int enabled, paused;
} JobView;

void job_view_done(JobView *v);

/* Reads a job by its name, or by its object. Returns as ctl_call() does. */
int job_view_read(Ctl *c, const char *job, JobView *ret);
int job_view_read_object(Ctl *c, const char *path, JobView *ret);

/* Its next elapses, at most so many; none while it has no next one. The caller frees them. Returns as ctl_call() does.
 */
int job_view_next_elapses(Ctl *c, const JobView *v, unsigned n, usec_t **ret, size_t *ret_n);
