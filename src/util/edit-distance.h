#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* How far apart two names are, for "Did you mean …?". */

#include "util/macro.h"

#define EDIT_LENGTH_MAX 48 /* bytes; a longer name is far from every other */

/* Edits (insert, delete, replace, swap neighbours; letter case does not count) that lead from a to b; limit + 1 when
 * more than limit are needed. */
unsigned edit_distance(const char *a, const char *b, unsigned limit);

/* How far apart two names may be to be taken for one. */
unsigned typing_errors(const char *name) _pure_;

/* The same with a guess for a name of which only a part was written, or more than the name, such as "Persist" or
 * "reset": as far as typing errors may go, and nearer for its beginning. More than that when the names have nothing in
 * common. */
unsigned name_distance(const char *written, const char *name);

/* The nearest of several names. */
typedef struct Nearest {
        const char *name; /* NULL: none is near */
        unsigned distance;
} Nearest;

static inline Nearest nearest_begin(const char *written) {
        return (Nearest){ .distance = typing_errors(written) + 1 };
}

/* Whether a name at this distance is the nearest so far. */
static inline bool nearest_take(Nearest *n, const char *name, unsigned distance) {
        if (distance >= n->distance)
                return false;
        *n = (Nearest){ name, distance };
        return true;
}
