#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What is watched, and what is told of it: the types of watcher.h. */

#include <sys/types.h>

#include "fs/identity.h"
#include "job/path-def.h"
#include "util/clock.h"
#include "util/macro.h"

#define WATCH_PRIVATE_PREFIX ".vakt-"            /* names that begin so are ours (claims of a spool): never reported */
#define WATCH_MODEL_MAX      ((size_t)256 << 20) /* bytes of one model; what is not in it is reported by event only */
#define WATCH_VISIT_MAX      200000U             /* entries that watch_visit() looks at */
#define WATCH_DEPTH_MAX      2000U               /* directories below each other; deeper ones are not watched */
#define WATCH_PATH_MAX       32768U /* bytes of a directory's path; those with longer ones are not, either */
#define WATCH_LARGE          20000U /* directories; see WATCH_BACKEND_AUTO */
#define WATCH_MOVE_WINDOW    (50 * USEC_PER_MSEC) /* the second half of a move has to come within */
#define WATCH_POLL_MIN       (2 * USEC_PER_SEC)
#define WATCH_POLL_MAX       (5 * USEC_PER_MINUTE)

typedef struct Watcher Watcher;
typedef struct Watch Watch;

typedef enum WatchKind {
        WATCH_PATH_EXISTS,         /* PathExists=: a condition, true or not; see watch_recheck() */
        WATCH_PATH_EXISTS_GLOB,    /* PathExistsGlob=: the same for a pattern, * in any name of it */
        WATCH_DIRECTORY_NOT_EMPTY, /* DirectoryNotEmpty=: the same; hidden and backup files do not count */
        WATCH_PATH_CHANGED,        /* PathChanged=: the file, or what is directly in the directory; not each write */
        WATCH_PATH_MODIFIED,       /* PathModified=: each write, too */
        WATCH_TREE,                /* a directory with Recursive=, Include=, Exclude=, Events=, or a spool */
        _WATCH_KIND_MAX,
} WatchKind;

typedef struct Change {
        const char *path; /* relative to the watch: bytes, NUL-terminated, any length; "" = what is watched itself. For
                           * conditions: the path that is there, absolute */
        size_t length;
        const char *from; /* the path that it had in the same watch, where nothing is now; or NULL */
        unsigned events;  /* WATCH_*, at least one that was asked for; 0 for conditions */
        bool synthetic;   /* found by looking: when it happened is not known */
        bool is_directory;
        /* Who made it, where the kernel says (with fanotify): never anybody who did not. */
        pid_t pid;          /* 0 = not known, or several */
        const char *cgroup; /* his control group, as in /proc/PID/cgroup; NULL = not known, or of several */
} Change;

typedef enum WatchState {
        WATCH_STARTING, /* the first look is not finished; with fanotify nothing has to wait for that */
        WATCH_WAITING,  /* the path is not there; its parents are watched */
        WATCH_ACTIVE,
        WATCH_DEGRADED, /* part of it is polled or cannot be read, see watch_explain() */
        WATCH_FAILED, /* Backend=fanotify, which is not possible: nothing is watched; tried again from time to time */
        _WATCH_STATE_MAX,
} WatchState;

/* All are called from the loop, or from the functions below that say so. They must not free the Watch that they are
 * called for, nor the Watcher; and never block. */
typedef struct WatchOps {
        /* Something changed; for conditions: it holds now and did not before. */
        void (*changed)(void *userdata, Watch *w, const Change *c);
        /* It is not there any more, and WATCH_DELETE was not asked for; may be NULL. events is 0. */
        void (*gone)(void *userdata, Watch *w, const Change *c);
        /* watch_state() gives something else; may be NULL. */
        void (*state_changed)(void *userdata, Watch *w);
} WatchOps;

/* All but kind, path and events may be zero. Strings are copied, the filter is borrowed for the life of the Watch. */
typedef struct WatchDef {
        WatchKind kind;
        const char *path; /* absolute */
        /* What this user may see is seen, and symbolic links are followed; borrowed for the life of the Watch. NULL:
         * what we may see, and links are followed as fs/guarded.h says. */
        const Identity *identity;
        const PathFilter *filter;
        unsigned events;      /* WATCH_*; of trees only */
        bool recursive;       /* of trees only */
        bool directories;     /* report directories like files; of trees only (PathChanged= always does) */
        bool cross_mounts;    /* go on into what is mounted below; else it is left out */
        bool report_existing; /* without a snapshot, what is there at start is news (a spool), not the base line */
        WatchBackend backend;
        size_t large;     /* directories from which on a tree is large for WATCH_BACKEND_AUTO; 0 = WATCH_LARGE */
        size_t model_max; /* bytes; 0 = WATCH_MODEL_MAX */
        usec_t poll_min, poll_max; /* µs; 0 = WATCH_POLL_* */
} WatchDef;

/* Sums since the start, and what there is now. */
typedef struct WatchCounters {
        uint64_t events;     /* read from the kernel */
        uint64_t merged;     /* of these, about what was waiting to be looked at already */
        uint64_t overflows;  /* of the kernel's queue */
        uint64_t rescans;    /* of whole trees, for whatever reason */
        uint64_t synthetic;  /* changes reported that no event told of */
        uint64_t others;     /* fanotify events about files that are not watched */
        uint64_t duplicates; /* events about what a look had found before: not reported */
        uint64_t reported;   /* changes, all */
        size_t watches;      /* of inotify */
        size_t marks;        /* file systems, of fanotify */
        size_t waiting;      /* names to look at */
        size_t directories, files, polled_directories;
        size_t model_bytes;
} WatchCounters;
