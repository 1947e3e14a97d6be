/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* vaktctl why: what a job waits for and why, or what happened to one file, in the messages of the daemon. */

#include "client/job-view.h"
#include "client/run-view.h"
#include "ctl/alloc.h"
#include "ctl/ctl.h"
#include "ctl/file-name.h"
#include "ctl/journal.h"
#include "ctl/view-json.h"
#include "ctl/view-text.h"

#define LOOK_BACK_MAX 100 /* runs that are searched for one that was started */

/* What is missing from the output of the last run that was started. */
static int look_for_dropped(const RunView *v, void *userdata) {
        const JournalScope scope = { .run = v->id, .unit = v->unit, .requested = v->requested };
        char **message = userdata;
        uint64_t n;

        if (v->started == 0)
                return 0;
        n = isempty(v->unit) ? 0 : journal_count_dropped(&scope);
        if (n > 0)
                *message = run_view_dropped_message(v->id, n);
        return 1;
}

static int add_dropped(Ctl *c, const char *job, Rows *e, char **ret_message) {
        int r;

        r = run_view_list(c->connection, &(RunFilter){ .job = job }, LOOK_BACK_MAX, look_for_dropped, ret_message,
                          &c->error);
        if (r < 0 || !*ret_message)
                return r;
        e->pairs = alloc_array(e->pairs, e->n_items + 2, sizeof(PropertyPair));
        e->pairs[e->n_items++] = (PropertyPair){ "output", *ret_message };
        e->pairs[e->n_items] = (PropertyPair){ 0 };
        return 0;
}

static int print_json(const char *job, const char *path, const PropertyPair *pairs) {
        json_object *o = json_new_object();

        json_add_string(o, "job", job);
        json_add(o, "path", NULL);
        if (path)
                json_add_path(o, "path", path, strlen(path));
        json_add(o, "reasons", rows_json(pairs, "a(ss)", (const char *const[]){ "topic", "message" }));
        return json_print(o);
}

int verb_why(Ctl *c, char **args) {
        _cleanup_(rows_done) Rows e = { 0 };
        _cleanup_free_ char *dropped = NULL, *path = NULL;
        size_t width = 0;
        int r;

        if (args[1]) {
                path = file_name_from_argument(args[1]);
                if (!path) {
                        ctl_complain(
                                _("'%s' is not an absolute path, and the working directory cannot be determined: %s."),
                                args[1], strerror(errno));
                        return CTL_FAILED;
                }
        }
        r = job_explanation_get(c->connection, args[0], path, &c->error, &e);
        if (r >= 0 && !path)
                r = add_dropped(c, args[0], &e, &dropped);
        if (r < 0)
                return ctl_failed(c, r, NULL);
        if (c->json)
                return print_json(args[0], path, e.pairs);
        for (const PropertyPair *p = e.pairs; p->key; p++)
                width = MAX(width, strlen(p->key));
        for (const PropertyPair *p = e.pairs; p->key; p++) {
                _cleanup_free_ char *label = alloc_format("%s:", p->key);

                printf("%-*s ", (int)width + 1, label);
                ctl_print_colored(c, COLOR_NONE, p->value);
                putchar('\n');
        }
        return CTL_DONE;
}
