#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Where the objects are: /org/vaktd1, /org/vaktd1/job/NAME, /org/vaktd1/run/ID. Pure. */

#include "util/macro.h"

#define MANAGER_PATH "/org/vaktd1"
#define JOB_PREFIX   "/org/vaktd1/job"
#define RUN_PREFIX   "/org/vaktd1/run"

#define CLIENT_JOB_NAME_MAX 128 /* bytes; a longer name from a client is not that of a job */
#define OBJECT_PATH_MAX     (sizeof(JOB_PREFIX) + 1 + 3 * CLIENT_JOB_NAME_MAX)

/* Both write the path and return buf. A name is escaped as by sd_bus_path_encode(3); a name longer than
 * CLIENT_JOB_NAME_MAX is truncated. */
char *job_object_path(char buf[static OBJECT_PATH_MAX], const char *name);
char *run_object_path(char buf[static OBJECT_PATH_MAX], uint64_t id);

/* Writes the name of a path under JOB_PREFIX. -ENOENT if it is not one. */
int job_from_object_path(const char *path, char ret_name[static CLIENT_JOB_NAME_MAX + 1]);

/* The id of a path under RUN_PREFIX, written as by run_object_path(). -ENOENT if it is not one. */
int run_from_object_path(const char *path, uint64_t *ret_id);
