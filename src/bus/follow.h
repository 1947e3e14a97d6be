#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The clients that requested the output of a run with Run(…, {"follow": true}): each line goes only to that client, as
 * a RunOutput signal, until the run has ended or the client is gone. */

#include "bus/connection.h"

#define FOLLOWERS_MAX      256                 /* on the whole */
#define FOLLOW_LINE_MAX    ((size_t)64 * 1024) /* bytes of a line that are sent */
#define FOLLOW_BACKLOG_MAX (4 * 1024 * 1024)   /* cost in bytes of what one follower has not read yet */

int followers_new(Followers **ret, sd_event *event);
Followers *followers_free(Followers *f);
DEFINE_CLEANUP(Followers, followers_free)

bool followers_are_full(const Followers *f) _pure_;

/* The caller of m follows the run. -ENOBUFS, -ENOMEM. */
int followers_add(Followers *f, Connection *c, sd_bus_message *m, uint64_t run);

/* One line without its newline. */
void followers_output(Followers *f, uint64_t run, const char *line, size_t n, bool is_stderr);

/* The run has ended: sends the rest, so that RunFinished comes after it, and forgets its followers. */
void followers_finish(Followers *f, uint64_t run);

/* The connection is going away. */
void followers_drop(Followers *f, const Connection *c);
