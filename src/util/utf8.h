#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What is read from files and shown on the bus has to be UTF-8: the bus refuses anything else. */

#include "util/macro.h"

/* The bytes (1 to 4) of the character that s begins with, at most n; 0 when they are no valid UTF-8 (RFC 3629), a
 * noncharacter (U+FFFE and the like), or n is 0. */
size_t utf8_char_length(const char *s, size_t n) _pure_;

bool utf8_is_valid(const char *s) _pure_;

/* How many of the first n bytes of s (or of all, when it is shorter) can be kept without cutting a character. */
size_t utf8_cut(const char *s, size_t n) _pure_;
