#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the files of the store share: the connection, its prepared statements, SQLite's results as errnos. */

#include <sqlite3.h>

#include "ledger/records.h"
#include "util/bytes.h"

typedef struct Store Store;

typedef enum Statement {
        STATEMENT_BEGIN,
        STATEMENT_COMMIT,
        STATEMENT_ROLLBACK,

        STATEMENT_PUT_RUN,
        STATEMENT_GET_RUN,
        STATEMENT_LAST_ID,
        STATEMENT_LAST_UNTIL,
        STATEMENT_QUERY_ALL,
        STATEMENT_QUERY_JOB,
        STATEMENT_QUERY_UNSUCCESSFUL,
        STATEMENT_QUERY_FAILED,
        STATEMENT_QUERY_BY_HAND,
        STATEMENT_NEXT_UNFINISHED,

        STATEMENT_COUNT_UNFINISHED,
        STATEMENT_NTH_NEWEST,
        STATEMENT_OLDEST,
        STATEMENT_DELETE_RUN,
        STATEMENT_NEXT_JOB,

        STATEMENT_SET_STAMP,
        STATEMENT_FORGET_STAMP,
        STATEMENT_GET_STAMP,
        STATEMENT_LIST_STAMPS,
        STATEMENT_SET_STATE,
        STATEMENT_FORGET_STATE,
        STATEMENT_GET_STATE,
        STATEMENT_LIST_STATES,
        STATEMENT_SET_ALARM,
        STATEMENT_FORGET_ALARM,
        STATEMENT_LIST_ALARMS,
        STATEMENT_PUT_BLOB,
        STATEMENT_FORGET_BLOB,
        STATEMENT_FORGET_BLOBS,
        STATEMENT_FORGET_BLOBS_OF_KEY,
        STATEMENT_LIST_BLOBS,
        STATEMENT_LIST_BLOBS_OF_KEY,
        STATEMENT_LIST_BLOBS_BACKWARDS,
        STATEMENT_NEXT_KEPT_JOB,
        STATEMENT_KEPT_BESIDE_STAMPS,
        STATEMENT_SET_META,
        STATEMENT_GET_META,
        _STATEMENT_MAX,
} Statement;

/* At a start and at a reload, much is asked about each of ten thousand jobs. One statement for all of them costs as
 * much as twenty for one: so the small tables are read at once, and look-ups are answered from that until something
 * else is written, or nobody needs it any more. */
typedef struct AheadStamp {
        size_t job, key; /* offsets in the names */
        usec_t usec;
} AheadStamp;

typedef struct StoreAhead {
        Bytes names;
        AheadStamp *stamps; /* by job and key */
        size_t n_stamps;
        size_t next_stamp; /* behind the one that was looked up last */
        size_t *others;    /* names of jobs of which something else is kept, perhaps beside stamps; in order */
        size_t n_others;
        bool has_states; /* any job has one */
} StoreAhead;

struct Store {
        sqlite3 *db;
        sqlite3_stmt *statements[_STATEMENT_MAX];
        char boot[SD_ID128_STRING_MAX], kernel_boot[SD_ID128_STRING_MAX];
        unsigned n_wal_pages;
        StoreAhead *ahead; /* NULL: nothing was read ahead */
};

StoreAhead *store_ahead_free(StoreAhead *a);
DEFINE_CLEANUP(StoreAhead, store_ahead_free)

/* SQLite's result code as the negative errno that store.h names; 0 for OK, ROW and DONE. */
int sqlite_to_errno(sqlite3 *db, int code);
int sqlite_exec(sqlite3 *db, const char *sql);

/* Resets a statement at the end of its scope, so that no lock and no borrowed string is left. */
void statement_resetp(sqlite3_stmt **s);
#define _cleanup_reset_ _cleanup_(statement_resetp)

/* A string that outlives the statement's next reset. */
static inline void bind_text(sqlite3_stmt *s, int i, const char *text) {
        (void)sqlite3_bind_text(s, i, text, -1, SQLITE_STATIC);
}

/* For "job >= ?1 AND job <= ?2"; NULL: all jobs. */
void bind_jobs(sqlite3_stmt *s, const char *job);

static inline const char *column_text(sqlite3_stmt *s, int i) {
        return (const char *)sqlite3_column_text(s, i);
}

/* One row, or none: 0, -ENOENT, or another error. */
int store_step_row(Store *s, sqlite3_stmt *statement);
/* No row is expected; resets the statement. */
int store_step_done(Store *s, sqlite3_stmt *statement);

/* Runs a statement of one or two texts that returns no row. */
int store_change(Store *s, Statement i, const char *text, const char *other);

/* The text that a statement of one text returns, for free(): -ENOENT without a row, or when it is NULL. */
int store_get_text(Store *s, Statement i, const char *text, char **ret);

/* --- store-runs.c --- */
/* The SQL of the statements there that is made from its table of columns, for free(). */
char *run_statement_sql(Statement i);
/* How much is kept of a text of users and programs: at most LEDGER_TEXT_MAX bytes, without an incomplete UTF-8
 * character at the end. If the text is not UTF-8, all of these bytes. */
int text_length(const char *text);
