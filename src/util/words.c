/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* As in systemd.syntax(7): quotes of either kind may open anywhere in a word, C escapes count inside and outside of
 * them, and an unknown escape is an error (systemd warns and keeps it). Escapes count in all lists, also in those
 * where systemd only drops the backslash: that is never intended. */

#include "util/words.h"

#include "util/complain.h"
#include "util/utf8.h"

#define HEX_DIGITS "0123456789abcdefABCDEF"

static const struct {
        char letter, meaning;
} simple_escapes[] = {
        { 'a', '\a' }, { 'b', '\b' }, { 'f', '\f' },  { 'n', '\n' }, { 'r', '\r' },  { 't', '\t' },
        { 'v', '\v' }, { 's', ' ' },  { '\\', '\\' }, { '"', '"' },  { '\'', '\'' },
};

static const struct {
        char letter; /* behind the backslash; 0: none, the digits follow at once */
        int base;
        size_t digits;
        unsigned long max;
        bool is_byte; /* else a character, written as UTF-8 */
} numeric_escapes[] = {
        { 'x', 16, 2, 0xff, true },
        { 'u', 16, 4, 0xffff, false },
        { 'U', 16, 8, 0x10ffff, false },
        { 0, 8, 3, 0377, true },
};

static char *write_utf8(char *out, unsigned long c) {
        static const struct {
                unsigned long max;
                unsigned char lead;
                int tails;
        } forms[] = { { 0x7f, 0x00, 0 }, { 0x7ff, 0xc0, 1 }, { 0xffff, 0xe0, 2 }, { 0x10ffff, 0xf0, 3 } };
        size_t i = 0;

        assert(c <= 0x10ffff);
        while (c > forms[i].max)
                i++;
        *out++ = (char)(forms[i].lead | (c >> (6 * forms[i].tails)));
        for (int k = forms[i].tails - 1; k >= 0; k--)
                *out++ = (char)(0x80 | ((c >> (6 * k)) & 0x3f));
        return out;
}

/* Takes the escape whose backslash is before *p, writes what it means. False when it means nothing. */
static bool unescape(const char **p, char **out) {
        for (size_t i = 0; i < ELEMENTSOF(simple_escapes); i++)
                if (**p == simple_escapes[i].letter) {
                        *(*out)++ = simple_escapes[i].meaning;
                        (*p)++;
                        return true;
                }
        for (size_t i = 0; i < ELEMENTSOF(numeric_escapes); i++) {
                const char *digits = *p + (numeric_escapes[i].letter != 0);
                char text[9] = "";
                unsigned long c;

                if (numeric_escapes[i].letter != 0 && **p != numeric_escapes[i].letter)
                        continue;
                if (strspn(digits, numeric_escapes[i].base == 16 ? HEX_DIGITS : "01234567") <
                    numeric_escapes[i].digits)
                        return false;
                memcpy(text, digits, numeric_escapes[i].digits);
                c = strtoul(text, NULL, numeric_escapes[i].base);
                if (c == 0 || c > numeric_escapes[i].max || (!numeric_escapes[i].is_byte && c >= 0xd800 && c < 0xe000))
                        return false;
                if (numeric_escapes[i].is_byte)
                        *(*out)++ = (char)c;
                else
                        *out = write_utf8(*out, c);
                *p = digits + numeric_escapes[i].digits;
                return true;
        }
        return false;
}

static int complain_escape(const char *at, char **reterr) {
        if (*at == '\0')
                return complain(reterr, "The line ends in a single backslash. Write \\\\ for a backslash.");
        return complain(reterr,
                        "\\%.*s is not a valid escape sequence of systemd.syntax(7). Write \\\\ for a "
                        "backslash.",
                        MAX((int)utf8_char_length(at, strlen(at)), 1), at);
}

int word_next(const char **p, char *out, char **reterr) {
        char quote = '\0';

        *out = '\0';
        *p += strspn(*p, WORD_BLANKS);
        if (**p == '\0')
                return 0;
        while (**p != '\0' && (quote || !is_word_blank(**p))) {
                char c = *(*p)++;

                if (c == '\\') {
                        if (!unescape(p, &out))
                                return complain_escape(*p, reterr);
                } else if (quote ? c == quote : c == '"' || c == '\'')
                        quote = quote ? '\0' : c;
                else
                        *out++ = c;
        }
        if (quote)
                return complain(reterr, "The quote %c is not closed. Close it, or write \\%c.", quote, quote);
        *out = '\0';
        return 1;
}

int word_unescape(const char *s, char *out, size_t *ret_n, char **reterr) {
        char *start = out;

        while (*s != '\0') {
                if (*s != '\\')
                        *out++ = *s++;
                else if (s++, !unescape(&s, &out))
                        return complain_escape(s, reterr);
        }
        *out = '\0';
        *ret_n = (size_t)(out - start);
        return 0;
}
