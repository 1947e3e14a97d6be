/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Bytes that are kept for jobs, in the database. They are bound in place; SQLite makes only one copy, that of the row
 * on its way to the pages. */

#include "ledger/store-internal.h"
#include "ledger/store.h"

int store_put_blob(Store *s, const char *job, const char *key, uint64_t id, const void *bytes, size_t n) {
        sqlite3_stmt *statement = s->statements[STATEMENT_PUT_BLOB];

        bind_text(statement, 1, job);
        bind_text(statement, 2, key);
        (void)sqlite3_bind_int64(statement, 3, (sqlite3_int64)id);
        (void)sqlite3_bind_blob64(statement, 4, bytes, n, SQLITE_STATIC);
        return store_step_done(s, statement);
}

int store_forget_blob(Store *s, const char *job, const char *key, uint64_t id) {
        sqlite3_stmt *statement = s->statements[STATEMENT_FORGET_BLOB];

        bind_text(statement, 1, job);
        bind_text(statement, 2, key);
        (void)sqlite3_bind_int64(statement, 3, (sqlite3_int64)id);
        return store_step_done(s, statement);
}

int store_forget_blobs(Store *s, const char *job, const char *key) {
        return store_change(s, key ? STATEMENT_FORGET_BLOBS_OF_KEY : STATEMENT_FORGET_BLOBS, job, key);
}

static int walk(Store *s, sqlite3_stmt *statement, StoreBlobFunc visit, void *userdata) {
        int r;

        while ((r = store_step_row(s, statement)) >= 0) {
                const void *bytes = sqlite3_column_blob(statement, 3);

                r = visit(column_text(statement, 0), column_text(statement, 1),
                          (uint64_t)sqlite3_column_int64(statement, 2), bytes ?: "",
                          (size_t)sqlite3_column_bytes(statement, 3), userdata);
                if (r != 0)
                        return r;
        }
        return r == -ENOENT ? 0 : r;
}

int store_list_blobs(Store *s, const char *job, const char *key, StoreBlobFunc visit, void *userdata) {
        _cleanup_reset_ sqlite3_stmt *statement =
                s->statements[job && key ? STATEMENT_LIST_BLOBS_OF_KEY : STATEMENT_LIST_BLOBS];

        bind_jobs(statement, job);
        if (key) /* else NULL, any */
                bind_text(statement, 3, key);
        return walk(s, statement, visit, userdata);
}

int store_list_blobs_backwards(Store *s, StoreBlobFunc visit, void *userdata) {
        _cleanup_reset_ sqlite3_stmt *statement = s->statements[STATEMENT_LIST_BLOBS_BACKWARDS];

        return walk(s, statement, visit, userdata);
}
