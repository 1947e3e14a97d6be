/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* See alloc.h for the reason why a failure ends the program here. */

#include <stdarg.h>

#include "ctl/alloc.h"
#include "ctl/exit-code.h"
#include "util/strv.h"

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

void alloc_extend(char ***l, const char *value) {
        if (strv_extend(l, value) < 0)
                alloc_failed();
}

void alloc_extendf(char ***l, const char *format, ...) {
        char *value;
        va_list ap;

        va_start(ap, format);
        if (vasprintf(&value, format, ap) < 0 || strv_consume(l, value) < 0)
                alloc_failed();
        va_end(ap);
}

FILE *alloc_stream_open(char **text, size_t *n) {
        FILE *f = open_memstream(text, n);

        if (!f)
                alloc_failed();
        return f;
}

void alloc_stream_close(FILE *f) {
        if (fclose(f) != 0)
                alloc_failed();
}
