/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A call with an option that is misspelled fails: it is not served without that option. */

#include "bus/options.h"

#include "bus/errors.h"
#include "bus/text.h"
#include "util/macro.h"

#define ENTRIES_MAX 16

int option_refuse(const OptionTable *table, const char *name, const char *what, sd_bus_error *e) {
        _cleanup_free_ char *text = text_clean(name, TEXT_IN_LIST_MAX);

        return sd_bus_error_setf(e, ERROR_BAD_OPTION, "%s '%s' of %s %s; %s.", table->kind, strempty(text),
                                 table->method, what, table->list);
}

static int read_entry(sd_bus_message *m, const OptionTable *table, void *ret, sd_bus_error *e) {
        const char *name, *contents;
        int r;

        r = sd_bus_message_read_basic(m, 's', &name);
        if (r >= 0)
                r = sd_bus_message_peek_type(m, NULL, &contents);
        if (r < 0)
                return r;
        for (const Option *o = table->options; o < table->options + table->n; o++) {
                if (!streq(o->name, name))
                        continue;
                if (!streq_ptr(contents, o->type))
                        return option_refuse(table, name, "has the wrong type", e);
                r = sd_bus_message_enter_container(m, 'v', o->type);
                if (r >= 0)
                        r = o->read(m, ret, e);
                return r < 0 ? r : sd_bus_message_exit_container(m);
        }
        return option_refuse(table, name, "is unknown", e);
}

int options_read(sd_bus_message *m, const OptionTable *table, void *ret, sd_bus_error *e) {
        int r;

        r = sd_bus_message_enter_container(m, 'a', "{sv}");
        if (r < 0)
                return r;
        for (unsigned n = 0; (r = sd_bus_message_enter_container(m, 'e', "sv")) > 0; n++) {
                if (n == ENTRIES_MAX)
                        return option_refuse(table, "…", "follows too many others", e);
                r = read_entry(m, table, ret, e);
                if (r >= 0)
                        r = sd_bus_message_exit_container(m);
                if (r < 0)
                        return r;
        }
        return r < 0 ? r : sd_bus_message_exit_container(m);
}
