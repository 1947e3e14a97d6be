/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The executor that leaves the work to the service manager: a run is a transient unit of its own, or with Unit= one
 * that is there already. Nothing here forks, and a run does not notice when we go.
 *
 * This file is where runs come in (start, adopt), are told to stop, and go out; a run that goes out does so from an
 * event source of its own, since ended() frees it and may start others. */

#include "exec/exec-unit.h"

#include <systemd/sd-daemon.h>

#include "config.h"

#include "exec/environment.h"
#include "exec/exec-unit-internal.h"
#include "util/log.h"
#include "util/strv.h"
#include "util/turn.h"

#define QUICK_TRIES      10 /* starts that were answered by neither yes nor no; past that it is one a minute */
#define REPORTS_PER_TURN 64
#define CREDENTIAL_MAX   (1000 * 1024) /* bytes: the service manager takes 1 MiB, the job's own ones included */

/* --- going out --- */

void execution_set_verdict(UnitExecution *x, RunResult result, int code, const char *reason) {
        assert(x->verdict == RUN_RESULT_NONE && result != RUN_RESULT_NONE); /* the last word on it */
        x->verdict = result;
        x->verdict_code = code;
        x->verdict_reason = reason ? strdup(reason) : NULL;
}

void execution_conclude(UnitExecution *x, RunResult result, int code, const char *reason) {
        execution_set_verdict(x, result, code, reason);
        execution_set_state(x, EXECUTION_OVER);
}

/* What an existing unit did before it was asked for is not this run's. */
static void execution_forget_earlier(UnitExecution *x) {
        UnitFacts *f = &x->facts;

        if (!x->existing || f->exec_exit == 0 || f->exec_exit >= x->since)
                return;
        f->exec_start = f->exec_exit = f->exec_exit_monotonic = 0;
        f->code = f->status = 0;
        f->exec_pid = 0;
}

static void execution_validate(const UnitExecution *x, ExecOutcome *ret, char reason[static UNIT_REASON_MAX]) {
        const UnitEnd end = {
                .facts = &x->facts,
                .def = x->def,
                .unit = x->caller.node.name,
                .existing = x->existing,
                .stopped_elsewhere = x->stopped_elsewhere,
                .shutting_down = x->shutting_down,
                .cut_short = x->cut_short,
                .stop_result = x->stop_result,
                .start = x->start,
        };

        unit_outcome(&end, ret, reason);
        if (x->verdict == RUN_RESULT_NONE)
                return;
        ret->result = x->verdict;
        ret->code = x->verdict_code;
        ret->reason = x->verdict == RUN_RESULT_LOST && x->shutting_down ? UNIT_REASON_SHUT_DOWN : x->verdict_reason;
}

/* The unit has to be there until the ledger has what is reported here. */
static bool execution_keep_unit(const UnitExecution *x) {
        bool is_failed = x->facts.active == UNIT_FAILED;

        if (x->existing || x->verdict != RUN_RESULT_NONE || (!is_failed && !unit_facts_has_exited(&x->facts)))
                return false;
        return release_keep(x->caller.executor, x->caller.node.name, is_failed, x->list_run);
}

static void execution_report(UnitExecution *x) {
        UnitExecutor *e = x->caller.executor;
        char reason[UNIT_REASON_MAX];
        ExecOutcome outcome;

        assert(execution_is_done(x) && x->caller.call == CALL_NONE);
        if (x->state == EXECUTION_PUT_BACK) {
                x->callbacks->put_back(x->cookie); /* frees x */
                return;
        }
        execution_forget_earlier(x);
        if (x->told_pid < 0 && unit_has_run(&x->facts))
                execution_tell_started(x);
        execution_validate(x, &outcome, reason);
        assert(outcome.result != RUN_RESULT_NONE);
        if (!execution_keep_unit(x) && x->list_run > 0)
                files_directory_remove(e->directory, x->list_run);
        x->callbacks->ended(x->cookie, &outcome); /* frees x */
}

static int on_over(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        UnitExecutor *e = userdata;

        for (unsigned i = 0; i < REPORTS_PER_TURN && !TAILQ_EMPTY(&e->over); i++)
                execution_report(execution_of(TAILQ_FIRST(&e->over)));
        if (TAILQ_EMPTY(&e->over))
                (void)sd_event_source_set_enabled(s, SD_EVENT_OFF);
        return 0;
}

static Execution *unit_free_execution(Execution *base) {
        UnitExecution *x = (UnitExecution *)base;
        UnitExecutor *e = x->caller.executor;

        if (execution_is_done(x))
                TAILQ_REMOVE(&e->over, &x->caller, queue);
        caller_cancel(&x->caller);
        unit_table_remove(&e->executions, &x->caller.node);
        sd_event_source_disable_unref(x->timeout);
        sd_event_source_disable_unref(x->stop_timeout);
        start_order_free(x->order);
        job_def_unref(x->def);
        unit_facts_done(&x->facts);
        free(x->caller.node.name);
        free(x->verdict_reason);
        free(x);
        calls_pump(e);
        return NULL;
}

/* --- what is done next --- */

static void execution_next_followed(UnitExecution *x) {
        static const CallKind order[] = { CALL_LOOK, CALL_STOP, CALL_KILL };

        if (execution_is_over(x)) {
                execution_end(x);
                return;
        }
        for (size_t i = 0; i < ELEMENTSOF(order); i++)
                if (x->caller.wanted & 1U << order[i]) {
                        caller_call(&x->caller, order[i]);
                        return;
                }
}

void execution_next(UnitExecution *x) {
        if (x->caller.call != CALL_NONE)
                return; /* its answer brings us here again */
        switch (x->state) {
        case EXECUTION_WAITING:
                if (x->caller.executor->is_held || x->caller.executor->is_draining)
                        execution_set_state(x, EXECUTION_PUT_BACK);
                else
                        caller_call(&x->caller, CALL_START);
                break;
        case EXECUTION_UNSURE:
                if (x->existing) /* of the others a comparison tells */
                        caller_call(&x->caller, CALL_LOOK);
                break;
        case EXECUTION_STARTING:
        case EXECUTION_FOLLOWED:
                execution_next_followed(x);
                break;
        case EXECUTION_SENT:
        case EXECUTION_REFUSED:
        case EXECUTION_ENDING:
        case EXECUTION_OVER:
        case EXECUTION_PUT_BACK:
        case _EXECUTION_STATE_MAX:
                break;
        }
        calls_pump(x->caller.executor);
}

/* --- stopping --- */

static void unit_stop(Execution *base, RunResult result) {
        UnitExecution *x = (UnitExecution *)base;

        assert(result != RUN_RESULT_NONE); /* that is not to be told */
        if (x->stop_result != RUN_RESULT_NONE || x->state >= EXECUTION_REFUSED)
                return;
        x->stop_result = result;
        execution_want(x, CALL_STOP);
        if (x->state == EXECUTION_WAITING)
                execution_conclude(x, result, 0, NULL);
        else
                execution_next(x);
}

int execution_build_stop(Caller *c, sd_bus_message **ret) {
        return unit_connection_new_call(c->executor->connection, ret, MANAGER_OBJECT, MANAGER_INTERFACE, "StopUnit",
                                        "ss", c->node.name, "replace");
}

void execution_stop_answered(Caller *c, sd_bus_message *m) {
        const sd_bus_error *error = sd_bus_message_get_error(m);
        UnitExecution *x = execution_of(c);

        if (!error) {
                execution_next(x);
                return;
        }
        if (error_is_unsure(error))
                execution_want(x, CALL_STOP); /* told again when the comparison finds it still there */
        else if (!sd_bus_error_has_name(error, "org.freedesktop.systemd1.NoSuchUnit"))
                log_warning("Cannot stop %s: %s", c->node.name, strempty(error->message));
        executor_compare(c->executor);
}

/* --- starting --- */

int execution_build_start(Caller *c, sd_bus_message **ret) {
        UnitExecution *x = execution_of(c);
        int r;

        assert(x->state == EXECUTION_WAITING && x->order && x->stop_result == RUN_RESULT_NONE);
        x->sent = c->executor->comparison;
        x->tries++;
        r = unit_connection_new_call(c->executor->connection, ret, MANAGER_OBJECT, MANAGER_INTERFACE,
                                     x->existing ? "StartUnit" : "StartTransientUnit", NULL);
        if (r < 0)
                return r;
        if (!x->existing)
                return unit_message_append_start(*ret, c->node.name, x->def, x->order, &c->executor->start);
        x->since = now_realtime();
        return sd_bus_message_append(*ret, "ss", c->node.name, "replace");
}

static const char *hint_to_refusal(const sd_bus_error *error) {
        static const char *const not_allowed[] = {
                SD_BUS_ERROR_ACCESS_DENIED,
                SD_BUS_ERROR_INTERACTIVE_AUTHORIZATION_REQUIRED,
        };

        for (size_t i = 0; i < ELEMENTSOF(not_allowed); i++)
                if (sd_bus_error_has_name(error, not_allowed[i]))
                        return " To start units, vaktd must be root or be authorized by polkit (action "
                               "org.freedesktop.systemd1.manage-units).";
        return "";
}

/* Jobs that would be cancelled by it wait: those of a shutdown, mostly, which is no problem of the run. */
static bool error_is_conflict(const sd_bus_error *error) {
        return sd_bus_error_has_name(error, "org.freedesktop.systemd1.TransactionIsDestructive") ||
               sd_bus_error_has_name(error, "org.freedesktop.systemd1.ShuttingDown");
}

static void execution_refused(UnitExecution *x, const sd_bus_error *error) {
        char reason[UNIT_REASON_MAX];
        size_t n = strlen(strempty(error->message));

        while (n > 0 && error->message[n - 1] == '.')
                n--;
        (void)snprintf(reason, sizeof(reason), "The service manager refused to start %s: %.*s.%s", x->caller.node.name,
                       (int)n, n > 0 ? error->message : "", hint_to_refusal(error));
        execution_set_verdict(x, x->stop_result ?: RUN_RESULT_START_FAILED, sd_bus_error_get_errno(error), reason);
        if (error_is_conflict(error))
                execution_end_with_verdict(x, EXECUTION_REFUSED);
        else
                execution_set_state(x, EXECUTION_OVER);
}

/* Whether it was obeyed is seen by a comparison, however often it takes: a run that may go on has not failed. */
static void execution_start_unsure(UnitExecution *x, const sd_bus_error *error) {
        execution_set_state(x, EXECUTION_UNSURE);
        if (!error_is_undelivered(error))
                x->perhaps_started = true;
        if (x->tries == QUICK_TRIES)
                log_warning("The service manager has not replied to %d requests to start %s (%s); it is "
                            "asked once a minute from now on.",
                            QUICK_TRIES, x->caller.node.name, strempty(error->message));
        if (x->tries >= QUICK_TRIES)
                return;
        execution_next(x);
        executor_compare(x->caller.executor);
}

void execution_start_answered(Caller *c, sd_bus_message *m) {
        const sd_bus_error *error = sd_bus_message_get_error(m);
        UnitExecution *x = execution_of(c);
        const char *job = NULL, *id;

        if (!error) {
                assert(x->state == EXECUTION_SENT);
                (void)sd_bus_message_read(m, "o", &job);
                id = job ? strrchr(job, '/') : NULL;
                x->start_job = id ? (uint32_t)strtoul(id + 1, NULL, 10) : 0;
                execution_set_state(x, x->existing ? EXECUTION_STARTING : EXECUTION_FOLLOWED);
                execution_next(x);
        } else if (!x->existing && sd_bus_error_has_name(error, "org.freedesktop.systemd1.UnitExists")) {
                /* A name is never used twice: it was us. */
                execution_set_state(x, EXECUTION_FOLLOWED);
                execution_want(x, CALL_LOOK);
                execution_next(x);
        } else if (error_is_unsure(error))
                execution_start_unsure(x, error);
        else
                execution_refused(x, error);
}

/* --- coming in --- */

static void unit_free_executionp(UnitExecution **x) {
        if (*x)
                (void)unit_free_execution(&(*x)->base);
}

static int execution_name(char **ret, const ExecutionRequest *request, bool *ret_existing) {
        const char *unit = request->run->unit ?: request->def ? request->def->rare->unit : NULL;
        char job[JOB_NAME_MAX + 1];
        uint64_t n;

        if (!unit) {
                *ret_existing = false;
                return unit_name_of_run(ret, request->run->job, request->run->id);
        }
        *ret_existing = !unit_name_parse(unit, job, &n) && !unit_name_parse_runner(unit, job, &n);
        *ret = strdup(unit);
        return *ret ? 0 : -ENOMEM;
}

static int unit_name_unit(Executor *base, const JobDef *def, const RunRecord *run, char **ret) {
        const ExecutionRequest request = { .def = def, .run = run };
        bool existing;

        if (warm_is_wanted(def))
                return warm_name_unit((UnitExecutor *)base, def, run, ret);
        return execution_name(ret, &request, &existing);
}

static int execution_new(UnitExecution **ret, UnitExecutor *e, const ExecutionRequest *request, const UnitOwner *owner,
                         void *cookie) {
        _cleanup_free_ UnitExecution *x = NULL;
        int r;

        x = malloc(sizeof(*x));
        if (!x)
                return -ENOMEM;
        *x = (UnitExecution){
                .base.ops = e->base.ops,
                .caller.executor = e,
                .callbacks = owner ? owner->callbacks : &e->callbacks,
                .cookie = cookie,
                .sent = e->comparison,
                .bound = request->timeout,
                .told_pid = -1,
                .facts = UNIT_FACTS_INIT,
        };
        r = execution_name(&x->caller.node.name, request, &x->existing);
        if (r < 0)
                return r;
        r = unit_table_add(&e->executions, &x->caller.node);
        if (r < 0) {
                free(x->caller.node.name);
                return r;
        }
        x->def = job_def_ref((JobDef *)request->def);
        *ret = TAKE_PTR(x);
        return 0;
}

/* Writes the file that tells a run its paths. */
static int write_paths(FilesDirectory *f, const ExecutionRequest *request, const char *variables) {
        if (variables)
                return files_directory_write(f, request->run->id, /* def= */ NULL, variables, strlen(variables));
        if (request->paths_size > START_ORDER_CREDENTIAL_MAX && !paths_reader_is_known(request->def))
                log_warning("Run %" PRIu64 " of job %s has no $VAKT_PATHS: its list of files has %zu bytes, but the "
                            "service manager passes at most %d to a user that is allocated for the run or is not in "
                            "/etc/passwd. The list is its standard input; or set another user in User=.",
                            request->run->id, request->run->job, request->paths_size, START_ORDER_CREDENTIAL_MAX);
        return files_directory_write(f, request->run->id, request->def, request->paths, request->paths_size);
}

/* What is to be told when it is started, and the file that tells it its paths. has_file: that is there already. */
static int execution_order(UnitExecution *x, const ExecutionRequest *request, bool has_file) {
        FilesDirectory *f = x->caller.executor->directory;
        _cleanup_free_ char *variables = NULL, *file = NULL;
        int r = 0;

        if (request->paths && request->one_path) {
                variables = start_order_variables(request->paths);
                if (!variables)
                        return -ENOMEM;
        } else
                r = start_order_environment(request, &variables);
        if (r >= 0 && !x->existing && (has_file || request->paths || variables))
                r = files_directory_name(f, request->run->id, &file);
        if (r == -ENOENT && variables) /* without a directory it is told by the environment */
                r = 0;
        if (r >= 0)
                r = start_order_new(&x->order, request, x->caller.node.name, file);
        if (r < 0 || !file || has_file)
                return r;
        r = write_paths(f, request, variables);
        if (r >= 0)
                x->list_run = request->run->id;
        else
                x->order = start_order_free(x->order);
        return r;
}

int unit_execution_start(UnitExecutor *e, const ExecutionRequest *request, const UnitOwner *owner, void *cookie,
                         UnitExecution **ret) {
        _cleanup_(unit_free_executionp) UnitExecution *x = NULL;
        int r;

        if (!request->def->rare->unit && request->def->n_commands == 0)
                return -EINVAL;
        r = execution_new(&x, e, request, owner, cookie);
        if (r >= 0)
                r = execution_bound_existing(x, request->timeout, 0);
        if (r >= 0) /* the last step that can fail: nothing has to remove its file */
                r = execution_order(x, request, /* has_file= */ false);
        if (r < 0)
                return r;
        if (owner)
                x->order->listener = owner->listener;
        unit_connection_open(e->connection);
        executor_keep_comparing(e);
        execution_next(x);
        *ret = TAKE_PTR(x);
        return 0;
}

int unit_execution_adopt(UnitExecutor *e, const ExecutionRequest *request, const UnitOwner *owner, void *cookie,
                         UnitExecution **ret) {
        _cleanup_(unit_free_executionp) UnitExecution *x = NULL;
        const RunRecord *run = request->run;
        int r;

        r = execution_new(&x, e, request, owner, cookie);
        if (r < 0)
                return r;
        execution_set_state(x, EXECUTION_UNSURE);
        x->adopted = true;
        x->was_stopping = run->state == RUN_STOPPING;
        x->expected = run->invocation;
        x->since = run->started;
        if (!x->existing && !owner && files_directory_claim(e->directory, run->id))
                x->list_run = run->id;
        r = execution_bound_existing(x, request->timeout, usec_sub(now_realtime(), run->started));
        if (r >= 0 && run->state == RUN_STARTING && request->def && !x->existing && !request->other_boot)
                r = execution_order(x, request, /* has_file= */ x->list_run > 0);
        if (r < 0 && r != -ENOMEM) { /* it may go on all the same: then it has its list, or nothing but its name */
                log_warning_errno(r, "Cannot write the list of paths for %s, it is not started again: %m",
                                  x->caller.node.name);
                r = 0;
        }
        if (r < 0)
                return r;
        unit_connection_open(e->connection);
        executor_keep_comparing(e);
        if (x->existing && request->other_boot) /* it may have been started since, by somebody else */
                execution_conclude(x, RUN_RESULT_LOST, 0, NULL);
        else
                execution_next(x);
        executor_compare(e);
        *ret = TAKE_PTR(x);
        return 0;
}

/* Where a run is, or was, says its record; where it will be, its definition. */
static bool is_warm(const ExecutionRequest *request) {
        char job[JOB_NAME_MAX + 1];
        uint64_t number;

        if (!request->run->unit)
                return warm_is_wanted(request->def);
        return unit_name_parse_runner(request->run->unit, job, &number);
}

static int unit_start(Executor *base, const ExecutionRequest *request, void *cookie, Execution **ret) {
        UnitExecutor *e = (UnitExecutor *)base;
        UnitExecution *x;
        int r;

        if (is_warm(request))
                return warm_start(e, request, cookie, ret);
        r = unit_execution_start(e, request, /* owner= */ NULL, cookie, &x);
        if (r >= 0)
                *ret = &x->base;
        return r;
}

static int unit_adopt(Executor *base, const ExecutionRequest *request, void *cookie, Execution **ret) {
        UnitExecutor *e = (UnitExecutor *)base;
        UnitExecution *x;
        int r;

        if (request->run->unit && is_warm(request))
                return warm_adopt(e, request, cookie, ret);
        r = unit_execution_adopt(e, request, /* owner= */ NULL, cookie, &x);
        if (r >= 0)
                *ret = &x->base;
        return r;
}

/* --- the executor --- */

static void unit_acknowledge(Executor *base) {
        warm_acknowledge((UnitExecutor *)base);
        releases_acknowledged((UnitExecutor *)base);
}

static Executor *unit_free(Executor *base) {
        UnitExecutor *e = (UnitExecutor *)base;

        warm_done(e);
        assert(e->executions.n_nodes == 0 && TAILQ_EMPTY(&e->over));
        releases_forget(e);
        strangers_forget(e);
        assert(e->n_calls == 0 && e->n_unacknowledged == 0);
        sd_bus_slot_unref(e->list_slot);
        sd_bus_slot_unref(e->state_slot);
        unit_connection_free(e->connection);
        sd_event_source_disable_unref(e->over_source);
        sd_event_source_disable_unref(e->drained_source);
        sd_event_source_disable_unref(e->compare_timer);
        sd_event_unref(e->event);
        files_directory_free(e->directory);
        free(e->start.wrapper);
        strv_free(e->start.login);
        return mfree(e);
}

static void unit_freep(UnitExecutor **e) {
        if (*e)
                (void)unit_free(&(*e)->base);
}

static const ExecutorOps unit_ops = {
        .name = "unit",
        .outlives_daemon = true,
        .name_unit = unit_name_unit,
        .start = unit_start,
        .adopt = unit_adopt,
        .stop = unit_stop,
        .drain = unit_drain,
        .acknowledge = unit_acknowledge,
        .free_execution = unit_free_execution,
        .free = unit_free,
};

static int executor_find_wrapper(UnitExecutor *e) {
        _cleanup_free_ char *path = NULL;

        if (string_format(&path, "%s/vakt-command", getenv("VAKTD_PROGRAM_DIR") ?: VAKT_PKGLIBDIR) < 0)
                return -ENOMEM;
        if (access(path, X_OK) >= 0)
                e->start.wrapper = TAKE_PTR(path);
        else
                log_warning_errno(errno,
                                  "Cannot use %s: %m. Jobs with '$' or ';' in a command fail if the service "
                                  "manager is reloaded while they start.",
                                  path);
        return 0;
}

int unit_executor_new_at(Executor **ret, sd_event *event, const ExecutorOptions *options, const char *address,
                         bool is_bus) {
        _cleanup_(unit_freep) UnitExecutor *e = NULL;
        const UnitConnectionOptions o = {
                .user_instance = options->user_instance,
                .address = address,
                .is_bus = is_bus,
        };
        int r;

        e = malloc(sizeof(*e));
        if (!e)
                return -ENOMEM;
        *e = (UnitExecutor){
                .base.ops = &unit_ops,
                .event = sd_event_ref(event),
                .callbacks = options->callbacks,
                .userdata = options->userdata,
                .user_instance = options->user_instance,
        };
        for (size_t i = 0; i < ELEMENTSOF(e->queues); i++)
                TAILQ_INIT(&e->queues[i]);
        TAILQ_INIT(&e->over);
        TAILQ_INIT(&e->unacknowledged);
        r = warm_init(e, options->runtime_dir);
        if (r >= 0)
                r = executor_find_wrapper(e);
        if (r >= 0 && !options->user_instance)
                r = environment_add_user(&e->start.login, /* uid= */ 0);
        if (r >= 0)
                r = files_directory_new(&e->directory, options->runtime_dir, "unit");
        if (r >= 0)
                r = event_add_turn(e->event, &e->over_source, "runs-over", on_over, e);
        if (r >= 0)
                r = executor_add_drained_source(e);
        if (r >= 0)
                r = executor_add_compare_timer(e);
        if (r >= 0)
                r = unit_connection_new(&e->connection, event, &o, &unit_connection_handler, e);
        if (r < 0)
                return r;
        unit_connection_open(e->connection); /* units that were forgotten are looked for at once */
        *ret = &TAKE_PTR(e)->base;
        return 0;
}

bool unit_executor_is_available(bool user_instance) {
        const char *directory = getenv("XDG_RUNTIME_DIR");
        _cleanup_free_ char *path = NULL;

        if (!user_instance)
                return sd_booted() > 0;
        return !isempty(directory) && string_format(&path, "%s/systemd/private", directory) >= 0 &&
               access(path, F_OK) == 0;
}

int unit_executor_new(Executor **ret, sd_event *event, const ExecutorOptions *options) {
        if (!unit_executor_is_available(options->user_instance))
                return -EHOSTDOWN;
        return unit_executor_new_at(ret, event, options, /* address= */ NULL, /* is_bus= */ false);
}
