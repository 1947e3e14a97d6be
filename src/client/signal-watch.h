#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Hears all signals of the daemon, and that the connection was lost, over restarts of the daemon. */

#include <systemd/sd-event.h>

#include "client/connection.h"

typedef struct SignalWatch SignalWatch;

typedef struct SignalWatchOptions {
        /* A signal of an object of the daemon. */
        void (*signalled)(sd_bus_message *signal, void *userdata);
        /* The daemon or the connection is gone; the next call makes a new one. */
        void (*lost)(void *userdata);
        void *userdata;
} SignalWatchOptions;

/* Subscribes on each connection that is made from now on. It belongs to a connection that is not open yet, and
 * outlives its calls, not the connection. -ENOMEM. */
int signal_watch_new(Connection *c, sd_event *event, const SignalWatchOptions *options, SignalWatch **ret);
SignalWatch *signal_watch_free(SignalWatch *w);
DEFINE_CLEANUP(SignalWatch, signal_watch_free)
