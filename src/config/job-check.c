/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* All jobs, or one of them looked at as a load would, but by itself: its directory is not listed, so that checking
 * each of 10,000 files lists none 10,000 times, and who may write to the directory is no matter, since a draft lies
 * where its author works.
 */

#include "config/job-advice.h"
#include "config/job-entry.h"
#include "config/job-loader.h"
#include "config/specifier.h"
#include "config/settings.h"
#include "util/clock.h"
#include "util/strv.h"

/* The candidates of a job of which only the name is known: what is not there is passed over later. */
static int guess_candidates(JobScan *scan, const char *name) {
        size_t n = strlen(name), n_template = job_name_template_length(name);
        int r;

        r = job_scan_add(scan, name, n, 0, CANDIDATE_FILE);
        if (r >= 0)
                r = job_scan_add(scan, name, n, 0, CANDIDATE_DROPINS);
        if (r >= 0 && n_template > 0)
                r = job_scan_add(scan, name, n_template, 0, CANDIDATE_DROPINS);
        if (r >= 0)
                job_scan_sort(scan);
        return r;
}

/* A draft may request a job next to it. */
static int advise(const Entry *e, const char *directory, char *const *dirs, Diagnostics *warnings) {
        _cleanup_(strv_freep) char **all = NULL;
        int r = strv_extend(&all, *directory != '\0' ? directory : ".");

        for (; r >= 0 && dirs && *dirs; dirs++)
                r = strv_extend(&all, *dirs);
        return r < 0 ? r : job_advise(e->def, all, now_realtime(), warnings);
}

static int check(EntryContext *context, const JobScan *scan, Finding *f, const char *path, char *const *dirs,
                 Diagnostics *d, Diagnostics *warnings) {
        _cleanup_(job_entry_freep) Entry *e = NULL;
        int r;

        r = finding_search(f, context, scan);
        if (r < 0)
                return r;
        if (r == 0)
                return diagnostics_add(d, path, 0, "The file does not exist.");
        r = entry_read(&e, context, f, /* old= */ NULL);
        if (r >= 0 && warnings && e->def)
                r = advise(e, context->directories->path, dirs, warnings);
        return r < 0 ? r : diagnostics_merge(d, &e->problems);
}

int job_file_check(const char *path, uid_t owner, char *const *dirs, Diagnostics *d, Diagnostics *warnings) {
        _cleanup_(directory_done) Directory directory = DIRECTORY_NONE;
        _cleanup_(job_scan_done) JobScan scan = {};
        _cleanup_(finding_done) Finding f = {};
        _cleanup_free_ char *name = NULL;
        _cleanup_(zone_cache_freep) ZoneCache *zones = NULL;
        char host[HOST_SIZE];
        EntryContext context = { .directories = &directory, .owner = owner, .host = host, .target = LOADER_FOR_ANY };
        const char *file;
        ssize_t n;
        int r;

        r = directory_of_file(path, &directory, &file);
        if (r == -ENOMEM)
                return r;
        if (r < 0)
                return diagnostics_add(d, path, 0, "Cannot open the directory of the file: %s.", strerror(-r));
        n = job_scan_stem(&directory, file, d);
        if (n <= 0)
                return (int)n;
        name = strndup(file, (size_t)n);
        if (!name)
                return -ENOMEM;
        host_name_get(host);
        r = zone_cache_new(NULL, &zones);
        if (r < 0)
                return r;
        context.zones = zones;
        context.now = (int64_t)(now_realtime() * NSEC_PER_USEC);
        r = guess_candidates(&scan, name);
        if (r < 0)
                return r;
        f.name = name;
        f.n_candidates = job_scan_find(&scan, name, (size_t)n, &f.candidates);
        return check(&context, &scan, &f, path, dirs, d, warnings);
}

static int advise_all(JobLoader *loader, char *const *dirs, Diagnostics *warnings) {
        const LoadedJob *jobs;
        usec_t now = now_realtime();
        size_t n;
        int r = 0;

        jobs = job_loader_jobs(loader, &n);
        for (size_t i = 0; r >= 0 && i < n; i++)
                if (jobs[i].def)
                        r = job_advise(jobs[i].def, dirs, now, warnings);
        for (char *const *dir = dirs; r >= 0 && *dir; dir++)
                r = job_advise_directory(*dir, dirs, warnings);
        return r;
}

int job_files_check(char *const *dirs, const char *settings_path, uid_t owner, Diagnostics *d, Diagnostics *warnings) {
        _cleanup_(zone_cache_freep) ZoneCache *zones = NULL;
        _cleanup_(job_loader_freep) JobLoader *loader = NULL;
        _cleanup_(settings_done) Settings settings;
        size_t n;
        int r;

        settings_init(&settings);
        r = settings_load(&settings, settings_path, owner, d);
        if (r == -ENOMEM)
                return r;
        r = zone_cache_new(NULL, &zones);
        if (r >= 0)
                r = job_loader_new(&loader, dirs, owner, zones,
                                   settings.executor == EXECUTOR_CHILD ? LOADER_FOR_CHILDREN : LOADER_FOR_ANY,
                                   /* state_dir= */ NULL);
        if (r >= 0)
                r = job_loader_load(loader, now_realtime());
        if (r < 0)
                return r;
        (void)job_loader_jobs(loader, &n);
        r = diagnostics_merge(d, job_loader_diagnostics(loader));
        if (r >= 0 && warnings)
                r = advise_all(loader, dirs, warnings);
        return r < 0 ? r : (int)n;
}
