/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What is said to the ledger is there at once and after a restart: runs newest first, their ids never twice; stamps;
 * states of jobs; alarms; and history as long as it is to be kept. Searches are in test-ledger-query.c, what it does
 * when its database fails it in test-ledger-errors.c. */

#include "test-ledger.h"

#include <malloc.h>
#include <sqlite3.h>
#include <sys/stat.h>

#include "ledger/ledger-internal.h"

/* Runs the loop until it would wait. */
static void settle(sd_event *event) {
        while (sd_event_run(event, 0) > 0)
                ;
}

static void test_ids_over_restarts(void **state) {
        uint64_t last = 0;

        for (unsigned i = 0; i < 5; i++) {
                _cleanup_(ledger_closep) Ledger *l = open_ledger(NULL);

                for (unsigned k = 0; k < 150; k++) {
                        uint64_t id = add(l, "a");

                        assert_true(id > last);
                        last = id;
                }
        }
        assert_int_equal(last, 5 * 150); /* a clean end leaves no gap */
}

/* Neither pruning nor the loss of one of the two places where ids are written down brings one back. */
static void test_ids_are_not_reused(void **state) {
        Ledger *l = open_ledger(NULL);
        uint64_t last = add_done(l, "a", RUN_RESULT_SUCCESS, 1);

        ledger_set_retention(l, 0, USEC_INFINITY, NULL, NULL);
        assert_int_equal(ledger_commit(l), 0);
        while (ledger_upkeep(l, 2, 2))
                ;
        assert_int_equal(count_runs(l, NULL), 0);
        ledger_close(l);

        assert_int_equal(unlink(in_directory("next-run")), 0);
        l = open_ledger(NULL);
        assert_int_equal(add(l, "a"), last + 1);
        ledger_close(l);

        assert_int_equal(unlink(in_directory(LEDGER_FILE)), 0);
        l = open_ledger(NULL);
        assert_int_equal(add(l, "a"), last + 2);
        ledger_close(l);
}

static void check_update_and_list(Ledger *l, uint64_t a, uint64_t b, uint64_t c) {
        Seen s = {};

        assert_int_equal(ledger_get(l, b)->code, 3);
        assert_string_equal(ledger_get(l, b)->reason, "why");
        assert_null(ledger_get(l, 0));
        assert_null(ledger_get(l, c + 1));

        assert_int_equal(ledger_list(l, "a", 0, 10, see, &s), 0);
        assert_int_equal(s.n, 2);
        assert_int_equal(s.ids[0], c);
        assert_int_equal(s.ids[1], a);
        s.n = 0;
        assert_int_equal(ledger_list(l, NULL, c, 1, see, &s), 0);
        assert_int_equal(s.n, 1);
        assert_int_equal(s.ids[0], b);
        s.n = 0;
        assert_int_equal(ledger_list(l, NULL, UINT64_MAX, 0, see, &s), 0);
        assert_int_equal(s.n, 0);
        s.stop_at = 2;
        assert_int_equal(ledger_list(l, NULL, 0, 10, see, &s), 1);
        assert_int_equal(s.n, 2);
}

/* The answers are the same whether it was written already, in part, or read back after a restart. */
static void test_update_and_list(void **state) {
        _cleanup_(ledger_closep) Ledger *l = open_ledger(NULL);
        RunRecord done = { .job = "b", .state = RUN_DONE, .result = RUN_RESULT_EXIT, .code = 3, .reason = "why" };
        uint64_t a, b, c;

        a = add(l, "a");
        b = add(l, "b");
        c = add(l, "a");
        done.id = b;
        assert_int_equal(ledger_update(l, &done), 0);
        check_update_and_list(l, a, b, c);
        assert_int_equal(ledger_commit(l), 0);
        check_update_and_list(l, a, b, c);
        assert_int_equal(ledger_update(l, ledger_get(l, b)), 0);
        check_update_and_list(l, a, b, c);
        l = ledger_close(l);
        l = open_ledger(NULL);
        check_update_and_list(l, a, b, c);
        assert_int_equal(ledger_update(l, &done), 0);
        check_update_and_list(l, a, b, c);
}

static void test_every_field(void **state) {
        _cleanup_(ledger_closep) Ledger *l = open_ledger(NULL);
        RunRecord r = {
                .job = "back.up@1",
                .cause = RUN_CAUSE_CATCH_UP,
                .state = RUN_DONE,
                .result = RUN_RESULT_OOM,
                .code = -9,
                .attempt = UINT32_MAX,
                .trigger = RUN_TRIGGER_NONE,
                .parent = UINT64_MAX / 3,
                .parent_job = "other",
                .alarm = "slow",
                .payload = "/run/vaktd/batches/1",
                .scheduled = 1,
                .requested = 2,
                .started = UINT64_MAX,
                .ended = USEC_INFINITY - 1,
                .pid = INT32_MAX,
                .pid_start = UINT64_MAX - 7,
                .unit = "vakt-back.up@1-1.service",
                .invocation = SD_ID128_MAKE(ff, 00, 10, 00, 00, 00, 00, 00, 00, 00, 00, 00, 00, 00, 00, 01),
                .cpu = USEC_INFINITY - 1,
                .memory_peak = 0,
                .files = UINT64_MAX - 1,
                .bytes_freed = 0,
                .host = "",
                .reason = "'); DROP TABLE runs; -- \xc3\xa9\n",
                .status_text = "",
        };

        assert_int_equal(ledger_add(l, &r), 0);
        check_record(ledger_get(l, r.id), &r);
        l = ledger_close(l);
        l = open_ledger(NULL);
        check_record(ledger_get(l, r.id), &r);

        /* What is not known is no 0, and no text is no empty one. */
        r = (RunRecord)RUN_RECORD_INIT;
        r.job = "a";
        assert_int_equal(ledger_add(l, &r), 0);
        l = ledger_close(l);
        l = open_ledger(NULL);
        check_record(ledger_get(l, r.id), &r);
}

/* All that changes while a run goes on is written over; what it is stays, whatever an update says. */
static void test_every_change(void **state) {
        _cleanup_(ledger_closep) Ledger *l = open_ledger(NULL);
        RunRecord added = RUN_RECORD_INIT, changed, expected;

        added.job = "a";
        added.parent_job = "b";
        assert_int_equal(ledger_add(l, &added), 0);
        assert_int_equal(ledger_commit(l), 0);
        changed = expected = (RunRecord){
                .id = added.id,
                .job = "a",
                .state = RUN_RUNNING,
                .attempt = 1,
                .trigger = RUN_TRIGGER_NONE,
                .parent_job = "b",
                .payload = "/p",
                .started = 5,
                .pid = 7,
                .pid_start = 8,
                .unit = "u",
                .invocation = SD_ID128_MAKE(01, 00, 00, 00, 00, 00, 00, 00, 00, 00, 00, 00, 00, 00, 00, 00),
                .cpu = 9,
                .memory_peak = 10,
                .files = 11,
                .bytes_freed = 12,
                .host = "h",
                .status_text = "10%",
        };
        changed.parent_job = "c";
        changed.alarm = "slow";
        changed.parent = 3;
        assert_int_equal(ledger_update(l, &changed), 0);
        assert_int_equal(ledger_commit(l), 0);
        check_record(ledger_get(l, added.id), &expected);

        /* And back to what is not known. */
        assert_int_equal(ledger_update(l, &added), 0);
        assert_int_equal(ledger_commit(l), 0);
        check_record(ledger_get(l, added.id), &added);
}

/* Every word of every enum comes back as itself. */
static void test_every_word(void **state) {
        _cleanup_(ledger_closep) Ledger *l = open_ledger(NULL);
        uint64_t first = 0;

        for (int i = 0; i < 2; i++) {
                for (unsigned k = 0; k < _RUN_RESULT_MAX; k++) {
                        RunRecord r = {
                                .job = "a",
                                .cause = k % _RUN_CAUSE_MAX,
                                .state = k % _RUN_STATE_MAX,
                                .result = k,
                        };

                        if (i == 0) {
                                assert_int_equal(ledger_add(l, &r), 0);
                                first = first ?: r.id;
                                continue;
                        }
                        assert_int_equal(ledger_get(l, first + k)->cause, r.cause);
                        assert_int_equal(ledger_get(l, first + k)->state, r.state);
                        assert_int_equal(ledger_get(l, first + k)->result, r.result);
                }
                assert_int_equal(ledger_commit(l), 0);
        }
}

/* A text of any length is no reason to fail; it is cut before a character, not within. */
static void test_long_texts(void **state) {
        _cleanup_(ledger_closep) Ledger *l = open_ledger(NULL);
        static char no_text[2 * LEDGER_TEXT_MAX]; /* no character at all */
        _cleanup_free_ char *text = malloc(2 << 20);
        RunRecord r = { .job = "a", .state = RUN_DONE, .reason = text };

        memset(text, 'x', 2 << 20);
        text[(2 << 20) - 1] = '\0';
        text[LEDGER_TEXT_MAX - 1] = '\xc3';
        text[LEDGER_TEXT_MAX] = '\xa9';
        assert_int_equal(ledger_add(l, &r), 0);
        assert_int_equal(ledger_commit(l), 0);
        assert_true(is_ok(l));
        assert_int_equal(strlen(ledger_get(l, r.id)->reason), LEDGER_TEXT_MAX - 1);
        memset(no_text, 0x80, sizeof(no_text) - 1);
        r.reason = no_text;
        assert_int_equal(ledger_add(l, &r), 0);
        assert_int_equal(ledger_commit(l), 0);
        assert_int_equal(strlen(ledger_get(l, r.id)->reason), LEDGER_TEXT_MAX);

        assert_int_equal(ledger_set_stamp(l, "a", text, 1), -ENAMETOOLONG);
        assert_int_equal(ledger_set_stamp(l, text, "a", 1), -ENAMETOOLONG);
        assert_int_equal(ledger_set_job_state(l, text, &(LedgerJobState){ .paused = true }), -ENAMETOOLONG);
        assert_int_equal(ledger_set_alarm(l, &(LedgerAlarm){ .job = text, .key = "slow", .since = 1 }), -ENAMETOOLONG);
        assert_int_equal(ledger_set_alarm(l, &(LedgerAlarm){ .job = "a", .key = text, .since = 1 }), -ENAMETOOLONG);
}

/* --- adoption --- */

typedef struct Unfinished {
        uint64_t ids[8];
        size_t n, n_of_this_boot;
        Ledger *ledger;
} Unfinished;

static int see_unfinished(const RunRecord *r, bool this_boot, void *userdata) {
        Unfinished *u = userdata;

        u->ids[u->n++] = r->id;
        u->n_of_this_boot += this_boot;
        if (u->ledger) {
                RunRecord done = *r;

                done.state = RUN_DONE;
                done.result = RUN_RESULT_LOST;
                assert_int_equal(ledger_update(u->ledger, &done), 0);
                assert_int_equal(ledger_get(u->ledger, r->id)->result, RUN_RESULT_LOST);
        }
        return 0;
}

static void test_unfinished(void **state) {
        _cleanup_(ledger_closep) Ledger *l = open_ledger(NULL);
        Unfinished u = {};

        add(l, "a");
        add_done(l, "a", RUN_RESULT_SUCCESS, 1);
        add(l, "b");
        add(l, "c");
        l = ledger_close(l);
        l = open_ledger(NULL);
        add(l, "d");
        assert_int_equal(ledger_update(l, &(RunRecord){ .id = 3, .job = "b", .state = RUN_DONE }), 0);
        assert_int_equal(ledger_unfinished(l, see_unfinished, &u), 0);
        assert_int_equal(u.n, 3);
        assert_memory_equal(u.ids, ((uint64_t[]){ 1, 4, 5 }), 3 * sizeof(uint64_t));
        assert_int_equal(u.n_of_this_boot, 3);

        /* The visit may end them. */
        u = (Unfinished){ .ledger = l };
        assert_int_equal(ledger_unfinished(l, see_unfinished, &u), 0);
        assert_int_equal(u.n, 3);
        u = (Unfinished){};
        assert_int_equal(ledger_unfinished(l, see_unfinished, &u), 0);
        assert_int_equal(u.n, 0);
}

static void run_sql(const char *sql) {
        sqlite3 *db = NULL;

        assert_int_equal(sqlite3_open(in_directory(LEDGER_FILE), &db), SQLITE_OK);
        assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
        assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void test_unfinished_of_another_boot(void **state) {
        Ledger *l = open_ledger(NULL);
        Unfinished u = {};

        add(l, "a");
        add(l, "a");
        ledger_close(l);
        run_sql("UPDATE runs SET boot = '00000000000000000000000000000001'");
        l = open_ledger(NULL);
        assert_int_equal(ledger_update(l, &(RunRecord){ .id = 2, .job = "a", .state = RUN_RUNNING }), 0);
        assert_int_equal(ledger_commit(l), 0);
        assert_int_equal(ledger_unfinished(l, see_unfinished, &u), 0);
        assert_int_equal(u.n, 2);
        assert_int_equal(u.n_of_this_boot, 1);
        ledger_close(l);
}

static size_t count_of_this_boot(const char *boot) {
        Unfinished u = {};
        char sql[128];
        Ledger *l;

        (void)snprintf(sql, sizeof(sql), "UPDATE runs SET boot = '%s'", boot);
        run_sql(sql);
        l = open_ledger(NULL);
        assert_int_equal(ledger_unfinished(l, see_unfinished, &u), 0);
        assert_int_equal(u.n, 1);
        ledger_close(l);
        return u.n_of_this_boot;
}

/* A container that was booted again on a machine that was not; a run that an earlier version has started. */
static void test_boots_of_a_container(void **state) {
        char text[SD_ID128_STRING_MAX];
        BootId now = boot_id_get(), next;
        Ledger *l = open_ledger(NULL);

        add(l, "a");
        ledger_close(l);
        assert_false(sd_id128_equal(now.id, now.kernel));
        next = boot_id_make(now.kernel, 1);
        assert_false(sd_id128_equal(next.id, now.id));
        assert_false(sd_id128_equal(next.id, boot_id_make(now.kernel, 2).id));
        assert_int_equal(count_of_this_boot(sd_id128_to_string(now.id, text)), 1);
        assert_int_equal(count_of_this_boot(sd_id128_to_string(next.id, text)), 0);
        assert_int_equal(count_of_this_boot(sd_id128_to_string(now.kernel, text)), 1);
}

/* --- stamps and states --- */

static int count_stamp(const char *job, const char *key, usec_t usec, void *userdata) {
        ++*(size_t *)userdata;
        return 0;
}

static size_t count_stamps(Ledger *l, const char *job) {
        size_t n = 0;

        assert_int_equal(ledger_list_stamps(l, job, count_stamp, &n), 0);
        return n;
}

static void check_stamp(Ledger *l, const char *job, const char *key, usec_t expected) {
        usec_t usec = 12345;
        int r = ledger_get_stamp(l, job, key, &usec);

        if (expected == 0)
                assert_int_equal(r, -ENOENT);
        else
                assert_int_equal(r, 0);
        assert_true(usec == (expected ?: 12345));
}

static void test_stamps(void **state) {
        _cleanup_(ledger_closep) Ledger *l = open_ledger(NULL);

        check_stamp(l, "a", "k1", 0);
        assert_int_equal(ledger_set_stamp(l, "a", "k1", 10), 0);
        assert_int_equal(ledger_set_stamp(l, "a", "k2", 20), 0);
        assert_int_equal(ledger_set_stamp(l, "a", "k3", 300), 0);
        assert_int_equal(ledger_set_stamp(l, "b", "k1", USEC_INFINITY - 1), 0);
        check_stamp(l, "a", "k1", 10);
        for (int i = 0; i < 2; i++) {
                l = ledger_close(l);
                l = open_ledger(NULL);
                check_stamp(l, "a", "k1", 10 + (usec_t)i);
                check_stamp(l, "b", "k1", USEC_INFINITY - 1);
                assert_int_equal(ledger_set_stamp(l, "a", "k1", 11), 0);
                check_stamp(l, "a", "k1", 11);
                assert_int_equal(count_stamps(l, "a"), 3);
                assert_int_equal(count_stamps(l, "b"), 1);
                assert_int_equal(count_stamps(l, NULL), 4);
        }
        /* pending though it is */
        assert_int_equal(ledger_forget_stamp(l, "a", "k1"), 0);
        for (int i = 0; i < 2; i++) {
                check_stamp(l, "a", "k1", 0);
                check_stamp(l, "a", "k2", 20);
                check_stamp(l, "a", "k3", 300);
                assert_int_equal(count_stamps(l, NULL), 3);
                l = ledger_close(l);
                l = open_ledger(NULL);
        }
        assert_int_equal(ledger_forget_stamp(l, "b", "k1"), 0);
        assert_int_equal(ledger_set_stamp(l, "b", "k1", 5), 0);
        check_stamp(l, "b", "k1", 5);
}

static void check_kept(Ledger *l, const char *after, const char *expected) {
        _cleanup_free_ char *name = NULL;
        int r;

        assert_int_equal(ledger_commit(l), 0);
        r = ledger_next_kept_job(l, after, &name);
        assert_int_equal(r, expected ? 0 : -ENOENT);
        if (expected)
                assert_string_equal(name, expected);
}

/* Whatever is kept of a job can be found by its name, and goes at once; nobody else's does. */
static void test_forget_job(void **state) {
        _cleanup_(ledger_closep) Ledger *l = open_ledger(NULL);
        LedgerAlarm alarm = { .job = "d", .key = "slow", .since = 1, .raised = 1 };

        check_kept(l, "", NULL);
        assert_int_equal(ledger_set_stamp(l, "b", "k", 10), 0);
        assert_int_equal(ledger_set_job_state(l, "c", &(LedgerJobState){ .skip = 1 }), 0);
        assert_int_equal(ledger_set_alarm(l, &alarm), 0);
        assert_int_equal(ledger_put(l, "e", "k", 1, "x", 1), 0);
        check_kept(l, "", "b");
        check_kept(l, "b", "c");
        check_kept(l, "c", "d");
        check_kept(l, "d", "e");
        check_kept(l, "e", NULL);
        alarm.job = "c";
        assert_int_equal(ledger_set_alarm(l, &alarm), 0);
        assert_int_equal(ledger_set_stamp(l, "c", "k", 10), 0);
        assert_int_equal(ledger_put(l, "c", "k", 1, "x", 1), 0);
        assert_int_equal(ledger_forget_job(l, "c"), 0);
        check_kept(l, "b", "d");
        for (const char *name = "b"; *name; name = *name == 'b' ? "d" : *name == 'd' ? "e" : "")
                assert_int_equal(ledger_forget_job(l, name), 0);
        check_kept(l, "", NULL);
}

/* Memory grows with the first runs, until the cache of the database is full, and not for each that comes after. */
static void test_memory(void **state) {
        _cleanup_(ledger_closep) Ledger *l = open_ledger(NULL);
        size_t used[4];

        for (size_t round = 0; round < ELEMENTSOF(used); round++) {
                for (unsigned i = 0; i < 20000; i++) {
                        (void)add_done(l, i % 2 > 0 ? "a" : "b", RUN_RESULT_SUCCESS, 1000000 + i);
                        assert_int_equal(ledger_set_stamp(l, "a", "k", i), 0);
                        if (i % 20 == 19)
                                assert_int_equal(ledger_commit(l), 0);
                        if (i % 2000 == 1999)
                                (void)ledger_upkeep(l, 1000000 + i, 1000000 + i);
                }
                used[round] = mallinfo2().uordblks;
        }
        assert_true(used[1] < used[0] + (4U << 20));
        for (size_t round = 2; round < ELEMENTSOF(used); round++)
                assert_true(used[round] < used[round - 1] + (64U << 10)); /* 3 bytes a run */
}

static unsigned skip_of(Ledger *l, const char *job) {
        LedgerJobState s = {};

        assert_int_equal(ledger_get_job_state(l, job, &s), 0);
        return s.skip;
}

static void test_job_states(void **state) {
        _cleanup_(ledger_closep) Ledger *l = open_ledger(NULL);
        LedgerJobState s = { .skip = 9 };

        assert_int_equal(ledger_get_job_state(l, "a", &s), 0);
        assert_true(!s.paused && s.pause_until == 0 && s.skip == 0);
        s = (LedgerJobState){ .paused = true, .pause_until = USEC_INFINITY, .skip = UINT32_MAX };
        assert_int_equal(ledger_set_job_state(l, "a", &s), 0);
        s = (LedgerJobState){ .skip = 1 };
        assert_int_equal(ledger_set_job_state(l, "b", &s), 0);
        assert_int_equal(ledger_set_job_state(l, "", &s), 0);
        assert_true(skip_of(l, "a") == UINT32_MAX && skip_of(l, "b") == 1 && skip_of(l, "") == 1);
        l = ledger_close(l);
        l = open_ledger(NULL);
        assert_true(skip_of(l, "a") == UINT32_MAX && skip_of(l, "b") == 1 && skip_of(l, "") == 1);
        assert_int_equal(ledger_get_job_state(l, "a", &s), 0);
        assert_true(s.paused && s.pause_until == USEC_INFINITY && s.skip == UINT32_MAX);
        assert_int_equal(ledger_set_job_state(l, "a", &(LedgerJobState){}), 0);
        assert_true(skip_of(l, "a") == 0 && skip_of(l, "b") == 1);
        l = ledger_close(l);
        l = open_ledger(NULL);
        assert_true(skip_of(l, "a") == 0 && skip_of(l, "b") == 1);
}

/* --- alarms --- */

static int compare_alarm(const LedgerAlarm *found, void *userdata) {
        const LedgerAlarm *expected = userdata;

        assert_true(found->since == expected->since && found->raised == expected->raised &&
                    found->run == expected->run);
        check_text("text", found->text, expected->text);
        return 1;
}

/* The only one of job. */
static void check_alarm(Ledger *l, const char *job, const LedgerAlarm *expected) {
        LedgerAlarm a = *expected;

        assert_int_equal(count_alarms(l, job), 1);
        assert_int_equal(ledger_list_alarms(l, job, compare_alarm, &a), 1);
}

static void check_alarms(Ledger *l, const LedgerAlarm *slow, const LedgerAlarm *holds) {
        check_alarm(l, slow->job, slow);
        check_alarm(l, holds->job, holds);
        assert_int_equal(count_alarms(l, "aa"), 1);
        assert_int_equal(count_alarms(l, "none"), 0);
        assert_int_equal(count_alarms(l, NULL), 3);
}

/* The answers are the same whether it is pending, stored, or both. */
static void test_alarms(void **state) {
        LedgerAlarm slow = { "a", "slow", 1, USEC_INFINITY - 1, UINT64_MAX / 3, "It is slow." };
        LedgerAlarm holds = { "b", "disk-free /var < 10%", 7, 0, 0, NULL };
        _cleanup_(ledger_closep) Ledger *l = open_ledger(NULL);

        assert_int_equal(ledger_set_alarm(l, &slow), 0);
        assert_int_equal(ledger_set_alarm(l, &holds), 0);
        set_alarm(l, "aa", "expect", 3);
        check_alarms(l, &slow, &holds);
        l = ledger_close(l);
        l = open_ledger(NULL);
        check_alarms(l, &slow, &holds);

        /* Written over, where it is stored and where it is pending, too. */
        for (unsigned i = 0; i < 2; i++) {
                holds.raised = 9 + i;
                holds.text = i == 0 ? "It holds." : NULL;
                assert_int_equal(ledger_set_alarm(l, &holds), 0);
                slow.run = i;
                assert_int_equal(ledger_set_alarm(l, &slow), 0);
                check_alarms(l, &slow, &holds);
        }
        assert_int_equal(ledger_commit(l), 0);
        check_alarms(l, &slow, &holds);

        /* Cleared, and raised anew. */
        set_alarm(l, "a", "slow", 0);
        set_alarm(l, "a", "never was", 0);
        for (int i = 0; i < 2; i++) {
                assert_int_equal(count_alarms(l, "a"), 0);
                assert_int_equal(count_alarms(l, NULL), 2);
                l = ledger_close(l);
                l = open_ledger(NULL);
        }
        assert_int_equal(ledger_set_alarm(l, &slow), 0);
        check_alarms(l, &slow, &holds);
}

static int forget_alarm(const LedgerAlarm *alarm, void *userdata) {
        LedgerAlarm cleared = *alarm;

        cleared.since = 0;
        cleared.text = NULL;
        assert_int_equal(ledger_set_alarm(userdata, &cleared), 0);
        assert_string_equal(alarm->text, "still here"); /* the visit's own */
        return 0;
}

/* A visit may clear what it is shown, wherever that stands. */
static void test_alarms_cleared_by_visit(void **state) {
        _cleanup_(ledger_closep) Ledger *l = open_ledger(NULL);
        char key[16];

        for (unsigned i = 0; i < 20; i++) {
                (void)snprintf(key, sizeof(key), "k%u", i);
                assert_int_equal(
                        ledger_set_alarm(l,
                                         &(LedgerAlarm){ .job = "a", .key = key, .since = 1, .text = "still here" }),
                        0);
                if (i == 9)
                        assert_int_equal(ledger_commit(l), 0);
        }
        assert_int_equal(count_alarms(l, "a"), 20);
        assert_int_equal(ledger_list_alarms(l, NULL, forget_alarm, l), 0);
        assert_int_equal(count_alarms(l, "a"), 0);
        assert_int_equal(ledger_commit(l), 0);
        assert_int_equal(count_alarms(l, NULL), 0);
}

/* --- the event loop --- */

static void test_one_transaction_a_turn(void **state) {
        sd_event *event = NULL;
        Ledger *l;

        assert_int_equal(sd_event_new(&event), 0);
        l = open_ledger(event);
        settle(event);
        assert_int_equal(sd_event_run(event, 0), 0); /* nothing wakes an idle daemon */

        add(l, "a");
        assert_int_equal(ledger_set_stamp(l, "a", "k", 1), 0);
        assert_false(pending_is_empty(&l->pending));
        settle(event);
        assert_true(pending_is_empty(&l->pending));
        add(l, "a");
        assert_int_equal(ledger_commit(l), 0);
        assert_true(pending_is_empty(&l->pending));
        settle(event);
        assert_int_equal(sd_event_run(event, 0), 0);
        ledger_close(l);
        sd_event_unref(event);
}

static pid_t written_pid(Ledger *l, uint64_t id) {
        OwnedRun run = {};
        pid_t pid;

        assert_int_equal(store_get_run(l->store, id, &run), 0);
        pid = run.record.pid;
        owned_run_done(&run);
        return pid;
}

static uint64_t add_late(Ledger *l, pid_t pid) {
        RunRecord r = RUN_RECORD_INIT;

        r.job = "a";
        r.state = RUN_STARTING;
        assert_int_equal(ledger_add(l, &r), 0);
        assert_int_equal(ledger_commit(l), 0);
        r.state = RUN_RUNNING;
        r.pid = pid;
        assert_int_equal(ledger_update_late(l, &r), 0);
        assert_int_equal(ledger_get(l, r.id)->pid, pid);
        return r.id;
}

/* What is late is read at once, and written when its time has come, with the next change of the run, or at the end. */
static void test_late(void **state) {
        RunRecord done = { .job = "a", .state = RUN_DONE, .result = RUN_RESULT_SUCCESS };
        sd_event *event = NULL;
        uint64_t ended, other;
        Ledger *l;

        assert_int_equal(sd_event_new(&event), 0);
        l = open_ledger(event);
        ended = add_late(l, 1);
        other = add_late(l, 2);
        settle(event);
        assert_int_equal(written_pid(l, ended), 0);
        assert_int_equal(written_pid(l, other), 0);
        assert_int_equal(l->pending.n_late, 2);
        done.id = ended;
        assert_int_equal(ledger_update(l, &done), 0);
        settle(event);
        assert_true(pending_has_only_late(&l->pending) && l->pending.n_late == 1);
        assert_int_equal(ledger_get(l, ended)->state, RUN_DONE);
        while (l->pending.n_late > 0)
                assert_true(sd_event_run(event, UINT64_MAX) > 0);
        assert_true(pending_is_empty(&l->pending));
        assert_int_equal(written_pid(l, other), 2);
        other = add_late(l, 3);
        /* One that is written with the next commit anyway stays so. */
        done.id = add(l, "a");
        done.state = RUN_RUNNING;
        done.pid = 4;
        assert_int_equal(ledger_update_late(l, &done), 0);
        settle(event);
        assert_int_equal(written_pid(l, done.id), 4);
        assert_int_equal(l->pending.n_late, 1);
        ledger_close(l);
        l = open_ledger(NULL);
        assert_int_equal(written_pid(l, other), 3);
        ledger_close(l);
        sd_event_unref(event);
}

#define N_FOLLOWERS (2 * LEDGER_RUNS_MAX)

typedef struct Chain {
        Ledger *ledger;
        RunRecord ended;
        bool is_written; /* when the other one is dispatched */
} Chain;

/* The end of a run and all that follows it, more than the ledger likes to hold. */
static int on_end_of_run(sd_event_source *s, void *userdata) {
        Chain *c = userdata;
        Ledger *l = c->ledger;

        c->ended.state = RUN_DONE;
        assert_int_equal(ledger_update(l, &c->ended), 0);
        assert_int_equal(ledger_set_stamp(l, "a", "k", 1), 0);
        set_alarm(l, "a", "slow", 1);
        for (unsigned i = 0; i < N_FOLLOWERS; i++)
                add(l, "follower");
        assert_int_equal(l->pending.runs.n, N_FOLLOWERS + 1);
        assert_int_equal(l->pending.stamps.n, 1);
        assert_int_equal(l->pending.alarms.n, 1);
        return 0;
}

static int on_other(sd_event_source *s, void *userdata) {
        Chain *c = userdata;

        c->is_written = pending_is_empty(&c->ledger->pending);
        return 0;
}

/* What one callback says is not written in parts, however much it is; and it is not held for long. */
static void test_one_callback_is_one_transaction(void **state) {
        sd_event_source *end = NULL, *other = NULL;
        Chain c = { .ended = RUN_RECORD_INIT };
        sd_event *event = NULL;

        assert_int_equal(sd_event_new(&event), 0);
        c.ledger = open_ledger(event);
        c.ended.job = "a";
        assert_int_equal(ledger_add(c.ledger, &c.ended), 0);
        settle(event);
        assert_int_equal(sd_event_add_defer(event, &end, on_end_of_run, &c), 0);
        assert_int_equal(sd_event_add_defer(event, &other, on_other, &c), 0);
        assert_int_equal(sd_event_source_set_priority(end, SD_EVENT_PRIORITY_NORMAL - 2), 0);
        assert_int_equal(sd_event_source_set_priority(other, SD_EVENT_PRIORITY_NORMAL - 1), 0);
        settle(event);
        assert_true(c.is_written);
        assert_int_equal(c.ledger->pending.n_dropped, 0);
        assert_int_equal(count_runs(c.ledger, "follower"), N_FOLLOWERS);
        assert_int_equal(ledger_get(c.ledger, c.ended.id)->state, RUN_DONE);
        sd_event_source_unref(end);
        sd_event_source_unref(other);
        ledger_close(c.ledger);
        sd_event_unref(event);
}

/* --- retention --- */

static void keep_three_of_b(const char *job, unsigned *keep, usec_t *keep_usec, void *userdata) {
        if (streq(job, "b"))
                *keep = 3;
        if (streq(job, "young"))
                *keep_usec = 100;
}

static void test_retention(void **state) {
        usec_t now = now_realtime();
        sd_event *event = NULL;
        uint64_t unfinished;
        Ledger *l;

        assert_int_equal(sd_event_new(&event), 0);
        l = open_ledger(event);
        ledger_set_retention(l, 5, USEC_PER_HOUR, keep_three_of_b, NULL);
        for (unsigned i = 0; i < 500; i++) {
                add_done(l, "a", RUN_RESULT_SUCCESS, now);
                add_done(l, "b", RUN_RESULT_SUCCESS, now);
        }
        unfinished = add(l, "a");
        for (unsigned i = 0; i < 4; i++) {
                add_done(l, "c", RUN_RESULT_SUCCESS, now - (i < 2 ? 2 * USEC_PER_HOUR : 0));
                add_done(l, "young", RUN_RESULT_SUCCESS, now - USEC_PER_SEC);
        }
        settle(event);
        assert_int_equal(count_runs(l, "a"), 6);
        assert_int_equal(count_runs(l, "b"), 3);
        assert_int_equal(count_runs(l, "c"), 2);
        assert_int_equal(count_runs(l, "young"), 0);
        assert_non_null(ledger_get(l, unfinished));

        /* Settings that change take hold of what is there already. */
        ledger_set_retention(l, LEDGER_KEEP_ALL, USEC_INFINITY, NULL, NULL);
        for (unsigned i = 0; i < 50; i++)
                add_done(l, "b", RUN_RESULT_SUCCESS, 1);
        settle(event);
        assert_int_equal(count_runs(l, "b"), 53);
        ledger_set_retention(l, 2, USEC_INFINITY, NULL, NULL);
        settle(event);
        assert_int_equal(count_runs(l, "a"), 3);
        assert_int_equal(count_runs(l, "b"), 2);
        ledger_close(l);
        sd_event_unref(event);
}

static off_t file_size(void) {
        struct stat st;

        assert_int_equal(stat(in_directory(LEDGER_FILE), &st), 0);
        return st.st_size;
}

/* The file does not keep the size that it once had. */
static void test_file_shrinks(void **state) {
        char reason[500] = "";
        RunRecord r = { .job = "a", .state = RUN_DONE, .result = RUN_RESULT_EXIT, .reason = reason };
        sd_event *event = NULL;
        off_t size;
        Ledger *l;

        memset(reason, 'x', sizeof(reason) - 1);
        assert_int_equal(sd_event_new(&event), 0);
        l = open_ledger(event);
        ledger_set_retention(l, LEDGER_KEEP_ALL, USEC_INFINITY, NULL, NULL);
        for (unsigned i = 0; i < 6000; i++)
                assert_int_equal(ledger_add(l, &r), 0);
        ledger_close(l);
        size = file_size();
        assert_true(size > 3000000);
        l = open_ledger(event);
        ledger_set_retention(l, 1000, USEC_INFINITY, NULL, NULL);
        settle(event);
        assert_int_equal(count_runs(l, "a"), 1000);
        ledger_close(l);
        assert_true(file_size() < size / 3);
        sd_event_unref(event);
}

/* A long queue does not eat the history. */
static void test_retention_leaves_queues(void **state) {
        _cleanup_(ledger_closep) Ledger *l = open_ledger(NULL);

        for (unsigned i = 0; i < 10; i++)
                add_done(l, "a", RUN_RESULT_SUCCESS, 1);
        for (unsigned i = 0; i < 20; i++)
                add(l, "a");
        ledger_set_retention(l, 4, USEC_INFINITY, NULL, NULL);
        assert_int_equal(ledger_commit(l), 0);
        while (ledger_upkeep(l, 1000, 1000))
                ;
        assert_int_equal(count_runs(l, "a"), 24);
}

/* A run that took long is no shelter for those that came after it and ended before. */
static void test_retention_by_age(void **state) {
        _cleanup_(ledger_closep) Ledger *l = open_ledger(NULL);
        RunRecord slow = { .job = "a", .state = RUN_DONE, .requested = 1, .ended = 900 };

        assert_int_equal(ledger_add(l, &slow), 0);
        for (unsigned i = 0; i < 300; i++)
                add_done(l, "a", RUN_RESULT_SUCCESS, i < 200 ? 100 : 800);
        ledger_set_retention(l, LEDGER_KEEP_ALL, 500, NULL, NULL);
        assert_int_equal(ledger_commit(l), 0);
        while (ledger_upkeep(l, 1000, 1000))
                ;
        assert_int_equal(count_runs(l, "a"), 101);
        assert_non_null(ledger_get(l, slow.id));
        /* Nothing is looked at again until an hour has gone by. */
        while (ledger_upkeep(l, 2000, 1000 + USEC_PER_HOUR - 1))
                ;
        assert_int_equal(count_runs(l, "a"), 101);
        while (ledger_upkeep(l, 2000, 1000 + USEC_PER_HOUR))
                ;
        assert_int_equal(count_runs(l, "a"), 0);
}

static void count_calls(const char *job, unsigned *keep, usec_t *keep_usec, void *userdata) {
        ++*(size_t *)userdata;
        *keep = streq(job, "job-77") ? 1 : 3;
}

/* A reload with very many jobs asks for nothing at once, and for each job once when there is time. */
static void test_retention_of_many_jobs(void **state) {
        _cleanup_(ledger_closep) Ledger *l = open_ledger(NULL);
        size_t n_calls = 0;
        char name[16];

        for (unsigned i = 0; i < 2000; i++) {
                (void)snprintf(name, sizeof(name), "job-%u", i);
                for (unsigned k = 0; k < 3; k++)
                        add_done(l, name, RUN_RESULT_SUCCESS, 1);
        }
        ledger_set_retention(l, LEDGER_KEEP_ALL, USEC_INFINITY, NULL, NULL);
        assert_int_equal(ledger_commit(l), 0);
        for (unsigned i = 0; i < 3; i++) {
                ledger_set_retention(l, LEDGER_KEEP_ALL, USEC_INFINITY, count_calls, &n_calls);
                assert_int_equal(n_calls, 0);
                if (i < 2) /* the next reload comes before it is through */
                        assert_true(ledger_upkeep(l, 1000, 1000));
                assert_true(n_calls < 100);
                n_calls = 0;
        }
        while (ledger_upkeep(l, 1000, 1000))
                ;
        assert_int_equal(n_calls, 2000);
        assert_int_equal(count_runs(l, "job-77"), 1);
        assert_int_equal(count_runs(l, NULL), 3 * 2000 - 2);
}

/* --- two daemons --- */

static void test_second_opener(void **state) {
        Ledger *l = open_ledger(NULL), *second = NULL;
        char *message = NULL;

        assert_int_equal(ledger_open(&second, NULL, directory, &message), -EBUSY);
        assert_null(second);
        assert_non_null(strstr(message, directory));
        free(message);
        assert_int_equal(ledger_open(&second, NULL, directory, NULL), -EBUSY);
        add(l, "a");
        assert_int_equal(ledger_commit(l), 0);
        ledger_close(l);
        l = open_ledger(NULL);
        assert_int_equal(count_runs(l, NULL), 1);
        ledger_close(l);
}

static void test_files(void **state) {
        _cleanup_(ledger_closep) Ledger *l = NULL;
        struct stat st;

        assert_int_equal(ledger_open(&l, NULL, "/nonexistent", NULL), -ENOENT);
        l = open_ledger(NULL);
        add(l, "a");
        assert_int_equal(ledger_commit(l), 0);
        assert_int_equal(stat(in_directory(LEDGER_FILE), &st), 0);
        assert_int_equal(st.st_mode & 0777, 0600);
        assert_int_equal(stat(in_directory(LEDGER_FILE "-wal"), &st), 0);
        assert_int_equal(st.st_mode & 0777, 0600);
        assert_int_equal(access(in_directory(LEDGER_FILE "-shm"), F_OK), -1);
        l = ledger_close(l);
        assert_int_equal(access(in_directory(LEDGER_FILE "-wal"), F_OK), -1);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                ledger_test(test_ids_over_restarts),
                ledger_test(test_ids_are_not_reused),
                ledger_test(test_update_and_list),
                ledger_test(test_every_field),
                ledger_test(test_every_change),
                ledger_test(test_every_word),
                ledger_test(test_long_texts),
                ledger_test(test_unfinished),
                ledger_test(test_unfinished_of_another_boot),
                ledger_test(test_boots_of_a_container),
                ledger_test(test_memory),
                ledger_test(test_stamps),
                ledger_test(test_forget_job),
                ledger_test(test_job_states),
                ledger_test(test_alarms),
                ledger_test(test_alarms_cleared_by_visit),
                ledger_test(test_one_transaction_a_turn),
                ledger_test(test_late),
                ledger_test(test_one_callback_is_one_transaction),
                ledger_test(test_retention),
                ledger_test(test_file_shrinks),
                ledger_test(test_retention_leaves_queues),
                ledger_test(test_retention_by_age),
                ledger_test(test_retention_of_many_jobs),
                ledger_test(test_second_opener),
                ledger_test(test_files),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
