#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The names that folders of jobs hold: what could be a job's file, and what folders of drop-ins there are. */

#include "config/source.h"
#include "job/job-def.h"

#define JOB_SUFFIX         ".job"
#define JOB_DROPINS_SUFFIX ".job.d"
#define JOB_FILE_NAME_MAX  (JOB_NAME_MAX + sizeof(JOB_DROPINS_SUFFIX)) /* bytes of NAME.job.d with its NUL */

typedef enum CandidateKind {
        CANDIDATE_FILE,    /* NAME.job */
        CANDIDATE_DROPINS, /* NAME.job.d */
        CANDIDATE_CARRIED, /* was there when the folder could be read */
} CandidateKind;

typedef struct Candidate {
        union {
                const char *name; /* of the job */
                size_t offset;    /* private, while names are added */
        };
        unsigned folder;
        CandidateKind kind;
} Candidate;

typedef struct JobScan {
        Candidate *items;
        size_t n_items;
        char *names;
        size_t n_names, names_size;
        bool full;
} JobScan;

/* Adds a name of n bytes. 0 or -ENOMEM. */
int job_scan_add(JobScan *s, const char *name, size_t n, unsigned folder, CandidateKind kind);

/* Adds what a folder, number index, holds. Files whose name no job can have are faults. Past max candidates and faults
 * the rest is left out, of all folders, which is a fault as well. 0, -ENOMEM, or the negative errno of a folder that
 * cannot be read. */
int job_scan_folder(JobScan *s, const Folder *folder, unsigned index, size_t max, Diagnostics *faults);

/* Sorts by name, then by folder. Nothing may be added afterwards, nothing looked at before. */
void job_scan_sort(JobScan *s);

/* The candidates of a name of n bytes; how many there are. */
size_t job_scan_find(const JobScan *s, const char *name, size_t n, const Candidate **ret);

void job_scan_done(JobScan *s);

/* The length of NAME in the name of a job's file; 0 after a fault that says what is wrong with it; -ENOMEM. */
ssize_t job_scan_stem(const Folder *folder, const char *file, Diagnostics *faults);
