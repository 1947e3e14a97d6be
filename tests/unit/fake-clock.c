/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A time source is a deferred source of the real loop, which is enabled when its time has come. */

#include "fake-clock.h"

#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/queue.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "util/macro.h"

typedef struct Timer {
        TAILQ_ENTRY(Timer) timers;
        sd_event_source *source;
        clockid_t clock;
        usec_t at;
        bool armed;
        sd_event_time_handler_t handler;
        void *userdata;
} Timer;

FakeClock fake_clock;
static TAILQ_HEAD(, Timer) all_timers = TAILQ_HEAD_INITIALIZER(all_timers);
static int set_fd = -EBADF; /* of who wants to know that the clock was set; one daemon lives at a time */

/* What the linker puts in place of the real ones. */
int __wrap_clock_gettime(clockid_t clock, struct timespec *ret);
int __wrap_sd_event_now(sd_event *event, clockid_t clock, uint64_t *ret);
int __wrap_sd_event_add_time(sd_event *event, sd_event_source **ret, clockid_t clock, uint64_t at, uint64_t accuracy,
                             sd_event_time_handler_t handler, void *userdata);
int __wrap_sd_event_add_time_relative(sd_event *event, sd_event_source **ret, clockid_t clock, uint64_t after,
                                      uint64_t accuracy, sd_event_time_handler_t handler, void *userdata);
int __wrap_sd_event_source_set_time(sd_event_source *s, uint64_t at);
int __wrap_sd_event_source_set_time_relative(sd_event_source *s, uint64_t after);
int __wrap_sd_event_source_set_time_accuracy(sd_event_source *s, uint64_t accuracy);
int __wrap_sd_event_source_set_enabled(sd_event_source *s, int enabled);
int __real_sd_event_source_set_enabled(sd_event_source *s, int enabled);
int __wrap_timerfd_create(int clock, int flags);
int __wrap_timerfd_settime(int fd, int flags, const struct itimerspec *new, struct itimerspec *old);

static usec_t read_clock(clockid_t clock) {
        switch (clock) {
        case CLOCK_REALTIME:
        case CLOCK_REALTIME_ALARM:
                return fake_clock.realtime;
        case CLOCK_BOOTTIME:
        case CLOCK_BOOTTIME_ALARM:
                return fake_clock.boottime;
        default:
                return fake_clock.monotonic;
        }
}

int __wrap_clock_gettime(clockid_t clock, struct timespec *ret) {
        usec_t now = read_clock(clock);

        *ret = (struct timespec){
                .tv_sec = (time_t)(now / USEC_PER_SEC),
                .tv_nsec = (long)(now % USEC_PER_SEC * NSEC_PER_USEC),
        };
        return 0;
}

int __wrap_sd_event_now(sd_event *event, clockid_t clock, uint64_t *ret) {
        *ret = read_clock(clock);
        return 0;
}

static Timer *timer_of(const sd_event_source *s) {
        Timer *t;

        TAILQ_FOREACH(t, &all_timers, timers)
                if (t->source == s)
                        return t;
        return NULL;
}

static int on_due(sd_event_source *s, void *userdata) {
        Timer *t = userdata;

        t->armed = false;
        return t->handler(s, t->at, t->userdata);
}

static void on_freed(void *userdata) {
        Timer *t = userdata;

        TAILQ_REMOVE(&all_timers, t, timers);
        free(t);
}

int __wrap_sd_event_add_time(sd_event *event, sd_event_source **ret, clockid_t clock, uint64_t at, uint64_t accuracy,
                             sd_event_time_handler_t handler, void *userdata) {
        Timer *t = calloc(1, sizeof(*t));
        int r;

        if (!t)
                return -ENOMEM;
        *t = (Timer){ .clock = clock, .at = at, .armed = true, .handler = handler, .userdata = userdata };
        r = sd_event_add_defer(event, &t->source, on_due, t);
        if (r < 0) {
                free(t);
                return r;
        }
        (void)sd_event_source_set_destroy_callback(t->source, on_freed);
        TAILQ_INSERT_TAIL(&all_timers, t, timers);
        *ret = t->source;
        return __real_sd_event_source_set_enabled(t->source, SD_EVENT_OFF);
}

int __wrap_sd_event_add_time_relative(sd_event *event, sd_event_source **ret, clockid_t clock, uint64_t after,
                                      uint64_t accuracy, sd_event_time_handler_t handler, void *userdata) {
        return __wrap_sd_event_add_time(event, ret, clock, usec_add(read_clock(clock), after), accuracy, handler,
                                        userdata);
}

int __wrap_sd_event_source_set_time(sd_event_source *s, uint64_t at) {
        Timer *t = timer_of(s);

        if (!t)
                return -EDOM;
        t->at = at;
        return __real_sd_event_source_set_enabled(s, SD_EVENT_OFF);
}

int __wrap_sd_event_source_set_time_relative(sd_event_source *s, uint64_t after) {
        Timer *t = timer_of(s);

        return t ? __wrap_sd_event_source_set_time(s, usec_add(read_clock(t->clock), after)) : -EDOM;
}

int __wrap_sd_event_source_set_time_accuracy(sd_event_source *s, uint64_t accuracy) {
        return timer_of(s) ? 0 : -EDOM;
}

int __wrap_sd_event_source_set_enabled(sd_event_source *s, int enabled) {
        Timer *t = s ? timer_of(s) : NULL;

        if (!t)
                return __real_sd_event_source_set_enabled(s, enabled);
        t->armed = enabled != SD_EVENT_OFF;
        return __real_sd_event_source_set_enabled(s, SD_EVENT_OFF);
}

/* Read as a timerfd whose clock was set: there is something to read. */
int __wrap_timerfd_create(int clock, int flags) {
        set_fd = -EBADF;
        return eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
}

int __wrap_timerfd_settime(int fd, int flags, const struct itimerspec *new, struct itimerspec *old) {
        set_fd = flags & TFD_TIMER_CANCEL_ON_SET ? fd : -EBADF;
        return 0;
}

/* Once: then it has to be armed anew. */
static void tell_set(void) {
        const uint64_t one = 1;

        if (set_fd >= 0)
                (void)!write(set_fd, &one, sizeof(one));
        set_fd = -EBADF;
}

void fake_clock_advance(usec_t by) {
        fake_clock.monotonic += by;
        fake_clock.boottime += by;
        fake_clock.realtime += by;
}

void fake_clock_suspend(usec_t by) {
        fake_clock.boottime += by;
        fake_clock.realtime += by;
        tell_set();
}

void fake_clock_step(int64_t by) {
        fake_clock.realtime += (usec_t)by;
        tell_set();
}

usec_t fake_clock_next(void) {
        usec_t next = USEC_INFINITY;
        const Timer *t;

        TAILQ_FOREACH(t, &all_timers, timers)
                if (t->armed)
                        next = MIN(next, usec_sub(t->at, read_clock(t->clock)));
        return next;
}

int fake_clock_run(sd_event *event) {
        Timer *t;

        TAILQ_FOREACH(t, &all_timers, timers)
                if (t->armed && t->at <= read_clock(t->clock))
                        (void)__real_sd_event_source_set_enabled(t->source, SD_EVENT_ONESHOT);
        return sd_event_run(event, 0);
}
