#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The unit executor with a service manager of one's choice, for tests. Everybody else: unit_executor_new(). */

#include "exec/executor.h"

#define UNIT_CALLS_MAX    32   /* calls to the service manager under way at once */
#define UNIT_STARTS_MAX   8    /* of these that start a unit; the next ones go when all of them are answered */
#define UNIT_RELEASES_MAX 2000 /* units that are kept until acknowledge() */

/* address: of a service manager, or with is_bus of a bus that one is on; NULL: the usual. */
int unit_executor_new_at(Executor **ret, sd_event *event, const ExecutorOptions *options, const char *address,
                         bool is_bus);
