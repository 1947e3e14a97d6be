#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Strings that are made, and NULL-terminated arrays of owned strings, of which NULL is an empty one. */

#include "util/macro.h"

/* Like asprintf(3), but without memory *ret is NULL. 0 or -ENOMEM. */
int string_format(char **ret, const char *format, ...) _printf_(2, 3);

char **strv_free(char **l);
DEFINE_CLEANUP(char *, strv_free)

size_t strv_length(char *const *l) _pure_;

/* By their bytes. n strings; NULL if there are none. */
void strings_sort(char **strings, size_t n);

/* Appends; consume() takes over the string (and frees it on failure), extend() copies it. 0 or -ENOMEM. */
int strv_consume(char ***l, char *value);
int strv_extend(char ***l, const char *value);
int strv_extendf(char ***l, const char *format, ...) _printf_(2, 3);

/* The same strings in the same order? */
bool strv_equal(char *const *a, char *const *b) _pure_;

/* A deep copy; NULL for NULL or without memory. */
char **strv_copy(char *const *l);

/* The value of "NAME=value" for a name of n bytes; the last one wins. NULL if there is none. */
const char *strv_env_get(char *const *l, const char *name, size_t n) _pure_;

#define STRV_FOREACH(s, l) for (char *const *s = (l); s && *s; s++)
