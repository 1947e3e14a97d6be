/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* vaktctl status RUN: everything that is remembered about one run. */

#include "client/run-view.h"
#include "ctl/alloc.h"
#include "ctl/relative-time.h"
#include "ctl/size.h"
#include "ctl/status.h"
#include "ctl/view-json.h"
#include "ctl/view-text.h"

#define LABEL_WIDTH 12

void status_print_line(const Ctl *c, const char *label, Color color, const char *format, ...) {
        _cleanup_free_ char *text = NULL;
        va_list ap;

        va_start(ap, format);
        if (vasprintf(&text, format, ap) < 0)
                alloc_failed();
        va_end(ap);
        ctl_print_line(c, LABEL_WIDTH, label, color, text);
}

void status_print_head(const Ctl *c, Color color, const char *name, const char *description) {
        ctl_print_colored(c, color, c->dot);
        putchar(' ');
        ctl_print_colored(c, COLOR_NONE, name);
        if (!isempty(description)) {
                fputs(" - ", stdout);
                ctl_print_colored(c, COLOR_NONE, description);
        }
        putchar('\n');
}

static void print_time(const Ctl *c, const char *label, usec_t t) {
        char when[LOCAL_TIME_TEXT_MAX], age[RELATIVE_TIME_MAX];

        if (t > 0 && t != USEC_INFINITY)
                status_print_line(c, label, COLOR_NONE, "%s; %s", local_time_format(when, t),
                                  relative_time_format(age, t, now_realtime()));
}

/* Why it was requested: "retry, attempt 2, of run 6 of job backup". */
static void print_cause(const Ctl *c, const RunView *v) {
        _cleanup_free_ char *attempt = NULL, *alarm = NULL, *parent = NULL;

        if (v->attempt > 1)
                attempt = alloc_format(", attempt %" PRIu32, v->attempt);
        if (!isempty(v->alarm))
                alarm = alloc_format(", for the alarm %s", v->alarm);
        if (v->parent > 0 && !isempty(v->parent_job))
                parent = alloc_format(", of run %" PRIu64 " of job %s", v->parent, v->parent_job);
        else if (v->parent > 0)
                parent = alloc_format(", of run %" PRIu64, v->parent);
        else if (!isempty(v->parent_job))
                parent = alloc_format(", of job %s", v->parent_job);
        status_print_line(c, "Cause", COLOR_NONE, "%s%s%s%s", v->cause, strempty(attempt), strempty(alarm),
                          strempty(parent));
}

static void print_times(const Ctl *c, const RunView *v) {
        char took[SPAN_TEXT_MAX];

        if (v->scheduled != v->requested)
                print_time(c, "Scheduled", v->scheduled);
        print_time(c, "Requested", v->requested);
        print_time(c, "Started", v->started);
        print_time(c, "Ended", v->ended);
        if (v->started > 0)
                status_print_line(c, v->ended > 0 ? "Took" : "Takes", COLOR_NONE, "%s",
                                  duration_format(took, usec_sub(v->ended ?: now_realtime(), v->started)));
}

/* Where it runs or ran, and what it used. */
static void print_resources(const Ctl *c, const RunView *v) {
        char span[SPAN_TEXT_MAX], size[SIZE_TEXT_MAX];

        if (!isempty(v->unit))
                status_print_line(c, "Unit", COLOR_NONE, "%s", v->unit);
        if (!isempty(v->invocation))
                status_print_line(c, "Invocation", COLOR_NONE, "%s", v->invocation);
        if (v->pid > 0)
                status_print_line(c, "Main PID", COLOR_NONE, "%" PRIu32, v->pid);
        if (v->cpu != USEC_INFINITY)
                status_print_line(c, "CPU", COLOR_NONE, "%s", duration_format(span, v->cpu));
        if (v->memory_peak != UINT64_MAX)
                status_print_line(c, "Memory", COLOR_NONE, "%s (peak)", size_format(size, v->memory_peak));
        if (!isempty(v->host))
                status_print_line(c, "Host", COLOR_NONE, "%s", v->host);
}

static void print_run(const Ctl *c, const RunView *v) {
        _cleanup_free_ char *name = alloc_format("run %" PRIu64, v->id), *of = alloc_format("of job %s", v->job);
        char outcome[RUN_OUTCOME_MAX];

        status_print_head(c, run_view_color(v), name, of);
        status_print_line(c, run_view_is_done(v) ? "Result" : "State", run_view_color(v), "%s",
                          run_view_outcome(v, outcome));
        if (!isempty(v->reason))
                status_print_line(c, "Reason", COLOR_NONE, "%s", v->reason);
        if (!isempty(v->status_text))
                status_print_line(c, "Status", COLOR_NONE, "%s", v->status_text);
        print_cause(c, v);
        if (!isempty(v->payload))
                status_print_line(c, "Files", COLOR_NONE, "%s", v->payload);
        print_times(c, v);
        print_resources(c, v);
}

int status_run(Ctl *c, const char *number, json_object *array) {
        _cleanup_(run_view_done) RunView v = { 0 };
        int r;

        r = run_view_get(c->connection, strtoull(number, NULL, 10), &c->error, &v);
        if (r < 0)
                return ctl_failed(c, r, NULL);
        if (c->json) {
                json_append(array, view_json(run_properties, n_run_properties, &v));
                return 0;
        }
        ctl_open_pager(c);
        print_run(c, &v);
        return 0;
}
