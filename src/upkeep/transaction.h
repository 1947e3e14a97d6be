#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The rotation of one log, so that it can be killed at any moment, or fail at any system call, without losing or
 * doubling a byte, and without leaving the log's writer without a file. The rules of this program:
 *
 *  1. Each directory is opened once, from the one above it; all names are used relative to it (patterns.h, guarded.h).
 *  2. In a directory of another user, everything is done with the rights of that user and no others
 * (workplace_enter()).
 *  3. Only regular files with one name, opened without following links and without waiting (logfile_open()).
 *  4. Names are bytes. They go to other programs as arguments only, never into a text that is interpreted (writer.h).
 *  5. What somebody can make many of has a maximum: entries, depth, logs, copies, time to wait.
 *  6. Mounts below a wildcard are not crossed, and a log over which another file is mounted is refused.
 *  7. A log that its owner, that of its directory, root or we have locked with flock(2) stays as it is. Others can
 * lock what they can read, and do not keep it from being rotated.
 *  8. The records of logs are a file each, 0600, in a directory of our own. A bad one hurts no other log; and none is
 *     needed to recover (record.h).
 *  9. Waiting for a lock has an end.
 * 10. A pattern does not match our own files, nor the copies that we make (logs.h).
 * 11. A refusal is a result of that log, with its reason; the others go on.
 * 12. --plan is the same code up to the first change (plan.h).
 *
 * And the transaction. The directory tells how far it has come; nothing else is asked.
 *
 *   Mode=rename:                                        killed after this, the next run finds
 *   create .LOG.vakt-new, owner and mode of the log     an empty file: removes it
 *   rename copies, the oldest first                     a gap: copies move up to the first gap only
 *   link LOG to LOG.1                                   two names of one file: goes on from here
 *   rename .LOG.vakt-new to LOG                         .LOG.vakt-tell, if there is a writer to tell
 *   tell the writer
 *
 * Where the file system has no hard links, .LOG.vakt-new and LOG are exchanged, and the old log, which has bytes or a
 * writer, is then named LOG.1; and where it has no exchange either, LOG is renamed first: if it is missing,
 * .LOG.vakt-new is named LOG. .LOG.vakt-tell is created before all that and removed after the writer was told.
 *
 *   Mode=copytruncate:
 *   copy LOG to .LOG.vakt-copy, sync                    a copy: removes it
 *   rename .LOG.vakt-copy to .LOG.vakt-cut, sync        LOG begins with what is in it: removes it
 *   cut that off from the beginning of LOG, sync        LOG does not: goes on from here
 *   rename copies
 *   rename .LOG.vakt-cut to LOG.1
 *
 * Compression writes to .COPY.vakt-zip, which a later run removes; syncs; renames it to its name; syncs the directory;
 * removes the plain copy. If both are there, and hold the same, the plain one goes.
 *
 * A file system may write names and contents to the disk in another order than they were changed. "sync" is where the
 * next step relies on this one after a power failure, too.
 *
 * The next run may be that of another job file. So a log with .LOG.vakt-new and a second name in one of the two
 * directories goes on from there, however Suffix= has the copy named by now; and what belongs to copies is looked for
 * in both directories, because OldDir= may be new. */

#include "upkeep/logs.h"

/* Finishes or takes back what an interrupted run has left of this log. The Log is then as
 * it is on disk, and judged again. 1: there was something; 0; a negative errno with a reason. With the rights for the
 * directory, as the functions below. */
int logfile_recover(const RotateDef *def, Log *l, usec_t realtime, char **reterr);

/* Opens the log and locks it, if it is still the file that was judged. lock_wait: µs that may be waited for the lock,
 * which become less; NULL: it is opened even if it is locked. A descriptor; -EWOULDBLOCK: it is locked; -ESTALE: it is
 * another file by now; errno of openat(2).
 */
int logfile_open(const RotateDef *def, const Log *l, usec_t *lock_wait);

/* Rotates the log at fd. Afterwards its copies in memory are those on disk. Returns 0 or a negative errno, with what
 * could not be done in reterr; in both cases the log is there. */
int logfile_rotate(const RotateDef *def, Log *l, int fd, usec_t realtime, char **reterr);

/* Removes the note that the writer has still to be told. */
int logfile_told(Log *l);

/* Renames a file, and never over another one (-EEXIST); a file system that cannot promise that is asked first. */
int rename_new(int from_fd, const char *from, int to_fd, const char *to);

/* Gives a new file the owner, mode and extended attributes of another one. */
int copy_attributes(int from, const struct stat *st, int to);
