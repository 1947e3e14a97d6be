/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The methods of org.vaktd1.Manager about the values that conditions ask for. The list is answered from memory, so
 * that it can be read again and again; a history is read from the ledger, some fifty rows. */

#include <math.h>

#include "bus/api-manager.h"
#include "bus/errors.h"
#include "bus/text.h"
#include "core/values.h"
#include "util/string-table.h"

#define LIST_VALUES_ROW  "(ssbxxtsb)"
#define QUERY_VALUES_ROW "(ttxdxs)"

static const char *const unit_table[] = {
        [CONDITION_TRUTH] = "boolean",   [CONDITION_COUNT] = "count", [CONDITION_BYTES] = "bytes",
        [CONDITION_USEC] = "usec",       [CONDITION_DAYS] = "days",   [CONDITION_MILLI] = "milli",
        [CONDITION_PERCENT] = "percent",
};

static int append_value(const char *question, ConditionKind kind, const Reading *last, bool is_used, void *userdata) {
        _cleanup_free_ char *copy = NULL, *reason_copy = NULL;
        const char *text = text_fit(question, TEXT_MAX, &copy);
        const char *reason = text_fit(last->reason, TEXT_IN_LIST_MAX, &reason_copy);

        if (!text || !reason)
                return -ENOMEM;
        return MIN(sd_bus_message_append(userdata, LIST_VALUES_ROW, text, unit_table[condition_kind_unit(kind)],
                                         (int)last->is_known, last->value, last->whole, last->at, reason,
                                         (int)is_used),
                   0);
}

int method_list_values(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        Connection *c = userdata;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        int r;

        r = api_new_large_reply(c, m, &reply, e);
        if (r < 0)
                return r;
        r = sd_bus_message_open_container(reply, 'a', LIST_VALUES_ROW);
        if (r >= 0)
                r = manager_list_values(c->api->manager, append_value, reply);
        return api_send_list(reply, r);
}

typedef struct BucketList {
        sd_bus_message *reply;
        double scale;
} BucketList;

static int append_bucket(usec_t start, const Bucket *b, void *userdata) {
        _cleanup_free_ char *copy = NULL;
        const char *reason = text_fit(b->end.reason, TEXT_IN_LIST_MAX, &copy);
        const BucketList *list = userdata;
        double mean = b->known == 0 ? NAN : b->is_never ? INFINITY : (double)bucket_mean(b) / list->scale;

        if (!reason)
                return -ENOMEM;
        return MIN(sd_bus_message_append(list->reply, QUERY_VALUES_ROW, start, b->known, b->min, mean, b->max, reason),
                   0);
}

static int refuse_query(int error, const char *probe, const ConditionError *problem, sd_bus_error *e) {
        if (error == -EINVAL)
                return sd_bus_error_setf(e, ERROR_BAD_OPTION, "At column %zu of \"%.*s\": %s", problem->column,
                                         TEXT_IN_LIST_MAX, probe, problem->message);
        if (error == -ENOENT)
                return sd_bus_error_setf(e, ERROR_NO_SUCH_PROBE,
                                         "No job has asked for \"%.*s\" in the last 30 days; use 'vaktctl values' to "
                                         "see all values.",
                                         TEXT_IN_LIST_MAX, probe);
        return sd_bus_error_set_errnof(e, error, "Cannot read the history of values from the ledger: %m");
}

int method_query_values(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        Connection *c = userdata;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        uint64_t since, until, grain;
        ConditionError problem = {};
        ConditionUnit unit;
        const char *probe;
        BucketList list;
        int r;

        r = sd_bus_message_read(m, "sttt", &probe, &since, &until, &grain);
        if (r >= 0)
                r = api_new_large_reply(c, m, &reply, e);
        if (r < 0)
                return r;
        r = manager_get_values_unit(c->api->manager, probe, &unit, &problem);
        if (r < 0)
                return refuse_query(r, probe, &problem, e);
        list = (BucketList){ .reply = reply, .scale = (double)series_scale(unit) };
        r = sd_bus_message_open_container(reply, 'a', QUERY_VALUES_ROW);
        if (r < 0)
                return r;
        r = manager_query_values(c->api->manager, probe, since, until, &grain, append_bucket, &list);
        if (r < 0)
                return refuse_query(r, probe, &problem, e);
        r = sd_bus_message_close_container(reply);
        if (r >= 0)
                r = sd_bus_message_append(reply, "ts", grain, unit_table[unit]);
        return r < 0 ? r : sd_bus_message_send(reply);
}
