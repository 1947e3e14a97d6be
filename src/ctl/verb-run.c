/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* vaktctl run: requests a run and, if requested, waits for its end and shows its output.
 *
 * The source of the output depends on how the run is executed. A child of vaktd writes to pipes that vaktd holds, and
 * vaktd sends the lines here as they arrive. A run in a unit writes to the journal, without vaktd, and is read from
 * there: what it writes before this program looks is not lost, and a restart of vaktd is not noticed. The journal has
 * one stream for both standard output and standard error, so all of it goes to standard output. */

#include "ctl/alloc.h"
#include "ctl/file-name.h"
#include "ctl/journal-tail.h"
#include "ctl/json.h"
#include "ctl/view-json.h"
#include "ctl/view-text.h"
#include "util/strv.h"

#define EXIT_SIGNAL_BASE 128 /* as shells count */

/* Requests a run. Returns like ctl_call(); the caller frees the object path. */
static int request(Ctl *c, char **args, uint64_t *ret_id, char **ret_object) {
        _cleanup_free_ char *look_at = alloc_format("vaktctl history %s", args[0]);
        _cleanup_(strv_freep) char **files = NULL;
        int r;

        for (char **file = args + 1; *file; file++) {
                char *path = file_name_from_argument(*file);

                if (!path) {
                        ctl_complain("%s", strerror(errno));
                        return CTL_FAILED;
                }
                if (strv_consume(&files, path) < 0)
                        alloc_failed();
        }
        r = run_view_request(c->connection, args[0], files, c->follow, c->now, &c->error, ret_id, ret_object);
        return r < 0 ? ctl_failed(c, r, look_at) : 0;
}

static void complain_of_run(const RunView *v) {
        _cleanup_free_ char *message = run_view_message(v);

        ctl_complain("%s", message);
}

static void say_of_run(const Ctl *c, FILE *f, const RunView *v) {
        _cleanup_free_ char *message = run_view_message(v), *usage = run_view_usage(v);

        ctl_say(c, f, "%s", message);
        if (usage)
                ctl_say(c, f, "%s", usage);
}

/* Without --wait: the run was requested, or was refused. */
static int run_only(Ctl *c, char **args) {
        _cleanup_(run_view_done) RunView v = { 0 };
        _cleanup_free_ char *object = NULL;
        uint64_t id;
        int r;

        r = request(c, args, &id, &object);
        if (r != 0)
                return r;
        r = run_view_get_object(c->connection, object, /* once= */ false, &c->error, &v);
        if (r < 0)
                return ctl_failed(c, r, NULL);
        if (c->json)
                json_print(run_view_json(&v));
        else if (c->quiet) /* of every run that has a number, regardless of its result */
                printf("%" PRIu64 "\n", id);
        if (streq(v.result, "skipped") || streq(v.result, "start-failed")) {
                complain_of_run(&v);
                return CTL_FAILED;
        }
        ctl_say(c, stdout, "Run %" PRIu64 " of job %s was requested.", id, v.job);
        return CTL_DONE;
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
        ctl_complain("Cannot show the output of the run. %s", message ?: strerror(-r));
}

static void on_broken(void *userdata) {
        const Follower *f = userdata;

        ctl_complain("The connection to vaktd was lost; still waiting%s.",
                     f->ctl->follow && !f->tail ? ", without the output of the run, which is in the journal" : "");
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
                .seen = c->follow ? on_seen : NULL,
                .output = c->follow ? on_output : NULL,
                .broken = on_broken,
                .userdata = f,
        };
        _cleanup_free_ char *object = NULL;
        uint64_t id;
        int r;

        r = ctl_waiter_new(c, &options, &f->waiter);
        if (r == 0)
                r = request(c, args, &id, &object);
        if (r == 0)
                r = ctl_wait(c, f->waiter, args[0], id, object, ret);
        if (r == 0 && f->tail)
                journal_tail_finish(f->tail);
        return r;
}

static int run_and_wait(Ctl *c, char **args) {
        _cleanup_(follower_done) Follower f = { .ctl = c };
        _cleanup_(run_view_done) RunView v = { 0 };
        int r;

        r = wait_for_run(c, args, &f, &v);
        if (r != 0)
                return r;
        if (!c->follow && !isempty(v.unit) && !ctl_is_remote(c)) {
                /* After one request, the journal may read what the run wrote just afterwards; at the second one, it
                 * has begun. */
                if (journal_synchronize() < 0 && journal_knock() >= 0)
                        (void)journal_knock();
                complain_of_dropped(v.id, journal_count_dropped(&(JournalScope){
                                                  .run = v.id, .unit = v.unit, .requested = v.requested }));
        }
        if (c->json)
                json_print(run_view_json(&v));
        if (!run_view_is_success(&v)) {
                complain_of_run(&v);
                return c->follow ? exit_code_of_run(&v) : CTL_RUN_FAILED;
        }
        say_of_run(c, c->follow ? stderr : stdout, &v);
        return CTL_DONE;
}

int verb_run(Ctl *c, char **args) {
        if (c->json && c->follow) {
                ctl_complain("--json and --follow cannot be combined; use --wait instead.");
                return CTL_USAGE;
        }
        if (c->follow && ctl_is_remote(c)) {
                ctl_complain(
                        "--follow cannot be combined with --host= or --machine=, because the output is in the journal "
                        "there; use --wait, and then 'vaktctl log'.");
                return CTL_USAGE;
        }
        return c->wait || c->follow ? run_and_wait(c, args) : run_only(c, args);
}
