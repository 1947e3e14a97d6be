#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Runs as they are shown: read from ListRuns or from a Run object, drawn as a table, told as a sentence, as JSON. */

#include "ctl/ctl.h"
#include "ctl/json.h"

#define RUN_OUTCOME_MAX 64

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

/* "running", "success", "exit 3", "signal TERM". Returns buf. */
char *run_view_outcome(const RunView *v, char buf[static RUN_OUTCOME_MAX]);
Color run_view_color(const RunView *v) _pure_;

/* "Run 7 of job backup failed with exit code 3 after 1.2s." The caller frees it. */
char *run_view_sentence(const RunView *v);

/* "It used 12ms of CPU and at most 3.1M of memory."; NULL when neither is known. The caller frees it. */
char *run_view_usage(const RunView *v);

json_object *run_view_json(const RunView *v);

/* A sentence about lines that the journal has dropped, which the caller frees. */
char *run_view_dropped_sentence(uint64_t run, uint64_t n);

/* Prints a table of runs, with a column of jobs unless it is one job's. Returns as run_view_list() does. */
int run_view_print_table(Ctl *c, const RunFilter *filter, unsigned limit, bool *ret_any);
