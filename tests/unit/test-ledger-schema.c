/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Databases of earlier versions of vaktd: opened by this one, nothing in them is lost, and what they could not hold
 * yet can be written. The tables of each version stand here as they were released, so that a change of history in
 * schema.c shows. */

#include "test-ledger.h"

#include <signal.h>
#include <sys/resource.h>

#include "ledger/ledger-internal.h"
#include "ledger/schema.h"
#include "ledger/store-internal.h"
#include "test-ledger-version-1.h"
#include "util/strv.h"

/* As version 1 wrote them: runs of every kind, one in seven failed, one in eleven by hand, the last one under way. */
static const char rows_1[] =
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)"
        " INSERT INTO runs (id, job, cause, state, result, code, attempt, trigger_index, parent, scheduled, requested,"
        " started, ended, pid, reason, status, boot)"
        " SELECT i, iif(i % 2, 'a', 'b@1'), iif(i % 11 = 0, 'manual', 'timer'), 'done',"
        " iif(i % 7 = 0, 'exit', 'success'), iif(i % 7 = 0, 3, 0), 1, 4294967295, 0, i, i + 1, i + 2, i + 3, 0,"
        " iif(i % 7 = 0, 'It ended with 3.', NULL), iif(i % 5 = 0, '100%', NULL), 'of old' FROM n;"
        "UPDATE runs SET state = 'running', result = '', ended = 0, pid = 77 WHERE id = 2000;"
        "INSERT INTO marks VALUES ('a', 'OnCalendar=daily', 1234), ('b@1', 'OnCron=@daily', 5678);"
        "INSERT INTO job_state VALUES ('', 1, 0, 0), ('a', 0, -1, 7);"
        "INSERT INTO meta VALUES ('next-run', '2500'), ('boot', 'of old')";

static int read_number(const char *sql) {
        sqlite3_stmt *s = NULL;
        sqlite3 *db = NULL;
        int n;

        assert_int_equal(sqlite3_open(in_directory(LEDGER_FILE), &db), SQLITE_OK);
        assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &s, NULL), SQLITE_OK);
        assert_int_equal(sqlite3_step(s), SQLITE_ROW);
        n = sqlite3_column_int(s, 0);
        (void)sqlite3_finalize(s);
        assert_int_equal(sqlite3_close(db), SQLITE_OK);
        return n;
}

static void make_version_1(void) {
        run_sql(version_1);
        run_sql(rows_1);
}

/* --- what is in it --- */

static RunRecord run_of_version_1(unsigned i) {
        RunRecord r = {
                .id = i,
                .job = (i % 2 ? "a" : "b@1"),
                .cause = i % 11 == 0 ? RUN_CAUSE_MANUAL : RUN_CAUSE_TIMER,
                .state = i == 2000 ? RUN_RUNNING : RUN_DONE,
                .result = i == 2000    ? RUN_RESULT_NONE
                          : i % 7 == 0 ? RUN_RESULT_EXIT
                                       : RUN_RESULT_SUCCESS,
                .code = i % 7 == 0 ? 3 : 0,
                .attempt = 1,
                .trigger = RUN_TRIGGER_NONE,
                .scheduled = i,
                .requested = i + 1,
                .started = i + 2,
                .ended = i == 2000 ? 0 : i + 3,
                .pid = i == 2000 ? 77 : 0,
                .cpu = USEC_INFINITY,
                .memory_peak = UINT64_MAX,
                .files = UINT64_MAX,
                .bytes_freed = UINT64_MAX,
                .reason = (i % 7 == 0 ? "It ended with 3." : NULL),
                .status_text = (i % 5 == 0 ? "100%" : NULL),
        };

        return r;
}

static size_t count_matches(Ledger *l, LedgerFilter f) {
        size_t n = 0;

        f.limit = 3000;
        assert_int_equal(ledger_query(l, &f, count, &n, NULL), 0);
        return n;
}

static int count_stamp(const char *job, const char *key, usec_t usec, void *userdata) {
        ++*(size_t *)userdata;
        return 0;
}

static int count_unfinished(const RunRecord *r, bool this_boot, void *userdata) {
        assert_int_equal(r->id, 2000);
        assert_false(this_boot);
        ++*(size_t *)userdata;
        return 0;
}

static void check_small_tables(Ledger *l) {
        LedgerJobState s;
        size_t n = 0;
        usec_t usec;

        assert_int_equal(ledger_get_stamp(l, "a", "OnCalendar=daily", &usec), 0);
        assert_int_equal(usec, 1234);
        assert_int_equal(ledger_get_stamp(l, "b@1", "OnCron=@daily", &usec), 0);
        assert_int_equal(usec, 5678);
        assert_int_equal(ledger_list_stamps(l, NULL, count_stamp, &n), 0);
        assert_int_equal(n, 2);
        assert_int_equal(ledger_get_job_state(l, "", &s), 0);
        assert_true(s.paused && s.pause_until == 0 && s.skip == 0);
        assert_int_equal(ledger_get_job_state(l, "a", &s), 0);
        assert_true(!s.paused && s.pause_until == USEC_INFINITY && s.skip == 7);
        n = 0;
        assert_int_equal(ledger_unfinished(l, count_unfinished, &n), 0);
        assert_int_equal(n, 1);
}

static void check_all(Ledger *l) {
        assert_true(is_ok(l));
        assert_int_equal(l->n_replaced, 0);
        for (unsigned i = 1; i <= 2000; i++) {
                RunRecord expected = run_of_version_1(i);

                check_record(ledger_get(l, i), &expected);
        }
        assert_int_equal(count_runs(l, NULL), 2000);
        assert_int_equal(count_runs(l, "b@1"), 1000);
        /* Each by an index of its own. */
        assert_int_equal(count_matches(l, (LedgerFilter){ .results = 1U << RUN_RESULT_EXIT }), 285);
        assert_int_equal(count_matches(l, (LedgerFilter){ .causes = 1U << RUN_CAUSE_MANUAL }), 181);
        check_small_tables(l);
}

static void test_version_1(void **state) {
        _cleanup_(ledger_closep) Ledger *l = NULL;

        make_version_1();
        for (unsigned i = 0; i < 2; i++) {
                l = open_ledger(NULL);
                check_all(l);
                l = ledger_close(l);
                assert_int_equal(read_number("PRAGMA user_version"), SCHEMA_VERSION);
        }
        l = open_ledger(NULL);
        assert_int_equal(add(l, "a"), 2500);
}

static void make_version(int version) {
        make_version_1();
        if (version >= 2)
                run_sql(version_2_from_1);
        if (version >= 3)
                run_sql(version_3_from_2);
        if (version >= 4)
                run_sql(version_4_from_3);
        if (version >= 5)
                run_sql(version_5_from_4);
        if (version >= 6)
                run_sql(version_6_from_5);
}

static int check_blob(const char *job, const char *key, uint64_t id, const void *bytes, size_t n, void *userdata) {
        assert_string_equal(job, "a");
        assert_string_equal(key, "batch");
        assert_int_equal(id, 2000);
        assert_int_equal(n, 4);
        assert_memory_equal(bytes, "\0\xff\n", 4);
        ++*(size_t *)userdata;
        return 0;
}

/* What the earlier ones had no place for. */
static void check_new_in_old(int version) {
        _cleanup_(ledger_closep) Ledger *l = NULL;
        RunRecord r = run_of_version_1(2000);
        size_t n_blobs = 0;

        make_version(version);
        assert_int_equal(read_number("PRAGMA user_version"), version);
        l = open_ledger(NULL);
        check_all(l);
        r.state = RUN_DONE;
        r.result = RUN_RESULT_LOST;
        r.pid_start = 5;
        r.unit = "vakt-b@1-2000.service";
        r.cpu = 0;
        r.files = 0;
        r.bytes_freed = 5;
        r.payload = "/in/\xff and 2 more";
        assert_int_equal(ledger_update(l, &r), 0);
        set_alarm(l, "a", "slow", 1);
        assert_int_equal(ledger_put(l, "a", "batch", 2000, "\0\xff\n", 4), 0);
        l = ledger_close(l);
        assert_int_equal(read_number("PRAGMA user_version"), SCHEMA_VERSION);
        l = open_ledger(NULL);
        check_record(ledger_get(l, 2000), &r);
        assert_int_equal(count_alarms(l, "a"), 1);
        assert_int_equal(count_matches(l, (LedgerFilter){ .results = 1U << RUN_RESULT_LOST }), 1);
        assert_int_equal(ledger_list_blobs(l, NULL, NULL, check_blob, &n_blobs), 0);
        assert_int_equal(n_blobs, 1);
}

static void test_new_in_old(void **state) {
        for (int version = 1; version < SCHEMA_VERSION; version++) {
                check_new_in_old(version);
                assert_int_equal(unlink(in_directory(LEDGER_FILE)), 0);
                assert_int_equal(unlink(in_directory("next-run")), 0);
        }
}

/* The index of a version that was released is never changed: who changes what is a failure makes a further one. */
static void test_index_of_failures(void **state) {
        char sql[512] = "SELECT count(*) FROM sqlite_schema WHERE name = 'runs_failed' AND sql LIKE '% WHERE ";
        const char *between = "";
        size_t n = strlen(sql);

        ledger_close(open_ledger(NULL));
        for (RunResult i = 0; i < _RUN_RESULT_MAX; i++)
                if (run_result_is_failure(i)) {
                        n += (size_t)snprintf(sql + n, sizeof(sql) - n, "%sresult = ''%s''", between,
                                              run_result_to_string(i));
                        between = "% OR ";
                }
        (void)snprintf(sql + n, sizeof(sql) - n, "'");
        if (read_number(sql) != 1)
                fail_msg("The index runs_failed has other results than RUN_RESULTS_FAILED: add a step to the end of "
                         "migrations[] in ledger/schema.c that drops it and makes it with those.");
}

/* No index makes SQLite build a tree of its own when a run is written. */
static void test_writing_is_simple(void **state) {
        _cleanup_free_ char *put = run_statement_sql(STATEMENT_PUT_RUN), *sql = NULL;
        sqlite3_stmt *s = NULL;
        sqlite3 *db = NULL;

        ledger_close(open_ledger(NULL));
        assert_int_equal(sqlite3_open(in_directory(LEDGER_FILE), &db), SQLITE_OK);
        assert_int_equal(string_format(&sql, "EXPLAIN %s", put), 0);
        assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &s, NULL), SQLITE_OK);
        while (sqlite3_step(s) == SQLITE_ROW)
                assert_string_not_equal((const char *)sqlite3_column_text(s, 1), "OpenEphemeral");
        (void)sqlite3_finalize(s);
        assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

/* --- what can go wrong on the way --- */

/* Writes past the limit fail: an I/O error, after a few pages more each time. Nothing is lost on the way. */
static void test_disk_error_on_the_way(void **state) {
        const struct rlimit unlimited = { RLIM_INFINITY, RLIM_INFINITY };
        struct rlimit limit = unlimited;
        unsigned n_failed = 0;

        log_open(LOG_TARGET_NULL);
        (void)signal(SIGXFSZ, SIG_IGN);
        for (unsigned i = 0; i < 20; i++) {
                Ledger *l;

                (void)unlink(in_directory(LEDGER_FILE));
                (void)unlink(in_directory(LEDGER_FILE "-wal"));
                make_version_1();
                limit.rlim_cur = 4096 * i;
                assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
                l = open_ledger(NULL);
                n_failed += !is_ok(l);
                assert_int_equal(setrlimit(RLIMIT_FSIZE, &unlimited), 0);
                assert_int_equal(ledger_commit(l), 0);
                check_all(l);
                ledger_close(l);
        }
        assert_true(n_failed > 5 && n_failed < 20);
}

static void damage_root_of(const char *table) {
        char sql[128], junk[4096];
        int fd, page;

        (void)snprintf(sql, sizeof(sql), "SELECT rootpage FROM sqlite_schema WHERE name = '%s'", table);
        page = read_number(sql);
        memset(junk, 0xa5, sizeof(junk));
        fd = open(in_directory(LEDGER_FILE), O_WRONLY | O_CLOEXEC);
        assert_int_equal(pwrite(fd, junk, sizeof(junk), (page - 1) * 4096L), sizeof(junk));
        (void)close(fd);
}

/* Damage that is met while the database is brought up to date costs the history, not what is needed. */
static void test_damage_on_the_way(void **state) {
        _cleanup_(ledger_closep) Ledger *l = NULL;

        log_open(LOG_TARGET_NULL);
        make_version_1();
        damage_root_of("runs_by_job");
        l = open_ledger(NULL);
        assert_true(is_ok(l));
        assert_int_equal(l->n_replaced, 1);
        check_small_tables(l);
        assert_int_equal(count_runs(l, NULL), 1);
}

/* Not even the rows can be read through. */
static void test_damaged_runs_on_the_way(void **state) {
        _cleanup_(ledger_closep) Ledger *l = NULL;
        usec_t usec;

        log_open(LOG_TARGET_NULL);
        make_version_1();
        damage_root_of("runs");
        l = open_ledger(NULL);
        assert_true(is_ok(l));
        assert_int_equal(l->n_replaced, 1);
        assert_int_equal(ledger_get_stamp(l, "a", "OnCalendar=daily", &usec), 0);
        assert_int_equal(usec, 1234);
        assert_int_equal(count_runs(l, NULL), 0);
}

/* Tables that are not those of the version that the file says it has. */
static void test_wrong_version(void **state) {
        _cleanup_(ledger_closep) Ledger *l = NULL;

        log_open(LOG_TARGET_NULL);
        make_version_1();
        l = ledger_close(open_ledger(NULL));
        run_sql("PRAGMA user_version = 1");
        l = open_ledger(NULL);
        assert_true(is_ok(l));
        assert_int_equal(l->n_replaced, 1);
        check_small_tables(l);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                ledger_test(test_version_1),
                ledger_test(test_new_in_old),
                ledger_test(test_index_of_failures),
                ledger_test(test_writing_is_simple),
                ledger_test(test_disk_error_on_the_way),
                ledger_test(test_damage_on_the_way),
                ledger_test(test_damaged_runs_on_the_way),
                ledger_test(test_wrong_version),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
