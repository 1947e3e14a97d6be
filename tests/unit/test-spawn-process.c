/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a program is given that spawn_process() starts, as the kernel shows it: once with clone3(2), and once more
 * after a filter of system calls has taken that away from this process. With SPAWN_PORTABLE as on an architecture for
 * which there is no assembler: there all children are waited for. */

#ifdef SPAWN_PORTABLE
#define IS_PORTABLE true
#else
#define IS_PORTABLE false
#endif

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/magic.h>
#include <linux/seccomp.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/wait.h>

#include "util/macro.h"
#include "util/spawn-process.h"

static char *const words[] = { (char *)"TESTED=yes", NULL };
static char output[64 * 1024];

/* Starts it, reads what it writes to its end, and returns the exit status. Its descriptors are ours unless others are
 * given; -1 among these stands for the pipe that is read. */
static int run(const SpawnRequest *wanted) {
        SpawnRequest r = *wanted;
        int given[SPAWN_FDS_MAX] = { 0, -1, 2 }, fds[2], pidfd = -EBADF;
        siginfo_t si = {};
        size_t used = 0;
        pid_t pid = 0;
        ssize_t n;

        assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
        if (r.fds)
                memcpy(given, r.fds, r.n_fds * sizeof(int));
        r.fds = given;
        r.n_fds = r.n_fds ?: 3;
        for (size_t i = 0; i < r.n_fds; i++)
                given[i] = given[i] < 0 ? fds[1] : given[i];
        r.envp = words;
        r.program = r.program ?: r.argv[0];
        assert_int_equal(spawn_process(&r, &pid, &pidfd), 0);
        assert_true(pidfd < 0 || fcntl(pidfd, F_GETFD) & FD_CLOEXEC);
        (void)close(fds[1]);
        while ((n = read(fds[0], output + used, sizeof(output) - 1 - used)) > 0)
                used += (size_t)n;
        output[used] = '\0';
        (void)close(fds[0]);
        assert_int_equal(waitid(P_PID, (id_t)pid, &si, WEXITED | (pidfd >= 0 ? WNOWAIT : 0)), 0);
        assert_int_equal(si.si_code, CLD_EXITED);
        if (pidfd >= 0) /* of this process */
                assert_int_equal(waitid(P_PIDFD, (id_t)pidfd, &si, WEXITED), 0);
        assert_int_equal(si.si_pid, pid);
        safe_close(pidfd);
        return si.si_status;
}

static int run_script(const char *script, SpawnRequest r) {
        char *const argv[] = { (char *)"/bin/sh", (char *)"-c", (char *)script, NULL };

        r.argv = argv;
        return run(&r);
}

static void test_plain(void **state) {
        assert_int_equal(
                run_script("echo \"$TESTED $HOME\"; ls /proc/self/fd; exit 7", (SpawnRequest){ .cgroup_fd = -1 }), 7);
        assert_string_equal(output, "yes \n0\n1\n2\n3\n"); /* 3 is the directory that ls reads */
}

static void test_session(void **state) {
        assert_int_equal(run_script("read pid name s ppid pgrp session rest </proc/self/stat; echo $((pid - session)) "
                                    "$((pid - pgrp)) $ppid",
                                    (SpawnRequest){ .cgroup_fd = -1 }),
                         0);
        assert_true(startswith(output, "0 0 "));
        assert_int_equal(atoi(output + 4), getpid());
}

static void test_signals(void **state) {
        char *const argv[] = { (char *)"/bin/cat", (char *)"/proc/self/status", NULL };
        sigset_t set, old, now, ignored;

        (void)signal(SIGPIPE, SIG_IGN);
        (void)signal(SIGUSR2, SIG_IGN);
        (void)sigemptyset(&set);
        (void)sigaddset(&set, SIGTERM);
        (void)sigprocmask(SIG_BLOCK, &set, &old);
        spawn_find_ignored(&ignored);
        assert_true(sigismember(&ignored, SIGPIPE) && sigismember(&ignored, SIGUSR2) &&
                    !sigismember(&ignored, SIGTERM));

        for (int known = 0; known < 2; known++) {
                assert_int_equal(
                        run(&(SpawnRequest){ .argv = argv, .cgroup_fd = -1, .ignored = known ? &ignored : NULL }), 0);
                assert_non_null(strstr(output, "\nSigBlk:\t0000000000000000\n"));
                assert_non_null(strstr(output, "\nSigIgn:\t0000000000000000\n"));
        }
        (void)sigemptyset(&set);
        assert_int_equal(run(&(SpawnRequest){ .argv = argv, .cgroup_fd = -1, .ignored = &set }), 0);
        assert_null(strstr(output, "\nSigIgn:\t0000000000000000\n")); /* what the program is to inherit */
        (void)sigprocmask(SIG_SETMASK, &old, &now);                   /* and ours is as it was */
        assert_true(sigismember(&now, SIGTERM) && !sigismember(&now, SIGINT));
        (void)signal(SIGPIPE, SIG_DFL);
        (void)signal(SIGUSR2, SIG_DFL);
}

/* Two of them stand in each other's place, and another one has no O_CLOEXEC. The shell opens 6. */
static void test_descriptors(void **state) {
        int opened = open("/dev/zero", O_RDONLY | O_CLOEXEC), zero = fcntl(opened, F_DUPFD_CLOEXEC, 10), leaked;
        const int fds[] = { zero, -1, 2, 4, 3, 5 };

        assert_true(zero >= 10);
        (void)close(opened);
        assert_int_equal(dup3(zero, 3, O_CLOEXEC), 3);
        assert_int_equal(dup3(STDERR_FILENO, 4, O_CLOEXEC), 4);
        assert_int_equal(dup3(zero, 5, O_CLOEXEC), 5);
        leaked = dup(STDERR_FILENO);
        assert_true(leaked > 5);
        assert_int_equal(run_script("cd /proc/self/fd; for i in *; do [ $i -ef /dev/zero ] && echo $i; done; echo *",
                                    (SpawnRequest){ .fds = fds, .n_fds = ELEMENTSOF(fds), .cgroup_fd = -1 }),
                         0);
        assert_string_equal(output, "0\n4\n5\n0 1 2 3 4 5 6\n");
        for (int fd = 3; fd <= leaked; fd++)
                (void)close(fd);
        (void)close(zero);
}

static void test_directory(void **state) {
        assert_int_equal(run_script("pwd", (SpawnRequest){ .directory = "/proc", .cgroup_fd = -1 }), 0);
        assert_string_equal(output, "/proc\n");
        assert_int_equal(run_script("pwd", (SpawnRequest){ .directory = "/", .program = "bin/sh", .cgroup_fd = -1 }),
                         0);
        assert_string_equal(output, "/\n");
}

static void test_limit(void **state) {
        const struct rlimit limit = { .rlim_cur = 77, .rlim_max = 99 };
        struct rlimit before, after;

        assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
        assert_int_equal(run_script("ulimit -Sn; ulimit -Hn", (SpawnRequest){ .nofile = &limit, .cgroup_fd = -1 }), 0);
        assert_string_equal(output, "77\n99\n");
        assert_int_equal(getrlimit(RLIMIT_NOFILE, &after), 0);
        assert_memory_equal(&before, &after, sizeof(before));
}

static void assert_refused(int error, const char *program, const char *directory) {
        char *const argv[] = { (char *)program, NULL };
        SpawnRequest r = { .program = program,
                           .argv = argv,
                           .envp = words,
                           .fds = (const int[]){ 0, 1, 2 },
                           .n_fds = 3,
                           .directory = directory,
                           .cgroup_fd = -1 };
        int pidfd = -EBADF, before = dup(2), after;
        pid_t pid = -1;

        (void)close(before);
        assert_int_equal(spawn_process(&r, &pid, &pidfd), -error);
        assert_int_equal(pid, -1);
        assert_int_equal(pidfd, -EBADF);
        after = dup(2);
        (void)close(after);
        assert_int_equal(after, before); /* nothing stays open */
        assert_true(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD);
}

static void test_errors(void **state) {
        assert_refused(ENOENT, "/nowhere/to/be/found", NULL);
        assert_refused(EACCES, "/dev/null", NULL);
        assert_refused(ENOTDIR, "/bin/true", "/dev/null");
        assert_refused(ENOENT, "/bin/true", "/nowhere/to/be/found");
}

static const int our_fds[] = { 0, 1, 2 };

static SpawnRequest request_of(char *const *argv) {
        return (SpawnRequest){
                .program = argv[0], .argv = argv, .envp = words, .fds = our_fds, .n_fds = 3, .cgroup_fd = -1
        };
}

static int wait_for(pid_t pid) {
        siginfo_t si = {};

        assert_int_equal(waitid(P_PID, (id_t)pid, &si, WEXITED), 0);
        assert_int_equal(si.si_code, CLD_EXITED);
        return si.si_status;
}

/* More at once than there are stacks. Who could not execute its program says so when it was waited for, and nobody
 * else's errno is changed by that. */
static void test_many_at_once(void **state) {
        static char *const good[] = { (char *)"/bin/sh", (char *)"-c", (char *)"exit 5", NULL };
        static char *const bad[] = { (char *)"/nowhere/to/be/found", NULL };
        static SpawnProcess processes[100];
        pid_t pids[ELEMENTSOF(processes)];
        siginfo_t si;

        for (size_t i = 0; i < ELEMENTSOF(processes); i++) {
                SpawnRequest r = request_of(i % 3 == 0 ? bad : good);
                int pidfd = -EBADF;

                assert_int_equal(spawn_begin(&processes[i], &r, &pids[i], i % 2 == 0 ? &pidfd : NULL), 0);
                safe_close(pidfd);
        }
        errno = EXDEV;
        for (size_t i = 0; i < ELEMENTSOF(processes); i++)
                assert_int_equal(waitid(P_PID, (id_t)pids[i], &si, WEXITED | WNOWAIT), 0);
        assert_int_equal(errno, EXDEV);
        for (size_t i = 0; i < ELEMENTSOF(processes); i++) {
                assert_int_equal(wait_for(pids[i]), i % 3 == 0 ? 127 : 5);
                assert_int_equal(spawn_error(&processes[i]), i % 3 == 0 ? ENOENT : 0);
        }
}

/* Of cgroup v2, alone or beside the old hierarchies. */
static const char *find_cgroups(void) {
        static const char *const places[] = { "/sys/fs/cgroup", "/sys/fs/cgroup/unified" };
        struct statfs s;

        for (size_t i = 0; i < ELEMENTSOF(places); i++)
                if (statfs(places[i], &s) == 0 && s.f_type == CGROUP2_SUPER_MAGIC)
                        return places[i];
        return NULL;
}

static void test_cgroup(void **state) {
        const char *root = find_cgroups();
        const char *script = "grep ^0: /proc/self/cgroup";
        char path[128], expected[64];
        int fd, kill_fd;

        if (!root)
                skip();
        (void)snprintf(expected, sizeof(expected), "0::/vakt-test-spawn-%d\n", getpid());
        (void)snprintf(path, sizeof(path), "%s/vakt-test-spawn-%d", root, getpid());
        if (mkdir(path, 0755) < 0)
                skip(); /* this wants root */
        fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_int_equal(run_script(script, (SpawnRequest){ .cgroup_fd = fd }), 0);
        assert_string_equal(output, expected);

        kill_fd = openat(fd, "cgroup.kill", O_WRONLY | O_CLOEXEC);
        assert_int_equal(write(kill_fd, "1", 1), 1);
        (void)close(kill_fd);
        assert_int_equal(run_script(script, (SpawnRequest){ .cgroup_fd = fd, .cgroup_was_killed = true }), 0);
        assert_string_equal(output, expected);
        (void)close(fd);
        assert_int_equal(rmdir(path), 0);
}

static void write_to(int directory_fd, const char *name, const char *text) {
        int fd = openat(directory_fd, name, O_WRONLY | O_CLOEXEC);

        assert_int_equal(write(fd, text, strlen(text)), strlen(text));
        (void)close(fd);
}

static bool executes(pid_t pid, const char *program) {
        char path[64];
        struct stat a, b;

        (void)snprintf(path, sizeof(path), "/proc/%d/exe", pid);
        return stat(path, &a) == 0 && stat(program, &b) == 0 && a.st_ino == b.st_ino && a.st_dev == b.st_dev;
}

static int lock(const char *path) {
        int fd = open(path, O_RDONLY | O_CLOEXEC);

        assert_true(fd >= 0);
        if (flock(fd, LOCK_EX | LOCK_NB) >= 0)
                return fd;
        (void)close(fd);
        return -EBADF;
}

/* A control group in which nobody runs. */
typedef struct Freezer {
        char path[128];
        int fd;
} Freezer;

static void freezer_make(Freezer *f) {
        const char *root = find_cgroups();

        if (!root)
                skip();
        (void)snprintf(f->path, sizeof(f->path), "%s/vakt-test-frozen-%d", root, getpid());
        if (mkdir(f->path, 0755) < 0)
                skip();
        f->fd = open(f->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        write_to(f->fd, "cgroup.freeze", "1");
}

static void freezer_remove(Freezer *f) {
        (void)close(f->fd);
        assert_int_equal(rmdir(f->path), 0);
}

static void end_by_sigkill(pid_t pid) {
        siginfo_t si = {};

        assert_int_equal(kill(pid, SIGKILL), 0);
        assert_int_equal(waitid(P_PID, (id_t)pid, &si, WEXITED), 0);
        assert_int_equal(si.si_status, SIGKILL);
}

static char *const sleeper[] = { (char *)"/bin/sleep", (char *)"1000", NULL };

/* One that is kept from executing its program keeps nobody. Until it has done so, it holds the locks of its parent,
 * dead or alive: so the next daemon does not look for runs before each has the environment that it is found by. */
static void test_not_waited_for(void **state) {
        SpawnRequest r = request_of(sleeper);
        SpawnProcess p;
        Freezer f;
        pid_t pid;
        int fd;

        if (IS_PORTABLE)
                return;
        freezer_make(&f);
        r.cgroup_fd = f.fd;
        fd = lock("/proc/self/exe");
        assert_true(fd >= 0);
        assert_int_equal(spawn_begin(&p, &r, &pid, NULL), 0);
        (void)close(fd);
        assert_true(executes(pid, "/proc/self/exe"));
        assert_true(lock("/proc/self/exe") < 0);
        write_to(f.fd, "cgroup.freeze", "0");
        while ((fd = lock("/proc/self/exe")) < 0)
                ; /* it closes its descriptors a moment after it has let go of our memory */
        (void)close(fd);
        assert_true(executes(pid, sleeper[0]));
        assert_int_equal(spawn_error(&p), 0);
        assert_int_equal(getsid(pid), pid);
        end_by_sigkill(pid);
        freezer_remove(&f);
}

/* Nor does it keep those that come after it, however many these are; and if no stack is free, that is an error. */
static void test_stuck(void **state) {
        static char *const good[] = { (char *)"/bin/true", NULL };
        static SpawnProcess stuck[16], other;
        SpawnRequest r = request_of(sleeper), others = request_of(good);
        pid_t pids[ELEMENTSOF(stuck)], pid;
        Freezer f;

        if (IS_PORTABLE)
                return;
        freezer_make(&f);
        r.cgroup_fd = f.fd;
        for (size_t i = 0; i < ELEMENTSOF(stuck); i++) {
                for (unsigned k = 0; k < 20; k++) {
                        assert_int_equal(spawn_begin(&other, &others, &pid, NULL), 0);
                        assert_int_equal(wait_for(pid), 0);
                        assert_int_equal(spawn_error(&other), 0);
                }
                assert_int_equal(spawn_begin(&stuck[i], &r, &pids[i], NULL), 0);
        }
        pid = -1;
        assert_int_equal(spawn_begin(&other, &others, &pid, NULL), -EAGAIN);
        assert_int_equal(spawn_process(&others, &pid, NULL), -EAGAIN);
        assert_int_equal(pid, -1);

        end_by_sigkill(pids[7]);
        assert_int_equal(spawn_begin(&other, &others, &pid, NULL), 0);
        assert_int_equal(wait_for(pid), 0);
        for (size_t i = 0; i < ELEMENTSOF(stuck); i++)
                if (i != 7)
                        end_by_sigkill(pids[i]);
        freezer_remove(&f);
}

/* From here on the kernel says ENOSYS to clone3(2), as where RestrictNamespaces= applies. */
static void test_without_clone3(void **state) {
        struct sock_filter code[] = {
                BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone3, 0, 1),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        };
        struct sock_fprog program = { .len = ELEMENTSOF(code), .filter = code };

        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
                skip();
        assert_true(syscall(SYS_clone3, NULL, 0) < 0 && errno == ENOSYS);
}

#define TESTS                                                                                                       \
        cmocka_unit_test(test_plain), cmocka_unit_test(test_session), cmocka_unit_test(test_signals),               \
                cmocka_unit_test(test_descriptors), cmocka_unit_test(test_directory), cmocka_unit_test(test_limit), \
                cmocka_unit_test(test_errors), cmocka_unit_test(test_many_at_once), cmocka_unit_test(test_cgroup),  \
                cmocka_unit_test(test_not_waited_for), cmocka_unit_test(test_stuck)

int main(void) {
        const struct CMUnitTest tests[] = {
                TESTS,
                cmocka_unit_test(test_without_clone3),
                TESTS,
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
