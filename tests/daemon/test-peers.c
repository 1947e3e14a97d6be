/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What unprivileged, broken or hostile clients do to the control socket, and what others notice of it: nothing. */

#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "harness.h"
#include "raw-peer.h"

#define DRIVER_PATH    "/org/freedesktop/DBus"
#define DRIVER         "org.freedesktop.DBus"
#define NOBODY         ((uid_t)65534)
#define PRIVILEGED_MAX 256 /* connections of root or the daemon's user */
#define OTHERS_MAX     64
#define SUBSCRIBED_MAX 16
#define RULES_MAX      64
#define UNREAD_MAX     8

static const char job_text[] = "[Run]\nExec=/bin/true\n";

static void test_many(void **state) {
        Harness *h = *state;
        uint8_t call[1024];
        size_t size, n = harness_is_slow() ? PRIVILEGED_MAX / 8 : PRIVILEGED_MAX; /* a handshake has 10 s */
        int fds[PRIVILEGED_MAX], one_more;

        harness_add_jobs(h, 20);
        harness_start(h);
        size = raw_call(call, sizeof(call), 1, MANAGER_PATH, MANAGER_INTERFACE, "ListJobs", NULL);
        for (size_t i = 0; i < n; i++) {
                fds[i] = harness_connect_raw(h, (uid_t)-1);
                raw_send(fds[i], RAW_HANDSHAKE, sizeof(RAW_HANDSHAKE) - 1);
        }
        /* All are connected, but one more is not served. */
        if (n == PRIVILEGED_MAX) {
                one_more = harness_connect_raw(h, (uid_t)-1);
                harness_wait_closed(one_more);
                close(one_more);
        }
        for (size_t i = 0; i < n; i++)
                raw_send(fds[i], call, size);
        for (size_t i = 0; i < n; i++) {
                raw_finish_handshake(fds[i]);
                assert_int_equal(raw_read_message(fds[i], NULL), 2);
        }
        for (size_t i = 0; i < n; i++)
                close(fds[i]);
        /* The places are free at once. */
        harness_assert_served(h);
}

/* A header that announces 30 MiB is enough to be let go. */
static void test_large_message(void **state) {
        Harness *h = *state;
        size_t before, size = (size_t)30 * 1024 * 1024;
        _cleanup_free_ char *chunk = calloc(1, size);
        _cleanup_free_ uint8_t *call = calloc(1, size + 1024);
        int fd;

        assert_non_null(chunk);
        assert_non_null(call);
        harness_start(h);
        harness_assert_served(h);
        before = harness_resident(h);
        memset(chunk, 'a', size - 1);
        fd = harness_connect_raw(h, (uid_t)-1);
        raw_handshake(fd);
        size = raw_call(call, size + 1024, 1, MANAGER_PATH, MANAGER_INTERFACE, "GetJob", chunk);
        (void)raw_send_some(fd, call, size);
        harness_wait_closed(fd);
        close(fd);
        harness_assert_served(h);
        if (harness_can_measure())
                assert_true(harness_resident(h) < before + 4 * 1024 * 1024);
}

/* One of nearly 1 MiB passes, and what is in it is validated. */
static void test_largest_message(void **state) {
        Harness *h = *state;
        size_t size = 1024 * 1024 - 256;
        _cleanup_free_ char *name = calloc(1, size + 1);
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;

        assert_non_null(name);
        memset(name, 'a', size);
        harness_start(h);
        bus = harness_connect(h);
        harness_call_fails(bus, "org.vaktd1.Error.NoSuchJob", "GetJob", "s", name);
        harness_call_fails(bus, "org.vaktd1.Error.NoSuchJob", "Run", "sa{sv}", name, 0);
        harness_call_fails(bus, "org.vaktd1.Error.NoSuchJob", "ListRuns", "stu", name, UINT64_C(0), 0U);
        harness_call_fails(bus, "org.vaktd1.Error.BadOption", "Run", "sa{sv}", "a", 1, name, "b", 1);
}

static void test_garbage(void **state) {
        static const char pieces[][32] = { "GET / HTTP/1.1\r\n\r\n", "\0\0\0\0\0\0\0\0", "\377\376\375" };
        Harness *h = *state;
        uint32_t seed = 7;

        harness_start(h);
        for (unsigned i = 0; i < 64; i++) {
                int fd = harness_connect_raw(h, (uid_t)-1);
                uint8_t bytes[8192];

                if (i % 2 == 0)
                        raw_handshake(fd);
                for (size_t k = 0; k < sizeof(bytes); k++) {
                        seed = seed * 1103515245 + 12345;
                        bytes[k] = (uint8_t)(seed >> 16);
                }
                if (i < ELEMENTSOF(pieces) * 2)
                        memcpy(bytes, pieces[i / 2], 8);
                bytes[0] |= 0x80; /* no byte order mark, and no NUL that begins a handshake */
                (void)raw_send_some(fd, bytes, sizeof(bytes));
                harness_wait_closed(fd);
                close(fd);
        }
        harness_assert_served(h);
}

/* A BEGIN that sd-bus refuses ends the connection: what follows would be handshake to the one and messages to the
 * other, with another BEGIN in their text, behind which nothing is bounded. */
static void test_begin_refused(void **state) {
        static const char handshakes[][64] = {
                "BEGIN\r\n",
                "AUTH EXTERNAL zz\r\nBEGIN\r\n",
                "AUTH EXTERNAL\r\nCANCEL\r\nBEGIN\r\n",
                "AUTH EXTERNAL\r\nDATA zz\r\nBEGIN\r\n",
        };
        static const char smuggled[] = "\r\nAUTH EXTERNAL\r\nDATA\r\nBEGIN\r\n"
                                       "l\1\0\1\0\0\0\6\1\0\0\0\0\0\0\1";
        Harness *h = *state;
        char text[16 * 1024];
        uint8_t call[sizeof(text) + 1024];
        size_t before, size;

        harness_start(h);
        harness_assert_served(h);
        before = harness_resident(h);
        memset(text, 'a', sizeof(text));
        text[sizeof(text) - 1] = '\0';
        size = raw_call(call, sizeof(call), 1, MANAGER_PATH, MANAGER_INTERFACE, "GetJob", text);
        memcpy(call + size - sizeof(text), smuggled, sizeof(smuggled) - 1); /* NULs inside are not the gate's matter */
        for (size_t i = 0; i < ELEMENTSOF(handshakes); i++) {
                int fd = harness_connect_raw(h, (uid_t)-1);

                raw_send(fd, "", 1);
                raw_send(fd, handshakes[i], strlen(handshakes[i]));
                (void)raw_send_some(fd, call, size);
                harness_wait_closed(fd);
                close(fd);
        }
        harness_assert_served(h);
        if (harness_can_measure())
                assert_true(harness_resident(h) < before + 4 * 1024 * 1024);
}

/* Whole frames whose insides are garbage: sd-bus does not answer them, and goes on. */
static void test_garbage_inside(void **state) {
        Harness *h = *state;
        uint8_t good[1024], bad[1024];
        uint32_t seed = 11;
        size_t size;
        int fd;

        harness_start(h);
        fd = harness_connect_raw(h, (uid_t)-1);
        raw_handshake(fd);
        size = raw_call(good, sizeof(good), 5, MANAGER_PATH, MANAGER_INTERFACE, "Diagnostics", NULL);
        for (unsigned i = 0; i < 500; i++) {
                memcpy(bad, good, size);
                for (unsigned n = 0; n < 3; n++) {
                        seed = seed * 1103515245 + 12345;
                        bad[16 + (seed >> 8) % (size - 16)] = (uint8_t)(seed >> 24);
                }
                bad[2] = 1; /* no reply wanted, so that what comes back is the answer to the good one */
                raw_send(fd, bad, size);
        }
        raw_send(fd, good, size);
        assert_int_equal(raw_read_message(fd, NULL), 2);
        close(fd);
        harness_assert_served(h);
}

/* A client that asks a thousand times for a long list and does not read: it gets one answer or two, the daemon stays
 * small, others are served; once it reads, it gets all that it asked for. */
static void test_never_reads(void **state) {
        enum { CALLS = 1000 };
        Harness *h = *state;
        uint8_t call[256];
        size_t size, before, sent = 0, message, total = 0;
        unsigned n = 0;
        int fd;

        harness_add_jobs(h, 500);
        harness_start(h);
        harness_assert_served(h);
        before = harness_resident(h);
        fd = harness_connect_raw(h, (uid_t)-1);
        raw_handshake(fd);
        for (; n < CALLS; n++) {
                size_t k;

                size = raw_call(call, sizeof(call), n + 1, MANAGER_PATH, MANAGER_INTERFACE, "ListJobs", NULL);
                k = raw_send_some(fd, call, size);
                if (k == size)
                        continue;
                if (k > 0)
                        sent = size - k; /* half a call is inside: its rest comes later */
                break;
        }
        for (unsigned i = 0; i < 20; i++)
                harness_assert_served(h);
        if (harness_can_measure())
                assert_true(harness_resident(h) < before + 8 * 1024 * 1024);
        assert_true(n > 20);
        for (unsigned i = 0; i < n; i++) {
                assert_int_equal(raw_read_message(fd, &message), 2);
                total += message;
        }
        if (sent > 0) {
                raw_send(fd, call + size - sent, sent);
                assert_int_equal(raw_read_message(fd, NULL), 2);
        }
        assert_true(total > (size_t)n * 500 * 64);
        close(fd);
}

/* Calls whose sender is gone when they are read are done all the same. */
static void test_fire_and_forget(void **state) {
        Harness *h = *state;
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        _cleanup_(watch_freep) Watch *w = NULL;
        uint8_t call[512];
        size_t size;
        int fd;

        harness_add_job(h, "a", job_text);
        harness_start(h);
        bus = harness_connect(h);
        w = watch_new(bus, "type='signal',member='PropertiesChanged',path='/org/vaktd1/job/a'");
        fd = harness_connect_raw(h, (uid_t)-1);
        raw_handshake(fd);
        size = raw_call(call, sizeof(call), 1, MANAGER_PATH, MANAGER_INTERFACE, "Pause", "a");
        call[2] = 1; /* no reply */
        raw_send(fd, call, size);
        close(fd);
        sd_bus_message_unref(watch_next(w, "PropertiesChanged"));
}

/* --- match rules and signals --- */

static void test_match_rules(void **state) {
        Harness *h = *state;
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        _cleanup_(sd_bus_error_free) sd_bus_error e = SD_BUS_ERROR_NULL;
        char rule[64];

        harness_start(h);
        bus = harness_connect(h);
        for (unsigned i = 0; i < RULES_MAX; i++) {
                (void)snprintf(rule, sizeof(rule), "member='X%u'", i);
                sd_bus_message_unref(harness_call_object(bus, DRIVER_PATH, DRIVER, "AddMatch", "s", rule));
        }
        assert_true(sd_bus_call_method(bus, DRIVER, DRIVER_PATH, DRIVER, "AddMatch", &e, NULL, "s", "type='signal'") <
                    0);
        assert_true(sd_bus_error_has_name(&e, SD_BUS_ERROR_LIMITS_EXCEEDED));
        sd_bus_message_unref(harness_call_object(bus, DRIVER_PATH, DRIVER, "RemoveMatch", "s", rule));
        sd_bus_error_free(&e);
        assert_true(sd_bus_call_method(bus, DRIVER, DRIVER_PATH, DRIVER, "RemoveMatch", &e, NULL, "s", rule) < 0);
        assert_true(sd_bus_error_has_name(&e, SD_BUS_ERROR_MATCH_RULE_NOT_FOUND));
        sd_bus_error_free(&e);
        assert_true(sd_bus_call_method(bus, DRIVER, DRIVER_PATH, DRIVER, "AddMatch", &e, NULL, "s", "nonsense") < 0);
        assert_true(sd_bus_error_has_name(&e, SD_BUS_ERROR_MATCH_RULE_INVALID));
        sd_bus_message_unref(harness_call_object(bus, DRIVER_PATH, DRIVER, "AddMatch", "s", "type='signal'"));
}

/* Who wants one member gets that one and nothing else. */
static void test_signals(void **state) {
        Harness *h = *state;
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *all = NULL, *some = NULL;
        _cleanup_(watch_freep) Watch *everything = NULL, *finished = NULL;
        sd_bus_message *m;
        char result[32];
        uint64_t id;

        harness_add_job(h, "a", job_text);
        harness_start(h);
        all = harness_connect(h);
        some = harness_connect(h);
        everything = watch_new(all, "type='signal'");
        finished = watch_new(some, "type='signal',sender='org.vaktd1',member='RunFinished'");
        id = harness_run(all, "a", /* follow= */ false);
        sd_bus_message_unref(watch_next(everything, "PropertiesChanged"));
        sd_bus_message_unref(watch_next(everything, "RunStarted"));
        watch_run_finished(everything, id, result, sizeof(result));
        assert_string_equal(result, "success");
        m = watch_next(finished, /* member= */ NULL);
        assert_string_equal(sd_bus_message_get_member(m), "RunFinished");
        assert_string_equal(sd_bus_message_get_sender(m), ":1.0");
        sd_bus_message_unref(m);
}

/* What this PropertiesChanged of a job, which it takes over, says of its number of runs. */
static uint64_t runs_in(sd_bus_message *m) {
        const char *name;
        uint64_t n = 0;

        assert_true(sd_bus_message_read(m, "s", &name) > 0);
        assert_true(sd_bus_message_enter_container(m, 'a', "{sv}") > 0);
        while (n == 0 && sd_bus_message_enter_container(m, 'e', "sv") > 0) {
                assert_true(sd_bus_message_read(m, "s", &name) > 0);
                if (streq(name, "Runs"))
                        assert_true(sd_bus_message_read(m, "v", "t", &n) > 0);
                else
                        assert_true(sd_bus_message_skip(m, "v") > 0);
                assert_true(sd_bus_message_exit_container(m) > 0);
        }
        sd_bus_message_unref(m);
        return n;
}

/* Of the runs of one job, one after the other, each start and end is told. What has changed in the job is told no more
 * than 20 times a second, and the last change is. */
static void test_signals_of_many_runs(void **state) {
        Harness *h = *state;
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        _cleanup_(watch_freep) Watch *runs = NULL, *changes = NULL;
        unsigned n_changes = 0, n_windows;
        usec_t began;

        harness_add_job(h, "a", job_text);
        harness_start(h);
        bus = harness_connect(h);
        runs = watch_new(bus, "type='signal',interface='org.vaktd1.Manager'");
        changes = watch_new(bus, "type='signal',member='PropertiesChanged',path='/org/vaktd1/job/a'");
        began = now_clock(CLOCK_MONOTONIC);
        for (unsigned i = 0; i < 30; i++) {
                uint64_t id = harness_run(bus, "a", /* follow= */ false);

                sd_bus_message_unref(watch_next(runs, "RunStarted"));
                watch_run_finished(runs, id, NULL, 0);
        }
        for (; runs_in(watch_next(changes, "PropertiesChanged")) < 30; n_changes++)
                ;
        n_windows = (unsigned)((now_clock(CLOCK_MONOTONIC) - began) / (50 * USEC_PER_MSEC)) + 2;
        if (n_changes > n_windows)
                fail_msg("%u changes in %u windows", n_changes, n_windows);
}

static void test_reload_signals(void **state) {
        Harness *h = *state;
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        _cleanup_(watch_freep) Watch *w = NULL;
        const char *name, *path;
        sd_bus_message *m;
        uint32_t problems;

        harness_add_job(h, "old", job_text);
        harness_start(h);
        bus = harness_connect(h);
        w = watch_new(bus, "type='signal',interface='org.vaktd1.Manager'");
        harness_remove_job(h, "old");
        harness_add_job(h, "new", job_text);
        harness_add_job(h, "bad", "[Run]\nnonsense\n");
        m = harness_call(bus, "Reload", NULL);
        assert_true(sd_bus_message_enter_container(m, 'a', "(sus)") > 0);
        assert_true(sd_bus_message_at_end(m, false) == 0);
        sd_bus_message_unref(m);
        for (unsigned seen = 0; seen < 3;) {
                m = watch_next(w, /* member= */ NULL);
                if (streq(sd_bus_message_get_member(m), "Reloaded")) {
                        assert_true(sd_bus_message_read(m, "u", &problems) >= 0);
                        assert_int_equal(problems, 1);
                        sd_bus_message_unref(m);
                        assert_int_equal(seen, 3);
                        break;
                }
                assert_true(sd_bus_message_read(m, "so", &name, &path) >= 0);
                if (streq(sd_bus_message_get_member(m), "JobRemoved"))
                        assert_string_equal(path, "/org/vaktd1/job/old");
                else
                        assert_true(streq(path, "/org/vaktd1/job/new") || streq(path, "/org/vaktd1/job/bad"));
                sd_bus_message_unref(m);
                seen++;
        }
}

/* Thousands of changes at once come to an ordinary client, every one and in order. */
static void test_mass_reload(void **state) {
        enum { JOBS = 3000 };
        Harness *h = *state;
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        _cleanup_(watch_freep) Watch *w = NULL;
        unsigned n = 0;

        harness_start(h);
        bus = harness_connect(h);
        w = watch_new(bus, "type='signal',interface='org.vaktd1.Manager'");
        harness_add_jobs(h, JOBS);
        sd_bus_message_unref(harness_call(bus, "Reload", NULL));
        for (;;) {
                _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = watch_next(w, /* member= */ NULL);

                if (streq(sd_bus_message_get_member(m), "Reloaded"))
                        break;
                assert_string_equal(sd_bus_message_get_member(m), "JobNew");
                n++;
        }
        assert_int_equal(n, JOBS);
}

/* --- following a run --- */

static void test_follow(void **state) {
        enum { LINES = 3000 };
        Harness *h = *state;
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL, *other = NULL;
        _cleanup_(watch_freep) Watch *w = NULL, *v = NULL;
        unsigned n = 0, n_error = 0;
        sd_bus_message *m;
        uint64_t id;

        harness_add_job(h, "talk", "[Run]\nShell=seq 1 3000; echo wrong >&2\n");
        harness_start(h);
        bus = harness_connect(h);
        other = harness_connect(h);
        w = watch_new(bus, "type='signal',interface='org.vaktd1.Manager'");
        v = watch_new(other, "type='signal',interface='org.vaktd1.Manager'");
        id = harness_run(bus, "talk", /* follow= */ true);
        for (;;) {
                _cleanup_(sd_bus_message_unrefp) sd_bus_message *signal = watch_next(w, /* member= */ NULL);
                char expected[16], got[64] = "";
                const void *line;
                uint32_t stream;
                uint64_t of;
                size_t size;

                if (streq(sd_bus_message_get_member(signal), "RunFinished"))
                        break;
                if (!streq(sd_bus_message_get_member(signal), "RunOutput"))
                        continue;
                assert_true(sd_bus_message_read(signal, "tu", &of, &stream) >= 0);
                assert_true(sd_bus_message_read_array(signal, 'y', &line, &size) >= 0);
                assert_int_equal(of, id);
                if (stream == 2) {
                        n_error++;
                        assert_int_equal(size, 5);
                        continue;
                }
                (void)snprintf(expected, sizeof(expected), "%u", ++n);
                assert_true(size < sizeof(got));
                memcpy(got, line, size);
                assert_string_equal(got, expected);
        }
        assert_int_equal(n, LINES);
        assert_int_equal(n_error, 1);
        /* The other one hears of the run, but not its output. */
        while ((m = watch_next(v, /* member= */ NULL))) {
                bool over = streq(sd_bus_message_get_member(m), "RunFinished");

                assert_string_not_equal(sd_bus_message_get_member(m), "RunOutput");
                sd_bus_message_unref(m);
                if (over)
                        break;
        }
}

/* Who follows and does not read holds up neither the job nor the daemon. */
static void test_follow_unread(void **state) {
        Harness *h = *state;
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL, *silent = NULL;
        _cleanup_(watch_freep) Watch *w = NULL;
        size_t before;
        uint64_t id;

        harness_add_job(h, "flood", "[Run]\nShell=head -c 30000000 /dev/zero | tr '\\\\0' x | fold -w 100\n");
        harness_start(h);
        bus = harness_connect(h);
        silent = harness_connect(h);
        w = watch_new(bus, "type='signal',interface='org.vaktd1.Manager'");
        before = harness_resident(h);
        id = harness_run(silent, "flood", /* follow= */ true);
        watch_run_finished(w, id, NULL, 0);
        if (harness_can_measure())
                assert_true(harness_resident(h) < before + 64 * 1024 * 1024);
        harness_assert_served(h);
}

/* --- who may do what --- */

static void test_unprivileged(void **state) {
        static const struct {
                const char *member, *types, *argument;
        } changes[] = {
                { "Run", "sa{sv}", "a" },    { "Pause", "s", "a" },      { "Resume", "s", "a" },
                { "Reload", NULL, NULL },    { "PauseAll", NULL, NULL }, { "ResumeAll", NULL, NULL },
                { "ResetFailed", "s", "a" },
        };
        Harness *h = *state;
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL, *root = NULL;
        _cleanup_(sd_bus_error_free) sd_bus_error e = SD_BUS_ERROR_NULL;
        uint64_t id;

        if (geteuid() != 0)
                skip();
        harness_add_job(h, "a", job_text);
        harness_start(h);
        root = harness_connect(h);
        id = harness_run(root, "a", /* follow= */ false);
        bus = harness_connect_as(h, NOBODY);
        sd_bus_message_unref(harness_call(bus, "ListJobs", NULL));
        sd_bus_message_unref(harness_call(bus, "GetJob", "s", "a"));
        sd_bus_message_unref(harness_call(bus, "Diagnostics", NULL));
        for (size_t i = 0; i < ELEMENTSOF(changes); i++)
                harness_call_fails(bus, "org.vaktd1.Error.AccessDenied", changes[i].member, changes[i].types,
                                   changes[i].argument, 0);
        harness_call_fails(bus, "org.vaktd1.Error.AccessDenied", "Cancel", "t", id);
        harness_call_fails(bus, "org.vaktd1.Error.NoSuchRun", "Cancel", "t", id + 1);
        assert_true(sd_bus_set_property(bus, "org.vaktd1", "/org/freedesktop/LogControl1",
                                        "org.freedesktop.LogControl1", "LogLevel", &e, "s", "debug") < 0);
        assert_true(sd_bus_error_has_name(&e, "org.vaktd1.Error.AccessDenied"));
}

/* Another user has smaller messages, fewer connections, fewer that listen, and cannot take root's. */
static void test_unprivileged_limits(void **state) {
        Harness *h = *state;
        sd_bus *buses[OTHERS_MAX];
        uint8_t call[512];
        size_t size;
        int fd;

        if (geteuid() != 0)
                skip();
        harness_start(h);
        fd = harness_connect_raw(h, NOBODY);
        raw_handshake(fd);
        size = raw_call(call, sizeof(call), 1, MANAGER_PATH, MANAGER_INTERFACE, "ListJobs", NULL);
        call[6] = 1; /* a body of 64 KiB */
        raw_send(fd, call, size);
        harness_wait_closed(fd);
        close(fd);
        for (size_t i = 0; i < ELEMENTSOF(buses); i++) {
                sd_bus_error e = SD_BUS_ERROR_NULL;
                int r;

                buses[i] = harness_connect_as(h, NOBODY);
                r = sd_bus_call_method(buses[i], DRIVER, DRIVER_PATH, DRIVER, "AddMatch", &e, NULL, "s",
                                       "type='signal'");
                assert_true(i < SUBSCRIBED_MAX ? r >= 0 : sd_bus_error_has_name(&e, SD_BUS_ERROR_LIMITS_EXCEEDED));
                sd_bus_error_free(&e);
        }
        fd = harness_connect_raw(h, NOBODY);
        harness_wait_closed(fd);
        close(fd);
        harness_assert_served(h);
        for (size_t i = 0; i < ELEMENTSOF(buses); i++)
                sd_bus_flush_close_unref(buses[i]);
}

/* Until nothing comes any more while others are served; each of these lets the user's connections have a turn. */
static void wait_until_stuck(const Harness *h, const int *fds, size_t n) {
        size_t before = 0, now = 0;

        do {
                before = now;
                now = 0;
                for (unsigned i = 0; i < 20; i++)
                        harness_assert_served(h);
                for (size_t i = 0; i < n; i++) {
                        int unread;

                        assert_int_equal(ioctl(fds[i], FIONREAD, &unread), 0);
                        now += (size_t)unread;
                }
        } while (now != before);
}

/* The answers that one user leaves unread are few: its further connections wait until it reads. */
static void test_unread_answers(void **state) {
        enum { CALLS = 30 };
        Harness *h = *state;
        uint8_t call[512];
        int fds[UNREAD_MAX + 1];
        struct pollfd last;
        size_t size;

        if (geteuid() != 0)
                skip();
        harness_add_jobs(h, 500);
        harness_start(h);
        for (size_t i = 0; i < ELEMENTSOF(fds); i++) {
                fds[i] = harness_connect_raw(h, NOBODY);
                raw_handshake(fds[i]);
        }
        size = raw_call(call, sizeof(call), 1, MANAGER_PATH, MANAGER_INTERFACE, "ListJobs", NULL);
        for (size_t i = 0; i < UNREAD_MAX; i++)
                for (unsigned k = 0; k < CALLS; k++)
                        raw_send(fds[i], call, size);
        wait_until_stuck(h, fds, UNREAD_MAX);
        raw_send(fds[UNREAD_MAX], call, size);
        wait_until_stuck(h, fds, ELEMENTSOF(fds));
        last = (struct pollfd){ .fd = fds[UNREAD_MAX], .events = POLLIN };
        assert_int_equal(poll(&last, 1, 0), 0);
        for (unsigned k = 0; k < CALLS; k++)
                assert_int_equal(raw_read_message(fds[0], NULL), 2);
        assert_int_equal(raw_read_message(fds[UNREAD_MAX], NULL), 2);
        for (size_t i = 0; i < ELEMENTSOF(fds); i++)
                close(fds[i]);
}

static void freeze(const Harness *h) {
        siginfo_t info;

        assert_int_equal(kill(harness_pid(h), SIGSTOP), 0);
        assert_int_equal(waitid(P_PID, (id_t)harness_pid(h), &info, WSTOPPED), 0);
}

/* What many connections of a user ask at once is done one after the other, with room for others in between: root is
 * answered while most of them still wait. */
static void test_fair_share(void **state) {
        enum { CALLS = 8 };
        Harness *h = *state;
        int fds[OTHERS_MAX - 4], root;
        size_t n_answered = 0, size, reply_size = 0;
        uint8_t call[512];

        if (geteuid() != 0)
                skip();
        harness_add_jobs(h, 20);
        harness_start(h);
        size = raw_call(call, sizeof(call), 1, MANAGER_PATH, MANAGER_INTERFACE, "ListJobs", NULL);
        root = harness_connect_raw(h, (uid_t)-1);
        raw_handshake(root);
        for (size_t i = 0; i < ELEMENTSOF(fds); i++) {
                fds[i] = harness_connect_raw(h, NOBODY);
                raw_handshake(fds[i]);
        }
        freeze(h);
        for (unsigned k = 0; k < CALLS; k++) {
                for (size_t i = 0; i < ELEMENTSOF(fds); i++)
                        raw_send(fds[i], call, size);
                raw_send(root, call, size);
        }
        assert_int_equal(kill(harness_pid(h), SIGCONT), 0);
        for (unsigned k = 0; k < CALLS; k++)
                assert_int_equal(raw_read_message(root, &reply_size), 2);
        freeze(h);
        for (size_t i = 0; i < ELEMENTSOF(fds); i++) {
                int n;

                assert_int_equal(ioctl(fds[i], FIONREAD, &n), 0);
                n_answered += (size_t)n / reply_size;
        }
        assert_int_equal(kill(harness_pid(h), SIGCONT), 0);
        if (n_answered > CALLS * ELEMENTSOF(fds) / 4)
                fail_msg("%zu of the user's calls were answered before root's", n_answered);
        for (size_t i = 0; i < ELEMENTSOF(fds); i++) {
                for (unsigned k = 0; k < CALLS; k++)
                        assert_int_equal(raw_read_message(fds[i], NULL), 2);
                close(fds[i]);
        }
        close(root);
}

/* Signals that nobody reads do not pile up: who subscribes and is silent is let go. */
static void test_unread_signals(void **state) {
        enum { JOBS = 6000 };
        Harness *h = *state;
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        uint8_t call[512];
        size_t size;
        int fd;

        if (geteuid() != 0 || harness_is_slow())
                skip();
        harness_start(h);
        bus = harness_connect(h);
        fd = harness_connect_raw(h, NOBODY);
        raw_handshake(fd);
        size = raw_call(call, sizeof(call), 1, DRIVER_PATH, DRIVER, "AddMatch", "type='signal'");
        raw_send(fd, call, size);
        assert_int_equal(raw_read_message(fd, NULL), 2);
        harness_add_jobs(h, JOBS);
        sd_bus_message_unref(harness_call(bus, "Reload", NULL));
        harness_wait_hang_up(fd);
        close(fd);
        harness_assert_served(h);
}

/* --- the end --- */

/* What was asked before the daemon was told to stop is answered. */
static void test_answers_at_stop(void **state) {
        Harness *h = *state;
        uint8_t call[512];
        size_t size;
        int fds[20], idle;
        size_t n = harness_is_slow() ? 1 : ELEMENTSOF(fds); /* it has 700 ms */

        harness_add_jobs(h, 200);
        harness_start(h);
        idle = harness_connect_raw(h, (uid_t)-1);
        raw_handshake(idle);
        size = raw_call(call, sizeof(call), 1, MANAGER_PATH, MANAGER_INTERFACE, "ListJobs", NULL);
        for (size_t i = 0; i < n; i++) {
                fds[i] = harness_connect_raw(h, (uid_t)-1);
                raw_handshake(fds[i]);
        }
        for (size_t i = 0; i < n; i++)
                for (unsigned k = 0; k < 3; k++)
                        raw_send(fds[i], call, size);
        assert_int_equal(kill(harness_pid(h), SIGTERM), 0);
        for (size_t i = 0; i < n; i++) {
                for (unsigned k = 0; k < 3; k++)
                        assert_int_equal(raw_read_message(fds[i], NULL), 2);
                assert_int_equal(raw_read_message(fds[i], NULL), 0);
                close(fds[i]);
        }
        harness_wait_closed(idle);
        close(idle);
        harness_stop(h);
}

/* A client that has just come, and said no more than Hello, when others are let go already: what it came for is
 * answered. The daemon does not wait for it for ever, so on a busy machine it may take more than one try. */
static void test_late_question_at_stop(void **state) {
        enum { TRIES = 10 };
        Harness *h = *state;
        uint8_t hello[512], call[512];
        size_t hello_size, call_size;
        bool answered = false;

        hello_size = raw_call(hello, sizeof(hello), 1, DRIVER_PATH, DRIVER, "Hello", NULL);
        call_size = raw_call(call, sizeof(call), 2, MANAGER_PATH, MANAGER_INTERFACE, "ListJobs", NULL);
        for (unsigned i = 0; i < TRIES && !answered; i++) {
                int done, late;

                harness_start(h);
                done = harness_connect_raw(h, (uid_t)-1);
                late = harness_connect_raw(h, (uid_t)-1);
                raw_handshake(late);
                raw_send(late, hello, hello_size);
                assert_int_equal(raw_read_message(late, NULL), 2);
                raw_handshake(done);
                raw_send(done, hello, hello_size);
                raw_send(done, call, call_size);
                for (unsigned k = 0; k < 2; k++)
                        assert_int_equal(raw_read_message(done, NULL), 2);
                assert_int_equal(kill(harness_pid(h), SIGTERM), 0);
                harness_wait_closed(done);
                if (raw_send_some(late, call, call_size) == call_size)
                        answered = raw_read_message(late, NULL) == 2;
                close(done);
                close(late);
                harness_stop(h);
        }
        assert_true(answered);
}

/* Out of descriptors: who is connected is served, who comes waits in the backlog until there are some again. */
static void test_no_descriptors(void **state) {
        Harness *h = *state;
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        struct rlimit before, none;
        uint8_t call[512];
        size_t size;
        int fd;

        harness_start(h);
        bus = harness_connect(h);
        sd_bus_message_unref(harness_call(bus, "ListJobs", NULL));
        assert_int_equal(prlimit(harness_pid(h), RLIMIT_NOFILE, NULL, &before), 0);
        none = (struct rlimit){ .rlim_cur = 3, .rlim_max = before.rlim_max };
        assert_int_equal(prlimit(harness_pid(h), RLIMIT_NOFILE, &none, NULL), 0);
        fd = harness_connect_raw(h, (uid_t)-1);
        raw_send(fd, RAW_HANDSHAKE, sizeof(RAW_HANDSHAKE) - 1);
        for (unsigned i = 0; i < 20; i++)
                sd_bus_message_unref(harness_call(bus, "ListJobs", NULL));
        assert_int_equal(prlimit(harness_pid(h), RLIMIT_NOFILE, &before, NULL), 0);
        raw_finish_handshake(fd);
        size = raw_call(call, sizeof(call), 1, MANAGER_PATH, MANAGER_INTERFACE, "ListJobs", NULL);
        raw_send(fd, call, size);
        assert_int_equal(raw_read_message(fd, NULL), 2);
        close(fd);
}

/* The socket is the daemon's while it lives: a second one is refused, a stale one is no obstacle. */
static void test_socket_in_use(void **state) {
        Harness *h = *state;
        void *second = NULL;

        harness_start(h);
        assert_int_equal(harness_setup(&second), 0);
        harness_set_socket(second, h);
        assert_int_not_equal(harness_start_and_fail(second), 0);
        assert_int_equal(harness_teardown(&second), 0);
        harness_assert_served(h);
        harness_kill(h);
        harness_start(h);
        harness_assert_served(h);
}

/* Everybody may connect, and what somebody else has left at the path stays there. */
static void test_socket_node(void **state) {
        Harness *h = *state;
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        mode_t mask = umask(0077);
        struct stat st;
        int fd;

        (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s/control", harness_directory(h));
        harness_start(h);
        (void)umask(mask);
        assert_int_equal(lstat(address.sun_path, &st), 0);
        assert_true(S_ISSOCK(st.st_mode));
        assert_int_equal(st.st_mode & 07777, 0666);
        harness_stop(h);
        if (geteuid() != 0)
                return;
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
        assert_int_equal(close(fd), 0);
        assert_int_equal(chown(address.sun_path, NOBODY, (gid_t)-1), 0);
        assert_int_not_equal(harness_start_and_fail(h), 0);
        assert_int_equal(lstat(address.sun_path, &st), 0);
        assert_int_equal(st.st_uid, NOBODY);
        assert_int_equal(unlink(address.sun_path), 0);
        harness_start(h);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                harness_test(test_many),
                harness_test(test_large_message),
                harness_test(test_largest_message),
                harness_test(test_garbage),
                harness_test(test_begin_refused),
                harness_test(test_garbage_inside),
                harness_test(test_never_reads),
                harness_test(test_fire_and_forget),
                harness_test(test_match_rules),
                harness_test(test_signals),
                harness_test(test_signals_of_many_runs),
                harness_test(test_reload_signals),
                harness_test(test_mass_reload),
                harness_test(test_follow),
                harness_test(test_follow_unread),
                harness_test(test_unprivileged),
                harness_test(test_unprivileged_limits),
                harness_test(test_unread_signals),
                harness_test(test_unread_answers),
                harness_test(test_no_descriptors),
                harness_test(test_answers_at_stop),
                harness_test(test_late_question_at_stop),
                harness_test(test_fair_share),
                harness_test(test_socket_in_use),
                harness_test(test_socket_node),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
