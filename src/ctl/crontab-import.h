#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The entries of crontab(5) and anacrontab(5), and the scripts of directories such as /etc/cron.daily, as job files.
 */

#include "ctl/import.h"

typedef struct CrontabMailer CrontabMailer;

typedef struct Crontab {
        Import out;
        const char *owner;     /* of files without a field for the user; NULL: the calling user */
        bool is_user_instance; /* the jobs run as this user, without User= */
        /* private */
        CrontabMailer *mailers;
        size_t n_mailers;
} Crontab;

/* Reads a file, or the files of a directory, whose kind its name tells: "anacrontab"; with a field for the user,
 * "crontab" and what is in "cron.d"; of users, what is in "crontabs"; scripts, what is in "cron.daily" and its like;
 * other files are the crontab of the owner. 0, or a negative errno. */
int crontab_read(Crontab *c, const char *path);

void crontab_done(Crontab *c);
