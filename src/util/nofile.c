/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Lowering a soft limit below the number of open files closes none of them; a child that is created meanwhile inherits
 * the low limit. posix_spawn(3) cannot set a limit itself. */

#include "util/nofile.h"

#include <stdbool.h>
#include <sys/resource.h>

static struct rlimit original;
static bool is_known;

void nofile_limit_raise(void) {
        struct rlimit raised;

        if (!is_known) {
                if (getrlimit(RLIMIT_NOFILE, &original) < 0)
                        return;
                is_known = true;
        }
        raised = (struct rlimit){ .rlim_cur = original.rlim_max, .rlim_max = original.rlim_max };
        (void)setrlimit(RLIMIT_NOFILE, &raised);
}

void nofile_limit_restore(void) {
        if (is_known)
                (void)setrlimit(RLIMIT_NOFILE, &original);
}
