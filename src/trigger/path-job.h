#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The path triggers of a job, as the files that make them up see them. From below: path-user.c knows whom the runs
 * are, path-store.c keeps over a restart what is known, path-spool.c has the items of a spool, path-view.c tells
 * people, path-runs.c makes runs of it all, and path.c is the port, and has the watches. */

#include <sys/queue.h>

#include "core/trigger.h"
#include "fs/identity.h"
#include "util/turn.h"
#include "watch/batch.h"
#include "watch/spool.h"
#include "watch/watcher.h"

typedef struct JobPaths JobPaths;
typedef struct SpoolEnd SpoolEnd;

/* The path triggers of all jobs. */
typedef struct PathTrigger {
        Trigger base;
        Watcher *watcher; /* of the first job with [Path] on */
        sd_event_source *ready_source;
        TAILQ_HEAD(, JobPaths) ready;
        TAILQ_HEAD(, SpoolEnd) spool_ends;
        bool is_started;
        usec_t begin_turn, begin_until; /* CLOCK_MONOTONIC: new watches of this turn look at once, until then */
        Deadline settling;              /* an item that could not be put away is tried again */
} PathTrigger;

/* A line of [Path]. */
typedef struct PathWatch {
        JobPaths *paths;
        const PathSource *source;
        char *key;    /* of its rows in the ledger; NULL: it has none */
        Watch *watch; /* NULL: it could not be made, because of */
        int error;
        Identity identity; /* whom the job's runs are, where the watch sees what that user may see */
        Spool *spool;      /* of Spool=, once it is there; NULL else, perhaps because of */
        int spool_error;
        char *spool_problem; /* the same for people */
        usec_t reopen_at;    /* boottime: then it is tried again */
        usec_t reports_since;
        unsigned n_reports; /* of problems, since then */
        SpoolItem *ready;   /* items that are claimed and have no run, the next one first */
        size_t n_ready;
        size_t n_failed;          /* items that were given up and lie with the claimed ones */
        bool has_started;         /* its first look is over */
        bool is_unread;           /* what the ledger has of it could not be read */
        usec_t settle_not_before; /* boottime: an item could not be put away */
} PathWatch;

/* A file that a forgotten run of an earlier daemon has dealt with, as it was before that was given it. */
typedef struct DealtWith {
        char *path;
        usec_t before; /* realtime; 0: that was found out */
} DealtWith;

/* The path triggers of a job. */
struct JobPaths {
        Deadline deadline; /* something falls due */
        Deadline saving;   /* what changed is to be written */
        TAILQ_ENTRY(JobPaths) ready;
        TriggerKept kept;
        PathTrigger *trigger;
        Job *job;
        JobDef *def; /* that the watches borrow from: an older one perhaps, that watches the same */
        PathWatch *watches;
        size_t n_watches;
        Batch *batch;
        DealtWith *dealt_with;
        size_t n_dealt_with;
        usec_t save_not_before; /* boottime */
        usec_t not_before;      /* no run is asked for before, boottime */
        bool is_sorted;         /* dealt_with is */
        bool is_ready;          /* in PathTrigger.ready */
        bool is_dirty;          /* more is known than is written */
        bool has_waiting;       /* files that wait are written down */
        bool is_unread;         /* perhaps more of them, which could not be read yet */
        bool was_limited;       /* the trigger limit was reached, and that was said */
        bool has_lost;          /* a change that could not be kept in mind, and that was said */
        bool is_held;           /* as many files wait as may: the watches are held */
};

/* What a run was given. */
typedef struct RunPaths {
        RunPayload base;
        char *list; /* paths, each with a NUL behind it */
        size_t size, n;
        bool one;        /* $VAKT_PATH */
        bool is_found;   /* the run was forgotten, and so is what made it */
        BatchRun *batch; /* of the job's batch, or NULL: nothing waits for its end */
        char *spool;     /* the directory that item is of, or NULL: there is none */
        SpoolItem item;
} RunPaths;

RunPaths *run_paths_new(const Trigger *t); /* NULL without memory */
RunPaths *run_paths_free(RunPaths *rp);
/* A copy of these, each with a NUL behind it. -ENOMEM. */
int run_paths_set_list(RunPaths *rp, const void *list, size_t size);
/* For people; NULL without memory. */
char *run_paths_text(const RunPaths *rp);
DEFINE_CLEANUP(RunPaths, run_paths_free)
/* What a run was given, or NULL. */
static inline RunPaths *run_paths(const PathTrigger *t, const LiveRun *run) {
        return (RunPaths *)run_payload(run, t->base.ops);
}

/* A run that has ended, whose item is to be acknowledged or given up once that is written. */
struct SpoolEnd {
        TAILQ_ENTRY(SpoolEnd) ends;
        uint64_t run;
        JobDef *def; /* of the run, or NULL */
        char *job, *spool;
        SpoolItem item;
        bool success;
        bool reported; /* that it cannot be put away */
};

/* boottime */
static inline usec_t paths_now(const JobPaths *p) {
        return turn_now(p->trigger->base.event).boottime;
}
void paths_mark_ready(JobPaths *p); /* somebody looks soon at whether a run can be asked for */
void paths_mark_dirty(JobPaths *p, usec_t now);
void paths_hold(JobPaths *p); /* when the batch has become full, or has room again */
PathWatch *paths_find_spool(const JobPaths *p, const char *directory);

/* The path below a directory, without a leading slash; NULL when it is not. "" for the directory itself. */
const char *path_below(const char *directory, const char *path) _pure_;
/* What a watch calls n bytes long, from the root on. The caller frees it; NULL without memory. */
char *path_absolute(const PathSource *source, const char *path, size_t n, size_t *ret_length);
