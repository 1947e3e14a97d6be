#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The control socket: who may connect, how many of them, and the end. See org.vaktd1(5). */

#include "bus/peer.h"

#define DOOR_PEERS_MAX              512   /* connections on the whole */
#define DOOR_PEERS_OTHERS_MAX       448   /* of all but root and the daemon's user */
#define DOOR_PEERS_PER_UID_MAX      64    /* of one user … */
#define DOOR_PEERS_PRIVILEGED_MAX   256   /* … and of root or the daemon's user */
#define DOOR_SUBSCRIBED_PER_UID_MAX 16    /* that listen to signals, of one user but root and the daemon's */
#define DOOR_UNREAD_PER_UID_MAX     8     /* that leave answers unread, likewise, before the others wait */
#define DOOR_UNSENT_MAX             16384 /* signals that wait for all unprivileged peers together */
#define DOOR_IDLE_MAX               (5 * USEC_PER_MINUTE) /* when half of the connections are taken */
#define DOOR_DRAIN_MAX              (700 * USEC_PER_MSEC)
#define DOOR_DRAIN_QUIET            (100 * USEC_PER_MSEC)

typedef struct Listener Listener;

/* Listens on fd, which is the door's from here on, or, when fd is negative, on a socket that is made at path
 * (in a directory that is there) and removed at the end. Errors are logged: -EADDRINUSE another daemon serves path;
 * -ENOTSOCK, -EINVAL fd is no listening unix socket. */
int listener_new(Listener **ret, const ApiContext *api, int fd, const char *path);
Listener *listener_free(Listener *d);
DEFINE_CLEANUP(Listener, listener_free)

/* True when a peer listens to signals; and each of those. */
bool listener_has_audience(const Listener *d) _pure_;
void listener_each(Listener *d, void (*visit)(Connection *c, void *arg), void *arg);

/* Lets those go that leave the most signals unread, when it is too much. */
void listener_shed(Listener *d);

/* Accepts nobody from an inherited socket any more, serves each peer until it has asked something and been quiet for
 * DOOR_DRAIN_QUIET, at most for DOOR_DRAIN_MAX, closes all and calls done() from the loop. */
void listener_drain(Listener *d, void (*done)(void *userdata), void *userdata);
