/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Any bytes as a TZif file: what is accepted is a sound table, whatever it says about the world, and every question to
 * a zone made of it has an answer that fits the others. The same bytes are taken for the rule of its footer, too. */

#include <assert.h>

#include "time/civil.h"
#include "time/posix-tz.h"
#include "time/zone-internal.h"

#define QUESTIONS 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_table(const struct tzif *t) {
        for (size_t i = 0; i < t->n; i++) {
                assert(i == 0 || t->at[i] > t->at[i - 1]);
                assert(t->types[t->type[i]].offset > -93600 && t->types[t->type[i]].offset < 93600);
                assert(strlen(t->names + t->types[t->type[i]].name) < 4096);
        }
        assert(strlen(t->names + t->types[t->first].name) < 4096);
}

/* What the clock shows at an instant leads back to it. */
static void check_instant(const Zone *zone, int64_t instant) {
        ZoneTransition change;
        ZoneLocal local;
        ZonePeriod p;

        zone_at(zone, instant, &p);
        assert(p.from <= instant && (instant < p.until || p.until == INT64_MAX));
        zone_resolve(zone, instant + p.offset, &local);
        assert(local.kind != ZONE_LOCAL_GAP);
        assert(local.first <= instant);
        if (local.kind == ZONE_LOCAL_UNIQUE)
                assert(local.first == instant && local.second == instant);
        if (zone_next_transition(zone, instant, &change) == 0)
                assert(change.at > instant && change.before != change.after);
        (void)zone_abbreviation(zone, true, instant);
}

static void check_rule(const uint8_t *data, size_t size) {
        char *text = strndup((const char *)data, size);
        struct posix_tz rule;
        int64_t start, end;

        assert(text);
        if (posix_tz_parse(text, &rule) >= 0 && rule.has_dst)
                for (int year = 1968; year <= 2201; year += 7) {
                        int64_t new_year = civil_days(year, 1, 1) * SECONDS_PER_DAY;

                        posix_tz_changes(&rule, year, &start, &end);
                        assert(start > new_year - 10 * SECONDS_PER_DAY && start < new_year + 376 * SECONDS_PER_DAY);
                        assert(end > new_year - 10 * SECONDS_PER_DAY && end < new_year + 376 * SECONDS_PER_DAY);
                }
        free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        Zone zone = { .name = (char *)"fuzz" };
        int r;

        check_rule(data, size);
        r = tzif_parse(data, size, &zone.file);
        if (r < 0) {
                assert(r == -EBADMSG || r == -EOPNOTSUPP || r == -ENOMEM);
                return 0;
        }
        check_table(zone.file);
        for (size_t i = 0; i < zone.file->n && i < QUESTIONS; i++) {
                check_instant(&zone, zone.file->at[i] - 1);
                check_instant(&zone, zone.file->at[i]);
        }
        for (int64_t t = 0; t < INT64_C(7300000000); t += INT64_C(7300000000) / QUESTIONS)
                check_instant(&zone, t);
        free(zone.file);
        return 0;
}
