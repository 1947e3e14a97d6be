/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What is wrong with files, as the daemon reports it. */

#include "client/diagnostics-view.h"

#include "client/properties.h"

void diagnostic_views_done(DiagnosticViews *d) {
        d->items = mfree(d->items);
        d->n_items = 0;
        d->reply = sd_bus_message_unref(d->reply);
}

int diagnostic_views_call(Ctl *c, const MethodCall *call, const char *look_at, DiagnosticViews *ret) {
        _cleanup_(diagnostic_views_done) DiagnosticViews d = { 0 };
        int r;

        r = ctl_call(c, call, look_at, &d.reply, NULL);
        if (r != 0)
                return r;
        r = properties_read_rows(d.reply, "a(sus)", &d.items, &d.n_items);
        if (r < 0)
                return ctl_bad_answer(c, call, r);
        *ret = d;
        d = (DiagnosticViews){ 0 };
        return 0;
}

int diagnostic_views_get(Ctl *c, DiagnosticViews *ret) {
        static const MethodCall diagnostics = { .member = "Diagnostics" };

        return diagnostic_views_call(c, &diagnostics, NULL, ret);
}
