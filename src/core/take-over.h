#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What an earlier daemon left. */

#include "core/trigger.h"

/* Takes over what the ledger holds of an earlier daemon: what waited is queued, what was under way is adopted. */
int take_over_runs(Manager *m);
/* Nothing elapses before it is known what goes on without the ledger knowing of it. */
void take_over_start(Manager *m);
ExecFound take_over_found(void *userdata, const char *job, uint64_t id);
void take_over_forgotten(void *userdata, const ExecutionRequest *request, bool is_over);
void take_over_surveyed(void *userdata);
void take_over_done(Manager *m);
