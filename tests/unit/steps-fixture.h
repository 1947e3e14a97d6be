#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Each step of core, in order: what is written to the ledger, what the executor is told, what observers hear, in words
 * that a test reads as what happens:
 *
 *   + 1 a timer queued   run 1 of a is added to the ledger   = 1 running     it is written in that state
 *   [commit]             all that was written is safe        begin 1         the executor starts it
 *   new 1, run 1         observers hear of run 1             job a           … and that job a is another one now
 *
 * Times are seconds since the test began. */

#include <inttypes.h>

#include "condition-fixture.h"
#include "core/manager-body.h"

extern char steps[32768]; /* since EXPECT() */
extern usec_t begin;

/* What has happened since this was asked last. */
#define EXPECT(text)                                \
        do {                                        \
                assert_string_equal(steps, (text)); \
                steps[0] = '\0';                    \
        } while (false)

#define EXPECT_WHY(name, text) assert_string_equal(why(name), (text))

void step(const char *format, ...) _printf_(1, 2);
const char *at(usec_t realtime);
const char *state_of(const RunRecord *r);

int steps_setup(void **state);
/* From now on, of the daemon that there is. */
void observe_steps(void);
/* Starts a daemon, and begins with that. */
void begin_steps(void);

LiveRun *live(uint64_t id);
/* As the executor reports it. */
void end_run(uint64_t id, RunResult result);
RunRecord request_as(const char *name, const RunRequest *r);
const char *reason(uint64_t id);

/* What goes wrong, or takes long. */
extern bool commits_fail, starts_fail, runs_are_long, drain_is_long;
extern bool is_locked;        /* the ledger cannot be opened */
extern bool times_are_denied; /* that of no file can be set */
extern unsigned boot;         /* of the machine */
/* Children are told of in steps, and are none. */
extern bool children_are_told;
extern unsigned n_former;            /* executors of these */
extern ProbesOptions probes_options; /* of the daemon's probes */
