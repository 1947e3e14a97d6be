/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What units are called, and the table in which they are found by that. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "systemd/unit-name.h"
#include "exec/unit-table.h"

#define LONG_JOB "a123456789012345678901234567890123456789012345678901234567890123"

static void test_names_there_and_back(void **state) {
        static const struct {
                int line;
                const char *job;
                uint64_t run;
                const char *unit;
        } table[] = {
                { __LINE__, "backup", 1, "vakt-backup-1.service" },
                { __LINE__, "a-1", 23, "vakt-a-1-23.service" },
                { __LINE__, "x.y_z", UINT64_MAX, "vakt-x.y_z-18446744073709551615.service" },
                { __LINE__, "mail@bob-1", 7, "vakt-mail\\x40bob-1-7.service" },
                { __LINE__, "a.service", 7, "vakt-a.service-7.service" },
                { __LINE__, LONG_JOB, 7, "vakt-" LONG_JOB "-7.service" },
        };

        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
                _cleanup_free_ char *unit = NULL;
                char job[JOB_NAME_MAX + 1];
                uint64_t run;

                assert_int_equal(unit_name_of_run(&unit, table[i].job, table[i].run), 0);
                if (!streq(unit, table[i].unit))
                        fail_msg("line %d: %s", table[i].line, unit);
                if (!unit_name_parse(unit, job, &run) || !streq(job, table[i].job) || run != table[i].run)
                        fail_msg("line %d: not the same again", table[i].line);
        }
}

static void test_names_of_others(void **state) {
        static const char *const others[] = {
                "",
                "vakt",
                "vakt-",
                "vakt-.service",
                "vakt-1.service",
                "vakt--1.service",
                "vakt-backup.service",
                "vakt-backup-.service",
                "vakt-backup-0.service",
                "vakt-backup-01.service",
                "vakt-backup-+1.service",
                "vakt-backup-1x.service",
                "vakt-backup-18446744073709551616.service",
                "vakt-backup-1.slice",
                "vakt-backup-1",
                "xvakt-backup-1.service",
                "vakt-.backup-1.service",
                "vakt-back\\up-1.service",
                "vakt-back\\x4-1.service",
                "vakt-back\\x00-1.service",
                "vakt-back\\x2f-1.service",
                "vakt-" LONG_JOB "x-1.service",
                "vaktd.service",
                "vakt-backup.runner-1.service",
        };

        for (size_t i = 0; i < ELEMENTSOF(others); i++) {
                char job[JOB_NAME_MAX + 1];
                uint64_t run;

                if (unit_name_parse(others[i], job, &run))
                        fail_msg("%s is taken for run %" PRIu64 " of %s", others[i], run, job);
        }
}

/* A job's name may be as long with a runner as without. */
static void test_runners(void **state) {
        static const char *const jobs[] = { "true", "mail@bob", "a.runner-1", LONG_JOB };

        for (size_t i = 0; i < ELEMENTSOF(jobs); i++) {
                char job[JOB_NAME_MAX + 1];
                char *unit;
                uint64_t n;

                assert_int_equal(unit_name_of_runner(&unit, jobs[i], 18), 0);
                assert_true(unit_name_parse_runner(unit, job, &n));
                assert_string_equal(job, jobs[i]);
                assert_int_equal(n, 18);
                assert_false(unit_name_parse(unit, job, &n));
                free(unit);
                assert_int_equal(unit_name_of_run(&unit, jobs[i], 18), 0);
                assert_false(unit_name_parse_runner(unit, job, &n));
                free(unit);
        }
}

static void test_objects(void **state) {
#define OBJECT "/org/freedesktop/systemd1/unit/"
        static const struct {
                const char *path, *unit;
        } table[] = {
                { OBJECT "vakt_2dtrue_2d1_2eservice", "vakt-true-1.service" },
                { OBJECT "vakt_2dmail_5cx40bob_2d7_2eservice", "vakt-mail\\x40bob-7.service" },
                { OBJECT "_31_2eservice", "1.service" },
                { OBJECT, NULL },
                { OBJECT "a_", NULL },
                { OBJECT "a_2", NULL },
                { OBJECT "a_2g", NULL },
                { OBJECT "a_00", NULL },
                { "/org/freedesktop/systemd1/job/1", NULL },
                { "/", NULL },
        };
        char unit[UNIT_NAME_MAX + 1], path[1024];

        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
                bool good = unit_name_from_path(table[i].path, unit);

                if (good != (table[i].unit != NULL) || (good && !streq(unit, table[i].unit)))
                        fail_msg("%s: '%s'", table[i].path, good ? unit : "none");
        }
        /* No longer than a name may be. */
        (void)snprintf(path, sizeof(path), OBJECT "%0*d", UNIT_NAME_MAX, 0);
        assert_true(unit_name_from_path(path, unit));
        (void)snprintf(path, sizeof(path), OBJECT "%0*d", UNIT_NAME_MAX + 1, 0);
        assert_false(unit_name_from_path(path, unit));
}

static void test_table(void **state) {
        enum {
                N = 1000,
        };
        static UnitNode nodes[N], twin = { .name = (char *)"7" };
        static char names[N][8];
        UnitTable t = {};
        size_t seen = 0;

        assert_null(unit_table_find(&t, "7"));
        for (unsigned i = 0; i < N; i++) {
                (void)snprintf(names[i], sizeof(names[i]), "%u", i);
                nodes[i].name = names[i];
                assert_int_equal(unit_table_add(&t, &nodes[i]), 0);
        }
        for (unsigned i = 0; i < N; i++)
                assert_ptr_equal(unit_table_find(&t, names[i]), &nodes[i]);
        assert_null(unit_table_find(&t, "1000"));
        assert_null(unit_table_find_next(&nodes[7]));

        assert_int_equal(unit_table_add(&t, &twin), 0);
        assert_non_null(unit_table_find_next(unit_table_find(&t, "7")));
        UNIT_TABLE_FOREACH(node, &t) {
                seen++;
        }
        assert_int_equal(seen, N + 1);
        unit_table_remove(&t, &nodes[7]);
        assert_ptr_equal(unit_table_find(&t, "7"), &twin);
        assert_null(unit_table_find_next(&twin));
        unit_table_remove(&t, &twin);
        for (unsigned i = 0; i < N; i++)
                if (i != 7)
                        unit_table_remove(&t, &nodes[i]);
        assert_null(unit_table_any(&t));
        assert_null(t.slots);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_names_there_and_back),
                cmocka_unit_test(test_names_of_others),
                cmocka_unit_test(test_runners),
                cmocka_unit_test(test_objects),
                cmocka_unit_test(test_table),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
