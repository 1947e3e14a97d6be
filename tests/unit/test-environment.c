/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a command line becomes, as systemd.service(5) words it, and what a run finds in its environment. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "exec/command-line.h"
#include "exec/environment.h"
#include "util/strv.h"

#define MAX_WORDS 8

static void test_expand(void **state) {
        static const char *const environment[] = {
                "ONE=one",          "TWO=two two",   "EMPTY=",      "SPACES=  a \t b\n",
                "QUOTED=a 'b c' d", "ESC=a\\\\ b c", "OPEN=x 'y z", "NONES='' \"\"",
                "MID=a'b c'd",      "BS=a\\",        NULL,
        };
        static const struct {
                int line;
                const char *in[MAX_WORDS], *out[MAX_WORDS];
        } table[] = {
                { __LINE__, { "cmd", "a", "b" }, { "cmd", "a", "b" } },
                { __LINE__, { "cmd", "$TWO" }, { "cmd", "two", "two" } },
                { __LINE__, { "cmd", "${TWO}" }, { "cmd", "two two" } },
                { __LINE__, { "cmd", "x${ONE}y${ONE}" }, { "cmd", "xoneyone" } },
                { __LINE__, { "cmd", "$SPACES", "end" }, { "cmd", "a", "b", "end" } },
                /* Absent: nothing as a word, empty inside one. */
                { __LINE__, { "cmd", "$NONE", "${NONE}", "a${NONE}b" }, { "cmd", "", "ab" } },
                { __LINE__, { "cmd", "$EMPTY", "x" }, { "cmd", "x" } },
                { __LINE__, { "cmd", "$$ONE", "$$", "5$$" }, { "cmd", "$ONE", "$", "5$" } },
                /* Tried with systemd 252 and 257. */
                { __LINE__, { "cmd", "$QUOTED" }, { "cmd", "a", "b c", "d" } },
                { __LINE__, { "cmd", "${QUOTED}" }, { "cmd", "a 'b c' d" } },
                { __LINE__, { "cmd", "$ESC" }, { "cmd", "a\\", "b", "c" } },
                { __LINE__, { "cmd", "$OPEN" }, { "cmd", "x", "y z" } },
                { __LINE__, { "cmd", "$NONES" }, { "cmd", "", "" } },
                { __LINE__, { "cmd", "$MID" }, { "cmd", "ab cd" } },
                { __LINE__, { "cmd", "$BS" }, { "cmd", "a" } },
                { __LINE__, { "cmd", "$1", "$ONE$ONE", "$ONE-x", "$ONE.BAR", "$", "end" }, { "cmd", "end" } },
                { __LINE__, { "cmd", "x${}y", "${ONE-x}", "${ONE:-x}" }, { "cmd", "xy", "", "${ONE:-x}" } },
                { __LINE__, { "cmd", "a$ONE", "${", "${ONE", "${1}" }, { "cmd", "a$ONE", "${", "${ONE", "" } },
                { __LINE__, { "cmd", "$$$ONE", "${ONE}${ONE}" }, { "cmd", "$$ONE", "oneone" } },
                { __LINE__, { "$ONE", "x" }, { "one", "x" } },
                { __LINE__, { "$NONE" }, { "" } },
        };

        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
                _cleanup_(strv_freep) char **out = NULL;
                size_t n = 0;

                assert_int_equal(arguments_expand(&out, (char *const *)table[i].in, (char *const *)environment), 0);
                for (; table[i].out[n]; n++)
                        if (!out[n] || !streq(out[n], table[i].out[n]))
                                fail_msg("line %d: word %zu is '%s'", table[i].line, n, strempty(out[n]));
                if (out[n])
                        fail_msg("line %d: further word '%s'", table[i].line, out[n]);
        }
}

static void test_too_many_words(void **state) {
        _cleanup_free_ char *value = NULL;
        _cleanup_(strv_freep) char **out = NULL;
        const char *const argv[] = { "cmd", "$X", NULL };
        char *environment[] = { NULL, NULL };
        size_t n = ARGUMENTS_MAX * 2 + 2;

        value = malloc(n + 3);
        memcpy(value, "X=", 2);
        for (size_t i = 0; i < n; i++)
                value[2 + i] = i % 2 ? ' ' : 'a';
        value[2 + n] = '\0';
        environment[0] = value;
        assert_int_equal(arguments_expand(&out, (char *const *)argv, environment), -E2BIG);
        assert_null(out);
}

static const char *get(char *const *l, const char *name) {
        return strv_env_get(l, name, strlen(name));
}

static void test_run_environment(void **state) {
        _cleanup_(strv_freep) char **l = NULL;
        const char *const base[] = { "PATH=/bin", NULL };
        RunRecord run = {
                .id = 812,
                .job = "backup@srv",
                .cause = RUN_CAUSE_CATCH_UP,
                .attempt = 2,
                .scheduled = 1700000000 * USEC_PER_SEC + 5,
        };
        ExecutionRequest request = { .run = &run };

        assert_int_equal(environment_for_run(&l, (char *const *)base, &request, /* list= */ NULL), 0);
        assert_string_equal(get(l, "PATH"), "/bin");
        assert_string_equal(get(l, "VAKT_JOB"), "backup@srv");
        assert_string_equal(get(l, "VAKT_RUN"), "812");
        assert_string_equal(get(l, "VAKT_CAUSE"), "catch-up");
        assert_string_equal(get(l, "VAKT_ATTEMPT"), "2");
        assert_string_equal(get(l, "VAKT_SCHEDULED"), "2023-11-14T22:13:20.000005Z");
        assert_null(get(l, "VAKT_PARENT_RUN"));
        assert_null(get(l, "VAKT_PARENT_JOB"));
        assert_null(get(l, "VAKT_PARENT_RESULT"));
        assert_null(get(l, "VAKT_ALARM"));
}

/* What a run was for can be read from its environment alone. */
static void test_read_again(void **state) {
        static const usec_t times[] = { 0, 5, 1700000000 * USEC_PER_SEC, 1700000000 * USEC_PER_SEC + 999999 };

        for (RunCause cause = 0; cause < _RUN_CAUSE_MAX; cause++)
                for (size_t i = 0; i < ELEMENTSOF(times); i++) {
                        _cleanup_(strv_freep) char **l = NULL;
                        RunRecord run = {
                                .id = 7,
                                .job = "page-me",
                                .cause = cause,
                                .attempt = 3,
                                .scheduled = times[i],
                                .parent = UINT64_C(5000000000),
                                .parent_job = "backup",
                                .alarm = "slow",
                        };
                        RunRecord again = RUN_RECORD_INIT;

                        assert_int_equal(environment_for_run(&l, NULL, &(ExecutionRequest){ .run = &run }, NULL), 0);
                        environment_read_run(l, &again);
                        assert_int_equal(again.cause, cause);
                        assert_int_equal(again.attempt, 3);
                        assert_true(again.scheduled == times[i]);
                        assert_true(again.parent == run.parent);
                        assert_string_equal(again.parent_job, "backup");
                        assert_string_equal(again.alarm, "slow");
                }
}

/* That a run was for files, at least. */
static void test_read_paths(void **state) {
        const char *const one[] = { "VAKT_PATH=/in/a b", NULL }, *const list[] = { "VAKT_PATHS=/run/x", NULL };
        RunRecord run = RUN_RECORD_INIT;

        environment_read_run((char *const *)one, &run);
        assert_string_equal(run.payload, "/in/a b");
        run.payload = NULL;
        environment_read_run((char *const *)list, &run);
        assert_non_null(run.payload);
}

/* Anybody may have made it. */
static void test_read_nonsense(void **state) {
        const char *const l[] = { "VAKT_CAUSE=",
                                  "VAKT_ATTEMPT=-",
                                  "VAKT_SCHEDULED=soon",
                                  "VAKT_SCHEDULED=1969-12-31T00:00:00Z",
                                  "VAKT_PARENT_RUN=x",
                                  "VAKT_",
                                  NULL };
        RunRecord run = RUN_RECORD_INIT;

        environment_read_run((char *const *)l, &run);
        assert_int_equal(run.cause, RUN_CAUSE_TIMER);
        assert_int_equal(run.attempt, 1);
        assert_int_equal(run.scheduled, 0);
        assert_int_equal(run.parent, 0);
        assert_null(run.parent_job);
}

/* What asked for a run is told to it; and a unit is sent these variables alone. */
static void test_parent(void **state) {
        _cleanup_(strv_freep) char **l = NULL;
        RunRecord run = {
                .id = 1,
                .job = "page-me",
                .cause = RUN_CAUSE_CHAIN,
                .attempt = 1,
                .parent_job = "backup",
                .alarm = "slow",
        };
        RunRecord parent = { .result = RUN_RESULT_EXIT, .code = 3 };
        ExecutionRequest request = { .run = &run, .parent = &parent };

        assert_int_equal(environment_for_run(&l, /* base= */ NULL, &request, /* list= */ NULL), 0);
        assert_string_equal(get(l, "VAKT_CAUSE"), "chain");
        assert_string_equal(get(l, "VAKT_PARENT_JOB"), "backup");
        assert_string_equal(get(l, "VAKT_PARENT_RESULT"), "exit");
        assert_string_equal(get(l, "VAKT_PARENT_EXIT"), "3");
        assert_string_equal(get(l, "VAKT_ALARM"), "slow");
        STRV_FOREACH(s, l)
                assert_non_null(startswith(*s, "VAKT_"));
}

/* How it ended, if it had an exit status or a signal. */
static void test_exit_of_parent(void **state) {
        static const struct {
                unsigned line;
                RunResult result;
                int code;
                const char *expected;
        } rows[] = {
                { __LINE__, RUN_RESULT_SUCCESS, 0, "0" },   { __LINE__, RUN_RESULT_SUCCESS, 24, "24" },
                { __LINE__, RUN_RESULT_SIGNAL, 9, "KILL" }, { __LINE__, RUN_RESULT_TIMEOUT, 15, NULL },
                { __LINE__, RUN_RESULT_LOST, 0, NULL },     { __LINE__, RUN_RESULT_NONE, 0, NULL },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                RunRecord run = { .id = 1, .job = "next", .cause = RUN_CAUSE_CHAIN, .attempt = 1 };
                RunRecord parent = { .result = rows[i].result, .code = rows[i].code };
                ExecutionRequest request = { .run = &run, .parent = &parent };
                _cleanup_(strv_freep) char **l = NULL;

                assert_int_equal(environment_for_run(&l, /* base= */ NULL, &request, /* list= */ NULL), 0);
                if (!streq_ptr(get(l, "VAKT_PARENT_EXIT"), rows[i].expected))
                        fail_msg("line %u: %s", rows[i].line, strempty(get(l, "VAKT_PARENT_EXIT")));
        }
}

/* One path as it is, or the file with many. */
static void test_paths(void **state) {
        RunRecord run = { .id = 1, .job = "unpack", .cause = RUN_CAUSE_PATH, .attempt = 1 };
        ExecutionRequest request = { .run = &run, .paths = "/srv/\xff\n$x\0/b", .paths_size = 13 };
        _cleanup_(strv_freep) char **one = NULL, **many = NULL, **none = NULL;

        assert_int_equal(environment_for_run(&many, /* base= */ NULL, &request, "/run/list"), 0);
        assert_string_equal(get(many, "VAKT_PATHS"), "/run/list");
        assert_null(get(many, "VAKT_PATH"));
        request.one_path = true;
        assert_int_equal(environment_for_run(&one, /* base= */ NULL, &request, /* list= */ NULL), 0);
        assert_string_equal(get(one, "VAKT_PATH"), "/srv/\xff\n$x");
        assert_null(get(one, "VAKT_PATHS"));
        request.paths = NULL;
        assert_int_equal(environment_for_run(&none, /* base= */ NULL, &request, /* list= */ NULL), 0);
        assert_null(get(none, "VAKT_PATH"));
}

/* What else a trigger gave it. */
static void test_variables(void **state) {
        char *variables[] = { (char *)"VAKT_VALUE=9.3% (1.2G)", (char *)"VAKT_LIMIT=", NULL };
        RunRecord run = { .id = 1, .job = "disk", .cause = RUN_CAUSE_MONITOR, .attempt = 1 };
        ExecutionRequest request = { .run = &run, .variables = variables };
        _cleanup_(strv_freep) char **l = NULL;

        assert_int_equal(environment_for_run(&l, NULL, &request, NULL), 0);
        assert_string_equal(get(l, "VAKT_VALUE"), "9.3% (1.2G)");
        assert_string_equal(get(l, "VAKT_LIMIT"), "");
        assert_string_equal(get(l, "VAKT_CAUSE"), "monitor");
}

static void test_base_environment(void **state) {
        _cleanup_(strv_freep) char **system = NULL, **user = NULL;

        setenv("NOTIFY_SOCKET", "/nowhere", 1);
        setenv("SECRET_OF_THE_DAEMON", "x", 1);
        setenv("LANG", "C.UTF-8", 1);
        assert_int_equal(environment_base(&system, false), 0);
        assert_non_null(strstr(get(system, "PATH"), "/usr/bin"));
        assert_string_equal(get(system, "LANG"), "C.UTF-8");
        assert_non_null(get(system, "HOME"));
        assert_null(get(system, "NOTIFY_SOCKET"));
        assert_null(get(system, "SECRET_OF_THE_DAEMON"));

        assert_int_equal(environment_base(&user, true), 0);
        assert_string_equal(get(user, "SECRET_OF_THE_DAEMON"), "x");
        assert_null(get(user, "NOTIFY_SOCKET"));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_expand),           cmocka_unit_test(test_too_many_words),
                cmocka_unit_test(test_run_environment),  cmocka_unit_test(test_parent),
                cmocka_unit_test(test_exit_of_parent),   cmocka_unit_test(test_read_again),
                cmocka_unit_test(test_read_nonsense),    cmocka_unit_test(test_read_paths),
                cmocka_unit_test(test_base_environment), cmocka_unit_test(test_paths),
                cmocka_unit_test(test_variables),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
