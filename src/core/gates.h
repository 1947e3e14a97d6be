#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* May this job start now? Everything that stands between a job and its next run, in one table that requests, retries,
 * path triggers, the queues and Explain walk alike. Pure: it reads what it is given, knows no manager and no clock.
 *
 * A gate that has to find out first, over a bus or a network, is a row as the others: its input says what is known so
 * far, it answers GATE_WAIT without a time until that is enough, and who learns more pumps the queue it holds up. */

#include "job/job-table.h"
#include "time/timestamp.h"

typedef enum GateRow {
        GATE_FILE,
        GATE_PAUSED,
        GATE_ALL_PAUSED,
        GATE_GONE,
        GATE_SKIP,
        GATE_RATE,
        GATE_OVERLAP,
        GATE_CONDITION,
        GATE_SHUTDOWN, /* before what is shared: a machine that goes down is the better reason */
        GATE_POOL,
        GATE_MAX_RUNNING,
        _GATE_MAX,
} GateRow;

/* Who asks decides which gates are asked, and whether a shut one means to wait or not at all. */
typedef enum GateAsker {
        GATE_REQUEST,  /* a run is asked for: now or not at all */
        GATE_FORECAST, /* no request yet: what would happen to a trigger that elapses now */
        GATE_RETRY,    /* a try whose time has come */
        GATE_FILES,    /* a path trigger: its files wait and grow */
        GATE_QUEUED,   /* the first run in the queue of its job */
        GATE_READY,    /* a run that holds a place of its job */
} GateAsker;

typedef enum GateVerdict {
        GATE_ADMIT,
        GATE_WAIT,
        GATE_REFUSE,
} GateVerdict;

typedef struct GateInput {
        GateAsker asker;
        RunCause cause;
        bool has_file; /* the run is given files */
        bool is_now;   /* the run does not wait for WaitFor= */
        const Job *job;
        const JobDef *def;       /* of the run: an older one of the job perhaps */
        const Reading *readings; /* of the tests of def->rare->wait_for; NULL: nothing is known yet */
        bool all_paused;
        const char *pool;
        unsigned pool_slots, pool_running;
        unsigned max_running, n_running; /* of all jobs; 0 = no limit */
        bool is_starting, is_stopping;   /* the daemon */
        bool is_held;                    /* the machine goes down */
        const Zone *zone;                /* in which gates_why() tells a time; for GATE_REQUEST it tells none */
} GateInput;

typedef struct GateAnswer {
        GateVerdict verdict;
        GateRow row;  /* that does not admit */
        usec_t until; /* realtime µs: asking again before is of no use; USEC_INFINITY: when what the row is about
                         changes */
} GateAnswer;

/* Walks the gates that the asker has to pass, in their order. The first that refuses ends it, unless an earlier one
 * makes it wait: then that one is asked first next time. Of those that make it wait, the one that does so longest. */
GateAnswer gates_ask(const GateInput *in, usec_t now);

/* One of them; it admits who does not have to pass it. */
GateAnswer gates_ask_row(GateRow row, const GateInput *in, usec_t now);

/* A message about an answer that does not admit: to GATE_REQUEST the reason of its end, to GATE_FORECAST what holds
 * for its next trigger, to a run what it waits for, as the end of a message that begins with the run. Fills buf,
 * returns it. */
#define GATE_WHY_MAX 512
const char *gates_why(char buf[static GATE_WHY_MAX], const GateInput *in, const GateAnswer *a);

/* A word for the gate: "paused", "rate". */
const char *gate_row_to_string(GateRow row) _const_;
