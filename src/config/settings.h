#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* vaktd.conf and its drop-ins. DESIGN section 4, last paragraph. */

#include "config/diagnostics.h"
#include "util/clock.h"

typedef enum ExecutorChoice {
        EXECUTOR_AUTO, /* the best one that works here */
        EXECUTOR_CHILD,
        _EXECUTOR_CHOICE_MAX,
} ExecutorChoice;

typedef struct Settings {
        unsigned max_running;   /* 0 = no limit */
        usec_t default_timeout; /* µs, USEC_INFINITY = none */
        ExecutorChoice executor;
        usec_t resume_ramp; /* µs, that catch-up runs are spread over */
        int log_level;      /* syslog level, -1 = not set */
} Settings;

void settings_init(Settings *s); /* the defaults */

/* Reads path and path.d/'*.conf' over the defaults. A missing file is none. Returns 0; -EINVAL with the faults in d,
 * also when a file cannot be read or is not to be trusted; another negative errno when nothing could be done. s is
 * untouched unless 0 is returned. */
int settings_load(Settings *s, const char *path, uid_t owner, Diagnostics *d);

const char *executor_choice_to_string(ExecutorChoice c) _const_;
int executor_choice_from_string(const char *s) _pure_;
