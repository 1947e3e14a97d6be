#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Why there is no job with a name. */

#include "ctl/ctl.h"

typedef enum JobFileKind {
        JOB_FILE_NONE,
        JOB_FILE_MASKED,   /* a link to /dev/null */
        JOB_FILE_TEMPLATE, /* NAME@.job */
        JOB_FILE_UNREAD,   /* it is there, and the daemon has no job of it */
} JobFileKind;

/* What the first file is that has the name of a job which the daemon does not have. Of another machine it is not
 * known. The caller frees the path, which is unchanged with JOB_FILE_NONE. */
JobFileKind job_file_find(Ctl *c, const char *name, char **ret_path);

/* Tells that, or which job may be meant. False: nothing more is known, and nothing was printed. */
bool job_complain_of_missing(Ctl *c, const char *name);
