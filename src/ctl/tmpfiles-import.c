/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A directory that is cleaned spares whatever has a line of its own further down, of any type: these become
 * Exclude=. Directories with the same age, options and exclusions share a job. Lines that only count at boot are taken
 * for their exclusions, because it is safer to spare too much. */

#include "ctl/tmpfiles-import.h"

#include <dirent.h>
#include <fnmatch.h>
#include <sys/stat.h>

#include "ctl/alloc.h"
#include "job/upkeep-def.h"
#include "time/span.h"
#include "util/ascii.h"
#include "util/strv.h"
#include "util/words.h"

#define LINES_MAX   4096 /* each is compared with each */
#define CLEAN_TYPES "dDevqQC"
#define GLOB_TYPES  "xXrRezZmtThHaAw"

struct TmpfilesLine {
        char *file;
        unsigned line;
        char type;
        bool at_boot;  /* not for a cleaning at other times */
        bool is_wider; /* a specifier became "*" */
        bool is_used;  /* as an exclusion */
        char *path;    /* a pattern */
        char *age;     /* NULL: none */
        char *section; /* of its job, but for the path; NULL: it is in none, or no more */
        size_t first_note, end_note;
};

typedef struct FoundFile {
        char *path;
        const char *name; /* in path */
        bool is_listed;   /* in a directory */
} FoundFile;

typedef struct FoundFiles {
        FoundFile *items;
        size_t n;
} FoundFiles;

/* --- lines --- */

static const struct {
        char letter;
        const char *text;
} specifiers[] = {
        { '%', "%" },        { 't', "/run" }, { 'S', "/var/lib" }, { 'C', "/var/cache" },
        { 'L', "/var/log" }, { 'T', "/tmp" }, { 'V', "/var/tmp" }, { 'h', "/root" },
        { 'u', "root" },     { 'g', "root" }, { 'U', "0" },        { 'G', "0" },
};

/* The path as a pattern. What differs from boot to boot, or from machine to machine, becomes "*". */
static char *expand(const char *path, bool is_glob, bool *ret_wider) {
        char *text = NULL;
        size_t n;
        FILE *f = alloc_stream_open(&text, &n);

        for (const char *p = path; *p; p++) {
                const char *value = NULL;

                if (*p != '%' || p[1] == '\0') {
                        if (!is_glob && strchr("*?[\\", *p))
                                fputc('\\', f);
                        fputc(*p, f);
                        continue;
                }
                p++;
                for (size_t i = 0; i < ELEMENTSOF(specifiers); i++)
                        if (specifiers[i].letter == *p)
                                value = specifiers[i].text;
                fputs(value ?: "*", f);
                *ret_wider |= !value;
        }
        alloc_stream_close(f);
        while (n > 1 && text[n - 1] == '/')
                text[--n] = '\0';
        return text;
}

static void add_line(Tmpfiles *t, const char *file, unsigned line, const char *text) {
        _cleanup_free_ char *type = alloc_array(NULL, strlen(text) + 1, 1),
                            *path = alloc_array(NULL, strlen(text) + 1, 1);
        _cleanup_free_ char *word = alloc_array(NULL, strlen(text) + 1, 1), *problem = NULL;
        TmpfilesLine l = { .line = line };
        int r = word_next(&text, type, &problem);

        if (r > 0)
                r = word_next(&text, path, &problem);
        for (int i = 0; r > 0 && i < 4; i++) /* mode, user, group, age */
                r = word_next(&text, word, &problem);
        if (r == -ENOMEM)
                alloc_failed();
        if (r < 0 || (*path != '/' && *path != '%') || strchr(path, '\n') || t->n_lines >= LINES_MAX) {
                import_note(&t->out, file, line, "%s",
                            r < 0                     ? problem
                            : t->n_lines >= LINES_MAX ? "There are too many lines before this one."
                                                      : "This is no line of tmpfiles.d(5).");
                return;
        }
        l.file = alloc_string(file);
        l.type = *type;
        l.at_boot = strchr(type, '!');
        l.path = expand(path, strchr(GLOB_TYPES, *type), &l.is_wider);
        l.age = r > 0 && !streq(word, "-") && *word ? alloc_string(word) : NULL;
        t->lines = alloc_array(t->lines, t->n_lines + 1, sizeof(*t->lines));
        t->lines[t->n_lines++] = l;
}

static int read_file(Tmpfiles *t, const char *path) {
        _cleanup_free_ char *text = NULL;
        unsigned line = 1;
        int r = import_read(path, &text);

        if (r < 0)
                return r;
        for (char *p = text, *end; p; p = end, line++) {
                end = strchr(p, '\n');
                if (end)
                        *end++ = '\0';
                p += strspn(p, WORD_BLANKS);
                if (*p && *p != '#')
                        add_line(t, path, line, p);
        }
        return 0;
}

/* --- files --- */

static void add_file(FoundFiles *files, char *path, bool is_listed) {
        const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;

        for (size_t i = 0; i < files->n && is_listed; i++)
                if (files->items[i].is_listed && streq(files->items[i].name, name)) {
                        free(path);
                        return;
                }
        files->items = alloc_array(files->items, files->n + 1, sizeof(*files->items));
        files->items[files->n++] = (FoundFile){ path, name, is_listed };
}

static int find_files(FoundFiles *files, const char *path) {
        struct dirent *entry;
        struct stat st;
        DIR *dir;

        if (stat(path, &st) < 0)
                return -errno;
        if (!S_ISDIR(st.st_mode)) {
                add_file(files, alloc_string(path), /* is_listed= */ false);
                return 0;
        }
        dir = opendir(path);
        if (!dir)
                return -errno;
        while ((entry = readdir(dir)))
                if (*entry->d_name != '.' && fnmatch("*.conf", entry->d_name, 0) == 0)
                        add_file(files, alloc_format("%s/%s", path, entry->d_name), /* is_listed= */ true);
        (void)closedir(dir);
        return 0;
}

static int compare_files(const void *a, const void *b) {
        const FoundFile *x = a, *y = b;
        int r = strcmp(x->name, y->name);

        return r != 0 ? r : strcmp(x->path, y->path);
}

int tmpfiles_read(Tmpfiles *t, char *const *paths, const char **ret_path) {
        static const char *const usual[] = { "/etc/tmpfiles.d", "/run/tmpfiles.d", "/usr/local/lib/tmpfiles.d",
                                             "/usr/lib/tmpfiles.d" };
        FoundFiles files = { 0 };
        int r = 0;

        for (size_t i = 0; !*paths && i < ELEMENTSOF(usual); i++)
                (void)find_files(&files, usual[i]);
        for (; r >= 0 && *paths; paths++) {
                *ret_path = *paths;
                r = find_files(&files, *paths);
        }
        if (files.n > 0)
                qsort(files.items, files.n, sizeof(*files.items), compare_files);
        for (size_t i = 0; i < files.n; i++) {
                int e = r < 0 ? 0 : read_file(t, files.items[i].path);

                if (e < 0)
                        import_note(&t->out, files.items[i].path, 0, "Cannot be read: %s.", import_reason(e));
                free(files.items[i].path);
        }
        free(files.items);
        return r;
}

/* --- jobs --- */

/* NULL, to which nothing is added, when there are none. */
static TmpfilesLine *lines_end(const Tmpfiles *t) {
        return t->n_lines > 0 ? t->lines + t->n_lines : t->lines;
}

/* What of an item's path is below the directories of a rule; NULL: it is none of them. */
static const char *below(const char *rule, const char *item) {
        _cleanup_free_ char *begin = NULL;
        const char *p = item;

        for (const char *q = rule; *q; q++)
                if (*q == '/') {
                        p = strchr(p + 1, '/');
                        if (!p)
                                return NULL;
                }
        begin = alloc_format("%.*s", (int)(p - item), item);
        return streq(rule, begin) || fnmatch(rule, begin, FNM_PATHNAME) == 0 || fnmatch(begin, rule, FNM_PATHNAME) == 0
                       ? p
                       : NULL;
}

/* What of an age holds for a line of type X below: that of the nearest directory above, without "~" and letters. */
static const char *age_above(const Tmpfiles *t, const TmpfilesLine *l) {
        const TmpfilesLine *nearest = NULL;
        const char *colon;

        for (const TmpfilesLine *k = t->lines; k < lines_end(t); k++)
                if (k->age && strchr(CLEAN_TYPES, k->type) && !k->at_boot && below(k->path, l->path) &&
                    (!nearest || strlen(k->path) > strlen(nearest->path)))
                        nearest = k;
        if (!nearest)
                return NULL;
        colon = strchr(nearest->age, ':');
        return colon ? colon + 1 : nearest->age + (*nearest->age == '~' ? 1 : 0);
}

static const struct {
        char letter;
        const char *word;
} age_by_words[] = { { 'a', "access" }, { 'b', "birth" }, { 'c', "change" }, { 'm', "modify" } };

/* "amBCM:" in front of an age; the capital letters are of directories, which vakt-clean takes for as old as these say.
 */
static bool put_age_by(Tmpfiles *t, const TmpfilesLine *l, FILE *f, const char *letters, size_t n) {
        bool has_capitals = false, differs = false, has_files = false;

        fputs("AgeBy=", f);
        for (size_t i = 0; i < ELEMENTSOF(age_by_words); i++) {
                char capital = (char)(age_by_words[i].letter - 'a' + 'A');
                bool is_capital = memchr(letters, capital, n);

                has_capitals |= is_capital;
                differs |= is_capital != (strchr("BCM", capital) != NULL);
                if (n > 0 && !memchr(letters, age_by_words[i].letter, n))
                        continue;
                fprintf(f, "%s%s", has_files ? " " : "", age_by_words[i].word);
                has_files = true;
        }
        fputc('\n', f);
        if (has_files && has_capitals && differs)
                import_note(&t->out, l->file, l->line,
                            "An empty directory is as old as its birth, change and modification say, whatever the "
                            "capital letters of %.*s.",
                            (int)n, letters);
        return has_files;
}

/* Writes what a job says beside its paths. False, with a note, if it cannot be said. */
static bool put_section(Tmpfiles *t, const TmpfilesLine *l, FILE *f, const char *age) {
        _cleanup_(strv_freep) char **excluded = NULL;
        const char *letters = age + (*age == '~' ? 1 : 0), *colon = strchr(age, ':');
        const char *span = colon ? colon + 1 : letters;
        size_t n = colon ? (size_t)(colon - letters) : 0;
        usec_t usec;

        if (span_parse(span, &usec) < 0 || strspn(letters, "abcmABCM") < n || !put_age_by(t, l, f, letters, n)) {
                import_note(&t->out, l->file, l->line, "%s is no age of files.", age);
                return false;
        }
        fprintf(f, "MaxAge=%s%s\nEmptyDirectories=yes\n", span,
                usec > 0 && is_digit(span[strlen(span) - 1]) ? "s" : ""); /* which a job file wants to be said */
        for (TmpfilesLine *k = t->lines; k < lines_end(t); k++) {
                bool is_known = false;

                if (!below(l->path, k->path))
                        continue;
                k->is_used = true;
                if (*age == '~') {
                        import_note(&t->out, l->file, l->line,
                                    "%s cannot be spared with the age %s. Write a job for the other directories.",
                                    k->path, age);
                        return false;
                }
                STRV_FOREACH(e, excluded)
                        is_known |= streq(*e, k->path);
                if (is_known)
                        continue;
                alloc_extend(&excluded, k->path);
                import_put(f, "Exclude", k->path);
        }
        return true;
}

static const TmpfilesLine *find_same(const Tmpfiles *t, const TmpfilesLine *l) {
        for (const TmpfilesLine *k = t->lines; k < l; k++)
                if (k->section && streq(k->path, l->path))
                        return k;
        return NULL;
}

/* What there is to be said about a line with an age, or of type X. */
static char *make_section(Tmpfiles *t, const TmpfilesLine *l, const char *age) {
        const TmpfilesLine *same = find_same(t, l);
        char *section = NULL;
        bool good = false;
        size_t n;
        FILE *f;

        if (!strchr(CLEAN_TYPES "X", l->type))
                import_note(&t->out, l->file, l->line, "The age of a line of type %c has no effect.", l->type);
        else if (l->at_boot)
                import_note(&t->out, l->file, l->line,
                            "The age counts at boot only. Write a job with OnBootSec= if %s is to be cleaned.",
                            l->path);
        else if (l->is_wider && l->type != 'X')
                import_note(&t->out, l->file, l->line,
                            "A specifier of the path is not known here. Write a job with what it stands for.");
        else if (same)
                import_note(&t->out, l->file, l->line, "%s is already in %s:%u. Only that counts.", l->path,
                            same->file, same->line);
        else {
                f = alloc_stream_open(&section, &n);
                good = put_section(t, l, f, age);
                alloc_stream_close(f);
        }
        return good ? section : mfree(section);
}

static void put_path(FILE *f, const TmpfilesLine *l) {
        _cleanup_free_ char *path = alloc_format("%s%s", l->path, l->age && *l->age == '~' ? "/*/*" : "");

        import_put(f, "Path", path);
}

/* One job of all lines from first on that say the same. */
static void add_job(Tmpfiles *t, TmpfilesLine *first) {
        const char *base = strrchr(first->file, '/') ? strrchr(first->file, '/') + 1 : first->file;
        _cleanup_free_ char *stem = alloc_format("%.*s", (int)strcspn(base, "."), base), *paths = NULL;
        _cleanup_free_ char *description = alloc_format("Old files of %s", first->file),
                            *section = TAKE_PTR(first->section);
        char *text = NULL;
        size_t n, n_paths, n_lines = 0;
        FILE *f = alloc_stream_open(&text, &n), *list = alloc_stream_open(&paths, &n_paths);

        for (TmpfilesLine *l = first; l < t->lines + t->n_lines && n_lines < UPKEEP_PATHS_MAX; l++) {
                if (l != first && (!l->section || !streq(l->section, section)))
                        continue;
                n_lines++;
                fprintf(f, "# From %s, line %u.\n", l->file, l->line);
                import_put_notes(f, &t->out, l->first_note, l->end_note);
                put_path(list, l);
                l->section = mfree(l->section);
        }
        alloc_stream_close(list);
        fputs("# Take the ages out of there if systemd-tmpfiles(8) is not to clean these, too.\n\n[Job]\n", f);
        import_put(f, "Description", description);
        fprintf(f, "\n[Timer]\nOnBootSec=15min\nOnInterval=1d\n\n[Clean]\n%s%s", paths, section);
        alloc_stream_close(f);
        (void)import_add_job(&t->out, first->file, first->line, import_name(&t->out, "clean-", stem, ""), text);
}

void tmpfiles_import(Tmpfiles *t) {
        for (TmpfilesLine *l = t->lines; l < lines_end(t); l++) {
                const char *age = l->type == 'X' && !l->at_boot ? age_above(t, l) : l->age;

                l->first_note = t->out.n_notes;
                if (age)
                        l->section = make_section(t, l, age);
                if (l->section && *age == '~')
                        import_note(&t->out, l->file, l->line,
                                    "%s: What is directly in the directory stays, and so do directories in these.",
                                    age);
                l->end_note = t->out.n_notes;
                t->n_others += !age && !strchr("xX", l->type);
        }
        for (TmpfilesLine *l = t->lines; l < lines_end(t); l++)
                if (strchr("xX", l->type) && !l->is_used)
                        import_note(&t->out, l->file, l->line,
                                    "%s is in no directory that is cleaned by what was read.", l->path);
        for (TmpfilesLine *l = t->lines; l < lines_end(t); l++)
                if (l->section)
                        add_job(t, l);
}

void tmpfiles_done(Tmpfiles *t) {
        import_done(&t->out);
        for (TmpfilesLine *l = t->lines; l < lines_end(t); l++) {
                free(l->file);
                free(l->path);
                free(l->age);
                free(l->section);
        }
        free(t->lines);
        *t = (Tmpfiles){ 0 };
}
