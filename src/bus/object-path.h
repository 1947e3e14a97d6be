#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Where the objects are: /org/vaktd1, /org/vaktd1/job/NAME, /org/vaktd1/run/ID. Pure. */

#include <stdint.h>

#include "util/macro.h"

#define MANAGER_PATH "/org/vaktd1"
#define JOB_PREFIX   "/org/vaktd1/job"
#define RUN_PREFIX   "/org/vaktd1/run"

#define CLIENT_JOB_NAME_MAX 128 /* bytes; a longer name of a client is no job's */
#define OBJECT_PATH_MAX     (sizeof(JOB_PREFIX) + 1 + 3 * CLIENT_JOB_NAME_MAX)

/* Both write the path and return buf. A name is escaped as sd_bus_path_encode(3) does; what is longer than
 * CLIENT_JOB_NAME_MAX is cut. */
char *job_object_path(char buf[static OBJECT_PATH_MAX], const char *name);
char *run_object_path(char buf[static OBJECT_PATH_MAX], uint64_t id);

/* Writes the name that a path under JOB_PREFIX stands for. -ENOENT when it is none. */
int job_from_object_path(const char *path, char ret_name[static CLIENT_JOB_NAME_MAX + 1]);

/* The id that a path under RUN_PREFIX stands for, written as run_object_path() writes it. -ENOENT when it is none. */
int run_from_object_path(const char *path, uint64_t *ret_id);
