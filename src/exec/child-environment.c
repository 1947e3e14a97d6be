/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The service manager's rules for the environment, obeyed once more for children. The quoting of EnvironmentFile= is
 * the one that systemd.exec(5) describes: like a shell's, but white space inside a value stays, quotes count only
 * where a value begins, and nothing is expanded. */

#include "exec/child-environment.h"

#include <fcntl.h>
#include <glob.h>

#include "util/file.h"
#include "util/strv.h"

#define WHITESPACE " \t\r"

/* Length of the name before "="; 0 when it is none. */
static size_t assignment_name(const char *s) {
        size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789");

        return s[n] == '=' && !(s[0] >= '0' && s[0] <= '9') ? n : 0;
}

int environment_put(char ***l, const char *assignment) {
        size_t n = assignment_name(assignment);
        char *copy;

        if (n == 0)
                return -EINVAL;
        for (char **s = *l; s && *s; s++) {
                if (strncmp(*s, assignment, n + 1) != 0)
                        continue;
                copy = strdup(assignment);
                if (!copy)
                        return -ENOMEM;
                free(*s);
                *s = copy;
                return 0;
        }
        return strv_extend(l, assignment);
}

int environment_put_all(char ***l, char *const *assignments) {
        STRV_FOREACH(s, assignments) {
                int r = environment_put(l, *s);

                if (r < 0 && r != -EINVAL)
                        return r;
        }
        return 0;
}

static bool names_list_has(char *const *names, const char *assignment) {
        STRV_FOREACH(name, names) {
                const char *rest = startswith(assignment, *name);

                if (rest && (*rest == '=' || (*rest == '\0' && strchr(*name, '='))))
                        return true;
        }
        return false;
}

void environment_unset(char **l, char *const *names) {
        char **to = l;

        for (char **from = l; from && *from; from++)
                if (names_list_has(names, *from))
                        free(*from);
                else
                        *to++ = *from;
        if (to)
                *to = NULL;
}

int environment_pass(char ***l, char *const *names) {
        STRV_FOREACH(name, names) {
                _cleanup_free_ char *assignment = NULL;
                const char *value = getenv(*name);
                int r;

                if (!value)
                        continue;
                if (string_format(&assignment, "%s=%s", *name, value) < 0)
                        return -ENOMEM;
                r = environment_put(l, assignment);
                if (r < 0 && r != -EINVAL)
                        return r;
        }
        return 0;
}

int environment_keep_ours(char ***l, char *const *from) {
        STRV_FOREACH(s, from) {
                int r = 0;

                if (startswith(*s, "VAKT_") || startswith(*s, "NOTIFY_SOCKET="))
                        r = environment_put(l, *s);
                if (r < 0 && r != -EINVAL)
                        return r;
        }
        return 0;
}

/* --- EnvironmentFile= --- */

static bool is_blank(char c) {
        return c != '\0' && strchr(WHITESPACE, c);
}

/* Takes a quoted stretch from its opening quote to its closing one, which is returned; or the end of the text. */
static const char *take_quoted(const char *s, char *out, size_t *n) {
        char quote = *s++;

        for (; *s && *s != quote; s++) {
                if (quote == '"' && s[0] == '\\' && s[1] == '\n') {
                        s++;
                        continue;
                }
                if (quote == '"' && s[0] == '\\' && s[1] != '\0' && strchr("\"\\`$", s[1]))
                        s++;
                out[(*n)++] = *s;
        }
        return s;
}

/* Takes a value up to the end of its last line, which is returned. out has room for all that follows. */
static const char *take_value(const char *s, char *out) {
        size_t n = 0, keep = 0; /* keep: without blanks at the end that nothing protects */
        bool at_start = true;

        for (; *s && *s != '\n'; s++) {
                if (at_start && (*s == '\'' || *s == '"')) {
                        s = take_quoted(s, out, &n);
                        keep = n;
                        if (*s == '\0')
                                break;
                        continue;
                }
                if (at_start && is_blank(*s))
                        continue;
                at_start = false;
                if (s[0] == '\\' && s[1] != '\0') {
                        if (*++s == '\n')
                                continue;
                        out[n++] = *s;
                        keep = n;
                        continue;
                }
                out[n++] = *s;
                if (!is_blank(*s))
                        keep = n;
        }
        out[keep] = '\0';
        return s;
}

/* One line, or what it goes on to; returns where the next one begins. */
static const char *take_line(const char *s, char *assignment) {
        size_t n;

        s += strspn(s, WHITESPACE);
        n = strcspn(s, "=\n");
        if (s[n] != '=' || *s == '#' || *s == ';') {
                s += strcspn(s, "\n");
                return *s ? s + 1 : s;
        }
        memcpy(assignment, s, n);
        s += n + 1;
        while (n > 0 && is_blank(assignment[n - 1]))
                n--;
        assignment[n++] = '=';
        s = take_value(s, assignment + n);
        return *s ? s + 1 : s;
}

static int read_one(char ***l, const char *path, environment_ignored_t ignored) {
        _cleanup_free_ char *text = malloc(ENVIRONMENT_FILE_MAX), *assignment = NULL;
        ssize_t n;

        if (!text)
                return -ENOMEM;
        n = file_read(AT_FDCWD, path, text, ENVIRONMENT_FILE_MAX);
        if (n < 0)
                return (int)n;
        assignment = malloc((size_t)n + 2);
        if (!assignment)
                return -ENOMEM;
        for (const char *s = text; *s;) {
                int r;

                assignment[0] = '\0';
                s = take_line(s, assignment);
                r = assignment[0] != '\0' ? environment_put(l, assignment) : 0;
                if (r == -EINVAL)
                        ignored(path, assignment);
                else if (r < 0)
                        return r;
        }
        return 0;
}

static int read_all(char ***l, const char *pattern, environment_ignored_t ignored) {
        glob_t found = {};
        int r;

        switch (glob(pattern, /* flags= */ 0, NULL, &found)) {
        case 0:
                r = 0;
                for (size_t i = 0; i < found.gl_pathc && r >= 0; i++)
                        r = read_one(l, found.gl_pathv[i], ignored);
                break;
        case GLOB_NOMATCH:
                r = -ENOENT;
                break;
        case GLOB_NOSPACE:
                r = -ENOMEM;
                break;
        default:
                r = -EIO;
        }
        globfree(&found);
        return r;
}

int environment_read_file(char ***l, const char *path, environment_ignored_t ignored) {
        bool may_be_absent = path[0] == '-';
        int r;

        r = read_all(l, path + may_be_absent, ignored);
        return may_be_absent && r == -ENOENT ? 0 : r;
}
