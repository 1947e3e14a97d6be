#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A manager with real job files and real children, for the tests of core/. Runs that have to go on for a while read
 * from a FIFO until the test lets one of them go: nothing here sleeps. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "core/manager.h"

#define DEADLINE_SECONDS 60 /* for one wait; only reached when something is broken */
#define EVENTS_MAX       4096

typedef struct Fixture {
        char directory[64];
        char jobs[96], gate[96], config[96];
        char *dirs[2];
        const TriggerOps *const *triggers; /* NULL: those that there are */
        sd_event *event;
        Manager *m;
        int gate_fd;
        unsigned n_started, n_finished, n_refused, n_new, n_removed, n_job_changed, n_reloaded;
        uint64_t finished[EVENTS_MAX];
        unsigned n_raised, n_cleared;
        char alarm[32]; /* key of the last one */
        bool stopped;
} Fixture;

int fixture_setup(void **state);
int fixture_teardown(void **state);

void write_file(const char *directory, const char *name, const char *text);
void write_job(const Fixture *f, const char *name, const char *text);
void remove_job(const Fixture *f, const char *name);
/* A job whose runs go on until let_go(). */
void write_held_job(const Fixture *f, const char *name, const char *settings);
void let_go(const Fixture *f, unsigned n);

void start(Fixture *f);
/* The daemon ends as if it were killed. */
void stop(Fixture *f);
/* Another program keeps the next daemon from reading the ledger, until it is told not to. */
void *lock_ledger(const Fixture *f);
void unlock_ledger(void *lock);

/* Turns the loop until the condition holds. */
#define WAIT_FOR(f, condition)                                                    \
        do {                                                                      \
                usec_t _end = now_boottime() + DEADLINE_SECONDS * USEC_PER_SEC;   \
                while (!(condition)) {                                            \
                        assert_true(sd_event_run((f)->event, USEC_PER_SEC) >= 0); \
                        if (now_boottime() > _end)                                \
                                fail_msg("waited too long for: %s", #condition);  \
                }                                                                 \
        } while (false)

/* Asks for a run by hand; finish() waits for its end. */
const RunRecord *request(Fixture *f, const char *job);
const RunRecord *finish(Fixture *f, const char *job);
unsigned count_cause(Fixture *f, const char *name, RunCause cause);
unsigned count_result(Fixture *f, const char *name, RunResult result);
/* The newest run of the job, its strings valid until the next call; all zero when there is none. */
RunRecord newest(Fixture *f, const char *job);
Job *job(Fixture *f, const char *name);
