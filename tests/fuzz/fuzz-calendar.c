/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Any bytes as a calendar expression. A refusal names a place in the text; what is accepted has a normal form that is
 * its own normal form, and elapses that always get later, in a zone with clock changes, under every policy. The first
 * eight bytes are the time to start from. */

#include <assert.h>

#include "time/calendar.h"
#include "util/macro.h"

#define STEPS 3

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Whether the normal form has a star for seconds. As in systemd, that is what becomes of "0/1,4.2": the fraction is
 * lost in the text, but not in the elapses. */
static bool has_star_for_seconds(const char *normal) {
        const char *colon = strrchr(normal, ':');

        return colon && colon[1] == '*';
}

/* again is the expression read from the normal form, or NULL when that does not say all. */
static void check_elapses(const Calendar *c, const Calendar *again, const DstPolicy *policy, usec_t after) {
        for (unsigned i = 0; i < STEPS; i++) {
                usec_t next = 0, next_again = 0;
                int r = calendar_next(c, policy, after, &next);

                if (again) {
                        assert(r == calendar_next(again, policy, after, &next_again));
                        assert(next == next_again);
                }
                assert(r == 0 || r == -ENOENT || r == -EINVAL);
                if (r < 0)
                        return;
                assert(next > after);
                after = next;
        }
}

static void check_text(const char *text, ZoneCache *cache, const Zone *zone, usec_t start) {
        _cleanup_(calendar_freep) Calendar *c = NULL, *again = NULL;
        _cleanup_free_ char *normal = NULL, *normal_again = NULL;
        TimeError problem = {};
        int r;

        r = calendar_parse(text, cache, zone, start, &c, &problem);
        if (r < 0) {
                assert(r == -EINVAL || r == -ERANGE || r == -ENOBUFS);
                assert(problem.column >= 1 && problem.column <= strlen(text) + 1 && !isempty(problem.message));
                return;
        }
        assert(calendar_format(c, &normal) == 0);
        assert(calendar_parse(normal, cache, zone, start, &again, NULL) == 0);
        assert(calendar_format(again, &normal_again) == 0);
        assert(streq(normal, normal_again));
        for (DstGap gap = 0; gap < _DST_GAP_MAX; gap++)
                for (DstOverlap overlap = 0; overlap < _DST_OVERLAP_MAX; overlap++)
                        check_elapses(c, has_star_for_seconds(normal) ? NULL : again,
                                      &(DstPolicy){ .gap = gap, .overlap = overlap }, start);
        (void)calendar_matches_day(c, start);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static const char *const names[] = { "UTC", "Europe/Oslo", "Australia/Lord_Howe", "Europe/Dublin",
                                             "Pacific/Apia" };
        static ZoneCache *cache;
        _cleanup_free_ char *text = NULL;
        uint64_t start = 0;
        const Zone *zone;

        if (!cache && zone_cache_new(NULL, &cache) < 0)
                return 0;
        for (size_t i = 0; i < 8 && i < size; i++)
                start = start << 8 | data[i];
        text = size > 8 ? strndup((const char *)data + 8, size - 8) : strdup("");
        assert(text);
        if (zone_cache_get(cache, names[start % ELEMENTSOF(names)], &zone) < 0)
                return 0;
        /* Any word could be a file to look for: only what has a slash in it is let through to the cache. */
        check_text(text, strchr(text, '/') && strlen(text) < 64 ? cache : NULL, zone,
                   start % (UINT64_C(7300000000) * USEC_PER_SEC));
        return 0;
}
