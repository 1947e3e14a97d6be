#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Where and why an expression is refused, for the person who wrote it. */

#include <stddef.h>

typedef struct TimeFault {
        size_t column;       /* of the fault, from 1, in bytes; behind the end when something is missing there */
        const char *message; /* a sentence without a full stop; a literal */
} TimeFault;
