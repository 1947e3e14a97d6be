#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Globs on relative paths, bytes and not characters, as .gitignore writes them: `*` and `?` stay within a name, `**`
 * as a whole component crosses directories (`**` + `/a` is a anywhere, `a/` + `**` all below a), `[a-z]`, `[!a-z]` and
 * `[[:digit:]]` are sets that never contain a slash, a backslash takes the next byte as it is. A leading dot is a byte
 * like any other. Matching takes at most (bytes of the path) × (bytes of the pattern) steps, whatever they are. */

#include <stdbool.h>

#include "util/macro.h"

#define GLOB_MAX 1023 /* bytes of a pattern */

typedef struct Glob Glob;

/* -EINVAL: empty, or nothing behind the last backslash; -E2BIG; -ENOMEM. */
int glob_new(Glob **ret, const char *pattern);
Glob *glob_free(Glob *g);
DEFINE_CLEANUP(Glob, glob_free)

/* True when the whole of n bytes is what the pattern says. */
bool glob_match(const Glob *g, const char *path, size_t n);

/* True when the text is not taken literally by glob_new(). */
bool glob_is_pattern(const char *text) _pure_;
