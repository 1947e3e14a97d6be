/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The set-up of a runner comes through as it was, also from a newer daemon, and is refused when it is cut short. */

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "exec/child-settings.h"
#include "exec/runner-setup.h"

static char *words[] = { (char *)"sh", (char *)"-c", (char *)"", NULL }, *word[] = { (char *)"true", NULL };
static struct RunnerCommand commands[] = { { (char *)"/bin/sh", words, 3 }, { (char *)"true", word, 0 } };
static const RunnerSetup setup = {
        .job = (char *)"a@b",
        .identifier = (char *)"",
        .own_output = true,
        .kill_mode = CHILD_KILL_PROCESS,
        .kill_signal = SIGUSR1,
        .send_sighup = true,
        .stop_timeout = USEC_INFINITY,
        .success_statuses = { 1, [31] = 0x80 },
        .success_signals = UINT64_C(1) << 40,
        .n_commands = 2,
        .commands = commands,
};

static void check(int fd) {
        RunnerSetup *read = NULL;

        assert_int_equal(runner_setup_read(&read, fd), 0);
        assert_string_equal(read->job, "a@b");
        assert_string_equal(read->identifier, "");
        assert_true(read->own_output && read->send_sighup && !read->send_sigkill);
        assert_int_equal(read->kill_mode, CHILD_KILL_PROCESS);
        assert_int_equal(read->kill_signal, SIGUSR1);
        assert_true(read->stop_timeout == USEC_INFINITY && read->success_signals == UINT64_C(1) << 40);
        assert_memory_equal(read->success_statuses, setup.success_statuses, sizeof(setup.success_statuses));
        assert_int_equal(read->n_commands, 2);
        assert_string_equal(read->commands[0].path, "/bin/sh");
        assert_string_equal(read->commands[0].argv[2], "");
        assert_null(read->commands[0].argv[3]);
        assert_int_equal(read->commands[0].flags, 3);
        assert_string_equal(read->commands[1].argv[0], "true");
        runner_setup_free(read);
}

static void test_there_and_back(void **state) {
        _cleanup_close_ int fd = runner_setup_write(&setup);
        RunnerSetup *read = NULL;
        struct stat st;

        assert_true(fd >= 0);
        assert_int_equal(fstat(fd, &st), 0);
        check(fd);
        assert_int_equal(pwrite(fd, "new", 3, st.st_size), 3); /* something that a newer daemon adds */
        check(fd);
        for (off_t size = st.st_size - 1; size >= 0; size--) {
                assert_int_equal(ftruncate(fd, size), 0);
                assert_int_equal(runner_setup_read(&read, fd), -EBADMSG);
                assert_null(read);
        }
}

static void refuse(const RunnerSetup *s) {
        _cleanup_close_ int fd = runner_setup_write(s);
        RunnerSetup *read = NULL;

        assert_int_equal(runner_setup_read(&read, fd), -EBADMSG);
}

static void test_refused(void **state) {
        static char *nothing[] = { NULL };
        RunnerSetup s = setup;

        s.n_commands = 0;
        refuse(&s);
        s = setup;
        s.kill_mode = _CHILD_KILL_MODE_MAX;
        refuse(&s);
        s = setup;
        s.kill_signal = 0;
        refuse(&s);
        s = setup;
        s.n_commands = 1;
        s.commands = &(struct RunnerCommand){ (char *)"/bin/true", nothing, 0 };
        refuse(&s);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_there_and_back),
                cmocka_unit_test(test_refused),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
