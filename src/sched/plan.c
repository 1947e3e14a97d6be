/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Nothing here knows the current time. The calendar and cron languages are in time/; this file adds intervals that are
 * counted from a date, days that are left out, and a search backwards: the languages only know "the next one after",
 * so the last ones before are found in windows that grow until they contain enough. */

#include "sched/plan.h"

#include "time/civil.h"

#define EXCEPT_STEPS_MAX 4000         /* days that Except= may leave out in a row before the result is never */
#define WINDOW_FIRST     USEC_PER_SEC /* of the look back */
#define WINDOW_GROWTH    8

bool plan_is_wall(const JobDef *def, const TriggerDef *t) {
        return t->type == TRIGGER_CALENDAR || (t->type == TRIGGER_CRON && !cron_is_reboot(t->cron)) ||
               (t->type == TRIGGER_INTERVAL && def->rare->timer.anchor != USEC_INFINITY);
}

/* --- intervals that are counted from a date --- */

static int64_t to_local(const Zone *zone, usec_t instant) {
        ZonePeriod p;

        zone_at(zone, (int64_t)(instant / USEC_PER_SEC), &p);
        return (int64_t)instant + (int64_t)p.offset * (int64_t)USEC_PER_SEC;
}

/* The instant that shows a local time, by the policy; USEC_INFINITY if the clock leaves it out, *ret_resume then is
 * the local time from which on the clock shows a time again. */
static usec_t from_local(const JobDef *def, DstOverlap pass, int64_t local, int64_t *ret_resume) {
        int64_t seconds = local / (int64_t)USEC_PER_SEC, rest = local % (int64_t)USEC_PER_SEC;
        usec_t first, second;
        ZoneLocal z;

        zone_resolve(def->zone, seconds, &z);
        first = (usec_t)(z.first * (int64_t)USEC_PER_SEC + rest);
        second = (usec_t)(z.second * (int64_t)USEC_PER_SEC + rest);
        if (z.kind == ZONE_LOCAL_GAP) {
                if (def->rare->timer.dst.gap != DST_GAP_SKIP)
                        return (usec_t)z.transition * USEC_PER_SEC;
                *ret_resume = to_local(def->zone, (usec_t)z.transition * USEC_PER_SEC);
                return USEC_INFINITY;
        }
        return pass == DST_OVERLAP_SECOND ? second : first;
}

/* The smallest anchor + k * span, k >= 0, that is later than local. */
static int64_t next_multiple(int64_t anchor, int64_t span, int64_t local) {
        assert(span > 0);
        return local < anchor ? anchor : anchor + ((local - anchor) / span + 1) * span;
}

/* In one pass, so that later local times are later instants. */
static int next_anchored_pass(const JobDef *def, DstOverlap pass, usec_t span, usec_t after, usec_t *ret) {
        int64_t anchor = to_local(def->zone, def->rare->timer.anchor), local = to_local(def->zone, after);
        int64_t seconds = (int64_t)(after / USEC_PER_SEC);
        ZonePeriod p = {};

        if (span >= INT64_MAX / 2 || after >= INT64_MAX / 2)
                return -ENOENT;
        /* Near a change of the rules the clock may show less than before, or later: begin where none can be missed. */
        zone_at(def->zone, seconds, &p);
        if (p.from > seconds - SECONDS_PER_DAY || p.until <= seconds + SECONDS_PER_DAY)
                local -= (int64_t)USEC_PER_DAY;
        for (;;) {
                int64_t candidate = next_multiple(anchor, (int64_t)span, local), resume = candidate, slack;
                usec_t instant = from_local(def, pass, candidate, &resume);

                assert(candidate > local); /* so that this ends */
                if (instant != USEC_INFINITY && instant > after) {
                        *ret = instant;
                        return 0;
                }
                /* Occurrences that are not later than now are passed over at once, except for two hours around a
                 * change. */
                local = MAX(candidate, resume - 1);
                if (instant == USEC_INFINITY)
                        continue;
                slack = p.from <= (int64_t)(instant / USEC_PER_SEC) && p.until > seconds + 7200
                                ? 0
                                : 2 * (int64_t)USEC_PER_HOUR;
                local = MAX(local, candidate + (int64_t)(after - instant) - slack);
        }
}

static int next_anchored(const JobDef *def, usec_t span, usec_t after, usec_t *ret) {
        usec_t second;
        int r;

        r = next_anchored_pass(def, def->rare->timer.dst.overlap, span, after, ret);
        if (r < 0 || def->rare->timer.dst.overlap != DST_OVERLAP_BOTH)
                return r;
        r = next_anchored_pass(def, DST_OVERLAP_SECOND, span, after, &second);
        if (r >= 0)
                *ret = MIN(*ret, second);
        return r;
}

/* --- the next one --- */

static int next_raw(const JobDef *def, const TriggerDef *t, usec_t after, usec_t *ret) {
        switch (t->type) {
        case TRIGGER_CALENDAR:
                return calendar_next(t->calendar, &def->rare->timer.dst, after, ret);
        case TRIGGER_CRON:
                return cron_next(t->cron, &def->rare->timer.dst, after, ret);
        case TRIGGER_INTERVAL:
                return next_anchored(def, t->span, after, ret);
        case TRIGGER_BOOT:
        case TRIGGER_STARTUP:
        case _TRIGGER_TYPE_MAX:
                break;
        }
        return -ENOENT;
}

static bool is_left_out(const JobDef *def, usec_t instant) {
        for (size_t i = 0; i < def->rare->timer.n_except; i++)
                if (calendar_matches_day(def->rare->timer.except[i], instant))
                        return true;
        return false;
}

/* The last µs of the day that contains the instant. */
static usec_t end_of_day(const Zone *zone, usec_t instant) {
        int64_t seconds = to_local(zone, instant) / (int64_t)USEC_PER_SEC;
        ZoneLocal midnight;

        zone_resolve(zone, (seconds / SECONDS_PER_DAY + 1) * SECONDS_PER_DAY, &midnight);
        return MAX((usec_t)midnight.first * USEC_PER_SEC - 1, instant);
}

int plan_next(const JobDef *def, const TriggerDef *t, usec_t after, usec_t *ret) {
        for (unsigned i = 0; i < EXCEPT_STEPS_MAX; i++) {
                usec_t next;
                int r;

                r = next_raw(def, t, after, &next);
                if (r < 0)
                        return r;
                assert(next > after);
                if (!is_left_out(def, next)) {
                        *ret = next;
                        return 0;
                }
                after = end_of_day(def->zone, next);
        }
        return -ENOENT;
}

/* --- the last ones --- */

/* Fills a ring with the occurrences in (from, to], and counts them; stops after so many. */
static uint64_t fill_ring(const JobDef *def, const TriggerDef *t, usec_t from, usec_t to, usec_t *ring, size_t max,
                          uint64_t give_up) {
        uint64_t n = 0;
        usec_t next;

        while (n < give_up && plan_next(def, t, from, &next) >= 0 && next <= to) {
                if (max > 0)
                        ring[n % max] = next;
                n++;
                from = next;
        }
        return n;
}

static void reverse(usec_t *a, size_t n) {
        for (size_t i = 0; i < n / 2; i++) {
                usec_t x = a[i];

                a[i] = a[n - 1 - i];
                a[n - 1 - i] = x;
        }
}

/* Makes the content of a ring begin at its oldest entry. */
static void rotate(usec_t *ring, size_t n, size_t oldest) {
        assert(oldest < n);
        reverse(ring, oldest);
        reverse(ring + oldest, n - oldest);
        reverse(ring, n);
}

void plan_last(const JobDef *def, const TriggerDef *t, usec_t from, usec_t to, usec_t *ret, size_t max, size_t *ret_n,
               uint64_t *ret_total, bool *ret_is_exact) {
        const uint64_t enough = MAX((uint64_t)max, (uint64_t)PLAN_COUNT_MAX), give_up = enough * WINDOW_GROWTH;
        usec_t window = WINDOW_FIRST, few = 0, start;
        uint64_t n;

        /* The window grows until it contains enough, and is halved back towards the last one that did not, if it
         * contains so many that examining each would take long. */
        for (;;) {
                assert(window > few);
                start = MAX(from, usec_sub(to, window));
                n = from < to ? fill_ring(def, t, start, to, ret, max, give_up) : 0;
                if (n == give_up && window - few > 1)
                        window = few + (window - few) / 2;
                else if (n >= enough || start == from)
                        break;
                else {
                        few = window;
                        window = few * WINDOW_GROWTH;
                }
        }
        if (n > max && max > 0)
                rotate(ret, max, (size_t)(n % max));
        *ret_n = (size_t)MIN(n, (uint64_t)max);
        *ret_total = n;
        *ret_is_exact = start == from;
}

/* --- chance --- */

/* The finaliser of splitmix64: every bit of the input moves every bit of the result. */
static uint64_t mix(uint64_t x) {
        x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
        x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
        return x ^ (x >> 31);
}

static uint64_t mix_text(uint64_t seed, const char *s) {
        for (; *s; s++)
                seed = (seed ^ (unsigned char)*s) * 0x100000001b3ULL;
        return mix(seed);
}

uint64_t plan_spread(uint64_t seed, const char *name, uint64_t bound) {
        return bound > 0 ? mix_text(seed, name) % bound : 0;
}

usec_t plan_delay(const JobDef *def, const TriggerDef *t, const char *job, uint64_t seed, usec_t occurrence) {
        uint64_t x;

        if (def->rare->timer.random_delay == 0)
                return 0;
        x = mix_text(mix_text(seed, job), t->expression);
        if (!def->rare->timer.fixed_random_delay)
                x = mix(x ^ occurrence);
        return def->rare->timer.random_delay == USEC_INFINITY ? x : x % (def->rare->timer.random_delay + 1);
}
