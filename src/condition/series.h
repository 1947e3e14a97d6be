#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What is kept of the values of one question: minimum, mean and maximum of each minute and hour, in rows of bytes.
 * Pure.
 *
 * A value holds from one reading to the next, so a mean is one over time, and readings need no rhythm. A bucket
 * through which one value held, or through which nothing was known for the same reason as before it, has no entry: it
 * follows from the one before. So a value that does not change costs nothing.
 *
 * A row has the minutes of an hour, or the hours of a day (UTC, as clocks without summer time count them). */

#include <stddef.h>

#include "condition/condition.h"

#define SERIES_REASON_MAX      160  /* bytes kept of a reason; the rest is cut off */
#define SERIES_REASONS_MAX     2048 /* bytes of a row, after which an unknown value has no reason */
#define SERIES_ENTRY_MAX       (64 + SERIES_REASON_MAX)
#define SERIES_ROW_MAX         (SERIES_REASONS_MAX + 64 * 64)
#define SERIES_MINUTES_PER_ROW 60
#define SERIES_HOURS_PER_ROW   24

/* What is known at one moment. */
typedef struct SeriesState {
        bool is_known;
        int64_t value;
        const char *reason; /* why it is not known, or NULL: nothing was asked then */
} SeriesState;

/* A span of time. */
typedef struct Bucket {
        usec_t known; /* µs of it of which the value is known; 0: there is none */
        int64_t min, max;
        bool is_never;                /* one of the values is CONDITION_NEVER, and so is the mean */
        __extension__ __int128 total; /* of values times series_scale() times µs */
        SeriesState end; /* at its end; but its value is the last one that is known, and its reason that of the last
                          * part that is not */
} Bucket;

/* Means are fractions where values are not: of pieces and days in thousandths, of truths in parts of ten thousand. */
int64_t series_scale(ConditionUnit unit) _const_;

/* A bucket through which this state held. */
Bucket bucket_of(const SeriesState *state, usec_t span, int64_t scale);
/* Times series_scale(), or CONDITION_NEVER; of one that has a value. */
int64_t bucket_mean(const Bucket *b) _pure_;
/* b followed by next. */
void bucket_join(Bucket *b, const Bucket *next);

/* --- rows --- */

/* Entries in the order of time, each relative to the one before it. period: hours or days since 1970. */
typedef struct SeriesRow {
        uint8_t *bytes;
        size_t n;
        uint64_t period;
        /* After the last entry: */
        bool is_begun;
        unsigned index;
        int64_t last;
        size_t reason; /* where it stands, or 0 */
} SeriesRow;

void series_row_reset(SeriesRow *row, uint64_t period);
void series_row_done(SeriesRow *row);
/* Entries come in the order of their index; two of one index are one bucket. -ENOMEM, -ENOBUFS above SERIES_ROW_MAX:
 * it is as it was. */
int series_row_append(SeriesRow *row, unsigned index, const Bucket *b, usec_t span, int64_t scale);
/* Forgets entries from this index on. -ENOMEM: all are. */
int series_row_cut(SeriesRow *row, unsigned index, usec_t span, int64_t scale);
/* Takes any bytes; without any, the row is empty. -EBADMSG: they say something impossible; -ENOMEM. ret is all zero at
 * first, or in use. */
int series_row_load(SeriesRow *ret, const void *bytes, size_t n, usec_t span, int64_t scale);

/* Fills in n buckets, one for each index of the row; state: before the first of them, and in return after the last.
 * Reasons are those of the row and of state. NULL: a row without entries. */
void series_row_expand(const SeriesRow *row, SeriesState *state, Bucket *buckets, size_t n, usec_t span,
                       int64_t scale);

/* --- one question --- */

/* The minute that goes on. Times are µs of CLOCK_REALTIME. */
typedef struct Series {
        int64_t scale;
        SeriesState state; /* its reason is our own copy */
        char *gap_reason;  /* of the part of the minute before it that was not known */
        usec_t at;         /* until when it is counted */
        bool is_changed;   /* the state is not the one that held at the begin of the minute, or was not all the time */
        Bucket bucket;     /* without end */
} Series;

void series_init(Series *s, ConditionUnit unit);
void series_done(Series *s);
/* Counts the state up to now. */
void series_hold(Series *s, usec_t now);
/* Something else is known from now on. -ENOMEM: without its reason. */
int series_set(Series *s, const SeriesState *state, usec_t now);
/* The part of the minute that was counted. False: it has no entry. */
bool series_minute(const Series *s, Bucket *ret);
/* A new minute begins, at this time. */
void series_begin_minute(Series *s, usec_t at);
