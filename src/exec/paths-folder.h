#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The lists of paths that runs are given by a path trigger: a file a run, $VAKT_PATHS, which is its standard input,
 * too. They are in the folder "batches" of the runtime folder and gone when their run is over. See vaktd.job(5). */

#include "job/job-def.h"

typedef struct PathsFolder PathsFolder;

/* kind: "unit" or "child": runs of the other kind have files in the same folder. runtime_dir NULL: there is no such
 * folder, and nothing can be written. The folder is made when it is needed first. -ENOMEM. */
int paths_folder_new(PathsFolder **ret, const char *runtime_dir, const char *kind);
PathsFolder *paths_folder_free(PathsFolder *f); /* the files stay */
DEFINE_CLEANUP(PathsFolder, paths_folder_free)

/* The file of a run, absolute. -ENOENT: there is no folder for it; -ENOMEM. */
int paths_folder_name(const PathsFolder *f, uint64_t run, char **ret);

/* Writes it, whole or not at all, so that the user of the job may read it, unless paths_reader_is_known() is false;
 * def NULL: so that we alone may. -ENOSPC also when it would take more than half of what is left in that file system;
 * -EPERM, and others of guarded_open(): the directory is not ours alone, which is logged; or another errno of writing.
 */
int paths_folder_write(PathsFolder *f, uint64_t run, const JobDef *def, const char *paths, size_t size);

/* False when the user of a job's runs can be named only once a run has it. */
bool paths_reader_is_known(const JobDef *def);

/* Says that a run is there; true when it has a file. */
bool paths_folder_claim(PathsFolder *f, uint64_t run);

void paths_folder_remove(const PathsFolder *f, uint64_t run);

typedef struct PathsNote {
        char *bytes; /* with a NUL behind them; the caller frees them */
        size_t size;
        usec_t written; /* realtime */
        bool is_ours;   /* and the run's user cannot have changed it */
} PathsNote;

/* What was written for a run, by an earlier daemon perhaps. -ENOENT and others: it cannot be read. */
int paths_folder_read(const PathsFolder *f, uint64_t run, PathsNote *ret);

/* Once all runs of an earlier daemon were claimed: removes what it has left behind. Further calls do nothing. */
void paths_folder_sweep(PathsFolder *f);

/* True when nothing in [Service] says what else the standard input of a run is. */
bool paths_are_input(const JobDef *def) _pure_;
