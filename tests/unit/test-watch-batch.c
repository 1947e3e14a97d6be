/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Batches on a clock that the test turns. The last test plays changes and runs at random beside a model in a few
 * lines, which knows for each file whether its last change has been seen by a run. VAKT_SEED=N repeats it. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "util/steps.h"
#include "watch/batch.h"

#define S USEC_PER_SEC

static Batch *b;

static void make(const BatchConfig *config) {
        assert_int_equal(batch_new(&b, config), 0);
}

static int unmake(void **state) {
        b = batch_free(b);
        return 0;
}

static void add(const char *path, usec_t now) {
        assert_true(batch_add(b, path, strlen(path), NULL, 1, now) >= 0);
}

/* The paths of the next run with spaces between; "" when none is due. */
static const char *take(usec_t now, BatchRun **ret) {
        static char text[1024];
        BatchRun *r;

        text[0] = '\0';
        if (batch_take(b, now, &r) == 0)
                return text;
        for (size_t i = 0; i < batch_run_size(r); i++) {
                if (i > 0)
                        strcat(text, " ");
                strcat(text, batch_run_file(r, i).path);
        }
        *ret = r;
        return text;
}

static void test_all_in_order(void **state) {
        BatchRun *r;

        make(&(BatchConfig){});
        assert_true(batch_next(b, 5) == USEC_INFINITY);
        add("c", 1);
        add("a", 2);
        add("b", 3);
        add("c", 4);
        assert_true(batch_next(b, 5) == 0);
        assert_string_equal(take(5, &r), "c a b");
        assert_int_equal(batch_n_waiting(b), 0);
        assert_int_equal(batch_n_running(b), 3);
        batch_done(b, r, BATCH_FORGET, 6);
        assert_string_equal(take(7, &r), "");
        assert_int_equal(batch_n_running(b), 0);
}

static void test_each(void **state) {
        BatchRun *r, *q;

        make(&(BatchConfig){ .each = true, .parallel = 2 });
        add("a", 1);
        add("b", 1);
        add("c", 1);
        assert_string_equal(take(1, &r), "a");
        assert_string_equal(take(1, &q), "b");
        assert_true(batch_next(b, 1) == USEC_INFINITY);
        add("a", 2); /* never in two batches at once */
        batch_done(b, q, BATCH_FORGET, 3);
        assert_string_equal(take(3, &q), "c");
        batch_done(b, q, BATCH_FORGET, 3);
        assert_string_equal(take(3, &q), "");
        batch_done(b, r, BATCH_FORGET, 4);
        assert_string_equal(take(4, &r), "a");
}

/* Batch=each: the quiet time of the item. */
static void test_settle_each(void **state) {
        BatchView v;
        BatchRun *r;

        make(&(BatchConfig){ .each = true, .settle = 10 * S, .settle_max = 25 * S });
        add("a", 0);
        add("b", 3 * S);
        assert_true(batch_next(b, 3 * S) == 10 * S);
        add("a", 9 * S);
        assert_true(batch_next(b, 9 * S) == 13 * S);
        assert_true(batch_find(b, "a", 1, 9 * S, &v));
        assert_int_equal(v.state, BATCH_FILE_SETTLING);
        assert_true(v.until == 19 * S);
        assert_string_equal(take(13 * S, &r), "b");
        batch_done(b, r, BATCH_FORGET, 14 * S);
        add("a", 18 * S);
        add("a", 24 * S); /* never quiet, but not put off for ever */
        assert_true(batch_next(b, 24 * S) == 25 * S);
        assert_string_equal(take(25 * S, &r), "a");
}

/* Batch=all: the quiet time of all, so that what changes together is one run. */
/* What could not be is not taken again at once, though nothing has to settle, holds up no others, and counts for
 * nothing. */
static void test_postponed(void **state) {
        BatchRun *r;

        make(&(BatchConfig){ .each = true, .parallel = 8, .limit_interval = 60 * S, .limit_burst = 2 });
        add("a", 1 * S);
        for (unsigned i = 0; i < 4; i++) {
                usec_t now = (1 + 5 * i) * S;

                assert_string_equal(take(now, &r), "a");
                batch_postpone(b, r, now + 5 * S, now);
                assert_true(batch_next(b, now) == now + 5 * S);
                assert_string_equal(take(now + 5 * S - 1, &r), "");
        }
        add("b", 20 * S);
        assert_string_equal(take(20 * S, &r), "b");
        assert_string_equal(take(21 * S, &r), "a");
        assert_int_equal(batch_n_waiting(b), 0);
        add("c", 22 * S);
        assert_true(batch_next(b, 22 * S) == 80 * S);
}

static void test_settle_all(void **state) {
        BatchView v;
        BatchRun *r;

        make(&(BatchConfig){ .settle = 2 * S, .settle_max = 60 * S, .parallel = 2 });
        for (unsigned i = 0; i < 10; i++) {
                assert_true(batch_next(b, i * S / 3) > i * S / 3);
                add((char[]){ (char)('a' + i), '\0' }, i * S / 3);
        }
        assert_true(batch_next(b, 3 * S) == 5 * S);
        assert_true(batch_find(b, "a", 1, 3 * S, &v));
        assert_int_equal(v.state, BATCH_FILE_SETTLING);
        assert_true(v.until == 5 * S);
        assert_string_equal(take(5 * S - 1, &r), "");
        assert_string_equal(take(5 * S, &r), "a b c d e f g h i j");
        batch_done(b, r, BATCH_FORGET, 5 * S);
        assert_true(batch_next(b, 6 * S) == USEC_INFINITY);
        /* Never quiet: the bound counts from the first change that no run has seen. */
        for (usec_t at = 100 * S; at <= 160 * S; at += S)
                add("x", at);
        assert_true(batch_next(b, 159 * S) == 160 * S);
        add("y", 160 * S);
        assert_string_equal(take(160 * S, &r), "x y");
        add("z", 161 * S);
        assert_true(batch_next(b, 161 * S) == 163 * S);
        batch_done(b, r, BATCH_AGAIN, 162 * S);
        assert_string_equal(take(163 * S, &r), "x y z");
}

/* As a checkout of so many files does. */
static void test_settle_many(void **state) {
        usec_t now = S;
        char name[16];
        BatchRun *r;

        make(&(BatchConfig){ .settle = 2 * S });
        for (unsigned i = 0; i < 1500; i++) {
                now += 10 * USEC_PER_MSEC;
                (void)snprintf(name, sizeof(name), "%u", i);
                add(name, now);
                assert_int_equal(batch_take(b, now, &r), 0);
        }
        assert_true(batch_next(b, now) == now + 2 * S);
        assert_int_equal(batch_take(b, now + 2 * S, &r), 1);
        assert_int_equal(batch_run_size(r), 1500);
}

/* Every change of a reload puts what waits where the new rules want it. */
static void test_other_rules(void **state) {
        BatchRun *r;

        make(&(BatchConfig){ .settle = 5 * S });
        add("a", 1 * S);
        add("b", 4 * S);
        assert_true(batch_next(b, 4 * S) == 9 * S);
        assert_int_equal(batch_set_config(b, &(BatchConfig){ .each = true, .settle = 5 * S }), 0);
        assert_true(batch_next(b, 4 * S) == 6 * S);
        assert_string_equal(take(6 * S, &r), "a");
        batch_done(b, r, BATCH_AGAIN, 6 * S);
        assert_int_equal(batch_set_config(b, &(BatchConfig){ .settle = 6 * S }), 0);
        assert_true(batch_next(b, 6 * S) == 10 * S);
        assert_string_equal(take(10 * S, &r), "a b");
}

/* --- the work of one turn, in steps --- */

#define MANY        300000U
#define LOG_OF_MANY 20U

static uint64_t steps_before;

/* No call may do more than the caller says; the most of any call since. */
static void check_steps(uint64_t max, uint64_t *most) {
        uint64_t n = steps_taken - steps_before;

        assert_true(n <= max);
        *most = n > *most ? n : *most;
        steps_before = steps_taken;
}

/* Files that come to rest in the reverse of their arrival. */
static void add_reversed(void) {
        char name[16];

        for (unsigned i = 0; i < MANY; i++) {
                (void)snprintf(name, sizeof(name), "%u", i);
                add(name, S + i);
        }
        for (unsigned i = MANY; i-- > 0;) {
                (void)snprintf(name, sizeof(name), "%u", i);
                add(name, 2 * S + MANY - i);
        }
}

static void test_reversed_each(void **state) {
        uint64_t most = 0;
        unsigned next = 0;
        char name[16];
        BatchRun *r;

        make(&(BatchConfig){ .each = true, .settle = S });
        add_reversed();
        steps_before = steps_taken;
        while (batch_next(b, 10 * S) == 0) {
                int q = batch_take(b, 10 * S, &r);

                check_steps(UINT64_C(2) * 4096 * LOG_OF_MANY, &most);
                if (q == 0)
                        continue;
                assert_int_equal(q, 1);
                (void)snprintf(name, sizeof(name), "%u", next++);
                assert_string_equal(batch_run_file(r, 0).path, name); /* by arrival all the same */
                batch_done(b, r, BATCH_FORGET, 10 * S);
                check_steps(LOG_OF_MANY, &most);
        }
        assert_int_equal(next, MANY);
        print_message("# the longest turn of %u: %" PRIu64 " steps\n", MANY, most);
}

static void test_reversed_all(void **state) {
        uint64_t most = 0;
        unsigned next = 0;
        char name[16];
        BatchRun *r;

        make(&(BatchConfig){ .settle = S });
        add_reversed();
        steps_before = steps_taken;
        while (batch_take(b, 10 * S, &r) == 1) {
                check_steps(BATCH_RUN_FILES_MAX, &most);
                for (size_t i = 0; i < batch_run_size(r); i++) {
                        (void)snprintf(name, sizeof(name), "%u", next++);
                        assert_string_equal(batch_run_file(r, i).path, name);
                }
                batch_done(b, r, BATCH_FORGET, 10 * S);
                check_steps(BATCH_RUN_FILES_MAX, &most);
        }
        assert_int_equal(next, MANY);
        print_message("# the longest turn of %u: %" PRIu64 " steps\n", MANY, most);
}

/* By bytes, whatever they are of; and it stays full until half of it is dealt with. */
static void test_full(void **state) {
        static char path[10000];
        unsigned n = 0;
        BatchRun *r;

        make(&(BatchConfig){ .bytes_max = 1 << 20, .files_max = 10 });
        memset(path, 'x', sizeof(path) - 1);
        while (!batch_is_full(b, /* until_now= */ false)) {
                path[0] = (char)++n;
                add(path, n);
        }
        assert_in_range(n, 100, 105);
        add("one more", n); /* is not refused */
        do {
                assert_int_equal(batch_take(b, 200, &r), 1);
                batch_done(b, r, BATCH_FORGET, 200);
        } while (batch_is_full(b, /* until_now= */ true));
        assert_in_range(batch_n_waiting(b), 40, 52);
        while (batch_take(b, 200, &r) == 1)
                batch_done(b, r, BATCH_FORGET, 200);
        assert_int_equal(batch_size(b), 0);
}

/* Paths that are long are fewer in a run. */
static void test_long_paths(void **state) {
        static char path[512 * 1024];
        unsigned n = 0;
        BatchRun *r;

        make(&(BatchConfig){});
        memset(path, 'x', sizeof(path) - 1);
        for (unsigned i = 0; i < 100; i++) {
                path[0] = (char)(i + 1);
                add(path, i);
        }
        while (batch_take(b, 200, &r) == 1) {
                assert_in_range(batch_run_size(r), 1, BATCH_RUN_BYTES_MAX / sizeof(path));
                n += (unsigned)batch_run_size(r);
                batch_done(b, r, BATCH_FORGET, 200);
        }
        assert_int_equal(n, 100);
}

static void test_change_during_run(void **state) {
        BatchView v;
        BatchRun *r;

        make(&(BatchConfig){});
        add("a", 1);
        add("b", 1);
        assert_string_equal(take(1, &r), "a b");
        add("c", 2);
        add("a", 3);
        assert_true(batch_find(b, "a", 1, 3, &v));
        assert_int_equal(v.state, BATCH_FILE_RUNNING_AGAIN);
        assert_string_equal(take(4, &r), "");
        batch_done(b, r, BATCH_FORGET, 5);
        assert_string_equal(take(5, &r), "c a");
}

/* What failed comes first. */
static void test_again(void **state) {
        BatchRun *r;

        make(&(BatchConfig){ .files_max = 2 });
        add("a", 1);
        add("b", 1);
        add("c", 1);
        assert_string_equal(take(1, &r), "a b");
        batch_done(b, r, BATCH_AGAIN, 2);
        assert_string_equal(take(2, &r), "a b");
        batch_done(b, r, BATCH_FORGET, 2);
        assert_string_equal(take(2, &r), "c");
}

static void test_moved(void **state) {
        BatchRun *r;

        make(&(BatchConfig){});
        add("x", 1);
        add("other", 2);
        assert_true(batch_add(b, "y", 1, "x", 1, 3) >= 0);
        assert_string_equal(take(3, &r), "y other");
        assert_true(batch_add(b, "z", 1, "y", 1, 4) >= 0); /* in a run: stays in it */
        batch_done(b, r, BATCH_FORGET, 5);
        assert_string_equal(take(5, &r), "z");
}

/* What a run does itself makes no other run, but it may move what waits for others' sake. */
static void test_own(void **state) {
        BatchView v;
        BatchRun *r;

        make(&(BatchConfig){});
        add("a", 1);
        add("b", 1);
        assert_string_equal(take(1, &r), "a b");
        assert_int_equal(batch_add_own(b, "a", 1, NULL, 2), 0);
        assert_int_equal(batch_add_own(b, "done", 4, "a", 2), 0);
        assert_int_equal(batch_add_own(b, "new", 3, NULL, 2), 0);
        add("c", 3);
        assert_int_equal(batch_add_own(b, "d", 1, "c", 4), 1);
        batch_done(b, r, BATCH_FORGET, 5);
        assert_false(batch_find(b, "c", 1, 5, &v));
        assert_string_equal(take(5, &r), "d");
}

static int visit_name(const BatchView *v, void *userdata) {
        strcat(userdata, v->file.path);
        return 0;
}

static void test_visit(void **state) {
        char text[64] = "";
        BatchRun *r;

        make(&(BatchConfig){ .files_max = 1 });
        add("a", 1);
        (void)take(1, &r);
        add("c", 2);
        add("b", 3);
        assert_int_equal(batch_visit(b, 4, visit_name, text), 0);
        assert_string_equal(text, "acb");
        assert_true(batch_remove(b, "c", 1));
        assert_false(batch_remove(b, "a", 1));
        assert_int_equal(batch_n_waiting(b), 1);
}

/* --- the limit --- */

/* A job that changes what it watches: how many runs it has in a span. */
static unsigned live(usec_t from, usec_t to, usec_t pause) {
        unsigned n = 0;
        BatchRun *r;

        for (usec_t now = from; now < to;) {
                usec_t next = batch_next(b, now);

                if (next == USEC_INFINITY)
                        add("a", now);
                else if (next > 0)
                        now = next;
                if (batch_take(b, now, &r) == 0)
                        continue;
                n++;
                now += USEC_PER_MSEC;
                batch_done(b, r, BATCH_FORGET, now);
                now += pause;
        }
        return n;
}

static void test_chasing_its_tail(void **state) {
        usec_t until, delay;

        make(&(BatchConfig){ .limit_interval = 2 * S, .limit_burst = 200 });
        assert_in_range(live(S, S + 10 * USEC_PER_MINUTE, 0), 205, 225);
        add("a", S + 10 * USEC_PER_MINUTE);
        assert_true(batch_is_limited(b, S + 10 * USEC_PER_MINUTE, &until, &delay));
        assert_true(delay == 64 * S);
        assert_true(until <= S + 10 * USEC_PER_MINUTE + 2 * delay);
        /* It never stops; and once it behaves, it is as quick as before. */
        assert_in_range(live(USEC_PER_HOUR, 2 * USEC_PER_HOUR, 0), 50, 70);
        assert_true(live(3 * USEC_PER_HOUR, 4 * USEC_PER_HOUR, S) > 3000);
}

/* Many files for good reasons. */
static void test_limit_of_each(void **state) {
        usec_t now = S;
        unsigned n = 0;
        char name[16];
        BatchRun *r;

        make(&(BatchConfig){ .each = true, .limit_interval = 2 * S, .limit_burst = 200 });
        for (unsigned i = 0; i < 1000; i++) {
                (void)snprintf(name, sizeof(name), "%u", i);
                add(name, now);
        }
        for (; n < 1000; n++) {
                now += batch_next(b, now) > now ? batch_next(b, now) - now : 0;
                assert_int_equal(batch_take(b, now, &r), 1);
                batch_done(b, r, BATCH_FORGET, now);
        }
        assert_true(now == S + 8 * S);
}

/* --- anything --- */

#define FILES 40

static void test_random(void **state) {
        unsigned seed = getenv("VAKT_SEED") ? (unsigned)atoi(getenv("VAKT_SEED")) : 1;
        usec_t now = S, changed[FILES] = {};
        bool unseen[FILES] = {}, in_run[FILES] = {};
        BatchRun *runs[3] = {};

        make(&(BatchConfig){ .settle = 3, .settle_max = 20, .parallel = 3, .files_max = 5 });
        for (unsigned step = 0; step < 200000; step++) {
                unsigned i = (unsigned)rand_r(&seed) % FILES, k = (unsigned)rand_r(&seed) % 3;
                char name[16];

                now += (usec_t)rand_r(&seed) % 3;
                (void)snprintf(name, sizeof(name), "%u", i);
                if (rand_r(&seed) % 2) {
                        add(name, now);
                        changed[i] = now;
                        unseen[i] = true;
                } else if (runs[k]) {
                        BatchOutcome outcome = rand_r(&seed) % 4 ? BATCH_FORGET : BATCH_AGAIN;

                        for (size_t f = 0; f < batch_run_size(runs[k]); f++) {
                                int id = atoi(batch_run_file(runs[k], f).path);

                                in_run[id] = false;
                                unseen[id] = unseen[id] || outcome == BATCH_AGAIN;
                        }
                        batch_done(b, runs[k], outcome, now);
                        runs[k] = NULL;
                } else if (batch_take(b, now, &runs[k]) == 1) {
                        assert_in_range(batch_run_size(runs[k]), 1, 5);
                        for (size_t f = 0; f < batch_run_size(runs[k]); f++) {
                                int id = atoi(batch_run_file(runs[k], f).path);

                                assert_false(in_run[id]);
                                assert_true(unseen[id]);
                                in_run[id] = true;
                                unseen[id] = false;
                        }
                }
        }
        /* All that nobody has seen yet still waits. */
        for (unsigned k = 0; k < 3; k++)
                if (runs[k])
                        batch_done(b, runs[k], BATCH_FORGET, now);
        for (unsigned i = 0; i < FILES; i++) {
                char name[16];
                BatchView v;

                (void)snprintf(name, sizeof(name), "%u", i);
                assert_int_equal(batch_find(b, name, strlen(name), now, &v), unseen[i]);
                assert_true(!unseen[i] || v.file.last <= now + changed[i]);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_teardown(test_all_in_order, unmake),
                cmocka_unit_test_teardown(test_each, unmake),
                cmocka_unit_test_teardown(test_postponed, unmake),
                cmocka_unit_test_teardown(test_settle_each, unmake),
                cmocka_unit_test_teardown(test_settle_all, unmake),
                cmocka_unit_test_teardown(test_settle_many, unmake),
                cmocka_unit_test_teardown(test_other_rules, unmake),
                cmocka_unit_test_teardown(test_reversed_each, unmake),
                cmocka_unit_test_teardown(test_reversed_all, unmake),
                cmocka_unit_test_teardown(test_full, unmake),
                cmocka_unit_test_teardown(test_long_paths, unmake),
                cmocka_unit_test_teardown(test_change_during_run, unmake),
                cmocka_unit_test_teardown(test_again, unmake),
                cmocka_unit_test_teardown(test_moved, unmake),
                cmocka_unit_test_teardown(test_own, unmake),
                cmocka_unit_test_teardown(test_visit, unmake),
                cmocka_unit_test_teardown(test_chasing_its_tail, unmake),
                cmocka_unit_test_teardown(test_limit_of_each, unmake),
                cmocka_unit_test_teardown(test_random, unmake),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
