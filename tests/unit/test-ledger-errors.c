/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the ledger does when its database fails it: full disk, read-only, I/O error, damage, other people's files. It
 * never gives up, says what is the matter, answers from memory meanwhile, and loses nothing that it can keep.
 *
 * The disks are real ones of 1 MiB, in a mount namespace of this process, so that nothing is left of them whichever
 * way it ends. */

#include "test-ledger.h"

#include <dirent.h>
#include <sched.h>
#include <sqlite3.h>
#include <sys/mount.h>

#include "file-limit.h"
#include "ledger/ledger-internal.h"
#include "ledger/move-aside.h"
#include "ledger/schema.h"

static void be_quiet(void) {
        log_open(LOG_TARGET_NULL);
}

static void write_file(const char *path, const char *text) {
        int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

        assert_true(fd >= 0);
        assert_int_equal(write(fd, text, strlen(text)), strlen(text));
        close(fd);
}

static void check_state(Ledger *l, LedgerState expected, const char *word) {
        const char *message;

        assert_int_equal(ledger_state(l, &message), expected);
        if (word && !strstr(message, word))
                fail_msg("'%s' does not speak of '%s'", message, word);
}

/* --- in memory --- */

/* A directory in the place of the database: it cannot be opened until it is gone. */
static Ledger *open_without_database(void) {
        be_quiet();
        assert_int_equal(mkdir(in_directory(LEDGER_FILE), 0700), 0);
        return open_ledger(NULL);
}

/* What cannot be read is not missing. */
static void test_stamps_without_database(void **state) {
        _cleanup_(ledger_closep) Ledger *l = open_without_database();
        usec_t usec;

        assert_int_equal(ledger_get_stamp(l, "a", "k", &usec), -EISDIR);
        assert_int_equal(ledger_set_stamp(l, "a", "k", 77), 0);
        assert_int_equal(ledger_get_stamp(l, "a", "k", &usec), 0);
        assert_int_equal(ledger_forget_stamp(l, "a", "k"), 0);
        assert_int_equal(ledger_get_stamp(l, "a", "k", &usec), -ENOENT);
        assert_int_equal(rmdir(in_directory(LEDGER_FILE)), 0);
        assert_int_equal(ledger_commit(l), 0);
        assert_int_equal(ledger_get_stamp(l, "a", "other", &usec), -ENOENT);
}

static void test_bounded(void **state) {
        _cleanup_(ledger_closep) Ledger *l = open_without_database();
        uint64_t first, last = 0;

        first = add(l, "old");
        for (unsigned i = 0; i < LEDGER_RUNS_MAX; i++)
                last = add(l, "new");
        assert_null(ledger_get(l, first));
        assert_non_null(ledger_get(l, first + 1));
        assert_non_null(ledger_get(l, last));
        assert_int_equal(ledger_update(l, &(RunRecord){ .id = first, .job = "old" }), 0);
        assert_null(ledger_get(l, first));
        check_state(l, LEDGER_DEGRADED, "1 older");

        /* What is over goes before what goes on, and how a run ended is worth keeping. */
        assert_int_equal(ledger_update(l, &(RunRecord){ .id = 5000, .job = "new", .state = RUN_DONE }), 0);
        add(l, "new");
        assert_null(ledger_get(l, 5000));
        assert_non_null(ledger_get(l, first + 1));
        assert_int_equal(ledger_update(l, &(RunRecord){ .id = first, .job = "old", .state = RUN_DONE }), 0);
        assert_non_null(ledger_get(l, first));

        assert_int_equal(rmdir(in_directory(LEDGER_FILE)), 0);
        assert_int_equal(ledger_commit(l), 0);
        assert_true(is_ok(l));
        assert_int_equal(count_runs(l, NULL), LEDGER_RUNS_MAX);
        l = ledger_close(l);
        l = open_ledger(NULL);
        assert_int_equal(count_runs(l, NULL), LEDGER_RUNS_MAX);
        assert_true(add(l, "new") > last + 1);
}

/* What would be run again if its end were forgotten is kept, whatever else comes. */
static void test_ends_of_stored_runs_are_kept(void **state) {
        _cleanup_(ledger_closep) Ledger *l = NULL;
        uint64_t stored[100], refused = 0;

        be_quiet();
        l = open_ledger(NULL);
        for (size_t i = 0; i < ELEMENTSOF(stored); i++)
                stored[i] = add(l, "a");
        assert_int_equal(ledger_commit(l), 0);
        ledger_error(l, -ENOSPC);
        for (size_t i = 0; i < ELEMENTSOF(stored); i++)
                assert_int_equal(ledger_update(l, &(RunRecord){ .id = stored[i], .job = "a", .state = RUN_DONE }), 0);
        for (unsigned i = 0; i < LEDGER_RUNS_MAX; i++)
                refused = i % 2 ? add(l, "new") : add_done(l, "new", RUN_RESULT_SKIPPED, 1);
        assert_non_null(ledger_get(l, refused));
        assert_int_equal(l->pending.n_dropped, ELEMENTSOF(stored));
        assert_int_equal(ledger_commit(l), 0);
        for (size_t i = 0; i < ELEMENTSOF(stored); i++)
                assert_int_equal(ledger_get(l, stored[i])->state, RUN_DONE);
        assert_int_equal(count_runs(l, "new"), LEDGER_RUNS_MAX - ELEMENTSOF(stored));
}

static void test_stamps_are_bounded(void **state) {
        _cleanup_(ledger_closep) Ledger *l = open_without_database();
        char key[16];
        usec_t usec;

        for (unsigned i = 0; i < LEDGER_STAMPS_MAX; i++) {
                (void)snprintf(key, sizeof(key), "%u", i);
                assert_int_equal(ledger_set_stamp(l, "a", key, i), 0);
        }
        assert_int_equal(ledger_set_stamp(l, "a", "one more", 1), -ENOBUFS);
        assert_int_equal(ledger_set_stamp(l, "a", "77", 1), 0);
        assert_int_equal(rmdir(in_directory(LEDGER_FILE)), 0);
        assert_int_equal(ledger_retry(l), 0);
        assert_int_equal(ledger_set_stamp(l, "a", "one more", 1), 0);
        assert_int_equal(ledger_get_stamp(l, "a", "77", &usec), 0);
        assert_int_equal(usec, 1);
}

static void test_alarms_are_bounded(void **state) {
        _cleanup_(ledger_closep) Ledger *l = open_without_database();
        LedgerAlarm one_more = { .job = "a", .key = "one more", .since = 1 };
        char key[16];

        for (unsigned i = 0; i < LEDGER_STAMPS_MAX; i++) {
                (void)snprintf(key, sizeof(key), "%06u", i);
                set_alarm(l, "a", key, 1);
        }
        assert_int_equal(ledger_set_alarm(l, &one_more), -ENOBUFS);
        set_alarm(l, "a", "000077", 0);
        assert_int_equal(count_alarms(l, "a"), LEDGER_STAMPS_MAX - 1);
        assert_int_equal(rmdir(in_directory(LEDGER_FILE)), 0);
        assert_int_equal(ledger_retry(l), 0);
        assert_int_equal(ledger_set_alarm(l, &one_more), 0);
        assert_int_equal(count_alarms(l, "a"), LEDGER_STAMPS_MAX);
}

/* A directory that cannot be written to costs the memory of ids, not the daemon. */
static void test_unwritable(void **state) {
        _cleanup_(ledger_closep) Ledger *l = NULL;

        be_quiet();
        assert_int_equal(ledger_open(&l, NULL, "/proc", NULL), 0);
        assert_int_equal(add(l, "a"), 1);
        assert_int_equal(ledger_set_stamp(l, "a", "k", 1), 0);
        assert_int_equal(ledger_set_job_state(l, "a", &(LedgerJobState){ .skip = 1 }), 0);
        set_alarm(l, "a", "slow", 1);
        assert_true(ledger_commit(l) < 0);
        assert_int_equal(count_runs(l, NULL), 1);
        assert_int_equal(count_alarms(l, "a"), 1);
        check_state(l, LEDGER_DEGRADED, "/proc");
}

/* The timer tries again by itself, and is off once that works. */
static void test_retry_by_timer(void **state) {
        sd_event *event = NULL;
        uint64_t id;
        Ledger *l;

        be_quiet();
        assert_int_equal(mkdir(in_directory(LEDGER_FILE), 0700), 0);
        assert_int_equal(sd_event_new(&event), 0);
        l = open_ledger(event);
        id = add(l, "a");
        assert_int_equal(sd_event_run(event, 0), 0);
        assert_true(ledger_commit(l) < 0);
        assert_int_equal(rmdir(in_directory(LEDGER_FILE)), 0);
        while (!is_ok(l))
                assert_true(sd_event_run(event, 30 * USEC_PER_SEC) > 0);
        assert_true(pending_is_empty(&l->pending));
        assert_non_null(ledger_get(l, id));
        while (sd_event_run(event, 0) > 0)
                ;
        ledger_close(l);
        sd_event_unref(event);
}

/* --- other people's files --- */

static void run_sql(const char *file, const char *sql) {
        sqlite3 *db = NULL;

        assert_int_equal(sqlite3_open(in_directory(file), &db), SQLITE_OK);
        assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
        assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static char *read_whole(const char *path, size_t *ret_n) {
        FILE *f = fopen(path, "re");
        char *data = malloc(1 << 20);

        assert_non_null(f);
        *ret_n = fread(data, 1, 1 << 20, f);
        (void)fclose(f);
        return data;
}

/* Neither looked into further nor written to, also when it was left with a log beside it. */
static void check_untouched(const char *sql, const char *word) {
        size_t n_before, n_after;
        char *before, *after;
        Ledger *l;

        be_quiet();
        run_sql(LEDGER_FILE, sql);
        before = read_whole(in_directory(LEDGER_FILE), &n_before);
        l = open_ledger(NULL);
        check_state(l, LEDGER_DEGRADED, word);
        add(l, "a");
        assert_true(ledger_commit(l) < 0);
        assert_int_equal(count_runs(l, NULL), 1);
        ledger_close(l);
        after = read_whole(in_directory(LEDGER_FILE), &n_after);
        assert_int_equal(n_after, n_before);
        assert_memory_equal(after, before, n_before);
        free(before);
        free(after);
}

static void test_newer_version(void **state) {
        Ledger *l = open_ledger(NULL);
        char sql[64];

        add(l, "a");
        ledger_close(l);
        check_untouched("PRAGMA user_version = 99", "newer");

        /* It goes on where it was once the right version is there again. */
        (void)snprintf(sql, sizeof(sql), "PRAGMA user_version = %d", SCHEMA_VERSION);
        run_sql(LEDGER_FILE, sql);
        l = open_ledger(NULL);
        assert_true(is_ok(l));
        assert_int_equal(l->n_replaced, 0);
        assert_true(add(l, "a") > 2);
        ledger_close(l);
}

static void test_newer_version_with_log(void **state) {
        sqlite3 *db = NULL;
        size_t n_before, n_after;
        char *before, *after;
        Ledger *l;

        be_quiet();
        l = open_ledger(NULL);
        ledger_close(l);
        assert_int_equal(sqlite3_open(in_directory(LEDGER_FILE), &db), SQLITE_OK);
        (void)sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
        assert_int_equal(sqlite3_exec(db, "PRAGMA user_version = 99", NULL, NULL, NULL), SQLITE_OK);
        assert_int_equal(sqlite3_close(db), SQLITE_OK);
        before = read_whole(in_directory(LEDGER_FILE "-wal"), &n_before);
        assert_true(n_before > 0);

        l = open_ledger(NULL);
        check_state(l, LEDGER_DEGRADED, "newer");
        ledger_close(l);
        after = read_whole(in_directory(LEDGER_FILE "-wal"), &n_after);
        assert_int_equal(n_after, n_before);
        assert_memory_equal(after, before, n_before);
        free(before);
        free(after);
}

static void test_foreign_database(void **state) {
        check_untouched("CREATE TABLE runs (mine); INSERT INTO runs VALUES (1)", "another program");
}

static const char *const tables[] = { "stamps", "job_state", "alarms", "blobs", "runs" };

static int count_blob(const char *job, const char *key, uint64_t id, const void *bytes, size_t n, void *userdata) {
        assert_int_equal(n, 6);
        assert_memory_equal(bytes, "/in/a", n);
        ++*(size_t *)userdata;
        return 0;
}

static size_t count_blobs(Ledger *l) {
        size_t n = 0;

        assert_int_equal(ledger_list_blobs(l, "a", NULL, count_blob, &n), 0);
        return n;
}

static void put_blob(Ledger *l, uint64_t id) {
        assert_int_equal(ledger_put(l, "a", "batch", id, "/in/a", 6), 0);
}

/* What there is in each of the tables but one. */
static void check_saved(Ledger *l, const char *missing) {
        LedgerJobState s = {};
        usec_t usec = 0;

        (void)ledger_get_stamp(l, "a", "k", &usec);
        assert_int_equal(usec, streq(missing, "stamps") ? 0 : 77);
        assert_int_equal(ledger_get_job_state(l, "a", &s), 0);
        assert_int_equal(s.skip, streq(missing, "job_state") ? 0 : 3);
        assert_int_equal(count_alarms(l, "a"), streq(missing, "alarms") ? 0 : 1);
        assert_int_equal(count_blobs(l), streq(missing, "blobs") ? 0 : 1);
        assert_int_equal(count_runs(l, "a"), streq(missing, "runs") ? 0 : 1);
}

/* A database of ours that lacks a table is no better than one that is damaged; what the others have is saved. */
static void test_missing_table(void **state) {
        char sql[64];
        Ledger *l;

        be_quiet();
        for (size_t i = 0; i < ELEMENTSOF(tables); i++) {
                (void)unlink(in_directory(LEDGER_FILE));
                l = open_ledger(NULL);
                assert_int_equal(ledger_set_stamp(l, "a", "k", 77), 0);
                assert_int_equal(ledger_set_job_state(l, "a", &(LedgerJobState){ .skip = 3 }), 0);
                set_alarm(l, "a", "slow", 1);
                put_blob(l, add(l, "a"));
                ledger_close(l);
                (void)snprintf(sql, sizeof(sql), "DROP TABLE %s", tables[i]);
                run_sql(LEDGER_FILE, sql);
                l = open_ledger(NULL);
                assert_true(is_ok(l));
                assert_int_equal(l->n_replaced, 1);
                check_saved(l, tables[i]);
                ledger_close(l);
        }
}

/* Somebody who looks into the file with sqlite3(1) at the wrong moment is waited for. */
static void test_locked(void **state) {
        sqlite3 *db = NULL;
        uint64_t old, new;
        Ledger *l;

        be_quiet();
        l = open_ledger(NULL);
        old = add(l, "a");
        ledger_close(l);
        assert_int_equal(sqlite3_open(in_directory(LEDGER_FILE), &db), SQLITE_OK);
        assert_int_equal(sqlite3_exec(db, "BEGIN; SELECT * FROM runs", NULL, NULL, NULL), SQLITE_OK);
        l = open_ledger(NULL);
        check_state(l, LEDGER_DEGRADED, "another program has it open");
        new = add(l, "a");
        assert_true(new > old);
        assert_int_equal(sqlite3_close(db), SQLITE_OK);
        assert_int_equal(ledger_commit(l), 0);
        assert_int_equal(count_runs(l, NULL), 2);
        ledger_close(l);
}

/* --- damage --- */

static int is_moved_aside(const struct dirent *e) {
        return startswith(e->d_name, LEDGER_FILE ".corrupt-") && !strstr(e->d_name, "-wal");
}

static int n_moved_aside(void) {
        struct dirent **names = NULL;
        int n = scandir(directory, &names, is_moved_aside, NULL);

        for (int i = 0; i < n; i++)
                free(names[i]);
        free(names);
        return n;
}

/* Bytes from offset to the end, or n of them, become nonsense. */
static void damage(off_t offset, size_t n) {
        int fd = open(in_directory(LEDGER_FILE), O_WRONLY | O_CLOEXEC);
        char junk[4096];
        struct stat st;

        memset(junk, 0xa5, sizeof(junk));
        assert_true(fd >= 0 && fstat(fd, &st) == 0);
        for (off_t end = n > 0 ? offset + (off_t)n : st.st_size; offset < end;) {
                size_t k = MIN((size_t)(end - offset), sizeof(junk));

                assert_int_equal(pwrite(fd, junk, k, offset), k);
                offset += (off_t)k;
        }
        close(fd);
}

static void test_no_database(void **state) {
        Ledger *l;
        uint64_t id;

        be_quiet();
        l = open_ledger(NULL);
        id = add(l, "a");
        ledger_close(l);
        damage(0, 100);
        l = open_ledger(NULL);
        assert_true(is_ok(l));
        assert_int_equal(count_runs(l, NULL), 0);
        assert_true(add(l, "a") > id);
        assert_int_equal(n_moved_aside(), 1);
        ledger_close(l);
        l = open_ledger(NULL);
        assert_true(is_ok(l));
        assert_int_equal(count_runs(l, NULL), 1);
        assert_int_equal(n_moved_aside(), 1);
        ledger_close(l);
}

static void test_text_file(void **state) {
        Ledger *l;

        be_quiet();
        write_file(in_directory(LEDGER_FILE),
                   "This is no database, and it is long enough to be looked at as if it were "
                   "one, which takes a hundred bytes at the very least.\n");
        l = open_ledger(NULL);
        assert_true(is_ok(l));
        assert_int_equal(n_moved_aside(), 1);
        ledger_close(l);
}

/* A log that is nonsense is no damage: SQLite takes nothing from it. Nor is an empty file. */
static void test_junk_log(void **state) {
        Ledger *l;

        write_file(in_directory(LEDGER_FILE), "");
        write_file(in_directory(LEDGER_FILE "-wal"), "nonsense");
        l = open_ledger(NULL);
        assert_true(is_ok(l));
        add(l, "a");
        ledger_close(l);
        assert_int_equal(n_moved_aside(), 0);
}

/* The root page of a table, found by its name. */
static off_t root_of(const char *table) {
        sqlite3_stmt *s = NULL;
        sqlite3 *db = NULL;
        off_t page;

        assert_int_equal(sqlite3_open(in_directory(LEDGER_FILE), &db), SQLITE_OK);
        assert_int_equal(sqlite3_prepare_v2(db, "SELECT rootpage FROM sqlite_schema WHERE name = ?1", -1, &s, NULL),
                         SQLITE_OK);
        (void)sqlite3_bind_text(s, 1, table, -1, SQLITE_STATIC);
        assert_int_equal(sqlite3_step(s), SQLITE_ROW);
        page = sqlite3_column_int(s, 0);
        (void)sqlite3_finalize(s);
        assert_int_equal(sqlite3_close(db), SQLITE_OK);
        return (page - 1) * 4096;
}

static int count_unfinished(const RunRecord *r, bool this_boot, void *userdata) {
        ++*(size_t *)userdata;
        return 0;
}

/* A run that goes on, with all that is needed to find it again. */
static const RunRecord under_way = {
        .job = "b",
        .state = RUN_RUNNING,
        .attempt = 1,
        .parent_job = "a",
        .pid = 77,
        .pid_start = 1234567,
        .unit = "vakt-b-1.service",
        .invocation = SD_ID128_ARRAY(01, 23, 45, 67, 89, ab, cd, ef, 01, 23, 45, 67, 89, ab, cd, ef),
        .cpu = USEC_INFINITY,
        .memory_peak = UINT64_MAX,
        .host = "here",
};

static RunRecord fill_before_damage(Ledger *l) {
        LedgerJobState paused = { .paused = true };
        RunRecord r = under_way;

        assert_int_equal(ledger_set_stamp(l, "a", "k", 77), 0);
        assert_int_equal(ledger_set_stamp(l, "a", "future", USEC_INFINITY / 4), 0);
        assert_int_equal(ledger_set_job_state(l, "a", &paused), 0);
        set_alarm(l, "a", "slow", 5);
        set_alarm(l, "a", "future", USEC_INFINITY / 4);
        put_blob(l, 1);
        for (unsigned i = 0; i < 3000; i++)
                (void)(i % 1000 == 999 ? add(l, "a") : add_done(l, "a", RUN_RESULT_SUCCESS, 1));
        assert_int_equal(ledger_add(l, &r), 0);
        return r;
}

static void check_after_damage(Ledger *l, const RunRecord *r) {
        size_t n_unfinished = 0;
        LedgerJobState found;
        usec_t usec;

        assert_int_equal(ledger_get_stamp(l, "a", "k", &usec), 0);
        assert_int_equal(usec, 77);
        assert_int_equal(ledger_get_stamp(l, "a", "future", &usec), -ENOENT);
        assert_int_equal(ledger_get_job_state(l, "a", &found), 0);
        assert_true(found.paused);
        assert_int_equal(count_alarms(l, "a"), 1);
        assert_int_equal(count_blobs(l), 1);
        assert_int_equal(ledger_unfinished(l, count_unfinished, &n_unfinished), 0);
        assert_int_equal(n_unfinished, 4);
        assert_int_equal(count_runs(l, NULL), 4);
        check_record(ledger_get(l, r->id), r);
}

/* What the triggers must know, what is wrong and what still runs is carried over from what can be read. */
static void test_damaged_page(void **state) {
        RunRecord last;
        Ledger *l;

        be_quiet();
        l = open_ledger(NULL);
        last = fill_before_damage(l);
        ledger_close(l);
        damage(root_of("runs_by_job"), 4096);

        l = open_ledger(NULL);
        assert_true(is_ok(l));
        assert_int_equal(n_moved_aside(), 1);
        for (int i = 0; i < 2; i++) {
                check_after_damage(l, &last);
                ledger_close(l);
                l = open_ledger(NULL);
        }
        assert_true(add(l, "a") > last.id);
        ledger_close(l);
}

/* Damage that shows only while the daemon works with it. */
static void test_damaged_under_way(void **state) {
        uint64_t last;
        usec_t usec;
        Ledger *l;

        be_quiet();
        l = open_ledger(NULL);
        assert_int_equal(ledger_set_stamp(l, "a", "k", 77), 0);
        set_alarm(l, "a", "slow", 1);
        for (unsigned i = 0; i < 40000; i++)
                (void)add_done(l, "a", RUN_RESULT_SUCCESS, 1);
        ledger_close(l);
        l = open_ledger(NULL);
        damage(64 * 4096, 0);
        last = add(l, "b");
        set_alarm(l, "b", "slow", 1);
        (void)count_runs(l, NULL); /* trips over it */
        assert_int_equal(l->n_replaced, 1);
        assert_true(is_ok(l));
        assert_int_equal(count_runs(l, "b"), 1);
        assert_int_equal(ledger_get_stamp(l, "a", "k", &usec), 0);
        assert_int_equal(count_alarms(l, NULL), 2);
        assert_int_equal(add(l, "b"), last + 1);
        assert_int_equal(ledger_commit(l), 0);
        assert_int_equal(n_moved_aside(), 1);
        ledger_close(l);
}

/* Damage that a commit trips over: what came before, with it and after it is in the new one. */
static void test_damaged_while_rows_come(void **state) {
        uint64_t first, last = 0;
        Ledger *l;

        be_quiet();
        l = open_ledger(NULL);
        for (unsigned i = 0; i < 40000; i++)
                (void)add_done(l, "a", RUN_RESULT_SUCCESS, 1);
        ledger_close(l);
        l = open_ledger(NULL);
        damage(4096, 0);
        first = add(l, "b");
        for (unsigned i = 0; i < 100; i++) {
                last = add(l, "b");
                set_alarm(l, "b", "slow", last);
                assert_int_equal(ledger_commit(l), 0);
        }
        assert_int_equal(l->n_replaced, 1);
        assert_true(is_ok(l));
        ledger_close(l);
        l = open_ledger(NULL);
        assert_int_equal(n_moved_aside(), 1);
        assert_int_equal(count_runs(l, "b"), 101);
        assert_int_equal(ledger_get(l, first)->id, first);
        assert_int_equal(count_alarms(l, "b"), 1);
        ledger_close(l);
}

static void test_damaged_again_and_again(void **state) {
        Ledger *l;

        be_quiet();
        for (unsigned i = 0; i < MOVED_ASIDE_MAX + 3; i++) {
                l = open_ledger(NULL);
                assert_true(is_ok(l));
                ledger_close(l);
                damage(0, 100);
        }
        assert_int_equal(n_moved_aside(), MOVED_ASIDE_MAX);

        l = open_ledger(NULL);
        for (unsigned i = 0; i < 10; i++)
                ledger_error(l, -EBADMSG);
        check_state(l, LEDGER_DEGRADED, "repeatedly");
        assert_true(l->n_replaced < 5);
        add(l, "a");
        assert_int_equal(ledger_commit(l), 0); /* it was not true */
        assert_true(is_ok(l));
        ledger_close(l);
}

/* --- errors while writing --- */

static void test_io_error(void **state) {
        uint64_t before, during;
        usec_t usec;
        Ledger *l;

        be_quiet();
        l = open_ledger(NULL);
        before = add(l, "a");
        assert_int_equal(ledger_commit(l), 0);
        set_file_limit(10 * 4096);
        for (unsigned i = 0; i < 200; i++) {
                during = add(l, "a");
                (void)ledger_commit(l);
        }
        assert_int_equal(ledger_set_stamp(l, "a", "k", 5), 0);
        set_alarm(l, "a", "slow", 5);
        check_state(l, LEDGER_DEGRADED, "kept in memory");
        assert_int_equal(ledger_update(l, &(RunRecord){ .id = before, .job = "a", .state = RUN_DONE }), 0);
        assert_int_equal(ledger_get(l, before)->state, RUN_DONE);
        assert_int_equal(ledger_get_stamp(l, "a", "k", &usec), 0);
        assert_int_equal(count_runs(l, NULL), 201);
        set_file_limit(RLIM_INFINITY);
        assert_int_equal(ledger_commit(l), 0);
        assert_true(is_ok(l));
        ledger_close(l);
        l = open_ledger(NULL);
        assert_int_equal(count_runs(l, NULL), 201);
        assert_int_equal(ledger_get(l, before)->state, RUN_DONE);
        assert_int_equal(ledger_get_stamp(l, "a", "k", &usec), 0);
        assert_int_equal(count_alarms(l, "a"), 1);
        assert_true(add(l, "a") > during);
        assert_int_equal(n_moved_aside(), 0);
        ledger_close(l);
}

/* SQLite's memory runs out, at every size once. */
static void test_no_memory(void **state) {
        unsigned n_degraded = 0, n_runs = 0;

        be_quiet();
        for (sqlite3_int64 limit = 10000; limit < 600000; limit += 7919) {
                Ledger *l;

                (void)sqlite3_hard_heap_limit64(limit);
                l = open_ledger(NULL);
                for (unsigned i = 0; i < 50; i++, n_runs++)
                        add(l, "a");
                n_degraded += ledger_commit(l) < 0;
                (void)sqlite3_hard_heap_limit64(0);
                assert_int_equal(ledger_commit(l), 0);
                assert_true(is_ok(l));
                assert_int_equal(count_runs(l, NULL), n_runs);
                ledger_close(l);
        }
        assert_true(n_degraded > 5);
        assert_int_equal(n_moved_aside(), 0);
}

/* --- disks --- */

static bool map_user(void) {
        char map[64];

        (void)snprintf(map, sizeof(map), "0 %u 1", (unsigned)getuid());
        if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
                return false;
        write_file("/proc/self/uid_map", map);
        return true;
}

/* A namespace in which mounting is allowed and seen by nobody else. */
static bool may_mount(void) {
        static int answer = -1;

        if (answer < 0)
                answer = (unshare(CLONE_NEWNS) >= 0 || map_user()) &&
                         mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) >= 0;
        return answer;
}

#define SKIP_UNLESS_MOUNTABLE()                                                    \
        do {                                                                       \
                if (!may_mount()) {                                                \
                        print_message("# mounting a small disk is not allowed\n"); \
                        skip();                                                    \
                }                                                                  \
        } while (false)

static void mount_disk(void) {
        assert_int_equal(mount("tmpfs", directory, "tmpfs", MS_NOSUID | MS_NODEV, "size=1m"), 0);
}

static void remount(unsigned long flags) {
        assert_int_equal(mount("none", directory, "none", MS_REMOUNT | MS_NOSUID | MS_NODEV | flags, NULL), 0);
}

static int unmount_and_remove(void **state) {
        (void)umount2(directory, MNT_DETACH);
        return remove_directory(state);
}

static void fill_disk(void) {
        int fd = open(in_directory("filler"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        char block[4096] = {};

        assert_true(fd >= 0);
        while (write(fd, block, sizeof(block)) > 0)
                ;
        assert_int_equal(errno, ENOSPC);
        close(fd);
}

static void empty_disk(void) {
        assert_int_equal(unlink(in_directory("filler")), 0);
}

static void test_full_disk(void **state) {
        uint64_t before, during = 0;
        usec_t usec;
        Seen s = {};
        Ledger *l;

        SKIP_UNLESS_MOUNTABLE();
        be_quiet();
        mount_disk();
        l = open_ledger(NULL);
        before = add(l, "a");
        assert_int_equal(ledger_set_stamp(l, "a", "k", 1), 0);
        set_alarm(l, "a", "cleared", 1);
        put_blob(l, before);
        assert_int_equal(ledger_commit(l), 0);
        fill_disk();
        for (unsigned i = 0; i < 300; i++) {
                during = add(l, "b");
                put_blob(l, during);
                assert_int_equal(ledger_set_stamp(l, "a", "k", during), 0);
                if (ledger_commit(l) < 0)
                        assert_int_equal(ledger_commit(l), -ENOSPC);
        }
        check_state(l, LEDGER_DEGRADED, "the disk is full");
        set_alarm(l, "a", "cleared", 0);
        set_alarm(l, "b", "slow", 1);
        assert_int_equal(count_alarms(l, NULL), 1);
        /* What stands in the database can still be read, and is listed with the rest. */
        assert_int_equal(ledger_get(l, before)->id, before);
        assert_int_equal(count_runs(l, NULL), 301);
        assert_int_equal(count_blobs(l), 301);
        assert_int_equal(ledger_get_stamp(l, "a", "k", &usec), 0);
        assert_int_equal(usec, during);
        assert_int_equal(ledger_put(l, "a", "batch", before, NULL, 0), 0);
        assert_int_equal(ledger_update(l, &(RunRecord){ .id = before, .job = "a", .state = RUN_DONE }), 0);
        s.stop_at = 3;
        assert_int_equal(ledger_list(l, NULL, during, 3, see, &s), 1);
        assert_int_equal(s.ids[0], during - 1);

        empty_disk();
        assert_int_equal(ledger_commit(l), 0);
        assert_true(is_ok(l));
        ledger_close(l);
        l = open_ledger(NULL);
        assert_true(is_ok(l));
        assert_int_equal(count_runs(l, NULL), 301);
        assert_int_equal(ledger_get(l, before)->state, RUN_DONE);
        assert_int_equal(ledger_get_stamp(l, "a", "k", &usec), 0);
        assert_int_equal(usec, during);
        assert_int_equal(count_alarms(l, "b"), 1);
        assert_int_equal(count_alarms(l, NULL), 1);
        assert_int_equal(count_blobs(l), 300);
        assert_int_equal(add(l, "a"), during + 1);
        ledger_close(l);
}

/* Full from the start, in every state of things; the daemon that dies meanwhile loses what it held, and no more. */
static void test_full_disk_at_start(void **state) {
        uint64_t id;
        Ledger *l;

        SKIP_UNLESS_MOUNTABLE();
        be_quiet();
        mount_disk();
        fill_disk();
        l = open_ledger(NULL);
        check_state(l, LEDGER_DEGRADED, NULL);
        id = add(l, "a");
        empty_disk();
        assert_int_equal(ledger_commit(l), 0);
        ledger_close(l);

        fill_disk();
        l = open_ledger(NULL);
        assert_true(add(l, "a") > id);
        (void)ledger_commit(l);
        ledger_close(l);
        l = open_ledger(NULL);
        empty_disk();
        id = add(l, "a");
        assert_int_equal(ledger_commit(l), 0);
        assert_true(is_ok(l));
        assert_non_null(ledger_get(l, id));
        assert_int_equal(n_moved_aside(), 0);
        ledger_close(l);
}

/* The disk fills up at every single page once. */
static void test_disk_fills_up(void **state) {
        unsigned n_degraded = 0;

        SKIP_UNLESS_MOUNTABLE();
        be_quiet();
        mount_disk();
        for (unsigned n_free = 0; n_free < 60; n_free++) {
                Ledger *l;
                size_t n;
                int fd;

                fill_disk();
                fd = open(in_directory("filler"), O_WRONLY | O_CLOEXEC);
                assert_int_equal(ftruncate(fd, lseek(fd, 0, SEEK_END) - n_free * 4096), 0);
                close(fd);
                l = open_ledger(NULL);
                n = count_runs(l, NULL);
                for (unsigned i = 0; i < 10; i++) {
                        add(l, "a");
                        (void)ledger_commit(l);
                }
                n_degraded += !is_ok(l);
                if (is_ok(l) || l->store)
                        assert_int_equal(count_runs(l, NULL), n + 10);
                empty_disk();
                assert_int_equal(ledger_commit(l), 0);
                assert_true(is_ok(l));
                n = count_runs(l, NULL);
                assert_int_equal(n, (n_free + 1) * 10);
                ledger_close(l);
        }
        assert_true(n_degraded > 10 && n_degraded < 60);
        assert_int_equal(n_moved_aside(), 0);
}

static void test_read_only(void **state) {
        uint64_t before, during;
        Ledger *l;

        SKIP_UNLESS_MOUNTABLE();
        be_quiet();
        mount_disk();
        l = open_ledger(NULL);
        before = add(l, "a");
        ledger_close(l);
        remount(MS_RDONLY);
        l = open_ledger(NULL);
        check_state(l, LEDGER_DEGRADED, "read-only");
        during = add(l, "a");
        assert_true(during > before);
        assert_true(ledger_commit(l) < 0);
        remount(0);
        assert_int_equal(ledger_commit(l), 0);
        assert_int_equal(count_runs(l, NULL), 2);
        ledger_close(l);
}

#define disk_test(f) cmocka_unit_test_setup_teardown(f, make_directory, unmount_and_remove)

int main(void) {
        const struct CMUnitTest tests[] = {
                ledger_test(test_stamps_without_database),
                ledger_test(test_bounded),
                ledger_test(test_ends_of_stored_runs_are_kept),
                ledger_test(test_stamps_are_bounded),
                ledger_test(test_alarms_are_bounded),
                ledger_test(test_unwritable),
                ledger_test(test_retry_by_timer),
                ledger_test(test_newer_version),
                ledger_test(test_newer_version_with_log),
                ledger_test(test_foreign_database),
                ledger_test(test_missing_table),
                ledger_test(test_locked),
                ledger_test(test_no_database),
                ledger_test(test_text_file),
                ledger_test(test_junk_log),
                ledger_test(test_damaged_page),
                ledger_test(test_damaged_under_way),
                ledger_test(test_damaged_while_rows_come),
                ledger_test(test_damaged_again_and_again),
                ledger_test(test_io_error),
                ledger_test(test_no_memory),
                disk_test(test_full_disk),
                disk_test(test_full_disk_at_start),
                disk_test(test_disk_fills_up),
                disk_test(test_read_only),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
