#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Control groups of runs that are over and still have a process in them. */

#include <systemd/sd-event.h>

#include "exec/child-cgroup.h"

typedef struct ChildLeaving ChildLeaving;

/* Removes the group of a run as soon as nothing is in it any more. Failure is logged. */
void child_leaving_add(ChildLeaving **list, sd_event *event, const ChildCgroup *c, uint64_t run);

/* Forgets them. */
void child_leaving_forget(ChildLeaving **list);
