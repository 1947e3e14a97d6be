/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* vaktctl values: what the conditions of jobs ask for, and the history of one. A line of bars has as many buckets as
 * the terminal has columns; a table has so many that people read it. What is not known is a blank in one, and a reason
 * in the other. */

#include <math.h>

#include "client/value-view.h"
#include "condition/condition.h"
#include "ctl/alloc.h"
#include "ctl/ctl.h"
#include "ctl/json.h"
#include "ctl/local-zone.h"
#include "ctl/relative-time.h"
#include "ctl/view-text.h"

#define SPAN_DEFAULT   USEC_PER_DAY
#define SPAN_MAX       (31 * USEC_PER_DAY) /* there is nothing before that */
#define WIDTH_DEFAULT  80                  /* columns, when the output is not a terminal */
#define LIST_COLUMNS   24
#define TABLE_ROWS_MAX 36
#define LEVELS         8

typedef struct Span {
        usec_t since, until, now;
} Span;

/* --- lines of bars --- */

static const char *const bars_utf8[LEVELS] = { "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█" };
static const char *const bars_ascii[LEVELS] = { "_", ".", "-", "=", "+", "*", "#", "@" };

/* The lowest and the highest mean; of truths, whatever there may be. */
static void find_range(const ValueHistory *h, double *ret_low, double *ret_high) {
        double low = INFINITY, high = -INFINITY;

        for (size_t i = 0; i < h->n_buckets; i++) {
                double mean = h->buckets[i].mean;

                if (h->buckets[i].known == 0 || !isfinite(mean))
                        continue;
                low = MIN(low, mean);
                high = MAX(high, mean);
        }
        *ret_low = streq(h->unit, "boolean") ? 0 : low;
        *ret_high = streq(h->unit, "boolean") ? 1 : high;
}

static size_t bar_level(double mean, double low, double high) {
        if (!isfinite(mean)) /* it never comes to that */
                return LEVELS - 1;
        if (!(high > low))
                return high > 0 || high < 0 ? LEVELS / 2 - 1 : 0;
        return (size_t)((mean - low) / (high - low) * (LEVELS - 1) + 0.5);
}

/* As many columns, the last of which is that of the last bucket. */
static char *draw_bars(const Ctl *c, const ValueHistory *h, size_t columns) {
        const char *const *bars = c->shows_bars ? bars_utf8 : bars_ascii;
        size_t first = h->n_buckets > columns ? h->n_buckets - columns : 0;
        char *line = alloc_array(NULL, columns, strlen(bars_utf8[0]) + 1), *p = line;
        double low, high;

        find_range(h, &low, &high);
        p += sprintf(p, "%*s", (int)(columns - (h->n_buckets - first)), "");
        for (size_t i = first; i < h->n_buckets; i++)
                p = stpcpy(p, h->buckets[i].known == 0 ? " " : bars[bar_level(h->buckets[i].mean, low, high)]);
        return line;
}

/* So wide that they fill the columns. */
static usec_t bar_grain(const Span *span, size_t columns) {
        return (span->until - span->since + columns - 1) / columns;
}

/* --- values --- */

static char *mean_text(const char *probe, double mean) {
        char text[CONDITION_VALUE_MAX];
        Question q;

        if (question_parse(probe, &q, NULL) < 0)
                return alloc_format("%g", mean);
        (void)mean_format(text, q.kind, mean);
        question_done(&q);
        return alloc_string(text);
}

/* --- JSON --- */

/* There is no value, or it is one that never comes. */
static void add_value(json_object *o, const char *key, bool is_known, int64_t value) {
        bool is_number = is_known && value != CONDITION_NEVER;

        json_add(o, key, is_number ? json_object_new_int64(value) : NULL);
}

static json_object *value_json(const ValueView *v) {
        json_object *o = json_new_object();

        json_add_string(o, "probe", v->probe);
        json_add_string(o, "unit", v->unit);
        json_add_bool(o, "known", v->is_known);
        add_value(o, "value", v->is_known, v->value);
        add_value(o, "whole", v->whole > 0, v->whole);
        json_add_time(o, "time_usec", v->at);
        json_add_word(o, "reason", v->is_known ? NULL : v->reason);
        json_add_bool(o, "used", v->is_used);
        return o;
}

static json_object *bucket_json(const ValueBucket *b) {
        json_object *o = json_new_object();

        json_add_time(o, "start_usec", b->start);
        json_add_number(o, "known_usec", b->known);
        add_value(o, "min", b->known > 0, b->min);
        json_add(o, "mean", isfinite(b->mean) ? json_object_new_double(b->mean) : NULL);
        add_value(o, "max", b->known > 0, b->max);
        json_add_word(o, "reason", b->reason);
        return o;
}

static int print_list_json(const Rows *rows) {
        json_object *array = json_new_array();

        for (size_t i = 0; i < rows->n_items; i++)
                json_append(array, value_json(&rows->values[i]));
        return json_print(array);
}

/* Its last value, as in the list, and all buckets that there are. */
static int print_one_json(Ctl *c, const ValueView *v, const Span *span) {
        _cleanup_(value_history_done) ValueHistory h = { 0 };
        json_object *o, *array;
        int r;

        r = value_history_get(c->connection, v->probe, span->since, span->until, 0, &c->error, &h);
        if (r < 0)
                return ctl_failed(c, r, NULL);
        o = value_json(v);
        array = json_new_array();
        json_add_number(o, "grain_usec", h.grain);
        for (size_t i = 0; i < h.n_buckets; i++)
                json_append(array, bucket_json(&h.buckets[i]));
        json_add(o, "buckets", array);
        return json_print(o);
}

/* --- the list --- */

static int add_row(Ctl *c, Table *t, const ValueView *v, const Span *span) {
        _cleanup_(value_history_done) ValueHistory h = { 0 };
        _cleanup_free_ char *value = value_view_text(v), *bars = NULL;
        int r;

        r = value_history_get(c->connection, v->probe, span->since, span->until, bar_grain(span, LIST_COLUMNS),
                              &c->error, &h);
        if (r == -ENOENT) { /* by now */
                sd_bus_error_free(&c->error);
                return CTL_DONE;
        }
        if (r < 0)
                return ctl_failed(c, r, NULL);
        bars = draw_bars(c, &h, LIST_COLUMNS);
        table_add(t, (TableCell[]){ { v->probe, v->is_used ? COLOR_NONE : COLOR_GREY },
                                    { bars, COLOR_NONE },
                                    { value, v->is_known ? COLOR_NONE : COLOR_YELLOW } });
        return CTL_DONE;
}

static int print_list(Ctl *c, const Rows *rows, const Span *span) {
        const TableColumn columns[] = {
                { .title = N_("PROBE"), .shrink = SHRINK_LATE },
                { .title = c->since || c->until ? N_("HISTORY") : N_("LAST 24H"), .shrink = SHRINK_LAST },
                { .title = N_("VALUE"), .shrink = SHRINK_FIRST },
        };
        _cleanup_(table_freep) Table *t = table_new(columns, ELEMENTSOF(columns));
        int r = CTL_DONE;

        for (size_t i = 0; r == CTL_DONE && i < rows->n_items; i++)
                r = add_row(c, t, &rows->values[i], span);
        if (r != CTL_DONE)
                return r;
        if (rows->n_items > 0)
                table_print(t, stdout, &c->style);
        else
                ctl_say(c, stdout, _("No job has a condition whose values are kept; see 'man vaktd.job'."));
        return CTL_DONE;
}

/* --- one --- */

/* The smallest of some usual spans that gives a table of a readable size. */
static usec_t table_grain(const Span *span) {
        static const usec_t grains[] = {
                USEC_PER_MINUTE, 5 * USEC_PER_MINUTE, 15 * USEC_PER_MINUTE, 30 * USEC_PER_MINUTE,
                USEC_PER_HOUR,   3 * USEC_PER_HOUR,   6 * USEC_PER_HOUR,    12 * USEC_PER_HOUR,
        };

        for (size_t i = 0; i < ELEMENTSOF(grains); i++)
                if ((span->until - span->since) / grains[i] <= TABLE_ROWS_MAX)
                        return grains[i];
        return USEC_PER_DAY;
}

/* "97.2%", when it was not all of the time that has passed. */
static char *known_text(const ValueBucket *b, usec_t grain, usec_t now) {
        usec_t passed = usec_sub(MIN(b->start + grain, now), b->start);

        if (b->known == 0 || b->known + USEC_PER_SEC >= passed)
                return NULL;
        return alloc_format("%.1f%%", 100.0 * (double)b->known / (double)passed);
}

static void add_bucket(Table *t, const char *probe, const ValueBucket *b, usec_t grain, usec_t now) {
        _cleanup_free_ char *known = known_text(b, grain, now), *min = NULL, *mean = NULL, *max = NULL;
        char start[LOCAL_TIME_TEXT_MAX];

        if (b->known > 0) {
                min = value_text(probe, true, b->min, 0);
                mean = mean_text(probe, b->mean);
                max = value_text(probe, true, b->max, 0);
        }
        table_add(t, (TableCell[]){ { local_time_format_short(start, b->start), COLOR_NONE },
                                    { min ?: "-", COLOR_NONE },
                                    { mean ?: "-", COLOR_NONE },
                                    { max ?: "-", COLOR_NONE },
                                    { known, COLOR_YELLOW },
                                    { isempty(b->reason) ? NULL : b->reason, COLOR_YELLOW } });
}

static void print_buckets(const Ctl *c, const char *probe, const ValueHistory *h, usec_t now) {
        static const TableColumn columns[] = {
                { .title = N_("FROM") },
                { .title = N_("MIN"), .right = true },
                { .title = N_("MEAN"), .right = true },
                { .title = N_("MAX"), .right = true },
                { .title = N_("KNOWN"), .right = true, .optional = true },
                { .title = N_("UNKNOWN BECAUSE"), .shrink = SHRINK_FIRST, .optional = true },
        };
        _cleanup_(table_freep) Table *t = table_new(columns, ELEMENTSOF(columns));
        size_t i = 0;

        while (i < h->n_buckets && h->buckets[i].known == 0 && isempty(h->buckets[i].reason))
                i++; /* no job had asked yet */
        for (; i < h->n_buckets; i++)
                add_bucket(t, probe, &h->buckets[i], h->grain, now);
        if (table_size(t) == 0) {
                ctl_say(c, stdout, _("Nothing is kept of this time."));
                return;
        }
        table_print(t, stdout, &c->style);
}

static int print_one(Ctl *c, const ValueView *v, const Span *span) {
        _cleanup_(value_history_done) ValueHistory bars = { 0 }, table = { 0 };
        size_t columns = c->style.width ?: WIDTH_DEFAULT;
        char when[RELATIVE_TIME_MAX];
        int r;

        r = value_history_get(c->connection, v->probe, span->since, span->until, bar_grain(span, columns), &c->error,
                              &bars);
        if (r >= 0)
                r = value_history_get(c->connection, v->probe, span->since, span->until, table_grain(span), &c->error,
                                      &table);
        if (r < 0)
                return ctl_failed(c, r, NULL);
        if (!c->no_legend) {
                _cleanup_free_ char *last = value_view_text(v), *line = NULL, *drawn = draw_bars(c, &bars, columns);

                line = alloc_format("%s: %s%s%s%s", v->probe, last, v->at > 0 ? ", " : "",
                                    v->at > 0 ? relative_time_format(when, v->at, MAX(span->now, v->at)) : "",
                                    v->is_used ? "" : _("; no job asks for it now"));
                ctl_print_colored(c, COLOR_NONE, line);
                printf("\n%s\n\n", drawn);
        }
        print_buckets(c, v->probe, &table, span->now);
        return CTL_DONE;
}

/* --- the verb --- */

static int read_span(const Ctl *c, Span *ret) {
        usec_t now = now_realtime();
        int r;

        *ret = (Span){ .until = now, .now = now };
        r = local_zone_parse_range(c->since, c->until, now, &ret->since, &ret->until);
        if (r != CTL_DONE)
                return r;
        if (!c->since)
                ret->since = usec_sub(ret->until, SPAN_DEFAULT);
        ret->until = MIN(ret->until, now);
        if (ret->since >= ret->until) {
                ctl_complain(_("There is no history of the time from --since= to --until= yet."));
                return CTL_USAGE;
        }
        ret->since = MAX(ret->since, usec_sub(now, SPAN_MAX));
        ret->until = MAX(ret->until, ret->since + 1);
        return CTL_DONE;
}

/* The words of the command line as the daemon writes them. */
static int read_probe(char **args, char **ret) {
        _cleanup_free_ char *text = ctl_join(args);
        ConditionError problem;
        Question q;
        int r;

        r = question_parse(text, &q, &problem);
        if (r == -ENOMEM)
                alloc_failed();
        if (r < 0) {
                ctl_complain(_("Invalid probe (column %zu): %s"), problem.column, problem.message);
                ctl_print_caret(text, problem.column);
                return CTL_USAGE;
        }
        if (question_format(&q, ret) < 0)
                alloc_failed();
        question_done(&q);
        return CTL_DONE;
}

static int show_one(Ctl *c, const char *probe, const Rows *rows, const Span *span) {
        for (size_t i = 0; i < rows->n_items; i++)
                if (streq(rows->values[i].probe, probe))
                        return c->json ? print_one_json(c, &rows->values[i], span)
                                       : print_one(c, &rows->values[i], span);
        ctl_complain(_("No job has asked for \"%s\" in the last 30 days; use 'vaktctl values' to see all values."),
                     probe);
        return CTL_NO_SUCH_JOB;
}

int verb_values(Ctl *c, char **args) {
        _cleanup_(rows_done) Rows rows = { 0 };
        _cleanup_free_ char *probe = NULL;
        Span span;
        int r;

        r = read_span(c, &span);
        if (r == CTL_DONE && args[0])
                r = read_probe(args, &probe);
        if (r != CTL_DONE)
                return r;
        r = value_views_get(c->connection, &c->error, &rows);
        if (r < 0)
                return ctl_failed(c, r, NULL);
        ctl_open_pager(c);
        if (probe)
                return show_one(c, probe, &rows, &span);
        return c->json ? print_list_json(&rows) : print_list(c, &rows, &span);
}
