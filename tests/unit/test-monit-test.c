/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Tests of monit as conditions: what they become, and what is said about those that become none. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#include "ctl/monit-test.h"

static const MonitSubject machine = { .kind = MONIT_SYSTEM, .target = "" },
                          disk = { .kind = MONIT_FILESYSTEM, .target = "/srv/a b" },
                          device = { .kind = MONIT_FILESYSTEM, .target = "/dev/sda1" },
                          file = { .kind = MONIT_FILE, .target = "/f" }, wrong = { .kind = MONIT_FILE, .target = "f" },
                          directory = { .kind = MONIT_DIRECTORY, .target = "/d" },
                          pidfile = { .kind = MONIT_PROCESS, .name = "x", .target = "/run/x.pid" },
                          other_pidfile = { .kind = MONIT_PROCESS, .name = "web", .target = "/run/x.pid" },
                          short_pidfile = { .kind = MONIT_PROCESS, .name = "x", .target = "x.pid" },
                          odd_pidfile = { .kind = MONIT_PROCESS, .name = "x", .target = "/run/x/pid" },
                          long_pidfile = { .kind = MONIT_PROCESS, .name = "xy", .target = "/run/x.pid" },
                          pattern = { .kind = MONIT_PROCESS, .name = "x", .target = "a b|c", .is_pattern = true },
                          program = { .kind = MONIT_PROGRAM, .target = "/bin/x -y 'a b'" },
                          near = { .kind = MONIT_HOST, .target = "127.0.0.1" },
                          far = { .kind = MONIT_HOST, .target = "example.org" },
                          network = { .kind = MONIT_NETWORK, .target = "eth0" };

static const struct {
        int line;
        const MonitSubject *subject;
        const char *text, *condition, *reason;
} rows[] = {
        { __LINE__, &machine, "loadavg (1min) > 4", "load1 > 4", NULL },
        { __LINE__, &machine, "loadavg(5min) is greater than 2.5", "load5 > 2.5", NULL },
        { __LINE__, &machine, "LOADAVG (15MIN) LT 1", "load15 < 1", NULL },
        { __LINE__, &machine, "loadavg (1min) per core > 2", NULL, "Multiply by the number of processors" },
        { __LINE__, &machine, "memory usage > 75%", "memory-available < 25%", NULL },
        { __LINE__, &machine, "total memory usage >= 75.25 %", "memory-available <= 24.75%", NULL },
        { __LINE__, &machine, "memory > 500 MB", NULL, "memory-available < 500M" },
        { __LINE__, &machine, "memory > 101%", NULL, "not between 0 and 100" },
        { __LINE__, &machine, "swap usage less than 20%", "swap-free > 80%", NULL },
        { __LINE__, &machine, "swap > 1 GB", NULL, "swap-free < 500M" },
        { __LINE__, &machine, "cpu usage (user) > 70%", NULL, "pressure cpu some > 20%" },
        { __LINE__, &machine, "uptime > 3 days", NULL, "There is no condition for this test" },
        { __LINE__, &disk, "space usage > 80%", "disk-free \"/srv/a b\" < 20%", NULL },
        { __LINE__, &disk, "space > 80 %", "disk-free \"/srv/a b\" < 20%", NULL },
        { __LINE__, &disk, "space free < 5.5 GB", "disk-free \"/srv/a b\" < 5632M", NULL },
        { __LINE__, &disk, "space free < 5%", "disk-free \"/srv/a b\" < 5%", NULL },
        { __LINE__, &disk, "space usage > 5 GB", NULL, "disk-free PATH < 5G" },
        { __LINE__, &disk, "inode usage > 90%", "inode-free \"/srv/a b\" < 10%", NULL },
        { __LINE__, &disk, "inodes free < 5000", "inode-free \"/srv/a b\" < 5000", NULL },
        { __LINE__, &disk, "inode usage > 30000", NULL, "inode-free PATH < 10000" },
        { __LINE__, &disk, "does not exist", "not mounted \"/srv/a b\"", NULL },
        { __LINE__, &disk, "read rate > 1 MB/s", NULL, "There is no condition" },
        { __LINE__, &device, "space usage > 80%", NULL, "Write where the device is mounted" },
        { __LINE__, &device, "does not exist", NULL, "There is no condition" },
        { __LINE__, &file, "size > 100 MB", "file-size /f > 100M", NULL },
        { __LINE__, &file, "size == 0", "file-size /f = 0", NULL },
        { __LINE__, &file, "size = 0 bytes", "file-size /f = 0", NULL },
        { __LINE__, &file, "timestamp > 15 minutes", "file-age /f > 15min", NULL },
        { __LINE__, &file, "timestamp is older than 1 day", NULL, "not understood" },
        { __LINE__, &file, "modification time > 1 day", "file-age /f > 1d", NULL },
        { __LINE__, &file, "mtime > 2 hours", "file-age /f > 2h", NULL },
        { __LINE__, &file, "atime > 2 hours", NULL, "file-age" },
        { __LINE__, &file, "changed checksum", "", NULL },
        { __LINE__, &file, "changed size", "", NULL },
        { __LINE__, &file, "changed permission", NULL, "This change is not reported" },
        { __LINE__, &file, "failed permission 644", NULL, "exec with a program" },
        { __LINE__, &file, "content = \"error\"", NULL, "PathModified=" },
        { __LINE__, &file, "not exist", "not file-exists /f", NULL },
        { __LINE__, &directory, "exists", "file-exists /d", NULL },
        { __LINE__, &wrong, "not exist", NULL, "\"not file-exists f\" is not a valid condition: column 17: " },
        { __LINE__, &pidfile, "does not exist", "process x count < 1", NULL },
        { __LINE__, &pidfile, "exists", "process x count >= 1", NULL },
        { __LINE__, &short_pidfile, "does not exist", "process x count < 1", NULL },
        { __LINE__, &other_pidfile, "does not exist", NULL, "unit NAME is failed" },
        { __LINE__, &other_pidfile, "exists", NULL, "process NAME count < 1" },
        { __LINE__, &odd_pidfile, "does not exist", NULL, "unit NAME is failed" },
        { __LINE__, &long_pidfile, "does not exist", NULL, "unit NAME is failed" },
        { __LINE__, &pattern, "does not exist", "not exec \"/usr/bin/pgrep --full -- \\\"a b|c\\\"\"", NULL },
        { __LINE__, &pidfile, "failed port 80", "not listening tcp 80", NULL },
        { __LINE__, &pidfile, "failed host 127.0.0.1 port 53 type udp", "not listening udp 53", NULL },
        { __LINE__, &pidfile, "failed unixsocket /run/s", "not listening unix /run/s", NULL },
        { __LINE__, &pidfile, "failed host example.org port 80", NULL, "other machines" },
        { __LINE__, &pidfile, "failed port http", NULL, "is not a port" },
        { __LINE__, &pidfile, "totalmem > 100 MB", NULL, "MemoryMax=" },
        { __LINE__, &pidfile, "3 restarts within 5", NULL, "MinIntervalSec=" },
        { __LINE__, &pidfile, "changed pid", NULL, "There is no condition" },
        { __LINE__, &near, "failed port 22 protocol ssh", "not listening tcp 22", NULL },
        { __LINE__, &far, "failed port 22", NULL, "exec has no network" },
        { __LINE__, &far, "failed ping", NULL, "job NAME is failed" },
        { __LINE__, &program, "status != 0", "not exec \"/bin/x -y 'a b'\"", NULL },
        { __LINE__, &program, "status > 0", "not exec \"/bin/x -y 'a b'\"", NULL },
        { __LINE__, &program, "status == 0", "exec \"/bin/x -y 'a b'\"", NULL },
        { __LINE__, &program, "status == 2", NULL, "exit status 0" },
        { __LINE__, &program, "status >= 0", NULL, "exit status 0" },
        { __LINE__, &program, "status < 0", NULL, "exit status 0" },
        { __LINE__, &network, "failed link", NULL, "online" },
        { __LINE__, &machine, "", NULL, "There is no condition" },
        { __LINE__, &machine, "loadavg", NULL, "not understood" },
        { __LINE__, &machine, "memory > much", NULL, "not understood" },
};

static void test_rows(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                _cleanup_(monit_words_done) MonitWords words = {};
                const char *expected = rows[i].condition;
                MonitTest t;

                monit_words_read(&words, rows[i].text, strlen(rows[i].text));
                monit_test_translate(&t, rows[i].subject, words.items, words.n);
                if (t.is_change != (expected && *expected == '\0') ||
                    !streq_ptr(t.condition, isempty(expected) ? NULL : expected) || !t.reason != !rows[i].reason ||
                    (t.reason && !strstr(t.reason, rows[i].reason)))
                        fail_msg("row of line %d: %s, %s", rows[i].line, t.condition, t.reason);
                monit_test_done(&t);
        }
}

/* What is said beside a condition: a name may be wrong, and a program runs as somebody else. */
static void test_what_is_lost(void **state) {
        static const struct {
                int line;
                const MonitSubject *subject;
                const char *text, *loss;
                bool is_exec;
        } expected[] = {
                { __LINE__, &pidfile, "does not exist", "by its name", false },
                { __LINE__, &pidfile, "failed port 80 protocol http", "not what it replies. exec has no network",
                  false },
                { __LINE__, &pidfile, "failed port 80", NULL, false },
                { __LINE__, &other_pidfile, "does not exist", NULL, false },
                { __LINE__, &pattern, "does not exist", NULL, true },
                { __LINE__, &program, "status != 0", NULL, true },
                { __LINE__, &program, "status = 2", NULL, false },
                { __LINE__, &file, "does not exist", NULL, false },
        };

        for (size_t i = 0; i < ELEMENTSOF(expected); i++) {
                _cleanup_(monit_words_done) MonitWords words = {};
                MonitTest t;

                monit_words_read(&words, expected[i].text, strlen(expected[i].text));
                monit_test_translate(&t, expected[i].subject, words.items, words.n);
                if (t.is_exec != expected[i].is_exec || !t.loss != !expected[i].loss ||
                    (t.loss && !strstr(t.loss, expected[i].loss)))
                        fail_msg("row of line %d: %s, %d", expected[i].line, t.loss, t.is_exec);
                monit_test_done(&t);
        }
}

static void test_words(void **state) {
        static const char text[] = "check a#b\n x>=1(\"a b\\\"\nc\" 'd');{\"e";
        static const struct {
                const char *text;
                unsigned line;
                bool is_quoted;
        } expected[] = {
                { "check", 1, false }, { "a", 1, false }, { "x", 2, false },      { ">=", 2, false },
                { "1", 2, false },     { "(", 2, false }, { "a b\" c", 2, true }, { "d", 3, true },
                { ")", 3, false },     { "{", 3, false }, { "e", 3, true },
        };
        _cleanup_(monit_words_done) MonitWords words = {};

        monit_words_read(&words, text, strlen(text));
        assert_int_equal(words.n, ELEMENTSOF(expected));
        for (size_t i = 0; i < words.n; i++) {
                assert_string_equal(words.items[i].text, expected[i].text);
                assert_int_equal(words.items[i].line, expected[i].line);
                assert_int_equal(words.items[i].is_quoted, expected[i].is_quoted);
        }
        assert_true(monit_word_is(&words.items[0], "set CHECK include"));
        assert_false(monit_word_is(&words.items[0], "checks che"));
        assert_false(monit_word_is(&words.items[7], "d"));
}

int main(void) {
        const struct CMUnitTest tests[] = { cmocka_unit_test(test_rows), cmocka_unit_test(test_what_is_lost),
                                            cmocka_unit_test(test_words) };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
