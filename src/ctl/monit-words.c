/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Whatever is between quotes is one word, and so are operators and parentheses; a quote that is not closed ends with
 * the file. */

#include "ctl/monit-words.h"

#include "ctl/alloc.h"

#define OPERATORS "<>=!"
#define SINGLES   "(){}"
#define BLANKS    " \t\r\n,;"
#define ENDS      BLANKS OPERATORS SINGLES "\"'#"

static void add_word(MonitWords *w, const char *text, size_t n, unsigned line, bool is_quoted) {
        char *copy = alloc_array(NULL, n + 1, 1);

        memcpy(copy, text, n);
        copy[n] = '\0';
        w->items = alloc_array(w->items, w->n + 1, sizeof(*w->items));
        w->items[w->n++] = (MonitWord){ copy, line, is_quoted };
}

/* How many of the bytes up to end are among these, or are not. */
static size_t span(const char *p, const char *end, const char *bytes, bool among) {
        size_t n = 0;

        while (p + n < end && (p[n] != '\0' && strchr(bytes, p[n]) != NULL) == among)
                n++;
        return n;
}

/* Takes what begins with a quote. A line break in it is a blank, since no value of a job file has any. */
static const char *read_quoted(MonitWords *w, const char *p, const char *end, unsigned *line) {
        _cleanup_free_ char *text = alloc_array(NULL, (size_t)(end - p) + 1, 1);
        unsigned first = *line;
        char quote = *p++;
        size_t n = 0;

        for (; p < end && *p != quote; p++) {
                if (*p == '\\' && p + 1 < end && p[1] == quote)
                        p++;
                *line += *p == '\n';
                text[n++] = *p == '\n' || *p == '\0' ? ' ' : *p;
        }
        add_word(w, text, n, first, true);
        return p < end ? p + 1 : end;
}

void monit_words_read(MonitWords *ret, const char *text, size_t n) {
        const char *p = text, *end = text + n;
        unsigned line = 1;

        while (p < end) {
                size_t length = 1;

                if (*p == '"' || *p == '\'') {
                        p = read_quoted(ret, p, end, &line);
                        continue;
                }
                if (*p == '#')
                        length = span(p, end, "\n", false);
                else if (*p == '\0' || strchr(BLANKS, *p))
                        line += *p == '\n';
                else {
                        if (strchr(OPERATORS, *p))
                                length = span(p, end, OPERATORS, true);
                        else if (!strchr(SINGLES, *p))
                                length = span(p, end, ENDS, false);
                        add_word(ret, p, length, line, false);
                }
                p += length;
        }
}

void monit_words_done(MonitWords *w) {
        for (size_t i = 0; i < w->n; i++)
                free(w->items[i].text);
        free(w->items);
        *w = (MonitWords){ 0 };
}

bool monit_word_is(const MonitWord *w, const char *words) {
        size_t n = strlen(w->text);

        for (const char *p = words; !w->is_quoted && *p; p += strspn(p, " ")) {
                size_t length = strcspn(p, " ");

                if (length == n && strncasecmp(p, w->text, n) == 0)
                        return true;
                p += length;
        }
        return false;
}
