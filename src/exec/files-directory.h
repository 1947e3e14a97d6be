#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The lists of paths that runs are given by a path trigger: a file a run, $VAKT_PATHS, which is its standard input,
 * too. They are in the directory "batches" of the runtime directory and gone when their run is over. See vaktd.job(5).
 */

#include "job/job-def.h"

typedef struct FilesDirectory FilesDirectory;

/* kind: "unit" or "child": runs of the other kind have files in the same directory. runtime_dir NULL: there is no such
 * directory, and nothing can be written. The directory is made when it is needed first. -ENOMEM. */
int files_directory_new(FilesDirectory **ret, const char *runtime_dir, const char *kind);
FilesDirectory *files_directory_free(FilesDirectory *f); /* the files stay */
DEFINE_CLEANUP(FilesDirectory, files_directory_free)

/* The file of a run, absolute. -ENOENT: there is no directory for it; -ENOMEM. */
int files_directory_name(const FilesDirectory *f, uint64_t run, char **ret);

/* Writes it, whole or not at all, so that the user of the job may read it, unless paths_reader_is_known() is false;
 * def NULL: so that we alone may. -ENOSPC also when it would take more than half of what is left in that file system;
 * -EPERM, and others of guarded_open(): the directory is not ours alone, which is logged; or another errno of writing.
 */
int files_directory_write(FilesDirectory *f, uint64_t run, const JobDef *def, const char *paths, size_t size);

/* False when the user of a job's runs can be named only once a run has it. */
bool paths_reader_is_known(const JobDef *def);

/* Says that a run is there; true when it has a file. */
bool files_directory_claim(FilesDirectory *f, uint64_t run);

void files_directory_remove(const FilesDirectory *f, uint64_t run);

typedef struct PathsNote {
        char *bytes; /* with a NUL behind them; the caller frees them */
        size_t size;
        usec_t written; /* realtime */
        bool is_ours;   /* and the run's user cannot have changed it */
} PathsNote;

/* What was written for a run, by an earlier daemon perhaps. -ENOENT and others: it cannot be read. */
int files_directory_read(const FilesDirectory *f, uint64_t run, PathsNote *ret);

/* Once all runs of an earlier daemon were claimed: removes what it has left behind. Further calls do nothing. */
void files_directory_sweep(FilesDirectory *f);

/* True when nothing in [Service] says what else the standard input of a run is. */
bool paths_are_input(const JobDef *def) _pure_;
