/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The unit executor when the machine goes down, and when the daemon does: nothing that was accepted is lost, and what
 * is known in a moment is waited for. A real shutdown is in tests/system/outside-reboot.sh. */

#include "test-unit-run.h"

static bool second_run_was_cancelled(void) {
        return runs[1].n_ended == 1 && runs[1].result == RUN_RESULT_CANCELLED;
}
static bool second_run_was_lost(void) {
        return runs[1].n_ended == 1 && runs[1].result == RUN_RESULT_LOST;
}

/* --- runs that it stops --- */

static void test_stopped_by_shutdown(void **state) {
        FakeUnit *u;

        fake.system_state = "stopping";
        run_0();
        u = fake_find(runs[0].unit);
        fake_become(u, "deactivating", "stop-sigterm", 77);
        u->code = CLD_KILLED;
        u->status = SIGTERM;
        fake_become(u, "inactive", "dead", 0);
        EXPECT(RUN_RESULT_LOST, SIGTERM);
        assert_non_null(strstr(runs[0].reason, "shut down"));
        assert_int_equal(n_held, 1);
}

static void test_gone_in_a_shutdown(void **state) {
        fake.system_state = "stopping";
        run_0();
        fake_forget(runs[0].unit);
        compare();
        EXPECT(RUN_RESULT_LOST, 0);
        assert_non_null(strstr(runs[0].reason, "shut down"));
        assert_int_equal(n_held, 1);
}

/* The signal that it has exited came together with the one that somebody, a shutdown perhaps, stopped what was left.
 */
static void test_over_before_the_shutdown(void **state) {
        FakeUnit *u;

        fake.system_state = "stopping";
        run_0();
        u = fake_find(runs[0].unit);
        u->code = CLD_EXITED;
        u->exec_exit_monotonic = 50;
        u->active_exit_monotonic = 60;
        fake_become(u, "inactive", "dead", 0);
        EXPECT(RUN_RESULT_SUCCESS, 0);
}

/* --- runs that it does not let start --- */

static bool run_0_was_put_back(void) {
        return runs[0].n_put_back > 0;
}
static bool was_released(void) {
        return n_released > 0;
}

static void refuse_for_a_shutdown(void) {
        fake.on_start = MOOD_REFUSE;
        fake.error = "org.freedesktop.systemd1.TransactionIsDestructive";
        fake.system_state = "stopping";
}

static void test_refused_in_a_shutdown(void **state) {
        const FakeUnit shutdown = { .name = "shutdown.target" }, other = { .name = "other.target" };

        refuse_for_a_shutdown();
        start(0);
        until(run_0_was_put_back);
        assert_int_equal(runs[0].n_ended + runs[0].n_started, 0);
        assert_int_equal(n_held, 1);

        /* Nothing is tried in vain. */
        start(0);
        runs[0].n_put_back = 0;
        until(run_0_was_put_back);
        assert_int_equal(fake.n_starts, 1);
        assert_int_equal(n_held, 1);

        /* Until the shutdown is cancelled. */
        fake_job_removed(&shutdown, 1, "done");
        compare();
        assert_int_equal(n_released, 0);
        fake.system_state = "running";
        fake.on_start = MOOD_GOOD;
        fake_job_removed(&other, 1, "canceled");
        for (unsigned i = 0; i < 20; i++)
                assert_true(sd_event_run(fake.event, 0) >= 0);
        assert_int_equal(n_released, 0);
        fake_job_removed(&shutdown, 1, "canceled");
        until(was_released);
        run_0();
        assert_int_equal(n_released, 1);
}

/* What tells of a shutdown that was cancelled may be lost, too. */
static void test_hold_ends_within_a_minute(void **state) {
        refuse_for_a_shutdown();
        start(0);
        until(run_0_was_put_back);
        fake.system_state = "degraded";
        a_minute_passes();
        until(was_released);
}

static void test_conflict_without_a_shutdown(void **state) {
        refuse_for_a_shutdown();
        fake.system_state = "running";
        start(0);
        until(run_0_ended);
        assert_int_equal(runs[0].result, RUN_RESULT_START_FAILED);
        assert_int_equal(runs[0].n_put_back + n_held, 0);
        assert_non_null(strstr(runs[0].reason, "So says the fake"));
}

/* The shutdown came between the order to start and the start. */
static void test_start_cancelled(void **state) {
        static const char *const system_states[] = { "stopping", "running" };

        for (size_t i = 0; i < ELEMENTSOF(system_states); i++) {
                FakeUnit *u;

                fake.system_state = system_states[i];
                start((unsigned)i);
                until(i == 0 ? run_0_is_there : second_run_is_there);
                u = fake_find(runs[i].unit);
                fake_job_removed(u, u->job, "canceled");
                fake_become(u, "inactive", "dead", 0);
                if (i == 0) {
                        until(run_0_was_put_back);
                        assert_int_equal(runs[0].n_ended, 0);
                        fake.system_state = "running";
                        a_minute_passes();
                        until(was_released);
                } else {
                        until(second_run_was_cancelled);
                        assert_int_equal(runs[1].n_put_back, 0);
                }
        }
}

/* Not of one of which something was executed. */
static void test_start_cancelled_half_way(void **state) {
        FakeUnit *u;

        fake.system_state = "stopping";
        start(0);
        until(run_0_is_there);
        u = fake_find(runs[0].unit);
        u->inactive_exit = 7;
        fake_job_removed(u, u->job, "canceled");
        fake_become(u, "inactive", "dead", 0);
        EXPECT(RUN_RESULT_LOST, 0);
}

static bool forty_were_put_back(void) {
        for (unsigned i = 0; i < 40; i++)
                if (runs[i].n_put_back == 0)
                        return false;
        return true;
}

static void test_hold_of_many(void **state) {
        until(was_listed);
        refuse_for_a_shutdown();
        for (unsigned i = 0; i < 40; i++)
                start(i);
        until(forty_were_put_back);
        assert_true(fake.n_starts <= UNIT_CALLS_MAX);
        assert_int_equal(n_held, 1);
        for (unsigned i = 0; i < 40; i++)
                assert_int_equal(runs[i].n_put_back, 1);
}

/* --- a daemon that goes down --- */

static bool is_drained(void) {
        return n_drained > 0;
}
static bool connection_is_lost(void) {
        return fake.n_starts > 0 && !((UnitExecutor *)executor)->is_open;
}

static void test_drain_of_nothing(void **state) {
        assert_true(executor->ops->drain(executor));
}

static void test_drain_leaves_what_runs(void **state) {
        run_0();
        assert_false(executor->ops->drain(executor));
        until(is_drained);
        assert_int_equal(runs[0].n_ended, 0);
        compare();
        assert_int_equal(n_drained, 1);
}

/* Its last signal was sent, and is not read yet; its figures are to be asked for. */
static void test_drain_waits_for_an_end(void **state) {
        run_0();
        fake_end(fake_find(runs[0].unit), CLD_EXITED, 3, "exit-code");
        assert_false(executor->ops->drain(executor));
        until(is_drained);
        EXPECT(RUN_RESULT_EXIT, 3);
        assert_int_equal(runs[0].cpu, 7000);
}

static void test_drain_finds_what_was_not_told(void **state) {
        run_0();
        fake.mute = true;
        fake_end(fake_find(runs[0].unit), CLD_EXITED, 3, "exit-code");
        assert_false(executor->ops->drain(executor));
        until(is_drained);
        EXPECT(RUN_RESULT_EXIT, 3);
}

static void test_drain_puts_back(void **state) {
        fake_stop_listening();
        start(0);
        assert_false(executor->ops->drain(executor));
        until(is_drained);
        assert_int_equal(runs[0].n_put_back, 1);
        assert_int_equal(fake.n_starts, 0);
}

static void test_drain_waits_for_a_start(void **state) {
        fake.on_start = MOOD_HOLD;
        start(0);
        until(call_is_held);
        assert_false(executor->ops->drain(executor));
        compare();
        assert_int_equal(n_drained, 0);
        assert_true(fake_answer_job(fake.held[0], 1) >= 0);
        fake.held[0] = sd_bus_message_unref(fake.held[0]);
        fake.n_held = 0;
        until(is_drained);
        assert_int_equal(runs[0].n_ended + runs[0].n_put_back, 0);
}

/* Whether it was started has to be seen, and nobody can be asked for the moment. */
static void test_drain_waits_for_the_connection(void **state) {
        until(was_listed);
        fake_stop_listening();
        fake.on_start = MOOD_DROP_UNDONE;
        start(0);
        until(connection_is_lost);
        assert_false(executor->ops->drain(executor));
        for (unsigned i = 0; i < 20; i++)
                assert_true(sd_event_run(fake.event, 0) >= 0);
        assert_int_equal(n_drained, 0);
        fake_listen();
        until(is_drained);
        assert_int_equal(runs[0].n_put_back, 1);
        assert_int_equal(fake.n_starts, 1);
}

/* --- the next boot --- */

/* The boot is another one, as far as can be told. */
static void test_adopt_after_a_boot(void **state) {
        FakeUnit *u = fake_add("vakt-job-1.service", "active", "running");

        prepare(0, "x");
        prepare(1, "x");
        runs[0].other_boot = runs[1].other_boot = true;
        adopt(0, RUN_STARTING);
        adopt(1, RUN_STARTING);
        until(run_0_started);
        until(second_run_was_lost);
        fake_end(u, CLD_EXITED, 0, "success");
        EXPECT(RUN_RESULT_SUCCESS, 0);
        assert_int_equal(fake.n_starts, 0);
}

/* Others start it, too: at boot, say. */
static void test_adopt_an_existing_unit_after_a_boot(void **state) {
        FakeUnit *u = fake_add("web.service", "active", "running");

        u->inactive_exit = 6000;
        prepare_unit(0, "web.service");
        runs[0].record.unit = runs[0].unit;
        runs[0].record.started = 5000;
        runs[0].other_boot = true;
        adopt(0, RUN_STARTING);
        EXPECT(RUN_RESULT_LOST, 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                fake_test(test_stopped_by_shutdown),
                fake_test(test_gone_in_a_shutdown),
                fake_test(test_over_before_the_shutdown),
                fake_test(test_refused_in_a_shutdown),
                fake_test(test_hold_ends_within_a_minute),
                fake_test(test_conflict_without_a_shutdown),
                fake_test(test_start_cancelled),
                fake_test(test_start_cancelled_half_way),
                fake_test(test_hold_of_many),
                fake_test(test_drain_of_nothing),
                fake_test(test_drain_leaves_what_runs),
                fake_test(test_drain_waits_for_an_end),
                fake_test(test_drain_finds_what_was_not_told),
                fake_test(test_drain_puts_back),
                fake_test(test_drain_waits_for_a_start),
                fake_test(test_drain_waits_for_the_connection),
                fake_test(test_adopt_after_a_boot),
                fake_test(test_adopt_an_existing_unit_after_a_boot),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
