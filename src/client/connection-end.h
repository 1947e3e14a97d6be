#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Follows one connection in an event loop, and tells when the daemon goes: on the control socket the connection ends,
 * on a bus the daemon's name loses its owner. */

#include <systemd/sd-event.h>

#include "client/connection.h"

typedef struct ConnectionEnd {
        /* From the loop, perhaps more than once. The daemon's start by a call of our own is none. */
        void (*lost)(void *userdata);
        void *userdata;

        /* The rest is for connection-end.c. */
        sd_bus *bus;
        sd_bus_slot *disconnected, *owner;
} ConnectionEnd;

/* For ConnectionOpened: attaches the new connection instead of the one before. A negative errno. */
int connection_end_watch(ConnectionEnd *e, const Connection *c, sd_bus *bus, sd_event *event);
void connection_end_done(ConnectionEnd *e);
