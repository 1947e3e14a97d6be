/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* How long a run may take, whatever it says itself. The service manager counts the time of a unit of ours, by when we
 * are not there, too; but it lets the run move each of its bounds (EXTEND_TIMEOUT_USEC= of sd_notify(3)), and of
 * several commands each has the whole time anew. So the same time is counted here once more, from the moment at which
 * the unit was begun, and we come only when the manager should have come before us. */

#include "exec/exec-unit-internal.h"
#include "util/log.h"

#define ACCURACY_USEC (10 * USEC_PER_MSEC)
#define GRACE_USEC    (2 * USEC_PER_SEC) /* for the service manager, whose timers are coarse */

static int arm(UnitExecution *x, sd_event_source **s, usec_t at_monotonic, sd_event_time_handler_t handler,
               const char *description) {
        int r;

        *s = sd_event_source_disable_unref(*s);
        r = sd_event_add_time(x->caller.executor->event, s, CLOCK_MONOTONIC, at_monotonic, ACCURACY_USEC, handler, x);
        if (r < 0)
                return r;
        (void)sd_event_source_set_description(*s, description);
        return 0;
}

static int on_timeout(sd_event_source *s, uint64_t usec, void *userdata) {
        UnitExecution *x = userdata;

        x->base.ops->stop(&x->base, RUN_RESULT_TIMEOUT);
        return 0;
}

static int on_stop_timeout(sd_event_source *s, uint64_t usec, void *userdata) {
        UnitExecution *x = userdata;

        assert(!x->existing); /* that is not ours to kill */
        execution_want(x, CALL_KILL);
        execution_next(x);
        return 0;
}

/* Nothing else counts the time of a unit that exists. */
int execution_bound_existing(UnitExecution *x, usec_t timeout, usec_t passed) {
        if (!x->existing || timeout == USEC_INFINITY)
                return 0;
        return arm(x, &x->timeout, usec_add(now_clock(CLOCK_MONOTONIC), usec_sub(timeout, passed)), on_timeout,
                   "run-timeout");
}

static void bound_run(UnitExecution *x) {
        usec_t begun = x->facts.inactive_exit_monotonic;

        if (x->timeout || x->bound == USEC_INFINITY || begun == 0)
                return;
        if (arm(x, &x->timeout, usec_add(begun, usec_add(x->bound, GRACE_USEC)), on_timeout, "run-timeout") < 0)
                log_warning("Out of memory: only the service manager enforces the time limit of %s.",
                            x->caller.node.name);
}

/* Each step of an end (SIGTERM, SIGKILL, ExecStopPost=) may last as long as TimeoutStopSec= says. */
static void bound_stop(UnitExecution *x) {
        const UnitFacts *f = &x->facts;

        if (f->active != UNIT_DEACTIVATING || streq(x->bound_step, f->step))
                return;
        if (f->timeout_stop == 0 && !x->stop_looked) {
                x->stop_looked = true;
                execution_want(x, CALL_LOOK); /* then we are here again */
                return;
        }
        memcpy(x->bound_step, f->step, sizeof(x->bound_step));
        x->stop_timeout = sd_event_source_disable_unref(x->stop_timeout);
        if (f->timeout_stop > 0 && f->timeout_stop < USEC_INFINITY && f->send_sigkill)
                (void)arm(x, &x->stop_timeout,
                          usec_add(now_clock(CLOCK_MONOTONIC), usec_add(f->timeout_stop, GRACE_USEC)), on_stop_timeout,
                          "run-kill");
}

void execution_keep_bounds(UnitExecution *x) {
        if (x->existing)
                return;
        bound_run(x);
        bound_stop(x);
}

int execution_build_kill(Caller *c, sd_bus_message **ret) {
        return unit_connection_new_call(c->executor->connection, ret, MANAGER_OBJECT, MANAGER_INTERFACE, "KillUnit",
                                        "ssi", c->node.name, "all", SIGKILL);
}

void execution_kill_answered(Caller *c, sd_bus_message *m) {
        const sd_bus_error *error = sd_bus_message_get_error(m);

        if (error) {
                log_warning("Cannot kill what is left of %s: %s", c->node.name, strempty(error->message));
                executor_compare(c->executor);
        }
        execution_next(execution_of(c));
}
