/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* vaktctl diff: what is on disk against what is in force. The daemon tells what it has read, and the files are read
 * here, from its directories and by its code. */

#include "client/definition-view.h"
#include "config/job-loader.h"
#include "config/job-texts.h"
#include "ctl/alloc.h"
#include "ctl/job-diff.h"
#include "util/array.h"
#include "util/places.h"
#include "util/strv.h"

/* All that is compared. */
typedef struct Comparison {
        Ctl *ctl;
        DaemonView daemon;
        Rows rows; /* of definitions in force */
        JobDiffContext context;
        char host[HOST_SIZE];
        JobLoader *loader;
        const LoadedJob *loaded;
        size_t n_loaded;
        json_object *array;
        size_t n_differences, n_invalid;
} Comparison;

static void comparison_done(Comparison *k) {
        job_loader_free(k->loader);
        zone_cache_free(k->context.file.zones);
        rows_done(&k->rows);
        daemon_view_done(&k->daemon);
        json_object_put(k->array);
}

static int begin(Ctl *c, Comparison *k) {
        int r;

        k->array = json_new_array();
        r = daemon_view_get(c->connection, &c->error, &k->daemon);
        if (r >= 0)
                r = definition_rows_get(c->connection, &c->error, &k->rows);
        if (r < 0)
                return ctl_failed(c, r, NULL);
        alloc_extendf(&k->daemon.directories, "%s/" PLACES_ONCE, k->daemon.state_directory);
        r = job_diff_context_init(&k->context, c->user, &k->daemon, k->host);
        if (r >= 0)
                return CTL_DONE;
        ctl_complain(_("Cannot read the time zones of the system: %s."), strerror(-r));
        return CTL_FAILED;
}

static const DefinitionRow *find_in_force(const Comparison *k, const char *job) {
        const DefinitionRow *rows = k->rows.definitions;
        size_t at = BISECT(k->rows.n_items, i, strcmp(rows[i].job, job) < 0);

        return at < k->rows.n_items && streq(rows[at].job, job) ? &rows[at] : NULL;
}

/* --- one job --- */

/* problem: what is wrong with it beside its own lines, or NULL. */
static int show_difference(Comparison *k, const char *name, const JobVersion *before, const JobVersion *after,
                           const Diagnostics *problems) {
        _cleanup_(job_diff_freep) JobDiff *d = job_diff_new(&k->context, name, before, after, problems);

        if (job_diff_is_empty(d))
                return CTL_DONE;
        if (k->ctl->json)
                json_append(k->array, job_diff_json(d));
        else {
                ctl_open_pager(k->ctl);
                if (k->n_differences > 0)
                        putchar('\n');
                job_diff_print(k->ctl, d, N_("  NEXT ELAPSES IN FORCE"), N_("NEXT ELAPSES ON DISK"));
        }
        k->n_differences++;
        k->n_invalid += job_diff_is_invalid(d);
        return CTL_DONE;
}

static int compare_job(Comparison *k, const char *name, const Diagnostic *problem) {
        _cleanup_(definition_view_done) DefinitionView in_force = { 0 };
        _cleanup_(job_texts_freep) JobText *texts = NULL;
        _cleanup_(diagnostics_done) Diagnostics problems = { 0 };
        _cleanup_free_ char *mask = NULL;
        JobText texts_in_force[2] = { 0 };
        JobVersion before = { 0 }, after = { .has_places = true };
        Ctl *c = k->ctl;
        int r;

        if (find_in_force(k, name)) {
                r = definition_view_get(c->connection, name, &c->error, &in_force);
                if (r < 0)
                        return ctl_failed(c, r, NULL);
                texts_in_force[0] = (JobText){ (char *)in_force.file, (char *)in_force.text, strlen(in_force.text) };
                before = (JobVersion){ .file = in_force.file, .texts = texts_in_force };
        }
        r = job_texts_read(k->daemon.directories, name, getuid(), &texts, &mask, &problems);
        if (r >= 0 && problem)
                r = diagnostics_add(&problems, problem->file, problem->line, "%s", problem->message);
        if (r == -ENOMEM)
                alloc_failed();
        if (!before.file && !texts && !mask && problems.n_items == 0) {
                ctl_complain(_("There is no job '%s', neither in force nor on disk."), name);
                return CTL_NO_SUCH_JOB;
        }
        after.texts = texts;
        after.file = texts ? texts[0].path : NULL;
        after.mask = mask;
        return show_difference(k, name, &before, &after, &problems);
}

static int compare_named(Comparison *k, const char *name) {
        if (job_name_is_valid(name) && name[strlen(name) - 1] == '@') {
                ctl_complain(_("%s is a template; name one of its instances, such as %sNAME."), name, name);
                return CTL_USAGE;
        }
        if (job_name_is_valid(name))
                return compare_job(k, name, NULL);
        ctl_complain(_("'%s' is no name of a job."), name);
        return CTL_NO_SUCH_JOB;
}

/* --- all jobs --- */

static int load(Comparison *k) {
        int r;

        r = job_loader_new(&k->loader, k->daemon.directories, getuid(), k->context.file.zones, k->context.file.target,
                           k->daemon.state_directory);
        if (r >= 0)
                r = job_loader_load(k->loader, k->context.now.realtime);
        if (r < 0) {
                ctl_complain(_("Cannot read the files: %s."), strerror(-r));
                return CTL_FAILED;
        }
        k->loaded = job_loader_jobs(k->loader, &k->n_loaded);
        return CTL_DONE;
}

/* An instance that was asked for by name has no file of its own. */
static bool instance_is_same(Comparison *k, const DefinitionRow *row) {
        _cleanup_(job_def_unrefp) JobDef *d = NULL;

        return job_loader_instantiate(k->loader, row->job, &d, NULL) >= 0 && d->digest == row->digest;
}

/* Walks both lists, which are sorted by name. */
static int compare_all(Comparison *k) {
        size_t i = 0, n = 0;
        int r, ret = load(k);

        if (ret != CTL_DONE)
                return ret;
        while (i < k->rows.n_items || n < k->n_loaded) {
                const DefinitionRow *row = i < k->rows.n_items ? &k->rows.definitions[i] : NULL;
                const LoadedJob *loaded = n < k->n_loaded ? &k->loaded[n] : NULL;
                int order = !row ? 1 : !loaded ? -1 : strcmp(row->job, loaded->name);

                i += order <= 0;
                n += order >= 0;
                if (order < 0 ? instance_is_same(k, row)
                              : order == 0 && loaded->def && loaded->def->digest == row->digest)
                        continue;
                r = compare_job(k, order < 0 ? row->job : loaded->name, order < 0 ? NULL : loaded->problem);
                ret = MAX(ret, r);
                if (r == CTL_NO_DAEMON)
                        break;
        }
        return ret;
}

/* A reload changes nothing about what is invalid. */
static void print_sum(const Comparison *k) {
        size_t n = k->n_differences, n_invalid = k->n_invalid;

        if (n == n_invalid)
                ctl_say(k->ctl, stdout,
                        ngettext("\n%zu job differs, but is invalid; correct its files before 'vaktctl reload'.",
                                 "\n%zu jobs differ, but are invalid; correct their files before 'vaktctl reload'.",
                                 n),
                        n);
        else
                ctl_say(k->ctl, stdout,
                        ngettext("\n%zu job differs; 'vaktctl reload' puts what is on disk into force.",
                                 "\n%zu jobs differ; 'vaktctl reload' puts what is on disk into force.", n),
                        n);
        if (n_invalid > 0 && n_invalid < n)
                ctl_say(k->ctl, stdout,
                        ngettext("%zu of them is invalid, and a reload does not change it.",
                                 "%zu of them are invalid, and a reload does not change them.", n_invalid),
                        n_invalid);
}

int verb_diff(Ctl *c, char **args) {
        _cleanup_(comparison_done) Comparison k = { .ctl = c };
        int r, ret = begin(c, &k);

        if (ret != CTL_DONE)
                return ret;
        if (!args[0])
                ret = compare_all(&k);
        STRV_FOREACH(job, args) {
                r = compare_named(&k, *job);
                ret = MAX(ret, r);
        }
        if (c->json)
                json_print(json_object_get(k.array));
        if (ret != CTL_DONE)
                return ret;
        if (k.n_differences == 0) {
                ctl_say(c, stdout, _("What is on disk is in force."));
                return CTL_DONE;
        }
        print_sum(&k);
        return CTL_FAILED;
}
