/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* vaktd.conf and its drop-ins, all or nothing. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>
#include <ftw.h>
#include <sys/stat.h>
#include <syslog.h>

#include "bad-jobs.h"
#include "config/settings.h"

static char root[] = "/tmp/vakt-settings-XXXXXX", conf[sizeof(root) + 16];

static void put(const char *name, const char *content) {
        char path[PATH_MAX];

        (void)snprintf(path, sizeof(path), "%s/%s", root, name);
        bad_job_write(path, content, strlen(content));
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw) {
        return remove(path);
}

static int setup(void **state) {
        char folder[PATH_MAX];

        strcpy(root + strlen(root) - 6, "XXXXXX");
        assert_non_null(mkdtemp(root));
        (void)snprintf(conf, sizeof(conf), "%s/vaktd.conf", root);
        (void)snprintf(folder, sizeof(folder), "%s.d", conf);
        return mkdir(folder, 0755);
}

static int teardown(void **state) {
        return nftw(root, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

static void test_defaults(void **state) {
        Diagnostics d = {};
        Settings s;

        settings_init(&s);
        assert_int_equal(s.max_running, 0);
        assert_true(s.default_timeout == USEC_INFINITY);
        assert_int_equal(s.executor, EXECUTOR_AUTO);
        assert_int_equal(s.log_level, -1);
        assert_true(s.resume_ramp == 30 * USEC_PER_SEC);
        s.max_running = 7;
        assert_int_equal(settings_load(&s, conf, getuid(), &d), 0);
        assert_int_equal(s.max_running, 0);
        s.max_running = 7;
        assert_int_equal(settings_load(&s, "/nonexistent/vaktd/vaktd.conf", getuid(), &d), 0);
        assert_int_equal(s.max_running, 0);
        assert_int_equal(d.n_items, 0);
}

static void test_values(void **state) {
        Diagnostics d = {};
        Settings s;

        put("vaktd.conf",
            "# 100% of it\n[Manager]\nMaxRunning=12\nDefaultTimeoutSec=1h 30min\nExecutor=child\nLogLevel=debug\n"
            "ResumeRampSec=5min\nX-Note=%q\n");
        assert_int_equal(settings_load(&s, conf, getuid(), &d), 0);
        assert_int_equal(s.max_running, 12);
        assert_true(s.default_timeout == 90 * USEC_PER_MINUTE);
        assert_int_equal(s.executor, EXECUTOR_CHILD);
        assert_int_equal(s.log_level, LOG_DEBUG);
        assert_true(s.resume_ramp == 5 * USEC_PER_MINUTE);

        put("vaktd.conf.d/20.conf", "[Manager]\nMaxRunning=20\nExecutor=\nResumeRampSec=\n");
        put("vaktd.conf.d/10.conf", "[Manager]\nMaxRunning=10\nDefaultTimeoutSec=0\nLogLevel=\nResumeRampSec=0\n");
        put("vaktd.conf.d/30.conf~", "[Manager]\nMaxRunning=30\n");
        assert_int_equal(settings_load(&s, conf, getuid(), &d), 0);
        assert_int_equal(s.max_running, 20);
        assert_true(s.default_timeout == USEC_INFINITY);
        assert_int_equal(s.executor, EXECUTOR_AUTO);
        assert_int_equal(s.log_level, -1);
        assert_true(s.resume_ramp == 30 * USEC_PER_SEC);
        assert_int_equal(d.n_items, 0);
}

static const struct {
        int line;
        const char *text;
        unsigned fault_line;
        const char *message;
} bad_rows[] = {
        { __LINE__, "[Manager]\nMaxRunning=many\n", 2, "is no whole number. Write one from 0 to 100000." },
        { __LINE__, "[Manager]\nMaxRunning=-1\n", 2, "is no whole number" },
        { __LINE__, "[Manager]\n\nDefaultTimeoutSec=soon\n", 3, "is no time span" },
        { __LINE__, "[Manager]\nExecutor=unit\n", 2, "Executor=unit is unknown. Write auto or child." },
        { __LINE__, "[Manager]\nResumeRampSec=slowly\n", 2, "ResumeRampSec=slowly is no time span. Write one as" },
        { __LINE__, "[Manager]\nResumeRampSec=infinity\n", 2, "ResumeRampSec=infinity has no end" },
        { __LINE__, "[Manager]\nLogLevel=loud\n", 2, "is no log level" },
        { __LINE__, "[Manager]\nMaxRuning=1\n", 2, "Did you mean MaxRunning=?" },
        { __LINE__, "[Run]\nExec=x\n", 1, "Unknown section [Run]. The sections here are: [Manager]." },
        { __LINE__, "MaxRunning=1\n", 1, "before the first section and belongs in section [Manager]" },
};

static void test_faults(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(bad_rows); i++) {
                Settings s = { .max_running = 77 };
                Diagnostics d = {};
                int r;

                put("vaktd.conf", bad_rows[i].text);
                r = settings_load(&s, conf, getuid(), &d);
                if (r != -EINVAL || d.n_items != 1 || d.items[0].line != bad_rows[i].fault_line ||
                    !strstr(d.items[0].message, bad_rows[i].message) || !streq(d.items[0].file, conf))
                        fail_msg("row of line %d: %d %s", bad_rows[i].line, r, d.n_items ? d.items[0].message : "");
                assert_int_equal(s.max_running, 77);
                diagnostics_done(&d);
        }
}

static void test_bad_files(void **state) {
        Settings s = { .max_running = 77 };
        Diagnostics d = {};

        put("vaktd.conf", "[Manager]\nMaxRunning=3\n");
        put("vaktd.conf.d/10.conf", "[Manager]\nMaxRunning=x\n");
        assert_int_equal(settings_load(&s, conf, getuid(), &d), -EINVAL);
        assert_non_null(strstr(d.items[0].file, "/vaktd.conf.d/10.conf"));
        assert_int_equal(d.items[0].line, 2);
        put("vaktd.conf.d/10.conf", "");
        assert_int_equal(chmod(conf, 0666), 0);
        assert_int_equal(settings_load(&s, conf, getuid(), &d), -EINVAL);
        assert_non_null(strstr(d.items[1].message, "mode 0666"));
        assert_int_equal(unlink(conf), 0);
        assert_int_equal(mkdir(conf, 0755), 0);
        assert_int_equal(settings_load(&s, conf, getuid(), &d), -EINVAL);
        assert_non_null(strstr(d.items[2].message, "This is a folder"));
        assert_int_equal(s.max_running, 77);
        diagnostics_done(&d);
}

static void test_names(void **state) {
        for (int i = 0; i < _EXECUTOR_CHOICE_MAX; i++)
                assert_int_equal(executor_choice_from_string(executor_choice_to_string((ExecutorChoice)i)), i);
        assert_null(executor_choice_to_string(_EXECUTOR_CHOICE_MAX));
        assert_true(executor_choice_from_string("unit") < 0);
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
        const struct CMUnitTest tests[] = {
                TEST(test_defaults),          TEST(test_values), TEST(test_faults), TEST(test_bad_files),
                cmocka_unit_test(test_names),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
