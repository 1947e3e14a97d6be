/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* sd-bus' own check of a caller makes a blocking call to the bus in the middle of a message; this one asks
 * asynchronously and keeps a reference to the message until the reply arrives. On a peer connection sd-bus would take
 * the credentials of our own socketpair for those of the caller (see peer.c) and allow everything, so there, too,
 * every method is marked as unprivileged and passes through here.
 *
 * On a bus, the user of the sender is asked for first: root and the user of the daemon need nothing else, and no
 * polkit. The calls of other users are put to polkit, each by itself: the answer holds for this call, with the action
 * and the job that it is about, and for nothing else. A user to whom polkit permits it does not become the owner, who
 * may also see what is private. Meanwhile, a job may get another definition, which polkit or a person did not mean. */

#include "bus/authorize.h"

#include <sys/queue.h>

#include "bus/errors.h"
#include "bus/polkit.h"
#include "util/log.h"

#define UID_INVALID ((uid_t)-1)

/* A call that is kept: in the list of its sender, and then in that of polkit. */
typedef struct AuthorizeCall {
        Authorizer *authorizer;
        sd_bus_message *message;
        Permission permission;
        char *job;   /* of permission, */
        JobDef *def; /* and with a reference, so that it is not taken for a later one at the same address */
        STAILQ_ENTRY(AuthorizeCall) entry;
        TAILQ_ENTRY(AuthorizeCall) at_polkit;
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
        Connection *connection;
        TAILQ_HEAD(, SenderQuestion)
        questions; /* those that are being asked come first, the others in order of arrival */
        unsigned n_questions, n_asked, n_calls;

        Polkit *polkit; /* NULL: only root and the owner may change something */
        TAILQ_HEAD(, AuthorizeCall) at_polkit;
        unsigned n_at_polkit;
        bool is_ending;
};

int authorizer_new(Authorizer **ret, Connection *c) {
        _cleanup_(authorizer_freep) Authorizer *a = calloc(1, sizeof(*a));
        int r;

        if (!a)
                return -ENOMEM;
        a->connection = c;
        TAILQ_INIT(&a->questions);
        TAILQ_INIT(&a->at_polkit);
        r = c->api->user_bus ? 0 : polkit_new(&a->polkit, c->bus);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(a);
        return 0;
}

static AuthorizeCall *authorize_call_free(AuthorizeCall *call) {
        if (!call)
                return NULL;
        sd_bus_message_unref(call->message);
        free(call->job);
        job_def_unref(call->def);
        return mfree(call);
}
DEFINE_CLEANUP(AuthorizeCall, authorize_call_free)

static AuthorizeCall *authorize_call_new(Authorizer *a, sd_bus_message *m, const Permission *p) {
        AuthorizeCall *call = calloc(1, sizeof(*call));

        if (!call)
                return NULL;
        *call = (AuthorizeCall){
                .authorizer = a,
                .message = sd_bus_message_ref(m),
                .permission = *p,
                .job = p->job ? strdup(p->job) : NULL,
                .def = p->def ? job_def_ref((JobDef *)p->def) : NULL,
        };
        if (p->job && !call->job)
                return authorize_call_free(call);
        call->permission.job = call->job;
        return call;
}

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

/* Takes a call out of the list of those that polkit is asked about. */
static AuthorizeCall *take_from_polkit(AuthorizeCall *call) {
        assert(call->authorizer->n_at_polkit > 0);
        TAILQ_REMOVE(&call->authorizer->at_polkit, call, at_polkit);
        call->authorizer->n_at_polkit--;
        return call;
}

Authorizer *authorizer_free(Authorizer *a) {
        SenderQuestion *q;
        AuthorizeCall *call;

        if (!a)
                return NULL;
        while ((q = TAILQ_FIRST(&a->questions)))
                question_free(q);
        polkit_free(a->polkit);
        while ((call = TAILQ_FIRST(&a->at_polkit)))
                authorize_call_free(take_from_polkit(call));
        return mfree(a);
}

unsigned authorizer_n_pending(const Authorizer *a) {
        return a->n_calls + a->n_at_polkit;
}

void authorizer_end(Authorizer *a) {
        a->is_ending = true;
        if (a->polkit)
                polkit_cancel_all(a->polkit);
}

static int refuse(sd_bus_error *e, const Permission *p) {
        return sd_bus_error_setf(e, ERROR_ACCESS_DENIED,
                                 "Only root and the user that vaktd runs as may do this%s%s%s.", p->action ? " (" : "",
                                 strempty(p->action), p->action ? ")" : "");
}

/* Sends the error, if there is one; what else there was to reply was sent. */
static void reply_error(sd_bus_message *m, int r, const sd_bus_error *e) {
        if (r >= 0 && !sd_bus_error_is_set(e))
                return;
        r = sd_bus_reply_method_errno(m, r, e);
        if (r < 0)
                log_debug_errno(r, "Cannot answer a client, ignoring: %m");
}

/* --- polkit --- */

/* The message for a caller that polkit does not permit the call to. */
static int refuse_by_polkit(const AuthorizeCall *call, PolkitAnswer answer, const char *detail, sd_bus_error *e) {
        static const struct {
                const char *error, *before, *after; /* of what was asked */
        } refusals[_POLKIT_ANSWER_MAX] = {
                [POLKIT_NO] = { ERROR_ACCESS_DENIED, "polkit does not permit this (", ")." },
                [POLKIT_CHALLENGE] = { SD_BUS_ERROR_INTERACTIVE_AUTHORIZATION_REQUIRED,
                                       "This requires authentication (",
                                       "), and no program on your side asks for a password." },
                [POLKIT_DISMISSED] = { ERROR_ACCESS_DENIED, "The authentication was dismissed (", ")." },
                [POLKIT_ABSENT] = { ERROR_ACCESS_DENIED, "Only root and the user that vaktd runs as may do this (",
                                    "), because polkit, which may permit it to others, cannot be asked: " },
                [POLKIT_SILENT] = { ERROR_ACCESS_DENIED, "Only root and the user that vaktd runs as may do this (",
                                    "), because polkit, which may permit it to others, does not answer." },
                [POLKIT_LEFT] = { ERROR_ACCESS_DENIED, "The caller has left the bus (", ")." },
                [POLKIT_ENDING] = { ERROR_SHUTTING_DOWN, "vaktd is shutting down (", "); try again when it is back." },
        };
        const Permission *p = &call->permission;

        return sd_bus_error_setf(e, refusals[answer].error, "%s%s%s%s%s%s", refusals[answer].before, p->action,
                                 p->job ? ", job " : "", strempty(p->job), refusals[answer].after,
                                 answer == POLKIT_ABSENT ? detail ?: "no reason is known" : "");
}

/* Whether the job of a call is still the one that was asked about. */
static bool is_same_job(const AuthorizeCall *call) {
        const Job *j;

        if (!call->permission.of_def)
                return true;
        j = job_table_get(manager_jobs(call->authorizer->connection->api->manager), call->job);
        if (!j || !j->def || !call->def)
                return !call->def && !(j && j->def);
        return j->def == call->def || j->def->digest == call->def->digest;
}

static void on_polkit(void *userdata, PolkitAnswer answer, const char *detail) {
        _cleanup_(authorize_call_freep) AuthorizeCall *call = take_from_polkit(userdata);
        _cleanup_(sd_bus_error_free) sd_bus_error e = SD_BUS_ERROR_NULL;
        const Permission *p = &call->permission;
        int r;

        if (answer != POLKIT_YES)
                r = refuse_by_polkit(call, answer, detail, &e);
        else if (!is_same_job(call))
                r = sd_bus_error_setf(
                        &e, ERROR_BUSY,
                        "Job '%s' was changed while polkit was asked about it; look at it, and try again.", call->job);
        else
                r = (p->next_by_polkit ?: p->next)(call->authorizer->connection, call->message, &e);
        reply_error(call->message, r, &e);
}

/* Takes the call over: it is of a user who is neither root nor the owner. */
static void ask_polkit(Authorizer *a, AuthorizeCall *taken, uid_t uid) {
        _cleanup_(authorize_call_freep) AuthorizeCall *call = taken;
        _cleanup_(sd_bus_error_free) sd_bus_error e = SD_BUS_ERROR_NULL;
        const PolkitQuestion question = {
                .sender = sd_bus_message_get_sender(call->message),
                .uid = uid,
                .action = call->permission.action,
                .job = call->job,
                .interactive = sd_bus_message_get_allow_interactive_authorization(call->message) > 0,
                .answered = on_polkit,
                .userdata = call,
        };
        int r;

        if (!a->polkit || !question.action)
                r = refuse(&e, &call->permission);
        else if (a->is_ending)
                r = refuse_by_polkit(call, POLKIT_ENDING, NULL, &e);
        else
                r = polkit_ask(a->polkit, &question);
        if (r >= 0 && !sd_bus_error_is_set(&e)) {
                TAILQ_INSERT_TAIL(&a->at_polkit, call, at_polkit);
                a->n_at_polkit++;
                (void)TAKE_PTR(call);
                return;
        }
        if (r == -ENOBUFS)
                (void)sd_bus_error_set(&e, ERROR_LIMIT_REACHED,
                                       "polkit is being asked about too many calls; wait for some replies first.");
        reply_error(call->message, r, &e);
}

/* --- the user of a sender --- */

/* Handles all calls of a sender, whose uid is now known or, UID_INVALID, unavailable. */
static void question_answer(SenderQuestion *q, uid_t uid) {
        Connection *c = q->connection;
        AuthorizeCall *next;

        while ((next = question_take_call(q))) {
                _cleanup_(authorize_call_freep) AuthorizeCall *call = next;
                _cleanup_(sd_bus_error_free) sd_bus_error e = SD_BUS_ERROR_NULL;
                int r;

                if (uid != UID_INVALID && !uid_is_privileged(c->api, uid)) {
                        ask_polkit(q->authorizer, TAKE_PTR(call), uid);
                        continue;
                }
                r = uid == UID_INVALID ? refuse(&e, &call->permission) : call->permission.next(c, call->message, &e);
                reply_error(call->message, r, &e);
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
                        question_answer(q, UID_INVALID);
        }
}

/* The reply of the bus: the user of the caller. */
static int on_user(sd_bus_message *reply, void *userdata, sd_bus_error *ret_error) {
        SenderQuestion *q = userdata;
        Authorizer *a = q->authorizer;
        uint32_t uid;

        if (sd_bus_message_is_method_error(reply, NULL) || sd_bus_message_read(reply, "u", &uid) < 0)
                uid = UID_INVALID;
        question_answer(q, uid);
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

static int ask_user(Connection *c, sd_bus_message *m, const Permission *p, sd_bus_error *e) {
        const char *sender = sd_bus_message_get_sender(m);
        Authorizer *a = c->authorizer;
        AuthorizeCall *call;
        SenderQuestion *q;

        if (!sender)
                return refuse(e, p);
        q = find_question(a, sender);
        if (is_too_much(a, q))
                return sd_bus_error_set(e, ERROR_LIMIT_REACHED,
                                        "Too many calls are waiting for authorisation; wait for some replies first.");
        call = authorize_call_new(a, m, p);
        if (!call)
                return -ENOMEM;
        q = q ?: add_question(c, sender);
        if (!q) {
                authorize_call_free(call);
                return -ENOMEM;
        }
        STAILQ_INSERT_TAIL(&q->calls, call, entry);
        q->n_calls++;
        a->n_calls++;
        authorizer_ask(a);
        return 1;
}

int authorize(Connection *c, sd_bus_message *m, const Permission *p, sd_bus_error *e) {
        assert(c);
        assert(m);
        assert(p->next);

        if (!c->is_peer)
                return ask_user(c, m, p, e);
        if (!uid_is_privileged(c->api, c->uid))
                return refuse(e, p);
        return p->next(c, m, e);
}
