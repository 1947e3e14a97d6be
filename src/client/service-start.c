/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The bus starts a name with a request to the service manager and only learns whether the request was accepted: if a
 * unit has hit its start limit, or fails to start, the caller waits in vain. So the wait is divided into steps, and
 * after each the manager is asked about the unit. It is also asked before any connection is made, because a connection
 * to its socket would start the daemon, too. */

#include "client/service-start.h"

#include "client/connection.h"
#include "util/macro.h"

#define SERVICE "/org/freedesktop/systemd1/unit/vaktd_2eservice"
#define SOCKET  "/org/freedesktop/systemd1/unit/vaktd_2esocket"

#define START_STEP  (1 * USEC_PER_SEC)
#define START_STEPS 25
/* The bus does not ask again while an earlier request is pending, which the manager may have given up. */
#define INACTIVE_STEPS 2
#define ASK_TIMEOUT    (5 * USEC_PER_SEC)

#define BUS        "org.freedesktop.DBus"
#define BUS_PATH   "/org/freedesktop/DBus"
#define SYSTEMD    "org.freedesktop.systemd1"
#define PROPERTIES "org.freedesktop.DBus.Properties"

static bool has_owner(sd_bus *bus) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        int owned = 0;

        if (sd_bus_call_method(bus, BUS, BUS_PATH, BUS, "NameHasOwner", NULL, &reply, "s", VAKTD_NAME) < 0 ||
            sd_bus_message_read(reply, "b", &owned) < 0)
                return false;
        return owned;
}

/* Calls the service manager, which is running or not: it is never started for this. */
static int call_manager(sd_bus *bus, const char *path, const char *interface, const char *member, sd_bus_error *reterr,
                        sd_bus_message **ret, const char *types, ...) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        va_list ap;
        int r;

        r = sd_bus_message_new_method_call(bus, &m, SYSTEMD, path, interface, member);
        if (r >= 0)
                r = sd_bus_message_set_auto_start(m, false);
        if (r < 0)
                return r;
        va_start(ap, types);
        r = sd_bus_message_appendv(m, types, ap);
        va_end(ap);
        return r < 0 ? r : sd_bus_call(bus, m, ASK_TIMEOUT, reterr, ret);
}

/* A property of a unit. NULL if it is not available. */
static sd_bus_message *get_property(sd_bus *bus, const char *unit, const char *interface, const char *property) {
        sd_bus_message *reply = NULL;

        (void)call_manager(bus, unit, PROPERTIES, "Get", NULL, &reply, "ss", interface, property);
        return reply;
}

/* True if a property has this value. */
static bool property_is(sd_bus_message *m, const char *word) {
        const char *value;

        return m && sd_bus_message_rewind(m, /* complete= */ true) >= 0 &&
               sd_bus_message_read(m, "v", "s", &value) >= 0 && streq(value, word);
}

/* A job of the service manager is waiting or running. */
static bool has_job(sd_bus *bus) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *job = get_property(bus, SERVICE, SYSTEMD ".Unit", "Job");
        uint32_t id = 0;

        return job && sd_bus_message_read(job, "v", "(uo)", &id, NULL) >= 0 && id > 0;
}

static ServiceState failed_state(sd_bus *bus, char **ret_result) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = get_property(bus, SERVICE, SYSTEMD ".Service", "Result");
        const char *result = "failed";

        if (m)
                (void)sd_bus_message_read(m, "v", "s", &result);
        *ret_result = strdup(result);
        return SERVICE_FAILED;
}

ServiceState service_state(sd_bus *bus, char **ret_result) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *load = NULL, *active = NULL;
        bool failed;

        active = get_property(bus, SERVICE, SYSTEMD ".Unit", "ActiveState");
        failed = property_is(active, "failed");
        if (!failed && !property_is(active, "inactive") && !property_is(active, "deactivating"))
                return active ? SERVICE_UP : SERVICE_UNKNOWN;
        load = get_property(bus, SERVICE, SYSTEMD ".Unit", "LoadState");
        if (property_is(load, "not-found"))
                return SERVICE_UNKNOWN;
        if (property_is(active, "deactivating") || has_job(bus))
                return SERVICE_CHANGING;
        if (property_is(load, "masked"))
                return SERVICE_MASKED;
        return failed ? failed_state(bus, ret_result) : SERVICE_STOPPED;
}

bool service_socket_is_armed(sd_bus *bus) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = get_property(bus, SOCKET, SYSTEMD ".Unit", "SubState");

        return property_is(m, "listening");
}

/* Asks the bus to start the daemon and waits a little. 0: it is running or the bus says why not; -ETIMEDOUT. */
static int start_step(sd_bus *bus) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r;

        r = sd_bus_message_new_method_call(bus, &m, BUS, BUS_PATH, BUS, "StartServiceByName");
        if (r >= 0)
                r = sd_bus_message_append(m, "su", VAKTD_NAME, 0);
        if (r >= 0)
                r = sd_bus_call(bus, m, START_STEP, NULL, NULL);
        return r == -ETIMEDOUT ? r : 0;
}

/* Whether it makes no sense to continue. */
static bool is_hopeless(ServiceState state, const char *result, unsigned n_steps) {
        switch (state) {
        case SERVICE_UNKNOWN:
        case SERVICE_UP:
        case SERVICE_CHANGING:
                return false;
        case SERVICE_STOPPED:
                return n_steps >= INACTIVE_STEPS;
        case SERVICE_FAILED: /* one that failed in another way, some time ago, is worth a try */
                return n_steps > 0 || streq_ptr(result, "start-limit-hit");
        case SERVICE_MASKED:
                return true;
        }
        return false;
}

int service_start(sd_bus *bus, ServiceState *ret_state, char **ret_result) {
        if (has_owner(bus))
                return 0;
        for (unsigned i = 0; i < START_STEPS; i++) {
                _cleanup_free_ char *result = NULL;
                ServiceState state = service_state(bus, &result);

                if (is_hopeless(state, result, i)) {
                        *ret_state = state;
                        *ret_result = TAKE_PTR(result);
                        return -EHOSTDOWN;
                }
                if (start_step(bus) >= 0)
                        return 0;
        }
        return -EHOSTDOWN;
}
