#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A repeatable source of random numbers and of text made from them, for the programs that ask random questions. */

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include "util/macro.h"

struct random_text {
        uint64_t state;
        char text[1024];
        size_t n;
};

/* 0..n-1 */
static inline unsigned random_below(struct random_text *r, unsigned n) {
        r->state = r->state * 6364136223846793005ULL + 1442695040888963407ULL;
        return (unsigned)((r->state >> 33) % n);
}

static inline bool random_percent(struct random_text *r, unsigned percent) {
        return random_below(r, 100) < percent;
}

static inline unsigned random_between(struct random_text *r, unsigned low, unsigned high) {
        return low + random_below(r, high - low + 1);
}

static inline void _printf_(2, 3) random_add(struct random_text *r, const char *format, ...) {
        va_list ap;
        int n;

        va_start(ap, format);
        n = vsnprintf(r->text + r->n, sizeof(r->text) - r->n, format, ap);
        va_end(ap);
        if (n > 0)
                r->n = MIN(r->n + (size_t)n, sizeof(r->text) - 1);
}
