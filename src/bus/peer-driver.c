/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The methods of the bus itself, org.freedesktop.DBus, for the peers of the control socket, so that a client does not
 * need to know that there is no bus in between. There are two connections, the daemon (":1.0", which owns org.vaktd1)
 * and the peer. Names can be looked up, but not requested. D-Bus specification, "Message Bus Messages". */

#include <stdarg.h>

#include "bus/bus.h"
#include "bus/errors.h"
#include "bus/peer.h"

#define DRIVER_NAME                 "org.freedesktop.DBus"
#define DRIVER_PATH                 "/org/freedesktop/DBus"
#define DAEMON_UNIQUE_NAME          ":1.0"
#define START_REPLY_ALREADY_RUNNING 2U

/* The owner of a name here, or NULL. */
static const char *name_owner(const Peer *p, const char *name) {
        if (streq(name, BUS_NAME) || streq(name, DAEMON_UNIQUE_NAME))
                return DAEMON_UNIQUE_NAME;
        if (streq(name, DRIVER_NAME))
                return DRIVER_NAME;
        return streq(name, peer_name(p)) ? peer_name(p) : NULL;
}

/* A reply with the bus as its sender. */
static int driver_reply(sd_bus_message *m, const char *types, ...) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        va_list ap;
        int r;

        r = sd_bus_message_new_method_return(m, &reply);
        if (r >= 0)
                r = sd_bus_message_set_sender(reply, DRIVER_NAME);
        if (r < 0)
                return r;
        if (types) {
                va_start(ap, types);
                r = sd_bus_message_appendv(reply, types, ap);
                va_end(ap);
                if (r < 0)
                        return r;
        }
        return sd_bus_message_send(reply);
}

static int method_hello(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        const Peer *p = userdata;

        return driver_reply(m, "s", peer_name(p));
}

static int method_get_id(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        const Peer *p = userdata;

        return driver_reply(m, "s", peer_server_id(p));
}

static int method_list_names(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        const Peer *p = userdata;

        return driver_reply(m, "as", 4, DRIVER_NAME, BUS_NAME, DAEMON_UNIQUE_NAME, peer_name(p));
}

static int method_list_activatable_names(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        return driver_reply(m, "as", 2, DRIVER_NAME, BUS_NAME);
}

static int method_name_has_owner(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        const char *name;
        int r;

        r = sd_bus_message_read_basic(m, 's', &name);
        return r < 0 ? r : driver_reply(m, "b", (int)!!name_owner(userdata, name));
}

static int no_such_name(sd_bus_error *e) {
        return sd_bus_error_set(e, SD_BUS_ERROR_NAME_HAS_NO_OWNER,
                                "This name has no owner on this connection, which leads only to org.vaktd1.");
}

static int method_get_name_owner(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        const char *name, *owner;
        int r;

        r = sd_bus_message_read_basic(m, 's', &name);
        if (r < 0)
                return r;
        owner = name_owner(userdata, name);
        return owner ? driver_reply(m, "s", owner) : no_such_name(e);
}

/* GetConnectionUnixUser and GetConnectionUnixProcessID. */
static int method_get_credential(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        bool of_user = streq(sd_bus_message_get_member(m), "GetConnectionUnixUser");
        const Peer *p = userdata;
        const char *name, *owner;
        struct ucred ucred = { .uid = geteuid(), .pid = getpid() };
        int r;

        r = sd_bus_message_read_basic(m, 's', &name);
        if (r < 0)
                return r;
        owner = name_owner(p, name);
        if (!owner)
                return no_such_name(e);
        if (streq(owner, peer_name(p)))
                ucred = *peer_ucred(p);
        return driver_reply(m, "u", of_user ? ucred.uid : (uint32_t)ucred.pid);
}

static int method_start_service_by_name(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        const char *name;
        int r;

        r = sd_bus_message_read(m, "su", &name, NULL);
        if (r < 0)
                return r;
        if (!name_owner(userdata, name))
                return sd_bus_error_set(e, SD_BUS_ERROR_SERVICE_UNKNOWN,
                                        "This connection leads only to org.vaktd1; use a bus for other services.");
        return driver_reply(m, "u", START_REPLY_ALREADY_RUNNING);
}

static int method_refuse_name(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        return sd_bus_error_set(e, SD_BUS_ERROR_ACCESS_DENIED,
                                "This connection leads only to org.vaktd1; use a bus to own names.");
}

static int method_add_match(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        const char *rule;
        int r;

        r = sd_bus_message_read_basic(m, 's', &rule);
        if (r < 0)
                return r;
        r = peer_add_rule(userdata, rule);
        if (r == -EINVAL)
                return sd_bus_error_set(e, SD_BUS_ERROR_MATCH_RULE_INVALID, "Invalid match rule.");
        if (r == -ENOBUFS || r == -E2BIG)
                return sd_bus_error_set(
                        e, SD_BUS_ERROR_LIMITS_EXCEEDED,
                        "The rule is too long, or there are too many; remove rules that are not needed.");
        return r < 0 ? r : driver_reply(m, NULL);
}

static int method_remove_match(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        const char *rule;
        int r;

        r = sd_bus_message_read_basic(m, 's', &rule);
        if (r < 0)
                return r;
        r = peer_remove_rule(userdata, rule);
        if (r < 0)
                return sd_bus_error_set(e, SD_BUS_ERROR_MATCH_RULE_NOT_FOUND,
                                        "There is no such match rule on this connection.");
        return driver_reply(m, NULL);
}

static const sd_bus_vtable driver_vtable[] = {
        SD_BUS_VTABLE_START(0),

        SD_BUS_METHOD("Hello", NULL, "s", method_hello, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("GetId", NULL, "s", method_get_id, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("ListNames", NULL, "as", method_list_names, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("ListActivatableNames", NULL, "as", method_list_activatable_names, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("NameHasOwner", "s", "b", method_name_has_owner, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("GetNameOwner", "s", "s", method_get_name_owner, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("GetConnectionUnixUser", "s", "u", method_get_credential, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("GetConnectionUnixProcessID", "s", "u", method_get_credential, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("StartServiceByName", "su", "u", method_start_service_by_name, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("RequestName", "su", "u", method_refuse_name, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("ReleaseName", "s", "u", method_refuse_name, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("AddMatch", "s", NULL, method_add_match, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("RemoveMatch", "s", NULL, method_remove_match, SD_BUS_VTABLE_UNPRIVILEGED),

        SD_BUS_VTABLE_END,
};

int peer_driver_add(Peer *p) {
        return sd_bus_add_object_vtable(peer_connection(p)->bus, NULL, DRIVER_PATH, DRIVER_NAME, driver_vtable, p);
}
