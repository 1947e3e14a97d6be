#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The names that directories of jobs hold: what could be a job's file, and what directories of drop-ins there are. */

#include "config/source.h"
#include "job/job-def.h"

#define JOB_DROPINS_SUFFIX ".job.d"
#define JOB_FILE_NAME_MAX  (JOB_NAME_MAX + sizeof(JOB_DROPINS_SUFFIX)) /* bytes of NAME.job.d with its NUL */

typedef enum CandidateKind {
        CANDIDATE_FILE,    /* NAME.job */
        CANDIDATE_DROPINS, /* NAME.job.d */
        CANDIDATE_CARRIED, /* was there when the directory could be read */
} CandidateKind;

typedef struct Candidate {
        union {
                const char *name; /* of the job */
                size_t offset;    /* private, while names are added */
        };
        unsigned directory;
        CandidateKind kind;
        bool regular; /* it is known to be a regular file, and no link */
} Candidate;

typedef struct JobScan {
        Candidate *items;
        size_t n_items;
        char *names;
        size_t n_names, names_size;
        bool full;
} JobScan;

/* Adds a name of n bytes. 0 or -ENOMEM. */
int job_scan_add(JobScan *s, const char *name, size_t n, unsigned directory, CandidateKind kind);

/* Adds what a directory, number index, holds. Files whose name no job can have are problems. Past max candidates and
 * problems the rest is left out, of all directories, which is a problem as well. 0, -ENOMEM, or the negative errno of
 * a directory that cannot be read. */
int job_scan_directory(JobScan *s, const Directory *directory, unsigned index, size_t max, Diagnostics *problems);

/* Sorts by name, then by directory. Nothing may be added afterwards, nothing looked at before. */
void job_scan_sort(JobScan *s);

/* The candidates of a name of n bytes; how many there are. */
size_t job_scan_find(const JobScan *s, const char *name, size_t n, const Candidate **ret);

void job_scan_done(JobScan *s);

/* The length of NAME in the name of a job's file; 0 after a problem that says what is wrong with it; -ENOMEM. */
ssize_t job_scan_stem(const Directory *directory, const char *file, Diagnostics *problems);
