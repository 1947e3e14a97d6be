#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The mapping between a run and its transient unit: "vakt-JOB-RUN.service", and of runners and theirs. */

#include "job/job-def.h"

#define UNIT_NAME_MAX 255 /* characters in the name of any unit */
#define UNIT_PATTERN  "vakt-*.service"

/* The unit of a run. A character that a unit name must not contain, like the '@' of an instance, is written as "\x40".
 * -ENOMEM. */
int unit_name_of_run(char **ret, const char *job, uint64_t run);

/* The reverse. False for a unit that is not a run. */
bool unit_name_parse(const char *unit, char job[static JOB_NAME_MAX + 1], uint64_t *ret_run);

/* The unit of a warm runner, which runs of the job are forked in: "vakt-JOB.runner-NUMBER.service"; and the reverse.
 * No job has a name that ends in ".runner". -ENOMEM. */
int unit_name_of_runner(char **ret, const char *job, uint64_t number);
bool unit_name_parse_runner(const char *unit, char job[static JOB_NAME_MAX + 1], uint64_t *ret_number);

/* The unit of an object path of the service manager. False for another object. */
bool unit_name_from_path(const char *path, char unit[static UNIT_NAME_MAX + 1]);
