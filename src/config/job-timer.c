/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* TimeZone= holds for the whole job, wherever it stands, in a drop-in perhaps. So calendar and cron expressions and
 * Anchor= are only put aside with their lines while the texts are read, and parsed when all is known. */

#include "config/job-sections.h"

#include "config/reader.h"
#include "time/timestamp.h"
#include "util/array.h"
#include "util/string-table.h"

#define INTERVAL_MIN  USEC_PER_MSEC
#define ANCHOR_ADVICE "Write a date as in systemd.time(7), for example 2026-01-05 03:00."

static void waiting_line_done(WaitingLine *w) {
        free(w->value);
        *w = (WaitingLine){};
}

void timer_lines_done(TimerLines *lines) {
        free(lines->triggers);
        for (size_t i = 0; i < lines->n_except; i++)
                waiting_line_done(&lines->except[i]);
        free(lines->except);
        free(lines->anchor);
}

/* --- triggers --- */

static void clear_triggers(Builder *b, TriggerType type) {
        JobDef *d = b->def;
        size_t n = 0;

        for (size_t i = 0; i < d->n_triggers; i++)
                if (d->triggers[i].type == type)
                        trigger_def_done(&d->triggers[i]);
                else {
                        b->timer.triggers[n] = b->timer.triggers[i];
                        d->triggers[n++] = d->triggers[i];
                }
        d->n_triggers = (uint16_t)n;
}

static int append_trigger(Builder *b, const KeyLine *k, TriggerType type, usec_t span) {
        JobDef *d = b->def;
        TriggerDef *trigger = ARRAY_NEXT(d->triggers, d->n_triggers);
        Place *place = ARRAY_NEXT(b->timer.triggers, d->n_triggers);
        char *copy = trigger && place ? strdup(k->value) : NULL;

        if (!copy)
                return -ENOMEM;
        place_set(place, k);
        *trigger = (TriggerDef){ .type = type, .span = span, .expression = copy };
        d->n_triggers++;
        return 0;
}

static int read_trigger_span(const KeyLine *k, TriggerType type, usec_t *ret) {
        usec_t span;
        int r;

        r = key_read_span(k, &span);
        if (r <= 0)
                return r;
        if (span == USEC_INFINITY)
                return key_problem_value(k, "never elapses. Write a finite time span, or remove the line.");
        if (type == TRIGGER_INTERVAL && span < INTERVAL_MIN)
                return key_problem_value(k, "is shorter than 1ms. Write a longer time span.");
        *ret = span;
        return 0;
}

/* A bad trigger is one all the same: that it is missing would be a confusing problem. */
static int parse_trigger(const KeyLine *k, _unused_ void *field) {
        int type = trigger_type_from_string(k->row->key);
        Builder *b = builder_of(k);
        usec_t span = 0;
        int r = 0;

        assert(type >= 0);
        if (*k->value == '\0') {
                clear_triggers(b, (TriggerType)type);
                return 0;
        }
        if (b->def->n_triggers >= JOB_TRIGGERS_MAX)
                return key_problem(k, "The job has more than %d triggers. Remove some.", JOB_TRIGGERS_MAX);
        if (strlen(k->value) > CALENDAR_TEXT_MAX)
                return key_problem_value(k, "is longer than %d bytes. Shorten it.", CALENDAR_TEXT_MAX);
        if (type != TRIGGER_CALENDAR && type != TRIGGER_CRON)
                r = read_trigger_span(k, (TriggerType)type, &span);
        return r < 0 ? r : append_trigger(b, k, (TriggerType)type, span);
}

/* --- other keys --- */

static int parse_except(const KeyLine *k, _unused_ void *field) {
        TimerLines *lines = &builder_of(k)->timer;
        WaitingLine *line;

        if (*k->value == '\0') {
                while (lines->n_except > 0)
                        waiting_line_done(&lines->except[--lines->n_except]);
                return 0;
        }
        if (lines->n_except >= JOB_EXCEPT_MAX)
                return key_problem(k, "The job has more than %d lines of Except=. Remove some.", JOB_EXCEPT_MAX);
        line = ARRAY_NEXT(lines->except, lines->n_except);
        if (!line)
                return -ENOMEM;
        line->value = strdup(k->value);
        if (!line->value)
                return -ENOMEM;
        place_set(&line->place, k);
        lines->n_except++;
        return 0;
}

static int parse_anchor(const KeyLine *k, _unused_ void *field) {
        char **anchor = &builder_of(k)->timer.anchor;

        free(*anchor);
        *anchor = *k->value != '\0' ? strdup(k->value) : NULL;
        return *anchor || *k->value == '\0' ? 0 : -ENOMEM;
}

static int parse_persistent(const KeyLine *k, _unused_ void *field) {
        bool *persistent = &builder_of(k)->timer.persistent;

        *persistent = false;
        return *k->value != '\0' ? key_parse_bool(k, persistent) : 0;
}

static int gap_from_string(const char *s) {
        static const char *const table[] = { [DST_GAP_SKIP] = "skip", [DST_GAP_AFTER] = "after" };

        return string_table_find(table, ELEMENTSOF(table), s);
}

static int overlap_from_word(const char *s) {
        static const char *const table[] = {
                [DST_OVERLAP_FIRST] = "first",
                [DST_OVERLAP_SECOND] = "second",
                [DST_OVERLAP_BOTH] = "both",
        };

        return string_table_find(table, ELEMENTSOF(table), s);
}

static const KeyWords gap_words = { gap_from_string, "skip or after" };
static const KeyWords overlap_words = { overlap_from_word, "first, second or both" };
static const KeyWords interval_from_words = { interval_from_from_string, "start, end or success" };
static const KeyWords catch_up_words = { catch_up_from_string, "none, once or all" };
static const KeyRange catch_up_range = { 1, JOB_CATCH_UP_MAX };
static const KeySpan delay_span = { 0, .endless = false }, accuracy_span = { 1, .endless = false };
static const KeySpan within_span = { 0, .endless = true };

#define VALUE(name) KEY_VALUE(WholeJobDef, rare.name)

const KeyRow timer_rows[] = {
        { "Timer", "OnCalendar", parse_trigger },
        { "Timer", "OnCron", parse_trigger },
        { "Timer", "OnInterval", parse_trigger },
        { "Timer", "OnBootSec", parse_trigger },
        { "Timer", "OnStartupSec", parse_trigger },
        { "Timer", "TimeZone", key_parse_text, offsetof(WholeJobDef, rare.timer.time_zone) },
        { "Timer", "IntervalFrom", key_parse_word, VALUE(timer.interval_from), &interval_from_words },
        { "Timer", "Anchor", parse_anchor },
        { "Timer", "RandomizedDelaySec", key_parse_span, VALUE(timer.random_delay), &delay_span },
        { "Timer", "FixedRandomDelay", key_parse_bool, VALUE(timer.fixed_random_delay) },
        { "Timer", "AccuracySec", key_parse_span, VALUE(timer.accuracy), &accuracy_span },
        { "Timer", "CatchUp", key_parse_word, VALUE(timer.catch_up), &catch_up_words },
        { "Timer", "CatchUpMax", key_parse_unsigned, VALUE(timer.catch_up_max), &catch_up_range },
        { "Timer", "CatchUpWithinSec", key_parse_span, VALUE(timer.catch_up_within), &within_span },
        { "Timer", "Persistent", parse_persistent },
        { "Timer", "DstGap", key_parse_word, VALUE(timer.dst.gap), &gap_words },
        { "Timer", "DstOverlap", key_parse_word, VALUE(timer.dst.overlap), &overlap_words },
        { "Timer", "Except", parse_except },
        { "Timer", "WakeSystem", key_parse_bool, VALUE(timer.wake_system) },
};
const size_t n_timer_rows = ELEMENTSOF(timer_rows);

/* --- the end: the zone --- */

static int get_zone(const Builder *b, const char *name, const Zone **ret) {
        if (b->context->zones)
                return zone_cache_get(b->context->zones, name, ret);
        if (!streq(name, "UTC"))
                return -ENOENT;
        *ret = zone_utc();
        return 0;
}

static int problem_zone(const Builder *b, const char *name, int error) {
        static const struct {
                int error;
                const char *message;
        } problems[] = {
                { -EINVAL, "is not a valid time zone name. Write one such as Europe/Oslo." },
                { -ENOENT, "is not a time zone of this system. See timedatectl list-timezones." },
                { -EBADMSG, "is not a valid time zone file. Write one such as Europe/Oslo." },
                { -EFBIG, "is not a valid time zone file. Write one such as Europe/Oslo." },
                { -EOPNOTSUPP, "is a time zone with leap seconds. Write the name without \"right/\"." },
                { -ENOBUFS, "is one time zone too many: all jobs together may use at most 1024." },
        };
        KeyLine k = place_line(builder_place(b, "Timer", "TimeZone"), name);

        b->context->zones_at_problem = true;
        for (size_t i = 0; i < ELEMENTSOF(problems); i++)
                if (problems[i].error == error)
                        return key_problem_value(&k, "%s", problems[i].message);
        return key_problem_value(&k, "cannot be read: %s.", strerror(-error));
}

/* Sets the zone that the job's times are meant in. Returns 1, or 0 when it is not known. */
static int finish_zone(Builder *b) {
        const Place *place = builder_place(b, "Timer", "TimeZone");
        TimerDef *timer = &b->def->rare->timer;
        int r;

        if (!timer->time_zone) {
                if (b->context->zones)
                        b->def->zone = zone_cache_local(b->context->zones);
                return place->order == 0; /* what is too long to be one is none either */
        }
        if (!place->validated)
                return 0;
        r = get_zone(b, timer->time_zone, &b->def->zone);
        if (r == -ENOMEM)
                return r;
        return r < 0 ? problem_zone(b, timer->time_zone, r) : 1;
}

/* --- the end: times of the wall clock --- */

/* "2" of "Wed/2", which is meant as every second Wednesday; NULL: of another value. */
static const char *weeks_of(const char *value, char buf[static 3]) {
        size_t n_name = strcspn(value, "/"), n;

        if (value[n_name] != '/' || strcspn(value, " -*:.,0123456789") < n_name)
                return NULL;
        n = strspn(value + n_name + 1, "0123456789");
        if (n == 0 || n > 2 || !strchr(" ", value[n_name + 1 + n]))
                return NULL;
        memcpy(buf, value + n_name + 1, n);
        buf[n] = '\0';
        return buf;
}

/* A value of OnCron= or OnCalendar= that is good for another key. Returns 1 when that was written down, else 0. */
static int problem_other_key(const Builder *b, const Place *p, const char *value) {
        const JobFileContext *c = b->context;
        _cleanup_(calendar_freep) Calendar *calendar = NULL;
        _cleanup_(cron_freep) Cron *cron = NULL;
        const char *span = startswith(value, "@every "), *zone = startswith(value, "CRON_TZ=");
        char buf[3];
        const char *weeks = weeks_of(value, buf);
        size_t n = reader_crontab_schedule(value);
        bool is_cron = streq(p->row->key, "OnCron");
        KeyLine k = place_line(p, value);
        TimeError unused = {};
        int r;

        if (span)
                r = key_problem_value(&k, "is an interval. Write OnInterval=%s.", span);
        else if (zone && strchr(zone, ' '))
                r = key_problem_value(&k, "names a time zone. Write TimeZone=%.*s on a line of its own, and %s=%s.",
                                      (int)strcspn(zone, " "), zone, p->row->key, strchr(zone, ' ') + 1);
        else if (weeks)
                r = key_problem_value(&k,
                                      "repeats a day of the week. Write OnInterval=%sw, and Anchor= with the first "
                                      "time.",
                                      weeks);
        else if (n > 0 && strstr(value + n, " /"))
                r = key_problem_value(&k,
                                      "contains a command. Write OnCron=%.*s, and the command in Shell= in section "
                                      "[Run].",
                                      (int)n, value);
        else if (!is_cron && cron_parse(value, b->def->zone, &cron, &unused) >= 0)
                r = key_problem_value(&k, "is a cron expression. Write OnCron=%s.", value);
        else if (is_cron && calendar_parse(value, c->zones, b->def->zone, c->now, &calendar, &unused) >= 0)
                r = key_problem_value(&k, "is a calendar expression. Write OnCalendar=%s.", value);
        else
                return 0;
        return r < 0 ? r : 1;
}

static int problem_expression(const Builder *b, const Place *p, const char *value, const char *kind,
                              const TimeError *problem) {
        KeyLine k = place_line(p, value);
        int r = streq(p->row->key, "Except") ? 0 : problem_other_key(b, p, value);

        if (r != 0)
                return MIN(r, 0);
        return key_problem_value(&k, "is not a valid %s expression: column %zu: %s.", kind, problem->column,
                                 problem->message);
}

static int recall_calendar(const CalendarMemo *m, Calendar **ret) {
        Calendar *copy = malloc(m->n);

        if (!copy)
                return -ENOMEM;
        *ret = memcpy(copy, m->calendar, m->n);
        return 0;
}

static void keep_calendar(CalendarMemo *m, const char *text, const Zone *zone, const Calendar *calendar) {
        size_t n = calendar_size(calendar);

        if (n > sizeof(m->calendar) || strlen(text) >= sizeof(m->text))
                return;
        m->n = n;
        m->zone = zone;
        strcpy(m->text, text);
        memcpy(m->calendar, calendar, n);
}

static int finish_calendar(const Builder *b, const Place *p, const char *value, Calendar **ret) {
        const JobFileContext *c = b->context;
        TimeError problem = {};
        int r;

        if (!p->validated)
                return 0;
        if (c->memo && c->memo->n > 0 && c->memo->zone == b->def->zone && streq(c->memo->text, value))
                return recall_calendar(c->memo, ret);
        r = calendar_parse(value, c->zones, b->def->zone, c->now, ret, &problem);
        if (r >= 0 && c->memo)
                keep_calendar(c->memo, value, b->def->zone, *ret);
        if (r >= 0 || r == -ENOMEM)
                return r;
        b->context->zones_at_problem = true; /* one can stand at the end of the expression */
        return problem_expression(b, p, value, "calendar", &problem);
}

static int finish_cron(const Builder *b, const Place *p, const char *value, Cron **ret) {
        TimeError problem = {};
        int r;

        if (!p->validated)
                return 0;
        r = cron_parse(value, b->def->zone, ret, &problem);
        return r < 0 && r != -ENOMEM ? problem_expression(b, p, value, "cron", &problem) : r;
}

static int finish_triggers(Builder *b) {
        int r = 0;

        for (size_t i = 0; r >= 0 && i < b->def->n_triggers; i++) {
                TriggerDef *t = &b->def->triggers[i];

                if (t->type == TRIGGER_CALENDAR)
                        r = finish_calendar(b, &b->timer.triggers[i], t->expression, &t->calendar);
                else if (t->type == TRIGGER_CRON)
                        r = finish_cron(b, &b->timer.triggers[i], t->expression, &t->cron);
        }
        return r;
}

static int finish_except(Builder *b) {
        TimerDef *timer = &b->def->rare->timer;
        size_t n = b->timer.n_except;
        int r = 0;

        if (n == 0)
                return 0;
        timer->except = calloc(n, sizeof(Calendar *));
        if (!timer->except)
                return -ENOMEM;
        for (timer->n_except = 0; r >= 0 && timer->n_except < n; timer->n_except++) {
                const WaitingLine *w = &b->timer.except[timer->n_except];

                r = finish_calendar(b, &w->place, w->value, &timer->except[timer->n_except]);
        }
        return r;
}

/* A date says the same on every day; "now", "12:00" and "tomorrow" would move at each reload. */
static int finish_anchor(Builder *b) {
        const Place *place = builder_place(b, "Timer", "Anchor");
        const JobFileContext *c = b->context;
        const Zone *zone = b->def->zone;
        KeyLine k = place_line(place, b->timer.anchor);
        usec_t anchor, later;
        int r;

        if (!b->timer.anchor || !place->validated)
                return 0;
        r = timestamp_parse(k.value, c->zones, zone, c->now, &anchor);
        if (r == -ENOMEM)
                return r;
        if (r < 0) {
                b->context->zones_at_problem = true;
                return key_problem_value(&k, "is not a point in time. %s", ANCHOR_ADVICE);
        }
        r = timestamp_parse(k.value, c->zones, zone, usec_add(c->now, 36 * USEC_PER_HOUR), &later);
        if (r == -ENOMEM)
                return r;
        if (r < 0 || later != anchor)
                return key_problem_value(&k, "depends on when it is read. %s", ANCHOR_ADVICE);
        b->def->rare->timer.anchor = anchor;
        return 0;
}

/* --- the end: the whole --- */

static bool has_interval(const JobDef *d) {
        for (size_t i = 0; i < d->n_triggers; i++)
                if (d->triggers[i].type == TRIGGER_INTERVAL)
                        return true;
        return false;
}

static int check_interval(const Builder *b) {
        const Place *anchor = builder_place(b, "Timer", "Anchor"), *from = builder_place(b, "Timer", "IntervalFrom");
        const Place *later = anchor->order > from->order ? anchor : from;
        KeyLine k = place_line(later, NULL);

        if (anchor->order > 0 && b->def->rare->timer.interval_from != INTERVAL_FROM_START)
                return key_problem(&k,
                                   "The job has both Anchor= and IntervalFrom=%s. Intervals are counted either from a "
                                   "date or from the last run: remove one of them.",
                                   interval_from_to_string(b->def->rare->timer.interval_from));
        if (later->order > 0 && !has_interval(b->def) && builder_n_problems(b) == 0)
                return key_problem(&k,
                                   "%s= requires OnInterval=, which the job does not have. Add it, or remove the "
                                   "line.",
                                   later->row->key);
        return 0;
}

int timer_finish(Builder *b) {
        int r;

        if (b->timer.persistent && builder_place(b, "Timer", "CatchUp")->order == 0)
                b->def->rare->timer.catch_up = CATCH_UP_ONCE;
        r = finish_zone(b);
        if (r > 0) {
                r = finish_triggers(b);
                if (r >= 0)
                        r = finish_except(b);
                if (r >= 0)
                        r = finish_anchor(b);
        }
        return r < 0 ? r : check_interval(b);
}
