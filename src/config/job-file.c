/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The keys of a job file, and the rules that hold between them. A key that vaktd does not have yet is unknown: better
 * refused with its line than taken and not obeyed. Values of one key are judged where they stand; what only the whole
 * job can tell (nothing to run, Exec= beside Shell=) is judged at the end, and the fault goes to the line that brought
 * it about, which may be one of a drop-in. */

#include "config/job-file.h"

#include <stdio.h>

#include "config/exec-line.h"
#include "config/key-table.h"
#include "config/utf8.h"
#include "time/span.h"
#include "util/strv.h"

#define BLANKS      " \t"
#define SHELL       "/bin/sh"
#define SPAN_ADVICE "Write one as in systemd.time(7), for example 15min or 1h 30min."
#define PLACEHOLDER "instance" /* what %i stands for while a template is checked */

/* Where something was set; order counts the lines of all texts, 0: it was not. */
typedef struct Place {
        const char *file;
        unsigned line;
        unsigned order;
} Place;

typedef struct Builder {
        JobDef *def;
        const char *file; /* that is being read */
        unsigned order;
        char *shell;
        Place exec_place; /* of the first Exec= that counts */
        Place shell_place;
        Place trigger_places[_TRIGGER_TYPE_MAX]; /* of the first of each type that counts */
} Builder;

static void builder_done(Builder *b) {
        job_def_unref(b->def);
        free(b->shell);
}

static void place_set(Place *p, const KeyLine *k) {
        Builder *b = k->reading->userdata;

        *p = (Place){ .file = b->file, .line = k->line, .order = ++b->order };
}

/* Takes the next word of a list apart by blanks; NULL at the end. */
static char *next_word(const char **p, size_t *ret_n) {
        const char *word = *p + strspn(*p, BLANKS);

        *ret_n = strcspn(word, BLANKS);
        *p = word + *ret_n;
        return *ret_n > 0 ? (char *)word : NULL;
}

static int append_words(const KeyLine *k, char ***list, size_t max, int (*check)(const KeyLine *k, const char *word)) {
        const char *p = k->value, *word;
        size_t n;

        if (*p == '\0')
                *list = strv_free(*list);
        while ((word = next_word(&p, &n))) {
                char *copy = strndup(word, n);
                int r;

                if (!copy)
                        return -ENOMEM;
                r = check(k, copy);
                if (r <= 0) {
                        free(copy);
                        return r;
                }
                if (strv_length(*list) >= max) {
                        free(copy);
                        return key_fault(k, "There are more than %zu words in %s=. Remove some.", max, k->row->key);
                }
                r = strv_consume(list, copy);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* Returns 1 when the word may stay, 0 when its fault was written down. */
static int check_documentation(const KeyLine *k, const char *word) {
        static const char *const schemes[] = { "http://", "https://", "file:", "info:", "man:" };

        for (size_t i = 0; i < ELEMENTSOF(schemes); i++)
                if (startswith(word, schemes[i]))
                        return 1;
        return key_fault(k,
                         "\"%.*s\" is no place of documentation. Write URIs that begin with http://, https://, "
                         "file:, info: or man:, and put text into Description=.",
                         (int)utf8_cut(word, 64), word);
}

static int check_tag(const KeyLine *k, const char *word) {
        if (strlen(word) <= JOB_TAG_LENGTH_MAX)
                return 1;
        return key_fault(k, "A tag is longer than %d bytes. Make it shorter.", JOB_TAG_LENGTH_MAX);
}

static int parse_documentation(const KeyLine *k, void *field) {
        return append_words(k, field, JOB_DOCUMENTATION_MAX, check_documentation);
}

static int parse_tags(const KeyLine *k, void *field) {
        return append_words(k, field, JOB_TAGS_MAX, check_tag);
}

/* Returns 1, or 0 when the fault was written down. */
static int parse_span(const KeyLine *k, usec_t *ret) {
        int r = span_parse(k->value, ret);

        if (r == -ERANGE)
                return key_fault_value(k, "is a longer time span than can be counted. %s", SPAN_ADVICE);
        if (r < 0)
                return key_fault_value(k, "is no time span. %s", SPAN_ADVICE);
        return 1;
}

static void clear_triggers(JobDef *d, TriggerType type) {
        size_t n = 0;

        for (size_t i = 0; i < d->n_triggers; i++)
                if (d->triggers[i].type == type)
                        free(d->triggers[i].expression);
                else
                        d->triggers[n++] = d->triggers[i];
        d->n_triggers = n;
}

static int append_trigger(JobDef *d, TriggerType type, usec_t span, const char *expression) {
        TriggerDef *bigger = reallocarray(d->triggers, d->n_triggers + 1, sizeof(TriggerDef));
        char *copy;

        if (!bigger)
                return -ENOMEM;
        d->triggers = bigger;
        copy = strdup(expression);
        if (!copy)
                return -ENOMEM;
        d->triggers[d->n_triggers++] = (TriggerDef){ .type = type, .span = span, .expression = copy };
        return 0;
}

static const TriggerType interval = TRIGGER_INTERVAL, boot = TRIGGER_BOOT, startup = TRIGGER_STARTUP;

static int parse_trigger(const KeyLine *k, _unused_ void *field) {
        TriggerType type = *(const TriggerType *)k->row->argument;
        Builder *b = k->reading->userdata;
        usec_t span;
        int r;

        if (*k->value == '\0') {
                clear_triggers(b->def, type);
                b->trigger_places[type] = (Place){};
                return 0;
        }
        if (b->trigger_places[type].order == 0)
                place_set(&b->trigger_places[type], k);
        r = parse_span(k, &span);
        if (r <= 0)
                return r;
        if (span == USEC_INFINITY)
                return key_fault_value(k, "never comes. Write a finite time span, or remove the line.");
        if (type == TRIGGER_INTERVAL && span < JOB_INTERVAL_MIN)
                return key_fault_value(k, "is shorter than 1ms. Write a longer time span.");
        if (b->def->n_triggers >= JOB_TRIGGERS_MAX)
                return key_fault(k, "The job has more than %d triggers. Remove some.", JOB_TRIGGERS_MAX);
        return append_trigger(b->def, type, span, k->value);
}

static int parse_exec(const KeyLine *k, _unused_ void *field) {
        _cleanup_free_ char *sentence = NULL;
        Builder *b = k->reading->userdata;
        int r;

        if (*k->value == '\0') {
                for (size_t i = 0; i < b->def->n_commands; i++)
                        command_def_done(&b->def->commands[i]);
                b->def->n_commands = 0;
                b->exec_place = (Place){};
                return 0;
        }
        if (b->exec_place.order == 0)
                place_set(&b->exec_place, k);
        r = exec_line_parse(k->value, k->reading->specifiers, &b->def->commands, &b->def->n_commands, &sentence);
        return r == -EINVAL ? key_fault(k, "%s", sentence) : r;
}

static int parse_shell(const KeyLine *k, _unused_ void *field) {
        Builder *b = k->reading->userdata;

        b->shell = mfree(b->shell);
        b->shell_place = (Place){};
        if (*k->value == '\0')
                return 0;
        place_set(&b->shell_place, k);
        b->shell = strdup(k->value);
        return b->shell ? 0 : -ENOMEM;
}

/* 0 turns a time-out off, as in a unit file; empty leaves it to vaktd.conf. */
static int parse_timeout(const KeyLine *k, void *field) {
        usec_t span = 0;
        int r;

        if (*k->value != '\0') {
                r = parse_span(k, &span);
                if (r <= 0)
                        return r;
                if (span == 0)
                        span = USEC_INFINITY;
        }
        *(usec_t *)field = span;
        return 0;
}

static const KeyWords overlap_words = { overlap_from_string, "queue, skip, replace or parallel" };
static const KeyRange queue_range = { 0, JOB_QUEUE_MAX }, parallel_range = { 1, JOB_QUEUE_MAX };

#define FIELD(name) offsetof(JobDef, name)

static const KeyRow job_rows[] = {
        { "Job", "Description", key_parse_text, FIELD(description) },
        { "Job", "Documentation", parse_documentation, FIELD(documentation) },
        { "Job", "Enabled", key_parse_bool, FIELD(enabled), .fallback = "yes" },
        { "Job", "Tags", parse_tags, FIELD(tags) },
        { "Timer", "OnInterval", parse_trigger, .argument = &interval },
        { "Timer", "OnBootSec", parse_trigger, .argument = &boot },
        { "Timer", "OnStartupSec", parse_trigger, .argument = &startup },
        { "Run", "Exec", parse_exec, .raw = true },
        { "Run", "Shell", parse_shell },
        { "Run", "TimeoutSec", parse_timeout, FIELD(timeout) },
        { "Run", "Overlap", key_parse_word, FIELD(overlap), &overlap_words, "queue" },
        { "Run", "QueueMax", key_parse_unsigned, FIELD(queue_max), &queue_range, "1" },
        { "Run", "MaxParallel", key_parse_unsigned, FIELD(max_parallel), &parallel_range, "16" },
};

/* Reads one text into the builder's definition; faults are added up. */
static int read_text(Builder *b, const JobText *text, const Specifiers *specifiers, bool instance_unknown,
                     Diagnostics *d, unsigned *faults) {
        FileFaults file_faults = { .list = d, .file = text->path };
        KeyReading reading = {
                .rows = job_rows,
                .n_rows = ELEMENTSOF(job_rows),
                .object = b->def,
                .userdata = b,
                .faults = &file_faults,
                .specifiers = specifiers,
                .instance_unknown = instance_unknown,
                .digest = b->def->digest,
        };
        int r;

        b->file = text->path;
        r = key_table_read(&reading, text->bytes, text->n);
        if (r >= 0)
                r = file_faults_end(&file_faults);
        b->def->digest = reading.digest;
        *faults += file_faults.n;
        return r;
}

static int put_shell_command(Builder *b) {
        _cleanup_(command_def_done) CommandDef c = { .path = strdup(SHELL), .flags = COMMAND_NO_EXPAND };

        if (!c.path || strv_extend(&c.argv, SHELL) < 0 || strv_extend(&c.argv, "-c") < 0 ||
            strv_consume(&c.argv, TAKE_PTR(b->shell)) < 0)
                return -ENOMEM;
        free(b->def->commands);
        b->def->commands = malloc(sizeof(CommandDef));
        if (!b->def->commands)
                return -ENOMEM;
        b->def->commands[0] = TAKE_GENERIC(c, (CommandDef){});
        b->def->n_commands = 1;
        return 0;
}

static int fault_nothing_to_run(const Builder *b, const JobText *fragment, Diagnostics *d) {
        const Place *first = &(const Place){ .file = fragment->path, .line = 0, .order = 0 };

        for (size_t i = 0; i < ELEMENTSOF(b->trigger_places); i++) {
                const Place *p = &b->trigger_places[i];

                if (p->order > 0 && (first->order == 0 || p->order < first->order))
                        first = p;
        }
        return diagnostics_add(d, first->file, first->line,
                               "The job has nothing to run. Write Exec= or Shell= in section [Run].");
}

/* Judges what only the whole can tell. Follow-up faults are not worth a line: who mistyped Exec= knows that nothing is
 * left to run. */
static int finish(Builder *b, const JobText *fragment, Diagnostics *d, unsigned *faults) {
        const Place *later = b->exec_place.order > b->shell_place.order ? &b->exec_place : &b->shell_place;

        if (b->exec_place.order > 0 && b->shell_place.order > 0) {
                (*faults)++;
                return diagnostics_add(d, later->file, later->line,
                                       "The job has both Exec= and Shell=. Remove one of them.");
        }
        if (later->order == 0 && *faults == 0) {
                (*faults)++;
                return fault_nothing_to_run(b, fragment, d);
        }
        return *faults == 0 && b->shell ? put_shell_command(b) : 0;
}

static int build(const char *name, const Specifiers *specifiers, bool instance_unknown, const JobText *texts,
                 size_t n_texts, Diagnostics *d, JobDef **ret) {
        _cleanup_(builder_done) Builder b = {};
        unsigned faults = 0;
        int r;

        r = job_def_new(&b.def, name);
        if (r < 0)
                return r;
        b.def->fragment = strdup(texts[0].path);
        if (!b.def->fragment)
                return -ENOMEM;
        b.def->digest = hash_string(hash_string(HASH_START, name), texts[0].path);
        for (size_t i = 0; i < n_texts; i++) {
                r = read_text(&b, &texts[i], specifiers, instance_unknown, d, &faults);
                if (r < 0)
                        return r;
        }
        r = finish(&b, &texts[0], d, &faults);
        if (r < 0)
                return r;
        if (faults > 0)
                return -EINVAL;
        *ret = TAKE_PTR(b.def);
        return 0;
}

int job_file_build(const char *name, const char *host, const JobText *texts, size_t n_texts, Diagnostics *d,
                   JobDef **ret) {
        const char *at = strchr(name, '@');
        Specifiers specifiers = { .job = name, .instance = at ? at + 1 : NULL, .host = host };

        return build(name, &specifiers, /* instance_unknown= */ false, texts, n_texts, d, ret);
}

int job_file_check_template(const char *name, const char *host, const JobText *texts, size_t n_texts, Diagnostics *d) {
        _cleanup_(job_def_unrefp) JobDef *unused = NULL;
        char job[JOB_NAME_MAX + sizeof(PLACEHOLDER)];
        Specifiers specifiers = { .job = job, .instance = PLACEHOLDER, .host = host };

        (void)snprintf(job, sizeof(job), "%s%s", name, PLACEHOLDER);
        return build(job, &specifiers, /* instance_unknown= */ true, texts, n_texts, d, &unused);
}
