/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The rules of .gitignore, which are known from other tools, but without "!": one key includes and the other one
 * excludes, so that the order of lines does not matter. */

#include "util/path-filter.h"

typedef struct Rule {
        Glob *glob;
        bool of_name;          /* on the last name only */
        bool directories_only; /* written with a slash at its end */
} Rule;

typedef struct RuleList {
        Rule *rules;
        size_t n_rules;
} RuleList;

struct PathFilter {
        RuleList include, exclude;
};

static void rule_list_done(RuleList *l) {
        for (size_t i = 0; i < l->n_rules; i++)
                glob_free(l->rules[i].glob);
        free(l->rules);
}

static int rule_parse(Rule *ret, const char *text) {
        _cleanup_free_ char *pattern = NULL;
        size_t n;

        if (text[0] == '/' && text[1])
                pattern = strdup(text + 1);
        else
                pattern = strdup(text);
        if (!pattern)
                return -ENOMEM;
        n = strlen(pattern);
        ret->directories_only = n > 1 && pattern[n - 1] == '/';
        if (ret->directories_only)
                pattern[n - 1] = '\0';
        ret->of_name = text[0] != '/' && !strchr(pattern, '/');
        return glob_new(&ret->glob, pattern);
}

static int rule_list_parse(RuleList *l, char *const *patterns, const char **ret_bad) {
        size_t n = 0;

        for (char *const *p = patterns; p && *p; p++)
                n++;
        if (n == 0)
                return 0;
        l->rules = calloc(n, sizeof(Rule));
        if (!l->rules)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++) {
                int r = rule_parse(&l->rules[i], patterns[i]);

                if (r < 0) {
                        if (ret_bad)
                                *ret_bad = patterns[i];
                        return r;
                }
                l->n_rules++;
        }
        return 0;
}

int path_filter_new(PathFilter **ret, char *const *include, char *const *exclude, const char **ret_bad) {
        _cleanup_(path_filter_freep) PathFilter *f = NULL;
        int r;

        f = calloc(1, sizeof(*f));
        if (!f)
                return -ENOMEM;
        r = rule_list_parse(&f->include, include, ret_bad);
        if (r >= 0)
                r = rule_list_parse(&f->exclude, exclude, ret_bad);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(f);
        return 0;
}

PathFilter *path_filter_free(PathFilter *f) {
        if (!f)
                return NULL;
        rule_list_done(&f->include);
        rule_list_done(&f->exclude);
        return mfree(f);
}

static bool rule_list_matches(const RuleList *l, const char *path, size_t n, bool is_directory) {
        const char *slash = memrchr(path, '/', n), *name = slash ? slash + 1 : path;

        for (size_t i = 0; i < l->n_rules; i++) {
                const Rule *rule = &l->rules[i];
                const char *subject = rule->of_name ? name : path;

                if ((is_directory || !rule->directories_only) &&
                    glob_match(rule->glob, subject, n - (size_t)(subject - path)))
                        return true;
        }
        return false;
}

bool path_filter_matches(const PathFilter *f, const char *path, size_t n, bool is_directory) {
        if (!f)
                return true;
        if (f->include.n_rules > 0 && !rule_list_matches(&f->include, path, n, is_directory))
                return false;
        return !rule_list_matches(&f->exclude, path, n, is_directory);
}

bool path_filter_descends(const PathFilter *f, const char *path, size_t n) {
        return !f || n == 0 || !rule_list_matches(&f->exclude, path, n, /* is_directory= */ true);
}

bool path_filter_has_excluded_directory(const PathFilter *f, const char *path, size_t n) {
        for (size_t i = 1; f && i < n; i++)
                if (path[i] == '/' && !path_filter_descends(f, path, i))
                        return true;
        return false;
}
