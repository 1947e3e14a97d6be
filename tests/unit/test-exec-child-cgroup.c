/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Runs in control groups of their own. The test makes a group, marks it as delegated, as the service manager does, and
 * lets a process with an executor live in it; that wants root and the unified hierarchy, mounted alone or beside the
 * old ones. Limits of memory cannot be tried where the controller is not there. */

#include "test-exec-child.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/xattr.h>

#include "exec/child-process.h"
#include "util/file.h"

static char group[256]; /* "" = there is none for us */

static void make_group(void) {
        static const char *const places[] = { "/sys/fs/cgroup", "/sys/fs/cgroup/unified" };
        struct statfs s;

        for (size_t i = 0; i < ELEMENTSOF(places); i++) {
                if (statfs(places[i], &s) < 0 || s.f_type != CGROUP2_SUPER_MAGIC)
                        continue;
                (void)snprintf(group, sizeof(group), "%s/vakt-test-%d", places[i], getpid());
                if (mkdir(group, 0755) < 0 || setxattr(group, "trusted.delegate", "1", 1, 0) < 0) {
                        (void)rmdir(group);
                        group[0] = '\0';
                }
                return;
        }
}

static bool enter(const char *below) {
        char path[300];
        FILE *f;

        (void)snprintf(path, sizeof(path), "%s%s/cgroup.procs", group, below);
        f = fopen(path, "we");
        return f && fputs("0", f) >= 0 && fclose(f) == 0;
}

static const char *run_file(uint64_t run, const char *name) {
        static char path[400];

        (void)snprintf(path, sizeof(path), "%s/run-%" PRIu64 "%s%s", group, run, name ? "/" : "", strempty(name));
        return path;
}

/* Does it in a process that lives in the group, and passes on what came of it. */
static void in_group(void (*test)(void)) {
        int status;
        pid_t pid;

        if (group[0] == '\0')
                skip();
        (void)fflush(NULL);
        pid = fork();
        if (pid == 0) {
                become_helper();
                if (!enter("") || prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
                        _exit(2);
                test();
                _exit(0);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
}

/* Waits until the group of a run is removed. */
static void wait_until_removed(const Rig *rig, uint64_t run) {
        while (access(run_file(run, NULL), F_OK) == 0)
                turn(rig);
}

/* True when the group has a process in it. */
static bool is_populated(uint64_t run) {
        char text[256];

        assert_true(file_read(AT_FDCWD, run_file(run, "cgroup.events"), text, sizeof(text)) > 0);
        return strstr(text, "populated 1");
}

/* --- tests --- */

static char fifo[64];

/* A process that leaves the session of the run, which waits until it did. */
#define LEAVE "setsid sh -c 'echo child=$$ >%1$s; exec sleep 1000' & read line <%1$s; echo $line; "

static void script_init(TestRun *t, Rig *rig, const char *format) {
        _cleanup_free_ char *script = NULL;

        assert_true(asprintf(&script, format, fifo) > 0);
        run_init(t, rig, script);
}

static void stopped(void) {
        TestRun t;
        pid_t child;
        Rig rig;

        rig_open(&rig, NULL);
        script_init(&t, &rig,
                    LEAVE "i=0; while [ $i -lt 50000 ]; do i=$((i + 1)); done; "
                          "sed -n 's/^0:.*run-/group=/p' /proc/self/cgroup; read line <%1$s");
        run_start(&t);
        run_wait_output(&t, "group=");
        child = run_number(&t, "child=");
        assert_int_equal(run_number(&t, "group="), t.record.id);
        assert_int_equal(access(run_file(t.record.id, "cgroup.procs"), F_OK), 0);
        run_stop(&t, RUN_RESULT_CANCELLED);
        run_wait(&t);
        assert_int_equal(t.outcome.result, RUN_RESULT_CANCELLED);
        assert_true(t.outcome.cpu > 1000 && t.outcome.cpu < 100 * USEC_PER_SEC);
        wait_until_removed(&rig, t.record.id); /* so nobody lives in it any more */
        (void)waitpid(child, NULL, 0);         /* its parent may have done that */
        assert_false(process_is_there(child));
        run_done(&t);
        rig_close(&rig);
}

static void test_stopped(void **state) {
        in_group(stopped);
}

/* Before the second command, which enters the group by itself, has done so. */
static void held(void) {
        int fd = hold_children();
        uint64_t id;
        TestRun t;
        Rig rig;

        if (fd < 0)
                return;
        rig_open(&rig, NULL);
        run_init(&t, &rig, "true");
        def_add_script(t.def, "echo executed", 0);
        def_set_number(t.def, "TimeoutStopUSec", USEC_INFINITY);
        run_start(&t);
        child_let_go(fd, child_held(fd));
        while (t.n_started < 2)
                turn(&rig);
        id = child_held(fd);
        run_stop(&t, RUN_RESULT_CANCELLED);
        child_let_go(fd, id);
        run_wait(&t);
        assert_int_equal(t.outcome.result, RUN_RESULT_CANCELLED);
        assert_int_equal(t.outcome.code, SIGTERM);
        assert_string_equal(t.output, "");
        wait_until_removed(&rig, t.record.id);
        run_done(&t);
        rig_close(&rig);
}

static void test_held(void **state) {
        in_group(held);
}

/* What is left behind is killed, between two commands, too. */
static void leftovers(void) {
        TestRun t;
        pid_t first, second;
        Rig rig;

        rig_open(&rig, NULL);
        script_init(&t, &rig, LEAVE);
        t.def->commands[0].flags |= COMMAND_IGNORE_FAILURE;
        def_add_script(t.def, "echo second command", 0);
        run_start(&t);
        run_wait(&t);
        first = run_number(&t, "child=");
        assert_non_null(strstr(t.output, "second command"));
        assert_int_equal(t.outcome.result, RUN_RESULT_SUCCESS);
        assert_int_equal(WTERMSIG(orphan_wait(first)), SIGKILL);
        wait_until_removed(&rig, t.record.id);
        run_done(&t);

        /* KillMode=process: it stays, and the group with it until it is gone. */
        script_init(&t, &rig, LEAVE);
        def_set_text(t.def, "KillMode", "process");
        run_start(&t);
        run_wait(&t);
        second = run_number(&t, "child=");
        assert_int_equal(waitpid(second, NULL, WNOHANG), 0);
        assert_int_equal(access(run_file(t.record.id, NULL), F_OK), 0);
        assert_int_equal(kill(second, SIGKILL), 0);
        (void)orphan_wait(second);
        wait_until_removed(&rig, t.record.id);
        run_done(&t);
        rig_close(&rig);
}

static void test_leftovers(void **state) {
        in_group(leftovers);
}

/* With settings, and failing at them, the group is made and removed all the same. */
static void settings(void) {
        TestRun t;
        Rig rig;

        rig_open(&rig, NULL);
        run_init(&t, &rig, "id -un; grep -o 'run-.*' /proc/self/cgroup");
        def_set_text(t.def, "User", "nobody");
        run_start(&t);
        run_wait(&t);
        assert_non_null(strstr(t.output, "nobody\nrun-"));
        assert_int_equal(access(run_file(t.record.id, NULL), F_OK), -1);
        run_done(&t);

        run_init(&t, &rig, "echo started");
        def_set_text(t.def, "User", "no-such-user");
        run_start(&t);
        run_wait(&t);
        assert_string_equal(t.reason, "The user 'no-such-user' of User= is unknown.");
        assert_int_equal(access(run_file(t.record.id, NULL), F_OK), -1);
        run_done(&t);

        run_init(&t, &rig, NULL);
        def_add_command(t.def, "/no/such", strv_copy((char *[]){ (char *)"x", NULL }), 0);
        run_start(&t);
        run_wait(&t);
        assert_string_equal(t.reason, "Cannot execute /no/such: No such file or directory.");
        run_done(&t);
        rig_close(&rig);
}

static void test_settings(void **state) {
        in_group(settings);
}

/* A status from a process that has left the session is told apart by the group. */
static void status(void) {
        TestRun t;
        Rig rig;

        rig_open(&rig, NULL);
        run_init(&t, &rig, "setsid --fork sh -c 'systemd-notify --status=far-away; true'; exec sleep 1000");
        run_start(&t);
        while (t.n_status == 0)
                turn(&rig);
        assert_string_equal(t.status, "far-away");
        run_done(&t);
        wait_until_removed(&rig, t.record.id);
        rig_close(&rig);
}

static void test_status(void **state) {
        in_group(status);
}

/* Of a run that is lost the group is witness: what is in it is killed, whatever session it made, and it is removed. */
static void adopted(void) {
        TestRun t;
        pid_t main_pid, child;
        ProcessInfo info;
        Rig rig;

        rig_open(&rig, NULL);
        script_init(&t, &rig, LEAVE "exec sleep 1000");
        assert_int_equal(mkdir(run_file(t.record.id, NULL), 0755), 0);
        rig_close(&rig);

        /* An empty one that is left goes when an executor starts. */
        rig_open(&rig, NULL);
        assert_int_equal(access(run_file(t.record.id, NULL), F_OK), -1);

        /* One with somebody in it stays, for its run. */
        assert_int_equal(mkdir(run_file(t.record.id, NULL), 0755), 0);
        child = fork();
        if (child == 0) {
                char below[64];

                (void)snprintf(below, sizeof(below), "/run-%" PRIu64, t.record.id);
                if (!enter(below))
                        _exit(2);
                for (;;)
                        (void)pause();
        }
        while (!is_populated(t.record.id))
                ;
        rig_close(&rig);
        rig_open(&rig, NULL);
        assert_int_equal(access(run_file(t.record.id, NULL), F_OK), 0);
        main_pid = fork();
        if (main_pid == 0)
                _exit(0);
        assert_int_equal(process_read(main_pid, &info), 0);
        (void)orphan_wait(main_pid);
        t.rig = &rig;
        t.record.pid = main_pid;
        t.record.pid_start = info.start;
        t.record.state = RUN_RUNNING;
        run_adopt(&t);
        run_wait(&t);
        assert_int_equal(t.outcome.result, RUN_RESULT_LOST);
        assert_int_equal(WTERMSIG(orphan_wait(child)), SIGKILL);
        wait_until_removed(&rig, t.record.id);
        run_done(&t);
        rig_close(&rig);
}

static void test_adopted(void **state) {
        in_group(adopted);
}

/* A group that was not given to us is not touched, though we could. */
static void not_delegated(void) {
        char path[300];
        TestRun t;
        Rig rig;

        assert_int_equal(removexattr(group, "trusted.delegate"), 0);
        rig_open(&rig, NULL);
        assert_int_equal(setxattr(group, "trusted.delegate", "1", 1, 0), 0);
        (void)snprintf(path, sizeof(path), "%s/daemon", group);
        assert_int_equal(access(path, F_OK), -1);
        run_init(&t, &rig, "grep -c run- /proc/self/cgroup");
        run_start(&t);
        run_wait(&t);
        assert_string_equal(t.output, "0\n");
        assert_int_equal(access(run_file(t.record.id, NULL), F_OK), -1);
        run_done(&t);
        rig_close(&rig);
}

static void test_not_delegated(void **state) {
        in_group(not_delegated);
}

/* Runs as before where the group cannot hold another one. */
static void full(void) {
        char path[300];
        TestRun t;
        Rig rig;
        FILE *f;

        rig_open(&rig, NULL);
        (void)snprintf(path, sizeof(path), "%s/cgroup.max.descendants", group);
        f = fopen(path, "we");
        assert_true(f && fputs("1", f) >= 0 && fclose(f) == 0);
        run_init(&t, &rig, "sleep 1000 & echo child=$!; exit 5");
        run_start(&t);
        run_wait(&t);
        assert_int_equal(t.outcome.code, 5);
        assert_int_equal(WTERMSIG(orphan_wait(run_number(&t, "child="))), SIGKILL);
        run_done(&t);
        f = fopen(path, "we");
        assert_true(f && fputs("max", f) >= 0 && fclose(f) == 0);
        rig_close(&rig);
}

static void test_full(void **state) {
        in_group(full);
}

static int group_setup_with_group(void **state) {
        make_group();
        return group_setup(state);
}

static int group_teardown(void **state) {
        char path[300];

        if (group[0] == '\0')
                return 0;
        (void)snprintf(path, sizeof(path), "%s/daemon", group);
        (void)rmdir(path);
        return rmdir(group);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_not_delegated), cmocka_unit_test(test_stopped),  cmocka_unit_test(test_held),
                cmocka_unit_test(test_leftovers),     cmocka_unit_test(test_settings), cmocka_unit_test(test_status),
                cmocka_unit_test(test_adopted),       cmocka_unit_test(test_full),
        };
        char directory[] = "/tmp/vakt-test-cgroup-XXXXXX";
        int r;

        if (!mkdtemp(directory))
                return EXIT_FAILURE;
        (void)snprintf(fifo, sizeof(fifo), "%s/fifo", directory);
        if (mkfifo(fifo, 0600) < 0)
                return EXIT_FAILURE;
        r = cmocka_run_group_tests(tests, group_setup_with_group, group_teardown);
        (void)unlink(fifo);
        (void)rmdir(directory);
        return r;
}
