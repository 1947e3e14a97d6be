#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The daemon as seen through its manager object, its pools, and the problems of files. Strings belong to the message
 * that each view holds. Functions with a reterr fail like connection_call(). */

#include "client/connection.h"

typedef struct DaemonView {
        sd_bus_message *message;
        const char *version, *executor;
        usec_t started; /* µs of CLOCK_REALTIME */
        uint32_t jobs, running, queued;
        int paused; /* all jobs at once are */
} DaemonView;

int daemon_view_get(Connection *c, sd_bus_error *reterr, DaemonView *ret);
void daemon_view_done(DaemonView *v);

typedef struct PoolView {
        const char *name;
        uint32_t slots, running, waiting;
} PoolView;

typedef struct PoolViews {
        sd_bus_message *message;
        PoolView *items;
        size_t n_items;
} PoolViews;

/* None from a daemon that does not support pools yet. */
int pool_views_get(Connection *c, sd_bus_error *reterr, PoolViews *ret);
void pool_views_done(PoolViews *p);

typedef struct DiagnosticView {
        const char *file;
        uint32_t line; /* 0: the file as a whole */
        const char *message;
} DiagnosticView;

typedef struct DiagnosticViews {
        sd_bus_message *message;
        DiagnosticView *items;
        size_t n_items;
} DiagnosticViews;

/* reload: all files are read again before; this may take minutes. */
int diagnostic_views_get(Connection *c, bool reload, sd_bus_error *reterr, DiagnosticViews *ret);
void diagnostic_views_done(DiagnosticViews *d);
