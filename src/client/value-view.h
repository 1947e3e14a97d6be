#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the conditions of jobs ask for: the last values, and the history of each. Strings belong to the message that
 * each view holds; times are µs of CLOCK_REALTIME. Functions with a reterr fail like connection_call(). */

#include "client/properties.h"

typedef struct ValueView {
        const char *probe, *unit; /* "boolean", "count", "bytes", "usec", "days", "milli" or "percent" */
        int is_known;
        int64_t value, whole; /* of which it is a share; or 0 */
        usec_t at;            /* of the last answer; 0: there was none since vaktd was started */
        const char *reason;   /* why it is unknown */
        int is_used;          /* a job asks for it */
} ValueView;

/* Rows of values, in the order of their probes. */
int value_views_get(Connection *c, sd_bus_error *reterr, Rows *ret);

typedef struct ValueBucket {
        usec_t start, known; /* µs of it of which the value is known; 0: there is none */
        int64_t min;
        double mean; /* over the time that is known */
        int64_t max;
        const char *reason; /* why the rest of it is not known, or "" */
} ValueBucket;

typedef struct ValueHistory {
        sd_bus_message *message;
        ValueBucket *buckets; /* one after the other */
        size_t n_buckets;
        usec_t grain;
        const char *unit;
} ValueHistory;

/* grain: µs, of which the next larger one is chosen that there is; 0: the finest. probe: as it is written in a
 * condition, without its limit. */
int value_history_get(Connection *c, const char *probe, usec_t since, usec_t until, usec_t grain, sd_bus_error *reterr,
                      ValueHistory *ret);
void value_history_done(ValueHistory *h);
