/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* An interval is counted from elapse to elapse, not from start to start, so a late start does not make the next one
 * late as well. Nothing here loops: being a year behind costs one division. */

#include "sched/plan.h"

usec_t plan_first(const TriggerDef *t, const PlanContext *c) {
        usec_t at = USEC_INFINITY;

        switch (t->type) {
        case TRIGGER_INTERVAL:
                return usec_add(c->now_boottime, t->span);
        case TRIGGER_BOOT:
                at = t->span;
                break;
        case TRIGGER_STARTUP:
                at = usec_add(c->startup_boottime, t->span);
                break;
        case _TRIGGER_TYPE_MAX:
                break;
        }
        return at <= c->now_boottime && !c->missed_counts ? USEC_INFINITY : at;
}

usec_t plan_next(const TriggerDef *t, usec_t base, const PlanContext *c) {
        usec_t next;

        if (t->type != TRIGGER_INTERVAL || t->span == 0)
                return USEC_INFINITY;
        next = usec_add(base, t->span);
        if (next <= c->now_boottime)
                next = usec_add(next, ((c->now_boottime - next) / t->span + 1) * t->span);
        return next;
}
