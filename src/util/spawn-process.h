#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Starts a program as a child: posix_spawn(3) with what that cannot do (a control group, a limit, a pidfd), and with
 * fewer system calls. Needs the C library only. Not for two threads at once. */

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/resource.h>
#include <sys/types.h>

#define SPAWN_FDS_MAX 8

typedef struct SpawnRequest {
        const char *program; /* a path; a relative one begins at directory */
        char *const *argv, *const *envp;
        const int *fds;              /* become 0, 1, 2, …; all others are closed */
        size_t n_fds;                /* at most SPAWN_FDS_MAX */
        const char *directory;       /* NULL = ours */
        int cgroup_fd;               /* directory of its control group (cgroup v2), -1 = ours */
        bool cgroup_was_killed;      /* somebody has written to cgroup.kill in it */
        const sigset_t *ignored;     /* of spawn_find_ignored(), NULL = look now; empty = they stay ignored */
        const struct rlimit *nofile; /* RLIMIT_NOFILE, NULL = ours */
        /* In the child, on our memory: async-signal-safe. May be NULL. */
        void (*before_exec)(void *userdata);
        void *userdata;
} SpawnRequest;

/* The program gets a session of its own, every signal at its default, and none blocked. Waits until it is executed.
 * Returns a negative errno if it cannot be executed: nothing runs then. Under an emulator that does not share memory
 * after clone(2), such as valgrind, a program that cannot be executed exits with status 127 instead. The caller waits
 * for the process, and closes *ret_pidfd, which is O_CLOEXEC, and -EBADF where the kernel gives none; ret_pidfd may be
 * NULL. */
int spawn_process(const SpawnRequest *request, pid_t *ret_pid, int *ret_pidfd);

/* The signals that this process ignores; the answer is good until it ignores another one. */
void spawn_find_ignored(sigset_t *ret);
