#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a job file says, checked and in memory: made by config/, never changed afterwards, shared by reference between
 * the job table and the runs that were started with it. DESIGN section 4. */

#include <stdbool.h>
#include <stddef.h>

#include "util/clock.h"
#include "util/macro.h"

#define JOB_NAME_MAX     64     /* characters in a job's name */
#define JOB_TRIGGERS_MAX 256    /* triggers in one job */
#define JOB_COMMANDS_MAX 64     /* Exec= lines in one job */
#define JOB_QUEUE_MAX    100000 /* upper bound of QueueMax= and MaxParallel= */

typedef enum TriggerType {
        TRIGGER_INTERVAL, /* OnInterval=: span since the last start, or since the job was loaded */
        TRIGGER_BOOT,     /* OnBootSec=: span since the machine booted */
        TRIGGER_STARTUP,  /* OnStartupSec=: span since vaktd started */
        _TRIGGER_TYPE_MAX,
} TriggerType;

typedef struct TriggerDef {
        TriggerType type;
        usec_t span;      /* µs */
        char *expression; /* as written, for people */
} TriggerDef;

typedef enum Overlap {
        OVERLAP_QUEUE,    /* wait until the job's other run is over; at most QueueMax= wait */
        OVERLAP_SKIP,     /* refuse */
        OVERLAP_REPLACE,  /* stop the other run, then start */
        OVERLAP_PARALLEL, /* start beside it, at most MaxParallel= at once */
        _OVERLAP_MAX,
} Overlap;

typedef enum CommandFlags {
        COMMAND_IGNORE_FAILURE = 1 << 0, /* "-": a failure counts as success */
        COMMAND_NO_EXPAND = 1 << 1,      /* ":" and Shell=: $VAR is left alone */
} CommandFlags;

/* One Exec= or Shell= line. */
typedef struct CommandDef {
        char *path;  /* what is executed: absolute, or a name that is looked up in PATH at run time */
        char **argv; /* NULL-terminated, at least argv[0]; $VAR not yet expanded */
        unsigned flags;
} CommandDef;

typedef struct JobDef {
        unsigned n_ref;

        char *name;
        char *description;
        char **documentation; /* NULL-terminated or NULL */
        char **tags;
        char *fragment; /* path of the job file */
        bool enabled;

        TriggerDef *triggers;
        size_t n_triggers;

        CommandDef *commands;
        size_t n_commands;
        usec_t timeout; /* µs; USEC_INFINITY = none; 0 = as vaktd.conf says */
        Overlap overlap;
        unsigned queue_max;
        unsigned max_parallel;

        uint64_t digest; /* of all that was read: equal digests are equal jobs */
} JobDef;

/* A definition with the defaults of DESIGN section 4 and one reference. -ENOMEM. */
int job_def_new(JobDef **ret, const char *name);
JobDef *job_def_ref(JobDef *d);
JobDef *job_def_unref(JobDef *d);
DEFINE_CLEANUP(JobDef, job_def_unref)

/* True for a name as DESIGN section 2 allows it: [A-Za-z0-9][A-Za-z0-9_.-]{0,63}, and the same with one @ in it for
 * templates ("NAME@") and instances ("NAME@INSTANCE"). */
bool job_name_is_valid(const char *name);

/* "OnInterval" …, as the keys are written, and "queue" …; NULL / negative when there is none. */
const char *trigger_type_to_string(TriggerType t) _const_;
const char *overlap_to_string(Overlap o) _const_;
int overlap_from_string(const char *s) _pure_;
