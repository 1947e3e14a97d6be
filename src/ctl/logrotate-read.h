#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The configuration of logrotate(8), read as logrotate 3.21 does. */

#include "ctl/import.h"

/* What a directive sets; of several for the same, the last one counts. */
typedef enum LogrotateSlot {
        LOGROTATE_WHEN, /* daily …, or size */
        LOGROTATE_MIN_SIZE,
        LOGROTATE_MAX_SIZE,
        LOGROTATE_MIN_AGE,
        LOGROTATE_MAX_AGE,
        LOGROTATE_ROTATE,
        LOGROTATE_START,
        LOGROTATE_COMPRESS,
        LOGROTATE_DELAY_COMPRESS,
        LOGROTATE_COMPRESS_PROGRAM,
        LOGROTATE_COMPRESS_EXTENSION,
        LOGROTATE_COMPRESS_OPTIONS,
        LOGROTATE_DATE,
        LOGROTATE_DATE_FORMAT,
        LOGROTATE_DATE_YESTERDAY,
        LOGROTATE_DATE_HOUR_AGO,
        LOGROTATE_EXTENSION,
        LOGROTATE_ADD_EXTENSION,
        LOGROTATE_CREATE,
        LOGROTATE_OLD_DIR,
        LOGROTATE_CREATE_OLD_DIR,
        LOGROTATE_COPY_TRUNCATE,
        LOGROTATE_COPY,
        LOGROTATE_RENAME_COPY,
        LOGROTATE_NOT_EMPTY,
        LOGROTATE_SHARED_SCRIPTS,
        LOGROTATE_SU,
        LOGROTATE_SHRED,
        LOGROTATE_MAIL,
        LOGROTATE_HARD_LINKS,
        LOGROTATE_IGNORE_DUPLICATES,
        LOGROTATE_FIRST_ACTION,
        LOGROTATE_PRE_ROTATE,
        LOGROTATE_POST_ROTATE,
        LOGROTATE_LAST_ACTION,
        LOGROTATE_PRE_REMOVE,
        LOGROTATE_NOTHING, /* what has no effect here */
        _LOGROTATE_SLOT_MAX,
} LogrotateSlot;

/* A directive as it is written; it lives as long as the Logrotate. */
typedef struct LogrotateSetting {
        const char *word; /* NULL: it is not set, or set back to the default */
        const char *value;
        const char *file;
        unsigned line;
} LogrotateSetting;

typedef struct LogrotateBlock {
        const char *file;
        unsigned line;
        char **paths; /* absolute patterns; each is in one block only */
        LogrotateSetting settings[_LOGROTATE_SLOT_MAX];
} LogrotateBlock;

typedef struct LogrotatePath {
        const char *path, *file;
        unsigned line;
} LogrotatePath;

typedef struct Logrotate {
        Import out;
        void (*take)(Import *out, const LogrotateBlock *b); /* called for each block */
        /* private */
        LogrotateSetting globals[_LOGROTATE_SLOT_MAX];
        char **strings; /* that settings and paths point to */
        size_t n_strings;
        char **taboo; /* patterns of files that are not included; NULL: the usual ones */
        LogrotatePath *paths;
        size_t n_paths;
        unsigned n_files, depth;
} Logrotate;

/* Reads a file, or the files of a directory. What is wrong in them becomes notes; a negative errno if it cannot be
 * read at all. Without memory, the program ends. */
int logrotate_read(Logrotate *l, const char *path);
void logrotate_done(Logrotate *l);
