#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Arrays that grow one by one, and bisection in those that are sorted. An array has room for the next power of two
 * that is not below its count, so its room needs no field of its own: every array begins as NULL with a count of 0,
 * grows by these macros only, and may lose elements in any way. An array is named by an lvalue, as is its count. */

#include <stddef.h>

#include "util/macro.h"

/* Room for one more among n elements of a size; NULL without memory, and all stays as it was. */
void *array_gap(void *array, size_t n, size_t at, size_t size);

/* The place behind the last element, for the caller to fill in and count; or NULL. */
#define ARRAY_NEXT(array, n) ((__typeof__(array))array_gap(&(array), (n), (n), sizeof(*(array))))

/* The place of a new element at an index, which is counted, for the caller to fill in; or NULL. */
#define ARRAY_INSERT(array, n, at)                                                       \
        ({                                                                               \
                __typeof__(array) _place = array_gap(&(array), n, at, sizeof(*(array))); \
                (n) += _place != NULL;                                                   \
                _place;                                                                  \
        })

/* Takes out the element at an index, which may not be a text that changes with the count. */
#define ARRAY_REMOVE(array, n, at)                                                          \
        ({                                                                                  \
                (n)--;                                                                      \
                memmove(&(array)[at], &(array)[(at) + 1], ((n) - (at)) * sizeof(*(array))); \
        })

/* The first of n indices for which the expression before, in terms of i, does not hold; n when it holds for all. It
 * holds for none behind one for which it does not. */
#define BISECT(n, i, before)                                  \
        ({                                                    \
                size_t _low = 0, _high = (n);                 \
                                                              \
                while (_low < _high) {                        \
                        size_t i = _low + (_high - _low) / 2; \
                                                              \
                        if (before)                           \
                                _low = i + 1;                 \
                        else                                  \
                                _high = i;                    \
                }                                             \
                _low;                                         \
        })
