#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* How a request becomes a run; core/trigger.h has the other functions of requests.c. */

#include "core/manager.h"

/* Takes an accepted run, with its id, up among the live ones; there must be room. */
void runs_accept(Manager *m, LiveRun *run);
