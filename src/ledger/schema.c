/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What is in the database.
 *
 * Enumerations are stored as their words, which never change their meaning (job/run.h), so that no reordering of an
 * enum turns history into nonsense and sqlite3(1) shows something that can be read. Times are µs of CLOCK_REALTIME;
 * values of 64 bits without a sign are stored as SQLite's signed ones of the same bits.
 *
 * Ids of runs are given out by the ledger and not by SQLite (run-ids.h). An index ends in the row's id by itself, so
 * that runs_by_job is in the order of ListRuns; the others are partial and hold what is rare: what goes on, what did
 * not end well, and of that what failed, since what was skipped may be much; what somebody asked for by hand. What is
 * not known of a run is NULL where 0 is a value of its own. */

#include "ledger/schema.h"

#include "ledger/store-internal.h"

#define APPLICATION_ID 0x76616b74 /* "vakt"; file(1) shows it */

static const char schema_1[] = "CREATE TABLE runs ("
                               "  id INTEGER PRIMARY KEY,"
                               "  job TEXT NOT NULL,"
                               "  cause TEXT NOT NULL,"
                               "  state TEXT NOT NULL,"
                               "  result TEXT NOT NULL,"
                               "  code INTEGER NOT NULL,"
                               "  attempt INTEGER NOT NULL,"
                               "  trigger_index INTEGER NOT NULL,"
                               "  parent INTEGER NOT NULL,"
                               "  scheduled INTEGER NOT NULL,"
                               "  requested INTEGER NOT NULL,"
                               "  started INTEGER NOT NULL,"
                               "  ended INTEGER NOT NULL,"
                               "  pid INTEGER NOT NULL,"
                               "  reason TEXT,"
                               "  status TEXT,"
                               "  boot TEXT NOT NULL," /* boot of the machine when the run was last seen active */
                               "  host TEXT,"
                               "  unit TEXT,"
                               "  invocation TEXT,"
                               "  payload TEXT," /* what a path trigger gave it, for people; bytes */
                               "  cpu_usec INTEGER,"
                               "  memory_peak INTEGER"
                               ") STRICT;"
                               "CREATE INDEX runs_by_job ON runs (job);"
                               "CREATE INDEX runs_unfinished ON runs (id, job) WHERE state <> 'done';"
                               "CREATE INDEX runs_unsuccessful ON runs (id) WHERE result NOT IN ('', 'success');"
                               "CREATE TABLE marks ("
                               "  job TEXT NOT NULL,"
                               "  key TEXT NOT NULL,"
                               "  usec INTEGER NOT NULL,"
                               "  PRIMARY KEY (job, key)"
                               ") STRICT, WITHOUT ROWID;"
                               "CREATE TABLE job_state ("
                               "  job TEXT PRIMARY KEY NOT NULL,"
                               "  paused INTEGER NOT NULL,"
                               "  pause_until INTEGER NOT NULL,"
                               "  skip INTEGER NOT NULL"
                               ") STRICT, WITHOUT ROWID;"
                               "CREATE TABLE meta ("
                               "  key TEXT PRIMARY KEY NOT NULL,"
                               "  value TEXT NOT NULL"
                               ") STRICT, WITHOUT ROWID;";

static const char schema_2[] = "ALTER TABLE runs ADD COLUMN parent_job TEXT;"
                               "ALTER TABLE runs ADD COLUMN alarm TEXT;"
                               "ALTER TABLE runs ADD COLUMN pid_start INTEGER NOT NULL DEFAULT 0;"
                               "CREATE TABLE alarms ("
                               "  job TEXT NOT NULL,"
                               "  key TEXT NOT NULL,"
                               "  since INTEGER NOT NULL,"
                               "  raised INTEGER NOT NULL,"
                               "  run INTEGER NOT NULL,"
                               "  text TEXT,"
                               "  PRIMARY KEY (job, key)"
                               ") STRICT, WITHOUT ROWID;";

/* Reads every run, and may hit damage that was not noticed yet: a separate step, so that the previous one is kept and
 * what is needed can be saved. */
static const char schema_3[] = "CREATE INDEX runs_failed ON runs (id)"
                               "  WHERE result IN ('exit', 'signal', 'timeout', 'oom', 'start-failed', 'lost');"
                               "CREATE INDEX runs_by_hand ON runs (id) WHERE cause = 'manual';";

/* Its rows are ordered by their own ids, with the key in a separate index: in one tree with the key, every search that
 * passes a row of megabytes would read it completely. */
static const char schema_4[] = "CREATE TABLE blobs ("
                               "  job TEXT NOT NULL,"
                               "  key TEXT NOT NULL,"
                               "  id INTEGER NOT NULL,"
                               "  bytes BLOB NOT NULL,"
                               "  PRIMARY KEY (job, key, id)"
                               ") STRICT;";

/* The field's word for what is kept of a trigger. */
static const char schema_5[] = "ALTER TABLE marks RENAME TO stamps;";

/* What runs of [Rotate] and [Clean] did. */
static const char schema_6[] = "ALTER TABLE runs ADD COLUMN files INTEGER;"
                               "ALTER TABLE runs ADD COLUMN bytes_freed INTEGER;";

/* SQLite makes a tree of an IN list of more than two values whenever it looks whether a row belongs into the index,
 * which cost as much as everything else in a commit. A separate step for the same reason as version 3. */
static const char schema_7[] = "DROP INDEX runs_failed;"
                               "CREATE INDEX runs_failed ON runs (id)"
                               "  WHERE result = 'exit' OR result = 'signal' OR result = 'timeout' OR result = 'oom'"
                               "  OR result = 'start-failed' OR result = 'lost';";

/* Entry i upgrades from version i to version i + 1. Released entries never change; new ones are appended. */
static const char *const migrations[] = { schema_1, schema_2, schema_3, schema_4, schema_5, schema_6, schema_7 };
_Static_assert(ELEMENTSOF(migrations) == SCHEMA_VERSION, "one step for each version");

static int read_number(sqlite3 *db, const char *sql, int *ret) {
        sqlite3_stmt *s = NULL;
        int code;

        *ret = 0;
        code = sqlite3_prepare_v2(db, sql, -1, &s, NULL);
        if (code == SQLITE_OK)
                code = sqlite3_step(s);
        if (code == SQLITE_ROW)
                *ret = sqlite3_column_int(s, 0);
        (void)sqlite3_finalize(s);
        return code == SQLITE_ROW ? 0 : sqlite_to_errno(db, code);
}

int schema_check(sqlite3 *db) {
        int version, application, n_objects;
        int r;

        r = read_number(db, "PRAGMA user_version", &version);
        if (r >= 0)
                r = read_number(db, "PRAGMA application_id", &application);
        if (r >= 0)
                r = read_number(db, "SELECT count(*) FROM sqlite_schema", &n_objects);
        if (r < 0)
                return r;
        if (application != APPLICATION_ID && (application != 0 || n_objects > 0))
                return -EMEDIUMTYPE;
        if (version < 0 || version > SCHEMA_VERSION)
                return -EPROTONOSUPPORT;
        return 0;
}

/* Tables that do not match their version are damage. */
static int migrate_from(sqlite3 *db, int version) {
        char finish[128];
        int r;

        assert(version >= 0 && version < SCHEMA_VERSION);
        (void)snprintf(finish, sizeof(finish), "PRAGMA user_version = %d; PRAGMA application_id = %d; COMMIT",
                       version + 1, APPLICATION_ID);
        r = sqlite_exec(db, "BEGIN IMMEDIATE");
        if (r >= 0)
                r = sqlite_exec(db, migrations[version]);
        if (r < 0 && (sqlite3_errcode(db) & 0xff) == SQLITE_ERROR)
                return -EBADMSG;
        return r < 0 ? r : sqlite_exec(db, finish);
}

int schema_migrate(sqlite3 *db) {
        int version, r;

        r = read_number(db, "PRAGMA user_version", &version);
        for (; r >= 0 && version < SCHEMA_VERSION; version++)
                r = migrate_from(db, version);
        if (r < 0 && !sqlite3_get_autocommit(db))
                (void)sqlite_exec(db, "ROLLBACK");
        return r;
}
