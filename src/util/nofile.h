#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The limit on open files. The daemon needs many; a run gets the limit that the daemon was started with, because
 * programs that use select(2) fail above 1,024. */

#include <sys/resource.h>

/* Raises the soft limit to the hard one. The first call remembers the old value. */
void nofile_limit_raise(void);

/* The old value, for a child; NULL: it is in force. */
const struct rlimit *nofile_limit_original(void);
