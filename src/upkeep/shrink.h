#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Compresses copies, several at a time, so that the disk is waited for once and not for each of them. */

#include "upkeep/compress.h"
#include "upkeep/logs.h"

#define SHRINK_FILES_MAX 512                /* at a time */
#define SHRINK_BYTES_MAX ((off_t)256 << 20) /* read, at a time: as long, both are there */

typedef struct Shrinker Shrinker;

typedef struct ShrinkHandler {
        /* A copy was compressed, which freed so many bytes; or reason tells why it was not, error being negative, or 0
         * if a later run will. */
        void (*done)(void *userdata, Log *l, size_t copy, off_t freed, int error, const char *reason);
        void *userdata;
} ShrinkHandler;

int shrinker_new(Shrinker **ret, const RotateDef *def, const ShrinkHandler *handler);
Shrinker *shrinker_free(Shrinker *s);
DEFINE_CLEANUP(Shrinker, shrinker_free)

/* Compresses a copy to a temporary file; the copies of the log must stay as they are until shrinker_finish(), which
 * has to be called before a copy of another directory is added. */
void shrinker_add(Shrinker *s, Log *l, size_t copy);
void shrinker_finish(Shrinker *s);
