#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The files of one job, as a load would find and read them. */

#include "config/source.h"

/* Reads the file of a job and its drop-ins in the order in which they are merged; an instance without a file of its
 * own is read from its template. dirs and owner as of job_loader_new(). Returns the number of texts; 0 if there is no
 * file, or if it is masked, and then *ret_mask is the path of the mask; -EINVAL with the problems in d; -ENOMEM. The
 * caller frees *ret, of which the last text has no path, and *ret_mask; both are NULL where there is nothing. */
int job_texts_read(char *const *dirs, const char *name, uid_t owner, JobText **ret, char **ret_mask, Diagnostics *d);

JobText *job_texts_free(JobText *texts);
DEFINE_CLEANUP(JobText, job_texts_free)
