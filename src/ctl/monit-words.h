#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The words of a monit control file, see monit(1): free format, "#" begins a comment, case does not matter. */

#include <stddef.h>

#include "util/macro.h"

typedef struct MonitWord {
        char *text;
        unsigned line;
        bool is_quoted; /* then it is no word of the language */
} MonitWord;

typedef struct MonitWords {
        MonitWord *items;
        size_t n;
} MonitWords;

/* Takes n bytes apart. Without memory, the program ends. */
void monit_words_read(MonitWords *ret, const char *text, size_t n);
void monit_words_done(MonitWords *w);

/* Whether a word of the language is this one, or one of several that are separated by blanks. */
bool monit_word_is(const MonitWord *w, const char *words) _pure_;
