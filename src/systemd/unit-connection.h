#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A connection to the service manager that is restored when it is lost: through its private socket if we may use that,
 * otherwise over the bus. */

#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

#include "util/clock.h"
#include "util/macro.h"

#define MANAGER_OBJECT    "/org/freedesktop/systemd1"
#define MANAGER_INTERFACE "org.freedesktop.systemd1.Manager"

typedef struct UnitConnection UnitConnection;

/* Called from the loop, never from within a function below. */
typedef struct UnitConnectionHandler {
        void (*opened)(void *userdata); /* calls can be made */
        void (*closed)(void *userdata); /* pending calls are not answered any more: drop their slots */
        /* m is at the changed properties, a{sv}. A change of a unit is reported in two halves; is_last: the second. */
        void (*properties_changed)(void *userdata, const char *unit, bool is_last, sd_bus_message *m);
        void (*job_removed)(void *userdata, const char *unit, uint32_t job, const char *result);
        void (*unit_removed)(void *userdata, const char *unit);
        void (*unit_new)(void *userdata, const char *unit); /* it was loaded; may be NULL */
        /* m is at the changed properties of the manager itself, a{sv}. May be NULL. */
        void (*manager_changed)(void *userdata, sd_bus_message *m);
        void (*reloading)(void *userdata, bool begins);
} UnitConnectionHandler;

typedef struct UnitConnectionOptions {
        bool user_instance;
        const char *address; /* of a manager (or with is_bus of a bus) other than the default, for tests; or NULL */
        bool is_bus;
        bool is_quiet; /* its owner says what follows from a manager that cannot be reached */
} UnitConnectionOptions;

/* Closed at first. */
int unit_connection_new(UnitConnection **ret, sd_event *event, const UnitConnectionOptions *options,
                        const UnitConnectionHandler *handler, void *userdata);
UnitConnection *unit_connection_free(UnitConnection *c);
DEFINE_CLEANUP(UnitConnection, unit_connection_free)

/* Opens it from the loop, and again whenever it is lost, with growing delays. Does nothing if that has begun
 * already. */
void unit_connection_open(UnitConnection *c);
/* Closes it at once, until it is opened; closed() is not called. */
void unit_connection_close(UnitConnection *c);
/* It does not work: closed, and opened again after a delay. */
void unit_connection_break(UnitConnection *c, int error);
/* It worked: the next delay is short again. */
void unit_connection_proved(UnitConnection *c);

/* Calls methods of the service manager. types: of the arguments, as in sd_bus_message_append(3), or NULL. Negative
 * errno: the connection does not work. */
int unit_connection_new_call(UnitConnection *c, sd_bus_message **ret, const char *object, const char *interface,
                             const char *member, const char *types, ...);
int unit_connection_call(UnitConnection *c, sd_bus_slot **ret, sd_bus_message *m, sd_bus_message_handler_t handler,
                         void *userdata);
