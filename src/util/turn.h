#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Work that goes on for many turns of the event loop. */

#include <systemd/sd-event.h>

#include "util/macro.h"

/* A source that is ready whenever it is enabled, and has its turn among all others of its priority. A source of
 * sd_event_add_defer(3) has not: it stays the one that has been ready for longest, so while it goes on, nobody else of
 * its priority is heard. Comes disabled. Negative errno. */
int event_add_turn(sd_event *event, sd_event_source **ret, const char *description, sd_event_io_handler_t handler,
                   void *userdata);
