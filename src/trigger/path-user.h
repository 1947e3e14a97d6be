#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Whom the runs of a job with [Path] are. */

#include "fs/identity.h"
#include "job/job-def.h"

/* Whose rights the runs of a job have, for a spool, whose owner leads them to files: UID_UNKNOWN when that shows only
 * when they start, when only a name service says, and when they have groups or capabilities that their user has not.
 */
uid_t path_user_spool_uid(const JobDef *def);

/* A run is told of no files that its user may not see. What is in a spool it is given, wherever that is. 1: the watch
 * sees as *ret, which the caller ends with identity_done(); 0: as we do; negative errno. */
int path_user_identity(const JobDef *def, const PathSource *s, Identity *ret);

/* True: what is seen for the one is seen for the other. */
bool path_user_is_same(const JobDef *a, const JobDef *b);
