/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The kernel knows, but does not tell, so it is asked again and again; and at once when systemd-timesyncd touches the
 * file by which it says that it has set the clock, if it runs.
 *
 * When nobody corrects the clock any more, the kernel calls it synchronized for some hours still. But who sets it, or
 * a service that loses its servers, can end that at any moment. */

#include "probe/clock-sync.h"

#include <stdio.h>
#include <sys/inotify.h>
#include <sys/timex.h>

#include "util/turn.h"

#define DIRECTORY "run/systemd/timesync"
#define NAME      "synchronized"
#define EVENTS    (IN_CREATE | IN_MOVED_TO | IN_ATTRIB | IN_CLOSE_WRITE | IN_DELETE | IN_ONLYDIR)

static int on_file(sd_event_source *s, const struct inotify_event *event, void *userdata) {
        Probe *p = userdata;

        if (event->mask & IN_IGNORED) { /* the directory is gone, with its service */
                sd_event_source_disable_unref(p->state);
                p->state = NULL;
        }
        if (event->mask & (IN_IGNORED | IN_Q_OVERFLOW) || (event->len > 0 && streq(event->name, NAME)))
                probe_look(p);
        return 0;
}

static void watch_file(Probe *p) {
        sd_event_source *s;
        char path[64];

        if (p->state)
                return;
        (void)snprintf(path, sizeof(path), "/proc/self/fd/%d/" DIRECTORY, p->probes->root_fd);
        if (sd_event_add_inotify(p->probes->event, &s, path, EVENTS, on_file, p) < 0)
                return;
        (void)sd_event_source_set_description(s, "probe-clock-synchronized");
        p->state = s;
}

static int look(Probe *p, Reading *ret) {
        struct timex t = {};
        int state;

        watch_file(p);
        p->is_event = false;
        state = adjtimex(&t);
        if (state < 0)
                return probe_unknown_errno(p, ret, errno, "The kernel does not tell the state of the clock: %m.");
        if (state == TIME_ERROR || t.status & STA_UNSYNC)
                return probe_known(ret, false);
        p->is_event = true;
        probe_look_within(p, probe_sample_max(p));
        return probe_known(ret, true);
}

static void stop(Probe *p) {
        sd_event_source_disable_unref(p->state);
        p->state = NULL;
}

const ProbeKind clock_synchronized_kind = { .look = look, .stop = stop, .uses_changed = probe_look };
