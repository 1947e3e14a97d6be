#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Keeps a damaged database, with its log, for whoever wants to look into it. */

#include <limits.h>

#include "util/clock.h"

#define MOVED_ASIDE_MAX 4 /* damaged databases kept; the oldest goes first */

/* Renames FILE and what SQLite keeps beside it to FILE.corrupt-TIMESTAMP; ret_name is filled with that. Nothing has
 * them open. Negative errno: FILE is still there. */
int move_aside(int dir_fd, const char *file, usec_t now_realtime, char ret_name[static NAME_MAX + 1]);
