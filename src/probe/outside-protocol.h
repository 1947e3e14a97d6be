#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What outside.c and vakt-probe say to each other: over a socket that keeps messages whole, one question and then one
 * answer, each of a fixed size. Both sides come from one build; neither trusts the other to say what it may. */

#include "condition/condition.h"

#define OUTSIDE_SOCKET_FD 3           /* of vakt-probe */
#define OUTSIDE_AS_NOBODY "as-nobody" /* the argument of vakt-probe that has it give up the user root */
#define OUTSIDE_MARK      0x76707231U /* of each message; another one with each change of what is below */
#define OUTSIDE_REASON    512         /* bytes of a reason, with its NUL */
#define ENTRIES_MAX       1000000 /* entries of a directory that are counted: with more, it is one more than that */
#define JOURNAL_LINES_MAX 100000  /* the same of lines of the journal */

typedef struct OutsideQuestion {
        uint32_t mark;
        uint32_t kind;       /* ConditionKind */
        usec_t now_realtime; /* what ages and days are counted from */
        usec_t span;         /* µs, of journal-matches */
        char subject[CONDITION_TEXT_MAX];
} OutsideQuestion;

typedef struct OutsideAnswer {
        uint32_t mark;
        uint32_t is_known;
        int64_t value;
        int64_t whole;
        char reason[OUTSIDE_REASON]; /* of an unknown one */
} OutsideAnswer;
