#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the files of condition/ share: how the tree of a condition is kept. */

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
        uint8_t *steps; /* StepType */
        size_t n_steps;
};
