#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The content of a job file, checked and in memory: created by config/, never changed afterwards, shared by reference
 * between the job table and the runs that were started with it. See vaktd.job(5). */

#include <limits.h>

#include "condition/condition.h"
#include "job/path-def.h"
#include "job/unit-property.h"
#include "job/upkeep-def.h"
#include "time/calendar.h"
#include "time/cron.h"
#include "util/clock.h"
#include "util/macro.h"

#define JOB_NAME_MAX         64      /* characters in a job's name */
#define JOB_TRIGGERS_MAX     256     /* triggers in one job */
#define JOB_COMMANDS_MAX     64      /* Exec= lines in one job */
#define JOB_QUEUE_MAX        100000  /* upper bound of QueueMax= and MaxParallel= */
#define JOB_EXCEPT_MAX       256     /* Except= lines in one job */
#define JOB_CATCH_UP_MAX     10000   /* upper bound of CatchUpMax= */
#define JOB_CHAINS_MAX       64      /* jobs in one of OnSuccess=, OnFailure=, OnAlarm= */
#define JOB_RETRY_MAX        1000000 /* upper bound of Retry= */
#define JOB_PRIORITY_MAX     1000    /* Priority= is between this and its negative */
#define JOB_POOL_MAX         64      /* bytes in the name of a pool */
#define JOB_PROPERTIES_MAX   1024    /* lines of [Service] */
#define JOB_SUFFIX           ".job"
#define JOB_RUNNER_SLOTS_MAX 512       /* upper bound of RunnerSlots= */
#define JOB_RUNNER_SUFFIX    ".runner" /* no job has a name that ends so: units of runners do */

typedef enum TriggerType {
        TRIGGER_INTERVAL, /* OnInterval=: span since the last start (IntervalFrom=), or on the wall clock (Anchor=) */
        TRIGGER_BOOT,     /* OnBootSec=: span since the machine booted */
        TRIGGER_STARTUP,  /* OnStartupSec=: span since vaktd started */
        TRIGGER_CALENDAR, /* OnCalendar= */
        TRIGGER_CRON,     /* OnCron= */
        _TRIGGER_TYPE_MAX,
} TriggerType;

typedef struct TriggerDef {
        TriggerType type;
        bool is_shared;      /* calendar or cron is of util/shared-bytes.h */
        union {              /* by the type */
                usec_t span; /* µs; of an interval, after boot, after start */
                Calendar *calendar;
                Cron *cron;
                void *times; /* one of the two, or NULL */
        };
        char *expression; /* as written, for users and as its name in the ledger */
} TriggerDef;

typedef enum IntervalFrom {
        INTERVAL_FROM_START,
        INTERVAL_FROM_END,
        INTERVAL_FROM_SUCCESS,
        _INTERVAL_FROM_MAX,
} IntervalFrom;

typedef enum CatchUp {
        CATCH_UP_NONE, /* missed occurrences are recorded as missed */
        CATCH_UP_ONCE, /* the last one missed is run */
        CATCH_UP_ALL,  /* all are, up to CatchUpMax= */
        _CATCH_UP_MAX,
} CatchUp;

/* Settings of all triggers of a job. */
typedef struct TimerDef {
        char *time_zone; /* TimeZone= as written; NULL = the local one */
        IntervalFrom interval_from;
        usec_t anchor;       /* realtime µs; USEC_INFINITY = none */
        usec_t random_delay; /* µs */
        bool fixed_random_delay;
        usec_t accuracy; /* µs, at least 1 */
        CatchUp catch_up;
        unsigned catch_up_max;
        usec_t catch_up_within; /* µs, USEC_INFINITY = of any age */
        DstPolicy dst;
        Calendar **except; /* days that are left out */
        size_t n_except;
        bool wake_system;
} TimerDef;

/* [Monitor]: the job is requested when a condition has held for a time, and again while it goes on. */
typedef struct MonitorDef {
        Condition *when;   /* NULL: the job has no monitor, and the rest means nothing */
        Condition *clear;  /* what ends it; never NULL when there is a monitor */
        usec_t for_usec;   /* µs that it must hold without a break; 0 = at once */
        usec_t clear_for;  /* µs that it must be over without a break before it is cleared; 0 = at once */
        usec_t every;      /* µs between two requests while it is raised; 0 = only one */
        usec_t sample_max; /* µs; what nobody tells of is asked at least so often */
        char **on_clear;   /* jobs to request when it is over; NULL-terminated or NULL */
} MonitorDef;

typedef enum Overlap {
        OVERLAP_QUEUE,    /* wait until the other run of the job has ended; at most QueueMax= wait */
        OVERLAP_SKIP,     /* refuse */
        OVERLAP_REPLACE,  /* stop the other run, then start */
        OVERLAP_PARALLEL, /* start alongside it, at most MaxParallel= at once */
        _OVERLAP_MAX,
} Overlap;

typedef enum RunnerKind {
        RUNNER_UNIT, /* each run is a unit of its own */
        RUNNER_WARM, /* runs are forked in a unit that stays */
        _RUNNER_KIND_MAX,
} RunnerKind;

/* Runner= and related keys. */
typedef struct RunnerDef {
        RunnerKind kind;
        usec_t idle;       /* µs that it stays without a run; USEC_INFINITY = for good */
        unsigned max_runs; /* then another one is started; UINT_MAX = never */
        unsigned slots;    /* runs at once in one of them */
} RunnerDef;

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

/* Retry= and related keys. */
typedef struct RetryDef {
        unsigned max;  /* tries after the first one; 0 = none, UINT_MAX = "infinity" */
        usec_t delay;  /* µs before the first of them */
        double factor; /* ratio of each delay to the previous one; at least 1 */
        usec_t max_delay;
} RetryDef;

/* What counts as success in addition to exit status 0. */
typedef struct SuccessDef {
        uint8_t statuses[32]; /* one bit each, by exit status */
        uint64_t signals;     /* 1 << signal */
} SuccessDef;

/* What few jobs set. The definitions of all others share job_def_defaults.rare, and those that are packed and set
 * numbers only share equal ones. */
typedef struct RareDef {
        char **documentation; /* NULL-terminated or NULL */
        char **tags;
        usec_t once_since; /* realtime: when this job was created, which runs once; 0: any other job */

        TimerDef timer;
        PathDef *path_trigger; /* [Path], or NULL */
        MonitorDef monitor;

        RotateDef *rotate; /* [Rotate], or NULL; its program is then the one command */
        CleanDef *clean;   /* [Clean], or NULL; the same */

        char **on_success,
                **on_failure; /* jobs to request when a run has ended in this way; NULL-terminated or NULL */
        char **on_alarm;
        usec_t slow;   /* µs; a run that takes longer raises an alarm; USEC_INFINITY = never */
        usec_t expect; /* µs; this time without a success raises an alarm; USEC_INFINITY = never */

        char *unit; /* Unit=: what is started instead of commands, or NULL */
        unsigned queue_max;
        unsigned max_parallel;
        char *pool;   /* Pool=, or NULL */
        int priority; /* Priority=, higher goes first */
        RunnerDef runner;
        RetryDef retry;
        usec_t min_interval; /* µs between two starts, 0 = none */
        Condition *wait_for; /* WaitFor=: a run starts only when it is true; NULL = at once */
        usec_t wait_max;     /* µs that a run waits for it before it is skipped; USEC_INFINITY = for good */
        SuccessDef success;
        unsigned history_keep;    /* finished runs that are kept; 0 = as in vaktd.conf, UINT_MAX = all */
        usec_t history_keep_usec; /* µs; 0 = as in vaktd.conf, USEC_INFINITY = for good */

        UnitProperty
                *properties; /* [Service], in the order of the lines; a later one of the same name adds or replaces */
        size_t n_properties;
        char **source_files; /* of the files that were read, for UnitProperty.path */
} RareDef;

/* Ten thousand paths differ in what the names of the jobs say. */
typedef enum JobDefFile {
        JOB_DEF_FILE_WHOLE,  /* origin is the path */
        JOB_DEF_FILE_OF_JOB, /* it is the directory, of util/shared-bytes.h, and the file has the name of the job */
        JOB_DEF_FILE_OF_TEMPLATE, /* or of its template */
} JobDefFile;

typedef struct JobDef {
        unsigned n_ref;
        uint32_t size; /* of the block that job_def_pack() has made of it; 0: it was not packed */
        uint32_t text_size;
        Overlap overlap;

        char *name;
        char *description;
        char *origin;     /* path of the job file, or what job_def_fragment() makes one of */
        char *text;       /* the lines that were read, as config/job-file.h explains */
        RareDef *rare;    /* never NULL; of a packed definition not to be changed */
        const Zone *zone; /* that its times are meant in; borrowed from the zone cache */
        TriggerDef *triggers;
        CommandDef *commands; /* none with unit */
        usec_t timeout;       /* µs; USEC_INFINITY = none; 0 = as in vaktd.conf */
        uint16_t n_triggers, n_commands;
        bool enabled;
        uint8_t file; /* JobDefFile */

        uint64_t digest; /* of everything that was read: equal digests are equal jobs */
} JobDef;

/* A definition that is not packed: keys of a file find their fields in it. */
typedef struct WholeJobDef {
        JobDef def;
        RareDef rare; /* of def */
} WholeJobDef;

/* The default of each plain setting, as vaktd.job(5) has it. */
extern const WholeJobDef job_def_defaults;

/* The address of a member, by its offset in WholeJobDef. */
static inline const void *job_def_member(const JobDef *d, size_t offset) {
        return offset < offsetof(WholeJobDef, rare) ? (const char *)d + offset
                                                    : (const char *)d->rare + offset - offsetof(WholeJobDef, rare);
}

/* A definition with the defaults, in UTC, and one reference. -ENOMEM. */
int job_def_new(JobDef **ret, const char *name);

/* Moves a definition that is complete, and has one reference, into as few bytes as possible: it may not be changed
 * from then on. -ENOMEM. */
int job_def_pack(JobDef **d);

/* The path of the job file. It is in buf unless it is in the definition. NULL: no file. */
const char *job_def_fragment(const JobDef *d, char buf[static PATH_MAX]);

/* It has a calendar or a cron expression, and that was parsed. */
static inline bool trigger_def_has_times(const TriggerDef *t) {
        return (t->type == TRIGGER_CALENDAR || t->type == TRIGGER_CRON) && t->times;
}

void trigger_def_done(TriggerDef *t); /* frees its members, not itself */
JobDef *job_def_ref(JobDef *d);
JobDef *job_def_unref(JobDef *d);
DEFINE_CLEANUP(JobDef, job_def_unref)

/* The last value of a setting of [Service], or NULL. */
const UnitValue *job_def_setting(const JobDef *d, const char *name) _pure_;

/* True for [A-Za-z0-9][A-Za-z0-9_.-]*, for templates "NAME@" and for instances "NAME@INSTANCE", 64 bytes at most. The
 * name of the instance is used in paths and commands through %i, so it begins as a job name does: it is neither ".."
 * nor an option. */
bool job_name_is_valid(const char *name);

/* True if a run that ended in this way counts as a success: exit status 0 always does. */
bool success_def_has_status(const SuccessDef *s, int status) _pure_;
bool success_def_has_signal(const SuccessDef *s, int signal) _pure_;

/* The delay before try n (from 1) after the first one, µs. */
usec_t retry_def_delay(const RetryDef *r, unsigned n) _pure_;

/* "OnInterval" …, as the keys are written, and "queue" …; NULL / negative if there is none. */
const char *trigger_type_to_string(TriggerType t) _const_;
int trigger_type_from_string(const char *s) _pure_;
const char *overlap_to_string(Overlap o) _const_;
int overlap_from_string(const char *s) _pure_;
const char *runner_kind_to_string(RunnerKind k) _const_;
int runner_kind_from_string(const char *s) _pure_;
const char *interval_from_to_string(IntervalFrom f) _const_;
int interval_from_from_string(const char *s) _pure_;
int catch_up_from_string(const char *s) _pure_;
