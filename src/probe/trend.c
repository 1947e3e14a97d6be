/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Times are taken relative to the last sample and values relative to its value: sums of squares of bytes and
 * microseconds would otherwise lose what the line is about. */

#include "probe/trend.h"

#include <assert.h>

static void forget_first(Trend *t, size_t n) {
        memmove(t->samples, t->samples + n, (t->n_samples - n) * sizeof(TrendSample));
        t->n_samples -= n;
}

void trend_add(Trend *t, usec_t now_boottime, int64_t value) {
        size_t n_old = 0;

        while (n_old < t->n_samples && usec_add(t->samples[n_old].at, TREND_WINDOW_USEC) < now_boottime)
                n_old++;
        forget_first(t, n_old);
        /* The last one stays when it is far enough from the one before it. */
        if (t->n_samples >= 2 && t->samples[t->n_samples - 1].at - t->samples[t->n_samples - 2].at < TREND_GRAIN_USEC)
                t->n_samples--;
        if (t->n_samples == TREND_SAMPLES_MAX)
                forget_first(t, 1);
        t->samples[t->n_samples++] = (TrendSample){ .at = now_boottime, .value = value };
}

/* The slope, in units per µs, and the value of the line at the last sample. */
static void draw_line(const Trend *t, double *ret_slope, double *ret_last) {
        const TrendSample *last = &t->samples[t->n_samples - 1];
        double n = (double)t->n_samples, sx = 0, sy = 0, sxx = 0, sxy = 0;

        for (size_t i = 0; i < t->n_samples; i++) {
                double x = -(double)(last->at - t->samples[i].at), y = (double)(t->samples[i].value - last->value);

                sx += x;
                sy += y;
                sxx += x * x;
                sxy += x * y;
        }
        *ret_slope = (n * sxy - sx * sy) / (n * sxx - sx * sx);
        *ret_last = (double)last->value + (sy - *ret_slope * sx) / n;
}

int trend_time_left(const Trend *t, int64_t *ret) {
        const TrendSample *last = &t->samples[t->n_samples - 1];
        double slope, value, left;

        if (t->n_samples < TREND_SAMPLES_MIN || last->at - t->samples[0].at < TREND_AGE_MIN)
                return -EAGAIN;
        draw_line(t, &slope, &value);
        /* What is empty is empty, whatever the line says. */
        left = last->value <= 0 ? 0 : slope >= 0 ? (double)TREND_NEVER : MAX(value, 0.0) / -slope;
        *ret = left >= (double)TREND_NEVER ? TREND_NEVER : (int64_t)left;
        return 0;
}
