#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The end of the daemon. */

#include "core/manager.h"

int drain_init(Manager *m);
void drain_done(Manager *m);
void drain_begin(Manager *m, void (*done)(void *userdata), void *userdata); /* as manager_stop() */
void drain_executor_done(void *userdata);
