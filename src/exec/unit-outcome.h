#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* From what the service manager says of a unit that is over to how the run in it ended. Pure, but for a look at files
 * that may have been missing. */

#include "exec/executor.h"
#include "systemd/unit-facts.h"

/* What became of the job that was to start the unit, as JobRemoved has it. */
typedef enum StartResult {
        START_RESULT_NONE, /* not known */
        START_RESULT_DONE,
        START_RESULT_FAILED,
        START_RESULT_CANCELED,
        START_RESULT_TIMEOUT,
        START_RESULT_DEPENDENCY,
        START_RESULT_SKIPPED,
        START_RESULT_OTHER, /* invalid, assert, unsupported, collected, once */
        _START_RESULT_MAX,
} StartResult;

typedef struct UnitEnd {
        const UnitFacts *facts;
        const JobDef *def;      /* NULL = not known */
        const char *unit;       /* its name */
        bool existing;          /* a unit that was there before (Unit=), not one of ours */
        bool stopped_elsewhere; /* it was told to stop, and not by us */
        bool cut_short;         /* perhaps not all of its commands were run */
        bool shutting_down;     /* the machine was going down then */
        RunResult stop_result;  /* none = not told to stop by us */
        StartResult start;
} UnitEnd;

#define UNIT_REASON_MAX       512
#define UNIT_REASON_SHUT_DOWN "The machine, or its service manager, was shut down while it ran."

/* Fills in result, code, reason (which points into the buffer, or is NULL), times and figures. */
void unit_outcome(const UnitEnd *end, ExecOutcome *ret, char reason[static UNIT_REASON_MAX]);

/* Its program was reached: what fails before that (User=, a program that is not there) has a status of its own. */
bool unit_has_run(const UnitFacts *f) _pure_;

StartResult start_result_from_string(const char *s) _pure_;
