#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Which control group a process belongs to, asked while it is there: a process that copies a file is gone a moment
 * later. Groups have small numbers, so that events can carry them. */

#include <sys/types.h>

#include "util/clock.h"
#include "util/macro.h"

#define WRITER_GROUPS_MAX 1024U /* remembered at once; one that was not heard of for long makes room */

typedef struct WriterTable WriterTable;

int writer_table_new(WriterTable **ret); /* -ENOMEM */
WriterTable *writer_table_free(WriterTable *t);
DEFINE_CLEANUP(WriterTable, writer_table_free)

/* What is asked from now on is asked anew: numbers of processes are used again. now: CLOCK_MONOTONIC. */
void writer_table_begin(WriterTable *t, usec_t now);

/* The number of its group, or 0: it is gone, or cannot be asked. One that is gone and was asked for a moment ago is
 * still known. */
uint32_t writer_table_find(WriterTable *t, pid_t pid);

/* As in /proc/PID/cgroup; NULL when it is not known any more. Valid until the next writer_table_find(). */
const char *writer_table_path(const WriterTable *t, uint32_t group) _pure_;

/* The path in what stands in /proc/PID/cgroup: that of the unified hierarchy, or where that is not used, of systemd's
 * own (cgroups(7)). The end of it is where the line ends. NULL: neither is there. */
char *cgroup_of_text(char *text);
