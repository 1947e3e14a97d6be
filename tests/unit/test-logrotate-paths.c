/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Which paths a configuration of logrotate names. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <cmocka.h>

#include "upkeep/logrotate-paths.h"

static char top[] = "/tmp/test-logrotate-XXXXXX";

static void put(const char *name, const char *text) {
        char path[128];
        FILE *f;

        (void)snprintf(path, sizeof(path), "%s/%s", top, name);
        f = fopen(path, "we");
        assert_true(f && fputs(text, f) >= 0 && fclose(f) == 0);
}

static int set_up(void **state) {
        char path[128];

        if (!mkdtemp(top))
                return -1;
        (void)snprintf(path, sizeof(path), "%s/d", top);
        return mkdir(path, 0755);
}

static int tear_down(void **state) {
        char command[128];

        (void)snprintf(command, sizeof(command), "rm -rf %s", top);
        return system(command);
}

static void test_paths(void **state) {
        static const char *const named[] = { "/log/a",  "/log/b c", "/log/d.log", "/log/e", "/log/f",
                                             "/log/g1", "/log/h",   "/log/i",     "/log/j" };
        static const char *const others[] = { "/log/x",      "/log/script", "/log/comment", "/log/taboo",
                                              "/log/.d/log", "/old",        "/log/d/e.log", "/bin/kill" };
        _cleanup_(logrotate_paths_freep) LogrotatePaths *l = NULL;
        char text[512], path[128];

        (void)snprintf(
                text, sizeof(text),
                "# /log/comment\nweekly\ncreate\ninclude %s/d\n/log/a \"/log/b c\" '/log/d.log' {\n  rotate 4\n  "
                "olddir /old\n  postrotate\n   if true; then { /bin/kill /log/script }\n }\n  endscript\n}\n"
                "/log/e\n/log/f\n{\n missingok }\n/log/g[0-9]{\n}\n",
                top);
        put("conf", text);
        put("d/app", "/log/h, /log/i {\n}\n/log/j # /log/comment\n{\n}\n/log/*.d {\n}");
        put("d/app.dpkg-old", "/log/taboo {\n}\n");
        put("d/loop", text);
        (void)snprintf(path, sizeof(path), "%s/d/fifo", top);
        assert_int_equal(mkfifo(path, 0600), 0); /* it is not waited for */
        (void)snprintf(path, sizeof(path), "%s/conf", top);
        assert_int_equal(logrotate_paths_read(&l, path), 0);
        for (size_t i = 0; i < ELEMENTSOF(named); i++)
                if (!logrotate_paths_find(l, named[i]))
                        fail_msg("%s is not named", named[i]);
        for (size_t i = 0; i < ELEMENTSOF(others); i++)
                if (logrotate_paths_find(l, others[i]))
                        fail_msg("%s is named", others[i]);
        (void)snprintf(path, sizeof(path), "%s/d/app", top);
        assert_string_equal(logrotate_paths_find(l, "/log/i"), path);
        assert_string_equal(logrotate_paths_find(l, "/log/x.d"), path);
}

static void test_none(void **state) {
        _cleanup_(logrotate_paths_freep) LogrotatePaths *l = NULL;

        assert_int_equal(logrotate_paths_read(&l, "/nothing/is/here"), 0);
        assert_null(logrotate_paths_find(l, "/var/log/messages"));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_paths, set_up, tear_down),
                cmocka_unit_test(test_none),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
