#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The journal of another machine, as its journalctl prints it. */

#include "ctl/ctl.h"

/* Executes journalctl for the container, or over ssh on the host, for the output of a run or of all runs of its job
 * and the messages about them. since: µs of CLOCK_REALTIME, 0 = from the first. Returns an exit status only if that
 * fails. */
int remote_log(Ctl *c, const char *job, const RunView *run, bool all_runs, usec_t since);
