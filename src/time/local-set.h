#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A set of wall clock times: what calendar and cron expressions compile to, and the search for its next member, first
 * on the wall clock alone, then on the time line of a zone with a rule for the hours that a clock change skips or
 * repeats. */

#include "time/civil.h"
#include "time/zone.h"
#include "util/clock.h"

#define USEC_OF_MINUTE (60 * (int32_t)USEC_PER_SEC)

/* What becomes of an occurrence that the clock skips. */
typedef enum DstGap {
        DST_GAP_DEFAULT, /* as systemd (calendar) or cronie's daemon (cron) does it */
        DST_GAP_SKIP,    /* it does not take place */
        DST_GAP_AFTER,   /* it takes place at the instant of the change; several of one gap make one */
        _DST_GAP_MAX,
} DstGap;

/* Which of the two passes of a repeated time counts. */
typedef enum DstOverlap {
        DST_OVERLAP_DEFAULT,
        DST_OVERLAP_FIRST,
        DST_OVERLAP_SECOND,
        DST_OVERLAP_BOTH,
        _DST_OVERLAP_MAX,
} DstOverlap;

typedef struct DstPolicy {
        DstGap gap;
        DstOverlap overlap;
        int32_t gap_max;     /* a gap of so many seconds or more is skipped whatever is said above; 0 = no bound */
        int32_t overlap_max; /* of an overlap of more than so many seconds both passes count; 0 = no bound */
} DstPolicy;

typedef struct LocalSet LocalSet;

struct LocalSet {
        /* The first year of the set from a year on, or -1. */
        int (*next_year)(const LocalSet *set, int year);
        /* The days of a month as a mask, bit 1 for the first. */
        uint32_t (*month_days)(const LocalSet *set, int year, int month);
        /* The first µs within a minute from a µs on; -1 or a value beyond the minute for none. */
        int32_t (*next_usec)(const LocalSet *set, int32_t usec);
        uint64_t minutes;    /* bit 0..59, at least one */
        uint32_t hours;      /* bit 0..23, at least one */
        uint16_t months;     /* bit 1..12, at least one */
        uint8_t odd_carries; /* of enum local_carry, see local_set_next() */
};

/* Ends of a field that may be told about: systemd starts the next round wrongly after them. */
enum local_carry {
        LOCAL_CARRY_MINUTE = 1 << 0, /* the seconds of a minute are over */
        LOCAL_CARRY_HOUR = 1 << 1,   /* those of the last minute of an hour */
        LOCAL_CARRY_DAY = 1 << 2,    /* the minutes of the last hour of a day */
        LOCAL_CARRY_MONTH = 1 << 3,  /* the hours of the last day of a month */
        LOCAL_CARRY_YEAR = 1 << 4,   /* the days of December */
};

/* A wall clock time in µs: civil_seconds() and the rest. */
typedef struct LocalTime {
        int64_t seconds;
        int32_t usec; /* 0..999999 */
} LocalTime;

/* The first member at or after *t, in *t. False when there is none up to the end of CALENDAR_YEAR_MAX: found out in
 * 12 steps a year at most. *ret_odd (may be NULL) tells whether one of the set's odd carries was on the way. */
bool local_set_next(const LocalSet *set, LocalTime *t, bool *ret_odd);

/* The first instant after one (µs of CLOCK_REALTIME) that is an occurrence in a zone. The policy must name a gap and
 * an overlap, not the defaults. -ENOENT when there is none any more. */
int local_set_next_instant(const LocalSet *set, const Zone *zone, const DstPolicy *policy, usec_t after, usec_t *ret);
