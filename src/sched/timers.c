/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Every trigger of every job has one entry in a heap; the earliest one is what the event source waits for. At most
 * ELAPSE_BATCH occurrences are handed out in one turn of the loop, so that a second in which ten thousand jobs are due
 * does not keep clients waiting. What a moment means is in plan.c; here are only clocks and sources. */

#include "sched/timers.h"

#include <assert.h>

#include "sched/plan.h"
#include "sched/timer-heap.h"
#include "util/log.h"

#define ELAPSE_BATCH         256
#define ELAPSE_ACCURACY_USEC USEC_PER_MSEC

typedef struct TriggerClock {
        usec_t at;         /* next elapse, boottime */
        usec_t base;       /* what the interval counts from, boottime */
        uint32_t position; /* in the heap */
        TriggerType type;
        usec_t span;
} TriggerClock;

struct JobTimers {
        Job *job;
        uint32_t n_clocks;
        TriggerClock clocks[];
};

struct Timers {
        sd_event *event;
        sd_event_source *source;
        TimerHeap heap;
        timers_elapsed_t elapsed;
        void *userdata;
        usec_t startup_boottime; /* USEC_INFINITY before timers_start() */
        bool first_of_boot;
        bool starting; /* inside timers_start(): passed moments count */
        bool running;
};

static void timers_arm(Timers *t) {
        const TimerHeapEntry *first = timer_heap_first(&t->heap);
        int r;

        if (!t->running || !first) {
                (void)sd_event_source_set_enabled(t->source, SD_EVENT_OFF);
                return;
        }
        r = sd_event_source_set_time(t->source, first->at);
        if (r >= 0)
                r = sd_event_source_set_enabled(t->source, SD_EVENT_ONESHOT);
        if (r < 0)
                log_error_errno(r, "Cannot arm the timer of the jobs: %m");
}

static usec_t boottime_to_realtime(usec_t at_boottime, usec_t now_boottime, usec_t now_real) {
        if (at_boottime == USEC_INFINITY)
                return USEC_INFINITY;
        if (at_boottime >= now_boottime)
                return usec_add(now_real, at_boottime - now_boottime);
        return usec_sub(now_real, now_boottime - at_boottime);
}

static void job_update_next(Job *job, usec_t now_boot, usec_t now_real) {
        usec_t at = USEC_INFINITY;

        for (uint32_t i = 0; job->timers && i < job->timers->n_clocks; i++)
                at = MIN(at, job->timers->clocks[i].at);
        job->next = boottime_to_realtime(at, now_boot, now_real);
}

static int clock_set(Timers *t, JobTimers *owner, TriggerClock *c, usec_t at) {
        c->at = at;
        return timer_heap_set(&t->heap, at, owner, &c->position);
}

/* Hands out one occurrence. The job may be gone afterwards. */
static void elapse_first(Timers *t, usec_t now_boot, usec_t now_real) {
        const TimerHeapEntry *first = timer_heap_first(&t->heap);
        JobTimers *timers = first->owner;
        TriggerClock *c = (void *)((char *)first->position - offsetof(TriggerClock, position));
        uint32_t trigger = (uint32_t)(c - timers->clocks);
        TriggerDef def = { .type = c->type, .span = c->span };
        PlanContext context = { .now_boottime = now_boot, .startup_boottime = t->startup_boottime };
        usec_t scheduled = boottime_to_realtime(c->at, now_boot, now_real);

        c->base = c->at;
        (void)clock_set(t, timers, c, plan_next(&def, c->base, &context));
        job_update_next(timers->job, now_boot, now_real);
        t->elapsed(t->userdata, timers->job, trigger, scheduled);
}

static int on_timer(sd_event_source *s, uint64_t usec, void *userdata) {
        Timers *t = userdata;
        usec_t now_boot = now_boottime(), now_real = now_realtime();

        for (unsigned i = 0; i < ELAPSE_BATCH && t->running; i++) {
                const TimerHeapEntry *first = timer_heap_first(&t->heap);

                if (!first || first->at > now_boot)
                        break;
                elapse_first(t, now_boot, now_real);
        }
        timers_arm(t);
        return 0;
}

int timers_new(Timers **ret, sd_event *event, timers_elapsed_t elapsed, void *userdata) {
        _cleanup_(timers_freep) Timers *t = NULL;
        int r;

        t = calloc(1, sizeof(*t));
        if (!t)
                return -ENOMEM;
        t->event = sd_event_ref(event);
        t->elapsed = elapsed;
        t->userdata = userdata;
        t->startup_boottime = USEC_INFINITY;
        r = sd_event_add_time(event, &t->source, CLOCK_BOOTTIME, 0, ELAPSE_ACCURACY_USEC, on_timer, t);
        if (r < 0)
                return r;
        (void)sd_event_source_set_description(t->source, "job-timers");
        (void)sd_event_source_set_enabled(t->source, SD_EVENT_OFF);
        r = sd_event_source_set_exit_on_failure(t->source, true);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(t);
        return 0;
}

Timers *timers_free(Timers *t) {
        if (!t)
                return NULL;
        assert(t->heap.n_entries == 0);
        timer_heap_done(&t->heap);
        sd_event_source_unref(t->source);
        sd_event_unref(t->event);
        return mfree(t);
}

/* The clock that the trigger had before an edit: the same one, else an interval in the same place. */
static const TriggerClock *find_clock(const JobTimers *timers, uint32_t i, const TriggerDef *def) {
        for (uint32_t k = 0; timers && k < timers->n_clocks; k++)
                if (timers->clocks[k].type == def->type && timers->clocks[k].span == def->span)
                        return &timers->clocks[k];
        if (def->type == TRIGGER_INTERVAL && timers && i < timers->n_clocks &&
            timers->clocks[i].type == TRIGGER_INTERVAL)
                return &timers->clocks[i];
        return NULL;
}

static void drop_timers(Timers *t, JobTimers *timers) {
        for (uint32_t i = 0; timers && i < timers->n_clocks; i++)
                (void)clock_set(t, timers, &timers->clocks[i], USEC_INFINITY);
        free(timers);
}

static TriggerClock plan_clock(const TriggerDef *def, const TriggerClock *known, const PlanContext *context) {
        TriggerClock c = {
                .base = known ? known->base : context->now_boottime,
                .position = TIMER_HEAP_NONE,
                .type = def->type,
                .span = def->span,
        };

        if (!known)
                c.at = plan_first(def, context);
        else if (known->span == def->span)
                c.at = known->at;
        else
                c.at = plan_next(def, known->base, context);
        return c;
}

/* The clocks of a definition, those that old has too with their times; none of them in the heap yet. */
static JobTimers *plan_timers(const Timers *t, Job *job, const JobTimers *old, const PlanContext *context) {
        const JobDef *def = job->def;
        JobTimers *timers = calloc(1, sizeof(JobTimers) + def->n_triggers * sizeof(TriggerClock));

        if (!timers)
                return NULL;
        timers->job = job;
        timers->n_clocks = (uint32_t)def->n_triggers;
        for (uint32_t i = 0; i < timers->n_clocks; i++) {
                const TriggerDef *trigger = &def->triggers[i];
                PlanContext c = *context;

                if (trigger->type == TRIGGER_BOOT)
                        c.missed_counts = c.missed_counts && t->first_of_boot;
                timers->clocks[i] = plan_clock(trigger, find_clock(old, i, trigger), &c);
        }
        return timers;
}

static bool job_is_triggered(const Job *job) {
        return job->def && job->def->enabled && !job->gone && job->def->n_triggers > 0;
}

static int timers_plan_job(Timers *t, Job *job, usec_t now_boot, usec_t now_real) {
        PlanContext context = {
                .now_boottime = now_boot,
                .startup_boottime = t->startup_boottime,
                .missed_counts = t->starting,
        };
        JobTimers *old = job->timers, *timers = NULL;
        int r = 0;

        if (job_is_triggered(job)) {
                timers = plan_timers(t, job, old, &context);
                if (!timers)
                        return -ENOMEM;
        }
        drop_timers(t, old);
        job->timers = timers;
        for (uint32_t i = 0; timers && i < timers->n_clocks && r >= 0; i++)
                r = clock_set(t, timers, &timers->clocks[i], timers->clocks[i].at);
        job_update_next(job, now_boot, now_real);
        return r;
}

int timers_set_job(Timers *t, Job *job) {
        int r;

        if (t->startup_boottime == USEC_INFINITY)
                return 0;
        r = timers_plan_job(t, job, now_boottime(), now_realtime());
        timers_arm(t);
        return r;
}

void timers_remove_job(Timers *t, Job *job) {
        drop_timers(t, job->timers);
        job->timers = NULL;
        job->next = USEC_INFINITY;
        timers_arm(t);
}

void timers_job_started(Timers *t, Job *job) {
        usec_t now_boot = now_boottime();
        PlanContext context = { .now_boottime = now_boot, .startup_boottime = t->startup_boottime };

        for (uint32_t i = 0; job->timers && i < job->timers->n_clocks; i++) {
                TriggerClock *c = &job->timers->clocks[i];
                TriggerDef def = { .type = c->type, .span = c->span };

                if (c->type != TRIGGER_INTERVAL)
                        continue;
                c->base = now_boot;
                (void)clock_set(t, job->timers, c, plan_next(&def, now_boot, &context));
        }
        job_update_next(job, now_boot, now_realtime());
        timers_arm(t);
}

int timers_start(Timers *t, JobTable *jobs, bool first_of_boot) {
        usec_t now_boot = now_boottime(), now_real = now_realtime();
        int r = 0;

        t->startup_boottime = now_boot;
        t->first_of_boot = first_of_boot;
        t->starting = true;
        for (size_t i = 0; i < job_table_size(jobs) && r >= 0; i++)
                r = timers_plan_job(t, job_table_at(jobs, i), now_boot, now_real);
        t->starting = false;
        t->running = true;
        timers_arm(t);
        return r;
}

void timers_stop(Timers *t) {
        t->running = false;
        timers_arm(t);
}

const Job *timers_next_job(const Timers *t) {
        const TimerHeapEntry *first = timer_heap_first(&t->heap);
        const JobTimers *timers = first ? first->owner : NULL;

        return timers ? timers->job : NULL;
}
