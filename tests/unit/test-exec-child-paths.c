/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a path trigger gave a run that is a child: every byte of it, as a variable, a word, a file and standard input,
 * with the helper and without. */

#include "test-exec-child.h"

#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>

static char directory[] = "/tmp/vakt-test-child-paths-XXXXXX";
static char meant[64]; /* file of what a run is to get */

static void mean(const char *bytes, size_t n) {
        int fd = open(meant, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0644);

        assert_int_equal(write(fd, bytes, n), n);
        assert_int_equal(close(fd), 0);
}

static int run_try_with(TestRun *t, const char *paths, size_t size, bool one_path) {
        ExecutionRequest request = {
                .def = t->def,
                .run = &t->record,
                .timeout = t->timeout,
                .follow = true,
                .paths = paths,
                .paths_size = size,
                .one_path = one_path,
        };

        return t->rig->executor->ops->start(t->rig->executor, &request, t, &t->execution);
}

static bool file_is_there(const char *kind, uint64_t run) {
        char path[128];

        (void)snprintf(path, sizeof(path), "%s/batches/%s-%" PRIu64, directory, kind, run);
        return access(path, F_OK) == 0;
}

static void expect(int line, const TestRun *t, RunResult result) {
        if (t->outcome.result != result)
                fail_msg("line %d: %s %d %s %s", line, run_result_to_string(t->outcome.result), t->outcome.code,
                         t->reason, t->output);
}
#define EXPECT(t, result) expect(__LINE__, t, result)

static void test_one_path(void **state) {
        char path[256];
        Rig rig;

        for (unsigned i = 0; i < 255; i++)
                path[i] = (char)(i + 1);
        path[255] = '\0';
        mean(path, 255);
        rig_open(&rig, directory);
        for (unsigned with_helper = 0; with_helper < 2; with_helper++) {
                _cleanup_(strv_freep) char **argv = NULL;
                TestRun t;

                run_init(&t, &rig, "printf %s \"$VAKT_PATH\" | cmp - $MEANT && test -c /dev/stdin");
                assert_int_equal(strv_extend(&argv, "sh"), 0);
                assert_int_equal(strv_extend(&argv, "-c"), 0);
                assert_int_equal(strv_extend(&argv, "printf %s \"$1\" | cmp - $0 && test $# = 1"), 0);
                assert_int_equal(strv_extend(&argv, meant), 0);
                assert_int_equal(strv_extend(&argv, "${VAKT_PATH}"), 0);
                def_add_command(t.def, "/bin/sh", TAKE_PTR(argv), 0);
                def_set_list(t.def, "PassEnvironment", "MEANT");
                if (with_helper)
                        def_set_number(t.def, "UMask", 022);
                assert_int_equal(run_try_with(&t, path, sizeof(path), /* one_path= */ true), 0);
                assert_false(file_is_there("child", t.record.id));
                run_wait(&t);
                EXPECT(&t, RUN_RESULT_SUCCESS);
                run_done(&t);
        }
        rig_close(&rig);
}

#define LIST "/srv/a\0-rf\0/srv/b\nc\0/srv/\xff"

/* Each command from its beginning. */
static void test_list(void **state) {
        Rig rig;

        mean(LIST, sizeof(LIST));
        rig_open(&rig, directory);
        for (unsigned with_helper = 0; with_helper < 2; with_helper++) {
                TestRun t;

                run_init(&t, &rig, "cmp - $MEANT && cmp \"$VAKT_PATHS\" $MEANT && test -z \"${VAKT_PATH+x}\"");
                def_add_script(t.def, "cmp - $MEANT", 0);
                def_set_list(t.def, "PassEnvironment", "MEANT");
                if (with_helper)
                        def_set_number(t.def, "UMask", 022);
                assert_int_equal(run_try_with(&t, LIST, sizeof(LIST), /* one_path= */ false), 0);
                assert_true(file_is_there("child", t.record.id));
                run_wait(&t);
                EXPECT(&t, RUN_RESULT_SUCCESS);
                assert_false(file_is_there("child", t.record.id));
                run_done(&t);

                /* That these runs are able to fail. */
                run_init(&t, &rig, "cmp - $MEANT");
                def_set_list(t.def, "PassEnvironment", "MEANT");
                assert_int_equal(run_try_with(&t, LIST "x", sizeof(LIST "x"), /* one_path= */ false), 0);
                run_wait(&t);
                EXPECT(&t, RUN_RESULT_EXIT);
                run_done(&t);
        }
        rig_close(&rig);
}

static void test_other_input(void **state) {
        Rig rig;
        TestRun t;

        mean(LIST, sizeof(LIST));
        rig_open(&rig, directory);
        run_init(&t, &rig, "test -c /dev/stdin && cmp \"$VAKT_PATHS\" $MEANT");
        def_set_list(t.def, "PassEnvironment", "MEANT");
        def_set_text(t.def, "StandardInput", "null");
        assert_int_equal(run_try_with(&t, LIST, sizeof(LIST), /* one_path= */ false), 0);
        run_wait(&t);
        EXPECT(&t, RUN_RESULT_SUCCESS);
        run_done(&t);

        run_init(&t, &rig, "test -c /dev/stdin && test -z \"${VAKT_PATHS+x}${VAKT_PATH+x}\"");
        run_start(&t);
        run_wait(&t);
        EXPECT(&t, RUN_RESULT_SUCCESS);
        run_done(&t);
        rig_close(&rig);
}

static void test_nowhere(void **state) {
        Rig rig;
        TestRun t;

        rig_open(&rig, NULL);
        run_init(&t, &rig, "true");
        assert_int_equal(run_try_with(&t, LIST, sizeof(LIST), /* one_path= */ false), -ENOENT);
        run_done(&t);
        rig_close(&rig);

        rig_open(&rig, "/no/such/directory");
        run_init(&t, &rig, "true");
        assert_int_equal(run_try_with(&t, LIST, sizeof(LIST), /* one_path= */ false), -ENOENT);
        run_done(&t);
        rig_close(&rig);
}

/* Somebody has taken it away between two commands. */
static void test_taken_away(void **state) {
        Rig rig;
        TestRun t;

        rig_open(&rig, directory);
        run_init(&t, &rig, "rm -f \"$VAKT_PATHS\"");
        def_add_script(t.def, "true", 0);
        assert_int_equal(run_try_with(&t, LIST, sizeof(LIST), /* one_path= */ false), 0);
        run_wait(&t);
        EXPECT(&t, RUN_RESULT_START_FAILED);
        assert_int_equal(t.outcome.code, ENOENT);
        assert_non_null(strstr(t.reason, "list of paths"));
        run_done(&t);
        rig_close(&rig);
}

/* Its run is killed with the executor; what an earlier one has left goes when the loop comes to it. */
static void test_removal(void **state) {
        char stray[128], other[128];
        uint64_t run;
        Rig rig;
        TestRun t;

        rig_open(&rig, directory);
        run_init(&t, &rig, "sleep 1000");
        run = t.record.id;
        assert_int_equal(run_try_with(&t, LIST, sizeof(LIST), /* one_path= */ false), 0);
        assert_true(file_is_there("child", run));
        run_done(&t);
        assert_false(file_is_there("child", run));
        rig_close(&rig);

        (void)snprintf(stray, sizeof(stray), "%s/batches/child-98765", directory);
        (void)snprintf(other, sizeof(other), "%s/batches/unit-98765", directory);
        assert_int_equal(close(open(stray, O_CREAT | O_WRONLY | O_CLOEXEC, 0400)), 0);
        assert_int_equal(close(open(other, O_CREAT | O_WRONLY | O_CLOEXEC, 0400)), 0);
        rig_open(&rig, directory);
        run_init(&t, &rig, "cmp - $MEANT");
        def_set_list(t.def, "PassEnvironment", "MEANT");
        assert_int_equal(run_try_with(&t, LIST, sizeof(LIST), /* one_path= */ false), 0);
        while (file_is_there("child", 98765))
                turn(&rig);
        run_wait(&t);
        EXPECT(&t, RUN_RESULT_SUCCESS); /* its own was left alone */
        run_done(&t);
        assert_true(file_is_there("unit", 98765));
        assert_int_equal(unlink(other), 0);
        rig_close(&rig);
}

/* One that an earlier daemon has started, and that is gone by now. */
static void test_adopted(void **state) {
        char path[128];
        Rig rig;
        TestRun t;

        rig_open(&rig, directory);
        run_init(&t, &rig, "true");
        t.record.state = RUN_RUNNING;
        (void)snprintf(path, sizeof(path), "%s/batches/child-%" PRIu64, directory, t.record.id);
        assert_int_equal(close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0400)), 0);
        run_adopt(&t);
        assert_true(file_is_there("child", t.record.id));
        run_wait(&t);
        assert_int_equal(t.outcome.result, RUN_RESULT_LOST);
        assert_false(file_is_there("child", t.record.id));
        run_done(&t);
        rig_close(&rig);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *f) {
        return remove(path);
}

static int set_up(void **state) {
        assert_non_null(mkdtemp(directory));
        (void)snprintf(meant, sizeof(meant), "%s/meant", directory);
        assert_int_equal(setenv("MEANT", meant, 1), 0);
        return group_setup(state);
}

static int tear_down(void **state) {
        return nftw(directory, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_one_path), cmocka_unit_test(test_list),       cmocka_unit_test(test_other_input),
                cmocka_unit_test(test_nowhere),  cmocka_unit_test(test_taken_away), cmocka_unit_test(test_removal),
                cmocka_unit_test(test_adopted),
        };

        return cmocka_run_group_tests(tests, set_up, tear_down);
}
