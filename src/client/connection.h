#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The way to the daemon: its control socket when it is there, else the bus. Survives a restart of the daemon: what
 * only reads is asked again on a new connection, and never starts a daemon; what changes something is never sent
 * twice. */

#include <systemd/sd-bus.h>

#include "util/clock.h"
#include "util/macro.h"

#define VAKTD_NAME    "org.vaktd1"
#define VAKTD_PATH    "/org/vaktd1"
#define VAKTD_MANAGER "org.vaktd1.Manager"
#define VAKTD_JOB     "org.vaktd1.Job"
#define VAKTD_RUN     "org.vaktd1.Run"

typedef struct Connection Connection;

typedef struct MethodCall {
        const char *path;      /* NULL: VAKTD_PATH */
        const char *interface; /* NULL: VAKTD_MANAGER */
        const char *member;
        bool changes;   /* may start the daemon; not sent again when the connection breaks */
        bool once;      /* not sent again, whatever happens */
        usec_t timeout; /* µs; 0: 25 s */
        /* Appends the arguments that no list of types describes; then no types are given. Negative errno. */
        int (*append)(sd_bus_message *m, const void *userdata);
        const void *userdata;
} MethodCall;

/* Nothing is connected before the first call. program: what the caller is called in messages and by a bus, valid as
 * long as the connection. socket: this one and nothing else, or NULL: the usual one of the system or user instance,
 * then the bus. 0 or -ENOMEM. */
int connection_new(const char *program, bool user, const char *socket, Connection **ret);
Connection *connection_free(Connection *c);
DEFINE_CLEANUP(Connection, connection_free)

/* What is connected, or NULL. */
sd_bus *connection_bus(Connection *c);

/* To be called with each new connection before anything else is sent on it, the first one and later ones: where
 * signals are subscribed to. A negative errno fails the connection. */
typedef int (*ConnectionOpened)(sd_bus *bus, void *userdata);
void connection_on_open(Connection *c, ConnectionOpened opened, void *userdata);

/* Calls a method; types and what follows as sd_bus_message_append(3) takes them. ret may be NULL. reterr: not set yet;
 * on failure its message is a whole message for a person, and its name the daemon's own error where it sent one.
 * Every function of client/ that takes a reterr fails so, with one of these errors:
 *
 * -ENOENT: there is no such job or run; -EINVAL: an argument is refused; -EACCES: it is not permitted;
 * -EHOSTDOWN: there is no daemon; -ESHUTDOWN: it is ending; -ECONNRESET: the connection breaks each time;
 * -ECONNABORTED: the connection broke under a call that changes something, and whether it was done is not known;
 * -ETIMEDOUT: no answer in time; -EOPNOTSUPP: the daemon does not know the method; -EBADMSG: the answer cannot be
 * read; -ENOMEM; -EIO: whatever else the daemon has against it. */
int connection_call(Connection *c, const MethodCall *call, sd_bus_error *reterr, sd_bus_message **ret,
                    const char *types, ...);
int connection_callv(Connection *c, const MethodCall *call, sd_bus_error *reterr, sd_bus_message **ret,
                     const char *types, va_list ap);

/* True when what is connected is a bus, on which the daemon comes and goes. */
bool connection_is_bus(const Connection *c);

/* True when a signal was sent by the daemon that answered last: on a bus, anybody may send one. */
bool connection_sent_by_daemon(const Connection *c, sd_bus_message *signal);

/* Both fill in reterr and return a negative errno, for an answer that is read by the caller: no memory, and any other
 * error of reading it. */
int connection_no_memory(sd_bus_error *reterr);
int connection_bad_answer(const Connection *c, const MethodCall *call, int error, sd_bus_error *reterr);
