/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* mktime(3) looks for the instant of a wall clock time by trial: it starts from the offset that it found last,
 * corrects it by the error, and is done when there is none. A time that exists twice so gets the instant that is
 * nearer to the last question's, and in a gap the trial swings between its two sides until the one with daylight
 * saving is met (with dst < 0), or the one without what is asked for. When the instant has the wrong daylight saving,
 * the nearest period with the right one lends its offset. All of this can be seen from outside, in what systemd's
 * timers do near a change of the clock. */

#include "time/libc-mktime.h"

/* Looks for a period with the wanted daylight saving nearby, and reads the wall clock with its offset. */
static int64_t instant_with_dst(const Zone *zone, int64_t wanted, int64_t instant, bool dst) {
        for (int64_t distance = DST_STRIDE; distance < DST_REACH; distance += DST_STRIDE)
                for (int sign = -1; sign <= 1; sign += 2) {
                        ZonePeriod there;

                        zone_at(zone, instant + sign * distance, &there);
                        if (there.dst == dst)
                                return wanted - there.offset;
                }
        return instant;
}

bool libc_mktime(const Zone *zone, struct civil *c, int *dst, int64_t *offset, int64_t *ret) {
        const int64_t wanted = civil_seconds(c);
        int64_t t = wanted - *offset, before = t, before_that = t;
        bool dst_before = false;
        ZonePeriod p;

        for (int probes = PROBES_MAX;;) {
                int64_t error;

                zone_at(zone, t, &p);
                error = wanted - (t + p.offset);
                if (error == 0) {
                        if (*dst >= 0 && p.dst != *dst)
                                t = instant_with_dst(zone, wanted, t, *dst);
                        break;
                }
                if (t == before_that && t != before && (*dst < 0 ? dst_before <= p.dst : p.dst != *dst))
                        break; /* swings over a gap */
                if (--probes == 0)
                        return false;
                before_that = before;
                before = t;
                t += error;
                dst_before = p.dst;
        }

        zone_at(zone, t, &p);
        *offset = wanted - t;
        *dst = p.dst;
        *ret = t;
        civil_from_seconds(t + p.offset, c);
        return true;
}
