/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* For those who have to know which line of which file says what: the loader keeps only what it made of the files. */

#include "config/job-texts.h"

#include <fcntl.h>

#include "config/job-entry.h"
#include "util/clock.h"
#include "util/strv.h"

/* The directories that there are, as candidates for the file and the drop-ins of a name. */
typedef struct Search {
        Directory *directories;
        unsigned n_directories;
        JobScan scan;
} Search;

static void search_done(Search *s) {
        for (unsigned i = 0; i < s->n_directories; i++)
                directory_done(&s->directories[i]);
        free(s->directories);
        job_scan_done(&s->scan);
}

static int add_candidates(Search *s, const char *name, size_t n, unsigned directory) {
        int r = job_scan_add(&s->scan, name, n, directory, CANDIDATE_FILE);

        return r < 0 ? r : job_scan_add(&s->scan, name, n, directory, CANDIDATE_DROPINS);
}

static int search_directory(Search *s, const char *path, const char *name, uid_t owner, Diagnostics *d) {
        size_t n_template = job_name_template_length(name);
        _cleanup_(directory_done) Directory directory = DIRECTORY_NONE;
        _cleanup_free_ char *message = NULL;
        int r;

        directory.fd = directory_open(AT_FDCWD, path, owner, &message);
        if (directory.fd == -ENOENT)
                return 0;
        if (directory.fd == -EINVAL) {
                r = diagnostics_add(d, path, 0, "%s", message);
                return r < 0 ? r : -EINVAL;
        }
        directory.path = directory.fd < 0 ? NULL : strdup(path);
        if (!directory.path)
                return -ENOMEM;
        s->directories[s->n_directories++] = TAKE_GENERIC(directory, DIRECTORY_NONE);
        r = add_candidates(s, name, strlen(name), s->n_directories - 1);
        return r >= 0 && n_template > 0 ? add_candidates(s, name, n_template, s->n_directories - 1) : r;
}

static int read_found(Finding *f, EntryContext *context, JobText **ret, char **ret_mask, Diagnostics *d) {
        int r, n = 0;

        if (f->masked) {
                *ret_mask = directory_join(&context->directories[f->directory], f->file);
                return *ret_mask ? 0 : -ENOMEM;
        }
        r = finding_read(f, context, d, ret);
        while (r >= 0 && (*ret)[n].path)
                n++;
        return r < 0 ? r : n;
}

int job_texts_read(char *const *dirs, const char *name, uid_t owner, JobText **ret, char **ret_mask, Diagnostics *d) {
        _cleanup_(search_done) Search s = { .directories = calloc(strv_length(dirs) + 1, sizeof(Directory)) };
        _cleanup_(finding_done) Finding f = { .name = name };
        EntryContext context = {
                .directories = s.directories,
                .owner = owner,
                .now = (int64_t)(now_realtime() * NSEC_PER_USEC),
        };
        int r = s.directories ? 0 : -ENOMEM;

        *ret = NULL;
        *ret_mask = NULL;
        for (char *const *path = dirs; r >= 0 && *path; path++)
                r = search_directory(&s, *path, name, owner, d);
        if (r < 0)
                return r;
        job_scan_sort(&s.scan);
        f.n_candidates = job_scan_find(&s.scan, name, strlen(name), &f.candidates);
        r = finding_search(&f, &context, &s.scan);
        return r > 0 || f.masked ? read_found(&f, &context, ret, ret_mask, d) : r;
}
