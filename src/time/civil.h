#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The Gregorian calendar as plain arithmetic: dates and times of day without any zone. Seconds are counted from
 * 1970-01-01 00:00:00 of the same (unnamed) clock; leap seconds do not exist, as in POSIX. */

#include "util/macro.h"

#define SECONDS_PER_DAY   INT64_C(86400)
#define CALENDAR_YEAR_MIN 1970 /* what calendar and cron expressions can reach, as in systemd */
#define CALENDAR_YEAR_MAX 2199

struct civil {
        int year;
        int month; /* 1..12 */
        int day;   /* 1..31 */
        int hour, minute, second;
};

/* Days from 1970-01-01 to a date. The day may lie outside of its month, the month must be 1..12. */
_const_ int64_t civil_days(int year, int month, int day);

/* Seconds from 1970-01-01 00:00:00. Every field may be out of its range and carries over, as with timegm(3). */
_pure_ int64_t civil_seconds(const struct civil *c);

/* The fields of a second, all in their ranges. */
void civil_from_seconds(int64_t seconds, struct civil *ret);

/* 28..31. */
_const_ int civil_month_length(int year, int month);

/* The weekday of a day count, Monday = 0. */
_const_ int civil_weekday(int64_t days);
