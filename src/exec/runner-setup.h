#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The set-up of a runner as a memory file. The runner may be older than the daemon: what is new is added at the end,
 * and is ignored by a runner that does not know it. Needs the C library only. */

#include "exec/runner-protocol.h"

/* An fd that can be read from its beginning, -E2BIG or another negative errno. */
int runner_setup_write(const RunnerSetup *s);

/* -EBADMSG, -ENOMEM. */
int runner_setup_read(RunnerSetup **ret, int fd);

/* Only what runner_setup_read() has made. */
RunnerSetup *runner_setup_free(RunnerSetup *s);
DEFINE_CLEANUP(RunnerSetup, runner_setup_free)
