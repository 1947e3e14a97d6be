/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The kernel marks cgroup.events as exceptional when the last process is gone. */

#include "exec/child-leaving.h"

#include "util/log.h"

struct ChildLeaving {
        ChildLeaving *next, **list;
        const ChildCgroup *cgroup;
        uint64_t run;
        sd_event_source *source;
};

static void leaving_free(ChildLeaving *l) {
        for (ChildLeaving **p = l->list; *p; p = &(*p)->next)
                if (*p == l) {
                        *p = l->next;
                        break;
                }
        sd_event_source_disable_unref(l->source);
        free(l);
}

static int on_events_changed(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        ChildLeaving *l = userdata;
        char text[64];

        (void)!pread(fd, text, sizeof(text), 0); /* seen */
        if (child_cgroup_remove(l->cgroup, l->run))
                leaving_free(l);
        return 0;
}

static int leaving_new(ChildLeaving **list, sd_event *event, const ChildCgroup *c, uint64_t run) {
        int fd = child_cgroup_open_events(c, run), r;
        ChildLeaving *l;

        if (fd < 0)
                return fd;
        l = malloc(sizeof(*l));
        if (!l) {
                safe_close(fd);
                return -ENOMEM;
        }
        *l = (ChildLeaving){ .next = *list, .list = list, .cgroup = c, .run = run };
        *list = l;
        r = sd_event_add_io(event, &l->source, fd, EPOLLPRI, on_events_changed, l);
        if (r < 0) {
                safe_close(fd);
                leaving_free(l);
                return r;
        }
        (void)sd_event_source_set_io_fd_own(l->source, true);
        (void)sd_event_source_set_description(l->source, "run-cgroup");
        return 0;
}

void child_leaving_add(ChildLeaving **list, sd_event *event, const ChildCgroup *c, uint64_t run) {
        int r;

        if (child_cgroup_remove(c, run))
                return;
        r = leaving_new(list, event, c, run);
        if (r < 0)
                log_debug_errno(r, "Cannot wait for the control group of run %" PRIu64 ", leaving it: %m", run);
}

void child_leaving_forget(ChildLeaving **list) {
        while (*list)
                leaving_free(*list);
}
