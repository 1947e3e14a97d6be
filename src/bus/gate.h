#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a peer may pass to sd-bus: the handshake up to its end, then whole method calls of a bounded size. Pure: bytes
 * in, units out, no file descriptor. D-Bus specification, "Authentication Protocol" and "Message Format". */

#include "util/macro.h"

#define GATE_HANDSHAKE_MAX 4096 /* bytes a peer may send before BEGIN */

typedef struct Gate Gate;

/* message_max: bytes of the largest message that passes. -ENOMEM. */
int gate_new(Gate **ret, size_t message_max);
Gate *gate_free(Gate *g);
DEFINE_CLEANUP(Gate, gate_free)

/* The buffer for the next bytes of the peer; at least one, and never more than what is wanted next. Valid until the
 * next call on g. To be called only when gate_unit() has nothing left. -ENOMEM. */
int gate_space(Gate *g, void **ret, size_t *ret_n);

/* n bytes were read there. -EBADMSG: this is not D-Bus; -EMSGSIZE: the handshake or a message is larger than allowed.
 * The peer is to be dropped then. */
int gate_commit(Gate *g, size_t n);

/* The oldest bytes that may be passed to sd-bus as one unit (a piece of the handshake or one message), or none: *ret_n
 * is 0. Units that sd-bus has no use for, replies and signals of the peer, are skipped here. -EBADMSG, -EMSGSIZE. */
int gate_unit(Gate *g, const void **ret, size_t *ret_n);

/* n bytes of the unit went on. */
void gate_consume(Gate *g, size_t n);

/* True if the peer still owes us the rest of the handshake or of a message. */
bool gate_is_partial(const Gate *g) _pure_;

/* True until the end of the handshake was passed on. */
bool gate_in_handshake(const Gate *g) _pure_;

/* Incremented with each complete unit, so that the same number means the same unit. */
uint64_t gate_n_units(const Gate *g) _pure_;
