/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The states of a monitor: what follows from each state and each truth, and how long things take. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "trigger/monitor-state.h"

#define BEGIN   (100 * USEC_PER_DAY)
#define FOR     (10 * USEC_PER_MINUTE)
#define MINUTES USEC_PER_MINUTE

static const char *const truths[] = { "false", "true", "unknown" };

/* --- tables --- */

static void test_transitions(void **state) {
        char text[512] = "";

        for (MonitorPhase from = 0; from < _MONITOR_PHASE_MAX; from++)
                for (MonitorPhase to = 0; to < _MONITOR_PHASE_MAX; to++)
                        if (monitor_transition_to_string(from, to))
                                (void)snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s -> %s: %s\n",
                                               monitor_phase_to_string(from), monitor_phase_to_string(to),
                                               monitor_transition_to_string(from, to));
        assert_string_equal(text, "ok -> pending: hold\n"
                                  "ok -> raised: raise\n"
                                  "pending -> ok: let go\n"
                                  "pending -> raised: raise\n"
                                  "raised -> ok: clear\n");
}

/* What becomes of each phase: with When= and Clear= as they are, before ForSec= and ClearForSec= are over and after. A
 * raised one was over until now. */
static const char steps[] = "ok, when false: ok / ok\n"
                            "ok, when true: pending / pending\n"
                            "ok, when unknown: ok / ok\n"
                            "pending, when false: ok / ok\n"
                            "pending, when true: pending / raised, ask\n"
                            "pending, when unknown: pending / pending\n"
                            "raised, when false, clear false: raised / raised\n"
                            "raised, when false, clear true: raised, over / ok, ask clear\n"
                            "raised, when false, clear unknown: raised, over / raised, over\n"
                            "raised, when true, clear false: raised / raised\n"
                            "raised, when true, clear true: raised / raised\n"
                            "raised, when true, clear unknown: raised / raised\n"
                            "raised, when unknown, clear false: raised, over / raised, over\n"
                            "raised, when unknown, clear true: raised, over / raised, over\n"
                            "raised, when unknown, clear unknown: raised, over / raised, over\n";

static const char *step(MonitorPhase from, Truth when, Truth clear, usec_t held, char *buf, size_t size) {
        MonitorState s = { .phase = from };
        MonitorInput in = { .when = when, .clear = clear, .for_usec = FOR, .clear_for = FOR, .may_act = true };
        unsigned actions;
        usec_t next;

        in.now = BEGIN + held;
        s.holds_since = from == MONITOR_OK ? 0 : BEGIN;
        s.raised_since = s.over_since = s.asked = from == MONITOR_RAISED ? BEGIN : 0;
        s.count = from == MONITOR_RAISED;
        actions = monitor_step(&s, &in, &next);
        (void)snprintf(buf, size, "%s%s%s%s", monitor_phase_to_string(s.phase), s.over_since > 0 ? ", over" : "",
                       actions & MONITOR_ASK ? ", ask" : "", actions & MONITOR_ASK_CLEAR ? ", ask clear" : "");
        return buf;
}

static void add_step(char *text, size_t size, MonitorPhase from, Truth when, Truth clear) {
        bool is_raised = from == MONITOR_RAISED;
        char before[64], after[64], other[64];

        (void)step(from, when, clear, FOR - 1, before, sizeof(before));
        (void)step(from, when, clear, FOR, after, sizeof(after));
        if (!is_raised && clear != TRUTH_FALSE) /* which does not ask for it */
                assert_string_equal(step(from, when, TRUTH_FALSE, FOR, other, sizeof(other)), after);
        else
                (void)snprintf(text + strlen(text), size - strlen(text), "%s, when %s%s%s: %s / %s\n",
                               monitor_phase_to_string(from), truths[when], is_raised ? ", clear " : "",
                               is_raised ? truths[clear] : "", before, after);
}

static void test_steps(void **state) {
        char text[sizeof(steps) + 1024] = "";

        for (MonitorPhase from = 0; from < _MONITOR_PHASE_MAX; from++)
                for (Truth when = TRUTH_FALSE; when <= TRUTH_UNKNOWN; when++)
                        for (Truth clear = TRUTH_FALSE; clear <= TRUTH_UNKNOWN; clear++)
                                add_step(text, sizeof(text), from, when, clear);
        assert_string_equal(text, steps);
}

/* --- time --- */

typedef struct World {
        MonitorState s;
        MonitorInput in;
        usec_t next;
        unsigned n_asked, n_cleared, n_unknown, n_known;
} World;

static World world(usec_t for_usec, usec_t every) {
        return (World){ .in = { .for_usec = for_usec,
                                .every = every,
                                .now = BEGIN,
                                .may_act = true,
                                .when = TRUTH_FALSE,
                                .clear = TRUTH_TRUE } };
}

static void look(World *w) {
        unsigned actions = monitor_step(&w->s, &w->in, &w->next);

        w->n_asked += (actions & MONITOR_ASK) != 0;
        w->n_cleared += (actions & MONITOR_ASK_CLEAR) != 0;
        w->n_unknown += (actions & MONITOR_REPORT_UNKNOWN) != 0;
        w->n_known += (actions & MONITOR_REPORT_KNOWN) != 0;
        assert_true(w->next > w->in.now); /* or it would be called again at once, for ever */
}

/* The two conditions are each other's opposite. */
static void set(World *w, Truth when) {
        w->in.when = when;
        w->in.clear = when == TRUTH_UNKNOWN ? TRUTH_UNKNOWN : when == TRUTH_TRUE ? TRUTH_FALSE : TRUTH_TRUE;
        look(w);
}

/* Nothing else happens until then. */
static void wait_until(World *w, usec_t at) {
        while (w->next <= at) {
                w->in.now = w->next;
                look(w);
        }
        w->in.now = at;
        look(w);
}

static void test_holds_long_enough(void **state) {
        World w = world(FOR, 0);

        set(&w, TRUTH_TRUE);
        assert_int_equal(w.s.phase, MONITOR_PENDING);
        assert_true(w.next == BEGIN + FOR);
        wait_until(&w, BEGIN + FOR - 1);
        assert_int_equal(w.n_asked, 0);
        set(&w, TRUTH_FALSE);
        assert_true(w.next == USEC_INFINITY);
        w.in.now = BEGIN + FOR;
        set(&w, TRUTH_TRUE); /* counts from here again */
        wait_until(&w, BEGIN + 2 * FOR - 1);
        assert_int_equal(w.n_asked, 0);
        wait_until(&w, BEGIN + 2 * FOR);
        assert_int_equal(w.n_asked, 1);
        assert_true(w.s.holds_since == BEGIN + FOR && w.s.raised_since == BEGIN + 2 * FOR);
        wait_until(&w, BEGIN + USEC_PER_DAY);
        assert_int_equal(w.n_asked, 1);
        set(&w, TRUTH_FALSE);
        assert_int_equal(w.n_cleared, 1);
        look(&w);
        assert_int_equal(w.n_cleared, 1);
}

static void test_at_once(void **state) {
        World w = world(0, 0);

        for (unsigned i = 1; i <= 3; i++) {
                set(&w, TRUTH_TRUE);
                set(&w, TRUTH_TRUE);
                assert_int_equal(w.n_asked, i);
                set(&w, TRUTH_FALSE);
                assert_int_equal(w.n_cleared, i);
        }
}

static void test_again_and_again(void **state) {
        World w = world(0, USEC_PER_HOUR);

        set(&w, TRUTH_TRUE);
        wait_until(&w, BEGIN + 5 * USEC_PER_HOUR - 1);
        assert_int_equal(w.n_asked, 5);
        /* Between the marks it is still raised. */
        w.in.when = w.in.clear = TRUTH_FALSE;
        look(&w);
        wait_until(&w, BEGIN + 5 * USEC_PER_HOUR);
        assert_int_equal(w.n_asked, 6);
        /* What is not known is not asked for; once it is known, what is due is, once. */
        set(&w, TRUTH_UNKNOWN);
        wait_until(&w, BEGIN + 9 * USEC_PER_HOUR);
        assert_int_equal(w.n_asked, 6);
        set(&w, TRUTH_TRUE);
        assert_int_equal(w.n_asked, 7);
        wait_until(&w, BEGIN + 10 * USEC_PER_HOUR - 1);
        assert_int_equal(w.n_asked, 7);
        set(&w, TRUTH_FALSE);
        wait_until(&w, BEGIN + 20 * USEC_PER_HOUR);
        assert_int_equal(w.n_asked, 7);
        assert_int_equal(w.n_cleared, 1);
}

/* It is counted how often it became true meanwhile. */
static void test_dancing(void **state) {
        World w = world(0, 0);

        set(&w, TRUTH_TRUE);
        for (unsigned i = 0; i < 100; i++) {
                w.in.when = i % 2 ? TRUTH_TRUE : TRUTH_FALSE;
                w.in.clear = TRUTH_FALSE;
                look(&w);
                look(&w);
                w.in.when = TRUTH_UNKNOWN;
                look(&w);
        }
        assert_int_equal(w.n_asked, 1);
        assert_int_equal(w.s.count, 51);
        set(&w, TRUTH_FALSE);
        assert_int_equal(w.n_cleared, 1);
        assert_int_equal(w.s.count, 0);
}

/* Twenty times in a minute, and then once more within ClearForSec=: it is the same alarm, and over once. */
static void test_comes_back(void **state) {
        World w = world(0, 0);

        w.in.clear_for = MINUTES;
        for (unsigned i = 0; i < 20; i++) {
                set(&w, TRUTH_TRUE);
                assert_int_equal(w.n_asked, 1); /* at once */
                set(&w, TRUTH_FALSE);
                assert_true(w.next == w.in.now + MINUTES);
                wait_until(&w, w.in.now + 3 * USEC_PER_SEC);
        }
        assert_int_equal(w.s.count, 20);
        wait_until(&w, w.in.now + 50 * USEC_PER_SEC);
        set(&w, TRUTH_TRUE);
        wait_until(&w, w.in.now + USEC_PER_HOUR);
        assert_true(w.next == USEC_INFINITY);
        set(&w, TRUTH_FALSE);
        wait_until(&w, w.in.now + MINUTES - 1);
        assert_int_equal(w.n_cleared, 0);
        assert_int_equal(w.s.count, 21);
        wait_until(&w, w.in.now + 1);
        assert_int_equal(w.n_cleared, 1);
        assert_int_equal(w.s.phase, MONITOR_OK);
        assert_true(w.s.holds_since == 0);
        set(&w, TRUTH_TRUE);
        assert_int_equal(w.n_asked, 2);
        assert_int_equal(w.s.count, 1);
        look(&w);
        assert_int_equal(w.s.count, 1);
}

/* Between the marks it is not over; what is unknown in between takes nothing from the time. */
static void test_over_long_enough(void **state) {
        World w = world(0, 0);

        w.in.clear_for = FOR;
        set(&w, TRUTH_TRUE);
        set(&w, TRUTH_FALSE);
        wait_until(&w, BEGIN + FOR / 2);
        w.in.clear = TRUTH_FALSE;
        look(&w);
        assert_true(w.next == USEC_INFINITY);
        set(&w, TRUTH_FALSE); /* counts from here again */
        wait_until(&w, BEGIN + FOR);
        set(&w, TRUTH_UNKNOWN);
        wait_until(&w, BEGIN + 2 * FOR);
        assert_int_equal(w.n_cleared, 0);
        set(&w, TRUTH_FALSE);
        assert_int_equal(w.n_cleared, 1);
        assert_int_equal(w.n_asked, 1);
}

/* Nothing is asked for every EverySec= that is over; but for what happened within a moment of a pause, once. */
static void test_over_and_asked(void **state) {
        World w = world(0, USEC_PER_HOUR);

        w.in.clear_for = 3 * USEC_PER_HOUR;
        w.in.may_act = false;
        set(&w, TRUTH_TRUE);
        set(&w, TRUTH_FALSE);
        w.in.may_act = true;
        look(&w);
        assert_int_equal(w.n_asked, 1);
        wait_until(&w, BEGIN + 2 * USEC_PER_HOUR);
        assert_int_equal(w.n_asked, 1);
        set(&w, TRUTH_TRUE);
        assert_int_equal(w.n_asked, 2);
        set(&w, TRUTH_FALSE);
        wait_until(&w, BEGIN + USEC_PER_DAY);
        assert_int_equal(w.n_asked, 2);
        assert_int_equal(w.n_cleared, 1);
}

/* What held before and holds afterwards has held. */
static void test_unknown_between(void **state) {
        World w = world(FOR, 0);

        set(&w, TRUTH_TRUE);
        w.in.now += FOR / 2;
        set(&w, TRUTH_UNKNOWN);
        wait_until(&w, BEGIN + FOR + MINUTES);
        assert_int_equal(w.n_asked, 0);
        set(&w, TRUTH_TRUE);
        assert_int_equal(w.n_asked, 1);
        assert_true(w.s.holds_since == BEGIN);
        set(&w, TRUTH_UNKNOWN);
        wait_until(&w, BEGIN + USEC_PER_DAY);
        assert_int_equal(w.n_cleared, 0);
        assert_int_equal(w.s.phase, MONITOR_RAISED);
        set(&w, TRUTH_FALSE);
        assert_int_equal(w.n_cleared, 1);
}

static void test_unknown_is_reported(void **state) {
        World w = world(FOR, 0), short_one = world(0, 0);

        set(&w, TRUTH_UNKNOWN);
        wait_until(&w, BEGIN + FOR - 1);
        assert_int_equal(w.n_unknown, 0);
        wait_until(&w, BEGIN + FOR);
        assert_int_equal(w.n_unknown, 1);
        wait_until(&w, BEGIN + USEC_PER_DAY);
        assert_int_equal(w.n_unknown, 1);
        set(&w, TRUTH_FALSE);
        assert_int_equal(w.n_known, 1);
        set(&w, TRUTH_TRUE);
        assert_int_equal(w.n_known, 1);

        set(&short_one, TRUTH_UNKNOWN);
        wait_until(&short_one, BEGIN + MONITOR_UNKNOWN_MIN_USEC - 1);
        assert_int_equal(short_one.n_unknown, 0);
        set(&short_one, TRUTH_FALSE);
        set(&short_one, TRUTH_UNKNOWN); /* counts from here again */
        wait_until(&short_one, BEGIN + 2 * MONITOR_UNKNOWN_MIN_USEC - 2);
        assert_int_equal(short_one.n_unknown, 0);
        wait_until(&short_one, BEGIN + 2 * MONITOR_UNKNOWN_MIN_USEC);
        assert_int_equal(short_one.n_unknown, 1);
        assert_int_equal(short_one.n_known, 0);
        assert_int_equal(short_one.n_asked + w.n_cleared + short_one.n_cleared, 0);
}

/* --- pauses --- */

static void set_paused(World *w, bool paused) {
        w->in.may_act = !paused;
        look(w);
}

static void test_raised_in_a_pause(void **state) {
        World w = world(FOR, MINUTES);

        set_paused(&w, true);
        set(&w, TRUTH_TRUE);
        wait_until(&w, BEGIN + FOR + USEC_PER_HOUR);
        assert_int_equal(w.s.phase, MONITOR_RAISED);
        assert_int_equal(w.n_asked, 0);
        set_paused(&w, false);
        look(&w);
        assert_int_equal(w.n_asked, 1);
        assert_true(w.s.raised_since == BEGIN + FOR);
}

/* What ends in the same pause has never been. */
static void test_gone_in_a_pause(void **state) {
        World w = world(0, 0);

        set_paused(&w, true);
        set(&w, TRUTH_TRUE);
        set(&w, TRUTH_FALSE);
        set_paused(&w, false);
        assert_int_equal(w.n_asked + w.n_cleared, 0);
}

static void test_cleared_in_a_pause(void **state) {
        World w = world(0, 0);

        set(&w, TRUTH_TRUE);
        set_paused(&w, true);
        set(&w, TRUTH_FALSE);
        assert_int_equal(w.n_cleared, 0);
        set_paused(&w, false);
        assert_int_equal(w.n_cleared, 1);
        look(&w);
        assert_int_equal(w.n_cleared, 1);

        /* What it cleared is back before anybody was told: it is asked for as what it is now. */
        set(&w, TRUTH_TRUE);
        set_paused(&w, true);
        set(&w, TRUTH_FALSE);
        set(&w, TRUTH_TRUE);
        set_paused(&w, false);
        assert_int_equal(w.n_asked, 3);
        assert_int_equal(w.n_cleared, 1);
}

static void test_unknown_in_a_pause(void **state) {
        World w = world(0, 0);

        set_paused(&w, true);
        set(&w, TRUTH_UNKNOWN);
        wait_until(&w, BEGIN + USEC_PER_DAY);
        assert_int_equal(w.n_unknown, 0);
        set_paused(&w, false);
        assert_int_equal(w.n_unknown, 1);
}

static void test_words(void **state) {
        MonitorState raised = { .phase = MONITOR_RAISED }, pending = { .phase = MONITOR_PENDING }, ok = {};

        assert_string_equal(monitor_state_to_string(&raised, TRUTH_TRUE), "raised");
        assert_string_equal(monitor_state_to_string(&raised, TRUTH_FALSE), "clearing");
        assert_string_equal(monitor_state_to_string(&raised, TRUTH_UNKNOWN), "raised");
        assert_string_equal(monitor_state_to_string(&pending, TRUTH_TRUE), "pending");
        assert_string_equal(monitor_state_to_string(&pending, TRUTH_UNKNOWN), "unknown");
        assert_string_equal(monitor_state_to_string(&ok, TRUTH_FALSE), "ok");
        assert_string_equal(monitor_state_to_string(&ok, TRUTH_UNKNOWN), "unknown");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_transitions),         cmocka_unit_test(test_steps),
                cmocka_unit_test(test_holds_long_enough),   cmocka_unit_test(test_at_once),
                cmocka_unit_test(test_again_and_again),     cmocka_unit_test(test_dancing),
                cmocka_unit_test(test_comes_back),          cmocka_unit_test(test_over_long_enough),
                cmocka_unit_test(test_over_and_asked),      cmocka_unit_test(test_unknown_between),
                cmocka_unit_test(test_unknown_is_reported), cmocka_unit_test(test_raised_in_a_pause),
                cmocka_unit_test(test_gone_in_a_pause),     cmocka_unit_test(test_cleared_in_a_pause),
                cmocka_unit_test(test_unknown_in_a_pause),  cmocka_unit_test(test_words),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
