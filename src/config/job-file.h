#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The texts of one job (its file, then its drop-ins) -> a checked definition. No I/O. See vaktd.job(5). */

#include "config/job-context.h"
#include "config/source.h"
#include "job/job-def.h"

/* Builds the definition of the job name from texts[0], its file, and the others, merged in this order. name is NAME or
 * NAME@INSTANCE. What is wrong goes to d. The reference is the caller's. -EINVAL with problems in d (n_texts is at
 * least 1); -ENOMEM. */
int job_file_build(const char *name, JobFileContext *context, const JobText *texts, size_t n_texts, Diagnostics *d,
                   JobDef **ret);

/* What was read for the definition, as one job file without comments. The caller frees it. -ENOMEM.
 *
 * JobDef.text has each line as the number of its key and its value as written (job/job-text.h), so that strings of the
 * definition can be a part of it. */
int job_file_text(const JobDef *d, char **ret);

/* Checks a template, NAME@, as far as that can be done without an instance: a value with %i is not validated. The same
 * errors. */
int job_file_check_template(const char *name, JobFileContext *context, const JobText *texts, size_t n_texts,
                            Diagnostics *d);
