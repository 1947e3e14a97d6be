#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Whether anything has happened in directories of job files since they were read. */

#include <sys/types.h>

#include "util/macro.h"

typedef struct WatchedDirectory {
        int watch; /* negative: something has happened, or it cannot be told */
        dev_t device;
        ino_t inode;
        bool has_dropins; /* directories, in which anything can happen unseen */
} WatchedDirectory;

typedef struct JobWatch {
        int fd;
        WatchedDirectory *directories;
        size_t n;
} JobWatch;

#define JOB_WATCH_NONE ((JobWatch){ .fd = -EBADF })

/* For so many directories, none of which is watched yet. 0 or -ENOMEM; what else fails only leaves them unwatched. */
int job_watch_init(JobWatch *w, size_t n);
void job_watch_done(JobWatch *w);

/* Watches a directory, before it is opened to be read; then, what was opened must be the same one. Not watched are
 * those of file systems on which something can happen without the kernel's knowledge. */
void job_watch_add(JobWatch *w, size_t i, const char *path);
void job_watch_confirm(JobWatch *w, size_t i, int fd);

/* Something in the directory can change unseen: a file is a link, or has another name elsewhere. */
static inline void job_watch_give_up(JobWatch *w, size_t i) {
        w->directories[i].watch = -1;
}

/* Takes note of all that has happened until now: directories[].watch tells then. */
void job_watch_update(JobWatch *w);
