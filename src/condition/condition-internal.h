#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the files of condition/ share: how a tree is kept, what a kind is, and the text that is being parsed. */

#include <stdint.h>

#include "condition/condition.h"

typedef enum StepType {
        STEP_TEST, /* the next test */
        STEP_NOT,  /* of the last operand */
        STEP_AND,  /* of the last two */
        STEP_OR,
} StepType;

/* Operands come before their operator, so that a tree needs no pointers and is walked by a loop with a stack. Each
 * STEP_TEST stands for the next of the tests, which are in the order of the text. */
struct Condition {
        ConditionTest *tests;
        size_t n_tests;
        StepType *steps;
        size_t n_steps;
        char *text; /* the normalized form; NULL while it is being built */
};

/* Appends a step. Two STEP_NOT in a row are none. -ENOMEM. */
int condition_add_step(Condition *c, StepType type);

/* Writes the normalized form down, after the last step. -E2BIG when that has more tests, parentheses or bytes than a
 * condition may have; -ENOMEM. */
int condition_finish(Condition *c);

/* A text that is read from left to right. */
typedef struct Scanner {
        const char *text, *at;
        ConditionError *error; /* never NULL */
} Scanner;

/* Fills in the error with the place of at; -EINVAL. */
int scanner_complain(Scanner *s, const char *at, const char *format, ...) _printf_(3, 4);

/* Passes over blanks. */
void scanner_skip_blanks(Scanner *s);

/* True when this word is next, without quotes; takes it. */
bool scanner_take_keyword(Scanner *s, const char *keyword);

/* Takes the next word with its quotes and escapes resolved. Bare, it ends before a blank, a parenthesis, "<" and ">".
 * Returns 1; 0 when there is none; -EINVAL; -ENOMEM. */
int scanner_take_word(Scanner *s, char **ret, const char **ret_at);

/* Takes a number. It may have several words, because numbers and units may stand apart ("1d 2h", "5 min"): then it
 * ends where neither another number follows nor the unit of the last one. Returns 1; 0 when there is nothing; -ENOMEM.
 */
int scanner_take_amount(Scanner *s, bool several, char **ret, const char **ret_at);

/* What is to be known of a kind. */
typedef struct KindRow {
        const char *name;
        ConditionUnit unit;
        bool has_whole;                       /* a limit may be a percentage */
        int (*take)(Scanner *s, Question *q); /* its arguments; NULL: it has none */
        const char *form;                     /* of its arguments: %s is the subject, %a the aspect */
        const char *example;
        const char *help;  /* what it measures, or asks; without a full stop */
        int64_t limit_max; /* of limits; 0: any */
} KindRow;

const KindRow *kind_row(ConditionKind k) _const_;
/* The kind, or -EINVAL. */
int kind_from_name(const char *name, size_t n) _pure_;
/* The name that is most like this one, or NULL. */
const char *kind_nearest(const char *name) _pure_;

/* The limit behind an operator. */
int limit_take(Scanner *s, ConditionTest *t);
/* "<" … */
const char *operator_to_string(ConditionOperator op) _const_;
