/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* vaktctl plan: the files that a job's [Path] matches now. A name may contain any byte except slash and NUL, so there
 * are three ways to print it: harmless for a terminal, unchanged, and in JSON. The daemon sends no more than was
 * requested; an incomplete list is always reported, because the user may act on it. */

#include "client/job-view.h"
#include "ctl/alloc.h"
#include "ctl/ctl.h"
#include "ctl/json.h"

#define LIMIT_DEFAULT 10000

static int print_json(const JobPlan *p) {
        json_object *array = json_new_array();

        for (size_t i = 0; i < p->n_files; i++) {
                const PlannedFile *f = &p->files[i];
                json_object *o = json_new_object();

                json_add_path(o, "path", f->path, f->n);
                json_append(array, o);
        }
        return json_print(array);
}

static void print_files(const Ctl *c, const JobPlan *p) {
        for (size_t i = 0; i < p->n_files; i++) {
                const PlannedFile *f = &p->files[i];
                bool escape = c->terminal && !c->null;
                _cleanup_free_ char *escaped = escape ? text_escape_n(f->path, f->n, 0) : NULL;

                fwrite(escaped ?: f->path, 1, escaped ? strlen(escaped) : f->n, stdout);
                putchar(c->null ? '\0' : '\n');
        }
}

/* "10000 of 24000 files are listed; …" or "12 files match." The caller frees it. */
static char *count_message(const Ctl *c, const JobPlan *p) {
        if (p->n_files == p->total)
                return p->total == 0 ? alloc_string("Nothing matches.")
                                     : alloc_format("%" PRIu64 " file%s match%s.", p->total, PLURAL(p->total),
                                                    p->total == 1 ? "es" : "");
        if ((c->limit ?: LIMIT_DEFAULT) > p->n_files)
                return alloc_format("%zu of %" PRIu64 " files are listed: more do not fit into one reply of vaktd.",
                                    p->n_files, p->total);
        return alloc_format("%zu of %" PRIu64 " files are listed; use --limit=%" PRIu64 " to list all.", p->n_files,
                            p->total, p->total);
}

/* A watch that is not fully active explains a list that is shorter than expected. */
static int explain_watches(Ctl *c, const char *job) {
        _cleanup_(job_view_done) JobView v = { 0 };
        int r;

        r = job_view_get(c->connection, job, &c->error, &v);
        if (r < 0)
                return ctl_failed(c, r, NULL);
        for (const PropertyWatch *w = v.watches; w && w->key; w++)
                if (!streq(w->state, "active") && !streq(w->key, "Monitor"))
                        ctl_say(c, stdout, "%s=%s is %s%s%s", w->key, w->path, w->state,
                                isempty(w->message) ? "." : ": ", w->message);
        return 0;
}

int verb_plan(Ctl *c, char **args) {
        _cleanup_(job_plan_done) JobPlan p = { 0 };
        _cleanup_free_ char *message = NULL;
        int r;

        if (c->json && c->null) {
                ctl_complain("--json and --null cannot be combined.");
                return CTL_USAGE;
        }
        r = job_plan_get(c->connection, args[0], c->limit ?: LIMIT_DEFAULT, &c->error, &p);
        if (r < 0)
                return ctl_failed(c, r, NULL);
        message = count_message(c, &p);
        if (c->terminal && !c->json && !c->null) {
                ctl_open_pager(c);
                print_files(c, &p);
                if (!c->no_legend && !c->quiet) {
                        ctl_say(c, stdout, "%s%s", p.n_files > 0 ? "\n" : "", message);
                        return explain_watches(c, args[0]);
                }
        } else if (c->json)
                r = print_json(&p);
        else
                print_files(c, &p);
        if (p.n_files < p.total)
                ctl_complain("%s", message);
        return r;
}
