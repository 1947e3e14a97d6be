#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Path triggers, as the files that make them up see them: path.c holds the watches of a
 * job, path-runs.c makes runs of what they report, path-spool.c runs the items of a spool, path-store.c keeps over a
 * restart what all of them know, path-view.c tells people. */

#include <sys/queue.h>

#include "core/trigger.h"
#include "fs/identity.h"
#include "util/turn.h"
#include "watch/batch.h"
#include "watch/spool.h"
#include "watch/watcher.h"

extern const TriggerOps path_trigger_ops;

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
        Deadline settling; /* an item that could not be put away is tried again */
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
        BatchRun *batch; /* of the job's batch, or NULL: nobody waits for its end */
        char *spool;     /* the directory that item is of, or NULL: there is none */
        SpoolItem item;
} RunPaths;

RunPaths *run_paths_new(const Trigger *t); /* NULL without memory */
RunPaths *run_paths_free(RunPaths *rp);
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

/* --- path.c --- */
/* boottime */
static inline usec_t paths_now(const JobPaths *p) {
        return turn_now(p->trigger->base.event).boottime;
}
JobPaths *job_paths(const PathTrigger *t, const Job *job); /* NULL: it has no path triggers */
void paths_mark_ready(JobPaths *p);                        /* somebody looks soon at whether a run can be asked for */
void paths_mark_dirty(JobPaths *p);
void paths_hold(JobPaths *p); /* when the batch has become full, or has room again */
PathWatch *paths_find_spool(const JobPaths *p, const char *directory);
/* The path below a directory, without a leading slash; NULL when it is not. "" for the directory itself. */
const char *path_below(const char *directory, const char *path) _pure_;
/* Whose rights the runs of a job have, for a spool, whose owner leads them to files: UID_UNKNOWN when that shows only
 * when they start, when only a name service says, and when they have groups or capabilities that their user has not.
 */
uid_t path_spool_uid(const JobDef *def);
/* What a watch calls n bytes long, from the root on. The caller frees it; NULL without memory. */
char *path_absolute(const PathSource *source, const char *path, size_t n, size_t *ret_length);

/* --- path-runs.c --- */
void path_runs_pump(JobPaths *p);
/* The files of a run that is under way are in the batch again. */
void path_runs_adopt(JobPaths *p, const LiveRun *run);
/* As the functions of TriggerOps. */
int path_runs_by_hand(Trigger *base, Job *job, const RunRequest *request, uint64_t *ret_id);
bool path_runs_ended(Trigger *base, LiveRun *run);

/* --- path-spool.c --- */
void spools_open(PathWatch *pw);
/* Again those that could not be opened: what was in the way may be mended. When that is due next, boottime. */
usec_t spools_reopen(JobPaths *p, usec_t now);
void spools_close(PathWatch *pw);
/* Before that, when the job is not to work on it any more: what has no run goes back to where it came from. */
void spools_release(PathWatch *pw);
/* An earlier daemon may have died between the preparation of another try and its note of that. */
void spools_find_item(const LiveRun *run, RunPaths *rp);
bool spools_have_ready(const JobPaths *p) _pure_;
/* What a run of an item gets that is claimed already: 1; 0: there is none; -ENOMEM. */
int spools_take_ready(JobPaths *p, RunPaths **ret);
/* The same of one that came to rest, which is claimed. 0: there is nothing to run; negative errno: nothing can be
 * claimed for now. */
int spools_take(JobPaths *p, BatchRun *files, RunPaths **ret);
/* There is no run of what was taken: it is the next one again, or somebody asked to skip it. */
void spools_take_again(JobPaths *p, RunPaths *rp);
void spools_give_up(JobPaths *p, RunPaths *rp);
/* A file that lies in the spool, named by somebody: what its run gets. -EXDEV: it lies elsewhere; -ETXTBSY: it is not
 * there, no regular file, or being written; -EAGAIN: the spool is not there; -ENOMEM. */
int spools_take_file(JobPaths *p, const char *path, RunPaths **ret);
void spools_put_back(JobPaths *p, RunPaths *rp);
/* Before another try of a run. */
void spools_retry(Trigger *base, const LiveRun *failed, RunPayload *payload); /* as TriggerOps.run_retried() */
/* True: its payload is kept until the item is put away. */
bool spools_run_ended(PathTrigger *t, LiveRun *run);
/* Acknowledges and gives up what ended; call when that is written. */
void spools_settle(Trigger *base);
/* def: of the run, or NULL when it is not known any more. */
void spools_add_end(PathTrigger *t, const RunRecord *r, JobDef *def, RunPaths *rp);
void spools_free_end(PathTrigger *t, SpoolEnd *end);

/* --- path-store.c --- */
/* Writes what is new, as far as it can be written now. */
void path_store_save(JobPaths *p, bool all);
/* Gives the watch what an earlier daemon, or definition, knew. */
void path_store_load(PathWatch *pw);
void path_store_load_waiting(JobPaths *p);
/* The files of a run whose job is not watched yet wait for that. */
void path_store_put_waiting(const PathTrigger *t, const LiveRun *run);
void path_store_forget(const JobPaths *p);
/* As the functions of TriggerOps. */
int path_store_pack(const RunPayload *payload, char **ret, size_t *ret_n);
int path_store_unpack(Trigger *base, const void *bytes, size_t n, RunPayload **ret);
RunPayload *path_store_recognize(Trigger *base, const ExecutionRequest *request, RunRecord *record);

/* --- path-view.c: as the functions of TriggerOps --- */
int path_view_explain(Trigger *base, const Job *job, const char *file, size_t n, ExplainVisit visit, void *userdata);
int path_view_list(Trigger *base, const Job *job, TriggerVisit visit, void *userdata);
int path_view_count(Trigger *base, const Job *job, CounterVisit visit, void *userdata);
int path_view_plan(Trigger *base, const Job *job, PlanVisit visit, void *userdata, uint64_t *ret_most);
