#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A row of bytes that is put together piece by piece. All zero: it is empty. */

#include "util/macro.h"

typedef struct Bytes {
        char *bytes;
        size_t n, n_allocated;
        bool failed; /* there was not enough memory: it is of no use */
} Bytes;

/* Appends; check "failed" once, at the end. */
void bytes_add(Bytes *b, const void *bytes, size_t n);
void bytes_done(Bytes *b);
