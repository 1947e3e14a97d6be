#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What is remembered of a log from one run to the next, in a small file of its own (0600, in the state directory):
 * when it was rotated last, and what the last run that did anything made of it. A missing or bad record is as good as
 * none: see logfile_judge(). */

#include <sys/types.h>

#include "util/clock.h"
#include "util/macro.h"

/* µs of CLOCK_REALTIME, or 0. path: of the log. */
usec_t record_read(int state_fd, const char *path);

/* rotated: the new time, or what was read. result: a word and a reason. 0 or negative errno. */
int record_write(int state_fd, const char *path, usec_t rotated, const char *result);

/* Once a day, removes those that were not written to for 400 days. */
void records_prune(int state_fd, usec_t realtime);

/* Locks a file with flock(2). lock_wait: µs that may be waited for it, which become less. -EWOULDBLOCK, or another
 * errno of flock(2). */
int lock_wait_for(int fd, usec_t *lock_wait);

/* Locks a directory until the descriptor is closed, by a file that nobody else can lock. -EWOULDBLOCK: another run
 * works there; errno of openat(2). */
int record_lock(int state_fd, dev_t device, ino_t inode, usec_t *lock_wait);
