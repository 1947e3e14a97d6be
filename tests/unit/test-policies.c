/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What decides when an accepted run is started, and what its end leads to: pools and priorities, retries, chains,
 * rates, alarms, the pause of everything, and what of that a restart keeps. */

#include <fcntl.h>
#include <inttypes.h>
#include <sys/resource.h>

#include "core-fixture.h"
#include "core/manager-body.h"
#include "core/outbox.h"
#include "core/pools.h"
#include "core/runs.h"
#include "time/span.h"

/* --- pools --- */

static int find_pool(const char *topic, const char *message, void *userdata) {
        *(bool *)userdata |= streq(topic, "queue") && strstr(message, "'disk'");
        return 0;
}

static void test_pool_is_shared(void **state) {
        Fixture *f = *state;
        bool is_told = false;
        uint64_t first;

        write_file(f->directory, "vaktd.conf", "[Pool disk]\nSlots=2\n");
        write_held_job(f, "a", "Pool=disk");
        write_held_job(f, "b", "Pool=disk");
        write_held_job(f, "c", "Pool=disk");
        write_job(f, "free", "[Run]\nExec=/bin/true\n");
        start(f);
        first = request(f, "a")->id;
        (void)request(f, "b");
        (void)request(f, "c");
        WAIT_FOR(f, f->n_started == 2);
        assert_int_equal(finish(f, "free")->result, RUN_RESULT_SUCCESS);
        assert_int_equal(job(f, "c")->n_running, 0);
        assert_int_equal(manager_n_pools(f->m), 1);
        assert_string_equal(manager_get_pool(f->m, 0).name, "disk");
        assert_int_equal(manager_get_pool(f->m, 0).slots, 2);
        assert_int_equal(manager_get_pool(f->m, 0).n_running, 2);
        assert_int_equal(manager_get_pool(f->m, 0).n_waiting, 1);
        assert_int_equal(manager_explain(f->m, job(f, "c"), find_pool, &is_told), 0);
        assert_true(is_told);
        assert_int_equal(manager_cancel(f->m, first), 0);
        WAIT_FOR(f, job(f, "c")->n_running == 1);
        let_go(f, 2);
        WAIT_FOR(f, manager_n_running(f->m) == 0);
        assert_int_equal(manager_get_pool(f->m, 0).n_running, 0);
}

/* A pool that nobody described is a lock, and is gone when nobody is in it. */
static void test_pool_without_a_name_in_the_settings(void **state) {
        Fixture *f = *state;

        write_held_job(f, "a", "Pool=lock");
        write_held_job(f, "b", "Pool=lock");
        start(f);
        (void)request(f, "a");
        (void)request(f, "b");
        WAIT_FOR(f, f->n_started == 1);
        assert_int_equal(manager_get_pool(f->m, 0).slots, 1);
        let_go(f, 1);
        WAIT_FOR(f, f->n_started == 2);
        let_go(f, 1);
        WAIT_FOR(f, manager_n_running(f->m) == 0);
        assert_int_equal(manager_n_pools(f->m), 0);
}

/* A pool that the settings no longer describe is gone at once, or when nobody is in it any more. */
static void test_pools_leave_with_the_settings(void **state) {
        Fixture *f = *state;

        write_file(f->directory, "vaktd.conf", "[Pool a]\n[Pool disk]\nSlots=2\n[Pool z]\n");
        write_held_job(f, "job", "Pool=disk");
        start(f);
        (void)request(f, "job");
        WAIT_FOR(f, f->n_started == 1);
        assert_int_equal(manager_n_pools(f->m), 3);

        write_file(f->directory, "vaktd.conf", "");
        assert_int_equal(manager_reload(f->m), 0);
        assert_int_equal(manager_n_pools(f->m), 1);
        assert_string_equal(manager_get_pool(f->m, 0).name, "disk");
        assert_int_equal(manager_get_pool(f->m, 0).slots, 1);
        let_go(f, 1);
        WAIT_FOR(f, manager_n_running(f->m) == 0);
        assert_int_equal(manager_n_pools(f->m), 0);
}

static const Heap *full; /* there is no memory for more in it */

int __real_heap_set(Heap *h, usec_t at, usec_t latest, uint32_t *position);
int __wrap_heap_set(Heap *h, usec_t at, usec_t latest, uint32_t *position);

int __wrap_heap_set(Heap *h, usec_t at, usec_t latest, uint32_t *position) {
        return h == full && at != USEC_INFINITY ? -ENOMEM : __real_heap_set(h, at, latest, position);
}

/* It gives back the place that it has in its job. */
static void test_no_memory_to_wait_for_a_slot(void **state) {
        Fixture *f = *state;
        uint64_t id;

        write_job(f, "job", "[Run]\nExec=/bin/true\nOverlap=skip\n");
        start(f);
        full = &f->m->pools->unlimited->waiting;
        id = request(f, "job")->id;
        full = NULL;
        WAIT_FOR(f, f->n_finished == 1);
        assert_int_equal(manager_get_run(f->m, id)->result, RUN_RESULT_START_FAILED);
        assert_int_equal(manager_get_run(f->m, id)->started, 0);
        assert_int_equal(finish(f, "job")->result, RUN_RESULT_SUCCESS);
}

/* What waits when a file is edited waits by what it says then: how many may go on at once, and in which pool. */
static void test_an_edit_counts_for_what_waits(void **state) {
        Fixture *f = *state;

        write_held_job(f, "holder", "Pool=one");
        write_held_job(f, "job", "Pool=one\nOverlap=parallel\nMaxParallel=3\nQueueMax=5");
        write_job(f, "free", "[Run]\nExec=/bin/true\n");
        start(f);
        (void)request(f, "holder");
        WAIT_FOR(f, f->n_started == 1);
        for (unsigned i = 0; i < 3; i++)
                (void)request(f, "job");
        assert_int_equal(manager_get_pool(f->m, 0).n_waiting, 3);

        write_held_job(f, "job", "Pool=two\nQueueMax=5");
        assert_int_equal(manager_reload(f->m), 0);
        WAIT_FOR(f, job(f, "job")->n_running == 1);
        assert_int_equal(manager_get_pool(f->m, 0).n_waiting, 0);
        assert_int_equal(manager_get_pool(f->m, 1).n_running, 1);
        assert_int_equal(finish(f, "free")->result, RUN_RESULT_SUCCESS);
        assert_int_equal(job(f, "job")->n_running, 1);
        assert_int_equal(job(f, "job")->n_queued, 2);

        write_held_job(f, "job", "Overlap=parallel\nMaxParallel=3\nQueueMax=5");
        assert_int_equal(manager_reload(f->m), 0);
        WAIT_FOR(f, job(f, "job")->n_running == 3);
        let_go(f, 4);
        WAIT_FOR(f, manager_n_running(f->m) == 0);
        assert_int_equal(manager_n_pools(f->m), 0);
}

static void test_priority(void **state) {
        Fixture *f = *state;
        uint64_t low, middle, high;

        write_held_job(f, "holder", "Pool=one");
        write_job(f, "low", "[Run]\nExec=/bin/true\nPool=one\nPriority=-5\n");
        write_job(f, "middle", "[Run]\nExec=/bin/true\nPool=one\nOverlap=parallel\nQueueMax=5\n");
        write_job(f, "high", "[Run]\nExec=/bin/true\nPool=one\nPriority=10\n");
        start(f);
        (void)request(f, "holder");
        WAIT_FOR(f, f->n_started == 1);
        low = request(f, "low")->id;
        middle = request(f, "middle")->id;
        (void)request(f, "middle");
        high = request(f, "high")->id;
        let_go(f, 1);
        WAIT_FOR(f, f->n_finished == 5);
        assert_int_equal(f->finished[1], high);
        assert_int_equal(f->finished[2], middle);
        assert_int_equal(f->finished[3], middle + 1);
        assert_int_equal(f->finished[4], low);
}

/* Who came first goes first, also where another run of its job has held it up. */
static void test_rank_is_of_the_request(void **state) {
        Fixture *f = *state;
        uint64_t second, other;

        write_held_job(f, "job", "Pool=one");
        write_job(f, "other", "[Run]\nExec=/bin/true\nPool=one\n");
        start(f);
        (void)request(f, "job");
        WAIT_FOR(f, f->n_started == 1);
        second = request(f, "job")->id;
        other = request(f, "other")->id;
        let_go(f, 2);
        WAIT_FOR(f, f->n_finished == 3);
        assert_int_equal(f->finished[1], second);
        assert_int_equal(f->finished[2], other);
}

#define MANY 10000

/* Ten thousand runs for one slot: in order, within bounds, and one more than may wait is refused. */
static void test_many_for_one_slot(void **state) {
        Fixture *f = *state;
        RunRecord refused;
        uint64_t first = 0;
        char text[128];

        (void)snprintf(text, sizeof(text),
                       "[Run]\nExec=/bin/true\nPool=one\nOverlap=parallel\nMaxParallel=%d\n"
                       "QueueMax=0\n",
                       MANY);
        write_held_job(f, "holder", "Pool=one");
        write_job(f, "many", text);
        start(f);
        (void)request(f, "holder");
        WAIT_FOR(f, f->n_started == 1);
        for (unsigned i = 0; i < MANY; i++) {
                const RunRecord *r = request(f, "many");

                assert_int_equal(r->state, RUN_QUEUED);
                first = i == 0 ? r->id : first;
        }
        assert_int_equal(request(f, "many")->result, RUN_RESULT_SKIPPED);
        refused = newest(f, "many");
        assert_non_null(strstr(refused.reason, "QueueMax=0"));
        let_go(f, 1);
        WAIT_FOR(f, f->n_finished >= 500);
        for (unsigned i = 1; i < 500; i++)
                assert_int_equal(f->finished[i], first + i - 1);
        assert_int_equal(manager_n_running(f->m) <= 1, true);
}

static void test_max_wait(void **state) {
        Fixture *f = *state;
        const RunRecord *r;
        uint64_t id;

        write_file(f->directory, "vaktd.conf", "[Pool one]\nSlots=1\nMaxWaitSec=20ms\n");
        write_held_job(f, "holder", "Pool=one");
        write_job(f, "late", "[Job]\nOnFailure=page\n[Run]\nExec=/bin/true\nPool=one\n");
        write_job(f, "page", "[Run]\nExec=/bin/true\n");
        start(f);
        (void)request(f, "holder");
        WAIT_FOR(f, f->n_started == 1);
        id = request(f, "late")->id;
        WAIT_FOR(f, manager_get_run(f->m, id)->state == RUN_DONE);
        r = manager_get_run(f->m, id);
        assert_int_equal(r->result, RUN_RESULT_SKIPPED);
        assert_non_null(strstr(r->reason, "MaxWaitSec="));
        assert_int_equal(job(f, "late")->live->n_slots, 0);
        assert_int_equal(count_cause(f, "page", RUN_CAUSE_CHAIN), 0); /* nothing has failed */
        let_go(f, 1);
        WAIT_FOR(f, manager_n_running(f->m) == 0);
        assert_int_equal(finish(f, "late")->result, RUN_RESULT_SUCCESS);
}

/* It speaks of the pool alone: what MaxRunning= holds up has the whole of it from then on. */
static void test_max_wait_beside_max_running(void **state) {
        Fixture *f = *state;
        usec_t end;
        uint64_t id;

        write_file(f->directory, "vaktd.conf", "[Manager]\nMaxRunning=1\n[Pool one]\nSlots=1\nMaxWaitSec=10ms\n");
        write_held_job(f, "other", "");
        write_held_job(f, "first", "Pool=one\nPriority=10");
        write_job(f, "late", "[Run]\nExec=/bin/true\nPool=one\n");
        start(f);
        (void)request(f, "other");
        WAIT_FOR(f, f->n_started == 1);
        id = request(f, "late")->id;
        end = now_boottime() + 30 * USEC_PER_MSEC;
        WAIT_FOR(f, now_boottime() > end);
        assert_int_equal(manager_get_run(f->m, id)->state, RUN_QUEUED);
        (void)request(f, "first");
        write_file(f->directory, "vaktd.conf", "[Manager]\nMaxRunning=2\n[Pool one]\nSlots=1\nMaxWaitSec=10ms\n");
        assert_int_equal(manager_reload(f->m), 0);
        WAIT_FOR(f, manager_get_run(f->m, id)->state == RUN_DONE);
        assert_int_equal(manager_get_run(f->m, id)->result, RUN_RESULT_SKIPPED);
        assert_int_equal(job(f, "first")->n_running, 1);
}

/* Nobody can make it wait longer by editing its file. */
static void test_max_wait_over_edits(void **state) {
        usec_t end = now_boottime() + DEADLINE_SECONDS * USEC_PER_SEC;
        Fixture *f = *state;
        uint64_t id;

        write_file(f->directory, "vaktd.conf", "[Pool one]\nSlots=1\nMaxWaitSec=300ms\n");
        write_held_job(f, "holder", "Pool=one");
        write_job(f, "late", "[Run]\nExec=/bin/true\nPool=one\n");
        start(f);
        (void)request(f, "holder");
        WAIT_FOR(f, f->n_started == 1);
        id = request(f, "late")->id;
        for (unsigned i = 0; manager_get_run(f->m, id)->state != RUN_DONE; i++) {
                char text[128];

                assert_true(now_boottime() < end);
                (void)snprintf(text, sizeof(text), "[Job]\nDescription=%u\n[Run]\nExec=/bin/true\nPool=one\n", i);
                write_job(f, "late", text);
                assert_int_equal(manager_reload(f->m), 0);
                assert_true(sd_event_run(f->event, 0) >= 0);
        }
        assert_int_equal(manager_get_run(f->m, id)->result, RUN_RESULT_SKIPPED);
}

/* It holds for runs that come in one turn, too, of which none finds the pool full. */
static void test_max_wait_in_one_turn(void **state) {
        Fixture *f = *state;
        uint64_t id;

        write_file(f->directory, "vaktd.conf", "[Pool one]\nSlots=1\nMaxWaitSec=20ms\n");
        write_held_job(f, "holder", "Pool=one");
        write_job(f, "late", "[Run]\nExec=/bin/true\nPool=one\n");
        start(f);
        (void)request(f, "holder");
        id = request(f, "late")->id;
        WAIT_FOR(f, manager_get_run(f->m, id)->state == RUN_DONE);
        assert_int_equal(manager_get_run(f->m, id)->result, RUN_RESULT_SKIPPED);
}

/* A retry waits from when it is due; and who is to hear of a failure hears of it when no try is made any more. */
static void test_max_wait_of_a_retry(void **state) {
        Fixture *f = *state;
        RunRecord last;

        write_file(f->directory, "vaktd.conf", "[Pool one]\nSlots=1\nMaxWaitSec=10ms\n");
        write_held_job(f, "holder", "Pool=one");
        write_job(f, "bad", "[Job]\nOnFailure=page\n[Run]\nShell=exit 1\nPool=one\nRetry=1\nRetryDelaySec=30ms\n");
        write_job(f, "page", "[Run]\nExec=/bin/true\n");
        start(f);
        (void)finish(f, "bad");
        (void)request(f, "holder");
        WAIT_FOR(f, f->n_refused == 1);
        last = newest(f, "bad");
        assert_int_equal(last.attempt, 2);
        assert_int_equal(last.result, RUN_RESULT_SKIPPED);
        assert_int_equal(count_cause(f, "page", RUN_CAUSE_CHAIN), 1);
}

/* --- retries --- */

static void test_retry(void **state) {
        Fixture *f = *state;
        RunRecord last;

        write_job(f, "bad", "[Run]\nShell=exit 7\nRetry=2\nRetryDelaySec=10ms\n");
        start(f);
        (void)request(f, "bad");
        WAIT_FOR(f, count_result(f, "bad", RUN_RESULT_EXIT) == 3);
        WAIT_FOR(f, manager_n_running(f->m) + manager_n_queued(f->m) == 0);
        assert_int_equal(count_cause(f, "bad", RUN_CAUSE_RETRY), 2);
        last = newest(f, "bad");
        assert_int_equal(last.attempt, 3);
        assert_int_equal(last.parent, last.id - 1);
}

static int collect(const char *topic, const char *message, void *userdata) {
        char *text = userdata;

        (void)snprintf(text + strlen(text), 4096 - strlen(text), "%s: %s\n", topic, message);
        return 0;
}

static void test_retry_is_explained(void **state) {
        Fixture *f = *state;
        char text[4096] = "";

        write_job(f, "bad", "[Run]\nShell=exit 7\nRetry=1\nRetryDelaySec=1h\n");
        start(f);
        (void)finish(f, "bad");
        assert_int_equal(manager_explain(f->m, job(f, "bad"), collect, text), 0);
        assert_non_null(strstr(text, "retry: Run 2, try 2, is due at "));
        assert_non_null(strstr(text, " (RetryDelaySec=), after run 1.\n"));
        assert_null(strstr(text, "more runs"));
        text[0] = '\0';
        assert_int_equal(manager_pause(f->m, "bad"), 0);
        assert_int_equal(manager_explain(f->m, job(f, "bad"), collect, text), 0);
        assert_non_null(strstr(text, "retry: Run 2, try 2, waits until the job is resumed.\n"));
        text[0] = '\0';
        remove_job(f, "bad");
        assert_int_equal(manager_reload(f->m), 0);
        assert_int_equal(manager_explain(f->m, job(f, "bad"), collect, text), 0);
        assert_non_null(strstr(text, "state: Its file is gone; accepted runs are still executed.\n"));
}

static void test_retry_until_it_works(void **state) {
        Fixture *f = *state;
        char text[512];

        (void)snprintf(text, sizeof(text), "[Run]\nShell=test $VAKT_ATTEMPT = 3\nRetry=infinity\nRetryDelaySec=5ms\n");
        write_job(f, "flaky", text);
        start(f);
        (void)request(f, "flaky");
        WAIT_FOR(f, count_result(f, "flaky", RUN_RESULT_SUCCESS) == 1);
        assert_int_equal(count_result(f, "flaky", RUN_RESULT_EXIT), 2);
        assert_int_equal(job(f, "flaky")->n_queued, 0);
        /* The next one begins anew. */
        assert_int_equal(request(f, "flaky")->attempt, 1);
        WAIT_FOR(f, count_result(f, "flaky", RUN_RESULT_SUCCESS) == 2);
        assert_int_equal(count_result(f, "flaky", RUN_RESULT_EXIT), 4);
}

static void test_retry_is_kept_over_a_restart(void **state) {
        Fixture *f = *state;
        RunRecord waiting;

        write_job(f, "bad", "[Run]\nShell=exit 1\nRetry=1\nRetryDelaySec=1h\n");
        start(f);
        (void)request(f, "bad");
        WAIT_FOR(f, f->n_finished == 1);
        waiting = newest(f, "bad");
        assert_int_equal(waiting.state, RUN_WAITING);
        stop(f);
        start(f);
        assert_int_equal(manager_get_run(f->m, waiting.id)->state, RUN_WAITING);
        assert_int_equal(job(f, "bad")->live->n_delayed, 1);
        stop(f);
        /* What decides is the file as it is now. */
        write_job(f, "bad", "[Run]\nShell=exit 1\nRetry=1\nRetryDelaySec=1ms\n");
        start(f);
        WAIT_FOR(f, manager_get_run(f->m, waiting.id)->state == RUN_DONE);
        assert_int_equal(manager_get_run(f->m, waiting.id)->result, RUN_RESULT_EXIT);
        assert_int_equal(manager_get_run(f->m, waiting.id)->attempt, 2);
}

/* It does not wait for a timer, which may be late: what was requested later would go before it. */
static void test_retry_without_a_delay(void **state) {
        Fixture *f = *state;

        write_file(f->directory, "vaktd.conf", "[Manager]\nMaxRunning=1\n");
        write_job(f, "bad", "[Run]\nShell=exit 1\nRetry=1\nRetryDelaySec=0\n");
        write_held_job(f, "holder", "");
        start(f);
        (void)request(f, "bad");
        (void)request(f, "holder");
        WAIT_FOR(f, f->n_finished == 1);
        assert_int_equal(newest(f, "bad").attempt, 2);
        assert_int_equal(newest(f, "bad").state, RUN_QUEUED);
        WAIT_FOR(f, f->n_started == 2);
        let_go(f, 1);
        WAIT_FOR(f, f->n_finished == 3);
        assert_int_equal(newest(f, "bad").result, RUN_RESULT_EXIT);
}

/* Nor over a start at which the ledger cannot be read, as little as what people said is. */
static void test_retry_is_read_late(void **state) {
        Fixture *f = *state;
        uint64_t retry;
        void *lock;

        write_job(f, "bad", "[Run]\nShell=exit 1\nRetry=1\nRetryDelaySec=1h\n");
        write_job(f, "other", "[Run]\nExec=/bin/true\n");
        start(f);
        retry = finish(f, "bad")->id + 1;
        assert_int_equal(manager_pause(f->m, "other"), 0);
        stop(f);
        lock = lock_ledger(f);
        start(f);
        assert_int_equal(job(f, "bad")->n_queued, 0);
        assert_non_null(manager_ledger_error(f->m));
        unlock_ledger(lock);
        f->n_job_changed = 0;
        (void)finish(f, "other"); /* it is written then */
        WAIT_FOR(f, job(f, "bad")->live->n_delayed == 1);
        assert_int_equal(manager_get_run(f->m, retry)->state, RUN_WAITING);
        assert_int_equal(job(f, "bad")->last_result, RUN_RESULT_EXIT);
        assert_int_equal(job_state(job(f, "other")), JOB_PAUSED);
        assert_null(manager_ledger_error(f->m));
}

/* A retry does not keep the job from running, and is not needed once it has. */
static void test_retry_gives_way_to_a_success(void **state) {
        Fixture *f = *state;
        char text[512], marker[128];
        uint64_t retry;

        (void)snprintf(marker, sizeof(marker), "%s/marker", f->directory);
        (void)snprintf(text, sizeof(text), "[Run]\nShell=test -e %s\nRetry=5\nRetryDelaySec=1h\nOverlap=skip\n",
                       marker);
        write_job(f, "job", text);
        start(f);
        retry = finish(f, "job")->id + 1;
        assert_int_equal(manager_get_run(f->m, retry)->state, RUN_WAITING);
        write_file(f->directory, "marker", "");
        assert_int_equal(finish(f, "job")->result, RUN_RESULT_SUCCESS);
        assert_int_equal(manager_get_run(f->m, retry)->result, RUN_RESULT_SKIPPED);
        assert_int_equal(job(f, "job")->n_queued, 0);
}

static void test_retry_of_a_paused_job(void **state) {
        Fixture *f = *state;

        write_job(f, "bad", "[Run]\nShell=exit 1\nRetry=1\nRetryDelaySec=1ms\n");
        write_job(f, "other", "[Run]\nShell=sleep 0.1\n");
        start(f);
        assert_int_equal(manager_pause(f->m, "bad"), 0);
        (void)request(f, "bad");
        WAIT_FOR(f, f->n_finished == 1);
        (void)finish(f, "other");
        assert_int_equal(f->n_finished, 2);
        assert_int_equal(manager_resume(f->m, "bad"), 0);
        WAIT_FOR(f, f->n_finished == 3);
        assert_int_equal(count_cause(f, "bad", RUN_CAUSE_RETRY), 1);
}

static void test_retry_of_a_job_that_is_disabled(void **state) {
        Fixture *f = *state;
        RunRecord last;

        write_job(f, "bad", "[Run]\nShell=exit 1\nRetry=1\nRetryDelaySec=30ms\n");
        start(f);
        (void)finish(f, "bad");
        write_job(f, "bad", "[Job]\nEnabled=no\n[Run]\nShell=exit 1\nRetry=1\nRetryDelaySec=30ms\n");
        assert_int_equal(manager_reload(f->m), 0);
        WAIT_FOR(f, f->n_refused == 1);
        last = newest(f, "bad");
        assert_int_equal(last.attempt, 2);
        assert_int_equal(last.result, RUN_RESULT_SKIPPED);
        assert_non_null(strstr(last.reason, "disabled"));
        assert_int_equal(f->n_started, 1);
}

/* Its file goes while a retry waits and a run goes on: what the run's success leads to takes the last of it away. */
static void test_retry_of_a_job_that_is_gone(void **state) {
        Fixture *f = *state;
        char text[512];

        (void)snprintf(text, sizeof(text),
                       "[Run]\nShell=test -e %s/marker && read line <%s\nRetry=5\nRetryDelaySec=1h\n", f->directory,
                       f->gate);
        write_job(f, "job", text);
        start(f);
        (void)finish(f, "job");
        write_file(f->directory, "marker", "");
        (void)request(f, "job");
        WAIT_FOR(f, f->n_started == 2);
        remove_job(f, "job");
        assert_int_equal(manager_reload(f->m), 0);
        let_go(f, 1);
        WAIT_FOR(f, f->n_removed == 1);
}

static void test_reset_failed_of_a_job_that_is_gone(void **state) {
        Fixture *f = *state;

        write_job(f, "job", "[Run]\nShell=exit 1\nRetry=5\nRetryDelaySec=1h\n");
        start(f);
        (void)finish(f, "job");
        remove_job(f, "job");
        assert_int_equal(manager_reload(f->m), 0);
        assert_int_equal(f->n_removed, 0);
        assert_int_equal(manager_reset_failed(f->m, "job"), 0);
        assert_int_equal(f->n_removed, 1);
}

static void on_stopped(void *userdata) {
        ((Fixture *)userdata)->stopped = true;
}

/* A run that is over its time limit when the daemon is told to stop: what follows is for the next daemon. */
static void test_stop_with_something_to_follow(void **state) {
        Fixture *f = *state;
        char text[512], marker[128];

        (void)snprintf(marker, sizeof(marker), "%s/marker", f->directory);
        (void)snprintf(text, sizeof(text),
                       "[Job]\nOnFailure=page\n[Run]\n"
                       "Shell=trap 'touch %s; read line <%s; exit 1' TERM; while :; do sleep 0.01; done\n"
                       "TimeoutSec=1s\n[Service]\nKillMode=process\n",
                       marker, f->gate);
        write_job(f, "slow", text);
        write_job(f, "page", "[Run]\nExec=/bin/true\n");
        start(f);
        (void)request(f, "slow");
        WAIT_FOR(f, access(marker, F_OK) == 0);
        manager_stop(f->m, on_stopped, f);
        assert_false(f->stopped);
        let_go(f, 1);
        WAIT_FOR(f, f->stopped);
        assert_int_equal(count_result(f, "slow", RUN_RESULT_TIMEOUT), 1);
        stop(f);
        start(f);
        WAIT_FOR(f, count_result(f, "page", RUN_RESULT_SUCCESS) == 1);
        assert_int_equal(count_cause(f, "slow", RUN_CAUSE_RETRY), 0); /* it was not we who ended it */
}

/* --- chains --- */

static void test_chains(void **state) {
        Fixture *f = *state;
        char text[512], line[256] = "";
        RunRecord r;
        FILE *out;

        write_job(f, "good", "[Job]\nOnSuccess=after\nOnFailure=page\n[Run]\nExec=/bin/true\n");
        write_job(f, "bad",
                  "[Job]\nOnSuccess=after\nOnFailure=page\n[Run]\nShell=exit 3\nRetry=1\nRetryDelaySec=1ms\n");
        write_job(f, "after", "[Run]\nExec=/bin/true\n");
        (void)snprintf(
                text, sizeof(text),
                "[Run]\nShell=echo $VAKT_CAUSE $VAKT_PARENT_JOB $VAKT_PARENT_RESULT $VAKT_PARENT_EXIT >%s/out\n",
                f->directory);
        write_job(f, "page", text);
        start(f);
        (void)finish(f, "good");
        WAIT_FOR(f, count_result(f, "after", RUN_RESULT_SUCCESS) == 1);
        r = newest(f, "after");
        assert_int_equal(r.cause, RUN_CAUSE_CHAIN);
        assert_string_equal(r.parent_job, "good");
        assert_int_equal(r.parent, r.id - 1);
        (void)finish(f, "bad");
        assert_int_equal(count_cause(f, "page", RUN_CAUSE_CHAIN), 0); /* there is another try */
        WAIT_FOR(f, count_result(f, "page", RUN_RESULT_SUCCESS) == 1);
        assert_int_equal(count_cause(f, "after", RUN_CAUSE_CHAIN), 1);
        (void)snprintf(text, sizeof(text), "%s/out", f->directory);
        out = fopen(text, "re");
        assert_non_null(out);
        assert_non_null(fgets(line, sizeof(line), out));
        (void)fclose(out);
        assert_string_equal(line, "chain bad exit 3\n");
}

static void test_chain_to_nowhere(void **state) {
        Fixture *f = *state;
        RunRecord r;

        write_job(f, "good", "[Job]\nOnSuccess=nowhere off\n[Run]\nExec=/bin/true\n");
        write_job(f, "off", "[Job]\nEnabled=no\n[Run]\nExec=/bin/true\n");
        start(f);
        (void)finish(f, "good");
        r = newest(f, "nowhere");
        assert_int_equal(r.result, RUN_RESULT_START_FAILED);
        assert_non_null(strstr(r.reason, "OnSuccess= of job good"));
        assert_true(r.requested > 0 && r.scheduled == r.requested && r.ended == r.requested);
        r = newest(f, "off");
        assert_int_equal(r.result, RUN_RESULT_SKIPPED);
}

/* The files, which were changed meanwhile, are no cycle, and the runs would be one. */
static void test_chain_of_runs_in_a_cycle(void **state) {
        Fixture *f = *state;
        RunRecord r;

        write_job(f, "a", "[Job]\nOnSuccess=b\n[Run]\nExec=/bin/true\n");
        write_held_job(f, "b", "");
        start(f);
        (void)request(f, "b");
        (void)finish(f, "a");
        WAIT_FOR(f, job(f, "b")->n_queued == 1);
        write_job(f, "a", "[Run]\nExec=/bin/true\n");
        write_held_job(f, "b", "[Job]\nOnSuccess=a");
        assert_int_equal(manager_reload(f->m), 0);
        let_go(f, 2);
        WAIT_FOR(f, f->n_refused == 1);
        r = newest(f, "a");
        assert_int_equal(r.result, RUN_RESULT_SKIPPED);
        assert_non_null(strstr(r.reason, "in a cycle"));
        assert_string_equal(r.parent_job, "b");
        assert_int_equal(f->n_started, 3);
}

/* One that is no cycle ends all the same, after the 64th that follows from the first. */
static void test_chain_is_too_long(void **state) {
        Fixture *f = *state;
        char name[16], text[96];

        for (unsigned i = 0; i <= 65; i++) {
                (void)snprintf(name, sizeof(name), "job%u", i);
                (void)snprintf(text, sizeof(text), "[Job]\nOnSuccess=job%u\n[Run]\nExec=/bin/true\n", i + 1);
                write_job(f, name, text);
        }
        start(f);
        (void)request(f, "job0");
        WAIT_FOR(f, f->n_refused == 1);
        assert_int_equal(f->n_started, 65);
        assert_int_equal(newest(f, "job65").result, RUN_RESULT_SKIPPED);
}

static void test_chain_to_a_bad_instance(void **state) {
        Fixture *f = *state;
        const RunRecord *none;
        RunRecord r;

        write_job(f, "bad@", "[Run]\nExec=/bin/true\nRetry=soon\n");
        write_job(f, "good", "[Job]\nOnSuccess=bad@x\n[Run]\nExec=/bin/true\n");
        start(f);
        assert_int_equal(manager_request(f->m, "bad@x", &(RunRequest){ .trigger = RUN_TRIGGER_NONE }, &none),
                         -ENOEXEC);
        (void)finish(f, "good");
        r = newest(f, "bad@x");
        assert_int_equal(r.result, RUN_RESULT_START_FAILED);
        assert_non_null(strstr(r.reason, "OnSuccess= of job good"));
}

/* Nothing can be opened any more: a cannot be started, and asks for b, whose other run is about to be started. */
static void test_chain_to_a_run_of_the_same_turn(void **state) {
        Fixture *f = *state;
        int fds[1024];
        struct rlimit old, low;
        size_t n = 0;

        write_job(f, "a", "[Job]\nOnFailure=b\n[Run]\nExec=/bin/true\n");
        write_job(f, "b", "[Run]\nExec=/bin/true\nOverlap=replace\n");
        start(f);
        (void)finish(f, "b");
        runs_callbacks()->held(f->m, true);
        (void)request(f, "a");
        (void)request(f, "b");
        runs_callbacks()->held(f->m, false);
        assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
        low = (struct rlimit){ .rlim_cur = 512, .rlim_max = old.rlim_max };
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
        while (n < ELEMENTSOF(fds) && (fds[n] = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3)) >= 0)
                n++;
        WAIT_FOR(f, f->n_finished >= 2);
        while (n > 0)
                (void)close(fds[--n]);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
        WAIT_FOR(f, manager_n_running(f->m) + manager_n_queued(f->m) == 0);
        assert_int_equal(count_result(f, "a", RUN_RESULT_START_FAILED), 1);
        assert_int_equal(job(f, "b")->live->n_slots, 0);
}

/* --- how often, how long --- */

static void test_min_interval(void **state) {
        Fixture *f = *state;
        const RunRecord *r;

        write_job(f, "job", "[Run]\nExec=/bin/true\nMinIntervalSec=1h\n");
        start(f);
        assert_int_equal(finish(f, "job")->result, RUN_RESULT_SUCCESS);
        r = request(f, "job");
        assert_int_equal(r->result, RUN_RESULT_SKIPPED);
        assert_non_null(strstr(r->reason, "MinIntervalSec="));
        stop(f);
        start(f);
        assert_int_equal(request(f, "job")->result, RUN_RESULT_SKIPPED);
        write_job(f, "job", "[Run]\nExec=/bin/true\nMinIntervalSec=1us\n");
        assert_int_equal(manager_reload(f->m), 0);
        assert_int_equal(finish(f, "job")->result, RUN_RESULT_SUCCESS);
}

static void test_success_exit_status(void **state) {
        Fixture *f = *state;

        write_job(f, "status", "[Run]\nShell=exit 3\nSuccessExitStatus=3\n");
        write_job(f, "signal", "[Run]\nShell=kill -TERM $$\nSuccessExitStatus=SIGTERM\n");
        write_job(f, "other", "[Run]\nShell=exit 4\nSuccessExitStatus=3\n");
        start(f);
        assert_int_equal(finish(f, "status")->result, RUN_RESULT_SUCCESS);
        assert_int_equal(finish(f, "signal")->result, RUN_RESULT_SUCCESS);
        assert_int_equal(finish(f, "other")->result, RUN_RESULT_EXIT);
}

/* --- alarms --- */

static int count_alarm(const LedgerAlarm *alarm, void *userdata) {
        ++*(unsigned *)userdata;
        return 0;
}

static unsigned n_alarms(Fixture *f, const char *name) {
        unsigned n = 0;

        assert_int_equal(manager_list_alarms(f->m, name, count_alarm, &n), 0);
        return n;
}

static void test_slow(void **state) {
        Fixture *f = *state;
        RunRecord r;

        write_held_job(f, "job", "[Job]\nSlowSec=10ms\nOnAlarm=page");
        write_job(f, "page", "[Run]\nShell=test $VAKT_ALARM = slow -a $VAKT_PARENT_JOB = job\n");
        start(f);
        (void)request(f, "job");
        WAIT_FOR(f, f->n_raised == 1);
        assert_string_equal(f->alarm, "slow");
        WAIT_FOR(f, count_result(f, "page", RUN_RESULT_SUCCESS) == 1);
        r = newest(f, "page");
        assert_string_equal(r.alarm, "slow");
        assert_int_equal(n_alarms(f, "job"), 1);
        stop(f);
        start(f);
        assert_int_equal(n_alarms(f, "job"), 1);
        WAIT_FOR(f, manager_n_running(f->m) == 0); /* what was under way is lost */
        let_go(f, 1);
        (void)finish(f, "job");
        assert_int_equal(f->n_raised, 1);
        assert_int_equal(f->n_cleared, 1);
        assert_int_equal(n_alarms(f, "job"), 0);
}

static void test_expect(void **state) {
        Fixture *f = *state;

        write_job(f, "job", "[Job]\nExpectSec=50ms\nOnAlarm=page\n[Run]\nShell=test -e marker\n");
        write_job(f, "page", "[Run]\nExec=/bin/true\n");
        start(f);
        WAIT_FOR(f, f->n_raised == 1);
        assert_string_equal(f->alarm, "expect");
        assert_int_equal(finish(f, "job")->result, RUN_RESULT_EXIT);
        WAIT_FOR(f, count_result(f, "page", RUN_RESULT_SUCCESS) == 1); /* or it is lost */
        stop(f);
        start(f);
        assert_int_equal(n_alarms(f, "job"), 1);
        write_job(f, "job", "[Job]\nExpectSec=1h\nOnAlarm=page\n[Run]\nExec=/bin/true\n");
        assert_int_equal(manager_reload(f->m), 0);
        (void)finish(f, "job");
        assert_int_equal(f->n_cleared, 1);
        assert_int_equal(f->n_raised, 1);
        assert_int_equal(n_alarms(f, NULL), 0);
}

static int note_since(const LedgerAlarm *alarm, void *userdata) {
        *(usec_t *)userdata = alarm->since;
        return 0;
}

static void put_stamp(const Fixture *f, const char *job, const char *key, usec_t usec) {
        Ledger *l;

        assert_int_equal(ledger_open(&l, NULL, f->directory, NULL), 0);
        assert_int_equal(ledger_set_stamp(l, job, key, usec), 0);
        ledger_close(l);
}

/* It counts from the latest that is known of: a stamp, or a success of when nothing was expected. A time that the
 * clock has not come to says nothing. */
static void test_expect_counts_from(void **state) {
        Fixture *f = *state;
        usec_t success, since = 0, before = now_realtime();

        write_job(f, "new", "[Job]\nExpectSec=20ms\n[Run]\nExec=/bin/true\n");
        write_job(f, "job", "[Run]\nExec=/bin/true\n");
        put_stamp(f, "new", "success", before + USEC_PER_HOUR);
        put_stamp(f, "new", "expected", before + USEC_PER_HOUR);
        start(f);
        success = finish(f, "job")->ended;
        WAIT_FOR(f, f->n_raised == 1);
        assert_int_equal(manager_list_alarms(f->m, "new", note_since, &since), 0);
        assert_true(since >= before && since <= success);
        stop(f);
        put_stamp(f, "job", "success", success - USEC_PER_MINUTE);
        put_stamp(f, "job", "expected", success - USEC_PER_HOUR);
        write_job(f, "job", "[Job]\nExpectSec=10ms\n[Run]\nExec=/bin/true\n");
        start(f);
        WAIT_FOR(f, f->n_raised == 2);
        assert_int_equal(manager_list_alarms(f->m, "job", note_since, &since), 0);
        assert_true(since == success);
}

/* Nothing is expected of a job that is paused; it is from the end of the pause on. */
static void test_a_success_is_expected_from_the_end_of_a_pause(void **state) {
        usec_t before, since = 0;
        Fixture *f = *state;

        write_job(f, "job", "[Job]\nExpectSec=1h\n[Run]\nExec=/bin/true\n");
        start(f);
        assert_int_equal(manager_pause(f->m, "job"), 0);
        write_job(f, "job", "[Job]\nExpectSec=20ms\n[Run]\nExec=/bin/true\n");
        assert_int_equal(manager_reload(f->m), 0);
        before = now_realtime();
        WAIT_FOR(f, now_realtime() > before + 20 * USEC_PER_MSEC);
        assert_int_equal(f->n_raised, 0);
        before = now_realtime();
        assert_true(sd_event_run(f->event, 0) >= 0); /* it has a later time */
        assert_int_equal(manager_resume(f->m, "job"), 0);
        WAIT_FOR(f, f->n_raised == 1);
        assert_int_equal(manager_list_alarms(f->m, "job", note_since, &since), 0);
        assert_true(since >= before);
}

/* The file of the job goes and comes back: the alarm that was raised is still its own. */
static void test_alarm_of_a_job_that_comes_back(void **state) {
        Fixture *f = *state;

        write_job(f, "job", "[Job]\nExpectSec=20ms\n[Run]\nExec=/bin/true\n");
        start(f);
        WAIT_FOR(f, f->n_raised == 1);
        remove_job(f, "job");
        assert_int_equal(manager_reload(f->m), 0);
        write_job(f, "job", "[Job]\nExpectSec=1h\n[Run]\nExec=/bin/true\n");
        assert_int_equal(manager_reload(f->m), 0);
        (void)finish(f, "job");
        assert_int_equal(n_alarms(f, NULL), 0);
}

/* It has two of them, and both are still its own when the file is there again. */
static void test_alarms_of_a_job_that_comes_back(void **state) {
        Fixture *f = *state;

        write_held_job(f, "job", "[Job]\nExpectSec=10ms\nSlowSec=10ms");
        start(f);
        (void)request(f, "job");
        WAIT_FOR(f, f->n_raised == 2);
        let_go(f, 1);
        stop(f);
        remove_job(f, "job");
        start(f);
        WAIT_FOR(f, manager_n_running(f->m) + manager_n_queued(f->m) == 0);
        assert_int_equal(n_alarms(f, NULL), 2);
        write_job(f, "job", "[Job]\nExpectSec=1h\nSlowSec=1h\n[Run]\nExec=/bin/true\n");
        assert_int_equal(manager_reload(f->m), 0);
        (void)finish(f, "job");
        assert_int_equal(f->n_cleared, 2);
        assert_int_equal(n_alarms(f, NULL), 0);
}

/* The next success clears it, also where its file asks for no alarms any more. */
static void test_alarms_of_jobs_without_any(void **state) {
        static const char *const names[] = { "a", "b" };
        Fixture *f = *state;

        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                write_job(f, names[i], "[Job]\nExpectSec=10ms\n[Run]\nExec=/bin/true\n");
        start(f);
        WAIT_FOR(f, f->n_raised == 2);
        stop(f);
        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                write_job(f, names[i], "[Run]\nExec=/bin/true\n");
        start(f);
        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                (void)finish(f, names[i]);
        assert_int_equal(f->n_cleared, 2);
        assert_int_equal(n_alarms(f, NULL), 0);
}

static void test_reset_failed(void **state) {
        Fixture *f = *state;
        uint64_t retry;

        write_job(f, "job", "[Job]\nExpectSec=30ms\n[Run]\nShell=exit 1\nRetry=1\nRetryDelaySec=1h\n");
        start(f);
        retry = finish(f, "job")->id + 1;
        WAIT_FOR(f, f->n_raised == 1);
        assert_int_equal(manager_reset_failed(f->m, "job"), 0);
        assert_int_equal(f->n_cleared, 1);
        assert_int_equal(manager_get_run(f->m, retry)->result, RUN_RESULT_CANCELLED);
        assert_int_equal(job(f, "job")->last_result, RUN_RESULT_NONE);
        assert_int_equal(manager_reset_failed(f->m, "nowhere"), -ENOENT);
}

static usec_t stamp_of(const Fixture *f, const char *job, const char *key) {
        usec_t stamp = 0;
        Ledger *l;

        assert_int_equal(ledger_open(&l, NULL, f->directory, NULL), 0);
        (void)ledger_get_stamp(l, job, key, &stamp);
        ledger_close(l);
        return stamp;
}

/* It stays so over a restart, and says nothing about what did succeed. */
static void test_reset_failed_is_kept(void **state) {
        Fixture *f = *state;
        usec_t success, end, start_of_last;
        char text[256];

        (void)snprintf(text, sizeof(text), "[Job]\nExpectSec=1h\n[Run]\nShell=test -e %s/good\n", f->directory);
        write_job(f, "job", text);
        write_file(f->directory, "good", "");
        start(f);
        success = finish(f, "job")->ended;
        f->n_job_changed = 0;
        assert_int_equal(manager_reset_failed(f->m, "job"), 0); /* of nothing */
        assert_int_equal(f->n_job_changed, 0);
        assert_int_equal(job(f, "job")->last_result, RUN_RESULT_SUCCESS);
        (void)snprintf(text, sizeof(text), "%s/good", f->directory);
        assert_int_equal(unlink(text), 0);
        assert_int_equal(finish(f, "job")->result, RUN_RESULT_EXIT);
        end = job(f, "job")->last_end;
        start_of_last = job(f, "job")->last_start;
        assert_int_equal(manager_reset_failed(f->m, "job"), 0);
        for (unsigned i = 0; i < 2; i++) {
                assert_int_equal(job(f, "job")->last_result, RUN_RESULT_NONE);
                assert_true(job(f, "job")->last_end == end && job(f, "job")->last_start == start_of_last);
                stop(f);
                assert_true(stamp_of(f, "job", "success") == success);
                start(f);
        }
        (void)finish(f, "job");
        stop(f);
        start(f);
        assert_int_equal(job(f, "job")->last_result, RUN_RESULT_EXIT);
}

/* --- what is gone --- */

static int count_stamp(const char *job, const char *key, usec_t usec, void *userdata) {
        ++*(unsigned *)userdata;
        return 0;
}

static unsigned n_stamps(const Fixture *f, const char *job) {
        unsigned n = 0;
        Ledger *l;

        assert_int_equal(ledger_open(&l, NULL, f->directory, NULL), 0);
        (void)ledger_list_stamps(l, job, count_stamp, &n);
        ledger_close(l);
        return n;
}

/* An edit leaves no stamp behind, and a job that is gone for a day nothing at all. */
static void test_many_stamps(void **state) {
        Fixture *f = *state;
        char text[128], *name = NULL;
        Ledger *l;

        write_job(f, "other", "[Timer]\nOnCalendar=2099-01-01\n[Run]\nExec=/bin/true\n");
        for (unsigned i = 0; i < 50; i++) {
                (void)snprintf(text, sizeof(text), "[Timer]\nOnCalendar=2090-01-01 00:%02u\n[Run]\nExec=/bin/true\n",
                               i);
                write_job(f, "job", text);
                if (i == 0)
                        start(f);
                else
                        assert_int_equal(manager_reload(f->m), 0);
        }
        assert_int_equal(manager_pause(f->m, "job"), 0);
        stop(f);
        assert_int_equal(n_stamps(f, "job"), 1);
        /* The same with nobody there while the file is edited. */
        write_job(f, "job", "[Timer]\nOnCalendar=2090-02-01\n[Run]\nExec=/bin/true\n");
        start(f);
        stop(f);
        assert_int_equal(n_stamps(f, "job"), 1);
        start(f);
        remove_job(f, "job");
        assert_int_equal(manager_reload(f->m), 0);
        stop(f);
        assert_int_equal(n_stamps(f, "job"), 2); /* since when it is gone */
        put_stamp(f, "job", "gone", now_realtime() - 25 * USEC_PER_HOUR);
        start(f);
        stop(f);
        assert_int_equal(ledger_open(&l, NULL, f->directory, NULL), 0);
        assert_int_equal(ledger_next_kept_job(l, "", &name), 0);
        assert_string_equal(name, "other");
        free(name);
        assert_int_equal(ledger_next_kept_job(l, "other", &name), -ENOENT);
        ledger_close(l);
        assert_int_equal(n_stamps(f, "other"), 1);
}

/* An upgrade takes the file away and brings it back: nothing fires, and nothing is forgotten. */
static void test_back_after_an_upgrade(void **state) {
        static const char text[] = "[Timer]\nOnCalendar=hourly\nOnInterval=7d\nCatchUp=all\n[Run]\nShell=exit 3\n";
        Fixture *f = *state;
        usec_t next[2], interval;

        write_job(f, "job", text);
        write_job(f, "paused", "[Timer]\nOnCalendar=hourly\n[Run]\nExec=/bin/true\n");
        start(f);
        assert_int_equal(finish(f, "job")->result, RUN_RESULT_EXIT);
        assert_int_equal(manager_pause(f->m, "paused"), 0);
        stop(f);
        interval = now_realtime() - 6 * USEC_PER_DAY;
        put_stamp(f, "job", "OnCalendar=hourly", now_realtime() - 5 * USEC_PER_HOUR);
        put_stamp(f, "job", "OnInterval=7d", interval);
        put_stamp(f, "job", "gone", now_realtime() - 3 * USEC_PER_HOUR);
        write_file(f->directory, "vaktd.conf", "[Manager]\nResumeRampSec=0\n");
        start(f);
        for (unsigned i = 0; i < 2; i++) {
                for (unsigned turn = 0; turn < 50; turn++) /* what is due would be asked for in the first ones */
                        assert_true(sd_event_run(f->event, 0) >= 0);
                assert_int_equal(count_cause(f, "job", RUN_CAUSE_CATCH_UP), 0);
                assert_int_equal(count_result(f, "job", RUN_RESULT_MISSED), 0);
                assert_int_equal(job(f, "job")->last_result, RUN_RESULT_EXIT);
                assert_int_equal(job_state(job(f, "paused")), JOB_PAUSED);
                /* The interval goes on from where it was: due in a day. */
                assert_int_equal(manager_next_elapses(f->m, job(f, "job"), next, 2), 2);
                remove_job(f, "job");
                remove_job(f, "paused");
                assert_int_equal(manager_reload(f->m), 0);
                assert_null(job(f, "job"));
                write_job(f, "job", text);
                write_job(f, "paused", "[Timer]\nOnCalendar=hourly\n[Run]\nExec=/bin/true\n");
                assert_int_equal(manager_reload(f->m), 0);
        }
        stop(f);
        assert_true(stamp_of(f, "job", "OnInterval=7d") <= interval + USEC_PER_SEC &&
                    stamp_of(f, "job", "OnInterval=7d") + USEC_PER_SEC >= interval);
        assert_int_equal(n_stamps(f, "job"), 3); /* and how many runs there were */
}

/* Under the time of the last of them. */
static void test_missed_is_written_down(void **state) {
        Fixture *f = *state;
        RunRecord r;

        write_job(f, "job", "[Timer]\nOnCalendar=hourly\nTimeZone=UTC\n[Run]\nExec=/bin/true\n");
        put_stamp(f, "job", "OnCalendar=hourly TimeZone=UTC", now_realtime() - 3 * USEC_PER_HOUR);
        write_file(f->directory, "vaktd.conf", "[Manager]\nResumeRampSec=0\n");
        start(f);
        WAIT_FOR(f, count_result(f, "job", RUN_RESULT_MISSED) == 1);
        r = newest(f, "job");
        assert_int_equal(r.cause, RUN_CAUSE_TIMER);
        assert_int_equal(r.trigger, 0);
        assert_true(r.scheduled % USEC_PER_HOUR == 0);
        assert_true(r.scheduled <= r.requested && r.requested - r.scheduled < USEC_PER_HOUR);
        assert_non_null(strstr(r.reason, " occurrences since "));
}

/* What is made up for waits beside QueueMax=, and takes nobody's place in it. */
static void test_queue_beside_catch_up(void **state) {
        Fixture *f = *state;
        unsigned n;

        write_held_job(f, "job",
                       "Overlap=parallel\nMaxParallel=1\nQueueMax=1\n[Timer]\nOnCalendar=hourly\nCatchUp=all");
        put_stamp(f, "job", "OnCalendar=hourly", now_realtime() - 5 * USEC_PER_HOUR);
        write_file(f->directory, "vaktd.conf", "[Manager]\nResumeRampSec=0\n");
        start(f);
        WAIT_FOR(f, count_cause(f, "job", RUN_CAUSE_CATCH_UP) >= 4 && f->n_started == 1);
        assert_int_equal(request(f, "job")->state, RUN_QUEUED); /* which would have the place */
        assert_int_equal(request(f, "job")->state, RUN_QUEUED);
        assert_int_equal(request(f, "job")->result, RUN_RESULT_SKIPPED);
        n = count_cause(f, "job", RUN_CAUSE_CATCH_UP);
        let_go(f, n + 1); /* those before the last one */
        WAIT_FOR(f, f->n_started == n + 2);
        assert_int_equal(request(f, "job")->state, RUN_QUEUED);
}

/* --- the pause of everything --- */

static void test_pause_all(void **state) {
        Fixture *f = *state;

        write_job(f, "a", "[Job]\nOnSuccess=b\n[Run]\nExec=/bin/true\n");
        write_job(f, "b", "[Run]\nExec=/bin/true\n");
        start(f);
        assert_int_equal(manager_pause(f->m, "b"), 0);
        assert_int_equal(manager_pause_all(f->m), 0);
        assert_int_equal(finish(f, "a")->result, RUN_RESULT_SUCCESS); /* by hand */
        assert_int_equal(count_result(f, "b", RUN_RESULT_SKIPPED), 1);
        stop(f);
        start(f);
        assert_true(manager_is_paused(f->m));
        assert_int_equal(job_state(job(f, "a")), JOB_PAUSED);
        assert_int_equal(manager_resume_all(f->m), 0);
        assert_int_equal(job_state(job(f, "a")), JOB_WAITING);
        assert_int_equal(job_state(job(f, "b")), JOB_PAUSED);
        assert_int_equal(manager_resume(f->m, "b"), 0);
        (void)finish(f, "a");
        WAIT_FOR(f, count_result(f, "b", RUN_RESULT_SUCCESS) == 1);
}

/* --- history --- */

static void test_history_keep(void **state) {
        Fixture *f = *state;

        write_job(f, "few", "[Run]\nExec=/bin/true\nHistoryKeep=2\n");
        start(f);
        for (unsigned i = 0; i < 10; i++)
                (void)finish(f, "few");
        assert_int_equal(manager_reload(f->m), 0);
        WAIT_FOR(f, count_result(f, "few", RUN_RESULT_SUCCESS) == 2);
}

/* --- the order in which others are told --- */

static void tell_new(void *userdata, const RunRecord *r) {
        char *told = userdata;

        (void)snprintf(told + strlen(told), 256 - strlen(told), "+%" PRIu64 " ", r->id);
}

static void tell_end(void *userdata, const RunRecord *r) {
        char *told = userdata;

        (void)snprintf(told + strlen(told), 256 - strlen(told), "-%" PRIu64 " ", r->id);
}

static void tell_job(void *userdata, const Job *j) {
        char *told = userdata;

        (void)snprintf(told + strlen(told), 256 - strlen(told), "%u/%u ", j->n_running, j->n_queued);
}

/* A run that takes the place of others is accepted before anybody hears of their end, and what those lead to is asked
 * for after that: nothing happens in the middle of something else. */
static void test_ends_are_dealt_with_afterwards(void **state) {
        Fixture *f = *state;
        char told[256] = "";
        ManagerObserver o = {
                .run_new = tell_new, .run_finished = tell_end, .job_changed = tell_job, .userdata = told
        };

        write_file(f->directory, "vaktd.conf", "[Manager]\nMaxRunning=1\n");
        write_held_job(f, "holder", "");
        write_job(f, "job", "[Run]\nExec=/bin/true\nOverlap=replace\n");
        start(f);
        (void)request(f, "holder");
        WAIT_FOR(f, f->n_started == 1);
        assert_int_equal(manager_observe(f->m, &o), 0);
        (void)request(f, "job");
        assert_string_equal(told, "+2 0/1 ");
        told[0] = '\0';
        (void)request(f, "job");
        assert_string_equal(told, "+3 0/1 -2 0/1 ");
        told[0] = '\0';
        let_go(f, 1);
        WAIT_FOR(f, manager_n_running(f->m) + manager_n_queued(f->m) == 0);
        assert_string_equal(told, "-1 0/0 1/0 -3 0/0 ");
}

static LiveRun *drop_queued(Fixture *f) {
        LiveRun *run = live_find(&f->m->live, request(f, "job")->id);

        assert_non_null(run);
        run->is_given_up = true;
        runs_drop(f->m, run, RUN_RESULT_SKIPPED);
        return run;
}

/* What has ended is over for who asks, also where what follows from it is still to come: that comes before anything
 * else does, and before we end. */
static void test_ended_and_not_dealt_with(void **state) {
        Fixture *f = *state;
        uint64_t id;

        write_held_job(f, "holder", "Pool=one");
        write_job(f, "job", "[Job]\nOnFailure=page\n[Run]\nExec=/bin/true\nPool=one\n");
        write_job(f, "page", "[Run]\nExec=/bin/true\n");
        start(f);
        (void)request(f, "holder");
        WAIT_FOR(f, f->n_started == 1);
        id = drop_queued(f)->record.id;
        assert_int_equal(manager_cancel(f->m, id), -EALREADY);
        assert_int_equal(manager_get_run(f->m, id)->result, RUN_RESULT_SKIPPED);
        assert_int_equal(count_cause(f, "page", RUN_CAUSE_CHAIN), 0);
        assert_true(sd_event_run(f->event, 0) >= 0);
        assert_int_equal(count_cause(f, "page", RUN_CAUSE_CHAIN), 1);
        WAIT_FOR(f, count_result(f, "page", RUN_RESULT_SUCCESS) == 1);
        (void)drop_queued(f);
        stop(f);
        start(f);
        assert_int_equal(count_cause(f, "page", RUN_CAUSE_CHAIN), 2);
        WAIT_FOR(f, count_result(f, "page", RUN_RESULT_SUCCESS) == 2);
}

/* --- why --- */

typedef struct Topics {
        bool paused, skip, rate, overlap;
} Topics;

static int note_topic(const char *topic, const char *message, void *userdata) {
        Topics *t = userdata;

        t->paused |= streq(topic, "paused");
        t->skip |= streq(topic, "skip");
        t->rate |= streq(topic, "rate");
        t->overlap |= streq(topic, "overlap");
        return 0;
}

/* What Explain says of a trigger that elapses now is what becomes of it, and the first of its messages is why. */
static bool check_agreement(Fixture *f, const char *name) {
        RunRequest r = { .cause = RUN_CAUSE_CHAIN, .trigger = RUN_TRIGGER_NONE };
        const RunRecord *record;
        Topics t = {};
        const char *why;

        assert_int_equal(manager_explain(f->m, job(f, name), note_topic, &t), 0);
        assert_int_equal(manager_request(f->m, name, &r, &record), 0);
        if (record->state != RUN_DONE) {
                assert_false(t.paused || t.skip || t.rate || t.overlap);
                return true;
        }
        assert_int_equal(record->result, RUN_RESULT_SKIPPED);
        why = t.paused ? "paused" : t.skip ? "vaktctl skip" : t.rate ? "MinIntervalSec=" : "Overlap=skip";
        assert_true(t.paused || t.skip || t.rate || t.overlap);
        assert_true(strstr(record->reason, why) || (t.overlap && strstr(record->reason, "QueueMax=")));
        return false;
}

static int cancel_run(const RunRecord *r, void *userdata) {
        if (r->state != RUN_DONE)
                *(uint64_t *)userdata = r->id;
        return r->state != RUN_DONE && random() % 2 > 0;
}

static void change_something(Fixture *f, const char *name) {
        uint64_t id = 0;

        switch (random() % 8) {
        case 0:
                assert_int_equal(manager_pause(f->m, name), 0);
                break;
        case 1:
                assert_int_equal(manager_resume(f->m, name), 0);
                break;
        case 2:
                assert_int_equal(random() % 4 == 0 ? manager_pause_all(f->m) : manager_resume_all(f->m), 0);
                break;
        case 3:
                assert_int_equal(manager_skip(f->m, name, random() % 2 ? 0 : 2), 0);
                break;
        case 4:
                (void)request(f, name);
                break;
        case 5:
                (void)manager_list_runs(f->m, name, 0, 20, cancel_run, &id);
                if (id > 0)
                        assert_int_equal(manager_cancel(f->m, id), 0);
                break;
        default:
                assert_true(sd_event_run(f->event, 0) >= 0);
                break;
        }
}

static void test_explain_and_requests_agree(void **state) {
        static const char *const names[] = { "skip", "queue", "replace", "parallel", "rate", "rates" };
        unsigned n_accepted = 0, n_refused = 0;
        Fixture *f = *state;

        srandom(3);
        write_file(f->directory, "vaktd.conf", "[Manager]\nMaxRunning=3\n");
        write_held_job(f, "skip", "Overlap=skip");
        write_held_job(f, "queue", "QueueMax=2\nPool=one");
        write_held_job(f, "replace", "Overlap=replace");
        write_held_job(f, "parallel", "Overlap=parallel\nMaxParallel=2\nQueueMax=1\nPool=one");
        write_held_job(f, "rate", "MinIntervalSec=1h\nRetry=2");
        write_held_job(f, "rates", "MinIntervalSec=1h\nOverlap=parallel\nMaxParallel=3");
        start(f);
        for (unsigned i = 0; i < 3000; i++) {
                const char *name = names[random() % (long)ELEMENTSOF(names)];

                change_something(f, name);
                if (check_agreement(f, name))
                        n_accepted++;
                else
                        n_refused++;
        }
        assert_true(n_accepted > 100 && n_refused > 100);
        assert_int_equal(manager_resume_all(f->m), 0);
        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                while (job(f, names[i])->n_running + job(f, names[i])->n_queued > 0) {
                        uint64_t id = 0;

                        (void)manager_list_runs(f->m, names[i], 0, 20000, cancel_run, &id);
                        assert_int_equal(manager_cancel(f->m, id), 0);
                        assert_true(sd_event_run(f->event, USEC_PER_SEC) >= 0);
                }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_pool_is_shared),
                TEST(test_pool_without_a_name_in_the_settings),
                TEST(test_pools_leave_with_the_settings),
                TEST(test_no_memory_to_wait_for_a_slot),
                TEST(test_an_edit_counts_for_what_waits),
                TEST(test_priority),
                TEST(test_rank_is_of_the_request),
                TEST(test_many_for_one_slot),
                TEST(test_max_wait),
                TEST(test_max_wait_beside_max_running),
                TEST(test_max_wait_over_edits),
                TEST(test_max_wait_in_one_turn),
                TEST(test_max_wait_of_a_retry),
                TEST(test_retry),
                TEST(test_retry_is_explained),
                TEST(test_retry_until_it_works),
                TEST(test_retry_without_a_delay),
                TEST(test_retry_is_kept_over_a_restart),
                TEST(test_retry_is_read_late),
                TEST(test_retry_gives_way_to_a_success),
                TEST(test_retry_of_a_paused_job),
                TEST(test_retry_of_a_job_that_is_disabled),
                TEST(test_retry_of_a_job_that_is_gone),
                TEST(test_reset_failed_of_a_job_that_is_gone),
                TEST(test_stop_with_something_to_follow),
                TEST(test_chains),
                TEST(test_chain_to_nowhere),
                TEST(test_chain_of_runs_in_a_cycle),
                TEST(test_chain_is_too_long),
                TEST(test_chain_to_a_bad_instance),
                TEST(test_chain_to_a_run_of_the_same_turn),
                TEST(test_min_interval),
                TEST(test_success_exit_status),
                TEST(test_slow),
                TEST(test_expect),
                TEST(test_expect_counts_from),
                TEST(test_a_success_is_expected_from_the_end_of_a_pause),
                TEST(test_alarm_of_a_job_that_comes_back),
                TEST(test_alarms_of_a_job_that_comes_back),
                TEST(test_alarms_of_jobs_without_any),
                TEST(test_reset_failed),
                TEST(test_reset_failed_is_kept),
                TEST(test_many_stamps),
                TEST(test_back_after_an_upgrade),
                TEST(test_missed_is_written_down),
                TEST(test_queue_beside_catch_up),
                TEST(test_pause_all),
                TEST(test_history_keep),
                TEST(test_ends_are_dealt_with_afterwards),
                TEST(test_ended_and_not_dealt_with),
                TEST(test_explain_and_requests_agree),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
