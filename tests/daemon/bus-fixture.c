/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "bus-fixture.h"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>

static const char bus_configuration[] = "<busconfig>\n"
                                        "<type>custom</type>\n"
                                        "<listen>unix:path=%s/bus</listen>\n"
                                        "<auth>EXTERNAL</auth>\n"
                                        "<policy context='default'>\n"
                                        "<allow user='*'/><allow own='*'/><allow send_destination='*'/>\n"
                                        "<allow receive_sender='*'/>\n"
                                        "</policy>\n"
                                        "</busconfig>\n";

static pid_t bus_pid;

static _Noreturn void exec_bus(const Harness *h, int fd) {
        char configuration[PATH_MAX], address[32], log[PATH_MAX];
        int log_fd;

        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void)snprintf(configuration, sizeof(configuration), "--config-file=%s/bus.conf", harness_directory(h));
        (void)snprintf(address, sizeof(address), "--print-address=%d", fd);
        (void)snprintf(log, sizeof(log), "%s/bus.log", harness_directory(h));
        log_fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        if (log_fd >= 0)
                (void)dup2(log_fd, STDERR_FILENO);
        execlp("dbus-daemon", "dbus-daemon", "--nofork", "--nopidfile", configuration, address, NULL);
        _exit(127);
}

bool bus_start(const Harness *h) {
        char text[PATH_MAX + sizeof(bus_configuration)], line[PATH_MAX] = "";
        int fds[2];
        ssize_t n;

        (void)snprintf(text, sizeof(text), bus_configuration, harness_directory(h));
        harness_write(h, "bus.conf", text);
        assert_int_equal(pipe2(fds, 0), 0);
        assert_int_equal(fcntl(fds[0], F_SETFD, FD_CLOEXEC), 0);
        bus_pid = fork();
        assert_true(bus_pid >= 0);
        if (bus_pid == 0)
                exec_bus(h, fds[1]);
        close(fds[1]);
        harness_wait_readable(fds[0]);
        n = read(fds[0], line, sizeof(line) - 1);
        close(fds[0]);
        return n > 0;
}

void bus_stop(void) {
        if (bus_pid <= 0)
                return;
        (void)kill(bus_pid, SIGKILL);
        (void)waitpid(bus_pid, NULL, 0);
        bus_pid = 0;
}

static void bus_address(const Harness *h, char address[static PATH_MAX]) {
        assert_true(snprintf(address, PATH_MAX, "unix:path=%s/bus", harness_directory(h)) < PATH_MAX);
}

sd_bus *bus_connect_as(const Harness *h, uid_t uid) {
        char address[PATH_MAX];
        sd_bus *bus = NULL;
        int r;

        bus_address(h, address);
        assert_true(sd_bus_new(&bus) >= 0);
        assert_true(sd_bus_set_address(bus, address) >= 0);
        assert_true(sd_bus_set_bus_client(bus, true) >= 0);
        assert_true(sd_bus_set_method_call_timeout(bus, HARNESS_TIMEOUT_SEC * USEC_PER_SEC) >= 0);
        if (uid != (uid_t)-1)
                assert_int_equal(seteuid(uid), 0);
        r = sd_bus_start(bus);
        if (uid != (uid_t)-1)
                assert_int_equal(seteuid(0), 0);
        assert_true(r >= 0);
        return bus;
}

sd_bus *bus_connect(const Harness *h) {
        return bus_connect_as(h, (uid_t)-1);
}

int bus_setup(void **state) {
        char address[PATH_MAX];
        int r;

        r = harness_setup(state);
        if (r != 0)
                return r;
        bus_address(*state, address);
        harness_set_environment(*state, "DBUS_SYSTEM_BUS_ADDRESS", address);
        harness_set_bus(*state, true);
        harness_add_job(*state, "a", "[Run]\nExec=/bin/true\n");
        return 0;
}

int bus_teardown(void **state) {
        int r = harness_teardown(state);

        bus_stop();
        return r;
}
