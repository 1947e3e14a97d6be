/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Globs and the filter made of them. What has no "**" is held against fnmatch(3) with random patterns. */

#include <fnmatch.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "util/path-filter.h"

static bool match(const char *pattern, const char *path) {
        _cleanup_(glob_freep) Glob *g = NULL;

        if (glob_new(&g, pattern) < 0)
                fail_msg("%s is refused", pattern);
        return glob_match(g, path, strlen(path));
}

static void test_table(void **state) {
        static const struct {
                unsigned line;
                const char *pattern, *path;
                bool matches;
        } table[] = {
                { __LINE__, "*.csv", "a.csv", true },      { __LINE__, "*.csv", ".csv", true },
                { __LINE__, "*.csv", "a/b.csv", false },   { __LINE__, "*", "", true },
                { __LINE__, "**", "a/b/c", true },         { __LINE__, "**", "a", true },
                { __LINE__, "**/a", "a", true },           { __LINE__, "**/a", "b/c/a", true },
                { __LINE__, "**/a", "ba", false },         { __LINE__, "**/a", "b/ca", false },
                { __LINE__, "a/**", "a", false },          { __LINE__, "a/**", "a/b", true },
                { __LINE__, "a/**", "a/b/c", true },       { __LINE__, "a/**/b", "a/b", true },
                { __LINE__, "a/**/b", "a/x/y/b", true },   { __LINE__, "a/**/b", "a/xb", false },
                { __LINE__, "**/x*/**", "a/xy/b", true },  { __LINE__, "a**b", "axxb", true },
                { __LINE__, "a**b", "ax/xb", false },      { __LINE__, "?", "/", false },
                { __LINE__, "?", "\xff", true },           { __LINE__, "[a-c]", "b", true },
                { __LINE__, "[!a-c]", "b", false },        { __LINE__, "[!a-c]", "/", false },
                { __LINE__, "[]x]", "]", true },           { __LINE__, "[x", "[x", true },
                { __LINE__, "[[:digit:]]*", "7x", true },  { __LINE__, "[[:digit:]]*", "x7", false },
                { __LINE__, "[\x80-\xff]", "\xc3", true }, { __LINE__, "\\*", "*", true },
                { __LINE__, "\\*", "x", false },           { __LINE__, "[\\]]", "]", true },
                { __LINE__, "a\nb", "a\nb", true },
        };

        for (size_t i = 0; i < ELEMENTSOF(table); i++)
                if (match(table[i].pattern, table[i].path) != table[i].matches)
                        fail_msg("line %u: %s on %s", table[i].line, table[i].pattern, table[i].path);
}

static void test_refused(void **state) {
        char longest[GLOB_MAX + 2];
        Glob *g = NULL;

        assert_int_equal(glob_new(&g, ""), -EINVAL);
        assert_int_equal(glob_new(&g, "a\\"), -EINVAL);
        memset(longest, '*', sizeof(longest));
        longest[GLOB_MAX + 1] = '\0';
        assert_int_equal(glob_new(&g, longest), -E2BIG);
        assert_null(g);
}

/* What takes a matcher that goes back 2^60 steps. */
static void test_no_explosion(void **state) {
        char pattern[GLOB_MAX + 1], path[4097];

        for (unsigned i = 0; i < GLOB_MAX; i++)
                pattern[i] = i % 2 ? '*' : 'a';
        pattern[GLOB_MAX - 1] = 'b';
        pattern[GLOB_MAX] = '\0';
        memset(path, 'a', sizeof(path) - 1);
        path[sizeof(path) - 1] = '\0';
        for (unsigned i = 0; i < 5; i++)
                assert_false(match(pattern, path));
        for (unsigned i = 0; i + 3 < GLOB_MAX; i += 3)
                memcpy(pattern + i, "**/", 3);
        assert_false(match(pattern, path));
}

/* fnmatch(3) takes a set that is never closed, and ranges that go backwards, its own way: those are left out. */
static void test_like_fnmatch(void **state) {
        static const char *const pieces[] = { "a", "b", "/", ".", "*", "?", "[ab]", "[!a]", "[a-c]", "\\a", "\\*" };
        static const char letters[] = "ab/.*c";
        unsigned seed = 3;

        for (unsigned i = 0; i < 200000; i++) {
                char pattern[64] = "", path[16];
                unsigned n = 1 + (unsigned)rand_r(&seed) % 7, m = (unsigned)rand_r(&seed) % 8;

                for (unsigned k = 0; k < n; k++) {
                        const char *piece = pieces[(unsigned)rand_r(&seed) % ELEMENTSOF(pieces)];

                        if (!streq(piece, "*") || pattern[0] == '\0' || pattern[strlen(pattern) - 1] != '*')
                                strcat(pattern, piece);
                }
                for (unsigned k = 0; k < m; k++)
                        path[k] = letters[(unsigned)rand_r(&seed) % (sizeof(letters) - 1)];
                path[m] = '\0';
                if (match(pattern, path) != (fnmatch(pattern, path, FNM_PATHNAME) == 0))
                        fail_msg("%s on %s", pattern, path);
        }
}

static void test_filter(void **state) {
        char *include[] = { (char *)"*.csv", (char *)"in/**", (char *)"/top", NULL },
             *exclude[] = { (char *)".git/", (char *)"*~", NULL };
        _cleanup_(path_filter_freep) PathFilter *f = NULL;
        static const struct {
                unsigned line;
                const char *path;
                bool is_directory, matches;
        } table[] = {
                { __LINE__, "a.csv", false, true },    { __LINE__, "x/y/a.csv", false, true },
                { __LINE__, "x/a.txt", false, false }, { __LINE__, "in/x/y", false, true },
                { __LINE__, "x/in/y", false, false },  { __LINE__, "top", false, true },
                { __LINE__, "x/top", false, false },   { __LINE__, "in/a~", false, false },
                { __LINE__, "in/.git", true, false },  { __LINE__, "in/.git", false, true },
        };

        assert_int_equal(path_filter_new(&f, include, exclude, NULL), 0);
        for (size_t i = 0; i < ELEMENTSOF(table); i++)
                if (path_filter_matches(f, table[i].path, strlen(table[i].path), table[i].is_directory) !=
                    table[i].matches)
                        fail_msg("line %u: %s", table[i].line, table[i].path);
        assert_false(path_filter_descends(f, "a/.git", 6));
        assert_true(path_filter_descends(f, "a", 1));
        assert_true(path_filter_has_excluded_directory(f, "a/.git/b", 8));
        assert_false(path_filter_has_excluded_directory(f, "a/.git", 6));
}

static void test_bad_filter(void **state) {
        char *exclude[] = { (char *)"fine", (char *)"bad\\", NULL };
        const char *bad = NULL;
        PathFilter *f = NULL;

        assert_int_equal(path_filter_new(&f, NULL, exclude, &bad), -EINVAL);
        assert_ptr_equal(bad, exclude[1]);
        assert_null(f);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_table),        cmocka_unit_test(test_refused),
                cmocka_unit_test(test_no_explosion), cmocka_unit_test(test_like_fnmatch),
                cmocka_unit_test(test_filter),       cmocka_unit_test(test_bad_filter),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
