#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* How a run and its transient unit are called by each other: "vakt-JOB-RUN.service". */

#include "job/job-def.h"

#define UNIT_NAME_MAX 255 /* characters in the name of any unit */
#define UNIT_PATTERN  "vakt-*.service"

/* The unit of a run. What a unit's name may not hold, the '@' of an instance, is written as "\x40". -ENOMEM. */
int unit_name_of_run(char **ret, const char *job, uint64_t run);

/* The other way round. False for a unit that is none of ours. */
bool unit_name_parse(const char *unit, char job[static JOB_NAME_MAX + 1], uint64_t *ret_run);

/* The unit that an object of the service manager stands for. False for another object. */
bool unit_name_from_path(const char *path, char unit[static UNIT_NAME_MAX + 1]);
