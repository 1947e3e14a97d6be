#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Spool=: a directory in which each file that comes to rest is one item of work. An item is claimed by being renamed
 * into a directory of its own within SPOOL/.vakt-JOB/, which no watch reports; the user who put it there cannot take
 * it for unclaimed any more, and two daemons cannot claim it both. All that has to be remembered of an item - which it
 * is, how often it was tried, whether it has failed - is the name of that directory, and each step is one rename:
 * killed at any point, the next start finds every item in one state or the next.
 *
 *     SPOOL/name                      not claimed
 *     SPOOL/.vakt-JOB/ID.N/name       claimed, in its Nth try; ID has 16 hexadecimal digits and grows with arrival
 *     SPOOL/.vakt-JOB/ID.failed/name  given up, without SpoolFailed=
 *
 * Who wants each item processed at least once and acknowledged exactly once: claim; write the item's id with the run's
 * request; run; write the run's result; spool_done(). At start, spool_recover() gives what is claimed: an id with a
 * successful run is to be acknowledged, one with a run under way to be followed, any other to be run.
 *
 * Other people can write to spools, and some belong to them. So each function opens the spool, and where its items go
 * to, anew and in the guarded way of fs/guarded.h, compares what it finds with what was there when the spool was
 * opened, and works with these rights:
 *
 * - In a spool of root's (or our own), .vakt-JOB is ours, and no other user can change or replace what is in it. Where
 *   others can write the spool itself, a file is taken out with the rights of that file's owner, who could have taken
 *   it out himself. What was taken is looked at again once it is out of everybody's reach.
 * - In a spool of another user's, all is done with the rights of that user, .vakt-JOB is his, and he can do with it
 *   what he likes; so the runs have to be his, too. Others would be led to their own files by him.
 *
 * No function blocks longer than a few system calls take. */

#include <sys/types.h>

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

typedef struct SpoolConfig {
        const char *path, *job;
        const char *done, *failed; /* SpoolDone=, SpoolFailed=, absolute, or NULL */
        uid_t run_uid;             /* whose rights the runs have; UID_UNKNOWN: somebody's whom we do not know,
                                    * or more than he has */
        uint64_t min_id;           /* ids are given out above it (what the ledger knows), 0 = from the clock */
} SpoolConfig;

/* Makes SPOOL/.vakt-JOB (mode 0711, so that a run under another user gets at its item, and only at that) if it is not
 * there. -ENOENT, -ENOTDIR, -EACCES: the spool; -EPERM, -ELOOP: others could lead us or the runs astray, or .vakt-JOB
 * is somebody else's; -EXDEV: done or failed are on another file system, or the spool has a mount in it; -ENOMEM.
 * *reterr (may be NULL) is then a text for people, without the final dot, that names the place, the reason and what to
 * do; the caller frees it; NULL without memory. */
int spool_open(Spool **ret, const SpoolConfig *config, char **reterr);
Spool *spool_free(Spool *s);
DEFINE_CLEANUP(Spool, spool_free)

/* Why the last function that returned an error did so, for people, as *reterr of spool_open(). */
const char *spool_problem(const Spool *s) _pure_;

/* While on, the spool's directories stay open between two calls of the functions below, so that what many have to find
 * is found once. Only for a moment: what is open keeps its file system from being unmounted. */
void spool_keep_open(Spool *s, bool on);

/* All functions below: -ESTALE: the spool, or where the item is to go, is not the directory any more that it was when
 * the spool was opened. Open it again. */

/* Claims a file that has come to rest (a Batch with settling says so). 0 and the item, which the caller frees.
 * -EBUSY: somebody still has it open for writing, or is just closing it, and may have been heard of already: try
 * again. That is known of files of our own user, and of all with CAP_LEASE; for others, the close event and SettleSec=
 * have to do. -ENOENT: it is gone; -EINVAL: not a regular file, or a private name. -EMLINK: it has another name
 * somewhere, so it may be a file that the user who put it here cannot even read; when that is news (-EAGAIN), the
 * other name may just be about to go. Any error leaves it where it was, or, when its name was taken meanwhile,
 * claimed: then it is found when the spool is opened next. */
int spool_claim(Spool *s, const char *name, usec_t now_realtime, SpoolItem *ret);

/* Where the item is now, absolute: what a run gets as $VAKT_PATH. The caller frees it; NULL without memory. */
char *spool_item_path(const Spool *s, const SpoolItem *i);

/* The way back, without a spool: the directory that it is of, and the item, both for the caller to free. -EINVAL: it
 * is no path of an item of that job's; -ENOMEM. */
int spool_item_from_path(const char *path, const char *job, char **ret_spool, SpoolItem *ret);

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

/* How many had been given up and stayed in .vakt-JOB when it was read last: by spool_open() or spool_recover(). */
int spool_count_failed(const Spool *s) _pure_;
