/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What is seen of path triggers over the control socket: the watches of a job and their numbers, what its [Path]
 * matches, what is known of one file, what a run was given; who may ask, and what is refused. */

#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>

#include "harness.h"

#define NOBODY        65534
#define JOB_INTERFACE "org.vaktd1.Job"
#define WORDS_MAX     8192

/* --- the scratch directory --- */

static void make_directory(const Harness *h, const char *name) {
        char path[PATH_MAX];

        assert_true(snprintf(path, sizeof(path), "%s/%s", harness_directory(h), name) < (int)sizeof(path));
        assert_int_equal(mkdir(path, 0755), 0);
}

/* A job with this [Path]. */
_printf_(3, 4) static void add_path_job(const Harness *h, const char *name, const char *format, ...) {
        _cleanup_free_ char *path = NULL, *text = NULL;
        va_list ap;

        va_start(ap, format);
        assert_true(vasprintf(&path, format, ap) >= 0);
        va_end(ap);
        assert_true(asprintf(&text, "[Path]\n%s[Run]\nExec=/bin/true\n", path) >= 0);
        harness_add_job(h, name, text);
}

/* --- what the job object says --- */

typedef struct WatchRow {
        char key[32], path[PATH_MAX], state[16], message[1024];
} WatchRow;

/* The only line of [Path] of a job. False while there is none. */
static bool get_watch(sd_bus *bus, const char *job, WatchRow *ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        const char *key, *path, *state, *message;
        char object[64];
        int r;

        (void)snprintf(object, sizeof(object), "/org/vaktd1/job/%s", job);
        assert_true(sd_bus_get_property(bus, NULL, object, JOB_INTERFACE, "Watches", NULL, &m, "a(ssss)") >= 0);
        assert_true(sd_bus_message_enter_container(m, 'a', "(ssss)") > 0);
        r = sd_bus_message_read(m, "(ssss)", &key, &path, &state, &message);
        assert_true(r >= 0);
        if (r == 0)
                return false;
        (void)snprintf(ret->key, sizeof(ret->key), "%s", key);
        (void)snprintf(ret->path, sizeof(ret->path), "%s", path);
        (void)snprintf(ret->state, sizeof(ret->state), "%s", state);
        (void)snprintf(ret->message, sizeof(ret->message), "%s", message);
        assert_int_equal(sd_bus_message_read(m, "(ssss)", &key, &path, &state, &message), 0);
        return true;
}

/* Waits until the watch is in this state: each change of it is told as one of the job. w: watches for these. */
static void wait_for_state(sd_bus *bus, Watch *w, const char *job, const char *state, WatchRow *ret) {
        while (!get_watch(bus, job, ret) || !streq(ret->state, state))
                sd_bus_message_unref(watch_next(w, "PropertiesChanged"));
}

static Watch *watch_changes(sd_bus *bus) {
        return watch_new(bus, "type='signal',member='PropertiesChanged'");
}

static uint64_t get_counter(sd_bus *bus, const char *job, const char *name) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        uint64_t value, found = UINT64_MAX;
        const char *key;
        char object[64];

        (void)snprintf(object, sizeof(object), "/org/vaktd1/job/%s", job);
        assert_true(sd_bus_get_property(bus, NULL, object, JOB_INTERFACE, "WatchCounters", NULL, &m, "a{st}") >= 0);
        assert_true(sd_bus_message_enter_container(m, 'a', "{st}") > 0);
        while (sd_bus_message_read(m, "{st}", &key, &value) > 0)
                if (streq(key, name)) {
                        assert_int_equal(found, UINT64_MAX); /* a word stands there once */
                        found = value;
                }
        return found;
}

/* --- Plan --- */

/* True when the path below the scratch directory is among the files of a plan. */
static bool has_file(const Harness *h, const char *list, const char *name) {
        _cleanup_free_ char *line = NULL;

        assert_true(asprintf(&line, "|%s/%s|", harness_directory(h), name) >= 0);
        return strstr(list, line);
}

/* Asks for a plan; list (may be NULL): "|path|path|", in the order in which they came. */
static void plan(sd_bus *bus, const char *job, uint32_t limit, size_t *ret_n, uint64_t *ret_total, char *list) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = harness_call(bus, "Plan", "su", job, limit);
        const void *path;
        size_t n, used = 0;

        *ret_n = 0;
        assert_true(sd_bus_message_enter_container(m, 'a', "ay") > 0);
        while (sd_bus_message_read_array(m, 'y', &path, &n) > 0) {
                assert_true(n > 0 && *(const char *)path == '/' && !memchr(path, '\0', n));
                if (list)
                        used += (size_t)snprintf(list + used, WORDS_MAX - used, "%s%.*s|", used == 0 ? "|" : "",
                                                 (int)n, (const char *)path);
                assert_true(used < WORDS_MAX);
                (*ret_n)++;
        }
        assert_true(sd_bus_message_exit_container(m) > 0);
        assert_true(sd_bus_message_read(m, "t", ret_total) > 0);
}

static void test_plan(void **state) {
        static const char *const names[] = { "tree/a",           "tree/sub/b", "tree/line\nbreak",
                                             "tree/bad\xff\xfe", "tree/-x",    "tree/$HOME \"'" };
        Harness *h = *state;
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        _cleanup_(watch_freep) Watch *w = NULL;
        char list[WORDS_MAX] = "";
        uint64_t total;
        WatchRow row;
        size_t n;

        make_directory(h, "tree");
        make_directory(h, "tree/sub");
        make_directory(h, "tree/none");
        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                harness_write(h, names[i], "");
        harness_write(h, "tree/sub/c.tmp", "");
        harness_write(h, "tree/none/d", "");
        add_path_job(h, "w", "PathChanged=%s/tree\nRecursive=yes\nExclude=**/*.tmp\nExclude=none/**\n",
                     harness_directory(h));
        harness_start(h);
        bus = harness_connect(h);
        w = watch_changes(bus);
        wait_for_state(bus, w, "w", "active", &row);
        assert_string_equal(row.key, "PathChanged");
        assert_true(startswith(row.path, harness_directory(h)) && strstr(row.path, "/tree"));

        plan(bus, "w", 0, &n, &total, list);
        assert_int_equal(n, ELEMENTSOF(names));
        assert_int_equal(total, n);
        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                assert_true(has_file(h, list, names[i]));
        assert_false(has_file(h, list, "tree/sub/c.tmp"));
        plan(bus, "w", 2, &n, &total, NULL);
        assert_int_equal(n, 2);
        assert_int_equal(total, ELEMENTSOF(names));
        plan(bus, "w", UINT32_MAX, &n, &total, NULL);
        assert_int_equal(n, ELEMENTSOF(names));
}

/* A path that is not there yet: told, and seen when it comes. */
static void test_waiting(void **state) {
        Harness *h = *state;
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        _cleanup_(watch_freep) Watch *w = NULL;
        uint64_t total;
        WatchRow row;
        size_t n;

        add_path_job(h, "w", "PathModified=%s/later\n", harness_directory(h));
        harness_start(h);
        bus = harness_connect(h);
        w = watch_changes(bus);
        wait_for_state(bus, w, "w", "waiting", &row);
        assert_string_equal(row.key, "PathModified");
        plan(bus, "w", 0, &n, &total, NULL);
        assert_int_equal(n, 0);
        assert_int_equal(total, 0);
        make_directory(h, "later");
        wait_for_state(bus, w, "w", "active", &row);
}

/* More than a bus takes in one message: what fits is sent, and how many there are is told. */
static void test_large_plan(void **state) {
        enum { DEPTH = 15, NAME = 250, FILES = 10000 };
        Harness *h = *state;
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        _cleanup_(watch_freep) Watch *w = NULL;
        char name[NAME + 1], file[32];
        uint64_t total;
        WatchRow row;
        size_t n;
        int fd, next;

        if (harness_is_slow())
                skip();
        memset(name, 'n', NAME);
        name[NAME] = '\0';
        fd = open(harness_directory(h), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        for (int i = 0; i < DEPTH; i++, fd = next) {
                const char *directory = i == 0 ? "tree" : name;

                assert_int_equal(mkdirat(fd, directory, 0755), 0);
                next = openat(fd, directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                assert_true(next >= 0);
                safe_close(fd);
        }
        for (int i = 0; i < FILES; i++) {
                int made;

                (void)snprintf(file, sizeof(file), "%d", i);
                made = openat(fd, file, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
                assert_true(made >= 0);
                safe_close(made);
        }
        safe_close(fd);
        add_path_job(h, "w", "PathChanged=%s/tree\nRecursive=yes\n", harness_directory(h));
        harness_start(h);
        bus = harness_connect(h);
        w = watch_changes(bus);
        wait_for_state(bus, w, "w", "active", &row);
        plan(bus, "w", UINT32_MAX, &n, &total, NULL);
        assert_int_equal(total, FILES);
        assert_true(n > FILES / 2 && n < FILES);
        harness_assert_served(h);
}

/* --- ExplainPath --- */

/* Writes "topic: message" a line; returns what the call did. */
static int explain(sd_bus *bus, const char *job, const void *path, size_t n, sd_bus_error *e, char *buf) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL, *reply = NULL;
        const char *topic, *message;
        size_t used = 0;
        int r;

        assert_true(sd_bus_message_new_method_call(bus, &m, "org.vaktd1", MANAGER_PATH, MANAGER_INTERFACE,
                                                   "ExplainPath") >= 0);
        assert_true(sd_bus_message_append_basic(m, 's', job) >= 0);
        assert_true(sd_bus_message_append_array(m, 'y', path, n) >= 0);
        r = sd_bus_call(bus, m, HARNESS_TIMEOUT_SEC * USEC_PER_SEC, e, &reply);
        buf[0] = '\0';
        if (r < 0)
                return r;
        assert_true(sd_bus_message_enter_container(reply, 'a', "(ss)") > 0);
        while (sd_bus_message_read(reply, "(ss)", &topic, &message) > 0) {
                used += (size_t)snprintf(buf + used, WORDS_MAX - used, "%s: %s\n", topic, message);
                assert_true(used < WORDS_MAX);
        }
        return 0;
}

/* The same of a file in the scratch directory, which must be answered. */
static const char *explain_file(const Harness *h, sd_bus *bus, const char *job, const char *name, char *buf) {
        char path[PATH_MAX];

        assert_true(snprintf(path, sizeof(path), "%s/%s", harness_directory(h), name) < (int)sizeof(path));
        assert_true(explain(bus, job, path, strlen(path), NULL, buf) >= 0);
        return buf;
}

static void test_explain_path(void **state) {
        Harness *h = *state;
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        _cleanup_(watch_freep) Watch *w = NULL;
        usec_t deadline;
        char text[WORDS_MAX];
        WatchRow row;

        make_directory(h, "tree");
        add_path_job(h, "w", "PathChanged=%s/tree\nRecursive=yes\nExclude=*.tmp\nSettleSec=1h\n",
                     harness_directory(h));
        harness_start(h);
        bus = harness_connect(h);
        w = watch_changes(bus);
        wait_for_state(bus, w, "w", "active", &row);
        assert_int_equal(get_counter(bus, "w", "overflows"), 0);
        assert_int_equal(get_counter(bus, "w", "reported"), 0);
        assert_int_equal(get_counter(bus, "w", "no-such-word"), UINT64_MAX);

        assert_non_null(strstr(explain_file(h, bus, "w", "tree/a.tmp", text), "filter: "));
        assert_null(strstr(text, "settle: "));
        assert_non_null(strstr(explain_file(h, bus, "w", "elsewhere", text), "watch: No line"));
        harness_write(h, "tree/bad\xff", "");
        deadline = harness_deadline();
        while (!strstr(explain_file(h, bus, "w", "tree/bad\xff", text), "settle: "))
                assert_true(now_clock(CLOCK_MONOTONIC) < deadline);
        assert_non_null(strstr(text, "watch: PathChanged="));
        assert_non_null(strstr(text, "seen: "));
        assert_true(get_counter(bus, "w", "reported") >= 1);
        assert_true(get_counter(bus, "w", "events") >= 1);
        assert_int_equal(get_counter(bus, "w", "waiting"), 1);
}

/* --- what is refused, and to whom --- */

static void test_refusals(void **state) {
        static const char *const job_errors[][2] = {
                { "none", "org.vaktd1.Error.NoSuchJob" },
                { "bad", "org.vaktd1.Error.InvalidJob" },
                { "timer", "org.vaktd1.Error.NoPaths" },
                { "off", "org.vaktd1.Error.JobDisabled" },
        };
        static const struct {
                const char *path;
                size_t n;
        } paths[] = { { "relative", 8 }, { "", 0 }, { "/a\0b", 4 }, { "/a", 3 }, { NULL, 64 * 1024 + 1 } };
        Harness *h = *state;
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        _cleanup_free_ char *large = malloc(64 * 1024 + 1);
        char text[WORDS_MAX];

        memset(large, 'x', 64 * 1024 + 1);
        large[0] = '/';
        add_path_job(h, "w", "PathExists=%s/no\n", harness_directory(h));
        harness_add_job(h, "bad", "nonsense\n");
        harness_add_job(h, "timer", "[Run]\nExec=/bin/true\n");
        harness_add_job(h, "off", "[Job]\nEnabled=no\n[Path]\nPathExists=/no\n[Run]\nExec=/bin/true\n");
        harness_start(h);
        bus = harness_connect(h);
        for (size_t i = 0; i < ELEMENTSOF(job_errors); i++) {
                _cleanup_(sd_bus_error_free) sd_bus_error e = SD_BUS_ERROR_NULL;

                harness_call_fails(bus, job_errors[i][1], "Plan", "su", job_errors[i][0], 0);
                assert_true(explain(bus, job_errors[i][0], "/a", 2, &e, text) < 0);
                assert_string_equal(e.name, job_errors[i][1]);
        }
        for (size_t i = 0; i < ELEMENTSOF(paths); i++) {
                _cleanup_(sd_bus_error_free) sd_bus_error e = SD_BUS_ERROR_NULL;

                assert_true(explain(bus, "w", paths[i].path ?: large, paths[i].n, &e, text) < 0);
                assert_string_equal(e.name, "org.vaktd1.Error.BadOption");
        }
        assert_true(explain(bus, "w", large, 64 * 1024, NULL, text) >= 0);
}

/* Names of files are for those that may manage jobs; how it is with the watches is for everybody. */
static void test_permissions(void **state) {
        Harness *h = *state;
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        _cleanup_(sd_bus_error_free) sd_bus_error e = SD_BUS_ERROR_NULL;
        char text[WORDS_MAX];
        WatchRow row;

        if (geteuid() != 0)
                skip();
        add_path_job(h, "w", "PathExists=%s/no\n", harness_directory(h));
        harness_start(h);
        bus = harness_connect_as(h, NOBODY);
        harness_call_fails(bus, "org.vaktd1.Error.AccessDenied", "Plan", "su", "w", 0);
        assert_true(explain(bus, "w", "/a", 2, &e, text) < 0);
        assert_string_equal(e.name, "org.vaktd1.Error.AccessDenied");
        assert_true(get_watch(bus, "w", &row));
        assert_true(get_counter(bus, "w", "overflows") != UINT64_MAX);
}

/* --- runs --- */

/* A name goes onto the bus as text that a bus takes, whatever bytes it is of. */
static void test_payload(void **state) {
        Harness *h = *state;
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        _cleanup_(watch_freep) Watch *changes = NULL, *finished = NULL;
        _cleanup_free_ char *payload = NULL, *expected = NULL, *none = NULL;
        const char *result, *run;
        uint64_t id;
        WatchRow row;

        make_directory(h, "tree");
        add_path_job(h, "w", "PathChanged=%s/tree\nRecursive=yes\n", harness_directory(h));
        harness_add_job(h, "plain", "[Run]\nExec=/bin/true\n");
        harness_start(h);
        bus = harness_connect(h);
        changes = watch_changes(bus);
        finished = watch_new(bus, "type='signal',member='RunFinished'");
        wait_for_state(bus, changes, "w", "active", &row);
        harness_write(h, "tree/bad\xff", "");
        m = watch_next(finished, "RunFinished");
        assert_true(sd_bus_message_read(m, "tsos", &id, NULL, &run, &result) > 0);
        assert_string_equal(result, "success");
        assert_true(sd_bus_get_property_string(bus, NULL, run, "org.vaktd1.Run", "Payload", NULL, &payload) >= 0);
        assert_true(asprintf(&expected, "%s/tree/bad\xef\xbf\xbd", harness_directory(h)) >= 0);
        assert_string_equal(payload, expected);
        id = harness_run(bus, "plain", /* follow= */ false);
        watch_run_finished(finished, id, NULL, 0);
        free(expected);
        assert_true(asprintf(&expected, "/org/vaktd1/run/%" PRIu64, id) >= 0);
        assert_true(sd_bus_get_property_string(bus, NULL, expected, "org.vaktd1.Run", "Payload", NULL, &none) >= 0);
        assert_string_equal(none, "");
}

/* The payload of a run as a property and as a column of QueryRuns, which must be the same. */
static void check_payload(sd_bus *bus, uint64_t id, const char *expected) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_free_ char *run = NULL, *payload = NULL;
        const char *column;

        assert_true(asprintf(&run, "/org/vaktd1/run/%" PRIu64, id) >= 0);
        assert_true(sd_bus_get_property_string(bus, NULL, run, "org.vaktd1.Run", "Payload", NULL, &payload) >= 0);
        assert_string_equal(payload, expected);
        reply = harness_call(bus, "QueryRuns", "a{sv}tu", 0, id + 1, 1);
        assert_true(sd_bus_message_enter_container(reply, 'a', "(tsssssttttiuosstttsstt)") > 0);
        assert_true(sd_bus_message_read(reply, "(tsssssttttiuosstttsstt)", NULL, NULL, NULL, NULL, NULL, NULL, NULL,
                                        NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
                                        &column, NULL, NULL) > 0);
        assert_string_equal(column, expected);
}

/* Names of files are told to those who may manage jobs; others hear how many there were. */
static void test_payload_for_others(void **state) {
        Harness *h = *state;
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL, *other = NULL;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        _cleanup_(watch_freep) Watch *changes = NULL, *finished = NULL;
        char path[PATH_MAX];
        WatchRow row;
        uint64_t id;

        if (geteuid() != 0)
                skip();
        make_directory(h, "tree");
        add_path_job(h, "w", "PathChanged=%s/tree\n", harness_directory(h));
        harness_start(h);
        bus = harness_connect(h);
        other = harness_connect_as(h, NOBODY);
        changes = watch_changes(bus);
        finished = watch_new(bus, "type='signal',member='RunFinished'");
        wait_for_state(bus, changes, "w", "active", &row);
        harness_write(h, "tree/secret", "");
        m = watch_next(finished, "RunFinished");
        assert_true(sd_bus_message_read(m, "t", &id) > 0);
        (void)snprintf(path, sizeof(path), "%s/tree/secret", harness_directory(h));
        check_payload(bus, id, path);
        check_payload(other, id, "1 file");
}

/* What is known of files is written at the end, and there may be much of it. */
static void test_a_stop_may_take_its_time(void **state) {
        Harness *h = *state;

        make_directory(h, "tree");
        add_path_job(h, "w", "PathChanged=%s/tree\n", harness_directory(h));
        harness_start(h);
        harness_stop(h);
        assert_true(harness_was_told(h, "WATCHDOG_USEC=0"));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                harness_test(test_plan),
                harness_test(test_waiting),
                harness_test(test_large_plan),
                harness_test(test_explain_path),
                harness_test(test_refusals),
                harness_test(test_permissions),
                harness_test(test_payload),
                harness_test(test_payload_for_others),
                harness_test(test_a_stop_may_take_its_time),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
