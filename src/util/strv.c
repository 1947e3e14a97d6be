/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Lists of strings as execve() and sd-bus require them. Appending is linear in the length: the lists here are command
 * lines and environments. */

#include "util/strv.h"

#include <stdarg.h>

static int format_new(char **ret, const char *format, va_list ap) {
        if (vasprintf(ret, format, ap) >= 0)
                return 0;
        *ret = NULL;
        return -ENOMEM;
}

int string_format(char **ret, const char *format, ...) {
        va_list ap;
        int r;

        va_start(ap, format);
        r = format_new(ret, format, ap);
        va_end(ap);
        return r;
}

char **strv_free(char **l) {
        for (char **s = l; s && *s; s++)
                free(*s);
        free(l);
        return NULL;
}

size_t strv_length(char *const *l) {
        size_t n = 0;

        while (l && l[n])
                n++;
        return n;
}

bool strv_equal(char *const *a, char *const *b) {
        size_t n = strv_length(a);

        if (n != strv_length(b))
                return false;
        for (size_t i = 0; i < n; i++)
                if (!streq(a[i], b[i]))
                        return false;
        return true;
}

static int compare_strings(const void *a, const void *b) {
        return strcmp(*(char *const *)a, *(char *const *)b);
}

void strings_sort(char **strings, size_t n) {
        if (n > 0)
                qsort(strings, n, sizeof(char *), compare_strings);
}

int strv_consume(char ***l, char *value) {
        size_t n = strv_length(*l);
        char **bigger;

        if (!value)
                return -ENOMEM;
        bigger = reallocarray(*l, n + 2, sizeof(char *));
        if (!bigger) {
                free(value);
                return -ENOMEM;
        }
        bigger[n] = value;
        bigger[n + 1] = NULL;
        *l = bigger;
        return 0;
}

int strv_extend(char ***l, const char *value) {
        return strv_consume(l, strdup(value));
}

int strv_extendf(char ***l, const char *format, ...) {
        char *value;
        va_list ap;

        va_start(ap, format);
        (void)format_new(&value, format, ap);
        va_end(ap);
        return strv_consume(l, value);
}

char **strv_copy(char *const *l) {
        size_t n = strv_length(l);
        _cleanup_(strv_freep) char **copy = n > 0 ? calloc(n + 1, sizeof(char *)) : NULL;

        for (size_t i = 0; copy && i < n; i++) {
                copy[i] = strdup(l[i]);
                if (!copy[i])
                        return NULL;
        }
        return TAKE_PTR(copy);
}

const char *strv_env_get(char *const *l, const char *name, size_t n) {
        const char *found = NULL;

        STRV_FOREACH(s, l)
                if (strncmp(*s, name, n) == 0 && (*s)[n] == '=')
                        found = *s + n + 1;
        return found;
}
