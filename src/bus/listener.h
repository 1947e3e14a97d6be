#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The control socket: who may connect, how many of them, and the end. See org.vaktd1(5). */

#include "bus/peer.h"

#define LISTENER_PEERS_MAX              512   /* connections on the whole */
#define LISTENER_PEERS_OTHERS_MAX       448   /* of all but root and the daemon's user */
#define LISTENER_PEERS_PER_UID_MAX      64    /* of one user … */
#define LISTENER_PEERS_PRIVILEGED_MAX   256   /* … and of root or the user of the daemon */
#define LISTENER_SUBSCRIBED_PER_UID_MAX 16    /* that listen to signals, of one unprivileged user */
#define LISTENER_UNREAD_PER_UID_MAX     8     /* with unread replies, likewise, before the others wait */
#define LISTENER_UNSENT_MAX             16384 /* signals that wait for all unprivileged peers together */
#define LISTENER_IDLE_MAX               (5 * USEC_PER_MINUTE) /* when half of the connections are in use */
#define LISTENER_DRAIN_MAX              (700 * USEC_PER_MSEC)
#define LISTENER_DRAIN_QUIET            (100 * USEC_PER_MSEC)

typedef struct Listener Listener;

/* Listens on fd, which belongs to the listener from here on, or, if fd is negative, on a socket that is created at
 * path (in an existing directory) and removed at the end. Errors are logged: -EADDRINUSE another daemon serves path;
 * -ENOTSOCK, -EINVAL fd is not a listening unix socket. */
int listener_new(Listener **ret, const ApiContext *api, int fd, const char *path);
Listener *listener_free(Listener *d);
DEFINE_CLEANUP(Listener, listener_free)

/* Visits each peer that listens to signals. */
void listener_each(Listener *d, void (*visit)(Connection *c, void *arg), void *arg);

/* Drops the peers with the most unread signals, if there are too many. */
void listener_shed(Listener *d);

/* Accepts no further connection from an inherited socket, serves each peer until it has made a call and been quiet for
 * LISTENER_DRAIN_QUIET, for at most LISTENER_DRAIN_MAX, closes all and calls done() from the loop. */
void listener_drain(Listener *d, void (*done)(void *userdata), void *userdata);
