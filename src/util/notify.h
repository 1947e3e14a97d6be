#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Notifications to the service manager like those of sd_notify(3), but without blocking: what cannot be sent at once
 * is kept and sent from the loop. The keep-alive messages of WatchdogSec= are sent in the same way. */

#include <systemd/sd-event.h>

#include "util/macro.h"

typedef struct Notifier Notifier;

/* Connects to $NOTIFY_SOCKET. *ret is NULL, which the functions below accept, if it is not set. -ENOMEM or an error of
 * the loop. */
int notifier_new(Notifier **ret, sd_event *event);
Notifier *notifier_free(Notifier *n);
DEFINE_CLEANUP(Notifier, notifier_free)

/* A change of state, such as "READY=1
 * STATUS=…". All of them are sent, in order. */
void notifier_send(Notifier *n, const char *format, ...) _printf_(2, 3);

/* Only the last of several waiting texts is sent, and none that is older than a change of state. */
void notifier_send_status(Notifier *n, const char *status);
