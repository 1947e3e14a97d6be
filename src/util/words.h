#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Values that are lists: words with quotes and escapes as systemd.syntax(7) has them. */

#include <stdbool.h>
#include <stddef.h>

#define WORD_BLANKS " \t\n\r"

static inline bool is_word_blank(char c) {
        return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* Takes the next word of *p into out, which has room for all that is left. Returns 1; 0 when there is none; -EINVAL
 * with a message in *reterr (freed by the caller); -ENOMEM. */
int word_next(const char **p, char *out, char **reterr);

/* Replaces escapes, nothing else: quotes and blanks are text. out has room for s. The same errors. */
int word_unescape(const char *s, char *out, size_t *ret_n, char **reterr);
