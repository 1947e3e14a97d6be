/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* See alloc.h for the reason why a failure ends the program here. */

#include <stdarg.h>

#include "ctl/alloc.h"
#include "ctl/exit-code.h"

void alloc_failed(void) {
        fputs("Out of memory.\n", stderr);
        exit(CTL_FAILED);
}

void *alloc_array(void *p, size_t n, size_t size) {
        void *q = reallocarray(p, n ?: 1, size);

        if (!q)
                alloc_failed();
        return q;
}

char *alloc_string(const char *s) {
        char *copy = strdup(s);

        if (!copy)
                alloc_failed();
        return copy;
}

char *alloc_format(const char *format, ...) {
        char *s;
        va_list ap;
        int n;

        va_start(ap, format);
        n = vasprintf(&s, format, ap);
        va_end(ap);
        if (n < 0)
                alloc_failed();
        return s;
}
