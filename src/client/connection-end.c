/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "client/connection-end.h"

#define OWNER_MATCH                                                                 \
        "type='signal',sender='org.freedesktop.DBus',path='/org/freedesktop/DBus'," \
        "interface='org.freedesktop.DBus',member='NameOwnerChanged',arg0='" VAKTD_NAME "'"

static int on_disconnected(sd_bus_message *m, void *userdata, sd_bus_error *reterr) {
        const ConnectionEnd *e = userdata;

        e->lost(e->userdata);
        return 0;
}

static int on_owner_changed(sd_bus_message *m, void *userdata, sd_bus_error *reterr) {
        const ConnectionEnd *e = userdata;
        const char *old_owner;

        if (sd_bus_message_read(m, "sss", NULL, &old_owner, NULL) >= 0 && !isempty(old_owner))
                e->lost(e->userdata);
        return 0;
}

int connection_end_watch(ConnectionEnd *e, const Connection *c, sd_bus *bus, sd_event *event) {
        int r;

        connection_end_done(e);
        r = sd_bus_attach_event(bus, event, SD_EVENT_PRIORITY_NORMAL);
        if (r < 0)
                return r;
        e->bus = sd_bus_ref(bus);
        r = sd_bus_match_signal(bus, &e->disconnected, "org.freedesktop.DBus.Local", NULL,
                                "org.freedesktop.DBus.Local", "Disconnected", on_disconnected, e);
        if (r >= 0 && connection_is_bus(c))
                r = sd_bus_add_match(bus, &e->owner, OWNER_MATCH, on_owner_changed, e);
        return MIN(r, 0);
}

void connection_end_done(ConnectionEnd *e) {
        e->disconnected = sd_bus_slot_unref(e->disconnected);
        e->owner = sd_bus_slot_unref(e->owner);
        if (e->bus)
                (void)sd_bus_detach_event(e->bus);
        e->bus = sd_bus_unref(e->bus);
}
