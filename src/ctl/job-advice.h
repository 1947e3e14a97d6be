#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What is valid and will probably not work: a program that does not exist, a date that is over. */

#include "config/diagnostics.h"
#include "job/job-def.h"

typedef struct Advice {
        char *const *dirs; /* where the jobs that a job requests may be; NULL-terminated */
        usec_t now;
        Diagnostics *warnings; /* what was found is appended */
        struct RotatedPath *rotated;
        size_t n_rotated;
} Advice;

void advice_done(Advice *a);

/* Looks at one job; a JobVisit. 0 or -ENOMEM. */
int job_advise(const JobDef *d, void *advice);

/* Complains about what job_advise() finds; dirs are those of Advice. */
void job_print_warnings(const JobDef *d, char *const *dirs, usec_t now_realtime);

/* After all jobs: looks for what they have in common. 0 or -ENOMEM. */
int jobs_advise(Advice *a);

/* Looks for what a directory of jobs contains that is passed over: files with other names, directories, drop-ins of
 * jobs that are in none of dirs. 0 or -ENOMEM. */
int job_advise_directory(const char *path, char *const *dirs, Diagnostics *warnings);
