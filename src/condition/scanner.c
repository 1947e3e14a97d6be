/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The words of a condition. Quotes and escapes are those of systemd.syntax(7); what is a word of the language itself
 * ("and", "is") counts only without them, so that a unit may have any name. */

#include <stdarg.h>
#include <stdio.h>

#include "condition/condition-internal.h"
#include "util/ascii.h"
#include "util/utf8.h"
#include "util/words.h"

#define WORD_ENDS   WORD_BLANKS "()<>"
#define AMOUNT_ENDS WORD_ENDS "=!"

int scanner_complain(Scanner *s, const char *at, const char *format, ...) {
        ConditionError *e = s->error;
        va_list ap;

        e->column = (size_t)(at - s->text) + 1;
        va_start(ap, format);
        (void)vsnprintf(e->message, sizeof(e->message), format, ap);
        va_end(ap);
        e->message[utf8_cut(e->message, sizeof(e->message) - 1)] = '\0';
        return -EINVAL;
}

void scanner_skip_blanks(Scanner *s) {
        s->at += strspn(s->at, WORD_BLANKS);
}

static bool is_keyword_at(const char *at, const char *keyword) {
        const char *rest = startswith(at, keyword);

        return rest && (*rest == '\0' || strchr(WORD_ENDS, *rest));
}

bool scanner_take_keyword(Scanner *s, const char *keyword) {
        scanner_skip_blanks(s);
        if (!is_keyword_at(s->at, keyword))
                return false;
        s->at += strlen(keyword);
        return true;
}

/* The end of a word, blanks between quotes and characters behind a backslash included. */
static const char *find_end(const char *at) {
        char quote = '\0';

        for (; *at != '\0' && (quote || !strchr(WORD_ENDS, *at)); at++)
                if (*at == '\\' && at[1] != '\0')
                        at++;
                else if (quote)
                        quote = *at == quote ? '\0' : quote;
                else if (*at == '"' || *at == '\'')
                        quote = *at;
        return at;
}

int scanner_take_word(Scanner *s, char **ret, const char **ret_at) {
        _cleanup_free_ char *raw = NULL, *word = NULL, *message = NULL;
        const char *end, *p;
        int r;

        scanner_skip_blanks(s);
        end = find_end(s->at);
        *ret_at = s->at;
        if (end == s->at)
                return 0;
        raw = strndup(s->at, (size_t)(end - s->at));
        word = malloc((size_t)(end - s->at) + 1);
        if (!raw || !word)
                return -ENOMEM;
        p = raw;
        r = word_next(&p, word, &message);
        if (r == -EINVAL)
                return scanner_complain(s, s->at, "%s", message);
        if (r < 0)
                return r;
        s->at = end;
        *ret = TAKE_PTR(word);
        return 1;
}

/* "2h" behind "1d", and "min" behind "5". */
static bool goes_on(const char *end, const char *next) {
        if (is_digit(*next))
                return true;
        return is_digit(end[-1]) && !is_keyword_at(next, "and") && !is_keyword_at(next, "or");
}

int scanner_take_amount(Scanner *s, bool several, char **ret, const char **ret_at) {
        const char *p, *end;

        scanner_skip_blanks(s);
        *ret_at = p = end = s->at;
        while (*p != '\0' && !strchr(AMOUNT_ENDS, *p) && (end == s->at || (several && goes_on(end, p)))) {
                end = p + strcspn(p, AMOUNT_ENDS);
                p = end + strspn(end, WORD_BLANKS);
        }
        if (end == s->at)
                return 0;
        *ret = strndup(s->at, (size_t)(end - s->at));
        if (!*ret)
                return -ENOMEM;
        s->at = end;
        return 1;
}
