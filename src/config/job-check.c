/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* All jobs, or one of them looked at as a load would, but by itself: its directory is not listed, so that checking
 * each of 10,000 files lists none 10,000 times, and who may write to the directory is no matter, since a draft lies
 * where its author works.
 */

#include "config/job-entry.h"
#include "config/job-loader.h"
#include "config/specifier.h"
#include "config/settings.h"
#include "util/clock.h"

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

static int check(EntryContext *context, const JobScan *scan, Finding *f, const char *path, JobVisit visit,
                 void *userdata, Diagnostics *d) {
        _cleanup_(job_entry_freep) Entry *e = NULL;
        int r;

        r = finding_search(f, context, scan);
        if (r < 0)
                return r;
        if (r == 0)
                return diagnostics_add(d, path, 0, "The file does not exist.");
        r = entry_read(&e, context, f, /* old= */ NULL);
        if (r >= 0 && visit && e->def)
                r = visit(e->def, userdata);
        return r < 0 ? r : diagnostics_merge(d, &e->rare->problems);
}

int job_file_check(const char *path, uid_t owner, JobVisit visit, void *userdata, Diagnostics *d) {
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
        return check(&context, &scan, &f, path, visit, userdata, d);
}

int job_files_check(char *const *dirs, const char *settings_path, uid_t owner, JobVisit visit, void *userdata,
                    Diagnostics *d) {
        _cleanup_(zone_cache_freep) ZoneCache *zones = NULL;
        _cleanup_(job_loader_freep) JobLoader *loader = NULL;
        _cleanup_(settings_done) Settings settings;
        const LoadedJob *jobs;
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
        jobs = job_loader_jobs(loader, &n);
        r = diagnostics_merge(d, job_loader_diagnostics(loader));
        for (size_t i = 0; visit && r >= 0 && i < n; i++)
                if (jobs[i].def)
                        r = visit(jobs[i].def, userdata);
        return r < 0 ? r : (int)n;
}
