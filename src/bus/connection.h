#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* One D-Bus connection on which the API is served, and what the parts of the API share. Private to src/bus. */

#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

#include "bus/match-rule.h"
#include "core/manager.h"

typedef struct Authorizer Authorizer;
typedef struct Followers Followers;

typedef struct ApiContext {
        Manager *manager;
        sd_event *event;
        uid_t owner;   /* who may change things in addition to root */
        bool user_bus; /* the bus is the user's own */
        Followers *followers;
        unsigned *n_listening; /* connections that may be listening to signals; they count themselves */
        int (*reload)(void *userdata);
        void *userdata;
} ApiContext;

typedef struct Connection {
        const ApiContext *api;
        sd_bus *bus;

        /* Of a peer of the control socket; on the bus, callers differ between messages. */
        bool is_peer;
        uid_t uid;
        Authorizer *authorizer; /* of the bus */

        unsigned n_large; /* of the bus: large replies since the queue was last empty */

        /* Whether a signal is to be sent here at all, and what to do after it was sent; may be NULL. */
        bool (*wants)(struct Connection *c, const MatchSubject *s);
        void (*sent)(struct Connection *c);
} Connection;

static inline bool uid_is_privileged(const ApiContext *api, uid_t uid) {
        return uid == 0 || uid == api->owner;
}

/* True if the client may see what is not readable for everybody: names of files that were found, and the content of
 * private job files. On the system bus this is never the case, because the caller is only known after a query. */
static inline bool connection_is_trusted(const Connection *c) {
        return c->is_peer ? uid_is_privileged(c->api, c->uid) : c->api->user_bus;
}

/* The problem of a private job file as untrusted clients see it. */
#define PRIVATE_PROBLEM                                                                                           \
        "Its file has an error, which is told to those alone that may manage jobs, since not everybody may read " \
        "the file."

static inline const char *connection_problem_of(const Connection *c, const Job *j) {
        return j->problem && j->problem_is_private && !connection_is_trusted(c) ? PRIVATE_PROBLEM : j->problem;
}

/* The connection of a getter of a property. */
static inline const Connection *connection_of_getter(sd_bus *bus) {
        return sd_bus_slot_get_userdata(sd_bus_get_current_slot(bus));
}

/* Each registers its objects on c->bus; the handlers get c. */
int api_manager_add(Connection *c);
int api_job_add(Connection *c);
int api_run_add(Connection *c);
int log_control_add(Connection *c);

static inline int connection_add_api(Connection *c) {
        int (*const add[])(Connection *) = { api_manager_add, api_job_add, api_run_add, log_control_add };

        for (size_t i = 0; i < ELEMENTSOF(add); i++) {
                int r = add[i](c);

                if (r < 0)
                        return r;
        }
        return 0;
}

#define LARGE_REPLIES_MAX 16 /* that may wait for the bus together */

/* The number of messages that wait to be written. */
static inline uint64_t connection_n_unsent(const Connection *c) {
        uint64_t n;

        return sd_bus_get_n_queued_write(c->bus, &n) < 0 ? 0 : n;
}

/* To be called before a reply that may be large is created. -EBUSY if too many of them wait for the bus already; for a
 * peer, other means ensure that there is only one at a time. */
static inline int connection_may_send_large(Connection *c) {
        if (c->is_peer)
                return 0;
        if (connection_n_unsent(c) == 0)
                c->n_large = 0;
        return c->n_large++ < LARGE_REPLIES_MAX ? 0 : -EBUSY;
}
