/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A child shares our memory until it executes its program (CLONE_VM): no page table is copied, and it tells its error
 * by writing it down. It has a stack of its own, of a few that are kept, and we go on meanwhile: how long it takes
 * until another processor, or a busy machine, has done it is not our time. So it changes nothing that is ours but its
 * SpawnProcess, not even errno, and makes its system calls itself. All signals are blocked until it executes the
 * program, and none has a handler that could run in it. That it is done with our memory, and its stack is free, we
 * hear from the kernel (CLONE_CHILD_CLEARTID).
 *
 * spawn_process() stands still until then (CLONE_VFORK). So does the first child of clone(2), because an emulator
 * (valgrind) may not share memory, which that child finds out, and every one on an architecture whose system calls are
 * not written down here.
 *
 * clone3(2) is the only way into a control group that does not make the kernel stop all forks for a moment, and resets
 * the handlers of signals in one go; what is ignored it leaves ignored. The C library has no function for it, and a
 * child with a stack of its own cannot return from syscall(2), hence a few lines of assembler. Where there is no
 * clone3(2) (another architecture, a filter of system calls, valgrind), clone(2) is used, and the child does the rest
 * with calls of its own. */

#include "util/spawn-process.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/futex.h>
#include <linux/sched.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "util/clock.h"

#define N_STACKS   16
#define STACK_SIZE ((size_t)64 * 1024) /* bytes; what is not touched is not there */
#define GUARD_SIZE ((size_t)64 * 1024) /* the largest page of any architecture */

#define STACK_WAIT_USEC  USEC_PER_SEC /* for one that is free */
#define STACK_PAUSE_NSEC 10000000

/* The sanitizers would look for this stack among those of our threads. */
#define _in_child_ __attribute__((__no_sanitize__("address", "undefined"), __no_instrument_function__))

#if (defined(__x86_64__) || defined(__aarch64__)) && !defined(SPAWN_PORTABLE) /* by a test */
#define CAN_OVERLAP 1
#else
#define CAN_OVERLAP 0
#endif

#ifdef __mips__
#define HANDLER 1 /* word in the kernel's struct sigaction, behind the flags */
#else
#define HANDLER 0
#endif
#define SIGNALS_SIZE (_NSIG / 8) /* bytes; _NSIG is 65, and 128 on MIPS */

/* The lower end, with a guard below it; NULL until it is first used. */
typedef struct Stack {
        char *memory;
        uint32_t is_used; /* the kernel makes it 0 */
        unsigned n_uses;
} Stack;
static Stack stacks[N_STACKS];

/* --- in the child --- */

/* Without errno. */
_in_child_ static long call(long number, long a, long b, long c, long d) {
#if !CAN_OVERLAP
        long r = syscall(number, a, b, c, d);

        return r < 0 ? -errno : r;
#elif defined(__x86_64__)
        register long r10 __asm__("r10") = d;
        long r;

        __asm__ volatile("syscall"
                         : "=a"(r)
                         : "0"(number), "D"(a), "S"(b), "d"(c), "r"(r10)
                         : "rcx", "r11", "cc", "memory");
        return r;
#elif defined(__aarch64__)
        register long x0 __asm__("x0") = a;
        register long x1 __asm__("x1") = b;
        register long x2 __asm__("x2") = c;
        register long x3 __asm__("x3") = d;
        register long x8 __asm__("x8") = number;

        __asm__ volatile("svc #0" : "+r"(x0) : "r"(x1), "r"(x2), "r"(x3), "r"(x8) : "cc", "memory");
        return x0;
#endif
}

_in_child_ static int enter_cgroup(int cgroup_fd) {
        long fd = call(SYS_openat, cgroup_fd, (long)"cgroup.procs", O_WRONLY | O_CLOEXEC | O_NOCTTY, 0);

        return (int)(fd < 0 ? fd : MIN(call(SYS_write, fd, (long)"0", 1, 0), 0L));
}

/* One that stands where another one shall is moved away first. dup3(2) refuses one that is in its place. */
_in_child_ static int place_fds(int *fds, int n) {
        (void)call(SYS_close_range, n, ~0U, CLOSE_RANGE_CLOEXEC, 0);
        for (int i = 0; i < n; i++) {
                if (fds[i] < n && fds[i] != i)
                        fds[i] = (int)call(SYS_fcntl, fds[i], F_DUPFD_CLOEXEC, n, 0);
                if (fds[i] < 0)
                        return fds[i];
        }
        for (int i = 0; i < n; i++) {
                long r = fds[i] == i ? call(SYS_fcntl, i, F_SETFD, 0, 0) : call(SYS_dup3, fds[i], i, 0, 0);

                if (r < 0)
                        return (int)r;
        }
        return 0;
}

/* What is ignored stays so unless it is among them; a handler must not run in the child. All zero is the default. */
_in_child_ static void reset_signals(const SpawnProcess *p) {
        unsigned long action[8] = {}, old[8] = {};

        for (int i = 1; i < _NSIG; i++)
                if (sigismember(&p->reset, i) > 0 ||
                    (p->has_handlers && call(SYS_rt_sigaction, i, 0, (long)old, SIGNALS_SIZE) >= 0 &&
                     old[HANDLER] != (unsigned long)SIG_IGN && old[HANDLER] != (unsigned long)SIG_DFL))
                        (void)call(SYS_rt_sigaction, i, (long)action, 0, SIGNALS_SIZE);
}

_in_child_ static long child_prepare(SpawnProcess *p) {
        static const unsigned long none[128 / 8 / sizeof(long)];
        const SpawnRequest *r = &p->request;
        long k;

        reset_signals(p);
        k = call(SYS_setsid, 0, 0, 0, 0);
        if (k >= 0 && p->enters_cgroup)
                k = enter_cgroup(r->cgroup_fd);
        if (k >= 0)
                k = place_fds(p->fds, (int)r->n_fds);
        if (k >= 0 && r->directory)
                k = call(SYS_chdir, (long)r->directory, 0, 0, 0);
        if (k >= 0 && r->nofile)
                k = call(SYS_prlimit64, 0, RLIMIT_NOFILE, (long)p->nofile, 0);
        return k < 0 ? k : call(SYS_rt_sigprocmask, SIG_SETMASK, (long)none, 0, SIGNALS_SIZE);
}

_in_child_ static _Noreturn int child_main(void *userdata) {
        SpawnProcess *p = userdata;
        const SpawnRequest *r = &p->request;
        long k;

        p->was_reached = true;
        k = child_prepare(p);
        if (k >= 0 && r->before_exec)
                r->before_exec(r->userdata);
        if (k >= 0)
                k = call(SYS_execve, (long)r->program, (long)r->argv, (long)r->envp, 0);
        p->error = (int)-k;
        for (;;)
                (void)call(SYS_exit_group, 127, 0, 0, 0); /* as from posix_spawn(3) */
}

/* --- with clone3(2) --- */

/* Like clone(2) of the C library: the child calls child(userdata), which must not return. */
static long call_clone3(struct clone_args *args, int (*child)(void *), void *userdata) {
#if !CAN_OVERLAP
        return -ENOSYS;
#elif defined(__x86_64__)
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
#endif
}

/* Linux kills who is made in a group that was killed at any time before: it compares the number of kills with that of
 * the parent's group (seen with 6.18). Who enters on its own feet is left alone. */
static int start_by_clone3(SpawnProcess *p, Stack *stack, bool waits, pid_t *ret_pid, int *ret_pidfd) {
        const SpawnRequest *r = &p->request;
        bool into_cgroup = r->cgroup_fd >= 0 && !r->cgroup_was_killed;
        struct clone_args args = {
                .flags = CLONE_VM | CLONE_CHILD_CLEARTID | CLONE_CLEAR_SIGHAND | (waits ? CLONE_VFORK : 0) |
                         (ret_pidfd ? CLONE_PIDFD : 0) | (into_cgroup ? CLONE_INTO_CGROUP : 0),
                .exit_signal = SIGCHLD,
                .pidfd = (uintptr_t)ret_pidfd,
                .child_tid = (uintptr_t)&stack->is_used,
                .stack = (uintptr_t)stack->memory,
                .stack_size = STACK_SIZE,
                .cgroup = into_cgroup ? (uint64_t)r->cgroup_fd : 0,
        };
        long pid;

        p->enters_cgroup = r->cgroup_fd >= 0 && !into_cgroup;
        pid = call_clone3(&args, child_main, p);
        if (pid < 0)
                return (int)pid;
        *ret_pid = (pid_t)pid;
        return 0;
}

/* --- with clone(2) --- */

static int start_by_clone(SpawnProcess *p, Stack *stack, bool waits, pid_t *ret_pid, int *ret_pidfd) {
        static bool shares_memory;
        pid_t pid;

        p->has_handlers = true;
        p->enters_cgroup = p->request.cgroup_fd >= 0;
        waits = waits || !shares_memory;
        pid = clone(child_main, stack->memory + STACK_SIZE,
                    CLONE_VM | CLONE_CHILD_CLEARTID | (waits ? CLONE_VFORK : 0) | SIGCHLD, p, /* parent_tid= */ NULL,
                    /* tls= */ NULL, &stack->is_used);
        if (pid < 0)
                return -errno;
        if (waits) {
                shares_memory = CAN_OVERLAP && p->was_reached;
                stack->is_used = 0; /* an emulator may not do so */
        }
        if (ret_pidfd)
                *ret_pidfd = pidfd_open(pid, 0);
        *ret_pid = pid;
        return 0;
}

/* --- either --- */

/* The kernel makes it 0 when the child is done with our memory. */
static bool stack_is_used(const Stack *s) {
        return __atomic_load_n(&s->is_used, __ATOMIC_ACQUIRE) != 0;
}

/* The first that is free: what was never needed is never touched, and a child that is stuck (in a frozen control
 * group, on a remote file system) keeps only its own. */
static Stack *stack_find(void) {
        for (Stack *s = stacks; s < stacks + N_STACKS; s++)
                if (!stack_is_used(s))
                        return s;
        return NULL;
}

/* The kernel wakes who waits for the place that it makes 0; any other one is seen after the pause. */
static Stack *stack_wait(void) {
        static const struct timespec pause = { .tv_nsec = STACK_PAUSE_NSEC };
        static unsigned last;
        usec_t end = usec_add(now_clock(CLOCK_MONOTONIC), STACK_WAIT_USEC);
        Stack *s = NULL;

        while (!s && now_clock(CLOCK_MONOTONIC) < end) {
                (void)syscall(SYS_futex, &stacks[++last % N_STACKS].is_used, FUTEX_WAIT, 1, &pause, NULL, 0);
                s = stack_find();
        }
        return s;
}

static int stack_take(Stack **ret) {
        Stack *s = stack_find() ?: stack_wait();

        if (!s)
                return -EAGAIN;
        if (!s->memory) {
                char *p =
                        mmap(NULL, GUARD_SIZE + STACK_SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);

                if (p == MAP_FAILED)
                        return -errno;
                if (mprotect(p + GUARD_SIZE, STACK_SIZE, PROT_READ | PROT_WRITE) < 0) {
                        int r = -errno;

                        (void)munmap(p, GUARD_SIZE + STACK_SIZE);
                        return r;
                }
                s->memory = p + GUARD_SIZE;
        }
        s->is_used = 1;
        s->n_uses++;
        *ret = s;
        return 0;
}

static int start(SpawnProcess *p, Stack *stack, bool waits, pid_t *ret_pid, int *ret_pidfd) {
        static bool lacks_clone3;
        int r = 0;

        p->stack = (unsigned)(stack - stacks);
        p->n_uses = stack->n_uses;
        if (!lacks_clone3) {
                r = start_by_clone3(p, stack, waits, ret_pid, ret_pidfd);
                lacks_clone3 = r == -ENOSYS || r == -EPERM || r == -EINVAL || r == -E2BIG;
        }
        if (lacks_clone3)
                r = start_by_clone(p, stack, waits, ret_pid, ret_pidfd);
        if (r < 0)
                stack->is_used = 0;
        return r;
}

static int begin(SpawnProcess *p, const SpawnRequest *request, bool waits, pid_t *ret_pid, int *ret_pidfd) {
        sigset_t all, old;
        int pidfd = -EBADF, r;
        Stack *stack = NULL;
        pid_t pid = 0;

        assert(request->n_fds <= SPAWN_FDS_MAX);
        *p = (SpawnProcess){ .request = *request };
        memcpy(p->fds, request->fds, request->n_fds * sizeof(int));
        if (request->nofile) {
                p->nofile[0] = request->nofile->rlim_cur;
                p->nofile[1] = request->nofile->rlim_max;
        }
        if (request->ignored)
                p->reset = *request->ignored;
        else
                spawn_find_ignored(&p->reset);
        r = stack_take(&stack); /* while signals are let through: a watchdog's, for one */
        if (r < 0)
                return r;
        (void)sigfillset(&all);
        (void)sigprocmask(SIG_SETMASK, &all, &old);
        r = start(p, stack, waits, &pid, ret_pidfd ? &pidfd : NULL);
        (void)sigprocmask(SIG_SETMASK, &old, NULL);
        if (r < 0)
                return r;
        *ret_pid = pid;
        if (ret_pidfd)
                *ret_pidfd = pidfd >= 0 ? pidfd : -EBADF;
        return 0;
}

int spawn_begin(SpawnProcess *p, const SpawnRequest *request, pid_t *ret_pid, int *ret_pidfd) {
        assert(!request->before_exec);
        return begin(p, request, !CAN_OVERLAP, ret_pid, ret_pidfd);
}

bool spawn_enters_cgroup(const SpawnProcess *p) {
        const Stack *s = &stacks[p->stack];

        return p->enters_cgroup && s->n_uses == p->n_uses && stack_is_used(s); /* else that of another one */
}

int spawn_error(const SpawnProcess *p) {
        return p->error;
}

int spawn_process(const SpawnRequest *request, pid_t *ret_pid, int *ret_pidfd) {
        SpawnProcess p;
        int pidfd = -EBADF, r;
        pid_t pid;

        r = begin(&p, request, /* waits= */ true, &pid, ret_pidfd ? &pidfd : NULL);
        if (r < 0)
                return r;
        if (p.error > 0) {
                safe_close(pidfd);
                while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
                        ;
                return -p.error;
        }
        *ret_pid = pid;
        if (ret_pidfd)
                *ret_pidfd = pidfd;
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
