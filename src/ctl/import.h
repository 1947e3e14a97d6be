#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Job files that are made of the configuration of another program, and what cannot be said in them. */

#include <stdarg.h>
#include <stdio.h>

#include "util/macro.h"

#define IMPORT_FILE_MAX  (1024 * 1024) /* bytes of a file that is read */
#define IMPORT_JOBS_MAX  1000
#define IMPORT_NOTES_MAX 10000 /* further ones are left out */

typedef struct ImportJob {
        char *name; /* the file is NAME.job */
        char *text;
        char *file; /* what it was made of */
        unsigned line;
} ImportJob;

/* What could not be translated, or not quite. */
typedef struct ImportNote {
        char *file;
        unsigned line; /* 0: the file as a whole */
        char *text;
} ImportNote;

/* A line that has no effect, but would have one without those above it. */
typedef struct ImportLine {
        char *file;
        unsigned line;
} ImportLine;

typedef struct Import {
        ImportJob *jobs;
        size_t n_jobs;
        ImportNote *notes;
        size_t n_notes;
        ImportLine *dead;
        size_t n_dead;
} Import;

/* Without memory, all of these end the program. */

/* Reads a regular file, or /dev/null; NUL bytes become blanks. 0, or a negative errno; the caller frees *ret. */
int import_read(const char *path, char **ret);

/* The reason why a file cannot be read, for a message. */
const char *import_reason(int error);

void import_note(Import *i, const char *file, unsigned line, const char *format, ...) _printf_(4, 5);
void import_note_list(Import *i, const char *file, unsigned line, const char *format, va_list ap);

/* By line, then by text: those from first on, which are of one file. */
void import_sort_notes(Import *i, size_t first);

/* A name for a job that none of the others has: prefix, what can be in a name of base, a number if need be, suffix.
 * The caller frees it. */
char *import_name(const Import *i, const char *prefix, const char *base, const char *suffix);

/* Writes a value, with percent signs doubled as a job file wants them. */
void import_put(FILE *f, const char *key, const char *value);

/* Writes Description= with as much of the text as fits a table. */
void import_put_description(FILE *f, const char *text);

/* Writes a word that is taken as it is: of Exec= behind ":", of Environment=. */
void import_put_word(FILE *f, const char *word);

/* Writes Environment=, of "NAME=value" or of the two. */
void import_put_assignment(FILE *f, const char *assignment);
void import_put_variable(FILE *f, const char *name, const char *value);

/* Whether a command leaves something in the background: "&" that is none of "&&", ">&" and "&>", and not quoted. */
bool import_is_background(const char *command);

/* Writes notes as comments. */
void import_put_notes(FILE *f, const Import *i, size_t first, size_t end);

/* Takes over name and text. What vaktd would refuse becomes a note of this line, and false is returned. */
bool import_add_job(Import *i, const char *file, unsigned line, char *name, char *text);

/* A line that is to be turned off together with those that jobs were made of. */
void import_add_dead(Import *i, const char *file, unsigned line);

void import_done(Import *i);
