/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Bytes that can control a terminal, and how they are written instead. */

#include "util/escape.h"

int utf8_decode(const char *s, size_t n, uint32_t *ret) {
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

char *escape_text(const char *s, size_t n, bool keep_lines) {
        static const char hex[] = "0123456789ABCDEF";
        char *ret, *t;

        t = ret = reallocarray(NULL, n + 1, 4);
        if (!ret)
                return NULL;
        for (size_t i = 0; i < n;) {
                uint32_t c = 0;
                bool keep;
                int len;

                if (s[i] >= ' ' && s[i] <= '~') { /* as nearly all text is */
                        *t++ = s[i++];
                        continue;
                }
                len = utf8_decode(s + i, n - i, &c);
                keep = (c == '\n' || c == '\t') && keep_lines;
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
        assert((size_t)(t - ret) <= 4 * n);
        *t = '\0';
        return ret;
}
