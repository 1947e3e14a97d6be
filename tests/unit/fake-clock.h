#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The clocks of a machine on which time passes only when a test says so. A program that is linked with fake-clock.c
 * and wraps what fake_clock_wrapped of meson.build lists has these as its clocks: clock_gettime(2) and sd_event_now(3)
 * read them, the time sources of sd-event(3) and the timerfd that tells of a clock that was set go by them. Nothing
 * waits. */

#include <stdbool.h>
#include <systemd/sd-event.h>

#include "util/clock.h"

typedef struct FakeClock {
        usec_t realtime, boottime, monotonic;
} FakeClock;
extern FakeClock fake_clock;

void fake_clock_advance(usec_t by);
/* The machine sleeps: CLOCK_MONOTONIC does not count that. */
void fake_clock_suspend(usec_t by);
/* Somebody sets CLOCK_REALTIME. */
void fake_clock_step(int64_t by);

/* µs until the next time source is due; 0 = one is; USEC_INFINITY = none is armed. */
usec_t fake_clock_next(void);

/* One turn of the loop with what is due by now; waits for nothing. As sd_event_run(3). */
int fake_clock_run(sd_event *event);
