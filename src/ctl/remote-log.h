#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The journal of another machine, as its journalctl prints it. */

#include "ctl/ctl.h"

/* Executes journalctl for the container, or over ssh on the host, for the output of a run or of all runs of its job,
 * and with --all for the messages about them. since, until: µs of CLOCK_REALTIME, 0 = from the first, to the last.
 * Returns an exit status only if that fails. */
int remote_log(Ctl *c, const char *job, const RunView *run, bool all_runs, usec_t since, usec_t until);
