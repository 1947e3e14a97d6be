/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The gate in front of sd-bus. sd-bus accepts messages of up to 128 MiB, allocates what a header announces and has no
 * setting for a lower limit, so a peer of a root daemon is not connected to it directly: the gate reads the handshake
 * to its BEGIN, then frames the messages by their first 16 bytes, in both byte orders, and only lets whole method
 * calls through.
 *
 * The buffer contains what was read and not yet passed on. It grows with what the peer really sent, not with what it
 * announces, and is released when it is empty. sd-bus validates the inside of a message beyond its lengths. The
 * handshake is not parsed either, only its BEGIN is found, and its size is bounded. sd-bus does not accept every
 * BEGIN; the owner of the gate has to ensure that it accepted this one before it passes on a message. */

#include "bus/gate.h"

#include <endian.h>

#define GATE_CHUNK       4096        /* bytes read at once while no larger message is under way */
#define GATE_KEEP        (16 * 1024) /* a buffer larger than this is released when it is empty */
#define HEADER_SIZE      16          /* fixed part of a message and the length of its field array */
#define FIELDS_MAX       (64U * 1024 * 1024)
#define TYPE_METHOD_CALL 1
#define TYPE_LAST        4 /* signal */

static const char handshake_end[] = "BEGIN\r\n";

struct Gate {
        uint8_t *buffer;
        size_t allocated;
        size_t begin, end; /* what is in use of buffer */
        size_t message_max;
        size_t handshake_size; /* bytes of the handshake so far */
        size_t matched;        /* characters of handshake_end that the current line begins with */
        bool line_differs;     /* the current line of the handshake is another one */
        bool after_cr;         /* its last character was a carriage return */
        bool handshake_over;
        size_t unit; /* bytes left of the unit that is being passed on */
        uint64_t n_units;
};

typedef struct Header {
        uint8_t type;
        uint64_t size; /* of the whole message */
} Header;

int gate_new(Gate **ret, size_t message_max) {
        Gate *g;

        assert(ret);
        assert(message_max >= HEADER_SIZE);

        g = calloc(1, sizeof(*g));
        if (!g)
                return -ENOMEM;
        g->message_max = message_max;
        *ret = g;
        return 0;
}

Gate *gate_free(Gate *g) {
        if (!g)
                return NULL;
        free(g->buffer);
        return mfree(g);
}

static uint32_t read_u32(const uint8_t *p, bool big) {
        uint32_t v;

        memcpy(&v, p, sizeof(v));
        return big ? be32toh(v) : le32toh(v);
}

/* Reads the first 16 bytes of a message. -EBADMSG, -EMSGSIZE. */
static int header_parse(Header *ret, const uint8_t *p, size_t message_max) {
        bool big = p[0] == 'B';
        uint64_t fields, size;

        if (p[0] != 'l' && !big)
                return -EBADMSG;
        if (p[1] < TYPE_METHOD_CALL || p[1] > TYPE_LAST || p[3] != 1)
                return -EBADMSG;
        if (read_u32(p + 8, big) == 0) /* the serial */
                return -EBADMSG;
        fields = read_u32(p + 12, big);
        if (fields > FIELDS_MAX)
                return -EBADMSG;
        size = HEADER_SIZE + ((fields + 7) & ~UINT64_C(7)) + read_u32(p + 4, big);
        if (size > message_max)
                return -EMSGSIZE;
        *ret = (Header){ .type = p[1], .size = size };
        return 0;
}

static size_t gate_fill(const Gate *g) {
        assert(g->begin <= g->end && g->end <= g->allocated);
        return g->end - g->begin;
}

/* Examines the header at the beginning of the buffer. 1: *ret is set; 0: not enough bytes yet. */
static int gate_peek_header(const Gate *g, Header *ret) {
        int r;

        if (gate_fill(g) < HEADER_SIZE)
                return 0;
        r = header_parse(ret, g->buffer + g->begin, g->message_max);
        return r < 0 ? r : 1;
}

static int gate_reserve(Gate *g, size_t free_bytes) {
        size_t size = MAX(g->allocated, (size_t)GATE_CHUNK);
        uint8_t *p;

        if (g->begin > 0) {
                memmove(g->buffer, g->buffer + g->begin, gate_fill(g));
                g->end -= g->begin;
                g->begin = 0;
        }
        while (size - g->end < free_bytes)
                size *= 2;
        if (size == g->allocated)
                return 0;
        p = realloc(g->buffer, size);
        if (!p)
                return -ENOMEM;
        assert(size - g->end >= free_bytes);
        g->buffer = p;
        g->allocated = size;
        return 0;
}

/* How many bytes to read now: the rest of the current message, but at most as much as there is already, so that an
 * announced size alone takes no memory. */
static size_t gate_wanted(const Gate *g) {
        size_t most = MAX(gate_fill(g), (size_t)GATE_CHUNK);
        Header h;

        if (!g->handshake_over)
                return GATE_HANDSHAKE_MAX + 1 - g->handshake_size;
        if (gate_peek_header(g, &h) <= 0 || h.size <= gate_fill(g))
                return GATE_CHUNK;
        return MIN((size_t)h.size - gate_fill(g), most);
}

int gate_space(Gate *g, void **ret, size_t *ret_n) {
        size_t n;
        int r;

        assert(g);
        assert(ret);
        assert(ret_n);

        n = gate_wanted(g);
        r = gate_reserve(g, n);
        if (r < 0)
                return r;
        *ret = g->buffer + g->end;
        *ret_n = n;
        return 0;
}

/* Processes one byte of the handshake; true if it was the last one. The NUL that every handshake starts with comes
 * before the first line. */
static bool gate_handshake_byte(Gate *g, uint8_t c) {
        bool line_ends = c == '\n' && g->after_cr;

        if (g->handshake_size++ == 0)
                return false;
        g->after_cr = c == '\r';
        if (!g->line_differs && c == (uint8_t)handshake_end[g->matched])
                return handshake_end[++g->matched] == '\0';
        g->line_differs = !line_ends;
        if (line_ends)
                g->matched = 0;
        return false;
}

/* The bytes from the first new one on belong to the handshake, until it ends. */
static int gate_commit_handshake(Gate *g, size_t first) {
        size_t i = first;

        if (g->handshake_size == 0 && g->buffer[i] != '\0')
                return -EBADMSG;
        while (i < g->end && !g->handshake_over) {
                if (g->handshake_size >= GATE_HANDSHAKE_MAX)
                        return -EMSGSIZE;
                g->handshake_over = gate_handshake_byte(g, g->buffer[i++]);
        }
        g->unit += i - first;
        if (g->handshake_over)
                g->n_units++;
        return 0;
}

int gate_commit(Gate *g, size_t n) {
        size_t first = g->end;
        Header h;
        int r;

        assert(n <= g->allocated - g->end);

        if (n == 0)
                return 0;
        g->end += n;
        if (!g->handshake_over) {
                r = gate_commit_handshake(g, first);
                if (r < 0 || g->unit > 0)
                        return r;
        }
        r = gate_peek_header(g, &h); /* refuse at once, not only when the message is complete */
        return MIN(r, 0);
}

static void gate_advance(Gate *g, size_t n) {
        g->begin += n;
        if (g->begin < g->end)
                return;
        g->begin = g->end = 0;
        if (g->allocated > GATE_KEEP) {
                g->buffer = mfree(g->buffer);
                g->allocated = 0;
        }
}

/* Finds the next whole method call after what was passed on. */
static int gate_find_unit(Gate *g) {
        Header h;
        int r;

        for (;;) {
                r = gate_peek_header(g, &h);
                if (r <= 0)
                        return r;
                if (h.size > gate_fill(g))
                        return 0;
                g->n_units++;
                if (h.type == TYPE_METHOD_CALL) {
                        g->unit = h.size;
                        return 0;
                }
                gate_advance(g, h.size);
        }
}

int gate_unit(Gate *g, const void **ret, size_t *ret_n) {
        int r;

        assert(g);
        assert(ret);
        assert(ret_n);

        if (g->unit == 0 && g->handshake_over) {
                r = gate_find_unit(g);
                if (r < 0)
                        return r;
        }
        *ret = g->unit > 0 ? g->buffer + g->begin : NULL;
        *ret_n = g->unit;
        return 0;
}

void gate_consume(Gate *g, size_t n) {
        assert(n <= g->unit);

        g->unit -= n;
        gate_advance(g, n);
}

bool gate_is_partial(const Gate *g) {
        return !g->handshake_over || gate_fill(g) > g->unit;
}

bool gate_in_handshake(const Gate *g) {
        return !g->handshake_over || (g->n_units == 1 && g->unit > 0);
}

uint64_t gate_n_units(const Gate *g) {
        return g->n_units;
}
