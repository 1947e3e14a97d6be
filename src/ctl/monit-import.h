#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A monit control file as job files, as far as it goes. */

#include <stddef.h>

#include "util/macro.h"

typedef struct MonitJob {
        char *name; /* the file is NAME.job */
        char *text;
} MonitJob;

/* What could not be translated, or not quite. */
typedef struct MonitNote {
        unsigned line;
        char *text;
} MonitNote;

typedef struct MonitImport {
        MonitJob *jobs;
        size_t n_jobs;
        MonitNote *notes;
        size_t n_notes;
        unsigned cycle_sec; /* of "set daemon", also for further files */
} MonitImport;

/* Adds the jobs of n bytes of a file. Without memory, the program ends. */
void monit_import(MonitImport *m, const char *file, const char *text, size_t n);
void monit_import_done(MonitImport *m);
