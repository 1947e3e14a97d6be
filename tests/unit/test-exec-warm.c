/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Runs of jobs with Runner=warm: the unit executor with a service manager, and a runner, that do what a test wants.
 * What vakt-runner itself does is in test-runner.c, and both together are in tests/system/test-warm.sh. */

#include "test-unit-run.h"

#include <fcntl.h>
#include <stdalign.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "exec/warm-internal.h"
#include "util/file.h"

/* The runner: what it was given, and the last message of each kind. */
static struct {
        int listener, fd;
        RunnerEntry *table;
        uint64_t run; /* of the last RUNNER_RUN */
        uint32_t entry, flags, stop_result;
        char variables[4096];
        unsigned n_hello, n_runs, n_stops, n_acks, n_exits;
} runner = { .listener = -EBADF, .fd = -EBADF };

/* --- the runner --- */

static void runner_forget(void) {
        runner.fd = safe_close(runner.fd);
        runner.listener = safe_close(runner.listener);
        if (runner.table)
                (void)munmap(runner.table, RUNNER_ENTRIES * sizeof(RunnerEntry));
        memset(&runner, 0, sizeof(runner));
        runner.fd = runner.listener = -EBADF;
}

/* The standard input of the unit that was asked for last. */
static int listener_of_start(void) {
        sd_bus_message *m = fake.last_start;
        const char *name;
        int fd = -EBADF;

        assert_true(sd_bus_message_rewind(m, /* complete= */ true) >= 0);
        assert_true(sd_bus_message_skip(m, "ss") >= 0);
        assert_true(sd_bus_message_enter_container(m, 'a', "(sv)") > 0);
        while (sd_bus_message_enter_container(m, 'r', "sv") > 0) {
                assert_true(sd_bus_message_read(m, "s", &name) > 0);
                if (streq(name, "StandardInputFileDescriptor"))
                        assert_true(sd_bus_message_read(m, "v", "h", &fd) > 0);
                else
                        assert_true(sd_bus_message_skip(m, "v") >= 0);
                assert_true(sd_bus_message_exit_container(m) >= 0);
        }
        assert_true(fd >= 0);
        return fcntl(fd, F_DUPFD_CLOEXEC, 3);
}

static void take_hello(struct msghdr *message) {
        struct cmsghdr *c = CMSG_FIRSTHDR(message);
        int fds[3];

        assert_non_null(c);
        memcpy(fds, CMSG_DATA(c), c->cmsg_len - CMSG_LEN(0));
        for (size_t i = 0; i < (c->cmsg_len - CMSG_LEN(0)) / sizeof(int); i++) {
                if (i == 0 && !runner.table)
                        runner.table = mmap(NULL, RUNNER_ENTRIES * sizeof(RunnerEntry), PROT_READ | PROT_WRITE,
                                            MAP_SHARED, fds[0], 0);
                close(fds[i]);
        }
        assert_true(runner.table != MAP_FAILED);
        runner.n_hello++;
}

static void take(struct msghdr *message, const char *bytes, size_t n) {
        const RunnerHeader *header = (const void *)bytes;
        const RunnerRun *run = (const void *)bytes;

        switch (header->kind) {
        case RUNNER_HELLO:
                take_hello(message);
                break;
        case RUNNER_RUN:
                runner.n_runs++;
                runner.run = run->run;
                runner.entry = run->entry;
                runner.flags = run->flags;
                assert_int_equal(n, sizeof(*run) + run->variables_size);
                memcpy(runner.variables, bytes + sizeof(*run), run->variables_size);
                runner.variables[run->variables_size] = '\0';
                runner.table[run->entry] =
                        (RunnerEntry){ .run = run->run, .entry = run->entry, .state = RUNNER_RUN_STARTING };
                break;
        case RUNNER_STOP:
                runner.n_stops++;
                runner.stop_result = ((const RunnerStop *)(const void *)bytes)->result;
                break;
        case RUNNER_ACK:
                runner.n_acks += (unsigned)((n - sizeof(*header)) / sizeof(RunnerAck));
                break;
        case RUNNER_EXIT:
                runner.n_exits++;
                break;
        default:
                fail_msg("a message of kind %u", header->kind);
        }
}

/* Reads what there is. */
static bool runner_turn(void) {
        alignas(RunnerRun) char bytes[RUNNER_MESSAGE_MAX];
        alignas(struct cmsghdr) char control[CMSG_SPACE(3 * sizeof(int))];
        ssize_t n;

        if (runner.fd < 0 && runner.listener >= 0) {
                int flags = fcntl(runner.listener, F_GETFL);

                (void)fcntl(runner.listener, F_SETFL, flags | O_NONBLOCK);
                runner.fd = accept4(runner.listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        }
        if (runner.fd < 0)
                return false;
        do {
                struct iovec part = { .iov_base = bytes, .iov_len = sizeof(bytes) };
                struct msghdr m = {
                        .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)
                };

                n = recvmsg(runner.fd, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
                if (n > 0)
                        take(&m, bytes, (size_t)n);
        } while (n > 0);
        if (n == 0) /* the next one waits */
                runner.fd = safe_close(runner.fd);
        return true;
}

static bool was_greeted(void) {
        return runner_turn() && runner.n_hello > 0;
}
static bool has_run(void) {
        return runner_turn() && runner.n_runs > 0;
}
static bool has_two_runs(void) {
        return runner_turn() && runner.n_runs > 1;
}
static bool has_stop(void) {
        return runner_turn() && runner.n_stops > 0;
}
static bool has_ack(void) {
        return runner_turn() && runner.n_acks > 0;
}
static bool has_exit(void) {
        return runner_turn() && runner.n_exits > 0;
}

static void say(const void *bytes, size_t n) {
        assert_int_equal(send(runner.fd, bytes, n, MSG_NOSIGNAL), n);
}

static void welcome(void) {
        const RunnerWelcome m = { .header.kind = RUNNER_WELCOME, .version = RUNNER_VERSION };

        say(&m, sizeof(m));
}

static void report(RunnerEntry entry) {
        struct {
                RunnerHeader header;
                RunnerEntry entry;
        } m = { .header.kind = RUNNER_REPORT, .entry = entry };

        if (entry.entry < RUNNER_ENTRIES)
                runner.table[entry.entry] = entry;
        say(&m, sizeof(m));
}

static RunnerEntry entry_of(uint64_t run, uint32_t i, RunnerRunState state) {
        return (RunnerEntry){ .run = run, .entry = i, .state = (uint8_t)state, .pid = 42, .cpu = 7 };
}

static RunnerEntry ended(uint64_t run, uint32_t i, RunResult result, int code) {
        RunnerEntry e = entry_of(run, i, RUNNER_RUN_ENDED);

        e.result = (uint8_t)result;
        e.code = code;
        return e;
}

/* --- the daemon --- */

static void prepare_warm(unsigned i) {
        char *unit;

        if (!runs[i].def)
                prepare(i, "x");
        runs[i].def->rare->runner.kind = RUNNER_WARM;
        assert_int_equal(executor->ops->name_unit(executor, runs[i].def, &runs[i].record, &unit), 0);
        free(runs[i].unit);
        runs[i].unit = unit;
        runs[i].record.unit = unit;
}

static void start_warm(unsigned i) {
        prepare_warm(i);
        start(i);
}

static bool run_0_was_put_back(void) {
        return runs[0].n_put_back > 0;
}
static bool run_1_ended(void) {
        return runs[1].n_ended > 0;
}

/* Run 0 was sent to a runner. */
static void run_0_is_sent(void) {
        start_warm(0);
        assert_string_equal(runs[0].unit, "vakt-job.runner-1.service");
        until(run_0_is_there);
        runner.listener = listener_of_start();
        fake_run(fake_find(runs[0].unit));
        until(has_run);
        assert_int_equal(runner.run, 1);
}

static void run_0_runs(void) {
        run_0_is_sent();
        welcome();
        report(entry_of(1, runner.entry, RUNNER_RUN_RUNNING));
        until(run_0_started);
}

/* The daemon dies; the next one knows what the ledger has. */
static void another_daemon(void) {
        runs[0].execution = execution_free(runs[0].execution);
        executor = executor_free(executor);
        runner.fd = safe_close(runner.fd);
        runner.n_hello = runner.n_runs = fake.n_lists = 0;
        begin(/* is_bus= */ false);
}

static bool has_files(const char *name) {
        _cleanup_free_ char *path = NULL;

        assert_true(string_format(&path, "%s/runners/%s", fake.directory, name) >= 0);
        return access(path, F_OK) == 0;
}

static int set_up_warm(void **state) {
        runner_forget();
        fake_begin(/* is_bus= */ false);
        runtime_dir = fake.directory;
        begin(/* is_bus= */ false);
        return 0;
}

static int tear_down_warm(void **state) {
        _cleanup_free_ char *command = NULL;

        runner_forget();
        assert_true(string_format(&command, "rm -r %s/runners 2>&-", fake.directory) >= 0);
        (void)!system(command);
        runtime_dir = NULL;
        return tear_down(state);
}

/* --- a run --- */

static void test_a_run(void **state) {
        run_0_runs();
        assert_int_equal(runs[0].pid, 42);
        assert_non_null(memmem(runner.variables, sizeof(runner.variables), "VAKT_RUN=1", sizeof("VAKT_RUN=1")));
        report(ended(1, runner.entry, RUN_RESULT_EXIT, 3));
        EXPECT(RUN_RESULT_EXIT, 3);
        assert_int_equal(runs[0].cpu, 7);
        assert_int_equal(runner.n_acks, 0);
        executor->ops->acknowledge(executor);
        until(has_ack);
        /* The next one takes no unit to be started. */
        start_warm(1);
        assert_string_equal(runs[1].unit, runs[0].unit);
        until(has_two_runs);
        report(ended(2, runner.entry, RUN_RESULT_SUCCESS, 0));
        until(run_1_ended);
        assert_int_equal(runs[1].n_started, 1);
        assert_int_equal(fake.n_starts, 1);
}

/* They wake the runner for nothing as long as it has other runs. */
static void test_acknowledgements_wait(void **state) {
        run_0_runs();
        start_warm(1);
        until(has_two_runs);
        report(ended(1, 0, RUN_RESULT_SUCCESS, 0));
        EXPECT(RUN_RESULT_SUCCESS, 0);
        executor->ops->acknowledge(executor);
        (void)runner_turn();
        assert_int_equal(runner.n_acks, 0);
        report(ended(2, 1, RUN_RESULT_SUCCESS, 0));
        until(run_1_ended);
        executor->ops->acknowledge(executor);
        (void)runner_turn();
        assert_int_equal(runner.n_acks, 2);
}

/* What is reported may have been over before it was heard of. */
static void test_an_end_alone(void **state) {
        run_0_is_sent();
        welcome();
        report(ended(1, runner.entry, RUN_RESULT_SUCCESS, 0));
        EXPECT(RUN_RESULT_SUCCESS, 0);
        assert_int_equal(runs[0].n_started, 1);
}

static void test_program_not_there(void **state) {
        run_0_is_sent();
        welcome();
        report(ended(1, runner.entry, RUN_RESULT_START_FAILED, ENOENT));
        EXPECT(RUN_RESULT_START_FAILED, ENOENT);
        assert_string_equal(runs[0].reason,
                            "The program of Exec= could not be executed: /bin/job: No such file or directory.");
        assert_int_equal(runs[0].n_started, 0);
}

static void test_stop(void **state) {
        run_0_runs();
        stop(0);
        until(has_stop);
        assert_int_equal(runner.stop_result, RUN_RESULT_CANCELLED);
        report(ended(1, runner.entry, RUN_RESULT_CANCELLED, SIGTERM));
        EXPECT(RUN_RESULT_CANCELLED, SIGTERM);
}

static void test_stop_before_it_was_sent(void **state) {
        start_warm(0);
        stop(0);
        EXPECT(RUN_RESULT_CANCELLED, 0);
}

static void test_texts(void **state) {
        struct {
                RunnerText text;
                char bytes[16];
        } m = { .text = { .header.kind = RUNNER_STATUS, .run = 1, .size = 7 }, .bytes = "half\n\1x" };

        run_0_runs();
        say(&m, sizeof(m));
        report(ended(1, runner.entry, RUN_RESULT_SUCCESS, 0));
        EXPECT(RUN_RESULT_SUCCESS, 0);
        assert_string_equal(runs[0].status, "half  x");
}

/* The runner says when, and its user may say anything. */
static void test_times(void **state) {
        usec_t now = now_realtime();
        const struct {
                usec_t from, to;
                bool is_believed;
        } rows[] = {
                { now, now, true },          { now - 10, now - 5, true },         { now - 11, now, false },
                { now - 5, now - 6, false }, { now, now + USEC_PER_HOUR, false }, { 0, 0, false },
        };

        for (unsigned i = 0; i < ELEMENTSOF(rows); i++) {
                RunnerEntry e;

                prepare(i, "x");
                runs[i].record.started = now - 10;
                if (i == 0)
                        run_0_is_sent();
                else
                        start_warm(i);
                if (i == 0)
                        welcome();
                (void)runner_turn();
                e = ended(i + 1, runner.entry, RUN_RESULT_SUCCESS, 0);
                e.started = rows[i].from;
                e.ended = rows[i].to;
                report(e);
                while (runs[i].n_ended == 0)
                        assert_true(sd_event_run(fake.event, UINT64_MAX) >= 0);
                assert_int_equal(runs[i].from, rows[i].is_believed ? rows[i].from : 0);
                assert_int_equal(runs[i].to, rows[i].is_believed ? rows[i].to : 0);
        }
}

/* The table, which is read when the runner has answered, is ahead of what is on its way. */
static void test_table_is_ahead(void **state) {
        run_0_is_sent();
        welcome();
        report(entry_of(1, runner.entry, RUNNER_RUN_RUNNING));
        report(ended(1, runner.entry, RUN_RESULT_SUCCESS, 0));
        EXPECT(RUN_RESULT_SUCCESS, 0);
        compare();
        assert_int_equal(fake.n_stops, 0);
}

/* So far ahead that the end was written and acknowledged before the runner could say it. */
static void test_table_is_far_ahead(void **state) {
        run_0_is_sent();
        runner.table[runner.entry] = ended(1, runner.entry, RUN_RESULT_SUCCESS, 0);
        welcome();
        EXPECT(RUN_RESULT_SUCCESS, 0);
        executor->ops->acknowledge(executor);
        until(has_ack);
        report(ended(1, runner.entry, RUN_RESULT_SUCCESS, 0));
        start_warm(1);
        report(ended(1, runner.entry, RUN_RESULT_SUCCESS, 0));
        until(has_two_runs);
        report(ended(2, runner.entry, RUN_RESULT_SUCCESS, 0));
        until(run_1_ended);
        assert_int_equal(fake.n_stops, 0);
}

/* --- which runner --- */

static void test_slots(void **state) {
        prepare(0, "x");
        runs[0].def->rare->runner.slots = 1;
        prepare(1, "x");
        runs[1].def->rare->runner.slots = 1;
        prepare_warm(0);
        prepare_warm(1);
        assert_string_equal(runs[0].unit, "vakt-job.runner-1.service");
        assert_string_equal(runs[1].unit, "vakt-job.runner-2.service");
}

static void test_max_runs(void **state) {
        prepare(0, "x");
        runs[0].def->rare->runner.max_runs = 1;
        run_0_runs();
        prepare(1, "x");
        runs[1].def->rare->runner.max_runs = 1;
        prepare_warm(1);
        assert_string_equal(runs[1].unit, "vakt-job.runner-2.service");
        until(has_exit);
}

static void test_another_definition(void **state) {
        run_0_runs();
        prepare(1, "x");
        runs[1].def->digest = 7;
        prepare_warm(1);
        assert_string_equal(runs[1].unit, "vakt-job.runner-2.service");
        until(has_exit);
        report(ended(1, runner.entry, RUN_RESULT_SUCCESS, 0));
        EXPECT(RUN_RESULT_SUCCESS, 0);
}

static void test_idle(void **state) {
        prepare(0, "x");
        runs[0].def->rare->runner.idle = 1;
        run_0_runs();
        assert_int_equal(runner.n_exits, 0);
        report(ended(1, runner.entry, RUN_RESULT_SUCCESS, 0));
        EXPECT(RUN_RESULT_SUCCESS, 0);
        until(has_exit);
}

/* --- a runner that is over --- */

static bool has_no_table(void) {
        return !has_files("1.table");
}

static void the_runner_dies(const char *result) {
        FakeUnit *u = fake_find(runs[0].unit);

        runner.fd = safe_close(runner.fd);
        runner.listener = safe_close(runner.listener);
        fake_end(u, CLD_KILLED, SIGKILL, result);
}

static void test_lost(void **state) {
        run_0_runs();
        the_runner_dies("signal");
        EXPECT(RUN_RESULT_LOST, 0);
        assert_string_equal(runs[0].reason,
                            "Its runner was killed by SIGKILL while it was active. Its result is not known.");
        assert_true(has_files("1.table")); /* until the ledger has it */
        executor->ops->acknowledge(executor);
        until(has_no_table);
        assert_false(has_files("1.socket"));
}

static void test_out_of_memory(void **state) {
        run_0_runs();
        the_runner_dies("oom-kill");
        EXPECT(RUN_RESULT_OOM, 0);
}

/* It wrote the end down, and died before it could say so. */
static void test_end_in_the_table(void **state) {
        run_0_runs();
        runner.table[runner.entry] = ended(1, runner.entry, RUN_RESULT_EXIT, 5);
        the_runner_dies("signal");
        EXPECT(RUN_RESULT_EXIT, 5);
}

/* It has read nothing of the second one. */
static bool is_unheard(void) {
        return runner_of(unit_table_any(&((UnitExecutor *)executor)->warm.by_job))->is_unheard;
}

/* Takes all descriptors that are left, or gives them back. */
static void take_descriptors(bool all) {
        static struct rlimit old;
        int last;

        if (!all) {
                assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
                return;
        }
        assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
        last = fcntl(0, F_DUPFD, 0);
        close(last);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &(struct rlimit){ (rlim_t)last, old.rlim_max }), 0);
}

static void no_descriptors_to_connect(void) {
        start_warm(0);
        until(run_0_is_there);
        runner.listener = listener_of_start();
        fake_run(fake_find(runs[0].unit));
        take_descriptors(/* all= */ true);
        until(is_unheard);
}

/* The daemon is short of descriptors when the runner is there: it is greeted later. */
static void test_no_descriptors(void **state) {
        no_descriptors_to_connect();
        take_descriptors(/* all= */ false);
        until(has_run);
        welcome();
        report(ended(1, runner.entry, RUN_RESULT_SUCCESS, 0));
        EXPECT(RUN_RESULT_SUCCESS, 0);
}

/* The runner does not wait for that for ever: the run goes back to where it waited, with all that it has. */
static void test_no_descriptors_for_long(void **state) {
        no_descriptors_to_connect();
        fake_end(fake_find(runs[0].unit), CLD_EXITED, 0, "success");
        until(run_0_was_put_back);
        take_descriptors(/* all= */ false);
        assert_int_equal(runs[0].n_ended, 0);
}

/* Whatever version of the program it is: an older one, which vaktd finds when it was updated, or a later one. */
static void check_version(uint32_t version) {
        struct {
                RunnerWelcome welcome;
                uint64_t more;
        } m = { .welcome = { .header.kind = RUNNER_WELCOME, .version = version } };
        struct {
                RunnerHeader header;
                RunnerEntry entry;
                uint32_t more;
        } r = { .header.kind = RUNNER_REPORT };
        const RunnerHeader unknown = { .kind = 99 };

        run_0_runs();
        another_daemon();
        adopt(0, RUN_RUNNING);
        until(was_greeted);
        say(&m, sizeof(m));
        say(&unknown, sizeof(unknown));
        r.entry = ended(1, 0, RUN_RESULT_EXIT, 4);
        say(&r, sizeof(r));
        EXPECT(RUN_RESULT_EXIT, 4);
        assert_int_equal(runs[0].n_put_back, 0);
        assert_int_equal(fake.n_stops, 0);
        executor->ops->acknowledge(executor);
        until(has_exit);
        assert_int_equal(runner.n_runs, 0);
}

static void test_older_version(void **state) {
        check_version(RUNNER_VERSION - 1);
}

static void test_later_version(void **state) {
        check_version(RUNNER_VERSION + 1);
}

static void test_sent_and_not_taken(void **state) {
        run_0_runs();
        start_warm(1);
        the_runner_dies("signal");
        EXPECT(RUN_RESULT_LOST, 0);
        assert_int_equal(runs[1].n_put_back, 1);
        assert_int_equal(runs[1].n_ended, 0);
}

static void test_runner_cannot_be_started(void **state) {
        start_warm(0);
        until(run_0_is_there);
        fake_find(runs[0].unit)->active = "inactive";
        fake_end(fake_find(runs[0].unit), CLD_EXITED, 217, "exit-code");
        EXPECT(RUN_RESULT_START_FAILED, 0);
}

static bool has_stopped(void) {
        return fake.n_stops > 0;
}

/* It hangs up at once, and would again. */
static void test_hangs_up(void **state) {
        run_0_is_sent();
        runner.table[0] = (RunnerEntry){};
        runner.fd = safe_close(runner.fd);
        EXPECT(RUN_RESULT_START_FAILED, 0);
        assert_string_equal(runs[0].reason, "Its runner has ended before it took a run.");
        assert_int_equal(runs[0].n_put_back, 0);
}

static void its_unit_is_stopped(void) {
        FakeUnit *u = fake_find(runs[0].unit);

        runner.fd = safe_close(runner.fd);
        compare(); /* that it has hung up is known before */
        u->code = CLD_EXITED;
        fake_become(u, "inactive", "dead", 0);
}

static void test_hangs_up_in_a_shutdown(void **state) {
        fake.system_state = "stopping";
        run_0_runs();
        start_warm(1);
        until(has_two_runs);
        runner.table[1] = (RunnerEntry){};
        report(ended(1, 0, RUN_RESULT_CANCELLED, SIGTERM));
        its_unit_is_stopped();
        EXPECT(RUN_RESULT_LOST, SIGTERM);
        assert_non_null(strstr(runs[0].reason, "shut down"));
        assert_int_equal(runs[1].n_put_back, 1);
        assert_int_equal(fake.n_stops, 0);
}

static void test_stopped_before_its_first_run(void **state) {
        run_0_is_sent();
        runner.table[0] = (RunnerEntry){};
        its_unit_is_stopped();
        until(run_0_was_put_back);
        assert_int_equal(runs[0].n_ended, 0);
        assert_int_equal(fake.n_stops, 0);
}

/* By somebody else: the runner has ended its runs, and why is seen once its unit is over. */
static void test_unit_is_stopped(void **state) {
        FakeUnit *u;

        run_0_runs();
        report(ended(1, runner.entry, RUN_RESULT_CANCELLED, SIGTERM));
        compare();
        assert_int_equal(runs[0].n_ended, 0);
        u = fake_find(runs[0].unit);
        u->code = CLD_EXITED;
        fake_become(u, "inactive", "dead", 0);
        EXPECT(RUN_RESULT_CANCELLED, SIGTERM);
        assert_string_equal(runs[0].reason, "Its unit was stopped, but not by vaktd.");
}

static void test_machine_goes_down(void **state) {
        FakeUnit *u;

        fake.system_state = "stopping";
        run_0_runs();
        report(ended(1, runner.entry, RUN_RESULT_CANCELLED, SIGTERM));
        compare();
        u = fake_find(runs[0].unit);
        u->code = CLD_EXITED;
        fake_become(u, "inactive", "dead", 0);
        EXPECT(RUN_RESULT_LOST, SIGTERM);
        assert_non_null(strstr(runs[0].reason, "shut down"));
}

/* --- lies --- */

static void expect_to_be_stopped(RunnerEntry lie) {
        run_0_runs();
        report(lie);
        EXPECT(RUN_RESULT_LOST, 0);
        assert_int_equal(fake.n_stops, 1);
}

static void test_another_run(void **state) {
        expect_to_be_stopped(ended(7, 0, RUN_RESULT_SUCCESS, 0));
}
static void test_another_entry(void **state) {
        expect_to_be_stopped(ended(1, 1, RUN_RESULT_SUCCESS, 0));
}
static void test_entry_that_is_none(void **state) {
        expect_to_be_stopped(ended(1, RUNNER_ENTRIES, RUN_RESULT_SUCCESS, 0));
}
static void test_backwards(void **state) {
        expect_to_be_stopped(entry_of(1, 0, RUNNER_RUN_STARTING));
}
static void test_impossible_result(void **state) {
        expect_to_be_stopped(ended(1, 0, RUN_RESULT_SKIPPED, 0));
}

static void test_impossible_status(void **state) {
        expect_to_be_stopped(ended(1, 0, RUN_RESULT_EXIT, 256));
}
static void test_impossible_signal(void **state) {
        expect_to_be_stopped(ended(1, 0, RUN_RESULT_SIGNAL, -1));
}

/* A runner that does not end: its run says that somebody has stopped it. */
static void test_no_end_of_the_runner(void **state) {
        run_0_runs();
        report(ended(1, 0, RUN_RESULT_CANCELLED, SIGTERM));
        compare();
        assert_int_equal(runs[0].n_ended, 0);
        prepare_warm(1); /* the next one goes elsewhere */
        assert_string_equal(runs[1].unit, "vakt-job.runner-2.service");
        stop(0);
        until(has_stopped);
        EXPECT(RUN_RESULT_CANCELLED, SIGTERM);
}

/* Each one is written down, so there are not more than commands. */
static void test_many_processes(void **state) {
        run_0_runs();
        for (uint32_t pid = 100; pid < 200; pid++) {
                RunnerEntry e = entry_of(1, runner.entry, RUNNER_RUN_RUNNING);

                e.pid = pid;
                e.command = pid == 150;
                report(e);
                until(runner_turn);
        }
        report(ended(1, runner.entry, RUN_RESULT_SUCCESS, 0));
        EXPECT(RUN_RESULT_SUCCESS, 0);
        assert_int_equal(runs[0].n_started, 2);
        assert_int_equal(runs[0].pid, 150);
}

/* It has stopped its runner, say. */
static void test_no_end_in_time(void **state) {
        UnitProperty *stop = calloc(1, sizeof(*stop));

        prepare(0, "x");
        runs[0].timeout = 1;
        *stop = (UnitProperty){ .name = "TimeoutStopUSec", .signature = "t" };
        assert_int_equal(unit_property_add_number(stop, 1), 0);
        runs[0].def->rare->properties = stop;
        runs[0].def->rare->n_properties = 1;
        run_0_runs();
        EXPECT(RUN_RESULT_LOST, 0);
        assert_int_equal(fake.n_stops, 1);
}

/* --- the next daemon --- */

static void test_adopted(void **state) {
        run_0_runs();
        another_daemon();
        adopt(0, RUN_RUNNING);
        until(was_greeted);
        welcome();
        report(ended(1, 0, RUN_RESULT_EXIT, 4));
        EXPECT(RUN_RESULT_EXIT, 4);
        executor->ops->acknowledge(executor);
        until(has_ack);
        until(has_exit); /* of which definition it is made is not known */
}

static void test_adopted_ended(void **state) {
        run_0_runs();
        another_daemon();
        runner.table[0] = ended(1, 0, RUN_RESULT_EXIT, 4);
        adopt(0, RUN_RUNNING);
        until(was_greeted);
        welcome();
        EXPECT(RUN_RESULT_EXIT, 4);
}

/* Written down as starting, and never sent. */
static void test_adopted_unstarted(void **state) {
        run_0_is_sent();
        another_daemon();
        runner.table[0] = (RunnerEntry){};
        adopt(0, RUN_STARTING);
        until(was_greeted);
        welcome();
        until(run_0_was_put_back);
        assert_int_equal(runs[0].n_ended, 0);
        /* No name is used twice while the first may be there. */
        prepare_warm(0);
        assert_string_equal(runs[0].unit, "vakt-job.runner-2.service");
}

static void test_adopted_and_gone(void **state) {
        run_0_is_sent();
        another_daemon();
        fake_forget("vakt-job.runner-1.service");
        runner.table[0].state = RUNNER_RUN_RUNNING;
        adopt(0, RUN_STARTING);
        EXPECT(RUN_RESULT_LOST, 0);
}

static void test_adopted_unit_never_was(void **state) {
        prepare_warm(0);
        another_daemon();
        adopt(0, RUN_STARTING);
        until(run_0_was_put_back);
}

static void test_adopted_stopping(void **state) {
        run_0_runs();
        another_daemon();
        adopt(0, RUN_STOPPING);
        until(was_greeted);
        welcome();
        until(has_stop);
        report(ended(1, 0, RUN_RESULT_CANCELLED, SIGTERM));
        EXPECT(RUN_RESULT_CANCELLED, SIGTERM);
}

static bool stranger_is_gone(void) {
        return !fake_find("vakt-job.runner-1.service");
}

/* Its last run was acknowledged in the ledger, and then the daemon died. */
static void test_stranger(void **state) {
        run_0_runs();
        runner.table[0] = ended(1, 0, RUN_RESULT_SUCCESS, 0);
        another_daemon();
        until(stranger_is_gone);
        compare();
        assert_false(has_files("1.table"));
}

static void test_stranger_with_a_run(void **state) {
        run_0_runs();
        another_daemon();
        until(was_listed);
        compare();
        assert_false(stranger_is_gone());
        assert_true(has_files("1.table"));
}

#define warm_test(f) cmocka_unit_test_setup_teardown(f, set_up_warm, tear_down_warm)

int main(void) {
        const struct CMUnitTest tests[] = {
                warm_test(test_a_run),
                warm_test(test_acknowledgements_wait),
                warm_test(test_an_end_alone),
                warm_test(test_program_not_there),
                warm_test(test_stop),
                warm_test(test_stop_before_it_was_sent),
                warm_test(test_texts),
                warm_test(test_times),
                warm_test(test_table_is_ahead),
                warm_test(test_table_is_far_ahead),
                warm_test(test_slots),
                warm_test(test_max_runs),
                warm_test(test_another_definition),
                warm_test(test_idle),
                warm_test(test_lost),
                warm_test(test_out_of_memory),
                warm_test(test_end_in_the_table),
                warm_test(test_no_descriptors),
                warm_test(test_no_descriptors_for_long),
                warm_test(test_older_version),
                warm_test(test_later_version),
                warm_test(test_sent_and_not_taken),
                warm_test(test_hangs_up),
                warm_test(test_hangs_up_in_a_shutdown),
                warm_test(test_stopped_before_its_first_run),
                warm_test(test_runner_cannot_be_started),
                warm_test(test_unit_is_stopped),
                warm_test(test_machine_goes_down),
                warm_test(test_another_run),
                warm_test(test_another_entry),
                warm_test(test_entry_that_is_none),
                warm_test(test_backwards),
                warm_test(test_impossible_result),
                warm_test(test_impossible_status),
                warm_test(test_impossible_signal),
                warm_test(test_no_end_of_the_runner),
                warm_test(test_many_processes),
                warm_test(test_no_end_in_time),
                warm_test(test_adopted),
                warm_test(test_adopted_ended),
                warm_test(test_adopted_unstarted),
                warm_test(test_adopted_and_gone),
                warm_test(test_adopted_unit_never_was),
                warm_test(test_adopted_stopping),
                warm_test(test_stranger),
                warm_test(test_stranger_with_a_run),
        };

        (void)signal(SIGPIPE, SIG_IGN);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
