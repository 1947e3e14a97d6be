#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What is remembered of a log from one run to the next, in a small file of its own (0600, in the state directory):
 * when it was rotated last, and what the last run that did anything made of it. A missing or bad record is as good as
 * none: see logfile_judge(). */

#include <sys/types.h>

#include "fs/guarded.h"
#include "util/clock.h"
#include "util/macro.h"

/* µs of CLOCK_REALTIME, or 0. path: of the log. */
usec_t record_read(int state_fd, const char *path);

/* rotated: the new time, or what was read. result: a word and a reason. 0 or negative errno. */
int record_write(int state_fd, const char *path, usec_t rotated, const char *result, bool may_be_new);

/* For logs in directories of other users, who could have us fill our own file system: no new record if there are so
 * many. It is not needed. */
#define RECORDS_OF_USERS_MAX 50000
bool records_have_room(int state_fd);

/* Once a day, removes those that were not written to for 400 days, and what killed runs have left of their locks. */
void records_prune(int state_fd, usec_t realtime);

/* Locks a file with flock(2). lock_wait: µs that may be waited for it, which become less. -EWOULDBLOCK, or another
 * errno of flock(2). */
int lock_wait_for(int fd, usec_t *lock_wait);

/* Locks a directory, by a file that nobody else can lock. A descriptor; -EWOULDBLOCK: another run works there; errno
 * of openat(2). */
int record_lock(int state_fd, const GuardedDirectory *d, usec_t *lock_wait);

/* Removes that file, closes its descriptor and returns -EBADF. fd: or a negative errno. */
int record_unlock(int state_fd, const GuardedDirectory *d, int fd);
