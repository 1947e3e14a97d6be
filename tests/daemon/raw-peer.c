/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Just enough of the D-Bus protocol to write a method call and to tell where a message ends. */

#include "raw-peer.h"

#include <endian.h>
#include <sys/socket.h>

#define HANDSHAKE_REPLY_LINES 2 /* "DATA" and "OK …" */

void raw_send(int fd, const void *data, size_t n) {
        for (const char *p = data; n > 0;) {
                ssize_t k = send(fd, p, n, MSG_NOSIGNAL);

                assert_true(k > 0);
                p += k;
                n -= (size_t)k;
        }
}

size_t raw_send_some(int fd, const void *data, size_t n) {
        size_t done = 0;

        while (done < n) {
                ssize_t k = send(fd, (const char *)data + done, n - done, MSG_NOSIGNAL | MSG_DONTWAIT);

                if (k <= 0)
                        break;
                done += (size_t)k;
        }
        return done;
}

void raw_finish_handshake(int fd) {
        unsigned lines = 0;

        while (lines < HANDSHAKE_REPLY_LINES) {
                char c;

                harness_wait_readable(fd);
                assert_int_equal(recv(fd, &c, 1, 0), 1);
                lines += c == '\n';
        }
}

void raw_handshake(int fd) {
        raw_send(fd, RAW_HANDSHAKE, sizeof(RAW_HANDSHAKE) - 1);
        raw_finish_handshake(fd);
}

/* Where the message is put together. */
typedef struct Writer {
        uint8_t *buf;
        size_t size, n;
} Writer;

static void put(Writer *w, const void *data, size_t n) {
        assert_true(w->n + n <= w->size);
        memcpy(w->buf + w->n, data, n);
        w->n += n;
}

static void put_align(Writer *w, size_t alignment) {
        while (w->n % alignment != 0)
                put(w, "", 1);
}

static void put_u32(Writer *w, uint32_t v) {
        v = htole32(v);
        put_align(w, 4);
        put(w, &v, sizeof(v));
}

static void put_string(Writer *w, const char *s) {
        put_u32(w, (uint32_t)strlen(s));
        put(w, s, strlen(s) + 1);
}

/* A header field: its code, and a variant. */
static void put_field(Writer *w, uint8_t code, char type, const char *value) {
        const char head[] = { (char)code, 1, type, 0 };

        put_align(w, 8);
        put(w, head, sizeof(head));
        if (type != 'g') {
                put_string(w, value);
                return;
        }
        put(w, &(uint8_t){ (uint8_t)strlen(value) }, 1);
        put(w, value, strlen(value) + 1);
}

size_t raw_call(uint8_t *buf, size_t size, uint32_t serial, const char *path, const char *interface,
                const char *member, const char *argument) {
        static const uint8_t head[] = { 'l', 1, 0, 1 };
        Writer w = { .buf = buf, .size = size };
        uint32_t body = argument ? htole32((uint32_t)strlen(argument) + 5) : 0, fields;

        put(&w, head, sizeof(head));
        put(&w, &body, sizeof(body));
        put_u32(&w, serial);
        put_u32(&w, 0);
        put_field(&w, 1, 'o', path);
        put_field(&w, 2, 's', interface);
        put_field(&w, 3, 's', member);
        put_field(&w, 6, 's', streq(path, "/org/freedesktop/DBus") ? "org.freedesktop.DBus" : "org.vaktd1");
        if (argument)
                put_field(&w, 8, 'g', "s");
        fields = htole32((uint32_t)w.n - 16);
        memcpy(buf + 12, &fields, sizeof(fields));
        put_align(&w, 8);
        if (argument)
                put_string(&w, argument);
        return w.n;
}

/* False when the other side closed. */
static bool read_exactly(int fd, void *to, size_t n) {
        for (char *p = to; n > 0;) {
                ssize_t k;

                harness_wait_readable(fd);
                k = recv(fd, p, n, 0);
                if (k == 0 || (k < 0 && errno == ECONNRESET))
                        return false;
                assert_true(k > 0);
                p += k;
                n -= (size_t)k;
        }
        return true;
}

int raw_read_message(int fd, size_t *ret_size) {
        _cleanup_free_ uint8_t *rest = NULL;
        uint8_t head[16];
        uint32_t body, fields;
        size_t size;

        if (!read_exactly(fd, head, sizeof(head)))
                return 0;
        assert_int_equal(head[0], 'l');
        memcpy(&body, head + 4, sizeof(body));
        memcpy(&fields, head + 12, sizeof(fields));
        size = ((le32toh(fields) + 7) & ~7U) + le32toh(body);
        rest = malloc(size + 1);
        assert_non_null(rest);
        if (!read_exactly(fd, rest, size))
                return 0;
        if (ret_size)
                *ret_size = size + sizeof(head);
        return head[1];
}
