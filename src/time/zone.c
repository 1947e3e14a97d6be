/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Questions to a zone. Everything is a binary search in one table of changes, which tzif.c has written out to 2200, so
 * there is no rule to evaluate and no state to keep: the same question always gets the same answer, in some ten
 * nanoseconds. */

#include "time/zone-internal.h"
#include "util/array.h"

#define OFFSET_SPREAD 93600 /* no offset is as large as 26 hours, so a local time is that near to its instant */

static const Zone utc = {
        .name = (char *)"UTC",
};

static const struct tzif *zone_table(const Zone *zone) {
        return zone->file ?: &tzif_utc;
}

const Zone *zone_utc(void) {
        return &utc;
}

const char *zone_name(const Zone *zone) {
        return zone->name;
}

/* The number of changes up to an instant, that is the index of its period: 0 before the first change. */
static size_t period_index(const struct tzif *t, int64_t instant) {
        return BISECT(t->n, i, t->at[i] <= instant);
}

static int64_t period_from(const struct tzif *t, size_t i) {
        return i > 0 ? t->at[i - 1] : INT64_MIN;
}

static int64_t period_until(const struct tzif *t, size_t i) {
        return i < t->n ? t->at[i] : INT64_MAX;
}

static const struct tzif_type *period_type(const struct tzif *t, size_t i) {
        assert(i <= t->n);
        return t->types + (i > 0 ? t->type[i - 1] : t->first);
}

void zone_at(const Zone *zone, int64_t instant, ZonePeriod *ret) {
        const struct tzif *t = zone_table(zone);
        size_t i = period_index(t, instant);
        const struct tzif_type *type = period_type(t, i);

        *ret = (ZonePeriod){
                .from = period_from(t, i),
                .until = period_until(t, i),
                .offset = type->offset,
                .dst = type->dst,
                .abbreviation = t->names + type->name,
        };
}

int zone_next_transition(const Zone *zone, int64_t instant, ZoneTransition *ret) {
        const struct tzif *t = zone_table(zone);

        for (size_t i = period_index(t, instant); i < t->n; i++) {
                const struct tzif_type *before = period_type(t, i), *after = period_type(t, i + 1);

                if (before->offset == after->offset)
                        continue;
                *ret = (ZoneTransition){
                        .at = t->at[i],
                        .before = before->offset,
                        .after = after->offset,
                        .dst_before = before->dst,
                        .dst_after = after->dst,
                };
                return 0;
        }
        return -ENOENT;
}

/* Describes the change at the end of period i, with the instants that the caller found. */
static void describe(const struct tzif *t, size_t i, ZoneLocalKind kind, int64_t first, int64_t second,
                     ZoneLocal *ret) {
        int32_t length = period_type(t, i + 1)->offset - period_type(t, i)->offset;

        *ret = (ZoneLocal){
                .kind = kind,
                .first = first,
                .second = second,
                .transition = t->at[i],
                .length = length < 0 ? -length : length,
        };
}

void zone_resolve(const Zone *zone, int64_t local, ZoneLocal *ret) {
        const struct tzif *t = zone_table(zone);
        int64_t first = 0;
        bool found = false;
        size_t gap = 0;

        for (size_t i = period_index(t, local - OFFSET_SPREAD); period_from(t, i) <= local + OFFSET_SPREAD; i++) {
                int64_t instant = local - period_type(t, i)->offset;

                if (found && instant >= period_from(t, i) && instant < period_until(t, i) && instant != first) {
                        describe(t, i - 1, ZONE_LOCAL_OVERLAP, first, instant, ret);
                        return;
                }
                /* The period before was over, this one has not begun: nothing shows it, unless a later one does, where
                 * two changes are closer together than they are large. */
                if (!found && gap == 0 && instant < period_from(t, i))
                        gap = i;
                if (!found && instant >= period_from(t, i) && instant < period_until(t, i)) {
                        found = true;
                        first = instant;
                }
                if (i == t->n)
                        break;
        }
        if (!found && gap > 0) {
                int64_t instant = local - period_type(t, gap - 1)->offset;

                describe(t, gap - 1, ZONE_LOCAL_GAP, instant, instant, ret);
                return;
        }
        assert(found); /* what no period shows lies between two of them */
        *ret = (ZoneLocal){ .kind = ZONE_LOCAL_UNIQUE, .first = first, .second = first };
}

const char *zone_abbreviation(const Zone *zone, bool dst, int64_t instant) {
        const struct tzif *t = zone_table(zone);
        size_t here = period_index(t, instant);

        for (size_t i = here + 1; i-- > 0;)
                if (period_type(t, i)->dst == dst)
                        return t->names + period_type(t, i)->name;
        for (size_t i = here + 1; i <= t->n; i++)
                if (period_type(t, i)->dst == dst)
                        return t->names + period_type(t, i)->name;
        return NULL;
}

bool zone_name_is_valid(const char *name) {
        char before = '/';
        size_t n = 0;

        for (const char *p = name; *p; before = *p++) {
                bool plain = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9') ||
                             *p == '-' || *p == '_' || *p == '+';

                if (++n > ZONE_NAME_MAX || (!plain && (*p != '/' || before == '/')))
                        return false;
        }
        return before != '/';
}
