#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A run between the queues and the outbox. */

#include "core/trigger.h"

const ExecutorCallbacks *runs_callbacks(void) _const_; /* for what is reported of a run */
int runs_init(Manager *m);
void runs_free_all(Manager *m);
/* The listener of the outbox. */
void runs_deal_with_end(Manager *m, LiveRun *run);
/* What the executor is to know of a run. */
ExecutionRequest runs_execution_request(Manager *m, const LiveRun *run);
/* Begins what can be started, commits, and starts it: so a run that waits for nothing is one row and one commit.
 * Returns false, and commits nothing, if there is nothing, or more than one turn starts. */
bool runs_start_at_once(void *userdata);
/* What the executor reported may be forgotten by it once it is written. */
void runs_acknowledge(Manager *m);
