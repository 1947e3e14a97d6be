/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* %-specifiers: what they stand for, and what is refused with which words. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#include "config/specifier.h"

static const Specifiers job = { .job = "backup", .host = "vaktmester" },
                        instance = { .job = "backup@srv", .instance = "srv", .host = "vaktmester" },
                        share = {
                                .job = "disk@srv", .instance = "srv", .host = "vaktmester", .has_percentages = true
                        };

static const struct {
        int line;
        const Specifiers *specifiers;
        const char *text, *expected, *message;
} rows[] = {
        { __LINE__, &job, "", "", NULL },
        { __LINE__, &job, "plain", "plain", NULL },
        { __LINE__, &job, "%j on %h", "backup on vaktmester", NULL },
        { __LINE__, &instance, "%i of %j", "srv of backup@srv", NULL },
        { __LINE__, &instance, "%i%i%%i%%", "srvsrv%i%", NULL },
        { __LINE__, &job, "100%%", "100%", NULL },
        { __LINE__, &job, "%%j", "%j", NULL },
        { __LINE__, &job, "100%", NULL, "ends in a single %. Write %% for a percent sign." },
        { __LINE__, &job, "date +%Y", NULL, "%Y is not a specifier; use %i, %j or %h. Write %% for a percent sign." },
        { __LINE__, &job, "% j", NULL, "%  is not a specifier" },
        { __LINE__, &job, "%\xc3\xb8", NULL, "%\xc3\xb8 is not a specifier" },
        { __LINE__, &job, "/srv/%i", NULL, "this job is not an instance" },
        { __LINE__, &instance, "%I", NULL, "%I is not a specifier" },
        { __LINE__, &share, "/%i < 10%", "/srv < 10%", NULL },
        { __LINE__, &share, "(5% 5%\t5%) 5%%", "(5% 5%\t5%) 5%", NULL },
        { __LINE__, &share, "/5%i", "/5srv", NULL },
        { __LINE__, &share, "x%", NULL, "ends in a single %" },
        { __LINE__, &share, "%", NULL, "ends in a single %" },
        { __LINE__, &share, "5%q", NULL, "%q is not a specifier" },
};

static void test_rows(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                char *value = NULL, *message = NULL;
                int r = specifier_expand(rows[i].text, rows[i].specifiers, &value, &message);

                if (r != (rows[i].expected ? 0 : -EINVAL) || !streq_ptr(value, rows[i].expected) ||
                    (rows[i].message && !strstr(message, rows[i].message)))
                        fail_msg("row of line %d: %d %s %s", rows[i].line, r, value, message);
                free(value);
                free(message);
        }
}

/* A column of the value leads to the column in the file. */
static void test_origin(void **state) {
        const char *text = "a %i%%5% b";
        const size_t origins[] = { 0, 1, 2, 2, 2, 4, 6, 7, 8, 9, 10, 10 }; /* of "a srv%5% b" */

        for (size_t i = 0; i < ELEMENTSOF(origins); i++)
                assert_int_equal(specifier_origin(text, &share, i), origins[i]);
}

/* A line full of specifiers must not become a hundred times as long. */
static void test_limit(void **state) {
        static char text[64 * 1024], host[65];
        const Specifiers s = { .job = "j", .host = host };
        char *value = NULL, *message = NULL;

        memset(host, 'h', 64);
        for (size_t i = 0; i + 2 < sizeof(text); i += 2)
                memcpy(text + i, "%h", 2);
        assert_int_equal(specifier_expand(text, &s, &value, &message), -EINVAL);
        assert_non_null(strstr(message, "longer than 65536 bytes"));
        free(message);
        text[2 * 1024] = '\0';
        assert_int_equal(specifier_expand(text, &s, &value, &message), 0);
        assert_int_equal(strlen(value), SPECIFIER_RESULT_MAX);
        free(value);
}

static void test_is_used(void **state) {
        assert_true(specifier_is_used("a%ib", 'i'));
        assert_true(specifier_is_used("%%%i", 'i'));
        assert_false(specifier_is_used("%%i", 'i'));
        assert_false(specifier_is_used("%j", 'i'));
        assert_false(specifier_is_used("%", 'i'));
        assert_false(specifier_is_used("", 'i'));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_rows),
                cmocka_unit_test(test_origin),
                cmocka_unit_test(test_limit),
                cmocka_unit_test(test_is_used),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
