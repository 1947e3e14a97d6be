/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Any bytes as a client of the control socket: the gate and sd-bus behind it have the same view of the stream, or the
 * peer is dropped. The first byte of an input is the size of the pieces that the stream arrives in; 0: all at once. */

#include <assert.h>
#include <endian.h>
#include <fcntl.h>
#include <sys/socket.h>

#include "bus/follow.h"
#include "bus/gate.h"
#include "bus/peer.h"

#define CALLS_MAX 65536
#define TURNS_MAX 100000 /* a stream that costs more leaves the peer busy for ever */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What the gate makes of the stream, beside the peer that is tested. */
typedef struct Shadow {
        Gate *gate;
        int error;                   /* the stream is to be refused */
        uint32_t serials[CALLS_MAX]; /* of the calls that may pass */
        size_t n_calls, n_seen;
} Shadow;

static void shadow_take_units(Shadow *s) {
        for (;;) {
                const void *unit;
                uint32_t serial;
                size_t n;

                s->error = gate_unit(s->gate, &unit, &n);
                if (s->error < 0 || n == 0)
                        return;
                if (!gate_in_handshake(s->gate)) {
                        assert(n >= 16 && n <= PEER_MESSAGE_MAX_OTHERS && s->n_calls < CALLS_MAX);
                        memcpy(&serial, (const uint8_t *)unit + 8, sizeof(serial));
                        s->serials[s->n_calls++] = *(const uint8_t *)unit == 'B' ? be32toh(serial) : le32toh(serial);
                }
                gate_consume(s->gate, n);
        }
}

static void shadow_push(Shadow *s, const uint8_t *data, size_t size) {
        while (size > 0 && s->error >= 0) {
                size_t n;
                void *to;

                assert(gate_space(s->gate, &to, &n) >= 0);
                n = MIN(n, size);
                memcpy(to, data, n);
                data += n;
                size -= n;
                s->error = gate_commit(s->gate, n);
                if (s->error >= 0)
                        shadow_take_units(s);
        }
}

/* Sees each message before anything else does, and keeps it from the API. sd-bus leaves out messages that have
 * nonsense inside, so some calls of the shadow may be missing here, but none may be added. */
static int on_message(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        Shadow *s = userdata;
        uint64_t serial;

        if (sd_bus_message_is_signal(m, "org.freedesktop.DBus.Local", "Disconnected"))
                return 0;
        assert(sd_bus_message_is_method_call(m, NULL, NULL));
        assert(sd_bus_message_get_cookie(m, &serial) >= 0);
        while (s->n_seen < s->n_calls && s->serials[s->n_seen] != serial)
                s->n_seen++;
        assert(s->n_seen++ < s->n_calls);
        return 1;
}

static void host_busy(void *userdata, Peer *p) {
}

static void host_dropped(void *userdata, Peer *p, const char *why) {
}

/* Each unit has to wait once. */
static uint64_t host_may_serve(void *userdata, const Peer *p) {
        bool *waited = userdata;

        *waited = !*waited;
        return !*waited;
}

static int host_subscribe(void *userdata, const Peer *p, bool on) {
        return 0;
}

/* Turns the loop until all is done that the bytes cause, as the door does, and reads the answers away. */
static void pump(sd_event *event, Peer *p, int client) {
        char answers[4096];
        unsigned n_turns = 0;
        bool more;

        do {
                more = sd_event_run(event, 0) > 0 || peer_is_busy(p);
                peer_check(p);
                while (recv(client, answers, sizeof(answers), MSG_DONTWAIT) > 0)
                        more = true;
                assert(n_turns++ < TURNS_MAX);
        } while (more && !peer_is_dropped(p));
}

static void check_agreement(const Shadow *s, Peer *p) {
        int ready;

        if (peer_is_dropped(p))
                return;
        assert(s->error >= 0);
        ready = sd_bus_is_ready(peer_connection(p)->bus);
        assert(ready >= 0);
        assert((ready > 0) != gate_in_handshake(s->gate));
}

static void run(Shadow *s, Peer *p, sd_event *event, int client, const uint8_t *data, size_t size, size_t piece) {
        for (size_t i = 0; i < size && !peer_is_dropped(p);) {
                size_t n = MIN(piece, size - i);
                ssize_t k;

                k = send(client, data + i, n, MSG_DONTWAIT | MSG_NOSIGNAL);
                if (k > 0) {
                        shadow_push(s, data + i, (size_t)k);
                        i += (size_t)k;
                }
                pump(event, p, client);
                check_agreement(s, p);
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_(sd_event_unrefp) sd_event *event = NULL;
        _cleanup_close_ int client = -EBADF;
        bool waited = false;
        ApiContext api = { .owner = 0 };
        PeerHost host = { host_busy, host_dropped, host_may_serve, host_subscribe, &waited };
        PeerParameters parameters = { .api = &api, .host = &host, .ucred = { .uid = 65534 }, .number = 1 };
        static Shadow shadow;
        Peer *p;
        int pair[2];

        if (size < 2)
                return 0;
        shadow = (Shadow){};
        assert(gate_new(&shadow.gate, PEER_MESSAGE_MAX_OTHERS) >= 0);
        assert(sd_event_new(&event) >= 0);
        api.event = event;
        assert(followers_new(&api.followers, event) >= 0);
        assert(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) == 0);
        client = pair[0];
        assert(peer_new(&p, pair[1], &parameters) >= 0);
        assert(sd_bus_add_filter(peer_connection(p)->bus, NULL, on_message, &shadow) >= 0);

        run(&shadow, p, event, client, data + 1, size - 1, data[0] == 0 ? size : data[0]);

        peer_free(p);
        followers_free(api.followers);
        gate_free(shadow.gate);
        return 0;
}
