#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Files and directories, watched: which one changed, in whole trees, with nothing lost. One Watcher for the daemon,
 * one Watch for each line of a [Path] section. See vaktd.job(5).
 *
 * A tree is kept as a model in memory (watch/model.h). Events of inotify, or of fanotify, say where to look; what is
 * reported is how the disk differs from the model. So whatever is missed - an overflow of the kernel's queue, a
 * directory that was full before it could be watched, the time while the daemon was down - is found by looking again,
 * and such a change is marked as synthetic. Reading, working and looking happen in turns of the event loop of a few
 * milliseconds each.
 *
 * What is guaranteed: every file that is complete and still there is reported at least once since it last changed,
 * with the path that it has then; and what each change means is the same, whichever way it was noticed (Events= in
 * vaktd.job(5)). What comes and goes between two looks may be missed. Writes through mmap(2) and
 * those of other hosts give no events; only polling sees them. */

#include <systemd/sd-event.h>

#include "watch/watch.h"

/* --- the watcher --- */

/* event: whose loop it lives on. worked, which may be NULL, is called at the end of each turn in which changes may
 * have been reported, and may do with watches what it likes; where watcher_is_at_work(), it is yet to come. is_busy:
 * more may be reported soon. Negative errno of inotify_init1(2) and of sd-event; -ENOMEM. */
int watcher_new(Watcher **ret, sd_event *event, void (*worked)(void *userdata, bool is_busy), void *userdata);
bool watcher_is_at_work(const Watcher *w) _pure_;
Watcher *watcher_free(Watcher *w); /* all watches must be gone */
DEFINE_CLEANUP(Watcher, watcher_free)

/* Without what is counted for a watch. */
WatchCounters watcher_counters(const Watcher *w);

/* Nothing is left to look at of what was read from the kernel. (What it has not handed out yet, what is polled later,
 * and halves of moves that are waited for may still come.) */
bool watcher_is_idle(const Watcher *w) _pure_;

/* --- a watch --- */

/* Starts at once; the callbacks come from the loop only. -EINVAL for a path that is not absolute or has a NUL too
 * many, and a pattern that is none; -EPERM: we may not act as def->identity; -ENOMEM. A path that is not there, a
 * limit of watches that is reached, a file system without events, a backend that is not possible are no errors: see
 * watch_state(). */
int watch_new(Watch **ret, Watcher *watcher, const WatchDef *def, const WatchOps *ops, void *userdata);
Watch *watch_free(Watch *w);
DEFINE_CLEANUP(Watch, watch_free)

/* Looks for the first time now instead of in the loop, as far as it gets until then (CLOCK_MONOTONIC, µs; one piece in
 * any case): what changes once a tree is seen as a whole is noticed, even if nothing was known of it before.
 * Callbacks may come. Conditions: nothing. */
void watch_begin(Watch *w, usec_t until);

WatchState watch_state(const Watch *w) _pure_;
const char *watch_state_to_string(WatchState s) _const_;

/* A message on the state for people: what is missing, what is polled and how often, and what to do. -ENOMEM. */
int watch_explain(const Watch *w, char **ret);

/* Reports nothing until it is let go. What happens meanwhile is found by comparison then, as after an overflow. May be
 * called from changed(); some more may come before that turn of the loop ends. Of conditions: nothing. */
void watch_hold(Watch *w, bool on);

/* What is counted for this watch; events, merged, overflows and watches are those of the watcher. */
WatchCounters watch_counters(const Watch *w);

/* For conditions: look now, and call changed() if it holds, also when it did before. systemd.path(5) does so each time
 * the run has ended, so that a spool that is not empty yet is worked on. Other kinds: nothing. */
void watch_recheck(Watch *w);

typedef enum WatchFile {
        WATCH_FILE_NONE, /* nothing is there, as far as is known */
        WATCH_FILE_REGULAR,
        WATCH_FILE_DIRECTORY,
        WATCH_FILE_OTHER, /* a symbolic link, a FIFO, … */
} WatchFile;

/* What is there, by the path relative to the watch. */
WatchFile watch_find(const Watch *w, const char *path) _pure_;

/* Everything that the watch knows and its filter lets through, in no order; for `vaktctl plan`. Directories only with
 * WatchDef.directories. Nonzero from visit ends the walk and is returned; so is 1 after WATCH_VISIT_MAX looks.
 * -ENOMEM. */
int watch_visit(Watch *w, int (*visit)(const char *path, size_t n, WatchFile kind, void *userdata), void *userdata);

/* How many that would give at the most, without looking at them. */
size_t watch_n_files(const Watch *w) _pure_;

/* --- the snapshot: what the watch knows, kept over a restart --- */

/* Hands out what changed since the last call (or load) as rows: a directory's id and some bytes to keep under it, or
 * NULL bytes for a row to delete. Ids are unique in a watch for good. At most max rows a call (0 = all), or fewer
 * when they are large; returns how many, or max when there are more, so call again while it returns max. The rows of
 * one round of calls belong into one transaction, together with what was made of the changes that were reported so far
 * (runs, or the waiting files of a Batch): then a start finds exactly what is new. write() returning negative ends it;
 * the row comes again next time. Nothing is handed out before the first look is finished. -EAGAIN: what is watched has
 * gone as a whole, and not all of it is reported yet. A condition has no rows. */
int watch_save(Watch *w, size_t max, int (*write)(void *userdata, uint32_t id, const void *bytes, size_t n),
               void *userdata);

/* Gives back one row, in any order, after watch_new() and before the loop runs. -EBADMSG: it is damaged; -ESTALE: it
 * is of another version. Then, and when rows are missing, that directory is compared with nothing: all in it is
 * reported. */
int watch_load(Watch *w, uint32_t id, const void *bytes, size_t n);
