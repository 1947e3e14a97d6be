/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Text to calendar expression. The grammar is systemd's, its habits included: a list may hold 241 items, a year of two
 * digits means 1970..2069, ranges below one second need a repetition, a day counted from the end of the month may be
 * the 28th at most (three less for every further item of the list). The parser fills one list a field, brings the
 * lists into their normal form, checks them, and compiles them into the masks that the search works on. */

#include <limits.h>
#include <strings.h>

#include "time/calendar-internal.h"
#include "util/array.h"
#include "util/ascii.h"

static const struct {
        const char *name, *expression;
} shorthands[] = {
        { "minutely", "*:*:00" },
        { "hourly", "*:00:00" },
        { "daily", "00:00:00" },
        { "weekly", "Mon 00:00:00" },
        { "monthly", "*-01 00:00:00" },
        { "quarterly", "01,04,07,10-01 00:00:00" },
        { "biannually", "01,07-01 00:00:00" },
        { "bi-annually", "01,07-01 00:00:00" },
        { "semiannually", "01,07-01 00:00:00" },
        { "semi-annually", "01,07-01 00:00:00" },
        { "yearly", "01-01 00:00:00" },
        { "annually", "01-01 00:00:00" },
        { "anually", "01-01 00:00:00" }, /* a misspelling that systemd once had */
};

static const char *const weekday_names[] = { "Monday", "Tuesday",  "Wednesday", "Thursday",
                                             "Friday", "Saturday", "Sunday" };

static const struct {
        int32_t min, max;
        const char *problem;
} field_ranges[_CALENDAR_FIELD_MAX] = {
        [CALENDAR_YEAR] = { CALENDAR_YEAR_MIN, CALENDAR_YEAR_MAX, "a year is 1970 to 2199, with a step that fits" },
        [CALENDAR_MONTH] = { 1, 12, "a month is 1 to 12, with a step that fits" },
        [CALENDAR_DAY] = { 1, 31, "a day is 1 to 31, counted from the end 1 to 28, with a step that fits" },
        [CALENDAR_HOUR] = { 0, 23, "an hour is 0 to 23, with a step that fits" },
        [CALENDAR_MINUTE] = { 0, 59, "a minute is 0 to 59, with a step that fits" },
        [CALENDAR_USEC] = { 0, USEC_OF_MINUTE - 1, "seconds are 0 to 59.999999, with a step that fits" },
};

/* An item with the place where it was written. */
struct item {
        struct component c;
        const char *at;
};

struct list {
        struct item *items;
        size_t n;
};

struct parser {
        const char *p;
        struct list lists[_CALENDAR_FIELD_MAX];
        uint8_t weekdays;
        bool from_end;
        bool utc;
        const char *problem_at;
        const char *problem;
};

static void parser_done(struct parser *parser) {
        for (size_t i = 0; i < ELEMENTSOF(parser->lists); i++)
                free(parser->lists[i].items);
}

static int refuse(struct parser *parser, const char *at, int error, const char *message) {
        parser->problem_at = at;
        parser->problem = message;
        return error;
}

static int list_add(struct list *list, struct component c, const char *at) {
        struct item *item = ARRAY_NEXT(list->items, list->n);

        if (!item)
                return -ENOMEM;
        *item = (struct item){ .c = c, .at = at };
        list->n++;
        return 0;
}

/* Exactly one value, nothing else. */
static int list_set(struct list *list, int32_t value, const char *at) {
        list->n = 0;
        return list_add(list, (struct component){ .start = value, .stop = -1 }, at);
}

/* The digits behind the point: six count, the seventh rounds, the others are read over. */
static int parse_fraction(struct parser *parser, int64_t *value) {
        int32_t usec = 0;

        if (!is_digit(*parser->p))
                return refuse(parser, parser->p, -EINVAL, "a digit is expected after the decimal point");
        for (int i = 0; i < 6; i++)
                usec = usec * 10 + (is_digit(*parser->p) ? *parser->p++ - '0' : 0);
        if (*parser->p >= '5' && *parser->p <= '9')
                usec++;
        while (is_digit(*parser->p))
                parser->p++;
        *value += usec;
        return 0;
}

static int parse_value(struct parser *parser, bool usec, int32_t *ret) {
        const char *at = parser->p;
        int64_t value = 0;
        int r;

        if (!is_digit(*parser->p))
                return refuse(parser, at, -EINVAL, "a number or * is expected here");
        for (; is_digit(*parser->p); parser->p++) {
                value = value * 10 + (*parser->p - '0');
                if (value > INT_MAX)
                        return refuse(parser, at, -ERANGE, "the number is too large");
        }
        if (usec) {
                value *= (int64_t)USEC_PER_SEC;
                if (parser->p[0] == '.' && parser->p[1] != '.') {
                        parser->p++;
                        r = parse_fraction(parser, &value);
                        if (r < 0)
                                return r;
                }
        }
        if (value > INT_MAX)
                return refuse(parser, at, -ERANGE, "the number is too large");
        *ret = (int32_t)value;
        return 0;
}

/* START[..STOP][/REPEAT] */
static int parse_item(struct parser *parser, bool usec, struct list *list) {
        struct component c = { .stop = -1 };
        const char *at = parser->p;
        int r;

        r = parse_value(parser, usec, &c.start);
        if (r < 0)
                return r;
        if (parser->p[0] == '.' && parser->p[1] == '.') {
                parser->p += 2;
                r = parse_value(parser, usec, &c.stop);
                if (r < 0)
                        return r;
                c.repeat = usec ? (int32_t)USEC_PER_SEC : 1;
        }
        if (*parser->p == '/') {
                parser->p++;
                r = parse_value(parser, usec, &c.repeat);
                if (r < 0)
                        return r;
                if (c.repeat == 0)
                        return refuse(parser, parser->p - 1, -ERANGE, "a step cannot be zero");
        } else if (c.start > INT_MAX - c.repeat)
                return refuse(parser, at, -ERANGE, "the number is too large");
        else if (usec && c.stop >= 0 && c.start + c.repeat > c.stop)
                return refuse(parser, at, -EINVAL, "a range of less than a second needs a step (/0.1)");

        if (*parser->p != '\0' && !strchr(" ,-~:", *parser->p))
                return refuse(parser, parser->p, -EINVAL,
                              "this cannot follow a number; a range is written with .. and a step with /");
        return list_add(list, c, at);
}

/* "*" is the empty list, but for seconds, where it means every full one. */
static int parse_list(struct parser *parser, bool usec, struct list *list) {
        if (*parser->p == '*') {
                list->n = 0;
                if (usec) {
                        struct component every = { .start = 0, .stop = -1, .repeat = (int32_t)USEC_PER_SEC };
                        int r = list_add(list, every, parser->p);

                        if (r < 0)
                                return r;
                }
                parser->p++;
                return 0;
        }
        for (;;) {
                int r;

                if (list->n >= CALENDAR_COMPONENTS_MAX)
                        return refuse(parser, parser->p, -ENOBUFS, "the list has too many items");
                r = parse_item(parser, usec, list);
                if (r < 0)
                        return r;
                if (*parser->p != ',')
                        return 0;
                parser->p++;
        }
}

/* The weekday that s starts with, by its full name or its first three letters, or -1. */
static int match_weekday(const char *s, size_t *ret_length) {
        for (size_t i = 0; i < ELEMENTSOF(weekday_names); i++) {
                size_t n = strlen(weekday_names[i]);

                if (strncasecmp(s, weekday_names[i], n) != 0)
                        n = 3;
                if (strncasecmp(s, weekday_names[i], n) == 0) {
                        *ret_length = n;
                        return (int)i;
                }
        }
        return -1;
}

static void skip_spaces(struct parser *parser) {
        parser->p += strspn(parser->p, " ");
}

/* "Mon", "Mon,Wed", "Mon..Fri" (or "Mon-Fri"), before anything else; a comma may stand at the end. */
static int parse_weekdays(struct parser *parser) {
        int range_from = -1;

        for (bool first = true;; first = false) {
                const char *at = parser->p;
                size_t length;
                int day;

                day = match_weekday(at, &length);
                if (day < 0)
                        return first ? 0 : refuse(parser, at, -EINVAL, "the name of a weekday is expected here");
                if (at[length] != '\0' && !strchr("-., ", at[length]))
                        return refuse(parser, at, -EINVAL, "this is not the name of a weekday");
                if (range_from > day)
                        return refuse(parser, at, -EINVAL,
                                      "the range of weekdays runs backwards; a week starts on Mon");
                for (int i = range_from >= 0 ? range_from : day; i <= day; i++)
                        parser->weekdays |= (uint8_t)(1U << i);

                parser->p += length;
                if (*parser->p == '.' || *parser->p == '-') {
                        if (range_from >= 0 || (parser->p[0] == '.' && parser->p[1] != '.'))
                                return refuse(parser, parser->p, -EINVAL, "a range of weekdays is written Mon..Fri");
                        range_from = day;
                        parser->p += *parser->p == '.' ? 2 : 1;
                } else if (*parser->p == ',') {
                        range_from = -1;
                        parser->p++;
                } else
                        range_from = -1; /* end of the list, below */

                if (*parser->p == '\0' || *parser->p == ' ') {
                        if (range_from >= 0)
                                return refuse(parser, parser->p, -EINVAL, "the range of weekdays has no end");
                        skip_spaces(parser);
                        return 0;
                }
        }
}

/* "@SECONDS": one instant. What strtoull() makes of signs and blanks is what systemd makes of them. */
static int parse_epoch(struct parser *parser) {
        const char *at = parser->p++;
        unsigned long long value;
        struct civil c;
        char *end;
        int r;

        errno = 0;
        value = strtoull(parser->p, &end, 10);
        if (errno != 0 || end == parser->p || value > INT64_MAX / 2)
                return refuse(parser, at, -EINVAL, "seconds since 1970 are expected after @");
        civil_from_seconds((int64_t)MIN(value, (unsigned long long)INT32_MAX * 1000), &c);
        parser->p = end;
        parser->utc = true;

        const int32_t values[_CALENDAR_FIELD_MAX] = {
                [CALENDAR_YEAR] = c.year,     [CALENDAR_MONTH] = c.month,
                [CALENDAR_DAY] = c.day,       [CALENDAR_HOUR] = c.hour,
                [CALENDAR_MINUTE] = c.minute, [CALENDAR_USEC] = c.second * (int32_t)USEC_PER_SEC,
        };
        for (size_t i = 0; i < _CALENDAR_FIELD_MAX; i++) {
                r = list_set(parser->lists + i, values[i], at);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* Reads the separator in front of the day, or of the month. */
static int parse_date_separator(struct parser *parser) {
        if (*parser->p == '~')
                parser->from_end = true;
        else if (*parser->p != '-')
                return refuse(parser, parser->p, -EINVAL, "- or ~ is expected here between the parts of a date");
        parser->p++;
        return 0;
}

static void move_list(struct list *to, struct list *from) {
        free(to->items);
        *to = TAKE_GENERIC(*from, (struct list){});
}

/* YEAR-MONTH-DAY or MONTH-DAY, with ~ in front of a day that counts from the end. Leaves a time for parse_time(): the
 * first list is read before it shows that it was an hour. */
static int parse_date(struct parser *parser) {
        struct list *year = parser->lists + CALENDAR_YEAR, *month = parser->lists + CALENDAR_MONTH,
                    *day = parser->lists + CALENDAR_DAY;
        const char *at = parser->p;
        int r;

        if (*at == '\0')
                return 0;
        r = parse_list(parser, false, year);
        if (r < 0)
                return r;
        if (*parser->p == '\0' || *parser->p == ':') {
                year->n = 0;
                parser->p = at;
                return 0;
        }
        r = parse_date_separator(parser);
        if (r >= 0)
                r = parse_list(parser, false, month);
        if (r < 0)
                return r;
        if (*parser->p == '\0' || *parser->p == ' ') {
                move_list(day, month);
                move_list(month, year);
                skip_spaces(parser);
                return 0;
        }
        if (parser->from_end)
                return refuse(parser, parser->p, -EINVAL, "~ is only possible before the day");
        r = parse_date_separator(parser);
        if (r >= 0)
                r = parse_list(parser, false, day);
        if (r < 0)
                return r;
        if (*parser->p != '\0' && *parser->p != ' ')
                return refuse(parser, parser->p, -EINVAL, "a space and a time are expected after the date");
        skip_spaces(parser);
        return 0;
}

/* HOUR:MINUTE[:SECOND], 00:00:00 when there is none. */
static int parse_time(struct parser *parser) {
        struct list *lists = parser->lists;
        int r;

        if (*parser->p == '\0') {
                for (size_t i = CALENDAR_HOUR; i <= CALENDAR_USEC; i++) {
                        r = list_set(lists + i, 0, parser->p);
                        if (r < 0)
                                return r;
                }
                return 0;
        }
        r = parse_list(parser, false, lists + CALENDAR_HOUR);
        if (r < 0)
                return r;
        if (*parser->p != ':')
                return refuse(parser, parser->p, -EINVAL, "a colon and minutes are expected after the hour");
        parser->p++;
        r = parse_list(parser, false, lists + CALENDAR_MINUTE);
        if (r < 0)
                return r;
        if (*parser->p == '\0')
                return list_set(lists + CALENDAR_USEC, 0, parser->p);
        if (*parser->p != ':')
                return refuse(parser, parser->p, -EINVAL, "a colon and seconds, or the end, are expected here");
        parser->p++;
        r = parse_list(parser, true, lists + CALENDAR_USEC);
        if (r < 0)
                return r;
        if (*parser->p != '\0')
                return refuse(parser, parser->p, -EINVAL, "only a time zone can follow the time");
        return 0;
}

static int parse_body(struct parser *parser) {
        int r;

        if (*parser->p == '\0')
                return refuse(parser, parser->p, -EINVAL, "the expression is empty");
        for (size_t i = 0; i < ELEMENTSOF(shorthands); i++)
                if (strcasecmp(parser->p, shorthands[i].name) == 0) {
                        parser->p = shorthands[i].expression;
                        break;
                }
        r = parse_weekdays(parser);
        if (r < 0)
                return r;
        if (*parser->p == '@') {
                r = parse_epoch(parser);
                if (r < 0)
                        return r;
                return *parser->p == '\0' ? 0 : refuse(parser, parser->p, -EINVAL, "nothing can follow the seconds");
        }
        r = parse_date(parser);
        return r < 0 ? r : parse_time(parser);
}

static int32_t full_year(int32_t year) {
        if (year >= 0 && year < 70)
                return year + 2000;
        if (year >= 70 && year < 100)
                return year + 1900;
        return year;
}

static int compare_components(const struct component *a, const struct component *b) {
        if (a->start != b->start)
                return a->start < b->start ? -1 : 1;
        if (a->stop != b->stop)
                return a->stop < b->stop ? -1 : 1;
        return (a->repeat > b->repeat) - (a->repeat < b->repeat);
}

static int compare_items(const void *a, const void *b) {
        return compare_components(&((const struct item *)a)->c, &((const struct item *)b)->c);
}

/* Cuts ranges to whole steps, makes a single value of what cannot repeat, sorts, drops what stands twice. */
static void list_normalize(struct list *list) {
        size_t n = 0;

        for (size_t i = 0; i < list->n; i++) {
                struct component *c = &list->items[i].c;

                if (c->stop > c->start && c->repeat > 0)
                        c->stop -= (c->stop - c->start) % c->repeat;
                if ((c->stop > c->start && c->repeat > c->stop - c->start) || c->start == c->stop) {
                        c->repeat = 0;
                        c->stop = -1;
                }
        }
        if (list->n > 1)
                qsort(list->items, list->n, sizeof(*list->items), compare_items);
        for (size_t i = 0; i < list->n; i++)
                if (n == 0 || compare_components(&list->items[n - 1].c, &list->items[i].c) != 0)
                        list->items[n++] = list->items[i];
        list->n = n;
}

static bool component_is_valid(const struct component *c, int32_t min, int32_t max, bool from_end) {
        if (c->start < min || c->start > max || c->repeat > max - min)
                return false;
        if (c->stop >= 0)
                return c->stop >= min && c->stop <= max && c->repeat <= c->stop - c->start;
        return from_end ? c->start - c->repeat >= min : c->start + c->repeat <= max;
}

static int normalize(struct parser *parser) {
        struct list *years = parser->lists + CALENDAR_YEAR;

        for (size_t i = 0; i < years->n; i++) {
                years->items[i].c.start = full_year(years->items[i].c.start);
                years->items[i].c.stop = full_year(years->items[i].c.stop);
        }
        parser->from_end = parser->from_end && parser->lists[CALENDAR_DAY].n > 0;
        if (parser->weekdays == 0x7f)
                parser->weekdays = 0;

        for (size_t f = 0; f < _CALENDAR_FIELD_MAX; f++) {
                struct list *list = parser->lists + f;
                bool from_end = f == CALENDAR_DAY && parser->from_end;
                int32_t max = field_ranges[f].max;

                list_normalize(list);
                for (size_t i = 0; i < list->n; i++) {
                        if (from_end)
                                max -= 3; /* systemd takes three for each item */
                        if (!component_is_valid(&list->items[i].c, field_ranges[f].min, max, from_end))
                                return refuse(parser, list->items[i].at, -EINVAL, field_ranges[f].problem);
                }
        }
        return 0;
}

/* What stands at the end of the text. */
struct suffix {
        enum calendar_suffix kind;
        size_t body; /* bytes in front of it */
        const Zone *zone;
        const char *abbreviation;
        int8_t dst;
};

/* The place of a word at the end of s, with a blank in front of it, letters of either case; or 0. */
static size_t find_last_word(const char *s, const char *word) {
        size_t n = strlen(s), k = strlen(word);

        if (k == 0 || n < k + 1 || s[n - k - 1] != ' ' || strcasecmp(s + n - k, word) != 0)
                return 0;
        return n - k;
}

static int find_suffix(const char *text, ZoneCache *cache, const Zone *zone, usec_t now, struct suffix *ret) {
        const char *space = strrchr(text, ' ');
        size_t at;

        *ret = (struct suffix){ .kind = CALENDAR_SUFFIX_NONE, .body = strlen(text), .zone = zone, .dst = -1 };
        at = find_last_word(text, "UTC");
        if (at > 0) {
                ret->kind = CALENDAR_SUFFIX_UTC;
                ret->body = at - 1;
                ret->zone = zone_utc();
                return 0;
        }
        for (int8_t dst = 0; dst <= 1; dst++) {
                const char *name = zone_abbreviation(zone, dst, (int64_t)(now / USEC_PER_SEC));

                at = name ? find_last_word(text, name) : 0;
                if (at > 0) {
                        ret->kind = CALENDAR_SUFFIX_ABBREVIATION;
                        ret->body = at - 1;
                        ret->abbreviation = name;
                        ret->dst = dst;
                        return 0;
                }
        }
        if (space && cache) {
                int r = zone_cache_get(cache, space + 1, &ret->zone);

                if (r == -ENOMEM)
                        return r;
                if (r >= 0) {
                        ret->kind = CALENDAR_SUFFIX_ZONE;
                        ret->body = (size_t)(space - text);
                }
        }
        return 0;
}

/* Says where the problem is. A last word that looks like a zone and is none is what went wrong. */
static void explain(const struct parser *parser, const char *body, TimeError *reterr) {
        const char *space = strrchr(body, ' ');
        bool inside = parser->problem_at >= body && parser->problem_at <= body + strlen(body);
        size_t ignored;

        assert(parser->problem);
        *reterr = (TimeError){
                .column = inside ? (size_t)(parser->problem_at - body) + 1 : 1,
                .message = parser->problem,
        };
        if (space && is_letter(space[1]) && zone_name_is_valid(space + 1) && match_weekday(space + 1, &ignored) < 0)
                *reterr = (TimeError){
                        .column = (size_t)(space - body) + 2,
                        .message = "there is no time zone with that name",
                };
}

/* Moves what was parsed into an expression of its own. */
static int calendar_new(const struct parser *parser, const struct suffix *suffix, Calendar **ret) {
        _cleanup_(calendar_freep) Calendar *c = NULL;
        size_t n = 0;

        for (size_t f = 0; f < _CALENDAR_FIELD_MAX; f++)
                n += parser->lists[f].n;
        c = calloc(1, sizeof(*c) + n * sizeof(struct component));
        if (!c)
                return -ENOMEM;
        c->zone = suffix->zone;
        c->suffix = suffix->kind;
        c->dst = suffix->dst;
        c->weekdays = parser->weekdays;
        c->from_end = parser->from_end;
        if (parser->utc) {
                c->zone = zone_utc();
                c->suffix = CALENDAR_SUFFIX_UTC;
                c->dst = -1;
        }
        if (c->suffix == CALENDAR_SUFFIX_ABBREVIATION) {
                c->abbreviation = strdup(suffix->abbreviation);
                if (!c->abbreviation)
                        return -ENOMEM;
        }
        n = 0;
        for (size_t f = 0; f < _CALENDAR_FIELD_MAX; f++) {
                for (size_t i = 0; i < parser->lists[f].n; i++)
                        c->components[n++] = parser->lists[f].items[i].c;
                assert(n <= UINT16_MAX); /* by CALENDAR_COMPONENTS_MAX */
                c->end[f] = (uint16_t)n;
        }
        calendar_compile(c);
        *ret = TAKE_PTR(c);
        return 0;
}

int calendar_parse(const char *text, ZoneCache *cache, const Zone *zone, usec_t now, Calendar **ret,
                   TimeError *reterr) {
        _cleanup_(parser_done) struct parser parser = {};
        _cleanup_free_ char *body = NULL;
        struct suffix suffix;
        int r;

        if (strlen(text) > CALENDAR_TEXT_MAX) {
                if (reterr)
                        *reterr = (TimeError){ .column = CALENDAR_TEXT_MAX, .message = "the expression is too long" };
                return -ENOBUFS;
        }
        r = find_suffix(text, cache, zone ?: zone_utc(), now, &suffix);
        if (r < 0)
                return r;
        body = strndup(text, suffix.body);
        if (!body)
                return -ENOMEM;
        parser.p = body;
        r = parse_body(&parser);
        if (r >= 0)
                r = normalize(&parser);
        if (r >= 0)
                r = calendar_new(&parser, &suffix, ret);
        if (r < 0 && r != -ENOMEM && reterr)
                explain(&parser, body, reterr);
        return r;
}
