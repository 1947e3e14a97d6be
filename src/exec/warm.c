/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Runs of jobs with Runner=warm. Which runner takes a run is decided when its unit is named, which is before it is
 * written down: so the ledger says where a run is before it can be there. A run that its runner did not take goes back
 * to core, which names another one and writes that down.
 *
 * Ends are reported from an event source of their own, as in exec-unit.c. The entry of a reported run stays in the
 * table of the runner until core has called acknowledge(). */

#include "exec/warm-internal.h"

#include "exec/environment.h"
#include "util/strv.h"
#include "util/turn.h"

#define REPORTS_PER_TURN 256

static const ExecutorOps warm_ops;

/* --- a run --- */

WarmOrder *warm_order_free(WarmOrder *o) {
        if (!o)
                return NULL;
        safe_close(o->list);
        return mfree(o);
}
DEFINE_CLEANUP(WarmOrder, warm_order_free)

void warm_run_enqueue(WarmRun *x, struct WarmQueue *queue) {
        if (x->in)
                TAILQ_REMOVE(x->in, x, queue);
        x->in = queue;
        if (queue)
                TAILQ_INSERT_TAIL(queue, x, queue);
}

static void warm_run_over(WarmRun *x) {
        WarmRunners *w = &x->runner->executor->warm;

        assert(x->state != WARM_OVER);
        x->state = WARM_OVER;
        x->order = warm_order_free(x->order);
        x->runner->n_active--;
        warm_run_enqueue(x, &w->over);
        (void)sd_event_source_set_enabled(w->over_source, SD_EVENT_ON);
        runner_note_idle(x->runner);
}

void warm_run_end(WarmRun *x, const ExecOutcome *outcome, const char *reason) {
        assert(outcome->result != RUN_RESULT_NONE);
        x->outcome = *outcome;
        x->reason = reason ? strdup(reason) : NULL;
        x->outcome.reason = x->reason;
        warm_run_over(x);
}

static void warm_run_put_back(WarmRun *x) {
        x->is_put_back = true;
        warm_run_over(x);
}

/* The runner does not know it, and will not. */
void warm_run_never_started(WarmRun *x, const char *reason) {
        ExecOutcome outcome = EXEC_OUTCOME_INIT;

        outcome.result = x->stop_result ?: RUN_RESULT_LOST;
        if (x->stop_result == RUN_RESULT_NONE && x->may_start)
                warm_run_put_back(x);
        else
                warm_run_end(x, &outcome,
                             x->stop_result != RUN_RESULT_NONE ? NULL
                             : reason                          ? reason
                                                               : "Its runner is gone, and its result is not known.");
}

static Execution *warm_free_execution(Execution *base) {
        WarmRun *x = (WarmRun *)base;
        Runner *r = x->runner;

        if (x->state != WARM_OVER) {
                r->n_active--;
                runner_note_idle(r);
        }
        if (x->entry < r->n_slots && r->slots[x->entry].x == x)
                r->slots[x->entry].x = NULL;
        warm_run_enqueue(x, NULL);
        TAILQ_REMOVE(&r->runs, x, of_runner);
        warm_order_free(x->order);
        job_def_unref(x->def);
        free(x->reason);
        free(x);
        (void)runner_free_if_done(r);
        return NULL;
}

static void warm_stop(Execution *base, RunResult result) {
        WarmRun *x = (WarmRun *)base;
        ExecOutcome outcome = EXEC_OUTCOME_INIT;

        if (x->stop_result != RUN_RESULT_NONE || x->state == WARM_OVER)
                return;
        x->stop_result = outcome.result = result;
        if (x->state == WARM_WAITING) {
                warm_run_end(x, &outcome, NULL);
                return;
        }
        runner_bound(x, /* timeout= */ 0);
        if (x->state == WARM_HELD) /* it says that it ends */
                runner_break(x->runner, /* problem= */ NULL);
        else if (x->state != WARM_UNSURE) {
                warm_run_enqueue(x, &x->runner->stops);
                runner_flush(x->runner);
        }
}

static const ExecutorOps warm_ops = {
        .name = "warm",
        .outlives_daemon = true,
        .stop = warm_stop,
        .free_execution = warm_free_execution,
};

/* --- going out --- */

static void warm_run_report(UnitExecutor *e, WarmRun *x) {
        Runner *r = x->runner;
        uint32_t entry = x->entry;
        const ExecOutcome outcome = x->outcome;
        const ExecIdentity identity = { .pid = x->untold, .unit = r->unit };
        char *reason;

        if (x->is_put_back) {
                e->callbacks.put_back(x->cookie); /* frees x */
                return;
        }
        if (entry < r->n_slots && r->slots[entry].x == x) {
                r->slots[entry].x = NULL;
                runner_tell_slot(r, entry);
        }
        if (x->untold > 0)
                e->callbacks.started(x->cookie, &identity);
        reason = TAKE_PTR(x->reason);            /* outcome's */
        e->callbacks.ended(x->cookie, &outcome); /* frees x */
        free(reason);
}

static int on_over(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        UnitExecutor *e = userdata;
        struct WarmQueue *over = &e->warm.over;

        for (unsigned i = 0; i < REPORTS_PER_TURN && !TAILQ_EMPTY(over); i++)
                warm_run_report(e, TAILQ_FIRST(over));
        if (TAILQ_EMPTY(over)) {
                (void)sd_event_source_set_enabled(s, SD_EVENT_OFF);
                executor_note_drained(e);
        }
        return 0;
}

void warm_acknowledge(UnitExecutor *e) {
        Runner *r;

        while ((r = TAILQ_FIRST(&e->warm.told))) {
                TAILQ_REMOVE(&e->warm.told, r, told);
                r->in_told = false;
                runner_acknowledge(r);
        }
}

/* --- which runner --- */

bool warm_is_wanted(const JobDef *def) {
        return def && def->rare->runner.kind == RUNNER_WARM && def->n_commands > 0 && def->rare->once_since == 0;
}

static Runner *find_by_unit(const UnitExecutor *e, const char *job, const char *unit) {
        for (UnitNode *n = unit_table_find(&e->warm.by_job, job); n; n = unit_table_find_next(n))
                if (streq(runner_of(n)->unit, unit))
                        return runner_of(n);
        return NULL;
}

/* One that is made of the same definition and has room. The others of the job get no more runs. */
static Runner *find_with_room(const UnitExecutor *e, const JobDef *def) {
        Runner *found = NULL;

        for (UnitNode *n = unit_table_find(&e->warm.by_job, def->name); n; n = unit_table_find_next(n)) {
                Runner *r = runner_of(n);

                if (r->is_retired)
                        continue;
                if (r->def->digest != def->digest || r->n_started + r->n_promised >= def->rare->runner.max_runs)
                        runner_retire(r);
                else if (r->n_active + r->n_promised < def->rare->runner.slots && r->n_used < RUNNER_ENTRIES)
                        found = r;
        }
        return found;
}

/* It is called for the run, or, since no name is used twice, by a higher number. */
static int add_runner(Runner **ret, UnitExecutor *e, const JobDef *def, uint64_t run) {
        uint64_t number = MAX(run, e->warm.last_number + 1);
        _cleanup_free_ char *unit = NULL;
        Runner *r;
        int k;

        k = unit_name_of_runner(&unit, def->name, number);
        if (k >= 0)
                k = runner_new(&r, e, def->name, unit, number);
        if (k < 0)
                return k;
        r->def = job_def_ref((JobDef *)def);
        *ret = r;
        return 0;
}

int warm_name_unit(UnitExecutor *e, const JobDef *def, const RunRecord *run, char **ret) {
        Runner *r = find_with_room(e, def);
        char *unit;
        int k = 0;

        if (!r)
                k = add_runner(&r, e, def, run->id);
        unit = k < 0 ? NULL : strdup(r->unit);
        if (!unit)
                return -ENOMEM;
        r->n_promised++;
        runner_note_idle(r); /* should nobody come after all */
        *ret = unit;
        return 0;
}

/* --- coming in --- */

/* Its variables one after the other, as they are sent. */
static WarmOrder *order_of_variables(char *const *variables) {
        WarmOrder *o;
        size_t size = 0;
        char *p;

        STRV_FOREACH(s, variables)
                size += strlen(*s) + 1;
        o = malloc(sizeof(*o) + size);
        if (!o)
                return NULL;
        *o = (WarmOrder){ .list = -EBADF, .size = (uint32_t)size };
        p = o->variables;
        STRV_FOREACH(s, variables)
                p = stpcpy(p, *s) + 1;
        return o;
}

static int order_new(WarmOrder **ret, const ExecutionRequest *request) {
        _cleanup_(strv_freep) char **variables = NULL;
        _cleanup_(warm_order_freep) WarmOrder *o = NULL;
        int r;

        r = environment_for_run(&variables, /* base= */ NULL, request, /* list= */ NULL);
        if (r < 0)
                return r;
        o = order_of_variables(variables);
        if (!o)
                return -ENOMEM;
        o->timeout = request->timeout;
        if (request->follow)
                o->flags |= RUNNER_FOLLOW;
        if (request->paths && !request->one_path) {
                o->flags |= RUNNER_HAS_LIST | (paths_are_input(request->def) ? RUNNER_LIST_INPUT : 0U);
                o->list = memory_file_write("vakt-paths", request->paths, request->paths_size);
                if (o->list < 0)
                        return o->list;
        }
        *ret = TAKE_PTR(o);
        return 0;
}

static WarmRun *warm_run_new(Runner *r, const ExecutionRequest *request, void *cookie) {
        WarmRun *x = malloc(sizeof(*x));

        if (!x)
                return NULL;
        *x = (WarmRun){
                .base.ops = &warm_ops,
                .runner = r,
                .cookie = cookie,
                .def = job_def_ref((JobDef *)request->def),
                .run = request->run->id,
                .begun = request->run->started,
                .entry = UINT32_MAX,
                .deadline = USEC_INFINITY,
        };
        TAILQ_INSERT_TAIL(&r->runs, x, of_runner);
        r->n_active++;
        return x;
}

/* What cannot go on there is put back, so that another runner is written down for it. */
int warm_start(UnitExecutor *e, const ExecutionRequest *request, void *cookie, Execution **ret) {
        Runner *r = request->run->unit ? find_by_unit(e, request->run->job, request->run->unit) : NULL;
        WarmRun *x;
        int k = 0;

        if (!r)
                return -ENOMEM; /* its unit could not be named */
        r->n_promised -= r->n_promised > 0;
        x = warm_run_new(r, request, cookie);
        if (!x)
                return -ENOMEM;
        x->state = WARM_WAITING;
        x->may_start = true;
        if (r->life >= RUNNER_BROKEN || e->is_held || e->is_draining) {
                warm_run_put_back(x);
                *ret = &x->base;
                return 0;
        }
        k = order_new(&x->order, request);
        if (k >= 0 && r->life == RUNNER_NAMED)
                k = runner_launch(r);
        if (k < 0) {
                (void)warm_free_execution(&x->base);
                return k;
        }
        r->n_started++;
        warm_run_enqueue(x, &r->waiting);
        *ret = &x->base;
        runner_flush(r);
        return 0;
}

int warm_adopt(UnitExecutor *e, const ExecutionRequest *request, void *cookie, Execution **ret) {
        const RunRecord *run = request->run;
        Runner *r = find_by_unit(e, run->job, run->unit);
        char job[JOB_NAME_MAX + 1];
        uint64_t number;
        WarmRun *x;
        int k;

        if (!r) {
                if (!unit_name_parse_runner(run->unit, job, &number))
                        return -EINVAL;
                k = runner_new(&r, e, job, run->unit, number);
                if (k >= 0)
                        k = runner_adopt(r, run);
                if (k < 0)
                        return k;
        }
        x = warm_run_new(r, request, cookie);
        if (!x)
                return -ENOMEM;
        x->state = WARM_UNSURE;
        x->may_start = run->state == RUN_STARTING && request->def && !request->other_boot;
        x->stop_result = run->state == RUN_STOPPING ? RUN_RESULT_CANCELLED : RUN_RESULT_NONE;
        runner_bound(x, usec_sub(request->timeout, usec_sub(now_realtime(), run->started)));
        *ret = &x->base;
        return 0;
}

/* --- the executor --- */

static void put_waiting_back(Runner *r) {
        WarmRun *x;

        while ((x = TAILQ_FIRST(&r->waiting)))
                warm_run_put_back(x);
}

void warm_put_waiting_back(UnitExecutor *e) {
        UNIT_TABLE_FOREACH(node, &e->warm.by_job)
                put_waiting_back(runner_of(node));
}

static bool has_held(const Runner *r) {
        const WarmRun *x;

        TAILQ_FOREACH(x, &r->runs, of_runner)
                if (x->state == WARM_HELD)
                        return true;
        return false;
}

bool warm_is_drained(const UnitExecutor *e) {
        if (!TAILQ_EMPTY(&e->warm.over))
                return false;
        UNIT_TABLE_FOREACH(node, &e->warm.by_job)
                if (has_held(runner_of(node)))
                        return false;
        return true;
}

int warm_init(UnitExecutor *e, const char *runtime_dir) {
        WarmRunners *w = &e->warm;

        w->directory = -EBADF;
        TAILQ_INIT(&w->told);
        TAILQ_INIT(&w->over);
        if (runtime_dir && string_format(&w->path, "%s/runners", runtime_dir) < 0)
                return -ENOMEM;
        return event_add_turn(e->event, &w->over_source, "warm-runs-over", on_over, e);
}

void warm_done(UnitExecutor *e) {
        WarmRunners *w = &e->warm;
        UnitNode *node;

        assert(TAILQ_EMPTY(&w->over));
        while ((node = unit_table_any(&w->by_job)))
                runner_free(runner_of(node));
        sd_event_source_disable_unref(w->over_source);
        safe_close(w->directory);
        free(w->path);
        free(w->message);
        free(w->strangers);
}
