/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* sd-bus' own check of a caller makes a blocking call to the bus in the middle of a message; this one asks
 * asynchronously and keeps a reference to the message until the reply arrives. On a peer connection sd-bus would take
 * the credentials of our own socketpair for those of the caller (see peer.c) and allow everything, so there, too,
 * every method is marked as unprivileged and passes through here. polkit will replace GetConnectionUnixUser one day;
 * only ask_user() knows about that. */

#include "bus/authorize.h"

#include <sys/queue.h>

#include "bus/errors.h"
#include "util/log.h"

typedef struct AuthorizeCall {
        sd_bus_message *message;
        const char *action;
        AuthorizedFunc next;
        STAILQ_ENTRY(AuthorizeCall) entry;
} AuthorizeCall;

/* The question for the user of a sender. There is one for all its calls, so that a sender takes one place, however
 * many calls it makes. */
typedef struct SenderQuestion {
        Authorizer *authorizer;
        Connection *connection;
        char *sender;
        sd_bus_slot *slot; /* NULL: not asked yet */
        STAILQ_HEAD(, AuthorizeCall) calls;
        unsigned n_calls;
        TAILQ_ENTRY(SenderQuestion) entry;
} SenderQuestion;

struct Authorizer {
        TAILQ_HEAD(, SenderQuestion)
        questions; /* those that are being asked come first, the others in order of arrival */
        unsigned n_questions, n_asked, n_calls;
};

int authorizer_new(Authorizer **ret) {
        Authorizer *a = calloc(1, sizeof(*a));

        if (!a)
                return -ENOMEM;
        TAILQ_INIT(&a->questions);
        *ret = a;
        return 0;
}

static AuthorizeCall *authorize_call_free(AuthorizeCall *call) {
        sd_bus_message_unref(call->message);
        return mfree(call);
}
DEFINE_CLEANUP(AuthorizeCall, authorize_call_free)

static AuthorizeCall *question_take_call(SenderQuestion *q) {
        AuthorizeCall *call = STAILQ_FIRST(&q->calls);

        if (!call)
                return NULL;
        STAILQ_REMOVE_HEAD(&q->calls, entry);
        assert(q->n_calls > 0 && q->authorizer->n_calls >= q->n_calls);
        q->n_calls--;
        q->authorizer->n_calls--;
        return call;
}

static SenderQuestion *question_free(SenderQuestion *q) {
        AuthorizeCall *call;

        while ((call = question_take_call(q)))
                authorize_call_free(call);
        TAILQ_REMOVE(&q->authorizer->questions, q, entry);
        assert(q->n_calls == 0 && q->authorizer->n_questions > 0);
        q->authorizer->n_questions--;
        q->authorizer->n_asked -= !!q->slot;
        sd_bus_slot_unref(q->slot);
        free(q->sender);
        return mfree(q);
}

Authorizer *authorizer_free(Authorizer *a) {
        SenderQuestion *q;

        if (!a)
                return NULL;
        while ((q = TAILQ_FIRST(&a->questions)))
                question_free(q);
        return mfree(a);
}

unsigned authorizer_n_pending(const Authorizer *a) {
        return a->n_calls;
}

static int refuse(sd_bus_error *e, const char *action) {
        return sd_bus_error_setf(e, ERROR_ACCESS_DENIED, "Only root and the user that vaktd runs as may do this (%s).",
                                 action);
}

/* Handles all calls of a sender, whose uid is now known or unavailable. */
static void question_answer(SenderQuestion *q, bool allowed) {
        AuthorizeCall *next;

        while ((next = question_take_call(q))) {
                _cleanup_(authorize_call_freep) AuthorizeCall *call = next;
                _cleanup_(sd_bus_error_free) sd_bus_error e = SD_BUS_ERROR_NULL;
                int r;

                r = allowed ? call->next(q->connection, call->message, &e) : refuse(&e, call->action);
                if (r < 0 || sd_bus_error_is_set(&e)) {
                        r = sd_bus_reply_method_errno(call->message, r, &e);
                        if (r < 0)
                                log_debug_errno(r, "Cannot answer a client, ignoring: %m");
                }
        }
        question_free(q);
}

static int on_user(sd_bus_message *reply, void *userdata, sd_bus_error *ret_error);

/* Asks what may be asked now. */
static void authorizer_ask(Authorizer *a) {
        SenderQuestion *next;

        for (SenderQuestion *q = TAILQ_FIRST(&a->questions); q && a->n_asked < AUTHORIZE_ASKED_MAX; q = next) {
                int r;

                next = TAILQ_NEXT(q, entry);
                if (q->slot)
                        continue;
                r = sd_bus_call_method_async(q->connection->bus, &q->slot, "org.freedesktop.DBus",
                                             "/org/freedesktop/DBus", "org.freedesktop.DBus", "GetConnectionUnixUser",
                                             on_user, q, "s", q->sender);
                if (r >= 0)
                        a->n_asked++;
                else
                        question_answer(q, /* allowed= */ false);
        }
}

/* The reply of the bus: the user of the caller. */
static int on_user(sd_bus_message *reply, void *userdata, sd_bus_error *ret_error) {
        SenderQuestion *q = userdata;
        Authorizer *a = q->authorizer;
        uint32_t uid;

        question_answer(q, !sd_bus_message_is_method_error(reply, NULL) &&
                                   sd_bus_message_read(reply, "u", &uid) >= 0 &&
                                   uid_is_privileged(q->connection->api, uid));
        authorizer_ask(a);
        return 0;
}

static SenderQuestion *find_question(const Authorizer *a, const char *sender) {
        SenderQuestion *q;

        TAILQ_FOREACH(q, &a->questions, entry)
                if (streq(q->sender, sender))
                        return q;
        return NULL;
}

static SenderQuestion *add_question(Connection *c, const char *sender) {
        SenderQuestion *q = calloc(1, sizeof(*q));

        if (!q)
                return NULL;
        q->authorizer = c->authorizer;
        q->connection = c;
        q->sender = strdup(sender);
        if (!q->sender)
                return mfree(q);
        STAILQ_INIT(&q->calls);
        TAILQ_INSERT_TAIL(&q->authorizer->questions, q, entry);
        q->authorizer->n_questions++;
        return q;
}

static bool is_too_much(const Authorizer *a, const SenderQuestion *q) {
        if (!q)
                return a->n_questions >= AUTHORIZE_SENDERS_MAX;
        return q->n_calls >= (a->n_calls < AUTHORIZE_CALLS_MAX ? AUTHORIZE_PER_SENDER_MAX : 1);
}

static int ask_user(Connection *c, sd_bus_message *m, const char *action, AuthorizedFunc next, sd_bus_error *e) {
        const char *sender = sd_bus_message_get_sender(m);
        Authorizer *a = c->authorizer;
        AuthorizeCall *call;
        SenderQuestion *q;

        if (!sender)
                return refuse(e, action);
        q = find_question(a, sender);
        if (is_too_much(a, q))
                return sd_bus_error_set(e, ERROR_LIMIT_REACHED,
                                        "Too many calls are waiting for authorisation; wait for some replies first.");
        call = calloc(1, sizeof(*call));
        if (!call)
                return -ENOMEM;
        q = q ?: add_question(c, sender);
        if (!q) {
                free(call);
                return -ENOMEM;
        }
        *call = (AuthorizeCall){ .message = sd_bus_message_ref(m), .action = action, .next = next };
        STAILQ_INSERT_TAIL(&q->calls, call, entry);
        q->n_calls++;
        a->n_calls++;
        authorizer_ask(a);
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
