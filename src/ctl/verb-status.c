/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* vaktctl status: the daemon, jobs, or runs, each as a block like that of systemctl. */

#include "client/daemon-view.h"
#include "client/job-view.h"
#include "client/run-view.h"
#include "ctl/alloc.h"
#include "ctl/no-such-job.h"
#include "ctl/progress-line.h"
#include "ctl/relative-time.h"
#include "ctl/view-json.h"
#include "ctl/view-text.h"
#include "util/size.h"
#include "util/strv.h"

#define STATUS_RUNS    10 /* runs shown below a job */
#define STATUS_ELAPSES 5
#define STATUS_LINES   10 /* failed jobs, and alarms, of the daemon */
#define LABEL_WIDTH    12

/* "     Label: text" */
_printf_(4, 5) static void print_line(const Ctl *c, const char *label, Color color, const char *format, ...) {
        _cleanup_free_ char *text = NULL;
        va_list ap;

        va_start(ap, format);
        if (vasprintf(&text, format, ap) < 0)
                alloc_failed();
        va_end(ap);
        ctl_print_line(c, LABEL_WIDTH, label, color, text);
}

/* The first line of a block: a coloured dot, the name, and a description. */
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

static void print_strings(const Ctl *c, const char *label, char *const *strings) {
        for (; strings && *strings; strings++, label = "")
                print_line(c, label, COLOR_NONE, "%s", *strings);
}

/* --- the daemon --- */

/* All that is said about it. */
typedef struct DaemonStatus {
        DaemonView view;
        Rows pools, diagnostics, alarms, jobs;
} DaemonStatus;

static void daemon_status_done(DaemonStatus *s) {
        daemon_view_done(&s->view);
        rows_done(&s->pools);
        rows_done(&s->diagnostics);
        rows_done(&s->alarms);
        rows_done(&s->jobs);
}

static int daemon_json(const DaemonStatus *s) {
        static const char *const members[] = { "pool", "slots", "running", "waiting" };
        json_object *o = view_json(daemon_properties, n_daemon_properties, &s->view), *failed = json_new_array();

        for (size_t i = 0; i < s->jobs.n_items; i++)
                if (result_is_failure(s->jobs.jobs[i].last_result))
                        json_append_string(failed, s->jobs.jobs[i].name);
        json_add(o, "failed_jobs", failed);
        json_add(o, "alarms", rows_json(s->alarms.alarms, "a(sstts)", alarm_members));

        json_add(o, "pools", rows_json(s->pools.pools, "a(suuu)", members));
        json_add(o, "diagnostics", diagnostics_json(s->diagnostics.diagnostics));
        return json_print(o);
}

/* "backup: failed (exit 3), 2min ago"; as many as are read. */
static void print_failed_jobs(const Ctl *c, const Rows *jobs) {
        char age[RELATIVE_TIME_MAX];
        size_t n = 0;

        for (size_t i = 0; i < jobs->n_items; i++) {
                const JobRow *row = &jobs->jobs[i];
                _cleanup_free_ char *words = job_result_text(row->last_result, (int)row->last_code);

                if (result_is_failure(row->last_result) && n++ < STATUS_LINES)
                        print_line(c, n == 1 ? N_("Failed") : "", COLOR_RED, "%s: %s, %s", row->name, words,
                                   relative_time_format(age, row->last_end ?: row->last_start, now_realtime()));
        }
        if (n > STATUS_LINES)
                print_line(c, "", COLOR_RED, _("and %zu more; see 'vaktctl list --failed'"), n - STATUS_LINES);
}

static void print_all_alarms(const Ctl *c, const Rows *alarms) {
        char age[RELATIVE_TIME_MAX];

        for (size_t i = 0; i < MIN(alarms->n_items, (size_t)STATUS_LINES); i++) {
                const AlarmRow *a = &alarms->alarms[i];

                print_line(c, i == 0 ? N_("Alarms") : "", COLOR_RED, "%s: %s (%s)", a->job, a->message,
                           relative_time_format(age, a->raised, now_realtime()));
        }
        if (alarms->n_items > STATUS_LINES)
                print_line(c, "", COLOR_RED, _("and %zu more; see 'vaktctl list'"), alarms->n_items - STATUS_LINES);
}

static void print_daemon(const Ctl *c, const DaemonStatus *s) {
        char when[LOCAL_TIME_TEXT_MAX], age[RELATIVE_TIME_MAX];
        const Rows *d = &s->diagnostics, *pools = &s->pools;
        const DaemonView *v = &s->view;

        print_head(c, d->n_items > 0 ? COLOR_RED : COLOR_GREEN, "vaktd", _("runs jobs when they are due"));
        print_line(c, N_("Version"), COLOR_NONE, "%s", v->version);
        print_line(c, N_("Since"), COLOR_NONE, "%s; %s", local_time_format(when, v->started),
                   relative_time_format(age, v->started, now_realtime()));
        if (v->pid > 0)
                print_line(c, N_("Main PID"), COLOR_NONE, "%" PRIu32, v->pid);
        print_line(c, N_("Socket"), COLOR_NONE, "%s", connection_socket(c->connection));
        print_strings(c, N_("Job files"), v->directories);
        print_line(c, N_("State in"), COLOR_NONE, "%s", v->state_directory);
        if (v->paused)
                print_line(c, N_("Paused"), COLOR_YELLOW, _("all jobs, until 'vaktctl resume --all'"));
        if (!isempty(v->executor))
                print_line(c, N_("Runs are"), COLOR_NONE, "%s",
                           streq(v->executor, "unit") ? _("units of the service manager") : _("children of vaktd"));
        print_line(c, N_("Jobs"), COLOR_NONE, "%u", v->jobs);
        print_line(c, N_("Running"), v->running > 0 ? COLOR_GREEN : COLOR_NONE, "%u", v->running);
        print_line(c, N_("Queued"), COLOR_NONE, "%u", v->queued);
        for (size_t i = 0; i < pools->n_items; i++) {
                _cleanup_free_ char *text = pool_view_text(&pools->pools[i]);

                print_line(c, i == 0 ? N_("Pools") : "", COLOR_NONE, "%s: %s", pools->pools[i].name, text);
        }
        print_failed_jobs(c, &s->jobs);
        print_all_alarms(c, &s->alarms);
        print_line(c, N_("Problems"), d->n_items > 0 ? COLOR_RED : COLOR_NONE, "%zu", d->n_items);
        for (size_t i = 0; i < d->n_items; i++) {
                if (i == 0)
                        putchar('\n');
                diagnostic_print(stdout, &d->diagnostics[i]);
        }
}

static int status_daemon(Ctl *c) {
        _cleanup_(daemon_status_done) DaemonStatus s = { 0 };
        int r;

        r = daemon_view_get(c->connection, &c->error, &s.view);
        if (r >= 0)
                r = pool_views_get(c->connection, &c->error, &s.pools);
        if (r >= 0)
                r = job_rows_get(c->connection, &c->error, &s.jobs);
        if (r >= 0)
                r = alarm_rows_get(c->connection, &c->error, &s.alarms);
        if (r >= 0)
                r = diagnostic_views_get(c->connection, /* reload= */ false, &c->error, &s.diagnostics);
        if (r < 0)
                return ctl_failed(c, r, NULL);
        if (c->json)
                return daemon_json(&s);
        ctl_open_pager(c);
        print_daemon(c, &s);
        return CTL_DONE;
}

/* --- a job --- */

static void print_state(const Ctl *c, const JobView *v) {
        const char *also = !v->enabled && !streq(v->state, "disabled") ? _(" (disabled)")
                           : v->paused && !streq(v->state, "paused")   ? _(" (paused)")
                                                                       : "";

        if (v->running > 1 || v->queued > 0)
                print_line(c, N_("State"), job_state_color(v->state), _("%s%s, %u running, %u queued"), v->state, also,
                           v->running, v->queued);
        else
                print_line(c, N_("State"), job_state_color(v->state), "%s%s", v->state, also);
}

static void print_last(const Ctl *c, const JobView *v) {
        _cleanup_free_ char *result = job_result_text(v->last_result, v->last_code);
        char age[RELATIVE_TIME_MAX], when[LOCAL_TIME_TEXT_MAX];
        usec_t at = v->last_end ?: v->last_start, now = now_realtime();

        if (isempty(v->last_result))
                print_line(c, N_("Last"), COLOR_NONE, "-");
        else
                print_line(c, N_("Last"), job_result_color(v->last_result), "%s, %s (%s)", result,
                           relative_time_format(age, at, now), local_time_format(when, at));
}

static void print_alarms(const Ctl *c, const JobView *v) {
        char age[RELATIVE_TIME_MAX];

        for (const PropertyAlarm *a = v->alarms; a && a->key; a++)
                print_line(c, a == v->alarms ? N_("Alarm") : "", COLOR_RED, "%s (%s)", a->message,
                           relative_time_format(age, a->raised, now_realtime()));
}

/* A pool that no file describes exists only while a run uses it. */
static int print_pool(Ctl *c, const char *name) {
        _cleanup_(rows_done) Rows pools = { 0 };
        _cleanup_free_ char *text = NULL;
        int r;

        r = pool_views_get(c->connection, &c->error, &pools);
        if (r < 0)
                return ctl_failed(c, r, NULL);
        for (size_t i = 0; i < pools.n_items && !text; i++)
                if (streq(pools.pools[i].name, name))
                        text = pool_view_text(&pools.pools[i]);
        print_line(c, N_("Pool"), COLOR_NONE, "%s: %s", name, text ?: _("not in use"));
        return 0;
}

/* Settings that differ from the defaults. */
static int print_policy(Ctl *c, const JobView *v) {
        if (v->retry == UINT32_MAX)
                print_line(c, N_("Retry"), COLOR_NONE, _("until it succeeds"));
        else if (v->retry > 0)
                print_line(c, N_("Retry"), COLOR_NONE,
                           ngettext("up to %" PRIu32 " time after a failure",
                                    "up to %" PRIu32 " times after a failure", v->retry),
                           v->retry);
        if (v->priority != 0)
                print_line(c, N_("Priority"), COLOR_NONE, "%" PRIi32, v->priority);
        return isempty(v->pool) ? 0 : print_pool(c, v->pool);
}

/* The end of the pause, and the occurrences to be skipped. */
static void print_held_back(const Ctl *c, const JobView *v) {
        char left[RELATIVE_TIME_MAX], when[LOCAL_TIME_TEXT_MAX];

        if (v->paused && v->pause_until == USEC_INFINITY)
                print_line(c, N_("Paused"), COLOR_YELLOW, _("until 'vaktctl resume %s'"), v->name);
        else if (v->paused && v->pause_until > 0)
                print_line(c, N_("Paused"), COLOR_YELLOW, _("until %s (%s)"), local_time_format(when, v->pause_until),
                           relative_time_format(left, v->pause_until, now_realtime()));
        if (v->skip == 1)
                print_line(c, N_("Skips"), COLOR_YELLOW, _("the next occurrence"));
        else if (v->skip > 1)
                print_line(c, N_("Skips"), COLOR_YELLOW, _("the next %" PRIu32 " occurrences"), v->skip);
}

/* The next elapse and, if there are more, those after it; with what happens to those that do not run. */
static void print_next(const Ctl *c, const JobView *v, const usec_t *elapses, size_t n) {
        char left[RELATIVE_TIME_MAX], when[LOCAL_TIME_TEXT_MAX];
        usec_t now = now_realtime();
        uint32_t skip = v->skip;

        if (v->next == 0 || v->next == USEC_INFINITY) {
                print_line(c, N_("Next"), COLOR_NONE, "-");
                return;
        }
        if (n < 2) {
                elapses = &v->next;
                n = 1;
        }
        for (size_t i = 0; i < n; i++) {
                const char *fate = "";

                if (v->paused && elapses[i] < v->pause_until)
                        fate = _(", refused while it is paused");
                else if (skip > 0) {
                        fate = _(", skipped");
                        skip--;
                }
                print_line(c, i == 0 ? N_("Next") : "", COLOR_NONE, "%s (%s)%s",
                           relative_time_format(left, elapses[i], now), local_time_format(when, elapses[i]), fate);
        }
}

static Color watch_color(const char *state) {
        return streq(state, "degraded") || streq(state, "raised") || streq(state, "unknown") ? COLOR_YELLOW
                                                                                             : COLOR_NONE;
}

/* The counters that are not zero because something went wrong. The queue is shared by all jobs. */
static void print_trouble(const Ctl *c, const JobView *v) {
        static const struct {
                const char *name, *words;
        } table[] = {
                { "overflows", N_("overflows of the kernel's event queue") },
                { "rescans", N_("new scans of a whole tree") },
                { "failed-items", N_("items in the spool that failed for good") },
        };
        const char *label = N_("Trouble");

        for (size_t i = 0; i < ELEMENTSOF(table); i++)
                for (const PropertyNumber *p = v->watch_counters; p && p->name; p++)
                        if (p->value > 0 && streq(p->name, table[i].name)) {
                                print_line(c, label, COLOR_YELLOW, "%s: %" PRIu64, translated(table[i].words),
                                           p->value);
                                label = "";
                        }
}

static void print_watches(const Ctl *c, const JobView *v) {
        for (const PropertyWatch *w = v->watches; w && w->key; w++) {
                bool told = !isempty(w->message);

                print_line(c, w == v->watches ? N_("Watches") : "", watch_color(w->state), "%s=%s (%s)%s%s", w->key,
                           w->path, w->state, told ? ": " : "", told ? w->message : "");
        }
        print_trouble(c, v);
}

/* Those that are watched are shown there. */
static bool is_watched(const JobView *v, const PropertyPair *trigger) {
        for (const PropertyWatch *w = v->watches; w && w->key; w++)
                if (streq(w->key, trigger->key) && streq(w->path, trigger->value))
                        return true;
        return false;
}

static void print_triggers(const Ctl *c, const JobView *v) {
        const char *label = N_("Triggers");

        for (const PropertyPair *p = v->triggers; p && p->key; p++)
                if (!is_watched(v, p)) {
                        print_line(c, label, COLOR_NONE, "%s=%s", p->key, p->value);
                        label = "";
                }
}

static int keep_object(const RunView *v, void *objects) {
        if (!run_view_is_done(v) && v->started > 0)
                alloc_extend(objects, v->object);
        return 0;
}

/* The runs that go on, with where they are. */
static int print_running(Ctl *c, const JobView *v) {
        _cleanup_(strv_freep) char **objects = NULL;
        const char *label = N_("Active");
        int r = 0;

        if (v->running > 0)
                r = run_view_list(c->connection, &(RunFilter){ .job = v->name }, STATUS_RUNS, keep_object, &objects,
                                  &c->error);
        for (char **object = objects; r >= 0 && object && *object; object++, label = "") {
                _cleanup_(run_view_done) RunView run = { 0 };
                _cleanup_free_ char *unit = NULL, *pid = NULL, *status = NULL;

                r = run_view_get_object(c->connection, *object, /* once= */ false, &c->error, &run);
                if (r < 0)
                        break;
                if (!isempty(run.unit))
                        unit = alloc_format(", %s", run.unit);
                if (run.pid > 0)
                        pid = alloc_format(_(", main PID %" PRIu32), run.pid);
                status = progress_text(c, run.status_text);
                print_line(c, label, COLOR_GREEN, _("run %" PRIu64 "%s%s%s%s"), run.id, strempty(unit), strempty(pid),
                           isempty(status) ? "" : ": ", status);
        }
        return r < 0 ? ctl_failed(c, r, NULL) : 0;
}

/* The caller frees them. Those of another machine are not here. */
static char **drop_ins_of(const Ctl *c, const JobView *v) {
        return isempty(v->fragment) || ctl_is_remote(c) ? NULL : ctl_drop_ins(c->user, v->name, v->fragment);
}

static void print_files(const Ctl *c, const JobView *v) {
        _cleanup_(strv_freep) char **drop_ins = drop_ins_of(c, v);

        if (!isempty(v->fragment))
                print_line(c, N_("File"), COLOR_NONE, "%s", v->fragment);
        print_strings(c, N_("Drop-ins"), drop_ins);
}

static int print_job(Ctl *c, const JobView *v, const usec_t *elapses, size_t n_elapses) {
        Color state = job_state_color(v->state), result = job_result_color(v->last_result);
        int r;

        print_head(c, state != COLOR_NONE ? state : result, v->name, v->description);
        print_state(c, v);
        print_alarms(c, v);
        print_held_back(c, v);
        print_files(c, v);
        if (!isempty(v->problem))
                print_line(c, N_("Problem"), COLOR_RED, "%s", v->problem);
        if (!isempty(v->problem) && !streq(v->state, "invalid"))
                print_line(c, "", COLOR_NONE, _("The last valid version of the file is in use."));
        print_strings(c, N_("Docs"), v->documentation);
        print_strings(c, N_("Tags"), v->tags);
        print_triggers(c, v);
        print_watches(c, v);
        r = print_policy(c, v) ?: print_running(c, v);
        print_last(c, v);
        print_next(c, v, elapses, n_elapses);
        print_line(c, N_("Runs"), COLOR_NONE, _("%" PRIu64 " in all"), v->runs);
        return r;
}

static int append_run(const RunView *v, void *userdata) {
        json_append(userdata, run_view_json(v, /* with_object= */ false));
        return 0;
}

/* What a file is that makes no job. */
static int print_file(Ctl *c, const char *name, const char *state, const char *path, json_object *array) {
        _cleanup_(strv_freep) char **drop_ins = ctl_drop_ins(c->user, name, path);
        json_object *o;

        if (c->json) {
                o = json_new_object();
                json_add_string(o, "job", name);
                json_add_string(o, "state", state);
                json_add_string(o, "file", path);
                json_add_strings(o, "drop_ins", drop_ins);
                json_append(array, o);
                return 0;
        }
        print_head(c, COLOR_GREY, name, NULL);
        print_line(c, N_("State"), COLOR_GREY, "%s", state);
        print_line(c, N_("File"), COLOR_NONE, "%s%s", path, streq(state, "masked") ? _(" (a link to /dev/null)") : "");
        print_strings(c, N_("Drop-ins"), drop_ins);
        if (streq(state, "template"))
                print_line(c, N_("Instances"), COLOR_NONE, "'vaktctl run %sNAME'", name);
        return 0;
}

static int append_job(Ctl *c, const JobView *v, const usec_t *elapses, size_t n_elapses, json_object *array) {
        json_object *o = view_json(job_properties, n_job_properties, v), *next = json_new_array(),
                    *runs = json_new_array();
        _cleanup_(strv_freep) char **drop_ins = drop_ins_of(c, v);
        int r;

        json_add_strings(o, "drop_ins", drop_ins);
        if (!code_is_known(v->last_result, v->last_code))
                json_add(o, "last_code", NULL);

        for (size_t i = 0; i < n_elapses; i++)
                json_append_number(next, elapses[i]);
        json_add(o, "next_elapses_usec", next);
        json_add(o, "last_runs", runs);
        json_append(array, o);
        r = run_view_list(c->connection, &(RunFilter){ .job = v->name }, STATUS_RUNS, append_run, runs, &c->error);
        return r < 0 ? ctl_failed(c, r, NULL) : 0;
}

/* A name of which the daemon has no job, because its file is a template, or a link that masks it. */
static int status_file(Ctl *c, const char *name, json_object *array) {
        _cleanup_free_ char *path = NULL;

        switch (job_file_find(c, name, &path)) {
        case JOB_FILE_MASKED:
                sd_bus_error_free(&c->error);
                return print_file(c, name, "masked", path, array);
        case JOB_FILE_TEMPLATE:
                sd_bus_error_free(&c->error);
                return print_file(c, name, "template", path, array);
        case JOB_FILE_UNREAD:
        case JOB_FILE_NONE:
                break;
        }
        return ctl_failed(c, -ENOENT, NULL);
}

/* One job as a block, or appended to the array. */
static int status_job(Ctl *c, const char *job, json_object *array) {
        _cleanup_(job_view_done) JobView v = { 0 };
        _cleanup_free_ usec_t *elapses = NULL;
        size_t n_elapses;
        bool any;
        int r;

        r = job_view_get(c->connection, job, &c->error, &v);
        if (r == -ENOENT)
                return status_file(c, job, array);
        if (r >= 0)
                r = job_view_next_elapses(c->connection, &v, STATUS_ELAPSES, &c->error, &elapses, &n_elapses);
        if (r < 0)
                return ctl_failed(c, r, NULL);
        ctl_open_pager(c);
        r = c->json ? append_job(c, &v, elapses, n_elapses, array) : print_job(c, &v, elapses, n_elapses);
        if (r == 0 && !c->json && (v.runs > 0 || !isempty(v.last_result) || v.running > 0 || v.queued > 0)) {
                putchar('\n');
                r = run_view_print_table(c, &(RunFilter){ .job = v.name }, STATUS_RUNS, &any);
        }
        return r == 0 && result_is_failure(v.last_result) ? CTL_RUN_FAILED : r;
}

/* --- a run --- */

static void print_time(const Ctl *c, const char *label, usec_t t) {
        char when[LOCAL_TIME_TEXT_MAX], age[RELATIVE_TIME_MAX];

        if (t > 0 && t != USEC_INFINITY)
                print_line(c, label, COLOR_NONE, "%s; %s", local_time_format(when, t),
                           relative_time_format(age, t, now_realtime()));
}

/* Why it was requested: "retry, attempt 2, of run 6 of job backup". */
static void print_cause(const Ctl *c, const RunView *v) {
        _cleanup_free_ char *attempt = NULL, *alarm = NULL, *parent = NULL;

        if (v->attempt > 1)
                attempt = alloc_format(_(", attempt %" PRIu32), v->attempt);
        if (!isempty(v->alarm))
                alarm = alloc_format(_(", for the alarm %s"), v->alarm);
        if (v->parent > 0 && !isempty(v->parent_job))
                parent = alloc_format(_(", of run %" PRIu64 " of job %s"), v->parent, v->parent_job);
        else if (v->parent > 0)
                parent = alloc_format(_(", of run %" PRIu64), v->parent);
        else if (!isempty(v->parent_job))
                parent = alloc_format(_(", of job %s"), v->parent_job);
        print_line(c, N_("Cause"), COLOR_NONE, "%s%s%s%s", v->cause, strempty(attempt), strempty(alarm),
                   strempty(parent));
}

static void print_times(const Ctl *c, const RunView *v) {
        char took[SPAN_TEXT_MAX];

        if (v->scheduled != v->requested)
                print_time(c, N_("Scheduled"), v->scheduled);
        print_time(c, N_("Requested"), v->requested);
        print_time(c, N_("Started"), v->started);
        print_time(c, N_("Ended"), v->ended);
        if (v->started > 0)
                print_line(c, v->ended > 0 ? N_("Took") : N_("Takes"), COLOR_NONE, "%s",
                           duration_format(took, usec_sub(v->ended ?: now_realtime(), v->started)));
}

/* Where it runs or ran, and what it used. */
static void print_resources(const Ctl *c, const RunView *v) {
        _cleanup_free_ char *work = run_view_work(v);
        char span[SPAN_TEXT_MAX], size[SIZE_TEXT_MAX];

        if (work)
                print_line(c, N_("Changed"), COLOR_NONE, "%s", work);
        if (!isempty(v->unit))
                print_line(c, N_("Unit"), COLOR_NONE, "%s", v->unit);
        if (!isempty(v->invocation))
                print_line(c, N_("Invocation"), COLOR_NONE, "%s", v->invocation);
        if (v->pid > 0)
                print_line(c, N_("Main PID"), COLOR_NONE, "%" PRIu32, v->pid);
        if (v->cpu != USEC_INFINITY)
                print_line(c, N_("CPU"), COLOR_NONE, "%s", duration_format(span, v->cpu));
        if (v->memory_peak != UINT64_MAX)
                print_line(c, N_("Memory"), COLOR_NONE, _("%s (peak)"), size_format(size, v->memory_peak));
        if (!isempty(v->host))
                print_line(c, N_("Host"), COLOR_NONE, "%s", v->host);
}

static void print_run(const Ctl *c, const RunView *v) {
        _cleanup_free_ char *name = alloc_format(_("run %" PRIu64), v->id), *of = alloc_format(_("of job %s"), v->job),
                            *progress = progress_text(c, v->status_text);
        char outcome[RUN_OUTCOME_MAX];

        print_head(c, run_view_color(v), name, of);
        print_line(c, run_view_is_done(v) ? N_("Result") : N_("State"), run_view_color(v), "%s",
                   run_view_outcome(v, outcome));
        if (!isempty(v->reason))
                print_line(c, N_("Reason"), COLOR_NONE, "%s", v->reason);
        if (!isempty(v->status_text))
                print_line(c, N_("Status"), COLOR_NONE, "%s", progress);
        print_cause(c, v);
        if (!isempty(v->payload))
                print_line(c, N_("Files"), COLOR_NONE, "%s", v->payload);
        print_times(c, v);
        print_resources(c, v);
}

/* One run as a block, or appended to the array. Returns like ctl_call(). */
static int status_run(Ctl *c, const char *number, json_object *array) {
        _cleanup_(run_view_done) RunView v = { 0 };
        int r;

        r = run_view_get(c->connection, strtoull(number, NULL, 10), &c->error, &v);
        if (r < 0)
                return ctl_failed(c, r, NULL);
        if (c->json) {
                json_append(array, run_view_json(&v, /* with_object= */ true));
        } else {
                ctl_open_pager(c);
                print_run(c, &v);
        }
        return result_is_failure(v.result) ? CTL_RUN_FAILED : 0;
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
                ctl_about_argument(*job);
                r = ctl_is_run_number(*job) ? status_run(c, *job, array) : status_job(c, *job, array);
                ctl_error_ends(r);
                if (r == CTL_NO_DAEMON)
                        return r;
                ret = ret ?: r;
        }
        if (c->json)
                json_print_answers(json_object_get(array), !args[1]);
        return ret;
}
