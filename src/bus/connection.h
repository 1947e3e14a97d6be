#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* One D-Bus connection that the API is served on, whichever door it came through, and what the parts of the API share.
 * Private to src/bus. */

#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

#include "bus/match-rule.h"
#include "core/manager.h"

typedef struct Authorizer Authorizer;
typedef struct Followers Followers;

typedef struct ApiContext {
        Manager *manager;
        sd_event *event;
        uid_t owner;   /* who may change things beside root */
        bool user_bus; /* the bus is the user's own */
        Followers *followers;
        int (*reload)(void *userdata);
        void *userdata;
} ApiContext;

typedef struct Connection {
        const ApiContext *api;
        sd_bus *bus;

        /* Of a peer of the control socket; on the bus callers differ from message to message. */
        bool is_peer;
        uid_t uid;
        Authorizer *authorizer; /* of the bus */

        unsigned n_large; /* of the bus: large replies since nothing was unsent */

        /* Whether a signal is to be sent here at all, and what is to be done after it was; may be NULL. */
        bool (*wants)(struct Connection *c, const MatchSubject *s);
        void (*sent)(struct Connection *c);
} Connection;

static inline bool uid_is_privileged(const ApiContext *api, uid_t uid) {
        return uid == 0 || uid == api->owner;
}

/* True when who is at the other end may be told what not everybody may look into: names of files that were found, and
 * what private job files say. On the system bus nobody is, since who asks there is only known after a question. */
static inline bool connection_is_trusted(const Connection *c) {
        return c->is_peer ? uid_is_privileged(c->api, c->uid) : c->api->user_bus;
}

/* What a private job file has as its problem for who is not trusted. */
#define PRIVATE_PROBLEM                                                                                           \
        "Its file has an error, which is told to those alone that may manage jobs, since not everybody may read " \
        "the file."

static inline const char *connection_problem_of(const Connection *c, const Job *j) {
        return j->problem && j->problem_is_private && !connection_is_trusted(c) ? PRIVATE_PROBLEM : j->problem;
}

/* In a getter of a property: the connection that it is for. */
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

/* Messages that wait to be written. */
static inline uint64_t connection_n_unsent(const Connection *c) {
        uint64_t n;

        return sd_bus_get_n_queued_write(c->bus, &n) < 0 ? 0 : n;
}

/* To be asked before a reply that may be large is made. -EBUSY when too many of them wait for the bus already; a peer
 * gets one at a time by other means. */
static inline int connection_may_send_large(Connection *c) {
        if (c->is_peer)
                return 0;
        if (connection_n_unsent(c) == 0)
                c->n_large = 0;
        return c->n_large++ < LARGE_REPLIES_MAX ? 0 : -EBUSY;
}
