/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* One match for all objects of the daemon. On a bus, its name tells when it goes; on the control socket, the end of
 * the connection does. */

#include "client/signal-watch.h"

#define ALL_MATCH "type='signal',path_namespace='" VAKTD_PATH "'"
#define OWNER_MATCH                                                                 \
        "type='signal',sender='org.freedesktop.DBus',path='/org/freedesktop/DBus'," \
        "interface='org.freedesktop.DBus',member='NameOwnerChanged',arg0='" VAKTD_NAME "'"

struct SignalWatch {
        Connection *connection;
        sd_event *event;
        SignalWatchOptions options;
        sd_bus *bus; /* whose signals we have subscribed to */
        sd_bus_slot *all, *disconnected, *owner;
};

static void unsubscribe(SignalWatch *w) {
        w->all = sd_bus_slot_unref(w->all);
        w->disconnected = sd_bus_slot_unref(w->disconnected);
        w->owner = sd_bus_slot_unref(w->owner);
        if (w->bus)
                (void)sd_bus_detach_event(w->bus);
        w->bus = sd_bus_unref(w->bus);
}

static int on_signal(sd_bus_message *m, void *userdata, sd_bus_error *reterr) {
        const SignalWatch *w = userdata;

        if (connection_sent_by_daemon(w->connection, m))
                w->options.signalled(m, w->options.userdata);
        return 0;
}

static int on_disconnected(sd_bus_message *m, void *userdata, sd_bus_error *reterr) {
        const SignalWatch *w = userdata;

        w->options.lost(w->options.userdata);
        return 0;
}

static int on_owner_changed(sd_bus_message *m, void *userdata, sd_bus_error *reterr) {
        const SignalWatch *w = userdata;
        const char *old_owner;

        if (sd_bus_message_read(m, "sss", NULL, &old_owner, NULL) >= 0 && !isempty(old_owner))
                w->options.lost(w->options.userdata);
        return 0;
}

static int subscribe(sd_bus *bus, void *userdata) {
        SignalWatch *w = userdata;
        int r;

        unsubscribe(w);
        r = sd_bus_attach_event(bus, w->event, SD_EVENT_PRIORITY_NORMAL);
        if (r < 0)
                return r;
        w->bus = sd_bus_ref(bus);
        r = sd_bus_match_signal(bus, &w->disconnected, "org.freedesktop.DBus.Local", NULL,
                                "org.freedesktop.DBus.Local", "Disconnected", on_disconnected, w);
        if (r >= 0)
                r = sd_bus_add_match(bus, &w->all, ALL_MATCH, on_signal, w);
        if (r >= 0 && connection_is_bus(w->connection))
                r = sd_bus_add_match(bus, &w->owner, OWNER_MATCH, on_owner_changed, w);
        return MIN(r, 0);
}

int signal_watch_new(Connection *c, sd_event *event, const SignalWatchOptions *options, SignalWatch **ret) {
        SignalWatch *w = calloc(1, sizeof(*w));

        assert(!connection_bus(c));
        if (!w)
                return -ENOMEM;
        *w = (SignalWatch){ .connection = c, .event = sd_event_ref(event), .options = *options };
        connection_on_open(c, subscribe, w);
        *ret = w;
        return 0;
}

SignalWatch *signal_watch_free(SignalWatch *w) {
        if (!w)
                return NULL;
        unsubscribe(w);
        connection_on_open(w->connection, NULL, NULL);
        sd_event_unref(w->event);
        return mfree(w);
}
