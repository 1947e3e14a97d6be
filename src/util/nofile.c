/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "util/nofile.h"

#include <stdbool.h>
#include <stddef.h>
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

const struct rlimit *nofile_limit_original(void) {
        return is_known && original.rlim_cur != original.rlim_max ? &original : NULL;
}
