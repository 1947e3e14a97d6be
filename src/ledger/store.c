/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The connection to the database: how it is opened, prepared statements, SQLite's results.
 *
 * It uses the write-ahead log with synchronous=NORMAL: a commit does not wait for the disk, and a power failure
 * discards whole transactions from the end. The lock is exclusive from the first read to the end, which avoids the
 * shared memory file (a mapping that a full disk turns into SIGBUS) and every lock call; there is no other reader,
 * because all clients ask over D-Bus. store_checkpoint() moves log pages to the database when the daemon is idle, and
 * not in the commit that must finish before a run starts. */

#include <fcntl.h>

#include "ledger/schema.h"
#include "ledger/store-internal.h"
#include "ledger/store.h"
#include "ledger/wal-file.h"
#include "util/log.h"

#define CACHE_KIB        "2000"    /* how much the memory of the daemon grows by this, at most */
#define PAGES_MAX        "1048576" /* of 4 KiB: 4 GiB, above which the disk counts as full */
#define WAL_PAGES_MAX    32768 /* of 4 KiB: with a longer write-ahead log that cannot be moved nothing is written */
#define SHRINK_PAGES     "64"  /* of the file, in one step: about a millisecond */
#define SHRINK_FREE_PART 4     /* the part of the file that may be free */
#define SHRINK_FREE_MIN  64    /* fewer free pages are not worth it */
#define CHECK_ALL_PAGES  8192  /* above 32 MiB the blobs and the runs are not read through at start */
#define CHECK_PERIOD_OPS 1000  /* SQLite instructions between two checks of the clock */
#define ROW_BYTES_MAX    ((int)LEDGER_BLOB_MAX + (1 << 20))

static const char *const statement_sql[_STATEMENT_MAX] = {
        [STATEMENT_BEGIN] = "BEGIN IMMEDIATE",
        [STATEMENT_COMMIT] = "COMMIT",
        [STATEMENT_ROLLBACK] = "ROLLBACK",

        [STATEMENT_LAST_ID] = "SELECT max(id) FROM runs",
        [STATEMENT_LAST_UNTIL] =
                "SELECT max(id) FROM (SELECT id, requested FROM runs WHERE id >= ?1 ORDER BY id LIMIT ?3)"
                " WHERE requested <= ?2",
        [STATEMENT_COUNT_UNFINISHED] =
                "SELECT count(*) FROM runs INDEXED BY runs_unfinished WHERE state <> 'done' AND job = ?1",
        [STATEMENT_NTH_NEWEST] =
                "SELECT id FROM runs INDEXED BY runs_by_job WHERE job = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2",
        [STATEMENT_OLDEST] = "SELECT id, state = 'done', ended, requested FROM runs INDEXED BY runs_by_job WHERE job "
                             "= ?1 ORDER BY id",
        [STATEMENT_DELETE_RUN] = "DELETE FROM runs WHERE id = ?1",
        [STATEMENT_NEXT_JOB] = "SELECT job FROM runs INDEXED BY runs_by_job WHERE job > ?1 ORDER BY job LIMIT 1",

        [STATEMENT_SET_STAMP] = "INSERT INTO stamps (job, key, usec) VALUES (?1, ?2, ?3)"
                                " ON CONFLICT (job, key) DO UPDATE SET usec = excluded.usec",
        [STATEMENT_FORGET_STAMP] = "DELETE FROM stamps WHERE job = ?1 AND key = ?2",
        [STATEMENT_GET_STAMP] = "SELECT usec FROM stamps WHERE job = ?1 AND key = ?2",
        [STATEMENT_LIST_STAMPS] = "SELECT job, key, usec FROM stamps WHERE job >= ?1 AND job <= ?2 ORDER BY job, key",
        [STATEMENT_SET_STATE] =
                "INSERT INTO job_state (job, paused, pause_until, skip) VALUES (?1, ?2, ?3, ?4)"
                " ON CONFLICT (job) DO UPDATE"
                " SET paused = excluded.paused, pause_until = excluded.pause_until, skip = excluded.skip",
        [STATEMENT_FORGET_STATE] = "DELETE FROM job_state WHERE job = ?1",
        [STATEMENT_GET_STATE] = "SELECT paused, pause_until, skip FROM job_state WHERE job = ?1",
        [STATEMENT_LIST_STATES] = "SELECT paused, pause_until, skip, job FROM job_state",
        [STATEMENT_SET_ALARM] =
                "INSERT INTO alarms (job, key, since, raised, run, text) VALUES (?1, ?2, ?3, ?4, ?5, ?6)"
                " ON CONFLICT (job, key) DO UPDATE"
                " SET since = excluded.since, raised = excluded.raised, run = excluded.run, text = excluded.text",
        [STATEMENT_FORGET_ALARM] = "DELETE FROM alarms WHERE job = ?1 AND key = ?2",
        [STATEMENT_LIST_ALARMS] =
                "SELECT job, key, since, raised, run, text FROM alarms WHERE job >= ?1 AND job <= ?2",
        [STATEMENT_PUT_BLOB] = "INSERT INTO blobs (job, key, id, bytes) VALUES (?1, ?2, ?3, ?4)"
                               " ON CONFLICT (job, key, id) DO UPDATE SET bytes = excluded.bytes",
        [STATEMENT_FORGET_BLOB] = "DELETE FROM blobs WHERE job = ?1 AND key = ?2 AND id = ?3",
        [STATEMENT_FORGET_BLOBS] = "DELETE FROM blobs WHERE job = ?1",
        [STATEMENT_FORGET_BLOBS_OF_KEY] = "DELETE FROM blobs WHERE job = ?1 AND key = ?2",
        [STATEMENT_LIST_BLOBS] = "SELECT job, key, id, bytes FROM blobs WHERE job >= ?1 AND job <= ?2"
                                 " AND (?3 IS NULL OR key = ?3) ORDER BY job, key, id",
        [STATEMENT_LIST_BLOBS_OF_KEY] =
                "SELECT job, key, id, bytes FROM blobs WHERE job = ?1 AND job <= ?2 AND key = ?3 ORDER BY id",
        [STATEMENT_LIST_BLOBS_BACKWARDS] = "SELECT job, key, id, bytes FROM blobs NOT INDEXED ORDER BY rowid DESC",
        [STATEMENT_NEXT_KEPT_JOB] = "SELECT min(job) FROM (SELECT min(job) AS job FROM stamps WHERE job > ?1"
                                    " UNION ALL SELECT min(job) FROM job_state WHERE job > ?1"
                                    " UNION ALL SELECT min(job) FROM alarms WHERE job > ?1"
                                    " UNION ALL SELECT min(job) FROM blobs WHERE job > ?1)",
        /* Of blobs there may be many a job, and one is looked for at a time. */
        [STATEMENT_KEPT_BESIDE_STAMPS] = "WITH RECURSIVE with_blobs (job) AS (SELECT min(job) FROM blobs UNION ALL"
                                         " SELECT (SELECT min(b.job) FROM blobs AS b WHERE b.job > with_blobs.job)"
                                         " FROM with_blobs WHERE job IS NOT NULL)"
                                         " SELECT job FROM (SELECT job FROM job_state UNION SELECT job FROM alarms"
                                         " UNION SELECT job FROM with_blobs) WHERE job > '' ORDER BY job",
        [STATEMENT_SET_META] = "INSERT INTO meta (key, value) VALUES (?1, ?2)"
                               " ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        [STATEMENT_GET_META] = "SELECT value FROM meta WHERE key = ?1",
};

/* --- results --- */

/* The error of the system, if SQLite only reports that opening, reading or writing failed. */
static int system_errno(sqlite3 *db) {
        int e = db ? sqlite3_system_errno(db) : 0;

        return e > 0 ? -e : -EIO;
}

int sqlite_to_errno(sqlite3 *db, int code) {
        switch (code & 0xff) {
        case SQLITE_OK:
        case SQLITE_ROW:
        case SQLITE_DONE:
                return 0;
        case SQLITE_CORRUPT:
        case SQLITE_NOTADB:
                return -EBADMSG;
        case SQLITE_FULL:
                return -ENOSPC;
        case SQLITE_READONLY:
                return -EROFS;
        case SQLITE_BUSY:
        case SQLITE_LOCKED:
                return -EBUSY;
        case SQLITE_NOMEM:
                return -ENOMEM;
        case SQLITE_PERM:
        case SQLITE_AUTH:
                return -EACCES;
        case SQLITE_INTERRUPT:
                return -EINTR;
        case SQLITE_CANTOPEN:
        case SQLITE_IOERR:
                return system_errno(db);
        default:
                return -EIO;
        }
}

static int store_error(Store *s, int code) {
        int r = sqlite_to_errno(s->db, code);

        if (r < 0)
                log_debug("SQLite says %d: %s", code, sqlite3_errmsg(s->db));
        return r;
}

int sqlite_exec(sqlite3 *db, const char *sql) {
        int code = sqlite3_exec(db, sql, NULL, NULL, NULL);

        if (code != SQLITE_OK)
                log_debug("SQLite says %d: %s", code, sqlite3_errmsg(db));
        return sqlite_to_errno(db, code);
}

void statement_resetp(sqlite3_stmt **s) {
        if (!*s) /* of a damaged database */
                return;
        (void)sqlite3_reset(*s);
        (void)sqlite3_clear_bindings(*s);
}

int store_step_row(Store *s, sqlite3_stmt *statement) {
        int code = sqlite3_step(statement);

        if (code == SQLITE_ROW)
                return 0;
        return code == SQLITE_DONE ? -ENOENT : store_error(s, code);
}

int store_step_done(Store *s, sqlite3_stmt *statement) {
        int r = store_error(s, sqlite3_step(statement));

        statement_resetp(&statement);
        return r;
}

int store_change(Store *s, Statement i, const char *text, const char *other) {
        sqlite3_stmt *statement = s->statements[i];

        bind_text(statement, 1, text);
        if (other)
                bind_text(statement, 2, other);
        return store_step_done(s, statement);
}

int store_get_text(Store *s, Statement i, const char *text, char **ret) {
        _cleanup_reset_ sqlite3_stmt *statement = s->statements[i];
        const char *found;
        int r;

        bind_text(statement, 1, text);
        r = store_step_row(s, statement);
        if (r < 0)
                return r;
        found = column_text(statement, 0);
        if (!found)
                return -ENOENT;
        *ret = strdup(found);
        return *ret ? 0 : -ENOMEM;
}

/* --- values --- */

/* From this job to this job; NULL: from the first one to the last, because in SQLite's order a blob comes after every
 * text. */
void bind_jobs(sqlite3_stmt *s, const char *job) {
        bind_text(s, 1, strempty(job));
        if (job)
                bind_text(s, 2, job);
        else
                (void)sqlite3_bind_zeroblob(s, 2, 0);
}

/* --- transactions --- */

StoreAhead *store_ahead_free(StoreAhead *a) {
        if (!a)
                return NULL;
        bytes_done(&a->names);
        free(a->stamps);
        free(a->others);
        return mfree(a);
}

void store_end_read_ahead(Store *s) {
        s->ahead = store_ahead_free(s->ahead);
}

void store_release_memory(Store *s) {
        (void)sqlite3_db_release_memory(s->db);
}

int store_begin(Store *s) {
        int r = s->n_wal_pages >= WAL_PAGES_MAX ? store_checkpoint(s) : 0;

        store_end_read_ahead(s);
        return r < 0 ? r : store_step_done(s, s->statements[STATEMENT_BEGIN]);
}

int store_commit(Store *s) {
        return store_step_done(s, s->statements[STATEMENT_COMMIT]);
}

void store_rollback(Store *s) {
        if (!sqlite3_get_autocommit(s->db))
                (void)store_step_done(s, s->statements[STATEMENT_ROLLBACK]);
}

static int on_wal(void *userdata, sqlite3 *db, const char *name, int n_pages) {
        Store *s = userdata;

        assert(n_pages >= 0);
        s->n_wal_pages = (unsigned)n_pages;
        return SQLITE_OK;
}

unsigned store_n_wal_pages(const Store *s) {
        return s->n_wal_pages;
}

int store_checkpoint(Store *s) {
        int n_pages = 0, n_moved = 0;
        int code;

        code = sqlite3_wal_checkpoint_v2(s->db, NULL, SQLITE_CHECKPOINT_PASSIVE, &n_pages, &n_moved);
        if (code != SQLITE_OK)
                return store_error(s, code);
        s->n_wal_pages = (unsigned)MAX(n_pages - n_moved, 0);
        store_release_memory(s);
        return 0;
}

static int read_number(Store *s, const char *pragma) {
        sqlite3_stmt *statement = NULL;
        int n = 0;

        if (sqlite3_prepare_v2(s->db, pragma, -1, &statement, NULL) == SQLITE_OK &&
            sqlite3_step(statement) == SQLITE_ROW)
                n = sqlite3_column_int(statement, 0);
        (void)sqlite3_finalize(statement);
        return n;
}

int store_shrink(Store *s) {
        int n_free = read_number(s, "PRAGMA freelist_count");
        int r;

        if (n_free < SHRINK_FREE_MIN || n_free < read_number(s, "PRAGMA page_count") / SHRINK_FREE_PART)
                return 0;
        r = store_begin(s);
        if (r >= 0)
                r = sqlite_exec(s->db, "PRAGMA incremental_vacuum(" SHRINK_PAGES ")");
        if (r >= 0)
                r = store_commit(s);
        if (r < 0)
                store_rollback(s);
        return r < 0 ? r : read_number(s, "PRAGMA freelist_count") < n_free;
}

/* --- opening --- */

/* SQLite would create it readable for all users; the log file gets the mode of the database. */
static int make_file(const char *path) {
        int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOCTTY, 0600);

        if (fd < 0)
                return errno == EEXIST ? 0 : -errno;
        (void)close(fd);
        return 0;
}

static int connect_file(sqlite3 **ret, const char *path) {
        int code, r;

        code = sqlite3_open_v2(path, ret, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE,
                               wal_file_vfs());
        if (code != SQLITE_OK)
                return sqlite_to_errno(*ret, code);
        /* Until it is known to be ours, closing it must not write to it either. */
        (void)sqlite3_db_config(*ret, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
        (void)sqlite3_db_config(*ret, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
        (void)sqlite3_db_config(*ret, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
        (void)sqlite3_limit(*ret, SQLITE_LIMIT_LENGTH, ROW_BYTES_MAX);
        (void)sqlite3_busy_timeout(*ret, 0);
        r = sqlite_exec(*ret, "PRAGMA locking_mode = EXCLUSIVE");
        if (r < 0)
                return r;
        /* Opened for reading when it may not be written. */
        if (sqlite3_db_readonly(*ret, "main") != 0)
                return -EROFS;
        return schema_check(*ret);
}

/* Ours now: from here on it may be written. */
static int set_up(Store *s) {
        int r = 0;

        /* It can be set in an empty file only, and in any other one it begins to write: on a disk that is full, what
         * is in the ledger could not be read. */
        if (read_number(s, "PRAGMA page_count") == 0)
                r = sqlite_exec(s->db, "PRAGMA auto_vacuum = INCREMENTAL");
        if (r < 0)
                return r;
        r = sqlite_exec(s->db, "PRAGMA journal_mode = WAL;"
                               "PRAGMA synchronous = NORMAL;"
                               "PRAGMA wal_autocheckpoint = 0;"
                               "PRAGMA journal_size_limit = 8388608;"
                               "PRAGMA max_page_count = " PAGES_MAX ";"
                               "PRAGMA cache_size = -" CACHE_KIB ";"
                               "PRAGMA secure_delete = OFF;"
                               "PRAGMA temp_store = MEMORY;"
                               "PRAGMA mmap_size = 0");
        if (r < 0)
                return r;
        (void)sqlite3_wal_hook(s->db, on_wal, s);
        return schema_migrate(s->db);
}

/* The name in an earlier version: it can be saved from a damaged database that could not be upgraded, too. */
static void prepare_former(Store *s, Statement i) {
        if (i == STATEMENT_LIST_STAMPS)
                (void)sqlite3_prepare_v2(s->db, "SELECT job, key, usec FROM marks WHERE job >= ?1 AND job <= ?2", -1,
                                         &s->statements[i], NULL);
}

static int prepare_one(Store *s, Statement i) {
        _cleanup_free_ char *built = statement_sql[i] ? NULL : run_statement_sql(i);
        const char *sql = statement_sql[i] ?: built;
        int code;

        if (!sql)
                return -ENOMEM;
        assert(!s->statements[i]);
        code = sqlite3_prepare_v3(s->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &s->statements[i], NULL);
        if (code == SQLITE_OK)
                return 0;
        if ((code & 0xff) != SQLITE_ERROR)
                return store_error(s, code);
        /* A table or a column is missing: this version of the schema has it, so the file is broken. */
        prepare_former(s, i);
        return -EBADMSG;
}

static void store_closep(Store **s) {
        if (*s)
                *s = store_close(*s, /* is_damaged= */ true);
}

/* Everything that can be read, even if one is missing: this is what can be saved from a damaged database. */
static int prepare_all(Store *s) {
        int r = 0;

        for (Statement i = 0; i < _STATEMENT_MAX; i++) {
                int k = prepare_one(s, i);

                if (k < 0 && k != -EBADMSG)
                        return k;
                r = MIN(r, k);
        }
        return r;
}

int store_open(Store **ret, const char *path, const BootId *boot) {
        _cleanup_(store_closep) Store *s = calloc(1, sizeof(*s));
        int r, k;

        if (!s)
                return -ENOMEM;
        /* Or it locks and unlocks for each piece of memory. It is refused when SQLite is in use already. */
        (void)sqlite3_config(SQLITE_CONFIG_SINGLETHREAD);
        (void)sd_id128_to_string(boot->id, s->boot);
        (void)sd_id128_to_string(boot->kernel, s->kernel_boot);
        r = make_file(path);
        if (r >= 0)
                r = connect_file(&s->db, path);
        if (r >= 0)
                r = set_up(s);
        if (r < 0 && r != -EBADMSG)
                return r;
        k = prepare_all(s);
        r = r < 0 ? r : k;
        if (r < 0 && r != -EBADMSG)
                return r;
        if (r >= 0)
                (void)sqlite3_db_config(s->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL);
        *ret = TAKE_PTR(s);
        return r;
}

Store *store_close(Store *s, bool is_damaged) {
        if (!s)
                return NULL;
        store_end_read_ahead(s);
        if (s->db && is_damaged)
                (void)sqlite3_db_config(s->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
        for (Statement i = 0; i < _STATEMENT_MAX; i++)
                (void)sqlite3_finalize(s->statements[i]);
        (void)sqlite3_close(s->db);
        return mfree(s);
}

/* --- looking for damage --- */

static int is_late(void *userdata) {
        const usec_t *deadline_monotonic = userdata;

        return now_clock(CLOCK_MONOTONIC) > *deadline_monotonic;
}

/* A page that could not be read is reported like damage; the code says what it was. If there is none ("failed to get
 * page"), the file gets the benefit of the doubt: real damage shows again when the page is used. */
static int validate_finding(const char *finding) {
        const char *unread = strstr(finding, "unable to get the page. error code=");
        int code;

        if (!unread)
                return strstr(finding, "failed to get page") ? 0 : -EBADMSG;
        code = atoi(strchr(unread, '=') + 1);
        return sqlite_to_errno(NULL, code);
}

static int on_check_row(void *userdata, int n, char **values, char **names) {
        int *result = userdata; /* the read error explains the rest */

        if (*result != 0 && *result != -EBADMSG)
                return 0;
        if (n == 0 || !values[0] || streq(values[0], "ok"))
                return 0;
        log_debug("SQLite finds: %s", values[0]);
        *result = validate_finding(values[0]);
        return 0;
}

static int check_table(Store *s, const char *pragma) {
        int code, result = 0;

        code = sqlite3_exec(s->db, pragma, on_check_row, &result, NULL);
        if (code == SQLITE_INTERRUPT)
                return -EINTR;
        return code != SQLITE_OK ? store_error(s, code) : result;
}

/* The important tables come first, and are small. SQLite reads through a tree without checking the clock, so big
 * tables of blobs and runs are not checked until something hits their damage. */
int store_check(Store *s, usec_t limit) {
        static const char *const pragmas[] = {
                "PRAGMA quick_check('meta')",   "PRAGMA quick_check('job_state')", "PRAGMA quick_check('stamps')",
                "PRAGMA quick_check('alarms')", "PRAGMA quick_check('blobs')",     "PRAGMA quick_check('runs')",
        };
        usec_t deadline_monotonic = usec_add(now_clock(CLOCK_MONOTONIC), limit);
        size_t n =
                read_number(s, "PRAGMA page_count") <= CHECK_ALL_PAGES ? ELEMENTSOF(pragmas) : ELEMENTSOF(pragmas) - 2;
        int r = 0;

        sqlite3_progress_handler(s->db, CHECK_PERIOD_OPS, is_late, &deadline_monotonic);
        for (size_t i = 0; r >= 0 && i < n; i++)
                r = check_table(s, pragmas[i]);
        sqlite3_progress_handler(s->db, 0, NULL, NULL);
        return r == -EINTR ? 0 : r;
}
