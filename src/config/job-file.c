/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The keys of a job file, and the rules that hold between them. A key that vaktd does not have yet is unknown: better
 * refused with its line than taken and not obeyed. Values of one key are validated where they stand; what only the
 * whole job can tell (nothing to run, Exec= beside Shell=) is validated at the end, and the problem goes to the line
 * that brought it about, which may be one of a drop-in. */

#include "config/job-file.h"

#include <limits.h>
#include <stdio.h>

#include "config/exec-line.h"
#include "config/job-sections.h"
#include "config/replacements.h"
#include "config/service.h"
#include "job/job-text.h"
#include "util/strv.h"
#include "util/utf8.h"

#define TAGS_MAX          64
#define TAG_LENGTH_MAX    64 /* bytes */
#define DOCUMENTATION_MAX 64

#define SHELL       "/bin/sh"
#define PLACEHOLDER "instance" /* what %i stands for while a template is checked */

static void builder_done(Builder *b) {
        job_def_unref(b->def);
        timer_lines_done(&b->timer);
        path_lines_done(&b->path);
        service_lines_done(&b->service);
        strv_free(b->upkeep);
        free(b->chains);
        free(b->places);
        free(b->problems);
        free(b->shell);
}

/* Takes the next word of a list apart by blanks; NULL at the end. */
static const char *next_word(const char **p, size_t *ret_n) {
        const char *word = *p + strspn(*p, BLANKS);

        *ret_n = strcspn(word, BLANKS);
        *p = word + *ret_n;
        return *ret_n > 0 ? word : NULL;
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
                        return key_problem(k, "There are more than %zu words in %s=. Remove some.", max, k->row->key);
                }
                r = strv_consume(list, copy);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* Returns 1 when the word may stay, 0 when its problem was written down. */
static int check_documentation(const KeyLine *k, const char *word) {
        static const char *const schemes[] = { "http://", "https://", "file:", "info:", "man:" };

        for (size_t i = 0; i < ELEMENTSOF(schemes); i++)
                if (startswith(word, schemes[i]))
                        return 1;
        return key_problem(k,
                           "\"%.*s\" is not a URI of documentation. Write URIs that begin with http://, https://, "
                           "file:, info: or man:, and use Description= for text.",
                           (int)utf8_cut(word, 64), word);
}

static int check_tag(const KeyLine *k, const char *word) {
        if (strlen(word) <= TAG_LENGTH_MAX)
                return 1;
        return key_problem(k, "A tag is longer than %d bytes. Shorten it.", TAG_LENGTH_MAX);
}

static int parse_documentation(const KeyLine *k, void *field) {
        return append_words(k, field, DOCUMENTATION_MAX, check_documentation);
}

static int parse_tags(const KeyLine *k, void *field) {
        return append_words(k, field, TAGS_MAX, check_tag);
}

static int parse_exec(const KeyLine *k, _unused_ void *field) {
        _cleanup_free_ char *message = NULL;
        Builder *b = k->reading->userdata;
        int r;

        if (*k->value == '\0') {
                for (size_t i = 0; i < b->def->n_commands; i++)
                        command_def_done(&b->def->commands[i]);
                b->def->n_commands = 0;
                return 0;
        }
        r = exec_line_parse(k->value, k->reading->specifiers, &b->def->commands, &b->def->n_commands, &message);
        return r == -EINVAL ? key_problem(k, "%s", message) : r;
}

static int parse_shell(const KeyLine *k, _unused_ void *field) {
        Builder *b = k->reading->userdata;

        b->shell = mfree(b->shell);
        if (*k->value == '\0')
                return 0;
        b->shell = strdup(k->value);
        return b->shell ? 0 : -ENOMEM;
}

static const KeyWords overlap_words = { overlap_from_string, "queue, skip, replace or parallel" };
static const KeyRange queue_range = { 0, JOB_QUEUE_MAX }, parallel_range = { 1, JOB_QUEUE_MAX };
static const KeySpan delay_span = { 0, .endless = false }, history_span = { USEC_PER_SEC, .endless = true };
static const KeyWords runner_words = { runner_kind_from_string, "unit or warm" };
static const KeySpan runner_span = { USEC_PER_MSEC, .endless = true };
static const KeyRange runner_runs_range = { 1, UINT_MAX - 1 }, runner_slots_range = { 1, JOB_RUNNER_SLOTS_MAX };
static const KeySpan wait_span = { 0, .endless = true };
static const KeyRange retry_range = { 0, JOB_RETRY_MAX }, history_range = { 1, UINT_MAX - 1 };

#define FIELD(name) offsetof(WholeJobDef, name), 0
#define VALUE(name) KEY_VALUE(WholeJobDef, name)

static const KeyRow job_rows[] = {
        { "Job", "Description", key_parse_text, FIELD(def.description) },
        { "Job", "Documentation", parse_documentation, FIELD(rare.documentation) },
        { "Job", "Enabled", key_parse_bool, VALUE(def.enabled) },
        { "Job", "Tags", parse_tags, FIELD(rare.tags) },
        { "Job", "OnSuccess", run_parse_chain, FIELD(rare.on_success) },
        { "Job", "OnFailure", run_parse_chain, FIELD(rare.on_failure) },
        { "Job", "OnAlarm", run_parse_chain, FIELD(rare.on_alarm) },
        { "Job", "SlowSec", key_parse_span_or_none, VALUE(rare.slow) },
        { "Job", "ExpectSec", key_parse_span_or_none, VALUE(rare.expect) },
};

static const KeyRow run_rows[] = {
        { "Run", "Exec", parse_exec, .raw = true, .repeatable = true },
        { "Run", "Shell", parse_shell },
        { "Run", "Unit", run_parse_unit, FIELD(rare.unit) },
        { "Run", "TimeoutSec", key_parse_span_or_none, VALUE(def.timeout) },
        { "Run", "Overlap", key_parse_word, VALUE(def.overlap), &overlap_words },
        { "Run", "QueueMax", key_parse_unsigned, VALUE(rare.queue_max), &queue_range },
        { "Run", "MaxParallel", key_parse_unsigned, VALUE(rare.max_parallel), &parallel_range },
        { "Run", "Pool", run_parse_pool, FIELD(rare.pool) },
        { "Run", "Priority", run_parse_priority, VALUE(rare.priority) },
        { "Run", "WaitFor", wait_parse_condition, FIELD(rare.wait_for), .has_percentages = true },
        { "Run", "WaitMaxSec", key_parse_span, VALUE(rare.wait_max), &wait_span },
        { "Run", "Retry", key_parse_count, VALUE(rare.retry.max), &retry_range },
        { "Run", "RetryDelaySec", key_parse_span, VALUE(rare.retry.delay), &delay_span },
        { "Run", "RetryFactor", run_parse_factor, VALUE(rare.retry.factor) },
        { "Run", "RetryMaxDelaySec", key_parse_span, VALUE(rare.retry.max_delay), &delay_span },
        { "Run", "MinIntervalSec", key_parse_span, VALUE(rare.min_interval), &delay_span },
        { "Run", "SuccessExitStatus", run_parse_success, FIELD(rare.success) },
        { "Run", "Runner", key_parse_word, VALUE(rare.runner.kind), &runner_words },
        { "Run", "RunnerIdleSec", key_parse_span, VALUE(rare.runner.idle), &runner_span },
        { "Run", "RunnerMaxRuns", key_parse_count, VALUE(rare.runner.max_runs), &runner_runs_range },
        { "Run", "RunnerSlots", key_parse_unsigned, VALUE(rare.runner.slots), &runner_slots_range },
        { "Run", "HistoryKeep", key_parse_count, VALUE(rare.history_keep), &history_range },
        { "Run", "HistoryKeepSec", key_parse_span, VALUE(rare.history_keep_usec), &history_span },
};

/* The fields of the keys, in a definition that is being built. */
static void find_tables(const JobDef *d, KeyTable ret[static KEY_TABLES_MAX]) {
        const KeyTable tables[KEY_TABLES_MAX] = {
                { job_rows, ELEMENTSOF(job_rows), (void *)d, &job_def_defaults },
                { timer_rows, n_timer_rows, (void *)d, &job_def_defaults },
                { path_rows, n_path_rows, d->rare->path_trigger, &path_def_defaults },
                { monitor_rows, n_monitor_rows, (void *)d, &job_def_defaults },
                { run_rows, ELEMENTSOF(run_rows), (void *)d, &job_def_defaults },
                { service_rows, n_service_rows, (void *)d, NULL },
                { rotate_rows, n_rotate_rows, d->rare->rotate, &rotate_def_defaults },
                { clean_rows, n_clean_rows, d->rare->clean, &clean_def_defaults },
        };

        memcpy(ret, tables, sizeof(tables));
}

int job_file_text(const JobDef *d, char **ret) {
        KeyTable tables[KEY_TABLES_MAX];
        const char *section = "";
        char *text = NULL;
        size_t size;
        FILE *f = open_memstream(&text, &size);

        if (!f)
                return -ENOMEM;
        find_tables(d, tables);
        for (const char *p = d->text, *end = p + d->text_size; p < end; p = job_text_next(p)) {
                const KeyRow *row = key_row_at(tables, job_text_key(p));
                const char *value = job_text_value(p);

                assert(row);
                if (!streq(row->section, section))
                        fprintf(f, "[%s]\n", row->section);
                section = row->section;
                fprintf(f, "%s=%s", row->key, value);
                for (unsigned i = job_text_blanks(p); i > 0; i--) {
                        value += strlen(value) + 1;
                        fprintf(f, " %s", value);
                }
                fputc('\n', f);
        }
        if (fclose(f) != 0) {
                free(text);
                return -ENOMEM;
        }
        *ret = text;
        return 0;
}

/* Reads one text into the builder's definition; what is wrong is added up in problems. */
static int read_text(Builder *b, const JobText *text, const Specifiers *specifiers, bool instance_unknown,
                     FileProblems *problems) {
        KeyReading reading = {
                .userdata = b,
                .note = builder_note,
                .problems = problems,
                .specifiers = specifiers,
                .instance_unknown = instance_unknown,
                .replacement = replacement_find,
                .digest = b->def->digest,
        };
        int r;

        find_tables(b->def, reading.tables);
        r = key_table_read(&reading, text->bytes, text->n);
        b->def->digest = reading.digest;
        return r;
}

static int put_shell_command(Builder *b) {
        _cleanup_(command_def_done) CommandDef c = { .path = strdup(SHELL), .flags = COMMAND_NO_EXPAND };

        if (!c.path || strv_extend(&c.argv, SHELL) < 0 || strv_extend(&c.argv, "-c") < 0 ||
            strv_consume(&c.argv, TAKE_PTR(b->shell)) < 0)
                return -ENOMEM;
        assert(b->def->n_commands == 0); /* it is Exec= or Shell= */
        free(b->def->commands);
        b->def->commands = malloc(sizeof(CommandDef));
        if (!b->def->commands)
                return -ENOMEM;
        b->def->commands[0] = TAKE_GENERIC(c, (CommandDef){});
        b->def->n_commands = 1;
        return 0;
}

static int problem_nothing_to_run(const Builder *b) {
        const Place *first = b->def->n_triggers > 0       ? b->timer.triggers
                             : b->def->rare->path_trigger ? b->path.sources
                                                          : monitor_place(b);

        return file_problems_add(
                first ? first->problems : &b->problems[0], first ? first->line : 0,
                "The job has nothing to run. Write Exec=, Shell= or Unit= in section [Run], or a section "
                "[Rotate] or [Clean].");
}

/* Validates what only the whole can tell. Follow-up problems are not worth a line: who mistyped Exec= knows that
 * nothing is left to run. */
static int validate_commands(Builder *b) {
        const struct {
                const char *name;
                const Place *place;
        } ways[] = {
                { "Exec=", builder_place(b, "Run", "Exec") },     { "Shell=", builder_place(b, "Run", "Shell") },
                { "Unit=", builder_place(b, "Run", "Unit") },     { "[Rotate]", builder_section_place(b, "Rotate") },
                { "[Clean]", builder_section_place(b, "Clean") },
        };
        size_t first = ELEMENTSOF(ways), later = first;

        for (size_t i = 0; i < ELEMENTSOF(ways); i++) {
                unsigned order = ways[i].place ? ways[i].place->order : 0;

                if (order == 0)
                        continue;
                if (later == ELEMENTSOF(ways) || order > ways[later].place->order)
                        later = i;
                if (first == ELEMENTSOF(ways) || order < ways[first].place->order)
                        first = i;
        }
        if (first != later)
                return file_problems_add(ways[later].place->problems, ways[later].place->line,
                                         "The job has both %s and %s. Remove one of them.", ways[first].name,
                                         ways[later].name);
        if (builder_n_problems(b) > 0)
                return 0;
        if (first == ELEMENTSOF(ways))
                return problem_nothing_to_run(b);
        return b->shell ? put_shell_command(b) : 0;
}

static int finish(Builder *b) {
        int r;

        r = timer_finish(b);
        if (r >= 0)
                r = upkeep_finish(b);
        if (r >= 0)
                r = path_finish(b);
        if (r >= 0)
                r = monitor_finish(b);
        if (r >= 0)
                r = validate_commands(b);
        if (r >= 0)
                r = service_finish(b);
        if (r >= 0)
                r = run_finish_runner(b);
        if (r >= 0 && builder_n_problems(b) == 0)
                r = upkeep_put_command(b);
        if (r >= 0 && builder_n_problems(b) == 0)
                r = run_finish_chains(b);
        for (size_t i = 0; r >= 0 && i < b->n_problems; i++)
                r = file_problems_end(&b->problems[i]);
        return r;
}

static int build(const char *name, JobFileContext *context, const Specifiers *specifiers, bool instance_unknown,
                 const JobText *texts, size_t n_texts, Diagnostics *d, JobDef **ret) {
        _cleanup_(bytes_done) Bytes text = {};
        _cleanup_(builder_done) Builder b = { .context = context, .n_problems = n_texts, .text = &text };
        int r;

        assert(n_texts > 0);
        r = job_def_new(&b.def, name);
        if (r >= 0)
                r = path_def_new(&b.def->rare->path_trigger);
        if (r >= 0)
                r = rotate_def_new(&b.def->rare->rotate);
        if (r >= 0)
                r = clean_def_new(&b.def->rare->clean);
        if (r < 0)
                return r;
        b.def->origin = strdup(texts[0].path);
        b.problems = calloc(n_texts, sizeof(FileProblems));
        b.def->rare->once_since = context->once_since;
        if (!b.def->origin || !b.problems)
                return -ENOMEM;
        b.def->digest = hash_string(hash_string(HASH_START, name), texts[0].path);
        for (size_t i = 0; i < n_texts; i++)
                b.problems[i] = (FileProblems){ .list = d, .file = texts[i].path };
        for (size_t i = 0; r >= 0 && i < n_texts; i++)
                r = read_text(&b, &texts[i], specifiers, instance_unknown, &b.problems[i]);
        if (r >= 0)
                r = finish(&b);
        if (r >= 0 && text.failed)
                r = -ENOMEM;
        if (r < 0)
                return r;
        if (builder_n_problems(&b) > 0)
                return -EINVAL;
        assert(b.def->n_commands > 0 || b.def->rare->unit || instance_unknown);
        b.def->text_size = (uint32_t)text.n;
        b.def->text = TAKE_PTR(text.bytes);
        r = job_def_pack(&b.def);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(b.def);
        return 0;
}

int job_file_build(const char *name, JobFileContext *context, const JobText *texts, size_t n_texts, Diagnostics *d,
                   JobDef **ret) {
        const char *at = strchr(name, '@');
        Specifiers specifiers = { .job = name, .instance = at ? at + 1 : NULL, .host = context->host };

        return build(name, context, &specifiers, /* instance_unknown= */ false, texts, n_texts, d, ret);
}

int job_file_check_template(const char *name, JobFileContext *context, const JobText *texts, size_t n_texts,
                            Diagnostics *d) {
        _cleanup_(job_def_unrefp) JobDef *unused = NULL;
        char job[JOB_NAME_MAX + sizeof(PLACEHOLDER)];
        Specifiers specifiers = { .job = job, .instance = PLACEHOLDER, .host = context->host };

        (void)snprintf(job, sizeof(job), "%s%s", name, PLACEHOLDER);
        return build(job, context, &specifiers, /* instance_unknown= */ true, texts, n_texts, d, &unused);
}
