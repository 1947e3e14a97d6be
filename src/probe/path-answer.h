#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The answers to questions about paths, once what a path leads to is open; for vakt-probe, and for the loop. */

#include "probe/outside-protocol.h"

typedef struct OutsideQuestion {
        ConditionKind kind;
        const char *subject;
        usec_t now_realtime, span; /* µs */
} OutsideQuestion;

/* An answer: known, of a whole or of nothing (0); or unknown, with a sentence that says why. */
void answer_known(OutsideAnswer *a, int64_t value, int64_t whole);
_printf_(2, 3) void answer_unknown(OutsideAnswer *a, const char *format, ...);

/* Whether this is about disk-free, disk-full-in (which is asked as disk-free), inode-free, file-exists, file-size or
 * file-age. */
bool path_answers(ConditionKind k) _const_;
/* fd is open with O_PATH. It is as fast as the file system. */
void path_answer(const OutsideQuestion *q, int fd, OutsideAnswer *a);
