/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* One match for all objects of the daemon. */

#include "client/signal-watch.h"

#include "client/connection-end.h"

#define ALL_MATCH "type='signal',path_namespace='" VAKTD_PATH "'"

struct SignalWatch {
        Connection *connection;
        sd_event *event;
        SignalWatchOptions options;
        ConnectionEnd end;
        sd_bus_slot *all;
};

static int on_signal(sd_bus_message *m, void *userdata, sd_bus_error *reterr) {
        const SignalWatch *w = userdata;

        if (connection_sent_by_daemon(w->connection, m))
                w->options.signalled(m, w->options.userdata);
        return 0;
}

static int subscribe(sd_bus *bus, void *userdata) {
        SignalWatch *w = userdata;
        int r;

        w->all = sd_bus_slot_unref(w->all);
        r = connection_end_watch(&w->end, w->connection, bus, w->event);
        return r < 0 ? r : MIN(sd_bus_add_match(bus, &w->all, ALL_MATCH, on_signal, w), 0);
}

int signal_watch_new(Connection *c, sd_event *event, const SignalWatchOptions *options, SignalWatch **ret) {
        SignalWatch *w = calloc(1, sizeof(*w));

        assert(!connection_bus(c));
        if (!w)
                return -ENOMEM;
        *w = (SignalWatch){
                .connection = c,
                .event = sd_event_ref(event),
                .options = *options,
                .end = { .lost = options->lost, .userdata = options->userdata },
        };
        connection_on_open(c, subscribe, w);
        *ret = w;
        return 0;
}

SignalWatch *signal_watch_free(SignalWatch *w) {
        if (!w)
                return NULL;
        sd_bus_slot_unref(w->all);
        connection_end_done(&w->end);
        connection_on_open(w->connection, NULL, NULL);
        sd_event_unref(w->event);
        return mfree(w);
}
