/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* vaktd.conf and its drop-ins. */

#include <limits.h>
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
        char directory[PATH_MAX];

        strcpy(root + strlen(root) - 6, "XXXXXX");
        assert_non_null(mkdtemp(root));
        (void)snprintf(conf, sizeof(conf), "%s/vaktd.conf", root);
        (void)snprintf(directory, sizeof(directory), "%s.d", conf);
        return mkdir(directory, 0755);
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
        assert_int_equal(s.history_keep, 1000);
        assert_true(s.history_keep_usec == 90 * USEC_PER_DAY);
        assert_int_equal(s.n_pools, 0);
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
        Settings s = {};

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

static void test_history(void **state) {
        Diagnostics d = {};
        Settings s = {};

        put("vaktd.conf", "[Manager]\nHistoryKeep=5\nHistoryKeepSec=1d\nExecutor=unit\n");
        assert_int_equal(settings_load(&s, conf, getuid(), &d), 0);
        assert_int_equal(s.history_keep, 5);
        assert_true(s.history_keep_usec == USEC_PER_DAY);
        assert_int_equal(s.executor, EXECUTOR_UNIT);
        put("vaktd.conf", "[Manager]\nHistoryKeep=infinity\nHistoryKeepSec=infinity\n");
        assert_int_equal(settings_load(&s, conf, getuid(), &d), 0);
        assert_int_equal(s.history_keep, UINT_MAX);
        assert_true(s.history_keep_usec == USEC_INFINITY);
        put("vaktd.conf", "[Manager]\nHistoryKeep=5\nHistoryKeepSec=1d\nHistoryKeep=\nHistoryKeepSec=\n");
        assert_int_equal(settings_load(&s, conf, getuid(), &d), 0);
        assert_int_equal(s.history_keep, 1000);
        assert_true(s.history_keep_usec == 90 * USEC_PER_DAY);
}

#define NAME_16 "0123456789abcdef"
#define NAME_64 NAME_16 NAME_16 NAME_16 NAME_16

static void test_pools(void **state) {
        Diagnostics d = {};
        Settings s = {};

        put("vaktd.conf", "[Pool net]\nSlots=2\n[Manager]\nMaxRunning=3\n[Pool disk]\n[Pool   a.b_c-D]\nMaxWaitSec=0\n"
                          "[Pool " NAME_64 "]\nSlots=100000\n");
        put("vaktd.conf.d/1.conf", "[Pool disk]\nSlots=4\nMaxWaitSec=10min\n[Pool net]\nSlots=\n");
        assert_int_equal(settings_load(&s, conf, getuid(), &d), 0);
        assert_int_equal(s.n_pools, 4);
        for (size_t i = 1; i < s.n_pools; i++)
                assert_true(strcmp(s.pools[i - 1].name, s.pools[i].name) < 0);
        assert_int_equal(settings_pool(&s, "net")->slots, 1);
        assert_true(settings_pool(&s, "net")->max_wait == USEC_INFINITY);
        assert_int_equal(settings_pool(&s, "disk")->slots, 4);
        assert_true(settings_pool(&s, "disk")->max_wait == 10 * USEC_PER_MINUTE);
        assert_true(settings_pool(&s, "a.b_c-D")->max_wait == 0);
        assert_int_equal(settings_pool(&s, NAME_64)->slots, 100000);
        assert_null(settings_pool(&s, "dis"));
        assert_null(settings_pool(&s, "z"));

        /* what is bad counts for nothing, beside it everything counts; what was there before goes */
        put("vaktd.conf.d/1.conf", "[Pool disk]\nSlots=0\nMaxWaitSec=5s\n");
        assert_int_equal(settings_load(&s, conf, getuid(), &d), SETTINGS_PARTIAL);
        assert_int_equal(settings_pool(&s, "disk")->slots, 1);
        assert_true(settings_pool(&s, "disk")->max_wait == 5 * USEC_PER_SEC);
        assert_int_equal(settings_pool(&s, "net")->slots, 2);
        diagnostics_done(&d);
        put("vaktd.conf", "[Pool other]\n");
        put("vaktd.conf.d/1.conf", "");
        assert_int_equal(settings_load(&s, conf, getuid(), &d), 0);
        assert_int_equal(s.n_pools, 1);
        settings_done(&s);
        assert_int_equal(s.n_pools, 0);
}

static void test_many_pools(void **state) {
        _cleanup_free_ char *text = NULL;
        Diagnostics d = {};
        Settings s = {};
        size_t n;
        FILE *f = open_memstream(&text, &n);

        for (unsigned i = 0; i < SETTINGS_POOLS_MAX; i++)
                fprintf(f, "[Pool %u]\n", (i * 97) % SETTINGS_POOLS_MAX);
        fprintf(f, "[Pool 1]\n");
        fflush(f);
        put("vaktd.conf", text);
        assert_int_equal(settings_load(&s, conf, getuid(), &d), 0);
        assert_int_equal(s.n_pools, SETTINGS_POOLS_MAX);
        fprintf(f, "[Pool more]\nSlots=x\n");
        assert_int_equal(fclose(f), 0);
        put("vaktd.conf", text);
        assert_int_equal(settings_load(&s, conf, getuid(), &d), SETTINGS_PARTIAL);
        assert_int_equal(s.n_pools, SETTINGS_POOLS_MAX);
        assert_int_equal(d.n_items, 1);
        assert_int_equal(d.items[0].line, SETTINGS_POOLS_MAX + 2);
        assert_string_equal(d.items[0].message, "There are more than 256 pools. Remove some.");
        diagnostics_done(&d);
        settings_done(&s);
}

static const struct {
        int line;
        const char *text;
        unsigned problem_line;
        const char *message;
} bad_rows[] = {
        { __LINE__, "[Manager]\nMaxRunning=many\n", 2, "is not a whole number. Write a number from 0 to 100000." },
        { __LINE__, "[Manager]\nMaxRunning=-1\n", 2, "is not a whole number" },
        { __LINE__, "[Manager]\n\nDefaultTimeoutSec=soon\n", 3, "is not a time span" },
        { __LINE__, "[Manager]\nExecutor=fork\n", 2, "Executor=fork is unknown. Write auto, unit or child." },
        { __LINE__, "[Manager]\nResumeRampSec=slowly\n", 2, "ResumeRampSec=slowly is not a time span. Write one as" },
        { __LINE__, "[Manager]\nResumeRampSec=infinity\n", 2, "ResumeRampSec=infinity is not finite" },
        { __LINE__, "[Manager]\nLogLevel=loud\n", 2, "is not a log level" },
        { __LINE__, "[Manager]\nMaxRuning=1\n", 2, "Did you mean MaxRunning=?" },
        { __LINE__, "[Run]\nExec=x\n", 1, "Unknown section [Run]. Valid sections are: [Manager], [Pool NAME]." },
        { __LINE__, "[Manager]\nHistoryKeep=0\n", 2, "HistoryKeep=0 is out of range. Write a number from 1 to" },
        { __LINE__, "[Manager]\nHistoryKeep=-1\n", 2,
          "is not a whole number. Write a number from 1 to 4294967294, or infinity" },
        { __LINE__, "[Manager]\nHistoryKeepSec=0\n", 2, "HistoryKeepSec=0 is shorter than 1s" },
        { __LINE__, "[Pool]\nSlots=2\n", 1, "Section [Pool] has no name. Write [Pool NAME]." },
        { __LINE__, "[Pool a b]\n", 1, "[Pool a b] is not a valid pool name. Write at most 64 letters" },
        { __LINE__, "[Pool a@b]\n", 1, "[Pool a@b] is not a valid pool name." },
        { __LINE__, "[Pool " NAME_64 "x]\n", 1, "is not a valid pool name." },
        { __LINE__, "\n[Pool a]\nSlots=0\n", 3, "Slots=0 is out of range. Write a number from 1 to 100000." },
        { __LINE__, "[Pool a]\nMaxWaitSec=x\n", 2, "MaxWaitSec=x is not a time span" },
        { __LINE__, "[Pool a]\nSlot=2\n", 2, "Unknown key Slot= in section [Pool]. Did you mean Slots=?" },
        { __LINE__, "[Manager]\nSlots=2\n", 2, "Slots= is in section [Manager], but belongs in section [Pool]." },
        { __LINE__, "[Pol a]\n", 1, "Unknown section [Pol a]." },
        { __LINE__, "MaxRunning=1\n", 1, "before the first section, but belongs in section [Manager]" },
};

static void test_problems(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(bad_rows); i++) {
                Settings s = { .max_running = 77 };
                Diagnostics d = {};
                int r;

                put("vaktd.conf", bad_rows[i].text);
                put("vaktd.conf.d/10.conf", "[Manager]\nHistoryKeep=9\n");
                r = settings_load(&s, conf, getuid(), &d);
                if (r != SETTINGS_PARTIAL || d.n_items != 1 || d.items[0].line != bad_rows[i].problem_line ||
                    !strstr(d.items[0].message, bad_rows[i].message) || !streq(d.items[0].file, conf))
                        fail_msg("row of line %d: %d %s", bad_rows[i].line, r, d.n_items ? d.items[0].message : "");
                /* the defaults, and what is good */
                assert_int_equal(s.max_running, 0);
                assert_true(s.default_timeout == USEC_INFINITY && s.resume_ramp == 30 * USEC_PER_SEC);
                assert_int_equal(s.executor, EXECUTOR_AUTO);
                assert_int_equal(s.history_keep, 9);
                diagnostics_done(&d);
                settings_done(&s);
        }
}

static void test_bad_files(void **state) {
        Settings s = { .max_running = 77 };
        Diagnostics d = {};

        put("vaktd.conf", "[Manager]\nMaxRunning=3\n");
        put("vaktd.conf.d/10.conf", "[Manager]\nMaxRunning=x\n");
        assert_int_equal(settings_load(&s, conf, getuid(), &d), SETTINGS_PARTIAL);
        assert_non_null(strstr(d.items[0].file, "/vaktd.conf.d/10.conf"));
        assert_int_equal(d.items[0].line, 2);
        assert_int_equal(s.max_running, 3);
        put("vaktd.conf.d/10.conf", "");
        assert_int_equal(chmod(conf, 0666), 0);
        assert_int_equal(settings_load(&s, conf, getuid(), &d), SETTINGS_PARTIAL);
        assert_non_null(strstr(d.items[1].message, "mode 0666"));
        assert_int_equal(unlink(conf), 0);
        assert_int_equal(mkdir(conf, 0755), 0);
        assert_int_equal(settings_load(&s, conf, getuid(), &d), SETTINGS_PARTIAL);
        assert_non_null(strstr(d.items[2].message, "This is a directory"));
        assert_int_equal(s.max_running, 0); /* nothing is taken from a file that others may write */
        diagnostics_done(&d);
}

static void test_names(void **state) {
        assert_int_equal(executor_choice_from_string("auto"), EXECUTOR_AUTO);
        assert_int_equal(executor_choice_from_string("unit"), EXECUTOR_UNIT);
        assert_int_equal(executor_choice_from_string("child"), EXECUTOR_CHILD);
        assert_true(executor_choice_from_string("fork") < 0);
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
        const struct CMUnitTest tests[] = {
                TEST(test_defaults), TEST(test_history),  TEST(test_pools),     TEST(test_many_pools),
                TEST(test_values),   TEST(test_problems), TEST(test_bad_files), cmocka_unit_test(test_names),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
