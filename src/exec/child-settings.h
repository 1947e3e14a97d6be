#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The [Service] settings that a run can be given without a service manager, read from the properties that config/
 * made of them. What each means stands in systemd.exec(5) and systemd.kill(5). */

#include <sys/resource.h>

#include "job/unit-property.h"
#include "util/clock.h"

/* The D-Bus names of the properties that the child executor honours, NULL-terminated. */
extern const char *const child_properties[];

typedef enum ChildKillMode {
        CHILD_KILL_CONTROL_GROUP, /* all processes of the run get both signals */
        CHILD_KILL_MIXED,         /* KillSignal= goes to the main process only, SIGKILL to all */
        CHILD_KILL_PROCESS,       /* the main process only */
        _CHILD_KILL_MODE_MAX,
} ChildKillMode;

/* How a run is ended. */
typedef struct ChildKill {
        ChildKillMode mode;
        int signal;
        bool send_sigkill;
        usec_t timeout; /* µs from signal to SIGKILL, USEC_INFINITY = never */
} ChildKill;

typedef struct ChildNumber {
        bool is_set;
        uint64_t value; /* int64_t where the setting has a sign */
} ChildNumber;

typedef struct ChildLimit {
        ChildNumber hard, soft;
} ChildLimit;

/* Texts are borrowed from the properties, lists are owned. */
typedef struct ChildSettings {
        const char *user, *group;
        char **supplementary_groups;
        const char *working_directory; /* with "-", "~" as written */
        const char *standard_input;    /* path, NULL = /dev/null */
        char **environment;            /* NAME=VALUE */
        char **environment_files;      /* paths and globs; "-" before one that may be absent */
        char **unset_environment;      /* NAME or NAME=VALUE */
        char **pass_environment;       /* NAME */
        const UnitValue *cpu_affinity; /* bit mask */
        ChildLimit limits[RLIM_NLIMITS];
        ChildNumber nice, umask, oom_score_adjust, timer_slack; /* the last in ns */
        ChildNumber io_class, io_priority;
        ChildNumber cpu_policy, cpu_priority, cpu_reset_on_fork;
        ChildNumber no_new_privileges, ignore_sigpipe;
        ChildKill kill;
        bool needs_helper; /* one of them wants work between fork and exec */
} ChildSettings;

/* Reads all that is honoured, leaves the rest alone. -ENOMEM. The settings must be done() in any case. */
int child_settings_read(ChildSettings *ret, const UnitProperty *properties, size_t n);
void child_settings_done(ChildSettings *s);
