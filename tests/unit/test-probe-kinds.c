/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Each kind that asks the kernel: the real one where a test can say what is true, else files that it writes. */

#include "test-probe.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <net/if.h>
#include <net/route.h>
#include <pthread.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/timex.h>
#include <sys/un.h>
#include <sys/wait.h>

/* --- what fails on request --- */

static const char *broken_file; /* file_read() of it fails */
static int broken_error;
static unsigned n_walks; /* twice as many */
static struct timex clock_state;
static int clock_result;

ssize_t __wrap_file_read(int dir_fd, const char *name, char *buf, size_t size);
ssize_t __real_file_read(int dir_fd, const char *name, char *buf, size_t size);
int __wrap_adjtimex(struct timex *t);

ssize_t __wrap_file_read(int dir_fd, const char *name, char *buf, size_t size) {
        n_walks += streq(name, "proc/1/comm"); /* of the list of processes, and after it */
        return broken_file && streq(name, broken_file) ? -broken_error : __real_file_read(dir_fd, name, buf, size);
}

int __wrap_adjtimex(struct timex *t) {
        if (clock_result < 0) {
                errno = -clock_result;
                return -1;
        }
        *t = clock_state;
        return clock_result;
}

static int set_up_at(const char *root) {
        ProbesOptions options = { .root = root };

        assert_int_equal(sd_event_new(&test_event), 0);
        return probes_new(&test_probes, test_event, &options);
}

static int set_up(void **state) {
        assert_non_null(mkdtemp(test_root));
        put_file("proc/empty", "");
        put_file("sys/empty", "");
        return set_up_at(test_root);
}

static int set_up_real(void **state) {
        return set_up_at(NULL);
}

static int tear_down_real(void **state) {
        if (test_probes->n_probes == 0) /* else it has failed, and its uses are gone */
                (void)probes_free(test_probes);
        test_event = sd_event_unref(test_event);
        broken_file = NULL;
        return 0;
}

static int tear_down(void **state) {
        remove_root();
        return tear_down_real(state);
}

/* The first reading. */
static Reading ask(TestUse *t) {
        test_begin(t);
        WAIT_FOR(t->n_told > 0);
        return *test_reading(t);
}

static void check_unknown(ConditionKind kind, const char *subject, const char *aspect, const char *reason) {
        TestUse t = test_use_of(kind, subject, aspect);
        Reading r = ask(&t);

        assert_false(r.is_known);
        assert_string_equal(r.reason, reason);
        probe_unuse(&t.use);
}

static void check_known(ConditionKind kind, const char *subject, const char *aspect, int64_t value, int64_t whole) {
        TestUse t = test_use_of(kind, subject, aspect);
        Reading r = ask(&t);

        if (!r.is_known)
                fail_msg("unknown: %s", r.reason);
        assert_int_equal(r.value, value);
        assert_int_equal(r.whole, whole);
        probe_unuse(&t.use);
}

/* --- figures --- */

#define MEMINFO      "MemTotal:  1000 kB\nMemFree: 1 kB\nMemAvailable:     250 kB\nSwapTotal: 100 kB\nSwapFree: 20 kB\n"
#define FIGURES_NONE "Cannot read /%s: No such file or directory."

static const struct {
        unsigned line;
        ConditionKind kind;
        const char *file, *text;
        int64_t value, whole; /* value < 0: not as expected */
} figures[] = {
        { __LINE__, CONDITION_LOAD1, "proc/loadavg", "0.75 10.20 3.1 2/345 678\n", 750, 0 },
        { __LINE__, CONDITION_LOAD5, "proc/loadavg", "0.75 10.20 3.1 2/345 678\n", 10200, 0 },
        { __LINE__, CONDITION_LOAD15, "proc/loadavg", "0.75 10.20 3.1 2/345 678\n", 3100, 0 },
        { __LINE__, CONDITION_LOAD15, "proc/loadavg", "0.75 10.20", -1, 0 },
        { __LINE__, CONDITION_LOAD1, "proc/loadavg", "", -1, 0 },
        { __LINE__, CONDITION_LOAD1, "proc/loadavg", "many", -1, 0 },
        { __LINE__, CONDITION_MEMORY_AVAILABLE, "proc/meminfo", MEMINFO, 250 * 1024, 1000 * 1024 },
        { __LINE__, CONDITION_MEMORY_AVAILABLE, "proc/meminfo", "MemTotal: 5 kB\n", -1, 0 },
        { __LINE__, CONDITION_MEMORY_AVAILABLE, "proc/meminfo", "MemTotal: 0 kB\nMemAvailable: 0 kB\n", -1, 0 },
        { __LINE__, CONDITION_MEMORY_AVAILABLE, "proc/meminfo",
          "MemTotal: 9223372036854775807 kB\nMemAvailable: 1 kB\n", -1, 0 },
        { __LINE__, CONDITION_SWAP_FREE, "proc/meminfo", MEMINFO, 20 * 1024, 100 * 1024 },
        { __LINE__, CONDITION_SWAP_FREE, "proc/meminfo", "SwapTotal: 5 kB\n", -1, 0 },
        { __LINE__, CONDITION_FD_FREE, "proc/sys/fs/file-nr", "1000\t0\t9223372036854775807\n", INT64_MAX - 1000,
          INT64_MAX },
        { __LINE__, CONDITION_FD_FREE, "proc/sys/fs/file-nr", "1000\t0\t900\n", 0, 900 },
        { __LINE__, CONDITION_FD_FREE, "proc/sys/fs/file-nr", "1000\n", -1, 0 },
        { __LINE__, CONDITION_PIDS_FREE, "proc/loadavg", "0.1 0.2 0.3 1/600 9\n", 400, 1000 },
        { __LINE__, CONDITION_PIDS_FREE, "proc/loadavg", "0.1 0.2 0.3 1/6000 9\n", 0, 1000 },
        { __LINE__, CONDITION_PIDS_FREE, "proc/loadavg", "0.1 0.2 0.3\n", -1, 0 },
};

static void test_figures(void **state) {
        put_file("proc/sys/kernel/pid_max", "4194304\n");
        put_file("proc/sys/kernel/threads-max", "1000\n");
        for (size_t i = 0; i < ELEMENTSOF(figures); i++) {
                char reason[128];

                (void)snprintf(reason, sizeof(reason), "/%s is not written as expected.", figures[i].file);
                put_file(figures[i].file, figures[i].text);
                if (figures[i].value < 0)
                        check_unknown(figures[i].kind, NULL, NULL, reason);
                else
                        check_known(figures[i].kind, NULL, NULL, figures[i].value, figures[i].whole);
                remove_file(figures[i].file);
                (void)snprintf(reason, sizeof(reason), FIGURES_NONE, figures[i].file);
                check_unknown(figures[i].kind, NULL, NULL, reason);
        }
        put_file("proc/meminfo", "SwapTotal: 0 kB\nSwapFree: 0 kB\n");
        check_unknown(CONDITION_SWAP_FREE, NULL, NULL, "The machine has no swap space.");
        put_file("proc/sys/kernel/threads-max", "none\n");
        check_unknown(CONDITION_PIDS_FREE, NULL, NULL, "/proc/sys/kernel/threads-max is not written as expected.");
}

/* What the machine of the test says is possible, at least. */
static void test_figures_really(void **state) {
        static const ConditionKind kinds[] = { CONDITION_LOAD1,   CONDITION_LOAD5,
                                               CONDITION_LOAD15,  CONDITION_MEMORY_AVAILABLE,
                                               CONDITION_FD_FREE, CONDITION_PIDS_FREE,
                                               CONDITION_AC_POWER };

        for (size_t i = 0; i < ELEMENTSOF(kinds); i++) {
                TestUse t = test_use_of(kinds[i], NULL, NULL);
                Reading r = ask(&t);

                assert_true(r.is_known);
                assert_true(r.value >= 0);
                assert_true(r.whole == 0 || r.whole >= r.value);
                probe_unuse(&t.use);
        }
}

/* --- pressure --- */

#define PRESSURE     "some avg10=12.34 avg60=1.00 avg300=0.10 total=5\nfull avg10=0.05 avg60=0.00 avg300=0.00 total=1\n"
#define PRESSURE_OFF "The kernel does not measure pressure; boot it with psi=1."

static void test_pressure(void **state) {
        check_unknown(CONDITION_PRESSURE, "cpu", "some", PRESSURE_OFF);
        put_file("proc/pressure/cpu", PRESSURE);
        check_known(CONDITION_PRESSURE, "cpu", "some", 1234, 0);
        put_file("proc/pressure/cpu", PRESSURE);
        check_known(CONDITION_PRESSURE, "cpu", "full", 5, 0);
        put_file("proc/pressure/io", "some avg10=0.00 avg60=0.00 avg300=0.00 total=0\n");
        check_unknown(CONDITION_PRESSURE, "io", "full", "The kernel does not tell \"full\" for pressure of io.");
        broken_file = "proc/pressure/io";
        broken_error = EOPNOTSUPP; /* psi=0 */
        check_unknown(CONDITION_PRESSURE, "io", "some", PRESSURE_OFF);
        broken_error = EACCES;
        check_unknown(CONDITION_PRESSURE, "io", "some", "The pressure of io cannot be read: Permission denied.");
}

/* With the kernel's trigger, nothing wakes up while there is no pressure. */
static void test_pressure_really(void **state) {
        TestUse t = test_use_of(CONDITION_PRESSURE, "io", "full"), lower = t;
        usec_t interval;
        Reading r;

        t.test.limit = 10000;
        lower.test.limit = 9999;
        r = ask(&t);
        if (!r.is_known) {
                print_message("# no pressure here: %s\n", r.reason);
                assert_string_equal(r.reason, PRESSURE_OFF);
        } else if (streq(probe_source(&t.use, &interval), "event")) {
                uint64_t looks = test_probes->n_looks;

                assert_true(heap_first(&test_probes->looks) == NULL);
                test_begin(&lower); /* another limit, another trigger */
                WAIT_FOR(lower.n_told > 0 && test_probes->n_looks > looks && !heap_first(&test_probes->looks));
                assert_string_equal(probe_source(&t.use, &interval), "event");
                probe_unuse(&lower.use);
        }
        probe_unuse(&t.use);
}

/* --- power --- */

static void put_supply(const char *name, const char *file, const char *text) {
        char path[128];

        (void)snprintf(path, sizeof(path), "sys/class/power_supply/%s/%s", name, file);
        put_file(path, text);
}

static void test_power(void **state) {
        check_known(CONDITION_AC_POWER, NULL, NULL, 1, 0); /* nothing at all: on mains */
        put_supply("hidpp_battery_0", "type", "Battery\n");
        put_supply("hidpp_battery_0", "scope", "Device\n");
        put_supply("hidpp_battery_0", "status", "Discharging\n");
        check_known(CONDITION_AC_POWER, NULL, NULL, 1, 0);
        put_supply("BAT0", "type", "Battery\n");
        put_supply("BAT0", "status", "Charging\n");
        check_known(CONDITION_AC_POWER, NULL, NULL, 1, 0);
        put_supply("BAT0", "status", "Discharging\n");
        check_known(CONDITION_AC_POWER, NULL, NULL, 0, 0);
        put_supply("AC", "type", "Mains\n");
        put_supply("AC", "online", "0\n");
        check_known(CONDITION_AC_POWER, NULL, NULL, 0, 0);
        put_supply("AC", "online", "1\n");
        check_known(CONDITION_AC_POWER, NULL, NULL, 1, 0);
        put_supply("AC", "online", "0\n");
        put_supply("BAT0", "status", "Full\n");
        check_known(CONDITION_AC_POWER, NULL, NULL, 0, 0);
        remove_file("sys/class/power_supply/AC/online");
        remove_file("sys/class/power_supply/BAT0/status");
        check_unknown(CONDITION_AC_POWER, NULL, NULL, "The state of a battery cannot be read.");
}

/* --- clock --- */

static void test_clock(void **state) {
        TestUse t = test_use_of(CONDITION_CLOCK_SYNCHRONIZED, NULL, NULL), sooner = t;
        usec_t interval;

        clock_result = -EPERM;
        check_unknown(CONDITION_CLOCK_SYNCHRONIZED, NULL, NULL,
                      "The kernel does not tell the state of the clock: Operation not permitted.");
        clock_result = TIME_ERROR;
        check_known(CONDITION_CLOCK_SYNCHRONIZED, NULL, NULL, 0, 0);
        clock_result = TIME_OK;
        clock_state = (struct timex){ .status = STA_UNSYNC };
        put_file("run/systemd/timesync/other", "");
        (void)ask(&t);
        assert_int_equal(test_reading(&t)->value, 0);
        assert_string_equal(probe_source(&t.use, &interval), "sample");
        /* It is synchronized, which the file tells. */
        clock_state = (struct timex){ .maxerror = 1000000 };
        put_file("run/systemd/timesync/synchronized", "");
        WAIT_FOR(t.n_told == 2);
        assert_int_equal(test_reading(&t)->value, 1);
        assert_string_equal(probe_source(&t.use, &interval), "event");
        assert_true(heap_first(&test_probes->looks)->latest % PROBE_SAMPLE_DEFAULT_USEC == 0); /* not each second */
        clock_state = (struct timex){ .status = STA_UNSYNC };
        put_file("run/systemd/timesync/synchronized", "");
        WAIT_FOR(t.n_told == 3);
        assert_int_equal(test_reading(&t)->value, 0);
        clock_state = (struct timex){ .maxerror = 1000000 };
        put_file("run/systemd/timesync/synchronized", "");
        WAIT_FOR(t.n_told == 4);
        assert_int_equal(test_reading(&t)->value, 1);
        /* Its end is not told by a file; somebody wants to hear of it soon. */
        sooner.use.sample_max = USEC_PER_SEC;
        test_begin(&sooner);
        WAIT_FOR(sooner.n_told == 1);
        clock_state = (struct timex){ .status = STA_UNSYNC };
        WAIT_FOR(t.n_told == 5);
        assert_int_equal(test_reading(&t)->value, 0);
        probe_unuse(&sooner.use);
        probe_unuse(&t.use);
}

/* --- processes --- */

static void put_process(const char *pid, const char *comm, char state) {
        char path[64], text[128];

        (void)snprintf(path, sizeof(path), "proc/%s/comm", pid);
        (void)snprintf(text, sizeof(text), "%s\n", comm);
        put_file(path, text);
        (void)snprintf(path, sizeof(path), "proc/%s/stat", pid);
        (void)snprintf(text, sizeof(text), "%s (%s) %c 1 2 3\n", pid, comm, state);
        put_file(path, text);
}

static void test_processes(void **state) {
        char pid[16];

        put_process("1", "init", 'S');
        put_process("20", "a) Z (b", 'S');
        put_process("21", "nginx", 'S');
        put_process("22", "nginx", 'Z');
        put_process("23", "nginx", 'R');
        put_process("24", "a-very-long-nam", 'S');
        put_process("25", "a-very-long-nam", 'S');
        put_process("27", "a-very-long-na", 'S');
        put_file("proc/26/stat", "26 (nginx) R\n"); /* it went away meanwhile */
        check_known(CONDITION_PROCESS, "nginx", NULL, 2, 0);
        check_known(CONDITION_PROCESS, "ngin", NULL, 0, 0);
        check_known(CONDITION_PROCESS, "a) Z (b", NULL, 1, 0);
        check_known(CONDITION_PROCESS, "a-very-long-name", NULL, 2, 0); /* by 15 bytes; no command line is read */
        check_known(CONDITION_PROCESS, "a-very-long-name-too", NULL, 2, 0);
        check_known(CONDITION_PROCESS, "a-very-long-nam", NULL, 2, 0);
        for (unsigned i = 0; i < 150; i++) { /* more than a turn can do */
                (void)snprintf(pid, sizeof(pid), "%u", 1000 + i);
                put_process(pid, "many", 'S');
        }
        check_known(CONDITION_PROCESS, "many", NULL, 150, 0);
        put_file("proc/28/comm/below", ""); /* it is there, and cannot be read */
        check_unknown(CONDITION_PROCESS, "nginx", NULL, "The name of a process cannot be read.");
        remove_file("proc/28/comm/below");
        remove_file("proc/28/comm");
        check_known(CONDITION_PROCESS, "nginx", NULL, 2, 0);
        remove_file("proc/1/comm");
        check_unknown(CONDITION_PROCESS, "nginx", NULL, "The processes of other users are hidden from vaktd.");
}

/* One walk answers all; who comes in the middle of it is answered by the next. */
static void test_walk_is_shared(void **state) {
        TestUse a = test_use_of(CONDITION_PROCESS, "init", NULL), b = test_use_of(CONDITION_PROCESS, "many", NULL);
        char pid[16];

        put_process("1", "init", 'S');
        for (unsigned i = 0; i < 200; i++) {
                (void)snprintf(pid, sizeof(pid), "%u", 1000 + i);
                put_process(pid, "many", 'S');
        }
        test_begin(&a);
        WAIT_FOR(test_probes->n_looks == 1);
        (void)sd_event_run(test_event, 0);
        test_begin(&b);
        WAIT_FOR(a.n_told == 1 && b.n_told == 1);
        assert_int_equal(test_reading(&a)->value, 1);
        assert_int_equal(test_reading(&b)->value, 200);
        /* Nobody asks any more while it is under way. */
        probe_look(a.use.probe);
        (void)sd_event_run(test_event, 0);
        probe_unuse(&a.use);
        probe_unuse(&b.use);
        while (sd_event_run(test_event, 0) > 0)
                ;
}

static void test_process_really(void **state) {
        pid_t pid = fork();
        TestUse t = test_use_of(CONDITION_PROCESS, "vakt-probed", NULL);

        assert_true(pid >= 0);
        if (pid == 0) {
                (void)prctl(PR_SET_NAME, "vakt-probed");
                (void)kill(getpid(), SIGSTOP);
                _exit(0);
        }
        assert_int_equal(waitpid(pid, NULL, WUNTRACED), pid);
        assert_int_equal(ask(&t).value, 1);
        assert_int_equal(kill(pid, SIGKILL), 0);
        assert_int_equal(waitid(P_PID, (id_t)pid, &(siginfo_t){}, WEXITED | WNOWAIT), 0); /* a zombie */
        probe_look(t.use.probe);
        WAIT_FOR(t.n_told == 2);
        assert_int_equal(test_reading(&t)->value, 0);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        probe_unuse(&t.use);
}

/* A process that takes a name, and another one when it is told to. */
static pid_t start_process(const char *name, const char *other, int *ret_fd) {
        int fds[2];
        pid_t pid;

        assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                char c;

                (void)close(fds[1]);
                (void)prctl(PR_SET_NAME, name);
                (void)raise(SIGSTOP);
                if (read(fds[0], &c, 1) == 1)
                        (void)prctl(PR_SET_NAME, other);
                (void)raise(SIGSTOP);
                _exit(read(fds[0], &c, 1) == 1);
        }
        (void)close(fds[0]);
        *ret_fd = fds[1];
        assert_int_equal(waitpid(pid, NULL, WUNTRACED), pid);
        return pid;
}

static void look_again(TestUse *t) {
        usec_t at = test_reading(t)->at;

        probe_look(t->use.probe);
        WAIT_FOR(test_reading(t)->at > at);
}

static void *be_a_thread(void *fd) {
        char c;

        (void)prctl(PR_SET_NAME, "vakt-held");
        (void)!read(*(int *)fd, &c, 1);
        return NULL;
}

static long last_pid(void) {
        char buf[256];

        assert_true(file_read(AT_FDCWD, "/proc/loadavg", buf, sizeof(buf)) > 0);
        return strtol(strrchr(buf, ' '), NULL, 10);
}

/* Those that were found are held, and new ones are found, without a walk; a thread of that name is none. */
static void test_process_is_held(void **state) {
        TestUse t = test_use_of(CONDITION_PROCESS, "vakt-held", NULL);
        pid_t first, second;
        int fds[2], of_first, of_second;
        pthread_t thread;
        long before, n_started;

        before = last_pid();
        first = start_process("vakt-held", "vakt-other", &of_first);
        n_walks = 0;
        assert_int_equal(ask(&t).value, 1);
        assert_int_equal(n_walks, 2);
        second = start_process("vakt-held", "vakt-other", &of_second);
        assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
        assert_int_equal(pthread_create(&thread, NULL, be_a_thread, &fds[0]), 0);
        look_again(&t);
        assert_int_equal(test_reading(&t)->value, 2);
        /* It has another name. */
        assert_int_equal(write(of_first, "x", 1), 1);
        assert_int_equal(kill(first, SIGCONT), 0);
        assert_int_equal(waitpid(first, NULL, WUNTRACED), first);
        look_again(&t);
        assert_int_equal(test_reading(&t)->value, 1);
        /* Nobody looks: its end is told. */
        assert_int_equal(kill(second, SIGKILL), 0);
        WAIT_FOR(test_reading(&t)->value == 0);
        n_started = last_pid() - before;
        if (n_started >= 0 &&
            n_started < 100) /* else numbers began anew, or more started than are looked at one by one */
                assert_int_equal(n_walks, 2);
        assert_int_equal(kill(first, SIGKILL), 0);
        (void)close(fds[1]);
        assert_int_equal(pthread_join(thread, NULL), 0);
        assert_int_equal(waitpid(first, NULL, 0), first);
        assert_int_equal(waitpid(second, NULL, 0), second);
        (void)close(fds[0]);
        (void)close(of_first);
        (void)close(of_second);
        probe_unuse(&t.use);
}

/* --- sockets --- */

static int listen_at(int family, int type, const void *address, socklen_t size, bool only_ipv6) {
        int fd = socket(family, type | SOCK_CLOEXEC, 0);

        assert_true(fd >= 0);
        if (only_ipv6)
                assert_int_equal(setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &(int){ 1 }, sizeof(int)), 0);
        assert_int_equal(bind(fd, address, size), 0);
        if (type == SOCK_STREAM)
                assert_int_equal(listen(fd, 1), 0);
        return fd;
}

static uint16_t port_of(int fd) {
        struct sockaddr_in6 address;

        assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &(socklen_t){ sizeof(address) }), 0);
        return ntohs(address.sin6_port);
}

static void check_port(const char *address, uint16_t port, const char *protocol, bool value) {
        char subject[64];

        (void)snprintf(subject, sizeof(subject), "%s%u", address, port);
        check_known(CONDITION_LISTENING, subject, protocol, value, 0);
}

static void test_listening(void **state) {
        const struct sockaddr_in here = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        int tcp = listen_at(AF_INET, SOCK_STREAM, &here, sizeof(here), false);
        int udp = listen_at(AF_INET, SOCK_DGRAM, &here, sizeof(here), false);
        uint16_t port = port_of(tcp);

        check_port("", port, "tcp", true);
        check_port("127.0.0.1:", port, "tcp", true);
        check_port("127.0.0.2:", port, "tcp", false);
        check_port("[::1]:", port, "tcp", false);
        check_port("127.0.0.1:", port_of(udp), "udp", true);
        assert_int_equal(close(tcp), 0);
        check_port("", port, "tcp", false);
        assert_int_equal(close(udp), 0);
        check_unknown(CONDITION_LISTENING, "0", "tcp", "There is no address tcp 0 to listen at.");
        check_unknown(CONDITION_LISTENING, "70000", "udp", "There is no address udp 70000 to listen at.");
        check_unknown(CONDITION_LISTENING, "80", "sctp", "There is no address sctp 80 to listen at.");
        check_unknown(CONDITION_LISTENING, "x:80", "tcp", "There is no address tcp x:80 to listen at.");
}

static void test_listening_ipv6(void **state) {
        const struct sockaddr_in6 any = { .sin6_family = AF_INET6 };
        int probe_fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0), both, only;

        if (probe_fd < 0)
                skip();
        (void)close(probe_fd);
        both = listen_at(AF_INET6, SOCK_STREAM, &any, sizeof(any), false);
        only = listen_at(AF_INET6, SOCK_STREAM, &any, sizeof(any), true);
        check_port("", port_of(both), "tcp", true);
        check_port("[::1]:", port_of(both), "tcp", true);
        check_port("127.0.0.1:", port_of(both), "tcp", true);
        check_port("127.0.0.1:", port_of(only), "tcp", false);
        (void)close(both);
        (void)close(only);
}

static void test_listening_unix(void **state) {
        struct sockaddr_un named = { .sun_family = AF_UNIX }, abstract = { .sun_family = AF_UNIX };
        int stream, datagram;

        (void)snprintf(named.sun_path, sizeof(named.sun_path), "%s/socket", test_root);
        (void)snprintf(abstract.sun_path + 1, sizeof(abstract.sun_path) - 1, "vakt-probe-%d", getpid());
        check_known(CONDITION_LISTENING, named.sun_path, "unix", 0, 0);
        stream = listen_at(AF_UNIX, SOCK_STREAM, &named, sizeof(named), false);
        datagram = listen_at(AF_UNIX, SOCK_DGRAM, &abstract,
                             (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(abstract.sun_path + 1)),
                             false);
        check_known(CONDITION_LISTENING, named.sun_path, "unix", 1, 0);
        abstract.sun_path[0] = '@';
        check_known(CONDITION_LISTENING, abstract.sun_path, "unix", 1, 0);
        abstract.sun_path[0] = '\0';
        (void)close(stream);
        (void)close(datagram);
        check_known(CONDITION_LISTENING, named.sun_path, "unix", 0, 0); /* the file is still there */
        (void)unlink(named.sun_path);
        stream = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
        assert_int_equal(bind(stream, (struct sockaddr *)&named, sizeof(named)), 0);
        check_known(CONDITION_LISTENING, named.sun_path, "unix", 0, 0); /* it has the name, and does not listen */
        assert_int_equal(listen(stream, 1), 0);
        check_known(CONDITION_LISTENING, named.sun_path, "unix", 1, 0);
        (void)close(stream);
}

/* --- online --- */

static void loopback(int fd, bool is_up) {
        struct ifreq request = { .ifr_name = "lo", .ifr_flags = is_up ? IFF_UP : 0 };

        assert_int_equal(ioctl(fd, SIOCSIFFLAGS, &request), 0);
}

static void default_route(int fd, bool is_added) {
        const struct sockaddr_in any = { .sin_family = AF_INET };
        struct rtentry route = { .rt_flags = RTF_UP, .rt_dev = (char *)"lo" };

        memcpy(&route.rt_dst, &any, sizeof(any));
        memcpy(&route.rt_genmask, &any, sizeof(any));
        assert_int_equal(ioctl(fd, is_added ? SIOCADDRT : SIOCDELRT, &route), 0);
}

/* In a network of its own, each change is told. */
static void test_online(void **state) {
        TestUse t = test_use_of(CONDITION_ONLINE, NULL, NULL);
        usec_t interval;
        int fd;

        if (unshare(CLONE_NEWNET) < 0)
                skip();
        fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        assert_int_equal(ask(&t).value, 0);
        assert_true(test_reading(&t)->is_known);
        assert_string_equal(probe_source(&t.use, &interval), "event");
        loopback(fd, true);
        default_route(fd, true);
        WAIT_FOR(t.n_told == 2);
        assert_int_equal(test_reading(&t)->value, 1);
        default_route(fd, false);
        WAIT_FOR(t.n_told == 3);
        assert_int_equal(test_reading(&t)->value, 0);
        default_route(fd, true);
        WAIT_FOR(t.n_told == 4);
        loopback(fd, false);
        WAIT_FOR(t.n_told == 5);
        assert_int_equal(test_reading(&t)->value, 0);
        (void)close(fd);
        probe_unuse(&t.use);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_figures, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_figures_really, set_up_real, tear_down_real),
                cmocka_unit_test_setup_teardown(test_pressure, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_pressure_really, set_up_real, tear_down_real),
                cmocka_unit_test_setup_teardown(test_power, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_clock, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_processes, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_walk_is_shared, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_process_really, set_up_real, tear_down_real),
                cmocka_unit_test_setup_teardown(test_process_is_held, set_up_real, tear_down_real),
                cmocka_unit_test_setup_teardown(test_listening, set_up_real, tear_down_real),
                cmocka_unit_test_setup_teardown(test_listening_ipv6, set_up_real, tear_down_real),
                cmocka_unit_test_setup_teardown(test_listening_unix, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_online, set_up_real, tear_down_real), /* the last one */
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
