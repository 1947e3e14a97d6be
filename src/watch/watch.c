/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a watcher does for trees and conditions: it reads what the kernel tells, calls them in their turn, and reports
 * what they find. */

#include "watch/watch.h"

#include <sys/epoll.h>

#include "util/log.h"
#include "watch/watch-internal.h"

#define DRAIN_MAX    (2 * 1024 * 1024) /* bytes: more than the kernel's queue holds */
#define BURST_EVENTS 8                 /* read at once, after which more of them are expected */

/* --- a watch --- */

/* It was tried when the watch was made; what could be done then can be done until we end. */
static void enter(IdentityScope *scope, const Identity *identity) {
        if (identity_enter(scope, identity) < 0)
                abort();
}

void watch_enter(const Watch *w, IdentityScope *scope) {
        enter(scope, w->def.identity);
}

void watch_report(Watch *w, const Change *c) {
        _cleanup_(identity_restore) IdentityScope scope = {};

        enter(&scope, NULL);
        w->ops->changed(w->userdata, w, c);
}

void watch_report_gone(Watch *w, const Change *c) {
        _cleanup_(identity_restore) IdentityScope scope = {};

        enter(&scope, NULL);
        w->ops->gone(w->userdata, w, c);
}

/* A turn that is under way sees at its end what is left. */
void watcher_wake(Watcher *w) {
        if (!w->is_at_work)
                (void)sd_event_source_set_enabled(w->work_source, SD_EVENT_ON);
}

void watch_wake(Watch *w) {
        if (!w->queued) {
                w->queued = true;
                TAILQ_INSERT_TAIL(&w->watcher->work, w, work);
        }
        watcher_wake(w->watcher);
}

void watch_set_state(Watch *w, WatchState state) {
        if (w->state == state)
                return;
        w->state = state;
        if (w->ops->state_changed) {
                _cleanup_(identity_restore) IdentityScope scope = {};

                enter(&scope, NULL);
                w->ops->state_changed(w->userdata, w);
        }
}

/* --- the queue of inotify --- */

/* What was read is worked on at once. What is left from earlier turns has turns of its own: then it is only read here,
 * so that two turns do not follow each other. */
static void watcher_work_on(Watcher *w) {
        int enabled = SD_EVENT_OFF;

        (void)sd_event_source_get_enabled(w->work_source, &enabled);
        if (enabled == SD_EVENT_OFF)
                w->take_turn(w);
}

static int watcher_drain(Watcher *w) {
        int r = event_queue_drain(w->queue, DRAIN_MAX);

        if (r < 0)
                log_error_errno(r, "Cannot read inotify events, ignoring: %m");
        w->is_burst = r >= BURST_EVENTS;
        return r;
}

bool watcher_read_on(Watcher *w) {
        return w->is_burst && watcher_drain(w) > 0;
}

static int on_queue(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        (void)watcher_drain(userdata);
        watcher_work_on(userdata);
        return 0;
}

int watcher_start_queue(Watcher *w) {
        int r = sd_event_add_io(w->event, &w->queue_source, event_queue_fd(w->queue), EPOLLIN, on_queue, w);

        if (r < 0)
                return r;
        (void)sd_event_source_set_description(w->queue_source, "watch-events");
        return 0;
}

/* --- fanotify --- */

static int watcher_drain_fan(Watcher *w, usec_t now_monotonic) {
        int r = fan_queue_drain(w->fan, DRAIN_MAX, now_monotonic);

        if (r < 0)
                log_error_errno(r, "Cannot read fanotify events, ignoring: %m");
        return r;
}

static int on_fan(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        Watcher *w = userdata;

        (void)watcher_drain_fan(w, now_clock(CLOCK_MONOTONIC));
        watcher_work_on(w);
        return 0;
}

bool watcher_hear(Watcher *w) {
        _cleanup_(identity_restore) IdentityScope scope = {};

        enter(&scope, NULL); /* who did it may be hidden from who the watch sees things for */
        if (w->fan)
                (void)watcher_drain_fan(w, w->now_monotonic);
        return event_queue_counters(w->queue).waiting > 0;
}

static void on_fan_overflow(void *userdata) {
        Watcher *w = userdata;

        if (!w->fan_overflowed)
                log_notice("Files changed faster than events could be read; scanning the trees that are watched "
                           "with fanotify.");
        w->fan_overflowed = true;
        watcher_wake(w);
}

static int watcher_start_fan(Watcher *w) {
        int r;

        r = fan_queue_new(&w->fan, w->queue, on_fan_overflow, w);
        if (r >= 0)
                r = sd_event_add_io(w->event, &w->fan_source, fan_queue_fd(w->fan), EPOLLIN, on_fan, w);
        if (r < 0)
                return r;
        (void)sd_event_source_set_description(w->fan_source, "watch-fanotify");
        return 0;
}

static void watcher_stop_fan(Watcher *w) {
        assert(w->n_fan_users == 0);
        w->fan_source = sd_event_source_disable_unref(w->fan_source);
        w->fan = fan_queue_free(w->fan);
        w->fan_overflowed = false;
}

int watcher_take_fan(Watcher *w, FanQueue **ret) {
        int r = w->fan ? 0 : watcher_start_fan(w);

        if (r < 0) {
                watcher_stop_fan(w);
                return r;
        }
        assert(w->fan && w->fan_source);
        w->n_fan_users++;
        *ret = w->fan;
        return 0;
}

void watcher_drop_fan(Watcher *w) {
        assert(w->n_fan_users > 0);
        if (--w->n_fan_users == 0)
                watcher_stop_fan(w);
}
