#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a loader knows of one name: the files that count for it, with their stamps, and what was made of them. */

#include "config/job-file.h"
#include "config/job-scan.h"
#include "config/job-texts.h"
#include "config/source.h"

/* What few entries have. */
typedef struct EntryRare {
        JobText *texts;       /* of a template: the last good ones, path is NULL at the end; NULL for a job */
        Chains chains;        /* what it requests, as of the version in use */
        Sources dropins;      /* that count, in order */
        Diagnostics problems; /* of its files as they are now */
} EntryRare;

typedef struct Entry {
        JobDef *def;             /* in use: the last valid one; NULL for a template */
        EntryRare *rare;         /* never NULL; entries that have nothing of it share an empty one */
        uint64_t stamp;          /* digest of that of the file */
        unsigned directory : 26; /* that the file is in */
        bool masked : 1;
        bool hidden : 1;  /* drop-ins for an instance that has no file: shows when it is asked for */
        bool recheck : 1; /* the stamps say nothing: read again */
        bool changed : 1; /* by the current load: differs from the previous version */
        bool carried : 1; /* its directory cannot be read now; that is told once, for the directory */
        bool kept : 1;    /* the loader's: the load under way took it over */
        char name[];
} Entry;

/* What a load goes by. */
typedef struct EntryContext {
        const Directory *directories; /* open */
        uid_t owner;
        int64_t now;      /* ns of CLOCK_REALTIME, from before any file was looked at */
        const char *host; /* %h */
        ZoneCache *zones; /* may be NULL */
        LoaderTarget target;
        const char *state_dir; /* as JobFileContext */
        unsigned once;         /* number, from 1, of the directory of jobs that run once; 0: there is none */
        size_t n_read;         /* files that were opened; counted up */
        CalendarMemo memo;
} EntryContext;

/* What is found out about a name before anything is read. */
typedef struct Finding {
        const char *name;
        const Candidate *candidates; /* of this name, by directory */
        size_t n_candidates;
        bool fresh;                   /* it is read in any case */
        char file[JOB_FILE_NAME_MAX]; /* that counts */
        unsigned directory;           /* that it is in */
        FileStamp stamp;
        JobText text; /* the file's, if it was read while it was searched for */
        bool masked;
        bool hidden;
        Sources dropins;
        Diagnostics problems;
} Finding;

/* Looks for the file and the drop-ins that count. Returns 1 when there is a file, be it a bad one, 0 when there is
 * none; or -ENOMEM. */
int finding_search(Finding *f, const EntryContext *context, const JobScan *scan);
void finding_done(Finding *f);

/* Reads what was found and is not masked, and makes nothing of it; its drop-ins are taken over. The caller frees the
 * texts, of which the last one has no path. -EINVAL with the problems in d; -ENOMEM. */
int finding_read(Finding *f, EntryContext *context, Diagnostics *d, JobText **ret);

/* True when the entry holds what was found, so that nothing has to be read. */
bool entry_is_current(const Entry *e, const Finding *f);

/* Reads what was found; its lists are taken over. A problem is no error: the previous version (old, may be NULL)
 * stays. 0 or -ENOMEM. */
int entry_read(Entry **ret, EntryContext *context, Finding *f, const Entry *old);

/* Writes a problem down at a request of the entry; the previous version (old, may be NULL) is restored. 0 or -ENOMEM.
 */
int entry_reject(Entry *e, const Entry *old, const Chain *at, const char *format, ...) _printf_(4, 5);

/* A copy of the entry for a load that cannot see its files, with that as its problem. 0 or -ENOMEM. */
int entry_carry(Entry **ret, const Entry *old, const char *directory_path, const char *message);

/* True when its file or one of its drop-ins is in that directory. */
bool entry_depends_on(const Entry *e, unsigned directory) _pure_;

Entry *job_entry_free(Entry *e);
DEFINE_CLEANUP(Entry, job_entry_free)

bool job_name_is_template(const char *name) _pure_;
size_t job_name_template_length(const char *name) _pure_; /* of "NAME@" in NAME@INSTANCE; 0 for any other name */
