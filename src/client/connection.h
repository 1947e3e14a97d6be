#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The connection to the daemon: its control socket if it exists, otherwise the bus; of another machine always the bus.
 * It survives a restart of the daemon: a call that only reads is sent again on a new connection, and never starts a
 * daemon; a call that changes something is never sent twice. What the daemon refuses to this user on the socket is
 * sent on the system bus instead, where polkit may permit it. */

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
        bool changes;   /* may start the daemon; not sent again when the connection is lost */
        bool once;      /* never sent again */
        usec_t timeout; /* µs; 0: that of connection_set_patience(), or what a person needs to type a password */
        /* Appends arguments that a list of types cannot describe; then no types are given. Negative errno. */
        int (*append)(sd_bus_message *m, const void *userdata);
        const void *userdata;
} MethodCall;

/* Does not connect before the first call. program: the name of the caller in messages and on a bus, valid as long as
 * the connection. socket: only this one, or NULL: the default one of the system or user instance, then the bus. 0 or
 * -ENOMEM. */
int connection_new(const char *program, bool user, const char *socket, Connection **ret);
Connection *connection_free(Connection *c);
DEFINE_CLEANUP(Connection, connection_free)

/* Before the first call: talks to the daemon of another machine, or to that of a user there. The bus of a host is
 * reached over ssh, that of a container directly: names as sd_bus_open_system_remote(3) and
 * sd_bus_open_system_machine(3) take them. One of the two is NULL. -EOPNOTSUPP: a user's daemon of a host; -ENOMEM. */
int connection_set_remote(Connection *c, const char *host, const char *machine);

/* Lets polkit ask the user for a password, for at most two minutes a call. prepare() is called before each call that
 * changes something on the system bus of this machine; both may be NULL, for no questions. */
void connection_set_interaction(Connection *c, void (*prepare)(void *userdata), void *userdata);

/* How long a call waits for a reply, and how long it tries to connect again: for a program with a screen, which shows
 * nothing else meanwhile. 0: 25 s and 10 s. */
void connection_set_patience(Connection *c, usec_t patience);

/* What is connected, or NULL. */
sd_bus *connection_bus(Connection *c);

/* Called with each new connection before anything else is sent on it, the first one and later ones: the place to
 * subscribe to signals. A negative errno fails the connection. */
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

/* The path of the control socket, also while a bus is used instead. */
const char *connection_socket(const Connection *c) _pure_;

/* True if the connection is one to a bus, on which the daemon comes and goes. */
bool connection_is_bus(const Connection *c);

/* True if a signal was sent by the daemon that answered last: on a bus, any client may send one. */
bool connection_sent_by_daemon(const Connection *c, sd_bus_message *signal);

/* Both fill in reterr and return a negative errno, for a reply that the caller reads: no memory, and any other error
 * of reading it. */
int connection_no_memory(sd_bus_error *reterr);
int connection_bad_answer(const Connection *c, const MethodCall *call, int error, sd_bus_error *reterr);
