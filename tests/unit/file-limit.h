#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Stands in for a full disk: writes of this process past so many bytes of a file fail with EFBIG, which is an I/O
 * error to SQLite. 0: nothing can be written; RLIM_INFINITY: as before. */

#include <signal.h>
#include <sys/resource.h>

#include "util/macro.h"

static inline void set_file_limit(rlim_t limit) {
        struct rlimit l;

        (void)signal(SIGXFSZ, SIG_IGN);
        assert_int_equal(getrlimit(RLIMIT_FSIZE, &l), 0);
        l.rlim_cur = MIN(limit, l.rlim_max);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &l), 0);
}
