/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Every setting of [Service] that a child is given, seen from inside the run, and the message for each that cannot be
 * given. What wants root is tried by root only, what root cannot show is tried as nobody. */

#include "test-exec-child.h"

#include <fcntl.h>
#include <ftw.h>
#include <grp.h>
#include <sys/stat.h>

#include "exec/child-environment.h"
#include "exec/child-orders.h"
#include "exec/child-settings.h"

#define NOBODY 65534

static char directory[] = "/tmp/vakt-test-settings-XXXXXX";

static bool is_root(void) {
        return geteuid() == 0;
}

/* --- one setting --- */

typedef enum Kind {
        TEXT,
        LIST,
        NUMBER,
} Kind;

typedef struct Line {
        Kind kind;
        const char *name, *text;
        int64_t number;
} Line;

#define LINES_MAX 6

static void add_lines(JobDef *def, const Line *lines) {
        for (size_t i = 0; i < LINES_MAX && lines[i].name; i++)
                switch (lines[i].kind) {
                case TEXT:
                        def_set_text(def, lines[i].name, lines[i].text);
                        break;
                case LIST:
                        def_set_list(def, lines[i].name, lines[i].text);
                        break;
                case NUMBER:
                        def_set_number(def, lines[i].name, (uint64_t)lines[i].number);
                        break;
                }
}

#define print_sigpipe "echo $((0x$(sed -n 's/^SigIgn:\t//p' /proc/self/status) & 1 << 12))"

static const struct {
        int line;
        bool wants_root;
        Line lines[LINES_MAX];
        const char *script, *output;
} honoured[] = {
        { __LINE__,
          true,
          { { TEXT, "User", "nobody" } },
          "id -un; id -gn; id -Gn; echo $USER $LOGNAME $HOME $SHELL",
          "nobody\nnogroup\nnogroup\nnobody nobody\n" },
        { __LINE__, true, { { TEXT, "User", "1" } }, "id -un; echo $USER", "daemon\ndaemon\n" },
        { __LINE__, true, { { TEXT, "User", "nobody" }, { TEXT, "User", "" } }, "id -un", "root\n" },
        { __LINE__, true, { { TEXT, "Group", "daemon" } }, "id -un; id -gn; id -Gn", "root\ndaemon\ndaemon\n" },
        { __LINE__,
          true,
          { { TEXT, "User", "nobody" }, { TEXT, "Group", "daemon" } },
          "id -un; id -gn",
          "nobody\ndaemon\n" },
        { __LINE__,
          true,
          { { TEXT, "User", "nobody" }, { LIST, "SupplementaryGroups", "daemon bin" } },
          "id -Gn",
          "nogroup daemon bin\n" },
        { __LINE__,
          true,
          { { LIST, "SupplementaryGroups", "daemon" }, { LIST, "SupplementaryGroups", "bin" } },
          "id -Gn",
          "root daemon bin\n" },
        { __LINE__, false, { { TEXT, "WorkingDirectory", "/usr" } }, "pwd", "/usr\n" },
        { __LINE__, false, { { TEXT, "WorkingDirectory", "-/usr" } }, "pwd", "/usr\n" },
        { __LINE__, false, { { TEXT, "WorkingDirectory", "-/no/such" } }, "pwd", "/\n" },
        { __LINE__, true, { { TEXT, "WorkingDirectory", "~" } }, "[ \"$PWD\" = \"$HOME\" ] && echo same", "same\n" },
        { __LINE__, true, { { TEXT, "User", "daemon" }, { TEXT, "WorkingDirectory", "~" } }, "pwd", "/usr/sbin\n" },
        { __LINE__, false, { { NUMBER, "Nice", .number = 5 } }, "nice", "5\n" },
        { __LINE__, true, { { NUMBER, "Nice", .number = -5 } }, "nice", "-5\n" },
        { __LINE__, false, { { NUMBER, "UMask", .number = 0027 } }, "umask", "0027\n" },
        { __LINE__, false, { { NUMBER, "OOMScoreAdjust", .number = 500 } }, "cat /proc/self/oom_score_adj", "500\n" },
        { __LINE__,
          false,
          { { NUMBER, "TimerSlackNSec", .number = 123456 } },
          "cat /proc/self/timerslack_ns",
          "123456\n" },
        { __LINE__, false, { { NUMBER, "IOSchedulingClass", .number = 3 } }, "ionice", "idle\n" },
        { __LINE__, false, { { NUMBER, "IOSchedulingPriority", .number = 2 } }, "ionice", "best-effort: prio 2\n" },
        { __LINE__, true, { { NUMBER, "IOSchedulingClass", .number = 1 } }, "ionice", "realtime: prio 4\n" },
        { __LINE__,
          false,
          { { NUMBER, "CPUSchedulingPolicy", .number = 3 } },
          "chrt -p $$ | grep -o 'SCHED.*'",
          "SCHED_BATCH\n" },
        { __LINE__,
          true,
          { { NUMBER, "CPUSchedulingPolicy", .number = 1 },
            { NUMBER, "CPUSchedulingPriority", .number = 7 },
            { NUMBER, "CPUSchedulingResetOnFork", .number = 1 } },
          "chrt -p $$ | grep -oE 'SCHED.*|[0-9]+$'; chrt -p $(sh -c 'echo $PPID') >&-; "
          "sh -c 'exec chrt -p $$' | grep -o 'SCHED.*'",
          "SCHED_FIFO|SCHED_RESET_ON_FORK\n7\nSCHED_OTHER\n" },
        { __LINE__,
          false,
          { { NUMBER, "NoNewPrivileges", .number = 1 } },
          "grep NoNewPrivs /proc/self/status",
          "NoNewPrivs:\t1\n" },
        { __LINE__,
          false,
          { { NUMBER, "NoNewPrivileges", .number = 0 } },
          "grep NoNewPrivs /proc/self/status",
          "NoNewPrivs:\t0\n" },
        { __LINE__, false, { { NUMBER, "IgnoreSIGPIPE", .number = 1 } }, print_sigpipe, "4096\n" },
        { __LINE__, false, { { NUMBER, "IgnoreSIGPIPE", .number = 0 } }, print_sigpipe, "0\n" },
        { __LINE__,
          false,
          { { NUMBER, "LimitNOFILE", .number = 512 }, { NUMBER, "LimitNOFILESoft", .number = 128 } },
          "ulimit -Hn; ulimit -Sn",
          "512\n128\n" },
        { __LINE__, false, { { NUMBER, "LimitNOFILE", .number = 300 } }, "ulimit -Hn; ulimit -Sn", "300\n300\n" },
        { __LINE__, false, { { NUMBER, "LimitCORE", .number = 0 } }, "ulimit -c", "0\n" },
        { __LINE__,
          false,
          { { TEXT, "StandardInput", "null" } },
          "wc -c; readlink /proc/self/fd/0",
          "0\n/dev/null\n" },
        /* Three streams, and what ls itself opens. */
        { __LINE__, false, {}, "ls /proc/self/fd", "0\n1\n2\n3\n" },
        { __LINE__, false, { { LIST, "Environment", "A=1 B=2" } }, "echo $A $B", "1 2\n" },
        { __LINE__,
          false,
          { { LIST, "Environment", "A=1 B=2" }, { LIST, "Environment", "B=3" } },
          "echo $A $B",
          "1 3\n" },
        { __LINE__, false, { { LIST, "Environment", "A=1" }, { LIST, "Environment", "" } }, "echo \"<$A>\"", "<>\n" },
        { __LINE__,
          false,
          { { LIST, "Environment", "PATH=/bin VAKT_JOB=evil VAKT_RUN=0 HOME=/elsewhere NOTIFY_SOCKET=" } },
          "echo $PATH $VAKT_JOB $HOME; [ -n \"$NOTIFY_SOCKET\" ] && [ $VAKT_RUN -gt 0 ] && env | grep -c VAKT_JOB",
          "/bin test /elsewhere\n1\n" },
        { __LINE__,
          false,
          { { LIST, "Environment", "A=1 B=2 C=3" }, { LIST, "UnsetEnvironment", "A B=2 C=2 HOME" } },
          "echo \"$A $B $C\"; env | grep ^HOME=",
          "  3\n" },
        { __LINE__,
          false,
          { { LIST, "PassEnvironment", "VAKT_TEST_NOT_OURS PASSED ABSENT" } },
          "echo \"$PASSED\"; env | grep ABSENT",
          "from the daemon\n" },
        { __LINE__,
          false,
          { { LIST, "PassEnvironment", "PASSED" }, { LIST, "Environment", "PASSED=x" } },
          "echo $PASSED",
          "x\n" },
};

/* As it is, and once more through the helper for those that the daemon can do itself. */
static void test_honoured(void **state) {
        Rig rig;

        (void)setenv("PASSED", "from the daemon", 1);
        assert_true(dup2(STDERR_FILENO, 200) >= 0); /* forgotten, without O_CLOEXEC */
        rig_open(&rig, NULL);
        for (size_t i = 0; i < 2 * ELEMENTSOF(honoured); i++) {
                size_t row = i / 2;
                TestRun t;

                if (honoured[row].wants_root && !is_root())
                        continue;
                run_init(&t, &rig, honoured[row].script);
                if (i % 2)
                        def_set_text(t.def, "StandardInput", "null");
                add_lines(t.def, honoured[row].lines);
                run_start(&t);
                run_wait(&t);
                if (!streq(t.output, honoured[row].output))
                        fail_msg("line %d: '%s' (%s)", honoured[row].line, t.output, t.reason);
                run_done(&t);
        }
        rig_close(&rig);
}

static void test_cpu_affinity(void **state) {
        Rig rig;
        TestRun t;

        rig_open(&rig, NULL);
        run_init(&t, &rig, "grep Cpus_allowed_list /proc/self/status");
        assert_int_equal(unit_property_add_text(def_add_property(t.def, "CPUAffinity", "ay"), "\1\0", 2), 0);
        run_start(&t);
        run_wait(&t);
        assert_string_equal(t.output, "Cpus_allowed_list:\t0\n");
        run_done(&t);
        rig_close(&rig);
}

/* Each of them, by the row that the kernel shows. */
static void test_limits(void **state) {
        static const struct {
                const char *name, *row;
                uint64_t value;
        } table[] = {
                { "LimitCPU", "Max cpu time", 1001 },
                { "LimitFSIZE", "Max file size", 1 << 30 },
                { "LimitDATA", "Max data size", 1ULL << 45 },
                { "LimitSTACK", "Max stack size", 16 << 20 },
                { "LimitCORE", "Max core file size", 4096 },
                { "LimitRSS", "Max resident set", 1ULL << 41 },
                { "LimitNPROC", "Max processes", 3000 },
                { "LimitNOFILE", "Max open files", 401 },
                { "LimitMEMLOCK", "Max locked memory", 65536 },
                { "LimitAS", "Max address space", 1ULL << 47 },
                { "LimitLOCKS", "Max file locks", 77 },
                { "LimitSIGPENDING", "Max pending signals", 1002 },
                { "LimitMSGQUEUE", "Max msgqueue size", 100000 },
                { "LimitNICE", "Max nice priority", 0 },
                { "LimitRTPRIO", "Max realtime priority", 0 },
                { "LimitRTTIME", "Max realtime timeout", 1000000 },
        };
        Rig rig;
        TestRun t;

        rig_open(&rig, NULL);
        run_init(&t, &rig, "tr -s ' ' </proc/self/limits");
        for (size_t i = 0; i < ELEMENTSOF(table); i++)
                def_set_number(t.def, table[i].name, table[i].value);
        run_start(&t);
        run_wait(&t);
        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
                char row[128];

                (void)snprintf(row, sizeof(row), "%s %" PRIu64 " %" PRIu64 " ", table[i].row, table[i].value,
                               table[i].value);
                if (!strstr(t.output, row))
                        fail_msg("no '%s' in %s%s", row, t.output, t.reason);
        }
        run_done(&t);
        rig_close(&rig);
}

static void put_file(const char *name, const char *text) {
        char path[128];
        FILE *f;

        (void)snprintf(path, sizeof(path), "%s/%s", directory, name);
        f = fopen(path, "we");
        assert_non_null(f);
        assert_true(fputs(text, f) >= 0);
        assert_int_equal(fclose(f), 0);
}

static const char *in_directory(const char *name) {
        static char path[128];

        (void)snprintf(path, sizeof(path), "%s/%s", directory, name);
        return path;
}

static void test_files(void **state) {
        Rig rig;
        TestRun t;

        put_file("input", "read from a file\n");
        put_file("one.env", "A=file\nB=file\n");
        put_file("two.env", "B='second file'\n");
        rig_open(&rig, NULL);
        /* $VAR on the command line is what the files made of it. */
        run_init(&t, &rig, "cat; echo \"$$0\" \"$$1\"; echo $$A");
        assert_int_equal(strv_extend(&t.def->commands[0].argv, "${B}"), 0);
        assert_int_equal(strv_extend(&t.def->commands[0].argv, "$C"), 0);
        t.def->commands[0].flags = 0;
        def_set_text(t.def, "StandardInputFile", in_directory("input"));
        def_set_list(t.def, "Environment", "A=line C=line");
        def_set_file(t.def, in_directory("*.env"), false);
        def_set_file(t.def, in_directory("absent"), true);
        run_start(&t);
        run_wait(&t);
        assert_string_equal(t.reason, "");
        assert_string_equal(t.output, "read from a file\nsecond file line\nfile\n");
        run_done(&t);

        run_init(&t, &rig, "cat");
        _cleanup_free_ char *input = NULL;
        assert_true(asprintf(&input, "file:%s", in_directory("input")) > 0);
        def_set_text(t.def, "StandardInput", input);
        run_start(&t);
        run_wait(&t);
        assert_string_equal(t.output, "read from a file\n");
        run_done(&t);
        rig_close(&rig);
}

/* A plain name is looked for in the PATH that the job's settings make. */
static void test_program_in_path(void **state) {
        Rig rig;
        TestRun t;

        put_file("prog-of-test", "#!/bin/sh\necho found\n");
        assert_int_equal(chmod(in_directory("prog-of-test"), 0755), 0);
        rig_open(&rig, NULL);
        for (unsigned i = 0; i < 2; i++) {
                _cleanup_free_ char *path = NULL;

                run_init(&t, &rig, NULL);
                def_add_command(t.def, "prog-of-test", strv_copy((char *[]){ (char *)"prog-of-test", NULL }), 0);
                assert_true(asprintf(&path, "PATH=/bin:%s", directory) > 0);
                def_set_list(t.def, "Environment", path);
                if (i > 0)
                        def_set_number(t.def, "UMask", 0022);
                run_start(&t);
                run_wait(&t);
                assert_string_equal(t.output, "found\n");
                run_done(&t);
        }
        rig_close(&rig);
}

/* --- what cannot be given --- */

static const struct {
        int line;
        bool wants_root;
        Line lines[LINES_MAX];
        int code;
        const char *reason;
} refused[] = {
        { __LINE__,
          false,
          { { TEXT, "User", "no-such-user" } },
          ESRCH,
          "The user 'no-such-user' of User= is unknown." },
        { __LINE__, true, { { TEXT, "User", "54321" } }, ESRCH, "The user '54321' of User= is unknown." },
        { __LINE__,
          false,
          { { TEXT, "Group", "no-such-group" } },
          ESRCH,
          "The group 'no-such-group' of Group= is unknown." },
        { __LINE__,
          false,
          { { LIST, "SupplementaryGroups", "root no-such-group" } },
          ESRCH,
          "The group 'no-such-group' of SupplementaryGroups= is unknown." },
        { __LINE__,
          false,
          { { TEXT, "WorkingDirectory", "/no/such" } },
          ENOENT,
          "Cannot change to the directory /no/such of WorkingDirectory=: No such file or directory." },
        { __LINE__,
          true,
          { { TEXT, "User", "nobody" }, { TEXT, "WorkingDirectory", "/root" } },
          EACCES,
          "Cannot change to the directory /root of WorkingDirectory=: Permission denied." },
        { __LINE__,
          true,
          { { TEXT, "User", "nobody" }, { TEXT, "WorkingDirectory", "~" } },
          ENOENT,
          "Cannot change to the directory /nonexistent of WorkingDirectory=: No such file or directory." },
        { __LINE__,
          false,
          { { TEXT, "StandardInput", "file:/no/such" } },
          ENOENT,
          "Cannot open the file /no/such of StandardInput=: No such file or directory." },
        { __LINE__,
          false,
          { { NUMBER, "CPUSchedulingPolicy", .number = 99 } },
          EINVAL,
          "Cannot apply CPUSchedulingPolicy=: Invalid argument." },
        { __LINE__,
          false,
          { { NUMBER, "IOSchedulingClass", .number = 7 } },
          EINVAL,
          "Cannot apply IOSchedulingClass=: Invalid argument." },
        { __LINE__,
          false,
          { { NUMBER, "OOMScoreAdjust", .number = 5000 } },
          EINVAL,
          "Cannot apply OOMScoreAdjust=: Invalid argument." },
        { __LINE__,
          false,
          { { NUMBER, "LimitNOFILE", .number = 10 }, { NUMBER, "LimitNOFILESoft", .number = 20 } },
          EINVAL,
          "Cannot apply LimitNOFILE=: Invalid argument." },
};

static void expect_refused(TestRun *t, int line, int code, const char *reason) {
        run_start(t);
        run_wait(t);
        if (t->outcome.result != RUN_RESULT_START_FAILED || t->outcome.code != code || !streq(t->reason, reason))
                fail_msg("line %d: %s %d '%s' %s", line, run_result_to_string(t->outcome.result), t->outcome.code,
                         t->reason, t->output);
        assert_string_equal(t->output, "");
        run_done(t);
}

static void test_refused(void **state) {
        Rig rig;
        TestRun t;

        rig_open(&rig, NULL);
        for (size_t i = 0; i < ELEMENTSOF(refused); i++) {
                if (refused[i].wants_root && !is_root())
                        continue;
                run_init(&t, &rig, "echo started");
                add_lines(t.def, refused[i].lines);
                expect_refused(&t, refused[i].line, refused[i].code, refused[i].reason);
        }

        run_init(&t, &rig, "echo started");
        def_set_file(t.def, "/no/such.env", false);
        expect_refused(&t, __LINE__, ENOENT,
                       "Cannot read the file /no/such.env of EnvironmentFile=: No such file or directory.");

        run_init(&t, &rig, NULL);
        def_add_command(t.def, "/no/such/program", strv_copy((char *[]){ (char *)"x", NULL }), 0);
        def_set_number(t.def, "UMask", 0022);
        expect_refused(&t, __LINE__, ENOENT, "Cannot execute /no/such/program: No such file or directory.");
        rig_close(&rig);
}

/* The helper that is not installed. */
static void test_no_helper(void **state) {
        const char *real = getenv("VAKTD_PROGRAM_DIR");
        Rig rig;
        TestRun t;

        (void)setenv("VAKTD_PROGRAM_DIR", "/no/such", 1);
        rig_open(&rig, NULL);
        (void)setenv("VAKTD_PROGRAM_DIR", real, 1);
        run_init(&t, &rig, "echo started");
        def_set_number(t.def, "UMask", 0022);
        expect_refused(&t, __LINE__, ENOENT,
                       "Cannot execute the program vakt-exec that applies the settings of [Service]: No such file or "
                       "directory. Install vaktd completely.");
        run_init(&t, &rig, "echo without");
        run_start(&t);
        run_wait(&t);
        assert_string_equal(t.output, "without\n");
        run_done(&t);
        rig_close(&rig);
}

/* --- as somebody who is not root --- */

static void as_nobody(void) {
        static const struct {
                int line;
                Line lines[LINES_MAX];
                int code;
                const char *reason;
        } table[] = {
                { __LINE__,
                  { { TEXT, "User", "daemon" } },
                  EPERM,
                  "vaktd does not run as root and cannot become the user 'daemon' of User=." },
                { __LINE__,
                  { { TEXT, "Group", "daemon" } },
                  EPERM,
                  "vaktd does not run as root and cannot change its groups as Group= requires." },
                { __LINE__,
                  { { LIST, "SupplementaryGroups", "daemon" } },
                  EPERM,
                  "vaktd does not run as root and cannot change its groups as SupplementaryGroups= requires." },
                { __LINE__, { { NUMBER, "Nice", .number = -10 } }, EACCES, "Cannot apply Nice=: Permission denied." },
        };
        Rig rig;
        TestRun t;

        rig_open(&rig, NULL);
        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
                run_init(&t, &rig, "echo started");
                add_lines(t.def, table[i].lines);
                expect_refused(&t, table[i].line, table[i].code, table[i].reason);
        }
        /* Who one is already one may be; a limit that cannot be raised is as high as it may be. */
        run_init(&t, &rig, "id -un; ulimit -Hn");
        def_set_text(t.def, "User", "nobody");
        def_set_number(t.def, "LimitNOFILE", 1 << 20);
        run_start(&t);
        run_wait(&t);
        if (!streq(t.output, "nobody\n900\n"))
                fail_msg("'%s' %s", t.output, t.reason);
        run_done(&t);
        rig_close(&rig);
}

static void test_not_root(void **state) {
        const struct rlimit limit = { 900, 900 };
        int status;
        pid_t pid;

        if (!is_root())
                skip();
        (void)fflush(NULL);
        pid = fork();
        if (pid == 0) {
                become_helper();
                if (setrlimit(RLIMIT_NOFILE, &limit) < 0 || setgroups(0, NULL) < 0 ||
                    setresgid(NOBODY, NOBODY, NOBODY) < 0 || setresuid(NOBODY, NOBODY, NOBODY) < 0 ||
                    prctl(PR_SET_DUMPABLE, 1) < 0)
                        _exit(2);
                as_nobody();
                _exit(0);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
}

/* --- the parts --- */

/* Quoting of EnvironmentFile= as systemd.exec(5) has it. */
static unsigned n_ignored;
static char last_ignored[64];

static void count_ignored(const char *path, const char *assignment) {
        n_ignored++;
        (void)snprintf(last_ignored, sizeof(last_ignored), "%s", assignment);
}

static void test_environment_file(void **state) {
        static const struct {
                int line;
                const char *text, *value; /* of X; NULL = not set */
        } table[] = {
                { __LINE__, "X=1\n", "1" },
                { __LINE__, "X=1", "1" },
                { __LINE__, "# X=1\n; X=2\n", NULL },
                { __LINE__, "  X =  a  b  \n", "a  b" },
                { __LINE__, "X=a\r\n", "a" },
                { __LINE__, "X=\n", "" },
                { __LINE__, "X\nY=1\n", NULL },
                { __LINE__, "1X=1\nX-Y=2\n", NULL },
                { __LINE__, "X=a # b\n", "a # b" },
                { __LINE__, "X='a b'\n", "a b" },
                { __LINE__, "X=\"a b\"\n", "a b" },
                { __LINE__, "X=' a '\n", " a " },
                { __LINE__, "X='a'\"b\" 'c'\n", "abc" },
                { __LINE__, "X='a\nb'\n", "a\nb" },
                { __LINE__, "X='a\\nb'\n", "a\\nb" },
                { __LINE__, "X=\"a\\\"b\\\\c\\$d\\`e\\nf\"\n", "a\"b\\c$d`e\\nf" },
                { __LINE__, "X=\"a\\\nb\"\n", "ab" },
                { __LINE__, "X=a\\\nb\n", "ab" },
                { __LINE__, "X=a\\bc\\\\\n", "abc\\" },
                { __LINE__, "X=it's\n", "it's" },
                { __LINE__, "X=a\\ \n", "a " },
                { __LINE__, "X='never closed\nY=1", "never closed\nY=1" },
                { __LINE__, "X=1\nX=2\n", "2" },
                { __LINE__, "X=$HOME\n", "$HOME" },
                { __LINE__, "X=a\\", "a\\" },
        };

        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
                _cleanup_(strv_freep) char **l = NULL;
                const char *value;

                put_file("table", table[i].text);
                assert_int_equal(environment_read_file(&l, in_directory("table"), count_ignored), 0);
                value = strv_env_get(l, "X", 1);
                if (!streq_ptr(value, table[i].value))
                        fail_msg("line %d: '%s'", table[i].line, value ?: "(none)");
        }
        assert_int_equal(truncate(in_directory("table"), ENVIRONMENT_FILE_MAX), 0);
        {
                char **l = NULL;

                assert_int_equal(environment_read_file(&l, in_directory("table"), count_ignored), -EFBIG);
                assert_null(l);
        }
        {
                _cleanup_(strv_freep) char **l = NULL;

                n_ignored = 0;
                put_file("table", "# X=1\n\nexport A=1\nB=2\nC.D=\"3 4\"\n");
                assert_int_equal(environment_read_file(&l, in_directory("table"), count_ignored), 0);
                assert_int_equal(strv_length(l), 1);
                assert_int_equal(n_ignored, 2);
                assert_string_equal(last_ignored, "C.D=3 4");
        }
}

/* Orders that are cut short anywhere are refused, whole ones come through as they were. */
static void test_orders(void **state) {
        char *argv[] = { (char *)"sh", (char *)"-c", (char *)"", NULL }, *passed[] = { (char *)"A=1", NULL };
        UnitValue values[] = { { .number = 2 }, { .number = 3, .text = (char *)"a\0b" }, { .number = 7 } };
        UnitProperty property = { .name = "User", .signature = "s", .values = values, .n_values = 3 };
        ChildOrders orders = {
                .directory = "/",
                .list = "/run/list",
                .program = "/bin/sh",
                .argv = argv,
                .expand = true,
                .passed = passed,
                .properties = &property,
                .n_properties = 1,
        };
        _cleanup_close_ int fd = child_orders_write(&orders);
        ChildOrdersText *text = NULL;
        ChildOrders read;
        struct stat st;

        assert_true(fd >= 0);
        assert_int_equal(fstat(fd, &st), 0);
        assert_int_equal(child_orders_read(fd, &read, &text), 0);
        assert_string_equal(read.directory, "/");
        assert_string_equal(read.list, "/run/list");
        assert_string_equal(read.program, "/bin/sh");
        assert_int_equal(strv_length(read.argv), 3);
        assert_string_equal(read.argv[2], "");
        assert_true(read.expand);
        assert_string_equal(read.passed[0], "A=1");
        assert_int_equal(read.n_properties, 1);
        assert_string_equal(read.properties[0].name, "User");
        assert_int_equal(read.properties[0].values[0].number, 2);
        assert_null(read.properties[0].values[0].text);
        assert_memory_equal(read.properties[0].values[1].text, "a\0b", 4);
        assert_int_equal(read.properties[0].values[2].number, 7);
        text = child_orders_text_free(text);
        for (off_t size = st.st_size - 1; size >= 0; size--) {
                assert_int_equal(ftruncate(fd, size), 0);
                assert_int_equal(child_orders_read(fd, &read, &text), -EBADMSG);
                assert_null(text);
        }
}

/* The list that config/ is held against: no name twice, and each of them is tried above or in test-exec-child.c. */
static void test_list(void **state) {
        size_t n = 0;

        for (; child_properties[n]; n++)
                for (size_t i = 0; i < n; i++)
                        assert_string_not_equal(child_properties[i], child_properties[n]);
        assert_int_equal(n, 26 + 2 * RLIM_NLIMITS);
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw) {
        return remove(path);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_list),         cmocka_unit_test(test_environment_file),
                cmocka_unit_test(test_orders),       cmocka_unit_test(test_honoured),
                cmocka_unit_test(test_cpu_affinity), cmocka_unit_test(test_limits),
                cmocka_unit_test(test_files),        cmocka_unit_test(test_program_in_path),
                cmocka_unit_test(test_refused),      cmocka_unit_test(test_no_helper),
                cmocka_unit_test(test_not_root),
        };
        int r;

        if (!mkdtemp(directory))
                return EXIT_FAILURE;
        r = cmocka_run_group_tests(tests, group_setup, NULL);
        (void)nftw(directory, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
        return r;
}
