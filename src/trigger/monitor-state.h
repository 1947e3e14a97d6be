#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The states of a monitor: what follows from what is true now, and from what was before. Pure.
 *
 * Times are µs of a clock that nobody sets; the caller decides from where it counts, but never at 0, which means
 * "not".
 */

#include "condition/condition.h"
#include "util/clock.h"

/* Nobody is told that it is unknown whether a condition is true before it was so for this long, however short ForSec=
 * is: a probe needs a while for its first reading, and a bus to come back. */
#define MONITOR_UNKNOWN_MIN_USEC USEC_PER_MINUTE

typedef enum MonitorPhase {
        MONITOR_OK,
        MONITOR_PENDING, /* When= is true, but not for ForSec= yet */
        MONITOR_RAISED,  /* until Clear= has been true, and When= false, for ClearForSec= */
        _MONITOR_PHASE_MAX,
} MonitorPhase;

/* What is to be done about it, as bits. */
typedef enum MonitorAction {
        MONITOR_ASK = 1 << 0,            /* for a run of the job */
        MONITOR_ASK_CLEAR = 1 << 1,      /* for the jobs of OnClear= */
        MONITOR_REPORT_UNKNOWN = 1 << 2, /* it has been unknown for too long */
        MONITOR_REPORT_KNOWN = 1 << 3,   /* after that, it is known again */
} MonitorAction;

/* All zero: nothing is known yet. What has to outlive the daemon is all of it. */
typedef struct MonitorState {
        MonitorPhase phase;
        usec_t holds_since; /* When= is true, since; not in MONITOR_OK */
        usec_t raised_since;
        usec_t asked;      /* for a run, the last time. 0 in MONITOR_RAISED: one is still to be asked for; not 0 in
                              MONITOR_OK: OnClear= is still to be */
        usec_t over_since; /* in MONITOR_RAISED: When= is false and Clear= true, since; or 0 */
        usec_t unknown_since;
        uint64_t count;           /* in MONITOR_RAISED: how often When= has become true */
        bool was_false;           /* in MONITOR_RAISED: it is, or was before it became unknown */
        bool is_unknown_reported; /* and not taken back */
} MonitorState;

typedef struct MonitorInput {
        Truth when;
        Truth clear; /* Clear=; without that, not When= */
        usec_t now;
        usec_t for_usec;  /* ForSec= */
        usec_t clear_for; /* ClearForSec= */
        usec_t every;     /* EverySec=; 0: not again */
        bool may_act;     /* the job is not paused, and the daemon neither begins nor ends */
} MonitorInput;

/* Takes the state on to what it is now. Returns what is to be done; *ret_next: when to call again, should nothing
 * change before; USEC_INFINITY: then there is no need to. */
unsigned monitor_step(MonitorState *s, const MonitorInput *in, usec_t *ret_next);

/* For people, with what is true now: "ok", "pending", "raised", "clearing" (raised, and When= is not true any more),
 * "unknown" (not raised, and it is not known whether it should be). */
const char *monitor_state_to_string(const MonitorState *s, Truth when) _pure_;

/* "ok", "pending", "raised" */
const char *monitor_phase_to_string(MonitorPhase phase) _const_;
/* What takes a monitor from one phase to another: "hold", "raise"; NULL when nothing does. */
const char *monitor_transition_to_string(MonitorPhase from, MonitorPhase to) _const_;
