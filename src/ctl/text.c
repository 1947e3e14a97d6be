/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Text for a terminal. A description in a job file, a reason that quotes a program, a line of output: any of them may
 * contain an escape sequence that renames the window or hides a line, so all output goes through text_escape(). It is
 * decoded without mbrtowc(3), which does not support UTF-8 in the C locale of cron jobs and containers. Grapheme
 * clusters are not supported; a family emoji counts as its members. */

#include <langinfo.h>
#include <locale.h>
#include <wchar.h>

#include "ctl/alloc.h"
#include "ctl/text.h"
#include "util/escape.h"

bool text_init_locale(void) {
        bool utf8;

        setlocale(LC_CTYPE, "");
        utf8 = streq(nl_langinfo(CODESET), "UTF-8");
        if (!utf8) /* wcwidth() knows only ASCII in the C locale */
                setlocale(LC_CTYPE, "C.UTF-8");
        return utf8;
}

char *text_escape_n(const char *s, size_t n, TextFlags flags) {
        char *text = escape_text(s, n, (flags & TEXT_KEEP_LINES) != 0);

        if (!text)
                alloc_failed();
        return text;
}

char *text_escape(const char *s) {
        return text_escape_n(s, strlen(s), 0);
}

size_t text_plain_length(const char *s) {
        size_t n = 0;

        while (s[n] >= ' ' && s[n] <= '~')
                n++;
        return n;
}

bool text_is_utf8(const char *s) {
        uint32_t c;

        while (*s) {
                int len = utf8_decode(s, strnlen(s, 4), &c);

                if (len < 0)
                        return false;
                s += len;
        }
        return true;
}

bool text_is_no(const char *s) {
        static const char *const words[] = { "0", "no", "n", "false", "f", "off" };

        for (size_t i = 0; i < ELEMENTSOF(words); i++)
                if (strcasecmp(s, words[i]) == 0)
                        return true;
        return false;
}

/* Columns of the character at s, and its length in bytes. */
static size_t char_width(const char *s, size_t *ret_bytes) {
        uint32_t c = 0;
        int len, width;

        if (*s >= ' ' && *s <= '~') { /* as nearly all text is */
                *ret_bytes = 1;
                return 1;
        }
        len = utf8_decode(s, strnlen(s, 4), &c);
        *ret_bytes = (size_t)MAX(len, 1);
        width = len < 0 ? 1 : wcwidth((wchar_t)c);
        return width < 0 ? 1 : (size_t)width; /* newer than the C library: most characters take one */
}

size_t text_width(const char *s) {
        size_t width = 0, bytes;

        for (; *s; s += bytes)
                width += char_width(s, &bytes);
        return width;
}

/* Length of the prefix of s that fits into so many columns, including marks that combine with the last character. */
static size_t fitting_bytes(const char *s, size_t columns) {
        size_t width = 0, bytes, n = 0;

        for (; s[n]; n += bytes) {
                width += char_width(s + n, &bytes);
                if (width > columns)
                        break;
        }
        return n;
}

char *text_ellipsize(const char *s, size_t columns, const char *ellipsis) {
        size_t e = text_width(ellipsis);

        assert(e > 0);
        if (text_width(s) <= columns)
                return alloc_string(s);
        if (columns < e)
                return alloc_format("%.*s", (int)fitting_bytes(s, columns), s);
        return alloc_format("%.*s%s", (int)fitting_bytes(s, columns - e), s, ellipsis);
}

const char *color_start(Color c) {
        static const char *const table[_COLOR_MAX] = {
                [COLOR_NONE] = "",
                [COLOR_RED] = "\x1b[0;1;31m",
                [COLOR_GREEN] = "\x1b[0;1;32m",
                [COLOR_YELLOW] = "\x1b[0;1;33m",
                [COLOR_GREY] = "\x1b[0;38;5;245m",
                [COLOR_TITLE] = "\x1b[0;4m",
        };

        assert(c < _COLOR_MAX && table[c]);
        return table[c];
}
