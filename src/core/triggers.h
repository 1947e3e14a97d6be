#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The kinds of triggers that there are, and what they gave runs. */

#include "core/trigger.h"

int triggers_init(Manager *m);
void triggers_done(Manager *m);
int triggers_start(Manager *m);
int triggers_set_job(Manager *m, Job *job);
int triggers_request(Manager *m, Job *job, const RunRequest *request, uint64_t *ret_id);
void triggers_run_ended(Manager *m, LiveRun *run);
void triggers_run_retried(Manager *m, LiveRun *failed, LiveRun *next);

/* --- payloads.c --- */
Trigger *trigger_of(const Manager *m, const TriggerOps *ops) _pure_;
void payload_put(Manager *m, const RunRecord *r, const RunPayload *p);
/* Around take_over_runs(): what runs of an earlier daemon were given. */
void payloads_load(Manager *m);
void payload_give_back(Manager *m, LiveRun *run);
/* The same of a run that is not in the ledger: from what the executor knows; NULL when that is nothing. */
RunPayload *payload_recognize(Manager *m, const ExecutionRequest *request, OwnedRun *run);
void payload_give(Manager *m, LiveRun *run, RunPayload *p);
void payloads_forget_loaded(Manager *m);
