/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The encoding is that of URLs, for as few characters as possible: it is seen in systemctl status and in ps. */

#include "exec/unit-command.h"

#include "util/strv.h"

bool unit_command_is_garbled(const CommandDef *c) {
        STRV_FOREACH(word, c->argv) {
                if (strpbrk(*word, "$;"))
                        return true;
        }
        return false;
}

/* The length of the UTF-8 sequence at s, at least 2 bytes; 0 when it is none. The tables of RFC 3629, section 4, and
 * no noncharacters, since they must not be in a message of D-Bus as libsystemd sees it. */
static size_t sequence_length(const unsigned char *s) {
        static const struct {
                unsigned char first, last, least, most; /* of the first byte, of the second one */
                size_t length;
        } rows[] = {
                { 0xc2, 0xdf, 0x80, 0xbf, 2 }, { 0xe0, 0xe0, 0xa0, 0xbf, 3 }, { 0xe1, 0xec, 0x80, 0xbf, 3 },
                { 0xed, 0xed, 0x80, 0x9f, 3 }, { 0xee, 0xef, 0x80, 0xbf, 3 }, { 0xf0, 0xf0, 0x90, 0xbf, 4 },
                { 0xf1, 0xf3, 0x80, 0xbf, 4 }, { 0xf4, 0xf4, 0x80, 0x8f, 4 },
        };
        uint32_t c;

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                if (s[0] < rows[i].first || s[0] > rows[i].last)
                        continue;
                if (s[1] < rows[i].least || s[1] > rows[i].most)
                        return 0;
                c = s[0] & (0x7fU >> rows[i].length);
                for (size_t k = 1; k < rows[i].length; k++) {
                        if ((s[k] & 0xc0) != 0x80)
                                return 0;
                        c = c << 6 | (s[k] & 0x3f);
                }
                return (c & 0xfffe) == 0xfffe || (c >= 0xfdd0 && c <= 0xfdef) ? 0 : rows[i].length;
        }
        return 0;
}

static bool is_control(unsigned char c) {
        return c < ' ' || c == 0x7f;
}

bool unit_text_is_plain(const char *text) {
        const unsigned char *s = (const unsigned char *)text;

        while (*s) {
                size_t n = *s < 0x80 ? !is_control(*s) : sequence_length(s);

                if (n == 0)
                        return false;
                s += n;
        }
        return true;
}

/* Of words of a job file only the three matter; those of a path may be anything. */
static bool wants_encoding(unsigned char c) {
        return strchr("$;%", c) || is_control(c) || c >= 0x80;
}

static char *encode_word(const char *word, bool any_bytes) {
        char *encoded = malloc(strlen(word) * 3 + 1), *out = encoded;

        for (const char *s = word; encoded && *s; s++)
                if (any_bytes ? wants_encoding((unsigned char)*s) : strchr("$;%", *s) != NULL)
                        out += sprintf(out, "%%%02X", (unsigned char)*s);
                else
                        *out++ = *s;
        if (encoded) {
                assert(out <= encoded + strlen(word) * 3);
                *out = '\0';
        }
        return encoded;
}

char *unit_text_encode(const char *bytes) {
        return encode_word(bytes, /* any_bytes= */ true);
}

int unit_command_encode(char ***ret, const CommandDef *c, bool decode_path, bool in_session) {
        _cleanup_(strv_freep) char **l = NULL;
        int r;

        r = strv_extend(&l, "vakt-command");
        if (r >= 0 && in_session)
                r = strv_extend(&l, "session");
        if (r >= 0 && decode_path)
                r = strv_extend(&l, "path");
        if (r >= 0)
                r = strv_extend(&l, c->flags & COMMAND_NO_EXPAND ? "as-is" : "expand");
        if (r >= 0)
                r = strv_consume(&l, encode_word(c->path, /* any_bytes= */ false));
        STRV_FOREACH(word, c->argv) {
                if (r >= 0)
                        r = strv_consume(&l, encode_word(*word, /* any_bytes= */ false));
        }
        if (r < 0)
                return r;
        *ret = TAKE_PTR(l);
        return 0;
}

static int upper_hex_value(char c) {
        if (c >= '0' && c <= '9')
                return c - '0';
        return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool unit_command_decode_word(char *word) {
        char *out = word;

        for (const char *s = word; *s; s++) {
                int high, low;

                if (*s != '%') {
                        *out++ = *s;
                        continue;
                }
                high = upper_hex_value(s[1]);
                low = high < 0 ? -1 : upper_hex_value(s[2]);
                if (low < 0 || high + low == 0)
                        return false;
                *out++ = (char)(high * 16 + low);
                s += 2;
        }
        *out = '\0';
        return true;
}
