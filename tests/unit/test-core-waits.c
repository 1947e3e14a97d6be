/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The steps of runs that wait: for a slot, for the machine, for their turn; and how much is done in one turn of the
 * loop. */

#include "steps-fixture.h"

#include "core/deadlines.h"
#include "core/outbox.h"
#include "core/pools.h"
#include "fake-executor.h"

static void test_waited_too_long(void **state) {
        write_config("[Pool p]\nSlots=1\nMaxWaitSec=5min\n");
        write_job("a", "[Job]\nOnFailure=c\n[Run]\nExec=/bin/true\nPool=p\nRetry=1\nRetryDelaySec=10min\n");
        write_job("b", "[Run]\nExec=/bin/true\nPool=p\nTimeoutSec=infinity\n");
        write_job("c", "[Run]\nExec=/bin/true\n");
        begin_steps();
        runs_are_long = true;
        (void)request("b", RUN_TRIGGER_NONE);
        steps[0] = '\0';
        (void)request("a", RUN_TRIGGER_NONE);
        EXPECT("+ 2 a manual queued; new 2 queued; job a; summary; [commit]");
        EXPECT_WHY("a", "state: It is queued.\n"
                        "timer: It has no trigger: it runs on request.\n"
                        "queue: Run 2 waits for pool 'p': 1 of its 1 slot is in use (Pool=).\n");
        end_run(1, RUN_RESULT_SUCCESS);
        end_run(2, RUN_RESULT_EXIT);
        steps[0] = '\0';
        /* The first try is skipped, and nobody hears of a failure. */
        (void)request("b", RUN_TRIGGER_NONE);
        (void)request("a", RUN_TRIGGER_NONE);
        advance(5 * MINUTES);
        assert_int_equal(run(5).result, RUN_RESULT_SKIPPED);
        assert_string_equal(reason(5), "It waited longer than 5min for a slot of pool 'p' (MaxWaitSec=).");
        assert_int_equal(count_runs("c"), 0);
        /* But of the second one they do. */
        advance(5 * MINUTES);
        steps[0] = '\0';
        advance(5 * MINUTES);
        EXPECT("= 3 skipped; finished 3 skipped; + 6 c chain queued; new 6 queued; job c; summary; "
               "job a; summary; = 6 starting; stamp c runs no. 1; [commit]; begin 6; = 6 running; "
               "started 6; job c; summary");
        assert_int_equal(run(3).result, RUN_RESULT_SKIPPED);
        assert_int_equal(count_runs("c"), 1);
        end_run(4, RUN_RESULT_SUCCESS);
}

/* The time that it waits for its pool is not that in which all are held up. */
static void test_wait_is_not_for_the_pool(void **state) {
        write_config("[Manager]\nMaxRunning=2\n[Pool p]\nSlots=1\nMaxWaitSec=5min\n");
        write_job("a", "[Run]\nExec=/bin/true\nPool=p\n");
        write_job("b", "[Run]\nExec=/bin/true\nTimeoutSec=infinity\nOverlap=parallel\nMaxParallel=2\n");
        write_job("c", "[Run]\nExec=/bin/true\nPool=p\nPriority=10\nTimeoutSec=infinity\n");
        begin_steps();
        runs_are_long = true;
        (void)request("b", RUN_TRIGGER_NONE);
        (void)request("b", RUN_TRIGGER_NONE);
        (void)request("a", RUN_TRIGGER_NONE);
        EXPECT_WHY("a", "state: It is queued.\n"
                        "timer: It has no trigger: it runs on request.\n"
                        "queue: Run 3 waits for one of the 2 slots of all jobs (MaxRunning=).\n");
        advance(9 * MINUTES);
        assert_int_equal(run(3).state, RUN_QUEUED);
        /* One that may go first takes the slot. */
        (void)request("c", RUN_TRIGGER_NONE);
        end_run(1, RUN_RESULT_SUCCESS);
        assert_true(run(3).state == RUN_QUEUED && run(4).state == RUN_RUNNING);
        advance(MINUTES);
        assert_string_equal(reason(3), "It waited longer than 5min for a slot of pool 'p' (MaxWaitSec=).");
}

/* A first try that did not come to the machine is no failure. */
static void test_waited_too_long_for_the_machine(void **state) {
        write_job("a", "[Job]\nOnFailure=c\n[Run]\nExec=/bin/true\nWaitFor=load1 < 2\nWaitMaxSec=5min\n");
        write_job("c", "[Run]\nExec=/bin/true\n");
        begin_steps();
        set("load1", 3000);
        (void)request("a", RUN_TRIGGER_NONE);
        (void)request("a", RUN_TRIGGER_NONE);
        steps[0] = '\0';
        advance(5 * MINUTES);
        EXPECT("= 1 skipped; = 2 skipped; finished 1 skipped; job a; summary; finished 2 skipped; "
               "job a; summary");
        assert_string_equal(reason(1), "It waited longer than 5min (WaitMaxSec=): load1 is 3 and not < 2 (WaitFor=).");
}

/* What vaktd.conf says counts at once; one with errors changes nothing. */
static void test_settings(void **state) {
        write_config("[Manager]\nMaxRunning=1\n[Pool p]\nSlots=1\n");
        write_job("a", "[Run]\nExec=/bin/true\nOverlap=parallel\nMaxParallel=9\nQueueMax=9\nPool=p\n");
        begin_steps();
        (void)request("a", RUN_TRIGGER_NONE);
        (void)request("a", RUN_TRIGGER_NONE);
        (void)request("a", RUN_TRIGGER_NONE);
        write_config("[Manager]\nMaxRunning=9\nNonsense=1\n[Pool p]\nSlots=9\n");
        assert_int_equal(manager_reload(f.m), 0);
        settle();
        assert_int_equal(manager_n_running(f.m), 1);
        write_config("[Manager]\nMaxRunning=1\n[Pool p]\nSlots=9\n");
        reload();
        assert_int_equal(manager_get_pool(f.m, 0).slots, 9);
        assert_int_equal(manager_n_running(f.m), 1);
        write_config("[Manager]\nMaxRunning=2\n[Pool p]\nSlots=9\n");
        reload();
        assert_int_equal(manager_n_running(f.m), 2);
        write_config("[Pool q]\nSlots=1\n");
        reload();
        assert_int_equal(manager_n_pools(f.m), 2); /* it is one without a description by now */
        assert_int_equal(manager_get_pool(f.m, 0).slots, 1);
        assert_int_equal(manager_cancel(f.m, 3), 0);
        advance(MINUTES);
        assert_int_equal(manager_n_pools(f.m), 1);
        assert_string_equal(manager_get_pool(f.m, 0).name, "q");
}

static int on_other(sd_event_source *s, void *userdata) {
        step("other");
        return 0;
}

/* What follows from an end, and from a reading, is found before anything else is done. */
static void test_before_all_others(void **state) {
        sd_event_source *s = NULL;

        write_job("a", "[Run]\nExec=/bin/true\nWaitFor=job b is failed\n");
        write_job("b", "[Run]\nExec=/bin/true\n");
        begin_steps();
        (void)request("b", RUN_TRIGGER_NONE);
        (void)request("a", RUN_TRIGGER_NONE);
        steps[0] = '\0';
        assert_int_equal(sd_event_add_defer(f.event, &s, on_other, NULL), 0);
        assert_true(sd_event_source_set_priority(s, SD_EVENT_PRIORITY_IMPORTANT) >= 0);
        runs_drop(f.m, live(1), RUN_RESULT_EXIT);
        fake_world_forget(1);
        settle();
        EXPECT("= 1 exit; finished 1 exit; job b; summary; other; job a; = 2 starting; "
               "stamp a runs no. 1; [commit]; begin 2; = 2 running; started 2; job a; summary; [commit]");
        sd_event_source_unref(s);
}

/* Who cancels what has just begun to wait for the machine is not called any more. */
static void test_condition_is_left_at_once(void **state) {
        RunRequest r = { .cause = RUN_CAUSE_MANUAL, .trigger = RUN_TRIGGER_NONE };
        const RunRecord *record;

        write_job("a", "[Run]\nExec=/bin/true\nWaitFor=load1 < 2\n");
        begin_steps();
        assert_int_equal(manager_request(f.m, "a", &r, &record), 0);
        assert_int_equal(manager_cancel(f.m, record->id), 0);
        settle();
        assert_null(job("a")->live->wait);
        assert_int_equal(fake_probe_n_uses("load1"), 0);
        fake_probe_set("load1", 1000, 0);
        (void)request("a", RUN_TRIGGER_NONE);
        assert_int_equal(run(2).state, RUN_RUNNING);
}

/* When files may be given to a run. */
static void test_allowed(void **state) {
        Instant now;

        write_job("a", "[Run]\nExec=/bin/true\nMinIntervalSec=1h\n");
        begin_steps();
        (void)request("a", RUN_TRIGGER_NONE);
        advance(10 * MINUTES);
        now = (Instant){ fake_clock.realtime, fake_clock.boottime, fake_clock.monotonic };
        assert_true(runs_allowed(f.m, job("a"), RUN_CAUSE_PATH, now) == now.boottime + 50 * MINUTES);
        assert_int_equal(manager_pause(f.m, "a"), 0);
        assert_true(runs_allowed(f.m, job("a"), RUN_CAUSE_PATH, now) == USEC_INFINITY);
        assert_true(runs_allowed(f.m, job("a"), RUN_CAUSE_MANUAL, now) == now.boottime + 50 * MINUTES);
        advance(HOURS);
        now = (Instant){ fake_clock.realtime, fake_clock.boottime, fake_clock.monotonic };
        assert_int_equal(runs_allowed(f.m, job("a"), RUN_CAUSE_MANUAL, now), 0);
        assert_int_equal(manager_resume(f.m, "a"), 0);
        assert_int_equal(runs_allowed(f.m, job("a"), RUN_CAUSE_PATH, now), 0);
        /* Until it is known what goes on, no files are; people need not wait for that. */
        f.m->is_surveyed = false;
        assert_true(runs_allowed(f.m, job("a"), RUN_CAUSE_PATH, now) == USEC_INFINITY);
        (void)request("a", RUN_TRIGGER_NONE);
        assert_int_equal(run(2).state, RUN_RUNNING);
        f.m->is_surveyed = true;
}

/* First come, first served, across jobs. */
static void test_order_of_acceptance(void **state) {
        write_job("a", "[Run]\nExec=/bin/true\nPool=p\n");
        write_job("b", "[Run]\nExec=/bin/true\nPool=p\n");
        begin_steps();
        (void)request("a", RUN_TRIGGER_NONE);
        (void)request("a", RUN_TRIGGER_NONE); /* waits for the one before it, then for the pool */
        advance(USEC_PER_SEC);
        (void)request("b", RUN_TRIGGER_NONE);
        end_run(1, RUN_RESULT_SUCCESS);
        assert_true(run(2).state == RUN_RUNNING && run(3).state == RUN_QUEUED);
        end_run(2, RUN_RESULT_SUCCESS);
        assert_int_equal(run(3).state, RUN_RUNNING);
}

/* How long it has waited for a slot counts on when its file changes, unless it is another pool's. */
static void test_wait_and_an_edit(void **state) {
        for (int other = 0; other < 2; other++) {
                write_config("[Pool p]\nSlots=1\nMaxWaitSec=5min\n[Pool q]\nSlots=1\nMaxWaitSec=5min\n");
                write_job("a", "[Run]\nExec=/bin/true\nPool=p\n");
                write_job("b", "[Run]\nExec=/bin/true\nPool=p\nTimeoutSec=infinity\n");
                write_job("c", "[Run]\nExec=/bin/true\nPool=q\nTimeoutSec=infinity\n");
                begin_steps();
                runs_are_long = true;
                (void)request("b", RUN_TRIGGER_NONE);
                (void)request("c", RUN_TRIGGER_NONE);
                uint64_t id = request("a", RUN_TRIGGER_NONE);
                advance(3 * MINUTES);
                write_job("a", other ? "[Run]\nExec=/bin/false\nPool=q\n" : "[Run]\nExec=/bin/false\nPool=p\n");
                reload();
                advance(2 * MINUTES);
                assert_int_equal(run(id).state, other ? RUN_QUEUED : RUN_DONE);
                advance(3 * MINUTES);
                assert_int_equal(run(id).result, RUN_RESULT_SKIPPED);
                advance(2 * HOURS);
                stop();
        }
        start();
}

/* What has waited for a slot and has to wait for the machine again waits for the slot anew. */
static void test_wait_for_the_machine_again(void **state) {
        write_config("[Pool p]\nSlots=1\nMaxWaitSec=5min\n");
        write_job("a", "[Run]\nExec=/bin/true\nPool=p\nOverlap=parallel\nMaxParallel=2\nWaitFor=load1 < 2\n"
                       "WaitMaxSec=1day\n");
        write_job("b", "[Run]\nExec=/bin/true\nPool=p\nTimeoutSec=infinity\n");
        begin_steps();
        runs_are_long = true;
        set("load1", 1000);
        (void)request("b", RUN_TRIGGER_NONE);
        (void)request("a", RUN_TRIGGER_NONE);
        (void)request("a", RUN_TRIGGER_NONE);
        advance(4 * MINUTES);
        steps[0] = '\0';
        set("load1", 3000);
        EXPECT("= 2 waiting; run 2 waiting; job a");
        advance(30 * USEC_PER_SEC);
        set("load1", 1000);
        EXPECT("job a");
        advance(4 * MINUTES);
        assert_true(run(2).state == RUN_QUEUED && run(3).state == RUN_QUEUED);
        steps[0] = '\0';
        advance(MINUTES);
        EXPECT("= 2 skipped; = 3 skipped; finished 2 skipped; job a; summary; finished 3 skipped; "
               "job a; summary");
}

/* A file that makes what waits wait for the machine lets those pass that a person does not want to wait for it. */
static void test_now_and_an_edit(void **state) {
        write_job("a", "[Run]\nExec=/bin/true\nQueueMax=5\n");
        begin_steps();
        (void)request("a", RUN_TRIGGER_NONE);
        (void)request("a", RUN_TRIGGER_NONE);
        (void)request("a", RUN_TRIGGER_NOW);
        write_job("a", "[Run]\nExec=/bin/true\nQueueMax=5\nWaitFor=load1 < 2\n");
        reload();
        end_run(1, RUN_RESULT_SUCCESS);
        assert_true(run(2).state != RUN_RUNNING && run(3).state == RUN_RUNNING);
}

static unsigned n_due;

static void on_due(Manager *m, Deadline *d) {
        n_due++;
}

/* No turn is long, however much is due. */
static void test_deadlines_in_turns(void **state) {
        Deadline deadlines[200];

        begin_steps();
        n_due = 0;
        for (size_t i = 0; i < ELEMENTSOF(deadlines); i++) {
                deadlines[i] = (Deadline){ .due = on_due, .position = HEAP_NONE };
                deadline_set(f.m, &deadlines[i], fake_clock.boottime + USEC_PER_SEC);
        }
        fake_clock_advance(USEC_PER_SEC);
        for (unsigned i = 0; i < 20 && n_due == 0; i++)
                assert_true(fake_clock_run(f.event) >= 0);
        assert_int_equal(n_due, 64);
        settle();
        assert_int_equal(n_due, 200);
}

#define WATCHES 300
static ConditionWatch watches[WATCHES];
static unsigned n_news;

static void on_news(ConditionWatch *w) {
        n_news++;
        if (w == &watches[1]) /* who is told may do without others that are to be told */
                condition_watch_stop(&watches[WATCHES - 1]);
}

static void test_conditions_in_turns(void **state) {
        Condition *c;

        begin_steps();
        assert_int_equal(condition_parse("load1 < 2", &c, NULL), 0);
        n_news = 0;
        memset(watches, 0, sizeof(watches));
        for (size_t i = 0; i < WATCHES; i++) {
                watches[i].changed = on_news;
                assert_int_equal(condition_watch_start(&watches[i], f.m, c, MINUTES), 0);
        }
        fake_probe_set("load1", 1000, 0);
        for (unsigned i = 0; i < 20 && n_news == 0; i++)
                assert_true(fake_clock_run(f.event) >= 0);
        assert_int_equal(n_news, 256);
        settle();
        assert_int_equal(n_news, WATCHES - 1);
        assert_int_equal(watches[0].truth, TRUTH_TRUE);
        for (size_t i = 0; i < WATCHES; i++)
                condition_watch_stop(&watches[i]);
        condition_free(c);
}

static void test_told_conditions(void **state) {
        write_job("a", "[Run]\nExec=/bin/true\nWaitFor=load1 < 2\nWaitMaxSec=1day\n");
        begin_steps();
        (void)request("a", RUN_TRIGGER_NONE);
        EXPECT("+ 1 a manual queued; new 1 queued; job a; summary; = 1 waiting; run 1 waiting; [commit]");
        set_unknown("load1", "It cannot be read.");
        EXPECT_WHY(
                "a",
                "state: It is queued.\n"
                "timer: It has no trigger: it runs on request.\n"
                "queue: Run 1 waits until its condition is true: load1 is unknown: It cannot be read (WaitFor=).\n");
        set_unknown("load1", "no dot");
        EXPECT_WHY("a", "state: It is queued.\n"
                        "timer: It has no trigger: it runs on request.\n"
                        "queue: Run 1 waits until its condition is true: load1 is unknown: no dot (WaitFor=).\n");
        set_unknown("load1", "");
        EXPECT_WHY("a", "state: It is queued.\n"
                        "timer: It has no trigger: it runs on request.\n"
                        "queue: Run 1 waits until its condition is true: load1 is unknown:  (WaitFor=).\n");
        set("load1", 2500);
        EXPECT_WHY("a", "state: It is queued.\n"
                        "timer: It has no trigger: it runs on request.\n"
                        "queue: Run 1 waits until its condition is true: load1 is 2.5 and not < 2 (WaitFor=).\n");
        steps[0] = '\0';
        set("load1", 1500);
        EXPECT("job a; = 1 starting; stamp a runs no. 1; [commit]; begin 1; = 1 running; started 1; "
               "job a; summary");
}

static int count_known(usec_t start, const Bucket *b, void *userdata) {
        *(usec_t *)userdata += b->known;
        return 0;
}

static void answer(Question *q, int64_t value, void **observed) {
        probes_options.answered(probes_options.userdata, q, &(Reading){ .is_known = true, .value = value }, observed);
}

static int count_value(const char *question, ConditionKind kind, const Reading *last, bool is_used, void *userdata) {
        step("%s %" PRId64 "%s", question, last->value, is_used ? "" : " unused");
        return 0;
}

static void test_values_are_kept(void **state) {
        usec_t grain = 0, known = 0;
        void *observed = NULL;
        ConditionUnit unit;
        Question q;

        write_job("a", "[Run]\nExec=/bin/true\nWaitFor=load1 < 2\nWaitMaxSec=1day\n");
        begin_steps();
        (void)request("a", RUN_TRIGGER_NONE);
        assert_int_equal(question_parse("load1", &q, NULL), 0);
        steps[0] = '\0';
        answer(&q, 3000, &observed);
        EXPECT("values");
        answer(&q, 3000, &observed);
        EXPECT("");
        answer(&q, 2500, &observed);
        EXPECT("values");
        assert_int_equal(manager_list_values(f.m, count_value, NULL), 0);
        EXPECT("load1 2500");
        advance(150 * USEC_PER_SEC);
        answer(&q, 2500, &observed);
        restart();
        assert_int_equal(manager_get_values_unit(f.m, "load1", &unit, NULL), 0);
        assert_int_equal(unit, CONDITION_MILLI);
        assert_int_equal(manager_get_values_unit(f.m, "load5", &unit, NULL), -ENOENT);
        assert_int_equal(
                manager_query_values(f.m, "load1", begin, begin + 150 * USEC_PER_SEC, &grain, count_known, &known), 0);
        assert_true(grain == MINUTES && known >= 149 * USEC_PER_SEC && known <= 151 * USEC_PER_SEC);
        question_done(&q);
}

/* What comes in one moment goes in the order in which it came. */
static void test_order_in_one_moment(void **state) {
        char name[16];

        for (unsigned i = 1; i <= 8; i++) {
                (void)snprintf(name, sizeof(name), "j%u", i);
                write_job(name, "[Run]\nExec=/bin/true\nPool=p\n");
        }
        begin_steps();
        for (unsigned i = 1; i <= 8; i++) {
                (void)snprintf(name, sizeof(name), "j%u", i);
                (void)request(name, RUN_TRIGGER_NONE);
        }
        for (unsigned i = 1; i <= 8; i++) {
                assert_int_equal(run(i).state, RUN_RUNNING);
                end_run(i, RUN_RESULT_SUCCESS);
        }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, steps_setup, condition_teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_waited_too_long),
                TEST(test_wait_is_not_for_the_pool),
                TEST(test_waited_too_long_for_the_machine),
                TEST(test_settings),
                TEST(test_before_all_others),
                TEST(test_condition_is_left_at_once),
                TEST(test_allowed),
                TEST(test_order_of_acceptance),
                TEST(test_wait_and_an_edit),
                TEST(test_wait_for_the_machine_again),
                TEST(test_now_and_an_edit),
                TEST(test_deadlines_in_turns),
                TEST(test_conditions_in_turns),
                TEST(test_told_conditions),
                TEST(test_values_are_kept),
                TEST(test_order_in_one_moment),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
