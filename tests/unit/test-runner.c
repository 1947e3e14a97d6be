/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* vakt-runner, without a service manager: everything that it is told, and everything that it may meet. */

#include <fcntl.h>
#include <sys/resource.h>

#include "test-runner.h"

#include <poll.h>
#include <sched.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/xattr.h>

#include "held-child.h"
#include "util/file.h"

static char directory[] = "/tmp/vakt-test-runner-XXXXXX";

/* --- results --- */

static void test_results(void **state) {
        static Rig rig;
        const RunnerEntry *e;

        rig_init(&rig);
        rig.setup.success_statuses[0] = 1 << 3;
        rig.setup.success_signals = UINT64_C(1) << SIGUSR1;
        rig_open(&rig);
        send_run(&rig, 1, 0, "exit 0");
        send_run(&rig, 2, 0, "exit 3");
        send_run(&rig, 3, 0, "exit 4");
        send_run(&rig, 4, 0, "kill -USR1 $$");
        send_run(&rig, 5, 0, "kill -USR2 $$");
        assert_ended(&rig, 1, RUN_RESULT_SUCCESS, 0);
        assert_ended(&rig, 2, RUN_RESULT_SUCCESS, 0);
        assert_ended(&rig, 3, RUN_RESULT_EXIT, 4);
        assert_ended(&rig, 4, RUN_RESULT_SUCCESS, 0);
        assert_ended(&rig, 5, RUN_RESULT_SIGNAL, SIGUSR2);
        e = &rig.seen[1];
        assert_true(e->run == 1 && e->pid > 0 && e->started > 0 && e->ended >= e->started);
        assert_true(e->cpu > 0 && e->cpu < 60 * USEC_PER_SEC);
        send_ack(&rig, 1, 2); /* another run */
        send_ack(&rig, 1, 1);
        send_run(&rig, 1, 0, "exit 1"); /* it is free again */
        rig.seen[1] = (RunnerEntry){};
        assert_ended(&rig, 1, RUN_RESULT_EXIT, 1);
        rig_close(&rig);
}

/* Its main process leads a session. */
static void test_process(void **state) {
        static Rig rig;

        rig_init(&rig);
        rig_open(&rig);
        for (uint32_t run = 1; run <= 3; run++) {
                const RunnerEntry *e;

                send_run(&rig, run, 0, "exec sleep 1000");
                e = wait_state(&rig, run, RUNNER_RUN_RUNNING);
                assert_int_equal(getsid((pid_t)e->pid), e->pid);
                (void)kill((pid_t)e->pid, SIGKILL);
                assert_ended(&rig, run, RUN_RESULT_SIGNAL, SIGKILL);
        }
        rig_close(&rig);
}

static void test_commands(void **state) {
        static char *first[] = { (char *)"sh", (char *)"-c", (char *)"echo first; exit 1", NULL };
        static char *second[] = { (char *)"sh", (char *)"-c", (char *)"echo $0", (char *)"${VAR}", NULL };
        static char *third[] = { (char *)"echo", (char *)"$VAR", (char *)"a${VAR}b", (char *)"$$", NULL };
        static char *last[] = { (char *)"sh", (char *)"-c", (char *)"exit $CODE", NULL };
        static char *none[] = { (char *)"no-such-program", NULL };
        struct RunnerCommand commands[] = {
                { (char *)"/bin/sh", first, COMMAND_IGNORE_FAILURE },
                { (char *)"/bin/sh", second, COMMAND_NO_EXPAND },
                { (char *)"echo", third, 0 },
                { (char *)"/bin/sh", last, COMMAND_NO_EXPAND },
                { (char *)"no-such-program", none, COMMAND_IGNORE_FAILURE },
        };
        static const char variables[] = "VAR=1  2\0CODE=0", failing[] = "VAR=\0CODE=9";
        static Rig rig;

        rig_init(&rig);
        rig.setup.commands = commands;
        rig.setup.n_commands = ELEMENTSOF(commands);
        rig_open(&rig);
        send_run_with(&rig, 7, 1, 0, USEC_INFINITY, variables, sizeof(variables), NULL);
        assert_ended(&rig, 7, RUN_RESULT_START_FAILED, ENOENT);
        assert_int_equal(rig.seen[7].command, 4);
        assert_journal(&rig, "first");
        assert_journal(&rig, "${VAR}");
        rig_close(&rig);
        rig_init(&rig);
        rig.setup.commands = commands + 2;
        rig.setup.n_commands = 2;
        rig_open(&rig);
        send_run_with(&rig, 7, 1, 0, USEC_INFINITY, failing, sizeof(failing), NULL);
        assert_ended(&rig, 7, RUN_RESULT_EXIT, 9);
        assert_int_equal(rig.seen[7].command, 1);
        assert_journal(&rig, "ab $");
        rig_close(&rig);
}

static void test_environment(void **state) {
        static const char variables[] = "SCRIPT=echo $FROM_UNIT $REPLACED $BIG_END $LISTEN_FDS$WATCHDOG_USEC; "
                                        "echo $NOTIFY_SOCKET; ls /proc/self/fd; ulimit -n; cat\0REPLACED=run";
        static const char big[] = "BIG_END=big";
        _cleanup_close_ int fd = memfd_create("variables", MFD_CLOEXEC);
        static JournalEntry e;
        struct rlimit limit;
        static Rig rig;

        rig_init(&rig);
        rig_open(&rig);
        assert_int_equal(write(fd, big, sizeof(big)), sizeof(big));
        send_run_with(&rig, 1, 1, RUNNER_HAS_VARIABLES, USEC_INFINITY, variables, sizeof(variables), &fd);
        assert_ended(&rig, 1, RUN_RESULT_SUCCESS, 0);
        assert_journal(&rig, "unit run big");
        read_journal(&rig, &e);
        assert_true(e.message[0] == '@');
        for (int i = 0; i <= 3; i++) { /* 3 is that of ls */
                char digit[] = { (char)('0' + i), '\0' };

                assert_journal(&rig, digit);
        }
        read_journal(&rig, &e);
        assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
        assert_true(strtoul(e.message, NULL, 10) == limit.rlim_cur || streq(e.message, "unlimited"));
        rig_close(&rig);
}

/* The list as standard input, anew for each command, and as a file, also for who has closed all descriptors. */
static void test_list(void **state) {
        static char *as_is[] = { (char *)"sh", (char *)"-c",
                                 (char *)"cat; cat $VAKT_PATHS; (exec 3<&-; cat $VAKT_PATHS); exit", NULL };
        struct RunnerCommand commands[] = { { (char *)"/bin/sh", as_is, COMMAND_NO_EXPAND },
                                            { (char *)"/bin/sh", as_is, COMMAND_NO_EXPAND } };
        _cleanup_close_ int fd = memfd_create("list", MFD_CLOEXEC);
        static Rig rig;

        rig_init(&rig);
        rig.setup.commands = commands;
        rig.setup.n_commands = 2;
        rig_open(&rig);
        assert_int_equal(write(fd, "/a\n", 3), 3);
        send_run_with(&rig, 1, 1, RUNNER_HAS_LIST | RUNNER_LIST_INPUT, USEC_INFINITY, "", 0, &fd);
        assert_ended(&rig, 1, RUN_RESULT_SUCCESS, 0);
        for (int i = 0; i < 6; i++)
                assert_journal(&rig, "/a");
        send_run_with(&rig, 2, 2, RUNNER_HAS_LIST, USEC_INFINITY, "", 0, &fd);
        assert_ended(&rig, 2, RUN_RESULT_SUCCESS, 0);
        for (int i = 0; i < 4; i++)
                assert_journal(&rig, "/a");
        rig_close(&rig);
        rig_init(&rig);
        rig.setup.commands =
                &(struct RunnerCommand){ (char *)"cat", (char *[]){ (char *)"cat", (char *)"$VAKT_PATHS", NULL }, 0 };
        rig_open(&rig);
        send_run_with(&rig, 1, 1, RUNNER_HAS_LIST, USEC_INFINITY, "", 0, &fd);
        assert_ended(&rig, 1, RUN_RESULT_SUCCESS, 0);
        assert_journal(&rig, "/a");
        rig_close(&rig);
}

/* --- output --- */

static void test_output(void **state) {
        static JournalEntry e;
        char expected[256];
        static Rig rig;

        rig_init(&rig);
        rig_open(&rig);
        send_run(&rig, 9, 0, "echo one; echo '<3>two' >&2; echo; printf 'a\\001\\377\\000b\\n'; printf end");
        assert_ended(&rig, 9, RUN_RESULT_SUCCESS, 0);
        read_journal(&rig, &e);
        assert_string_equal(e.message, "one");
        (void)snprintf(expected, sizeof(expected),
                       "\nPRIORITY=6\nSYSLOG_FACILITY=3\nSYSLOG_IDENTIFIER=ident\nVAKT_JOB=job\nVAKT_RUN=9\n"
                       "SYSLOG_PID=%u\n",
                       rig.seen[9].pid);
        assert_string_equal(e.fields, expected);
        read_journal(&rig, &e);
        assert_string_equal(e.message, "two");
        assert_non_null(strstr(e.fields, "\nPRIORITY=3\n"));
        assert_journal(&rig, "");
        read_journal(&rig, &e);
        assert_int_equal(e.n, 5);
        assert_memory_equal(e.message, "a\1\377\0b", 5);
        assert_journal(&rig, "end");
        rig_close(&rig);
}

static void test_long_lines(void **state) {
        static JournalEntry e;
        static Rig rig;
        size_t total = 0;

        rig_init(&rig);
        rig_open(&rig);
        send_run(&rig, 1, 0, "head -c 100000 /dev/zero | tr '\\000' x; echo; echo short");
        assert_ended(&rig, 1, RUN_RESULT_SUCCESS, 0);
        do {
                read_journal(&rig, &e);
                assert_true(e.n <= 49152);
                assert_true(e.n == 0 || e.message[0] == 'x');
                total += e.n;
        } while (total < 100000);
        assert_int_equal(total, 100000);
        assert_int_equal(e.n, 100000 - 2 * 49152);
        assert_journal(&rig, "short");
        rig_close(&rig);
}

/* The run waits for the journal, its end does, too, and every line arrives. Other runs go on. */
static void test_busy_journal(void **state) {
        static JournalEntry e;
        unsigned n_filled = 0;
        bool late = false;
        static Rig rig;
        pid_t pid;
        char c;

        rig_init(&rig);
        rig_open(&rig);
        while (send(rig.journal_theirs, "", 1, MSG_DONTWAIT) == 1)
                n_filled++;
        send_run(&rig, 1, 0, "seq 1 50000");
        send_run(&rig, 2, 0, "echo late; exit 2");
        pid = (pid_t)wait_state(&rig, 2, RUNNER_RUN_RUNNING)->pid;
        while (kill(pid, 0) == 0) /* until it is reaped */
                (void)sched_yield();
        send_run(&rig, 3, 0, "true");
        assert_ended(&rig, 3, RUN_RESULT_SUCCESS, 0);
        assert_int_equal(rig.table[1].state, RUNNER_RUN_RUNNING);
        assert_int_equal(rig.table[2].state, RUNNER_RUN_RUNNING);
        for (unsigned i = 0; i < n_filled; i++)
                assert_int_equal(recv(rig.journal, &c, 1, 0), 1);
        for (unsigned i = 1; i <= 50000 || !late;) {
                read_journal(&rig, &e);
                if (streq(e.message, "late"))
                        late = true;
                else if (strtoul(e.message, NULL, 10) == i)
                        i++;
                else
                        fail_msg("line %u: %s", i, e.message);
        }
        assert_ended(&rig, 1, RUN_RESULT_SUCCESS, 0);
        assert_ended(&rig, 2, RUN_RESULT_EXIT, 2);
        rig_close(&rig);
}

/* A new vaktd brings another socket of the journal, where what waited for the old one goes on. */
static void test_new_journal(void **state) {
        static JournalEntry e;
        unsigned first;
        static Rig rig;
        int old;

        rig_init(&rig);
        rig_open(&rig);
        send_run(&rig, 1, 0, "seq 1 10000");
        assert_journal(&rig, "1");
        send_run(&rig, 2, 0, "true");
        assert_ended(&rig, 2, RUN_RESULT_SUCCESS, 0);
        old = TAKE_FD(rig.journal);
        rig.link = safe_close(rig.link);
        rig_connect(&rig);
        read_journal(&rig, &e);
        first = (unsigned)strtoul(e.message, NULL, 10);
        assert_true(first > 1);
        for (unsigned i = first + 1; i <= 10000; i++) {
                read_journal(&rig, &e);
                assert_int_equal(strtoul(e.message, NULL, 10), i);
        }
        assert_ended(&rig, 1, RUN_RESULT_SUCCESS, 0);
        safe_close(old);
        rig_close(&rig);
}

static void test_no_journal(void **state) {
        char text[256] = "";
        static Rig rig;

        rig_init(&rig);
        rig.without_journal = true;
        rig_open(&rig);
        send_run(&rig, 1, 0, "echo one; echo '<3>two' >&2");
        assert_ended(&rig, 1, RUN_RESULT_SUCCESS, 0);
        assert_true(read(rig.output, text, sizeof(text) - 1) > 0);
        assert_string_equal(text, "<6>ident: one\n<3>ident: two\n");
        rig_close(&rig);
        rig_init(&rig);
        rig.setup.own_output = false;
        rig_open(&rig);
        send_run(&rig, 1, RUNNER_FOLLOW, "echo one; echo two >&2");
        assert_ended(&rig, 1, RUN_RESULT_SUCCESS, 0);
        memset(text, 0, sizeof(text));
        assert_int_equal(fd_read_up_to(rig.output, text, strlen("one\ntwo\n")), strlen("one\ntwo\n"));
        assert_string_equal(text, "one\ntwo\n");
        rig_close(&rig);
}

static void test_follow(void **state) {
        static Rig rig;

        rig_init(&rig);
        rig_open(&rig);
        send_run(&rig, 1, RUNNER_FOLLOW, "echo '<5>one'; echo two >&2");
        assert_ended(&rig, 1, RUN_RESULT_SUCCESS, 0);
        assert_non_null(strstr(rig.lines, "1 <5>one\n"));
        assert_non_null(strstr(rig.lines, "1!two\n"));
        rig_close(&rig);
}

/* A vaktd that reads nothing: lines are lost, results and the table are not, and runs go on. */
static void test_deaf(void **state) {
        static JournalEntry e;
        static Rig rig;

        rig_init(&rig);
        rig_open(&rig);
        send_run(&rig, 1, RUNNER_FOLLOW, "for i in 1 2 3 4 5 6 7 8 9; do head -c 49000 /dev/zero; echo; done");
        for (int i = 0; i < 9; i++)
                read_journal(&rig, &e);
        for (uint32_t run = 2; run < RUNNER_ENTRIES; run++) {
                send_run(&rig, run, 0, "echo x");
                assert_journal(&rig, "x");
        }
        for (uint32_t run = 1; run < RUNNER_ENTRIES; run++)
                assert_ended(&rig, run, RUN_RESULT_SUCCESS, 0);
        assert_true(rig.n_reports < RUNNER_ENTRIES);
        rig_close(&rig);
}

/* --- stopping --- */

static void test_timeout(void **state) {
        static const char variables[] = "SCRIPT=exec sleep 1000";
        static Rig rig;

        rig_init(&rig);
        rig_open(&rig);
        send_run_with(&rig, 1, 1, 0, 20 * USEC_PER_MSEC, variables, sizeof(variables), NULL);
        assert_ended(&rig, 1, RUN_RESULT_TIMEOUT, SIGTERM);
        rig_close(&rig);
}

/* A run with a process in the background that says what it is told; what the main process does when it is told to end.
 */
static void start_two(const Rig *rig, uint32_t run, const char *at_term) {
        char script[512];

        (void)snprintf(
                script, sizeof(script),
                "(trap 'echo child' TERM; trap 'echo hup' HUP; echo ready; while :; do sleep 1000 & wait; done) & "
                "trap '%s' TERM; trap '' HUP; echo ready; while :; do wait; done",
                at_term);
        send_run(rig, run, 0, script);
        assert_journal(rig, "ready");
        assert_journal(rig, "ready");
}

static void test_stop(void **state) {
        static JournalEntry e;
        static Rig rig;

        rig_init(&rig);
        rig.setup.send_sighup = true;
        rig_open(&rig);
        start_two(&rig, 1, "while [ ! -e seen ]; do :; done; exit 5");
        send_stop(&rig, 2, RUN_RESULT_CANCELLED); /* there is none */
        send_stop(&rig, 1, RUN_RESULT_CANCELLED);
        send_stop(&rig, 1, RUN_RESULT_TIMEOUT); /* it was told once */
        for (unsigned seen = 0; seen != 3;) {
                read_journal(&rig, &e);
                seen |= streq(e.message, "child") ? 1 : streq(e.message, "hup") ? 2 : 0;
        }
        safe_close(open("seen", O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
        assert_ended(&rig, 1, RUN_RESULT_CANCELLED, 0);
        send_stop(&rig, 1, RUN_RESULT_CANCELLED); /* it is over */
        assert_int_equal(unlink("seen"), 0);
        rig_close(&rig);
}

/* Only the main process is told, and the rest is killed when it is gone. */
static void test_stop_mixed(void **state) {
        static Rig rig;

        rig_init(&rig);
        rig.setup.kill_mode = CHILD_KILL_MIXED;
        rig_open(&rig);
        start_two(&rig, 1, "echo main; exit 5");
        send_stop(&rig, 1, RUN_RESULT_CANCELLED);
        assert_ended(&rig, 1, RUN_RESULT_CANCELLED, 0);
        send_run(&rig, 2, 0, "echo last");
        assert_journal(&rig, "main");
        assert_journal(&rig, "last");
        rig_close(&rig);
}

static void test_stop_by_force(void **state) {
        static Rig rig;

        rig_init(&rig);
        rig.setup.stop_timeout = 20 * USEC_PER_MSEC;
        rig_open(&rig);
        send_run(&rig, 1, 0, "trap '' TERM; echo ready; while :; do sleep 1000; done");
        assert_journal(&rig, "ready");
        send_stop(&rig, 1, RUN_RESULT_CANCELLED);
        assert_ended(&rig, 1, RUN_RESULT_CANCELLED, SIGKILL);
        rig_close(&rig);
}

static bool is_there(pid_t pid) {
        char path[64], text[512];
        const char *state;

        (void)snprintf(path, sizeof(path), "/proc/%d/stat", pid);
        if (file_read(AT_FDCWD, path, text, sizeof(text)) < 0)
                return false;
        state = strrchr(text, ')');
        return state && state[2] != 'Z' && state[2] != 'X';
}

/* What a run leaves behind is killed, but not with KillMode=process. */
static void test_left_behind(void **state) {
        static JournalEntry e;
        static Rig rig;
        pid_t pid;

        for (int keep = 0; keep < 2; keep++) {
                rig_init(&rig);
                rig.setup.kill_mode = keep ? CHILD_KILL_PROCESS : CHILD_KILL_CONTROL_GROUP;
                rig_open(&rig);
                send_run(&rig, 1, 0, "sleep 1000 & echo $!");
                read_journal(&rig, &e);
                pid = (pid_t)strtol(e.message, NULL, 10);
                assert_ended(&rig, 1, RUN_RESULT_SUCCESS, 0);
                while (!keep && is_there(pid)) /* it was sent SIGKILL */
                        (void)sched_yield();
                assert_int_equal(is_there(pid), keep);
                if (keep)
                        (void)kill(pid, SIGKILL);
                rig_close(&rig);
        }
}

/* --- status --- */

static void test_status(void **state) {
        static Rig rig;

        rig_init(&rig);
        rig_open(&rig);
        send_run(&rig, 1, 0, "systemd-notify --status='one'; systemd-notify --status='two'; read x; exit 0");
        send_run(&rig, 2, 0, "systemd-notify --status='three'; exec sleep 1000");
        assert_ended(&rig, 1, RUN_RESULT_SUCCESS, 0);
        while (!strstr(rig.status, "2 three"))
                assert_true(rig_receive(&rig, 0) > 0);
        rig.link = safe_close(rig.link);
        rig_connect(&rig);
        rig.status[0] = '\0';
        while (!strstr(rig.status, "2 three")) /* the next vaktd knows it, too */
                assert_true(rig_receive(&rig, 0) > 0);
        rig_close(&rig);
}

/* --- connections --- */

/* What an old connection has left is done before the next one is heard. */
static void test_reconnect(void **state) {
        static Rig rig;
        int old;

        rig_init(&rig);
        rig_open(&rig);
        send_run(&rig, 1, 0, "exit 1");
        assert_ended(&rig, 1, RUN_RESULT_EXIT, 1);
        send_run(&rig, 200, 0, "exit 2");
        assert_int_equal(poll(&(struct pollfd){ .fd = rig.link, .events = POLLIN }, 1, 60000), 1);
        assert_int_equal(kill(rig.pid, SIGSTOP), 0);
        for (uint32_t run = 2; run < 200; run++)
                send_run(&rig, run, 0, "exit 2");
        old = rig.link;
        rig_connect(&rig); /* while the old one is still there */
        send_ack(&rig, 1, 1);
        safe_close(old); /* with messages that are not read, on either side */
        rig.n_welcomes = 0;
        memset(rig.seen, 0, sizeof(rig.seen));
        assert_int_equal(kill(rig.pid, SIGCONT), 0);
        while (rig.n_welcomes == 0)
                assert_true(rig_receive(&rig, 0) > 0);
        for (uint32_t run = 2; run < 200; run++)
                assert_true(rig.table[run].state >= RUNNER_RUN_STARTING);
        assert_int_equal(rig.welcome.n_started, 200);
        for (uint32_t run = 2; run <= 200; run++)
                assert_ended(&rig, run, RUN_RESULT_EXIT, 2);
        while (rig.table[1].state != RUNNER_RUN_FREE)
                (void)sched_yield();
        rig_close(&rig);
}

static void test_full(void **state) {
        static Rig rig;

        rig_init(&rig);
        rig_open(&rig);
        for (uint32_t i = 0; i < RUNNER_ENTRIES; i++)
                send_run_with(&rig, i, i + 1, 0, USEC_INFINITY, "SCRIPT=read x", 14, NULL);
        for (uint32_t i = 0; i < RUNNER_ENTRIES; i++)
                assert_ended(&rig, i, RUN_RESULT_EXIT, 1);
        send_run(&rig, 5, 0, "exit 0"); /* that entry has run 6 */
        for (uint32_t i = 0; i < RUNNER_ENTRIES; i++)
                send_ack(&rig, i, i + 1);
        rig.seen[9] = (RunnerEntry){};
        send_run(&rig, 9, 0, "exit 0");
        assert_ended(&rig, 9, RUN_RESULT_SUCCESS, 0);
        assert_int_equal(rig.table[5].state, RUNNER_RUN_FREE);
        rig_close(&rig);
}

/* Whatever a broken vaktd sends: the runner goes on. */
static void test_nonsense(void **state) {
        static char bytes[RUNNER_MESSAGE_MAX + 100];
        int fds[8] = { 1, 1, 1, 1, 1, 1, 1, 1 };
        static Rig rig;

        rig_init(&rig);
        rig_start(&rig);
        rig.link = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
        assert_int_equal(connect(rig.link, (struct sockaddr *)&rig.address, rig.address_size), 0);
        for (int round = 0; round < 2; round++) { /* before and after HELLO */
                for (uint32_t kind = 0; kind < 8; kind++)
                        for (size_t size = 1; size < 100; size++) {
                                RunnerHeader header = { .kind = kind };

                                if (kind == RUNNER_EXIT)
                                        continue;
                                memset(bytes, 0xff, sizeof(bytes));
                                memcpy(bytes, &header, sizeof(header));
                                send_with(&rig, bytes, size, fds, size % 9);
                        }
                send_with(&rig, bytes, sizeof(bytes), NULL, 0);
                send_run_with(&rig, RUNNER_ENTRIES, 1, 0, 0, "", 0, NULL);
                send_run_with(&rig, 1, 1, 0, 0, "A=1", 3, NULL); /* no NUL */
                send_stop(&rig, 1, _RUN_RESULT_MAX);
                if (round == 0) {
                        safe_close(rig.link);
                        rig_connect(&rig);
                }
        }
        send_run(&rig, 2, 0, "exit 0");
        assert_ended(&rig, 2, RUN_RESULT_SUCCESS, 0);
        assert_int_equal(rig.table[1].state, RUNNER_RUN_FREE);
        send_run_with(&rig, 3, 3, RUNNER_HAS_LIST | RUNNER_HAS_VARIABLES, USEC_INFINITY, "SCRIPT=true", 12, fds);
        (void)wait_end(&rig, 3); /* whatever that was */
        send_run_with(&rig, 4, 4, RUNNER_LIST_INPUT, USEC_INFINITY, "SCRIPT=true", 12, NULL);
        assert_ended(&rig, 4, RUN_RESULT_SUCCESS, 0);
        rig_close(&rig);
}

/* --- its own end --- */

static void test_exit(void **state) {
        static const RunnerHeader message = { .kind = RUNNER_EXIT };
        static Rig rig;

        rig_init(&rig);
        rig_open(&rig);
        send_run(&rig, 1, 0, "exit 0");
        send_with(&rig, &message, sizeof(message), NULL, 0);
        send_run(&rig, 2, 0, "exit 0"); /* too late */
        assert_ended(&rig, 1, RUN_RESULT_SUCCESS, 0);
        send_ack(&rig, 1, 1);
        assert_int_equal(rig_wait_exit(&rig), 0);
        assert_int_equal(rig.table[2].state, RUNNER_RUN_FREE);
        rig_close(&rig);
}

static void test_unit_is_stopped(void **state) {
        static const int signals[] = { SIGTERM, SIGUSR1 };
        static Rig rig;

        for (size_t i = 0; i < ELEMENTSOF(signals); i++) {
                rig_init(&rig);
                rig.setup.kill_signal = signals[i];
                rig_open(&rig);
                send_run(&rig, 1, 0, "exec sleep 1000");
                (void)wait_state(&rig, 1, RUNNER_RUN_RUNNING);
                assert_int_equal(kill(rig.pid, signals[i]), 0);
                assert_ended(&rig, 1, RUN_RESULT_CANCELLED, signals[i]);
                assert_int_equal(rig_wait_exit(&rig), 0);
                rig_close(&rig);
        }
}

/* It stays while it has a run, and goes when nobody wants anything. */
static void test_idle(void **state) {
        static Rig rig;
        int fds[2];

        rig_init(&rig);
        rig.idle = 0;
        rig_open(&rig);
        assert_int_equal(mkfifo("fifo", 0600), 0);
        send_run(&rig, 1, 0, "read x <fifo");
        (void)wait_state(&rig, 1, RUNNER_RUN_RUNNING);
        rig.link = safe_close(rig.link);
        fds[0] = open("fifo", O_WRONLY | O_CLOEXEC);
        assert_int_equal(rig.table[1].state, RUNNER_RUN_RUNNING);
        assert_int_equal(write(fds[0], "\n", 1), 1);
        safe_close(fds[0]);
        assert_int_equal(rig_wait_exit(&rig), 0);
        assert_int_equal(rig.table[1].state, RUNNER_RUN_ENDED);
        assert_int_equal(rig.table[1].result, RUN_RESULT_SUCCESS);
        rig_close(&rig);
        assert_int_equal(unlink("fifo"), 0);
}

/* --- scarcity, and force --- */

static void test_no_descriptors(void **state) {
        static Rig rig;
        uint32_t n_failed = 0;

        rig_init(&rig);
        rig.nofile = 16;
        rig_open(&rig);
        for (uint32_t run = 1; run <= 20; run++)
                send_run(&rig, run, 0, "exec sleep 1000");
        for (uint32_t run = 1; run <= 20; run++) {
                const RunnerEntry *e = wait_state(&rig, run, RUNNER_RUN_RUNNING);

                if (e->state == RUNNER_RUN_RUNNING)
                        continue;
                assert_ended(&rig, run, RUN_RESULT_START_FAILED, EMFILE);
                n_failed++;
        }
        assert_true(n_failed > 4 && n_failed < 20);
        for (uint32_t run = 1; run <= 20; run++)
                send_stop(&rig, run, RUN_RESULT_CANCELLED);
        for (uint32_t run = 1; run <= 20; run++)
                (void)wait_end(&rig, run);
        send_run(&rig, 21, 0, "exit 0");
        assert_ended(&rig, 21, RUN_RESULT_SUCCESS, 0);
        rig_close(&rig);
}

static bool is_over(const Rig *rig, uint32_t run) {
        return rig->seen[run].state == RUNNER_RUN_ENDED;
}

/* A message that comes without its descriptors is none that did not come. */
static void test_no_descriptors_for_what_is_sent(void **state) {
        _cleanup_close_ int list = memfd_create("list", MFD_CLOEXEC);
        static Rig rig;
        uint32_t run;

        rig_init(&rig);
        rig.nofile = 16;
        rig_open(&rig);
        for (run = 1; run < 20; run++) {
                send_run_with(&rig, run, run, RUNNER_HAS_LIST, USEC_INFINITY, "SCRIPT=exec sleep 1000", 23, &list);
                (void)wait_state(&rig, run, RUNNER_RUN_RUNNING);
        }
        for (run = 1; run < 20 && !is_over(&rig, run); run++)
                ;
        assert_true(run > 1 && run < 20);
        /* The next vaktd is heard, too. */
        safe_close(rig.link);
        rig.n_welcomes = 0;
        rig_connect(&rig);
        while (rig.n_welcomes == 0)
                assert_true(rig_receive(&rig, 0) > 0);
        rig_close(&rig);
}

static void test_too_few_descriptors_to_begin(void **state) {
        static Rig rig;

        rig_init(&rig);
        rig.nofile = 8;
        rig_start(&rig);
        rig_connect(&rig);
        assert_int_equal(rig_wait_exit(&rig), 0);
        rig_close(&rig);
}

/* Its files in /proc belong to root: nobody of the same user can trace it. */
static void test_hidden(void **state) {
        char path[64];
        struct stat st;
        static Rig rig;

        if (geteuid() != 0)
                skip();
        rig_init(&rig);
        rig.uid = 65534;
        rig_open(&rig);
        send_run(&rig, 1, 0, "id -u; ls /proc/$PPID/fd 2>&1 | grep -c 'cannot open'; exec sleep 1000");
        assert_journal(&rig, "65534");
        assert_journal(&rig, "1");
        (void)wait_state(&rig, 1, RUNNER_RUN_RUNNING);
        (void)snprintf(path, sizeof(path), "/proc/%d/mem", rig.pid);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_uid, 0);
        (void)snprintf(path, sizeof(path), "/proc/%u/mem", rig.seen[1].pid);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_uid, 65534); /* a run is as any other process */
        rig_close(&rig);
}

/* Killed at any moment: what ran is in an entry, and what is in none did not run. */
static void test_killed(void **state) {
        enum { N = 24 };
        static Rig rig;

        for (unsigned round = 0; round < 100; round++) {
                char script[64], path[64];

                rig_init(&rig);
                rig_open(&rig);
                for (uint32_t run = 1; run <= round % N + 1; run++) {
                        (void)snprintf(script, sizeof(script), ">ran-%u-%u", round, run);
                        send_run(&rig, run, 0, script);
                }
                for (unsigned i = 0; i < round * 10; i++)
                        (void)sched_yield();
                assert_int_equal(kill(rig.pid, SIGKILL), 0);
                assert_int_equal(rig_wait_exit(&rig), SIGKILL);
                for (uint32_t run = 1; run <= N; run++) {
                        const RunnerEntry *e = &rig.table[run];
                        bool ran;

                        (void)snprintf(path, sizeof(path), "ran-%u-%u", round, run);
                        ran = unlink(path) == 0; /* one that was just being started can come later */
                        assert_false(ran && e->state == RUNNER_RUN_FREE);
                        assert_false(!ran && e->state == RUNNER_RUN_ENDED);
                        if (e->state != RUNNER_RUN_FREE)
                                assert_true(e->run == run && e->entry == run && e->started > 0);
                        if (e->state > RUNNER_RUN_STARTING)
                                assert_true(e->pid > 0);
                        if (e->state == RUNNER_RUN_ENDED)
                                assert_true(e->result == RUN_RESULT_SUCCESS && e->ended >= e->started);
                }
                rig_close(&rig);
        }
}

/* Ten thousand, eight at once. */
static void run_many(Rig *rig, uint64_t n) {
        uint64_t next = 1, n_ended = 0;

        for (uint32_t i = 0; i < 8; i++)
                send_run_with(rig, i, next++, 0, USEC_INFINITY, "SCRIPT=", 8, NULL);
        while (n_ended < n) {
                assert_true(rig_receive(rig, 0) > 0);
                for (uint32_t i = 0; i < 8; i++) {
                        RunnerEntry *e = &rig->seen[i];

                        if (e->state != RUNNER_RUN_ENDED)
                                continue;
                        assert_int_equal(e->result, RUN_RESULT_SUCCESS);
                        n_ended++;
                        send_ack(rig, i, e->run);
                        *e = (RunnerEntry){};
                        if (next <= n)
                                send_run_with(rig, i, next++, 0, USEC_INFINITY, "SCRIPT=", 8, NULL);
                }
        }
}

static void test_many(void **state) {
        static Rig rig;

        rig_init(&rig);
        rig_open(&rig);
        run_many(&rig, 10000);
        rig_close(&rig);
}

/* --- control groups --- */

static char group[256]; /* "" = there is none for us */

/* A group that is marked as delegated, as the service manager does; that wants root and the unified hierarchy. */
static void make_group(void) {
        static const char *const places[] = { "/sys/fs/cgroup", "/sys/fs/cgroup/unified" };
        struct statfs s;

        for (size_t i = 0; i < ELEMENTSOF(places) && group[0] == '\0'; i++) {
                if (statfs(places[i], &s) < 0 || s.f_type != CGROUP2_SUPER_MAGIC)
                        continue;
                (void)snprintf(group, sizeof(group), "%s/vakt-test-runner-%d", places[i], getpid());
                if (mkdir(group, 0755) < 0 || setxattr(group, "user.delegate", "1", 1, 0) < 0)
                        group[0] = '\0';
        }
}

static void remove_group(void) {
        _cleanup_free_ char *command = NULL;
        char path[300];

        assert_true(string_format(&command, "rmdir %s/run-* 2>&-", group) >= 0);
        (void)!system(command); /* that wait for a run */
        (void)snprintf(path, sizeof(path), "%s/runner", group);
        while (group[0] != '\0' && rmdir(path) < 0 && errno == EBUSY) /* its processes were killed */
                (void)sched_yield();
        assert_true(group[0] == '\0' || rmdir(group) == 0);
        group[0] = '\0';
}

static bool group_exists(uint64_t run) {
        char path[300];

        (void)snprintf(path, sizeof(path), "%s/run-%" PRIu64, group, run);
        return access(path, F_OK) == 0;
}

static void rig_open_in_group(Rig *rig) {
        static char entrance[300];

        make_group();
        if (group[0] == '\0')
                skip();
        (void)snprintf(entrance, sizeof(entrance), "%s/cgroup.procs", group);
        rig->enter = entrance;
        assert_int_equal(chown(group, rig->uid, (gid_t)-1), 0);
        assert_int_equal(chown(entrance, rig->uid, (gid_t)-1), 0);
        rig_open(rig);
}

#define FILL "head -c 30000000 /dev/zero | tail -c 30000000 >/dev/null" /* memory */
#define SPIN "i=0; while [ $i -lt 20000 ]; do i=$((i + 1)); done; "

/* Its processes, wherever they went, are of the run's group: counted and killed with it. */
static void check_group(uid_t uid) {
        static JournalEntry e;
        static Rig rig;
        pid_t pid;

        rig_init(&rig);
        rig.uid = uid;
        rig_open_in_group(&rig);
        send_run(&rig, 5, 0,
                 "setsid sh -c '" SPIN
                 "echo $$; exec sleep 1000' & sed -n 's/^0:.*run-/group /p' /proc/self/cgroup; exec sleep 1000");
        do
                read_journal(&rig, &e);
        while (startswith(e.message, "group"));
        pid = (pid_t)strtol(e.message, NULL, 10);
        (void)wait_state(&rig, 5, RUNNER_RUN_RUNNING);
        assert_true(group_exists(5));
        send_stop(&rig, 5, RUN_RESULT_CANCELLED);
        (void)wait_end(&rig, 5);
        assert_true(rig.seen[5].cpu > 1000);
        while (group_exists(5) || is_there(pid))
                (void)sched_yield();
        rig_close(&rig);
        remove_group();
}

static void test_group(void **state) {
        check_group(0);
}

static void test_group_of_user(void **state) {
        check_group(65534);
}

/* Between two commands what is left of the first is killed, and the second one runs in the same group. */
static void test_group_commands(void **state) {
        static char *words[] = {
                (char *)"sh", (char *)"-c",
                (char *)"(setsid sleep 1000 & echo $!); cat /proc/self/cgroup | sed -n 's/^0:.*run-/group /p'", NULL
        };
        struct RunnerCommand commands[] = { { (char *)"/bin/sh", words, COMMAND_NO_EXPAND },
                                            { (char *)"/bin/sh", words, COMMAND_NO_EXPAND } };
        static JournalEntry e;
        static Rig rig;

        rig_init(&rig);
        rig.setup.commands = commands;
        rig.setup.n_commands = 2;
        rig_open_in_group(&rig);
        send_run_with(&rig, 6, 60, 0, USEC_INFINITY, "", 0, NULL);
        assert_ended(&rig, 6, RUN_RESULT_SUCCESS, 0);
        for (int i = 0; i < 2; i++) {
                read_journal(&rig, &e);
                while (is_there((pid_t)strtol(e.message, NULL, 10)))
                        (void)sched_yield();
                assert_journal(&rig, "group 60");
        }
        while (group_exists(60))
                (void)sched_yield();
        rig_close(&rig);
        remove_group();
}

/* Not where memory is counted, by a Linux before 6.12. */
static void rig_open_in_used_group(Rig *rig) {
        char path[300];
        struct stat st;

        rig_init(rig);
        rig_open_in_group(rig);
        (void)snprintf(path, sizeof(path), "%s/runner/memory.peak", group);
        if (stat(path, &st) < 0 || st.st_mode & S_IWUSR)
                return;
        rig_close(rig);
        remove_group();
        skip();
}

/* Runs the script in the directory of its group, and returns the number of that. */
static uint64_t group_of(Rig *rig, uint32_t run, const char *script) {
        static JournalEntry e;
        char text[512];

        (void)snprintf(text, sizeof(text),
                       "g=$(sed -n 's/^0:.*run-//p' /proc/self/cgroup); echo \"group $g\"; cd %s/run-$g; %s", group,
                       script);
        send_run(rig, run, 0, text);
        assert_ended(rig, run, RUN_RESULT_SUCCESS, 0);
        read_journal(rig, &e);
        assert_non_null(startswith(e.message, "group "));
        return strtoull(e.message + strlen("group "), NULL, 10);
}

/* The group of a run is that of the one before it, mostly: a process that has just ended may still be there. */
static void test_group_again(void **state) {
        static Rig rig;
        uint32_t run = 0;
        uint64_t first, second;

        rig_open_in_used_group(&rig);
        do {
                first = group_of(&rig, ++run, SPIN FILL);
                second = group_of(&rig, ++run, "true");
        } while (first != second);
        assert_true(rig.seen[run].cpu > 0 && rig.seen[run].cpu < rig.seen[run - 1].cpu); /* its own alone */
        if (rig.seen[run].memory_peak != UINT64_MAX) {
                assert_true(rig.seen[run - 1].memory_peak > 30000000);
                assert_true(rig.seen[run].memory_peak < 20000000);
        }
        rig_close(&rig);
        remove_group();
}

/* But not one in which that has changed something, or could have. */
static void test_group_changed(void **state) {
        static const char *const scripts[] = {
                "echo 0 >cgroup.max.descendants",
                "mkdir below",
                "chmod 700 .",
                "chmod 600 cgroup.procs",
                "exec 3<.",
                "mkdir below; rmdir below; (setsid sleep 1000 & )",
                "true",
        };
        static Rig rig;

        rig_init(&rig);
        rig_open_in_group(&rig);
        for (uint32_t i = 0; i < ELEMENTSOF(scripts); i++)
                assert_int_equal(group_of(&rig, i + 1, scripts[i]), i + 1);
        while (group_exists(1) || group_exists(6))
                (void)sched_yield();
        rig_close(&rig);
        (void)rmdir(strcat(strcpy((char[400]){}, group), "/run-2/below"));
        remove_group();
}

/* Makes runs until a group waits for the next one. */
static uint64_t group_that_stays(Rig *rig, uint32_t *run) {
        uint64_t found;

        do
                found = group_of(rig, ++*run, "true");
        while (!group_exists(found));
        return found;
}

/* Nor one that was changed while it waited. */
static void test_group_changed_later(void **state) {
        static Rig rig;
        uint32_t run = 0;
        uint64_t first;
        char path[300];

        rig_open_in_used_group(&rig);
        first = group_that_stays(&rig, &run);
        (void)snprintf(path, sizeof(path), "%s/run-%" PRIu64 "/cgroup.freeze", group, first);
        safe_close(open(path, O_WRONLY | O_CLOEXEC));
        assert_int_not_equal(group_of(&rig, ++run, "true"), first);
        while (group_exists(first))
                (void)sched_yield();
        rig_close(&rig);
        remove_group();
}

/* Nor one that is gone: the run gets another one. */
static void test_group_removed_later(void **state) {
        static Rig rig;
        uint32_t run = 0;
        uint64_t first;
        char path[300];

        rig_open_in_used_group(&rig);
        first = group_that_stays(&rig, &run);
        (void)snprintf(path, sizeof(path), "%s/run-%" PRIu64, group, first);
        assert_int_equal(rmdir(path), 0);
        assert_int_not_equal(group_of(&rig, ++run, "true"), first);
        rig_close(&rig);
        remove_group();
}

/* KillMode=process leaves what is left; its group goes when it does. */
static void test_group_left(void **state) {
        static JournalEntry e;
        static Rig rig;
        pid_t pid;

        rig_init(&rig);
        rig.setup.kill_mode = CHILD_KILL_PROCESS;
        rig_open_in_group(&rig);
        send_run(&rig, 5, 0, "sleep 1000 & echo $!");
        read_journal(&rig, &e);
        pid = (pid_t)strtol(e.message, NULL, 10);
        assert_ended(&rig, 5, RUN_RESULT_SUCCESS, 0);
        assert_true(group_exists(5) && is_there(pid));
        assert_int_equal(kill(pid, SIGKILL), 0);
        while (group_exists(5))
                (void)sched_yield();
        rig_close(&rig);
        remove_group();
}

static void test_group_many(void **state) {
        unsigned n_left = 0;
        static Rig rig;

        rig_init(&rig);
        rig_open_in_group(&rig);
        run_many(&rig, 1000);
        for (uint64_t run = 1; run <= 1000; run++)
                n_left += group_exists(run);
        assert_true(n_left <= 64); /* for further runs */
        rig_close(&rig);
        remove_group();
}

/* The last one: it cannot be undone. Nobody waits for a child that is stuck before it has a session. */
static void test_stop_stuck(void **state) {
        int fd = hold_children();
        uint64_t first, second;
        static JournalEntry e;
        static Rig rig;

        if (fd < 0)
                skip();
        rig_init(&rig);
        rig_open(&rig);
        send_run(&rig, 1, 0, "echo executed");
        first = child_held(fd);
        send_stop(&rig, 1, RUN_RESULT_CANCELLED);
        send_run(&rig, 2, 0, "echo other");
        second = child_held(fd);
        child_let_go(fd, first);
        assert_ended(&rig, 1, RUN_RESULT_CANCELLED, SIGTERM);
        child_let_go(fd, second);
        assert_ended(&rig, 2, RUN_RESULT_SUCCESS, 0);
        read_journal(&rig, &e);
        assert_string_equal(e.message, "other");
        rig_close(&rig);
        (void)close(fd);
}

int main(int argc, char *argv[]) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_results),
                cmocka_unit_test(test_process),
                cmocka_unit_test(test_commands),
                cmocka_unit_test(test_environment),
                cmocka_unit_test(test_list),
                cmocka_unit_test(test_output),
                cmocka_unit_test(test_long_lines),
                cmocka_unit_test(test_busy_journal),
                cmocka_unit_test(test_new_journal),
                cmocka_unit_test(test_no_journal),
                cmocka_unit_test(test_follow),
                cmocka_unit_test(test_deaf),
                cmocka_unit_test(test_timeout),
                cmocka_unit_test(test_stop),
                cmocka_unit_test(test_stop_mixed),
                cmocka_unit_test(test_stop_by_force),
                cmocka_unit_test(test_left_behind),
                cmocka_unit_test(test_status),
                cmocka_unit_test(test_reconnect),
                cmocka_unit_test(test_full),
                cmocka_unit_test(test_nonsense),
                cmocka_unit_test(test_exit),
                cmocka_unit_test(test_unit_is_stopped),
                cmocka_unit_test(test_idle),
                cmocka_unit_test(test_no_descriptors),
                cmocka_unit_test(test_no_descriptors_for_what_is_sent),
                cmocka_unit_test(test_too_few_descriptors_to_begin),
                cmocka_unit_test(test_hidden),
                cmocka_unit_test(test_killed),
                cmocka_unit_test(test_many),
                cmocka_unit_test(test_group),
                cmocka_unit_test(test_group_of_user),
                cmocka_unit_test(test_group_commands),
                cmocka_unit_test(test_group_again),
                cmocka_unit_test(test_group_changed),
                cmocka_unit_test(test_group_changed_later),
                cmocka_unit_test(test_group_removed_later),
                cmocka_unit_test(test_group_left),
                cmocka_unit_test(test_group_many),
                cmocka_unit_test(test_stop_stuck),
        };
        int r;

        if (argc > 1)
                cmocka_set_test_filter(argv[1]);
        (void)signal(SIGPIPE, SIG_IGN);
        if (!mkdtemp(directory) || chdir(directory) < 0)
                return 1;
        (void)chmod(directory, 0755);
        r = cmocka_run_group_tests(tests, NULL, NULL);
        while (rmdir(directory) < 0 && errno == ENOTEMPTY) /* what killed runners had begun */
                (void)!system("rm -f ran-*");
        return r;
}
