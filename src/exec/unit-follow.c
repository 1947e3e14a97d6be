/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the service manager tells of the units that runs are in: by signals, which come in order but may be lost when
 * it executes itself anew, and by answers.
 *
 * A unit of ours is over when it is inactive, failed or exited, and no job is queued for it. An existing unit (Unit=)
 * is over then, too, and already when it stands once its start is done if it is no service: a target or a mount does
 * not end by itself. */

#include "exec/exec-unit-internal.h"
#include "util/log.h"

#define UNANSWERED_MAX  3 /* questions that are asked once more */
#define SHUTDOWN_TARGET "shutdown.target"

/* --- where it stands --- */

static bool is_service(const char *unit) {
        const char *suffix = strrchr(unit, '.');

        return suffix && streq(suffix, ".service");
}

bool execution_is_over(const UnitExecution *x) {
        const UnitFacts *f = &x->facts;

        if (x->state != EXECUTION_FOLLOWED)
                return false;
        if (unit_facts_is_over(f))
                return true;
        return x->existing && f->job == 0 && f->active == UNIT_ACTIVE && !is_service(x->caller.node.name);
}

void execution_tell_started(UnitExecution *x) {
        const UnitFacts *f = &x->facts;
        const ExecIdentity identity = {
                .pid = (pid_t)(f->main_pid ?: f->exec_pid),
                .unit = x->caller.node.name,
                .invocation = f->invocation,
        };

        if (identity.pid == x->told_pid && sd_id128_equal(identity.invocation, x->told_invocation))
                return;
        x->told_pid = identity.pid;
        x->told_invocation = identity.invocation;
        x->callbacks->started(x->cookie, &identity);
}

/* A unit whose start lasts as long as the run (Type=oneshot) runs while it is activating. */
static bool execution_runs(const UnitExecution *x) {
        const UnitFacts *f = &x->facts;
        bool activating = f->active == UNIT_ACTIVATING && unit_is_oneshot(x->def) && f->main_pid > 0;

        if (x->existing && x->state == EXECUTION_FOLLOWED && (f->active == UNIT_ACTIVE || f->active == UNIT_RELOADING))
                return true;
        if (x->existing)
                return f->active == UNIT_ACTIVATING && f->main_pid > 0;
        return !unit_facts_has_exited(f) && ((f->active == UNIT_ACTIVE && f->main_pid > 0) || activating);
}

/* To be stopped while the main process is alive, with nothing gone wrong, is somebody's wish. */
static bool is_being_stopped(const UnitFacts *f) {
        return f->active == UNIT_DEACTIVATING && f->exec_start > 0 && f->exec_exit == 0 && streq(f->result, "success");
}

/* The facts are new, and whole. */
static void execution_look_closer(UnitExecution *x) {
        const UnitFacts *f = &x->facts;

        if (!execution_has_unit(x))
                return;
        if (x->was_stopping && x->stop_result == RUN_RESULT_NONE && !unit_facts_has_exited(f)) {
                x->stop_result = RUN_RESULT_CANCELLED;
                execution_want(x, CALL_STOP);
        }
        if (x->stop_result == RUN_RESULT_NONE && is_being_stopped(f))
                x->stopped_elsewhere = true;
        else if (f->active == UNIT_ACTIVE || f->active == UNIT_ACTIVATING)
                x->stopped_elsewhere = false; /* it was restarted */
        if (execution_runs(x))
                execution_tell_started(x);
        execution_keep_bounds(x);
        execution_next(x);
}

static void execution_tell_status(UnitExecution *x, const char *before) {
        if (x->facts.status_text != before && !isempty(x->facts.status_text))
                x->callbacks->status(x->cookie, x->facts.status_text);
}

/* --- signals --- */

/* A change is told in two halves, the one of the service, with Result, and the one of the unit, with its state. Just
 * after the connection was made only the second one may have come through. */
static bool is_whole(UnitExecution *x, bool is_last) {
        bool whole = x->has_first_half || !is_service(x->caller.node.name);

        x->has_first_half = !is_last;
        return !is_last || whole;
}

static void execution_changed(UnitExecution *x, bool is_last, sd_bus_message *m) {
        const char *before = x->facts.status_text;
        int r = 0;

        if (!is_whole(x, is_last))
                execution_want(x, CALL_LOOK);
        else {
                r = unit_facts_read(&x->facts, m);
                execution_tell_status(x, before);
        }
        if (r < 0) {
                log_debug_errno(r, "Cannot read the changes of %s, reading all properties: %m", x->caller.node.name);
                execution_want(x, CALL_LOOK);
        }
        if (is_last)
                execution_look_closer(x);
}

static void on_properties_changed(void *userdata, const char *unit, bool is_last, sd_bus_message *m) {
        UnitExecutor *e = userdata;

        for (UnitNode *n = unit_table_find(&e->executions, unit); n; n = unit_table_find_next(n)) {
                UnitExecution *x = execution_of(caller_of(n));

                if (x->state != EXECUTION_SENT && !execution_has_unit(x))
                        continue;
                if (sd_bus_message_rewind(m, /* complete= */ true) >= 0 && sd_bus_message_skip(m, "s") >= 0)
                        execution_changed(x, is_last, m);
        }
}

static void on_job_removed(void *userdata, const char *unit, uint32_t job, const char *result) {
        UnitExecutor *e = userdata;

        if (streq(unit, SHUTDOWN_TARGET))
                executor_ask_whether_held(e); /* it may have been cancelled */
        for (UnitNode *n = unit_table_find(&e->executions, unit); n; n = unit_table_find_next(n)) {
                UnitExecution *x = execution_of(caller_of(n));

                if (!execution_has_unit(x) || x->start_job != job)
                        continue;
                x->start = start_result_from_string(result);
                if (x->state != EXECUTION_STARTING)
                        continue;
                execution_set_state(x, EXECUTION_FOLLOWED);
                if (x->facts.active == UNIT_UNKNOWN) /* of one that was active all along nothing was told */
                        execution_want(x, CALL_LOOK);
                execution_look_closer(x);
        }
}

/* Its end was told before. Or it is removed and made anew while all files are read. Or it is a unit of somebody else,
 * which comes and goes with every look that is taken at it. */
static void on_unit_removed(void *userdata, const char *unit) {
        UnitExecutor *e = userdata;
        UnitNode *n = unit_table_find(&e->executions, unit);
        UnitExecution *x = n ? execution_of(caller_of(n)) : NULL;

        if (x && !x->existing && !e->reloading && execution_has_unit(x))
                executor_compare(e);
}

static void on_reloading(void *userdata, bool begins) {
        UnitExecutor *e = userdata;

        e->reloading = begins;
        if (!begins)
                executor_compare(e);
}

static void on_opened(void *userdata) {
        UnitExecutor *e = userdata;

        e->is_open = true;
        e->no_memory_peak = false; /* it may be another version by now */
        executor_compare(e);
        calls_pump(e);
}

static void on_closed(void *userdata) {
        UnitExecutor *e = userdata;

        e->is_open = e->is_proved = false;
        e->reloading = false;
        e->list_slot = sd_bus_slot_unref(e->list_slot);
        e->state_slot = sd_bus_slot_unref(e->state_slot);
        calls_interrupted(e);
}

const UnitConnectionHandler unit_connection_handler = {
        .opened = on_opened,
        .closed = on_closed,
        .properties_changed = on_properties_changed,
        .job_removed = on_job_removed,
        .unit_removed = on_unit_removed,
        .reloading = on_reloading,
};

/* --- looking --- */

int execution_build_look(Caller *c, sd_bus_message **ret) {
        return caller_build_get(c, ret, "", NULL); /* of all its interfaces */
}

int caller_build_get(Caller *c, sd_bus_message **ret, const char *interface, const char *property) {
        _cleanup_free_ char *object = NULL;
        int r;

        r = sd_bus_path_encode(MANAGER_OBJECT "/unit", c->node.name, &object);
        if (r < 0)
                return r;
        return unit_connection_new_call(c->executor->connection, ret, object, "org.freedesktop.DBus.Properties",
                                        property ? "Get" : "GetAll", property ? "ss" : "s", interface, property);
}

static void execution_take_facts(UnitExecution *x, UnitFacts *fresh) {
        char *before = x->facts.status_text;

        if (streq(strempty(before), strempty(fresh->status_text))) {
                free(fresh->status_text);
                fresh->status_text = TAKE_PTR(x->facts.status_text);
        }
        unit_facts_done(&x->facts);
        x->facts = TAKE_GENERIC(*fresh, (UnitFacts)UNIT_FACTS_INIT);
        execution_tell_status(x, before);
}

/* Is that the activation which we asked for, or followed before we died? */
static bool is_our_activation(const UnitExecution *x, const UnitFacts *fresh) {
        assert(x->existing); /* the name of one of ours is proof enough */
        if (!sd_id128_is_null(x->expected))
                return sd_id128_equal(fresh->invocation, x->expected);
        return fresh->job != 0 || (!sd_id128_is_null(fresh->invocation) && fresh->inactive_exit >= x->since);
}

/* Its unit is inactive, and the manager forgot that it was ever anything else. */
static bool is_forgotten(const UnitExecution *x, const UnitFacts *fresh) {
        return fresh->active == UNIT_INACTIVE && sd_id128_is_null(fresh->invocation) && fresh->job == 0 &&
               !sd_id128_is_null(x->facts.invocation);
}

/* The manager forgets a unit that was read from a file as soon as it is inactive: if it never heard of an activation,
 * one may yet have come and gone since it was asked for. It is not started a second time then. */
static bool unsure_unit_is_lost(UnitExecution *x, const UnitFacts *fresh) {
        if (is_our_activation(x, fresh))
                return false;
        if (x->perhaps_started && fresh->inactive_exit == 0)
                x->order = start_order_free(x->order);
        return true;
}

static bool existing_unit_is_lost(UnitExecution *x, const UnitFacts *fresh) {
        if (x->state == EXECUTION_UNSURE)
                return unsure_unit_is_lost(x, fresh);
        if (x->state == EXECUTION_STARTING && fresh->job != x->start_job)
                execution_set_state(x, EXECUTION_FOLLOWED); /* we missed its end */
        return is_forgotten(x, fresh);
}

static void execution_looked(UnitExecution *x, UnitFacts *fresh) {
        assert(execution_has_unit(x) || (x->state == EXECUTION_UNSURE && x->existing));
        if (x->existing ? existing_unit_is_lost(x, fresh) : !fresh->loaded) {
                execution_absent(x);
                return;
        }
        if (x->state == EXECUTION_UNSURE) {
                x->start_job = fresh->job;
                execution_set_state(x, fresh->job != 0 ? EXECUTION_STARTING : EXECUTION_FOLLOWED);
        }
        execution_take_facts(x, fresh);
        execution_look_closer(x);
}

void execution_look_answered(Caller *c, sd_bus_message *m) {
        const sd_bus_error *error = sd_bus_message_get_error(m);
        UnitExecution *x = execution_of(c);
        UnitFacts fresh = UNIT_FACTS_INIT;
        int r;

        if (error && error_is_unsure(error)) {
                execution_want(x, CALL_LOOK);
                executor_compare(c->executor);
                execution_next(x);
                return;
        }
        r = error ? -sd_bus_error_get_errno(error) : unit_facts_read(&fresh, m);
        if (execution_is_over(x))
                execution_next(x); /* a signal was faster, and what we saw may be what came after its end */
        else if (r >= 0)
                execution_looked(x, &fresh);
        else if (error && sd_bus_error_has_name(error, SD_BUS_ERROR_UNKNOWN_OBJECT))
                execution_absent(x);
        else
                log_warning_errno(r, "Cannot read the state of %s, trying again later: %m", c->node.name);
        unit_facts_done(&fresh);
}

/* --- the end --- */

enum {
        QUESTION_SHUTDOWN = 1 << 0, /* was it stopped because the machine goes down? */
        QUESTION_COMMANDS = 1 << 1, /* was the last one run? */
        QUESTION_CPU = 1 << 2,
        QUESTION_MEMORY = 1 << 3,
};

static const struct {
        unsigned question;
        const char *interface, *property; /* no interface: of the manager */
} questions[] = {
        { QUESTION_SHUTDOWN, NULL, "SystemState" },
        { QUESTION_COMMANDS, "org.freedesktop.systemd1.Service", "ExecStart" },
        { QUESTION_CPU, "org.freedesktop.systemd1.Service", "CPUUsageNSec" },
        { QUESTION_MEMORY, "org.freedesktop.systemd1.Service", "MemoryPeak" },
};

static size_t first_question(const UnitExecution *x) {
        size_t i = 0;

        assert(x->questions != 0);
        while (!(x->questions & questions[i].question))
                i++;
        return i;
}

static void execution_ask(UnitExecution *x) {
        assert(x->state == EXECUTION_ENDING || x->state == EXECUTION_REFUSED);
        if (x->questions != 0)
                caller_call(&x->caller, CALL_ASK);
        else if (x->shutting_down && execution_is_unstarted(x))
                execution_set_state(x, EXECUTION_PUT_BACK);
        else
                execution_set_state(x, EXECUTION_OVER);
}

void execution_end(UnitExecution *x) {
        const UnitFacts *f = &x->facts;

        execution_set_state(x, EXECUTION_ENDING);
        /* A unit of ours that ends well by itself is kept as "exited". */
        if (!x->existing && f->active == UNIT_INACTIVE && f->exec_start > 0 && streq(f->result, "success"))
                x->stopped_elsewhere = true;
        if (f->exec_exit >= x->since && unit_facts_ended_by_itself(f))
                x->stopped_elsewhere = false;
        /* A unit that is inactive is about to be forgotten, its figures with it. */
        if (is_service(x->caller.node.name) && f->active != UNIT_INACTIVE && f->exec_start > 0)
                x->questions = QUESTION_CPU | (x->caller.executor->no_memory_peak ? 0 : QUESTION_MEMORY);
        if ((x->stopped_elsewhere || x->start == START_RESULT_CANCELED) && x->stop_result == RUN_RESULT_NONE)
                x->questions |= QUESTION_SHUTDOWN;
        if (!x->existing && unit_has_sentinel(x->def, x->caller.executor->start.wrapper) && unit_facts_has_exited(f))
                x->questions |= QUESTION_COMMANDS;
        execution_ask(x);
}

void execution_end_with_verdict(UnitExecution *x, ExecutionState state) {
        execution_set_state(x, state);
        x->questions = QUESTION_SHUTDOWN;
        execution_ask(x);
}

int execution_build_question(Caller *c, sd_bus_message **ret) {
        size_t i = first_question(execution_of(c));

        if (questions[i].interface)
                return caller_build_get(c, ret, questions[i].interface, questions[i].property);
        return unit_connection_new_call(c->executor->connection, ret, MANAGER_OBJECT,
                                        "org.freedesktop.DBus.Properties", "Get", "ss", MANAGER_INTERFACE,
                                        questions[i].property);
}

/* The process of the last one of some commands, 0 = it has not run. */
static uint32_t read_last_pid(sd_bus_message *m) {
        uint32_t pid = 0;

        if (sd_bus_message_enter_container(m, 'v', "a(sasbttttuii)") <= 0 ||
            sd_bus_message_enter_container(m, 'a', "(sasbttttuii)") <= 0)
                return 0;
        while (sd_bus_message_enter_container(m, 'r', "sasbttttuii") > 0)
                if (sd_bus_message_skip(m, "sasbtttt") < 0 || sd_bus_message_read_basic(m, 'u', &pid) < 0 ||
                    sd_bus_message_skip(m, "ii") < 0 || sd_bus_message_exit_container(m) < 0)
                        return 0;
        return pid;
}

static void execution_set_shutting_down(UnitExecution *x, bool shutting_down) {
        x->shutting_down = shutting_down;
        if (shutting_down)
                executor_hold(x->caller.executor);
}

static void execution_learn(UnitExecution *x, unsigned question, sd_bus_message *m) {
        uint64_t number = UINT64_MAX;
        const char *word = "";

        if (question == QUESTION_SHUTDOWN)
                execution_set_shutting_down(x, sd_bus_message_read(m, "v", "s", &word) > 0 && streq(word, "stopping"));
        else if (question == QUESTION_COMMANDS)
                x->cut_short = read_last_pid(m) != x->facts.exec_pid;
        else if (sd_bus_message_read(m, "v", "t", &number) > 0)
                *(question == QUESTION_CPU ? &x->facts.cpu_nsec : &x->facts.memory_peak) = number;
}

/* What cannot be learnt is not known: nothing of it is worth to wait for, but for a connection that comes back. */
void execution_question_answered(Caller *c, sd_bus_message *m) {
        const sd_bus_error *error = sd_bus_message_get_error(m);
        UnitExecution *x = execution_of(c);
        unsigned question = questions[first_question(x)].question;

        if (error && error_is_unsure(error) && x->n_unanswered++ < UNANSWERED_MAX) {
                executor_compare(c->executor); /* which finds out whether the connection is of any use */
                execution_ask(x);
                return;
        }
        x->questions &= ~question;
        if (!error)
                execution_learn(x, question, m);
        else if (question == QUESTION_MEMORY && sd_bus_error_has_name(error, SD_BUS_ERROR_UNKNOWN_PROPERTY))
                c->executor->no_memory_peak = true;
        else if (question == QUESTION_SHUTDOWN && x->state == EXECUTION_REFUSED)
                execution_set_shutting_down(x, true); /* its last words were about that */
        execution_ask(x);
}
