#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Makes of the process that it is called in what a job's [Service] section asks for. Of vakt-exec alone. */

#include "exec/child-orders.h"
#include "exec/child-settings.h"

/* Sets everything and executes the program. Returns only when something failed: what it was stands in ret_failed. */
void child_apply(const ChildOrders *orders, const ChildSettings *settings, char *const *environment,
                 ChildFailed *ret_failed);
