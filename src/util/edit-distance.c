/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "util/edit-distance.h"

#define PART_MIN 4 /* letters: shorter parts are in too many names */

static char lower(char c) {
        return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* Optimal string alignment, row by row; three rows are all that a swap of neighbours looks back to. When two rows hold
 * nothing within the limit no later one will: among hundreds of keys most are given up early. */
unsigned edit_distance(const char *a, const char *b, unsigned limit) {
        unsigned rows[3][EDIT_LENGTH_MAX + 1];
        size_t n = strlen(a), m = strlen(b);
        unsigned least = 0, least_before;

        if (n > EDIT_LENGTH_MAX || m > EDIT_LENGTH_MAX || n > m + limit || m > n + limit)
                return limit + 1;
        for (unsigned k = 0; k <= m; k++)
                rows[0][k] = k;
        for (size_t i = 1; i <= n; i++) {
                unsigned *now = rows[i % 3], *before = rows[(i - 1) % 3], *older = rows[(i + 1) % 3];

                now[0] = (unsigned)i;
                least_before = least;
                least = now[0];
                for (size_t k = 1; k <= m; k++) {
                        bool same = lower(a[i - 1]) == lower(b[k - 1]);

                        now[k] = before[k - 1] + !same;
                        now[k] = MIN(now[k], before[k] + 1);
                        now[k] = MIN(now[k], now[k - 1] + 1);
                        if (i > 1 && k > 1 && lower(a[i - 1]) == lower(b[k - 2]) && lower(a[i - 2]) == lower(b[k - 1]))
                                now[k] = MIN(now[k], older[k - 2] + 1);
                        least = MIN(least, now[k]);
                }
                if (least > limit && least_before > limit)
                        return limit + 1;
        }
        return MIN(rows[n % 3][m], limit + 1);
}

unsigned typing_errors(const char *name) {
        size_t n = strlen(name);

        return n < 6 ? 1 : n < 9 ? 2 : 3;
}

unsigned name_distance(const char *written, const char *name) {
        unsigned errors = typing_errors(written), distance = edit_distance(written, name, errors);
        bool longer = strlen(written) > strlen(name);

        if (!longer && strlen(written) >= PART_MIN && strncasecmp(name, written, strlen(written)) == 0)
                return MIN(distance, errors > 1 ? errors - 1 : 1); /* its beginning: what lacks Sec= at its end */
        if (distance <= errors || strlen(longer ? name : written) < PART_MIN)
                return distance;
        return strcasestr(longer ? written : name, longer ? name : written) ? errors : distance;
}
