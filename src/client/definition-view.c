/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The definitions in force. */

#include "client/definition-view.h"

int definition_rows_get(Connection *c, sd_bus_error *reterr, Rows *ret) {
        return properties_get_rows(c, &(MethodCall){ .member = "ListDefinitions" }, "a(st)", reterr, ret);
}

void definition_view_done(DefinitionView *v) {
        v->message = sd_bus_message_unref(v->message);
}

int definition_view_get(Connection *c, const char *job, sd_bus_error *reterr, DefinitionView *ret) {
        static const MethodCall get = { .member = "GetDefinition" };
        _cleanup_(definition_view_done) DefinitionView v = { 0 };
        int r;

        r = connection_call(c, &get, reterr, &v.message, "s", job);
        if (r < 0)
                return r;
        r = sd_bus_message_read(v.message, "ss", &v.file, &v.text);
        if (r < 0)
                return connection_bad_answer(c, &get, r, reterr);
        *ret = TAKE_GENERIC(v, (DefinitionView){ 0 });
        return 0;
}
