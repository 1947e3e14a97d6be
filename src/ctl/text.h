#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Text for a terminal: made harmless, measured in columns, truncated to columns. All of it is UTF-8, regardless of the
 * locale: that is the encoding of job files and D-Bus. */

#include "util/macro.h"

typedef enum TextFlags {
        TEXT_KEEP_LINES = 1 << 0, /* newline and tab stay as they are */
} TextFlags;

typedef enum Color {
        COLOR_NONE,
        COLOR_RED,
        COLOR_GREEN,
        COLOR_YELLOW,
        COLOR_GREY,
        COLOR_TITLE, /* of a table */
        _COLOR_MAX,
} Color;

/* Uses the locale of the environment. Returns true if the terminal shows UTF-8; widths are right either way. */
bool text_init_locale(void);

/* Like escape_text(), which describes what is escaped. */
char *text_escape_n(const char *s, size_t n, TextFlags flags);
char *text_escape(const char *s);

/* Length of the beginning of a text that is printed as it is, one column for each byte. */
size_t text_plain_length(const char *s) _pure_;

bool text_is_utf8(const char *s) _pure_;

/* "0", "no", "off", …, as in the environment variables of systemd. */
bool text_is_no(const char *s) _pure_;

/* Columns of an escaped text. */
size_t text_width(const char *s) _pure_;

/* A copy of an escaped text that takes at most so many columns; if it is truncated, it ends in the ellipsis (of one
 * column or more; left out if there is no room). */
char *text_ellipsize(const char *s, size_t columns, const char *ellipsis);

/* The sequence that starts a colour; "" for none. */
const char *color_start(Color c) _const_;
#define COLOR_END "\x1b[0m"
