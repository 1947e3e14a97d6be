/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The subject of a question is the unique name of the caller, which the bus never gives to another client: polkit
 * looks up the process and the session behind it. A match for the end of that name is added first. The bus handles
 * both in order, so either polkit does not find the name any more, or we are told of its end and cancel the question.
 *
 * polkit is started by the bus if it is not running. See CheckAuthorization in the manual of
 * org.freedesktop.PolicyKit1.Authority. */

#include "bus/polkit.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/queue.h>

#include "util/log.h"

#define POLKIT_NAME      "org.freedesktop.PolicyKit1"
#define POLKIT_PATH      "/org/freedesktop/PolicyKit1/Authority"
#define POLKIT_INTERFACE "org.freedesktop.PolicyKit1.Authority"

#define FLAG_ALLOW_USER_INTERACTION UINT32_C(1)
#define CANCELLATION_ID_MAX         32
#define MATCH_MAX                   512 /* a name on a bus has at most 255 bytes */

typedef struct Pending {
        Polkit *polkit;
        uint64_t number;
        uid_t uid;
        void (*answered)(void *userdata, PolkitAnswer answer, const char *detail);
        void *userdata;
        sd_bus_slot *call, *gone;
        TAILQ_ENTRY(Pending) entry;
} Pending;

struct Polkit {
        sd_bus *bus;
        TAILQ_HEAD(, Pending) pending;
        unsigned n_pending;
        uint64_t last_number;
};

int polkit_new(Polkit **ret, sd_bus *bus) {
        Polkit *p = calloc(1, sizeof(*p));

        if (!p)
                return -ENOMEM;
        p->bus = bus;
        TAILQ_INIT(&p->pending);
        *ret = p;
        return 0;
}

static Pending *pending_free(Pending *q) {
        assert(q->polkit->n_pending > 0);
        TAILQ_REMOVE(&q->polkit->pending, q, entry);
        q->polkit->n_pending--;
        sd_bus_slot_unref(q->call);
        sd_bus_slot_unref(q->gone);
        return mfree(q);
}
DEFINE_CLEANUP(Pending, pending_free)

Polkit *polkit_free(Polkit *p) {
        Pending *q;

        if (!p)
                return NULL;
        while ((q = TAILQ_FIRST(&p->pending)))
                pending_free(q);
        return mfree(p);
}

/* The place is free again before the answer is given. */
static void pending_finish(Pending *q, PolkitAnswer answer, const char *detail) {
        void (*answered)(void *, PolkitAnswer, const char *) = q->answered;
        void *userdata = q->userdata;

        pending_free(q);
        answered(userdata, answer, detail);
}

static void cancellation_id(const Pending *q, char ret[static CANCELLATION_ID_MAX]) {
        (void)snprintf(ret, CANCELLATION_ID_MAX, "vaktd-%" PRIu64, q->number);
}

/* Closes the dialog, if there is one. No reply is requested. */
static void pending_cancel(const Pending *q) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        char id[CANCELLATION_ID_MAX];
        int r;

        cancellation_id(q, id);
        r = sd_bus_message_new_method_call(q->polkit->bus, &m, POLKIT_NAME, POLKIT_PATH, POLKIT_INTERFACE,
                                           "CancelCheckAuthorization");
        if (r >= 0)
                r = sd_bus_message_set_auto_start(m, false);
        if (r >= 0)
                r = sd_bus_message_append_basic(m, 's', id);
        if (r >= 0)
                r = sd_bus_send(q->polkit->bus, m, NULL);
        if (r < 0)
                log_debug_errno(r, "Cannot cancel a question to polkit, ignoring: %m");
}

void polkit_cancel_all(Polkit *p) {
        Pending *q;

        while ((q = TAILQ_FIRST(&p->pending))) {
                pending_cancel(q);
                pending_finish(q, POLKIT_ENDING, NULL);
        }
}

/* --- answers --- */

/* Of (bba{ss}). Negative errno: it cannot be read. */
static int read_answer(sd_bus_message *m) {
        int authorized, challenge, r;
        bool dismissed = false;
        const char *key;

        r = sd_bus_message_enter_container(m, 'r', "bba{ss}");
        if (r >= 0)
                r = sd_bus_message_read(m, "bb", &authorized, &challenge);
        if (r >= 0)
                r = sd_bus_message_enter_container(m, 'a', "{ss}");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_read(m, "{ss}", &key, NULL)) > 0)
                dismissed = dismissed || streq(key, "polkit.dismissed");
        if (r < 0)
                return r;
        return authorized ? POLKIT_YES : dismissed ? POLKIT_DISMISSED : challenge ? POLKIT_CHALLENGE : POLKIT_NO;
}

static int on_answer(sd_bus_message *m, void *userdata, sd_bus_error *reterr) {
        const sd_bus_error *e = sd_bus_message_get_error(m);
        Pending *q = userdata;
        int r;

        if (e && (sd_bus_error_has_name(e, SD_BUS_ERROR_NO_REPLY) || sd_bus_error_has_name(e, SD_BUS_ERROR_TIMEOUT))) {
                pending_cancel(q);
                pending_finish(q, POLKIT_SILENT, NULL);
                return 0;
        }
        r = e ? POLKIT_ABSENT : read_answer(m);
        pending_finish(q, r < 0 ? POLKIT_ABSENT : (PolkitAnswer)r, e ? e->message : r < 0 ? strerror(-r) : NULL);
        return 0;
}

static int on_caller_gone(sd_bus_message *m, void *userdata, sd_bus_error *reterr) {
        const char *new_owner;
        Pending *q = userdata;

        if (sd_bus_message_read(m, "sss", NULL, NULL, &new_owner) < 0 || !isempty(new_owner))
                return 0;
        pending_cancel(q);
        pending_finish(q, POLKIT_LEFT, NULL);
        return 0;
}

/* --- questions --- */

static bool is_full(const Polkit *p, uid_t uid) {
        unsigned n = 0;
        Pending *q;

        TAILQ_FOREACH(q, &p->pending, entry)
                n += q->uid == uid;
        return p->n_pending >= POLKIT_QUESTIONS_MAX || n >= POLKIT_QUESTIONS_PER_UID_MAX;
}

static int watch_caller(Pending *q, const char *sender) {
        char match[MATCH_MAX];

        (void)snprintf(match, sizeof(match),
                       "type='signal',sender='org.freedesktop.DBus',path='/org/freedesktop/DBus',"
                       "interface='org.freedesktop.DBus',member='NameOwnerChanged',arg0='%s'",
                       sender);
        return sd_bus_add_match_async(q->polkit->bus, &q->gone, match, on_caller_gone, NULL, q);
}

static int append_question(sd_bus_message *m, const Pending *q, const PolkitQuestion *question) {
        char id[CANCELLATION_ID_MAX];
        int r;

        cancellation_id(q, id);
        r = sd_bus_message_append(m, "(sa{sv})s", "system-bus-name", 1, "name", "s", question->sender,
                                  question->action);
        if (r >= 0)
                r = question->job ? sd_bus_message_append(m, "a{ss}", 1, "job", question->job)
                                  : sd_bus_message_append(m, "a{ss}", 0);
        return r < 0 ? r : sd_bus_message_append(m, "us", question->interactive ? FLAG_ALLOW_USER_INTERACTION : 0, id);
}

int polkit_ask(Polkit *p, const PolkitQuestion *question) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        _cleanup_(pending_freep) Pending *q = NULL;
        int r;

        if (is_full(p, question->uid))
                return -ENOBUFS;
        q = calloc(1, sizeof(*q));
        if (!q)
                return -ENOMEM;
        *q = (Pending){
                .polkit = p,
                .number = ++p->last_number,
                .uid = question->uid,
                .answered = question->answered,
                .userdata = question->userdata,
        };
        TAILQ_INSERT_TAIL(&p->pending, q, entry);
        p->n_pending++;
        r = watch_caller(q, question->sender);
        if (r >= 0)
                r = sd_bus_message_new_method_call(p->bus, &m, POLKIT_NAME, POLKIT_PATH, POLKIT_INTERFACE,
                                                   "CheckAuthorization");
        if (r >= 0)
                r = append_question(m, q, question);
        if (r >= 0)
                r = sd_bus_call_async(p->bus, &q->call, m, on_answer, q,
                                      question->interactive ? POLKIT_TIMEOUT_INTERACTIVE : POLKIT_TIMEOUT);
        if (r < 0)
                return r;
        (void)TAKE_PTR(q);
        return 0;
}
