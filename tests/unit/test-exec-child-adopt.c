/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Runs that outlive their daemon. A first process starts them and is killed with SIGKILL; a second one with an
 * executor of its own, which is not their parent, takes them over by what was written down. We stand beside both, get
 * the orphans, and read what they report. */

#include "test-exec-child.h"

#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>

#include "exec/child-process.h"

static char directory[] = "/tmp/vakt-test-adopt-XXXXXX";
static char fifo[64]; /* a script that opens it both ways and reads waits for whatever we write */

/* --- what a daemon tells us --- */

typedef enum Said {
        SAID_STARTED,
        SAID_ENDED,
        SAID_IDLE, /* the loop has done what there was to do */
        SAID_STATUS,
        SAID_OUTPUT,
} Said;

typedef struct Report {
        Said said;
        uint64_t run;
        pid_t pid;
        uint64_t pid_start;
        RunResult result;
        char text[256];
} Report;

typedef struct Daemon {
        pid_t pid;
        int fd;
} Daemon;

static int report_fd = -EBADF; /* in a daemon */

static void say(const Report *r) {
        if (write(report_fd, r, sizeof(*r)) != sizeof(*r))
                _exit(3);
}

static void say_started(void *cookie, const ExecIdentity *identity) {
        const TestRun *t = cookie;

        say(&(Report){
                .said = SAID_STARTED, .run = t->record.id, .pid = identity->pid, .pid_start = identity->pid_start });
}

static void say_text(const TestRun *t, Said said, const char *text, size_t n) {
        Report r = { .said = said, .run = t->record.id };

        (void)snprintf(r.text, sizeof(r.text), "%.*s", (int)n, text);
        say(&r);
}

static void say_output(void *cookie, const char *line, size_t n, bool is_stderr) {
        say_text(cookie, SAID_OUTPUT, line, n);
}

static void say_status(void *cookie, const char *text) {
        say_text(cookie, SAID_STATUS, text, strlen(text));
}

static void say_ended(void *cookie, const ExecOutcome *outcome) {
        TestRun *t = cookie;
        Report r = { .said = SAID_ENDED, .run = t->record.id, .result = outcome->result };

        (void)snprintf(r.text, sizeof(r.text), "%s", strempty(outcome->reason));
        say(&r);
        t->execution = execution_free(t->execution);
}

static int on_idle(sd_event_source *s, void *userdata) {
        say(&(Report){ .said = SAID_IDLE });
        return 0;
}

/* Starts a daemon that does this with its executor and then runs its loop until it is killed. */
static Daemon daemon_start(void (*begin)(Rig *rig, TestRun *t), TestRun *t) {
        ExecutorOptions options = {
                .callbacks = { .started = say_started,
                               .output = say_output,
                               .status = say_status,
                               .ended = say_ended },
                .runtime_dir = directory,
        };
        sd_event_source *idle = NULL;
        int fds[2];
        Daemon d;
        Rig rig;

        assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
        d = (Daemon){ .pid = fork(), .fd = fds[0] };
        assert_true(d.pid >= 0);
        if (d.pid > 0) {
                safe_close(fds[1]);
                return d;
        }
        safe_close(fds[0]);
        become_helper();
        report_fd = fds[1];
        if (sd_event_new(&rig.event) < 0 || child_executor_new(&rig.executor, rig.event, &options) < 0)
                _exit(2);
        t->rig = &rig;
        begin(&rig, t);
        if (sd_event_add_defer(rig.event, &idle, on_idle, NULL) < 0 ||
            sd_event_source_set_priority(idle, SD_EVENT_PRIORITY_IDLE) < 0)
                _exit(2);
        _exit(sd_event_loop(rig.event) < 0);
}

static Report daemon_read(const Daemon *d) {
        Report r;

        assert_int_equal(read(d->fd, &r, sizeof(r)), sizeof(r));
        return r;
}

/* What it says about other things is passed over. */
static Report daemon_wait(const Daemon *d, Said said) {
        Report r;

        do
                r = daemon_read(d);
        while (r.said != said);
        return r;
}

static void daemon_expect_ended(const Daemon *d, RunResult result, const char *reason) {
        Report r = daemon_wait(d, SAID_ENDED);

        assert_string_equal(run_result_to_string(r.result), run_result_to_string(result));
        assert_string_equal(r.text, reason);
}

static void daemon_kill(Daemon *d) {
        assert_int_equal(kill(d->pid, SIGKILL), 0);
        (void)orphan_wait(d->pid);
        d->fd = safe_close(d->fd);
}

#define RAN        "vaktd was restarted while it ran; its result is not known."
#define NEVER_SEEN "vaktd was restarted when it had just been started, and no process of it was found."

/* --- what they do --- */

static void begin_start(Rig *rig, TestRun *t) {
        run_start(t);
}

static void begin_adopt(Rig *rig, TestRun *t) {
        run_adopt(t);
}

static void begin_adopt_and_stop(Rig *rig, TestRun *t) {
        run_adopt(t);
        run_stop(t, RUN_RESULT_CANCELLED);
}

static void write_fifo(void) {
        int fd = open(fifo, O_WRONLY | O_CLOEXEC);

        assert_int_equal(write(fd, "go\n", 3), 3);
        assert_int_equal(close(fd), 0);
}

/* A run whose script has the fifo for %1$s and the directory for %2$s; it says "ready" when it is as far as it will
 * go.
 */
static void script_init(TestRun *t, const char *format) {
        _cleanup_free_ char *script = NULL;

        assert_true(asprintf(&script, format, fifo, directory) > 0);
        run_init(t, NULL, script);
}

#define WAITS_FOR_FIFO "exec 3<>%1$s; echo ready; read line <&3; "

/* The first daemon starts it, notes it down in the record, and dies. */
static void start_and_crash(TestRun *t) {
        Daemon d = daemon_start(begin_start, t);
        Report r = daemon_wait(&d, SAID_STARTED);

        t->record.pid = r.pid;
        t->record.pid_start = r.pid_start;
        t->record.state = RUN_RUNNING;
        assert_string_equal(daemon_wait(&d, SAID_OUTPUT).text, "ready");
        daemon_kill(&d);
        assert_true(process_is_there(t->record.pid));
}

/* --- tests --- */

static void test_followed(void **state) {
        TestRun t;
        Daemon d;

        script_init(&t, WAITS_FOR_FIFO "exit 0");
        start_and_crash(&t);
        d = daemon_start(begin_adopt, &t);
        (void)daemon_wait(&d, SAID_IDLE);
        assert_int_equal(waitpid(t.record.pid, NULL, WNOHANG), 0);
        write_fifo();
        daemon_expect_ended(&d, RUN_RESULT_LOST, RAN);
        assert_int_equal(WEXITSTATUS(orphan_wait(t.record.pid)), 0);
        daemon_kill(&d);
        run_done(&t);
}

/* Adopted, the daemon crashes again, adopted once more. And without the definition, which was removed meanwhile. */
static void test_followed_twice(void **state) {
        TestRun t;
        Daemon d;

        script_init(&t, WAITS_FOR_FIFO);
        start_and_crash(&t);
        d = daemon_start(begin_adopt, &t);
        (void)daemon_wait(&d, SAID_IDLE);
        daemon_kill(&d);
        t.def = job_def_unref(t.def);
        d = daemon_start(begin_adopt, &t);
        (void)daemon_wait(&d, SAID_IDLE);
        assert_int_equal(waitpid(t.record.pid, NULL, WNOHANG), 0);
        write_fifo();
        daemon_expect_ended(&d, RUN_RESULT_LOST, RAN);
        (void)orphan_wait(t.record.pid);
        daemon_kill(&d);
        run_done(&t);
}

/* A number that a script wrote to a file. */
static pid_t read_number(const char *name) {
        char path[128];
        int number = 0;
        FILE *f;

        (void)snprintf(path, sizeof(path), "%s/%s", directory, name);
        f = fopen(path, "re");
        assert_non_null(f);
        assert_int_equal(fscanf(f, "%d", &number), 1);
        assert_int_equal(fclose(f), 0);
        return number;
}

/* By its signal, and the rest of its group along with it. */
static void test_stopped(void **state) {
        TestRun t;
        Daemon d;

        script_init(&t, "sleep 1000 & echo $! >%2$s/child; " WAITS_FOR_FIFO);
        start_and_crash(&t);
        d = daemon_start(begin_adopt_and_stop, &t);
        daemon_expect_ended(&d, RUN_RESULT_CANCELLED, "");
        assert_int_equal(WTERMSIG(orphan_wait(t.record.pid)), SIGTERM);
        assert_true(WIFSIGNALED(orphan_wait(read_number("child"))));
        daemon_kill(&d);
        run_done(&t);
}

/* By SIGKILL when it does not listen; told by the daemon that died. */
static void test_stopping(void **state) {
        TestRun t;
        Daemon d;

        script_init(&t, "trap '' TERM; " WAITS_FOR_FIFO);
        def_set_number(t.def, "TimeoutStopUSec", 100 * USEC_PER_MSEC);
        start_and_crash(&t);
        t.record.state = RUN_STOPPING;
        d = daemon_start(begin_adopt, &t);
        daemon_expect_ended(&d, RUN_RESULT_CANCELLED, "");
        assert_int_equal(WTERMSIG(orphan_wait(t.record.pid)), SIGKILL);
        daemon_kill(&d);

        /* Gone already: it was told to, and did. */
        d = daemon_start(begin_adopt, &t);
        daemon_expect_ended(&d, RUN_RESULT_CANCELLED, "");
        daemon_kill(&d);
        run_done(&t);
}

/* Its time is counted from its start, not from ours. */
static void test_timeout(void **state) {
        TestRun t;
        Daemon d;

        script_init(&t, WAITS_FOR_FIFO);
        start_and_crash(&t);
        t.record.started = now_realtime() - 100 * USEC_PER_SEC;
        t.timeout = 99 * USEC_PER_SEC;
        d = daemon_start(begin_adopt, &t);
        daemon_expect_ended(&d, RUN_RESULT_TIMEOUT, "");
        assert_int_equal(WTERMSIG(orphan_wait(t.record.pid)), SIGTERM);
        daemon_kill(&d);
        run_done(&t);
}

/* Gone while no daemon was there; what it left in its session goes, too. */
static void test_gone(void **state) {
        TestRun t;
        Daemon d;

        script_init(&t, "sleep 1000 & echo $! >%2$s/child; " WAITS_FOR_FIFO "exit 0");
        start_and_crash(&t);
        write_fifo();
        assert_int_equal(WEXITSTATUS(orphan_wait(t.record.pid)), 0);
        d = daemon_start(begin_adopt, &t);
        daemon_expect_ended(&d, RUN_RESULT_LOST, RAN);
        assert_int_equal(WTERMSIG(orphan_wait(read_number("child"))), SIGKILL);
        daemon_kill(&d);

        /* Unless KillMode= lets it stay. */
        job_def_unref(t.def);
        run_done(&(TestRun){ .record = t.record });
        script_init(&t, "sleep 1000 & echo $! >%2$s/child; " WAITS_FOR_FIFO "exit 0");
        def_set_text(t.def, "KillMode", "process");
        start_and_crash(&t);
        write_fifo();
        (void)orphan_wait(t.record.pid);
        d = daemon_start(begin_adopt, &t);
        daemon_expect_ended(&d, RUN_RESULT_LOST, RAN);
        assert_int_equal(waitpid(read_number("child"), NULL, WNOHANG), 0);
        daemon_kill(&d);
        assert_int_equal(kill(read_number("child"), SIGKILL), 0);
        (void)orphan_wait(read_number("child"));
        run_done(&t);
}

/* The number belongs to somebody else by now, who is left alone: also when the run is to be stopped. */
static void test_number_used_again(void **state) {
        ProcessInfo info;
        pid_t bystander;
        TestRun t;
        Daemon d;

        script_init(&t, WAITS_FOR_FIFO);
        bystander = fork();
        if (bystander == 0) {
                (void)setsid();
                for (;;)
                        (void)pause();
        }
        while (getsid(bystander) != bystander)
                ;
        assert_int_equal(process_read(bystander, &info), 0);
        t.record.pid = bystander;
        t.record.pid_start = info.start - 1;
        t.record.state = RUN_RUNNING;
        d = daemon_start(begin_adopt, &t);
        daemon_expect_ended(&d, RUN_RESULT_LOST, RAN);
        daemon_kill(&d);
        d = daemon_start(begin_adopt_and_stop, &t);
        daemon_expect_ended(&d, RUN_RESULT_CANCELLED, "");
        daemon_kill(&d);
        assert_int_equal(waitpid(bystander, NULL, WNOHANG), 0);
        assert_int_equal(kill(bystander, SIGKILL), 0);
        (void)orphan_wait(bystander);
        run_done(&t);
}

/* It was started, but the daemon died before that was written down: known by its environment. */
static void test_not_written_down(void **state) {
        static const bool with_helper[] = { false, true };

        for (size_t i = 0; i < ELEMENTSOF(with_helper); i++) {
                pid_t pid;
                Report r;
                TestRun t;
                Daemon d;

                script_init(&t, WAITS_FOR_FIFO);
                if (with_helper[i])
                        def_set_number(t.def, "UMask", 0022);
                start_and_crash(&t);
                pid = t.record.pid;
                t.record.pid = 0;
                t.record.state = RUN_STARTING;
                d = daemon_start(begin_adopt, &t);
                r = daemon_wait(&d, SAID_STARTED);
                assert_int_equal(r.pid, pid);
                assert_int_equal(r.pid_start, t.record.pid_start);
                assert_int_equal(waitpid(pid, NULL, WNOHANG), 0);
                write_fifo();
                daemon_expect_ended(&d, RUN_RESULT_LOST, RAN);
                (void)orphan_wait(pid);
                daemon_kill(&d);
                run_done(&t);
        }
}

/* It was not, or is long gone: never started once more. A run of the same number of another job is not it. */
static void test_never_seen(void **state) {
        char path[128];
        TestRun t, other;
        pid_t pid;
        Daemon d;

        script_init(&other, WAITS_FOR_FIFO);
        other.record.job = "other";
        start_and_crash(&other);
        pid = other.record.pid;

        script_init(&t, "[ -p %1$s ] && echo $$ >%2$s/ran");
        t.record.id = other.record.id;
        d = daemon_start(begin_adopt, &t);
        daemon_expect_ended(&d, RUN_RESULT_LOST, NEVER_SEEN);
        (void)daemon_wait(&d, SAID_IDLE);
        daemon_kill(&d);
        (void)snprintf(path, sizeof(path), "%s/ran", directory);
        assert_int_equal(access(path, F_OK), -1);
        assert_int_equal(waitpid(pid, NULL, WNOHANG), 0);
        assert_int_equal(kill(-pid, SIGKILL), 0);
        (void)orphan_wait(pid);
        run_done(&t);
        run_done(&other);
}

/* The second command of a run is its main process when the first one is written down. */
static void test_second_command(void **state) {
        ProcessInfo first;
        Report r;
        TestRun t;
        Daemon d;

        script_init(&t, "exit 0");
        {
                _cleanup_free_ char *script = NULL;

                assert_true(asprintf(&script, WAITS_FOR_FIFO, fifo) > 0);
                def_add_script(t.def, script, 0);
        }
        d = daemon_start(begin_start, &t);
        r = daemon_wait(&d, SAID_STARTED);
        t.record.pid = r.pid;
        t.record.pid_start = r.pid_start;
        t.record.state = RUN_RUNNING;
        r = daemon_wait(&d, SAID_STARTED);
        assert_string_equal(daemon_wait(&d, SAID_OUTPUT).text, "ready");
        daemon_kill(&d);
        assert_int_equal(process_read(t.record.pid, &first), -ESRCH);

        d = daemon_start(begin_adopt, &t);
        assert_int_equal(daemon_wait(&d, SAID_STARTED).pid, r.pid);
        write_fifo();
        daemon_expect_ended(&d, RUN_RESULT_LOST, RAN);
        (void)orphan_wait(r.pid);
        daemon_kill(&d);
        run_done(&t);
}

/* Letting go of one that is not looked for yet touches nothing; of one that is followed ends it. */
static void test_let_go(void **state) {
        TestRun t;
        Rig rig;

        script_init(&t, WAITS_FOR_FIFO);
        start_and_crash(&t);
        rig_open(&rig, NULL);
        t.rig = &rig;
        run_adopt(&t);
        t.execution = execution_free(t.execution);
        turn(&rig);
        assert_int_equal(waitpid(t.record.pid, NULL, WNOHANG), 0);
        run_adopt(&t);
        turn(&rig);
        assert_int_equal(waitpid(t.record.pid, NULL, WNOHANG), 0);
        t.execution = execution_free(t.execution);
        assert_int_equal(WTERMSIG(orphan_wait(t.record.pid)), SIGKILL);
        run_done(&t);
        rig_close(&rig);
}

/* The socket is where it was: what an adopted run says still arrives. */
static void test_status(void **state) {
        TestRun t;
        Daemon d;

        script_init(&t, WAITS_FOR_FIFO "systemd-notify --status=still-here; read line <&3");
        start_and_crash(&t);
        d = daemon_start(begin_adopt, &t);
        (void)daemon_wait(&d, SAID_IDLE);
        write_fifo();
        assert_string_equal(daemon_wait(&d, SAID_STATUS).text, "still-here");
        write_fifo();
        daemon_expect_ended(&d, RUN_RESULT_LOST, RAN);
        (void)orphan_wait(t.record.pid);
        daemon_kill(&d);
        run_done(&t);
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw) {
        return remove(path);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_followed),
                cmocka_unit_test(test_followed_twice),
                cmocka_unit_test(test_stopped),
                cmocka_unit_test(test_stopping),
                cmocka_unit_test(test_timeout),
                cmocka_unit_test(test_gone),
                cmocka_unit_test(test_number_used_again),
                cmocka_unit_test(test_not_written_down),
                cmocka_unit_test(test_never_seen),
                cmocka_unit_test(test_second_command),
                cmocka_unit_test(test_let_go),
                cmocka_unit_test(test_status),
        };
        int r;

        if (!mkdtemp(directory))
                return EXIT_FAILURE;
        (void)snprintf(fifo, sizeof(fifo), "%s/fifo", directory);
        if (mkfifo(fifo, 0600) < 0)
                return EXIT_FAILURE;
        r = cmocka_run_group_tests(tests, group_setup, NULL);
        (void)nftw(directory, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
        return r;
}
