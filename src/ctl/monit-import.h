#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A monit control file as job files, as far as it goes. */

#include "ctl/import.h"

typedef struct MonitImport {
        Import out;
        unsigned cycle_sec; /* of "set daemon", also for further files */
} MonitImport;

/* Adds the jobs of a file. 0, or a negative errno if it cannot be read. Without memory, the program ends. */
int monit_read(MonitImport *m, const char *path);
