/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Any bytes as a condition: a refusal points into the text, and what is accepted prints as text that means the same,
 * also after it was negated and put together with itself. */

#include <assert.h>

#include "condition/condition.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The truth when all readings are such: known, of this value. */
static Truth truth_of(const Condition *c, bool is_known, int64_t value) {
        Reading readings[CONDITION_TESTS_MAX];
        Truth truth;
        size_t test;

        for (size_t i = 0; i < condition_n_tests(c); i++) {
                char buf[CONDITION_VALUE_MAX];

                readings[i] = (Reading){ .is_known = is_known, .value = value, .whole = i % 2 ? INT64_MAX : 0 };
                assert(strlen(reading_format(buf, &condition_test(c, i)->question, &readings[i])) < sizeof(buf));
        }
        truth = condition_truth(c, readings);
        test = condition_decisive_test(c, readings);
        assert(test < condition_n_tests(c));
        assert((truth == TRUTH_UNKNOWN) ==
               (condition_test_truth(condition_test(c, test), &readings[test]) == TRUTH_UNKNOWN));
        return truth;
}

static void check_law(const Condition *c) {
        _cleanup_(condition_freep) Condition *again = NULL;
        _cleanup_free_ char *text = NULL, *text_again = NULL;

        assert(condition_format(c, &text) == 0);
        assert(strlen(text) <= CONDITION_TEXT_MAX);
        assert(condition_parse(text, &again, NULL) == 0);
        assert(condition_format(again, &text_again) == 0);
        assert(streq(text, text_again));
        assert(condition_n_tests(again) == condition_n_tests(c));
        for (size_t i = 0; i < condition_n_tests(c); i++) {
                const ConditionTest *a = condition_test(c, i), *b = condition_test(again, i);

                assert(question_compare(&a->question, &b->question) == 0);
                assert(a->op == b->op && a->limit == b->limit && a->is_share == b->is_share);
        }
        for (int64_t value = -1; value <= 1; value++)
                assert(truth_of(c, true, value) == truth_of(again, true, value));
        assert(truth_of(c, false, 0) == TRUTH_UNKNOWN);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_free_ char *text = strndup((const char *)data, size);
        _cleanup_(condition_freep) Condition *c = NULL, *copy = NULL;
        ConditionError e = {};
        int r;

        assert(text);
        r = condition_parse(text, &c, &e);
        if (r < 0) {
                assert(r == -EINVAL && !c);
                assert(e.column >= 1 && e.column <= strlen(text) + 1);
                assert(e.message[0] != '\0');
                return 0;
        }
        check_law(c);
        assert(condition_copy(c, &copy) == 0);
        r = condition_not(TAKE_PTR(copy), &copy);
        if (r >= 0)
                r = condition_and(TAKE_PTR(copy), TAKE_PTR(c), &copy);
        assert(r == 0 || r == -E2BIG);
        if (r == 0)
                check_law(copy);
        return 0;
}
