#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Waits for the end of a run, over restarts of the daemon; and then perhaps for that of another one. */

#include <systemd/sd-event.h>

#include "client/run-view.h"

/* Each may be NULL. */
typedef struct RunWaiterOptions {
        /* The run, each time it was read: at first, when it has changed, at its end. */
        void (*seen)(const RunView *v, void *userdata);
        /* A line of output that the daemon sent. */
        void (*output)(const char *line, size_t n, bool is_stderr, void *userdata);
        /* The connection was lost while waiting; a new one is made. */
        void (*broken)(void *userdata);
        void *userdata;
} RunWaiterOptions;

typedef struct RunWaiter RunWaiter;

/* Subscribes to all signals that matter, so that nothing is missed of a run that is requested afterwards. Outlives the
 * connection's calls, not the connection. Negative errno. */
int run_waiter_new(Connection *c, const RunWaiterOptions *options, RunWaiter **ret);
RunWaiter *run_waiter_free(RunWaiter *w);
DEFINE_CLEANUP(RunWaiter, run_waiter_free)

/* The loop that waits; other sources may be added. */
sd_event *run_waiter_event(RunWaiter *w);

/* Waits for the end of this run, which is then in *ret. -EINTR: the loop was told to exit (sd_event_exit(3)), with
 * nothing in reterr; -ESTALE: the daemon was restarted and does not know the run any more; otherwise like
 * connection_call(). */
int run_waiter_wait(RunWaiter *w, uint64_t id, const char *object, sd_bus_error *reterr, RunView *ret);
