/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The way of a run from request to outcome: admission, queues, end, reload, what is kept over a restart. */

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/pidfd.h>

#include "core-fixture.h"
#include "ledger/ledger.h"

static void test_outcomes(void **state) {
        Fixture *f = *state;
        const RunRecord *r;

        write_job(f, "good", "[Run]\nExec=/bin/true\n");
        write_job(f, "bad", "[Run]\nShell=exit 7\n");
        write_job(f, "killed", "[Run]\nShell=kill -SEGV $$\n");
        write_job(f, "absent", "[Run]\nExec=/nonexistent/program\n");
        write_job(f, "chain", "[Run]\nExec=/bin/true\nExec=-/bin/false\nExec=/bin/sh -c 'exit 3'\nExec=/bin/true\n");
        write_held_job(f, "slow", "TimeoutSec=20ms");
        write_job(f, "off", "[Job]\nEnabled=no\n[Run]\nExec=/bin/true\n");
        start(f);

        r = finish(f, "good");
        assert_int_equal(r->result, RUN_RESULT_SUCCESS);
        assert_true(r->ended >= r->started && r->started >= r->requested);
        r = finish(f, "bad");
        assert_int_equal(r->result, RUN_RESULT_EXIT);
        assert_int_equal(r->code, 7);
        r = finish(f, "killed");
        assert_int_equal(r->result, RUN_RESULT_SIGNAL);
        assert_int_equal(r->code, SIGSEGV);
        r = finish(f, "absent");
        assert_int_equal(r->result, RUN_RESULT_START_FAILED);
        assert_int_equal(r->code, ENOENT);
        assert_non_null(strstr(r->reason, "/nonexistent/program"));
        r = finish(f, "chain");
        assert_int_equal(r->result, RUN_RESULT_EXIT);
        assert_int_equal(r->code, 3);
        r = finish(f, "slow");
        assert_int_equal(r->result, RUN_RESULT_TIMEOUT);
        assert_int_equal(r->code, SIGTERM);
        assert_int_equal(job(f, "slow")->last_result, RUN_RESULT_TIMEOUT);
        assert_int_equal(manager_request(f->m, "off", &(RunRequest){ .trigger = RUN_TRIGGER_NONE }, &r), -EBADF);
        assert_int_equal(manager_request(f->m, "none", &(RunRequest){ .trigger = RUN_TRIGGER_NONE }, &r), -ENOENT);
        assert_int_equal(manager_n_running(f->m), 0);
        assert_int_equal(manager_n_queued(f->m), 0);
}

/* What a run leaves in its process group does not outlive it. */
static void test_leftover(void **state) {
        Fixture *f = *state;
        char text[256], path[128], buf[32] = "";
        _cleanup_close_ int pidfd = -EBADF;
        FILE *file;

        (void)snprintf(path, sizeof(path), "%s/pid", f->directory);
        (void)snprintf(text, sizeof(text), "[Run]\nShell=read x <%s & echo $! >%s\n", f->gate, path);
        write_job(f, "leaver", text);
        start(f);
        assert_int_equal(finish(f, "leaver")->result, RUN_RESULT_SUCCESS);
        file = fopen(path, "re");
        assert_non_null(file);
        assert_non_null(fgets(buf, sizeof(buf), file));
        fclose(file);
        /* It was killed; that it is over may take the kernel a moment more. */
        pidfd = pidfd_open(atoi(buf), 0);
        if (pidfd >= 0)
                assert_int_equal(poll(&(struct pollfd){ .fd = pidfd, .events = POLLIN }, 1, DEADLINE_SECONDS * 1000),
                                 1);
}

static void test_overlap_queue(void **state) {
        Fixture *f = *state;
        uint64_t ids[3];
        const RunRecord *r;

        write_held_job(f, "held", "Overlap=queue\nQueueMax=2");
        start(f);
        for (size_t i = 0; i < ELEMENTSOF(ids); i++)
                ids[i] = request(f, "held")->id;
        WAIT_FOR(f, f->n_started == 1);
        assert_int_equal(job(f, "held")->n_queued, 2);
        r = request(f, "held");
        assert_int_equal(r->result, RUN_RESULT_SKIPPED);
        assert_non_null(strstr(r->reason, "QueueMax=2"));
        for (unsigned i = 0; i < ELEMENTSOF(ids); i++) {
                let_go(f, 1);
                WAIT_FOR(f, f->n_finished == i + 1);
                assert_int_equal(f->finished[i], ids[i]);
                assert_true(manager_n_running(f->m) <= 1);
        }
}

static void test_overlap_skip(void **state) {
        Fixture *f = *state;
        const RunRecord *r;

        write_held_job(f, "held", "Overlap=skip");
        start(f);
        (void)request(f, "held");
        r = request(f, "held"); /* the first one waits to be started: it counts */
        assert_int_equal(r->result, RUN_RESULT_SKIPPED);
        WAIT_FOR(f, f->n_started == 1);
        r = request(f, "held");
        assert_int_equal(r->result, RUN_RESULT_SKIPPED);
        assert_non_null(strstr(r->reason, "Overlap=skip"));
        assert_int_equal(r->state, RUN_DONE);
        let_go(f, 1);
        WAIT_FOR(f, f->n_finished == 1);
        (void)request(f, "held");
        WAIT_FOR(f, f->n_started == 2);
        let_go(f, 1);
        WAIT_FOR(f, f->n_finished == 2);
}

static void test_overlap_replace(void **state) {
        Fixture *f = *state;
        uint64_t first, second, third;

        write_held_job(f, "held", "Overlap=replace");
        start(f);
        first = request(f, "held")->id;
        WAIT_FOR(f, f->n_started == 1);
        second = request(f, "held")->id;
        third = request(f, "held")->id;
        WAIT_FOR(f, f->n_started == 2);
        assert_int_equal(manager_get_run(f->m, first)->result, RUN_RESULT_CANCELLED);
        assert_int_equal(manager_get_run(f->m, second)->result, RUN_RESULT_CANCELLED);
        assert_int_equal(manager_get_run(f->m, second)->started, 0);
        assert_int_equal(manager_get_run(f->m, third)->state, RUN_RUNNING);
        let_go(f, 1);
        WAIT_FOR(f, f->n_finished == 3);
        assert_int_equal(manager_get_run(f->m, third)->result, RUN_RESULT_SUCCESS);
}

static void test_overlap_parallel(void **state) {
        Fixture *f = *state;

        write_held_job(f, "held", "Overlap=parallel\nMaxParallel=3\nQueueMax=2");
        start(f);
        for (unsigned i = 0; i < 5; i++)
                assert_int_equal(request(f, "held")->state, i < 3 ? RUN_RUNNING : RUN_QUEUED);
        assert_int_equal(request(f, "held")->result, RUN_RESULT_SKIPPED);
        assert_int_equal(f->n_started, 3);
        assert_int_equal(manager_n_running(f->m), 3);
        assert_int_equal(manager_n_queued(f->m), 2);
        let_go(f, 5);
        WAIT_FOR(f, f->n_finished == 5);
}

static void test_max_running(void **state) {
        Fixture *f = *state;
        uint64_t ids[4];
        char name[8];

        write_file(f->directory, "vaktd.conf", "[Manager]\nMaxRunning=2\n");
        for (unsigned i = 0; i < 4; i++) {
                (void)snprintf(name, sizeof(name), "j%u", i);
                write_held_job(f, name, "");
        }
        start(f);
        for (unsigned i = 0; i < 4; i++) {
                (void)snprintf(name, sizeof(name), "j%u", i);
                ids[i] = request(f, name)->id;
        }
        WAIT_FOR(f, f->n_started == 2);
        assert_int_equal(manager_n_queued(f->m), 2);
        assert_int_equal(manager_get_run(f->m, ids[1])->state, RUN_RUNNING);
        assert_int_equal(manager_get_run(f->m, ids[2])->state, RUN_QUEUED);

        /* A higher limit counts at once. */
        write_file(f->directory, "vaktd.conf", "[Manager]\nMaxRunning=3\n");
        assert_int_equal(manager_reload(f->m), 0);
        WAIT_FOR(f, f->n_started == 3);
        let_go(f, 4);
        WAIT_FOR(f, f->n_finished == 4);
}

static void test_cancel(void **state) {
        Fixture *f = *state;
        uint64_t running, waiting;

        write_held_job(f, "held", "");
        start(f);
        running = request(f, "held")->id;
        waiting = request(f, "held")->id;
        WAIT_FOR(f, f->n_started == 1);
        assert_int_equal(manager_cancel(f->m, waiting), 0);
        assert_int_equal(f->n_finished, 1); /* before it returns */
        assert_int_equal(manager_get_run(f->m, waiting)->result, RUN_RESULT_CANCELLED);
        assert_int_equal(manager_cancel(f->m, waiting), -EALREADY);
        assert_int_equal(manager_cancel(f->m, running), 0);
        assert_int_equal(manager_cancel(f->m, running), 0);
        assert_int_equal(manager_get_run(f->m, running)->state, RUN_STOPPING);
        WAIT_FOR(f, f->n_finished == 2);
        assert_int_equal(manager_get_run(f->m, running)->result, RUN_RESULT_CANCELLED);
        assert_int_equal(manager_cancel(f->m, 999999), -ENOENT);
}

static void test_pause(void **state) {
        Fixture *f = *state;

        write_job(f, "often", "[Timer]\nOnInterval=5ms\n[Run]\nExec=/bin/true\n");
        start(f);
        assert_int_equal(manager_pause(f->m, "often"), 0);
        assert_int_equal(manager_pause(f->m, "often"), 0);
        assert_int_equal(job_state(job(f, "often")), JOB_PAUSED);
        WAIT_FOR(f, f->n_refused >= 3);
        assert_int_equal(f->n_started, 0);
        /* A person is not refused. */
        assert_int_equal(finish(f, "often")->result, RUN_RESULT_SUCCESS);
        assert_int_equal(manager_resume(f->m, "often"), 0);
        WAIT_FOR(f, f->n_started >= 3);
        assert_int_equal(manager_pause(f->m, "none"), -ENOENT);
}

int __real_sd_event_source_set_time_accuracy(sd_event_source *s, uint64_t usec);
int __wrap_sd_event_source_set_time_accuracy(sd_event_source *s, uint64_t usec);

static usec_t longest_accuracy;

int __wrap_sd_event_source_set_time_accuracy(sd_event_source *s, uint64_t usec) {
        longest_accuracy = MAX(longest_accuracy, usec);
        return __real_sd_event_source_set_time_accuracy(s, usec);
}

/* The loop may wake up for others as well within it. */
static void test_accuracy(void **state) {
        Fixture *f = *state;

        write_job(f, "daily", "[Timer]\nOnCalendar=2199-01-01\nAccuracySec=42min\n[Run]\nExec=/bin/true\n");
        longest_accuracy = 0;
        start(f);
        assert_true(longest_accuracy == 42 * USEC_PER_MINUTE);
}

static void test_triggers(void **state) {
        Fixture *f = *state;

        write_job(f, "start", "[Timer]\nOnStartupSec=0\n[Run]\nExec=/bin/true\n");
        write_job(f, "tick", "[Timer]\nOnInterval=10ms\n[Run]\nExec=/bin/true\n");
        write_job(f, "asked", "[Run]\nExec=/bin/true\n");
        start(f);
        WAIT_FOR(f, job(f, "tick")->n_runs >= 5 && job(f, "start")->n_runs > 0);
        assert_int_equal(job(f, "start")->n_runs, 1);
        assert_int_equal(job(f, "asked")->n_runs, 0);
        assert_true(job(f, "start")->next == USEC_INFINITY);
        assert_true(job(f, "tick")->next < USEC_INFINITY);
}

/* A run by hand is one that an interval counts from. */
static void test_interval_counts_from_any_run(void **state) {
        Fixture *f = *state;
        const RunRecord *r;
        usec_t next;

        write_job(f, "start", "[Timer]\nOnInterval=1h\nAccuracySec=1us\n[Run]\nExec=/bin/true\n");
        write_job(f, "success",
                  "[Timer]\nOnInterval=1h\nIntervalFrom=success\nAccuracySec=1us\n[Run]\nShell=exit $VAKT_ATTEMPT\n"
                  "SuccessExitStatus=2\nRetry=1\nRetryDelaySec=5ms\n");
        start(f);
        next = job(f, "start")->next;
        r = finish(f, "start");
        assert_true(job(f, "start")->next > next);
        assert_true(job(f, "start")->next <= r->ended + USEC_PER_HOUR);
        next = job(f, "success")->next;
        assert_int_equal(finish(f, "success")->result, RUN_RESULT_EXIT);
        assert_true(job(f, "success")->next == USEC_INFINITY); /* it stands still while a retry waits */
        WAIT_FOR(f, count_result(f, "success", RUN_RESULT_SUCCESS) == 1);
        assert_true(job(f, "success")->next > next && job(f, "success")->next < USEC_INFINITY);
}

/* New ones come, gone ones go, changed ones keep their clock, unchanged ones notice nothing, nothing fires. */
static void test_reload(void **state) {
        Fixture *f = *state;
        const JobDef *same;
        usec_t next;

        write_job(f, "same", "[Timer]\nOnInterval=1h\n[Run]\nExec=/bin/true\n");
        write_job(f, "changes", "[Timer]\nOnInterval=1h\n[Run]\nExec=/bin/true\n");
        write_job(f, "goes", "[Timer]\nOnInterval=1h\n[Run]\nExec=/bin/true\n");
        start(f);
        same = job(f, "same")->def;
        next = job(f, "changes")->next;

        write_job(f, "changes", "[Job]\nDescription=New\n[Timer]\nOnInterval=1h\n[Run]\nExec=/bin/true now\n");
        write_job(f, "comes", "[Timer]\nOnStartupSec=0\nOnBootSec=0\n[Run]\nExec=/bin/true\n");
        remove_job(f, "goes");
        assert_int_equal(manager_reload(f->m), 0);

        assert_int_equal(f->n_reloaded, 1);
        assert_int_equal(f->n_new, 1);
        assert_int_equal(f->n_removed, 1);
        assert_int_equal(f->n_job_changed, 1);
        assert_ptr_equal(job(f, "same")->def, same);
        assert_string_equal(job(f, "changes")->def->description, "New");
        /* The same moment; the two readings of the clocks may differ by a little. */
        assert_true(job(f, "changes")->next + USEC_PER_SEC > next && job(f, "changes")->next < next + USEC_PER_SEC);
        assert_null(job(f, "goes"));
        assert_true(job(f, "comes")->next == USEC_INFINITY);
        assert_int_equal(manager_n_queued(f->m), 0);
}

static void test_reload_with_a_bad_file(void **state) {
        Fixture *f = *state;
        const RunRecord *r;

        write_job(f, "a", "[Run]\nExec=/bin/true\n");
        write_job(f, "b", "[Run]\nExec=/bin/true\n");
        start(f);
        write_job(f, "a", "[Run]\nExec=/bin/true\nNonsense=1\n");
        write_job(f, "c", "[Nonsense]\n");
        f->n_job_changed = 0;
        assert_int_equal(manager_reload(f->m), 0);
        assert_int_equal(f->n_job_changed, 1); /* what is wrong with "a" */

        assert_int_equal(manager_diagnostics(f->m)->n_items, 2);
        assert_non_null(strstr(job(f, "a")->problem, "a.job:3: "));
        assert_int_equal(finish(f, "a")->result, RUN_RESULT_SUCCESS);
        assert_int_equal(finish(f, "b")->result, RUN_RESULT_SUCCESS);
        assert_int_equal(job_state(job(f, "c")), JOB_INVALID);
        assert_int_equal(manager_request(f->m, "c", &(RunRequest){ .trigger = RUN_TRIGGER_NONE }, &r), -ENOEXEC);

        write_job(f, "a", "[Run]\nExec=/bin/true\n");
        remove_job(f, "c");
        assert_int_equal(manager_reload(f->m), 0);
        assert_int_equal(manager_diagnostics(f->m)->n_items, 0);
        assert_null(job(f, "a")->problem);
        assert_null(job(f, "c"));
}

static void test_status(void **state) {
        char status[MANAGER_STATUS_MAX];
        Fixture *f = *state;

        start(f);
        assert_string_equal(manager_status(f->m, status, now_realtime()), "0 jobs, 0 running");
        write_job(f, "later", "[Timer]\nOnCalendar=2090-02-01\n[Run]\nExec=/bin/true\n");
        write_job(f, "sooner", "[Timer]\nOnCalendar=2089-03-01 12:00\n[Run]\nExec=/bin/true\n");
        write_held_job(f, "held", "");
        assert_int_equal(manager_reload(f->m), 0);
        (void)request(f, "held");
        WAIT_FOR(f, f->n_started == 1);
        assert_int_equal(manager_pause_all(f->m), 0);
        (void)manager_status(f->m, status, now_realtime());
        assert_ptr_equal(strstr(status, "3 jobs, 1 running, next sooner at Tue 2089-03-01 12:00:00 "), status);
        assert_non_null(strstr(status, "; all paused"));
        assert_null(strstr(status, "memory"));
}

/* A slip in vaktd.conf keeps nobody's jobs from running, and is told of. */
static void test_bad_settings(void **state) {
        Fixture *f = *state;
        char status[MANAGER_STATUS_MAX];

        write_job(f, "a", "[Run]\nExec=/bin/true\n");
        write_file(f->directory, "vaktd.conf", "[Manager]\nMaxRunning=many\nHistoryKeep=1\n");
        start(f);
        assert_int_equal(manager_diagnostics(f->m)->n_items, 1);
        assert_non_null(strstr(manager_diagnostics(f->m)->items[0].file, "vaktd.conf"));
        assert_non_null(strstr(manager_status(f->m, status, now_realtime()), "vaktd.conf has errors"));
        assert_int_equal(finish(f, "a")->result, RUN_RESULT_SUCCESS);
        write_file(f->directory, "vaktd.conf", "[Manager]\nMaxRunning=5\n");
        assert_int_equal(manager_reload(f->m), 0);
        assert_int_equal(manager_diagnostics(f->m)->n_items, 0);
        assert_null(strstr(manager_status(f->m, status, now_realtime()), "errors"));
}

/* The file of a job with runs goes: what was accepted is finished, then the job is gone. */
static void test_gone_while_running(void **state) {
        Fixture *f = *state;
        const RunRecord *r;

        write_held_job(f, "held", "");
        start(f);
        (void)request(f, "held");
        (void)request(f, "held");
        WAIT_FOR(f, f->n_started == 1);
        remove_job(f, "held");
        assert_int_equal(manager_reload(f->m), 0);
        assert_int_equal(job_state(job(f, "held")), JOB_GONE);
        assert_int_equal(manager_request(f->m, "held", &(RunRequest){ .trigger = RUN_TRIGGER_NONE }, &r), -ENOENT);
        let_go(f, 2);
        WAIT_FOR(f, f->n_finished == 2);
        assert_null(job(f, "held"));
        assert_int_equal(f->n_removed, 1);
}

/* It comes back meanwhile: nothing of that job has ended. */
static void test_back_while_running(void **state) {
        Fixture *f = *state;

        write_held_job(f, "held", "");
        start(f);
        (void)request(f, "held");
        WAIT_FOR(f, f->n_started == 1);
        remove_job(f, "held");
        assert_int_equal(manager_reload(f->m), 0);
        assert_int_equal(job_state(job(f, "held")), JOB_GONE);
        write_held_job(f, "held", "");
        assert_int_equal(manager_reload(f->m), 0);
        assert_int_equal(job_state(job(f, "held")), JOB_RUNNING);
        (void)request(f, "held");
        let_go(f, 2);
        WAIT_FOR(f, f->n_finished == 2);
        assert_int_equal(f->n_removed, 0);
        assert_non_null(job(f, "held"));
}

static void test_instances(void **state) {
        Fixture *f = *state;
        const RunRecord *r;

        write_job(f, "tell@", "[Run]\nShell=test %i = oslo && test %j = tell@oslo\n");
        start(f);
        assert_int_equal(finish(f, "tell@oslo")->result, RUN_RESULT_SUCCESS);
        assert_int_equal(finish(f, "tell@bergen")->result, RUN_RESULT_EXIT);
        assert_int_equal(manager_request(f->m, "other@x", &(RunRequest){ .trigger = RUN_TRIGGER_NONE }, &r), -ENOENT);
        assert_int_equal(manager_request(f->m, "tell@..", &(RunRequest){ .trigger = RUN_TRIGGER_NONE }, &r), -ENOENT);
        assert_int_equal(manager_request(f->m, "tell@-x", &(RunRequest){ .trigger = RUN_TRIGGER_NONE }, &r), -ENOENT);

        write_job(f, "tell@.", "[Run]\nExec=/bin/true\n");
        assert_int_equal(manager_reload(f->m), 0);
        assert_int_equal(manager_diagnostics(f->m)->n_items, 1);
        assert_null(job(f, "tell@."));
        remove_job(f, "tell@.");

        /* They stay over a reload as long as their template does, and follow it. */
        assert_int_equal(manager_reload(f->m), 0);
        assert_non_null(job(f, "tell@oslo"));
        assert_int_equal(job(f, "tell@oslo")->n_runs, 1);
        write_job(f, "tell@", "[Run]\nShell=test %i = bergen\n");
        assert_int_equal(manager_reload(f->m), 0);
        assert_int_equal(finish(f, "tell@bergen")->result, RUN_RESULT_SUCCESS);
        remove_job(f, "tell@");
        assert_int_equal(manager_reload(f->m), 0);
        assert_null(job(f, "tell@oslo"));
}

static int count_run(const RunRecord *r, void *userdata) {
        uint64_t *last = userdata;

        assert_true(r->id < *last);
        *last = r->id;
        return 0;
}

static void test_history(void **state) {
        Fixture *f = *state;
        uint64_t last = UINT64_MAX, held;

        write_job(f, "good", "[Run]\nExec=/bin/true\n");
        write_held_job(f, "held", "");
        start(f);
        held = request(f, "held")->id;
        for (unsigned i = 0; i < 5; i++)
                (void)finish(f, "good");
        assert_int_equal(manager_list_runs(f->m, NULL, 0, 100, count_run, &last), 0);
        assert_int_equal(last, held);
        last = UINT64_MAX;
        assert_int_equal(manager_list_runs(f->m, "good", 0, 2, count_run, &last), 0);
        assert_int_equal(last, held + 4);
        assert_int_equal(manager_get_run(f->m, held)->state, RUN_RUNNING);
        assert_null(manager_get_run(f->m, 999999));
}

/* Ends in any order, and those of one job apart from those of the other. */
static void test_many_live_runs(void **state) {
        Fixture *f = *state;
        uint64_t ids[2][200];

        write_held_job(f, "a", "QueueMax=1000");
        write_held_job(f, "b", "QueueMax=1000");
        start(f);
        for (unsigned i = 0; i < 200; i++) {
                ids[0][i] = request(f, "a")->id;
                ids[1][i] = request(f, "b")->id;
        }
        WAIT_FOR(f, f->n_started == 2);
        for (unsigned i = 199; i > 0; i--)
                if (i % 3 > 0)
                        assert_int_equal(manager_cancel(f->m, ids[i % 2][i]), 0);
        for (unsigned i = 1; i < 200; i++)
                for (unsigned k = 0; k < 2; k++)
                        assert_int_equal(manager_get_run(f->m, ids[k][i])->state,
                                         k == i % 2 && i % 3 > 0 ? RUN_DONE : RUN_QUEUED);
        stop(f);
        start(f);
        WAIT_FOR(f, manager_get_run(f->m, ids[0][0])->state == RUN_DONE &&
                            manager_get_run(f->m, ids[1][0])->state == RUN_DONE); /* lost */
        assert_int_equal(manager_n_running(f->m) + manager_n_queued(f->m), 398 - 133);
        write_job(f, "a", "[Run]\nExec=/bin/true\nOverlap=replace\n");
        assert_int_equal(manager_reload(f->m), 0);
        ids[0][0] = request(f, "a")->id;
        WAIT_FOR(f, manager_get_run(f->m, ids[0][0])->state == RUN_DONE);
        assert_int_equal(count_result(f, "b", RUN_RESULT_CANCELLED), 67); /* those of "a" only gave way */
}

static void on_stopped(void *userdata) {
        ((Fixture *)userdata)->stopped = true;
}

/* Children that ignore SIGTERM are another matter: tests/daemon. */
static void test_stop(void **state) {
        Fixture *f = *state;
        uint64_t running, waiting;
        const RunRecord *r;

        write_held_job(f, "held", "");
        start(f);
        running = request(f, "held")->id;
        waiting = request(f, "held")->id;
        WAIT_FOR(f, f->n_started == 1);
        manager_stop(f->m, on_stopped, f);
        WAIT_FOR(f, f->stopped);
        assert_int_equal(manager_get_run(f->m, running)->result, RUN_RESULT_CANCELLED);
        assert_int_equal(manager_request(f->m, "held", &(RunRequest){ .trigger = RUN_TRIGGER_NONE }, &r), -ESHUTDOWN);

        /* What waited was accepted: the next daemon starts it, under its number. */
        assert_int_equal(manager_get_run(f->m, waiting)->state, RUN_QUEUED);
        stop(f);
        start(f);
        WAIT_FOR(f, manager_get_run(f->m, waiting)->state == RUN_RUNNING);
        assert_int_equal(manager_get_run(f->m, running)->result, RUN_RESULT_CANCELLED);
        assert_int_equal(job(f, "held")->last_result, RUN_RESULT_CANCELLED);
        let_go(f, 1);
        WAIT_FOR(f, manager_get_run(f->m, waiting)->state == RUN_DONE);
        assert_true(request(f, "held")->id > waiting);
        let_go(f, 2); /* the other one is what the stop interrupted */
        WAIT_FOR(f, manager_n_running(f->m) + manager_n_queued(f->m) == 0);
}

static void stop_politely(Fixture *f) {
        manager_stop(f->m, on_stopped, f);
        WAIT_FOR(f, f->stopped);
        stop(f);
        start(f);
}

/* What is interrupted is made again, once, whatever Retry= says: the daemon asked for it, not the job. */
static void test_stop_interrupts(void **state) {
        Fixture *f = *state;
        RunRecord again;
        uint64_t first;

        write_held_job(f, "held", "");
        start(f);
        first = request(f, "held")->id;
        WAIT_FOR(f, f->n_started == 1);
        stop_politely(f);
        assert_int_equal(manager_get_run(f->m, first)->result, RUN_RESULT_CANCELLED);
        assert_non_null(strstr(manager_get_run(f->m, first)->reason, "again"));
        WAIT_FOR(f, f->n_started == 1); /* at once: nothing is wrong with the job */
        again = newest(f, "held");
        assert_true(again.id > first && again.parent == first && again.cause == RUN_CAUSE_RETRY);
        assert_int_equal(again.attempt, 2);
        assert_true(again.scheduled == manager_get_run(f->m, first)->scheduled);
        stop_politely(f);
        assert_int_equal(manager_get_run(f->m, again.id)->result, RUN_RESULT_CANCELLED);
        assert_int_equal(manager_n_running(f->m) + manager_n_queued(f->m), 0);
}

/* Somebody's word is another matter. */
static void test_stop_of_what_was_cancelled(void **state) {
        Fixture *f = *state;
        uint64_t id;

        write_held_job(f, "held", "Retry=5");
        start(f);
        id = request(f, "held")->id;
        WAIT_FOR(f, f->n_started == 1);
        assert_int_equal(manager_cancel(f->m, id), 0);
        stop_politely(f);
        assert_int_equal(manager_get_run(f->m, id)->result, RUN_RESULT_CANCELLED);
        assert_int_equal(manager_n_running(f->m) + manager_n_queued(f->m), 0);
}

/* A daemon that just ends leaves runs behind that are under way: they are lost, and said so. */
static void test_lost(void **state) {
        Fixture *f = *state;
        uint64_t running;

        write_held_job(f, "held", "");
        start(f);
        running = request(f, "held")->id;
        WAIT_FOR(f, f->n_started == 1);
        stop(f); /* without manager_stop() */
        start(f);
        WAIT_FOR(f, manager_get_run(f->m, running)->state == RUN_DONE);
        assert_int_equal(manager_get_run(f->m, running)->result, RUN_RESULT_LOST);
        assert_non_null(manager_get_run(f->m, running)->reason);
}

/* Makes the ledger believe that a trigger was last dealt with then. */
static void set_stamp(const Fixture *f, const char *name, const char *key, usec_t stamp) {
        Ledger *l;

        assert_int_equal(ledger_open(&l, NULL, f->directory, NULL), 0);
        assert_int_equal(ledger_set_stamp(l, name, key, stamp), 0);
        ledger_close(l);
}

/* What was missed while no daemon was there, by CatchUp=. */
static void test_catch_up(void **state) {
        static const struct {
                const char *name, *catch_up;
                unsigned n_caught_up, n_missed_rows;
        } table[] = {
                { "all", "CatchUp=all", 3, 0 },
                { "once", "CatchUp=once", 1, 1 },
                { "persistent", "Persistent=yes", 1, 1 },
                { "none", "", 0, 1 },
        };
        usec_t hour = now_realtime() / USEC_PER_HOUR * USEC_PER_HOUR;
        Fixture *f = *state;
        char text[256];

        write_file(f->directory, "vaktd.conf", "[Manager]\nResumeRampSec=0\n");
        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
                (void)snprintf(text, sizeof(text), "[Timer]\nOnCalendar=hourly\n%s\n[Run]\nExec=/bin/true\n",
                               table[i].catch_up);
                write_job(f, table[i].name, text);
        }
        start(f);
        stop(f);
        for (size_t i = 0; i < ELEMENTSOF(table); i++)
                set_stamp(f, table[i].name, "OnCalendar=hourly", hour - 3 * USEC_PER_HOUR);
        write_job(f, "fresh", "[Timer]\nOnCalendar=hourly\nCatchUp=all\n[Run]\nExec=/bin/true\n");
        start(f);
        WAIT_FOR(f, f->n_finished == 8); /* five runs, three rows for what was missed */
        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
                assert_int_equal(count_cause(f, table[i].name, RUN_CAUSE_CATCH_UP), table[i].n_caught_up);
                assert_int_equal(count_cause(f, table[i].name, RUN_CAUSE_TIMER), table[i].n_missed_rows);
        }
        assert_int_equal(count_cause(f, "fresh", RUN_CAUSE_CATCH_UP) + count_cause(f, "fresh", RUN_CAUSE_TIMER), 0);

        /* And never again. */
        stop(f);
        start(f);
        WAIT_FOR(f, manager_n_queued(f->m) == 0);
        assert_int_equal(count_cause(f, "all", RUN_CAUSE_CATCH_UP), 3);
}

static void test_pause_and_skip_are_kept(void **state) {
        Fixture *f = *state;

        write_job(f, "often", "[Timer]\nOnInterval=5ms\n[Run]\nExec=/bin/true\n");
        write_job(f, "rarely", "[Timer]\nOnInterval=5ms\n[Run]\nExec=/bin/true\n");
        start(f);
        assert_int_equal(manager_skip(f->m, "rarely", 3), 0);
        assert_int_equal(manager_skip(f->m, "rarely", MANAGER_SKIP_MAX + 1), -ERANGE);
        assert_int_equal(manager_skip(f->m, "none", 1), -ENOENT);
        assert_int_equal(manager_pause_until(f->m, "often", now_realtime() - 1), -EINVAL);
        assert_int_equal(manager_pause_until(f->m, "often", now_realtime() + 100 * USEC_PER_MSEC), 0);
        WAIT_FOR(f, job(f, "rarely")->n_runs > 0);
        assert_int_equal(job(f, "rarely")->skip, 0);
        assert_int_equal(job(f, "often")->n_runs, 0);
        WAIT_FOR(f, job(f, "often")->n_runs > 0); /* the pause has ended by itself */
        assert_int_equal(manager_pause(f->m, "often"), 0);
        assert_int_equal(manager_skip(f->m, "rarely", 10000), 0);
        stop(f);
        start(f);
        assert_true(job(f, "often")->paused);
        assert_true(job(f, "rarely")->skip > 9000);
}

static int collect(const char *topic, const char *message, void *userdata) {
        char *text = userdata;

        (void)snprintf(text + strlen(text), 4096 - strlen(text), "%s: %s\n", topic, message);
        return 0;
}

/* The daemon that starts knows nothing of the instance: it is heard of with the first request. */
static void test_pause_of_an_instance_ends(void **state) {
        Fixture *f = *state;

        write_job(f, "i@", "[Run]\nExec=/bin/true\n");
        start(f);
        (void)finish(f, "i@a");
        assert_int_equal(manager_pause_until(f->m, "i@a", now_realtime() + 200 * USEC_PER_MSEC), 0);
        stop(f);
        start(f);
        assert_null(job(f, "i@a"));
        (void)finish(f, "i@a");
        WAIT_FOR(f, !job(f, "i@a")->paused);
}

static void test_explain(void **state) {
        Fixture *f = *state;
        char text[4096] = "";

        write_held_job(f, "held", "");
        write_job(f, "daily", "[Timer]\nOnCalendar=daily\n[Run]\nExec=/bin/true\n");
        write_job(f, "off", "[Job]\nEnabled=no\n[Timer]\nOnCalendar=daily\n[Run]\nExec=/bin/true\n");
        write_job(f, "once", "[Timer]\nOnCalendar=2099-06-15 12:00:00\n[Run]\nExec=/bin/true\n");
        start(f);
        (void)request(f, "held");
        (void)request(f, "held");
        (void)request(f, "held");
        WAIT_FOR(f, f->n_started == 1);
        assert_int_equal(manager_explain(f->m, job(f, "held"), collect, text), 0);
        assert_non_null(strstr(text, "queue: Run 2 waits until another run of the job has ended (Overlap=queue)."));
        assert_non_null(strstr(text, "timer: It has no trigger"));
        assert_non_null(strstr(text, "last: Run 3 of "));
        assert_non_null(strstr(text, "run: Run 1 is running since "));
        assert_null(strstr(text, "more runs wait"));
        text[0] = '\0';
        assert_int_equal(manager_pause(f->m, "daily"), 0);
        assert_int_equal(manager_explain(f->m, job(f, "daily"), collect, text), 0);
        assert_non_null(strstr(text, "paused: It is paused; use 'vaktctl resume daily' to resume it."));
        assert_non_null(strstr(text, "timer: Its next timer elapses at "));
        text[0] = '\0';
        assert_int_equal(manager_explain(f->m, job(f, "once"), collect, text), 0);
        assert_non_null(strstr(text, "timer: Its next timer elapses at Mon 2099-06-15 12:00:00 "));
        text[0] = '\0';
        assert_int_equal(manager_explain(f->m, job(f, "off"), collect, text), 0);
        assert_null(strstr(text, "timer: "));
        let_go(f, 2);
        WAIT_FOR(f, f->n_finished == 2);
}

static void test_explain_a_long_queue(void **state) {
        Fixture *f = *state;
        char text[8192] = "";

        write_held_job(f, "held", "QueueMax=30");
        start(f);
        for (unsigned i = 0; i < 25; i++)
                (void)request(f, "held");
        assert_int_equal(manager_explain(f->m, job(f, "held"), collect, text), 0);
        assert_non_null(strstr(text, "queue: 5 more runs wait, too."));
        assert_non_null(strstr(text, "Run 20 "));
        assert_null(strstr(text, "Run 21 "));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_outcomes),
                TEST(test_leftover),
                TEST(test_overlap_queue),
                TEST(test_overlap_skip),
                TEST(test_overlap_replace),
                TEST(test_overlap_parallel),
                TEST(test_max_running),
                TEST(test_cancel),
                TEST(test_pause),
                TEST(test_accuracy),
                TEST(test_triggers),
                TEST(test_interval_counts_from_any_run),
                TEST(test_reload),
                TEST(test_reload_with_a_bad_file),
                TEST(test_status),
                TEST(test_bad_settings),
                TEST(test_gone_while_running),
                TEST(test_back_while_running),
                TEST(test_instances),
                TEST(test_history),
                TEST(test_many_live_runs),
                TEST(test_stop),
                TEST(test_stop_interrupts),
                TEST(test_stop_of_what_was_cancelled),
                TEST(test_lost),
                TEST(test_catch_up),
                TEST(test_pause_and_skip_are_kept),
                TEST(test_pause_of_an_instance_ends),
                TEST(test_explain),
                TEST(test_explain_a_long_queue),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
