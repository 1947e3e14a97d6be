/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The array is passed as the address of its pointer, of any type. */

#include "util/array.h"

void *array_gap(void *array, size_t n, size_t at, size_t size) {
        char **a = array, *place;

        assert(at <= n && size > 0);
        if ((n & (n - 1)) == 0) {
                void *bigger = reallocarray(*a, n > 0 ? 2 * n : 1, size);

                if (!bigger)
                        return NULL;
                *a = bigger;
        }
        place = *a + at * size;
        memmove(place + size, place, (n - at) * size);
        return place;
}
