/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The API on a bus: a dbus-daemon of the test's own stands for the system bus. Skipped where there is none. */

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "bus-fixture.h"

#define DRIVER_PATH "/org/freedesktop/DBus"
#define DRIVER      "org.freedesktop.DBus"

static const char job_text[] = "[Run]\nExec=/bin/true\n";

/* --- tests --- */

static void test_api(void **state) {
        Harness *h = *state;
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL, *other = NULL;
        _cleanup_(watch_freep) Watch *w = NULL, *v = NULL;
        _cleanup_free_ char *version = NULL;
        unsigned n_output = 0;
        sd_bus_message *m;
        uint64_t id;

        if (!bus_start(h))
                skip();
        harness_add_job(h, "talk", "[Run]\nShell=echo one; echo two\n");
        harness_add_job(h, "w", "[Path]\nPathExists=/no/such/file\n[Run]\nExec=/bin/true\n");
        harness_start(h);
        bus = bus_connect(h);
        other = bus_connect(h);
        sd_bus_message_unref(harness_call(bus, "ListJobs", NULL));
        sd_bus_message_unref(harness_call(bus, "Plan", "su", "w", 0));
        sd_bus_message_unref(harness_call(bus, "ExplainPath", "say", "w", 2, '/', 'a'));
        harness_call_fails(bus, "org.vaktd1.Error.NoSuchJob", "Run", "sa{sv}", "none", 0);
        harness_call_fails(bus, "org.vaktd1.Error.BadOption", "Run", "sa{sv}", "a", 1, "x", "s", "y");
        assert_true(sd_bus_get_property_string(bus, "org.vaktd1", MANAGER_PATH, MANAGER_INTERFACE, "Version", NULL,
                                               &version) >= 0);
        w = watch_new(bus, "type='signal',sender='org.vaktd1',interface='org.vaktd1.Manager'");
        v = watch_new(other, "type='signal',sender='org.vaktd1',interface='org.vaktd1.Manager'");
        id = harness_run(bus, "talk", /* follow= */ true);
        while ((m = watch_next(w, /* member= */ NULL))) {
                bool over = streq(sd_bus_message_get_member(m), "RunFinished");

                n_output += streq(sd_bus_message_get_member(m), "RunOutput");
                sd_bus_message_unref(m);
                if (over)
                        break;
        }
        assert_int_equal(n_output, 2);
        watch_run_finished(v, id, NULL, 0);
}

static void test_log_control(void **state) {
        Harness *h = *state;
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        _cleanup_free_ char *level = NULL;

        if (!bus_start(h))
                skip();
        harness_start(h);
        bus = bus_connect(h);
        assert_true(sd_bus_set_property(bus, "org.vaktd1", "/org/freedesktop/LogControl1",
                                        "org.freedesktop.LogControl1", "LogLevel", NULL, "s", "debug") >= 0);
        assert_true(sd_bus_get_property_string(bus, "org.vaktd1", "/org/freedesktop/LogControl1",
                                               "org.freedesktop.LogControl1", "LogLevel", NULL, &level) >= 0);
        assert_string_equal(level, "debug");
}

static void test_unprivileged(void **state) {
        Harness *h = *state;
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        _cleanup_(sd_bus_error_free) sd_bus_error e = SD_BUS_ERROR_NULL;

        if (geteuid() != 0 || !bus_start(h))
                skip();
        harness_add_job(h, "w", "[Path]\nPathExists=/no/such/file\n[Run]\nExec=/bin/true\n");
        harness_start(h);
        bus = bus_connect_as(h, NOBODY);
        sd_bus_message_unref(harness_call(bus, "ListJobs", NULL));
        harness_call_fails(bus, "org.vaktd1.Error.AccessDenied", "Plan", "su", "w", 0);
        harness_call_fails(bus, "org.vaktd1.Error.AccessDenied", "ExplainPath", "say", "w", 2, '/', 'a');
        harness_call_fails(bus, "org.vaktd1.Error.AccessDenied", "Run", "sa{sv}", "a", 0);
        harness_call_fails(bus, "org.vaktd1.Error.AccessDenied", "Reload", NULL);
        harness_call_fails(bus, "org.vaktd1.Error.AccessDenied", "PauseAll", NULL);
        harness_call_fails(bus, "org.vaktd1.Error.AccessDenied", "ResumeAll", NULL);
        harness_call_fails(bus, "org.vaktd1.Error.AccessDenied", "ResetFailed", "s", "a");
        sd_bus_message_unref(harness_call(bus, "QueryRuns", "a{sv}tu", 0, UINT64_C(0), 0));
        sd_bus_message_unref(harness_call(bus, "ListAlarms", "s", ""));
        sd_bus_message_unref(harness_call(bus, "ListPools", NULL));
        assert_true(sd_bus_set_property(bus, "org.vaktd1", "/org/freedesktop/LogControl1",
                                        "org.freedesktop.LogControl1", "LogLevel", &e, "s", "debug") < 0);
        assert_true(sd_bus_error_has_name(&e, "org.vaktd1.Error.AccessDenied"));
}

typedef struct Flood {
        unsigned n_answered, n_refused;
} Flood;

static int on_flood_reply(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        Flood *f = userdata;

        f->n_answered++;
        f->n_refused += !!sd_bus_message_is_method_error(m, "org.vaktd1.Error.LimitReached");
        assert_false(sd_bus_message_is_method_error(m, SD_BUS_ERROR_NO_REPLY));
        return 0;
}

/* Sends n calls at once that have to be authorised. */
static void flood(sd_bus *bus, unsigned n, Flood *f) {
        for (unsigned i = 0; i < n; i++)
                assert_true(sd_bus_call_method_async(bus, NULL, "org.vaktd1", MANAGER_PATH, MANAGER_INTERFACE, "Pause",
                                                     on_flood_reply, f, "s", "a") >= 0);
        assert_true(sd_bus_flush(bus) >= 0);
}

static void wait_flood(sd_bus *bus, unsigned n, const Flood *f) {
        usec_t deadline = harness_deadline();

        while (f->n_answered < n) {
                int r = sd_bus_process(bus, NULL);

                assert_true(r >= 0);
                assert_true(now_clock(CLOCK_MONOTONIC) < deadline);
                if (r == 0)
                        assert_true(sd_bus_wait(bus, USEC_PER_SEC) >= 0);
        }
}

/* More calls at once than may wait: each is answered, done or refused, and afterwards there is room again. */
static void test_many_authorisations(void **state) {
        enum { CALLS = 100 };
        Harness *h = *state;
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        Flood f = {};

        if (!bus_start(h))
                skip();
        harness_start(h);
        bus = bus_connect(h);
        flood(bus, CALLS, &f);
        wait_flood(bus, CALLS, &f);
        assert_true(f.n_refused < CALLS);
        sd_bus_message_unref(harness_call(bus, "Resume", "s", "a"));
}

/* Many connections of somebody who may not change anything take no place from who may. */
static void test_flood_of_others(void **state) {
        enum { CONNECTIONS = 40, CALLS = 16 };
        Harness *h = *state;
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        sd_bus *others[CONNECTIONS];
        Flood f = {}, of_others = {};
        siginfo_t info;

        if (geteuid() != 0 || !bus_start(h))
                skip();
        harness_add_job(h, "a", job_text);
        harness_start(h);
        bus = bus_connect(h);
        for (size_t i = 0; i < CONNECTIONS; i++)
                others[i] = bus_connect_as(h, NOBODY);
        assert_int_equal(kill(harness_pid(h), SIGSTOP), 0);
        assert_int_equal(waitid(P_PID, (id_t)harness_pid(h), &info, WSTOPPED), 0);
        for (size_t i = 0; i < CONNECTIONS; i++) {
                flood(others[i], CALLS, &of_others);
                /* The bus has taken them, before the next one. */
                assert_true(sd_bus_call_method(others[i], DRIVER, DRIVER_PATH, DRIVER, "GetId", NULL, NULL, NULL) >=
                            0);
        }
        flood(bus, 1, &f);
        assert_int_equal(kill(harness_pid(h), SIGCONT), 0);
        wait_flood(bus, 1, &f);
        assert_int_equal(f.n_refused, 0);
        for (size_t i = 0; i < CONNECTIONS; i++) {
                wait_flood(others[i], (unsigned)(i + 1) * CALLS, &of_others);
                sd_bus_flush_close_unref(others[i]);
        }
        sd_bus_message_unref(harness_call(bus, "Resume", "s", "a"));
}

/* Calls that were made before the end are answered. */
static void test_answers_at_stop(void **state) {
        enum { CALLS = 10 };
        Harness *h = *state;
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        Flood f = {};

        if (!bus_start(h))
                skip();
        harness_start(h);
        bus = bus_connect(h);
        sd_bus_message_unref(harness_call(bus, "ListJobs", NULL)); /* the connection is through */
        flood(bus, CALLS, &f);
        assert_int_equal(kill(harness_pid(h), SIGTERM), 0);
        wait_flood(bus, CALLS, &f);
        harness_stop(h);
}

/* The caller goes away while it follows: the run goes on, and nothing breaks. */
static void test_follower_leaves(void **state) {
        Harness *h = *state;
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        _cleanup_(watch_freep) Watch *w = NULL;
        char fifo[PATH_MAX], job[PATH_MAX + 128], result[32];
        sd_bus *follower;
        uint64_t id;
        int fd;

        if (!bus_start(h))
                skip();
        assert_true(snprintf(fifo, sizeof(fifo), "%s/fifo", harness_directory(h)) < PATH_MAX);
        assert_int_equal(mkfifo(fifo, 0600), 0);
        (void)snprintf(job, sizeof(job), "[Run]\nShell=echo before; cat %s; echo after\n", fifo);
        harness_add_job(h, "talk", job);
        harness_start(h);
        bus = bus_connect(h);
        w = watch_new(bus, "type='signal',sender='org.vaktd1',interface='org.vaktd1.Manager'");
        follower = bus_connect(h);
        id = harness_run(follower, "talk", /* follow= */ true);
        sd_bus_flush_close_unref(follower);
        fd = open(fifo, O_WRONLY | O_CLOEXEC); /* waits for the job to read */
        assert_true(fd >= 0);
        close(fd);
        watch_run_finished(w, id, result, sizeof(result));
        assert_string_equal(result, "success");
}

/* Waits until the name is on the bus, and calls it. */
static void assert_on_bus(const Harness *h) {
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = bus_connect(h);
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_(watch_freep) Watch *w = NULL;
        int has_owner = 0;

        w = watch_new(bus, "type='signal',sender='org.freedesktop.DBus',member='NameOwnerChanged',arg0='org.vaktd1'");
        assert_true(sd_bus_call_method(bus, DRIVER, DRIVER_PATH, DRIVER, "NameHasOwner", NULL, &reply, "s",
                                       "org.vaktd1") >= 0);
        assert_true(sd_bus_message_read(reply, "b", &has_owner) >= 0);
        if (!has_owner)
                sd_bus_message_unref(watch_next(w, "NameOwnerChanged"));
        sd_bus_message_unref(harness_call(bus, "ListJobs", NULL));
        sd_bus_message_unref(harness_call(bus, "Pause", "s", "a"));
}

/* The bus goes and comes back, and so does the name. */
static void test_bus_restart(void **state) {
        Harness *h = *state;

        if (!bus_start(h))
                skip();
        harness_start(h);
        bus_stop();
        assert_true(bus_start(h));
        assert_on_bus(h);
}

static void test_name_taken(void **state) {
        Harness *h = *state;
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;

        if (!bus_start(h))
                skip();
        bus = bus_connect(h);
        assert_true(sd_bus_request_name(bus, "org.vaktd1", 0) >= 0);
        assert_int_not_equal(harness_start_and_fail(h), 0);
}

/* Without a bus there are jobs and the control socket; the bus may come later. */
static void test_no_bus(void **state) {
        Harness *h = *state;
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;

        harness_start(h);
        bus = harness_connect(h);
        sd_bus_message_unref(harness_call(bus, "ListJobs", NULL));
        if (!bus_start(h))
                skip();
        assert_on_bus(h);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                bus_test(test_api),
                bus_test(test_log_control),
                bus_test(test_unprivileged),
                bus_test(test_many_authorisations),
                bus_test(test_flood_of_others),
                bus_test(test_answers_at_stop),
                bus_test(test_follower_leaves),
                bus_test(test_bus_restart),
                bus_test(test_name_taken),
                bus_test(test_no_bus),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
