#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Cron expressions, OnCron=: "MINUTE HOUR DAY MONTH WEEKDAY", with a field for seconds in front when there are six, or
 * one of @hourly, @daily, @midnight, @weekly, @monthly, @yearly, @annually, @reboot. A field is a list of *, N, N-M,
 * each with or without /STEP; months and weekdays may be named by three letters of either case.
 *
 * Where crons disagree, this is what holds here:
 *  - Day and weekday: a day has to fit either of them when both are restricted, and both of them when one of the two
 *    fields begins with a star, as in Vixie's cron. So "0 0 13 * 5" is every 13th and every Friday, but a star with
 *    a step of 2 in the field of days and "1" in that of weekdays is the Mondays with an odd date.
 *  - A star with a step counts from the smallest value of the field: days 1, 3, 5, minutes 0, 7, 14.
 *  - N/STEP without a range goes from N to the end of the field (Vixie's cron drops the step without a word). In the
 *    field of weekdays that end is Saturday.
 *  - A step may be larger than the field, and then picks its first value alone, as everywhere.
 *  - Sunday is 0 and 7; at the end of a range its name is 7 ("fri-sun"). Other ranges must not run backwards.
 *  - "?" is another way to write "*" for day and weekday.
 *  - L, the last: in the field of days "L" is the last day of the month, "L-3" three days before it, "LW" the last
 *    Monday-to-Friday; in the field of weekdays "5L" or "friL" is the last Friday of the month; "L" alone
 *    is no weekday.
 *  - W: "15W" is the Monday-to-Friday nearest to the 15th in the same month; nothing in a month without that day.
 *  - #: "5#3" or "fri#3" is the third Friday; nothing in a month without a fifth one.
 *  - Clock changes, as cronie's daemon treats them: an entry whose field of seconds, minutes or hours begins with a
 *    star follows the clock, so it leaves out what is skipped and runs in both passes of what is repeated. Any
 *    other entry runs right after the gap, once, and only in the first pass of an overlap. A change by three
 *    hours or more forward, or by more than three hours back, is a clock that was set: nothing is made up for.
 *  - @reboot is recognised and has no time: the scheduler makes it "at start of the first vaktd after boot". */

#include "time/local-set.h"
#include "time/time-error.h"
#include "time/zone.h"
#include "util/clock.h"

#define CRON_TEXT_MAX 1024 /* bytes of an expression */

typedef struct Cron Cron;

/* Parses an expression, bound to a zone (borrowed; NULL: UTC). -EINVAL with *reterr (may be NULL) filled in, -ENOBUFS
 * when it is too long. */
int cron_parse(const char *text, const Zone *zone, Cron **ret, TimeError *reterr);
Cron *cron_free(Cron *cron);

/* Bytes of each of them, which may be copied as they are, and need not be freed then. */
size_t cron_size(void) _const_;
DEFINE_CLEANUP(Cron, cron_free)

/* Whether it is @reboot. */
bool cron_is_reboot(const Cron *cron);

/* Writes six fields (or @reboot) that mean the same; parsing them gives the same text again. The caller frees it. */
int cron_format(const Cron *cron, char **ret);

/* The first run after an instant (µs of CLOCK_REALTIME), always later than that. policy NULL or a default in it: what
 * stands above. -ENOENT: never again, or @reboot. */
int cron_next(const Cron *cron, const DstPolicy *policy, usec_t after, usec_t *ret);
