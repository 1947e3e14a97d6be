#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Arrays that grow one by one, and bisection in sorted ones. An array has room for the smallest power of two that is
 * not below its count, so the room needs no field of its own: every array begins as NULL with a count of 0, grows only
 * through these macros, and may lose elements in any way. An array and its count are passed as lvalues. */

#include "util/macro.h"

/* Makes room for one more of n elements of a size; NULL without memory, in which case nothing changes. */
void *array_gap(void *array, size_t n, size_t at, size_t size);

/* The place after the last element, which the caller fills in and counts; or NULL. */
#define ARRAY_NEXT(array, n) ((__typeof__(array))array_gap(&(array), (n), (n), sizeof(*(array))))

/* The place of a new element at an index, which is counted and which the caller fills in; or NULL. */
#define ARRAY_INSERT(array, n, at)                                                       \
        ({                                                                               \
                __typeof__(array) _place = array_gap(&(array), n, at, sizeof(*(array))); \
                (n) += _place != NULL;                                                   \
                _place;                                                                  \
        })

/* Removes the element at an index, which may not be an expression that changes with the count. */
#define ARRAY_REMOVE(array, n, at)                                                          \
        ({                                                                                  \
                (n)--;                                                                      \
                memmove(&(array)[at], &(array)[(at) + 1], ((n) - (at)) * sizeof(*(array))); \
        })

/* The first of n indices for which the preceding expression, in terms of i, does not hold; n if it holds for all. It
 * must not hold for any index after one for which it does not. */
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
