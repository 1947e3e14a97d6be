/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Jobs in a real daemon: many of them, bad ones among them, what a run finds around it, and what a stop leaves. */

#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "../unit/bad-jobs.h"
#include "harness.h"

#define N_GOOD 950

static void read_whole(const Harness *h, const char *name, char *buf, size_t size) {
        char path[PATH_MAX];
        size_t n;
        FILE *f;

        (void)snprintf(path, sizeof(path), "%s/%s", harness_directory(h), name);
        f = fopen(path, "re");
        if (!f)
                fail_msg("%s is not there", path);
        n = fread(buf, 1, size - 1, f);
        buf[n] = '\0';
        fclose(f);
}

static uint64_t get_job_number(sd_bus *bus, const char *job, const char *property) {
        _cleanup_free_ char *path = NULL;
        uint64_t value;

        assert_true(sd_bus_path_encode("/org/vaktd1/job", job, &path) >= 0);
        assert_true(sd_bus_get_property_trivial(bus, NULL, path, "org.vaktd1.Job", property, NULL, 't', &value) >= 0);
        return value;
}

static void run_job(sd_bus *bus, const char *job, const char *expected) {
        _cleanup_(watch_freep) Watch *w = watch_new(bus, "type='signal',member='RunFinished'");
        char result[32];

        watch_run_finished(w, harness_run(bus, job, false), result, sizeof(result));
        assert_string_equal(result, expected);
}

/* Counts the diagnostics that name this file and line, and whose message has the part. */
static unsigned count_diagnostics(sd_bus *bus, const char *file, unsigned line, const char *part) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = harness_call(bus, "Diagnostics", NULL);
        const char *f, *message;
        unsigned n = 0;
        uint32_t l;

        assert_true(sd_bus_message_enter_container(reply, 'a', "(sus)") > 0);
        while (sd_bus_message_read(reply, "(sus)", &f, &l, &message) > 0)
                if (!file || (streq(f, file) && l == line && strstr(message, part)))
                        n++;
        return n;
}

static void test_bad_among_good(void **state) {
        Harness *h = *state;
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        _cleanup_(watch_freep) Watch *w = NULL;
        char directory[PATH_MAX], path[PATH_MAX], name[32];
        unsigned n_success = 0, n_good = harness_is_slow() ? N_GOOD / 10 : N_GOOD;

        (void)snprintf(directory, sizeof(directory), "%s/jobs.d", harness_directory(h));
        harness_add_job(h, "go", "[Run]\nExec=/bin/true\n");
        for (unsigned i = 0; i < n_good; i++) {
                (void)snprintf(name, sizeof(name), "good-%03u", i);
                harness_add_job(h, name, "[Run]\nExec=/bin/true\n");
        }
        for (size_t i = 0; i < N_BAD_JOBS; i++)
                bad_job_put(&bad_jobs[i], directory, path);
        harness_start(h);
        bus = harness_connect(h);

        for (size_t i = 0; i < N_BAD_JOBS; i++) {
                (void)snprintf(path, sizeof(path), bad_jobs[i].dropin ? "%s/%s.job.d/50-bad.conf" : "%s/%s.job",
                               directory, bad_jobs[i].name);
                if (count_diagnostics(bus, path, bad_jobs[i].line, bad_jobs[i].message) == 0)
                        fail_msg("no diagnostic of %s:%u '%s'", path, bad_jobs[i].line, bad_jobs[i].message);
        }
        assert_int_equal(count_diagnostics(bus, NULL, 0, NULL), N_BAD_JOBS);

        w = watch_new(bus, "type='signal',member='RunFinished'");
        for (unsigned i = 0; i < n_good; i++) {
                (void)snprintf(name, sizeof(name), "good-%03u", i);
                (void)harness_run(bus, name, false);
        }
        while (n_success < n_good) {
                _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = watch_next(w, "RunFinished");
                const char *job, *object, *result;
                uint64_t id;

                assert_true(sd_bus_message_read(m, "tsos", &id, &job, &object, &result) > 0);
                assert_string_equal(result, "success");
                n_success++;
        }
        harness_call_fails(bus, "org.vaktd1.Error.InvalidJob", "Run", "sa{sv}", bad_jobs[0].name, 0);
}

static void test_environment(void **state) {
        Harness *h = *state;
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        char job[512], out[8192];

        (void)snprintf(job, sizeof(job),
                       "[Run]\nShell=env >%.100s/env; ls -l /proc/self/fd >%.100s/fds; pwd >%.100s/pwd\n",
                       harness_directory(h), harness_directory(h), harness_directory(h));
        harness_add_job(h, "look", job);
        harness_set_environment(h, "SECRET_OF_THE_DAEMON", "x");
        harness_start(h);
        bus = harness_connect(h);
        run_job(bus, "look", "success");

        read_whole(h, "env", out, sizeof(out));
        assert_non_null(strstr(out, "VAKT_JOB=look\n"));
        assert_non_null(strstr(out, "VAKT_RUN=1\n"));
        assert_non_null(strstr(out, "VAKT_CAUSE=manual\n"));
        assert_non_null(strstr(out, "VAKT_ATTEMPT=1\n"));
        assert_non_null(strstr(out, "VAKT_SCHEDULED=20"));
        assert_non_null(strstr(out, "PATH=/usr/local/sbin:"));
        assert_non_null(strstr(out, "HOME=/"));
        /* The daemon's own is not the run's. */
        (void)snprintf(job, sizeof(job), "NOTIFY_SOCKET=%.200s/supervisor\n", harness_directory(h));
        assert_null(strstr(out, job));
        assert_null(strstr(out, "SECRET_OF_THE_DAEMON"));
        read_whole(h, "pwd", out, sizeof(out));
        assert_string_equal(out, "/\n");
        /* Nothing of the daemon's files: streams, and the directory that ls itself reads. */
        read_whole(h, "fds", out, sizeof(out));
        assert_null(strstr(out, "socket:"));
        assert_null(strstr(out, "eventpoll"));
        assert_null(strstr(out, "control"));
}

static void test_session(void **state) {
        Harness *h = *state;
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        int sid = 0, pgid = 0, pid = 0;
        char job[512], out[256];

        (void)snprintf(job, sizeof(job), "[Run]\nShell=cut -d' ' -f 1,5,6 /proc/$$/stat >%s/ids\n",
                       harness_directory(h));
        harness_add_job(h, "look", job);
        harness_start(h);
        bus = harness_connect(h);
        run_job(bus, "look", "success");
        read_whole(h, "ids", out, sizeof(out));
        assert_int_equal(sscanf(out, "%d %d %d", &pid, &pgid, &sid), 3);
        assert_int_equal(pid, pgid);
        assert_int_equal(pid, sid);
}

/* Many lines, an unfinished one, a long one: all of them reach the one who follows, in order. */
static void test_follow(void **state) {
        Harness *h = *state;
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        _cleanup_(watch_freep) Watch *w = NULL;
        unsigned expected = 0;
        uint64_t run;

        harness_add_job(h, "talk",
                        "[Run]\nShell=i=0; while [ $i -lt 2000 ]; do echo $i; i=$((i+1)); done; printf last\n");
        harness_start(h);
        bus = harness_connect(h);
        w = watch_new(bus, "type='signal',interface='org.vaktd1.Manager'");
        run = harness_run(bus, "talk", true);
        while (expected <= 2000) {
                _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = watch_next(w, "RunOutput");
                uint32_t stream;
                const void *line;
                char text[16];
                uint64_t id;
                size_t n;

                assert_true(sd_bus_message_read(m, "tu", &id, &stream) > 0);
                assert_true(sd_bus_message_read_array(m, 'y', &line, &n) >= 0);
                assert_int_equal(id, run);
                assert_int_equal(stream, 1);
                (void)snprintf(text, sizeof(text), expected < 2000 ? "%u" : "last", expected);
                assert_int_equal(n, strlen(text));
                assert_memory_equal(line, text, n);
                expected++;
        }
        watch_run_finished(w, run, NULL, 0);
}

/* What a stop leaves behind is nothing. */
static void test_stop_ends_children(void **state) {
        Harness *h = *state;
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        _cleanup_(watch_freep) Watch *w = NULL;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *started = NULL;
        char job[256], fifo[PATH_MAX];
        _cleanup_close_ int fd = -EBADF;
        ssize_t n;

        (void)snprintf(fifo, sizeof(fifo), "%s/gate", harness_directory(h));
        assert_int_equal(mkfifo(fifo, 0666), 0);
        fd = open(fifo, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
        assert_true(fd >= 0);
        (void)snprintf(job, sizeof(job), "[Run]\nShell=exec 9>%.100s; echo up >&9; exec sleep 1000\n", fifo);
        harness_add_job(h, "long", job);
        harness_start(h);
        bus = harness_connect(h);
        w = watch_new(bus, "type='signal',member='RunStarted'");
        (void)harness_run(bus, "long", false);
        started = watch_next(w, "RunStarted");
        harness_wait_readable(fd);
        harness_stop(h);
        /* The only writer is gone: the child did not outlive the daemon. */
        do {
                harness_wait_readable(fd);
                n = read(fd, job, sizeof(job));
        } while (n > 0);
        assert_int_equal(n, 0);
}

/* Fills a socket until it takes no more. */
static void fill(const char *path) {
        _cleanup_close_ int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        struct sockaddr_un address = { .sun_family = AF_UNIX };

        (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
        assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
        while (send(fd, "X", 1, MSG_DONTWAIT) == 1)
                ;
        assert_int_equal(errno, EAGAIN);
}

/* It is told of each reload, twice, and of the end; but it does not read. */
static void test_deaf_service_manager(void **state) {
        Harness *h = *state;
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        char path[PATH_MAX];

        harness_add_job(h, "true", "[Run]\nExec=/bin/true\n");
        harness_start(h);
        (void)snprintf(path, sizeof(path), "%s/supervisor", harness_directory(h));
        fill(path);
        bus = harness_connect(h);
        for (unsigned i = 0; i < 20; i++) {
                sd_bus_message_unref(harness_call(bus, "Reload", NULL));
                run_job(bus, "true", "success");
        }
        harness_stop(h);
}

/* Somebody was there before: a run still has where to say what it does, and that one's socket stays. */
static void test_notify_socket_of_somebody_else(void **state) {
        Harness *h = *state;
        _cleanup_close_ int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        struct stat before, after;
        char socket_name[256];

        (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s/notify", harness_directory(h));
        assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
        assert_int_equal(stat(address.sun_path, &before), 0);
        harness_add_job(h, "where",
                        "[Run]\nShell=echo $NOTIFY_SOCKET >$VAKT_TEST_DIRECTORY/where\n"
                        "[Service]\nPassEnvironment=VAKT_TEST_DIRECTORY\n");
        harness_set_environment(h, "VAKT_TEST_DIRECTORY", harness_directory(h));
        harness_start(h);
        bus = harness_connect(h);
        run_job(bus, "where", "success");
        read_whole(h, "where", socket_name, sizeof(socket_name));
        assert_int_equal(socket_name[0], '@');
        harness_stop(h);
        assert_int_equal(stat(address.sun_path, &after), 0);
        assert_int_equal(before.st_ino, after.st_ino);
}

static void test_interval_counts(void **state) {
        Harness *h = *state;
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        _cleanup_(watch_freep) Watch *w = NULL;
        usec_t last = 0;

        harness_add_job(h, "tick", "[Timer]\nOnInterval=50ms\n[Run]\nExec=/bin/true\nQueueMax=100\n");
        harness_start(h);
        bus = harness_connect(h);
        w = watch_new(bus, "type='signal',member='RunFinished'");
        for (unsigned i = 0; i < 5; i++) {
                _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = watch_next(w, "RunFinished");
                const char *job, *object;
                uint64_t id, scheduled;

                assert_true(sd_bus_message_read(m, "tso", &id, &job, &object) > 0);
                assert_true(sd_bus_get_property_trivial(bus, NULL, object, "org.vaktd1.Run", "Scheduled", NULL, 't',
                                                        &scheduled) >= 0);
                /* Intervals are whole multiples, however late a run was started; the clocks may part by some µs. */
                if (last > 0) {
                        usec_t rest = (scheduled - last) % (50 * USEC_PER_MSEC);

                        assert_true(rest < 5 * USEC_PER_MSEC || rest > 45 * USEC_PER_MSEC);
                }
                last = scheduled;
        }
        assert_true(get_job_number(bus, "tick", "NextElapse") < UINT64_MAX);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                harness_test(test_bad_among_good),
                harness_test(test_environment),
                harness_test(test_session),
                harness_test(test_follow),
                harness_test(test_stop_ends_children),
                harness_test(test_interval_counts),
                harness_test(test_deaf_service_manager),
                harness_test(test_notify_socket_of_somebody_else),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
