/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* One job for a block. What vakt-rotate does by itself needs no key: a log that is missing is no failure, and it works
 * in a directory with the rights of its owner. See vaktd.migration(7) for all of it. */

#include "ctl/logrotate-import.h"

#include "ctl/alloc.h"
#include "ctl/logrotate-script.h"
#include "util/ascii.h"
#include "util/strv.h"

#define ROTATE_MANY  1000000 /* more copies than this are all of them */
#define SIZE_DEFAULT "1M"    /* without an interval and a size */

typedef struct Converter {
        Import *out;
        const LogrotateBlock *b;
        FILE *f;         /* section [Rotate] */
        char *timer;     /* when the job runs */
        bool is_refused; /* a job would do something else */
} Converter;

static const LogrotateSetting *get(const Converter *c, LogrotateSlot slot) {
        const LogrotateSetting *s = &c->b->settings[slot];

        return s->word ? s : NULL;
}

static void _printf_(3, 4) note(Converter *c, const LogrotateSetting *s, const char *format, ...) {
        _cleanup_free_ char *text = NULL;
        va_list ap;

        va_start(ap, format);
        if (vasprintf(&text, format, ap) < 0)
                alloc_failed();
        va_end(ap);
        import_note(c->out, s->file, s->line, "%s%s%s: %s", s->word, *s->value && !strchr(s->value, '\n') ? " " : "",
                    strchr(s->value, '\n') ? "" : s->value, text);
}

/* --- what there is no key for --- */

static const struct {
        LogrotateSlot slot;
        bool is_refused; /* without it, the job would do something else with the log */
        const char *text;
} without_key[] = {
        { LOGROTATE_COPY, true,
          "Logs are moved or emptied, so there is no job. Write one with Exec= that copies the log." },
        { LOGROTATE_START, false, "The newest copy has the number 1. Rename the copies that are there." },
        { LOGROTATE_MIN_AGE, false, "Young logs are rotated, too. Write MinSize= to spare small ones." },
        { LOGROTATE_DATE_YESTERDAY, false,
          "The name has the date of the rotation. Write OnCalendar=23:59 to rotate before the day is over." },
        { LOGROTATE_DATE_HOUR_AGO, false,
          "The name has the time of the rotation. Write OnCalendar=*:59 to rotate before the hour is over." },
        { LOGROTATE_SHRED, false,
          "Copies are removed without being overwritten. Keep the logs on an encrypted file system." },
        { LOGROTATE_MAIL, false, "No log is mailed. Write OnSuccess= with a job that mails what you need." },
        { LOGROTATE_HARD_LINKS, false, "A log with further hard links is refused. Remove these, or the path." },
        { LOGROTATE_PRE_REMOVE, false,
          "Nothing runs before a copy is removed. Write OnSuccess= with a job that looks at the copies, and a larger "
          "Keep=." },
        { LOGROTATE_CREATE_OLD_DIR, false,
          "The directory is not made. Make it once, for example with a line of tmpfiles.d(5)." },
};

static void note_rest(Converter *c) {
        const LogrotateSetting *su = get(c, LOGROTATE_SU), *copy = get(c, LOGROTATE_RENAME_COPY);

        for (size_t i = 0; i < ELEMENTSOF(without_key); i++) {
                const LogrotateSetting *s = get(c, without_key[i].slot);

                if (!s)
                        continue;
                note(c, s, "%s", without_key[i].text);
                c->is_refused |= without_key[i].is_refused;
        }
        if (su && strcspn(su->value, " \t") == 4 && strncmp(su->value, "root", 4) == 0)
                note(c, su,
                     "A directory that others than root and its owner may write to is refused. Take the right "
                     "from them, or write User= with the owner of the logs in section [Service].");
        if (copy && get(c, LOGROTATE_OLD_DIR))
                note(c, copy, "Logs are renamed, so OldDir= has to be on the same file system.");
}

/* --- when --- */

static const struct {
        const char *word, *calendar, *span;
} intervals[] = {
        { "hourly", "hourly", "1h" },    { "daily", "daily", "1d" },     { "weekly", NULL, "7d" },
        { "monthly", "monthly", "30d" }, { "yearly", "yearly", "365d" },
};

static const char *const weekdays[] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };

/* "*:0/5" and "0/2:00"; other numbers of minutes do not fit in an hour or a day, and begin anew in each. */
static char *calendar_of_minutes(Converter *c, const LogrotateSetting *s) {
        unsigned long n = strtoul(s->value, NULL, 10);

        if (n > 0 && n < 60) {
                if (60 % n != 0)
                        note(c, s, "The minutes are counted from the beginning of each hour.");
                return alloc_format("*:0/%lu", n);
        }
        if (n == 0 || n % 60 != 0 || n >= 24 * 60UL)
                note(c, s,
                     "This is no whole number of hours of a day, and became the hours in it. Change OnCalendar=.");
        return n / 60 > 1 && n < 24 * 60UL ? alloc_format("0/%lu:00", n / 60) : alloc_string("hourly");
}

/* The timer alone says when. Only if a log may be rotated earlier, or later, its last rotation counts, too, and the
 * job looks each day. */
static void put_interval(Converter *c, const LogrotateSetting *when, bool has_sizes) {
        const char *calendar = NULL, *span = NULL;

        for (size_t i = 0; i < ELEMENTSOF(intervals); i++)
                if (streq(when->word, intervals[i].word)) {
                        calendar = intervals[i].calendar;
                        span = intervals[i].span;
                }
        if (streq(when->word, "minutes")) {
                c->timer = calendar_of_minutes(c, when);
                if (has_sizes)
                        fprintf(c->f, "MaxAge=%smin\n", when->value);
                return;
        }
        if (streq(when->word, "weekly") && *when->value == '7')
                has_sizes = true;
        else if (streq(when->word, "weekly"))
                calendar = weekdays[*when->value ? *when->value - '0' : 0];
        c->timer = alloc_string(has_sizes && !streq(when->word, "hourly") ? "daily" : calendar);
        if (has_sizes)
                fprintf(c->f, "MaxAge=%s\n", span);
}

static void put_when(Converter *c) {
        const LogrotateSetting *when = get(c, LOGROTATE_WHEN), *min = get(c, LOGROTATE_MIN_SIZE),
                               *max = get(c, LOGROTATE_MAX_SIZE);

        if (!when)
                import_note(c->out, c->b->file, c->b->line,
                            "No interval is set, so a log is rotated when it has " SIZE_DEFAULT
                            "%s. Import logrotate.conf, if that includes this file.",
                            get(c, LOGROTATE_ROTATE) ? "" : ", and no copy is kept");
        if (!when || streq(when->word, "size")) {
                c->timer = alloc_string("daily"); /* as logrotate itself is started */
                fprintf(c->f, "MaxSize=%s\n", when ? when->value : SIZE_DEFAULT);
                if (max)
                        note(c, max, "There is a size already. Write the smaller one as MaxSize=.");
                return;
        }
        if (min)
                fprintf(c->f, "MinSize=%s\n", min->value);
        if (max)
                fprintf(c->f, "MaxSize=%s\n", max->value);
        put_interval(c, when, min || max);
}

/* --- copies --- */

static const struct {
        const char *program, *format, *extension; /* extension: what logrotate puts behind the names */
} formats[] = {
        { "gzip", "gzip", ".gz" },   { "pigz", "gzip", ".gz" },    { "zstd", "zstd", ".zst" },
        { "pzstd", "zstd", ".zst" }, { "zstdmt", "zstd", ".zst" }, { "xz", NULL, ".xz" },
        { "bzip2", NULL, ".bz2" },
};

/* "-9", "-T0", "--threads=4". */
static void put_compress_option(Converter *c, const LogrotateSetting *s, bool is_zstd, const char *option) {
        const char *threads = strncmp(option, "-T", 2) == 0            ? option + 2
                              : strncmp(option, "--threads=", 10) == 0 ? option + 10
                                                                       : NULL;

        long level = *option == '-' && is_digit(option[1]) ? strtol(option + 1, NULL, 10) : 0;

        if (is_zstd && threads)
                import_put(c->f, "CompressThreads", threads);
        else if (level > 0 && level <= (is_zstd ? 19 : 9))
                fprintf(c->f, "CompressLevel=%ld\n", level);
        else
                note(c, s, "There is no key for %s.", option);
}

static void put_compression(Converter *c) {
        const LogrotateSetting *program = get(c, LOGROTATE_COMPRESS_PROGRAM), *extension, *options;
        const char *name = program ? strrchr(program->value, '/') : NULL;
        size_t i = 0;

        if (!get(c, LOGROTATE_COMPRESS))
                return;
        extension = get(c, LOGROTATE_COMPRESS_EXTENSION);
        options = get(c, LOGROTATE_COMPRESS_OPTIONS);
        name = name ? name + 1 : program ? program->value : "gzip";
        while (i < ELEMENTSOF(formats) && !streq(name, formats[i].program))
                i++;
        if (i >= ELEMENTSOF(formats) || !formats[i].format)
                note(c, program,
                     "Copies are compressed by gzip or zstd only, so this became zstd. Older copies in "
                     "another format are not counted, and stay: remove them.");
        else if (extension && !streq(extension->value, formats[i].extension))
                note(c, extension, "Names of compressed copies end with %s. Rename the copies that are there.",
                     formats[i].extension);
        name = i < ELEMENTSOF(formats) ? formats[i].format ?: "zstd" : "zstd";
        fprintf(c->f, "Compress=%s\n", name);
        if (get(c, LOGROTATE_DELAY_COMPRESS))
                fputs("CompressDelay=yes\n", c->f);
        if (options && i < ELEMENTSOF(formats) && formats[i].format)
                for (const char *p = options->value; *(p += strspn(p, " \t")); p += strcspn(p, " \t")) {
                        _cleanup_free_ char *option = alloc_format("%.*s", (int)strcspn(p, " \t"), p);

                        put_compress_option(c, options, streq(name, "zstd"), option);
                }
}

static void put_count(Converter *c) {
        const LogrotateSetting *rotate = get(c, LOGROTATE_ROTATE), *age = get(c, LOGROTATE_MAX_AGE);
        long n = rotate ? strtol(rotate->value, NULL, 10) : 0;

        if (n < 0 || n > ROTATE_MANY)
                fputs("Keep=infinity\n", c->f);
        else
                fprintf(c->f, "Keep=%ld\n", n);
        if (age && !streq(age->value, "0"))
                fprintf(c->f, "KeepSec=%sd\n", age->value);
}

/* Whether all logs have this end. */
static bool all_end_with(const Converter *c, const char *end) {
        STRV_FOREACH(path, c->b->paths) {
                size_t n = strlen(*path), n_end = strlen(end);

                if (n < n_end || !streq(*path + n - n_end, end))
                        return false;
        }
        return true;
}

static void put_names(Converter *c) {
        const LogrotateSetting *format = get(c, LOGROTATE_DATE_FORMAT), *when = get(c, LOGROTATE_WHEN),
                               *extension = get(c, LOGROTATE_EXTENSION), *added = get(c, LOGROTATE_ADD_EXTENSION),
                               *old = get(c, LOGROTATE_OLD_DIR);

        if (get(c, LOGROTATE_DATE)) {
                fputs("Suffix=date\n", c->f);
                if (format)
                        fprintf(c->f, "DateFormat=%s\n", format->value); /* its percent signs are not doubled */
                else if (when && streq(when->word, "hourly"))
                        fputs("DateFormat=-%Y%m%d%H\n", c->f);
        }
        if (added && !all_end_with(c, added->value))
                note(c, added,
                     "Nothing is put behind the number or date of a copy, only what the name of the log ends "
                     "with stays there. Rename the copies that are there.");
        if (added && all_end_with(c, added->value))
                import_put(c->f, "Extension", added->value);
        else if (extension)
                import_put(c->f, "Extension", extension->value);
        if (old)
                import_put(c->f, "OldDir", old->value);
}

/* The new log, or the old one that goes on. */
static void put_mode(Converter *c) {
        const LogrotateSetting *create = get(c, LOGROTATE_CREATE);

        if (get(c, LOGROTATE_COPY_TRUNCATE))
                fputs("Mode=copytruncate\n", c->f);
        else if (!create)
                fputs("Create=no\n", c->f);
        else if (*create->value)
                import_put(c->f, "Create", create->value);
        if (get(c, LOGROTATE_NOT_EMPTY))
                fputs("SkipEmpty=yes\n", c->f);
}

/* --- scripts --- */

/* How often a script runs. */
typedef enum ScriptPer {
        SCRIPT_NONE,
        SCRIPT_PER_RUN,
        SCRIPT_PER_FILE,
} ScriptPer;

/* Writes one of two scripts that would run at the same point, one after the other. Only the first can. */
static ScriptPer put_script(Converter *c, const char *key, LogrotateSlot first, LogrotateSlot second) {
        const LogrotateSetting *s = get(c, first), *other = get(c, second);
        bool is_shared = get(c, LOGROTATE_SHARED_SCRIPTS) || !s;

        if (s && other) {
                note(c, other, "There is one script before a rotation, and one behind it. Add the lines to %s=.", key);
                other = NULL;
        }
        s = s ?: other;
        if (!s || !s->value[strspn(s->value, " \t\r\n")])
                return SCRIPT_NONE;
        if (is_shared && logrotate_script_uses(s->value, '1'))
                note(c, s, "The arguments of the script are the logs that are rotated, and not the pattern.");
        if (!is_shared && logrotate_script_uses(s->value, '2'))
                note(c, s, "The argument of the script is the log. Derive the name of the copy from it.");
        if (!logrotate_script_put(c->f, key, s->value))
                note(c, s,
                     "Indented lines of a here-document, and backslashes at the end of a line, are not kept. Write a "
                     "file with the script.");
        return is_shared ? SCRIPT_PER_RUN : SCRIPT_PER_FILE;
}

static void put_scripts(Converter *c) {
        const LogrotateSetting *post = get(c, LOGROTATE_POST_ROTATE), *last = get(c, LOGROTATE_LAST_ACTION);
        LogrotateReload reload = { 0 };
        ScriptPer before = put_script(c, "PreRotate", LOGROTATE_PRE_ROTATE, LOGROTATE_FIRST_ACTION);
        ScriptPer after = SCRIPT_NONE;

        if (post && !last)
                logrotate_script_read(post->value, &reload);
        if (reload.signal)
                fprintf(c->f, "Signal=%s %s\n", reload.signal, reload.unit);
        else if (reload.unit)
                import_put(c->f, "ReloadUnit", reload.unit);
        else
                after = put_script(c, "PostRotate", LOGROTATE_POST_ROTATE, LOGROTATE_LAST_ACTION);
        if (!post && last)
                note(c, last,
                     "PostRotate= runs before copies are compressed. Write OnSuccess= with a job if it needs "
                     "them compressed.");
        if (before + after == SCRIPT_PER_RUN + SCRIPT_PER_FILE)
                import_note(c->out, c->b->file, c->b->line,
                            "Both scripts run for each log. Change ScriptPer=, or one "
                            "of them.");
        if (before == SCRIPT_PER_FILE || after == SCRIPT_PER_FILE)
                fputs("ScriptPer=file\n", c->f);
        free(reload.unit);
        free(reload.signal);
}

/* --- the job --- */

/* A wildcard of logrotate does not match a dot at the beginning of a name. */
static bool matches_hidden(const LogrotateBlock *b) {
        bool has_wildcard = false;

        STRV_FOREACH(path, b->paths) {
                const char *name = strrchr(*path, '/') + 1;

                if (strstr(*path, "/."))
                        return false; /* what is hidden is meant */
                has_wildcard |= *name && strchr("*?[", *name);
        }
        return has_wildcard;
}

static void put_job(FILE *f, const Converter *c, size_t first_note, const char *name, const char *section) {
        fprintf(f, "# From %s, line %u.\n", c->b->file, c->b->line);
        fputs("# Take the logs out of there: what logrotate rotates, too, is refused, unless TakeOver=yes is set.\n",
              f);
        import_put_notes(f, c->out, first_note, c->out->n_notes);
        fputs("\n[Job]\n", f);
        import_put(f, "Description", name);
        fprintf(f, "\n[Timer]\nOnCalendar=%s\nCatchUp=once\n\n[Rotate]\n", c->timer);
        STRV_FOREACH(path, c->b->paths)
                import_put(f, "Path", *path);
        if (matches_hidden(c->b))
                fputs("Exclude=.*\n", f);
        fputs(section, f);
}

/* That of the file, without ".conf". */
static char *name_of(const Converter *c) {
        const char *slash = strrchr(c->b->file, '/'), *base = slash ? slash + 1 : c->b->file;
        size_t n = strlen(base);
        _cleanup_free_ char *stem =
                alloc_format("%.*s", (int)(n > 5 && streq(base + n - 5, ".conf") ? n - 5 : n), base);

        return import_name(c->out, "rotate-", stem, "");
}

void logrotate_import(Import *i, const LogrotateBlock *b) {
        Converter c = { .out = i, .b = b };
        _cleanup_free_ char *section = NULL, *description = alloc_format("Logs of %s", b->file);
        size_t n, n_notes = i->n_notes;
        char *name = name_of(&c), *text = NULL;
        FILE *f;

        c.f = alloc_stream_open(&section, &n);
        note_rest(&c);
        put_when(&c);
        put_count(&c);
        put_compression(&c);
        put_names(&c);
        put_mode(&c);
        put_scripts(&c);
        alloc_stream_close(c.f);
        f = alloc_stream_open(&text, &n);
        put_job(f, &c, n_notes, description, section);
        alloc_stream_close(f);
        if (c.is_refused) {
                free(name);
                free(text);
        } else
                (void)import_add_job(i, b->file, b->line, name, text);
        free(c.timer);
}
