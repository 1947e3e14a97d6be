/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What is said to the ledger is there at once and after a restart: runs newest first, by every filter, their ids never
 * twice; marks; states of jobs; and history as long as it is to be kept. What it does when its database fails it is in
 * test-ledger-faults.c. */

#include "test-ledger.h"

#include <sqlite3.h>

#include "ledger/ledger-internal.h"

/* Runs the loop until it would wait. */
static void settle(sd_event *event) {
        while (sd_event_run(event, 0) > 0)
                ;
}

static void test_ids_over_restarts(void **state) {
        uint64_t last = 0;

        for (unsigned i = 0; i < 5; i++) {
                _cleanup_(ledger_closep) Ledger *l = open_ledger(NULL);

                for (unsigned k = 0; k < 150; k++) {
                        uint64_t id = add(l, "a");

                        assert_true(id > last);
                        last = id;
                }
        }
        assert_int_equal(last, 5 * 150); /* a clean end leaves no gap */
}

/* Neither pruning nor the loss of one of the two places where ids are written down brings one back. */
static void test_ids_are_not_reused(void **state) {
        Ledger *l = open_ledger(NULL);
        uint64_t last = add_done(l, "a", RUN_RESULT_SUCCESS, 1);

        ledger_set_retention(l, 0, USEC_INFINITY, NULL, NULL);
        assert_int_equal(ledger_commit(l), 0);
        while (ledger_upkeep(l, 2, 2))
                ;
        assert_int_equal(count_runs(l, NULL), 0);
        ledger_close(l);

        assert_int_equal(unlink(in_folder("next-run")), 0);
        l = open_ledger(NULL);
        assert_int_equal(add(l, "a"), last + 1);
        ledger_close(l);

        assert_int_equal(unlink(in_folder(LEDGER_FILE)), 0);
        l = open_ledger(NULL);
        assert_int_equal(add(l, "a"), last + 2);
        ledger_close(l);
}

static void test_first_of_boot(void **state) {
        _cleanup_(ledger_closep) Ledger *l = open_ledger(NULL);

        assert_true(ledger_is_first_of_boot(l));
        l = ledger_close(l);
        l = open_ledger(NULL);
        assert_false(ledger_is_first_of_boot(l));
        /* Either of the two places will do. */
        l = ledger_close(l);
        assert_int_equal(unlink(in_folder("boot")), 0);
        l = open_ledger(NULL);
        assert_false(ledger_is_first_of_boot(l));
        l = ledger_close(l);
        assert_int_equal(unlink(in_folder(LEDGER_FILE)), 0);
        l = open_ledger(NULL);
        assert_false(ledger_is_first_of_boot(l));
        l = ledger_close(l);
        assert_int_equal(unlink(in_folder("boot")), 0);
        assert_int_equal(unlink(in_folder(LEDGER_FILE)), 0);
        l = open_ledger(NULL);
        assert_true(ledger_is_first_of_boot(l));
}

static void check_update_and_list(Ledger *l, uint64_t a, uint64_t b, uint64_t c) {
        Seen s = {};

        assert_int_equal(ledger_get(l, b)->code, 3);
        assert_string_equal(ledger_get(l, b)->reason, "why");
        assert_null(ledger_get(l, 0));
        assert_null(ledger_get(l, c + 1));

        assert_int_equal(ledger_list(l, "a", 0, 10, see, &s), 0);
        assert_int_equal(s.n, 2);
        assert_int_equal(s.ids[0], c);
        assert_int_equal(s.ids[1], a);
        s.n = 0;
        assert_int_equal(ledger_list(l, NULL, c, 1, see, &s), 0);
        assert_int_equal(s.n, 1);
        assert_int_equal(s.ids[0], b);
        s.n = 0;
        assert_int_equal(ledger_list(l, NULL, UINT64_MAX, 0, see, &s), 0);
        assert_int_equal(s.n, 0);
        s.stop_at = 2;
        assert_int_equal(ledger_list(l, NULL, 0, 10, see, &s), 1);
        assert_int_equal(s.n, 2);
}

/* The answers are the same whether it was written already, in part, or read back after a restart. */
static void test_update_and_list(void **state) {
        _cleanup_(ledger_closep) Ledger *l = open_ledger(NULL);
        RunRecord done = {
                .job = (char *)"b", .state = RUN_DONE, .result = RUN_RESULT_EXIT, .code = 3, .reason = (char *)"why"
        };
        uint64_t a, b, c;

        a = add(l, "a");
        b = add(l, "b");
        c = add(l, "a");
        done.id = b;
        assert_int_equal(ledger_update(l, &done), 0);
        check_update_and_list(l, a, b, c);
        assert_int_equal(ledger_commit(l), 0);
        check_update_and_list(l, a, b, c);
        assert_int_equal(ledger_update(l, ledger_get(l, b)), 0);
        check_update_and_list(l, a, b, c);
        l = ledger_close(l);
        l = open_ledger(NULL);
        check_update_and_list(l, a, b, c);
        assert_int_equal(ledger_update(l, &done), 0);
        check_update_and_list(l, a, b, c);
}

static void test_every_field(void **state) {
        _cleanup_(ledger_closep) Ledger *l = open_ledger(NULL);
        RunRecord r = {
                .job = (char *)"back.up@1",
                .cause = RUN_CAUSE_CATCH_UP,
                .state = RUN_DONE,
                .result = RUN_RESULT_OOM,
                .code = -9,
                .attempt = UINT32_MAX,
                .trigger = RUN_TRIGGER_NONE,
                .parent = UINT64_MAX / 3,
                .scheduled = 1,
                .requested = 2,
                .started = UINT64_MAX,
                .ended = USEC_INFINITY - 1,
                .pid = INT32_MAX,
                .reason = (char *)"'); DROP TABLE runs; -- \xc3\xa9\n",
                .status_text = (char *)"",
        };
        const RunRecord *found;

        assert_int_equal(ledger_add(l, &r), 0);
        l = ledger_close(l);
        l = open_ledger(NULL);
        found = ledger_get(l, r.id);
        assert_non_null(found);
        assert_string_equal(found->job, r.job);
        assert_string_equal(found->reason, r.reason);
        assert_string_equal(found->status_text, "");
        r.job = found->job;
        r.reason = found->reason;
        r.status_text = found->status_text;
        assert_int_equal(found->cause, r.cause);
        assert_int_equal(found->state, r.state);
        assert_int_equal(found->result, r.result);
        assert_int_equal(found->code, r.code);
        assert_int_equal(found->attempt, r.attempt);
        assert_int_equal(found->trigger, r.trigger);
        assert_true(found->parent == r.parent && found->scheduled == 1 && found->requested == 2);
        assert_true(found->started == UINT64_MAX && found->ended == USEC_INFINITY - 1);
        assert_int_equal(found->pid, r.pid);
}

/* Every word of every enum comes back as itself. */
static void test_every_word(void **state) {
        _cleanup_(ledger_closep) Ledger *l = open_ledger(NULL);
        uint64_t first = 0;

        for (int i = 0; i < 2; i++) {
                for (unsigned k = 0; k < _RUN_RESULT_MAX; k++) {
                        RunRecord r = {
                                .job = (char *)"a",
                                .cause = k % _RUN_CAUSE_MAX,
                                .state = k % _RUN_STATE_MAX,
                                .result = k,
                        };

                        if (i == 0) {
                                assert_int_equal(ledger_add(l, &r), 0);
                                first = first ?: r.id;
                                continue;
                        }
                        assert_int_equal(ledger_get(l, first + k)->cause, r.cause);
                        assert_int_equal(ledger_get(l, first + k)->state, r.state);
                        assert_int_equal(ledger_get(l, first + k)->result, r.result);
                }
                assert_int_equal(ledger_commit(l), 0);
        }
}

/* A text of any length is no reason to fail; it is cut before a character, not within. */
static void test_long_texts(void **state) {
        _cleanup_(ledger_closep) Ledger *l = open_ledger(NULL);
        _cleanup_free_ char *text = malloc(2 << 20);
        RunRecord r = { .job = (char *)"a", .state = RUN_DONE, .reason = text };

        memset(text, 'x', 2 << 20);
        text[(2 << 20) - 1] = '\0';
        text[LEDGER_TEXT_MAX - 1] = '\xc3';
        text[LEDGER_TEXT_MAX] = '\xa9';
        assert_int_equal(ledger_add(l, &r), 0);
        assert_int_equal(ledger_commit(l), 0);
        assert_true(is_ok(l));
        assert_int_equal(strlen(ledger_get(l, r.id)->reason), LEDGER_TEXT_MAX - 1);

        assert_int_equal(ledger_set_mark(l, "a", text, 1), -ENAMETOOLONG);
        assert_int_equal(ledger_set_mark(l, text, "a", 1), -ENAMETOOLONG);
        assert_int_equal(ledger_set_job_state(l, text, &(LedgerJobState){ .paused = true }), -ENAMETOOLONG);
}

/* --- queries --- */

static void check_query(Ledger *l, int line, const LedgerFilter *f, const uint64_t *expected, size_t n) {
        Seen s = {};

        if (ledger_query(l, f, see, &s, NULL) != 0 || s.n != n || memcmp(s.ids, expected, n * sizeof(uint64_t)) != 0)
                fail_msg("line %d: %zu runs, the first is %" PRIu64, line, s.n, s.n > 0 ? s.ids[0] : 0);
}

#define BIT(x) (UINT32_C(1) << (x))

static void test_filters(void **state) {
        static const struct {
                int line;
                LedgerFilter filter;
                uint64_t ids[8];
        } table[] = {
                { __LINE__, { .limit = 9 }, { 6, 5, 4, 3, 2, 1 } },
                { __LINE__, { .limit = 2 }, { 6, 5 } },
                { __LINE__, { .limit = 9, .before = 3 }, { 2, 1 } },
                { __LINE__, { .limit = 9, .before = UINT64_MAX }, { 6, 5, 4, 3, 2, 1 } },
                { __LINE__, { .limit = 9, .job = "a" }, { 5, 3, 1 } },
                { __LINE__, { .limit = 1, .job = "a", .before = 5 }, { 3 } },
                { __LINE__, { .limit = 9, .job = "z" }, {} },
                { __LINE__, { .limit = 9, .results = BIT(RUN_RESULT_EXIT) }, { 5, 2 } },
                { __LINE__, { .limit = 9, .results = BIT(RUN_RESULT_EXIT) | BIT(RUN_RESULT_SKIPPED) }, { 5, 3, 2 } },
                { __LINE__, { .limit = 9, .results = BIT(RUN_RESULT_SUCCESS) }, { 4, 1 } },
                { __LINE__, { .limit = 9, .results = BIT(RUN_RESULT_NONE) }, { 6 } },
                { __LINE__, { .limit = 9, .results = BIT(RUN_RESULT_NONE) | BIT(RUN_RESULT_EXIT) }, { 6, 5, 2 } },
                { __LINE__, { .limit = 9, .job = "a", .results = BIT(RUN_RESULT_EXIT) }, { 5 } },
                { __LINE__, { .limit = 9, .causes = BIT(RUN_CAUSE_MANUAL) }, { 4, 2 } },
                { __LINE__,
                  { .limit = 9, .causes = BIT(RUN_CAUSE_MANUAL) | BIT(RUN_CAUSE_TIMER) },
                  { 6, 5, 4, 3, 2, 1 } },
                { __LINE__, { .limit = 9, .causes = BIT(RUN_CAUSE_CHAIN) }, {} },
                { __LINE__, { .limit = 9, .since = 300 }, { 6, 5, 4, 3 } },
                { __LINE__, { .limit = 9, .until = 300 }, { 3, 2, 1 } },
                { __LINE__, { .limit = 9, .since = 200, .until = 400, .job = "b" }, { 4, 2 } },
                { __LINE__, { .limit = 9, .since = 601 }, {} },
        };
        static const RunResult results[] = {
                RUN_RESULT_SUCCESS, RUN_RESULT_EXIT, RUN_RESULT_SKIPPED,
                RUN_RESULT_SUCCESS, RUN_RESULT_EXIT, RUN_RESULT_NONE,
        };
        _cleanup_(ledger_closep) Ledger *l = open_ledger(NULL);

        for (unsigned i = 1; i <= ELEMENTSOF(results); i++) {
                RunRecord r = {
                        .job = (char *)(i % 2 ? "a" : "b"),
                        .cause = i == 2 || i == 4 ? RUN_CAUSE_MANUAL : RUN_CAUSE_TIMER,
                        .state = results[i - 1] == RUN_RESULT_NONE ? RUN_RUNNING : RUN_DONE,
                        .result = results[i - 1],
                        .requested = i * 100,
                };

                assert_int_equal(ledger_add(l, &r), 0);
                assert_int_equal(r.id, i);
                if (i == 4) /* half of it stands in the database, half is pending */
                        assert_int_equal(ledger_commit(l), 0);
        }
        for (int pass = 0; pass < 2; pass++) {
                for (size_t i = 0; i < ELEMENTSOF(table); i++) {
                        size_t n = 0;

                        while (table[i].ids[n] != 0)
                                n++;
                        check_query(l, table[i].line, &table[i].filter, table[i].ids, n);
                }
                assert_int_equal(ledger_commit(l), 0);
        }
}

/* An update that is pending decides, whatever the row in the database says. */
static void test_filter_sees_pending_updates(void **state) {
        _cleanup_(ledger_closep) Ledger *l = open_ledger(NULL);
        RunRecord r = { .job = (char *)"a", .state = RUN_RUNNING };
        LedgerFilter failed = { .results = BIT(RUN_RESULT_EXIT), .limit = 9 };
        LedgerFilter open = { .results = BIT(RUN_RESULT_NONE), .limit = 9 };

        for (unsigned i = 0; i < 3; i++)
                assert_int_equal(ledger_add(l, &r), 0);
        assert_int_equal(ledger_commit(l), 0);
        r = (RunRecord){ .id = 2, .job = (char *)"a", .state = RUN_DONE, .result = RUN_RESULT_EXIT };
        assert_int_equal(ledger_update(l, &r), 0);
        check_query(l, __LINE__, &failed, (uint64_t[]){ 2 }, 1);
        check_query(l, __LINE__, &open, (uint64_t[]){ 3, 1 }, 2);
}

/* A search for what is rare comes back now and then, and misses nothing. */
static void test_scan_is_bounded(void **state) {
        _cleanup_(ledger_closep) Ledger *l = open_ledger(NULL);
        LedgerFilter f = { .causes = BIT(RUN_CAUSE_MANUAL), .limit = 100 };
        RunRecord manual = { .job = (char *)"a", .state = RUN_DONE, .cause = RUN_CAUSE_MANUAL };
        unsigned n_calls = 0;
        Seen s = {};

        for (unsigned i = 0; i < 2 * LEDGER_SCAN_MAX + 10; i++)
                if (i == 5 || i == LEDGER_SCAN_MAX + 7)
                        assert_int_equal(ledger_add(l, &manual), 0);
                else
                        (void)add_done(l, "a", RUN_RESULT_SUCCESS, 1000);
        assert_int_equal(ledger_commit(l), 0);
        do {
                assert_int_equal(ledger_query(l, &f, see, &s, &f.before), 0);
                n_calls++;
        } while (f.before > 0);
        assert_int_equal(n_calls, 3);
        assert_int_equal(s.n, 2);
        assert_int_equal(s.ids[0], LEDGER_SCAN_MAX + 8);
        assert_int_equal(s.ids[1], 6);

        /* The end of a period is found without reading on, and a clock that was wrong for some runs hides none. */
        for (unsigned i = 0; i < 100; i++)
                (void)add_done(l, "a", RUN_RESULT_SUCCESS, i % 10 == 0 ? 5000 : 3);
        f = (LedgerFilter){ .since = 4000, .limit = 100 };
        s.n = 0;
        assert_int_equal(ledger_query(l, &f, see, &s, &f.before), 0);
        assert_int_equal(s.n, 10);
        assert_int_equal(f.before, 0);
}

/* --- adoption --- */

typedef struct Unfinished {
        uint64_t ids[8];
        size_t n, n_of_this_boot;
        Ledger *ledger;
} Unfinished;

static int see_unfinished(const RunRecord *r, bool this_boot, void *userdata) {
        Unfinished *u = userdata;

        u->ids[u->n++] = r->id;
        u->n_of_this_boot += this_boot;
        if (u->ledger) {
                RunRecord done = *r;

                done.state = RUN_DONE;
                done.result = RUN_RESULT_LOST;
                assert_int_equal(ledger_update(u->ledger, &done), 0);
                assert_int_equal(ledger_get(u->ledger, r->id)->result, RUN_RESULT_LOST);
        }
        return 0;
}

static void test_unfinished(void **state) {
        _cleanup_(ledger_closep) Ledger *l = open_ledger(NULL);
        Unfinished u = {};

        add(l, "a");
        add_done(l, "a", RUN_RESULT_SUCCESS, 1);
        add(l, "b");
        add(l, "c");
        l = ledger_close(l);
        l = open_ledger(NULL);
        add(l, "d");
        assert_int_equal(ledger_update(l, &(RunRecord){ .id = 3, .job = (char *)"b", .state = RUN_DONE }), 0);
        assert_int_equal(ledger_unfinished(l, see_unfinished, &u), 0);
        assert_int_equal(u.n, 3);
        assert_memory_equal(u.ids, ((uint64_t[]){ 1, 4, 5 }), 3 * sizeof(uint64_t));
        assert_int_equal(u.n_of_this_boot, 3);

        /* The visit may end them. */
        u = (Unfinished){ .ledger = l };
        assert_int_equal(ledger_unfinished(l, see_unfinished, &u), 0);
        assert_int_equal(u.n, 3);
        u = (Unfinished){};
        assert_int_equal(ledger_unfinished(l, see_unfinished, &u), 0);
        assert_int_equal(u.n, 0);
}

static void run_sql(const char *sql) {
        sqlite3 *db = NULL;

        assert_int_equal(sqlite3_open(in_folder(LEDGER_FILE), &db), SQLITE_OK);
        assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
        assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void test_unfinished_of_another_boot(void **state) {
        Ledger *l = open_ledger(NULL);
        Unfinished u = {};

        add(l, "a");
        add(l, "a");
        ledger_close(l);
        run_sql("UPDATE runs SET boot = '00000000000000000000000000000001'");
        l = open_ledger(NULL);
        assert_int_equal(ledger_update(l, &(RunRecord){ .id = 2, .job = (char *)"a", .state = RUN_RUNNING }), 0);
        assert_int_equal(ledger_commit(l), 0);
        assert_int_equal(ledger_unfinished(l, see_unfinished, &u), 0);
        assert_int_equal(u.n, 2);
        assert_int_equal(u.n_of_this_boot, 1);
        ledger_close(l);
}

/* --- marks and states --- */

static int count_mark(const char *job, const char *key, usec_t usec, void *userdata) {
        ++*(size_t *)userdata;
        return 0;
}

static size_t count_marks(Ledger *l, const char *job) {
        size_t n = 0;

        assert_int_equal(ledger_list_marks(l, job, count_mark, &n), 0);
        return n;
}

static void check_mark(Ledger *l, const char *job, const char *key, usec_t expected) {
        usec_t usec = 12345;
        int r = ledger_get_mark(l, job, key, &usec);

        if (expected == 0)
                assert_int_equal(r, -ENOENT);
        else
                assert_int_equal(r, 0);
        assert_true(usec == (expected ?: 12345));
}

static void test_marks(void **state) {
        char *keep[] = { (char *)"k2", NULL };
        _cleanup_(ledger_closep) Ledger *l = open_ledger(NULL);

        check_mark(l, "a", "k1", 0);
        assert_int_equal(ledger_set_mark(l, "a", "k1", 10), 0);
        assert_int_equal(ledger_set_mark(l, "a", "k2", 20), 0);
        assert_int_equal(ledger_set_mark(l, "a", "k3", 300), 0);
        assert_int_equal(ledger_set_mark(l, "b", "k1", USEC_INFINITY - 1), 0);
        check_mark(l, "a", "k1", 10);
        for (int i = 0; i < 2; i++) {
                l = ledger_close(l);
                l = open_ledger(NULL);
                check_mark(l, "a", "k1", 10 + (usec_t)i);
                check_mark(l, "b", "k1", USEC_INFINITY - 1);
                assert_int_equal(ledger_set_mark(l, "a", "k1", 11), 0);
                check_mark(l, "a", "k1", 11);
                assert_int_equal(count_marks(l, "a"), 3);
                assert_int_equal(count_marks(l, "b"), 1);
                assert_int_equal(count_marks(l, NULL), 4);
        }
        /* k1 goes, pending though it is; k2 is kept, k3 is too young, and so is all of b. */
        assert_int_equal(ledger_forget_marks(l, "a", keep, 100), 0);
        for (int i = 0; i < 2; i++) {
                check_mark(l, "a", "k1", 0);
                check_mark(l, "a", "k2", 20);
                check_mark(l, "a", "k3", 300);
                assert_int_equal(count_marks(l, NULL), 3);
                l = ledger_close(l);
                l = open_ledger(NULL);
        }
        assert_int_equal(ledger_forget_marks(l, "b", NULL, USEC_INFINITY), 0);
        assert_int_equal(ledger_set_mark(l, "b", "k1", 5), 0);
        check_mark(l, "b", "k1", 5);
}

static int count_state(const char *job, const LedgerJobState *state, void *userdata) {
        ++*(size_t *)userdata;
        return 0;
}

static size_t count_states(Ledger *l) {
        size_t n = 0;

        assert_int_equal(ledger_list_job_states(l, count_state, &n), 0);
        return n;
}

static void test_job_states(void **state) {
        _cleanup_(ledger_closep) Ledger *l = open_ledger(NULL);
        LedgerJobState s = { .skip = 9 };

        assert_int_equal(ledger_get_job_state(l, "a", &s), 0);
        assert_true(!s.paused && s.pause_until == 0 && s.skip == 0);
        s = (LedgerJobState){ .paused = true, .pause_until = USEC_INFINITY, .skip = UINT32_MAX };
        assert_int_equal(ledger_set_job_state(l, "a", &s), 0);
        s = (LedgerJobState){ .skip = 1 };
        assert_int_equal(ledger_set_job_state(l, "b", &s), 0);
        assert_int_equal(ledger_set_job_state(l, "", &s), 0);
        assert_int_equal(count_states(l), 3);
        l = ledger_close(l);
        l = open_ledger(NULL);
        assert_int_equal(count_states(l), 3);
        assert_int_equal(ledger_get_job_state(l, "a", &s), 0);
        assert_true(s.paused && s.pause_until == USEC_INFINITY && s.skip == UINT32_MAX);
        assert_int_equal(ledger_set_job_state(l, "a", &(LedgerJobState){}), 0);
        assert_int_equal(count_states(l), 2);
        l = ledger_close(l);
        l = open_ledger(NULL);
        assert_int_equal(count_states(l), 2);
}

/* --- the event loop --- */

static void test_one_transaction_a_turn(void **state) {
        sd_event *event = NULL;
        Ledger *l;

        assert_int_equal(sd_event_new(&event), 0);
        l = open_ledger(event);
        settle(event);
        assert_int_equal(sd_event_run(event, 0), 0); /* nothing wakes an idle daemon */

        add(l, "a");
        assert_int_equal(ledger_set_mark(l, "a", "k", 1), 0);
        assert_false(pending_is_empty(&l->pending));
        settle(event);
        assert_true(pending_is_empty(&l->pending));
        add(l, "a");
        assert_int_equal(ledger_commit(l), 0);
        assert_true(pending_is_empty(&l->pending));
        settle(event);
        assert_int_equal(sd_event_run(event, 0), 0);
        ledger_close(l);
        sd_event_unref(event);
}

/* --- retention --- */

static void keep_three_of_b(const char *job, unsigned *keep, usec_t *keep_usec, void *userdata) {
        if (streq(job, "b"))
                *keep = 3;
        if (streq(job, "young"))
                *keep_usec = 100;
}

static void test_retention(void **state) {
        usec_t now = now_realtime();
        sd_event *event = NULL;
        uint64_t unfinished;
        Ledger *l;

        assert_int_equal(sd_event_new(&event), 0);
        l = open_ledger(event);
        ledger_set_retention(l, 5, USEC_PER_HOUR, keep_three_of_b, NULL);
        for (unsigned i = 0; i < 500; i++) {
                add_done(l, "a", RUN_RESULT_SUCCESS, now);
                add_done(l, "b", RUN_RESULT_SUCCESS, now);
        }
        unfinished = add(l, "a");
        for (unsigned i = 0; i < 4; i++) {
                add_done(l, "c", RUN_RESULT_SUCCESS, now - (i < 2 ? 2 * USEC_PER_HOUR : 0));
                add_done(l, "young", RUN_RESULT_SUCCESS, now - USEC_PER_SEC);
        }
        settle(event);
        assert_int_equal(count_runs(l, "a"), 6);
        assert_int_equal(count_runs(l, "b"), 3);
        assert_int_equal(count_runs(l, "c"), 2);
        assert_int_equal(count_runs(l, "young"), 0);
        assert_non_null(ledger_get(l, unfinished));

        /* Settings that change take hold of what is there already. */
        ledger_set_retention(l, LEDGER_KEEP_ALL, USEC_INFINITY, NULL, NULL);
        for (unsigned i = 0; i < 50; i++)
                add_done(l, "b", RUN_RESULT_SUCCESS, 1);
        settle(event);
        assert_int_equal(count_runs(l, "b"), 53);
        ledger_set_retention(l, 2, USEC_INFINITY, NULL, NULL);
        settle(event);
        assert_int_equal(count_runs(l, "a"), 3);
        assert_int_equal(count_runs(l, "b"), 2);
        ledger_close(l);
        sd_event_unref(event);
}

/* A long queue does not eat the history. */
static void test_retention_leaves_queues(void **state) {
        _cleanup_(ledger_closep) Ledger *l = open_ledger(NULL);

        for (unsigned i = 0; i < 10; i++)
                add_done(l, "a", RUN_RESULT_SUCCESS, 1);
        for (unsigned i = 0; i < 20; i++)
                add(l, "a");
        ledger_set_retention(l, 4, USEC_INFINITY, NULL, NULL);
        assert_int_equal(ledger_commit(l), 0);
        while (ledger_upkeep(l, 1000, 1000))
                ;
        assert_int_equal(count_runs(l, "a"), 24);
}

/* --- two daemons --- */

static void test_second_opener(void **state) {
        Ledger *l = open_ledger(NULL), *second = NULL;
        char *message = NULL;

        assert_int_equal(ledger_open(&second, NULL, folder, &message), -EBUSY);
        assert_null(second);
        assert_non_null(strstr(message, folder));
        free(message);
        assert_int_equal(ledger_open(&second, NULL, folder, NULL), -EBUSY);
        add(l, "a");
        assert_int_equal(ledger_commit(l), 0);
        ledger_close(l);
        l = open_ledger(NULL);
        assert_int_equal(count_runs(l, NULL), 1);
        ledger_close(l);
}

static void test_files(void **state) {
        _cleanup_(ledger_closep) Ledger *l = NULL;
        struct stat st;

        assert_int_equal(ledger_open(&l, NULL, "/nonexistent", NULL), -ENOENT);
        l = open_ledger(NULL);
        add(l, "a");
        assert_int_equal(ledger_commit(l), 0);
        assert_int_equal(stat(in_folder(LEDGER_FILE), &st), 0);
        assert_int_equal(st.st_mode & 0777, 0600);
        assert_int_equal(stat(in_folder(LEDGER_FILE "-wal"), &st), 0);
        assert_int_equal(st.st_mode & 0777, 0600);
        assert_int_equal(access(in_folder(LEDGER_FILE "-shm"), F_OK), -1);
        l = ledger_close(l);
        assert_int_equal(access(in_folder(LEDGER_FILE "-wal"), F_OK), -1);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                ledger_test(test_ids_over_restarts),
                ledger_test(test_ids_are_not_reused),
                ledger_test(test_first_of_boot),
                ledger_test(test_update_and_list),
                ledger_test(test_every_field),
                ledger_test(test_every_word),
                ledger_test(test_long_texts),
                ledger_test(test_filters),
                ledger_test(test_filter_sees_pending_updates),
                ledger_test(test_scan_is_bounded),
                ledger_test(test_unfinished),
                ledger_test(test_unfinished_of_another_boot),
                ledger_test(test_marks),
                ledger_test(test_job_states),
                ledger_test(test_one_transaction_a_turn),
                ledger_test(test_retention),
                ledger_test(test_retention_leaves_queues),
                ledger_test(test_second_opener),
                ledger_test(test_files),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
