#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A control group a run, "run-ID" below the group that was delegated to us (cgroup v2, Delegate=yes). */

#include <systemd/sd-event.h>

#include "util/clock.h"
#include "util/macro.h"

typedef struct ChildCgroup ChildCgroup;

typedef struct ChildUsage {
        usec_t cpu;           /* µs, USEC_INFINITY = not known */
        uint64_t memory_peak; /* bytes, UINT64_MAX = not known */
        bool oom;             /* the kernel killed one of its processes for want of memory */
} ChildUsage;

/* Moves ourselves into a group "daemon" beside those of the runs, and removes empty groups that an earlier daemon
 * left. -ENOENT: no group is delegated to us. */
int child_cgroup_new(ChildCgroup **ret, sd_event *event);
ChildCgroup *child_cgroup_free(ChildCgroup *c);
DEFINE_CLEANUP(ChildCgroup, child_cgroup_free)

/* Makes the group of a run; 0 also when it is there. */
int child_cgroup_make(ChildCgroup *c, uint64_t run);
bool child_cgroup_exists(const ChildCgroup *c, uint64_t run);

/* An O_PATH descriptor of its directory, for who makes a process in it; the caller closes it. Negative errno. */
int child_cgroup_open(const ChildCgroup *c, uint64_t run);

/* Sends a signal to all its processes. Failure is logged. */
void child_cgroup_signal(const ChildCgroup *c, uint64_t run, int sig);

/* What it has used so far. */
ChildUsage child_cgroup_usage(const ChildCgroup *c, uint64_t run);

/* Removes it as soon as nothing is in it any more. */
void child_cgroup_remove(ChildCgroup *c, uint64_t run);

/* The run in whose group a process is, 0 = none. */
uint64_t child_cgroup_run_of(const ChildCgroup *c, pid_t pid);
