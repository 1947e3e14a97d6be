/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* How the pieces fit: plan_trigger() looks at the stamp of a trigger and puts it into the heap of the right clock;
 * deal_with() is called when that moment has come, hands out what has become due since the stamp, and plans again.
 *
 * Late is what comes more than SCHEDULE_LATE_USEC after its time, or lies before missed_until, which is set where the
 * daemon was not there to see it: at start and at the end of a pause. A trigger that is late is not dealt with on the
 * spot but at a moment of its own within the ramp, since all of a machine's jobs may be late at once. */

#include "sched/schedule.h"

#include "sched/plan.h"
#include "util/heap.h"

#define RAMP_KEPT_USEC USEC_PER_HOUR /* this long after its moment of the ramp, an occurrence gets another one */
#define KEY_MAX        4096 /* bytes of a trigger's name in the ledger, with its NUL; a longer one is truncated */

typedef struct TriggerClock {
        usec_t stamp;        /* realtime */
        usec_t missed_until; /* realtime */
        union {
                int64_t base; /* boottime, of an interval: the last occurrence; before boot it is negative */
                usec_t ahead; /* realtime, on the wall clock: a stamp that the clock was set back behind, for when it
                                 is put right; 0 = none */
        };
        uint32_t position; /* in the heap of clock */
        uint8_t clock;     /* ScheduleClock */
        bool done;         /* of a moment after boot or start: it has passed */
        bool catching_up;  /* is planned at its moment of the ramp */
        uint8_t index;     /* in JobTimers.clocks */
} TriggerClock;

struct JobTimers {
        Job *job;
        JobDef *def;
        uint32_t n_clocks;
        TriggerClock clocks[];
};

struct Schedule {
        ScheduleOps ops;
        Heap heaps[_SCHEDULE_CLOCK_MAX];
        uint64_t seed;
        usec_t boot, former_boot; /* the content of stamps of moments: a number of this boot */
        usec_t boot_began;        /* boottime */
        usec_t ramp;
        usec_t startup; /* boottime */
        bool starting;
};

int schedule_new(Schedule **ret, const ScheduleOps *ops, uint64_t seed, const ScheduleBoot *boot) {
        _cleanup_(schedule_freep) Schedule *s = NULL;

        s = calloc(1, sizeof(*s));
        if (!s)
                return -ENOMEM;
        s->ops = *ops;
        s->seed = seed;
        s->boot = plan_spread(0, boot->id, INT64_MAX);
        s->former_boot = plan_spread(0, boot->former ?: boot->id, INT64_MAX);
        s->boot_began = boot->began;
        *ret = TAKE_PTR(s);
        return 0;
}

Schedule *schedule_free(Schedule *s) {
        if (!s)
                return NULL;
        for (size_t i = 0; i < ELEMENTSOF(s->heaps); i++) {
                assert(s->heaps[i].n_entries == 0);
                heap_done(&s->heaps[i]);
        }
        return mfree(s);
}

void schedule_set_ramp(Schedule *s, usec_t ramp) {
        s->ramp = ramp;
}

void schedule_start(Schedule *s, Instant now) {
        s->startup = now.boottime;
        s->starting = true;
}

void schedule_started(Schedule *s) {
        s->starting = false;
}

/* --- stamps --- */

static const TriggerDef *trigger_of(const JobTimers *timers, const TriggerClock *c) {
        assert(c >= timers->clocks && c < timers->clocks + timers->n_clocks);
        return &timers->def->triggers[c - timers->clocks];
}

static JobTimers *timers_of(TriggerClock *c) {
        return (JobTimers *)(void *)((char *)(c - c->index) - offsetof(JobTimers, clocks));
}

static bool is_moment(const TriggerDef *t) {
        return t->type == TRIGGER_BOOT || t->type == TRIGGER_STARTUP ||
               (t->type == TRIGGER_CRON && cron_is_reboot(t->cron));
}

/* The name of a trigger in the ledger: its meaning, so that another meaning starts anew. */
static const char *trigger_key(const JobDef *def, const TriggerDef *t, char key[static KEY_MAX]) {
        const TimerDef *timer = &def->rare->timer;

        if (t->type == TRIGGER_INTERVAL && timer->anchor != USEC_INFINITY)
                (void)snprintf(key, KEY_MAX, "%s=%s Anchor=%" PRI_USEC, trigger_type_to_string(t->type), t->expression,
                               timer->anchor);
        else if (timer->time_zone && plan_is_wall(def, t))
                (void)snprintf(key, KEY_MAX, "%s=%s TimeZone=%s", trigger_type_to_string(t->type), t->expression,
                               timer->time_zone);
        else { /* as nearly always, some times a job at a start */
                char *p = stpcpy(stpcpy(key, trigger_type_to_string(t->type)), "=");

                p = mempcpy(p, t->expression, strnlen(t->expression, (size_t)(key + KEY_MAX - 1 - p)));
                *p = '\0';
        }
        return key;
}

bool schedule_has_stamp(const JobDef *def, const char *key) {
        char own[KEY_MAX];

        for (size_t i = 0; def->enabled && i < def->n_triggers; i++)
                if (streq(trigger_key(def, &def->triggers[i], own), key))
                        return true;
        return false;
}

static usec_t get_stamp(const Schedule *s, const JobTimers *timers, const TriggerClock *c) {
        char key[KEY_MAX];

        return s->ops.get_stamp(s->ops.userdata, timers->job, trigger_key(timers->def, trigger_of(timers, c), key));
}

static void set_stamp(const Schedule *s, const JobTimers *timers, TriggerClock *c, usec_t stamp) {
        char key[KEY_MAX];

        c->stamp = stamp;
        s->ops.set_stamp(s->ops.userdata, timers->job, trigger_key(timers->def, trigger_of(timers, c), key), stamp);
}

/* --- planning --- */

/* The moment on CLOCK_BOOTTIME at which CLOCK_REALTIME will show a time, by their current difference. */
static usec_t to_boottime(usec_t realtime, Instant now) {
        return realtime <= now.realtime ? now.boottime : usec_add(now.boottime, realtime - now.realtime);
}

static usec_t to_realtime(int64_t boottime, Instant now) {
        int64_t difference = boottime - (int64_t)now.boottime;

        return difference < 0 ? usec_sub(now.realtime, (usec_t)-difference)
                              : usec_add(now.realtime, (usec_t)difference);
}

static void put(Schedule *s, JobTimers *timers, TriggerClock *c, ScheduleClock clock, usec_t at, usec_t accuracy) {
        if (timers->def->rare->timer.wake_system && clock <= SCHEDULE_BOOTTIME)
                clock += SCHEDULE_REALTIME_ALARM;
        assert(clock < _SCHEDULE_CLOCK_MAX);
        if (c->clock != clock)
                (void)heap_set(&s->heaps[c->clock], USEC_INFINITY, 0, &c->position);
        c->clock = (uint8_t)clock;
        /* Without memory a trigger stays where it was, or out: the next change of the job tries again. */
        (void)heap_set(&s->heaps[clock], at, usec_add(at, accuracy), &c->position);
}

/* An interval is not to be blurred by more than a fraction of itself. */
static usec_t accuracy_of(const JobTimers *timers, const TriggerDef *t) {
        usec_t accuracy = timers->def->rare->timer.accuracy;

        if (t->type == TRIGGER_INTERVAL)
                accuracy = MIN(accuracy, t->span / 10);
        return MAX(accuracy, (usec_t)1);
}

/* It is kept, so that a daemon that is started again and again does not postpone it each time. */
static usec_t moment_of_ramp(const Schedule *s, const JobTimers *timers, Instant now) {
        usec_t at;

        if (s->ramp == 0)
                return now.boottime;
        at = s->ops.get_stamp(s->ops.userdata, timers->job, SCHEDULE_RAMP_KEY);
        if (at == USEC_INFINITY || at > usec_add(now.realtime, s->ramp) ||
            usec_add(at, RAMP_KEPT_USEC) < now.realtime) {
                at = usec_add(now.realtime, plan_spread(s->seed, timers->job->name, s->ramp));
                s->ops.set_stamp(s->ops.userdata, timers->job, SCHEDULE_RAMP_KEY, at);
        }
        return to_boottime(at, now);
}

/* At a moment of the ramp that is the job's own, but not after the next regular occurrence. */
static void plan_catch_up(Schedule *s, JobTimers *timers, TriggerClock *c, usec_t next_boottime, Instant now) {
        c->catching_up = true;
        put(s, timers, c, SCHEDULE_BOOTTIME, MIN(moment_of_ramp(s, timers, now), next_boottime), 1);
}

static usec_t delayed(const Schedule *s, const JobTimers *timers, const TriggerDef *t, usec_t occurrence) {
        return usec_add(occurrence, plan_delay(timers->def, t, timers->job->name, s->seed, occurrence));
}

static void plan_wall(Schedule *s, JobTimers *timers, TriggerClock *c, const TriggerDef *t, Instant now) {
        usec_t next, in_time = USEC_INFINITY;

        if (plan_next(timers->def, t, c->stamp, &next) < 0)
                put(s, timers, c, SCHEDULE_REALTIME, USEC_INFINITY, 0);
        else if (usec_add(delayed(s, timers, t, next), accuracy_of(timers, t)) > c->missed_until)
                put(s, timers, c, SCHEDULE_REALTIME, delayed(s, timers, t, next), accuracy_of(timers, t));
        else {
                (void)plan_next(timers->def, t, c->missed_until, &in_time);
                plan_catch_up(s, timers, c, to_boottime(delayed(s, timers, t, in_time), now), now);
        }
}

static bool waits_for_end(const JobTimers *timers) {
        return timers->def->rare->timer.interval_from != INTERVAL_FROM_START;
}

static bool job_is_busy(const Job *job) {
        return job->n_running + job->n_queued > 0;
}

static void plan_interval(Schedule *s, JobTimers *timers, TriggerClock *c, const TriggerDef *t, Instant now) {
        int64_t next = c->base + (int64_t)t->span;
        usec_t delay = plan_delay(timers->def, t, timers->job->name, s->seed, c->stamp);

        if (t->span >= INT64_MAX / 2 || (waits_for_end(timers) && job_is_busy(timers->job)))
                put(s, timers, c, SCHEDULE_BOOTTIME, USEC_INFINITY, 0);
        else if (next <= (int64_t)now.boottime && to_realtime(next, now) <= c->missed_until)
                plan_catch_up(s, timers, c, usec_add(now.boottime, t->span), now);
        else
                put(s, timers, c, SCHEDULE_BOOTTIME, usec_add((usec_t)MAX(next, INT64_C(0)), delay),
                    accuracy_of(timers, t));
}

/* boottime */
static usec_t time_of_moment(const Schedule *s, const TriggerDef *t) {
        if (t->type == TRIGGER_CRON) /* @reboot */
                return s->boot_began;
        return usec_add(t->type == TRIGGER_STARTUP ? s->startup : s->boot_began, t->span);
}

static void plan_trigger(Schedule *s, JobTimers *timers, TriggerClock *c, Instant now) {
        const TriggerDef *t = trigger_of(timers, c);

        c->catching_up = false;
        if (is_moment(t))
                put(s, timers, c, SCHEDULE_BOOTTIME, c->done ? USEC_INFINITY : time_of_moment(s, t),
                    accuracy_of(timers, t));
        else if (plan_is_wall(timers->def, t))
                plan_wall(s, timers, c, t, now);
        else
                plan_interval(s, timers, c, t, now);
}

/* The next regular occurrence of a trigger that is late. */
static usec_t next_in_time(const Schedule *s, const JobTimers *timers, const TriggerClock *c, Instant now) {
        const TriggerDef *t = trigger_of(timers, c);
        int64_t span = (int64_t)t->span, late = (int64_t)now.boottime - c->base;
        usec_t next;

        if (!plan_is_wall(timers->def, t))
                return to_realtime(c->base + (late / span + 1) * span, now);
        return plan_next(timers->def, t, now.realtime, &next) < 0 ? USEC_INFINITY : delayed(s, timers, t, next);
}

static void update_next(const Schedule *s, Job *job, Instant now) {
        JobTimers *timers = job->timers;

        job->next = USEC_INFINITY;
        for (uint32_t i = 0; timers && i < timers->n_clocks; i++) {
                const TriggerClock *c = &timers->clocks[i];
                bool is_realtime = c->clock == SCHEDULE_REALTIME || c->clock == SCHEDULE_REALTIME_ALARM;
                usec_t at;

                if (c->position == HEAP_NONE)
                        continue;
                assert(s->heaps[c->clock].entries[c->position].position == &c->position);
                at = s->heaps[c->clock].entries[c->position].at;
                if (c->catching_up && timers->def->rare->timer.catch_up == CATCH_UP_NONE)
                        at = next_in_time(s, timers, c, now); /* late occurrences are only recorded */
                else if (!is_realtime)
                        at = to_realtime((int64_t)at, now);
                job->next = MIN(job->next, at);
        }
}

/* --- jobs --- */

static bool is_same_trigger(const JobDef *a, const TriggerDef *x, const JobDef *b, const TriggerDef *y) {
        return x->type == y->type && streq(x->expression, y->expression) && a->zone == b->zone &&
               a->rare->timer.anchor == b->rare->timer.anchor;
}

/* The state that a trigger had before an edit: of the same one, otherwise of a plain interval in the same place. */
static const TriggerClock *find_clock(const JobTimers *old, const JobDef *def, uint32_t i, bool *ret_is_same) {
        const TriggerDef *t = &def->triggers[i];

        *ret_is_same = true;
        for (uint32_t k = 0; old && k < old->n_clocks; k++)
                if (is_same_trigger(old->def, &old->def->triggers[k], def, t))
                        return &old->clocks[k];
        *ret_is_same = false;
        if (old && i < old->n_clocks && t->type == TRIGGER_INTERVAL && def->rare->timer.anchor == USEC_INFINITY &&
            old->def->triggers[i].type == TRIGGER_INTERVAL && old->def->rare->timer.anchor == USEC_INFINITY)
                return &old->clocks[i];
        return NULL;
}

/* Of a moment after boot or start that was not known before. */
static bool moment_is_over(const Schedule *s, const JobTimers *timers, TriggerClock *c, Instant now) {
        const TriggerDef *t = trigger_of(timers, c);
        usec_t stamp;

        if (!s->starting || timers->job->came_back)
                return time_of_moment(s, t) <= now.boottime;
        if (t->type == TRIGGER_STARTUP)
                return false;
        stamp = get_stamp(s, timers, c);
        if (stamp == s->former_boot && stamp != s->boot) { /* once: the next boot may have that number again */
                set_stamp(s, timers, c, s->boot);
                return true;
        }
        return stamp == s->boot;
}

/* An interval of another length continues from its last occurrence; what it would have missed by the new length did
 * not take place. */
static void change_interval(const Schedule *s, JobTimers *timers, TriggerClock *c, Instant now) {
        int64_t span = (int64_t)trigger_of(timers, c)->span;
        int64_t late = (int64_t)now.boottime - (c->base + span);

        if (late >= 0)
                c->base += (late / span + 1) * span;
        set_stamp(s, timers, c, late >= 0 ? to_realtime(c->base, now) : c->stamp);
}

/* A trigger that is seen for the first time in the life of the daemon. */
static void init_clock(const Schedule *s, JobTimers *timers, TriggerClock *c, Instant now) {
        const TriggerDef *t = trigger_of(timers, c);
        bool was_there = (s->starting && !timers->job->came_back) || timers->def->rare->once_since > 0;
        bool is_wall = plan_is_wall(timers->def, t), goes_on = !was_there && !is_moment(t) && !is_wall;
        usec_t stamp = USEC_INFINITY;

        if (is_moment(t)) {
                c->done = moment_is_over(s, timers, c, now);
                return;
        }
        if (was_there || goes_on)
                stamp = get_stamp(s, timers, c);
        if (stamp == USEC_INFINITY || stamp > usec_add(now.realtime, SCHEDULE_FUTURE_USEC)) {
                c->ahead = stamp == USEC_INFINITY ? 0 : stamp;
                set_stamp(s, timers, c, now.realtime);
        } else {
                c->stamp = stamp;
                c->missed_until = now.realtime;
        }
        if (!is_wall)
                c->base = (int64_t)now.boottime - MAX((int64_t)(now.realtime - c->stamp), INT64_C(0));
        if (goes_on)
                change_interval(s, timers, c, now);
}

static int make_timers(Schedule *s, Job *job, const JobTimers *old, Instant now, JobTimers **ret) {
        JobTimers *timers = calloc(1, sizeof(JobTimers) + job->def->n_triggers * sizeof(TriggerClock));

        if (!timers)
                return -ENOMEM;
        timers->job = job;
        timers->def = job_def_ref(job->def);
        timers->n_clocks = (uint32_t)job->def->n_triggers;
        for (uint32_t i = 0; i < timers->n_clocks; i++) {
                TriggerClock *c = &timers->clocks[i];
                bool is_same;
                const TriggerClock *known = find_clock(old, job->def, i, &is_same);

                /* It is divided by. */
                assert(job->def->triggers[i].type != TRIGGER_INTERVAL || job->def->triggers[i].span > 0);
                if (known)
                        *c = *known;
                c->position = HEAP_NONE;
                c->index = (uint8_t)i;
                if (!known)
                        init_clock(s, timers, c, now);
                else if (!is_same)
                        change_interval(s, timers, c, now);
        }
        *ret = timers;
        return 0;
}

static void take_out(Schedule *s, JobTimers *timers) {
        for (uint32_t i = 0; timers && i < timers->n_clocks; i++) {
                TriggerClock *c = &timers->clocks[i];

                (void)heap_set(&s->heaps[c->clock], USEC_INFINITY, 0, &c->position);
        }
}

static JobTimers *timers_drop(Schedule *s, JobTimers *timers) {
        if (!timers)
                return NULL;
        take_out(s, timers);
        job_def_unref(timers->def);
        return mfree(timers);
}

void schedule_remove_job(Schedule *s, Job *job) {
        job->timers = timers_drop(s, job->timers);
        job->next = USEC_INFINITY;
}

/* With CatchUp= a pause is a time that is caught up with; without, each occurrence is refused when it becomes due. */
static bool job_is_held(const Job *job) {
        return job->paused && job->def->rare->timer.catch_up != CATCH_UP_NONE;
}

static void plan_job(Schedule *s, Job *job, Instant now) {
        JobTimers *timers = job->timers;
        bool held = job_is_held(job);

        if (held)
                take_out(s, timers);
        for (uint32_t i = 0; !held && i < timers->n_clocks; i++)
                plan_trigger(s, timers, &timers->clocks[i], now);
        update_next(s, job, now);
}

int schedule_set_job(Schedule *s, Job *job, Instant now) {
        JobTimers *timers;
        int r;

        if (!job->def || !job->def->enabled || job->gone || job->def->n_triggers == 0) {
                schedule_remove_job(s, job);
                return 0;
        }
        if (!job->timers || job->timers->def != job->def) {
                r = make_timers(s, job, job->timers, now, &timers);
                if (r < 0)
                        return r;
                timers_drop(s, job->timers);
                job->timers = timers;
        }
        plan_job(s, job, now);
        return 0;
}

void schedule_resume_job(Schedule *s, Job *job, Instant now) {
        for (uint32_t i = 0; job->timers && i < job->timers->n_clocks; i++)
                job->timers->clocks[i].missed_until = now.realtime;
        schedule_replan_job(s, job, now);
}

void schedule_replan_job(Schedule *s, Job *job, Instant now) {
        JobTimers *timers = job->timers;

        for (uint32_t i = 0; timers && i < timers->n_clocks; i++) {
                TriggerClock *c = &timers->clocks[i];
                bool is_wall = plan_is_wall(timers->def, trigger_of(timers, c));

                if (is_moment(trigger_of(timers, c)))
                        continue; /* its stamp is a boot, and not a time */
                if (c->stamp > usec_add(now.realtime, SCHEDULE_FUTURE_USEC)) {
                        if (is_wall)
                                c->ahead = MAX(c->ahead, c->stamp);
                        set_stamp(s, timers, c, now.realtime);
                } else if (is_wall && c->ahead > c->stamp && c->ahead <= now.realtime)
                        set_stamp(s, timers, c, c->ahead);
                c->missed_until = MIN(c->missed_until, now.realtime);
        }
        if (timers)
                plan_job(s, job, now);
}

static void restart_intervals(Schedule *s, Job *job, Instant now) {
        JobTimers *timers = job->timers;

        for (uint32_t i = 0; i < timers->n_clocks; i++) {
                TriggerClock *c = &timers->clocks[i];
                const TriggerDef *t = trigger_of(timers, c);

                if (t->type != TRIGGER_INTERVAL || plan_is_wall(timers->def, t))
                        continue;
                c->base = (int64_t)now.boottime;
                set_stamp(s, timers, c, now.realtime);
        }
}

bool schedule_job_started(Schedule *s, Job *job, Instant now) {
        if (!job->timers || waits_for_end(job->timers))
                return false;
        restart_intervals(s, job, now);
        plan_job(s, job, now);
        return true;
}

/* An occurrence that became due while the run kept it waiting is due now, not missed. */
static void make_overdue_intervals_due(JobTimers *timers, Instant now) {
        for (uint32_t i = 0; i < timers->n_clocks; i++) {
                TriggerClock *c = &timers->clocks[i];
                const TriggerDef *t = trigger_of(timers, c);

                if (t->type == TRIGGER_INTERVAL && !plan_is_wall(timers->def, t))
                        c->base = MAX(c->base, (int64_t)now.boottime - (int64_t)t->span);
        }
}

bool schedule_job_ended(Schedule *s, Job *job, bool success, Instant now) {
        if (!job->timers || !waits_for_end(job->timers))
                return false;
        if (success || job->timers->def->rare->timer.interval_from == INTERVAL_FROM_END)
                restart_intervals(s, job, now);
        else
                make_overdue_intervals_due(job->timers, now);
        plan_job(s, job, now);
        return true;
}

static bool occurs_at(const Schedule *s, const JobTimers *timers, const TriggerClock *c, usec_t scheduled,
                      Instant now) {
        const TriggerDef *t = trigger_of(timers, c);
        usec_t next, at;

        if (plan_is_wall(timers->def, t))
                return plan_next(timers->def, t, scheduled - 1, &next) >= 0 && next == scheduled;
        if (!is_moment(t))
                return true; /* an interval has no times of its own */
        if (t->type == TRIGGER_STARTUP)
                return false; /* of this start it was not */
        at = to_realtime((int64_t)time_of_moment(s, t), now);
        return MAX(at, scheduled) - MIN(at, scheduled) < USEC_PER_SEC;
}

/* If several triggers may have it, those on the wall clock and of the boot say so for sure. */
uint32_t schedule_note_occurred(Schedule *s, Job *job, usec_t scheduled, Instant now) {
        JobTimers *timers = job->timers;
        uint32_t found = RUN_TRIGGER_NONE;

        if (!timers || scheduled == 0)
                return RUN_TRIGGER_NONE;
        for (unsigned pass = 0; pass < 2 && found == RUN_TRIGGER_NONE; pass++)
                for (uint32_t i = 0; i < timers->n_clocks; i++) {
                        TriggerClock *c = &timers->clocks[i];
                        bool moment = is_moment(trigger_of(timers, c));
                        bool is_interval = !moment && !plan_is_wall(timers->def, trigger_of(timers, c));

                        if (is_interval != (pass > 0) || !occurs_at(s, timers, c, scheduled, now))
                                continue;
                        if (moment) {
                                c->done = true;
                                set_stamp(s, timers, c, s->boot);
                        } else if (scheduled > c->stamp && scheduled <= now.realtime) {
                                if (is_interval)
                                        c->base = (int64_t)now.boottime - (int64_t)(now.realtime - scheduled);
                                set_stamp(s, timers, c, scheduled);
                        }
                        found = i;
                }
        plan_job(s, job, now);
        return found;
}

/* --- what is due --- */

/* Occurrences of a trigger since its stamp: the last ones, oldest first. */
typedef struct Due {
        usec_t *last;
        size_t n_last;
        uint64_t total;
        bool is_exact;
        usec_t since;     /* the first one that is known */
        size_t n_in_time; /* of those at the end of the list */
} Due;

static void hand_out(const Schedule *s, JobTimers *timers, const TriggerClock *c, OccurrenceKind kind,
                     usec_t scheduled, usec_t since, uint64_t n, bool is_exact) {
        Occurrence o = {
                .kind = kind,
                .trigger = (uint32_t)(c - timers->clocks),
                .scheduled = scheduled,
                .since = since,
                .n = n,
                .n_is_exact = is_exact,
        };

        assert(n > 0 && since <= scheduled);
        s->ops.occurred(s->ops.userdata, timers->job, &o);
}

/* How many of the missed ones at the end of the list are run nevertheless. */
static size_t count_catch_up(const TimerDef *timer, const Due *due, size_t n_missed, usec_t now) {
        size_t max = timer->catch_up == CATCH_UP_NONE   ? 0
                     : timer->catch_up == CATCH_UP_ONCE ? 1
                                                        : timer->catch_up_max,
               n = 0;

        while (n < max && n < n_missed && usec_sub(now, due->last[n_missed - 1 - n]) <= timer->catch_up_within)
                n++;
        return n;
}

static void hand_out_due(const Schedule *s, JobTimers *timers, const TriggerClock *c, const Due *due, Instant now) {
        size_t n_missed = due->n_last - due->n_in_time;
        size_t n_run = count_catch_up(&timers->def->rare->timer, due, n_missed, now.realtime);
        uint64_t n_lost = due->total - due->n_in_time - n_run;

        assert(due->n_in_time <= due->n_last && n_run <= n_missed && due->n_last <= due->total);
        if (n_lost > 0) {
                usec_t last = n_missed > n_run ? due->last[n_missed - n_run - 1] : due->since;

                hand_out(s, timers, c, OCCURRENCE_MISSED, last, due->since, n_lost, due->is_exact);
        }
        for (size_t i = n_missed - n_run; i < n_missed; i++)
                hand_out(s, timers, c, OCCURRENCE_CATCH_UP, due->last[i], due->last[i], 1, true);
        for (size_t i = n_missed; i < due->n_last; i++)
                hand_out(s, timers, c, OCCURRENCE_DUE, due->last[i], due->last[i], 1, true);
}

/* How many of the last occurrences have to be known individually. */
static size_t list_size(const TimerDef *timer) {
        return (timer->catch_up == CATCH_UP_ALL ? timer->catch_up_max : 1) + (timer->random_delay > 0 ? 64 : 2);
}

static bool is_late(const JobTimers *timers, const TriggerClock *c, usec_t at, usec_t now) {
        usec_t latest = usec_add(at, accuracy_of(timers, trigger_of(timers, c)));

        return latest <= c->missed_until || now > usec_add(latest, SCHEDULE_LATE_USEC);
}

/* True if the trigger is late as a whole and has not had its moment of the ramp: then that is planned. */
static bool put_off(Schedule *s, JobTimers *timers, TriggerClock *c, bool late, Instant now) {
        if (!late || c->catching_up || s->ramp == 0)
                return false;
        c->missed_until = MAX(c->missed_until, now.realtime);
        plan_trigger(s, timers, c, now);
        return c->catching_up;
}

static void due_append(Due *due, size_t size, usec_t occurrence) {
        assert(due->n_last <= size && size > 0);
        if (due->n_last == size)
                memmove(due->last, due->last + 1, (--due->n_last) * sizeof(usec_t));
        due->last[due->n_last++] = occurrence;
        due->total++;
}

/* Everything since the stamp that has become due. A random delay holds occurrences back, in their order. */
static void find_due(const Schedule *s, const JobTimers *timers, const TriggerClock *c, const TriggerDef *t, Due *due,
                     size_t size, Instant now) {
        const TimerDef *timer = &timers->def->rare->timer;
        usec_t certain = usec_sub(now.realtime, timer->random_delay), from = MAX(certain, c->stamp), next;

        plan_last(timers->def, t, c->stamp, certain, due->last, size, &due->n_last, &due->total, &due->is_exact);
        (void)plan_next(timers->def, t, c->stamp, &due->since);
        while (plan_next(timers->def, t, from, &next) >= 0 && delayed(s, timers, t, next) <= now.realtime) {
                due_append(due, size, next);
                from = next;
        }
}

/* The last one, if it is not late; with a random delay, each of the last ones that is not. */
static size_t count_in_time(const Schedule *s, const JobTimers *timers, const TriggerClock *c, const TriggerDef *t,
                            const Due *due, usec_t now) {
        size_t i = timers->def->rare->timer.random_delay > 0 ? 0 : due->n_last - MIN(due->n_last, (size_t)1);
        usec_t held = 0;

        /* One that is delayed for long holds back those after it: they are due with it. */
        for (; i < due->n_last; i++) {
                held = MAX(held, delayed(s, timers, t, due->last[i]));
                if (!is_late(timers, c, held, now))
                        break;
        }
        return due->n_last - i;
}

/* All occurrences in one window of AccuracySec= are one run: it was our choice to wake up for all of them at its
 * end. */
static void fold_window(const JobTimers *timers, const TriggerClock *c, const TriggerDef *t, Due *due, usec_t now) {
        usec_t last = due->last[due->n_last - 1];

        if (timers->def->rare->timer.random_delay > 0 || usec_add(due->since, accuracy_of(timers, t)) < last ||
            is_late(timers, c, due->since, now))
                return;
        due->last[0] = due->since = last;
        due->n_last = due->n_in_time = 1;
        due->total = 1;
}

static void deal_with_wall(Schedule *s, JobTimers *timers, TriggerClock *c, const TriggerDef *t, Instant now) {
        size_t size = list_size(&timers->def->rare->timer);
        _cleanup_free_ usec_t *list = malloc(size * sizeof(usec_t));
        Due due = { .last = list };
        usec_t last;

        if (!list)
                return; /* stays due */
        find_due(s, timers, c, t, &due, size, now);
        if (due.n_last == 0) {
                plan_trigger(s, timers, c, now);
                return;
        }
        last = list[due.n_last - 1];
        due.n_in_time = count_in_time(s, timers, c, t, &due, now.realtime);
        fold_window(timers, c, t, &due, now.realtime);
        if (put_off(s, timers, c, due.n_in_time == 0, now))
                return;
        hand_out_due(s, timers, c, &due, now);
        set_stamp(s, timers, c, last);
        plan_trigger(s, timers, c, now);
}

static void deal_with_interval(Schedule *s, JobTimers *timers, TriggerClock *c, const TriggerDef *t, Instant now) {
        const TimerDef *timer = &timers->def->rare->timer;
        size_t size = list_size(timer);
        _cleanup_free_ usec_t *list = malloc(size * sizeof(usec_t));
        int64_t span = (int64_t)t->span, late = (int64_t)now.boottime - c->base, last;
        Due due = { .last = list, .is_exact = true };

        if (!list || late < span || (waits_for_end(timers) && job_is_busy(timers->job))) {
                plan_trigger(s, timers, c, now);
                return;
        }
        due.total = (uint64_t)(late / span);
        /* After the end of a run there is one next occurrence, not a series of them. */
        if (waits_for_end(timers))
                due.total = 1;
        last = c->base + (int64_t)due.total * span;
        due.n_last = (size_t)MIN(due.total, (uint64_t)size);
        for (size_t i = 0; i < due.n_last; i++)
                list[i] = to_realtime(last - (int64_t)(due.n_last - 1 - i) * span, now);
        due.since = to_realtime(c->base + span, now);
        due.n_in_time = !is_late(timers, c, usec_add(list[due.n_last - 1], timer->random_delay), now.realtime);
        if (put_off(s, timers, c, due.n_in_time == 0, now))
                return;
        hand_out_due(s, timers, c, &due, now);
        /* An occurrence that was late by more counts from now, or it would become due again as soon as the run has
         * failed. */
        c->base = waits_for_end(timers) && due.n_in_time == 0 ? (int64_t)now.boottime : last;
        set_stamp(s, timers, c, to_realtime(c->base, now));
        plan_trigger(s, timers, c, now);
}

static void deal_with_moment(Schedule *s, JobTimers *timers, TriggerClock *c, Instant now) {
        usec_t scheduled = to_realtime((int64_t)s->heaps[c->clock].entries[c->position].at, now);

        assert(!c->done);
        hand_out(s, timers, c, OCCURRENCE_DUE, MIN(scheduled, now.realtime), scheduled, 1, true);
        c->done = true;
        if (trigger_of(timers, c)->type != TRIGGER_STARTUP)
                set_stamp(s, timers, c, s->boot);
        plan_trigger(s, timers, c, now);
}

static void deal_with(Schedule *s, JobTimers *timers, TriggerClock *c, Instant now) {
        const TriggerDef *t = trigger_of(timers, c);
        bool was_catching_up = c->catching_up;

        assert(c->position != HEAP_NONE && timers->job->timers == timers);
        if (is_moment(t))
                deal_with_moment(s, timers, c, now);
        else if (plan_is_wall(timers->def, t))
                deal_with_wall(s, timers, c, t, now);
        else
                deal_with_interval(s, timers, c, t, now);
        if (was_catching_up && !c->catching_up && s->ramp > 0)
                s->ops.set_stamp(s->ops.userdata, timers->job, SCHEDULE_RAMP_KEY, USEC_INFINITY);
        update_next(s, timers->job, now);
}

static usec_t clock_time(ScheduleClock clock, Instant now) {
        return clock == SCHEDULE_REALTIME || clock == SCHEDULE_REALTIME_ALARM ? now.realtime : now.boottime;
}

unsigned schedule_elapse(Schedule *s, Instant now, unsigned max) {
        unsigned n = 0;

        for (ScheduleClock clock = 0; clock < _SCHEDULE_CLOCK_MAX; clock++)
                while (n < max) {
                        const HeapEntry *first = heap_first(&s->heaps[clock]);
                        TriggerClock *c;

                        if (!first || first->at > clock_time(clock, now))
                                break;
                        c = HEAP_OWNER(first, TriggerClock, position);
                        deal_with(s, timers_of(c), c, now);
                        n++;
                }
        return n;
}

bool schedule_next(const Schedule *s, ScheduleClock clock, usec_t *ret_at, usec_t *ret_latest) {
        const HeapEntry *first = heap_first(&s->heaps[clock]);

        if (!first)
                return false;
        *ret_at = first->at;
        *ret_latest = first->latest;
        return true;
}

/* --- looking ahead --- */

/* The next elapse of a trigger after previous; the first time previous is 0. */
static usec_t preview_trigger(const Schedule *s, const JobTimers *timers, const TriggerClock *c, usec_t *occurrence,
                              Instant now) {
        const TriggerDef *t = trigger_of(timers, c);
        usec_t after = MAX(c->stamp, now.realtime), next = USEC_INFINITY;

        if (is_moment(t))
                next = *occurrence > 0 || c->done ? USEC_INFINITY : to_realtime((int64_t)time_of_moment(s, t), now);
        else if (!plan_is_wall(timers->def, t))
                next = *occurrence > 0 ? usec_add(*occurrence, t->span) : to_realtime(c->base + (int64_t)t->span, now);
        else
                (void)plan_next(timers->def, t, MAX(*occurrence, after), &next);
        *occurrence = next;
        return next == USEC_INFINITY ? next : MAX(delayed(s, timers, t, next), now.realtime);
}

size_t schedule_preview(const Schedule *s, const Job *job, Instant now, usec_t *ret, size_t n) {
        const JobTimers *timers = job->timers;
        _cleanup_free_ usec_t *next = NULL, *occurrence = NULL;
        size_t found = 0;

        if (!timers)
                return 0;
        next = calloc(timers->n_clocks, sizeof(usec_t));
        occurrence = calloc(timers->n_clocks, sizeof(usec_t));
        if (!next || !occurrence)
                return 0;
        for (uint32_t i = 0; i < timers->n_clocks; i++)
                next[i] = preview_trigger(s, timers, &timers->clocks[i], &occurrence[i], now);
        while (found < n) {
                uint32_t best = 0;

                for (uint32_t i = 1; i < timers->n_clocks; i++)
                        if (next[i] < next[best])
                                best = i;
                if (next[best] == USEC_INFINITY)
                        break;
                ret[found++] = next[best];
                next[best] = preview_trigger(s, timers, &timers->clocks[best], &occurrence[best], now);
        }
        return found;
}
