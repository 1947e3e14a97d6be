/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The gate in front of sd-bus: whatever way the bytes come in, the same units come out, and nothing else. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <endian.h>

#include "bus/gate.h"

#define MESSAGE_MAX ((size_t)64 * 1024)

static const char handshake[] = "\0AUTH EXTERNAL\r\nDATA\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n";
#define HANDSHAKE_SIZE (sizeof(handshake) - 1)

enum {
        METHOD_CALL = 1,
        METHOD_RETURN = 2,
        SIGNAL = 4,
};

/* Bytes that are put together by a test. */
typedef struct Bytes {
        uint8_t *data;
        size_t n;
} Bytes;

static void bytes_add(Bytes *b, const void *data, size_t n) {
        b->data = realloc(b->data, b->n + n);
        assert_non_null(b->data);
        memcpy(b->data + b->n, data, n);
        b->n += n;
}

static void bytes_done(Bytes *b) {
        free(b->data);
        *b = (Bytes){};
}

/* A header with these sizes and as many bytes behind it; what they say is not the gate's business. */
static void bytes_add_message(Bytes *b, char endian, uint8_t type, uint32_t fields, uint32_t body) {
        uint8_t header[16] = { (uint8_t)endian, type, 0, 1 };
        uint32_t numbers[3] = { body, 7, fields };
        size_t rest = ((fields + 7) & ~7U) + body;
        uint8_t *filler = malloc(rest + 1);

        assert_non_null(filler);
        for (size_t i = 0; i < 3; i++)
                numbers[i] = endian == 'B' ? htobe32(numbers[i]) : htole32(numbers[i]);
        memcpy(header + 4, numbers, sizeof(numbers));
        memset(filler, 'x', rest);
        bytes_add(b, header, sizeof(header));
        bytes_add(b, filler, rest);
        free(filler);
}

/* Takes all units that are there; each is handed on in pieces of at most piece bytes. */
static int take_units(Gate *g, Bytes *out, size_t piece) {
        const void *unit;
        size_t n;
        int r;

        while ((r = gate_unit(g, &unit, &n)) >= 0 && n > 0) {
                n = MIN(n, piece);
                bytes_add(out, unit, n);
                gate_consume(g, n);
        }
        return r;
}

/* Feeds all bytes, at most chunk at a time. Returns what the gate said first, or 0. */
static int feed(Gate *g, const Bytes *in, size_t chunk, Bytes *out) {
        for (size_t done = 0; done < in->n;) {
                size_t space, n;
                void *to;
                int r;

                r = gate_space(g, &to, &space);
                assert_int_equal(r, 0);
                assert_true(space > 0);
                n = MIN(space, chunk);
                n = MIN(n, in->n - done);
                memcpy(to, in->data + done, n);
                done += n;
                r = gate_commit(g, n);
                if (r >= 0)
                        r = take_units(g, out, 1 + chunk / 2);
                if (r < 0)
                        return r;
        }
        return 0;
}

static void test_stream(void **state) {
        static const size_t chunks[] = { 1, 2, 3, 7, 15, 16, 17, 100, 4096, 100000 };
        Bytes in = {}, expected = {};

        bytes_add(&in, handshake, HANDSHAKE_SIZE);
        bytes_add_message(&in, 'l', METHOD_CALL, 110, 0);
        bytes_add_message(&in, 'B', METHOD_CALL, 111, 33);
        bytes_add_message(&in, 'l', METHOD_CALL, 0, 40000);
        bytes_add_message(&in, 'l', METHOD_CALL, 128, 1);
        bytes_add(&expected, in.data, in.n);
        for (size_t i = 0; i < ELEMENTSOF(chunks); i++) {
                _cleanup_(gate_freep) Gate *g = NULL;
                Bytes out = {};

                assert_int_equal(gate_new(&g, MESSAGE_MAX), 0);
                assert_true(gate_is_partial(g));
                assert_int_equal(feed(g, &in, chunks[i], &out), 0);
                assert_int_equal(out.n, expected.n);
                assert_memory_equal(out.data, expected.data, out.n);
                assert_false(gate_is_partial(g));
                assert_false(gate_in_handshake(g));
                assert_int_equal(gate_n_units(g), 5);
                bytes_done(&out);
        }
        bytes_done(&in);
        bytes_done(&expected);
}

/* We never call a peer, so its answers are nobody's; its signals are nobody's either. */
static void test_skips(void **state) {
        static const size_t chunks[] = { 1, 5, 100000 };
        Bytes in = {}, expected = {};

        bytes_add(&in, handshake, HANDSHAKE_SIZE);
        bytes_add_message(&in, 'l', SIGNAL, 77, 5000);
        bytes_add_message(&in, 'l', METHOD_CALL, 16, 1);
        bytes_add_message(&in, 'B', METHOD_RETURN, 8, 0);
        bytes_add_message(&in, 'B', METHOD_RETURN, 8, 0);
        bytes_add_message(&in, 'l', METHOD_CALL, 24, 2);
        bytes_add_message(&in, 'l', SIGNAL, 8, 0);
        bytes_add(&expected, handshake, HANDSHAKE_SIZE);
        bytes_add_message(&expected, 'l', METHOD_CALL, 16, 1);
        bytes_add_message(&expected, 'l', METHOD_CALL, 24, 2);
        for (size_t i = 0; i < ELEMENTSOF(chunks); i++) {
                _cleanup_(gate_freep) Gate *g = NULL;
                Bytes out = {};

                assert_int_equal(gate_new(&g, MESSAGE_MAX), 0);
                assert_int_equal(feed(g, &in, chunks[i], &out), 0);
                assert_int_equal(out.n, expected.n);
                assert_memory_equal(out.data, expected.data, out.n);
                assert_false(gate_is_partial(g));
                bytes_done(&out);
        }
        bytes_done(&in);
        bytes_done(&expected);
}

static void test_handshake(void **state) {
        static const struct {
                int line;
                const char *text;
                size_t n;
                int error;
                bool over;
        } table[] = {
#define ROW(text, ...) { __LINE__, text, sizeof(text) - 1, __VA_ARGS__ }
                ROW("\0BEGIN\r\n", 0, true),
                ROW("\0AUTH\r\nBEGIN\r\n", 0, true),
                ROW("\0BEGI\r\nBEGIN\r\n", 0, true),
                ROW("\0BEGINBEGIN\r\nBEGIN\r\n", 0, true),
                ROW("\0BEGIN\r\r\nBEGIN\r\n", 0, true),
                ROW("\0BEGIN", 0, false),
                ROW("\0BEGIN\r", 0, false),
                ROW("\0BEGIN\n", 0, false),
                ROW("\0 BEGIN\r\n", 0, false),
                ROW("\0BEGIN \r\n", 0, false),
                ROW("\0begin\r\n", 0, false),
                ROW("\0X\nBEGIN\r\n", 0, false), /* a lone newline ends no line */
                ROW("\0XBEGIN\r\n", 0, false),
                ROW("BEGIN\r\n", -EBADMSG, false),
                ROW("GET / HTTP/1.1\r\n", -EBADMSG, false),
#undef ROW
        };

        for (size_t i = 0; i < ELEMENTSOF(table); i++)
                for (size_t chunk = 1; chunk < 20; chunk++) {
                        _cleanup_(gate_freep) Gate *g = NULL;
                        Bytes in = {}, out = {};
                        int r;

                        bytes_add(&in, table[i].text, table[i].n);
                        assert_int_equal(gate_new(&g, MESSAGE_MAX), 0);
                        r = feed(g, &in, chunk, &out);
                        if (r != table[i].error || gate_in_handshake(g) == table[i].over)
                                fail_msg("line %d, chunk %zu: %d", table[i].line, chunk, r);
                        bytes_done(&in);
                        bytes_done(&out);
                }
}

static void test_handshake_too_long(void **state) {
        for (size_t n = GATE_HANDSHAKE_MAX - 1; n <= GATE_HANDSHAKE_MAX + 1; n++) {
                _cleanup_(gate_freep) Gate *g = NULL;
                Bytes in = {}, out = {};

                assert_int_equal(gate_new(&g, MESSAGE_MAX), 0);
                in.data = calloc(1, n);
                assert_non_null(in.data);
                in.n = n;
                memset(in.data + 1, 'A', n - 1);
                assert_int_equal(feed(g, &in, 1000, &out), n > GATE_HANDSHAKE_MAX ? -EMSGSIZE : 0);
                bytes_done(&in);
                bytes_done(&out);
        }
}

static void test_bad_headers(void **state) {
        static const struct {
                int line;
                uint8_t header[16];
                int error;
        } table[] = {
                { __LINE__, { 'l', 1, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0 }, 0 },
                { __LINE__, { 'B', 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0 }, 0 },
                { __LINE__, { 'L', 1, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0 }, -EBADMSG }, /* byte order */
                { __LINE__, { 'l', 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0 }, -EBADMSG }, /* type */
                { __LINE__, { 'l', 5, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0 }, -EBADMSG },
                { __LINE__, { 'l', 1, 0, 2, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0 }, -EBADMSG }, /* version */
                { __LINE__, { 'l', 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }, -EBADMSG }, /* serial */
                { __LINE__, { 'l', 1, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 4 }, -EBADMSG }, /* fields > 64 MiB */
                { __LINE__, { 'l', 1, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 255, 255, 255, 255 }, -EBADMSG },
                { __LINE__, { 'l', 1, 0, 1, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0 }, -EMSGSIZE }, /* body of 64 KiB */
                { __LINE__, { 'l', 1, 0, 1, 240, 255, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0 }, 0 },     /* just fits */
                { __LINE__, { 'l', 1, 0, 1, 241, 255, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0 }, -EMSGSIZE },
                { __LINE__, { 'l', 1, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 233, 255, 0, 0 }, 0 }, /* 65513 is 65520 aligned */
                { __LINE__, { 'l', 1, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 241, 255, 0, 0 }, -EMSGSIZE },
                { __LINE__, { 'l', 1, 0, 1, 255, 255, 255, 255, 1, 0, 0, 0, 0, 0, 0, 4 }, -EMSGSIZE },
                { __LINE__, { 'B', 1, 0, 1, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0 }, -EMSGSIZE },
                { __LINE__, { 0 }, -EBADMSG },
        };

        for (size_t i = 0; i < ELEMENTSOF(table); i++)
                for (size_t chunk = 1; chunk <= 16; chunk += 5) {
                        _cleanup_(gate_freep) Gate *g = NULL;
                        Bytes in = {}, out = {};
                        int r;

                        assert_int_equal(gate_new(&g, MESSAGE_MAX), 0);
                        bytes_add(&in, handshake, HANDSHAKE_SIZE);
                        bytes_add(&in, table[i].header, sizeof(table[i].header));
                        r = feed(g, &in, chunk, &out);
                        if (r != table[i].error)
                                fail_msg("line %d, chunk %zu: %d", table[i].line, chunk, r);
                        bytes_done(&in);
                        bytes_done(&out);
                }
}

/* The bad message behind a good one that came in one piece with it. */
static void test_bad_behind_good(void **state) {
        _cleanup_(gate_freep) Gate *g = NULL;
        Bytes in = {}, out = {};

        assert_int_equal(gate_new(&g, MESSAGE_MAX), 0);
        bytes_add(&in, handshake, HANDSHAKE_SIZE);
        bytes_add_message(&in, 'l', METHOD_CALL, 16, 8);
        bytes_add(&in, "garbage garbage garbage", 23);
        assert_int_equal(feed(g, &in, SIZE_MAX / 2, &out), -EBADMSG);
        assert_int_equal(out.n, HANDSHAKE_SIZE + 16 + 16 + 8);
        bytes_done(&in);
        bytes_done(&out);
}

/* What a header announces takes no memory before it is there. */
static void test_announced_size(void **state) {
        _cleanup_(gate_freep) Gate *g = NULL;
        Bytes in = {}, out = {}, message = {};
        size_t space;
        void *to;

        assert_int_equal(gate_new(&g, 1024 * 1024), 0);
        bytes_add(&in, handshake, HANDSHAKE_SIZE);
        bytes_add_message(&message, 'l', METHOD_CALL, 16, 1000 * 1000);
        bytes_add(&in, message.data, 16);
        assert_int_equal(feed(g, &in, 1000, &out), 0);
        assert_true(gate_is_partial(g));
        assert_int_equal(gate_space(g, &to, &space), 0);
        assert_true(space <= 4096);
        bytes_done(&in);
        bytes_done(&out);
        bytes_done(&message);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_stream),         cmocka_unit_test(test_skips),
                cmocka_unit_test(test_handshake),      cmocka_unit_test(test_handshake_too_long),
                cmocka_unit_test(test_bad_headers),    cmocka_unit_test(test_bad_behind_good),
                cmocka_unit_test(test_announced_size),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
