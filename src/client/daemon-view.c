/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The daemon as seen through its manager object. */

#include "client/daemon-view.h"

#include "util/strv.h"

#define RELOAD_TIMEOUT (10 * USEC_PER_MINUTE)

void daemon_view_done(DaemonView *v) {
        v->directories = strv_free(v->directories);
        v->unchanged = mfree(v->unchanged);
        v->message = sd_bus_message_unref(v->message);
}

const PropertyMap daemon_properties[] = {
        { "Version", "s", offsetof(DaemonView, version), "version" },
        { "StartedAt", "t", offsetof(DaemonView, started), "started_usec", NULL_IF_EITHER },
        { "PID", "u", offsetof(DaemonView, pid), "pid", NULL_IF_ZERO },
        { "LoadedAt", "t", offsetof(DaemonView, loaded), "loaded_usec", NULL_IF_EITHER },
        { "JobDirectories", "as", offsetof(DaemonView, directories), "job_directories" },
        { "UnchangedDirectories", "a(sttb)", offsetof(DaemonView, unchanged), NULL },
        { "StateDirectory", "s", offsetof(DaemonView, state_directory), "state_directory" },
        { "Jobs", "u", offsetof(DaemonView, jobs), "jobs" },
        { "Running", "u", offsetof(DaemonView, running), "running" },
        { "Queued", "u", offsetof(DaemonView, queued), "queued" },
        { "Paused", "b", offsetof(DaemonView, paused), "paused" },
        { "Executor", "s", offsetof(DaemonView, executor), "executor" },
};
const size_t n_daemon_properties = ELEMENTSOF(daemon_properties);

int daemon_view_get(Connection *c, sd_bus_error *reterr, DaemonView *ret) {
        DaemonView v = { 0 };
        int r;

        r = properties_get(c, &(MethodCall){ .path = VAKTD_PATH }, VAKTD_MANAGER, daemon_properties,
                           n_daemon_properties, reterr, &v.message, &v);
        if (r >= 0)
                *ret = v;
        else
                daemon_view_done(&v);
        return r;
}

int pool_views_get(Connection *c, sd_bus_error *reterr, Rows *ret) {
        static const MethodCall list_pools = { .member = "ListPools" };
        int r;

        r = properties_get_rows(c, &list_pools, "a(suuu)", reterr, ret);
        if (r != -EOPNOTSUPP)
                return r;
        sd_bus_error_free(reterr);
        *ret = (Rows){ 0 };
        return 0;
}

static int append_all_jobs(sd_bus_message *m, const void *userdata) {
        return sd_bus_message_append(m, "s", "");
}

int alarm_rows_get(Connection *c, sd_bus_error *reterr, Rows *ret) {
        return properties_get_rows(c, &(MethodCall){ .member = "ListAlarms", .append = append_all_jobs }, "a(sstts)",
                                   reterr, ret);
}

int diagnostic_views_get(Connection *c, bool reload, sd_bus_error *reterr, Rows *ret) {
        const MethodCall call = {
                .member = reload ? "Reload" : "Diagnostics",
                .changes = reload,
                .timeout = reload ? RELOAD_TIMEOUT : 0,
        };

        return properties_get_rows(c, &call, "a(sus)", reterr, ret);
}
