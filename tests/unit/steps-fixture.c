/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "steps-fixture.h"

#include "core/runs.h"
#include "fake-executor.h"
#include "ledger/store.h"
#include "util/boot-id.h"

char steps[32768];
usec_t begin;

void step(const char *format, ...) {
        size_t n = strlen(steps);
        va_list ap;

        assert_true(n < sizeof(steps) - 256);
        n += n > 0 ? (size_t)snprintf(steps + n, 3, "; ") : 0;
        va_start(ap, format);
        (void)vsnprintf(steps + n, sizeof(steps) - n, format, ap);
        va_end(ap);
}

/* Valid until the third call from now. */
const char *at(usec_t realtime) {
        static char texts[3][32];
        static unsigned next;
        char *text = texts[next++ % ELEMENTSOF(texts)];

        if (realtime == 0 || realtime == USEC_INFINITY)
                return realtime == 0 ? "-" : "ever";
        (void)snprintf(text, sizeof(texts[0]), "%" PRId64,
                       ((int64_t)realtime - (int64_t)begin) / (int64_t)USEC_PER_SEC);
        return text;
}

/* --- the ledger --- */

int __real_ledger_add(Ledger *l, RunRecord *record);
int __wrap_ledger_add(Ledger *l, RunRecord *record);
int __real_ledger_update(Ledger *l, const RunRecord *record);
int __wrap_ledger_update(Ledger *l, const RunRecord *record);
int __real_ledger_commit(Ledger *l);
int __wrap_ledger_commit(Ledger *l);
int __real_ledger_set_stamp(Ledger *l, const char *job, const char *key, usec_t usec);
int __wrap_ledger_set_stamp(Ledger *l, const char *job, const char *key, usec_t usec);
int __real_ledger_forget_stamp(Ledger *l, const char *job, const char *key);
int __wrap_ledger_forget_stamp(Ledger *l, const char *job, const char *key);
int __real_ledger_forget_job(Ledger *l, const char *job);
int __wrap_ledger_forget_job(Ledger *l, const char *job);
int __real_ledger_set_job_state(Ledger *l, const char *job, const LedgerJobState *state);
int __wrap_ledger_set_job_state(Ledger *l, const char *job, const LedgerJobState *state);
int __real_ledger_set_alarm(Ledger *l, const LedgerAlarm *alarm);
int __wrap_ledger_set_alarm(Ledger *l, const LedgerAlarm *alarm);

const char *state_of(const RunRecord *r) {
        return r->state == RUN_DONE ? run_result_to_string(r->result) : run_state_to_string(r->state);
}

int __wrap_ledger_add(Ledger *l, RunRecord *record) {
        int r = __real_ledger_add(l, record);

        step("+ %" PRIu64 " %s %s %s", record->id, record->job, run_cause_to_string(record->cause), state_of(record));
        return r;
}

int __wrap_ledger_update(Ledger *l, const RunRecord *record) {
        step("= %" PRIu64 " %s", record->id, state_of(record));
        return __real_ledger_update(l, record);
}

bool commits_fail;

int __wrap_ledger_commit(Ledger *l) {
        step(commits_fail ? "[no commit]" : "[commit]");
        return commits_fail ? -EIO : __real_ledger_commit(l);
}

int __wrap_ledger_set_stamp(Ledger *l, const char *job, const char *key, usec_t usec) {
        if (usec < begin / 2)
                step("stamp %s %s no. %" PRIu64, job, key, usec);
        else
                step("stamp %s %s %s", job, key, at(usec));
        return __real_ledger_set_stamp(l, job, key, usec);
}

int __wrap_ledger_forget_stamp(Ledger *l, const char *job, const char *key) {
        step("no stamp %s %s", job, key);
        return __real_ledger_forget_stamp(l, job, key);
}

int __wrap_ledger_forget_job(Ledger *l, const char *job) {
        step("forget %s", job);
        return __real_ledger_forget_job(l, job);
}

int __wrap_ledger_set_job_state(Ledger *l, const char *job, const LedgerJobState *s) {
        step("state '%s' %s until %s, skip %u", job, s->paused ? "paused" : "resumed", at(s->pause_until), s->skip);
        return __real_ledger_set_job_state(l, job, s);
}

int __wrap_ledger_set_alarm(Ledger *l, const LedgerAlarm *a) {
        step("= alarm %s %s since %s raised %s run %" PRIu64, a->job, a->key, at(a->since), at(a->raised), a->run);
        return __real_ledger_set_alarm(l, a);
}

/* --- observers --- */

static void on_job_new(void *userdata, const Job *j) {
        step("job new %s", j->name);
}

static void on_job_removed(void *userdata, const Job *j) {
        step("job removed %s", j->name);
}

static void on_job_changed(void *userdata, const Job *j) {
        step("job %s", j->name);
}

static void on_run_new(void *userdata, const RunRecord *r) {
        step("new %" PRIu64 " %s", r->id, state_of(r));
}

static void on_run_changed(void *userdata, const RunRecord *r) {
        step("run %" PRIu64 " %s", r->id, state_of(r));
}

static void on_run_started(void *userdata, const RunRecord *r) {
        step("started %" PRIu64, r->id);
}

static void on_run_finished(void *userdata, const RunRecord *r) {
        step("finished %" PRIu64 " %s", r->id, state_of(r));
}

static void on_run_output(void *userdata, const RunRecord *r, const char *line, size_t n, bool is_stderr) {
        step("output %" PRIu64 " %.*s%s", r->id, (int)n, line, is_stderr ? " (error)" : "");
}

static void on_alarm_raised(void *userdata, const Job *j, const LedgerAlarm *alarm) {
        step("alarm %s %s: %s", j->name, alarm->key, alarm->text);
}

static void on_alarm_cleared(void *userdata, const Job *j, const char *key) {
        step("cleared %s %s", j->name, key);
}

static void on_reloaded(void *userdata, const Diagnostics *d) {
        step("reloaded");
}

static void on_summary_changed(void *userdata) {
        step("summary");
}

static void on_values_changed(void *userdata) {
        step("values");
}

/* --- the executor --- */

static void (*note_environment)(uint64_t id, const ExecutionRequest *r);
static uint64_t (*usual_random)(uint64_t below);
bool starts_fail, runs_are_long, drain_is_long;

static uint64_t choose(uint64_t below) {
        return starts_fail && below == 200   ? 0
               : runs_are_long && below == 6 ? 4 /* two hours */
               : drain_is_long && below == 4 ? 1
                                             : usual_random(below);
}

static void on_began(uint64_t id, const ExecutionRequest *r) {
        step("begin %" PRIu64, id);
        assert_non_null(r->run->unit); /* where a later daemon looks for it */
        note_environment(id, r);
}

static void on_put_back(uint64_t id) {
        step("put back %" PRIu64, id);
}

static void on_reported(uint64_t id, RunResult result) {
        step("ended %" PRIu64, id);
}

static void on_released(uint64_t id) {
        step("release %" PRIu64, id);
}

static void on_adopted(const ExecutionRequest *r) {
        step("adopt %" PRIu64 " %s%s%s", r->run->id, state_of(r->run), r->def ? "" : " without definition",
             r->other_boot ? " of another boot" : "");
}

static void on_stopped(uint64_t id, RunResult result) {
        step("stop %" PRIu64 " %s", id, run_result_to_string(result));
}

/* --- the daemon --- */

/* From now on, of the daemon that there is. */
void observe_steps(void) {
        static const ManagerObserver observer = {
                .job_new = on_job_new,
                .job_removed = on_job_removed,
                .job_changed = on_job_changed,
                .run_new = on_run_new,
                .run_changed = on_run_changed,
                .run_started = on_run_started,
                .run_finished = on_run_finished,
                .run_output = on_run_output,
                .alarm_raised = on_alarm_raised,
                .alarm_cleared = on_alarm_cleared,
                .reloaded = on_reloaded,
                .summary_changed = on_summary_changed,
                .values_changed = on_values_changed,
        };

        assert_int_equal(manager_observe(f.m, &observer), 0);
        steps[0] = '\0';
}

void begin_steps(void) {
        begin = fake_clock.realtime;
        start();
        observe_steps();
}

int steps_setup(void **state) {
        (void)condition_setup(state);
        usual_random = fake_world.random;
        note_environment = fake_world.began;
        starts_fail = runs_are_long = drain_is_long = commits_fail = false;
        fake_world.random = choose;
        fake_world.began = on_began;
        fake_world.put_back = on_put_back;
        fake_world.reported = on_reported;
        fake_world.released = on_released;
        fake_world.adopted = on_adopted;
        fake_world.stopped = on_stopped;
        steps[0] = '\0';
        return 0;
}

LiveRun *live(uint64_t id) {
        LiveRun *run = live_find(&f.m->live, id);

        assert_non_null(run);
        return run;
}

void end_run(uint64_t id, RunResult result) {
        ExecOutcome outcome = EXEC_OUTCOME_INIT;

        outcome.result = result;
        runs_callbacks()->ended(live(id), &outcome);
        fake_world_forget(id);
        settle();
}

RunRecord request_as(const char *name, const RunRequest *r) {
        const RunRecord *record = NULL;
        RunRecord copy;

        assert_int_equal(manager_request(f.m, name, r, &record), 0);
        copy = *record;
        settle();
        return copy;
}

const char *reason(uint64_t id) {
        return strempty(run(id).reason);
}

unsigned boot;

BootId __wrap_boot_id_get(void);
usec_t __wrap_boot_begin_boottime(void);

BootId __wrap_boot_id_get(void) {
        sd_id128_t id = SD_ID128_MAKE(76, 61, 6b, 74, 2d, 73, 74, 65, 70, 73, 00, 00, 00, 00, 00, 00);

        id.bytes[15] = (uint8_t)boot;
        return boot_id_make(id, 0);
}

usec_t __wrap_boot_begin_boottime(void) {
        return 0;
}

/* What was known until the daemon ended is there in the next one. */
ProbesOptions probes_options;

int __real_probes_new(Probes **ret, sd_event *event, const ProbesOptions *options);
int __wrap_probes_new(Probes **ret, sd_event *event, const ProbesOptions *options);

int __wrap_probes_new(Probes **ret, sd_event *event, const ProbesOptions *options) {
        probes_options = *options;
        return __real_probes_new(ret, event, options);
}

bool children_are_told;
unsigned n_former;

static int adopt_child(Executor *e, const ExecutionRequest *request, void *cookie, Execution **ret) {
        static Execution execution;

        step("child adopts %" PRIu64, request->run->id);
        execution.ops = e->ops;
        *ret = &execution;
        return 0;
}

static bool drain_children(Executor *e) {
        step("child drains");
        return true;
}

static void acknowledge_child(Executor *e) {
        step("child acknowledges");
}

static void stop_child(Execution *x, RunResult result) {
        step("child stops");
}

static Execution *free_child(Execution *x) {
        step("child lets go");
        return NULL;
}

static Executor *free_children(Executor *e) {
        n_former--;
        return NULL;
}

int __real_child_executor_new(Executor **ret, sd_event *event, const ExecutorOptions *options);
int __wrap_child_executor_new(Executor **ret, sd_event *event, const ExecutorOptions *options);

int __wrap_child_executor_new(Executor **ret, sd_event *event, const ExecutorOptions *options) {
        static const ExecutorOps ops = {
                .name = "child",
                .adopt = adopt_child,
                .stop = stop_child,
                .drain = drain_children,
                .acknowledge = acknowledge_child,
                .free_execution = free_child,
                .free = free_children,
        };
        static Executor executor = { .ops = &ops };

        if (!children_are_told)
                return __real_child_executor_new(ret, event, options);
        n_former++;
        *ret = &executor;
        return 0;
}

bool is_locked;

int __real_store_open(Store **ret, const char *path, const BootId *boot_id);
int __wrap_store_open(Store **ret, const char *path, const BootId *boot_id);

int __wrap_store_open(Store **ret, const char *path, const BootId *boot_id) {
        return is_locked ? -EBUSY : __real_store_open(ret, path, boot_id);
}

bool times_are_denied;

int __real_utimensat(int fd, const char *path, const struct timespec times[2], int flags);
int __wrap_utimensat(int fd, const char *path, const struct timespec times[2], int flags);

int __wrap_utimensat(int fd, const char *path, const struct timespec times[2], int flags) {
        if (!times_are_denied)
                return __real_utimensat(fd, path, times, flags);
        errno = EROFS;
        return -1;
}
