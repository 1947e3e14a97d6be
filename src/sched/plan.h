#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The occurrences of a trigger on the wall clock: pure arithmetic over calendar, cron and anchored intervals, with the
 * days of Except= left out and the random delay put on. All times are µs of CLOCK_REALTIME. */

#include "job/job-def.h"

#define PLAN_COUNT_MAX 1000 /* past occurrences that are counted one by one */

/* True for a trigger whose occurrences are wall-clock times; the others are spans after something. */
bool plan_is_wall(const JobDef *def, const TriggerDef *t) _pure_;

/* The first occurrence after an instant. -ENOENT: never again. */
int plan_next(const JobDef *def, const TriggerDef *t, usec_t after, usec_t *ret);

/* The last occurrences in (from, to], oldest first: at most max of them in ret, their number in *ret_n. *ret_total
 * counts all that were seen; there may be more before them if *ret_is_exact is false. The work is bounded, however
 * long ago from is. */
void plan_last(const JobDef *def, const TriggerDef *t, usec_t from, usec_t to, usec_t *ret, size_t max, size_t *ret_n,
               uint64_t *ret_total, bool *ret_is_exact);

/* The random delay of one occurrence: always the same for the same seed (of the machine), job, trigger and occurrence,
 * so that it is drawn once and needs no memory; with FixedRandomDelay= the same for all occurrences. µs. */
usec_t plan_delay(const JobDef *def, const TriggerDef *t, const char *job, uint64_t seed, usec_t occurrence) _pure_;

/* A number from 0 to below bound that depends only on the seed and a name; 0 for a bound of 0. */
uint64_t plan_spread(uint64_t seed, const char *name, uint64_t bound) _pure_;
