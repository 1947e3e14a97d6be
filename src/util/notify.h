#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a daemon tells its service manager, as sd_notify(3) does, but without ever waiting for it: what cannot be sent
 * at once is kept and sent from the loop. The keep-alive of WatchdogSec= goes the same way. */

#include <systemd/sd-event.h>

#include "util/macro.h"

typedef struct Notifier Notifier;

/* To $NOTIFY_SOCKET. *ret is NULL, which the functions below take, when there is nobody to be told. -ENOMEM or what
 * the loop says. */
int notifier_new(Notifier **ret, sd_event *event);
Notifier *notifier_free(Notifier *n);
DEFINE_CLEANUP(Notifier, notifier_free)

/* A change of state, such as "READY=1\nSTATUS=…". Each arrives, in order. */
void notifier_send(Notifier *n, const char *format, ...) _printf_(2, 3);

/* Of several that wait, the last one arrives, and none after a change of state that is newer. */
void notifier_send_status(Notifier *n, const char *status);
