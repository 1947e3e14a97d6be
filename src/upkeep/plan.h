#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What is to be done with a log and its copies, and why: for a run as for --plan. */

#include "upkeep/logs.h"

typedef enum Verdict {
        VERDICT_KEEP, /* not due */
        VERDICT_ROTATE,
        VERDICT_SKIP,   /* it is no log: a link, a device … that a wildcard matches */
        VERDICT_REFUSE, /* it may not be touched */
} Verdict;

/* Judges a log. Nothing is read but what the Log tells, so a run judges as the plan before it. The reason is for
 * people; the caller frees it. -ENOMEM. */
int logfile_judge(const RotateDef *def, const Log *l, usec_t realtime, char **ret_reason);

/* Has the oldest copy to go? 1, and why; 0; -ENOMEM. rotates: one more is about to be made; if there is no other, it
 * is this one that has to go. */
int copies_have_surplus(const RotateDef *def, const Log *l, bool rotates, usec_t realtime, char **ret_reason);

/* Is the copy at an index to be compressed? */
bool copy_wants_compression(const RotateDef *def, const Log *l, size_t i, bool rotates);
