/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The write-ahead log, written a transaction at a time: with one call; the same database comes of it as without, also
 * when a transaction is larger than the cache, is undone in part or as a whole, and is read meanwhile; a write that is
 * torn or fails anywhere leaves the transaction before it. What is in the files is read with SQLite's own VFS. */

#include "test-ledger.h"

#include <sys/sendfile.h>
#include <sys/wait.h>

#include "ledger/wal-file.h"
#include "torn-write.h"

#define FRAME 4120

static sqlite3 *open_with(const char *name, const char *vfs) {
        sqlite3 *db = NULL;

        assert_int_equal(sqlite3_open_v2(in_directory(name), &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, vfs),
                         SQLITE_OK);
        (void)sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
        return db;
}

static void run(sqlite3 *db, const char *sql) {
        char *message = NULL;

        if (sqlite3_exec(db, sql, NULL, NULL, &message) != SQLITE_OK)
                fail_msg("%s: %s", sql, message);
}

static int64_t number(sqlite3 *db, const char *sql) {
        sqlite3_stmt *s;
        int64_t n;

        assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &s, NULL), SQLITE_OK);
        assert_int_equal(sqlite3_step(s), SQLITE_ROW);
        n = sqlite3_column_int64(s, 0);
        (void)sqlite3_finalize(s);
        return n;
}

/* A cache of ten pages: a transaction of more is written before it ends. */
static sqlite3 *open_database(const char *name, const char *vfs) {
        sqlite3 *db = open_with(name, vfs);

        run(db, "PRAGMA locking_mode = EXCLUSIVE; PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL;"
                "PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 0; PRAGMA cache_size = 10;"
                "CREATE TABLE IF NOT EXISTS t (id INTEGER PRIMARY KEY, n INTEGER NOT NULL, b BLOB);"
                "CREATE INDEX IF NOT EXISTS t_n ON t (n)");
        return db;
}

static sqlite3 *open_ours(void) {
        assert_string_equal(wal_file_vfs(), "vakt");
        return open_database("ours", wal_file_vfs());
}

static int64_t sum(sqlite3 *db) {
        return number(db, "SELECT coalesce(sum(id * 31 + n * 7 + length(b) + unicode(hex(b))), 0) FROM t");
}

static void copy(const char *from, const char *to) {
        int in = open(in_directory(from), O_RDONLY | O_CLOEXEC);
        int out = open(in_directory(to), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

        assert_true(in >= 0 && out >= 0);
        while (sendfile(out, in, NULL, 1 << 24) > 0)
                ;
        (void)close(in);
        (void)close(out);
}

/* What would be there if the process ended now. */
static int64_t sum_after_crash(void) {
        int64_t n;
        sqlite3 *db;

        copy("ours", "copy");
        copy("ours-wal", "copy-wal");
        db = open_with("copy", NULL);
        n = sum(db);
        assert_int_equal(number(db, "SELECT count(*) FROM pragma_integrity_check WHERE integrity_check = 'ok'"), 1);
        assert_int_equal(sqlite3_close(db), SQLITE_OK);
        return n;
}

static void test_commit_is_one_write(void **state) {
        sqlite3 *db = open_ours();
        unsigned before;

        run(db, "INSERT INTO t VALUES (1, 1, zeroblob(9000))");
        for (unsigned i = 0; i < 3; i++) {
                before = torn.n;
                run(db, "UPDATE t SET n = n + 1, b = randomblob(9000)");
                assert_int_equal(torn.n, before + 1);
                assert_true(torn.last_n >= 3 * FRAME && torn.last_n % FRAME == 0);
                assert_int_equal(sum_after_crash(), sum(db));
        }
        /* When the log begins again, its header is written first, and waited for. */
        assert_int_equal(sqlite3_wal_checkpoint_v2(db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL), SQLITE_OK);
        for (unsigned i = 0; i < 2; i++) {
                before = torn.n;
                run(db, "UPDATE t SET n = n + 1");
                assert_int_equal(torn.n, before + (i == 0 ? 2 : 1));
                assert_int_equal(sum_after_crash(), sum(db));
        }
        assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static uint32_t seed = 7;

static uint32_t draw(uint32_t n) {
        seed = seed * 1664525 + 1013904223;
        return (seed >> 8) % n;
}

/* --- the file itself --- */

#define FRAMES_MAX 60
#define HEADER     32

typedef struct Model {
        char path[64];
        sqlite3_file *file;
        int fd;
        char bytes[HEADER + FRAMES_MAX * FRAME];
        sqlite3_int64 size;
} Model;

static void open_file(Model *m) {
        sqlite3_vfs *vfs = sqlite3_vfs_find(wal_file_vfs());

        (void)close(creat(in_directory("file"), 0600)); /* the log has its mode */
        (void)snprintf(m->path, sizeof(m->path), "%s/file-wal", directory);
        m->file = calloc(1, (size_t)vfs->szOsFile);
        assert_int_equal(
                vfs->xOpen(vfs, m->path, m->file, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_WAL, NULL),
                SQLITE_OK);
        m->fd = open(m->path, O_RDONLY | O_CLOEXEC);
        assert_true(m->fd >= 0);
}

static void check_file(const Model *m) {
        static char found[sizeof(m->bytes) + 1];

        assert_int_equal(pread(m->fd, found, sizeof(found), 0), m->size);
        assert_memory_equal(found, m->bytes, m->size);
}

static void check_read(Model *m, sqlite3_int64 at, int n) {
        char found[FRAME];

        assert_int_equal(m->file->pMethods->xRead(m->file, found, n, at), SQLITE_OK);
        assert_memory_equal(found, m->bytes + at, n);
}

static void write_some(Model *m, sqlite3_int64 at, int n, bool is_commit) {
        for (int i = 0; i < n; i++)
                m->bytes[at + i] = (char)draw(256);
        if (n == 24)
                memset(m->bytes + at + 4, is_commit, 4);
        assert_int_equal(m->file->pMethods->xWrite(m->file, m->bytes + at, n, at), SQLITE_OK);
        m->size = MAX(m->size, at + n);
}

static void append_frame(Model *m, unsigned *n_frames, bool is_commit) {
        sqlite3_int64 at = HEADER + *n_frames * FRAME;

        write_some(m, at, 24, is_commit);
        write_some(m, at + 24, FRAME - 24, false);
        ++*n_frames;
        if (is_commit)
                check_file(m);
}

/* What SQLite does after it has appended some frames. */
static void draw_step(Model *m, unsigned *n_frames) {
        unsigned k = draw(2) ? draw(*n_frames) : *n_frames - 1 - draw(MIN(*n_frames, 3U));
        sqlite3_int64 size, at = HEADER + k * FRAME;

        switch (draw(8)) {
        case 0: /* a page again, before its transaction ends */
                write_some(m, at + 24, FRAME - 24, false);
                check_file(m);
                return;
        case 1: /* checksums again */
                for (; k < *n_frames; k++) {
                        check_read(m, HEADER + k * FRAME, FRAME);
                        write_some(m, HEADER + k * FRAME, 24, k + 1 == *n_frames);
                }
                check_file(m);
                return;
        case 2:
                assert_int_equal(m->file->pMethods->xFileSize(m->file, &size), SQLITE_OK);
                assert_int_equal(size, m->size);
                check_file(m);
                return;
        case 3:
                assert_int_equal(m->file->pMethods->xSync(m->file, SQLITE_SYNC_NORMAL), SQLITE_OK);
                check_file(m);
                return;
        case 4: /* the transaction is undone, back to here */
                *n_frames = k;
                return;
        case 5: /* or begins the log again */
                *n_frames = 0;
                write_some(m, 0, HEADER, false);
                check_file(m);
                return;
        case 6:
                m->size = MIN(m->size, at);
                *n_frames = MIN(*n_frames, k);
                assert_int_equal(m->file->pMethods->xTruncate(m->file, at), SQLITE_OK);
                check_file(m);
                return;
        default:
                check_read(m, at, FRAME);
        }
}

static void test_file(void **state) {
        Model *m = calloc(1, sizeof(*m));
        unsigned n_frames = 0;

        open_file(m);
        write_some(m, 0, HEADER, false);
        for (unsigned i = 0; i < 3000; i++) {
                for (unsigned k = draw(20); k > 0 && n_frames < FRAMES_MAX; k--)
                        append_frame(m, &n_frames, draw(8) == 0);
                if (n_frames > 0)
                        draw_step(m, &n_frames);
        }
        assert_int_equal(m->file->pMethods->xClose(m->file), SQLITE_OK);
        check_file(m);
        (void)close(m->fd);
        free(m->file);
        free(m);
}

/* What could not be written from memory is not left out: nothing is written behind it until it is there again. */
static void test_loss(void **state) {
        Model *m = calloc(1, sizeof(*m));
        const sqlite3_int64 size = HEADER + 3 * FRAME;
        const sqlite3_io_methods *methods;
        unsigned n_frames = 0;
        char frame[FRAME];

        open_file(m);
        methods = m->file->pMethods;
        write_some(m, 0, HEADER, false);
        while (n_frames < 5)
                append_frame(m, &n_frames, n_frames == 2);
        torn.n = 0;
        torn.at = 1;
        torn.keep = 0;
        torn.error = ENOSPC;
        assert_int_equal(methods->xSync(m->file, SQLITE_SYNC_NORMAL), SQLITE_FULL);
        torn.at = 0;
        m->size = size;
        check_file(m);

        for (unsigned i = 0; i < 2; i++) {
                assert_int_equal(methods->xWrite(m->file, frame, 24, HEADER + 5 * FRAME), SQLITE_IOERR_WRITE);
                assert_int_equal(methods->xWrite(m->file, frame, FRAME - 24, size + 24), SQLITE_IOERR_WRITE);
                assert_int_equal(methods->xRead(m->file, frame, FRAME - 24, size + 24), SQLITE_IOERR_READ);
                check_read(m, size - FRAME, FRAME);
                write_some(m, HEADER + 24, FRAME - 24, false); /* a page of before, which does not change that */
        }
        for (n_frames = 3; n_frames < 6;)
                append_frame(m, &n_frames, n_frames == 5);
        assert_int_equal(methods->xClose(m->file), SQLITE_OK);
        (void)close(m->fd);
        free(m->file);
        free(m);
}

/* --- the same as without --- */

static void draw_change(char sql[static 256]) {
        unsigned id = 1 + draw(300), n = draw(1000), size = draw(8) == 0 ? draw(60000) : draw(400);

        switch (draw(8)) {
        case 0:
                (void)snprintf(sql, 256, "DELETE FROM t WHERE id %% 7 = %u AND id > %u", n % 7, id);
                return;
        case 1:
                (void)snprintf(sql, 256, "UPDATE t SET n = n + 1 WHERE n > %u", n);
                return;
        case 2:
                (void)strcpy(sql, "PRAGMA incremental_vacuum(5)");
                return;
        default:
                (void)snprintf(sql, 256, "INSERT OR REPLACE INTO t VALUES (%u, %u, zeroblob(%u))", id, n, size);
        }
}

static void run_both(sqlite3 *dbs[static 2], const char *sql) {
        for (size_t i = 0; i < 2; i++)
                run(dbs[i], sql);
}

/* Begun, and ended in one way or another. Without savepoints, which the ledger does not use: SQLite 3.40 by itself may
 * lose a transaction that goes back to one after its pages were written. */
static void draw_transaction(sqlite3 *dbs[static 2]) {
        char sql[256];

        run_both(dbs, "BEGIN");
        for (unsigned i = draw(40); i > 0; i--) {
                draw_change(sql);
                run_both(dbs, sql);
                if (draw(10) == 0)
                        assert_int_equal(sum(dbs[0]), sum(dbs[1]));
        }
        run_both(dbs, draw(4) == 0 ? "ROLLBACK" : "COMMIT");
        assert_int_equal(sum(dbs[0]), sum(dbs[1]));
}

static void test_same_as_without(void **state) {
        static const char *const checkpoints[] = { "PASSIVE", "FULL", "RESTART", "TRUNCATE" };
        sqlite3 *dbs[] = { open_ours(), open_database("plain", NULL) };
        char sql[64];

        for (unsigned i = 0; i < 120; i++) {
                draw_transaction(dbs);
                if (i % 4 == 0)
                        assert_int_equal(sum_after_crash(), sum(dbs[1]));
                if (draw(12) > 0)
                        continue;
                (void)snprintf(sql, sizeof(sql), "PRAGMA wal_checkpoint(%s)", checkpoints[draw(4)]);
                run_both(dbs, sql);
                if (draw(3) == 0) {
                        assert_int_equal(sqlite3_close(dbs[0]), SQLITE_OK);
                        dbs[0] = open_ours();
                }
        }
        for (size_t i = 0; i < 2; i++)
                assert_int_equal(sqlite3_close(dbs[i]), SQLITE_OK);
}

/* --- torn, and failed --- */

#define SMALL_CHANGE "UPDATE t SET n = n + 1, b = zeroblob(9000) WHERE id = 1"
/* More than the cache holds; its pages are written, read again and changed again before it ends. */
#define LARGE_CHANGE                                                                                               \
        "BEGIN; UPDATE t SET n = n + 1, b = zeroblob(9000); UPDATE t SET n = n + 1; SELECT sum(length(b)) FROM t;" \
        "UPDATE t SET n = n + 1; INSERT INTO t SELECT id + 1000, n, b FROM t; COMMIT"

static sqlite3 *open_filled(void) {
        sqlite3 *db = open_ours();

        run(db, "WITH RECURSIVE i (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM i WHERE x < 8)"
                " INSERT OR IGNORE INTO t SELECT x, x, zeroblob(8000) FROM i");
        return db;
}

/* Returns whether the change was written before the process ended. */
static bool dies_at(const char *change, unsigned at, size_t keep) {
        int status;
        pid_t pid;

        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                sqlite3 *db = open_filled();

                torn.n = 0;
                torn.at = at;
                torn.keep = keep;
                torn.error = 0;
                (void)sqlite3_exec(db, change, NULL, NULL, NULL);
                _exit(0);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        return WIFEXITED(status);
}

static void check_torn(const char *change, size_t step) {
        int64_t before, after;
        unsigned n_points = 0;
        sqlite3 *db;

        db = open_filled();
        before = sum(db);
        assert_int_equal(sqlite3_close(db), SQLITE_OK);
        for (unsigned at = 1;; at++)
                for (size_t keep = 0; keep < 4 * FRAME; keep += step, n_points++)
                        if (dies_at(change, at, keep)) {
                                assert_true(n_points > 0);
                                after = sum_after_crash();
                                assert_true(after != before);
                                return;
                        } else
                                assert_int_equal(sum_after_crash(), before);
}

/* The one call is cut off at any byte of some. */
static void test_torn_commit(void **state) {
        check_torn(SMALL_CHANGE, 511);
}

static void test_torn_large_transaction(void **state) {
        check_torn(LARGE_CHANGE, 10000);
}

/* Fails at each of its writes; what was there is there, in this process and in the files, and the next one works. */
static void check_failing(const char *change, int error, int expected) {
        sqlite3 *db = open_filled();
        int64_t before = sum(db);
        int code = SQLITE_ERROR;

        for (unsigned at = 1; code != SQLITE_OK; at++) {
                torn.n = 0;
                torn.at = at;
                torn.keep = at * 1000;
                torn.error = error;
                code = sqlite3_exec(db, change, NULL, NULL, NULL);
                torn.at = 0;
                if (code == SQLITE_OK) {
                        assert_true(at > 1);
                        continue;
                }
                assert_int_equal(code, expected);
                if (!sqlite3_get_autocommit(db))
                        run(db, "ROLLBACK");
                assert_int_equal(sum(db), before);
                assert_int_equal(sum_after_crash(), before);
                run(db, SMALL_CHANGE);
                before = sum(db);
                assert_int_equal(sum_after_crash(), before);
        }
        assert_true(sum(db) != before);
        assert_int_equal(sum_after_crash(), sum(db));
        assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void test_full_disk(void **state) {
        check_failing(SMALL_CHANGE, ENOSPC, SQLITE_FULL);
        check_failing(LARGE_CHANGE, ENOSPC, SQLITE_FULL);
}

static void test_broken_disk(void **state) {
        check_failing(SMALL_CHANGE, EIO, SQLITE_IOERR);
        check_failing(LARGE_CHANGE, EIO, SQLITE_IOERR);
}

/* A transaction whose pages are in memory when the disk is full, in a statement that SQLite can undo alone: then it
 * may not be committed without them. */
static void test_full_disk_in_statement(void **state) {
        sqlite3 *db = open_filled();
        bool is_committed;

        run(db, "PRAGMA temp_store = MEMORY; DROP INDEX t_n;"
                "CREATE TABLE u (id INTEGER PRIMARY KEY, k UNIQUE, v NOT NULL); DELETE FROM t;"
                "WITH RECURSIVE i (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM i WHERE x < 60)"
                " INSERT INTO t SELECT x, x, zeroblob(3000) FROM i; BEGIN;"
                "WITH RECURSIVE i (x) AS (SELECT 101 UNION ALL SELECT x + 1 FROM i WHERE x < 153)"
                " INSERT INTO t SELECT x, x + 1000, randomblob(3000) FROM i");
        torn.n = 0;
        torn.at = 1;
        torn.keep = 0;
        torn.error = ENOSPC;
        (void)sqlite3_exec(db, "INSERT INTO u SELECT id, id, n FROM t WHERE length(b) > 0", NULL, NULL, NULL);
        torn.at = 0;
        is_committed = sqlite3_exec(db, "COMMIT", NULL, NULL, NULL) == SQLITE_OK;
        if (!sqlite3_get_autocommit(db))
                run(db, "ROLLBACK");
        (void)sqlite3_db_release_memory(db);
        assert_int_equal(number(db, "SELECT count(*) FROM t WHERE n > 1000"), is_committed ? 53 : 0);
        assert_int_equal(sum_after_crash(), sum(db));
        assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

/* What is undone need not be written for that. */
static void test_rollback_on_full_disk(void **state) {
        sqlite3 *db = open_filled();
        int64_t before = sum(db);

        run(db, "BEGIN; WITH RECURSIVE i (x) AS (SELECT 101 UNION ALL SELECT x + 1 FROM i WHERE x < 124)"
                " INSERT INTO t SELECT x, x + 1000, randomblob(3000) FROM i");
        torn.n = 0;
        torn.at = 1;
        torn.keep = 0;
        torn.error = ENOSPC;
        run(db, "ROLLBACK");
        assert_int_equal(sum(db), before);
        assert_int_equal(torn.n, 0);
        torn.at = 0;
        assert_int_equal(sum_after_crash(), before);
        run(db, SMALL_CHANGE);
        assert_int_equal(sum_after_crash(), sum(db));
        assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                ledger_test(test_file),
                ledger_test(test_loss),
                ledger_test(test_commit_is_one_write),
                ledger_test(test_same_as_without),
                ledger_test(test_torn_commit),
                ledger_test(test_torn_large_transaction),
                ledger_test(test_full_disk),
                ledger_test(test_broken_disk),
                ledger_test(test_full_disk_in_statement),
                ledger_test(test_rollback_on_full_disk),
        };

        (void)sqlite3_config(SQLITE_CONFIG_SINGLETHREAD);
        torn_write_begin();
        return cmocka_run_group_tests(tests, NULL, NULL);
}
