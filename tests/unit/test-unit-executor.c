/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The unit executor beside a service manager that does what a real one does once in a thousand days. What a real one
 * does every day is in tests/system/exec-driver.c. */

#include "test-unit-run.h"

static int set_up_bus(void **state) {
        begin(/* is_bus= */ true);
        return 0;
}

static bool no_unit_is_left(void) {
        for (size_t i = 0; i < UNITS_MAX; i++)
                if (fake.units[i].name[0])
                        return false;
        return true;
}
static bool was_asked_for(void) {
        return fake.n_starts > 0;
}
static bool second_run_ended(void) {
        return runs[1].n_ended == 1 && runs[1].result == RUN_RESULT_SUCCESS;
}
static bool is_connected(void) {
        return fake.peer && sd_bus_is_ready(fake.peer) > 0 && fake.n_lists > 0;
}

/* --- a life --- */

static void test_whole_life(void **state) {
        FakeUnit *u;

        start(0);
        until(run_0_is_there);
        u = fake_find("vakt-job-1.service");
        assert_non_null(u);
        assert_int_equal(runs[0].n_started, 0);
        fake_become(u, "activating", "start", u->job);
        fake_run(u);
        until(run_0_started);
        assert_int_equal(runs[0].pid, u->pid);
        assert_true(sd_id128_equal(runs[0].invocation, u->invocation));
        u->status_text = "42%";
        fake_tell(u);
        fake_end(u, CLD_EXITED, 0, "success");
        EXPECT(RUN_RESULT_SUCCESS, 0);
        assert_string_equal(runs[0].status, "42%");
        assert_int_equal(runs[0].n_started, 1);
        assert_int_equal(runs[0].cpu, 7000);

        /* Not a moment before the ledger has it. */
        compare();
        assert_non_null(fake_find("vakt-job-1.service"));
        assert_int_equal(n_found, 0);
        executor->ops->acknowledge(executor);
        until(no_unit_is_left);
        assert_int_equal(fake.n_stops, 1);
        assert_int_equal(fake.n_resets, 0);
}

static void test_failure_is_reset(void **state) {
        start(0);
        until(run_0_is_there);
        fake_run(fake_find(runs[0].unit));
        fake_end(fake_find(runs[0].unit), CLD_EXITED, 7, "exit-code");
        EXPECT(RUN_RESULT_EXIT, 7);
        executor->ops->acknowledge(executor);
        until(no_unit_is_left);
        assert_int_equal(fake.n_stops, 0);
        assert_int_equal(fake.n_resets, 1);
}

/* The first signal says inactive, since the unit is about to start. */
static void test_inactive_with_a_job_is_no_end(void **state) {
        start(0);
        until(run_0_is_there);
        fake_tell(fake_find(runs[0].unit));
        compare();
        assert_int_equal(runs[0].n_ended, 0);
}

static void test_condition(void **state) {
        FakeUnit *u;

        start(0);
        until(run_0_is_there);
        u = fake_find(runs[0].unit);
        u->condition_failed = true;
        fake_job_removed(u, u->job, "done");
        fake_become(u, "inactive", "dead", 0);
        EXPECT(RUN_RESULT_SKIPPED, 0);
        assert_int_equal(runs[0].n_started, 0);
}

static void test_refused(void **state) {
        fake.on_start = MOOD_REFUSE;
        fake.error = "org.freedesktop.systemd1.BadUnitSetting";
        start(0);
        EXPECT(RUN_RESULT_START_FAILED, ENOEXEC);
        assert_string_equal(runs[0].reason,
                            "The service manager refused to start vakt-job-1.service: So says the fake.");
}

static void test_not_allowed(void **state) {
        fake.on_start = MOOD_REFUSE;
        fake.error = SD_BUS_ERROR_ACCESS_DENIED;
        start(0);
        EXPECT(RUN_RESULT_START_FAILED, EACCES);
        assert_non_null(strstr(runs[0].reason, "polkit"));
}

/* --- bounds --- */

/* The service manager does not end it, as it was asked for more time. */
static void test_bound_that_the_manager_lets_move(void **state) {
        FakeUnit *u;

        runs[0].timeout = USEC_PER_MINUTE;
        start(0);
        until(run_0_is_there);
        u = fake_find(runs[0].unit);
        u->inactive_exit_monotonic = now_clock(CLOCK_MONOTONIC) - USEC_PER_MINUTE / 2;
        fake_run(u);
        until(run_0_started);
        compare();
        assert_int_equal(fake.n_stops, 0);
        /* It was begun earlier than was thought. */
        ((UnitExecution *)runs[0].execution)->timeout =
                sd_event_source_disable_unref(((UnitExecution *)runs[0].execution)->timeout);
        u->inactive_exit_monotonic = now_clock(CLOCK_MONOTONIC) - 2 * USEC_PER_MINUTE;
        fake_tell(u);
        EXPECT(RUN_RESULT_TIMEOUT, SIGTERM);
        assert_int_equal(fake.n_stops, 1);
}

static void test_stop_that_the_manager_lets_move(void **state) {
        FakeUnit *u;

        run_0();
        u = fake_find(runs[0].unit);
        u->timeout_stop = 1;
        u->result = "timeout";
        fake_become(u, "deactivating", "stop-sigterm", 0);
        EXPECT(RUN_RESULT_TIMEOUT, SIGKILL);
        assert_int_equal(fake.n_kills, 1);
}

/* --- starts that nobody knows about --- */

static void test_started_but_not_said(void **state) {
        fake.on_start = MOOD_LIE;
        start(0);
        until(was_looked_at);
        fake_run(fake_find(runs[0].unit));
        fake_end(fake_find(runs[0].unit), CLD_EXITED, 0, "success");
        EXPECT(RUN_RESULT_SUCCESS, 0);
        assert_int_equal(fake.n_starts, 1);
}

static bool second_start(void) {
        if (fake.n_starts >= 1)
                fake.on_start = MOOD_GOOD;
        return fake.n_starts >= 2 && run_0_is_there();
}

static bool second_start_of_existing(void) {
        if (fake.n_starts >= 1)
                fake.on_start = MOOD_GOOD;
        return fake.n_starts >= 2;
}

static void test_not_started_and_not_said(void **state) {
        fake.on_start = MOOD_REFUSE;
        start(0);
        until(second_start);
        fake_run(fake_find(runs[0].unit));
        fake_end(fake_find(runs[0].unit), CLD_EXITED, 0, "success");
        EXPECT(RUN_RESULT_SUCCESS, 0);
        assert_int_equal(fake.n_starts, 2);
}

static bool ten_starts(void) {
        return fake.n_starts >= 10;
}

/* A run that may go on has not failed, and who does not answer is not asked without a pause. */
static void test_never_answered(void **state) {
        fake.on_start = MOOD_REFUSE;
        start(0);
        until(ten_starts);
        fake.on_start = MOOD_LIE;
        lists_before = fake.n_lists;
        for (unsigned i = 0; i < 20; i++)
                assert_true(sd_event_run(fake.event, 0) >= 0);
        assert_int_equal(fake.n_lists, lists_before);
        assert_int_equal(fake.n_starts, 10);
        assert_int_equal(runs[0].n_ended, 0);
        a_minute_passes();
        until(run_0_is_there);
        assert_int_equal(fake.n_starts, 11);
        a_minute_passes();
        until(was_looked_at);
        fake_run(fake_find(runs[0].unit));
        fake_end(fake_find(runs[0].unit), CLD_EXITED, 0, "success");
        EXPECT(RUN_RESULT_SUCCESS, 0);
        assert_int_equal(fake.n_starts, 11);
}

static void test_connection_lost_after_start(void **state) {
        fake.on_start = MOOD_DROP;
        start(0);
        until(was_looked_at);
        assert_int_equal(fake.n_connections, 2);
        fake_run(fake_find(runs[0].unit));
        fake_end(fake_find(runs[0].unit), CLD_EXITED, 3, "exit-code");
        EXPECT(RUN_RESULT_EXIT, 3);
        assert_int_equal(fake.n_starts, 1);
}

static void test_connection_lost_before_start(void **state) {
        fake.on_start = MOOD_DROP_UNDONE;
        start(0);
        until(second_start);
        assert_int_equal(fake.n_connections, 2);
        stop(0);
        EXPECT(RUN_RESULT_CANCELLED, 0);
}

static void test_unit_exists(void **state) {
        FakeUnit *u = fake_add("vakt-job-1.service", "active", "running");

        start(0);
        until(run_0_started);
        assert_int_equal(runs[0].pid, u->pid);
        fake_end(u, CLD_EXITED, 0, "success");
        EXPECT(RUN_RESULT_SUCCESS, 0);
}

/* --- lost signals --- */

static void test_end_that_was_not_told(void **state) {
        run_0();
        fake.mute = true;
        fake_end(fake_find(runs[0].unit), CLD_KILLED, SIGKILL, "signal");
        fake.mute = false;
        compare();
        EXPECT(RUN_RESULT_SIGNAL, SIGKILL);
        assert_int_equal(fake.n_looks, 1);
}

static void test_nothing_new_is_not_looked_at(void **state) {
        run_0();
        compare();
        assert_int_equal(fake.n_looks, 0);
        assert_int_equal(runs[0].n_ended, 0);
}

static void test_unit_that_is_gone(void **state) {
        run_0();
        fake_forget(runs[0].unit);
        compare();
        EXPECT(RUN_RESULT_LOST, 0);
        assert_non_null(strstr(runs[0].reason, "gone"));
}

/* The half of the service went to somebody else: what it says is not known. */
static void test_half_a_change(void **state) {
        FakeUnit *u;

        run_0();
        u = fake_find(runs[0].unit);
        u->code = CLD_EXITED;
        u->status = 9;
        u->result = "exit-code";
        u->active = u->sub = "failed";
        fake_tell_half(u, "org.freedesktop.systemd1.Unit", "org.freedesktop.systemd1");
        EXPECT(RUN_RESULT_EXIT, 9);
        assert_int_equal(fake.n_looks, 1);
}

static bool two_calls_are_held(void) {
        return fake.n_held == 2;
}

/* The list that it is missing in comes before the answer to the question how it is doing. */
static void test_gone_while_it_is_looked_at(void **state) {
        run_0();
        fake.on_list = fake.on_get_all = MOOD_HOLD;
        fake_reloading(false);
        until(call_is_held);
        fake_tell_half(fake_find(runs[0].unit), "org.freedesktop.systemd1.Unit", "org.freedesktop.systemd1");
        until(two_calls_are_held);
        fake_forget(runs[0].unit);
        assert_true(sd_bus_reply_method_return(fake.held[0], "a(ssssssouso)", 0) >= 0);
        assert_true(fake_error(fake.held[1], SD_BUS_ERROR_UNKNOWN_OBJECT) >= 0);
        EXPECT(RUN_RESULT_LOST, 0);
        assert_non_null(strstr(runs[0].reason, "gone"));
}

/* A list that was made before a run began says nothing about it. */
static void test_list_of_an_earlier_moment(void **state) {
        sd_bus_message *list;

        until(is_connected);
        fake.on_list = MOOD_HOLD;
        fake_reloading(false);
        until(call_is_held);
        list = fake.held[--fake.n_held];
        run_0();
        assert_true(sd_bus_reply_method_return(list, "a(ssssssouso)", 0) >= 0);
        sd_bus_message_unref(list);
        fake.on_list = MOOD_GOOD;
        compare();
        assert_int_equal(runs[0].n_ended, 0);
        assert_int_equal(fake.n_starts, 1);
}

static bool was_connected_again(void) {
        return fake.n_connections >= 2;
}

static void test_ended_while_away(void **state) {
        run_0();
        fake_stop_listening();
        fake_drop();
        fake_end(fake_find(runs[0].unit), CLD_EXITED, 4, "exit-code");
        fake_listen();
        until(was_connected_again);
        EXPECT(RUN_RESULT_EXIT, 4);
}

/* --- stopping --- */

static void test_stop(void **state) {
        run_0();
        stop(0);
        runs[0].execution->ops->stop(runs[0].execution, RUN_RESULT_TIMEOUT); /* changes nothing */
        EXPECT(RUN_RESULT_CANCELLED, SIGTERM);
        assert_int_equal(fake.n_stops, 1);
}

static void test_stop_of_what_was_not_sent(void **state) {
        fake_stop_listening();
        start(0);
        stop(0);
        EXPECT(RUN_RESULT_CANCELLED, 0);
        assert_int_equal(fake.n_starts, 0);
}

static void test_stop_during_start(void **state) {
        fake.on_start = MOOD_HOLD;
        start(0);
        until(call_is_held);
        stop(0);
        assert_int_equal(fake.n_stops, 0);
        assert_true(fake_answer_job(fake.held[0], 1) >= 0);
        fake.held[0] = sd_bus_message_unref(fake.held[0]);
        fake.n_held = 0;
        EXPECT(RUN_RESULT_CANCELLED, 0);
        assert_int_equal(fake.n_stops, 1);
}

static bool was_stopped(void) {
        return fake.n_stops > 0;
}

/* A call to stop that was lost is made again, once it is seen that the unit still runs. */
static void test_stop_that_was_lost(void **state) {
        run_0();
        fake.on_stop = MOOD_DROP;
        stop(0);
        until(was_stopped);
        fake.on_stop = MOOD_GOOD;
        EXPECT(RUN_RESULT_CANCELLED, SIGTERM);
        assert_int_equal(fake.n_stops, 2);
}

static void test_stopped_by_somebody(void **state) {
        FakeUnit *u;

        run_0();
        u = fake_find(runs[0].unit);
        fake_become(u, "deactivating", "stop-sigterm", 77);
        u->code = CLD_EXITED;
        u->status = 3;
        u->result = "exit-code";
        fake_become(u, "failed", "failed", 0);
        EXPECT(RUN_RESULT_CANCELLED, 0);
        assert_non_null(strstr(runs[0].reason, "not by vaktd"));
}

/* It was over when the call to stop it arrived: whoever wants to know is told what it did. */
static void test_over_before_it_was_stopped(void **state) {
        static const struct {
                int line;
                uint64_t exec_exit, active_exit;
                int status;
                const char *word;
                RunResult result;
        } table[] = {
                { __LINE__, 50, 60, 0, "success", RUN_RESULT_SUCCESS },
                { __LINE__, 50, 50, 7, "exit-code", RUN_RESULT_EXIT },
                { __LINE__, 70, 60, 0, "success", RUN_RESULT_CANCELLED },
                { __LINE__, 50, 0, 0, "success", RUN_RESULT_CANCELLED }, /* it was never active: cannot be told */
        };

        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
                FakeUnit *u;

                run_0();
                fake.on_stop = MOOD_HOLD;
                stop(0);
                until(call_is_held);
                u = fake_find(runs[0].unit);
                u->code = CLD_EXITED;
                u->status = table[i].status;
                u->result = table[i].word;
                u->exec_exit_monotonic = table[i].exec_exit;
                u->active_exit_monotonic = table[i].active_exit;
                assert_true(fake_answer_job(fake.held[0], 1) >= 0);
                fake.held[0] = sd_bus_message_unref(fake.held[0]);
                fake.n_held = 0;
                fake_become(u, "inactive", "dead", 0);
                expect(table[i].line, table[i].result, table[i].status);
                fake_forget(runs[0].unit);
                job_def_unref(runs[0].def);
                free(runs[0].unit);
                runs[0] = (TestRun){};
        }
}

/* --- adoption --- */

static void test_adopt_what_runs(void **state) {
        FakeUnit *u = fake_add("vakt-job-1.service", "active", "running");

        adopt(0, RUN_RUNNING);
        until(run_0_started);
        assert_int_equal(fake.n_starts, 0);
        fake_end(u, CLD_EXITED, 0, "success");
        EXPECT(RUN_RESULT_SUCCESS, 0);
}

static void test_adopt_what_ended(void **state) {
        FakeUnit *u = fake_add("vakt-job-1.service", "active", "exited");

        u->code = CLD_EXITED;
        adopt(0, RUN_STARTING);
        EXPECT(RUN_RESULT_SUCCESS, 0);
        assert_int_equal(runs[0].n_started, 1);
        executor->ops->acknowledge(executor);
        until(no_unit_is_left);
}

static void test_adopt_what_is_gone(void **state) {
        adopt(0, RUN_RUNNING);
        EXPECT(RUN_RESULT_LOST, 0);
        assert_int_equal(fake.n_starts, 0);
}

static void test_adopt_what_was_stopped(void **state) {
        adopt(0, RUN_STOPPING);
        EXPECT(RUN_RESULT_CANCELLED, 0);
}

static void test_adopt_what_is_to_be_stopped(void **state) {
        (void)fake_add("vakt-job-1.service", "active", "running");
        adopt(0, RUN_STOPPING);
        EXPECT(RUN_RESULT_CANCELLED, SIGTERM);
        assert_int_equal(fake.n_stops, 1);
}

static void test_adopt_what_was_never_started(void **state) {
        adopt(0, RUN_STARTING);
        until(run_0_is_there);
        assert_int_equal(fake.n_starts, 1);
        fake_run(fake_find(runs[0].unit));
        fake_end(fake_find(runs[0].unit), CLD_EXITED, 0, "success");
        EXPECT(RUN_RESULT_SUCCESS, 0);
}

/* Not without knowing what it was. */
static void test_adopt_without_definition(void **state) {
        ExecutionRequest request = { .run = &runs[0].record, .timeout = USEC_INFINITY };

        prepare(0, "x");
        assert_int_equal(executor->ops->adopt(executor, &request, &runs[0], &runs[0].execution), 0);
        EXPECT(RUN_RESULT_LOST, 0);
        assert_int_equal(fake.n_starts, 0);
}

/* --- existing units --- */

static void test_existing_unit(void **state) {
        FakeUnit *u = fake_add("web.service", "inactive", "dead");

        prepare_unit(0, "web.service");
        start(0);
        until(was_asked_for);
        assert_true(sd_bus_message_is_method_call(fake.last_start, NULL, "StartUnit") > 0);
        fake_run(u);
        until(run_0_started);
        u->code = CLD_EXITED;
        fake_become(u, "inactive", "dead", 0);
        EXPECT(RUN_RESULT_SUCCESS, 0);
        executor->ops->acknowledge(executor);
        compare();
        assert_int_equal(fake.n_stops, 0);
}

static void test_existing_unit_that_is_active(void **state) {
        FakeUnit *u = fake_add("web.service", "active", "running");

        prepare_unit(0, "web.service");
        start(0);
        until(was_asked_for);
        fake_job_removed(u, fake.next_job, "done");
        until(run_0_started);
        assert_int_equal(fake.n_looks, 1);
        stop(0);
        EXPECT(RUN_RESULT_CANCELLED, SIGTERM);
}

static void test_existing_unit_is_over_when_it_stands(void **state) {
        FakeUnit *u = fake_add("backup.mount", "inactive", "dead");

        prepare_unit(0, "backup.mount");
        start(0);
        until(was_asked_for);
        fake_job_removed(u, u->job, "done");
        fake_become(u, "active", "mounted", 0);
        EXPECT(RUN_RESULT_SUCCESS, 0);
}

static void test_existing_unit_whose_need_fails(void **state) {
        FakeUnit *u = fake_add("web.service", "inactive", "dead");

        prepare_unit(0, "web.service");
        start(0);
        until(was_asked_for);
        fake_job_removed(u, u->job, "dependency");
        fake_become(u, "inactive", "dead", 0);
        EXPECT(RUN_RESULT_START_FAILED, 0);
        assert_non_null(strstr(runs[0].reason, "web.service"));
}

static void test_existing_unit_is_adopted_by_its_invocation(void **state) {
        FakeUnit *u = fake_add("web.service", "active", "running");

        prepare_unit(0, "web.service");
        runs[0].record.unit = runs[0].unit;
        runs[0].record.invocation = u->invocation;
        adopt(0, RUN_RUNNING);
        until(run_0_started);
        u->code = CLD_EXITED;
        u->status = 5;
        u->result = "exit-code";
        fake_become(u, "failed", "failed", 0);
        EXPECT(RUN_RESULT_EXIT, 5);
        assert_int_equal(fake.n_starts, 0);
}

static void test_existing_unit_of_another_invocation(void **state) {
        (void)fake_add("web.service", "active", "running");
        prepare_unit(0, "web.service");
        runs[0].record.unit = runs[0].unit;
        (void)sd_id128_randomize(&runs[0].record.invocation);
        adopt(0, RUN_RUNNING);
        EXPECT(RUN_RESULT_LOST, 0);
        assert_int_equal(fake.n_starts, 0);
}

static void test_existing_unit_that_was_about_to_start(void **state) {
        static const struct {
                usec_t asked, begun;
                RunResult result;
        } table[] = { { 5000, 6000, RUN_RESULT_SUCCESS }, { 5000, 4000, RUN_RESULT_LOST } };

        for (unsigned i = 0; i < ELEMENTSOF(table); i++) {
                FakeUnit *u = fake_add("once.service", "active", "exited");

                u->code = CLD_EXITED;
                u->inactive_exit = table[i].begun;
                prepare_unit(0, "once.service");
                runs[0].record.unit = runs[0].unit;
                runs[0].record.started = table[i].asked;
                adopt(0, RUN_STARTING);
                EXPECT(table[i].result, 0);
                fake_forget("once.service");
                job_def_unref(runs[0].def);
                free(runs[0].unit);
                runs[0] = (TestRun){};
        }
        assert_int_equal(fake.n_starts, 0);
}

/* The manager has no memory of what it did, if it did, and the name of such a unit is no proof. */
static void test_existing_unit_that_was_perhaps_started(void **state) {
        prepare_unit(0, "once.service");
        fake.on_start = MOOD_REFUSE; /* without an answer */
        start(0);
        EXPECT(RUN_RESULT_LOST, 0);
        assert_int_equal(fake.n_starts, 1);
}

static void test_existing_unit_that_was_surely_not_started(void **state) {
        static const struct {
                const char *error;
                usec_t begun;
        } table[] = { { SD_BUS_ERROR_NAME_HAS_NO_OWNER, 0 }, { SD_BUS_ERROR_NO_REPLY, 4000 } };

        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
                FakeUnit *u = fake_add("once.service", "inactive", "dead");

                u->inactive_exit = table[i].begun; /* once upon a time */
                fake.error = table[i].error;
                fake.on_start = MOOD_REFUSE;
                fake.n_starts = 0;
                prepare_unit(0, "once.service");
                start(0);
                until(second_start_of_existing);
                fake_run(u);
                u->code = CLD_EXITED;
                fake_become(u, "inactive", "dead", 0);
                EXPECT(RUN_RESULT_SUCCESS, 0);
                fake_forget("once.service");
                job_def_unref(runs[0].def);
                free(runs[0].unit);
                runs[0] = (TestRun){};
        }
}

/* --- many --- */

static bool window_is_full(void) {
        return fake.n_held == UNIT_STARTS_MAX;
}
static bool all_are_held(void) {
        return fake.n_starts == 100;
}

static void answer_held(void) {
        for (; fake.n_held > 0; fake.n_held--) {
                assert_true(fake_answer_job(fake.held[fake.n_held - 1], 1) >= 0);
                sd_bus_message_unref(fake.held[fake.n_held - 1]);
        }
}

static bool more_are_held(void) {
        answer_held();
        return all_are_held();
}

static void test_calls_in_flight(void **state) {
        until(was_listed);
        fake.on_start = MOOD_HOLD;
        for (unsigned i = 0; i < 100; i++)
                start(i);
        until(window_is_full);
        for (unsigned i = 0; i < 50; i++) {
                assert_true(sd_event_run(fake.event, 0) >= 0);
                assert_true(fake.n_held <= UNIT_STARTS_MAX);
        }
        assert_int_equal(fake.n_starts, UNIT_STARTS_MAX);
        /* The next ones wait for all of them. */
        while (fake.n_held > 1) {
                assert_true(fake_answer_job(fake.held[--fake.n_held], 1) >= 0);
                sd_bus_message_unref(fake.held[fake.n_held]);
        }
        for (unsigned i = 0; i < 50; i++)
                assert_true(sd_event_run(fake.event, 0) >= 0);
        assert_int_equal(fake.n_starts, UNIT_STARTS_MAX);
        /* What is stopped does not wait behind those that are not started yet. */
        stop(0);
        stop(99);
        answer_held();
        until(was_stopped);
        assert_true(fake.n_starts < 99);
        assert_int_equal(runs[99].n_ended, 1);
        fake.n_starts++; /* that one is never sent */
        until(more_are_held);
}

static void test_strangers(void **state) {
        (void)fake_add("vakt-other-9.service", "active", "exited");
        (void)fake_add("vakt-rotate.service", "active", "running"); /* is none of ours */
        until(is_connected);
        compare();
        assert_true(n_found > 0 && n_surveyed > 0 && n_forgotten == 0);
        assert_int_equal(fake.n_asked, 0);
        assert_non_null(fake_find("vakt-other-9.service"));
        found_answer = EXEC_FOUND_WRITTEN;
        compare();
        assert_null(fake_find("vakt-other-9.service"));
        assert_int_equal(fake.n_stops, 1);
        assert_non_null(fake_find("vakt-rotate.service"));
}

static bool was_surveyed(void) {
        return n_surveyed > 0;
}

/* What it was for is known before anybody hears of the end of a run that was under way. */
static void test_forgotten(void **state) {
        FakeUnit *u = fake_add("vakt-job-1.service", "active", "exited");

        u->code = CLD_EXITED;
        (void)fake_add("vakt-other-9.service", "active", "exited");
        found_answer = EXEC_FOUND_FORGOTTEN;
        adopt(0, RUN_RUNNING);
        until(was_surveyed);
        assert_int_equal(n_forgotten, 1);
        assert_int_equal(fake.n_asked, 1);
        assert_string_equal(found_unit, "vakt-other-9.service");
        assert_true(found_scheduled == 1700000000 * USEC_PER_SEC + 5);
        EXPECT(RUN_RESULT_SUCCESS, 0);
        assert_non_null(fake_find("vakt-other-9.service"));
}

static unsigned next_run;
static void end_one(void) {
        char name[64];
        FakeUnit *u;

        runs[0].record = (RunRecord)RUN_RECORD_INIT;
        free(runs[0].unit);
        runs[0].unit = NULL;
        job_def_unref(runs[0].def);
        runs[0] = (TestRun){};
        prepare(0, "x");
        runs[0].record.id = ++next_run;
        free(runs[0].unit);
        assert_int_equal(unit_name_of_run(&runs[0].unit, "job", next_run), 0);
        start(0);
        until(run_0_is_there);
        (void)snprintf(name, sizeof(name), "%s", runs[0].unit);
        u = fake_find(name);
        fake_run(u);
        fake_end(u, CLD_EXITED, 0, "success");
        EXPECT(RUN_RESULT_SUCCESS, 0);
}

static void test_ledger_that_cannot_be_written(void **state) {
        next_run = 0;
        for (unsigned i = 0; i < UNIT_RELEASES_MAX + 3; i++)
                end_one();
        until(was_stopped);
        compare();
        assert_int_equal(fake.n_stops, 3);
        assert_null(fake_find("vakt-job-1.service"));
        assert_null(fake_find("vakt-job-3.service"));
        assert_non_null(fake_find("vakt-job-4.service"));
        executor->ops->acknowledge(executor);
        until(no_unit_is_left);
}

static void test_release_that_was_lost(void **state) {
        run_0();
        fake_end(fake_find(runs[0].unit), CLD_EXITED, 0, "success");
        EXPECT(RUN_RESULT_SUCCESS, 0);
        fake.on_stop = MOOD_DROP;
        executor->ops->acknowledge(executor);
        until(was_stopped);
        fake.on_stop = MOOD_GOOD;
        until(no_unit_is_left);
        assert_int_equal(n_found, 0);
}

/* --- once a minute --- */

static bool timer_is_armed(void) {
        int enabled;

        assert_true(sd_event_source_get_enabled(((UnitExecutor *)executor)->compare_timer, &enabled) >= 0);
        return enabled != SD_EVENT_OFF;
}

static bool connection_is_closed(void) {
        return sd_bus_is_open(fake.peer) <= 0;
}

static void test_lost_signal_is_found_in_a_minute(void **state) {
        run_0();
        fake.mute = true;
        fake_end(fake_find(runs[0].unit), CLD_EXITED, 1, "exit-code");
        fake.mute = false;
        a_minute_passes();
        EXPECT(RUN_RESULT_EXIT, 1);
        assert_true(timer_is_armed());
}

static void test_nothing_to_do_costs_nothing(void **state) {
        run_0();
        fake_end(fake_find(runs[0].unit), CLD_EXITED, 0, "success");
        EXPECT(RUN_RESULT_SUCCESS, 0);
        /* What is not released is still to be. */
        a_minute_passes();
        compare();
        assert_int_equal(fake.n_connections, 1);
        executor->ops->acknowledge(executor);
        until(no_unit_is_left);
        compare();
        a_minute_passes();
        until(connection_is_closed);
        assert_false(timer_is_armed());
        assert_int_equal(fake.n_connections, 1);

        start(1);
        until(was_connected_again);
        until(second_run_is_there);
        fake_run(fake_find(runs[1].unit));
        fake_end(fake_find(runs[1].unit), CLD_EXITED, 0, "success");
        until(second_run_ended);
        assert_true(timer_is_armed());
}

/* --- over a bus --- */

static void test_bus(void **state) {
        run_0();
        fake_end(fake_find(runs[0].unit), CLD_EXITED, 0, "success");
        EXPECT(RUN_RESULT_SUCCESS, 0);
}

static void test_forged_signals(void **state) {
        FakeUnit *u, forged;

        run_0();
        u = fake_find(runs[0].unit);
        forged = *u;
        forged.code = CLD_EXITED;
        forged.status = 66;
        forged.result = "exit-code";
        forged.active = forged.sub = "failed";
        fake_tell_as(&forged, ":1.66");
        fake_tell_as(&forged, "org.freedesktop.systemd1");
        compare();
        assert_int_equal(runs[0].n_ended, 0);
        fake_end(u, CLD_EXITED, 0, "success");
        EXPECT(RUN_RESULT_SUCCESS, 0);
}

static void tell_owner(const char *name, const char *owner) {
        sd_bus_message *m = NULL;

        assert_int_equal(sd_bus_message_new_signal(fake.peer, &m, "/org/freedesktop/DBus", "org.freedesktop.DBus",
                                                   "NameOwnerChanged"),
                         0);
        assert_int_equal(sd_bus_message_set_sender(m, "org.freedesktop.DBus"), 0);
        assert_true(sd_bus_message_append(m, "sss", name, "", owner) >= 0);
        fake_send(m);
}

static void test_new_owner(void **state) {
        FakeUnit *u;

        run_0();
        u = fake_find(runs[0].unit);
        /* Others come and go. */
        tell_owner(":1.5", ":1.5");
        tell_owner("org.example", ":1.5");
        compare();
        fake.mute = true;
        fake_end(u, CLD_EXITED, 8, "exit-code");
        fake.mute = false;
        tell_owner("org.freedesktop.systemd1", ":1.9");
        EXPECT(RUN_RESULT_EXIT, 8);
}

/* What the old owner was asked for is not answered any more. */
static void test_new_owner_during_start(void **state) {
        fake.on_start = MOOD_HOLD;
        start(0);
        until(call_is_held);
        tell_owner("org.freedesktop.systemd1", OWNER);
        until(was_looked_at);
        fake_run(fake_find(runs[0].unit));
        fake_end(fake_find(runs[0].unit), CLD_EXITED, 0, "success");
        EXPECT(RUN_RESULT_SUCCESS, 0);
        assert_int_equal(fake.n_starts, 1);
}

static void test_new_owner_during_stop(void **state) {
        run_0();
        fake.on_stop = MOOD_HOLD;
        stop(0);
        until(call_is_held);
        fake.on_stop = MOOD_GOOD;
        tell_owner("org.freedesktop.systemd1", OWNER);
        EXPECT(RUN_RESULT_CANCELLED, SIGTERM);
        assert_int_equal(fake.n_stops, 2);
}

/* --- what is sent --- */

static void test_message(void **state) {
        char names[40][64];
        const char *name, *unit, *mode, *word;
        size_t n = 0, last = SIZE_MAX;

        prepare(0, "x");
        runs[0].def->rare->properties = calloc(2, sizeof(UnitProperty));
        runs[0].def->rare->n_properties = 2;
        runs[0].def->rare->properties[0] = (UnitProperty){ .name = "Environment", .signature = "as" };
        assert_int_equal(unit_property_add_number(&runs[0].def->rare->properties[0], 1), 0);
        assert_int_equal(unit_property_add_text(&runs[0].def->rare->properties[0], "VAKT_JOB=evil", SIZE_MAX), 0);
        runs[0].def->rare->properties[1] = (UnitProperty){ .name = "CollectMode", .signature = "s" };
        assert_int_equal(unit_property_add_text(&runs[0].def->rare->properties[1], "inactive-or-failed", SIZE_MAX), 0);
        start(0);
        until(run_0_is_there);
        assert_true(sd_bus_message_rewind(fake.last_start, true) >= 0);
        assert_true(sd_bus_message_read(fake.last_start, "ss", &unit, &mode) > 0);
        assert_string_equal(unit, "vakt-job-1.service");
        assert_string_equal(mode, "fail");
        assert_true(sd_bus_message_enter_container(fake.last_start, 'a', "(sv)") > 0);
        while (sd_bus_message_enter_container(fake.last_start, 'r', "sv") > 0) {
                assert_true(sd_bus_message_read_basic(fake.last_start, 's', &name) > 0);
                assert_true(n < ELEMENTSOF(names));
                (void)snprintf(names[n], sizeof(names[n]), "%s", name);
                if (streq(name, "CollectMode")) {
                        assert_true(sd_bus_message_read(fake.last_start, "v", "s", &word) > 0);
                        last = streq(word, "inactive") ? n : SIZE_MAX;
                } else
                        assert_true(sd_bus_message_skip(fake.last_start, "v") >= 0);
                assert_true(sd_bus_message_exit_container(fake.last_start) >= 0);
                n++;
        }
        /* Ours is the last word on what keeps the result, and on how a run is called. */
        assert_int_not_equal(last, SIZE_MAX);
        assert_string_equal(names[n - 2], "Environment");
        assert_string_equal(names[n - 1], "LogExtraFields");
        assert_string_equal(names[0], "Description");
}

static void test_settings_that_do_not_fit(void **state) {
        prepare(0, "x");
        runs[0].def->rare->properties = calloc(1, sizeof(UnitProperty));
        runs[0].def->rare->n_properties = 1;
        runs[0].def->rare->properties[0] = (UnitProperty){ .name = "BindPaths", .signature = "a(ssbt)" };
        assert_int_equal(unit_property_add_number(&runs[0].def->rare->properties[0], 1), 0);
        start(0);
        EXPECT(RUN_RESULT_START_FAILED, EINVAL);
        assert_int_equal(fake.n_starts, 0);
}

#define bus_test(f) cmocka_unit_test_setup_teardown(f, set_up_bus, tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                fake_test(test_whole_life),
                fake_test(test_failure_is_reset),
                fake_test(test_inactive_with_a_job_is_no_end),
                fake_test(test_condition),
                fake_test(test_refused),
                fake_test(test_bound_that_the_manager_lets_move),
                fake_test(test_stop_that_the_manager_lets_move),
                fake_test(test_not_allowed),
                fake_test(test_started_but_not_said),
                fake_test(test_not_started_and_not_said),
                fake_test(test_never_answered),
                fake_test(test_connection_lost_after_start),
                fake_test(test_connection_lost_before_start),
                fake_test(test_unit_exists),
                fake_test(test_end_that_was_not_told),
                fake_test(test_nothing_new_is_not_looked_at),
                fake_test(test_unit_that_is_gone),
                fake_test(test_half_a_change),
                fake_test(test_gone_while_it_is_looked_at),
                fake_test(test_list_of_an_earlier_moment),
                fake_test(test_ended_while_away),
                fake_test(test_stop),
                fake_test(test_stop_of_what_was_not_sent),
                fake_test(test_stop_during_start),
                fake_test(test_stop_that_was_lost),
                fake_test(test_stopped_by_somebody),
                fake_test(test_over_before_it_was_stopped),
                fake_test(test_adopt_what_runs),
                fake_test(test_adopt_what_ended),
                fake_test(test_adopt_what_is_gone),
                fake_test(test_adopt_what_was_stopped),
                fake_test(test_adopt_what_is_to_be_stopped),
                fake_test(test_adopt_what_was_never_started),
                fake_test(test_adopt_without_definition),
                fake_test(test_existing_unit),
                fake_test(test_existing_unit_that_is_active),
                fake_test(test_existing_unit_is_over_when_it_stands),
                fake_test(test_existing_unit_whose_need_fails),
                fake_test(test_existing_unit_is_adopted_by_its_invocation),
                fake_test(test_existing_unit_of_another_invocation),
                fake_test(test_existing_unit_that_was_about_to_start),
                fake_test(test_existing_unit_that_was_perhaps_started),
                fake_test(test_existing_unit_that_was_surely_not_started),
                fake_test(test_calls_in_flight),
                fake_test(test_strangers),
                fake_test(test_forgotten),
                fake_test(test_ledger_that_cannot_be_written),
                fake_test(test_release_that_was_lost),
                fake_test(test_lost_signal_is_found_in_a_minute),
                fake_test(test_nothing_to_do_costs_nothing),
                bus_test(test_bus),
                bus_test(test_forged_signals),
                bus_test(test_new_owner),
                bus_test(test_new_owner_during_start),
                bus_test(test_new_owner_during_stop),
                fake_test(test_message),
                fake_test(test_settings_that_do_not_fit),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
