#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Jobs that run once: their files belong to the daemon, which writes and removes them. */

#include "core/manager.h"

int once_init(Manager *m); /* before the jobs are loaded */
void once_done(Manager *m);

/* The directories of all job files, those of jobs that run once being the last. */
char *const *once_job_dirs(const Manager *m);

/* Something other than the end of a run has happened that may have been the last thing that such a job had to do; they
 * are looked at later. */
void once_look_at_all(Manager *m);

/* The same, when the ledger can be read, which says whose time was used. */
void once_plan_anew(Manager *m);
