/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What runs and jobs wait for beside their triggers (a retry's delay, the end of a wait, an alarm) in one heap under
 * one source of the event loop: thousands of retries cost 32 bytes each, and an empty heap costs no wake-up.
 * CLOCK_BOOTTIME, because a delay goes on while the machine sleeps and does not care how its clock is set. */

#include <assert.h>

#include "core/deadlines.h"
#include "core/manager-body.h"
#include "util/log.h"

#define DEADLINE_ACCURACY_USEC (10 * USEC_PER_MSEC)
#define DEADLINES_PER_TURN     64

usec_t deadline_of_realtime(const Manager *m, usec_t realtime) {
        Instant now = turn_now(m->event);

        if (realtime == USEC_INFINITY)
                return USEC_INFINITY;
        return realtime > now.realtime ? usec_add(now.boottime, realtime - now.realtime)
                                       : usec_sub(now.boottime, now.realtime - realtime);
}

static void arm(Manager *m) {
        const HeapEntry *first = heap_first(&m->deadlines->heap);

        if (!m->deadlines->source)
                return;
        if (first)
                (void)sd_event_source_set_time(m->deadlines->source, first->at);
        (void)sd_event_source_set_enabled(m->deadlines->source, first ? SD_EVENT_ONESHOT : SD_EVENT_OFF);
}

static int on_deadline(sd_event_source *s, uint64_t usec, void *userdata) {
        Manager *m = userdata;
        usec_t now = turn_now(m->event).boottime;
        const HeapEntry *first;

        for (unsigned n = 0; n < DEADLINES_PER_TURN && (first = heap_first(&m->deadlines->heap)) && first->at <= now;
             n++) {
                Deadline *d = HEAP_OWNER(first, Deadline, position);

                (void)heap_set(&m->deadlines->heap, USEC_INFINITY, USEC_INFINITY, &d->position);
                assert(d->position == HEAP_NONE); /* who is called may set it again */
                d->due(m, d);
        }
        arm(m);
        return 0;
}

void deadline_set(Manager *m, Deadline *d, usec_t at_boottime) {
        assert(d->due || at_boottime == USEC_INFINITY);
        if (at_boottime == USEC_INFINITY && d->position == HEAP_NONE)
                return; /* there is nothing to take back */
        if (heap_set(&m->deadlines->heap, at_boottime, at_boottime, &d->position) < 0)
                log_error("Not enough memory to wait for a deadline; restart vaktd when there is more, so that what "
                          "waits for it continues.");
        arm(m);
}

int deadlines_init(Manager *m) {
        m->deadlines = calloc(1, sizeof(*m->deadlines));
        if (!m->deadlines)
                return -ENOMEM;
        return event_add_timer(m->event, &m->deadlines->source, "deadlines", CLOCK_BOOTTIME, DEADLINE_ACCURACY_USEC,
                               on_deadline, m);
}

void deadlines_done(Manager *m) {
        if (!m->deadlines)
                return;
        sd_event_source_disable_unref(m->deadlines->source);
        heap_done(&m->deadlines->heap);
        m->deadlines = mfree(m->deadlines);
}
