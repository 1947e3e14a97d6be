/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* One pass over the directories, nothing opened, all names in one block of memory: with 10,000 files this and the
 * sorting are half of a reload that finds nothing new. */

#include "config/job-scan.h"

#include <fcntl.h>

#include "util/array.h"
#include "util/file.h"

int job_scan_add(JobScan *s, const char *name, size_t n, unsigned directory, CandidateKind kind) {
        Candidate *c = ARRAY_NEXT(s->items, s->n_items);

        if (!c)
                return -ENOMEM;
        if (s->n_names + n >= s->names_size) {
                size_t size = 2 * s->names_size + n + 1;
                char *bigger = realloc(s->names, size);

                if (!bigger)
                        return -ENOMEM;
                s->names = bigger;
                s->names_size = size;
        }
        *c = (Candidate){ .offset = s->n_names, .directory = directory, .kind = kind };
        s->n_items++;
        memcpy(s->names + s->n_names, name, n);
        s->names[s->n_names + n] = '\0';
        s->n_names += n + 1;
        return 0;
}

/* The length of name without the suffix; 0 when it does not end in it. */
static size_t stem_length(const char *name, const char *suffix) {
        size_t n = strlen(name), n_suffix = strlen(suffix);

        return n > n_suffix && streq(name + n - n_suffix, suffix) ? n - n_suffix : 0;
}

static bool stem_is_valid(const char *name, size_t n) {
        char stem[JOB_NAME_MAX + 1];

        if (n == 0 || n > JOB_NAME_MAX)
                return false;
        memcpy(stem, name, n);
        stem[n] = '\0';
        return job_name_is_valid(stem);
}

static bool is_reserved(const char *name, size_t n) {
        size_t n_suffix = strlen(JOB_RUNNER_SUFFIX);

        return n > n_suffix && memcmp(name + n - n_suffix, JOB_RUNNER_SUFFIX, n_suffix) == 0;
}

ssize_t job_scan_stem(const Directory *directory, const char *file, Diagnostics *problems) {
        size_t n = stem_length(file, JOB_SUFFIX);
        _cleanup_free_ char *path = NULL;

        if (stem_is_valid(file, n) && !is_reserved(file, n))
                return (ssize_t)n;
        path = directory_join(directory, file);
        if (!path)
                return -ENOMEM;
        if (is_reserved(file, n))
                return diagnostics_add(problems, path, 0,
                                       "The name of a job must not end in " JOB_RUNNER_SUFFIX
                                       ", which stands for the runners of jobs (Runner=warm). Rename the file.");
        return diagnostics_add(
                problems, path, 0,
                "The file name is not a valid job name. Rename the file to NAME.job, where NAME has at most %d "
                "letters, digits, \"_\", \".\" and \"-\", begins with a letter or digit, and may contain one \"@\" "
                "that is followed by a letter or digit.",
                JOB_NAME_MAX);
}

/* Takes one entry of a directory. What is no job file and no directory of drop-ins (hidden files, backups, a README)
 * is passed over. */
static int take_entry(JobScan *s, const Directory *directory, unsigned index, const struct dirent *entry,
                      Diagnostics *problems) {
        const char *name = entry->d_name;
        ssize_t n;
        int r;

        if (name[0] == '.')
                return 0;
        n = (ssize_t)stem_length(name, JOB_DROPINS_SUFFIX);
        if (n > 0 && stem_is_valid(name, (size_t)n))
                return job_scan_add(s, name, (size_t)n, index, CANDIDATE_DROPINS);
        if (stem_length(name, JOB_SUFFIX) == 0)
                return 0;
        n = job_scan_stem(directory, name, problems);
        if (n <= 0)
                return (int)n;
        r = job_scan_add(s, name, (size_t)n, index, CANDIDATE_FILE);
        if (r >= 0)
                s->items[s->n_items - 1].regular = entry->d_type == DT_REG;
        return r;
}

int job_scan_directory(JobScan *s, const Directory *directory, unsigned index, size_t max, Diagnostics *problems) {
        _cleanup_(closedirp) DIR *dir = NULL;
        int r = 0;

        if (s->full)
                return 0;
        dir = fd_list(directory->fd);
        if (!dir)
                return -errno;
        while (r >= 0) {
                struct dirent *e;

                errno = 0;
                e = readdir(dir);
                if (!e) {
                        r = -errno;
                        break;
                }
                r = take_entry(s, directory, index, e, problems);
                if (r >= 0 && s->n_items + problems->n_items > max) {
                        s->full = true;
                        s->n_items -= s->n_items > 0;
                        r = diagnostics_add(problems, directory->path, 0,
                                            "There are more than %zu job files; the others are not read. Remove some.",
                                            max);
                        break;
                }
        }
        return r;
}

static int compare(const void *a, const void *b) {
        const Candidate *x = a, *y = b;
        int r = strcmp(x->name, y->name);

        return r != 0 ? r : (x->directory > y->directory) - (x->directory < y->directory);
}

void job_scan_sort(JobScan *s) {
        for (size_t i = 0; i < s->n_items; i++)
                s->items[i].name = s->names + s->items[i].offset;
        if (s->n_items > 1)
                qsort(s->items, s->n_items, sizeof(Candidate), compare);
}

size_t job_scan_find(const JobScan *s, const char *name, size_t n, const Candidate **ret) {
        size_t low = BISECT(s->n_items, i, strncmp(s->items[i].name, name, n) < 0), count = 0;

        *ret = s->items + low;
        while (low + count < s->n_items && strncmp((*ret)[count].name, name, n) == 0 && (*ret)[count].name[n] == '\0')
                count++;
        return count;
}

void job_scan_done(JobScan *s) {
        free(s->items);
        free(s->names);
        *s = (JobScan){};
}
