#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The connection to the system or user bus, kept alive. See org.vaktd1(5). */

#include "bus/bus.h"
#include "bus/connection.h"

#define BUS_CLIENT_UNSENT_MAX 16384 /* signals that wait for the bus, before further ones are dropped */

typedef struct BusClient BusClient;

/* Connects and requests BUS_NAME, without blocking; ready() reports the result once, from the loop: 0, or a negative
 * errno that is logged, -EEXIST if another daemon owns the name. After that, a lost connection is made again, however
 * long that takes. */
int bus_client_new(BusClient **ret, const ApiContext *api, BusChoice choice, void (*ready)(void *userdata, int error),
                   void *userdata);
BusClient *bus_client_free(BusClient *d);
DEFINE_CLEANUP(BusClient, bus_client_free)

/* The connection while it is up and the name is ours, otherwise NULL. */
Connection *bus_client_connection(BusClient *d);

/* Releases the name, answers earlier calls, for at most BUS_CLIENT_DRAIN_MAX, and calls done() from the loop. */
#define BUS_CLIENT_DRAIN_MAX (700 * USEC_PER_MSEC)
void bus_client_drain(BusClient *d, void (*done)(void *userdata), void *userdata);
