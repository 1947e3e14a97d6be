/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a path trigger gives a run, through a real executor: names that nobody would choose in $VAKT_PATH, and long
 * lists on standard input and in $VAKT_PATHS. A run compares what it got with a file of what was meant, and its result
 * says whether that is the same. Prints TAP. Needs root, in a box (tests/system/box).
 *
 *   paths-driver unit|child [MODE:OWNER]
 *
 * MODE:OWNER: how a list is that is written for User=nobody, as stat(1) says it. */

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include "exec/executor.h"
#include "util/log.h"

#define DIRECTORY    "/run/paths-driver" /* runs find what was meant in it */
#define BATCHES      "batches"
#define PATHS        100000
#define TIMEOUT_USEC (60 * USEC_PER_SEC)

static const char *runtime_dir;
static sd_event *event;
static Executor *executor;
static uint64_t next_run;
static unsigned n_tests, n_failed;

_printf_(1, 2) __attribute__((__noreturn__)) static void die(const char *format, ...) {
        va_list ap;

        printf("Bail out! ");
        va_start(ap, format);
        vprintf(format, ap);
        va_end(ap);
        printf("\n");
        exit(EXIT_FAILURE);
}

static void result(bool ok, const char *name, const char *why) {
        n_failed += !ok;
        printf("%sok %u - %s %s%s%s\n", ok ? "" : "not ", ++n_tests, executor->ops->name, name, ok ? "" : ": ",
               ok ? "" : why);
        (void)fflush(stdout);
}

/* --- runs --- */

typedef struct TestRun {
        JobDef *def;
        RunRecord record;
        Execution *execution;
        unsigned n_started, n_ended;
        ExecIdentity identity;
        ExecOutcome outcome;
        char reason[512];
} TestRun;

static void on_started(void *cookie, const ExecIdentity *identity) {
        TestRun *t = cookie;

        t->n_started++;
        t->identity = *identity;
}

static void on_ended(void *cookie, const ExecOutcome *outcome) {
        TestRun *t = cookie;

        t->n_ended++;
        t->outcome = *outcome;
        (void)snprintf(t->reason, sizeof(t->reason), "%s %d %s", run_result_to_string(outcome->result), outcome->code,
                       strempty(outcome->reason));
        t->execution = execution_free(t->execution);
}

static void on_text(void *cookie, const char *text) {
}

static void on_output(void *cookie, const char *line, size_t n, bool is_stderr) {
        printf("# %.*s\n", (int)n, line);
}

static ExecFound on_found(void *userdata, const char *job, uint64_t run) {
        return EXEC_FOUND_WRITTEN;
}

static bool has_drained;

static void on_drained(void *userdata) {
        has_drained = true;
}

static void open_executor(const char *kind) {
        const ExecutorOptions options = {
                .callbacks = { .started = on_started,
                               .output = on_output,
                               .status = on_text,
                               .ended = on_ended,
                               .drained = on_drained,
                               .found = on_found },
                .runtime_dir = runtime_dir,
        };
        int r;

        r = streq(kind, "unit") ? unit_executor_new(&executor, event, &options)
                                : child_executor_new(&executor, event, &options);
        if (r < 0)
                die("no executor: %s", strerror(-r));
}

/* One turn after the other until it holds. */
static void until(const TestRun *t, bool (*holds)(const TestRun *)) {
        usec_t end = now_clock(CLOCK_MONOTONIC) + TIMEOUT_USEC;

        while (!holds(t)) {
                if (now_clock(CLOCK_MONOTONIC) > end)
                        die("run %" PRIu64 " does not come to its end", t->record.id);
                if (sd_event_run(event, USEC_PER_SEC) < 0)
                        die("the loop has ended");
        }
}

static bool has_ended(const TestRun *t) {
        return t->n_ended > 0;
}

static bool has_started(const TestRun *t) {
        return t->n_started > 0 || t->n_ended > 0;
}

static bool is_drained(const TestRun *t) {
        return has_drained;
}

/* What it has still to say to the service manager, such as to let units go, is said and answered. */
static void close_executor(void) {
        has_drained = !executor->ops->drain || executor->ops->drain(executor);
        until(&(TestRun){}, is_drained);
        executor = executor_free(executor);
}

static void add_command(TestRun *t, unsigned flags, const char *const *words) {
        JobDef *def = t->def;
        CommandDef *c;

        def->commands = reallocarray(def->commands, def->n_commands + 1, sizeof(CommandDef));
        if (!def->commands)
                die("no memory");
        c = &def->commands[def->n_commands++];
        *c = (CommandDef){ .path = strdup("/bin/sh"), .argv = calloc(8, sizeof(char *)), .flags = flags };
        for (size_t i = 0; words[i]; i++)
                c->argv[i] = strdup(words[i]);
}

static void add_script(TestRun *t, const char *script) {
        add_command(t, COMMAND_NO_EXPAND, (const char *const[]){ "sh", "-c", script, NULL });
}

static void add_property(TestRun *t, const char *name, const char *signature, const char *text, uint64_t number) {
        JobDef *def = t->def;
        UnitProperty *p;

        def->rare->properties = reallocarray(def->rare->properties, def->rare->n_properties + 1, sizeof(UnitProperty));
        if (!def->rare->properties)
                die("no memory");
        p = &def->rare->properties[def->rare->n_properties++];
        *p = (UnitProperty){ .name = name, .signature = signature };
        if (text ? unit_property_add_text(p, text, SIZE_MAX) < 0 : unit_property_add_number(p, number) < 0)
                die("no memory");
}

static void run_init(TestRun *t) {
        *t = (TestRun){ .record = RUN_RECORD_INIT };
        t->record.id = ++next_run;
        t->record.job = "paths";
        t->record.cause = RUN_CAUSE_PATH;
        t->record.state = RUN_STARTING;
        t->record.started = now_realtime();
        if (job_def_new(&t->def, "paths") < 0)
                die("no memory");
}

static void run_done(TestRun *t) {
        t->execution = execution_free(t->execution);
        t->def = job_def_unref(t->def);
        executor->ops->acknowledge(executor);
        while (sd_event_run(event, 0) > 0) /* its unit is let go in a turn of the loop */
                ;
}

static int run_start(TestRun *t, const char *paths, size_t size, bool one_path) {
        const ExecutionRequest request = {
                .def = t->def,
                .run = &t->record,
                .timeout = USEC_INFINITY,
                .follow = true,
                .paths = paths,
                .paths_size = size,
                .one_path = one_path,
        };

        return executor->ops->start(executor, &request, t, &t->execution);
}

static void run_to_its_end(TestRun *t, const char *paths, size_t size, bool one_path) {
        int r = run_start(t, paths, size, one_path);

        if (r < 0)
                die("run %" PRIu64 ": %s", t->record.id, strerror(-r));
        until(t, has_ended);
}

/* What it is to get, in a file that has its number. */
static void mean(const TestRun *t, const char *paths, size_t size) {
        char name[128];
        FILE *f;

        (void)snprintf(name, sizeof(name), DIRECTORY "/%" PRIu64, t->record.id);
        f = fopen(name, "we");
        if (!f || fwrite(paths, 1, size, f) != size || fclose(f) != 0)
                die("%s: %s", name, strerror(errno));
}

/* Files of lists, of ours and of all others. */
static unsigned n_lists(void) {
        char path[4096];
        DIR *directory;
        unsigned n = 0;

        (void)snprintf(path, sizeof(path), "%s/" BATCHES, runtime_dir);
        directory = opendir(path);
        if (!directory)
                return 0;
        while (readdir(directory))
                n++;
        (void)closedir(directory);
        return n - 2;
}

/* --- one path --- */

#define LONG  "abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmn" /* 50 */
#define LONG5 LONG LONG LONG LONG LONG

static const struct {
        const char *what, *path;
} names[] = {
        { "plain", "/srv/in/plain" },
        { "blanks", "/srv/in/  two  words " },
        { "newline", "/srv/in/a\nb\n" },
        { "only a newline", "/srv/in/\n" },
        { "quotes", "/srv/in/it's \"so\" `id`" },
        { "one quote", "/srv/in/\"" },
        { "dollar", "/srv/in/$HOME ${VAKT_JOB} $$ $" },
        { "percent", "/srv/in/%i %% %41 100%" },
        { "backslash", "/srv/in/a\\nb\\x41\\" },
        { "semicolon", "/srv/in/a ; b ;" },
        { "equals", "/srv/in/A=B" },
        { "leading dash", "-rf" },
        { "globs", "/srv/in/*?[a]{b,c}~" },
        { "hash", "/srv/in/# no comment" },
        { "tab, escape, delete", "/srv/in/\t\x1b[31m\x7f\x01" },
        { "carriage return", "/srv/in/a\r" },
        { "umlauts", "/srv/in/\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80" },
        { "control of Latin-1", "/srv/in/\xc2\x85" },
        { "a noncharacter", "/srv/in/\xef\xbf\xbe" },
        { "a surrogate", "/srv/in/\xed\xa0\x80" },
        { "overlong", "/srv/in/\xc0\xaf" },
        { "Latin-1", "/srv/in/caf\xe9" },
        { "no UTF-8", "/srv/in/\xff\xfe$\xff;\x80" },
        { "cut off", "/srv/in/\xe2\x82" },
        { "255 bytes", "/srv/in/" LONG5 "12345" },
        { "255 bytes, no UTF-8", "/srv/in/" LONG5 "\xff\xff\xff\xff\xff" },
};

#define COMPARE_VARIABLE "printf %s \"$VAKT_PATH\" | cmp - " DIRECTORY "/$VAKT_RUN"
#define COMPARE_WORD     "printf %s \"$1\" | cmp - " DIRECTORY "/$0 && test $# = 1"

/* As a variable, and as a word of a command line. */
static void test_name(size_t i, bool reloads) {
        size_t n = strlen(names[i].path);
        char what[128];
        TestRun t;

        run_init(&t);
        mean(&t, names[i].path, n);
        if (reloads)
                add_script(&t, "systemctl daemon-reload");
        add_script(&t, COMPARE_VARIABLE);
        add_command(&t, 0, (const char *const[]){ "sh", "-c", COMPARE_WORD, "${VAKT_RUN}", "${VAKT_PATH}", NULL });
        run_to_its_end(&t, names[i].path, n + 1, /* one_path= */ true);
        (void)snprintf(what, sizeof(what), "%s%s", names[i].what, reloads ? ", read again" : "");
        result(t.outcome.result == RUN_RESULT_SUCCESS, what, t.reason);
        run_done(&t);
}

/* With one command, and as somebody else. */
static void test_name_alone(size_t i) {
        size_t n = strlen(names[i].path);
        TestRun t;

        run_init(&t);
        mean(&t, names[i].path, n);
        add_script(&t, COMPARE_VARIABLE " && test $(id -un) = nobody && test ! -s /dev/stdin");
        add_property(&t, "User", "s", "nobody", 0);
        run_to_its_end(&t, names[i].path, n + 1, /* one_path= */ true);
        result(t.outcome.result == RUN_RESULT_SUCCESS, names[i].what, t.reason);
        run_done(&t);
}

/* That all these runs are able to fail. */
static void test_difference(void) {
        TestRun t;

        run_init(&t);
        mean(&t, "/srv/other", strlen("/srv/other"));
        add_script(&t, COMPARE_VARIABLE " >/dev/null 2>&1");
        run_to_its_end(&t, "/srv/in", sizeof("/srv/in"), /* one_path= */ true);
        result(t.outcome.result == RUN_RESULT_EXIT && t.outcome.code == 1, "sees a difference", t.reason);
        run_done(&t);
}

/* In another root there is no vakt-command that could bring it. */
static void test_other_root(void) {
        static const char path[] = "/srv/\xff";
        TestRun t;

        run_init(&t);
        add_script(&t, "true");
        add_property(&t, "RootDirectory", "s", "/", 0);
        run_to_its_end(&t, path, sizeof(path), /* one_path= */ true);
        result(t.outcome.result == RUN_RESULT_START_FAILED && strstr(t.reason, "RootDirectory="),
               "refuses what it cannot hand over", t.reason);
        run_done(&t);
}

/* --- lists --- */

static char *list;
static size_t list_size;

static void make_list(void) {
        FILE *f = open_memstream(&list, &list_size);

        for (unsigned i = 0; f && i < PATHS; i++) {
                (void)fprintf(f, "%s %u", names[i % ELEMENTSOF(names)].path, i);
                (void)fputc('\0', f);
        }
        if (!f || fclose(f) != 0)
                die("no memory");
}

#define SMALL_LIST 900000 /* bytes */

#define COMPARE_INPUT "cmp - " DIRECTORY "/$VAKT_RUN"
#define COMPARE_FILE  "cmp \"$VAKT_PATHS\" " DIRECTORY "/$VAKT_RUN"

static void test_list(const char *what, const char *user, bool dynamic, const char *script) {
        size_t size =
                dynamic ? 0 : list_size; /* what the service manager hands to a user of the run's own is bounded */
        TestRun t;

        while (dynamic && size < MIN((size_t)SMALL_LIST, list_size))
                size += strlen(list + size) + 1;
        run_init(&t);
        mean(&t, list, size);
        add_script(&t, COMPARE_INPUT);
        add_script(&t, COMPARE_FILE);
        add_script(&t, COMPARE_INPUT);
        add_script(&t, script);
        if (user)
                add_property(&t, "User", "s", user, 0);
        if (dynamic)
                add_property(&t, "DynamicUser", "b", NULL, 1);
        run_to_its_end(&t, list, size, /* one_path= */ false);
        result(t.outcome.result == RUN_RESULT_SUCCESS, what, t.reason);
        run_done(&t); /* until then the list is the only record of what the run was given */
        result(n_lists() == 0, "removes the list", "there are still some");
}

/* One command is started in another way than several. */
static void test_one_command(const char *what, const char *input) {
        TestRun t;

        run_init(&t);
        mean(&t, list, list_size);
        add_script(&t, input ? "test -z \"$(cat)\" && " COMPARE_FILE : COMPARE_INPUT " && " COMPARE_FILE);
        if (input)
                add_property(&t, "StandardInput", "s", input, 0);
        run_to_its_end(&t, list, list_size, /* one_path= */ false);
        result(t.outcome.result == RUN_RESULT_SUCCESS, what, t.reason);
        run_done(&t);
}

static void test_read_again(void) {
        TestRun t;

        run_init(&t);
        mean(&t, list, list_size);
        add_script(&t, "systemctl daemon-reload");
        add_script(&t, COMPARE_INPUT);
        run_to_its_end(&t, list, list_size, /* one_path= */ false);
        result(t.outcome.result == RUN_RESULT_SUCCESS, "a list, read again", t.reason);
        run_done(&t);
}

/* The next daemon knows its file, and removes it; and one that nobody knows. */
static void test_adoption(const char *kind) {
        ExecutionRequest request = { .timeout = USEC_INFINITY };
        char unit[64], stray[4096];
        int gate;
        TestRun t;

        (void)unlink(DIRECTORY "/gate");
        if (mkfifo(DIRECTORY "/gate", 0600) < 0 || (gate = open(DIRECTORY "/gate", O_RDWR | O_CLOEXEC)) < 0)
                die("no gate: %s", strerror(errno));
        run_init(&t);
        mean(&t, list, list_size);
        add_script(&t, "read line <" DIRECTORY "/gate; " COMPARE_INPUT " && " COMPARE_FILE);
        if (run_start(&t, list, list_size, /* one_path= */ false) < 0)
                die("no start");
        until(&t, has_started);
        t.execution = execution_free(t.execution);
        executor = executor_free(executor);
        (void)snprintf(stray, sizeof(stray), "%s/" BATCHES "/%s-123456", runtime_dir, kind);
        (void)close(open(stray, O_CREAT | O_WRONLY | O_CLOEXEC, 0400));

        open_executor(kind);
        result(n_lists() == 2, "keeps the list without a daemon", "it is gone");
        t.record.state = RUN_RUNNING;
        (void)snprintf(unit, sizeof(unit), "vakt-paths-%" PRIu64 ".service", t.record.id);
        t.record.unit = unit;
        t.record.invocation = t.identity.invocation;
        request.def = t.def;
        request.run = &t.record;
        if (executor->ops->adopt(executor, &request, &t, &t.execution) < 0)
                die("no adoption");
        (void)!write(gate, "go\n", 3);
        until(&t, has_ended);
        result(t.outcome.result == RUN_RESULT_SUCCESS, "a list, adopted", t.reason);
        run_done(&t);
        result(n_lists() == 0, "removes an adopted list and one that nobody knows", "there are still some");
        (void)close(gate);
}

static void test_no_room(void) {
        size_t size = (size_t)64 << 20;
        char *much = calloc(1, size), path[64];
        const char *old = runtime_dir, *kind = executor->ops->name;
        TestRun t;

        if (!much)
                die("no memory");
        memset(much, 'x', size - 1);
        (void)snprintf(path, sizeof(path), DIRECTORY "/small");
        executor = executor_free(executor);
        runtime_dir = path;
        open_executor(kind);
        run_init(&t);
        add_script(&t, "true");
        result(run_start(&t, much, size, /* one_path= */ false) == -ENOSPC, "says that there is no room",
               "it did not");
        result(n_lists() == 0, "leaves nothing where there is no room", "there is something");
        run_done(&t);
        executor = executor_free(executor);
        runtime_dir = old;
        open_executor(kind);
        free(much);
}

/* --- all --- */

static void test_all(const char *kind, const char *mode) {
        bool units = streq(kind, "unit");
        char script[256];

        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                test_name(i, /* reloads= */ false);
                test_name_alone(i);
                if (units)
                        test_name(i, /* reloads= */ true);
        }
        test_difference();

        test_list("a list", NULL, false, "test $(stat -c %a:%U \"$VAKT_PATHS\") = 400:root");
        (void)snprintf(script, sizeof(script),
                       "stat -c %%a:%%U \"$VAKT_PATHS\"; test $(stat -c %%a:%%U \"$VAKT_PATHS\") = %s", mode);
        test_list("a list for User=nobody", "nobody", false, script);
        test_list("a list for User=65534", "65534", false, script);
        test_one_command("a list for one command", NULL);
        test_one_command("another StandardInput=", "null");
        if (access(DIRECTORY "/small", F_OK) >= 0)
                test_no_room();
        if (!units)
                return;
        test_list("a list for DynamicUser=", NULL, true,
                  "case $(stat -c %a \"$VAKT_PATHS\") in *0) ;; *) false ;; esac");
        test_read_again();
        test_other_root();
        test_adoption(kind);
}

int main(int argc, char *argv[]) {
        sigset_t set;

        if (argc < 2 || (!streq(argv[1], "unit") && !streq(argv[1], "child"))) {
                (void)fprintf(stderr, "usage: %s unit|child [MODE:OWNER]\n", argv[0]);
                return EXIT_FAILURE;
        }
        (void)sigemptyset(&set);
        (void)sigaddset(&set, SIGCHLD);
        (void)sigprocmask(SIG_BLOCK, &set, NULL);
        log_open(LOG_TARGET_NULL);
        runtime_dir = getenv("RUNTIME_DIRECTORY") ?: DIRECTORY;
        if ((mkdir(DIRECTORY, 0755) < 0 && errno != EEXIST) || chmod(DIRECTORY, 0755) < 0 || sd_event_new(&event) < 0)
                die("cannot begin: %s", strerror(errno));
        (void)umask(0022);
        next_run = (uint64_t)now_realtime() / USEC_PER_SEC;
        make_list();
        open_executor(argv[1]);
        test_all(argv[1], argc > 2 ? argv[2] : "400:nobody");
        close_executor();
        sd_event_unref(event);
        free(list);
        printf("1..%u\n", n_tests);
        return n_failed > 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
