/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a path trigger gave a run, on its way into a unit: what the service manager is told, and how long the file with
 * the list is there. That it arrives is shown by tests/system/paths-driver.c. */

#include "test-unit-fake.h"

#include <fcntl.h>
#include <ftw.h>

#include "util/file.h"
#include "exec/unit-command.h"
#include "exec/unit-message.h"

#define RUN 7

static Executor *executor;
static Execution *execution;
static JobDef *def;
static RunRecord record;
static char directory[64];
static unsigned n_ended;
static RunResult end_result;
static char end_reason[512];
static ExecFound found_answer;
static char found_path[128];
static size_t found_size;
static bool found_one;
static unsigned n_surveyed;

/* --- a life --- */

static void on_started(void *cookie, const ExecIdentity *identity) {
}

static void on_status(void *cookie, const char *text) {
}

static void on_ended(void *cookie, const ExecOutcome *o) {
        n_ended++;
        end_result = o->result;
        (void)snprintf(end_reason, sizeof(end_reason), "%s", strempty(o->reason));
        execution = execution_free(execution);
}

static ExecFound on_found(void *userdata, const char *job, uint64_t run) {
        return found_answer;
}

static void on_forgotten(void *userdata, const ExecutionRequest *request, bool is_over) {
        (void)snprintf(found_path, sizeof(found_path), "%s", strempty(request->paths));
        found_size = request->paths_size;
        found_one = request->one_path;
        assert_true(request->run->requested > 0);
}

static void on_surveyed(void *userdata) {
        n_surveyed++;
}

static void open_executor(const char *runtime_dir) {
        const ExecutorOptions options = {
                .callbacks = {
                        .started = on_started,
                        .status = on_status,
                        .ended = on_ended,
                        .found = on_found,
                        .forgotten = on_forgotten,
                        .surveyed = on_surveyed,
                },
                .runtime_dir = runtime_dir,
        };

        assert_int_equal(unit_executor_new_at(&executor, fake.event, &options, fake.address, /* is_bus= */ false), 0);
}

static void add_command(void) {
        CommandDef *c;

        def->commands = reallocarray(def->commands, def->n_commands + 1, sizeof(CommandDef));
        assert_non_null(def->commands);
        c = &def->commands[def->n_commands++];
        *c = (CommandDef){ .path = strdup("/bin/job") };
        assert_int_equal(strv_extend(&c->argv, "job"), 0);
        assert_int_equal(strv_extend(&c->argv, "x"), 0);
}

static void add_property(const char *name, const char *text) {
        UnitProperty *p;

        def->rare->properties = reallocarray(def->rare->properties, def->rare->n_properties + 1, sizeof(UnitProperty));
        assert_non_null(def->rare->properties);
        p = &def->rare->properties[def->rare->n_properties++];
        *p = (UnitProperty){ .name = name, .signature = "s" };
        assert_int_equal(unit_property_add_text(p, text, SIZE_MAX), 0);
}

/* That vakt-command is there is all that counts here. */
static void make_wrapper(void) {
        char path[128];

        (void)snprintf(path, sizeof(path), "%s/vakt-command", directory);
        assert_int_equal(close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0700)), 0);
        assert_int_equal(setenv("VAKTD_PROGRAM_DIR", directory, 1), 0);
}

static int set_up(void **state) {
        log_open(LOG_TARGET_NULL);
        (void)snprintf(directory, sizeof(directory), "/tmp/vakt-test-unit-paths-XXXXXX");
        assert_non_null(mkdtemp(directory));
        fake_begin(/* is_bus= */ false);
        record = (RunRecord)RUN_RECORD_INIT;
        record.id = RUN;
        record.job = "job";
        record.state = RUN_STARTING;
        assert_int_equal(job_def_new(&def, "job"), 0);
        add_command();
        n_ended = 0;
        found_answer = EXEC_FOUND_FOREIGN;
        make_wrapper();
        open_executor(directory);
        return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *f) {
        return remove(path);
}

static int tear_down(void **state) {
        execution = execution_free(execution);
        executor = executor_free(executor);
        def = job_def_unref(def);
        fake_finish();
        return nftw(directory, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static ExecutionRequest request_of(const char *paths, size_t size, bool one_path) {
        return (ExecutionRequest){
                .def = def,
                .run = &record,
                .timeout = USEC_INFINITY,
                .paths = paths,
                .paths_size = size,
                .one_path = one_path,
        };
}

static int start(const char *paths, size_t size, bool one_path) {
        ExecutionRequest request = request_of(paths, size, one_path);

        return executor->ops->start(executor, &request, NULL, &execution);
}

static void adopt(RunState state, const char *paths, size_t size) {
        ExecutionRequest request = request_of(paths, size, /* one_path= */ false);

        record.state = state;
        assert_int_equal(executor->ops->adopt(executor, &request, NULL, &execution), 0);
}

static bool unit_is_there(void) {
        return fake_find("vakt-job-7.service");
}
static bool has_ended(void) {
        return n_ended > 0;
}
static bool was_asked_for(void) {
        return fake.n_starts > 0;
}
static bool stray_is_gone(void) {
        char path[128];

        (void)snprintf(path, sizeof(path), "%s/batches/unit-99", directory);
        return access(path, F_OK) < 0;
}

static bool list_is_there(void) {
        char path[128];

        (void)snprintf(path, sizeof(path), "%s/batches/unit-7", directory);
        return access(path, F_OK) == 0;
}

static void make(const char *name, const char *bytes, size_t n) {
        char path[128];
        int fd;

        (void)snprintf(path, sizeof(path), "%s/batches", directory);
        (void)mkdir(path, 0711);
        (void)snprintf(path, sizeof(path), "%s/batches/%s", directory, name);
        fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
        assert_int_equal(write(fd, bytes, n), n);
        assert_int_equal(close(fd), 0);
}

static void end(void) {
        bool had_list = list_is_there();

        fake_run(fake_find("vakt-job-7.service"));
        assert_int_equal(n_ended, 0);
        fake_end(fake_find("vakt-job-7.service"), CLD_EXITED, 0, "success");
        until(has_ended);
        assert_int_equal(end_result, RUN_RESULT_SUCCESS);
        assert_true(list_is_there() == had_list); /* as long as the unit: until the ledger has the end */
        executor->ops->acknowledge(executor);
}

/* --- what was told --- */

typedef struct Told {
        char variable[5000];  /* VAKT_PATH= */
        char list[256];       /* VAKT_PATHS= */
        char variables[5000]; /* what is in the file of EnvironmentFile= */
        char credential[256];
        char input[256];
        char words[4][5000]; /* of the command */
        size_t n_words;
        bool is_of_job; /* the environment has a variable of the job */
} Told;

static void read_environment(sd_bus_message *m, Told *t) {
        const char *s, *value;

        assert_true(sd_bus_message_enter_container(m, 'v', "as") > 0);
        assert_true(sd_bus_message_enter_container(m, 'a', "s") > 0);
        while (sd_bus_message_read_basic(m, 's', &s) > 0) {
                value = startswith(s, "VAKT_PATH=");
                if (value)
                        (void)snprintf(t->variable, sizeof(t->variable), "%s", value);
                value = startswith(s, "VAKT_PATHS=");
                if (value)
                        (void)snprintf(t->list, sizeof(t->list), "%s", value);
                t->is_of_job = t->is_of_job || startswith(s, "PASSWORD=");
        }
        assert_true(sd_bus_message_exit_container(m) >= 0 && sd_bus_message_exit_container(m) >= 0);
}

static void read_command(sd_bus_message *m, Told *t) {
        const char *s;

        assert_true(sd_bus_message_enter_container(m, 'v', "a(sasb)") > 0);
        assert_true(sd_bus_message_enter_container(m, 'a', "(sasb)") > 0);
        assert_true(sd_bus_message_enter_container(m, 'r', "sasb") > 0);
        assert_true(sd_bus_message_skip(m, "s") >= 0);
        assert_true(sd_bus_message_enter_container(m, 'a', "s") > 0);
        while (t->n_words < ELEMENTSOF(t->words) && sd_bus_message_read_basic(m, 's', &s) > 0)
                (void)snprintf(t->words[t->n_words++], sizeof(t->words[0]), "%s", s);
        while (sd_bus_message_read_basic(m, 's', &s) > 0)
                ;
        assert_true(sd_bus_message_exit_container(m) >= 0);
        assert_true(sd_bus_message_skip(m, "b") >= 0);
        for (size_t i = 0; i < 3; i++)
                assert_true(sd_bus_message_exit_container(m) >= 0);
}

static const Told *told(void) {
        static Told t;
        sd_bus_message *m = fake.last_start;
        const char *name, *s;

        t = (Told){};
        assert_true(sd_bus_message_rewind(m, true) >= 0 && sd_bus_message_skip(m, "ss") >= 0);
        assert_true(sd_bus_message_enter_container(m, 'a', "(sv)") > 0);
        while (sd_bus_message_enter_container(m, 'r', "sv") > 0) {
                assert_true(sd_bus_message_read_basic(m, 's', &name) > 0);
                if (streq(name, "Environment"))
                        read_environment(m, &t);
                else if (streq(name, "ExecStart"))
                        read_command(m, &t);
                else if (streq(name, "EnvironmentFiles")) {
                        assert_true(sd_bus_message_read(m, "v", "a(sb)", 1, &s, NULL) > 0);
                        assert_true(file_read(AT_FDCWD, s, t.variables, sizeof(t.variables)) >= 0);
                } else if (streq(name, "LoadCredential")) {
                        const char *id;

                        assert_true(sd_bus_message_read(m, "v", "a(ss)", 1, &id, &s) > 0);
                        (void)snprintf(t.credential, sizeof(t.credential), "%s:%s", id, s);
                } else if (startswith(name, "StandardInput")) {
                        assert_true(sd_bus_message_read(m, "v", "s", &s) > 0);
                        (void)snprintf(t.input, sizeof(t.input), "%s=%s", name, s);
                } else
                        assert_true(sd_bus_message_skip(m, "v") >= 0);
                assert_true(sd_bus_message_exit_container(m) >= 0);
        }
        return &t;
}

/* --- one path --- */

static void test_text(void **state) {
        static const struct {
                int line;
                const char *text;
                bool plain;
        } table[] = {
                { __LINE__, "", true },
                { __LINE__, "/srv/$a %i \"'\\;", true },
                { __LINE__, "/\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", true },
                { __LINE__, "\xed\x9f\xbf\xee\x80\x80\xf4\x8f\xbf\xbd", true },
                { __LINE__, "a\nb", false },
                { __LINE__, "\x1b", false },
                { __LINE__, "\x7f", false },
                { __LINE__, "\x80", false },
                { __LINE__, "\xc1\xbf", false }, /* overlong */
                { __LINE__, "\xe0\x9f\xbf", false },
                { __LINE__, "\xf0\x8f\xbf\xbf", false },
                { __LINE__, "\xed\xa0\x80", false },     /* a surrogate */
                { __LINE__, "\xf4\x90\x80\x80", false }, /* past the last one */
                { __LINE__, "\xf5\x80\x80\x80", false },
                { __LINE__, "\xff", false },
                { __LINE__, "\xef\xbf\xbe", false }, /* noncharacters */
                { __LINE__, "\xef\xb7\x90", false },
                { __LINE__, "\xf0\x9f\xbf\xbf", false },
                { __LINE__, "a\xc3", false }, /* cut off */
                { __LINE__, "a\xe2\x82", false },
                { __LINE__, "a\xf0\x9f\x98", false },
                { __LINE__, "\xc3(", false },
        };

        for (size_t i = 0; i < ELEMENTSOF(table); i++)
                if (unit_text_is_plain(table[i].text) != table[i].plain)
                        fail_msg("line %d", table[i].line);
}

static void test_plain_path(void **state) {
        static const char path[] = "/srv/$HOME %i \"'\\n; \xc3\xa4";

        assert_int_equal(start(path, sizeof(path), /* one_path= */ true), 0);
        until(unit_is_there);
        assert_string_equal(told()->variable, ""); /* which everybody could read */
        assert_string_equal(told()->variables, "VAKT_PATH=\"/srv/\\$HOME %i \\\"'\\\\n; \xc3\xa4\"");
        assert_string_equal(told()->list, "");
        assert_string_equal(told()->input, "");
        assert_string_equal(told()->words[0], "job");
        assert_true(list_is_there());
        end();
        assert_false(list_is_there());
}

/* Every byte but NUL, which is more than any message takes: through vakt-command. */
static void test_any_bytes(void **state) {
        char path[256], *value, *out, *read;
        Told t;

        for (unsigned i = 0; i < 255; i++)
                path[i] = (char)(i + 1);
        path[255] = '\0';
        assert_int_equal(start(path, sizeof(path), /* one_path= */ true), 0);
        until(unit_is_there);
        t = *told();
        assert_string_equal(t.variable, ""); /* which everybody could read, as the command line */
        assert_string_equal(t.words[0], "vakt-command");
        assert_string_equal(t.words[1], "path");
        assert_string_equal(t.words[2], "expand");
        assert_string_equal(t.words[3], "/bin/job");
        read = start_order_read_variables(t.variables);
        assert_string_equal(read, path);
        free(read);
        assert_true(startswith(t.variables, "#encoded\n") && unit_text_is_plain(strchr(t.variables, '\n') + 1));
        value = out = strchr(t.variables, '"') + 1;
        *strrchr(value, '"') = '\0';
        for (const char *s = value; *s; s++) /* as the service manager reads it */
                *out++ = *s == '\\' ? *++s : *s;
        *out = '\0';
        assert_true(unit_command_decode_word(value));
        assert_string_equal(value, path);
        end();
}

static void test_any_bytes_without_helper(void **state) {
        char path[128];

        (void)snprintf(path, sizeof(path), "%s/vakt-command", directory);
        assert_int_equal(unlink(path), 0);
        executor = executor_free(executor);
        open_executor(directory);
        assert_int_equal(start("/\xff", 3, /* one_path= */ true), 0);
        until(has_ended);
        assert_int_equal(end_result, RUN_RESULT_START_FAILED);
        assert_non_null(strstr(end_reason, "vakt-command"));
        assert_int_equal(fake.n_starts, 0);
}

static void test_any_bytes_elsewhere(void **state) {
        add_property("RootDirectory", "/");
        assert_int_equal(start("/\xff", 3, /* one_path= */ true), 0);
        until(has_ended);
        assert_int_equal(end_result, RUN_RESULT_START_FAILED);
        assert_non_null(strstr(end_reason, "RootDirectory="));
        assert_int_equal(fake.n_starts, 0);
}

/* --- the environment of who created a job that runs once --- */

static void add_environment(void) {
        UnitProperty *p;

        add_property("Environment", "");
        p = &def->rare->properties[def->rare->n_properties - 1];
        unit_property_done(p);
        *p = (UnitProperty){ .name = "Environment", .signature = "as" };
        assert_int_equal(unit_property_add_number(p, 2), 0);
        assert_int_equal(unit_property_add_text(p, "PASSWORD=a \"$b\"\nc=", SIZE_MAX), 0);
        assert_int_equal(unit_property_add_text(p, "EMPTY=", SIZE_MAX), 0);
}

static void test_environment(void **state) {
        Told t;

        add_environment();
        def->rare->once_since = 1;
        assert_int_equal(start(NULL, 0, /* one_path= */ false), 0);
        assert_true(list_is_there());
        until(unit_is_there);
        t = *told();
        assert_false(t.is_of_job); /* which everybody could read */
        assert_string_equal(t.variables, "PASSWORD=\"a \\\"\\$b\\\"\nc=\"\nEMPTY=\"\"");
        end();
        assert_false(list_is_there());
}

/* What a person has written into a file of /etc is told as it is. */
static void test_environment_of_others(void **state) {
        add_environment();
        assert_int_equal(start(NULL, 0, /* one_path= */ false), 0);
        until(unit_is_there);
        assert_true(told()->is_of_job);
        assert_false(list_is_there());
        end();
}

/* --- lists --- */

#define LIST "/srv/a\0/srv/b\nc\0/srv/\xff"

static void test_list(void **state) {
        char expected[128];
        Told t;

        assert_int_equal(start(LIST, sizeof(LIST), /* one_path= */ false), 0);
        assert_true(list_is_there()); /* before it is asked for */
        until(unit_is_there);
        t = *told();
        (void)snprintf(expected, sizeof(expected), "%s/batches/unit-7", directory);
        assert_string_equal(t.list, expected);
        assert_string_equal(t.variable, "");
        (void)snprintf(expected, sizeof(expected), "StandardInputFile=%s/batches/unit-7", directory);
        assert_string_equal(t.input, expected);
        assert_true(list_is_there());
        end();
        assert_false(list_is_there());
}

/* The user is made for the run: the service manager hands it the list. */
static void test_list_by_credential(void **state) {
        char expected[128];
        Told t;

        add_property("User", "no-such-user");
        assert_int_equal(start(LIST, sizeof(LIST), /* one_path= */ false), 0);
        until(unit_is_there);
        t = *told();
        assert_string_equal(t.list, "/run/credentials/vakt-job-7.service/vakt-paths");
        (void)snprintf(expected, sizeof(expected), "vakt-paths:%s/batches/unit-7", directory);
        assert_string_equal(t.credential, expected);
        (void)snprintf(expected, sizeof(expected), "StandardInputFile=%s/batches/unit-7", directory);
        assert_string_equal(t.input, expected);
        end();
        assert_false(list_is_there());
}

/* More than it hands over. */
static void test_large_list_by_credential(void **state) {
        static char large[1024 * 1024];
        Told t;

        add_property("User", "no-such-user");
        memset(large, 'a', sizeof(large) - 1);
        assert_int_equal(start(large, sizeof(large), /* one_path= */ false), 0);
        until(unit_is_there);
        t = *told();
        assert_string_equal(t.list, "");
        assert_string_equal(t.credential, "");
        assert_non_null(strstr(t.input, "/batches/unit-7"));
        end();
}

static void test_other_input(void **state) {
        add_property("StandardInput", "null");
        assert_int_equal(start(LIST, sizeof(LIST), /* one_path= */ false), 0);
        until(unit_is_there);
        assert_string_equal(told()->input, "StandardInput=null");
        assert_non_null(strstr(told()->list, "/batches/unit-7"));
        end();
}

static void test_nothing(void **state) {
        assert_int_equal(start(NULL, 0, /* one_path= */ false), 0);
        until(unit_is_there);
        assert_string_equal(told()->input, "");
        assert_string_equal(told()->list, "");
        assert_string_equal(told()->variable, "");
        end();
}

static void test_nowhere(void **state) {
        executor = executor_free(executor);
        open_executor(NULL);
        assert_int_equal(start(LIST, sizeof(LIST), /* one_path= */ false), -ENOENT);
        assert_null(execution);
        assert_int_equal(start("/a", 3, /* one_path= */ true), 0); /* which can do without a directory */
        until(unit_is_there);
        assert_string_equal(told()->variable, "/a");
}

/* It is not ours, and has an environment and an input already. */
static void test_existing_unit(void **state) {
        FakeUnit *u = fake_add("web.service", "inactive", "dead");

        def->rare->unit = strdup("web.service");
        assert_int_equal(start(LIST, sizeof(LIST), /* one_path= */ false), 0);
        until(was_asked_for);
        assert_false(list_is_there());
        fake_run(u);
        u->code = CLD_EXITED;
        fake_become(u, "inactive", "dead", 0);
        until(has_ended);
}

static bool was_started_again(void) {
        if (fake.n_starts >= 1)
                fake.on_start = MOOD_GOOD;
        return fake.n_starts >= 2 && unit_is_there();
}

static void test_second_start(void **state) {
        fake.on_start = MOOD_REFUSE;
        assert_int_equal(start(LIST, sizeof(LIST), /* one_path= */ false), 0);
        until(was_started_again);
        assert_true(list_is_there());
        assert_non_null(strstr(told()->input, "/batches/unit-7"));
        end();
        assert_false(list_is_there());
}

static void test_stopped_before_it_began(void **state) {
        fake.on_list = MOOD_HOLD;
        assert_int_equal(start(LIST, sizeof(LIST), /* one_path= */ false), 0);
        execution->ops->stop(execution, RUN_RESULT_CANCELLED);
        until(has_ended);
        assert_false(list_is_there());
}

/* --- after a restart of the daemon --- */

static void test_adopted(void **state) {
        make("unit-7", LIST, sizeof(LIST));
        make("unit-99", "x", 2);
        fake_run(fake_add("vakt-job-7.service", "inactive", "dead"));
        adopt(RUN_RUNNING, NULL, 0);
        until(stray_is_gone);
        assert_true(list_is_there());
        fake_end(fake_find("vakt-job-7.service"), CLD_EXITED, 0, "success");
        until(has_ended);
        assert_true(list_is_there());
        executor->ops->acknowledge(executor);
        assert_false(list_is_there());
}

static bool was_surveyed(void) {
        return n_surveyed > 0;
}

#define TEXT(text) text, sizeof(text) - 1

/* What the file says of a run that the ledger never heard of. A user who has the list can have written anything. */
static void test_forgotten(void **state) {
        static const struct {
                const char *bytes;
                size_t size;
                bool foreign;
                const char *path;
                size_t path_size;
                bool one;
        } table[] = {
                { LIST, sizeof(LIST), false, "/srv/a", sizeof(LIST), false },
                { LIST, sizeof(LIST), true, "/srv/a", sizeof(LIST), false },
                { TEXT("VAKT_PATH=\"/a\\\"%41\"\n"), false, "/a\"%41", 7, true },
                { TEXT("#encoded\nVAKT_PATH=\"/%09\"\n"), false, "/\t", 3, true },
                { TEXT("VAKT_PATH=\"/a\"\n"), true, "", 0, false },
                { TEXT("#encoded\nVAKT_PATH=\"/%0\"\n"), false, "", 0, false },
                { TEXT("/srv/a"), false, "", 0, false },
                { TEXT(""), false, "", 0, false },
        };

        found_answer = EXEC_FOUND_FORGOTTEN;
        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
                char path[128];

                executor = executor_free(executor);
                (void)snprintf(path, sizeof(path), "%s/batches/unit-7", directory);
                (void)unlink(path);
                make("unit-7", table[i].bytes, table[i].size);
                if (table[i].foreign && chown(path, 65534, (gid_t)-1) < 0)
                        continue; /* we are not root */
                if (i == 0)
                        (void)fake_add("vakt-job-7.service", "active", "exited");
                n_surveyed = 0;
                open_executor(directory);
                until(was_surveyed);
                assert_true(list_is_there()); /* nobody else has it */
                if (!streq(found_path, table[i].path) || found_size != table[i].path_size || found_one != table[i].one)
                        fail_msg("row %zu: %s, %zu bytes", i, found_path, found_size);
        }
}

/* It died before, or after, it had written the list. */
static void test_adopted_and_started(void **state) {
        adopt(RUN_STARTING, LIST, sizeof(LIST));
        assert_true(list_is_there());
        until(unit_is_there);
        assert_non_null(strstr(told()->input, "/batches/unit-7"));
        end();
        assert_false(list_is_there());
}

static void test_adopted_with_list_and_started(void **state) {
        make("unit-7", LIST, sizeof(LIST));
        adopt(RUN_STARTING, NULL, 0);
        until(unit_is_there);
        assert_non_null(strstr(told()->input, "/batches/unit-7"));
        assert_non_null(strstr(told()->list, "/batches/unit-7"));
        end();
        assert_false(list_is_there());
}

/* Without its list it must not be started; where it was, it is followed. */
static void test_adopted_without_room(void **state) {
        executor = executor_free(executor);
        open_executor(NULL);
        adopt(RUN_STARTING, LIST, sizeof(LIST));
        until(has_ended);
        assert_int_equal(end_result, RUN_RESULT_LOST);
        assert_int_equal(fake.n_starts, 0);
}

#define fake_test(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_text),
                fake_test(test_plain_path),
                fake_test(test_any_bytes),
                fake_test(test_any_bytes_without_helper),
                fake_test(test_any_bytes_elsewhere),
                fake_test(test_environment),
                fake_test(test_environment_of_others),
                fake_test(test_list),
                fake_test(test_list_by_credential),
                fake_test(test_large_list_by_credential),
                fake_test(test_other_input),
                fake_test(test_nothing),
                fake_test(test_nowhere),
                fake_test(test_existing_unit),
                fake_test(test_second_start),
                fake_test(test_stopped_before_it_began),
                fake_test(test_adopted),
                fake_test(test_forgotten),
                fake_test(test_adopted_and_started),
                fake_test(test_adopted_with_list_and_started),
                fake_test(test_adopted_without_room),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
