/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The effect of a clock change is not derived from rules a second time: the elapses themselves are examined. The
 * expression on the wall clock says which times are meant, and the expression in its zone says what happened to
 * them. */

#include "ctl/alloc.h"
#include "ctl/clock-change.h"
#include "time/civil.h"
#include "time/timestamp.h"
#include "util/i18n.h"

#define LEFT_OUT_MAX  1000 /* times of one gap that are counted */
#define WALL_TEXT_MAX 64

/* "Sun 2026-03-29 02:30", without the date if it is that of another time. Returns buf. */
static char *wall_format(char buf[static WALL_TEXT_MAX], usec_t t, usec_t other) {
        char date[TIMESTAMP_TEXT_MAX];
        struct civil c;
        bool same_day = t / USEC_PER_DAY == other / USEC_PER_DAY;
        unsigned usec = (unsigned)(t % USEC_PER_SEC);
        int n;

        civil_from_seconds((int64_t)(t / USEC_PER_SEC), &c);
        timestamp_format(date, t, NULL, TIMESTAMP_DATE);
        n = snprintf(buf, WALL_TEXT_MAX, "%.40s%s%02d:%02d", same_day ? "" : date, same_day ? "" : " ", c.hour,
                     c.minute);
        if (c.second > 0 || usec > 0)
                n += snprintf(buf + n, WALL_TEXT_MAX - (size_t)n, ":%02d", c.second);
        if (usec > 0)
                (void)snprintf(buf + n, WALL_TEXT_MAX - (size_t)n, ".%06u", usec);
        return buf;
}

/* Times of the expression that are in a gap. */
typedef struct GapTimes {
        usec_t first, last;
        size_t n; /* LEFT_OUT_MAX: that many or more */
} GapTimes;

static GapTimes find_gap_times(const Expression *wall, usec_t begin, usec_t end) {
        GapTimes times = { 0 };
        usec_t t = begin - 1;

        while (times.n < LEFT_OUT_MAX && expression_next(wall, t, &t) >= 0 && t < end) {
                if (times.n++ == 0)
                        times.first = t;
                times.last = t;
        }
        return times;
}

/* A message about the times of a gap; runs_at: the wall clock time at which they are made up for, or 0. */
static char *gap_message(const GapTimes *times, const char *zone, usec_t runs_at) {
        char first[WALL_TEXT_MAX], last[WALL_TEXT_MAX], at[WALL_TEXT_MAX];
        _cleanup_free_ char *what = NULL, *then = NULL;

        wall_format(first, times->first, USEC_INFINITY);
        wall_format(last, times->last, times->first);
        wall_format(at, runs_at, times->first);
        if (times->n == 1) {
                what = alloc_format(_("%s does not exist in %s"), first, zone);
                then = runs_at > 0 ? alloc_format(_("it runs at %s"), at) : alloc_string(_("it is left out"));
                return alloc_format("%s: %s", what, then);
        }
        if (times->n == LEFT_OUT_MAX)
                what = alloc_format(_("%s and %d times or more after it do not exist in %s"), first, LEFT_OUT_MAX - 1,
                                    zone);
        else
                what = alloc_format(times->n == 2 ? _("%s and %s do not exist in %s")
                                                  : _("%s to %s do not exist in %s"),
                                    first, last, zone);
        if (times->n == 2 || times->n == LEFT_OUT_MAX)
                then = runs_at > 0 ? alloc_format(_("they run once, at %s"), at)
                                   : alloc_string(_("they are left out"));
        else
                then = runs_at > 0 ? alloc_format(_("these times run once, at %s"), at)
                                   : alloc_string(_("these times are left out"));
        return alloc_format("%s: %s", what, then);
}

/* Whether the expression names a wall clock time. */
static bool names_time(const Expression *wall, usec_t t) {
        usec_t found;

        return expression_next(wall, t - 1, &found) >= 0 && found == t;
}

char *clock_change_next_gap(const Expression *e, const Expression *wall, usec_t *after, usec_t next) {
        ZoneTransition change;

        while (zone_next_transition(e->zone, (int64_t)(*after / USEC_PER_SEC), &change) >= 0) {
                usec_t at = (usec_t)change.at * USEC_PER_SEC, end;
                int64_t begin = change.at + change.before;
                GapTimes times;

                if (at > next)
                        break;
                *after = at;
                if (change.after <= change.before || begin <= 0)
                        continue;
                end = (usec_t)(change.at + change.after) * USEC_PER_SEC;
                times = find_gap_times(wall, (usec_t)begin * USEC_PER_SEC, end);
                if (times.n > 0)
                        return gap_message(&times, zone_name(e->zone), at == next && !names_time(wall, end) ? end : 0);
        }
        return NULL;
}

/* Whether the search that comes from before an instant has its next elapse in the seconds from there on. It starts
 * where the last elapse before may have been, in the pass before: systemd's answer depends on that. */
static bool elapses_within(const Expression *e, int64_t begin, int32_t length) {
        usec_t t;

        return begin > 0 && expression_next(e, (usec_t)begin * USEC_PER_SEC - 2, &t) >= 0 &&
               t < (usec_t)(begin + length) * USEC_PER_SEC;
}

char *clock_change_overlap(const Expression *e, usec_t elapse) {
        int64_t instant = (int64_t)(elapse / USEC_PER_SEC);
        char when[WALL_TEXT_MAX];
        ZonePeriod here;
        ZoneLocal local;
        usec_t wall;
        bool first, other;

        zone_at(e->zone, instant, &here);
        if (instant + here.offset < 0)
                return NULL;
        zone_resolve(e->zone, instant + here.offset, &local);
        if (local.kind != ZONE_LOCAL_OVERLAP)
                return NULL;
        first = instant == local.first;
        other = elapses_within(e, local.transition - (first ? 0 : local.length), local.length);
        wall = (usec_t)(instant + here.offset) * USEC_PER_SEC + elapse % USEC_PER_SEC;
        wall_format(when, wall, USEC_INFINITY);
        if (first)
                return alloc_format(
                        other ? _("%s comes twice in %s: this is the first time, the second counts as well")
                              : _("%s comes twice in %s: this is the first time, the second does not count"),
                        when, zone_name(e->zone));
        return alloc_format(other ? _("%s comes twice in %s: this is the second time, the first counts as well")
                                  : _("%s comes twice in %s: this is the second time, the first does not count"),
                            when, zone_name(e->zone));
}
