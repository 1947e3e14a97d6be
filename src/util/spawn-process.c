/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A child shares our memory, and we stand still, until it executes its program (CLONE_VM, CLONE_VFORK): no page table
 * is copied, and it tells its error by writing it down. It has a stack of its own, because it would overwrite the
 * frames that we return to. All that it calls is async-signal-safe; all signals are blocked meanwhile, and none has a
 * handler that could run in it.
 *
 * clone3(2) is the only way into a control group that does not make the kernel stop all forks for a moment, and resets
 * the handlers of signals in one go; what is ignored it leaves ignored. The C library has no function for it, and a
 * child with a stack of its own cannot return from syscall(2), hence a few lines of assembler. Where there is no
 * clone3(2) (another architecture, a filter of system calls, valgrind), clone(2) is used, and the child does the rest
 * with calls of its own. */

#include "util/spawn-process.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/sched.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "util/macro.h"

#define STACK_SIZE ((size_t)64 * 1024) /* bytes; what is not touched is not there */
#define GUARD_SIZE ((size_t)64 * 1024) /* the largest page of any architecture */

/* The sanitizers would look for this stack among those of our threads. */
#define _in_child_ __attribute__((__no_sanitize__("address", "undefined")))

typedef struct Spawn {
        const SpawnRequest *request;
        const sigset_t *reset; /* signals that the child sets to their defaults */
        bool has_handlers;     /* the child may have ours of other signals, too */
        bool enters_cgroup;    /* the child does, by itself */
        int error;             /* why the program was not executed */
} Spawn;

/* --- in the child --- */

_in_child_ static int enter_cgroup(int cgroup_fd) {
        int fd = openat(cgroup_fd, "cgroup.procs", O_WRONLY | O_CLOEXEC | O_NOCTTY);

        return fd < 0 || write(fd, "0", 1) < 0 ? -1 : 0;
}

/* One that stands where another one shall is moved away first. dup2(2) does nothing, and leaves O_CLOEXEC, where one
 * is in its place. */
_in_child_ static int place_fds(const SpawnRequest *r) {
        int n = (int)r->n_fds, fds[SPAWN_FDS_MAX];

        (void)close_range((unsigned)n, ~0U, CLOSE_RANGE_CLOEXEC);
        for (int i = 0; i < n; i++) {
                fds[i] = r->fds[i];
                if (fds[i] < n && fds[i] != i)
                        fds[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, n);
                if (fds[i] < 0)
                        return -1;
        }
        for (int i = 0; i < n; i++)
                if ((fds[i] == i ? fcntl(i, F_SETFD, 0) : dup2(fds[i], i)) < 0)
                        return -1;
        return 0;
}

/* What is ignored stays so unless it is among them; a handler must not run in the child. */
_in_child_ static void reset_signals(const Spawn *s) {
        const struct sigaction action = { .sa_handler = SIG_DFL };
        struct sigaction old;

        for (int i = 1; i < _NSIG; i++)
                if (sigismember(s->reset, i) > 0 ||
                    (s->has_handlers && sigaction(i, NULL, &old) >= 0 && old.sa_handler != SIG_IGN))
                        (void)sigaction(i, &action, NULL);
}

_in_child_ static int child_main(void *userdata) {
        Spawn *s = userdata;
        const SpawnRequest *r = s->request;
        sigset_t none;

        (void)sigemptyset(&none);
        reset_signals(s);
        if (setsid() >= 0 && (!s->enters_cgroup || enter_cgroup(r->cgroup_fd) >= 0) && place_fds(r) >= 0 &&
            (!r->directory || chdir(r->directory) >= 0) && (!r->nofile || setrlimit(RLIMIT_NOFILE, r->nofile) >= 0) &&
            sigprocmask(SIG_SETMASK, &none, NULL) >= 0) {
                if (r->before_exec)
                        r->before_exec(r->userdata);
                (void)execve(r->program, r->argv, r->envp);
        }
        s->error = errno;
        _exit(127); /* as from posix_spawn(3) */
}

/* --- with clone3(2) --- */

/* Like clone(2) of the C library: the child calls child(userdata), which must not return. */
static long call_clone3(struct clone_args *args, int (*child)(void *), void *userdata) {
#if defined(__x86_64__)
        register long r8 __asm__("r8") = (long)child;
        register long r9 __asm__("r9") = (long)userdata;
        long r;

        __asm__ volatile("syscall\n\t"
                         "test %%rax, %%rax\n\t"
                         "jnz 1f\n\t"
                         "xor %%ebp, %%ebp\n\t" /* the outermost frame */
                         "mov %%r9, %%rdi\n\t"
                         "call *%%r8\n\t"
                         "hlt\n"
                         "1:"
                         : "=a"(r)
                         : "0"((long)SYS_clone3), "D"(args), "S"(sizeof(*args)), "r"(r8), "r"(r9)
                         : "rcx", "r11", "cc", "memory");
        return r;
#elif defined(__aarch64__)
        register long x0 __asm__("x0") = (long)args;
        register long x1 __asm__("x1") = (long)sizeof(*args);
        register long x8 __asm__("x8") = SYS_clone3;
        register long x9 __asm__("x9") = (long)child;
        register long x10 __asm__("x10") = (long)userdata;

        __asm__ volatile("svc #0\n\t"
                         "cbnz x0, 1f\n\t"
                         "mov x29, xzr\n\t"
                         "mov x0, x10\n\t"
                         "blr x9\n\t"
                         "brk #0\n"
                         "1:"
                         : "+r"(x0)
                         : "r"(x1), "r"(x8), "r"(x9), "r"(x10)
                         : "cc", "memory");
        return x0;
#else
        return -ENOSYS;
#endif
}

/* Linux kills who is made in a group that was killed at any time before: it compares the number of kills with that of
 * the parent's group (seen with 6.18). Who enters on its own feet is left alone. */
static int start_by_clone3(Spawn *s, char *stack, pid_t *ret_pid, int *ret_pidfd) {
        const SpawnRequest *r = s->request;
        bool into_cgroup = r->cgroup_fd >= 0 && !r->cgroup_was_killed;
        struct clone_args args = {
                .flags = CLONE_VM | CLONE_VFORK | CLONE_CLEAR_SIGHAND | (ret_pidfd ? CLONE_PIDFD : 0) |
                         (into_cgroup ? CLONE_INTO_CGROUP : 0),
                .exit_signal = SIGCHLD,
                .pidfd = (uintptr_t)ret_pidfd,
                .stack = (uintptr_t)stack,
                .stack_size = STACK_SIZE,
                .cgroup = into_cgroup ? (uint64_t)r->cgroup_fd : 0,
        };
        long pid;

        s->enters_cgroup = r->cgroup_fd >= 0 && !into_cgroup;
        pid = call_clone3(&args, child_main, s);
        if (pid < 0)
                return (int)pid;
        *ret_pid = (pid_t)pid;
        return 0;
}

/* --- with clone(2) --- */

static int start_by_clone(Spawn *s, char *stack, pid_t *ret_pid, int *ret_pidfd) {
        pid_t pid;

        s->has_handlers = true;
        s->enters_cgroup = s->request->cgroup_fd >= 0;
        pid = clone(child_main, stack + STACK_SIZE, CLONE_VM | CLONE_VFORK | SIGCHLD, s);
        if (pid < 0)
                return -errno;
        if (ret_pidfd)
                *ret_pidfd = pidfd_open(pid, 0);
        *ret_pid = pid;
        return 0;
}

/* --- either --- */

/* The lower end; kept from the first call on. NULL with errno. */
static char *get_stack(void) {
        static char *stack;

        if (!stack) {
                char *p =
                        mmap(NULL, GUARD_SIZE + STACK_SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);

                if (p == MAP_FAILED || mprotect(p + GUARD_SIZE, STACK_SIZE, PROT_READ | PROT_WRITE) < 0)
                        return NULL;
                stack = p + GUARD_SIZE;
        }
        return stack;
}

static int start(Spawn *s, pid_t *ret_pid, int *ret_pidfd) {
        static bool lacks_clone3;
        char *stack = get_stack();
        int r = 0;

        if (!stack)
                return -errno;
        if (!lacks_clone3) {
                r = start_by_clone3(s, stack, ret_pid, ret_pidfd);
                lacks_clone3 = r == -ENOSYS || r == -EPERM || r == -EINVAL || r == -E2BIG;
        }
        return lacks_clone3 ? start_by_clone(s, stack, ret_pid, ret_pidfd) : r;
}

int spawn_process(const SpawnRequest *request, pid_t *ret_pid, int *ret_pidfd) {
        Spawn s = { .request = request, .reset = request->ignored };
        sigset_t all, old, ignored;
        int pidfd = -EBADF, r;
        pid_t pid = 0;

        assert(request->n_fds <= SPAWN_FDS_MAX);
        if (!s.reset) {
                spawn_find_ignored(&ignored);
                s.reset = &ignored;
        }
        (void)sigfillset(&all);
        (void)sigprocmask(SIG_SETMASK, &all, &old);
        r = start(&s, &pid, ret_pidfd ? &pidfd : NULL);
        (void)sigprocmask(SIG_SETMASK, &old, NULL);
        if (r < 0)
                return r;
        if (s.error > 0) {
                safe_close(pidfd);
                while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
                        ;
                return -s.error;
        }
        *ret_pid = pid;
        if (ret_pidfd)
                *ret_pidfd = pidfd >= 0 ? pidfd : -EBADF;
        return 0;
}

void spawn_find_ignored(sigset_t *ret) {
        (void)sigemptyset(ret);
        for (int i = 1; i < _NSIG; i++) {
                struct sigaction action;

                if (sigaction(i, NULL, &action) >= 0 && action.sa_handler == SIG_IGN)
                        (void)sigaddset(ret, i);
        }
}
