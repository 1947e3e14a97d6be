/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A runner, from its start to its end. Its unit is followed as that of a run is, by an execution of the unit executor:
 * refused starts, shutdowns, lost calls, a service manager that executes itself anew, and the next daemon, all that is
 * there. What is told of it comes to the callbacks here.
 *
 * That it is over is said by its unit alone. What its runs have come to is then read from its table: no process of
 * them is left that could change it. */

#include <fcntl.h>

#include "exec/warm-internal.h"
#include "util/array.h"
#include "util/log.h"
#include "util/strv.h"
#include "util/turn.h"

#define IDLE_ACCURACY_USEC (100 * USEC_PER_MSEC)
#define GRACE_USEC         (RUNNER_LINES_USEC + 5 * USEC_PER_SEC) /* for a runner to tell that a run has ended */
#define HANG_UP_USEC       (5 * USEC_PER_SEC)                     /* for its unit to end by itself */
#define GREET_USEC         (90 * USEC_PER_SEC)                    /* from being connected to its answer */
#define CONNECT_AGAIN_USEC (USEC_PER_SEC / 4)                     /* where descriptors or memory are short */
#define EXIT_USEC          (10 * USEC_PER_SEC)                    /* from the word to end to being stopped */

static const ExecutorCallbacks runner_callbacks;

static void connect_or_try_again(Runner *r);

/* --- being there --- */

int runner_new(Runner **ret, UnitExecutor *e, const char *job, const char *unit, uint64_t number) {
        _cleanup_free_ Runner *r = malloc(sizeof(*r));
        _cleanup_free_ char *name = strdup(job), *copy = strdup(unit);

        if (!r || !name || !copy)
                return -ENOMEM;
        *r = (Runner){
                .by_job.name = name,
                .executor = e,
                .unit = copy,
                .number = number,
                .listener = -EBADF,
                .fd = -EBADF,
                .greet_by = USEC_INFINITY,
        };
        TAILQ_INIT(&r->runs);
        TAILQ_INIT(&r->waiting);
        TAILQ_INIT(&r->stops);
        if (unit_table_add(&e->warm.by_job, &r->by_job) < 0)
                return -ENOMEM;
        (void)TAKE_PTR(name);
        (void)TAKE_PTR(copy);
        e->warm.last_number = MAX(e->warm.last_number, number);
        *ret = TAKE_PTR(r);
        return 0;
}

/* Its unit stays. */
void runner_free(Runner *r) {
        UnitExecutor *e = r->executor;

        assert(TAILQ_EMPTY(&r->runs));
        if (r->execution)
                (void)execution_free(&r->execution->base);
        if (r->in_told)
                TAILQ_REMOVE(&e->warm.told, r, told);
        unit_table_remove(&e->warm.by_job, &r->by_job);
        sd_event_source_disable_unref(r->source);
        sd_event_source_disable_unref(r->idle);
        sd_event_source_disable_unref(r->bound);
        safe_close(r->listener);
        safe_close(r->fd);
        job_def_unref(r->def);
        free(r->slots);
        free(r->unit);
        free(r->by_job.name);
        free(r);
}

/* Nothing needs it any more. */
static bool runner_is_done(const Runner *r) {
        return (r->life == RUNNER_OVER || (r->life == RUNNER_NAMED && r->n_promised == 0)) && TAILQ_EMPTY(&r->runs) &&
               r->n_used == 0;
}

bool runner_free_if_done(Runner *r) {
        if (!runner_is_done(r))
                return false;
        if (r->life == RUNNER_OVER) /* all that they tell is written */
                runner_remove_files(&r->executor->warm, r->number);
        runner_free(r);
        return true;
}

static void request_of_unit(const Runner *r, const JobDef *def, const RunRecord *record, ExecutionRequest *ret) {
        *ret = (ExecutionRequest){ .def = def, .run = record, .timeout = USEC_INFINITY };
}

static int launch(Runner *r) {
        WarmRunners *w = &r->executor->warm;
        _cleanup_(job_def_unrefp) JobDef *def = NULL;
        _cleanup_close_ int table = -EBADF;
        RunRecord record = RUN_RECORD_INIT;
        ExecutionRequest request;
        UnitOwner owner = { .callbacks = &runner_callbacks };
        int k;

        assert(r->life == RUNNER_NAMED && r->def);
        r->listener = safe_close(r->listener); /* of a try that failed */
        k = warm_open_directory(w);
        if (k >= 0)
                k = runner_def_new(&def, r->def);
        if (k < 0)
                return k;
        runner_remove_files(w, r->number); /* of a daemon that died right here */
        table = runner_open_table(w, r->number, /* make= */ true);
        if (table < 0)
                return table;
        k = posix_fallocate(table, 0, RUNNER_ENTRIES * sizeof(RunnerEntry)); /* or no room is the runner's death */
        if (k > 0)
                return -k;
        r->listener = runner_listen(w, r->number);
        if (r->listener < 0)
                return r->listener;
        record.id = r->number;
        record.job = r->by_job.name;
        record.unit = r->unit;
        request_of_unit(r, def, &record, &request);
        owner.listener = r->listener;
        k = unit_execution_start(r->executor, &request, &owner, r, &r->execution);
        if (k >= 0)
                r->life = RUNNER_ASKED;
        return k;
}

int runner_launch(Runner *r) {
        int k = launch(r);

        if (k < 0) /* not least where there is no room */
                runner_remove_files(&r->executor->warm, r->number);
        return k;
}

/* It is not known of which definition it was made, so it gets no more runs. */
int runner_adopt(Runner *r, const RunRecord *run) {
        const UnitOwner owner = { .callbacks = &runner_callbacks };
        RunRecord record = RUN_RECORD_INIT;
        ExecutionRequest request;
        int k;

        record.id = r->number;
        record.job = r->by_job.name;
        record.unit = r->unit;
        record.state = RUN_RUNNING; /* it is not started anew */
        record.started = run->started;
        request_of_unit(r, /* def= */ NULL, &record, &request);
        (void)warm_open_directory(&r->executor->warm);
        k = unit_execution_adopt(r->executor, &request, &owner, r, &r->execution);
        if (k < 0) {
                runner_free(r);
                return k;
        }
        r->life = RUNNER_ASKED;
        r->is_retired = r->is_useful = true;
        return 0;
}

void runner_retire(Runner *r) {
        r->is_retired = true;
        runner_flush(r);
}

/* --- without a run --- */

static bool is_idle(const Runner *r) {
        return r->n_active == 0;
}

static void arm_idle(Runner *r, usec_t delay) {
        if (sd_event_source_set_time_relative(r->idle, delay) >= 0)
                (void)sd_event_source_set_enabled(r->idle, SD_EVENT_ONESHOT);
}

static void idle_is_over(Runner *r) {
        r->n_promised = 0; /* who was named has come by now, or never will */
        if (runner_free_if_done(r))
                return;
        if (r->is_told_to_exit)
                runner_break(r, /* problem= */ NULL); /* it does not obey */
        else
                runner_retire(r);
        if (r->life < RUNNER_BROKEN)
                arm_idle(r, EXIT_USEC);
}

static int on_idle(sd_event_source *s, uint64_t usec, void *userdata) {
        Runner *r = userdata;
        usec_t now = now_clock(CLOCK_MONOTONIC), idle = r->is_retired ? EXIT_USEC : r->def->rare->runner.idle;
        usec_t at = usec_add(r->idle_since, idle);

        if (!is_idle(r) || at == USEC_INFINITY)
                return 0;
        if (at > now)
                arm_idle(r, at - now);
        else
                idle_is_over(r);
        return 0;
}

/* The timer is not moved with each run: it finds out for itself that there was one. */
void runner_note_idle(Runner *r) {
        usec_t idle = r->is_retired ? EXIT_USEC : r->def->rare->runner.idle;
        int enabled = SD_EVENT_OFF;

        if (!is_idle(r) || r->life >= RUNNER_BROKEN)
                return;
        r->idle_since = now_clock(CLOCK_MONOTONIC);
        if (!r->idle && event_add_timer(r->executor->event, &r->idle, "runner-idle", CLOCK_MONOTONIC,
                                        IDLE_ACCURACY_USEC, on_idle, r) < 0)
                return;
        if (sd_event_source_get_enabled(r->idle, &enabled) >= 0 && enabled != SD_EVENT_OFF && !r->is_retired)
                return;
        if (idle < USEC_INFINITY)
                arm_idle(r, idle);
}

/* --- runs that take too long --- */

/* From the first signal to its end; USEC_INFINITY: however long it takes. */
static usec_t stop_time(const JobDef *def) {
        const UnitValue *stop = def ? job_def_setting(def, "TimeoutStopUSec") : NULL,
                        *kill = def ? job_def_setting(def, "SendSIGKILL") : NULL;

        if ((kill && kill->number == 0) || (stop && stop->number == 0))
                return USEC_INFINITY;
        return stop ? stop->number : RUNNER_STOP_USEC;
}

static void arm_bound(Runner *r, usec_t at) {
        r->bound_at = at;
        if (sd_event_source_set_time(r->bound, at) >= 0)
                (void)sd_event_source_set_enabled(r->bound, SD_EVENT_ONESHOT);
}

static void end_unit(Runner *r) {
        if (r->is_ended)
                return;
        r->is_ended = true;
        r->execution->base.ops->stop(&r->execution->base, RUN_RESULT_CANCELLED);
}

static int on_bound(sd_event_source *s, uint64_t usec, void *userdata) {
        Runner *r = userdata;
        usec_t now = now_clock(CLOCK_MONOTONIC), at = r->greet_by;
        const WarmRun *x;

        TAILQ_FOREACH(x, &r->runs, of_runner)
                if (x->state < WARM_OVER)
                        at = MIN(at, x->deadline);
        r->bound_at = USEC_INFINITY;
        if (r->life == RUNNER_ASKED && r->is_unheard)
                connect_or_try_again(r);
        else if (r->life == RUNNER_BROKEN)
                end_unit(r);
        else if (r->greet_by <= now)
                runner_break(r, "it has not answered in time");
        else if (at <= now)
                runner_break(r, "a run has not ended within its time");
        else if (at < USEC_INFINITY)
                arm_bound(r, at);
        return 0;
}

/* False: there is no memory for it. */
static bool bound_at(Runner *r, usec_t at) {
        if (at == USEC_INFINITY || r->life >= RUNNER_BROKEN)
                return true;
        if (!r->bound) {
                if (event_add_timer(r->executor->event, &r->bound, "runner-bound", CLOCK_MONOTONIC, IDLE_ACCURACY_USEC,
                                    on_bound, r) < 0)
                        return false;
                r->bound_at = USEC_INFINITY;
        }
        if (at < r->bound_at)
                arm_bound(r, at);
        return true;
}

/* The runner counts the time of its runs, and may be anything by now. Few runs come near to their time: so there is
 * one timer for all of them, which is moved when an earlier one comes. */
void runner_bound(WarmRun *x, usec_t timeout) {
        Runner *r = x->runner;
        usec_t span = usec_add(usec_add(timeout, stop_time(x->def)), GRACE_USEC);

        x->deadline = MIN(x->deadline, usec_add(now_clock(CLOCK_MONOTONIC), span));
        (void)bound_at(r, x->deadline);
}

/* One that was stopped (SIGSTOP), or cannot hear (SystemCallFilter=), would keep its runs from beginning. One that was
 * adopted has runs that go on without us. */
void runner_bound_greeting(Runner *r) {
        r->greet_by = r->is_greeted || !r->def ? USEC_INFINITY : usec_add(now_clock(CLOCK_MONOTONIC), GREET_USEC);
        (void)bound_at(r, r->greet_by);
}

/* --- entries --- */

RunnerSlot *runner_take_slot(Runner *r, uint32_t i, uint64_t run, WarmRun *x) {
        while (r->n_slots <= i) {
                RunnerSlot *slot = ARRAY_NEXT(r->slots, r->n_slots);

                if (!slot)
                        return NULL;
                *slot = (RunnerSlot){ .next = r->free };
                r->free = (uint32_t)++r->n_slots;
        }
        for (uint32_t *at = &r->free; *at > 0; at = &r->slots[*at - 1].next)
                if (*at == i + 1) {
                        *at = r->slots[i].next;
                        break;
                }
        assert(r->slots[i].run == 0);
        r->slots[i] = (RunnerSlot){ .run = run, .last = r->slots[i].last, .x = x };
        r->n_used++;
        if (x)
                x->entry = i;
        return &r->slots[i];
}

void runner_tell_slot(Runner *r, uint32_t i) {
        r->slots[i].next = r->reported;
        r->reported = i + 1;
        if (!r->in_told)
                TAILQ_INSERT_TAIL(&r->executor->warm.told, r, told);
        r->in_told = true;
}

void runner_acknowledge(Runner *r) {
        while (r->reported > 0) {
                RunnerSlot *slot = &r->slots[r->reported - 1];
                uint32_t next = slot->next;

                if (r->life == RUNNER_OVER)
                        r->n_used--;
                else {
                        slot->next = r->acks;
                        r->acks = r->reported;
                        r->n_acks++;
                }
                r->reported = next;
        }
        if (!runner_free_if_done(r))
                runner_flush(r);
}

/* --- its unit --- */

/* One that has hung up is ending, mostly, and how is heard from its unit: that would have been stopped by us if we
 * were the first. */
void runner_break(Runner *r, const char *problem) {
        bool ends_by_itself = !problem && bound_at(r, usec_add(now_clock(CLOCK_MONOTONIC), HANG_UP_USEC));
        LogContext c = { .job = r->by_job.name };

        if (r->life >= RUNNER_BROKEN)
                return;
        r->life = RUNNER_BROKEN;
        r->is_retired = true;
        r->problem = problem;
        if (problem)
                log_message(LOG_WARNING, &c, "The runner %s is stopped: %s.", r->unit, problem);
        r->source = sd_event_source_disable_unref(r->source);
        r->fd = safe_close(r->fd);
        if (!ends_by_itself)
                end_unit(r);
}

/* What we are short of for now may be there again soon. */
static void connect_or_try_again(Runner *r) {
        static const int passing[] = { -EMFILE, -ENFILE, -ENOMEM, -ENOBUFS, -EAGAIN };
        LogContext c = { .job = r->by_job.name };
        int k = runner_connect(r);
        bool is_passing = false;

        if (k >= 0) {
                r->is_unheard = false;
                return;
        }
        for (size_t i = 0; i < ELEMENTSOF(passing); i++)
                is_passing = is_passing || k == passing[i];
        if (!r->is_unheard)
                log_message(LOG_WARNING, &c, "Cannot connect to the runner %s%s: %s", r->unit,
                            is_passing ? ", trying again" : "", strerror(-k));
        r->is_unheard = is_passing;
        if (!is_passing || !bound_at(r, usec_add(now_clock(CLOCK_MONOTONIC), CONNECT_AGAIN_USEC)))
                runner_break(r, /* problem= */ NULL);
}

static void on_runner_started(void *cookie, const ExecIdentity *identity) {
        Runner *r = cookie;

        r->listener = safe_close(r->listener); /* the service manager has it */
        if (r->life != RUNNER_ASKED)
                return;
        connect_or_try_again(r);
}

static void on_runner_status(void *cookie, const char *text) {
}

/* Trying again would not help one that did not come up, or that we had to end. */
static const char *useless_because(const Runner *r, const ExecOutcome *unit, char buffer[static UNIT_REASON_MAX]) {
        if (r->is_useful || unit->result == RUN_RESULT_LOST || r->executor->is_held || r->is_unheard)
                return NULL;
        if (r->problem)
                return runner_loss(r, unit, buffer);
        if (unit->result == RUN_RESULT_CANCELLED && !r->is_ended)
                return NULL;
        return unit->result == RUN_RESULT_START_FAILED ? unit->reason : "Its runner has ended before it took a run.";
}

/* Those that the table does not know were surely never started. */
static void settle_rest(Runner *r, const ExecOutcome *unit, const char *failure) {
        WarmRun *x, *next;

        for (x = TAILQ_FIRST(&r->runs); x; x = next) {
                ExecOutcome outcome = EXEC_OUTCOME_INIT;

                next = TAILQ_NEXT(x, of_runner);
                if (x->state == WARM_OVER)
                        continue;
                if (x->state == WARM_RUNNING || x->state == WARM_HELD) { /* whatever the table says now */
                        warm_run_lost(x, unit);
                        continue;
                }
                outcome.result = RUN_RESULT_START_FAILED;
                outcome.code = unit->result == RUN_RESULT_START_FAILED ? unit->code : 0;
                if (failure && x->stop_result == RUN_RESULT_NONE)
                        warm_run_end(x, &outcome, failure);
                else
                        warm_run_never_started(x, unit->result == RUN_RESULT_LOST ? unit->reason : NULL);
        }
}

static void runner_over(Runner *r, const ExecOutcome *outcome) {
        ExecOutcome copy = *outcome;
        const ExecOutcome *unit = &copy;
        char buffer[UNIT_REASON_MAX];
        const char *failure;

        if (streq(r->execution->facts.result, "oom-kill")) /* whether we have stopped what was left of it or not */
                copy.result = RUN_RESULT_OOM;
        (void)runner_read_table(r, unit);
        failure = useless_because(r, unit, buffer);
        r->life = RUNNER_OVER;
        r->is_retired = true;
        r->source = sd_event_source_disable_unref(r->source);
        r->idle = sd_event_source_disable_unref(r->idle);
        r->bound = sd_event_source_disable_unref(r->bound);
        r->fd = safe_close(r->fd);
        r->listener = safe_close(r->listener);
        for (; r->acks > 0; r->acks = r->slots[r->acks - 1].next)
                r->n_used--;
        settle_rest(r, unit, failure);
        (void)execution_free(&TAKE_PTR(r->execution)->base);
        (void)runner_free_if_done(r);
}

static void on_runner_ended(void *cookie, const ExecOutcome *outcome) {
        runner_over(cookie, outcome);
}

static void on_runner_put_back(void *cookie) {
        const ExecOutcome outcome = { .result = RUN_RESULT_LOST };

        runner_over(cookie, &outcome);
}

static const ExecutorCallbacks runner_callbacks = {
        .started = on_runner_started,
        .status = on_runner_status,
        .ended = on_runner_ended,
        .put_back = on_runner_put_back,
};
