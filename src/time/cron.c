/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Cron expressions. Every field becomes a bit mask, the words for days (L, W, #) further masks of their own, and the
 * days of a month are worked out from all of them at once; the search is that of local-set.c. What the language leaves
 * open is settled in cron.h. */

#include <strings.h>

#include "util/ascii.h"

#include "time/cron.h"

#define WEEKDAYS_MAX      7 /* Sunday's second number */
#define CLOCK_SET_SECONDS (3 * 3600)

enum cron_field {
        CRON_SECOND,
        CRON_MINUTE,
        CRON_HOUR,
        CRON_DAY,
        CRON_MONTH,
        CRON_WEEKDAY,
        _CRON_FIELD_MAX,
};

struct Cron {
        LocalSet set;
        const Zone *zone;
        uint64_t seconds;
        uint32_t days;      /* bit 1..31 */
        uint32_t last_days; /* bit n: n days before the last */
        uint32_t near_days; /* bit n: nW */
        bool last_workday;  /* LW */
        bool reboot;
        uint8_t stars;         /* bit f: field f begins with a star */
        uint8_t weekdays;      /* bit 0 is Sunday */
        uint8_t last_weekdays; /* the last one of the month */
        uint8_t nth_weekdays[5];
};

static const struct {
        const char *name, *expression;
} shorthands[] = {
        { "@hourly", "0 * * * *" },   { "@daily", "0 0 * * *" },   { "@midnight", "0 0 * * *" },
        { "@weekly", "0 0 * * 0" },   { "@monthly", "0 0 1 * *" }, { "@yearly", "0 0 1 1 *" },
        { "@annually", "0 0 1 1 *" },
};

static const char *const month_names[] = { "jan", "feb", "mar", "apr", "may", "jun",
                                           "jul", "aug", "sep", "oct", "nov", "dec" };
static const char *const weekday_names[] = { "sun", "mon", "tue", "wed", "thu", "fri", "sat" };

static const struct field {
        int min, max;
        int step_max; /* where N/STEP ends */
        const char *const *names;
        int n_names;
        const char *problem;
} fields[_CRON_FIELD_MAX] = {
        [CRON_SECOND] = { 0, 59, 59, NULL, 0, "a second is 0 to 59" },
        [CRON_MINUTE] = { 0, 59, 59, NULL, 0, "a minute is 0 to 59" },
        [CRON_HOUR] = { 0, 23, 23, NULL, 0, "an hour is 0 to 23" },
        [CRON_DAY] = { 1, 31, 31, NULL, 0, "a day of the month is 1 to 31" },
        [CRON_MONTH] = { 1, 12, 12, month_names, ELEMENTSOF(month_names), "a month is 1 to 12 or jan to dec" },
        [CRON_WEEKDAY] = { 0, WEEKDAYS_MAX, 6, weekday_names, ELEMENTSOF(weekday_names),
                           "a weekday is 0 to 7 or sun to sat" },
};

#define STAR(field) (1U << (field))

struct parser {
        const char *p;
        Cron *cron;
        const char *problem_at;
        const char *problem;
};

static int refuse(struct parser *parser, const char *at, const char *message) {
        parser->problem_at = at;
        parser->problem = message;
        return -EINVAL;
}

static bool ends_item(char c) {
        return c == '\0' || c == ',' || is_blank(c);
}

/* A number, or a name of the field. */
static int parse_value(struct parser *parser, const struct field *field, int *ret) {
        const char *at = parser->p;
        int value = 0;

        for (int i = 0; i < field->n_names; i++)
                if (strncasecmp(at, field->names[i], 3) == 0) {
                        parser->p += 3;
                        *ret = i + field->min;
                        return 0;
                }
        if (!is_digit(*at))
                return refuse(parser, at, field->problem);
        for (; is_digit(*parser->p); parser->p++)
                value = MIN(value * 10 + (*parser->p - '0'), 10000);
        if (value < field->min || value > field->max)
                return refuse(parser, at, field->problem);
        *ret = value;
        return 0;
}

static int parse_step(struct parser *parser, int *ret) {
        const char *at = ++parser->p;
        int step = 0;

        for (; is_digit(*parser->p); parser->p++)
                step = MIN(step * 10 + (*parser->p - '0'), 10000);
        if (step == 0)
                return refuse(parser, at, "a step of at least 1 is expected after the slash");
        *ret = step;
        return 0;
}

/* "*", "N", "N-M", each with or without "/STEP", as bits of a mask. */
static int parse_range(struct parser *parser, const struct field *field, uint64_t *mask) {
        const char *at = parser->p;
        int first = field->min, last = field->max, step = 1, r;

        if (*parser->p == '*')
                parser->p++;
        else {
                r = parse_value(parser, field, &first);
                if (r < 0)
                        return r;
                last = *parser->p == '/' ? MAX(first, field->step_max) : first;
                if (*parser->p == '-') {
                        at = ++parser->p;
                        r = parse_value(parser, field, &last);
                        if (r < 0)
                                return r;
                        if (field->max == WEEKDAYS_MAX && last == 0 && first > 0)
                                last = WEEKDAYS_MAX; /* fri-sun */
                        if (last < first)
                                return refuse(parser, at, "the range runs backwards");
                }
        }
        if (*parser->p == '/') {
                r = parse_step(parser, &step);
                if (r < 0)
                        return r;
        }
        assert(first >= 0 && last < 64 && step > 0);
        for (int v = first; v <= last; v += step)
                *mask |= UINT64_C(1) << v;
        return 0;
}

/* "L", "L-N", "LW", "NW" of the field of days. Returns 1 when it was one of them. */
static int parse_day_word(struct parser *parser) {
        Cron *cron = parser->cron;
        const char *p = parser->p;
        int n = 0;

        if (*p == 'L' || *p == 'l') {
                p++;
                if (*p == 'W' || *p == 'w') {
                        cron->last_workday = true;
                        parser->p = p + 1;
                        return 1;
                }
                if (*p == '-') {
                        const char *at = ++p;

                        for (; is_digit(*p); p++)
                                n = MIN(n * 10 + (*p - '0'), 1000);
                        if (p == at || n > 30)
                                return refuse(parser, at, "0 to 30 days are expected after L-");
                }
                cron->last_days |= UINT32_C(1) << n;
                parser->p = p;
                return 1;
        }
        for (; is_digit(*p); p++)
                n = MIN(n * 10 + (*p - '0'), 1000);
        if (p == parser->p || (*p != 'W' && *p != 'w'))
                return 0;
        if (n < 1 || n > 31)
                return refuse(parser, parser->p, fields[CRON_DAY].problem);
        cron->near_days |= UINT32_C(1) << n;
        parser->p = p + 1;
        return 1;
}

/* "5L", "friL", "5#3", "fri#3" of the field of weekdays. Returns 1 when it was one of them. */
static int parse_weekday_word(struct parser *parser) {
        const char *start = parser->p;
        int day, r;

        if (*start == '*')
                return 0;
        if ((*start == 'L' || *start == 'l') && ends_item(start[1]))
                return refuse(parser, start, "L requires a weekday before it, as in 5L or friL");
        r = parse_value(parser, fields + CRON_WEEKDAY, &day);
        if (r < 0)
                return r;
        day %= 7;
        if (*parser->p == 'L' || *parser->p == 'l') {
                parser->cron->last_weekdays |= (uint8_t)(1U << day);
                parser->p++;
                return 1;
        }
        if (*parser->p == '#') {
                parser->p++;
                if (*parser->p < '1' || *parser->p > '5')
                        return refuse(parser, parser->p, "1 to 5 is expected after #");
                parser->cron->nth_weekdays[*parser->p - '1'] |= (uint8_t)(1U << day);
                parser->p++;
                return 1;
        }
        parser->p = start;
        return 0;
}

static int parse_field(struct parser *parser, enum cron_field which, uint64_t *mask) {
        const struct field *field = fields + which;
        bool of_days = which == CRON_DAY || which == CRON_WEEKDAY;

        if (of_days && *parser->p == '?' && (parser->p[1] == '\0' || is_blank(parser->p[1]))) {
                *mask = UINT64_MAX;
                parser->p++;
                return 0;
        }
        for (;; parser->p++) {
                int r = 0;

                if (which == CRON_DAY)
                        r = parse_day_word(parser);
                else if (which == CRON_WEEKDAY)
                        r = parse_weekday_word(parser);
                if (r == 0)
                        r = parse_range(parser, field, mask);
                if (r < 0)
                        return r;
                if (!ends_item(*parser->p))
                        return refuse(parser, parser->p, "a comma or the next field is expected here");
                if (*parser->p != ',')
                        return 0;
        }
}

static void skip_blanks(struct parser *parser) {
        while (is_blank(*parser->p))
                parser->p++;
}

static size_t count_fields(const char *p) {
        size_t n = 0;

        for (bool before = true; *p; before = is_blank(*p++))
                n += before && !is_blank(*p);
        return n;
}

static const char *nth_field(const char *p, size_t n) {
        for (; n > 0; n--) {
                for (; !is_blank(*p); p++)
                        ;
                for (; is_blank(*p); p++)
                        ;
        }
        return p;
}

/* The Monday-to-Friday nearest to a day, within its month. */
static int nearest_workday(int day, int length, int first) {
        int weekday = (first + day - 1) % 7;

        assert(day >= 1 && day <= length);
        if (weekday == 6)
                return day > 1 ? day - 1 : day + 2;
        if (weekday == 0)
                return day < length ? day + 1 : day - 2;
        return day;
}

static uint32_t days_by_date(const Cron *c, int length, int first) {
        uint32_t days = c->days;

        for (uint32_t rest = c->last_days; rest != 0; rest &= rest - 1)
                if (length > __builtin_ctz(rest))
                        days |= UINT32_C(1) << (length - __builtin_ctz(rest));
        for (uint32_t rest = c->near_days; rest != 0; rest &= rest - 1)
                if (__builtin_ctz(rest) <= length)
                        days |= UINT32_C(1) << nearest_workday(__builtin_ctz(rest), length, first);
        if (c->last_workday)
                days |= UINT32_C(1) << nearest_workday(length, length, first);
        return days;
}

static uint32_t days_by_weekday(const Cron *c, int length, int first) {
        uint32_t days = 0;

        for (int day = 1; day <= length; day++) {
                unsigned weekday = (unsigned)(first + day - 1) % 7;
                unsigned fitting = c->weekdays | c->nth_weekdays[(day - 1) / 7];

                if (day + 7 > length)
                        fitting |= c->last_weekdays;
                days |= (fitting >> weekday & 1) << day;
        }
        return days;
}

static uint32_t month_days(const LocalSet *set, int year, int month) {
        const Cron *c = (const Cron *)set;
        int length = civil_month_length(year, month);
        int first = (civil_weekday(civil_days(year, month, 1)) + 1) % 7; /* Sunday = 0 */
        uint32_t all = (uint32_t)((UINT64_C(2) << length) - 2);
        uint32_t by_date = days_by_date(c, length, first), by_weekday = days_by_weekday(c, length, first);

        return all & (c->stars & (STAR(CRON_DAY) | STAR(CRON_WEEKDAY)) ? by_date & by_weekday : by_date | by_weekday);
}

static int next_year(const LocalSet *set, int year) {
        return MAX(year, CALENDAR_YEAR_MIN);
}

static int32_t next_usec(const LocalSet *set, int32_t usec) {
        const Cron *c = (const Cron *)set;
        int second = (usec + (int32_t)USEC_PER_SEC - 1) / (int32_t)USEC_PER_SEC;
        uint64_t later = c->seconds & UINT64_MAX << second;

        return later != 0 ? __builtin_ctzll(later) * (int32_t)USEC_PER_SEC : -1;
}

/* Reads the fields one by one; the stars that some of them begin with have a meaning of their own. */
static int parse_fields(struct parser *parser) {
        uint64_t masks[_CRON_FIELD_MAX] = {};
        size_t n = count_fields(parser->p);
        Cron *c = parser->cron;

        skip_blanks(parser);
        if (n != 5 && n != 6)
                return refuse(parser, n > 6 ? nth_field(parser->p, 6) : parser->p,
                              n > 6 ? "there are too many fields: five are expected, or six with seconds first"
                                    : "five fields are expected, or six with seconds first");
        for (enum cron_field f = n == 6 ? CRON_SECOND : CRON_MINUTE; f < _CRON_FIELD_MAX; f++) {
                int r;

                if (*parser->p == '*' || *parser->p == '?')
                        c->stars |= (uint8_t)STAR(f);
                r = parse_field(parser, f, masks + f);
                if (r < 0)
                        return r;
                skip_blanks(parser);
        }

        c->seconds = n == 6 ? masks[CRON_SECOND] : 1;
        c->days = (uint32_t)masks[CRON_DAY];
        c->weekdays = (uint8_t)((masks[CRON_WEEKDAY] | masks[CRON_WEEKDAY] >> 7) & 0x7f);
        c->set = (LocalSet){
                .next_year = next_year,
                .month_days = month_days,
                .next_usec = next_usec,
                .minutes = masks[CRON_MINUTE],
                .hours = (uint32_t)masks[CRON_HOUR],
                .months = (uint16_t)masks[CRON_MONTH],
        };
        return 0;
}

static bool is_word(const char *p, const char *word) {
        size_t n = strlen(word);

        return strncasecmp(p, word, n) == 0 && count_fields(p + n) == 0;
}

/* @words stand alone. */
static int parse_text(struct parser *parser) {
        skip_blanks(parser);
        if (*parser->p != '@')
                return parse_fields(parser);
        if (is_word(parser->p, "@reboot")) {
                parser->cron->reboot = true;
                return 0;
        }
        for (size_t i = 0; i < ELEMENTSOF(shorthands); i++)
                if (is_word(parser->p, shorthands[i].name)) {
                        parser->p = shorthands[i].expression;
                        return parse_fields(parser);
                }
        return refuse(parser, parser->p,
                      "@hourly, @daily, @midnight, @weekly, @monthly, @yearly, @annually or @reboot is expected");
}

int cron_parse(const char *text, const Zone *zone, Cron **ret, TimeError *reterr) {
        _cleanup_(cron_freep) Cron *cron = NULL;
        struct parser parser = { .p = text };
        int r;

        if (strlen(text) > CRON_TEXT_MAX) {
                if (reterr)
                        *reterr = (TimeError){ .column = CRON_TEXT_MAX, .message = "the expression is too long" };
                return -ENOBUFS;
        }
        cron = calloc(1, sizeof(*cron));
        if (!cron)
                return -ENOMEM;
        cron->zone = zone ?: zone_utc();
        parser.cron = cron;
        r = parse_text(&parser);
        if (r < 0) {
                assert(parser.problem);
                if (reterr)
                        *reterr = (TimeError){
                                .column = (size_t)(parser.problem_at - text) + 1,
                                .message = parser.problem,
                        };
                return r;
        }
        *ret = TAKE_PTR(cron);
        return 0;
}

size_t cron_size(void) {
        return sizeof(Cron);
}

Cron *cron_free(Cron *cron) {
        return mfree(cron);
}

bool cron_is_reboot(const Cron *cron) {
        return cron->reboot;
}

/* Of a field that is star and step, the step; 0: it is not. The first value alone is every so many values as there
 * are, and later values that are not in step begin a list. */
static int step_of(uint64_t mask, int min, int max) {
        uint64_t rest = mask & ~(UINT64_C(1) << min), all = 0;
        int step = rest != 0 ? __builtin_ctzll(rest) - min : max - min + 1;

        for (int i = min; i <= max; i += step)
                all |= UINT64_C(1) << i;
        return mask == all ? step : 0;
}

/* The bits of a field as a list of values and ranges. When the field began with a star it does so here, too, for what
 * that means: in a list of other values, a star with a step of that size is the first value alone. */
static void format_mask(FILE *f, uint64_t mask, int min, int max, bool star, const char **separator) {
        if (mask >> min == (UINT64_MAX >> (63 - max)) >> min) {
                fprintf(f, "%s%s", *separator, star ? "*" : "");
                if (!star)
                        fprintf(f, "%d-%d", min, max);
                *separator = ",";
                return;
        }
        if (star && step_of(mask, min, max) > 0) {
                fprintf(f, "%s*/%d", *separator, step_of(mask, min, max));
                *separator = ",";
                return;
        }
        if (star) {
                fprintf(f, "%s*/100", *separator);
                *separator = ",";
                mask &= ~(UINT64_C(1) << min);
        }
        for (int first = min, last; first <= max; first = last + 1) {
                last = first;
                if (!(mask >> first & 1))
                        continue;
                while (last < max && mask >> (last + 1) & 1)
                        last++;
                fprintf(f, first == last ? "%s%d" : "%s%d-%d", *separator, first, last);
                *separator = ",";
        }
}

static void format_days(FILE *f, const Cron *c, const char *separator) {
        for (int n = 0; n <= 31; n++) {
                if (c->last_days >> n & 1) {
                        fprintf(f, "%sL", separator);
                        if (n > 0)
                                fprintf(f, "-%d", n);
                        separator = ",";
                }
                if (c->near_days >> n & 1) {
                        fprintf(f, "%s%dW", separator, n);
                        separator = ",";
                }
        }
        if (c->last_workday)
                fprintf(f, "%sLW", separator);
}

static void format_weekdays(FILE *f, const Cron *c, const char *separator) {
        for (int day = 0; day < 7; day++) {
                for (int n = 0; n < 5; n++)
                        if (c->nth_weekdays[n] >> day & 1) {
                                fprintf(f, "%s%d#%d", separator, day, n + 1);
                                separator = ",";
                        }
                if (c->last_weekdays >> day & 1) {
                        fprintf(f, "%s%dL", separator, day);
                        separator = ",";
                }
        }
}

static void format_fields(FILE *f, const Cron *c) {
        const uint64_t masks[_CRON_FIELD_MAX] = {
                [CRON_SECOND] = c->seconds, [CRON_MINUTE] = c->set.minutes, [CRON_HOUR] = c->set.hours,
                [CRON_DAY] = c->days,       [CRON_MONTH] = c->set.months,   [CRON_WEEKDAY] = c->weekdays,
        };

        for (enum cron_field field = 0; field < _CRON_FIELD_MAX; field++) {
                const char *separator = "";

                if (field > 0)
                        fputc(' ', f);
                format_mask(f, masks[field], fields[field].min, fields[field].step_max, c->stars & STAR(field),
                            &separator);
                if (field == CRON_DAY)
                        format_days(f, c, separator);
                if (field == CRON_WEEKDAY)
                        format_weekdays(f, c, separator);
        }
}

int cron_format(const Cron *c, char **ret) {
        char *text = NULL;
        size_t size;
        FILE *f;

        f = open_memstream(&text, &size);
        if (!f)
                return -ENOMEM;
        if (c->reboot)
                fputs("@reboot", f);
        else
                format_fields(f, c);
        if (fclose(f) != 0) {
                free(text);
                return -ENOMEM;
        }
        *ret = text;
        return 0;
}

/* What cronie's daemon does, where nothing else is asked for. */
static DstPolicy cron_policy(const Cron *c, const DstPolicy *asked) {
        const bool wild = c->stars & (STAR(CRON_SECOND) | STAR(CRON_MINUTE) | STAR(CRON_HOUR));
        DstPolicy policy = {
                .gap = wild ? DST_GAP_SKIP : DST_GAP_AFTER,
                .overlap = wild ? DST_OVERLAP_BOTH : DST_OVERLAP_FIRST,
                .gap_max = CLOCK_SET_SECONDS,
                .overlap_max = CLOCK_SET_SECONDS,
        };

        if (asked && asked->gap != DST_GAP_DEFAULT) {
                policy.gap = asked->gap;
                policy.gap_max = 0;
        }
        if (asked && asked->overlap != DST_OVERLAP_DEFAULT) {
                policy.overlap = asked->overlap;
                policy.overlap_max = 0;
        }
        return policy;
}

int cron_next(const Cron *c, const DstPolicy *policy, usec_t after, usec_t *ret) {
        const DstPolicy effective = cron_policy(c, policy);

        if (c->reboot)
                return -ENOENT;
        return local_set_next_instant(&c->set, c->zone, &effective, after, ret);
}
