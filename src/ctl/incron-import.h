#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The lines of incrontab(5) as job files, as incron 0.5.12 reads them. */

#include "ctl/import.h"

typedef struct Incrontab {
        Import out;
        const char *owner;     /* of files that are neither in "incron.d" nor in "incron"; NULL: the calling user */
        bool is_user_instance; /* the jobs run as this user, without User= */
} Incrontab;

/* Reads a table, or the tables of a directory. Those in "incron.d" are of the system, those in "incron" of the user of
 * their name. 0, or a negative errno. */
int incrontab_read(Incrontab *i, const char *path);

void incrontab_done(Incrontab *i);
