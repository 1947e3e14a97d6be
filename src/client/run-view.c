/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Long histories are queried in pages, so that neither side holds all of it in a message. */

#include "client/run-view.h"

#define PAGE     500 /* runs queried at once */
#define ROW      "(tsssssttttiuosstttsstt)"
#define LIVE_ROW "(tsssssttttiuosstttsstts)" /* and the status text */

#define EMPTY_VIEW                                                                                               \
        {                                                                                                        \
                .job = "", .cause = "", .state = "", .result = "", .reason = "", .object = "", .unit = "",       \
                .invocation = "", .parent_job = "", .payload = "", .alarm = "", .host = "", .status_text = "",   \
                .cpu = USEC_INFINITY, .memory_peak = UINT64_MAX, .files = UINT64_MAX, .bytes_freed = UINT64_MAX, \
        }

static int read_run(sd_bus_message *m, RunView *v, bool with_status) {
        return sd_bus_message_read(m, with_status ? LIVE_ROW : ROW, &v->id, &v->job, &v->cause, &v->state, &v->result,
                                   &v->reason, &v->scheduled, &v->requested, &v->started, &v->ended, &v->code,
                                   &v->attempt, &v->object, &v->unit, &v->invocation, &v->cpu, &v->memory_peak,
                                   &v->parent, &v->parent_job, &v->payload, &v->files, &v->bytes_freed,
                                   &v->status_text);
}

/* One question to QueryRuns. */
typedef struct Query {
        const RunFilter *filter;
        uint64_t before; /* start of the page, then of the next one; 0 = there is none */
        uint32_t limit;
        uint32_t n; /* runs that came */
} Query;

static int append_entry(sd_bus_message *m, const char *key, const char *type, const void *value) {
        int r;

        r = sd_bus_message_open_container(m, 'e', "sv");
        if (r >= 0)
                r = sd_bus_message_append_basic(m, 's', key);
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'v', type);
        if (r >= 0)
                r = streq(type, "as") ? sd_bus_message_append_strv(m, (char **)value)
                                      : sd_bus_message_append_basic(m, type[0], value);
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

static int append_query(sd_bus_message *m, const void *userdata) {
        const Query *q = userdata;
        const RunFilter *f = q->filter;
        int r;

        r = sd_bus_message_open_container(m, 'a', "{sv}");
        if (r >= 0 && !isempty(f->job))
                r = append_entry(m, "job", "s", f->job);
        if (r >= 0 && f->results)
                r = append_entry(m, "results", "as", f->results);
        if (r >= 0 && f->causes)
                r = append_entry(m, "causes", "as", f->causes);
        if (r >= 0 && f->since > 0)
                r = append_entry(m, "since", "t", &f->since);
        if (r >= 0 && f->until > 0)
                r = append_entry(m, "until", "t", &f->until);
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        return r < 0 ? r : sd_bus_message_append(m, "tu", q->before, q->limit);
}

/* Queries one page and visits it; advances the query. Returns like run_view_list(). */
static int visit_page(Connection *c, Query *q, RunVisit visit, void *userdata, sd_bus_error *reterr) {
        const MethodCall query_runs = { .member = "QueryRuns", .append = append_query, .userdata = q };
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        RunView v = EMPTY_VIEW;
        int r;

        r = connection_call(c, &query_runs, reterr, &reply, NULL);
        if (r < 0)
                return r;
        r = sd_bus_message_enter_container(reply, 'a', ROW);
        for (q->n = 0; r >= 0 && (r = read_run(reply, &v, /* with_status= */ false)) > 0; q->n++) {
                int k = visit(&v, userdata);

                if (k != 0)
                        return k;
        }
        if (r >= 0)
                r = sd_bus_message_exit_container(reply);
        if (r >= 0)
                r = sd_bus_message_read_basic(reply, 't', &q->before);
        return r < 0 ? connection_bad_answer(c, &query_runs, r, reterr) : 0;
}

int run_view_list(Connection *c, const RunFilter *filter, uint32_t limit, RunVisit visit, void *userdata,
                  sd_bus_error *reterr) {
        Query q = { .filter = filter };

        while (limit > 0) {
                int r;

                q.limit = MIN(limit, (uint32_t)PAGE);
                r = visit_page(c, &q, visit, userdata, reterr);
                if (r != 0 || q.before == 0)
                        return r;
                limit -= MIN(limit, q.n);
        }
        return 0;
}

int run_view_list_live(Connection *c, uint32_t limit, RunVisit visit, void *userdata, sd_bus_error *reterr) {
        static const MethodCall list_live_runs = { .member = "ListLiveRuns" };
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        RunView v = EMPTY_VIEW;
        int r;

        r = connection_call(c, &list_live_runs, reterr, &reply, "u", limit);
        if (r < 0)
                return r;
        r = sd_bus_message_enter_container(reply, 'a', LIVE_ROW);
        while (r >= 0 && (r = read_run(reply, &v, /* with_status= */ true)) > 0) {
                int k = visit(&v, userdata);

                if (k != 0)
                        return k;
        }
        return r < 0 ? connection_bad_answer(c, &list_live_runs, r, reterr) : 0;
}

void run_view_done(RunView *v) {
        v->own_object = mfree(v->own_object);
        v->message = sd_bus_message_unref(v->message);
}

const PropertyMap run_properties[] = {
        { "Id", "t", offsetof(RunView, id), "run" },
        { "Job", "s", offsetof(RunView, job), "job" },
        { "Cause", "s", offsetof(RunView, cause), "cause" },
        { "State", "s", offsetof(RunView, state), "state" },
        { "Result", "s", offsetof(RunView, result), "result" },
        { "Code", "i", offsetof(RunView, code), "code" },
        { "Reason", "s", offsetof(RunView, reason), "reason" },
        { "Attempt", "u", offsetof(RunView, attempt), "attempt" },
        { "Scheduled", "t", offsetof(RunView, scheduled), "scheduled_usec", NULL_IF_EITHER },
        { "Requested", "t", offsetof(RunView, requested), "requested_usec", NULL_IF_EITHER },
        { "Started", "t", offsetof(RunView, started), "started_usec", NULL_IF_EITHER },
        { "Ended", "t", offsetof(RunView, ended), "ended_usec", NULL_IF_EITHER },
        { "", "o", offsetof(RunView, object), "object" },
        { "Unit", "s", offsetof(RunView, unit), "unit" },
        { "InvocationId", "s", offsetof(RunView, invocation), "invocation" },
        { "CPUUsage", "t", offsetof(RunView, cpu), "cpu_usec", NULL_IF_MAX },
        { "MemoryPeak", "t", offsetof(RunView, memory_peak), "memory_peak", NULL_IF_MAX },
        { "Parent", "t", offsetof(RunView, parent), "parent_run", NULL_IF_ZERO },
        { "ParentJob", "s", offsetof(RunView, parent_job), "parent_job" },
        { "Payload", "s", offsetof(RunView, payload), "payload" },
        { "Files", "t", offsetof(RunView, files), "files", NULL_IF_MAX },
        { "BytesFreed", "t", offsetof(RunView, bytes_freed), "bytes_freed", NULL_IF_MAX },
        { "Alarm", "s", offsetof(RunView, alarm), "alarm" },
        { "Host", "s", offsetof(RunView, host), "host" },
        { "StatusText", "s", offsetof(RunView, status_text), "status_text" },
        { "MainPID", "u", offsetof(RunView, pid), "pid", NULL_IF_ZERO },
};
const size_t n_run_properties = ELEMENTSOF(run_properties);

int run_view_get_object(Connection *c, const char *object, bool once, sd_bus_error *reterr, RunView *ret) {
        _cleanup_(run_view_done) RunView v = EMPTY_VIEW;
        int r;

        v.object = v.own_object = strdup(object);
        if (!v.object)
                return connection_no_memory(reterr);
        r = properties_get(c, &(MethodCall){ .path = object, .once = once }, VAKTD_RUN, run_properties,
                           n_run_properties, reterr, &v.message, &v);
        if (r < 0)
                return r;
        *ret = v;
        v = (RunView){ 0 };
        return 0;
}

int run_view_get(Connection *c, uint64_t id, sd_bus_error *reterr, RunView *ret) {
        static const MethodCall get_run = { .member = "GetRun" };
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        const char *object;
        int r;

        r = connection_call(c, &get_run, reterr, &reply, "t", id);
        if (r < 0)
                return r;
        r = sd_bus_message_read(reply, "o", &object);
        if (r < 0)
                return connection_bad_answer(c, &get_run, r, reterr);
        return run_view_get_object(c, object, /* once= */ false, reterr, ret);
}

int run_view_read_finished(sd_bus_message *signal, RunView *ret) {
        RunView v = EMPTY_VIEW;
        int r;

        r = sd_bus_message_read(signal, "tsosis", &v.id, &v.job, &v.object, &v.result, &v.code, &v.reason);
        if (r < 0)
                return r;
        v.state = "done";
        v.message = sd_bus_message_ref(signal);
        *ret = v;
        return 0;
}

bool run_view_is_done(const RunView *v) {
        return streq(v->state, "done");
}

bool run_view_is_success(const RunView *v) {
        return run_view_is_done(v) && streq(v->result, "success");
}

/* --- a new run --- */

typedef struct Request {
        const char *job;
        char *const *files;
        bool follow, now;
} Request;

static int append_request(sd_bus_message *m, const void *userdata) {
        const Request *q = userdata;
        int r;

        r = sd_bus_message_append_basic(m, 's', q->job);
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'a', "{sv}");
        if (r >= 0 && q->follow)
                r = sd_bus_message_append(m, "{sv}", "follow", "b", true);
        if (r >= 0 && q->now)
                r = sd_bus_message_append(m, "{sv}", "now", "b", true);
        if (r < 0 || !q->files || !*q->files)
                return r < 0 ? r : sd_bus_message_close_container(m);
        r = sd_bus_message_open_container(m, 'e', "sv");
        if (r >= 0)
                r = sd_bus_message_append(m, "s", "files");
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'v', "aay");
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'a', "ay");
        for (char *const *file = q->files; r >= 0 && *file; file++)
                r = sd_bus_message_append_array(m, 'y', *file, strlen(*file));
        for (unsigned i = 0; i < 4 && r >= 0; i++)
                r = sd_bus_message_close_container(m);
        return r;
}

int run_view_request(Connection *c, const char *job, char *const *files, bool follow, bool now, sd_bus_error *reterr,
                     uint64_t *ret_id, char **ret_object) {
        const MethodCall run = {
                .member = "Run",
                .changes = true,
                .append = append_request,
                .userdata = &(Request){ .job = job, .files = files, .follow = follow, .now = now },
        };
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        const char *object;
        char *copy;
        int r;

        r = connection_call(c, &run, reterr, &reply, NULL);
        if (r < 0)
                return r;
        r = sd_bus_message_read(reply, "to", ret_id, &object);
        if (r < 0)
                return connection_bad_answer(c, &run, r, reterr);
        copy = strdup(object);
        if (!copy)
                return connection_no_memory(reterr);
        *ret_object = copy;
        return 0;
}
