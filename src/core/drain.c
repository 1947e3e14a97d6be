/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The end of the daemon: what waits and what goes on without us is let go, children are told to end, and an executor
 * that has something to say about its runs is waited for, not for ever. */

#include <assert.h>

#include "core/drain.h"
#include "core/follow-ups.h"
#include "core/manager-body.h"
#include "core/outbox.h"
#include "core/runs.h"
#include "util/log.h"

#define DRAIN_USEC (2 * USEC_PER_SEC) /* for what mostly takes milliseconds */

struct Drain {
        Deadline deadline;               /* of the wait for executors */
        unsigned n_executors;            /* that have a word to say before we leave */
        sd_event_source *emptied_source; /* no run is left */
        void (*done)(void *userdata);
        void *userdata;
};

static bool run_outlives_us(const LiveRun *run) {
        return !run->execution || run->execution->ops->outlives_daemon;
}

/* Oldest first, as they stand in the queues. */
static void release_runs(Manager *m, bool only_waiting) {
        LiveRun *next;

        for (LiveRun *run = TAILQ_FIRST(&m->live.all); run; run = next) {
                next = TAILQ_NEXT(run, all);
                if (run->stage != RUN_STAGE_DONE && (only_waiting ? !run->execution : run_outlives_us(run)))
                        run_leave(run);
        }
}

static void stop_children(Manager *m) {
        LiveRun *previous;

        for (LiveRun *run = TAILQ_LAST(&m->live.all, LiveRunList); run; run = previous) {
                previous = TAILQ_PREV(run, LiveRunList, all);
                if (run_outlives_us(run))
                        continue;
                if (run->stage != RUN_STAGE_STOPPING) {
                        run->is_interrupted = true;
                        run_set_reason(run, "vaktd was stopped%s.",
                                       wants_another_try(run) ? "; it is run again when vaktd is started" : "");
                }
                run_stop(m, run, RUN_RESULT_CANCELLED);
        }
}

static void drained(Manager *m) {
        assert(m->stopping);
        m->drain->n_executors = 0;
        deadline_set(m, &m->drain->deadline, USEC_INFINITY);
        release_runs(m, /* only_waiting= */ false);
        runs_acknowledge(m);
        if (m->live.by_id.n_nodes == 0)
                (void)sd_event_source_set_enabled(m->drain->emptied_source, SD_EVENT_ONESHOT);
}

/* The next daemon asks for what is not known by now. */
static void on_drain_time(Manager *m, Deadline *d) {
        log_notice("The service manager does not reply; the state of some runs is left to the next daemon.");
        drained(m);
}

void drain_executor_done(void *userdata) {
        Manager *m = userdata;

        if (m->drain->n_executors > 0 && --m->drain->n_executors == 0)
                drained(m);
}

static bool executor_drain(Executor *e) {
        return !e || !e->ops->drain || e->ops->drain(e);
}

void drain_begin(Manager *m, void (*done)(void *userdata), void *userdata) {
        assert(m->stopping && m->drain->n_executors == 0);
        m->live.emptied_source = m->drain->emptied_source;
        m->drain->done = done;
        m->drain->userdata = userdata;
        release_runs(m, /* only_waiting= */ true);
        stop_children(m);
        m->drain->n_executors = !executor_drain(m->executor);
        m->drain->n_executors += !executor_drain(m->former_executor);
        if (m->drain->n_executors == 0)
                drained(m);
        else
                deadline_set(m, &m->drain->deadline, usec_add(turn_now(m->event).boottime, DRAIN_USEC));
}

static int on_emptied(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        Manager *m = userdata;

        assert(m->stopping);
        if (m->live.by_id.n_nodes == 0)
                m->drain->done(m->drain->userdata);
        return 0;
}

int drain_init(Manager *m) {
        m->drain = calloc(1, sizeof(*m->drain));
        if (!m->drain)
                return -ENOMEM;
        m->drain->deadline = (Deadline){ .due = on_drain_time, .position = HEAP_NONE };
        return event_add_turn(m->event, &m->drain->emptied_source, "runs-stopped", on_emptied, m);
}

void drain_done(Manager *m) {
        if (!m->drain)
                return;
        m->live.emptied_source = NULL;
        deadline_set(m, &m->drain->deadline, USEC_INFINITY);
        sd_event_source_disable_unref(m->drain->emptied_source);
        m->drain = mfree(m->drain);
}
