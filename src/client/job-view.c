/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A job as its object shows it. */

#include "client/job-view.h"
#include "ctl/alloc.h"
#include "util/strv.h"

void job_view_done(JobView *v) {
        v->documentation = strv_free(v->documentation);
        v->tags = strv_free(v->tags);
        v->triggers = mfree(v->triggers);
        v->alarms = mfree(v->alarms);
        v->watches = mfree(v->watches);
        v->watch_counters = mfree(v->watch_counters);
        v->message = sd_bus_message_unref(v->message);
}

int job_view_read_object(Ctl *c, const char *path, JobView *ret) {
        static const PropertyMap map[] = {
                { "Name", "s", offsetof(JobView, name) },
                { "Description", "s", offsetof(JobView, description) },
                { "Documentation", "as", offsetof(JobView, documentation) },
                { "Tags", "as", offsetof(JobView, tags) },
                { "State", "s", offsetof(JobView, state) },
                { "Enabled", "b", offsetof(JobView, enabled) },
                { "Paused", "b", offsetof(JobView, paused) },
                { "PauseUntil", "t", offsetof(JobView, pause_until) },
                { "Skip", "u", offsetof(JobView, skip) },
                { "Fragment", "s", offsetof(JobView, fragment) },
                { "Fault", "s", offsetof(JobView, fault) },
                { "Triggers", "a(ss)", offsetof(JobView, triggers) },
                { "Alarms", "a(sts)", offsetof(JobView, alarms) },
                { "Watches", "a(ssss)", offsetof(JobView, watches) },
                { "WatchCounters", "a{st}", offsetof(JobView, watch_counters) },
                { "Pool", "s", offsetof(JobView, pool) },
                { "Priority", "i", offsetof(JobView, priority) },
                { "Retry", "u", offsetof(JobView, retry) },
                { "LastResult", "s", offsetof(JobView, last_result) },
                { "LastStart", "t", offsetof(JobView, last_start) },
                { "LastEnd", "t", offsetof(JobView, last_end) },
                { "NextElapse", "t", offsetof(JobView, next) },
                { "Runs", "t", offsetof(JobView, runs) },
                { "Running", "u", offsetof(JobView, running) },
                { "Queued", "u", offsetof(JobView, queued) },
        };
        _cleanup_(job_view_done) JobView v = {
                .name = "",
                .description = "",
                .state = "",
                .fragment = "",
                .fault = "",
                .last_result = "",
                .pool = "",
        };
        int r;

        r = ctl_get_all(c, path, VAKTD_JOB, &v.message);
        if (r != 0)
                return r;
        r = properties_read(v.message, map, ELEMENTSOF(map), &v);
        if (r < 0)
                return ctl_bad_answer(c, &(MethodCall){ .member = "GetAll" }, r);
        *ret = v;
        v = (JobView){ 0 };
        return 0;
}

int job_view_read(Ctl *c, const char *job, JobView *ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        const char *path;
        int r;

        r = ctl_get_job(c, job, &reply, &path);
        return r != 0 ? r : job_view_read_object(c, path, ret);
}

int job_view_next_elapses(Ctl *c, const JobView *v, unsigned n, usec_t **ret, size_t *ret_n) {
        static const MethodCall next_elapses = { .member = "NextElapses" };
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        const usec_t *elapses;
        size_t size;
        int r;

        *ret = NULL;
        *ret_n = 0;
        if (v->next == 0 || v->next == USEC_INFINITY)
                return 0;
        r = connection_call(c->connection, &next_elapses, &error, &reply, "su", v->name, n);
        if (r == -EOPNOTSUPP)
                return 0; /* an older vaktd, not restarted yet, has all the rest to show */
        if (r < 0)
                return ctl_call_failed(NULL, &error, r);
        r = sd_bus_message_read_array(reply, 't', (const void **)&elapses, &size);
        if (r < 0)
                return ctl_bad_answer(c, &next_elapses, r);
        *ret = alloc_array(NULL, size / sizeof(usec_t) + 1, sizeof(usec_t));
        *ret_n = size / sizeof(usec_t);
        memcpy(*ret, elapses, size);
        return 0;
}
