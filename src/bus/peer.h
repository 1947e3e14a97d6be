#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* One client of the control socket: the gate in front of its sd-bus object, back-pressure, deadlines, match rules. */

#include <sys/socket.h>

#include "bus/connection.h"

#define PEER_MESSAGE_MAX           ((size_t)1024 * 1024) /* bytes of a message of root or the daemon's user */
#define PEER_MESSAGE_MAX_OTHERS    ((size_t)64 * 1024)   /* of anybody else */
#define PEER_RULES_MAX             64
#define PEER_SEND_BUFFER_OTHERS    (128 * 1024) /* bytes in the kernel, where sd-bus would use 8 MiB */
#define PEER_UNSENT_MAX            4096         /* signals that wait for a peer that does not read them */
#define PEER_UNSENT_MAX_PRIVILEGED 65536        /* of root or the daemon's user */
#define PEER_PARTIAL_TIMEOUT       (10 * USEC_PER_SEC)
#define PEER_UNREAD_TIMEOUT        (30 * USEC_PER_SEC)

typedef struct Peer Peer;

/* What a peer needs from its listener. */
typedef struct PeerHost {
        /* The peer waits for something that causes no event: call peer_check() after every event from now on, while
         * peer_is_busy(). */
        void (*busy)(void *userdata, Peer *p);
        /* The peer is finished and to be freed from the loop. why: a phrase for the log, or NULL if it just
         * disconnected. */
        void (*dropped)(void *userdata, Peer *p, const char *why);
        /* Whether its next message may be processed now: 0: it has to wait for others of its user; otherwise the
         * number of its turn, which grows. */
        uint64_t (*may_serve)(void *userdata, const Peer *p);
        /* It starts (true) or stops listening to signals. -ENOBUFS if too many peers of its user do. */
        int (*subscribe)(void *userdata, const Peer *p, bool on);
        void *userdata;
} PeerHost;

typedef struct PeerParameters {
        const ApiContext *api;
        const PeerHost *host;
        struct ucred ucred;
        sd_id128_t server_id;
        uint64_t number; /* its unique name is ":1.NUMBER" */
} PeerParameters;

/* Takes over the socket if it succeeds. */
int peer_new(Peer **ret, int fd, const PeerParameters *parameters);
Peer *peer_free(Peer *p);
DEFINE_CLEANUP(Peer, peer_free)

Connection *peer_connection(Peer *p);
const struct ucred *peer_ucred(const Peer *p) _pure_;
const char *peer_name(const Peer *p) _pure_;
const char *peer_server_id(const Peer *p) _pure_;

bool peer_is_dropped(const Peer *p) _pure_;
bool peer_is_busy(const Peer *p) _pure_;
bool peer_is_at_work(const Peer *p) _pure_; /* sd-bus has not handled its input */
bool peer_waits(const Peer *p) _pure_;      /* for may_serve() */
uint64_t peer_turn(const Peer *p) _pure_;   /* of its last message */
bool peer_is_subscribed(const Peer *p) _pure_;
bool peer_is_privileged(const Peer *p) _pure_;
uint64_t peer_n_unsent(const Peer *p); /* messages that it has not read yet */

/* True if nothing is pending: no part of a message, no call, nothing unread. */
bool peer_is_quiet(const Peer *p);

/* True if it sent more than Hello: its call is answered when it is quiet. */
bool peer_has_asked(const Peer *p) _pure_;

/* True if it has disconnected and nothing is pending, which the loop has not noticed yet. */
bool peer_has_left(const Peer *p);

/* When bytes from it last arrived, µs of CLOCK_MONOTONIC. */
usec_t peer_last_active(const Peer *p) _pure_;

/* Checks whether its message is handled, before any peer is checked. */
void peer_settle(Peer *p);

/* Continues with what waited, if it can now. */
void peer_check(Peer *p);

/* Drops it; it is freed later. why as in PeerHost.dropped. */
void peer_drop(Peer *p, const char *why);

/* -ENOBUFS: it has PEER_RULES_MAX, or too many peers of its user listen; and the errors of match_rule_new(). */
int peer_add_rule(Peer *p, const char *text);
/* -ENOENT: there is no such rule. */
int peer_remove_rule(Peer *p, const char *text);

/* org.freedesktop.DBus as on a bus, for a peer. */
int peer_driver_add(Peer *p);
