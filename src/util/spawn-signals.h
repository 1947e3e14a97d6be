#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What programs that are started have in common. */

#include <spawn.h>

/* A session of its own, every signal at its default and none blocked, whatever we do with ours. 0 or a positive errno,
 * as posix_spawnattr_setflags(3). */
int spawn_set_signals(posix_spawnattr_t *attributes);
