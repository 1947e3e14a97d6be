/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A setting of a watch that would do nothing is refused: who writes Include= beside PathExists= believes that it
 * narrows something, and Exclude= that is not obeyed may cost files in a spool. So most of this file is rules between
 * keys, validated when the last line is known. Whether a path is there, and what it is, is no matter of the job file:
 * it may come tomorrow. */

#include "config/job-sections.h"

#include <limits.h>

#include "util/array.h"
#include "util/path-value.h"
#include "util/strv.h"
#include "util/utf8.h"

#define SHOWN_MAX 64 /* bytes of a word that a problem repeats */

#define KIND(k)  (1U << (k))
#define CHANGES  (KIND(PATH_CHANGED) | KIND(PATH_MODIFIED))
#define SPOOL    KIND(PATH_SPOOL)
#define NONEMPTY KIND(PATH_DIRECTORY_NOT_EMPTY)

void path_lines_done(PathLines *lines) {
        free(lines->sources);
}

/* --- what is watched --- */

/* Each name of a pattern is one by itself, so that none reaches over a slash. Returns 1, or 0 after a problem. */
static int validate_names(const KeyLine *k, const char *path, bool is_pattern) {
        char name[NAME_MAX + 1];

        for (size_t n; *path != '\0'; path += n) {
                _cleanup_(glob_freep) Glob *glob = NULL;
                int r = 0;

                path += *path == '/';
                n = strcspn(path, "/");
                if (n > NAME_MAX)
                        return key_problem_value(k,
                                                 "has a component of more than %d bytes. No such file can exist: "
                                                 "write another path.",
                                                 NAME_MAX);
                memcpy(name, path, n);
                name[n] = '\0';
                if (is_pattern && glob_is_pattern(name))
                        r = glob_new(&glob, name);
                if (r == -EINVAL)
                        return key_problem_value(
                                k, "is not a valid pattern: a component ends in a single backslash. Write "
                                   "\\\\ for one.");
                if (r < 0)
                        return r;
        }
        return 1;
}

int path_read(const KeyLine *k, bool is_pattern, char **ret) {
        _cleanup_free_ char *path = strdup(k->value);
        const char *problem;
        int r;

        if (!path)
                return -ENOMEM;
        problem = path_value_tidy(path);
        r = problem ? key_problem_value(k, "%s", problem) : validate_names(k, path, is_pattern);
        if (r >= 0)
                *ret = TAKE_PTR(path);
        return r;
}

static void clear_sources(Builder *b, PathKind kind) {
        PathDef *d = b->def->rare->path_trigger;
        size_t n = 0;

        for (size_t i = 0; i < d->n_sources; i++)
                if (d->sources[i].kind == kind)
                        free(d->sources[i].path);
                else {
                        b->path.sources[n] = b->path.sources[i];
                        d->sources[n++] = d->sources[i];
                }
        d->n_sources = n;
}

/* The path is taken over, unless that fails. */
static int append_source(const KeyLine *k, PathKind kind, char *path) {
        Builder *b = builder_of(k);
        PathDef *d = b->def->rare->path_trigger;
        PathSource *source = ARRAY_NEXT(d->sources, d->n_sources);
        Place *place = ARRAY_NEXT(b->path.sources, d->n_sources);

        if (!source || !place)
                return -ENOMEM;
        place_set(place, k);
        *source = (PathSource){ .kind = kind, .path = path };
        d->n_sources++;
        return 0;
}

/* A bad path is one all the same: that nothing is watched would be a confusing problem. */
static int parse_source(const KeyLine *k, _unused_ void *field) {
        int kind = path_kind_from_string(k->row->key);
        Builder *b = builder_of(k);
        _cleanup_free_ char *path = NULL;
        int r;

        assert(kind >= 0);
        if (*k->value == '\0') {
                clear_sources(b, (PathKind)kind);
                return 0;
        }
        if (b->def->rare->path_trigger->n_sources >= PATH_SOURCES_MAX)
                return key_problem(
                        k,
                        "The job watches more than %d paths. Remove some, or watch a directory that they are "
                        "in.",
                        PATH_SOURCES_MAX);
        r = path_read(k, kind == PATH_EXISTS_GLOB, &path);
        if (r >= 0)
                r = append_source(k, (PathKind)kind, path);
        if (r >= 0)
                (void)TAKE_PTR(path);
        return r;
}

/* --- settings --- */

/* A pattern with an empty name, "." or ".." in it is no problem of its grammar, but nothing is ever called so. */
static bool can_match(const char *pattern) {
        const char *name = pattern + (*pattern == '/');

        if (*name == '\0')
                return false;
        for (size_t n; *name; name += n + (name[n] == '/')) {
                n = strcspn(name, "/");
                if (n == 0 || (n <= 2 && strspn(name, ".") >= n))
                        return false;
        }
        return true;
}

static int validate_pattern(const KeyLine *k) {
        char *const pattern[] = { (char *)k->value, NULL };
        _cleanup_(path_filter_freep) PathFilter *unused = NULL;
        int r;

        r = path_filter_new(&unused, pattern, NULL, NULL);
        if (r == -EINVAL)
                return key_problem_value(k,
                                         "is not a valid pattern: it ends in a single backslash. Write \\\\ for one.");
        if (r == -E2BIG)
                return key_problem_value(k, "is longer than %d bytes. Shorten it.", GLOB_MAX);
        if (r < 0)
                return r;
        if (!can_match(k->value))
                return key_problem_value(k, "matches nothing. Write a path relative to the watched path, without "
                                            "\".\", \"..\" and empty names.");
        return 1;
}

int path_parse_pattern(const KeyLine *k, void *field) {
        char ***list = field;
        int r;

        if (*k->value == '\0') {
                *list = strv_free(*list);
                return 0;
        }
        if (strv_length(*list) >= PATH_PATTERNS_MAX)
                return key_problem(k, "There are more than %d patterns in %s=. Remove some.", PATH_PATTERNS_MAX,
                                   k->row->key);
        r = validate_pattern(k);
        return r > 0 ? strv_extend(list, k->value) : r;
}

static int add_event(const KeyLine *k, const char *word, void *field) {
        int event = watch_event_from_string(word);

        if (event < 0)
                return key_problem(
                        k,
                        "%s=: \"%.*s\" is not an event. Write create, write, close, move, delete or attrib, "
                        "separated by blanks.",
                        k->row->key, (int)utf8_cut(word, SHOWN_MAX), word);
        *(unsigned *)field |= (unsigned)event;
        return 0;
}

static int parse_events(const KeyLine *k, void *field) {
        if (*k->value == '\0')
                *(unsigned *)field = 0;
        return key_each_word(k, add_event, field);
}

static int parse_batch(const KeyLine *k, void *field) {
        bool *each = field;
        int word = *each;
        int r;

        r = key_parse_word(k, &word);
        *each = word != 0;
        return r;
}

static int parse_directory(const KeyLine *k, void *field) {
        char **directory = field, *path = NULL;
        int r = 0;

        if (*k->value != '\0')
                r = path_read(k, /* is_pattern= */ false, &path);
        if (r < 0)
                return r;
        free(*directory);
        *directory = path;
        return 0;
}

static int parse_mode(const KeyLine *k, void *field) {
        mode_t mode;
        int r = key_read_mode(k, &mode);

        if (r > 0)
                *(mode_t *)field = mode;
        return MIN(r, 0);
}

static int parse_poll(const KeyLine *k, void *field) {
        usec_t span;
        int r = key_read_span(k, &span);

        if (r <= 0)
                return r;
        if (span > 0)
                return key_parse_span(k, field);
        *(usec_t *)field = 0;
        return 0;
}

static int batch_from_string(const char *s) {
        return streq(s, "each") ? 1 : streq(s, "all") ? 0 : -EINVAL;
}

static const KeyWords batch_words = { batch_from_string, "all or each" };
static const KeyWords backend_words = { watch_backend_from_string, "auto, inotify, fanotify or poll" };
static const KeySpan finite_span = { 0, .endless = false }, endless_span = { 0, .endless = true };
static const KeySpan poll_span = { 100 * USEC_PER_MSEC, .endless = false };
static const KeyRange burst_range = { 0, PATH_LIMIT_BURST_MAX };

#define FIELD(name) offsetof(PathDef, name), 0
#define VALUE(name) KEY_VALUE(PathDef, name)

const KeyRow path_rows[] = {
        { "Path", "PathExists", parse_source },
        { "Path", "PathExistsGlob", parse_source },
        { "Path", "PathChanged", parse_source },
        { "Path", "PathModified", parse_source },
        { "Path", "DirectoryNotEmpty", parse_source },
        { "Path", "Spool", parse_source },
        { "Path", "Include", path_parse_pattern, FIELD(include), .repeatable = true },
        { "Path", "Exclude", path_parse_pattern, FIELD(exclude), .repeatable = true },
        { "Path", "Events", parse_events, FIELD(events), .repeatable = true },
        { "Path", "Recursive", key_parse_bool, VALUE(recursive) },
        { "Path", "CrossMounts", key_parse_bool, VALUE(cross_mounts) },
        { "Path", "SettleSec", key_parse_span, VALUE(settle), &finite_span },
        { "Path", "SettleMaxSec", key_parse_span, VALUE(settle_max), &endless_span },
        { "Path", "Batch", parse_batch, VALUE(each), &batch_words },
        { "Path", "SpoolDone", parse_directory, FIELD(spool_done) },
        { "Path", "SpoolFailed", parse_directory, FIELD(spool_failed) },
        { "Path", "TriggerLimitIntervalSec", key_parse_span, VALUE(limit_interval), &finite_span },
        { "Path", "TriggerLimitBurst", key_parse_unsigned, VALUE(limit_burst), &burst_range },
        { "Path", "MakeDirectory", key_parse_bool, VALUE(make_directory) },
        { "Path", "DirectoryMode", parse_mode, VALUE(directory_mode) },
        { "Path", "Backend", key_parse_word, VALUE(backend), &backend_words },
        { "Path", "PollSec", parse_poll, VALUE(poll), &poll_span },
};
const size_t n_path_rows = ELEMENTSOF(path_rows);

/* --- the end --- */

/* The line that came later has brought the two together. */
static KeyLine later_line(const Place *a, const Place *b) {
        return place_line(a->order > b->order ? a : b, NULL);
}

static const Place *first_source(const Builder *b, unsigned kinds) {
        const PathDef *d = b->def->rare->path_trigger;

        for (size_t i = 0; i < d->n_sources; i++)
                if (KIND(d->sources[i].kind) & kinds)
                        return &b->path.sources[i];
        return NULL;
}

/* What is switched off need not have anything to belong to. */
static bool is_off(const PathDef *d, const char *key) {
        return (streq(key, "Recursive") && !d->recursive) || (streq(key, "CrossMounts") && !d->cross_mounts) ||
               (streq(key, "MakeDirectory") && !d->make_directory);
}

/* Which settings are meant for what, and why one is not meant for a spool. */
static const struct {
        const char *key;
        unsigned kinds;
        const char *keys;
        const char *no_spool;
} belongings[] = {
        { "Include", CHANGES | SPOOL, "PathChanged=, PathModified= or Spool=" },
        { "Exclude", CHANGES | SPOOL, "PathChanged=, PathModified= or Spool=" },
        { "Events", CHANGES, "PathChanged= or PathModified=", "a file is claimed when it is complete" },
        { "Recursive", CHANGES, "PathChanged= or PathModified=", "it is a single directory" },
        { "CrossMounts", CHANGES, "PathChanged= or PathModified=", "it is a single directory" },
        { "SpoolDone", SPOOL, "Spool=" },
        { "SpoolFailed", SPOOL, "Spool=" },
        { "MakeDirectory", CHANGES | NONEMPTY | SPOOL, "PathChanged=, PathModified=, DirectoryNotEmpty= or Spool=" },
};

static int validate_belongings(const Builder *b) {
        bool spool = first_source(b, SPOOL);
        int r = 0;

        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(belongings); i++) {
                const Place *place = builder_place(b, "Path", belongings[i].key);
                KeyLine k = place_line(place, NULL);

                if (place->order == 0 || is_off(b->def->rare->path_trigger, belongings[i].key) ||
                    first_source(b, belongings[i].kinds))
                        continue;
                if (spool && belongings[i].no_spool)
                        r = key_problem(&k, "%s= cannot be used with a spool: %s. Remove the line.", k.row->key,
                                        belongings[i].no_spool);
                else
                        r = key_problem(&k,
                                        "%s= requires %s, which the job does not have. Add it, or remove the "
                                        "line.",
                                        k.row->key, belongings[i].keys);
        }
        return r;
}

static int validate_duplicates(const Builder *b) {
        const PathDef *d = b->def->rare->path_trigger;
        int r = 0;

        for (size_t i = 1; r >= 0 && i < d->n_sources; i++)
                for (size_t j = 0; b->path.sources[i].validated && j < i; j++) {
                        KeyLine k = place_line(&b->path.sources[i], d->sources[i].path);

                        if (d->sources[i].kind != d->sources[j].kind || !b->path.sources[j].validated ||
                            !streq(d->sources[i].path, d->sources[j].path))
                                continue;
                        r = key_problem_value(&k, "is given twice. Remove one of the lines.");
                        break;
                }
        return r;
}

static int validate_settle(const Builder *b) {
        const Place *settle = builder_place(b, "Path", "SettleSec"), *max = builder_place(b, "Path", "SettleMaxSec");
        KeyLine k = later_line(settle, max);

        if (!settle->validated || !max->validated ||
            b->def->rare->path_trigger->settle_max >= b->def->rare->path_trigger->settle)
                return 0;
        return key_problem(&k, "SettleMaxSec= is shorter than SettleSec=: a file would never settle. Make it "
                               "longer.");
}

static bool is_in(const char *path, const char *directory) {
        const char *rest = startswith(path, directory);

        return rest && (*rest == '\0' || *rest == '/' || streq(directory, "/"));
}

/* A file that is done with must not come back as a new one. */
static int validate_spool_directory(const Builder *b, const char *key, const char *directory) {
        const PathDef *d = b->def->rare->path_trigger;
        const Place *place = builder_place(b, "Path", key);

        for (size_t i = 0; directory && place->validated && i < d->n_sources; i++)
                if (d->sources[i].kind == PATH_SPOOL && b->path.sources[i].validated &&
                    is_in(directory, d->sources[i].path)) {
                        KeyLine k = later_line(place, &b->path.sources[i]);

                        return key_problem(&k,
                                           "%s= is the directory of Spool=, or inside it. Write another directory on "
                                           "the same file system.",
                                           key);
                }
        return 0;
}

/* A unit is started as it is: it cannot be told which item it is for, and that would be deleted all the same. */
static int validate_spool(const Builder *b, const Place *spool) {
        const Place *batch = builder_place(b, "Path", "Batch"), *unit = builder_place(b, "Run", "Unit");
        const Place *upkeep = builder_section_place(b, b->def->rare->rotate ? "Rotate" : "Clean");
        const PathDef *d = b->def->rare->path_trigger;
        KeyLine k;
        int r = 0;

        if (batch->validated && !d->each) {
                k = later_line(batch, spool);
                r = key_problem(&k, "The job has both Spool= and Batch=all. Each file in a spool has its own run: "
                                    "remove Batch=.");
        }
        if (r >= 0 && unit->order > 0) {
                k = later_line(unit, spool);
                r = key_problem(&k,
                                "The job has both Spool= and Unit=, but a unit cannot be told which file it is for. "
                                "Write Exec= or Shell=.");
        }
        if (r >= 0 && upkeep) {
                k = later_line(upkeep, spool);
                r = key_problem(&k,
                                "The job has both Spool= and [%s], which does not use what is in the spool. Write "
                                "Exec= or Shell=.",
                                upkeep->row->section);
        }
        if (r >= 0)
                r = validate_spool_directory(b, "SpoolDone", d->spool_done);
        return r < 0 ? r : validate_spool_directory(b, "SpoolFailed", d->spool_failed);
}

static int validate(const Builder *b) {
        const Place *spool = first_source(b, SPOOL), *other = first_source(b, ~SPOOL);
        int r;

        if (spool && other) {
                KeyLine k = later_line(spool, other);

                return key_problem(&k, "The job has both Spool= and %s=. Write a separate job for the spool.",
                                   other->row->key);
        }
        r = validate_belongings(b);
        if (r >= 0)
                r = validate_duplicates(b);
        if (r >= 0)
                r = validate_settle(b);
        return r >= 0 && spool ? validate_spool(b, spool) : r;
}

static int complete(PathDef *d) {
        int r = 0;

        if (d->include || d->exclude)
                r = path_filter_new(&d->filter, d->include, d->exclude, NULL);
        assert(r >= 0 || r == -ENOMEM); /* each pattern was tried where it stands */
        d->each = d->each || d->sources[0].kind == PATH_SPOOL;
        path_def_set_default_limit(d);
        return r;
}

/* A section of which nothing is left is none. One that has settings only was meant to watch something. */
static int finish_without_source(Builder *b) {
        const Place *first = builder_section_place(b, "Path");
        KeyLine k;

        b->def->rare->path_trigger = path_def_free(b->def->rare->path_trigger);
        if (!first || builder_n_problems(b) > 0)
                return 0;
        k = place_line(first, NULL);
        return key_problem(&k,
                           "%s= is in a section that watches nothing. Add PathChanged=, Spool= or a similar key, or "
                           "remove the line.",
                           k.row->key);
}

int path_finish(Builder *b) {
        int r;

        if (b->def->rare->path_trigger->n_sources == 0)
                return finish_without_source(b);
        r = validate(b);
        return r < 0 || builder_n_problems(b) > 0 ? r : complete(b->def->rare->path_trigger);
}
