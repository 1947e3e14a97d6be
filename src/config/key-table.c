/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* One place for what all keys have in common: finding the row, saying what was probably meant when there is none,
 * "X-…", specifiers, the default behind an empty value, the digest. A parser sees only values that it has to validate.
 */

#include "config/key-table.h"

#include <limits.h>
#include <stdarg.h>

#include "config/reader.h"
#include "time/span.h"
#include "util/edit-distance.h"
#include "util/utf8.h"

#define QUOTED_MAX  64 /* bytes of a value that a problem repeats */
#define SPAN_ADVICE "Write one as in systemd.time(7), for example 15min or 1h 30min."

uint64_t hash_string(uint64_t hash, const char *s) {
        do
                hash = (hash ^ (unsigned char)*s) * 0x100000001b3ULL;
        while (*s++ != '\0');
        return hash;
}

static bool is_private(const char *name) {
        return startswith(name, "X-") != NULL;
}

static int key_problem_v(const KeyLine *k, const char *prefix, const char *hint, const char *format, va_list ap) {
        char text[512];

        (void)vsnprintf(text, sizeof(text), format, ap);
        text[utf8_cut(text, sizeof(text) - 4)] = '\0';
        return file_problems_add(k->problems, k->line, "%s%s%s", prefix, text, hint);
}

int key_problem(const KeyLine *k, const char *format, ...) {
        va_list ap;
        int r;

        va_start(ap, format);
        r = key_problem_v(k, "", "", format, ap);
        va_end(ap);
        return r;
}

/* What shells and other files allow around a value. */
static const char *value_hint(const char *value) {
        size_t n = strlen(value);

        if (n >= 2 && strchr("\"'", value[0]) && value[n - 1] == value[0])
                return " Remove the quotes.";
        if (strstr(value, " #") || strstr(value, "\t#"))
                return " A comment must be on a line of its own.";
        return "";
}

int key_problem_value(const KeyLine *k, const char *format, ...) {
        char prefix[QUOTED_MAX + READER_KEY_MAX + 16];
        size_t n = utf8_cut(k->value, QUOTED_MAX);
        va_list ap;
        int r;

        (void)snprintf(prefix, sizeof(prefix), "%s=%.*s%s ", k->row->key, (int)n, k->value, k->value[n] ? "…" : "");
        va_start(ap, format);
        r = key_problem_v(k, prefix, value_hint(k->value), format, ap);
        va_end(ap);
        return r;
}

const KeyRow *key_row_at(const KeyTable tables[static KEY_TABLES_MAX], size_t i) {
        for (const KeyTable *t = tables; t < tables + KEY_TABLES_MAX; t++) {
                if (i < t->n_rows)
                        return &t->rows[i];
                i -= t->n_rows;
        }
        return NULL;
}

size_t key_row_index(const KeyTable tables[static KEY_TABLES_MAX], const KeyRow *row) {
        size_t before = 0;

        for (; row < tables->rows || row >= tables->rows + tables->n_rows; tables++)
                before += tables->n_rows;
        return before + (size_t)(row - tables->rows);
}

/* Finds the rows of the section, so that its keys are looked for among them only. False when there are none. */
static bool enter_section(KeyReading *r, const char *section) {
        r->n_section_rows = 0;
        for (const KeyTable *t = r->tables; t < r->tables + KEY_TABLES_MAX && r->n_section_rows == 0; t++) {
                const char *last = NULL; /* most often, the next row has the same string */
                bool found = false;

                if (t->n_rows > 0 && t->rows[0].section == t->rows[t->n_rows - 1].section) { /* and so all have */
                        if (streq(t->rows[0].section, section)) {
                                r->section_table = t;
                                r->section_rows = t->rows;
                                r->n_section_rows = t->n_rows;
                        }
                        continue;
                }
                for (size_t i = 0; i < t->n_rows; i++) {
                        found = t->rows[i].section == last ? found : streq(t->rows[i].section, section);
                        last = t->rows[i].section;
                        if (found && r->n_section_rows++ == 0) {
                                r->section_table = t;
                                r->section_rows = &t->rows[i];
                        }
                }
        }
        return r->n_section_rows > 0;
}

/* Writes "[Job], [Timer], [Run]". The rows of a section stand together. */
static void list_sections(const KeyReading *r, char *buf, size_t size) {
        size_t used = 0;

        buf[0] = '\0';
        for (size_t i = 0; used < size; i++) {
                const KeyRow *row = key_row_at(r->tables, i);

                if (!row)
                        return;
                if (i == 0 || !streq(row->section, key_row_at(r->tables, i - 1)->section))
                        used += (size_t)snprintf(buf + used, size - used, "%s[%s%s]", i > 0 ? ", " : "", row->section,
                                                 streq_ptr(row->section, r->named_section) ? " NAME" : "");
        }
}

static int problem_section(KeyReading *r, unsigned line, const char *section) {
        Nearest nearest = nearest_begin(section);
        const char *advice;
        const KeyRow *row;
        char known[256];

        (void)snprintf(known, sizeof(known), "[%s]", section);
        advice = r->replacement ? r->replacement(NULL, known) : NULL;
        if (advice)
                return file_problems_add(r->problems, line, "%s %s", known, advice);
        for (size_t i = 0; (row = key_row_at(r->tables, i)); i++)
                (void)nearest_take(&nearest, row->section, name_distance(section, row->section));
        if (nearest.name)
                return file_problems_add(r->problems, line, "Unknown section [%s]. Did you mean [%s]?", section,
                                         nearest.name);
        list_sections(r, known, sizeof(known));
        return file_problems_add(
                r->problems, line,
                "Unknown section [%s]. Valid sections are: %s. Rename it to [X-%s] if it is to be ignored.", section,
                known, section);
}

/* The rest of a section's header behind "Pool", blanks left out; NULL when it is another section. */
static const char *named_section(const KeyReading *r, const char *section) {
        const char *name = r->named_section ? startswith(section, r->named_section) : NULL;

        return name && (*name == '\0' || *name == ' ') ? name + strspn(name, " ") : NULL;
}

static int on_section(void *userdata, unsigned line, const char *section) {
        KeyReading *r = userdata;
        const char *name = named_section(r, section);
        int e;

        if (name) {
                e = *name != '\0' ? r->begin_named(r, line, name)
                                  : file_problems_add(r->problems, line, "Section [%s] has no name. Write [%s NAME].",
                                                      r->named_section, r->named_section);
                (void)enter_section(r, r->named_section);
                assert(e <= 0 || r->section_table->object);
                r->skip_section = e <= 0;
                return MIN(e, 0);
        }
        r->skip_section = is_private(section);
        if (r->skip_section || enter_section(r, section))
                return 0;
        r->skip_section = true;
        return problem_section(r, line, section);
}

/* The row of the nearest key, in this section or (elsewhere) in the others; NULL when none is near. */
static const KeyRow *find_similar(const KeyReading *r, const char *section, const char *key, bool elsewhere) {
        const KeyRow *best = NULL, *row;
        Nearest nearest = nearest_begin(key);

        for (size_t i = 0; (row = key_row_at(r->tables, i)); i++)
                if (streq(row->section, section) != elsewhere &&
                    nearest_take(&nearest, row->key, name_distance(key, row->key)))
                        best = row;
        return best;
}

static int problem_key(KeyReading *r, unsigned line, const char *section, const char *key) {
        char where[READER_SECTION_MAX + 32];
        const char *advice;
        const KeyRow *near;

        if (r->problems->n >= DIAGNOSTICS_PER_FILE_MAX)
                return file_problems_add(r->problems, line, "Unknown key."); /* is counted only: no need to search */
        if (*section == '\0')
                (void)snprintf(where, sizeof(where), "before the first section");
        else
                (void)snprintf(where, sizeof(where), "in section [%s]", section);
        for (size_t i = 0; (near = key_row_at(r->tables, i)) && !streq(near->key, key);)
                i++;
        advice = r->replacement ? r->replacement(near, key) : NULL;
        if (advice)
                return file_problems_add(r->problems, line, "%s= %s", key, advice);
        if (near)
                return file_problems_add(r->problems, line, "%s= is %s, but belongs in section [%s].", key, where,
                                         near->section);
        near = find_similar(r, section, key, /* elsewhere= */ false);
        if (near)
                return file_problems_add(r->problems, line, "Unknown key %s= %s. Did you mean %s=?", key, where,
                                         near->key);
        near = find_similar(r, section, key, /* elsewhere= */ true);
        if (near)
                return file_problems_add(r->problems, line, "Unknown key %s= %s. Did you mean %s= in section [%s]?",
                                         key, where, near->key, near->section);
        return file_problems_add(r->problems, line,
                                 "Unknown key %s= %s. Remove it, or rename it to X-%s= if it is to be ignored.", key,
                                 where, key);
}

/* Gives the value to the row's parser. */
static int parse_line(KeyReading *r, KeyLine *k) {
        _cleanup_free_ char *expanded = NULL, *message = NULL;
        FileProblems unheard = {};
        bool validated = !r->instance_unknown || !specifier_is_used(k->value, 'i');
        void *field = (char *)r->section_table->object + k->row->offset;
        int e;

        if (r->specifiers && (!k->row->raw || !validated)) {
                Specifiers specifiers = *r->specifiers;

                specifiers.has_percentages = k->row->has_percentages;
                e = specifier_expand(k->value, &specifiers, &expanded, &message);
                if (e == -EINVAL)
                        return key_problem(k, "%s", message);
                if (e < 0)
                        return e;
                if (!k->row->raw)
                        k->value = expanded;
        }
        if (!validated)
                k->problems = &unheard;
        assert(k->row->size == 0 || r->section_table->defaults);
        e = r->note ? r->note(k) : 0;
        if (e < 0)
                return e;
        if (*k->value != '\0' || k->row->size == 0)
                return k->row->parse(k, field);
        memcpy(field, (const char *)r->section_table->defaults + k->row->offset, k->row->size);
        return 0;
}

/* The host's name is part of what a value says, but a job that does not use it is not changed by a new one. */
static uint64_t hash_assignment(const KeyReading *r, const KeyRow *row, const char *value) {
        uint64_t hash = hash_string(hash_string(hash_string(r->digest, row->section), row->key), value);

        return r->specifiers && specifier_is_used(value, 'h') ? hash_string(hash, r->specifiers->host) : hash;
}

static int on_assign(void *userdata, unsigned line, const char *section, const char *key, const char *value) {
        KeyReading *r = userdata;

        if (r->skip_section || is_private(key))
                return 0;
        if (named_section(r, section))
                section = r->named_section;
        for (size_t i = 0; i < r->n_section_rows; i++) {
                const KeyRow *row = &r->section_rows[i];

                if (streq(row->key, key)) {
                        r->digest = hash_assignment(r, row, value);
                        return parse_line(r, &(KeyLine){
                                                     .row = row,
                                                     .value = value,
                                                     .written = value,
                                                     .line = line,
                                                     .problems = r->problems,
                                                     .reading = r,
                                             });
                }
        }
        return problem_key(r, line, section, key);
}

int key_table_read(KeyReading *r, const char *text, size_t n) {
        ReaderSink sink = { .section = on_section, .assign = on_assign, .userdata = r };

        r->skip_section = false;
        r->n_section_rows = 0;
        return reader_parse(text, n, &sink, r->problems);
}

int key_parse_text(const KeyLine *k, void *field) {
        char **text = field, *copy = NULL;

        if (strlen(k->value) > KEY_TEXT_MAX)
                return key_problem_value(k, "is longer than %d bytes. Shorten it.", KEY_TEXT_MAX);
        if (*k->value != '\0') {
                copy = strdup(k->value);
                if (!copy)
                        return -ENOMEM;
        }
        free(*text);
        *text = copy;
        return 0;
}

int key_bool_from_string(const char *s) {
        static const struct {
                const char *word;
                bool value;
        } words[] = {
                { "yes", true }, { "no", false },  { "true", true }, { "false", false },
                { "on", true },  { "off", false }, { "1", true },    { "0", false },
                { "y", true },   { "n", false },   { "t", true },    { "f", false },
        };

        for (size_t i = 0; i < ELEMENTSOF(words); i++)
                if (strcasecmp(s, words[i].word) == 0)
                        return words[i].value;
        return -EINVAL;
}

int key_parse_bool(const KeyLine *k, void *field) {
        int value = key_bool_from_string(k->value);

        if (value < 0)
                return key_problem_value(k, "is neither yes nor no. Write yes or no.");
        *(bool *)field = value;
        return 0;
}

static int parse_number(const KeyLine *k, unsigned *ret, const char *otherwise) {
        const KeyRange *range = k->row->argument;
        unsigned long n;

        errno = 0;
        n = strtoul(k->value, NULL, 10);
        if (*k->value == '\0' || k->value[strspn(k->value, "0123456789")] != '\0')
                return key_problem_value(k, "is not a whole number. Write a number from %u to %u%s.", range->min,
                                         range->max, otherwise);
        if (errno != 0 || n < range->min || n > range->max)
                return key_problem_value(k, "is out of range. Write a number from %u to %u%s.", range->min, range->max,
                                         otherwise);
        *ret = (unsigned)n;
        return 0;
}

int key_parse_unsigned(const KeyLine *k, void *field) {
        return parse_number(k, field, "");
}

int key_parse_count(const KeyLine *k, void *field) {
        if (!streq(k->value, "infinity"))
                return parse_number(k, field, ", or infinity");
        *(unsigned *)field = UINT_MAX;
        return 0;
}

int key_read_span(const KeyLine *k, usec_t *ret) {
        int r = span_parse(k->value, ret);

        if (r == -ERANGE)
                return key_problem_value(k, "is too long a time span. %s", SPAN_ADVICE);
        if (r < 0)
                return key_problem_value(k, "is not a time span. %s", SPAN_ADVICE);
        return 1;
}

int key_parse_span(const KeyLine *k, void *field) {
        const KeySpan *bounds = k->row->argument;
        char text[SPAN_TEXT_MAX];
        usec_t span;
        int r;

        r = key_read_span(k, &span);
        if (r <= 0)
                return r;
        if (span == USEC_INFINITY && !bounds->endless)
                return key_problem_value(k, "is not finite. Write a finite time span.");
        if (span < bounds->min)
                return key_problem_value(k, "is shorter than %s. Write a longer time span.",
                                         span_format(text, bounds->min, 1));
        *(usec_t *)field = span;
        return 0;
}

int key_parse_span_or_none(const KeyLine *k, void *field) {
        usec_t span;
        int r = key_read_span(k, &span);

        if (r <= 0)
                return r;
        *(usec_t *)field = span > 0 ? span : USEC_INFINITY;
        return 0;
}

int key_read_mode(const KeyLine *k, mode_t *ret) {
        size_t n = strspn(k->value, "01234567");
        unsigned long mode = strtoul(k->value, NULL, 8);

        if (n == 0 || n > 5 || k->value[n] != '\0' || mode > 07777)
                return key_problem_value(k, "is not an access mode. Write an octal number, for example 0750.");
        *ret = (mode_t)mode;
        return 1;
}

int key_parse_word(const KeyLine *k, void *field) {
        const KeyWords *words = k->row->argument;
        int value = words->from_string(k->value);

        if (value < 0)
                return key_problem_value(k, "is unknown. Write %s.", words->choices);
        *(int *)field = value;
        return 0;
}

int key_each_word(const KeyLine *k, int (*visit)(const KeyLine *k, const char *word, void *field), void *field) {
        _cleanup_free_ char *copy = strdup(k->value);
        char *state = NULL;
        int r = 0;

        if (!copy)
                return -ENOMEM;
        for (char *word = strtok_r(copy, BLANKS, &state); r == 0 && word; word = strtok_r(NULL, BLANKS, &state))
                r = visit(k, word, field);
        return r;
}
