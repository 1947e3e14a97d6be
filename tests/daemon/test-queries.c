/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What can be asked of a daemon about more than one thing at once: runs by a filter, page by page; alarms; pools; and
 * what concerns all jobs. Over the control socket, with runs that are children. */

#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "harness.h"

#define RUN_ROW "(tsssssttttiuosstttsstt)"

typedef struct Row {
        uint64_t id, scheduled, requested, started, ended, cpu, memory_peak, parent, files, bytes_freed;
        const char *job, *cause, *state, *result, *reason, *object, *unit, *invocation, *parent_job, *payload;
        int32_t code;
        uint32_t attempt;
} Row;

/* --- QueryRuns --- */

/* One entry of a filter; the value is a string, a uint64_t, or words. */
typedef struct FilterEntry {
        const char *key, *type;
        const void *value;
} FilterEntry;

static void append_filter(sd_bus_message *m, const FilterEntry *entries) {
        assert_true(sd_bus_message_open_container(m, 'a', "{sv}") >= 0);
        for (const FilterEntry *e = entries; e && e->key; e++) {
                assert_true(sd_bus_message_open_container(m, 'e', "sv") >= 0);
                assert_true(sd_bus_message_append_basic(m, 's', e->key) >= 0);
                assert_true(sd_bus_message_open_container(m, 'v', e->type) >= 0);
                if (streq(e->type, "as"))
                        assert_true(sd_bus_message_append_strv(m, (char **)e->value) >= 0);
                else
                        assert_true(sd_bus_message_append_basic(m, e->type[0], e->value) >= 0);
                assert_true(sd_bus_message_close_container(m) >= 0);
                assert_true(sd_bus_message_close_container(m) >= 0);
        }
        assert_true(sd_bus_message_close_container(m) >= 0);
}

static int query(sd_bus *bus, const FilterEntry *entries, uint64_t before, uint32_t limit, sd_bus_error *e,
                 sd_bus_message **ret) {
        sd_bus_message *m = NULL;
        int r;

        assert_true(sd_bus_message_new_method_call(bus, &m, "org.vaktd1", MANAGER_PATH, MANAGER_INTERFACE,
                                                   "QueryRuns") >= 0);
        append_filter(m, entries);
        assert_true(sd_bus_message_append(m, "tu", before, limit) >= 0);
        r = sd_bus_call(bus, m, HARNESS_TIMEOUT_SEC * USEC_PER_SEC, e, ret);
        sd_bus_message_unref(m);
        return r;
}

static bool next_row(sd_bus_message *m, Row *ret) {
        int r = sd_bus_message_read(m, RUN_ROW, &ret->id, &ret->job, &ret->cause, &ret->state, &ret->result,
                                    &ret->reason, &ret->scheduled, &ret->requested, &ret->started, &ret->ended,
                                    &ret->code, &ret->attempt, &ret->object, &ret->unit, &ret->invocation, &ret->cpu,
                                    &ret->memory_peak, &ret->parent, &ret->parent_job, &ret->payload, &ret->files,
                                    &ret->bytes_freed);

        assert_true(r >= 0);
        return r > 0;
}

/* Walks all pages of so many rows. Writes the ids, newest first, as "3 2 1". */
static const char *query_ids(sd_bus *bus, const FilterEntry *entries, uint32_t limit, char *buf, size_t size) {
        uint64_t before = 0;
        size_t used = 0;

        buf[0] = '\0';
        do {
                sd_bus_message *reply = NULL;
                uint32_t n = 0;
                Row row;

                assert_true(query(bus, entries, before, limit, NULL, &reply) >= 0);
                assert_true(sd_bus_message_enter_container(reply, 'a', RUN_ROW) > 0);
                for (; next_row(reply, &row); n++)
                        used += (size_t)snprintf(buf + used, size - used, "%s%" PRIu64, used > 0 ? " " : "", row.id);
                assert_true(n <= limit);
                assert_true(used < size);
                assert_true(sd_bus_message_exit_container(reply) > 0);
                assert_true(sd_bus_message_read(reply, "t", &before) > 0);
                sd_bus_message_unref(reply);
        } while (before > 0);
        return buf;
}

static void run_to_end(sd_bus *bus, const char *job, const char *expected) {
        _cleanup_(watch_freep) Watch *w = watch_new(bus, "type='signal',member='RunFinished'");
        char result[32];

        watch_run_finished(w, harness_run(bus, job, /* follow= */ false), result, sizeof(result));
        assert_string_equal(result, expected);
}

static uint64_t requested_of(sd_bus *bus, uint64_t id) {
        char path[64];
        uint64_t value;

        (void)snprintf(path, sizeof(path), "/org/vaktd1/run/%" PRIu64, id);
        assert_true(sd_bus_get_property_trivial(bus, NULL, path, "org.vaktd1.Run", "Requested", NULL, 't', &value) >=
                    0);
        return value;
}

static void test_query_runs(void **state) {
        static const char *const failures[] = { "exit", "signal", "timeout", NULL };
        static const char *const success[] = { "success", NULL }, *const manual[] = { "manual", NULL };
        static const char *const timer[] = { "timer", "catch-up", NULL }, *const none[] = { NULL };
        Harness *h = *state;
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        uint64_t from, to;
        char ids[256];

        harness_add_job(h, "good", "[Run]\nExec=/bin/true\n");
        harness_add_job(h, "bad", "[Run]\nShell=exit 3\n");
        harness_start(h);
        bus = harness_connect(h);
        for (unsigned i = 0; i < 3; i++) {
                run_to_end(bus, "good", "success"); /* 1, 3, 5 */
                run_to_end(bus, "bad", "exit");     /* 2, 4, 6 */
        }
        from = requested_of(bus, 3);
        to = requested_of(bus, 5);
#define ASSERT_IDS(expected, ...) \
        assert_string_equal(query_ids(bus, (FilterEntry[]){ __VA_ARGS__, {} }, 2, ids, sizeof(ids)), expected)
        assert_string_equal(query_ids(bus, NULL, 2, ids, sizeof(ids)), "6 5 4 3 2 1");
        assert_string_equal(query_ids(bus, NULL, 3, ids, sizeof(ids)), "6 5 4 3 2 1");
        assert_string_equal(query_ids(bus, NULL, 100, ids, sizeof(ids)), "6 5 4 3 2 1");
        ASSERT_IDS("5 3 1", { "job", "s", "good" });
        ASSERT_IDS("6 5 4 3 2 1", { "job", "s", "" });
        ASSERT_IDS("", { "job", "s", "no-such-job" });
        ASSERT_IDS("6 4 2", { "results", "as", failures });
        ASSERT_IDS("5 3 1", { "results", "as", success });
        ASSERT_IDS("6 5 4 3 2 1", { "results", "as", none });
        ASSERT_IDS("6 5 4 3 2 1", { "causes", "as", manual });
        ASSERT_IDS("", { "causes", "as", timer });
        ASSERT_IDS("6 5 4 3", { "since", "t", &from });
        ASSERT_IDS("5 4 3 2 1", { "until", "t", &to });
        ASSERT_IDS("4", { "results", "as", failures }, { "job", "s", "bad" }, { "since", "t", &from },
                   { "until", "t", &to });
#undef ASSERT_IDS
}

/* Every column says what the run's object says. */
static void test_query_columns(void **state) {
        Harness *h = *state;
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_(watch_freep) Watch *w = NULL;
        uint64_t id, first, cpu = 0;
        char *host = NULL, *parent_job = NULL;
        Row row = {};

        harness_add_job(h, "first", "[Job]\nOnSuccess=second\n[Run]\nExec=/bin/true\n");
        harness_add_job(h, "second", "[Run]\nShell=exit 7\n");
        harness_start(h);
        bus = harness_connect(h);
        w = watch_new(bus, "type='signal',member='RunFinished'");
        first = harness_run(bus, "first", /* follow= */ false);
        watch_run_finished(w, first, NULL, 0);
        sd_bus_message_unref(watch_next(w, "RunFinished"));
        assert_true(query(bus, (FilterEntry[]){ { "job", "s", "second" }, {} }, 0, 0, NULL, &reply) >= 0);
        assert_true(sd_bus_message_enter_container(reply, 'a', RUN_ROW) > 0);
        assert_true(next_row(reply, &row));
        id = row.id;
        assert_string_equal(row.job, "second");
        assert_string_equal(row.cause, "chain");
        assert_string_equal(row.state, "done");
        assert_string_equal(row.result, "exit");
        assert_int_equal(row.code, 7);
        assert_int_equal(row.parent, first);
        assert_string_equal(row.parent_job, "first");
        assert_string_equal(row.unit, "");
        assert_string_equal(row.invocation, "");
        assert_string_equal(row.payload, "");
        assert_true(row.ended >= row.started && row.started >= row.requested && row.requested > 0);
        assert_true(sd_bus_get_property_trivial(bus, NULL, row.object, "org.vaktd1.Run", "CPUUsage", NULL, 't',
                                                &cpu) >= 0);
        assert_int_equal(row.cpu, cpu);
        assert_true(sd_bus_get_property_string(bus, NULL, row.object, "org.vaktd1.Run", "Host", NULL, &host) >= 0);
        assert_true(strlen(host) > 0);
        assert_true(sd_bus_get_property_string(bus, NULL, row.object, "org.vaktd1.Run", "ParentJob", NULL,
                                               &parent_job) >= 0);
        assert_string_equal(parent_job, "first");
        assert_true(id > first);
        free(host);
        free(parent_job);
}

static void test_bad_filters(void **state) {
        static const uint64_t number = 1;
        static const char *const wrong_result[] = { "success", "nonsense", NULL }, *const empty[] = { "", NULL };
        static const struct {
                int line;
                FilterEntry entry;
                const char *part; /* of the message */
        } table[] = {
                { __LINE__,
                  { "results", "as", wrong_result },
                  "Unknown result 'nonsense'; possible values are: success, exit" },
                { __LINE__, { "results", "as", empty }, "Unknown result ''" },
                { __LINE__,
                  { "causes", "as", wrong_result },
                  "Unknown cause 'success'; possible values are: timer, path" },
                { __LINE__, { "results", "s", "success" }, "'results' of QueryRuns has the wrong type" },
                { __LINE__, { "job", "t", &number }, "'job' of QueryRuns has the wrong type" },
                { __LINE__, { "colour", "s", "red" }, "'colour' of QueryRuns is unknown; the filters are 'job'" },
        };
        Harness *h = *state;
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        FilterEntry many[18] = {};

        harness_add_jobs(h, 1);
        harness_start(h);
        bus = harness_connect(h);
        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
                _cleanup_(sd_bus_error_free) sd_bus_error e = SD_BUS_ERROR_NULL;
                FilterEntry entries[] = { table[i].entry, {} };

                assert_true(query(bus, entries, 0, 0, &e, NULL) < 0);
                if (!sd_bus_error_has_name(&e, "org.vaktd1.Error.BadOption") || !strstr(e.message, table[i].part))
                        fail_msg("line %d: %s '%s'", table[i].line, e.name, e.message);
        }
        for (size_t i = 0; i < ELEMENTSOF(many) - 1; i++) {
                _cleanup_(sd_bus_error_free) sd_bus_error e = SD_BUS_ERROR_NULL;

                many[i] = (FilterEntry){ "job", "s", "job-0" };
                assert_int_equal(query(bus, many, 0, 0, &e, NULL) < 0, i >= 16);
        }
}

/* --- runs that are not done --- */

#define LIVE_ROW "(tsssssttttiuosstttsstts)"

/* "2 running half, 3 queued " */
static const char *live_runs(sd_bus *bus, uint32_t limit, char *buf, size_t size) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = harness_call(bus, "ListLiveRuns", "u", limit);
        const char *state, *status;
        size_t used = 0;
        uint64_t id;

        buf[0] = '\0';
        assert_true(sd_bus_message_enter_container(reply, 'a', LIVE_ROW) > 0);
        while (sd_bus_message_read(reply, LIVE_ROW, &id, NULL, NULL, &state, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
                                   NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, &status) > 0)
                used += (size_t)snprintf(buf + used, size - used, "%s%" PRIu64 " %s %s", used > 0 ? ", " : "", id,
                                         state, status);
        return buf;
}

static void test_live_runs(void **state) {
        Harness *h = *state;
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        _cleanup_(watch_freep) Watch *w = NULL, *changes = NULL;
        uint64_t first, waits, reports;
        char runs[256];

        harness_add_job(h, "a", "[Run]\nOverlap=queue\nExec=/bin/sleep 1000\n");
        harness_add_job(h, "b",
                        "[Run]\nShell=exec python3 -c 'import os, socket, time; socket.socket(socket.AF_UNIX, "
                        "socket.SOCK_DGRAM).sendto(b\"STATUS=42%% of it\", os.environ[\"NOTIFY_SOCKET\"]); "
                        "time.sleep(1000)'\n");
        harness_start(h);
        bus = harness_connect(h);
        w = watch_new(bus, "type='signal',member='RunFinished'");
        assert_string_equal(live_runs(bus, 0, runs, sizeof(runs)), "");
        first = harness_run(bus, "a", /* follow= */ false);
        waits = harness_run(bus, "a", /* follow= */ false);
        changes = watch_new(bus, "type='signal',member='PropertiesChanged',path='/org/vaktd1/run/3'");
        reports = harness_run(bus, "b", /* follow= */ false);
        assert_true(first == 1 && waits == 2 && reports == 3);
        while (!strstr(live_runs(bus, 0, runs, sizeof(runs)), "42%"))
                sd_bus_message_unref(watch_next(changes, "PropertiesChanged"));
        assert_string_equal(runs, "1 running , 3 running 42% of it, 2 queued ");
        assert_string_equal(live_runs(bus, 2, runs, sizeof(runs)), "1 running , 3 running 42% of it");
        sd_bus_message_unref(harness_call(bus, "Cancel", "t", first));
        watch_run_finished(w, first, NULL, 0);
        assert_null(strstr(live_runs(bus, 0, runs, sizeof(runs)), "1 running"));
}

/* A value that changes is announced. (It is one that the daemon finds out by itself: valgrind does not execute
 * vakt-probe.) */
static void test_values_changed(void **state) {
        Harness *h = *state;
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        _cleanup_(watch_freep) Watch *w = NULL;
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        _cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        char job[PATH_MAX + 64];

        (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s/flag", harness_directory(h));
        assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
        (void)snprintf(job, sizeof(job), "[Monitor]\nWhen=listening unix %s/flag\n[Run]\nExec=/bin/true\n",
                       harness_directory(h));
        harness_start(h);
        bus = harness_connect(h);
        w = watch_new(bus, "type='signal',member='ValuesChanged'");
        harness_add_job(h, "a", job);
        sd_bus_message_unref(harness_call(bus, "Reload", NULL));
        sd_bus_message_unref(watch_next(w, "ValuesChanged"));
        assert_int_equal(listen(fd, 1), 0);
        for (int is_known = 0, use; !is_known;) {
                _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = harness_call(bus, "ListValues", NULL);
                int64_t value = 0;

                assert_true(sd_bus_message_enter_container(reply, 'a', "(ssbxxtsb)") > 0);
                assert_true(sd_bus_message_read(reply, "(ssbxxtsb)", NULL, NULL, &is_known, &value, NULL, NULL, NULL,
                                                &use) > 0);
                assert_true(use);
                is_known = is_known && value == 1;
                if (!is_known)
                        sd_bus_message_unref(watch_next(w, "ValuesChanged"));
        }
}

/* --- alarms --- */

static unsigned count_alarms(sd_bus *bus, const char *job, uint64_t *ret_run) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = harness_call(bus, "ListAlarms", "s", job);
        const char *name, *key, *message;
        uint64_t raised, run;
        unsigned n = 0;

        assert_true(sd_bus_message_enter_container(reply, 'a', "(sstts)") > 0);
        for (; sd_bus_message_read(reply, "(sstts)", &name, &key, &raised, &run, &message) > 0; n++) {
                assert_string_equal(name, "slow");
                assert_string_equal(key, "slow");
                assert_true(raised > 0);
                assert_non_null(strstr(message, "takes longer than 1ms"));
                if (ret_run)
                        *ret_run = run;
        }
        return n;
}

static unsigned count_alarms_of_object(sd_bus *bus, const char *path) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        const char *key, *message;
        uint64_t raised;
        unsigned n = 0;

        assert_true(sd_bus_get_property(bus, NULL, path, "org.vaktd1.Job", "Alarms", NULL, &m, "a(sts)") >= 0);
        assert_true(sd_bus_message_enter_container(m, 'a', "(sts)") > 0);
        for (; sd_bus_message_read(m, "(sts)", &key, &raised, &message) > 0; n++)
                assert_string_equal(key, "slow");
        return n;
}

/* Raised once, seen from everywhere, and forgotten by ResetFailed. */
static void test_alarms(void **state) {
        Harness *h = *state;
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *raised = NULL, *cleared = NULL;
        _cleanup_(watch_freep) Watch *w = NULL, *changes = NULL;
        const char *job, *key, *message, *interface;
        uint64_t id, run;

        harness_add_job(h, "slow", "[Job]\nSlowSec=1ms\n[Run]\nExec=/bin/sleep 1000\n");
        harness_add_job(h, "other", "[Run]\nExec=/bin/true\n");
        harness_start(h);
        bus = harness_connect(h);
        w = watch_new(bus, "type='signal',interface='org.vaktd1.Manager'");
        id = harness_run(bus, "slow", /* follow= */ false);
        raised = watch_next(w, "AlarmRaised");
        assert_true(sd_bus_message_read(raised, "ssts", &job, &key, &run, &message) > 0);
        assert_string_equal(job, "slow");
        assert_string_equal(key, "slow");
        assert_int_equal(run, id);
        assert_non_null(strstr(message, "(SlowSec=)"));
        assert_int_equal(count_alarms(bus, "", &run), 1);
        assert_int_equal(run, id);
        assert_int_equal(count_alarms(bus, "slow", NULL), 1);
        assert_int_equal(count_alarms(bus, "other", NULL), 0);
        assert_int_equal(count_alarms_of_object(bus, "/org/vaktd1/job/slow"), 1);
        assert_int_equal(count_alarms_of_object(bus, "/org/vaktd1/job/other"), 0);
        harness_call_fails(bus, "org.vaktd1.Error.NoSuchJob", "ListAlarms", "s", "none");
        harness_call_fails(bus, "org.vaktd1.Error.NoSuchJob", "ResetFailed", "s", "none");

        changes = watch_new(bus, "type='signal',member='PropertiesChanged',path='/org/vaktd1/job/slow'");
        sd_bus_message_unref(harness_call(bus, "ResetFailed", "s", "slow"));
        cleared = watch_next(w, "AlarmCleared");
        assert_true(sd_bus_message_read(cleared, "ss", &job, &key) > 0);
        assert_string_equal(job, "slow");
        assert_string_equal(key, "slow");
        assert_int_equal(count_alarms(bus, "", NULL), 0);
        assert_int_equal(count_alarms_of_object(bus, "/org/vaktd1/job/slow"), 0);
        sd_bus_message_unref(raised);
        raised = watch_next(changes, "PropertiesChanged"); /* the object told of it */
        assert_true(sd_bus_message_read(raised, "s", &interface) > 0);
        assert_string_equal(interface, "org.vaktd1.Job");
}

/* --- pools --- */

static void assert_pool(sd_bus *bus, const char *expected, unsigned slots, unsigned running, unsigned waiting) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = harness_call(bus, "ListPools", NULL);
        uint32_t s, r, w;
        const char *name;

        assert_true(sd_bus_message_enter_container(reply, 'a', "(suuu)") > 0);
        while (sd_bus_message_read(reply, "(suuu)", &name, &s, &r, &w) > 0) {
                if (!streq(name, expected))
                        continue;
                assert_int_equal(s, slots);
                assert_int_equal(r, running);
                assert_int_equal(w, waiting);
                return;
        }
        fail_msg("there is no pool %s", expected);
}

static void test_pools(void **state) {
        Harness *h = *state;
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        _cleanup_(watch_freep) Watch *w = NULL;
        char *pool = NULL;
        int priority = 0;
        uint64_t first;

        harness_write(h, "vaktd.conf", "[Pool disk]\nSlots=2\n");
        for (unsigned i = 0; i < 4; i++) {
                char name[16];

                (void)snprintf(name, sizeof(name), "%c", 'a' + i);
                harness_add_job(h, name, "[Run]\nExec=/bin/sleep 1000\nPool=disk\nPriority=-3\n");
        }
        harness_add_job(h, "lock", "[Run]\nExec=/bin/sleep 1000\nPool=lock\n");
        harness_start(h);
        bus = harness_connect(h);
        w = watch_new(bus, "type='signal',interface='org.vaktd1.Manager'");
        assert_pool(bus, "disk", 2, 0, 0);
        (void)harness_run(bus, "lock", /* follow= */ false);
        assert_pool(bus, "lock", 1, 1, 0); /* not described anywhere: there while somebody is in it */
        first = harness_run(bus, "a", /* follow= */ false);
        for (char job[] = "b"; job[0] <= 'd'; job[0]++)
                (void)harness_run(bus, job, /* follow= */ false);
        assert_pool(bus, "disk", 2, 2, 2);
        sd_bus_message_unref(harness_call(bus, "Cancel", "t", first));
        watch_run_finished(w, first, NULL, 0);
        assert_pool(bus, "disk", 2, 2, 1);
        assert_true(sd_bus_get_property_string(bus, NULL, "/org/vaktd1/job/a", "org.vaktd1.Job", "Pool", NULL,
                                               &pool) >= 0);
        assert_string_equal(pool, "disk");
        free(pool);
        assert_true(sd_bus_get_property_trivial(bus, NULL, "/org/vaktd1/job/a", "org.vaktd1.Job", "Priority", NULL,
                                                'i', &priority) >= 0);
        assert_int_equal(priority, -3);
}

/* --- all jobs --- */

static bool is_paused(sd_bus *bus) {
        int paused = 0;

        assert_true(sd_bus_get_property_trivial(bus, NULL, MANAGER_PATH, MANAGER_INTERFACE, "Paused", NULL, 'b',
                                                &paused) >= 0);
        return paused;
}

/* Over a restart; and a job that comes afterwards is paused, too. */
static void test_pause_all(void **state) {
        Harness *h = *state;
        sd_bus *bus;
        Watch *w;

        harness_add_jobs(h, 2);
        harness_start(h);
        bus = harness_connect(h);
        assert_false(is_paused(bus));
        w = watch_new(bus, "type='signal',member='PropertiesChanged',path='/org/vaktd1'");
        sd_bus_message_unref(harness_call(bus, "PauseAll", NULL));
        sd_bus_message_unref(watch_next(w, "PropertiesChanged"));
        assert_true(is_paused(bus));
        sd_bus_message_unref(harness_call(bus, "PauseAll", NULL)); /* again is no error */
        watch_free(w);
        sd_bus_flush_close_unref(bus);
        harness_stop(h);

        harness_start(h);
        bus = harness_connect(h);
        assert_true(is_paused(bus));
        w = watch_new(bus, "type='signal',member='RunStarted'");
        harness_add_job(h, "tick", "[Timer]\nOnStartupSec=0\nOnInterval=20ms\n[Run]\nExec=/bin/true\n");
        sd_bus_message_unref(harness_call(bus, "Reload", NULL));
        run_to_end(bus, "job-0", "success"); /* a person is not held back */
        sd_bus_message_unref(harness_call(bus, "ResumeAll", NULL));
        assert_false(is_paused(bus));
        for (;;) { /* now the timer is let in */
                _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = watch_next(w, "RunStarted");
                const char *job;
                uint64_t id;

                assert_true(sd_bus_message_read(m, "ts", &id, &job) > 0);
                if (streq(job, "tick"))
                        break;
        }
        watch_free(w);
        sd_bus_flush_close_unref(bus);
}

static void test_executor(void **state) {
        Harness *h = *state;
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        char *executor = NULL;

        harness_start(h);
        bus = harness_connect(h);
        assert_true(sd_bus_get_property_string(bus, NULL, MANAGER_PATH, MANAGER_INTERFACE, "Executor", NULL,
                                               &executor) >= 0);
        assert_string_equal(executor, "child");
        free(executor);
}

/* --- problems --- */

/* What job a has to say about its file. */
static void check_problem(sd_bus *bus, const char *secret, bool expected) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_free_ char *problem = NULL;
        const char *topic, *text;

        assert_true(sd_bus_get_property_string(bus, NULL, "/org/vaktd1/job/a", "org.vaktd1.Job", "Problem", NULL,
                                               &problem) >= 0);
        assert_string_not_equal(problem, "");
        assert_int_equal(!!strstr(problem, secret), expected);
        reply = harness_call(bus, "Explain", "s", "a");
        assert_true(sd_bus_message_enter_container(reply, 'a', "(ss)") > 0);
        do
                assert_true(sd_bus_message_read(reply, "(ss)", &topic, &text) > 0);
        while (!streq(topic, "file"));
        assert_int_equal(!!strstr(text, secret), expected);
}

static void check_diagnostics(sd_bus *bus, const char *secret, bool expected) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = harness_call(bus, "Diagnostics", NULL);
        const char *file, *text;
        uint32_t line;

        assert_true(sd_bus_message_enter_container(reply, 'a', "(sus)") > 0);
        assert_true(sd_bus_message_read(reply, "(sus)", &file, &line, &text) > 0);
        assert_non_null(strstr(file, "/a.job"));
        assert_int_equal(line, 2);
        assert_int_equal(!!strstr(text, secret), expected);
}

/* The message of a problem repeats what stands in the file: who may not read the file is not told it. */
static void test_private_file(void **state) {
        static const char secret[] = "hunter2";
        Harness *h = *state;
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL, *other = NULL;
        char path[PATH_MAX];

        if (geteuid() != 0)
                skip();
        harness_add_job(h, "a", "[Run]\nOverlap=hunter2\nExec=/bin/true\n");
        (void)snprintf(path, sizeof(path), "%s/jobs.d/a.job", harness_directory(h));
        assert_int_equal(chmod(harness_directory(h), 0755), 0);
        harness_start(h);
        bus = harness_connect(h);
        other = harness_connect_as(h, 65534);
        check_diagnostics(other, secret, true);
        check_problem(other, secret, true);
        for (unsigned i = 0; i < 2; i++) {
                assert_int_equal(chmod(path, i == 0 ? 0600 : 0644), 0);
                assert_int_equal(chmod(harness_directory(h), i == 0 ? 0755 : 0711), 0);
                if (i == 1) { /* a private directory is as good */
                        (void)snprintf(path, sizeof(path), "%s/jobs.d", harness_directory(h));
                        assert_int_equal(chmod(path, 0700), 0);
                }
                sd_bus_message_unref(harness_call(bus, "Reload", NULL));
                check_diagnostics(bus, secret, true);
                check_problem(bus, secret, true);
                check_diagnostics(other, secret, false);
                check_problem(other, secret, false);
        }
}

/* --- definitions --- */

/* What is in force, whatever is on disk; and for those only who may manage jobs. */
static void test_definitions(void **state) {
        static const char first[] = "[Run]\nExec=/bin/true\n";
        Harness *h = *state;
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        uint64_t digests[2] = { 0 }, other_digest;

        harness_add_job(h, "a", first);
        harness_add_job(h, "bad", "[Run]\nOverlap=x\nExec=/bin/true\n");
        harness_start(h);
        bus = harness_connect(h);
        for (unsigned i = 0; i < 2; i++) {
                _cleanup_(sd_bus_message_unrefp) sd_bus_message *list = NULL, *one = NULL;
                const char *job, *file, *text;

                harness_add_job(h, "a", "[Run]\n# x\nShell=echo x\n");
                if (i > 0)
                        sd_bus_message_unref(harness_call(bus, "Reload", NULL));
                list = harness_call(bus, "ListDefinitions", NULL);
                assert_true(sd_bus_message_enter_container(list, 'a', "(st)") > 0);
                assert_true(sd_bus_message_read(list, "(st)", &job, &digests[i]) > 0);
                assert_string_equal(job, "a");
                assert_true(sd_bus_message_read(list, "(st)", &job, &other_digest) == 0);
                one = harness_call(bus, "GetDefinition", "s", "a");
                assert_true(sd_bus_message_read(one, "ss", &file, &text) > 0);
                assert_non_null(strstr(file, "/jobs.d/a.job"));
                assert_string_equal(text, i == 0 ? first : "[Run]\nShell=echo x\n");
        }
        assert_true(digests[0] != digests[1]);
        harness_call_fails(bus, "org.vaktd1.Error.NoSuchJob", "GetDefinition", "s", "nothing");
        harness_call_fails(bus, "org.vaktd1.Error.InvalidJob", "GetDefinition", "s", "bad");
        if (geteuid() == 0) {
                _cleanup_(sd_bus_flush_close_unrefp) sd_bus *other = NULL;

                assert_int_equal(chmod(harness_directory(h), 0755), 0);
                other = harness_connect_as(h, 65534);
                harness_call_fails(other, "org.vaktd1.Error.AccessDenied", "ListDefinitions", NULL);
                harness_call_fails(other, "org.vaktd1.Error.AccessDenied", "GetDefinition", "s", "a");
        }
}

/* --- jobs that run once --- */

static void test_once(void **state) {
        static const char bad_option[] = "org.vaktd1.Error.BadOption", run[] = "[Run]\nExec=/bin/true\n";
        Harness *h = *state;
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_free_ char *large = calloc(1, 64 * 1024 + 2);
        const uint64_t at = UINT64_C(7226625600000000);
        const char *job;
        uint64_t next;

        assert_non_null(large);
        memset(large, '#', 64 * 1024 + 1);
        harness_add_job(h, "other", run);
        harness_start(h);
        bus = harness_connect(h);
        reply = harness_call(bus, "CreateOnce", "sts", "", at - 1, run);
        assert_true(sd_bus_message_read(reply, "st", &job, &next) > 0);
        assert_string_equal(job, "once-21990101-120000");
        assert_true(next == at);
        harness_call_fails(bus, bad_option, "CreateOnce", "sts", job, at, run);
        harness_call_fails(bus, bad_option, "CreateOnce", "sts", "../x", at, run);
        harness_call_fails(bus, bad_option, "CreateOnce", "sts", "x", UINT64_C(1), run);
        harness_call_fails(bus, bad_option, "CreateOnce", "sts", "x", at, "[Run]\n");
        harness_call_fails(bus, bad_option, "CreateOnce", "sts", "x", at, large);
        harness_call_fails(bus, bad_option, "RemoveOnce", "s", "other");
        harness_call_fails(bus, "org.vaktd1.Error.NoSuchJob", "RemoveOnce", "s", "nothing");
        sd_bus_message_unref(harness_call(bus, "RemoveOnce", "s", job));
        harness_call_fails(bus, "org.vaktd1.Error.NoSuchJob", "RemoveOnce", "s", job);
        if (geteuid() == 0) {
                _cleanup_(sd_bus_flush_close_unrefp) sd_bus *other = NULL;

                assert_int_equal(chmod(harness_directory(h), 0755), 0);
                other = harness_connect_as(h, 65534);
                harness_call_fails(other, "org.vaktd1.Error.AccessDenied", "CreateOnce", "sts", "", at, run);
                harness_call_fails(other, "org.vaktd1.Error.AccessDenied", "RemoveOnce", "s", "other");
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                harness_test(test_query_runs),     harness_test(test_query_columns), harness_test(test_bad_filters),
                harness_test(test_alarms),         harness_test(test_pools),         harness_test(test_pause_all),
                harness_test(test_executor),       harness_test(test_private_file),  harness_test(test_live_runs),
                harness_test(test_values_changed), harness_test(test_definitions),   harness_test(test_once),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
