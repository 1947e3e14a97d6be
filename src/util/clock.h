#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The unit of time that is used everywhere, and the only place that reads clocks. Only event callbacks and main() call
 * now_*(); all other code gets the time as a parameter that is named after its clock. The code that decides about jobs
 * and runs (core/, sched/ and the layers below) does not call them at all: its clock is the event loop that it is
 * given, see turn_now(). */

#include <inttypes.h>
#include <stdint.h>
#include <time.h>

typedef uint64_t usec_t; /* microseconds */

/* The clocks, read at once. µs. */
typedef struct Instant {
        usec_t realtime;
        usec_t boottime;
        usec_t monotonic; /* as boottime, but it stands still while the machine is suspended */
} Instant;

#define USEC_INFINITY   UINT64_MAX
#define USEC_PER_MSEC   ((usec_t)1000ULL)
#define USEC_PER_SEC    ((usec_t)1000000ULL)
#define USEC_PER_MINUTE (60ULL * USEC_PER_SEC)
#define USEC_PER_HOUR   (60ULL * USEC_PER_MINUTE)
#define USEC_PER_DAY    (24ULL * USEC_PER_HOUR)
#define USEC_PER_WEEK   (7ULL * USEC_PER_DAY)
#define USEC_PER_MONTH  ((usec_t)2629800ULL * USEC_PER_SEC)  /* 30.4375 days, systemd.time(7) */
#define USEC_PER_YEAR   ((usec_t)31557600ULL * USEC_PER_SEC) /* 365.25 days, systemd.time(7) */
#define NSEC_PER_USEC   1000ULL

#define PRI_USEC PRIu64

/* a + b, or USEC_INFINITY if the sum does not fit or one of them is USEC_INFINITY. */
static inline usec_t usec_add(usec_t a, usec_t b) {
        return a > USEC_INFINITY - b ? USEC_INFINITY : a + b;
}

/* a - b, at least 0; USEC_INFINITY stays. */
static inline usec_t usec_sub(usec_t a, usec_t b) {
        if (a == USEC_INFINITY)
                return USEC_INFINITY;
        return a > b ? a - b : 0;
}

static inline usec_t timespec_load(const struct timespec *ts) {
        return (usec_t)ts->tv_sec * USEC_PER_SEC + (usec_t)ts->tv_nsec / NSEC_PER_USEC;
}

static inline usec_t now_clock(clockid_t clock) {
        struct timespec ts;

        (void)clock_gettime(clock, &ts);
        return timespec_load(&ts);
}

static inline usec_t now_realtime(void) {
        return now_clock(CLOCK_REALTIME);
}

static inline usec_t now_boottime(void) {
        return now_clock(CLOCK_BOOTTIME);
}
