#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Directories of job files -> definitions. The loader remembers what it read: a file whose stat data did not change is
 * not read again, and a job whose content did not change keeps its very JobDef, so that who compares two loads
 * compares pointers. A job whose file went bad keeps its last good definition. See vaktd.job(5). */

#include "config/diagnostics.h"
#include "config/job-context.h"
#include "job/job-def.h"

#define LOADER_JOBS_MAX 200000 /* job files taken from all directories together */

typedef struct JobLoader JobLoader;

typedef struct LoadedJob {
        const char *name;          /* owned by the loader, valid until the next load */
        JobDef *def;               /* the version in use: NULL if the file was never valid */
        const Diagnostic *problem; /* first problem of the file as it is now, NULL when it is good; valid as name is */
} LoadedJob;

/* dirs: NULL-terminated, first one wins. owner: files must belong to root or to this user and not be writable by
 * anyone else. zones: that the definitions borrow theirs from, so it has to outlive them all; NULL: only UTC is known.
 * A file that names a zone which is not there is read again by each load, in case it has come. state_dir: of the
 * instance, as long as the loader is there; NULL: not known. */
int job_loader_new(JobLoader **ret, char *const *dirs, uid_t owner, ZoneCache *zones, LoaderTarget target,
                   const char *state_dir);
JobLoader *job_loader_free(JobLoader *l);
DEFINE_CLEANUP(JobLoader, job_loader_free)

/* The last directory is that of jobs that run once, which come and go one by one. */
void job_loader_set_once(JobLoader *l);

/* Reads the file of a new job in that directory, as a load would, and nothing else. 0; -EEXIST if the name is known;
 * -EINVAL with the problems in d; -ENOENT, -ENOMEM. */
int job_loader_add_once(JobLoader *l, const char *name, usec_t now_realtime, Diagnostics *d, JobDef **ret);

/* Forgets a job whose file is gone, until a load finds one. */
void job_loader_remove(JobLoader *l, const char *name);

/* Builds a job of a text as a load would; name and errors as of job_file_build(). -EEXIST if the name is known. */
int job_loader_try(JobLoader *l, const char *name, const char *text, Diagnostics *d, JobDef **ret);

/* Reads all directories. Jobs that request each other in a cycle (OnSuccess=, OnFailure=, OnAlarm=) are problems of
 * those files that are new; the problem names the cycle. Afterwards job_loader_jobs() is sorted by name (strcmp) and
 * job_loader_diagnostics() holds what is wrong now. Returns 0, also with problems in files; negative errno only when
 * nothing could be done (-ENOMEM); then the earlier state stands. */
int job_loader_load(JobLoader *l, usec_t now_realtime);

/* The jobs, instances that have a file of their own among them; templates and masked names are none. */
const LoadedJob *job_loader_jobs(JobLoader *l, size_t *ret_n);

/* The list is not needed any more: it is empty until the next load. */
void job_loader_forget_jobs(JobLoader *l);
const Diagnostics *job_loader_diagnostics(JobLoader *l);

/* Visits the directories in which nothing has happened since the last load began, so that each job file in them is as
 * it was read. If there are directories of drop-ins, their content can have changed. Directories of which that cannot
 * be told are left out. A visit that returns nonzero ends the walk, and its value is returned. */
typedef int (*UnchangedVisit)(const char *path, dev_t device, ino_t inode, bool has_dropins, void *userdata);
int job_loader_unchanged(JobLoader *l, UnchangedVisit visit, void *userdata);

/* How many files the last load opened; the others were known. */
size_t job_loader_files_read(const JobLoader *l) _pure_;

/* Makes the instance NAME@INSTANCE of a template that is loaded, without a file of its own. The reference is the
 * caller's; it is the same JobDef as long as the content is. Drop-ins that were in NAME@INSTANCE.job.d count. -ENOENT
 * when there is no such template, or the instance is masked; -EINVAL with the problems in d (may be NULL) when it is
 * bad. */
int job_loader_instantiate(JobLoader *l, const char *name, JobDef **ret, Diagnostics *d);

/* Is shown each valid job of a check, which stays the check's; a negative errno ends the check and is returned. */
typedef int (*JobVisit)(const JobDef *d, void *userdata);

/* Checks single files without any directory (vaktctl check). What is wrong is appended to d. visit may be NULL.
 * Returns 0 also with problems. */
int job_file_check(const char *path, uid_t owner, JobVisit visit, void *userdata, Diagnostics *d);

/* Checks the settings and all files of the directories, as a daemon with that owner would read them. What is wrong is
 * appended to d. visit may be NULL. Returns the number of jobs, or a negative errno when nothing could be done. */
int job_files_check(char *const *dirs, const char *settings_path, uid_t owner, JobVisit visit, void *userdata,
                    Diagnostics *d);

/* --- what tests set and see --- */

/* job_loader_load() as if it were then (ns of CLOCK_REALTIME), with at most so many entries of directories taken. */
int job_loader_load_at(JobLoader *l, int64_t now_realtime, size_t entries_max);

/* Definitions of instances without a file that the loader remembers. */
size_t job_loader_n_instances(const JobLoader *l) _pure_;
