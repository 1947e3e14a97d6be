#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Runs in the hands of a unit executor whose service manager is a fake one, and what it reports of them. */

#include "test-unit-fake.h"

#include "exec/exec-unit-internal.h"

#define RUNS 200

typedef struct TestRun {
        RunRecord record;
        JobDef *def;
        char *unit;
        Execution *execution;
        unsigned n_started, n_ended, n_put_back;
        bool other_boot;
        usec_t timeout; /* 0 = none */
        RunResult result;
        int code;
        usec_t cpu, from, to; /* as reported */
        char reason[512], status[64];
        sd_id128_t invocation;
        pid_t pid;
} TestRun;

static TestRun runs[RUNS];
static Executor *executor;
static const char *runtime_dir; /* of the next executor, or NULL */
static char found_unit[UNIT_NAME_MAX + 1];
static ExecFound found_answer;
static usec_t found_scheduled;
static unsigned n_found, n_forgotten, n_surveyed, n_held, n_released, n_drained;

static inline void on_started(void *cookie, const ExecIdentity *identity) {
        TestRun *run = cookie;

        run->n_started++;
        run->pid = identity->pid;
        run->invocation = identity->invocation;
        assert_string_equal(identity->unit, run->unit);
}

static inline void on_status(void *cookie, const char *text) {
        (void)snprintf(((TestRun *)cookie)->status, sizeof(runs[0].status), "%s", text);
}

static inline void on_ended(void *cookie, const ExecOutcome *o) {
        TestRun *run = cookie;

        run->n_ended++;
        run->result = o->result;
        run->code = o->code;
        run->cpu = o->cpu;
        run->from = o->started;
        run->to = o->ended;
        (void)snprintf(run->reason, sizeof(run->reason), "%s", strempty(o->reason));
        run->execution = execution_free(run->execution);
}

static inline void on_put_back(void *cookie) {
        TestRun *run = cookie;

        run->n_put_back++;
        run->execution = execution_free(run->execution);
}

static inline void on_held(void *userdata, bool held) {
        held ? n_held++ : n_released++;
}

static inline void on_drained(void *userdata) {
        n_drained++;
}

static inline ExecFound on_found(void *userdata, const char *job, uint64_t run) {
        n_found++;
        return found_answer;
}

static inline void on_forgotten(void *userdata, const ExecutionRequest *request, bool is_over) {
        n_forgotten++;
        (void)snprintf(found_unit, sizeof(found_unit), "%s", request->run->unit);
        found_scheduled = request->run->scheduled;
        for (size_t i = 0; i < ELEMENTSOF(runs); i++) /* before the end of anything is heard of */
                assert_int_equal(runs[i].n_ended, 0);
}

static inline void on_surveyed(void *userdata) {
        n_surveyed++;
}

static inline void begin(bool is_bus) {
        const ExecutorOptions options = {
                .callbacks = {
                        .started = on_started,
                        .status = on_status,
                        .ended = on_ended,
                        .put_back = on_put_back,
                        .held = on_held,
                        .drained = on_drained,
                        .found = on_found,
                        .forgotten = on_forgotten,
                        .surveyed = on_surveyed,
                },
                .runtime_dir = runtime_dir,
        };

        log_open(LOG_TARGET_NULL);
        if (!fake.event)
                fake_begin(is_bus);
        n_found = n_forgotten = n_surveyed = n_held = n_released = n_drained = 0;
        found_answer = EXEC_FOUND_FOREIGN;
        assert_int_equal(unit_executor_new_at(&executor, fake.event, &options, fake.address, is_bus), 0);
}

static inline int set_up(void **state) {
        begin(/* is_bus= */ false);
        return 0;
}

static inline int tear_down(void **state) {
        for (size_t i = 0; i < RUNS; i++) {
                execution_free(runs[i].execution);
                job_def_unref(runs[i].def);
                free(runs[i].unit);
                runs[i] = (TestRun){};
        }
        executor = executor_free(executor);
        fake_finish();
        return 0;
}

static inline void prepare(unsigned i, const char *argument) {
        TestRun *run = &runs[i];

        run->record = (RunRecord)RUN_RECORD_INIT;
        run->record.id = i + 1;
        run->record.job = "job";
        run->record.state = RUN_STARTING;
        assert_int_equal(unit_name_of_run(&run->unit, "job", i + 1), 0);
        assert_int_equal(job_def_new(&run->def, "job"), 0);
        run->def->commands = calloc(1, sizeof(CommandDef));
        run->def->n_commands = 1;
        run->def->commands[0].path = strdup("/bin/job");
        assert_int_equal(strv_extend(&run->def->commands[0].argv, "job"), 0);
        assert_int_equal(strv_extend(&run->def->commands[0].argv, argument), 0);
}

static inline void prepare_unit(unsigned i, const char *unit) {
        prepare(i, "x");
        runs[i].def->rare->unit = strdup(unit);
        free(runs[i].unit);
        runs[i].unit = strdup(unit);
}

static inline void start(unsigned i) {
        ExecutionRequest request = {
                .def = runs[i].def,
                .run = &runs[i].record,
                .timeout = runs[i].timeout ?: USEC_INFINITY,
        };

        if (!runs[i].def)
                prepare(i, "x");
        request.def = runs[i].def;
        assert_int_equal(executor->ops->start(executor, &request, &runs[i], &runs[i].execution), 0);
}

static inline void adopt(unsigned i, RunState state) {
        ExecutionRequest request = { .run = &runs[i].record, .timeout = USEC_INFINITY };

        if (!runs[i].def)
                prepare(i, "x");
        request.def = runs[i].def;
        request.other_boot = runs[i].other_boot;
        runs[i].record.state = state;
        assert_int_equal(executor->ops->adopt(executor, &request, &runs[i], &runs[i].execution), 0);
        assert_int_equal(runs[i].n_ended, 0);
}

static inline void stop(unsigned i) {
        runs[i].execution->ops->stop(runs[i].execution, RUN_RESULT_CANCELLED);
        assert_int_equal(runs[i].n_ended, 0);
}

static inline bool run_0_is_there(void) {
        return runs[0].unit && fake_find(runs[0].unit) && fake.n_held == 0;
}
static inline bool run_0_started(void) {
        return runs[0].n_started > 0;
}
static inline bool run_0_ended(void) {
        return runs[0].n_ended > 0;
}
static inline bool second_run_is_there(void) {
        return runs[1].unit && fake_find(runs[1].unit);
}
static inline bool was_listed(void) {
        return fake.n_lists > 0;
}
static inline bool was_looked_at(void) {
        return fake.n_looks > 0;
}

/* A few turns in which nothing must happen: what is asked of the manager is answered before this is over. */
static unsigned lists_before;
static inline bool was_listed_again(void) {
        return fake.n_lists > lists_before;
}
static inline void compare(void) {
        lists_before = fake.n_lists;
        fake_reloading(false);
        until(was_listed_again);
        for (unsigned i = 0; i < 20; i++)
                assert_true(sd_event_run(fake.event, 0) >= 0);
}

static inline void a_minute_passes(void) {
        sd_event_source *timer = ((UnitExecutor *)executor)->compare_timer;

        assert_true(sd_event_source_set_time_relative(timer, 0) >= 0);
        assert_true(sd_event_source_set_enabled(timer, SD_EVENT_ONESHOT) >= 0);
}

static inline void expect(int line, RunResult result, int code) {
        until_at(line, run_0_ended);
        if (runs[0].n_ended != 1 || runs[0].result != result || runs[0].code != code)
                fail_msg("line %d: %s %d '%s'", line, run_result_to_string(runs[0].result), runs[0].code,
                         runs[0].reason);
}
#define EXPECT(result, code) expect(__LINE__, result, code)

static inline void run_0(void) {
        start(0);
        until(run_0_is_there);
        fake_run(fake_find(runs[0].unit));
        until(run_0_started);
}

static inline bool call_is_held(void) {
        return fake.n_held == 1;
}

#define fake_test(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
