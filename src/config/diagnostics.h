#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What is wrong with the files of an administrator: file, line and a message each, in the order found. */

#include <sys/types.h>

#include "util/macro.h"

#define DIAGNOSTICS_PER_FILE_MAX 20 /* a file's further problems are counted in one last entry */

typedef struct Diagnostic {
        char *file;      /* path of the file */
        unsigned line;   /* from 1; 0 = the file as a whole */
        char *message;   /* a message: what is wrong and what to do; it may repeat what the file says */
        bool is_private; /* not everybody may read the file; true until diagnostics_find_private() */
} Diagnostic;

typedef struct Diagnostics {
        Diagnostic *items;
        size_t n_items;
} Diagnostics;

/* Appends one. Returns 0, or -ENOMEM. */
int diagnostics_add(Diagnostics *d, const char *file, unsigned line, const char *format, ...) _printf_(4, 5);

/* Appends copies of all of from. */
int diagnostics_merge(Diagnostics *d, const Diagnostics *from);

/* Looks which of the files everybody may read. */
void diagnostics_find_private(Diagnostics *d);

void diagnostics_done(Diagnostics *d);

/* The problems of one file on their way into a list: the first DIAGNOSTICS_PER_FILE_MAX are written down, the others
 * counted. */
typedef struct FileProblems {
        Diagnostics *list; /* NULL: count only */
        const char *file;  /* stays the caller's */
        unsigned n;        /* problems so far */
} FileProblems;

/* Both return 0, or -ENOMEM. end() writes the one last entry when there were too many. */
int file_problems_add(FileProblems *f, unsigned line, const char *format, ...) _printf_(3, 4);
int file_problems_end(FileProblems *f);
