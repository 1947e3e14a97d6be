#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A directory of a test, for everybody to enter, and what is in it: perhaps with files of other users. */

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util/macro.h"

enum { ALICE = 54321, BOB = 54322 };

static char top[64];

static inline int make_top(void **state) {
        (void)snprintf(top, sizeof(top), "/tmp/%s-XXXXXX", program_invocation_short_name);
        return mkdtemp(top) && chmod(top, 0755) == 0 ? 0 : -1;
}

static inline int remove_top(void **state) {
        char command[128];

        (void)snprintf(command, sizeof(command), "rm -rf --one-file-system %s", top);
        return system(command);
}

/* The path of an entry, until it was called 16 times more. */
static inline const char *at(const char *name) {
        static char paths[16][PATH_MAX];
        static unsigned n;
        char *p = paths[n++ % ELEMENTSOF(paths)];

        (void)snprintf(p, sizeof(paths[0]), "%s/%s", top, name);
        return p;
}

/* A directory. */
static inline void make(const char *name, uid_t uid, mode_t mode) {
        assert_int_equal(mkdir(at(name), 0700), 0);
        assert_int_equal(chown(at(name), uid, uid), 0);
        assert_int_equal(chmod(at(name), mode), 0);
}

/* A process of that user which has locked a file or directory, until it is unlocked. Its directory in /proc is root's,
 * whoever it is. */
static inline pid_t lock_as(uid_t uid, const char *name) {
        const char *path = at(name);
        char locked = 0;
        int ends[2];
        pid_t pid;

        assert_int_equal(pipe(ends), 0);
        pid = fork();
        if (pid == 0) {
                int fd;

                (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
                if (setresgid(uid, uid, uid) < 0 || setresuid(uid, uid, uid) < 0 || prctl(PR_SET_DUMPABLE, 0) < 0)
                        _exit(1);
                fd = open(path, O_RDONLY | O_CLOEXEC);
                if (fd < 0 || flock(fd, LOCK_SH) < 0 || write(ends[1], "1", 1) != 1)
                        _exit(1);
                for (;;)
                        (void)pause();
        }
        (void)close(ends[1]);
        assert_int_equal(read(ends[0], &locked, 1), 1);
        (void)close(ends[0]);
        return pid;
}

static inline void unlock(pid_t pid) {
        assert_int_equal(kill(pid, SIGKILL), 0);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
}
