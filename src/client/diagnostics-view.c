/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What is wrong with files, in the form that editors and compilers made familiar. */

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

void diagnostic_print(FILE *f, const DiagnosticView *v) {
        _cleanup_free_ char *file = text_escape(v->file), *message = text_escape(v->message);

        if (v->line > 0)
                fprintf(f, "%s:%u: %s\n", file, (unsigned)v->line, message);
        else
                fprintf(f, "%s: %s\n", file, message);
}

json_object *diagnostic_json(const DiagnosticView *v) {
        json_object *o = json_new_object();

        json_add_string(o, "file", v->file);
        json_add_number(o, "line", v->line);
        json_add_string(o, "message", v->message);
        return o;
}

json_object *diagnostic_views_json(const DiagnosticViews *d) {
        json_object *array = json_new_array();

        for (size_t i = 0; i < d->n_items; i++)
                json_append(array, diagnostic_json(&d->items[i]));
        return array;
}

/* ".../NAME.job" or ".../NAME.job.d/SOME.conf" */
char *diagnostic_job(const char *file) {
        static const char *const marks[] = { ".job.d/", ".job" };

        for (size_t i = 0; i < ELEMENTSOF(marks); i++) {
                const char *end = NULL, *start;

                for (const char *p = file; (p = strstr(p, marks[i])); p++)
                        end = p;
                if (!end || (i == 1 && end[strlen(marks[i])] != '\0'))
                        continue;
                start = memrchr(file, '/', (size_t)(end - file));
                start = start ? start + 1 : file;
                return alloc_format("%.*s", (int)(end - start), start);
        }
        return NULL;
}
