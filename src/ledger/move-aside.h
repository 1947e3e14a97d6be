#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Keeps a damaged database, with its log, for later inspection. */

#include <limits.h>

#include "util/clock.h"

#define MOVED_ASIDE_MAX 4 /* damaged databases kept; the oldest is removed first */

/* Renames FILE and the files that SQLite keeps next to it to FILE.corrupt-TIMESTAMP, and fills ret_name with that.
 * None of them is open. Negative errno: FILE still exists. */
int move_aside(int dir_fd, const char *file, usec_t now_realtime, char ret_name[static NAME_MAX + 1]);
