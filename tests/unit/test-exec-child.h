#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the tests of the child executor share: a loop with an executor, and runs of it that note what is reported.
 * Each of them is real: processes, signals, sockets. */

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <cmocka.h>

#include "exec/executor.h"
#include "held-child.h"
#include "util/log.h"
#include "util/strv.h"

#define TEST_TIMEOUT 120 /* seconds until a test that hangs is ended by SIGALRM */

typedef struct Rig {
        sd_event *event;
        Executor *executor;
} Rig;

/* A run, and what was said about it. */
typedef struct TestRun {
        Rig *rig;
        JobDef *def;
        RunRecord record;
        Execution *execution;
        usec_t timeout;
        unsigned n_started, n_status, n_ended;
        ExecIdentity identity;
        ExecOutcome outcome;
        char reason[512], status[1024], output[8192];
} TestRun;

static _unused_ void on_started(void *cookie, const ExecIdentity *identity) {
        TestRun *t = cookie;

        t->n_started++;
        t->identity = *identity;
}

static _unused_ void on_output(void *cookie, const char *line, size_t n, bool is_stderr) {
        TestRun *t = cookie;
        size_t used = strlen(t->output);

        (void)snprintf(t->output + used, sizeof(t->output) - used, "%.*s\n", (int)n, line);
}

static _unused_ void on_status(void *cookie, const char *text) {
        TestRun *t = cookie;

        t->n_status++;
        (void)snprintf(t->status, sizeof(t->status), "%s", text);
}

static _unused_ void on_ended(void *cookie, const ExecOutcome *outcome) {
        TestRun *t = cookie;

        t->n_ended++;
        t->outcome = *outcome;
        (void)snprintf(t->reason, sizeof(t->reason), "%s", strempty(outcome->reason));
        t->execution = execution_free(t->execution);
}

static const ExecutorCallbacks test_callbacks = {
        .started = on_started,
        .output = on_output,
        .status = on_status,
        .ended = on_ended,
};

/* With a reaper the executor waits for orphans; without, the test does, as the subreaper that it is. */
static _unused_ void rig_open_with(Rig *rig, const char *runtime_dir, bool with_reaper) {
        ExecutorOptions options = { .callbacks = test_callbacks, .userdata = rig, .runtime_dir = runtime_dir };
        int before = 0;

        assert_int_equal(prctl(PR_GET_CHILD_SUBREAPER, &before), 0);
        assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, with_reaper), 0);
        assert_int_equal(sd_event_new(&rig->event), 0);
        assert_int_equal(child_executor_new(&rig->executor, rig->event, &options), 0);
        assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, with_reaper || before), 0);
}

static _unused_ void rig_open(Rig *rig, const char *runtime_dir) {
        rig_open_with(rig, runtime_dir, /* with_reaper= */ false);
}

static _unused_ void rig_close(Rig *rig) {
        rig->executor = executor_free(rig->executor);
        rig->event = sd_event_unref(rig->event);
}

/* --- definitions --- */

static _unused_ void def_add_command(JobDef *def, const char *path, char **argv, unsigned flags) {
        def->commands = reallocarray(def->commands, def->n_commands + 1, sizeof(CommandDef));
        assert_non_null(def->commands);
        def->commands[def->n_commands++] = (CommandDef){ .path = strdup(path), .argv = argv, .flags = flags };
}

static _unused_ void def_add_script(JobDef *def, const char *script, unsigned flags) {
        char **argv = NULL;

        assert_int_equal(strv_extend(&argv, "sh"), 0);
        assert_int_equal(strv_extend(&argv, "-c"), 0);
        assert_int_equal(strv_extend(&argv, script), 0);
        def_add_command(def, "/bin/sh", argv, flags | COMMAND_NO_EXPAND);
}

/* A line of [Service]; the caller adds the values. */
static _unused_ UnitProperty *def_add_property(JobDef *def, const char *name, const char *signature) {
        def->rare->properties = reallocarray(def->rare->properties, def->rare->n_properties + 1, sizeof(UnitProperty));
        assert_non_null(def->rare->properties);
        def->rare->properties[def->rare->n_properties] = (UnitProperty){ .name = name, .signature = signature };
        return &def->rare->properties[def->rare->n_properties++];
}

static _unused_ void def_set_text(JobDef *def, const char *name, const char *text) {
        assert_int_equal(unit_property_add_text(def_add_property(def, name, "s"), text, SIZE_MAX), 0);
}

static _unused_ void def_set_number(JobDef *def, const char *name, uint64_t number) {
        assert_int_equal(unit_property_add_number(def_add_property(def, name, "t"), number), 0);
}

/* Words between blanks. */
static _unused_ void def_set_list(JobDef *def, const char *name, const char *words) {
        UnitProperty *p = def_add_property(def, name, "as");
        _cleanup_free_ char *copy = strdup(words);
        char *rest = NULL;
        unsigned n = 0;

        assert_int_equal(unit_property_add_number(p, 0), 0);
        for (char *word = strtok_r(copy, " ", &rest); word; word = strtok_r(NULL, " ", &rest), n++)
                assert_int_equal(unit_property_add_text(p, word, SIZE_MAX), 0);
        p->values[0].number = n;
}

static _unused_ void def_set_file(JobDef *def, const char *path, bool may_be_absent) {
        UnitProperty *p = def_add_property(def, "EnvironmentFiles", "a(sb)");

        assert_int_equal(unit_property_add_number(p, 1), 0);
        assert_int_equal(unit_property_add_text(p, path, SIZE_MAX), 0);
        assert_int_equal(unit_property_add_number(p, may_be_absent), 0);
}

/* --- runs --- */

/* A run of a shell script, or of nothing yet (NULL). */
static _unused_ void run_init(TestRun *t, Rig *rig, const char *script) {
        static uint64_t id;

        if (id == 0)
                id = 100 * (uint64_t)getpid(); /* runs of a test that goes on beside this one have others */
        *t = (TestRun){ .rig = rig, .timeout = USEC_INFINITY, .record = RUN_RECORD_INIT };
        t->record.id = ++id;
        t->record.job = "test";
        t->record.cause = RUN_CAUSE_MANUAL;
        t->record.state = RUN_STARTING;
        t->record.started = now_realtime();
        assert_int_equal(job_def_new(&t->def, "test"), 0);
        if (script)
                def_add_script(t->def, script, 0);
}

static _unused_ void run_done(TestRun *t) {
        t->execution = execution_free(t->execution);
        t->def = job_def_unref(t->def);
}

static _unused_ int run_try(TestRun *t) {
        ExecutionRequest request = { .def = t->def, .run = &t->record, .timeout = t->timeout, .follow = true };

        return t->rig->executor->ops->start(t->rig->executor, &request, t, &t->execution);
}

static _unused_ void run_adopt(TestRun *t) {
        ExecutionRequest request = { .def = t->def, .run = &t->record, .timeout = t->timeout };

        assert_int_equal(t->rig->executor->ops->adopt(t->rig->executor, &request, t, &t->execution), 0);
        assert_int_equal(t->n_ended, 0);
}

static _unused_ void turn(const Rig *rig) {
        assert_true(sd_event_run(rig->event, UINT64_MAX) >= 0);
}

static _unused_ void run_wait(TestRun *t) {
        while (t->n_ended == 0)
                turn(t->rig);
        assert_int_equal(t->n_ended, 1);
}

static _unused_ void run_wait_output(TestRun *t, const char *text) {
        while (!strstr(t->output, text) && t->n_ended == 0)
                turn(t->rig);
        assert_non_null(strstr(t->output, text));
}

static _unused_ void run_start(TestRun *t) {
        assert_int_equal(run_try(t), 0);
        assert_int_equal(t->n_ended, 0); /* nothing from within */
}

static _unused_ void run_stop(TestRun *t, RunResult result) {
        t->execution->ops->stop(t->execution, result);
}

/* The number that a script printed behind a word. */
static _unused_ pid_t run_number(const TestRun *t, const char *word) {
        const char *s = strstr(t->output, word);

        assert_non_null(s);
        return (pid_t)strtol(s + strlen(word), NULL, 10);
}

/* --- processes --- */

/* Orphans become ours, so that their end can be waited for. */
static _unused_ int group_setup(void **state) {
        sigset_t set;

        (void)sigemptyset(&set);
        (void)sigaddset(&set, SIGCHLD);
        (void)sigprocmask(SIG_BLOCK, &set, NULL);
        log_open(LOG_TARGET_NULL);
        (void)alarm(TEST_TIMEOUT);
        return prctl(PR_SET_CHILD_SUBREAPER, 1);
}

/* In a process of our own making: it ends with us, and at the first thing that is not as it should be. */
static _unused_ void become_helper(void) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void)setenv("CMOCKA_TEST_ABORT", "1", 1);
        (void)alarm(TEST_TIMEOUT);
}

/* Waits for an orphan; how it ended, as waitpid() has it. */
static _unused_ int orphan_wait(pid_t pid) {
        int status = 0;

        assert_int_equal(waitpid(pid, &status, 0), pid);
        return status;
}

static _unused_ bool process_is_there(pid_t pid) {
        return kill(pid, 0) == 0;
}
