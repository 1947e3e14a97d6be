/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A peer of the control socket. Its bytes come to us first: the gate (gate.c) frames them, and one whole message at a
 * time goes on through a socketpair to the sd-bus object, which writes its answers straight to the peer.
 *
 *     peer ──read──> gate ──feed_fd──socketpair──> sd_bus ──write──> peer
 *
 * The next message is passed on only when sd-bus has handled the one before and the peer has taken its answer, so a
 * peer that does not read is not served, and what it makes us hold is one answer. sd-bus does not tell when it is
 * done; so while a peer is busy it is looked at after each event of the loop (a post source of the listener), which
 * costs nothing in a loop that sleeps.
 *
 * The credentials that sd-bus sees are those of the socketpair, our own. Nothing may rely on them: who the peer is was
 * asked of its socket when it came, and stands in Connection.uid.
 *
 * A deadline is armed only while the peer owes us something, the rest of a message or the reading of an answer. */

#include "bus/peer.h"

#include <fcntl.h>
#include <linux/sockios.h>
#include <poll.h>
#include <sys/ioctl.h>

#include "bus/follow.h"
#include "bus/gate.h"
#include "util/log.h"

#define UNITS_BEFORE_ASKING 2 /* the handshake and Hello */

/* What a peer owes us, which its timer waits for. */
typedef enum Debt {
        DEBT_NONE,
        DEBT_INPUT,   /* the rest of the handshake or of a message */
        DEBT_READING, /* taking what we wrote */
} Debt;

struct Peer {
        Connection connection; /* first, so that a Connection of a peer is the peer */
        const PeerHost *host;
        struct ucred ucred;
        char name[32];
        char server_id[SD_ID128_STRING_MAX];
        int fd;      /* the socket of the peer; sd-bus writes to a duplicate */
        int feed_fd; /* our end of the socketpair */
        sd_event_source *io, *feed_io, *timer;
        Gate *gate;
        bool end_of_file;
        bool busy;  /* sd-bus has a message, or its reply is unread, or … */
        bool waits; /* … a message waits for other peers of the user */
        bool at_work;
        uint64_t turn;
        bool dropped;
        usec_t last_active;

        Debt debt;
        uint64_t debt_unit;   /* DEBT_INPUT: gate_n_units() when the timer was armed */
        uint64_t debt_unsent; /* DEBT_READING: messages unsent then … */
        uint64_t debt_n_sent; /* … and n_sent then */
        uint64_t n_sent;      /* signals sent */

        MatchRule *rules[PEER_RULES_MAX];
        size_t n_rules;
};

static Peer *peer_of(Connection *c) {
        assert(c->is_peer);
        return (Peer *)c;
}

void peer_drop(Peer *p, const char *why) {
        if (p->dropped)
                return;
        p->dropped = true;
        (void)sd_event_source_set_enabled(p->io, SD_EVENT_OFF);
        (void)sd_event_source_set_enabled(p->feed_io, SD_EVENT_OFF);
        (void)sd_event_source_set_enabled(p->timer, SD_EVENT_OFF);
        p->host->dropped(p->host->userdata, p, why);
}

/* Our own problem with a peer, such as no memory, ends it as well. */
static void peer_fail(Peer *p, int error) {
        char why[128];

        if (error == -EBADMSG)
                peer_drop(p, "it does not speak D-Bus");
        else if (error == -EMSGSIZE)
                peer_drop(p, "it sent a message that is too large");
        else {
                errno = abs(error);
                (void)snprintf(why, sizeof(why), "%m");
                peer_drop(p, why);
        }
}

/* --- deadlines --- */

static Debt peer_debt(const Peer *p) {
        if (connection_n_unsent(&p->connection) > 0)
                return DEBT_READING;
        if (p->waits)
                return DEBT_NONE;
        return gate_is_partial(p->gate) || sd_bus_is_ready(p->connection.bus) <= 0 ? DEBT_INPUT : DEBT_NONE;
}

/* True if the peer has made progress since the timer was armed. Replies of sd-bus meanwhile are not counted, so this
 * is too strict only while a reply is unread, which is what it is about. */
static bool peer_has_progressed(const Peer *p, Debt debt) {
        uint64_t unsent = connection_n_unsent(&p->connection);

        if (debt != p->debt)
                return true;
        if (debt == DEBT_INPUT)
                return gate_n_units(p->gate) != p->debt_unit;
        return unsent < p->debt_unsent + (p->n_sent - p->debt_n_sent);
}

/* Starts the timer for what the peer owes now. */
static void peer_arm_timer(Peer *p, Debt debt) {
        int r;

        p->debt = debt;
        p->debt_unit = gate_n_units(p->gate);
        p->debt_unsent = connection_n_unsent(&p->connection);
        p->debt_n_sent = p->n_sent;
        if (debt == DEBT_NONE) {
                (void)sd_event_source_set_enabled(p->timer, SD_EVENT_OFF);
                return;
        }
        r = sd_event_source_set_time_relative(p->timer,
                                              debt == DEBT_INPUT ? PEER_PARTIAL_TIMEOUT : PEER_UNREAD_TIMEOUT);
        if (r >= 0)
                r = sd_event_source_set_enabled(p->timer, SD_EVENT_ONESHOT);
        if (r < 0)
                peer_fail(p, r);
}

/* To be called whenever the debt may have changed. */
static void peer_update_timer(Peer *p) {
        Debt debt = peer_debt(p);

        if (debt != p->debt || (debt != DEBT_NONE && peer_has_progressed(p, debt)))
                peer_arm_timer(p, debt);
}

static int on_timer(sd_event_source *s, uint64_t usec, void *userdata) {
        Peer *p = userdata;
        Debt debt = peer_debt(p);

        if (debt == DEBT_NONE || peer_has_progressed(p, debt))
                peer_arm_timer(p, debt);
        else
                peer_drop(p, debt == DEBT_INPUT ? "it did not finish a message" : "it does not read its replies");
        return 0;
}

/* --- from the gate to sd-bus --- */

static void peer_set_busy(Peer *p) {
        if (p->busy)
                return;
        p->busy = true;
        p->host->busy(p->host->userdata, p);
}

/* True while the replies of sd-bus to the handshake are not written, which it does before it ends the handshake. */
static bool peer_answers_handshake(const Peer *p) {
        return sd_bus_is_ready(p->connection.bus) <= 0 && (sd_bus_get_events(p->connection.bus) & POLLOUT) != 0;
}

/* True if sd-bus has read and handled everything that it was given. */
static bool peer_bus_is_idle(const Peer *p) {
        uint64_t n_read;
        int n_fed;

        if (sd_event_source_get_enabled(p->feed_io, NULL) > 0 || peer_answers_handshake(p))
                return false;
        if (ioctl(p->feed_fd, SIOCOUTQ, &n_fed) < 0 || n_fed > 0)
                return false;
        return sd_bus_get_n_queued_read(p->connection.bus, &n_read) >= 0 && n_read == 0;
}

void peer_settle(Peer *p) {
        if (!p->dropped && p->at_work && peer_bus_is_idle(p))
                p->at_work = false;
}

/* Passes on as much of the unit as the socketpair accepts. */
static int peer_feed(Peer *p, const void *unit, size_t n) {
        ssize_t k = send(p->feed_fd, unit, n, MSG_DONTWAIT | MSG_NOSIGNAL);

        if (k < 0 && errno != EAGAIN && errno != EINTR)
                return -errno;
        if (k > 0)
                gate_consume(p->gate, (size_t)k);
        return sd_event_source_set_enabled(p->feed_io, k < 0 || (size_t)k < n ? SD_EVENT_ON : SD_EVENT_OFF);
}

/* Nothing is left to pass on: wait for more, or the peer is done. */
static int peer_want_input(Peer *p) {
        if (p->end_of_file) {
                peer_drop(p, !gate_in_handshake(p->gate) && gate_is_partial(p->gate)
                                     ? "it disconnected in the middle of a message"
                                     : NULL);
                return 0;
        }
        return sd_event_source_set_enabled(p->io, SD_EVENT_ON);
}

/* The one step of the state machine: passes a unit on if there is one and it may, otherwise waits for input. */
static int peer_advance(Peer *p) {
        const void *unit;
        uint64_t turn;
        size_t n;
        int r;

        r = gate_unit(p->gate, &unit, &n);
        if (r < 0)
                return r;
        if (n == 0)
                return peer_want_input(p);
        peer_set_busy(p);
        turn = p->host->may_serve(p->host->userdata, p);
        p->waits = turn == 0;
        if (p->waits)
                return 0;
        assert(!p->at_work); /* sd-bus has one message at most */
        p->turn = turn;
        p->at_work = true;
        return peer_feed(p, unit, n);
}

/* 1 if the peer is ready for the next step. -EBADMSG if sd-bus considers the handshake finished and the gate does not,
 * or vice versa: after a BEGIN that sd-bus refuses, it would treat what the gate frames as messages as handshake, with
 * a BEGIN wherever the peer likes, and nothing after that would be bounded. */
static int peer_finish_unit(Peer *p) {
        peer_settle(p);
        if (p->at_work || connection_n_unsent(&p->connection) > 0)
                return 0;
        if ((sd_bus_is_ready(p->connection.bus) > 0) == gate_in_handshake(p->gate))
                return -EBADMSG;
        p->busy = false;
        return 1;
}

void peer_check(Peer *p) {
        int r = 0;

        if (p->dropped || !p->busy)
                return;
        if (sd_bus_is_open(p->connection.bus) <= 0)
                peer_drop(p, NULL);
        else
                r = peer_finish_unit(p);
        if (r > 0)
                r = peer_advance(p);
        if (r < 0)
                peer_fail(p, r);
        if (!p->dropped)
                peer_update_timer(p);
}

static int on_feed_writable(sd_event_source *s, int fd, uint32_t events, void *userdata) {
        Peer *p = userdata;
        const void *unit;
        size_t n;
        int r;

        r = gate_unit(p->gate, &unit, &n);
        if (r >= 0)
                r = n > 0 ? peer_feed(p, unit, n) : sd_event_source_set_enabled(p->feed_io, SD_EVENT_OFF);
        if (r < 0)
                peer_fail(p, r);
        return 0;
}

/* --- from the peer to the gate --- */

static int peer_read(Peer *p) {
        size_t space;
        void *to;
        ssize_t k;
        int r;

        r = gate_space(p->gate, &to, &space);
        if (r < 0)
                return r;
        k = recv(p->fd, to, space, MSG_DONTWAIT);
        if (k < 0 && (errno == EAGAIN || errno == EINTR))
                return 0;
        if (k < 0 && errno != ECONNRESET)
                return -errno;
        if (k <= 0)
                p->end_of_file = true;
        else
                (void)sd_event_now(p->connection.api->event, CLOCK_MONOTONIC, &p->last_active);
        r = gate_commit(p->gate, k > 0 ? (size_t)k : 0);
        return r < 0 ? r : peer_advance(p);
}

static int on_readable(sd_event_source *s, int fd, uint32_t events, void *userdata) {
        Peer *p = userdata;
        int r;

        if (p->busy) /* switched on again by peer_want_input(); otherwise a closed peer would wake us without end */
                r = sd_event_source_set_enabled(s, SD_EVENT_OFF);
        else
                r = peer_read(p);
        if (r < 0)
                peer_fail(p, r);
        if (!p->dropped)
                peer_update_timer(p);
        return 0;
}

/* --- signals to the peer --- */

static bool peer_wants(Connection *c, const MatchSubject *s) {
        const Peer *p = peer_of(c);

        if (p->dropped)
                return false;
        for (size_t i = 0; i < p->n_rules; i++)
                if (match_rule_matches(p->rules[i], s))
                        return true;
        return false;
}

static void peer_sent(Connection *c) {
        Peer *p = peer_of(c);
        uint64_t unsent = connection_n_unsent(c);

        p->n_sent++;
        if (unsent == 0 || p->dropped)
                return;
        peer_set_busy(p);
        if (unsent > (peer_is_privileged(p) ? PEER_UNSENT_MAX_PRIVILEGED : PEER_UNSENT_MAX))
                peer_drop(p, "it does not read its signals");
}

int peer_add_rule(Peer *p, const char *text) {
        _cleanup_(match_rule_freep) MatchRule *rule = NULL;
        int r;

        if (p->dropped || p->n_rules == PEER_RULES_MAX)
                return -ENOBUFS;
        r = match_rule_new(&rule, text);
        if (r < 0)
                return r;
        if (p->n_rules == 0) {
                r = p->host->subscribe(p->host->userdata, p, /* on= */ true);
                if (r < 0)
                        return r;
        }
        assert(p->n_rules < PEER_RULES_MAX);
        p->rules[p->n_rules++] = TAKE_PTR(rule);
        return 0;
}

int peer_remove_rule(Peer *p, const char *text) {
        for (size_t i = 0; i < p->n_rules; i++) {
                if (!streq(match_rule_text(p->rules[i]), text))
                        continue;
                match_rule_free(p->rules[i]);
                p->rules[i] = p->rules[--p->n_rules];
                if (p->n_rules == 0 && !p->dropped)
                        (void)p->host->subscribe(p->host->userdata, p, /* on= */ false);
                return 0;
        }
        return -ENOENT;
}

/* --- life --- */

static int on_disconnected(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        peer_drop(userdata, NULL);
        return 0;
}

/* Creates the socketpair and the sd-bus object behind it. */
static int peer_open_bus(Peer *p, sd_id128_t server_id) {
        _cleanup_(sd_bus_unrefp) sd_bus *bus = NULL;
        _cleanup_close_ int input = -EBADF, output = -EBADF;
        int pair[2], r;

        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
                return -errno;
        p->feed_fd = pair[0];
        input = pair[1];
        output = fcntl(p->fd, F_DUPFD_CLOEXEC, 3);
        if (output < 0)
                return -errno;
        r = sd_bus_new(&bus);
        if (r < 0)
                return r;
        (void)sd_bus_set_description(bus, "peer");
        r = sd_bus_set_fd(bus, input, output);
        if (r < 0)
                return r;
        (void)TAKE_FD(input);
        (void)TAKE_FD(output);
        p->connection.bus = TAKE_PTR(bus);
        r = sd_bus_set_server(p->connection.bus, true, server_id);
        if (r >= 0)
                r = sd_bus_set_anonymous(p->connection.bus, true);
        if (r >= 0)
                r = sd_bus_negotiate_fds(p->connection.bus, false);
        return r < 0 ? r : sd_bus_set_sender(p->connection.bus, ":1.0");
}

static int peer_start_bus(Peer *p) {
        Connection *c = &p->connection;
        int r;

        r = sd_bus_start(c->bus);
        if (r < 0)
                return r;
        if (!peer_is_privileged(p)) {
                int size = PEER_SEND_BUFFER_OTHERS;

                if (setsockopt(p->fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)) < 0)
                        return -errno;
        }
        r = sd_bus_match_signal(c->bus, NULL, "org.freedesktop.DBus.Local", "/org/freedesktop/DBus/Local",
                                "org.freedesktop.DBus.Local", "Disconnected", on_disconnected, p);
        if (r >= 0)
                r = connection_add_api(c);
        if (r >= 0)
                r = peer_driver_add(p);
        if (r >= 0)
                r = sd_bus_attach_event(c->bus, c->api->event, SD_EVENT_PRIORITY_NORMAL);
        return r < 0 ? r : sd_bus_set_close_on_exit(c->bus, false);
}

static int peer_add_sources(Peer *p) {
        sd_event *event = p->connection.api->event;
        int r;

        r = sd_event_add_io(event, &p->io, p->fd, EPOLLIN, on_readable, p);
        if (r < 0)
                return r;
        (void)sd_event_source_set_description(p->io, "peer-input");
        r = sd_event_add_io(event, &p->feed_io, p->feed_fd, EPOLLOUT, on_feed_writable, p);
        if (r < 0)
                return r;
        (void)sd_event_source_set_description(p->feed_io, "peer-feed");
        r = sd_event_source_set_enabled(p->feed_io, SD_EVENT_OFF);
        if (r >= 0)
                r = sd_event_add_time_relative(event, &p->timer, CLOCK_MONOTONIC, PEER_PARTIAL_TIMEOUT, USEC_PER_SEC,
                                               on_timer, p);
        if (r < 0)
                return r;
        (void)sd_event_source_set_description(p->timer, "peer-deadline");
        p->debt = DEBT_INPUT;
        return sd_event_now(event, CLOCK_MONOTONIC, &p->last_active);
}

int peer_new(Peer **ret, int fd, const PeerParameters *parameters) {
        _cleanup_(peer_freep) Peer *p = NULL;
        int r;

        assert(ret);
        assert(fd >= 0);

        p = calloc(1, sizeof(*p));
        if (!p)
                return -ENOMEM;
        p->fd = p->feed_fd = -EBADF;
        p->connection = (Connection){
                .api = parameters->api,
                .is_peer = true,
                .uid = parameters->ucred.uid,
                .wants = peer_wants,
                .sent = peer_sent,
        };
        p->host = parameters->host;
        p->ucred = parameters->ucred;
        (void)snprintf(p->name, sizeof(p->name), ":1.%" PRIu64, parameters->number);
        (void)sd_id128_to_string(parameters->server_id, p->server_id);
        r = gate_new(&p->gate, peer_is_privileged(p) ? PEER_MESSAGE_MAX : PEER_MESSAGE_MAX_OTHERS);
        if (r < 0)
                return r;
        p->fd = fd;
        r = peer_open_bus(p, parameters->server_id);
        if (r >= 0)
                r = peer_start_bus(p);
        if (r >= 0)
                r = peer_add_sources(p);
        if (r < 0) {
                (void)TAKE_FD(p->fd); /* stays the caller's */
                return r;
        }
        *ret = TAKE_PTR(p);
        return 0;
}

Peer *peer_free(Peer *p) {
        if (!p)
                return NULL;
        if (p->connection.bus)
                followers_drop(p->connection.api->followers, &p->connection);
        sd_event_source_disable_unref(p->io);
        sd_event_source_disable_unref(p->feed_io);
        sd_event_source_disable_unref(p->timer);
        sd_bus_close_unref(p->connection.bus);
        gate_free(p->gate);
        for (size_t i = 0; i < p->n_rules; i++)
                match_rule_free(p->rules[i]);
        safe_close(p->feed_fd);
        safe_close(p->fd);
        return mfree(p);
}

Connection *peer_connection(Peer *p) {
        return &p->connection;
}

const struct ucred *peer_ucred(const Peer *p) {
        return &p->ucred;
}

const char *peer_name(const Peer *p) {
        return p->name;
}

const char *peer_server_id(const Peer *p) {
        return p->server_id;
}

bool peer_is_dropped(const Peer *p) {
        return p->dropped;
}

bool peer_is_busy(const Peer *p) {
        return p->busy;
}

bool peer_is_at_work(const Peer *p) {
        return p->at_work;
}

bool peer_waits(const Peer *p) {
        return p->waits;
}

uint64_t peer_turn(const Peer *p) {
        return p->turn;
}

bool peer_is_subscribed(const Peer *p) {
        return p->n_rules > 0;
}

bool peer_is_privileged(const Peer *p) {
        return uid_is_privileged(p->connection.api, p->connection.uid);
}

uint64_t peer_n_unsent(const Peer *p) {
        return connection_n_unsent(&p->connection);
}

bool peer_is_quiet(const Peer *p) {
        int n_unread;

        if (p->busy || gate_is_partial(p->gate) || connection_n_unsent(&p->connection) > 0)
                return false;
        return ioctl(p->fd, SIOCINQ, &n_unread) < 0 || n_unread == 0;
}

bool peer_has_left(const Peer *p) {
        char c;

        return !p->busy && recv(p->fd, &c, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

bool peer_has_asked(const Peer *p) {
        return gate_n_units(p->gate) > UNITS_BEFORE_ASKING;
}

usec_t peer_last_active(const Peer *p) {
        return p->last_active;
}
