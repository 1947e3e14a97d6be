#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The daemon as seen through its manager object, its pools, and the problems of files. Strings belong to the message
 * that each view holds. Functions with a reterr fail like connection_call(). */

#include "client/properties.h"

/* A directory whose job files are as they were read. */
typedef struct UnchangedDirectory {
        const char *path; /* NULL: there are no more */
        uint64_t device, inode;
        int has_dropins;
} UnchangedDirectory;

typedef struct DaemonView {
        sd_bus_message *message;
        const char *version, *executor, *state_directory;
        char **directories;            /* of job files */
        UnchangedDirectory *unchanged; /* NULL: not known */
        usec_t started, loaded;        /* µs of CLOCK_REALTIME; loaded: from before the job files were read last */
        uint32_t pid, jobs, running, queued;
        int paused; /* all jobs at once are */
} DaemonView;

extern const PropertyMap daemon_properties[];
extern const size_t n_daemon_properties;

int daemon_view_get(Connection *c, sd_bus_error *reterr, DaemonView *ret);
void daemon_view_done(DaemonView *v);

/* Rows of pools; none from a daemon that does not support them yet. */
int pool_views_get(Connection *c, sd_bus_error *reterr, Rows *ret);

/* Rows of the alarms of all jobs. */
int alarm_rows_get(Connection *c, sd_bus_error *reterr, Rows *ret);

/* Rows of diagnostics. reload: all files are read again before; this may take minutes. */
int diagnostic_views_get(Connection *c, bool reload, sd_bus_error *reterr, Rows *ret);
