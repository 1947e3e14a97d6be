/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* logrotate.conf(5), as far as it takes to find the paths: words that begin with a slash, in quotes or not, outside of
 * braces; and include directives. In braces, lines up to "endscript" are a script, which may have braces of its own.
 */

#include "upkeep/logrotate-paths.h"

#include <fcntl.h>
#include <fnmatch.h>

#include "util/array.h"
#include "util/file.h"
#include "util/strv.h"

#define FILE_MAX    ((size_t)1024 * 1024) /* bytes */
#define FILES_MAX   4096
#define INCLUDE_MAX 4 /* files that include each other */

typedef struct Named {
        char *pattern;
        char *file;
} Named;

struct LogrotatePaths {
        Named *named;
        size_t n_named;
        unsigned n_files, depth;
};

static int read_file(LogrotatePaths *l, int dir_fd, const char *name, const char *shown);

static int add(LogrotatePaths *l, const char *pattern, const char *file) {
        Named *n = ARRAY_NEXT(l->named, l->n_named);

        if (!n)
                return -ENOMEM;
        *n = (Named){ .pattern = strdup(pattern), .file = strdup(file) };
        l->n_named++;
        return n->pattern && n->file ? 0 : -ENOMEM;
}

/* As taboo as for logrotate, which passes over what packages and editors leave. */
static bool is_read(const char *name) {
        static const char *const endings[] = { "~",         ".bak",       ".cfsaved",  ".disabled", ".dpkg-bak",
                                               ".dpkg-del", ".dpkg-dist", ".dpkg-new", ".dpkg-old", ".dpkg-tmp",
                                               ".rpmnew",   ".rpmorig",   ".rpmsave",  ".swp",      ",v" };
        size_t n = strlen(name);

        for (size_t i = 0; i < ELEMENTSOF(endings); i++)
                if (n >= strlen(endings[i]) && streq(name + n - strlen(endings[i]), endings[i]))
                        return false;
        return name[0] != '.';
}

static int include(LogrotatePaths *l, const char *path) {
        _cleanup_close_ int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        _cleanup_(closedirp) DIR *dir = fd < 0 ? NULL : fd_list(fd);
        const struct dirent *e;
        int r = 0;

        if (!dir)
                return read_file(l, AT_FDCWD, path, path);
        while (r >= 0 && (e = readdir(dir))) {
                _cleanup_free_ char *shown = NULL;

                if (!is_read(e->d_name))
                        continue;
                r = string_format(&shown, "%s/%s", path, e->d_name);
                if (r >= 0)
                        r = read_file(l, fd, e->d_name, shown);
        }
        return r;
}

/* The next word of a line, without its quotes; the rest of the line, or NULL. Words are cut in place. */
static char *next_word(char *p, char **ret) {
        char quote, *end;

        p += strspn(p, " \t\r,");
        if (*p == '\0' || *p == '#')
                return NULL;
        quote = *p == '"' || *p == '\'' ? *p++ : '\0';
        *ret = p;
        end = quote ? strchrnul(p, quote) : p + MAX(strcspn(p, " \t\r,{}"), (size_t)1);
        if (*end == '\0')
                return end;
        if (!quote && (*end == '{' || *end == '}')) {   /* a word of its own */
                memmove(end + 1, end, strlen(end) + 1); /* there is room, see read_text() */
        }
        *end = '\0';
        return end + 1;
}

static bool begins_script(const char *word) {
        static const char *const words[] = { "prerotate", "postrotate", "firstaction", "lastaction", "preremove" };

        for (size_t i = 0; i < ELEMENTSOF(words); i++)
                if (streq(word, words[i]))
                        return true;
        return false;
}

typedef struct Reading {
        LogrotatePaths *paths;
        const char *file;
        bool in_braces, in_script;
} Reading;

static int read_line(Reading *r, char *line) {
        bool is_first = true, includes = false;
        char *word;
        int e = 0;

        while (e >= 0 && (line = next_word(line, &word))) {
                if (r->in_script)
                        r->in_script = !(is_first && streq(word, "endscript"));
                else if (streq(word, "{"))
                        r->in_braces = true;
                else if (streq(word, "}"))
                        r->in_braces = false;
                else if (is_first && begins_script(word))
                        r->in_script = true;
                else if (includes)
                        e = include(r->paths, word);
                else if (is_first && streq(word, "include"))
                        includes = true;
                else if (!r->in_braces && word[0] == '/')
                        e = add(r->paths, word, r->file);
                is_first = false;
        }
        return e;
}

/* A name in braces cannot be told from its lines otherwise, so each line is given room to be cut into words. */
static int read_text(LogrotatePaths *l, const char *text, const char *file) {
        Reading r = { .paths = l, .file = file };
        int e = 0;

        for (const char *p = text; e >= 0 && *p; p += *p == '\n') {
                size_t n = strcspn(p, "\n");
                _cleanup_free_ char *line = calloc(2, n + 1);

                if (!line)
                        return -ENOMEM;
                memcpy(line, p, n);
                e = read_line(&r, line);
                p += n;
        }
        return e;
}

static int read_file(LogrotatePaths *l, int dir_fd, const char *name, const char *shown) {
        _cleanup_free_ char *text = NULL;
        int r;

        if (l->depth >= INCLUDE_MAX || l->n_files >= FILES_MAX)
                return 0;
        text = malloc(FILE_MAX);
        if (!text)
                return -ENOMEM;
        if (file_read(dir_fd, name, text, FILE_MAX) < 0)
                return 0;
        l->n_files++;
        l->depth++;
        r = read_text(l, text, shown);
        l->depth--;
        return r;
}

int logrotate_paths_read(LogrotatePaths **ret, const char *file) {
        _cleanup_(logrotate_paths_freep) LogrotatePaths *l = calloc(1, sizeof(*l));
        int r;

        if (!l)
                return -ENOMEM;
        r = read_file(l, AT_FDCWD, file, file);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(l);
        return 0;
}

LogrotatePaths *logrotate_paths_free(LogrotatePaths *l) {
        if (!l)
                return NULL;
        for (size_t i = 0; i < l->n_named; i++) {
                free(l->named[i].pattern);
                free(l->named[i].file);
        }
        free(l->named);
        return mfree(l);
}

const char *logrotate_paths_find(const LogrotatePaths *l, const char *path) {
        for (size_t i = 0; i < l->n_named; i++)
                if (fnmatch(l->named[i].pattern, path, FNM_PATHNAME) == 0)
                        return l->named[i].file;
        return NULL;
}
