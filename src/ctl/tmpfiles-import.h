#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The ages of tmpfiles.d(5) as job files with [Clean]. */

#include "ctl/import.h"

typedef struct TmpfilesLine TmpfilesLine;

typedef struct Tmpfiles {
        Import out;
        unsigned n_others; /* lines that are no business of cleaning */
        /* private */
        TmpfilesLine *lines;
        size_t n_lines;
} Tmpfiles;

/* Reads files, and the files of directories; a directory hides files of the same name in those that come after it.
 * NULL: where systemd-tmpfiles(8) looks. A negative errno if one cannot be read, with its name. */
int tmpfiles_read(Tmpfiles *t, char *const *paths, const char **ret_path);

/* Makes the jobs of what was read. */
void tmpfiles_import(Tmpfiles *t);
void tmpfiles_done(Tmpfiles *t);
