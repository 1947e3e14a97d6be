#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* When something runs out: the line through the samples of the last hour, by least squares, followed to where it
 * reaches 0. This is what Prometheus' predict_linear() computes, which the alerts of node_exporter for disks that fill
 * up are made of. Pure. */

#include "condition/condition.h"
#include "util/clock.h"
#include "util/macro.h"

#define TREND_WINDOW_USEC USEC_PER_HOUR
#define TREND_SAMPLES_MAX 120 /* that are kept: two a minute */
#define TREND_SAMPLES_MIN 5   /* that a line is drawn through, which must be from as long a time as */
#define TREND_GRAIN_USEC  (TREND_WINDOW_USEC / TREND_SAMPLES_MAX)
#define TREND_AGE_MIN     (2 * USEC_PER_MINUTE)
#define TREND_NEVER       CONDITION_NEVER

typedef struct TrendSample {
        usec_t at; /* µs of CLOCK_BOOTTIME */
        int64_t value;
} TrendSample;

/* All zero: no sample yet. */
typedef struct Trend {
        TrendSample samples[TREND_SAMPLES_MAX]; /* oldest first */
        size_t n_samples;
} Trend;

/* Samples that come more often than can be kept replace the last one. */
void trend_add(Trend *t, usec_t now_boottime, int64_t value);

/* µs from the last sample on until there is nothing left, at most TREND_NEVER, which it also is when it does not get
 * less. -EAGAIN: there are too few samples yet. */
int trend_time_left(const Trend *t, int64_t *ret);
