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
} RunView;

/* What visit() is called with for each run; nonzero ends the walk and is returned. */
typedef int (*RunVisit)(const RunView *v, void *userdata);

/* Walks the runs of a job ("": of all), newest first, at most limit of them. Returns 0, an exit code after the failure
 * was told, or what visit() returned. */
int run_view_list(Ctl *c, const char *job, unsigned limit, RunVisit visit, void *userdata);

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

json_object *run_view_json(const RunView *v);

/* Prints a table of runs; a NULL or empty job adds the column of jobs. Returns as run_view_list() does. */
int run_view_print_table(Ctl *c, const char *job, unsigned limit, bool *ret_any);
