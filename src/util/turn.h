#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Turns of the event loop: what time it is in one, and work that goes on for many. */

#include <systemd/sd-event.h>

#include "util/clock.h"
#include "util/macro.h"

/* The clocks, as the loop read them when this turn began; before its first turn, as they are. All that happens in a
 * turn happens at one time, and who owns the loop owns the time. */
Instant turn_now(sd_event *event);

/* µs that this turn has taken so far. */
usec_t turn_spent(sd_event *event);

/* What our sources have that wait for their time: a name, and an end of the loop when they fail. Off to begin with. */
int event_source_set_up(sd_event_source *s, const char *description);

/* A source that is ready whenever it is enabled, and has its turn among all others of its priority. A source of
 * sd_event_add_defer(3) has not: it stays the one that has been ready for longest, so while it goes on, nobody else of
 * its priority is heard. Comes set up as above. Negative errno. */
int event_add_turn(sd_event *event, sd_event_source **ret, const char *description, sd_event_io_handler_t handler,
                   void *userdata);
