#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Calendar expressions, OnCalendar=: the language of systemd.time(7), "CALENDAR EVENTS", with the answers of
 * systemd-analyze calendar of systemd 252. An expression is bound to its zone when it is parsed: the one that it names
 * at its end, or the one that the caller gives for the others. */

#include "time/local-set.h"
#include "time/time-error.h"
#include "time/zone.h"
#include "util/clock.h"

#define CALENDAR_TEXT_MAX       4096 /* bytes of an expression */
#define CALENDAR_COMPONENTS_MAX 241  /* items of one list, as in systemd */

typedef struct Calendar Calendar;

/* Parses an expression. cache finds the zone at its end, NULL: only UTC is known. zone holds when the expression names
 * none, and its abbreviations ("CET") are understood at the end, too; NULL: UTC. Zones are borrowed. now (µs of
 * CLOCK_REALTIME) tells which abbreviations the zone uses.
 *
 * -EINVAL: no such expression; -ERANGE: a number is too large; -ENOBUFS: too long a list; each with *reterr (may be
 * NULL) filled in. */
int calendar_parse(const char *text, ZoneCache *cache, const Zone *zone, usec_t now, Calendar **ret,
                   TimeError *reterr);
Calendar *calendar_free(Calendar *calendar);

/* Bytes of a calendar that may be copied as they are, and need not be freed then; 0: those of this one may not. */
size_t calendar_size(const Calendar *calendar) _pure_;
DEFINE_CLEANUP(Calendar, calendar_free)

/* The normalized form, as systemd-analyze prints it. The caller frees it. */
int calendar_format(const Calendar *calendar, char **ret);

/* The zone that its times are meant in. */
const Zone *calendar_zone(const Calendar *calendar);

/* The first elapse after an instant (µs of CLOCK_REALTIME), always later than that. policy NULL, or with both
 * defaults: what systemd 252 answers, which is "skip" and "first" for a fixed time of day, and what mktime(3) makes of
 * times that stand in a gap on the way. With one of the two set, the default of the other is DST_GAP_SKIP or
 * DST_OVERLAP_FIRST.
 *
 * It differs from systemd in three places, on purpose:
 *  - Where systemd ends with an error ("Infinite loop in calendar calculation"), or says "never" because a change of
 *    the clock is in its way ("00:30" before 2020-10-04 in Antarctica/Casey), there is the next elapse by "skip" and
 *    "first". With an abbreviation at the end ("12:00 CET") "never" stays: systemd means it so for the
 *    other half of the year.
 *  - When a zone repeats an hour without daylight saving on either side (Europe/Moscow 2014), systemd takes the pass
 *    that its process asked mktime(3) for last, and can answer with an instant that is over. Here it is the pass that
 *    the given instant is in.
 *  - Which abbreviations of the zone are understood depends on earlier questions there, and on now alone here.
 *
 * -ENOENT: never again. */
int calendar_next(const Calendar *calendar, const DstPolicy *policy, usec_t after, usec_t *ret);

/* Whether an instant's second belongs to a day that the expression names, the time of day left aside (Except=). */
bool calendar_matches_day(const Calendar *calendar, usec_t instant);
