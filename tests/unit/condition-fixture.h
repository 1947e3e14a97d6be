#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A manager with real job files and a real ledger, on a clock that the test turns, with probes whose readings it sets
 * and a service manager that runs nothing: a run takes a minute and succeeds, unless the test says otherwise. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "core/manager.h"
#include "fake-clock.h"
#include "fake-probe.h"

#define MINUTES USEC_PER_MINUTE
#define HOURS   USEC_PER_HOUR

extern struct ConditionFixture {
        char directory[64], jobs[96], config[96];
        char *dirs[2];
        sd_event *event;
        Manager *m;
        bool runs_fail, files_are_bad;
        char **environment; /* of the run that was begun last */
        unsigned n_begun;
        unsigned n_raised, n_cleared; /* alarms */
        unsigned n_changed;           /* of any job, that was announced */
} f;

int condition_setup(void **state);
int condition_teardown(void **state);

void write_file(const char *path, const char *text);
void write_job(const char *name, const char *text);
void write_config(const char *text);
void remove_job(const char *name);
/* The daemon is there, and has not begun: start_begun() lets it. */
void start_new(void);
void start_begun(void);
static inline void start(void) {
        start_new();
        start_begun();
}
/* As if it were killed; what it has written stays. */
void stop(void);
static inline void restart(void) {
        stop();
        start();
}
void reload(void);

/* What is due by now happens. */
void settle(void);
/* Time passes, and what falls due happens in time. */
void advance(usec_t by);
static inline void set(const char *question, int64_t value) {
        fake_probe_set(question, value, 0);
        settle();
}
static inline void set_unknown(const char *question, const char *reason) {
        fake_probe_set_unknown(question, reason);
        settle();
}

Job *job(const char *name);
/* Asks for a run by hand, and returns its id. */
uint64_t request(const char *name, uint32_t trigger);
RunRecord run(uint64_t id); /* valid until the next call */
RunRecord newest(const char *name);
unsigned count_runs(const char *name);
unsigned count_cause(const char *name, RunCause cause);
unsigned count_result(const char *name, RunResult result);
/* Of the run that was begun last; "" when there is none. */
const char *variable(const char *name);
/* Of the job's monitor, as manager_list_triggers() has it; valid until the next call. */
const char *monitor_state(const char *name);
const char *monitor_message(const char *name);
/* All that manager_explain() says, in lines of "topic: message"; valid until the next call. */
const char *why(const char *name);
