#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The TZ rule of POSIX ("CET-1CEST,M3.5.0,M10.5.0/3") with the extensions of RFC 8536: quoted names, and times of day
 * from -167 to 167 hours. */

#include "util/macro.h"

#define POSIX_TZ_NAME_MAX 15

struct posix_tz_date {
        enum {
                POSIX_TZ_JULIAN,      /* Jn: 1..365, February 29 is never counted */
                POSIX_TZ_DAY_OF_YEAR, /* n: 0..365 */
                POSIX_TZ_MONTH_WEEK,  /* Mm.w.d: weekday d (Sunday = 0) of week w (5: the last) of month m */
        } kind;
        int day, week, month;
        int32_t time; /* seconds from midnight, may be negative or beyond the day */
};

struct posix_tz {
        char std_name[POSIX_TZ_NAME_MAX + 1], dst_name[POSIX_TZ_NAME_MAX + 1];
        int32_t std_offset, dst_offset; /* seconds east of UTC */
        bool has_dst;
        struct posix_tz_date start, end; /* of daylight saving */
};

/* -EINVAL when it is no such rule. */
int posix_tz_parse(const char *s, struct posix_tz *ret);

/* The instants at which daylight saving starts and ends in a year; only for rules that have it. */
void posix_tz_changes(const struct posix_tz *rule, int year, int64_t *ret_start, int64_t *ret_end);
