/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "condition-fixture.h"

#include <ftw.h>
#include <signal.h>
#include <sys/stat.h>

#include "exec/environment.h"
#include "fake-executor.h"
#include "trigger/kinds.h"
#include "util/log.h"
#include "util/strv.h"

#define BEGIN     (UINT64_C(1893456000) * USEC_PER_SEC) /* 2030-01-01 UTC */
#define TURNS_MAX 10000                                 /* without time passing */

struct ConditionFixture f;

/* --- the world --- */

/* The largest number is the usual case. */
static uint64_t not_so_random(uint64_t below) {
        return below == 4 && f.runs_fail ? 0 : below - 1;
}

static bool is_dead(void) {
        return false;
}

static void on_began(uint64_t id, const ExecutionRequest *r) {
        f.environment = strv_free(f.environment);
        assert_int_equal(environment_for_run(&f.environment, NULL, r, NULL), 0);
        f.n_begun++;
}

static void on_id(uint64_t id) {
}

static void on_reported(uint64_t id, RunResult result) {
}

/* --- the daemon --- */

static void on_alarm_raised(void *userdata, const Job *j, const LedgerAlarm *alarm) {
        f.n_raised++;
}

static void on_alarm_cleared(void *userdata, const Job *j, const char *key) {
        f.n_cleared++;
}

static void on_job_changed(void *userdata, const Job *j) {
        f.n_changed++;
}

void write_file(const char *path, const char *text) {
        FILE *file = fopen(path, "we");

        assert_non_null(file);
        (void)fputs(text, file);
        (void)fchmod(fileno(file), 0644);
        assert_int_equal(fclose(file), 0);
}

static const char *job_path(const char *name) {
        static char path[256];

        (void)snprintf(path, sizeof(path), "%s/%s.job", f.jobs, name);
        return path;
}

void write_job(const char *name, const char *text) {
        write_file(job_path(name), text);
}

void write_config(const char *text) {
        write_file(f.config, text);
}

void remove_job(const char *name) {
        assert_int_equal(unlink(job_path(name)), 0);
}

void start_new(void) {
        ManagerOptions o = {
                .job_dirs = f.dirs,
                .state_dir = f.directory,
                .config_path = f.config,
                .owner = getuid(),
                .executor = EXECUTOR_UNIT,
                .log_level = -1,
                .runtime_dir = f.directory,
                .triggers = trigger_kinds,
        };
        ManagerObserver observer = {
                .job_changed = on_job_changed,
                .alarm_raised = on_alarm_raised,
                .alarm_cleared = on_alarm_cleared,
        };

        assert_int_equal(sd_event_new(&f.event), 0);
        assert_int_equal(manager_new(&f.m, f.event, &o), 0);
        assert_true(f.files_are_bad || manager_diagnostics(f.m)->n_items == 0);
        assert_int_equal(manager_observe(f.m, &observer), 0);
}

void start_begun(void) {
        assert_int_equal(manager_start(f.m), 0);
        settle();
}

void stop(void) {
        f.m = manager_free(f.m);
        f.event = sd_event_unref(f.event);
        assert_int_equal(fake_probe_n(), 0);
}

void reload(void) {
        assert_int_equal(manager_reload(f.m), 0);
        assert_true(f.files_are_bad || manager_diagnostics(f.m)->n_items == 0);
        settle();
}

void settle(void) {
        for (unsigned n = 0; fake_clock_run(f.event) > 0; n++)
                assert_true(n < TURNS_MAX);
}

void advance(usec_t by) {
        while (by > 0) {
                usec_t next = MAX(fake_clock_next(), (usec_t)1), step = MIN(by, next);

                fake_clock_advance(step);
                by -= step;
                settle();
        }
}

int condition_setup(void **state) {
        sigset_t set_of_child;

        f = (struct ConditionFixture){};
        sigemptyset(&set_of_child);
        sigaddset(&set_of_child, SIGCHLD);
        sigprocmask(SIG_BLOCK, &set_of_child, NULL);
        log_open(getenv("VAKT_TRACE") ? LOG_TARGET_STDERR : LOG_TARGET_NULL);
        fake_clock = (FakeClock){ .realtime = BEGIN, .boottime = HOURS, .monotonic = HOURS };
        fake_world = (FakeWorld){
                .random = not_so_random,
                .is_dead = is_dead,
                .began = on_began,
                .put_back = on_id,
                .reported = on_reported,
                .released = on_id,
        };
        (void)snprintf(f.directory, sizeof(f.directory), "/tmp/vakt-test-conditions-XXXXXX");
        assert_non_null(mkdtemp(f.directory));
        (void)snprintf(f.jobs, sizeof(f.jobs), "%s/jobs", f.directory);
        (void)snprintf(f.config, sizeof(f.config), "%s/vaktd.conf", f.directory);
        f.dirs[0] = f.jobs;
        assert_int_equal(mkdir(f.jobs, 0755), 0);
        return 0;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw) {
        return remove(path);
}

int condition_teardown(void **state) {
        stop();
        fake_world_down();
        fake_probe_forget();
        f.environment = strv_free(f.environment);
        (void)nftw(f.directory, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
        return 0;
}

/* --- what there is --- */

Job *job(const char *name) {
        return job_table_get(manager_jobs(f.m), name);
}

uint64_t request(const char *name, uint32_t trigger) {
        RunRequest r = { .cause = RUN_CAUSE_MANUAL, .trigger = trigger };
        const RunRecord *record = NULL;
        uint64_t id;

        assert_int_equal(manager_request(f.m, name, &r, &record), 0);
        id = record->id;
        settle();
        return id;
}

static OwnedRun copy;

static int copy_run(const RunRecord *r, void *userdata) {
        assert_int_equal(owned_run_assign(&copy, r), 0);
        return 1;
}

RunRecord run(uint64_t id) {
        owned_run_done(&copy);
        copy = (OwnedRun){};
        (void)copy_run(manager_get_run(f.m, id), NULL);
        return copy.record;
}

RunRecord newest(const char *name) {
        owned_run_done(&copy);
        copy = (OwnedRun){};
        (void)manager_list_runs(f.m, name, 0, 1, copy_run, NULL);
        return copy.record;
}

static struct {
        int cause, result;
        unsigned n;
} counting;

static int count_run(const RunRecord *r, void *userdata) {
        counting.n += (counting.cause < 0 || (int)r->cause == counting.cause) &&
                      (counting.result < 0 || (int)r->result == counting.result);
        return 0;
}

static unsigned count(const char *name, int cause, int result) {
        counting.cause = cause;
        counting.result = result;
        counting.n = 0;
        assert_int_equal(manager_list_runs(f.m, name, 0, 5000, count_run, NULL), 0);
        return counting.n;
}

unsigned count_runs(const char *name) {
        return count(name, -1, -1);
}

unsigned count_cause(const char *name, RunCause cause) {
        return count(name, (int)cause, -1);
}

unsigned count_result(const char *name, RunResult result) {
        return count(name, -1, (int)result);
}

const char *variable(const char *name) {
        return strempty(strv_env_get(f.environment, name, strlen(name)));
}

typedef struct Shown {
        char condition[512], state[32], message[1024];
} Shown;

static int show(const char *key, const char *value, const char *state, const char *message, void *userdata) {
        Shown *s = userdata;

        if (!streq(key, "Monitor"))
                return 0;
        (void)snprintf(s->condition, sizeof(s->condition), "%s", value);
        (void)snprintf(s->state, sizeof(s->state), "%s", state);
        (void)snprintf(s->message, sizeof(s->message), "%s", message);
        return 0;
}

static const Shown *shown(const char *name) {
        static Shown s;

        s = (Shown){};
        assert_int_equal(manager_list_triggers(f.m, job(name), show, &s), 0);
        return &s;
}

const char *monitor_state(const char *name) {
        return shown(name)->state;
}

const char *monitor_message(const char *name) {
        return shown(name)->message;
}

static char explained[8192];

static int add_line(const char *topic, const char *message, void *userdata) {
        size_t n = strlen(explained);

        (void)snprintf(explained + n, sizeof(explained) - n, "%s: %s\n", topic, message);
        return 0;
}

const char *why(const char *name) {
        explained[0] = '\0';
        assert_int_equal(manager_explain(f.m, job(name), add_line, NULL), 0);
        return explained;
}
