#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What path triggers keep in the ledger. */

#include "trigger/path-job.h"

/* Writes what is new, as far as it can be written now. */
void path_store_save(JobPaths *p, bool all);
/* Gives the watch what an earlier daemon, or definition, knew. */
void path_store_load(PathWatch *pw);
void path_store_load_waiting(JobPaths *p);
/* The files of a run whose job is not watched yet wait for that. */
void path_store_put_waiting(const PathTrigger *t, const LiveRun *run);
void path_store_forget(const JobPaths *p);
/* As the functions of TriggerOps. */
int path_store_pack(const RunPayload *payload, char **ret, size_t *ret_n);
int path_store_unpack(Trigger *base, const void *bytes, size_t n, RunPayload **ret);
RunPayload *path_store_recognize(Trigger *base, const ExecutionRequest *request, OwnedRun *run);
