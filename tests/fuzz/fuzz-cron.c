/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Any bytes as a cron expression: as fuzz-calendar.c does it. */

#include <assert.h>

#include "time/cron.h"
#include "util/macro.h"

#define STEPS 3

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_runs(const Cron *c, const Cron *again, const DstPolicy *policy, usec_t after) {
        for (unsigned i = 0; i < STEPS; i++) {
                usec_t next = 0, next_again = 0;
                int r = cron_next(c, policy, after, &next);

                assert(r == cron_next(again, policy, after, &next_again));
                assert(next == next_again);
                assert(r == 0 || r == -ENOENT);
                if (r < 0)
                        return;
                assert(next > after);
                after = next;
        }
}

static void check_text(const char *text, const Zone *zone, usec_t start) {
        _cleanup_free_ char *normal = NULL, *normal_again = NULL;
        _cleanup_(cron_freep) Cron *c = NULL, *again = NULL;
        TimeError problem = {};
        int r;

        r = cron_parse(text, zone, &c, &problem);
        if (r < 0) {
                assert(r == -EINVAL || r == -ENOBUFS);
                assert(problem.column >= 1 && problem.column <= strlen(text) + 1 && !isempty(problem.message));
                return;
        }
        assert(cron_format(c, &normal) == 0);
        assert(cron_parse(normal, zone, &again, NULL) == 0);
        assert(cron_format(again, &normal_again) == 0);
        assert(streq(normal, normal_again));
        assert(cron_is_reboot(c) == cron_is_reboot(again));
        for (DstGap gap = 0; gap < _DST_GAP_MAX; gap++)
                for (DstOverlap overlap = 0; overlap < _DST_OVERLAP_MAX; overlap++)
                        check_runs(c, again, &(DstPolicy){ .gap = gap, .overlap = overlap }, start);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static const char *const names[] = { "UTC", "Europe/Oslo", "Australia/Lord_Howe", "Antarctica/Casey" };
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
        check_text(text, zone, start % (UINT64_C(7300000000) * USEC_PER_SEC));
        return 0;
}
