/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* vaktctl run: requests a run and, if requested, waits for its end and shows its output. Runs of several jobs are all
 * requested before the first one is waited for.
 *
 * The source of the output depends on how the run is executed. A child of vaktd writes to pipes that vaktd holds, and
 * vaktd sends the lines here as they arrive. A run in a unit writes to the journal, without vaktd, and is read from
 * there: what it writes before this program looks is not lost, and a restart of vaktd is not noticed. The journal has
 * one stream for both standard output and standard error, so all of it goes to standard output. */

#include <fnmatch.h>

#include "client/job-view.h"
#include "ctl/alloc.h"
#include "ctl/file-name.h"
#include "ctl/journal-tail.h"
#include "ctl/json.h"
#include "ctl/progress-line.h"
#include "ctl/view-json.h"
#include "ctl/view-text.h"
#include "job/path-def.h"
#include "util/array.h"
#include "util/strv.h"

/* Requests a run of a job with these files. Returns like ctl_call(); the caller frees the object path. */
static int request(Ctl *c, const char *job, char **arguments, uint64_t *ret_id, char **ret_object) {
        _cleanup_free_ char *look_at = alloc_format("vaktctl history %s", job);
        _cleanup_(strv_freep) char **files = NULL;
        int r;

        STRV_FOREACH(file, arguments) {
                char *path = file_name_from_argument(*file);

                if (!path) {
                        ctl_complain("%s", strerror(errno));
                        return CTL_FAILED;
                }
                if (strv_consume(&files, path) < 0)
                        alloc_failed();
        }
        r = run_view_request(c->connection, job, files, c->follow, c->now, &c->error, ret_id, ret_object);
        return r < 0 ? ctl_failed(c, r, look_at) : 0;
}

static void complain_of_run(const RunView *v) {
        _cleanup_free_ char *message = run_view_message(v);

        ctl_about(v->job, v->id);
        ctl_complain("%s", message);
}

static void say_of_run(const Ctl *c, FILE *f, const RunView *v) {
        _cleanup_free_ char *message = run_view_message(v), *usage = run_view_usage(v);

        ctl_say(c, f, "%s", message);
        if (usage)
                ctl_say(c, f, "%s", usage);
}

/* Prints what is known of the run that was just requested: that it was, or why it was refused. It is appended to
 * array instead with --json, unless that is NULL. */
static int report_request(Ctl *c, uint64_t id, const char *object, json_object *array) {
        _cleanup_(run_view_done) RunView v = { 0 };
        int r;

        r = run_view_get_object(c->connection, object, /* once= */ false, &c->error, &v);
        if (r < 0)
                return ctl_failed(c, r, NULL);
        if (c->json && array)
                json_append(array, run_view_json(&v, /* with_object= */ true));
        else if (c->json)
                json_print(run_view_json(&v, /* with_object= */ true));
        else if (c->quiet) /* of every run that has a number, regardless of its result */
                printf("%" PRIu64 "\n", id);
        if (streq(v.result, "skipped") || streq(v.result, "start-failed")) {
                complain_of_run(&v);
                return CTL_FAILED;
        }
        ctl_say(c, stdout, _("Run %" PRIu64 " of job %s was requested."), id, v.job);
        return CTL_DONE;
}

static int run_only(Ctl *c, char **args) {
        _cleanup_free_ char *object = NULL;
        uint64_t id;
        int r;

        r = request(c, args[0], args + 1, &id, &object);
        return r != 0 ? r : report_request(c, id, object, NULL);
}

/* --- following --- */

typedef struct Follower {
        const Ctl *ctl;
        RunWaiter *waiter;
        JournalTail *tail;
        bool no_journal; /* told already */
} Follower;

static void follower_done(Follower *f) {
        f->tail = journal_tail_free(f->tail);
        f->waiter = run_waiter_free(f->waiter);
}

/* A line is escaped on a terminal, otherwise unchanged. */
static void print_output(FILE *f, const char *line, size_t n) {
        _cleanup_free_ char *escaped = NULL;

        if (isatty(fileno(f))) {
                escaped = text_escape_n(line, n, TEXT_KEEP_LINES);
                line = escaped;
                n = strlen(escaped);
        }
        (void)fwrite(line, 1, n, f);
        fputc('\n', f);
        fflush(f);
}

static void on_output(const char *line, size_t n, bool is_stderr, void *userdata) {
        print_output(is_stderr ? stderr : stdout, line, n);
}

static void complain_of_dropped(uint64_t run, uint64_t n) {
        _cleanup_free_ char *message = n > 0 ? run_view_dropped_message(run, n) : NULL;

        if (message)
                ctl_complain("%s", message);
}

static void on_journal_line(const JournalLine *line, void *userdata) {
        if (line->dropped > 0)
                complain_of_dropped(line->run, line->dropped);
        else
                print_output(stdout, line->message, line->n);
}

/* Opens the journal as soon as it is known which lines belong to the run. */
static void on_seen(const RunView *v, void *userdata) {
        Follower *f = userdata;
        const JournalScope scope = {
                .job = v->job,
                .run = v->id,
                .unit = v->unit,
                .invocation = v->invocation,
                .requested =
                        v->requested, /* and .ended = 0: everything that arrives while it is followed, however late */
                .user = f->ctl->user,
                .output_only = true,
        };
        _cleanup_(journal_freep) Journal *journal = NULL;
        _cleanup_free_ char *message = NULL;
        int r;

        if (f->tail || f->no_journal || !journal_scope_is_known(&scope))
                return;
        r = journal_open(&scope, &journal, &message);
        if (r >= 0)
                r = journal_tail_new(&f->tail, journal, run_waiter_event(f->waiter), on_journal_line, f);
        if (r >= 0) {
                (void)TAKE_PTR(journal);
                return;
        }
        f->no_journal = true;
        ctl_complain(_("Cannot show the output of the run. %s"), message ?: strerror(-r));
}

static void on_broken(void *userdata) {
        const Follower *f = userdata;

        progress_line_clear();
        ctl_complain(f->ctl->follow && !f->tail
                             ? _("The connection to vaktd was lost; still waiting, without the output of the run, "
                                 "which is in the journal.")
                             : _("The connection to vaktd was lost; still waiting."));
}

static void on_progress(const RunView *v, void *userdata) {
        const Follower *f = userdata;

        progress_line_show(f->ctl, v);
}

/* --- waiting --- */

/* The exit status of vaktctl after it has followed a run: that of the run. */
static int exit_code_of_run(const RunView *v) {
        if (run_view_is_success(v))
                return CTL_DONE;
        if (streq(v->result, "exit") && v->code > 0 && v->code <= UINT8_MAX)
                return v->code;
        if (streq(v->result, "signal") && v->code > 0 && v->code < EXIT_SIGNAL_BASE)
                return EXIT_SIGNAL_BASE + v->code;
        return CTL_RUN_FAILED;
}

static int wait_for_run(Ctl *c, char **args, Follower *f, RunView *ret) {
        const RunWaiterOptions options = {
                .seen = c->follow               ? on_seen
                        : progress_is_wanted(c) ? on_progress
                                                : NULL,
                .output = c->follow ? on_output : NULL,
                .broken = on_broken,
                .userdata = f,
        };
        _cleanup_free_ char *object = NULL;
        uint64_t id;
        int r;

        r = ctl_waiter_new(c, &options, &f->waiter);
        if (r == 0)
                r = request(c, args[0], args + 1, &id, &object);
        if (r == 0)
                r = ctl_wait(c, f->waiter, args[0], id, object, ret);
        if (r == 0 && f->tail)
                journal_tail_finish(f->tail);
        return r;
}

/* Says of a run whose output nobody reads here if the journal lacks some of it. */
static void complain_of_lost_output(const RunView *v) {
        if (isempty(v->unit))
                return;
        /* After one request, the journal may read what the run wrote just afterwards; at the second one, it has
         * begun. */
        if (journal_synchronize() < 0 && journal_knock() >= 0)
                (void)journal_knock();
        complain_of_dropped(v->id, journal_count_dropped(&(JournalScope){
                                           .run = v->id, .unit = v->unit, .requested = v->requested }));
}

static int run_and_wait(Ctl *c, char **args) {
        _cleanup_(follower_done) Follower f = { .ctl = c };
        _cleanup_(run_view_done) RunView v = { 0 };
        int r;

        r = wait_for_run(c, args, &f, &v);
        if (r != 0)
                return r;
        if (!c->follow && !ctl_is_remote(c))
                complain_of_lost_output(&v);
        if (c->json)
                json_print(run_view_json(&v, /* with_object= */ true));
        else if (c->quiet && !c->follow)
                printf("%" PRIu64 "\n", v.id);
        if (!run_view_is_success(&v)) {
                complain_of_run(&v);
                return c->follow ? exit_code_of_run(&v) : CTL_RUN_FAILED;
        }
        say_of_run(c, c->follow ? stderr : stdout, &v);
        return CTL_DONE;
}

/* --- several jobs --- */

static bool is_pattern(const char *word) {
        return strpbrk(word, "*?[");
}

/* Whether a job takes the words behind its name as files: one of them cannot be the name of a job, or the job
 * watches paths. */
static bool takes_files(Ctl *c, char **args) {
        _cleanup_(job_view_done) JobView v = { 0 };

        STRV_FOREACH(word, args + 1)
                if (strchr(*word, '/'))
                        return true;
        if (!args[1] || is_pattern(args[0]))
                return false;
        if (job_view_get(c->connection, args[0], &c->error, &v) < 0) {
                sd_bus_error_free(&c->error); /* which the request reports */
                return false;
        }
        for (const PropertyPair *t = v.triggers; t && t->key; t++)
                if (path_kind_from_string(t->key) >= 0)
                        return true;
        return false;
}

static void add_job(char ***jobs, const char *name) {
        STRV_FOREACH(job, *jobs)
                if (streq(*job, name))
                        return;
        alloc_extend(jobs, name);
}

/* The jobs that names and patterns stand for, each of them once. A pattern does not stand for disabled jobs. Returns
 * an exit status, and all jobs that were found in any case. */
static int find_jobs(Ctl *c, char **words, char ***jobs) {
        _cleanup_(rows_done) Rows rows = { 0 };
        int r, ret = CTL_DONE;

        r = job_rows_get(c->connection, &c->error, &rows);
        if (r < 0)
                return ctl_failed(c, r, NULL);
        STRV_FOREACH(word, words) {
                bool found = false;

                if (!is_pattern(*word)) {
                        add_job(jobs, *word);
                        continue;
                }
                for (size_t i = 0; i < rows.n_items; i++)
                        if (!streq(rows.jobs[i].state, "disabled") && fnmatch(*word, rows.jobs[i].name, 0) == 0) {
                                add_job(jobs, rows.jobs[i].name);
                                found = true;
                        }
                if (!found) {
                        ctl_complain(_("No job that is enabled matches '%s'; see 'vaktctl list'."), *word);
                        ret = CTL_NO_SUCH_JOB;
                }
        }
        return ret;
}

typedef struct Requested {
        const char *job;
        uint64_t id;
        char *object;
} Requested;

/* Waits for the end of each run, in order. The others go on if that is interrupted. */
static int wait_for_runs(Ctl *c, RunWaiter *w, const Requested *runs, size_t n, json_object *array) {
        int ret = CTL_DONE;

        for (size_t i = 0; i < n; i++) {
                _cleanup_(run_view_done) RunView v = { 0 };
                int code, r = ctl_wait(c, w, runs[i].job, runs[i].id, runs[i].object, &v);

                ret = MAX(ret, r);
                if (r != 0 && sd_event_get_exit_code(run_waiter_event(w), &code) >= 0) {
                        for (i++; i < n; i++)
                                ctl_complain(_("Run %" PRIu64 " of job %s continues, too."), runs[i].id, runs[i].job);
                        return ret;
                }
                if (r != 0)
                        continue;
                if (!ctl_is_remote(c))
                        complain_of_lost_output(&v);
                if (c->json)
                        json_append(array, run_view_json(&v, /* with_object= */ true));
                else if (c->quiet)
                        printf("%" PRIu64 "\n", v.id);
                if (run_view_is_success(&v)) {
                        say_of_run(c, stdout, &v);
                        continue;
                }
                complain_of_run(&v);
                ctl_error_ends(CTL_RUN_FAILED);
                ret = MAX(ret, (int)CTL_RUN_FAILED);
        }
        return ret;
}

/* Requests a run of each, and waits for them with --wait. Exit statuses are numbered so that the highest one is that
 * of the worst. */
static int run_jobs(Ctl *c, char **jobs, json_object *array) {
        _cleanup_(run_waiter_freep) RunWaiter *w = NULL;
        const RunWaiterOptions options = {
                .seen = progress_is_wanted(c) ? on_progress : NULL,
                .broken = on_broken,
                .userdata = &(Follower){ .ctl = c },
        };
        _cleanup_free_ Requested *runs = alloc_array(NULL, strv_length(jobs), sizeof(Requested));
        size_t n = 0;
        int ret;

        ret = c->wait ? ctl_waiter_new(c, &options, &w) : CTL_DONE;
        if (ret != CTL_DONE)
                return ret;
        for (char **job = jobs; *job && ret != CTL_NO_DAEMON; job++) {
                Requested *run = &runs[n];
                int r;

                *run = (Requested){ .job = *job };
                ctl_about(*job, 0);
                r = request(c, *job, NULL, &run->id, &run->object);
                if (r == 0)
                        n++;
                if (r == 0 && !c->wait)
                        r = report_request(c, run->id, run->object, array);
                ctl_error_ends(r);
                ret = MAX(ret, r);
        }
        if (c->wait)
                ret = MAX(ret, wait_for_runs(c, w, runs, n, array));
        for (size_t i = 0; i < n; i++)
                free(runs[i].object);
        return ret;
}

static int run_several(Ctl *c, char **words) {
        _cleanup_(json_putp) json_object *array = json_new_array();
        _cleanup_(strv_freep) char **jobs = NULL;
        int ret = find_jobs(c, words, &jobs);

        if (!jobs)
                return ret;
        if (c->follow && strv_length(jobs) > 1) {
                ctl_complain(_("--follow shows the output of one job only; use --wait for several."));
                return CTL_USAGE;
        }
        if (c->follow)
                return MAX(ret, run_and_wait(c, jobs));
        ret = MAX(ret, run_jobs(c, jobs, array));
        if (c->json)
                json_print(json_object_get(array));
        return ret;
}

int verb_run(Ctl *c, char **args) {
        if (c->json && c->follow) {
                ctl_complain(_("--json and --follow cannot be combined; use --wait instead."));
                return CTL_USAGE;
        }
        if (c->follow && ctl_is_remote(c)) {
                ctl_complain(_(
                        "--follow cannot be combined with --host= or --machine=, because the output is in the journal "
                        "there; use --wait, and then 'vaktctl log'."));
                return CTL_USAGE;
        }
        if ((args[1] || is_pattern(args[0])) && !takes_files(c, args))
                return run_several(c, args);
        return c->wait || c->follow ? run_and_wait(c, args) : run_only(c, args);
}
