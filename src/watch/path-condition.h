#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* PathExists=, PathExistsGlob= and DirectoryNotEmpty=: something that holds or not. Of this directory of src/ only. */

#include "watch/watch.h"

typedef struct PathCondition PathCondition;

int path_condition_new(PathCondition **ret, Watch *watch);
PathCondition *path_condition_free(PathCondition *c);

/* Looks again. True when that was due. */
bool path_condition_work(PathCondition *c);

void path_condition_look_later(PathCondition *c);

/* The next look reports even what held before. */
void path_condition_recheck(PathCondition *c);

/* There was more to look through than one look may: what was not looked at counts as not there. */
bool path_condition_is_cut(const PathCondition *c) _pure_;

/* A symbolic link on the way is not followed, see path_chain_is_refused(). */
bool path_condition_is_refused(const PathCondition *c) _pure_;

/* A FUSE of another user's on the way is not entered, see path_chain_is_remote(). */
bool path_condition_is_remote(const PathCondition *c) _pure_;

/* Asked again from time to time, since the kernel does not tell all; then the message to go with it. */
bool path_condition_is_blind(const PathCondition *c) _pure_;
