/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* sd-bus' own check of a caller makes a blocking call to the bus in the middle of a message; this one asks
 * asynchronously and keeps the message by reference until the answer is there. On a peer connection sd-bus would take
 * the credentials of our own socketpair for the caller's (see peer.c) and let everybody in, so there, too, every
 * method is marked as unprivileged and passes through here. polkit takes the place of GetConnectionUnixUser one day;
 * nothing but ask_user() knows. */

#include "bus/authorize.h"

#include <assert.h>

#include "bus/errors.h"
#include "util/log.h"

typedef struct AuthorizeCall {
        Authorizer *authorizer;
        Connection *connection;
        sd_bus_message *message;
        sd_bus_slot *slot;
        const char *action;
        AuthorizedFunc next;
        struct AuthorizeCall *list_next;
} AuthorizeCall;

struct Authorizer {
        AuthorizeCall *calls;
        unsigned n_calls;
};

int authorizer_new(Authorizer **ret) {
        Authorizer *a = calloc(1, sizeof(*a));

        if (!a)
                return -ENOMEM;
        *ret = a;
        return 0;
}

static AuthorizeCall *authorize_call_free(AuthorizeCall *call) {
        AuthorizeCall **p = &call->authorizer->calls;

        while (*p != call)
                p = &(*p)->list_next;
        *p = call->list_next;
        call->authorizer->n_calls--;
        sd_bus_slot_unref(call->slot);
        sd_bus_message_unref(call->message);
        return mfree(call);
}
DEFINE_CLEANUP(AuthorizeCall, authorize_call_free)

Authorizer *authorizer_free(Authorizer *a) {
        if (!a)
                return NULL;
        while (a->calls)
                authorize_call_free(a->calls);
        return mfree(a);
}

unsigned authorizer_n_pending(const Authorizer *a) {
        return a->n_calls;
}

static int refuse(sd_bus_error *e, const char *action) {
        return sd_bus_error_setf(e, ERROR_ACCESS_DENIED,
                                 "Only root and the user that vaktd runs as may do this (%s); try it as one of them.",
                                 action);
}

/* The answer of the bus: who the caller is. */
static int on_user(sd_bus_message *reply, void *userdata, sd_bus_error *ret_error) {
        _cleanup_(authorize_call_freep) AuthorizeCall *call = userdata;
        _cleanup_(sd_bus_error_free) sd_bus_error e = SD_BUS_ERROR_NULL;
        uint32_t uid;
        int r;

        if (sd_bus_message_is_method_error(reply, NULL) || sd_bus_message_read(reply, "u", &uid) < 0 ||
            !uid_is_privileged(call->connection->api, uid))
                r = refuse(&e, call->action);
        else
                r = call->next(call->connection, call->message, &e);
        if (r < 0 || sd_bus_error_is_set(&e)) {
                r = sd_bus_reply_method_errno(call->message, r, &e);
                if (r < 0)
                        log_debug_errno(r, "Cannot answer a client, ignoring: %m");
        }
        return 0;
}

static unsigned authorizer_n_of_sender(const Authorizer *a, const char *sender) {
        unsigned n = 0;

        for (const AuthorizeCall *call = a->calls; call; call = call->list_next)
                n += streq_ptr(sd_bus_message_get_sender(call->message), sender);
        return n;
}

static int ask_user(Connection *c, sd_bus_message *m, const char *action, AuthorizedFunc next, sd_bus_error *e) {
        const char *sender = sd_bus_message_get_sender(m);
        Authorizer *a = c->authorizer;
        AuthorizeCall *call;
        int r;

        if (!sender)
                return refuse(e, action);
        if (a->n_calls >= AUTHORIZE_PENDING_MAX || authorizer_n_of_sender(a, sender) >= AUTHORIZE_PER_SENDER_MAX)
                return sd_bus_error_set(e, ERROR_LIMIT_REACHED,
                                        "Too many calls wait for their authorisation; wait for some replies first.");
        call = calloc(1, sizeof(*call));
        if (!call)
                return -ENOMEM;
        *call = (AuthorizeCall){
                .authorizer = a,
                .connection = c,
                .message = sd_bus_message_ref(m),
                .action = action,
                .next = next,
                .list_next = a->calls,
        };
        a->calls = call;
        a->n_calls++;
        r = sd_bus_call_method_async(c->bus, &call->slot, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                                     "org.freedesktop.DBus", "GetConnectionUnixUser", on_user, call, "s", sender);
        if (r < 0) {
                authorize_call_free(call);
                return r;
        }
        return 1;
}

int authorize(Connection *c, sd_bus_message *m, const char *action, AuthorizedFunc next, sd_bus_error *e) {
        assert(c);
        assert(m);
        assert(next);

        if (!c->is_peer)
                return ask_user(c, m, action, next, e);
        if (!uid_is_privileged(c->api, c->uid))
                return refuse(e, action);
        return next(c, m, e);
}
