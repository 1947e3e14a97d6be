/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Who wants something of the service manager stands in a queue, one for each kind of call, and so many are under way
 * at once that the manager is never idle and the bus never refuses (dbus-daemon does so at the 129th). Each of them
 * makes one call at a time, so a lost connection leaves each with one thing to be unsure about.
 *
 * Starts go in groups, the next one when all of a group are answered: the manager starts what it was asked to start
 * only when no message waits, so that of a thousand that follow each other without a gap the first one would start
 * when the last one is asked for. It is not idle in between: it starts the units of the group. */

#include "exec/exec-unit-internal.h"

static const struct {
        int (*build)(Caller *c, sd_bus_message **ret);
        void (*answered)(Caller *c, sd_bus_message *m);
} kinds[_CALL_KIND_MAX] = {
        [CALL_STOP] = { execution_build_stop, execution_stop_answered },
        [CALL_KILL] = { execution_build_kill, execution_kill_answered },
        [CALL_IDENTIFY] = { stranger_build, stranger_answered },
        [CALL_LOOK] = { execution_build_look, execution_look_answered },
        [CALL_ASK] = { execution_build_question, execution_question_answered },
        [CALL_RELEASE] = { release_build, release_answered },
        [CALL_START] = { execution_build_start, execution_start_answered },
};

static bool error_is_one_of(const sd_bus_error *error, const char *const *names, size_t n) {
        for (size_t i = 0; i < n; i++)
                if (sd_bus_error_has_name(error, names[i]))
                        return true;
        return false;
}

/* Errors that do not say whether the call was obeyed: of a connection that was lost, a peer that went away or is not
 * there yet, an answer that did not come in time. */
bool error_is_unsure(const sd_bus_error *error) {
        static const char *const names[] = {
                SD_BUS_ERROR_NO_REPLY,
                SD_BUS_ERROR_TIMEOUT,
                "org.freedesktop.DBus.Error.TimedOut",
                SD_BUS_ERROR_DISCONNECTED,
        };

        return error_is_undelivered(error) || error_is_one_of(error, names, ELEMENTSOF(names));
}

/* So says the bus, which has not handed the call on. */
bool error_is_undelivered(const sd_bus_error *error) {
        static const char *const names[] = {
                SD_BUS_ERROR_SERVICE_UNKNOWN,
                SD_BUS_ERROR_NAME_HAS_NO_OWNER,
                SD_BUS_ERROR_LIMITS_EXCEEDED,
        };

        return error_is_one_of(error, names, ELEMENTSOF(names));
}

void caller_call(Caller *c, CallKind kind) {
        assert(c->call == CALL_NONE && kind != CALL_NONE);

        c->call = kind;
        TAILQ_INSERT_TAIL(&c->executor->queues[kind], c, queue);
}

void caller_cancel(Caller *c) {
        assert(!c->slot || (c->call != CALL_NONE && c->executor->n_calls > 0));
        if (c->slot) {
                c->slot = sd_bus_slot_unref(c->slot);
                c->executor->n_calls--;
                c->executor->n_starts -= c->call == CALL_START;
        } else if (c->call != CALL_NONE)
                TAILQ_REMOVE(&c->executor->queues[c->call], c, queue);
        c->call = CALL_NONE;
}

static int on_answer(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        Caller *c = userdata;
        UnitExecutor *executor = c->executor;
        CallKind kind = c->call;

        assert(c->slot && kind != CALL_NONE);
        caller_cancel(c);
        kinds[kind].answered(c, m);
        calls_pump(executor);
        return 0;
}

/* A message with a descriptor is sent when the manager has answered once: before that, sd-bus would wait for it. */
static bool may_be_sent(const UnitExecutor *e, Caller *c) {
        return e->is_proved || c->call != CALL_START || execution_of(c)->order->listener == 0;
}

static Caller *next_caller(UnitExecutor *e) {
        Caller *c;

        if (e->n_starts == 0)
                e->n_starts_due = UNIT_STARTS_MAX;
        for (CallKind i = 0; i < _CALL_KIND_MAX; i++) {
                if (i == CALL_START && e->n_starts_due == 0)
                        continue;
                TAILQ_FOREACH(c, &e->queues[i], queue)
                        if (may_be_sent(e, c))
                                return c;
        }
        return NULL;
}

static int caller_send(Caller *c) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r;

        assert(!c->slot && c->executor->n_calls < UNIT_CALLS_MAX);
        c->wanted &= ~(1U << c->call);
        r = kinds[c->call].build(c, &m);
        if (r >= 0)
                r = unit_connection_call(c->executor->connection, &c->slot, m, on_answer, c);
        if (r < 0)
                return r;
        TAILQ_REMOVE(&c->executor->queues[c->call], c, queue);
        c->executor->n_calls++;
        if (c->call == CALL_START) {
                c->executor->n_starts++;
                c->executor->n_starts_due--;
                execution_set_state(execution_of(c), EXECUTION_SENT);
        }
        return 0;
}

/* The start of a run that cannot be told, whatever the connection is like. */
static const char *reason_untold(int error) {
        switch (error) {
        case -EINVAL:
                return "One of its settings in [Service] cannot be passed to the service manager.";
        case -EILSEQ:
                return "The name of its file is not plain text, and can only be passed to a run by the program "
                       "vakt-command, which is not available. Remove RootDirectory= and RootImage= from [Service], or "
                       "use "
                       "Batch=all; else install vaktd completely.";
        default:
                return NULL;
        }
}

void calls_pump(UnitExecutor *e) {
        while (e->is_open && e->n_calls < UNIT_CALLS_MAX) {
                Caller *c = next_caller(e);
                const char *reason;
                int r;

                if (!c)
                        break;
                r = caller_send(c);
                reason = c->call == CALL_START ? reason_untold(r) : NULL;
                if (reason) {
                        caller_cancel(c);
                        execution_conclude(execution_of(c), RUN_RESULT_START_FAILED, -r, reason);
                } else if (r < 0) {
                        unit_connection_break(e->connection, r);
                        break;
                }
        }
        executor_note_drained(e);
}

/* --- a connection that was lost --- */

static void execution_interrupted(UnitExecution *x) {
        CallKind call = x->caller.call;

        caller_cancel(&x->caller);
        if (call == CALL_START) {
                execution_set_state(x, EXECUTION_UNSURE);
                x->perhaps_started = true;
        } else if (call == CALL_ASK)
                caller_call(&x->caller, CALL_ASK);
        else
                execution_want(x, call);
        execution_next(x);
}

void calls_interrupted(UnitExecutor *e) {
        UNIT_TABLE_FOREACH(node, &e->executions) {
                UnitExecution *x = execution_of(caller_of(node));

                x->has_first_half = false;
                if (x->caller.slot)
                        execution_interrupted(x);
        }
        UNIT_TABLE_FOREACH(node, &e->releases) {
                Caller *c = caller_of(node);

                if (!c->slot)
                        continue;
                caller_cancel(c);
                caller_call(c, CALL_RELEASE);
        }
        strangers_forget(e); /* the comparison that comes with a new connection finds them */
        assert(e->n_calls == 0);
}
