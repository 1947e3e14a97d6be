/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Puts the API together: the control socket and the bus, the followers of runs, and the announcer that tells clients
 * about changes. It counts what has to be up before the daemon is ready, and what has to be closed at the end. */

#include "bus/bus.h"

#include <fcntl.h>

#include "bus/announcer.h"
#include "bus/connection.h"
#include "bus/bus-client.h"
#include "bus/listener.h"
#include "bus/follow.h"
#include "util/log.h"
#include "util/turn.h"

struct Bus {
        ApiContext api;
        BusOptions options;
        Listener *socket; /* NULL: there is none */
        BusClient *bus;   /* NULL: there is none */
        Followers *followers;
        unsigned n_listening;
        Announcer *announcer;
        sd_event_source *ready; /* deferred: if there is no bus to wait for */

        unsigned n_draining; /* of the two */
        void (*drained)(void *userdata);
        void *drained_userdata;
        sd_event_source *drain; /* deferred: if there is neither a bus nor a control socket */
};

/* --- who can hear --- */

static void bus_each(void *userdata, void (*visit)(Connection *c, void *arg), void *arg) {
        const Bus *b = userdata;
        Connection *c = b->bus ? bus_client_connection(b->bus) : NULL;

        if (c)
                visit(c, arg);
        if (b->socket)
                listener_each(b->socket, visit, arg);
}

static void bus_shed(void *userdata) {
        const Bus *b = userdata;

        if (b->socket)
                listener_shed(b->socket);
}

/* --- ready --- */

/* The control socket is open when bus_new() returns, so the bus decides. */
static void on_bus_ready(void *userdata, int error) {
        const Bus *b = userdata;

        if (b->options.ready)
                b->options.ready(b->options.userdata, error);
}

static int on_ready(sd_event_source *s, void *userdata) {
        on_bus_ready(userdata, 0);
        return 0;
}

/* --- the end --- */

static void one_drained(void *userdata) {
        Bus *b = userdata;

        assert(b->n_draining > 0);
        if (--b->n_draining == 0)
                b->drained(b->drained_userdata);
}

static int on_drain(sd_event_source *s, void *userdata) {
        one_drained(userdata);
        return 0;
}

void bus_drain(Bus *b, void (*done)(void *userdata), void *userdata) {
        assert(b);
        assert(done);
        assert(!b->drained);

        announcer_flush(b->announcer);
        b->drained = done;
        b->drained_userdata = userdata;
        b->n_draining = 1 + !!b->socket + !!b->bus;
        if (b->socket)
                listener_drain(b->socket, one_drained, b);
        if (b->bus)
                bus_client_drain(b->bus, one_drained, b);
        if (sd_event_source_set_enabled(b->drain, SD_EVENT_ONESHOT) < 0)
                log_error("Cannot wait until the control socket and the bus are closed.");
}

/* --- life --- */

static int bus_prepare(Bus *b) {
        const Audience audience = { bus_each, bus_shed, b };
        int r;

        r = followers_new(&b->followers, b->api.event);
        if (r < 0)
                return r;
        b->api.followers = b->followers;
        r = announcer_new(&b->announcer, &b->api, &audience);
        if (r < 0)
                return r;
        r = event_add_deferred(b->api.event, &b->drain, "bus-drain", on_drain, b);
        if (r >= 0)
                r = event_add_deferred(b->api.event, &b->ready, "bus-ready", on_ready, b);
        return r < 0 || b->options.choice != BUS_NONE ? r : sd_event_source_set_enabled(b->ready, SD_EVENT_ONESHOT);
}

static int bus_make(Bus **ret, sd_event *event, Manager *m, const BusOptions *options, int inherited) {
        _cleanup_close_ int listen_fd = inherited;
        _cleanup_(bus_freep) Bus *b = NULL;
        int r;

        b = calloc(1, sizeof(*b));
        if (!b)
                return log_error_errno(ENOMEM, "Cannot open the control interface: %m");
        b->options = *options;
        b->api = (ApiContext){
                .manager = m,
                .event = event,
                .owner = options->owner,
                .n_listening = &b->n_listening,
                .user_bus = options->choice == BUS_USER,
                .reload = options->reload,
                .userdata = options->userdata,
        };
        r = bus_prepare(b);
        if (r < 0)
                return log_error_errno(r, "Cannot open the control interface: %m");
        if (options->choice != BUS_NONE) {
                r = bus_client_new(&b->bus, &b->api, options->choice, on_bus_ready, b);
                if (r < 0)
                        return log_error_errno(r, "Cannot connect to the bus: %m");
        }
        if (listen_fd >= 0 || options->socket_path) {
                r = listener_new(&b->socket, &b->api, TAKE_FD(listen_fd), options->socket_path);
                if (r < 0)
                        return r;
        }
        r = announcer_start(b->announcer);
        if (r < 0)
                return log_error_errno(r, "Cannot observe the jobs: %m");
        *ret = TAKE_PTR(b);
        return 0;
}

int bus_new(Bus **ret, sd_event *event, Manager *m, const BusOptions *options) {
        _cleanup_close_ int fd = -EBADF;
        int r;

        assert(ret);
        assert(event);
        assert(m);
        assert(options);

        /* The listener closes the socket that it was given, but until everything has succeeded it belongs to the
         * caller. */
        if (options->listen_fd >= 0) {
                fd = fcntl(options->listen_fd, F_DUPFD_CLOEXEC, 3);
                if (fd < 0)
                        return log_error_errno(errno, "Cannot use the control socket from the service manager: %m");
        }
        r = bus_make(ret, event, m, options, TAKE_FD(fd));
        if (r < 0)
                return r;
        safe_close(options->listen_fd);
        return 0;
}

Bus *bus_free(Bus *b) {
        if (!b)
                return NULL;
        listener_free(b->socket);
        bus_client_free(b->bus);
        announcer_free(b->announcer);
        followers_free(b->followers);
        sd_event_source_disable_unref(b->ready);
        sd_event_source_disable_unref(b->drain);
        return mfree(b);
}
