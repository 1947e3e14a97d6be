#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Where runs wait. */

#include "core/gates.h"
#include "core/manager.h"

/* What the gates are to know of a run of the job with this definition; of a run that is there. Not GateInput.zone. */
GateInput gate_input(const Manager *m, GateAsker asker, const Job *job, const JobDef *def);
GateInput run_gate_input(const LiveRun *run, GateAsker asker);
/* Into the queue of its job; from there it goes on when that is pumped. */
void queues_add(Manager *m, LiveRun *run);
/* The job has another definition: what waits waits by that, for its places and in its pool. */
void queues_redefine(Manager *m, Job *job);
/* The point in time, of CLOCK_BOOTTIME, before which a retry is not started. */
usec_t retry_not_before(const LiveRun *run);
/* The same, once that has come and the job is not paused: at once, when that is so already. */
void queues_add_retry(Manager *m, LiveRun *run);
/* A retry of the job whose time has not come, or that waits for the machine; after that one, NULL: the first. To be
 * asked for before that one is dropped. */
LiveRun *queues_next_retry(const Job *job, const LiveRun *after) _pure_;
/* The job is not paused any more: what came due meanwhile is due now. */
void queues_resume(Manager *m, const Job *job);
/* The run is ready: it waits for a slot of its pool, where it stood, should it have done so before. */
void queues_wait_for_slot(Manager *m, LiveRun *run);
/* The next run that may be started; NULL when there is none. */
LiveRun *queues_next(const Manager *m);
/* Something may have become free, for runs of this job or for any: what waits is looked at soon. */
void queues_pump_job(Manager *m, Job *job);
void queues_pump(Manager *m);
/* Nothing looks any more whether a condition is true for which no run of the job waits. */
void queues_settle(Job *job);
