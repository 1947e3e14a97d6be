#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Text from other programs, made harmless for a terminal. */

#include "util/macro.h"

/* Decodes one character of at most n bytes (RFC 3629: no overlong forms, no surrogates). Returns its length in bytes,
 * or -EINVAL. */
int utf8_decode(const char *s, size_t n, uint32_t *ret);

/* A copy of n bytes that cannot control a terminal: control characters (C0, DEL, C1), characters that change the
 * direction of writing, and invalid UTF-8 are written as \xNN, byte by byte. keep_lines: newline and tab are kept. The
 * caller frees it; NULL without memory. */
char *escape_text(const char *s, size_t n, bool keep_lines);
