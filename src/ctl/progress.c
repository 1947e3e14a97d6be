/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Progress of runs. Programs write a percentage in many ways, "42%", "42.5 %" or "Copied 42% of it", so the first
 * number that a percent sign follows counts; without one, "3/10". That one stands by itself, or dates and paths would
 * be progress, too. */

#include "ctl/progress.h"

#include <stdlib.h>

#include "ctl/alloc.h"
#include "util/ascii.h"

/* "3/10" between blanks, brackets and the like, as a percentage; -1: there is none. */
static int parse_part(const char *status) {
        static const char bounds[] = " \t()[]{}:,;.";

        for (const char *s, *slash = status; (slash = strchr(slash, '/')); slash++) {
                size_t n_part, n_whole = strspn(slash + 1, "0123456789");
                unsigned long part, whole;

                for (s = slash; s > status && is_digit(s[-1]); s--)
                        ;
                n_part = (size_t)(slash - s);
                if (n_part == 0 || n_whole == 0 || n_part > 9 || n_whole > 9 ||
                    (s > status && !strchr(bounds, s[-1])) || !strchr(bounds, slash[1 + n_whole]))
                        continue; /* the NUL is a bound, too */
                part = strtoul(s, NULL, 10);
                whole = strtoul(slash + 1, NULL, 10);
                if (whole > 0 && part <= whole)
                        return (int)(part * 100 / whole);
        }
        return -1;
}

int progress_parse(const char *status) {
        for (const char *s = status; *s; s++) {
                const char *end = s;
                int value = 0;

                if (!is_digit(*s))
                        continue;
                for (; is_digit(*end); end++)
                        value = MIN(value * 10 + (*end - '0'), 1000);
                if (*end == '.')
                        end += 1 + strspn(end + 1, "0123456789");
                if (end[strspn(end, " ")] == '%')
                        return MIN(value, 100);
                s = end - 1;
        }
        return parse_part(status);
}

char *progress_bar(int percent, size_t columns, bool blocks) {
        const char *full = blocks ? "█" : "#", *rest = blocks ? "░" : "-";
        size_t n, filled;
        char *bar, *p;

        assert(percent >= 0 && percent <= 100);
        n = MIN(columns, (size_t)PROGRESS_BAR_MAX);
        filled = n * (size_t)percent / 100;
        bar = p = alloc_array(NULL, n + 1, strlen("█"));
        *p = '\0';
        for (size_t i = 0; i < n; i++)
                p = stpcpy(p, i < filled ? full : rest);
        return bar;
}
