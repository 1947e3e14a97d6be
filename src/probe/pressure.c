/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The value is avg10, an average in which what was long ago counts less and less. To rise above a limit, it needs a
 * window of two seconds in which the limit is exceeded, and the kernel tells of such windows as long as they go on (a
 * trigger, Documentation/accounting/psi.rst). A window of a multiple of two seconds needs no capability. The trigger
 * is set for the lowest limit of all who ask.
 *
 * The kernel does not tell when the pressure ends. So from the first event on, the value is sampled until it is below
 * the lowest limit again and the last event is so long ago that it is part of the average. Where a trigger is
 * refused (by permissions, or by an old kernel), the value is always sampled. */

#include "probe/pressure.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/epoll.h>

#include "util/file.h"
#include "util/turn.h"

#define WINDOW    (2 * USEC_PER_SEC)
#define SETTLE    (3 * WINDOW)    /* until an event is in the average: the kernel computes it every two seconds */
#define WHOLE     10000           /* parts of ten thousand */
#define RETRY     USEC_PER_MINUTE /* of what is switched off */
#define FILE_SIZE 512

typedef struct Pressure {
        sd_event_source *trigger; /* owns the descriptor; NULL: there is none */
        int64_t threshold;        /* what the trigger is set for */
        usec_t event_boottime;    /* the last one; 0 = never */
} Pressure;

static void pressure_file(const Probe *p, char path[static 64]) {
        (void)snprintf(path, 64, "proc/pressure/%.32s", strempty(p->question.subject));
}

/* --- the trigger --- */

static int on_trigger(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        Probe *p = userdata;
        Pressure *pressure = p->state;

        if (revents & (EPOLLERR | EPOLLHUP)) {
                pressure->trigger = sd_event_source_disable_unref(pressure->trigger);
                p->is_event = true;
                probe_report(p, &(Reading){ .reason = "The kernel has stopped telling of the pressure." });
                probe_look_after(p, RETRY);
                return 0;
        }
        pressure->event_boottime = turn_now(p->probes->event).boottime;
        probe_look(p);
        return 0;
}

static int64_t wanted_threshold(const Probe *p) {
        int64_t limit = probe_lowest_limit(p);

        limit = MAX(limit, (int64_t)1);
        return MIN(limit, (int64_t)WHOLE);
}

static int trigger_open(Probe *p, int64_t threshold) {
        _cleanup_close_ int fd = -EBADF;
        char path[64], text[64];
        int n;

        pressure_file(p, path);
        fd = openat(p->probes->root_fd, path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
        if (fd < 0)
                return -errno;
        n = snprintf(text, sizeof(text), "%s %" PRId64 " %" PRI_USEC, strempty(p->question.aspect),
                     threshold * (int64_t)WINDOW / WHOLE, WINDOW);
        if (write(fd, text, (size_t)n + 1) < 0)
                return -errno;
        return TAKE_FD(fd);
}

static int pressure_add_trigger(Probe *p, Pressure *pressure) {
        int64_t threshold = wanted_threshold(p);
        int fd, r;

        fd = trigger_open(p, threshold);
        if (fd < 0)
                return fd;
        r = sd_event_add_io(p->probes->event, &pressure->trigger, fd, EPOLLPRI, on_trigger, p);
        if (r < 0) {
                safe_close(fd);
                return r;
        }
        (void)sd_event_source_set_io_fd_own(pressure->trigger, true);
        (void)sd_event_source_set_description(pressure->trigger, "probe-pressure");
        pressure->threshold = threshold;
        return 0;
}

/* --- looking --- */

/* "some avg10=12.34 …", as parts of ten thousand. */
static int parse_average(const char *text, const char *aspect, int64_t *ret) {
        size_t n = strlen(aspect);

        for (const char *line = text; line; line = strchr(line, '\n')) {
                unsigned whole, hundredths;

                line += *line == '\n';
                if (strncmp(line, aspect, n) == 0 && sscanf(line + n, " avg10=%u.%2u", &whole, &hundredths) == 2) {
                        *ret = (int64_t)whole * 100 + hundredths;
                        return 0;
                }
        }
        return -ENODATA;
}

static int pressure_unknown(Probe *p, Reading *ret, int error) {
        p->is_event = true;
        probe_look_after(p, RETRY);
        if (error == -ENOENT || error == -EOPNOTSUPP)
                return probe_unknown(p, ret, "The kernel does not measure pressure; boot it with psi=1.");
        return error == -ENODATA ? probe_unknown(p, ret, "The kernel does not tell \"%s\" for pressure of %s.",
                                                 p->question.aspect, p->question.subject)
                                 : probe_unknown_errno(p, ret, error, "The pressure of %s cannot be read: %m.",
                                                       p->question.subject);
}

/* The trigger says enough while the pressure is low. */
static bool pressure_is_quiet(const Probe *p, const Pressure *pressure, int64_t value) {
        usec_t now = turn_now(p->probes->event).boottime;

        return pressure->trigger && value < pressure->threshold &&
               (pressure->event_boottime == 0 || now >= pressure->event_boottime + SETTLE);
}

static int look(Probe *p, Reading *ret) {
        Pressure *pressure = p->state;
        char path[64], buf[FILE_SIZE];
        int64_t value = 0;
        ssize_t n;
        int r;

        if (!pressure)
                pressure = p->state = calloc(1, sizeof(*pressure));
        if (!pressure)
                return pressure_unknown(p, ret, -ENOMEM);
        pressure_file(p, path);
        n = file_read(p->probes->root_fd, path, buf, sizeof(buf));
        r = n < 0 ? (int)n : parse_average(buf, strempty(p->question.aspect), &value);
        if (r < 0)
                return pressure_unknown(p, ret, r);
        if (!pressure->trigger)
                (void)pressure_add_trigger(p, pressure);
        p->is_event = pressure_is_quiet(p, pressure, value);
        return probe_known(ret, value);
}

/* A trigger is set once; for another limit there has to be another one. */
static void uses_changed(Probe *p) {
        Pressure *pressure = p->state;

        if (!pressure || !pressure->trigger || pressure->threshold == wanted_threshold(p))
                return;
        pressure->trigger = sd_event_source_disable_unref(pressure->trigger);
        probe_look(p);
}

static void stop(Probe *p) {
        Pressure *pressure = p->state;

        if (pressure)
                sd_event_source_disable_unref(pressure->trigger);
        p->state = mfree(pressure);
}

const ProbeKind pressure_kind = { .look = look, .stop = stop, .uses_changed = uses_changed };
