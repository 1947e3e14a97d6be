#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Attributes, one-line helpers and headers of the C library that nearly every file uses. No knowledge of jobs. */

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define _cleanup_(f)   __attribute__((__cleanup__(f)))
#define _printf_(a, b) __attribute__((__format__(printf, a, b)))
#define _unused_       __attribute__((__unused__))
#define _const_        __attribute__((__const__))
#define _pure_         __attribute__((__pure__))
#define _sentinel_     __attribute__((__sentinel__))

#define ELEMENTSOF(a) (sizeof(a) / sizeof((a)[0]))
#define MIN(a, b)                             \
        ({                                    \
                const __typeof__(a) _a = (a); \
                const __typeof__(b) _b = (b); \
                _a < _b ? _a : _b;            \
        })
#define MAX(a, b)                             \
        ({                                    \
                const __typeof__(a) _a = (a); \
                const __typeof__(b) _b = (b); \
                _a > _b ? _a : _b;            \
        })

/* The plural suffix in a message: "%zu job%s". */
#define PLURAL(n) ((n) == 1 ? "" : "s")

/* Returns a value and resets the variable, so that a cleanup attribute has nothing to free. */
#define TAKE_GENERIC(var, empty)              \
        ({                                    \
                __typeof__(var) *_p = &(var); \
                __typeof__(var) _v = *_p;     \
                *_p = (empty);                \
                _v;                           \
        })
#define TAKE_PTR(ptr) TAKE_GENERIC(ptr, NULL)
#define TAKE_FD(fd)   TAKE_GENERIC(fd, -EBADF)

/* Defines type_freep() for _cleanup_() from a type *type_free(type *). */
#define DEFINE_CLEANUP(type, free_func)             \
        static inline void free_func##p(type **p) { \
                if (*p)                             \
                        *p = free_func(*p);         \
        }

static inline void freep(void *p) {
        free(*(void **)p);
}

/* Closes an open descriptor, keeps errno, and returns the value of an unused fd variable. */
static inline int safe_close(int fd) {
        if (fd >= 0) {
                int saved = errno;

                (void)close(fd);
                errno = saved;
        }
        return -EBADF;
}

static inline void closep(int *fd) {
        *fd = safe_close(*fd);
}

static inline void *mfree(void *p) {
        free(p);
        return NULL;
}

#define _cleanup_free_  _cleanup_(freep)
#define _cleanup_close_ _cleanup_(closep)

static inline bool streq(const char *a, const char *b) {
        return *a == *b && strcmp(a, b) == 0; /* most often the first bytes differ, and nothing is called */
}

/* Equal strings, or both are NULL. */
static inline bool streq_ptr(const char *a, const char *b) {
        return a && b ? streq(a, b) : a == b;
}

static inline bool isempty(const char *s) {
        return !s || s[0] == '\0';
}

static inline const char *strempty(const char *s) {
        return s ?: "";
}

/* The rest of s after prefix, or NULL. */
static inline const char *startswith(const char *s, const char *prefix) {
        size_t n = strlen(prefix);

        return strncmp(s, prefix, n) == 0 ? s + n : NULL;
}
