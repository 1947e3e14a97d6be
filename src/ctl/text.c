/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Text for a terminal. A description in a job file, a reason that quotes a program, a line of output: any of them may
 * hold an escape sequence that renames the window or hides a line, so all text goes through text_escape() on its way
 * out. Decoding is done here and not by mbrtowc(3): in the C locale, where cron jobs and containers live, mbrtowc()
 * takes no UTF-8 at all. Left out: grapheme clusters; a family emoji counts as its members. */

#include <langinfo.h>
#include <locale.h>
#include <stdint.h>
#include <wchar.h>

#include "ctl/alloc.h"
#include "ctl/text.h"

bool text_init_locale(void) {
        bool utf8;

        setlocale(LC_CTYPE, "");
        utf8 = streq(nl_langinfo(CODESET), "UTF-8");
        if (!utf8) /* wcwidth() knows ASCII only in the C locale */
                setlocale(LC_CTYPE, "C.UTF-8");
        return utf8;
}

/* Decodes one character (RFC 3629: no overlong form, no surrogate). Returns its length in bytes, or -EINVAL. */
static int utf8_decode(const char *s, size_t n, uint32_t *ret) {
        static const struct {
                unsigned char mask, lead;
                uint32_t min;
        } forms[] = {
                { 0x80, 0x00, 0 },
                { 0xe0, 0xc0, 0x80 },
                { 0xf0, 0xe0, 0x800 },
                { 0xf8, 0xf0, 0x10000 },
        };
        const unsigned char *u = (const unsigned char *)s;

        for (size_t len = 1; len <= MIN(n, ELEMENTSOF(forms)); len++) {
                uint32_t c = u[0] & ~forms[len - 1].mask;

                if ((u[0] & forms[len - 1].mask) != forms[len - 1].lead)
                        continue;
                for (size_t i = 1; i < len; i++) {
                        if ((u[i] & 0xc0) != 0x80)
                                return -EINVAL;
                        c = c << 6 | (u[i] & 0x3f);
                }
                if (c < forms[len - 1].min || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
                        return -EINVAL;
                *ret = c;
                return (int)len;
        }
        return -EINVAL;
}

static bool is_dangerous(uint32_t c) {
        return c < 0x20 || (c >= 0x7f && c <= 0x9f) ||                       /* C0, DEL, C1 */
               c == 0x2028 || c == 0x2029 ||                                 /* line and paragraph separator */
               (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069); /* direction of writing */
}

char *text_escape_n(const char *s, size_t n, TextFlags flags) {
        static const char hex[] = "0123456789ABCDEF";
        char *ret, *t;

        t = ret = alloc_array(NULL, n + 1, 4);
        for (size_t i = 0; i < n;) {
                uint32_t c = 0;
                int len = utf8_decode(s + i, n - i, &c);
                bool keep = (c == '\n' || c == '\t') && (flags & TEXT_KEEP_LINES);

                if (len > 0 && (keep || !is_dangerous(c))) {
                        t = mempcpy(t, s + i, (size_t)len);
                        i += (size_t)len;
                        continue;
                }
                for (size_t end = i + (size_t)MAX(len, 1); i < end; i++) {
                        unsigned char byte = (unsigned char)s[i];

                        t = mempcpy(t, (char[]){ '\\', 'x', hex[byte >> 4], hex[byte & 15] }, 4);
                }
        }
        *t = '\0';
        return ret;
}

char *text_escape(const char *s) {
        return text_escape_n(s, strlen(s), 0);
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

/* Columns of the character at s, and its bytes. */
static size_t char_width(const char *s, size_t *ret_bytes) {
        uint32_t c = 0;
        int len = utf8_decode(s, strnlen(s, 4), &c), width;

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

/* Bytes of s that fit into so many columns; marks that combine with the last character come along. */
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

        return table[c];
}
