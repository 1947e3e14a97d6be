#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What tests set and see of a loader. */

#include "config/job-loader.h"

/* job_loader_load() as if it were then (ns of CLOCK_REALTIME), with at most so many entries of directories taken. */
int job_loader_load_at(JobLoader *l, int64_t now_realtime, size_t entries_max);

/* Definitions of instances without a file that the loader remembers. */
size_t job_loader_n_instances(const JobLoader *l) _pure_;
