/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* One sd-event source waits for each of the schedule's clocks; at most ELAPSE_BATCH triggers are dealt with in one
 * turn of the loop, so that a second in which ten thousand jobs are due does not keep clients waiting.
 *
 * Two things change what was planned: somebody sets the clock (a timerfd that is cancelled then tells; it does so,
 * too, when the machine wakes up), or the rules of a zone change (the folders of /etc/localtime and of the zone files
 * are watched). Both have a higher priority than the timers: everything is planned anew before anything elapses. */

#include "sched/timers.h"

#include <fcntl.h>
#include <sys/inotify.h>
#include <sys/timerfd.h>
#include <systemd/sd-id128.h>

#include "util/boot-id.h"
#include "util/log.h"
#include "util/turn.h"

#define ELAPSE_BATCH    256
#define CHANGE_PRIORITY (SD_EVENT_PRIORITY_IMPORTANT - 10)
#define ZONE_EVENTS     (IN_CREATE | IN_MOVED_TO | IN_DELETE | IN_CLOSE_WRITE | IN_ATTRIB)

/* What random delays and moments of the ramp are derived from; not a secret. */
static const sd_id128_t spread_id = SD_ID128_MAKE(5d, 1c, 0e, 8b, 77, 0a, 4b, 6e, 9f, 55, 20, d3, 64, a1, 3e, 92);

struct Timers {
        sd_event *event;
        sd_event_source *sources[_SCHEDULE_CLOCK_MAX];
        sd_event_source *change_source, *localtime_source, *zoneinfo_source;
        int change_fd;
        Schedule *schedule;
        JobTable *jobs;
        ZoneCache *zones;
        bool started, running, held;
};

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

/* The sources of the alarm clocks are made when a job first wants to wake the machine. */
static int timers_add_source(Timers *t, ScheduleClock clock) {
        sd_event_source **s = &t->sources[clock];
        int r;

        r = sd_event_add_time(t->event, s, clocks[clock].id, 0, 1, on_timer, t);
        if (r < 0 && clocks[clock].id != clocks[clock].instead) {
                log_warning_errno(r,
                                  "Cannot wake the machine for jobs with WakeSystem=: %m; they run when it is awake");
                r = sd_event_add_time(t->event, s, clocks[clock].instead, 0, 1, on_timer, t);
        }
        if (r < 0)
                return r;
        (void)sd_event_source_set_description(*s, clocks[clock].description);
        (void)sd_event_source_set_enabled(*s, SD_EVENT_OFF);
        return sd_event_source_set_exit_on_failure(*s, true);
}

static int timers_arm_clock(Timers *t, ScheduleClock clock) {
        usec_t at, latest;
        int r;

        if (!t->running || t->held || !schedule_next(t->schedule, clock, &at, &latest))
                return t->sources[clock] ? sd_event_source_set_enabled(t->sources[clock], SD_EVENT_OFF) : 0;
        if (!t->sources[clock]) {
                r = timers_add_source(t, clock);
                if (r < 0)
                        return r;
        }
        r = sd_event_source_set_time(t->sources[clock], at);
        if (r >= 0)
                r = sd_event_source_set_time_accuracy(t->sources[clock], latest > at ? latest - at : 1);
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

        if (t->running && !t->held)
                (void)schedule_elapse(t->schedule, turn_now(t->event), ELAPSE_BATCH);
        timers_arm(t);
        return 0;
}

/* --- changes of clock and zone --- */

static void timers_replan(Timers *t) {
        Instant now = turn_now(t->event);

        for (size_t i = 0; i < job_table_size(t->jobs); i++)
                schedule_replan_job(t->schedule, job_table_at(t->jobs, i), now);
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
                log_error_errno(r, "Cannot wait for the clock to be set: %m; jobs are planned anew on reload only");
                (void)sd_event_source_set_enabled(s, SD_EVENT_OFF);
        }
        log_debug("The clock was set or the machine has slept; planning all jobs anew.");
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
        r = sd_event_add_io(t->event, &t->change_source, t->change_fd, EPOLLIN, on_clock_set, t);
        if (r < 0)
                return r;
        (void)sd_event_source_set_description(t->change_source, "clock-set");
        return sd_event_source_set_priority(t->change_source, CHANGE_PRIORITY);
}

void timers_refresh_zones(Timers *t) {
        if (zone_cache_refresh(t->zones) <= 0)
                return;
        log_info("The rules of a time zone have changed; planning all jobs anew.");
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

/* A folder that cannot be watched costs us the news, not the daemon: a reload looks, too. */
static void timers_watch_folder(Timers *t, sd_event_source **ret, const char *path,
                                sd_event_inotify_handler_t handler) {
        int r;

        r = sd_event_add_inotify(t->event, ret, path, ZONE_EVENTS | IN_ONLYDIR, handler, t);
        if (r < 0) {
                log_debug_errno(r, "Cannot watch %s for changes of time zones: %m, ignoring", path);
                return;
        }
        (void)sd_event_source_set_description(*ret, path);
        (void)sd_event_source_set_priority(*ret, CHANGE_PRIORITY);
}

/* --- making --- */

static int timers_new_schedule(Timers *t, const ScheduleOps *ops) {
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
        return schedule_new(&t->schedule, ops, seed, &b);
}

int timers_new(Timers **ret, sd_event *event, JobTable *jobs, ZoneCache *zones, const ScheduleOps *ops) {
        _cleanup_(timers_freep) Timers *t = NULL;
        int r;

        t = calloc(1, sizeof(*t));
        if (!t)
                return -ENOMEM;
        t->event = sd_event_ref(event);
        t->change_fd = -EBADF;
        t->jobs = jobs;
        t->zones = zones;
        r = timers_new_schedule(t, ops);
        if (r >= 0)
                r = timers_add_source(t, SCHEDULE_REALTIME);
        if (r >= 0)
                r = timers_add_source(t, SCHEDULE_BOOTTIME);
        if (r >= 0)
                r = timers_watch_clock(t);
        if (r < 0)
                return r;
        timers_watch_folder(t, &t->localtime_source, "/etc", on_etc);
        timers_watch_folder(t, &t->zoneinfo_source, "/usr/share/zoneinfo", on_zone_files);
        *ret = TAKE_PTR(t);
        return 0;
}

Timers *timers_free(Timers *t) {
        if (!t)
                return NULL;
        schedule_free(t->schedule);
        for (size_t i = 0; i < ELEMENTSOF(t->sources); i++)
                sd_event_source_disable_unref(t->sources[i]);
        sd_event_source_disable_unref(t->change_source);
        sd_event_source_disable_unref(t->localtime_source);
        sd_event_source_disable_unref(t->zoneinfo_source);
        safe_close(t->change_fd);
        sd_event_unref(t->event);
        return mfree(t);
}

int timers_start(Timers *t) {
        Instant now = turn_now(t->event);
        int r = 0;

        schedule_start(t->schedule, now);
        for (size_t i = 0; i < job_table_size(t->jobs) && r >= 0; i++)
                r = schedule_set_job(t->schedule, job_table_at(t->jobs, i), now);
        schedule_started(t->schedule);
        t->started = t->running = true;
        timers_arm(t);
        return r;
}

void timers_hold(Timers *t, bool hold) {
        t->held = hold;
        timers_arm(t);
}

void timers_stop(Timers *t) {
        t->running = false;
        timers_arm(t);
}

void timers_set_ramp(Timers *t, usec_t ramp) {
        schedule_set_ramp(t->schedule, ramp);
}

/* --- jobs --- */

int timers_set_job(Timers *t, Job *job) {
        int r;

        if (!t->started)
                return 0;
        r = schedule_set_job(t->schedule, job, turn_now(t->event));
        timers_arm(t);
        return r;
}

void timers_remove_job(Timers *t, Job *job) {
        schedule_remove_job(t->schedule, job);
        timers_arm(t);
}

void timers_resume_job(Timers *t, Job *job) {
        schedule_resume_job(t->schedule, job, turn_now(t->event));
        timers_arm(t);
}

void timers_job_started(Timers *t, Job *job) {
        if (!job->timers)
                return;
        schedule_job_started(t->schedule, job, turn_now(t->event));
        timers_arm(t);
}

void timers_job_ended(Timers *t, Job *job, bool success) {
        if (!job->timers)
                return;
        schedule_job_ended(t->schedule, job, success, turn_now(t->event));
        timers_arm(t);
}

uint32_t timers_note_occurred(Timers *t, Job *job, usec_t scheduled) {
        uint32_t trigger = schedule_note_occurred(t->schedule, job, scheduled, turn_now(t->event));

        timers_arm(t);
        return trigger;
}

size_t timers_preview(const Timers *t, const Job *job, usec_t *ret, size_t n) {
        return schedule_preview(t->schedule, job, turn_now(t->event), ret, n);
}

const Job *timers_next_job(const Timers *t) {
        return schedule_first_job(t->schedule);
}
