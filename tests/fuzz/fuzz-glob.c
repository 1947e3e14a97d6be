/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A pattern and, behind a NUL, a path, both of any bytes. No answer is wrong, but some laws hold: escaped, a text
 * matches itself; what matches a pattern matches it below any directory, too, when the pattern is put behind "**". */

#include <assert.h>

#include "util/path-filter.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char *join(const char *a, const char *b) {
        char *s = malloc(strlen(a) + strlen(b) + 1);

        assert(s);
        return strcat(strcpy(s, a), b);
}

static void check_below(const char *pattern, const char *path) {
        _cleanup_free_ char *deep = join("**/", pattern), *below = join("some/directory/", path);
        _cleanup_(glob_freep) Glob *g = NULL;

        if (glob_new(&g, deep) < 0)
                return;
        assert(glob_match(g, path, strlen(path)));
        assert(glob_match(g, below, strlen(below)));
}

static void check_escaped(const char *path) {
        _cleanup_free_ char *pattern = malloc(2 * strlen(path) + 1);
        _cleanup_(glob_freep) Glob *g = NULL;
        char *p = pattern;

        assert(pattern);
        for (const char *s = path; *s; s++) {
                *p++ = '\\';
                *p++ = *s;
        }
        *p = '\0';
        if (glob_new(&g, pattern) >= 0)
                assert(glob_match(g, path, strlen(path)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_free_ char *pattern = strndup((const char *)data, size), *path = NULL;
        _cleanup_(path_filter_freep) PathFilter *f = NULL;
        _cleanup_(glob_freep) Glob *g = NULL;
        size_t n;

        assert(pattern);
        n = strlen(pattern);
        path = n < size ? strndup((const char *)data + n + 1, size - n - 1) : strdup("");
        assert(path);
        check_escaped(path);
        if (glob_new(&g, pattern) < 0)
                return 0;
        if (path[0] && pattern[0] != '/' && glob_match(g, path, strlen(path)))
                check_below(pattern, path);
        if (path_filter_new(&f, (char *[]){ pattern, NULL }, NULL, NULL) >= 0)
                (void)path_filter_matches(f, path, strlen(path), /* is_directory= */ true);
        return 0;
}
