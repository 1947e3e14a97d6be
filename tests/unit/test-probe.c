/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* One probe for equal questions, when it is looked at, and who is told: on a clock that the test turns, with values
 * that it writes. */

#include "fake-clock.h"
#include "test-probe.h"

#define N_QUESTIONS 50
#define N_USES      1000

/* All that is due by now. */
static void settle(void) {
        while (fake_clock_run(test_event) > 0)
                ;
}

/* Lets time pass; all that becomes due does so at its time. */
static void pass(usec_t time) {
        usec_t end = fake_clock.boottime + time;

        settle();
        while (fake_clock_next() <= end - fake_clock.boottime) {
                fake_clock_advance(fake_clock_next());
                settle();
        }
        fake_clock_advance(end - fake_clock.boottime);
}

static void put_load(const char *load1) {
        char text[64];

        (void)snprintf(text, sizeof(text), "%s 0.20 0.30 1/100 4242\n", load1);
        put_file("proc/loadavg", text);
}

static int set_up(void **state) {
        ProbesOptions options = { .root = test_root };

        fake_clock = (FakeClock){ UINT64_C(1700000000000000), 1000 * USEC_PER_SEC, 900 * USEC_PER_SEC };
        assert_non_null(mkdtemp(test_root));
        assert_int_equal(sd_event_new(&test_event), 0);
        assert_int_equal(probes_new(&test_probes, test_event, &options), 0);
        put_load("0.10");
        return 0;
}

static int tear_down(void **state) {
        if (test_probes->n_probes == 0) /* else it has failed, and its uses are gone */
                (void)probes_free(test_probes);
        test_event = sd_event_unref(test_event);
        remove_root();
        return 0;
}

static TestUse load_above(int64_t limit) {
        TestUse t = test_use_of(CONDITION_LOAD1, NULL, NULL);

        t.test.limit = limit;
        return t;
}

static usec_t interval_of(const TestUse *t) {
        usec_t interval;

        assert_string_equal(probe_source(&t->use, &interval), "sample");
        return interval;
}

/* --- sharing --- */

static int count_probe(const Question *q, const Reading *r, unsigned n_uses, void *userdata) {
        assert_int_equal(n_uses, N_USES / N_QUESTIONS);
        assert_true(r->is_known);
        ++*(unsigned *)userdata;
        return 0;
}

static int refuse(const Question *q, const Reading *r, unsigned n_uses, void *userdata) {
        return -ECANCELED;
}

/* 1,000 uses of 50 questions are 50 probes; a round of looks is 50 looks, not more than 16 a turn. */
static void test_sharing(void **state) {
        static TestUse uses[N_USES];
        char names[N_QUESTIONS][32];
        unsigned n = 0;
        uint64_t before;

        for (unsigned i = 0; i < N_QUESTIONS; i++)
                (void)snprintf(names[i], sizeof(names[i]), "@vakt-nobody-%u", i);
        for (unsigned i = 0; i < N_USES; i++) {
                uses[i] = test_use_of(CONDITION_LISTENING, names[i * 7 % N_QUESTIONS], "unix");
                test_begin(&uses[i]);
                assert_false(test_reading(&uses[i])->is_known);
                assert_string_equal(test_reading(&uses[i])->reason, "It was not asked for yet.");
        }
        assert_int_equal(test_probes->n_looks, 0);
        assert_true(fake_clock_run(test_event) > 0);
        assert_int_equal(test_probes->n_looks, 16);
        settle();
        assert_int_equal(test_probes->n_looks, N_QUESTIONS);
        assert_int_equal(probes_list(test_probes, count_probe, &n), 0);
        assert_int_equal(n, N_QUESTIONS);
        assert_int_equal(probes_list(test_probes, refuse, NULL), -ECANCELED);
        for (unsigned i = 0; i < N_USES; i++) {
                assert_int_equal(uses[i].n_told, 1);
                assert_int_equal(uses[i].told[0].value, 0);
        }
        /* Nothing moves: after a while each is looked at every 30 seconds, all in the same wake-ups. */
        pass(5 * USEC_PER_MINUTE);
        before = test_probes->n_looks;
        pass(5 * USEC_PER_MINUTE);
        assert_int_equal(test_probes->n_looks - before, 10 * N_QUESTIONS);
        assert_int_equal(uses[0].n_told, 1);
        for (unsigned i = 0; i < N_USES; i++)
                probe_unuse(&uses[i].use);
        assert_int_equal(test_probes->n_probes, 0);
        assert_true(fake_clock_next() == USEC_INFINITY);
}

/* All looks share wake-ups, whenever they began and however often they may be. */
static void test_wake_ups(void **state) {
        TestUse a = load_above(8000), b = test_use_of(CONDITION_LOAD5, NULL, NULL),
                c = test_use_of(CONDITION_LOAD15, NULL, NULL);
        unsigned n = 0;
        usec_t end;

        b.use.sample_max = 50 * USEC_PER_SEC;
        c.use.sample_max = 5 * USEC_PER_MINUTE;
        test_begin(&a);
        pass(1100 * USEC_PER_MSEC);
        test_begin(&b);
        pass(700 * USEC_PER_MSEC);
        test_begin(&c);
        pass(5 * USEC_PER_MINUTE);
        end = fake_clock.boottime + 10 * USEC_PER_MINUTE;
        while (fake_clock.boottime < end) {
                fake_clock_advance(fake_clock_next());
                settle();
                n++;
        }
        assert_in_range(n, 20, 21); /* each 30 seconds */
        probe_unuse(&a.use);
        probe_unuse(&b.use);
        probe_unuse(&c.use);
}

static void test_not_ours(void **state) {
        TestUse t = test_use_of(CONDITION_JOB, "a", "failed");

        t.use.test = &t.test;
        assert_int_equal(probe_use(test_probes, &t.use), -EOPNOTSUPP);
        assert_null(t.use.probe);
        probe_unuse(&t.use); /* not in use */
}

/* --- intervals --- */

/* A value about which nothing is known is looked at again soon, and one that does not move at the longest interval. */
static void test_interval_grows(void **state) {
        TestUse t = load_above(8000);
        static const unsigned expected[] = { 1, 2, 4, 8, 16, 30, 30 };

        test_begin(&t);
        settle();
        for (unsigned i = 0; i < ELEMENTSOF(expected); i++) {
                assert_true(interval_of(&t) == expected[i] * USEC_PER_SEC);
                assert_true(fake_clock_next() <= expected[i] * USEC_PER_SEC);
                assert_true(i < 5 || (fake_clock.boottime + fake_clock_next()) % (30 * USEC_PER_SEC) == 0);
                pass(fake_clock_next());
                settle();
        }
        probe_unuse(&t.use);
}

/* Headroom by rate: 0.1 a second from 0.1 towards 8. */
static void test_interval_shrinks(void **state) {
        TestUse t = load_above(8000);
        usec_t longest = 0;
        unsigned n_late = 0;

        t.use.sample_max = USEC_PER_HOUR;
        test_begin(&t);
        for (unsigned tenths = 1; tenths <= 90; tenths++) {
                char text[16];

                (void)snprintf(text, sizeof(text), "%u.%u0", tenths / 10, tenths % 10);
                put_load(text);
                pass(USEC_PER_SEC);
                longest = MAX(longest, interval_of(&t));
                if (tenths > 80 && test_reading(&t)->value <= 8000)
                        n_late++;
        }
        assert_in_range(longest, 10 * USEC_PER_SEC, 60 * USEC_PER_SEC);
        assert_true(n_late <= 2); /* it was seen within two seconds */
        /* What it did is forgotten by and by. */
        put_load("1.00");
        pass(USEC_PER_HOUR);
        assert_true(interval_of(&t) < 30 * USEC_PER_MINUTE);
        pass(24 * USEC_PER_HOUR);
        assert_true(interval_of(&t) == USEC_PER_HOUR);
        probe_unuse(&t.use);
}

/* One that stands at the limit, and has moved once, is not looked at each second for ever. */
static void test_interval_at_the_limit(void **state) {
        TestUse t = load_above(100);

        test_begin(&t);
        settle();
        put_load("0.11");
        pass(USEC_PER_SEC);
        put_load("0.10");
        pass(USEC_PER_SEC);
        assert_true(interval_of(&t) == USEC_PER_SEC);
        pass(3 * USEC_PER_HOUR);
        assert_true(interval_of(&t) == 30 * USEC_PER_SEC);
        probe_unuse(&t.use);
}

static int64_t truth;

static int look_at_truth(Probe *p, Reading *ret) {
        return probe_known(ret, truth);
}

/* What is true or not has no rate: after a change it is looked at soon, and then as before. */
static void test_interval_of_truth(void **state) {
        static const ProbeKind kind = { .look = look_at_truth };
        TestUse t = test_use_of(CONDITION_LISTENING, "@vakt-nobody", "unix");

        t.test.op = CONDITION_IS;
        test_begin(&t);
        t.use.probe->kind = &kind;
        settle();
        truth = true;
        pass(USEC_PER_SEC);
        assert_int_equal(t.n_told, 2);
        assert_true(interval_of(&t) == USEC_PER_SEC);
        pass(2 * USEC_PER_MINUTE);
        assert_true(interval_of(&t) == 30 * USEC_PER_SEC);
        truth = false;
        pass(30 * USEC_PER_SEC);
        assert_int_equal(t.n_told, 3);
        assert_true(interval_of(&t) < 30 * USEC_PER_SEC);
        probe_unuse(&t.use);
}

/* Somebody else asks who has a nearer limit, or wants to be told sooner. */
static void test_interval_of_many(void **state) {
        TestUse far = load_above(100000), near = load_above(1051), soon = load_above(100000);

        far.use.sample_max = near.use.sample_max = USEC_PER_HOUR;
        soon.use.sample_max = 100 * USEC_PER_MSEC;
        test_begin(&far);
        settle();
        put_load("1.00"); /* 0.9 in a second */
        pass(USEC_PER_SEC);
        put_load("1.05");
        pass(5 * USEC_PER_HOUR);
        assert_true(interval_of(&far) == USEC_PER_HOUR);
        test_begin(&near);
        settle();
        assert_int_equal(near.n_told, 1); /* of what is known already */
        assert_int_equal(near.told[0].value, 1050);
        assert_true(fake_clock_next() < 20 * USEC_PER_MINUTE);
        test_begin(&soon);
        settle();
        assert_true(fake_clock_next() <= USEC_PER_SEC); /* not sooner than a second */
        pass(10 * USEC_PER_SEC);
        assert_true(interval_of(&soon) == USEC_PER_SEC);
        probe_unuse(&soon.use);
        pass(10 * USEC_PER_MINUTE);
        assert_true(interval_of(&far) > USEC_PER_SEC);
        probe_unuse(&far.use);
        probe_unuse(&near.use);
}

/* The machine was asleep: what is due is looked at once. */
static void test_suspend(void **state) {
        TestUse t = load_above(8000);
        uint64_t before;

        test_begin(&t);
        pass(10 * USEC_PER_MINUTE);
        before = test_probes->n_looks;
        put_load("9.00");
        fake_clock_suspend(8 * USEC_PER_HOUR);
        settle();
        assert_int_equal(test_probes->n_looks, before + 1);
        assert_int_equal(test_reading(&t)->value, 9000);
        probe_unuse(&t.use);
}

/* --- telling --- */

static void test_told_of_changes(void **state) {
        TestUse t = load_above(8000);

        test_begin(&t);
        settle();
        assert_int_equal(t.n_told, 1);
        assert_int_equal(t.told[0].value, 100);
        assert_true(t.told[0].at == UINT64_C(1700000000000000));
        pass(10 * USEC_PER_MINUTE);
        assert_int_equal(t.n_told, 1);
        assert_true(test_reading(&t)->at > UINT64_C(1700000000000000) + 9 * USEC_PER_MINUTE);
        remove_file("proc/loadavg");
        pass(30 * USEC_PER_SEC);
        assert_int_equal(t.n_told, 2);
        assert_false(t.told[1].is_known);
        assert_string_equal(test_reading(&t)->reason, "Cannot read /proc/loadavg: No such file or directory.");
        pass(10 * USEC_PER_MINUTE);
        assert_int_equal(t.n_told, 2);
        put_load("0.10");
        pass(30 * USEC_PER_SEC);
        assert_int_equal(t.n_told, 3);
        assert_true(t.told[2].is_known);
        assert_null(test_reading(&t)->reason);
        probe_unuse(&t.use);
}

static TestUse group[3];

static void unuse_others(ProbeUse *use) {
        group[0].n_told++;
        for (unsigned i = 0; i < ELEMENTSOF(group); i++)
                probe_unuse(&group[i].use);
}

/* Who is told may end all uses, his own included. */
static void test_unuse_when_told(void **state) {
        for (unsigned i = 0; i < ELEMENTSOF(group); i++) {
                group[i] = load_above(8000);
                group[i].use.changed = unuse_others;
                test_begin(&group[i]);
        }
        settle();
        assert_int_equal(group[0].n_told, 1);
        assert_int_equal(test_probes->n_probes, 0);
}

/* What was so for a moment is told before what comes after it, and stays for the turns that its users need. */
static void test_moment(void **state) {
        TestUse t = load_above(8000);
        const Reading moment = { .is_known = true, .value = 7 }, next = { .is_known = true, .value = 8 };

        test_begin(&t);
        settle();
        probe_report_moment(t.use.probe, &moment);
        probe_report_moment(t.use.probe, &moment);
        probe_report(t.use.probe, &next);
        assert_int_equal(test_reading(&t)->value, 7);
        while (t.n_told < 2)
                assert_true(fake_clock_run(test_event) > 0);
        for (unsigned turn = 0; turn < 2; turn++) {
                assert_true(fake_clock_run(test_event) > 0);
                assert_int_equal(test_reading(&t)->value, 7);
                assert_int_equal(t.n_told, 2);
        }
        settle();
        assert_int_equal(t.n_told, 3);
        assert_int_equal(t.told[1].value, 7);
        assert_int_equal(t.told[2].value, 8);
        /* Without anything new it is again as it was. */
        probe_report_moment(t.use.probe, &moment);
        settle();
        assert_int_equal(t.n_told, 5);
        assert_int_equal(t.told[3].value, 7);
        assert_int_equal(t.told[4].value, 8);
        /* What is so already is no news. */
        probe_report_moment(t.use.probe, &next);
        settle();
        assert_int_equal(t.n_told, 5);
        /* It is freed in the middle of one. */
        probe_report_moment(t.use.probe, &moment);
        probe_unuse(&t.use);
        settle();
        assert_int_equal(t.n_told, 5);
}

/* --- answers that come later --- */

static unsigned n_asked, n_stopped;

static int look_later(Probe *p, Reading *ret) {
        n_asked++;
        return PROBE_LATER;
}

static void stopped(Probe *p) {
        n_stopped++;
}

static void test_later(void **state) {
        static const ProbeKind kind = { .look = look_later, .stop = stopped };
        TestUse t = load_above(8000);
        const Reading answer = { .is_known = true, .value = 5, .at = 6 };

        test_begin(&t);
        t.use.probe->kind = &kind;
        settle();
        assert_int_equal(n_asked, 1);
        assert_int_equal(t.n_told, 0);
        pass(USEC_PER_HOUR); /* no second question while there is no answer */
        probe_look(t.use.probe);
        settle();
        assert_int_equal(n_asked, 1);
        probe_report(t.use.probe, &answer);
        settle();
        assert_int_equal(t.n_told, 1);
        assert_int_equal(t.told[0].value, 5);
        assert_true(t.told[0].at == 6);
        assert_int_equal(n_asked, 2); /* because it was wanted meanwhile */
        probe_report(t.use.probe, &answer);
        settle();
        assert_int_equal(n_asked, 2);
        pass(2 * USEC_PER_SEC);
        assert_int_equal(n_asked, 3);
        probe_unuse(&t.use);
        assert_int_equal(n_stopped, 1);
}

/* --- who observes all --- */

static unsigned n_answers, n_ends;

static void on_answer(void *userdata, const Question *q, const Reading *r, void **observed) {
        assert_ptr_equal(userdata, &n_answers);
        assert_int_equal(q->kind, CONDITION_LOAD1);
        assert_true(!*observed == (n_answers == 0));
        *observed = &n_ends; /* and it stays with the question */
        if (!r) {
                n_ends++;
                return;
        }
        assert_true(r->is_known && r->value == 100 && r->at == fake_clock.realtime);
        n_answers++;
}

/* Is told of each answer, also of those that nobody else hears of; and causes none. */
static void test_observed(void **state) {
        TestUse t = load_above(1000), other = load_above(1000);

        test_probes->answered = on_answer;
        test_probes->userdata = &n_answers;
        test_begin(&t);
        pass(USEC_PER_HOUR);
        assert_int_equal(t.n_told, 1);
        assert_int_equal(n_answers, test_probes->n_looks);
        assert_in_range(n_answers, 120, 160);
        test_begin(&other);
        settle();
        probe_unuse(&other.use);
        assert_int_equal(n_ends, 0);
        probe_unuse(&t.use);
        assert_int_equal(n_ends, 1);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_sharing, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_wake_ups, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_not_ours, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_interval_grows, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_interval_shrinks, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_interval_at_the_limit, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_interval_of_truth, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_interval_of_many, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_suspend, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_told_of_changes, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_unuse_when_told, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_moment, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_later, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_observed, set_up, tear_down),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
