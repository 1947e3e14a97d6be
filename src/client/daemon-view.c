/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The daemon as seen through its manager object. */

#include "client/daemon-view.h"

#include "client/properties.h"

#define RELOAD_TIMEOUT (10 * USEC_PER_MINUTE)

void daemon_view_done(DaemonView *v) {
        v->message = sd_bus_message_unref(v->message);
}

int daemon_view_get(Connection *c, sd_bus_error *reterr, DaemonView *ret) {
        static const PropertyMap map[] = {
                { "Version", "s", offsetof(DaemonView, version) },
                { "Executor", "s", offsetof(DaemonView, executor) },
                { "StartedAt", "t", offsetof(DaemonView, started) },
                { "Jobs", "u", offsetof(DaemonView, jobs) },
                { "Running", "u", offsetof(DaemonView, running) },
                { "Queued", "u", offsetof(DaemonView, queued) },
                { "Paused", "b", offsetof(DaemonView, paused) },
        };
        DaemonView v = { .version = "", .executor = "" };
        int r;

        r = properties_get(c, &(MethodCall){ .path = VAKTD_PATH }, VAKTD_MANAGER, map, ELEMENTSOF(map), reterr,
                           &v.message, &v);
        if (r >= 0)
                *ret = v;
        return r;
}

void pool_views_done(PoolViews *p) {
        p->items = mfree(p->items);
        p->n_items = 0;
        p->message = sd_bus_message_unref(p->message);
}

int pool_views_get(Connection *c, sd_bus_error *reterr, PoolViews *ret) {
        static const MethodCall list_pools = { .member = "ListPools" };
        int r;

        r = properties_get_rows(c, &list_pools, "a(suuu)", reterr, &ret->message, &ret->items, &ret->n_items);
        if (r != -EOPNOTSUPP)
                return r;
        sd_bus_error_free(reterr);
        *ret = (PoolViews){ 0 };
        return 0;
}

void diagnostic_views_done(DiagnosticViews *d) {
        d->items = mfree(d->items);
        d->n_items = 0;
        d->message = sd_bus_message_unref(d->message);
}

int diagnostic_views_get(Connection *c, bool reload, sd_bus_error *reterr, DiagnosticViews *ret) {
        const MethodCall call = {
                .member = reload ? "Reload" : "Diagnostics",
                .changes = reload,
                .timeout = reload ? RELOAD_TIMEOUT : 0,
        };

        return properties_get_rows(c, &call, "a(sus)", reterr, &ret->message, &ret->items, &ret->n_items);
}
