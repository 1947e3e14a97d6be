/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* UTF-8 as RFC 3629 has it: shortest form only, no surrogates, nothing past U+10FFFF. The ranges of the second byte
 * (table 3-7 of the Unicode standard) say all of that. libsystemd sends no noncharacters either. */

#include "util/utf8.h"

static const struct {
        unsigned char first, last; /* lead bytes */
        unsigned char low, high;   /* what the second byte may be */
        unsigned char length;
} sequences[] = {
        { 0x00, 0x7f, 0x00, 0x00, 1 }, { 0xc2, 0xdf, 0x80, 0xbf, 2 }, { 0xe0, 0xe0, 0xa0, 0xbf, 3 },
        { 0xe1, 0xec, 0x80, 0xbf, 3 }, { 0xed, 0xed, 0x80, 0x9f, 3 }, { 0xee, 0xef, 0x80, 0xbf, 3 },
        { 0xf0, 0xf0, 0x90, 0xbf, 4 }, { 0xf1, 0xf3, 0x80, 0xbf, 4 }, { 0xf4, 0xf4, 0x80, 0x8f, 4 },
};

/* U+FDD0 to U+FDEF, and the last two of each plane. */
static bool is_noncharacter(const unsigned char *u, size_t length) {
        uint32_t c = u[0] & (0x7fU >> length);

        if (length < 3)
                return false;
        for (size_t i = 1; i < length; i++)
                c = c << 6 | (u[i] & 0x3f);
        return (c & 0xfffe) == 0xfffe || (c >= 0xfdd0 && c <= 0xfdef);
}

size_t utf8_char_length(const char *s, size_t n) {
        const unsigned char *u = (const unsigned char *)s;

        if (n == 0)
                return 0;
        for (size_t i = 0; i < ELEMENTSOF(sequences); i++) {
                size_t length = sequences[i].length;

                if (u[0] < sequences[i].first || u[0] > sequences[i].last)
                        continue;
                if (length > n || (length > 1 && (u[1] < sequences[i].low || u[1] > sequences[i].high)))
                        return 0;
                for (size_t k = 2; k < length; k++)
                        if ((u[k] & 0xc0) != 0x80)
                                return 0;
                return is_noncharacter(u, length) ? 0 : length;
        }
        return 0;
}

bool utf8_is_valid(const char *s) {
        size_t length;

        for (; *s; s += length) {
                length = (unsigned char)*s < 0x80 ? 1 : utf8_char_length(s, strnlen(s, 4));
                if (length == 0)
                        return false;
        }
        return true;
}

size_t utf8_cut(const char *s, size_t n) {
        size_t have = strnlen(s, n + 1);

        if (have <= n)
                return have;
        while (n > 0 && ((unsigned char)s[n] & 0xc0) == 0x80)
                n--;
        return n;
}
