#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Include= and Exclude= of a watch: which paths below it count. Globs as in glob.h, and as in .gitignore: one without
 * a slash matches the last component of a path at any depth, one with a slash the whole path relative to the watch (a
 * leading slash has no other meaning), and one that ends in a slash only directories. Everything in an excluded
 * directory is excluded; such a directory is not even watched. An empty list of includes means everything. Exclude=
 * takes precedence. */

#include "util/glob.h"

typedef struct PathFilter PathFilter;

/* Either may be NULL; lists are NULL-terminated. ret_bad (may be NULL): the pattern that was refused, which belongs to
 * the caller. -EINVAL, -E2BIG, -ENOMEM. */
int path_filter_new(PathFilter **ret, char *const *include, char *const *exclude, const char **ret_bad);
PathFilter *path_filter_free(PathFilter *f);
DEFINE_CLEANUP(PathFilter, path_filter_free)

/* NULL includes everything. The parent directories of a path are not checked, see
 * path_filter_has_excluded_directory(). */
bool path_filter_matches(const PathFilter *f, const char *path, size_t n, bool is_directory);

/* Can anything below this directory count? */
bool path_filter_descends(const PathFilter *f, const char *path, size_t n);

/* Is the path in an excluded directory, at any depth? */
bool path_filter_has_excluded_directory(const PathFilter *f, const char *path, size_t n);
