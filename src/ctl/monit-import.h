#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A monit control file as job files, as far as it goes. */

#include "ctl/import.h"

typedef struct MonitImport {
        Import out;
        unsigned cycle_sec; /* of "set daemon", also for further files */
} MonitImport;

/* Adds the jobs of n bytes of a file. Without memory, the program ends. */
void monit_import(MonitImport *m, const char *file, const char *text, size_t n);
