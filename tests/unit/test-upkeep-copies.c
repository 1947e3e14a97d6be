/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The names of old copies: what is one, of which log, and in which order. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#include "upkeep/copies.h"

static const RotateDef number = {};
static const RotateDef extended = { .extension = (char *)".log" };
static const RotateDef date = { .suffix = ROTATE_SUFFIX_DATE };
static const RotateDef date_extended = { .suffix = ROTATE_SUFFIX_DATE, .extension = (char *)".log" };
static const RotateDef hourly = { .suffix = ROTATE_SUFFIX_DATE, .date_format = (char *)".%Y-%m-%d_%H" };
static const RotateDef seconds = { .suffix = ROTATE_SUFFIX_DATE, .date_format = (char *)"-%s" };
static const RotateDef wide = { .suffix = ROTATE_SUFFIX_DATE, .date_format = (char *)"%s%s%s%s%s%s%s" };

static const struct {
        unsigned line;
        const RotateDef *def;
        const char *name, *log; /* NULL: it is no copy */
        const char *date;
        unsigned number;
        const char *compressed;
} rows[] = {
        { __LINE__, &number, "app.log.1", "app.log", "", 1, "" },
        { __LINE__, &number, "app.log.12.gz", "app.log", "", 12, ".gz" },
        { __LINE__, &number, "app.log.3.zst", "app.log", "", 3, ".zst" },
        { __LINE__, &number, "a.1.2", "a.1", "", 2, "" },
        { __LINE__, &number, "a\n.7", "a\n", "", 7, "" },
        { __LINE__, &number, "app.log", NULL },
        { __LINE__, &number, "app.log.gz", NULL },
        { __LINE__, &number, "app.log.0", NULL },
        { __LINE__, &number, "app.log.01", NULL },
        { __LINE__, &number, "app.log.1234567890", NULL },
        { __LINE__, &number, "app.log.", NULL },
        { __LINE__, &number, ".1", NULL },
        { __LINE__, &number, "1", NULL },
        { __LINE__, &number, ".gz", NULL },
        { __LINE__, &extended, "app.1.log", "app.log", "", 1, "" },
        { __LINE__, &extended, "app.2.log.gz", "app.log", "", 2, ".gz" },
        { __LINE__, &extended, "messages.2.gz", "messages", "", 2, ".gz" },
        { __LINE__, &extended, "app.log.1", NULL },
        { __LINE__, &date, "app.log-20261130", "app.log", "-20261130", 0, "" },
        { __LINE__, &date, "app.log-20261130.xz", "app.log", "-20261130", 0, ".xz" },
        { __LINE__, &date, "app.log-20261130.2.gz", "app.log", "-20261130", 2, ".gz" },
        { __LINE__, &date, "app.log-20261330", NULL },
        { __LINE__, &date, "app.log-2026113", NULL },
        { __LINE__, &date, "-20261130", NULL },
        { __LINE__, &date, "app.log.1", NULL },
        { __LINE__, &date_extended, "app-20261130.log", "app.log", "-20261130", 0, "" },
        { __LINE__, &date_extended, "app-20261130.1.log.gz", "app.log", "-20261130", 1, ".gz" },
        { __LINE__, &hourly, "x.2026-11-30_23", "x", ".2026-11-30_23", 0, "" },
        { __LINE__, &hourly, "x.2026-11-30_24", NULL },
        { __LINE__, &seconds, "x-1764460800.1", "x", "-1764460800", 1, "" },
};

static void test_names(void **state) {
        char log[NAME_MAX + 1], name[NAME_MAX + 1];

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                CopyName c;
                bool is = copy_name_parse(rows[i].def, rows[i].name, log, &c);

                if (is != (rows[i].log != NULL))
                        fail_msg("line %u: it is %sa copy", rows[i].line, is ? "" : "not ");
                if (!is)
                        continue;
                if (!streq(log, rows[i].log) || !streq(c.date, rows[i].date) || c.number != rows[i].number ||
                    !streq(c.compressed, rows[i].compressed))
                        fail_msg("line %u: %s %s %u %s", rows[i].line, log, c.date, (unsigned)c.number, c.compressed);
                assert_int_equal(copy_name_format(rows[i].def, log, &c, name), 0);
                assert_string_equal(name, rows[i].name);
        }
}

static void in_order(const RotateDef *def, const char *newer, const char *older) {
        char log[NAME_MAX + 1];
        CopyName a, b;

        assert_true(copy_name_parse(def, newer, log, &a) && copy_name_parse(def, older, log, &b));
        assert_true(copy_name_compare(&a, &b) < 0 && copy_name_compare(&b, &a) > 0);
        assert_int_equal(copy_name_compare(&a, &a), 0);
}

static void test_order(void **state) {
        in_order(&number, "a.2", "a.10.gz");
        in_order(&date, "a-20261201", "a-20261130");
        in_order(&date, "a-20261130.1", "a-20261130");
        in_order(&date, "a-20261130.10.gz", "a-20261130.9");
        in_order(&date, "a-20261201", "a-20261130.9");
}

static void test_limits(void **state) {
        char log[NAME_MAX + 1], name[NAME_MAX + 1];
        CopyName c = { .number = 1, .compressed = "" };

        memset(log, 'x', NAME_MAX);
        log[NAME_MAX] = '\0';
        assert_int_equal(copy_name_format(&number, log, &c, name), -ENAMETOOLONG);
        log[NAME_MAX - 2] = '\0';
        assert_int_equal(copy_name_format(&number, log, &c, name), 0);
        assert_int_equal(strlen(name), NAME_MAX);
        assert_true(copy_name_parse(&number, name, log, &c));
        assert_true(copy_date_fits(&number) && copy_date_fits(&hourly));
        assert_false(copy_date_fits(&wide));
}

static void test_date(void **state) {
        CopyName c = { .compressed = "" };

        assert_int_equal(setenv("TZ", "Asia/Tokyo", 1), 0);
        copy_name_set_date(&date, 1796083200 * USEC_PER_SEC, &c);
        assert_string_equal(c.date, "-20261201");
        copy_name_set_date(&hourly, 1796083200 * USEC_PER_SEC, &c);
        assert_string_equal(c.date, ".2026-12-01_09");
        copy_name_set_date(&number, 1796083200 * USEC_PER_SEC, &c);
        assert_string_equal(c.date, "");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_names),
                cmocka_unit_test(test_order),
                cmocka_unit_test(test_limits),
                cmocka_unit_test(test_date),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
