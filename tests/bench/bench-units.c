/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Runs per second of /bin/true by the unit executor, beside a bare client of the service manager that is as safe:
 * StartTransientUnit with RemainAfterExit=yes, one Get once it is over, StopUnit. The same connection, the same number
 * at once, in turns in one process. Prints lines for table.py, and processor time. It needs a service manager, and to
 * be root; bench-box.py calls it.
 *
 *   bench-units [RUNS [AT-ONCE [ROUNDS]]]
 *   bench-units bare RUNS AT-ONCE PROGRAM ARGUMENT ARGUMENT    the bare client only; prints when it began, in µs of
 *                                                              CLOCK_MONOTONIC */

#include <stdio.h>
#include <sys/resource.h>
#include <systemd/sd-bus.h>

#include "exec/exec-unit-internal.h"
#include "util/log.h"

#define AT_ONCE_MAX  1024
#define MANAGER      "org.freedesktop.systemd1"
#define MANAGER_PATH "/org/freedesktop/systemd1"

static unsigned per_round = 400, at_once = 8, n_rounds = 5;
static const char *bare_command[] = { "/bin/true", "without", "effect" };
static uint64_t next_id = 1;

_printf_(1, 2) __attribute__((__noreturn__)) static void die(const char *format, ...) {
        va_list ap;

        va_start(ap, format);
        (void)vfprintf(stderr, format, ap);
        va_end(ap);
        (void)fputc('\n', stderr);
        exit(EXIT_FAILURE);
}

static usec_t cpu_time(void) {
        struct rusage u;

        (void)getrusage(RUSAGE_SELF, &u);
        return (usec_t)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * USEC_PER_SEC +
               (usec_t)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

/* Of the service manager, µs. */
static usec_t manager_cpu_time(void) {
        unsigned long user = 0, system = 0;
        FILE *f = fopen("/proc/1/stat", "re");

        if (f) {
                if (fscanf(f, "%*d (%*[^)]) %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system) != 2)
                        user = system = 0;
                (void)fclose(f);
        }
        return (usec_t)(user + system) * USEC_PER_SEC / (usec_t)sysconf(_SC_CLK_TCK);
}

typedef struct Score {
        usec_t wall, cpu, manager_cpu;
} Score;

static void score_begin(Score *s) {
        s->wall -= now_clock(CLOCK_MONOTONIC);
        s->cpu -= cpu_time();
        s->manager_cpu -= manager_cpu_time();
}

static void score_end(Score *s) {
        s->wall += now_clock(CLOCK_MONOTONIC);
        s->cpu += cpu_time();
        s->manager_cpu += manager_cpu_time();
}

/* --- the limit: the calls, nothing else --- */

typedef struct BareRun {
        struct Bare *bare;
        char unit[64], *path;
        UnitFacts facts;
        bool over;
} BareRun;

typedef struct Bare {
        sd_event *event;
        sd_bus *bus;
        unsigned n_started, n_ended;
        BareRun runs[AT_ONCE_MAX];
} Bare;

static void bare_start(BareRun *run);

static void bare_call(BareRun *run, const char *path, const char *interface, const char *member,
                      sd_bus_message_handler_t handler, const char *types, ...) {
        va_list ap;
        int r;

        va_start(ap, types);
        r = sd_bus_call_method_asyncv(run->bare->bus, NULL, MANAGER, path, interface, member, handler, run, types, ap);
        va_end(ap);
        if (r < 0)
                die("%s: %s", member, strerror(-r));
}

static int on_bare_stopped(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        BareRun *run = userdata;

        if (sd_bus_message_is_method_error(m, NULL))
                die("StopUnit: %s", sd_bus_message_get_error(m)->message);
        run->bare->n_ended++;
        if (run->bare->n_started < per_round)
                bare_start(run);
        else if (run->bare->n_ended == per_round)
                (void)sd_event_exit(run->bare->event, 0);
        return 0;
}

static int on_bare_got(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        BareRun *run = userdata;

        bare_call(run, MANAGER_PATH, MANAGER ".Manager", "StopUnit", on_bare_stopped, "ss", run->unit, "replace");
        return 0;
}

static int on_bare_started(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        if (sd_bus_message_is_method_error(m, NULL))
                die("StartTransientUnit: %s", sd_bus_message_get_error(m)->message);
        return 0;
}

static void bare_start(BareRun *run) {
        unit_facts_done(&run->facts);
        run->facts = (UnitFacts)UNIT_FACTS_INIT;
        run->over = false;
        free(run->path);
        (void)snprintf(run->unit, sizeof(run->unit), "vakt-bare-%" PRIu64 ".service", next_id++);
        if (sd_bus_path_encode(MANAGER_PATH "/unit", run->unit, &run->path) < 0)
                die("no memory");
        run->bare->n_started++;
        bare_call(run, MANAGER_PATH, MANAGER ".Manager", "StartTransientUnit", on_bare_started, "ssa(sv)a(sa(sv))",
                  run->unit, "fail", 4, "Type", "s", "exec", "RemainAfterExit", "b", true, "CollectMode", "s",
                  "inactive", "ExecStart", "a(sasb)", 1, bare_command[0], 3, bare_command[0], bare_command[1],
                  bare_command[2], false, 0);
}

static int on_bare_signal(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        Bare *b = userdata;
        const char *path = sd_bus_message_get_path(m), *interface;

        for (unsigned i = 0; i < at_once; i++) {
                BareRun *run = &b->runs[i];

                if (run->over || !streq_ptr(run->path, path))
                        continue;
                if (sd_bus_message_read(m, "s", &interface) > 0 && unit_facts_read(&run->facts, m) >= 0 &&
                    streq(interface, MANAGER ".Unit") && unit_facts_is_over(&run->facts)) {
                        run->over = true;
                        bare_call(run, run->path, "org.freedesktop.DBus.Properties", "Get", on_bare_got, "ss",
                                  MANAGER ".Service", "CPUUsageNSec");
                }
                break;
        }
        return 0;
}

static void bare_round(Score *score) {
        Bare *b = calloc(1, sizeof(Bare));

        if (!b || sd_event_new(&b->event) < 0 || sd_bus_new(&b->bus) < 0 ||
            sd_bus_set_address(b->bus, "unix:path=/run/systemd/private") < 0 || sd_bus_start(b->bus) < 0 ||
            sd_bus_attach_event(b->bus, b->event, SD_EVENT_PRIORITY_NORMAL) < 0 ||
            sd_bus_add_match(b->bus, NULL,
                             "type='signal',path_namespace='" MANAGER_PATH "/unit',member='PropertiesChanged'",
                             on_bare_signal, b) < 0)
                die("There is no service manager here that may be talked to.");
        score_begin(score);
        for (unsigned i = 0; i < at_once; i++) {
                b->runs[i].bare = b;
                bare_start(&b->runs[i]);
        }
        (void)sd_event_loop(b->event);
        score_end(score);
        for (unsigned i = 0; i < at_once; i++) {
                unit_facts_done(&b->runs[i].facts);
                free(b->runs[i].path);
        }
        sd_bus_close_unref(b->bus);
        sd_event_unref(b->event);
        free(b);
}

/* --- vaktd --- */

typedef struct Full {
        sd_event *event;
        Executor *executor;
        sd_event_source *settle;
        JobDef *def;
        Execution *executions[AT_ONCE_MAX];
        unsigned n_started, n_ended;
} Full;
static Full full;

static void full_start(Execution **ret) {
        RunRecord record = RUN_RECORD_INIT;
        ExecutionRequest request = { .def = full.def, .run = &record, .timeout = USEC_INFINITY };

        record.id = next_id++;
        record.job = full.def->name;
        full.n_started++;
        if (full.executor->ops->start(full.executor, &request, ret, ret) < 0)
                die("cannot start");
}

static void on_full_started(void *cookie, const ExecIdentity *identity) {
}

static void on_full_status(void *cookie, const char *text) {
}

static ExecFound on_full_found(void *userdata, const char *job, uint64_t run) {
        return EXEC_FOUND_WRITTEN;
}

/* As core does: what ended is settled once a turn. */
static int on_full_settle(sd_event_source *s, void *userdata) {
        full.executor->ops->acknowledge(full.executor);
        return 0;
}

static void on_full_ended(void *cookie, const ExecOutcome *outcome) {
        Execution **x = cookie;

        if (outcome->result != RUN_RESULT_SUCCESS || outcome->cpu == USEC_INFINITY)
                die("%s: %s", run_result_to_string(outcome->result), strempty(outcome->reason));
        *x = execution_free(*x);
        full.n_ended++;
        (void)sd_event_source_set_enabled(full.settle, SD_EVENT_ONESHOT);
        if (full.n_started < per_round)
                full_start(x);
}

static void full_round(Score *score) {
        const ExecutorOptions options = {
                .callbacks = { .started = on_full_started,
                               .status = on_full_status,
                               .ended = on_full_ended,
                               .found = on_full_found },
        };
        JobDef *def = full.def;

        full = (Full){ .def = def };
        if (sd_event_new(&full.event) < 0 || sd_event_add_defer(full.event, &full.settle, on_full_settle, NULL) < 0 ||
            sd_event_source_set_enabled(full.settle, SD_EVENT_OFF) < 0 ||
            unit_executor_new(&full.executor, full.event, &options) < 0)
                die("There is no service manager here.");
        score_begin(score);
        for (unsigned i = 0; i < at_once; i++)
                full_start(&full.executions[i]);
        while (full.n_ended < per_round)
                (void)sd_event_run(full.event, UINT64_MAX);
        score_end(score);
        while (((UnitExecutor *)full.executor)->releases.n_nodes > 0)
                (void)sd_event_run(full.event, UINT64_MAX);
        executor_free(full.executor);
        sd_event_source_unref(full.settle);
        sd_event_unref(full.event);
}

static void make_def(void) {
        static char *argv[] = { (char *)"true", NULL };
        static CommandDef command = { .path = (char *)"/bin/true", .argv = argv };

        if (job_def_new(&full.def, "bench") < 0)
                die("no memory");
        full.def->commands = &command;
        full.def->n_commands = 1;
}

static void print(const char *who, const Score *score) {
        double n = (double)per_round;

        printf("sample unit-runs %s %.1f\n", who, n * 1e6 / (double)score->wall);
        printf("CPU a run of %s: %.0f µs of the client, %.0f µs of the service manager\n", who, (double)score->cpu / n,
               (double)score->manager_cpu / n);
}

int main(int argc, char *argv[]) {
        bool only_bare = argc == 7 && streq(argv[1], "bare");
        char **arguments = argv + only_bare;

        if (argc > 1)
                per_round = (unsigned)atoi(arguments[1]);
        if (argc > 2)
                at_once = (unsigned)atoi(arguments[2]);
        if (argc > 3 && !only_bare)
                n_rounds = (unsigned)atoi(arguments[3]);
        if (at_once == 0 || at_once > AT_ONCE_MAX || per_round < at_once)
                die("usage: %s [RUNS [AT-ONCE [ROUNDS]]]", argv[0]);
        log_open(LOG_TARGET_STDERR);
        if (only_bare) {
                memcpy(bare_command, argv + 4, sizeof(bare_command));
                printf("%" PRI_USEC "\n", now_clock(CLOCK_MONOTONIC));
                bare_round(&(Score){});
                return EXIT_SUCCESS;
        }
        make_def();
        for (unsigned i = 0; i < n_rounds; i++) {
                Score bare = {}, ours = {};

                bare_round(&bare);
                print("bare-client", &bare);
                full_round(&ours);
                print("vaktd", &ours);
        }
        return EXIT_SUCCESS;
}
