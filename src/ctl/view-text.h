#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Jobs, runs, pools and diagnostics in words: what is printed, and in which colour. The caller frees strings that are
 * returned. */

#include "client/daemon-view.h"
#include "client/value-view.h"
#include "ctl/ctl.h"

#define RUN_OUTCOME_MAX 64

/* "All jobs are paused …" */
#define DAEMON_PAUSED \
        N_("All jobs are paused: no trigger starts them until 'vaktctl resume --all'.") /* for translated() */

/* "file:line: message" */
void diagnostic_print(FILE *f, const DiagnosticView *v);
void diagnostic_complain(const DiagnosticView *v); /* the same on standard error, or an error in JSON */

/* "1 of 2 slots taken, 3 wait" */
char *pool_view_text(const PoolView *v);

Color job_state_color(const char *state) _pure_;
Color job_result_color(const char *result) _pure_;

/* Whether this is the result of a failure. */
bool result_is_failure(const char *result) _pure_;

/* "failed (exit 3)": the last result of a job. */
char *job_result_text(const char *result, int code);

/* "running", "success", "exit 3", "signal TERM". Returns buf. */
char *run_view_outcome(const RunView *v, char buf[static RUN_OUTCOME_MAX]);
Color run_view_color(const RunView *v) _pure_;

/* "Run 7 of job backup failed with exit code 3 after 1.2s." */
char *run_view_message(const RunView *v);

/* "3 files and freed 1.2G", what a run of [Rotate] or [Clean] changed; NULL for others. */
char *run_view_work(const RunView *v);

/* "It used 12ms of CPU and at most 3.1M of memory; it changed …."; NULL if nothing of that is known. */
char *run_view_usage(const RunView *v);

/* A value of a probe: "9.3% (1.2G)"; and that of a view, or why it is unknown. */
char *value_text(const char *probe, bool is_known, int64_t value, int64_t whole);
char *value_view_text(const ValueView *v);

/* A message about lines that the journal has dropped. */
char *run_view_dropped_message(uint64_t run, uint64_t n);

/* Prints a table of runs, with a column of jobs unless it is one job's. Returns as ctl_call() does. */
int run_view_print_table(Ctl *c, const RunFilter *filter, unsigned limit, bool *ret_any);
