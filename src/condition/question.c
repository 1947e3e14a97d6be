/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What is asked of the machine. */

#include "condition/condition.h"

void question_done(Question *q) {
        free(q->subject);
        free(q->aspect);
        *q = (Question){};
}
