/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* sd_event_now(3), and an eventfd that is never read. */

#include "util/turn.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>

Instant turn_now(sd_event *event) {
        Instant now = {};

        (void)sd_event_now(event, CLOCK_REALTIME, &now.realtime);
        (void)sd_event_now(event, CLOCK_BOOTTIME, &now.boottime);
        (void)sd_event_now(event, CLOCK_MONOTONIC, &now.monotonic);
        return now;
}

usec_t turn_spent(sd_event *event) {
        usec_t began = 0;

        (void)sd_event_now(event, CLOCK_MONOTONIC, &began);
        return usec_sub(now_clock(CLOCK_MONOTONIC), began);
}

/* Takes s over. */
static int set_up(sd_event_source *s, const char *description, sd_event_source **ret) {
        int r = sd_event_source_set_enabled(s, SD_EVENT_OFF);

        (void)sd_event_source_set_description(s, description);
        if (r >= 0)
                r = sd_event_source_set_exit_on_failure(s, true);
        if (r < 0) {
                sd_event_source_unref(s);
                return r;
        }
        *ret = s;
        return 0;
}

int event_add_timer(sd_event *event, sd_event_source **ret, const char *description, clockid_t clock, usec_t accuracy,
                    sd_event_time_handler_t handler, void *userdata) {
        sd_event_source *s;
        int r;

        r = sd_event_add_time(event, &s, clock, 0, accuracy, handler, userdata);
        return r < 0 ? r : set_up(s, description, ret);
}

int event_add_deferred(sd_event *event, sd_event_source **ret, const char *description, sd_event_handler_t handler,
                       void *userdata) {
        sd_event_source *s;
        int r;

        r = sd_event_add_defer(event, &s, handler, userdata);
        return r < 0 ? r : set_up(s, description, ret);
}

int event_add_turn(sd_event *event, sd_event_source **ret, const char *description, sd_event_io_handler_t handler,
                   void *userdata) {
        _cleanup_close_ int fd = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
        sd_event_source *s;
        int r;

        if (fd < 0)
                return -errno;
        r = sd_event_add_io(event, &s, fd, EPOLLIN, handler, userdata);
        if (r < 0)
                return r;
        (void)sd_event_source_set_io_fd_own(s, true);
        TAKE_FD(fd);
        return set_up(s, description, ret);
}
