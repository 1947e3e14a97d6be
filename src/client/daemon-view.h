#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The daemon as its manager object shows it, and its pools. */

#include "ctl/ctl.h"

/* Strings are the message's. */
typedef struct DaemonView {
        sd_bus_message *message;
        const char *version, *executor;
        usec_t started; /* µs of CLOCK_REALTIME */
        uint32_t jobs, running, queued;
        int paused; /* all jobs at once are */
} DaemonView;

void daemon_view_done(DaemonView *v);

/* Returns as ctl_call() does. */
int daemon_view_read(Ctl *c, DaemonView *ret);

typedef struct PoolView {
        const char *name;
        uint32_t slots, running, waiting;
} PoolView;

typedef struct PoolViews {
        PoolView *items;
        size_t n_items;
        sd_bus_message *reply;
} PoolViews;

void pool_views_done(PoolViews *p);

/* None of a daemon that knows no pools yet. Returns as ctl_call() does. */
int pool_views_get(Ctl *c, PoolViews *ret);
