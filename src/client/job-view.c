/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Jobs, and queries about one. */

#include "client/job-view.h"

#include "util/array.h"
#include "util/strv.h"

int job_rows_get(Connection *c, sd_bus_error *reterr, Rows *ret) {
        return properties_get_rows(c, &(MethodCall){ .member = "QueryJobs" }, JOB_ROWS_TYPE, reterr, ret);
}

void job_view_done(JobView *v) {
        v->documentation = strv_free(v->documentation);
        v->tags = strv_free(v->tags);
        v->triggers = mfree(v->triggers);
        v->alarms = mfree(v->alarms);
        v->watches = mfree(v->watches);
        v->watch_counters = mfree(v->watch_counters);
        v->message = sd_bus_message_unref(v->message);
}

const PropertyMap job_properties[] = {
        { "Name", "s", offsetof(JobView, name), "job" },
        { "Description", "s", offsetof(JobView, description), "description" },
        { "Documentation", "as", offsetof(JobView, documentation), "documentation" },
        { "Tags", "as", offsetof(JobView, tags), "tags" },
        { "State", "s", offsetof(JobView, state), "state" },
        { "Enabled", "b", offsetof(JobView, enabled), "enabled" },
        { "Paused", "b", offsetof(JobView, paused), "paused" },
        { "PauseUntil", "t", offsetof(JobView, pause_until), "pause_until_usec", NULL_IF_EITHER },
        { "Skip", "u", offsetof(JobView, skip), "skip" },
        { "Fragment", "s", offsetof(JobView, fragment), "file" },
        { "Problem", "s", offsetof(JobView, problem), "problem" },
        { "Triggers", "a(ss)", offsetof(JobView, triggers), "triggers",
          .members = (const char *const[]){ "key", "value" } },
        { "Watches", "a(ssss)", offsetof(JobView, watches), "watches",
          .members = (const char *const[]){ "key", "path", "state", "message" } },
        { "WatchCounters", "a{st}", offsetof(JobView, watch_counters), "watch_counters" },
        { "Alarms", "a(sts)", offsetof(JobView, alarms), "alarms",
          .members = (const char *const[]){ "key", "raised_usec", "message" } },
        { "Upkeep", "s", offsetof(JobView, upkeep), "upkeep" },
        { "Pool", "s", offsetof(JobView, pool), "pool" },
        { "Priority", "i", offsetof(JobView, priority), "priority" },
        { "Retry", "u", offsetof(JobView, retry), "retry", NULL_IF_MAX },
        { "LastResult", "s", offsetof(JobView, last_result), "last_result" },
        { "LastCode", "i", offsetof(JobView, last_code), "last_code" },
        { "NextElapse", "t", offsetof(JobView, next), "next_usec", NULL_IF_EITHER },
        { "LastStart", "t", offsetof(JobView, last_start), "last_start_usec", NULL_IF_EITHER },
        { "LastEnd", "t", offsetof(JobView, last_end), "last_end_usec", NULL_IF_EITHER },
        { "Runs", "t", offsetof(JobView, runs), "runs" },
        { "Running", "u", offsetof(JobView, running), "running" },
        { "Queued", "u", offsetof(JobView, queued), "queued" },
};
const size_t n_job_properties = ELEMENTSOF(job_properties);

int job_view_get_object(Connection *c, const char *object, sd_bus_error *reterr, JobView *ret) {
        _cleanup_(job_view_done) JobView v = { 0 };
        int r;

        r = properties_get(c, &(MethodCall){ .path = object }, VAKTD_JOB, job_properties, n_job_properties, reterr,
                           &v.message, &v);
        if (r < 0)
                return r;
        *ret = v;
        v = (JobView){ 0 };
        return 0;
}

int job_view_get(Connection *c, const char *job, sd_bus_error *reterr, JobView *ret) {
        static const MethodCall get_job = { .member = "GetJob" };
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        const char *object;
        int r;

        r = connection_call(c, &get_job, reterr, &reply, "s", job);
        if (r < 0)
                return r;
        r = sd_bus_message_read(reply, "o", &object);
        if (r < 0)
                return connection_bad_answer(c, &get_job, r, reterr);
        return job_view_get_object(c, object, reterr, ret);
}

int job_view_next_elapses(Connection *c, const JobView *v, uint32_t n, sd_bus_error *reterr, usec_t **ret,
                          size_t *ret_n) {
        static const MethodCall next_elapses = { .member = "NextElapses" };
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        const usec_t *elapses;
        size_t size;
        int r;

        *ret = NULL;
        *ret_n = 0;
        if (v->next == 0 || v->next == USEC_INFINITY)
                return 0;
        r = connection_call(c, &next_elapses, reterr, &reply, "su", v->name, n);
        if (r == -EOPNOTSUPP) {
                sd_bus_error_free(reterr);
                return 0; /* an older vaktd that was not restarted yet has all the rest */
        }
        if (r < 0)
                return r;
        r = sd_bus_message_read_array(reply, 't', (const void **)&elapses, &size);
        if (r < 0)
                return connection_bad_answer(c, &next_elapses, r, reterr);
        *ret = malloc(size + 1); /* none is no failure */
        if (!*ret)
                return connection_no_memory(reterr);
        *ret_n = size / sizeof(usec_t);
        memcpy(*ret, elapses, size);
        return 0;
}

/* --- why --- */

typedef struct Question {
        const char *job, *file;
} Question;

static int append_question(sd_bus_message *m, const void *userdata) {
        const Question *q = userdata;
        int r;

        r = sd_bus_message_append_basic(m, 's', q->job);
        return r < 0 || !q->file ? r : sd_bus_message_append_array(m, 'y', q->file, strlen(q->file));
}

int job_explanation_get(Connection *c, const char *job, const char *file, sd_bus_error *reterr, Rows *ret) {
        const MethodCall explain = {
                .member = file ? "ExplainPath" : "Explain",
                .append = append_question,
                .userdata = &(Question){ .job = job, .file = file },
        };

        return properties_get_rows(c, &explain, "a(ss)", reterr, ret);
}

/* --- plan --- */

void job_plan_done(JobPlan *p) {
        p->files = mfree(p->files);
        p->n_files = 0;
        p->message = sd_bus_message_unref(p->message);
}

static int read_plan(JobPlan *p) {
        PlannedFile file, *next;
        int r;

        r = sd_bus_message_enter_container(p->message, 'a', "ay");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_read_array(p->message, 'y', (const void **)&file.path, &file.n)) > 0) {
                next = ARRAY_NEXT(p->files, p->n_files);
                if (!next)
                        return -ENOMEM;
                *next = file;
                p->n_files++;
        }
        if (r >= 0)
                r = sd_bus_message_exit_container(p->message);
        return r < 0 ? r : sd_bus_message_read_basic(p->message, 't', &p->total);
}

static int compare_files(const void *a, const void *b) {
        const PlannedFile *x = a, *y = b;
        int r = memcmp(x->path, y->path, MIN(x->n, y->n));

        return r != 0 ? r : (x->n > y->n) - (x->n < y->n);
}

int job_plan_get(Connection *c, const char *job, uint32_t limit, sd_bus_error *reterr, JobPlan *ret) {
        static const MethodCall plan = { .member = "Plan" };
        _cleanup_(job_plan_done) JobPlan p = { 0 };
        int r;

        r = connection_call(c, &plan, reterr, &p.message, "su", job, limit);
        if (r < 0)
                return r;
        r = read_plan(&p);
        if (r < 0)
                return connection_bad_answer(c, &plan, r, reterr);
        if (p.n_files > 0)
                qsort(p.files, p.n_files, sizeof(PlannedFile), compare_files);
        *ret = p;
        p = (JobPlan){ 0 };
        return 0;
}
