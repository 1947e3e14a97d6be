#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Text that somebody else wrote, made fit for a message: a D-Bus string is UTF-8, and a bus closes the connection of
 * who sends anything else. */

#include <stddef.h>
#include <systemd/sd-bus.h>

#define TEXT_IN_LIST_MAX 256                 /* bytes of a text in a reply with many rows */
#define TEXT_MAX         ((size_t)16 * 1024) /* bytes of any other */

/* A copy of s of at most max bytes (and the NUL): bytes that are no UTF-8 become U+FFFD, what is too long ends in "…".
 * NULL when out of memory. */
char *text_clean(const char *s, size_t max);

/* s itself when it may be sent as it is, else a cleaned copy, which then is in *ret_copy and the caller's to free.
 * NULL when out of memory; NULL for s is the empty string. */
const char *text_fit(const char *s, size_t max, char **ret_copy);

/* A run's payload for those who may not be told the names of files: how many it has, in buf; "" when it has none. */
#define TEXT_COUNT_MAX 32
const char *text_count_of_payload(const char *payload, char buf[static TEXT_COUNT_MAX]);

/* Appends s as a string, cleaned if it must be; NULL is the empty string. As sd_bus_message_append_basic(). */
int text_append(sd_bus_message *m, const char *s, size_t max);
