/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The states of a run in the hands of the service manager: which lead to which, and what each brings along. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "exec/exec-unit-internal.h"

/* A transition that is added is to be added here. */
static const char table[] = "waiting -> sent: send\n"
                            "waiting -> unsure: adopt\n"
                            "waiting -> over: stop, or be impossible to send\n"
                            "waiting -> put-back: give back\n"
                            "sent -> unsure: get no answer\n"
                            "sent -> starting: get a job\n"
                            "sent -> followed: get a unit\n"
                            "sent -> refused: conflict with a job\n"
                            "sent -> over: be refused\n"
                            "unsure -> waiting: be sure that it was not started\n"
                            "unsure -> starting: find its job\n"
                            "unsure -> followed: find its unit\n"
                            "unsure -> ending: find nothing\n"
                            "unsure -> over: stop, or belong to another boot\n"
                            "starting -> followed: end its job\n"
                            "starting -> ending: lose its unit\n"
                            "starting -> over: stop\n"
                            "followed -> ending: end, or lose its unit\n"
                            "followed -> over: stop\n"
                            "refused -> over: fail\n"
                            "refused -> put-back: give back\n"
                            "ending -> over: know all\n"
                            "ending -> put-back: give back\n";

static void test_table(void **state) {
        char text[sizeof(table) + 4096] = "";

        for (ExecutionState from = 0; from < _EXECUTION_STATE_MAX; from++)
                for (ExecutionState to = 0; to < _EXECUTION_STATE_MAX; to++)
                        if (execution_transition_to_string(from, to))
                                (void)snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s -> %s: %s\n",
                                               execution_state_to_string(from), execution_state_to_string(to),
                                               execution_transition_to_string(from, to));
        assert_string_equal(text, table);
}

/* A run that wants to be looked at. */
typedef struct World {
        UnitExecutor executor;
        UnitExecution run;
} World;

static void world_init(World *w, ExecutionState state, bool existing) {
        *w = (World){ .run = { .state = state, .existing = existing } };
        for (size_t i = 0; i < ELEMENTSOF(w->executor.queues); i++)
                TAILQ_INIT(&w->executor.queues[i]);
        TAILQ_INIT(&w->executor.over);
        w->run.caller.node.name = (char *)"vakt-job-1.service";
        w->run.caller.executor = &w->executor;
        if (state < EXECUTION_STARTING)
                w->run.order = calloc(1, sizeof(StartOrder));
        caller_call(&w->run.caller, CALL_LOOK);
}

static void check_transition(ExecutionState from, ExecutionState to) {
        bool is_done = to == EXECUTION_OVER || to == EXECUTION_PUT_BACK;
        bool has_unit = to == EXECUTION_STARTING || to == EXECUTION_FOLLOWED;
        bool begins = to == EXECUTION_WAITING || to == EXECUTION_SENT || to == EXECUTION_UNSURE;
        World w;

        world_init(&w, from, /* existing= */ true);
        execution_set_state(&w.run, to);
        assert_int_equal(w.run.state, to);
        assert_int_equal(execution_has_unit(&w.run), has_unit);
        assert_ptr_equal(TAILQ_FIRST(&w.executor.over), is_done ? &w.run.caller : NULL);
        assert_ptr_equal(TAILQ_FIRST(&w.executor.queues[CALL_LOOK]), begins || has_unit ? &w.run.caller : NULL);
        assert_int_equal(w.run.order != NULL, begins);
        start_order_free(w.run.order);
}

/* What the table does not have ends us before anything is changed. */
static void check_impossible(ExecutionState from, ExecutionState to, bool existing, bool has_order) {
        int status;
        pid_t pid;
        World w;

        world_init(&w, from, existing);
        if (!has_order)
                w.run.order = start_order_free(w.run.order);
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                (void)setrlimit(RLIMIT_CORE, &(struct rlimit){});
                (void)signal(SIGABRT, SIG_DFL);
                (void)dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), STDERR_FILENO);
                execution_set_state(&w.run, to);
                _exit(0);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
        start_order_free(w.run.order);
}

static void test_every_pair(void **state) {
        for (ExecutionState from = 0; from < _EXECUTION_STATE_MAX; from++)
                for (ExecutionState to = 0; to < _EXECUTION_STATE_MAX; to++)
                        if (execution_transition_to_string(from, to))
                                check_transition(from, to);
                        else
                                check_impossible(from, to, /* existing= */ true, /* has_order= */ true);
}

/* What was perhaps started is not started again, and a unit of ours is there as soon as its job is. */
static void test_conditions(void **state) {
        check_impossible(EXECUTION_UNSURE, EXECUTION_WAITING, /* existing= */ false, /* has_order= */ false);
        check_impossible(EXECUTION_SENT, EXECUTION_STARTING, /* existing= */ false, /* has_order= */ true);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_table),
                cmocka_unit_test(test_every_pair),
                cmocka_unit_test(test_conditions),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
