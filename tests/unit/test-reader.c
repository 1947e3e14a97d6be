/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The syntax of files: what comes out of a text, with which lines, and that nothing of it is lost on the way through
 * inih. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#include "config/reader.h"

/* Writes what the reader delivers as "LINE[SECTION]" and "LINE:SECTION.KEY=<VALUE>", problems as "LINE!WORD…". */
typedef struct Record {
        char text[4096];
        size_t n;
} Record;

static void record(Record *rec, const char *format, ...) _printf_(2, 3);

static void record(Record *rec, const char *format, ...) {
        va_list ap;

        va_start(ap, format);
        rec->n += (size_t)vsnprintf(rec->text + rec->n, sizeof(rec->text) - rec->n, format, ap);
        va_end(ap);
        assert_true(rec->n < sizeof(rec->text));
}

static int on_section(void *userdata, unsigned line, const char *section) {
        record(userdata, "%u[%s] ", line, section);
        return 0;
}

static int on_assign(void *userdata, unsigned line, const char *section, const char *key, const char *value) {
        record(userdata, "%u:%s.%s=<%s> ", line, section, key, value);
        return 0;
}

static void read_all(const char *text, size_t n, Record *rec) {
        ReaderSink sink = { .section = on_section, .assign = on_assign, .userdata = rec };
        Diagnostics d = {};
        FileProblems problems = { .list = &d, .file = "f" };

        assert_int_equal(reader_parse(text, n, &sink, &problems), 0);
        for (size_t i = 0; i < d.n_items; i++)
                record(rec, "%u!%.20s ", d.items[i].line, d.items[i].message);
        diagnostics_done(&d);
}

static const struct {
        int line;
        const char *text, *expected;
} rows[] = {
        { __LINE__, "", "" },
        { __LINE__, "\n\n  \n\t\n", "" },
        { __LINE__, "[A]\nB=c\n", "1[A] 2:A.B=<c> " },
        { __LINE__, "[A]\nB=c", "1[A] 2:A.B=<c> " },
        { __LINE__, "\xef\xbb\xbf[A]\nB=c", "1[A] 2:A.B=<c> " },
        { __LINE__, "[A]\r\n\r\nB=c\r\n", "1[A] 3:A.B=<c> " },
        { __LINE__, "B=c", "1:.B=<c> " },
        { __LINE__, "[A]\n[B]\n[A]\nX=1\n", "1[A] 2[B] 3[A] 4:A.X=<1> " },
        { __LINE__, "  [A]  \n", "1[A] " },
        { __LINE__, "[Pool my-1.2@x y]\nA=1", "1[Pool my-1.2@x y] 2:Pool my-1.2@x y.A=<1> " },

        /* blanks around, and what inih takes for something else */
        { __LINE__, "[A]\n  B \t =  c  d\t \n", "1[A] 2:A.B=<c  d> " },
        { __LINE__, "[A]\nB=x\n   C=y\n", "1[A] 2:A.B=<x> 3:A.C=<y> " },
        { __LINE__, "[A]\nB=\nC=  \n", "1[A] 2:A.B=<> 3:A.C=<> " },
        { __LINE__, "[A]\nB=a ; b # c ;d\n", "1[A] 2:A.B=<a ; b # c ;d> " },
        { __LINE__, "[A]\nB=; x\nC=# y\nD=;\n", "1[A] 2:A.B=<; x> 3:A.C=<# y> 4:A.D=<;> " },
        { __LINE__, "[A]\nB=a:b=c:d\n", "1[A] 2:A.B=<a:b=c:d> " },
        { __LINE__, "[A]\nB==\n", "1[A] 2:A.B=<=> " },
        { __LINE__, "[A]\nB=[C]\n", "1[A] 2:A.B=<[C]> " },
        { __LINE__, "[A]\nB=\"a\"  'b'\n", "1[A] 2:A.B=<\"a\"  'b'> " },
        { __LINE__, "[A]\nB=\xc3\xb8\xe2\x82\xac\n", "1[A] 2:A.B=<\xc3\xb8\xe2\x82\xac> " },
        { __LINE__, "[A]\nB=1\nB=2\n", "1[A] 2:A.B=<1> 3:A.B=<2> " },

        /* comments are whole lines, and may hold anything but NUL */
        { __LINE__, "# x\n; y\n  # z\n[A]\n#B=1\n;C=2\n", "4[A] " },
        { __LINE__, "# \xff \x1b\n[A]\n", "2[A] " },
        { __LINE__, "# x \\\n[A]\n", "2[A] " },

        /* continuations, as systemd.syntax(7) */
        { __LINE__, "[A]\nB=a\\\nb\nC=d\n", "1[A] 2:A.B=<a b> 4:A.C=<d> " },
        { __LINE__, "[A]\nB=a \\\n   b \\\n\tc\n", "1[A] 2:A.B=<a  b  c> " },
        { __LINE__, "[A]\nB=a\\\n# no\n; no\\\nb\n", "1[A] 2:A.B=<a b> " },
        { __LINE__, "[A]\nB=a\\\n\nC=d\n", "1[A] 2:A.B=<a> 4:A.C=<d> " },
        { __LINE__, "[A]\nB=a\\\\\nC=d\n", "1[A] 2:A.B=<a\\\\> 3:A.C=<d> " },
        { __LINE__, "[A]\nB=a\\\\\\\nC=d\n", "1[A] 2:A.B=<a\\\\ C=d> " },
        { __LINE__, "[A]\nB=a\\ \nC=d\n", "1[A] 2:A.B=<a\\> 3:A.C=<d> " },
        { __LINE__, "[A]\nB=a\\", "1[A] 2:A.B=<a> " },
        { __LINE__, "[A]\r\nB=a\\\r\nb\r\n", "1[A] 2:A.B=<a b> " },
        { __LINE__, "[A]\nB\\\n=c\n", "1[A] 2:A.B=<c> " },
        { __LINE__, "[A]\nB=\\\nc\n", "1[A] 2:A.B=<c> " },
        { __LINE__, "\\\n[A]\nB=1\n", "1[A] 3:A.B=<1> " },

        /* problems; the other lines are delivered */
        { __LINE__, "[A]\nfoo\nB=c\n", "1[A] 3:A.B=<c> 2!The line has no \"=\". " },
        { __LINE__, "[A]\nfoo bar=1\nB=c\n", "1[A] 3:A.B=<c> 2!The text before the  " },
        { __LINE__, "[A]\n=1\n", "1[A] 2!The text before the  " },
        { __LINE__, "[A]\nB:c=1\n", "1[A] 2!The text before the  " },
        { __LINE__, "[A]\nB=c\\\nd\x01\\\ne\nF=g\n", "1[A] 5:A.F=<g> 3!The line contains th " },
        { __LINE__, "[A]\nB=\xc3\nC=d\n", "1[A] 3:A.C=<d> 2!The line is not vali " },
        { __LINE__, "[A]\nB=a\rb\n", "1[A] 2!The line contains th " },

        /* the keys under a bad header belong nowhere */
        { __LINE__, "[A]\nB=1\n[C\nD=2\n[E]\nF=3\n", "1[A] 2:A.B=<1> 5[E] 6:E.F=<3> 3!This is not a sectio " },
        { __LINE__, "[A] x\n", "1!This is not a sectio " },
        { __LINE__, "[A]]\n", "1!This is not a sectio " },
        { __LINE__, "[\n", "1!This is not a sectio " },
        { __LINE__, "[]\n", "1!This is not a sectio " },
        { __LINE__, "[A ;b]\n", "1!This is not a sectio " },
};

static void test_rows(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                Record rec = {};

                read_all(rows[i].text, strlen(rows[i].text), &rec);
                if (!streq(rec.text, rows[i].expected))
                        fail_msg("row of line %d: %s", rows[i].line, rec.text);
        }
}

static void test_nul(void **state) {
        static const char value[] = "[A]\nB=c\0d\nE=f\n", comment[] = "# \0\n[A]\nB=c\n", alone[] = "\0";
        Record rec = {};

        read_all(value, sizeof(value) - 1, &rec);
        assert_string_equal(rec.text, "1[A] 3:A.E=<f> 2!The line contains a  ");
        rec.n = 0;
        read_all(comment, sizeof(comment) - 1, &rec);
        assert_string_equal(rec.text, "2[A] 3:A.B=<c> 1!The line contains a  ");
        rec.n = 0;
        read_all(alone, 1, &rec);
        assert_string_equal(rec.text, "1!The line contains a  ");
}

/* --- nothing is lost in values of any length --- */

typedef struct Expectation {
        const char *value;
        unsigned seen, line;
} Expectation;

static int no_section(void *userdata, unsigned line, const char *section) {
        return 0;
}

static int compare_value(void *userdata, unsigned line, const char *section, const char *key, const char *value) {
        Expectation *e = userdata;

        assert_string_equal(section, "Section");
        assert_string_equal(key, "Key");
        assert_string_equal(value, e->value);
        e->seen++;
        e->line = line;
        return 0;
}

/* Bytes that are hard on the way: blanks and semicolons in a row, at every offset to the border of a piece. */
static void fill(char *p, size_t n, unsigned seed) {
        static const char *const pieces[] = { " ;", "; ", ";;", " #", "  ", "=:", "a", "\xe2\x82\xac", "\\x", "[s]" };

        while (n > 0) {
                const char *piece = pieces[seed % ELEMENTSOF(pieces)];
                size_t k = strlen(piece);

                if (k > n || n == k) {
                        piece = "z";
                        k = 1;
                }
                memcpy(p, piece, k);
                p += k;
                n -= k;
                seed = seed * 1103515245 + 12345;
                seed ^= seed >> 16;
        }
}

static void test_lossless(void **state) {
        for (size_t n = 1; n < 2000; n++) {
                char text[2100], *value = text + strlen("[Section]\nKey=");
                Expectation e = { .value = value };
                ReaderSink sink = { .section = no_section, .assign = compare_value, .userdata = &e };
                FileProblems problems = {};

                strcpy(text, "[Section]\nKey=");
                value[0] = ';';
                fill(value + 1, n - 1, (unsigned)n);
                value[n] = '\0';
                assert_int_equal(reader_parse(text, strlen(text), &sink, &problems), 0);
                assert_int_equal(problems.n, 0);
                assert_int_equal(e.seen, 1);
                assert_int_equal(e.line, 2);
        }
}

/* A line of exactly READER_LINE_MAX bytes is read, one more is refused; also when it is made of many. */
static void test_longest_line(void **state) {
        static const char head[] = "[Section]\nKey=";
        size_t n = READER_LINE_MAX - strlen("Key=");
        char *text = malloc(READER_LINE_MAX + 100), *value = text + strlen(head);
        Expectation e = {};
        ReaderSink sink = { .section = no_section, .assign = compare_value, .userdata = &e };

        assert_non_null(text);
        for (size_t more = 0; more < 2; more++) {
                FileProblems problems = {};

                memcpy(text, head, sizeof(head));
                memset(value, 'x', n + more);
                value[n + more] = '\0';
                e = (Expectation){ .value = value };
                assert_int_equal(reader_parse(text, strlen(text), &sink, &problems), 0);
                assert_int_equal(e.seen, 1 - more);
                assert_int_equal(problems.n, more);
        }
        free(text);
}

static void test_long_names(void **state) {
        static const struct {
                int line;
                size_t n_section, n_key;
                bool good;
        } lengths[] = {
                { __LINE__, READER_SECTION_MAX, READER_KEY_MAX, true },
                { __LINE__, READER_SECTION_MAX + 1, 1, false },
                { __LINE__, 1, READER_KEY_MAX + 1, false },
                { __LINE__, 1000, 1000, false },
        };

        for (size_t i = 0; i < ELEMENTSOF(lengths); i++) {
                char section[1001] = "", key[1001] = "", text[3000], expected[4000];
                Record rec = {};

                memset(section, 's', lengths[i].n_section);
                memset(key, 'k', lengths[i].n_key);
                (void)snprintf(text, sizeof(text), "[%s]\n%s=%0300d\n", section, key, 7);
                (void)snprintf(expected, sizeof(expected), "1[%s] 2:%s.%s=<%0300d> ", section, section, key, 7);
                read_all(text, strlen(text), &rec);
                assert_int_equal(streq(rec.text, expected), lengths[i].good);
        }
}

static int refuse(void *userdata, unsigned line, const char *section, const char *key, const char *value) {
        (*(unsigned *)userdata)++;
        return -ENOMEM;
}

static void test_sink_ends_reading(void **state) {
        static const char text[] = "[A]\nB=1\nC=2\nD=3\n";
        unsigned calls = 0;
        ReaderSink sink = { .section = no_section, .assign = refuse, .userdata = &calls };
        FileProblems problems = {};

        assert_int_equal(reader_parse(text, strlen(text), &sink, &problems), -ENOMEM);
        assert_int_equal(calls, 1);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_rows),       cmocka_unit_test(test_nul),
                cmocka_unit_test(test_lossless),   cmocka_unit_test(test_longest_line),
                cmocka_unit_test(test_long_names), cmocka_unit_test(test_sink_ends_reading),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
