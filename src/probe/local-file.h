#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "probe/kind.h"
#include "probe/path-answer.h"

/* Answers a question of path_answer() if the path leads through file systems of this machine only. False: it does not,
 * or there is no answer. */
bool local_file_answer(Probes *probes, const OutsideQuestion *q, OutsideAnswer *a);

/* All probes are gone. */
void local_file_done(Probes *probes);
