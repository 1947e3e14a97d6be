/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The ledger beside a bare loop of SQLite on the same table with the same indexes: rows a second, the longest time the
 * event loop stands still while 100,000 runs come and go, pruned to a tenth; a list of 100 runs out of a million, and
 * searches through them; what a reload with 10,000 jobs costs. In turns in one process, on the disk that TMPDIR or the
 * first argument names. Prints the ratios; those by processor time are worth more where others work on the machine. */

#include <ftw.h>
#include <limits.h>
#include <sqlite3.h>
#include <stdio.h>
#include <sys/stat.h>

#include "ledger/ledger-internal.h"
#include "util/log.h"

#define ROUNDS     3
#define ROWS       100000U
#define ROWS_TURN  100U /* written in one turn of the loop */
#define JOBS       200U
#define KEEP       50U /* a job, of 500 */
#define LIST_ROWS  1000000U
#define LIST_LIMIT 100U
#define LIST_TIMES 500U

#define SINGLE_RUNS 20000U
#define RELOAD_JOBS 10000U

typedef struct Times {
        usec_t wall, cpu;
} Times;

typedef struct Figure {
        Times total, longest;
} Figure;

static char directory[PATH_MAX];

static usec_t now(void) {
        return now_clock(CLOCK_MONOTONIC);
}

static Times times_now(void) {
        return (Times){ now(), now_clock(CLOCK_PROCESS_CPUTIME_ID) };
}

static Times times_since(Times start) {
        Times t = times_now();

        return (Times){ t.wall - start.wall, t.cpu - start.cpu };
}

static void times_max(Times *longest, Times t) {
        longest->wall = MAX(longest->wall, t.wall);
        longest->cpu = MAX(longest->cpu, t.cpu);
}

static _Noreturn void give_up(const char *what) {
        fprintf(stderr, "bench-ledger: %s failed\n", what);
        exit(EXIT_FAILURE);
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw) {
        return remove(path);
}

static void remove_files(void) {
        (void)nftw(directory, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
        if (mkdir(directory, 0700) < 0)
                give_up("mkdir");
}

static Ledger *open_ledger(sd_event *event) {
        Ledger *l;

        if (ledger_open(&l, event, directory, NULL) < 0)
                give_up("ledger_open");
        return l;
}

static void job_name(char name[static 16], unsigned i) {
        (void)snprintf(name, 16, "job-%u", i % JOBS);
}

/* --- the limit --- */

static sqlite3 *open_bare(void) {
        static const char pragmas[] = "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL;"
                                      "PRAGMA synchronous = NORMAL; PRAGMA secure_delete = OFF";
        char path[PATH_MAX + 16];
        sqlite3 *db;

        (void)snprintf(path, sizeof(path), "%s/" LEDGER_FILE, directory);
        if (sqlite3_open(path, &db) != SQLITE_OK || sqlite3_exec(db, pragmas, NULL, NULL, NULL) != SQLITE_OK)
                give_up("sqlite3_open");
        return db;
}

static sqlite3_stmt *prepare(sqlite3 *db, const char *sql) {
        sqlite3_stmt *s;

        if (sqlite3_prepare_v2(db, sql, -1, &s, NULL) != SQLITE_OK)
                give_up(sql);
        return s;
}

static void step(sqlite3_stmt *s) {
        if (sqlite3_step(s) != SQLITE_DONE)
                give_up("sqlite3_step");
        (void)sqlite3_reset(s);
}

static void bare_insert(sqlite3_stmt *s, unsigned id) {
        char name[16], unit[64];

        job_name(name, id);
        (void)snprintf(unit, sizeof(unit), "vakt-%s-%u.service", name, id);
        (void)sqlite3_bind_int64(s, 1, id);
        (void)sqlite3_bind_text(s, 3, unit, -1, SQLITE_TRANSIENT);
        (void)sqlite3_bind_text(s, 2, name, -1, SQLITE_TRANSIENT);
        step(s);
}

static Figure bare_write(void) {
        Figure f = {};
        sqlite3_stmt *begin, *insert, *commit;
        sqlite3 *db;
        Times start;

        remove_files();
        ledger_close(open_ledger(NULL)); /* the same table */
        db = open_bare();
        begin = prepare(db, "BEGIN");
        commit = prepare(db, "COMMIT");
        insert = prepare(db, "INSERT INTO runs (id, job, cause, state, result, code, attempt, trigger_index, parent,"
                             " scheduled, requested, started, ended, pid, boot, host, cpu_usec, invocation, unit)"
                             " VALUES (?1, ?2, 'timer', 'done', 'success', 0, 1, 0, 0, 1700000000000000,"
                             " 1700000000000000, 1700000000000000, 1700000000000000, 0,"
                             " '0123456789abcdef0123456789abcdef', 'machine', 12345,"
                             " '0123456789abcdef0123456789abcdef', ?3)");
        start = times_now();
        for (unsigned i = 0; i < ROWS; i += ROWS_TURN) {
                Times turn = times_now();

                step(begin);
                for (unsigned k = 1; k <= ROWS_TURN; k++)
                        bare_insert(insert, i + k);
                step(commit);
                times_max(&f.longest, times_since(turn));
        }
        f.total = times_since(start);
        (void)sqlite3_finalize(begin);
        (void)sqlite3_finalize(insert);
        (void)sqlite3_finalize(commit);
        (void)sqlite3_close(db);
        return f;
}

/* --- the ledger --- */

typedef struct Writer {
        Ledger *ledger;
        sd_event_source *source;
        unsigned n;
        usec_t when;
} Writer;

static void write_run(Writer *w) {
        char name[16], unit[64];
        RunRecord r = {
                .job = name,
                .state = RUN_QUEUED,
                .attempt = 1,
                .scheduled = w->when,
                .requested = w->when,
                .cpu = USEC_INFINITY,
                .memory_peak = UINT64_MAX,
                .host = (char *)"machine",
        };

        job_name(name, w->n++);
        if (ledger_add(w->ledger, &r) < 0)
                give_up("ledger_add");
        (void)snprintf(unit, sizeof(unit), "vakt-%s-%" PRIu64 ".service", name, r.id);
        r.state = RUN_DONE;
        r.result = RUN_RESULT_SUCCESS;
        r.unit = unit;
        r.invocation = SD_ID128_MAKE(01, 23, 45, 67, 89, ab, cd, ef, 01, 23, 45, 67, 89, ab, cd, ef);
        r.cpu = 12345;
        r.started = r.ended = w->when;
        if (ledger_update(w->ledger, &r) < 0)
                give_up("ledger_update");
}

static int on_turn(sd_event_source *s, void *userdata) {
        Writer *w = userdata;

        for (unsigned i = 0; i < ROWS_TURN; i++)
                write_run(w);
        if (w->n >= ROWS)
                (void)sd_event_source_set_enabled(s, SD_EVENT_OFF);
        return 0;
}

/* Runs the loop until it would wait, and looks how long one round takes. */
static void settle(sd_event *event, Figure *f) {
        for (;;) {
                Times turn = times_now();

                if (sd_event_run(event, 0) <= 0)
                        return;
                times_max(&f->longest, times_since(turn));
        }
}

static Figure ledger_write(unsigned keep) {
        Writer w = { .when = now_realtime() };
        sd_event *event = NULL;
        Figure f = {};
        Times start;

        remove_files();
        if (sd_event_new(&event) < 0)
                give_up("sd_event_new");
        w.ledger = open_ledger(event);
        ledger_set_retention(w.ledger, keep, USEC_INFINITY, NULL, NULL);
        settle(event, &(Figure){});
        if (sd_event_add_defer(event, &w.source, on_turn, &w) < 0 ||
            sd_event_source_set_enabled(w.source, SD_EVENT_ON) < 0)
                give_up("sd_event_add_defer");
        start = times_now();
        settle(event, &f);
        f.total = times_since(start);
        sd_event_source_disable_unref(w.source);
        ledger_close(w.ledger);
        sd_event_unref(event);
        return f;
}

/* Runs that come one at a time: requested and started in one commit, and ended in the next one. */
static void bench_single_runs(void) {
        RunRecord r = RUN_RECORD_INIT;
        char name[16];
        Times start;
        Ledger *l;

        remove_files();
        l = open_ledger(NULL);
        r.host = (char *)"machine";
        r.scheduled = r.requested = r.started = now_realtime();
        start = times_now();
        for (unsigned i = 0; i < SINGLE_RUNS; i++) {
                job_name(name, i * 7);
                r.job = name;
                r.state = RUN_STARTING;
                r.result = RUN_RESULT_NONE;
                r.ended = 0;
                if (ledger_add(l, &r) < 0 || ledger_set_stamp(l, name, "runs", i) < 0 || ledger_commit(l) < 0)
                        give_up("ledger_add");
                r.state = RUN_DONE;
                r.result = RUN_RESULT_SUCCESS;
                r.ended = r.started;
                r.cpu = 1234;
                if (ledger_update(l, &r) < 0 || ledger_commit(l) < 0)
                        give_up("ledger_update");
                (void)ledger_upkeep(l, r.started, r.started);
        }
        start = times_since(start);
        printf("a run of two commits               %7.1f us of processor time, %.1f us\n",
               (double)start.cpu / SINGLE_RUNS, (double)start.wall / SINGLE_RUNS);
        ledger_close(l);
}

/* --- lists --- */

static int take(const RunRecord *r, void *userdata) {
        *(uint64_t *)userdata += r->id + (uint64_t)r->job[0];
        return 0;
}

static usec_t bare_list(sqlite3 *db, const char *sql, const char *job) {
        sqlite3_stmt *s = prepare(db, sql);
        uint64_t sum = 0;
        usec_t start = now();

        for (unsigned i = 0; i < LIST_TIMES; i++) {
                (void)sqlite3_bind_int64(s, 1, LIST_ROWS - i * 1000);
                if (job)
                        (void)sqlite3_bind_text(s, 2, job, -1, SQLITE_STATIC);
                while (sqlite3_step(s) == SQLITE_ROW)
                        for (int k = 0; k < sqlite3_column_count(s); k++)
                                sum += sqlite3_column_type(s, k) == SQLITE_TEXT
                                               ? (uint64_t)sqlite3_column_text(s, k)[0]
                                               : (uint64_t)sqlite3_column_int64(s, k);
                (void)sqlite3_reset(s);
        }
        start = now() - start;
        (void)sqlite3_finalize(s);
        return sum > 0 ? start : 0;
}

static usec_t ledger_list_many(Ledger *l, const char *job, uint32_t results) {
        LedgerFilter f = { .job = job, .results = results, .limit = LIST_LIMIT };
        uint64_t sum = 0;
        usec_t start = now();

        for (unsigned i = 0; i < LIST_TIMES; i++) {
                f.before = LIST_ROWS - i * 1000;
                (void)ledger_query(l, &f, take, &sum, NULL);
        }
        start = now() - start;
        return sum > 0 ? start : 0;
}

/* A million runs of 1,000 jobs: one in a thousand failed, one in twenty was skipped, one in fifty thousand was asked
 * for by hand. */
static void fill_with_a_million(void) {
        char sql[1024];
        sqlite3 *db;

        remove_files();
        ledger_close(open_ledger(NULL));
        db = open_bare();
        (void)snprintf(sql, sizeof(sql),
                       "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %u)"
                       " INSERT INTO runs (id, job, cause, state, result, code, attempt, trigger_index, parent,"
                       " scheduled, requested, started, ended, pid, boot)"
                       " SELECT i, 'job-' || (i * 7919 %% 1000), iif(i %% 50000 = 1, 'manual', 'timer'), 'done',"
                       " iif(i %% 1000 = 0, 'exit', iif(i %% 20 = 1, 'skipped', 'success')),"
                       " 0, 1, 0, 0, i, i, i, i, 0,"
                       " '0123456789abcdef0123456789abcdef' FROM n",
                       LIST_ROWS);
        if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
                give_up("filling the table");
        (void)sqlite3_close(db);
}

static void print_list(const char *what, usec_t ledger, usec_t bare) {
        printf("%-34s %7.1f us, bare SQLite %7.1f us, ratio %.2f\n", what, (double)ledger / LIST_TIMES,
               (double)bare / LIST_TIMES, (double)bare / (double)ledger);
}

/* What "vaktctl history" asks for, and how it goes on until it has all of it. */
static void search(Ledger *l, const char *what, LedgerFilter f) {
        usec_t total = 0, longest = 0;
        unsigned n_calls = 0;
        uint64_t sum = 0;

        f.limit = LIST_LIMIT;
        do {
                usec_t start = now();

                (void)ledger_query(l, &f, take, &sum, &f.before);
                longest = MAX(longest, now() - start);
                total += now() - start;
                n_calls++;
        } while (f.before > 0);
        printf("%-34s %7.2f ms in %u calls, the longest %.2f ms\n", what, (double)total / 1e3, n_calls,
               (double)longest / 1e3);
}

static void bench_searches(Ledger *l) {
        const uint32_t failed = UINT32_C(1) << RUN_RESULT_EXIT | UINT32_C(1) << RUN_RESULT_SIGNAL |
                                UINT32_C(1) << RUN_RESULT_TIMEOUT | UINT32_C(1) << RUN_RESULT_OOM |
                                UINT32_C(1) << RUN_RESULT_START_FAILED | UINT32_C(1) << RUN_RESULT_LOST;
        const uint32_t manual = UINT32_C(1) << RUN_CAUSE_MANUAL;

        puts("Of a million runs, pages of 100 at most:");
        search(l, "  of a job, in the last tenth", (LedgerFilter){ .job = "job-7", .since = LIST_ROWS / 10 * 9 });
        search(l, "  of a job, in the first tenth", (LedgerFilter){ .job = "job-7", .until = LIST_ROWS / 10 });
        search(l, "  failed", (LedgerFilter){ .results = failed });
        search(l, "  failed, in the first tenth", (LedgerFilter){ .results = failed, .until = LIST_ROWS / 10 });
        search(l, "  all, in the last tenth", (LedgerFilter){ .since = LIST_ROWS / 10 * 9 });
        search(l, "  all, in the first tenth", (LedgerFilter){ .until = LIST_ROWS / 10 });
        search(l, "  by hand, all 20 of them", (LedgerFilter){ .causes = manual });
        search(l, "  by hand, in the last tenth", (LedgerFilter){ .causes = manual, .since = LIST_ROWS / 10 * 9 });
}

static void bench_lists(void) {
        usec_t all, job, bare_all, bare_job, failed, open;
        sqlite3 *db;
        Ledger *l;

        fill_with_a_million();
        db = open_bare();
        bare_all = bare_list(db, "SELECT * FROM runs WHERE id < ?1 ORDER BY id DESC LIMIT 100", NULL);
        bare_job = bare_list(db, "SELECT * FROM runs WHERE job = ?2 AND id < ?1 ORDER BY id DESC LIMIT 100", "job-7");
        (void)sqlite3_close(db);
        open = now();
        l = open_ledger(NULL);
        open = now() - open;
        all = ledger_list_many(l, NULL, 0);
        job = ledger_list_many(l, "job-7", 0);
        failed = ledger_list_many(l, NULL, UINT32_C(1) << RUN_RESULT_EXIT);
        printf("opening a million runs             %7.1f ms\n", (double)open / 1e3);
        print_list("100 of a million runs", all, bare_all);
        print_list("100 of a million, of one job", job, bare_job);
        printf("%-34s %7.1f us\n", "100 of a million, failed (1 in 1000)", (double)failed / LIST_TIMES);
        bench_searches(l);
        ledger_close(l);
}

/* --- the end of a full disk --- */

static void bench_recovery(void) {
        Writer w = { .when = now_realtime() };
        usec_t start;

        remove_files();
        w.ledger = open_ledger(NULL);
        ledger_error(w.ledger, -ENOSPC);
        while (w.n < LEDGER_RUNS_MAX)
                write_run(&w);
        start = now();
        if (ledger_retry(w.ledger) < 0)
                give_up("ledger_retry");
        printf("writing %u runs after a full disk  %.1f ms, once\n", LEDGER_RUNS_MAX, (double)(now() - start) / 1e3);
        ledger_close(w.ledger);
}

/* --- a reload --- */

static void keep_hundred(const char *job, unsigned *keep, usec_t *keep_usec, void *userdata) {
        *keep = 100;
}

/* 10,000 jobs with ten runs each, none too many, and a stamp each that is kept. */
static void bench_reload(void) {
        Writer w = { .when = now_realtime() };
        usec_t start, set, looked_at, forgotten;
        unsigned n_steps = 1;
        char name[16];

        remove_files();
        w.ledger = open_ledger(NULL);
        for (unsigned i = 0; i < RELOAD_JOBS; i++) {
                RunRecord r = { .job = name, .state = RUN_DONE, .requested = w.when, .ended = w.when };

                (void)snprintf(name, sizeof(name), "job-%u", i);
                for (unsigned k = 0; k < 10; k++)
                        if (ledger_add(w.ledger, &r) < 0)
                                give_up("ledger_add");
                if (ledger_set_stamp(w.ledger, name, "k", 1) < 0)
                        give_up("ledger_set_stamp");
        }
        (void)ledger_commit(w.ledger);
        start = now();
        ledger_set_retention(w.ledger, 100, 90 * USEC_PER_DAY, keep_hundred, NULL);
        set = now() - start;
        start = now();
        while (ledger_upkeep(w.ledger, w.when, w.when))
                n_steps++;
        looked_at = now() - start;
        start = now();
        for (unsigned i = 0; i < RELOAD_JOBS; i++) {
                (void)snprintf(name, sizeof(name), "job-%u", i);
                (void)ledger_forget_stamp(w.ledger, name, "none");
        }
        forgotten = now() - start;
        ledger_close(w.ledger);
        printf("reload with %u jobs: retention set in %" PRIu64 " us, looked at in %u idle steps of %.0f us;"
               " stamps forgotten in %.1f us a job\n",
               RELOAD_JOBS, set, n_steps, (double)looked_at / n_steps, (double)forgotten / RELOAD_JOBS);
}

static void add_figure(Figure *sum, Figure f) {
        sum->total.wall += f.total.wall;
        sum->total.cpu += f.total.cpu;
        times_max(&sum->longest, f.longest);
}

static void print_write(const char *what, const Figure *f, const Figure *bare) {
        printf("%-22s %6.0f rows/s, ratio %.2f (by CPU %.2f), longest stall %.1f ms (of CPU %.1f)\n", what,
               (double)ROWS * ROUNDS * 1e6 / (double)f->total.wall, (double)bare->total.wall / (double)f->total.wall,
               (double)bare->total.cpu / (double)f->total.cpu, (double)f->longest.wall / 1e3,
               (double)f->longest.cpu / 1e3);
}

int main(int argc, char *argv[]) {
        Figure bare = {}, kept = {}, pruned = {};

        (void)snprintf(directory, sizeof(directory), "%s/vakt-bench-ledger-XXXXXX",
                       argc > 1 ? argv[1] : getenv("TMPDIR") ?: "/tmp");
        if (!mkdtemp(directory))
                give_up("mkdtemp");
        log_open(LOG_TARGET_NULL);
        for (unsigned i = 0; i < ROUNDS; i++) {
                add_figure(&bare, bare_write());
                add_figure(&kept, ledger_write(LEDGER_KEEP_ALL));
                add_figure(&pruned, ledger_write(KEEP));
        }
        print_write("bare SQLite insert", &bare, &bare);
        print_write("ledger, all kept", &kept, &bare);
        print_write("ledger, 9 of 10 pruned", &pruned, &bare);
        bench_single_runs();
        bench_lists();
        bench_recovery();
        bench_reload();
        (void)nftw(directory, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
        return EXIT_SUCCESS;
}
