/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The tree of a condition. */

#include "condition/condition.h"

#include "condition/condition-internal.h"

Condition *condition_free(Condition *c) {
        if (!c)
                return NULL;
        for (size_t i = 0; i < c->n_tests; i++)
                question_done(&c->tests[i].question);
        free(c->tests);
        free(c->steps);
        return mfree(c);
}
