#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "probe/kind.h"
#include "probe/path-answer.h"

/* Answers a question of path_answer() if that takes no more than the memory of the kernel: false if it may take
 * longer, or if there is no answer. It never blocks. */
bool local_file_answer(Probes *probes, const OutsideQuestion *q, OutsideAnswer *a);

/* All probes are gone. */
void local_file_done(Probes *probes);
