#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Names of enum values, looked up in a table indexed by value. */

#include "util/macro.h"

static inline int string_table_find(const char *const *table, size_t n, const char *s) {
        for (size_t i = 0; s && i < n; i++)
                if (table[i] && streq(table[i], s))
                        return (int)i;
        return -EINVAL;
}

#define DEFINE_TO_STRING(name, type)                                                  \
        const char *name##_to_string(type i) {                                        \
                return (size_t)i < ELEMENTSOF(name##_table) ? name##_table[i] : NULL; \
        }
#define DEFINE_FROM_STRING(name)                                                     \
        int name##_from_string(const char *s) {                                      \
                return string_table_find(name##_table, ELEMENTSOF(name##_table), s); \
        }
