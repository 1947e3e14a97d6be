#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Waiting for the end of a run, over restarts of the daemon. */

#include <systemd/sd-event.h>

#include "client/run-view.h"
#include "ctl/ctl.h"

typedef struct RunWaiterOptions {
        const char *job; /* for what is said */
        /* What the run is like, each time it was looked at: at first, when it has changed, at its end; or NULL. */
        void (*seen)(const RunView *v, void *userdata);
        /* A line of output that the daemon sent; or NULL. */
        void (*output)(const char *line, size_t n, bool is_stderr, void *userdata);
        /* When the connection breaks while it is waited: what will be missing, as ", without …", or "". */
        const char *(*missing)(void *userdata);
        void *userdata;
} RunWaiterOptions;

typedef struct RunWaiter RunWaiter;

/* Subscribes to what there is to be told, so that nothing is missed of a run that is asked for afterwards. Returns 0
 * or an exit code after the failure was told. */
int run_waiter_new(Ctl *c, const RunWaiterOptions *options, RunWaiter **ret);
RunWaiter *run_waiter_free(RunWaiter *w);
DEFINE_CLEANUP(RunWaiter, run_waiter_free)

sd_event *run_waiter_event(RunWaiter *w);

/* Waits for the end of this run. Returns 0 with the run as it ended, which holds on to *ret_message, or an exit code
 * after the reason was told; the run goes on when that was an interrupt. */
int run_waiter_wait(RunWaiter *w, uint64_t id, const char *object, sd_bus_message **ret_message, RunView *ret);
