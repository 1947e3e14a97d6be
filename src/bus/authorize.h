#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Who may change things: root and the user of the daemon, and on the system bus the users to whom polkit permits it.
 * On the control socket the user is known from the start, on a bus it is queried without blocking. See org.vaktd1(5).
 */

#include <systemd/sd-bus.h>

#include "bus/connection.h"

#define ACTION_MANAGE "org.vaktd1.manage"
#define ACTION_RUN    "org.vaktd1.run"

#define AUTHORIZE_ASKED_MAX      120  /* pending questions: dbus-daemon allows one connection 128 of them */
#define AUTHORIZE_SENDERS_MAX    4096 /* that wait for an answer; a bus allows each user 256 connections or so */
#define AUTHORIZE_PER_SENDER_MAX 16   /* calls, while there are fewer than … */
#define AUTHORIZE_CALLS_MAX      4096 /* … on the whole; then a sender may have one */

/* What to do when the call is allowed. m has not been read; the function sends the reply, or fills e and returns a
 * negative errno. */
typedef int (*AuthorizedFunc)(Connection *c, sd_bus_message *m, sd_bus_error *e);

/* What a call needs. */
typedef struct Permission {
        const char *action; /* of polkit; NULL: root and the user of the daemon only. A constant. */
        const char *job;    /* that it is about, as polkit is told; NULL: all of them */
        const JobDef
                *def; /* of_def: the definition of that job, or NULL while it has none. A call that polkit permits */
        bool of_def;  /* … is refused if the job has another one by then */
        AuthorizedFunc next;
        AuthorizedFunc next_by_polkit; /* instead of next for users who are permitted by polkit; NULL: next */
} Permission;

/* Calls next() now or later, or never and fills e. The result is to be returned from a method handler. m is kept while
 * the question is pending: the caller has ensured before that m is small, or that action is NULL. */
int authorize(Connection *c, sd_bus_message *m, const Permission *p, sd_bus_error *e);

/* The pending questions of one bus connection. Freeing drops them, without an answer to the callers. */
int authorizer_new(Authorizer **ret, Connection *c);
Authorizer *authorizer_free(Authorizer *a);
DEFINE_CLEANUP(Authorizer, authorizer_free)
unsigned authorizer_n_pending(const Authorizer *a) _pure_;

/* Refuses what polkit has not answered yet, and whatever it would have to be asked from now on. */
void authorizer_end(Authorizer *a);
