#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* PathExists=, PathExistsGlob= and DirectoryNotEmpty=: something that holds or not. Of this directory of src/ only. */

#include "watch/watcher.h"

typedef struct Condition Condition;

int condition_new(Condition **ret, Watch *watch);
Condition *condition_free(Condition *c);

/* Looks again. True when that was due. */
bool condition_work(Condition *c);

void condition_look_later(Condition *c);

/* The next look reports even what held before. */
void condition_recheck(Condition *c);

/* There was more to look through than one look may: what was not looked at counts as not there. */
bool condition_is_cut(const Condition *c) _pure_;

/* A symbolic link on the way is not followed, see path_chain_is_refused(). */
bool condition_is_refused(const Condition *c) _pure_;

/* Asked again from time to time, since the kernel does not tell all; then the message to go with it. */
bool condition_is_blind(const Condition *c) _pure_;
