/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What is asked of the machine, and how it is written. */

#include <stdio.h>

#include "condition/condition-internal.h"
#include "util/utf8.h"

#define BARE_CHARS                                             \
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz" \
        "0123456789_./:@*?+,%=~^-[]!"

void question_done(Question *q) {
        free(q->subject);
        free(q->aspect);
        *q = (Question){};
}

int question_copy(Question *ret, const Question *q) {
        Question copy = {
                .kind = q->kind,
                .subject = q->subject ? strdup(q->subject) : NULL,
                .aspect = q->aspect ? strdup(q->aspect) : NULL,
        };

        if ((q->subject && !copy.subject) || (q->aspect && !copy.aspect)) {
                question_done(&copy);
                return -ENOMEM;
        }
        *ret = copy;
        return 0;
}

int question_compare(const Question *a, const Question *b) {
        int r = (a->kind > b->kind) - (a->kind < b->kind);

        if (r == 0)
                r = strcmp(strempty(a->subject), strempty(b->subject));
        return r != 0 ? r : strcmp(strempty(a->aspect), strempty(b->aspect));
}

/* Writes a word so that it is read as one: bare, or between quotes with escapes. out has room for four times its
 * length and for the quotes. Returns the end. */
static char *write_word(char *out, const char *s) {
        size_t n = strlen(s), length;

        if (n > 0 && strspn(s, BARE_CHARS) == n)
                return stpcpy(out, s);
        *out++ = '"';
        for (; n > 0; s += length, n -= length) {
                length = utf8_char_length(s, n);
                if (length == 0 || (unsigned char)*s < 0x20 || *s == 0x7f) {
                        length = 1;
                        out += sprintf(out, "\\x%02x", (unsigned char)*s);
                } else {
                        if (*s == '"' || *s == '\\')
                                *out++ = '\\';
                        out = mempcpy(out, s, length);
                }
        }
        return stpcpy(out, "\"");
}

int question_format(const Question *q, char **ret) {
        const KindRow *row = kind_row(q->kind);
        const char *subject = strempty(q->subject), *aspect = strempty(q->aspect);
        char *text, *out;

        text = malloc(strlen(row->name) + strlen(strempty(row->form)) + 4 * strlen(subject) + strlen(aspect) + 8);
        if (!text)
                return -ENOMEM;
        out = stpcpy(text, row->name);
        if (row->form)
                out = stpcpy(out, " ");
        for (const char *p = strempty(row->form); *p; p++)
                if (*p != '%')
                        *out++ = *p;
                else
                        out = *++p == 's' ? write_word(out, subject) : stpcpy(out, aspect);
        *out = '\0';
        *ret = text;
        return 0;
}
