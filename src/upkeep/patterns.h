#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The directories that the globs of Path= lead to, opened by the rules of fs/guarded.h: whatever is done in one is
 * done by its descriptor, and with rights that nobody can abuse who can change that directory. */

#include <dirent.h>

#include "fs/guarded.h"
#include "fs/identity.h"
#include "util/path-filter.h"

#define PATTERN_DEPTH_MAX   64      /* components from the first wildcard on */
#define PATTERN_ENTRIES_MAX 4000000 /* names that the walk of a pattern looks at */
/* The same in a directory of another user and all below it, and directories that it enters there; each is a
 * descriptor.
 */
#define PATTERN_ENTRIES_OF_USER_MAX     1000000
#define PATTERN_DIRECTORIES_OF_USER_MAX 10000

/* A directory with what the last name of a pattern may match. */
typedef struct Workplace {
        unsigned n_refs;
        GuardedDirectory directory; /* open, with O_PATH */
        char *path;                 /* without a slash at its end: that of the root directory is "" */
        bool acts_as_owner;         /* another user's; with */
        Identity owner;             /* whose group is that of the directory */
} Workplace;

Workplace *workplace_ref(Workplace *p);
Workplace *workplace_unref(Workplace *p);
DEFINE_CLEANUP(Workplace, workplace_unref)

/* Opens a directory that a setting names. Errors and reterr as of guarded_open(). */
int workplace_open(Workplace **ret, const char *path, char **reterr);

/* Opens a directory in another one: no link is followed, no mount crossed. As guarded_open_entry(). */
int workplace_open_entry(Workplace **ret, const Workplace *parent, const char *name, char **reterr);

/* From now on, files are accessed as the place demands: as ourselves where only root or we can change anything, and in
 * directories of another user as that user. -EPERM: we may not become somebody else. Directories that we share with
 * others are entered as ourselves: it is for the caller to see whose each file is. */
int workplace_enter(const Workplace *p, IdentityScope *scope);

/* Waits until its names are on the disk, with the rights of the caller. fd: of a file in the same file system, by
 * which it is done where the directory may not be read. 0 or a negative errno. */
int workplace_sync(const Workplace *p, int fd);

/* Its entries, listed with those rights. NULL, with errno. */
DIR *workplace_list(const Workplace *p);

typedef struct Pattern Pattern;

/* An absolute path whose components are globs as in util/glob.h, each by itself ("**" is no more than "*").
 * -EINVAL: it is none, or names no file; -E2BIG, -ENOMEM. */
int pattern_new(Pattern **ret, const char *text);
Pattern *pattern_free(Pattern *p);
DEFINE_CLEANUP(Pattern, pattern_free)

/* Of the last component: does it match a name, and the only name that it can match, or NULL. */
bool pattern_matches(const Pattern *p, const char *name);
const char *pattern_literal(const Pattern *p) _pure_;

typedef struct PatternVisitor {
        /* A place, perhaps more than once; it is closed afterwards unless it is referenced. A negative errno ends the
         * walk. */
        int (*visit)(void *userdata, Workplace *place, const Pattern *p);
        /* A directory that is not entered: error is negative, -ENOENT if a pattern without wildcards is not there. */
        void (*refused)(void *userdata, const char *path, int error, const char *reason);
        void *userdata;
        const PathFilter *filter; /* what is not entered, on absolute paths without their first slash; or NULL */
} PatternVisitor;

/* Walks to all places of the pattern. Links below its first wildcard are not followed, and mounts not entered; what is
 * above a maximum is left, which refused is told (-E2BIG). Returns 0, -ENOMEM, or what visit() returned. */
int pattern_walk(const Pattern *p, const PatternVisitor *v);
