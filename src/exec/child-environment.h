#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Environment=, EnvironmentFile=, PassEnvironment= and UnsetEnvironment= of a run that is a child. systemd.exec(5). */

#include "util/macro.h"

#define ENVIRONMENT_FILE_MAX (1024 * 1024) /* bytes */

/* Sets a variable, "NAME=VALUE", in place of an earlier value. -ENOMEM; -EINVAL: no assignment. */
int environment_put(char ***l, const char *assignment);

/* Sets each of them. */
int environment_put_all(char ***l, char *const *assignments);

/* Takes variables out: "NAME" whatever its value, "NAME=VALUE" only when it has that one. */
void environment_unset(char **l, char *const *names);

/* Sets those of our own variables whose names are listed. -ENOMEM. */
int environment_pass(char ***l, char *const *names);

/* Sets what says which run this is and where it reports, as it stands in from: that cannot be taken from a run. */
int environment_keep_ours(char ***l, char *const *from);

/* Sets what stands in a file, or in all that a glob finds; "-" before the path: it may be absent. What is no
 * assignment is passed over, and told to ignored. -ENOMEM, -ENOENT, -EFBIG or another errno of reading. */
typedef void (*environment_ignored_t)(const char *path, const char *assignment);
int environment_read_file(char ***l, const char *path, environment_ignored_t ignored);
