/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The next elapse near a change of the clock, exactly as systemd 252 finds it. systemd moves the fields of a struct tm
 * and has mktime(3) put each intermediate time into order, so its answer depends on what mktime makes of a time that
 * does not exist or exists twice; see libc-mktime.c. The offset that glibc remembers is part of the search's own state
 * here, and starts with the one in force, so that an answer never depends on earlier questions. A time that is moved
 * back, or a year that begins in a gap, ends the search of that field in the same places as there; and what lies
 * before the start in the end is left by an hour, as 252.38 and later do it for zones whose winter is their daylight
 * saving (Europe/Dublin). */

#include "time/calendar-internal.h"
#include "time/libc-mktime.h"

#define TURNS_MAX 1000 /* systemd's own valve */

/* The date and time under construction. */
struct walk {
        const Calendar *calendar;
        struct civil c; /* fields may be out of range in between */
        int32_t usec;
        int dst;         /* what is asked of mktime: 0, 1, or -1 for whatever fits */
        int64_t offset;  /* the offset that mktime found last: its next first guess */
        int64_t instant; /* what the last call found */
        bool keep_dst;   /* ask mktime for the daylight saving that it found before */
};

/* mktime(3): brings *c into order, sets *dst to what holds there. False when there is no such time, or none since
 * 1970. */
static bool walk_mktime(struct walk *w, struct civil *c, int *dst) {
        return libc_mktime(w->calendar->zone, c, dst, &w->offset, &w->instant) && w->instant >= 0;
}

enum settled {
        SETTLED_UNCHANGED, /* the time exists */
        SETTLED_MOVED,     /* it was brought into order, and is another one now */
};

/* What systemd does after it set a field. Negative: not possible, the coarser field has to move. */
static int walk_settle(struct walk *w) {
        struct civil c = w->c;
        int dst = w->dst, order;

        if (c.year > CALENDAR_YEAR_MAX)
                return -ERANGE;
        if (!walk_mktime(w, &c, &dst))
                return -EINVAL;
        if ((order = c.year - w->c.year) != 0)
                c.month = 1;
        else if ((order = c.month - w->c.month) != 0)
                c.day = 1;
        else if ((order = c.day - w->c.day) != 0)
                c.hour = 0;
        else if ((order = c.hour - w->c.hour) != 0)
                c.minute = 0;
        else if ((order = c.minute - w->c.minute) != 0)
                c.second = 0;
        else
                order = c.second - w->c.second;
        if (order < 0)
                return -EDEADLK;
        if (order == 0)
                return SETTLED_UNCHANGED;
        w->c = c;
        w->dst = dst;
        return SETTLED_MOVED;
}

/* The day of the month that is the n-th from its end, as mktime sees it at this time of day; or -1. */
static int walk_day_from_end(struct walk *w, int n) {
        struct civil c = w->c;
        int dst = w->dst;

        c.month++;
        c.day = 1 - n;
        if (!walk_mktime(w, &c, &dst) || c.month != w->c.month)
                return -1;
        return c.day;
}

/* The next value of a field, -1 for none. */
static int32_t walk_next(struct walk *w, enum calendar_field field, int32_t value) {
        const struct component *components;
        int32_t best = -1;
        bool found = false;
        size_t n;

        components = calendar_components(w->calendar, field, &n);
        if (field != CALENDAR_DAY || !w->calendar->from_end)
                return components_next(components, n, value);
        for (size_t i = 0; i < n; i++) {
                struct component c = components[i];
                int32_t next;

                c.start = walk_day_from_end(w, components[i].start);
                c.stop = walk_day_from_end(w, components[i].stop);
                if (c.stop > 0) {
                        int32_t start = c.start;

                        c.start = c.stop;
                        c.stop = start;
                }
                next = components_next(&c, 1, value);
                if (next >= value && (!found || next < best)) {
                        best = next;
                        found = true;
                }
        }
        return best;
}

static int *walk_field(struct walk *w, enum calendar_field field) {
        switch (field) {
        case CALENDAR_YEAR:
                return &w->c.year;
        case CALENDAR_MONTH:
                return &w->c.month;
        case CALENDAR_DAY:
                return &w->c.day;
        case CALENDAR_HOUR:
                return &w->c.hour;
        case CALENDAR_MINUTE:
                return &w->c.minute;
        case CALENDAR_USEC:
        case _CALENDAR_FIELD_MAX:
                break;
        }
        return &w->c.second;
}

/* Sets all fields finer than one to their start. */
static void walk_reset_below(struct walk *w, enum calendar_field field) {
        assert(field < CALENDAR_USEC);
        for (enum calendar_field f = field + 1; f < _CALENDAR_FIELD_MAX; f++)
                *walk_field(w, f) = f == CALENDAR_MONTH || f == CALENDAR_DAY;
        w->usec = 0;
}

/* Moves one field to its next value. Negative when it has none. */
static int walk_advance(struct walk *w, enum calendar_field field) {
        int *place = walk_field(w, field);
        int32_t value, next;

        if (field == CALENDAR_USEC) {
                next = walk_next(w, field, w->c.second * (int32_t)USEC_PER_SEC + w->usec);
                if (next < 0)
                        return -ENOENT;
                w->usec = next % (int32_t)USEC_PER_SEC;
                w->c.second = next / (int32_t)USEC_PER_SEC;
                return 0;
        }
        value = *place;
        next = walk_next(w, field, value);
        if (next < 0)
                return -ENOENT;
        *place = next;
        if (next != value)
                walk_reset_below(w, field);
        return 0;
}

static bool walk_weekday_matches(struct walk *w) {
        struct civil c = w->c;
        int dst = w->dst;

        if (w->calendar->weekdays == 0)
                return true;
        if (!walk_mktime(w, &c, &dst))
                return false;
        return w->calendar->weekdays >> civil_weekday(civil_days(c.year, c.month, c.day)) & 1;
}

/* One turn through the fields, from the year to the µs. Returns 1 when all of them fit, 0 when another turn is needed.
 */
static int walk_turn(struct walk *w) {
        (void)walk_mktime(w, &w->c, &w->dst);
        if (!w->keep_dst)
                w->dst = w->calendar->dst;

        for (enum calendar_field field = CALENDAR_YEAR; field < _CALENDAR_FIELD_MAX; field++) {
                int r = walk_advance(w, field);

                if (r >= 0)
                        r = walk_settle(w);
                if (field == CALENDAR_YEAR) {
                        if (r != SETTLED_UNCHANGED)
                                return -ENOENT;
                        continue;
                }
                if (r < 0) {
                        (*walk_field(w, field - 1))++;
                        walk_reset_below(w, field - 1);
                        return 0;
                }
                if (r == SETTLED_MOVED)
                        return 0;
                if (field == CALENDAR_DAY && !walk_weekday_matches(w)) {
                        w->c.day++;
                        walk_reset_below(w, CALENDAR_DAY);
                        return 0;
                }
        }
        return 1;
}

static bool walk_is_before(const struct walk *w, const struct civil *start, int32_t start_usec) {
        int64_t here = civil_seconds(&w->c), there = civil_seconds(start);

        return here < there || (here == there && w->usec < start_usec);
}

int calendar_walk(const Calendar *calendar, usec_t after, usec_t *ret) {
        const usec_t start = after + 1;
        struct walk w = { .calendar = calendar, .usec = (int32_t)(start % USEC_PER_SEC) };
        const int32_t start_usec = w.usec;
        struct civil start_civil;
        ZonePeriod here;

        zone_at(calendar->zone, (int64_t)(start / USEC_PER_SEC), &here);
        civil_from_seconds((int64_t)(start / USEC_PER_SEC) + here.offset, &start_civil);
        w.c = start_civil;
        w.offset = here.offset;
        w.dst = here.dst;

        for (unsigned turn = 0; turn < TURNS_MAX; turn++) {
                int r = walk_turn(&w);

                if (r < 0)
                        return r;
                if (r == 0)
                        continue;
                if (walk_is_before(&w, &start_civil, start_usec)) {
                        w.c.hour++;
                        w.keep_dst = true;
                        continue;
                }
                if (!walk_mktime(&w, &w.c, &w.dst))
                        return -EINVAL;
                *ret = (usec_t)w.instant * USEC_PER_SEC + (usec_t)w.usec;
                return *ret > after ? 0 : -EDEADLK;
        }
        return -EDEADLK;
}
