/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* unit NAME is STATE and failed-units, with a service manager that does what the test wants. */

#include "test-unit-fake.h"

#include "test-probe.h"

static int set_up(void **state) {
        ProbesOptions options = { .manager_address = fake.address };

        fake_begin(false);
        test_event = sd_event_ref(fake.event);
        assert_int_equal(probes_new(&test_probes, test_event, &options), 0);
        return 0;
}

static int tear_down(void **state) {
        if (test_probes->n_probes == 0)
                (void)probes_free(test_probes);
        fake_finish();
        test_event = sd_event_unref(test_event);
        return 0;
}

static TestUse unit_is(const char *name, const char *state) {
        return test_use_of(CONDITION_UNIT, name, state);
}

/* The next reading, which there is to be. */
static bool next(TestUse *t, unsigned n) {
        WAIT_FOR(t->n_told >= n);
        assert_int_equal(t->n_told, n);
        return test_reading(t)->is_known && test_reading(t)->value;
}

/* Nothing more is on its way: a question of the test comes back. */
static void settle(void) {
        TestUse t = test_use_of(CONDITION_UNIT, "settled.service", "failed");

        test_begin(&t);
        WAIT_FOR(t.n_told > 0);
        probe_unuse(&t.use);
        while (sd_event_run(test_event, 0) > 0)
                ;
}

static void test_states(void **state) {
        static const struct {
                const char *name, *aspect;
                bool value;
        } rows[] = {
                { "runs.service", "active", true },     { "runs", "active", true },
                { "runs.service", "failed", false },    { "runs.service", "inactive", false },
                { "broken.service", "failed", true },   { "broken.service", "active", false },
                { "reloads.service", "active", true },  { "rests.socket", "inactive", true },
                { "nowhere.service", "failed", false }, { "nowhere.service", "active", false },
                { "*.service", "failed", true },        { "r*.service", "failed", false },
                { "r*.service", "active", true },       { "x*", "inactive", false },
        };
        static TestUse uses[ELEMENTSOF(rows)];

        fake_add("runs.service", "active", "running");
        fake_add("broken.service", "failed", "failed");
        fake_add("reloads.service", "reloading", "reload");
        fake_add("rests.socket", "inactive", "dead");
        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                uses[i] = unit_is(rows[i].name, rows[i].aspect);
                test_begin(&uses[i]);
        }
        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                usec_t interval;

                assert_int_equal(next(&uses[i], 1), rows[i].value);
                assert_true(test_reading(&uses[i])->is_known);
                assert_string_equal(probe_source(&uses[i].use, &interval), "event");
        }
        assert_int_equal(fake.n_connections, 1);
        assert_int_equal(fake.n_lists, ELEMENTSOF(rows));
        for (size_t i = 0; i < ELEMENTSOF(rows); i++)
                probe_unuse(&uses[i].use);
}

/* Nothing is known to be inactive because its name is misspelt. */
static void test_no_such_unit(void **state) {
        TestUse t = unit_is("nowhere.service", "inactive"), bad = unit_is("a/b.service", "active");
        FakeUnit *u;

        test_begin(&t);
        test_begin(&bad);
        assert_false(next(&t, 1));
        assert_string_equal(test_reading(&t)->reason, "The service manager has no unit nowhere.service.");
        assert_false(next(&bad, 1));
        assert_string_equal(test_reading(&bad)->reason, "This is not a name that a unit can have.");
        fake_unit_signal("UnitRemoved", "nowhere.service"); /* what was loaded to answer the question */
        settle();
        assert_int_equal(t.n_told, 1);
        u = fake_add("nowhere.service", "activating", "start"); /* but there may be one later */
        fake_tell(u);
        assert_false(next(&t, 2));
        fake_become(u, "inactive", "dead", 0);
        assert_true(next(&t, 3));
        probe_unuse(&t.use);
        probe_unuse(&bad.use);
}

static void test_changes(void **state) {
        FakeUnit *u = fake_add("one.service", "active", "running"), *other = fake_add("two.service", "active", "");
        TestUse t = unit_is("one.service", "failed"), glob = unit_is("*.service", "failed");

        test_begin(&t);
        test_begin(&glob);
        assert_false(next(&t, 1));
        assert_false(next(&glob, 1));
        fake_end(u, CLD_EXITED, 1, "exit-code");
        assert_true(next(&t, 2));
        assert_true(next(&glob, 2));
        fake_end(other, CLD_EXITED, 1, "exit-code");
        settle();
        assert_int_equal(glob.n_told, 2);
        fake_become(u, "inactive", "dead", 0); /* it is reset, but the other is not */
        assert_false(next(&t, 3));
        settle();
        assert_int_equal(glob.n_told, 2);
        fake_forget("two.service");
        fake_unit_signal("UnitRemoved", "two.service");
        assert_false(next(&glob, 3));
        probe_unuse(&t.use);
        probe_unuse(&glob.use);
}

static void assert_subject(const TestUse *t, const char *subject) {
        assert_true(streq_ptr(test_reading(t)->subject, subject));
}

/* The one that a pattern is true of: the newest, or of those that there were. */
static void test_subject(void **state) {
        FakeUnit *one = fake_add("one.service", "failed", "failed"),
                 *two = fake_add("two.service", "active", "running");
        TestUse glob = unit_is("*.service", "failed"), t = unit_is("one.service", "failed");

        test_begin(&glob);
        test_begin(&t);
        assert_true(next(&glob, 1));
        assert_subject(&glob, "one.service");
        assert_true(next(&t, 1));
        assert_subject(&t, NULL);
        fake_end(two, CLD_EXITED, 1, "exit-code");
        settle();
        assert_int_equal(glob.n_told, 1); /* it is as true as it was */
        assert_subject(&glob, "two.service");
        fake_become(two, "inactive", "dead", 0);
        settle();
        assert_subject(&glob, "one.service");
        fake_become(one, "inactive", "dead", 0);
        assert_false(next(&glob, 2));
        assert_subject(&glob, NULL);
        (void)sd_id128_randomize(&two->invocation);
        two->result = "exit-code";
        fake_become(two, "activating", "auto-restart", 0); /* for a moment */
        WAIT_FOR(glob.n_told == 3);
        assert_subject(&glob, "two.service");
        WAIT_FOR(glob.n_told == 4);
        assert_subject(&glob, NULL);
        probe_unuse(&glob.use);
        probe_unuse(&t.use);
}

static void test_alias(void **state) {
        FakeUnit *u = fake_add("real.service", "active", "running");
        TestUse t = unit_is("alias.service", "active");

        test_begin(&t);
        assert_true(next(&t, 1));
        fake_become(u, "inactive", "dead", 0);
        assert_false(next(&t, 2));
        probe_unuse(&t.use);
}

static void test_glob_of_new(void **state) {
        TestUse t = unit_is("fresh*", "inactive");

        test_begin(&t);
        assert_false(next(&t, 1));
        fake_add("fresh.service", "inactive", "dead");
        fake_unit_signal("UnitNew", "fresh.service");
        assert_true(next(&t, 2));
        probe_unuse(&t.use);
}

/* It failed and is restarted, and no signal ever says "failed". */
static void test_failed_for_a_moment(void **state) {
        FakeUnit *u = fake_add("flaps.service", "active", "running");
        TestUse t = unit_is("flaps.service", "failed"), glob = unit_is("flap*", "failed");

        test_begin(&t);
        test_begin(&glob);
        assert_false(next(&t, 1));
        assert_false(next(&glob, 1));
        for (unsigned i = 1; i <= 5; i++) {
                (void)sd_id128_randomize(&u->invocation);
                u->result = "exit-code";
                fake_become(u, "activating", "auto-restart", 0);
                settle();
                fake_tell(u); /* and of the same failure once more */
                settle();
                u->result = "success";
                fake_become(u, "active", "running", 0);
                WAIT_FOR(t.n_told == 1 + 2 * i && glob.n_told == 1 + 2 * i);
                assert_int_equal(t.told[2 * i - 1].value, 1);
                assert_int_equal(t.told[2 * i].value, 0);
                assert_int_equal(glob.told[2 * i - 1].value, 1);
                assert_int_equal(glob.told[2 * i].value, 0);
        }
        /* Restart=always after a success is no failure. */
        fake_become(u, "activating", "auto-restart", 0);
        settle();
        assert_int_equal(t.n_told, 11);
        assert_int_equal(glob.n_told, 11);
        /* It fails, and is started again at once by somebody else. */
        (void)sd_id128_randomize(&u->invocation);
        fake_end(u, CLD_EXITED, 1, "exit-code");
        fake_become(u, "active", "running", 0);
        WAIT_FOR(t.n_told == 13);
        assert_int_equal(t.told[11].value, 1);
        assert_int_equal(t.told[12].value, 0);
        probe_unuse(&t.use);
        probe_unuse(&glob.use);
}

static void test_failed_units(void **state) {
        TestUse t = test_use_of(CONDITION_FAILED_UNITS, NULL, NULL);

        fake.n_failed = 2;
        test_begin(&t);
        (void)next(&t, 1);
        assert_int_equal(test_reading(&t)->value, 2);
        fake_tell_failed(3);
        (void)next(&t, 2);
        assert_int_equal(test_reading(&t)->value, 3);
        probe_unuse(&t.use);
}

/* The manager re-executes itself: what changed meanwhile is seen, and nothing is unknown in between. */
static void test_lost_connection(void **state) {
        FakeUnit *u = fake_add("one.service", "active", "running");
        TestUse t = unit_is("one.service", "failed"), same = unit_is("one.service", "active");

        test_begin(&t);
        test_begin(&same);
        assert_false(next(&t, 1));
        assert_true(next(&same, 1));
        fake_drop();
        u->active = "failed";
        assert_true(next(&t, 2));
        assert_false(next(&same, 2));
        assert_true(test_reading(&same)->is_known);
        assert_int_equal(fake.n_connections, 2);
        /* So it is after a reload. */
        u->active = "active";
        fake_reloading(true);
        fake_reloading(false);
        assert_false(next(&t, 3));
        assert_true(next(&same, 3));
        probe_unuse(&t.use);
        probe_unuse(&same.use);
}

/* It does not come back for long, or is not there at all. */
static void test_no_manager(void **state) {
        TestUse t = unit_is("one.service", "failed"), late = unit_is("two.service", "active");

        fake_add("one.service", "failed", "failed");
        test_begin(&t);
        assert_true(next(&t, 1));
        fake_stop_listening();
        fake_drop();
        test_begin(&late);
        assert_false(next(&late, 1));
        assert_string_equal(test_reading(&late)->reason, "The service manager does not answer.");
        assert_false(next(&t, 2));
        assert_string_equal(test_reading(&t)->reason, "The service manager does not answer.");
        fake_listen();
        assert_true(next(&t, 3));
        probe_unuse(&t.use);
        probe_unuse(&late.use);
}

/* Refusals, and a probe that is given up while it is being asked for. */
static void test_refused(void **state) {
        TestUse t = unit_is("one.service", "failed"), other = unit_is("two.service", "failed");

        fake.on_list = MOOD_REFUSE;
        fake.error = SD_BUS_ERROR_ACCESS_DENIED;
        test_begin(&t);
        assert_false(next(&t, 1));
        assert_string_equal(test_reading(&t)->reason,
                            "The service manager does not tell the state: Permission denied.");
        fake.on_list = MOOD_HOLD;
        test_begin(&other);
        WAIT_FOR(fake.n_held > 0);
        probe_unuse(&other.use);
        probe_unuse(&t.use);
        while (sd_event_run(test_event, 0) > 0)
                ;
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_states, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_no_such_unit, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_changes, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_subject, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_alias, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_glob_of_new, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_failed_for_a_moment, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_failed_units, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_lost_connection, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_no_manager, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_refused, set_up, tear_down),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
