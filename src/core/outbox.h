#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* How a run ends. */

#include "core/trigger.h"

int outbox_init(Manager *m);
void outbox_done(Manager *m);
bool outbox_is_empty(const Manager *m);
/* The one way out for a run that was accepted: its outcome is given to the ledger, and the run to the outbox. What
 * follows from it comes later in the same turn of the event loop, and so does its memory's end. */
void runs_finish(Manager *m, LiveRun *run, const ExecOutcome *outcome);
/* Ends what waits. */
void runs_drop(Manager *m, LiveRun *run, RunResult result);
/* Deals with what has ended. Not while somebody is in the middle of something that an ending run could change. */
void runs_empty_outbox(Manager *m);
/* The same, then ledger_commit(): an outcome and what follows from it are written together or not at all. */
int runs_commit(Manager *m);
/* Tells one that was started to end. */
void run_stop(Manager *m, LiveRun *run, RunResult result);
/* Cancels a run, whether it was started or waits. */
void run_end(Manager *m, LiveRun *run);
void run_log_outcome(const RunRecord *r);
