/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A block gets a copy of the settings that hold for all so far, so what follows it does not change it. A mistake in a
 * block drops the block, and one outside drops the rest of the file, with what it set for all: logrotate does so, and
 * a job that does more than logrotate did would surprise. */

#include "ctl/logrotate-read.h"

#include <dirent.h>
#include <fnmatch.h>
#include <sys/stat.h>

#include "ctl/alloc.h"
#include "util/ascii.h"
#include "util/strv.h"

#define PATHS_MAX           16384 /* patterns of logs, in all files */
#define FILES_MAX           4096
#define PATHS_PER_BLOCK_MAX 1024
#define DEPTH_MAX           16 /* files that include each other */
#define BLANKS              " \t\r"

typedef struct Reader {
        Logrotate *l;
        const char *file, *p, *end;
        unsigned line;
        LogrotateBlock *block; /* NULL: outside of one */
        bool is_bad;           /* the block or the rest of the file is dropped */
} Reader;

typedef struct Directive {
        const char *word;
        LogrotateSlot slot;
        void (*take)(Reader *r, const struct Directive *d); /* NULL: it has no value */
        bool clears;                                        /* the default again */
        LogrotateSlot also;                                 /* another one that it clears; 0: none */
} Directive;

static const char *own(Logrotate *l, char *s) {
        l->strings = alloc_array(l->strings, l->n_strings + 1, sizeof(*l->strings));
        l->strings[l->n_strings++] = s;
        return s;
}

static const char *own_range(Logrotate *l, const char *begin, const char *end) {
        return own(l, alloc_format("%.*s", (int)(end - begin), begin));
}

static void _printf_(3, 4) fail(Reader *r, unsigned line, const char *format, ...) {
        va_list ap;

        va_start(ap, format);
        import_note_list(&r->l->out, r->file, line, format, ap);
        va_end(ap);
        r->is_bad = true;
}

static const char *line_end(const Reader *r) {
        return memchr(r->p, '\n', (size_t)(r->end - r->p)) ?: r->end;
}

/* Goes to the next word, over comments. False at the end of the text. */
static bool find_word(Reader *r) {
        for (; r->p < r->end; r->p++)
                if (*r->p == '\n')
                        r->line++;
                else if (*r->p == '#')
                        r->p = line_end(r) - 1;
                else if (!strchr(BLANKS, *r->p))
                        return true;
        return false;
}

/* The rest of the line, behind an optional "=". */
static const char *take_value(Reader *r) {
        const char *begin = r->p, *end = line_end(r);

        r->p = end;
        begin += strspn(begin, BLANKS);
        begin += *begin == '=' ? 1 : 0;
        while (begin < end && strchr(BLANKS, *begin))
                begin++;
        while (end > begin && strchr(BLANKS, end[-1]))
                end--;
        return own_range(r->l, MIN(begin, end), end);
}

/* --- values --- */

static void set(Reader *r, const Directive *d, const char *value, unsigned line) {
        LogrotateSetting *settings = r->block ? r->block->settings : r->l->globals;

        settings[d->slot] = (LogrotateSetting){ d->clears ? NULL : d->word, value, r->file, line };
        if (d->also)
                settings[d->also] = (LogrotateSetting){ 0 };
}

static void take_optional(Reader *r, const Directive *d) {
        set(r, d, take_value(r), r->line);
}

static void take_text(Reader *r, const Directive *d) {
        const char *value = take_value(r);

        if (*value)
                set(r, d, value, r->line);
        else
                fail(r, r->line, "%s has no value. The block is left out, as logrotate does.", d->word);
}

/* As strtoul(3) has numbers. -1 is one of rotate only. */
static void take_number(Reader *r, const Directive *d) {
        const char *value = take_value(r);
        char *end;
        long n = strtol(value, &end, 0);

        if (*value == '\0' || *end != '\0' || n > INT32_MAX || n < (d->slot == LOGROTATE_ROTATE ? -1 : 0))
                fail(r, r->line, "%s %s: This is not a valid number. The block is left out, as logrotate does.",
                     d->word, value);
        else
                set(r, d, own(r->l, alloc_format("%ld", n)), r->line);
}

static void take_weekday(Reader *r, const Directive *d) {
        const char *value = take_value(r);

        if (*value && (value[1] || *value < '0' || *value > '7'))
                fail(r, r->line, "%s %s: A weekday is a number from 0 to 7. The block is left out, as logrotate does.",
                     d->word, value);
        else
                set(r, d, value, r->line);
}

static void take_size(Reader *r, const Directive *d) {
        const char *value = take_value(r);
        size_t n = strspn(value, "0123456789");

        if (n == 0 || n > 15 || (value[n] && (!strchr("kMG", value[n]) || value[n + 1])))
                fail(r, r->line, "%s %s: This is not a size. The block is left out, as logrotate does.", d->word,
                     value);
        else
                set(r, d, own(r->l, alloc_format("%.*s%s", (int)n, value, value[n] == 'k' ? "K" : value + n)),
                    r->line);
}

/* The lines up to one that says endscript. */
static void take_script(Reader *r, const Directive *d) {
        unsigned first = r->line;
        const char *begin = NULL;

        for (;;) {
                const char *word;

                r->p = line_end(r);
                if (r->p >= r->end)
                        break;
                r->p++;
                r->line++;
                begin = begin ?: r->p;
                word = r->p + strspn(r->p, BLANKS);
                if (strncmp(word, "endscript", 9) == 0 && (word[9] == '\0' || strchr(BLANKS "\n", word[9]))) {
                        set(r, d, own_range(r->l, begin, r->p), first);
                        r->p = line_end(r);
                        if (!r->block)
                                fail(r, first,
                                     "%s stands outside of a block. The rest of the file is left out, as "
                                     "logrotate does.",
                                     d->word);
                        return;
                }
        }
        fail(r, first, "%s has no endscript. The block is left out, as logrotate does.", d->word);
}

static void add_taboo(Logrotate *l, const char *prefix, const char *list, const char *separators) {
        for (; *(list += strspn(list, separators)); list += strcspn(list, separators))
                alloc_extendf(&l->taboo, "%s%.*s", prefix, (int)strcspn(list, separators), list);
}

/* "tabooext + .a .b, .c" */
static void take_taboo(Reader *r, const Directive *d) {
        const char *value = take_value(r);

        if (r->block) {
                fail(r, r->line, "%s has to stand outside of a block. The block is left out, as logrotate does.",
                     d->word);
                return;
        }
        if (*value == '+')
                value++;
        else
                r->l->taboo = strv_free(r->l->taboo);
        add_taboo(r->l, streq(d->word, "tabooext") ? "*" : "", value, BLANKS ",");
}

static int read_path(Logrotate *l, const char *path, LogrotateBlock *block, bool *ret_bad);

static void take_include(Reader *r, const Directive *d) {
        const char *value = take_value(r);
        int e = r->l->depth < DEPTH_MAX ? read_path(r->l, value, r->block, &r->is_bad) : -ELOOP;

        if (e < 0)
                import_note(&r->l->out, r->file, r->line, "%s %s: Cannot be read: %s.", d->word, value,
                            import_reason(e));
}

/* --- directives --- */

#define SET(word, slot) \
        { word, LOGROTATE_##slot, NULL, false, 0 }
#define CLEAR(word, slot) \
        { word, LOGROTATE_##slot, NULL, true, 0 }
#define VALUE(word, slot, take) \
        { word, LOGROTATE_##slot, take, false, 0 }

static const Directive directives[] = {
        SET("hourly", WHEN),
        SET("daily", WHEN),
        VALUE("weekly", WHEN, take_weekday),
        SET("monthly", WHEN),
        SET("yearly", WHEN),
        VALUE("minutes", WHEN, take_number), /* of later versions */
        VALUE("size", WHEN, take_size),
        VALUE("minsize", MIN_SIZE, take_size),
        VALUE("maxsize", MAX_SIZE, take_size),
        VALUE("minage", MIN_AGE, take_number),
        VALUE("maxage", MAX_AGE, take_number),
        VALUE("rotate", ROTATE, take_number),
        VALUE("start", START, take_number),
        SET("compress", COMPRESS),
        CLEAR("nocompress", COMPRESS),
        SET("delaycompress", DELAY_COMPRESS),
        CLEAR("nodelaycompress", DELAY_COMPRESS),
        VALUE("compresscmd", COMPRESS_PROGRAM, take_text),
        VALUE("uncompresscmd", NOTHING, take_text), /* for mail only */
        VALUE("compressext", COMPRESS_EXTENSION, take_text),
        VALUE("compressoptions", COMPRESS_OPTIONS, take_text),
        SET("dateext", DATE),
        CLEAR("nodateext", DATE),
        VALUE("dateformat", DATE_FORMAT, take_text),
        SET("dateyesterday", DATE_YESTERDAY),
        SET("datehourago", DATE_HOUR_AGO),
        VALUE("extension", EXTENSION, take_text),
        VALUE("addextension", ADD_EXTENSION, take_text),
        VALUE("create", CREATE, take_optional),
        CLEAR("nocreate", CREATE),
        VALUE("olddir", OLD_DIR, take_text),
        CLEAR("noolddir", OLD_DIR),
        VALUE("createolddir", CREATE_OLD_DIR, take_optional),
        CLEAR("nocreateolddir", CREATE_OLD_DIR),
        { "copytruncate", LOGROTATE_COPY_TRUNCATE, NULL, false, LOGROTATE_RENAME_COPY },
        CLEAR("nocopytruncate", COPY_TRUNCATE),
        SET("copy", COPY),
        CLEAR("nocopy", COPY),
        { "renamecopy", LOGROTATE_RENAME_COPY, NULL, false, LOGROTATE_COPY_TRUNCATE },
        CLEAR("norenamecopy", RENAME_COPY),
        SET("missingok", NOTHING), /* a log that is missing is never a failure */
        CLEAR("nomissingok", NOTHING),
        SET("notifempty", NOT_EMPTY),
        CLEAR("ifempty", NOT_EMPTY),
        SET("sharedscripts", SHARED_SCRIPTS),
        CLEAR("nosharedscripts", SHARED_SCRIPTS),
        VALUE("su", SU, take_optional),
        SET("shred", SHRED),
        CLEAR("noshred", SHRED),
        VALUE("shredcycles", NOTHING, take_number),
        VALUE("mail", MAIL, take_text),
        CLEAR("nomail", MAIL),
        SET("mailfirst", NOTHING),
        SET("maillast", NOTHING),
        SET("allowhardlink", HARD_LINKS),
        CLEAR("noallowhardlink", HARD_LINKS),
        SET("ignoreduplicates", IGNORE_DUPLICATES),
        VALUE("errors", NOTHING, take_optional),
        VALUE("firstaction", FIRST_ACTION, take_script),
        VALUE("prerotate", PRE_ROTATE, take_script),
        VALUE("postrotate", POST_ROTATE, take_script),
        VALUE("lastaction", LAST_ACTION, take_script),
        VALUE("preremove", PRE_REMOVE, take_script),
        VALUE("include", NOTHING, take_include),
        VALUE("tabooext", NOTHING, take_taboo),
        VALUE("taboopat", NOTHING, take_taboo),
};

static void take_directive(Reader *r) {
        size_t n = 0;

        while (is_letter(r->p[n]))
                n++;
        for (const Directive *d = directives; d < directives + ELEMENTSOF(directives); d++) {
                if (strlen(d->word) != n || memcmp(d->word, r->p, n) != 0)
                        continue;
                r->p += n;
                if (r->p < r->end && !strchr(BLANKS "=\n", *r->p)) {
                        fail(r, r->line,
                             "%s: A blank or the end of the line is missing behind it. The block is left "
                             "out, as logrotate does.",
                             d->word);
                        r->p = line_end(r);
                } else if (d->take)
                        d->take(r, d);
                else
                        set(r, d, "", r->line);
                return;
        }
        import_note(&r->l->out, r->file, r->line, "\"%.*s\" is no directive, and logrotate ignores the line.", (int)n,
                    r->p);
        r->p = line_end(r);
}

/* --- blocks --- */

/* Takes one of the names in front of a block, with quotes and backslashes as logrotate has them. */
static const char *take_name(Reader *r) {
        const char *end = memchr(r->p, '{', (size_t)(r->end - r->p)) ?: r->end;
        _cleanup_free_ char *name = alloc_array(NULL, (size_t)(end - r->p) + 1, 1);
        char quote = '\0';
        size_t n = 0;

        for (; r->p < end && (quote || !strchr(BLANKS "\n", *r->p)); r->p++)
                if (quote ? *r->p == quote : *r->p == '"' || *r->p == '\'')
                        quote = quote ? '\0' : *r->p;
                else {
                        if (*r->p == '\\' && r->p + 1 < end && (!quote || r->p[1] == quote))
                                r->p++;
                        r->line += *r->p == '\n';
                        name[n++] = *r->p;
                }
        return own_range(r->l, name, name + n);
}

static void begin_block(Reader *r) {
        LogrotateBlock *b;
        size_t n = 0;

        if (r->block) {
                fail(r, r->line,
                     "A } is missing before the name of another log. The block is left out, as logrotate "
                     "does.");
                r->p = line_end(r);
                return;
        }
        b = r->block = alloc_array(NULL, 1, sizeof(*b));
        *b = (LogrotateBlock){ .file = r->file, .line = r->line };
        memcpy(b->settings, r->l->globals, sizeof(b->settings));
        for (; find_word(r) && *r->p != '{' && n <= PATHS_PER_BLOCK_MAX; n++) {
                const char *name = take_name(r);

                if (*name != '/')
                        fail(r, r->line, "%s: This is no absolute path. Write one. The block is left out.", name);
                else
                        alloc_extend(&b->paths, name);
        }
        if (r->p < r->end && n <= PATHS_PER_BLOCK_MAX) {
                r->p++;
                return;
        }
        fail(r, b->line,
             n > PATHS_PER_BLOCK_MAX ? "The block has more than 1024 names. Use patterns. The rest of the "
                                       "file is left out."
                                     : "A { is missing behind the names of logs. The rest of the file is "
                                       "left out, as logrotate does.");
        strv_free(b->paths);
        r->block = mfree(b);
        r->p = r->end;
}

static bool is_known(Logrotate *l, const LogrotateBlock *b, const char *path) {
        for (size_t i = 0; i < l->n_paths; i++) {
                const LogrotatePath *known = &l->paths[i];

                if (streq(known->path, path)) {
                        if (!b->settings[LOGROTATE_IGNORE_DUPLICATES].word)
                                import_note(&l->out, b->file, b->line, "%s is already in %s:%u. Only that counts.",
                                            path, known->file, known->line);
                        return true;
                }
        }
        l->paths = alloc_array(l->paths, l->n_paths + 1, sizeof(*l->paths));
        l->paths[l->n_paths++] = (LogrotatePath){ path, b->file, b->line };
        return false;
}

static void end_block(Reader *r) {
        LogrotateBlock *b = r->block;
        char **paths = NULL;

        STRV_FOREACH(path, b->paths) {
                if (r->is_bad || r->l->n_paths >= PATHS_MAX)
                        break;
                if (!is_known(r->l, b, own(r->l, alloc_string(*path))))
                        alloc_extend(&paths, *path);
        }
        strv_free(b->paths);
        b->paths = paths;
        if (r->l->n_paths >= PATHS_MAX)
                import_note(&r->l->out, b->file, b->line, "There are more than %d logs. Import fewer files at a time.",
                            PATHS_MAX);
        else if (paths)
                r->l->take(&r->l->out, b);
        strv_free(b->paths);
        r->block = mfree(b);
        r->is_bad = false;
}

/* --- files --- */

static void read_text(Reader *r, bool is_included) {
        while (find_word(r) && (r->block || !r->is_bad))
                if (is_letter(*r->p))
                        take_directive(r);
                else if (*r->p == '}' && r->block && !is_included) {
                        r->p++;
                        end_block(r);
                } else if (strchr("/\"'~", *r->p))
                        begin_block(r);
                else {
                        fail(r, r->line,
                             "A line begins with a directive or with the name of a log. The block, or the "
                             "rest of the file, is left out, as logrotate does.");
                        r->p = line_end(r);
                }
        if (r->block && !is_included) {
                if (!r->is_bad)
                        import_note(&r->l->out, r->block->file, r->block->line, "The block does not end with }.");
                end_block(r);
        }
}

static int read_file(Logrotate *l, const char *path, LogrotateBlock *block, bool *ret_bad) {
        LogrotateSetting globals[_LOGROTATE_SLOT_MAX];
        _cleanup_free_ char *text = NULL;
        Reader r = { .l = l, .line = 1, .block = block };
        int e = l->n_files++ < FILES_MAX ? import_read(path, &text) : -EMFILE;

        if (e < 0)
                return e;
        memcpy(globals, l->globals, sizeof(globals));
        r.file = own(l, alloc_string(path));
        r.p = text;
        r.end = text + strlen(text);
        if (strstr(text, "\r\n"))
                import_note(&l->out, path, 0, "Lines end with CR LF. logrotate refuses that, and the CR are ignored.");
        l->depth++;
        read_text(&r, block);
        l->depth--;
        if (r.is_bad && !block)
                memcpy(l->globals, globals, sizeof(globals));
        *ret_bad |= r.is_bad && block;
        return 0;
}

static bool is_taboo(const Logrotate *l, const char *name) {
        STRV_FOREACH(pattern, l->taboo)
                if (fnmatch(*pattern, name, FNM_PERIOD) == 0)
                        return true;
        return false;
}

static int compare_names(const struct dirent **a, const struct dirent **b) {
        return strcmp((*a)->d_name, (*b)->d_name);
}

static int read_path(Logrotate *l, const char *path, LogrotateBlock *block, bool *ret_bad) {
        struct dirent **names = NULL;
        struct stat st;
        int n, e = 0;

        if (stat(path, &st) < 0)
                return -errno;
        if (!S_ISDIR(st.st_mode))
                return read_file(l, path, block, ret_bad);
        n = scandir(path, &names, NULL, compare_names);
        if (n < 0)
                return -errno;
        for (int i = 0; i < n; i++) {
                _cleanup_free_ char *file = alloc_format("%s/%s", path, names[i]->d_name);

                if (stat(file, &st) >= 0 && S_ISREG(st.st_mode) && !is_taboo(l, names[i]->d_name))
                        e = read_file(l, file, block, ret_bad);
                if (e < 0)
                        import_note(&l->out, file, 0, "Cannot be read: %s.", import_reason(e));
                free(names[i]);
                e = 0;
        }
        free(names);
        return 0;
}

int logrotate_read(Logrotate *l, const char *path) {
        bool bad = false;

        if (!l->taboo)
                add_taboo(l, "*",
                          ",v .cfsaved .disabled .dpkg-bak .dpkg-del .dpkg-dist .dpkg-new .dpkg-old "
                          ".rhn-cfg-tmp-* .rpmnew .rpmorig .rpmsave .swp .ucf-dist .ucf-new .ucf-old ~",
                          " ");
        return read_path(l, path, NULL, &bad);
}

void logrotate_done(Logrotate *l) {
        import_done(&l->out);
        for (size_t i = 0; i < l->n_strings; i++)
                free(l->strings[i]);
        free(l->strings);
        strv_free(l->taboo);
        free(l->paths);
        *l = (Logrotate){ 0 };
}
