#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A path that is built piece by piece: bytes, always NUL-terminated, of any length (trees may be deeper than
 * PATH_MAX). */

#include "util/macro.h"

typedef struct PathText {
        char *bytes; /* NULL until something is added */
        size_t length, n_allocated;
} PathText;

void path_text_done(PathText *p);

static inline void path_text_clear(PathText *p) {
        p->length = 0;
        if (p->bytes)
                p->bytes[0] = '\0';
}

static inline const char *path_text_string(const PathText *p) {
        return p->bytes ?: "";
}

/* Makes it n bytes long; the caller fills them. 0 or -ENOMEM. */
int path_text_resize(PathText *p, size_t n);

/* Appends n bytes, after a slash if the path is not empty and does not end in one. 0 or -ENOMEM. */
int path_text_append(PathText *p, const char *bytes, size_t n);
