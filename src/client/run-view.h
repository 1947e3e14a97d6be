#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Runs: walked from the newest one on, one as its object shows it, and a new one. Functions with a reterr fail as
 * connection_call() does. */

#include "client/connection.h"

/* Times are µs of CLOCK_REALTIME, 0 = not yet. */
typedef struct RunView {
        sd_bus_message *message; /* whose the strings are; NULL in a walk */
        char *own_object;
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
        const char *alarm, *host, *status_text; /* of an object; empty in a walk */
        uint32_t pid;
} RunView;

/* Which runs; what is NULL or 0 does not matter. */
typedef struct RunFilter {
        const char *job;
        char **results, **causes; /* NULL-terminated; any of them */
        usec_t since, until;      /* when they were requested, µs of CLOCK_REALTIME */
} RunFilter;

/* What visit() is called with for each run; the view is valid until it returns. A positive value ends the walk. */
typedef int (*RunVisit)(const RunView *v, void *userdata);

/* Walks the runs, newest first, at most limit of them. Returns 0, or what ended the walk. */
int run_view_list(Connection *c, const RunFilter *filter, uint32_t limit, RunVisit visit, void *userdata,
                  sd_bus_error *reterr);

/* Reads a run by its number, or by its object. once: as in MethodCall. */
int run_view_get(Connection *c, uint64_t id, sd_bus_error *reterr, RunView *ret);
int run_view_get_object(Connection *c, const char *object, bool once, sd_bus_error *reterr, RunView *ret);
void run_view_done(RunView *v);

/* The same from a RunFinished signal, which knows the end only. The errors of sd_bus_message_read(3). */
int run_view_read_finished(sd_bus_message *signal, RunView *ret);

bool run_view_is_done(const RunView *v) _pure_;
bool run_view_is_success(const RunView *v) _pure_;

/* Asks for a run of a job. files: absolute paths, NULL-terminated, for a job that takes some; or NULL. follow: the
 * output of a run that is a child of vaktd comes as RunOutput signals. The caller frees the object's path. */
int run_view_request(Connection *c, const char *job, char *const *files, bool follow, sd_bus_error *reterr,
                     uint64_t *ret_id, char **ret_object);
