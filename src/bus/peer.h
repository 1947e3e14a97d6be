#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* One client of the control socket: the gate in front of its sd-bus object, back-pressure, deadlines, match rules. */

#include <sys/socket.h>

#include "bus/connection.h"

#define PEER_MESSAGE_MAX           ((size_t)1024 * 1024) /* bytes of a message of root or the daemon's user */
#define PEER_MESSAGE_MAX_OTHERS    ((size_t)64 * 1024)   /* of anybody else */
#define PEER_RULES_MAX             64
#define PEER_SEND_BUFFER_OTHERS    (128 * 1024) /* bytes in the kernel, where sd-bus takes 8 MiB if it may */
#define PEER_UNSENT_MAX            4096         /* signals that wait for a peer that does not read them */
#define PEER_UNSENT_MAX_PRIVILEGED 65536        /* of root or the daemon's user */
#define PEER_PARTIAL_TIMEOUT       (10 * USEC_PER_SEC)
#define PEER_UNREAD_TIMEOUT        (30 * USEC_PER_SEC)

typedef struct Peer Peer;

/* What a peer needs of the door that it came through. */
typedef struct PeerHost {
        /* The peer waits for something that the loop tells nobody of: peer_check() it after every event from now on,
         * while peer_is_busy(). */
        void (*busy)(void *userdata, Peer *p);
        /* The peer is done with and to be freed from the loop. why: a phrase for the log, or NULL when it just left.
         */
        void (*dropped)(void *userdata, Peer *p, const char *why);
        /* Whether its next message may be worked on now: 0: it has to wait for others of its user; else the number of
         * its turn, which grows. */
        uint64_t (*may_serve)(void *userdata, const Peer *p);
        /* It begins (true) or stops to listen to signals. -ENOBUFS when too many of its user do. */
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

/* Takes the socket over when it succeeds. */
int peer_new(Peer **ret, int fd, const PeerParameters *parameters);
Peer *peer_free(Peer *p);
DEFINE_CLEANUP(Peer, peer_free)

Connection *peer_connection(Peer *p);
const struct ucred *peer_ucred(const Peer *p) _pure_;
const char *peer_name(const Peer *p) _pure_;
const char *peer_server_id(const Peer *p) _pure_;

bool peer_is_dropped(const Peer *p) _pure_;
bool peer_is_busy(const Peer *p) _pure_;
bool peer_is_at_work(const Peer *p) _pure_; /* sd-bus has not handled what it was given */
bool peer_waits(const Peer *p) _pure_;      /* for may_serve() */
uint64_t peer_turn(const Peer *p) _pure_;   /* of its last message */
bool peer_is_subscribed(const Peer *p) _pure_;
bool peer_is_privileged(const Peer *p) _pure_;
uint64_t peer_n_unsent(const Peer *p); /* messages that it has not taken yet */

/* True when nothing of it is under way: no part of a message, no call, nothing unread. */
bool peer_is_quiet(const Peer *p);

/* True when it said more than Hello: what it came for is answered when it is quiet. */
bool peer_has_asked(const Peer *p) _pure_;

/* True when it left and nothing of it is under way, which the loop has not come to see yet. */
bool peer_has_left(const Peer *p);

/* Of CLOCK_MONOTONIC, µs: when bytes came from it last. */
usec_t peer_last_active(const Peer *p) _pure_;

/* Looks whether its message is handled, before any peer is checked. */
void peer_settle(Peer *p);

/* Goes on with what waited, if it can now. */
void peer_check(Peer *p);

/* Gives it up; it is freed later. why as in PeerHost.dropped. */
void peer_drop(Peer *p, const char *why);

/* -ENOBUFS: it has PEER_RULES_MAX, or too many peers of its user listen; and as match_rule_new(). */
int peer_add_rule(Peer *p, const char *text);
/* -ENOENT: there is no such rule. */
int peer_remove_rule(Peer *p, const char *text);

/* org.freedesktop.DBus as a bus would offer it, on a peer. */
int peer_driver_add(Peer *p);
