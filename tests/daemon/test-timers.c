/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Timers of a real daemon as a client sees them: what comes next, what is skipped and paused, and that a restart or a
 * sudden end forgets none of it. What has to wait is held by a FIFO or told by signals: nothing here sleeps. */

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>

#include "harness.h"

#define ELAPSES_MAX 1000  /* org.vaktd1.xml */
#define SKIP_MAX    10000 /* core/manager.h */
#define ROWS_MAX    10000
#define NOBODY      ((uid_t)65534)
#define FAST_JOB                                                             \
        "[Timer]\nOnInterval=20ms\nAccuracySec=1ms\n[Run]\nExec=/bin/true\n" \
        "Overlap=parallel\nQueueMax=1000\n"
#define FAR_JOB        "[Timer]\nOnCalendar=2099-01-01\n[Run]\nExec=/bin/true\n"
#define HOURLY_JOB     "[Timer]\nOnCalendar=hourly\n[Run]\nExec=/bin/true\n"
#define JOB_CHANGED(s) "type='signal',member='PropertiesChanged',path='/org/vaktd1/job/" s "'"

/* --- what the daemon says --- */

/* A time that is near, and still to come when the daemon hears of it. */
static usec_t soon(void) {
        const char *wrapper = getenv("VAKTD_WRAPPER");

        return now_realtime() + (isempty(wrapper) ? 1 : 8) * USEC_PER_SEC;
}

static void get_job(sd_bus *bus, const char *job, const char *property, char type, void *ret) {
        _cleanup_free_ char *path = NULL;

        assert_true(sd_bus_path_encode("/org/vaktd1/job", job, &path) >= 0);
        assert_true(sd_bus_get_property_trivial(bus, NULL, path, "org.vaktd1.Job", property, NULL, type, ret) >= 0);
}

static uint64_t get_job_number(sd_bus *bus, const char *job, const char *property) {
        uint64_t value;

        get_job(bus, job, property, 't', &value);
        return value;
}

static uint32_t get_skip(sd_bus *bus, const char *job) {
        uint32_t value;

        get_job(bus, job, "Skip", 'u', &value);
        return value;
}

static bool is_paused(sd_bus *bus, const char *job) {
        int value;

        get_job(bus, job, "Paused", 'b', &value);
        return value;
}

static void do_call(sd_bus *bus, const char *member, const char *job) {
        sd_bus_message_unref(harness_call(bus, member, "s", job));
}

static void pause_until(sd_bus *bus, const char *job, usec_t until) {
        sd_bus_message_unref(harness_call(bus, "PauseUntil", "st", job, until));
}

static void skip_next(sd_bus *bus, const char *job, uint32_t count) {
        sd_bus_message_unref(harness_call(bus, "Skip", "su", job, count));
}

/* Reads up to ELAPSES_MAX elapses; how many there are. */
static size_t next_elapses(sd_bus *bus, const char *job, uint32_t n, usec_t *ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = harness_call(bus, "NextElapses", "su", job, n);
        const void *array;
        size_t size;

        assert_true(sd_bus_message_read_array(reply, 't', &array, &size) >= 0);
        assert_true(size <= ELAPSES_MAX * sizeof(usec_t));
        memcpy(ret, array, size);
        return size / sizeof(usec_t);
}

/* True when a message under this topic has the part. */
static bool explains(sd_bus *bus, const char *job, const char *topic, const char *part) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = harness_call(bus, "Explain", "s", job);
        const char *t, *message;
        bool found = false;

        assert_true(sd_bus_message_enter_container(reply, 'a', "(ss)") > 0);
        while (sd_bus_message_read(reply, "(ss)", &t, &message) > 0)
                found = found || (streq(t, topic) && strstr(message, part));
        return found;
}

/* One row of ListRuns. */
typedef struct Row {
        uint64_t id;
        usec_t requested, started;
        char cause[16], result[16], reason[128];
} Row;

typedef struct Rows {
        Row *rows;
        size_t n;
} Rows;

static void rows_done(Rows *r) {
        free(r->rows);
}

/* All runs of a job, newest first, but for the times that a busy machine was too late for. */
static void list_runs(sd_bus *bus, const char *job, Rows *ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply =
                harness_call(bus, "ListRuns", "stu", job, UINT64_C(0), ROWS_MAX);
        const char *cause, *result, *reason;
        Row row = {};

        rows_done(ret);
        *ret = (Rows){ .rows = calloc(ROWS_MAX, sizeof(Row)) };
        assert_non_null(ret->rows);
        assert_true(sd_bus_message_enter_container(reply, 'a', "(tsssssttttiuo)") > 0);
        while (sd_bus_message_read(reply, "(tsssssttttiuo)", &row.id, NULL, &cause, NULL, &result, &reason, NULL,
                                   &row.requested, &row.started, NULL, NULL, NULL, NULL) > 0) {
                if (streq(result, "missed"))
                        continue;
                (void)snprintf(row.cause, sizeof(row.cause), "%s", cause);
                (void)snprintf(row.result, sizeof(row.result), "%s", result);
                (void)snprintf(row.reason, sizeof(row.reason), "%s", reason);
                ret->rows[ret->n++] = row;
                row = (Row){};
        }
}

static bool row_is_skip(const Row *row) {
        return streq(row->result, "skipped") && strstr(row->reason, "vaktctl skip");
}

static size_t count_skips(const Rows *r) {
        size_t n = 0;

        for (size_t i = 0; i < r->n; i++)
                n += row_is_skip(&r->rows[i]);
        return n;
}

/* Waits for the next end of a run with this result. */
static void wait_result(Watch *w, const char *expected) {
        for (;;) {
                _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = watch_next(w, "RunFinished");
                const char *result;

                assert_true(sd_bus_message_read(m, "tsosis", NULL, NULL, NULL, &result, NULL, NULL) >= 0);
                if (streq(result, expected))
                        return;
        }
}

static Watch *watch_finished(sd_bus *bus) {
        return watch_new(bus, "type='signal',member='RunFinished'");
}

/* --- what comes next --- */

static usec_t next_multiple(usec_t after, usec_t of) {
        return (after / of + 1) * of;
}

/* The elapses are the next multiples of a span in UTC. An hour may begin while we ask. */
static void check_elapses(sd_bus *bus, const char *job, uint32_t n, size_t expected, usec_t span) {
        usec_t elapses[ELAPSES_MAX], before = now_realtime(), after;

        assert_int_equal(next_elapses(bus, job, n, elapses), expected);
        after = now_realtime();
        if (expected == 0)
                return;
        assert_true(elapses[0] == next_multiple(before, span) || elapses[0] == next_multiple(after, span));
        for (size_t i = 1; i < expected; i++)
                assert_int_equal(elapses[i], elapses[0] + i * span);
}

static void test_next_elapses(void **state) {
        static const struct {
                const char *name, *text;
                size_t max;
                usec_t span;
        } jobs[] = {
                { "calendar", HOURLY_JOB, ELAPSES_MAX, USEC_PER_HOUR },
                { "cron", "[Timer]\nOnCron=0 * * * *\n[Run]\nExec=/bin/true\n", ELAPSES_MAX, USEC_PER_HOUR },
                { "both", "[Timer]\nOnCalendar=hourly\nOnCron=30 * * * *\n[Run]\nExec=/bin/true\n", ELAPSES_MAX,
                  USEC_PER_HOUR / 2 },
                { "never", "[Timer]\nOnCalendar=2001-01-01\n[Run]\nExec=/bin/true\n", 0, 0 },
                { "none", "[Run]\nExec=/bin/true\n", 0, 0 },
                { "off", "[Job]\nEnabled=no\n[Timer]\nOnCalendar=hourly\n[Run]\nExec=/bin/true\n", 0, 0 },
                { "bad", "nonsense\n", 0, 0 },
        };
        static const uint32_t counts[] = { 0, 1, 24, ELAPSES_MAX, ELAPSES_MAX + 1, UINT32_MAX };
        Harness *h = *state;
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;

        for (size_t i = 0; i < ELEMENTSOF(jobs); i++)
                harness_add_job(h, jobs[i].name, jobs[i].text);
        harness_set_environment(h, "TZ", "UTC");
        harness_start(h);
        bus = harness_connect(h);
        for (size_t i = 0; i < ELEMENTSOF(jobs); i++) {
                usec_t before = now_realtime(), next = get_job_number(bus, jobs[i].name, "NextElapse");

                for (size_t k = 0; k < ELEMENTSOF(counts); k++)
                        check_elapses(bus, jobs[i].name, counts[k], MIN(counts[k], jobs[i].max), jobs[i].span);
                if (jobs[i].max == 0)
                        assert_int_equal(next, UINT64_MAX);
                else
                        assert_in_range(next, next_multiple(before, jobs[i].span),
                                        next_multiple(now_realtime(), jobs[i].span));
        }
}

/* --- skip --- */

static void test_skip(void **state) {
        enum { N_SKIPPED = 7 };
        Harness *h = *state;
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        _cleanup_(watch_freep) Watch *w = NULL;
        _cleanup_(rows_done) Rows r = {};
        size_t first = 0;

        harness_add_job(h, "fast", FAST_JOB);
        harness_start(h);
        bus = harness_connect(h);
        w = watch_finished(bus);
        wait_result(w, "success");
        skip_next(bus, "fast", N_SKIPPED);
        for (unsigned i = 0; i < N_SKIPPED; i++)
                wait_result(w, "skipped");
        assert_int_equal(get_skip(bus, "fast"), 0);
        wait_result(w, "success");

        list_runs(bus, "fast", &r);
        assert_int_equal(count_skips(&r), N_SKIPPED);
        while (!row_is_skip(&r.rows[first]))
                first++;
        assert_true(first > 0); /* it went on */
        for (size_t i = first; i < first + N_SKIPPED; i++) {
                assert_true(row_is_skip(&r.rows[i])); /* in a row: none was run between */
                assert_string_equal(r.rows[i].cause, "timer");
                assert_int_equal(r.rows[i].started, 0);
        }
        assert_true(r.n > first + N_SKIPPED); /* what was before was run */
}

/* A count is taken back, and does not keep people from running the job. */
static void test_skip_is_taken_back(void **state) {
        Harness *h = *state;
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        _cleanup_(watch_freep) Watch *w = NULL;
        char result[16];

        harness_add_job(h, "fast", FAST_JOB);
        harness_add_job(h, "far", FAR_JOB);
        harness_start(h);
        bus = harness_connect(h);
        w = watch_finished(bus);
        skip_next(bus, "fast", SKIP_MAX);
        wait_result(w, "skipped");
        assert_true(explains(bus, "fast", "skip", "occurrences of its triggers are skipped."));
        skip_next(bus, "fast", 0);
        assert_false(explains(bus, "fast", "skip", ""));
        wait_result(w, "success");

        skip_next(bus, "far", 1);
        assert_true(explains(bus, "far", "skip", "The next occurrence of its triggers is skipped."));
        watch_run_finished(w, harness_run(bus, "far", /* follow= */ false), result, sizeof(result));
        assert_string_equal(result, "success");
        assert_int_equal(get_skip(bus, "far"), 1);
}

/* --- pause --- */

static void wait_resumed(sd_bus *bus, Watch *changes, const char *job) {
        while (is_paused(bus, job))
                sd_bus_message_unref(watch_next(changes, "PropertiesChanged"));
}

static void test_pause_until(void **state) {
        Harness *h = *state;
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        _cleanup_(watch_freep) Watch *w = NULL, *changes = NULL;
        _cleanup_(rows_done) Rows r = {};
        size_t n_refused = 0;
        usec_t begin, until;

        harness_add_job(h, "fast", FAST_JOB);
        harness_start(h);
        bus = harness_connect(h);
        w = watch_finished(bus);
        wait_result(w, "success");
        changes = watch_new(bus, JOB_CHANGED("fast"));
        until = soon();
        pause_until(bus, "fast", until);
        begin = now_realtime();
        assert_int_equal(get_job_number(bus, "fast", "PauseUntil"), until);
        assert_true(is_paused(bus, "fast"));
        assert_true(explains(bus, "fast", "paused", "It is paused until "));
        assert_true(explains(bus, "fast", "paused", "use 'vaktctl resume fast' to resume it earlier."));
        wait_resumed(bus, changes, "fast");
        assert_true(now_realtime() >= until);
        assert_int_equal(get_job_number(bus, "fast", "PauseUntil"), 0);
        assert_false(explains(bus, "fast", "paused", ""));
        do
                wait_result(w, "success");
        while (get_job_number(bus, "fast", "LastStart") < until);

        list_runs(bus, "fast", &r);
        for (size_t i = 0; i < r.n; i++) {
                if (r.rows[i].requested < begin || r.rows[i].requested > until)
                        continue;
                assert_string_equal(r.rows[i].result, "skipped");
                assert_non_null(strstr(r.rows[i].reason, "The job is paused"));
                n_refused++;
        }
        assert_true(n_refused > 0);
}

/* A pause takes the place of another one; people may run the job all the same. */
static void test_pauses_of_all_kinds(void **state) {
        static const usec_t ends[] = { UINT64_MAX, UINT64_MAX - 1, INT64_MAX, (usec_t)INT64_MAX + 1 };
        Harness *h = *state;
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        _cleanup_(watch_freep) Watch *w = NULL;
        usec_t until = now_realtime() + USEC_PER_DAY;
        char result[16];

        harness_add_job(h, "far", FAR_JOB);
        harness_start(h);
        bus = harness_connect(h);
        w = watch_finished(bus);
        pause_until(bus, "far", until);
        do_call(bus, "Pause", "far");
        assert_int_equal(get_job_number(bus, "far", "PauseUntil"), UINT64_MAX);
        assert_true(explains(bus, "far", "paused", "It is paused; "));
        pause_until(bus, "far", until);
        assert_int_equal(get_job_number(bus, "far", "PauseUntil"), until);
        watch_run_finished(w, harness_run(bus, "far", /* follow= */ false), result, sizeof(result));
        assert_string_equal(result, "success");
        for (size_t i = 0; i < ELEMENTSOF(ends); i++) {
                pause_until(bus, "far", ends[i]);
                assert_int_equal(get_job_number(bus, "far", "PauseUntil"), ends[i]);
                assert_true(explains(bus, "far", "paused", "It is paused"));
        }
        do_call(bus, "Resume", "far");
        assert_int_equal(get_job_number(bus, "far", "PauseUntil"), 0);
        assert_false(is_paused(bus, "far"));
}

/* --- why --- */

/* An explanation is for people: of a long queue it gives a part, and says so. */
static void test_long_explanation(void **state) {
        enum { N_RUNS = 250, MESSAGES_MAX = 30 };
        Harness *h = *state;
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        const char *message = "";
        unsigned n = 0;

        harness_add_job(h, "long", "[Run]\nExec=/bin/sleep 1000\nQueueMax=1000\n");
        harness_start(h);
        bus = harness_connect(h);
        for (unsigned i = 0; i < N_RUNS; i++)
                (void)harness_run(bus, "long", /* follow= */ false);
        reply = harness_call(bus, "Explain", "s", "long");
        assert_true(sd_bus_message_enter_container(reply, 'a', "(ss)") > 0);
        while (sd_bus_message_read(reply, "(ss)", NULL, &message) > 0)
                n++;
        assert_true(n < MESSAGES_MAX);
        assert_non_null(strstr(message, "more runs wait, too."));
}

/* --- refusals --- */

#define NAME_TOO_LONG "a123456789a123456789a123456789a123456789a123456789a123456789a1234"

static void test_errors(void **state) {
        static const char *const unknown[] = { "none", "", "../x", NAME_TOO_LONG };
        static const char no_such_job[] = "org.vaktd1.Error.NoSuchJob", bad_option[] = "org.vaktd1.Error.BadOption";
        Harness *h = *state;
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        usec_t soon = now_realtime() + USEC_PER_HOUR;

        harness_add_job(h, "far", FAR_JOB);
        harness_add_job(h, "bad", "nonsense\n");
        harness_start(h);
        bus = harness_connect(h);
        for (size_t i = 0; i < ELEMENTSOF(unknown); i++) {
                harness_call_fails(bus, no_such_job, "PauseUntil", "st", unknown[i], soon);
                harness_call_fails(bus, no_such_job, "Skip", "su", unknown[i], 1);
                harness_call_fails(bus, no_such_job, "NextElapses", "su", unknown[i], 1);
                harness_call_fails(bus, no_such_job, "Explain", "s", unknown[i]);
        }
        harness_call_fails(bus, bad_option, "PauseUntil", "st", "far", now_realtime() - USEC_PER_SEC);
        harness_call_fails(bus, bad_option, "PauseUntil", "st", "far", UINT64_C(0));
        harness_call_fails(bus, "org.vaktd1.Error.LimitReached", "Skip", "su", "far", SKIP_MAX + 1);
        harness_call_fails(bus, "org.vaktd1.Error.LimitReached", "Skip", "su", "far", UINT32_MAX);
        harness_call_fails(bus, SD_BUS_ERROR_INVALID_ARGS, "PauseUntil", "ss", "far", "tomorrow");
        assert_false(is_paused(bus, "far"));
        assert_int_equal(get_skip(bus, "far"), 0);

        /* A job whose file is bad keeps what is said about it for the day when it is good. */
        assert_true(explains(bus, "bad", "file", "The job cannot run until this is fixed."));
        pause_until(bus, "bad", soon);
        skip_next(bus, "bad", 2);
        assert_true(explains(bus, "bad", "paused", "It is paused until "));
        harness_add_job(h, "bad", FAR_JOB);
        do_call(bus, "Explain", "bad");
        sd_bus_message_unref(harness_call(bus, "Reload", NULL));
        assert_true(is_paused(bus, "bad"));
        assert_int_equal(get_skip(bus, "bad"), 2);
}

static void test_unprivileged(void **state) {
        static const char denied[] = "org.vaktd1.Error.AccessDenied";
        Harness *h = *state;
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        usec_t elapses[ELAPSES_MAX];

        if (geteuid() != 0)
                skip();
        harness_add_job(h, "hourly", HOURLY_JOB);
        harness_start(h);
        bus = harness_connect_as(h, NOBODY);
        harness_call_fails(bus, denied, "PauseUntil", "st", "hourly", now_realtime() + USEC_PER_HOUR);
        harness_call_fails(bus, denied, "Skip", "su", "hourly", 1);
        assert_int_equal(next_elapses(bus, "hourly", 3, elapses), 3);
        assert_true(explains(bus, "hourly", "timer", "Its next timer elapses at "));
}

/* --- restarts --- */

typedef void (*EndFunc)(Harness *h);

/* What people said and what happened is the same after the daemon has ended in this way. */
static void check_restart(Harness *h, EndFunc end) {
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        _cleanup_(watch_freep) Watch *w = NULL;
        _cleanup_(rows_done) Rows before = {}, after = {};
        usec_t until = now_realtime() + USEC_PER_HOUR, last_start;

        harness_start(h);
        bus = harness_connect(h);
        w = watch_finished(bus);
        pause_until(bus, "paused", until);
        do_call(bus, "Pause", "still");
        skip_next(bus, "skipping", 7);
        for (unsigned i = 0; i < 3; i++)
                watch_run_finished(w, harness_run(bus, "paused", /* follow= */ false), NULL, 0);
        last_start = get_job_number(bus, "paused", "LastStart");
        list_runs(bus, "paused", &before);
        w = watch_free(w);
        bus = sd_bus_flush_close_unref(bus);
        end(h);

        harness_start(h);
        bus = harness_connect(h);
        w = watch_finished(bus);
        assert_true(is_paused(bus, "paused"));
        assert_int_equal(get_job_number(bus, "paused", "PauseUntil"), until);
        assert_int_equal(get_job_number(bus, "still", "PauseUntil"), UINT64_MAX);
        assert_int_equal(get_skip(bus, "skipping"), 7);
        assert_int_equal(get_job_number(bus, "paused", "LastStart"), last_start);
        list_runs(bus, "paused", &after);
        assert_int_equal(after.n, before.n);
        assert_memory_equal(after.rows, before.rows, before.n * sizeof(Row));
        watch_run_finished(w, harness_run(bus, "paused", /* follow= */ false), NULL, 0);
        list_runs(bus, "paused", &after);
        assert_int_equal(after.n, before.n + 1);
        assert_true(after.rows[0].id > before.rows[0].id);
        harness_stop(h);
}

static void test_restart(void **state) {
        static const EndFunc ends[] = { harness_stop, harness_kill };
        Harness *h = *state;

        harness_add_job(h, "paused", FAR_JOB);
        harness_add_job(h, "still", FAR_JOB);
        harness_add_job(h, "skipping", FAR_JOB);
        for (size_t i = 0; i < ELEMENTSOF(ends); i++)
                check_restart(h, ends[i]);
}

/* A pause ends at its time, whether somebody is there to see it or not. */
static void test_pause_ends_meanwhile(void **state) {
        Harness *h = *state;
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        _cleanup_(watch_freep) Watch *changes = NULL;
        usec_t until;

        harness_add_job(h, "far", FAR_JOB);
        harness_start(h);
        bus = harness_connect(h);
        until = soon();
        pause_until(bus, "far", until);
        bus = sd_bus_flush_close_unref(bus);
        harness_stop(h);
        harness_start(h);
        bus = harness_connect(h);
        changes = watch_new(bus, JOB_CHANGED("far"));
        wait_resumed(bus, changes, "far");
        assert_true(now_realtime() >= until);
        assert_int_equal(get_job_number(bus, "far", "PauseUntil"), 0);
}

/* --- a sudden end --- */

static int make_fifo(const Harness *h, const char *name) {
        char path[PATH_MAX];
        int fd;

        (void)snprintf(path, sizeof(path), "%s/%s", harness_directory(h), name);
        assert_int_equal(mkfifo(path, 0666), 0);
        fd = open(path, O_RDWR | O_CLOEXEC);
        assert_true(fd >= 0);
        return fd;
}

/* A job whose runs say by a FIFO that they are there, and go on until a line comes from another. */
static void add_held_job(const Harness *h, const char *name) {
        const char *directory = harness_directory(h);
        char text[512];

        (void)snprintf(text, sizeof(text),
                       "[Run]\nShell=echo >%.100s/up; read line <%.100s/gate\nOverlap=queue\nQueueMax=2\n", directory,
                       directory);
        harness_add_job(h, name, text);
}

static void test_kill(void **state) {
        Harness *h = *state;
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        _cleanup_(watch_freep) Watch *w = NULL;
        _cleanup_(rows_done) Rows r = {};
        _cleanup_close_ int up = make_fifo(h, "up"), gate = make_fifo(h, "gate");
        uint64_t running, waiting;
        char result[16];

        add_held_job(h, "held");
        harness_start(h);
        bus = harness_connect(h);
        running = harness_run(bus, "held", /* follow= */ false);
        waiting = harness_run(bus, "held", /* follow= */ false);
        /* A child that is not past its exec yet would keep the daemon's lock on its state a moment longer. */
        harness_wait_readable(up);
        assert_true(explains(bus, "held", "run", "is running since "));
        assert_true(explains(bus, "held", "queue", "waits until another run of the job has ended"));
        bus = sd_bus_flush_close_unref(bus);
        harness_kill(h);

        harness_start(h);
        bus = harness_connect(h);
        w = watch_finished(bus);
        /* One line for the run that waited, one for what the killed daemon has left. */
        assert_int_equal(write(gate, "\n\n", 2), 2);
        watch_run_finished(w, waiting, result, sizeof(result));
        assert_string_equal(result, "success");
        list_runs(bus, "held", &r);
        assert_int_equal(r.n, 2);
        assert_int_equal(r.rows[0].id, waiting);
        assert_int_equal(r.rows[1].id, running);
        assert_string_equal(r.rows[1].result, "lost");
        assert_non_null(strstr(r.rows[1].reason, "vaktd was restarted while it ran;"));
        assert_false(explains(bus, "held", "last", "was lost:")); /* a later one succeeded */
        assert_true(harness_run(bus, "held", /* follow= */ false) > waiting);
}

/* The line that systemctl shows tells what is next, as soon as that is another one. */
static void test_status(void **state) {
        Harness *h = *state;
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;

        harness_add_job(h, "a", FAR_JOB);
        harness_start(h);
        bus = harness_connect(h);
        sd_bus_message_unref(harness_call(bus, "Pause", "s", "a"));
        harness_wait_told(h, "STATUS=1 job, 0 running");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                harness_test(test_next_elapses),
                harness_test(test_status),
                harness_test(test_skip),
                harness_test(test_skip_is_taken_back),
                harness_test(test_pause_until),
                harness_test(test_pauses_of_all_kinds),
                harness_test(test_long_explanation),
                harness_test(test_errors),
                harness_test(test_unprivileged),
                harness_test(test_restart),
                harness_test(test_pause_ends_meanwhile),
                harness_test(test_kill),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
