#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* vaktd.conf and its drop-ins. See vaktd.conf(5). */

#include "config/diagnostics.h"
#include "util/clock.h"

typedef enum ExecutorChoice {
        EXECUTOR_AUTO, /* units where a service manager answers, else own children */
        EXECUTOR_UNIT,
        EXECUTOR_CHILD,
        _EXECUTOR_CHOICE_MAX,
} ExecutorChoice;

#define SETTINGS_POOLS_MAX 256

/* [Pool NAME]. A pool that a job names and that stands nowhere has one slot, as a lock has. */
typedef struct PoolDef {
        char *name;
        unsigned slots;  /* runs at once, at least 1 */
        usec_t max_wait; /* µs until a run that waits for a slot is refused, USEC_INFINITY = never */
} PoolDef;

typedef struct Settings {
        unsigned max_running;   /* 0 = no limit */
        usec_t default_timeout; /* µs, USEC_INFINITY = none */
        ExecutorChoice executor;
        usec_t resume_ramp;       /* µs, that catch-up runs are spread over */
        int log_level;            /* syslog level, -1 = not set */
        unsigned history_keep;    /* finished runs that are remembered of a job, UINT_MAX = all */
        usec_t history_keep_usec; /* µs, USEC_INFINITY = for good */
        PoolDef *pools;           /* sorted by name */
        size_t n_pools;
} Settings;

void settings_init(Settings *s); /* the defaults */
void settings_done(Settings *s); /* frees what it holds, not itself */

/* True for a name as a pool may have it: [A-Za-z0-9_.-]{1,64}. */
bool pool_name_is_valid(const char *name) _pure_;

/* NULL when there is none of this name. */
const PoolDef *settings_pool(const Settings *s, const char *name) _pure_;

#define SETTINGS_PARTIAL 1

/* Reads path and path.d/'*.conf' over the defaults. A missing file is none. Returns 0; SETTINGS_PARTIAL with the
 * errors in d, when lines were passed over, or a file that cannot be read or is not to be trusted; a negative errno
 * when nothing could be done. What s held is freed, unless that is returned; then it is untouched. */
int settings_load(Settings *s, const char *path, uid_t owner, Diagnostics *d);

int executor_choice_from_string(const char *s) _pure_;
