#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The names of the old copies of a log: app.log.3.gz, app.log-20261130.zst, with Extension=.log app.3.log.gz; and how
 * the name of a copy tells its log and its age. And the names of our own files. */

#include <limits.h>

#include "job/upkeep-def.h"

#define COPY_DATE_MAX 64 /* bytes with NUL; "-%Y-%m-%d_%H:%M:%S" comes to 21 */

/* What a name says beside that of the log. Of Suffix=number, 1 is the newest; of Suffix=date, a second copy with the
 * same date is number 1, app.log-20261130.1, and the newer one. */
typedef struct CopyName {
        char date[COPY_DATE_MAX]; /* "" with Suffix=number */
        uint64_t number;
        const char *compressed; /* ".gz", or "" */
} CopyName;

/* Our own files: ".NAME" and one of these behind it, NAME being that of the log, for ZIP that of the copy. What each
 * one means is explained in transaction.h. */
typedef enum Leftover {
        LEFTOVER_NEW,
        LEFTOVER_TELL,
        LEFTOVER_COPY,
        LEFTOVER_CUT,
        LEFTOVER_ZIP,
        _LEFTOVER_MAX,
} Leftover;

/* False: DateFormat= comes to more than COPY_DATE_MAX; then nothing below may be called. */
bool copy_date_fits(const RotateDef *def) _pure_;

/* Is it the name of a copy? Of which log goes to log. */
bool copy_name_parse(const RotateDef *def, const char *name, char log[static NAME_MAX + 1], CopyName *ret);

/* The reverse. -ENAMETOOLONG. */
int copy_name_format(const RotateDef *def, const char *log, const CopyName *c, char ret[static NAME_MAX + 1]);

/* < 0: a is the newer copy of the same log. */
int copy_name_compare(const CopyName *a, const CopyName *b) _pure_;

/* The date of a copy that is made now, in local time. */
void copy_name_set_date(const RotateDef *def, usec_t realtime, CopyName *c);

/* The end of the names of files in this format; "" for none. */
const char *compress_suffix(RotateCompress c) _const_;

/* -ENAMETOOLONG. */
int leftover_name(const char *name, Leftover which, char ret[static NAME_MAX + 1]);

/* The reverse. */
bool leftover_parse(const char *file, char name[static NAME_MAX + 1], Leftover *ret);
