#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Include= and Exclude= of a watch: which paths below it count. Globs as in glob.h, and as in .gitignore: one without
 * a slash is meant for the last name of a path at any depth, one with a slash for the whole path relative to the
 * watch (a leading slash only says so), one that ends in a slash for directories only. What is in an excluded
 * directory is excluded; such a directory is not even watched. Nothing to include means: everything. Exclude= wins. */

#include "util/glob.h"

typedef struct PathFilter PathFilter;

/* Either may be NULL; lists are NULL-terminated. ret_bad (may be NULL): the pattern that was refused, the caller's
 * own. -EINVAL, -E2BIG, -ENOMEM. */
int path_filter_new(PathFilter **ret, char *const *include, char *const *exclude, const char **ret_bad);
PathFilter *path_filter_free(PathFilter *f);
DEFINE_CLEANUP(PathFilter, path_filter_free)

/* For NULL all is true. The directories above a path are not looked at, see path_filter_has_excluded_directory(). */
bool path_filter_matches(const PathFilter *f, const char *path, size_t n, bool is_directory);

/* May there be something below this directory that counts? */
bool path_filter_descends(const PathFilter *f, const char *path, size_t n);

/* Is the path in an excluded directory, at any height? */
bool path_filter_has_excluded_directory(const PathFilter *f, const char *path, size_t n);
