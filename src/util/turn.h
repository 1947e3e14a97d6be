#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Turns of the event loop: the time of a turn, and work that takes many turns. */

#include <systemd/sd-event.h>

#include "util/clock.h"
#include "util/macro.h"

/* The clocks, as the loop read them when this turn began; before its first turn, the current time. Everything in a
 * turn happens at the same time, and the owner of the loop controls the time. */
Instant turn_now(sd_event *event);

/* µs that this turn has taken so far. */
usec_t turn_spent(sd_event *event);

/* Sources with a description, which are off at first and end the loop when they fail. On failure (negative errno) *ret
 * is unchanged. */
int event_add_timer(sd_event *event, sd_event_source **ret, const char *description, clockid_t clock, usec_t accuracy,
                    sd_event_time_handler_t handler, void *userdata);
int event_add_deferred(sd_event *event, sd_event_source **ret, const char *description, sd_event_handler_t handler,
                       void *userdata);

/* Such a source that is ready whenever it is enabled, and takes turns with all others of its priority. A source of
 * sd_event_add_defer(3) does not: it stays the one that has been ready for longest, so that while it is enabled, no
 * other source of its priority is dispatched. */
int event_add_turn(sd_event *event, sd_event_source **ret, const char *description, sd_event_io_handler_t handler,
                   void *userdata);
