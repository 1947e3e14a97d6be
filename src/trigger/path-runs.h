#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* From changed files and items of spools to runs, and what becomes of them. */

#include "trigger/path-job.h"

/* Asks for the runs that are due, and sets when to look again. */
void path_runs_pump(JobPaths *p);
/* The files of a run that is under way are in the batch again. */
void path_runs_adopt(JobPaths *p, const LiveRun *run);

/* As the functions of TriggerOps. */
int path_runs_by_hand(Trigger *base, Job *job, const RunRequest *request, uint64_t *ret_id);
bool path_runs_ended(Trigger *base, LiveRun *run);
