#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A client of the control socket without a D-Bus library, so that it can do what a library would not: send half of
 * something, too much, or garbage, and not read. */

#include "harness.h"

#define RAW_HANDSHAKE "\0AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\n"

/* Sends all of it. */
void raw_send(int fd, const void *data, size_t n);
/* Sends what the socket takes without waiting; the number of bytes. */
size_t raw_send_some(int fd, const void *data, size_t n);

/* Does the handshake: what comes next from fd are messages. */
void raw_handshake(int fd);
/* The same when RAW_HANDSHAKE was sent already. */
void raw_finish_handshake(int fd);

/* Writes a method call without arguments, or with one string if it is not NULL; its size. buf must have room. */
size_t raw_call(uint8_t *buf, size_t size, uint32_t serial, const char *path, const char *interface,
                const char *member, const char *argument);

/* Reads one message; its type (2 reply, 3 error, 4 signal), its size in *ret_size (may be NULL). 0: the other side
 * closed. */
int raw_read_message(int fd, size_t *ret_size);
