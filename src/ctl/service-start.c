/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The bus starts a name by a request to the service manager and is told only when that takes the request: a unit that
 * has hit its start limit, or that fails to come up, leaves the caller waiting. So the wait is cut into steps, and
 * after each the manager is asked what became of the unit. */

#include "ctl/service-start.h"

#include "ctl/alloc.h"
#include "ctl/connection.h"

#define UNIT "vaktd.service"

#define START_STEP  (1 * USEC_PER_SEC)
#define START_STEPS 25
/* The bus does not ask again while it waits for an earlier request, which the manager may have given up. */
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

/* Calls the service manager, which is there or is not: it is never started for this. */
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

/* A string property of the unit; the caller frees it, NULL when it cannot be had. */
static char *unit_property(sd_bus *bus, const char *unit, const char *interface, const char *property) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        const char *value;

        if (call_manager(bus, unit, PROPERTIES, "Get", NULL, &reply, "ss", interface, property) < 0 ||
            sd_bus_message_read(reply, "v", "s", &value) < 0)
                return NULL;
        return alloc_string(value);
}

typedef enum UnitState {
        UNIT_UNKNOWN,  /* no service manager that could tell */
        UNIT_COMING,   /* it is starting, or is there */
        UNIT_INACTIVE, /* nobody starts it */
        UNIT_FAILED,
} UnitState;

/* ret_result: of a unit that has failed, its Result; the caller frees it. */
static UnitState unit_state(sd_bus *bus, char **ret_result) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_(sd_bus_error_free) sd_bus_error e = SD_BUS_ERROR_NULL;
        _cleanup_free_ char *state = NULL;
        const char *unit;

        if (call_manager(bus, "/org/freedesktop/systemd1", SYSTEMD ".Manager", "GetUnit", &e, &reply, "s", UNIT) < 0)
                return sd_bus_error_has_name(&e, SYSTEMD ".NoSuchUnit") ? UNIT_INACTIVE : UNIT_UNKNOWN;
        if (sd_bus_message_read(reply, "o", &unit) < 0)
                return UNIT_UNKNOWN;
        state = unit_property(bus, unit, SYSTEMD ".Unit", "ActiveState");
        if (!state)
                return UNIT_UNKNOWN;
        if (streq(state, "inactive"))
                return UNIT_INACTIVE;
        if (!streq(state, "failed"))
                return UNIT_COMING;
        *ret_result = unit_property(bus, unit, SYSTEMD ".Service", "Result");
        if (!*ret_result)
                *ret_result = alloc_string("failed");
        return UNIT_FAILED;
}

/* Asks the bus to start the daemon and waits a little. 0: it is there or the bus says why not; -ETIMEDOUT. */
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

/* Whether it is of no use to go on. */
static bool is_hopeless(UnitState state, const char *result, unsigned n_steps) {
        switch (state) {
        case UNIT_UNKNOWN:
        case UNIT_COMING:
                return false;
        case UNIT_INACTIVE:
                return n_steps >= INACTIVE_STEPS;
        case UNIT_FAILED: /* one that failed otherwise, some time ago, is worth a try */
                return n_steps > 0 || streq_ptr(result, "start-limit-hit");
        }
        return false;
}

int service_start(sd_bus *bus, char **ret_unit_result) {
        if (has_owner(bus))
                return 0;
        for (unsigned i = 0; i < START_STEPS; i++) {
                _cleanup_free_ char *result = NULL;

                if (is_hopeless(unit_state(bus, &result), result, i)) {
                        *ret_unit_result = TAKE_PTR(result);
                        return -EHOSTDOWN;
                }
                if (start_step(bus) >= 0)
                        return 0;
        }
        return -EHOSTDOWN;
}
