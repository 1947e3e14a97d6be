/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The life of a run that is a child: every way to end, how it is stopped (systemd.kill(5)), what it says about itself,
 * what it used. Called with an argument this program is such a run. */

#include "test-exec-child.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdalign.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>

#include "exec/child-process.h"

static char directory[] = "/tmp/vakt-test-child-XXXXXX";
static char fifo[64]; /* a script that opens it both ways and reads waits for whatever we write */
static char self[4096];

/* Tells a script that waits for it to go on. */
static void write_fifo(void) {
        int fd = open(fifo, O_WRONLY | O_CLOEXEC);

        assert_int_equal(write(fd, "go\n", 3), 3);
        assert_int_equal(close(fd), 0);
}

/* A script in which %s is the fifo. */
static void run_init_with_fifo(TestRun *t, Rig *rig, const char *format) {
        _cleanup_free_ char *script = NULL;

        assert_true(asprintf(&script, format, fifo, fifo) > 0);
        run_init(t, rig, script);
}

/* --- outcomes --- */

static void test_outcomes(void **state) {
        static const struct {
                int line;
                const char *script;
                RunResult result;
                int code;
        } table[] = {
                { __LINE__, "exit 0", RUN_RESULT_SUCCESS, 0 },
                { __LINE__, "exit 7", RUN_RESULT_EXIT, 7 },
                { __LINE__, "exit 203", RUN_RESULT_EXIT, 203 },
                { __LINE__, "kill -USR1 $$", RUN_RESULT_SIGNAL, SIGUSR1 },
                { __LINE__, "kill -KILL $$", RUN_RESULT_SIGNAL, SIGKILL },
                /* SuccessExitStatus=3 SIGUSR2 below */
                { __LINE__, "exit 3", RUN_RESULT_SUCCESS, 0 },
                { __LINE__, "kill -USR2 $$", RUN_RESULT_SUCCESS, 0 },
        };
        Rig rig;

        rig_open(&rig, NULL);
        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
                TestRun t;

                run_init(&t, &rig, table[i].script);
                t.def->rare->success.statuses[0] = 1 << 3;
                t.def->rare->success.signals = 1ULL << SIGUSR2;
                run_start(&t);
                assert_int_equal(t.n_started, 1);
                assert_true(t.identity.pid > 0 && t.identity.pid_start > 0);
                run_wait(&t);
                if (t.outcome.result != table[i].result || t.outcome.code != table[i].code)
                        fail_msg("line %d: %s %d", table[i].line, run_result_to_string(t.outcome.result),
                                 t.outcome.code);
                run_done(&t);
        }
        rig_close(&rig);
}

static void test_commands(void **state) {
        Rig rig;
        TestRun t;

        rig_open(&rig, NULL);
        /* One after the other; a failure that is to be ignored ends nothing, another one does. */
        run_init(&t, &rig, "echo one");
        def_add_script(t.def, "echo two; exit 9", COMMAND_IGNORE_FAILURE);
        def_add_script(t.def, "echo three; kill -TERM $$", COMMAND_IGNORE_FAILURE);
        def_add_script(t.def, "echo four; exit 5", 0);
        def_add_script(t.def, "echo five", 0);
        run_start(&t);
        run_wait(&t);
        assert_int_equal(t.outcome.result, RUN_RESULT_EXIT);
        assert_int_equal(t.outcome.code, 5);
        assert_int_equal(t.n_started, 4);
        assert_string_equal(t.output, "one\ntwo\nthree\nfour\n");
        run_done(&t);

        /* One that is not there, first and later. */
        for (unsigned i = 0; i < 2; i++) {
                run_init(&t, &rig, i > 0 ? "exit 0" : NULL);
                def_add_command(t.def, "/no/such/program", strv_copy((char *[]){ (char *)"x", NULL }), 0);
                run_start(&t);
                run_wait(&t);
                assert_int_equal(t.outcome.result, RUN_RESULT_START_FAILED);
                assert_int_equal(t.outcome.code, ENOENT);
                assert_string_equal(t.reason, "Cannot execute /no/such/program: No such file or directory.");
                assert_int_equal(t.n_started, i);
                run_done(&t);
        }

        run_init(&t, &rig, NULL);
        t.def->rare->unit = strdup("some.service");
        assert_int_equal(run_try(&t), -EOPNOTSUPP);
        run_done(&t);
        rig_close(&rig);
}

/* A run has the time it used, its children's included. What it kept in memory is told when it is more than we do. */
static void test_usage(void **state) {
        Rig rig;
        TestRun t;

        rig_open(&rig, NULL);
        run_init(&t, &rig, "i=0; while [ $i -lt 100000 ]; do i=$((i + 1)); done");
        def_add_script(t.def, "head -c 200000000 /dev/zero | tail -n 1 | wc -c", 0);
        run_start(&t);
        run_wait(&t);
        assert_int_equal(t.outcome.result, RUN_RESULT_SUCCESS);
        assert_true(t.outcome.cpu > 20 * USEC_PER_MSEC && t.outcome.cpu < 300 * USEC_PER_SEC);
        assert_true(t.outcome.memory_peak > (uint64_t)200000000 && t.outcome.memory_peak != UINT64_MAX);
        run_done(&t);
        rig_close(&rig);
}

/* --- stopping --- */

static void test_timeout(void **state) {
        Rig rig;
        TestRun t;

        rig_open(&rig, NULL);
        run_init(&t, &rig, "sleep 1000");
        t.timeout = 50 * USEC_PER_MSEC;
        run_start(&t);
        run_wait(&t);
        assert_int_equal(t.outcome.result, RUN_RESULT_TIMEOUT);
        assert_int_equal(t.outcome.code, SIGTERM);
        run_done(&t);

        /* It does not listen: SIGKILL after TimeoutStopSec=. */
        run_init_with_fifo(&t, &rig, "trap '' TERM; exec 3<>%s; echo ready; read line <&3");
        def_set_number(t.def, "TimeoutStopUSec", 100 * USEC_PER_MSEC);
        run_start(&t);
        run_wait_output(&t, "ready");
        run_stop(&t, RUN_RESULT_CANCELLED);
        run_stop(&t, RUN_RESULT_TIMEOUT); /* changes nothing */
        run_wait(&t);
        assert_int_equal(t.outcome.result, RUN_RESULT_CANCELLED);
        assert_int_equal(t.outcome.code, SIGKILL);
        run_done(&t);

        /* It ends well, but because it was told to. */
        run_init_with_fifo(&t, &rig, "trap 'echo bye; exit 0' INT; exec 3<>%s; echo ready; read line <&3");
        def_set_number(t.def, "KillSignal", SIGINT);
        run_start(&t);
        run_wait_output(&t, "ready");
        run_stop(&t, RUN_RESULT_CANCELLED);
        run_wait(&t);
        assert_int_equal(t.outcome.result, RUN_RESULT_CANCELLED);
        assert_int_equal(t.outcome.code, 0);
        assert_non_null(strstr(t.output, "bye"));
        run_done(&t);
        rig_close(&rig);
}

/* What it did is recorded then, unless there was more to come. */
static void test_over_before_it_was_stopped(void **state) {
        Rig rig;

        rig_open(&rig, NULL);
        for (unsigned n_commands = 1; n_commands <= 2; n_commands++) {
                siginfo_t si;
                TestRun t;

                run_init(&t, &rig, "exit 0");
                if (n_commands == 2)
                        def_add_script(t.def, "echo more", 0);
                run_start(&t);
                assert_int_equal(waitid(P_PID, (id_t)t.identity.pid, &si, WEXITED | WNOWAIT), 0);
                run_stop(&t, RUN_RESULT_CANCELLED);
                run_wait(&t);
                assert_int_equal(t.outcome.result, n_commands == 1 ? RUN_RESULT_SUCCESS : RUN_RESULT_CANCELLED);
                assert_string_equal(t.output, "");
                run_done(&t);
        }
        rig_close(&rig);
}

/* Before it has a session, or has executed its program. */
static void test_stopped_at_once(void **state) {
        Rig rig;

        rig_open(&rig, NULL);
        for (unsigned i = 0; i < 100; i++) {
                TestRun t;

                run_init(&t, &rig, "exec sleep 1000");
                def_set_number(t.def, "TimeoutStopUSec", USEC_INFINITY);
                run_start(&t);
                run_stop(&t, RUN_RESULT_CANCELLED);
                run_wait(&t);
                assert_int_equal(t.outcome.result, RUN_RESULT_CANCELLED);
                assert_int_equal(t.outcome.code, SIGTERM);
                run_done(&t);
        }
        rig_close(&rig);
}

/* Nobody waits for one that is stuck before it has a session: the signal waits for it. */
static void check_held(int fd, const char *kill_mode) {
        uint64_t id;
        TestRun t;
        Rig rig;

        rig_open(&rig, NULL);
        run_init(&t, &rig, "echo executed");
        def_set_text(t.def, "KillMode", kill_mode);
        def_set_number(t.def, "TimeoutStopUSec", USEC_INFINITY);
        run_start(&t);
        id = child_held(fd);
        run_stop(&t, RUN_RESULT_CANCELLED);
        assert_int_equal(t.n_ended, 0);
        child_let_go(fd, id);
        run_wait(&t);
        assert_int_equal(t.outcome.result, RUN_RESULT_CANCELLED);
        assert_int_equal(t.outcome.code, SIGTERM);
        assert_string_equal(t.output, "");
        run_done(&t);

        run_init(&t, &rig, "echo executed");
        def_set_text(t.def, "KillMode", kill_mode);
        def_set_number(t.def, "TimeoutStopUSec", 50 * USEC_PER_MSEC);
        t.timeout = 50 * USEC_PER_MSEC;
        run_start(&t);
        (void)child_held(fd);
        run_wait(&t);
        assert_int_equal(t.outcome.result, RUN_RESULT_TIMEOUT);
        assert_int_equal(t.outcome.code, SIGKILL);
        run_done(&t);

        run_init(&t, &rig, "echo executed");
        def_set_text(t.def, "KillMode", kill_mode);
        run_start(&t);
        (void)child_held(fd);
        run_done(&t); /* as where the daemon ends */
        rig_close(&rig);
}

static void test_held(void **state) {
        int status;
        pid_t pid;

        (void)fflush(NULL);
        pid = fork();
        if (pid == 0) {
                int fd;

                become_helper();
                fd = hold_children();
                if (fd < 0)
                        _exit(77);
                check_held(fd, "control-group");
                check_held(fd, "mixed");
                check_held(fd, "process");
                _exit(0);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
                skip();
        assert_int_equal(status, 0);
}

/* Without SIGKILL it ends when it likes. */
static void test_no_sigkill(void **state) {
        Rig rig;
        TestRun t;

        rig_open(&rig, NULL);
        run_init_with_fifo(&t, &rig,
                           "trap 'echo told' TERM; exec 3<>%s; echo ready; until read line <&3; do :; done; exit 4");
        def_set_number(t.def, "SendSIGKILL", false);
        def_set_number(t.def, "TimeoutStopUSec", 1);
        run_start(&t);
        run_wait_output(&t, "ready");
        run_stop(&t, RUN_RESULT_CANCELLED);
        run_wait_output(&t, "told");
        write_fifo();
        run_wait(&t);
        assert_int_equal(t.outcome.result, RUN_RESULT_CANCELLED);
        assert_int_equal(t.outcome.code, 0);
        run_done(&t);
        rig_close(&rig);
}

/* The main process and a child of it each say what they got, from when the child has told its number. It ends on its
 * own word only. */
static const char *const two_processes =
        "trap 'echo main-told; exit 0' TERM; "
        "(trap 'echo child-told' TERM; exec 3<>%s; sh -c 'echo child=$PPID'; until read line <&3; do :; done; exit 9) "
        "& "
        "exec 3<>%s; while :; do read line <&3; done";

static void test_kill_modes(void **state) {
        static const struct {
                const char *mode;
                bool child_told, child_survives;
        } table[] = {
                { "control-group", true, false },
                { "mixed", false, false },
                { "process", false, true },
        };
        Rig rig;

        rig_open(&rig, NULL);
        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
                TestRun t;
                pid_t child;

                run_init_with_fifo(&t, &rig, two_processes);
                def_set_text(t.def, "KillMode", table[i].mode);
                run_start(&t);
                run_wait_output(&t, "child=");
                child = run_number(&t, "child=");
                run_stop(&t, RUN_RESULT_CANCELLED);
                run_wait(&t);
                assert_int_equal(t.outcome.result, RUN_RESULT_CANCELLED);
                assert_non_null(strstr(t.output, "main-told"));
                /* In the other two the child may not come to speak before SIGKILL, or must not. */
                if (!table[i].child_told)
                        assert_null(strstr(t.output, "child-told"));
                if (table[i].child_survives) {
                        write_fifo();
                        assert_int_equal(WEXITSTATUS(orphan_wait(child)), 9);
                } else
                        assert_int_equal(WTERMSIG(orphan_wait(child)), SIGKILL);
                run_done(&t);
        }
        rig_close(&rig);
}

/* What a run leaves behind ends with it, and with the executor. */
static void test_leftovers(void **state) {
        Rig rig;
        TestRun t;
        pid_t child;

        rig_open(&rig, NULL);
        run_init(&t, &rig, "sleep 1000 & echo child=$!");
        run_start(&t);
        run_wait(&t);
        assert_int_equal(t.outcome.result, RUN_RESULT_SUCCESS);
        child = run_number(&t, "child=");
        assert_int_equal(WTERMSIG(orphan_wait(child)), SIGKILL);
        run_done(&t);

        run_init(&t, &rig, "sleep 1000 & echo child=$!; wait");
        run_start(&t);
        run_wait_output(&t, "child=");
        child = run_number(&t, "child=");
        run_done(&t);
        assert_int_equal(WTERMSIG(orphan_wait(child)), SIGKILL);
        rig_close(&rig);
}

/* --- sd_notify(3) --- */

/* What the program does when it is a run: says something about itself, several ways. */
static int be_a_run(const char *what) {
        if (streq(what, "status"))
                return sd_notify(0, "READY=1\nSTATUS=42% done\nX_PROGRESS=7") > 0 ? 0 : 1;
        /* A process of the run that is not its main one. It waits until it was heard: who is gone and waited for by
         * then, nobody can say whose it was. */
        if (streq(what, "child")) {
                int status = 0;

                if (fork() == 0)
                        return be_a_run("barrier");
                return wait(&status) > 0 ? WEXITSTATUS(status) : 1;
        }
        if (streq(what, "barrier"))
                return sd_notify(0, "STATUS=before the barrier") > 0 && sd_notify_barrier(0, 60 * USEC_PER_SEC) > 0
                               ? 0
                               : 1;
        if (streq(what, "long")) {
                _cleanup_free_ char *text = malloc(8001);

                memset(text, 'x', 8000);
                memcpy(text, "STATUS=", strlen("STATUS="));
                text[8000] = '\0';
                (void)sd_notify(0, text); /* beyond what is read at all */
                memcpy(text + 2000, "", 1);
                return sd_notify(0, text) > 0 ? 0 : 1;
        }
        if (streq(what, "many")) {
                for (unsigned i = 0; i < 8000; i++)
                        if (sd_notifyf(0, "STATUS=%u", i) <= 0)
                                return 1;
                return 0;
        }
        return 2;
}

static void notify_run(TestRun *t, Rig *rig, const char *what) {
        run_init(t, rig, NULL);
        def_add_command(t->def, self, strv_copy((char *[]){ self, (char *)what, NULL }), 0);
        run_start(t);
        run_wait(t);
        assert_int_equal(t->outcome.result, RUN_RESULT_SUCCESS);
}

static void test_status(void **state) {
        static const struct {
                const char *directory, *what, *status;
        } table[] = {
                { directory, "status", "42% done" },          { NULL, "status", "42% done" },
                { directory, "child", "before the barrier" }, { directory, "barrier", "before the barrier" },
                { NULL, "barrier", "before the barrier" },    { directory, "many", "7999" },
        };

        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
                Rig rig;
                TestRun t;

                rig_open(&rig, table[i].directory);
                notify_run(&t, &rig, table[i].what);
                assert_string_equal(t.status, table[i].status);
                run_done(&t);
                rig_close(&rig);
        }
}

static void test_status_limits(void **state) {
        Rig rig;
        TestRun t;

        rig_open(&rig, directory);
        notify_run(&t, &rig, "long");
        assert_int_equal(t.n_status, 1); /* the first one was ignored */
        assert_true(strlen(t.status) >= 256 && strlen(t.status) <= 512);
        run_done(&t);
        rig_close(&rig);
}

/* Who is no run says nothing about one, and cannot leave descriptors with us. */
static void test_status_of_others(void **state) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        _cleanup_close_ int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), pipe_end = -EBADF;
        alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
        struct iovec part = { .iov_base = (char *)"STATUS=mine", .iov_len = strlen("STATUS=mine") };
        struct msghdr message = {
                .msg_name = &address, .msg_namelen = sizeof(address), .msg_iov = &part, .msg_iovlen = 1
        };
        int fds[2];
        Rig rig;
        TestRun t;
        char c;

        rig_open(&rig, directory);
        run_init(&t, &rig, "echo ready; read line");
        run_start(&t);
        (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s/notify", directory);
        assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
        pipe_end = fds[0];
        message.msg_control = control;
        message.msg_controllen = sizeof(control);
        CMSG_FIRSTHDR(&message)->cmsg_level = SOL_SOCKET;
        CMSG_FIRSTHDR(&message)->cmsg_type = SCM_RIGHTS;
        CMSG_FIRSTHDR(&message)->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(CMSG_FIRSTHDR(&message)), &fds[1], sizeof(int));
        assert_true(sendmsg(fd, &message, 0) > 0);
        safe_close(fds[1]);
        run_wait(&t);
        assert_int_equal(t.n_status, 0);
        assert_int_equal(read(pipe_end, &c, 1), 0); /* all copies of the other end are closed */
        run_done(&t);
        rig_close(&rig);
}

/* The socket costs nothing before there is a run, and is gone afterwards. */
static void test_status_socket(void **state) {
        char path[128];
        Rig rig;
        TestRun t;

        (void)snprintf(path, sizeof(path), "%s/notify", directory);
        rig_open(&rig, directory);
        assert_int_equal(access(path, F_OK), -1);
        run_init(&t, &rig, "echo $NOTIFY_SOCKET");
        run_start(&t);
        assert_int_equal(access(path, F_OK), 0);
        run_wait(&t);
        assert_int_equal(strncmp(t.output, path, strlen(path)), 0);
        run_done(&t);
        rig_close(&rig);
        assert_int_equal(access(path, F_OK), -1);
}

/* --- many --- */

/* Whichever way it is found out, it is what /proc says: a later daemon knows the process by it. */
static void test_identity(void **state) {
        Rig rig;

        rig_open(&rig, NULL);
        for (unsigned i = 0; i < 100; i++) {
                ProcessInfo info;
                TestRun t;

                run_init(&t, &rig, "exit 0");
                run_start(&t);
                do /* it makes its session itself, and stays as a zombie */
                        assert_int_equal(process_read(t.identity.pid, &info), 0);
                while (info.session != t.identity.pid);
                assert_int_equal(t.identity.pid_start, info.start);
                run_wait(&t);
                run_done(&t);
        }
        rig_close(&rig);
}

static void test_many(void **state) {
        enum { N = 200 };
        static TestRun runs[N];
        Rig rig;

        rig_open(&rig, NULL);
        for (unsigned i = 0; i < N; i++) {
                run_init(&runs[i], &rig, i % 3 ? "exit 6" : "kill -ALRM $$");
                run_start(&runs[i]);
        }
        for (unsigned i = 0; i < N; i++) {
                run_wait(&runs[i]);
                assert_int_equal(runs[i].outcome.result, i % 3 ? RUN_RESULT_EXIT : RUN_RESULT_SIGNAL);
                run_done(&runs[i]);
        }
        rig_close(&rig);
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw) {
        return remove(path);
}

static bool has_child(void) {
        siginfo_t si = {};

        return waitid(P_ALL, 0, &si, WEXITED | WNOHANG | WNOWAIT) == 0;
}

#define LEAVE_ORPHANS "for i in 1 2 3 4 5 6 7 8 9 10; do setsid sh -c '(sleep 0.2 &) & exit 3' & done; exit 7"

/* As PID 1 of a container: what the runs leave behind becomes ours, and no status of a run is lost by that. */
static void test_orphans(void **state) {
        TestRun runs[20];
        Rig rig;

        rig_open_with(&rig, NULL, /* with_reaper= */ true);
        for (size_t i = 0; i < ELEMENTSOF(runs); i++) {
                run_init(&runs[i], &rig, LEAVE_ORPHANS);
                run_start(&runs[i]);
        }
        for (size_t i = 0; i < ELEMENTSOF(runs); i++) {
                run_wait(&runs[i]);
                assert_int_equal(runs[i].outcome.result, RUN_RESULT_EXIT);
                assert_int_equal(runs[i].outcome.code, 7);
                run_done(&runs[i]);
        }
        while (has_child()) /* until the last of them has ended and was waited for */
                assert_true(sd_event_run(rig.event, TEST_TIMEOUT * USEC_PER_SEC) > 0);
        rig_close(&rig);
}

int main(int argc, char *argv[]) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_outcomes),
                cmocka_unit_test(test_commands),
                cmocka_unit_test(test_usage),
                cmocka_unit_test(test_timeout),
                cmocka_unit_test(test_over_before_it_was_stopped),
                cmocka_unit_test(test_stopped_at_once),
                cmocka_unit_test(test_held),
                cmocka_unit_test(test_no_sigkill),
                cmocka_unit_test(test_kill_modes),
                cmocka_unit_test(test_leftovers),
                cmocka_unit_test(test_status),
                cmocka_unit_test(test_status_limits),
                cmocka_unit_test(test_status_of_others),
                cmocka_unit_test(test_status_socket),
                cmocka_unit_test(test_identity),
                cmocka_unit_test(test_many),
                cmocka_unit_test(test_orphans),
        };
        int r;

        if (argc > 1)
                return be_a_run(argv[1]);
        if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0 || !mkdtemp(directory))
                return EXIT_FAILURE;
        (void)snprintf(fifo, sizeof(fifo), "%s/fifo", directory);
        if (mkfifo(fifo, 0600) < 0)
                return EXIT_FAILURE;
        r = cmocka_run_group_tests(tests, group_setup, NULL);
        (void)nftw(directory, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
        return r;
}
