#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What outside.c and vakt-probe say to each other, over a socket that keeps messages whole: some questions and then as
 * many answers in their order, a message each. Both sides come from one build; neither trusts the other to say what it
 * may. */

#include "condition/condition.h"

#define OUTSIDE_SOCKET_FD 3           /* of vakt-probe */
#define OUTSIDE_AS_NOBODY "as-nobody" /* the argument of vakt-probe that has it give up the user root */
#define OUTSIDE_MARK      0x76707232U /* of each message; another one with each change of what is below */
#define OUTSIDE_REASON    512         /* bytes of a reason, with its NUL */
#define ENTRIES_MAX       1000000 /* entries of a directory that are counted: with more, it is one more than that */
#define JOURNAL_LINES_MAX 100000  /* the same of lines of the journal */

#define OUTSIDE_BATCH_MAX 32 /* questions at once; one that executes a program is alone */
#define OUTSIDE_TEXTS_MAX (2 * CONDITION_TEXT_MAX)

typedef struct OutsideItem {
        uint32_t kind; /* ConditionKind */
        uint32_t at;   /* where in texts its subject begins, which ends with NUL */
        usec_t span;   /* µs, of journal-matches */
} OutsideItem;

/* Of the texts, only what is used is sent. */
typedef struct OutsideQuestions {
        uint32_t mark, n_items;
        usec_t now_realtime; /* what ages and days are counted from */
        OutsideItem items[OUTSIDE_BATCH_MAX];
        char texts[OUTSIDE_TEXTS_MAX];
} OutsideQuestions;

typedef struct OutsideAnswer {
        uint64_t is_known;
        int64_t value;
        int64_t whole;
        char reason[OUTSIDE_REASON]; /* of an unknown one */
} OutsideAnswer;

/* Of the items, only those that there are are sent. */
typedef struct OutsideAnswers {
        uint32_t mark, n_items;
        OutsideAnswer items[OUTSIDE_BATCH_MAX];
} OutsideAnswers;

static inline size_t outside_answers_size(size_t n_items) {
        return offsetof(OutsideAnswers, items) + n_items * sizeof(OutsideAnswer);
}
