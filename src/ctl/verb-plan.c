/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* vaktctl plan: the files that a job's [Path] matches now, or what the program of a job with [Rotate] or [Clean] would
 * do. That program is executed here, with the lines of the job's files: the daemon runs nothing for those who only
 * look, and who asks sees no more than he may see anyway. It is our own program, whatever daemon answers. A name may
 * contain any byte except slash and NUL, so there are three ways to print it: harmless for a terminal, unchanged, and
 * in JSON. The daemon sends no more than was requested; an incomplete list is always reported, because the user may
 * act on it. */

#include <unistd.h>

#include "client/job-view.h"
#include "config/job-loader.h"
#include "ctl/alloc.h"
#include "ctl/ctl.h"
#include "ctl/json.h"
#include "util/places.h"
#include "util/strv.h"

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
                return p->total == 0 ? alloc_string(_("Nothing matches."))
                                     : alloc_format(ngettext("%" PRIu64 " file matches.", "%" PRIu64 " files match.",
                                                             p->total),
                                                    p->total);
        if ((c->limit ?: LIMIT_DEFAULT) > p->n_files)
                return alloc_format(_("%zu of %" PRIu64 " files are listed: more do not fit into one reply of vaktd."),
                                    p->n_files, p->total);
        return alloc_format(_("%zu of %" PRIu64 " files are listed; use --limit=%" PRIu64 " to list all."), p->n_files,
                            p->total, p->total);
}

/* A watch that is not fully active explains a list that is shorter than expected. */
static void explain_watches(const Ctl *c, const JobView *v) {
        for (const PropertyWatch *w = v->watches; w && w->key; w++)
                if (!streq(w->state, "active") && !streq(w->key, "Monitor"))
                        ctl_say(c, stdout, _("%s=%s is %s%s%s"), w->key, w->path, w->state,
                                isempty(w->message) ? "." : ": ", w->message);
}

/* The definition of the job as its files say now. Returns an exit status. */
static int read_definition(const Ctl *c, const JobView *v, JobDef **ret) {
        _cleanup_(strv_freep) char **dirs = ctl_job_directories(c->user, v->fragment);
        _cleanup_(zone_cache_freep) ZoneCache *zones = NULL;
        _cleanup_(job_loader_freep) JobLoader *loader = NULL;
        _cleanup_(diagnostics_done) Diagnostics d = { 0 };
        _cleanup_free_ char *state_dir = NULL;
        const LoadedJob *jobs = NULL;
        size_t n = 0;
        int r;

        r = places_state_dir(c->user, &state_dir);
        if (r >= 0)
                r = zone_cache_new(NULL, &zones);
        if (r >= 0)
                r = job_loader_new(&loader, dirs, getuid(), zones, c->user ? LOADER_FOR_USER_UNITS : LOADER_FOR_UNITS,
                                   state_dir);
        if (r >= 0)
                r = job_loader_load(loader, now_realtime());
        if (r >= 0)
                jobs = job_loader_jobs(loader, &n);
        for (size_t i = 0; i < n && !*ret; i++)
                if (streq(jobs[i].name, v->name))
                        *ret = job_def_ref(jobs[i].def);
        if (r >= 0 && !*ret)
                r = job_loader_instantiate(loader, v->name, ret, &d);
        if (r >= 0 && *ret && ((*ret)->rare->rotate || (*ret)->rare->clean))
                return CTL_DONE;
        ctl_complain(_("Cannot read job %s from its files%s%s. See 'vaktctl check' and 'vaktctl cat %s'."), v->name,
                     d.n_items > 0 ? ": " : "", d.n_items > 0 ? d.items[0].message : "", v->name);
        return r == -EACCES ? CTL_NOT_PERMITTED : CTL_FAILED;
}

static int plan_upkeep(const Ctl *c, const JobView *v) {
        _cleanup_(job_def_unrefp) JobDef *d = NULL;
        _cleanup_(strv_freep) char **argv = NULL;
        const CommandDef *command;
        int r;

        if (ctl_is_remote(c)) {
                ctl_complain(_("What job %s would do can only be seen on its own machine, where its files are."),
                             v->name);
                return CTL_FAILED;
        }
        r = read_definition(c, v, &d);
        if (r != CTL_DONE)
                return r;
        command = &d->commands[0];
        alloc_extend(&argv, command->argv[0]);
        alloc_extend(&argv, "--plan");
        if (c->json)
                alloc_extend(&argv, "--json");
        STRV_FOREACH(argument, command->argv + 1)
                alloc_extend(&argv, *argument);
        if (!c->user && geteuid() != 0)
                ctl_say(c, stderr, _("This is what you can see; the job may see more."));
        (void)fflush(stdout);
        (void)execv(command->path, argv);
        ctl_complain(_("Cannot execute %s: %s."), command->path, strerror(errno));
        return CTL_FAILED;
}

int verb_plan(Ctl *c, char **args) {
        _cleanup_(job_view_done) JobView v = { 0 };
        _cleanup_(job_plan_done) JobPlan p = { 0 };
        _cleanup_free_ char *message = NULL;
        int r;

        if (c->json && c->null) {
                ctl_complain(_("--json and --null cannot be combined."));
                return CTL_USAGE;
        }
        r = job_view_get(c->connection, args[0], &c->error, &v);
        if (r < 0)
                return ctl_failed(c, r, NULL);
        if (!isempty(v.upkeep))
                return plan_upkeep(c, &v);
        r = job_plan_get(c->connection, args[0], c->limit ?: LIMIT_DEFAULT, &c->error, &p);
        if (r < 0)
                return ctl_failed(c, r, NULL);
        message = count_message(c, &p);
        if (c->terminal && !c->json && !c->null) {
                ctl_open_pager(c);
                print_files(c, &p);
                if (!c->no_legend && !c->quiet) {
                        ctl_say(c, stdout, "%s%s", p.n_files > 0 ? "\n" : "", message);
                        explain_watches(c, &v);
                        return r;
                }
        } else if (c->json)
                r = print_json(&p);
        else
                print_files(c, &p);
        if (p.n_files < p.total)
                ctl_complain("%s", message);
        return r;
}
