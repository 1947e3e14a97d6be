/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The keys of [Rotate] and [Clean], and the rules between them; for a job file, and for the arguments of the programs
 * that do the work, which are the same lines. A key that would do nothing is refused: who writes CompressLevel=
 * without Compress= believes that something is compressed. Whether a path is there is no matter of the job file.
 *
 * The dates in the names of old copies have to sort as the copies were made: the oldest is the first by name, for the
 * program and for everybody who looks. So DateFormat= is read here digit by digit instead of being handed to
 * strftime(3). */

#include <stdlib.h>

#include "config.h"

#include "config/job-sections.h"
#include "config/names.h"
#include "config/source.h"
#include "config/upkeep.h"
#include "util/array.h"
#include "util/ascii.h"
#include "util/size.h"
#include "util/strv.h"
#include "util/utf8.h"

#define SIZE_ADVICE "Write bytes, optionally with a suffix K, M, G, T, P or E."
#define MODE_BITS   0777
#define LEVEL_MAX   19 /* of zstd, as long as it takes no more memory than usual */
#define GZIP_MAX    9
#define SHOWN_MAX   64
#define MARK_MIN    100 /* what is less is meant in percent */

#define STATE_DIRECTORIES "/var/lib/" /* of the services of the system */

/* --- parsers --- */

/* What nobody wants to be cleaned as a whole; when a directory is what its entries are, neither are all of these. */
static bool is_system_directory(const char *path, bool is_directory) {
        static const char *const names[] = {
                "/",        "/bin",      "/boot",      "/dev",       "/etc",  "/home",    "/lib",     "/lib32",
                "/lib64",   "/proc",     "/root",      "/run",       "/sbin", "/sys",     "/usr",     "/usr/bin",
                "/usr/lib", "/usr/sbin", "/usr/share", "/usr/local", "/var",  "/var/lib", "/var/log", "/var/spool",
        };
        size_t n = strlen(path);

        while (is_directory && n > 2 && memcmp(path + n - 2, "/*", 2) == 0)
                n -= 2;
        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                if (strlen(names[i]) == n && memcmp(path, names[i], n) == 0)
                        return true;
        return glob_is_pattern(path) && !strchr(path + 1, '/');
}

/* Each component is a pattern by itself. Two stars would have to look through everything below. */
static bool has_double_star(const char *path) {
        for (const char *p = strstr(path, "/**"); p; p = strstr(p + 1, "/**"))
                if (p[3] == '/' || p[3] == '\0')
                        return true;
        return false;
}

static int parse_path(const KeyLine *k, void *field) {
        _cleanup_free_ char *path = NULL;
        char ***list = field;
        int r;

        if (*k->value == '\0') {
                *list = strv_free(*list);
                return 0;
        }
        if (strv_length(*list) >= UPKEEP_PATHS_MAX)
                return key_problem(k, "There are more than %d lines of Path=. Use patterns, or write another job.",
                                   UPKEEP_PATHS_MAX);
        r = path_read(k, /* is_pattern= */ true, &path);
        if (r < 0)
                return r;
        STRV_FOREACH(p, *list)
                if (r > 0 && !k->reading->instance_unknown && streq(*p, path))
                        return key_problem_value(k, "is given twice. Remove one of the lines.");
        if (r > 0 && has_double_star(path))
                r = key_problem_value(k, "has \"**\" as a component. Write a line for each depth, with \"*\".");
        else if (r > 0 && strstr(path, " /"))
                r = key_problem_value(k, "has a blank before a slash. Write a line of Path= for each path.");
        else if (r > 0 && is_system_directory(path, streq(k->row->section, "Clean")))
                r = key_problem_value(k, "is too much of the system. Write a directory further down.");
        return r < 0 ? r : strv_consume(list, TAKE_PTR(path));
}

static int parse_size(const KeyLine *k, void *field) {
        const uint64_t *min = k->row->argument;
        uint64_t size;
        int r = size_parse(k->value, 1024, &size);

        if (r == -ERANGE)
                return key_problem_value(k, "is too large. " SIZE_ADVICE);
        if (r < 0)
                return key_problem_value(k, "is not a size. " SIZE_ADVICE);
        if (min && size < *min)
                return key_problem_value(k, "is too small. Write 1 or more bytes.");
        *(uint64_t *)field = size;
        return 0;
}

/* A number alone would be seconds, and means days to who comes from logrotate. */
static int parse_age(const KeyLine *k, void *field) {
        size_t n = strspn(k->value, "0123456789");

        if (n > strspn(k->value, "0") && k->value[n] == '\0')
                return key_problem_value(k, "has no unit. Write, for example, 30d for days, or 30s for seconds.");
        return key_parse_span(k, field);
}

/* Of files. */
static int parse_number(const KeyLine *k, void *field) {
        uint64_t n = UINT64_MAX;

        if (!streq(k->value, "infinity") && (!number_parse(k->value, &n) || n == UINT64_MAX))
                return key_problem_value(k, "is not a number of files. Write a whole number, or infinity.");
        *(uint64_t *)field = n;
        return 0;
}

static int parse_mark(const KeyLine *k, void *field) {
        bool inodes = k->row->argument, percentage = *k->value != '\0' && k->value[strlen(k->value) - 1] == '%';
        CleanMark mark = {};
        int r;

        if (percentage)
                r = percent_parse(k->value, &mark.permyriad);
        else if (inodes)
                r = number_parse(k->value, &mark.bytes) ? 0 : -EINVAL;
        else
                r = size_parse(k->value, 1024, &mark.bytes);
        if (r < 0 || mark.bytes == SIZE_ENDLESS || mark.permyriad >= 100 * PERCENT_ONE ||
            (mark.permyriad == 0 && mark.bytes < MARK_MIN))
                return key_problem_value(
                        k, "is not what can be free. Write a percentage above 0%% and below 100%%, or %s.",
                        inodes ? "a number of inodes" : "a size such as 5G");
        *(CleanMark *)field = mark;
        return 0;
}

static const char *const age_words[] = { "access", "birth", "change", "modify" };

static int add_age(const KeyLine *k, const char *word, void *field) {
        for (size_t i = 0; i < ELEMENTSOF(age_words); i++)
                if (streq(word, age_words[i])) {
                        *(unsigned *)field |= 1U << i; /* a CleanAgeBy */
                        return 0;
                }
        return key_problem(
                k,
                "%s=: \"%.*s\" is not a time of a file. Write access, birth, change or modify, separated by blanks.",
                k->row->key, (int)utf8_cut(word, SHOWN_MAX), word);
}

static int parse_age_by(const KeyLine *k, void *field) {
        *(unsigned *)field = 0;
        return key_each_word(k, add_age, field);
}

/* "yes" is the newest copy. */
static int parse_delay(const KeyLine *k, void *field) {
        int yes = key_bool_from_string(k->value);

        if (yes < 0)
                return key_parse_unsigned(k, field);
        *(unsigned *)field = (unsigned)yes;
        return 0;
}

/* How much of a date the digits so far have told, from the year down. */
static const char date_letters[] = "YmdHMS";

/* Takes one letter; NULL, or what is wrong with it. */
static const char *take_date_letter(char letter, size_t *told) {
        const char *at = letter != '\0' ? strchr(date_letters, letter) : NULL;

        if (letter == 's') {
                *told = strlen(date_letters);
                return NULL;
        }
        if (letter == 'V')
                return *told >= 3 ? NULL
                                  : "%V is the week of a year that begins on another day than %Y. Write it "
                                    "behind %Y, %m and %d.";
        if (!at)
                return "Write %Y, %m, %d, %H, %M, %S, %V or %s.";
        if ((size_t)(at - date_letters) > *told)
                return "The names would not sort by time. Begin with %Y and go on in the order %m, %d, %H, %M, %S.";
        *told = MAX(*told, (size_t)(at - date_letters) + 1);
        return NULL;
}

static const char *date_format_problem(const char *s) {
        size_t told = 0;

        if (strlen(s) > ROTATE_NAME_MAX)
                return "It is too long. Shorten it.";
        for (const char *p = s; *p; p++) {
                const char *problem = NULL;

                if (*p == '%')
                        problem = take_date_letter(*++p, &told);
                else if (!is_alphanumeric(*p) && !strchr("-_.:+@,", *p))
                        problem = "Between the letters of the date, write letters, digits, and \"-_.:+@,\" only.";
                if (problem)
                        return problem;
        }
        return told > 0 ? NULL : "It has no date. Write one such as -%Y%m%d.";
}

static int parse_date_format(const KeyLine *k, void *field) {
        const char *problem = *k->value == '\0' ? NULL : date_format_problem(k->value);

        if (problem)
                return key_problem_value(k, "is not a valid format. %s", problem);
        return key_parse_text(k, field);
}

/* The program tells its own copies by their names, so an extension may not look like a number or a compressed file. */
static int parse_extension(const KeyLine *k, void *field) {
        const char *dot = strrchr(k->value, '.');

        if (strchr(k->value, '/') || strlen(k->value) > ROTATE_NAME_MAX)
                return key_problem_value(k, "is not the end of a file name. Write one such as .log.");
        if (dot && (streq(dot, ".gz") || streq(dot, ".zst") || strspn(dot + 1, "0123456789") == strlen(dot + 1)))
                return key_problem_value(k, "looks like that of an old copy. Write another one, such as .log.");
        return key_parse_text(k, field);
}

static bool is_owner_name(const char *s) {
        return *s != '-' && strlen(s) <= ROTATE_NAME_MAX && !s[strcspn(s, ":/\\\"'")];
}

/* A mode, a user and a group, each of which may be left out from the end; without a mode, names only. */
static int add_create(const KeyLine *k, const char *word, void *field) {
        RotateDef *d = field;
        char **name = !d->create_user ? &d->create_user : &d->create_group;

        if (d->create_mode == (mode_t)-1 && !d->create_user && is_digit(*word)) {
                char *end;
                unsigned long mode = strtoul(word, &end, 8);

                if (*end != '\0' || mode > MODE_BITS)
                        return key_problem_value(k, "has no valid access mode. Write an octal number up to 0777, for "
                                                    "example 0640.");
                d->create_mode = (mode_t)mode;
                return 0;
        }
        if (d->create_group)
                return key_problem_value(k, "has too many words. Write a mode, a user and a group: 0640 app adm.");
        if (!is_owner_name(word))
                return key_problem_value(k, "has no valid user or group. Write a mode, a user and a group: 0640 app "
                                            "adm.");
        *name = strdup(word);
        return *name ? 0 : -ENOMEM;
}

static int parse_create(const KeyLine *k, void *field) {
        RotateDef *d = field;
        int yes = key_bool_from_string(k->value);

        d->create_user = mfree(d->create_user);
        d->create_group = mfree(d->create_group);
        d->create_mode = (mode_t)-1;
        d->create = yes != 0;
        return yes >= 0 ? 0 : key_each_word(k, add_create, d);
}

/* "old", "../old" and "/var/old": a relative one is validated as if it began at the root. */
static int parse_old_dir(const KeyLine *k, void *field) {
        bool relative = *k->value != '/' && *k->value != '\0';
        _cleanup_free_ char *absolute = NULL, *path = NULL;
        char **old_dir = field;
        KeyLine line = *k;
        int r = 1;

        if (string_format(&absolute, "%s%s", relative ? "/" : "", k->value) < 0)
                return -ENOMEM;
        line.value = absolute;
        if (*k->value != '\0')
                r = path_read(&line, /* is_pattern= */ false, &path);
        if (r <= 0)
                return r;
        free(*old_dir);
        *old_dir = NULL;
        if (path) {
                *old_dir = strdup(path + relative);
                if (!*old_dir)
                        return -ENOMEM;
        }
        return 0;
}

static int parse_reload_unit(const KeyLine *k, void *field) {
        if (*k->value != '\0' && !unit_name_is_valid(k->value))
                return key_problem_value(k, "is not a unit that can be reloaded. Write its full name, such as "
                                            "app.service.");
        return key_parse_text(k, field);
}

static int parse_signal(const KeyLine *k, void *field) {
        _cleanup_free_ char *word = NULL;
        RotateDef *d = field;
        size_t n = strcspn(k->value, BLANKS);
        const char *unit = k->value + n + strspn(k->value + n, BLANKS);
        int signal = 0;

        if (*k->value != '\0') {
                word = strndup(k->value, n);
                if (!word)
                        return -ENOMEM;
                signal = signal_from_name(word);
                if (signal <= 0 || !unit_name_is_valid(unit))
                        return key_problem_value(k, "is not a signal and a unit. Write both, for example SIGUSR1 "
                                                    "app.service.");
        }
        free(d->signal_unit);
        d->signal_unit = signal > 0 ? strdup(unit) : NULL;
        d->signal = signal;
        return signal > 0 && !d->signal_unit ? -ENOMEM : 0;
}

/* Each line of the key is one of the script. */
static int parse_script(const KeyLine *k, void *field) {
        _cleanup_free_ char *longer = NULL;
        char **script = field;

        if (*k->value != '\0' &&
            string_format(&longer, "%s%s%s", strempty(*script), *script ? "\n" : "", k->value) < 0)
                return -ENOMEM;
        free(*script);
        *script = TAKE_PTR(longer);
        return 0;
}

static int script_per_from_string(const char *s) {
        return streq(s, "file") ? 1 : streq(s, "run") ? 0 : -EINVAL;
}

static int parse_script_per(const KeyLine *k, void *field) {
        int each = *(bool *)field;
        int r = key_parse_word(k, &each);

        *(bool *)field = each != 0;
        return r;
}

/* --- rows --- */

static const KeyWords compress_words = { rotate_compress_from_string, "none, gzip or zstd" };
static const KeyWords mode_words = { rotate_mode_from_string, "rename or copytruncate" };
static const KeyWords suffix_words = { rotate_suffix_from_string, "number or date" };
static const KeyWords script_per_words = { script_per_from_string, "run or file" };
static const KeyRange keep_range = { 0, ROTATE_KEEP_MAX }, delay_range = { 0, ROTATE_DELAY_MAX };
static const KeyRange level_range = { 1, LEVEL_MAX }, threads_range = { 0, ROTATE_THREADS_MAX };
static const KeySpan age_span = { USEC_PER_SEC, .endless = true }, any_span = { 0, .endless = true };
static const uint64_t one_byte = 1;

#define FIELD(name) offsetof(RotateDef, name), 0
#define VALUE(name) KEY_VALUE(RotateDef, name)

const KeyRow rotate_rows[] = {
        { "Rotate", "Path", parse_path, FIELD(paths), .repeatable = true },
        { "Rotate", "Exclude", path_parse_pattern, FIELD(exclude), .repeatable = true },
        { "Rotate", "MaxSize", parse_size, VALUE(max_size), &one_byte },
        { "Rotate", "MinSize", parse_size, VALUE(min_size) },
        { "Rotate", "MaxAge", parse_age, VALUE(max_age), &age_span },
        { "Rotate", "Keep", key_parse_count, VALUE(keep), &keep_range },
        { "Rotate", "KeepSec", key_parse_span, VALUE(keep_usec), &age_span },
        { "Rotate", "KeepSize", parse_size, VALUE(keep_size) },
        { "Rotate", "Compress", key_parse_word, VALUE(compress), &compress_words },
        { "Rotate", "CompressDelay", parse_delay, VALUE(compress_delay), &delay_range },
        { "Rotate", "CompressLevel", key_parse_unsigned, VALUE(compress_level), &level_range },
        { "Rotate", "CompressThreads", key_parse_unsigned, VALUE(compress_threads), &threads_range },
        { "Rotate", "Mode", key_parse_word, VALUE(mode), &mode_words },
        { "Rotate", "Suffix", key_parse_word, VALUE(suffix), &suffix_words },
        { "Rotate", "DateFormat", parse_date_format, FIELD(date_format), .raw = true },
        { "Rotate", "Extension", parse_extension, FIELD(extension) },
        { "Rotate", "SkipEmpty", key_parse_bool, VALUE(skip_empty) },
        { "Rotate", "Create", parse_create, 0, 0 },
        { "Rotate", "OldDir", parse_old_dir, FIELD(old_dir) },
        { "Rotate", "ReloadUnit", parse_reload_unit, FIELD(reload_unit) },
        { "Rotate", "Signal", parse_signal, 0, 0 },
        { "Rotate", "PreRotate", parse_script, FIELD(pre_rotate), .repeatable = true },
        { "Rotate", "PostRotate", parse_script, FIELD(post_rotate), .repeatable = true },
        { "Rotate", "ScriptPer", parse_script_per, VALUE(script_each), &script_per_words },
        { "Rotate", "TakeOver", key_parse_bool, VALUE(take_over) },
};
const size_t n_rotate_rows = ELEMENTSOF(rotate_rows);

#undef FIELD
#undef VALUE
#define FIELD(name) offsetof(CleanDef, name), 0
#define VALUE(name) KEY_VALUE(CleanDef, name)

const KeyRow clean_rows[] = {
        { "Clean", "Path", parse_path, FIELD(paths), .repeatable = true },
        { "Clean", "Exclude", path_parse_pattern, FIELD(exclude), .repeatable = true },
        { "Clean", "MaxAge", parse_age, VALUE(max_age), &any_span },
        { "Clean", "AgeBy", parse_age_by, VALUE(age_by) },
        { "Clean", "MaxSize", parse_size, VALUE(max_size) },
        { "Clean", "MaxCount", parse_number, VALUE(max_count) },
        { "Clean", "KeepMin", parse_number, VALUE(keep_min) },
        { "Clean", "UntilFree", parse_mark, VALUE(until_free), .has_percentages = true },
        { "Clean", "UntilInodesFree", parse_mark, VALUE(until_inodes_free), &one_byte, .has_percentages = true },
        { "Clean", "Recursive", key_parse_bool, VALUE(recursive) },
        { "Clean", "EmptyDirectories", key_parse_bool, VALUE(empty_directories) },
        { "Clean", "KeepOpen", key_parse_bool, VALUE(keep_open) },
};
const size_t n_clean_rows = ELEMENTSOF(clean_rows);

/* --- the end --- */

static bool compresses(const RotateDef *d) {
        return d->compress != ROTATE_COMPRESS_NONE;
}

static bool compresses_with_zstd(const RotateDef *d) {
        return d->compress == ROTATE_COMPRESS_ZSTD;
}

static bool has_level_of_format(const RotateDef *d) {
        return d->compress != ROTATE_COMPRESS_GZIP || d->compress_level <= GZIP_MAX;
}

static bool has_dates(const RotateDef *d) {
        return d->suffix == ROTATE_SUFFIX_DATE;
}

static bool has_script(const RotateDef *d) {
        return d->pre_rotate || d->post_rotate;
}

static bool renames(const RotateDef *d) {
        return d->mode == ROTATE_RENAME;
}

static bool has_size_order(const RotateDef *d) {
        return d->min_size <= d->max_size;
}

/* What a key requires of the others, when it is set. */
static const struct {
        const char *key;
        bool (*holds)(const RotateDef *d);
        const char *advice;
} rotate_rules[] = {
        { "CompressLevel", compresses, "requires Compress=gzip or Compress=zstd. Add it, or remove CompressLevel=." },
        { "CompressLevel", has_level_of_format, "is too high for gzip. Write a number from 1 to 9." },
        { "CompressDelay", compresses, "requires Compress=gzip or Compress=zstd. Add it, or remove CompressDelay=." },
        { "CompressThreads", compresses_with_zstd, "requires Compress=zstd. Add it, or remove CompressThreads=." },
        { "DateFormat", has_dates, "requires Suffix=date. Add it, or remove DateFormat=." },
        { "ScriptPer", has_script, "requires PreRotate= or PostRotate=. Add one, or remove ScriptPer=." },
        { "Create", renames, "cannot be used with Mode=copytruncate: the log stays the same file. Remove Create=." },
        { "MinSize", has_size_order,
          "is larger than MaxSize=: a log would never be rotated for its size. Make it "
          "smaller." },
};

/* False when a value with %i of a template is among them. */
static bool is_validated(const Builder *b, const char *section) {
        for (size_t i = 0; i < b->n_places; i++)
                if (b->places[i].order > 0 && !b->places[i].validated && streq(b->places[i].row->section, section))
                        return false;
        return true;
}

static int check_rotate(const Builder *b) {
        const RotateDef *d = b->def->rare->rotate;
        int r = 0;

        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(rotate_rules); i++) {
                const Place *place = builder_place(b, "Rotate", rotate_rules[i].key);
                KeyLine k = place_line(place, NULL);

                if (place->order > 0 && !rotate_rules[i].holds(d))
                        r = key_problem(&k, "%s= %s", place->row->key, rotate_rules[i].advice);
        }
        return r;
}

/* Cleaning without a reason would remove everything. */
static int check_clean(const Builder *b) {
        static const char *const reasons[] = { "MaxAge", "MaxSize", "MaxCount", "UntilFree", "UntilInodesFree" };
        const Place *first = builder_section_place(b, "Clean");

        for (size_t i = 0; i < ELEMENTSOF(reasons); i++)
                if (builder_place(b, "Clean", reasons[i])->order > 0)
                        return 0;
        return file_problems_add(first->problems, first->line,
                                 "Section [Clean] does not say what goes. Write MaxAge=, MaxSize=, MaxCount=, "
                                 "UntilFree= or UntilInodesFree=.");
}

static int finish_section(Builder *b, const char *section, int (*check)(const Builder *b)) {
        const Place *first = builder_section_place(b, section);

        if (!first || builder_n_problems(b) > 0)
                return 0;
        if (builder_place(b, section, "Path")->order == 0)
                return file_problems_add(first->problems, first->line,
                                         "Section [%s] is about no file. Write Path=, for example "
                                         "Path=/var/log/app/*.log.",
                                         section);
        if (b->upkeep_bytes > UPKEEP_ARGUMENTS_MAX)
                return file_problems_add(first->problems, first->line,
                                         "Section [%s] has more than %zu bytes. Use patterns, or write another job.",
                                         section, UPKEEP_ARGUMENTS_MAX);
        return is_validated(b, section) ? check(b) : 0;
}

int upkeep_finish(Builder *b) {
        int r = finish_section(b, "Rotate", check_rotate);

        if (r >= 0)
                r = finish_section(b, "Clean", check_clean);
        if (!builder_section_place(b, "Rotate"))
                b->def->rare->rotate = rotate_def_free(b->def->rare->rotate);
        if (!builder_section_place(b, "Clean"))
                b->def->rare->clean = clean_def_free(b->def->rare->clean);
        return r;
}

/* --- the command --- */

static bool has_user(const JobDef *d) {
        const UnitValue *user = job_def_setting(d, "User"), *dynamic = job_def_setting(d, "DynamicUser");

        return (user && !streq(user->text, "root") && !streq(user->text, "0")) || (dynamic && dynamic->number > 0);
}

/* The service manager makes the directory for the user of the run, whatever else of the file system is read-only. */
static int put_state_property(Builder *b, const char *directory) {
        JobDef *d = b->def;
        const Place *first = builder_section_place(b, "Rotate");
        UnitProperty p[] = {
                { .name = "StateDirectory", .signature = "as" },
                { .name = "StateDirectoryMode", .signature = "u" },
        };
        int r;

        r = strv_extend(&d->rare->source_files, d->origin); /* that of the definition moves */
        if (r >= 0)
                r = unit_property_add_number(&p[0], 1);
        if (r >= 0)
                r = unit_property_add_text(&p[0], directory, SIZE_MAX);
        if (r >= 0)
                r = unit_property_add_number(&p[1], 0700);
        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(p); i++) {
                UnitProperty *property = ARRAY_NEXT(d->rare->properties, d->rare->n_properties);

                if (!property) {
                        r = -ENOMEM;
                        break;
                }
                p[i].path = d->rare->source_files[strv_length(d->rare->source_files) - 1];
                p[i].line = first->line;
                *property = TAKE_GENERIC(p[i], (UnitProperty){});
                d->rare->n_properties++;
        }
        for (size_t i = 0; i < ELEMENTSOF(p); i++)
                unit_property_done(&p[i]);
        return r;
}

/* Where the program keeps what it knows of each log: below the state of the instance, which is nobody's but ours, or
 * for a job with User= in a directory of its own. A child of ours with User= cannot be given one: then it has that of
 * its user. */
static int put_state_directory(Builder *b, char ***argv) {
        const char *state = b->context->state_dir, *name = b->def->name, *below;
        bool units = b->context->target == LOADER_FOR_UNITS;
        _cleanup_free_ char *directory = NULL;
        int r;

        if (!state || !b->def->rare->rotate || (has_user(b->def) && !units))
                return 0;
        if (has_user(b->def))
                r = string_format(&directory, STATE_DIRECTORIES "vaktd-rotate/%s", name);
        else
                r = string_format(&directory, "%s/rotate", state);
        if (r < 0)
                return r;
        below = startswith(directory, STATE_DIRECTORIES);
        if (units && below)
                r = put_state_property(b, below);
        return r < 0 ? r : strv_extendf(argv, "--state-directory=%s", directory);
}

int upkeep_put_command(Builder *b) {
        const char *program = b->def->rare->rotate ? "vakt-rotate" : "vakt-clean";
        CommandDef *c;
        int r;

        if (!b->def->rare->rotate && !b->def->rare->clean)
                return 0;
        assert(b->def->n_commands == 0);
        c = calloc(1, sizeof(*c));
        if (!c)
                return -ENOMEM;
        free(b->def->commands);
        b->def->commands = c;
        b->def->n_commands = 1;
        c->flags = COMMAND_NO_EXPAND;
        r = string_format(&c->path, "%s/%s", getenv("VAKTD_PROGRAM_DIR") ?: VAKT_PKGLIBDIR, program);
        if (r >= 0)
                r = strv_extend(&c->argv, c->path);
        if (r >= 0)
                r = strv_extendf(&c->argv, "--job=%s", b->def->name);
        if (r >= 0)
                r = put_state_directory(b, &c->argv);
        for (char **line = b->upkeep; r >= 0 && line && *line; line++)
                r = strv_extend(&c->argv, *line);
        return r;
}

/* --- for the programs --- */

/* The arguments as a section of a job file. Returns 1, or 0 when a problem was written down. */
static int print_lines(const char *section, char *const *lines, size_t n, JobText *ret, Diagnostics *d) {
        FILE *f = open_memstream(&ret->bytes, &ret->n);
        unsigned problems = 0;
        int r = 0;

        if (!f)
                return -ENOMEM;
        fprintf(f, "[%s]\n", section);
        for (size_t i = 0; r >= 0 && i < n; i++) {
                size_t length = strlen(lines[i]);

                if (length > 0 && is_alphanumeric(*lines[i]) && !strchr(lines[i], '\n') &&
                    lines[i][length - 1] != '\\')
                        fprintf(f, "%s\n", lines[i]);
                else {
                        r = diagnostics_add(d, lines[i], 0,
                                            "This is no line of section [%s]. Write KEY=VALUE, as in vaktd.job(5).",
                                            section);
                        problems++;
                }
        }
        if (fclose(f) != 0 || r < 0)
                return -ENOMEM;
        return problems == 0;
}

/* The problems of the text as those of the arguments: its line 1 is the header. */
static int name_arguments(const Diagnostics *from, const char *section, char *const *lines, Diagnostics *to) {
        int r = 0;

        for (size_t i = 0; r >= 0 && i < from->n_items; i++) {
                unsigned line = from->items[i].line;

                r = diagnostics_add(to, line > 1 ? lines[line - 2] : section, 0, "%s", from->items[i].message);
        }
        return r;
}

static int parse_lines(Builder *b, const KeyTable *table, char *const *lines, size_t n, Diagnostics *problems) {
        const char *section = table->rows[0].section;
        _cleanup_(diagnostics_done) Diagnostics found = {};
        _cleanup_(job_text_done) JobText text = {};
        FileProblems file_problems = { .list = &found, .file = section };
        KeyReading reading = {
                .tables = { *table },
                .userdata = b,
                .note = builder_note,
                .problems = &file_problems,
        };
        int r;

        b->problems = &file_problems;
        b->n_problems = 1;
        r = print_lines(section, lines, n, &text, problems);
        if (r <= 0)
                return r < 0 ? r : -EINVAL;
        r = key_table_read(&reading, text.bytes, text.n);
        if (r >= 0 && !builder_section_place(b, section))
                r = file_problems_add(&file_problems, 0, "Write Path=, for example Path=/var/log/app/*.log.");
        if (r >= 0)
                r = upkeep_finish(b);
        if (r >= 0)
                r = file_problems_end(&file_problems);
        if (r >= 0)
                r = name_arguments(&found, section, lines, problems);
        if (r >= 0 && file_problems.n > 0)
                r = -EINVAL;
        free(b->places);
        strv_free(b->upkeep);
        return r;
}

int upkeep_parse_rotate(char *const *lines, size_t n, RotateDef *ret, Diagnostics *problems) {
        _cleanup_(job_def_unrefp) JobDef *d = NULL;
        Builder b = {};
        int r;

        r = job_def_new(&d, "rotate");
        if (r >= 0)
                r = rotate_def_new(&d->rare->rotate);
        if (r < 0)
                return r;
        b.def = d;
        r = parse_lines(&b, &(KeyTable){ rotate_rows, n_rotate_rows, d->rare->rotate, &rotate_def_defaults }, lines, n,
                        problems);
        if (r >= 0)
                *ret = TAKE_GENERIC(*d->rare->rotate, rotate_def_defaults);
        return r;
}

int upkeep_parse_clean(char *const *lines, size_t n, CleanDef *ret, Diagnostics *problems) {
        _cleanup_(job_def_unrefp) JobDef *d = NULL;
        Builder b = {};
        int r;

        r = job_def_new(&d, "clean");
        if (r >= 0)
                r = clean_def_new(&d->rare->clean);
        if (r < 0)
                return r;
        b.def = d;
        r = parse_lines(&b, &(KeyTable){ clean_rows, n_clean_rows, d->rare->clean, &clean_def_defaults }, lines, n,
                        problems);
        if (r >= 0)
                *ret = TAKE_GENERIC(*d->rare->clean, clean_def_defaults);
        return r;
}
