/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "core-fixture.h"

#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/stat.h>

#include "core/manager-body.h"
#include "core/pools.h"
#include "ledger/store.h"
#include "trigger/kinds.h"
#include "util/log.h"

#define COUNTED_RUNS_MAX 200 /* with more, counting anew at every step would take too long */

/* Counts anew what is counted of runs: whoever is told of anything finds it right. */
static void check_counters(const Fixture *f) {
        unsigned n_running = 0, n_queued = 0;

        if (!f->m || f->m->live.by_id.n_nodes > COUNTED_RUNS_MAX)
                return;
        for (size_t i = 0; i < job_table_size(f->m->jobs); i++) {
                const Job *j = job_table_at(f->m->jobs, i);
                unsigned running = 0, queued = 0, delayed = 0, sought = 0, slots = 0, bounded = 0;
                const LiveRun *run;

                TAILQ_FOREACH(run, &j->live->runs, of_job) {
                        bool in_queue = run->stage == RUN_STAGE_QUEUED, ready = run->stage == RUN_STAGE_READY;

                        delayed += run->stage == RUN_STAGE_DELAYED;
                        queued += in_queue || ready || run->stage == RUN_STAGE_DELAYED;
                        running += run_goes_on(run);
                        slots += ready || run_goes_on(run);
                        bounded += (in_queue || ready || run_goes_on(run)) && run->record.cause != RUN_CAUSE_CATCH_UP;
                        sought += run->is_sought;
                }
                assert_int_equal(j->n_running, running);
                assert_int_equal(j->n_queued, queued);
                assert_int_equal(j->live->n_delayed, delayed);
                assert_int_equal(j->live->n_sought, sought);
                assert_int_equal(j->live->n_slots, slots);
                assert_int_equal(j->live->n_bounded, bounded);
                n_running += running;
                n_queued += queued;
        }
        assert_int_equal(f->m->n_running, n_running);
        assert_int_equal(f->m->n_queued, n_queued);
        for (size_t i = 0; i <= f->m->pools->n_named; i++) {
                const Pool *p = i < f->m->pools->n_named ? f->m->pools->named[i] : f->m->pools->unlimited;
                unsigned runs = 0, running = 0;
                const LiveRun *run;

                TAILQ_FOREACH(run, &f->m->live.all, all) {
                        runs += run->pool == p;
                        running += run->pool == p && run_goes_on(run);
                }
                assert_int_equal(p->n_running, running);
                assert_true(p->n_runs >= runs); /* one that is about to be accepted is in it */
        }
}

static void on_run_started(void *userdata, const RunRecord *r) {
        Fixture *f = userdata;

        check_counters(f);
        f->n_started++;
}

static void on_run_new(void *userdata, const RunRecord *r) {
        check_counters(userdata);
}

static void on_summary_changed(void *userdata) {
        check_counters(userdata);
}

static void on_run_finished(void *userdata, const RunRecord *r) {
        Fixture *f = userdata;

        check_counters(f);
        assert_int_equal(r->state, RUN_DONE);
        assert_int_not_equal(r->result, RUN_RESULT_NONE);
        if (r->result == RUN_RESULT_SKIPPED)
                f->n_refused++;
        else if (f->n_finished < EVENTS_MAX)
                f->finished[f->n_finished++] = r->id;
}

static void on_job_new(void *userdata, const Job *j) {
        ((Fixture *)userdata)->n_new++;
}

static void on_job_removed(void *userdata, const Job *j) {
        ((Fixture *)userdata)->n_removed++;
}

static void on_job_changed(void *userdata, const Job *j) {
        check_counters(userdata);
        ((Fixture *)userdata)->n_job_changed++;
}

static void on_alarm_raised(void *userdata, const Job *j, const LedgerAlarm *alarm) {
        Fixture *f = userdata;

        f->n_raised++;
        (void)snprintf(f->alarm, sizeof(f->alarm), "%s", alarm->key);
}

static void on_alarm_cleared(void *userdata, const Job *j, const char *key) {
        ((Fixture *)userdata)->n_cleared++;
}

static void on_reloaded(void *userdata, const Diagnostics *d) {
        ((Fixture *)userdata)->n_reloaded++;
}

void write_file(const char *directory, const char *name, const char *text) {
        char path[256];
        FILE *f;

        (void)snprintf(path, sizeof(path), "%s/%s", directory, name);
        f = fopen(path, "we");
        assert_non_null(f);
        (void)fputs(text, f);
        (void)fchmod(fileno(f), 0644);
        assert_int_equal(fclose(f), 0);
}

void write_job(const Fixture *f, const char *name, const char *text) {
        char file[96];

        (void)snprintf(file, sizeof(file), "%s.job", name);
        write_file(f->jobs, file, text);
}

void remove_job(const Fixture *f, const char *name) {
        char path[256];

        (void)snprintf(path, sizeof(path), "%s/%s.job", f->jobs, name);
        assert_int_equal(unlink(path), 0);
}

void write_held_job(const Fixture *f, const char *name, const char *settings) {
        char text[512];

        (void)snprintf(text, sizeof(text), "[Run]\nShell=read line <%s\n%s\n", f->gate, settings);
        write_job(f, name, text);
}

void let_go(const Fixture *f, unsigned n) {
        while (n-- > 0)
                assert_int_equal(write(f->gate_fd, "\n", 1), 1);
}

int fixture_setup(void **state) {
        Fixture *f = calloc(1, sizeof(*f));
        sigset_t set;

        assert_non_null(f);
        sigemptyset(&set);
        sigaddset(&set, SIGCHLD);
        sigprocmask(SIG_BLOCK, &set, NULL);
        log_open(LOG_TARGET_NULL);
        (void)snprintf(f->directory, sizeof(f->directory), "/tmp/vakt-test-core-XXXXXX");
        assert_non_null(mkdtemp(f->directory));
        (void)snprintf(f->jobs, sizeof(f->jobs), "%s/jobs", f->directory);
        (void)snprintf(f->gate, sizeof(f->gate), "%s/gate", f->directory);
        (void)snprintf(f->config, sizeof(f->config), "%s/vaktd.conf", f->directory);
        f->dirs[0] = f->jobs;
        assert_int_equal(mkdir(f->jobs, 0755), 0);
        assert_int_equal(mkfifo(f->gate, 0600), 0);
        f->gate_fd = open(f->gate, O_RDWR | O_CLOEXEC);
        assert_true(f->gate_fd >= 0);
        *state = f;
        return 0;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw) {
        return remove(path);
}

int fixture_teardown(void **state) {
        Fixture *f = *state;

        manager_free(f->m);
        sd_event_unref(f->event);
        close(f->gate_fd);
        (void)nftw(f->directory, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
        free(f);
        return 0;
}

void start(Fixture *f) {
        ManagerOptions o = {
                .job_dirs = f->dirs,
                .state_dir = f->directory,
                .config_path = f->config,
                .owner = getuid(),
                .executor = -1,
                .log_level = -1,
                .runtime_dir = f->directory,
                .triggers = f->triggers ?: trigger_kinds,
        };
        ManagerObserver observer = {
                .job_new = on_job_new,
                .job_removed = on_job_removed,
                .job_changed = on_job_changed,
                .run_new = on_run_new,
                .run_changed = on_run_new,
                .run_started = on_run_started,
                .summary_changed = on_summary_changed,
                .run_finished = on_run_finished,
                .reloaded = on_reloaded,
                .alarm_raised = on_alarm_raised,
                .alarm_cleared = on_alarm_cleared,
                .userdata = f,
        };

        assert_int_equal(sd_event_new(&f->event), 0);
        assert_int_equal(manager_new(&f->m, f->event, &o), 0);
        assert_int_equal(manager_observe(f->m, &observer), 0);
        assert_int_equal(manager_start(f->m), 0);
}

void stop(Fixture *f) {
        f->m = manager_free(f->m);
        f->event = sd_event_unref(f->event);
        f->n_started = f->n_finished = 0;
        f->stopped = false;
}

void *lock_ledger(const Fixture *f) {
        sqlite3 *db = NULL;
        char path[128];

        (void)snprintf(path, sizeof(path), "%s/" LEDGER_FILE, f->directory);
        assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
        assert_int_equal(sqlite3_exec(db, "BEGIN; SELECT * FROM runs", NULL, NULL, NULL), SQLITE_OK);
        return db;
}

void unlock_ledger(void *lock) {
        assert_int_equal(sqlite3_close(lock), SQLITE_OK);
}

const RunRecord *request(Fixture *f, const char *job) {
        RunRequest r = { .cause = RUN_CAUSE_MANUAL, .trigger = RUN_TRIGGER_NONE };
        const RunRecord *record = NULL;

        assert_int_equal(manager_request(f->m, job, &r, &record), 0);
        assert_non_null(record);
        return record;
}

typedef struct CauseCount {
        RunCause cause;
        unsigned n;
} CauseCount;

static int count_if_cause(const RunRecord *r, void *userdata) {
        CauseCount *c = userdata;

        c->n += r->cause == c->cause;
        return 0;
}

unsigned count_cause(Fixture *f, const char *name, RunCause cause) {
        CauseCount c = { .cause = cause };

        assert_int_equal(manager_list_runs(f->m, name, 0, 1000, count_if_cause, &c), 0);
        return c.n;
}

typedef struct ResultCount {
        RunResult result;
        unsigned n;
} ResultCount;

static int count_if_result(const RunRecord *r, void *userdata) {
        ResultCount *c = userdata;

        c->n += r->result == c->result;
        return 0;
}

unsigned count_result(Fixture *f, const char *name, RunResult result) {
        ResultCount c = { .result = result };

        assert_int_equal(manager_list_runs(f->m, name, 0, 20000, count_if_result, &c), 0);
        return c.n;
}

static int copy_run(const RunRecord *r, void *userdata) {
        assert_int_equal(owned_run_assign(userdata, r), 0);
        return 1;
}

RunRecord newest(Fixture *f, const char *name) {
        static OwnedRun run;

        owned_run_done(&run);
        run = (OwnedRun){};
        (void)manager_list_runs(f->m, name, 0, 1, copy_run, &run);
        return run.record;
}

const RunRecord *finish(Fixture *f, const char *job) {
        uint64_t id = request(f, job)->id;

        WAIT_FOR(f, manager_get_run(f->m, id)->state == RUN_DONE);
        return manager_get_run(f->m, id);
}

Job *job(Fixture *f, const char *name) {
        return job_table_get(manager_jobs(f->m), name);
}
