/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The tree of a condition: what it comes to, and how it is written. All walks are one loop over the steps with a stack
 * of operands, of which there are never more than tests. */

#include "condition/condition.h"

#include <assert.h>
#include <stdio.h>

#include "condition/condition-internal.h"
#include "util/array.h"

Condition *condition_free(Condition *c) {
        if (!c)
                return NULL;
        for (size_t i = 0; i < c->n_tests; i++)
                question_done(&c->tests[i].question);
        free(c->tests);
        free(c->steps);
        free(c->text);
        return mfree(c);
}

size_t condition_n_tests(const Condition *c) {
        return c->n_tests;
}

const ConditionTest *condition_test(const Condition *c, size_t i) {
        assert(i < c->n_tests);
        return &c->tests[i];
}

int condition_add_step(Condition *c, StepType type) {
        StepType *step;

        if (type == STEP_NOT && c->n_steps > 0 && c->steps[c->n_steps - 1] == STEP_NOT) {
                c->n_steps--;
                return 0;
        }
        step = ARRAY_NEXT(c->steps, c->n_steps);
        if (!step)
                return -ENOMEM;
        *step = type;
        c->n_steps++;
        return 0;
}

/* --- what it comes to --- */

/* A truth, and the test that it is due to. */
typedef struct Verdict {
        Truth truth;
        size_t test;
} Verdict;

static Truth truth_not(Truth t) {
        return t == TRUTH_UNKNOWN ? t : t == TRUTH_FALSE;
}

/* For "and", what is false decides before what is unknown, and for "or" what is true; of equal ones the first. */
static Verdict verdict_join(Verdict a, Verdict b, Truth decides) {
        if (a.truth == b.truth || a.truth == decides)
                return a;
        if (b.truth == decides)
                return b;
        return a.truth == TRUTH_UNKNOWN ? a : b;
}

static Verdict condition_judge(const Condition *c, const Reading *readings) {
        Verdict stack[CONDITION_TESTS_MAX];
        size_t n = 0, n_tests = 0;

        for (size_t i = 0; i < c->n_steps; i++)
                switch (c->steps[i]) {
                case STEP_TEST:
                        assert(n < ELEMENTSOF(stack));
                        stack[n++] =
                                (Verdict){ condition_test_truth(&c->tests[n_tests], &readings[n_tests]), n_tests };
                        n_tests++;
                        break;
                case STEP_NOT:
                        stack[n - 1].truth = truth_not(stack[n - 1].truth);
                        break;
                case STEP_AND:
                case STEP_OR:
                        n--;
                        stack[n - 1] = verdict_join(stack[n - 1], stack[n],
                                                    c->steps[i] == STEP_AND ? TRUTH_FALSE : TRUTH_TRUE);
                        break;
                }
        assert(n == 1 && n_tests == c->n_tests);
        return stack[0];
}

Truth condition_truth(const Condition *c, const Reading *readings) {
        return condition_judge(c, readings).truth;
}

size_t condition_decisive_test(const Condition *c, const Reading *readings) {
        return condition_judge(c, readings).test;
}

/* --- text --- */

typedef enum Rank {
        RANK_OR,
        RANK_AND,
        RANK_NOT,
        RANK_TEST,
} Rank;

/* A part of a condition in its text form. */
typedef struct Part {
        char *text;
        Rank rank;      /* of its operator: one of a lower rank wants parentheses */
        unsigned depth; /* of "not" and parentheses in each other */
} Part;

static int part_of_test(const ConditionTest *t, Part *ret) {
        _cleanup_free_ char *question = NULL;
        char limit[CONDITION_VALUE_MAX];
        int r = question_format(&t->question, &question);

        if (r < 0)
                return r;
        *ret = (Part){ .rank = RANK_TEST };
        if (t->op == CONDITION_IS)
                ret->text = TAKE_PTR(question);
        else if (asprintf(&ret->text, "%s %s %s", question, operator_to_string(t->op), limit_format(limit, t)) < 0)
                ret->text = NULL;
        return ret->text ? 0 : -ENOMEM;
}

static int part_negate(Part *a) {
        bool wrap = a->rank < RANK_NOT;
        char *text;

        if (asprintf(&text, wrap ? "not (%s)" : "not %s", a->text) < 0)
                return -ENOMEM;
        free(a->text);
        *a = (Part){ text, RANK_NOT, a->depth + 1 + wrap };
        return 0;
}

/* a becomes both; b is used up. */
static int part_join(Part *a, Part *b, Rank rank) {
        bool wrap_a = a->rank < rank, wrap_b = b->rank < rank;
        char *text;

        if (asprintf(&text, "%s%s%s %s %s%s%s", wrap_a ? "(" : "", a->text, wrap_a ? ")" : "",
                     rank == RANK_AND ? "and" : "or", wrap_b ? "(" : "", b->text, wrap_b ? ")" : "") < 0)
                return -ENOMEM;
        free(a->text);
        b->text = mfree(b->text);
        *a = (Part){ text, rank, MAX(a->depth + wrap_a, b->depth + wrap_b) };
        return 0;
}

static int condition_write(const Condition *c, Part stack[static CONDITION_TESTS_MAX]) {
        const ConditionTest *test = c->tests;
        size_t n = 0;
        int r = 0;

        for (size_t i = 0; r >= 0 && i < c->n_steps; i++)
                switch (c->steps[i]) {
                case STEP_TEST:
                        assert(n < CONDITION_TESTS_MAX);
                        r = part_of_test(test++, &stack[n++]);
                        break;
                case STEP_NOT:
                        r = part_negate(&stack[n - 1]);
                        break;
                case STEP_AND:
                case STEP_OR:
                        n--;
                        r = part_join(&stack[n - 1], &stack[n], c->steps[i] == STEP_AND ? RANK_AND : RANK_OR);
                        break;
                }
        assert(r < 0 || n == 1);
        return r;
}

int condition_finish(Condition *c) {
        Part stack[CONDITION_TESTS_MAX] = {};
        int r;

        if (c->n_tests > CONDITION_TESTS_MAX)
                return -E2BIG;
        r = condition_write(c, stack);
        if (r >= 0 && (stack[0].depth > CONDITION_DEPTH_MAX || strlen(stack[0].text) > CONDITION_TEXT_MAX))
                r = -E2BIG;
        if (r >= 0) {
                free(c->text);
                c->text = TAKE_PTR(stack[0].text);
        }
        for (size_t i = 0; i < ELEMENTSOF(stack); i++)
                free(stack[i].text);
        return r;
}

int condition_format(const Condition *c, char **ret) {
        char *copy = strdup(c->text);

        if (!copy)
                return -ENOMEM;
        *ret = copy;
        return 0;
}

/* --- putting together --- */

/* The text says all, and it is read as it was written. */
int condition_copy(const Condition *c, Condition **ret) {
        return condition_parse(c->text, ret, NULL);
}

int condition_not(Condition *c, Condition **ret) {
        _cleanup_(condition_freep) Condition *owned = c;
        int r = condition_add_step(owned, STEP_NOT);

        if (r >= 0)
                r = condition_finish(owned);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(owned);
        return 0;
}

/* What is moved leaves nothing behind that would be freed twice. */
static int condition_append(Condition *a, Condition *b) {
        int r = 0;

        for (size_t i = 0; i < b->n_tests; i++) {
                ConditionTest *test = ARRAY_NEXT(a->tests, a->n_tests);

                if (!test)
                        return -ENOMEM;
                *test = TAKE_GENERIC(b->tests[i], (ConditionTest){});
                a->n_tests++;
        }
        for (size_t i = 0; r >= 0 && i < b->n_steps; i++)
                r = condition_add_step(a, b->steps[i]);
        return r < 0 ? r : condition_add_step(a, STEP_AND);
}

int condition_and(Condition *a, Condition *b, Condition **ret) {
        _cleanup_(condition_freep) Condition *first = a, *second = b;
        int r = 0;

        if (!first)
                first = TAKE_PTR(second);
        else if (first->n_tests + second->n_tests > CONDITION_TESTS_MAX)
                r = -E2BIG;
        else
                r = condition_append(first, second);
        if (r >= 0)
                r = condition_finish(first);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(first);
        return 0;
}
