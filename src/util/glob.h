#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Globs on relative paths, of bytes and not characters, as .gitignore writes them: `*` and `?` stay within a name,
 * `**` as a whole component crosses directories (`**` + `/a` is a at any depth, `a/` + `**` everything below a),
 * `[a-z]`, `[!a-z]` and `[[:digit:]]` are sets that never contain a slash, a backslash quotes the next byte. A leading
 * dot is a byte like any other. Matching takes at most (bytes of the path) × (bytes of the pattern) steps, for any
 * pattern. */

#include "util/macro.h"

#define GLOB_MAX 1023 /* bytes of a pattern */

typedef struct Glob Glob;

/* -EINVAL: empty, or a backslash at the end; -E2BIG; -ENOMEM. */
int glob_new(Glob **ret, const char *pattern);
Glob *glob_free(Glob *g);
DEFINE_CLEANUP(Glob, glob_free)

/* True if all of the n bytes match the pattern. */
bool glob_match(const Glob *g, const char *path, size_t n);

/* True if glob_new() does not take the text literally. */
bool glob_is_pattern(const char *text) _pure_;
