#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The environment of a run, and what its command line makes of it. See
 * vaktd.job(5), "ENVIRONMENT". */

#include <sys/types.h>

#include "exec/executor.h"

#define ARGUMENTS_MAX 4096 /* words of a command line after $VAR was expanded */

/* What every run of this daemon gets: PATH, the locale, HOME, USER, LOGNAME, SHELL of our own user; for a user
 * instance all that the daemon was given. -ENOMEM. */
int environment_base(char ***ret, bool user_instance);

/* Adds HOME, USER, LOGNAME and SHELL of a user, as the service manager does for User=. Asks the name service. -ENOMEM.
 */
int environment_add_user(char ***l, uid_t uid);

/* A shell that does not permit logins is not a SHELL. */
bool shell_is_usable(const char *shell) _pure_;

/* "NAME=2026-01-01T12:00:00.500000Z" (RFC 3339), the fraction only when there is one. -ENOMEM. */
int environment_add_time(char ***l, const char *name, usec_t realtime);

/* base, which may be NULL, with the VAKT_ variables of a run. list: the file with its list of paths, or NULL.
 * -ENOMEM. */
int environment_for_run(char ***ret, char *const *base, const ExecutionRequest *request, const char *list);

/* The way back: what those variables, in any environment, say of a run; the rest of it stays. Its texts are the
 * environment's. */
void environment_read_run(char *const *environment, RunRecord *run);

/* Expands $VAR (a word of its own: split at white space, with quotes), ${VAR} (in place) and $$ in a command line as
 * systemd.service(5) says. Unknown variables are empty. -ENOMEM, -E2BIG. */
int arguments_expand(char ***ret, char *const *argv, char *const *environment);

/* The program as execve() wants it: a plain name is looked up in the PATH of the environment. -ENOENT, -ENOMEM. */
int program_find(char **ret, const char *name, char *const *environment);
