#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A directory of a test, for everybody to enter, and what is in it: perhaps with files of other users. */

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
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
