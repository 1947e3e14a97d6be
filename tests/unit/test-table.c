/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* vaktctl's text, tables and names of files: nothing that drives a terminal gets through, columns are counted as a
 * terminal counts them, a table fits where it can, and a name is made absolute by its letters. */

#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "ctl/file-name.h"
#include "ctl/table.h"

static void test_escape(void **state) {
        static const struct {
                int line;
                const char *in, *out;
        } table[] = {
                { __LINE__, "", "" },
                { __LINE__, "plain", "plain" },
                { __LINE__, "Sicherung für Øystein 日本", "Sicherung für Øystein 日本" },
                { __LINE__, "\x1b]0;title\a", "\\x1B]0;title\\x07" },
                { __LINE__, "a\nb\tc", "a\\x0Ab\\x09c" },
                { __LINE__, "del\x7f", "del\\x7F" },
                { __LINE__, "C1 \xc2\x9b", "C1 \\xC2\\x9B" },              /* CSI as one character */
                { __LINE__, "no-break \xc2\xa0", "no-break \xc2\xa0" },    /* first one after C1 */
                { __LINE__, "bidi \xe2\x80\xae", "bidi \\xE2\\x80\\xAE" }, /* U+202E */
                { __LINE__, "bad \xff\xfe", "bad \\xFF\\xFE" },
                { __LINE__, "short \xe2\x82", "short \\xE2\\x82" },
                { __LINE__, "overlong \xc0\x9b", "overlong \\xC0\\x9B" }, /* ESC in two bytes */
                { __LINE__, "overlong \xe0\x80\x9b", "overlong \\xE0\\x80\\x9B" },
                { __LINE__, "surrogate \xed\xa0\x80", "surrogate \\xED\\xA0\\x80" },
                { __LINE__, "high \xf4\x90\x80\x80", "high \\xF4\\x90\\x80\\x80" }, /* U+110000 */
                { __LINE__, "emoji \xf0\x9f\x98\x80", "emoji \xf0\x9f\x98\x80" },
        };

        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
                _cleanup_free_ char *out = text_escape(table[i].in);

                if (!streq(out, table[i].out))
                        fail_msg("line %d: got '%s'", table[i].line, out);
        }
}

static void test_escape_bytes(void **state) {
        _cleanup_free_ char *nul = text_escape_n("a\0b", 3, 0), *lines = text_escape_n("a\n\tb\r", 5, TEXT_KEEP_LINES);

        assert_string_equal(nul, "a\\x00b");
        assert_string_equal(lines, "a\n\tb\\x0D");
        assert_true(text_is_utf8("für"));
        assert_true(text_is_utf8(""));
        assert_false(text_is_utf8("f\xfcr"));
}

static void test_width(void **state) {
        assert_int_equal(text_width(""), 0);
        assert_int_equal(text_width("abc"), 3);
        assert_int_equal(text_width("für"), 3);
        assert_int_equal(text_width("日本"), 4);
        assert_int_equal(text_width("e\xcc\x81"), 1); /* e and a combining acute */
}

static void test_ellipsize(void **state) {
        static const struct {
                int line;
                const char *in;
                size_t columns;
                const char *out;
        } table[] = {
                { __LINE__, "abcdef", 6, "abcdef" },
                { __LINE__, "abcdef", 5, "abcd…" },
                { __LINE__, "abcdef", 1, "…" },
                { __LINE__, "abcdef", 0, "" },
                { __LINE__, "日本語", 6, "日本語" },
                { __LINE__, "日本語", 5, "日本…" },
                { __LINE__, "日本語", 4, "日…" }, /* half a character is none */
                { __LINE__,
                  "e\xcc\x81"
                  "e\xcc\x81"
                  "e\xcc\x81",
                  2, "e\xcc\x81…" },
        };

        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
                _cleanup_free_ char *out = text_ellipsize(table[i].in, table[i].columns, "…");

                if (!streq(out, table[i].out))
                        fail_msg("line %d: got '%s'", table[i].line, out);
        }
}

static const TableColumn columns[] = {
        { .title = "JOB", .shrink = SHRINK_LATE },
        { .title = "STATE" },
        { .title = "RUNS", .right = true },
        { .title = "DESCRIPTION", .shrink = SHRINK_FIRST },
};

static void fill(Table *t) {
        table_add(t, (TableCell[]){ { "backup" }, { "running", COLOR_GREEN }, { "12" }, { "Sichert /srv für alle" } });
        table_add(t, (TableCell[]){ { "日本" }, { "waiting" }, { "3" }, { NULL } });
        table_add(t, (TableCell[]){ { "x" }, { "invalid", COLOR_RED }, { "0" }, { "bell \a" } });
}

/* The printed table; the caller frees it. */
static char *print(const TableStyle *style) {
        _cleanup_(table_freep) Table *t = table_new(columns, ELEMENTSOF(columns));
        char *text = NULL;
        size_t n;
        FILE *f = open_memstream(&text, &n);

        assert_non_null(f);
        fill(t);
        assert_int_equal(table_size(t), 3);
        table_print(t, f, style);
        assert_int_equal(fclose(f), 0);
        return text;
}

static void test_table(void **state) {
        _cleanup_free_ char *text = print(&(TableStyle){ .ellipsis = "…", .titles = true });

        assert_string_equal(text, "JOB    STATE   RUNS DESCRIPTION\n"
                                  "backup running   12 Sichert /srv für alle\n"
                                  "日本   waiting    3\n"
                                  "x      invalid    0 bell \\x07\n");
}

static void test_table_narrow(void **state) {
        _cleanup_free_ char *text = print(&(TableStyle){ .width = 30, .ellipsis = "…", .titles = true });

        assert_string_equal(text, "JOB    STATE   RUNS DESCRIPTI…\n"
                                  "backup running   12 Sichert /…\n"
                                  "日本   waiting    3\n"
                                  "x      invalid    0 bell \\x07\n");
}

/* The description gives way before the name. */
static void test_table_narrower(void **state) {
        _cleanup_free_ char *text = print(&(TableStyle){ .width = 22, .ellipsis = "…", .titles = true });

        assert_string_equal(text, "JOB  STATE   RUNS DES…\n"
                                  "bac… running   12 Sic…\n"
                                  "日本 waiting    3\n"
                                  "x    invalid    0 bel…\n");
}

/* Every line fits as long as each column keeps its least width; below that the table stays as it is at that point. */
static void test_table_every_width(void **state) {
        for (size_t width = 1; width < 60; width++) {
                _cleanup_free_ char *text = print(&(TableStyle){ .width = width, .ellipsis = "…", .titles = true });
                char *line = text;

                for (char *end; (end = strchr(line, '\n')); line = end + 1) {
                        *end = '\0';
                        if (text_width(line) > MAX(width, (size_t)19))
                                fail_msg("%zu columns: '%s'", width, line);
                }
        }
}

static void test_table_color(void **state) {
        _cleanup_free_ char *text = print(&(TableStyle){ .ellipsis = "...", .color = true });

        assert_string_equal(text, "backup \x1b[0;1;32mrunning\x1b[0m 12 Sichert /srv für alle\n"
                                  "日本   waiting  3\n"
                                  "x      \x1b[0;1;31minvalid\x1b[0m  0 bell \\x07\n");
}

static void test_table_empty(void **state) {
        _cleanup_(table_freep) Table *t = table_new(columns, ELEMENTSOF(columns));
        _cleanup_free_ char *text = NULL;
        size_t n;
        FILE *f = open_memstream(&text, &n);

        assert_non_null(f);
        table_print(t, f, &(TableStyle){ .width = 80, .ellipsis = "…", .titles = true });
        assert_int_equal(fclose(f), 0);
        assert_string_equal(text, "JOB STATE RUNS DESCRIPTION\n");
}

/* A column that is optional is not there at all while nothing stands in it. */
static void test_table_optional(void **state) {
        static const TableColumn optional[] = {
                { .title = "RUN", .right = true },
                { .title = "FILES", .shrink = SHRINK_FIRST, .optional = true },
                { .title = "REASON", .shrink = SHRINK_FIRST },
        };
        static const struct {
                const char *files;
                size_t width;
                const char *text;
        } table[] = {
                { NULL, 0, "RUN REASON\n  7 none of it\n" },
                { "", 14, "RUN REASON\n  7 none of it\n" },
                { "/srv/in/a", 0, "RUN FILES     REASON\n  7 /srv/in/a none of it\n" },
                { "/srv/in/a", 19, "RUN FILES   REASON\n  7 /srv/i… none o…\n" },
        };

        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
                _cleanup_(table_freep) Table *t = table_new(optional, ELEMENTSOF(optional));
                _cleanup_free_ char *text = NULL;
                size_t n;
                FILE *f = open_memstream(&text, &n);

                assert_non_null(f);
                table_add(t, (TableCell[]){ { "7" }, { table[i].files }, { "none of it" } });
                table_print(t, f, &(TableStyle){ .width = table[i].width, .ellipsis = "…", .titles = true });
                assert_int_equal(fclose(f), 0);
                assert_string_equal(text, table[i].text);
        }
}

static void test_file_names(void **state) {
        static const struct {
                int line;
                const char *directory, *name, *path;
        } table[] = {
                { __LINE__, "/srv/in", "a", "/srv/in/a" },
                { __LINE__, "/srv/in", "/a", "/a" },
                { __LINE__, "/srv/in", "", "/srv/in" },
                { __LINE__, "/srv/in", ".", "/srv/in" },
                { __LINE__, "/srv/in", "./a//b/./c/", "/srv/in/a/b/c" },
                { __LINE__, "/srv/in", "../out/x", "/srv/out/x" },
                { __LINE__, "/srv/in", "../../../x", "/x" },
                { __LINE__, "/srv/in", "../..", "/" },
                { __LINE__, "/srv/in", "...", "/srv/in/..." },
                { __LINE__, "/srv/in", ".a", "/srv/in/.a" },
                { __LINE__, "/srv/in", "..a/b..", "/srv/in/..a/b.." },
                { __LINE__, "/", "a\n\xff", "/a\n\xff" },
                { __LINE__, "/", "//", "/" },
                { __LINE__, "/srv/./x/../in/", "-a", "/srv/in/-a" },
        };

        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
                _cleanup_free_ char *path = file_name_absolute(table[i].directory, table[i].name);

                if (!streq(path, table[i].path))
                        fail_msg("line %d: got '%s'", table[i].line, path);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_escape),
                cmocka_unit_test(test_escape_bytes),
                cmocka_unit_test(test_width),
                cmocka_unit_test(test_ellipsize),
                cmocka_unit_test(test_table),
                cmocka_unit_test(test_table_narrow),
                cmocka_unit_test(test_table_narrower),
                cmocka_unit_test(test_table_color),
                cmocka_unit_test(test_table_every_width),
                cmocka_unit_test(test_table_empty),
                cmocka_unit_test(test_table_optional),
                cmocka_unit_test(test_file_names),
        };

        setenv("LC_ALL", "C", 1); /* text must not depend on it */
        assert_false(text_init_locale());
        return cmocka_run_group_tests(tests, NULL, NULL);
}
