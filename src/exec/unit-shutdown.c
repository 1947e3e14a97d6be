/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* When the machine goes down the service manager stops runs and refuses to start any more. What was accepted is not
 * lost by that: a run that was not begun is put back, and nothing is started (held) until the shutdown is cancelled or
 * the next daemon comes, which is that of the next boot mostly.
 *
 * When we go down, runs go on, but some of them are at a point that the next daemon cannot see as well as we do: over,
 * with a figure still asked for, or stopped by a shutdown that tells us to end while its last signals are on their
 * way. So one more comparison is made, and what it finds is worked off (drained). Who does not answer is not waited
 * for: it is the caller who counts the time. */

#include "exec/exec-unit-internal.h"
#include "util/log.h"
#include "util/turn.h"

/* --- the machine --- */

/* A run whose start was cancelled before anything of it was executed leaves a unit that was inactive all along. */
bool execution_is_unstarted(const UnitExecution *x) {
        const UnitFacts *f = &x->facts;
        bool has_begun = x->existing ? f->inactive_exit >= x->since : f->inactive_exit > 0;

        assert(x->shutting_down);
        if (x->state == EXECUTION_REFUSED)
                return true;
        return x->stop_result == RUN_RESULT_NONE && !x->adopted && x->start == START_RESULT_CANCELED &&
               f->exec_start == 0 && !has_begun;
}

static void executor_put_waiting_back(UnitExecutor *e) {
        warm_put_waiting_back(e);
        UNIT_TABLE_FOREACH(node, &e->executions) {
                UnitExecution *x = execution_of(caller_of(node));

                if (x->state == EXECUTION_WAITING)
                        execution_set_state(x, EXECUTION_PUT_BACK);
        }
}

void executor_hold(UnitExecutor *e) {
        if (e->is_held)
                return;
        e->is_held = true;
        log_notice("The machine is shutting down: no more runs are started. Waiting runs are started after the next "
                   "boot.");
        e->callbacks.held(e->userdata, true);
        executor_put_waiting_back(e);
        executor_keep_comparing(e);
}

static int on_state(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        UnitExecutor *e = userdata;
        const char *state;

        e->state_slot = sd_bus_slot_unref(e->state_slot);
        if (sd_bus_message_read(m, "v", "s", &state) <= 0 || streq(state, "stopping"))
                return 0; /* asked again with the next comparison */
        e->is_held = false;
        log_notice("The shutdown was cancelled: runs are started again.");
        e->callbacks.held(e->userdata, false);
        return 0;
}

void executor_ask_whether_held(UnitExecutor *e) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r;

        if (!e->is_held || !e->is_open || e->state_slot)
                return;
        r = unit_connection_new_call(e->connection, &m, MANAGER_OBJECT, "org.freedesktop.DBus.Properties", "Get", "ss",
                                     MANAGER_INTERFACE, "SystemState");
        if (r >= 0)
                r = unit_connection_call(e->connection, &e->state_slot, m, on_state, e);
        if (r < 0)
                unit_connection_break(e->connection, r);
}

/* --- we --- */

static bool executor_is_drained(const UnitExecutor *e) {
        if (!TAILQ_EMPTY(&e->over) || e->list_slot || e->n_calls > 0 || !warm_is_drained(e))
                return false;
        for (size_t i = 0; i < ELEMENTSOF(e->queues); i++)
                if (!TAILQ_EMPTY(&e->queues[i]))
                        return false;
        UNIT_TABLE_FOREACH(node, &e->executions)
                if (!execution_has_unit(execution_of(caller_of(node))))
                        return false;
        return true;
}

void executor_note_drained(UnitExecutor *e) {
        if (e->is_draining && !e->has_drained && executor_is_drained(e))
                (void)sd_event_source_set_enabled(e->drained_source, SD_EVENT_ONESHOT);
}

static int on_drained(sd_event_source *s, void *userdata) {
        UnitExecutor *e = userdata;

        assert(e->is_draining);
        if (e->has_drained || !executor_is_drained(e))
                return 0;
        e->has_drained = true;
        e->callbacks.drained(e->userdata);
        return 0;
}

bool unit_drain(Executor *base) {
        UnitExecutor *e = (UnitExecutor *)base;

        e->is_draining = true;
        executor_put_waiting_back(e);
        if (e->executions.n_nodes > 0)
                executor_compare(e);
        e->has_drained = executor_is_drained(e);
        return e->has_drained;
}

int executor_add_drained_source(UnitExecutor *e) {
        return event_add_deferred(e->event, &e->drained_source, "runs-drained", on_drained, e);
}
