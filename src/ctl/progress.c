/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Progress of runs. Programs write a percentage in many ways, "42%", "42.5 %" or "Copied 42% of it", so the first
 * number that a percent sign follows counts. */

#include "ctl/progress.h"

#include "ctl/alloc.h"
#include "util/ascii.h"

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
        return -1;
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
