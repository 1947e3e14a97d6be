#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Characters, independent of the locale. */

#include <stdbool.h>

static inline bool is_digit(char c) {
        return c >= '0' && c <= '9';
}

static inline bool is_letter(char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static inline bool is_alphanumeric(char c) {
        return is_letter(c) || is_digit(c);
}

/* What config files have between words. */
static inline bool is_blank(char c) {
        return c == ' ' || c == '\t';
}

/* The value of a lowercase hexadecimal digit, or -1. */
static inline int hex_value(char c) {
        return is_digit(c) ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}
