/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "fake-executor.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include <signal.h>
#include <sys/queue.h>

#include "fake-clock.h"

#define REPORTS_PER_TURN 4

typedef struct FakeExecutor FakeExecutor;
typedef struct FakeExecution FakeExecution;

/* What the service manager knows; times of CLOCK_BOOTTIME. */
typedef struct Unit {
        TAILQ_ENTRY(Unit) units;
        uint64_t id;
        char job[JOB_NAME_MAX + 1];
        usec_t started, ends;
        ExecOutcome outcome;
        bool is_reported; /* to this daemon */
} Unit;

/* What a daemon holds. */
struct FakeExecution {
        Execution execution;
        TAILQ_ENTRY(FakeExecution) executions;
        FakeExecutor *executor;
        void *cookie;
        uint64_t id;
        Unit *unit; /* NULL: there is none: lost, or to be put back */
        bool put_back, told_started;
};

struct FakeExecutor {
        Executor executor;
        ExecutorOptions options;
        sd_event *event;
        sd_event_source *timer;
        TAILQ_HEAD(, FakeExecution) executions;
        bool surveyed, holds;
        usec_t drained; /* when that is to be said; USEC_INFINITY = not */
};

FakeWorld fake_world;
static TAILQ_HEAD(, Unit) units = TAILQ_HEAD_INITIALIZER(units);
static FakeExecutor *current;
static bool is_held;

int __wrap_unit_executor_new(Executor **ret, sd_event *event, const ExecutorOptions *options);
static const ExecutorOps ops;

static Unit *find_unit(uint64_t id) {
        Unit *u;

        TAILQ_FOREACH(u, &units, units)
                if (u->id == id)
                        return u;
        return NULL;
}

static void remove_unit(Unit *u) {
        TAILQ_REMOVE(&units, u, units);
        free(u);
}

static ExecOutcome random_outcome(void) {
        static const RunResult failures[] = { RUN_RESULT_EXIT, RUN_RESULT_EXIT, RUN_RESULT_SIGNAL,
                                              RUN_RESULT_OOM,  RUN_RESULT_LOST, RUN_RESULT_START_FAILED,
                                              RUN_RESULT_EXIT };
        ExecOutcome o = EXEC_OUTCOME_INIT;

        o.result = fake_world.random(4) > 0 ? RUN_RESULT_SUCCESS : failures[fake_world.random(ELEMENTSOF(failures))];
        o.code = o.result == RUN_RESULT_EXIT ? 1 : o.result == RUN_RESULT_SIGNAL ? SIGSEGV : 0;
        return o;
}

static usec_t random_span(void) {
        static const usec_t bounds[] = { USEC_PER_MSEC,        USEC_PER_SEC,      USEC_PER_MINUTE,
                                         10 * USEC_PER_MINUTE, 2 * USEC_PER_HOUR, USEC_PER_MINUTE };

        return fake_world.random(bounds[fake_world.random(ELEMENTSOF(bounds))]);
}

static Unit *begin_unit(const ExecutionRequest *request) {
        Unit *u = calloc(1, sizeof(*u));
        usec_t takes = random_span();

        assert_non_null(u);
        assert_null(find_unit(request->run->id));
        u->id = request->run->id;
        (void)snprintf(u->job, sizeof(u->job), "%s", request->run->job);
        u->outcome = random_outcome();
        u->started = usec_add(fake_clock.boottime, fake_world.random(4) == 0 ? fake_world.random(USEC_PER_SEC) : 0);
        if (takes > request->timeout) {
                u->outcome.result = RUN_RESULT_TIMEOUT;
                takes = request->timeout;
        }
        u->ends = usec_add(u->started, takes);
        fake_world.began(u->id, request); /* looks at what runs beside it */
        TAILQ_INSERT_TAIL(&units, u, units);
        return u;
}

/* --- reports --- */

static usec_t due_at(const FakeExecution *x) {
        return !x->unit ? 0 : x->told_started ? x->unit->ends : x->unit->started;
}

static void arm(FakeExecutor *e) {
        usec_t at = e->surveyed ? e->drained : 0;
        const FakeExecution *x;

        TAILQ_FOREACH(x, &e->executions, executions)
                at = MIN(at, due_at(x));
        (void)sd_event_source_set_time(e->timer, at);
        (void)sd_event_source_set_enabled(e->timer, at == USEC_INFINITY ? SD_EVENT_OFF : SD_EVENT_ONESHOT);
}

/* What runs and that nobody asked for is written, and was only not released; there is nothing else on this machine. */
static void survey(FakeExecutor *e) {
        Unit *u, *next;

        for (u = TAILQ_FIRST(&units); u; u = next) {
                const FakeExecution *x;
                bool is_known = false;

                next = TAILQ_NEXT(u, units);
                TAILQ_FOREACH(x, &e->executions, executions)
                        is_known = is_known || x->unit == u;
                if (is_known || u->is_reported)
                        continue;
                assert_int_equal(e->options.callbacks.found(e->options.userdata, u->job, u->id), EXEC_FOUND_WRITTEN);
                remove_unit(u);
        }
        e->surveyed = true;
        e->options.callbacks.surveyed(e->options.userdata);
}

static void report(FakeExecution *x) {
        const ExecutorCallbacks *c = &x->executor->options.callbacks;
        char name[128];
        ExecOutcome o = EXEC_OUTCOME_INIT;

        if (x->put_back) {
                fake_world.put_back(x->id);
                c->put_back(x->cookie);
        } else if (!x->unit) {
                o.result = RUN_RESULT_LOST;
                fake_world.reported(x->id, o.result);
                c->ended(x->cookie, &o);
        } else if (!x->told_started) {
                ExecIdentity identity = { .pid = 1000 + (pid_t)(x->id % 30000), .unit = name };

                (void)snprintf(name, sizeof(name), "vakt-%s-%" PRIu64 ".service", x->unit->job, x->id);
                x->told_started = true;
                c->started(x->cookie, &identity);
        } else {
                x->unit->is_reported = true;
                fake_world.reported(x->id, x->unit->outcome.result);
                c->ended(x->cookie, &x->unit->outcome);
        }
}

/* What is being started has not begun yet, and does not. */
static void tell_held(FakeExecutor *e) {
        FakeExecution *x;

        e->holds = false;
        e->options.callbacks.held(e->options.userdata, is_held);
        TAILQ_FOREACH(x, &e->executions, executions)
                if (is_held && x->unit && !x->told_started && x->unit->started > fake_clock.boottime) {
                        remove_unit(x->unit);
                        x->unit = NULL;
                        x->put_back = true;
                }
}

static int on_timer(sd_event_source *s, uint64_t usec, void *userdata) {
        FakeExecutor *e = userdata;
        FakeExecution *x;

        if (!e->surveyed && !fake_world.is_mute)
                survey(e);
        e->surveyed = true;
        if (e->holds)
                tell_held(e);
        for (unsigned n = 0; n < REPORTS_PER_TURN && !fake_world.is_dead(); n++) {
                TAILQ_FOREACH(x, &e->executions, executions)
                        if (due_at(x) <= fake_clock.boottime)
                                break;
                if (!x)
                        break;
                report(x);
        }
        if (e->drained <= fake_clock.boottime) {
                e->drained = USEC_INFINITY;
                e->options.callbacks.drained(e->options.userdata);
        }
        arm(e);
        return 0;
}

/* --- the operations of an executor --- */

static int fake_name_unit(Executor *e, const JobDef *def, const RunRecord *run, char **ret) {
        return asprintf(ret, "vakt-%s-%" PRIu64 ".service", run->job, run->id) < 0 ? -ENOMEM : 0;
}

static void add_execution(FakeExecutor *e, const ExecutionRequest *request, void *cookie, Unit *u, Execution **ret) {
        FakeExecution *x = calloc(1, sizeof(*x));

        assert_non_null(x);
        *x = (FakeExecution){
                .execution.ops = &ops, .executor = e, .cookie = cookie, .id = request->run->id, .unit = u
        };
        TAILQ_INSERT_TAIL(&e->executions, x, executions);
        *ret = &x->execution;
        arm(e);
}

static int fake_start(Executor *executor, const ExecutionRequest *request, void *cookie, Execution **ret) {
        FakeExecutor *e = (FakeExecutor *)executor;

        if (fake_world.is_dead())
                return -EIO;
        if (fake_world.random(200) == 0)
                return -E2BIG;
        if (!is_held && fake_world.random(2000) == 0) /* the machine goes down, which is heard of by that */
                is_held = e->holds = true;
        add_execution(e, request, cookie, is_held ? NULL : begin_unit(request), ret);
        ((FakeExecution *)*ret)->put_back = is_held;
        return 0;
}

static int fake_adopt(Executor *executor, const ExecutionRequest *request, void *cookie, Execution **ret) {
        Unit *u = find_unit(request->run->id);

        if (fake_world.adopted)
                fake_world.adopted(request);
        if (!u && !request->other_boot && request->def && request->run->state == RUN_STARTING)
                u = begin_unit(request);
        if (!u)
                assert_true(request->other_boot || request->run->state != RUN_RUNNING);
        add_execution((FakeExecutor *)executor, request, cookie, u, ret);
        return 0;
}

static void fake_stop(Execution *execution, RunResult result) {
        FakeExecution *x = (FakeExecution *)execution;
        Unit *u = x->unit;

        if (fake_world.stopped)
                fake_world.stopped(x->id, result);
        if (!u || fake_world.is_dead() || u->ends <= fake_clock.boottime)
                return;
        if (fake_world.random(8) > 0) {
                u->outcome = (ExecOutcome)EXEC_OUTCOME_INIT;
                u->outcome.result = result;
        }
        u->ends = MAX(u->started, usec_add(fake_clock.boottime, fake_world.random(10 * USEC_PER_SEC)));
        arm(x->executor);
}

static bool fake_drain(Executor *executor) {
        FakeExecutor *e = (FakeExecutor *)executor;

        switch (fake_world.random(4)) {
        case 0:
                e->drained = usec_add(fake_clock.boottime, fake_world.random(3 * USEC_PER_SEC));
                arm(e);
                return false;
        case 1: /* it does not answer */
                return false;
        default:
                return true;
        }
}

static void fake_acknowledge(Executor *executor) {
        Unit *u, *next;

        for (u = fake_world.is_dead() ? NULL : TAILQ_FIRST(&units); u; u = next) {
                next = TAILQ_NEXT(u, units);
                if (!u->is_reported)
                        continue;
                fake_world.released(u->id);
                remove_unit(u);
        }
}

static Execution *fake_free_execution(Execution *execution) {
        FakeExecution *x = (FakeExecution *)execution;

        TAILQ_REMOVE(&x->executor->executions, x, executions);
        free(x);
        return NULL;
}

static Executor *fake_free(Executor *executor) {
        FakeExecutor *e = (FakeExecutor *)executor;

        assert_true(TAILQ_EMPTY(&e->executions));
        sd_event_source_disable_unref(e->timer);
        if (current == e)
                current = NULL;
        free(e);
        return NULL;
}

static const ExecutorOps ops = {
        .name = "unit",
        .outlives_daemon = true,
        .name_unit = fake_name_unit,
        .start = fake_start,
        .adopt = fake_adopt,
        .stop = fake_stop,
        .drain = fake_drain,
        .acknowledge = fake_acknowledge,
        .free_execution = fake_free_execution,
        .free = fake_free,
};

int __wrap_unit_executor_new(Executor **ret, sd_event *event, const ExecutorOptions *options) {
        FakeExecutor *e = calloc(1, sizeof(*e));
        Unit *u;

        assert_non_null(e);
        e->executor.ops = &ops;
        e->options = *options;
        e->drained = USEC_INFINITY;
        TAILQ_INIT(&e->executions);
        assert_int_equal(sd_event_add_time(event, &e->timer, CLOCK_BOOTTIME, 0, 1, on_timer, e), 0);
        TAILQ_FOREACH(u, &units, units)
                u->is_reported = false;
        is_held = false;
        current = e;
        *ret = &e->executor;
        return 0;
}

/* --- the machine --- */

void fake_world_down(void) {
        while (!TAILQ_EMPTY(&units))
                remove_unit(TAILQ_FIRST(&units));
}

void fake_world_add(const char *job, uint64_t id) {
        const JobDef def = job_def_defaults.def;
        const RunRecord run = { .job = job, .id = id, .unit = "" };

        (void)begin_unit(&(ExecutionRequest){ .def = &def, .run = &run, .timeout = USEC_INFINITY });
}

void fake_world_forget(uint64_t id) {
        Unit *u = find_unit(id);
        const FakeExecution *x;

        if (!u)
                return;
        for (x = current ? TAILQ_FIRST(&current->executions) : NULL; x; x = TAILQ_NEXT(x, executions))
                assert_ptr_not_equal(x->unit, u);
        remove_unit(u);
}

void fake_world_hold(bool hold) {
        if (is_held == hold)
                return;
        is_held = hold;
        tell_held(current);
        arm(current);
}

unsigned fake_world_n_units(void) {
        unsigned n = 0;
        const Unit *u;

        TAILQ_FOREACH(u, &units, units)
                n++;
        return n;
}

unsigned fake_world_n_running(const char *job) {
        unsigned n = 0;
        const Unit *u;

        TAILQ_FOREACH(u, &units, units)
                n += u->ends > fake_clock.boottime && streq(u->job, job);
        return n;
}
