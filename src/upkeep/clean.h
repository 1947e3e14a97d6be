#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What [Clean] does: looks at everything that its paths match, and removes what there is a reason to remove.
 *
 * The rules that hold for all of it:
 *
 * - Each directory is opened from the one above it and worked in by its descriptor. No symbolic link is followed, no
 *   mount is crossed, ".." is never read.
 * - Nothing is done with root's rights where somebody else can change what a name means (acting.h). So whatever is
 *   swapped meanwhile, no one loses anything that the same user could not have removed himself.
 * - What is removed was looked at just before, by the name and the directory that it is removed by, and with the
 *   outcome that was the reason for it.
 * - A lock (flock(2)) on a file or directory, a socket that somebody listens on, a sticky bit, and what belongs to the
 *   file system itself (lost+found) stay, as for systemd-tmpfiles(8). Locks are taken in the same way as it does, so
 *   that both can clean the same place at once.
 * - Devices, FIFOs and sockets go for their age only and are never opened.
 * - Depth, entries, time and memory have named limits. Where one is reached, the rest is left, which is told.
 * - What --plan prints is what the same code would do, up to the call that removes.
 *
 * If age is the only reason, files are removed while directories are read, and nothing is remembered. For the other
 * reasons, files are remembered by 24 bytes and their name, and the oldest go when all have been seen. */

#include "job/upkeep-def.h"

#define CLEAN_DEPTH_MAX 4096U

/* A test lowers them. */
typedef struct CleanLimits {
        uint64_t owner_entries; /* looked at in directories of one user other than us */
        usec_t owner_time;      /* spent there */
        uint32_t files;         /* remembered; of more, the newest are forgotten */
        uint32_t directories;   /* remembered */
        size_t pending;         /* bytes of the names of directories to be walked */
        uint32_t links;         /* files with several names, whose size is counted once */
        unsigned locked;        /* files and directories of whose locks it is asked who has them */
} CleanLimits;

extern CleanLimits clean_limits;

typedef struct Clean Clean;

typedef enum CleanAct {
        CLEAN_REMOVED, /* or would be, with --plan */
        CLEAN_KEPT,    /* --plan only, but for what there was a reason to remove */
        CLEAN_SKIPPED, /* a path without wildcards is not there */
        CLEAN_REFUSED, /* we do not work there */
        CLEAN_FAILED,
        _CLEAN_ACT_MAX,
} CleanAct;

typedef struct CleanEvent {
        CleanAct act;
        const char *path; /* n bytes, any but NUL */
        size_t n;
        bool is_directory;
        uint64_t bytes;     /* that it takes on the disk; 0 for a directory */
        usec_t age;         /* USEC_INFINITY = does not matter */
        const char *reason; /* a sentence without its subject: "is older than MaxAge=" */
} CleanEvent;

typedef void (*CleanReport)(void *userdata, const CleanEvent *e);

typedef struct CleanTotals {
        uint64_t n_files, n_directories; /* removed */
        uint64_t n_inodes, bytes;        /* that came free */
        uint64_t n_held, held_bytes;     /* that will, when processes close the files; known with UntilFree= only */
        uint64_t n_refused, n_failed;
        uint64_t n_unseen; /* KeepOpen=: processes whose files cannot be seen */
} CleanTotals;

/* def is the caller's and stays. now: µs since 1970. -ENOMEM, -EINVAL: a pattern of Exclude=. */
int clean_new(Clean **ret, const CleanDef *def, usec_t now, bool is_plan, CleanReport report, void *userdata);
Clean *clean_free(Clean *c);
DEFINE_CLEANUP(Clean, clean_free)

/* Does all of it, once. What goes wrong with an entry is reported; only -ENOMEM is returned. */
int clean_do(Clean *c);

const CleanTotals *clean_totals(const Clean *c) _pure_;
