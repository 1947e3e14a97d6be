/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The small pure parts of the bus: texts, object paths, the queue of signals. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "bus/object-path.h"
#include "bus/signal-queue.h"
#include "bus/text.h"

#define BAD  "\xef\xbf\xbd" /* U+FFFD */
#define MORE "…"

static void test_text(void **state) {
        static const struct {
                int line;
                const char *text;
                size_t max;
                const char *expected;
        } table[] = {
                { __LINE__, "", 10, "" },
                { __LINE__, "plain", 10, "plain" },
                { __LINE__, "0123456789", 10, "0123456789" },
                { __LINE__, "0123456789a", 10, "0123456" MORE },
                { __LINE__, "ærlig talt", 20, "ærlig talt" },
                { __LINE__, "123456ææ", 10, "123456ææ" },
                { __LINE__, "123456æææ", 10, "123456" MORE },
                { __LINE__, "😀😀", 8, "😀😀" },
                { __LINE__, "😀😀😀", 8, "😀" MORE },
                { __LINE__,
                  "a\xff"
                  "b",
                  20, "a" BAD "b" },
                { __LINE__, "\xc3", 20, BAD },
                { __LINE__, "\xe2\x82", 20, BAD BAD },
                { __LINE__, "\xc0\x80", 20, BAD BAD },
                { __LINE__, "\xed\xa0\x80", 20, BAD BAD BAD },         /* a surrogate */
                { __LINE__, "\xef\xbf\xbe", 20, BAD BAD BAD },         /* U+FFFE, which sd-bus refuses */
                { __LINE__, "\xef\xb7\x90", 20, BAD BAD BAD },         /* U+FDD0, likewise */
                { __LINE__, "\xf0\x9f\xbf\xbf", 20, BAD BAD BAD BAD }, /* U+1FFFF, likewise */
                { __LINE__, "\xf4\x90\x80\x80", 20, BAD BAD BAD BAD },
                { __LINE__, "\xef\xb7\x8f\xef\xbf\xbd", 20, "\xef\xb7\x8f\xef\xbf\xbd" },
                { __LINE__, "\xff\xff\xff\xff", 9, BAD BAD MORE },
        };

        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
                _cleanup_free_ char *clean = text_clean(table[i].text, table[i].max), *copy = NULL;
                const char *fit = text_fit(table[i].text, table[i].max, &copy);

                if (!streq(clean, table[i].expected) || !streq(fit, table[i].expected))
                        fail_msg("line %d: '%s' '%s'", table[i].line, clean, fit);
                if (!!copy == streq(table[i].text, table[i].expected))
                        fail_msg("line %d: copied without need, or not", table[i].line);
        }
}

static void test_count_of_payload(void **state) {
        static const struct {
                const char *payload, *count;
        } table[] = {
                { NULL, "" },
                { "", "" },
                { "/in/a", "1 file" },
                { "/in/a and 1 more", "2 files" },
                { "/in/a and b and 12345 more", "12346 files" },
                { "/in/a and 1 more and b", "1 file" },
                { "/in/a and 1 morex", "1 file" },
                { "/in/a and x more", "1 file" },
        };
        char buf[TEXT_COUNT_MAX];

        for (size_t i = 0; i < ELEMENTSOF(table); i++)
                assert_string_equal(text_count_of_payload(table[i].payload, buf), table[i].count);
}

static void test_job_paths(void **state) {
        static const char *const names[] = {
                "backup", "9to5", "a.b", "a-b_c", "x@y", "A", "_", "job9", "Ünïcode", " ", "a/b",
        };

        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                char path[OBJECT_PATH_MAX], name[CLIENT_JOB_NAME_MAX + 1];
                _cleanup_free_ char *expected = NULL;

                assert_true(sd_bus_path_encode(JOB_PREFIX, names[i], &expected) >= 0);
                assert_string_equal(job_object_path(path, names[i]), expected);
                assert_int_equal(job_from_object_path(path, name), 0);
                assert_string_equal(name, names[i]);
        }
}

static void test_longest_job_path(void **state) {
        char path[OBJECT_PATH_MAX + 8], name[CLIENT_JOB_NAME_MAX + 1], long_name[CLIENT_JOB_NAME_MAX + 10];

        memset(long_name, '-', sizeof(long_name));
        long_name[sizeof(long_name) - 1] = '\0';
        (void)job_object_path(path, long_name);
        assert_int_equal(strlen(path), OBJECT_PATH_MAX - 1);
        assert_int_equal(job_from_object_path(path, name), 0);
        assert_int_equal(strlen(name), CLIENT_JOB_NAME_MAX);
        strcat(path, "a");
        assert_int_equal(job_from_object_path(path, name), -ENOENT);
}

static void test_bad_paths(void **state) {
        static const char *const jobs[] = {
                "/org/vaktd1/job",     "/org/vaktd1/job/",   "/org/vaktd1/job/_",    "/org/vaktd1/job/a_2",
                "/org/vaktd1/run/a",   "/org/vaktd1/job/a_", "/org/vaktd1/job/a_G0", "/org/vaktd1/job/a_00",
                "/org/vaktd1/job/a/b", "/org/vaktd1/job/9",  "/org/vaktd1/jobs/a",
        };
        static const char *const runs[] = {
                "/org/vaktd1/run",
                "/org/vaktd1/run/",
                "/org/vaktd1/run/x",
                "/org/vaktd1/run/1x",
                "/org/vaktd1/run/01",
                "/org/vaktd1/run/+1",
                "/org/vaktd1/run/18446744073709551616",
                "/org/vaktd1/run/99999999999999999999",
                "/org/vaktd1/run/1/2",
        };
        char name[CLIENT_JOB_NAME_MAX + 1];
        uint64_t id;

        for (size_t i = 0; i < ELEMENTSOF(jobs); i++)
                if (job_from_object_path(jobs[i], name) != -ENOENT)
                        fail_msg("%s", jobs[i]);
        for (size_t i = 0; i < ELEMENTSOF(runs); i++)
                if (run_from_object_path(runs[i], &id) != -ENOENT)
                        fail_msg("%s", runs[i]);
}

static void test_run_paths(void **state) {
        static const uint64_t ids[] = { 0, 1, 42, UINT64_MAX };

        for (size_t i = 0; i < ELEMENTSOF(ids); i++) {
                char path[OBJECT_PATH_MAX];
                uint64_t id;

                assert_int_equal(run_from_object_path(run_object_path(path, ids[i]), &id), 0);
                assert_int_equal(id, ids[i]);
        }
}

static void test_signal_queue(void **state) {
        static const Signal in[] = {
                { .kind = SIGNAL_JOB_NEW, .job = "a" },
                { .kind = SIGNAL_JOB_CHANGED, .job = "a" },
                { .kind = SIGNAL_JOB_CHANGED, .job = "b" },
                { .kind = SIGNAL_JOB_CHANGED, .job = "a" }, /* merged */
                { .kind = SIGNAL_RUN_CHANGED, .run = 1 },
                { .kind = SIGNAL_RUN_STARTED, .run = 1, .job = "a" },
                { .kind = SIGNAL_RUN_STARTED, .run = 1, .job = "a" },
                { .kind = SIGNAL_RUN_CHANGED, .run = 1 }, /* merged */
                { .kind = SIGNAL_RUN_FINISHED, .run = 1, .job = "a", .reason = "why" },
                { .kind = SIGNAL_MANAGER_CHANGED },
                { .kind = SIGNAL_MANAGER_CHANGED }, /* merged */
                { .kind = SIGNAL_ALARM_RAISED, .job = "a", .key = "slow", .reason = "why" },
                { .kind = SIGNAL_ALARM_RAISED, .job = "a", .key = "expect" },
                { .kind = SIGNAL_ALARM_CLEARED, .job = "a", .key = "slow" },
        };
        static const size_t out[] = { 0, 1, 2, 4, 5, 6, 8, 9, 11, 12, 13 };
        _cleanup_(signal_queue_freep) SignalQueue *q = NULL;

        assert_int_equal(signal_queue_new(&q), 0);
        for (unsigned round = 0; round < 2; round++) {
                for (size_t i = 0; i < ELEMENTSOF(in); i++)
                        assert_int_equal(signal_queue_push(q, &in[i]), 0);
                assert_int_equal(signal_queue_size(q), ELEMENTSOF(out));
                for (size_t i = 0; i < ELEMENTSOF(out); i++) {
                        _cleanup_free_ Signal *s = signal_queue_pop(q);

                        assert_non_null(s);
                        assert_int_equal(s->kind, in[out[i]].kind);
                        assert_int_equal(s->run, in[out[i]].run);
                        assert_true(streq_ptr(s->job, in[out[i]].job));
                        assert_true(streq_ptr(s->key, in[out[i]].key));
                        assert_true(streq_ptr(s->reason, in[out[i]].reason));
                }
                assert_null(signal_queue_pop(q));
        }
        assert_int_equal(signal_queue_push(q, &in[1]), 0); /* freed with the queue */
}

static void test_signal_queue_forgets(void **state) {
        static const Signal changes[] = {
                { .kind = SIGNAL_RUN_CHANGED, .run = 1 },
                { .kind = SIGNAL_JOB_CHANGED, .job = "a" },
                { .kind = SIGNAL_RUN_CHANGED, .run = 2 },
        };
        _cleanup_(signal_queue_freep) SignalQueue *q = NULL;

        assert_int_equal(signal_queue_new(&q), 0);
        for (unsigned left = 0; left < ELEMENTSOF(changes); left++) {
                for (size_t i = 0; i < ELEMENTSOF(changes); i++)
                        assert_int_equal(signal_queue_push(q, &changes[i]), 0);
                for (size_t i = 0; i < ELEMENTSOF(changes); i++)
                        if (i != left)
                                signal_queue_forget(q, &changes[i]);
                signal_queue_forget(q, &(Signal){ .kind = SIGNAL_RUN_CHANGED, .run = 3 }); /* not in it */
                assert_int_equal(signal_queue_size(q), 1);
                for (unsigned i = 0; i < 2; i++) {
                        _cleanup_free_ Signal *s = signal_queue_pop(q);

                        assert_int_equal(s ? s->run : 9, i == 0 ? changes[left].run : 9);
                }
        }
        for (size_t i = 0; i < ELEMENTSOF(changes); i++) { /* freed with the queue */
                assert_int_equal(signal_queue_push(q, &changes[i]), 0);
                signal_queue_forget(q, &changes[i]);
        }
        assert_int_equal(signal_queue_size(q), 0);
}

static void test_signal_queue_limit(void **state) {
        _cleanup_(signal_queue_freep) SignalQueue *q = NULL;

        assert_int_equal(signal_queue_new(&q), 0);
        for (unsigned i = 0; i < SIGNAL_QUEUE_MAX; i++)
                assert_int_equal(signal_queue_push(q, &(Signal){ .kind = SIGNAL_RELOADED }), 0);
        assert_int_equal(signal_queue_push(q, &(Signal){ .kind = SIGNAL_RELOADED }), -ENOBUFS);
        free(signal_queue_pop(q));
        assert_int_equal(signal_queue_push(q, &(Signal){ .kind = SIGNAL_RELOADED }), 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_text),
                cmocka_unit_test(test_count_of_payload),
                cmocka_unit_test(test_job_paths),
                cmocka_unit_test(test_longest_job_path),
                cmocka_unit_test(test_bad_paths),
                cmocka_unit_test(test_run_paths),
                cmocka_unit_test(test_signal_queue),
                cmocka_unit_test(test_signal_queue_forgets),
                cmocka_unit_test(test_signal_queue_limit),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
