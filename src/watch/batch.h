#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Collects the changes of one job and says which files a run gets, and when. Pure, and told the time: `now` is µs of
 * CLOCK_BOOTTIME everywhere.
 *
 * With Batch=all, what changes together is one run: all files wait until nothing was heard of any of them for
 * SettleSec=, at most SettleMaxSec= since the first was heard of. Then they are due, and go into the next batch in the
 * order in which they were first heard of. With Batch=each, every file waits for its own quiet time, and goes alone.
 * Changes during a run wait for a later one; a file is never in two batches at once. Past the trigger limit, runs are
 * delayed but none is dropped. Nothing is forgotten until batch_done(). */

#include "job/path-def.h"
#include "util/clock.h"
#include "util/macro.h"

#define BATCH_BYTES_MAX     ((size_t)128 << 20) /* in memory, of all files; see batch_is_full() */
#define BATCH_RUN_FILES_MAX ((size_t)65536)     /* in one run; the others wait for the next one */
#define BATCH_RUN_BYTES_MAX ((size_t)16 << 20)  /* of their paths */
#define BATCH_SLOWEST       6U                  /* how often the delay is doubled at most */

typedef struct Batch Batch;
typedef struct BatchRun BatchRun; /* the files that one run was given */

typedef struct BatchConfig {
        usec_t settle;         /* µs; 0 = at once */
        usec_t settle_max;     /* µs; 0 or USEC_INFINITY = however long */
        bool each;             /* one run for each file */
        unsigned parallel;     /* batches under way at once; 0 = one */
        size_t files_max;      /* in one batch, less than BATCH_RUN_FILES_MAX; 0 = that */
        usec_t limit_interval; /* µs; 0 = no limit */
        unsigned limit_burst;  /* batches within it; 0 = no limit */
        size_t bytes_max;      /* see batch_is_full(); 0 = BATCH_BYTES_MAX */
} BatchConfig;

/* -EINVAL for a burst above the maximum; -ENOMEM. */
int batch_new(Batch **ret, const BatchConfig *config);
Batch *batch_free(Batch *b); /* with its runs */
DEFINE_CLEANUP(Batch, batch_free)

/* After a reload. What waits goes on by the new rules. -EINVAL, -ENOMEM: it goes on by the old ones. */
int batch_set_config(Batch *b, const BatchConfig *config);

/* Something happened to path (n bytes, any but NUL). Again for one that waits: the events are added, and it settles
 * anew (Batch=all: all of them do). For one in a run: it waits for the end of that, and then on. from (NULL or a
 * path): where it was moved from; if that waits here, it waits no longer, since it is not there any more, and its age
 * goes to path. 1: it waits now and did not before; 0: it did. -ENOMEM. */
int batch_add(Batch *b, const char *path, size_t n, const char *from, unsigned events, usec_t now);

/* The same of what a run of the job did itself (its control group tells): no reason for another run, so it is
 * forgotten. But when it moved what waits here for others' sake, that waits on under its new name: 1; else 0.
 * -ENOMEM. */
int batch_add_own(Batch *b, const char *path, size_t n, const char *from, usec_t now);

/* Takes a path out that waits, not one in a run. True when it was there. */
bool batch_remove(Batch *b, const char *path, size_t n);

/* When batch_take() may give something: 0 = now, USEC_INFINITY = not before a change or the end of a run. */
usec_t batch_next(const Batch *b, usec_t now) _pure_;

/* The files of the next run, if one is due: 1 and *ret, which is the Batch's until batch_done(). 0: none is, or many
 * have to be sorted first and batch_next() still says now: ask again in the next turn. -ENOMEM: ask again later;
 * nothing was changed. */
int batch_take(Batch *b, usec_t now, BatchRun **ret);

/* After a restart: a run that is under way was given these files by an earlier daemon (n bytes: paths, each with a NUL
 * behind it). Those that wait do so until it is over. -EBUSY: one of them is in another run; -EINVAL: n bytes are no
 * such list; -ENOMEM. */
int batch_adopt(Batch *b, const char *list, size_t n, usec_t now, BatchRun **ret);

typedef struct BatchFile {
        const char *path;
        size_t length;
        unsigned events; /* all that was heard of it */
        usec_t first, last;
} BatchFile;

size_t batch_run_size(const BatchRun *r) _pure_;
BatchFile batch_run_file(const BatchRun *r, size_t i);

typedef enum BatchOutcome {
        BATCH_FORGET, /* dealt with */
        BATCH_AGAIN,  /* not dealt with: the files wait again, before all others */
} BatchOutcome;

/* The run is over, or was never started. What changed during it waits on, whatever the outcome. Frees it. */
void batch_done(Batch *b, BatchRun *r, BatchOutcome outcome, usec_t now);

/* The run that was taken last could not be: its files wait until that time and settle then, behind all others, and it
 * does not count for the limit. Of Batch=each only. Frees it. */
void batch_postpone(Batch *b, BatchRun *r, usec_t until, usec_t now);

/* --- for people, and for the ledger --- */

typedef enum BatchFileState {
        BATCH_FILE_SETTLING, /* until when, see BatchView.until */
        BATCH_FILE_DUE,      /* waits for its turn: a run under way, or the limit */
        BATCH_FILE_RUNNING,
        BATCH_FILE_RUNNING_AGAIN, /* and changed since */
} BatchFileState;

typedef struct BatchView {
        BatchFile file;
        BatchFileState state;
        usec_t until; /* of BATCH_FILE_SETTLING */
} BatchView;

/* False when nothing is known of the path. */
bool batch_find(const Batch *b, const char *path, size_t n, usec_t now, BatchView *ret);

/* All, in the order of arrival, those in runs first. Nonzero from visit ends it and is returned. What is in a run is
 * to be kept over a restart as well, unless that run is. */
int batch_visit(const Batch *b, usec_t now, int (*visit)(const BatchView *v, void *userdata), void *userdata);

size_t batch_n_waiting(const Batch *b) _pure_;
size_t batch_size(const Batch *b) _pure_; /* bytes that all files take */

/* Do as many bytes of files wait as may? What changes is to be held back then, and found by comparison when there is
 * room again. Nothing is refused, so what is under way already can still be put in. It was full until now: it is until
 * half of it is dealt with. */
bool batch_is_full(const Batch *b, bool until_now) _pure_;
size_t batch_n_running(const Batch *b) _pure_; /* files in runs */

/* Is a batch delayed by the trigger limit? Then until when, and how long the delay between runs is now (either may be
 * NULL). */
bool batch_is_limited(const Batch *b, usec_t now, usec_t *ret_until, usec_t *ret_delay);
