/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A pattern is split at its first wildcard. What is before that is a path as people write it, through links of root's
 * and over mounts; what is below is found by listing, one component a directory, and there whatever turned up may be
 * made by others: so each directory is opened from the one above, and checked. The depth of the walk is bounded, and
 * so is the recursion. */

#include "upkeep/patterns.h"

#include <fcntl.h>

#include "util/file.h"
#include "util/strv.h"

typedef struct Component {
        char *name;
        Glob *glob; /* NULL: it is the name */
} Component;

struct Pattern {
        char *base;            /* the path before the first wildcard, and before the last component */
        Component *components; /* below that; the last one is that of files */
        size_t n_components;
};

typedef struct Walker {
        const Pattern *pattern;
        const PatternVisitor *visitor;
        unsigned long n_entries;
        unsigned long n_user_entries, n_user_directories; /* below one directory of another user */
} Walker;

/* --- places --- */

Workplace *workplace_ref(Workplace *p) {
        p->n_refs++;
        return p;
}

Workplace *workplace_unref(Workplace *p) {
        if (!p || --p->n_refs > 0)
                return NULL;
        guarded_close(&p->directory);
        identity_done(&p->owner);
        free(p->path);
        return mfree(p);
}

/* Takes over the directory and the path, also on failure. */
static int workplace_new(Workplace **ret, GuardedDirectory *directory, char *path) {
        _cleanup_(workplace_unrefp) Workplace *p = calloc(1, sizeof(*p));
        char number[sizeof("4294967295")];
        int r;

        if (!p) {
                guarded_close(directory);
                free(path);
                return -ENOMEM;
        }
        *p = (Workplace){
                .n_refs = 1,
                .directory = *directory,
                .path = path,
                .acts_as_owner = !directory->is_trusted,
        };
        if (p->acts_as_owner) {
                (void)snprintf(number, sizeof(number), "%u", (unsigned)directory->uid);
                r = identity_of_user(number, &p->owner);
                if (r < 0)
                        return r;
                p->owner.gid = directory->gid; /* the new files' too; only who is in a group can give it a directory */
        }
        *ret = TAKE_PTR(p);
        return 0;
}

int workplace_open(Workplace **ret, const char *path, char **reterr) {
        GuardedDirectory directory;
        char *copy;
        int r = guarded_open(path, &directory, reterr);

        if (r < 0)
                return r;
        copy = strdup(streq(path, "/") ? "" : path);
        if (!copy) {
                guarded_close(&directory);
                return -ENOMEM;
        }
        return workplace_new(ret, &directory, copy);
}

int workplace_open_entry(Workplace **ret, const Workplace *parent, const char *name, char **reterr) {
        _cleanup_(identity_restore) IdentityScope scope = {};
        _cleanup_free_ char *path = NULL;
        GuardedDirectory directory;
        int r;

        r = string_format(&path, "%s/%s", parent->path, name);
        if (r >= 0)
                r = workplace_enter(parent, &scope);
        if (r >= 0)
                r = guarded_open_entry(&parent->directory, parent->path, name, &directory, reterr);
        identity_restore(&scope);
        return r < 0 ? r : workplace_new(ret, &directory, TAKE_PTR(path));
}

int workplace_enter(const Workplace *p, IdentityScope *scope) {
        return p->acts_as_owner ? identity_enter(scope, &p->owner) : 0;
}

/* --- patterns --- */

static int add_component(Pattern *p, const char *name, size_t n) {
        Component *c = &p->components[p->n_components++];

        c->name = strndup(name, n);
        if (!c->name)
                return -ENOMEM;
        return glob_is_pattern(c->name) ? glob_new(&c->glob, c->name) : 0;
}

static bool has_dots(const char *text) {
        for (const char *s = text; *s; s += strcspn(s, "/")) {
                size_t n;

                s += strspn(s, "/");
                n = strcspn(s, "/");
                if (n > 0 && n <= 2 && strspn(s, ".") == n)
                        return true;
        }
        return false;
}

/* At a slash: where the part begins that is to be looked for. */
static const char *base_end(const char *text) {
        const char *last = strrchr(text, '/'), *wild = text + strcspn(text, "*?[\\");

        while (wild > text && *wild && *wild != '/')
                wild--;
        return *wild && wild < last ? wild : last;
}

int pattern_new(Pattern **ret, const char *text) {
        _cleanup_(pattern_freep) Pattern *p = NULL;
        const char *end;
        size_t n = 0;
        int r = 0;

        if (text[0] != '/' || text[strlen(text) - 1] == '/' || has_dots(text))
                return -EINVAL;
        p = calloc(1, sizeof(*p));
        if (!p)
                return -ENOMEM;
        end = base_end(text);
        for (const char *s = end; *s; s++)
                n += *s == '/';
        if (n > PATTERN_DEPTH_MAX)
                return -E2BIG;
        p->base = end == text ? strdup("/") : strndup(text, (size_t)(end - text));
        p->components = calloc(n, sizeof(Component));
        if (!p->base || !p->components)
                return -ENOMEM;
        for (const char *s = end; r >= 0 && *s; s += strcspn(s, "/")) {
                s += strspn(s, "/");
                r = add_component(p, s, strcspn(s, "/"));
        }
        if (r < 0)
                return r;
        *ret = TAKE_PTR(p);
        return 0;
}

Pattern *pattern_free(Pattern *p) {
        if (!p)
                return NULL;
        for (size_t i = 0; i < p->n_components; i++) {
                free(p->components[i].name);
                glob_free(p->components[i].glob);
        }
        free(p->components);
        free(p->base);
        return mfree(p);
}

static bool component_matches(const Component *c, const char *name) {
        return c->glob ? glob_match(c->glob, name, strlen(name)) : streq(c->name, name);
}

bool pattern_matches(const Pattern *p, const char *name) {
        return component_matches(&p->components[p->n_components - 1], name);
}

const char *pattern_literal(const Pattern *p) {
        const Component *c = &p->components[p->n_components - 1];

        return c->glob ? NULL : c->name;
}

/* --- the walk --- */

static int walk(Walker *w, Workplace *place, size_t at);

static void refuse(const Walker *w, const Workplace *parent, const char *name, int error, const char *reason) {
        _cleanup_free_ char *path = NULL;

        if (string_format(&path, "%s/%s", parent->path, name) >= 0)
                w->visitor->refused(w->visitor->userdata, path, error, reason ?: strerror(-error));
}

static bool is_excluded(const Walker *w, const Workplace *parent, const char *name) {
        _cleanup_free_ char *path = NULL;

        return w->visitor->filter && string_format(&path, "%s/%s", parent->path, name) >= 0 &&
               !path_filter_descends(w->visitor->filter, path + 1, strlen(path + 1));
}

/* What is no directory, or none any more, is nothing to speak of; and a wildcard does not mean the links it matches.
 */
static int walk_entry(Walker *w, Workplace *parent, const Component *c, const char *name, size_t next) {
        _cleanup_(workplace_unrefp) Workplace *place = NULL;
        _cleanup_free_ char *reason = NULL;
        int r;

        if (is_excluded(w, parent, name))
                return 0;
        r = workplace_open_entry(&place, parent, name, &reason);
        if (r >= 0 && place->acts_as_owner && !parent->acts_as_owner)
                w->n_user_entries = w->n_user_directories = 0;
        if (r >= 0)
                return walk(w, place, next);
        if (r == -ENOMEM)
                return r;
        if (r != -ENOENT && r != -ENOTDIR && (r != -ELOOP || !c->glob))
                refuse(w, parent, name, r, reason);
        return 0;
}

int workplace_sync(const Workplace *p, int fd) {
        _cleanup_close_ int dir_fd = openat(p->directory.fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        if (dir_fd < 0)
                return errno != EACCES || syncfs(fd) < 0 ? -errno : 0;
        return fsync(dir_fd) < 0 && errno != EINVAL ? -errno : 0;
}

DIR *workplace_list(const Workplace *p) {
        _cleanup_(identity_restore) IdentityScope scope = {};
        int r = workplace_enter(p, &scope);

        if (r < 0) {
                errno = -r;
                return NULL;
        }
        return fd_list(p->directory.fd);
}

/* Who fills his directory must not keep us from those of others. */
static bool has_seen_enough(Walker *w, const Workplace *place) {
        if (!place->acts_as_owner)
                return ++w->n_entries > PATTERN_ENTRIES_MAX;
        return ++w->n_user_entries > PATTERN_ENTRIES_OF_USER_MAX ||
               w->n_user_directories >= PATTERN_DIRECTORIES_OF_USER_MAX;
}

/* Into each directory that the component matches. */
static int walk_entries(Walker *w, Workplace *place, const Component *c, size_t next) {
        _cleanup_(closedirp) DIR *dir = workplace_list(place);
        const struct dirent *e;
        int r = 0;

        if (!dir) {
                w->visitor->refused(w->visitor->userdata, place->path, -errno, strerror(errno));
                return 0;
        }
        while (r >= 0 && (e = readdir(dir))) {
                if (streq(e->d_name, ".") || streq(e->d_name, ".."))
                        continue;
                if (has_seen_enough(w, place)) {
                        w->visitor->refused(w->visitor->userdata, place->path, -E2BIG,
                                            "It has too many entries: the rest is left");
                        return 0;
                }
                if ((e->d_type != DT_DIR && e->d_type != DT_UNKNOWN) || !component_matches(c, e->d_name))
                        continue;
                w->n_user_directories++;
                r = walk_entry(w, place, c, e->d_name, next);
        }
        return r;
}

/* at: the component that names of this directory are to match. */
static int walk(Walker *w, Workplace *place, size_t at) {
        const Component *c = &w->pattern->components[at];

        if (at + 1 == w->pattern->n_components)
                return w->visitor->visit(w->visitor->userdata, place, w->pattern);
        return c->glob ? walk_entries(w, place, c, at + 1) : walk_entry(w, place, c, c->name, at + 1);
}

int pattern_walk(const Pattern *p, const PatternVisitor *v) {
        Walker w = { .pattern = p, .visitor = v };
        _cleanup_(workplace_unrefp) Workplace *place = NULL;
        _cleanup_free_ char *reason = NULL;
        int r;

        r = workplace_open(&place, p->base, &reason);
        if (r == -ENOMEM)
                return r;
        if (r < 0) {
                v->refused(v->userdata, p->base, r, reason ?: strerror(-r));
                return 0;
        }
        return walk(&w, place, 0);
}
