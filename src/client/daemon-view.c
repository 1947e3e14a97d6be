/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The daemon as its manager object shows it. */

#include "client/daemon-view.h"

#include "client/properties.h"

void daemon_view_done(DaemonView *v) {
        v->message = sd_bus_message_unref(v->message);
}

int daemon_view_read(Ctl *c, DaemonView *ret) {
        static const PropertyMap map[] = {
                { "Version", "s", offsetof(DaemonView, version) },
                { "Executor", "s", offsetof(DaemonView, executor) },
                { "StartedAt", "t", offsetof(DaemonView, started) },
                { "Jobs", "u", offsetof(DaemonView, jobs) },
                { "Running", "u", offsetof(DaemonView, running) },
                { "Queued", "u", offsetof(DaemonView, queued) },
                { "Paused", "b", offsetof(DaemonView, paused) },
        };
        _cleanup_(daemon_view_done) DaemonView v = { .version = "", .executor = "" };
        int r;

        r = ctl_get_all(c, VAKTD_PATH, VAKTD_MANAGER, &v.message);
        if (r != 0)
                return r;
        r = properties_read(v.message, map, ELEMENTSOF(map), &v);
        if (r < 0)
                return ctl_bad_answer(c, &(MethodCall){ .member = "GetAll" }, r);
        *ret = v;
        v.message = NULL;
        return 0;
}

void pool_views_done(PoolViews *p) {
        p->items = mfree(p->items);
        p->n_items = 0;
        p->reply = sd_bus_message_unref(p->reply);
}

int pool_views_get(Ctl *c, PoolViews *ret) {
        static const MethodCall list_pools = { .member = "ListPools" };
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_(pool_views_done) PoolViews p = { 0 };
        int r;

        r = connection_call(c->connection, &list_pools, &error, &p.reply, NULL);
        if (r == -EOPNOTSUPP)
                return 0;
        if (r < 0)
                return ctl_call_failed(NULL, &error, r);
        r = properties_read_rows(p.reply, "a(suuu)", &p.items, &p.n_items);
        if (r < 0)
                return ctl_bad_answer(c, &list_pools, r);
        *ret = p;
        p = (PoolViews){ 0 };
        return 0;
}
