/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The unit executor against a real service manager, without the rest of the daemon. A process that stands for vaktd
 * ("the driver") starts runs and writes down what becomes of them, in a file of lines that stands for the ledger; its
 * parent kills it, disturbs the service manager, starts the next one, and compares the lines with what should be in
 * them. Prints TAP. Needs root, in a box (tests/system/box).
 *
 *   exec-driver outcomes             every way to end, followed by one driver
 *   exec-driver outcomes killed      the driver is killed when all are started, the next one comes when they are over
 *   exec-driver outcomes COMMAND…    COMMAND is run meanwhile, again and again: systemctl daemon-reexec, say
 *   exec-driver storm RUNS [killed|COMMAND…]
 *                                    many short runs, each of which leaves a mark: none is lost, none comes twice
 *
 * Before any of these words: --bus has the driver go by the system bus, as a vaktd that is not root does; --user takes
 * the service manager of the user ("storm" only). */

#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <systemd/sd-bus.h>

#include "exec/exec-unit.h"
#include "util/log.h"

#define MS          USEC_PER_MSEC
#define RUNS_MAX    10000
#define STORM_WIDTH 40
#define SYSTEM_BUS  "unix:path=/run/dbus/system_bus_socket"
#define DIRECTORY   "/tmp/exec-driver"
#define LEDGER      DIRECTORY "/ledger"
#define MARKS       DIRECTORY "/marks"

static bool user_instance;
static const char *address; /* NULL: as the executor likes it */

/* --- what is run --- */

#define SH(script)                                                         \
        {                                                                  \
                .path = (char *)"/bin/sh", .argv = (char *[]) {            \
                        (char *)"sh", (char *)"-c", (char *)(script), NULL \
                }                                                          \
        }
#define SHELL(script, f)                                                                          \
        {                                                                                         \
                .path = (char *)"/bin/sh", .flags = COMMAND_NO_EXPAND | (f), .argv = (char *[]) { \
                        (char *)"sh", (char *)"-c", (char *)(script), NULL                        \
                }                                                                                 \
        }
#define PROGRAM(f, name, ...)                                              \
        {                                                                  \
                .path = (char *)(name), .flags = (f), .argv = (char *[]) { \
                        (char *)(name), __VA_ARGS__ __VA_OPT__(, ) NULL    \
                }                                                          \
        }
#define W(word) (char *)(word)

#define NUMBER(n) \
        { .number = (n) }
#define TEXT(s) \
        { .number = sizeof(s) - 1, .text = (char *)(s) }
#define PROPERTY(n, s, ...)                                                            \
        {                                                                              \
                .name = (n), .signature = (s), .values = (UnitValue[]){ __VA_ARGS__ }, \
                .n_values = sizeof((UnitValue[]){ __VA_ARGS__ }) / sizeof(UnitValue)   \
        }

typedef struct Case {
        const char *name;
        CommandDef commands[3];
        UnitProperty properties[3];
        const char *unit; /* Unit= */
        usec_t timeout;   /* 0 = none */
        int success_status, success_signal;
        usec_t stop_at;        /* by the driver, after it was started; 1: at once */
        const char *elsewhere; /* command that the parent runs once all are started, before the unit's name */
        RunResult result;
        int code;
        const char *reason;       /* part of it */
        const char *status;       /* what the run said */
        usec_t cpu;               /* at least */
        RunResult when_killed;    /* where it differs: nobody saw it */
        RunResult when_disturbed; /* may be that, too: a signal was lost */
} Case;

static const Case cases[] = {
        { "exit-0", { SHELL("sleep 1", 0) }, .result = RUN_RESULT_SUCCESS },
        { "exit-7", { SHELL("sleep 1; exit 7", 0) }, .result = RUN_RESULT_EXIT, .code = 7 },
        { "at-once", { PROGRAM(0, "/bin/true") }, .result = RUN_RESULT_SUCCESS },
        { "by-name", { PROGRAM(0, "true") }, .result = RUN_RESULT_SUCCESS },
        { "ignored", { SHELL("sleep 1; exit 7", COMMAND_IGNORE_FAILURE) }, .result = RUN_RESULT_SUCCESS },
        { "status-3", { SHELL("sleep 1; exit 3", 0) }, .success_status = 3, .result = RUN_RESULT_SUCCESS },
        { "exit-203", { SHELL("sleep 1; exit 203", 0) }, .result = RUN_RESULT_EXIT, .code = 203 },
        { "sigkill", { SHELL("sleep 1; kill -KILL $$", 0) }, .result = RUN_RESULT_SIGNAL, .code = SIGKILL },
        { "sigterm", { SHELL("sleep 1; kill -TERM $$", 0) }, .result = RUN_RESULT_SIGNAL, .code = SIGTERM },
        { "sigsegv",
          { SHELL("ulimit -c 0; sleep 1; kill -SEGV $$", 0) },
          .result = RUN_RESULT_SIGNAL,
          .code = SIGSEGV },
        { "sigterm-is-fine",
          { SHELL("sleep 1; kill -TERM $$", 0) },
          .success_signal = SIGTERM,
          .result = RUN_RESULT_SUCCESS },
        { "sigkill-is-fine",
          { SHELL("sleep 1; kill -KILL $$", 0) },
          .success_signal = SIGKILL,
          .result = RUN_RESULT_SUCCESS },
        { "no-program",
          { PROGRAM(0, "/no/such/program") },
          .result = RUN_RESULT_START_FAILED,
          .code = ENOENT,
          .reason = "/no/such/program: No such file or directory (step EXEC)" },
        { "no-name",
          { PROGRAM(0, "no-such-program") },
          .result = RUN_RESULT_START_FAILED,
          .reason = "no-such-program (step EXEC)" },
        { "no-user",
          { SHELL("true", 0) },
          { PROPERTY("User", "s", TEXT("nosuchuser")) },
          .result = RUN_RESULT_START_FAILED,
          .reason = "User=" },
        { "no-directory",
          { SHELL("true", 0) },
          { PROPERTY("WorkingDirectory", "s", TEXT("/no/such/directory")) },
          .result = RUN_RESULT_START_FAILED,
          .code = ENOENT,
          .reason = "could not be entered: /no/such/directory: No such file or directory (step CHDIR)" },
        { "no-root",
          { SHELL("true", 0) },
          { PROPERTY("RootDirectory", "s", TEXT("/no/such/root")) },
          .result = RUN_RESULT_START_FAILED,
          .code = ENOENT,
          .reason = "/no/such/root" },
        { "no-credential",
          { SHELL("true", 0) },
          { PROPERTY("LoadCredential", "a(ss)", NUMBER(1), TEXT("x"), TEXT("/no/such/credential")) },
          .result = RUN_RESULT_START_FAILED,
          .code = ENOENT,
          .reason = "CREDENTIALS" },
        { "no-such-setting",
          { SHELL("true", 0) },
          { PROPERTY("NoSuchSetting", "s", TEXT("x")) },
          .result = RUN_RESULT_START_FAILED,
          .reason = "NoSuchSetting" },
        { "timeout",
          { PROGRAM(0, "/bin/sleep", W("100")) },
          .timeout = 700 * MS,
          .result = RUN_RESULT_TIMEOUT,
          .code = SIGTERM },
        { "timeout-ignores-term",
          { SHELL("trap '' TERM; sleep 1; sleep 1; sleep 1; sleep 100", 0) },
          { PROPERTY("TimeoutStopUSec", "t", NUMBER(300 * MS)) },
          .timeout = 700 * MS,
          .result = RUN_RESULT_TIMEOUT,
          .code = SIGKILL },
        { "stop",
          { PROGRAM(0, "/bin/sleep", W("100")) },
          .stop_at = 300 * MS,
          .result = RUN_RESULT_CANCELLED,
          .code = SIGTERM },
        { "stop-at-once",
          { PROGRAM(0, "/bin/sleep", W("100")) },
          .stop_at = 1,
          .result = RUN_RESULT_CANCELLED,
          .code = -1 },
        { "stop-exits",
          { SHELL("trap 'exit 4' TERM; sleep 100 & wait", 0) },
          .stop_at = 300 * MS,
          .result = RUN_RESULT_CANCELLED },
        { "systemctl-stop",
          { PROGRAM(0, "/bin/sleep", W("100")) },
          .elsewhere = "systemctl stop",
          .result = RUN_RESULT_CANCELLED,
          .code = SIGTERM,
          .reason = "not by vaktd",
          .when_killed = RUN_RESULT_LOST },
        { "systemctl-kill",
          { PROGRAM(0, "/bin/sleep", W("100")) },
          .elsewhere = "systemctl kill -s KILL",
          .result = RUN_RESULT_SIGNAL,
          .code = SIGKILL },
        { "stop-exits-elsewhere",
          { SHELL("trap 'exit 4' TERM; sleep 100 & wait", 0) },
          .elsewhere = "systemctl stop",
          .result = RUN_RESULT_CANCELLED,
          .reason = "not by vaktd",
          .when_killed = RUN_RESULT_EXIT },
        { "several",
          { SHELL("exit 5", COMMAND_IGNORE_FAILURE), SHELL("sleep 1", 0), SHELL("exit 4", 0) },
          .result = RUN_RESULT_EXIT,
          .code = 4 },
        { "several-well",
          { SHELL("exit 5", COMMAND_IGNORE_FAILURE), SHELL("sleep 1", 0) },
          .result = RUN_RESULT_SUCCESS },
        { "several-ignored",
          { SHELL("sleep 1", 0), SHELL("kill -TERM $$", COMMAND_IGNORE_FAILURE) },
          .result = RUN_RESULT_SUCCESS },
        { "several-status-3",
          { SHELL("exit 3", 0), SHELL("sleep 1", 0) },
          .success_status = 3,
          .result = RUN_RESULT_SUCCESS },
        { "several-dollar", { SHELL("sleep 1 # $", 0), SHELL("exit 3", 0) }, .result = RUN_RESULT_EXIT, .code = 3 },
        { "several-dollar-root",
          { SHELL("sleep 1 # $", 0), SHELL("exit 3", 0) },
          { PROPERTY("RootDirectory", "s", TEXT("/")) },
          .result = RUN_RESULT_EXIT,
          .code = 3,
          .when_disturbed = RUN_RESULT_LOST },
        { "no-program-dollar",
          { PROGRAM(0, "/no/such/program", W("$")) },
          .result = RUN_RESULT_START_FAILED,
          .reason = "/no/such/program: No such file or directory" },
        { "several-timeout",
          { SHELL("true", 0), PROGRAM(0, "/bin/sleep", W("100")) },
          .timeout = 700 * MS,
          .result = RUN_RESULT_TIMEOUT,
          .code = SIGTERM },
        { "several-no-program",
          { SHELL("sleep 1", 0), PROGRAM(0, "/no/such/program") },
          .result = RUN_RESULT_START_FAILED,
          .reason = "EXEC" },
        { "several-stop",
          { SHELL("true", 0), PROGRAM(0, "/bin/sleep", W("100")) },
          .stop_at = 300 * MS,
          .result = RUN_RESULT_CANCELLED,
          .code = SIGTERM },
        { "expanded",
          { PROGRAM(0, "/usr/bin/test", W("${VAKT_JOB}$$"), W("="), W("expanded$")) },
          .result = RUN_RESULT_SUCCESS },
        { "dollar",
          { PROGRAM(0, "/bin/sh", W("-c"), W("test \"$1\" = '$'"), W("sh"), W("$$")) },
          .result = RUN_RESULT_SUCCESS },
        { "dollars",
          { PROGRAM(COMMAND_NO_EXPAND, "/bin/sh", W("-c"), W("test \"$1\" = '$$'"), W("sh"), W("$$")) },
          .result = RUN_RESULT_SUCCESS },
        { "word",
          { PROGRAM(0, "/usr/bin/test", W("$VAKT_CAUSE"), W("="), W("manual")) },
          .result = RUN_RESULT_SUCCESS },
        { "environment",
          { SHELL("test \"$VAKT_JOB,$VAKT_CAUSE,$FOO\" = environment,manual,bar", 0) },
          { PROPERTY("Environment", "as", NUMBER(2), TEXT("VAKT_JOB=evil"), TEXT("FOO=bar")) },
          .result = RUN_RESULT_SUCCESS },
        { "status",
          { SHELL("sleep 0.3; systemd-notify --status='half way'; sleep 0.3", 0) },
          .result = RUN_RESULT_SUCCESS,
          .status = "half way" },
        { "cpu",
          { SHELL("i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done", 0) },
          .result = RUN_RESULT_SUCCESS,
          .cpu = 20 * MS },
        { "condition",
          { SHELL("true", 0) },
          { PROPERTY("Conditions", "a(sbbs)", NUMBER(1), TEXT("ConditionPathExists"), NUMBER(0), NUMBER(0),
                     TEXT("/no/such/file")) },
          .result = RUN_RESULT_SKIPPED,
          .reason = "condition",
          .when_killed = RUN_RESULT_SKIPPED },
        { "exec-condition",
          { SHELL("true", 0) },
          { PROPERTY("ExecCondition", "a(sasb)", NUMBER(1), TEXT("/bin/false"), NUMBER(1), TEXT("false"), NUMBER(0)) },
          .result = RUN_RESULT_SKIPPED,
          .reason = "ExecCondition=" },
        { "start-pre",
          { SHELL("true", 0) },
          { PROPERTY("ExecStartPre", "a(sasb)", NUMBER(1), TEXT("/bin/false"), NUMBER(1), TEXT("false"), NUMBER(0)) },
          .result = RUN_RESULT_START_FAILED,
          .reason = "ExecStartPre=" },
        { "needs-none",
          { SHELL("true", 0) },
          { PROPERTY("Requires", "as", NUMBER(1), TEXT("no-such-unit.service")) },
          .result = RUN_RESULT_START_FAILED },
        { "unit-oneshot", .unit = "driver-oneshot.service", .result = RUN_RESULT_SUCCESS,
          .when_killed = RUN_RESULT_LOST, .when_disturbed = RUN_RESULT_LOST },
        { "unit-exit", .unit = "driver-exit.service", .result = RUN_RESULT_EXIT, .code = 6 },
        { "unit-remains", .unit = "driver-remains.service", .result = RUN_RESULT_SUCCESS },
        { "unit-runs", .unit = "driver-runs.service", .stop_at = 300 * MS, .result = RUN_RESULT_CANCELLED,
          .code = SIGTERM },
        { "unit-timeout", .unit = "driver-times-out.service", .timeout = 700 * MS, .result = RUN_RESULT_TIMEOUT,
          .code = SIGTERM },
        { "unit-target", .unit = "driver.target", .result = RUN_RESULT_SUCCESS },
        { "unit-condition", .unit = "driver-condition.service", .result = RUN_RESULT_SKIPPED, .reason = "condition",
          .when_killed = RUN_RESULT_SKIPPED },
        { "unit-needs", .unit = "driver-needs.service", .result = RUN_RESULT_START_FAILED, .reason = "needs" },
        { "unit-none", .unit = "driver-none.service", .result = RUN_RESULT_START_FAILED, .reason = "refused" },
        { "unit-active", .unit = "driver-active.service", .elsewhere = "systemctl stop",
          .result = RUN_RESULT_CANCELLED, .code = SIGTERM, .when_killed = RUN_RESULT_LOST },
};

static const struct {
        const char *name, *text;
} unit_files[] = {
        { "driver-oneshot.service", "[Service]\nType=oneshot\nExecStart=/bin/sleep 1\n" },
        { "driver-exit.service", "[Service]\nType=oneshot\nExecStart=/bin/sh -c 'sleep 1; exit 6'\n" },
        { "driver-remains.service", "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/sleep 1\n" },
        { "driver-runs.service", "[Service]\nExecStart=/bin/sleep 100\n" },
        { "driver-times-out.service", "[Service]\nExecStart=/bin/sleep 100\n" },
        { "driver-active.service", "[Service]\nExecStart=/bin/sleep 100\n" },
        { "driver.target", "[Unit]\nDescription=A target\n" },
        { "driver-condition.service", "[Unit]\nConditionPathExists=/no/such/file\n[Service]\nExecStart=/bin/true\n" },
        { "driver-needs.service", "[Unit]\nRequires=driver-fails.service\nAfter=driver-fails.service\n"
                                  "[Service]\nExecStart=/bin/true\n" },
        { "driver-fails.service", "[Service]\nType=oneshot\nExecStart=/bin/false\n" },
};

_printf_(1, 2) __attribute__((__noreturn__)) static void die(const char *format, ...) {
        va_list ap;

        va_start(ap, format);
        printf("Bail out! ");
        vprintf(format, ap);
        printf("\n");
        va_end(ap);
        exit(EXIT_FAILURE);
}

/* --- the driver --- */

typedef enum RunStage {
        STAGE_NEW,
        STAGE_BEGUN,
        STAGE_STARTED,
        STAGE_ENDED,
} RunStage;

typedef struct DriverRun {
        JobDef *def;
        RunStage stage;
        usec_t begun;
        sd_id128_t invocation;
        char *unit;
        Execution *execution;
        sd_event_source *stop;
        /* for the parent */
        unsigned n_ends;
        RunResult result;
        int code;
        usec_t cpu;
        char reason[256], status[64];
} DriverRun;

static DriverRun runs[RUNS_MAX];
static unsigned n_runs;
static bool is_storm;

static bool stops_wait; /* for the next driver */

typedef struct Driver {
        sd_event *event;
        Executor *executor;
        int ledger;
        unsigned n_outstanding, next;
        sd_event_source *settle;
} Driver;
static Driver driver;

static const char *run_job(unsigned i) {
        return is_storm ? "storm" : cases[i].name;
}

static void write_line(const char *format, ...) {
        char line[1024];
        va_list ap;
        int n;

        va_start(ap, format);
        n = vsnprintf(line, sizeof(line), format, ap);
        va_end(ap);
        if (write(driver.ledger, line, (size_t)n) != n)
                die("cannot write the ledger: %s", strerror(errno));
}

static int on_stop_time(sd_event_source *s, uint64_t usec, void *userdata) {
        DriverRun *run = userdata;

        run->execution->ops->stop(run->execution, RUN_RESULT_CANCELLED);
        return 0;
}

static void on_started(void *cookie, const ExecIdentity *identity) {
        DriverRun *run = cookie;
        unsigned i = (unsigned)(run - runs);
        usec_t stop_at = is_storm ? 0 : cases[i].stop_at;

        write_line("S %u %s " SD_ID128_FORMAT_STR " %d\n", i, identity->unit,
                   SD_ID128_FORMAT_VAL(identity->invocation), (int)identity->pid);
        if (stop_at > 1 && !stops_wait && !run->stop &&
            sd_event_add_time_relative(driver.event, &run->stop, CLOCK_MONOTONIC, stop_at, 1, on_stop_time, run) < 0)
                die("no timer");
}

static void on_status(void *cookie, const char *text) {
        write_line("T %u %s\n", (unsigned)((DriverRun *)cookie - runs), text);
}

static int on_settle(sd_event_source *s, void *userdata) {
        driver.executor->ops->acknowledge(driver.executor);
        return 0;
}

static void start_some(void);

static void on_ended(void *cookie, const ExecOutcome *o) {
        DriverRun *run = cookie;

        write_line("E %u %d %d %" PRIu64 " %s\n", (unsigned)(run - runs), (int)o->result, o->code, o->cpu,
                   strempty(o->reason));
        run->stage = STAGE_ENDED;
        run->execution = execution_free(run->execution);
        run->stop = sd_event_source_disable_unref(run->stop);
        driver.n_outstanding--;
        (void)sd_event_source_set_enabled(driver.settle, SD_EVENT_ONESHOT);
        start_some();
}

static ExecFound on_found(void *userdata, const char *job, uint64_t run) {
        bool known = run >= 1 && run <= n_runs && streq(job, run_job((unsigned)run - 1));

        if (!known || runs[run - 1].stage != STAGE_ENDED)
                write_line("X %s %" PRIu64 "\n", job, run);
        return known && runs[run - 1].stage == STAGE_ENDED ? EXEC_FOUND_WRITTEN : EXEC_FOUND_FOREIGN;
}

/* Begins it, or takes it over. */
static void take_on(unsigned i) {
        DriverRun *run = &runs[i];
        usec_t timeout = is_storm ? 0 : cases[i].timeout;
        RunRecord record = RUN_RECORD_INIT;
        ExecutionRequest request = {
                .def = run->def,
                .run = &record,
                .timeout = timeout > 0 ? timeout : USEC_INFINITY,
        };
        int r;

        record.id = i + 1;
        record.job = run_job(i);
        record.cause = RUN_CAUSE_MANUAL;
        if (run->stage == STAGE_NEW) {
                run->begun = now_realtime();
                write_line("B %u %" PRIu64 "\n", i, run->begun);
                run->stage = STAGE_BEGUN;
                record.started = run->begun;
                r = driver.executor->ops->start(driver.executor, &request, run, &run->execution);
        } else {
                record.started = run->begun;
                record.state = run->stage == STAGE_BEGUN ? RUN_STARTING : RUN_RUNNING;
                record.unit = run->unit;
                record.invocation = run->invocation;
                r = driver.executor->ops->adopt(driver.executor, &request, run, &run->execution);
        }
        if (r < 0)
                die("%s: %s", record.job, strerror(-r));
        driver.n_outstanding++;
        if (!is_storm && cases[i].stop_at == 1)
                run->execution->ops->stop(run->execution, RUN_RESULT_CANCELLED);
}

static void start_some(void) {
        unsigned width = is_storm ? STORM_WIDTH : RUNS_MAX;

        for (; driver.next < n_runs && driver.n_outstanding < width; driver.next++)
                if (runs[driver.next].stage == STAGE_NEW)
                        take_on(driver.next);
}

static void read_ledger(void);

__attribute__((__noreturn__)) static void drive(void) {
        const ExecutorOptions options = {
                .callbacks = { .started = on_started, .status = on_status, .ended = on_ended, .found = on_found },
                .user_instance = user_instance,
        };

        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        read_ledger();
        driver.ledger = open(LEDGER, O_WRONLY | O_APPEND | O_CLOEXEC);
        if (driver.ledger < 0 || sd_event_new(&driver.event) < 0 ||
            sd_event_add_defer(driver.event, &driver.settle, on_settle, NULL) < 0 ||
            sd_event_source_set_enabled(driver.settle, SD_EVENT_OFF) < 0 ||
            unit_executor_new_at(&driver.executor, driver.event, &options, address, /* is_bus= */ address) < 0)
                die("no executor");
        for (unsigned i = 0; i < n_runs; i++)
                if (runs[i].stage == STAGE_BEGUN || runs[i].stage == STAGE_STARTED)
                        take_on(i);
        start_some();
        (void)sd_event_loop(driver.event);
        exit(EXIT_FAILURE);
}

/* --- the ledger, read anew each time --- */

static void read_line(char *line) {
        char unit[300], invocation[40];
        unsigned i;
        DriverRun *run;
        int n = 0;

        line[strcspn(line, "\n")] = '\0';
        if (line[0] == 'X')
                die("a unit that nobody knows: %s", line + 2);
        if (sscanf(line + 1, " %u", &i) != 1 || i >= n_runs)
                die("bad line: %s", line);
        run = &runs[i];
        switch (line[0]) {
        case 'B':
                run->stage = STAGE_BEGUN;
                (void)sscanf(line + 1, " %*u %" PRIu64, &run->begun);
                break;
        case 'S':
                if (run->stage == STAGE_BEGUN)
                        run->stage = STAGE_STARTED;
                if (sscanf(line + 1, " %*u %299s %39s", unit, invocation) != 2)
                        die("bad line: %s", line);
                free(run->unit);
                run->unit = strdup(unit);
                (void)sd_id128_from_string(invocation, &run->invocation);
                break;
        case 'T':
                (void)sscanf(line + 1, " %*u %63[^\n]", run->status);
                break;
        case 'E':
                run->stage = STAGE_ENDED;
                run->n_ends++;
                (void)sscanf(line + 1, " %*u %u %d %" PRIu64 " %n", &run->result, &run->code, &run->cpu, &n);
                (void)snprintf(run->reason, sizeof(run->reason), "%s", line + 1 + n);
                break;
        default:
                die("bad line: %s", line);
        }
}

/* A line that is not whole yet is left for the next time. */
static void read_ledger(void) {
        FILE *f = fopen(LEDGER, "re");
        char line[1200];

        if (!f)
                die("no ledger");
        for (unsigned i = 0; i < n_runs; i++) {
                runs[i].stage = STAGE_NEW;
                runs[i].n_ends = 0;
        }
        while (fgets(line, sizeof(line), f))
                if (strchr(line, '\n'))
                        read_line(line);
        (void)fclose(f);
}

static unsigned n_ended(void) {
        unsigned n = 0;

        read_ledger();
        for (unsigned i = 0; i < n_runs; i++)
                n += runs[i].stage == STAGE_ENDED;
        return n;
}

/* --- the parent --- */

static usec_t began;
static unsigned n_tests, n_failed;

_printf_(2, 3) static void result(bool ok, const char *format, ...) {
        va_list ap;

        n_failed += !ok;
        printf("%sok %u - ", ok ? "" : "not ", ++n_tests);
        va_start(ap, format);
        vprintf(format, ap);
        va_end(ap);
        printf("\n");
        (void)fflush(stdout);
}

static pid_t driver_new(void) {
        pid_t pid;

        (void)fflush(stdout);
        pid = fork();
        if (pid < 0)
                die("fork: %s", strerror(errno));
        if (pid == 0)
                drive();
        return pid;
}

static void driver_kill(pid_t pid) {
        int status;

        (void)kill(pid, SIGKILL);
        if (waitpid(pid, &status, 0) != pid || !WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
                die("the driver died by itself");
}

static usec_t passed(void) {
        return now_clock(CLOCK_MONOTONIC) - began;
}

/* Facts of another process that nothing announces. */
static bool within(usec_t span, bool (*holds)(void)) {
        usec_t end = passed() + span;

        for (;;) {
                if (holds())
                        return true;
                if (passed() > end)
                        return false;
                (void)poll(NULL, 0, 20);
        }
}

static bool all_ended(void) {
        return n_ended() == n_runs;
}

static bool all_started(void) {
        unsigned n = 0;

        read_ledger();
        for (unsigned i = 0; i < n_runs; i++)
                n += runs[i].stage == STAGE_STARTED || runs[i].stage == STAGE_ENDED;
        return n == n_runs;
}

/* How many lines systemctl prints of our units. */
static unsigned n_units(const char *condition) {
        char line[512];
        unsigned n = 0;
        FILE *f;

        (void)snprintf(line, sizeof(line), "systemctl %s list-units %s --plain --no-legend 'vakt-*.service'",
                       user_instance ? "--user" : "--system", condition);
        f = popen(line, "re");
        while (f && fgets(line, sizeof(line), f))
                n += strchr(line, '\n') != NULL;
        return f && pclose(f) == 0 ? n : UINT_MAX;
}

static bool no_unit_is_left(void) {
        return n_units("--all") == 0;
}

/* But those that wait for the driver to stop them. */
static bool all_are_over(void) {
        unsigned n = 0;

        for (unsigned i = 0; i < n_runs; i++)
                n += cases[i].stop_at > 1 && !cases[i].unit;
        return n_units("--state=running,start,stop-sigterm,stop-sigkill") == n;
}

static void command(const char *format, ...) {
        char line[512];
        va_list ap;

        va_start(ap, format);
        (void)vsnprintf(line, sizeof(line), format, ap);
        va_end(ap);
        if (system(line) != 0) /* whoever is stopped elsewhere may be gone already */
                printf("# failed: %s\n", line);
}

static void stop_elsewhere(void) {
        char job[JOB_NAME_MAX + 1] = "";

        for (unsigned i = 0; i < n_runs; i++) {
                if (!cases[i].elsewhere)
                        continue;
                (void)snprintf(job, sizeof(job), "%s", cases[i].name);
                if (cases[i].unit)
                        command("%s %s", cases[i].elsewhere, cases[i].unit);
                else
                        command("%s vakt-%s-%u.service", cases[i].elsewhere, job, i + 1);
        }
}

/* A unit that is gone has taken its signal along. */
static bool code_is_right(const DriverRun *run, const Case *c, bool gone) {
        return c->code < 0 || run->code == c->code || run->result == RUN_RESULT_START_FAILED ||
               (gone && run->code == 0 && (run->result == RUN_RESULT_CANCELLED || run->result == RUN_RESULT_TIMEOUT));
}

static void check_case(unsigned i, bool killed, const char *disturbance) {
        const Case *c = &cases[i];
        const DriverRun *run = &runs[i];
        RunResult expected = killed && c->when_killed != RUN_RESULT_NONE ? c->when_killed : c->result;
        bool ok;

        if (disturbance && c->when_disturbed != RUN_RESULT_NONE && run->result == c->when_disturbed)
                expected = c->when_disturbed;
        if (killed && c->unit && run->result == c->result) /* it had ended when the driver was killed */
                expected = c->result;
        ok = run->n_ends == 1 && run->result == expected;
        if (expected == c->result)
                ok = ok && code_is_right(run, c, disturbance || (killed && c->unit)) &&
                     (!c->reason || strstr(run->reason, c->reason)) &&
                     (c->cpu == 0 || (run->cpu != USEC_INFINITY && run->cpu >= c->cpu));
        if (c->status)
                ok = ok && streq(run->status, c->status);
        result(ok, "%s: %s %d%s%s", c->name, strempty(run_result_to_string(run->result)), run->code,
               run->reason[0] ? " " : "", run->reason);
        if (!ok)
                printf("# expected %s %d '%s', %u ends, status '%s', cpu %" PRIu64 "\n",
                       run_result_to_string(expected), c->code, strempty(c->reason), run->n_ends, run->status,
                       run->cpu);
}

static void outcomes(bool killed, const char *disturbance) {
        pid_t pid;

        stops_wait = killed;
        pid = driver_new();
        if (!within(20 * USEC_PER_SEC, all_started))
                printf("# not all are started\n");
        if (killed)
                driver_kill(pid);
        stop_elsewhere();
        for (unsigned i = 0; disturbance && i < 3; i++)
                command("%s", disturbance);
        if (killed) {
                result(within(20 * USEC_PER_SEC, all_are_over), "all are over while nobody looks");
                stops_wait = false;
                pid = driver_new();
        }
        result(within(30 * USEC_PER_SEC, all_ended), "all are reported");
        for (unsigned i = 0; i < n_runs; i++)
                check_case(i, killed, disturbance);
        result(within(15 * USEC_PER_SEC, no_unit_is_left), "all units are released");
        driver_kill(pid);
}

static void check_storm(void) {
        unsigned *marks = calloc(n_runs + 1, sizeof(unsigned)), run, bad = 0;
        FILE *f = fopen(MARKS, "re");

        while (f && fscanf(f, "%u\n", &run) == 1)
                if (run <= n_runs)
                        marks[run]++;
        for (unsigned i = 0; i < n_runs; i++)
                if (marks[i + 1] != 1 || runs[i].n_ends != 1 || runs[i].result != RUN_RESULT_SUCCESS) {
                        if (++bad > 5)
                                continue;
                        printf("# run %u: %u marks, %u ends, %s %s\n", i + 1, marks[i + 1], runs[i].n_ends,
                               strempty(run_result_to_string(runs[i].result)), runs[i].reason);
                }
        result(bad == 0, "each of %u runs left one mark and one end", n_runs);
        free(marks);
        if (f)
                (void)fclose(f);
}

static void storm(bool killed, const char *disturbance) {
        unsigned kills = 0, disturbances = 0;
        pid_t pid = driver_new();

        while (n_ended() < n_runs && passed() < 300 * USEC_PER_SEC) {
                (void)poll(NULL, 0, 100);
                if (killed && passed() > (kills + 1) * 300 * MS) {
                        driver_kill(pid);
                        pid = driver_new();
                        kills++;
                }
                if (disturbance && n_ended() >= (disturbances + 1) * n_runs / 5 && disturbances < 4) {
                        command("%s", disturbance);
                        disturbances++;
                }
        }
        printf("# %.1f s, %u kills, %u times %s\n", (double)passed() / 1e6, kills, disturbances,
               disturbance ?: "nothing else");
        result(all_ended(), "all are reported");
        check_storm();
        result(within(15 * USEC_PER_SEC, no_unit_is_left), "all units are released");
        driver_kill(pid);
}

/* --- definitions --- */

static JobDef *def_of_case(const Case *c) {
        JobDef *def;

        if (job_def_new(&def, c->name) < 0)
                die("no memory");
        def->commands = (CommandDef *)c->commands;
        while (def->n_commands < ELEMENTSOF(c->commands) && c->commands[def->n_commands].path)
                def->n_commands++;
        def->rare->properties = (UnitProperty *)c->properties;
        while (def->rare->n_properties < ELEMENTSOF(c->properties) && c->properties[def->rare->n_properties].name)
                def->rare->n_properties++;
        def->rare->unit = (char *)c->unit;
        if (c->success_status)
                def->rare->success.statuses[c->success_status / 8] |= (uint8_t)(1U << c->success_status % 8);
        if (c->success_signal)
                def->rare->success.signals |= 1ULL << c->success_signal;
        return def; /* kept to the end, so that nothing of the table is freed */
}

static void write_unit_files(void) {
        for (size_t i = 0; i < ELEMENTSOF(unit_files); i++) {
                char path[128];
                FILE *f;

                (void)snprintf(path, sizeof(path), "/run/systemd/system/%s", unit_files[i].name);
                f = fopen(path, "we");
                if (!f)
                        die("%s: %s", path, strerror(errno));
                (void)fputs(unit_files[i].text, f);
                (void)fclose(f);
        }
        command("systemctl daemon-reload");
        command("systemctl start driver-active.service");
}

static const Case storm_case = { "storm", { SHELL("echo $VAKT_RUN >>" MARKS, 0) } };

static void prepare(void) {
        JobDef *def = is_storm ? def_of_case(&storm_case) : NULL;

        if (mkdir(DIRECTORY, 0755) < 0 && errno != EEXIST)
                die("%s: %s", DIRECTORY, strerror(errno));
        (void)unlink(MARKS);
        (void)unlink(LEDGER);
        (void)close(open(LEDGER, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0644));
        for (unsigned i = 0; i < n_runs; i++)
                runs[i].def = def ?: def_of_case(&cases[i]);
        if (!is_storm)
                write_unit_files();
}

static void clean_up(void) {
        char path[128];

        command("systemctl stop 'driver*.service' driver.target");
        command("systemctl reset-failed");
        for (size_t i = 0; i < ELEMENTSOF(unit_files); i++) {
                (void)snprintf(path, sizeof(path), "/run/systemd/system/%s", unit_files[i].name);
                (void)unlink(path);
        }
        command("systemctl daemon-reload");
}

int main(int argc, char *argv[]) {
        const char *what, *disturbance;
        bool killed;
        int i = 1;

        if (argc > i && streq(argv[i], "--bus")) {
                address = SYSTEM_BUS;
                i++;
        } else if (argc > i && streq(argv[i], "--user")) {
                user_instance = true;
                i++;
        }
        what = argc > i ? argv[i++] : "";
        is_storm = streq(what, "storm");
        n_runs = is_storm && argc > i ? (unsigned)atoi(argv[i++]) : ELEMENTSOF(cases);
        if ((!is_storm && (user_instance || !streq(what, "outcomes"))) || n_runs == 0 || n_runs > RUNS_MAX) {
                (void)fprintf(stderr, "usage: %s [--bus|--user] outcomes|storm RUNS [killed|COMMAND]\n", argv[0]);
                return EXIT_FAILURE;
        }
        killed = argc > i && streq(argv[i], "killed");
        disturbance = argc > i && !killed ? argv[i] : argc > i + 1 ? argv[i + 1] : NULL;
        prepare();
        began = now_clock(CLOCK_MONOTONIC);
        if (is_storm)
                storm(killed, disturbance);
        else
                outcomes(killed, disturbance);
        if (!is_storm)
                clean_up();
        printf("1..%u\n", n_tests);
        return n_failed > 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
