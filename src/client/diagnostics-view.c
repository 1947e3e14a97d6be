/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What is wrong with files, as the daemon reports it. */

#include "client/diagnostics-view.h"
#include "ctl/alloc.h"

void diagnostic_views_done(DiagnosticViews *d) {
        d->items = mfree(d->items);
        d->n_items = 0;
        d->reply = sd_bus_message_unref(d->reply);
}

static int read_all(sd_bus_message *m, DiagnosticViews *d) {
        DiagnosticView v;
        int r;

        r = sd_bus_message_enter_container(m, 'a', "(sus)");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_read(m, "(sus)", &v.file, &v.line, &v.message)) > 0) {
                d->items = alloc_array(d->items, d->n_items + 1, sizeof(v));
                d->items[d->n_items++] = v;
        }
        return r;
}

int diagnostic_views_call(Ctl *c, const MethodCall *call, const char *look_at, DiagnosticViews *ret) {
        _cleanup_(diagnostic_views_done) DiagnosticViews d = { 0 };
        int r;

        r = ctl_call(c, call, look_at, &d.reply, NULL);
        if (r != 0)
                return r;
        r = read_all(d.reply, &d);
        if (r < 0)
                return ctl_bad_answer(call, r);
        *ret = d;
        d = (DiagnosticViews){ 0 };
        return 0;
}

int diagnostic_views_get(Ctl *c, DiagnosticViews *ret) {
        static const MethodCall diagnostics = { .member = "Diagnostics" };

        return diagnostic_views_call(c, &diagnostics, NULL, ret);
}
