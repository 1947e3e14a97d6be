#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The socket on which runs report about themselves, sd_notify(3). */

#include <sys/types.h>
#include <systemd/sd-event.h>

#include "util/macro.h"

typedef struct ChildNotify ChildNotify;

/* A process that the kernel vouches for says this about itself. */
typedef void (*child_notify_status_t)(void *userdata, pid_t sender, const char *status);

/* Listens on DIRECTORY/notify, which replaces one of an earlier daemon, or on a socket without a file (directory NULL,
 * or a path that is too long). */
int child_notify_new(ChildNotify **ret, sd_event *event, const char *directory, child_notify_status_t status,
                     void *userdata);
ChildNotify *child_notify_free(ChildNotify *n);
DEFINE_CLEANUP(ChildNotify, child_notify_free)

/* What NOTIFY_SOCKET says to a run. */
const char *child_notify_address(const ChildNotify *n);

/* Reads what has arrived by now: a run whose end is met has said its last word before. */
void child_notify_drain(ChildNotify *n);
