/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* vaktctl test: the tests of a condition, asked by the code that the daemon uses, but by this process and so with the
 * rights of the caller. Only what is known of jobs comes from the daemon.
 *
 * The table is printed when each test has been answered; with --watch, each change from then on. */

#include <assert.h>
#include <stdio.h>

#include "client/job-view.h"
#include "config.h"
#include "ctl/alloc.h"
#include "ctl/ctl.h"
#include "ctl/json.h"
#include "ctl/relative-time.h"
#include "ctl/view-text.h"
#include "probe/probe.h"
#include "util/turn.h"

#define JOB_INTERVAL (2 * USEC_PER_SEC) /* the daemon is asked again */

typedef struct Tests Tests;

typedef struct TestRow {
        ProbeUse use; /* the first member */
        Tests *tests;
        bool is_answered;
        bool is_of_daemon;
        Reading reading;
        char *reason; /* that of the reading */
} TestRow;

struct Tests {
        Ctl *ctl;
        Condition *condition;
        char *text; /* normalized */
        sd_event *event;
        Probes *probes;
        sd_event_source *job_timer;
        TestRow *rows;
        Reading *readings;
        size_t n, n_unanswered;
        bool is_shown;
        Truth truth; /* as it was shown last */
};

static const char *const operators[] = {
        [CONDITION_IS] = "",          [CONDITION_LESS] = "<",           [CONDITION_LESS_EQUAL] = "<=",
        [CONDITION_GREATER] = ">",    [CONDITION_GREATER_EQUAL] = ">=", [CONDITION_EQUAL] = "=",
        [CONDITION_NOT_EQUAL] = "!=",
};

/* --- texts --- */

static char *row_question(const TestRow *row) {
        char *text;

        if (question_format(&row->use.test->question, &text) < 0)
                alloc_failed();
        return text;
}

static char *row_limit(const TestRow *row) {
        char limit[CONDITION_VALUE_MAX];

        if (row->use.test->op == CONDITION_IS)
                return alloc_string("-");
        return alloc_format("%s %s", operators[row->use.test->op], limit_format(limit, row->use.test));
}

static char *row_value(const TestRow *row) {
        char value[CONDITION_VALUE_MAX];

        return alloc_string(row->reading.is_known ? reading_format(value, &row->use.test->question, &row->reading)
                                                  : "-");
}

static const char *row_source(const TestRow *row, usec_t *ret_interval) {
        *ret_interval = JOB_INTERVAL;
        if (row->is_of_daemon)
                return "daemon";
        *ret_interval = 0;
        return row->use.probe ? probe_source(&row->use, ret_interval) : "-";
}

static char *row_source_text(const TestRow *row) {
        char span[SPAN_TEXT_MAX];
        usec_t interval;
        const char *source = row_source(row, &interval);

        return streq(source, "sample") ? alloc_format(_("every %s"), duration_format(span, interval))
                                       : alloc_string(source);
}

static Truth row_truth(const TestRow *row) {
        return condition_test_truth(row->use.test, &row->reading);
}

static char *row_result(const TestRow *row) {
        const char *truth = truth_to_string(row_truth(row));

        return row->reason ? alloc_format("%s: %s", truth, row->reason) : alloc_string(truth);
}

static Color truth_color(Truth t) {
        return t == TRUTH_TRUE ? COLOR_GREEN : t == TRUTH_UNKNOWN ? COLOR_YELLOW : COLOR_NONE;
}

static Truth tests_truth(const Tests *t) {
        for (size_t i = 0; i < t->n; i++)
                t->readings[i] = t->rows[i].reading;
        return condition_truth(t->condition, t->readings);
}

/* --- output --- */

static void add_row(Table *table, const TestRow *row) {
        _cleanup_free_ char *question = row_question(row), *value = row_value(row), *limit = row_limit(row);
        _cleanup_free_ char *source = row_source_text(row), *result = row_result(row);

        table_add(table, (TableCell[]){
                                 { .text = question },
                                 { .text = value },
                                 { .text = limit },
                                 { .text = source },
                                 { .text = result, .color = truth_color(row_truth(row)) },
                         });
}

static void print_table(const Tests *t) {
        static const TableColumn columns[] = {
                { .title = N_("TEST"), .shrink = SHRINK_LATE },
                { .title = N_("VALUE") },
                { .title = N_("LIMIT") },
                { .title = N_("SOURCE") },
                { .title = N_("RESULT"), .shrink = SHRINK_FIRST },
        };
        _cleanup_(table_freep) Table *table = table_new(columns, ELEMENTSOF(columns));

        for (size_t i = 0; i < t->n; i++)
                add_row(table, &t->rows[i]);
        table_print(table, stdout, &t->ctl->style);
        if (!t->ctl->no_legend)
                printf(_("\nThe condition is %s.\n"), truth_to_string(t->truth));
}

static json_object *row_json(const TestRow *row) {
        _cleanup_free_ char *question = row_question(row), *value = row_value(row), *limit = row_limit(row);
        json_object *o = json_new_object();
        usec_t interval;

        json_add_string(o, "test", question);
        json_add_string(o, "value", row->reading.is_known ? value : NULL);
        json_add_string(o, "limit", row->use.test->op == CONDITION_IS ? NULL : limit);
        json_add_string(o, "source", row_source(row, &interval));
        json_add_known(o, "interval_usec", interval == 0 ? UINT64_MAX : interval);
        json_add_string(o, "result", truth_to_string(row_truth(row)));
        json_add_string(o, "reason", row->reason);
        return o;
}

/* All tests, on one line. */
static void print_json(const Tests *t) {
        json_object *o = json_new_object(), *array = json_new_array();

        json_add_string(o, "condition", t->text);
        json_add_time(o, "time_usec", now_realtime());
        json_add_string(o, "result", truth_to_string(t->truth));
        for (size_t i = 0; i < t->n; i++)
                json_append(array, row_json(&t->rows[i]));
        json_add(o, "tests", array);
        (void)json_print_line(stdout, o);
}

static void print_time(void) {
        char time[LOCAL_TIME_TEXT_MAX];

        printf("%s ", local_time_format_short(time, now_realtime()));
}

static void print_change(const Tests *t, const TestRow *row, bool has_turned) {
        _cleanup_free_ char *question = row_question(row), *value = row_value(row), *result = row_result(row);
        _cleanup_free_ char *line = row->reading.is_known ? alloc_format("%s: %s, %s", question, value, result)
                                                          : alloc_format("%s: %s", question, result);

        print_time();
        ctl_print_colored(t->ctl, truth_color(row_truth(row)), line);
        putchar('\n');
        if (!has_turned)
                return;
        print_time();
        printf(_("The condition is now %s.\n"), truth_to_string(t->truth));
}

/* The first answer of the last test, or a change of one. */
static void show(Tests *t, const TestRow *row) {
        Truth before = t->truth;

        t->truth = tests_truth(t);
        if (t->ctl->json)
                print_json(t);
        else if (!t->is_shown)
                print_table(t);
        else
                print_change(t, row, t->truth != before);
        t->is_shown = true;
        fflush(stdout);
        if (!t->ctl->watch)
                (void)sd_event_exit(t->event, 0);
}

/* --- readings --- */

static void row_answer(TestRow *row, const Reading *r) {
        Tests *t = row->tests;

        row->reading = *r;
        free(row->reason);
        row->reason = row->reading.reason ? alloc_string(row->reading.reason) : NULL;
        row->reading.reason = row->reason;
        row->reading.subject = NULL; /* borrowed */
        if (!row->is_answered) {
                row->is_answered = true;
                t->n_unanswered--;
        }
        if (t->n_unanswered == 0)
                show(t, row);
}

static void on_changed(ProbeUse *use) {
        row_answer((TestRow *)(void *)use, probe_reading(use));
}

static bool job_is(const JobView *v, const char *state) {
        if (streq(state, "running"))
                return v->running > 0;
        if (streq(state, "failed"))
                return result_is_failure(v->last_result);
        for (const PropertyAlarm *a = v->alarms; a->key; a++)
                if (streq(a->key, "expect"))
                        return true;
        return false;
}

static void row_ask_daemon(TestRow *row) {
        const Question *q = &row->use.test->question;
        _cleanup_(job_view_done) JobView v = { 0 };
        Ctl *c = row->tests->ctl;
        Reading r = { .is_known = true };

        if (job_view_get(c->connection, q->subject, &c->error, &v) < 0)
                r = (Reading){ .reason = strempty(c->error.message) };
        else
                r.value = job_is(&v, strempty(q->aspect));
        if (!row->is_answered || r.is_known != row->reading.is_known || r.value != row->reading.value ||
            !streq_ptr(r.reason, row->reason))
                row_answer(row, &r);
        sd_bus_error_free(&c->error);
}

static int on_job_timer(sd_event_source *s, uint64_t usec, void *userdata) {
        Tests *t = userdata;

        for (size_t i = 0; i < t->n; i++) {
                TestRow *row = &t->rows[i];

                if (row->is_of_daemon)
                        row_ask_daemon(row);
                else if (!row->use.probe && !row->is_answered)
                        row_answer(row, &(Reading){ .reason = "It cannot be asked for yet." });
        }
        (void)sd_event_source_set_time_relative(s, JOB_INTERVAL);
        return sd_event_source_set_enabled(s, SD_EVENT_ONESHOT);
}

/* --- life --- */

static void tests_done(Tests *t) {
        for (size_t i = 0; i < t->n; i++) {
                probe_unuse(&t->rows[i].use);
                free(t->rows[i].reason);
        }
        free(t->rows);
        free(t->readings);
        free(t->text);
        sd_event_source_disable_unref(t->job_timer);
        probes_free(t->probes);
        sd_event_unref(t->event);
        condition_free(t->condition);
}

static int tests_parse(Tests *t, char **args) {
        _cleanup_free_ char *text = ctl_join(args);
        ConditionError problem;
        int r;

        r = condition_parse(text, &t->condition, &problem);
        if (r == -ENOMEM)
                alloc_failed();
        if (r < 0) {
                ctl_complain(_("Invalid condition (column %zu): %s"), problem.column, problem.message);
                ctl_print_caret(text, problem.column);
                return CTL_USAGE;
        }
        if (condition_format(t->condition, &t->text) < 0)
                alloc_failed();
        return CTL_DONE;
}

static int row_begin(Tests *t, TestRow *row, const ConditionTest *test) {
        int r;

        *row = (TestRow){
                .use = { .test = test, .sample_max = PROBE_SAMPLE_DEFAULT_USEC, .changed = on_changed },
                .tests = t,
                .is_of_daemon = test->question.kind == CONDITION_JOB,
        };
        r = probe_use(t->probes, &row->use);
        return r == -EOPNOTSUPP ? sd_event_source_set_enabled(t->job_timer, SD_EVENT_ONESHOT) : r;
}

static int tests_begin(Tests *t) {
        ProbesOptions options = { .program_dir = getenv("VAKTD_PROGRAM_DIR") ?: VAKT_PKGLIBDIR,
                                  .user_instance = t->ctl->user };
        size_t n = condition_n_tests(t->condition);
        int r;

        t->rows = alloc_array(NULL, n, sizeof(TestRow));
        t->readings = alloc_array(NULL, n, sizeof(Reading));
        r = sd_event_new(&t->event);
        if (r >= 0)
                r = ctl_end_on_interrupt(t->event);
        if (r >= 0)
                r = event_add_timer(t->event, &t->job_timer, "jobs", CLOCK_MONOTONIC, USEC_PER_SEC / 10, on_job_timer,
                                    t);
        if (r >= 0)
                r = probes_new(&t->probes, t->event, &options);
        t->n_unanswered = n;
        for (; r >= 0 && t->n < n; t->n++)
                r = row_begin(t, &t->rows[t->n], condition_test(t->condition, t->n));
        return r;
}

static int exit_code(Truth t) {
        return t == TRUTH_TRUE ? CTL_DONE : t == TRUTH_FALSE ? CTL_FAILED : CTL_UNKNOWN;
}

int verb_test(Ctl *c, char **args) {
        _cleanup_(tests_done) Tests t = { .ctl = c, .truth = TRUTH_UNKNOWN };
        int r;

        r = tests_parse(&t, args);
        if (r != CTL_DONE)
                return r;
        r = tests_begin(&t);
        if (r >= 0)
                r = sd_event_loop(t.event);
        if (r < 0) {
                ctl_complain(_("Cannot test the condition: %s."), strerror(-r));
                return CTL_UNKNOWN;
        }
        return exit_code(t.truth);
}
