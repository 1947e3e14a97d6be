/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Timers: the schedule (sched/schedule.h) on the event loop, what elapses made into requests, and its stamps in the
 * ledger.
 *
 * One sd-event source waits for each of the schedule's clocks; at most ELAPSE_BATCH triggers are dealt with in one
 * turn of the loop, so that of ten thousand jobs that are due in one second the first ones start at once, and clients
 * do not wait.
 *
 * Two things change what was planned: somebody sets the clock (a timerfd that is cancelled then tells; it does so,
 * too, when the machine wakes up), or the rules of a zone change (the directories of /etc/localtime and of the zone
 * files are watched). Both have a higher priority than the timers: everything is planned anew before anything elapses.
 */

#include <assert.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <sys/timerfd.h>
#include <systemd/sd-id128.h>

#include "core/trigger.h"
#include "sched/schedule.h"
#include "time/span.h"
#include "time/timestamp.h"
#include "util/boot-id.h"
#include "util/log.h"
#include "util/turn.h"

#define ELAPSE_BATCH    4 /* as many as core starts in one turn: they are requested and started in one commit */
#define CHANGE_PRIORITY (SD_EVENT_PRIORITY_IMPORTANT - 10)
#define ZONE_EVENTS     (IN_CREATE | IN_MOVED_TO | IN_DELETE | IN_CLOSE_WRITE | IN_ATTRIB)

/* What random delays and moments of the ramp are derived from; not a secret. */
static const sd_id128_t spread_id = SD_ID128_MAKE(5d, 1c, 0e, 8b, 77, 0a, 4b, 6e, 9f, 55, 20, d3, 64, a1, 3e, 92);

typedef struct Timers {
        Trigger base;
        sd_event_source *sources[_SCHEDULE_CLOCK_MAX];
        sd_event_source *change_source, *localtime_source, *zoneinfo_source;
        int change_fd;
        Schedule *schedule;
        bool runs; /* things elapse */
} Timers;

static const struct {
        clockid_t id, instead; /* without the right to wake the machine */
        const char *description;
} clocks[_SCHEDULE_CLOCK_MAX] = {
        [SCHEDULE_REALTIME] = { CLOCK_REALTIME, CLOCK_REALTIME, "timers-realtime" },
        [SCHEDULE_BOOTTIME] = { CLOCK_BOOTTIME, CLOCK_BOOTTIME, "timers-boottime" },
        [SCHEDULE_REALTIME_ALARM] = { CLOCK_REALTIME_ALARM, CLOCK_REALTIME, "timers-realtime-alarm" },
        [SCHEDULE_BOOTTIME_ALARM] = { CLOCK_BOOTTIME_ALARM, CLOCK_BOOTTIME, "timers-boottime-alarm" },
};

/* --- waiting --- */

static int on_timer(sd_event_source *s, uint64_t usec, void *userdata);

/* The source of a clock is made when a job first goes by it. */
static int timers_add_source(Timers *t, ScheduleClock clock) {
        sd_event_source **s = &t->sources[clock];
        int r;

        r = event_add_timer(t->base.event, s, clocks[clock].description, clocks[clock].id, 1, on_timer, t);
        if (r < 0 && clocks[clock].id != clocks[clock].instead) {
                log_warning_errno(r,
                                  "Cannot wake the machine for jobs with WakeSystem=: %m; they run when it is awake");
                r = event_add_timer(t->base.event, s, clocks[clock].description, clocks[clock].instead, 1, on_timer,
                                    t);
        }
        return r;
}

static int timers_arm_clock(Timers *t, ScheduleClock clock) {
        usec_t at, latest;
        int r;

        if (!t->runs || !schedule_next(t->schedule, clock, &at, &latest))
                return t->sources[clock] ? sd_event_source_set_enabled(t->sources[clock], SD_EVENT_OFF) : 0;
        if (!t->sources[clock]) {
                r = timers_add_source(t, clock);
                if (r < 0)
                        return r;
        }
        assert(at < latest);
        r = sd_event_source_set_time(t->sources[clock], at);
        if (r >= 0)
                r = sd_event_source_set_time_accuracy(t->sources[clock], latest - at);
        return r < 0 ? r : sd_event_source_set_enabled(t->sources[clock], SD_EVENT_ONESHOT);
}

static void timers_arm(Timers *t) {
        for (ScheduleClock clock = 0; clock < _SCHEDULE_CLOCK_MAX; clock++) {
                int r = timers_arm_clock(t, clock);

                if (r < 0)
                        log_error_errno(r, "Cannot arm the timer of the jobs (%s): %m", clocks[clock].description);
        }
}

static int on_timer(sd_event_source *s, uint64_t usec, void *userdata) {
        Timers *t = userdata;

        if (t->runs)
                (void)schedule_elapse(t->schedule, turn_now(t->base.event), ELAPSE_BATCH);
        timers_arm(t);
        return 0;
}

/* --- changes of clock and zone --- */

static void timers_replan(Timers *t) {
        Instant now = turn_now(t->base.event);
        JobTable *jobs = manager_jobs(t->base.manager);

        for (size_t i = 0; i < job_table_size(jobs); i++)
                schedule_replan_job(t->schedule, job_table_at(jobs, i), now);
        timers_arm(t);
}

static int change_fd_arm(const Timers *t) {
        /* Far beyond what any job can be planned for; what counts is that it is cancelled. */
        struct itimerspec never = { .it_value.tv_sec = INT64_C(1) << 40 };

        return timerfd_settime(t->change_fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &never, NULL) < 0 ? -errno
                                                                                                            : 0;
}

static int on_clock_set(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        Timers *t = userdata;
        uint64_t n;
        int r;

        if (read(fd, &n, sizeof(n)) < 0 && errno == EAGAIN)
                return 0;
        r = change_fd_arm(t);
        if (r < 0) {
                log_error_errno(r, "Cannot detect changes of the clock: %m; jobs are only rescheduled on reload");
                (void)sd_event_source_set_enabled(s, SD_EVENT_OFF);
        }
        log_debug("The clock was set or the machine was asleep; rescheduling all jobs.");
        timers_replan(t);
        return 0;
}

static int timers_watch_clock(Timers *t) {
        int r;

        t->change_fd = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC);
        if (t->change_fd < 0)
                return -errno;
        r = change_fd_arm(t);
        if (r < 0)
                return r;
        r = sd_event_add_io(t->base.event, &t->change_source, t->change_fd, EPOLLIN, on_clock_set, t);
        if (r < 0)
                return r;
        (void)sd_event_source_set_description(t->change_source, "clock-set");
        return sd_event_source_set_priority(t->change_source, CHANGE_PRIORITY);
}

static void timers_refresh_zones(Timers *t) {
        if (zone_cache_refresh(t->base.zones) <= 0)
                return;
        log_info("The rules of a time zone have changed; rescheduling all jobs.");
        timers_replan(t);
}

static int on_zone_files(sd_event_source *s, const struct inotify_event *event, void *userdata) {
        timers_refresh_zones(userdata);
        return 0;
}

static int on_etc(sd_event_source *s, const struct inotify_event *event, void *userdata) {
        if ((event->mask & IN_Q_OVERFLOW) || (event->len > 0 && streq(event->name, "localtime")))
                timers_refresh_zones(userdata);
        return 0;
}

/* A directory that cannot be watched costs us the news, not the daemon: a reload looks, too. */
static void timers_watch_directory(Timers *t, sd_event_source **ret, const char *path,
                                   sd_event_inotify_handler_t handler) {
        int r;

        r = sd_event_add_inotify(t->base.event, ret, path, ZONE_EVENTS | IN_ONLYDIR, handler, t);
        if (r < 0) {
                log_debug_errno(r, "Cannot watch %s for changes of time zones, ignoring: %m", path);
                return;
        }
        (void)sd_event_source_set_description(*ret, path);
        (void)sd_event_source_set_priority(*ret, CHANGE_PRIORITY);
}

/* --- what elapses --- */

/* One record for all occurrences that were missed in a row. */
static void record_missed(Manager *m, const Job *job, const RunRequest *request, const Occurrence *o) {
        char since[TIMESTAMP_TEXT_MAX];

        if (o->n == 1 && o->n_is_exact)
                runs_refuse(m, job->name, request, RUN_RESULT_MISSED,
                            "Its time passed while vaktd or the machine was down, asleep or too busy.");
        else
                runs_refuse(m, job->name, request, RUN_RESULT_MISSED,
                            "%s%" PRIu64
                            " occurrences since %s passed while vaktd or the machine was down, asleep or too busy.",
                            o->n_is_exact ? "" : "More than ", o->n,
                            timestamp_format(since, o->since, job->def->zone, TIMESTAMP_PRETTY));
}

static void occurred(void *userdata, Job *job, const Occurrence *o) {
        Manager *m = ((Timers *)userdata)->base.manager;
        RunRequest request = {
                .cause = o->kind == OCCURRENCE_CATCH_UP ? RUN_CAUSE_CATCH_UP : RUN_CAUSE_TIMER,
                .trigger = o->trigger,
                .scheduled = o->scheduled,
        };
        LogContext c = { .job = job->name };
        uint64_t id;
        int r;

        if (o->kind == OCCURRENCE_MISSED) {
                record_missed(m, job, &request, o);
                return;
        }
        r = runs_request(m, job, &request, /* payload= */ NULL, &id);
        runs_use_up_skip(m, job);
        if (r < 0)
                log_message(LOG_ERR, &c, "The timer elapsed, but no run could be requested: %s.", strerror(-r));
}

static usec_t get_stamp(void *userdata, const Job *job, const char *key) {
        Timers *t = userdata;
        usec_t stamp;

        if (ledger_get_stamp(t->base.ledger, job->name, key, &stamp) >= 0)
                return stamp;
        if (!strchr(key, '=') || !job->def || job->def->rare->once_since == 0)
                return USEC_INFINITY;
        /* Whether its time was used is not known before the ledger can be read: what is past waits for that. */
        return ledger_is_unread(t->base.ledger) ? turn_now(t->base.event).realtime : job->def->rare->once_since;
}

static void set_stamp(void *userdata, const Job *job, const char *key, usec_t stamp) {
        Timers *t = userdata;
        LogContext c = { .job = job->name };
        int r;

        r = stamp == USEC_INFINITY ? ledger_forget_stamp(t->base.ledger, job->name, key)
                                   : ledger_set_stamp(t->base.ledger, job->name, key, stamp);
        if (r < 0)
                log_message(LOG_WARNING, &c, "Cannot remember when '%s' elapsed last: %s, ignoring.", key,
                            strerror(-r));
}

/* The stamp of a trigger goes with it: should it be written again, it starts anew, and makes up for nothing. */
static int forget_old_stamp(const char *name, const char *key, usec_t usec, void *userdata) {
        Timers *t = userdata;
        const Job *job = job_table_get(manager_jobs(t->base.manager), name);

        if (job && !job->gone && job->def && strchr(key, '=') && !schedule_has_stamp(job->def, key))
                (void)ledger_forget_stamp(t->base.ledger, name, key);
        return 0;
}

/* --- making --- */

static int timers_new_schedule(Timers *t) {
        const ScheduleOps ops = {
                .occurred = occurred,
                .get_stamp = get_stamp,
                .set_stamp = set_stamp,
                .userdata = t,
        };
        char id[SD_ID128_STRING_MAX], former[SD_ID128_STRING_MAX];
        BootId boot = boot_id_get();
        ScheduleBoot b = { .id = "unknown", .began = boot_begin_boottime() };
        sd_id128_t machine = spread_id;
        uint64_t seed;

        /* A machine without an id has the delays of all machines without one. */
        (void)sd_id128_get_machine_app_specific(spread_id, &machine);
        memcpy(&seed, machine.bytes, sizeof(seed));
        if (!sd_id128_is_null(boot.id)) {
                b.id = sd_id128_to_string(boot.id, id);
                b.former = sd_id128_to_string(boot.kernel, former);
        }
        return schedule_new(&t->schedule, &ops, seed, &b);
}

static int timers_init(Trigger *base) {
        Timers *t = (Timers *)base;
        int r;

        t->change_fd = -EBADF;
        r = timers_new_schedule(t);
        if (r >= 0)
                r = timers_watch_clock(t);
        if (r < 0)
                return r;
        timers_watch_directory(t, &t->localtime_source, "/etc", on_etc);
        timers_watch_directory(t, &t->zoneinfo_source, "/usr/share/zoneinfo", on_zone_files);
        return 0;
}

static void timers_done(Trigger *base) {
        Timers *t = (Timers *)base;
        JobTable *jobs = manager_jobs(base->manager);

        for (size_t i = 0; t->schedule && i < job_table_size(jobs); i++)
                schedule_remove_job(t->schedule, job_table_at(jobs, i));
        schedule_free(t->schedule);
        for (size_t i = 0; i < ELEMENTSOF(t->sources); i++)
                sd_event_source_disable_unref(t->sources[i]);
        sd_event_source_disable_unref(t->change_source);
        sd_event_source_disable_unref(t->localtime_source);
        sd_event_source_disable_unref(t->zoneinfo_source);
        safe_close(t->change_fd);
}

/* --- the daemon --- */

/* OnStartupSec= counts from here. */
static int timers_start(Trigger *base) {
        Timers *t = (Timers *)base;
        Instant now = turn_now(base->event);
        JobTable *jobs = manager_jobs(base->manager);
        int r = 0;

        assert(!t->runs); /* it is not known yet what goes on */
        (void)ledger_list_stamps(base->ledger, NULL, forget_old_stamp, t);
        schedule_set_ramp(t->schedule, base->settings->resume_ramp);
        schedule_start(t->schedule, now);
        for (size_t i = 0; i < job_table_size(jobs) && r >= 0; i++)
                r = schedule_set_job(t->schedule, job_table_at(jobs, i), now);
        schedule_started(t->schedule);
        return r;
}

static void timers_hold(Trigger *base, bool hold) {
        Timers *t = (Timers *)base;

        t->runs = !hold;
        timers_arm(t);
}

static void timers_reload(Trigger *base) {
        Timers *t = (Timers *)base;

        schedule_set_ramp(t->schedule, base->settings->resume_ramp);
        timers_refresh_zones(t);
}

/* --- jobs and runs --- */

static int timers_set_job(Trigger *base, Job *job) {
        Timers *t = (Timers *)base;
        int r;

        r = schedule_set_job(t->schedule, job, turn_now(base->event));
        (void)ledger_list_stamps(base->ledger, job->name, forget_old_stamp, t);
        timers_arm(t);
        return r;
}

static void timers_remove_job(Trigger *base, Job *job) {
        Timers *t = (Timers *)base;

        schedule_remove_job(t->schedule, job);
        timers_arm(t);
}

static void timers_pause_changed(Trigger *base, Job *job) {
        Timers *t = (Timers *)base;
        Instant now = turn_now(base->event);
        LogContext c = { .job = job->name };

        if (!job->paused)
                schedule_resume_job(t->schedule, job, now);
        else if (schedule_set_job(t->schedule, job, now) < 0)
                log_message(LOG_ERR, &c, "Not enough memory to reschedule the job; reload when there is more.");
        timers_arm(t);
}

static bool is_of_timer(const RunRecord *r) {
        return r->cause == RUN_CAUSE_TIMER || r->cause == RUN_CAUSE_CATCH_UP;
}

static void timers_run_started(Trigger *base, LiveRun *run) {
        Timers *t = (Timers *)base;

        if (!is_of_timer(run_record(run)) && run_job(run)->timers &&
            schedule_job_started(t->schedule, run_job(run), turn_now(base->event)))
                timers_arm(t);
}

/* One that was never started counts as well: an interval that counts from the end stood still while it waited. */
static bool timers_run_ended(Trigger *base, LiveRun *run) {
        Timers *t = (Timers *)base;
        Job *job = run_job(run);

        if (job->timers &&
            schedule_job_ended(t->schedule, job, run_record(run)->result == RUN_RESULT_SUCCESS, turn_now(base->event)))
                timers_arm(t);
        return false;
}

/* A retry has the time of the first try, and no other: that one was asked for by then. Nothing is due sooner
 * for it. */
static void timers_run_found(Trigger *base, Job *job, RunRecord *record) {
        Timers *t = (Timers *)base;

        if (!is_of_timer(record) && record->cause != RUN_CAUSE_RETRY)
                return;
        record->trigger = schedule_note_occurred(t->schedule, job, record->scheduled, turn_now(base->event));
}

/* --- for people --- */

static int timers_explain(Trigger *base, const Job *job, const char *file, size_t n, ExplainVisit visit,
                          void *userdata) {
        char message[256], at[TIMESTAMP_TEXT_MAX], span[SPAN_TEXT_MAX];
        usec_t now = turn_now(base->event).realtime, next = MAX(job->next, now);
        int r;

        if (file || !job->def || job->def->n_triggers == 0)
                return 0;
        if (!job->def->enabled || job->gone)
                return 1;
        if (job->next == USEC_INFINITY)
                (void)snprintf(
                        message, sizeof(message),
                        job_state(job) == JOB_PAUSED
                                ? "Its timers do not elapse while it is paused; missed occurrences are caught up with."
                                : "None of its timers will elapse again.");
        else
                (void)snprintf(message, sizeof(message), "Its next timer elapses at %s, in %s.",
                               timestamp_format(at, next, zone_cache_local(base->zones), TIMESTAMP_PRETTY),
                               span_format(span, next - now, USEC_PER_SEC));
        r = visit("timer", message, userdata);
        return r < 0 ? r : 1;
}

static bool is_anchored(const JobDef *d) {
        bool is_interval = false;

        for (size_t i = 0; i < d->n_triggers && !is_interval; i++)
                is_interval = d->triggers[i].type == TRIGGER_INTERVAL;
        return is_interval && d->rare->timer.anchor != USEC_INFINITY;
}

static int timers_list(Trigger *base, const Job *job, TriggerVisit visit, void *userdata) {
        char anchor[TIMESTAMP_TEXT_MAX];
        int r = 0;

        for (size_t i = 0; job->def && i < job->def->n_triggers && r >= 0; i++)
                r = visit(trigger_type_to_string(job->def->triggers[i].type), job->def->triggers[i].expression, "", "",
                          userdata);
        if (r >= 0 && job->def && is_anchored(job->def))
                r = visit("Anchor",
                          timestamp_format(anchor, job->def->rare->timer.anchor, job->def->zone, TIMESTAMP_PRETTY), "",
                          "", userdata);
        return r;
}

static size_t timers_next(Trigger *base, const Job *job, usec_t *ret, size_t n) {
        return schedule_preview(((Timers *)base)->schedule, job, turn_now(base->event), ret, n);
}

const TriggerOps timer_trigger_ops = {
        .size = sizeof(Timers),
        .init = timers_init,
        .done = timers_done,
        .start = timers_start,
        .hold = timers_hold,
        .reload = timers_reload,
        .set_job = timers_set_job,
        .remove_job = timers_remove_job,
        .pause_changed = timers_pause_changed,
        .run_started = timers_run_started,
        .run_ended = timers_run_ended,
        .run_found = timers_run_found,
        .explain = timers_explain,
        .list = timers_list,
        .next = timers_next,
};
