#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the service manager reports about the daemon's unit, and starting the daemon by its name on a bus, without
 * waiting for one that cannot come. */

#include <stdbool.h>
#include <systemd/sd-bus.h>

typedef enum ServiceState {
        SERVICE_UNKNOWN,  /* there is no service manager, or it knows no such unit */
        SERVICE_UP,       /* it is there, or is starting */
        SERVICE_CHANGING, /* it is stopping, or is about to be started */
        SERVICE_STOPPED,
        SERVICE_FAILED,
        SERVICE_MASKED, /* and not there */
} ServiceState;

/* ret_result: for a unit that has failed, its Result ("start-limit-hit"); the caller frees it, NULL without memory. */
ServiceState service_state(sd_bus *bus, char **ret_result);

/* True if systemd listens on the socket in place of the daemon, so that a connection starts it. */
bool service_socket_is_armed(sd_bus *bus);

/* Returns 0 if the daemon is on the bus, or if a call to it will give a better error. -EHOSTDOWN: it is not and does
 * not come; *ret_state and *ret_result are then as from service_state(). */
int service_start(sd_bus *bus, ServiceState *ret_state, char **ret_result);
