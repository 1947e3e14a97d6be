#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The section [Path] of a job: which files and directories are watched, and which changes start a run. See
 * vaktd.job(5). */

#include <sys/types.h>

#include "util/clock.h"
#include "util/macro.h"
#include "util/path-filter.h"

#define PATH_SOURCES_MAX     1024   /* lines of PathChanged=, Spool= and so on in one job */
#define PATH_PATTERNS_MAX    1024   /* lines of Include= and Exclude=, each */
#define PATH_LIMIT_BURST_MAX 10000U /* upper bound of TriggerLimitBurst= */

typedef enum PathKind {
        PATH_EXISTS,              /* PathExists= */
        PATH_EXISTS_GLOB,         /* PathExistsGlob= */
        PATH_CHANGED,             /* PathChanged= */
        PATH_MODIFIED,            /* PathModified= */
        PATH_DIRECTORY_NOT_EMPTY, /* DirectoryNotEmpty= */
        PATH_SPOOL,               /* Spool= */
        _PATH_KIND_MAX,
} PathKind;

/* Events=, and the changes of a file. */
typedef enum WatchEvents {
        WATCH_CREATE = 1 << 0, /* has appeared under this name, may be incomplete */
        WATCH_WRITE = 1 << 1,  /* the content under this name has changed, may be incomplete */
        WATCH_CLOSE = 1 << 2,  /* complete: its writer has closed it; also links, FIFOs and the like that appear */
        WATCH_MOVE = 1 << 3,   /* complete, and reported as moved here; a job that asks for one of the two gets both */
        WATCH_DELETE = 1 << 4, /* gone from this name */
        WATCH_ATTRIB = 1 << 5, /* mode, owner, links and the like; changed times count as other content */
        WATCH_COMPLETE = WATCH_CLOSE | WATCH_MOVE,
        WATCH_ALL = (1 << 6) - 1,
} WatchEvents;

/* Backend=. */
typedef enum WatchBackend {
        WATCH_BACKEND_AUTO, /* inotify; and polling where it does not report everything */
        WATCH_BACKEND_INOTIFY,
        WATCH_BACKEND_FANOTIFY,
        WATCH_BACKEND_POLL,
        _WATCH_BACKEND_MAX,
} WatchBackend;

typedef struct PathSource {
        PathKind kind;
        char *path; /* absolute, as written; for PATH_EXISTS_GLOB a pattern, with * in any component */
} PathSource;

typedef struct PathDef {
        PathSource *sources;
        size_t n_sources;
        char **include; /* Include=, Exclude= as written; NULL-terminated, or NULL */
        char **exclude;
        PathFilter *filter; /* compiled from these; NULL: everything counts */
        unsigned events;    /* WATCH_* of Events=; 0 = the default of the kind of source */
        bool recursive;
        bool each;             /* Batch=each; always with a spool */
        usec_t settle;         /* µs; 0 = at once */
        usec_t settle_max;     /* µs; USEC_INFINITY = no limit */
        char *spool_done;      /* SpoolDone=, absolute; NULL: finished items are deleted */
        char *spool_failed;    /* SpoolFailed=, absolute; NULL: they stay claimed, marked as failed */
        usec_t limit_interval; /* µs; TriggerLimitIntervalSec=; 0 = no limit */
        unsigned limit_burst;  /* TriggerLimitBurst=; 0 = no limit */
        bool make_directory;   /* MakeDirectory= */
        mode_t directory_mode; /* DirectoryMode= */
        WatchBackend backend;  /* Backend= */
        usec_t poll; /* µs; PollSec=: longest time between two scans where the kernel reports nothing; 0 = by size */
        bool cross_mounts; /* CrossMounts=: include file systems that are mounted below */
} PathDef;

/* The default of each setting, as vaktd.job(5) has it. */
extern const PathDef path_def_defaults;

/* A section with the defaults, and nothing to watch. -ENOMEM. */
int path_def_new(PathDef **ret);
PathDef *path_def_free(PathDef *d);
DEFINE_CLEANUP(PathDef, path_def_free)

/* The default limit of runs: only a job that triggers itself reaches it. */
void path_def_set_default_limit(PathDef *d);

/* Is it a condition, rather than a change? */
bool path_kind_is_condition(PathKind k) _const_;

/* Does a run get one path ($VAKT_PATH), or a list? */
bool path_def_gives_one(const PathDef *d) _pure_;

/* True when the two watch the same things in the same way, whatever is done with what they find. */
bool path_def_watches_the_same(const PathDef *a, const PathDef *b);

const char *path_kind_to_string(PathKind k) _const_; /* the key: "PathExists" … */
int path_kind_from_string(const char *s) _pure_;
int watch_backend_from_string(const char *s) _pure_;

/* "create", "write", …: one bit, or -EINVAL. */
int watch_event_from_string(const char *s) _pure_;
const char *watch_event_to_string(unsigned event) _const_;
