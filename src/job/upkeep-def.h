#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The sections [Rotate] and [Clean] of a job file, parsed; and the lines of them as written, which are the arguments
 * of vakt-rotate and vakt-clean. See vaktd.job(5). */

#include <sys/types.h>

#include "util/clock.h"
#include "util/macro.h"

#define UPKEEP_PATHS_MAX   1024 /* Path= lines of one section, and Exclude= lines */
#define ROTATE_KEEP_MAX    1000000U
#define ROTATE_DELAY_MAX   1000U
#define ROTATE_THREADS_MAX 256U
#define ROTATE_NAME_MAX    64 /* bytes of DateFormat= and of Extension= */
#define ROTATE_LEVEL_AUTO  0  /* CompressLevel=: as the format sees fit */

typedef enum RotateMode {
        ROTATE_RENAME,       /* the log gets another name, and a new one takes its place */
        ROTATE_COPYTRUNCATE, /* the log is copied, and emptied: for writers that cannot reopen it */
        _ROTATE_MODE_MAX,
} RotateMode;

typedef enum RotateCompress {
        ROTATE_COMPRESS_NONE,
        ROTATE_COMPRESS_GZIP,
        ROTATE_COMPRESS_ZSTD,
        _ROTATE_COMPRESS_MAX,
} RotateCompress;

typedef enum RotateSuffix {
        ROTATE_SUFFIX_NUMBER, /* log.1 is the newest copy */
        ROTATE_SUFFIX_DATE,   /* log-20261130, or what DateFormat= says */
        _ROTATE_SUFFIX_MAX,
} RotateSuffix;

/* [Rotate]. A log is rotated when it is due: when it is as big as MaxSize= or its last rotation is as long ago as
 * MaxAge=, and at each run if neither is set; unless it is smaller than MinSize=, or empty with SkipEmpty=. */
typedef struct RotateDef {
        char **paths;       /* Path=: absolute, globs; NULL-terminated. NULL: the job has no [Rotate] */
        char **exclude;     /* Exclude=: globs as in [Path]; or NULL */
        uint64_t max_size;  /* bytes; SIZE_ENDLESS = none */
        uint64_t min_size;  /* bytes */
        usec_t max_age;     /* µs; USEC_INFINITY = none */
        unsigned keep;      /* copies; UINT_MAX = all */
        usec_t keep_usec;   /* µs; older copies are removed; USEC_INFINITY = of any age */
        uint64_t keep_size; /* bytes of all copies of a log; SIZE_ENDLESS = any */
        RotateCompress compress;
        unsigned compress_delay;   /* the newest copies that stay as they are: CompressDelay=yes is 1 */
        unsigned compress_level;   /* ROTATE_LEVEL_AUTO or that of the format */
        unsigned compress_threads; /* of zstd; 0 = one for each processor */
        RotateMode mode;
        RotateSuffix suffix;
        char *date_format; /* DateFormat=, strftime(3) with %Y %m %d %H %M %S %s %V only; NULL = -%Y%m%d */
        char *extension;   /* Extension=.log: stays at the end of the name, app-20261130.log; or NULL */
        bool skip_empty;
        bool create;                      /* Create=no: the writer makes the new log itself */
        mode_t create_mode;               /* (mode_t)-1 = that of the log */
        char *create_user, *create_group; /* NULL = those of the log */
        char *old_dir; /* OldDir=: copies are kept here, on the same file system; relative to the log's directory or
                          absolute; or NULL */
        char *reload_unit; /* ReloadUnit=, or NULL */
        int signal;        /* Signal=SIGUSR1 UNIT, to its main process; 0 = none */
        char *signal_unit;
        char *pre_rotate, *post_rotate; /* PreRotate=, PostRotate=: scripts for /bin/sh, whose arguments are the logs;
                                           each line of the key is a line of its script */
        bool script_each;               /* ScriptPer=file: they run for each log, and not once for all of the run */
        bool take_over;                 /* TakeOver=yes: also a log that a configuration file of logrotate names */
} RotateDef;

typedef enum CleanAgeBy {
        CLEAN_AGE_ACCESS = 1 << 0, /* the newest of those that are set */
        CLEAN_AGE_BIRTH = 1 << 1,
        CLEAN_AGE_CHANGE = 1 << 2,
        CLEAN_AGE_MODIFY = 1 << 3,
} CleanAgeBy;

/* What UntilFree= asks for. */
typedef struct CleanMark {
        uint64_t bytes;     /* 0 = not in bytes */
        uint32_t permyriad; /* of the file system; 0 = not in percent */
} CleanMark;

/* [Clean]. Each Path= is a rule of its own for MaxSize=, MaxCount= and KeepMin=; the marks are of file systems. */
typedef struct CleanDef {
        char **paths;    /* Path=: absolute, globs; what is in a directory that matches, or the files that match. NULL:
                            the job has no [Clean] */
        char **exclude;  /* Exclude=: globs as in [Path] */
        usec_t max_age;  /* µs; USEC_INFINITY = age is no reason */
        unsigned age_by; /* CleanAgeBy */
        uint64_t max_size;    /* bytes of all files of a rule: the oldest go until it holds; SIZE_ENDLESS = any */
        uint64_t max_count;   /* files of a rule, the same; UINT64_MAX = any */
        uint64_t keep_min;    /* KeepMin=: the newest files of a rule that always stay */
        CleanMark until_free; /* the oldest go until so much is free */
        CleanMark until_inodes_free; /* the same of inodes */
        bool recursive;              /* yes by default */
        bool empty_directories; /* EmptyDirectories=yes: directories that have become empty, or are old and empty, go
                                 */
        bool keep_open;         /* KeepOpen=yes: what a process has open stays */
} CleanDef;

extern const RotateDef rotate_def_defaults;
extern const CleanDef clean_def_defaults;

void rotate_def_done(RotateDef *d); /* frees its members, not itself */
void clean_def_done(CleanDef *d);

/* With the defaults. -ENOMEM. */
int rotate_def_new(RotateDef **ret);
int clean_def_new(CleanDef **ret);
RotateDef *rotate_def_free(RotateDef *d);
CleanDef *clean_def_free(CleanDef *d);

/* What vakt-rotate and vakt-clean report about their work by STATUS= of sd_notify(3): "files=N freed=BYTES: TEXT".
 * True: it is that; *ret_text is the rest, for people, in status. */
bool upkeep_summary_parse(const char *status, uint64_t *ret_files, uint64_t *ret_freed, const char **ret_text);

/* "rename" … as the keys are written; negative if there is none. */
int rotate_mode_from_string(const char *s) _pure_;
int rotate_compress_from_string(const char *s) _pure_;
int rotate_suffix_from_string(const char *s) _pure_;
