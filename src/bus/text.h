#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Text from other programs, made valid for a message: a D-Bus string is UTF-8, and a bus disconnects clients that send
 * anything else. */

#include <stddef.h>
#include <systemd/sd-bus.h>

#define TEXT_IN_LIST_MAX 256                 /* bytes of a text in a reply with many rows */
#define TEXT_MAX         ((size_t)16 * 1024) /* bytes of any other */

/* A copy of s of at most max bytes (and the NUL): invalid UTF-8 becomes U+FFFD, and a text that is too long ends in
 * "…". NULL when out of memory. */
char *text_clean(const char *s, size_t max);

/* s itself if it is valid, otherwise a cleaned copy, which is then in *ret_copy and belongs to the caller. NULL when
 * out of memory; NULL for s is the empty string. */
const char *text_fit(const char *s, size_t max, char **ret_copy);

/* The payload of a run for users who may not see the names of files: how many there are, in buf; "" if there are
 * none. */
#define TEXT_COUNT_MAX 32
const char *text_count_of_payload(const char *payload, char buf[static TEXT_COUNT_MAX]);

/* Appends s as a string, cleaned if necessary; NULL is the empty string. Like sd_bus_message_append_basic(). */
int text_append(sd_bus_message *m, const char *s, size_t max);

/* The same for a struct of n strings, each of at most TEXT_MAX bytes. */
#define TEXT_ROW_MAX 4
int text_append_row(sd_bus_message *m, const char *const *texts, size_t n);

/* The getter of a property; userdata points at a const char *, or a char *. */
int text_get(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *reply,
             void *userdata, sd_bus_error *e);
