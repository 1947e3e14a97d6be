#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The tables of version 1 as they were released, and not as schema.c has them, so that a change of history shows; and
 * what the later versions made of them. */

#include <sqlite3.h>

#include "test-ledger.h"

static const char version_1[] =
        "CREATE TABLE runs (id INTEGER PRIMARY KEY, job TEXT NOT NULL, cause TEXT NOT NULL, state TEXT NOT NULL,"
        " result TEXT NOT NULL, code INTEGER NOT NULL, attempt INTEGER NOT NULL, trigger_index INTEGER NOT NULL,"
        " parent INTEGER NOT NULL, scheduled INTEGER NOT NULL, requested INTEGER NOT NULL, started INTEGER NOT NULL,"
        " ended INTEGER NOT NULL, pid INTEGER NOT NULL, reason TEXT, status TEXT, boot TEXT NOT NULL, host TEXT,"
        " unit TEXT, invocation TEXT, payload TEXT, cpu_usec INTEGER, memory_peak INTEGER) STRICT;"
        "CREATE INDEX runs_by_job ON runs (job);"
        "CREATE INDEX runs_unfinished ON runs (id, job) WHERE state <> 'done';"
        "CREATE INDEX runs_unsuccessful ON runs (id) WHERE result NOT IN ('', 'success');"
        "CREATE TABLE marks (job TEXT NOT NULL, key TEXT NOT NULL, usec INTEGER NOT NULL, PRIMARY KEY (job, key))"
        " STRICT, WITHOUT ROWID;"
        "CREATE TABLE job_state (job TEXT PRIMARY KEY NOT NULL, paused INTEGER NOT NULL,"
        " pause_until INTEGER NOT NULL, skip INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
        "CREATE TABLE meta (key TEXT PRIMARY KEY NOT NULL, value TEXT NOT NULL) STRICT, WITHOUT ROWID;"
        "PRAGMA user_version = 1; PRAGMA application_id = 0x76616b74";

_unused_ static const char version_2_from_1[] =
        "ALTER TABLE runs ADD COLUMN parent_job TEXT; ALTER TABLE runs ADD COLUMN alarm TEXT;"
        "ALTER TABLE runs ADD COLUMN pid_start INTEGER NOT NULL DEFAULT 0;"
        "CREATE TABLE alarms (job TEXT NOT NULL, key TEXT NOT NULL, since INTEGER NOT NULL, raised INTEGER NOT NULL,"
        " run INTEGER NOT NULL, text TEXT, PRIMARY KEY (job, key)) STRICT, WITHOUT ROWID;"
        "PRAGMA user_version = 2";

_unused_ static const char version_3_from_2[] =
        "CREATE INDEX runs_failed ON runs (id)"
        " WHERE result IN ('exit', 'signal', 'timeout', 'oom', 'start-failed', 'lost');"
        "CREATE INDEX runs_by_hand ON runs (id) WHERE cause = 'manual';"
        "PRAGMA user_version = 3";

_unused_ static const char version_4_from_3[] =
        "CREATE TABLE blobs (job TEXT NOT NULL, key TEXT NOT NULL, id INTEGER NOT NULL, bytes BLOB NOT NULL,"
        " PRIMARY KEY (job, key, id)) STRICT;"
        "PRAGMA user_version = 4";

_unused_ static const char version_5_from_4[] = "ALTER TABLE marks RENAME TO stamps; PRAGMA user_version = 5";

_unused_ static const char version_6_from_5[] =
        "ALTER TABLE runs ADD COLUMN files INTEGER; ALTER TABLE runs ADD COLUMN bytes_freed INTEGER;"
        "PRAGMA user_version = 6";

static inline void run_sql(const char *sql) {
        sqlite3 *db = NULL;

        assert_int_equal(sqlite3_open(in_directory(LEDGER_FILE), &db), SQLITE_OK);
        assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
        assert_int_equal(sqlite3_close(db), SQLITE_OK);
}
