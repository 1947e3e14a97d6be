#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Two versions of a job, compared key by key, and by when they elapse next. */

#include "client/daemon-view.h"
#include "config/job-file.h"
#include "config/specifier.h"
#include "ctl/ctl.h"
#include "ctl/json.h"

#define JOB_DIFF_ELAPSES 5 /* of each version that are compared */

/* Goes along with all comparisons. */
typedef struct JobDiffContext {
        JobFileContext file;
        Instant now;
        usec_t startup; /* boottime: when the daemon was started; OnStartupSec= counts from it */
} JobDiffContext;

/* One version of a job. */
typedef struct JobVersion {
        const char *file;     /* its path, for users; NULL: there is no such job in this version */
        const JobText *texts; /* ended by one without a path */
        const char *mask;     /* path of the file that masks it, or NULL */
        bool has_places;      /* the lines of texts are those of files on disk */
} JobVersion;

typedef struct JobDiff JobDiff;

/* before and after stay valid as long as the result; problems: what is wrong with after, which is copied; NULL: that
 * is to be found out. */
JobDiff *job_diff_new(const JobDiffContext *context, const char *name, const JobVersion *before,
                      const JobVersion *after, const Diagnostics *problems);
JobDiff *job_diff_free(JobDiff *d);
DEFINE_CLEANUP(JobDiff, job_diff_free)

/* Nothing but comments and blanks differs. */
bool job_diff_is_empty(const JobDiff *d) _pure_;

/* It is on disk, but not valid: it cannot get into force. */
bool job_diff_is_invalid(const JobDiff *d) _pure_;

/* Prints it for a person, with headings, by N_(), above the next elapses of the two versions. */
void job_diff_print(Ctl *c, const JobDiff *d, const char *before, const char *after);
json_object *job_diff_json(const JobDiff *d);

/* The context for jobs of a daemon that has these properties; NULL: without a daemon. host is kept. The caller frees
 * the zones. 0 or a negative errno. */
int job_diff_context_init(JobDiffContext *ret, bool user, const DaemonView *v, char host[static HOST_SIZE]);
