#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Runs, read from QueryRuns or from a Run object. */

#include "ctl/ctl.h"

/* Strings are the message's that it was read from. Times are µs of CLOCK_REALTIME, 0 = not yet. */
typedef struct RunView {
        uint64_t id;
        const char *job, *cause, *state, *result, *reason, *object;
        usec_t scheduled, requested, started, ended;
        int32_t code;
        uint32_t attempt;
        const char *unit, *invocation, *parent_job;
        const char *payload;                    /* of a path trigger: a path, and how many more; or "" */
        usec_t cpu;                             /* µs, USEC_INFINITY = not known */
        uint64_t memory_peak;                   /* bytes, UINT64_MAX = not known */
        uint64_t parent;                        /* 0 = none */
        const char *alarm, *host, *status_text; /* of an object; empty in a list */
        uint32_t pid;
} RunView;

/* Which runs; what is NULL or 0 does not matter. */
typedef struct RunFilter {
        const char *job;
        char **results, **causes; /* NULL-terminated; any of them */
        usec_t since, until;      /* when they were requested, µs of CLOCK_REALTIME */
} RunFilter;

/* What visit() is called with for each run; nonzero ends the walk and is returned. */
typedef int (*RunVisit)(const RunView *v, void *userdata);

/* Walks the runs, newest first, at most limit of them. Returns 0, an exit code after the failure was told, or what
 * visit() returned. */
int run_view_list(Ctl *c, const RunFilter *filter, unsigned limit, RunVisit visit, void *userdata);

/* Reads a Run object. path has to live as long as the view. Returns as ctl_call() does. */
int run_view_get(Ctl *c, const char *path, sd_bus_message **ret_message, RunView *ret);

/* The same from the answer to GetAll, or from a RunFinished signal, which knows the end only; negative errno. */
int run_view_read(sd_bus_message *m, const char *path, RunView *ret);
int run_view_read_finished(sd_bus_message *m, RunView *ret);

bool run_view_is_done(const RunView *v) _pure_;
bool run_view_is_success(const RunView *v) _pure_;
