/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Apart from exec/environment.c, which asks the name service: this is for small programs, too. */

#include "exec/command-line.h"

#include "util/strv.h"

#define WHITESPACE " \t\n\r"

/* The value for ${NAME} at s, and how many bytes that took; 0 bytes when it is no such thing. As the service manager
 * has it, a name is whatever stands there, but for a colon. */
static const char *braced_value(const char *s, char *const *environment, size_t *ret_consumed) {
        const char *name = startswith(s, "${");
        size_t n = name ? strcspn(name, ":}") : 0;

        *ret_consumed = 0;
        if (!name || name[n] != '}')
                return NULL;
        *ret_consumed = n + strlen("${}");
        return n > 0 ? strempty(strv_env_get(environment, name, n)) : "";
}

static char *expand_in_place(const char *word, char *const *environment) {
        _cleanup_free_ char *out = NULL;
        size_t size = 0;
        FILE *f;

        if (!strchr(word, '$'))
                return strdup(word);
        f = open_memstream(&out, &size);
        if (!f)
                return NULL;
        while (*word) {
                size_t consumed;
                const char *value = braced_value(word, environment, &consumed);

                if (consumed > 0) {
                        (void)fputs(value, f);
                        word += consumed;
                        continue;
                }
                (void)fputc(*word, f);
                word += startswith(word, "$$") ? 2 : 1;
        }
        if (fclose(f) != 0)
                return NULL;
        return TAKE_PTR(out);
}

/* Takes a word of a value into out, which has room for all of it: quotes of either kind may open anywhere in it, the
 * last one need not be closed, and a backslash stands for the character behind it. */
static const char *take_split(const char *s, char *out) {
        char quote = '\0';

        for (; *s && (quote || !strchr(WHITESPACE, *s)); s++) {
                if (*s == '\\') {
                        if (s[1] == '\0')
                                continue;
                        *out++ = *++s;
                } else if (quote ? *s == quote : *s == '\'' || *s == '"')
                        quote = quote ? '\0' : *s;
                else
                        *out++ = *s;
        }
        *out = '\0';
        return s;
}

static int add_split(char ***l, const char *value) {
        _cleanup_free_ char *word = malloc(strlen(value) + 1);

        if (!word)
                return -ENOMEM;
        for (;;) {
                int r;

                value += strspn(value, WHITESPACE);
                if (*value == '\0')
                        return 0;
                value = take_split(value, word);
                r = strv_extend(l, word);
                if (r < 0)
                        return r;
        }
}

int arguments_expand(char ***ret, char *const *argv, char *const *environment) {
        _cleanup_(strv_freep) char **l = NULL;
        int r = 0;

        STRV_FOREACH(word, argv) {
                const char *name = *word + 1;

                if ((*word)[0] == '$' && *name != '{' && *name != '$')
                        r = *name ? add_split(&l, strempty(strv_env_get(environment, name, strlen(name)))) : 0;
                else
                        r = strv_consume(&l, expand_in_place(*word, environment));
                if (r < 0)
                        return r;
        }
        if (!l) /* nothing is left, and no program wants to be called without its name */
                r = strv_extend(&l, "");
        if (r < 0)
                return r;
        if (strv_length(l) > ARGUMENTS_MAX)
                return -E2BIG;
        *ret = TAKE_PTR(l);
        return 0;
}

int program_find(char **ret, const char *name, char *const *environment) {
        const char *path = strempty(strv_env_get(environment, "PATH", strlen("PATH")));

        if (strchr(name, '/')) {
                *ret = strdup(name);
                return *ret ? 0 : -ENOMEM;
        }
        while (*path) {
                size_t n = strcspn(path, ":");
                _cleanup_free_ char *candidate = NULL;

                if (string_format(&candidate, "%.*s/%s", (int)n, path, name) < 0)
                        return -ENOMEM;
                if (n > 0 && access(candidate, X_OK) == 0) {
                        *ret = TAKE_PTR(candidate);
                        return 0;
                }
                path += n;
                path += *path == ':';
        }
        return -ENOENT;
}
