/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The kernel tells of each change of the mount table, and the table has the paths: nobody looks at what is mounted,
 * which may hang. A table that changes all the time is read a few times a second only. */

#include "probe/mounted.h"

#include <sys/epoll.h>

#include "fs/mount-table.h"
#include "util/array.h"

#define READS_MAX 4 /* a second */

typedef struct Mounts {
        MountTable *table;
        int error; /* of the last reading: then the table is an old one */
        sd_event_source *source;
        Probe **probes;
        size_t n_probes;
} Mounts;

static void mounts_free(Mounts *m) {
        sd_event_source_disable_unref(m->source);
        (void)mount_table_free(m->table);
        free(m->probes);
        free(m);
}

static int mounts_read(Mounts *m) {
        int r = mount_table_update(m->table, NULL, NULL);

        m->error = MIN(r, 0);
        return r;
}

static int on_mounts(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        Mounts *m = userdata;

        if (mounts_read(m) != 0) /* also when it fails: each says so */
                for (size_t i = 0; i < m->n_probes; i++)
                        probe_look(m->probes[i]);
        return 0;
}

/* Being added to the loop takes note of a change since the file was opened, and does not tell: so it is read then. */
static int mounts_new(Mounts **ret, sd_event *event) {
        Mounts *m = calloc(1, sizeof(*m));
        int r;

        if (!m)
                return -ENOMEM;
        r = mount_table_new(&m->table);
        if (r >= 0)
                r = sd_event_add_io(event, &m->source, mount_table_fd(m->table), EPOLLPRI, on_mounts, m);
        if (r >= 0)
                r = sd_event_source_set_ratelimit(m->source, USEC_PER_SEC, READS_MAX);
        if (r < 0) {
                mounts_free(m);
                return r;
        }
        (void)sd_event_source_set_description(m->source, "mounted");
        (void)mounts_read(m);
        *ret = m;
        return 0;
}

static int join(Probe *p) {
        Mounts *m = p->probes->shared[PROBE_SHARED_MOUNTS];
        Probe **place;
        int r;

        if (!m) {
                r = mounts_new(&m, p->probes->event);
                if (r < 0)
                        return r;
                p->probes->shared[PROBE_SHARED_MOUNTS] = m;
        }
        place = ARRAY_NEXT(m->probes, m->n_probes);
        if (!place)
                return -ENOMEM;
        *place = p;
        m->n_probes++;
        p->state = m;
        p->is_event = true;
        return 0;
}

static int mounted_look(Probe *p, Reading *ret) {
        int r = p->state ? 0 : join(p);
        Mounts *m = p->state;

        if (r >= 0 && m->error < 0) {
                (void)mounts_read(m);
                r = m->error;
        }
        if (r < 0) {
                probe_look_after(p, PROBE_SAMPLE_DEFAULT_USEC);
                return probe_unknown_errno(p, ret, r, "Cannot read what is mounted: %m.");
        }
        return probe_known(ret, mount_table_has(m->table, p->question.subject));
}

static void mounted_stop(Probe *p) {
        Mounts *m = p->state;

        for (size_t i = 0; m && i < m->n_probes; i++)
                if (m->probes[i] == p) {
                        ARRAY_REMOVE(m->probes, m->n_probes, i);
                        return;
                }
}

static void mounted_done(Probes *probes) {
        Mounts *m = TAKE_PTR(probes->shared[PROBE_SHARED_MOUNTS]);

        if (m)
                mounts_free(m);
}

const ProbeKind mounted_kind = { .look = mounted_look, .stop = mounted_stop, .done = mounted_done };
