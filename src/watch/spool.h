#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Spool=: a folder in which each file that comes to rest is one item of work. An item is claimed by being renamed into
 * a folder of its own within SPOOL/.vakt-JOB/, which no watch reports; whoever put it there cannot take it for
 * unclaimed any more, and two daemons cannot claim it both. All that has to be remembered of an item - which it is,
 * how often it was tried, whether it has failed - is the name of that folder, and each step is one rename: killed at
 * any point, the next start finds every item in one state or the next.
 *
 *     SPOOL/name                      not claimed
 *     SPOOL/.vakt-JOB/ID.N/name       claimed, in its Nth try; ID has 16 hexadecimal digits and grows with arrival
 *     SPOOL/.vakt-JOB/ID.failed/name  given up, without SpoolFailed=
 *
 * Who wants each item processed at least once and acknowledged exactly once: claim; write the item's id with the run's
 * request; run; write the run's result; spool_done(). At start, spool_recover() gives what is claimed: an id with a
 * successful run is to be acknowledged, one with a run under way to be followed, any other to be run.
 *
 * No function blocks longer than a few system calls take; none follows a symbolic link in the spool. */

#include <stdbool.h>

#include "util/clock.h"
#include "util/macro.h"

#define SPOOL_ATTEMPTS_MAX 1000000U

typedef struct Spool Spool;

typedef struct SpoolItem {
        uint64_t id;      /* never given out twice in a spool: µs since 1970 of the claim, or the last one + 1 */
        unsigned attempt; /* 1 … */
        char *name;       /* that the file came with: any bytes */
} SpoolItem;

void spool_item_done(SpoolItem *i); /* frees what it holds */

/* Makes SPOOL/.vakt-JOB (mode 0711, so that a run under another user gets at its item, and only at that) if it is not
 * there. done, failed: SpoolDone=, SpoolFailed=, absolute, or NULL. min_id: ids are given out above it (what the
 * ledger knows), 0 = from the clock. -ENOENT, -ENOTDIR, -EACCES: the spool; -EPERM: its .vakt-JOB belongs to somebody
 * else or others may write it; -EXDEV: done or failed are on another file system, or the spool has a mount in it;
 * -ENOMEM. */
int spool_open(Spool **ret, const char *path, const char *job, const char *done, const char *failed, uint64_t min_id);
Spool *spool_free(Spool *s);
DEFINE_CLEANUP(Spool, spool_free)

/* Claims a file that has come to rest (a Batch with settling says so). 0 and the item, which the caller frees.
 * -EBUSY: somebody still has it open for writing; it will be heard of again when he closes it. That is known of files
 * of our own user, and of all with CAP_LEASE; for others, the close event and SettleSec= have to do. -ENOENT: it is
 * gone; -EINVAL: not a regular file, or a private name. Any error leaves it where it was. */
int spool_claim(Spool *s, const char *name, usec_t now_realtime, SpoolItem *ret);

/* Where the item is now, absolute: what a run gets as $VAKT_PATH. The caller frees it; NULL without memory. */
char *spool_item_path(const Spool *s, const SpoolItem *i);

/* Acknowledges: the file goes to SpoolDone= (with "~ID" behind its name when that is taken), or is deleted. 1: the run
 * has taken it away itself, or it was acknowledged before. 0: done. Errors: it is still claimed, call again. */
int spool_done(Spool *s, const SpoolItem *i);

/* Gives up: to SpoolFailed=, in the same way, or it stays as ID.failed. */
int spool_fail(Spool *s, const SpoolItem *i);

/* The next try: attempt + 1, and another path, so that what is left of the last run cannot harm it. -ENOENT, … */
int spool_retry(Spool *s, SpoolItem *i);

/* Back into the spool, unclaimed. -EEXIST: its name is taken again. */
int spool_release(Spool *s, const SpoolItem *i);

/* What is claimed and not given up, lowest id first, and tidies away what a crash left half done. The visit may call
 * all functions above; nonzero from it ends the walk and is returned. Negative errno. */
int spool_recover(Spool *s, int (*visit)(void *userdata, const SpoolItem *i), void *userdata);

/* What lies in the spool unclaimed, regular files only, in the order of arrival (ctime, then name): for a start. */
int spool_visit(Spool *s, int (*visit)(void *userdata, const char *name), void *userdata);

/* How many are given up and stay in the claim folder. Negative errno. */
int spool_count_failed(Spool *s);
