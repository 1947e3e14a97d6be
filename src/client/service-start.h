#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the service manager says of the daemon's unit, and starting the daemon by its name on a bus, without waiting
 * for one that cannot come. */

#include <stdbool.h>
#include <systemd/sd-bus.h>

typedef enum ServiceState {
        SERVICE_UNKNOWN,  /* no service manager that could tell, or it knows no such unit */
        SERVICE_UP,       /* it is there, or is starting */
        SERVICE_CHANGING, /* it is stopping, or is about to be started */
        SERVICE_STOPPED,
        SERVICE_FAILED,
        SERVICE_MASKED, /* and not there */
} ServiceState;

/* ret_result: of a unit that has failed, its Result ("start-limit-hit"); the caller's to free, NULL without memory.
 */
ServiceState service_state(sd_bus *bus, char **ret_result);

/* True when systemd listens on the socket in the place of the daemon, so that who connects starts it. */
bool service_socket_is_armed(sd_bus *bus);

/* Returns 0 when the daemon is on the bus, or when a call to it will tell better what is wrong. -EHOSTDOWN: it is not
 * and does not come; *ret_state and *ret_result are then as of service_state(). */
int service_start(sd_bus *bus, ServiceState *ret_state, char **ret_result);
