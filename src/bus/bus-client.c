/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The connection to the bus. Nothing here blocks: connecting, Hello and the request for the name continue while the
 * loop runs, and a bus that was lost (its restart is silent except for Local.Disconnected) is searched for with
 * growing delays.
 *
 * At the end, the name is released first. The bus replies to that in order, so every call that was sent to the name
 * has reached us before the reply, and later ones wait in the bus for our successor. */

#include "bus/bus-client.h"

#include "bus/authorize.h"
#include "bus/follow.h"
#include "util/log.h"
#include "util/turn.h"

#define RETRY_MIN  (100 * USEC_PER_MSEC)
#define RETRY_MAX  (30 * USEC_PER_SEC)
#define DRAIN_TICK (10 * USEC_PER_MSEC)

#define SYSTEM_BUS_ADDRESS "unix:path=/run/dbus/system_bus_socket"

typedef enum BusClientState {
        BUS_CLIENT_CLOSED,
        BUS_CLIENT_OPENING, /* connecting, or requesting the name */
        BUS_CLIENT_OPEN,    /* the name is ours */
        BUS_CLIENT_BROKEN,  /* to be closed from the loop */
} BusClientState;

struct BusClient {
        Connection connection; /* first; bus is NULL while closed */
        BusChoice choice;
        BusClientState state;
        bool was_open; /* ready(0) was called */
        int error;     /* why it broke */
        usec_t retry;
        sd_event_source *reopen; /* timer */
        sd_event_source *broken; /* deferred */
        bool lags;               /* signals are left out */

        void (*ready)(void *userdata, int error);
        void *userdata;

        sd_event_source *drain; /* timer */
        bool released;
        usec_t drain_end;
        void (*drained)(void *userdata);
        void *drained_userdata;
};

/* As sd_bus_open_system_with_description(3), but without file descriptors: no method takes one, and a call that waits
 * for an answer of polkit would keep those that came with it. */
static int open_system_bus(sd_bus **ret, const char *description) {
        _cleanup_(sd_bus_close_unrefp) sd_bus *bus = NULL;
        int r;

        r = sd_bus_new(&bus);
        if (r >= 0)
                r = sd_bus_set_description(bus, description);
        if (r >= 0)
                r = sd_bus_set_address(bus, secure_getenv("DBUS_SYSTEM_BUS_ADDRESS") ?: SYSTEM_BUS_ADDRESS);
        if (r >= 0)
                r = sd_bus_set_bus_client(bus, true);
        if (r >= 0)
                r = sd_bus_negotiate_fds(bus, false);
        if (r >= 0)
                r = sd_bus_start(bus);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(bus);
        return 0;
}

static const struct {
        const char *name;
        int (*open)(sd_bus **ret, const char *description);
} buses[_BUS_CHOICE_MAX] = {
        [BUS_SYSTEM] = { "system bus", open_system_bus },
        [BUS_USER] = { "user bus", sd_bus_open_user_with_description },
};

static void bus_client_set_state(BusClient *d, BusClientState state) {
        *d->connection.api->n_listening += (unsigned)(state == BUS_CLIENT_OPEN) - (d->state == BUS_CLIENT_OPEN);
        d->state = state;
}

/* Stops using the connection; it is closed from the loop, because this may be called from one of its callbacks. */
static void bus_client_break(BusClient *d, int error) {
        if (d->state == BUS_CLIENT_BROKEN || d->state == BUS_CLIENT_CLOSED)
                return;
        bus_client_set_state(d, BUS_CLIENT_BROKEN);
        d->error = error;
        (void)sd_event_source_set_enabled(d->broken, SD_EVENT_ONESHOT);
}

static void bus_client_close(BusClient *d) {
        bus_client_set_state(d, BUS_CLIENT_CLOSED);
        if (!d->connection.bus)
                return;
        followers_drop(d->connection.api->followers, &d->connection);
        d->connection.authorizer = authorizer_free(d->connection.authorizer);
        d->connection.bus = sd_bus_close_unref(d->connection.bus);
}

/* --- opening --- */

static int on_disconnected(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        bus_client_break(userdata, -ECONNRESET);
        return 0;
}

/* The reply to RequestName: 1 the name is ours, 3 another client's, 4 it was ours already. */
static int on_name(sd_bus_message *m, void *userdata, sd_bus_error *ret_error) {
        const sd_bus_error *e = sd_bus_message_get_error(m);
        BusClient *d = userdata;
        uint32_t answer;
        int r;

        if (d->state != BUS_CLIENT_OPENING)
                return 0;
        r = !e                                                     ? sd_bus_message_read(m, "u", &answer)
            : sd_bus_error_has_name(e, SD_BUS_ERROR_ACCESS_DENIED) ? -EACCES
                                                                   : -sd_bus_error_get_errno(e);
        if (r >= 0 && answer != 1 && answer != 4)
                r = -EEXIST;
        if (r < 0) {
                bus_client_break(d, r);
                return 0;
        }
        bus_client_set_state(d, BUS_CLIENT_OPEN);
        d->retry = RETRY_MIN;
        if (d->was_open) {
                log_info("The %s is back; vaktd is %s on it again.", buses[d->choice].name, BUS_NAME);
                return 0;
        }
        d->was_open = true;
        d->ready(d->userdata, 0);
        return 0;
}

static int bus_client_set_up(BusClient *d) {
        Connection *c = &d->connection;
        int r;

        r = sd_bus_set_exit_on_disconnect(c->bus, false);
        if (r >= 0)
                r = authorizer_new(&c->authorizer, c);
        if (r >= 0)
                r = connection_add_api(c);
        if (r >= 0)
                r = sd_bus_match_signal_async(c->bus, NULL, "org.freedesktop.DBus.Local",
                                              "/org/freedesktop/DBus/Local", "org.freedesktop.DBus.Local",
                                              "Disconnected", on_disconnected, NULL, d);
        if (r >= 0)
                r = sd_bus_attach_event(c->bus, c->api->event, SD_EVENT_PRIORITY_NORMAL);
        if (r >= 0)
                r = sd_bus_set_close_on_exit(c->bus, false);
        if (r < 0)
                return r;
        return sd_bus_request_name_async(c->bus, NULL, BUS_NAME, /* flags= */ 0, on_name, d);
}

static int bus_client_open(BusClient *d) {
        int r;

        assert(d->state == BUS_CLIENT_CLOSED);

        r = buses[d->choice].open(&d->connection.bus, "vaktd");
        if (r < 0)
                return r;
        bus_client_set_state(d, BUS_CLIENT_OPENING);
        r = bus_client_set_up(d);
        if (r < 0)
                bus_client_close(d);
        return r;
}

/* --- breaking and opening again --- */

static void bus_client_retry_later(BusClient *d) {
        int r;

        r = sd_event_source_set_time_relative(d->reopen, d->retry);
        if (r >= 0)
                r = sd_event_source_set_enabled(d->reopen, SD_EVENT_ONESHOT);
        if (r < 0)
                log_error_errno(r, "Cannot wait for the %s to return: %m", buses[d->choice].name);
        d->retry = MIN(d->retry * 2, RETRY_MAX);
}

static void bus_client_log_failure(const BusClient *d, int error) {
        if (error == -EEXIST)
                log_error_errno(error, "Another program owns the name %s on the %s.", BUS_NAME, buses[d->choice].name);
        else if (error == -EACCES)
                log_error_errno(error, "The policy of the %s does not allow vaktd to own the name %s.",
                                buses[d->choice].name, BUS_NAME);
        else
                log_error_errno(error, "Cannot connect to the %s: %m", buses[d->choice].name);
}

static int on_broken(sd_event_source *s, void *userdata) {
        BusClient *d = userdata;
        bool was_open = d->state == BUS_CLIENT_BROKEN && d->connection.bus;
        int error = d->error;

        bus_client_close(d);
        if (d->drained)
                return 0; /* the drain timer sees it */
        if (!d->was_open && (error == -EEXIST || error == -EACCES)) {
                bus_client_log_failure(d, error);
                d->ready(d->userdata, error);
                return 0;
        }
        if (!d->was_open) {
                /* Jobs do not need a bus: they run, and the control socket works, without one. */
                log_warning_errno(error, "Cannot connect to the %s: %m; vaktd continues without it and keeps trying.",
                                  buses[d->choice].name);
                d->was_open = true;
                d->ready(d->userdata, 0);
        } else if (was_open && error == -ECONNRESET)
                log_notice("The connection to the %s was lost; vaktd keeps trying to connect again.",
                           buses[d->choice].name);
        else
                bus_client_log_failure(d, error);
        bus_client_retry_later(d);
        return 0;
}

static int on_reopen(sd_event_source *s, uint64_t usec, void *userdata) {
        BusClient *d = userdata;
        int r;

        r = bus_client_open(d);
        if (r >= 0)
                return 0;
        log_debug_errno(r, "The %s is not back yet, trying again: %m", buses[d->choice].name);
        bus_client_retry_later(d);
        return 0;
}

/* --- signals --- */

static bool bus_client_wants(Connection *c, const MatchSubject *s) {
        BusClient *d = (BusClient *)c; /* its first member */
        uint64_t unsent = connection_n_unsent(c);

        if (unsent >= BUS_CLIENT_UNSENT_MAX && !d->lags)
                log_warning("The %s reads signals too slowly; some were dropped.", buses[d->choice].name);
        d->lags = unsent >= BUS_CLIENT_UNSENT_MAX;
        return !d->lags;
}

Connection *bus_client_connection(BusClient *d) {
        return d->state == BUS_CLIENT_OPEN ? &d->connection : NULL;
}

/* --- the end --- */

static int on_released(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        BusClient *d = userdata;

        d->released = true;
        return 0;
}

static bool bus_client_is_drained(const BusClient *d, usec_t now) {
        if (d->state != BUS_CLIENT_OPEN || now >= d->drain_end)
                return true;
        return d->released && authorizer_n_pending(d->connection.authorizer) == 0 &&
               connection_n_unsent(&d->connection) == 0;
}

static int on_drain(sd_event_source *s, uint64_t usec, void *userdata) {
        BusClient *d = userdata;
        void (*drained)(void *);
        usec_t now = 0;

        (void)sd_event_now(d->connection.api->event, CLOCK_MONOTONIC, &now);
        if (!bus_client_is_drained(d, now)) {
                (void)sd_event_source_set_time_relative(s, DRAIN_TICK);
                (void)sd_event_source_set_enabled(s, SD_EVENT_ONESHOT);
                return 0;
        }
        bus_client_close(d);
        drained = TAKE_PTR(d->drained);
        if (drained)
                drained(d->drained_userdata);
        return 0;
}

void bus_client_drain(BusClient *d, void (*done)(void *userdata), void *userdata) {
        usec_t now = 0;

        assert(done);

        (void)sd_event_now(d->connection.api->event, CLOCK_MONOTONIC, &now);
        (void)sd_event_source_set_enabled(d->reopen, SD_EVENT_OFF);
        d->drained = done;
        d->drained_userdata = userdata;
        d->drain_end = usec_add(now, BUS_CLIENT_DRAIN_MAX);
        if (d->connection.authorizer)
                authorizer_end(d->connection.authorizer);
        if (d->state == BUS_CLIENT_OPEN &&
            sd_bus_release_name_async(d->connection.bus, NULL, BUS_NAME, on_released, d) < 0)
                d->released = true;
        (void)sd_event_source_set_time_relative(d->drain, 0);
        (void)sd_event_source_set_enabled(d->drain, SD_EVENT_ONESHOT);
}

/* --- life --- */

int bus_client_new(BusClient **ret, const ApiContext *api, BusChoice choice, void (*ready)(void *userdata, int error),
                   void *userdata) {
        _cleanup_(bus_client_freep) BusClient *d = NULL;
        int r;

        assert(ret);
        assert(choice == BUS_SYSTEM || choice == BUS_USER);

        d = calloc(1, sizeof(*d));
        if (!d)
                return -ENOMEM;
        d->connection = (Connection){ .api = api, .wants = bus_client_wants };
        d->choice = choice;
        d->retry = RETRY_MIN;
        d->ready = ready;
        d->userdata = userdata;
        r = event_add_deferred(api->event, &d->broken, "bus-broken", on_broken, d);
        if (r >= 0)
                r = event_add_timer(api->event, &d->reopen, "bus-reopen", CLOCK_MONOTONIC, USEC_PER_MSEC, on_reopen,
                                    d);
        if (r >= 0)
                r = event_add_timer(api->event, &d->drain, "bus-drain", CLOCK_MONOTONIC, USEC_PER_MSEC, on_drain, d);
        if (r < 0)
                return r;
        r = bus_client_open(d);
        if (r < 0) {
                /* Reported from the loop, like any other result. */
                d->error = r;
                r = sd_event_source_set_enabled(d->broken, SD_EVENT_ONESHOT);
                if (r < 0)
                        return r;
        }
        *ret = TAKE_PTR(d);
        return 0;
}

BusClient *bus_client_free(BusClient *d) {
        if (!d)
                return NULL;
        bus_client_close(d);
        sd_event_source_disable_unref(d->reopen);
        sd_event_source_disable_unref(d->broken);
        sd_event_source_disable_unref(d->drain);
        return mfree(d);
}
