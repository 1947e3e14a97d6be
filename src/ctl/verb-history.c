/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* vaktctl history: past runs, newest first. The daemon filters; the words of the options are checked here, so that an
 * invalid one is refused with a list of valid ones before the daemon is asked. */

#include "client/run-view.h"
#include "ctl/alloc.h"
#include "ctl/ctl.h"
#include "ctl/json.h"
#include "ctl/local-zone.h"
#include "ctl/view-json.h"
#include "ctl/view-text.h"
#include "job/run.h"
#include "util/strv.h"

#define LINES_DEFAULT 25

/* --- the words of --result and --cause --- */

static const char *result_word(int i) {
        return i < _RUN_RESULT_MAX ? run_result_to_string((RunResult)i) : NULL;
}

static const char *cause_word(int i) {
        return i < _RUN_CAUSE_MAX ? run_cause_to_string((RunCause)i) : NULL;
}

static int find_result(const char *word) {
        int i = run_result_from_string(word);

        return i == RUN_RESULT_NONE ? -EINVAL : i; /* its word is the empty one */
}

typedef struct Words {
        const char *option;
        const char *(*word)(int i);    /* from first on; NULL: there are no more */
        int (*find)(const char *word); /* negative: it is none */
        int first;
        bool failed; /* the word "failed" stands for all failures */
} Words;

static const Words result_words = { "--result", result_word, find_result, RUN_RESULT_NONE + 1, true };
static const Words cause_words = { "--cause", cause_word, run_cause_from_string, 0, false };

static int complain_of_word(const Words *w, const char *given) {
        _cleanup_free_ char *list = alloc_string(w->failed ? "failed" : w->word(w->first));

        for (int i = w->failed ? w->first : w->first + 1; w->word(i); i++) {
                char *longer = alloc_format("%s, %s", list, w->word(i));

                free(list);
                list = longer;
        }
        ctl_complain(_("%s requires a list, separated by commas, of %s, not '%s'."), w->option, list, given);
        return CTL_USAGE;
}

/* Splits "exit,timeout" and appends the words. Returns an exit status. */
static int read_words(const Words *w, const char *text, char ***ret) {
        for (const char *p = text;; p++) {
                size_t n = strcspn(p, ",");
                _cleanup_free_ char *word = alloc_format("%.*s", (int)n, p);

                if (w->failed && streq(word, "failed")) {
                        for (int i = 0; i < _RUN_RESULT_MAX; i++)
                                if (run_result_is_failure((RunResult)i))
                                        alloc_extend(ret, run_result_to_string((RunResult)i));
                } else if (w->find(word) < 0)
                        return complain_of_word(w, word);
                else
                        alloc_extend(ret, word);
                p += n;
                if (*p == '\0')
                        return CTL_DONE;
        }
}

/* --- the filter --- */

static void filter_done(RunFilter *f) {
        f->results = strv_free(f->results);
        f->causes = strv_free(f->causes);
}

static int read_filter(const Ctl *c, RunFilter *f) {
        int r = local_zone_parse_range(c->since, c->until, now_realtime(), &f->since, &f->until);

        if (r == CTL_DONE && c->results)
                r = read_words(&result_words, c->results, &f->results);
        if (r == CTL_DONE && c->causes)
                r = read_words(&cause_words, c->causes, &f->causes);
        return r;
}

/* --- the verb --- */

static int print_run_json(const RunView *v, void *n) {
        json_print_item(n, run_view_json(v, /* with_object= */ false));
        return ferror(stdout) ? CTL_FAILED : 0;
}

static int note_run(const RunView *v, void *any) {
        *(bool *)any = true;
        return 0;
}

/* Nothing was printed: no run of the job matches, or none is remembered, or there is no such job. */
static int explain_nothing(Ctl *c, const RunFilter *f) {
        bool any = false;
        int r;

        r = run_view_list(c->connection, &(RunFilter){ .job = f->job }, 1, note_run, &any, &c->error);
        if (r < 0)
                return ctl_failed(c, r, NULL);
        r = !any && f->job ? ctl_call(c, &(MethodCall){ .member = "GetJob" }, NULL, "s", f->job) : 0;
        if (r == 0 && f->job && !any)
                ctl_say(c, stdout, _("Job %s has not run yet."), f->job);
        else if (r == 0)
                ctl_say(c, stdout, any ? _("No run matches.") : _("Nothing has run yet."));
        return r;
}

static int print_all_json(Ctl *c, const RunFilter *filter, unsigned limit) {
        size_t n = 0;
        int r = run_view_list(c->connection, filter, limit, print_run_json, &n, &c->error);

        if (r == 0 && n == 0 && filter->job) /* is there such a job? */
                r = ctl_call(c, &(MethodCall){ .member = "GetJob" }, NULL, "s", filter->job);
        return r < 0 ? ctl_failed(c, r, NULL) : r == 0 ? json_print_end(n) : r;
}

int verb_history(Ctl *c, char **args) {
        _cleanup_(filter_done) RunFilter filter = { .job = args[0] };
        unsigned limit = c->lines ?: LINES_DEFAULT;
        bool any = false;
        int r;

        r = read_filter(c, &filter);
        if (r != CTL_DONE)
                return r;
        if (c->json)
                return print_all_json(c, &filter, limit);
        r = run_view_print_table(c, &filter, limit, &any);
        return r != 0 || any ? r : explain_nothing(c, &filter);
}
