/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Paths that are built in one buffer, which grows and is reused. They are built from the leaf to the root as often as
 * from the root to the leaf, because a directory knows its parent; hence both ends can be extended. */

#include "fs/path-text.h"

void path_text_done(PathText *p) {
        free(p->bytes);
        *p = (PathText){};
}

static int path_text_reserve(PathText *p, size_t more) {
        size_t needed = p->length + more + 2; /* a slash and the end */
        char *bigger;

        assert(p->bytes ? p->length < p->n_allocated : p->length == 0);
        if (needed <= p->n_allocated)
                return 0;
        needed = MAX(needed, 2 * p->n_allocated + 256);
        bigger = realloc(p->bytes, needed);
        if (!bigger)
                return -ENOMEM;
        p->bytes = bigger;
        p->n_allocated = needed;
        return 0;
}

int path_text_resize(PathText *p, size_t n) {
        int r;

        p->length = 0;
        r = path_text_reserve(p, n);
        if (r < 0)
                return r;
        p->length = n;
        p->bytes[n] = '\0';
        return 0;
}

int path_text_append(PathText *p, const char *bytes, size_t n) {
        int r = path_text_reserve(p, n);

        if (r < 0)
                return r;
        if (n > 0 && p->length > 0 && p->bytes[p->length - 1] != '/')
                p->bytes[p->length++] = '/';
        memcpy(p->bytes + p->length, bytes, n);
        p->length += n;
        assert(p->length < p->n_allocated);
        p->bytes[p->length] = '\0';
        return 0;
}
