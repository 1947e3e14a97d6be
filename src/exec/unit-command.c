/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The encoding is that of URLs, for as few characters as possible: it is seen in systemctl status and in ps. */

#include "exec/unit-command.h"

#include <stdio.h>

#include "util/strv.h"

bool unit_command_is_garbled(const CommandDef *c) {
        STRV_FOREACH(word, c->argv) {
                if (strpbrk(*word, "$;"))
                        return true;
        }
        return false;
}

static char *encode_word(const char *word) {
        char *encoded = malloc(strlen(word) * 3 + 1), *out = encoded;

        for (const char *s = word; encoded && *s; s++)
                if (strchr("$;%", *s))
                        out += sprintf(out, "%%%02X", (unsigned char)*s);
                else
                        *out++ = *s;
        if (encoded)
                *out = '\0';
        return encoded;
}

int unit_command_encode(char ***ret, const CommandDef *c) {
        _cleanup_(strv_freep) char **l = NULL;
        int r;

        r = strv_extend(&l, "vakt-command");
        if (r >= 0)
                r = strv_extend(&l, c->flags & COMMAND_NO_EXPAND ? "as-is" : "expand");
        if (r >= 0)
                r = strv_consume(&l, encode_word(c->path));
        STRV_FOREACH(word, c->argv) {
                if (r >= 0)
                        r = strv_consume(&l, encode_word(*word));
        }
        if (r < 0)
                return r;
        *ret = TAKE_PTR(l);
        return 0;
}

static int hex_value(char c) {
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
                high = hex_value(s[1]);
                low = high < 0 ? -1 : hex_value(s[2]);
                if (low < 0 || high + low == 0)
                        return false;
                *out++ = (char)(high * 16 + low);
                s += 2;
        }
        *out = '\0';
        return true;
}
