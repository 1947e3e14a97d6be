#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* When a trigger elapses next: pure arithmetic on times that the caller gives. All times here are µs of
 * CLOCK_BOOTTIME, which goes on during suspend and is not moved by whoever sets the clock. */

#include "job/job-def.h"

typedef struct PlanContext {
        usec_t now_boottime;
        usec_t startup_boottime; /* when the daemon started */
        bool missed_counts;      /* a moment that has passed is due now (start of the daemon), not over (reload) */
} PlanContext;

/* The first elapse of a trigger that was not known before; USEC_INFINITY = never. */
usec_t plan_first(const TriggerDef *t, const PlanContext *c) _pure_;

/* The elapse after one at base (an elapse, or the start of a run that the interval counts from). Always later than
 * now; what an interval passed over meanwhile is skipped without moving its phase. */
usec_t plan_next(const TriggerDef *t, usec_t base, const PlanContext *c) _pure_;
