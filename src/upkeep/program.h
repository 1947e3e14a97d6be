#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What vakt-rotate and vakt-clean have in common as programs: their options, what they print, and how they end. */

#include <stdio.h>

#include "config/diagnostics.h"
#include "util/clock.h"

#define PROGRAM_GOES_ON (-1) /* no exit status */

typedef struct Program {
        const char *name, *help; /* set by the caller, as is */
        const char *own_option;  /* "--directory=", of this program only; or NULL */
        bool plan, json;
        const char *own_value; /* of that option; or NULL */
        char **lines;          /* the other arguments */
        size_t n_lines;
        uint64_t n_printed;
        bool is_without_memory;
} Program;

typedef struct ProgramLine {
        const char *word, *path, *reason; /* what was done with what, and why: may be NULL. Any bytes but NUL */
        bool is_directory;
        const char *details; /* behind the reason; of --json, more members, each with a comma before it; or NULL */
} ProgramLine;

/* Reads the options. PROGRAM_GOES_ON; or the exit status, and everything has been said. */
int program_read_options(Program *p, char **argv);

void program_print(Program *p, const ProgramLine *line);

/* On standard error: something went on without. With --json an object, as the errors of vaktctl are. */
void program_warn(const Program *p, const char *format, ...) _printf_(2, 3);

typedef struct ProgramEnd {
        uint64_t n_files, bytes_freed;
        bool has_failed; /* with some of the files */
        void (*put_summary)(FILE *f, const Program *p, const void *result);
        const void *result;
} ProgramEnd;

/* Tells the service manager, and people, what r was and how it went. problems: of the arguments, with -EINVAL. Returns
 * the exit status. */
int program_end(Program *p, int r, const Diagnostics *problems, const ProgramEnd *end);
