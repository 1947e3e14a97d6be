/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The one place where a run goes on to its next state, with what that brings along: from the moment its unit is there
 * it is not started again, at its end what was asked before matters no more, and who is done stands in the list of
 * those. */

#include "exec/exec-unit-internal.h"
#include "util/log.h"

static const char *const names[_EXECUTION_STATE_MAX] = {
        [EXECUTION_WAITING] = "waiting",   [EXECUTION_SENT] = "sent",         [EXECUTION_UNSURE] = "unsure",
        [EXECUTION_STARTING] = "starting", [EXECUTION_FOLLOWED] = "followed", [EXECUTION_REFUSED] = "refused",
        [EXECUTION_ENDING] = "ending",     [EXECUTION_OVER] = "over",         [EXECUTION_PUT_BACK] = "put-back",
};

static const char *const transitions[_EXECUTION_STATE_MAX][_EXECUTION_STATE_MAX] = {
        [EXECUTION_WAITING] = {
                [EXECUTION_SENT] = "send",
                [EXECUTION_UNSURE] = "adopt",
                [EXECUTION_OVER] = "stop, or be impossible to send",
                [EXECUTION_PUT_BACK] = "give back",
        },
        [EXECUTION_SENT] = {
                [EXECUTION_UNSURE] = "get no answer",
                [EXECUTION_STARTING] = "get a job",
                [EXECUTION_FOLLOWED] = "get a unit",
                [EXECUTION_REFUSED] = "conflict with a job",
                [EXECUTION_OVER] = "be refused",
        },
        [EXECUTION_UNSURE] = {
                [EXECUTION_WAITING] = "be sure that it was not started",
                [EXECUTION_STARTING] = "find its job",
                [EXECUTION_FOLLOWED] = "find its unit",
                [EXECUTION_ENDING] = "find nothing",
                [EXECUTION_OVER] = "stop, or belong to another boot",
        },
        [EXECUTION_STARTING] = {
                [EXECUTION_FOLLOWED] = "end its job",
                [EXECUTION_ENDING] = "lose its unit",
                [EXECUTION_OVER] = "stop",
        },
        [EXECUTION_FOLLOWED] = {
                [EXECUTION_ENDING] = "end, or lose its unit",
                [EXECUTION_OVER] = "stop",
        },
        [EXECUTION_REFUSED] = {
                [EXECUTION_OVER] = "fail",
                [EXECUTION_PUT_BACK] = "give back",
        },
        [EXECUTION_ENDING] = {
                [EXECUTION_OVER] = "know all",
                [EXECUTION_PUT_BACK] = "give back",
        },
};

const char *execution_state_to_string(ExecutionState state) {
        return names[state];
}

const char *execution_transition_to_string(ExecutionState from, ExecutionState to) {
        return transitions[from][to];
}

void execution_set_state(UnitExecution *x, ExecutionState state) {
        UnitExecutor *e = x->caller.executor;
        const char *transition = transitions[x->state][state];

        assert(transition);
        assert(state != EXECUTION_WAITING || x->order);
        assert(state != EXECUTION_STARTING || x->existing);
        x->state = state;
        if (state >= EXECUTION_STARTING)
                x->order = start_order_free(x->order);
        if (state >= EXECUTION_REFUSED)
                caller_cancel(&x->caller);
        if (execution_is_done(x)) {
                TAILQ_INSERT_TAIL(&e->over, &x->caller, queue);
                (void)sd_event_source_set_enabled(e->over_source, SD_EVENT_ON);
        }
        log_debug("%s is %s now (%s).", x->caller.node.name, names[state], transition);
}
