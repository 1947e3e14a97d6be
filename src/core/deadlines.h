#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What runs and jobs wait for beside their triggers; core/trigger.h has deadline_set(). */

#include "core/trigger.h"

typedef struct Deadlines {
        Heap heap; /* Deadline */
        sd_event_source *source;
} Deadlines;

int deadlines_init(Manager *m);
void deadlines_done(Manager *m);
/* The point in time of CLOCK_BOOTTIME that is this one of CLOCK_REALTIME, as the clocks are in this turn. */
usec_t deadline_of_realtime(const Manager *m, usec_t realtime);
