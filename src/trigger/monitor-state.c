/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A monitor is ok, pending or raised. Unknown is not a phase: what cannot be told neither raises nor clears, and what
 * was true before it became unknown and is true after it is taken to have been true all the time. So a restart, a
 * reload and a probe that fails for a while are one and the same thing, and cost a monitor nothing of ForSec=.
 *
 * What is over is raised still until it has been over for ClearForSec=. So what comes back sooner, such as a service
 * that fails and is restarted again and again, is counted and leads to nothing more: it is the same alarm.
 *
 * There are two marks, and between them nothing happens: While When= is true nobody looks at Clear=, so that a pair of
 * conditions that are both true raises once, and does not raise and clear in turn. While it is unknown neither: a part
 * of it that has no reading yet may be the one that raised it.
 *
 * What a monitor asks for (a run, OnClear=) is part of its state until it may be asked for: it survives a pause, and a
 * raise that ends within a pause leads to nothing. */

#include "trigger/monitor-state.h"

#include <assert.h>

#include "util/string-table.h"

static const char *const transitions[_MONITOR_PHASE_MAX][_MONITOR_PHASE_MAX] = {
        [MONITOR_OK] = { [MONITOR_PENDING] = "hold", [MONITOR_RAISED] = "raise" },
        [MONITOR_PENDING] = { [MONITOR_OK] = "let go", [MONITOR_RAISED] = "raise" },
        [MONITOR_RAISED] = { [MONITOR_OK] = "clear" },
};

static const char *const monitor_phase_table[] = {
        [MONITOR_OK] = "ok",
        [MONITOR_PENDING] = "pending",
        [MONITOR_RAISED] = "raised",
};
DEFINE_TO_STRING(monitor_phase, MonitorPhase)

const char *monitor_transition_to_string(MonitorPhase from, MonitorPhase to) {
        return transitions[from][to];
}

const char *monitor_state_to_string(const MonitorState *s, Truth when) {
        if (s->phase == MONITOR_RAISED)
                return when == TRUTH_FALSE ? "clearing" : "raised";
        return when == TRUTH_UNKNOWN ? "unknown" : monitor_phase_to_string(s->phase);
}

static bool is_over(const MonitorInput *in) {
        return in->when == TRUTH_FALSE && in->clear == TRUTH_TRUE;
}

/* What was over before it became unknown and is over after it has been over all the time. */
static void follow(MonitorState *s, const MonitorInput *in) {
        if (in->when == TRUTH_TRUE && s->phase == MONITOR_OK)
                s->holds_since = in->now;
        if (in->when == TRUTH_TRUE || (in->when == TRUTH_FALSE && in->clear == TRUTH_FALSE))
                s->over_since = 0;
        else if (is_over(in) && s->phase == MONITOR_RAISED && s->over_since == 0)
                s->over_since = in->now;
}

static MonitorPhase next_phase(const MonitorState *s, const MonitorInput *in) {
        switch (s->phase) {
        case MONITOR_OK:
        case MONITOR_PENDING:
                if (in->when == TRUTH_UNKNOWN)
                        return s->phase;
                if (in->when == TRUTH_FALSE)
                        return MONITOR_OK;
                return in->now >= usec_add(s->holds_since, in->for_usec) ? MONITOR_RAISED : MONITOR_PENDING;
        case MONITOR_RAISED:
                return is_over(in) && in->now >= usec_add(s->over_since, in->clear_for) ? MONITOR_OK : MONITOR_RAISED;
        case _MONITOR_PHASE_MAX:
                break;
        }
        return s->phase;
}

static void change_phase(MonitorState *s, MonitorPhase phase, usec_t now) {
        if (phase == s->phase)
                return;
        assert(transitions[s->phase][phase]);
        s->phase = phase;
        s->raised_since = s->over_since = 0;
        s->count = 0;
        s->was_false = false;
        if (phase == MONITOR_OK)
                s->holds_since = 0;
        if (phase == MONITOR_RAISED) {
                s->raised_since = now;
                s->count = 1;
                s->asked = 0; /* of the last time; its OnClear=, if that is still to come, is out of date */
        }
}

static void count(MonitorState *s, Truth when) {
        if (s->phase != MONITOR_RAISED || when == TRUTH_UNKNOWN)
                return;
        s->count += s->was_false && when == TRUTH_TRUE;
        s->was_false = when == TRUTH_FALSE;
}

/* USEC_INFINITY when never. */
static usec_t ask_at(const MonitorState *s, const MonitorInput *in) {
        if (!in->may_act || s->phase != MONITOR_RAISED || in->when == TRUTH_UNKNOWN)
                return USEC_INFINITY;
        if (s->asked == 0)
                return in->now;
        return in->every > 0 && s->over_since == 0 ? usec_add(s->asked, in->every) : USEC_INFINITY;
}

static usec_t report_at(const MonitorState *s, const MonitorInput *in) {
        if (!in->may_act || s->is_unknown_reported || s->unknown_since == 0)
                return USEC_INFINITY;
        return usec_add(s->unknown_since, MAX(in->for_usec, MONITOR_UNKNOWN_MIN_USEC));
}

static unsigned ask(MonitorState *s, const MonitorInput *in) {
        if (ask_at(s, in) <= in->now) {
                s->asked = in->now;
                return MONITOR_ASK;
        }
        if (s->phase != MONITOR_RAISED && s->asked > 0 && in->may_act) {
                s->asked = 0;
                return MONITOR_ASK_CLEAR;
        }
        return 0;
}

static unsigned report(MonitorState *s, const MonitorInput *in) {
        unsigned actions = 0;

        if (in->when != TRUTH_UNKNOWN) {
                actions = s->is_unknown_reported ? MONITOR_REPORT_KNOWN : 0;
                s->unknown_since = 0;
                s->is_unknown_reported = false;
                return actions;
        }
        if (s->unknown_since == 0)
                s->unknown_since = in->now;
        if (report_at(s, in) <= in->now) {
                s->is_unknown_reported = true;
                actions = MONITOR_REPORT_UNKNOWN;
        }
        return actions;
}

unsigned monitor_step(MonitorState *s, const MonitorInput *in, usec_t *ret_next) {
        unsigned actions;

        assert(in->now > 0);
        follow(s, in);
        count(s, in->when);
        change_phase(s, next_phase(s, in), in->now);
        actions = ask(s, in) | report(s, in);
        *ret_next = MIN(ask_at(s, in), report_at(s, in));
        if (s->phase == MONITOR_PENDING && in->when == TRUTH_TRUE)
                *ret_next = MIN(*ret_next, usec_add(s->holds_since, in->for_usec));
        if (s->phase == MONITOR_RAISED && is_over(in))
                *ret_next = MIN(*ret_next, usec_add(s->over_since, in->clear_for));
        return actions;
}
