/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The room doubles, so that appending costs no more than the bytes that are added. */

#include "util/bytes.h"

void bytes_add(Bytes *b, const void *bytes, size_t n) {
        if (n == 0 || b->failed)
                return;
        if (n > b->n_allocated - b->n) {
                size_t bigger = 2 * (b->n + n) + 64;
                char *p = realloc(b->bytes, bigger);

                b->failed = !p;
                if (!p)
                        return;
                b->bytes = p;
                b->n_allocated = bigger;
        }
        memcpy(b->bytes + b->n, bytes, n);
        b->n += n;
}

void bytes_done(Bytes *b) {
        free(b->bytes);
        *b = (Bytes){};
}
