#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The items of spools, from their claim until they are put away. */

#include "trigger/path-job.h"

void spools_open(PathWatch *pw);
/* Again those that could not be opened: what was in the way may be mended. When that is due next, boottime. */
usec_t spools_reopen(JobPaths *p, usec_t now);
void spools_close(PathWatch *pw);
/* Before that, when the job is not to work on it any more: what has no run goes back to where it came from. */
void spools_release(PathWatch *pw);
/* An earlier daemon may have died between the preparation of another try and its note of that. */
void spools_find_item(const LiveRun *run, RunPaths *rp);
/* Its spools stay open while several items are dealt with; p may be NULL. */
void spools_keep_open(const JobPaths *p, bool on);
bool spools_have_ready(const JobPaths *p) _pure_;
/* What a run of the next item gets, which is claimed: 1; *ret is as it was when that one is nothing to run, but others
 * may be. 0: there is none; negative errno: nothing can be claimed for now. */
int spools_take(JobPaths *p, usec_t now, RunPaths **ret);
/* There is no run of what was taken: it is the next one again, or somebody asked to skip it. */
void spools_take_again(JobPaths *p, RunPaths *rp);
void spools_give_up(JobPaths *p, RunPaths *rp);
/* A file that lies in the spool, named by somebody: what its run gets. -EXDEV: it lies elsewhere; -ETXTBSY: it is not
 * there, no regular file, or being written; -EAGAIN: the spool is not there; -ENOMEM. */
int spools_take_file(JobPaths *p, const char *path, RunPaths **ret);
void spools_put_back(JobPaths *p, RunPaths *rp);
/* Before another try of a run. */
void spools_retry(Trigger *base, const LiveRun *failed, RunPayload *payload); /* as TriggerOps.run_retried() */
/* True: its payload is kept until the item is put away. */
bool spools_run_ended(PathTrigger *t, LiveRun *run);
/* Acknowledges and gives up what ended; call when that is written. Returns the job whose spools are open still, until
 * spools_keep_open(); or NULL. */
JobPaths *spools_settle(PathTrigger *t);
/* def: of the run, or NULL when it is not known any more. */
void spools_add_end(PathTrigger *t, const RunRecord *r, JobDef *def, RunPaths *rp);
void spools_free_end(PathTrigger *t, SpoolEnd *end);
