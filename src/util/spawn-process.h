#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Starts a program as a child: posix_spawn(3) with what that cannot do (a control group, a limit, a pidfd), and with
 * fewer system calls; and without waiting until the child has executed the program. Needs the C library only. Not for
 * two threads at once. */

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "util/macro.h"

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
        const struct rlimit *nofile; /* RLIMIT_NOFILE, NULL = ours; may go at once */
        /* In the child, on our memory: async-signal-safe. May be NULL, and is for spawn_process() only. */
        void (*before_exec)(void *userdata);
        void *userdata;
} SpawnRequest;

/* A child that perhaps has not executed its program yet: it still reads this, and all that the request points to. */
typedef struct SpawnProcess {
        SpawnRequest request;
        int fds[SPAWN_FDS_MAX];
        uint64_t nofile[2];     /* soft, hard */
        sigset_t reset;         /* signals that the child sets to their defaults */
        bool has_handlers;      /* the child may have ours of other signals, too */
        bool enters_cgroup;     /* the child does, by itself */
        bool was_reached;       /* by the child, on our memory */
        int error;              /* why the program was not executed */
        unsigned stack, n_uses; /* its place, and how often that was used until then */
} SpawnProcess;

/* The program gets a session of its own, every signal at its default, and none blocked. Waits until it is executed.
 * Returns a negative errno if it cannot be executed: nothing runs then. Under an emulator that does not share memory
 * after clone(2), such as valgrind, a program that cannot be executed exits with status 127 instead. The caller waits
 * for the process, and closes *ret_pidfd, which is O_CLOEXEC, and -EBADF where the kernel gives none; ret_pidfd may be
 * NULL. */
int spawn_process(const SpawnRequest *request, pid_t *ret_pid, int *ret_pidfd);

/* The same, but does not wait until then: *p, and what the request points to except for its descriptors, must stay as
 * they are until the caller has waited for the process. If the program cannot be executed, it ends with status 127,
 * and spawn_error() says why. Negative errno: there is no process; -EAGAIN also if sixteen others were begun, and none
 * of them has executed its program within a second. */
int spawn_begin(SpawnProcess *p, const SpawnRequest *request, pid_t *ret_pid, int *ret_pidfd);

/* True while it perhaps has not entered its control group yet, as it does so by itself: a signal to that would miss
 * it. Nor has it a session at first, so that kill(2) of its process group fails with ESRCH. A signal to the process
 * itself does not miss it: one that comes before the program is executed ends it before that. */
bool spawn_enters_cgroup(const SpawnProcess *p);

/* Once it was waited for: the errno because of which the program was not executed, or 0. */
int spawn_error(const SpawnProcess *p) _pure_;

/* The signals that this process ignores; the answer is good until it ignores another one. */
void spawn_find_ignored(sigset_t *ret);
