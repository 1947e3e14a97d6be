#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The environment of a run. See vaktd.job(5), "ENVIRONMENT". */

#include <sys/types.h>

#include "exec/executor.h"

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
