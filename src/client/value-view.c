/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The values of conditions, and their history. */

#include "client/value-view.h"

int value_views_get(Connection *c, sd_bus_error *reterr, Rows *ret) {
        return properties_get_rows(c, &(MethodCall){ .member = "ListValues" }, "a(ssbxxtsb)", reterr, ret);
}

void value_history_done(ValueHistory *h) {
        h->buckets = mfree(h->buckets);
        h->message = sd_bus_message_unref(h->message);
}

int value_history_get(Connection *c, const char *probe, usec_t since, usec_t until, usec_t grain, sd_bus_error *reterr,
                      ValueHistory *ret) {
        static const MethodCall query = { .member = "QueryValues" };
        _cleanup_(value_history_done) ValueHistory h = { 0 };
        int r;

        r = connection_call(c, &query, reterr, &h.message, "sttt", probe, since, until, grain);
        if (r < 0)
                return r;
        r = properties_read_rows(h.message, "a(ttxdxs)", &h.buckets, &h.n_buckets);
        if (r >= 0)
                r = sd_bus_message_read(h.message, "ts", &h.grain, &h.unit);
        if (r < 0)
                return connection_bad_answer(c, &query, r, reterr);
        *ret = TAKE_GENERIC(h, (ValueHistory){ 0 });
        return 0;
}
