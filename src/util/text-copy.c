/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* One piece of memory is freed at once, so that no string can be left behind. */

#include "util/text-copy.h"

#include "util/macro.h"

void *copy_with_texts(const void *view, size_t size, const size_t *offsets, size_t n) {
        size_t n_bytes = size;
        char *copy, *end;

        for (size_t i = 0; i < n; i++) {
                const char *text = *(const char *const *)(const void *)((const char *)view + offsets[i]);

                n_bytes += text ? strlen(text) + 1 : 0;
        }
        copy = malloc(n_bytes);
        if (!copy)
                return NULL;
        end = mempcpy(copy, view, size);
        for (size_t i = 0; i < n; i++) {
                const char **text = (const char **)(void *)(copy + offsets[i]);

                if (*text)
                        *text = memcpy(end, *text, strlen(*text) + 1);
                end += *text ? strlen(*text) + 1 : 0;
        }
        return copy;
}
