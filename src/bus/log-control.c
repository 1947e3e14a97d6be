/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* org.freedesktop.LogControl1(5), so that `systemctl service-log-level vaktd` works. Setting a property requires the
 * user of the caller, which a setter of sd-bus cannot query without blocking; so a filter handles Properties.Set of
 * this object before sd-bus does. It is for root and the user of the daemon only: debug messages quote private files.
 */

#include "bus/authorize.h"
#include "bus/connection.h"
#include "bus/errors.h"
#include "util/log.h"

#define LOG_CONTROL_PATH      "/org/freedesktop/LogControl1"
#define LOG_CONTROL_INTERFACE "org.freedesktop.LogControl1"
#define VALUE_MAX             32 /* bytes of a value that are examined */

static const char *const log_target_names[] = {
        [LOG_TARGET_AUTO] = "auto",
        [LOG_TARGET_JOURNAL] = "journal",
        [LOG_TARGET_STDERR] = "console",
        [LOG_TARGET_NULL] = "null",
};

static int get_text(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *reply,
                    void *userdata, sd_bus_error *e) {
        const char *text = streq(property, "LogLevel")    ? log_level_to_string(log_max_level)
                           : streq(property, "LogTarget") ? log_target_names[log_target()]
                                                          : program_invocation_short_name;

        return sd_bus_message_append_basic(reply, 's', text);
}

static int set_level(const char *value) {
        int level = log_level_from_string(value);

        if (level < 0)
                return level;
        log_set_max_level(level);
        log_info("The log level is now %s.", log_level_to_string(level));
        return 0;
}

static int set_target(const char *value) {
        for (LogTarget t = 0; t < ELEMENTSOF(log_target_names); t++)
                if (streq(log_target_names[t], value)) {
                        log_open(t);
                        return 0;
                }
        return -EINVAL;
}

static const struct {
        const char *name;
        int (*set)(const char *value);
} settable[] = {
        { "LogLevel", set_level },
        { "LogTarget", set_target },
};

/* Reads Set(interface, property, variant) if it is one of ours. 1: ret_* are set; 0: it is something else. */
static int read_set(sd_bus_message *m, size_t *ret_index, const char **ret_value) {
        const char *interface, *property, *contents;
        int r;

        r = sd_bus_message_read(m, "ss", &interface, &property);
        if (r < 0)
                return r;
        if (!streq(interface, LOG_CONTROL_INTERFACE))
                return 0;
        r = sd_bus_message_peek_type(m, NULL, &contents);
        if (r < 0)
                return r;
        for (size_t i = 0; i < ELEMENTSOF(settable); i++) {
                if (!streq(settable[i].name, property) || !streq_ptr(contents, "s"))
                        continue;
                *ret_index = i;
                r = sd_bus_message_read(m, "v", "s", ret_value);
                return r < 0 ? r : 1;
        }
        return 0;
}

static int set_authorized(Connection *c, sd_bus_message *m, sd_bus_error *e) {
        const char *value;
        size_t i;
        int r;

        r = read_set(m, &i, &value);
        if (r <= 0)
                return r < 0 ? r : -EINVAL;
        r = settable[i].set(value);
        if (r < 0)
                return sd_bus_error_setf(e, SD_BUS_ERROR_INVALID_ARGS, "'%s' is not a valid value of %s.", value,
                                         settable[i].name);
        return sd_bus_reply_method_return(m, NULL);
}

/* Sees every message of the connection first. 0 leaves it to sd-bus, which replies for properties that cannot be
 * set. */
static int on_message(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        const char *value;
        size_t i;
        int r;

        if (!sd_bus_message_is_method_call(m, "org.freedesktop.DBus.Properties", "Set") ||
            !streq_ptr(sd_bus_message_get_path(m), LOG_CONTROL_PATH) || !sd_bus_message_has_signature(m, "ssv"))
                return 0;
        r = read_set(m, &i, &value);
        if (r > 0 && strnlen(value, VALUE_MAX + 1) > VALUE_MAX)
                return sd_bus_error_setf(e, SD_BUS_ERROR_INVALID_ARGS, "This is not a valid value of %s.",
                                         settable[i].name);
        if (r >= 0) {
                int q = sd_bus_message_rewind(m, /* complete= */ true);

                if (q < 0)
                        return q;
        }
        return r <= 0 ? r : authorize(userdata, m, &(Permission){ .next = set_authorized }, e);
}

/* Never called: the filter handles these messages before. */
static int refuse_set(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *m,
                      void *userdata, sd_bus_error *e) {
        return sd_bus_error_setf(e, SD_BUS_ERROR_INVALID_ARGS, "Property %s is a string.", property);
}

static const sd_bus_vtable log_control_vtable[] = {
        SD_BUS_VTABLE_START(0),

        SD_BUS_WRITABLE_PROPERTY("LogLevel", "s", get_text, refuse_set, 0, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_WRITABLE_PROPERTY("LogTarget", "s", get_text, refuse_set, 0, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_PROPERTY("SyslogIdentifier", "s", get_text, 0, 0),

        SD_BUS_VTABLE_END,
};

int log_control_add(Connection *c) {
        int r;

        r = sd_bus_add_object_vtable(c->bus, NULL, LOG_CONTROL_PATH, LOG_CONTROL_INTERFACE, log_control_vtable, c);
        return r < 0 ? r : sd_bus_add_filter(c->bus, NULL, on_message, c);
}
