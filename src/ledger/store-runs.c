/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Runs in the database. One table maps each member of a RunRecord to its column; the statements that write and read
 * whole records are generated from it, so that a new member of RunRecord is one line here (and, if the column is new,
 * one migration in schema.c). */

#include <stdio_ext.h>

#include "job/job-def.h"
#include "ledger/store-internal.h"
#include "ledger/store.h"

#define UTF8_BYTES_MAX 4 /* of one character */

typedef enum ColumnType {
        COLUMN_U64,
        COLUMN_U32,
        COLUMN_INT,
        COLUMN_KNOWN, /* 64 bits, NULL when all are set: not known */
        COLUMN_TEXT,
        COLUMN_BYTES, /* a string in no encoding */
        COLUMN_ID128, /* 32 hex digits, NULL when null */
        COLUMN_CAUSE,
        COLUMN_STATE,
        COLUMN_RESULT,
} ColumnType;

typedef struct Column {
        const char *name;
        ColumnType type;
        size_t offset; /* in RunRecord */
        bool changes;  /* while the run is active */
} Column;

/* The first five are read by their position, see FilterColumn. */
static const Column columns[] = {
        { "id", COLUMN_U64, offsetof(RunRecord, id), false },
        { "job", COLUMN_TEXT, offsetof(RunRecord, job), false },
        { "cause", COLUMN_CAUSE, offsetof(RunRecord, cause), false },
        { "result", COLUMN_RESULT, offsetof(RunRecord, result), true },
        { "requested", COLUMN_U64, offsetof(RunRecord, requested), false },
        { "state", COLUMN_STATE, offsetof(RunRecord, state), true },
        { "code", COLUMN_INT, offsetof(RunRecord, code), true },
        { "attempt", COLUMN_U32, offsetof(RunRecord, attempt), false },
        { "trigger_index", COLUMN_U32, offsetof(RunRecord, trigger), false },
        { "parent", COLUMN_U64, offsetof(RunRecord, parent), false },
        { "parent_job", COLUMN_TEXT, offsetof(RunRecord, parent_job), false },
        { "alarm", COLUMN_TEXT, offsetof(RunRecord, alarm), false },
        { "payload", COLUMN_BYTES, offsetof(RunRecord, payload), true },
        { "scheduled", COLUMN_U64, offsetof(RunRecord, scheduled), false },
        { "started", COLUMN_U64, offsetof(RunRecord, started), true },
        { "ended", COLUMN_U64, offsetof(RunRecord, ended), true },
        { "pid", COLUMN_INT, offsetof(RunRecord, pid), true },
        { "pid_start", COLUMN_U64, offsetof(RunRecord, pid_start), true },
        { "unit", COLUMN_TEXT, offsetof(RunRecord, unit), true },
        { "invocation", COLUMN_ID128, offsetof(RunRecord, invocation), true },
        { "cpu_usec", COLUMN_KNOWN, offsetof(RunRecord, cpu), true },
        { "memory_peak", COLUMN_KNOWN, offsetof(RunRecord, memory_peak), true },
        { "files", COLUMN_KNOWN, offsetof(RunRecord, files), true },
        { "bytes_freed", COLUMN_KNOWN, offsetof(RunRecord, bytes_freed), true },
        { "host", COLUMN_TEXT, offsetof(RunRecord, host), true },
        { "reason", COLUMN_TEXT, offsetof(RunRecord, reason), true },
        { "status", COLUMN_TEXT, offsetof(RunRecord, status_text), true },
};
#define BOOT_COLUMN ((int)ELEMENTSOF(columns)) /* appended to them; for the store only */
#define OTHER_BOOT  ""                         /* one that is over, whichever it was */
_Static_assert(sizeof(pid_t) == sizeof(int), "a pid is written as an int");
_Static_assert(USEC_INFINITY == UINT64_MAX, "not known is all bits set");

typedef enum FilterColumn { FILTER_ID, FILTER_JOB, FILTER_CAUSE, FILTER_RESULT, FILTER_REQUESTED } FilterColumn;

/* --- SQL --- */

/* "id, job, …, boot", each name with prefix and suffix around it. */
static void print_names(FILE *f) {
        for (size_t i = 0; i < ELEMENTSOF(columns); i++)
                fprintf(f, "%s, ", columns[i].name);
        fputs("boot", f);
}

/* The identity of a run does not change, so its indexes are left alone. A run that has ended belongs to the boot in
 * which it was last seen active, even if that is found out during the next one. */
static void print_put(FILE *f) {
        fputs("INSERT INTO runs (", f);
        print_names(f);
        fputs(") VALUES (", f);
        for (int i = 1; i <= BOOT_COLUMN; i++)
                fprintf(f, "?%d, ", i);
        fprintf(f, "?%d) ON CONFLICT (id) DO UPDATE SET ", BOOT_COLUMN + 1);
        for (size_t i = 0; i < ELEMENTSOF(columns); i++)
                if (columns[i].changes)
                        fprintf(f, "%s = excluded.%s, ", columns[i].name, columns[i].name);
        fputs("boot = CASE excluded.state WHEN 'done' THEN boot ELSE excluded.boot END", f);
}

static void print_select(FILE *f, const char *rest) {
        fputs("SELECT ", f);
        print_names(f);
        fprintf(f, " FROM runs %s", rest);
}

/* SQLite takes the index only for the very expression that it was made with. */
static void print_select_failed(FILE *f) {
        const char *before = "(";

        print_select(f, "INDEXED BY runs_failed WHERE id < ?1 AND ");
        for (RunResult i = 0; i < _RUN_RESULT_MAX; i++)
                if (run_result_is_failure(i)) {
                        fprintf(f, "%sresult = '%s'", before, run_result_to_string(i));
                        before = " OR ";
                }
        fputs(") ORDER BY id DESC", f);
}

static void print_statement(FILE *f, Statement i) {
        static const char *const rests[_STATEMENT_MAX] = {
                [STATEMENT_GET_RUN] = "WHERE id = ?1",
                [STATEMENT_QUERY_ALL] = "WHERE id < ?1 ORDER BY id DESC",
                [STATEMENT_QUERY_JOB] = "INDEXED BY runs_by_job WHERE id < ?1 AND job = ?2 ORDER BY id DESC",
                [STATEMENT_QUERY_UNSUCCESSFUL] = "INDEXED BY runs_unsuccessful"
                                                 " WHERE id < ?1 AND result NOT IN ('', 'success') ORDER BY id DESC",
                [STATEMENT_QUERY_BY_HAND] =
                        "INDEXED BY runs_by_hand WHERE id < ?1 AND cause = 'manual' ORDER BY id DESC",
                [STATEMENT_NEXT_UNFINISHED] =
                        "INDEXED BY runs_unfinished WHERE id > ?1 AND state <> 'done' ORDER BY id",
        };

        if (i == STATEMENT_PUT_RUN)
                print_put(f);
        else if (i == STATEMENT_QUERY_FAILED)
                print_select_failed(f);
        else
                print_select(f, rests[i]);
}

char *run_statement_sql(Statement i) {
        char *sql = NULL;
        size_t n;
        FILE *f = open_memstream(&sql, &n);

        if (!f)
                return NULL;
        (void)__fsetlocking(f, FSETLOCKING_BYCALLER);
        print_statement(f, i);
        if (fclose(f) != 0)
                return mfree(sql);
        return sql;
}

/* --- records to rows and back --- */

static void bind_id128(sqlite3_stmt *s, int i, sd_id128_t id) {
        char text[SD_ID128_STRING_MAX];

        if (!sd_id128_is_null(id))
                (void)sqlite3_bind_text(s, i, sd_id128_to_string(id, text), -1, SQLITE_TRANSIENT);
}

int text_length(const char *text) {
        size_t n = strnlen(text, LEDGER_TEXT_MAX + 1);

        if (n <= LEDGER_TEXT_MAX)
                return (int)n;
        for (n = LEDGER_TEXT_MAX; n > LEDGER_TEXT_MAX - UTF8_BYTES_MAX; n--)
                if ((text[n] & 0xc0) != 0x80)
                        return (int)n;
        return LEDGER_TEXT_MAX;
}

/* What is not bound is NULL. SQLite returns the bytes of a text unchanged, valid or not. */
static void bind_column(sqlite3_stmt *s, int i, const Column *c, const RunRecord *r) {
        const void *p = (const char *)r + c->offset;
        const char *text = NULL;
        int n = -1;

        switch (c->type) {
        case COLUMN_U64:
                (void)sqlite3_bind_int64(s, i, (sqlite3_int64) * (const uint64_t *)p);
                return;
        case COLUMN_U32:
                (void)sqlite3_bind_int64(s, i, *(const uint32_t *)p);
                return;
        case COLUMN_INT:
                (void)sqlite3_bind_int(s, i, *(const int *)p);
                return;
        case COLUMN_KNOWN:
                if (*(const uint64_t *)p != UINT64_MAX)
                        (void)sqlite3_bind_int64(s, i, (sqlite3_int64) * (const uint64_t *)p);
                return;
        case COLUMN_TEXT:
                text = *(const char *const *)p;
                n = text ? text_length(text) : 0;
                break;
        case COLUMN_BYTES:
                text = *(const char *const *)p;
                n = text ? (int)strnlen(text, LEDGER_PAYLOAD_MAX) : 0;
                break;
        case COLUMN_ID128:
                bind_id128(s, i, *(const sd_id128_t *)p);
                return;
        case COLUMN_CAUSE:
                text = run_cause_to_string(*(const RunCause *)p);
                break;
        case COLUMN_STATE:
                text = run_state_to_string(*(const RunState *)p);
                break;
        case COLUMN_RESULT:
                text = run_result_to_string(*(const RunResult *)p);
                break;
        }
        if (text)
                (void)sqlite3_bind_text(s, i, text, n, SQLITE_STATIC);
}

static uint64_t column_known(sqlite3_stmt *s, int i) {
        return sqlite3_column_type(s, i) == SQLITE_NULL ? UINT64_MAX : (uint64_t)sqlite3_column_int64(s, i);
}

/* An invalid id counts as unknown. */
static sd_id128_t column_id128(sqlite3_stmt *s, int i) {
        const char *text = column_text(s, i);
        sd_id128_t id;

        return text && sd_id128_from_string(text, &id) >= 0 ? id : SD_ID128_NULL;
}

/* Strings belong to SQLite until the next step. Negative if a word is not one of ours. */
static int load_column(sqlite3_stmt *s, int i, const Column *c, RunRecord *r) {
        void *p = (char *)r + c->offset;
        int value = 0;

        switch (c->type) {
        case COLUMN_U64:
                *(uint64_t *)p = (uint64_t)sqlite3_column_int64(s, i);
                break;
        case COLUMN_U32:
                *(uint32_t *)p = (uint32_t)sqlite3_column_int64(s, i);
                break;
        case COLUMN_INT:
                *(int *)p = sqlite3_column_int(s, i);
                break;
        case COLUMN_KNOWN:
                *(uint64_t *)p = column_known(s, i);
                break;
        case COLUMN_TEXT:
        case COLUMN_BYTES:
                *(const char **)p = column_text(s, i);
                break;
        case COLUMN_ID128:
                *(sd_id128_t *)p = column_id128(s, i);
                break;
        case COLUMN_CAUSE:
                value = run_cause_from_string(column_text(s, i));
                *(RunCause *)p = (RunCause)MAX(value, 0);
                break;
        case COLUMN_STATE:
                value = run_state_from_string(column_text(s, i));
                *(RunState *)p = (RunState)MAX(value, 0);
                break;
        case COLUMN_RESULT:
                value = run_result_from_string(column_text(s, i));
                *(RunResult *)p = (RunResult)MAX(value, 0);
                break;
        }
        return value;
}

/* A row that is unreadable because of damage or a manual change is -EINVAL, and left out. */
static int load_record(sqlite3_stmt *s, RunRecord *ret) {
        *ret = (RunRecord){};
        for (size_t i = 0; i < ELEMENTSOF(columns); i++)
                if (load_column(s, (int)i, &columns[i], ret) < 0)
                        return -EINVAL;
        return ret->id > 0 && ret->job && job_name_is_valid(ret->job) ? 0 : -EINVAL;
}

static bool is_this_boot(Store *s, sqlite3_stmt *statement) {
        const char *boot = column_text(statement, BOOT_COLUMN);

        return streq_ptr(boot, s->boot) || streq_ptr(boot, s->kernel_boot);
}

/* Ids and bounds: SQLite's integers have a sign. */
static sqlite3_int64 bound_id(uint64_t id) {
        return (sqlite3_int64)MIN(id, (uint64_t)INT64_MAX);
}

/* --- one run --- */

int store_put_run(Store *s, const RunRecord *record, bool this_boot) {
        sqlite3_stmt *statement = s->statements[STATEMENT_PUT_RUN];

        for (size_t i = 0; i < ELEMENTSOF(columns); i++)
                bind_column(statement, (int)i + 1, &columns[i], record);
        bind_text(statement, BOOT_COLUMN + 1, this_boot ? s->boot : OTHER_BOOT);
        return store_step_done(s, statement);
}

int store_get_run(Store *s, uint64_t id, OwnedRun *ret) {
        _cleanup_reset_ sqlite3_stmt *statement = s->statements[STATEMENT_GET_RUN];
        RunRecord record;
        int r;

        assert(id > 0);
        (void)sqlite3_bind_int64(statement, 1, bound_id(id));
        r = store_step_row(s, statement);
        if (r < 0)
                return r;
        if (load_record(statement, &record) < 0)
                return -ENOENT;
        return owned_run_assign(ret, &record);
}

int store_get_next_id(Store *s, uint64_t *ret) {
        _cleanup_reset_ sqlite3_stmt *statement = s->statements[STATEMENT_LAST_ID];
        int r;

        r = store_step_row(s, statement);
        if (r >= 0)
                *ret = (uint64_t)sqlite3_column_int64(statement, 0) + 1;
        return r;
}

int store_next_unfinished(Store *s, uint64_t after, StoreRunFunc visit, void *userdata) {
        _cleanup_reset_ sqlite3_stmt *statement = s->statements[STATEMENT_NEXT_UNFINISHED];
        RunRecord record;
        int r;

        (void)sqlite3_bind_int64(statement, 1, bound_id(after));
        while ((r = store_step_row(s, statement)) >= 0)
                if (load_record(statement, &record) >= 0)
                        return visit(&record, is_this_boot(s, statement), userdata);
        return r;
}

/* --- queries --- */

static bool in_set(uint32_t set, int value) {
        return set == 0 || (value >= 0 && (set & (UINT32_C(1) << value)) != 0);
}

static bool in_period(const LedgerFilter *f, usec_t requested) {
        return requested >= f->since && (f->until == 0 || requested <= f->until);
}

bool store_filter_matches(const LedgerFilter *f, const RunRecord *r) {
        return (!f->job || streq(f->job, r->job)) && in_set(f->causes, (int)r->cause) &&
               in_set(f->results, (int)r->result) && in_period(f, r->requested);
}

/* The same without reading the whole row; the job is what the statement asks for. */
static bool row_matches(sqlite3_stmt *s, const LedgerFilter *f) {
        return (f->causes == 0 || in_set(f->causes, run_cause_from_string(column_text(s, FILTER_CAUSE)))) &&
               (f->results == 0 || in_set(f->results, run_result_from_string(column_text(s, FILTER_RESULT)))) &&
               in_period(f, (usec_t)sqlite3_column_int64(s, FILTER_REQUESTED));
}

#define BIT(x)       (UINT32_C(1) << (x))
#define UNSUCCESSFUL (BIT(_RUN_RESULT_MAX) - 1 - BIT(RUN_RESULT_NONE) - BIT(RUN_RESULT_SUCCESS))

/* The first index that covers the query: the runs of a job, otherwise the index with the fewest rows. */
static Statement query_statement(const LedgerFilter *f) {
        static const struct {
                Statement statement;
                uint32_t results, causes; /* that it has; 0 = all */
        } indexes[] = {
                { STATEMENT_QUERY_FAILED, RUN_RESULTS_FAILED, 0 },
                { STATEMENT_QUERY_BY_HAND, 0, BIT(RUN_CAUSE_MANUAL) },
                { STATEMENT_QUERY_UNSUCCESSFUL, UNSUCCESSFUL, 0 },
        };

        if (f->job)
                return STATEMENT_QUERY_JOB;
        for (size_t i = 0; i < ELEMENTSOF(indexes); i++)
                if ((indexes[i].results == 0 || (f->results != 0 && (f->results & ~indexes[i].results) == 0)) &&
                    (indexes[i].causes == 0 || (f->causes != 0 && (f->causes & ~indexes[i].causes) == 0)))
                        return indexes[i].statement;
        return STATEMENT_QUERY_ALL;
}

/* The last one of the next LEDGER_CLOCK_SKEW runs from id on that was requested until then; 0 = none. */
static int last_until(Store *s, uint64_t id, usec_t until, uint64_t *ret) {
        _cleanup_reset_ sqlite3_stmt *statement = s->statements[STATEMENT_LAST_UNTIL];
        int r;

        (void)sqlite3_bind_int64(statement, 1, bound_id(id));
        (void)sqlite3_bind_int64(statement, 2, bound_id(until));
        (void)sqlite3_bind_int64(statement, 3, LEDGER_CLOCK_SKEW);
        r = store_step_row(s, statement);
        if (r >= 0)
                *ret = (uint64_t)sqlite3_column_int64(statement, 0);
        return r;
}

/* Moves *before down to about the end of the period, in growing steps and then by bisection: above a good number of
 * consecutive runs that are all newer, there are only newer ones. */
static int skip_newer(Store *s, usec_t until, uint64_t *before) {
        uint64_t low = 0, step = 2 * LEDGER_CLOCK_SKEW;
        int r;

        while (*before - low > 2 * LEDGER_CLOCK_SKEW) {
                uint64_t middle = *before - MIN(step, (*before - low) / 2), last;

                r = last_until(s, middle, until, &last);
                if (r < 0)
                        return r;
                if (last == 0)
                        *before = middle;
                else
                        low = MIN(last, *before);
                step *= 2;
        }
        return 0;
}

/* Where to begin, in ids. */
static int find_start(Store *s, const LedgerFilter *f, uint64_t *ret) {
        uint64_t next;
        int r;

        *ret = f->before > 0 ? f->before : INT64_MAX;
        if (f->until == 0)
                return 0;
        r = store_get_next_id(s, &next);
        if (r < 0)
                return r;
        *ret = MIN(*ret, next);
        return skip_newer(s, f->until, ret);
}

/* Ids are in the order of the requests, and so are their times, except after a clock was set; a good number of
 * consecutive runs from before the period means that there are no more in it. */
int store_query_runs(Store *s, const LedgerFilter *f, unsigned scan_max, StoreRunFunc visit, void *userdata,
                     uint64_t *ret_next) {
        _cleanup_reset_ sqlite3_stmt *statement = s->statements[query_statement(f)];
        unsigned n_older = 0, n_missed = 0;
        uint64_t start;
        int r;

        *ret_next = 0;
        r = find_start(s, f, &start);
        if (r < 0)
                return r;
        (void)sqlite3_bind_int64(statement, 1, bound_id(start));
        if (f->job)
                bind_text(statement, 2, f->job);
        while ((r = store_step_row(s, statement)) >= 0 && n_older < LEDGER_CLOCK_SKEW) {
                uint64_t id = (uint64_t)sqlite3_column_int64(statement, FILTER_ID);
                RunRecord record;

                n_older = (usec_t)sqlite3_column_int64(statement, FILTER_REQUESTED) < f->since ? n_older + 1 : 0;
                if (!row_matches(statement, f) || load_record(statement, &record) < 0) {
                        if (++n_missed < scan_max)
                                continue;
                        *ret_next = id;
                        return 0;
                }
                r = visit(&record, is_this_boot(s, statement), userdata);
                if (r != 0)
                        return r;
        }
        return r == -ENOENT ? 0 : r;
}

/* --- retention --- */

/* The run of job that has n newer ones, or 0. */
static int nth_newest(Store *s, const char *job, sqlite3_int64 n, uint64_t *ret) {
        _cleanup_reset_ sqlite3_stmt *statement = s->statements[STATEMENT_NTH_NEWEST];
        int r;

        *ret = 0;
        bind_text(statement, 1, job);
        (void)sqlite3_bind_int64(statement, 2, n);
        r = store_step_row(s, statement);
        if (r >= 0)
                *ret = (uint64_t)sqlite3_column_int64(statement, 0);
        return r == -ENOENT ? 0 : r;
}

static int count_unfinished(Store *s, const char *job, sqlite3_int64 *ret) {
        _cleanup_reset_ sqlite3_stmt *statement = s->statements[STATEMENT_COUNT_UNFINISHED];
        int r;

        bind_text(statement, 1, job);
        r = store_step_row(s, statement);
        if (r >= 0)
                *ret = sqlite3_column_int64(statement, 0);
        return r;
}

/* The newest run of job that is one too many, or 0. Unfinished runs do not count; they are assumed to be the newest
 * ones, and if they are not, a few more runs are kept. Most jobs have fewer runs than that, and need no count of the
 * unfinished ones. */
static int first_beyond(Store *s, const char *job, unsigned keep, uint64_t *ret) {
        sqlite3_int64 n_unfinished;
        int r;

        *ret = 0;
        if (keep == LEDGER_KEEP_ALL)
                return 0;
        r = nth_newest(s, job, keep, ret);
        if (r < 0 || *ret == 0)
                return r;
        r = count_unfinished(s, job, &n_unfinished);
        if (r < 0 || n_unfinished == 0)
                return r;
        return nth_newest(s, job, keep + n_unfinished, ret);
}

/* Ids of finished runs to be deleted, oldest first: n of them, or a negative errno. A long run ends after others that
 * were requested later, so the search for old ones continues until it finds one that was requested in the period
 * itself. */
static int collect_old(Store *s, const char *job, uint64_t beyond, usec_t before, sqlite3_int64 *ids, unsigned max) {
        _cleanup_reset_ sqlite3_stmt *statement = s->statements[STATEMENT_OLDEST];
        unsigned n = 0;
        int r = 0;

        bind_text(statement, 1, job);
        while (n < max && (r = store_step_row(s, statement)) >= 0) {
                sqlite3_int64 id = sqlite3_column_int64(statement, 0);

                if (sqlite3_column_int(statement, 1) == 0)
                        continue;
                if ((uint64_t)id > beyond && (usec_t)sqlite3_column_int64(statement, 3) >= before)
                        break;
                if ((uint64_t)id <= beyond || (usec_t)sqlite3_column_int64(statement, 2) < before)
                        ids[n++] = id;
        }
        return r < 0 && r != -ENOENT ? r : (int)n;
}

static int delete_runs(Store *s, const sqlite3_int64 *ids, unsigned n) {
        int r = 0;

        for (unsigned i = 0; r >= 0 && i < n; i++) {
                sqlite3_stmt *statement = s->statements[STATEMENT_DELETE_RUN];

                (void)sqlite3_bind_int64(statement, 1, ids[i]);
                r = store_step_done(s, statement);
        }
        return r;
}

int store_prune_job(Store *s, const char *job, unsigned keep, usec_t before, unsigned max) {
        _cleanup_free_ sqlite3_int64 *ids = NULL;
        uint64_t beyond;
        int n, r;

        r = first_beyond(s, job, keep, &beyond);
        if (r < 0)
                return r;
        assert(max > 0 && *job != '\0');
        ids = calloc(max, sizeof(*ids));
        if (!ids)
                return -ENOMEM;
        n = collect_old(s, job, beyond, before, ids, max);
        if (n <= 0)
                return n;
        r = delete_runs(s, ids, (unsigned)n);
        return r < 0 ? r : n;
}

int store_next_job(Store *s, const char *after, char **ret) {
        return store_get_text(s, STATEMENT_NEXT_JOB, after, ret);
}
