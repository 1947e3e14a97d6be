/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Calendar expressions: the compiled form, its text, its next elapse. What an expression says about the wall clock is
 * kept as bit masks. Its components stay beside them: the normalized form is printed from them, years and fractions of
 * seconds are searched in them, and so are all fields near a change of the clock, where systemd's own steps have to be
 * followed (calendar-walk.c). Far from any change, that is nearly always, both ways give the same and the masks do. */

#include "time/calendar-internal.h"

#define MARGIN_DAYS          4
#define MARGIN_DAYS_REPEATED 62

int32_t components_next(const struct component *c, size_t n, int32_t from) {
        int32_t best = -1;

        if (n == 0)
                return from;
        for (size_t i = 0; i < n; i++) {
                int64_t value = c[i].start;

                if (value < from) {
                        if (c[i].repeat <= 0)
                                continue;
                        value += (from - value + c[i].repeat - 1) / c[i].repeat * c[i].repeat;
                        if (c[i].stop >= 0 && value > c[i].stop)
                                continue;
                }
                if (best < 0 || value < best)
                        best = (int32_t)value;
        }
        return best;
}

static int next_year(const LocalSet *set, int year) {
        const Calendar *c = (const Calendar *)set;
        const struct component *components;
        size_t n;

        components = calendar_components(c, CALENDAR_YEAR, &n);
        return components_next(components, n, year);
}

/* The weekdays of a month as days: the week's seven bits, repeated, from the weekday of its first day on. */
static uint32_t weekday_days(uint8_t weekdays, int year, int month) {
        uint64_t week = weekdays, weeks = week | week << 7 | week << 14 | week << 21 | week << 28 | week << 35;

        return (uint32_t)(weeks >> civil_weekday(civil_days(year, month, 1))) << 1;
}

static uint32_t month_days(const LocalSet *set, int year, int month) {
        const Calendar *c = (const Calendar *)set;
        int length = civil_month_length(year, month);
        uint32_t days = c->from_end ? c->days >> (31 - length) : c->days;

        if (c->weekdays != 0)
                days &= weekday_days(c->weekdays, year, month);
        return days & (uint32_t)((UINT64_C(2) << length) - 2);
}

static int32_t next_second(const LocalSet *set, int32_t usec) {
        const Calendar *c = (const Calendar *)set;
        int second = (usec + (int32_t)USEC_PER_SEC - 1) / (int32_t)USEC_PER_SEC;
        uint64_t later = c->seconds & UINT64_MAX << second;

        return later != 0 ? __builtin_ctzll(later) * (int32_t)USEC_PER_SEC : -1;
}

static int32_t next_usec(const LocalSet *set, int32_t usec) {
        const struct component *components;
        size_t n;

        components = calendar_components((const Calendar *)set, CALENDAR_USEC, &n);
        return components_next(components, n, usec);
}

/* The values of a field, divided by unit, as bits. */
static uint64_t field_mask(const Calendar *c, enum calendar_field field, int32_t min, int32_t max, int32_t unit) {
        const struct component *components;
        uint64_t mask = 0;
        size_t n;

        components = calendar_components(c, field, &n);
        if (n == 0)
                return (UINT64_MAX >> (63 - max)) & (UINT64_MAX << min);
        for (size_t i = 0; i < n; i++) {
                int32_t stop = components[i].stop, repeat = components[i].repeat / unit;

                if (repeat == 0)
                        stop = components[i].start;
                else if (stop < 0)
                        stop = max * unit;
                for (int32_t v = components[i].start / unit; v <= stop / unit && v <= max; v += MAX(repeat, 1))
                        mask |= UINT64_C(1) << v;
        }
        return mask;
}

/* Days from the end: a range is counted from its earlier day, the one with the larger number, on; and a repetition
 * goes on to the end of the month. */
static uint32_t days_from_end(const Calendar *c) {
        const struct component *components;
        uint32_t mask = 0;
        size_t n;

        components = calendar_components(c, CALENDAR_DAY, &n);
        for (size_t i = 0; i < n; i++) {
                int32_t first = MAX(components[i].start, components[i].stop);
                int32_t last = components[i].stop < 0 ? 1 : components[i].start;

                assert(last >= 1 && first <= 31);
                for (int32_t v = first; v >= last; v -= components[i].repeat) {
                        mask |= UINT32_C(1) << (32 - v);
                        if (components[i].repeat <= 0)
                                break;
                }
        }
        return mask;
}

static bool has_fractions(const Calendar *c) {
        const struct component *components;
        size_t n;

        components = calendar_components(c, CALENDAR_USEC, &n);
        for (size_t i = 0; i < n; i++)
                if (components[i].start % (int32_t)USEC_PER_SEC != 0 ||
                    components[i].repeat % (int32_t)USEC_PER_SEC != 0)
                        return true;
        return false;
}

/* Where a repetition without a stop is the last word of a field, systemd goes on counting beyond the end of the field
 * ("*:0/7": 23:63), has mktime(3) put that into order (00:03 of the next day), and then sets only the field below the
 * one that moved to its start: 00:00 is lost. Returns whether a value can get lost so; end is one more than the last
 * value of the field. */
static bool loses_a_value(const Calendar *c, enum calendar_field field, int32_t min, int32_t end) {
        const struct component *components;
        int32_t first, carried = INT32_MAX;
        size_t n;

        components = calendar_components(c, field, &n);
        first = components_next(components, n, min);
        for (size_t i = 0; i < n; i++)
                if (components[i].stop < 0 && components[i].repeat > 0)
                        carried = MIN(carried, components_next(components + i, 1, end));
        if (n == 0 || carried == INT32_MAX)
                return false;
        return (field == CALENDAR_DAY && c->from_end) || first < carried - end + min;
}

/* How far systemd may look beyond an elapse before it finds it: a day 31 of a month that has 28, an hour 23+23, a day
 * 31+30. When that is beyond a change of the clock, it comes back with the other daylight saving. At least one day, in
 * which the times lie that are shown twice. */
static uint8_t margin_days(const Calendar *c) {
        const struct component *components;
        size_t n;

        components = calendar_components(c, CALENDAR_DAY, &n);
        for (size_t i = 0; i < n; i++)
                if ((components[i].stop < 0 || c->from_end) && components[i].repeat > 0)
                        return MARGIN_DAYS_REPEATED;
        return MARGIN_DAYS;
}

static uint8_t odd_carries(const Calendar *c, bool fractions) {
        unsigned odd = 0;

        if (loses_a_value(c, CALENDAR_USEC, 0, USEC_OF_MINUTE))
                odd |= LOCAL_CARRY_HOUR | (fractions ? LOCAL_CARRY_MINUTE : 0); /* the fraction stays every minute */
        if (loses_a_value(c, CALENDAR_MINUTE, 0, 60))
                odd |= LOCAL_CARRY_DAY;
        if (loses_a_value(c, CALENDAR_HOUR, 0, 24))
                odd |= LOCAL_CARRY_MONTH;
        if (loses_a_value(c, CALENDAR_DAY, 1, 32))
                odd |= LOCAL_CARRY_YEAR;
        return (uint8_t)odd;
}

void calendar_compile(Calendar *c) {
        const bool fractions = has_fractions(c);

        c->set = (LocalSet){
                .next_year = next_year,
                .month_days = month_days,
                .months = (uint16_t)field_mask(c, CALENDAR_MONTH, 1, 12, 1),
                .hours = (uint32_t)field_mask(c, CALENDAR_HOUR, 0, 23, 1),
                .minutes = field_mask(c, CALENDAR_MINUTE, 0, 59, 1),
                .odd_carries = odd_carries(c, fractions),
        };
        c->margin_days = margin_days(c);
        c->days = c->from_end ? days_from_end(c) : (uint32_t)field_mask(c, CALENDAR_DAY, 1, 31, 1);
        if (fractions)
                c->set.next_usec = next_usec;
        else {
                c->set.next_usec = next_second;
                c->seconds = field_mask(c, CALENDAR_USEC, 0, 59, (int32_t)USEC_PER_SEC);
        }
}

Calendar *calendar_free(Calendar *c) {
        if (!c)
                return NULL;
        free(c->abbreviation);
        return mfree(c);
}

size_t calendar_size(const Calendar *c) {
        return c->abbreviation ? 0 : sizeof(Calendar) + c->end[_CALENDAR_FIELD_MAX - 1] * sizeof(struct component);
}

const Zone *calendar_zone(const Calendar *c) {
        return c->zone;
}

/* "Mon..Fri", "Sat,Sun" */
static void format_weekdays(FILE *f, uint8_t weekdays) {
        static const char *const names[] = { "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun" };
        const char *separator = "";

        for (int first = 0, last; first < 7; first = last + 1) {
                last = first;
                if (!(weekdays >> first & 1))
                        continue;
                while (weekdays >> (last + 1) & 1)
                        last++;
                fprintf(f, "%s%s", separator, names[first]);
                if (last > first)
                        fprintf(f, "%s%s", last > first + 1 ? ".." : ",", names[last]);
                separator = ",";
        }
        fputc(' ', f);
}

static void format_value(FILE *f, int width, int32_t value, int32_t unit) {
        fprintf(f, "%0*" PRIi32, width, value / unit);
        if (value % unit > 0)
                fprintf(f, ".%06" PRIi32, value % unit);
}

static void format_field(FILE *f, const Calendar *c, enum calendar_field field) {
        const int32_t unit = field == CALENDAR_USEC ? (int32_t)USEC_PER_SEC : 1;
        const int width = field == CALENDAR_YEAR ? 4 : 2;
        const struct component *components;
        bool star = field != CALENDAR_USEC;
        size_t n;

        components = calendar_components(c, field, &n);
        for (size_t i = 0; i < n && field == CALENDAR_USEC; i++)
                star = star || (components[i].start == 0 && components[i].stop < 0 && components[i].repeat == unit);
        if (n == 0 || (star && field == CALENDAR_USEC)) {
                fputc('*', f);
                return;
        }
        for (size_t i = 0; i < n; i++) {
                const struct component *p = components + i;

                if (i > 0)
                        fputc(',', f);
                format_value(f, width, p->start, unit);
                if (p->stop > 0) {
                        fputs("..", f);
                        format_value(f, width, p->stop, unit);
                }
                if (p->repeat > 0 && !(p->stop > 0 && p->repeat == unit)) {
                        fputc('/', f);
                        format_value(f, 1, p->repeat, unit);
                }
        }
}

static void format_suffix(FILE *f, const Calendar *c) {
        switch ((enum calendar_suffix)c->suffix) {
        case CALENDAR_SUFFIX_NONE:
                break;
        case CALENDAR_SUFFIX_UTC:
                fputs(" UTC", f);
                break;
        case CALENDAR_SUFFIX_ZONE:
                fprintf(f, " %s", zone_name(c->zone));
                break;
        case CALENDAR_SUFFIX_ABBREVIATION:
                fprintf(f, " %s", c->abbreviation);
                break;
        }
}

int calendar_format(const Calendar *c, char **ret) {
        static const char *const separators[] = { "-", NULL, " ", ":", ":", "" };
        char *text = NULL;
        size_t size;
        FILE *f;

        f = open_memstream(&text, &size);
        if (!f)
                return -ENOMEM;
        if (c->weekdays != 0)
                format_weekdays(f, c->weekdays);
        for (enum calendar_field field = 0; field < _CALENDAR_FIELD_MAX; field++) {
                format_field(f, c, field);
                fputs(separators[field] ?: c->from_end ? "~" : "-", f);
        }
        format_suffix(f, c);
        if (fclose(f) != 0) {
                free(text);
                return -ENOMEM;
        }
        *ret = text;
        return 0;
}

/* Whether systemd gets over the change at the end of a period as if it was not there, on its way to an elapse far
 * behind it. It stumbles when the clock skips midnight, from where it looks at a day; and when it tried a day 29 to 31
 * of a shorter month, comes back from behind the change that is at the start of the next one. */
static bool change_is_harmless(const Calendar *c, const ZonePeriod *before, const ZonePeriod *after) {
        int64_t from = before->until + before->offset, to = before->until + after->offset;
        struct civil day;
        int length;

        if (to > from && (to - 1) / SECONDS_PER_DAY != (from - 1) / SECONDS_PER_DAY)
                return false;
        if (c->from_end)
                return true;
        civil_from_seconds(from, &day);
        length = day.month > 1 ? civil_month_length(day.year, day.month - 1) : 31;
        return day.day > MARGIN_DAYS || c->days >> length >> 1 == 0; /* length + 1 may be all of its bits */
}

/* The answer by masks when nothing between here and there can make systemd's another one: both lie well within their
 * periods of the zone, the changes between them are harmless, and no field loses a value. Returns 1 then, 0 when the
 * way has to be walked, -ENOENT when the wall clock alone says that it is over. */
static int next_by_masks(const Calendar *c, usec_t start, usec_t *ret) {
        const int64_t seconds = (int64_t)(start / USEC_PER_SEC), margin = c->margin_days * SECONDS_PER_DAY;
        ZonePeriod here, next;
        LocalTime t;
        bool odd;

        zone_at(c->zone, seconds, &here);
        t = (LocalTime){ .seconds = seconds + here.offset, .usec = (int32_t)(start % USEC_PER_SEC) };
        if (!local_set_next(&c->set, &t, &odd))
                return -ENOENT;
        if (odd || c->dst >= 0)
                return 0;
        /* a repetition counts from a day near the end of the month, which may have been skipped (Kwajalein 1993) */
        if (here.from != INT64_MIN && c->from_end && seconds < here.from + margin)
                return 0;
        while (here.until != INT64_MAX && t.seconds - here.offset >= here.until - margin) {
                if (margin > MARGIN_DAYS * SECONDS_PER_DAY || seconds >= here.until - margin)
                        return 0;
                zone_at(c->zone, here.until, &next);
                if (!change_is_harmless(c, &here, &next) || t.seconds - next.offset < next.from + margin)
                        return 0;
                here = next;
        }
        *ret = (usec_t)(t.seconds - here.offset) * USEC_PER_SEC + (usec_t)t.usec;
        assert(*ret >= start);
        return 1;
}

static int next_with_policy(const Calendar *c, DstGap gap, DstOverlap overlap, usec_t after, usec_t *ret) {
        const DstPolicy policy = {
                .gap = gap != DST_GAP_DEFAULT ? gap : DST_GAP_SKIP,
                .overlap = overlap != DST_OVERLAP_DEFAULT ? overlap : DST_OVERLAP_FIRST,
        };

        return local_set_next_instant(&c->set, c->zone, &policy, after, ret);
}

int calendar_next(const Calendar *c, const DstPolicy *policy, usec_t after, usec_t *ret) {
        int r;

        if (after >= (usec_t)INT64_MAX)
                return -ENOENT;
        if (policy && (policy->gap != DST_GAP_DEFAULT || policy->overlap != DST_OVERLAP_DEFAULT))
                return next_with_policy(c, policy->gap, policy->overlap, after, ret);

        r = next_by_masks(c, after + 1, ret);
        if (r != 0)
                return r > 0 ? 0 : r;
        r = calendar_walk(c, after, ret);
        if (r >= 0 || c->dst >= 0)
                return r == -EDEADLK ? -ENOENT : r;
        /* The wall clock has a next time, but systemd stops for ever: after 1000 turns, or because a change of the
         * clock is in its way. A job that never runs again is no answer. */
        return next_with_policy(c, DST_GAP_DEFAULT, DST_OVERLAP_DEFAULT, after, ret);
}

bool calendar_matches_day(const Calendar *c, usec_t instant) {
        struct civil day;
        ZonePeriod here;

        zone_at(c->zone, (int64_t)(instant / USEC_PER_SEC), &here);
        civil_from_seconds((int64_t)(instant / USEC_PER_SEC) + here.offset, &day);
        return next_year(&c->set, day.year) == day.year && c->set.months >> day.month & 1 &&
               month_days(&c->set, day.year, day.month) >> day.day & 1;
}
