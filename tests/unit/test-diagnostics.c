/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Lists of problems: order, copies, the count behind the twentieth of a file, and texts that the bus takes. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#include "config/diagnostics.h"
#include "util/complain.h"
#include "util/utf8.h"

static void test_add_and_merge(void **state) {
        Diagnostics a = {}, b = {};

        for (unsigned i = 0; i < 100; i++)
                assert_int_equal(diagnostics_add(&a, "/a", i, "problem %u", i), 0);
        assert_int_equal(diagnostics_merge(&b, &a), 0);
        assert_int_equal(diagnostics_merge(&b, &a), 0);
        diagnostics_done(&a);
        assert_int_equal(a.n_items, 0);
        assert_int_equal(b.n_items, 200);
        assert_int_equal(b.items[142].line, 42);
        assert_string_equal(b.items[142].file, "/a");
        assert_string_equal(b.items[142].message, "problem 42");
        diagnostics_done(&b);
}

static void test_per_file_limit(void **state) {
        Diagnostics d = {};
        FileProblems f = { .list = &d, .file = "/a" }, unheard = { .file = "/b" };

        for (unsigned i = 1; i <= DIAGNOSTICS_PER_FILE_MAX; i++)
                assert_int_equal(file_problems_add(&f, i, "problem"), 0);
        assert_int_equal(file_problems_end(&f), 0);
        assert_int_equal(d.n_items, DIAGNOSTICS_PER_FILE_MAX);

        assert_int_equal(file_problems_add(&f, 21, "problem"), 0);
        assert_int_equal(file_problems_add(&f, 22, "problem"), 0);
        assert_int_equal(file_problems_end(&f), 0);
        assert_int_equal(f.n, 22);
        assert_int_equal(d.n_items, DIAGNOSTICS_PER_FILE_MAX + 1);
        assert_int_equal(d.items[DIAGNOSTICS_PER_FILE_MAX].line, 0);
        assert_string_equal(d.items[DIAGNOSTICS_PER_FILE_MAX].message,
                            "2 further problems in this file. Fix those above first.");
        diagnostics_done(&d);

        assert_int_equal(file_problems_add(&unheard, 1, "problem"), 0);
        assert_int_equal(unheard.n, 1);
}

/* The bus refuses what is no UTF-8, a terminal obeys what is a control character. */
static void test_presentable(void **state) {
        static const struct {
                int line;
                const char *raw, *shown;
        } rows[] = {
                { __LINE__, "plain", "plain" },
                { __LINE__, "Br\xc3\xb8t \xe2\x82\xac \xf0\x9f\x8d\x9e", "Br\xc3\xb8t \xe2\x82\xac \xf0\x9f\x8d\x9e" },
                { __LINE__,
                  "a\xff"
                  "b",
                  "a?b" },
                { __LINE__, "a\nb\tc\x7f", "a?b?c?" },
                { __LINE__, "\x1b[31m", "?[31m" },
                { __LINE__, "\xc0\xaf", "??" },           /* overlong */
                { __LINE__, "\xed\xa0\x80", "???" },      /* a surrogate */
                { __LINE__, "\xf4\x90\x80\x80", "????" }, /* past U+10FFFF */
                { __LINE__, "\xe2\x82", "??" },           /* cut */
                { __LINE__, "\xe2\x82g", "??g" },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                Diagnostics d = {};

                assert_int_equal(diagnostics_add(&d, rows[i].raw, 1, "%s", rows[i].raw), 0);
                if (!streq(d.items[0].message, rows[i].shown) || !streq(d.items[0].file, rows[i].shown))
                        fail_msg("row of line %d: \"%s\"", rows[i].line, d.items[0].message);
                diagnostics_done(&d);
        }
}

static void test_utf8_cut(void **state) {
        assert_int_equal(utf8_cut("abc", 5), 3);
        assert_int_equal(utf8_cut("abc", 3), 3);
        assert_int_equal(utf8_cut("abc", 2), 2);
        assert_int_equal(utf8_cut("a\xe2\x82\xac", 4), 4);
        assert_int_equal(utf8_cut("a\xe2\x82\xac", 3), 1);
        assert_int_equal(utf8_cut("a\xe2\x82\xac"
                                  "b",
                                  4),
                         4);
        assert_int_equal(utf8_cut("\xe2\x82\xac", 0), 0);
        assert_int_equal(utf8_char_length("", 0), 0);
        assert_int_equal(utf8_char_length("\0", 1), 1);
}

static void test_complain(void **state) {
        char *message = NULL;

        assert_int_equal(complain(&message, "%s is wrong.", "This"), -EINVAL);
        assert_string_equal(message, "This is wrong.");
        free(message);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_add_and_merge), cmocka_unit_test(test_per_file_limit),
                cmocka_unit_test(test_presentable),   cmocka_unit_test(test_utf8_cut),
                cmocka_unit_test(test_complain),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
