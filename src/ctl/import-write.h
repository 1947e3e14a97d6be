#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Writes jobs to a directory, and turns off what they were made of. All print what is wrong and what to do. */

#include "ctl/import.h"

#define IMPORT_MARK "#vaktd# " /* in front of a line that is turned off */

/* How what a job was made of is turned off. */
typedef enum ImportSource {
        IMPORT_SOURCE_NONE,
        IMPORT_SOURCE_LINES, /* of a table such as a crontab: they become comments */
        IMPORT_SOURCE_UNITS, /* of the service manager */
} ImportSource;

/* Writes all jobs, or none: an existing file is not overwritten. The directory is made if its parent is there. A
 * negative errno. */
int import_write(const Import *i, const char *directory);

/* Turns off what the jobs were made of, and says how to undo it, unless it is to be quiet. What cannot be turned off
 * keeps running, so its jobs are removed from the directory again. A negative errno if there was any. */
int import_turn_off(const Import *i, ImportSource source, const char *directory, bool user, bool quiet);
