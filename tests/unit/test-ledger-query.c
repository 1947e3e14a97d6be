/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Searches in the ledger: every filter alone and together, over what is stored and what is pending; and that whoever
 * reads on where one call stopped sees every run that matches exactly once, which a simple model of the ledger, an
 * array, decides. */

#include "test-ledger.h"

#include "ledger/ledger-internal.h"

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
                        .job = (i % 2 ? "a" : "b"),
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
        RunRecord r = { .job = "a", .state = RUN_RUNNING };
        LedgerFilter failed = { .results = BIT(RUN_RESULT_EXIT), .limit = 9 };
        LedgerFilter open = { .results = BIT(RUN_RESULT_NONE), .limit = 9 };

        for (unsigned i = 0; i < 3; i++)
                assert_int_equal(ledger_add(l, &r), 0);
        assert_int_equal(ledger_commit(l), 0);
        r = (RunRecord){ .id = 2, .job = "a", .state = RUN_DONE, .result = RUN_RESULT_EXIT };
        assert_int_equal(ledger_update(l, &r), 0);
        check_query(l, __LINE__, &failed, (uint64_t[]){ 2 }, 1);
        check_query(l, __LINE__, &open, (uint64_t[]){ 3, 1 }, 2);
}

/* A search for what is rare comes back now and then, and misses nothing. */
static void test_scan_is_bounded(void **state) {
        _cleanup_(ledger_closep) Ledger *l = open_ledger(NULL);
        LedgerFilter f = { .causes = BIT(RUN_CAUSE_CHAIN), .limit = 100 };
        RunRecord chained = { .job = "a", .state = RUN_DONE, .cause = RUN_CAUSE_CHAIN };
        unsigned n_calls = 0;
        Seen s = {};

        for (unsigned i = 0; i < 2 * LEDGER_SCAN_MAX + 10; i++)
                if (i == 5 || i == LEDGER_SCAN_MAX + 7)
                        assert_int_equal(ledger_add(l, &chained), 0);
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

#define N_LONG 30000U

/* A long history: of the ids of its first half nine in ten are gone, as after pruning; the clock was ahead for a while
 * twice, and once behind by fewer runs than LEDGER_CLOCK_SKEW. */
static usec_t requested_at(unsigned i) {
        bool ahead = (i > 2000 && i < 2000 + LEDGER_CLOCK_SKEW) || (i > 9500 && i < 9500 + LEDGER_CLOCK_SKEW / 2);

        return ahead ? 10 * (usec_t)N_LONG : i > 15000 && i < 15300 ? i - 700 : i;
}

static void fill_long_history(Ledger *l) {
        for (unsigned i = 1; i <= N_LONG; i++) {
                RunRecord r = { .job = (i % 2 ? "a" : "b"), .state = RUN_DONE, .requested = requested_at(i) };

                r.id = i <= N_LONG / 2 ? 10 * (uint64_t)i : 9 * (uint64_t)(N_LONG / 2) + i;
                assert_int_equal(ledger_update(l, &r), 0);
        }
        assert_int_equal(ledger_commit(l), 0);
}

/* The end of a period far back is found without reading down to it. */
static void test_until_far_back(void **state) {
        static const usec_t ends[] = { 1,    2,    500,   1999,  2500,  5000,   9000,
                                       9800, 9999, 14400, 15100, 20000, N_LONG, 1000000 };
        _cleanup_(ledger_closep) Ledger *l = open_ledger(NULL);

        fill_long_history(l);
        l->scan_max = 4 * LEDGER_CLOCK_SKEW;
        for (size_t i = 0; i < ELEMENTSOF(ends); i++) {
                LedgerFilter f = { .until = ends[i], .limit = 2 * N_LONG };
                size_t n = 0, n_expected = 0;
                unsigned n_calls = 0;

                for (unsigned k = 1; k <= N_LONG; k++)
                        n_expected += requested_at(k) <= ends[i];
                do {
                        assert_int_equal(ledger_query(l, &f, count, &n, &f.before), 0);
                        n_calls++;
                } while (f.before > 0);
                if (n != n_expected)
                        fail_msg("until %" PRIu64 ": %zu runs and not %zu", ends[i], n, n_expected);
                if (ends[i] > 14000 && n_calls > 1)
                        fail_msg("until %" PRIu64 ": %u calls", ends[i], n_calls);
        }
}

static void test_until_is_found_at_once(void **state) {
        _cleanup_(ledger_closep) Ledger *l = open_ledger(NULL);
        LedgerFilter f = { .until = 1500, .limit = 100, .job = "a" };
        uint64_t next = 1;
        Seen s = {};

        for (unsigned i = 1; i <= N_LONG; i++)
                (void)add_done(l, "a", RUN_RESULT_SUCCESS, i);
        assert_int_equal(ledger_commit(l), 0);
        l->scan_max = 3 * LEDGER_CLOCK_SKEW;
        (void)ledger_query(l, &f, see, &s, &next);
        assert_int_equal(s.n, ELEMENTSOF(s.ids));
        assert_int_equal(s.ids[0], 1500);
        /* Reading on goes on where it stopped, also above the end of the period. */
        f.before = 20000;
        s.n = 0;
        (void)ledger_query(l, &f, see, &s, &next);
        assert_int_equal(s.ids[0], 1500);
        f.before = 700;
        s.n = 0;
        (void)ledger_query(l, &f, see, &s, &next);
        assert_int_equal(s.ids[0], 699);
}

/* --- beside a model --- */

#define N_RUNS 3000U

static const char *const jobs[] = { "a", "b", "c", "rare" };

static uint32_t seed = 1;

/* xorshift: the same on every machine. */
static uint32_t draw(uint32_t n) {
        seed ^= seed << 13;
        seed ^= seed >> 17;
        seed ^= seed << 5;
        return seed % n;
}

static RunRecord draw_run(usec_t requested) {
        RunRecord r = RUN_RECORD_INIT;

        r.job = (draw(100) == 0 ? "rare" : jobs[draw(3)]);
        r.cause = draw(50) == 0 ? RUN_CAUSE_MANUAL : draw(20) == 0 ? draw(_RUN_CAUSE_MAX) : RUN_CAUSE_TIMER;
        r.result = draw(4) > 0 ? RUN_RESULT_SUCCESS : draw(_RUN_RESULT_MAX);
        r.state = r.result == RUN_RESULT_NONE ? RUN_RUNNING : RUN_DONE;
        /* The clock runs, and is ahead now and then, by no more than LEDGER_CLOCK_SKEW runs. */
        r.requested = requested + (draw(50) == 0 ? draw(8 * LEDGER_CLOCK_SKEW) : 0);
        return r;
}

static LedgerFilter draw_filter(void) {
        LedgerFilter f = { .limit = 1 + draw(draw(2) ? 5 : N_RUNS) };

        if (draw(2))
                f.job = jobs[draw(4)];
        if (draw(2))
                f.results = draw(2) ? BIT(draw(_RUN_RESULT_MAX)) : draw(BIT(_RUN_RESULT_MAX));
        if (draw(2))
                f.causes = draw(2) ? BIT(draw(_RUN_CAUSE_MAX)) : draw(BIT(_RUN_CAUSE_MAX));
        if (draw(2))
                f.since = draw(10 * N_RUNS);
        if (draw(2))
                f.until = f.since + draw(10 * N_RUNS);
        if (draw(2))
                f.before = 1 + draw(N_RUNS + 100);
        return f;
}

static bool matches(const LedgerFilter *f, const RunRecord *r) {
        return (!f->job || streq(f->job, r->job)) && (f->results == 0 || (f->results & BIT(r->result)) != 0) &&
               (f->causes == 0 || (f->causes & BIT(r->cause)) != 0) && r->requested >= f->since &&
               (f->until == 0 || r->requested <= f->until) && (f->before == 0 || r->id < f->before);
}

typedef struct Reader {
        const RunRecord *model; /* by id - 1 */
        LedgerFilter filter;
        uint64_t expected; /* all above were seen or do not match */
        unsigned n_left;
        unsigned round;
} Reader;

/* Down to the next one that the model has. */
static void find_next(Reader *r) {
        while (r->expected > 0 && !matches(&r->filter, &r->model[r->expected - 1]))
                r->expected--;
}

static int read_run(const RunRecord *record, void *userdata) {
        Reader *r = userdata;

        find_next(r);
        if (record->id != r->expected)
                fail_msg("round %u: run %" PRIu64 " comes where %" PRIu64 " should", r->round, record->id,
                         r->expected);
        r->expected--;
        r->n_left--;
        return 0;
}

/* Reads on to the end, as history does: where the search stopped, or behind the last one of a full page. */
static void read_all(Ledger *l, const RunRecord *model, unsigned round) {
        Reader r = { .model = model, .filter = draw_filter(), .expected = N_RUNS, .round = round };
        LedgerFilter f = r.filter;
        uint64_t next;

        do {
                r.n_left = f.limit;
                assert_int_equal(ledger_query(l, &f, read_run, &r, &next), 0);
                assert_true(next == 0 || f.before == 0 || next <= f.before);
                f.before = r.n_left == 0 ? r.expected + 1 : next;
        } while (f.before > 0);
        find_next(&r);
        if (r.expected > 0)
                fail_msg("round %u: run %" PRIu64 " is missing", round, r.expected);
}

/* Some runs change once they are stored, so that what is pending contradicts the rows. */
static void fill_both(Ledger *l, RunRecord *model, unsigned round) {
        for (unsigned i = 0; i < N_RUNS; i++) {
                model[i] = draw_run(10 * i);
                assert_int_equal(ledger_add(l, &model[i]), 0);
                assert_int_equal(model[i].id, i + 1);
                if (draw(round == 0 ? N_RUNS / 3 : 500) == 0)
                        assert_int_equal(ledger_commit(l), 0);
        }
        for (unsigned i = 0; i < N_RUNS / 20; i++) {
                RunRecord *r = &model[draw(N_RUNS)];

                r->result = draw(_RUN_RESULT_MAX);
                assert_int_equal(ledger_update(l, r), 0);
        }
}

static void test_reading_on(void **state) {
        RunRecord *model = calloc(N_RUNS, sizeof(*model));
        _cleanup_(ledger_closep) Ledger *l = open_ledger(NULL);

        assert_non_null(model);
        fill_both(l, model, 0);
        for (unsigned round = 0; round < 600; round++) {
                l->scan_max = 1 + draw(draw(2) ? 10 : N_RUNS);
                read_all(l, model, round);
                if (round == 300) /* nothing is pending any more */
                        assert_int_equal(ledger_commit(l), 0);
        }
        free(model);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                ledger_test(test_filters),
                ledger_test(test_filter_sees_pending_updates),
                ledger_test(test_scan_is_bounded),
                ledger_test(test_until_far_back),
                ledger_test(test_until_is_found_at_once),
                ledger_test(test_reading_on),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
