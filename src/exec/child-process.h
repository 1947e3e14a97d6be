#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What /proc says about a process. A pid and the time its process started are together never used twice. */

#include <sys/types.h>

#include "util/macro.h"

typedef struct ProcessInfo {
        pid_t session;
        uint64_t start; /* field 22 of /proc/PID/stat: clock ticks after boot */
} ProcessInfo;

/* -ESRCH: there is none; another negative errno. A zombie is still there. */
int process_read(pid_t pid, ProcessInfo *ret);

/* A pidfd of the process that started then; negative errno: -ESRCH when it is gone, even if another one has its number
 * now. */
int process_open(pid_t pid, uint64_t start);

/* The environment that the process was started with, "NAME=VALUE" with a NUL behind each, *ret_size bytes of it and
 * one more NUL. Empty for a zombie. -ESRCH, -EACCES, -ENOMEM … */
int process_read_environment(pid_t pid, char **ret, size_t *ret_size);

/* The value of a variable in there, or NULL. */
const char *process_environment_get(const char *environment, size_t size, const char *name) _pure_;

/* Calls visit for every process there is, in no order. */
int process_visit_all(void (*visit)(pid_t pid, const ProcessInfo *info, void *userdata), void *userdata);
