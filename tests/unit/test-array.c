/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A sorted array under random changes, against a table of what is in it. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "util/array.h"

#define NUMBERS 97

static void test_bisection(void **state) {
        for (size_t n = 0; n < 20; n++)
                for (size_t wanted = 0; wanted <= n; wanted++)
                        assert_int_equal(BISECT(n, i, i < wanted), wanted);
}

static void test_changes(void **state) {
        bool is_in[NUMBERS] = {};
        unsigned *a = NULL, seed = 3;
        size_t n = 0;

        for (unsigned round = 0; round < 20000; round++) {
                unsigned number = (unsigned)rand_r(&seed) % NUMBERS;
                size_t at = BISECT(n, i, a[i] < number), k = 0;

                assert_int_equal(at < n && a[at] == number, is_in[number]);
                if (is_in[number])
                        ARRAY_REMOVE(a, n, at);
                else
                        *ARRAY_INSERT(a, n, at) = number;
                is_in[number] = !is_in[number];
                for (unsigned i = 0; i < NUMBERS; i++)
                        if (is_in[i])
                                assert_int_equal(a[k++], i);
                assert_int_equal(k, n);
        }
        free(a);
}

/* What is not counted is not there, and its place is given out again. */
static void test_not_counted(void **state) {
        uint64_t *a = NULL;
        size_t n = 0;

        for (uint64_t number = 0; number < 1000; number++) {
                *ARRAY_NEXT(a, n) = UINT64_MAX;
                *ARRAY_NEXT(a, n) = number;
                n++;
        }
        for (size_t i = 0; i < n; i++)
                assert_int_equal(a[i], i);
        free(a);
}

/* The address sanitizer ends who asks for more than there can be, unless it is told not to. */
__attribute__((visibility("default"))) const char *__asan_default_options(void); /* read by a shared library */
const char *__asan_default_options(void) {
        return "allocator_may_return_null=1";
}

/* More than there can be: nothing is lost. */
static void test_no_memory(void **state) {
        char *a = NULL;
        size_t n = 0;

        *(char *)ARRAY_NEXT(a, n) = 'x';
        n++;
        assert_null(array_gap(&a, n, 0, SIZE_MAX / 2 + 1));
        assert_int_equal(a[0], 'x');
        free(a);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_bisection),
                cmocka_unit_test(test_changes),
                cmocka_unit_test(test_not_counted),
                cmocka_unit_test(test_no_memory),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
