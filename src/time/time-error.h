#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Where and why an expression is refused, for the person who wrote it. */

#include <stddef.h>

typedef struct TimeError {
        size_t column;       /* of the problem, from 1, in bytes; behind the end when something is missing there */
        const char *message; /* a message without a full stop; a literal */
} TimeError;
