#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A control group a run, "run-ID" below the group that was delegated to us (cgroup v2, Delegate=yes). */

#include <sys/types.h>

#include "util/clock.h"
#include "util/macro.h"

typedef struct ChildCgroup ChildCgroup;

typedef struct ChildUsage {
        usec_t cpu;           /* µs, USEC_INFINITY = not known */
        uint64_t memory_peak; /* bytes, UINT64_MAX = not known */
} ChildUsage;

/* Moves ourselves into a group of this name beside those of the runs, and removes empty groups that an earlier process
 * left. -ENOENT: no group is delegated to us. */
int child_cgroup_new(ChildCgroup **ret, const char *own_group);
ChildCgroup *child_cgroup_free(ChildCgroup *c);
DEFINE_CLEANUP(ChildCgroup, child_cgroup_free)

/* Makes the group of a run; 0 also when it is there. */
int child_cgroup_make(const ChildCgroup *c, uint64_t run);
bool child_cgroup_exists(const ChildCgroup *c, uint64_t run);

/* An O_PATH descriptor of its directory, for who makes a process in it; the caller closes it. Negative errno. */
int child_cgroup_open(const ChildCgroup *c, uint64_t run);

/* Sends a signal to all its processes. 0 also when there are none. */
int child_cgroup_signal(const ChildCgroup *c, uint64_t run, int sig);

/* What it has used so far. */
ChildUsage child_cgroup_usage(const ChildCgroup *c, uint64_t run);

/* Memory is counted, for each group from its beginning. */
bool child_cgroup_counts_memory(const ChildCgroup *c) _pure_;

/* The kernel killed one of its processes for want of memory. */
bool child_cgroup_was_oom(const ChildCgroup *c, uint64_t run);

/* Removes it. True when it is gone, or can never be; false while something is in it. */
bool child_cgroup_remove(const ChildCgroup *c, uint64_t run);

/* A descriptor that has EPOLLPRI when the last process is gone, and is read then; the caller closes it. */
int child_cgroup_open_events(const ChildCgroup *c, uint64_t run);

/* The run in whose group a process is, 0 = none. */
uint64_t child_cgroup_run_of(const ChildCgroup *c, pid_t pid);
