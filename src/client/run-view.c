/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Runs as they are shown. Long histories are asked for in pages, so that neither side holds all of it in a message. */

#include "client/properties.h"
#include "client/run-view.h"
#include "ctl/alloc.h"
#include "ctl/relative-time.h"
#include "ctl/size.h"
#include "job/run.h"

#define PAGE 500 /* runs asked for at once */
#define ROW  "(tsssssttttiuosstttss)"

#define EMPTY_VIEW                                                                                             \
        {                                                                                                      \
                .job = "", .cause = "", .state = "", .result = "", .reason = "", .object = "", .unit = "",     \
                .invocation = "", .parent_job = "", .payload = "", .alarm = "", .host = "", .status_text = "", \
                .cpu = USEC_INFINITY, .memory_peak = UINT64_MAX,                                               \
        }

static int read_run(sd_bus_message *m, RunView *v) {
        return sd_bus_message_read(m, ROW, &v->id, &v->job, &v->cause, &v->state, &v->result, &v->reason,
                                   &v->scheduled, &v->requested, &v->started, &v->ended, &v->code, &v->attempt,
                                   &v->object, &v->unit, &v->invocation, &v->cpu, &v->memory_peak, &v->parent,
                                   &v->parent_job, &v->payload);
}

/* One question to QueryRuns. */
typedef struct Query {
        const RunFilter *filter;
        uint64_t before; /* where the page starts, then where the next one does; 0 = there is none */
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

/* Asks for one page and visits it; moves the query on. Returns as run_view_list(). */
static int visit_page(Ctl *c, Query *q, RunVisit visit, void *userdata) {
        const MethodCall query_runs = { .member = "QueryRuns", .append = append_query, .userdata = q };
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        RunView v = EMPTY_VIEW;
        int r;

        r = ctl_call(c, &query_runs, NULL, &reply, NULL);
        if (r != 0)
                return r;
        r = sd_bus_message_enter_container(reply, 'a', ROW);
        if (r < 0)
                return ctl_bad_answer(&query_runs, r);
        for (q->n = 0; (r = read_run(reply, &v)) > 0; q->n++) {
                int k = visit(&v, userdata);

                if (k != 0)
                        return k;
        }
        if (r >= 0)
                r = sd_bus_message_exit_container(reply);
        if (r >= 0)
                r = sd_bus_message_read_basic(reply, 't', &q->before);
        return r < 0 ? ctl_bad_answer(&query_runs, r) : 0;
}

int run_view_list(Ctl *c, const RunFilter *filter, unsigned limit, RunVisit visit, void *userdata) {
        Query q = { .filter = filter };

        while (limit > 0) {
                int r;

                q.limit = MIN(limit, (unsigned)PAGE);
                r = visit_page(c, &q, visit, userdata);
                if (r != 0 || q.before == 0)
                        return r;
                limit -= MIN(limit, q.n);
        }
        return 0;
}

int run_view_read(sd_bus_message *m, const char *path, RunView *ret) {
        static const PropertyMap map[] = {
                { "Id", "t", offsetof(RunView, id) },
                { "Job", "s", offsetof(RunView, job) },
                { "Cause", "s", offsetof(RunView, cause) },
                { "State", "s", offsetof(RunView, state) },
                { "Result", "s", offsetof(RunView, result) },
                { "Reason", "s", offsetof(RunView, reason) },
                { "Scheduled", "t", offsetof(RunView, scheduled) },
                { "Requested", "t", offsetof(RunView, requested) },
                { "Started", "t", offsetof(RunView, started) },
                { "Ended", "t", offsetof(RunView, ended) },
                { "Code", "i", offsetof(RunView, code) },
                { "Attempt", "u", offsetof(RunView, attempt) },
                { "Unit", "s", offsetof(RunView, unit) },
                { "InvocationId", "s", offsetof(RunView, invocation) },
                { "CPUUsage", "t", offsetof(RunView, cpu) },
                { "MemoryPeak", "t", offsetof(RunView, memory_peak) },
                { "Parent", "t", offsetof(RunView, parent) },
                { "ParentJob", "s", offsetof(RunView, parent_job) },
                { "Payload", "s", offsetof(RunView, payload) },
                { "Alarm", "s", offsetof(RunView, alarm) },
                { "Host", "s", offsetof(RunView, host) },
                { "StatusText", "s", offsetof(RunView, status_text) },
                { "MainPID", "u", offsetof(RunView, pid) },
        };

        *ret = (RunView)EMPTY_VIEW;
        ret->object = path;
        return properties_read(m, map, ELEMENTSOF(map), ret);
}

int run_view_read_finished(sd_bus_message *m, RunView *ret) {
        *ret = (RunView)EMPTY_VIEW;
        ret->state = "done";
        return sd_bus_message_read(m, "tsosis", &ret->id, &ret->job, &ret->object, &ret->result, &ret->code,
                                   &ret->reason);
}

int run_view_get(Ctl *c, const char *path, sd_bus_message **ret_message, RunView *ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        int r;

        r = ctl_get_all(c, path, VAKTD_RUN, &reply);
        if (r != 0)
                return r;
        r = run_view_read(reply, path, ret);
        if (r < 0)
                return ctl_bad_answer(&(MethodCall){ .member = "GetAll" }, r);
        *ret_message = TAKE_PTR(reply);
        return 0;
}

bool run_view_is_done(const RunView *v) {
        return streq(v->state, "done");
}

bool run_view_is_success(const RunView *v) {
        return run_view_is_done(v) && streq(v->result, "success");
}

static const char *signal_name(int signal) {
        return sigabbrev_np(signal) ?: "unknown";
}

char *run_view_outcome(const RunView *v, char buf[static RUN_OUTCOME_MAX]) {
        if (!run_view_is_done(v))
                snprintf(buf, RUN_OUTCOME_MAX, "%s", v->state);
        else if (streq(v->result, "exit"))
                snprintf(buf, RUN_OUTCOME_MAX, "exit %d", (int)v->code);
        else if (streq(v->result, "signal"))
                snprintf(buf, RUN_OUTCOME_MAX, "signal %s", signal_name(v->code));
        else
                snprintf(buf, RUN_OUTCOME_MAX, "%s", v->result);
        return buf;
}

Color run_view_color(const RunView *v) {
        int result = run_result_from_string(v->result);

        if (!run_view_is_done(v))
                return streq(v->state, "running") ? COLOR_GREEN : COLOR_NONE;
        return result >= 0 && run_result_is_failure((RunResult)result) ? COLOR_RED : COLOR_NONE;
}

/* What became of a run, without how long it took. The caller frees it. */
static char *outcome_words(const RunView *v) {
        static const struct {
                const char *result, *words;
        } table[] = {
                { "success", "succeeded" },
                { "timeout", "timed out" },
                { "oom", "ran out of memory" },
                { "cancelled", "was cancelled" },
                { "start-failed", "could not be started" },
                { "skipped", "was refused" },
                { "missed", "was missed" },
                { "lost", "was lost with the machine or the daemon" },
        };

        if (!run_view_is_done(v))
                return alloc_format("is %s", v->state);
        if (streq(v->result, "exit"))
                return alloc_format("failed with exit code %d", (int)v->code);
        if (streq(v->result, "signal"))
                return alloc_format("was killed by signal %s", signal_name(v->code));
        for (size_t i = 0; i < ELEMENTSOF(table); i++)
                if (streq(v->result, table[i].result))
                        return alloc_string(table[i].words);
        return alloc_format("ended with the result %s", v->result);
}

char *run_view_sentence(const RunView *v) {
        _cleanup_free_ char *words = outcome_words(v), *after = alloc_string("");
        size_t n = strlen(v->reason);
        char span[SPAN_TEXT_MAX];

        if (v->started > 0 && v->ended > 0) {
                free(after);
                after = alloc_format(" after %s", duration_format(span, usec_sub(v->ended, v->started)));
        }
        return alloc_format("Run %" PRIu64 " of job %s %s%s%s%s%s", v->id, v->job, words, after, n > 0 ? ": " : "",
                            v->reason, n > 0 && v->reason[n - 1] == '.' ? "" : ".");
}

char *run_view_usage(const RunView *v) {
        _cleanup_free_ char *cpu = NULL, *memory = NULL;
        char span[SPAN_TEXT_MAX], size[SIZE_TEXT_MAX];

        if (v->cpu != USEC_INFINITY)
                cpu = alloc_format("%s of CPU", duration_format(span, v->cpu));
        if (v->memory_peak != UINT64_MAX)
                memory = alloc_format("at most %s of memory", size_format(size, v->memory_peak));
        if (!cpu && !memory)
                return NULL;
        return alloc_format("It used %s%s%s.", strempty(cpu), cpu && memory ? " and " : "", strempty(memory));
}

json_object *run_view_json(const RunView *v) {
        json_object *o = json_new_object();

        json_add_number(o, "id", v->id);
        json_add_string(o, "job", v->job);
        json_add_string(o, "cause", v->cause);
        json_add_string(o, "state", v->state);
        json_add_string(o, "result", v->result);
        json_add(o, "code", json_object_new_int(v->code));
        json_add_string(o, "reason", v->reason);
        json_add_number(o, "attempt", v->attempt);
        json_add_time(o, "scheduled_usec", v->scheduled);
        json_add_time(o, "requested_usec", v->requested);
        json_add_time(o, "started_usec", v->started);
        json_add_time(o, "ended_usec", v->ended);
        json_add_string(o, "object", v->object);
        json_add_string(o, "unit", v->unit);
        json_add_string(o, "invocation", v->invocation);
        json_add_known(o, "cpu_usec", v->cpu);
        json_add_known(o, "memory_peak", v->memory_peak);
        json_add_known(o, "parent", v->parent ?: UINT64_MAX);
        json_add_string(o, "parent_job", v->parent_job);
        json_add_string(o, "payload", v->payload);
        return o;
}

typedef struct TableFill {
        Table *table;
        bool with_job;
        usec_t now;
} TableFill;

static int add_to_table(const RunView *v, void *userdata) {
        TableFill *fill = userdata;
        char id[24], outcome[RUN_OUTCOME_MAX], when[LOCAL_TIME_TEXT_MAX], took[SPAN_TEXT_MAX] = "-";
        TableCell cells[] = {
                { .text = v->job },     { .text = id },
                { .text = v->cause },   { .text = outcome, .color = run_view_color(v) },
                { .text = when },       { .text = took },
                { .text = v->payload }, { .text = v->reason },
        };

        snprintf(id, sizeof(id), "%" PRIu64, v->id);
        run_view_outcome(v, outcome);
        local_time_format_short(when, v->started ?: v->requested);
        if (v->started > 0)
                duration_format(took, usec_sub(v->ended ?: fill->now, v->started));
        table_add(fill->table, fill->with_job ? cells : cells + 1);
        return 0;
}

char *run_view_dropped_sentence(uint64_t run, uint64_t n) {
        return alloc_format("The journal has dropped %" PRIu64 " lines of the output of run %" PRIu64
                            " (LogRateLimitBurst= and LogRateLimitIntervalSec= in [Service] of the job).",
                            n, run);
}

int run_view_print_table(Ctl *c, const RunFilter *filter, unsigned limit, bool *ret_any) {
        static const TableColumn columns[] = {
                { .title = "JOB", .shrink = SHRINK_LATE },
                { .title = "RUN", .right = true },
                { .title = "CAUSE" },
                { .title = "RESULT" },
                { .title = "STARTED" },
                { .title = "DURATION", .right = true },
                { .title = "FILES", .shrink = SHRINK_FIRST, .optional = true },
                { .title = "REASON", .shrink = SHRINK_FIRST },
        };
        bool with_job = isempty(filter->job);
        _cleanup_(table_freep) Table *t =
                table_new(with_job ? columns : columns + 1, ELEMENTSOF(columns) - (with_job ? 0 : 1));
        TableFill fill = { .table = t, .with_job = with_job, .now = now_realtime() };
        int r;

        r = run_view_list(c, filter, limit, add_to_table, &fill);
        *ret_any = table_size(t) > 0;
        if (r != 0 || !*ret_any)
                return r;
        ctl_open_pager(c);
        table_print(t, stdout, &c->style);
        return 0;
}
