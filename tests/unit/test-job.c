/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Names of jobs, the table of jobs, the words for states. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "job/job-table.h"

static void test_names(void **state) {
        static const struct {
                int line;
                const char *name;
                bool valid;
        } table[] = {
                { __LINE__, "backup", true },
                { __LINE__, "a", true },
                { __LINE__, "9lives", true },
                { __LINE__, "a.b-c_D", true },
                { __LINE__, "tell@", true },
                { __LINE__, "tell@oslo", true },
                { __LINE__, "", false },
                { __LINE__, "@oslo", false },
                { __LINE__, "a@b@c", false },
                { __LINE__, ".hidden", false },
                { __LINE__, "-dash", false },
                { __LINE__, "_under", false },
                { __LINE__, "a/b", false },
                { __LINE__, "a b", false },
                { __LINE__, "a\n", false },
                { __LINE__, "sm\xc3\xb8r", false },
                { __LINE__, "0123456789012345678901234567890123456789012345678901234567890123", true },
                { __LINE__, "01234567890123456789012345678901234567890123456789012345678901234", false },
        };

        for (size_t i = 0; i < ELEMENTSOF(table); i++)
                if (job_name_is_valid(table[i].name) != table[i].valid)
                        fail_msg("line %d: '%s'", table[i].line, table[i].name);
}

#define N 1000

static Job *add(JobTable *t, unsigned n) {
        char name[16];
        Job *j;

        (void)snprintf(name, sizeof(name), "job%u", n);
        assert_int_equal(job_new(&j, name), 0);
        assert_int_equal(job_table_add(t, j), 0);
        return j;
}

static void test_table(void **state) {
        _cleanup_(job_table_freep) JobTable *t = NULL;
        _cleanup_(job_freep) Job *twin = NULL;

        assert_int_equal(job_table_new(&t), 0);
        assert_null(job_table_get(t, "job1"));
        for (unsigned i = 0; i < N; i++)
                (void)add(t, (i * 7919) % N);
        assert_int_equal(job_table_size(t), N);
        for (size_t i = 1; i < N; i++)
                assert_true(strcmp(job_table_at(t, i - 1)->name, job_table_at(t, i)->name) < 0);
        assert_string_equal(job_table_get(t, "job500")->name, "job500");
        assert_int_equal(job_new(&twin, "job500"), 0);
        assert_int_equal(job_table_add(t, twin), -EEXIST);
        job_table_remove(t, job_table_get(t, "job500"));
        assert_null(job_table_get(t, "job500"));
        assert_non_null(job_table_get(t, "job499"));
        assert_int_equal(job_table_size(t), N - 1);
}

static void test_states(void **state) {
        _cleanup_(job_freep) Job *j = NULL;

        assert_int_equal(job_new(&j, "a"), 0);
        assert_string_equal(job_state_to_string(job_state(j)), "invalid");
        assert_int_equal(job_def_new(&j->def, "a"), 0);
        assert_string_equal(job_state_to_string(job_state(j)), "waiting");
        j->paused = true;
        assert_string_equal(job_state_to_string(job_state(j)), "paused");
        j->n_queued = 1;
        assert_string_equal(job_state_to_string(job_state(j)), "queued");
        j->n_running = 1;
        assert_string_equal(job_state_to_string(job_state(j)), "running");
        j->gone = true;
        assert_string_equal(job_state_to_string(job_state(j)), "gone");
        j->n_running = j->n_queued = 0;
        j->def->enabled = false;
        assert_string_equal(job_state_to_string(job_state(j)), "disabled");
}

static void test_words(void **state) {
        for (RunResult i = 0; i < _RUN_RESULT_MAX; i++)
                assert_int_equal(run_result_from_string(run_result_to_string(i)), i);
        for (RunCause i = 0; i < _RUN_CAUSE_MAX; i++)
                assert_int_equal(run_cause_from_string(run_cause_to_string(i)), i);
        for (RunState i = 0; i < _RUN_STATE_MAX; i++)
                assert_non_null(run_state_to_string(i));
        assert_null(run_state_to_string(_RUN_STATE_MAX));
        assert_true(run_result_from_string("nonsense") < 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_names),
                cmocka_unit_test(test_table),
                cmocka_unit_test(test_states),
                cmocka_unit_test(test_words),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
