#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* SlowSec= and ExpectSec=. */

#include "core/manager.h"

void alarms_load(Manager *m);
/* The definition of the job is new, or it may run again. */
void alarms_set_job(Manager *m, Job *job);
void alarms_remove_job(Manager *m, Job *job);
void alarms_run_started(Manager *m, LiveRun *run);
void alarms_run_ended(Manager *m, const LiveRun *run);
/* Of the run that a job made last: somebody said so (vaktctl reset-failed). */
bool alarms_failure_is_forgotten(Manager *m, const RunRecord *r);
/* The job is not paused any more: what is expected of it is expected from now on. */
void alarms_resume(Manager *m, Job *job);
