/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* vaktctl check: the problems of job files and settings, found without a daemon by the code that the daemon uses. */

#include <sys/stat.h>

#include "config/job-loader.h"
#include "config/settings.h"
#include "ctl/alloc.h"
#include "ctl/job-advice.h"
#include "ctl/view-json.h"
#include "ctl/view-text.h"
#include "util/places.h"
#include "util/strv.h"

/* Every job file and the settings of the instance. Returns the number of jobs, or a negative errno. */
static int check_all(bool user, Diagnostics *d, Diagnostics *warnings) {
        _cleanup_(strv_freep) char **dirs = NULL;
        _cleanup_free_ char *settings_path = NULL;
        _cleanup_(advice_done) Advice advice = { .now = now_realtime(), .warnings = warnings };
        int r, n = 0;

        r = places_job_dirs(user, &dirs);
        if (r >= 0)
                r = places_settings(user, &settings_path);
        advice.dirs = dirs;
        if (r >= 0)
                r = n = job_files_check(dirs, settings_path, user ? getuid() : 0, job_advise, &advice, d);
        if (r >= 0)
                r = jobs_advise(&advice);
        STRV_FOREACH(dir, dirs)
                if (r >= 0)
                        r = job_advise_directory(*dir, dirs, warnings);
        return r < 0 ? r : n;
}

/* A draft may request a job next to it. */
static int check_job(bool user, const char *path, size_t n_directory, Diagnostics *d, Diagnostics *warnings) {
        _cleanup_(strv_freep) char **dirs = NULL, **all = NULL;
        _cleanup_(advice_done) Advice advice = { .now = now_realtime(), .warnings = warnings };
        int r = strv_extendf(&all, "%.*s", n_directory > 0 ? (int)n_directory : 1, n_directory > 0 ? path : ".");

        if (r >= 0 && places_job_dirs(user, &dirs) == -ENOMEM)
                r = -ENOMEM;
        STRV_FOREACH(dir, dirs)
                if (r >= 0)
                        r = strv_extend(&all, *dir);
        advice.dirs = all;
        return r < 0 ? r : job_file_check(path, getuid(), job_advise, &advice, d);
}

/* One file: settings if it has that name, otherwise a job. A file that is not in place yet may belong to the
 * caller. */
static int check_file(bool user, const char *path, Diagnostics *d, Diagnostics *warnings) {
        const char *slash = strrchr(path, '/');
        _cleanup_(settings_done) Settings settings;
        struct stat st;
        int r;

        settings_init(&settings);
        if (lstat(path, &st) < 0 && errno == ENOENT)
                return diagnostics_add(d, path, 0, "The file does not exist.%s",
                                       slash ? "" : " Write the path of a file, and not the name of a job.");
        if (stat(path, &st) >= 0 && S_ISDIR(st.st_mode))
                return diagnostics_add(d, path, 0, "This is a directory. Write the paths of the files in it.");
        if (!streq(slash ? slash + 1 : path, "vaktd.conf"))
                return check_job(user, path, slash ? (size_t)(slash - path) + 1 : 0, d, warnings);
        r = settings_load(&settings, path, getuid(), d);
        return r == -ENOMEM ? r : 0;
}

typedef struct Row {
        DiagnosticView diagnostic;
        const char *severity;
} Row;

static size_t put_rows(Row *rows, const Diagnostics *d, const char *severity) {
        for (size_t i = 0; i < d->n_items; i++)
                rows[i] = (Row){ { d->items[i].file, d->items[i].line, d->items[i].message }, severity };
        return d->n_items;
}

static void report(const Ctl *c, const Diagnostics *problems, const Diagnostics *warnings) {
        size_t n = problems->n_items + warnings->n_items;
        _cleanup_free_ Row *rows = alloc_array(NULL, n + 1, sizeof(Row));

        put_rows(rows + put_rows(rows, problems, "error"), warnings, "warning");
        rows[n] = (Row){ 0 };
        if (c->json)
                json_print(rows_json(rows, "a(suss)", (const char *const[]){ "file", "line", "message", "severity" }));
        for (size_t i = 0; !c->json && i < n; i++) {
                _cleanup_free_ char *marked =
                        alloc_format("%s%s", i < problems->n_items ? "" : "Warning: ", rows[i].diagnostic.message);

                rows[i].diagnostic.message = marked;
                diagnostic_print(stdout, &rows[i].diagnostic);
        }
}

int verb_check(Ctl *c, char **args) {
        _cleanup_(diagnostics_done) Diagnostics problems = { 0 }, warnings = { 0 };
        _cleanup_free_ char *count = NULL;
        size_t n = strv_length(args);
        int r = 0;

        if (n == 0) {
                r = check_all(c->user, &problems, &warnings);
                n = r < 0 ? 0 : (size_t)r;
        }
        for (char **path = args; r >= 0 && *path; path++)
                r = check_file(c->user, *path, &problems, &warnings);
        if (r < 0) {
                if (r == -ENXIO)
                        ctl_complain(PLACES_NO_HOME);
                else
                        ctl_complain(_("Cannot check the files: %s."), strerror(-r));
                return CTL_FAILED;
        }
        report(c, &problems, &warnings);
        if (problems.n_items > 0 || (c->strict && warnings.n_items > 0))
                return CTL_FAILED;
        count = args[0] ? alloc_format(ngettext("%zu file checked, no problems", "%zu files checked, no problems", n),
                                       n)
                        : alloc_format(ngettext("%zu job checked, no problems", "%zu jobs checked, no problems", n),
                                       n);
        if (warnings.n_items > 0)
                ctl_say(c, stdout, ngettext("%s, %zu warning.", "%s, %zu warnings.", warnings.n_items), count,
                        warnings.n_items);
        else
                ctl_say(c, stdout, "%s.", count);
        return CTL_DONE;
}
