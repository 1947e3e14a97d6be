/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Conditions of a job. What is wrong with one is told with the column in the file, which is not that in the expression
 * when specifiers come before it. */

#include "config/job-sections.h"

#include "util/utf8.h"

#define EVERY_MIN USEC_PER_SEC
#define SHOWN_MAX 64

static int problem_column(const KeyLine *k, size_t column, const char *message) {
        Specifiers specifiers = *k->reading->specifiers;

        specifiers.has_percentages = k->row->has_percentages;
        return key_problem(k, "%s= is not a valid condition: column %zu: %s", k->row->key,
                           specifier_origin(k->written, &specifiers, column - 1) + 1, message);
}

/* Jobs are named in a condition as in OnSuccess=. Returns 1, or 0 when a problem was written down. */
static int check_jobs(const KeyLine *k, const Condition *c) {
        for (size_t i = 0; i < condition_n_tests(c); i++) {
                const ConditionTest *t = condition_test(c, i);
                const char *name = t->question.subject;
                char message[128];

                if (t->question.kind != CONDITION_JOB || (job_name_is_valid(name) && name[strlen(name) - 1] != '@'))
                        continue;
                (void)snprintf(message, sizeof(message), "\"%.*s\" is not a valid name of a job.",
                               (int)utf8_cut(name, SHOWN_MAX), name);
                return problem_column(k, t->column, message);
        }
        return 1;
}

/* Adds a condition to those that must hold with it. */
int wait_parse_condition(const KeyLine *k, void *field) {
        _cleanup_(condition_freep) Condition *c = NULL;
        Condition **all = field;
        ConditionError e;
        int r;

        if (*k->value == '\0') {
                *all = condition_free(*all);
                return 0;
        }
        r = condition_parse(k->value, &c, &e);
        if (r == -EINVAL)
                return problem_column(k, e.column, e.message);
        if (r >= 0)
                r = check_jobs(k, c);
        if (r <= 0)
                return r;
        r = condition_and(TAKE_PTR(*all), TAKE_PTR(c), all);
        if (r == -E2BIG)
                return key_problem(k,
                                   "The lines of %s= are too many for one condition, which has at most %d tests and "
                                   "%d bytes. Remove some.",
                                   k->row->key, CONDITION_TESTS_MAX, CONDITION_TEXT_MAX);
        return r;
}

static int parse_every(const KeyLine *k, void *field) {
        usec_t span;
        int r = key_read_span(k, &span);

        if (r <= 0)
                return r;
        if (span > 0 && span < EVERY_MIN)
                return key_problem_value(k, "is shorter than a second. Write a longer time span, or 0 for never.");
        *(usec_t *)field = span == USEC_INFINITY ? 0 : span;
        return 0;
}

static const KeySpan hold_span = { 0, .endless = false }, sample_span = { USEC_PER_SEC, .endless = false };

#define FIELD(name) offsetof(WholeJobDef, rare.monitor.name), 0
#define VALUE(name) KEY_VALUE(WholeJobDef, rare.monitor.name)

const KeyRow monitor_rows[] = {
        { "Monitor", "When", wait_parse_condition, FIELD(when), .has_percentages = true, .repeatable = true },
        { "Monitor", "Clear", wait_parse_condition, FIELD(clear), .has_percentages = true, .repeatable = true },
        { "Monitor", "ForSec", key_parse_span, VALUE(for_usec), &hold_span },
        { "Monitor", "ClearForSec", key_parse_span, VALUE(clear_for), &hold_span },
        { "Monitor", "EverySec", parse_every, VALUE(every) },
        { "Monitor", "SampleSec", key_parse_span, VALUE(sample_max), &sample_span },
        { "Monitor", "OnClear", run_parse_chain, FIELD(on_clear) },
};
const size_t n_monitor_rows = ELEMENTSOF(monitor_rows);

const Place *monitor_place(const Builder *b) {
        for (size_t i = 0; i < n_monitor_rows; i++) {
                const Place *place = builder_place(b, "Monitor", monitor_rows[i].key);

                if (place->order > 0)
                        return place;
        }
        return NULL;
}

/* A drop-in may leave nothing of When=: then there is no monitor. */
int monitor_finish(Builder *b) {
        MonitorDef *m = &b->def->rare->monitor;
        const Place *place = monitor_place(b);
        int r;

        if (!place || builder_n_problems(b) > 0)
                return 0;
        if (!builder_place(b, "Monitor", "When")->row)
                return file_problems_add(place->problems, place->line,
                                         "Section [Monitor] has no condition. Write When=, for example When=%s.",
                                         condition_kind_example(CONDITION_DISK_FREE));
        if (!m->when || m->clear)
                return 0;
        r = condition_copy(m->when, &m->clear);
        if (r >= 0)
                r = condition_not(TAKE_PTR(m->clear), &m->clear);
        if (r == -E2BIG)
                return file_problems_add(place->problems, place->line,
                                         "The condition of When= is too large to be negated. Write Clear=.");
        return r;
}
