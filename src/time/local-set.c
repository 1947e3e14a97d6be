/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The search for the next occurrence. On the wall clock it is an odometer over bit masks: each field is either right,
 * or moves to its next bit and sets the finer ones to their start, or has no bit left and the coarser one moves on. No
 * field is ever stepped through, and at most 2760 months are looked at (230 years), which is the bound of it all.
 *
 * On the time line the wall clock runs on, but jumps at the changes of the zone. Seen from an instant, only the change
 * at either end of its own period needs care, because only there can the same wall clock time lie both behind and
 * ahead; any later gap or overlap is met when the wall clock search runs into it. A skipped occurrence moves the
 * search behind its gap, so there are at most as many turns as the zone has gaps. */

#include "time/local-set.h"

/* The first set bit from a place on, or -1. */
static int next_bit(uint64_t mask, int from) {
        assert(from >= 0);
        if (from > 63)
                return -1;
        mask &= UINT64_MAX << from;
        return mask != 0 ? __builtin_ctzll(mask) : -1;
}

/* Fields of a wall clock time while the search turns them. */
struct cursor {
        int year, month, day, hour, minute;
        int32_t usec;
        unsigned carries; /* of enum local_carry, those that were met */
};

static void cursor_start_day(struct cursor *c, int day) {
        c->day = day;
        c->hour = c->minute = c->usec = 0;
}

static void cursor_load(struct cursor *c, const LocalTime *t) {
        struct civil civil;

        civil_from_seconds(t->seconds, &civil);
        c->year = civil.year;
        c->month = civil.month;
        c->day = civil.day;
        c->hour = civil.hour;
        c->minute = civil.minute;
        c->usec = civil.second * (int32_t)USEC_PER_SEC + t->usec;
}

/* Moves the time of day on to the next one of the set. False when the day has none left. */
static bool next_in_day(const LocalSet *set, struct cursor *c) {
        for (;; c->usec = 0) {
                int hour = next_bit(set->hours, c->hour), minute;
                int32_t usec;

                if (hour < 0) {
                        c->carries |= c->day == civil_month_length(c->year, c->month) ? LOCAL_CARRY_MONTH : 0;
                        return false;
                }
                if (hour != c->hour)
                        c->minute = c->usec = 0;
                c->hour = hour;

                minute = next_bit(set->minutes, c->minute);
                if (minute < 0) {
                        c->carries |= c->hour == 23 ? LOCAL_CARRY_DAY : 0;
                        c->hour++;
                        c->minute = 0;
                        continue;
                }
                if (minute != c->minute)
                        c->usec = 0;
                c->minute = minute;

                usec = set->next_usec(set, c->usec);
                if (usec >= 0 && usec < USEC_OF_MINUTE) {
                        c->usec = usec;
                        return true;
                }
                c->carries |= LOCAL_CARRY_MINUTE | (c->minute == 59 ? LOCAL_CARRY_HOUR : 0);
                c->minute++;
        }
}

/* Moves the date on; false when there is none left. The time of day starts anew when the date moved. */
static bool next_date(const LocalSet *set, struct cursor *c) {
        int year;

        while ((year = set->next_year(set, c->year)) >= 0 && year <= CALENDAR_YEAR_MAX) {
                if (year != c->year) {
                        c->year = year;
                        c->month = 1;
                        cursor_start_day(c, 1);
                }
                for (int month; (month = next_bit(set->months, c->month)) >= 0; c->month++, cursor_start_day(c, 1)) {
                        int day;

                        if (month != c->month) {
                                c->month = month;
                                cursor_start_day(c, 1);
                        }
                        day = next_bit(set->month_days(set, year, month), c->day);
                        if (day < 0) {
                                c->carries |= month == 12 ? LOCAL_CARRY_YEAR : 0;
                                continue;
                        }
                        assert(day <= civil_month_length(year, month));
                        if (day != c->day)
                                cursor_start_day(c, day);
                        return true;
                }
                c->year++;
                c->month = 1;
                cursor_start_day(c, 1);
        }
        return false;
}

bool local_set_next(const LocalSet *set, LocalTime *t, bool *ret_odd) {
        struct cursor c = {};
        bool found;

        cursor_load(&c, t);
        while ((found = next_date(set, &c)) && !next_in_day(set, &c))
                cursor_start_day(&c, c.day + 1); /* a day 32 is no bit of any mask */
        if (ret_odd)
                *ret_odd = (c.carries & set->odd_carries) != 0;
        if (!found)
                return false;
        assert(c.usec >= 0 && c.usec < USEC_OF_MINUTE);
        t->seconds = civil_days(c.year, c.month, c.day) * SECONDS_PER_DAY + c.hour * 3600 + c.minute * 60 +
                     c.usec / (int32_t)USEC_PER_SEC;
        t->usec = c.usec % (int32_t)USEC_PER_SEC;
        return true;
}

static usec_t instant_usec(int64_t seconds, int32_t usec) {
        return (usec_t)seconds * USEC_PER_SEC + (usec_t)usec;
}

static DstOverlap overlap_rule(const DstPolicy *policy, int32_t length) {
        return policy->overlap_max > 0 && length > policy->overlap_max ? DST_OVERLAP_BOTH : policy->overlap;
}

/* In the second pass of an overlap of which only the first counts, the wall clock time goes on behind it. */
static void leave_second_pass(const Zone *zone, const DstPolicy *policy, const ZonePeriod *here, LocalTime *t) {
        ZonePeriod before;
        int64_t overlap_end;

        if (here->from == INT64_MIN)
                return;
        zone_at(zone, here->from - 1, &before);
        overlap_end = here->from + before.offset;
        if (t->seconds < overlap_end && overlap_rule(policy, before.offset - here->offset) == DST_OVERLAP_FIRST)
                *t = (LocalTime){ .seconds = overlap_end };
}

/* At the first instant behind a gap, the wall clock times in it are still to come: they may count for that instant. */
static void enter_gap(const Zone *zone, const ZonePeriod *here, usec_t start, LocalTime *t) {
        ZonePeriod before;

        if (here->from < 0 || start != instant_usec(here->from, 0))
                return;
        zone_at(zone, here->from - 1, &before);
        if (before.offset < here->offset)
                *t = (LocalTime){ .seconds = here->from + before.offset };
}

/* In the first pass of an overlap: returns true with the occurrence when there is one left in it that counts, else
 * sets the wall clock time to where the search goes on. */
static bool next_in_first_pass(const LocalSet *set, const Zone *zone, const DstPolicy *policy, const ZonePeriod *here,
                               LocalTime *t) {
        DstOverlap rule;
        ZonePeriod after;

        if (here->until == INT64_MAX)
                return false;
        zone_at(zone, here->until, &after);
        if (after.offset >= here->offset || t->seconds < here->until + after.offset)
                return false;
        rule = overlap_rule(policy, here->offset - after.offset);
        if (rule != DST_OVERLAP_SECOND) {
                LocalTime found = *t;

                if (local_set_next(set, &found, NULL) && found.seconds < here->until + here->offset) {
                        *t = found;
                        return true;
                }
        }
        *t = (LocalTime){ .seconds = here->until + (rule == DST_OVERLAP_FIRST ? here->offset : after.offset) };
        return false;
}

int local_set_next_instant(const LocalSet *set, const Zone *zone, const DstPolicy *policy, usec_t after, usec_t *ret) {
        const usec_t start = after + 1;
        const int64_t start_seconds = (int64_t)(start / USEC_PER_SEC);
        ZonePeriod here;
        LocalTime t;

        if (after >= INT64_MAX)
                return -ENOENT;
        zone_at(zone, start_seconds, &here);
        t = (LocalTime){ .seconds = start_seconds + here.offset, .usec = (int32_t)(start % USEC_PER_SEC) };
        leave_second_pass(zone, policy, &here, &t);
        enter_gap(zone, &here, start, &t);
        if (next_in_first_pass(set, zone, policy, &here, &t)) {
                *ret = instant_usec(t.seconds - here.offset, t.usec);
                return 0;
        }

        while (local_set_next(set, &t, NULL)) {
                ZoneLocal local;

                zone_resolve(zone, t.seconds, &local);
                switch (local.kind) {
                case ZONE_LOCAL_UNIQUE:
                        *ret = instant_usec(local.first, t.usec);
                        return 0;
                case ZONE_LOCAL_OVERLAP:
                        *ret = instant_usec(local.first, t.usec);
                        if (overlap_rule(policy, local.length) == DST_OVERLAP_SECOND || *ret < start)
                                *ret = instant_usec(local.second, t.usec);
                        return 0;
                case ZONE_LOCAL_GAP:
                        if (policy->gap == DST_GAP_AFTER && (policy->gap_max <= 0 || local.length < policy->gap_max)) {
                                *ret = instant_usec(local.transition, 0);
                                return 0;
                        }
                        t = (LocalTime){ .seconds = local.transition + (t.seconds - local.first) + local.length };
                        break;
                }
        }
        return -ENOENT;
}
