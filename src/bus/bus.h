#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The D-Bus API of src/bus/org.vaktd1.xml over two doors: the system or user bus, and peer-to-peer connections on the
 * control socket. A view on core/manager.h with no state of its own. See org.vaktd1(5). */

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
        int listen_fd;           /* inherited listening socket; the Bus' once bus_new() succeeded. -EBADF: none */
        const char *socket_path; /* without listen_fd: where the control socket is made; NULL = no control socket */
        uid_t owner;             /* beside root, who may change things: the daemon's own user */

        /* Called once from the loop (never from within bus_new()), when every door is up, or the bus is known not to
         * be there: error 0; or when one must not be opened: negative errno, already logged. -EEXIST: another daemon
         * owns the bus name, -EACCES: the policy of the bus is against us. */
        void (*ready)(void *userdata, int error);
        /* Does what SIGHUP does (RELOADING=1, manager_reload(), READY=1); returns what manager_reload() returns. */
        int (*reload)(void *userdata);
        void *userdata;
} BusOptions;

typedef struct Bus Bus;

/* Opens the doors and becomes an observer of m. bus_free() does not touch the manager: free the manager first, since
 * it keeps its observers, and let the loop not turn in between. A bus that cannot be reached
 * is looked for again and again, at the start as well as later. Errors (logged): -EADDRINUSE another
 * daemon serves socket_path; others as socket(2), bind(2) give them. */
int bus_new(Bus **ret, sd_event *event, Manager *m, const BusOptions *options);
Bus *bus_free(Bus *b);
DEFINE_CLEANUP(Bus, bus_free)

/* Stops accepting connections, answers what clients have already begun (at most 700 ms), flushes and closes the doors,
 * then calls done() once, from the loop. What waits in the backlog of an inherited socket is left for the successor.
 */
void bus_drain(Bus *b, void (*done)(void *userdata), void *userdata);
