#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The reader of TZif files (RFC 8536, versions 1 to 4) and of the POSIX TZ rule in their footer. Bytes in, one table
 * out: the footer's rule is written out year by year, so that no other code needs to know about it. */

#include "util/macro.h"

#define TZIF_YEAR_MIN 1969 /* changes before are left out, */
#define TZIF_YEAR_MAX 2200 /* and the footer's rule is not followed beyond */

struct tzif_type {
        int32_t offset; /* seconds east of UTC */
        uint16_t name;  /* where its abbreviation starts in names */
        bool dst;
};

/* Before at[0] the type "first" holds, from at[i] on the type type[i]. One allocation, freed with free(). */
struct tzif {
        size_t n;
        const int64_t *at; /* ascending */
        const uint8_t *type;
        const struct tzif_type *types;
        const char *names;
        uint8_t first;
};

/* Reads the bytes of a file. -EBADMSG when they are no sound TZif, -EOPNOTSUPP when they count leap seconds. */
int tzif_parse(const void *data, size_t size, struct tzif **ret);

/* UTC as such a table. */
extern const struct tzif tzif_utc;
