#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The logs that a job is about, with their old copies and with what an interrupted rotation has left: all that a
 * directory tells. */

#include <sys/stat.h>

#include "upkeep/copies.h"
#include "upkeep/patterns.h"

/* Of a job, in directories of root's or ours; and in all directories of another user. */
#define LOGS_MAX           200000
#define COPIES_MAX         2000000
#define LOGS_OF_USER_MAX   20000
#define COPIES_OF_USER_MAX 50000

typedef struct Copy {
        char *name;
        CopyName parts;
        struct stat st;
} Copy;

typedef struct LogDirectory LogDirectory;

/* A user who fills his directories harms himself only: what is in them is counted for each user. */
typedef struct LogsOwner {
        uid_t uid; /* for root and us: 0 */
        size_t n_logs, n_copies;
        struct LogsOwner *next;
} LogsOwner;

typedef struct Log {
        LogDirectory *directory;
        char *name;
        bool exists; /* else there are only copies or leftovers of it, and st is not set */
        struct stat st;
        usec_t born;               /* µs of CLOCK_REALTIME; 0 = the file system does not tell */
        bool is_mount;             /* another file is mounted over it */
        bool is_expected;          /* a pattern without wildcards names it */
        unsigned leftover;         /* 1 << Leftover */
        bool has_foreign_leftover; /* of another user than the directory */
        bool is_half_rotated; /* by LEFTOVER_NEW, and by its second name, which is in one of the two directories */
        char **zips;          /* names of LEFTOVER_ZIP */
        Copy *copies;         /* the newest first */
        size_t n_copies;
        /* What the run makes of it: */
        char *taken_by; /* the file of logrotate that names it, or NULL */
        bool is_due, is_refused, is_rotated, is_finished;
        char *reason;   /* why it is due */
        bool must_tell; /* its writer has still to be told that it was rotated */
        usec_t rotated; /* when, by its record; 0 = never */
} Log;

struct LogDirectory {
        Workplace *place, *old; /* of the logs; of their copies: the same, or OldDir= */
        LogsOwner *owner;
        char *problem; /* nothing can be done here, and why */
        int lock_fd;   /* while a run works here */
        bool is_changed;
        const Pattern **patterns;
        size_t n_patterns;
        Log *logs; /* by name */
        size_t n_logs;
};

typedef struct Logs {
        const RotateDef *def;
        Pattern **patterns;
        size_t n_patterns;
        PathFilter *exclude;
        LogDirectory *directories; /* by device and inode */
        size_t n_directories;
        LogsOwner *owners;
        void (*refused)(void *userdata, const char *path, int error, const char *reason);
        void *userdata;
} Logs;

/* l: a Log *. */
#define LOGS_FOREACH(l, all)                                                                                        \
        for (size_t _i = 0; _i < (all)->n_directories; _i++)                                                        \
                for (size_t _k = 0; _k < (all)->directories[_i].n_logs && ((l) = &(all)->directories[_i].logs[_k]); \
                     _k++)

/* Finds all directories; refused is told of directories that are not entered. def stays the caller's. -EINVAL: a
 * pattern; -E2BIG, -ENOMEM. */
int logs_find(Logs *l);

/* Finds the logs in a directory: once, when nobody else changes them any more. In a directory that has too many, none
 * is found, which refused is told. -ENOMEM. */
int log_directory_scan(Logs *l, LogDirectory *d);
void logs_done(Logs *l);

/* Looks again at the file, which was replaced. 0 or a negative errno; it is fine if there is none. */
int logfile_look(Log *l);

/* The newest first; a copy belongs to the list after success. */
int logfile_add_copy(Log *l, const char *name, const CopyName *parts, const struct stat *st);
void logfile_remove_copy(Log *l, size_t i);
