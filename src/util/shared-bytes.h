#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Bytes that never change and that many have, such as the calendar of a thousand jobs: equal ones are in memory once.
 * What is shared costs 32 bytes more than bytes of one's own, and must not contain pointers that it owns. */

#include <stddef.h>

/* A copy that others may have, too; nobody may write to it. Aligned for any type. NULL: no memory. */
void *shared_bytes_get(const void *bytes, size_t n);

/* The caller needs it no more. */
void shared_bytes_put(void *bytes);
