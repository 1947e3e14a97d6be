/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Signals are lost when the service manager executes itself anew (17 of 400 were), and it is unknown which. So all
 * units of ours are listed and compared with what we know: whenever the connection was made, the manager has read its
 * files again, a call ended in doubt, and once a minute while something runs. Who differs is looked at; who is not
 * there is gone, or was never started; a unit that is there and not known is queried and released.
 *
 * A comparison speaks of the moment in which the manager made the list. It says nothing about runs that were begun
 * after it had been asked for. */

#include "exec/exec-unit-internal.h"
#include "util/log.h"

#define COMPARE_USEC          USEC_PER_MINUTE
#define COMPARE_ACCURACY_USEC (5 * USEC_PER_SEC)

#define REASON_GONE                                                                                    \
        "Its unit is gone: it was stopped or reset, or the service manager was restarted. Its result " \
        "is not known."

/* One row of the list. */
typedef struct ListedUnit {
        const char *name;
        UnitActive active;
        bool exited;
        uint32_t job;
} ListedUnit;

static void execution_listed(UnitExecution *x, const ListedUnit *u) {
        assert(x->sent <= x->caller.executor->comparison); /* the list that is read is the last that was asked for */
        x->seen = x->caller.executor->comparison;
        if (x->state == EXECUTION_UNSURE) {
                execution_set_state(x, EXECUTION_FOLLOWED);
                execution_want(x, CALL_LOOK);
        } else if (!execution_has_unit(x))
                return;
        if (x->facts.active != u->active || unit_facts_has_exited(&x->facts) != u->exited || x->facts.job != u->job)
                execution_want(x, CALL_LOOK);
        execution_next(x);
}

/* Not one of ours: core knows whether it is a run that is forgotten, or one whose release was cut off. */
static void stranger_listed(UnitExecutor *e, const ListedUnit *u) {
        char job[JOB_NAME_MAX + 1];
        bool is_over = u->exited || u->active == UNIT_FAILED || u->active == UNIT_INACTIVE;
        uint64_t run;

        if (unit_table_find(&e->releases, u->name))
                return;
        if (unit_name_parse_runner(u->name, job, &run) && u->job == 0 && u->active != UNIT_DEACTIVATING)
                warm_stranger_listed(e, u->name, job, run, is_over, u->active == UNIT_FAILED);
        if (!unit_name_parse(u->name, job, &run))
                return;
        if (u->job != 0 || u->active == UNIT_DEACTIVATING) {
                (void)files_directory_claim(e->directory, run); /* it is asked about later */
                return;
        }
        switch (e->callbacks.found(e->userdata, job, run)) {
        case EXEC_FOUND_FORGOTTEN:
                (void)files_directory_claim(e->directory, run);
                stranger_ask(e, u->name, job, run, is_over);
                break;
        case EXEC_FOUND_WRITTEN:
                if (is_over) {
                        files_directory_remove(e->directory, run);
                        release_at_once(e, u->name, u->active == UNIT_FAILED);
                }
                break;
        case EXEC_FOUND_FOREIGN:
                break;
        }
}

void execution_absent(UnitExecution *x) {
        assert(execution_has_unit(x) || x->state == EXECUTION_UNSURE);
        if (x->stop_result == RUN_RESULT_NONE && x->was_stopping)
                x->stop_result = RUN_RESULT_CANCELLED;
        if (x->stop_result != RUN_RESULT_NONE)
                execution_set_state(x, EXECUTION_OVER);
        else if (execution_has_unit(x) && x->stopped_elsewhere)
                execution_end(x);
        else if (x->order) {
                execution_set_state(x, EXECUTION_WAITING);
                execution_next(x);
        } else {
                execution_set_verdict(x, RUN_RESULT_LOST, 0, REASON_GONE);
                execution_end_with_verdict(x, EXECUTION_ENDING);
        }
}

static void executor_find_absent(UnitExecutor *e) {
        UNIT_TABLE_FOREACH(node, &e->executions) {
                UnitExecution *x = execution_of(caller_of(node));

                if (x->existing || x->seen == e->comparison || x->sent >= e->comparison)
                        continue;
                if (x->state == EXECUTION_UNSURE || execution_has_unit(x))
                        execution_absent(x);
        }
}

static int read_listed(sd_bus_message *m, ListedUnit *ret) {
        const char *active, *sub;
        int r;

        r = sd_bus_message_read(m, "(ssssssouso)", &ret->name, NULL, NULL, &active, &sub, NULL, NULL, &ret->job, NULL,
                                NULL);
        if (r > 0) {
                ret->active = unit_active_from_string(active);
                ret->exited = streq(sub, "exited");
        }
        return r;
}

static int executor_read_list(UnitExecutor *e, sd_bus_message *m) {
        ListedUnit u;
        int r;

        r = -sd_bus_message_get_errno(m);
        if (r == 0)
                r = sd_bus_message_enter_container(m, 'a', "(ssssssouso)");
        if (r < 0)
                return r;
        while ((r = read_listed(m, &u)) > 0) {
                UnitNode *n = unit_table_find(&e->executions, u.name);

                if (!n)
                        stranger_listed(e, &u);
                for (; n; n = unit_table_find_next(n))
                        execution_listed(execution_of(caller_of(n)), &u);
        }
        return r;
}

/* The slot stays until all of the list is worked off: who wants another comparison meanwhile gets it afterwards, and
 * the number of this one still is the last. */
static int on_list(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        UnitExecutor *e = userdata;
        int r;

        r = executor_read_list(e, m);
        if (r >= 0) {
                executor_find_absent(e);
                if (!e->is_draining) { /* otherwise forgotten runs are left to the next daemon */
                        files_directory_sweep(
                                e->directory); /* by now all runs are known, those that were forgotten, too */
                        warm_sweep(e);
                }
        }
        e->list_slot = sd_bus_slot_unref(e->list_slot);
        if (r < 0) {
                unit_connection_break(e->connection, r);
                return 0;
        }
        unit_connection_proved(e->connection);
        e->is_proved = true;
        strangers_note_surveyed(e);
        if (e->compare_again)
                executor_compare(e);
        calls_pump(e);
        return 0;
}

/* Units that were there before us are in no such list. */
static void executor_look_at_existing(UnitExecutor *e) {
        UNIT_TABLE_FOREACH(node, &e->executions) {
                UnitExecution *x = execution_of(caller_of(node));

                if (!x->existing || (x->state != EXECUTION_UNSURE && !execution_has_unit(x)))
                        continue;
                if (execution_has_unit(x))
                        execution_want(x, CALL_LOOK);
                execution_next(x);
        }
}

void executor_compare(UnitExecutor *e) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r;

        if (!e->is_open)
                return; /* that is what is done first once it is */
        e->compare_again = e->list_slot;
        if (e->list_slot)
                return;
        e->comparison++;
        r = unit_connection_new_call(e->connection, &m, MANAGER_OBJECT, MANAGER_INTERFACE, "ListUnitsByPatterns",
                                     "asas", 0, 1, UNIT_PATTERN);
        if (r >= 0)
                r = unit_connection_call(e->connection, &e->list_slot, m, on_list, e);
        if (r < 0)
                unit_connection_break(e->connection, r);
        else
                executor_look_at_existing(e);
        executor_ask_whether_held(e);
}

/* --- once a minute --- */

/* With nothing to follow there is nothing to be heard either: every unit of the machine that changes would wake us. */
static int on_compare_time(sd_event_source *s, uint64_t usec, void *userdata) {
        UnitExecutor *e = userdata;

        if (e->executions.n_nodes > 0 || e->is_held) {
                executor_compare(e);
                executor_keep_comparing(e);
        } else if (e->releases.n_nodes > 0)
                executor_keep_comparing(e);
        else {
                unit_connection_handler.closed(e);
                unit_connection_close(e->connection);
        }
        return 0;
}

void executor_keep_comparing(UnitExecutor *e) {
        int enabled = SD_EVENT_OFF;

        if (sd_event_source_get_enabled(e->compare_timer, &enabled) >= 0 && enabled != SD_EVENT_OFF)
                return;
        (void)sd_event_source_set_time_relative(e->compare_timer, COMPARE_USEC);
        (void)sd_event_source_set_enabled(e->compare_timer, SD_EVENT_ONESHOT);
}

int executor_add_compare_timer(UnitExecutor *e) {
        int r;

        r = sd_event_add_time_relative(e->event, &e->compare_timer, CLOCK_MONOTONIC, COMPARE_USEC,
                                       COMPARE_ACCURACY_USEC, on_compare_time, e);
        if (r < 0)
                return r;
        (void)sd_event_source_set_description(e->compare_timer, "runs-compare");
        return sd_event_source_set_enabled(e->compare_timer, SD_EVENT_ONESHOT);
}
