/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* vaktctl status: the daemon, or jobs, each as a block like systemctl's. */

#include "ctl/alloc.h"
#include "ctl/diagnostics-view.h"
#include "ctl/job-view.h"
#include "ctl/relative-time.h"
#include "ctl/run-view.h"

#define STATUS_RUNS    10 /* runs shown below a job */
#define STATUS_ELAPSES 5
#define LABEL_WIDTH    12

typedef struct DaemonView {
        const char *version;
        usec_t started;
        uint32_t jobs, running, queued;
} DaemonView;

static int daemon_read(Ctl *c, sd_bus_message **ret_message, DaemonView *ret) {
        static const PropertyMap map[] = {
                { "Version", "s", offsetof(DaemonView, version) }, { "StartedAt", "t", offsetof(DaemonView, started) },
                { "Jobs", "u", offsetof(DaemonView, jobs) },       { "Running", "u", offsetof(DaemonView, running) },
                { "Queued", "u", offsetof(DaemonView, queued) },
        };
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        int r;

        r = ctl_get_all(c, VAKTD_PATH, VAKTD_MANAGER, &reply);
        if (r != 0)
                return r;
        *ret = (DaemonView){ .version = "" };
        r = properties_read(reply, map, ELEMENTSOF(map), ret);
        if (r < 0)
                return ctl_bad_answer(&(MethodCall){ .member = "GetAll" }, r);
        *ret_message = TAKE_PTR(reply);
        return 0;
}

/* "     Label: text" */
static void print_line(const Ctl *c, const char *label, Color color, const char *format, ...) _printf_(4, 5);
static void print_line(const Ctl *c, const char *label, Color color, const char *format, ...) {
        _cleanup_free_ char *text = NULL;
        va_list ap;

        va_start(ap, format);
        if (vasprintf(&text, format, ap) < 0)
                alloc_failed();
        va_end(ap);
        ctl_print_line(c, LABEL_WIDTH, label, color, text);
}

static void print_strings(const Ctl *c, const char *label, char *const *strings) {
        for (; strings && *strings; strings++, label = "")
                print_line(c, label, COLOR_NONE, "%s", *strings);
}

/* The bold first line. */
static void print_head(const Ctl *c, Color color, const char *name, const char *description) {
        ctl_print_colored(c, color, c->dot);
        putchar(' ');
        ctl_print_colored(c, COLOR_NONE, name);
        if (!isempty(description)) {
                fputs(" - ", stdout);
                ctl_print_colored(c, COLOR_NONE, description);
        }
        putchar('\n');
}

static int daemon_json(const DaemonView *v, const DiagnosticViews *d) {
        json_object *o = json_new_object();

        json_add_string(o, "version", v->version);
        json_add_time(o, "started_usec", v->started);
        json_add_number(o, "jobs", v->jobs);
        json_add_number(o, "running", v->running);
        json_add_number(o, "queued", v->queued);
        json_add(o, "diagnostics", diagnostic_views_json(d));
        return json_print(o);
}

static int status_daemon(Ctl *c) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *message = NULL;
        _cleanup_(diagnostic_views_done) DiagnosticViews d = { 0 };
        char when[LOCAL_TIME_TEXT_MAX], age[RELATIVE_TIME_MAX];
        DaemonView v;
        int r;

        r = daemon_read(c, &message, &v);
        if (r != 0)
                return r;
        r = diagnostic_views_get(c, &d);
        if (r != 0)
                return r;
        if (c->json)
                return daemon_json(&v, &d);

        print_head(c, d.n_items > 0 ? COLOR_RED : COLOR_GREEN, "vaktd", "runs what is due");
        print_line(c, "Version", COLOR_NONE, "%s", v.version);
        print_line(c, "Since", COLOR_NONE, "%s; %s", local_time_format(when, v.started),
                   relative_time_format(age, v.started, now_realtime()));
        print_line(c, "Jobs", COLOR_NONE, "%u", v.jobs);
        print_line(c, "Running", v.running > 0 ? COLOR_GREEN : COLOR_NONE, "%u", v.running);
        print_line(c, "Queued", COLOR_NONE, "%u", v.queued);
        print_line(c, "Faults", d.n_items > 0 ? COLOR_RED : COLOR_NONE, "%zu", d.n_items);
        for (size_t i = 0; i < d.n_items; i++) {
                if (i == 0)
                        putchar('\n');
                diagnostic_print(stdout, &d.items[i]);
        }
        return CTL_DONE;
}

static void print_state(const Ctl *c, const JobView *v) {
        const char *also = !v->enabled && !streq(v->state, "disabled") ? " (disabled)"
                           : v->paused && !streq(v->state, "paused")   ? " (paused)"
                                                                       : "";

        if (v->running > 1 || v->queued > 0)
                print_line(c, "State", job_state_color(v->state), "%s%s, %u running, %u queued", v->state, also,
                           v->running, v->queued);
        else
                print_line(c, "State", job_state_color(v->state), "%s%s", v->state, also);
}

static void print_last(const Ctl *c, const JobView *v) {
        char age[RELATIVE_TIME_MAX], when[LOCAL_TIME_TEXT_MAX], took[SPAN_TEXT_MAX];
        usec_t at = v->last_end ?: v->last_start, now = now_realtime();

        bool ran = v->last_start > 0 && v->last_end >= v->last_start;

        if (isempty(v->last_result))
                print_line(c, "Last", COLOR_NONE, "-");
        else
                print_line(c, "Last", job_result_color(v->last_result), "%s, %s (%s)%s%s", v->last_result,
                           relative_time_format(age, at, now), local_time_format(when, at), ran ? ", took " : "",
                           ran ? duration_format(took, v->last_end - v->last_start) : "");
}

/* The end of the pause, and what is to be skipped. */
static void print_held_back(const Ctl *c, const JobView *v) {
        char left[RELATIVE_TIME_MAX], when[LOCAL_TIME_TEXT_MAX];

        if (v->paused && v->pause_until == USEC_INFINITY)
                print_line(c, "Paused", COLOR_YELLOW, "until 'vaktctl resume %s'", v->name);
        else if (v->paused && v->pause_until > 0)
                print_line(c, "Paused", COLOR_YELLOW, "until %s (%s)", local_time_format(when, v->pause_until),
                           relative_time_format(left, v->pause_until, now_realtime()));
        if (v->skip == 1)
                print_line(c, "Skips", COLOR_YELLOW, "the next occurrence");
        else if (v->skip > 1)
                print_line(c, "Skips", COLOR_YELLOW, "the next %" PRIu32 " occurrences", v->skip);
}

/* The next elapse and, when there are more, those after it; with what becomes of those that do not run. */
static void print_next(const Ctl *c, const JobView *v, const usec_t *elapses, size_t n) {
        char left[RELATIVE_TIME_MAX], when[LOCAL_TIME_TEXT_MAX];
        usec_t now = now_realtime();
        uint32_t skip = v->skip;

        if (v->next == 0 || v->next == USEC_INFINITY) {
                print_line(c, "Next", COLOR_NONE, "-");
                return;
        }
        if (n < 2) {
                elapses = &v->next;
                n = 1;
        }
        for (size_t i = 0; i < n; i++) {
                const char *fate = "";

                if (v->paused && elapses[i] < v->pause_until)
                        fate = ", refused while it is paused";
                else if (skip > 0) {
                        fate = ", skipped";
                        skip--;
                }
                print_line(c, i == 0 ? "Next" : "", COLOR_NONE, "%s (%s)%s",
                           relative_time_format(left, elapses[i], now), local_time_format(when, elapses[i]), fate);
        }
}

static void print_job(const Ctl *c, const JobView *v, const usec_t *elapses, size_t n_elapses) {
        Color state = job_state_color(v->state), result = job_result_color(v->last_result);

        print_head(c, state != COLOR_NONE ? state : result, v->name, v->description);
        print_state(c, v);
        print_held_back(c, v);
        if (!isempty(v->fragment))
                print_line(c, "File", COLOR_NONE, "%s", v->fragment);
        if (!isempty(v->fault))
                print_line(c, "Fault", COLOR_RED, "%s", v->fault);
        if (!isempty(v->fault) && !streq(v->state, "invalid"))
                print_line(c, "", COLOR_NONE, "The last good version of the file is in force.");
        print_strings(c, "Docs", v->documentation);
        print_strings(c, "Tags", v->tags);
        for (const PropertyPair *p = v->triggers; p && p->key; p++)
                print_line(c, p == v->triggers ? "Triggers" : "", COLOR_NONE, "%s=%s", p->key, p->value);
        print_last(c, v);
        print_next(c, v, elapses, n_elapses);
        print_line(c, "Runs", COLOR_NONE, "%" PRIu64 " since vaktd started", v->runs);
}

static int append_run(const RunView *v, void *userdata) {
        json_append(userdata, run_view_json(v));
        return 0;
}

static int append_job(Ctl *c, const JobView *v, const usec_t *elapses, size_t n_elapses, json_object *array) {
        json_object *o = job_view_json(v), *next = json_new_array(), *runs = json_new_array();

        for (size_t i = 0; i < n_elapses; i++)
                json_append_number(next, elapses[i]);
        json_add(o, "next_elapses_usec", next);
        json_add(o, "last_runs", runs);
        json_append(array, o);
        return run_view_list(c, v->name, STATUS_RUNS, append_run, runs);
}

/* One job as a block, or appended to the array. */
static int status_job(Ctl *c, const char *job, json_object *array) {
        _cleanup_(job_view_done) JobView v = { 0 };
        _cleanup_free_ usec_t *elapses = NULL;
        size_t n_elapses;
        bool any;
        int r;

        r = job_view_read(c, job, &v);
        if (r == 0)
                r = job_view_next_elapses(c, &v, STATUS_ELAPSES, &elapses, &n_elapses);
        if (r != 0)
                return r;
        if (c->json)
                return append_job(c, &v, elapses, n_elapses, array);
        print_job(c, &v, elapses, n_elapses);
        if (v.runs == 0 && isempty(v.last_result) && v.running == 0 && v.queued == 0)
                return 0;
        putchar('\n');
        return run_view_print_table(c, v.name, STATUS_RUNS, &any);
}

int verb_status(Ctl *c, char **args) {
        _cleanup_(json_putp) json_object *array = json_new_array();
        int ret = CTL_DONE;

        if (!args[0])
                return status_daemon(c);
        for (char **job = args; *job; job++) {
                int r;

                if (job > args && !c->json)
                        putchar('\n');
                r = status_job(c, *job, array);
                if (r == CTL_NO_DAEMON)
                        return r;
                ret = ret ?: r;
        }
        if (c->json)
                json_print(json_object_get(array));
        return ret;
}
