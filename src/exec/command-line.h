#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the environment of a run makes of its command line. Needs the C library only. */

#include "util/macro.h"

#define ARGUMENTS_MAX 4096 /* words of a command line after $VAR was expanded */

/* Expands $VAR (a word of its own: split at white space, with quotes), ${VAR} (in place) and $$ in a command line as
 * systemd.service(5) says. Unknown variables are empty. -ENOMEM, -E2BIG. */
int arguments_expand(char ***ret, char *const *argv, char *const *environment);

/* The program as execve() wants it: a plain name is looked up in the PATH of the environment. -ENOENT, -ENOMEM. */
int program_find(char **ret, const char *name, char *const *environment);
