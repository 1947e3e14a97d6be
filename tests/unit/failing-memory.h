#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Allocations that fail when they are told to: a program that is linked with failing_memory_args has the functions
 * below in the place of malloc() and its like, in all that is linked into it. */

#include <stdarg.h>

#include "util/macro.h"

/* Allocations until one fails; negative: none does. */
static long countdown = -1;

static bool fails(void) {
        return countdown >= 0 && countdown-- == 0;
}

#define WRAP(type, name, parameters, arguments) \
        type __real_##name parameters;          \
        type __wrap_##name parameters;          \
        type __wrap_##name parameters {         \
                if (fails()) {                  \
                        errno = ENOMEM;         \
                        return NULL;            \
                }                               \
                return __real_##name arguments; \
        }

WRAP(void *, malloc, (size_t n), (n))
WRAP(void *, calloc, (size_t n, size_t size), (n, size))
WRAP(void *, realloc, (void *p, size_t n), (p, n))
WRAP(void *, reallocarray, (void *p, size_t n, size_t size), (p, n, size))
WRAP(char *, strdup, (const char *s), (s))
WRAP(char *, strndup, (const char *s, size_t n), (s, n))

/* Both are called with and without _FORTIFY_SOURCE's check. */
int __wrap_vasprintf(char **ret, const char *format, va_list ap);
int __wrap___vasprintf_chk(char **ret, int flag, const char *format, va_list ap);
int __wrap_asprintf(char **ret, const char *format, ...) _printf_(2, 3);
int __wrap___asprintf_chk(char **ret, int flag, const char *format, ...) _printf_(3, 4);
int __real_vasprintf(char **ret, const char *format, va_list ap);

int __wrap_vasprintf(char **ret, const char *format, va_list ap) {
        return fails() ? -1 : __real_vasprintf(ret, format, ap);
}

int __wrap___vasprintf_chk(char **ret, int flag, const char *format, va_list ap) {
        return fails() ? -1 : __real_vasprintf(ret, format, ap);
}

int __wrap_asprintf(char **ret, const char *format, ...) {
        va_list ap;
        int r;

        va_start(ap, format);
        r = fails() ? -1 : __real_vasprintf(ret, format, ap);
        va_end(ap);
        return r;
}

int __wrap___asprintf_chk(char **ret, int flag, const char *format, ...) {
        va_list ap;
        int r;

        va_start(ap, format);
        r = fails() ? -1 : __real_vasprintf(ret, format, ap);
        va_end(ap);
        return r;
}
