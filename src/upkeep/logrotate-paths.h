#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The paths that the configuration of logrotate(8) names, and nothing else of it: two programs that rotate one log
 * would each spoil what the other one does. */

#include "util/macro.h"

typedef struct LogrotatePaths LogrotatePaths;

/* Reads a configuration, with what it includes. What is not there or not readable is passed over. -ENOMEM. */
int logrotate_paths_read(LogrotatePaths **ret, const char *file);
LogrotatePaths *logrotate_paths_free(LogrotatePaths *l);
DEFINE_CLEANUP(LogrotatePaths, logrotate_paths_free)

/* The file that names a path, or NULL. */
const char *logrotate_paths_find(const LogrotatePaths *l, const char *path);
