#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A whole run of a [Rotate] job: finds the logs, judges, rotates, tells the writers, compresses, removes. */

#include "job/upkeep-def.h"

typedef enum RotationDeed {
        DEED_ROTATE,
        DEED_FINISH, /* what an interrupted run has left was put in order */
        DEED_COMPRESS,
        DEED_REMOVE,
        DEED_TELL, /* the writer */
        DEED_KEEP, /* nothing is to be done */
        DEED_SKIP, /* nothing that could be rotated */
        DEED_REFUSE,
        DEED_FAIL,
        _DEED_MAX,
} RotationDeed;

/* "rotate" …, of --json; and "rotated" …, for people. */
const char *rotation_deed_to_string(RotationDeed deed) _const_;
const char *rotation_deed_done(RotationDeed deed) _const_;

/* What the run needs beside the files. All may be called many times; the functions return 0 or a negative errno, with
 * a reason that the caller frees. */
typedef struct RotationHost {
        /* path: of the file, or what else it is about. reason may be NULL. */
        void (*report)(void *userdata, RotationDeed deed, const char *path, const char *reason);
        int (*run_script)(void *userdata, const char *script, char *const *logs, char **reterr);
        int (*tell_writer)(void *userdata, const RotateDef *def, char **reterr); /* ReloadUnit=, Signal= */
        const char *(*taken_by)(void *userdata, const char *path); /* a configuration of logrotate, or NULL */
        void *userdata;
        int state_fd; /* the directory of the records; -EBADF: nothing is remembered */
} RotationHost;

typedef struct RotationResult {
        unsigned n_rotated, n_compressed, n_removed, n_finished;
        unsigned n_failed; /* and refused */
        size_t n_logs;     /* that were found */
        int64_t bytes_freed;
} RotationResult;

/* plan: everything is judged, and reported as it would be done, and nothing is changed. Returns 0, whatever becomes of
 * single logs; -EINVAL: DateFormat= or a pattern; -E2BIG: too many logs; -ENOMEM. */
int rotation_run(const RotateDef *def, const RotationHost *host, usec_t realtime, bool plan, RotationResult *ret);
