#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Text that somebody else wrote, made harmless for a terminal. */

#include <stddef.h>
#include <stdint.h>

#include "util/macro.h"

/* Decodes one character of at most n bytes (RFC 3629: no overlong form, no surrogate). Returns its length in bytes, or
 * -EINVAL. */
int utf8_decode(const char *s, size_t n, uint32_t *ret);

/* A copy of n bytes in which nothing can drive a terminal: control characters (C0, DEL, C1), what turns the direction
 * of writing, and bytes that are no UTF-8 are written as \xNN, byte by byte. keep_lines: newline and tab stay as they
 * are. The caller frees it; NULL without memory. */
char *escape_text(const char *s, size_t n, bool keep_lines);
