/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The stages of a run: which lead to which, and what each counts for. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "core/deadlines.h"
#include "core/manager-body.h"
#include "core/pools.h"

/* What nobody can do yet stands here as well: a transition that is added is to be added here. */
static const char table[] = "none -> delayed: accept to try again\n"
                            "none -> queued: accept\n"
                            "none -> starting: adopt\n"
                            "none -> running: adopt\n"
                            "none -> stopping: adopt\n"
                            "none -> done: refuse\n"
                            "delayed -> none: leave\n"
                            "delayed -> queued: fall due\n"
                            "delayed -> done: drop\n"
                            "queued -> none: leave\n"
                            "queued -> ready: get a place\n"
                            "queued -> done: drop\n"
                            "ready -> none: leave\n"
                            "ready -> queued: give its place back\n"
                            "ready -> starting: begin\n"
                            "ready -> done: drop\n"
                            "starting -> none: leave\n"
                            "starting -> ready: put back\n"
                            "starting -> running: start\n"
                            "starting -> stopping: stop\n"
                            "starting -> done: end\n"
                            "running -> none: leave\n"
                            "running -> ready: put back\n"
                            "running -> stopping: stop\n"
                            "running -> done: end\n"
                            "stopping -> none: leave\n"
                            "stopping -> done: end\n";

static void test_table(void **state) {
        char text[sizeof(table) + 4096] = "";

        for (RunStage from = 0; from < _RUN_STAGE_MAX; from++)
                for (RunStage to = 0; to < _RUN_STAGE_MAX; to++)
                        if (run_transition_to_string(from, to))
                                (void)snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s -> %s: %s\n",
                                               run_stage_to_string(from), run_stage_to_string(to),
                                               run_transition_to_string(from, to));
        assert_string_equal(text, table);
}

/* A run of a job in a pool, with all that it is counted in. */
typedef struct World {
        Manager m;
        Deadlines deadlines;
        Pools pools;
        JobLive live;
        Pool pool;
        LiveRun run;
        Job job; /* the last: its name is behind it */
} World;

static void world_init(World *w, RunCause cause) {
        *w = (World){
                .pool = { .position = HEAP_NONE, .slots = 1 },
                .run = { .position = HEAP_NONE, .deadline.position = HEAP_NONE, .rank = 1 },
        };
        w->m.deadlines = &w->deadlines;
        w->m.pools = &w->pools;
        w->run.manager = &w->m;
        w->run.job = &w->job;
        w->run.pool = &w->pool;
        w->run.record.cause = cause;
        w->job.live = &w->live;
        TAILQ_INIT(&w->live.queue);
        TAILQ_INIT(&w->live.delayed);
}

static void world_done(World *w) {
        heap_done(&w->pool.waiting);
        heap_done(&w->pools.candidates);
        heap_done(&w->deadlines.heap);
}

/* By ways that the table has. */
static void bring_to(World *w, RunStage stage) {
        static const RunStage by_way_of[_RUN_STAGE_MAX] = {
                [RUN_STAGE_READY] = RUN_STAGE_QUEUED,
                [RUN_STAGE_STARTING] = RUN_STAGE_READY,
                [RUN_STAGE_RUNNING] = RUN_STAGE_STARTING,
                [RUN_STAGE_STOPPING] = RUN_STAGE_RUNNING,
        };

        if (stage == RUN_STAGE_NONE)
                return;
        bring_to(w, by_way_of[stage]);
        run_set_stage(&w->run, stage);
}

static void check_counts(const World *w) {
        bool waits = w->run.stage >= RUN_STAGE_DELAYED && w->run.stage <= RUN_STAGE_READY;
        bool goes_on = w->run.stage >= RUN_STAGE_STARTING && w->run.stage <= RUN_STAGE_STOPPING;
        bool has_place = goes_on || w->run.stage == RUN_STAGE_READY;
        bool in_queue = w->run.stage == RUN_STAGE_QUEUED;

        assert_int_equal(w->m.n_queued, waits);
        assert_int_equal(w->job.n_queued, waits);
        assert_int_equal(w->live.n_delayed, w->run.stage == RUN_STAGE_DELAYED);
        assert_int_equal(w->m.n_running, goes_on);
        assert_int_equal(w->job.n_running, goes_on);
        assert_int_equal(w->pool.n_running, goes_on);
        assert_int_equal(w->live.n_slots, has_place);
        assert_int_equal(w->live.n_bounded, (in_queue || has_place) && w->run.record.cause != RUN_CAUSE_CATCH_UP);
        assert_ptr_equal(TAILQ_FIRST(&w->live.queue), in_queue ? &w->run : NULL);
        assert_ptr_equal(TAILQ_FIRST(&w->live.delayed), w->run.stage == RUN_STAGE_DELAYED ? &w->run : NULL);
        if (!goes_on)
                assert_false(w->run.is_sought || w->live.n_sought > 0);
}

static void check_state(const World *w, RunState before) {
        static const RunState states[_RUN_STAGE_MAX] = {
                [RUN_STAGE_DELAYED] = RUN_WAITING, [RUN_STAGE_QUEUED] = RUN_QUEUED,
                [RUN_STAGE_READY] = RUN_QUEUED,    [RUN_STAGE_STARTING] = RUN_STARTING,
                [RUN_STAGE_RUNNING] = RUN_RUNNING, [RUN_STAGE_STOPPING] = RUN_STOPPING,
                [RUN_STAGE_DONE] = RUN_DONE,
        };

        assert_int_equal(w->run.record.state, w->run.stage == RUN_STAGE_NONE ? before : states[w->run.stage]);
}

/* Whatever transition a run makes, from whatever stage, it is counted where it is afterwards and nowhere else. */
static void check_transition(RunStage from, RunStage to, RunCause cause) {
        RunState before;
        World w;

        world_init(&w, cause);
        bring_to(&w, from);
        check_counts(&w);
        if (run_goes_on(&w.run))
                run_set_sought(&w.run, true);
        before = w.run.record.state;
        run_set_stage(&w.run, to);
        check_counts(&w);
        check_state(&w, before);
        world_done(&w);
}

/* What the table does not have ends us before anything is changed. */
static void check_impossible(RunStage from, RunStage to) {
        World w;
        int status;
        pid_t pid;

        world_init(&w, RUN_CAUSE_TIMER);
        bring_to(&w, from);
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                (void)setrlimit(RLIMIT_CORE, &(struct rlimit){});
                (void)signal(SIGABRT, SIG_DFL);
                (void)dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), STDERR_FILENO);
                run_set_stage(&w.run, to);
                _exit(0);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
        world_done(&w);
}

static void test_every_pair(void **state) {
        for (RunStage from = 0; from < _RUN_STAGE_MAX; from++)
                for (RunStage to = 0; to < _RUN_STAGE_MAX; to++)
                        if (run_transition_to_string(from, to)) {
                                check_transition(from, to, RUN_CAUSE_TIMER);
                                check_transition(from, to, RUN_CAUSE_CATCH_UP);
                        } else
                                check_impossible(from, to);
}

/* How many were started: one that goes back was not; never below 0, for what was begun uncounted. */
static void test_started(void **state) {
        World w;

        world_init(&w, RUN_CAUSE_TIMER);
        bring_to(&w, RUN_STAGE_RUNNING);
        assert_int_equal(w.job.n_runs, 1);
        run_set_stage(&w.run, RUN_STAGE_READY);
        assert_int_equal(w.job.n_runs, 0);
        run_set_stage(&w.run, RUN_STAGE_STARTING);
        run_set_stage(&w.run, RUN_STAGE_DONE);
        assert_int_equal(w.job.n_runs, 1);
        world_done(&w);
        world_init(&w, RUN_CAUSE_TIMER);
        w.run.rank = 0;
        run_set_stage(&w.run, RUN_STAGE_STARTING);
        assert_int_equal(w.job.n_runs, 0);
        run_set_stage(&w.run, RUN_STAGE_READY);
        assert_int_equal(w.job.n_runs, 0);
        world_done(&w);
}

/* In the order of their numbers, whenever they come; those of each job, too. */
static void test_live_runs(void **state) {
        static const struct {
                uint64_t id;
                unsigned job;
        } given[] = { { 5, 0 }, { 2, 1 }, { 9, 0 }, { 3, 0 }, { 1, 0 }, { 8, 1 }, { 7, 1 }, { 6, 0 } };
        LiveRun runs[ELEMENTSOF(given)] = {};
        uint64_t last[3] = {};
        LiveRuns live = {};
        JobLive lives[2] = {};
        Job jobs[2] = {};
        LiveRun *run;

        TAILQ_INIT(&live.all);
        for (size_t i = 0; i < ELEMENTSOF(jobs); i++) {
                TAILQ_INIT(&lives[i].runs);
                jobs[i].live = &lives[i];
        }
        for (size_t i = 0; i < ELEMENTSOF(given); i++) {
                runs[i].record.id = given[i].id;
                runs[i].job = &jobs[given[i].job];
                assert_int_equal(hash_table_reserve(&live.by_id), 0);
                live_add(&live, &runs[i]);
        }
        TAILQ_FOREACH(run, &live.all, all) {
                assert_true(run->record.id > last[0]);
                last[0] = run->record.id;
        }
        for (size_t i = 0; i < ELEMENTSOF(jobs); i++)
                TAILQ_FOREACH(run, &lives[i].runs, of_job) {
                        assert_true(run->record.id > last[i + 1] && run->job == &jobs[i]);
                        last[i + 1] = run->record.id;
                }
        assert_true(last[0] == 9 && last[1] == 9 && last[2] == 8);
        assert_null(live_find(&live, 4));
        for (size_t i = 0; i < ELEMENTSOF(given); i++) {
                assert_ptr_equal(live_find(&live, given[i].id), &runs[i]);
                live_remove(&live, &runs[i]);
                assert_null(live_find(&live, given[i].id));
                assert_int_equal(live.by_id.n_nodes, ELEMENTSOF(given) - 1 - i);
        }
        assert_true(TAILQ_EMPTY(&live.all) && TAILQ_EMPTY(&lives[0].runs) && TAILQ_EMPTY(&lives[1].runs));
        hash_table_done(&live.by_id);
}

/* What many runs took goes with them. */
static void test_many_live_runs(void **state) {
        static LiveRun runs[2000];
        LiveRuns live = {};
        JobLive of_job = {};
        Job job = { .live = &of_job };
        uint32_t most;

        TAILQ_INIT(&live.all);
        TAILQ_INIT(&of_job.runs);
        for (size_t i = 0; i < ELEMENTSOF(runs); i++) {
                runs[i].record.id = i + 1;
                runs[i].job = &job;
                assert_int_equal(hash_table_reserve(&live.by_id), 0);
                live_add(&live, &runs[i]);
        }
        most = live.by_id.n_slots;
        for (size_t i = 0; i < ELEMENTSOF(runs); i++)
                live_remove(&live, &runs[i]);
        assert_true(live.by_id.n_slots < most / 2);
        hash_table_done(&live.by_id);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_many_live_runs), cmocka_unit_test(test_live_runs), cmocka_unit_test(test_table),
                cmocka_unit_test(test_every_pair),     cmocka_unit_test(test_started),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
