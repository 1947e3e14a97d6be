/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* How a run ended, from what the service manager says: the rows of the notes on the platform, and what only shows when
 * several things come together. Real units are in tests/system/exec-driver.c. */

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/wait.h>
#include <cmocka.h>

#include "exec/unit-command.h"
#include "exec/unit-outcome.h"
#include "util/strv.h"

typedef struct Row {
        int line;
        UnitActive active;
        const char *word; /* Result */
        int code, status;
        bool never_active; /* it failed in its start */
        bool never_ran;
        bool itself; /* it was over before it was stopped */
        StartResult start;
        RunResult stop;
        bool existing, elsewhere, shutdown, cut_short, condition_failed;
        unsigned n_commands, flags; /* 0 = one */
        int good_status, good_signal;
        RunResult result;
        int result_code;
        const char *reason; /* part of it; NULL = none */
} Row;

#define L __LINE__

static const Row rows[] = {
        { L, UNIT_ACTIVE, "success", CLD_EXITED, 0, .result = RUN_RESULT_SUCCESS },
        { L, UNIT_FAILED, "exit-code", CLD_EXITED, 7, .result = RUN_RESULT_EXIT, .result_code = 7 },
        { L, UNIT_FAILED, "exit-code", CLD_EXITED, 7, .good_status = 7, .result = RUN_RESULT_SUCCESS },
        { L, UNIT_FAILED, "exit-code", CLD_EXITED, 7, .good_status = 8, .result = RUN_RESULT_EXIT, .result_code = 7 },
        { L, UNIT_FAILED, "exit-code", CLD_EXITED, 7, .flags = COMMAND_IGNORE_FAILURE, .result = RUN_RESULT_SUCCESS },
        { L, UNIT_FAILED, "exit-code", CLD_EXITED, 7, .n_commands = 2, .flags = COMMAND_IGNORE_FAILURE,
          .result = RUN_RESULT_EXIT, .result_code = 7 },
        { L, UNIT_ACTIVE, "success", CLD_EXITED, 7, .flags = COMMAND_IGNORE_FAILURE, .result = RUN_RESULT_SUCCESS },
        /* over, and stopped afterwards */
        { L, UNIT_INACTIVE, "success", CLD_EXITED, 0, .itself = true, .result = RUN_RESULT_SUCCESS },
        { L, UNIT_INACTIVE, "success", CLD_EXITED, 0, .itself = true, .stop = RUN_RESULT_CANCELLED,
          .result = RUN_RESULT_SUCCESS },
        { L, UNIT_FAILED, "exit-code", CLD_EXITED, 7, .itself = true, .stop = RUN_RESULT_TIMEOUT,
          .result = RUN_RESULT_EXIT, .result_code = 7 },
        { L, UNIT_INACTIVE, "success", CLD_EXITED, 0, .stop = RUN_RESULT_CANCELLED, .result = RUN_RESULT_CANCELLED },
        { L, UNIT_INACTIVE, "success", CLD_EXITED, 0, .result = RUN_RESULT_CANCELLED, .reason = "not by vaktd" },
        /* signals */
        { L, UNIT_FAILED, "signal", CLD_KILLED, SIGKILL, .result = RUN_RESULT_SIGNAL, .result_code = SIGKILL },
        { L, UNIT_FAILED, "core-dump", CLD_DUMPED, SIGSEGV, .result = RUN_RESULT_SIGNAL, .result_code = SIGSEGV,
          .reason = "core" },
        { L, UNIT_ACTIVE, "success", CLD_KILLED, SIGTERM, .result = RUN_RESULT_SIGNAL, .result_code = SIGTERM },
        { L, UNIT_ACTIVE, "success", CLD_KILLED, SIGTERM, .good_signal = SIGTERM, .result = RUN_RESULT_SUCCESS },
        { L, UNIT_FAILED, "signal", CLD_KILLED, SIGKILL, .good_signal = SIGKILL, .result = RUN_RESULT_SUCCESS },
        { L, UNIT_ACTIVE, "success", CLD_KILLED, SIGTERM, .flags = COMMAND_IGNORE_FAILURE,
          .result = RUN_RESULT_SUCCESS },
        { L, UNIT_INACTIVE, "success", CLD_KILLED, SIGTERM, .existing = true, .result = RUN_RESULT_SUCCESS },
        { L, UNIT_FAILED, "watchdog", CLD_DUMPED, SIGABRT, .result = RUN_RESULT_SIGNAL, .result_code = SIGABRT,
          .reason = "watchdog" },
        { L, UNIT_FAILED, "oom-kill", CLD_KILLED, SIGKILL, .result = RUN_RESULT_OOM, .result_code = SIGKILL,
          .reason = "memory" },
        { L, UNIT_FAILED, "oom-kill", CLD_KILLED, SIGKILL, .good_signal = SIGKILL, .result = RUN_RESULT_OOM,
          .result_code = SIGKILL, .reason = "memory" },
        { L, UNIT_FAILED, "timeout", CLD_KILLED, SIGTERM, .result = RUN_RESULT_TIMEOUT, .result_code = SIGTERM },
        { L, UNIT_FAILED, "timeout", CLD_EXITED, 0, .result = RUN_RESULT_TIMEOUT },
        { L, UNIT_FAILED, "timeout", CLD_EXITED, 7, .good_status = 7, .result = RUN_RESULT_TIMEOUT },
        /* before the program: only where it cannot be the program's own status */
        { L, UNIT_FAILED, "exit-code", CLD_EXITED, 217, .never_active = true, .result = RUN_RESULT_START_FAILED,
          .reason = "User=" },
        { L, UNIT_FAILED, "exit-code", CLD_EXITED, 217, .result = RUN_RESULT_EXIT, .result_code = 217 },
        { L, UNIT_FAILED, "exit-code", CLD_EXITED, 203, .never_active = true, .result = RUN_RESULT_START_FAILED,
          .result_code = ENOENT, .reason = "executed: /bin/job: No such file or directory (step EXEC)" },
        { L, UNIT_FAILED, "exit-code", CLD_EXITED, 199, .never_active = true, .result = RUN_RESULT_EXIT,
          .result_code = 199 },
        { L, UNIT_FAILED, "exit-code", CLD_EXITED, 203, .existing = true, .result = RUN_RESULT_START_FAILED,
          .reason = "EXEC" },
        { L, UNIT_FAILED, "exit-code", CLD_EXITED, 7, .never_ran = true, .result = RUN_RESULT_START_FAILED,
          .reason = "ExecStartPre=" },
        { L, UNIT_FAILED, "resources", .never_ran = true, .result = RUN_RESULT_START_FAILED, .reason = "journal" },
        { L, UNIT_FAILED, "protocol", CLD_EXITED, 0, .existing = true, .result = RUN_RESULT_START_FAILED,
          .reason = "Type=" },
        { L, UNIT_FAILED, "start-limit-hit", .existing = true, .never_ran = true, .result = RUN_RESULT_START_FAILED,
          .reason = "too often" },
        { L, UNIT_FAILED, "brand-new", .existing = true, .result = RUN_RESULT_START_FAILED, .reason = "brand-new" },
        /* never begun */
        { L, UNIT_INACTIVE, "success", .never_ran = true, .condition_failed = true, .result = RUN_RESULT_SKIPPED,
          .reason = "condition" },
        { L, UNIT_INACTIVE, "exec-condition", .never_ran = true, .condition_failed = true,
          .result = RUN_RESULT_SKIPPED, .reason = "ExecCondition=" },
        { L, UNIT_INACTIVE, "success", .never_ran = true, .start = START_RESULT_DEPENDENCY,
          .result = RUN_RESULT_START_FAILED, .reason = "requires" },
        { L, UNIT_INACTIVE, "success", .never_ran = true, .start = START_RESULT_CANCELED,
          .result = RUN_RESULT_CANCELLED, .reason = "not by vaktd" },
        { L, UNIT_INACTIVE, "success", .never_ran = true, .start = START_RESULT_CANCELED, .existing = true,
          .result = RUN_RESULT_START_FAILED, .reason = "not by vaktd" },
        { L, UNIT_INACTIVE, "success", .never_ran = true, .start = START_RESULT_OTHER,
          .result = RUN_RESULT_START_FAILED, .reason = "gave up starting" },
        /* stopped */
        { L, UNIT_INACTIVE, "success", CLD_KILLED, SIGTERM, .stop = RUN_RESULT_CANCELLED,
          .result = RUN_RESULT_CANCELLED, .result_code = SIGTERM },
        { L, UNIT_FAILED, "exit-code", CLD_EXITED, 3, .stop = RUN_RESULT_TIMEOUT, .result = RUN_RESULT_TIMEOUT },
        { L, UNIT_INACTIVE, "success", CLD_KILLED, SIGTERM, .elsewhere = true, .result = RUN_RESULT_CANCELLED,
          .result_code = SIGTERM, .reason = "not by vaktd" },
        { L, UNIT_INACTIVE, "success", CLD_KILLED, SIGTERM, .result = RUN_RESULT_CANCELLED, .result_code = SIGTERM,
          .reason = "not by vaktd" },
        { L, UNIT_FAILED, "exit-code", CLD_EXITED, 3, .elsewhere = true, .result = RUN_RESULT_CANCELLED,
          .reason = "not by vaktd" },
        { L, UNIT_FAILED, "timeout", CLD_KILLED, SIGKILL, .elsewhere = true, .result = RUN_RESULT_CANCELLED,
          .result_code = SIGKILL, .reason = "not by vaktd" },
        { L, UNIT_FAILED, "oom-kill", CLD_KILLED, SIGKILL, .elsewhere = true, .result = RUN_RESULT_OOM,
          .result_code = SIGKILL, .reason = "memory" },
        { L, UNIT_INACTIVE, "success", CLD_KILLED, SIGTERM, .elsewhere = true, .shutdown = true,
          .result = RUN_RESULT_LOST, .result_code = SIGTERM, .reason = "shut down" },
        { L, UNIT_INACTIVE, "success", .never_ran = true, .start = START_RESULT_CANCELED, .shutdown = true,
          .result = RUN_RESULT_LOST, .reason = "shut down" },
        { L, UNIT_FAILED, "exit-code", CLD_EXITED, 7, .shutdown = true, .result = RUN_RESULT_EXIT, .result_code = 7 },
        { L, UNIT_INACTIVE, "success", CLD_KILLED, SIGTERM, .elsewhere = true, .existing = true,
          .result = RUN_RESULT_CANCELLED, .result_code = SIGTERM, .reason = "not by vaktd" },
        /* a target, a mount */
        { L, UNIT_ACTIVE, "", .existing = true, .never_ran = true, .result = RUN_RESULT_SUCCESS },
        { L, UNIT_ACTIVE, "success", .existing = true, .never_ran = true, .result = RUN_RESULT_SUCCESS },
        { L, UNIT_ACTIVE, "success", CLD_EXITED, 0, .cut_short = true, .n_commands = 2, .result = RUN_RESULT_LOST,
          .reason = "reloaded" },
};

static JobDef *make_def(const Row *row) {
        unsigned n = row->n_commands ?: 1;
        JobDef *def;

        assert_int_equal(job_def_new(&def, "job"), 0);
        def->commands = calloc(n, sizeof(CommandDef));
        for (; def->n_commands < n; def->n_commands++) {
                CommandDef *c = &def->commands[def->n_commands];

                c->path = strdup("/bin/job");
                assert_int_equal(strv_extend(&c->argv, "job"), 0);
        }
        def->commands[n - 1].flags = row->flags;
        if (row->good_status)
                def->rare->success.statuses[row->good_status / 8] |= (uint8_t)(1U << row->good_status % 8);
        if (row->good_signal)
                def->rare->success.signals |= 1ULL << row->good_signal;
        return def;
}

static void test_rows(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                const Row *row = &rows[i];
                _cleanup_(job_def_unrefp) JobDef *def = make_def(row);
                UnitFacts f = {
                        .active = row->active,
                        .code = row->code,
                        .status = row->status,
                        .active_enter_monotonic = row->never_active || row->never_ran ? 0 : 5,
                        .exec_start = row->never_ran ? 0 : 1000,
                        .exec_exit = row->never_ran ? 0 : 2000,
                        .exec_exit_monotonic = row->never_ran ? 0 : 20,
                        .active_exit_monotonic = row->itself ? 21 : 19,
                        .condition_monotonic = 4,
                        .condition_result = !row->condition_failed,
                        .cpu_nsec = 3000999,
                        .memory_peak = 4096,
                };
                UnitEnd end = {
                        .facts = &f,
                        .def = def,
                        .unit = "vakt-job-1.service",
                        .existing = row->existing,
                        .stopped_elsewhere = row->elsewhere,
                        .shutting_down = row->shutdown,
                        .cut_short = row->cut_short,
                        .stop_result = row->stop,
                        .start = row->start,
                };
                char reason[UNIT_REASON_MAX];
                ExecOutcome o;

                (void)snprintf(f.result, sizeof(f.result), "%s", row->word);
                unit_outcome(&end, &o, reason);
                if (o.result != row->result || o.code != row->result_code ||
                    (row->reason ? !o.reason || !strstr(o.reason, row->reason) : o.reason != NULL))
                        fail_msg("line %d: %s %d '%s'", row->line, strempty(run_result_to_string(o.result)), o.code,
                                 strempty(o.reason));
                assert_int_equal(o.started, f.exec_start);
                assert_int_equal(o.ended, f.exec_exit);
                assert_int_equal(o.cpu, 3000);
                assert_int_equal(o.memory_peak, 4096);
        }
}

/* Of a run whose definition is not known any more the result is known all the same. */
static void test_without_definition(void **state) {
        UnitFacts f = { .active = UNIT_FAILED,
                        .code = CLD_EXITED,
                        .status = 7,
                        .exec_start = 1,
                        .active_enter_monotonic = 1,
                        .result = "exit-code",
                        .cpu_nsec = UINT64_MAX };
        UnitEnd end = { .facts = &f, .unit = "vakt-job-1.service" };
        char reason[UNIT_REASON_MAX];
        ExecOutcome o;

        unit_outcome(&end, &o, reason);
        assert_int_equal(o.result, RUN_RESULT_EXIT);
        assert_int_equal(o.cpu, USEC_INFINITY);
}

static void test_wrapper_has_nothing_to_execute(void **state) {
        Row row = { .n_commands = 1 };
        _cleanup_(job_def_unrefp) JobDef *def = make_def(&row);
        UnitFacts f = { .active = UNIT_FAILED,
                        .code = CLD_EXITED,
                        .status = UNIT_COMMAND_FAILED,
                        .exec_start = 1,
                        .active_enter_monotonic = 1,
                        .result = "exit-code",
                        .status_errno = ENOENT };
        UnitEnd end = { .facts = &f, .def = def, .unit = "vakt-job-1.service" };
        char reason[UNIT_REASON_MAX];
        ExecOutcome o;

        unit_outcome(&end, &o, reason); /* the program's own: it was not wrapped */
        assert_int_equal(o.result, RUN_RESULT_EXIT);
        assert_int_equal(strv_extend(&def->commands[0].argv, "$HOME"), 0);
        unit_outcome(&end, &o, reason);
        assert_int_equal(o.result, RUN_RESULT_START_FAILED);
        assert_int_equal(o.code, ENOENT);
        assert_non_null(strstr(o.reason, "/bin/job: No such file or directory"));
        assert_false(unit_has_run(&f));
        f.status_errno = 0;
        unit_outcome(&end, &o, reason);
        assert_int_equal(o.result, RUN_RESULT_EXIT);
        assert_true(unit_has_run(&f));
}

/* Handed over to the program, the status is its own, unless the kernel cannot have executed it. */
static void test_handed_over_in_vain(void **state) {
        Row row = { .n_commands = 1 };
        _cleanup_(job_def_unrefp) JobDef *def = make_def(&row);
        UnitFacts f = { .active = UNIT_FAILED,
                        .code = CLD_EXITED,
                        .status = 203,
                        .exec_start = 1,
                        .handoff = 2,
                        .result = "exit-code" };
        UnitEnd end = { .facts = &f, .def = def, .unit = "vakt-job-1.service" };
        char reason[UNIT_REASON_MAX];
        ExecOutcome o;

        unit_outcome(&end, &o, reason);
        assert_int_equal(o.result, RUN_RESULT_START_FAILED);
        assert_int_equal(o.code, ENOENT);
        assert_non_null(strstr(o.reason, "/bin/job: No such file or directory (step EXEC)"));
        free(def->commands[0].path);
        def->commands[0].path = strdup("/bin/true");
        assert_non_null(def->commands[0].path);
        unit_outcome(&end, &o, reason);
        assert_int_equal(o.result, RUN_RESULT_EXIT);
        assert_int_equal(o.code, 203);
}

static void test_words_of_jobs(void **state) {
        assert_int_equal(start_result_from_string("done"), START_RESULT_DONE);
        assert_int_equal(start_result_from_string("canceled"), START_RESULT_CANCELED);
        assert_int_equal(start_result_from_string("dependency"), START_RESULT_DEPENDENCY);
        assert_int_equal(start_result_from_string("invalid"), START_RESULT_OTHER);
}

/* What is encoded has none of the bytes that are garbled, and is the same again once it is decoded. */
static void test_command_there_and_back(void **state) {
        char all[256], *words[] = { (char *)"name", (char *)"$HOME", (char *)"a;b", (char *)"100%24", all, NULL };
        CommandDef c = { .path = (char *)"/opt/$x;y", .argv = words, .flags = COMMAND_NO_EXPAND };
        _cleanup_(strv_freep) char **l = NULL;

        for (unsigned i = 0; i < 255; i++)
                all[i] = (char)(i + 1);
        all[255] = '\0';
        assert_true(unit_command_is_garbled(&c));
        assert_int_equal(unit_command_encode(&l, &c, /* decode_path= */ false, /* in_session= */ false), 0);
        assert_int_equal(strv_length(l), 8);
        assert_string_equal(l[1], "as-is");
        assert_string_equal(l[5], "a%3Bb");
        for (size_t i = 0; l[i]; i++)
                assert_null(strpbrk(l[i], "$;"));
        assert_true(unit_command_decode_word(l[2]));
        assert_string_equal(l[2], c.path);
        for (size_t i = 0; words[i]; i++) {
                assert_true(unit_command_decode_word(l[i + 3]));
                assert_string_equal(l[i + 3], words[i]);
        }
}

static void test_bad_words(void **state) {
        static const char *const bad[] = { "%", "%2", "%zz", "a%2", "%00", "%2g", "%%" };

        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                _cleanup_free_ char *word = strdup(bad[i]);

                assert_false(unit_command_decode_word(word));
        }
}

static void test_plain_commands_are_left_alone(void **state) {
        char *words[] = { (char *)"find", (char *)"-name", (char *)"*.\\%\"'", NULL };
        CommandDef c = { .path = (char *)"/usr/bin/find", .argv = words };

        assert_false(unit_command_is_garbled(&c));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_rows),
                cmocka_unit_test(test_without_definition),
                cmocka_unit_test(test_wrapper_has_nothing_to_execute),
                cmocka_unit_test(test_handed_over_in_vain),
                cmocka_unit_test(test_words_of_jobs),
                cmocka_unit_test(test_command_there_and_back),
                cmocka_unit_test(test_bad_words),
                cmocka_unit_test(test_plain_commands_are_left_alone),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
