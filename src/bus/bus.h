#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The D-Bus API of src/bus/org.vaktd1.xml in two places: on the system or user bus, and on peer-to-peer connections of
 * the control socket. A view on core/manager.h with no state of its own. See org.vaktd1(5). */

#include <systemd/sd-event.h>

#include "core/manager.h"
#include "util/macro.h"

#define BUS_NAME "org.vaktd1"

typedef enum BusChoice {
        BUS_NONE, /* the control socket only */
        BUS_SYSTEM,
        BUS_USER,
        _BUS_CHOICE_MAX,
} BusChoice;

typedef struct BusOptions {
        BusChoice choice;
        int listen_fd; /* inherited listening socket; belongs to the Bus after bus_new() has succeeded. -EBADF: none */
        const char
                *socket_path; /* without listen_fd: path of the control socket to create; NULL = no control socket */
        uid_t owner;          /* in addition to root, who may change things: the user of the daemon */

        /* Called once from the loop (never from within bus_new()), when both are up, or the bus is known to be
         * unavailable: error 0; or when one must not be opened: negative errno, already logged. -EEXIST: another
         * daemon owns the bus name, -EACCES: the policy of the bus does not allow it. */
        void (*ready)(void *userdata, int error);
        /* Does the same as SIGHUP (RELOADING=1, manager_reload(), READY=1); returns the result of manager_reload(). */
        int (*reload)(void *userdata);
        void *userdata;
} BusOptions;

typedef struct Bus Bus;

/* Opens the control socket and the connection to the bus, and becomes an observer of m. bus_free() does not touch the
 * manager: free the manager first, because it keeps its observers, and do not run the loop in between. A bus that
 * cannot be reached is tried again, at the start as well as later. Errors (logged): -EADDRINUSE another daemon serves
 * socket_path; others as from socket(2), bind(2). */
int bus_new(Bus **ret, sd_event *event, Manager *m, const BusOptions *options);
Bus *bus_free(Bus *b);
DEFINE_CLEANUP(Bus, bus_free)

/* Stops accepting connections, answers what clients have already begun (for at most 700 ms), flushes and closes all
 * connections, then calls done() once, from the loop. What waits in the backlog of an inherited socket is left for the
 * successor. */
void bus_drain(Bus *b, void (*done)(void *userdata), void *userdata);
