#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The jobs that there are. */

#include "core/manager.h"

/* Reads all job files and makes the table what they say. */
int reload_jobs(Manager *m);
void reload_log_problems(const Diagnostics *diagnostics);
/* Puts a new job into force whose file is in the directory of jobs that run once. 0; the errors of
 * job_loader_add_once(). */
int reload_add_once(Manager *m, const char *name, const Job **ret);
/* What the job did last, as the ledger has it. */
void reload_load_last(Manager *m, Job *job);
/* The job of this name; an instance of a template is made when it is not there. -ENOENT, -ENOEXEC, -ENOMEM. */
int reload_get_job(Manager *m, const char *name, Job **ret);
/* The same, for a run that is not over: also one whose file is bad (its def may be NULL), and one that is gone where
 * there is none any more. -ENOMEM. */
int reload_get_job_or_placeholder(Manager *m, const char *name, Job **ret);
/* Takes a job out of the table when its file is gone and nothing of it goes on. */
void reload_drop_job_if_over(Manager *m, Job *job);
