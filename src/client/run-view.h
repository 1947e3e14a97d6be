#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Runs: a walk from the newest one on, one as seen through its object, and a new one. Functions with a reterr fail
 * like connection_call(). */

#include "client/properties.h"

/* Times are µs of CLOCK_REALTIME, 0 = not yet. */
typedef struct RunView {
        sd_bus_message *message; /* the message that owns the strings; NULL in a walk */
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
        uint64_t files, bytes_freed;            /* of [Rotate] and [Clean], UINT64_MAX = not known */
        uint64_t parent;                        /* 0 = none */
        const char *alarm, *host, *status_text; /* of an object; empty in a walk */
        uint32_t pid;
} RunView;

/* First those that a walk gives as well. */
#define N_RUN_PROPERTIES_OF_WALK 22
extern const PropertyMap run_properties[];
extern const size_t n_run_properties;

/* Which runs; members that are NULL or 0 are ignored. */
typedef struct RunFilter {
        const char *job;
        char **results, **causes; /* NULL-terminated; any of them */
        usec_t since, until;      /* when they were requested, µs of CLOCK_REALTIME */
} RunFilter;

/* Called for each run; the view is valid until it returns. A positive value ends the walk. */
typedef int (*RunVisit)(const RunView *v, void *userdata);

/* Walks the runs, newest first, at most limit of them. Returns 0, or the value that ended the walk. */
int run_view_list(Connection *c, const RunFilter *filter, uint32_t limit, RunVisit visit, void *userdata,
                  sd_bus_error *reterr);

/* Reads a run by its number, or by its object. once: as in MethodCall. */
int run_view_get(Connection *c, uint64_t id, sd_bus_error *reterr, RunView *ret);
int run_view_get_object(Connection *c, const char *object, bool once, sd_bus_error *reterr, RunView *ret);
/* Visits the runs that are not done: those that have begun, then those that wait, at most limit, with their status
 * texts. Returns as run_view_list(). */
int run_view_list_live(Connection *c, uint32_t limit, RunVisit visit, void *userdata, sd_bus_error *reterr);

void run_view_done(RunView *v);

/* The same from a RunFinished signal, which only knows the end. The errors of sd_bus_message_read(3). */
int run_view_read_finished(sd_bus_message *signal, RunView *ret);

bool run_view_is_done(const RunView *v) _pure_;
bool run_view_is_success(const RunView *v) _pure_;

/* Requests a run of a job. files: absolute paths, NULL-terminated, for a job that takes files; or NULL. follow: the
 * output of a run that is a child of vaktd arrives as RunOutput signals. now: it does not wait for WaitFor=. The
 * caller frees the object path. */
int run_view_request(Connection *c, const char *job, char *const *files, bool follow, bool now, sd_bus_error *reterr,
                     uint64_t *ret_id, char **ret_object);
