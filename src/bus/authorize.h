#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Who may change things: root and the user of the daemon. On the control socket the user is known from the start, on
 * the bus it is queried without blocking. See org.vaktd1(5). */

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

/* Calls next() now or later, or never and fills e. The result is to be returned from a method handler. m is kept while
 * the question is pending: the caller has ensured before that m is small. */
int authorize(Connection *c, sd_bus_message *m, const char *action, AuthorizedFunc next, sd_bus_error *e);

/* The pending questions of one bus connection. Freeing drops them, without an answer to the callers. */
int authorizer_new(Authorizer **ret);
Authorizer *authorizer_free(Authorizer *a);
DEFINE_CLEANUP(Authorizer, authorizer_free)
unsigned authorizer_n_pending(const Authorizer *a) _pure_;
