/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Conditions: tables for what is written and how it is refused, and the laws that hold for all trees: what is printed
 * is parsed to the same again, "unknown" follows Kleene's logic, and the decisive test alone makes the whole what it
 * is. CONDITION_LAW_COUNT says for how many random trees (100,000), CONDITION_LAW_SEED with which seed. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#include "condition/condition.h"

static Condition *parse(const char *text) {
        ConditionError e = {};
        Condition *c;

        if (condition_parse(text, &c, &e) < 0)
                fail_msg("%s: column %zu: %s", text, e.column, e.message);
        return c;
}

/* What is written; its normalized form, NULL for the same. */
static const struct {
        int line;
        const char *text, *normal;
} forms[] = {
        { __LINE__, "ac-power", NULL },
        { __LINE__, "  ac-power\t", "ac-power" },
        { __LINE__, "cert-days /etc/a.pem < 14", NULL },
        { __LINE__, "cert-days /etc/a.pem <= -1", NULL },
        { __LINE__, "clock-synchronized", NULL },
        { __LINE__, "disk-free /var < 10%", NULL },
        { __LINE__, "disk-free /var<10%", "disk-free /var < 10%" },
        { __LINE__, "disk-free //var// < 0.50%", "disk-free /var < 0.5%" },
        { __LINE__, "disk-free / >= 0.05%", NULL },
        { __LINE__, "disk-free / > 1.5G", "disk-free / > 1536M" },
        { __LINE__, "disk-free / > 1G 500M", "disk-free / > 1524M" },
        { __LINE__, "disk-free / > 1G500M or online", "disk-free / > 1524M or online" },
        { __LINE__, "disk-free / > 5 G and online", "disk-free / > 5G and online" },
        { __LINE__, "disk-free / > 1000", NULL },
        { __LINE__, "disk-free / > 7E", NULL },
        { __LINE__, "disk-free / = 0", NULL },
        { __LINE__, "disk-free / == 0B", "disk-free / = 0" },
        { __LINE__, "disk-full-in /var < 4h", NULL },
        { __LINE__, "entries /var/spool/x > 1000", NULL },
        { __LINE__, "exec /bin/true", NULL },
        { __LINE__, "exec \"/usr/bin/test -e '/a b'\"", NULL },
        { __LINE__, "exec '/bin/sh -c \"exit 1\"'", "exec \"/bin/sh -c \\\"exit 1\\\"\"" },
        { __LINE__, "failed-units != 0", NULL },
        { __LINE__, "fd-free < 1000", NULL },
        { __LINE__, "file-age /b > 26h", "file-age /b > 1d 2h" },
        { __LINE__, "file-age /b > 1d 2h and file-age /c > 30 min or online",
          "file-age /b > 1d 2h and file-age /c > 30min or online" },
        { __LINE__, "file-age /b > 90", "file-age /b > 1min 30s" },
        { __LINE__, "file-age /b > 0.5s", "file-age /b > 500ms" },
        { __LINE__, "file-age /b > 5 \xc2\xb5s and online", "file-age /b > 5us and online" },
        { __LINE__, "file-exists /a=b", NULL },
        { __LINE__, "file-exists '/a b'", "file-exists \"/a b\"" },
        { __LINE__, "file-exists /a\\sb", "file-exists \"/a b\"" },
        { __LINE__, "file-exists \"/a(1)\"", NULL },
        { __LINE__, "file-exists \"/a\\\"\\\\\"", NULL },
        { __LINE__, "file-exists /and", NULL },
        { __LINE__, "file-exists \"/\\xff\\x01\"", NULL },
        { __LINE__, "file-exists \"/\xc3\xa9\"", NULL },
        { __LINE__, "file-size /a > 100M", NULL },
        { __LINE__, "inode-free / < 5%", NULL },
        { __LINE__, "job and is failed", NULL },
        { __LINE__, "job a@b is overdue", NULL },
        { __LINE__, "journal-matches PRIORITY=3 5min > 0", NULL },
        { __LINE__, "journal-matches \"A=1 + B=2\" 5min > 0", NULL },
        { __LINE__, "journal-matches 'A=\"b c\" _B=' 1 h > 5", "journal-matches \"A=\\\"b c\\\" _B=\" 1h > 5" },
        { __LINE__, "listening tcp 8080", NULL },
        { __LINE__, "listening tcp 0080", "listening tcp 80" },
        { __LINE__, "listening udp 127.0.0.1:53", NULL },
        { __LINE__, "listening tcp [0:0::1]:22", "listening tcp [::1]:22" },
        { __LINE__, "listening unix /run/a", NULL },
        { __LINE__, "listening unix @abstract", NULL },
        { __LINE__, "listening unix \"@a/b\\x01\"", NULL },
        { __LINE__, "load1 < 1.5", NULL },
        { __LINE__, "load1=2", "load1 = 2" },
        { __LINE__, "load5 >= 0.125", NULL },
        { __LINE__, "load15 > 8.100", "load15 > 8.1" },
        { __LINE__, "memory-available < 500M", NULL },
        { __LINE__, "mounted /backup", NULL },
        { __LINE__, "online", NULL },
        { __LINE__, "pids-free < 10%", NULL },
        { __LINE__, "pressure io full > 20.25%", NULL },
        { __LINE__, "process postgres count < 1", NULL },
        { __LINE__, "process \"tmux: server\" count > 0", NULL },
        { __LINE__, "swap-free <= 100%", NULL },
        { __LINE__, "temperature x86_pkg_temp > 85.5", NULL },
        { __LINE__, "temperature cold > -0.5", NULL },
        { __LINE__, "unit nginx is failed", "unit nginx.service is failed" },
        { __LINE__, "unit nginx.conf is failed", "unit nginx.conf.service is failed" },
        { __LINE__, "unit srv.mount is active", NULL },
        { __LINE__, "unit *.service is failed", NULL },
        { __LINE__, "unit [ab]* is activating", NULL },
        { __LINE__, "unit getty@* is inactive", NULL },
        { __LINE__, "unit *@.service is active", NULL },
        { __LINE__, "unit dev-a\\\\x2db.device is active", "unit \"dev-a\\\\x2db.device\" is active" },
        { __LINE__, "not online", NULL },
        { __LINE__, "not not online", "online" },
        { __LINE__, "not not not online", "not online" },
        { __LINE__, "not(not (online))", "online" },
        { __LINE__, "((online))", "online" },
        { __LINE__, "online and ac-power and load1 < 2", NULL },
        { __LINE__, "online and (ac-power and load1 < 2)", "online and ac-power and load1 < 2" },
        { __LINE__, "online or ac-power and load1 < 2", NULL },
        { __LINE__, "(online or ac-power) and load1 < 2", NULL },
        { __LINE__, "online and not ac-power", NULL },
        { __LINE__, "not (online and ac-power)", NULL },
        { __LINE__, "not (online or ac-power) or not online and ac-power", NULL },
        { __LINE__, "(load1>8)or(load1<2)and(not(online))", "load1 > 8 or load1 < 2 and not online" },
};

static void test_forms(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(forms); i++) {
                _cleanup_(condition_freep) Condition *c = NULL;
                _cleanup_free_ char *text = NULL;
                ConditionError e = {};

                if (condition_parse(forms[i].text, &c, &e) < 0)
                        fail_msg("row of line %d: column %zu: %s", forms[i].line, e.column, e.message);
                assert_int_equal(condition_format(c, &text), 0);
                if (!streq(text, forms[i].normal ?: forms[i].text))
                        fail_msg("row of line %d: %s", forms[i].line, text);
        }
}

/* What is refused: the column, and words of the message. */
static const struct {
        int line;
        const char *text;
        size_t column;
        const char *message;
} refusals[] = {
        { __LINE__, "", 1, "A condition is missing. Write, for example, \"disk-free /var < 10%\"." },
        { __LINE__, "disk-fre /var < 10%", 1, "\"disk-fre\" is not a condition. Did you mean \"disk-free\"?" },
        { __LINE__, "online and laod1 < 2", 12, "\"laod1\" is not a condition. Did you mean \"load1\"?" },
        { __LINE__, "frobnicate", 1, "is not a condition. Write, for example" },
        { __LINE__, "\"online\"", 1, "A condition is missing" },
        { __LINE__, "disk-free", 10, "An argument of \"disk-free\" is missing. Write, for example, \"disk-free" },
        { __LINE__, "disk-free < 10%", 11, "An argument" },
        { __LINE__, "disk-free var < 10%", 11, "\"var\" is not an absolute path. It must begin with \"/\"." },
        { __LINE__, "disk-free /a/../b < 10%", 11, "contains \".\" or \"..\"" },
        { __LINE__, "disk-free /var", 15, "\"disk-free\" is the free space of the file system of a path: its limit" },
        { __LINE__, "disk-free /var <", 17, "The limit is missing. Write a size or a percentage, for example" },
        { __LINE__, "disk-free /var < or online", 18, "\"or\" is not a size or a percentage" },
        { __LINE__, "disk-free /var < 10 percent", 18,
          "is not a size or a percentage. Write, for example, \"disk-free" },
        { __LINE__, "disk-free /var < 100.01%", 18, "\"100.01%\" is too large for a percentage up to 100%." },
        { __LINE__, "disk-free /var < 1.555%", 18, "is not a percentage" },
        { __LINE__, "disk-free /var < infinity", 18, "too large for a size" },
        { __LINE__, "disk-free /var < 8E", 18, "too large for a size" },
        { __LINE__, "disk-free /var < 10% > 5%", 22, "\">\" is not expected here. Write \"and\" or \"or\"" },
        { __LINE__, "disk-free /var /srv < 10%", 16, "its limit is missing" },
        { __LINE__, "file-size /a < 10%", 16, "\"10%\" is not a size. Write, for example, \"file-size" },
        { __LINE__, "file-age /a > 2 fortnights", 15, "is not a time span" },
        { __LINE__, "file-age /a > infinity", 15, "too large for a time span" },
        { __LINE__, "entries /a > 1.5", 14, "\"1.5\" is not a whole number" },
        { __LINE__, "entries /a > 1000000", 14, NULL },
        { __LINE__, "entries /a > 1000001", 14, "\"entries\" does not count further than 1000000. Write a lower" },
        { __LINE__, "journal-matches A=b 1h < 100001", 26, "does not count further than 100000" },
        { __LINE__, "entries /a > -1", 14, "not a whole number" },
        { __LINE__, "entries /a > 9223372036854775808", 14, "too large for a whole number" },
        { __LINE__, "load1 > 1.2345", 9, "a number with at most three decimals" },
        { __LINE__, "load1 > 9223372036854775", 9, NULL },
        { __LINE__, "load1 > 9223372036854776", 9, "too large for a number" },
        { __LINE__, "load1 > 8 online", 11, "\"online\" is not expected here" },
        { __LINE__, "load1 > 8 not online", 11, "\"not\" is not expected here" },
        { __LINE__, "load1 > ", 9, "The limit is missing. Write a number with" },
        { __LINE__, "load1 > 1.", 9, "not a number" },
        { __LINE__, "load1 > .5", 9, "not a number" },
        { __LINE__, "load1 > 1,5", 9, "not a number" },
        { __LINE__, "cert-days /a < 1d", 16, "not a whole number of days" },
        { __LINE__, "pressure disk some > 1%", 10, "\"disk\" has no pressure. Write cpu, memory or io." },
        { __LINE__, "pressure cpu all > 1%", 14, "Write some or full" },
        { __LINE__, "pressure cpu some > 20", 21, "not a percentage up to 100%" },
        { __LINE__, "mounted /a = 1", 12, "\"mounted\" is true or false and has no limit. Write, for example" },
        { __LINE__, "unit nginx failed", 12, "\"is\" is missing. Write, for example, \"unit *.service is failed\"." },
        { __LINE__, "unit nginx is dead", 15, "\"dead\" is not a state of a unit. Write failed, active, inactive or" },
        { __LINE__, "unit /srv is active", 6, "is not the name of a unit" },
        { __LINE__, "unit getty@ is active", 6, "is a template" },
        { __LINE__, "unit \"\" is active", 6, "is not the name of a unit" },
        { __LINE__, "job backup is overdu", 15, "Write failed, running or overdue" },
        { __LINE__, "process nginx < 1", 15, "\"count\" is missing" },
        { __LINE__, "process /usr/bin/nginx count < 1", 9, "Write one without \"/\"" },
        { __LINE__, "listening sctp 1", 11, "Write tcp, udp or unix" },
        { __LINE__, "listening tcp 65536", 15, "is not a port" },
        { __LINE__, "listening tcp 0", 15, "is not a port" },
        { __LINE__, "listening tcp http", 15, "is not a port" },
        { __LINE__, "listening tcp ::1:80", 15, "is not a port" },
        { __LINE__, "listening tcp [::12:80", 15, "is not a port" },
        { __LINE__, "listening tcp []:80", 15, "is not a port" },
        { __LINE__, "listening tcp :80", 15, "is not a port" },
        { __LINE__, "listening unix @", 16, "not an absolute path" },
        { __LINE__, "listening unix run/x", 16, "not an absolute path" },
        { __LINE__, "journal-matches PRIORITY 5min > 0", 17, "does not match entries. Write FIELD=VALUE" },
        { __LINE__, "journal-matches \"\" 5min > 0", 17, "nothing between the quotes" },
        { __LINE__, "journal-matches A=b > 0", 21, "The time span is missing" },
        { __LINE__, "journal-matches A=b 0 > 0", 21, "is not a time span" },
        { __LINE__, "exec true", 6, "is not an absolute path of a program" },
        { __LINE__, "exec /bin/test -e /x", 16, "quotes around what contains blanks" },
        { __LINE__, "file-exists \"/a", 13, "The quote \" is not closed" },
        { __LINE__, "file-exists /a\\q", 13, "\\q is not a valid escape" },
        { __LINE__, "online and", 11, "A condition is missing" },
        { __LINE__, "online andac-power", 8, "\"andac-power\" is not expected here" },
        { __LINE__, "and online", 1, "\"and\" is not a condition" },
        { __LINE__, "not", 4, "A condition is missing" },
        { __LINE__, "not and online", 5, "\"and\" is not a condition" },
        { __LINE__, "(online", 1, "This parenthesis is not closed" },
        { __LINE__, "online and (ac-power or (load1 < 2)", 12, "is not closed" },
        { __LINE__, "online)", 7, "This parenthesis closes nothing" },
        { __LINE__, "(online))", 9, "closes nothing" },
        { __LINE__, "()", 2, "A condition is missing" },
        { __LINE__, ")", 1, "A condition is missing" },
};

static void test_refusals(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(refusals); i++) {
                Condition *untouched = (Condition *)refusals, *c = untouched;
                ConditionError e = {};
                int r = condition_parse(refusals[i].text, &c, &e);

                if (!refusals[i].message) {
                        assert_int_equal(r, 0);
                        condition_free(c);
                        continue;
                }
                assert_int_equal(condition_parse(refusals[i].text, &c, NULL), -EINVAL);
                if (r != -EINVAL || c != untouched || e.column != refusals[i].column ||
                    !strstr(e.message, refusals[i].message))
                        fail_msg("row of line %d: %d, column %zu: %s", refusals[i].line, r, e.column, e.message);
        }
}

/* --- bounds --- */

typedef struct Text {
        char bytes[2 * CONDITION_TEXT_MAX];
        size_t n;
} Text;

static void _printf_(2, 3) add(Text *t, const char *format, ...) {
        va_list ap;

        va_start(ap, format);
        t->n += (size_t)vsnprintf(t->bytes + t->n, sizeof(t->bytes) - t->n, format, ap);
        va_end(ap);
        assert_true(t->n < sizeof(t->bytes));
}

static void add_times(Text *t, const char *text, size_t times) {
        for (size_t i = 0; i < times; i++)
                add(t, "%s", text);
}

static void expect(const Text *t, const char *problem) {
        _cleanup_(condition_freep) Condition *c = NULL;
        ConditionError e = {};
        int r = condition_parse(t->bytes, &c, &e);

        if (r != (problem ? -EINVAL : 0) || (problem && !strstr(e.message, problem)))
                fail_msg("%.80s: column %zu: %s", t->bytes, e.column, e.message);
        assert_true(e.column <= strlen(t->bytes) + 1);
}

static void test_bounds(void **state) {
        static const char *const deep[][2] = {
                { "(", ")" },
                { "not ", "" },
                { "online or online and (", ")" },
                { "online or online and not (", ")" },
        };

        for (size_t i = 0; i < ELEMENTSOF(deep); i++)
                for (size_t over = 0; over <= 1; over++) {
                        size_t each = i == 3 ? 2 : 1, times = (i == 2 ? 20 : CONDITION_DEPTH_MAX / each + over);
                        Text t = {};

                        add_times(&t, deep[i][0], times);
                        add(&t, "online");
                        add_times(&t, deep[i][1], times);
                        expect(&t,
                               over && i != 2 ? "There are more than 32 parentheses and \"not\" in each other" : NULL);
                }
        for (size_t i = 0; i < 2; i++) { /* beside each other, they are no depth */
                Text t = {};

                add_times(&t, i == 0 ? "not online and " : "(online) and ", CONDITION_DEPTH_MAX + 1);
                add(&t, "online");
                expect(&t, NULL);
        }
        for (size_t over = 0; over <= 1; over++) {
                Text tests = {}, text = {}, longer = {};

                add(&tests, "online");
                add_times(&tests, " or online", CONDITION_TESTS_MAX - 1 + over);
                expect(&tests, over ? "There are more than 64 tests in one condition" : NULL);
                add(&text, "file-exists /");
                add_times(&text, "a", CONDITION_TEXT_MAX - text.n + over);
                expect(&text, over ? "The condition is longer than 4096 bytes. " : NULL);
                add(&longer, "exec /a\" ");
                add_times(&longer, "\001", (CONDITION_TEXT_MAX - sizeof("exec \"/a \"") + 1) / 4 + over);
                add(&longer, "\"");
                expect(&longer, over ? "The condition is longer than 4096 bytes when it is written out" : NULL);
        }
}

static void test_and_not(void **state) {
        _cleanup_(condition_freep) Condition *all = NULL, *copy = NULL, *deep = NULL, *c = NULL;
        _cleanup_free_ char *text = NULL, *copied = NULL;

        assert_int_equal(condition_and(NULL, parse("online or ac-power"), &all), 0);
        assert_int_equal(condition_and(TAKE_PTR(all), parse("not (load1 > 8 and not online)"), &all), 0);
        assert_int_equal(condition_and(TAKE_PTR(all), parse("load5 < 2 and load15 < 1"), &all), 0);
        assert_int_equal(condition_not(TAKE_PTR(all), &all), 0);
        assert_int_equal(condition_format(all, &text), 0);
        assert_string_equal(text, "not ((online or ac-power) and not (load1 > 8 and not online) and load5 < 2 and "
                                  "load15 < 1)");
        assert_int_equal(condition_copy(all, &copy), 0);
        assert_int_equal(condition_format(copy, &copied), 0);
        assert_string_equal(copied, text);
        assert_int_equal(condition_n_tests(copy), 6);

        assert_int_equal(condition_not(parse("not online"), &c), 0);
        free(TAKE_PTR(text));
        assert_int_equal(condition_format(c, &text), 0);
        assert_string_equal(text, "online");

        for (size_t i = 1; i < CONDITION_TESTS_MAX; i++)
                assert_int_equal(condition_and(TAKE_PTR(c), parse("load1 < 8"), &c), 0);
        assert_int_equal(condition_and(TAKE_PTR(c), parse("load1 < 8"), &c), -E2BIG);
        assert_null(c);

        deep = parse("online");
        for (size_t i = 0; i < CONDITION_DEPTH_MAX / 2; i++) {
                assert_int_equal(condition_and(TAKE_PTR(deep), parse("load1 < 8"), &deep), 0);
                assert_int_equal(condition_not(TAKE_PTR(deep), &deep), 0);
        }
        assert_int_equal(condition_and(TAKE_PTR(deep), parse("load1 < 8"), &deep), 0);
        free(TAKE_PTR(text));
        assert_int_equal(condition_format(deep, &text), 0);
        assert_int_equal(condition_not(TAKE_PTR(deep), &deep), -E2BIG);
        assert_null(deep);

        /* "or" has to be in parentheses then */
        free(TAKE_PTR(copied));
        assert_true(asprintf(&copied, "%s or online", text) > 0);
        assert_int_equal(condition_and(parse(copied), parse("online"), &deep), -E2BIG);
        assert_int_equal(condition_and(parse("online"), parse(copied), &deep), -E2BIG);
}

/* --- three values --- */

static Reading reading_of(Truth t) {
        return (Reading){ .is_known = t != TRUTH_UNKNOWN, .value = t == TRUTH_TRUE };
}

static void test_truth_table(void **state) {
        const Truth F = TRUTH_FALSE, T = TRUTH_TRUE, U = TRUTH_UNKNOWN;
        const struct {
                Truth a, b, both, either;
                size_t both_test, either_test; /* which decides */
        } table[] = {
                { F, F, F, F, 0, 0 }, { F, T, F, T, 0, 1 }, { F, U, F, U, 0, 1 },
                { T, F, F, T, 1, 0 }, { T, T, T, T, 0, 0 }, { T, U, U, T, 1, 0 },
                { U, F, F, U, 1, 0 }, { U, T, U, T, 0, 1 }, { U, U, U, U, 0, 0 },
        };
        _cleanup_(condition_freep) Condition *both = parse("online and ac-power"),
                                             *either = parse("online or ac-power");
        _cleanup_(condition_freep) Condition *neither = parse("not online");

        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
                Reading readings[] = { reading_of(table[i].a), reading_of(table[i].b) };

                assert_int_equal(condition_truth(both, readings), table[i].both);
                assert_int_equal(condition_truth(either, readings), table[i].either);
                assert_int_equal(condition_decisive_test(both, readings), table[i].both_test);
                assert_int_equal(condition_decisive_test(either, readings), table[i].either_test);
                assert_int_equal(condition_truth(neither, readings),
                                 table[i].a == TRUTH_UNKNOWN ? TRUTH_UNKNOWN : !table[i].a);
        }
}

#define WHOLE INT64_C(9223372036854775807)

/* A test and a reading of it. */
static const struct {
        int line;
        const char *text;
        int64_t value, whole;
        Truth truth;
} comparisons[] = {
        { __LINE__, "disk-free / < 10%", 99, 1000, TRUTH_TRUE },
        { __LINE__, "disk-free / < 10%", 100, 1000, TRUTH_FALSE },
        { __LINE__, "disk-free / <= 10%", 100, 1000, TRUTH_TRUE },
        { __LINE__, "disk-free / > 33.33%", 3333, 10000, TRUTH_FALSE },
        { __LINE__, "disk-free / > 33.33%", 3334, 10000, TRUTH_TRUE },
        { __LINE__, "disk-free / = 50%", 1, 2, TRUTH_TRUE },
        { __LINE__, "disk-free / != 50%", 1, 3, TRUTH_TRUE },
        { __LINE__, "disk-free / < 100%", WHOLE - 1, WHOLE, TRUTH_TRUE },
        { __LINE__, "disk-free / < 100%", WHOLE, WHOLE, TRUTH_FALSE },
        { __LINE__, "disk-free / >= 99.99%", WHOLE / 10000 * 9999, WHOLE, TRUTH_FALSE },
        { __LINE__, "disk-free / >= 99.99%", WHOLE - WHOLE / 10000, WHOLE, TRUTH_TRUE },
        { __LINE__, "disk-free / < 1%", 0, 0, TRUTH_UNKNOWN },
        { __LINE__, "disk-free / < 1K", 1023, 0, TRUTH_TRUE },
        { __LINE__, "disk-free / < 1K", 1024, WHOLE, TRUTH_FALSE },
        { __LINE__, "disk-full-in / < 4h", CONDITION_NEVER, 0, TRUTH_FALSE },
        { __LINE__, "cert-days /a < 0", -1, 0, TRUTH_TRUE },
        { __LINE__, "pressure cpu some > 20%", 2001, 0, TRUTH_TRUE },
        { __LINE__, "load1 >= 1.5", 1499, 0, TRUTH_FALSE },
        { __LINE__, "failed-units > 9223372036854775806", WHOLE, 0, TRUTH_TRUE },
};

static void test_comparisons(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(comparisons); i++) {
                _cleanup_(condition_freep) Condition *c = parse(comparisons[i].text);
                Reading r = { .is_known = true, .value = comparisons[i].value, .whole = comparisons[i].whole };

                if (condition_test_truth(condition_test(c, 0), &r) != comparisons[i].truth)
                        fail_msg("row of line %d", comparisons[i].line);
                r.is_known = false;
                assert_int_equal(condition_truth(c, &r), TRUTH_UNKNOWN);
        }
}

/* --- values for people --- */

static const struct {
        int line;
        const char *text;
        Reading reading;
        const char *value, *limit;
} values[] = {
        { __LINE__, "disk-free / < 10%", { true, 1288490188, 13743895347 }, "9.3% (1.1G)", "10%" },
        { __LINE__, "disk-free / < 10%", { true, 9999, 100000 }, "9.9% (9.7K)", "10%" },
        { __LINE__, "disk-free / < 1.5G", { true, WHOLE, WHOLE }, "100% (7.9E)", "1536M" },
        { __LINE__, "inode-free / < 1000", { true, 999, 10000 }, "9.9% (999)", "1000" },
        { __LINE__, "file-size / < 1500", { true, 0, 0 }, "0B", "1500" },
        { __LINE__, "file-age / > 26h", { true, 93785 * (int64_t)USEC_PER_SEC, 0 }, "1d 2h 3min", "1d 2h" },
        { __LINE__, "file-age / > 26h", { true, 62500000, 0 }, "1min 2s", "1d 2h" },
        { __LINE__, "file-age / > 26h", { true, 1234567, 0 }, "1.234s", "1d 2h" },
        { __LINE__, "file-age / > 26h", { true, -2 * (int64_t)USEC_PER_SEC, 0 }, "-2s", "1d 2h" },
        { __LINE__, "disk-full-in / < 4h", { true, CONDITION_NEVER, 0 }, "infinity", "4h" },
        { __LINE__, "load1 < 2", { true, 750, 0 }, "0.75", "2" },
        { __LINE__, "temperature a < -0.05", { true, -50, 0 }, "-0.05", "-0.05" },
        { __LINE__, "temperature a < 1", { true, INT64_MIN, 0 }, "-9223372036854775.808", "1" },
        { __LINE__, "cert-days /a < 14", { true, -3, 0 }, "-3", "14" },
        { __LINE__, "pressure io full > 0.5%", { true, 1205, 0 }, "12.05%", "0.5%" },
        { __LINE__, "online", { true, 1, 0 }, "yes", "" },
        { __LINE__, "online", { true, 0, 0 }, "no", "" },
        { __LINE__, "online", { .reason = "The bus does not answer." }, "unknown", "" },
};

static void test_values(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(values); i++) {
                _cleanup_(condition_freep) Condition *c = parse(values[i].text);
                const ConditionTest *t = condition_test(c, 0);
                char value[CONDITION_VALUE_MAX], limit[CONDITION_VALUE_MAX];

                reading_format(value, &t->question, &values[i].reading);
                limit_format(limit, t);
                if (!streq(value, values[i].value) || !streq(limit, values[i].limit))
                        fail_msg("row of line %d: %s, %s", values[i].line, value, limit);
        }
}

static void test_kinds(void **state) {
        for (ConditionKind k = 0; k < _CONDITION_KIND_MAX; k++) {
                _cleanup_(condition_freep) Condition *c = parse(condition_kind_example(k));
                const ConditionTest *t = condition_test(c, 0);
                Question q = {}, other = { .kind = k };

                assert_int_equal(condition_n_tests(c), 1);
                assert_int_equal(t->question.kind, k);
                assert_int_equal(t->op == CONDITION_IS, condition_kind_unit(k) == CONDITION_TRUTH);
                assert_non_null(startswith(condition_kind_example(k), condition_kind_to_string(k)));
                assert_int_equal(question_copy(&q, &t->question), 0);
                assert_int_equal(question_compare(&q, &t->question), 0);
                assert_int_equal(question_compare(&q, &other) == 0, !q.subject);
                assert_int_equal(question_compare(&other, &q), -question_compare(&q, &other));
                question_done(&q);
        }
}

/* --- laws --- */

static unsigned below(unsigned n) {
        return (unsigned)(random() % (long)n);
}

static const struct {
        const char *question;
        enum { NO_LIMIT, COUNT, FEW, SHARE, SIZE, SPAN, DECIMAL } limit;
} random_tests[] = {
        { "online", NO_LIMIT },
        { "unit  [a-c]*.socket is\tfailed", NO_LIMIT },
        { "exec '/a b \"c\\\\\\\\\"'", NO_LIMIT },
        { "listening tcp [fe80::0:1]:0443", NO_LIMIT },
        { "job and is running", NO_LIMIT },
        { "failed-units", COUNT },
        { "process \"a (b)\" count", COUNT },
        { "journal-matches A=\"'b c'\" 1h  5 min", FEW },
        { "disk-free '/a\"b'", SHARE },
        { "disk-free /a/", SIZE },
        { "pressure io some", SHARE },
        { "file-age //a", SPAN },
        { "temperature \\xe9\\t", DECIMAL },
};

static void add_limit(Text *t, int type) {
        static const char *const operators[] = { "<", "<=", ">", ">=", "=", "==", "!=" };
        const char *operator= operators[below(ELEMENTSOF(operators))];
        uint64_t n = (uint64_t)random() >> below(32);

        /* "=" and "!=" could be part of a word before them. */
        add(t, "%*s%s%*s", strchr("<>", *operator) ? (int)below(2) : 1, "", operator,(int) below(2), "");
        if (type == COUNT)
                add(t, "%" PRIu64, n << below(33));
        else if (type == FEW)
                add(t, "%u", below(CONDITION_LINES_MAX));
        else if (type == SHARE)
                add(t, "%u.%02u%%", below(100), below(100));
        else if (type == SIZE)
                add(t, "%" PRIu64 "%.1s%*s%u", n >> 20, &"MGTP"[below(4)], (int)below(2), "", below(1024));
        else if (type == SPAN)
                add(t, "%" PRIu64 "h %u%*smin%*s%uus", n, below(100), (int)below(2), "", (int)below(2), "",
                    below(1000));
        else
                add(t, "%s%" PRIu64 ".%0*u", below(2) ? "-" : "", n, 1 + (int)below(3), below(10));
}

/* A tree that is written with more blanks and parentheses than it needs, and what it comes to when its tests have
 * these truths, found by recursion. */
typedef struct Growth {
        Text text;
        Truth truths[CONDITION_TESTS_MAX];
        size_t n_tests;
} Growth;

typedef struct Outcome {
        Truth truth;
        size_t test;
} Outcome;

static Outcome grow_or(Growth *g, unsigned depth);

static Outcome grow_operand(Growth *g, unsigned depth) {
        unsigned choice = depth > 0 ? below(8) : 7, test = below(ELEMENTSOF(random_tests));
        Outcome o;

        if (choice == 0) {
                add(&g->text, "not%*s", 1 + (int)below(2), "");
                o = grow_operand(g, depth - 1);
                o.truth = o.truth == TRUTH_UNKNOWN ? TRUTH_UNKNOWN : !o.truth;
                return o;
        }
        if (choice <= 3) {
                add(&g->text, "(%*s", (int)below(2), "");
                o = grow_or(g, depth - 1);
                add(&g->text, ")");
                return o;
        }
        add(&g->text, "%s", random_tests[test].question);
        if (random_tests[test].limit != NO_LIMIT)
                add_limit(&g->text, random_tests[test].limit);
        assert_true(g->n_tests < CONDITION_TESTS_MAX);
        o = (Outcome){ below(3), g->n_tests };
        g->truths[g->n_tests++] = o.truth;
        return o;
}

/* What decides comes first, then what is unknown, then the first of all. */
static Outcome join(Outcome a, Outcome b, Truth decides) {
        int rank_a = a.truth == decides ? 2 : a.truth == TRUTH_UNKNOWN;
        int rank_b = b.truth == decides ? 2 : b.truth == TRUTH_UNKNOWN;

        return rank_b > rank_a ? b : a;
}

static Outcome grow_and(Growth *g, unsigned depth) {
        Outcome o = grow_operand(g, depth);

        while (below(3) == 0 && g->n_tests < CONDITION_TESTS_MAX / 2) {
                add(&g->text, " and ");
                o = join(o, grow_operand(g, MIN(depth, 1U)), TRUTH_FALSE);
        }
        return o;
}

static Outcome grow_or(Growth *g, unsigned depth) {
        Outcome o = grow_and(g, depth);

        while (below(3) == 0 && g->n_tests < CONDITION_TESTS_MAX / 4) {
                add(&g->text, " or%*s", 1 + (int)below(2), "");
                o = join(o, grow_and(g, MIN(depth, 1U)), TRUTH_TRUE);
        }
        return o;
}

/* A reading near the limit with which the test has this truth. */
static Reading find_reading(const ConditionTest *t, Truth truth) {
        if (truth == TRUTH_UNKNOWN || t->op == CONDITION_IS)
                return reading_of(truth);
        for (int64_t distance = -1; distance <= 1; distance++) {
                Reading r = { .is_known = true, .value = t->limit + distance, .whole = t->is_share ? 10000 : 0 };

                if (condition_test_truth(t, &r) == truth)
                        return r;
        }
        fail_msg("no value near the limit makes it %s", truth_to_string(truth));
        return (Reading){};
}

static void check_equal(const Condition *a, const Condition *b) {
        assert_int_equal(condition_n_tests(a), condition_n_tests(b));
        for (size_t i = 0; i < condition_n_tests(a); i++) {
                const ConditionTest *x = condition_test(a, i), *y = condition_test(b, i);

                assert_int_equal(question_compare(&x->question, &y->question), 0);
                assert_int_equal(x->op, y->op);
                assert_int_equal(x->limit, y->limit);
                assert_int_equal(x->is_share, y->is_share);
        }
}

static void check_laws(const Growth *g, Outcome expected) {
        _cleanup_(condition_freep) Condition *c = parse(g->text.bytes), *again = NULL;
        _cleanup_free_ char *text = NULL, *text_again = NULL;
        Reading readings[CONDITION_TESTS_MAX];

        assert_int_equal(condition_format(c, &text), 0);
        again = parse(text);
        assert_int_equal(condition_format(again, &text_again), 0);
        assert_string_equal(text, text_again);
        check_equal(c, again);

        assert_int_equal(condition_n_tests(c), g->n_tests);
        for (size_t i = 0; i < g->n_tests; i++)
                readings[i] = find_reading(condition_test(c, i), g->truths[i]);
        assert_int_equal(condition_truth(c, readings), expected.truth);
        assert_int_equal(condition_truth(again, readings), expected.truth);
        assert_int_equal(condition_decisive_test(c, readings), expected.test);
        assert_int_equal(condition_decisive_test(again, readings), expected.test);
}

static void test_laws(void **state) {
        const char *count = getenv("CONDITION_LAW_COUNT"), *seed = getenv("CONDITION_LAW_SEED");
        unsigned long start = seed ? strtoul(seed, NULL, 10) : (unsigned long)now_realtime() % 1000000;
        size_t n = count ? strtoul(count, NULL, 10) : 100000;

        print_message("# CONDITION_LAW_SEED=%lu\n", start);
        srandom((unsigned)start);
        for (size_t i = 0; i < n; i++) {
                Growth g = {};
                Outcome expected = grow_or(&g, 5);

                check_laws(&g, expected);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_forms),   cmocka_unit_test(test_refusals),    cmocka_unit_test(test_bounds),
                cmocka_unit_test(test_and_not), cmocka_unit_test(test_truth_table), cmocka_unit_test(test_comparisons),
                cmocka_unit_test(test_values),  cmocka_unit_test(test_kinds),       cmocka_unit_test(test_laws),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
